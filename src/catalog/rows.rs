//! What the catalog answers. Serialized, these are the JSON of the command line and of the HTTP API.

use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use super::place::Place;
use crate::domain::{Time, owner};

/// A run with its stages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    pub organization: String,
    /// The project's name if known, else its id.
    pub project: Option<String>,
    pub pipeline: PipelineName,
    pub run_id: u64,
    /// The build number.
    pub name: Option<String>,
    pub state: Option<String>,
    pub result: Option<String>,
    pub reason: Option<String>,
    /// The full ref.
    pub branch: Option<String>,
    pub commit: Option<String>,
    pub repository: Option<String>,
    pub requested_for: Option<String>,
    #[serde(serialize_with = "rfc3339")]
    pub queued_at: Option<Time>,
    #[serde(serialize_with = "rfc3339")]
    pub started_at: Option<Time>,
    #[serde(serialize_with = "rfc3339")]
    pub finished_at: Option<Time>,
    pub url: Option<String>,
    pub stages: Vec<Stage>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PipelineName {
    pub id: u64,
    pub name: Option<String>,
}

/// One attempt of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    pub name: String,
    pub attempt: u32,
    pub state: Option<String>,
    pub result: Option<String>,
    #[serde(serialize_with = "rfc3339")]
    pub started_at: Option<Time>,
    #[serde(serialize_with = "rfc3339")]
    pub finished_at: Option<Time>,
}

/// One attempt of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    pub stage: String,
    pub stage_attempt: Option<u32>,
    pub name: String,
    pub attempt: u32,
    pub state: Option<String>,
    pub result: Option<String>,
    #[serde(serialize_with = "rfc3339")]
    pub started_at: Option<Time>,
    #[serde(serialize_with = "rfc3339")]
    pub finished_at: Option<Time>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    pub id: String,
    pub status: String,
    pub stage: Option<String>,
    pub stage_attempt: Option<u32>,
    #[serde(serialize_with = "rfc3339")]
    pub requested_at: Option<Time>,
    #[serde(serialize_with = "rfc3339")]
    pub decided_at: Option<Time>,
    pub approvers: Vec<String>,
}

/// A run with all that is known of it but its facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunDetail {
    #[serde(flatten)]
    pub run: Run,
    pub jobs: Vec<Job>,
    pub approvals: Vec<Approval>,
    /// Where its stages, and releases of it, brought it.
    pub deployments: Vec<Deployment>,
    /// Of a run that failed, where its timeline was asked for.
    pub failure: Option<Failure>,
    /// The folder of its pipeline.
    pub folder: Option<String>,
    /// Null where no rule of the configuration fits.
    pub owner: Option<Owner>,
    /// The runs that started it, and those that it started.
    pub triggered_by: Vec<Link>,
    pub triggered: Vec<Link>,
    /// All that it is about, and where it went.
    pub links: Vec<Link>,
    /// There are more links than these.
    pub links_truncated: bool,
}

/// Who answers for a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Owner {
    pub service: String,
    pub team: Option<String>,
    /// The pattern by which that is known.
    pub by: String,
}

impl From<owner::Owner> for Owner {
    fn from(owner: owner::Owner) -> Self {
        let owner::Owner { service, team, by } = owner;
        Self { service, team, by }
    }
}

/// On which side of a thing a linked one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum LinkKind {
    /// It leads to the thing.
    Before,
    /// The thing leads to it.
    After,
}

/// What is linked to a thing, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Link {
    pub direction: LinkKind,
    /// `run`, `commit`, `pullRequest`, `workItem`, `foreignPullRequest`.
    pub kind: &'static str,
    pub id: String,
    /// Pipeline and number of a run, message of a commit, title of all else.
    pub name: Option<String>,
    /// A run's result or state, a pull request's status, a work item's state.
    pub state: Option<String>,
    /// The rule of the last step.
    pub rule: &'static str,
    /// `certain` only where every step on the way is, and no run on it is known by its id alone.
    pub certainty: &'static str,
    /// It was told of itself, and not by others alone.
    pub held: bool,
    /// How many steps away it is.
    pub steps: usize,
    /// What the last step came from; null where that is the thing itself.
    pub via: Option<LinkEnd>,
    pub url: Option<String>,
    /// For its page in the service, where nobody told the address.
    #[serde(skip)]
    pub project: Option<String>,
    #[serde(skip)]
    pub repository: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LinkEnd {
    pub kind: &'static str,
    pub id: String,
}

