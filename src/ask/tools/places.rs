use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::found::{moment, seconds};
use super::{Citation, Desk, Found, ToolError, rows};
use crate::ask::when::Said;
use crate::catalog::{ApprovalFilter, Deployment, DeploymentFilter, GivenApproval, Named, PipelineName};

/// Which approvals.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct QueryApprovals {
    organization: Option<String>,
    /// A project's name or id.
    project: Option<String>,
    /// Such as pending, approved or rejected; without it pending.
    status: Option<String>,
    /// At most so many rows, up to 100.
    #[schemars(range(min = 1, max = 100))]
    top: Option<u32>,
}

const PENDING: &str = "pending";
const APPROVALS: [&str; 13] = [
    "status",
    "project",
    "pipeline",
    "run",
    "runId",
    "releaseId",
    "stage",
    "approvers",
    "requestedAt",
    "decidedAt",
    "waitedSeconds",
    "id",
    "organization",
];

pub(super) async fn approvals(desk: &Desk, asked: QueryApprovals) -> Result<Found, ToolError> {
    let top = rows(asked.top);
    let filter = ApprovalFilter {
        organization: asked.organization.clone(),
        project: asked.project.clone(),
        status: Some(asked.status.clone().unwrap_or_else(|| PENDING.to_owned())),
        top: Some(top),
        ..ApprovalFilter::default()
    };
    let found = desk.catalog.approvals(&filter).await?;
    let notes = if found.is_empty() {
        desk.near(&[
            (Named::Organization, asked.organization.as_ref()),
            (Named::Project, asked.project.as_ref()),
            (Named::Status, asked.status.as_ref()),
        ])
        .await?
    } else {
        Vec::new()
    };
    let mut cited: Vec<Citation> = Vec::new();
    for approval in &found {
        let run = approval.run_id.map(|run| Citation::of(&approval.organization, run));
        // A run may wait for several.
        cited.extend(run.filter(|run| !cited.contains(run)));
    }
    let table = found.iter().map(|approval| approval_row(approval, desk)).collect();
    let total = desk.catalog.count_approvals(&filter).await?;
    Ok(Found::part(&APPROVALS, table, total).behind(cited).noting(notes))
}

fn approval_row(approval: &GivenApproval, desk: &Desk) -> Vec<Value> {
    let waited = if approval.status == PENDING { Some(desk.now) } else { approval.decided_at };
    vec![
        json!(approval.status),
        json!(approval.project),
        json!(approval.pipeline.as_ref().map(named)),
        json!(approval.run_name.as_ref().or(approval.release_name.as_ref())),
        json!(approval.run_id),
        json!(approval.release_id),
        json!(approval.stage),
        json!(approval.approvers.join(", ")),
        moment(approval.requested_at),
        moment(approval.decided_at),
        seconds(approval.requested_at, waited),
        json!(approval.id),
        json!(approval.organization),
    ]
}

fn named(pipeline: &PipelineName) -> String {
    pipeline.name.clone().unwrap_or_else(|| pipeline.id.to_string())
}

/// Which of what is there now.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Current {
    organization: Option<String>,
    /// A project's name or id.
    project: Option<String>,
    /// An environment's name or id.
    environment: Option<String>,
    /// The name or id of a pipeline, or of a release's definition.
    pipeline: Option<String>,
    /// At most so many rows, up to 100.
    #[schemars(range(min = 1, max = 100))]
    top: Option<u32>,
}

/// Which deployments.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct QueryDeployments {
    organization: Option<String>,
    /// A project's name or id.
    project: Option<String>,
    /// An environment's name or id.
    environment: Option<String>,
    /// The name or id of a pipeline, or of a release's definition.
    pipeline: Option<String>,
    /// When they began, in words: today, last week, last 30 days, since monday, 2026-03.
    window: Option<String>,
    /// Where that time begins: a day, a time or a duration.
    from: Option<String>,
    /// Where it ends.
    to: Option<String>,
    /// At most so many rows, up to 100.
    #[schemars(range(min = 1, max = 100))]
    top: Option<u32>,
}

const DEPLOYMENTS: [&str; 15] = [
    "environment",
    "project",
    "pipeline",
    "version",
    "runId",
    "releaseId",
    "stage",
    "attempt",
    "state",
    "result",
    "startedAt",
    "finishedAt",
    "commit",
    "certainty",
    "organization",
];

pub(super) async fn current(desk: &Desk, asked: Current) -> Result<Found, ToolError> {
    let filter = DeploymentFilter {
        organization: asked.organization,
        project: asked.project,
        environment: asked.environment,
        pipeline: asked.pipeline,
        current: true,
        ..DeploymentFilter::default()
    };
    let top = rows(asked.top);
    listed(desk, filter, top).await
}

