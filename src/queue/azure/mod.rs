//! A queue of Azure Storage, with its dead letters and counts of trials in a table.
//!
//! What the service makes different from the local file:
//!
//! - A message is text of at most 64 KiB whose ends are trimmed. [`text`] says how any body gets through; one that is
//!   too large loses what nobody reads: words for people, then links that lead to nothing of ours. What is read of it
//!   stays as it came, so that it means the same as in the local file. If that is not enough it goes to the table, with
//!   a pointer on the queue.
//!   "Byte for byte" is said of what the text holds: base64 that Azure DevOps put there comes out decoded.
//! - Nothing is changed together with anything else. So what must not be lost is written first and deleted last: rows
//!   before the pointer to them, a dead letter before its message is deleted. A crash in between repeats work, and at
//!   the worst leaves rows behind that nobody reads.
//! - The service's count of receives decides nothing here either.
//!
//! The SDK has to send a message's text again to hide it, so a lease keeps the text as it came.

mod appetite;
mod bodies;
mod dead;
mod messages;
mod place;
mod rows;
mod text;
mod trials;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_storage_queues::operations::Message;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use self::appetite::Appetite;
use self::bodies::Bodies;
use self::dead::DeadLetters;
use self::messages::{MOST_AT_ONCE, Messages, time};
use self::rows::Rows;
use self::text::Stored;
use self::trials::Trials;
use super::{
    ALONE_FROM, After, BodyTest, DeadLetter, DeadLetterFilter, Delivery, Depth, Outcome, Queue, QueueError, Receipt,
    SettleError, Settlement, Survey,
};
use crate::azure::Services;
use crate::clock::Clock;

/// So long copies are hidden while they are looked at.
const LOOK_AT_COPIES: Duration = Duration::from_secs(120);
/// So many requests of one call are under way together.
const AT_ONCE: usize = 32;
/// Deletions are nearly all of a worker's requests, and several batches are settled in one call.
const SETTLED_AT_ONCE: usize = 128;

/// A queue of Azure Storage.
pub struct AzureQueue {
    name: String,
    messages: Messages,
    appetite: Appetite,
    poison: Option<Messages>,
    copy_age: Option<Duration>,
    rows: Rows,
    bodies: Bodies,
    dead: DeadLetters,
    trials: Trials,
    clock: Arc<dyn Clock>,
}

/// What can be switched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AzureQueueOptions {
    /// Whether each dead letter is also put on the queue `{queue}-poison`, for tools that look there. The table is
    /// the truth: a copy that fails is logged and not tried again.
    pub poison_copy: bool,
    /// So long such a copy stays there; `None` is for ever.
    pub copy_age: Option<Duration>,
    /// Whether queue, poison queue and table are made again when they turn out to be gone. For those who work; who
    /// only looks makes nothing.
    pub make_anew: bool,
}

/// The lease on a message.
#[derive(Debug, Clone)]
pub(super) struct Lease {
    pop_receipt: String,
    /// As it came.
    text: String,
    /// Where the body is, if not in the text.
    stored: Option<Stored>,
}

impl fmt::Debug for AzureQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureQueue").field("name", &self.name).finish_non_exhaustive()
    }
}

impl AzureQueue {
    #[must_use]
    pub fn new(
        services: &Services,
        queue: &str,
        table: &str,
        clock: Arc<dyn Clock>,
        options: AzureQueueOptions,
    ) -> Self {
        let AzureQueueOptions { poison_copy, copy_age, make_anew } = options;
        let rows = Rows::new(services, table, make_anew);
        Self {
            name: queue.to_owned(),
            messages: Messages::new(services, queue, make_anew),
            appetite: Appetite::new(),
            copy_age,
            poison: poison_copy.then(|| Messages::new(services, &format!("{queue}-poison"), make_anew)),
            dead: DeadLetters::new(rows.clone(), queue),
            trials: Trials::new(rows.clone(), queue),
            bodies: Bodies::new(rows.clone(), "body"),
            rows,
            clock,
        }
    }

    /// Creates the queue, the table and, if copies are wanted, the poison queue, where they are missing.
    ///
    /// # Errors
    /// When one of them can be neither found nor created.
    pub async fn create(&self) -> Result<(), QueueError> {
        self.rows.create().await?;
        self.messages.create().await?;
        match &self.poison {
            Some(poison) => poison.create().await,
            None => Ok(()),
        }
    }

    async fn put_one(&self, body: Vec<u8>) -> Result<(), QueueError> {
        let text = match text::text(&body) {
            Some(text) => text,
            None => {
                let stored = Stored { id: uuid::Uuid::new_v4().to_string(), size: body.len() };
                self.bodies.write(&stored.id, &body).await?;
                text::pointer(&stored)
            }
        };
        self.messages.put(text).await
    }

