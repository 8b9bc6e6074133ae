//! The third step: commits what was read. The only one who writes records.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::batch::{Decided, GIVE_BACK, Read};
use super::{Away, WorkError, Worker, outage};
use crate::ingest::commit::{Committer, Ended, Report};
use crate::ingest::decide::{Fate, Reading};
use crate::store::StoreError;

pub(super) struct Step {
    worker: Worker,
    stop: CancellationToken,
    committer: Committer,
    settle: mpsc::Sender<Decided>,
}

impl Step {
    pub(super) fn new(worker: Worker, stop: CancellationToken, settle: mpsc::Sender<Decided>) -> Self {
        let committer = Committer::new(worker.store.clone(), worker.settings.cache_bytes);
        Self { worker, stop, committer, settle }
    }

    pub(super) async fn run(mut self, mut read: mpsc::Receiver<Read>) -> Result<(), WorkError> {
        while let Some(batch) = read.recv().await {
            self.handle(batch).await?;
        }
        Ok(())
    }

    async fn handle(&mut self, mut batch: Read) -> Result<(), WorkError> {
        if batch.ticket.is_late() {
            self.give_back(batch).await;
            return Ok(());
        }
        match self.keep(&mut batch).await {
            Ok(report) => {
                complain(&report);
                let decided = Decided::by_fates(batch, &report, self.worker.clock.now());
                drop(self.settle.send(decided).await);
                Ok(())
            }
            Err(error @ StoreError::Failed(_)) => Err(error.into()),
            Err(error) => {
                // What is in hand goes back before the wait, so that it can come again right after.
                self.give_back(batch).await;
                self.wait_for_store(error).await
            }
        }
    }

    /// Commits what the batch says, and notes the runs that it only names.
    async fn keep(&mut self, batch: &mut Read) -> Result<Report, StoreError> {
        let report = self.committer.commit(std::mem::take(&mut batch.groups)).await?;
        for reading in &batch.readings {
            if let Reading::Wanted(wanted) = reading {
                self.worker.store.put_note(&wanted.name(), &wanted.text()).await?;
            }
        }
        Ok(report)
    }

    async fn give_back(&self, batch: Read) {
        let decided = Decided::all(batch.deliveries, &GIVE_BACK, batch.ticket, self.worker.clock.now());
        drop(self.settle.send(decided).await);
    }

    /// An outage is nobody's fault: wait until the store takes a write again.
    async fn wait_for_store(&self, mut error: StoreError) -> Result<(), WorkError> {
        let (mut wait, mut away) = (outage(), Away::default());
        away.begins();
        while !self.stop.is_cancelled() {
            tracing::warn!(error = error.cause(), "store: not available, waiting");
            wait.next(&self.stop).await;
            match self.worker.store.recover().await {
                Ok(()) => {
                    away.ends("store");
                    break;
                }
                Err(failed @ StoreError::Failed(_)) => return Err(failed.into()),
                Err(again) => error = again,
            }
        }
        Ok(())
    }
}

fn complain(report: &Report) {
    for Ended { key, fate, .. } in &report.fates {
        if let Fate::Newer(why) | Fate::Damaged(why) = fate {
            tracing::error!(%key, why, "record {key}: left alone");
        }
    }
}
