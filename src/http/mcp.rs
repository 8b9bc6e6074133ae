//! `/mcp`: the tools for other people's assistants, cut to what the caller may see.

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tower_http::catch_panic::CatchPanicLayer;

use super::api::{Asked, Lives, desk};
use super::problem::{Problem, after_panic};
use super::reader::{Reader, Readers};
use crate::ask::mcp::answer_http;

pub(super) fn routes() -> Router<Readers> {
    Router::new().route("/mcp", any(answer)).layer(CatchPanicLayer::custom(after_panic))
}

async fn answer(
    reader: Reader,
    Asked(Lives { time_zone }): Asked<Lives>,
    request: Request,
) -> Result<Response, Problem> {
    let desk = desk(reader, time_zone.as_deref())?;
    Ok(answer_http(desk, request).await.map(axum::body::Body::new).into_response())
}
