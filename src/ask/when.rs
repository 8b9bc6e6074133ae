//! From time words to a span of time. Pure: what is now, and where, is said by the caller.
//!
//! Days begin at midnight where the caller lives, and weeks on Monday (ISO 8601). A night in which clocks change has no
//! midnight in some places: the day begins with its first moment.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Datelike, Days, LocalResult, Months, NaiveDate, NaiveTime, TimeDelta, TimeZone, Weekday};
use chrono_tz::Tz;

use crate::domain::Time;

/// No question looks at more than this.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// A span of time: from its first moment up to, not with, its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: Time,
    pub to: Time,
    pub zone: Tz,
}

/// Why a span of time was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    #[error(
        "`{0}` is no time: say a day such as 2026-03-02, a month such as 2026-03, a time such as 2026-03-02T08:00:00Z, a duration such as 7d, or words such as today, yesterday, this week, last month, last 30 days, since monday"
    )]
    Words(String),
    #[error("the time from {from} to {to} is empty: its end has to be after its beginning")]
    Empty { from: Time, to: Time },
    #[error("{0} days are too many: ask for at most 400")]
    TooLong(u64),
}

/// In the caller's own time, with its offset.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = |time: Time| time.to_utc().with_timezone(&self.zone).format("%Y-%m-%d %H:%M");
        write!(f, "{} to {} ({})", local(self.from), local(self.to), self.zone)
    }
}

impl Window {
    /// What is meant by these words, of which each may be missing: a window as a whole (`last week`), or where it begins
    /// and ends. Without any, the last `usual` up to now.
    ///
    /// # Errors
    /// When a word is not understood, or the window is empty or too long.
    pub fn of(said: Said<'_>, usual: Duration, now: Time, zone: Tz) -> Result<Self, WindowError> {
        let clock = Clock { now: now.to_utc().with_timezone(&zone) };
        let whole = said.window.map(|words| clock.window(words)).transpose()?;
        let from = said.from.map(|words| clock.window(words)).transpose()?.map(|(from, _)| from);
        // A day is meant with all of it; a duration is as long ago.
        let to = said.to.map(|words| clock.end(words)).transpose()?;
        let to = to.or_else(|| whole.map(|(_, to)| to)).unwrap_or(now);
        let from = from.or_else(|| whole.map(|(from, _)| from)).unwrap_or_else(|| to.minus(usual));
        if to <= from {
            return Err(WindowError::Empty { from, to });
        }
        let long = to.since(from);
        if long > LONGEST {
            return Err(WindowError::TooLong(long.as_secs() / (24 * 60 * 60)));
        }
        Ok(Self { from, to, zone })
    }

    /// What has to be said where it is compared, but not over yet.
    #[must_use]
    pub fn unfinished(&self, now: Time) -> Option<String> {
        let so_far = Self { to: now, ..*self };
        (self.from < now && now < self.to).then(|| {
            format!("that time is not over: it is known up to now, {so_far}, and compared with all of the time before")
        })
    }

    /// The window before this one, which ends where this one begins. Before whole months are as many months, before whole
    /// days as many days, however long these are; else it is as long.
    #[must_use]
    pub fn before(&self) -> Self {
        let clock = Clock { now: self.from.to_utc().with_timezone(&self.zone) };
        let from = clock.before(self.to).unwrap_or_else(|| self.from.minus(self.to.since(self.from)));
        Self { from, to: self.from, zone: self.zone }
    }
}

/// The words that a window was asked for with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Said<'a> {
    pub window: Option<&'a str>,
    pub from: Option<&'a str>,
    pub to: Option<&'a str>,
}

/// What is now, where the caller lives.
struct Clock {
    now: DateTime<Tz>,
}

type Span = (Time, Time);

impl Clock {
    fn window(&self, words: &str) -> Result<Span, WindowError> {
        let text = words.trim().to_lowercase();
        let parts: Vec<_> = text.split_whitespace().collect();
        let found = match parts.as_slice() {
            [one] => self.single(one),
            ["since", rest @ ..] => self.since(rest),
            ["this" | "current", unit] => self.unit(unit, 0),
            ["past", unit] => self.last("1", unit),
            ["last" | "previous", unit] => self.weekday(unit).or_else(|| self.unit(unit, 1)),
            ["the", "last" | "past", count, unit] | ["last" | "past", count, unit] => self.last(count, unit),
            [count, unit, "ago"] => self.last(count, unit).map(|(from, _)| (from, from)),
            _ => None,
        };
        found.ok_or_else(|| WindowError::Words(words.chars().take(64).collect()))
    }

