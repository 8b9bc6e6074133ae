//! Builds and timelines.

use std::collections::{BTreeMap, BTreeSet};

use pipetrail::domain::Time;
use serde_json::{Value, json};

use super::{Reply, Request, State};

/// What the service keeps of a build; answers are written from it.
#[derive(Debug, Clone)]
pub(crate) struct Build {
    pub(crate) id: u64,
    pub(crate) number: String,
    /// The project's id.
    pub(crate) project: String,
    pub(crate) definition: (u64, String),
    pub(crate) status: String,
    pub(crate) result: Option<String>,
    pub(crate) queued: Time,
    pub(crate) started: Option<Time>,
    pub(crate) finished: Option<Time>,
    pub(crate) changed: Time,
    pub(crate) branch: String,
    pub(crate) commit: String,
    pub(crate) repository: String,
    pub(crate) reason: String,
    pub(crate) person: String,
    /// Fields of the answer that are other than usual, such as `triggerInfo`.
    pub(crate) extra: Value,
}

/// A build's timeline. A build without one never started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timeline {
    pub(crate) records: Vec<Value>,
    /// Those of attempts before, by their id.
    pub(crate) before: BTreeMap<String, Vec<Value>>,
}

impl State {
    pub(crate) fn put(&mut self, build: Build) {
        self.by_finish.extend(build.finished.filter(|_| build.status == "completed").map(|at| (at, build.id)));
        if let Some(old) = self.builds.insert(build.id, build) {
            let now = self.builds[&old.id].finished;
            self.by_finish.retain(|(at, id)| *id != old.id || Some(*at) == now);
        }
    }

    /// As retention does it.
    pub(crate) fn delete(&mut self, id: u64) {
        self.builds.remove(&id);
        self.by_finish.retain(|(_, known)| *known != id);
        self.timelines.remove(&id);
    }
}

pub(super) fn answer(state: &mut State, request: &Request, project: Option<&str>) -> Reply {
    let parts = request.parts();
    let build = |id: &str| id.parse().ok().and_then(|id: u64| state.builds.get(&id));
    match parts.as_slice() {
        ["build", "builds"] if request.query("queryOrder") == Some("finishTimeDescending") => {
            last(state, request, project)
        }
        ["build", "builds"] => list(state, request, project),
        ["build", "definitions", id] => definition(state, project, id),
        ["build", "builds", id] => match build(id) {
            Some(build) => Reply::json(&json(state, build)),
            None => missing(id),
        },
        ["build", "builds", id, "changes"] => match build(id) {
            Some(build) => super::code::changes(state, request, build.id),
            None => missing(id),
        },
        ["build", "changes"] => between(state, request),
        ["build", "builds", id, "timeline", rest @ ..] => match build(id) {
            Some(build) => timeline(state.timelines.get(&build.id), rest.first().copied()),
            None => missing(id),
        },
        _ => Reply::refusal(404, "The controller for that path was not found."),
    }
}

/// A preview: who does not say so is refused. Without pages, and without a word where there are more.
fn between(state: &State, request: &Request) -> Reply {
    if !request.query("api-version").is_some_and(|version| version.ends_with("-preview.2")) {
        return Reply::refusal(
            400,
            "The resource is under preview. The -preview flag must be supplied in the api-version.",
        );
    }
    let id = |name| request.query(name).and_then(|id| id.parse::<u64>().ok());
    let build = |name| id(name).and_then(|id| state.builds.get(&id));
    let (Some(from), Some(to)) = (build("fromBuildId"), build("toBuildId")) else { return missing("between") };
    let same = |other: &&Build| (&other.definition, &other.branch) == (&to.definition, &to.branch);
    let since = state.builds.range(from.id + 1..=to.id).map(|(_, build)| build).filter(same);
    let changes = since.filter_map(|build| state.code.changes.get(&build.id)).flatten();
    let value: Vec<_> = changes.take(200).collect();
    Reply::json(&json!({"count": value.len(), "value": value}))
}

