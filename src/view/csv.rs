//! RFC 4180 with a header row. The values are data, as the JSON has them: nothing in them is escaped.

use csv::{IntoInnerError, Writer};

use super::{PipelineJson, chain};
use crate::catalog::{Deployment, Environment, Gap, GivenApproval, Incident, Link, LinkKind, PipelineName, Run, Stage};
use crate::domain::Time;
use crate::domain::chain::{Row, Second};

const RUN: [&str; 17] = [
    "organization",
    "project",
    "pipelineId",
    "pipelineName",
    "runId",
    "name",
    "state",
    "result",
    "reason",
    "branch",
    "commit",
    "repository",
    "requestedFor",
    "queuedAt",
    "startedAt",
    "finishedAt",
    "url",
];

/// Runs, without their stages.
///
/// # Errors
/// Never for rows of equal length.
pub fn runs_csv(runs: &[Run]) -> Result<String, csv::Error> {
    write(&RUN, runs.iter().map(run_cells))
}

/// One run, without its parts.
///
/// # Errors
/// Never for rows of equal length.
pub fn run_csv(run: &Run) -> Result<String, csv::Error> {
    runs_csv(std::slice::from_ref(run))
}

/// Pipelines with their last runs.
///
/// # Errors
/// Never for rows of equal length.
pub fn pipelines_csv(pipelines: &[PipelineJson]) -> Result<String, csv::Error> {
    let header = [
        "organization",
        "project",
        "id",
        "name",
        "runs",
        "live",
        "lastRunId",
        "lastRunName",
        "lastRunState",
        "lastRunResult",
        "lastRunBranch",
        "lastRunQueuedAt",
        "lastRunFinishedAt",
        "folder",
        "repository",
        "service",
        "team",
        "ownedBy",
    ];
    let rows = pipelines.iter().map(|PipelineJson { pipeline, .. }| {
        let last = &pipeline.last_run;
        let owner = pipeline.owner.as_ref();
        vec![
            pipeline.organization.clone(),
            text(&pipeline.project),
            pipeline.id.to_string(),
            text(&pipeline.name),
            pipeline.runs.to_string(),
            pipeline.live.to_string(),
            last.run_id.to_string(),
            text(&last.name),
            text(&last.state),
            text(&last.result),
            text(&last.branch),
            time(last.queued_at),
            time(last.finished_at),
            text(&pipeline.folder),
            text(&pipeline.repository),
            owner.map(|owner| owner.service.clone()).unwrap_or_default(),
            owner.and_then(|owner| owner.team.clone()).unwrap_or_default(),
            owner.map(|owner| owner.by.clone()).unwrap_or_default(),
        ]
    });
    write(&header, rows)
}

/// Links, a line each.
///
/// # Errors
/// Never for rows of equal length.
pub fn links_csv(links: &[Link]) -> Result<String, csv::Error> {
    let header =
        ["direction", "kind", "id", "name", "state", "rule", "certainty", "steps", "viaKind", "viaId", "url", "held"];
    let rows = links.iter().map(|link| {
        let direction = match link.direction {
            LinkKind::Before => "before",
            LinkKind::After => "after",
        };
        let via = link.via.as_ref();
        vec![
            direction.to_owned(),
            link.kind.to_owned(),
            link.id.clone(),
            text(&link.name),
            text(&link.state),
            link.rule.to_owned(),
            link.certainty.to_owned(),
            link.steps.to_string(),
            via.map(|via| via.kind.to_owned()).unwrap_or_default(),
            via.map(|via| via.id.clone()).unwrap_or_default(),
            text(&link.url),
            link.held.to_string(),
        ]
    });
    write(&header, rows)
}

/// Stages, an attempt a row.
///
/// # Errors
/// Never for rows of equal length.
pub fn stages_csv(stages: &[Stage]) -> Result<String, csv::Error> {
    let rows = stages.iter().map(|stage| {
        vec![
            stage.name.clone(),
            stage.attempt.to_string(),
            text(&stage.state),
            text(&stage.result),
            time(stage.started_at),
            time(stage.finished_at),
        ]
    });
    write(&["name", "attempt", "state", "result", "startedAt", "finishedAt"], rows)
}

const DEPLOYMENT: [&str; 23] = [
    "organization",
    "project",
    "environmentId",
    "environment",
    "source",
    "pipelineId",
    "pipelineName",
    "runId",
    "runName",
    "releaseId",
    "releaseName",
    "stage",
    "attempt",
    "state",
    "result",
    "startedAt",
    "finishedAt",
    "branch",
    "commit",
    "repository",
    "rule",
    "certainty",
    "current",
];

