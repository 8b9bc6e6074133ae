use serde::{Deserialize, Serialize};

use crate::domain::{Label, Names, Outcome, ReportKey, ReportKind, Time};

/// What somebody told of.
///
/// Whoever makes one has [cut](crate::domain::text::cut) its texts as for a [run](crate::domain::run::RunFact), and bounded
/// the commits: they stand in one row of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportFact {
    /// Stored beside it.
    #[serde(skip)]
    pub key: ReportKey,
    /// When it happened, where that was told; else when it was received.
    pub said: Time,
    pub says: ReportSaid,
}

/// The statement without its time. The same in all facts of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReportSaid {
    pub kind: ReportKind,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(Label, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Outcome>,
    /// By their ids ([`commit_id`](crate::domain::commit_id)).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commits: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_fix: bool,
    /// Who told it gave it an id: however often it is told, it happened once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl ReportFact {
    pub(crate) fn name_people(&mut self, names: &Names) {
        names.in_labels(&mut self.says.labels);
    }
}

impl ReportSaid {
    #[must_use]
    pub fn label(&self, wanted: &Label) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == wanted).map(|(_, text)| text.as_str())
    }
}
