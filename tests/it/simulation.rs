//! Thousands of runs told the way the service tells them: late, twice, out of order, by speakers whose clocks
//! differ, and half of it lost. No finished run may be shown wrong.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use pipetrail::domain::run::{RunFact, RunRecord, ShownRun, StageSaid, Statement};
use pipetrail::domain::{FactKind, Join, Outcome, RunKey, State, Time};
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

const SEED: u64 = 20_191_002;
const RUNS: u64 = 5_000;
const MOST_SKEW: f64 = 0.5;
const STAGES: [&str; 4] = ["build", "test", "staging", "production"];

/// How far each clock is off, in seconds.
#[derive(Debug)]
struct Skew {
    runs: f64,
    stages: f64,
    builds: f64,
}

/// How a run's stage events are written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    /// Attempts and times.
    Today,
    /// Neither.
    Old,
}

/// What truly happened, and what is said of it. Times are seconds since the run was queued.
#[derive(Debug)]
struct Model {
    key: RunKey,
    shape: Shape,
    skew: Skew,
    /// When the last attempt began, and how long after the finish before it.
    start: f64,
    gap: f64,
    finish: f64,
    result: Outcome,
    attempts: u32,
    one_second: bool,
    /// Result and finish of every stage attempt.
    stages: BTreeMap<(&'static str, u32), (Outcome, f64, f64)>,
    hooks: Vec<RunFact>,
    /// REST answers read while the run was under way.
    polled: Vec<RunFact>,
}

fn at(seconds: f64) -> Time {
    Time::from_ticks(15_700_000_000_000_000).plus(Duration::from_secs_f64(100.0 + seconds))
}

impl Model {
    fn new(run: u64, rng: &mut SmallRng) -> Self {
        let skew = |rng: &mut SmallRng| rng.random_range(-MOST_SKEW..=MOST_SKEW);
        let mut model = Self {
            key: RunKey { organization: "fabrikam".to_owned(), pipeline: 7, run },
            shape: if rng.random_bool(0.7) { Shape::Today } else { Shape::Old },
            skew: Skew { runs: skew(rng), stages: skew(rng), builds: skew(rng) },
            start: 0.0,
            gap: 0.0,
            finish: 0.0,
            result: Outcome::Succeeded,
            attempts: 0,
            one_second: rng.random_bool(0.1),
            stages: BTreeMap::new(),
            hooks: Vec::new(),
            polled: Vec::new(),
        };
        let count = if model.one_second { 1 } else { rng.random_range(1..=STAGES.len()) };
        let mut start = if model.one_second { 0.1 } else { rng.random_range(0.2..60.0) };
        let mut first = 0;
        loop {
            first = model.attempt(start, first, count, rng);
            let retried = model.result != Outcome::Succeeded && model.attempts < 4 && rng.random_bool(0.5);
            if !retried {
                return model;
            }
            let gap = if rng.random_bool(0.5) { rng.random_range(3.0..20.0) } else { rng.random_range(20.0..20_000.0) };
            start = model.finish + gap;
            model.gap = gap;
        }
    }

    /// One attempt of the run, from the stage `first` on. Returns the stage that a retry begins with.
    fn attempt(&mut self, start: f64, first: usize, count: usize, rng: &mut SmallRng) -> usize {
        self.attempts += 1;
        self.start = start;
        self.run_event(start, State::InProgress, None, rng);
        self.poll(start, rng);
        let end = match rng.random_range(0..100) {
            0..60 => Outcome::Succeeded,
            60..82 => Outcome::Failed,
            82..91 => Outcome::Canceled,
            _ => Outcome::PartiallySucceeded,
        };
        let last = if end == Outcome::Succeeded { count - 1 } else { rng.random_range(first..count) };
        let mut now = start;
        for (index, name) in STAGES.iter().copied().enumerate().take(count).skip(first) {
            if index > last && end != Outcome::PartiallySucceeded {
                self.stage(name, (now, now), &Outcome::Skipped, rng);
                continue;
            }
            let length = if self.one_second { 0.9 } else { self.length(rng) };
            let result = if index == last { end.clone() } else { Outcome::Succeeded };
            if result == Outcome::Canceled {
                self.run_event(now + length * rng.random_range(0.0..1.0), State::Canceling, None, rng);
            }
            self.stage(name, (now, now + length), &result, rng);
            now += length;
        }
        self.finish = now + if rng.random_bool(0.5) { 0.0 } else { 0.1 };
        self.result = end;
        self.completed(rng);
        last
    }

