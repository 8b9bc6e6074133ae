//! What `up`, `work`, `serve` and `demo` run: the worker, whoever watches its queue, and the server, as far as each has
//! them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use tokio_util::sync::CancellationToken;

use super::asking::Asking;
use super::parts::Parts;
use super::publish::keep_published;
use super::purge::keep_letters_young;
use super::query::model;
use super::work::{summary, worker};
use super::{Context, Exit, Failure, subscriptions};
use crate::catalog::Catalog;
use crate::http::{self, Access, AdoSite, Answering, Limits, Measures, Readers, Server};
use crate::ingest::{Mode, Tally, Watch};
use crate::shutdown::Shutdown;
use crate::sqlite::Missing;
use crate::telemetry::prometheus::Metrics;

/// Between two looks at the queue; on Azure each costs some requests.
const WATCH: Duration = Duration::from_secs(30);

pub(super) async fn run(context: &Context) -> Result<Exit, Failure> {
    let shutdown = context.shutdown()?;
    // What is missing is somebody else's to make: a worker's.
    let parts = context.open(Missing::Fail).await?;
    let server = bind(context).await?;
    tracing::info!("listening on http://{} for readers, storage: {}", server.address(), context.storage());
    let work = Work { server: Some(server), readers: true, mode: None, asking: None };
    Box::pin(run_all(context, &parts, work, shutdown)).await
}

pub(super) async fn bind(context: &Context) -> Result<Server, Failure> {
    Server::bind(context.config.http.listen).await.map_err(|error| {
        Failure::from(anyhow::Error::from(error)).hint("end the other program, or choose another address with --listen")
    })
}

/// What is to be run.
pub(super) struct Work {
    pub(super) server: Option<Server>,
    /// Whether the server has the dashboard and the API, for which a catalog is kept up to date.
    pub(super) readers: bool,
    /// `None` where others work on the queue.
    pub(super) mode: Option<Mode>,
    pub(super) asking: Option<Asking>,
}

/// Works, watches, asks and serves until the stop. When one of them ends, the others are stopped, too.
pub(super) async fn run_all(
    context: &Context,
    parts: &Parts,
    Work { server, readers, mode, asking }: Work,
    shutdown: Shutdown,
) -> Result<Exit, Failure> {
    let stop = shutdown.stop.clone();
    let hooks = subscriptions::watch(context, parts, asking.as_ref().map(Asking::client))?;
    // Before anybody counts.
    let metrics = Metrics::start().context("counting for Prometheus cannot start")?;
    let catalog = if readers { Some(parts.catalog(context)?) } else { None };
    let following = stopping(stop.clone(), follow(catalog.as_ref(), parts, stop.clone()));
    let routes = routes(context, parts, catalog.clone(), metrics.clone())?;
    let serving = stopping(stop.clone(), serve(server, routes, metrics, stop.clone()));
    let working = stopping(stop.clone(), work(context, parts, mode, asking.as_ref(), stop.clone()));
    let watch = Watch { queue: parts.queue.clone(), clock: context.clock(), every: WATCH };
    let watching = watch.run(stop.clone());
    let goes_on = mode == Some(Mode::Forever);
    let asks = async {
        if let Some(asking) = asking.as_ref().filter(|_| goes_on) {
            Box::pin(asking.run(context, parts, stop.clone())).await;
        }
    };
    let hooks = async {
        if let Some(hooks) = hooks.filter(|_| goes_on) {
            hooks.run(stop.clone()).await;
        }
    };
    let ageing = keep_letters_young(context, parts.queue.as_ref(), stop.clone());
    let emptying = parts.keep_bodies_out_of_the_log(context, stop.clone());
    let published = keep_published(context, parts.store.as_ref(), catalog.as_ref(), stop.clone());
    let besides = async {
        // Who only reads leaves all this to those who work.
        if mode.is_some() {
            tokio::join!(watching, asks, hooks, ageing, emptying);
        }
    };
    let all = async {
        let ((), (), worked, (), ()) = tokio::join!(serving, following, working, besides, published);
        parts.empty_log(context).await;
        worked
    };
    tokio::select! {
        worked = all => ended(context, worked),
        () = shutdown.force.cancelled() => Ok(Exit::Forced),
    }
}

