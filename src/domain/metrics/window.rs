use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;
use serde::Deserialize;

use super::Map;
use crate::domain::Time;

/// Whose days and weeks are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(Tz);

/// No time zone is called so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time zone such as Europe/Berlin")]
pub struct ParseZoneError(String);

impl Default for Zone {
    fn default() -> Self {
        Self(Tz::UTC)
    }
}

impl FromStr for Zone {
    type Err = ParseZoneError;

    fn from_str(text: &str) -> Result<Self, ParseZoneError> {
        text.parse().map(Self).map_err(|_| ParseZoneError(text.chars().take(64).collect()))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.name())
    }
}

impl Zone {
    #[must_use]
    pub fn day(self, at: Time) -> NaiveDate {
        at.to_utc().with_timezone(&self.0).date_naive()
    }

    /// How far the clocks there are ahead of UTC, in ticks.
    fn ahead(self, at: Time) -> i64 {
        let offset = self.0.offset_from_utc_datetime(&at.to_utc().naive_utc());
        i64::from(offset.fix().local_minus_utc()) * SECOND
    }

    /// When the day begins there. Where clocks skip midnight, that is when they do.
    #[must_use]
    pub fn start(self, day: NaiveDate) -> Time {
        let midnight = day.and_time(NaiveTime::MIN);
        let skips = (0..24).map(|quarters| midnight + chrono::Duration::minutes(15 * quarters));
        let first = skips.filter_map(|local| self.0.from_local_datetime(&local).earliest()).next();
        let utc: DateTime<Utc> = first.map_or_else(|| midnight.and_utc(), |local| local.to_utc());
        Time::from(utc)
    }
}

/// What the clocks of a zone show, looked up once for each quarter of an hour: hundreds of thousands of times are asked.
#[derive(Debug)]
pub(super) struct Clocks {
    zone: Zone,
    /// The last quarter that was asked for.
    last: Option<(i64, Option<i64>)>,
    /// `None` where they are changed within the quarter, as they were where they kept to the sun.
    ahead: Map<i64, Option<i64>>,
}

impl Clocks {
    pub(super) fn of(zone: Zone) -> Self {
        Self { zone, last: None, ahead: Map::default() }
    }

    /// The hour of the day.
    pub(super) fn hour(&mut self, at: Time) -> u32 {
        u32::try_from(self.local(at).rem_euclid(DAY) / HOUR).unwrap_or_default()
    }

    /// The number of the day, which grows from day to day.
    pub(super) fn day(&mut self, at: Time) -> i64 {
        self.local(at).div_euclid(DAY)
    }

    fn local(&mut self, at: Time) -> i64 {
        let quarter = at.ticks().div_euclid(QUARTER);
        let known = match self.last {
            Some((last, known)) if last == quarter => known,
            Some(_) | None => *self.ahead.entry(quarter).or_insert_with(|| {
                let [first, last] = [0, QUARTER - 1].map(|ticks| Time::from_ticks(quarter * QUARTER + ticks));
                Some(self.zone.ahead(first)).filter(|ahead| *ahead == self.zone.ahead(last))
            }),
        };
        self.last = Some((quarter, known));
        at.ticks() + known.unwrap_or_else(|| self.zone.ahead(at))
    }
}

// In ticks.
const SECOND: i64 = 10_000_000;
const QUARTER: i64 = 15 * 60 * SECOND;
const HOUR: i64 = 4 * QUARTER;
const DAY: i64 = 24 * HOUR;

/// What numbers are cut into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Period {
    Day,
    /// ISO 8601: from Monday on.
    Week,
    Month,
}

impl Period {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The first day of the one that holds this day.
    #[must_use]
    pub fn first(self, day: NaiveDate) -> NaiveDate {
        let back = match self {
            Self::Day => 0,
            Self::Week => day.weekday().num_days_from_monday(),
            Self::Month => day.day0(),
        };
        day.checked_sub_days(Days::new(u64::from(back))).unwrap_or(day)
    }

    /// The first day of the one after it.
    fn next(self, first: NaiveDate) -> NaiveDate {
        let days = match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 31,
        };
        let beyond = first.checked_add_days(Days::new(days)).unwrap_or(first);
        self.first(beyond)
    }
}

/// From a time, and until before another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub from: Time,
    pub until: Time,
}

/// So many buckets at most: ten years of days.
const MOST_BUCKETS: usize = 3_660;

impl Window {
    #[must_use]
    pub fn holds(self, at: Time) -> bool {
        self.from <= at && at < self.until
    }

