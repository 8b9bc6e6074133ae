use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::Time;

/// Why there is no number. Never zero instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Unknown {
    /// Nothing is known to have been deployed there, ever.
    NothingDeployed,
    /// Nothing was deployed in this time.
    NoDeployments,
    /// It was before all that is known.
    BeforeRecords,
    /// Nobody tells of incidents there, and nothing else shows one.
    NoIncidentSource,
    /// The time holds no whole week, from Monday to Sunday.
    NoWholeWeek,
    /// Of no deployment in this time it is known which commits it brought.
    CommitsUnknown,
    /// Each deployment in this time is the first of its line: what came before it is not known.
    FirstDeployments,
    /// What was deployed in this time had all been deployed before.
    NoNewCommits,
    /// Of no change it is known when it was submitted and approved.
    NoReviews,
    /// No deployment of this time failed.
    NoFailures,
    /// Those that failed have not been recovered from.
    NotRecovered,
    /// Nothing of the kind happened.
    NoRuns,
    /// There were too few to tell.
    TooFew,
    /// Nobody told of a run of tests.
    NoTests,
    /// More passed than were told to have run.
    TestsMissing,
}

impl Unknown {
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::NothingDeployed => "nothing is known to have been deployed there",
            Self::NoDeployments => "nothing was deployed",
            Self::BeforeRecords => "nothing is known of that time",
            Self::NoIncidentSource => "nobody tells of incidents",
            Self::NoWholeWeek => "no whole week",
            Self::CommitsUnknown => "the commits are not known",
            Self::FirstDeployments => "only first deployments",
            Self::NoNewCommits => "no new commits",
            Self::NoReviews => "no review is known",
            Self::NoFailures => "none failed",
            Self::NotRecovered => "not recovered yet",
            Self::NoRuns => "no runs",
            Self::TooFew => "too few",
            Self::NoTests => "no tests were told of",
            Self::TestsMissing => "not all tests were told of",
        }
    }
}

/// A number, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Figure<T> {
    #[schema(value_type = Option<f64>)]
    pub value: Option<T>,
    /// Only where there is no number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub reason: Option<Unknown>,
}

impl<T> Figure<T> {
    pub const fn known(value: T) -> Self {
        Self { value: Some(value), reason: None }
    }

    #[must_use]
    pub const fn unknown(why: Unknown) -> Self {
        Self { value: None, reason: Some(why) }
    }

    #[must_use]
    pub fn or(value: Option<T>, why: Unknown) -> Self {
        value.map_or_else(|| Self::unknown(why), Self::known)
    }
}

/// The levels of DORA's report of 2023.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    Elite,
    High,
    Medium,
    Low,
}

impl Level {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Elite => "elite",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }

    /// Of lead times.
    pub(super) fn of_lead_time(seconds: i64) -> Self {
        Self::below(seconds, [DAY, 7 * DAY, 30 * DAY])
    }

    /// Of recoveries.
    pub(super) fn of_recovery(seconds: i64) -> Self {
        Self::below(seconds, [HOUR, DAY, 7 * DAY])
    }

    fn below(seconds: i64, bounds: [i64; 3]) -> Self {
        let levels = [Self::Elite, Self::High, Self::Medium];
        bounds.iter().zip(levels).find(|(bound, _)| seconds < **bound).map_or(Self::Low, |(_, level)| level)
    }

    /// Of `part` of `whole` that failed: exact where a fraction would not be.
    pub(super) fn of_failures(part: usize, whole: usize) -> Self {
        let levels = [(5, Self::Elite), (10, Self::High), (15, Self::Medium)];
        levels.iter().find(|(bound, _)| part * 100 <= whole * bound).map_or(Self::Low, |(_, level)| *level)
    }

    /// By the median of deploy days a week; where it is below one a week, by the deploy days in so many days.
    pub(super) fn of_frequency(a_week: u64, deploy_days: u64, days: u64) -> Self {
        match a_week {
            5.. => Self::Elite,
            1.. => Self::High,
            0 if deploy_days * 31 >= days && deploy_days > 0 => Self::Medium,
            0 => Self::Low,
        }
    }
}

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// How long things took, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Spread {
    pub median: Figure<i64>,
    pub p75: Figure<i64>,
    pub p95: Figure<i64>,
    /// So many were measured.
    pub count: usize,
}

