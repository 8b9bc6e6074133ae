//! What changes, as it changes: server-sent events, <https://html.spec.whatwg.org/multipage/server-sent-events.html>.
//!
//! The id of an event is how far the store's change log was read: whoever was cut off goes on from there, also at another
//! process. So a change is told at least once, and one that is told twice changes nothing, as events say how things are.
//!
//! One task reads the log for all who listen, while anybody does. Each is told only of what its own catalog shows.

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
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use utoipa::ToSchema;

use super::answers::OfList;
use super::asked::Asked;
use super::dead_letters::Nothing;
use crate::catalog::{Catalog, CatalogError, News, Run};
use crate::domain::Key;
use crate::http::Problem;
use crate::http::reader::Reader;
use crate::store::{Cursor, Store};
use crate::telemetry::prometheus;

/// So many listen at once.
const MOST_STREAMS: usize = 256;
/// So many portions of changes a slow listener may be behind.
const MOST_BEHIND: usize = 64;
/// Keys that one portion has at the most, about.
const PORTION: usize = 500;
/// Between two looks at the log: that of the file beside us costs next to nothing.
const EVERY: Duration = Duration::from_secs(1);
const EVERY_LOCALLY: Duration = Duration::from_millis(250);
/// Between two signs of life: proxies cut off who is silent for longer.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A portion of the change log.
#[derive(Debug, Clone)]
struct Portion {
    keys: Vec<Key>,
    /// How far it goes.
    reached: Cursor,
    /// The log does not tell what changed before.
    reset: bool,
}

/// Those who listen, and how far the log was read for them.
#[derive(Debug, Clone)]
pub(super) struct Hub {
    told: broadcast::Sender<Arc<Portion>>,
    /// `None` while nobody reads it.
    reached: Arc<Mutex<Option<Cursor>>>,
    room: Arc<Semaphore>,
    /// It ends when nobody listens, or at the stop.
    tasks: TaskTracker,
}

impl Default for Hub {
    fn default() -> Self {
        let (told, _) = broadcast::channel(MOST_BEHIND);
        Self { told, reached: Arc::default(), room: Arc::new(Semaphore::new(MOST_STREAMS)), tasks: TaskTracker::new() }
    }
}

/// What changes: `event` is `run`, `deployment`, `release`, `pullRequest`, `push`, `changes`, `workItem` or `gap`, and
/// `data` is as below. After `event: reset`, read all anew.
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
    Extension(hub): Extension<Hub>,
    stop: Option<Extension<CancellationToken>>,
    headers: HeaderMap,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Response, Problem> {
    let permit = hub.room.clone().try_acquire_owned();
    let permit = permit.map_err(|_| Problem::unavailable("Too many listen already; try again."))?;
    // None where nobody serves but a test.
    let stop = stop.map_or_else(CancellationToken::new, |Extension(stop)| stop);
    let (live, reached) = hub.join(&reader.catalog, reader.store.clone(), stop.clone()).await?;
    let from = headers.get("last-event-id").map(read);
    let listener = Listener {
        behind: Some(from.unwrap_or(reached)),
        live,
        ready: VecDeque::new(),
        is_over: false,
        stop,
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

impl Hub {
    /// What is told from now on, and up to where the log was read before.
    async fn join(
        &self,
        catalog: &Catalog,
        store: Arc<dyn Store>,
        stop: CancellationToken,
    ) -> Result<(broadcast::Receiver<Arc<Portion>>, Cursor), Problem> {
        let mut reached = self.reached.lock().await;
        let live = self.told.subscribe();
        if let Some(reached) = reached.as_ref() {
            return Ok((live, reached.clone()));
        }
        // Whoever has no cursor is told where the log ends.
        let now = store.changes(&Cursor::default(), 1).await?.cursor;
        *reached = Some(now.clone());
        self.tasks.spawn(self.clone().follow(catalog.clone(), store, stop));
        Ok((live, now))
    }

    /// Reads the log for as long as somebody listens.
    async fn follow(self, catalog: Catalog, store: Arc<dyn Store>, stop: CancellationToken) {
        let every = if catalog.follows() { EVERY } else { EVERY_LOCALLY };
        let mut is_failing = false;
        loop {
            if stop.run_until_cancelled(tokio::time::sleep(every)).await.is_none() {
                return;
            }
            let mut reached = self.reached.lock().await;
            if self.told.receiver_count() == 0 {
                *reached = None;
                return;
            }
            let Some(from) = reached.clone() else { return };
            match look(&catalog, store.as_ref(), from).await {
                Ok(portion) => {
                    is_failing = false;
                    *reached = Some(portion.reached.clone());
                    if portion.reset || !portion.keys.is_empty() {
                        // Whoever left meanwhile misses nothing.
                        drop(self.told.send(Arc::new(portion)));
                    }
                }
                Err(error) => {
                    if !is_failing {
                        tracing::warn!(error = &error as &dyn std::error::Error, "stream: the log cannot be read");
                    }
                    is_failing = true;
                }
            }
        }
    }
}

/// What changed since. The catalog knows of it before anybody is told.
async fn look(catalog: &Catalog, store: &dyn Store, from: Cursor) -> Result<Portion, CatalogError> {
    let changes = store.changes(&from, PORTION).await?;
    if changes.reset || !changes.keys.is_empty() {
        catalog.refresh(store).await?;
    }
    let mut keys = changes.keys;
    keys.sort_unstable();
    keys.dedup();
    Ok(Portion { keys, reached: changes.cursor, reset: changes.reset })
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
    live: broadcast::Receiver<Arc<Portion>>,
    ready: VecDeque<Event>,
    is_over: bool,
    stop: CancellationToken,
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
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.is_over {
                return None;
            }
            let stop = self.stop.clone();
            // An end that is no error: browsers come again, to a process that lives.
            stop.run_until_cancelled(self.gather()).await?;
        }
    }

    /// Waits for the next portion and makes events of it.
    async fn gather(&mut self) {
        let portion = match self.behind.take() {
            Some(from) => match look(&self.catalog, self.store.as_ref(), from.clone()).await {
                Ok(portion) => {
                    let is_there = portion.keys.is_empty() && !portion.reset;
                    self.behind = (!is_there && !portion.reset).then(|| portion.reached.clone());
                    Arc::new(portion)
                }
                Err(error) => return self.give_up(&error),
            },
            None => match self.live.recv().await {
                Ok(portion) => portion,
                Err(RecvError::Closed) => return self.end(),
                Err(RecvError::Lagged(_)) => return self.reset(None),
            },
        };
        if portion.reset {
            return self.reset(Some(&portion.reached));
        }
        match self.catalog.news(portion.keys.clone()).await {
            Ok(news) => self.tell(&news, &portion.reached),
            Err(error) => self.give_up(&error),
        }
    }

    /// The id comes last: whoever is cut off before is told all of the portion again.
    fn tell(&mut self, news: &[News], reached: &Cursor) {
        let mut events: VecDeque<Event> = news.iter().map(event).collect();
        let last = events.pop_back().unwrap_or_default();
        events.push_back(last.id(written(reached)));
        self.ready = events;
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
