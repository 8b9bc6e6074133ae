//! The worker's loop: four steps side by side, with a bound on the batches in hand.
//!
//! `receive` → `read` and fold → `commit` → append to the change log, then `settle`. A
//! permit is taken before messages are, so a slow store slows down the receiving. Stopping closes the first
//! step; the others run dry.

mod batch;
mod commit;
mod read;
mod receive;
mod settle;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::tally::Tally;
use super::wait::Wait;
use crate::ado::{DecodeError, Decoded};
use crate::clock::Clock;
use crate::queue::{Queue, QueueError};
use crate::store::{Store, StoreError};

/// Reads a body. Given in, so that configuration (and tests) decide how.
pub type Decode = Arc<dyn Fn(&[u8]) -> Result<Decoded, DecodeError> + Send + Sync>;

/// Decided batches that may wait to be settled: they share one append to the change log.
const MOST_DECIDED: usize = 8;

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
            concurrency: 3,
            idle: Duration::from_millis(500),
            drain: Duration::from_secs(30),
            cache_bytes: 3 << 20,
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
    #[error("a step of the worker failed: please report this")]
    Panic(#[source] JoinError),
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
        // A counter that is not there until something happens cannot be told from a program that does not count.
        Tally::default().count();
        // The steps stop each other when one fails, without stopping the caller's other tasks.
        let stop = stop.child_token();
        let (to_read, received) = mpsc::channel(1);
        let (to_commit, read) = mpsc::channel(1);
        let (to_settle, decided) = mpsc::channel(MOST_DECIDED);
        let receive = receive::Step::new(self.clone(), stop.clone(), to_read, to_settle.clone());
        let reader = read::Step::new(self.clone(), to_commit);
        let commit = commit::Step::new(self.clone(), stop.clone(), to_settle);
        let settle = settle::Step::new(self.clone(), stop.clone(), mode);
        // Ended with this future, wherever they are then: what is in hand comes again.
        let mut steps = JoinSet::new();
        steps.spawn(async move { receive.run(mode).await.map(|()| Tally::default()) });
        steps.spawn(async move { reader.run(received).await.map(|()| Tally::default()) });
        steps.spawn(async move { commit.run(read).await.map(|()| Tally::default()) });
        steps.spawn(async move { settle.run(decided).await });
        let too_long = async {
            stop.cancelled().await;
            tokio::time::sleep(self.settings.drain).await;
        };
        tokio::select! {
            result = all(&mut steps, &stop) => result,
            () = too_long => Err(WorkError::Drain(self.settings.drain)),
        }
    }
}

/// Waits for every step; the first failure ends the others and is the answer.
async fn all(steps: &mut JoinSet<Result<Tally, WorkError>>, stop: &CancellationToken) -> Result<Tally, WorkError> {
    let mut result = Ok(Tally::default());
    while let Some(ended) = steps.join_next().await {
        let ended = ended.unwrap_or_else(|error| Err(WorkError::Panic(error)));
        if ended.is_err() {
            stop.cancel();
        }
        result = match (result, ended) {
            (Ok(mut total), Ok(tally)) => {
                total += tally;
                Ok(total)
            }
            (Err(first), _) => Err(first),
            (Ok(_), Err(error)) => Err(error),
        };
    }
    result
}

/// The waits for something that is not available. However long it was away, it is noticed within seconds.
fn outage() -> Wait {
    Wait::new(Duration::from_millis(200), Duration::from_secs(5))
}

/// Since when something is not available, so that its end is said once.
#[derive(Debug, Default)]
struct Away(Option<Instant>);

impl Away {
    fn begins(&mut self) {
        self.0.get_or_insert_with(Instant::now);
    }

    fn ends(&mut self, what: &str) {
        if let Some(since) = self.0.take() {
            let seconds = since.elapsed().as_secs();
            tracing::info!(seconds, "{what}: works again after {seconds} s");
        }
    }
}
