//! What each deployment was: how it ended, what it brought, what became of it.

use super::chains::Chains;
use super::changes::Changes;
use super::material::{Deployed, Incident, Line, Material, Name, Update};
use super::{Commit, Map, Set, Terms};
use crate::domain::Time;

/// A deployment with what is to be said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Index into [`Material::deployments`].
    pub deployment: usize,
    /// The successful one that was there before; only of one that succeeded.
    pub replaces: Option<usize>,
    /// It brought back an older commit than was there.
    pub rolls_back: bool,
    /// One of these rolled it back.
    pub rolled_back_by: Option<usize>,
    /// Indices into [`Material::incidents`].
    pub incidents: Vec<usize>,
    pub is_rework: bool,
    /// Only of one that succeeded.
    pub changes: Option<Changes>,
    /// Of one that failed, once it is over.
    pub recovered: Option<Recovered>,
}

/// When and by what a failure was over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    pub at: Time,
    /// The deployment, by its index, or else the incident's resolution.
    pub by: Option<usize>,
}

impl Judged {
    /// It failed, was rolled back, or an incident followed.
    #[must_use]
    pub fn failed(&self, of: &Deployed) -> bool {
        !of.succeeded() || self.rolled_back_by.is_some() || !self.incidents.is_empty()
    }

    /// Of all deployments, in the order of [`Material::deployments`].
    #[must_use]
    pub fn all(material: &Material, terms: &Terms) -> Vec<Self> {
        let mut judge = Judge::new(material, terms);
        judge.link_incidents();
        for line in in_order(material) {
            judge.judge_line(&line);
        }
        judge.judged
    }
}

/// The deployments of each line, in the order in which they came.
fn in_order(material: &Material) -> Vec<Vec<usize>> {
    let mut lines = vec![Vec::new(); material.lines.len()];
    for (at, deployed) in material.deployments.iter().enumerate() {
        if let Some(line) = lines.get_mut(deployed.line) {
            line.push(at);
        }
    }
    let rank = |at: &usize| material.deployments.get(*at).map(Deployed::rank);
    lines.iter_mut().for_each(|line| line.sort_by(|one, other| rank(one).cmp(&rank(other))));
    lines
}

struct Judge<'m> {
    material: &'m Material,
    terms: &'m Terms,
    chains: Chains<'m>,
    judged: Vec<Judged>,
}

impl<'m> Judge<'m> {
    fn new(material: &'m Material, terms: &'m Terms) -> Self {
        let blank = |deployment| Judged {
            deployment,
            replaces: None,
            rolls_back: false,
            rolled_back_by: None,
            incidents: Vec::new(),
            is_rework: false,
            changes: None,
            recovered: None,
        };
        let judged = (0..material.deployments.len()).map(blank).collect();
        Self { material, terms, chains: Chains::new(material), judged }
    }

