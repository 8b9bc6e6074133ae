//! What went wrong, as a page: people at a browser get words and a way on, programs the problem as JSON.
//!
//! This stands around everything, the gate too, so that no error of a page is forgotten. It asks the catalog nothing,
//! which may be what went wrong.

use askama::Template;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::gate::Place;
use super::page::page;
use crate::http::Problem;

/// Of a line that is shown, in bytes.
const LONGEST: usize = 4_096;

#[derive(Template)]
#[template(path = "trouble.html")]
struct Trouble<'p> {
    status: u16,
    what: &'static str,
    says: &'p str,
    /// It passes by itself: the browser looks again.
    passes: bool,
    /// Somebody else, or a token, may have more rights.
    sign_in: bool,
}

/// Around all routes.
pub(super) async fn as_page(request: Request, next: Next) -> Response {
    let is_person = Place::of(request.uri().path()).is_for_people() && takes_html(request.headers());
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let response = next.run(request).await;
    if !is_person || is_html(response.headers()) || !is_error(response.status()) {
        return response;
    }
    told(response, reads).await
}

async fn told(response: Response, reads: bool) -> Response {
    let (head, body) = response.into_parts();
    let status = head.status;
    let says = match head.extensions.get::<Problem>() {
        Some(problem) => problem.detail().to_owned(),
        None => rejected(body).await,
    };
    let trouble = Trouble {
        status: status.as_u16(),
        what: what(status),
        says: &says,
        passes: status == StatusCode::SERVICE_UNAVAILABLE && reads,
        sign_in: matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN),
    };
    let mut told = page(status, &trouble);
    let others = head.headers.iter().filter(|(name, _)| **name != CONTENT_TYPE && **name != CONTENT_LENGTH);
    let others: Vec<_> = others.map(|(name, value)| (name.clone(), value.clone())).collect();
    for (name, value) in others {
        told.headers_mut().entry(name).or_insert(value);
    }
    told
}

/// What takes an address or a form apart says in a line of text what it does not understand.
async fn rejected(body: Body) -> String {
    let text = to_bytes(body, LONGEST).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    format!("The address, or the form, says something that is not understood. {text}").trim_end().to_owned()
}

fn what(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "Not allowed",
        StatusCode::SERVICE_UNAVAILABLE => "Not now",
        _ => "That did not work",
    }
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

fn takes_html(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

fn is_html(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/html"))
}
