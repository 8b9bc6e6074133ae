use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ClusterFact;
use crate::domain::columns::{Columns, texts, times};
use crate::domain::join::{join_greatest, join_max};
use crate::domain::{Change, ClusterKey, Join, Said, Time};

/// So many clusters of one commit are kept: those with the greatest names.
const MOST_CLUSTERS: usize = 200;

/// The join of all that clusters said of one commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRecord {
    v: u32,
    /// Stored beside it.
    #[serde(skip)]
    key: ClusterKey,
    /// Whether it has been there once, and the latest word. What a cluster had is no longer asked for.
    #[serde(default)]
    clusters: BTreeMap<String, Told>,
    /// The last time at which anything was said of it.
    said: Time,
    #[serde(flatten)]
    unknown: BTreeMap<String, serde_json::Value>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    latest: Said<Word>,
    /// When it was told of last that the cluster has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    synced: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Word {
    state: String,
    #[serde(default)]
    succeeded: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// How far a cluster is with the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownSync {
    pub cluster: String,
    pub state: String,
    /// It has it, or had it once.
    pub succeeded: bool,
    pub message: Option<String>,
    pub at: Time,
}

impl ClusterRecord {
    /// The version of the stored form. A record with a greater one is not for this program.
    pub const VERSION: u32 = 1;

    pub(crate) fn decode(key: &ClusterKey, text: &str) -> serde_json::Result<Self> {
        Ok(Self { key: key.clone(), ..serde_json::from_str(text)? })
    }

    /// The record of nothing but `fact`.
    #[must_use]
    pub fn of(fact: &ClusterFact) -> Self {
        let word = Word { state: fact.state.clone(), succeeded: fact.succeeded, message: fact.message.clone() };
        let told = Told { latest: Said(fact.said, word), synced: fact.succeeded.then_some(fact.said) };
        Self {
            v: Self::VERSION,
            key: fact.key.clone(),
            clusters: BTreeMap::from([(fact.cluster.clone(), told)]),
            said: fact.said,
            unknown: BTreeMap::new(),
        }
    }

    /// Joins what `fact` says, which is about the same commit.
    pub fn add(&mut self, fact: &ClusterFact) {
        self.absorb(Self::of(fact));
    }

    pub(crate) fn keep_unknown(&mut self, other: &Self) {
        self.unknown.absorb(other.unknown.clone());
    }

    #[must_use]
    pub fn key(&self) -> &ClusterKey {
        &self.key
    }

    /// A cluster's word is over when it is told.
    pub(crate) fn ended(&self) -> Option<Time> {
        Some(self.said)
    }

    pub(crate) fn is_shown_like(&self, other: &Self) -> bool {
        self.shown().eq(other.shown())
    }

    /// Of the cluster that spoke last.
    pub(crate) fn columns(&self) -> Columns {
        let latest = self.shown().max_by_key(|sync| sync.at);
        let at = latest.as_ref().map(|sync| sync.at);
        let (cluster, state) = latest.map(|sync| (sync.cluster, sync.state)).unzip();
        let key = &self.key;
        let texts = texts([
            ("organization", Some(key.organization.clone())),
            ("commit", Some(key.commit.clone())),
            ("cluster", cluster),
            ("state", state),
        ]);
        texts.chain(times([("syncedAt", at)])).collect()
    }

    /// The clusters by their names.
    pub fn shown(&self) -> impl Iterator<Item = ShownSync> {
        self.clusters.iter().map(|(cluster, told)| {
            let Said(at, word) = &told.latest;
            ShownSync {
                cluster: cluster.clone(),
                state: word.state.clone(),
                succeeded: told.synced.is_some(),
                message: word.message.clone(),
                at: *at,
            }
        })
    }
}

impl Join for Told {
    fn join(&mut self, other: Self) -> Change {
        join_max(&mut self.latest, other.latest).or(join_max(&mut self.synced, other.synced))
    }
}

/// Join part by part. Both must be about the same commit.
impl Join for ClusterRecord {
    fn join(&mut self, other: Self) -> Change {
        debug_assert_eq!(self.key, other.key, "records of different commits");
        join_max(&mut self.v, other.v)
            .or(join_greatest(&mut self.clusters, other.clusters, MOST_CLUSTERS))
            .or(join_max(&mut self.said, other.said))
            .or(self.unknown.join(other.unknown))
    }
}
