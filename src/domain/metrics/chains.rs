//! Where branches stood, push by push.
//!
//! Each push says from which commit to which a branch was moved, so they make a chain, which is followed back from the
//! commit that was deployed to the one that was deployed before.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::material::{Deployed, Material, Update};
use super::{Change, Commit, Map};

/// A branch of an organization, in a repository by its name in small letters.
type Key<'m> = (&'m str, &'m str, Option<&'m str>);

/// Ways back along branches.
#[derive(Debug)]
pub(super) struct Chains<'m> {
    /// Of what repository, as deployments say it: then also pushes that do not say theirs. Without one, those of any.
    branches: Vec<Branch<'m>>,
    /// Of each deployment, which of these.
    of: Vec<Option<usize>>,
    /// By merge commit; each list is short, since organizations have no commits in common.
    requests: Map<Commit, Vec<usize>>,
    material: &'m Material,
}

impl<'m> Chains<'m> {
    pub(super) fn new(material: &'m Material) -> Self {
        let mut requests: Map<Commit, Vec<usize>> = Map::default();
        for (at, request) in material.requests.iter().enumerate() {
            requests.entry(request.merge.clone()).or_default().push(at);
        }
        let mut chains = Self { branches: Vec::new(), of: Vec::new(), requests, material };
        let pushes = Pushes::new(&material.updates);
        let mut known: Map<Key<'_>, usize> = Map::default();
        for deployed in &material.deployments {
            let branch = chains.key(deployed).map(|key| {
                *known.entry(key).or_insert_with(|| {
                    chains.branches.push(Branch::new(pushes.to(key)));
                    chains.branches.len() - 1
                })
            });
            chains.of.push(branch);
        }
        chains
    }

    fn organization(&self, of: &Deployed) -> &'m str {
        self.material.lines.get(of.line).map(|line| &*line.organization).unwrap_or_default()
    }

    fn key(&self, of: &'m Deployed) -> Option<Key<'m>> {
        Some((self.organization(of), of.branch.as_deref()?, of.repository.as_deref()))
    }

    /// The updates on the branch of a deployment, by its index, that lead from one commit to another, the latest first.
    pub(super) fn between(&self, of: usize, after: &Commit, upto: &Commit) -> Option<Vec<&'m Update>> {
        let branch = self.of.get(of).copied().flatten()?;
        self.branches.get(branch)?.between(after, upto)
    }

    /// The commits that these updates brought.
    pub(super) fn commits_of<'u>(&self, of: &Deployed, updates: &[&'u Update]) -> Vec<Change> {
        let told = |update: &'u Update| {
            let new = Some(&update.new).filter(|new| !update.commits.contains(new));
            update.commits.iter().chain(new)
        };
        self.commits(of, updates.iter().flat_map(|update| told(update)))
    }

    /// These commits. In place of a merge stand those that were merged: they tell when the work was done, and a squash
    /// would hide them.
    pub(super) fn commits<'c>(&self, of: &Deployed, commits: impl IntoIterator<Item = &'c Commit>) -> Vec<Change> {
        let mut found = Vec::new();
        for commit in commits {
            let request = self.request(of, commit);
            let merged = request.and_then(|at| self.material.requests.get(at)).map(|request| &request.commits);
            match merged.filter(|commits| !commits.is_empty()) {
                Some(commits) => found.extend(commits.iter().map(|commit| Change { commit: commit.clone(), request })),
                None => found.push(Change { commit: commit.clone(), request }),
            }
        }
        if found.len() > 1 {
            // One that came alone and by a pull request came by that.
            found.sort_unstable_by(|one, other| (&one.commit, other.request).cmp(&(&other.commit, one.request)));
            found.dedup_by(|other, one| other.commit == one.commit);
        }
        found
    }

    /// The last that was told, where several have it.
    fn request(&self, of: &Deployed, merge: &Commit) -> Option<usize> {
        let organization = self.organization(of);
        let is_here = |at: &&usize| {
            self.material.requests.get(**at).is_some_and(|request| *request.organization == *organization)
        };
        self.requests.get(merge)?.iter().rev().find(is_here).copied()
    }
}

/// Updates by what they moved, each list in the order of [`Material::updates`].
struct Pushes<'m> {
    all: &'m [Update],
    told: Map<Key<'m>, Vec<usize>>,
    of_any: Map<(&'m str, &'m str), Vec<usize>>,
}

