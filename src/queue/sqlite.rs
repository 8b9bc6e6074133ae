use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    DeadLetter, DeadLetterFilter, Delivery, Depth, Outcome, Queue, QueueError, Reason, Receipt, SettleError, Settlement,
};
use crate::domain::Time;
use crate::sqlite::{Durability, LocalError, LocalFile};

/// Messages that one receive takes at the most, unless their bodies together outgrow [`MOST_BYTES`].
const BATCH: usize = 1_024;
const MOST_BYTES: usize = 4 << 20;

/// A queue in the local file.
///
/// Leases of a process that no longer lives are given back when the next one receives for the first time.
#[derive(Debug, Clone)]
pub struct SqliteQueue {
    file: LocalFile,
}

impl SqliteQueue {
    #[must_use]
    pub fn new(file: LocalFile) -> Self {
        Self { file }
    }

    async fn write<T, F>(&self, act: F) -> Result<T, QueueError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        Ok(self.file.write(Durability::Full, act).await?)
    }
}

impl From<LocalError> for QueueError {
    fn from(error: LocalError) -> Self {
        if error.is_passing() { Self::Unavailable(Box::new(error)) } else { Self::Failed(Box::new(error)) }
    }
}

#[async_trait]
impl Queue for SqliteQueue {
    async fn put(&self, bodies: Vec<Vec<u8>>) -> Result<(), QueueError> {
        let now = self.file.now();
        self.write(move |c| bodies.iter().try_for_each(|body| insert(c, body, now))).await
    }

    async fn receive(&self, lease: Duration) -> Result<Vec<Delivery>, QueueError> {
        let owner = self.file.owner().await?.id;
        let now = self.file.now();
        Ok(self.file.write(Durability::Normal, move |c| take(c, owner, now, now.plus(lease))).await?)
    }

    fn batch(&self) -> usize {
        BATCH
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), SettleError> {
        let now = self.file.now();
        let orders: Vec<_> = settlements.iter().map(Order::of).collect();
        let settled = self.write(move |c| orders.iter().try_for_each(|order| order.carry_out(c, now))).await;
        settled.map_err(|source| SettleError { source, unsettled: settlements })
    }

    async fn begin_trial(&self, delivery: &Delivery) -> Result<u32, QueueError> {
        let message = message(delivery);
        let raise = "INSERT INTO trials (id, count) VALUES (?1, 1) ON CONFLICT (id) DO UPDATE SET count = count + 1 RETURNING count";
        self.write(move |c| c.prepare_cached(raise)?.query_row([message], |row| row.get(0))).await
    }

    async fn trials(&self, delivery: &Delivery) -> Result<u32, QueueError> {
        let message = message(delivery);
        let ask = "SELECT count FROM trials WHERE id = ?1";
        let count = self.file.read(move |c| c.query_row(ask, [message], |row| row.get(0)).optional()).await?;
        Ok(count.unwrap_or(0))
    }

    async fn end_trial(&self, delivery: &Delivery) -> Result<(), QueueError> {
        let message = message(delivery);
        let lower = "UPDATE trials SET count = max(count - 1, 0) WHERE id = ?1";
        self.write(move |c| c.execute(lower, [message])).await?;
        Ok(())
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let now = self.file.now().ticks();
        let ask = "SELECT (SELECT count(*) FROM leases WHERE visible <= ?1), (SELECT count(*) FROM leases WHERE visible > ?1)";
        Ok(self
            .file
            .read(move |c| c.query_row(ask, [now], |row| Ok(Depth { visible: row.get(0)?, leased: row.get(1)? })))
            .await?)
    }

    async fn probe(&self) -> Result<(), QueueError> {
        let now = self.file.now().ticks();
        let touch = "INSERT OR REPLACE INTO meta (name, value) VALUES ('queue_probe', ?1)";
        self.write(move |c| c.execute(touch, [now])).await?;
        Ok(())
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, QueueError> {
        let filter = filter.clone();
        let after = after.and_then(|id| id.parse().ok());
        Ok(self.file.read(move |c| dead_letters(c, &filter, after, limit)).await?)
    }

    async fn requeue(&self, ids: &[String]) -> Result<usize, QueueError> {
        let (ids, now) = (numbers(ids), self.file.now());
        self.write(move |c| {
            ids.iter().try_fold(0, |count, id| {
                let body = c.prepare_cached("SELECT body FROM dead_letters WHERE id = ?1")?;
                let body: Option<Vec<u8>> = { body }.query_row([id], |row| row.get(0)).optional()?;
                body.map_or(Ok(count), |body| {
                    insert(c, &body, now)?;
                    Ok(count + delete_dead(c, *id)?)
                })
            })
        })
        .await
    }

    async fn discard(&self, ids: &[String]) -> Result<usize, QueueError> {
        let ids = numbers(ids);
        self.write(move |c| ids.iter().try_fold(0, |count, id| Ok(count + delete_dead(c, *id)?))).await
    }
}

/// The ids that can be ours, each once.
fn numbers(ids: &[String]) -> BTreeSet<i64> {
    ids.iter().filter_map(|id| id.parse().ok()).collect()
}

fn message(delivery: &Delivery) -> i64 {
    let Receipt::Sqlite { message, .. } = delivery.receipt;
    message
}

fn insert(connection: &Connection, body: &[u8], now: Time) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO messages (inserted, body) VALUES (?1, ?2)")?
        .execute(params![now.ticks(), body])?;
    let lease = "INSERT INTO leases (id, visible, receives) VALUES (?1, 0, 0)";
    connection.prepare_cached(lease)?.execute([connection.last_insert_rowid()])?;
    Ok(())
}

