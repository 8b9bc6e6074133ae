//! Repositories, pushes, pull requests, the commits of builds, and work items.

use std::collections::{BTreeMap, BTreeSet};

use pipetrail::domain::Time;
use serde_json::{Value, json};

use super::{Reply, Request, State};

/// The service's part of state that is about code and boards.
#[derive(Default)]
pub(crate) struct Code {
    pub(crate) repositories: Vec<Repository>,
    pub(crate) pushes: Vec<Push>,
    pub(crate) pull_requests: Vec<PullRequest>,
    /// The commits of builds.
    pub(crate) changes: BTreeMap<u64, Vec<Value>>,
    pub(crate) work_items: BTreeMap<u64, WorkItem>,
    /// Of each repository by its id, tags with the commits that they point at.
    pub(crate) tags: Vec<(String, &'static str, String)>,
    /// By commit.
    pub(crate) statuses: BTreeMap<String, Vec<Value>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Repository {
    /// The project's id.
    pub(crate) project: String,
    pub(crate) id: String,
    pub(crate) name: String,
    /// Switched off: then nobody may look into it.
    pub(crate) is_disabled: bool,
}

/// In the service's shape, with its commits.
#[derive(Debug, Clone)]
pub(crate) struct Push {
    pub(crate) repository: String,
    pub(crate) at: Time,
    pub(crate) value: Value,
}

#[derive(Debug, Clone)]
pub(crate) struct PullRequest {
    pub(crate) project: String,
    pub(crate) closed: Option<Time>,
    pub(crate) value: Value,
}

/// A work item by its revisions, each with when it was made.
#[derive(Debug, Clone)]
pub(crate) struct WorkItem {
    pub(crate) project: String,
    pub(crate) revisions: Vec<(Time, Value)>,
    pub(crate) relations: Vec<Value>,
}

impl Push {
    fn branches(&self) -> impl Iterator<Item = &str> {
        let updates = self.value["refUpdates"].as_array().into_iter().flatten();
        updates.filter_map(|update| update["name"].as_str())
    }
}

impl Repository {
    pub(crate) fn json(&self, organization: &str) -> Value {
        let (id, name, project) = (&self.id, &self.name, &self.project);
        let base = format!("https://dev.azure.com/{organization}/{project}");
        json!({
            "id": id,
            "name": name,
            "url": format!("{base}/_apis/git/repositories/{id}"),
            "project": {"id": project, "state": "wellFormed", "visibility": "private"},
            "remoteUrl": format!("https://{organization}@dev.azure.com/{organization}/{project}/_git/{name}"),
            "isDisabled": self.is_disabled,
        })
    }
}

pub(super) fn git(state: &mut State, request: &Request, project: Option<&str>) -> Reply {
    match request.parts().as_slice() {
        ["git", "repositories"] => {
            let of = |known: &&Repository| project.is_none_or(|project| known.project == project);
            let all: Vec<_> =
                state.code.repositories.iter().filter(of).map(|known| known.json(&state.organization)).collect();
            Reply::json(&json!({"count": all.len(), "value": all}))
        }
        ["git", "repositories", id, "pushes", rest @ ..] => {
            match state.code.repositories.iter().find(|known| known.id == *id) {
                Some(known) if !known.is_disabled => pushes(state, request, id, rest.first().copied()),
                Some(_) | None => Reply::refusal(
                    404,
                    &format!(
                        "TF401019: The Git repository with name or identifier {id} does not exist or you do not have permissions for the operation you are attempting."
                    ),
                ),
            }
        }
        ["git", "repositories", id, "refs"] => {
            let of = |(repository, ..): &&(String, &str, String)| repository == id;
            let tags: Vec<_> = state.code.tags.iter().filter(of).map(|(_, name, commit)| {
                json!({"name": format!("refs/tags/{name}"), "objectId": "7".repeat(40), "peeledObjectId": commit})
            }).collect();
            let asked = request.query("filter").unwrap_or_default();
            let wanted = |one: &&Value| one["name"].as_str().unwrap().starts_with(&format!("refs/{asked}"));
            let pushed = state.code.pushes.iter().filter(|push| push.repository == *id).flat_map(Push::branches);
            let branches: BTreeSet<&str> = pushed.collect();
            let all = branches.into_iter().map(|name| json!({"name": name})).chain(tags);
            Reply::json(&json!({"value": all.collect::<Vec<_>>().iter().filter(wanted).collect::<Vec<_>>()}))
        }
        ["git", "repositories", id, "commits"] => {
            let branch = request.query("searchCriteria.itemVersion.version").unwrap_or("main");
            let branch = format!("refs/heads/{branch}");
            let is_on = |push: &&Push| push.branches().any(|name| name == branch);
            let of = state.code.pushes.iter().filter(|push| push.repository == *id).filter(is_on);
            let commits: Vec<_> = of.flat_map(|push| push.value["commits"].as_array().unwrap()).collect();
            Reply::json(&json!({"value": commits}))
        }
        ["git", "repositories", _, "commits", commit, "statuses"] => {
            Reply::json(&json!({"value": state.code.statuses.get(*commit).cloned().unwrap_or_default()}))
        }
        ["git", "pullrequests"] => pull_requests(state, request, project),
        _ => Reply::refusal(404, "The controller for that path was not found."),
    }
}

fn time(request: &Request, name: &str) -> Option<Time> {
    request.query(name).map(|text| Time::parse(text).unwrap().unwrap())
}

fn between(request: &Request, from: &str, to: &str) -> impl Fn(Time) -> bool {
    let (from, to) = (time(request, from).unwrap_or(Time::UNKNOWN), time(request, to));
    move |at| at >= from && to.is_none_or(|to| at <= to)
}

/// By offset, as lists of code go.
fn page(state: &State, request: &Request, all: &[Value]) -> Reply {
    let number = |name: &str, default| request.query(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (skip, top) = (number("$skip", 0), number("$top", 100).min(state.page));
    let skip = if state.endless { 0 } else { skip };
    let value: Vec<_> = all.iter().skip(skip).take(top).collect();
    Reply::json(&json!({"count": value.len(), "value": value}))
}

fn pushes(state: &State, request: &Request, repository: &str, number: Option<&str>) -> Reply {
    let of: Vec<&Push> = state.code.pushes.iter().filter(|push| push.repository == repository).collect();
    if let Some(number) = number {
        let asked: u64 = number.parse().unwrap();
        return match of.iter().find(|push| push.value["pushId"] == asked) {
            Some(push) => Reply::json(&push.value),
            None => Reply::refusal(404, &format!("TF401175: The push {number} does not exist.")),
        };
    }
    let wanted = between(request, "searchCriteria.fromDate", "searchCriteria.toDate");
    let mut of: Vec<&Push> = of.into_iter().filter(|push| wanted(push.at)).collect();
    of.sort_by_key(|push| std::cmp::Reverse(push.at));
    let bare = |push: &&Push| {
        let mut value = push.value.clone();
        value.as_object_mut().unwrap().remove("commits");
        value
    };
    page(state, request, &of.iter().map(bare).collect::<Vec<_>>())
}

fn pull_requests(state: &State, request: &Request, project: Option<&str>) -> Reply {
    let status = request.query("searchCriteria.status").unwrap_or("active");
    let by_close = request.query("searchCriteria.queryTimeRangeType") == Some("closed");
    let wanted = between(request, "searchCriteria.minTime", "searchCriteria.maxTime");
    let of = |known: &&PullRequest| {
        project.is_none_or(|project| known.project == project)
            && (status == "all" || known.value["status"] == status)
            && (!by_close || known.closed.is_some_and(&wanted))
    };
    let mut all: Vec<Value> = state.code.pull_requests.iter().filter(of).map(|known| known.value.clone()).collect();
    all.sort_by_key(|value| std::cmp::Reverse(value["pullRequestId"].as_u64()));
    page(state, request, &all)
}

/// The commits of a build: the token is where the next page begins.
pub(super) fn changes(state: &State, request: &Request, build: u64) -> Reply {
    let all = state.code.changes.get(&build).cloned().unwrap_or_default();
    let from: usize = request.query("continuationToken").and_then(|token| token.parse().ok()).unwrap_or(0);
    let top = request.query("$top").and_then(|top| top.parse().ok()).unwrap_or(50).min(state.page).min(200);
    let value: Vec<_> = all.iter().skip(from).take(top).collect();
    let reply = Reply::json(&json!({"count": value.len(), "value": value}));
    if from + top < all.len() { reply.with("x-ms-continuationtoken", (from + top).to_string()) } else { reply }
}

pub(super) fn wit(state: &State, request: &Request, project: Option<&str>) -> Reply {
    match request.parts().as_slice() {
        ["wit", "reporting", "workitemrevisions"] => revisions(state, request, project),
        ["wit", "workitems"] => work_items(state, request),
        _ => Reply::refusal(404, "The controller for that path was not found."),
    }
}

/// In the order in which they were made, whichever item they are of.
fn revisions(state: &State, request: &Request, project: Option<&str>) -> Reply {
    let items = state.code.work_items.iter().filter(|(_, item)| project.is_none_or(|project| item.project == project));
    let mut all: Vec<_> =
        items.flat_map(|(id, item)| item.revisions.iter().map(move |(at, value)| (*at, *id, value))).collect();
    all.sort_by_key(|(at, id, value)| (*at, *id, value["rev"].as_u64()));
    let from: usize = match (request.query("continuationToken"), time(request, "startDateTime")) {
        (Some(token), _) => token.parse().unwrap_or(0),
        (None, Some(since)) => all.iter().filter(|(at, ..)| *at < since).count(),
        (None, None) => 0,
    };
    let next = (from + state.page).min(all.len());
    let values: Vec<_> = all[from.min(next)..next].iter().map(|(_, _, value)| value).collect();
    let token = if state.endless { "again".to_owned() } else { next.to_string() };
    let is_last = next == all.len() && !state.endless;
    Reply::json(&json!({"values": values, "nextLink": "x", "continuationToken": token, "isLastBatch": is_last}))
}

/// What is gone is null, as `errorPolicy=omit` has it.
fn work_items(state: &State, request: &Request) -> Reply {
    let ids: Vec<u64> = request.query("ids").unwrap().split(',').map(|id| id.parse().unwrap()).collect();
    if ids.len() > 200 {
        return Reply::refusal(400, "VS402347: The request has more than 200 work items.");
    }
    let organization = &state.organization;
    let item = |id: &u64| {
        let item = state.code.work_items.get(id)?;
        let mut value = item.revisions.last()?.1.clone();
        value["relations"] = item.relations.clone().into();
        value["url"] = format!("https://dev.azure.com/{organization}/_apis/wit/workItems/{id}").into();
        Some(value)
    };
    let value: Vec<_> = ids.iter().map(item).collect();
    Reply::json(&json!({"count": value.len(), "value": value}))
}