    /// `None` if its body cannot be had now: it comes again when its lease runs out.
    async fn delivery(&self, message: Message, mut stored: Option<Stored>) -> Option<Delivery> {
        let text = message.message_text;
        let mut body = text::body(&text);
        if let Some(place) = &stored {
            match self.bodies.read(place).await {
                Ok(Some(found)) => body = found,
                // It was written before the pointer, so it does not come any more. What is left is the pointer.
                Ok(None) => stored = None,
                Err(error) => {
                    let error = error.cause();
                    tracing::warn!(message = message.message_id, error, "queue: a body is not available now");
                    return None;
                }
            }
        }
        Some(Delivery {
            id: message.message_id,
            body: body.into(),
            receives: u32::try_from(message.dequeue_count).unwrap_or(u32::MAX),
            inserted: time(message.insertion_time.unix_timestamp()),
            receipt: Receipt::Azure(Box::new(Lease { pop_receipt: message.pop_receipt, text, stored })),
        })
    }

    /// Visible again, for whoever has the room for its body.
    async fn give_back(&self, message: Message) {
        let Message { message_id, pop_receipt, message_text, .. } = message;
        if let Err(error) = self.messages.hide(&message_id, &pop_receipt, &message_text, Duration::ZERO).await {
            // It comes again when its lease runs out.
            tracing::warn!(message = message_id, error = error.cause(), "queue: a message cannot be given back");
        }
    }

    async fn settle_one(&self, settlement: Settlement) -> Result<(), (QueueError, Settlement)> {
        self.carry_out(&settlement).await.map_err(|error| (error, settlement))
    }

    async fn carry_out(&self, Settlement { delivery, outcome }: &Settlement) -> Result<(), QueueError> {
        let lease = lease(delivery)?;
        match outcome {
            Outcome::Done => self.delete(delivery, lease).await,
            Outcome::Back { after } => self.messages.hide(&delivery.id, &lease.pop_receipt, &lease.text, *after).await,
            Outcome::Dead { reason, tries } => {
                let letter = DeadLetter {
                    id: delivery.id.clone(),
                    reason: reason.clone(),
                    tries: *tries,
                    first_seen: delivery.inserted,
                    dead: self.clock.now(),
                    body: delivery.body.to_vec(),
                };
                if self.dead.add(&letter).await? {
                    self.copy(&delivery.id, lease).await;
                }
                self.delete(delivery, lease).await
            }
        }
    }

    /// Only once, and for people's own tools: it holds up nothing.
    async fn copy(&self, id: &str, lease: &Lease) {
        let Some(poison) = &self.poison else { return };
        if lease.stored.is_some() {
            tracing::warn!(message = id, "poison queue: the body is too large for a copy; it is in the table");
            return;
        }
        if let Err(error) = poison.put_for(lease.text.clone(), self.copy_age).await {
            tracing::warn!(
                message = id,
                error = error.cause(),
                "poison queue: no copy; the dead letter is in the table"
            );
        }
    }

    /// Whoever holds the lease removes what belongs to the message, and nobody else: it may be in hand elsewhere.
    async fn delete(&self, delivery: &Delivery, lease: &Lease) -> Result<(), QueueError> {
        let Delivery { id, receives, .. } = delivery;
        if !self.messages.delete(id, &lease.pop_receipt).await? {
            return Ok(());
        }
        let body = async {
            match &lease.stored {
                Some(stored) => self.bodies.remove(stored).await,
                None => Ok(()),
            }
        };
        let trials = async { if *receives < ALONE_FROM { Ok(()) } else { self.trials.forget(id).await } };
        let (body, trials) = tokio::join!(body, trials);
        // The message is gone, and nobody finds its rows any more: there is nothing to try again.
        for error in [body.err(), trials.err()].into_iter().flatten() {
            tracing::warn!(message = id, error = error.cause(), "table: rows of a settled message are left behind");
        }
        Ok(())
    }

    async fn requeue_one(&self, id: &str) -> Result<usize, QueueError> {
        let Some(letter) = self.dead.find(id).await? else { return Ok(0) };
        self.put_one(letter.body).await?;
        self.discard_one(id).await
    }

    async fn discard_one(&self, id: &str) -> Result<usize, QueueError> {
        self.dead.remove(id).await.map(usize::from)
    }
}

#[async_trait]
impl Queue for AzureQueue {
    async fn put(&self, bodies: Vec<Vec<u8>>) -> Result<(), QueueError> {
        let puts = stream::iter(bodies.into_iter().map(|body| self.put_one(body)));
        puts.buffer_unordered(AT_ONCE).try_collect().await
    }

