//! The life of one run, and the moments of it that make an event.

use std::time::Duration;

use rand::Rng;
use rand::rngs::SmallRng;
use serde_json::value::RawValue;

use super::cast::{Cast, PEOPLE, PIPELINES, Pipeline, TOPICS, Trigger};
use super::wire::{self, Guid};
use crate::domain::{ApprovalStatus, Outcome, State, Time};

/// How long things take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pace {
    Usual,
    /// Nothing ends within the hour.
    Slow,
    /// Nobody approves within the day.
    Waiting,
}

#[derive(Debug)]
pub(super) struct Run {
    pub(super) id: u64,
    /// Index into [`PIPELINES`].
    pub(super) pipeline: usize,
    pub(super) number: String,
    pub(super) queued: Time,
    pub(super) branch: String,
    pub(super) commit: String,
    pub(super) reason: &'static str,
    /// Index into [`PEOPLE`].
    pub(super) person: usize,
    pub(super) plan: Guid,
    pub(super) web: String,
    pub(super) links: Box<RawValue>,
    pub(super) resources: Box<RawValue>,
    pub(super) repositories: Box<RawValue>,
}

#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) name: &'static str,
    pub(super) attempt: u32,
    pub(super) state: State,
    pub(super) result: Option<Outcome>,
    pub(super) started: Option<Time>,
    pub(super) finished: Option<Time>,
}

#[derive(Debug)]
pub(super) struct Approval {
    pub(super) id: Guid,
    pub(super) status: ApprovalStatus,
    pub(super) stage: &'static str,
    pub(super) attempt: u32,
    pub(super) environment: &'static str,
    pub(super) requested: Time,
    pub(super) changed: Time,
    /// Index into [`PEOPLE`].
    pub(super) approver: usize,
}

/// What an event tells of.
#[derive(Debug)]
pub(super) enum Moment {
    Run {
        state: State,
        end: Option<(Outcome, Time)>,
        stages: Vec<Stage>,
    },
    Stage(Stage),
    Build {
        result: Outcome,
        started: Time,
        finished: Time,
    },
    Approval(Approval),
    /// Of something else than a run: its body.
    Other(Vec<u8>),
}

/// The run with this id, and its moments with the times at which the service speaks of them.
pub(super) fn write(
    cast: &mut Cast,
    rng: &mut SmallRng,
    id: u64,
    (queued, pace): (Time, Pace),
) -> (Run, Vec<(Time, Moment)>) {
    let index = if pace == Pace::Waiting { 1 } else { draw_pipeline(rng) };
    let run = draw_run(cast, rng, (id, index), queued);
    let fallback = &PIPELINES[0];
    let pipeline = PIPELINES.get(index).unwrap_or(fallback);
    let mut script = Script { rng, pipeline, pace, clock: queued, stages: Vec::new(), moments: Vec::new() };
    script.play();
    (run, script.moments)
}

fn draw_pipeline(rng: &mut SmallRng) -> usize {
    let mut ticket = rng.random_range(0..PIPELINES.iter().map(|pipeline| pipeline.weight).sum());
    let won = PIPELINES.iter().position(|pipeline| {
        let won = ticket < pipeline.weight;
        ticket = ticket.saturating_sub(pipeline.weight);
        won
    });
    won.unwrap_or_default()
}

fn pick<T: Copy + Default>(rng: &mut SmallRng, list: &[T]) -> T {
    list.get(rng.random_range(0..list.len())).copied().unwrap_or_default()
}

