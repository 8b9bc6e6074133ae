//! Requests to Azure DevOps: the one part of [`ado`](super) that does input and output.
//!
//! What every request here keeps to: at most some in flight; `Retry-After` is obeyed also where it comes with a good
//! answer, and then by all requests; what may pass (408, 429, 5xx, no connection) is tried again with growing,
//! randomised waits, for a limited time; an answer has a limited size; a token is asked for once more after a 401.
//!
//! The traps: a token that is not valid is often answered with 203 and a sign-in page, or with a redirect to one; so no
//! redirect is followed, and a page is never taken for an answer. And a POST that was cut off may have been carried out:
//! it is tried again only where it surely was not.
//!
//! Nothing here prints a token: it is in no error, no log line and no `Debug`.
//!
//! Limits of the service: <https://learn.microsoft.com/azure/devops/integrate/concepts/rate-limits>.

mod answer;
mod builds;
mod code;
mod error;
mod hooks;
mod pages;
mod place;
mod releases;
mod token;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use metrics::counter;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use secrecy::SecretString;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::telemetry::prometheus;

pub use answer::Answer;
pub use builds::{Finished, Project, Scope};
pub(crate) use code::MOST_BETWEEN;
pub use code::{Batch, PullRequests, Repository, Steps};
pub use error::AdoError;
pub use pages::Pages;
pub use place::Place;
pub use releases::Environment;

use answer::{Raw, Verdict, verdict};
use token::{Header, Tokens};

/// Where Azure DevOps is, and by which right.
#[derive(Debug, Clone)]
pub struct Access {
    /// `https://dev.azure.com`, or a server such as `https://tfs.example/tfs`; without a slash at its end.
    pub url: String,
    pub credential: Credential,
}

#[derive(Debug, Clone)]
pub enum Credential {
    /// A personal access token.
    Token(SecretString),
    /// A command that prints a bearer token.
    Command(SecretString),
    /// Microsoft Entra, see [`credential`](crate::entra::credential): by the client id of an identity, or whom it finds.
    Entra(Option<String>),
}

/// How much is asked of the service, and how long it may take. [`Limits::default`] is for work that nobody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub connect: Duration,
    /// Of one try, from the connection to the end of the answer.
    pub request: Duration,
    pub in_flight: usize,
    /// The first wait before a request is tried again; the next ones grow.
    pub first_wait: Duration,
    pub most_wait: Duration,
    /// For so long a request is tried again. Waits that the service asks for count.
    pub patience: Duration,
    /// The longest wait that the service can ask for.
    pub most_pause: Duration,
    pub answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(100),
            in_flight: 4,
            first_wait: Duration::from_millis(500),
            most_wait: Duration::from_secs(30),
            patience: Duration::from_secs(600),
            // The service counts in windows of 5 minutes.
            most_pause: Duration::from_secs(600),
            answer_bytes: 16 << 20,
        }
    }
}

impl Limits {
    /// Where a person waits for the answer.
    #[must_use]
    pub fn for_a_person() -> Self {
        Self { request: Duration::from_secs(30), patience: Duration::from_secs(30), ..Self::default() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    /// A POST that only reads: what is asked for is in its body.
    Ask,
    Post,
    Put,
    Delete,
}

impl Method {
    /// Whether doing it twice is the same as once.
    fn is_repeatable(self) -> bool {
        match self {
            Self::Get | Self::Ask | Self::Put | Self::Delete => true,
            Self::Post => false,
        }
    }
}

impl From<Method> for reqwest::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::GET,
            Method::Ask | Method::Post => Self::POST,
            Method::Put => Self::PUT,
            Method::Delete => Self::DELETE,
        }
    }
}

/// A client of one Azure DevOps, shared by all who ask it: limits hold for all of them together.
pub struct Client {
    http: reqwest::Client,
    url: String,
    tokens: Tokens,
    permits: Semaphore,
    /// Nothing is asked before, since the service said so.
    pause: Mutex<Option<Instant>>,
    /// Whether anything ever answered.
    reached: AtomicBool,
    limits: Limits,
}

