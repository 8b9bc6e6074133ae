use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::found::{moment, seconds};
use super::{Citation, Desk, Found, ToolError, rows};
use crate::ask::when::{Said, Window};
use crate::catalog::{CatalogError, Named, Pipeline, PipelineFilter, Run, RunDetail, RunFilter};
use crate::domain::owner::Owner;

/// What runs have in common.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Filters {
    organization: Option<String>,
    /// A project's name or id.
    project: Option<String>,
    /// A pipeline's name or id.
    pipeline: Option<String>,
    /// A branch, with or without refs/heads/.
    branch: Option<String>,
    /// Such as inProgress or completed.
    state: Option<String>,
    /// Such as succeeded, failed, canceled or partiallySucceeded.
    result: Option<String>,
    /// The beginning of a commit's id.
    commit: Option<String>,
    /// Whom the runs were asked for by, as Azure DevOps shows them.
    requested_for: Option<String>,
    /// The pool of agents.
    pool: Option<String>,
}

impl Filters {
    pub(super) fn within(&self, window: &Window) -> RunFilter {
        RunFilter {
            organization: self.organization.clone(),
            project: self.project.clone(),
            pipeline: self.pipeline.clone(),
            branch: self.branch.clone(),
            state: self.state.clone(),
            result: self.result.clone(),
            commit: self.commit.clone(),
            requested_for: self.requested_for.clone(),
            pool: self.pool.clone(),
            since: Some(window.from),
            until: Some(window.to),
            ..RunFilter::default()
        }
    }

    /// What has to be said where they let nothing through.
    pub(super) async fn near(&self, desk: &Desk) -> Result<Vec<String>, CatalogError> {
        let named = [
            (Named::Organization, self.organization.as_ref()),
            (Named::Project, self.project.as_ref()),
            (Named::Pipeline, self.pipeline.as_ref()),
            (Named::Branch, self.branch.as_ref()),
            (Named::State, self.state.as_ref()),
            (Named::Result, self.result.as_ref()),
        ];
        desk.near(&named).await
    }
}

/// Which runs.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct QueryRuns {
    filters: Filters,
    /// When they were queued, in words: today, last week, last 30 days, since monday, 2026-03.
    window: Option<String>,
    /// Where that time begins: a day, a time or a duration.
    from: Option<String>,
    /// Where it ends.
    to: Option<String>,
    /// At most so many rows, up to 100.
    #[schemars(range(min = 1, max = 100))]
    top: Option<u32>,
}

/// Which pipelines.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ListPipelines {
    organization: Option<String>,
    /// A project's name or id.
    project: Option<String>,
    /// At most so many rows, up to 100.
    #[schemars(range(min = 1, max = 100))]
    top: Option<u32>,
}

/// Which run.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OneRun {
    pub(super) run_id: u64,
    /// Where several organizations have a run with this number.
    #[serde(default)]
    pub(super) organization: Option<String>,
}

const RUNS: [&str; 13] = [
    "runId",
    "project",
    "pipeline",
    "name",
    "state",
    "result",
    "branch",
    "commit",
    "requestedFor",
    "queuedAt",
    "finishedAt",
    "durationSeconds",
    "organization",
];

pub(super) async fn query(desk: &Desk, asked: QueryRuns) -> Result<Found, ToolError> {
    let top = rows(asked.top);
    let said = Said { window: asked.window.as_deref(), from: asked.from.as_deref(), to: asked.to.as_deref() };
    let window = desk.window(said)?;
    let filter = RunFilter { top: Some(top + 1), ..asked.filters.within(&window) };
    let runs = desk.catalog.runs(&filter).await?;
    let total = desk.catalog.count_runs(&filter).await?;
    let cited = runs.iter().map(Citation::from).take(top as usize).collect();
    let found = Found { total: Some(total), ..Found::first(&RUNS, runs.iter().map(row).collect(), top) };
    let notes = if runs.is_empty() { asked.filters.near(desk).await? } else { Vec::new() };
    Ok(found.within(window).behind(cited).noting(notes))
}

fn row(run: &Run) -> Vec<Value> {
    vec![
        json!(run.run_id),
        json!(run.project),
        json!(pipeline_name(run)),
        json!(run.name),
        json!(run.state),
        json!(run.result),
        json!(run.branch),
        json!(run.commit),
        json!(run.requested_for),
        moment(run.queued_at),
        moment(run.finished_at),
        seconds(run.started_at, run.finished_at),
        json!(run.organization),
    ]
}

