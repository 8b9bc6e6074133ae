use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDateTime, Timelike, Utc};
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// A point in time as Azure DevOps says it: UTC, exact to 100 ns.
///
/// Stored as a count of 100 ns ticks since 1970-01-01T00:00:00Z, which keeps all seven fraction digits
/// that the service sends and orders as one integer. Displayed as RFC 3339 with `Z` and without trailing
/// zeros in the fraction, as the service writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(i64);

/// A text that is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time such as 2019-10-02T19:54:00.3307136Z")]
pub struct ParseTimeError(String);

const TICKS_PER_SECOND: i64 = 10_000_000;
const NANOSECONDS_PER_TICK: u32 = 100;

impl Time {
    /// The time of a statement that carries none: the weakest there is, since every other one is later.
    pub const UNKNOWN: Self = Self(0);

    #[must_use]
    pub const fn from_ticks(ticks: i64) -> Self {
        Self(ticks)
    }

    /// 100 ns ticks since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn ticks(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 with any number of fraction digits; a missing zone means UTC.
    ///
    /// `None` is the service's way to say "no time": year 1 (`0001-01-01T00:00:00`).
    ///
    /// # Errors
    /// When the text is not a time.
    pub fn parse(text: &str) -> Result<Option<Self>, ParseTimeError> {
        let utc = DateTime::parse_from_rfc3339(text)
            .map(|zoned| zoned.to_utc())
            .or_else(|_| text.parse::<NaiveDateTime>().map(|naive| naive.and_utc()))
            .map_err(|_| ParseTimeError(text.chars().take(64).collect()))?;
        let time = Self::from(utc);
        Ok((time > Self::UNKNOWN).then_some(time))
    }

    #[must_use]
    pub fn to_utc(self) -> DateTime<Utc> {
        let nanoseconds = u32::try_from(self.0.rem_euclid(TICKS_PER_SECOND)).unwrap_or_default() * NANOSECONDS_PER_TICK;
        DateTime::from_timestamp(self.0.div_euclid(TICKS_PER_SECOND), nanoseconds).unwrap_or_default()
    }

    /// The time that is `duration` later; the last there is when it does not fit.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(ticks_of(duration)))
    }

    /// The time that is `duration` earlier.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(ticks_of(duration)))
    }

    /// How long after `earlier` this is; zero when it is not after.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let ticks = u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or_default();
        Duration::from_nanos(ticks.saturating_mul(u64::from(NANOSECONDS_PER_TICK)))
    }
}

fn ticks_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos() / u128::from(NANOSECONDS_PER_TICK)).unwrap_or(i64::MAX)
}

/// As it is shown.
impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
    }
}

impl ToSchema for Time {}

impl From<DateTime<Utc>> for Time {
    fn from(utc: DateTime<Utc>) -> Self {
        let fraction = utc.timestamp_subsec_nanos().min(999_999_999) / NANOSECONDS_PER_TICK;
        Self(utc.timestamp().saturating_mul(TICKS_PER_SECOND).saturating_add(i64::from(fraction)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let utc = self.to_utc();
        // By hand: a format string is parsed each time, and a body holds a dozen times.
        let (date, time) = (utc.date_naive(), utc.time());
        write!(f, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day())?;
        write!(f, "T{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())?;
        let (mut digits, mut width) = (self.0.rem_euclid(TICKS_PER_SECOND), 7);
        if digits != 0 {
            while digits % 10 == 0 {
                digits /= 10;
                width -= 1;
            }
            write!(f, ".{digits:0width$}")?;
        }
        f.write_str("Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Time::parse(text).unwrap().unwrap().to_string()
    }

    #[test]
    fn keeps_what_the_service_said() {
        for text in [
            "2019-10-02T19:54:00.3307136Z",
            "2019-10-02T21:56:04.844615Z",
            "2019-07-24T21:48:08.7Z",
            "2022-11-21T16:42:52Z",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn missing_zone_is_utc_and_other_zones_are_converted() {
        assert_eq!(shown("2022-11-21T16:42:52.5"), "2022-11-21T16:42:52.5Z");
        assert_eq!(shown("2022-11-21T18:42:52+02:00"), "2022-11-21T16:42:52Z");
        assert_eq!(shown("2022-11-21T16:42:52.123456789Z"), "2022-11-21T16:42:52.1234567Z");
    }

    #[test]
    fn year_one_is_no_time() {
        assert_eq!(Time::parse("0001-01-01T00:00:00").unwrap(), None);
        assert_eq!(Time::parse("0001-01-01T00:00:00Z").unwrap(), None);
    }

    #[test]
    fn rubbish_is_an_error_that_quotes_a_bounded_part() {
        let error = Time::parse(&"x".repeat(1000)).unwrap_err();
        assert!(error.to_string().len() < 150);
        assert!(Time::parse("2019-13-02T19:54:00Z").is_err());
        assert!(Time::parse("").is_err());
    }

    #[test]
    fn distances() {
        let earlier = Time::parse("2019-10-02T19:54:00Z").unwrap().unwrap();
        let later = earlier.plus(Duration::from_secs(15));
        assert_eq!(later.since(earlier), Duration::from_secs(15));
        assert_eq!(earlier.since(later), Duration::ZERO);
        assert_eq!(later.minus(Duration::from_secs(15)), earlier);
    }
}
