//! RFC 4180 with a header row. The values are data, as the JSON has them: nothing in them is escaped.

use csv::{IntoInnerError, Writer};

use crate::catalog::{Gap, Link, LinkKind, Pipeline, Run, Stage};
use crate::domain::Time;

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
pub fn pipelines_csv(pipelines: &[Pipeline]) -> Result<String, csv::Error> {
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
    let rows = pipelines.iter().map(|pipeline| {
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
    let header = ["direction", "kind", "id", "name", "state", "rule", "certainty", "steps", "viaKind", "viaId", "url"];
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

fn write(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Result<String, csv::Error> {
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

fn time(time: Option<Time>) -> String {
    time.map(|time| time.to_string()).unwrap_or_default()
}
