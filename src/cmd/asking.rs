//! What a worker asks Azure DevOps beside its queue.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::backfill::{canonical, organization};
use super::parts::Parts;
use super::{Context, Failure};
use crate::ado::rest::{Client, Limits};
use crate::backfill::{Backfill, Reconcile, Scheduled, fetch_wanted};

/// Somebody may ask, and maybe on a schedule.
pub(super) struct Asking {
    client: Arc<Client>,
    scheduled: Option<(Scheduled, Duration)>,
}

impl Asking {
    /// `None` where nobody gave a right to ask: neither a credential, nor the order to reconcile.
    pub(super) fn of(context: &Context, reconcile: Option<Duration>) -> Result<Option<Self>, Failure> {
        if reconcile.is_none() && !context.config.ado.has_credential {
            return Ok(None);
        }
        let scheduled = reconcile.map(|every| Ok::<_, Failure>((scheduled(context)?, every))).transpose()?;
        let client = Arc::new(Client::new(&context.config.ado.access, Limits::default())?);
        Ok(Some(Self { client, scheduled }))
    }

    /// Until the stop.
    pub(super) async fn run(&self, context: &Context, parts: &Parts, stop: CancellationToken) {
        let names = &context.config.names;
        let backfill = || Backfill::new(self.client.clone(), parts.store.clone()).naming(names.clone());
        let wanted = fetch_wanted(backfill(), stop.clone());
        let Some((scheduled, every)) = self.scheduled.clone() else { return wanted.await };
        let reconcile = Reconcile { backfill: backfill(), scheduled, clock: context.clock(), every };
        tokio::join!(wanted, reconcile.run(stop));
    }

    /// Once, for who ends when the queue is empty.
    pub(super) async fn fetch_noted(&self, context: &Context, parts: &Parts) -> Result<(), Failure> {
        let backfill = Backfill::new(self.client.clone(), parts.store.clone());
        let mut backfill = backfill.naming(context.config.names.clone());
        while backfill.fetch_noted().await? > 0 {}
        Ok(())
    }
}

fn scheduled(context: &Context) -> Result<Scheduled, Failure> {
    let organization = organization(context, None).map_err(|failure| {
        failure.hint("--reconcile has to know whose runs: set PIPETRAIL_ORGANIZATION, and maybe PIPETRAIL_PROJECTS")
    })?;
    let canonical = canonical(context, &organization);
    Ok(Scheduled { organization, canonical, projects: context.config.ado.projects.clone() })
}
