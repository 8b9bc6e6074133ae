use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Datelike, Timelike, Weekday};
use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::Deserialize;

use super::super::Desk;
use crate::ask::when::Window;
use crate::catalog::{Sample, Sampled};
use crate::domain::Time;
use crate::domain::metrics::Terms;
use crate::domain::owner::{Owned, Owners};

/// What numbers are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::ask::tools) enum Dimension {
    Organization,
    Project,
    Pipeline,
    Repository,
    Branch,
    /// Who owns the pipeline, by configuration.
    Service,
    Team,
    /// Then stages are counted, attempt by attempt, and not runs.
    Stage,
    /// What a stage deploys to, by its name or by configuration; then stages are counted, too.
    Environment,
    State,
    Result,
    /// Why a run began, such as manual or schedule.
    Reason,
    /// Of agents, as far as builds told it.
    Pool,
    /// The first error without numbers, paths and ids.
    ErrorSignature,
    /// The day it was queued.
    Day,
    /// The hour of the day it was queued, 0 to 23.
    Hour,
}

impl Dimension {
    pub(in crate::ask::tools) fn name(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Project => "project",
            Self::Pipeline => "pipeline",
            Self::Repository => "repository",
            Self::Branch => "branch",
            Self::Service => "service",
            Self::Team => "team",
            Self::Stage => "stage",
            Self::Environment => "environment",
            Self::State => "state",
            Self::Result => "result",
            Self::Reason => "reason",
            Self::Pool => "pool",
            Self::ErrorSignature => "errorSignature",
            Self::Day => "day",
            Self::Hour => "hour",
        }
    }
}

/// A span of time with a row of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum Bucket {
    Day,
    /// From Monday on (ISO 8601).
    Week,
    Month,
}

impl Bucket {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    fn of(self, local: &DateTime<Tz>) -> String {
        match self {
            Self::Day => local.date_naive().to_string(),
            Self::Week => local.date_naive().week(Weekday::Mon).first_day().to_string(),
            Self::Month => format!("{:04}-{:02}", local.year(), local.month()),
        }
    }

    /// The names of all that the window touches.
    pub(super) fn all(self, window: &Window) -> Vec<String> {
        let day = std::time::Duration::from_secs(24 * 60 * 60);
        let step = |at: &Time| Some(at.plus(day)).filter(|at| *at < window.to);
        // The last moment counts: a step of a day may leap over the day in which the window ends.
        let last = window.to.minus(std::time::Duration::from_micros(1));
        let moments = std::iter::successors(Some(window.from), step).chain([last]);
        let mut names: Vec<_> = moments.map(|at| self.of(&local(at, window.zone))).collect();
        names.dedup();
        names
    }
}

fn local(at: Time, zone: Tz) -> DateTime<Tz> {
    at.to_utc().with_timezone(&zone)
}

/// What a sample has to be of one of these.
pub(in crate::ask::tools) type Picked = Vec<(Dimension, String)>;

/// Says to which group a sample belongs, if it is wanted.
pub(in crate::ask::tools) struct Grouper {
    dimensions: Vec<Dimension>,
    picked: Picked,
    bucket: Option<Bucket>,
    zone: Tz,
    owners: Owners,
    terms: Arc<Terms>,
    /// Patterns are slow, and there are far fewer pipelines than runs.
    known: HashMap<Owning, Owner>,
}

/// Organization, pipeline, its name, folder and repository.
type Owning = (String, u64, Option<String>, Option<String>, Option<String>);
/// Service and team.
type Owner = (Option<String>, Option<String>);

impl Grouper {
    pub(in crate::ask::tools) fn new(desk: &Desk, dimensions: &[Dimension], picked: Picked) -> Self {
        let (zone, owners, terms) = (desk.zone, desk.owners.clone(), desk.terms.clone());
        Self { dimensions: dimensions.to_vec(), picked, bucket: None, zone, owners, terms, known: HashMap::new() }
    }

    pub(super) fn in_buckets(self, bucket: Option<Bucket>) -> Self {
        Self { bucket, ..self }
    }

    /// A stage tells its name and where it deploys to; all else its run tells, too.
    pub(in crate::ask::tools) fn sampled(&self) -> Sampled {
        let mut all = self.dimensions.iter().chain(self.picked.iter().map(|(dimension, _)| dimension));
        let by_stage = all.any(|dimension| [Dimension::Stage, Dimension::Environment].contains(dimension));
        if by_stage { Sampled::Stages } else { Sampled::Runs }
    }

    pub(in crate::ask::tools) fn takes(&mut self, sample: &Sample<'_>) -> bool {
        let picked = std::mem::take(&mut self.picked);
        let is = |(dimension, wanted): &(Dimension, String)| {
            self.value(*dimension, sample).is_some_and(|value| value.eq_ignore_ascii_case(wanted))
        };
        let takes = picked.iter().all(is);
        self.picked = picked;
        takes
    }

    pub(in crate::ask::tools) fn group(&mut self, sample: &Sample<'_>) -> Vec<Option<String>> {
        let bucket = self.bucket.map(|bucket| sample.at.map(|at| bucket.of(&local(at, self.zone))));
        let dimensions = self.dimensions.clone();
        bucket.into_iter().chain(dimensions.into_iter().map(|dimension| self.value(dimension, sample))).collect()
    }

    fn value(&mut self, dimension: Dimension, sample: &Sample<'_>) -> Option<String> {
        let text = match dimension {
            Dimension::Organization => Some(sample.organization),
            Dimension::Project => sample.project,
            Dimension::Pipeline => match sample.pipeline_name {
                None => return Some(sample.pipeline.to_string()),
                name => name,
            },
            Dimension::Repository => sample.repository,
            Dimension::Branch => sample.branch,
            Dimension::Stage => sample.stage,
            Dimension::Environment => {
                let place = sample.stage.and_then(|stage| self.terms.stage(sample.pipeline_name, stage));
                return place.map(|place| place.environment);
            }
            Dimension::State => sample.state,
            Dimension::Result => sample.result,
            Dimension::Reason => sample.reason,
            Dimension::Pool => sample.pool,
            Dimension::ErrorSignature => sample.signature,
            Dimension::Service => return self.owner(sample).0.clone(),
            Dimension::Team => return self.owner(sample).1.clone(),
            Dimension::Day => return sample.at.map(|at| Bucket::Day.of(&local(at, self.zone))),
            Dimension::Hour => return sample.at.map(|at| local(at, self.zone).hour().to_string()),
        };
        text.map(str::to_owned)
    }

    fn owner(&mut self, sample: &Sample<'_>) -> &Owner {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let key = (
            sample.organization.to_owned(),
            sample.pipeline,
            owned(sample.pipeline_name),
            owned(sample.folder),
            owned(sample.repository),
        );
        self.known.entry(key).or_insert_with(|| {
            let owner = self.owners.of(&Owned {
                pipeline: sample.pipeline,
                name: sample.pipeline_name,
                folder: sample.folder,
                repository: sample.repository,
            });
            owner.map_or((None, None), |owner| (Some(owner.service), owner.team))
        })
    }
}
