//! How pipelines run, deployment or not: how long, how long they wait, how often they succeed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::figure::{Figure, Spread, Unknown, seconds};
use super::material::Name;
use super::window::{Clocks, Window, Zone};
use super::{CommitId, Map, Set};
use crate::domain::{Outcome, Time};

/// A run that finished. Numbers stand for what whoever made this knows: there may be half a million of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Which pipeline.
    pub pipeline: usize,
    pub run: u64,
    /// Which branch.
    pub branch: u32,
    /// Whether that is the default branch: as somebody told, else by the usual names.
    pub on_default: bool,
    pub commit: Option<CommitId>,
    /// `None` for what says nothing about the pipeline: see [`Ran::passed`].
    pub passed: Option<bool>,
    pub queued: Option<Time>,
    pub started: Option<Time>,
    pub finished: Time,
    /// Which pool of agents: the place of its name.
    pub pool: usize,
}

impl Ran {
    /// Whether such a run passed. `None` for what says nothing about the pipeline: somebody canceled it, or the word is
    /// not known.
    #[must_use]
    pub fn passed(result: &Outcome) -> Option<bool> {
        match result {
            Outcome::Succeeded | Outcome::PartiallySucceeded => Some(true),
            Outcome::Failed | Outcome::Rejected | Outcome::Abandoned => Some(false),
            Outcome::Canceled | Outcome::Skipped | Outcome::Other(_) => None,
        }
    }
}

/// What runs amount to. Times are in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    /// All that finished. Those that were canceled are in no other number.
    pub runs: usize,
    pub duration: Spread,
    /// From queued to started.
    pub queue: Spread,
    /// Of those that succeeded, partially too, or failed; from 0 to 1. On the default branch, and on all others.
    pub success_on_default: Figure<f64>,
    pub success_on_others: Figure<f64>,
    /// From the end of each failed run to that of the next successful one of its pipeline and branch.
    pub recovery: Spread,
    pub not_recovered: usize,
    /// Commits on which a pipeline both succeeded and failed.
    pub flaky: usize,
    /// The first of them.
    pub flaky_commits: Vec<String>,
}

/// Runs of tests that scripts told of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tests {
    /// Events `test_run`.
    pub runs: u64,
    /// Events `test_pass`.
    pub passed: u64,
    /// From 0 to 1.
    pub pass_rate: Figure<f64>,
}

impl Tests {
    #[must_use]
    pub fn of(runs: u64, passed: u64) -> Self {
        let pass_rate = match (runs, passed) {
            (0, 0) => Figure::unknown(Unknown::NoTests),
            (runs, passed) if passed > runs => Figure::unknown(Unknown::TestsMissing),
            (runs, passed) => Figure::known(part(passed, runs)),
        };
        Self { runs, passed, pass_rate }
    }
}

impl Default for Tests {
    fn default() -> Self {
        Self::of(0, 0)
    }
}

/// How pipelines ran in a time.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlowReport {
    #[serde(serialize_with = "rfc3339")]
    pub from: Time,
    /// Not in it any more.
    #[serde(serialize_with = "rfc3339")]
    pub until: Time,
    /// Whose hours of the day these are.
    pub time_zone: String,
    #[serde(flatten)]
    pub numbers: Flow,
    /// By the hour of the day at which they were queued; hours without any are left out.
    pub queue_by_hour: Vec<HourQueue>,
    /// By pool of agents, those with the most runs first. Null where the pool is not known.
    pub queue_by_pool: Vec<PoolQueue>,
    pub tests: Tests,
    /// Only where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub groups: Option<Vec<GroupFlow>>,
    /// How such a list is to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Option<String>)]
    pub caution: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct HourQueue {
    pub hour: u32,
    pub queue: Spread,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PoolQueue {
    pub pool: Option<String>,
    pub queue: Spread,
}

/// Numbers of one of a group.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct GroupFlow {
    /// Null for what belongs to none.
    pub name: Option<String>,
    pub numbers: Flow,
    pub tests: Tests,
}

/// So many flaky commits are named.
const MOST_FLAKY: usize = 50;
/// So many pools are told of.
const MOST_POOLS: usize = 100;

impl Flow {
    /// Of runs in any order. Those that finished after the window only tell what followed.
    #[must_use]
    pub fn of<'r>(runs: impl IntoIterator<Item = &'r Ran>, window: Window) -> Self {
        let mut all = 0;
        let mut judged: Vec<(&Ran, bool)> = Vec::new();
        for run in runs {
            all += usize::from(window.holds(run.finished));
            judged.extend(run.passed.map(|good| (run, good)));
        }
        let (recovery, not_recovered) = recovery(&judged, window);
        judged.retain(|(run, _)| window.holds(run.finished));
        let mut flaky = flaky(&judged);
        let count = flaky.len();
        flaky.truncate(MOST_FLAKY);
        Self {
            runs: all,
            duration: spread(&judged, |run| Some(seconds(run.started?, run.finished))),
            queue: spread(&judged, waited),
            success_on_default: share(judged.iter().filter(|(run, _)| run.on_default)),
            success_on_others: share(judged.iter().filter(|(run, _)| !run.on_default)),
            recovery,
            not_recovered,
            flaky: count,
            flaky_commits: flaky,
        }
    }
}

