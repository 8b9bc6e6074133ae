use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::DeploymentFact;
use crate::domain::columns::{Cell, Columns, texts, times};
use crate::domain::join::join_max;
use crate::domain::run::room;
use crate::domain::run::{Attempts, JobKey, ROOM_OF_STAGES, ShownStage, labels, shown_stage};
use crate::domain::{Change, DeploymentKey, Join, Label, Outcome, Said, Speaker, State, Time, entries};

/// The join of all that was said about what one run brought to one environment.
///
/// The number of jobs is bounded as that of the stages of a run is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentRecord {
    v: u32,
    /// Stored beside it.
    #[serde(skip)]
    key: DeploymentKey,
    #[serde(default, with = "labels")]
    labels: BTreeMap<Label, Said<String>>,
    #[serde(default, with = "entries")]
    jobs: BTreeMap<JobKey, Attempts>,
    /// The last time at which anything was said of it.
    said: Time,
    #[serde(flatten)]
    unknown: BTreeMap<String, serde_json::Value>,
}

/// A deployment as it is shown. What is not known is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownDeployment {
    pub key: DeploymentKey,
    pub environment: Option<Said<String>>,
    /// With the time it was said: it gets renamed.
    pub project_name: Option<Said<String>>,
    /// The pipeline of the run.
    pub pipeline: Option<u64>,
    pub pipeline_name: Option<String>,
    pub run_name: Option<String>,
    /// The run's stages that deployed, attempt by attempt, in the order in which they started.
    pub stages: Vec<ShownStage>,
}

impl DeploymentRecord {
    /// The version of the stored form. A record with a greater one is not for this program.
    pub const VERSION: u32 = 1;

    pub(crate) fn decode(key: &DeploymentKey, text: &str) -> serde_json::Result<Self> {
        Ok(Self { key: key.clone(), ..serde_json::from_str(text)? })
    }

    /// The record of nothing but `fact`.
    #[must_use]
    pub fn of(fact: &DeploymentFact) -> Self {
        let job = &fact.job;
        let key = JobKey { stage: job.stage.clone(), name: job.name.clone(), stage_attempt: job.stage_attempt };
        let mut attempts = Attempts::default();
        attempts.add(job.attempt, Speaker::Rest, job.state.clone(), job.says.clone());
        let mut record = Self {
            v: Self::VERSION,
            key: fact.key.clone(),
            labels: BTreeMap::new(),
            jobs: BTreeMap::from([(key, attempts)]),
            said: fact.said,
            unknown: BTreeMap::new(),
        };
        for (label, text) in &fact.labels {
            record.labels.absorb(BTreeMap::from([(label.clone(), Said(fact.said, text.clone()))]));
        }
        record
    }

    /// Joins what `fact` says, which is about the same deployment.
    pub fn add(&mut self, fact: &DeploymentFact) {
        self.absorb(Self::of(fact));
    }

    pub(crate) fn keep_unknown(&mut self, other: &Self) {
        self.unknown.absorb(other.unknown.clone());
    }

    #[must_use]
    pub fn key(&self) -> &DeploymentKey {
        &self.key
    }

    /// When the last was said of it, if no stage of it is under way.
    pub(crate) fn ended(&self) -> Option<Time> {
        let over = self.shown_stages().iter().all(|stage| stage.state == Some(State::Completed));
        over.then_some(self.said)
    }

    pub(crate) fn is_shown_like(&self, other: &Self) -> bool {
        self.shown() == other.shown()
    }

    /// With the latest stage.
    pub(crate) fn columns(&self) -> Columns {
        let mut shown = self.shown();
        let latest = shown.stages.pop();
        let texts = texts([
            ("organization", Some(shown.key.organization)),
            ("project", shown.project_name.map(|Said(_, name)| name)),
            ("environment", shown.environment.map(|Said(_, name)| name)),
            ("pipeline", shown.pipeline_name),
            ("stage", latest.as_ref().map(|stage| stage.name.clone())),
            ("result", latest.as_ref().and_then(|stage| Some(stage.result.as_ref()?.as_str().to_owned()))),
        ]);
        let id = [("runId", Cell::Number(shown.key.run))];
        let time = |of: fn(&ShownStage) -> Option<Time>| latest.as_ref().and_then(of);
        let times = times([("startedAt", time(|stage| stage.started)), ("finishedAt", time(|stage| stage.finished))]);
        texts.chain(id).chain(times).collect()
    }

    /// Weighs the statements of the record.
    #[must_use]
    pub fn shown(&self) -> ShownDeployment {
        let text = |label: Label| self.labels.get(&label).map(|Said(_, text)| text.clone());
        ShownDeployment {
            key: self.key.clone(),
            environment: self.labels.get(&Label::Environment).cloned(),
            project_name: self.labels.get(&Label::ProjectName).cloned(),
            pipeline: text(Label::DefinitionId).and_then(|id| id.parse().ok()),
            pipeline_name: text(Label::PipelineName),
            run_name: text(Label::RunName),
            stages: self.shown_stages(),
        }
    }

    fn shown_stages(&self) -> Vec<ShownStage> {
        let mut stages: BTreeMap<(&str, u32), Vec<ShownStage>> = BTreeMap::new();
        for (key, attempts) in &self.jobs {
            let latest = attempts.shown().pop().map(|attempt| shown_stage(&key.stage, attempt));
            let attempt = key.stage_attempt.unwrap_or(1);
            stages.entry((&key.stage, attempt)).or_default().extend(latest);
        }
        let mut stages: Vec<_> =
            stages.into_iter().map(|((name, attempt), jobs)| folded(name, attempt, &jobs)).collect();
        stages.sort_by_cached_key(|stage| (stage.started.is_none(), stage.started, stage.name.clone(), stage.attempt));
        stages
    }
}

/// What the latest attempts of its jobs amount to: it is over when all are, and went as well as the worst of them.
fn folded(name: &str, attempt: u32, jobs: &[ShownStage]) -> ShownStage {
    let open = jobs.iter().find(|job| job.state != Some(State::Completed));
    let over = open.is_none();
    let worst = jobs.iter().filter_map(|job| job.result.clone()).max_by_key(severity);
    ShownStage {
        name: name.to_owned(),
        attempt,
        state: open.map_or(Some(State::Completed), |job| job.state.clone()),
        result: worst.filter(|_| over),
        started: jobs.iter().filter_map(|job| job.started).min(),
        finished: jobs.iter().filter_map(|job| job.finished).max().filter(|_| over),
    }
}

/// A result that this version does not know is not good news.
fn severity(result: &Outcome) -> u8 {
    match result {
        Outcome::Skipped => 0,
        Outcome::Succeeded => 1,
        Outcome::PartiallySucceeded => 2,
        Outcome::Other(_) => 3,
        Outcome::Abandoned => 4,
        Outcome::Canceled => 5,
        Outcome::Rejected => 6,
        Outcome::Failed => 7,
    }
}

/// Join part by part. Both must be about the same deployment.
impl Join for DeploymentRecord {
    fn join(&mut self, other: Self) -> Change {
        debug_assert_eq!(self.key, other.key, "records of different deployments");
        join_max(&mut self.v, other.v)
            .or(self.labels.join(other.labels))
            .or(room::join(&mut self.jobs, other.jobs, ROOM_OF_STAGES))
            .or(join_max(&mut self.said, other.said))
            .or(self.unknown.join(other.unknown))
    }
}
