use super::serve::{bind, run_all};
use super::{Context, Exit, Failure};
use crate::ingest::Mode;
use crate::sqlite::Missing;

pub(super) async fn run(context: &Context) -> Result<Exit, Failure> {
    let shutdown = context.shutdown()?;
    let parts = context.open(Missing::Create).await?;
    let server = bind(context).await?;
    tracing::info!("listening on http://{}, storage: {}", server.address(), context.storage());
    Box::pin(run_all(context, &parts, Some(server), Mode::Forever, shutdown)).await
}