/// Branch, reason and commit fit together: what is deployed is what was built on the main branch.
fn draw_run(cast: &mut Cast, rng: &mut SmallRng, (id, index): (u64, usize), queued: Time) -> Run {
    const MAIN: &str = "refs/heads/main";
    let pipeline = PIPELINES.get(index);
    let trigger = pipeline.map_or(Trigger::Push, |pipeline| pipeline.trigger);
    let mut commit = format!("{:032x}{:08x}", rng.random::<u128>(), rng.random::<u32>());
    let head = pipeline.and_then(|pipeline| cast.heads.get_mut(pipeline.repository));
    let (branch, reason) = match (trigger, rng.random_range(0..100)) {
        (Trigger::Push, 0..40) => (MAIN.to_owned(), "individualCI"),
        (Trigger::Push, 40..75) => (format!("refs/pull/{}/merge", pull_request_of(id, pipeline)), "pullRequest"),
        (Trigger::Push, 75..95) => (format!("refs/heads/feature/{}", pick(rng, &TOPICS)), "individualCI"),
        (Trigger::Push | Trigger::Main, 95..) => (MAIN.to_owned(), "manual"),
        (Trigger::Push | Trigger::Main, _) => (MAIN.to_owned(), "resourceTrigger"),
        (Trigger::Schedule, _) => (MAIN.to_owned(), "schedule"),
    };
    match head {
        Some(head) if branch == MAIN && trigger == Trigger::Push => head.clone_from(&commit),
        Some(head) if branch == MAIN => commit.clone_from(head),
        Some(_) | None => {}
    }
    let person = rng.random_range(0..PEOPLE.len());
    let parts = wire::run_parts(cast, (id, index), (&branch, &commit), (queued, person));
    Run {
        number: draw_number(cast, index, queued),
        plan: Guid(rng.random()),
        web: parts.web,
        links: parts.links,
        resources: parts.resources,
        repositories: parts.repositories,
        id,
        pipeline: index,
        queued,
        branch,
        commit,
        reason,
        person,
    }
}

/// Some runs after each other verify the same one. The numbers are one sequence for all repositories.
fn pull_request_of(id: u64, pipeline: Option<&Pipeline>) -> u64 {
    let repository = pipeline.map_or(0, |pipeline| pipeline.repository);
    let repository = u64::try_from(repository).unwrap_or_default();
    (100 + id / 15) * 3 + repository
}

/// `{date}.{how many of this pipeline on that day}`.
fn draw_number(cast: &mut Cast, pipeline: usize, queued: Time) -> String {
    let day = queued.to_utc().format("%Y%m%d").to_string();
    let Some((latest, count)) = cast.numbers.get_mut(pipeline) else { return day };
    if *latest != day {
        (*latest, *count) = (day.clone(), 0);
    }
    *count += 1;
    format!("{day}.{count}")
}

fn seconds(rng: &mut SmallRng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_micros(rng.random_range(range.start * 1_000_000..range.end * 1_000_000))
}

struct Script<'a> {
    rng: &'a mut SmallRng,
    pipeline: &'static Pipeline,
    pace: Pace,
    clock: Time,
    /// The latest attempt of each stage.
    stages: Vec<Stage>,
    moments: Vec<(Time, Moment)>,
}