    fn keeps_bodies(&self) -> bool {
        false
    }

    async fn receive(&self, lease: Duration) -> Result<Vec<Delivery>, QueueError> {
        let messages = self.messages.receive(lease, self.appetite.now()).await?;
        let stored: Vec<_> = messages.iter().map(|message| text::pointed(&message.message_text)).collect();
        let sizes: Vec<_> = stored.iter().map(|stored| stored.as_ref().map_or(0, |stored| stored.size)).collect();
        let (mut kept, mut rest) = (Vec::with_capacity(messages.len()), Vec::new());
        for ((message, stored), keep) in messages.into_iter().zip(stored).zip(self.appetite.keep(&sizes)) {
            if keep { kept.push(self.delivery(message, stored)) } else { rest.push(self.give_back(message)) }
        }
        let kept = stream::iter(kept).buffered(AT_ONCE).filter_map(std::future::ready).collect();
        let rest = stream::iter(rest).buffer_unordered(AT_ONCE).collect::<()>();
        let (deliveries, ()) = tokio::join!(kept, rest);
        Ok(deliveries)
    }

    fn batch(&self) -> usize {
        MOST_AT_ONCE.into()
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), SettleError> {
        let settled = stream::iter(settlements.into_iter().map(|settlement| self.settle_one(settlement)));
        let failed = settled.buffer_unordered(SETTLED_AT_ONCE).filter_map(|settled| std::future::ready(settled.err()));
        let (errors, unsettled): (Vec<_>, Vec<_>) = failed.unzip().await;
        match errors.into_iter().next() {
            Some(source) => Err(SettleError { source, unsettled }),
            None => Ok(()),
        }
    }

    async fn begin_trial(&self, delivery: &Delivery) -> Result<u32, QueueError> {
        self.trials.raise(&delivery.id).await
    }

    async fn trials(&self, delivery: &Delivery) -> Result<u32, QueueError> {
        self.trials.count(&delivery.id).await
    }

    async fn end_trial(&self, delivery: &Delivery) -> Result<(), QueueError> {
        self.trials.lower(&delivery.id).await
    }

    /// Exact about whether the queue is empty; more than 32 visible ones cannot be told from leased ones.
    async fn depth(&self) -> Result<Depth, QueueError> {
        Ok(self.messages.look().await?.depth)
    }

    /// The oldest of those that can be seen: of leased ones the service tells only the count.
    async fn survey(&self) -> Result<Survey, QueueError> {
        let (look, dead_letters) = tokio::try_join!(self.messages.look(), self.dead.count())?;
        Ok(Survey { depth: look.depth, oldest: look.oldest, dead_letters })
    }

    async fn probe(&self) -> Result<(), QueueError> {
        self.messages.probe().await
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<&After>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, QueueError> {
        self.dead.page(filter, after, limit).await
    }

    async fn requeue(&self, ids: &[String]) -> Result<usize, QueueError> {
        sum(each_once(ids).into_iter().map(|id| self.requeue_one(id)).collect()).await
    }

    /// Looks at each once: what is received is hidden until all were seen.
    async fn discard_copies(&self, is_wanted_gone: BodyTest<'_>) -> Result<usize, QueueError> {
        let Some(poison) = &self.poison else { return Ok(0) };
        let mut count = 0;
        loop {
            let messages = poison.receive(LOOK_AT_COPIES, MOST_AT_ONCE).await?;
            if messages.is_empty() {
                return Ok(count);
            }
            for message in messages {
                if is_wanted_gone(&text::body(&message.message_text)) {
                    count += usize::from(poison.delete(&message.message_id, &message.pop_receipt).await?);
                }
            }
        }
    }

    async fn discard(&self, ids: &[String]) -> Result<usize, QueueError> {
        sum(each_once(ids).into_iter().map(|id| self.discard_one(id)).collect()).await
    }
}

fn lease(delivery: &Delivery) -> Result<&Lease, QueueError> {
    match &delivery.receipt {
        Receipt::Azure(lease) => Ok(lease),
        Receipt::Sqlite { .. } => Err(QueueError::foreign()),
    }
}

fn each_once(ids: &[String]) -> BTreeSet<&str> {
    ids.iter().map(String::as_str).collect()
}

async fn sum(counts: Vec<impl Future<Output = Result<usize, QueueError>>>) -> Result<usize, QueueError> {
    let counts = stream::iter(counts).buffer_unordered(AT_ONCE);
    counts.try_fold(0, |sum, count| std::future::ready(Ok(sum + count))).await
}
