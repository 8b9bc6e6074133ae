use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::IncidentFact;
use crate::domain::columns::{Columns, texts, times};
use crate::domain::join::{absorb_greatest, join_greatest, join_max};
use crate::domain::labels::{self, Labels, text};
use crate::domain::{Change, IncidentKey, IncidentTurn, Join, Label, Said, Time, entries};

/// The latest so many turns are kept.
const MOST_TURNS: usize = 200;

/// The join of all that was said about one incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentRecord {
    v: u32,
    /// Stored beside it.
    #[serde(skip)]
    key: IncidentKey,
    #[serde(default)]
    labels: Labels,
    /// By when they were.
    #[serde(default, with = "entries")]
    turns: BTreeMap<Time, Said<IncidentTurn>>,
    /// Its first opening, also where that turn is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opened: Option<Reverse<Time>>,
    /// The last time at which anything was said of it.
    said: Time,
    #[serde(flatten)]
    unknown: BTreeMap<String, serde_json::Value>,
}

/// An incident as it is shown. What is not known is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownIncident {
    pub key: IncidentKey,
    pub title: Option<String>,
    pub url: Option<String>,
    pub project: Option<String>,
    pub environment: Option<String>,
    /// The name or id of the pipeline that it names as its cause.
    pub pipeline: Option<String>,
    pub run: Option<u64>,
    pub commit: Option<String>,
    pub opened: Option<Time>,
    /// Since when it is over, if it still is.
    pub resolved: Option<Time>,
}

impl IncidentRecord {
    /// The version of the stored form. A record with a greater one is not for this program.
    pub const VERSION: u32 = 1;

    pub(crate) fn decode(key: &IncidentKey, text: &str) -> serde_json::Result<Self> {
        Ok(Self { key: key.clone(), ..serde_json::from_str(text)? })
    }

    /// The record of nothing but `fact`.
    #[must_use]
    pub fn of(fact: &IncidentFact) -> Self {
        let opened = fact.turns.iter().filter(|(_, turn)| *turn == IncidentTurn::Opened).map(|(at, _)| *at);
        let mut record = Self {
            v: Self::VERSION,
            key: fact.key.clone(),
            labels: labels::said(fact.said, &fact.labels),
            turns: BTreeMap::new(),
            opened: opened.min().map(Reverse),
            said: fact.said,
            unknown: BTreeMap::new(),
        };
        for (at, turn) in &fact.turns {
            let told = BTreeMap::from([(*at, Said(fact.said, turn.clone()))]);
            absorb_greatest(&mut record.turns, told, MOST_TURNS);
        }
        record
    }

    /// Joins what `fact` says, which is about the same incident.
    pub fn add(&mut self, fact: &IncidentFact) {
        self.absorb(Self::of(fact));
    }

    pub(crate) fn keep_unknown(&mut self, other: &Self) {
        self.unknown.absorb(other.unknown.clone());
    }

    #[must_use]
    pub fn key(&self) -> &IncidentKey {
        &self.key
    }

    /// When the last was said of it, if it is resolved.
    pub(crate) fn ended(&self) -> Option<Time> {
        self.resolved().map(|_| self.said)
    }

    /// Nobody says twice that it is over: the first of the last turns that say so.
    fn resolved(&self) -> Option<Time> {
        let over = self.turns.iter().rev().take_while(|(_, Said(_, turn))| *turn == IncidentTurn::Resolved);
        over.last().map(|(at, _)| *at)
    }

    #[must_use]
    pub fn shown(&self) -> ShownIncident {
        let label = |label: Label| text(&self.labels, &label);
        ShownIncident {
            key: self.key.clone(),
            title: label(Label::Title),
            url: label(Label::Url),
            project: label(Label::ProjectName),
            environment: label(Label::Environment),
            pipeline: label(Label::PipelineName),
            run: label(Label::Run).and_then(|run| run.parse().ok()),
            commit: label(Label::Commit),
            opened: self.opened.map(|Reverse(at)| at),
            resolved: self.resolved(),
        }
    }

    pub(crate) fn is_shown_like(&self, other: &Self) -> bool {
        self.shown() == other.shown()
    }

    pub(crate) fn columns(&self) -> Columns {
        let incident = self.shown();
        let texts = texts([
            ("organization", Some(incident.key.organization)),
            ("incident", Some(incident.key.id)),
            ("project", incident.project),
            ("title", incident.title),
            ("environment", incident.environment),
            ("pipeline", incident.pipeline),
        ]);
        texts.chain(times([("openedAt", incident.opened), ("resolvedAt", incident.resolved)])).collect()
    }
}

/// Join part by part. Both must be about the same incident.
impl Join for IncidentRecord {
    fn join(&mut self, other: Self) -> Change {
        debug_assert_eq!(self.key, other.key, "records of different incidents");
        join_max(&mut self.v, other.v)
            .or(self.labels.join(other.labels))
            .or(join_greatest(&mut self.turns, other.turns, MOST_TURNS))
            .or(join_max(&mut self.opened, other.opened))
            .or(join_max(&mut self.said, other.said))
            .or(self.unknown.join(other.unknown))
    }
}