impl<'m> Pushes<'m> {
    fn new(all: &'m [Update]) -> Self {
        // Texts are shared: what tells them apart is compared once for each.
        let mut same: Map<_, Vec<usize>> = Map::default();
        for (at, update) in all.iter().enumerate() {
            let repository = update.repository.as_ref().map(Arc::as_ptr);
            let texts = (Arc::as_ptr(&update.organization), Arc::as_ptr(&update.branch), repository);
            same.entry(texts).or_default().push(at);
        }
        let mut pushes = Self { told: Map::default(), of_any: Map::default(), all };
        for some in same.into_values() {
            let Some(update) = some.first().and_then(|at| all.get(*at)) else { continue };
            let (organization, branch) = (&*update.organization, &*update.branch);
            pushes.of_any.entry((organization, branch)).or_default().extend(&some);
            pushes.told.entry((organization, branch, update.repository.as_deref())).or_default().extend(some);
        }
        pushes.told.values_mut().chain(pushes.of_any.values_mut()).for_each(|of| of.sort_unstable());
        pushes
    }

    fn to(&self, (organization, branch, repository): Key<'_>) -> impl Iterator<Item = &'m Update> {
        let small = repository.map(str::to_lowercase);
        let told = |repository| self.told.get(&(organization, branch, repository)).map_or(&[][..], Vec::as_slice);
        let found = match &small {
            Some(repository) => {
                let mut found = [told(Some(repository)), told(None)].concat();
                found.sort_unstable();
                found
            }
            None => self.of_any.get(&(organization, branch)).cloned().unwrap_or_default(),
        };
        found.into_iter().filter_map(|at| self.all.get(at))
    }
}

/// So many pushes are between two deployments at most: no more commits than that can be shown.
const MOST_PUSHES: usize = 10_000;

#[derive(Debug)]
struct Branch<'m> {
    nodes: Vec<Node<'m>>,
    /// By the commit to which the branch was moved; the first time where there were several.
    by_commit: Map<Commit, usize>,
}

#[derive(Debug)]
struct Node<'m> {
    update: &'m Update,
    /// The one that brought what was there before.
    parent: Option<usize>,
    back: Back<'m>,
}

/// How far a way goes back.
#[derive(Clone, Copy, Debug)]
enum Back<'m> {
    NotYetKnown,
    BeingCounted,
    /// By so many pushes, to this commit.
    Known(usize, Option<&'m Commit>),
}

impl<'m> Branch<'m> {
    fn new(updates: impl Iterator<Item = &'m Update>) -> Self {
        let mut branch = Self { nodes: Vec::new(), by_commit: Map::default() };
        for update in updates {
            if let Entry::Vacant(first) = branch.by_commit.entry(update.new.clone()) {
                first.insert(branch.nodes.len());
                branch.nodes.push(Node { update, parent: None, back: Back::NotYetKnown });
            }
        }
        for node in &mut branch.nodes {
            node.parent = node.update.old.as_ref().and_then(|old| branch.by_commit.get(old).copied());
        }
        (0..branch.nodes.len()).for_each(|at| branch.count(at));
        branch
    }

    /// A branch that was set back may go in circles: these are cut where they close.
    fn count(&mut self, upto: usize) {
        let mut way = Vec::new();
        let mut at = Some(upto);
        let mut known = None;
        while let Some(node) = at.and_then(|at| self.nodes.get_mut(at)) {
            match node.back {
                Back::NotYetKnown => {
                    node.back = Back::BeingCounted;
                    way.extend(at);
                    at = node.parent;
                }
                Back::BeingCounted => {
                    if let Some(last) = way.last().and_then(|last| self.nodes.get_mut(*last)) {
                        last.parent = None;
                    }
                    break;
                }
                Back::Known(pushes, first) => {
                    known = Some((pushes, first));
                    break;
                }
            }
        }
        for at in way.into_iter().rev() {
            let Some(node) = self.nodes.get_mut(at) else { continue };
            let (pushes, first) = known.unwrap_or((0, node.update.old.as_ref()));
            node.back = Back::Known(pushes + 1, first);
            known = Some((pushes + 1, first));
        }
    }

    fn back(&self, at: usize) -> Option<(usize, Option<&'m Commit>)> {
        match self.nodes.get(at)?.back {
            Back::Known(pushes, first) => Some((pushes, first)),
            Back::NotYetKnown | Back::BeingCounted => None,
        }
    }

    /// No further back than `after` is: most who ask in vain would walk to the very first push.
    fn between(&self, after: &Commit, upto: &Commit) -> Option<Vec<&'m Update>> {
        let mut at = self.by_commit.get(upto).copied();
        let (mut left, first) = self.back(at?)?;
        let floor = match self.by_commit.get(after) {
            _ if first == Some(after) => 0,
            Some(after) => self.back(*after)?.0,
            None => return None,
        };
        let mut way = Vec::new();
        while left > floor {
            let Node { update, parent, .. } = self.nodes.get(at?).filter(|_| way.len() < MOST_PUSHES)?;
            way.push(*update);
            if update.old.as_ref() == Some(after) {
                return Some(way);
            }
            (at, left) = (*parent, left - 1);
        }
        None
    }
}