    fn end(&self, words: &str) -> Result<Time, WindowError> {
        let ago = self.ago(words.trim()).map(|(from, _)| from);
        ago.map_or_else(|| self.window(words).map(|(_, to)| to), Ok)
    }

    fn single(&self, word: &str) -> Option<Span> {
        let today = self.now.date_naive();
        match word {
            "now" => Some((self.time(), self.time())),
            "today" => self.days(today, today.succ_opt()?),
            "yesterday" => self.days(today.pred_opt()?, today),
            _ => self.date(word).or_else(|| self.month(word)).or_else(|| self.instant(word)).or_else(|| self.ago(word)),
        }
    }

    fn since(&self, words: &[&str]) -> Option<Span> {
        let weekday = || self.weekday(words.first().filter(|_| words.len() == 1)?);
        let (from, _) = weekday().or_else(|| self.window(&words.join(" ")).ok())?;
        Some((from, self.time()))
    }

    /// The last day of this name that began, such as `monday`.
    fn weekday(&self, word: &str) -> Option<Span> {
        let wanted: Weekday = word.parse().ok()?;
        let today = self.now.date_naive();
        let back = today.weekday().days_since(wanted);
        let day = today.checked_sub_days(Days::new(u64::from(back)))?;
        self.days(day, day.succ_opt()?)
    }

    fn date(&self, word: &str) -> Option<Span> {
        let day = NaiveDate::parse_from_str(word, "%Y-%m-%d").ok()?;
        self.days(day, day.succ_opt()?)
    }

    fn month(&self, word: &str) -> Option<Span> {
        let first = NaiveDate::parse_from_str(&format!("{word}-01"), "%Y-%m-%d").ok()?;
        self.days(first, first.checked_add_months(Months::new(1))?)
    }

    fn instant(&self, word: &str) -> Option<Span> {
        // Words were made small, and the form has a large T and Z.
        let time = Time::parse(&word.to_uppercase()).ok()??;
        word.contains('t').then_some((time, time))
    }

    /// A duration such as `7d`: so long ago up to now.
    fn ago(&self, word: &str) -> Option<Span> {
        let duration = humantime::parse_duration(word).ok()?;
        Some((self.time().minus(duration), self.time()))
    }

    /// The unit that is now, or so many before it.
    fn unit(&self, unit: &str, before: u32) -> Option<Span> {
        let today = self.now.date_naive();
        let count = u64::from(before);
        let (from, to) = match unit {
            "day" => {
                let day = today.checked_sub_days(Days::new(count))?;
                (day, day.succ_opt()?)
            }
            "week" => {
                let monday = today.week(Weekday::Mon).first_day().checked_sub_days(Days::new(7 * count))?;
                (monday, monday.checked_add_days(Days::new(7))?)
            }
            "month" => self.months(today.month0(), 1, before)?,
            "quarter" => self.months(today.month0() / 3 * 3, 3, before)?,
            "year" => self.months(0, 12, before)?,
            _ => return None,
        };
        self.days(from, to)
    }

    /// So many months that begin with a month of this year, or as many times `before` earlier.
    fn months(&self, first: u32, long: u32, before: u32) -> Option<(NaiveDate, NaiveDate)> {
        let begin = NaiveDate::from_ymd_opt(self.now.year(), first + 1, 1)?;
        let from = begin.checked_sub_months(Months::new(long * before))?;
        Some((from, from.checked_add_months(Months::new(long))?))
    }