/// Deployments.
///
/// # Errors
/// Never for rows of equal length.
pub fn deployments_csv(deployments: &[Deployment]) -> Result<String, csv::Error> {
    write(&DEPLOYMENT, deployments.iter().map(deployment_cells))
}

fn deployment_cells(deployment: &Deployment) -> Vec<String> {
    let [pipeline_id, pipeline_name] = pipeline(deployment.pipeline.as_ref());
    vec![
        deployment.organization.clone(),
        text(&deployment.project),
        number(deployment.environment_id),
        deployment.environment.clone(),
        deployment.source.clone(),
        pipeline_id,
        pipeline_name,
        number(deployment.run_id),
        text(&deployment.run_name),
        number(deployment.release_id),
        text(&deployment.release_name),
        deployment.stage.clone(),
        deployment.attempt.to_string(),
        text(&deployment.state),
        text(&deployment.result),
        time(deployment.started_at),
        time(deployment.finished_at),
        text(&deployment.branch),
        text(&deployment.commit),
        text(&deployment.repository),
        deployment.rule.clone(),
        deployment.certainty.clone(),
        deployment.current.to_string(),
    ]
}

/// Rows of chains.
///
/// # Errors
/// Never for rows of equal length.
pub fn chain_csv(rows: &[Row]) -> Result<String, csv::Error> {
    let header = [
        "organization",
        "chain",
        "deploymentId",
        "kind",
        "status",
        "service",
        "ring",
        "author",
        "imageTag",
        "runId",
        "commit",
        "releaseId",
        "pullRequestId",
        "mergedBy",
        "hldCommit",
        "manifestRunId",
        "manifestCommit",
        "clusters",
        "likely",
        "startedAt",
        "updatedAt",
    ];
    write(&header, rows.iter().map(chain_cells))
}

fn chain_cells(row: &Row) -> Vec<String> {
    let release = match &row.second {
        Some(Second::Release(stage)) => Some(stage.release),
        Some(Second::Stage(_)) | None => None,
    };
    let source = row.source.as_ref();
    let pull_request = row.pull_request.as_ref();
    vec![
        row.organization.clone(),
        row.chain.clone(),
        row.id.clone(),
        row.kind.as_str().to_owned(),
        chain::status(row).to_owned(),
        text(&row.service),
        text(&row.ring),
        text(&row.author),
        text(&row.image_tag),
        number(source.map(|run| run.id)),
        source.and_then(|run| run.commit.clone()).unwrap_or_default(),
        number(release),
        number(pull_request.map(|one| one.id)),
        pull_request.and_then(|one| one.merged_by.clone()).unwrap_or_default(),
        text(&row.hld_commit),
        number(row.manifest_run.as_ref().map(|run| run.id)),
        text(&row.manifest_commit),
        chain::synced(row).map(|one| one.name.as_str()).collect::<Vec<_>>().join(" "),
        chain::likely(row).join(" "),
        time(row.started),
        time(row.updated),
    ]
}

/// Environments, a row for each thing that is there; one in which nothing is has a row too.
///
/// # Errors
/// Never for rows of equal length.
pub fn environments_csv(environments: &[Environment]) -> Result<String, csv::Error> {
    let header = [
        "organization",
        "project",
        "id",
        "name",
        "source",
        "definitionId",
        "definitionName",
        "deployments",
        "live",
        "currentPipelineId",
        "currentPipelineName",
        "currentRunId",
        "currentRunName",
        "currentReleaseId",
        "currentReleaseName",
        "currentCommit",
        "currentSince",
        "lastState",
        "lastResult",
        "lastStartedAt",
    ];
    let rows = environments.iter().flat_map(|environment| {
        let there = environment.current.iter().map(|current| environment_cells(environment, Some(current)));
        let none = environment.current.is_empty().then(|| environment_cells(environment, None));
        there.chain(none).collect::<Vec<_>>()
    });
    write(&header, rows)
}

fn environment_cells(environment: &Environment, current: Option<&Deployment>) -> Vec<String> {
    let last = environment.last.as_ref();
    let name = |of: fn(&Deployment) -> &Option<String>| current.and_then(|current| of(current).clone());
    let [definition_id, definition_name] = pipeline(environment.definition.as_ref());
    let [pipeline_id, pipeline_name] = pipeline(current.and_then(|current| current.pipeline.as_ref()));
    vec![
        environment.organization.clone(),
        text(&environment.project),
        number(environment.id),
        environment.name.clone(),
        environment.source.clone(),
        definition_id,
        definition_name,
        environment.deployments.to_string(),
        environment.live.to_string(),
        pipeline_id,
        pipeline_name,
        number(current.and_then(|current| current.run_id)),
        text(&name(|current| &current.run_name)),
        number(current.and_then(|current| current.release_id)),
        text(&name(|current| &current.release_name)),
        text(&name(|current| &current.commit)),
        time(current.and_then(|current| current.finished_at)),
        text(&last.and_then(|last| last.state.clone())),
        text(&last.and_then(|last| last.result.clone())),
        time(last.and_then(|last| last.started_at)),
    ]
}