/// Only ever asked for the one that finished last.
fn last(state: &State, request: &Request, project: Option<&str>) -> Reply {
    let until = request.query("maxTime").map_or(Time::from_ticks(i64::MAX), |at| Time::parse(at).unwrap().unwrap());
    let of = |(_, id): &&(Time, u64)| project.is_none_or(|project| state.builds[id].project == project);
    let found = state.by_finish.range(..=(until, u64::MAX)).rev().find(of);
    let value: Vec<_> = found.map(|(_, id)| json(state, &state.builds[id])).into_iter().collect();
    Reply::json(&json!({"count": value.len(), "value": value}))
}

fn definition(state: &State, project: Option<&str>, id: &str) -> Reply {
    let of =
        |build: &&Build| build.definition.0.to_string() == id && project.is_none_or(|project| build.project == project);
    match state.builds.values().find(of) {
        Some(build) => Reply::json(&json!({"id": build.definition.0, "name": build.definition.1, "path": "\\"})),
        None => Reply::refusal(404, &format!("The requested definition {id} could not be found.")),
    }
}

fn missing(id: &str) -> Reply {
    Reply::refusal(404, &format!("The requested build {id} could not be found."))
}

fn timeline(timeline: Option<&Timeline>, before: Option<&str>) -> Reply {
    let records = match (timeline, before) {
        (None, _) => return Reply::empty(204),
        (Some(timeline), None) => Some(&timeline.records),
        (Some(timeline), Some(id)) => timeline.before.get(id),
    };
    match records {
        None => Reply::empty(204),
        Some(records) => Reply::json(&json!({
            "records": records,
            "lastChangedBy": "00000002-0000-8888-8000-000000000000",
            "lastChangedOn": "2026-03-02T00:00:00.000Z",
            "id": before.unwrap_or("96ac2280-8cb4-5df5-99de-dd2da759617d"),
            "changeId": 18,
            "url": "https://dev.azure.com/fabrikam/_apis/build/builds/1/Timeline/96ac2280",
        })),
    }
}

/// The orders that are asked for. The token is the time at which the next page begins.
fn list(state: &mut State, request: &Request, project: Option<&str>) -> Reply {
    let by_finish = match request.query("queryOrder") {
        Some("finishTimeAscending") => true,
        Some("queueTimeAscending") => false,
        other => return Reply::refusal(400, &format!("the fake knows no order {other:?}")),
    };
    let time = |name: &str| request.query(name).map(|text| Time::parse(text).unwrap().unwrap());
    let wrong = state.circular.is_some() || state.endless;
    let token = if wrong { None } else { time("continuationToken") };
    let from = token.or_else(|| time("minTime")).unwrap_or(Time::UNKNOWN);
    let until = time("maxTime").unwrap_or(Time::from_ticks(i64::MAX));
    let words =
        |name: &str| request.query(name).map(|text| text.split(',').map(str::to_owned).collect::<BTreeSet<_>>());
    let (statuses, definitions) = (words("statusFilter"), words("definitions"));
    let wanted = |build: &&Build| {
        project.is_none_or(|project| project == build.project)
            && statuses.as_ref().is_none_or(|statuses| statuses.contains(&build.status))
            && definitions.as_ref().is_none_or(|ids| ids.contains(&build.definition.0.to_string()))
    };
    let page = request.query("$top").and_then(|top| top.parse().ok()).unwrap_or(1_000).min(state.page);
    let found: Vec<(Time, &Build)> = if by_finish {
        let range = state.by_finish.range((from, 0)..=(until, u64::MAX));
        range.map(|(at, id)| (*at, &state.builds[id])).filter(|(_, build)| wanted(build)).take(page + 1).collect()
    } else {
        let mut all: Vec<_> = state.builds.values().filter(wanted).map(|build| (build.queued, build)).collect();
        all.retain(|(at, _)| (from..=until).contains(at));
        all.sort_by_key(|(at, build)| (*at, build.id));
        all.truncate(page + 1);
        all
    };
    let token = found.get(page).map(|(at, _)| at.to_string());
    let value: Vec<_> = found.iter().take(page).map(|(_, build)| json(state, build)).collect();
    let reply = Reply::json(&json!({"count": value.len(), "value": value}));
    let token = state.wrong_token().or(token);
    token.into_iter().fold(reply, |reply, token| reply.with("x-ms-continuationtoken", token))
}

