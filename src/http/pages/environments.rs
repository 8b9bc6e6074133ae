use std::collections::BTreeMap;
use std::time::Duration;

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use serde::Deserialize;

use super::filters::{Field, Filters};
use super::frame::Frame;
use super::html::{Badge, When, named, said, short};
use super::links::version;
use super::out::{AdoSite, Out};
use super::{page, paths};
use crate::catalog::{Deployment, Environment, EnvironmentFilter, Passed};
use crate::domain::Time;
use crate::domain::owner::Owners;
use crate::http::Problem;
use crate::http::reader::Reader;
use crate::view::overview::environment_rank;
use crate::view::{Beside, Line, line, side_by_side};

/// So many are looked at, in the order of their names.
const TOP: u32 = 1_000;
/// Commits that are listed between two environments.
const MOST_COMMITS: u32 = 20;
/// What is older and has something newer elsewhere is stale.
const STALE: Duration = Duration::from_secs(14 * 86_400);

#[derive(Template)]
#[template(path = "environments.html")]
struct Page {
    frame: Frame,
    rows: Vec<EnvironmentRow>,
    filters: Filters,
    /// How many there are at the most, where there may be more.
    cut: Option<u32>,
}

struct EnvironmentRow {
    name: String,
    place: String,
    source: String,
    there: Vec<There>,
    last: Option<There>,
    live: u64,
    deployments: u64,
    out: Out,
}

/// A version somewhere.
struct There {
    pipeline: String,
    version: String,
    href: Option<String>,
    out: Out,
    badge: Badge,
    when: Option<When>,
    certain: bool,
}

/// `GET /environments`
pub(super) async fn list(reader: Reader) -> Result<Response, Problem> {
    let now = reader.clock.now();
    let mut environments = known(&reader, None).await?;
    environments.sort_by_key(|environment| environment_rank(&environment.name));
    let names = names(&reader).await?;
    let (from, to) = usual(&names);
    page(&Page {
        frame: Frame::of(&reader, "/environments").await?,
        filters: two(&names, &from, &to),
        cut: is_cut(&environments).then_some(TOP),
        rows: environments.iter().map(|environment| row(&reader.ado, environment, now)).collect(),
    })
}

async fn known(reader: &Reader, names: Option<Vec<String>>) -> Result<Vec<Environment>, Problem> {
    let filter = EnvironmentFilter { names, top: Some(TOP), ..EnvironmentFilter::default() };
    Ok(reader.catalog.environments(&filter).await?)
}

/// There may be more than were looked at.
fn is_cut(environments: &[Environment]) -> bool {
    u32::try_from(environments.len()).is_ok_and(|count| count >= TOP)
}

/// Each once, production first.
async fn names(reader: &Reader) -> Result<Vec<String>, Problem> {
    let mut names = reader.catalog.environment_names().await?;
    names.sort_by_cached_key(|name| environment_rank(name));
    Ok(names)
}

fn row(ado: &AdoSite, environment: &Environment, now: Time) -> EnvironmentRow {
    let (organization, project) = (environment.organization.as_str(), environment.project.as_deref());
    let page = match (environment.id, &environment.definition) {
        (Some(id), _) => ado.environment(organization, project, id),
        (None, Some(definition)) => ado.definition(organization, project, definition.id),
        (None, None) => None,
    };
    EnvironmentRow {
        name: environment.name.clone(),
        place: format!("{}/{}", environment.organization, environment.project.as_deref().unwrap_or("?")),
        source: environment.source.clone(),
        there: environment.current.iter().map(|deployment| there(ado, deployment, now)).collect(),
        last: environment.last.as_ref().map(|deployment| there(ado, deployment, now)),
        out: Out::to(page, environment.name.clone()),
        live: environment.live,
        deployments: environment.deployments,
    }
}

