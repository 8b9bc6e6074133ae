//! What `up`, `work` and `demo` run: the worker, whoever watches its queue, and the server where there is one.

use std::time::Duration;

use anyhow::Context as _;
use axum::Extension;
use tokio_util::sync::CancellationToken;

use super::asking::Asking;
use super::parts::Parts;
use super::purge::keep_letters_young;
use super::work::{summary, worker};
use super::{Context, Exit, Failure, subscriptions};
use crate::http::{self, Limits, Readers, Server};
use crate::ingest::{Mode, Tally, Watch};
use crate::shutdown::Shutdown;
use crate::telemetry::prometheus::Metrics;

/// Between two looks at the queue; on Azure each costs some requests.
const WATCH: Duration = Duration::from_secs(30);

pub(super) async fn bind(context: &Context) -> Result<Server, Failure> {
    Server::bind(context.config.http.listen).await.map_err(|error| {
        Failure::from(anyhow::Error::from(error)).hint("end the other program, or choose another address with --listen")
    })
}

/// What is to be run.
pub(super) struct Work {
    pub(super) server: Option<Server>,
    pub(super) mode: Mode,
    pub(super) asking: Option<Asking>,
}

/// Works, watches, asks and serves until the stop. When one of them ends, the others are stopped, too.
pub(super) async fn run_all(
    context: &Context,
    parts: &Parts,
    Work { server, mode, asking }: Work,
    shutdown: Shutdown,
) -> Result<Exit, Failure> {
    let stop = shutdown.stop.clone();
    let hooks = subscriptions::watch(context, parts, asking.as_ref().map(Asking::client))?;
    // Before anybody counts.
    let metrics = Metrics::start().context("counting for Prometheus cannot start")?;
    let serving = stopping(stop.clone(), serve(context, parts, server, metrics, stop.clone()));
    let working = stopping(stop.clone(), work(context, parts, mode, asking.as_ref(), stop.clone()));
    let watch = Watch { queue: parts.queue.clone(), clock: context.clock(), every: WATCH };
    let watching = watch.run(stop.clone());
    let asks = async {
        if let Some(asking) = asking.as_ref().filter(|_| mode == Mode::Forever) {
            Box::pin(asking.run(context, parts, stop.clone())).await;
        }
    };
    let hooks = async {
        if let Some(hooks) = hooks.filter(|_| mode == Mode::Forever) {
            hooks.run(stop.clone()).await;
        }
    };
    let ageing = keep_letters_young(context, parts.queue.as_ref(), stop.clone());
    let all = async { tokio::join!(serving, working, watching, asks, hooks, ageing) };
    tokio::select! {
        (served, worked, (), (), (), ()) = all => ended(context, served, worked),
        () = shutdown.force.cancelled() => Ok(Exit::Forced),
    }
}

async fn work(
    context: &Context,
    parts: &Parts,
    mode: Mode,
    asking: Option<&Asking>,
    stop: CancellationToken,
) -> Result<Tally, Failure> {
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
    Ok(tally)
}

/// Without a server it only waits for the stop.
async fn serve(
    context: &Context,
    parts: &Parts,
    server: Option<Server>,
    metrics: Metrics,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let Some(server) = server else {
        tokio::select! {
            () = stop.cancelled() => {}
            () = metrics.keep_up() => {}
        }
        return Ok(());
    };
    let hook = context.config.http.hook.clone();
    let router = http::router(parts.queue.clone(), parts.store.clone(), hook, Limits::default());
    let (render, watched) = (metrics.clone(), metrics.clone());
    let health = http::HookHealth::new(move || watched.hooks());
    let readers = Readers {
        catalog: parts.catalog(context)?,
        store: parts.store.clone(),
        queue: parts.queue.clone(),
        clock: context.clock(),
        owners: context.config.owners.clone(),
        branches: context.config.work_item_branches.clone(),
    };
    let router =
        router.merge(http::metrics(move || render.render())).merge(http::readers(readers).layer(Extension(health)));
    tokio::select! {
        served = server.serve(router, stop) => {
            served.map_err(|error| Failure::from(anyhow::Error::new(error).context("the server failed")))
        }
        () = metrics.keep_up() => Ok(()),
    }
}

/// Whichever part ends, for whatever reason, ends the others.
async fn stopping<T>(stop: CancellationToken, part: impl Future<Output = T>) -> T {
    let ended = part.await;
    stop.cancel();
    ended
}

fn ended(context: &Context, served: Result<(), Failure>, worked: Result<Tally, Failure>) -> Result<Exit, Failure> {
    let tally = worked?;
    served?;
    context.report(&summary(&tally));
    Ok(Exit::Done)
}
