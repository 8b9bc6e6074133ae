use std::error::Error;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use tokio::time::{Instant, timeout};

use super::{App, Problem};

/// What a probe found, and when.
pub(crate) struct Probed {
    at: Instant,
    found: Result<(), Problem>,
}

/// `GET /healthz`: the process lives.
pub(crate) async fn alive() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], r#"{"status":"alive"}"#)
}

/// `GET /readyz`: queue and store can do their work now. Whoever asks meanwhile waits for the same probe.
pub(crate) async fn ready(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    let mut probed = app.probed.lock().await;
    let good = probed.take().filter(|probed| probed.at.elapsed() < app.limits.probe_is_good);
    let now = match good {
        Some(probed) => probed,
        None => Probed { found: probe(&app).await, at: Instant::now() },
    };
    let found = probed.insert(now).found.clone();
    found.map(|()| ([(CONTENT_TYPE, "application/json")], r#"{"status":"ready"}"#))
}

async fn probe(app: &App) -> Result<(), Problem> {
    let probes = async {
        app.queue.probe().await.map_err(|error| unready("queue", &error))?;
        app.store.probe().await.map_err(|error| unready("store", &error))
    };
    timeout(app.limits.backend, probes).await.unwrap_or_else(|_| {
        tracing::warn!(limit_ms = app.limits.backend.as_millis(), "not ready: no answer in time");
        Err(Problem::unavailable("The storage does not answer; see the log."))
    })
}

fn unready(part: &'static str, error: &(dyn Error + 'static)) -> Problem {
    tracing::warn!(part, error, "not ready: the probe failed");
    Problem::unavailable("The storage does not work; see the log.")
}
