use std::net::SocketAddr;

use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use super::body::{self, BodyError};
use super::{App, MAX_BODY, Problem};

const TRY_AGAIN: &str = "The event could not be stored; try again.";

/// `POST /hooks/azure-devops`: what the Web Hooks consumer of Azure DevOps posts. 202 once it is durable.
pub(crate) async fn azure_devops(
    State(app): State<App>,
    from: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    if !app.access.admits_event(&headers) {
        // Behind a proxy it is the proxy's: what a header says of whoever is behind it anybody could write.
        let from =
            from.map_or_else(|| "an unknown address".to_owned(), |Extension(ConnectInfo(from))| from.to_string());
        tracing::warn!(from, "hook: refused, its user name or password is wrong, or it comes from a web page");
        return Err(Problem::unauthorized());
    }
    let _room = room(&app).await?;
    let body = read(&app, body).await?;
    put(&app, body).await
}

/// Held until the body is handed on: this bounds the memory that bodies take.
pub(super) async fn room(app: &App) -> Result<SemaphorePermit<'_>, Problem> {
    match timeout(app.limits.admission, app.room.acquire()).await {
        Ok(Ok(room)) => Ok(room),
        Ok(Err(_)) | Err(_) => {
            tracing::warn!(bodies = app.limits.bodies, "hook: no room, too many bodies in flight");
            Err(Problem::unavailable("Too many events at once; try again."))
        }
    }
}

pub(super) async fn read(app: &App, body: Body) -> Result<Vec<u8>, Problem> {
    match timeout(app.limits.body, body::read(body, MAX_BODY)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(BodyError::TooLarge(limit))) => {
            tracing::warn!(limit_bytes = limit, "hook: refused, its body is too large");
            Err(Problem::too_large())
        }
        Ok(Err(error @ BodyError::BrokeOff(_))) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "hook: not received");
            Err(Problem::unavailable("The body did not come to its end; try again."))
        }
        Err(_) => {
            let limit_ms = app.limits.body.as_millis();
            tracing::warn!(limit_ms, "hook: not received, its body came too slowly");
            Err(Problem::unavailable("The body came too slowly; try again."))
        }
    }
}

/// A put that ran out of time may still have worked: then the event comes twice, which changes nothing.
pub(super) async fn put(app: &App, body: Vec<u8>) -> Result<StatusCode, Problem> {
    let bytes = body.len();
    match timeout(app.limits.backend, app.queue.put(vec![body])).await {
        Ok(Ok(())) => {
            tracing::debug!(bytes, "hook: queued");
            Ok(StatusCode::ACCEPTED)
        }
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "hook: not queued");
            Err(Problem::unavailable(TRY_AGAIN))
        }
        Err(_) => {
            tracing::error!(limit_ms = app.limits.backend.as_millis(), "hook: not queued in time");
            Err(Problem::unavailable(TRY_AGAIN))
        }
    }
}
