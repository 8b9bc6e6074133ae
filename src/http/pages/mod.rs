//! The dashboard: pages made on the server, which work without a script.
//!
//! Names from events are hostile text: the templates escape them, and an address goes into `href` only where it is one
//! of the web.

mod approvals;
mod ask;
mod assets;
mod chart;
mod dead_letters;
mod deployments;
mod dora;
mod environments;
mod filters;
mod frame;
mod guard;
mod home;
mod hooks;
mod html;
mod links;
mod out;
mod paths;
mod pipelines;
mod run;
mod runs;
mod search;
mod things;
mod trouble;

use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get, post};

use self::frame::Frame;
use super::reader::{Reader, Readers};
use super::{Problem, problem};

pub(crate) use html::Hostile;
pub use out::AdoSite;
pub(super) use trouble::framed;

pub(super) fn routes() -> Router<Readers> {
    Router::new()
        .route("/", get(home::show))
        .route("/runs", get(runs::list))
        .route("/runs/{id}", get(run::show))
        .route("/pipelines", get(pipelines::list))
        .route("/deployments", get(deployments::list))
        .route("/environments", get(environments::list))
        .route("/environments/compare", get(environments::compare))
        .route("/dora", get(dora::show))
        .route("/approvals", get(approvals::list))
        .route("/commits/{id}", get(things::commit))
        .route("/pull-requests/{id}", get(things::pull_request))
        .route("/work-items/{id}", get(things::work_item))
        .route("/dead-letters", get(dead_letters::list))
        .route("/dead-letters/show", get(dead_letters::show))
        .route("/dead-letters/requeue", post(dead_letters::requeue))
        .route("/dead-letters/discard", get(dead_letters::confirm).post(dead_letters::discard))
        .route("/hooks", get(hooks::list))
        .route("/ask", get(ask::show).post(ask::answer))
        .route("/ask/csv", post(ask::export))
        .route("/search", get(search::search))
        .route("/assets/{name}", get(assets::asset))
        .route("/{*rest}", any(problem::not_found))
        .layer(from_fn(guard::guard))
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

/// There is nothing of that name, or it is not for this reader.
#[derive(Template)]
#[template(path = "missing.html")]
struct Missing {
    frame: Frame,
    what: String,
    /// What to type, or where to look.
    hint: &'static str,
}

async fn missing(reader: &Reader, what: String, hint: &'static str) -> Result<Response, Problem> {
    let frame = Frame::of(reader, "").await?;
    let page = page(&Missing { frame, what, hint })?;
    Ok((StatusCode::NOT_FOUND, page).into_response())
}

/// Several organizations have something of that number.
#[derive(Template)]
#[template(path = "several.html")]
struct Several {
    frame: Frame,
    what: String,
    /// Each with its address.
    which: Vec<(String, String)>,
}

async fn several(reader: &Reader, what: String, which: Vec<(String, String)>) -> Result<Response, Problem> {
    page(&Several { frame: Frame::of(reader, "").await?, what, which })
}