    /// Its days, weeks or months in their order, also those in which nothing happened. The first and the last may be cut.
    #[must_use]
    pub fn cut(self, period: Period, zone: Zone) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut first = period.first(zone.day(self.from));
        while parts.len() < MOST_BUCKETS {
            let next = period.next(first);
            let (from, until) = (zone.start(first), zone.start(next));
            if from >= self.until || next == first {
                break;
            }
            parts.push(Self { from: from.max(self.from), until: until.min(self.until) });
            first = next;
        }
        parts
    }

    /// Those of its weeks that it holds from beginning to end.
    #[must_use]
    pub fn whole_weeks(self, zone: Zone) -> Vec<Self> {
        let is_whole = |week: &Self| {
            let first = zone.day(week.from);
            let whole = Period::Week.first(first) == first && zone.start(first) == week.from;
            whole && zone.start(Period::Week.next(first)) == week.until
        };
        self.cut(Period::Week, zone).into_iter().filter(is_whole).collect()
    }

    /// The first half of it, and the second.
    #[must_use]
    pub fn halves(self) -> (Self, Self) {
        let middle = Time::from_ticks(self.from.ticks() + (self.until.ticks() - self.from.ticks()) / 2);
        (Self { until: middle, ..self }, Self { from: middle, ..self })
    }

    #[must_use]
    pub fn days(self) -> u64 {
        self.until.since(self.from).as_secs().div_ceil(24 * 3_600)
    }
}

#[cfg(test)]
mod tests {
    use chrono::Timelike;

    use super::*;

    fn time(text: &str) -> Time {
        Time::parse(text).unwrap().unwrap()
    }

    fn window(from: &str, until: &str) -> Window {
        Window { from: time(from), until: time(until) }
    }

    fn told(parts: &[Window]) -> Vec<(String, String)> {
        parts.iter().map(|part| (part.from.to_string(), part.until.to_string())).collect()
    }

    fn pair(from: &str, until: &str) -> (String, String) {
        (from.to_owned(), until.to_owned())
    }

    #[test]
    fn weeks_begin_on_monday_and_the_turn_of_the_year_does_not_matter() {
        let over = window("2024-12-28T12:00:00Z", "2025-01-07T00:00:00Z");
        let parts = over.cut(Period::Week, Zone::default());
        let wanted = [
            pair("2024-12-28T12:00:00Z", "2024-12-30T00:00:00Z"),
            pair("2024-12-30T00:00:00Z", "2025-01-06T00:00:00Z"),
            pair("2025-01-06T00:00:00Z", "2025-01-07T00:00:00Z"),
        ];
        assert_eq!(told(&parts), wanted);
        assert_eq!(told(&over.whole_weeks(Zone::default())), [wanted[1].clone()]);
    }

    #[test]
    fn days_are_those_of_the_zone_and_one_may_have_23_hours() {
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        assert_eq!(berlin.to_string(), "Europe/Berlin");
        let spring = window("2025-03-29T23:00:00Z", "2025-03-31T22:00:00Z");
        let wanted = [
            pair("2025-03-29T23:00:00Z", "2025-03-30T22:00:00Z"),
            pair("2025-03-30T22:00:00Z", "2025-03-31T22:00:00Z"),
        ];
        assert_eq!(told(&spring.cut(Period::Day, berlin)), wanted);
        assert_eq!(berlin.day(time("2025-03-31T22:00:00Z")).to_string(), "2025-04-01");
        assert!("Mars/Olympus".parse::<Zone>().is_err());
    }

    #[test]
    fn clocks_show_the_hour_and_the_day_of_their_zone() {
        for zone in ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Africa/Monrovia"] {
            let zone: Zone = zone.parse().unwrap();
            let mut clocks = Clocks::of(zone);
            for (start, step) in [("2025-03-30T00:00:00Z", 217), ("1971-12-31T20:00:00Z", 101)] {
                let ticks = (0..400).map(|nth| time(start).ticks() + nth * step * SECOND);
                for at in ticks.map(Time::from_ticks) {
                    let local = at.to_utc().with_timezone(&zone.0).naive_local();
                    let shown =
                        DateTime::from_timestamp(clocks.day(at) * 86_400 + i64::from(clocks.hour(at)) * 3_600, 0)
                            .unwrap();
                    assert_eq!(shown.naive_utc(), local.date().and_hms_opt(local.hour(), 0, 0).unwrap(), "{zone} {at}");
                }
            }
        }
    }

    #[test]
    fn where_clocks_skip_midnight_the_day_begins_later() {
        let cairo: Zone = "Africa/Cairo".parse().unwrap();
        let day = NaiveDate::from_ymd_opt(2024, 4, 26).unwrap();
        assert_eq!(cairo.start(day), time("2024-04-25T22:00:00Z"));
    }

    #[test]
    fn months_have_their_own_lengths() {
        let winter = window("2024-01-31T00:00:00Z", "2024-03-02T00:00:00Z");
        let days: Vec<_> = winter.cut(Period::Month, Zone::default()).iter().map(|part| part.days()).collect();
        assert_eq!(days, [1, 29, 1]);
        let (first, second) = winter.halves();
        assert_eq!((first.until, second.from), (second.from, time("2024-02-15T12:00:00Z")));
    }

    #[test]
    fn the_end_is_not_in_it() {
        let day = window("2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z");
        assert!(day.holds(day.from) && !day.holds(day.until));
        assert_eq!(day.cut(Period::Day, Zone::default()).len(), 1);
    }
}
