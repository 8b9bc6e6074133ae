//! `/`: what somebody has to know in five seconds. Exceptions first, each list short, with the way to all of it.

use std::borrow::Cow;
use std::time::Duration;

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use serde::Deserialize;

use super::environments::{Matrix, matrix};
use super::frame::Frame;
use super::html::{Badge, When, branch, named, query, said, short};
use super::out::{AdoSite, Out};
use super::runs::latest;
use super::{approvals, dead_letters, hooks, page, paths};
use crate::catalog::{Broken, On, Recent, Run, RunsBefore};
use crate::domain::Time;
use crate::http::Problem;
use crate::http::reader::Reader;
use crate::view::duration;
use crate::view::overview::{self, Whose};

/// The newest runs, among which is looked.
const WINDOW: u32 = 2_000;
const FEW: usize = 6;
/// Runs that tell how long a pipeline usually takes.
const USUAL: u32 = 20;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    scope: Option<String>,
    who: Option<String>,
    team: Option<String>,
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    frame: Frame,
    scopes: Vec<ScopeLink>,
    /// Somebody wants to see what is theirs, and has to say who they are.
    ask_who: bool,
    ask_team: bool,
    who: String,
    names: Vec<String>,
    /// Each with its address.
    teams: Vec<(String, String)>,
    is_empty: bool,
    window: u32,
    broken: List<BrokenRow>,
    failures: List<BrokenRow>,
    /// Where failed runs are, of all branches.
    all_failed: String,
    /// Where approvals are that wait on the same people.
    all_waiting: String,
    live: List<LiveRow>,
    approvals: List<approvals::Row>,
    commits: Vec<CommitRow>,
    matrix: Matrix,
    shared: Vec<SharedRow>,
    poison: Vec<(String, u64, String)>,
    /// For who runs this.
    lag: Option<String>,
}

struct ScopeLink {
    word: &'static str,
    href: String,
    here: bool,
}

/// The first few, and how many there are.
struct List<T> {
    rows: Vec<T>,
    total: usize,
}

impl<T> List<T> {
    fn of(all: impl Iterator<Item = T>) -> Self {
        let mut rows: Vec<T> = all.collect();
        let total = rows.len();
        rows.truncate(FEW);
        Self { rows, total }
    }

    fn is_cut(&self) -> bool {
        self.total > self.rows.len()
    }
}

struct BrokenRow {
    href: String,
    pipeline: String,
    branch: String,
    production: bool,
    failed_in: String,
    error: String,
    failures: u32,
    since: Option<When>,
    since_known: bool,
    by: Option<(String, String)>,
    who: String,
    out: Out,
}

struct LiveRow {
    href: String,
    pipeline: String,
    branch: String,
    badge: Badge,
    who: String,
    started: Option<When>,
    /// `ends in 3m 10s`, or how much longer than usual it takes.
    expected: String,
    late: bool,
    /// In percent of the usual time.
    done: Option<u64>,
    out: Out,
}

struct CommitRow {
    href: String,
    short: String,
    branch: String,
    who: String,
    when: Option<When>,
    pipelines: Vec<CommitPipeline>,
}

struct CommitPipeline {
    href: String,
    name: String,
    chips: Vec<(String, Badge)>,
    out: Out,
}

struct SharedRow {
    message: String,
    runs: usize,
    pipelines: Vec<(String, String, Out)>,
}

/// `GET /`
pub(super) async fn show(reader: Reader, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let now = reader.clock.now();
    let asked = Asked { scope: said(asked.scope), who: said(asked.who), team: said(asked.team) };
    let all = reader.catalog.recent(WINDOW).await?;
    let whose = whose(&reader, &asked, &all);
    let recent = match whose {
        Whose::All => Cow::Borrowed(all.as_slice()),
        Whose::Mine(_) | Whose::Team(_) => all.iter().filter(|one| whose.has(one, &reader.owners)).cloned().collect(),
    };
    let (owners, of) = (reader.owners.clone(), whose.clone());
    let mut main = reader.catalog.broken(On::Default, move |last| of.has(last, &owners)).await?;
    let mut other = overview::broken_elsewhere(&recent);
    [&mut main, &mut other].into_iter().for_each(|broken| overview::sort_broken(broken));
    let all_failed = match &whose {
        Whose::Mine(name) => query("/runs", &[("result", Some("failed")), ("who", Some(name))]),
        Whose::All | Whose::Team(_) => "/runs?result=failed".to_owned(),
    };
    let wants_team = asked.scope.as_deref() == Some("team");
    let team = match &whose {
        Whose::Team(team) => Some(team.as_str()),
        Whose::All | Whose::Mine(_) => None,
    };
    page(&Home {
        frame: Frame::of(&reader, "/").await?,
        scopes: scopes(&asked, &whose),
        ask_who: asked.scope.as_deref() == Some("mine"),
        ask_team: wants_team,
        who: match &whose {
            Whose::Mine(name) => name.clone(),
            Whose::All | Whose::Team(_) => String::new(),
        },
        names: names(&all),
        teams: if wants_team { teams(&reader).await? } else { Vec::new() },
        is_empty: all.is_empty(),
        window: WINDOW,
        broken: List::of(main.iter().map(|broken| broken_row(&reader.ado, broken, now))),
        failures: List::of(other.iter().map(|broken| broken_row(&reader.ado, broken, now))),
        all_failed,
        all_waiting: approvals::Asked::of(&whose).address(None),
        live: live(&reader, &recent, now).await?,
        approvals: waiting(&reader, &whose, now).await?,
        commits: commits(&reader, &recent, &whose, now).await?,
        matrix: matrix(&reader, team).await?,
        shared: overview::shared(&recent).iter().take(FEW).map(|shared| shared_row(&reader.ado, shared)).collect(),
        poison: poison(&reader).await,
        lag: if reader.caller.is_admin_of_all() { hooks::lag(&reader).await } else { None },
    })
}

