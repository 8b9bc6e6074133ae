//! The worker's loop: three steps side by side, with a bound on the batches in hand.
//!
//! receive and decode → fold and commit → append to the change log, then settle. A permit is taken before
//! messages are, so a slow store slows down the receiving. Stopping closes the first step; the others run dry.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::commit::{Committer, Report};
use super::decide::{Company, Fate, Reading, company, given_up, outcome, reading};
use super::fold::fold;
use super::tally::Tally;
use super::wait::Wait;
use crate::ado::{DecodeError, Decoded};
use crate::clock::Clock;
use crate::domain::Key;
use crate::queue::{Delivery, Outcome, Queue, QueueError, Settlement};
use crate::store::{Store, StoreError};

/// Reads a body. Given in, so that configuration (and tests) decide how.
pub type Decode = Arc<dyn Fn(&[u8]) -> Result<Decoded, DecodeError> + Send + Sync>;

/// How long the first wait is when something is not available, and the longest.
const OUTAGE_WAIT: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// Finished batches that share one append to the change log at the most.
const MOST_FINISHED: usize = 8;

/// How the worker works. [`Settings::default`] is for the local file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a message is hidden from others while it is in hand.
    pub lease: Duration,
    /// How long a batch may take. Shorter than the lease: nothing is renewed.
    pub deadline: Duration,
    /// Batches in hand at once.
    pub concurrency: usize,
    /// The longest wait between two looks at an empty queue.
    pub idle: Duration,
    /// How long what is in hand may take after a stop.
    pub drain: Duration,
    /// Bytes of recently written records that are kept.
    pub cache_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(120),
            deadline: Duration::from_secs(60),
            concurrency: 4,
            idle: Duration::from_millis(500),
            drain: Duration::from_secs(30),
            cache_bytes: 16 << 20,
        }
    }
}

/// When the worker is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Forever,
    /// When nothing is on the queue, visible or leased.
    UntilEmpty,
}

