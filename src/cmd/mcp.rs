use chrono_tz::Tz;

use super::parts::Parts;
use super::query::desk_over;
use super::{Context, Exit, Failure};
use crate::ask::Desk;
use crate::ask::mcp::{Desks, Unavailable, serve_stdio};
use crate::catalog::Catalog;
use crate::cli;

/// Whoever asks here sees all.
pub(super) async fn run(context: &Context, args: &cli::Mcp) -> Result<Exit, Failure> {
    let shutdown = context.shutdown()?;
    let parts = Parts::open_to_look(context).await?;
    let catalog = parts.catalog(context)?;
    let desks = Here { context: context.clone(), parts, catalog, zone: args.time_zone };
    Box::pin(serve_stdio(desks, &shutdown.stop)).await.map_err(anyhow::Error::from)?;
    Ok(Exit::Done)
}

/// Desks over the storage that is configured.
struct Here {
    context: Context,
    parts: Parts,
    catalog: Catalog,
    zone: Tz,
}

impl Desks for Here {
    async fn desk(&self) -> Result<Desk, Unavailable> {
        if let Err(error) = self.catalog.refresh_for_metrics(self.parts.store.as_ref()).await {
            tracing::error!(error = &error as &dyn std::error::Error, "mcp: the catalog cannot be brought up to date");
            return Err(Unavailable);
        }
        Ok(desk_over(&self.context, self.catalog.clone(), self.zone))
    }
}