    /// So many units up to now: the last 30 days begin 30 times 24 hours ago.
    fn last(&self, count: &str, unit: &str) -> Option<Span> {
        let count: u32 = count.parse().ok().filter(|count| *count > 0)?;
        let hours = match unit.strip_suffix('s').unwrap_or(unit) {
            "hour" => 1,
            "day" => 24,
            "week" => 7 * 24,
            "month" => {
                let from = self.now.checked_sub_months(Months::new(count))?;
                return Some((Time::from(from.to_utc()), self.time()));
            }
            _ => return None,
        };
        let long = TimeDelta::try_hours(i64::from(count).checked_mul(hours)?)?;
        Some((Time::from(self.now.checked_sub_signed(long)?.to_utc()), self.time()))
    }

    fn days(&self, from: NaiveDate, to: NaiveDate) -> Option<Span> {
        Some((self.midnight(from)?, self.midnight(to)?))
    }

    /// Where that begins which is before the time from now to then, where both are midnights.
    fn before(&self, then: Time) -> Option<Time> {
        let from = self.now.date_naive();
        let to = then.to_utc().with_timezone(&self.now.timezone()).date_naive();
        if self.midnight(from)? != self.time() || self.midnight(to)? != then {
            return None;
        }
        let begins = if (from.day(), to.day()) == (1, 1) {
            let years = u32::try_from(to.year() - from.year()).ok()?;
            from.checked_sub_months(Months::new((12 * years + to.month0()).checked_sub(from.month0())?))?
        } else {
            from.checked_sub_signed(to - from)?
        };
        self.midnight(begins)
    }

    fn midnight(&self, day: NaiveDate) -> Option<Time> {
        // The hour that a change of clocks leaves out is over by then.
        let hours = (0..24).filter_map(|hour| NaiveTime::from_hms_opt(hour, 0, 0));
        let begins =
            hours.map(|hour| self.now.timezone().from_local_datetime(&day.and_time(hour))).find_map(|begins| {
                match begins {
                    LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Some(time),
                    LocalResult::None => None,
                }
            })?;
        Some(Time::from(begins.to_utc()))
    }

