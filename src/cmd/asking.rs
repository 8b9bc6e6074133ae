//! What a worker asks Azure DevOps beside its queue.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::backfill::{canonical, organization};
use super::parts::Parts;
use super::{Context, Failure};
use crate::ado::rest::{Client, Limits};
use crate::backfill::{Backfill, Fetcher, Looked, Reconcile, Scheduled};

/// Somebody may ask, and maybe on a schedule.
pub(super) struct Asking {
    client: Arc<Client>,
    scheduled: Option<(Scheduled, Duration)>,
}

impl Asking {
    /// `None` where nobody gave a right to ask: neither a credential, nor the order to reconcile or to watch hooks.
    pub(super) fn of(context: &Context, reconcile: Option<Duration>) -> Result<Option<Self>, Failure> {
        let is_told_to = reconcile.is_some() || context.config.work.watch_hooks.is_some();
        if !is_told_to && !context.config.ado.has_credential {
            return Ok(None);
        }
        let scheduled = reconcile.map(|every| Ok::<_, Failure>((scheduled(context)?, every))).transpose()?;
        let client = Arc::new(Client::new(&context.config.ado.access, Limits::default())?);
        Ok(Some(Self { client, scheduled }))
    }

    /// One for all who ask, so that its limits hold for all of them together.
    pub(super) fn client(&self) -> Arc<Client> {
        self.client.clone()
    }

    fn backfill(&self, context: &Context, parts: &Parts) -> Backfill {
        let backfill = Backfill::new(self.client.clone(), parts.store.clone());
        backfill.naming(context.config.names.clone()).following(&context.config.chains)
    }

    /// Until the stop.
    pub(super) async fn run(&self, context: &Context, parts: &Parts, stop: CancellationToken) {
        let backfill = || self.backfill(context, parts);
        let wanted = Fetcher::new(backfill()).run(stop.clone());
        let Some((scheduled, every)) = self.scheduled.clone() else { return wanted.await };
        let reconcile = Reconcile { backfill: backfill(), scheduled, clock: context.clock(), every };
        tokio::join!(wanted, reconcile.run(stop));
    }

    /// Once, for who ends when the queue is empty.
    pub(super) async fn fetch_noted(&self, context: &Context, parts: &Parts) -> Result<(), Failure> {
        let mut fetcher = Fetcher::new(self.backfill(context, parts));
        loop {
            match fetcher.look().await? {
                Looked { settled: 0, waiting: 0 } => return Ok(()),
                Looked { settled: 0, waiting } => {
                    return Err(Failure::failed(format!("{waiting} messages wait for it")));
                }
                Looked { .. } => {}
            }
        }
    }
}

fn scheduled(context: &Context) -> Result<Scheduled, Failure> {
    let organization = organization(context, None).map_err(|failure| {
        failure.hint("--reconcile has to know whose runs: set PIPETRAIL_ORGANIZATION, and maybe PIPETRAIL_PROJECTS")
    })?;
    let canonical = canonical(context, &organization);
    Ok(Scheduled { organization, canonical, projects: context.config.ado.projects.clone() })
}
