use tokio_util::sync::CancellationToken;

use super::parts::Parts;
use super::work::{summary, worker};
use super::{Context, Exit, Failure};
use crate::http::{self, Limits, Server};
use crate::ingest::{Mode, Tally};
use crate::shutdown::Shutdown;
use crate::sqlite::Missing;

pub(super) async fn run(context: &Context) -> Result<Exit, Failure> {
    let shutdown = context.shutdown()?;
    let parts = context.open(Missing::Create).await?;
    let server = bind(context).await?;
    tracing::info!("listening on http://{}, storage: {}", server.address(), context.storage());
    Box::pin(serve(context, &parts, server, shutdown)).await
}

pub(super) async fn bind(context: &Context) -> Result<Server, Failure> {
    Server::bind(context.config.http.listen).await.map_err(|error| {
        Failure::from(anyhow::Error::from(error)).hint("end the other program, or choose another address with --listen")
    })
}

/// Serves and works until the stop. When one of both fails, the other is stopped, too.
pub(super) async fn serve(
    context: &Context,
    parts: &Parts,
    server: Server,
    shutdown: Shutdown,
) -> Result<Exit, Failure> {
    let hook = context.config.http.hook.clone();
    let router = http::router(parts.queue.clone(), parts.store.clone(), hook, Limits::default());
    let stop = shutdown.stop.clone();
    let serving = stopping(stop.clone(), async {
        let served = server.serve(router, stop.clone()).await;
        served.map_err(|error| Failure::from(anyhow::Error::new(error).context("the server failed")))
    });
    let working = stopping(stop.clone(), async {
        let worked = worker(context, parts).run(Mode::Forever, stop.clone()).await;
        worked.map_err(|error| Failure::from(anyhow::Error::from(error)))
    });
    tokio::select! {
        (served, worked) = async { tokio::join!(serving, working) } => ended(context, served, worked),
        () = shutdown.force.cancelled() => Ok(Exit::Forced),
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