/// Not the token, and what holds it.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Client {
    /// # Errors
    /// When no HTTP client can be made, or no credential of Microsoft Entra is there.
    pub fn new(access: &Access, limits: Limits) -> Result<Self, AdoError> {
        let http = reqwest::Client::builder()
            .connect_timeout(limits.connect)
            .timeout(limits.request)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("pipetrail/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self {
            http: http.map_err(|error| AdoError::Client(error.without_url()))?,
            url: access.url.trim_end_matches('/').to_owned(),
            tokens: Tokens::new(&access.credential)?,
            permits: Semaphore::new(limits.in_flight),
            pause: Mutex::default(),
            reached: AtomicBool::default(),
            limits,
        })
    }

    /// Who has not answered yet, for people; `None` once the service did.
    #[must_use]
    pub fn silent(&self) -> Option<String> {
        if self.reached.load(Ordering::Relaxed) {
            return None;
        }
        let asked = self.tokens.asked().map(|who| format!("a token from {who}"));
        Some(asked.unwrap_or_else(|| format!("Azure DevOps at {}", self.url)))
    }

    /// # Errors
    /// [`AdoError`].
    pub async fn get(&self, place: &Place) -> Result<Answer, AdoError> {
        self.send(Method::Get, place, None).await
    }

    /// A question that the service takes as a POST: it changes nothing, so it is tried again as [`Client::get`] is.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn ask<B: Serialize + Sync + ?Sized>(&self, place: &Place, body: &B) -> Result<Answer, AdoError> {
        self.send(Method::Ask, place, Some(json(place, body)?)).await
    }

    /// # Errors
    /// [`AdoError`]; where the answer was cut off, the service may have done it all the same.
    pub async fn post<B: Serialize + Sync + ?Sized>(&self, place: &Place, body: &B) -> Result<Answer, AdoError> {
        self.send(Method::Post, place, Some(json(place, body)?)).await
    }

    /// # Errors
    /// [`AdoError`].
    pub async fn put<B: Serialize + Sync + ?Sized>(&self, place: &Place, body: &B) -> Result<Answer, AdoError> {
        self.send(Method::Put, place, Some(json(place, body)?)).await
    }

    /// # Errors
    /// [`AdoError`]; what is gone already is [`AdoError::NotFound`].
    pub async fn delete(&self, place: &Place) -> Result<Answer, AdoError> {
        self.send(Method::Delete, place, None).await
    }

    /// The pages of a list, in the service's order.
    #[must_use]
    pub fn pages(&self, place: Place) -> Pages<'_> {
        Pages::new(self, place)
    }

    async fn send(&self, method: Method, place: &Place, body: Option<Vec<u8>>) -> Result<Answer, AdoError> {
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        self.wait().await;
        // From here on: what others had to wait for is not this request's time.
        let mut tries = Tries::new(&self.limits);
        let mut renewed = false;
        loop {
            self.wait().await;
            let header = self.tokens.header().await?;
            let tried = self.try_once(method, place, body.clone(), &header).await;
            let nobody_is_there = self.is_nobody_there(&tried);
            match verdict(place, method, tried) {
                Verdict::Answer(answer) => return Ok(answer),
                Verdict::Fail(error) => return Err(error),
                Verdict::TokenRefused(error) => {
                    if renewed || !self.tokens.renew(&header).await {
                        return Err(error);
                    }
                    renewed = true;
                }
                Verdict::Again { error, .. } if nobody_is_there => return Err(error),
                Verdict::Again { error, after } => self.sit_out(tries.next(error, after)?).await,
            }
        }
    }

    /// Before the first answer a wrong address is more likely than an outage: nobody waits for one.
    fn is_nobody_there(&self, tried: &Result<Raw, reqwest::Error>) -> bool {
        match tried {
            Ok(_) => {
                self.reached.store(true, Ordering::Relaxed);
                false
            }
            Err(error) => error.is_connect() && !self.reached.load(Ordering::Relaxed),
        }
    }

    async fn sit_out(&self, wait: Wait) {
        let wait_ms = u64::try_from(wait.time.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(error = wait.error.to_string(), wait_ms, "Azure DevOps: trying again");
        // What the service asked for is waited for before each request.
        if !wait.asked_for {
            tokio::time::sleep(wait.time).await;
        }
    }

    async fn try_once(
        &self,
        method: Method,
        place: &Place,
        body: Option<Vec<u8>>,
        header: &Header,
    ) -> Result<Raw, reqwest::Error> {
        let url = place.url(&self.url);
        let mut request = self.http.request(method.into(), url).header(ACCEPT, "application/json");
        request = request.header(AUTHORIZATION, header.value()).header("x-tfs-fedauthredirect", "Suppress");
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let read = async { Raw::read(request.send().await?, self.limits.answer_bytes).await };
        let tried = read.await.map_err(reqwest::Error::without_url);
        let status = tried.as_ref().map_or_else(|_| "error".to_owned(), |raw| raw.status.to_string());
        counter!(prometheus::ADO_REQUESTS, "status" => status).increment(1);
        // Also where this request is not tried again: the next one has to wait.
        if let Some(wait) = tried.as_ref().ok().and_then(|raw| raw.retry_after) {
            tracing::info!(wait_s = wait.as_secs(), "Azure DevOps: asks to wait");
            self.pause_for(wait);
        }
        tried
    }

    /// From now on nobody asks for this long.
    fn pause_for(&self, wait: Duration) {
        let until = Instant::now() + wait.min(self.limits.most_pause);
        let mut pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        *pause = Some(pause.map_or(until, |known| known.max(until)));
    }

    async fn wait(&self) {
        loop {
            let until = *self.pause.lock().unwrap_or_else(PoisonError::into_inner);
            match until.filter(|until| *until > Instant::now()) {
                Some(until) => tokio::time::sleep_until(until).await,
                None => return,
            }
        }
    }
}

fn json<B: Serialize + ?Sized>(place: &Place, body: &B) -> Result<Vec<u8>, AdoError> {
    serde_json::to_vec(body).map_err(|error| AdoError::Body { place: place.to_string(), source: error })
}

/// How often and how long one request was tried.
struct Tries {
    backoff: ExponentialBackoff,
    until: Instant,
    most_pause: Duration,
}

/// Before the next try.
struct Wait {
    time: Duration,
    /// By the service: then it is for all requests.
    asked_for: bool,
    error: AdoError,
}

impl Tries {
    fn new(limits: &Limits) -> Self {
        let backoff = ExponentialBackoff {
            current_interval: limits.first_wait,
            initial_interval: limits.first_wait,
            max_interval: limits.most_wait,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Self { backoff, until: Instant::now() + limits.patience, most_pause: limits.most_pause }
    }

    /// The wait before the next try, or the error where there is no time for it.
    fn next(&mut self, error: AdoError, after: Option<Duration>) -> Result<Wait, AdoError> {
        let own = self.backoff.next_backoff().unwrap_or(self.backoff.max_interval);
        let time = after.map_or(own, |after| after.min(self.most_pause));
        if Instant::now() + time > self.until {
            return Err(error);
        }
        Ok(Wait { time, asked_for: after.is_some(), error })
    }
}
