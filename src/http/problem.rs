use std::any::Any;
use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;

use crate::catalog::CatalogError;
use crate::queue::QueueError;
use crate::store::StoreError;

/// An error as RFC 9457 writes it: what the caller may know. What happened inside is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    /// For people: one sentence with what to do.
    detail: Cow<'static, str>,
    /// What it may have been, where it was not clear.
    matches: Vec<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// For people: what to do.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, detail: detail.into(), matches: Vec::new(), headers: Vec::new() }
    }

    pub(crate) fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) fn forbidden(detail: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// The thing that was asked for is not here.
    pub(crate) fn missing(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// There are several: these.
    pub(crate) fn ambiguous(detail: impl Into<Cow<'static, str>>, matches: Vec<String>) -> Self {
        Self { matches, ..Self::new(StatusCode::CONFLICT, detail) }
    }

    pub(crate) fn unauthorized() -> Self {
        let challenge = HeaderValue::from_static("Basic realm=\"pipetrail\", charset=\"UTF-8\"");
        Self::new(StatusCode::UNAUTHORIZED, "Send the user name and password that were set for hooks.")
            .with(WWW_AUTHENTICATE, challenge)
    }

    /// For scripts that tell of events.
    pub(crate) fn no_events_token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Send the token for events as X-Secret-Token, or as a bearer token.")
            .with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"pipetrail\""))
    }

    /// For programs that are to show a bearer token, as RFC 6750 has it.
    pub(crate) fn sign_in() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Show a bearer token, or sign in at /login with a browser.")
            .with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"pipetrail\""))
    }

    pub(crate) fn wrong_token() -> Self {
        let challenge = HeaderValue::from_static("Bearer realm=\"pipetrail\", error=\"invalid_token\"");
        Self::new(StatusCode::UNAUTHORIZED, "No reader has this token.").with(WWW_AUTHENTICATE, challenge)
    }

    /// Closes the connection: the rest of the body may still be on its way.
    pub(crate) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than 2 MiB.")
            .with(CONNECTION, HeaderValue::from_static("close"))
    }

    /// Our own trouble: the caller is to try again.
    pub(crate) fn unavailable(detail: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(RETRY_AFTER, HeaderValue::from_static("5"))
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "request: the catalog failed");
        Self::unavailable("The catalog does not answer; see the log.")
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "request: the store failed");
        Self::unavailable("The store does not answer; see the log.")
    }
}

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "request: the queue failed");
        Self::unavailable("The queue does not answer; see the log.")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let mut json = serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Some(json) = json.as_object_mut().filter(|_| !self.matches.is_empty()) {
            json.insert("matches".to_owned(), self.matches.clone().into());
        }
        let mut response =
            (self.status, [(CONTENT_TYPE, "application/problem+json")], json.to_string()).into_response();
        response.headers_mut().extend(self.headers.clone());
        // Whoever makes a page of it.
        response.extensions_mut().insert(self);
        response
    }
}

pub(crate) async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "There is nothing at this address.")
}

pub(crate) async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This address does not take this method.")
}

/// A panic is our trouble, too: its message went to the log by the panic hook or goes there now.
pub(crate) fn after_panic(panic: Box<dyn Any + Send + 'static>) -> Response<Body> {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text.unwrap_or("not a text"), "request: the handler panicked");
    Problem::unavailable("Something went wrong here; try again.").into_response()
}