/// `None` where others work.
async fn work(
    context: &Context,
    parts: &Parts,
    mode: Option<Mode>,
    asking: Option<&Asking>,
    stop: CancellationToken,
) -> Result<Option<Tally>, Failure> {
    let Some(mode) = mode else {
        stop.cancelled().await;
        return Ok(None);
    };
    let worked = worker(context, parts, asking.is_some()).run(mode, stop.clone()).await;
    let tally = worked.map_err(|error| Failure::from(anyhow::Error::from(error)))?;
    match (mode, asking) {
        // The queue is empty whatever comes of this: what cannot be asked for now stays noted.
        (Mode::UntilEmpty, Some(asking)) => {
            if let Some(Err(failure)) = stop.run_until_cancelled(asking.fetch_noted(context, parts)).await {
                tracing::warn!(why = failure.in_words().0, "runs that messages only named: not asked for yet");
            }
        }
        (Mode::UntilEmpty | Mode::Forever, _) => {}
    }
    Ok(Some(tally))
}

/// Without readers there is nothing to keep up to date.
async fn follow(catalog: Option<&Catalog>, parts: &Parts, stop: CancellationToken) {
    match catalog {
        Some(catalog) => catalog.follow(parts.store.as_ref(), &stop).await,
        None => stop.cancelled().await,
    }
}

fn routes(context: &Context, parts: &Parts, catalog: Option<Catalog>, metrics: Metrics) -> Result<Router, Failure> {
    let access = Access::new(&context.config.http, context.clock()).context("no client for [oidc] can be made")?;
    let router = http::router(parts.queue.clone(), parts.store.clone(), access.clone(), Limits::default());
    let mut router = router.merge(http::metrics(move || metrics.render()));
    if let Some(catalog) = catalog {
        if access.is_closed() {
            tracing::warn!("nobody can read here: set PIPETRAIL_READ_TOKEN, or [oidc] or [proxy] in the file");
        }
        let readers = http::readers(readers(context, parts, catalog));
        let measures = Measures { terms: Arc::new(context.config.terms.clone()), zone: context.config.zone };
        let answering = Answering { model: model(context)?, public_url: context.config.http.public_url.clone() };
        let readers = readers.layer(axum::Extension(answering));
        let readers = readers.layer(axum::Extension(AdoSite::new(&context.config.ado.access.url)));
        router = router.merge(readers.layer(axum::Extension(measures)));
    }
    Ok(http::behind_gate(router, &access))
}

/// Without a server it only waits for the stop.
async fn serve(server: Option<Server>, routes: Router, metrics: Metrics, stop: CancellationToken) {
    let serving = async {
        let Some(server) = server else {
            return stop.cancelled().await;
        };
        server.serve(routes, Limits::default(), stop.clone()).await;
    };
    tokio::select! {
        () = serving => {}
        () = metrics.keep_up() => {}
    }
}

fn readers(context: &Context, parts: &Parts, catalog: Catalog) -> Readers {
    Readers {
        catalog,
        store: parts.store.clone(),
        queue: parts.queue.clone(),
        clock: context.clock(),
        owners: context.config.owners.clone(),
        branches: context.config.work_item_branches.clone(),
        chains: context.config.chains.clone(),
    }
}

/// Whichever part ends, for whatever reason, ends the others.
async fn stopping<T>(stop: CancellationToken, part: impl Future<Output = T>) -> T {
    let ended = part.await;
    stop.cancel();
    ended
}

fn ended(context: &Context, worked: Result<Option<Tally>, Failure>) -> Result<Exit, Failure> {
    if let Some(tally) = worked? {
        context.report(&summary(&tally));
    }
    Ok(Exit::Done)
}
