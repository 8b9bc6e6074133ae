//! What each deployment was: how it ended, what it brought, what became of it.

use std::ops::Range;

use super::chains::Chains;
use super::changes::{Change, Changes};
use super::material::{Brought, Deployed, Incident, Line, Material, Name, Update};
use super::{Commit, Map, Set, Terms};
use crate::domain::Time;

/// What is to be said about all deployments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// In the order in which they came.
    pub all: Vec<Judged>,
    changes: Vec<Change>,
}

/// A deployment with what is to be said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Index into [`Material::deployments`].
    pub deployment: usize,
    /// The successful one that was there before; only of one that succeeded.
    pub replaces: Option<usize>,
    /// It brought back an older commit than was there.
    pub rolls_back: bool,
    pub is_rework: bool,
    /// Only of one that succeeded.
    pub changes: Option<Changes>,
    /// It failed, was rolled back, or an incident followed.
    pub failure: Option<Box<Failure>>,
}

/// How a deployment failed, beside its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// One of these rolled it back.
    pub rolled_back_by: Option<usize>,
    /// Indices into [`Material::incidents`].
    pub incidents: Vec<usize>,
    /// Once it is over.
    pub recovered: Option<Recovered>,
}

/// When and by what a failure was over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    pub at: Time,
    /// The deployment, by its index, or else the incident's resolution.
    pub by: Option<usize>,
}

impl Judgement {
    #[must_use]
    pub fn of(material: &Material, terms: &Terms) -> Self {
        let mut judge = Judge::new(material, terms);
        let lines = judge.lines();
        judge.link_incidents(&lines);
        lines.iter().for_each(|line| judge.judge_line(line));
        judge.found
    }

    /// The commits that came with a deployment; `None` where they are not known.
    #[must_use]
    pub fn changes(&self, of: &Judged) -> Option<&[Change]> {
        match of.changes.as_ref()? {
            Changes::Known(commits) | Changes::Likely(commits) => self.changes.get(commits.clone()),
            Changes::First | Changes::Unknown => None,
        }
    }
}

/// Deployments by their indices, in the order in which they came, wherever.
fn in_order(material: &Material) -> Vec<usize> {
    let mut order: Vec<_> = material.deployments.iter().zip(0..).map(|(of, at)| (of.finished, at)).collect();
    let rank = |at: usize| material.deployments.get(at).map(|of| material.rank(of));
    // Few finished at the same moment: only of those more is looked at.
    order.sort_by(|(one, at), (other, than)| one.cmp(other).then_with(|| rank(*at).cmp(&rank(*than))));
    order.into_iter().map(|(_, at)| at).collect()
}

/// Deployments are known to it by their places in the order in which they came.
struct Judge<'m> {
    material: &'m Material,
    terms: &'m Terms,
    chains: Chains<'m>,
    fixes: Fixes<'m>,
    deployed: Vec<&'m Deployed>,
    found: Judgement,
}

impl<'m> Judge<'m> {
    fn new(material: &'m Material, terms: &'m Terms) -> Self {
        let order = in_order(material);
        let deployed: Vec<_> = order.iter().filter_map(|at| material.deployments.get(*at)).collect();
        let blank = |(deployment, deployed): (usize, &&Deployed)| Judged {
            deployment,
            replaces: None,
            rolls_back: false,
            is_rework: false,
            changes: None,
            failure: (!deployed.succeeded()).then(Box::default),
        };
        let all = order.into_iter().zip(&deployed).map(blank).collect();
        let found = Judgement { all, changes: Vec::new() };
        let (chains, fixes) = (Chains::new(material), Fixes::new(material, terms));
        Self { material, terms, chains, fixes, deployed, found }
    }

    /// What came to each line.
    fn lines(&self) -> Vec<Vec<usize>> {
        let mut lines = vec![Vec::new(); self.material.lines.len()];
        for (deployed, place) in self.deployed.iter().zip(0..) {
            lines.get_mut(deployed.line).into_iter().for_each(|line| line.push(place));
        }
        lines
    }

