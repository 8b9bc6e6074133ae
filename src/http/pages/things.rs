//! Where did it go: a commit, a pull request, a work item.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;

use super::deployments::{ChainRow, chain_row};
use super::frame::Frame;
use super::html::{Badge, branch, part, query, web};
use super::links::{LinkRow, split};
use super::out::AdoSite;
use super::run::{Said, Which};
use super::{missing, page, several};
use crate::catalog::{ChainFilter, CommitDetail, Link, PullRequestDetail, Vote, WorkItemDetail};
use crate::domain::Time;
use crate::http::Problem;
use crate::http::reader::Reader;

const COMMIT: &str = "Commit";
const HINT: &str = "Nothing told of it yet. `pipetrail backfill --kinds runs,code,boards` asks Azure DevOps.";

#[derive(Template)]
#[template(path = "thing.html")]
struct Page {
    frame: Frame,
    kind: &'static str,
    /// What it is called, after its number.
    title: String,
    id: String,
    badge: Option<Badge>,
    url: Option<String>,
    facts_of: Vec<(&'static str, Said)>,
    before: Vec<LinkRow>,
    after: Vec<LinkRow>,
    truncated: bool,
    /// Of a commit: its place in the deployment chains.
    deployments: Vec<ChainRow>,
}

/// What all three have.
struct Thing {
    kind: &'static str,
    id: String,
    title: Option<String>,
    state: Option<String>,
    url: Option<String>,
    rows: Vec<(&'static str, Option<String>)>,
    links: Vec<Link>,
    truncated: bool,
    organization: String,
}

/// `GET /commits/{id}`, by the beginning of the id.
pub(super) async fn commit(
    reader: Reader,
    Path(id): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let found = match id.len() {
        4..=64 => reader.catalog.commits(&id, which.organization.as_deref(), &reader.branches).await?,
        _ => Vec::new(),
    };
    let found = found.into_iter().map(|commit| of_commit(&reader.ado, commit)).collect();
    show(reader, COMMIT, "commits", &id, found).await
}

/// `GET /pull-requests/{id}`
pub(super) async fn pull_request(
    reader: Reader,
    Path(id): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let found = match id.parse() {
        Ok(id) => reader.catalog.pull_requests(id, which.organization.as_deref(), &reader.branches).await?,
        Err(_) => Vec::new(),
    };
    let found = found.into_iter().map(|shown| of_pull_request(&reader.ado, shown)).collect();
    show(reader, "Pull request", "pull-requests", &id, found).await
}

/// `GET /work-items/{id}`
pub(super) async fn work_item(
    reader: Reader,
    Path(id): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let found = match id.parse() {
        Ok(id) => reader.catalog.work_items(id, which.organization.as_deref(), &reader.branches).await?,
        Err(_) => Vec::new(),
    };
    let found = found.into_iter().map(|item| of_work_item(&reader.ado, item)).collect();
    show(reader, "Work item", "work-items", &id, found).await
}

async fn show(
    reader: Reader,
    kind: &'static str,
    place: &str,
    id: &str,
    mut found: Vec<Thing>,
) -> Result<Response, Problem> {
    let what = format!("{kind} {id}");
    match found.pop() {
        None => missing(&reader, what, HINT).await,
        Some(thing) if found.is_empty() => one(&reader, thing).await,
        Some(last) => {
            let which = found.iter().chain([&last]).map(|thing| {
                let asked = [("organization", Some(thing.organization.as_str()))];
                let href = query(&format!("/{place}/{}", part(&thing.id)), &asked);
                (format!("{} in {}", thing.id, thing.organization), href)
            });
            several(&reader, what, which.collect()).await
        }
    }
}

async fn one(reader: &Reader, thing: Thing) -> Result<Response, Problem> {
    let deployments = chains(reader, &thing).await?;
    let (before, after) = split(&reader.ado, &thing.organization, &thing.links);
    let said = |(label, text): (&'static str, Option<String>)| Some((label, Said { text: text?, href: None }));
    page(&Page {
        frame: Frame::of(reader, "").await?,
        kind: thing.kind,
        title: thing.title.unwrap_or_default(),
        id: thing.id,
        badge: thing.state.as_deref().map(|state| Badge::of(Some(state), None)),
        url: web(thing.url.as_deref()).map(str::to_owned),
        facts_of: thing.rows.into_iter().filter_map(said).collect(),
        before,
        after,
        truncated: thing.truncated,
        deployments,
    })
}

/// The rows that a commit stands in, wherever in them.
async fn chains(reader: &Reader, thing: &Thing) -> Result<Vec<ChainRow>, Problem> {
    if thing.kind != COMMIT {
        return Ok(Vec::new());
    }
    let filter = ChainFilter {
        organization: Some(thing.organization.clone()),
        any_commit: Some(thing.id.clone()),
        ..ChainFilter::default()
    };
    let rows = reader.catalog.chain_rows(&reader.seen_chains().await?, &filter).await?;
    let now = reader.clock.now();
    Ok(rows.iter().map(|row| chain_row(&reader.ado, row, now)).collect())
}

fn time(at: Option<Time>) -> Option<String> {
    at.map(crate::view::moment)
}

fn of_commit(ado: &AdoSite, commit: CommitDetail) -> Thing {
    let url = ado.commit(&commit);
    let push = commit.pushes.first();
    let refs: Vec<_> = commit.pushes.iter().flat_map(|push| &push.refs).map(|name| branch(Some(name))).collect();
    Thing {
        kind: COMMIT,
        rows: vec![
            ("Commit", Some(commit.commit.clone())),
            ("Organization", Some(commit.organization.clone())),
            ("Repository", commit.repository),
            ("Author", commit.author),
            ("Committed", time(commit.committed_at)),
            ("Pushed", time(push.and_then(|push| push.pushed_at))),
            ("Pushed by", push.and_then(|push| push.pushed_by.clone())),
            ("Pushed to", Some(refs.join(", ")).filter(|refs| !refs.is_empty())),
        ],
        id: commit.commit,
        title: commit.message,
        state: None,
        url,
        links: commit.links,
        truncated: commit.links_truncated,
        organization: commit.organization,
    }
}

fn of_pull_request(ado: &AdoSite, shown: PullRequestDetail) -> Thing {
    let url = ado.known_pull_request(&shown);
    let votes: Vec<_> = shown.votes.iter().filter(|vote| vote.vote != 0).map(vote).collect();
    Thing {
        kind: "Pull request",
        id: shown.pull_request_id.to_string(),
        title: shown.title,
        state: shown.status,
        url,
        rows: vec![
            ("Organization", Some(shown.organization.clone())),
            ("Project", shown.project),
            ("Repository", shown.repository),
            ("Source", shown.source.map(|name| branch(Some(&name)))),
            ("Target", shown.target.map(|name| branch(Some(&name)))),
            ("Created by", shown.created_by),
            ("Created", time(shown.created_at)),
            ("Approved", time(shown.first_approved_at)),
            ("Closed", time(shown.closed_at)),
            ("Merge commit", shown.merge_commit),
            ("Votes", Some(votes.join(", ")).filter(|votes| !votes.is_empty())),
        ],
        links: shown.links,
        truncated: shown.links_truncated,
        organization: shown.organization,
    }
}

fn vote(vote: &Vote) -> String {
    let word = match vote.vote {
        10.. => "approved",
        1..=9 => "approved with suggestions",
        0 => "no vote",
        -9..=-1 => "waits for the author",
        _ => "rejected",
    };
    format!("{}: {word}", vote.name.as_deref().unwrap_or("?"))
}

fn of_work_item(ado: &AdoSite, item: WorkItemDetail) -> Thing {
    let url = ado.known_work_item(&item);
    let kind = item.kind.map(|kind| format!("{kind}: ")).unwrap_or_default();
    Thing {
        kind: "Work item",
        id: item.work_item_id.to_string(),
        title: item.title.map(|title| format!("{kind}{title}")),
        state: item.state,
        url,
        rows: vec![
            ("Organization", Some(item.organization.clone())),
            ("Project", item.project),
            ("Reason", item.reason),
            ("Assigned to", item.assigned_to),
            ("Area", item.area),
            ("Iteration", item.iteration),
            ("Parent", item.parent.map(|parent| parent.to_string())),
            ("Created", time(item.created_at)),
        ],
        links: item.links,
        truncated: item.links_truncated,
        organization: item.organization,
    }
}
