//! A believable history of Azure DevOps events for the demo, the benches and the tests; deterministic from a
//! seed.
//!
//! Six pipelines in two projects, busy in working hours, with failures, retries, cancels, approvals and
//! pull requests; where it is wanted, also what these are about, what they brought to environments, and why they
//! failed. Bodies have the shapes that the service sends today: run, stage and approval events of `5.1-preview.1`,
//! `build.complete` 2.0. Every name in them is invented.
//!
//! Runs are made one after the other as the iterator reaches them, and a body is written only when it is
//! taken, so a history of millions of events needs no more memory than the runs that are under way at once.

mod about;
mod bedrock;
mod cast;
mod deployed;
mod script;
mod timeline;
mod wire;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::{Datelike, Timelike, Weekday};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use self::about::About;
pub use self::bedrock::{Told, bedrock, bedrock_by_chance};
use self::cast::Cast;
use self::script::{Moment, Pace, Run};
pub use self::timeline::Timeline;
use crate::domain::Time;
use crate::domain::deployment::DeploymentFact;

/// One event as the service would send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its `createdDate`.
    pub due: Time,
    /// JSON.
    pub body: Vec<u8>,
}

/// What history to tell. The same plan tells the same events, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The organization in the addresses of the events.
    pub organization: String,
    /// No run is queued before.
    pub from: Time,
    /// No event is due after.
    pub until: Time,
    /// Some runs are under way at this time, whatever the hour: usually `until`, or the present where `until`
    /// lies in the future and events are played as they come due. From then on it is always a busy hour.
    pub live_at: Time,
    /// On a working day. A run makes about a dozen events.
    pub runs_per_day: u32,
    pub seed: u64,
    /// Also the pushes, pull requests and work items that the runs are about. The runs are the same without.
    pub about: bool,
}

/// The first run's id. The demo puts the examples beside the history, in the same organization, and no two runs of one
/// have the same id: those of the examples are below.
const FIRST_RUN: u64 = 10_000;
const HOUR: Duration = Duration::from_secs(3_600);

/// How busy each hour (UTC) of a working day is.
const RHYTHM: [u32; 24] = [1, 1, 4, 1, 1, 2, 6, 14, 26, 34, 36, 32, 20, 30, 36, 34, 26, 14, 6, 4, 3, 2, 2, 1];
const RHYTHM_SUM: u32 = 336;
const BUSIEST: u32 = 36;
/// A weekend's hour has one run where a working day's has so many.
const WEEKEND: u32 = 8;

/// How long before [`Plan::live_at`] the runs that are live then were queued, in seconds.
const LIVE: [(u64, Pace); 4] = [(2_400, Pace::Waiting), (700, Pace::Slow), (260, Pace::Slow), (45, Pace::Slow)];

impl Plan {
    /// A plan of 60 runs a day, some of them live at its end.
    #[must_use]
    pub fn new(organization: impl Into<String>, from: Time, until: Time, seed: u64) -> Self {
        Self { organization: organization.into(), from, until, live_at: until, runs_per_day: 60, seed, about: false }
    }

    /// The events in the order in which they are due.
    #[must_use]
    pub fn events(&self) -> Events {
        Events {
            cast: Cast::new(&self.organization),
            rng: SmallRng::seed_from_u64(self.seed),
            hour: hour_of(self.from),
            plan: self.clone(),
            starts: VecDeque::new(),
            pending: BinaryHeap::new(),
            next_run: FIRST_RUN,
            made: 0,
            about: self.about.then(About::new),
        }
    }

    /// What the stages of its runs brought to environments.
    pub fn deployments(&self) -> impl Iterator<Item = DeploymentFact> {
        let organization = self.organization.to_lowercase();
        self.moments().filter_map(move |next| deployed::fact(&organization, &next.run, &next.moment, next.due))
    }

    /// Why its runs failed, in the order in which they did.
    pub fn timelines(&self) -> impl Iterator<Item = Timeline> {
        self.moments().filter_map(|next| timeline::timeline(&next.run, &next.moment, next.due))
    }

    /// Those of the runs.
    fn moments(&self) -> impl Iterator<Item = Pending> + use<> {
        let mut events = Self { about: false, ..self.clone() }.events();
        std::iter::from_fn(move || events.next_moment())
    }
}

/// The events of a [`Plan`], written as they are taken.
#[derive(Debug)]
pub struct Events {
    plan: Plan,
    cast: Cast,
    rng: SmallRng,
    /// Starts are drawn up to here.
    hour: Time,
    starts: VecDeque<(Time, Pace)>,
    pending: BinaryHeap<Reverse<Pending>>,
    next_run: u64,
    made: u64,
    about: Option<About>,
}

