use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use serde::Deserialize;

use super::filters::{Field, Filters};
use super::frame::Frame;
use super::html::{Badge, Dot, When, branch, named, query, said};
use super::out::Out;
use super::{page, paths};
use crate::catalog::{Finished, Pipeline};
use crate::domain::Time;
use crate::http::Problem;
use crate::http::reader::Reader;
use crate::view::duration;
use crate::view::overview::median;

/// Pipelines on a page, and results of each.
const TOP: usize = 50;
const LAST: u32 = 20;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    organization: Option<String>,
    project: Option<String>,
    /// A part of the name.
    name: Option<String>,
    page: Option<usize>,
}

#[derive(Template)]
#[template(path = "pipelines.html")]
struct Pipelines {
    frame: Frame,
    filters: Filters,
    rows: Vec<PipelineRow>,
    total: usize,
    next: Option<String>,
}

struct PipelineRow {
    href: String,
    name: String,
    place: String,
    owner: Option<String>,
    badge: Badge,
    last_href: String,
    last_name: String,
    branch: String,
    when: Option<When>,
    live: u64,
    runs: u64,
    /// The oldest first, as time goes.
    results: Vec<(String, String, Dot)>,
    /// Of those that were good or bad.
    good: Option<String>,
    median: Option<String>,
    out: Out,
}

/// `GET /pipelines`
pub(super) async fn list(reader: Reader, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let now = reader.clock.now();
    let (organization, project, name) = (said(asked.organization), said(asked.project), said(asked.name));
    let mut all = reader.catalog.pipelines(organization.as_deref(), project.as_deref()).await?;
    if let Some(part) = name.as_ref().map(|name| name.to_lowercase()) {
        all.retain(|pipeline| named(pipeline.name.as_deref(), pipeline.id).to_lowercase().contains(&part));
    }
    let (total, number) = (all.len(), asked.page.unwrap_or(1).max(1));
    let shown: Vec<_> = all.into_iter().skip((number - 1).saturating_mul(TOP)).take(TOP).collect();
    let ids: Vec<_> = shown.iter().map(|pipeline| (pipeline.organization.clone(), pipeline.id)).collect();
    let finished = reader.catalog.last_finished(&ids, LAST).await?;
    let next = (number.saturating_mul(TOP) < total).then(|| {
        let next = (number + 1).to_string();
        let asked = [("organization", organization.as_deref()), ("project", project.as_deref())];
        query("/pipelines", &[asked.as_slice(), &[("name", name.as_deref()), ("page", Some(&next))]].concat())
    });
    page(&Pipelines {
        frame: Frame::of(&reader, "/pipelines").await?,
        filters: Filters {
            action: "/pipelines",
            button: "Filter",
            fields: vec![Field::text("name", "Name has", name.as_deref())],
            is_any: name.is_some(),
        },
        rows: shown.iter().zip(&finished).map(|(pipeline, last)| row(&reader, pipeline, last, now)).collect(),
        total,
        next,
    })
}

fn row(reader: &Reader, pipeline: &Pipeline, finished: &[Finished], now: Time) -> PipelineRow {
    let last = &pipeline.last_run;
    PipelineRow {
        href: paths::pipeline(&pipeline.organization, pipeline.id),
        out: Out::to(
            reader.ado.pipeline(&pipeline.organization, pipeline.project.as_deref(), pipeline.id),
            named(pipeline.name.as_deref(), pipeline.id),
        ),
        name: named(pipeline.name.as_deref(), pipeline.id),
        place: format!("{}/{}", pipeline.organization, pipeline.project.as_deref().unwrap_or("?")),
        owner: owner(reader, pipeline),
        badge: Badge::of(last.state.as_deref(), last.result.as_deref()),
        last_href: paths::run(&pipeline.organization, last.run_id),
        last_name: named(last.name.as_deref(), last.run_id),
        branch: branch(last.branch.as_deref()),
        when: last.finished_at.or(last.queued_at).map(|at| When::of(at, now)),
        live: pipeline.live,
        runs: pipeline.runs,
        results: finished.iter().rev().map(|run| result(&pipeline.organization, run)).collect(),
        good: good(finished),
        median: median(finished).map(duration),
    }
}

fn result(organization: &str, run: &Finished) -> (String, String, Dot) {
    let dot = Badge::of(Some("completed"), run.result.as_deref()).dot();
    (paths::run(organization, run.run_id), named(run.name.as_deref(), run.run_id), dot)
}

/// Who canceled says nothing about the pipeline.
fn good(finished: &[Finished]) -> Option<String> {
    let count = |result: &str| finished.iter().filter(|run| run.result.as_deref() == Some(result)).count();
    let (good, bad) = (count("succeeded") + count("partiallySucceeded"), count("failed"));
    (good + bad > 0).then(|| format!("{good} of {}", good + bad))
}

fn owner(reader: &Reader, pipeline: &Pipeline) -> Option<String> {
    let owner = reader.owners.of(&pipeline.into())?;
    Some(match owner.team {
        Some(team) => format!("{} ({team})", owner.service),
        None => owner.service,
    })
}
