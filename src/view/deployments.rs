use crate::catalog::{Deployment, Environment, GivenApproval, PipelineName};
use crate::domain::Time;

use super::duration;
use super::runs::{branch, commit, elapsed, pipeline_name, time};
use super::table::{Columns, UNKNOWN, or_unknown, table};

/// Environments, a line each.
#[must_use]
pub fn environments_table(environments: &[Environment], columns: Columns) -> String {
    let few = ["ENVIRONMENT", "SOURCE", "PROJECT", "WHAT IS THERE", "SINCE", "LAST", "RESULT", "LIVE", "DEPLOYMENTS"];
    let more = ["ORGANIZATION", "ID", "DEFINITION"];
    let header: Vec<_> = match columns {
        Columns::Few => few.to_vec(),
        Columns::All => few.into_iter().chain(more).collect(),
    };
    let rows = environments.iter().map(|environment| {
        let there: Vec<_> = environment.current.iter().map(what).collect();
        let since = environment.current.iter().filter_map(|deployment| deployment.finished_at).max();
        let last = environment.last.as_ref();
        let mut cells = vec![
            environment.name.clone(),
            environment.source.clone(),
            or_unknown(environment.project.as_deref()),
            or_unknown(Some(&there.join(", "))),
            time(since),
            last.map_or_else(|| UNKNOWN.to_owned(), what),
            or_unknown(last.and_then(|last| last.result.as_deref().or(last.state.as_deref()))),
            environment.live.to_string(),
            environment.deployments.to_string(),
        ];
        if columns == Columns::All {
            cells.extend([
                environment.organization.clone(),
                environment.id.map_or_else(|| UNKNOWN.to_owned(), |id| id.to_string()),
                environment.definition.as_ref().map_or_else(|| UNKNOWN.to_owned(), pipeline_name),
            ]);
        }
        cells
    });
    table(&header, rows)
}

/// Deployments, a line each. `now` tells how long those have taken that are not over.
#[must_use]
pub fn deployments_table(deployments: &[Deployment], columns: Columns, now: Time) -> String {
    let few = ["ENVIRONMENT", "WHAT", "STAGE", "STATE", "RESULT", "CURRENT", "STARTED", "DURATION", "CERTAINTY"];
    let more = ["ORGANIZATION", "PROJECT", "RUN", "RELEASE", "BRANCH", "COMMIT", "REPOSITORY", "FINISHED", "RULE"];
    let header: Vec<_> = match columns {
        Columns::Few => few.to_vec(),
        Columns::All => few.into_iter().chain(more).collect(),
    };
    let rows = deployments.iter().map(|deployment| {
        let mut cells = few_of(deployment, now);
        if columns == Columns::All {
            cells.extend(more_of(deployment));
        }
        cells
    });
    table(&header, rows)
}

fn few_of(deployment: &Deployment, now: Time) -> Vec<String> {
    let (state, started, finished) = (deployment.state.as_deref(), deployment.started_at, deployment.finished_at);
    vec![
        deployment.environment.clone(),
        what(deployment),
        stage(&deployment.stage, deployment.attempt),
        or_unknown(state),
        or_unknown(deployment.result.as_deref()),
        if deployment.current { "yes".to_owned() } else { "no".to_owned() },
        time(started),
        elapsed(state, started, finished, now),
        deployment.certainty.clone(),
    ]
}

fn more_of(deployment: &Deployment) -> [String; 9] {
    let number = |id: Option<u64>| id.map_or_else(|| UNKNOWN.to_owned(), |id| id.to_string());
    [
        deployment.organization.clone(),
        or_unknown(deployment.project.as_deref()),
        number(deployment.run_id),
        number(deployment.release_id),
        branch(deployment.branch.as_deref()),
        commit(deployment.commit.as_deref()),
        or_unknown(deployment.repository.as_deref()),
        time(deployment.finished_at),
        deployment.rule.clone(),
    ]
}

/// Approvals, a line each. `now` tells how long people have been waiting for those that nobody gave yet.
#[must_use]
pub fn approvals_table(approvals: &[GivenApproval], columns: Columns, now: Time) -> String {
    let few = ["STATUS", "FOR", "PIPELINE", "STAGE", "APPROVERS", "REQUESTED", "WAITED"];
    let more = ["ORGANIZATION", "PROJECT", "PHASE", "DECIDED", "ID"];
    let header: Vec<_> = match columns {
        Columns::Few => few.to_vec(),
        Columns::All => few.into_iter().chain(more).collect(),
    };
    let rows = approvals.iter().map(|approval| {
        let subject = named(
            (approval.release_id, approval.release_name.as_deref()),
            (approval.run_id, approval.run_name.as_deref()),
        );
        let mut cells = vec![
            approval.status.clone(),
            subject,
            approval.pipeline.as_ref().map_or_else(|| UNKNOWN.to_owned(), pipeline_name),
            or_unknown(approval.stage.as_deref()),
            or_unknown(Some(&approval.approvers.join(", "))),
            time(approval.requested_at),
            waited(approval, now),
        ];
        if columns == Columns::All {
            cells.extend([
                approval.organization.clone(),
                or_unknown(approval.project.as_deref()),
                or_unknown(approval.phase.as_deref()),
                time(approval.decided_at),
                approval.id.clone(),
            ]);
        }
        cells
    });
    table(&header, rows)
}

/// From the request to the decision; until now where there is none and it is still wanted.
fn waited(approval: &GivenApproval, now: Time) -> String {
    let end = approval.decided_at.or_else(|| (approval.status == "pending").then_some(now));
    let taken = approval.requested_at.zip(end).map(|(requested, end)| end.since(requested));
    taken.map_or_else(|| UNKNOWN.to_owned(), duration)
}

/// `web 20240101.3`, or the release's name.
fn what(deployment: &Deployment) -> String {
    let name = named(
        (deployment.release_id, deployment.release_name.as_deref()),
        (deployment.run_id, deployment.run_name.as_deref()),
    );
    match &deployment.pipeline {
        Some(PipelineName { name: Some(pipeline), .. }) => format!("{pipeline} {name}"),
        Some(PipelineName { name: None, .. }) | None => name,
    }
}

fn named((release, release_name): (Option<u64>, Option<&str>), (run, run_name): (Option<u64>, Option<&str>)) -> String {
    let numbered = |id: Option<u64>| id.map(|id| format!("#{id}"));
    let name = match release {
        Some(_) => release_name.map(str::to_owned).or_else(|| numbered(release)),
        None => run_name.map(str::to_owned).or_else(|| numbered(run)),
    };
    or_unknown(name.as_deref())
}

/// `Deploy`, or `Deploy #2` where it was tried before.
pub(super) fn stage(name: &str, attempt: u32) -> String {
    if attempt > 1 { format!("{name} #{attempt}") } else { name.to_owned() }
}
