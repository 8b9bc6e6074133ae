//! How long events took from Azure DevOps to the store, over the last hour.
//!
//! Each worker counts for itself and keeps what it counted in one note of the store, beside what the others counted: who
//! reads is another process. That is no record: what is older than an hour is forgotten. A write may take away what
//! another worker wrote at the same moment; its next one brings it back, since each writes all that it has.
//!
//! The trap: messages may be put on the queue again, from a file or after an outage of days. What was said more than a
//! day ago is no delay, and is not counted.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Time;

/// What is older says nothing of now.
const LATELY: Duration = Duration::from_secs(3_600);
const SLICE: u64 = 300;
/// What was said before that was put on the queue again.
const REPLAYED: Duration = Duration::from_secs(86_400);
/// A note has to fit into a cell of a table; more workers than these are not told of.
const MOST_WORKERS: usize = 12;
/// Up to so many seconds; behind the last one there is one more step.
const STEPS: [u64; 16] = [1, 2, 3, 5, 8, 12, 20, 30, 60, 120, 300, 600, 1_800, 3_600, 21_600, 86_400];

/// What one worker counted, by slices of five minutes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookLag {
    worker: String,
    slices: BTreeMap<u64, Slice>,
}

/// How many events came within each of the steps, and the longest that one took.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Slice {
    counts: BTreeMap<usize, u64>,
    worst_ms: u64,
}

/// What all workers counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HookLags {
    pub events: u64,
    /// Half of them took no longer than this, rounded up to a step.
    pub median: Duration,
    pub worst: Duration,
}

impl HookLag {
    /// The name of the note.
    pub const NOTE: &str = "hook-lag";

    #[must_use]
    pub fn of(worker: &str) -> Self {
        Self { worker: worker.to_owned(), slices: BTreeMap::new() }
    }

    /// Counts an event that is in the store now. `None` where it is no delay.
    pub fn count(&mut self, said: Time, now: Time) -> Option<Duration> {
        let took = now.since(said);
        if took > REPLAYED {
            return None;
        }
        let step = STEPS.iter().position(|most| took <= Duration::from_secs(*most)).unwrap_or(STEPS.len());
        let slice = self.slices.entry(slice(now)).or_default();
        *slice.counts.entry(step).or_default() += 1;
        slice.worst_ms = slice.worst_ms.max(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        Some(took)
    }

    fn forget(&mut self, now: Time) {
        let oldest = slice(now.minus(LATELY));
        self.slices.retain(|at, _| *at > oldest);
    }

    /// The note with this one in it, in the place of what this worker wrote before. What only a newer program
    /// understands is written over: it is of the last hour.
    #[must_use]
    pub fn put_into(&mut self, note: Option<&str>, now: Time) -> String {
        self.forget(now);
        let mut all = read(note.unwrap_or_default(), now);
        all.retain(|other| other.worker != self.worker);
        all.truncate(MOST_WORKERS - 1);
        all.insert(0, self.clone());
        serde_json::json!(all).to_string()
    }
}

impl HookLags {
    /// `None` where nothing came lately.
    #[must_use]
    pub fn read(note: &str, now: Time) -> Option<Self> {
        let all = read(note, now);
        let slices = || all.iter().flat_map(|one| one.slices.values());
        let mut counts: BTreeMap<usize, u64> = BTreeMap::new();
        slices().flat_map(|slice| &slice.counts).for_each(|(step, count)| *counts.entry(*step).or_default() += count);
        let events = counts.values().sum();
        let worst = Duration::from_millis(slices().map(|slice| slice.worst_ms).max()?);
        let mut seen = 0;
        let middle = counts.iter().find(|(_, count)| {
            seen += **count;
            seen * 2 >= events
        });
        // No step is longer than what took longest.
        let median = STEPS.get(*middle?.0).map_or(worst, |seconds| Duration::from_secs(*seconds).min(worst));
        Some(Self { events, median, worst })
    }
}

/// Those who counted something lately.
fn read(note: &str, now: Time) -> Vec<HookLag> {
    let mut all: Vec<HookLag> = serde_json::from_str(note).unwrap_or_default();
    all.iter_mut().for_each(|one| one.forget(now));
    all.retain(|one| !one.slices.is_empty());
    all
}

fn slice(at: Time) -> u64 {
    at.since(Time::from_ticks(0)).as_secs() / SLICE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Time {
        Time::from_ticks((1_000_000 + second) * 10_000_000)
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn median_and_worst_of_all_workers() {
        let (mut one, mut other) = (HookLag::of("a"), HookLag::of("b"));
        for took in [1, 4, 4] {
            one.count(at(0), at(took));
        }
        other.count(at(0), at(100));
        let note = other.put_into(Some(&one.put_into(None, at(100))), at(100));
        let lags = HookLags::read(&note, at(100)).unwrap();
        assert_eq!(lags, HookLags { events: 4, median: seconds(5), worst: seconds(100) });
        // Written again, it counts once.
        let again = one.put_into(Some(&note), at(101));
        assert_eq!(HookLags::read(&again, at(101)), Some(lags));
    }

    #[test]
    fn the_median_is_never_worse_than_the_worst() {
        let mut lag = HookLag::of("a");
        lag.count(at(0), at(4));
        let lags = HookLags::read(&lag.put_into(None, at(4)), at(4)).unwrap();
        assert_eq!((lags.median, lags.worst), (seconds(4), seconds(4)));
    }

    #[test]
    fn what_is_old_is_forgotten_and_what_is_told_again_is_no_delay() {
        let mut lag = HookLag::of("a");
        assert_eq!(lag.count(at(-86_401), at(0)), None);
        assert_eq!(lag.count(at(10), at(0)), Some(Duration::ZERO), "clocks differ");
        let note = lag.put_into(None, at(0));
        assert!(HookLags::read(&note, at(3_000)).is_some());
        assert_eq!(HookLags::read(&note, at(4_200)), None);
        for rubbish in ["", "x", "{}", "[{}]"] {
            assert_eq!(HookLags::read(rubbish, at(0)), None, "{rubbish}");
        }
    }
}
