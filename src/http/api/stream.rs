//! What changes, as it changes: server-sent events, <https://html.spec.whatwg.org/multipage/server-sent-events.html>.
//!
//! The id of an event is how far the store's change log was read: whoever was cut off goes on from there, also at another
//! process. So a change is told at least once, and one that is told twice changes nothing, as events say how things are.
//!
//! The log is read once for all who listen, by whoever keeps the catalog current; so each is told only of what its own
//! catalog shows ([`Catalog::listen`]). Who comes back with an id reads by itself what it missed.
//!
//! Who was let in is asked at the beginning only, and a stream has no end of its own: so it ends with the session.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use base64_simd::URL_SAFE_NO_PAD;
use futures_util::Stream;
use futures_util::stream;
use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::answers::OfList;
use super::asked::Asked;
use super::dead_letters::Nothing;
use crate::catalog::{Catalog, CatalogError, Live, News, Run};
use crate::domain::Key;
use crate::http::Problem;
use crate::http::access::Stay;
use crate::http::reader::Reader;
use crate::store::{Cursor, Store};
use crate::telemetry::prometheus;

/// So many listen at once.
const MOST_STREAMS: usize = 256;
/// Between two signs of life: proxies cut off who is silent for longer.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Room for those who listen.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST_STREAMS)))
    }
}

/// What changes: `event` is `run`, `deployment`, `release`, `pullRequest`, `push`, `changes`, `workItem`, `cluster`,
/// `incident`, `report` or `gap`, and `data` is as below. After `event: reset`, read all anew.
#[utoipa::path(
    get,
    path = "/api/v1/stream",
    operation_id = "listen",
    tag = "stream",
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was received")),
    responses((status = 200, body = Told<'_>, content_type = "text/event-stream"), OfList)
)]
pub(super) async fn listen(
    reader: Reader,
    Extension(room): Extension<Room>,
    stop: Option<Extension<CancellationToken>>,
    headers: HeaderMap,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Response, Problem> {
    let permit = room.0.try_acquire_owned();
    let permit = permit.map_err(|_| Problem::unavailable("Too many listen already; try again."))?;
    // None where nobody serves but a test.
    let stop = stop.map_or_else(CancellationToken::new, |Extension(stop)| stop);
    let (live, reached) = reader.catalog.listen(reader.store.as_ref()).await?;
    let behind = headers.get("last-event-id").map(read);
    // Who begins is told at once from where on it is told.
    let ready = if behind.is_none() { events(&[], &reached) } else { VecDeque::new() };
    let listener = Listener {
        behind,
        live,
        ready,
        is_over: false,
        stop,
        stay: reader.stay,
        catalog: reader.catalog,
        store: reader.store,
        _open: Open::new(permit),
    };
    let events = Sse::new(listener.events()).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
        // Proxies of this kind would gather events before they hand them on.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, events).into_response())
}

/// As text: an id of an event is one line without a meaning.
fn written(cursor: &Cursor) -> String {
    URL_SAFE_NO_PAD.encode_to_string(json!(cursor).to_string())
}

/// An id that is none leads to a reset, as one does that is too old.
fn read(id: &HeaderValue) -> Cursor {
    let bytes = URL_SAFE_NO_PAD.decode_to_vec(id.as_bytes()).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// A stream that is open is counted until it is dropped.
struct Open {
    _permit: OwnedSemaphorePermit,
}

impl Open {
    fn new(permit: OwnedSemaphorePermit) -> Self {
        metrics::gauge!(prometheus::STREAMS).increment(1.0);
        Self { _permit: permit }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::gauge!(prometheus::STREAMS).decrement(1.0);
    }
}

/// One who listens.
struct Listener {
    /// Up to where it was told, while it has to catch up by itself.
    behind: Option<Cursor>,
    live: Live,
    ready: VecDeque<Event>,
    is_over: bool,
    stop: CancellationToken,
    /// Of a browser's session, with which it ends.
    stay: Option<Stay>,
    /// Cut to what it may see.
    catalog: Catalog,
    store: Arc<dyn Store>,
    _open: Open,
}

impl Listener {
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut listener| async move {
            let event = listener.next().await?;
            Some((Ok(event), listener))
        })
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            // Events may come without a pause.
            if self.stay.as_ref().is_some_and(Stay::is_over) {
                return None;
            }
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.is_over {
                return None;
            }
            // An end that is no error: browsers come again, to a process that lives, or are asked to sign in.
            let (stop, stay) = (self.stop.clone(), self.stay.clone());
            tokio::select! {
                () = stop.cancelled() => return None,
                () = end_of(stay) => return None,
                () = self.gather() => {}
            }
        }
    }

    /// Waits for the next portion and makes events of it.
    async fn gather(&mut self) {
        let told = match self.behind.take() {
            Some(from) => match self.catalog.changes(self.store.as_ref(), &from).await {
                Ok(told) => {
                    let is_there = told.keys.is_empty() || told.reset;
                    self.behind = (!is_there).then(|| told.reached.clone());
                    Arc::new(told)
                }
                Err(error) => return self.give_up(&error),
            },
            None => match self.live.recv().await {
                Ok(told) => told,
                Err(RecvError::Closed) => return self.end(),
                Err(RecvError::Lagged(_)) => return self.reset(None),
            },
        };
        if told.reset {
            return self.reset(Some(&told.reached));
        }
        match self.catalog.shown(&told).await {
            Ok(news) => self.ready = events(&news, &told.reached),
            Err(error) => self.give_up(&error),
        }
    }

    /// The listener reads all anew, and comes again.
    fn reset(&mut self, reached: Option<&Cursor>) {
        let event = Event::default().event("reset").data("{}");
        self.ready.push_back(match reached {
            Some(reached) => event.id(written(reached)),
            // From the last id on, it has to be told again.
            None => event,
        });
        self.end();
    }

    fn give_up(&mut self, error: &CatalogError) {
        tracing::warn!(error = error as &dyn std::error::Error, "stream: ended, what changed cannot be read");
        self.end();
    }

    fn end(&mut self) {
        self.is_over = true;
    }
}

