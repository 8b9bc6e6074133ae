//! What `up`, `work` and `demo` run: the worker, whoever watches its queue, and the server where there is one.

use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::parts::Parts;
use super::work::{summary, worker};
use super::{Context, Exit, Failure, subscriptions};
use crate::http::{self, Limits, Server};
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

/// Works, watches and serves until the stop. When one of them ends, the others are stopped, too.
pub(super) async fn run_all(
    context: &Context,
    parts: &Parts,
    server: Option<Server>,
    mode: Mode,
    shutdown: Shutdown,
) -> Result<Exit, Failure> {
    let stop = shutdown.stop.clone();
    let hooks = subscriptions::watch(context, parts)?;
    // Before anybody counts.
    let metrics = Metrics::start().context("counting for Prometheus cannot start")?;
    let serving = stopping(stop.clone(), serve(context, parts, server, metrics, stop.clone()));
    let working = stopping(stop.clone(), async {
        let worked = worker(context, parts).run(mode, stop.clone()).await;
        worked.map_err(|error| Failure::from(anyhow::Error::from(error)))
    });
    let watch = Watch { queue: parts.queue.clone(), clock: context.clock(), every: WATCH };
    let watching = async {
        let hooks = async {
            if let Some(hooks) = hooks {
                hooks.run(stop.clone()).await;
            }
        };
        tokio::join!(watch.run(stop.clone()), hooks)
    };
    tokio::select! {
        (served, worked, ((), ())) = async { tokio::join!(serving, working, watching) } => ended(context, served, worked),
        () = shutdown.force.cancelled() => Ok(Exit::Forced),
    }
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
    let render = metrics.clone();
    let router = router.merge(http::metrics(move || render.render()));
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