fn there(ado: &AdoSite, deployment: &Deployment, now: Time) -> There {
    There {
        pipeline: pipeline(deployment),
        version: version(deployment),
        href: run_path(deployment),
        out: out(ado, deployment),
        badge: Badge::of(deployment.state.as_deref(), deployment.result.as_deref()),
        when: at(deployment).map(|at| When::of(at, now)),
        certain: deployment.certainty == "certain",
    }
}

fn run_path(deployment: &Deployment) -> Option<String> {
    deployment.run_id.map(|id| paths::run(&deployment.organization, id))
}

fn out(ado: &AdoSite, deployment: &Deployment) -> Out {
    Out::to(ado.deployment(deployment), format!("{} {}", pipeline(deployment), version(deployment))).short()
}

fn at(deployment: &Deployment) -> Option<Time> {
    deployment.finished_at.or(deployment.started_at)
}

fn pipeline(deployment: &Deployment) -> String {
    deployment.pipeline.as_ref().map_or_else(|| "?".to_owned(), |name| named(name.name.as_deref(), name.id))
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Two {
    from: Option<String>,
    to: Option<String>,
}

#[derive(Template)]
#[template(path = "compare.html")]
struct Compare {
    frame: Frame,
    filters: Filters,
    from: String,
    to: String,
    rows: Vec<Difference>,
}

struct Difference {
    pipeline: String,
    out: Out,
    from: Option<There>,
    to: Option<There>,
    badge: Badge,
    commits: Vec<(String, String, String)>,
}

/// `GET /environments/compare`: what is in one that is not in the other.
pub(super) async fn compare(reader: Reader, Query(Two { from, to }): Query<Two>) -> Result<Response, Problem> {
    let now = reader.clock.now();
    let names = names(&reader).await?;
    let usual = usual(&names);
    let (from, to) = (said(from).unwrap_or(usual.0), said(to).unwrap_or(usual.1));
    let environments = known(&reader, Some(vec![from.clone(), to.clone()])).await?;
    let mut rows = Vec::new();
    for beside in pairs(&environments, &from, &to) {
        let Beside { from: left, to: right } = beside;
        let commits = between(&reader, left, right).await?;
        let organization = left.or(right).map(|either| either.organization.as_str()).unwrap_or_default();
        rows.push(Difference {
            pipeline: left.or(right).map(pipeline).unwrap_or_default(),
            badge: difference(beside),
            out: left.or(right).map_or_else(|| Out::to(None, ""), |either| pipeline_out(&reader.ado, either)),
            from: left.map(|left| there(&reader.ado, left, now)),
            to: right.map(|right| there(&reader.ado, right, now)),
            commits: commits.into_iter().map(|passed| commit(organization, passed)).collect(),
        });
    }
    let filters = two(&names, &from, &to);
    page(&Compare { frame: Frame::of(&reader, "/environments").await?, filters, from, to, rows })
}

/// Without a wish: what would come to production next.
fn usual(names: &[String]) -> (String, String) {
    let nth = |nth: usize| names.get(nth).cloned().unwrap_or_default();
    (nth(1), nth(0))
}

/// To choose two of them.
fn two(names: &[String], from: &str, to: &str) -> Filters {
    let choice =
        |name, label, chosen: &str| Field::words(name, label, names.iter().map(String::as_str), |name| name == chosen);
    let fields = vec![choice("from", "Compare", from), choice("to", "with", to)];
    Filters { action: "/environments/compare", button: "Compare", fields, is_any: false }
}

/// The pipeline, or the definition of its releases.
fn pipeline_out(ado: &AdoSite, of: &Deployment) -> Out {
    let (organization, project) = (of.organization.as_str(), of.project.as_deref());
    let address = of.pipeline.as_ref().and_then(|pipeline| match of.release_id {
        Some(_) => ado.definition(organization, project, pipeline.id),
        None => ado.pipeline(organization, project, pipeline.id),
    });
    Out::to(address, pipeline(of))
}

fn commit(organization: &str, passed: Passed) -> (String, String, String) {
    (paths::commit(organization, &passed.commit), short(&passed.commit), passed.message.unwrap_or_default())
}

/// What each pipeline brought to the one and to the other, by the pipelines' names.
fn pairs<'e>(environments: &'e [Environment], from: &str, to: &str) -> Vec<Beside<'e>> {
    let of = |name: &str| {
        let of_name = environments.iter().filter(|environment| environment.name == name);
        of_name.flat_map(|environment| &environment.current).collect::<Vec<_>>()
    };
    let mut pairs: Vec<_> = side_by_side(of(from), of(to)).into_values().collect();
    pairs.sort_by_cached_key(|beside| beside.from.or(beside.to).map(pipeline));
    pairs
}