/// The name of the sign-in counts where Azure DevOps knows somebody by it: that of a token or of a proxy's user may be
/// another.
fn whose(reader: &Reader, asked: &Asked, recent: &[Recent]) -> Whose {
    let asks = |name: &String| recent.iter().any(|one| Whose::Mine(name.clone()).has(one, &reader.owners));
    let name = asked.who.clone().or_else(|| reader.caller.name.clone().filter(asks));
    match (asked.scope.as_deref(), name, asked.team.clone()) {
        (Some("mine"), Some(name), _) => Whose::Mine(name),
        (Some("team"), _, Some(team)) => Whose::Team(team),
        (_, _, _) => Whose::All,
    }
}

/// The names are kept, so that one can go back and forth.
fn scopes(asked: &Asked, whose: &Whose) -> Vec<ScopeLink> {
    let kept = [("who", asked.who.as_deref()), ("team", asked.team.as_deref())];
    let link = |word, scope: &str, here| {
        let href = query("/", &[[("scope", Some(scope))].as_slice(), &kept].concat());
        ScopeLink { word, href, here }
    };
    let scope = asked.scope.as_deref();
    vec![
        link("Mine", "mine", scope == Some("mine")),
        link("Team", "team", scope == Some("team")),
        link("All", "all", *whose == Whose::All && !matches!(scope, Some("mine" | "team"))),
    ]
}

/// Who asked for runs lately.
fn names(recent: &[Recent]) -> Vec<String> {
    let mut names: Vec<_> = recent.iter().filter_map(|one| one.run.requested_for.clone()).collect();
    names.sort_unstable();
    names.dedup();
    names.truncate(200);
    names
}

async fn teams(reader: &Reader) -> Result<Vec<(String, String)>, Problem> {
    let href = |team: &String| query("/", &[("scope", Some("team")), ("team", Some(team.as_str()))]);
    Ok(reader.teams().await?.into_iter().map(|team| (team.clone(), href(&team))).collect())
}

fn broken_row(ado: &AdoSite, broken: &Broken, now: Time) -> BrokenRow {
    let Broken { last, first, .. } = broken;
    let failed_in = last.failed_in.clone().unwrap_or_default();
    BrokenRow {
        href: run_path(&last.run),
        pipeline: pipeline(&last.run),
        branch: branch(last.run.branch.as_deref()),
        production: overview::is_production(&failed_in),
        failed_in,
        error: last.error.clone().unwrap_or_default(),
        failures: broken.failures,
        since: first.run.finished_at.or(first.run.queued_at).map(|at| When::of(at, now)),
        since_known: broken.since_known,
        by: first.run.commit.as_ref().map(|commit| (paths::commit(&first.run.organization, commit), short(commit))),
        who: first.run.requested_for.clone().unwrap_or_default(),
        out: out(ado, &last.run),
    }
}

fn run_path(run: &Run) -> String {
    paths::run(&run.organization, run.run_id)
}

fn out(ado: &AdoSite, run: &Run) -> Out {
    Out::to(ado.known_run(run), format!("run {}", run.run_id))
}

fn pipeline(run: &Run) -> String {
    named(run.pipeline.name.as_deref(), run.pipeline.id)
}

