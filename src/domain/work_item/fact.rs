use serde::{Deserialize, Serialize};

use crate::domain::link::Node;
use crate::domain::{Label, Names, Time, WorkItemKey};

/// What one event or REST answer says about a work item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkItemFact {
    /// Stored beside it.
    #[serde(skip)]
    pub key: WorkItemKey,
    /// The event's `createdDate`; for REST when the item was changed last.
    pub said: Time,
    /// The revision that it speaks of.
    pub revision: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(Label, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relations: Vec<Relation>,
    /// The relations are all that it has in this revision.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_all_relations: bool,
}

/// What a work item is linked to, or not any more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Relation {
    pub to: Node,
    pub is_there: bool,
}

impl WorkItemFact {
    pub(crate) fn name_people(&mut self, names: &Names) {
        names.in_labels(&mut self.labels);
    }

    /// A fact that says nothing yet.
    #[must_use]
    pub fn new(key: WorkItemKey, said: Time, revision: u64) -> Self {
        Self {
            key,
            said,
            revision,
            changed: None,
            created: None,
            state: None,
            labels: Vec::new(),
            relations: Vec::new(),
            has_all_relations: false,
        }
    }
}
