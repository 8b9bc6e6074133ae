//! Where branches stood, push by push.
//!
//! Each push says from which commit to which a branch was moved, so they make a chain, which is followed back from the
//! commit that was deployed to the one that was deployed before.

use std::collections::hash_map::Entry;

use super::material::{Deployed, Material, Name, Update};
use super::{Change, Map};

/// A branch of an organization, in a repository by its name in small letters.
type Key<'m> = (&'m str, &'m str, Option<&'m str>);

/// Ways back along branches.
#[derive(Debug)]
pub(super) struct Chains<'m> {
    /// Of what repository, as deployments say it: then also pushes that do not say theirs. Without one, those of any.
    branches: Map<Key<'m>, Branch<'m>>,
    /// By merge commit.
    requests: Map<(&'m str, &'m str), usize>,
    material: &'m Material,
}

impl<'m> Chains<'m> {
    pub(super) fn new(material: &'m Material) -> Self {
        let merge = |(at, request): (usize, &'m super::MergedRequest)| ((&*request.organization, &*request.merge), at);
        let requests = material.requests.iter().enumerate().map(merge).collect();
        let mut chains = Self { branches: Map::default(), requests, material };
        let pushes = Pushes::new(&material.updates);
        for deployed in &material.deployments {
            let Some(key) = chains.key(deployed) else { continue };
            chains.branches.entry(key).or_insert_with(|| Branch::new(pushes.to(key)));
        }
        chains
    }

    fn organization(&self, of: &Deployed) -> &'m str {
        self.material.lines.get(of.line).map(|line| &*line.organization).unwrap_or_default()
    }

    fn key<'d>(&self, of: &'d Deployed) -> Option<Key<'d>>
    where
        'm: 'd,
    {
        Some((self.organization(of), of.branch.as_deref()?, of.repository.as_deref()))
    }

    /// The updates on the branch of `of` that lead from one commit to another, the latest first.
    pub(super) fn between(&self, of: &Deployed, after: &str, upto: &str) -> Option<Vec<&'m Update>> {
        self.branches.get(&self.key(of)?)?.between(after, upto)
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
    pub(super) fn commits<'c>(&self, of: &Deployed, commits: impl IntoIterator<Item = &'c Name>) -> Vec<Change> {
        let organization = self.organization(of);
        let mut found = Vec::new();
        for commit in commits {
            let request = self.requests.get(&(organization, &**commit)).copied();
            let merged = request.and_then(|at| self.material.requests.get(at)).map(|request| &request.commits);
            match merged.filter(|commits| !commits.is_empty()) {
                Some(commits) => found.extend(commits.iter().map(|commit| Change { commit: commit.clone(), request })),
                None => found.push(Change { commit: commit.clone(), request }),
            }
        }
        // One that came alone and by a pull request came by that.
        found.sort_unstable_by(|one, other| (&one.commit, other.request).cmp(&(&other.commit, one.request)));
        found.dedup_by(|other, one| other.commit == one.commit);
        found
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
        let mut pushes = Self { all, told: Map::default(), of_any: Map::default() };
        for (at, update) in all.iter().enumerate() {
            let (organization, branch) = (&*update.organization, &*update.branch);
            pushes.told.entry((organization, branch, update.repository.as_deref())).or_default().push(at);
            pushes.of_any.entry((organization, branch)).or_default().push(at);
        }
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
    by_commit: Map<&'m str, usize>,
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
    Known(usize, Option<&'m str>),
}

impl<'m> Branch<'m> {
    fn new(updates: impl Iterator<Item = &'m Update>) -> Self {
        let mut branch = Self { nodes: Vec::new(), by_commit: Map::default() };
        for update in updates {
            if let Entry::Vacant(first) = branch.by_commit.entry(&update.new) {
                first.insert(branch.nodes.len());
                branch.nodes.push(Node { update, parent: None, back: Back::NotYetKnown });
            }
        }
        for node in &mut branch.nodes {
            node.parent = node.update.old.as_deref().and_then(|old| branch.by_commit.get(old).copied());
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
            let (pushes, first) = known.unwrap_or((0, node.update.old.as_deref()));
            node.back = Back::Known(pushes + 1, first);
            known = Some((pushes + 1, first));
        }
    }

    fn back(&self, at: usize) -> Option<(usize, Option<&'m str>)> {
        match self.nodes.get(at)?.back {
            Back::Known(pushes, first) => Some((pushes, first)),
            Back::NotYetKnown | Back::BeingCounted => None,
        }
    }

    /// No further back than `after` is: most who ask in vain would walk to the very first push.
    fn between(&self, after: &str, upto: &str) -> Option<Vec<&'m Update>> {
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
            if update.old.as_deref() == Some(after) {
                return Some(way);
            }
            (at, left) = (*parent, left - 1);
        }
        None
    }
}