/// In the shape of a real answer.
#[expect(clippy::too_many_lines, reason = "it holds the whole shape")]
fn json(state: &State, build: &Build) -> Value {
    let (organization, project, id) = (&state.organization, &build.project, build.id);
    let base = format!("https://dev.azure.com/{organization}/{project}");
    let name = state.projects.iter().find(|known| known.id == *project).map(|known| known.name.clone());
    let project = json!({
        "id": project,
        "name": name,
        "url": format!("https://dev.azure.com/{organization}/_apis/projects/{project}"),
        "state": "wellFormed",
        "revision": 11,
        "visibility": "private",
        "lastUpdateTime": "2023-01-26T19:38:04.267Z",
    });
    let person = json!({
        "displayName": build.person,
        "url": "https://spsprodcus5.vssps.visualstudio.com/A1def512a/_apis/Identities/bc538feb-9fdd-6cf8-80e1-7c56950d0289",
        "id": "bc538feb-9fdd-6cf8-80e1-7c56950d0289",
        "uniqueName": "dev@fabrikam.example",
        "descriptor": "aad.YmM1MzhmZWItOWZkZC03Y2Y4",
    });
    let mut value = json!({
        "_links": {
            "self": {"href": format!("{base}/_apis/build/Builds/{id}")},
            "web": {"href": format!("{base}/_build/results?buildId={id}")},
            "timeline": {"href": format!("{base}/_apis/build/builds/{id}/Timeline")},
        },
        "properties": {},
        "tags": [],
        "validationResults": [],
        "plans": [{"planId": "c672e778-a9e9-444a-b1e0-92f839c061e0"}],
        "triggerInfo": {},
        "id": id,
        "buildNumber": build.number,
        "status": build.status,
        "queueTime": build.queued.to_string(),
        "url": format!("{base}/_apis/build/Builds/{id}"),
        "definition": {
            "drafts": [],
            "id": build.definition.0,
            "name": build.definition.1,
            "url": format!("{base}/_apis/build/Definitions/{}?revision=1", build.definition.0),
            "uri": format!("vstfs:///Build/Definition/{}", build.definition.0),
            "path": "\\",
            "type": "build",
            "queueStatus": "enabled",
            "revision": 1,
            "project": project,
        },
        "project": project,
        "uri": format!("vstfs:///Build/Build/{id}"),
        "sourceBranch": build.branch,
        "sourceVersion": build.commit,
        "queue": {"id": 9, "name": "Azure Pipelines", "pool": {"id": 9, "name": "Azure Pipelines", "isHosted": true}},
        "priority": "normal",
        "reason": build.reason,
        "requestedFor": person,
        "requestedBy": person,
        "lastChangedDate": build.changed.to_string(),
        "orchestrationPlan": {"planId": "c672e778-a9e9-444a-b1e0-92f839c061e0"},
        "repository": {"id": "40a2c1b2", "type": "TfsGit", "name": build.repository, "clean": null, "checkoutSubmodules": false},
        "retainedByRelease": false,
        "triggeredByBuild": null,
        "appendCommitMessageToRunName": true,
    });
    let optional = [
        ("result", build.result.clone()),
        ("startTime", build.started.map(|at| at.to_string())),
        ("finishTime", build.finished.map(|at| at.to_string())),
    ];
    for (name, text) in optional {
        text.into_iter().for_each(|text| value[name] = text.into());
    }
    for (name, extra) in build.extra.as_object().into_iter().flatten() {
        value[name] = extra.clone();
    }
    value
}
