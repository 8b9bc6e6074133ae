//! The second step: reads bodies and folds what they say by record. Only computes, while the next batch is
//! being received and the last one committed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::batch::{Read, Received};
use super::{WorkError, Worker};
use crate::ingest::decide::reading;
use crate::ingest::fold::fold;
use crate::ingest::lag;

pub(super) struct Step {
    worker: Worker,
    /// Sending to a step that has ended does nothing: it says itself why it did.
    commit: mpsc::Sender<Read>,
}

impl Step {
    pub(super) fn new(worker: Worker, commit: mpsc::Sender<Read>) -> Self {
        Self { worker, commit }
    }

    pub(super) async fn run(self, mut received: mpsc::Receiver<Received>) -> Result<(), WorkError> {
        while let Some(batch) = received.recv().await {
            drop(self.commit.send(self.read(batch)).await);
        }
        Ok(())
    }

    fn read(&self, Received { mut deliveries, ticket }: Received) -> Read {
        let decode = |body: &[u8]| catch_unwind(AssertUnwindSafe(|| (self.worker.decode)(body))).ok();
        let mut readings = Vec::with_capacity(deliveries.len());
        let mut said = Vec::with_capacity(deliveries.len());
        let facts = deliveries.iter().enumerate().flat_map(|(message, delivery)| {
            let (reading, facts) = reading(decode(&delivery.body));
            readings.push(reading);
            said.push(facts.iter().filter_map(lag::said).max());
            facts.into_iter().map(move |fact| (message, fact))
        });
        let groups = fold(facts);
        if self.worker.queue.keeps_bodies() {
            deliveries.iter_mut().for_each(|delivery| delivery.body = Bytes::new());
        }
        Read { deliveries, readings, said, groups, ticket }
    }
}
