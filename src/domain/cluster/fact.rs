use serde::{Deserialize, Serialize};

use crate::domain::{ClusterKey, Names, Time};

/// What a cluster said of a commit.
///
/// Whoever makes one has [cut](crate::domain::text::cut) its texts as for a [run](crate::domain::run::RunFact).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterFact {
    /// Stored beside it.
    #[serde(skip)]
    pub key: ClusterKey,
    /// By the clock of the cluster; of a tag, which tells no time, by that of who saw it.
    pub said: Time,
    pub cluster: String,
    /// The cluster's own word, such as `ReconciliationSucceeded`.
    pub state: String,
    #[serde(default)]
    pub succeeded: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl ClusterFact {
    /// It names nobody.
    pub(crate) fn name_people(&mut self, _: &Names) {}
}
