//! Where branches stood, push by push.
//!
//! Each push says from which commit to which a branch was moved, so they make a chain, which is followed back from the
//! commit that was deployed to the one that was deployed before.

use super::commit::ByCommit;
use super::material::{Deployed, Material, Update};
use super::{Change, Commit, Map};

/// A branch of an organization, in a repository as deployments say it.
type Key<'m> = (&'m str, &'m str, Option<&'m str>);
/// The number of a [`Key`].
type Branch = u32;
/// The place of a [`Node`].
type Place = u32;

/// Ways back along branches.
#[derive(Debug)]
pub(super) struct Chains<'m> {
    nodes: Vec<Node<'m>>,
    /// The first node of each commit, on whatever branch, and those on other branches: few have commits in common.
    first: ByCommit<Place>,
    others: Map<(Branch, Commit), Place>,
    /// Of each deployment, where it stands.
    of: Vec<Option<Branch>>,
    requests: Requests<'m>,
    material: &'m Material,
}

/// That a branch was moved to a commit, the first time where there were several.
#[derive(Debug)]
struct Node<'m> {
    update: &'m Update,
    branch: Branch,
    /// The one that brought what was there before.
    parent: Option<Place>,
    back: Back,
}

/// How far a way goes back.
#[derive(Clone, Copy, Debug)]
enum Back {
    NotYetKnown,
    BeingCounted,
    /// By so many pushes, to this commit.
    Known(u32, Option<Commit>),
}

/// So many pushes are between two deployments at most: no more commits than that can be shown.
const MOST_PUSHES: usize = 10_000;

impl<'m> Chains<'m> {
    pub(super) fn new(material: &'m Material) -> Self {
        let mut chains = Self {
            nodes: Vec::with_capacity(material.updates.len()),
            first: ByCommit::among(&material.commits),
            others: Map::default(),
            of: Vec::with_capacity(material.deployments.len()),
            requests: Requests::new(material),
            material,
        };
        let pushes = Pushes::new(material);
        let mut numbers: Map<Key<'_>, Branch> = Map::default();
        let mut known: Map<(usize, usize), Option<Branch>> = Map::default();
        for deployed in &material.deployments {
            let branch = *known.entry((deployed.line, deployed.origin)).or_insert_with(|| {
                let key = chains.key(deployed)?;
                let next = place(numbers.len());
                Some(*numbers.entry(key).or_insert_with(|| {
                    chains.add(next, pushes.to(key));
                    next
                }))
            });
            chains.of.push(branch);
        }
        chains
    }

    fn key(&self, of: &'m Deployed) -> Option<Key<'m>> {
        let origin = self.material.origin(of)?;
        Some((self.material.organization(of), origin.branch.as_deref()?, origin.repository.as_deref()))
    }

    fn node(&self, at: Place) -> Option<&Node<'m>> {
        self.nodes.get(usize::try_from(at).ok()?)
    }