impl Script<'_> {
    fn play(&mut self) {
        let clean = |name: &&'static str| Stage {
            name,
            attempt: 1,
            state: State::NotStarted,
            result: None,
            started: None,
            finished: None,
        };
        self.stages = self.pipeline.stages.iter().map(clean).collect();
        self.clock = self.clock.plus(seconds(self.rng, 2..25));
        let started = self.clock;
        let mut first = 0;
        for round in 1..=3 {
            let fate = self.fate(round);
            let (result, last) = self.attempt(first, fate);
            self.end(result.clone(), started);
            let again = result == Outcome::Failed && self.rng.random_bool(0.45);
            if !again {
                return;
            }
            self.clock = self.clock.plus(seconds(self.rng, 180..2_400));
            first = last;
            for stage in self.stages.iter_mut().skip(first) {
                *stage = Stage { attempt: stage.attempt + 1, ..clean(&stage.name) };
            }
        }
    }

    /// How the run's next attempt ends; the stage that decides it is drawn later.
    fn fate(&mut self, round: u32) -> Outcome {
        if self.pace != Pace::Usual {
            return Outcome::Succeeded;
        }
        match self.rng.random_range(0..100) {
            0..12 => Outcome::Failed,
            12..16 if round == 1 => Outcome::Canceled,
            16..19 => Outcome::PartiallySucceeded,
            _ => Outcome::Succeeded,
        }
    }

    /// Plays the stages from `first` on; returns the result and the stage that a retry begins with.
    fn attempt(&mut self, first: usize, fate: Outcome) -> (Outcome, usize) {
        self.say(Moment::Run { state: State::InProgress, end: None, stages: self.stages.clone() });
        let deciding = self.rng.random_range(first..self.stages.len().max(first + 1));
        let mut over = None;
        for index in first..self.stages.len() {
            if over.is_some() {
                self.stage(index, State::Completed, Some(Outcome::Skipped));
                continue;
            }
            let ends = if index == deciding { fate.clone() } else { Outcome::Succeeded };
            match self.play_stage(index, ends) {
                Outcome::Succeeded | Outcome::PartiallySucceeded => {}
                Outcome::Canceled => over = Some((Outcome::Canceled, index)),
                Outcome::Failed | Outcome::Skipped | Outcome::Rejected | Outcome::Abandoned | Outcome::Other(_) => {
                    over = Some((Outcome::Failed, index))
                }
            }
        }
        over.unwrap_or((fate, deciding))
    }

    fn play_stage(&mut self, index: usize, ends: Outcome) -> Outcome {
        let name = self.stages.get(index).map_or("", |stage| stage.name);
        let approval = self.pipeline.approval.filter(|(stage, _)| *stage == name);
        if let Some((_, environment)) = approval {
            self.stage(index, State::Waiting, None);
            if !self.approve(index, environment) {
                self.stage(index, State::Completed, Some(Outcome::Rejected));
                return Outcome::Rejected;
            }
        }
        self.stage(index, State::Running, None);
        let length = self.length(name);
        if ends == Outcome::Canceled {
            self.clock = self.clock.plus(length / 2);
            self.say(Moment::Run { state: State::Canceling, end: None, stages: self.stages.clone() });
            self.clock = self.clock.plus(seconds(self.rng, 2..12));
        } else {
            self.clock = self.clock.plus(length);
        }
        self.stage(index, State::Completed, Some(ends.clone()));
        ends
    }

    fn length(&mut self, stage: &str) -> Duration {
        let usual = match stage {
            "build" | "plan" => 60..240,
            "test" => 120..540,
            _ => 45..300,
        };
        let length = seconds(self.rng, usual);
        if self.pace == Pace::Slow { length + Duration::from_secs(3_600) } else { length }
    }

    /// Whether it was approved.
    fn approve(&mut self, index: usize, environment: &'static str) -> bool {
        let Some((stage, attempt)) = self.stages.get(index).map(|stage| (stage.name, stage.attempt)) else {
            return true;
        };
        let (id, requested) = (Guid(self.rng.random()), self.clock);
        let approver = self.rng.random_range(0..PEOPLE.len());
        let approval = |status, changed| {
            Moment::Approval(Approval { id, status, stage, attempt, environment, requested, changed, approver })
        };
        self.say(approval(ApprovalStatus::Pending, requested));
        let wait = if self.pace == Pace::Waiting { 90_000..100_000 } else { 60..5_400 };
        self.clock = self.clock.plus(seconds(self.rng, wait));
        let approved = self.rng.random_bool(0.94);
        self.say(approval(if approved { ApprovalStatus::Approved } else { ApprovalStatus::Rejected }, self.clock));
        approved
    }

    /// Run events know no partial success; the build's event knows, and comes later.
    fn end(&mut self, result: Outcome, started: Time) {
        let told = if result == Outcome::PartiallySucceeded { Outcome::Succeeded } else { result.clone() };
        let finished = self.clock;
        self.say(Moment::Run { state: State::Completed, end: Some((told, finished)), stages: self.stages.clone() });
        let due = finished.plus(seconds(self.rng, 5..12));
        self.moments.push((due, Moment::Build { result, started, finished }));
    }

    fn stage(&mut self, index: usize, state: State, result: Option<Outcome>) {
        let now = self.clock;
        let Some(stage) = self.stages.get_mut(index) else { return };
        match state {
            State::Running => stage.started = Some(now),
            State::Completed if result != Some(Outcome::Skipped) => stage.finished = Some(now),
            State::NotStarted
            | State::Waiting
            | State::InProgress
            | State::Canceling
            | State::Postponed
            | State::Completed
            | State::Other(_) => {}
        }
        (stage.state, stage.result) = (state, result);
        let stage = stage.clone();
        self.say(Moment::Stage(stage));
    }

    /// The service speaks of what happens now up to two seconds later.
    fn say(&mut self, moment: Moment) {
        let lag = Duration::from_micros(self.rng.random_range(80_000..2_000_000));
        self.moments.push((self.clock.plus(lag), moment));
    }
}