/// Approvals. Names are separated by semicolons.
///
/// # Errors
/// Never for rows of equal length.
pub fn approvals_csv(approvals: &[GivenApproval]) -> Result<String, csv::Error> {
    let header = [
        "organization",
        "project",
        "source",
        "pipelineId",
        "pipelineName",
        "runId",
        "runName",
        "releaseId",
        "releaseName",
        "id",
        "status",
        "phase",
        "stage",
        "attempt",
        "requestedAt",
        "decidedAt",
        "approvers",
    ];
    write(&header, approvals.iter().map(approval_cells))
}

fn approval_cells(approval: &GivenApproval) -> Vec<String> {
    let [pipeline_id, pipeline_name] = pipeline(approval.pipeline.as_ref());
    vec![
        approval.organization.clone(),
        text(&approval.project),
        approval.source.clone(),
        pipeline_id,
        pipeline_name,
        number(approval.run_id),
        text(&approval.run_name),
        number(approval.release_id),
        text(&approval.release_name),
        approval.id.clone(),
        approval.status.clone(),
        text(&approval.phase),
        text(&approval.stage),
        number(approval.attempt.map(u64::from)),
        time(approval.requested_at),
        time(approval.decided_at),
        approval.approvers.join(";"),
    ]
}

/// Gaps.
///
/// # Errors
/// Never for rows of equal length.
pub fn gaps_csv(gaps: &[Gap]) -> Result<String, csv::Error> {
    let header =
        ["organization", "project", "projectId", "eventType", "why", "from", "to", "seenAt", "coveredTo", "covered"];
    let rows = gaps.iter().map(|gap| {
        vec![
            gap.organization.clone(),
            text(&gap.project),
            gap.project_id.clone(),
            gap.event_type.clone(),
            text(&gap.why),
            gap.from.to_string(),
            time(gap.to),
            time(gap.seen_at),
            time(gap.covered_to),
            gap.covered.to_string(),
        ]
    });
    write(&header, rows)
}

/// Incidents.
///
/// # Errors
/// Never for rows of equal length.
pub fn incidents_csv(incidents: &[Incident]) -> Result<String, csv::Error> {
    let header = [
        "organization",
        "project",
        "source",
        "id",
        "title",
        "url",
        "status",
        "openedAt",
        "resolvedAt",
        "environment",
        "pipeline",
        "runId",
        "commit",
    ];
    let rows = incidents.iter().map(|incident| {
        vec![
            incident.organization.clone(),
            text(&incident.project),
            incident.source.clone(),
            incident.id.clone(),
            text(&incident.title),
            text(&incident.url),
            incident.status.clone(),
            time(incident.opened_at),
            time(incident.resolved_at),
            text(&incident.environment),
            text(&incident.pipeline),
            number(incident.run_id),
            text(&incident.commit),
        ]
    });
    write(&header, rows)
}

fn run_cells(run: &Run) -> Vec<String> {
    vec![
        run.organization.clone(),
        text(&run.project),
        run.pipeline.id.to_string(),
        text(&run.pipeline.name),
        run.run_id.to_string(),
        text(&run.name),
        text(&run.state),
        text(&run.result),
        text(&run.reason),
        text(&run.branch),
        text(&run.commit),
        text(&run.repository),
        text(&run.requested_for),
        time(run.queued_at),
        time(run.started_at),
        time(run.finished_at),
        text(&run.url),
    ]
}

pub(super) fn write(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Result<String, csv::Error> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(header)?;
    for row in rows {
        writer.write_record(row)?;
    }
    let bytes = writer.into_inner().map_err(IntoInnerError::into_error)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[expect(clippy::ref_option, reason = "the fields are options")]
fn text(text: &Option<String>) -> String {
    text.clone().unwrap_or_default()
}

fn number(number: Option<u64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// Id and name.
fn pipeline(pipeline: Option<&PipelineName>) -> [String; 2] {
    pipeline.map_or_else(Default::default, |pipeline| [pipeline.id.to_string(), text(&pipeline.name)])
}

fn time(time: Option<Time>) -> String {
    time.map(|time| time.to_string()).unwrap_or_default()
}