/// A commit, and where it went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommitDetail {
    pub organization: String,
    pub commit: String,
    pub repository: Option<String>,
    pub author: Option<String>,
    /// The first line.
    pub message: Option<String>,
    #[serde(serialize_with = "rfc3339")]
    pub committed_at: Option<Time>,
    pub pushes: Vec<Push>,
    /// What leads to it, the pull requests that it is a part of, and the work items of these: no link leads from a
    /// pull request to what it consists of.
    pub about: Vec<Link>,
    pub links: Vec<Link>,
    /// There are more links than these.
    pub links_truncated: bool,
}

/// A push with a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Push {
    pub push_id: u64,
    pub project: Option<String>,
    pub repository: Option<String>,
    pub refs: Vec<String>,
    pub pushed_by: Option<String>,
    #[serde(serialize_with = "rfc3339")]
    pub pushed_at: Option<Time>,
}

/// A pull request, and where it went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PullRequestDetail {
    pub organization: String,
    pub project: Option<String>,
    pub pull_request_id: u64,
    pub repository: Option<String>,
    pub title: Option<String>,
    pub status: Option<String>,
    pub merge_status: Option<String>,
    pub source: Option<String>,
    pub target: Option<String>,
    pub created_by: Option<String>,
    #[serde(serialize_with = "rfc3339")]
    pub created_at: Option<Time>,
    /// At the latest: when an event first told of an approving vote.
    #[serde(serialize_with = "rfc3339")]
    pub first_approved_at: Option<Time>,
    #[serde(serialize_with = "rfc3339")]
    pub closed_at: Option<Time>,
    pub merge_commit: Option<String>,
    pub votes: Vec<Vote>,
    pub url: Option<String>,
    /// It was told of itself, and not by others alone.
    pub held: bool,
    pub links: Vec<Link>,
    /// There are more links than these.
    pub links_truncated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Vote {
    pub name: Option<String>,
    /// 10 approved, 5 approved with suggestions, 0 none, -5 waiting for the author, -10 rejected.
    pub vote: i64,
    pub is_team: bool,
}

/// A work item, and where it went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkItemDetail {
    pub organization: String,
    pub project: Option<String>,
    pub work_item_id: u64,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub title: Option<String>,
    pub state: Option<String>,
    pub reason: Option<String>,
    pub assigned_to: Option<String>,
    pub area: Option<String>,
    pub iteration: Option<String>,
    pub parent: Option<u64>,
    #[serde(serialize_with = "rfc3339")]
    pub created_at: Option<Time>,
    /// As far as they are known, the oldest first.
    pub states: Vec<WorkItemState>,
    pub url: Option<String>,
    /// It was told of itself, and not by others alone.
    pub held: bool,
    pub links: Vec<Link>,
    /// There are more links than these.
    pub links_truncated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WorkItemState {
    pub state: String,
    #[serde(serialize_with = "rfc3339")]
    pub since: Option<Time>,
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    pub stage: Option<String>,
    pub job: Option<String>,
    pub task: Option<String>,
    /// The first line of the first error.
    pub message: Option<String>,
    /// The message without numbers, paths, ids and times: the same for the same error in other runs.
    pub signature: Option<String>,
    pub log: Option<String>,
}

/// A pipeline with what its runs amount to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pipeline {
    pub organization: String,
    pub project: Option<String>,
    pub id: u64,
    pub name: Option<String>,
    /// Runs that are known.
    pub runs: u64,
    /// Runs that are known and not completed.
    pub live: u64,
    /// Where it stands: the latest that a run said.
    pub folder: Option<String>,
    /// What most of its latest 100 runs built: the last run may have built another.
    pub repository: Option<String>,
    /// Null where no rule of the configuration fits.
    pub owner: Option<Owner>,
    /// The run with the greatest id, without its stages.
    pub last_run: LastRun,
}

