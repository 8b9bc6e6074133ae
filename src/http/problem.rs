use std::any::Any;

use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;

use crate::catalog::CatalogError;

/// An error as RFC 9457 writes it: what the caller may know. What happened inside is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    /// For people: one sentence with what to do.
    detail: &'static str,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    fn new(status: StatusCode, detail: &'static str) -> Self {
        Self { status, detail, headers: Vec::new() }
    }

    pub(crate) fn unauthorized() -> Self {
        let challenge = HeaderValue::from_static("Basic realm=\"pipetrail\", charset=\"UTF-8\"");
        Self::new(StatusCode::UNAUTHORIZED, "Send the user name and password that were set for hooks.")
            .with(WWW_AUTHENTICATE, challenge)
    }

    pub(crate) fn forbidden(detail: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
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

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let json = serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response =
            (self.status, [(CONTENT_TYPE, "application/problem+json")], json.to_string()).into_response();
        response.headers_mut().extend(self.headers);
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
