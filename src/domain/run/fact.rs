use serde::{Deserialize, Serialize};

use super::claims::Statement;
use super::failure::Failure;
use crate::domain::join::join_max;
use crate::domain::{
    ApprovalPhase, ApprovalStatus, Change, FactKind, Join, Label, Names, RunKey, Speaker, State, Time,
};

/// The names of approvers in one statement take no more bytes in JSON.
pub const MOST_APPROVERS: usize = 600;
/// So many pipeline resources of a run are kept, their names so long.
pub const MOST_RESOURCES: usize = 20;
pub const MOST_RESOURCE_NAME: usize = 100;
/// So many stages and so many jobs stand in one fact: it has to fit a row of a table.
const MOST_PARTS: usize = 400;

/// What one event or REST answer says about a run, or a part of that ([`RunFact::in_pieces`]).
///
/// Whoever makes one has [cut](crate::domain::text::cut) its texts: labels to `MOST_TEXT`, names and ids to `MOST_NAME`,
/// approvers to [`MOST_APPROVERS`] together. Words cut themselves. A record counts on it where it says how much room
/// there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFact {
    /// Stored beside it.
    #[serde(skip)]
    pub key: RunKey,
    pub kind: FactKind,
    /// The event's `createdDate`; for REST the `lastChangedDate`, else the finish, start or queue time.
    pub said: Time,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(Label, String)>,
    /// What it says of the run itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<(State, Statement)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageSaid>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<JobSaid>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<ApprovalSaid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Runs of other pipelines that it uses the artifacts of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consumed: Vec<Consumed>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<UsedImage>,
    /// What its approval guards. Few facts have any, and facts are moved about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guarded: Option<Box<Guarded>>,
}

impl RunFact {
    /// A fact that says nothing yet.
    #[must_use]
    pub fn new(key: RunKey, kind: FactKind, said: Time) -> Self {
        Self {
            key,
            kind,
            said,
            labels: Vec::new(),
            run: None,
            stages: Vec::new(),
            jobs: Vec::new(),
            approvals: Vec::new(),
            failure: None,
            consumed: Vec::new(),
            images: Vec::new(),
            guarded: None,
        }
    }

    pub(crate) fn name_people(&mut self, names: &Names) {
        names.in_labels(&mut self.labels);
        names.in_approvals(&mut self.approvals);
    }

    /// The same in facts that each can be stored. Their join is that of the whole.
    #[must_use]
    pub fn in_pieces(mut self) -> Vec<Self> {
        let mut pieces = Vec::with_capacity(1);
        loop {
            let rest = Self {
                stages: self.stages.split_off(self.stages.len().min(MOST_PARTS)),
                jobs: self.jobs.split_off(self.jobs.len().min(MOST_PARTS)),
                ..Self::new(self.key.clone(), self.kind.clone(), self.said)
            };
            pieces.push(self);
            if rest.stages.is_empty() && rest.jobs.is_empty() {
                return pieces;
            }
            self = rest;
        }
    }
}

/// A pipeline resource of a run. Its texts are cut to `MOST_RESOURCE_NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Consumed {
    /// What the run calls it.
    pub alias: String,
    /// Of a run or of a pipeline: the number tells ([`link`](crate::domain::link)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    /// The run's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// A container resource of a run. Its alias is cut to `MOST_RESOURCE_NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UsedImage {
    /// What the run calls it.
    pub alias: String,
    /// As `registry/name:tag`.
    pub image: String,
}

/// The environment that an approval guards: the stage that waits for it goes there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Guarded {
    /// The approval's id.
    pub approval: String,
    pub environment: String,
}

/// What is said of one attempt of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageSaid {
    pub name: String,
    /// From 1; absent in the shapes of 2019 and 2022.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    pub state: State,
    pub says: Statement,
}

/// What is said of one attempt of a job. Every stage may have a job named `__default`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSaid {
    pub stage: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage_attempt: Option<u32>,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    pub state: State,
    pub says: Statement,
}

/// What is said of an approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalSaid {
    pub id: String,
    pub status: ApprovalStatus,
    pub says: ApprovalStatement,
}

/// One statement about an approval in one status. The latest wins, then the greater content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ApprovalStatement {
    pub said: Time,
    /// Only of releases: before a deployment or after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<ApprovalPhase>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Time>,
    /// Display names of those who are asked or have answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
}

impl Join for ApprovalStatement {
    fn join(&mut self, other: Self) -> Change {
        join_max(self, other)
    }
}

impl FactKind {
    /// Who speaks when this kind of fact says something of the run itself.
    #[must_use]
    pub fn speaker_on_run(&self) -> Speaker {
        match self {
            Self::RunStateChanged => Speaker::RunEvent,
            Self::BuildCompleted => Speaker::BuildComplete,
            Self::Build | Self::Timeline => Speaker::Rest,
            Self::StageStateChanged
            | Self::JobStateChanged
            | Self::ApprovalPending
            | Self::ApprovalCompleted
            | Self::Other(_) => Speaker::Stub,
        }
    }

    /// Who speaks when this kind of fact says something of a stage.
    #[must_use]
    pub fn speaker_on_stage(&self) -> Speaker {
        match self {
            Self::RunStateChanged => Speaker::RunEvent,
            Self::StageStateChanged => Speaker::StageEvent,
            Self::Build | Self::Timeline => Speaker::Rest,
            Self::JobStateChanged
            | Self::BuildCompleted
            | Self::ApprovalPending
            | Self::ApprovalCompleted
            | Self::Other(_) => Speaker::Stub,
        }
    }

    /// Who speaks when this kind of fact says something of a job.
    #[must_use]
    pub fn speaker_on_job(&self) -> Speaker {
        match self {
            Self::JobStateChanged => Speaker::JobEvent,
            Self::Build | Self::Timeline => Speaker::Rest,
            Self::RunStateChanged
            | Self::StageStateChanged
            | Self::BuildCompleted
            | Self::ApprovalPending
            | Self::ApprovalCompleted
            | Self::Other(_) => Speaker::Stub,
        }
    }
}
