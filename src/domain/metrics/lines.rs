//! What came to each line, one deployment after the other.

use std::cmp::Reverse;
use std::ops::Range;

use super::chains::Chains;
use super::changes::{Change, Changes};
use super::judged::{Failure, Judged, Recovered};
use super::material::{Brought, Deployed, Material, Update};
use super::threads::share;
use super::{Commit, Map, Terms};
use crate::domain::Time;

/// What is to be said of all that came to a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OfLine {
    /// In the order in which it came.
    pub(super) judged: Vec<Judged>,
    pub(super) changes: Vec<Change>,
}

/// What all lines are judged by.
#[derive(Debug)]
pub(super) struct Judges<'m> {
    material: &'m Material,
    terms: &'m Terms,
    chains: Chains<'m>,
}

impl<'m> Judges<'m> {
    pub(super) fn new(material: &'m Material, terms: &'m Terms) -> Self {
        Self { material, terms, chains: Chains::new(material) }
    }

    /// No line has to do with another, so whoever has time takes the next: those to which most came first.
    pub(super) fn judge(&self, lines: &mut [OfLine]) {
        let mut lines: Vec<_> = lines.iter_mut().filter(|line| !line.judged.is_empty()).collect();
        lines.sort_by_key(|line| Reverse(line.judged.len()));
        share(self.material.deployments.len(), lines, |next| {
            let mut fixes = Fixes::new(self.material, self.terms);
            while let Some(line) = next() {
                Judge::new(self, &mut fixes, line).judge();
            }
        });
    }
}

/// When a commit came first.
struct Earliest {
    /// The numbers of runs grow as commits do.
    run: u64,
    /// The place of the first success with it.
    success: Option<usize>,
}

/// Judges a line, whose deployments it knows by their places in the order in which they came.
struct Judge<'j, 'm> {
    material: &'m Material,
    terms: &'m Terms,
    chains: &'j Chains<'m>,
    fixes: &'j mut Fixes<'m>,
    deployed: Vec<&'m Deployed>,
    found: &'j mut OfLine,
}

impl<'j, 'm> Judge<'j, 'm> {
    fn new(by: &'j Judges<'m>, fixes: &'j mut Fixes<'m>, found: &'j mut OfLine) -> Self {
        let Judges { material, terms, ref chains } = *by;
        let deployed = found.judged.iter().filter_map(|judged| material.deployments.get(judged.deployment)).collect();
        Self { material, terms, chains, fixes, deployed, found }
    }

