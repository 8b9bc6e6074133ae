//! What the service knows after the runs of a history: made from the hook events of those runs, by other means than
//! ours, so that what is shown of one can be compared with what is shown of the other.

use std::collections::BTreeMap;

use pipetrail::domain::Time;
use serde_json::{Value, json};

use super::{Build, Project, State, Timeline};

/// The projects of our histories.
pub(crate) const PROJECTS: [&str; 2] = ["Spartan", "Platform"];

#[derive(Default)]
struct Run {
    id: u64,
    number: String,
    project: String,
    definition: (u64, String),
    queued: Option<Time>,
    branch: String,
    commit: String,
    reason: String,
    person: String,
    state: String,
    result: Option<String>,
    finished: Option<Time>,
    built: Option<(String, Time)>,
    stages: BTreeMap<(String, u32), Stage>,
}

#[derive(Default, Clone)]
struct Stage {
    state: String,
    result: Option<String>,
    started: Option<Time>,
    finished: Option<Time>,
    /// Since when it waits for an approval.
    asked: Option<Time>,
}

fn text(value: &Value, path: &str) -> String {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn when(value: &Value, path: &str) -> Option<Time> {
    Time::parse(value.pointer(path)?.as_str()?).unwrap()
}

fn number(value: &Value, path: &str) -> u64 {
    let found = value.pointer(path).unwrap();
    found.as_u64().unwrap_or_else(|| found.as_str().unwrap().parse().unwrap())
}

/// Tells the service of the runs that these events are about.
pub(crate) fn tell(state: &mut State, bodies: &[Vec<u8>]) {
    let mut runs: BTreeMap<u64, Run> = BTreeMap::new();
    for body in bodies {
        let event: Value = serde_json::from_slice(body).unwrap();
        let kind = text(&event, "/eventType");
        let id = if kind == "build.complete" { "/resource/id" } else { "/resource/run/id" };
        let run = runs.entry(number(&event, id)).or_default();
        run.id = number(&event, id);
        match kind.as_str() {
            "build.complete" => run.completed(&event["resource"]),
            "ms.vss-pipelines.run-state-changed-event" => run.changed(&event["resource"]),
            "ms.vss-pipelines.stage-state-changed-event" => run.stage(&event["resource"]["stage"]),
            "ms.vss-pipelinechecks-events.approval-pending" => run.asked(&event["resource"]),
            _ => {}
        }
    }
    for (index, name) in PROJECTS.iter().enumerate() {
        let of = |run: &&Run| (run.definition.0 >= 20) == (index == 1);
        if let Some(run) = runs.values().find(of) {
            let project = Project { id: run.project.clone(), name: (*name).to_owned() };
            state.projects.retain(|known| known.name != *name);
            state.projects.push(project);
        }
    }
    // Of a run that was just queued the first event may be still to come.
    for run in runs.into_values().filter(|run| run.queued.is_some()) {
        state.timelines.insert(run.id, run.timeline());
        state.put(run.build());
    }
}

impl Run {
    fn completed(&mut self, build: &Value) {
        self.reason = text(build, "/reason");
        self.built = Some((text(build, "/result"), when(build, "/finishTime").unwrap()));
    }

    fn changed(&mut self, resource: &Value) {
        self.number = text(resource, "/run/name");
        self.project = text(resource, "/projectId");
        self.definition = (number(resource, "/pipeline/id"), text(resource, "/pipeline/name"));
        self.queued = when(resource, "/run/createdDate");
        self.branch = text(resource, "/run/resources/repositories/self/refName");
        self.commit = text(resource, "/run/resources/repositories/self/version");
        self.person = text(resource, "/requestedFor/displayName");
        self.state = text(resource, "/run/state");
        self.finished = when(resource, "/run/finishedDate");
        self.result = Some(text(resource, "/run/result")).filter(|word| !word.is_empty());
        resource["stages"].as_array().unwrap().iter().for_each(|stage| self.stage(stage));
    }

    /// Events of one moment come in any order, and a stage never goes back.
    fn stage(&mut self, said: &Value) {
        let progress =
            |state: &str| ["notStarted", "waiting", "running", "completed"].iter().position(|word| *word == state);
        let attempt = u32::try_from(number(said, "/attempt")).unwrap();
        let stage = self.stages.entry((text(said, "/name"), attempt)).or_default();
        let state = text(said, "/state");
        if progress(&state) >= progress(&stage.state) {
            stage.state = state;
            stage.result = Some(text(said, "/result")).filter(|word| !word.is_empty());
        }
        stage.started = stage.started.or_else(|| when(said, "/startTime"));
        stage.finished = stage.finished.or_else(|| when(said, "/finishTime"));
    }

    fn asked(&mut self, resource: &Value) {
        let attempt = u32::try_from(number(resource, "/attemptId")).unwrap();
        let stage = self.stages.entry((text(resource, "/stageName"), attempt)).or_default();
        stage.asked = when(resource, "/approval/createdOn");
    }

    fn build(self) -> Build {
        let times = || self.stages.values().flat_map(|stage| [stage.started, stage.finished, stage.asked]).flatten();
        let started = self.stages.values().filter_map(|stage| stage.started).min();
        let open = self.state != "completed";
        let finished = self.finished.filter(|_| !open);
        let told = self.built.filter(|(_, at)| Some(*at) == finished).map(|(result, _)| result);
        let queued = self.queued.unwrap();
        let after = std::time::Duration::from_millis(200);
        Build {
            id: self.id,
            number: self.number,
            project: self.project,
            definition: self.definition,
            status: if self.state == "canceling" { "cancelling".to_owned() } else { self.state },
            result: told.or(self.result).filter(|_| !open),
            queued,
            started,
            finished,
            changed: finished.or_else(|| times().max()).unwrap_or(queued).plus(after),
            branch: self.branch,
            commit: self.commit,
            repository: "spartan-app".to_owned(),
            reason: if self.reason.is_empty() { "manual".to_owned() } else { self.reason },
            person: self.person,
            extra: Value::Null,
        }
    }

    /// The latest attempt of each stage; those before it have timelines of their own.
    fn timeline(&self) -> Timeline {
        let mut timeline = Timeline::default();
        for ((name, attempt), stage) in &self.stages {
            let is_last = !self.stages.contains_key(&(name.clone(), attempt + 1));
            let before: Vec<_> = (1..*attempt).map(|before| (before, timeline_id(name, before))).collect();
            let records = records(self.id, (name, *attempt), stage, &before);
            if is_last {
                timeline.records.extend(records);
            } else {
                timeline.before.entry(timeline_id(name, *attempt)).or_default().extend(records);
            }
        }
        timeline
    }
}

fn timeline_id(stage: &str, attempt: u32) -> String {
    format!(
        "{:08x}-0000-0000-0000-{attempt:012}",
        stage.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31) ^ u32::from(byte))
    )
}