/// Its name, or its id where no name is known.
pub(super) fn pipeline_name(run: &Run) -> String {
    run.pipeline.name.clone().unwrap_or_else(|| run.pipeline.id.to_string())
}

const STAGES: [&str; 12] = [
    "runId",
    "project",
    "pipeline",
    "runState",
    "runResult",
    "stage",
    "attempt",
    "state",
    "result",
    "startedAt",
    "finishedAt",
    "durationSeconds",
];

pub(super) async fn one(desk: &Desk, asked: OneRun) -> Result<Found, ToolError> {
    let detail = desk.run(&asked).await?;
    let run = &detail.run;
    let stage = |cells: [Value; 7]| {
        let of_run =
            [json!(run.run_id), json!(run.project), json!(pipeline_name(run)), json!(run.state), json!(run.result)];
        of_run.into_iter().chain(cells).collect()
    };
    let mut rows: Vec<Vec<Value>> = Vec::new();
    for one in &run.stages {
        rows.push(stage([
            json!(one.name),
            json!(one.attempt),
            json!(one.state),
            json!(one.result),
            moment(one.started_at),
            moment(one.finished_at),
            seconds(one.started_at, one.finished_at),
        ]));
    }
    if rows.is_empty() {
        let taken = seconds(run.started_at, run.finished_at);
        let none = || Value::Null;
        rows.push(stage([none(), none(), none(), none(), moment(run.started_at), moment(run.finished_at), taken]));
    }
    let notes = if run.stages.is_empty() { vec!["No stage of this run is known.".to_owned()] } else { Vec::new() };
    Ok(Found::whole(&STAGES, rows, super::MOST_ROWS).behind(vec![Citation::from(run)]).noting(notes))
}

impl Desk {
    pub(super) async fn run(&self, asked: &OneRun) -> Result<RunDetail, ToolError> {
        let found = self.catalog.run(asked.run_id, asked.organization.as_deref(), &self.branches).await?;
        only(found, || format!("run {}", asked.run_id), |detail| &detail.run.organization)
    }
}

/// The only one of these.
pub(super) fn only<T>(
    mut found: Vec<T>,
    what: impl Fn() -> String,
    organization: impl Fn(&T) -> &String,
) -> Result<T, ToolError> {
    if found.len() > 1 {
        let organizations = found.iter().map(|one| organization(one).clone()).collect();
        return Err(ToolError::Ambiguous { what: what(), organizations });
    }
    found.pop().ok_or_else(|| ToolError::NotFound { what: what() })
}

const PIPELINES: [&str; 12] = [
    "pipelineId",
    "pipeline",
    "project",
    "repository",
    "service",
    "team",
    "runs",
    "live",
    "lastRunId",
    "lastState",
    "lastResult",
    "organization",
];

pub(super) async fn pipelines(desk: &Desk, asked: ListPipelines) -> Result<Found, ToolError> {
    let filter = PipelineFilter {
        organization: asked.organization.clone(),
        project: asked.project.clone(),
        ..PipelineFilter::default()
    };
    let pipelines = desk.catalog.pipelines_of(&filter).await?;
    let table = pipelines.iter().map(|pipeline| {
        let owner = desk.owner_of(pipeline);
        let Pipeline { last_run: last, .. } = pipeline;
        vec![
            json!(pipeline.id),
            json!(pipeline.name),
            json!(pipeline.project),
            json!(pipeline.repository),
            json!(owner.as_ref().map(|owner| &owner.service)),
            json!(owner.as_ref().and_then(|owner| owner.team.as_ref())),
            json!(pipeline.runs),
            json!(pipeline.live),
            json!(last.run_id),
            json!(last.state),
            json!(last.result),
            json!(pipeline.organization),
        ]
    });
    let found = Found::whole(&PIPELINES, table.collect(), rows(asked.top));
    let names = [(Named::Organization, asked.organization.as_ref()), (Named::Project, asked.project.as_ref())];
    let notes = if pipelines.is_empty() { desk.near(&names).await? } else { Vec::new() };
    Ok(found.noting(notes))
}

impl Desk {
    pub(super) fn owner_of(&self, pipeline: &Pipeline) -> Option<Owner> {
        self.owners.of(&pipeline.into())
    }
}
