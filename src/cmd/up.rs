use super::asking::Asking;
use super::serve::{Work, bind, run_all};
use super::{Context, Exit, Failure, subscriptions};
use crate::cli;
use crate::ingest::Mode;
use crate::sqlite::Missing;

pub(super) async fn run(context: &Context, args: &cli::Up) -> Result<Exit, Failure> {
    subscriptions::can_watch(context)?;
    let asking = Asking::of(context, args.worker.reconcile)?;
    let shutdown = context.shutdown()?;
    let parts = context.open(Missing::Create).await?;
    let server = bind(context).await?;
    tracing::info!("listening on http://{}, storage: {}", server.address(), context.storage());
    let work = Work { server: Some(server), readers: true, mode: Some(Mode::Forever), asking };
    Box::pin(run_all(context, &parts, work, shutdown)).await
}