#[derive(Debug)]
struct Pending {
    due: Time,
    /// Order of making, which decides where times are equal.
    number: u64,
    run: Arc<Run>,
    moment: Moment,
}

impl Pending {
    fn rank(&self) -> (Time, u64) {
        (self.due, self.number)
    }
}

impl PartialEq for Pending {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Pending {}

impl Ord for Pending {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Pending {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let next = self.next_moment()?;
        let body = wire::body(&self.cast, &next.run, next.moment, next.due, next.number);
        Some(Event { due: next.due, body })
    }
}

impl Events {
    /// A pull request that was merged, and its work item: the latest of those that were told of.
    #[must_use]
    pub fn merged(&self) -> Option<(u64, u64)> {
        self.about.as_ref()?.merged().map(|merged| (merged.number, merged.item()))
    }

    fn next_moment(&mut self) -> Option<Pending> {
        loop {
            // A run that is still to be made says nothing before it is queued.
            let frontier = self.starts.front().map_or(self.hour, |(queued, _)| *queued);
            let ready = self.pending.peek().is_some_and(|Reverse(next)| next.due < frontier);
            if ready || self.told() {
                let Reverse(next) = self.pending.pop()?;
                if next.due > self.plan.until {
                    return None;
                }
                return Some(next);
            }
            match self.starts.pop_front() {
                Some((queued, pace)) => self.make_run(queued, pace),
                None => self.draw_hour(),
            }
        }
    }

    /// Whether every run was made.
    fn told(&self) -> bool {
        self.starts.is_empty() && self.hour > self.plan.until
    }

    /// When the runs of the next hour are queued.
    fn draw_hour(&mut self) {
        let end = self.hour.plus(HOUR);
        let weight = self.plan.runs_per_day.saturating_mul(self.busy());
        let more = self.rng.random_range(0..RHYTHM_SUM) < weight % RHYTHM_SUM;
        let count = weight / RHYTHM_SUM + u32::from(more);
        let hour = self.hour;
        let mut starts: Vec<_> = (0..count)
            .map(|_| (hour.plus(Duration::from_millis(self.rng.random_range(0..3_600_000))), Pace::Usual))
            .chain(LIVE.map(|(before, pace)| (self.plan.live_at.minus(Duration::from_secs(before)), pace)))
            .filter(|(queued, _)| (hour..end).contains(queued))
            .filter(|(queued, _)| (self.plan.from..=self.plan.until).contains(queued))
            .collect();
        starts.sort();
        self.starts.extend(starts);
        self.hour = end;
    }

    fn busy(&self) -> u32 {
        if self.hour.plus(HOUR) > self.plan.live_at {
            return BUSIEST;
        }
        let utc = self.hour.to_utc();
        let hour = usize::try_from(utc.hour()).unwrap_or_default();
        let weight = RHYTHM.get(hour).copied().unwrap_or(1);
        if matches!(utc.weekday(), Weekday::Sat | Weekday::Sun) { weight.div_ceil(WEEKEND) } else { weight }
    }