    fn length(&self, rng: &mut SmallRng) -> f64 {
        if rng.random_bool(0.3) { rng.random_range(0.2..5.0) } else { rng.random_range(5.0..600.0) }
    }

    /// The hooks of a run that is over: a run event that knows no `partiallySucceeded`, and a build event.
    fn completed(&mut self, rng: &mut SmallRng) {
        let told = match (self.result == Outcome::PartiallySucceeded, rng.random_bool(0.5)) {
            (true, true) => Outcome::Other("unknown".to_owned()),
            (true, false) => Outcome::Succeeded,
            (false, _) => self.result.clone(),
        };
        let (finish, skew) = (self.finish, self.skew.runs);
        self.run_event(finish, State::Completed, Some((told, finish + skew)), rng);
        let said = at(finish + self.skew.builds + rng.random_range(5.0..12.0));
        let mut fact = RunFact::new(self.key.clone(), FactKind::BuildCompleted, said);
        fact.run = Some((State::Completed, self.build_says(said)));
        self.hooks.push(fact);
    }

    fn build_says(&self, said: Time) -> Statement {
        let time = |seconds| Some(at(seconds + self.skew.builds));
        Statement {
            said,
            result: Some(self.result.clone()),
            queued: time(0.0),
            started: None,
            finished: time(self.finish),
        }
    }

    fn run_event(&mut self, when: f64, state: State, end: Option<(Outcome, f64)>, rng: &mut SmallRng) {
        let said = at(when + self.skew.runs + rng.random_range(0.0..12.0));
        let mut fact = RunFact::new(self.key.clone(), FactKind::RunStateChanged, said);
        let mut says = Statement { queued: Some(at(self.skew.runs)), ..Statement::at(said) };
        if let Some((result, finished)) = end {
            (says.result, says.finished) = (Some(result), Some(at(finished)));
            fact.stages = if self.shape == Shape::Today { self.listed(said) } else { Vec::new() };
        }
        fact.run = Some((state, says));
        self.hooks.push(fact);
    }

    /// The stages as a run event or a timeline lists them: the latest attempt of each.
    fn listed(&self, said: Time) -> Vec<StageSaid> {
        let latest: BTreeMap<_, _> =
            self.stages.iter().map(|((name, attempt), truth)| (*name, (*attempt, truth))).collect();
        let listed = latest.into_iter().map(|(name, (attempt, (result, start, finish)))| StageSaid {
            name: name.to_owned(),
            attempt: Some(attempt),
            state: State::Completed,
            says: self.stage_says(said, result, *start, Some(*finish)),
        });
        listed.collect()
    }

    fn stage_says(&self, said: Time, result: &Outcome, start: f64, finish: Option<f64>) -> Statement {
        let time = |seconds: f64| Some(at(seconds + self.skew.stages)).filter(|_| self.shape == Shape::Today);
        let result = finish.map(|_| result.clone());
        Statement { said, result, queued: None, started: time(start), finished: finish.and_then(time) }
    }

    fn stage(&mut self, name: &'static str, (start, finish): (f64, f64), result: &Outcome, rng: &mut SmallRng) {
        let attempt = 1 + self.stages.keys().filter(|(other, _)| *other == name).count();
        let attempt = u32::try_from(attempt).unwrap();
        self.stages.insert((name, attempt), (result.clone(), start, finish));
        let skipped = *result == Outcome::Skipped;
        let moments = [(State::Waiting, start), (State::Running, start), (State::Completed, finish)];
        for (state, when) in moments.into_iter().skip(if skipped { 2 } else { rng.random_range(0..2) }) {
            let said = at(when + self.skew.stages + rng.random_range(0.0..12.0));
            let end = state.is_terminal().then_some(finish);
            let mut fact = RunFact::new(self.key.clone(), FactKind::StageStateChanged, said);
            fact.stages.push(StageSaid {
                name: name.to_owned(),
                attempt: (self.shape == Shape::Today).then_some(attempt),
                says: self.stage_says(said, result, start, end),
                state,
            });
            fact.run = Some((State::InProgress, Statement::at(said)));
            self.hooks.push(fact);
        }
    }