    fn deployed(&self, place: usize) -> Option<&'m Deployed> {
        self.deployed.get(place).copied()
    }

    fn judged(&self, place: usize) -> Option<&Judged> {
        self.found.all.get(place)
    }

    fn failure(&self, place: usize) -> Option<&Failure> {
        self.judged(place)?.failure.as_deref()
    }

    /// Its index into [`Material::deployments`].
    fn index(&self, place: usize) -> Option<usize> {
        self.judged(place).map(|judged| judged.deployment)
    }

    fn set(&mut self, place: usize, with: impl FnOnce(&mut Judged)) {
        if let Some(judged) = self.found.all.get_mut(place) {
            with(judged);
        }
    }

    fn set_failed(&mut self, place: usize, with: impl FnOnce(&mut Failure)) {
        self.set(place, |judged| with(judged.failure.get_or_insert_default()));
    }

    /// Each to the deployment that it names, or to the latest production deployment before it. Who names one may have seen
    /// it fail before it was over.
    fn link_incidents(&mut self, lines: &[Vec<usize>]) {
        // Many are told of in the same words.
        let mut told: Map<_, Vec<usize>> = Map::default();
        for (number, incident) in self.material.incidents.iter().enumerate() {
            let Incident { organization, project, pipeline, environment, .. } = incident;
            let places = told.entry((organization, project, pipeline, environment)).or_insert_with(|| {
                let lines = self.material.lines.iter().zip(lines);
                let lines = lines.filter(|(line, _)| line.production && concerns(incident, line));
                let mut places: Vec<usize> = lines.flat_map(|(_, places)| places).copied().collect();
                places.sort_unstable();
                places
            });
            if let Some(place) = self.linked(incident, places) {
                self.set_failed(place, |failure| failure.incidents.push(number));
            }
        }
    }

    /// One of these, which are in order.
    fn linked(&self, incident: &Incident, places: &[usize]) -> Option<usize> {
        let fits = |place: &&usize| {
            self.deployed(**place).is_some_and(|deployed| {
                incident.run.is_none_or(|run| run == deployed.run)
                    && (incident.commit.is_none() || incident.commit == deployed.commit)
            })
        };
        let is_before = |place: &usize| self.deployed(*place).is_some_and(|of| of.finished <= incident.opened);
        let (before, later) = places.split_at(places.partition_point(is_before));
        let is_named = incident.run.is_some() || incident.commit.is_some();
        let later = || later.iter().find(fits).filter(|_| is_named);
        before.iter().rev().find(fits).or_else(later).copied()
    }

    fn judge_line(&mut self, line: &[usize]) {
        let first_runs = self.first_runs(line);
        let mut current: Option<usize> = None;
        let mut been: Set<Commit> = Set::default();
        let (mut way, mut brought) = (Vec::new(), Vec::new());
        for at in line {
            let Some(deployed) = self.deployed(*at).filter(|deployed| deployed.succeeded()) else { continue };
            let before = current.and_then(|at| self.deployed(at));
            let is_forward = before.is_some_and(|before| self.is_way(*at, deployed, before, &mut way));
            let back = !is_forward && current.is_some_and(|before| self.is_older(deployed, before, &first_runs, &been));
            let changes = match back {
                true => Changes::Known(0..0),
                false => self.changes(deployed, before, is_forward.then_some(&way), &mut brought),
            };
            let replaces = current.and_then(|before| self.index(before));
            self.set(*at, |judged| {
                (judged.replaces, judged.rolls_back, judged.changes) = (replaces, back, Some(changes));
            });
            if let Some(replaced) = current.filter(|_| back) {
                let by = self.index(*at);
                self.set_failed(replaced, |failure| failure.rolled_back_by = by);
            }
            been.extend(deployed.commit);
            current = Some(*at);
        }
        self.judge_recovery(line);
        self.judge_rework(line);
    }

    /// The first run that brought each commit: the numbers of runs grow as commits do.
    fn first_runs(&self, line: &[usize]) -> Map<Commit, u64> {
        let mut first = Map::default();
        for deployed in line.iter().filter_map(|at| self.deployed(*at)) {
            if let Some(commit) = deployed.commit {
                first.entry(commit).and_modify(|run: &mut u64| *run = deployed.run.min(*run)).or_insert(deployed.run);
            }
        }
        first
    }

    /// Finds the pushes from one to the other; answers whether they tell. None of them where it brought the same again.
    fn is_way(&self, at: usize, deployed: &Deployed, before: &Deployed, way: &mut Vec<&'m Update>) -> bool {
        way.clear();
        let (Some(commit), Some(old)) = (deployed.commit, before.commit) else { return false };
        commit == old || self.index(at).is_some_and(|at| self.chains.find(at, (old, commit), way))
    }

    /// No push tells that it is newer, but one may tell that it is older. Else a commit is older that an earlier run
    /// brought, if it has been there or is of the same branch: two branches are neither older nor newer.
    fn is_older(&self, deployed: &Deployed, before: usize, first_runs: &Map<Commit, u64>, been: &Set<Commit>) -> bool {
        let (Some(replaced), Some(index)) = (self.deployed(before), self.index(before)) else { return false };
        let (Some(commit), Some(old)) = (deployed.commit, replaced.commit) else { return false };
        if self.chains.find(index, (commit, old), &mut Vec::new()) {
            return true;
        }
        let branch = |of| self.material.origin(of).and_then(|origin| origin.branch.as_ref());
        let is_same_branch = || branch(deployed).is_some() && branch(deployed) == branch(replaced);
        (been.contains(&commit) || is_same_branch()) && first_runs.get(&commit) < first_runs.get(&old)
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
    fn judge_recovery(&mut self, line: &[usize]) {
        // The latest first.
        let mut later: Vec<(Time, usize)> = Vec::new();
        for at in line.iter().rev() {
            let Some(deployed) = self.deployed(*at) else { continue };
            if let Some(failure) = self.failure(*at) {
                let recovered = self.recovered(deployed, failure, &later);
                self.set_failed(*at, |failure| failure.recovered = recovered);
            }
            if deployed.succeeded() {
                later.push((deployed.finished, *at));
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

    fn judge_rework(&mut self, line: &[usize]) {
        let linked = line.iter().filter_map(|at| self.failure(*at)).flat_map(|failure| &failure.incidents);
        let mut opened: Vec<Time> =
            linked.filter_map(|at| self.material.incidents.get(*at)).map(|incident| incident.opened).collect();
        opened.sort_unstable();
        let mut opened = opened.into_iter().peekable();
        for at in line {
            let Some(deployed) = self.deployed(*at) else { continue };
            let since = deployed.finished.minus(self.terms.rework_within);
            while opened.next_if(|opened| *opened < since).is_some() {}
            let follows = opened.peek().is_some_and(|opened| *opened < deployed.finished);
            let Some(judged) = self.found.all.get(*at) else { continue };
            let mut is_fix = || {
                let changes = self.found.changes(judged).unwrap_or_default();
                let mut requests = changes.iter().filter_map(|change| change.request);
                deployed.is_fix || self.fixes.origin(deployed.origin) || requests.any(|at| self.fixes.request(at))
            };
            if judged.rolls_back || (follows && is_fix()) {
                self.set(*at, |judged| judged.is_rework = true);
            }
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
        let branch = self.material.origins.get_index(at).and_then(|origin| origin.branch.as_ref());
        let terms = self.terms;
        self.origins.get_mut(at).is_some_and(|known| *known.get_or_insert_with(|| names_fix(terms, branch)))
    }

    fn request(&mut self, at: usize) -> bool {
        let (terms, request) = (self.terms, self.material.requests.get(at));
        let texts = || request.into_iter().flat_map(|request| [request.source.as_ref(), request.title.as_ref()]);
        let named = || texts().any(|text| names_fix(terms, text));
        self.requests.get_mut(at).is_some_and(|known| *known.get_or_insert_with(named))
    }
}

fn names_fix(terms: &Terms, text: Option<&Name>) -> bool {
    text.is_some_and(|text| terms.names_fix(text))
}

/// Whether the incident may come from what was deployed there.
fn concerns(incident: &Incident, line: &Line) -> bool {
    let same = |said: &Option<Name>, is: Option<&Name>| match (said, is) {
        (Some(said), Some(is)) => said.eq_ignore_ascii_case(is),
        (None, _) => true,
        (Some(_), None) => false,
    };
    let is_pipeline = same(&incident.pipeline, line.pipeline_name.as_ref())
        || incident.pipeline.as_deref().is_some_and(|said| *said == *line.pipeline.to_string());
    incident.organization == line.organization
        && same(&incident.project, line.project.as_ref())
        && same(&incident.environment, Some(&line.environment))
        && is_pipeline
}
