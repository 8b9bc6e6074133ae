//! The last step: tells readers what changed, and only then lets messages go.

use std::collections::BTreeSet;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batch::Decided;
use super::{MOST_DECIDED, Mode, WorkError, Worker, outage};
use crate::domain::Key;
use crate::ingest::Tally;
use crate::ingest::lag::Lag;
use crate::ingest::wait::Wait;
use crate::queue::{Delivery, Outcome, QueueError, Settlement};
use crate::store::StoreError;

pub(super) struct Step {
    worker: Worker,
    stop: CancellationToken,
    lag: Lag,
}

impl Step {
    pub(super) fn new(worker: Worker, stop: CancellationToken, mode: Mode) -> Self {
        Self { worker, stop, lag: Lag::new(mode) }
    }

    pub(super) async fn run(mut self, mut decided: mpsc::Receiver<Decided>) -> Result<Tally, WorkError> {
        let mut total = Tally::default();
        let mut batches = Vec::with_capacity(MOST_DECIDED);
        while self.next(&mut decided, &mut batches).await {
            let deadline = batches.iter().map(|batch| batch.ticket.deadline).min().unwrap_or_else(Instant::now);
            let keys: BTreeSet<Key> = batches.iter_mut().flat_map(|batch| std::mem::take(&mut batch.keys)).collect();
            let logged = self.log(&keys.into_iter().collect::<Vec<_>>(), deadline).await?;
            if !logged {
                batches.iter_mut().for_each(Decided::keep);
            }
            self.take_back(&batches, deadline).await?;
            let settlements = batches.iter_mut().flat_map(|batch| std::mem::take(&mut batch.settlements)).collect();
            let unsettled = self.settle(settlements, deadline).await?;
            self.take_back_unsettled(&batches, &unsettled, deadline).await?;
            self.lag.count(batches.iter().flat_map(|batch| batch.said.iter().copied()), self.worker.clock.now());
            for batch in batches.drain(..) {
                report(&batch.tally);
                total += batch.tally;
            }
        }
        self.lag.note(self.worker.store.as_ref(), self.worker.clock.now()).await;
        Ok(total)
    }

    /// Waits for the next batches, and notes meanwhile how long those before took. `false` at the end.
    async fn next(&mut self, decided: &mut mpsc::Receiver<Decided>, batches: &mut Vec<Decided>) -> bool {
        loop {
            tokio::select! {
                biased;
                count = decided.recv_many(batches, MOST_DECIDED) => return count > 0,
                () = self.lag.due() => self.lag.note(self.worker.store.as_ref(), self.worker.clock.now()).await,
            }
        }
    }

    /// Whether to try once more, after the wait.
    async fn again(&self, wait: &mut Wait, deadline: Instant) -> bool {
        if self.stop.is_cancelled() || Instant::now() > deadline {
            return false;
        }
        wait.next(&self.stop).await;
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
        let counted = |batch: &&Decided| batch.ticket.counted().is_some();
        let settlements = batches.iter().filter(counted).flat_map(|batch| &batch.settlements);
        for Settlement { delivery, outcome } in settlements {
            match outcome {
                Outcome::Back { .. } => self.end_trial(delivery, deadline).await?,
                Outcome::Done | Outcome::Dead { .. } => {}
            }
        }
        Ok(())
    }

    /// So did one whose outcome the queue did not take.
    async fn take_back_unsettled(
        &self,
        batches: &[Decided],
        unsettled: &[Settlement],
        deadline: Instant,
    ) -> Result<(), WorkError> {
        let counted: BTreeSet<_> = batches.iter().filter_map(|batch| batch.ticket.counted()).collect();
        for Settlement { delivery, outcome } in unsettled {
            let is_open = matches!(outcome, Outcome::Done | Outcome::Dead { .. });
            if is_open && counted.contains(delivery.id.as_str()) {
                self.end_trial(delivery, deadline).await?;
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

    /// Settles. What cannot be settled in time comes again by itself, and is returned.
    async fn settle(&self, mut open: Vec<Settlement>, deadline: Instant) -> Result<Vec<Settlement>, WorkError> {
        let mut wait = outage();
        loop {
            let Err(failed) = self.worker.queue.settle(open).await else { return Ok(Vec::new()) };
            match failed.source {
                error @ QueueError::Failed(_) => return Err(error.into()),
                QueueError::Unavailable(error) => {
                    tracing::warn!(error = error.to_string(), "queue: not available, settling again");
                }
            }
            open = failed.unsettled;
            if !self.again(&mut wait, deadline).await {
                return Ok(open);
            }
        }
    }
}

/// One line, and the same for Prometheus.
fn report(tally: &Tally) {
    let Tally {
        received,
        applied,
        unchanged,
        ignored,
        wanted,
        poisoned,
        retried,
        given_back,
        conflicts,
        below_floor,
        lag,
    } = tally;
    let lag_ms = u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(
        received,
        applied,
        unchanged,
        ignored,
        wanted,
        poisoned,
        retried,
        given_back,
        conflicts,
        below_floor,
        lag_ms,
        "batch settled"
    );
    tally.count();
}
