use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;

use crate::telemetry::prometheus;

/// Counts a request by its route: an address has words of the caller, a route has none.
pub(super) async fn counted(request: Request, next: Next) -> Response {
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let method = request.method().as_str().chars().take(10).collect::<String>();
    let started = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics::histogram!(prometheus::HTTP_SECONDS, "route" => route.clone()).record(started.elapsed());
    metrics::counter!(prometheus::HTTP_REQUESTS, "route" => route, "method" => method, "status" => status).increment(1);
    response
}
