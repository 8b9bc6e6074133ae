use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;

use super::chart::{Chart, chart};
use super::frame::Frame;
use super::html::{Badge, When, branch, named, query, short, taken, web};
use super::links::{LinkRow, split, version};
use super::out::{AdoSite, Out};
use super::{missing, page, paths, several};
use crate::catalog::{Approval, Deployment, Failure, Job, Run, RunDetail, Stage};
use crate::domain::{Outcome, Time};
use crate::http::Problem;
use crate::http::reader::Reader;
use crate::view::{self, TimelineEntry};

const HINT: &str = "Nothing told of it yet. `pipetrail get runs` lists the runs that are known.";
/// Facts that a page shows; the command line has all.
const MOST_FACTS: usize = 300;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Which {
    pub(super) organization: Option<String>,
}

#[derive(Template)]
#[template(path = "run.html")]
struct Page {
    frame: Frame,
    run_id: u64,
    name: String,
    pipeline: String,
    pipeline_href: String,
    badge: Badge,
    url: Option<String>,
    facts_of: Vec<(&'static str, Said)>,
    failure: Option<Failure>,
    log: Option<String>,
    chart: Option<Chart>,
    stages: Vec<StageRow>,
    jobs: Vec<JobRow>,
    approvals: Vec<ApprovalRow>,
    deployments: Vec<DeploymentRow>,
    triggered_by: Vec<LinkRow>,
    triggered: Vec<LinkRow>,
    before: Vec<LinkRow>,
    after: Vec<LinkRow>,
    truncated: bool,
    facts: Vec<FactRow>,
    more_facts: bool,
    /// The store, which alone has them, did not answer.
    facts_unknown: bool,
}

/// A text, and where it leads.
#[derive(Debug, PartialEq)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) href: Option<String>,
}

struct StageRow {
    out: Out,
    name: String,
    attempt: u32,
    badge: Badge,
    started: Option<When>,
    taken: String,
}

struct JobRow {
    out: Out,
    stage: String,
    name: String,
    attempt: u32,
    badge: Badge,
    started: Option<When>,
    taken: String,
}

struct ApprovalRow {
    out: Out,
    stage: String,
    badge: Badge,
    approvers: String,
    requested: Option<When>,
    decided: Option<When>,
}

struct DeploymentRow {
    out: Out,
    environment: String,
    stage: String,
    release: String,
    badge: Badge,
    started: Option<When>,
    rule: String,
    certain: bool,
}

struct FactRow {
    said: When,
    kind: String,
    subject: String,
    badge: Badge,
}

/// `GET /runs/{id}`
pub(super) async fn show(
    reader: Reader,
    Path(id): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let what = format!("Run {id}");
    let Ok(run_id) = id.parse::<u64>() else { return missing(&reader, what, HINT).await };
    let mut found = reader.catalog.run(run_id, which.organization.as_deref(), &reader.branches).await?;
    match found.pop() {
        None => missing(&reader, what, HINT).await,
        Some(detail) if found.is_empty() => one(reader, detail).await,
        Some(last) => {
            let all = found.iter().chain([&last]).map(|detail| &detail.run);
            let place = |run: &Run| (run.organization.clone(), paths::run(&run.organization, run.run_id));
            several(&reader, what, all.map(place).collect()).await
        }
    }
}

async fn one(reader: Reader, detail: RunDetail) -> Result<Response, Problem> {
    let now = reader.clock.now();
    let run = &detail.run;
    // The page stands without its timeline, too.
    let facts = reader.facts(run).await;
    let mut entries = view::timeline(facts.as_deref().unwrap_or_default());
    let more_facts = entries.len() > MOST_FACTS;
    entries.drain(..entries.len().saturating_sub(MOST_FACTS));
    let (before, after) = split(&reader.ado, &run.organization, &detail.links);
    page(&Page {
        frame: Frame::of(&reader, "/runs").await?,
        run_id: run.run_id,
        name: run.name.clone().unwrap_or_default(),
        pipeline: named(run.pipeline.name.as_deref(), run.pipeline.id),
        pipeline_href: paths::pipeline(&run.organization, run.pipeline.id),
        badge: Badge::of(run.state.as_deref(), run.result.as_deref()),
        url: reader.ado.known_run(run),
        facts_of: head(&reader, &detail, now),
        log: detail.failure.as_ref().and_then(|failure| web(failure.log.as_deref())).map(str::to_owned),
        failure: detail.failure.clone(),
        chart: chart(&run.stages, now),
        stages: run.stages.iter().map(|stage| stage_row(&reader.ado, run, stage, now)).collect(),
        jobs: detail.jobs.iter().map(|job| job_row(&reader.ado, run, job, now)).collect(),
        approvals: detail.approvals.iter().map(|approval| approval_row(&reader.ado, run, approval, now)).collect(),
        deployments: detail.deployments.iter().map(|deployment| deployment_row(&reader.ado, deployment, now)).collect(),
        triggered_by: detail
            .triggered_by
            .iter()
            .map(|link| LinkRow::of(&reader.ado, &run.organization, link))
            .collect(),
        triggered: detail.triggered.iter().map(|link| LinkRow::of(&reader.ado, &run.organization, link)).collect(),
        before,
        after,
        truncated: detail.links_truncated,
        facts: entries.iter().map(fact_row).collect(),
        more_facts,
        facts_unknown: facts.is_none(),
    })
}

