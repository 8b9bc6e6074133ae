//! Dead letters as rows, each named by its message's id: whoever sets a message aside again finds it there.
//!
//! The service has one order, that of the keys, and people want the latest first. So listing reads all rows of the
//! partition and sorts here. They are small, for bodies have rows of their own that are read for one page only:
//! a thousand are one request, and some ten thousands are still listed in seconds.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::AT_ONCE;
use super::bodies::Bodies;
use super::rows::Rows;
use super::text::Stored;
use crate::azure::date_time;
use crate::domain::Time;
use crate::queue::{DeadLetter, DeadLetterFilter, QueueError, Reason};

/// Of a text column, in characters: it may hold 64 KiB in UTF-16.
const MOST_TEXT: usize = 15_000;
/// The longest id that can be ours; the service's are 36 characters.
const MOST_ID: usize = 64;

pub(super) struct DeadLetters {
    rows: Rows,
    bodies: Bodies,
    partition: String,
}

/// A dead letter without its body.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "RowKey")]
    id: String,
    code: String,
    sentence: String,
    path: Option<String>,
    tries: u32,
    #[serde(rename = "firstSeenAt")]
    first_seen: At,
    #[serde(rename = "deadAt")]
    dead: At,
    size: usize,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String")]
struct At(Time);

impl TryFrom<String> for At {
    type Error = crate::domain::ParseTimeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Ok(Self(Time::parse(&text)?.unwrap_or(Time::UNKNOWN)))
    }
}

impl Head {
    /// The latest is the greatest.
    fn order(&self) -> (At, &str) {
        (self.dead, &self.id)
    }

    fn stored(&self) -> Stored {
        Stored { id: self.id.clone(), size: self.size }
    }

    fn with(self, body: Vec<u8>) -> DeadLetter {
        DeadLetter {
            id: self.id,
            reason: Reason { code: self.code, sentence: self.sentence, path: self.path },
            tries: self.tries,
            first_seen: self.first_seen.0,
            dead: self.dead.0,
            body,
        }
    }
}

impl DeadLetters {
    pub(super) fn new(rows: Rows, queue: &str) -> Self {
        Self { bodies: Bodies::new(rows.clone(), "dead-body"), partition: format!("dead|{queue}"), rows }
    }

    /// Whether it is new: the first to set a message aside says why and when.
    pub(super) async fn add(&self, letter: &DeadLetter) -> Result<bool, QueueError> {
        self.bodies.write(&letter.id, &letter.body).await?;
        self.rows.insert(&entity(&self.partition, letter)).await
    }

    pub(super) async fn count(&self) -> Result<u64, QueueError> {
        let rows = self.rows.all::<IgnoredAny>(&self.partition, Some("RowKey")).await?;
        Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
    }

    pub(super) async fn page(
        &self,
        filter: &DeadLetterFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, QueueError> {
        let mut heads = match &filter.ids {
            Some(ids) => self.heads(ids).await?,
            None => self.rows.all(&self.partition, None).await?,
        };
        heads.retain(|head| filter.code.as_ref().is_none_or(|code| head.code == *code));
        heads.retain(|head| filter.dead_before.is_none_or(|before| head.dead.0 < before));
        if let Some(after) = after {
            let after = self.head(after).await?;
            heads.retain(|head| after.as_ref().is_some_and(|after| head.order() < after.order()));
        }
        heads.sort_by(|a, b| Reverse(a.order()).cmp(&Reverse(b.order())));
        heads.truncate(limit);
        let letters = heads.into_iter().map(|head| self.with_body(head));
        let letters = stream::iter(letters).buffered(AT_ONCE);
        // One without a body is being discarded.
        letters.try_filter_map(|letter| async { Ok(letter) }).try_collect().await
    }

    pub(super) async fn find(&self, id: &str) -> Result<Option<DeadLetter>, QueueError> {
        match self.head(id).await? {
            Some(head) => self.with_body(head).await,
            None => Ok(None),
        }
    }

    /// Whether there was one.
    pub(super) async fn remove(&self, id: &str) -> Result<bool, QueueError> {
        let Some(head) = self.head(id).await? else { return Ok(false) };
        // In this order: a dead letter that is listed has its body.
        let removed = self.rows.delete(&self.partition, &head.id).await?;
        self.bodies.remove(&head.stored()).await?;
        Ok(removed)
    }

    async fn heads(&self, ids: &[String]) -> Result<Vec<Head>, QueueError> {
        let ids: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        let heads: Vec<_> = ids.into_iter().map(|id| self.head(id)).collect();
        stream::iter(heads).buffered(AT_ONCE).try_filter_map(|head| async { Ok(head) }).try_collect().await
    }

    async fn head(&self, id: &str) -> Result<Option<Head>, QueueError> {
        if !can_be_ours(id) {
            return Ok(None);
        }
        Ok(self.rows.get(&self.partition, id).await?.map(|(head, _)| head))
    }

    async fn with_body(&self, head: Head) -> Result<Option<DeadLetter>, QueueError> {
        let body = self.bodies.read(&head.stored()).await?;
        Ok(body.map(|body| head.with(body)))
    }
}

/// People type ids, and not every text may stand in a key.
fn can_be_ours(id: &str) -> bool {
    !id.is_empty() && id.len() <= MOST_ID && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

fn entity(partition: &str, letter: &DeadLetter) -> Value {
    let DeadLetter { id, reason, tries, first_seen, dead, body } = letter;
    let fitting = |text: &str| text.chars().take(MOST_TEXT).collect::<String>();
    json!({
        "PartitionKey": partition,
        "RowKey": id,
        "code": fitting(&reason.code),
        "sentence": fitting(&reason.sentence),
        "path": reason.path.as_deref().map(fitting),
        "tries": tries,
        "firstSeenAt": date_time(*first_seen),
        "firstSeenAt@odata.type": "Edm.DateTime",
        "deadAt": date_time(*dead),
        "deadAt@odata.type": "Edm.DateTime",
        "size": body.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_stand_in_a_key_is_an_id() {
        assert!(can_be_ours("0") && can_be_ours("0f8fad5b-d9cb-469f-a165-70867728950e"));
        for id in ["", "no such id", "a/b", "a\\b", "a#b", "a?b", "ä", &"x".repeat(65)] {
            assert!(!can_be_ours(id), "{id}");
        }
    }
}
