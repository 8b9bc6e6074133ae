use std::error::Error;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use tokio::time::timeout;

use super::{App, Problem};

/// `GET /healthz`: the process lives.
pub(crate) async fn alive() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], r#"{"status":"alive"}"#)
}

/// `GET /readyz`: queue and store can do their work now.
pub(crate) async fn ready(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    let probes = async {
        app.queue.probe().await.map_err(|error| unready("queue", &error))?;
        app.store.probe().await.map_err(|error| unready("store", &error))
    };
    match timeout(app.limits.backend, probes).await {
        Ok(Ok(())) => Ok(([(CONTENT_TYPE, "application/json")], r#"{"status":"ready"}"#)),
        Ok(Err(problem)) => Err(problem),
        Err(_) => {
            tracing::warn!(limit_ms = app.limits.backend.as_millis(), "not ready: no answer in time");
            Err(Problem::unavailable("The storage does not answer; see the log."))
        }
    }
}

fn unready(part: &'static str, error: &(dyn Error + 'static)) -> Problem {
    tracing::warn!(part, error, "not ready: the probe failed");
    Problem::unavailable("The storage does not work; see the log.")
}
