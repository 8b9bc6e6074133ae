use std::time::Duration;

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use serde::Deserialize;

use super::filters::{Field, Filters};
use super::frame::Frame;
use super::html::{Badge, Dot, When, branch, named, query, said, short, taken};
use super::out::{AdoSite, Out};
use super::{page, paths};
use crate::catalog::{Listing, LookedTo, Place, Run, RunFilter, RunsBefore, Stage};
use crate::domain::Time;
use crate::http::Problem;
use crate::http::reader::Reader;

const PATH: &str = "/runs";
const TOP: u32 = 50;
const DAY: u64 = 86_400;

/// The filters, as the address has them.
/// A filter that is not known would be no filter, and nobody would see it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    organization: Option<String>,
    project: Option<String>,
    pipeline: Option<String>,
    branch: Option<String>,
    state: Option<String>,
    result: Option<String>,
    who: Option<String>,
    commit: Option<String>,
    /// A number, or nothing.
    days: Option<String>,
    before: Option<String>,
}

impl Asked {
    fn trimmed(self) -> Self {
        let Self { organization, project, pipeline, branch, state, result, who, commit, days, before } = self;
        Self {
            organization: said(organization),
            project: said(project),
            pipeline: said(pipeline),
            branch: said(branch),
            state: said(state),
            result: said(result),
            who: said(who),
            commit: said(commit),
            days: said(days),
            before: said(before),
        }
    }

    fn filter(&self, now: Time) -> RunFilter {
        let days = self.days.as_ref().and_then(|days| days.parse::<u64>().ok());
        RunFilter {
            organization: self.organization.clone(),
            project: self.project.clone(),
            pipeline: self.pipeline.clone(),
            branch: self.branch.clone(),
            state: self.state.clone(),
            result: self.result.clone(),
            commit: self.commit.clone(),
            since: days.map(|days| now.minus(Duration::from_secs(days.saturating_mul(DAY)))),
            requested_for: self.who.clone(),
            after: self.place().map(Place::from),
            top: Some(TOP),
            ..RunFilter::default()
        }
    }

    /// `None` on the first page, and where the address holds no place.
    fn place(&self) -> Option<RunsBefore> {
        self.before.as_deref().and_then(RunsBefore::read)
    }

    fn address(&self, before: Option<&str>) -> String {
        let asked = [
            ("organization", self.organization.as_deref()),
            ("project", self.project.as_deref()),
            ("pipeline", self.pipeline.as_deref()),
            ("branch", self.branch.as_deref()),
            ("state", self.state.as_deref()),
            ("result", self.result.as_deref()),
            ("who", self.who.as_deref()),
            ("commit", self.commit.as_deref()),
            ("days", self.days.as_deref()),
            ("before", before),
        ];
        query(PATH, &asked)
    }

    fn is_any(&self) -> bool {
        self.address(self.before.as_deref()) != PATH
    }
}

#[derive(Template)]
#[template(path = "runs.html")]
struct Runs {
    frame: Frame,
    filters: Filters,
    rows: Vec<RunRow>,
    next: Option<String>,
    first: Option<String>,
    filtered: bool,
    looked_to: Option<Looked>,
}

/// How far was looked, where the page ended before it was full.
struct Looked {
    run_id: u64,
    when: Option<When>,
}

/// A run in a list.
pub(super) struct RunRow {
    pub(super) run_id: u64,
    pub(super) href: String,
    pub(super) name: String,
    pub(super) pipeline: String,
    pub(super) badge: Badge,
    pub(super) stages: Vec<(String, Dot)>,
    pub(super) branch: String,
    pub(super) commit: Option<(String, String)>,
    pub(super) who: String,
    pub(super) when: Option<When>,
    pub(super) taken: String,
    pub(super) out: Out,
}

