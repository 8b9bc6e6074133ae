//! The dashboard: pages made on the server, which work without a script.
//!
//! Names from events are hostile text: the templates escape them, and an address goes into `href` only where it is one
//! of the web.

mod assets;
mod runs;

use askama::Template;
use axum::Router;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use super::Problem;
use super::reader::Readers;

pub(super) fn routes() -> Router<Readers> {
    Router::new().route("/runs", get(runs::list)).route("/assets/{name}", get(assets::asset))
}

fn page(template: &impl Template) -> Result<Response, Problem> {
    match template.render() {
        Ok(html) => Ok(Html(html).into_response()),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "page: not rendered");
            Err(Problem::unavailable("The page could not be made; see the log."))
        }
    }
}
