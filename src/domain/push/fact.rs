use serde::{Deserialize, Serialize};

use crate::domain::{Commit, Label, Names, PushKey, Time};

/// What one event or REST answer says about a push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushFact {
    /// Stored beside it.
    #[serde(skip)]
    pub key: PushKey,
    /// The event's `createdDate`; for REST the time of the push.
    pub said: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<Time>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(Label, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refs: Vec<RefUpdate>,
    /// By their ids ([`commit_id`](crate::domain::commit_id)).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commits: Vec<(String, Commit)>,
    /// It was asked for by itself: then nobody tells of more commits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
}

/// A ref that a push moved, made or removed: zeros stand for none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RefUpdate {
    pub name: String,
    pub old: Option<String>,
    pub new: Option<String>,
}

impl PushFact {
    pub(crate) fn name_people(&mut self, names: &Names) {
        names.in_labels(&mut self.labels);
        names.in_commits(&mut self.commits);
    }

    /// A fact that says nothing yet.
    #[must_use]
    pub fn new(key: PushKey, said: Time) -> Self {
        Self { key, said, pushed: None, labels: Vec::new(), refs: Vec::new(), commits: Vec::new(), whole: false }
    }
}