    fn deployed(&self, at: usize) -> Option<&'m Deployed> {
        self.deployed.get(at).copied()
    }

    /// Its index into [`Material::deployments`].
    fn index(&self, at: usize) -> Option<usize> {
        self.found.judged.get(at).map(|judged| judged.deployment)
    }

    fn failure(&self, at: usize) -> Option<&Failure> {
        self.found.judged.get(at)?.failure.as_deref()
    }

    fn set(&mut self, at: usize, with: impl FnOnce(&mut Judged)) {
        if let Some(judged) = self.found.judged.get_mut(at) {
            with(judged);
        }
    }

    fn judge(&mut self) {
        let earliest = self.earliest();
        let mut current: Option<usize> = None;
        let (mut way, mut brought) = (Vec::new(), Vec::new());
        for at in 0..self.deployed.len() {
            let Some(deployed) = self.deployed(at).filter(|deployed| deployed.succeeded()) else { continue };
            let before = current.and_then(|at| self.deployed(at));
            let is_forward = before.is_some_and(|before| self.is_way(at, deployed, before, &mut way));
            let back = !is_forward && current.is_some_and(|before| self.is_older(at, before, &earliest));
            let changes = match back {
                true => Changes::Known(0..0),
                false => self.changes(deployed, before, is_forward.then_some(&way), &mut brought),
            };
            let replaces = current.and_then(|before| self.index(before));
            self.set(at, |judged| {
                (judged.replaces, judged.rolls_back, judged.changes) = (replaces, back, Some(changes));
            });
            if let Some(replaced) = current.filter(|_| back) {
                let by = self.index(at);
                self.set(replaced, |judged| judged.failed().rolled_back_by = by);
            }
            current = Some(at);
        }
        self.judge_recovery();
        self.judge_rework();
    }

    fn earliest(&self) -> Map<Commit, Earliest> {
        let mut all: Map<Commit, Earliest> = Map::default();
        all.reserve(self.deployed.len());
        for (deployed, at) in self.deployed.iter().zip(0..) {
            if let Some(commit) = deployed.commit {
                let earliest = all.entry(commit).or_insert(Earliest { run: deployed.run, success: None });
                earliest.run = deployed.run.min(earliest.run);
                earliest.success = earliest.success.or_else(|| deployed.succeeded().then_some(at));
            }
        }
        all
    }

    /// Finds the pushes from one to the other; answers whether they tell. None of them where it brought the same again.
    fn is_way(&self, at: usize, deployed: &Deployed, before: &Deployed, way: &mut Vec<&'m Update>) -> bool {
        way.clear();
        let (Some(commit), Some(old)) = (deployed.commit, before.commit) else { return false };
        commit == old || self.index(at).is_some_and(|at| self.chains.find(at, (old, commit), way))
    }

    /// No push tells that it is newer, but one may tell that it is older. Else a commit is older that an earlier run
    /// brought, if it has been there or is of the same branch: two branches are neither older nor newer.
    fn is_older(&self, at: usize, before: usize, earliest: &Map<Commit, Earliest>) -> bool {
        let (Some(deployed), Some(replaced)) = (self.deployed(at), self.deployed(before)) else { return false };
        let (Some(commit), Some(old)) = (deployed.commit, replaced.commit) else { return false };
        if self.index(before).is_some_and(|index| self.chains.find(index, (commit, old), &mut Vec::new())) {
            return true;
        }
        let branch = |of| self.material.origin(of).and_then(|origin| origin.branch.as_ref());
        let is_same_branch = || branch(deployed).is_some() && branch(deployed) == branch(replaced);
        let (Some(commit), Some(old)) = (earliest.get(&commit), earliest.get(&old)) else { return false };
        let has_been = commit.success.is_some_and(|success| success < at);
        (has_been || is_same_branch()) && commit.run < old.run
    }

    /// What came after the one before it, by the pushes between the two where they tell. `found` is used on the way.
    fn changes(
        &mut self,
        of: &Deployed,
        before: Option<&Deployed>,
        way: Option<&[&Update]>,
        found: &mut Vec<Change>,
    ) -> Changes {
        let said = |commits: fn(&Brought) -> &Vec<Commit>| {
            let commits = of.brought.as_deref().map(commits).filter(|commits| !commits.is_empty());
            commits.map(|commits| commits.iter().copied())
        };
        if let Some(told) = said(|brought| &brought.told) {
            self.chains.commits(of, told, found);
            return Changes::Known(self.keep(found));
        }
        match (before, way) {
            (None, _) => return Changes::First,
            (Some(_), Some(way)) => self.chains.commits_of(of, way, found),
            (Some(_), None) => match (said(|brought| &brought.compared), said(|brought| &brought.built)) {
                (Some(compared), _) => self.chains.commits(of, compared, found),
                (None, Some(built)) => {
                    self.chains.commits(of, built, found);
                    return Changes::Likely(self.keep(found));
                }
                (None, None) => return Changes::Unknown,
            },
        }
        Changes::Known(self.keep(found))
    }

    fn keep(&mut self, changes: &[Change]) -> Range<usize> {
        let from = self.found.changes.len();
        self.found.changes.extend_from_slice(changes);
        from..self.found.changes.len()
    }

    /// The next that succeeded, or the resolution of an incident, whichever came first. What only an incident says failed
    /// has not recovered before that began.
    fn judge_recovery(&mut self) {
        // The latest first.
        let mut later: Vec<(Time, usize)> = Vec::new();
        for at in (0..self.deployed.len()).rev() {
            let Some(deployed) = self.deployed(at) else { continue };
            if let Some(failure) = self.failure(at) {
                let recovered = self.recovered(deployed, failure, &later);
                self.set(at, |judged| judged.failed().recovered = recovered);
            }
            if deployed.succeeded() {
                later.push((deployed.finished, at));
            }
        }
    }

    fn recovered(&self, deployed: &Deployed, failure: &Failure, later: &[(Time, usize)]) -> Option<Recovered> {
        let incidents = || failure.incidents.iter().filter_map(|at| self.material.incidents.get(*at));
        let of_itself = !deployed.succeeded() || failure.rolled_back_by.is_some();
        let began = incidents().map(|incident| incident.opened).min().filter(|_| !of_itself);
        let next = later.iter().rev().find(|(at, _)| began.is_none_or(|began| began <= *at));
        let by_next = next.map(|(at, by)| Recovered { at: *at, by: self.index(*by) });
        let resolved = incidents().filter_map(|incident| incident.resolved).min();
        let by_incident = resolved.map(|at| Recovered { at: at.max(deployed.finished), by: None });
        [by_next, by_incident].into_iter().flatten().min_by_key(|recovered| recovered.at)
    }

    fn judge_rework(&mut self) {
        let failures = self.found.judged.iter().filter_map(|judged| judged.failure.as_deref());
        let linked = failures.flat_map(|failure| &failure.incidents);
        let mut opened: Vec<Time> =
            linked.filter_map(|at| self.material.incidents.get(*at)).map(|incident| incident.opened).collect();
        opened.sort_unstable();
        let mut opened = opened.into_iter().peekable();
        for (deployed, judged) in self.deployed.iter().zip(&mut self.found.judged) {
            let since = deployed.finished.minus(self.terms.rework_within);
            while opened.next_if(|opened| *opened < since).is_some() {}
            let follows = opened.peek().is_some_and(|opened| *opened < deployed.finished);
            let mut is_fix = || {
                let changes = judged.changes(&self.found.changes).unwrap_or_default();
                let mut requests = changes.iter().filter_map(|change| change.request);
                deployed.is_fix || self.fixes.origin(deployed.origin) || requests.any(|at| self.fixes.request(at))
            };
            judged.is_rework = judged.rolls_back || (follows && is_fix());
        }
    }
}

/// What is named as a fix: each asked once, since several deployments have it.
struct Fixes<'m> {
    material: &'m Material,
    terms: &'m Terms,
    origins: Vec<Option<bool>>,
    requests: Vec<Option<bool>>,
}

impl<'m> Fixes<'m> {
    fn new(material: &'m Material, terms: &'m Terms) -> Self {
        let (origins, requests) = (vec![None; material.origins.len()], vec![None; material.requests.len()]);
        Self { material, terms, origins, requests }
    }

    /// By its branch.
    fn origin(&mut self, at: usize) -> bool {
        let branch = || self.material.origins.get_index(at)?.branch.as_deref();
        let named = || branch().is_some_and(|branch| self.terms.names_fix(branch));
        self.origins.get_mut(at).is_some_and(|known| *known.get_or_insert_with(named))
    }

    fn request(&mut self, at: usize) -> bool {
        let Material { requests, titles, .. } = self.material;
        let texts = || requests.get(at).into_iter().flat_map(|request| [&request.source, &request.title]);
        let named = || texts().any(|text| self.terms.names_fix(titles.get(text)));
        self.requests.get_mut(at).is_some_and(|known| *known.get_or_insert_with(named))
    }
}