    fn make_run(&mut self, queued: Time, pace: Pace) {
        let (run, moments) = script::write(&mut self.cast, &mut self.rng, self.next_run, (queued, pace));
        self.next_run += 1;
        let run = Arc::new(run);
        // Their numbers are those of no moment: the events of runs stay what they are.
        for body in self.about.as_mut().map(|about| about.events(&self.cast, &run)).unwrap_or_default() {
            let (run, moment) = (Arc::clone(&run), Moment::Other(body));
            self.pending.push(Reverse(Pending { due: queued, number: self.made, run, moment }));
        }
        for (due, moment) in moments {
            self.made += 1;
            self.pending.push(Reverse(Pending { due, number: self.made, run: Arc::clone(&run), moment }));
        }
    }
}

fn hour_of(time: Time) -> Time {
    let ticks = i64::try_from(HOUR.as_nanos() / 100).unwrap_or(1);
    Time::from_ticks(time.ticks().div_euclid(ticks) * ticks)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::LazyLock;

    use serde_json::Value;

    use super::cast::PIPELINES;
    use super::*;

    fn time(text: &str) -> Time {
        Time::parse(text).unwrap().unwrap()
    }

    fn month() -> Plan {
        Plan::new("fabrikam", time("2025-03-01T00:00:00Z"), time("2025-03-29T22:00:00Z"), 7)
    }

    /// [`month`], told once for all tests.
    static TOLD: LazyLock<Vec<(Time, Value)>> = LazyLock::new(|| {
        month().events().map(|event| (event.due, serde_json::from_slice(&event.body).unwrap())).collect()
    });

    fn text<'a>(value: &'a Value, path: &str) -> &'a str {
        value.pointer(path).and_then(Value::as_str).unwrap_or_default()
    }

    fn run_of(event: &Value) -> u64 {
        let ids = ["/resource/runId", "/resource/id", "/resource/run/id"].map(|path| event.pointer(path));
        let run = if text(event, "/eventType").contains("approval") { ids[2] } else { ids[0].or(ids[1]) };
        run.and_then(|id| id.as_u64().or_else(|| id.as_str()?.parse().ok())).unwrap()
    }

    #[test]
    fn the_same_seed_tells_the_same_and_another_tells_other() {
        let first: Vec<_> = month().events().take(2_000).collect();
        assert_eq!(first, month().events().take(2_000).collect::<Vec<_>>());
        let other = Plan { seed: 8, ..month() };
        assert_ne!(first, other.events().take(2_000).collect::<Vec<_>>());
    }

    /// The benches measure the runs alone.
    #[test]
    fn the_runs_are_the_same_whatever_they_are_about() {
        let plan = Plan { about: true, ..month() };
        let mut events = plan.events();
        let told: Vec<_> = events.by_ref().collect();
        let is_other = |event: &&Event| {
            let body: Value = serde_json::from_slice(&event.body).unwrap();
            ["git.", "workitem."].iter().any(|kind| text(&body, "/eventType").starts_with(kind))
        };
        let (others, runs): (Vec<_>, Vec<_>) = told.iter().partition(is_other);
        assert!(runs.into_iter().cloned().eq(month().events()));
        assert!((500..2_500).contains(&others.len()), "{}", others.len());
        assert!(events.merged().is_some());
    }

    #[test]
    fn what_was_deployed_is_what_the_stages_did() {
        let deployed: Vec<_> = month().deployments().collect();
        assert!(deployed.len() > 200, "{}", deployed.len());
        let finished = |stage: &str| {
            let stage = TOLD.iter().filter(|(_, event)| text(event, "/resource/stage/name") == stage);
            stage.filter(|(_, event)| !text(event, "/resource/stage/finishTime").is_empty()).count()
        };
        let brought = deployed.iter().filter(|fact| fact.job.stage == "deploy-staging").count();
        assert_eq!(brought, finished("deploy-staging"));
    }

    /// A rejected approval fails a run, too, and no stage of it.
    #[test]
    fn every_run_in_which_a_stage_failed_says_why() {
        let told: Vec<_> = month().timelines().map(|timeline| (timeline.due, timeline.run)).collect();
        let is_failed = |stage: &Value| text(stage, "/result") == "failed";
        let failed = TOLD.iter().filter(|(_, event)| text(event, "/resource/run/result") == "failed");
        let failed = failed.filter(|(_, event)| event["resource"]["stages"].as_array().unwrap().iter().any(is_failed));
        assert_eq!(told, failed.map(|(due, event)| (*due, run_of(event))).collect::<Vec<_>>());
        assert!(told.len() > 100, "{}", told.len());
        assert!(month().timelines().eq(month().timelines()));
    }

    #[test]
    fn events_come_in_order_within_the_plan() {
        let plan = Plan { about: true, ..month() };
        let due: Vec<_> = plan.events().map(|event| event.due).collect();
        assert!(due.is_sorted());
        assert!(due.iter().all(|due| (plan.from..=plan.until).contains(due)));
    }

    #[test]
    fn every_event_has_what_a_reader_needs() {
        let mut ids = BTreeSet::new();
        for (due, event) in &*TOLD {
            assert_eq!(time(text(event, "/createdDate")), *due);
            assert!(ids.insert(text(event, "/id").to_owned()), "an id came twice");
            let kind = text(event, "/eventType");
            assert!(run_of(event) >= FIRST_RUN);
            let pipeline = ["/resource/pipeline/id", "/resource/definition/id"];
            let pipeline = pipeline.iter().find_map(|path| event.pointer(path)).unwrap().to_string();
            assert_ne!(pipeline.trim_matches('"'), "7");
            let base = text(event, "/resourceContainers/collection/baseUrl");
            assert_eq!(base, "https://dev.azure.com/fabrikam/");
            assert_eq!(event.pointer("/resourceContainers/project").is_none(), kind.contains("approval"));
            if kind.contains("stage-state") {
                assert!(event.pointer("/resource/stage/attempt").unwrap().as_u64().unwrap() >= 1);
                assert!(!text(event, "/resource/stage/name").is_empty());
            }
        }
    }

    #[test]
    fn bodies_are_of_the_size_that_the_service_sends() {
        let sizes: Vec<_> = month().events().map(|event| event.body.len()).collect();
        let mean = sizes.iter().sum::<usize>() / sizes.len();
        assert!((2_000..3_500).contains(&mean), "{mean}");
        assert!(sizes.iter().all(|size| *size < 6_000));
    }

    /// The build event alone knows every outcome; a retried run makes two.
    fn results(events: &[(Time, Value)]) -> BTreeMap<&str, usize> {
        let mut results = BTreeMap::new();
        for (_, event) in events.iter().filter(|(_, event)| text(event, "/eventType") == "build.complete") {
            *results.entry(text(event, "/resource/result")).or_default() += 1;
        }
        results
    }

    #[test]
    fn counts_are_plausible() {
        let events = &*TOLD;
        let runs: BTreeSet<_> = events.iter().map(|(_, event)| run_of(event)).collect();
        assert!((1_100..1_500).contains(&runs.len()), "{}", runs.len());
        assert_eq!(runs.len() as u64, runs.last().unwrap() - FIRST_RUN + 1, "ids have no gaps");
        assert!((8..18).contains(&(events.len() / runs.len())), "{}", events.len());
        let results = results(events);
        let completions: usize = results.values().sum();
        let share = |result: &str| results.get(result).copied().unwrap_or_default() * 100 / completions;
        assert!((75..90).contains(&share("succeeded")), "{results:?}");
        assert!((8..18).contains(&share("failed")), "{results:?}");
        assert!((1..8).contains(&share("canceled")) && (1..6).contains(&share("partiallySucceeded")), "{results:?}");
        let some = |path: &str, wanted: &str| events.iter().filter(|(_, event)| text(event, path) == wanted).count();
        assert!(some("/resource/approval/status", "approved") > 50);
        assert!(some("/resource/approval/status", "rejected") > 1);
        assert!(some("/resource/reason", "pullRequest") > 100);
        let retried = |event: &Value| event.pointer("/resource/stage/attempt") == Some(&Value::from(2));
        assert!(events.iter().filter(|(_, event)| retried(event)).count() > 50);
        assert!(completions > runs.len());
    }

    #[test]
    fn some_runs_are_live_at_the_end_even_at_night() {
        let mut finished = BTreeMap::new();
        let events = &*TOLD;
        for (_, event) in events {
            let completed = text(event, "/resource/run/state") == "completed";
            *finished.entry(run_of(event)).or_insert(false) |= completed;
        }
        assert!((3..20).contains(&finished.values().filter(|finished| !**finished).count()));
        let waiting = |event: &&(Time, Value)| text(&event.1, "/resource/approval/status") == "pending";
        assert!(!finished.get(&run_of(&events.iter().rfind(waiting).unwrap().1)).unwrap());
    }

    #[test]
    fn nights_and_weekends_are_quiet() {
        let starts = TOLD.iter().filter(|(_, event)| text(event, "/resource/run/state") == "inProgress");
        let starts = starts.filter(|(_, event)| text(event, "/eventType").contains("run-state"));
        let (mut weekend, mut all) = (0, 0);
        for (due, _) in starts {
            all += 1;
            weekend += usize::from(matches!(due.to_utc().weekday(), Weekday::Sat | Weekday::Sun));
        }
        assert!(weekend * 10 < all, "{weekend} of {all}");
    }

    #[test]
    fn all_pipelines_run() {
        let events = &*TOLD;
        let names: BTreeSet<_> = events.iter().map(|(_, event)| text(event, "/resource/pipeline/name")).collect();
        assert!(PIPELINES.iter().all(|pipeline| names.contains(pipeline.name)));
        assert_eq!(RHYTHM.iter().sum::<u32>(), RHYTHM_SUM);
    }

    #[test]
    fn a_plan_without_time_tells_nothing() {
        let plan = Plan { until: time("2025-02-01T00:00:00Z"), ..month() };
        assert_eq!(plan.events().count(), 0);
        assert!(Plan { runs_per_day: 0, ..month() }.events().count() > 0, "the live runs are there");
    }
}