/// What the latest runs of a pipeline came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// The latest completed runs, at most 20, the newest first.
    pub results: Vec<RunResult>,
    /// How many of them succeeded, wholly or partially, and how many failed.
    pub succeeded: u64,
    pub failed: u64,
    /// Half of those that succeeded took no longer; null where none did.
    pub median_seconds: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunResult {
    pub run_id: u64,
    pub result: Option<String>,
    pub branch: Option<String>,
    #[serde(serialize_with = "rfc3339")]
    pub started_at: Option<Time>,
    #[serde(serialize_with = "rfc3339")]
    pub finished_at: Option<Time>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastRun {
    pub run_id: u64,
    pub name: Option<String>,
    pub state: Option<String>,
    pub result: Option<String>,
    pub branch: Option<String>,
    #[serde(serialize_with = "rfc3339")]
    pub queued_at: Option<Time>,
    #[serde(serialize_with = "rfc3339")]
    pub finished_at: Option<Time>,
}

/// A time in which events were lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    pub organization: String,
    /// The project's name if known, else its id.
    pub project: Option<String>,
    pub project_id: String,
    pub event_type: String,
    /// The service's word for the subscription's status, or `missing`, or `silence`.
    pub why: Option<String>,
    #[serde(serialize_with = "always_rfc3339")]
    pub from: Time,
    /// When events came again; null while they are lost.
    #[serde(serialize_with = "rfc3339")]
    pub to: Option<Time>,
    /// The last time at which events were seen to be lost.
    #[serde(serialize_with = "rfc3339")]
    pub seen_at: Option<Time>,
    /// Up to when the REST API was read instead.
    #[serde(serialize_with = "rfc3339")]
    pub covered_to: Option<Time>,
    /// It is over, and the REST API was read for all of it.
    pub covered: bool,
}

/// Something that came to an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    pub organization: String,
    /// The project's name if known, else its id.
    pub project: Option<String>,
    /// Null for an environment of a classic release.
    pub environment_id: Option<u64>,
    pub environment: String,
    /// `pipeline` or `release`.
    pub source: String,
    /// The pipeline of the run, or the definition of the release.
    pub pipeline: Option<PipelineName>,
    /// Of a release, the run of its primary artifact, or else of the first that is a build.
    pub run_id: Option<u64>,
    pub run_name: Option<String>,
    pub release_id: Option<u64>,
    pub release_name: Option<String>,
    pub stage: String,
    pub attempt: u32,
    pub state: Option<String>,
    pub result: Option<String>,
    #[serde(serialize_with = "rfc3339")]
    pub started_at: Option<Time>,
    #[serde(serialize_with = "rfc3339")]
    pub finished_at: Option<Time>,
    /// The run's, where it is known.
    pub branch: Option<String>,
    pub commit: Option<String>,
    pub repository: Option<String>,
    /// Of its pipeline.
    #[serde(skip)]
    pub folder: Option<String>,
    /// How it is known: `deploymentRecord`, `stageOfRecords` or `release`.
    pub rule: String,
    /// `certain` or `likely`.
    pub certainty: String,
    /// It is the latest that succeeded of what this pipeline brought to this environment.
    pub current: bool,
}

/// Which deployments. An absent field does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeploymentFilter {
    pub organization: Option<String>,
    /// A project's name or id.
    pub project: Option<String>,
    /// An environment's name or id.
    pub environment: Option<String>,
    /// The name or id of a pipeline, or of a release's definition.
    pub pipeline: Option<String>,
    /// Started at or after.
    pub since: Option<Time>,
    /// Started before.
    pub until: Option<Time>,
    /// Only what is there now.
    pub current: bool,
    /// At most so many; `None` is all.
    pub top: Option<u32>,
    /// Only what follows this one in the order of the list.
    pub after: Option<Place>,
}

/// An environment with what came last and what is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Environment {
    pub organization: String,
    pub project: Option<String>,
    /// Null for an environment of a classic release.
    pub id: Option<u64>,
    pub name: String,
    /// `pipeline` or `release`.
    pub source: String,
    /// The definition of the release, whose own the environment is.
    pub definition: Option<PipelineName>,
    /// Deployments that are known.
    pub deployments: u64,
    /// Those that are not over.
    pub live: u64,
    pub last: Option<Deployment>,
    /// The latest that succeeded, of each pipeline.
    pub current: Vec<Deployment>,
    /// The latest of each pipeline, whatever came of it.
    #[serde(skip)]
    pub latest: Vec<Deployment>,
}

/// Which environments. An absent field does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvironmentFilter {
    pub organization: Option<String>,
    /// A project's name or id.
    pub project: Option<String>,
    /// Only those that are called as one of these.
    pub names: Option<Vec<String>>,
    /// At most so many; `None` is all.
    pub top: Option<u32>,
    /// Only what follows this one in the order of the list.
    pub after: Option<Place>,
}