/// Why the worker ended before it was done. What was in hand comes again.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    #[error("the worker stopped")]
    Queue(#[from] QueueError),
    #[error("the worker stopped")]
    Store(#[from] StoreError),
    #[error("what was in hand was not done within {} s of the stop: it comes again", .0.as_secs())]
    Drain(Duration),
}

/// Takes messages off the queue and folds them into the store.
#[derive(Clone)]
pub struct Worker {
    queue: Arc<dyn Queue>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    decode: Decode,
    settings: Settings,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A batch on its way: decoded, not yet committed.
struct InHand {
    deliveries: Vec<Delivery>,
    readings: Vec<Reading>,
    /// After this somebody else may have the messages.
    deadline: Instant,
    hold: Hold,
}

/// What a batch holds until it is settled.
struct Hold {
    _permit: Arc<OwnedSemaphorePermit>,
    alone: Option<Alone>,
}

/// What a lonely message holds more.
struct Alone {
    /// Whether this attempt was counted: if it ends without an outcome of its own, the count is taken back.
    counted: bool,
    /// Dropped when the message is settled or given up.
    _settled: oneshot::Sender<()>,
}

/// A batch of which everything is decided.
struct Finished {
    settlements: Vec<Settlement>,
    keys: Vec<Key>,
    tally: Tally,
    deadline: Instant,
    hold: Hold,
}

impl Worker {
    #[must_use]
    pub fn new(
        queue: Arc<dyn Queue>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        decode: Decode,
        settings: Settings,
    ) -> Self {
        Self { queue, store, clock, decode, settings }
    }

    /// Works until `mode` says it is done, or until `stop`: then takes no more and finishes what is in hand.
    ///
    /// # Errors
    /// When queue or store fail for good, or what is in hand takes longer than [`Settings::drain`].
    pub async fn run(&self, mode: Mode, stop: CancellationToken) -> Result<Tally, WorkError> {
        // The steps stop each other when one fails, without stopping the caller's other tasks.
        let stop = stop.child_token();
        let (to_commit, decoded) = mpsc::channel(1);
        let (to_settle, finished) = mpsc::channel(MOST_FINISHED);
        let receive = stopping(&stop, self.receive_all(mode, &stop, to_commit, to_settle.clone()));
        let commit = stopping(&stop, self.commit_all(&stop, decoded, to_settle));
        let settle = stopping(&stop, self.settle_all(&stop, finished));
        let work = async { tokio::join!(receive, commit, settle) };
        let too_long = async {
            stop.cancelled().await;
            tokio::time::sleep(self.settings.drain).await;
        };
        tokio::select! {
            (received, committed, settled) = work => {
                received.and(committed)?;
                settled
            }
            () = too_long => Err(WorkError::Drain(self.settings.drain)),
        }
    }

    async fn receive_all(
        &self,
        mode: Mode,
        stop: &CancellationToken,
        commit: mpsc::Sender<InHand>,
        settle: mpsc::Sender<Finished>,
    ) -> Result<(), WorkError> {
        let permits = Arc::new(Semaphore::new(self.settings.concurrency));
        let mut idle = Wait::new(Duration::from_millis(10).min(self.settings.idle), self.settings.idle);
        let mut outage = Wait::new(OUTAGE_WAIT.0, OUTAGE_WAIT.1);
        while let Some(permit) = permit(&permits, stop).await {
            let deadline = Instant::now() + self.settings.deadline;
            match self.queue.receive(self.settings.lease).await {
                Ok(deliveries) if deliveries.is_empty() => {
                    drop(permit);
                    if mode == Mode::UntilEmpty && self.is_all_done(&permits).await? {
                        break;
                    }
                    idle.next(stop).await;
                }
                Ok(deliveries) => {
                    idle.reset();
                    outage.reset();
                    self.handle(deliveries, deadline, permit, (&commit, &settle), stop).await?;
                }
                Err(QueueError::Unavailable(error)) => {
                    tracing::warn!(error = error.to_string(), "queue: not available, trying again");
                    outage.next(stop).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Whether nothing is in hand here and nothing on the queue, visible or leased by others.
    async fn is_all_done(&self, permits: &Semaphore) -> Result<bool, WorkError> {
        let all = u32::try_from(self.settings.concurrency).unwrap_or(u32::MAX);
        // The semaphore is never closed; if it were, nothing would be in hand.
        drop(permits.acquire_many(all).await);
        match self.queue.depth().await {
            Ok(depth) => Ok(depth.is_empty()),
            Err(QueueError::Unavailable(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The fresh ones together, then each that may be a killer alone.
    async fn handle(
        &self,
        deliveries: Vec<Delivery>,
        deadline: Instant,
        permit: OwnedSemaphorePermit,
        (commit, settle): (&mpsc::Sender<InHand>, &mpsc::Sender<Finished>),
        stop: &CancellationToken,
    ) -> Result<(), WorkError> {
        let permit = Arc::new(permit);
        let (fresh, alone): (Vec<_>, Vec<_>) =
            deliveries.into_iter().partition(|delivery| company(delivery.receives) == Company::Batch);
        if !fresh.is_empty() {
            let hold = Hold { _permit: permit.clone(), alone: None };
            // A closed channel is the end of the next step, which says why itself.
            drop(commit.send(self.read(fresh, deadline, hold)).await);
        }
        for delivery in alone {
            let (settled, wait) = oneshot::channel();
            let late = stop.is_cancelled() || Instant::now() > deadline;
            let begun = if late { Some(GIVE_BACK) } else { self.begin(&delivery).await? };
            let alone = Some(Alone { counted: begun.is_none(), _settled: settled });
            let hold = Hold { _permit: permit.clone(), alone };
            match begun {
                None => drop(commit.send(self.read(vec![delivery], deadline, hold)).await),
                Some(outcome) => drop(settle.send(self.finished(delivery, outcome, deadline, hold)).await),
            }
            // Both ends mean the same: this one is settled or given up, the next one may be tried.
            drop(wait.await);
        }
        Ok(())
    }

    /// Notes durably that the message is being tried alone. An outcome where it is not to be tried: it was
    /// tried too often, or that cannot be noted.
    async fn begin(&self, delivery: &Delivery) -> Result<Option<Outcome>, WorkError> {
        let begun = async {
            let trials = self.queue.trials(delivery).await?;
            match given_up(trials) {
                Some(reason) => Ok(Some(Outcome::Dead { reason, tries: trials })),
                None => self.queue.begin_trial(delivery).await.map(|_| None),
            }
        };
        match begun.await {
            Err(QueueError::Unavailable(_)) => Ok(Some(GIVE_BACK)),
            Err(error) => Err(error.into()),
            Ok(outcome) => Ok(outcome),
        }
    }

    fn finished(&self, delivery: Delivery, outcome: Outcome, deadline: Instant, hold: Hold) -> Finished {
        let mut tally = self.arrived(std::slice::from_ref(&delivery));
        count(&mut tally, &outcome);
        Finished { settlements: vec![Settlement { delivery, outcome }], keys: Vec::new(), tally, deadline, hold }
    }

    fn read(&self, deliveries: Vec<Delivery>, deadline: Instant, hold: Hold) -> InHand {
        let read = |delivery: &Delivery| reading(catch_unwind(AssertUnwindSafe(|| (self.decode)(&delivery.body))).ok());
        InHand { readings: deliveries.iter().map(read).collect(), deliveries, deadline, hold }
    }

    fn arrived(&self, deliveries: &[Delivery]) -> Tally {
        let now = self.clock.now();
        Tally {
            received: length(deliveries.len()),
            retried: length(deliveries.iter().filter(|delivery| delivery.receives > 1).count()),
            lag: deliveries.iter().map(|delivery| now.since(delivery.inserted)).max().unwrap_or_default(),
            ..Tally::default()
        }
    }

    async fn commit_all(
        &self,
        stop: &CancellationToken,
        mut decoded: mpsc::Receiver<InHand>,
        settle: mpsc::Sender<Finished>,
    ) -> Result<(), WorkError> {
        let mut committer = Committer::new(self.store.clone(), self.settings.cache_bytes);
        while let Some(batch) = decoded.recv().await {
            let facts = |reading: &mut Reading| match reading {
                Reading::Facts(facts) => std::mem::take(facts),
                Reading::Ignored | Reading::Bad(_) => Vec::new(),
            };
            let InHand { deliveries, mut readings, deadline, hold } = batch;
            let said = readings
                .iter_mut()
                .enumerate()
                .flat_map(|(at, reading)| facts(reading).into_iter().map(move |fact| (at, fact)));
            let groups = fold(said);
            let late = Instant::now() > deadline;
            let committed = if late { Err(None) } else { committer.commit(groups).await.map_err(Some) };
            let finished = match committed {
                Ok(report) => self.conclude(deliveries, &readings, &report, deadline, hold),
                Err(Some(error @ StoreError::Failed(_))) => return Err(error.into()),
                Err(error) => {
                    let finished = self.give_back(deliveries, deadline, hold);
                    if let Some(error) = error {
                        // What is in hand goes back before the wait, so that it can come again right after.
                        drop(settle.send(finished).await);
                        self.wait_for_store(&error, stop).await?;
                        continue;
                    }
                    finished
                }
            };
            drop(settle.send(finished).await);
        }
        Ok(())
    }

    /// An outage is nobody's fault: wait until the store takes a write again.
    async fn wait_for_store(&self, error: &StoreError, stop: &CancellationToken) -> Result<(), WorkError> {
        let mut wait = Wait::new(OUTAGE_WAIT.0, OUTAGE_WAIT.1);
        let mut error = source_text(error);
        while !stop.is_cancelled() {
            tracing::warn!(error, "store: not available, waiting");
            wait.next(stop).await;
            match self.store.probe().await {
                Ok(()) => return Ok(()),
                Err(failed @ StoreError::Failed(_)) => return Err(failed.into()),
                Err(again) => error = source_text(&again),
            }
        }
        Ok(())
    }

    fn give_back(&self, deliveries: Vec<Delivery>, deadline: Instant, hold: Hold) -> Finished {
        let mut tally = self.arrived(&deliveries);
        tally.given_back = length(deliveries.len());
        let settlements = deliveries.into_iter().map(|delivery| Settlement { delivery, outcome: GIVE_BACK }).collect();
        Finished { settlements, keys: Vec::new(), tally, deadline, hold }
    }

    /// What becomes of each message, now that everything it says has found its fate.
    fn conclude(
        &self,
        deliveries: Vec<Delivery>,
        readings: &[Reading],
        report: &Report,
        deadline: Instant,
        hold: Hold,
    ) -> Finished {
        let mut tally = Tally { conflicts: report.conflicts, ..self.arrived(&deliveries) };
        let mut fates: Vec<Vec<&Fate>> = vec![Vec::new(); deliveries.len()];
        for (group, fate) in &report.fates {
            if let Fate::Unreadable(why) = fate {
                tracing::error!(key = %group.key, why, "record {}: left alone with its messages", group.key);
            }
            for message in group.from.keys() {
                fates.get_mut(*message).into_iter().for_each(|fates| fates.push(fate));
            }
        }
        let settlements = deliveries.into_iter().zip(readings).zip(&fates).map(|((delivery, reading), fates)| {
            let outcome = match reading {
                Reading::Facts(_) => outcome(fates.iter().copied(), delivery.receives),
                Reading::Ignored => Outcome::Done,
                Reading::Bad(reason) => Outcome::Dead { reason: reason.clone(), tries: delivery.receives },
            };
            count(&mut tally, &outcome);
            if outcome == Outcome::Done {
                count_done(&mut tally, reading, fates);
            }
            Settlement { delivery, outcome }
        });
        let settlements = settlements.collect();
        let keys = report.fates.iter().filter(|(_, fate)| fate.is_to_be_logged()).map(|(group, _)| group.key.clone());
        Finished { settlements, keys: keys.collect(), tally, deadline, hold }
    }

    async fn settle_all(
        &self,
        stop: &CancellationToken,
        mut finished: mpsc::Receiver<Finished>,
    ) -> Result<Tally, WorkError> {
        let mut total = Tally::default();
        let mut batches = Vec::with_capacity(MOST_FINISHED);
        while finished.recv_many(&mut batches, MOST_FINISHED).await > 0 {
            let keys: BTreeSet<Key> = batches.iter_mut().flat_map(|batch| std::mem::take(&mut batch.keys)).collect();
            let deadline = batches.iter().map(|batch| batch.deadline).min().unwrap_or_else(Instant::now);
            let logged = self.log(&keys.into_iter().collect::<Vec<_>>(), deadline, stop).await?;
            let settlements = batches.iter_mut().flat_map(|batch| {
                let counted = batch.hold.alone.as_ref().is_some_and(|alone| alone.counted);
                std::mem::take(&mut batch.settlements).into_iter().map(move |settlement| (counted, settlement))
            });
            let settlements: Vec<_> =
                settlements.map(|(counted, settlement)| (counted, unless_unlogged(settlement, logged))).collect();
            self.settle(settlements, deadline, stop).await?;
            for batch in batches.drain(..) {
                report(&batch.tally);
                total += batch.tally;
            }
        }
        Ok(total)
    }

    /// Tells readers, before any message is deleted. `false` when the deadline passed first.
    async fn log(&self, keys: &[Key], deadline: Instant, stop: &CancellationToken) -> Result<bool, WorkError> {
        let mut wait = Wait::new(OUTAGE_WAIT.0, OUTAGE_WAIT.1);
        loop {
            match self.store.append(keys).await {
                Ok(()) => return Ok(true),
                Err(error @ StoreError::Failed(_)) => return Err(error.into()),
                Err(error) => tracing::warn!(error = source_text(&error), "change log: not available, trying again"),
            }
            if Instant::now() > deadline || stop.is_cancelled() {
                return Ok(false);
            }
            wait.next(stop).await;
        }
    }

    /// Settles; what cannot be settled in time comes again by itself.
    async fn settle(
        &self,
        settlements: Vec<(bool, Settlement)>,
        deadline: Instant,
        stop: &CancellationToken,
    ) -> Result<(), WorkError> {
        let mut wait = Wait::new(OUTAGE_WAIT.0, OUTAGE_WAIT.1);
        // A lonely attempt that ends with giving back had an outcome: it is not to count.
        for (_, settlement) in
            settlements.iter().filter(|(counted, settlement)| *counted && is_back(&settlement.outcome))
        {
            self.take_back(&settlement.delivery, deadline, stop).await?;
        }
        let mut open: Vec<_> = settlements.into_iter().map(|(_, settlement)| settlement).collect();
        loop {
            match self.queue.settle(open).await {
                Ok(()) => return Ok(()),
                Err(failed) => match failed.source {
                    QueueError::Unavailable(error) => {
                        tracing::warn!(error = error.to_string(), "queue: not available, settling again");
                        open = failed.unsettled;
                    }
                    error @ QueueError::Failed(_) => return Err(error.into()),
                },
            }
            if Instant::now() > deadline || stop.is_cancelled() {
                return Ok(());
            }
            wait.next(stop).await;
        }
    }

    async fn take_back(
        &self,
        delivery: &Delivery,
        deadline: Instant,
        stop: &CancellationToken,
    ) -> Result<(), WorkError> {
        let mut wait = Wait::new(OUTAGE_WAIT.0, OUTAGE_WAIT.1);
        loop {
            match self.queue.end_trial(delivery).await {
                Ok(()) => return Ok(()),
                Err(QueueError::Unavailable(_)) if Instant::now() < deadline && !stop.is_cancelled() => {
                    wait.next(stop).await
                }
                Err(QueueError::Unavailable(_)) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Visible again at once.
const GIVE_BACK: Outcome = Outcome::Back { after: Duration::ZERO };

fn is_back(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Back { .. })
}

/// Cancels `stop` when the step fails, so that the others end too.
async fn stopping<T>(
    stop: &CancellationToken,
    step: impl Future<Output = Result<T, WorkError>>,
) -> Result<T, WorkError> {
    let result = step.await;
    if result.is_err() {
        stop.cancel();
    }
    result
}

/// A permit for one more batch in hand; `None` after the stop.
async fn permit(permits: &Arc<Semaphore>, stop: &CancellationToken) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        permit = permits.clone().acquire_owned() => permit.ok(),
    }
}

/// A message may only be deleted once readers were told.
fn unless_unlogged(settlement: Settlement, logged: bool) -> Settlement {
    match settlement.outcome {
        Outcome::Done if !logged => Settlement { outcome: GIVE_BACK, ..settlement },
        Outcome::Done | Outcome::Dead { .. } | Outcome::Back { .. } => settlement,
    }
}

fn count(tally: &mut Tally, outcome: &Outcome) {
    match outcome {
        Outcome::Done => {}
        Outcome::Dead { .. } => tally.poisoned += 1,
        Outcome::Back { .. } => tally.given_back += 1,
    }
}

/// A message counts as applied when any record changed by it.
fn count_done(tally: &mut Tally, reading: &Reading, fates: &[&Fate]) {
    if matches!(reading, Reading::Ignored) {
        tally.ignored += 1;
    } else if fates.contains(&&Fate::Applied) {
        tally.applied += 1;
    } else if fates.contains(&&Fate::BelowFloor) {
        tally.below_floor += 1;
    } else {
        tally.unchanged += 1;
    }
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The cause under one of our errors: the error itself only says which part it was.
fn source_text(error: &StoreError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
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
