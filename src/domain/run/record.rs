use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::attempts::Attempts;
use super::claims::Claims;
use super::fact::{ApprovalStatement, Consumed, Guarded, MOST_APPROVERS, RunFact, UsedImage};
use super::failure::Failure;
use super::origin::Resources;
use super::room::{self, Part, Room, Weigh};
use crate::domain::join::join_max;
use crate::domain::text::{MOST_NAME, MOST_WORD, weight};
use crate::domain::{ApprovalStatus, Change, Join, Label, RunKey, Said, Time, entries};

/// What stages, jobs and approvals may take of the stored form, in bytes and by what they weigh: room for some 250
/// stages and 500 jobs of which everybody spoke in every state, and more where fewer did.
///
/// With the labels and the run's own statements, and the last part of each that may overhang, this stays below what
/// a row of a table holds in binary, even where base64 is counted.
pub(crate) const ROOM_OF_STAGES: usize = 200_000;
const ROOM_OF_JOBS: usize = 420_000;
pub(crate) const ROOM_OF_APPROVALS: usize = 90_000;

/// One statement about an approval takes no more, without id and status.
const APPROVAL: usize = 208 + MOST_WORD + MOST_NAME + MOST_APPROVERS;

/// The join of all that was said about one run.
///
/// Nothing here is a decision: what is shown follows from it by [`RunRecord::shown`]. Entries that this
/// version does not know (speakers, states, labels, whole parts) stay in it and are written back; a new field
/// inside an entry would not, so it has to raise [`RunRecord::VERSION`].
///
/// Of stages, jobs and approvals the greatest are kept, by name and then attempt, or by id and then status, that there
/// is room for: see the module `room`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    v: u32,
    /// Stored beside it.
    #[serde(skip)]
    key: RunKey,
    #[serde(default, with = "labels")]
    pub(super) labels: BTreeMap<Label, Said<String>>,
    #[serde(default)]
    pub(super) run: Claims,
    #[serde(default)]
    pub(super) stages: BTreeMap<String, Attempts>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "entries")]
    pub(super) jobs: BTreeMap<JobKey, Attempts>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) approvals: BTreeMap<String, Approval>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<Box<Failure>>,
    /// Few runs have any, and a record is moved about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) consumed: Option<Box<Resources<Consumed>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) images: Option<Box<Resources<UsedImage>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) guarded: Option<Box<Resources<Guarded>>>,
    #[serde(flatten)]
    unknown: BTreeMap<String, serde_json::Value>,
}

/// A job is named by its stage and the attempt of it: every stage may have a `__default`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct JobKey {
    pub(crate) stage: String,
    pub(crate) name: String,
    pub(crate) stage_attempt: Option<u32>,
}

impl Weigh for JobKey {
    fn weight(&self) -> usize {
        weight(&self.stage) + weight(&self.name)
    }
}

/// What is said of one approval, by status.
pub(crate) type Approval = BTreeMap<ApprovalStatus, ApprovalStatement>;

fn approval_weight(id: usize, status: &ApprovalStatus) -> usize {
    APPROVAL + id + weight(status.as_str())
}

impl Part for Approval {
    fn weight(&self, key: usize) -> usize {
        self.keys().map(|status| approval_weight(key, status)).sum()
    }