    /// Sometimes the build is read while it runs; its `lastChangedDate` is then that of the start, or of some
    /// change since, such as a tag.
    fn poll(&mut self, start: f64, rng: &mut SmallRng) {
        if rng.random_bool(0.2) {
            let changed = if self.one_second { rng.random_range(0.0..0.9) } else { 0.2 };
            let said = at(start + changed + self.skew.builds);
            let mut fact = RunFact::new(self.key.clone(), FactKind::Build, said);
            fact.run = Some((State::InProgress, Statement::at(said)));
            self.polled.push(fact);
        }
    }

    /// What the REST API answers once the run is over.
    fn backfill(&self, rng: &mut SmallRng) -> Vec<RunFact> {
        let said = at(self.finish + 0.2 + self.skew.builds);
        let mut build = RunFact::new(self.key.clone(), FactKind::Build, said);
        build.run = Some((State::Completed, self.build_says(said)));
        let mut facts = vec![build];
        if rng.random_bool(0.3) {
            let mut timeline = RunFact::new(self.key.clone(), FactKind::Timeline, said);
            timeline.stages = self.listed(said);
            for stage in &mut timeline.stages {
                stage.says.said = stage.says.finished.unwrap_or(said);
            }
            facts.push(timeline);
        }
        facts
    }

    /// What is wrong about `run`, of which `delivered` was told.
    fn faults(&self, run: &ShownRun, delivered: &[RunFact]) -> Vec<String> {
        let mut faults = Vec::new();
        if (run.state.as_ref(), run.result.as_ref()) != (Some(&State::Completed), Some(&self.result)) {
            faults.push(format!("shown {:?} {:?}, truly {}", run.state, run.result, self.result));
        }
        let near =
            |finished: Time| finished.since(at(self.finish)).max(at(self.finish).since(finished)).as_secs_f64() <= 1.0;
        if !run.finished.is_some_and(near) {
            faults.push(format!("finished at {:?}, truly {}", run.finished, at(self.finish)));
        }
        match told_numbered(delivered) {
            told if told.is_empty() => faults.extend(self.derived_faults(run, delivered)),
            told => faults.extend(told.into_iter().filter_map(|(name, attempt)| self.stage_fault(run, &name, attempt))),
        }
        faults
    }

    fn stage_fault(&self, run: &ShownRun, name: &str, attempt: u32) -> Option<String> {
        let truth = self.stages.iter().find(|((other, number), _)| *other == name && *number == attempt)?.1;
        let shown = run.stages.iter().find(|stage| stage.name == name && stage.attempt == attempt);
        let right =
            shown.is_some_and(|stage| stage.state == Some(State::Completed) && stage.result.as_ref() == Some(&truth.0));
        (!right).then(|| format!("stage {name} attempt {attempt} shown {shown:?}, truly {}", truth.0))
    }

