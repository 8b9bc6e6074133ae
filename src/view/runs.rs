use std::time::Duration;

use serde::Serialize;

use crate::catalog::{Health, Pipeline, PipelineName, Run, Stage};
use crate::domain::Time;

use super::links::owner;
use super::table::{Columns, UNKNOWN, or_unknown, table};
use super::{duration, moment};

const FEW: [&str; 8] = ["RUN", "PIPELINE", "NAME", "STATE", "RESULT", "BRANCH", "QUEUED", "DURATION"];
const MORE: [&str; 9] =
    ["ORGANIZATION", "PROJECT", "COMMIT", "REASON", "REQUESTED FOR", "REPOSITORY", "STARTED", "FINISHED", "STAGES"];

/// Runs, a line each. `now` tells how long the live ones have been running.
#[must_use]
pub fn runs_table(runs: &[Run], columns: Columns, now: Time) -> String {
    match columns {
        Columns::Few => table(&FEW, runs.iter().map(|run| few(run, now))),
        Columns::All => {
            let header: Vec<_> = FEW.iter().chain(&MORE).chain(&["URL"]).copied().collect();
            table(&header, runs.iter().map(|run| all(run, now)))
        }
    }
}

fn few(run: &Run, now: Time) -> Vec<String> {
    vec![
        run.run_id.to_string(),
        pipeline_name(&run.pipeline),
        or_unknown(run.name.as_deref()),
        or_unknown(run.state.as_deref()),
        or_unknown(run.result.as_deref()),
        branch(run.branch.as_deref()),
        time(run.queued_at),
        run_duration(run, now),
    ]
}

fn all(run: &Run, now: Time) -> Vec<String> {
    let mut cells = few(run, now);
    cells.extend([
        run.organization.clone(),
        or_unknown(run.project.as_deref()),
        commit(run.commit.as_deref()),
        or_unknown(run.reason.as_deref()),
        or_unknown(run.requested_for.as_deref()),
        or_unknown(run.repository.as_deref()),
        time(run.started_at),
        time(run.finished_at),
        stages(&run.stages),
        or_unknown(run.url.as_deref()),
    ]);
    cells
}

/// A pipeline, and how it does, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = PipelineWithHealth)]
pub struct PipelineJson {
    #[serde(flatten)]
    pub pipeline: Pipeline,
    pub health: Health,
}

/// Pipelines, a line each.
#[must_use]
pub fn pipelines_table(pipelines: &[PipelineJson], columns: Columns) -> String {
    let few = ["PIPELINE", "NAME", "RUNS", "LIVE", "LAST RUN", "STATE", "RESULT", "BRANCH", "QUEUED", "OWNER"];
    let more = ["ORGANIZATION", "PROJECT", "FINISHED", "FOLDER", "REPOSITORY", "OWNED BY"];
    let header: Vec<_> = match columns {
        Columns::Few => few.to_vec(),
        Columns::All => few.into_iter().chain(more).collect(),
    };
    let rows = pipelines.iter().map(|PipelineJson { pipeline, .. }| {
        let last = &pipeline.last_run;
        let mut cells = vec![
            pipeline.id.to_string(),
            or_unknown(pipeline.name.as_deref()),
            pipeline.runs.to_string(),
            pipeline.live.to_string(),
            last.name.clone().unwrap_or_else(|| last.run_id.to_string()),
            or_unknown(last.state.as_deref()),
            or_unknown(last.result.as_deref()),
            branch(last.branch.as_deref()),
            time(last.queued_at),
            owner(pipeline.owner.as_ref()),
        ];
        if columns == Columns::All {
            let by = pipeline.owner.as_ref().map(|owner| owner.by.as_str());
            cells.extend([
                pipeline.organization.clone(),
                or_unknown(pipeline.project.as_deref()),
                time(last.finished_at),
                or_unknown(pipeline.folder.as_deref()),
                or_unknown(pipeline.repository.as_deref()),
                or_unknown(by),
            ]);
        }
        cells
    });
    table(&header, rows)
}

/// Stages, an attempt a line.
#[must_use]
pub fn stages_table(stages: &[Stage], now: Time) -> String {
    let header = ["STAGE", "ATTEMPT", "STATE", "RESULT", "STARTED", "FINISHED", "DURATION"];
    let rows = stages.iter().map(|stage| {
        vec![
            stage.name.clone(),
            stage.attempt.to_string(),
            or_unknown(stage.state.as_deref()),
            or_unknown(stage.result.as_deref()),
            time(stage.started_at),
            time(stage.finished_at),
            elapsed(stage.state.as_deref(), stage.started_at, stage.finished_at, now),
        ]
    });
    table(&header, rows)
}

/// The name, else the number as `#7`.
pub(super) fn pipeline_name(pipeline: &PipelineName) -> String {
    pipeline.name.clone().unwrap_or_else(|| format!("#{}", pipeline.id))
}

pub(super) fn branch(branch: Option<&str>) -> String {
    or_unknown(branch.map(|branch| branch.strip_prefix("refs/heads/").unwrap_or(branch)))
}

/// The first 8 characters: enough to find it.
pub(super) fn commit(commit: Option<&str>) -> String {
    or_unknown(commit.map(|commit| commit.chars().take(8).collect::<String>()).as_deref())
}

pub(super) fn time(time: Option<Time>) -> String {
    time.map_or_else(|| UNKNOWN.to_owned(), moment)
}

pub(super) fn run_duration(run: &Run, now: Time) -> String {
    elapsed(run.state.as_deref(), run.started_at, run.finished_at, now)
}

/// From start to finish; of what is still running, until now.
pub(super) fn elapsed(state: Option<&str>, started: Option<Time>, finished: Option<Time>, now: Time) -> String {
    let end = finished.or_else(|| (state != Some("completed")).then_some(now));
    let taken: Option<Duration> = started.zip(end).map(|(started, end)| end.since(started));
    taken.map_or_else(|| UNKNOWN.to_owned(), duration)
}

/// The latest attempts: `Build succeeded, Deploy running`.
fn stages(stages: &[Stage]) -> String {
    let later = |stage: &Stage| stages.iter().any(|other| other.name == stage.name && other.attempt > stage.attempt);
    let latest = stages.iter().filter(|stage| !later(stage));
    let words: Vec<_> = latest
        .map(|stage| {
            let word = stage.result.as_deref().or(stage.state.as_deref()).unwrap_or(UNKNOWN);
            format!("{} {word}", stage.name)
        })
        .collect();
    or_unknown(Some(&words.join(", ")))
}
