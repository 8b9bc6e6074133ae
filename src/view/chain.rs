//! Deployment chains: as Spektate shows them in a terminal, and as its dashboard reads them.
//!
//! Column names and the shape of the JSON are Spektate's, so that what reads those reads these
//! (<https://github.com/microsoft/spektate>, `IDeployment`); members of our own stand beside its own.

use std::time::Duration;

use serde::Serialize;

use super::runs::time;
use super::table::{Columns, UNKNOWN, or_unknown, table};
use crate::domain::chain::{Cluster, Kind, PullRequest, ReleaseStage, Row, Run, Second, Step};
use crate::domain::link::Certainty;
use crate::domain::{Outcome, State, Time};

/// So many digits of a commit are what people and Spektate compare.
const SHORT: usize = 7;

/// Rows of chains, a line each. `now` tells how long those have taken that are not over.
#[must_use]
pub fn chain_table(rows: &[Row], columns: Columns, now: Time) -> String {
    let few = [
        "Status",
        "Service",
        "Ring",
        "Image Tag",
        "Image Creation",
        "Commit",
        "OK",
        "Metadata Update",
        "Commit",
        "OK",
        "Ready to Deploy",
        "Commit",
        "OK",
        "Duration",
    ];
    let more = ["Start Time", "Author", "Approval PR", "Merged By", "Cluster Sync", "Only Likely", "Deployment"];
    let header: Vec<_> = match columns {
        Columns::Few => few.to_vec(),
        Columns::All => few.into_iter().chain(more).collect(),
    };
    let lines = rows.iter().map(|row| {
        let mut cells = few_of(row, now);
        if columns == Columns::All {
            cells.extend(more_of(row));
        }
        cells
    });
    table(&header, lines)
}

fn few_of(row: &Row, now: Time) -> Vec<String> {
    let number = |run: Option<&Run>| run.map_or_else(|| UNKNOWN.to_owned(), |run| run.id.to_string());
    let (first, second) = results(row);
    vec![
        status(row).to_owned(),
        or_unknown(row.service.as_deref()),
        or_unknown(row.ring.as_deref()),
        or_unknown(row.image_tag.as_deref()),
        number(row.source.as_ref()),
        or_unknown(short(source_commit(row))),
        ok(first),
        second_name(row),
        or_unknown(short(row.hld_commit.as_deref())),
        ok(second),
        number(row.manifest_run.as_ref()),
        or_unknown(short(row.manifest_commit.as_deref())),
        ok(row.manifest_run.as_ref().and_then(|run| run.result.as_ref())),
        format!("{} mins", minutes(row, now)),
    ]
}

fn more_of(row: &Row) -> [String; 7] {
    let pull_request = row.pull_request.as_ref();
    [
        time(row.started),
        or_unknown(row.author.as_deref()),
        pull_request.map_or_else(|| UNKNOWN.to_owned(), |one| one.id.to_string()),
        or_unknown(pull_request.and_then(|one| one.merged_by.as_deref())),
        or_unknown(Some(&synced(row).map(|one| one.name.as_str()).collect::<Vec<_>>().join(", "))),
        or_unknown(Some(&likely(row).join(", "))),
        row.id.clone(),
    ]
}

/// As a person reads it: one that waits for somebody to merge it says so.
#[must_use]
pub fn status(row: &Row) -> &'static str {
    if row.is_waiting() { "Waiting" } else { row.status.as_str() }
}

/// The clusters that have it.
pub fn synced(row: &Row) -> impl Iterator<Item = &Cluster> {
    row.clusters.iter().filter(|cluster| cluster.synced)
}

/// The steps that are only likely.
pub(super) fn likely(row: &Row) -> Vec<&'static str> {
    let likely = row.links.iter().filter(|link| link.certainty == Certainty::Likely);
    let clusters = synced(row).any(|cluster| cluster.certainty == Certainty::Likely).then_some("clusters");
    likely.map(|link| step(link.to)).chain(clusters).collect()
}

