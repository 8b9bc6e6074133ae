//! The worker's loop: three steps side by side, with a bound on the batches in hand.
//!
//! `receive` and read → `fold` and commit → append to the change log, then `settle`. A
//! permit is taken before messages are, so a slow store slows down the receiving. Stopping closes the first
//! step; the others run dry.

mod batch;
mod fold;
mod receive;
mod settle;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
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
        let (to_fold, read) = mpsc::channel(1);
        let (to_settle, decided) = mpsc::channel(MOST_DECIDED);
        let receive = receive::Step::new(self, &stop, to_fold, to_settle.clone());
        let fold = fold::Step::new(self, &stop, to_settle);
        let settle = settle::Step::new(self, &stop);
        let work = async {
            tokio::join!(
                stopping(&stop, receive.run(mode)),
                stopping(&stop, fold.run(read)),
                stopping(&stop, settle.run(decided)),
            )
        };
        let too_long = async {
            stop.cancelled().await;
            tokio::time::sleep(self.settings.drain).await;
        };
        tokio::select! {
            (received, folded, settled) = work => {
                received.and(folded)?;
                settled
            }
            () = too_long => Err(WorkError::Drain(self.settings.drain)),
        }
    }
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

/// The waits for something that is not available.
fn outage() -> Wait {
    Wait::new(Duration::from_millis(200), Duration::from_secs(10))
}