/// On default branches before others, in each the newest first.
async fn live(reader: &Reader, recent: &[Recent], now: Time) -> Result<List<LiveRow>, Problem> {
    let is_live = |one: &&Recent| one.run.state.as_deref().is_some_and(|state| state != "completed");
    let mut runs: Vec<&Recent> = recent.iter().filter(is_live).collect();
    runs.sort_by_key(|one| !one.on_default);
    let pipeline = |one: &&Recent| (one.run.organization.clone(), one.run.pipeline.id);
    let shown: Vec<_> = runs.iter().take(FEW).map(pipeline).collect();
    let finished = reader.catalog.last_finished(&shown, USUAL).await?;
    let usual = finished.iter().map(|finished| overview::median(finished)).chain(std::iter::repeat(None));
    let rows = runs.iter().zip(usual).map(|(one, usual)| live_row(&reader.ado, one, usual, now));
    Ok(List::of(rows))
}

fn live_row(ado: &AdoSite, one: &Recent, usual: Option<Duration>, now: Time) -> LiveRow {
    let (run, so_far) = (&one.run, one.began.map(|at| now.since(at)));
    let (expected, late) = match (so_far, usual) {
        (Some(so_far), Some(usual)) if so_far <= usual => {
            (format!("ends in {}", duration(usual.saturating_sub(so_far))), false)
        }
        (Some(so_far), Some(usual)) => (format!("{} longer than usual", duration(so_far.saturating_sub(usual))), true),
        (Some(_), None) => ("nothing to compare with".to_owned(), false),
        (None, _) => ("has not started".to_owned(), false),
    };
    let percent = |(so_far, usual): (Duration, Duration)| {
        let whole = usual.as_secs().max(1);
        so_far.as_secs().min(whole) * 100 / whole
    };
    LiveRow {
        href: run_path(run),
        pipeline: pipeline(run),
        branch: branch(run.branch.as_deref()),
        badge: Badge::of(run.state.as_deref(), run.result.as_deref()),
        who: run.requested_for.clone().unwrap_or_default(),
        started: one.began.map(|at| When::of(at, now)),
        expected,
        late,
        done: so_far.zip(usual).map(percent),
        out: out(ado, run),
    }
}

/// Production first, then who waits longest.
async fn waiting(reader: &Reader, whose: &Whose, now: Time) -> Result<List<approvals::Row>, Problem> {
    let asked = approvals::Asked::of(whose);
    let mut waiting = approvals::waiting(reader, &asked).await?;
    waiting.sort_by_key(|approval| !approval.stage.as_deref().is_some_and(overview::is_production));
    let rows = waiting.iter().map(|approval| approvals::Row::of(&reader.ado, approval, now));
    Ok(List::of(rows))
}

/// The last commits of the default branch, or all of one's own, each with how far it came.
async fn commits(reader: &Reader, recent: &[Recent], whose: &Whose, now: Time) -> Result<Vec<CommitRow>, Problem> {
    let own = matches!(whose, Whose::Mine(_));
    let wanted = recent.iter().filter(|one| own || one.on_default);
    let found = overview::commits(wanted, FEW);
    let places: Vec<_> = found.iter().flat_map(|(_, runs)| runs.iter().map(|run| RunsBefore::from(*run))).collect();
    let mut stages = reader.catalog.stages_of(&places).await?.into_iter();
    let mut rows = Vec::with_capacity(found.len());
    for (commit, runs) in &found {
        let of = |run: &&Run| CommitPipeline {
            href: run_path(run),
            out: out(&reader.ado, run).short(),
            name: pipeline(run),
            chips: latest(&stages.next().unwrap_or_default())
                .map(|stage| (stage.name.clone(), Badge::of(stage.state.as_deref(), stage.result.as_deref())))
                .collect(),
        };
        let pipelines = runs.iter().map(of).collect();
        let Some(first) = runs.first() else { continue };
        rows.push(CommitRow {
            href: paths::commit(&first.organization, commit),
            short: short(commit),
            branch: branch(first.branch.as_deref()),
            who: first.requested_for.clone().unwrap_or_default(),
            when: first.queued_at.or(first.started_at).map(|at| When::of(at, now)),
            pipelines,
        });
    }
    Ok(rows)
}

fn shared_row(ado: &AdoSite, shared: &overview::Shared<'_>) -> SharedRow {
    SharedRow {
        message: shared.message.to_owned(),
        runs: shared.runs,
        pipelines: shared.pipelines.iter().map(|run| (run_path(run), pipeline(run), out(ado, run).short())).collect(),
    }
}

/// Dead letters by reason, the most first, for who may see them.
async fn poison(reader: &Reader) -> Vec<(String, u64, String)> {
    if !reader.caller.is_admin_of_all() {
        return Vec::new();
    }
    let mut reasons = dead_letters::reasons(reader).await;
    reasons.truncate(FEW);
    reasons
}