fn step(step: Step) -> &'static str {
    match step {
        Step::Hld => "hld",
        Step::Release => "release",
        Step::ManifestRun => "manifestRun",
        Step::ManifestCommit => "manifestCommit",
        Step::Environment => "environment",
        Step::Service => "service",
    }
}

/// The first digits of a commit.
#[must_use]
pub fn short(commit: Option<&str>) -> Option<&str> {
    commit.map(|id| id.get(..SHORT).unwrap_or(id))
}

fn source_commit(row: &Row) -> Option<&str> {
    row.source.as_ref()?.commit.as_deref()
}

/// Nothing where nothing is known yet.
fn ok(result: Option<&Outcome>) -> String {
    match result {
        None => String::new(),
        Some(Outcome::Succeeded) => "\u{2713}".to_owned(),
        Some(
            Outcome::PartiallySucceeded
            | Outcome::Failed
            | Outcome::Canceled
            | Outcome::Rejected
            | Outcome::Skipped
            | Outcome::Abandoned
            | Outcome::Other(_),
        ) => "\u{445}".to_owned(),
    }
}

/// Of the first two steps. Where both are stages of one run that did not succeed, each has its own.
fn results(row: &Row) -> (Option<&Outcome>, Option<&Outcome>) {
    let Some(run) = &row.source else { return (None, second_result(row)) };
    let whole = run.result.as_ref();
    match &row.second {
        Some(Second::Stage(_)) if row.kind != Kind::Environment && run.result != Some(Outcome::Succeeded) => {
            let stage = |at: usize| run.stages.get(at).map_or(whole, |(_, result)| result.as_ref());
            (stage(0), stage(1))
        }
        Some(_) | None => (whole, second_result(row)),
    }
}

fn second_result(row: &Row) -> Option<&Outcome> {
    match row.second.as_ref()? {
        Second::Stage(run) => run.result.as_ref(),
        Second::Release(stage) => stage.result.as_ref(),
    }
}

fn second_name(row: &Row) -> String {
    match &row.second {
        None => UNKNOWN.to_owned(),
        Some(Second::Stage(run)) => run.id.to_string(),
        Some(Second::Release(stage)) => stage.release.to_string(),
    }
}

/// As Spektate counts: of each step from the queue to the end, or until now; a run whose stage is the second step counts
/// alone.
fn minutes(row: &Row, now: Time) -> String {
    let of = |from: Option<Time>, to: Option<Time>| from.map_or(Duration::ZERO, |from| to.unwrap_or(now).since(from));
    let run = |run: &Run| of(run.queued.or(run.started), run.finished);
    let source = row.source.as_ref().map(run).unwrap_or_default();
    let manifest = row.manifest_run.as_ref().map(run).unwrap_or_default();
    let all = match &row.second {
        Some(Second::Stage(stage)) => run(stage),
        Some(Second::Release(stage)) => source + of(stage.started, stage.finished) + manifest,
        None => source + manifest,
    };
    format!("{:.2}", all.as_secs_f64() / 60.0)
}