impl RunRow {
    pub(super) fn of(ado: &AdoSite, run: &Run, now: Time) -> Self {
        let at = run.queued_at.or(run.started_at).or(run.finished_at);
        Self {
            run_id: run.run_id,
            href: paths::run(&run.organization, run.run_id),
            name: run.name.clone().unwrap_or_default(),
            pipeline: named(run.pipeline.name.as_deref(), run.pipeline.id),
            badge: Badge::of(run.state.as_deref(), run.result.as_deref()),
            stages: latest(&run.stages).map(dot).collect(),
            branch: branch(run.branch.as_deref()),
            commit: run.commit.as_ref().map(|commit| (paths::commit(&run.organization, commit), short(commit))),
            who: run.requested_for.clone().unwrap_or_default(),
            when: at.map(|at| When::of(at, now)),
            taken: taken(run.state.as_deref(), run.started_at, run.finished_at, now),
            out: Out::to(ado.known_run(run), format!("run {}", run.run_id)),
        }
    }
}

fn dot(stage: &Stage) -> (String, Dot) {
    (stage.name.clone(), Badge::of(stage.state.as_deref(), stage.result.as_deref()).dot())
}

/// The last attempt of each stage.
pub(super) fn latest(stages: &[Stage]) -> impl Iterator<Item = &Stage> {
    let is_last =
        |stage: &&Stage| !stages.iter().any(|other| other.name == stage.name && other.attempt > stage.attempt);
    stages.iter().filter(is_last)
}

/// `GET /runs`
pub(super) async fn list(reader: Reader, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let (asked, now) = (asked.trimmed(), reader.clock.now());
    if asked.days.as_ref().is_some_and(|days| days.parse::<u64>().is_err()) {
        return Err(Problem::bad_request("`days` is a number, such as 7."));
    }
    let Listing { items: runs, next, looked_to } = reader.catalog.page_of_runs(&asked.filter(now)).await?;
    let next = next.and_then(|place| place.runs_before()).map(|before| before.to_string());
    let looked = |to: LookedTo| Some(Looked { run_id: to.run_id?, when: to.at.map(|at| When::of(at, now)) });
    page(&Runs {
        frame: Frame::of(&reader, PATH).await?,
        filters: filters(&asked),
        rows: runs.iter().map(|run| RunRow::of(&reader.ado, run, now)).collect(),
        next: next.map(|next| asked.address(Some(&next))),
        first: asked.place().map(|_| asked.address(None)),
        filtered: asked.is_any(),
        looked_to: looked_to.and_then(looked),
    })
}

fn filters(asked: &Asked) -> Filters {
    let text = |name, label, value: &Option<String>| Field::text(name, label, value.as_deref());
    let choice = |name, label, value: &Option<String>, options: &[(&str, &str)]| {
        let chosen = value.as_deref().unwrap_or_default();
        Field::choice(name, label, options.iter().copied(), |value| value == chosen)
    };
    let states = [("", "any"), ("inProgress", "running"), ("notStarted", "not started"), ("completed", "completed")];
    let results = [
        ("", "any"),
        ("failed", "failed"),
        ("succeeded", "succeeded"),
        ("partiallySucceeded", "partly succeeded"),
        ("canceled", "canceled"),
    ];
    let days = [("", "any time"), ("1", "last day"), ("7", "last 7 days"), ("30", "last 30 days")];
    let fields = vec![
        text("pipeline", "Pipeline", &asked.pipeline),
        text("branch", "Branch", &asked.branch),
        text("who", "Requested for", &asked.who),
        text("organization", "Organization", &asked.organization),
        text("project", "Project", &asked.project),
        text("commit", "Commit", &asked.commit),
        choice("state", "State", &asked.state, &states),
        choice("result", "Result", &asked.result, &results),
        choice("days", "Queued", &asked.days, &days),
    ];
    Filters { action: PATH, button: "Filter", fields, is_any: asked.is_any() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_kept_in_the_address() {
        let text = |text: &str| Some(text.to_owned());
        let asked = Asked { branch: text(" a&b "), result: text(""), days: text("7"), ..Asked::default() }.trimmed();
        assert_eq!(asked.address(Some("7~8~x")), "/runs?branch=a%26b&days=7&before=7%7E8%7Ex");
        assert!(asked.is_any() && !Asked::default().is_any());
        let now = Time::from_ticks(0).plus(Duration::from_secs(8 * DAY));
        assert_eq!(asked.filter(now).since, Some(Time::from_ticks(0).plus(Duration::from_secs(DAY))));
    }
}
