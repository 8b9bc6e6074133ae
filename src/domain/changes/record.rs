use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fact::ChangesFact;
use crate::domain::columns::{Cell, Columns, texts};
use crate::domain::commit::{self, Commits, ShownCommit};
use crate::domain::join::{absorb_greatest, join_greatest, join_max};
use crate::domain::labels::{self, Labels, text};
use crate::domain::{Change, Join, Label, RunKey, Time};

/// Of one run so many commits are kept: those with the greatest ids.
const MOST_COMMITS: usize = 500;
/// A run reaches few environments, and each had another run before.
const MOST_COMPARED: usize = 4;

/// The join of all that was said about the commits of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangesRecord {
    v: u32,
    /// Stored beside it.
    #[serde(skip)]
    key: RunKey,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    commits: Commits,
    /// By the earlier run: what came since then.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    compared: BTreeMap<u64, Commits>,
    /// The last time at which anything was said of them.
    said: Time,
    #[serde(flatten)]
    unknown: BTreeMap<String, serde_json::Value>,
}

/// The commits of a run as they are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownChanges {
    pub key: RunKey,
    pub repository: Option<String>,
    pub repository_type: Option<String>,
    pub commits: Vec<ShownCommit>,
    /// With earlier runs: what came since each.
    pub compared: Vec<(u64, Vec<ShownCommit>)>,
}

impl ChangesRecord {
    /// The version of the stored form. A record with a greater one is not for this program.
    pub const VERSION: u32 = 1;

    pub(crate) fn decode(key: &RunKey, text: &str) -> serde_json::Result<Self> {
        Ok(Self { key: key.clone(), ..serde_json::from_str(text)? })
    }

    /// The record of nothing but `fact`.
    #[must_use]
    pub fn of(fact: &ChangesFact) -> Self {
        let mut record = Self {
            v: Self::VERSION,
            key: fact.key.clone(),
            labels: labels::said(fact.said, &fact.labels),
            commits: Commits::new(),
            compared: BTreeMap::new(),
            said: fact.said,
            unknown: BTreeMap::new(),
        };
        let commits = match fact.since {
            Some(run) => record.compared.entry(run).or_default(),
            None => &mut record.commits,
        };
        absorb_greatest(commits, commit::said(fact.said, &fact.commits), MOST_COMMITS);
        record
    }

    /// Joins what `fact` says, which is about the same run.
    pub fn add(&mut self, fact: &ChangesFact) {
        self.absorb(Self::of(fact));
    }

    pub(crate) fn keep_unknown(&mut self, other: &Self) {
        self.unknown.absorb(other.unknown.clone());
    }

    #[must_use]
    pub fn key(&self) -> &RunKey {
        &self.key
    }

    /// Asked for of runs that are over.
    pub(crate) fn ended(&self) -> Option<Time> {
        Some(self.said)
    }

    #[must_use]
    pub fn shown(&self) -> ShownChanges {
        ShownChanges {
            key: self.key.clone(),
            repository: text(&self.labels, &Label::Repository),
            repository_type: text(&self.labels, &Label::RepositoryType),
            commits: commit::shown(&self.commits),
            compared: self.compared.iter().map(|(run, commits)| (*run, commit::shown(commits))).collect(),
        }
    }

    pub(crate) fn is_shown_like(&self, other: &Self) -> bool {
        self.shown() == other.shown()
    }

    pub(crate) fn columns(&self) -> Columns {
        let organization = texts([("organization", Some(self.key.organization.clone()))]);
        let commits = u64::try_from(self.commits.len()).unwrap_or_default();
        let numbers = [("pipelineId", self.key.pipeline), ("runId", self.key.run), ("commits", commits)];
        organization.chain(numbers.into_iter().map(|(column, number)| (column, Cell::Number(number)))).collect()
    }
}

/// Join part by part. Both must be about the same run.
impl Join for ChangesRecord {
    fn join(&mut self, other: Self) -> Change {
        debug_assert_eq!(self.key, other.key, "commits of different runs");
        join_max(&mut self.v, other.v)
            .or(self.labels.join(other.labels))
            .or(join_greatest(&mut self.commits, other.commits, MOST_COMMITS))
            .or(join_greatest(&mut self.compared, other.compared, MOST_COMPARED))
            .or(join_max(&mut self.said, other.said))
            .or(self.unknown.join(other.unknown))
    }
}
