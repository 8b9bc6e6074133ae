//! What an answer is: one, a refusal, or something to try again.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::{in_words, quoted};
use super::{AdoError, Method, Place};
use crate::ado::DecodeError;
use crate::ado::error::parse;

/// An answer that says it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 204 has no body.
    pub status: u16,
    pub body: Bytes,
    /// Where the next page of a list begins.
    pub continuation: Option<String>,
    place: String,
}

impl Answer {
    /// Reads the body as JSON. `place` in the error is that of the request.
    ///
    /// # Errors
    /// When it is not JSON of that shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, AdoError> {
        let read = || parse(&crate::ado::body::text(&self.body)?, "");
        read().map_err(|source| self.unreadable(source))
    }

    /// The error for a body that somebody else could not read.
    #[must_use]
    pub fn unreadable(&self, source: DecodeError) -> AdoError {
        // Bodies on a queue may be base64, answers never are.
        let source = match source.code {
            "not_base64" => DecodeError::new("not_json", "it is not JSON"),
            _ => source,
        };
        AdoError::Unreadable { place: self.place.clone(), source }
    }
}

/// How the names of headers begin that the service adds to its answers, such as `X-VSS-E2EID` and `X-TFS-ProcessId`.
const OWN_HEADERS: [&str; 2] = ["x-vss-", "x-tfs-"];
/// What its pages say, of which one is about signing in. In lower case.
const OWN_WORDS: [&str; 5] =
    ["azure devops", "visual studio", "visualstudio.com", "team foundation", "login.microsoftonline"];
/// A page is looked through so far, in bytes.
const LOOKED_THROUGH: usize = 64 << 10;

/// An answer as it came.
pub(super) struct Raw {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    continuation: Option<String>,
    is_page: bool,
    to_sign_in: bool,
    /// Whether a header says that Azure DevOps answers.
    is_known: bool,
    /// `None` where it is too large.
    body: Option<Bytes>,
    most: usize,
}

impl Raw {
    pub(super) async fn read(mut response: Response, most: usize) -> Result<Self, reqwest::Error> {
        let status = response.status().as_u16();
        let headers = response.headers();
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (continuation, retry_after) = (text("x-ms-continuationtoken"), retry_after(headers));
        let is_page = text(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.to_ascii_lowercase().contains("html"));
        let to_sign_in = text(LOCATION.as_str()).is_some_and(|to| to.to_ascii_lowercase().contains("signin"));
        let is_known = headers.keys().any(|name| OWN_HEADERS.iter().any(|own| name.as_str().starts_with(own)));
        let continuation = continuation.filter(|token| !token.is_empty());
        let mut body = Some(BytesMut::new());
        while let Some(chunk) = response.chunk().await? {
            match body.as_mut().filter(|body| body.len() + chunk.len() <= most) {
                Some(body) => body.extend_from_slice(&chunk),
                None => {
                    body = None;
                    break;
                }
            }
        }
        let body = body.map(BytesMut::freeze);
        Ok(Self { status, retry_after, continuation, is_page, to_sign_in, is_known, body, most })
    }

    /// A page that nothing shows to be one of Azure DevOps: a proxy's, or that of another site.
    fn is_strange_page(&self) -> bool {
        let body = self.body.as_deref().unwrap_or_default();
        let text = String::from_utf8_lossy(body.get(..LOOKED_THROUGH).unwrap_or(body)).to_lowercase();
        self.is_page && !self.is_known && !OWN_WORDS.iter().any(|own| text.contains(own))
    }

    /// The service's own words, where the body holds them.
    fn says(&self) -> String {
        #[derive(Deserialize)]
        struct Said {
            message: Option<String>,
        }
        let body = self.body.as_deref().unwrap_or_default();
        let said = serde_json::from_slice::<Said>(body).ok().and_then(|said| said.message);
        quoted(&said.unwrap_or_default())
    }
}

/// Seconds. Dates, which HTTP allows too, the service does not send.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().filter(|wait| !wait.is_zero())
}

/// What to make of one try.
pub(super) enum Verdict {
    Answer(Answer),
    Fail(AdoError),
    TokenRefused(AdoError),
    Again { error: AdoError, after: Option<Duration> },
}

pub(super) fn verdict(place: &Place, method: Method, tried: Result<Raw, reqwest::Error>) -> Verdict {
    let at = || place.to_string();
    let raw = match tried {
        Ok(raw) => raw,
        Err(error) => {
            let surely_not_done = error.is_connect();
            let error = AdoError::Unavailable { place: at(), says: quoted(&root(&error)) };
            return passing(error, None, surely_not_done || method.is_repeatable());
        }
    };
    let refused = |how: &str| Verdict::TokenRefused(AdoError::TokenRefused { place: at(), how: how.to_owned() });
    let strange =
        |what: &str| Verdict::Fail(AdoError::Strange { place: at(), how: format!("{} and {what}", raw.status) });
    let says = || raw.says();
    match raw.status {
        401 => refused("401"),
        203 => refused("203 and a sign-in page"),
        300..=399 if raw.to_sign_in => refused("it answers with a redirect to the sign-in"),
        300..=399 => strange("a redirect to another address"),
        200..=299 | 400..=499 if raw.is_strange_page() => strange("a page"),
        200..=299 if raw.is_page => refused("it answers with a page to sign in"),
        200..=299 => answer(raw, at()),
        403 => Verdict::Fail(AdoError::Forbidden { place: at(), says: says() }),
        404 => Verdict::Fail(AdoError::NotFound { place: at(), says: says() }),
        // Refused before anything was done.
        429 => passing(AdoError::Throttled { place: at(), says: throttled(&raw) }, raw.retry_after, true),
        408 | 500..=599 => {
            let error = AdoError::Unavailable { place: at(), says: format!("{}: {}", raw.status, says()) };
            passing(error, raw.retry_after, method.is_repeatable())
        }
        status => Verdict::Fail(AdoError::Refused { place: at(), status, says: says() }),
    }
}

fn passing(error: AdoError, after: Option<Duration>, again: bool) -> Verdict {
    if again { Verdict::Again { error, after } } else { Verdict::Fail(error) }
}

fn answer(raw: Raw, place: String) -> Verdict {
    match raw.body {
        None => Verdict::Fail(AdoError::TooLarge { place, most: raw.most }),
        Some(body) => Verdict::Answer(Answer { status: raw.status, body, continuation: raw.continuation, place }),
    }
}

fn throttled(raw: &Raw) -> String {
    match raw.retry_after {
        Some(wait) => format!("{}; to wait: {}", raw.says().trim_end_matches('.'), in_words(wait)),
        None => raw.says(),
    }
}

/// What is at the bottom of it: what is above repeats that a request failed.
fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