impl FlowReport {
    /// Of runs in any order, by the names of their pools; without groups and tests.
    #[must_use]
    pub fn of(runs: &[Ran], pools: &[Option<Name>], window: Window, zone: Zone) -> Self {
        let (hours, of_pools) = waits(runs.iter().filter(|run| window.holds(run.finished)), zone);
        let spread = |waits| Spread::of(waits, Unknown::NoRuns);
        let name = |pool: usize| pools.get(pool).and_then(Option::as_deref).map(str::to_owned);
        let mut pools: Vec<PoolQueue> =
            of_pools.into_iter().map(|(pool, waits)| PoolQueue { pool: name(pool), queue: spread(waits) }).collect();
        pools.sort_by(|one, other| (other.queue.count, &one.pool).cmp(&(one.queue.count, &other.pool)));
        pools.truncate(MOST_POOLS);
        Self {
            from: window.from,
            until: window.until,
            time_zone: zone.to_string(),
            numbers: Flow::of(runs, window),
            queue_by_hour: hours.into_iter().map(|(hour, waits)| HourQueue { hour, queue: spread(waits) }).collect(),
            queue_by_pool: pools,
            tests: Tests::default(),
            groups: None,
            caution: None,
        }
    }
}

/// Clocks may disagree; nothing takes less than no time.
fn spread(judged: &[(&Ran, bool)], of: impl Fn(&Ran) -> Option<i64>) -> Spread {
    let taken = judged.iter().filter_map(|(run, _)| of(run)).filter(|seconds| *seconds >= 0);
    Spread::of(taken.collect(), Unknown::NoRuns)
}

fn waited(run: &Ran) -> Option<i64> {
    Some(seconds(run.queued?, run.started?))
}

/// By the hour of the day, and by pool.
fn waits<'r>(runs: impl Iterator<Item = &'r Ran>, zone: Zone) -> (BTreeMap<u32, Vec<i64>>, Map<usize, Vec<i64>>) {
    let (mut hour_of, mut hours, mut pools) = (Clocks::of(zone), BTreeMap::<u32, Vec<i64>>::new(), Map::default());
    for run in runs {
        let waited = run.passed.and_then(|_| waited(run)).filter(|seconds| *seconds >= 0);
        if let (Some(waited), Some(queued)) = (waited, run.queued) {
            hours.entry(hour_of.hour(queued)).or_default().push(waited);
            pools.entry(run.pool).or_insert_with(Vec::new).push(waited);
        }
    }
    (hours, pools)
}

fn share<'r>(runs: impl Iterator<Item = &'r (&'r Ran, bool)>) -> Figure<f64> {
    let (good, all) = runs.fold((0, 0), |(good, all), (_, is_good)| (good + u64::from(*is_good), all + 1));
    Figure::or((all > 0).then(|| part(good, all)), Unknown::NoRuns)
}

#[expect(clippy::cast_precision_loss, reason = "nobody runs so often")]
fn part(of: u64, whole: u64) -> f64 {
    of as f64 / whole as f64
}

/// From the last to the first: what followed is known then.
fn recovery(judged: &[(&Ran, bool)], window: Window) -> (Spread, usize) {
    let mut ends: Vec<_> = judged.iter().map(|(run, is_good)| (run.finished, run.run, *is_good, of(run))).collect();
    ends.sort_unstable_by_key(|(finished, run, ..)| (*finished, *run));
    let mut next: Map<(usize, u32), Time> = Map::default();
    let (mut taken, mut open) = (Vec::new(), 0);
    for (finished, _, is_good, of) in ends.into_iter().rev() {
        match (is_good, next.get(&of)) {
            (true, _) => drop(next.insert(of, finished)),
            (false, _) if !window.holds(finished) => {}
            (false, Some(good)) => taken.push(seconds(finished, *good)),
            (false, None) => open += 1,
        }
    }
    let why = if open > 0 { Unknown::NotRecovered } else { Unknown::NoFailures };
    (Spread::of(taken, why), open)
}

/// Of which pipeline and branch.
fn of(run: &Ran) -> (usize, u32) {
    (run.pipeline, run.branch)
}

fn flaky(judged: &[(&Ran, bool)]) -> Vec<String> {
    let failed = judged.iter().filter(|(_, is_good)| !is_good).filter_map(|(run, _)| key_of_commit(run));
    let failed: Set<_> = failed.collect();
    let good = judged.iter().filter(|(_, is_good)| *is_good).filter_map(|(run, _)| key_of_commit(run));
    let both: BTreeSet<&CommitId> = good.filter(|key| failed.contains(key)).map(|(_, commit)| commit).collect();
    both.into_iter().map(ToString::to_string).collect()
}

fn key_of_commit<'r>(run: &&'r Ran) -> Option<(usize, &'r CommitId)> {
    Some((run.pipeline, run.commit.as_ref()?))
}

