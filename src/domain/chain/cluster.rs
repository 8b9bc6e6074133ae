//! Whether the clusters have a commit of the manifests.

use std::collections::BTreeMap;

use super::parts::{Commit, Parts, Sync};
use super::row::Cluster;
use super::rules::Chain;
use crate::domain::link::{Certainty, Rule};

/// What the clusters told, and in which order the commits of each repository follow each other.
pub(super) struct Clusters<'p> {
    /// By their names, in small letters: a tag of Flux 1 has no others.
    by_cluster: BTreeMap<String, (&'p str, Vec<&'p Sync>)>,
    /// By their ids, each with its position.
    places: BTreeMap<&'p str, (&'p Commit, usize)>,
}

impl<'p> Clusters<'p> {
    pub(super) fn new(chain: &'p Chain, parts: &'p Parts) -> Self {
        let mut commits: Vec<&Commit> = parts.manifest_commits.iter().collect();
        commits.sort_by(|one, other| one.place().cmp(&other.place()));
        let place = |(at, commit): (usize, &&'p Commit)| (commit.id.as_str(), (*commit, at));
        let places = commits.iter().enumerate().map(place).collect();
        let mut by_cluster: BTreeMap<String, (&str, Vec<&Sync>)> = BTreeMap::new();
        for sync in &parts.syncs {
            let name = chain.cluster_of(&sync.cluster);
            let (known, syncs) = by_cluster.entry(name.to_lowercase()).or_insert((name, Vec::new()));
            // Small letters are greater.
            *known = name.max(known);
            syncs.push(sync);
        }
        by_cluster.values_mut().for_each(|(_, syncs)| syncs.sort_by_key(|sync| (sync.at, &sync.commit)));
        Self { by_cluster, places }
    }

    /// A cluster that has a later commit of the same branch has this one, too. `certainty` is that of the commit.
    pub(super) fn of(&self, commit: &str, certainty: Certainty) -> Vec<Cluster> {
        let told = |(name, syncs): &(&str, Vec<&'p Sync>)| {
            let having = |sync: &&'p Sync| Some((*sync, self.having(&sync.commit, commit)?));
            let synced = syncs.iter().filter(|sync| sync.succeeded).find_map(having);
            let own = || syncs.iter().rev().find(|sync| sync.commit == commit).copied();
            let (sync, (rule, how)) = synced.or_else(|| Some((own()?, TOLD)))?;
            let (synced, state) = (synced.is_some(), sync.state.clone());
            let certainty = how.min(certainty);
            Some(Cluster { name: (*name).to_owned(), synced, state, at: sync.at, rule, certainty })
        };
        self.by_cluster.values().filter_map(told).collect()
    }

    /// How it is known that who has a commit has the other one.
    fn having(&self, synced: &str, commit: &str) -> Option<(Rule, Certainty)> {
        if synced == commit {
            return Some(TOLD);
        }
        let ((one, at), (other, before)) = self.places.get(synced).zip(self.places.get(commit))?;
        let shared = one.refs.iter().any(|name| other.refs.contains(name));
        // Where nobody says the branch, it may be the same.
        let may_share = shared || one.refs.is_empty() || other.refs.is_empty();
        if one.repository != other.repository || !may_share || at < before {
            return None;
        }
        let is_sure = shared && one.came() > other.came();
        Some((Rule::LaterCommit, if is_sure { Certainty::Certain } else { Certainty::Likely }))
    }
}

/// Of the very commit.
const TOLD: (Rule, Certainty) = (Rule::ClusterTold, Certainty::Certain);