fn head(reader: &Reader, detail: &RunDetail, now: Time) -> Vec<(&'static str, Said)> {
    let run = &detail.run;
    let plain = |text: String| Said { text, href: None };
    let time = |at: Option<Time>| at.map(|at| plain(view::moment(at)));
    let taken = taken(run.state.as_deref(), run.started_at, run.finished_at, now);
    let rows = [
        ("Project", Some(plain(format!("{}/{}", run.organization, run.project.as_deref().unwrap_or("?"))))),
        (
            "Branch",
            run.branch.as_deref().map(|full| Said { text: branch(Some(full)), href: Some(of_branch(run, full)) }),
        ),
        ("Commit", run.commit.as_deref().map(|commit| of_commit(run, commit))),
        ("Repository", run.repository.clone().map(plain)),
        ("Owner", owner(reader, detail).map(plain)),
        ("Reason", run.reason.clone().map(plain)),
        ("Requested for", run.requested_for.as_deref().map(of_person)),
        ("Queued", time(run.queued_at)),
        ("Started", time(run.started_at)),
        ("Finished", time(run.finished_at)),
        ("Took", Some(plain(taken)).filter(|taken| !taken.text.is_empty())),
    ];
    rows.into_iter().filter_map(|(label, said)| Some((label, said?))).collect()
}

fn of_branch(run: &Run, full: &str) -> String {
    let (organization, pipeline) = (run.organization.as_str(), run.pipeline.id.to_string());
    query("/runs", &[("organization", Some(organization)), ("pipeline", Some(&pipeline)), ("branch", Some(full))])
}

fn of_commit(run: &Run, commit: &str) -> Said {
    Said { text: short(commit), href: Some(paths::commit(&run.organization, commit)) }
}

fn of_person(name: &str) -> Said {
    Said { text: name.to_owned(), href: Some(query("/runs", &[("who", Some(name))])) }
}

fn owner(reader: &Reader, detail: &RunDetail) -> Option<String> {
    let owner = reader.owners.of(&detail.into())?;
    let team = owner.team.map(|team| format!(" ({team})")).unwrap_or_default();
    Some(format!("{}{team}, by {}", owner.service, owner.by))
}

/// The service's page of a run shows its stages, jobs and approvals; those have no addresses that anybody tells.
fn out(ado: &AdoSite, run: &Run, of: &str) -> Out {
    Out::to(ado.known_run(run), of).short()
}

fn stage_row(ado: &AdoSite, run: &Run, stage: &Stage, now: Time) -> StageRow {
    StageRow {
        out: out(ado, run, &stage.name),
        name: stage.name.clone(),
        attempt: stage.attempt,
        badge: Badge::of(stage.state.as_deref(), stage.result.as_deref()),
        started: stage.started_at.map(When::exact),
        taken: taken(stage.state.as_deref(), stage.started_at, stage.finished_at, now),
    }
}

fn job_row(ado: &AdoSite, run: &Run, job: &Job, now: Time) -> JobRow {
    let attempt = job.stage_attempt.filter(|attempt| *attempt > 1).map(|attempt| format!(" #{attempt}"));
    JobRow {
        out: out(ado, run, &job.name),
        stage: format!("{}{}", job.stage, attempt.unwrap_or_default()),
        name: job.name.clone(),
        attempt: job.attempt,
        badge: Badge::of(job.state.as_deref(), job.result.as_deref()),
        started: job.started_at.map(When::exact),
        taken: taken(job.state.as_deref(), job.started_at, job.finished_at, now),
    }
}

fn approval_row(ado: &AdoSite, run: &Run, approval: &Approval, now: Time) -> ApprovalRow {
    ApprovalRow {
        out: out(ado, run, approval.stage.as_deref().unwrap_or("approval")),
        stage: approval.stage.clone().unwrap_or_default(),
        badge: Badge::of(Some(&approval.status), None),
        approvers: approval.approvers.join(", "),
        requested: approval.requested_at.map(|at| When::of(at, now)),
        decided: approval.decided_at.map(|at| When::of(at, now)),
    }
}

fn deployment_row(ado: &AdoSite, deployment: &Deployment, now: Time) -> DeploymentRow {
    let (organization, project) = (deployment.organization.as_str(), deployment.project.as_deref());
    let page = match deployment.environment_id {
        Some(id) => ado.environment(organization, project, id),
        None => ado.deployment(deployment),
    };
    DeploymentRow {
        out: Out::to(page, deployment.environment.clone()).short(),
        environment: deployment.environment.clone(),
        stage: deployment.stage.clone(),
        release: deployment.release_id.map(|_| version(deployment)).unwrap_or_default(),
        badge: Badge::of(deployment.state.as_deref(), deployment.result.as_deref()),
        started: deployment.started_at.map(|at| When::of(at, now)),
        rule: deployment.rule.clone(),
        certain: deployment.certainty == "certain",
    }
}

fn fact_row(entry: &TimelineEntry) -> FactRow {
    FactRow {
        said: When::exact(entry.said_at),
        kind: entry.kind.to_string(),
        subject: entry.subject.clone(),
        badge: Badge::of(Some(&entry.state), entry.result.as_ref().map(Outcome::as_str)),
    }
}