fn take(connection: &Connection, owner: i64, now: Time, until: Time) -> rusqlite::Result<Vec<Delivery>> {
    let ask = "SELECT l.id, l.receives + 1, m.inserted, m.body FROM leases l JOIN messages m ON m.id = l.id \
               WHERE l.visible <= ?1 ORDER BY l.visible, l.id LIMIT ?2";
    let mut visible = connection.prepare_cached(ask)?;
    let mut rows = visible.query(params![now.ticks(), BATCH])?;
    let (mut taken, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let delivery = delivery(row)?;
        bytes += delivery.body.len();
        if bytes > MOST_BYTES && !taken.is_empty() {
            break;
        }
        taken.push(delivery);
    }
    let mut lease = connection
        .prepare_cached("UPDATE leases SET visible = ?2, receives = receives + 1, owner = ?3 WHERE id = ?1")?;
    for delivery in &taken {
        lease.execute(params![message(delivery), until.ticks(), owner])?;
    }
    Ok(taken)
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let (message, receives) = (row.get(0)?, row.get(1)?);
    Ok(Delivery {
        id: i64::to_string(&message),
        body: row.get(3)?,
        receives,
        inserted: Time::from_ticks(row.get(2)?),
        receipt: Receipt::Sqlite { message, receives },
    })
}

/// A settlement without the body, to be sent to the writer: the caller keeps the deliveries until it is done.
struct Order {
    message: i64,
    receives: u32,
    outcome: Outcome,
}

impl Order {
    fn of(settlement: &Settlement) -> Self {
        let Receipt::Sqlite { message, receives } = settlement.delivery.receipt;
        Self { message, receives, outcome: settlement.outcome.clone() }
    }

    fn carry_out(&self, connection: &Connection, now: Time) -> rusqlite::Result<()> {
        match &self.outcome {
            Outcome::Done => self.delete(connection).map(drop),
            Outcome::Dead { reason, tries } => {
                if self.is_held(connection)? {
                    self.bury(connection, reason, *tries, now)?;
                    self.delete(connection)?;
                }
                Ok(())
            }
            Outcome::Back { after } => self.give_back(connection, now.plus(*after)),
        }
    }

    fn is_held(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let mut ask = connection.prepare_cached("SELECT 1 FROM leases WHERE id = ?1 AND receives = ?2")?;
        ask.exists(params![self.message, self.receives])
    }

    /// Deletes the message if the lease still stands.
    fn delete(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut lease = connection.prepare_cached("DELETE FROM leases WHERE id = ?1 AND receives = ?2")?;
        if lease.execute(params![self.message, self.receives])? > 0 {
            connection.prepare_cached("DELETE FROM messages WHERE id = ?1")?.execute([self.message])?;
            connection.prepare_cached("DELETE FROM trials WHERE id = ?1")?.execute([self.message])?;
        }
        Ok(())
    }

    fn bury(&self, connection: &Connection, reason: &Reason, tries: u32, now: Time) -> rusqlite::Result<()> {
        let copy = "INSERT OR REPLACE INTO dead_letters (id, code, sentence, path, tries, first_seen, dead, body) \
                    SELECT id, ?2, ?3, ?4, ?5, inserted, ?6, body FROM messages WHERE id = ?1";
        let Reason { code, sentence, path } = reason;
        let row = params![self.message, code, sentence, path, tries, now.ticks()];
        connection.prepare_cached(copy)?.execute(row)?;
        Ok(())
    }

    fn give_back(&self, connection: &Connection, visible: Time) -> rusqlite::Result<()> {
        let give = "UPDATE leases SET visible = ?3, owner = NULL WHERE id = ?1 AND receives = ?2";
        connection.prepare_cached(give)?.execute(params![self.message, self.receives, visible.ticks()])?;
        Ok(())
    }
}

fn delete_dead(connection: &Connection, id: i64) -> rusqlite::Result<usize> {
    connection.prepare_cached("DELETE FROM dead_letters WHERE id = ?1")?.execute([id])
}

fn dead_letters(
    connection: &Connection,
    filter: &DeadLetterFilter,
    after: Option<i64>,
    limit: usize,
) -> rusqlite::Result<Vec<DeadLetter>> {
    let ids = filter.ids.as_ref().map(|ids| serde_json::json!(numbers(ids)).to_string());
    let ask = "SELECT id, code, sentence, path, tries, first_seen, dead, body FROM dead_letters \
               WHERE (?1 IS NULL OR id IN (SELECT value FROM json_each(?1))) \
                 AND (?2 IS NULL OR code = ?2) AND (?3 IS NULL OR dead < ?3) \
                 AND (?4 IS NULL OR (dead, id) < (SELECT dead, id FROM dead_letters WHERE id = ?4)) \
               ORDER BY dead DESC, id DESC LIMIT ?5";
    let before = filter.dead_before.map(Time::ticks);
    let mut letters = connection.prepare_cached(ask)?;
    letters.query_map(params![ids, filter.code, before, after, limit], dead_letter)?.collect()
}

fn dead_letter(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    Ok(DeadLetter {
        id: row.get::<_, i64>(0)?.to_string(),
        reason: Reason { code: row.get(1)?, sentence: row.get(2)?, path: row.get(3)? },
        tries: row.get(4)?,
        first_seen: Time::from_ticks(row.get(5)?),
        dead: Time::from_ticks(row.get(6)?),
        body: row.get(7)?,
    })
}
