//! What each deployment was: how it ended, what it brought, what became of it.

use super::changes::{Change, Changes};
use super::lines::{Judges, OfLine};
use super::material::{Deployed, Incident, Line, Material, Name};
use super::threads::both;
use super::{Map, Terms};
use crate::domain::Time;

/// What is to be said about all deployments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// In the order in which they came, wherever: the line, and the place in it.
    order: Vec<(usize, usize)>,
    lines: Vec<OfLine>,
}

/// A deployment with what is to be said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Index into [`Material::deployments`].
    pub deployment: usize,
    /// Index into [`Material::lines`].
    line: usize,
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
        let judges = || Judges::new(material, terms);
        let (mut found, judges) = both(material.deployments.len(), || Self::blank(material), judges);
        judges.judge(&mut found.lines);
        found
    }

    /// Of which nothing is said yet but how they ended, and which incidents followed.
    fn blank(material: &Material) -> Self {
        let mut found = Self { order: Vec::new(), lines: vec![OfLine::default(); material.lines.len()] };
        for at in in_order(material) {
            if let Some(judged) = Judged::blank(material, at) {
                let (number, Some(line)) = (judged.line, found.lines.get_mut(judged.line)) else { continue };
                found.order.push((number, line.judged.len()));
                line.judged.push(judged);
            }
        }
        link_incidents(material, &mut found);
        found
    }

    /// In the order in which they came, wherever.
    pub fn iter(&self) -> impl Iterator<Item = &Judged> {
        self.order.iter().filter_map(|(line, at)| self.lines.get(*line)?.judged.get(*at))
    }

    fn get_mut(&mut self, place: usize) -> Option<&mut Judged> {
        let (line, at) = *self.order.get(place)?;
        self.lines.get_mut(line)?.judged.get_mut(at)
    }

    /// The commits that came with a deployment; `None` where they are not known.
    #[must_use]
    pub fn changes(&self, of: &Judged) -> Option<&[Change]> {
        of.changes(&self.lines.get(of.line)?.changes)
    }
}

impl Judged {
    fn blank(material: &Material, deployment: usize) -> Option<Self> {
        let deployed = material.deployments.get(deployment)?;
        Some(Self {
            deployment,
            line: deployed.line,
            replaces: None,
            rolls_back: false,
            is_rework: false,
            changes: None,
            failure: (!deployed.succeeded()).then(Box::default),
        })
    }

    /// Those of its line that came with it.
    pub(super) fn changes<'c>(&self, all: &'c [Change]) -> Option<&'c [Change]> {
        match self.changes.as_ref()? {
            Changes::Known(commits) | Changes::Likely(commits) => all.get(commits.clone()),
            Changes::First | Changes::Unknown => None,
        }
    }

    /// Something tells that it failed.
    pub(super) fn failed(&mut self) -> &mut Failure {
        self.failure.get_or_insert_default()
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

/// Each to the deployment that it names, or to the latest production deployment before it. Who names one may have seen it
/// fail before it was over.
fn link_incidents(material: &Material, found: &mut Judgement) {
    let deployed = |judged: &Judged| material.deployments.get(judged.deployment);
    let deployed: Vec<&Deployed> = found.iter().filter_map(deployed).collect();
    let mut of_lines = vec![Vec::new(); material.lines.len()];
    for (deployed, place) in deployed.iter().zip(0..) {
        of_lines.get_mut(deployed.line).into_iter().for_each(|places| places.push(place));
    }
    // Many are told of in the same words, in whatever letters.
    let small = |name: &Option<Name>| name.as_ref().map(|name| name.to_ascii_lowercase());
    let mut told: Map<_, Vec<(usize, &Deployed)>> = Map::default();
    for (number, incident) in material.incidents.iter().enumerate() {
        let Incident { organization, project, pipeline, environment, .. } = incident;
        let may_be = told.entry((organization, [project, pipeline, environment].map(small))).or_insert_with(|| {
            let lines = material.lines.iter().zip(&of_lines);
            let lines = lines.filter(|(line, _)| line.production && concerns(incident, line));
            let mut places: Vec<usize> = lines.flat_map(|(_, places)| places).copied().collect();
            places.sort_unstable();
            places.into_iter().filter_map(|place| Some((place, *deployed.get(place)?))).collect()
        });
        let linked = linked(incident, may_be).and_then(|place| found.get_mut(place));
        linked.into_iter().for_each(|judged| judged.failed().incidents.push(number));
    }
}

/// The place of one of these, which are in order.
fn linked(incident: &Incident, may_be: &[(usize, &Deployed)]) -> Option<usize> {
    let fits = |(_, deployed): &&(usize, &Deployed)| {
        incident.run.is_none_or(|run| run == deployed.run)
            && (incident.commit.is_none() || incident.commit == deployed.commit)
    };
    let (before, later) = may_be.split_at(may_be.partition_point(|(_, of)| of.finished <= incident.opened));
    let is_named = incident.run.is_some() || incident.commit.is_some();
    let later = || later.iter().find(fits).filter(|_| is_named);
    before.iter().rev().find(fits).or_else(later).map(|(place, _)| *place)
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
