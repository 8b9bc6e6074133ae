//! `/api/v1`: what the command line answers, over HTTP. Lists are `{items, nextCursor}`, items as the command line's.

mod runs;

use axum::Router;
use axum::routing::get;

use super::reader::Readers;

pub(super) fn routes() -> Router<Readers> {
    Router::new().route("/api/v1/runs", get(runs::list))
}
