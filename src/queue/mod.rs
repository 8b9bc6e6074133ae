//! Bytes in, deliveries settled by value, dead letters kept.
//!
//! A queue promises: what [`Queue::put`] acknowledged is delivered at least once, each time under a lease;
//! what is neither settled nor handed back comes again when its lease runs out; a dead letter keeps the
//! body byte for byte and never expires. It does not promise order or single delivery, and its count of
//! receives decides nothing: outages and crashes raise it too.
//!
//! `tests/it/contract` holds every backend to this.

mod azure;
mod buffers;
mod dead_letter;
mod sqlite;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::Time;

pub use azure::{AzureQueue, AzureQueueOptions};
pub use dead_letter::{After, DeadLetter, DeadLetterFilter, Reason};
pub use sqlite::SqliteQueue;

/// From this receive on, a message is handled alone and its attempts are counted.
pub(crate) const ALONE_FROM: u32 = 4;

/// Whether a body is one of those that somebody looks for.
pub type BodyTest<'t> = &'t (dyn for<'b> Fn(&'b [u8]) -> bool + Sync);

/// A queue of message bodies with its dead letters.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Appends the bodies. They are durable once this returns.
    async fn put(&self, bodies: Vec<Vec<u8>>) -> Result<(), QueueError>;

    /// Whether [`Queue::settle`] knows the bodies by itself, so that they may be let go of once they are read.
    fn keeps_bodies(&self) -> bool;

    /// Takes up to [`Queue::batch`] messages that are visible, each for the time of `lease`.
    async fn receive(&self, lease: Duration) -> Result<Vec<Delivery>, QueueError>;

    /// How many messages one receive takes at the most.
    fn batch(&self) -> usize;

    /// Settles each delivery. A lease that ran out meanwhile is no error: the message comes again, or was
    /// settled by whoever took it then.
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), SettleError>;

    /// Raises the durable count of attempts on this message that left no outcome, and returns it. Not asked before
    /// the receive from which messages are handled alone. Settling as done or dead removes the count.
    async fn begin_trial(&self, delivery: &Delivery) -> Result<u32, QueueError>;

    /// How many attempts on this message left no outcome.
    async fn trials(&self, delivery: &Delivery) -> Result<u32, QueueError>;

    /// Takes one attempt back: it had an outcome that is not the message's fault.
    async fn end_trial(&self, delivery: &Delivery) -> Result<(), QueueError>;

    /// Messages on the queue, visible or leased.
    async fn depth(&self) -> Result<Depth, QueueError>;

    /// What somebody who watches over the queue has to know. Not for every second: it may have to count.
    async fn survey(&self) -> Result<Survey, QueueError>;

    /// Whether the queue can do its work now.
    async fn probe(&self) -> Result<(), QueueError>;

    /// Dead letters, the latest first, those behind `after` in that order, at most `limit`: none where no more follow.
    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<&After>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, QueueError>;

    /// Puts the bodies of these dead letters back on the queue, with no tries, and removes the dead
    /// letters. Returns how many there were.
    async fn requeue(&self, ids: &[String]) -> Result<usize, QueueError>;

    /// Removes copies of dead letters that were made for people's own tools, where the body is such a one. Returns how
    /// many there were.
    async fn discard_copies(&self, is_wanted_gone: BodyTest<'_>) -> Result<usize, QueueError>;

    /// Removes these dead letters for good. Returns how many there were.
    async fn discard(&self, ids: &[String]) -> Result<usize, QueueError>;
}

/// A message in hand, under a lease. Settled by value; one that is dropped comes again.
#[derive(Debug)]
pub struct Delivery {
    /// Names the message: the same at every delivery.
    pub id: String,
    pub body: Bytes,
    /// How often it was delivered, this time included. Crashes and outages raise it: it never poisons.
    pub receives: u32,
    /// When it was put on the queue.
    pub inserted: Time,
    /// Names the lease.
    receipt: Receipt,
}

/// What the backend needs to know this lease by.
#[derive(Debug, Clone)]
enum Receipt {
    Sqlite {
        message: i64,
        receives: u32,
    },
    /// In a box: the local file has many of them in hand.
    Azure(Box<azure::Lease>),
}

/// What becomes of a delivery.
#[derive(Debug)]
pub struct Settlement {
    pub delivery: Delivery,
    pub outcome: Outcome,
}

/// How a delivery ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its work is done, or there is none: delete it.
    Done,
    /// Set it aside.
    Dead { reason: Reason, tries: u32 },
    /// Give it back: visible again after this time.
    Back { after: Duration },
}

/// Messages on the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    pub visible: u64,
    pub leased: u64,
    /// Whether these could not be told from each other: then all count as visible.
    pub mixed: bool,
}

/// How the queue is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    pub depth: Depth,
    /// When the message that waits longest was put on the queue.
    pub oldest: Option<Time>,
    pub dead_letters: Dead,
}

/// How many dead letters there are of each reason, by its code.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dead(pub BTreeMap<String, u64>);

impl Dead {
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }
}

/// Of the codes of all dead letters.
impl FromIterator<String> for Dead {
    fn from_iter<I: IntoIterator<Item = String>>(codes: I) -> Self {
        let mut dead = Self::default();
        codes.into_iter().for_each(|code| *dead.0.entry(code).or_default() += 1);
        dead
    }
}

impl Depth {
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.visible == 0 && self.leased == 0
    }
}

/// Why the queue could not do it. What is behind it names the queue, the table or the file.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Not now: nothing is lost, try again.
    #[error("storage is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Trying again does not help: damaged file, disk full, no right.
    #[error("storage failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl QueueError {
    /// What is behind it, in words.
    #[must_use]
    pub fn cause(&self) -> String {
        std::error::Error::source(self).map_or_else(|| self.to_string(), ToString::to_string)
    }

    /// The same as something that may go away by itself.
    fn passing(self) -> Self {
        match self {
            Self::Unavailable(cause) | Self::Failed(cause) => Self::Unavailable(cause),
        }
    }

    /// The delivery was not received here.
    fn foreign() -> Self {
        Self::Failed("the delivery is of another kind of queue".into())
    }
}

/// Settling failed; the deliveries are handed back to the caller.
#[derive(Debug, thiserror::Error)]
#[error("{} deliveries could not be settled", unsettled.len())]
pub struct SettleError {
    #[source]
    pub source: QueueError,
    pub unsettled: Vec<Settlement>,
}