    /// Stages whose attempts nobody numbered: the last one shown is the last one that was. Where the ends of two
    /// attempts lie closer together than the longest lag, nobody can tell them apart.
    fn derived_faults(&self, run: &ShownRun, delivered: &[RunFact]) -> Vec<String> {
        let wrong = |name: &&str| {
            let mut attempts = self.stages.iter().filter(|((other, _), _)| other == name).map(|(_, truth)| truth);
            let last = attempts.next_back()?;
            let clear = attempts.next_back().is_none_or(|before| last.2 - before.2 > 28.0);
            let said = |fact: &RunFact| {
                let ended = |stage: &StageSaid| stage.name == **name && stage.state.is_terminal();
                fact.stages.iter().any(ended) && fact.said >= at(last.2 + self.skew.stages)
            };
            let told = delivered.iter().any(said);
            let shown = run.stages.iter().rfind(|stage| stage.name == **name);
            let right = shown.is_some_and(|stage| stage.result.as_ref() == Some(&last.0));
            (clear && told && !right).then(|| format!("stage {name} shown {shown:?}, truly {}", last.0))
        };
        STAGES.iter().filter_map(wrong).collect()
    }
}

/// The numbered stage attempts of whose end somebody told.
fn told_numbered(delivered: &[RunFact]) -> Vec<(String, u32)> {
    let stages = delivered.iter().flat_map(|fact| &fact.stages);
    stages
        .filter(|stage| stage.state.is_terminal())
        .filter_map(|stage| Some((stage.name.clone(), stage.attempt?)))
        .collect()
}

/// Delivers out of order, and one in five twice.
fn deliver(mut facts: Vec<RunFact>, rng: &mut SmallRng) -> Vec<RunFact> {
    let again: Vec<_> = facts.iter().filter(|_| rng.random_bool(0.2)).cloned().collect();
    facts.extend(again);
    facts.shuffle(rng);
    facts
}

fn fold(key: &RunKey, facts: &[RunFact]) -> ShownRun {
    let mut record = RunRecord::new(key.clone());
    facts.iter().for_each(|fact| record.absorb(RunRecord::of(fact)));
    record.shown()
}

/// What was simulated, so that a test that simulates nothing is seen.
#[derive(Debug, Default)]
struct Counts {
    runs: u32,
    facts: usize,
    retried: u32,
    canceled: u32,
    partial: u32,
    one_second: u32,
    old: u32,
    wrong: u32,
}

impl Counts {
    fn add(&mut self, model: &Model, facts: usize, wrong: bool) {
        self.runs += 1;
        self.facts += facts;
        self.retried += u32::from(model.attempts > 1);
        self.canceled += u32::from(model.result == Outcome::Canceled);
        self.partial += u32::from(model.result == Outcome::PartiallySucceeded);
        self.one_second += u32::from(model.one_second);
        self.old += u32::from(model.shape == Shape::Old);
        self.wrong += u32::from(wrong);
    }
}

/// Which facts of a run arrive.
fn simulate(arrives: fn(&Model, &mut SmallRng) -> Vec<RunFact>) -> Counts {
    let (mut counts, mut report) = (Counts::default(), String::new());
    for run in 0..RUNS {
        let mut rng = SmallRng::seed_from_u64(SEED ^ (run << 32));
        let model = Model::new(run, &mut rng);
        let facts = arrives(&model, &mut rng);
        let delivered = deliver(facts, &mut rng);
        let shown = fold(&model.key, &delivered);
        let faults = model.faults(&shown, &delivered);
        counts.add(&model, delivered.len(), !faults.is_empty());
        if !faults.is_empty() && counts.wrong <= 3 {
            writeln!(report, "run {run}: {faults:?}\n{model:?}\ndelivered {delivered:?}\n").unwrap();
        }
    }
    assert_eq!(counts.wrong, 0, "seed {SEED}: {counts:?}\n{report}");
    assert!(
        [counts.retried, counts.canceled, counts.partial, counts.one_second, counts.old].iter().all(|some| *some > 100),
        "{counts:?}"
    );
    counts
}

#[test]
fn no_finished_run_is_shown_wrong_when_half_the_hooks_are_lost_and_backfilled() {
    let counts = simulate(|model, rng| {
        let hooks = model.hooks.iter().filter(|_| rng.random_bool(0.5)).chain(&model.polled);
        let mut facts: Vec<_> = hooks.cloned().collect();
        facts.extend(model.backfill(rng));
        facts
    });
    assert!(counts.facts > 20_000, "{counts:?}");
}

#[test]
fn no_finished_run_is_shown_wrong_by_its_hooks_alone() {
    let counts = simulate(|model, _| model.hooks.iter().chain(&model.polled).cloned().collect());
    assert!(counts.facts > 50_000, "{counts:?}");
}

/// The other side of the rules: what protects a finished run from late words must not hide a retry.
#[test]
fn a_retried_run_is_shown_open_while_its_last_attempt_runs() {
    let mut open = 0;
    for run in 0..RUNS {
        let mut rng = SmallRng::seed_from_u64(SEED ^ (run << 32));
        let model = Model::new(run, &mut rng);
        let (start, now) = (model.start, model.start + 13.0);
        // Without attempt numbers a retry within the longest lag looks like a late event.
        let told = model.shape == Shape::Today || model.gap > 30.0;
        if model.attempts < 2 || model.finish < now || !told {
            continue;
        }
        open += 1;
        let facts: Vec<_> = model.hooks.iter().filter(|fact| fact.said <= at(now)).cloned().collect();
        let shown = fold(&model.key, &deliver(facts, &mut rng));
        let state = shown.state.as_ref();
        let right = matches!(state, Some(State::InProgress | State::Canceling)) && shown.result.is_none();
        assert!(right, "seed {SEED}, run {run}: {state:?} at {}, retried at {}\n{model:?}", at(now), at(start));
    }
    assert!(open > 500, "only {open} runs were retried");
}
