use rusqlite::types::Value;
use serde::{Deserialize, Serialize};

use super::dashboard::RunsBefore;
use super::rows::{Deployment, Environment, Gap, GivenApproval, Incident, Pipeline, PipelineName, Run};
use crate::domain::Time;

/// Where an item stands in the order of its list. A page that begins behind it is the same whatever came or went before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Place(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
enum Part {
    Number(i64),
    Text(String),
}

/// An item of a list that is read in pages.
pub trait Placed {
    /// What its list is ordered by, ascending, in SQL.
    const ORDER: &'static [&'static str];

    fn place(&self) -> Place;
}

impl Place {
    /// Whether it can be that of such an item.
    #[must_use]
    pub fn is_of<T: Placed>(&self) -> bool {
        let Self(parts) = self;
        parts.len() == T::ORDER.len()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = Value> + '_ {
        let Self(parts) = self;
        parts.iter().map(|part| match part {
            Part::Number(number) => Value::Integer(*number),
            Part::Text(text) => Value::Text(text.clone()),
        })
    }
}

fn id(id: Option<u64>) -> Part {
    Part::Number(id.and_then(|id| i64::try_from(id).ok()).unwrap_or_default())
}

fn text(text: Option<&str>) -> Part {
    Part::Text(text.unwrap_or_default().to_owned())
}

/// The latest first.
fn back(time: Option<Time>) -> Part {
    Part::Number(-time.map_or(0, Time::ticks))
}

fn definition(name: Option<&PipelineName>) -> Part {
    id(name.map(|name| name.id))
}

/// By run id, up or down: only the two that follow are always ascending.
impl Placed for Run {
    const ORDER: &'static [&'static str] = &["r.run", "r.organization", "r.pipeline"];

    fn place(&self) -> Place {
        Place(vec![id(Some(self.run_id)), text(Some(&self.organization)), id(Some(self.pipeline.id))])
    }
}

impl From<RunsBefore> for Place {
    fn from(run: RunsBefore) -> Self {
        let RunsBefore { run_id, organization, pipeline } = run;
        // An address may hold any number: behind the greatest all runs follow.
        let number = |id| Part::Number(i64::try_from(id).unwrap_or(i64::MAX));
        Self(vec![number(run_id), text(Some(&organization)), number(pipeline)])
    }
}

impl Place {
    /// The same as an address has it; `None` in other lists than that of runs.
    #[must_use]
    pub fn runs_before(&self) -> Option<RunsBefore> {
        let [Part::Number(run), Part::Text(organization), Part::Number(pipeline)] = self.0.as_slice() else {
            return None;
        };
        let (run_id, pipeline) = (u64::try_from(*run).ok()?, u64::try_from(*pipeline).ok()?);
        Some(RunsBefore { run_id, organization: organization.clone(), pipeline })
    }

    /// In the list of approvals, behind all that were asked for at this time: no organization has an empty name.
    pub(super) fn before_approvals_of(at: i64) -> Self {
        let before = Part::Number(at.saturating_sub(1).saturating_neg());
        let (none, nothing) = (|| Part::Number(0), || text(None));
        Self(vec![before, nothing(), none(), none(), nothing(), nothing()])
    }
}

impl Placed for Pipeline {
    const ORDER: &'static [&'static str] = &["g.organization", "coalesce(pipeline.name, '')", "g.pipeline"];

    fn place(&self) -> Place {
        Place(vec![text(Some(&self.organization)), text(self.name.as_deref()), id(Some(self.id))])
    }
}

impl Placed for Environment {
    const ORDER: &'static [&'static str] = &[
        "d.organization",
        "coalesce(project.name, d.project_name, d.project_id, '')",
        "d.environment",
        "d.source",
        "coalesce(d.environment_id, 0)",
        "coalesce(CASE d.source WHEN 'release' THEN d.pipeline END, 0)",
    ];

    fn place(&self) -> Place {
        Place(vec![
            text(Some(&self.organization)),
            text(self.project.as_deref()),
            text(Some(&self.name)),
            text(Some(&self.source)),
            id(self.id),
            definition(self.definition.as_ref()),
        ])
    }
}

/// A release's run follows from the release.
impl Placed for Deployment {
    const ORDER: &'static [&'static str] = &[
        "-coalesce(d.started, d.finished, 0)",
        "d.organization",
        "d.environment",
        "CASE d.source WHEN 'release' THEN 0 ELSE -coalesce(d.run, 0) END",
        "-d.attempt",
        "d.source",
        "coalesce(d.environment_id, 0)",
        "coalesce(d.release, 0)",
        "d.stage",
        "coalesce(project.name, d.project_name, d.project_id, '')",
    ];

    fn place(&self) -> Place {
        let run = match (id(self.run_id), self.source.as_str()) {
            (_, "release") | (Part::Text(_), _) => 0,
            (Part::Number(run), _) => -run,
        };
        Place(vec![
            back(self.started_at.or(self.finished_at)),
            text(Some(&self.organization)),
            text(Some(&self.environment)),
            Part::Number(run),
            Part::Number(-i64::from(self.attempt)),
            text(Some(&self.source)),
            id(self.environment_id),
            id(self.release_id),
            text(Some(&self.stage)),
            text(self.project.as_deref()),
        ])
    }
}

impl Placed for GivenApproval {
    const ORDER: &'static [&'static str] = &[
        "-coalesce(d.requested, d.decided, 0)",
        "d.organization",
        "coalesce(d.run, 0)",
        "coalesce(d.release, 0)",
        "d.id",
        "coalesce(project.name, d.project_name, d.project_id, '')",
    ];

    fn place(&self) -> Place {
        Place(vec![
            back(self.requested_at.or(self.decided_at)),
            text(Some(&self.organization)),
            id(self.run_id),
            id(self.release_id),
            text(Some(&self.id)),
            text(self.project.as_deref()),
        ])
    }
}

impl Placed for Gap {
    const ORDER: &'static [&'static str] = &["-g.start", "g.organization", "g.project_id", "g.events"];

    fn place(&self) -> Place {
        Place(vec![
            back(Some(self.from)),
            text(Some(&self.organization)),
            text(Some(&self.project_id)),
            text(Some(&self.event_type)),
        ])
    }
}

impl Placed for Incident {
    const ORDER: &'static [&'static str] =
        &["-coalesce(d.opened, d.resolved, 0)", "d.organization", "d.id", "d.source"];

    fn place(&self) -> Place {
        Place(vec![
            back(self.opened_at.or(self.resolved_at)),
            text(Some(&self.organization)),
            text(Some(&self.id)),
            text(Some(&self.source)),
        ])
    }
}
