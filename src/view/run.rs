use serde::Serialize;

use crate::catalog::{Approval, Deployment, Failure, Job, RunDetail};
use crate::domain::{Outcome, Time};

use super::deployments::stage;
use super::links::{links_table, links_text, owner};
use super::runs::{branch, elapsed, pipeline_name, run_duration, stages_table, time};
use super::table::{Columns, UNKNOWN, or_unknown, table};
use super::{TimelineEntry, escaped, moment};

/// A run with everything that is known of it, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = RunWithFacts)]
pub struct RunJson {
    #[serde(flatten)]
    pub detail: RunDetail,
    /// Null where the store, which alone has them, did not answer.
    pub facts: Option<Vec<TimelineEntry>>,
}

/// A run for people: what it is, then its stages, jobs, approvals and timeline.
#[must_use]
pub fn run_text(run: &RunJson, columns: Columns, now: Time) -> String {
    let mut text = head(&run.detail, columns, now);
    if let Some(failure) = &run.detail.failure {
        text.push_str(&failure_text(failure));
    }
    let mut section = |title: &str, empty: bool, table: String| {
        if !empty {
            text.push_str(&format!("\n{title}\n{table}"));
        }
    };
    let detail = &run.detail;
    section("Stages", detail.run.stages.is_empty(), stages_table(&detail.run.stages, now));
    section("Jobs", detail.jobs.is_empty(), jobs_table(&detail.jobs, now));
    section("Approvals", detail.approvals.is_empty(), approvals_table(&detail.approvals));
    section("Deployments", detail.deployments.is_empty(), deployments_of_run(&detail.deployments, columns, now));
    section("Triggered by", detail.triggered_by.is_empty(), links_table(&detail.triggered_by, columns));
    section("Triggered", detail.triggered.is_empty(), links_table(&detail.triggered, columns));
    text.push_str(&links_text(&detail.links, detail.links_truncated, columns));
    if let Some(facts) = run.facts.as_ref().filter(|facts| !facts.is_empty()) {
        text.push_str(&format!("\nTimeline\n{}", timeline_table(facts)));
    }
    text
}

fn head(detail: &RunDetail, columns: Columns, now: Time) -> String {
    let run = &detail.run;
    let outcome = match (run.state.as_deref(), run.result.as_deref()) {
        (Some(state), Some(result)) => format!("{state}, {result}"),
        (state, result) => or_unknown(state.or(result)),
    };
    let pipeline = match &run.pipeline.name {
        Some(name) => format!("{name} (#{})", run.pipeline.id),
        None => pipeline_name(&run.pipeline),
    };
    let mut rows = vec![
        ("Run", format!("{} {}", run.run_id, run.name.as_deref().unwrap_or_default())),
        ("State", outcome),
        ("Pipeline", pipeline),
        ("Project", format!("{}/{}", run.organization, run.project.as_deref().unwrap_or(UNKNOWN))),
        ("Branch", branch(run.branch.as_deref())),
        ("Commit", or_unknown(run.commit.as_deref())),
        ("Repository", or_unknown(run.repository.as_deref())),
        ("Owner", owner(detail.owner.as_ref())),
        ("Reason", or_unknown(run.reason.as_deref())),
        ("Requested for", or_unknown(run.requested_for.as_deref())),
        ("Queued", time(run.queued_at)),
        ("Started", time(run.started_at)),
        ("Finished", time(run.finished_at)),
        ("Duration", run_duration(run, now)),
        ("URL", or_unknown(run.url.as_deref())),
    ];
    if columns == Columns::All {
        rows.push(("Folder", or_unknown(detail.folder.as_deref())));
        rows.push(("Owned by", or_unknown(detail.owner.as_ref().map(|owner| owner.by.as_str()))));
    }
    rows.iter().map(|(label, value)| format!("{label:<14} {}\n", escaped(value.trim_end()))).collect()
}

/// Where and why it failed. An error is hostile text like any other.
fn failure_text(failure: &Failure) -> String {
    let place = [&failure.stage, &failure.job, &failure.task];
    let place: Vec<_> = place.into_iter().flatten().map(String::as_str).collect();
    let rows = [
        ("Failed in", Some(place.join(" / ")).filter(|place| !place.is_empty())),
        ("Error", failure.message.clone()),
        ("Signature", failure.signature.clone()),
        ("Log", failure.log.clone()),
    ];
    let said = rows.iter().filter_map(|(label, value)| Some((label, value.as_ref()?)));
    said.map(|(label, value)| format!("{label:<14} {}\n", escaped(value))).collect()
}

fn jobs_table(jobs: &[Job], now: Time) -> String {
    let header = ["STAGE", "JOB", "ATTEMPT", "STATE", "RESULT", "STARTED", "DURATION"];
    let rows = jobs.iter().map(|job| {
        let stage_attempt = job.stage_attempt.map(|attempt| format!(" #{attempt}")).unwrap_or_default();
        vec![
            format!("{}{stage_attempt}", job.stage),
            job.name.clone(),
            job.attempt.to_string(),
            or_unknown(job.state.as_deref()),
            or_unknown(job.result.as_deref()),
            time(job.started_at),
            elapsed(job.state.as_deref(), job.started_at, job.finished_at, now),
        ]
    });
    table(&header, rows)
}

fn approvals_table(approvals: &[Approval]) -> String {
    let header = ["STAGE", "STATUS", "REQUESTED", "DECIDED", "APPROVERS", "ID"];
    let rows = approvals.iter().map(|approval| {
        vec![
            or_unknown(approval.stage.as_deref()),
            approval.status.clone(),
            time(approval.requested_at),
            time(approval.decided_at),
            or_unknown(Some(&approval.approvers.join(", "))),
            approval.id.clone(),
        ]
    });
    table(&header, rows)
}

fn deployments_of_run(deployments: &[Deployment], columns: Columns, now: Time) -> String {
    let few = ["ENVIRONMENT", "STAGE", "RELEASE", "STATE", "RESULT", "STARTED", "DURATION", "CERTAINTY", "RULE"];
    let header: Vec<_> = match columns {
        Columns::Few => few.to_vec(),
        Columns::All => few.into_iter().chain(["ENVIRONMENT ID", "RELEASE ID", "FINISHED", "CURRENT"]).collect(),
    };
    let number = |id: Option<u64>| or_unknown(id.map(|id| id.to_string()).as_deref());
    let rows = deployments.iter().map(|deployment| {
        let (state, started) = (deployment.state.as_deref(), deployment.started_at);
        let mut cells = vec![
            deployment.environment.clone(),
            stage(&deployment.stage, deployment.attempt),
            or_unknown(deployment.release_name.as_deref()),
            or_unknown(state),
            or_unknown(deployment.result.as_deref()),
            time(started),
            elapsed(state, started, deployment.finished_at, now),
            deployment.certainty.clone(),
            deployment.rule.clone(),
        ];
        if columns == Columns::All {
            cells.extend([
                number(deployment.environment_id),
                number(deployment.release_id),
                time(deployment.finished_at),
                if deployment.current { "yes".to_owned() } else { "no".to_owned() },
            ]);
        }
        cells
    });
    table(&header, rows)
}

fn timeline_table(facts: &[TimelineEntry]) -> String {
    let rows = facts.iter().map(|entry| {
        vec![
            moment(entry.said_at),
            entry.kind.to_string(),
            entry.subject.clone(),
            entry.state.clone(),
            or_unknown(entry.result.as_ref().map(Outcome::as_str)),
        ]
    });
    table(&["SAID", "KIND", "SUBJECT", "STATE", "RESULT"], rows)
}
