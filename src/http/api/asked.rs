//! What callers may say in an address: each wrong word is a problem that names it.

use std::error::Error;
use std::time::Duration;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::domain::Time;
use crate::http::Problem;

/// The query.
#[derive(Debug)]
pub(in crate::http) struct Asked<T>(pub(in crate::http) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = Query::try_from_uri(&parts.uri);
        query.map(|Query(query)| Self(query)).map_err(|rejection| {
            // Its source names the parameter; itself it says only that there is a query.
            let why = rejection.source().map_or_else(|| rejection.to_string(), ToString::to_string);
            Problem::bad_request(format!("The query is not understood: {}.", short(&why)))
        })
    }
}

/// The one part of the path that varies.
#[derive(Debug)]
pub(super) struct Id(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(id)| Self(id)).map_err(|_| Problem::bad_request("The address is not UTF-8."))
    }
}

impl Id {
    pub(super) fn number(&self, what: &str) -> Result<u64, Problem> {
        let Self(id) = self;
        let number = id.parse().ok().filter(|number| i64::try_from(*number).is_ok());
        number.ok_or_else(|| Problem::bad_request(format!("{what} is a number, and `{}` is none.", short(id))))
    }
}

/// Callers may send long texts; nobody reads them in an answer.
pub(super) fn short(text: &str) -> String {
    const MOST: usize = 300;
    let mut short: String = text.chars().take(MOST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// How many items a page has.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Limit(u32);

impl Limit {
    const MOST: u32 = 200;

    pub(super) fn most(self) -> u32 {
        self.0
    }

    /// One more, to see whether there is more.
    pub(super) fn and_one(self) -> u32 {
        self.0 + 1
    }

    pub(super) fn count(self) -> usize {
        usize::try_from(self.0).unwrap_or_default()
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

impl TryFrom<String> for Limit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| (1..=Self::MOST).contains(number));
        number.map(Self).ok_or_else(|| format!("not a number from 1 to {}", Self::MOST))
    }
}

/// A point in time, or one so long ago.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum Since {
    Ago(Duration),
    At(Time),
}

impl Since {
    pub(super) fn resolve(self, now: Time) -> Time {
        match self {
            Self::Ago(duration) => now.minus(duration),
            Self::At(time) => time,
        }
    }
}

impl TryFrom<String> for Since {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        if let Ok(duration) = humantime::parse_duration(&text) {
            return Ok(Self::Ago(duration));
        }
        // A `+` in a query is a blank, and so is that of a zone.
        match Time::parse(&text.replace(' ', "+")) {
            Ok(Some(time)) => Ok(Self::At(time)),
            Ok(None) | Err(_) => Err("neither a duration such as 7d nor a time such as 2019-10-02T19:54:00Z"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_has_bounds() {
        let limit = |text: &str| Limit::try_from(text.to_owned()).map(|limit| limit.0).ok();
        assert_eq!(
            ["1", "200", "0", "201", "-1", "x", ""].map(limit),
            [Some(1), Some(200), None, None, None, None, None]
        );
    }

    #[test]
    fn since_is_a_duration_or_a_time() {
        let since = |text: &str| Since::try_from(text.to_owned()).map(|since| since.resolve(Time::from_ticks(0)));
        assert!(since("7d").is_ok() && since("2019-10-02T19:54:00Z").is_ok());
        assert_eq!(since("2019-10-02T21:54:00 02:00"), since("2019-10-02T19:54:00Z"));
        assert!(since("yesterday").is_err() && since("").is_err());
    }

    #[test]
    fn what_is_told_back_is_short() {
        assert_eq!(short("a"), "a");
        assert_eq!(short(&"ä".repeat(1_000)).chars().count(), 301);
    }
}
