//! The JSON of an event, in the shapes of today.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::json;
use serde_json::value::RawValue;

use super::cast::{Cast, PEOPLE, PIPELINES, PipelineParts, REPOSITORIES, TOPICS};
use super::script::{Approval, Moment, Run, Stage};
use crate::domain::{ApprovalStatus, Outcome, State, Time};

/// Written as `8-4-4-4-12` hexadecimal digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guid(pub(super) u128);

impl Guid {
    /// The same for the same text (FNV-1a).
    pub(super) fn of(text: &str) -> Self {
        let prime = 0x0000_0000_0100_0000_0000_0000_0000_013B;
        let basis = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        Self(text.bytes().fold(basis, |hash: u128, byte| (hash ^ u128::from(byte)).wrapping_mul(prime)))
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |shift: u32, bits: u32| (self.0 >> shift) & ((1 << bits) - 1);
        let (a, b, c, d, e) = (part(96, 32), part(80, 16), part(64, 16), part(48, 16), part(0, 48));
        write!(f, "{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
    }
}

impl Serialize for Guid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A time as the service writes it.
#[derive(Clone, Copy)]
struct Stamp(Time);

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[expect(clippy::expect_used, reason = "serializing JSON values into memory cannot fail")]
pub(super) fn raw(value: &serde_json::Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("a value is JSON")
}

/// The same for the same commit.
fn message_of(commit: &str) -> String {
    let topic = commit.bytes().map(usize::from).sum::<usize>() % TOPICS.len();
    format!("Work on {}", TOPICS.get(topic).copied().unwrap_or_default().replace('-', " "))
}

/// The parts of a run's bodies that stay the same.
pub(super) struct RunParts {
    pub(super) web: String,
    pub(super) links: Box<RawValue>,
    pub(super) resources: Box<RawValue>,
    pub(super) repositories: Box<RawValue>,
}

pub(super) fn run_parts(
    cast: &Cast,
    (id, index): (u64, usize),
    (branch, commit): (&str, &str),
    (queued, person): (Time, usize),
) -> RunParts {
    let pipeline = PIPELINES.get(index);
    let number = pipeline.map_or(0, |pipeline| pipeline.id);
    let repository = pipeline.and_then(|pipeline| REPOSITORIES.get(pipeline.repository)).copied().unwrap_or_default();
    let project = cast.pipelines.get(index).map_or(Guid(0), |parts| parts.project_id);
    let base = format!("{}/{project}", cast.base);
    let web = format!("{base}/_build/results?buildId={id}");
    let name = PEOPLE.get(person).copied().unwrap_or_default();
    let author = json!({
        "name": name,
        "email": format!("{}@spartan.example", name.to_lowercase().replace(' ', ".")),
        "date": queued.to_string(),
    });
    RunParts {
        links: raw(&json!({
            "self": {"href": format!("{base}/_apis/pipelines/{number}/runs/{id}")},
            "web": {"href": web},
            "pipeline.web": {"href": format!("{base}/_build/definition?definitionId={number}")},
            "pipeline": {"href": format!("{base}/_apis/pipelines/{number}?revision=3")},
        })),
        resources: raw(&json!({"repositories": {"self": {
            "repository": {"id": Guid::of(repository), "type": "azureReposGit"},
            "refName": branch,
            "version": commit,
        }}})),
        repositories: raw(&json!([{
            "type": "Git",
            "change": {"author": author, "committer": author, "message": message_of(commit), "version": commit},
            "url": format!("{base}/_git/{repository}"),
        }])),
        web,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a, R> {
    subscription_id: Guid,
    notification_id: u64,
    id: Guid,
    event_type: &'static str,
    publisher_id: &'static str,
    message: Message<'a>,
    /// Not sent, as the subscription says: a queue holds no more than 64 KiB a message.
    detailed_message: (),
    resource: R,
    resource_version: &'static str,
    resource_containers: &'a RawValue,
    created_date: Stamp,
}

#[derive(Serialize)]
struct Message<'a> {
    text: &'a str,
    html: &'a str,
    markdown: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunJson<'a> {
    #[serde(rename = "_links", skip_serializing_if = "Option::is_none")]
    links: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template_parameters: Option<Empty>,
    pipeline: &'a RawValue,
    state: &'a State,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Outcome>,
    created_date: Stamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_date: Option<Stamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<&'a RawValue>,
    id: u64,
    name: &'a str,
}

#[derive(Serialize)]
struct WebLink<'a> {
    web: Href<'a>,
}

#[derive(Serialize)]
struct Href<'a> {
    href: &'a str,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StageJson<'a> {
    #[serde(rename = "_links", skip_serializing_if = "Option::is_none")]
    links: Option<WebLink<'a>>,
    id: Guid,
    name: &'a str,
    display_name: &'a str,
    attempt: u32,
    state: &'a State,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Outcome>,
    start_time: Option<Stamp>,
    finish_time: Option<Stamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunResource<'a> {
    run: RunJson<'a>,
    pipeline: &'a RawValue,
    project_id: Guid,
    stages: Vec<StageJson<'a>>,
    requested_by: &'a RawValue,
    requested_for: &'a RawValue,
    queue: &'a RawValue,
    run_id: u64,
    run_url: &'a str,
    repositories: &'a RawValue,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StageResource<'a> {
    stage: StageJson<'a>,
    run: RunJson<'a>,
    pipeline: &'a RawValue,
    project_id: Guid,
    run_id: u64,
    stage_name: &'a str,
    run_url: &'a str,
    repositories: &'a RawValue,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BuildResource<'a> {
    #[serde(rename = "_links")]
    links: &'a RawValue,
    tags: [(); 0],
    trigger_info: Empty,
    id: u64,
    build_number: &'a str,
    status: &'static str,
    result: &'a Outcome,
    queue_time: Stamp,
    start_time: Stamp,
    finish_time: Stamp,
    definition: &'a RawValue,
    project: &'a RawValue,
    source_branch: &'a str,
    source_version: &'a str,
    queue: &'a RawValue,
    priority: &'static str,
    reason: &'static str,
    requested_for: &'a RawValue,
    requested_by: &'a RawValue,
    last_changed_date: Stamp,
    orchestration_plan: PlanRef,
    repository: &'a RawValue,
    retained_by_release: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlanRef {
    plan_id: Guid,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApprovalResource<'a> {
    approval: ApprovalJson<'a>,
    project_id: Guid,
    pipeline: NamedRef<'a>,
    stage: (),
    run: ApprovalRun<'a>,
    resource: NamedRef<'a>,
    id: u64,
    url: (),
    stage_name: &'a str,
    attempt_id: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApprovalJson<'a> {
    id: Guid,
    steps: [ApprovalStep<'a>; 1],
    status: &'a ApprovalStatus,
    created_on: Stamp,
    last_modified_on: Stamp,
    execution_order: &'static str,
    min_required_approvers: u32,
    blocked_approvers: [(); 0],
    instructions: &'static str,
    #[serde(rename = "_links")]
    links: Empty,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApprovalStep<'a> {
    assigned_approver: &'a RawValue,
    status: &'a ApprovalStatus,
    comment: &'static str,
    initiated_on: Stamp,
    last_modified_on: Stamp,
}

/// Approval events write ids as text.
#[derive(Serialize)]
struct NamedRef<'a> {
    id: String,
    name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApprovalRun<'a> {
    id: String,
    name: &'a str,
    requested_for: Option<&'static str>,
    #[serde(rename = "_links")]
    links: &'a RawValue,
}

/// The body of the event of `moment`, said at `due`; `number` tells it from all others of the history.
pub(super) fn body(cast: &Cast, run: &Run, moment: Moment, due: Time, number: u64) -> Vec<u8> {
    let Some(writer) = Writer::new(cast, run, due, number) else { return Vec::new() };
    match moment {
        Moment::Run { state, end, stages } => writer.run(&state, end.as_ref(), &stages),
        Moment::Stage(stage) => writer.stage(&stage),
        Moment::Build { result, started, finished } => writer.build(&result, started, finished),
        Moment::Approval(approval) => writer.approval(&approval),
        Moment::Other(body) => body,
    }
}

struct Writer<'a> {
    cast: &'a Cast,
    parts: &'a PipelineParts,
    person: &'a RawValue,
    run: &'a Run,
    due: Time,
    number: u64,
}

impl<'a> Writer<'a> {
    fn new(cast: &'a Cast, run: &'a Run, due: Time, number: u64) -> Option<Self> {
        let (parts, person) = (cast.pipelines.get(run.pipeline)?, cast.people.get(run.person)?);
        Some(Self { cast, parts, person, run, due, number })
    }

    fn run(&self, state: &State, end: Option<&(Outcome, Time)>, stages: &[Stage]) -> Vec<u8> {
        let word = end.map_or(state.as_str(), |(result, _)| result.as_str());
        let resource = RunResource {
            run: self.run_json(state, end, true),
            pipeline: &self.parts.pipeline,
            project_id: self.parts.project_id,
            stages: stages.iter().map(|stage| self.stage_json(stage)).collect(),
            requested_by: self.person,
            requested_for: self.person,
            queue: &self.cast.queue,
            run_id: self.run.id,
            run_url: &self.run.web,
            repositories: &self.run.repositories,
        };
        self.write("ms.vss-pipelines.run-state-changed-event", ["Run", "", word], resource)
    }

    /// The run inside a stage event is a stub and says `inProgress` even when its last stage ends.
    fn stage(&self, stage: &Stage) -> Vec<u8> {
        let word = stage.result.as_ref().map_or(stage.state.as_str(), Outcome::as_str);
        let resource = StageResource {
            stage: StageJson { links: Some(WebLink { web: Href { href: &self.run.web } }), ..self.stage_json(stage) },
            run: self.run_json(&State::InProgress, None, false),
            pipeline: &self.parts.pipeline,
            project_id: self.parts.project_id,
            run_id: self.run.id,
            stage_name: stage.name,
            run_url: &self.run.web,
            repositories: &self.run.repositories,
        };
        self.write("ms.vss-pipelines.stage-state-changed-event", ["Run", stage.name, word], resource)
    }

    fn build(&self, result: &Outcome, started: Time, finished: Time) -> Vec<u8> {
        let resource = BuildResource {
            links: &self.run.links,
            tags: [],
            trigger_info: Empty {},
            id: self.run.id,
            build_number: &self.run.number,
            status: "completed",
            result,
            queue_time: Stamp(self.run.queued),
            start_time: Stamp(started),
            finish_time: Stamp(finished),
            definition: &self.parts.definition,
            project: &self.parts.project,
            source_branch: &self.run.branch,
            source_version: &self.run.commit,
            queue: &self.cast.queue,
            priority: "normal",
            reason: self.run.reason,
            requested_for: self.person,
            requested_by: self.person,
            last_changed_date: Stamp(finished.plus(std::time::Duration::from_millis(200))),
            orchestration_plan: PlanRef { plan_id: self.run.plan },
            repository: &self.parts.repository,
            retained_by_release: false,
        };
        self.write("build.complete", ["Build", "", result.as_str()], resource)
    }

    fn approval(&self, approval: &Approval) -> Vec<u8> {
        let Some(approver) = self.cast.people.get(approval.approver) else { return Vec::new() };
        let pipeline = PIPELINES.get(self.run.pipeline);
        let pending = approval.status == ApprovalStatus::Pending;
        let person = PEOPLE.get(self.run.person).copied();
        let step = ApprovalStep {
            assigned_approver: approver,
            status: &approval.status,
            comment: "",
            initiated_on: Stamp(approval.requested),
            last_modified_on: Stamp(approval.changed),
        };
        let resource = ApprovalResource {
            approval: ApprovalJson {
                id: approval.id,
                steps: [step],
                status: &approval.status,
                created_on: Stamp(approval.requested),
                last_modified_on: Stamp(approval.changed),
                execution_order: "anyOrder",
                min_required_approvers: 1,
                blocked_approvers: [],
                instructions: "Look at the staging deployment first.",
                links: Empty {},
            },
            project_id: self.parts.project_id,
            pipeline: NamedRef {
                id: pipeline.map_or(0, |pipeline| pipeline.id).to_string(),
                name: pipeline.map_or("", |pipeline| pipeline.name),
            },
            stage: (),
            run: ApprovalRun {
                id: self.run.id.to_string(),
                name: &self.run.number,
                requested_for: person.filter(|_| pending),
                links: &self.run.links,
            },
            resource: NamedRef { id: "4".to_owned(), name: approval.environment },
            id: 0,
            url: (),
            stage_name: approval.stage,
            attempt_id: approval.attempt,
        };
        let kind = if pending {
            "ms.vss-pipelinechecks-events.approval-pending"
        } else {
            "ms.vss-pipelinechecks-events.approval-completed"
        };
        self.write(kind, ["Approval of run", approval.stage, approval.status.as_str()], resource)
    }

    fn run_json<'b>(&'b self, state: &'b State, end: Option<&'b (Outcome, Time)>, whole: bool) -> RunJson<'b> {
        RunJson {
            links: whole.then_some(&*self.run.links),
            template_parameters: whole.then_some(Empty {}),
            pipeline: &self.parts.pipeline,
            state,
            result: end.map(|(result, _)| result),
            created_date: Stamp(self.run.queued),
            finished_date: end.map(|(_, finished)| Stamp(*finished)),
            resources: whole.then_some(&*self.run.resources),
            id: self.run.id,
            name: &self.run.number,
        }
    }

    fn stage_json<'b>(&'b self, stage: &'b Stage) -> StageJson<'b> {
        StageJson {
            links: None,
            id: Guid::of(stage.name),
            name: stage.name,
            display_name: stage.name,
            attempt: stage.attempt,
            state: &stage.state,
            result: stage.result.as_ref(),
            start_time: stage.started.map(Stamp),
            finish_time: stage.finished.map(Stamp),
        }
    }

    #[expect(clippy::expect_used, reason = "serializing these types into memory cannot fail")]
    fn write<R: Serialize>(&self, kind: &'static str, [what, stage, word]: [&str; 3], resource: R) -> Vec<u8> {
        let (number, web) = (&self.run.number, &self.run.web);
        let stage = if stage.is_empty() { String::new() } else { format!(" stage {stage}") };
        let word = if word == State::InProgress.as_str() { "in progress" } else { word };
        let text = format!("{what} {number}{stage} {word}.");
        let html = format!("{what} <a href=\"{web}\">{number}</a>{stage} {word}.");
        let markdown = format!("{what} [{number}]({web}){stage} {word}.");
        let build = kind == "build.complete";
        let approval = kind.contains("approval");
        let envelope = Envelope {
            subscription_id: Guid::of(kind),
            notification_id: self.number,
            id: Guid(self.run.plan.0 ^ u128::from(self.number)),
            event_type: kind,
            publisher_id: if build { "tfs" } else { "pipelines" },
            message: Message { text: &text, html: &html, markdown: &markdown },
            detailed_message: (),
            resource,
            resource_version: if build { "2.0" } else { "5.1-preview.1" },
            resource_containers: if approval { &self.cast.containers } else { &self.parts.containers },
            created_date: Stamp(self.due),
        };
        let mut body = Vec::with_capacity(4_096);
        serde_json::to_writer(&mut body, &envelope).expect("an event is JSON");
        body
    }
}
