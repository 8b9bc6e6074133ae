//! Whether the clusters have a commit of the manifests.

use std::collections::BTreeMap;

use super::parts::{Commit, Parts, Sync};
use super::row::Cluster;

/// What the clusters told, and in which order the commits of each repository follow each other.
pub(super) struct Clusters<'p> {
    by_cluster: BTreeMap<&'p str, Vec<&'p Sync>>,
    /// Repository and position.
    places: BTreeMap<&'p str, (Option<&'p str>, usize)>,
}

impl<'p> Clusters<'p> {
    pub(super) fn new(parts: &'p Parts) -> Self {
        let mut commits: Vec<&Commit> = parts.manifest_commits.iter().collect();
        commits.sort_by_key(|commit| (commit.came(), &commit.id));
        let place = |(at, commit): (usize, &&'p Commit)| (commit.id.as_str(), (commit.repository.as_deref(), at));
        let places = commits.iter().enumerate().map(place).collect();
        let mut by_cluster: BTreeMap<&str, Vec<&Sync>> = BTreeMap::new();
        for sync in &parts.syncs {
            by_cluster.entry(&sync.cluster).or_default().push(sync);
        }
        by_cluster.values_mut().for_each(|syncs| syncs.sort_by_key(|sync| (sync.at, &sync.commit)));
        Self { by_cluster, places }
    }

    /// A cluster that has a later commit of the repository has this one, too.
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
        let is_later =
            place(synced).zip(place(commit)).is_some_and(|((of, at), (other, before))| of == other && at >= before);
        synced == commit || is_later
    }
}
