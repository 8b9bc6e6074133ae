use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fact::WorkItemFact;
use crate::domain::columns::{Cell, Columns, texts, times};
use crate::domain::join::{absorb_greatest, join_greatest, join_max};
use crate::domain::link::Node;
use crate::domain::{Change, Join, Label, Time, WorkItemKey, entries};

/// The latest so many revisions are kept in which the state was said.
const MOST_STATES: usize = 200;
const MOST_RELATIONS: usize = 500;

/// A value with the revision of which it was said: the greatest wins, then the greater value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Revised<T>(u64, T);

impl<T: Ord> Join for Revised<T> {
    fn join(&mut self, other: Self) -> Change {
        join_max(self, other)
    }
}

/// The state of one revision: since when, and which.
type StateSaid = (Option<Time>, String);

/// The join of all that was said about one work item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkItemRecord {
    v: u32,
    /// Stored beside it.
    #[serde(skip)]
    key: WorkItemKey,
    #[serde(default)]
    labels: BTreeMap<Label, Revised<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<Reverse<Time>>,
    /// By revision.
    #[serde(default, with = "entries")]
    states: BTreeMap<u64, Revised<StateSaid>>,
    /// Whether it is there.
    #[serde(default, with = "entries")]
    relations: BTreeMap<Node, Revised<bool>>,
    /// The latest revision of which all relations were said.
    #[serde(default)]
    all_relations: u64,
    /// The last time at which anything was said of it.
    said: Time,
    #[serde(flatten)]
    unknown: BTreeMap<String, serde_json::Value>,
}

/// A work item as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownWorkItem {
    pub key: WorkItemKey,
    pub project: Option<String>,
    pub project_id: Option<String>,
    pub kind: Option<String>,
    pub title: Option<String>,
    pub state: Option<String>,
    pub reason: Option<String>,
    pub assigned_to: Option<String>,
    pub area: Option<String>,
    pub iteration: Option<String>,
    pub parent: Option<u64>,
    /// As the service writes them: with `;` between.
    pub tags: Option<String>,
    pub url: Option<String>,
    pub created: Option<Time>,
    /// What it is linked to, without its parent.
    pub relations: Vec<Node>,
    /// Its states as far as they are known, the oldest first.
    pub states: Vec<ShownState>,
}

/// When a work item came into a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownState {
    pub state: String,
    pub since: Option<Time>,
}

impl WorkItemRecord {
    /// The version of the stored form. A record with a greater one is not for this program.
    pub const VERSION: u32 = 1;

    pub(crate) fn decode(key: &WorkItemKey, text: &str) -> serde_json::Result<Self> {
        Ok(Self { key: key.clone(), ..serde_json::from_str(text)? })
    }

    /// The record of nothing but `fact`.
    #[must_use]
    pub fn of(fact: &WorkItemFact) -> Self {
        let revision = fact.revision;
        let labels = fact.labels.iter().map(|(label, text)| (label.clone(), Revised(revision, text.clone())));
        let states = fact.state.iter().map(|state| (revision, Revised(revision, (fact.changed, state.clone()))));
        let relations = fact.relations.iter().map(|said| (said.to.clone(), Revised(revision, said.is_there)));
        let mut record = Self {
            v: Self::VERSION,
            key: fact.key.clone(),
            labels: labels.collect(),
            created: fact.created.map(Reverse),
            states: states.collect(),
            relations: BTreeMap::new(),
            all_relations: if fact.has_all_relations { revision } else { 0 },
            said: fact.said,
            unknown: BTreeMap::new(),
        };
        absorb_greatest(&mut record.relations, relations.collect(), MOST_RELATIONS);
        record
    }

    /// Joins what `fact` says, which is about the same work item.
    pub fn add(&mut self, fact: &WorkItemFact) {
        self.absorb(Self::of(fact));
    }

    pub(crate) fn keep_unknown(&mut self, other: &Self) {
        self.unknown.absorb(other.unknown.clone());
    }

    #[must_use]
    pub fn key(&self) -> &WorkItemKey {
        &self.key
    }

    /// Never: which states are final is for each process to say, so nothing is taken for over.
    #[expect(clippy::unused_self, reason = "every kind of record is asked")]
    pub(crate) fn ended(&self) -> Option<Time> {
        None
    }

    /// Revisions in which the state was the same as before are none.
    fn shown_states(&self) -> Vec<ShownState> {
        let mut shown: Vec<ShownState> = Vec::new();
        for Revised(_, (since, state)) in self.states.values() {
            if shown.last().is_none_or(|last| last.state != *state) {
                shown.push(ShownState { state: state.clone(), since: *since });
            }
        }
        shown
    }

    #[must_use]
    pub fn shown(&self) -> ShownWorkItem {
        // An empty text is what was cleared.
        let told = |label: Label| self.labels.get(&label).map(|Revised(_, text)| text.clone());
        let label = |label: Label| told(label).filter(|text| !text.is_empty());
        let is_there = |said: &Revised<bool>| said.1 && said.0 >= self.all_relations;
        let there = self.relations.iter().filter(|(_, said)| is_there(said)).map(|(to, _)| to);
        let states = self.shown_states();
        ShownWorkItem {
            key: self.key.clone(),
            project: label(Label::ProjectName),
            project_id: label(Label::ProjectId),
            kind: label(Label::WorkItemType),
            title: label(Label::Title),
            state: states.last().map(|last| last.state.clone()),
            reason: label(Label::Reason),
            assigned_to: label(Label::AssignedTo),
            area: label(Label::Area),
            iteration: label(Label::Iteration),
            parent: label(Label::Parent).and_then(|parent| parent.parse().ok()),
            tags: label(Label::Tags),
            url: label(Label::Url),
            created: self.created.map(|Reverse(at)| at),
            relations: there.cloned().collect(),
            states,
        }
    }

    pub(crate) fn is_shown_like(&self, other: &Self) -> bool {
        self.shown() == other.shown()
    }

    pub(crate) fn columns(&self) -> Columns {
        let item = self.shown();
        let texts = texts([
            ("organization", Some(item.key.organization)),
            ("project", item.project),
            ("type", item.kind),
            ("title", item.title),
            ("state", item.state),
            ("assignedTo", item.assigned_to),
        ]);
        [("workItemId", Cell::Number(item.key.id))]
            .into_iter()
            .chain(texts)
            .chain(times([("createdAt", item.created)]))
            .collect()
    }
}

/// Join part by part. Both must be about the same work item.
impl Join for WorkItemRecord {
    fn join(&mut self, other: Self) -> Change {
        debug_assert_eq!(self.key, other.key, "records of different work items");
        join_max(&mut self.v, other.v)
            .or(self.labels.join(other.labels))
            .or(join_max(&mut self.created, other.created))
            .or(join_greatest(&mut self.states, other.states, MOST_STATES))
            .or(join_greatest(&mut self.relations, other.relations, MOST_RELATIONS))
            .or(join_max(&mut self.all_relations, other.all_relations))
            .or(join_max(&mut self.said, other.said))
            .or(self.unknown.join(other.unknown))
    }
}
