//! `POST /events` and `POST /incidents`: what scripts and other programs tell of.
//!
//! Unlike a hook's, these bodies are looked at before they are taken: who posts them is a script that somebody is writing,
//! and can be told what is wrong. The worker reads them from the queue as any other event.

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{App, Problem, hooks};
use crate::ado::{self, DecodeError};

#[derive(Debug, Deserialize)]
pub(crate) struct Whose {
    organization: Option<String>,
}

/// 202 once it is durable.
pub(crate) async fn event(
    State(app): State<App>,
    Query(whose): Query<Whose>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    told(&app, ado::REPORT, whose, &headers, body).await
}

/// 202 once it is durable.
pub(crate) async fn incident(
    State(app): State<App>,
    Query(whose): Query<Whose>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    told(&app, ado::INCIDENT, whose, &headers, body).await
}

async fn told(app: &App, kind: &str, whose: Whose, headers: &HeaderMap, body: Body) -> Result<StatusCode, Problem> {
    if !app.access.admits_report(headers) {
        tracing::warn!("event: refused, its token is wrong, or it comes from a web page");
        return Err(Problem::no_events_token());
    }
    let _room = hooks::room(app).await?;
    let body = hooks::read(app, body).await?;
    let organization = whose.organization.as_deref().or_else(|| app.access.organization()).unwrap_or_default();
    let event = ado::enveloped(kind, organization, app.access.now(), &body).map_err(|error| refused(&error))?;
    hooks::put(app, event).await
}

/// What stands around the body is ours: no place in it is told.
fn refused(error: &DecodeError) -> Problem {
    let place = error.path.as_deref().and_then(|path| path.strip_prefix("resource."));
    let place = place.map(|place| format!(" (at `{place}`)")).unwrap_or_default();
    Problem::bad_request(format!("{}: {}{place}.", error.code, error.sentence))
}
