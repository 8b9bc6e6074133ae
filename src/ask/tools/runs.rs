use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::found::{moment, seconds};
use super::{Citation, Desk, Found, ToolError, rows};
use crate::ask::when::{Said, Window};
use crate::catalog::{CatalogError, Named, Pipeline, PipelineFilter, Run, RunDetail, RunFilter};
use crate::domain::owner::Owner;
use crate::view::unknown_name;

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
    /// Who owns the pipeline, by configuration.
    service: Option<String>,
    team: Option<String>,
}

impl Filters {
    pub(super) async fn within(&self, desk: &Desk, window: &Window) -> Result<RunFilter, CatalogError> {
        Ok(RunFilter {
            pipelines: desk.owned_by(self.service.as_ref(), self.team.as_ref()).await?,
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
        })
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
            (Named::Pool, self.pool.as_ref()),
            (Named::Person, self.requested_for.as_ref()),
        ];
        let mut notes = desk.near(&named).await?;
        notes.extend(desk.near_owner(self.service.as_ref(), self.team.as_ref()).await?);
        Ok(notes)
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
    let filter = RunFilter { top: Some(top), ..asked.filters.within(desk, &window).await? };
    let runs = desk.catalog.runs(&filter).await?;
    let total = desk.catalog.count_runs(&filter).await?;
    let cited = runs.iter().map(Citation::from).collect();
    let found = Found::of(&RUNS, runs.iter().map(row).collect(), usize::try_from(total).unwrap_or(usize::MAX));
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
    let top = rows(asked.top);
    let last = pipelines.iter().take(top as usize);
    let cited = last.map(|pipeline| Citation::of(&pipeline.organization, pipeline.last_run.run_id)).collect();
    let found = Found::whole(&PIPELINES, table.collect(), top).behind(cited);
    let names = [(Named::Organization, asked.organization.as_ref()), (Named::Project, asked.project.as_ref())];
    let notes = if pipelines.is_empty() { desk.near(&names).await? } else { Vec::new() };
    Ok(found.noting(notes))
}

impl Desk {
    /// The pipelines of this owner, by organization and id; `None` where none was named.
    pub(super) async fn owned_by(
        &self,
        service: Option<&String>,
        team: Option<&String>,
    ) -> Result<Option<Vec<(String, u64)>>, CatalogError> {
        if service.is_none() && team.is_none() {
            return Ok(None);
        }
        let is = |wanted: Option<&String>, has: Option<&String>| {
            wanted.is_none_or(|wanted| has.is_some_and(|has| has.eq_ignore_ascii_case(wanted)))
        };
        let owns = |pipeline: &Pipeline| {
            let owner = self.owner_of(pipeline);
            is(service, owner.as_ref().map(|owner| &owner.service))
                && is(team, owner.as_ref().and_then(|owner| owner.team.as_ref()))
        };
        let pipelines = self.catalog.pipelines_of(&PipelineFilter::default()).await?;
        Ok(Some(pipelines.into_iter().filter(owns).map(|one| (one.organization, one.id)).collect()))
    }

    /// What has to be said of an owner that no pipeline has.
    pub(super) async fn near_owner(
        &self,
        service: Option<&String>,
        team: Option<&String>,
    ) -> Result<Vec<String>, CatalogError> {
        if service.is_none() && team.is_none() {
            return Ok(Vec::new());
        }
        let pipelines = self.catalog.pipelines_of(&PipelineFilter::default()).await?;
        let owners: Vec<_> = pipelines.iter().filter_map(|pipeline| self.owner_of(pipeline)).collect();
        let services: Vec<_> = owners.iter().map(|owner| owner.service.clone()).collect();
        let teams: Vec<_> = owners.into_iter().filter_map(|owner| owner.team).collect();
        let service = service.and_then(|service| unknown_name("service", service, &services));
        let team = team.and_then(|team| unknown_name("team", team, &teams));
        Ok(service.into_iter().chain(team).collect())
    }

    pub(in crate::ask) fn owner_of(&self, pipeline: &Pipeline) -> Option<Owner> {
        self.owners.of(&pipeline.into())
    }
}