/// A deployment as Spektate's dashboard takes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentJson {
    deployment_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_to_docker_build: Option<BuildJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    docker_to_hld_release: Option<ReleaseJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    docker_to_hld_release_stage: Option<BuildJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hld_to_manifest_build: Option<BuildJson>,
    commit_id: String,
    hld_commit_id: String,
    image_tag: String,
    time_stamp: Option<String>,
    manifest_commit_id: String,
    environment: String,
    service: String,
    duration: String,
    status: &'static str,
    end_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pr: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_repo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hld_repo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest_repo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<AuthorJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pull_request: Option<PullRequestJson>,
    // What follows is ours.
    organization: String,
    chain: String,
    kind: &'static str,
    waiting: bool,
    commit: Option<String>,
    hld_commit: Option<String>,
    manifest_commit: Option<String>,
    clusters: Vec<ClusterJson>,
    links: Vec<LinkJson>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct BuildJson {
    id: u64,
    build_number: Option<String>,
    author: Option<String>,
    status: Option<String>,
    result: Option<String>,
    source_branch: String,
    source_version: Option<String>,
    #[serde(rename = "sourceVersionURL")]
    source_version_url: Option<String>,
    queue_time: Option<String>,
    start_time: Option<String>,
    finish_time: Option<String>,
    last_update_time: Option<String>,
    #[serde(rename = "URL")]
    url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReleaseJson {
    id: u64,
    release_name: Option<String>,
    status: Option<String>,
    result: Option<String>,
    queue_time: Option<String>,
    start_time: Option<String>,
    finish_time: Option<String>,
    last_update_time: Option<String>,
    #[serde(rename = "URL")]
    url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthorJson {
    name: String,
    username: String,
    url: String,
    image_url: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct PullRequestJson {
    id: u64,
    title: Option<String>,
    source_branch: Option<String>,
    target_branch: Option<String>,
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    merged_by: Option<AuthorJson>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct ClusterJson {
    name: String,
    synced: bool,
    state: String,
    at: String,
    rule: &'static str,
    certainty: &'static str,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct LinkJson {
    to: &'static str,
    rule: &'static str,
    certainty: &'static str,
}

/// What the clusters have, as Spektate's dashboard takes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSyncJson {
    #[serde(rename = "releasesURL")]
    releases_url: String,
    tags: Vec<TagJson>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct TagJson {
    name: String,
    commit: String,
    date: String,
}

/// The rows as Spektate's dashboard takes them. `now` tells how long those have taken that are not over.
#[must_use]
pub fn deployments_json(rows: &[Row], now: Time) -> Vec<DeploymentJson> {
    rows.iter().map(|row| deployment(row, now)).collect()
}

fn deployment(row: &Row, now: Time) -> DeploymentJson {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let (stage, release) = match &row.second {
        Some(Second::Stage(run)) => (Some(build(run)), None),
        Some(Second::Release(stage)) => (None, Some(release(stage))),
        None => (None, None),
    };
    let end = row.updated.map(|at| at.to_string());
    DeploymentJson {
        deployment_id: row.id.clone(),
        src_to_docker_build: row.source.as_ref().map(build),
        docker_to_hld_release: release,
        docker_to_hld_release_stage: stage,
        hld_to_manifest_build: row.manifest_run.as_ref().map(build),
        commit_id: text(short(source_commit(row))),
        hld_commit_id: text(short(row.hld_commit.as_deref())),
        image_tag: text(row.image_tag.as_deref()),
        time_stamp: end.clone(),
        manifest_commit_id: text(short(row.manifest_commit.as_deref())),
        environment: text(row.ring.as_deref()),
        service: text(row.service.as_deref()),
        duration: minutes(row, now),
        status: row.status.as_str(),
        end_time: end,
        pr: row.pull_request.as_ref().map(|one| one.id),
        source_repo: source_repository(row),
        hld_repo: hld_repository(row),
        manifest_repo: manifest_repository(row),
        author: row.author.as_deref().map(author),
        pull_request: row.pull_request.as_ref().map(pull_request),
        organization: row.organization.clone(),
        chain: row.chain.clone(),
        kind: row.kind.as_str(),
        waiting: row.is_waiting(),
        commit: source_commit(row).map(str::to_owned),
        hld_commit: row.hld_commit.clone(),
        manifest_commit: row.manifest_commit.clone(),
        clusters: row.clusters.iter().map(cluster).collect(),
        links: links(row),
    }
}

fn links(row: &Row) -> Vec<LinkJson> {
    let link = |link: &crate::domain::chain::ChainLink| LinkJson {
        to: step(link.to),
        rule: link.rule.as_str(),
        certainty: link.certainty.as_str(),
    };
    row.links.iter().map(link).collect()
}

fn build(run: &Run) -> BuildJson {
    let at = |time: Option<Time>| time.map(|time| time.to_string());
    BuildJson {
        id: run.id,
        build_number: run.number.clone(),
        author: run.author.clone(),
        status: run.state.as_ref().map(word),
        result: run.result.as_ref().map(|result| result.as_str().to_owned()),
        source_branch: run.branch.clone().unwrap_or_default(),
        source_version: run.commit.clone(),
        source_version_url: commit_url(run),
        queue_time: at(run.queued.or(run.started)),
        start_time: at(run.started),
        finish_time: at(run.finished),
        last_update_time: at(run.updated()),
        url: run.url.clone(),
    }
}

fn release(stage: &ReleaseStage) -> ReleaseJson {
    let at = |time: Option<Time>| time.map(|time| time.to_string());
    ReleaseJson {
        id: stage.release,
        release_name: stage.name.clone(),
        status: stage.state.as_ref().map(word),
        result: stage.result.as_ref().map(|result| result.as_str().to_owned()),
        queue_time: at(stage.started),
        start_time: at(stage.started),
        finish_time: at(stage.finished),
        last_update_time: at(stage.finished.or(stage.started)),
        url: stage.url.clone(),
    }
}

/// Stages have a word of their own.
fn word(state: &State) -> String {
    if *state == State::Running { State::InProgress.as_str() } else { state.as_str() }.to_owned()
}

fn author(name: &str) -> AuthorJson {
    AuthorJson { name: name.to_owned(), username: name.to_owned(), url: String::new(), image_url: String::new() }
}

fn pull_request(one: &PullRequest) -> PullRequestJson {
    // Spektate tells by it whether it is merged.
    let merged_by = one.is_merged().then(|| author(one.merged_by.as_deref().unwrap_or_default()));
    PullRequestJson {
        id: one.id,
        title: one.title.clone(),
        source_branch: one.source.clone(),
        target_branch: one.target.clone(),
        url: one.url.clone(),
        merged_by,
    }
}

fn cluster(cluster: &Cluster) -> ClusterJson {
    let Cluster { name, synced, state, at, rule, certainty } = cluster.clone();
    ClusterJson { name, synced, state, at: at.to_string(), rule: rule.as_str(), certainty: certainty.as_str() }
}

/// A tag for each commit that a cluster has: Spektate finds rows by equality, so one for the latest alone would leave out
/// all before it. `None` where no cluster told of any.
#[must_use]
pub fn cluster_sync_json(rows: &[Row]) -> Option<ClusterSyncJson> {
    let tag = |row: &Row, cluster: &Cluster| {
        let commit = short(row.manifest_commit.as_deref())?.to_owned();
        Some(TagJson { name: cluster.name.to_uppercase(), commit, date: cluster.at.to_string() })
    };
    let mut tags: Vec<_> = rows.iter().flat_map(|row| synced(row).filter_map(move |one| tag(row, one))).collect();
    tags.sort_by(|one, other| (&one.name, &one.commit).cmp(&(&other.name, &other.commit)));
    tags.dedup_by(|one, other| (&one.name, &one.commit) == (&other.name, &other.commit));
    let releases_url = rows.iter().find_map(manifest_repository).map(|place| format!("https://{place}/tags"));
    (!tags.is_empty()).then(|| ClusterSyncJson { releases_url: releases_url.unwrap_or_default(), tags })
}

/// Where the commit is looked at: in the run's project, or on GitHub, whose repositories have an owner before the name.
#[must_use]
pub fn commit_url(run: &Run) -> Option<String> {
    let place = repository(run.repository.as_deref()?, run)?;
    Some(format!("https://{place}/commit/{}", run.commit.as_deref()?))
}

/// The address without a scheme, as Spektate takes it apart.
fn repository(name: &str, of: &Run) -> Option<String> {
    if name.contains('/') {
        return Some(format!("github.com/{name}"));
    }
    let (_, place) = of.url.as_deref()?.split_once("://")?;
    let (project, _) = place.split_once("/_build")?;
    Some(format!("{project}/_git/{name}"))
}

pub(super) fn source_repository(row: &Row) -> Option<String> {
    let run = row.source.as_ref()?;
    repository(run.repository.as_deref()?, run)
}

pub(super) fn hld_repository(row: &Row) -> Option<String> {
    let run = row.manifest_run.as_ref().or(row.source.as_ref())?;
    repository(row.hld_repository.as_deref()?, run)
}

pub(super) fn manifest_repository(row: &Row) -> Option<String> {
    repository(row.manifest_repository.as_deref()?, row.manifest_run.as_ref()?)
}
