//! Whether the clusters have a commit of the manifests.

use std::collections::BTreeMap;

use super::parts::{Commit, Parts, Sync};
use super::row::Cluster;

/// What the clusters told, and in which order the commits of each repository follow each other.
pub(super) struct Clusters<'p> {
    by_cluster: BTreeMap<&'p str, Vec<&'p Sync>>,
    /// By their ids, each with its position.
    places: BTreeMap<&'p str, (&'p Commit, usize)>,
}

impl<'p> Clusters<'p> {
    pub(super) fn new(parts: &'p Parts) -> Self {
        let mut commits: Vec<&Commit> = parts.manifest_commits.iter().collect();
        commits.sort_by(|one, other| one.place().cmp(&other.place()));
        let place = |(at, commit): (usize, &&'p Commit)| (commit.id.as_str(), (*commit, at));
        let places = commits.iter().enumerate().map(place).collect();
        let mut by_cluster: BTreeMap<&str, Vec<&Sync>> = BTreeMap::new();
        for sync in &parts.syncs {
            by_cluster.entry(&sync.cluster).or_default().push(sync);
        }
        by_cluster.values_mut().for_each(|syncs| syncs.sort_by_key(|sync| (sync.at, &sync.commit)));
        Self { by_cluster, places }
    }

    /// A cluster that has a later commit of the same branch has this one, too.
    pub(super) fn of(&self, commit: &str) -> Vec<Cluster> {
        let told = |(name, syncs): (&&str, &Vec<&'p Sync>)| {
            let synced = syncs.iter().find(|sync| sync.succeeded && self.has(&sync.commit, commit));
            let own = syncs.iter().rev().find(|sync| sync.commit == commit);
            let sync = synced.or(own)?;
            let (synced, state) = (synced.is_some(), sync.state.clone());
            Some(Cluster { name: (*name).to_owned(), synced, state, at: sync.at })
        };
        self.by_cluster.iter().filter_map(told).collect()
    }

    fn has(&self, synced: &str, commit: &str) -> bool {
        let place = |id: &str| self.places.get(id);
        let is_later = || {
            let both = place(synced).zip(place(commit));
            both.is_some_and(|((one, at), (other, before))| is_of_one_branch(one, other) && at >= before)
        };
        synced == commit || is_later()
    }
}

/// Where nobody says the branch, it may be the same.
fn is_of_one_branch(one: &Commit, other: &Commit) -> bool {
    let shared = one.refs.is_empty() || other.refs.is_empty() || one.refs.iter().any(|name| other.refs.contains(name));
    one.repository == other.repository && shared
}
