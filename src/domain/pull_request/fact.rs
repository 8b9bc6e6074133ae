use serde::{Deserialize, Serialize};

use crate::domain::{Label, Names, PullRequestKey, PullRequestStatus, Time};

/// What one event or REST answer says about a pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequestFact {
    /// Stored beside it.
    #[serde(skip)]
    pub key: PullRequestKey,
    /// The event's `createdDate`; for REST when it was closed, else created.
    pub said: Time,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(Label, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<(PullRequestStatus, StatusSaid)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commits: Vec<(CommitRole, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub votes: Vec<VoteSaid>,
    /// There was an approving vote at the latest then. Only events tell: REST knows no time of a vote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Time>,
    /// Work items that title and description name, where these were said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_items: Option<Vec<u64>>,
}

/// One statement about a pull request in one status. The latest wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StatusSaid {
    pub said: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Time>,
}

/// What a commit is to a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CommitRole {
    /// It is listed among those that are to be merged.
    Source,
    /// It is the merge: once completed that on the target branch, before that one made to try it.
    Merge,
    /// It is the last of those that are to be merged: the end of the source branch. Told also where none are listed.
    Head,
}

/// What a reviewer says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Vote {
    /// 10 approved, 5 approved with suggestions, 0 none, -5 waiting for the author, -10 rejected.
    pub vote: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// It is a team, whose vote follows from its members'.
    #[serde(default)]
    pub is_team: bool,
}

impl Vote {
    #[must_use]
    pub fn approves(&self) -> bool {
        self.vote > 0
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteSaid {
    /// The reviewer's id.
    pub id: String,
    pub vote: Vote,
}

impl PullRequestFact {
    pub(crate) fn name_people(&mut self, names: &Names) {
        names.in_labels(&mut self.labels);
        for said in &mut self.votes {
            said.id = names.identity(&said.id);
            said.vote.name = said.vote.name.as_deref().and_then(|name| names.kept(name));
        }
    }

    /// A fact that says nothing yet.
    #[must_use]
    pub fn new(key: PullRequestKey, said: Time) -> Self {
        Self {
            key,
            said,
            labels: Vec::new(),
            status: None,
            commits: Vec::new(),
            votes: Vec::new(),
            approved: None,
            work_items: None,
        }
    }
}