fn difference(beside: Beside<'_>) -> Badge {
    let badge = |kind, icon, word: &str| Badge { kind, icon, word: word.to_owned() };
    match (beside.from, beside.to) {
        (Some(_), Some(_)) if beside.is_same() => badge("good", "=", "same"),
        (Some(_), Some(_)) => badge("wait", "≠", "different"),
        (Some(_), None) => badge("fair", "+", "only in the first"),
        (None, Some(_)) => badge("fair", "−", "only in the second"),
        (None, None) => badge("unknown", "?", "not known"),
    }
}

/// The commits that the one has and the other does not have yet, as the pipeline's runs tell.
async fn between(
    reader: &Reader,
    left: Option<&Deployment>,
    right: Option<&Deployment>,
) -> Result<Vec<Passed>, Problem> {
    let (Some(left), Some(right)) = (left, right) else { return Ok(Vec::new()) };
    let (Some(pipeline), Some(newer), Some(older)) = (&left.pipeline, left.run_id, right.run_id) else {
        return Ok(Vec::new());
    };
    if newer <= older || left.source != "pipeline" {
        return Ok(Vec::new());
    }
    Ok(reader.catalog.passed((&left.organization, pipeline.id), older, newer, MOST_COMMITS).await?)
}

/// Which version of a service is where.
pub(super) struct Matrix {
    pub(super) environments: Vec<String>,
    pub(super) rows: Vec<MatrixRow>,
    /// There are more services, or more environments, than are shown.
    pub(super) more: bool,
}

pub(super) struct MatrixRow {
    pub(super) service: String,
    /// The organization and the pipeline whose runs bring it; `None` for releases.
    runs_of: Option<(String, u64)>,
    pub(super) cells: Vec<Option<Cell>>,
}

pub(super) struct Cell {
    pub(super) version: String,
    pub(super) href: Option<String>,
    pub(super) out: Out,
    run_id: Option<u64>,
    pub(super) age: Option<When>,
    /// Commits that the newest version in the row has, and this one does not, such as `7` or `100+`; `None` for none.
    pub(super) behind: Option<String>,
    pub(super) stale: bool,
    /// The last thing that came here failed: its run.
    pub(super) failed: Option<Badge>,
    pub(super) failed_href: Option<String>,
    pub(super) likely: bool,
    at: Option<Time>,
    commit: Option<String>,
}

const MOST_SERVICES: usize = 20;
const MOST_COLUMNS: usize = 6;
/// Commits that are counted.
const MOST_BEHIND: u32 = 100;

