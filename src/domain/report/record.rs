use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ReportFact, ReportSaid};
use crate::domain::columns::{Columns, texts, times};
use crate::domain::join::join_max;
use crate::domain::{Change, Join, Label, ReportKey, Time};

/// The latest so many times are kept at which it was told.
const MOST_TIMES: usize = 500;
/// What comes again so soon is the same.
const AGAIN: Duration = Duration::from_secs(600);

/// The join of all that was told in the same words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRecord {
    v: u32,
    /// Stored beside it.
    #[serde(skip)]
    key: ReportKey,
    says: ReportSaid,
    times: BTreeSet<Time>,
    #[serde(flatten)]
    unknown: BTreeMap<String, serde_json::Value>,
}

impl ReportRecord {
    /// The version of the stored form. A record with a greater one is not for this program.
    pub const VERSION: u32 = 1;

    pub(crate) fn decode(key: &ReportKey, text: &str) -> serde_json::Result<Self> {
        Ok(Self { key: key.clone(), ..serde_json::from_str(text)? })
    }

    /// The record of nothing but `fact`.
    #[must_use]
    pub fn of(fact: &ReportFact) -> Self {
        Self {
            v: Self::VERSION,
            key: fact.key.clone(),
            says: fact.says.clone(),
            times: BTreeSet::from([fact.said]),
            unknown: BTreeMap::new(),
        }
    }

    /// Joins what `fact` says, which is the same.
    pub fn add(&mut self, fact: &ReportFact) {
        self.absorb(Self::of(fact));
    }

    pub(crate) fn keep_unknown(&mut self, other: &Self) {
        self.unknown.absorb(other.unknown.clone());
    }

    #[must_use]
    pub fn key(&self) -> &ReportKey {
        &self.key
    }

    /// What was told is over when it is told.
    pub(crate) fn ended(&self) -> Option<Time> {
        self.times.last().copied()
    }

    #[must_use]
    pub fn says(&self) -> &ReportSaid {
        &self.says
    }

    /// When it happened, the first time first.
    #[must_use]
    pub fn happened(&self) -> Vec<Time> {
        let mut last: Option<Time> = None;
        let mut happened = Vec::new();
        for at in &self.times {
            let is_again = last.is_some_and(|last| self.says.id.is_some() || at.since(last) <= AGAIN);
            happened.extend((!is_again).then_some(*at));
            last = Some(*at);
        }
        happened
    }

    pub(crate) fn is_shown_like(&self, other: &Self) -> bool {
        self.says == other.says && self.happened() == other.happened()
    }

    pub(crate) fn columns(&self) -> Columns {
        let label = |label: Label| self.says.label(&label).map(str::to_owned);
        let texts = texts([
            ("organization", Some(self.key.organization.clone())),
            ("event", Some(self.says.kind.as_str().to_owned())),
            ("pipeline", label(Label::PipelineName)),
            ("environment", label(Label::Environment)),
            ("result", self.says.result.as_ref().map(|result| result.as_str().to_owned())),
            ("commit", label(Label::Commit)),
        ]);
        texts.chain(times([("happenedAt", self.happened().pop())])).collect()
    }
}

fn join_times(this: &mut BTreeSet<Time>, other: BTreeSet<Time>) -> Change {
    let before = this.clone();
    this.extend(other);
    while this.len() > MOST_TIMES {
        this.pop_first();
    }
    Change::of(*this != before)
}

/// Join part by part. Both must say the same.
impl Join for ReportRecord {
    fn join(&mut self, other: Self) -> Change {
        debug_assert_eq!(self.key, other.key, "records of different statements");
        join_max(&mut self.v, other.v)
            .or(join_max(&mut self.says, other.says))
            .or(join_times(&mut self.times, other.times))
            .or(self.unknown.join(other.unknown))
    }
}
