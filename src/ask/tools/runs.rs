use std::cmp::Reverse;
use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::aggregate::{Dimension, Grouper, Picked};
use super::found::{moment, seconds};
use super::{Citation, Desk, Found, ToolError, rows};
use crate::ask::when::{Said, Window};
use crate::catalog::{CatalogError, Named, Pipeline, PipelineFilter, Run, RunDetail, RunFilter};
use crate::domain::owner::Owner;
use crate::view::unknown_name;

/// Values of one kind that are looked at to find those that are near.
const MOST_KNOWN: usize = 10_000;

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
    repository: Option<String>,
    /// Why a run began, such as manual or schedule.
    reason: Option<String>,
    /// The first error without numbers, paths and ids, as it is told where runs are told apart by it.
    error_signature: Option<String>,
    /// The name of a stage. Then stages are counted, attempt by attempt, and not runs; of runs, those that have one.
    stage: Option<String>,
    /// What a stage deploys to, by its name or by configuration; as with a stage.
    environment: Option<String>,
    /// The day it was queued, such as 2026-03-02.
    day: Option<String>,
    /// The hour of the day it was queued.
    #[schemars(range(max = 23))]
    hour: Option<u8>,
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

    /// What the catalog is not asked by.
    pub(super) fn picked(&self) -> Picked {
        let texts = [
            (Dimension::Repository, &self.repository),
            (Dimension::Reason, &self.reason),
            (Dimension::ErrorSignature, &self.error_signature),
            (Dimension::Stage, &self.stage),
            (Dimension::Environment, &self.environment),
            (Dimension::Day, &self.day),
        ];
        let texts = texts.into_iter().filter_map(|(dimension, text)| Some((dimension, text.clone()?)));
        texts.chain(self.hour.map(|hour| (Dimension::Hour, hour.to_string()))).collect()
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
        let is_name = |(dimension, _): &(Dimension, String)| ![Dimension::Day, Dimension::Hour].contains(dimension);
        notes.extend(desk.near_picked(self.picked().into_iter().filter(is_name).collect()).await?);
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
    let (filter, total) = match asked.filters.picked() {
        none if none.is_empty() => (filter.clone(), desk.catalog.count_runs(&filter).await?),
        picked => desk.pick(filter, picked).await?,
    };
    let runs = desk.catalog.runs(&filter).await?;
    let cited = runs.iter().map(Citation::from).collect();
    let found = Found::part(&RUNS, runs.iter().map(row).collect(), total);
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
    /// The filter of the newest runs that are picked, as many as it asks for, and how many there are.
    async fn pick(&self, filter: RunFilter, picked: Picked) -> Result<(RunFilter, u64), CatalogError> {
        let grouper = Grouper::new(self, &[], picked);
        let none = (BTreeSet::new(), grouper);
        let fold = self.catalog.fold(none.1.sampled(), &filter, none, |(found, grouper), sample| {
            if grouper.takes(sample) {
                // The newest first, as they are listed.
                found.insert((Reverse(sample.run_id), sample.organization.to_owned()));
            }
        });
        let (found, _) = fold.await?;
        let total = u64::try_from(found.len()).unwrap_or(u64::MAX);
        let top = filter.top.and_then(|top| usize::try_from(top).ok()).unwrap_or(usize::MAX);
        let only = found.into_iter().take(top).map(|(Reverse(run_id), organization)| (organization, run_id)).collect();
        Ok((RunFilter { only: Some(only), ..filter }, total))
    }

    /// What has to be said of values that no run has that the caller may see, whenever it was.
    pub(super) async fn near_picked(&self, picked: Picked) -> Result<Vec<String>, CatalogError> {
        if picked.is_empty() {
            return Ok(Vec::new());
        }
        let dimensions: Vec<_> = picked.iter().map(|(dimension, _)| *dimension).collect();
        let grouper = Grouper::new(self, &dimensions, Vec::new());
        let none = (vec![BTreeSet::new(); dimensions.len()], grouper);
        let all = RunFilter::default();
        let fold = self.catalog.fold(none.1.sampled(), &all, none, |(known, grouper), sample| {
            for (known, value) in known.iter_mut().zip(grouper.group(sample)) {
                if let Some(value) = value.filter(|value| known.len() < MOST_KNOWN && !known.contains(value)) {
                    known.insert(value);
                }
            }
        });
        let (known, _) = fold.await?;
        let known = known.into_iter().map(|known| known.into_iter().collect::<Vec<_>>());
        let asked = picked.iter().zip(known);
        Ok(asked.filter_map(|((dimension, asked), known)| unknown_name(dimension.name(), asked, &known)).collect())
    }

    pub(super) async fn run(&self, asked: &OneRun) -> Result<RunDetail, ToolError> {
        let found = self.catalog.run(asked.run_id, asked.organization.as_deref(), &self.branches).await?;
        let what = (format!("run {}", asked.run_id), asked.organization.as_ref());
        self.only(found, what, |detail| &detail.run.organization).await
    }

    /// The only one of these, of an organization if one was named.
    pub(super) async fn only<T>(
        &self,
        mut found: Vec<T>,
        (what, asked): (String, Option<&String>),
        organization: impl Fn(&T) -> &String,
    ) -> Result<T, ToolError> {
        if found.len() > 1 {
            let organizations = found.iter().map(|one| organization(one).clone()).collect();
            return Err(ToolError::Ambiguous { what, organizations });
        }
        match found.pop() {
            Some(one) => Ok(one),
            None => Err(self.unknown(what, &[(Named::Organization, asked)]).await?),
        }
    }
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