/// Never, where no session has to end.
async fn end_of(stay: Option<Stay>) {
    match stay {
        Some(stay) => stay.over().await,
        None => std::future::pending().await,
    }
}

/// What an event of the stream holds.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told<'n> {
    /// The name of the event.
    kind: &'static str,
    organization: &'n str,
    /// A number; null for a gap.
    id: Option<u64>,
    /// Of a deployment, a release or a gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<&'n str>,
    /// Of a deployment, whose id is its run's.
    #[serde(skip_serializing_if = "Option::is_none")]
    environment_id: Option<u64>,
    /// Of a gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_type: Option<&'n str>,
    /// Of a run: as in the list of runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<&'n Run>,
}

fn told(news: &News) -> Told<'_> {
    let plain = |kind, id| Told {
        kind,
        organization: news.key.organization(),
        id: Some(id),
        project_id: None,
        environment_id: None,
        event_type: None,
        item: news.run.as_ref(),
    };
    match &news.key {
        Key::Run(key) => plain("run", key.run),
        Key::Changes(key) => plain("changes", key.run),
        Key::Cluster(_) => Told { id: None, ..plain("cluster", 0) },
        Key::Incident(_) => Told { id: None, ..plain("incident", 0) },
        Key::Report(_) => Told { id: None, ..plain("report", 0) },
        Key::PullRequest(key) => plain("pullRequest", key.id),
        Key::Push(key) => plain("push", key.push),
        Key::WorkItem(key) => plain("workItem", key.id),
        Key::Release(key) => Told { project_id: Some(&key.project), ..plain("release", key.release) },
        Key::Deployment(key) => Told {
            project_id: Some(&key.project),
            environment_id: Some(key.environment),
            ..plain("deployment", key.run)
        },
        Key::Gap(key) => {
            Told { id: None, project_id: Some(&key.project), event_type: Some(&key.events), ..plain("gap", 0) }
        }
    }
}

/// The id comes last: whoever is cut off before is told all of it again.
fn events(news: &[News], reached: &Cursor) -> VecDeque<Event> {
    let mut events: VecDeque<Event> = news.iter().map(event).collect();
    let last = events.pop_back().unwrap_or_default();
    events.push_back(last.id(written(reached)));
    events
}

fn event(news: &News) -> Event {
    let told = told(news);
    Event::default().event(told.kind).data(json!(told).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_cursor_and_rubbish_is_one_that_is_too_old() {
        let cursor: Cursor = serde_json::from_str(r#"{"log":"a b\n","reached":[1,2]}"#).unwrap();
        let id = HeaderValue::try_from(written(&cursor)).unwrap();
        assert_eq!(read(&id), cursor);
        for rubbish in ["", "x", "W10", "bnVsbA", "{}"] {
            assert_eq!(read(&HeaderValue::from_static(rubbish)), Cursor::default(), "{rubbish}");
        }
    }
}
