//! How many lonely attempts on a message left no outcome, in one row each.
//!
//! A write whose answer was lost is sent again, and then meets itself. So each row says which call wrote it: who finds
//! its own name there is done, and counts nothing twice.

use serde::Deserialize;
use serde_json::{Value, json};

use super::rows::Rows;
use crate::queue::QueueError;

/// One message is tried by one worker, and by a second one at worst whose lease ran out.
const MOST_CONFLICTS: usize = 16;

pub(super) struct Trials {
    rows: Rows,
    partition: String,
}

#[derive(Clone, Deserialize)]
struct Row {
    count: u32,
    /// The call that wrote it.
    by: Option<String>,
}

/// Others changed the count each time that we were about to.
#[derive(Debug, thiserror::Error)]
#[error("the count of trials of message {0} is being changed by others all the time")]
struct Contended(String);

impl Trials {
    pub(super) fn new(rows: Rows, queue: &str) -> Self {
        Self { rows, partition: format!("trial|{queue}") }
    }

    pub(super) async fn count(&self, id: &str) -> Result<u32, QueueError> {
        Ok(self.rows.get::<Row>(&self.partition, id).await?.map_or(0, |(row, _)| row.count))
    }

    pub(super) async fn raise(&self, id: &str) -> Result<u32, QueueError> {
        self.change(id, |count| count.saturating_add(1)).await
    }

    pub(super) async fn lower(&self, id: &str) -> Result<(), QueueError> {
        self.change(id, |count| count.saturating_sub(1)).await?;
        Ok(())
    }

    pub(super) async fn forget(&self, id: &str) -> Result<(), QueueError> {
        self.rows.delete(&self.partition, id).await
    }

    async fn change(&self, id: &str, change: fn(u32) -> u32) -> Result<u32, QueueError> {
        let by = uuid::Uuid::new_v4().to_string();
        for _ in 0..MOST_CONFLICTS {
            let found = self.rows.get::<Row>(&self.partition, id).await?;
            let before = found.as_ref().map_or(0, |(row, _)| row.count);
            let after = change(before);
            let entity = self.entity(id, after, &by);
            let changed = match found {
                Some((row, _)) if row.by.as_ref() == Some(&by) => return Ok(before),
                _ if after == before => true,
                Some((_, etag)) => self.rows.replace(&self.partition, id, &entity, &etag).await?,
                None => self.rows.insert(&self.partition, &[entity]).await?,
            };
            if changed {
                return Ok(after);
            }
        }
        Err(QueueError::Unavailable(Box::new(Contended(id.to_owned()))))
    }

    fn entity(&self, id: &str, count: u32, by: &str) -> Value {
        json!({ "PartitionKey": self.partition, "RowKey": id, "count": count, "by": by })
    }
}
