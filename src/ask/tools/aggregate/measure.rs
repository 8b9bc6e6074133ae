use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Number, Value, json};

use super::super::Citation;
use crate::catalog::Sample;
use crate::domain::Time;
use crate::domain::metrics::nearest_rank;

/// What is measured, of runs; with a stage to group by, of stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum Measure {
    /// All of them, also live ones.
    Count,
    Succeeded,
    Failed,
    Canceled,
    /// Of those that succeeded, wholly or partially, or failed.
    SuccessRate,
    /// The same, the other way round.
    FailureRate,
    /// From start to finish, of those that were not canceled or skipped.
    MedianDurationSeconds,
    P95DurationSeconds,
    /// From queued to started, of runs.
    MedianQueueSeconds,
    P95QueueSeconds,
    /// Commits on which the same pipeline both succeeded and failed.
    FlakyCommits,
    /// Different commits.
    Commits,
}

/// What became of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad,
    Canceled,
    /// Live, skipped, or a word of the service that is not known here.
    Other,
}

fn verdict(sample: &Sample<'_>) -> Verdict {
    match sample.result {
        Some("succeeded" | "partiallySucceeded") => Verdict::Good,
        Some("failed") => Verdict::Bad,
        Some("canceled") => Verdict::Canceled,
        Some(_) | None => Verdict::Other,
    }
}

/// Runs that stand behind a number, at most.
const BEHIND: usize = 3;

/// What one group came to so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    samples: u64,
    good: u64,
    bad: u64,
    canceled: u64,
    seconds: Vec<u64>,
    /// Pipeline and commit, with whether they succeeded and failed.
    commits: BTreeMap<(u64, String), (bool, bool)>,
    /// The newest that count, the newest last.
    behind: BTreeSet<(u64, String, Option<String>)>,
}

impl Tally {
    pub(super) fn samples(&self) -> u64 {
        self.samples
    }

    /// The newest runs behind the number, the newest first.
    pub(super) fn behind(&self) -> impl Iterator<Item = Citation> + '_ {
        self.behind.iter().rev().map(|(run_id, organization, url)| Citation {
            organization: organization.clone(),
            run_id: *run_id,
            url: url.clone(),
        })
    }

    fn cite(&mut self, sample: &Sample<'_>) {
        let is_old = self.behind.first().is_some_and(|(oldest, ..)| sample.run_id < *oldest);
        if self.behind.len() == BEHIND && is_old {
            return;
        }
        let url = sample.url.map(str::to_owned);
        self.behind.insert((sample.run_id, sample.organization.to_owned(), url));
        if self.behind.len() > BEHIND {
            self.behind.pop_first();
        }
    }
}