    fn node_mut(&mut self, at: Place) -> Option<&mut Node<'m>> {
        self.nodes.get_mut(usize::try_from(at).ok()?)
    }

    /// Where the branch was at this commit.
    fn at(&self, branch: Branch, commit: Commit) -> Option<Place> {
        let first = self.first.get(commit)?;
        if self.node(first)?.branch == branch { Some(first) } else { self.others.get(&(branch, commit)).copied() }
    }

    fn add(&mut self, branch: Branch, updates: impl Iterator<Item = &'m Update>) {
        let first = place(self.nodes.len());
        for update in updates {
            let (commit, next) = (update.new, place(self.nodes.len()));
            if self.at(branch, commit).is_some() {
                continue;
            }
            if self.first.get(commit).is_none() {
                self.first.insert(commit, next);
            } else {
                self.others.insert((branch, commit), next);
            }
            self.nodes.push(Node { update, branch, parent: None, back: Back::NotYetKnown });
        }
        let added = first..place(self.nodes.len());
        for at in added.clone() {
            let old = self.node(at).and_then(|node| node.update.old);
            let parent = old.and_then(|old| self.at(branch, old));
            self.node_mut(at).into_iter().for_each(|node| node.parent = parent);
        }
        let mut way = Vec::new();
        added.for_each(|at| self.count(at, &mut way));
    }

    /// A branch that was set back may go in circles: these are cut where they close.
    fn count(&mut self, upto: Place, way: &mut Vec<Place>) {
        let mut at = Some(upto);
        let mut known = None;
        while let Some(node) = at.and_then(|at| self.node_mut(at)) {
            match node.back {
                Back::NotYetKnown => {
                    node.back = Back::BeingCounted;
                    way.extend(at);
                    at = node.parent;
                }
                Back::BeingCounted => {
                    if let Some(last) = way.last().and_then(|last| self.node_mut(*last)) {
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
        for at in way.drain(..).rev() {
            let Some(node) = self.node_mut(at) else { continue };
            let (pushes, first) = known.unwrap_or((0, node.update.old));
            node.back = Back::Known(pushes + 1, first);
            known = Some((pushes + 1, first));
        }
    }

    fn back(&self, at: Place) -> Option<(u32, Option<Commit>)> {
        match self.node(at)?.back {
            Back::Known(pushes, first) => Some((pushes, first)),
            Back::NotYetKnown | Back::BeingCounted => None,
        }
    }

    /// Finds the updates on the branch of a deployment, by its index, that lead from one commit to another, the latest
    /// first; answers whether they do.
    pub(super) fn find(&self, of: usize, between: (Commit, Commit), way: &mut Vec<&'m Update>) -> bool {
        way.clear();
        self.of.get(of).copied().flatten().is_some_and(|branch| self.walk(branch, between, way).is_some())
    }

    /// No further back than `after` is: most who ask in vain would walk to the very first push.
    fn walk(&self, branch: Branch, (after, upto): (Commit, Commit), way: &mut Vec<&'m Update>) -> Option<()> {
        let mut at = self.at(branch, upto)?;
        let (mut left, first) = self.back(at)?;
        let floor = match self.at(branch, after) {
            _ if first == Some(after) => 0,
            Some(after) => self.back(after)?.0,
            None => return None,
        };
        while left > floor {
            let Node { update, parent, .. } = self.node(at).filter(|_| way.len() < MOST_PUSHES)?;
            way.push(*update);
            if update.old == Some(after) {
                return Some(());
            }
            (at, left) = ((*parent)?, left - 1);
        }
        None
    }

    /// The commits that these updates brought.
    pub(super) fn commits_of(&self, of: &Deployed, updates: &[&Update], found: &mut Vec<Change>) {
        let told = updates.iter().flat_map(|update| {
            let new = Some(update.new).filter(|new| !update.commits.contains(new));
            update.commits.iter().copied().chain(new)
        });
        self.commits(of, told, found);
    }

    /// These commits, each once. In place of a merge stand those that were merged: they tell when the work was done, and a
    /// squash would hide them.
    pub(super) fn commits(&self, of: &Deployed, commits: impl Iterator<Item = Commit>, found: &mut Vec<Change>) {
        found.clear();
        for commit in commits {
            let request = self.requests.merged(of, commit);
            let merged = request.and_then(|at| self.material.requests.get(at)).map(|request| &request.commits);
            match merged.filter(|commits| !commits.is_empty()) {
                Some(commits) => found.extend(commits.iter().map(|commit| Change { commit: *commit, request })),
                None => found.push(Change { commit, request }),
            }
        }
        // One that came alone and by a pull request came by that.
        found.sort_unstable_by(|one, other| (one.commit, other.request).cmp(&(other.commit, one.request)));
        found.dedup_by(|other, one| other.commit == one.commit);
    }
}

/// Pull requests by the commits by which they were merged.
#[derive(Debug)]
struct Requests<'m> {
    last: ByCommit<u32>,
    /// Of each, the one before it with the same commit: few, since organizations have no commits in common.
    earlier: Vec<Option<u32>>,
    material: &'m Material,
}

impl<'m> Requests<'m> {
    fn new(material: &'m Material) -> Self {
        let mut last = ByCommit::among(&material.commits);
        let earlier = material.requests.iter().zip(0..).map(|(request, at)| last.insert(request.merge, at)).collect();
        Self { last, earlier, material }
    }

    /// The last that was told, where several have it.
    fn merged(&self, of: &Deployed, merge: Commit) -> Option<usize> {
        let mut at = self.last.get(merge);
        loop {
            let place = usize::try_from(at?).ok()?;
            if *self.material.requests.get(place)?.organization == *self.material.organization(of) {
                return Some(place);
            }
            at = self.earlier.get(place).copied().flatten();
        }
    }
}

/// The same branch in each repository, with the updates that moved it.
type OfRepositories<'m> = Map<Option<&'m str>, Vec<usize>>;

/// Updates by the branch that they moved, each list in the order of [`Material::updates`].
struct Pushes<'m> {
    material: &'m Material,
    /// By organization and branch.
    of: Map<(&'m str, &'m str), OfRepositories<'m>>,
}

impl<'m> Pushes<'m> {
    fn new(material: &'m Material) -> Self {
        let mut of_branches = vec![Vec::new(); material.branches.len()];
        for (at, update) in material.updates.iter().enumerate() {
            of_branches.get_mut(update.branch).into_iter().for_each(|of: &mut Vec<usize>| of.push(at));
        }
        let mut of: Map<_, OfRepositories<'_>> = Map::default();
        for (branch, updates) in material.branches.iter().zip(of_branches) {
            let repositories = of.entry((&*branch.organization, &*branch.name)).or_default();
            repositories.insert(branch.repository.as_deref(), updates);
        }
        Self { material, of }
    }

    fn to(&self, (organization, branch, repository): Key<'_>) -> impl Iterator<Item = &'m Update> {
        let mut found = Vec::new();
        if let Some(all) = self.of.get(&(organization, branch)) {
            match repository.map(str::to_lowercase) {
                Some(small) => {
                    [Some(&*small), None].iter().filter_map(|of| all.get(of)).for_each(|of| found.extend(of))
                }
                None => all.values().for_each(|of| found.extend(of)),
            }
        }
        found.sort_unstable();
        found.into_iter().filter_map(|at: usize| self.material.updates.get(at))
    }
}

/// There are not more of them than numbers: each takes more memory.
fn place(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