/// An approval with what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GivenApproval {
    pub organization: String,
    pub project: Option<String>,
    /// `pipeline` or `release`.
    pub source: String,
    pub pipeline: Option<PipelineName>,
    pub run_id: Option<u64>,
    pub run_name: Option<String>,
    pub release_id: Option<u64>,
    pub release_name: Option<String>,
    pub id: String,
    pub status: String,
    /// Of a release: `preDeploy` or `postDeploy`.
    pub phase: Option<String>,
    /// The stage of the run, or the environment of the release.
    pub stage: Option<String>,
    pub attempt: Option<u32>,
    #[serde(serialize_with = "rfc3339")]
    pub requested_at: Option<Time>,
    #[serde(serialize_with = "rfc3339")]
    pub decided_at: Option<Time>,
    pub approvers: Vec<String>,
    /// Of its pipeline, and what that builds.
    #[serde(skip)]
    pub folder: Option<String>,
    #[serde(skip)]
    pub repository: Option<String>,
}

/// Which approvals. An absent field does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApprovalFilter {
    pub organization: Option<String>,
    /// A project's name or id.
    pub project: Option<String>,
    pub status: Option<String>,
    /// Asked for or decided at or after.
    pub since: Option<Time>,
    /// At most so many; `None` is all.
    pub top: Option<u32>,
    /// Only what follows this one in the order of the list.
    pub after: Option<Place>,
}

/// Something that went wrong in production.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    pub organization: String,
    /// Null where nobody said of which project it is.
    pub project: Option<String>,
    /// `reported`, or `workItem`.
    pub source: String,
    /// As it was told, or the number of the work item.
    pub id: String,
    pub title: Option<String>,
    pub url: Option<String>,
    /// `open` or `resolved`.
    pub status: String,
    #[serde(serialize_with = "rfc3339")]
    pub opened_at: Option<Time>,
    /// Since when it is over, if it still is.
    #[serde(serialize_with = "rfc3339")]
    pub resolved_at: Option<Time>,
    /// What it names as its cause: an environment, the name or id of a pipeline, a run, a commit.
    pub environment: Option<String>,
    pub pipeline: Option<String>,
    pub run_id: Option<u64>,
    pub commit: Option<String>,
}

/// Which incidents. An absent field does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IncidentFilter {
    pub organization: Option<String>,
    /// A project's name or id.
    pub project: Option<String>,
    /// Only those that are not over.
    pub open: bool,
    /// Those that began then or later.
    pub since: Option<Time>,
    /// At most so many; `None` is all.
    pub top: Option<u32>,
    /// Only what follows this one in the order of the list.
    pub after: Option<Place>,
}

/// Which gaps. An absent field does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GapFilter {
    pub organization: Option<String>,
    /// A project's name or id.
    pub project: Option<String>,
    /// Those that still lost events then or later.
    pub since: Option<Time>,
    /// Those that began at the latest then.
    pub until: Option<Time>,
    /// Also those that the REST API has covered.
    pub covered: bool,
    /// At most so many; `None` is all.
    pub top: Option<u32>,
    /// Only what follows this one in the order of the list.
    pub after: Option<Place>,
}

/// Which pipelines. An absent field does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PipelineFilter {
    pub organization: Option<String>,
    /// A project's name or id.
    pub project: Option<String>,
    pub id: Option<u64>,
    /// At most so many; `None` is all.
    pub top: Option<u32>,
    /// Only what follows this one in the order of the list.
    pub after: Option<Place>,
}

/// Which runs. An absent field does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    pub organization: Option<String>,
    /// A project's name or id.
    pub project: Option<String>,
    /// A pipeline's id or name.
    pub pipeline: Option<String>,
    /// A ref, with or without `refs/heads/`.
    pub branch: Option<String>,
    pub state: Option<String>,
    pub result: Option<String>,
    /// The beginning of a commit id.
    pub commit: Option<String>,
    /// Queued at or after; where that is not known, started or finished.
    pub since: Option<Time>,
    /// The same, before.
    pub until: Option<Time>,
    /// Whom it was asked for by, as the service shows them.
    pub requested_for: Option<String>,
    /// Of agents.
    pub pool: Option<String>,
    /// Only these, by organization and id: who owns a pipeline, the configuration says.
    pub pipelines: Option<Vec<(String, u64)>>,
    /// What their first error comes to without numbers, paths and ids.
    pub signature: Option<String>,
    /// Only these runs, by organization and id: where something else than the catalog chose them.
    pub only: Option<Vec<(String, u64)>>,
    /// At most so many; `None` is all.
    pub top: Option<u32>,
    /// Only what follows this one in the order of the list.
    pub after: Option<Place>,
    /// By run id ascending.
    pub oldest_first: bool,
}

fn always_rfc3339<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

#[expect(clippy::ref_option, reason = "the form that serde calls")]
pub(crate) fn rfc3339<S: Serializer>(time: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}