impl Measure {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::SuccessRate => "successRate",
            Self::FailureRate => "failureRate",
            Self::MedianDurationSeconds => "medianDurationSeconds",
            Self::P95DurationSeconds => "p95DurationSeconds",
            Self::MedianQueueSeconds => "medianQueueSeconds",
            Self::P95QueueSeconds => "p95QueueSeconds",
            Self::FlakyCommits => "flakyCommits",
            Self::Commits => "commits",
        }
    }

    /// How it is reckoned.
    pub(super) fn says(self) -> &'static str {
        match self {
            Self::Count => "count: all of them, also live ones",
            Self::Succeeded => "succeeded: those that succeeded, wholly or partially",
            Self::Failed => "failed: those with the result failed",
            Self::Canceled => "canceled: those with the result canceled",
            Self::SuccessRate => "successRate: succeeded, wholly or partially / those and the failed; from 0 to 1",
            Self::FailureRate => "failureRate: failed / those and the succeeded, wholly or partially; from 0 to 1",
            Self::MedianDurationSeconds => {
                "medianDurationSeconds: from start to finish, of what succeeded or failed; nearest rank"
            }
            Self::P95DurationSeconds => {
                "p95DurationSeconds: from start to finish, of what succeeded or failed; nearest rank"
            }
            Self::MedianQueueSeconds => "medianQueueSeconds: from queued to started; nearest rank",
            Self::P95QueueSeconds => "p95QueueSeconds: from queued to started; nearest rank",
            Self::FlakyCommits => "flakyCommits: commits on which the same pipeline both succeeded and failed",
            Self::Commits => "commits: different commits",
        }
    }

    pub(super) fn add(self, tally: &mut Tally, sample: &Sample<'_>) {
        let verdict = verdict(sample);
        let has_result = matches!(verdict, Verdict::Good | Verdict::Bad);
        let counts = match self {
            Self::Count => true,
            Self::Succeeded => verdict == Verdict::Good,
            Self::Failed => verdict == Verdict::Bad,
            Self::Canceled => verdict == Verdict::Canceled,
            Self::SuccessRate | Self::FailureRate => has_result,
            Self::MedianDurationSeconds | Self::P95DurationSeconds => {
                has_result && tally.take(sample.started_at, sample.finished_at)
            }
            Self::MedianQueueSeconds | Self::P95QueueSeconds => tally.take(sample.queued_at, sample.started_at),
            Self::FlakyCommits => has_result && tally.see(sample, verdict),
            Self::Commits => tally.see(sample, verdict),
        };
        tally.samples += 1;
        tally.good += u64::from(verdict == Verdict::Good);
        tally.bad += u64::from(verdict == Verdict::Bad);
        tally.canceled += u64::from(verdict == Verdict::Canceled);
        if counts {
            tally.cite(sample);
        }
    }

    /// `None` where nothing says it.
    pub(super) fn amount(self, tally: &Tally) -> Option<Amount> {
        match self {
            Self::Count => Some(Amount::Whole(tally.samples)),
            Self::Succeeded => Some(Amount::Whole(tally.good)),
            Self::Failed => Some(Amount::Whole(tally.bad)),
            Self::Canceled => Some(Amount::Whole(tally.canceled)),
            Self::SuccessRate => Amount::share(tally.good, tally.good + tally.bad),
            Self::FailureRate => Amount::share(tally.bad, tally.good + tally.bad),
            Self::MedianDurationSeconds | Self::MedianQueueSeconds => percentile(&tally.seconds, 50),
            Self::P95DurationSeconds | Self::P95QueueSeconds => percentile(&tally.seconds, 95),
            Self::FlakyCommits => {
                let flaky = tally.commits.values().filter(|(good, bad)| *good && *bad);
                Some(Amount::Whole(flaky.map(|_| 1).sum()))
            }
            Self::Commits => {
                let commits: BTreeSet<_> = tally.commits.keys().map(|(_, commit)| commit).collect();
                Some(Amount::Whole(commits.iter().map(|_| 1).sum()))
            }
        }
    }

    pub(super) fn value(self, tally: &Tally) -> Value {
        self.amount(tally).map_or(Value::Null, Amount::cell)
    }

    /// The greatest first, or the least; what nothing is known of last.
    pub(super) fn compare(self, one: &Tally, other: &Tally, ascending: bool) -> Ordering {
        match (self.amount(one), self.amount(other)) {
            (Some(one), Some(other)) if ascending => one.number().total_cmp(&other.number()),
            (Some(one), Some(other)) => other.number().total_cmp(&one.number()),
            (one, other) => other.is_some().cmp(&one.is_some()),
        }
    }
}

/// A number with its kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Amount {
    /// A count, or seconds.
    Whole(u64),
    /// From 0 to 1.
    Share(f64),
}

impl Amount {
    fn share(part: u64, whole: u64) -> Option<Self> {
        (whole > 0).then(|| Self::Share(part as f64 / whole as f64))
    }

    pub(super) fn number(self) -> f64 {
        match self {
            Self::Whole(count) => count as f64,
            Self::Share(share) => share,
        }
    }

    pub(super) fn cell(self) -> Value {
        match self {
            Self::Whole(count) => json!(count),
            Self::Share(share) => rounded(share),
        }
    }

    /// By how much it is more than the other; below zero where it is less.
    pub(super) fn more_than(self, other: Self) -> Value {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => json!(i128::from(one) - i128::from(other)),
            (one, other) => rounded(one.number() - other.number()),
        }
    }
}

/// To four digits.
fn rounded(share: f64) -> Value {
    Number::from_f64((share * 10_000.0).round() / 10_000.0).map_or(Value::Null, Value::Number)
}

impl Tally {
    fn take(&mut self, from: Option<Time>, to: Option<Time>) -> bool {
        let known = from.zip(to).filter(|(from, to)| to >= from);
        self.seconds.extend(known.map(|(from, to)| to.since(from).as_secs()));
        known.is_some()
    }

    fn see(&mut self, sample: &Sample<'_>, verdict: Verdict) -> bool {
        let Some(commit) = sample.commit else { return false };
        let (good, bad) = self.commits.entry((sample.pipeline, commit.to_owned())).or_default();
        *good |= verdict == Verdict::Good;
        *bad |= verdict == Verdict::Bad;
        true
    }
}

fn percentile(values: &[u64], percent: usize) -> Option<Amount> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    nearest_rank(&sorted, percent).copied().map(Amount::Whole)
}
