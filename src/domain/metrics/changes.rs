//! Which commits a deployment brought.
//!
//! Told by the pushes: each says from which commit to which a branch was moved, so they make a chain. From the commit that
//! was deployed it is followed back to the one that was deployed before. Where a link is missing, what the runs since then
//! say that they built stands for it, and is told apart: one of those runs may not have been asked. Where nobody asked,
//! nobody knows, and nothing is guessed from times: a push that got lost would look like none.

use std::collections::{BTreeSet, HashMap};

use super::material::{Deployed, Material, Name, Update};

/// What came with a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// Nothing is known to have been there before.
    First,
    /// Pushes are missing, or the commit, and nobody asked what was built.
    Unknown,
    /// Pushes are missing; these were built since the deployment before.
    Likely(Vec<Change>),
    Known(Vec<Change>),
}

impl Changes {
    /// `None` where they are not known.
    #[must_use]
    pub fn commits(&self) -> Option<&[Change]> {
        match self {
            Self::Known(commits) | Self::Likely(commits) => Some(commits),
            Self::First | Self::Unknown => None,
        }
    }
}

/// One commit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    pub commit: Name,
    /// Index into [`Material::requests`].
    pub request: Option<usize>,
}

/// So many pushes are between two deployments at most: then somebody looks at a loop.
const MOST_PUSHES: usize = 10_000;

/// Ways back along branches.
#[derive(Debug)]
pub(super) struct Chains<'m> {
    updates: HashMap<(&'m str, &'m str, &'m str), Vec<&'m Update>>,
    /// By merge commit.
    requests: HashMap<(&'m str, &'m str), usize>,
    material: &'m Material,
}

impl<'m> Chains<'m> {
    pub(super) fn new(material: &'m Material) -> Self {
        let mut updates: HashMap<_, Vec<_>> = HashMap::with_capacity(material.updates.len());
        for update in &material.updates {
            updates.entry((&*update.organization, &*update.branch, &*update.new)).or_default().push(update);
        }
        let merge = |(at, request): (usize, &'m super::MergedRequest)| ((&*request.organization, &*request.merge), at);
        let requests = material.requests.iter().enumerate().map(merge).collect();
        Self { updates, requests, material }
    }

    fn organization(&self, of: &Deployed) -> &'m str {
        self.material.lines.get(of.line).map(|line| &*line.organization).unwrap_or_default()
    }

    /// The update that brought the branch of the deployment to this commit.
    fn update(&self, of: &Deployed, commit: &str) -> Option<&'m Update> {
        let key = (self.organization(of), of.branch.as_deref()?, commit);
        let same = |update: &&&Update| match (&update.repository, &of.repository) {
            (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
            (_, _) => true,
        };
        self.updates.get(&key)?.iter().find(same).copied()
    }

    /// The updates on the branch of `of` that lead from one commit to another, the latest first.
    pub(super) fn between(&self, of: &Deployed, after: &str, upto: &str) -> Option<Vec<&'m Update>> {
        let mut way = Vec::new();
        let mut at = upto;
        while at != after {
            let update = self.update(of, at).filter(|_| way.len() < MOST_PUSHES)?;
            way.push(update);
            at = update.old.as_deref()?;
        }
        Some(way)
    }

    /// The commits that these updates brought.
    pub(super) fn commits_of(&self, of: &Deployed, updates: &[&Update]) -> Vec<Change> {
        self.commits(of, updates.iter().flat_map(|update| update.commits.iter().chain([&update.new])))
    }

    /// These commits. In place of a merge stand those that were merged: they tell when the work was done, and a squash
    /// would hide them.
    pub(super) fn commits<'c>(&self, of: &Deployed, commits: impl IntoIterator<Item = &'c Name>) -> Vec<Change> {
        let organization = self.organization(of);
        let mut found: BTreeSet<Name> = BTreeSet::new();
        let mut merged: HashMap<Name, usize> = HashMap::new();
        for commit in commits {
            let request = self.requests.get(&(organization, &**commit)).copied();
            let known = request.and_then(|at| Some((at, self.material.requests.get(at)?)));
            match known.filter(|(_, request)| !request.commits.is_empty()) {
                Some((at, request)) => merged.extend(request.commits.iter().map(|commit| (commit.clone(), at))),
                None => {
                    found.insert(commit.clone());
                    merged.extend(request.map(|at| (commit.clone(), at)));
                }
            }
        }
        found.extend(merged.keys().cloned());
        let change = |commit: Name| Change { request: merged.get(&commit).copied(), commit };
        found.into_iter().map(change).collect()
    }
}