    fn cut(&mut self, key: usize, room: &mut Room) {
        let without = self.keys().rev().find(|status| !room.take(approval_weight(key, status)));
        if let Some(without) = without.cloned() {
            self.retain(|status, _| *status > without);
        }
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

/// Labels by the time when they were said, as one event says most of them: `[[said, {label: text}]]`.
pub(crate) mod labels {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use crate::domain::{Label, Said, Time};

    pub(crate) fn serialize<S: Serializer>(
        labels: &BTreeMap<Label, Said<String>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut by_time: BTreeMap<Time, BTreeMap<&Label, &str>> = BTreeMap::new();
        for (label, Said(said, text)) in labels {
            by_time.entry(*said).or_default().insert(label, text);
        }
        serializer.collect_seq(by_time)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Label, Said<String>>, D::Error> {
        let by_time = Vec::<(Time, BTreeMap<Label, String>)>::deserialize(deserializer)?;
        let labels = by_time
            .into_iter()
            .flat_map(|(said, labels)| labels.into_iter().map(move |(label, text)| (label, Said(said, text))));
        Ok(labels.collect())
    }
}

impl RunRecord {
    /// The version of the stored form. A record with a greater one is not for this program.
    pub const VERSION: u32 = 1;

    /// The record of a run of which nothing was said.
    #[must_use]
    pub fn new(key: RunKey) -> Self {
        Self {
            v: Self::VERSION,
            key,
            labels: BTreeMap::new(),
            run: Claims::default(),
            stages: BTreeMap::new(),
            jobs: BTreeMap::new(),
            approvals: BTreeMap::new(),
            failure: None,
            consumed: None,
            images: None,
            guarded: None,
            unknown: BTreeMap::new(),
        }
    }

    pub(crate) fn decode(key: &RunKey, text: &str) -> serde_json::Result<Self> {
        Ok(Self { key: key.clone(), ..serde_json::from_str(text)? })
    }

    /// The record of nothing but `fact`.
    #[must_use]
    pub fn of(fact: &RunFact) -> Self {
        let mut record = Self::new(fact.key.clone());
        record.add(fact);
        record
    }

    pub(crate) fn keep_unknown(&mut self, other: &Self) {
        self.unknown.absorb(other.unknown.clone());
    }

    /// Joins what `fact` says, which is about the same run.
    pub fn add(&mut self, fact: &RunFact) {
        debug_assert_eq!(self.key, fact.key, "a fact of another run");
        for (label, text) in &fact.labels {
            self.add_label(label, fact.said, text);
        }
        if let Some((state, says)) = &fact.run {
            self.run.add(fact.kind.speaker_on_run(), state.clone(), says.clone());
        }
        for stage in &fact.stages {
            let attempts = self.stages.entry(stage.name.clone()).or_default();
            attempts.add(stage.attempt, fact.kind.speaker_on_stage(), stage.state.clone(), stage.says.clone());
        }
        for job in &fact.jobs {
            let key = JobKey { stage: job.stage.clone(), name: job.name.clone(), stage_attempt: job.stage_attempt };
            let attempts = self.jobs.entry(key).or_default();
            attempts.add(job.attempt, fact.kind.speaker_on_job(), job.state.clone(), job.says.clone());
        }
        for approval in &fact.approvals {
            let said = BTreeMap::from([(approval.status.clone(), approval.says.clone())]);
            self.approvals.entry(approval.id.clone()).or_default().absorb(said);
        }
        room::cut(&mut self.stages, ROOM_OF_STAGES);
        room::cut(&mut self.jobs, ROOM_OF_JOBS);
        room::cut(&mut self.approvals, ROOM_OF_APPROVALS);
        if fact.failure.as_ref() > self.failure.as_deref() {
            self.failure = fact.failure.clone().map(Box::new);
        }
        if !fact.consumed.is_empty() {
            let said = Resources::of(fact.said, &fact.consumed, |used| &used.alias);
            self.consumed.get_or_insert_default().absorb(said);
        }
        if !fact.images.is_empty() {
            self.images.get_or_insert_default().absorb(Resources::of(fact.said, &fact.images, |used| &used.alias));
        }
        if let Some(guarded) = fact.guarded.as_deref() {
            let said = Resources::of(fact.said, std::slice::from_ref(guarded), |guarded| &guarded.approval);
            self.guarded.get_or_insert_default().absorb(said);
        }
    }

    /// Most events repeat the labels: the text is copied only where it wins.
    fn add_label(&mut self, label: &Label, at: Time, text: &str) {
        match self.labels.get_mut(label) {
            Some(Said(said, known)) if (at, text) <= (*said, known.as_str()) => {}
            Some(Said(said, known)) => {
                *said = at;
                text.clone_into(known);
            }
            None => drop(self.labels.insert(label.clone(), Said(at, text.to_owned()))),
        }
    }

    #[must_use]
    pub fn key(&self) -> &RunKey {
        &self.key
    }
}

/// Join part by part. Both must be about the same run.
impl Join for RunRecord {
    fn join(&mut self, other: Self) -> Change {
        debug_assert_eq!(self.key, other.key, "records of different runs");
        join_max(&mut self.v, other.v)
            .or(self.labels.join(other.labels))
            .or(self.run.join(other.run))
            .or(room::join(&mut self.stages, other.stages, ROOM_OF_STAGES))
            .or(room::join(&mut self.jobs, other.jobs, ROOM_OF_JOBS))
            .or(room::join(&mut self.approvals, other.approvals, ROOM_OF_APPROVALS))
            .or(join_max(&mut self.failure, other.failure))
            .or(join_some(&mut self.consumed, other.consumed))
            .or(join_some(&mut self.images, other.images))
            .or(join_some(&mut self.guarded, other.guarded))
            .or(self.unknown.join(other.unknown))
    }
}

/// Few records have any.
fn join_some<T: Join + Default>(mine: &mut Option<Box<T>>, other: Option<Box<T>>) -> Change {
    match other {
        Some(other) => mine.get_or_insert_default().join(*other),
        None => Change::Unchanged,
    }
}
