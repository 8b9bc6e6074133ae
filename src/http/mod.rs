//! The server: what Azure DevOps posts comes in here, and whoever runs this asks here how it does.
//!
//! The promise to Azure DevOps: 202 once a hook's body is durable, whatever it holds. Any other answer puts
//! the subscription on probation, and events are lost; so a body is never looked at here, trouble of our
//! own is 503, which makes the service try again, and nothing is ever 500.

pub mod access;
mod api;
mod body;
mod health;
mod hooks;
mod pages;
mod problem;
mod reader;
mod server;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::{get, post};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use crate::config::HookCredentials;
use crate::queue::Queue;
use crate::store::Store;

pub use problem::Problem;
pub use reader::{HookHealth, Readers};
pub use server::{BindError, Server};

/// The largest body that a hook may have.
pub const MAX_BODY: usize = 2 * 1024 * 1024;

/// How much and how long a request may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bodies in memory at once.
    pub bodies: usize,
    /// To wait for room for the body.
    pub admission: Duration,
    /// To read the body.
    pub body: Duration,
    /// For the queue to make it durable, and for a probe.
    pub backend: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bodies: 64,
            admission: Duration::from_secs(5),
            body: Duration::from_secs(30),
            backend: Duration::from_secs(20),
        }
    }
}

/// What the handlers work with.
#[derive(Clone)]
pub(crate) struct App {
    queue: Arc<dyn Queue>,
    store: Arc<dyn Store>,
    hook: Option<HookCredentials>,
    limits: Limits,
    room: Arc<Semaphore>,
}

/// `GET /metrics`: what `render` gives, in the text format of Prometheus. To be merged with other routes.
pub fn metrics(render: impl Fn() -> String + Clone + Send + Sync + 'static) -> Router {
    let answer = move || async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4")], render()) };
    Router::new().route("/metrics", get(answer))
}

/// The API and the dashboard. To be merged with other routes.
pub fn readers(readers: Readers) -> Router {
    api::routes().merge(pages::routes()).with_state(readers)
}

/// Where hooks come in, and how it is.
pub fn router(queue: Arc<dyn Queue>, store: Arc<dyn Store>, hook: Option<HookCredentials>, limits: Limits) -> Router {
    let app = App { queue, store, hook, limits, room: Arc::new(Semaphore::new(limits.bodies)) };
    Router::new()
        .route("/hooks/azure-devops", post(hooks::azure_devops))
        // An address typed with a slash at its end must not cost a subscription its events.
        .route("/hooks/azure-devops/", post(hooks::azure_devops))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::not_found)
        .layer(CatchPanicLayer::custom(problem::after_panic))
        .with_state(app)
}