/// Service by environment, production first.
pub(super) async fn matrix(reader: &Reader, team: Option<&str>) -> Result<Matrix, Problem> {
    let now = reader.clock.now();
    let mut columns = names(reader).await?;
    let mut more = columns.len() > MOST_COLUMNS;
    columns.truncate(MOST_COLUMNS);
    let environments = known(reader, Some(columns.clone())).await?;
    more |= is_cut(&environments);
    let mut rows: BTreeMap<(String, Line), MatrixRow> = BTreeMap::new();
    for (environment, latest) in environments.iter().flat_map(|of| of.latest.iter().map(move |latest| (of, latest))) {
        let Some(column) = columns.iter().position(|name| *name == environment.name) else { continue };
        let (service, of) = service(&reader.owners, latest);
        if team.is_some() && of.as_deref() != team {
            continue;
        }
        let current = environment.current.iter().find(|current| line(current) == line(latest));
        let row = rows.entry((service.clone(), line(latest))).or_insert_with(|| MatrixRow {
            service,
            runs_of: runs_of(latest),
            cells: columns.iter().map(|_| None).collect(),
        });
        if let Some(cell) = row.cells.get_mut(column) {
            *cell = self::cell(&reader.ado, current, latest, now);
        }
    }
    rows.values_mut().for_each(|row| find_stale(row, now));
    let mut rows: Vec<_> = rows.into_values().collect();
    // Red rows first, then those that are behind.
    rows.sort_by_key(|row| {
        let cells = || row.cells.iter().flatten();
        (!cells().any(|cell| cell.failed.is_some()), !cells().any(|cell| cell.stale))
    });
    more |= rows.len() > MOST_SERVICES;
    rows.truncate(MOST_SERVICES);
    for row in &mut rows {
        count_behind(reader, row).await?;
    }
    Ok(Matrix { environments: columns, rows, more })
}

/// The configured service and its team, else the pipeline.
fn service(owners: &Owners, deployment: &Deployment) -> (String, Option<String>) {
    match owners.of(&deployment.into()) {
        Some(owner) => (owner.service, owner.team),
        None => (pipeline(deployment), None),
    }
}

/// What is there, and what failed to come there since; `None` where neither is known.
fn cell(ado: &AdoSite, current: Option<&Deployment>, latest: &Deployment, now: Time) -> Option<Cell> {
    let badge = Badge::of(latest.state.as_deref(), latest.result.as_deref());
    let failed = badge.is_bad().then_some(badge);
    (current.is_some() || failed.is_some()).then(|| Cell {
        version: current.map_or_else(|| "nothing yet".to_owned(), version),
        href: current.and_then(run_path),
        out: out(ado, current.unwrap_or(latest)),
        run_id: current.and_then(|current| current.run_id),
        age: current.and_then(at).map(|at| When::of(at, now)),
        behind: None,
        stale: false,
        failed_href: failed.as_ref().and_then(|_| run_path(latest)),
        failed,
        likely: current.is_some_and(|current| current.certainty != "certain"),
        at: current.and_then(at),
        commit: current.and_then(|current| current.commit.clone()),
    })
}

fn runs_of(deployment: &Deployment) -> Option<(String, u64)> {
    let pipeline = deployment.pipeline.as_ref().filter(|_| deployment.source == "pipeline")?;
    Some((deployment.organization.clone(), pipeline.id))
}

fn newest(row: &MatrixRow) -> Option<u64> {
    row.cells.iter().flatten().filter_map(|cell| cell.run_id).max()
}

/// What is old is stale where something newer is elsewhere.
fn find_stale(row: &mut MatrixRow, now: Time) {
    let newest = newest(row);
    for cell in row.cells.iter_mut().flatten() {
        let is_older = cell.run_id.is_some_and(|here| Some(here) < newest);
        cell.stale = is_older && cell.at.is_some_and(|at| now.since(at) > STALE);
    }
}

/// As the pipeline's runs tell, up to the newest version in the row. A run of the same commit brings nothing.
async fn count_behind(reader: &Reader, row: &mut MatrixRow) -> Result<(), Problem> {
    let (Some(newest), Some((organization, pipeline))) = (newest(row), row.runs_of.clone()) else { return Ok(()) };
    for cell in row.cells.iter_mut().flatten() {
        let Some(here) = cell.run_id.filter(|here| *here < newest) else { continue };
        let passed = reader.catalog.passed((&organization, pipeline), here, newest, MOST_BEHIND).await?;
        let missing = passed.iter().filter(|passed| Some(&passed.commit) != cell.commit.as_ref()).count();
        let more = if u32::try_from(passed.len()) == Ok(MOST_BEHIND) { "+" } else { "" };
        cell.behind = (missing > 0).then(|| format!("{missing}{more}"));
    }
    Ok(())
}