fn rfc3339<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(minute: i64) -> Time {
        Time::from_ticks(minute * 60 * 10_000_000)
    }

    const HOUR: i64 = 60;

    fn window() -> Window {
        Window { from: minute(0), until: minute(100) }
    }

    /// `(run, branch, commit, result, minute of the end)`; each waits 30 s and takes a minute.
    fn ran((run, branch, commit, result, end): (u64, &str, &str, &str, i64)) -> Ran {
        let at = |seconds: i64| Time::from_ticks((end * 60 + seconds) * 10_000_000);
        Ran {
            pipeline: 7,
            run,
            branch: u32::from(branch == "main"),
            on_default: branch == "main",
            commit: Some(commit.into()),
            passed: Ran::passed(&Outcome::from(result)),
            queued: Some(at(-90)),
            started: Some(at(-60)),
            finished: at(0),
            pool: 0,
        }
    }

    #[test]
    fn what_runs_amount_to() {
        let runs = [
            (1, "main", "a", "failed", 10),
            (2, "main", "b", "failed", 20),
            (3, "topic", "c", "succeeded", 25),
            (4, "main", "b", "partiallySucceeded", 40),
            (5, "topic", "d", "failed", 50),
            (6, "main", "e", "canceled", 60),
            (7, "main", "e", "unheardOf", 61),
        ];
        let flow = Flow::of(&runs.map(ran), window());
        assert_eq!((flow.runs, flow.duration.median, flow.queue.p95), (7, Figure::known(60), Figure::known(30)));
        assert_eq!(flow.success_on_default, Figure::known(1.0 / 3.0));
        assert_eq!(flow.success_on_others, Figure::known(0.5));
        assert_eq!((flow.recovery.median, flow.recovery.p95), (Figure::known(1_200), Figure::known(1_800)));
        assert_eq!((flow.not_recovered, flow.flaky, flow.flaky_commits), (1, 1, vec!["b".to_owned()]));
    }

    #[test]
    fn what_followed_the_time_is_a_recovery_and_no_run_of_it() {
        let flow = Flow::of(&[(1, "main", "a", "failed", 90), (2, "main", "b", "succeeded", 110)].map(ran), window());
        assert_eq!((flow.runs, flow.recovery.median, flow.not_recovered), (1, Figure::known(1_200), 0));
        assert_eq!(flow.success_on_default, Figure::known(0.0));
        let late = Flow::of(&[(1, "main", "a", "failed", 110)].map(ran), window());
        assert_eq!((late.runs, late.not_recovered), (0, 0));
    }

    #[test]
    fn pipelines_do_not_recover_each_other() {
        let other = Ran { pipeline: 8, ..ran((2, "main", "a", "succeeded", 30)) };
        let flow = Flow::of(&[ran((1, "main", "a", "failed", 20)), other], window());
        assert_eq!((flow.not_recovered, flow.flaky), (1, 0));
        assert_eq!(flow.recovery.median, Figure::unknown(Unknown::NotRecovered));
    }

    #[test]
    fn without_runs_nothing_is_zero() {
        let flow = Flow::of(&[ran((1, "main", "a", "canceled", 5))], window());
        assert_eq!(flow.duration.median, Figure::unknown(Unknown::NoRuns));
        assert_eq!(flow.success_on_default, Figure::unknown(Unknown::NoRuns));
        assert_eq!(flow.recovery.median, Figure::unknown(Unknown::NoFailures));
    }

    #[test]
    fn tests_that_nobody_told_of_are_no_zero() {
        assert_eq!(Tests::of(4, 3).pass_rate, Figure::known(0.75));
        assert_eq!(Tests::of(4, 0).pass_rate, Figure::known(0.0));
        assert_eq!(Tests::default().pass_rate, Figure::unknown(Unknown::NoTests));
        assert_eq!(Tests::of(3, 4).pass_rate, Figure::unknown(Unknown::TestsMissing));
    }

    #[test]
    fn the_wait_is_told_by_hour_and_pool() {
        let window = Window { from: minute(0), until: minute(4 * HOUR) };
        let slow = Ran {
            queued: Some(minute(2 * HOUR)),
            started: Some(minute(2 * HOUR + 10)),
            pool: 1,
            ..ran((3, "x", "c", "failed", 150))
        };
        let runs = [ran((1, "main", "a", "succeeded", 10)), ran((2, "main", "b", "succeeded", 20)), slow];
        let report = FlowReport::of(&runs, &[Some("linux".into()), None], window, "Asia/Kolkata".parse().unwrap());
        let hours: Vec<_> = report.queue_by_hour.iter().map(|of| (of.hour, of.queue.median.value)).collect();
        assert_eq!(hours, [(5, Some(30)), (7, Some(600))], "half an hour off");
        let pools: Vec<_> = report.queue_by_pool.iter().map(|of| (of.pool.as_deref(), of.queue.count)).collect();
        assert_eq!(pools, [(Some("linux"), 2), (None, 1)]);
    }
}
