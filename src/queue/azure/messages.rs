//! The messages of one queue of the service, and what its errors mean.

use std::time::Duration;

use azure_storage_queues::operations::Message;
use azure_storage_queues::{PopReceipt, QueueClient};

use super::place::Place;
use crate::azure::{AzureError, Services};
use crate::domain::Time;
use crate::queue::{Depth, QueueError};

/// What one receive may take.
pub(super) const MOST_AT_ONCE: u8 = 32;
/// The SDK cannot say "never", which the service knows: 68 years.
const TTL: Duration = Duration::from_secs(i32::MAX.unsigned_abs() as u64);
/// A message can be hidden for a week.
const MOST_HIDDEN: u64 = 7 * 24 * 3600;
/// A message that is not there, by the forms of an id and of a receipt.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
const NO_RECEIPT: &str = "AgAAAAMAAAAAAAAAAAAAAAAAAAA=";

#[derive(Clone)]
pub(super) struct Messages {
    client: QueueClient,
    place: Place,
}

/// What can be seen of a queue without taking anything.
pub(super) struct Look {
    pub(super) depth: Depth,
    /// When the oldest was put of those that are visible, at most [`MOST_AT_ONCE`].
    pub(super) oldest: Option<Time>,
}

impl Messages {
    /// With `anew` it is made again when it is found to be gone.
    pub(super) fn new(services: &Services, name: &str, anew: bool) -> Self {
        Self { client: services.queue(name), place: Place::new(format!("queue `{name}`"), anew) }
    }

    pub(super) async fn create(&self) -> Result<(), QueueError> {
        self.make().await.map_err(|error| self.place.fault(error))
    }

    async fn make(&self) -> Result<(), AzureError> {
        match self.client.create().await.map_err(AzureError::from) {
            Ok(_) => Ok(()),
            // With metadata of somebody's.
            Err(error) if error.is("QueueAlreadyExists") => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn put(&self, text: String) -> Result<(), QueueError> {
        self.put_for(text, None).await
    }

    /// After so long it goes by itself.
    pub(super) async fn put_for(&self, text: String, age: Option<Duration>) -> Result<(), QueueError> {
        let ttl = age.map_or(TTL, |age| age.clamp(Duration::from_secs(1), TTL));
        let ask = || async { self.client.put_message(text.clone()).ttl(ttl).await.map_err(AzureError::from) };
        self.place.ask(ask, self.make()).await.map_err(|error| self.place.fault(error))?;
        Ok(())
    }

    /// At most so many messages.
    pub(super) async fn receive(&self, lease: Duration, most: u8) -> Result<Vec<Message>, QueueError> {
        let lease = Duration::from_secs(seconds(lease).max(1));
        let get = self.client.get_messages().number_of_messages(most).visibility_timeout(lease);
        let ask = || async { get.clone().await.map_err(AzureError::from) };
        Ok(self.place.ask(ask, self.make()).await.map_err(|error| self.place.fault(error))?.messages)
    }

    /// Whether this lease still held the message.
    pub(super) async fn delete(&self, id: &str, pop_receipt: &str) -> Result<bool, QueueError> {
        self.held(id, self.client.pop_receipt_client(PopReceipt::new(id, pop_receipt)).delete().await)
    }

    /// Makes the message visible after this time. The SDK sends the text again, though the service does not need it.
    pub(super) async fn hide(&self, id: &str, pop_receipt: &str, text: &str, time: Duration) -> Result<(), QueueError> {
        let time = Duration::from_secs(seconds(time));
        self.held(id, self.client.pop_receipt_client(PopReceipt::new(id, pop_receipt)).update(text, time).await)?;
        Ok(())
    }

    /// Whether messages may be taken off. Nothing but an attempt tells, so it is made on a message that is nobody's:
    /// who may delete is told that it is not there, or that the receipt is no good.
    pub(super) async fn probe(&self) -> Result<(), QueueError> {
        let nobody = PopReceipt::new(NOBODY, NO_RECEIPT);
        match self.client.pop_receipt_client(nobody).delete().await.map_err(AzureError::from) {
            Err(error) if !error.is("MessageNotFound") && !error.is_refusal() => Err(self.place.fault(error)),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The count is approximate and no less than the truth, so an empty queue is one.
    pub(super) async fn look(&self) -> Result<Look, QueueError> {
        let peek = async { self.client.peek_messages().number_of_messages(MOST_AT_ONCE).await };
        let peek = async { peek.await.map_err(|error| self.place.fault(error.into())) };
        let (peeked, count) = tokio::try_join!(peek, self.count())?;
        let oldest = peeked.messages.iter().map(|message| time(message.insertion_time.unix_timestamp())).min();
        Ok(Look { depth: depth(peeked.messages.len(), count), oldest })
    }

    async fn count(&self) -> Result<u64, QueueError> {
        let metadata = self.client.get_metadata().await.map_err(|error| self.place.fault(error.into()))?;
        Ok(wide(metadata.approximate_messages_count))
    }

    /// A lease that ran out is an answer, no error. So is a queue that took all its messages along.
    ///
    /// And so is a refusal: it is about this one message, as where it would be hidden for longer than it has to live. It
    /// comes again by itself, or has expired, and the others go on.
    fn held<T>(&self, id: &str, answer: azure_core::Result<T>) -> Result<bool, QueueError> {
        match answer.map_err(AzureError::from) {
            Ok(_) => Ok(true),
            Err(error) if error.is("MessageNotFound") || error.is("PopReceiptMismatch") || error.is_gone() => Ok(false),
            Err(error) => match self.place.fault(error) {
                QueueError::Failed(why) => {
                    let error = why.to_string();
                    tracing::warn!(
                        message = id,
                        error,
                        "queue: settling a message is refused, it comes again by itself"
                    );
                    Ok(false)
                }
                passing @ QueueError::Unavailable(_) => Err(passing),
            },
        }
    }
}

/// The service counts visible and leased messages together, and lets the first visible ones be seen. A full look
/// says nothing about the rest: they are taken for visible.
fn depth(peeked: usize, count: u64) -> Depth {
    let peeked = wide(peeked);
    let all_seen = peeked < MOST_AT_ONCE.into();
    let visible = if all_seen { peeked } else { count.max(peeked) };
    Depth { visible, leased: count.saturating_sub(visible), mixed: !all_seen && count > peeked }
}

/// The service's times are whole seconds.
pub(super) fn time(seconds: i64) -> Time {
    Time::UNKNOWN.plus(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Whole ones: rounded up, so that no lease ends before its time.
fn seconds(time: Duration) -> u64 {
    let up = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    up.min(MOST_HIDDEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_visible_is_told_from_what_is_leased_as_far_as_can_be() {
        let table = [
            ((0, 0), (0, 0, false)),
            ((0, 1), (0, 1, false)),
            ((3, 5), (3, 2, false)),
            ((32, 32), (32, 0, false)),
            ((32, 90), (90, 0, true)),
            ((1, 0), (1, 0, false)),
        ];
        for ((peeked, count), (visible, leased, mixed)) in table {
            assert_eq!(depth(peeked, count), Depth { visible, leased, mixed }, "{peeked} of {count}");
        }
    }

    #[test]
    fn times_are_whole_seconds_within_a_week() {
        let table = [(0, 0), (1, 1), (999, 1), (1_000, 1), (1_001, 2), (604_800_001, 604_800)];
        for (milliseconds, expected) in table {
            assert_eq!(seconds(Duration::from_millis(milliseconds)), expected, "{milliseconds}");
        }
    }
}