    fn deployed(&self, at: usize) -> Option<&'m Deployed> {
        self.material.deployments.get(at)
    }

    fn set(&mut self, at: usize, with: impl FnOnce(&mut Judged)) {
        if let Some(judged) = self.judged.get_mut(at) {
            with(judged);
        }
    }

    /// Each to the deployment that it names, or to the latest production deployment before it. Who names one may have seen
    /// it fail before it was over.
    fn link_incidents(&mut self) {
        let mut production: Vec<(&Deployed, usize)> = Vec::new();
        for (at, deployed) in self.material.deployments.iter().enumerate() {
            if self.material.lines.get(deployed.line).is_some_and(|line| line.production) {
                production.push((deployed, at));
            }
        }
        production.sort_by_key(|(deployed, _)| self.material.rank(deployed));
        for (number, incident) in self.material.incidents.iter().enumerate() {
            let before = production.partition_point(|(deployed, _)| deployed.finished <= incident.opened);
            let fits = |(deployed, _): &&(&Deployed, usize)| {
                self.material.lines.get(deployed.line).is_some_and(|line| concerns(incident, line, deployed))
            };
            let is_named = incident.run.is_some() || incident.commit.is_some();
            let later = production.get(before..).unwrap_or_default().iter().find(fits).filter(|_| is_named);
            let found = production.iter().take(before).rev().find(fits).or(later).map(|(_, at)| *at);
            found.into_iter().for_each(|at| self.set(at, |judged| judged.incidents.push(number)));
        }
    }

    fn judge_line(&mut self, line: &[usize]) {
        let first_runs = self.first_runs(line);
        let mut current: Option<usize> = None;
        let mut been: Set<&Commit> = Set::default();
        for at in line {
            let Some(deployed) = self.deployed(*at).filter(|deployed| deployed.succeeded()) else { continue };
            let before = current.and_then(|at| self.deployed(at));
            let way = before.and_then(|before| self.way(*at, deployed, before));
            let back =
                way.is_none() && current.is_some_and(|before| self.is_older(deployed, before, &first_runs, &been));
            let changes =
                if back { Changes::Known(Vec::new()) } else { self.changes(deployed, before, way.as_deref()) };
            self.set(*at, |judged| {
                (judged.replaces, judged.rolls_back, judged.changes) = (current, back, Some(changes));
            });
            if let Some(replaced) = current.filter(|_| back) {
                self.set(replaced, |judged| judged.rolled_back_by = Some(*at));
            }
            been.extend(&deployed.commit);
            current = Some(*at);
        }
        self.judge_recovery(line);
        self.judge_rework(line);
    }

    /// The first run that brought each commit: the numbers of runs grow as commits do.
    fn first_runs(&self, line: &[usize]) -> Map<&'m Commit, u64> {
        let mut first = Map::default();
        for deployed in line.iter().filter_map(|at| self.deployed(*at)) {
            if let Some(commit) = &deployed.commit {
                first.entry(commit).and_modify(|run: &mut u64| *run = deployed.run.min(*run)).or_insert(deployed.run);
            }
        }
        first
    }

    /// The pushes from one to the other, where they tell; none where it brought the same again.
    fn way(&self, at: usize, deployed: &Deployed, before: &Deployed) -> Option<Vec<&'m Update>> {
        let (Some(commit), Some(old)) = (&deployed.commit, &before.commit) else { return None };
        if commit == old { Some(Vec::new()) } else { self.chains.between(at, old, commit) }
    }

    /// No push tells that it is newer, but one may tell that it is older. Else a commit is older that an earlier run
    /// brought, if it has been there or is of the same branch: two branches are neither older nor newer.
    fn is_older(
        &self,
        deployed: &Deployed,
        before: usize,
        first_runs: &Map<&Commit, u64>,
        been: &Set<&Commit>,
    ) -> bool {
        let Some(replaced) = self.deployed(before) else { return false };
        let (Some(commit), Some(old)) = (&deployed.commit, &replaced.commit) else { return false };
        if self.chains.between(before, commit, old).is_some() {
            return true;
        }
        let comparable = been.contains(commit) || (deployed.branch.is_some() && deployed.branch == replaced.branch);
        comparable && first_runs.get(commit) < first_runs.get(old)
    }

    fn changes(&self, deployed: &Deployed, before: Option<&Deployed>, way: Option<&[&Update]>) -> Changes {
        if !deployed.brought.is_empty() {
            return Changes::Known(self.chains.commits(deployed, &deployed.brought));
        }
        match (before, way) {
            (None, _) => Changes::First,
            (Some(_), Some(way)) => Changes::Known(self.chains.commits_of(deployed, way)),
            (Some(_), None) => self.built(deployed),
        }
    }

    fn built(&self, deployed: &Deployed) -> Changes {
        let Deployed { compared, built, .. } = deployed;
        match (compared.is_empty(), built.is_empty()) {
            (false, _) => Changes::Known(self.chains.commits(deployed, compared)),
            (true, false) => Changes::Likely(self.chains.commits(deployed, built)),
            (true, true) => Changes::Unknown,
        }
    }

    /// The next that succeeded, or the resolution of an incident, whichever came first. What only an incident says failed
    /// has not recovered before that began.
    fn judge_recovery(&mut self, line: &[usize]) {
        // The latest first.
        let mut later: Vec<(Time, usize)> = Vec::new();
        for at in line.iter().rev() {
            let Some(deployed) = self.deployed(*at) else { continue };
            let recovered = self.judged.get(*at).filter(|judged| judged.failed(deployed)).and_then(|judged| {
                let incidents = || judged.incidents.iter().filter_map(|at| self.material.incidents.get(*at));
                let of_itself = !deployed.succeeded() || judged.rolled_back_by.is_some();
                let began = incidents().map(|incident| incident.opened).min().filter(|_| !of_itself);
                let next = later.iter().rev().find(|(at, _)| began.is_none_or(|began| began <= *at));
                let by_next = next.map(|(at, by)| Recovered { at: *at, by: Some(*by) });
                let resolved = incidents().filter_map(|incident| incident.resolved).min();
                let by_incident = resolved.map(|at| Recovered { at: at.max(deployed.finished), by: None });
                [by_next, by_incident].into_iter().flatten().min_by_key(|recovered| recovered.at)
            });
            self.set(*at, |judged| judged.recovered = recovered);
            if deployed.succeeded() {
                later.push((deployed.finished, *at));
            }
        }
    }

    fn judge_rework(&mut self, line: &[usize]) {
        let linked = line.iter().filter_map(|at| self.judged.get(*at)).flat_map(|judged| &judged.incidents);
        let mut opened: Vec<Time> =
            linked.filter_map(|at| self.material.incidents.get(*at)).map(|incident| incident.opened).collect();
        opened.sort_unstable();
        for at in line {
            let Some(deployed) = self.deployed(*at) else { continue };
            let since = deployed.finished.minus(self.terms.rework_within);
            let first = opened.partition_point(|opened| *opened < since);
            let follows = opened.get(first).is_some_and(|opened| *opened < deployed.finished);
            let is_fix = self
                .judged
                .get(*at)
                .is_some_and(|judged| judged.rolls_back || (follows && self.is_fix(deployed, judged.changes.as_ref())));
            self.set(*at, |judged| judged.is_rework = is_fix);
        }
    }

    fn is_fix(&self, deployed: &Deployed, changes: Option<&Changes>) -> bool {
        let names = |text: &Option<Name>| text.as_deref().is_some_and(|text| self.terms.names_fix(text));
        let changes = changes.and_then(Changes::commits).unwrap_or_default();
        let requests = changes.iter().filter_map(|change| self.material.requests.get(change.request?));
        deployed.is_fix
            || names(&deployed.branch)
            || requests.into_iter().any(|of| names(&of.source) || names(&of.title))
    }
}

/// Whether the incident may come from this deployment.
fn concerns(incident: &Incident, line: &Line, deployed: &Deployed) -> bool {
    let same = |said: &Option<Name>, is: Option<&Name>| match (said, is) {
        (Some(said), Some(is)) => said.eq_ignore_ascii_case(is),
        (None, _) => true,
        (Some(_), None) => false,
    };
    let id = line.pipeline.to_string();
    let is_pipeline = incident.pipeline.as_deref().is_none_or(|said| said == id)
        || same(&incident.pipeline, line.pipeline_name.as_ref());
    incident.organization == line.organization
        && same(&incident.project, line.project.as_ref())
        && same(&incident.environment, Some(&line.environment))
        && incident.run.is_none_or(|run| run == deployed.run)
        && (incident.commit.is_none() || incident.commit == deployed.commit)
        && is_pipeline
}
