use serde::{Deserialize, Serialize};

use crate::domain::{IncidentKey, IncidentTurn, Label, Names, Time};

/// What somebody said of an incident.
///
/// Whoever makes one has [cut](crate::domain::text::cut) its texts as for a [run](crate::domain::run::RunFact).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentFact {
    /// Stored beside it.
    #[serde(skip)]
    pub key: IncidentKey,
    /// When it was received.
    pub said: Time,
    /// What became of it, and when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<(Time, IncidentTurn)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(Label, String)>,
}

impl IncidentFact {
    pub(crate) fn name_people(&mut self, names: &Names) {
        names.in_labels(&mut self.labels);
    }
}