    fn time(&self) -> Time {
        Time::from(self.now.to_utc())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// A Wednesday.
    const NOW: &str = "2026-03-04T10:30:00Z";

    fn at(text: &str) -> Time {
        Time::parse(text).unwrap().unwrap()
    }

    fn window(said: Said<'_>, zone: Tz) -> Result<(String, String), WindowError> {
        let window = Window::of(said, 7 * DAY, at(NOW), zone)?;
        Ok((window.from.to_string(), window.to.to_string()))
    }

    fn words(window: &str) -> (String, String) {
        self::window(Said { window: Some(window), ..Said::default() }, Tz::UTC).unwrap()
    }

    #[test]
    fn words_are_spans() {
        for (said, from, to) in [
            ("today", "2026-03-04", "2026-03-05"),
            ("yesterday", "2026-03-03", "2026-03-04"),
            ("this week", "2026-03-02", "2026-03-09"),
            ("Last Week", "2026-02-23", "2026-03-02"),
            ("last month", "2026-02-01", "2026-03-01"),
            ("this quarter", "2026-01-01", "2026-04-01"),
            ("last quarter", "2025-10-01", "2026-01-01"),
            ("last year", "2025-01-01", "2026-01-01"),
            ("last monday", "2026-03-02", "2026-03-03"),
            ("last wednesday", "2026-03-04", "2026-03-05"),
            ("2026-02", "2026-02-01", "2026-03-01"),
            ("2026-02-27", "2026-02-27", "2026-02-28"),
        ] {
            assert_eq!(words(said), (format!("{from}T00:00:00Z"), format!("{to}T00:00:00Z")), "{said}");
        }
    }

    #[test]
    fn spans_up_to_now() {
        for (said, from) in [
            ("since monday", "2026-03-02T00:00:00Z"),
            ("since yesterday", "2026-03-03T00:00:00Z"),
            ("since 2026-02-01", "2026-02-01T00:00:00Z"),
            ("last 30 days", "2026-02-02T10:30:00Z"),
            ("the past 2 hours", "2026-03-04T08:30:00Z"),
            ("last 2 months", "2026-01-04T10:30:00Z"),
            ("7d", "2026-02-25T10:30:00Z"),
            ("since 2 weeks ago", "2026-02-18T10:30:00Z"),
            ("since last week", "2026-02-23T00:00:00Z"),
            ("past week", "2026-02-25T10:30:00Z"),
        ] {
            assert_eq!(words(said), (from.to_owned(), NOW.to_owned()), "{said}");
        }
    }

    #[test]
    fn days_begin_where_the_caller_lives() {
        let zone = Tz::America__Sao_Paulo;
        let of = |window| self::window(Said { window: Some(window), ..Said::default() }, zone).unwrap();
        assert_eq!(of("today"), ("2026-03-04T03:00:00Z".to_owned(), "2026-03-05T03:00:00Z".to_owned()));
        // The clocks of that night went from 0:00 to 1:00.
        let said = Said { from: Some("2018-11-04"), to: Some("2018-11-04"), ..Said::default() };
        let window = Window::of(said, DAY, at(NOW), zone).unwrap();
        assert_eq!(window.to.since(window.from), DAY - Duration::from_secs(60 * 60));
    }

    #[test]
    fn a_beginning_and_an_end_narrow_it() {
        let said = |from, to| self::window(Said { from, to, ..Said::default() }, Tz::UTC);
        let whole = |from: &str, to: &str| Ok((from.to_owned(), to.to_owned()));
        assert_eq!(said(None, None), whole("2026-02-25T10:30:00Z", NOW));
        assert_eq!(
            said(Some("2026-02-01"), Some("2026-02-02")),
            whole("2026-02-01T00:00:00Z", "2026-02-03T00:00:00Z"),
            "a day is meant with all of it"
        );
        assert_eq!(said(None, Some("2026-02-10T00:00:00Z")), whole("2026-02-03T00:00:00Z", "2026-02-10T00:00:00Z"));
        assert_eq!(said(Some("2026-03-04"), None), whole("2026-03-04T00:00:00Z", NOW));
        for ago in ["2 weeks ago", "14d"] {
            let until = "2026-02-18T10:30:00Z";
            assert_eq!(said(Some("2026-02-18"), Some(ago)), whole("2026-02-18T00:00:00Z", until), "{ago}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let said = |from, to| self::window(Said { from, to, ..Said::default() }, Tz::UTC).unwrap_err();
        assert!(matches!(said(Some("soon"), None), WindowError::Words(_)));
        assert!(matches!(said(Some("last 0 days"), None), WindowError::Words(_)));
        assert!(matches!(said(Some("last 99999999999 days"), None), WindowError::Words(_)));
        assert!(matches!(said(Some("2026-13"), None), WindowError::Words(_)));
        assert!(matches!(said(Some("2026-03-02"), Some("2026-03-01")), WindowError::Empty { .. }));
        let moment = Said { window: Some("2 weeks ago"), ..Said::default() };
        assert!(matches!(self::window(moment, Tz::UTC), Err(WindowError::Empty { .. })), "a moment is no time");
        assert_eq!(said(Some("2020-01-01"), None), WindowError::TooLong(2_254));
        assert!(said(Some(&"x".repeat(10_000)), None).to_string().len() < 400);
    }

    #[test]
    fn the_window_before() {
        for (said, from) in [
            ("7d", "2026-02-18T10:30:00Z"),
            ("this month", "2026-02-01T00:00:00Z"),
            ("last month", "2026-01-01T00:00:00Z"),
            ("this quarter", "2025-10-01T00:00:00Z"),
            ("last week", "2026-02-16T00:00:00Z"),
            ("yesterday", "2026-03-02T00:00:00Z"),
        ] {
            let of = |zone| Window::of(Said { window: Some(said), ..Said::default() }, DAY, at(NOW), zone).unwrap();
            assert_eq!((of(Tz::UTC).before().from, of(Tz::UTC).before().to), (at(from), of(Tz::UTC).from), "{said}");
        }
        // The clocks went forward on 2026-03-29, so that this week is an hour shorter than the one before it.
        let said = Said { window: Some("2026-03-30"), ..Said::default() };
        let monday = Window::of(said, DAY, at(NOW), Tz::Europe__Berlin).unwrap();
        assert_eq!(monday.to_string(), "2026-03-30 00:00 to 2026-03-31 00:00 (Europe/Berlin)");
        assert_eq!(monday.before().from, at("2026-03-28T23:00:00Z"));
    }
}
