use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fact::{PushFact, RefUpdate};
use crate::domain::columns::{Cell, Columns, texts, times};
use crate::domain::commit::{self, Commits, ShownCommit};
use crate::domain::join::{absorb_greatest, join_greatest, join_max};
use crate::domain::labels::{self, Labels, text};
use crate::domain::{Change, Join, Label, PushKey, Said, Time};

/// Of one push so many commits are kept, and so many refs: those with the greatest names.
const MOST_COMMITS: usize = 200;
const MOST_REFS: usize = 200;

/// The join of all that was said about one push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushRecord {
    v: u32,
    /// Stored beside it.
    #[serde(skip)]
    key: PushKey,
    #[serde(default)]
    labels: Labels,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pushed: Option<Said<Time>>,
    #[serde(default)]
    refs: BTreeMap<String, Said<RefUpdate>>,
    #[serde(default)]
    commits: Commits,
    /// Somebody asked for it by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    whole: bool,
    /// The last time at which anything was said of it.
    said: Time,
    #[serde(flatten)]
    unknown: BTreeMap<String, serde_json::Value>,
}

/// A push as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownPush {
    pub key: PushKey,
    pub project_id: Option<String>,
    pub project_name: Option<Said<String>>,
    pub repository: Option<String>,
    /// The ref that the repository said is its default branch.
    pub default_branch: Option<Said<String>>,
    pub pushed_by: Option<String>,
    pub pushed: Option<Time>,
    pub refs: Vec<RefUpdate>,
    pub commits: Vec<ShownCommit>,
}

impl PushRecord {
    /// The version of the stored form. A record with a greater one is not for this program.
    pub const VERSION: u32 = 1;

    pub(crate) fn decode(key: &PushKey, text: &str) -> serde_json::Result<Self> {
        Ok(Self { key: key.clone(), ..serde_json::from_str(text)? })
    }

    /// The record of nothing but `fact`.
    #[must_use]
    pub fn of(fact: &PushFact) -> Self {
        let mut record = Self {
            v: Self::VERSION,
            key: fact.key.clone(),
            labels: labels::said(fact.said, &fact.labels),
            pushed: fact.pushed.map(|at| Said(fact.said, at)),
            refs: BTreeMap::new(),
            commits: Commits::new(),
            whole: fact.whole,
            said: fact.said,
            unknown: BTreeMap::new(),
        };
        let refs = fact.refs.iter().map(|update| (update.name.clone(), Said(fact.said, update.clone()))).collect();
        // A fact may say more than a record keeps.
        absorb_greatest(&mut record.refs, refs, MOST_REFS);
        absorb_greatest(&mut record.commits, commit::said(fact.said, &fact.commits), MOST_COMMITS);
        record
    }

    /// Joins what `fact` says, which is about the same push.
    pub fn add(&mut self, fact: &PushFact) {
        self.absorb(Self::of(fact));
    }

    pub(crate) fn keep_unknown(&mut self, other: &Self) {
        self.unknown.absorb(other.unknown.clone());
    }

    #[must_use]
    pub fn key(&self) -> &PushKey {
        &self.key
    }

    /// Whether all its commits were told that the service tells of.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// A push is over when it is told.
    pub(crate) fn ended(&self) -> Option<Time> {
        Some(self.said)
    }

    #[must_use]
    pub fn shown(&self) -> ShownPush {
        let label = |label: Label| text(&self.labels, &label);
        ShownPush {
            key: self.key.clone(),
            project_id: label(Label::ProjectId),
            project_name: self.labels.get(&Label::ProjectName).cloned(),
            repository: label(Label::Repository),
            default_branch: self.labels.get(&Label::DefaultBranch).cloned(),
            pushed_by: label(Label::PushedBy),
            pushed: self.pushed.as_ref().map(|Said(_, at)| *at),
            refs: self.refs.values().map(|Said(_, update)| update.clone()).collect(),
            commits: commit::shown(&self.commits),
        }
    }

    pub(crate) fn is_shown_like(&self, other: &Self) -> bool {
        self.shown() == other.shown()
    }

    pub(crate) fn columns(&self) -> Columns {
        let push = self.shown();
        let texts = texts([
            ("organization", Some(push.key.organization)),
            ("project", push.project_name.map(|Said(_, name)| name)),
            ("repository", push.repository),
            ("pushedBy", push.pushed_by),
            ("ref", push.refs.into_iter().next().map(|update| update.name)),
        ]);
        let number = [("pushId", Cell::Number(push.key.push))];
        number.into_iter().chain(texts).chain(times([("pushedAt", push.pushed)])).collect()
    }
}

/// Join part by part. Both must be about the same push.
impl Join for PushRecord {
    fn join(&mut self, other: Self) -> Change {
        debug_assert_eq!(self.key, other.key, "records of different pushes");
        join_max(&mut self.v, other.v)
            .or(self.labels.join(other.labels))
            .or(join_max(&mut self.pushed, other.pushed))
            .or(join_greatest(&mut self.refs, other.refs, MOST_REFS))
            .or(join_greatest(&mut self.commits, other.commits, MOST_COMMITS))
            .or(join_max(&mut self.whole, other.whole))
            .or(join_max(&mut self.said, other.said))
            .or(self.unknown.join(other.unknown))
    }
}
