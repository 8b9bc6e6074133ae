//! `/api/v1`: what the command line answers, over HTTP. Lists are `{items, nextCursor}`, items as the command line's.
//!
//! A route is written once, with what it takes and answers; `/openapi.json` is made of the same.

mod actions;
mod answers;
mod asked;
mod changes;
mod dead_letters;
mod deployments;
mod environments;
mod fresh;
mod gaps;
mod incidents;
mod metrics;
mod one;
mod openapi;
mod page;
mod pipelines;
mod query;
mod runs;
mod spektate;
mod stream;

use axum::routing::{any, get, post};
use axum::{Extension, Json, Router, middleware};
use serde::Deserialize;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) use asked::Asked;
pub use query::Answering;
pub(super) use query::{Lives, desk};

use super::problem;
use super::reader::Readers;

/// Which organization, where several have this number.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Organization {
    organization: Option<String>,
}

pub(super) fn routes() -> Router<Readers> {
    let (router, document) = documented().split_for_parts();
    let document = Json(document);
    router
        .route("/api/deployments", get(spektate::deployments))
        .route("/api/health", get(spektate::health))
        .route("/api/version", get(spektate::version))
        .route("/openapi.json", get(move || async move { document }))
        .route("/openapi-actions.json", get(actions::show))
        .route("/api/MetricQueryApi", post(query::metric_query))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .route("/api", any(problem::not_found))
        .route("/api/{*rest}", any(problem::not_found))
        .layer(Extension(stream::Room::default()))
        .layer(middleware::from_fn(fresh::validated))
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::custom(problem::after_panic))
}

fn documented() -> OpenApiRouter<Readers> {
    OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(runs::list))
        .routes(routes!(runs::show))
        .routes(routes!(pipelines::list))
        .routes(routes!(pipelines::show))
        .routes(routes!(environments::list))
        .routes(routes!(environments::compare))
        .routes(routes!(deployments::list))
        .routes(routes!(deployments::approvals))
        .routes(routes!(changes::commit))
        .routes(routes!(changes::pull_request))
        .routes(routes!(changes::work_item))
        .routes(routes!(metrics::show))
        .routes(routes!(metrics::flow))
        .routes(routes!(incidents::list))
        .routes(routes!(gaps::list))
        .routes(routes!(gaps::hooks))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::show))
        .routes(routes!(dead_letters::requeue))
        .routes(routes!(dead_letters::discard))
        .routes(routes!(query::list))
        .routes(routes!(query::ask))
        .routes(routes!(query::words))
        .routes(routes!(stream::listen))
}
