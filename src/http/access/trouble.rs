//! What went wrong, as a page: people at a browser get words and a way on, programs the problem as JSON.
//!
//! This stands around everything, the gate too, so that no error of a page is forgotten. It asks the catalog nothing,
//! which may be what went wrong: a page of the dashboard where it can be asked is made further inside.

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

/// What a page says of an error.
pub(in crate::http) struct Told {
    pub(in crate::http) status: StatusCode,
    pub(in crate::http) what: &'static str,
    pub(in crate::http) says: String,
    /// It passes by itself: the browser looks again.
    pub(in crate::http) passes: bool,
    /// Somebody else, or a token, may have more rights.
    pub(in crate::http) sign_in: bool,
    headers: HeaderMap,
}

impl Told {
    pub(in crate::http) async fn of(response: Response, method: &Method) -> Self {
        let (head, body) = response.into_parts();
        let status = head.status;
        let says = match head.extensions.get::<Problem>() {
            Some(problem) => problem.detail().to_owned(),
            None => rejected(body).await,
        };
        let reads = matches!(*method, Method::GET | Method::HEAD);
        Self {
            status,
            what: what(status),
            says,
            passes: status == StatusCode::SERVICE_UNAVAILABLE && reads,
            sign_in: matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN),
            headers: head.headers,
        }
    }

    /// What the error said beside its words, such as when to come again.
    pub(in crate::http) fn carry_over(self, mut page: Response) -> Response {
        *page.status_mut() = self.status;
        let about_words = [CONTENT_TYPE, CONTENT_LENGTH];
        for (name, value) in self.headers.iter().filter(|(name, _)| !about_words.contains(name)) {
            page.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        page
    }
}

/// Where nobody is known, or the catalog cannot be asked.
#[derive(Template)]
#[template(path = "trouble.html")]
struct Trouble<'t> {
    told: &'t Told,
}

/// Around all routes.
pub(super) async fn as_page(request: Request, next: Next) -> Response {
    let (is_asked, method) = (is_page(&request), request.method().clone());
    let response = next.run(request).await;
    if !is_asked || !is_bare(&response) {
        return response;
    }
    let told = Told::of(response, &method).await;
    let page = page(told.status, &Trouble { told: &told });
    told.carry_over(page)
}

/// Whether somebody at a browser asks for a page.
pub(in crate::http) fn is_page(request: &Request) -> bool {
    Place::of(request.uri().path()).is_for_people() && takes_html(request.headers())
}

/// Whether it is an error that is no page yet.
pub(in crate::http) fn is_bare(response: &Response) -> bool {
    is_error(response.status()) && !is_html(response.headers())
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