impl Spread {
    /// Of these, in seconds; `why` where there are none.
    #[must_use]
    pub fn of(mut seconds: Vec<i64>, why: Unknown) -> Self {
        let count = seconds.len();
        // The greatest first: what is below it is then all that the next is among.
        let mut rest = seconds.as_mut_slice();
        let [p95, p75, median] = [95, 75, 50].map(|percent| {
            let at = rank(count, percent);
            if at >= rest.len() {
                return Figure::unknown(why);
            }
            let (_, found, _) = rest.select_nth_unstable(at);
            let found = *found;
            rest = std::mem::take(&mut rest).get_mut(..=at).unwrap_or_default();
            Figure::known(found)
        });
        Self { median, p75, p95, count }
    }
}

/// The percentile by nearest rank of values in their order: one that was measured, never one between two. `None` where
/// there are no values.
#[must_use]
pub fn nearest_rank<T>(sorted: &[T], percent: usize) -> Option<&T> {
    sorted.get(rank(sorted.len(), percent))
}

/// From zero on.
fn rank(count: usize, percent: usize) -> usize {
    (count * percent).div_ceil(100).max(1) - 1
}

/// Whole seconds.
pub(super) fn seconds(from: Time, to: Time) -> i64 {
    (to.ticks() - from.ticks()).div_euclid(10_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_by_nearest_rank() {
        let of = |values: &[i64], percent| nearest_rank(values, percent).copied();
        assert_eq!([50, 75, 95].map(|percent| of(&[], percent)), [None; 3]);
        assert_eq!([0, 50, 75, 95, 100].map(|percent| of(&[7], percent)), [Some(7); 5]);
        assert_eq!(of(&[1, 2], 50), Some(1), "the lower one, and nothing between");
        assert_eq!(of(&[1, 2, 3], 50), Some(2));
        assert_eq!([75, 95].map(|percent| of(&[1, 2, 3, 4], percent)), [Some(3), Some(4)]);
        let hundred: Vec<i64> = (1..=100).collect();
        assert_eq!([50, 75, 95].map(|percent| of(&hundred, percent)), [Some(50), Some(75), Some(95)]);
    }

    #[test]
    fn a_spread_is_that_of_its_values_in_their_order() {
        for count in 1..=200 {
            let values: Vec<i64> = (0..count).map(|nth| nth * 7_919 % 31 - 5).collect();
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let spread = Spread::of(values, Unknown::TooFew);
            let found = [spread.median, spread.p75, spread.p95].map(|figure| figure.value.unwrap());
            assert_eq!(found, [50, 75, 95].map(|percent| *nearest_rank(&sorted, percent).unwrap()), "{count}");
        }
    }

    #[test]
    fn levels_have_their_bounds() {
        let lead = [DAY - 1, DAY, 7 * DAY, 30 * DAY].map(Level::of_lead_time);
        assert_eq!(lead, [Level::Elite, Level::High, Level::Medium, Level::Low]);
        let recovery = [HOUR - 1, HOUR, DAY, 7 * DAY].map(Level::of_recovery);
        assert_eq!(recovery, [Level::Elite, Level::High, Level::Medium, Level::Low]);
        let failed = [(1, 20), (1, 10), (3, 20), (4, 20), (0, 1)].map(|(part, whole)| Level::of_failures(part, whole));
        assert_eq!(failed, [Level::Elite, Level::High, Level::Medium, Level::Low, Level::Elite]);
        let often = [(5, 9, 9), (1, 9, 9), (0, 3, 90), (0, 2, 90), (0, 0, 0)];
        let often = often.map(|(week, deploy, days)| Level::of_frequency(week, deploy, days));
        assert_eq!(often, [Level::Elite, Level::High, Level::Medium, Level::Low, Level::Low]);
    }

    #[test]
    fn what_is_not_known_is_no_zero() {
        let json = |figure: Figure<u64>| serde_json::to_string(&figure).unwrap();
        assert_eq!(json(Figure::known(0)), r#"{"value":0}"#);
        assert_eq!(json(Figure::unknown(Unknown::NoFailures)), r#"{"value":null,"reason":"noFailures"}"#);
        let spread = Spread::of(Vec::new(), Unknown::NoReviews);
        assert_eq!((spread.median.reason, spread.count), (Some(Unknown::NoReviews), 0));
    }
}
