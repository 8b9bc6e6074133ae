//! The last step: tells readers what changed, and only then lets messages go.

use std::collections::BTreeSet;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batch::{Decided, GIVE_BACK};
use super::{MOST_DECIDED, WorkError, Worker, outage};
use crate::domain::Key;
use crate::ingest::Tally;
use crate::ingest::wait::Wait;
use crate::queue::{Delivery, Outcome, QueueError, Settlement};
use crate::store::StoreError;

pub(super) struct Step<'a> {
    worker: &'a Worker,
    stop: &'a CancellationToken,
}

impl<'a> Step<'a> {
    pub(super) fn new(worker: &'a Worker, stop: &'a CancellationToken) -> Self {
        Self { worker, stop }
    }

    pub(super) async fn run(self, mut decided: mpsc::Receiver<Decided>) -> Result<Tally, WorkError> {
        let mut total = Tally::default();
        let mut batches = Vec::with_capacity(MOST_DECIDED);
        while decided.recv_many(&mut batches, MOST_DECIDED).await > 0 {
            let deadline = batches.iter().map(|batch| batch.ticket.deadline).min().unwrap_or_else(Instant::now);
            let keys: BTreeSet<Key> = batches.iter_mut().flat_map(|batch| std::mem::take(&mut batch.keys)).collect();
            let logged = self.log(&keys.into_iter().collect::<Vec<_>>(), deadline).await?;
            self.take_back(&batches, deadline).await?;
            let settlements = batches.iter_mut().flat_map(|batch| std::mem::take(&mut batch.settlements));
            let settlements = settlements.map(|settlement| unless_unlogged(settlement, logged)).collect();
            self.settle(settlements, deadline).await?;
            for batch in batches.drain(..) {
                report(&batch.tally);
                total += batch.tally;
            }
        }
        Ok(total)
    }

    /// Whether to try once more, after the wait.
    async fn again(&self, wait: &mut Wait, deadline: Instant) -> bool {
        if self.stop.is_cancelled() || Instant::now() > deadline {
            return false;
        }
        wait.next(self.stop).await;
        true
    }

    /// Appends to the change log. `false` when time ran out first.
    async fn log(&self, keys: &[Key], deadline: Instant) -> Result<bool, WorkError> {
        let mut wait = outage();
        loop {
            match self.worker.store.append(keys).await {
                Ok(()) => return Ok(true),
                Err(error @ StoreError::Failed(_)) => return Err(error.into()),
                Err(error) => tracing::warn!(error = error.cause(), "change log: not available, trying again"),
            }
            if !self.again(&mut wait, deadline).await {
                return Ok(false);
            }
        }
    }

    /// A lonely attempt that ends with giving back had an outcome: it is not to count.
    async fn take_back(&self, batches: &[Decided], deadline: Instant) -> Result<(), WorkError> {
        let counted = |batch: &&Decided| batch.ticket.alone.as_ref().is_some_and(|alone| alone.counted);
        let settlements = batches.iter().filter(counted).flat_map(|batch| &batch.settlements);
        for Settlement { delivery, outcome } in settlements {
            match outcome {
                Outcome::Back { .. } => self.end_trial(delivery, deadline).await?,
                Outcome::Done | Outcome::Dead { .. } => {}
            }
        }
        Ok(())
    }

    async fn end_trial(&self, delivery: &Delivery, deadline: Instant) -> Result<(), WorkError> {
        let mut wait = outage();
        loop {
            match self.worker.queue.end_trial(delivery).await {
                Ok(()) => return Ok(()),
                Err(error @ QueueError::Failed(_)) => return Err(error.into()),
                Err(QueueError::Unavailable(error)) => {
                    tracing::warn!(error = error.to_string(), "queue: not available, trying again");
                }
            }
            if !self.again(&mut wait, deadline).await {
                return Ok(());
            }
        }
    }

    /// Settles; what cannot be settled in time comes again by itself.
    async fn settle(&self, mut open: Vec<Settlement>, deadline: Instant) -> Result<(), WorkError> {
        let mut wait = outage();
        loop {
            let Err(failed) = self.worker.queue.settle(open).await else { return Ok(()) };
            match failed.source {
                error @ QueueError::Failed(_) => return Err(error.into()),
                QueueError::Unavailable(error) => {
                    tracing::warn!(error = error.to_string(), "queue: not available, settling again");
                }
            }
            open = failed.unsettled;
            if !self.again(&mut wait, deadline).await {
                return Ok(());
            }
        }
    }
}

/// A message may only be deleted once readers were told.
fn unless_unlogged(settlement: Settlement, logged: bool) -> Settlement {
    match settlement.outcome {
        Outcome::Done if !logged => Settlement { outcome: GIVE_BACK, ..settlement },
        Outcome::Done | Outcome::Dead { .. } | Outcome::Back { .. } => settlement,
    }
}

fn report(tally: &Tally) {
    let Tally { received, applied, unchanged, ignored, poisoned, retried, given_back, conflicts, below_floor, lag } =
        tally;
    let lag_ms = u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(
        received,
        applied,
        unchanged,
        ignored,
        poisoned,
        retried,
        given_back,
        conflicts,
        below_floor,
        lag_ms,
        "batch settled"
    );
}
