use serde::{Deserialize, Serialize};

use crate::domain::run::{ApprovalSaid, Statement};
use crate::domain::{ArtifactPart, Label, Names, ReleaseFactKind, ReleaseKey, ReleaseStatus, Speaker, State, Time};

/// What one event or REST answer says about a release.
///
/// Whoever makes one has [cut](crate::domain::text::cut) its texts as for a [run](crate::domain::run::RunFact); parts of
/// artifacts to `MOST_NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseFact {
    /// Stored beside it.
    #[serde(skip)]
    pub key: ReleaseKey,
    pub kind: ReleaseFactKind,
    /// The event's `createdDate`; for REST the time of the last change.
    pub said: Time,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(Label, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ReleaseStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<EnvironmentSaid>,
    /// In each, the stage is the environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<ApprovalSaid>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<ArtifactSaid>,
}

impl ReleaseFact {
    /// A fact that says nothing yet.
    #[must_use]
    pub fn new(key: ReleaseKey, kind: ReleaseFactKind, said: Time) -> Self {
        Self {
            key,
            kind,
            said,
            labels: Vec::new(),
            status: None,
            created: None,
            environments: Vec::new(),
            approvals: Vec::new(),
            artifacts: Vec::new(),
        }
    }

    pub(crate) fn name_people(&mut self, names: &Names) {
        names.in_labels(&mut self.labels);
        names.in_approvals(&mut self.approvals);
    }
}

/// What is said of one attempt to deploy to an environment of the release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentSaid {
    /// Unique in the release.
    pub name: String,
    /// From 1; absent in the documented events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    pub state: State,
    pub says: Statement,
}

/// What is said of one artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactSaid {
    /// Unique in the release.
    pub alias: String,
    pub parts: Vec<(ArtifactPart, String)>,
}

impl ReleaseFactKind {
    /// Who speaks when this kind of fact says something of an environment.
    pub(super) fn speaker_on_environment(&self) -> Speaker {
        match self {
            Self::DeploymentStarted | Self::DeploymentCompleted => Speaker::StageEvent,
            Self::Deployment => Speaker::Rest,
            Self::Created
            | Self::Abandoned
            | Self::ApprovalPending
            | Self::ApprovalCompleted
            | Self::Release
            | Self::Other(_) => Speaker::Stub,
        }
    }
}
