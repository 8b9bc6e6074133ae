use serde::{Deserialize, Serialize};

use crate::domain::run::Statement;
use crate::domain::{DeploymentKey, Label, Names, State, Time};

/// What one deployment record of the REST API says.
///
/// Whoever makes one has [cut](crate::domain::text::cut) its texts as for a [run](crate::domain::run::RunFact).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentFact {
    /// Stored beside it.
    #[serde(skip)]
    pub key: DeploymentKey,
    /// Its finish, else its start, else when it was queued.
    pub said: Time,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(Label, String)>,
    pub job: DeploymentJobSaid,
}

impl DeploymentFact {
    pub(crate) fn name_people(&mut self, names: &Names) {
        names.in_labels(&mut self.labels);
    }
}

/// What is said of one attempt of a deployment job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentJobSaid {
    pub stage: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage_attempt: Option<u32>,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    pub state: State,
    pub says: Statement,
}
