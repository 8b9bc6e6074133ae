use serde::{Deserialize, Serialize};

use crate::domain::commit::MOST_COMMITS_OF_A_FACT;
use crate::domain::{Commit, Label, Names, RunKey, Time};

/// What an answer says about the commits of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangesFact {
    /// Stored beside it: that of the run.
    #[serde(skip)]
    pub key: RunKey,
    /// The time at which the run's build was last said to be so.
    pub said: Time,
    /// The earlier run that it was compared with; `None` where the service chose what came before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(Label, String)>,
    /// By their ids ([`commit_id`](crate::domain::commit_id)).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commits: Vec<(String, Commit)>,
}

impl ChangesFact {
    pub(crate) fn name_people(&mut self, names: &Names) {
        names.in_labels(&mut self.labels);
        names.in_commits(&mut self.commits);
    }

    /// The same in facts that each can be stored. Their join is that of the whole.
    #[must_use]
    pub fn in_pieces(self) -> Vec<Self> {
        if self.commits.len() <= MOST_COMMITS_OF_A_FACT {
            return vec![self];
        }
        let piece = |commits: &[(String, Commit)]| Self {
            key: self.key.clone(),
            labels: self.labels.clone(),
            commits: commits.to_vec(),
            said: self.said,
            since: self.since,
        };
        self.commits.chunks(MOST_COMMITS_OF_A_FACT).map(piece).collect()
    }
}