pub(super) async fn deployments(desk: &Desk, asked: QueryDeployments) -> Result<Found, ToolError> {
    let said = Said { window: asked.window.as_deref(), from: asked.from.as_deref(), to: asked.to.as_deref() };
    let window = desk.window(said)?;
    let filter = DeploymentFilter {
        organization: asked.organization,
        project: asked.project,
        environment: asked.environment,
        pipeline: asked.pipeline,
        since: Some(window.from),
        until: Some(window.to),
        ..DeploymentFilter::default()
    };
    let top = rows(asked.top);
    Ok(listed(desk, filter, top).await?.within(window))
}

async fn listed(desk: &Desk, filter: DeploymentFilter, top: u32) -> Result<Found, ToolError> {
    let filter = DeploymentFilter { top: Some(top), ..filter };
    let deployments = desk.catalog.deployments(&filter).await?;
    let notes = if deployments.is_empty() {
        desk.near(&[
            (Named::Organization, filter.organization.as_ref()),
            (Named::Project, filter.project.as_ref()),
            (Named::Environment, filter.environment.as_ref()),
            (Named::Pipeline, filter.pipeline.as_ref()),
        ])
        .await?
    } else {
        Vec::new()
    };
    let cited = deployments.iter().filter_map(citation).collect();
    let table = deployments.iter().map(deployment_row).collect();
    let total = desk.catalog.count_deployments(&filter).await?;
    Ok(Found::part(&DEPLOYMENTS, table, total).behind(cited).noting(notes))
}

fn deployment_row(deployment: &Deployment) -> Vec<Value> {
    vec![
        json!(deployment.environment),
        json!(deployment.project),
        json!(deployment.pipeline.as_ref().map(named)),
        json!(version(deployment)),
        json!(deployment.run_id),
        json!(deployment.release_id),
        json!(deployment.stage),
        json!(deployment.attempt),
        json!(deployment.state),
        json!(deployment.result),
        moment(deployment.started_at),
        moment(deployment.finished_at),
        json!(deployment.commit),
        json!(deployment.certainty),
        json!(deployment.organization),
    ]
}

/// The name of the release, else of the run.
fn version(deployment: &Deployment) -> Option<&String> {
    deployment.release_name.as_ref().or(deployment.run_name.as_ref())
}

fn citation(deployment: &Deployment) -> Option<Citation> {
    Some(Citation::of(&deployment.organization, deployment.run_id?))
}

/// Which two environments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Diff {
    /// The name or id of an environment, such as staging.
    in_environment: String,
    /// The one that it is compared with, such as production.
    not_in: String,
    #[serde(default)]
    organization: Option<String>,
    /// A project's name or id.
    #[serde(default)]
    project: Option<String>,
}

const DIFF: [&str; 8] =
    ["pipeline", "project", "version", "runId", "since", "otherVersion", "otherRunId", "otherSince"];

pub(super) async fn diff(desk: &Desk, asked: Diff) -> Result<Found, ToolError> {
    let one = desk.there(&asked, &asked.in_environment).await?;
    let other = desk.there(&asked, &asked.not_in).await?;
    let unknown: Vec<_> = [(&asked.in_environment, &one), (&asked.not_in, &other)]
        .into_iter()
        .filter(|(_, there)| there.is_empty())
        .map(|(name, _)| (Named::Environment, Some(name)))
        .collect();
    let mut asked_for =
        vec![(Named::Organization, asked.organization.as_ref()), (Named::Project, asked.project.as_ref())];
    asked_for.retain(|_| !unknown.is_empty());
    asked_for.extend(unknown);
    let notes = desk.near(&asked_for).await?;
    let differs = one.iter().filter(|(pipeline, there)| {
        other.get(pipeline).is_none_or(|known| (known.run_id, known.release_id) != (there.run_id, there.release_id))
    });
    let (mut table, mut cited) = (Vec::new(), Vec::new());
    for (pipeline, there) in differs {
        let known = other.get(pipeline);
        cited.extend(citation(there));
        table.push(vec![
            json!(there.pipeline.as_ref().map(named)),
            json!(there.project),
            json!(version(there)),
            json!(there.run_id),
            moment(there.finished_at.or(there.started_at)),
            json!(known.and_then(version)),
            json!(known.and_then(|known| known.run_id)),
            moment(known.and_then(|known| known.finished_at.or(known.started_at))),
        ]);
    }
    Ok(Found::whole(&DIFF, table, super::MOST_ROWS).behind(cited).noting(notes))
}

/// Organization, and pipeline or definition, with the kind of it.
type Comes = (String, String, Option<u64>);

impl Desk {
    /// What is in an environment now, by what brought it.
    async fn there(&self, asked: &Diff, environment: &str) -> Result<BTreeMap<Comes, Deployment>, ToolError> {
        let filter = DeploymentFilter {
            organization: asked.organization.clone(),
            project: asked.project.clone(),
            environment: Some(environment.to_owned()),
            current: true,
            ..DeploymentFilter::default()
        };
        let there = self.catalog.deployments(&filter).await?;
        let by = |there: Deployment| {
            let pipeline = there.pipeline.as_ref().map(|pipeline| pipeline.id);
            ((there.organization.clone(), there.source.clone(), pipeline), there)
        };
        // The list begins with the latest.
        Ok(there.into_iter().rev().map(by).collect())
    }
}
