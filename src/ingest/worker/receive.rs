//! The first step: takes messages.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batch::{Alone, Decided, GIVE_BACK, Received, Ticket};
use super::{Away, Mode, WorkError, Worker, outage};
use crate::ingest::decide::{Company, company, given_up};
use crate::ingest::wait::Wait;
use crate::queue::{Delivery, Outcome, QueueError};

/// The first wait at an empty queue.
const FIRST_IDLE: Duration = Duration::from_millis(10);

pub(super) struct Step {
    worker: Worker,
    stop: CancellationToken,
    permits: Arc<Semaphore>,
    /// Sending to a step that has ended does nothing: it says itself why it did.
    read: mpsc::Sender<Received>,
    settle: mpsc::Sender<Decided>,
}

impl Step {
    pub(super) fn new(
        worker: Worker,
        stop: CancellationToken,
        read: mpsc::Sender<Received>,
        settle: mpsc::Sender<Decided>,
    ) -> Self {
        let permits = Arc::new(Semaphore::new(worker.settings.concurrency));
        Self { worker, stop, permits, read, settle }
    }

    pub(super) async fn run(self, mode: Mode) -> Result<(), WorkError> {
        let settings = &self.worker.settings;
        let mut idle = Wait::new(FIRST_IDLE.min(settings.idle), settings.idle);
        let (mut outage, mut away) = (outage(), Away::default());
        while let Some(permit) = self.permit().await {
            let deadline = Instant::now() + settings.deadline;
            let received = self.worker.queue.receive(settings.lease).await;
            if received.is_ok() {
                away.ends("queue");
            }
            match received {
                Ok(deliveries) if deliveries.is_empty() => {
                    drop(permit);
                    if mode == Mode::UntilEmpty && self.is_all_done().await? {
                        break;
                    }
                    idle.next(&self.stop).await;
                }
                Ok(deliveries) => {
                    idle.reset();
                    outage.reset();
                    self.handle(deliveries, deadline, permit).await?;
                }
                Err(QueueError::Unavailable(error)) => {
                    away.begins();
                    tracing::warn!(error = error.to_string(), "queue: not available, trying again");
                    outage.next(&self.stop).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// A permit for one more batch in hand, once the one before it is being read: bodies are the most of what a
    /// batch takes of memory. `None` after the stop.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let permit = async {
            drop(self.read.reserve().await);
            self.permits.clone().acquire_owned().await.ok()
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            permit = permit => permit,
        }
    }

    fn all_permits(&self) -> u32 {
        u32::try_from(self.worker.settings.concurrency).unwrap_or(u32::MAX)
    }

    /// Whether nothing is in hand here and nothing on the queue, visible or leased by others.
    async fn is_all_done(&self) -> Result<bool, WorkError> {
        // The semaphore is never closed; if it were, nothing would be in hand.
        drop(self.permits.acquire_many(self.all_permits()).await);
        match self.worker.queue.depth().await {
            Ok(depth) => Ok(depth.is_empty()),
            Err(QueueError::Unavailable(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The fresh ones together, then each that may be a killer alone, one after the other.
    async fn handle(
        &self,
        deliveries: Vec<Delivery>,
        deadline: Instant,
        permit: OwnedSemaphorePermit,
    ) -> Result<(), WorkError> {
        let (fresh, lonely): (Vec<_>, Vec<_>) =
            deliveries.into_iter().partition(|delivery| company(delivery.receives) == Company::Batch);
        if fresh.is_empty() {
            drop(permit);
        } else {
            let ticket = Ticket { deadline, alone: None, _permit: Arc::new(permit) };
            drop(self.read.send(Received { deliveries: fresh, ticket }).await);
        }
        if lonely.is_empty() {
            return Ok(());
        }
        // Alone is alone: with anything else in hand, its crash would count against the lonely one.
        let Ok(all) = self.permits.clone().acquire_many_owned(self.all_permits()).await else { return Ok(()) };
        let all = Arc::new(all);
        for delivery in lonely {
            let (settled, wait) = oneshot::channel();
            let late = self.stop.is_cancelled() || Instant::now() > deadline;
            let (decided, counted) = if late { (Some(GIVE_BACK), false) } else { self.begin(&delivery).await? };
            let alone = Some(Alone { counted: counted.then(|| delivery.id.clone()), _settled: settled });
            let ticket = Ticket { deadline, alone, _permit: all.clone() };
            match decided {
                None => drop(self.read.send(Received { deliveries: vec![delivery], ticket }).await),
                Some(outcome) => {
                    let decided = Decided::all(vec![delivery], &outcome, ticket, self.worker.clock.now());
                    drop(self.settle.send(decided).await);
                }
            }
            // Both ends mean the same: this one is settled or given up, the next one may be tried.
            drop(wait.await);
        }
        Ok(())
    }

    /// Notes durably that the message is being tried alone. An outcome where it is not to be tried: it was
    /// tried too often, or that cannot be noted. And whether this attempt is noted.
    async fn begin(&self, delivery: &Delivery) -> Result<(Option<Outcome>, bool), WorkError> {
        let queue = &self.worker.queue;
        let trials = match queue.trials(delivery).await {
            Ok(trials) => trials,
            Err(QueueError::Unavailable(_)) => return Ok((Some(GIVE_BACK), false)),
            Err(error) => return Err(error.into()),
        };
        if let Some(reason) = given_up(trials) {
            return Ok((Some(Outcome::Dead { reason, tries: trials }), false));
        }
        match queue.begin_trial(delivery).await {
            Ok(_) => Ok((None, true)),
            // It may be noted all the same, and one note too few harms nobody.
            Err(QueueError::Unavailable(_)) => Ok((Some(GIVE_BACK), true)),
            Err(error) => Err(error.into()),
        }
    }
}
