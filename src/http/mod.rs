//! The server: what Azure DevOps posts comes in here, and whoever runs this asks here how it does.
//!
//! The promise to Azure DevOps: 202 once a hook's body is durable, whatever it holds. Any other answer puts
//! the subscription on probation, and events are lost; so a body is never looked at here, trouble of our
//! own is 503, which makes the service try again, and nothing is ever 500.

pub mod access;
mod api;
mod body;
mod counted;
mod flux;
mod health;
mod hooks;
mod letters;
mod mcp;
mod pages;
mod problem;
mod reader;
mod server;
mod told;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router, middleware};
use tokio::sync::{Mutex, Semaphore};
use tower_http::catch_panic::CatchPanicLayer;

use crate::queue::Queue;
use crate::store::Store;

use access::ReaderOfAll;
pub use access::{Access, behind_gate};
pub use api::Answering;
use health::Probed;
pub use pages::AdoSite;
pub use problem::Problem;
use reader::{HookLooks, LetterCount};
pub use reader::{Measures, Readers};
pub use server::{BindError, Server};

/// The largest body that a hook may have.
pub const MAX_BODY: usize = 2 * 1024 * 1024;

/// Answers that are made at once. Each holds what it is made of, and more of them would be ready no sooner.
const ANSWERS_AT_ONCE: usize = 16;

/// How much and how long a request may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once; others wait in the system's own queue.
    pub connections: usize,
    /// For the headers to come, and for the next request on a connection. Proxies keep connections for a minute: whoever
    /// ended them sooner would now and then end one that an event is just sent on.
    pub headers: Duration,
    /// Bodies in memory at once.
    pub bodies: usize,
    /// To wait for room for the body.
    pub admission: Duration,
    /// To read the body.
    pub body: Duration,
    /// For the queue to make it durable, and for a probe.
    pub backend: Duration,
    /// So long a probe's answer is given again: each costs writes, and anybody may ask.
    pub probe_is_good: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            headers: Duration::from_secs(75),
            bodies: 64,
            admission: Duration::from_secs(5),
            body: Duration::from_secs(30),
            backend: Duration::from_secs(20),
            probe_is_good: Duration::from_secs(3),
        }
    }
}

/// What the handlers work with.
#[derive(Clone)]
pub(crate) struct App {
    queue: Arc<dyn Queue>,
    store: Arc<dyn Store>,
    access: Access,
    limits: Limits,
    room: Arc<Semaphore>,
    probed: Arc<Mutex<Option<Probed>>>,
}

/// `GET /metrics`: what `render` gives, in the text format of Prometheus, for who may see all projects. To be merged with
/// other routes.
pub fn metrics(render: impl Fn() -> String + Clone + Send + Sync + 'static) -> Router {
    let answer = move |_: ReaderOfAll| async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4")], render()) };
    Router::new().route("/metrics", get(answer))
}

/// The API and the dashboard. To be merged with other routes.
pub fn readers(readers: Readers) -> Router {
    let framed = middleware::from_fn_with_state(readers.clone(), pages::framed);
    let routes = api::routes().merge(pages::routes().layer(framed)).merge(mcp::routes());
    let routes = routes.layer(Extension(HookLooks::default())).layer(Extension(LetterCount::default()));
    let room = Arc::new(Semaphore::new(ANSWERS_AT_ONCE));
    let routes = routes.layer(middleware::from_fn_with_state(room, in_turn));
    routes.layer(middleware::from_fn(counted::counted)).with_state(readers)
}

/// Lets so many answers be made at once. A question to a model takes long, is a `POST`, and does not wait here.
async fn in_turn(State(room): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    // It is never closed.
    let _place = if request.method() == Method::GET { room.acquire().await.ok() } else { None };
    next.run(request).await
}

/// Where hooks come in, and how it is.
pub fn router(queue: Arc<dyn Queue>, store: Arc<dyn Store>, access: Access, limits: Limits) -> Router {
    let app =
        App { queue, store, access, limits, room: Arc::new(Semaphore::new(limits.bodies)), probed: Arc::default() };
    Router::new()
        .route("/hooks/azure-devops", post(hooks::azure_devops))
        // An address typed with a slash at its end must not cost a subscription its events.
        .route("/hooks/azure-devops/", post(hooks::azure_devops))
        .route("/hooks/flux", post(flux::told))
        .route("/hooks/flux/", post(flux::told))
        .route("/events", post(told::event))
        .route("/incidents", post(told::incident))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::not_found)
        .layer(CatchPanicLayer::custom(problem::after_panic))
        .layer(middleware::from_fn(counted::counted))
        .with_state(app)
}