/// The records of one attempt: the stage, what it waits for, its phase, job and task.
#[expect(clippy::too_many_lines, reason = "it holds the whole shape")]
fn records(run: u64, (name, attempt): (&str, u32), stage: &Stage, before: &[(u32, String)]) -> Vec<Value> {
    let id = |part: &str| format!("{name}-{attempt}-{part}");
    let (state, result) = (timeline_state(&stage.state), stage.result.as_deref().map(timeline_result));
    let previous: Vec<_> = before
        .iter()
        .map(|(attempt, timeline)| json!({"attempt": attempt, "timelineId": timeline, "recordId": format!("{name}-{attempt}-stage")}))
        .collect();
    let record = |part: &str, parent: Option<&str>, kind: &str, (label, identifier): (&str, String)| {
        json!({
            "previousAttempts": [],
            "id": id(part),
            "parentId": parent.map(id),
            "type": kind,
            "name": label,
            "startTime": stage.started.map(|at| at.to_string()),
            "finishTime": stage.finished.map(|at| at.to_string()),
            "currentOperation": null,
            "percentComplete": null,
            "state": state,
            "result": result,
            "resultCode": null,
            "changeId": 18,
            "lastModified": "0001-01-01T00:00:00",
            "workerName": null,
            "order": 1,
            "details": null,
            "errorCount": 0,
            "warningCount": 0,
            "url": null,
            "log": null,
            "task": null,
            "attempt": attempt,
            "identifier": identifier,
        })
    };
    let mut all = vec![record("stage", None, "Stage", (&format!("The stage {name}"), name.to_owned()))];
    all[0]["previousAttempts"] = previous.into();
    if let Some(asked) = stage.asked {
        let mut checkpoint = record("checkpoint", Some("stage"), "Checkpoint", ("Checkpoint", "Checkpoint".to_owned()));
        checkpoint["startTime"] = asked.to_string().into();
        checkpoint["finishTime"] = stage.started.map(|at| at.to_string()).into();
        checkpoint["state"] = if stage.state == "waiting" { "inProgress" } else { "completed" }.into();
        all.push(checkpoint);
    }
    if stage.started.is_some() {
        all.push(record("phase", Some("stage"), "Phase", ("Job", format!("{name}.__default"))));
        all.push(record("job", Some("phase"), "Job", ("Job", format!("{name}.__default.__default"))));
        let mut task = record("task", Some("job"), "Task", ("Run the tests", String::new()));
        task["log"] = json!({
            "id": 12,
            "type": "Container",
            "url": format!("https://dev.azure.com/fabrikam/x/_apis/build/builds/{run}/logs/12"),
        });
        if stage.result.as_deref() == Some("failed") {
            task["errorCount"] = 1.into();
            task["issues"] = json!([
                {"type": "warning", "category": "General", "message": "something is old"},
                {"type": "error", "category": "General", "message": format!("Test {run} failed in /home/vsts/work/1/s/{name}: exit code 1\nmore")},
            ]);
        }
        all.push(task);
    }
    all
}

fn timeline_state(state: &str) -> &str {
    match state {
        "notStarted" | "waiting" => "pending",
        "running" => "inProgress",
        other => other,
    }
}

fn timeline_result(result: &str) -> &str {
    match result {
        "partiallySucceeded" => "succeededWithIssues",
        "rejected" => "failed",
        other => other,
    }
}
