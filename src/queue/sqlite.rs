use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::buffers::Buffers;
use super::{
    After, BodyTest, Dead, DeadLetter, DeadLetterFilter, Delivery, Depth, Outcome, Queue, QueueError, Reason, Receipt,
    SettleError, Settlement, Survey,
};
use crate::domain::Time;
use crate::sqlite::{Durability, LocalError, LocalFile};

/// Messages that one receive takes at the most, unless their bodies together outgrow [`MOST_BYTES`].
const BATCH: usize = 1_536;
const MOST_BYTES: usize = 5 << 20;
/// So many of them may be messages that come again: they must not keep fresh ones waiting.
const MOST_RETURNED: usize = 256;

/// A queue in the local file.
///
/// Leases of a process that no longer lives are given back when the next one receives for the first time.
#[derive(Debug, Clone)]
pub struct SqliteQueue {
    file: LocalFile,
    buffers: Buffers,
}

impl SqliteQueue {
    #[must_use]
    pub fn new(file: LocalFile) -> Self {
        Self { file, buffers: Buffers::default() }
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
    fn keeps_bodies(&self) -> bool {
        true
    }

    async fn put(&self, bodies: Vec<Vec<u8>>) -> Result<(), QueueError> {
        let now = self.file.now();
        self.write(move |c| bodies.iter().try_for_each(|body| insert(c, body, now))).await
    }

    async fn receive(&self, lease: Duration) -> Result<Vec<Delivery>, QueueError> {
        let owner = self.file.owner().await?.id;
        let now = self.file.now();
        let buffers = self.buffers.clone();
        Ok(self.file.write(Durability::Normal, move |c| take(c, &buffers, owner, now, now.plus(lease))).await?)
    }

    fn batch(&self) -> usize {
        BATCH
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), SettleError> {
        let now = self.file.now();
        let settled = match Order::gathered(&settlements) {
            Ok(orders) => self.write(move |c| orders.iter().try_for_each(|order| order.carry_out(c, now))).await,
            Err(error) => Err(error),
        };
        settled.map_err(|source| SettleError { source, unsettled: settlements })
    }

    async fn begin_trial(&self, delivery: &Delivery) -> Result<u32, QueueError> {
        let (message, _) = lease(delivery)?;
        let raise = "INSERT INTO trials (id, count) VALUES (?1, 1) ON CONFLICT (id) DO UPDATE SET count = count + 1 RETURNING count";
        self.write(move |c| c.prepare_cached(raise)?.query_row([message], |row| row.get(0))).await
    }

    async fn trials(&self, delivery: &Delivery) -> Result<u32, QueueError> {
        let (message, _) = lease(delivery)?;
        let ask = "SELECT count FROM trials WHERE id = ?1";
        let count = self.file.read(move |c| c.query_row(ask, [message], |row| row.get(0)).optional()).await?;
        Ok(count.unwrap_or(0))
    }

    async fn end_trial(&self, delivery: &Delivery) -> Result<(), QueueError> {
        let (message, _) = lease(delivery)?;
        let lower = "UPDATE trials SET count = max(count - 1, 0) WHERE id = ?1";
        self.write(move |c| c.execute(lower, [message])).await?;
        Ok(())
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let now = self.file.now().ticks();
        Ok(self.file.read(move |c| depth(c, now)).await?)
    }

    async fn survey(&self) -> Result<Survey, QueueError> {
        let now = self.file.now().ticks();
        let oldest = "SELECT inserted FROM messages ORDER BY id LIMIT 1";
        let survey = move |c: &Connection| {
            Ok(Survey {
                depth: depth(c, now)?,
                oldest: c.query_row(oldest, [], |row| row.get(0)).optional()?.map(Time::from_ticks),
                dead_letters: dead(c)?,
            })
        };
        Ok(self.file.read(survey).await?)
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
        after: Option<&After>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, QueueError> {
        let filter = filter.clone();
        // An id that is none of ours stands behind all others.
        let after = after.map(|after| (after.dead.ticks(), after.id.parse().unwrap_or_default()));
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

    /// It makes none.
    async fn discard_copies(&self, _: BodyTest<'_>) -> Result<usize, QueueError> {
        Ok(0)
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

/// The message, and which of its receives it was.
fn lease(delivery: &Delivery) -> Result<(i64, u32), QueueError> {
    match delivery.receipt {
        Receipt::Sqlite { message, receives } => Ok((message, receives)),
        Receipt::Azure(_) => Err(QueueError::foreign()),
    }
}

fn insert(connection: &Connection, body: &[u8], now: Time) -> rusqlite::Result<()> {
    let insert = "INSERT INTO messages (inserted, body) VALUES (?1, ?2)";
    connection.prepare_cached(insert)?.execute(params![now.ticks(), body])?;
    Ok(())
}

/// The first message that was never leased.
fn fresh(connection: &Connection) -> rusqlite::Result<i64> {
    let ask = "SELECT value FROM meta WHERE name = 'fresh'";
    Ok(connection.prepare_cached(ask)?.query_row([], |row| row.get(0)).optional()?.unwrap_or(1))
}

fn depth(connection: &Connection, now: i64) -> rusqlite::Result<Depth> {
    let newest: Option<i64> = connection.query_row("SELECT max(id) FROM messages", [], |row| row.get(0))?;
    let fresh = newest.map_or(0, |newest| newest + 1).saturating_sub(fresh(connection)?).max(0);
    let ask = "SELECT visible <= ?1, (SELECT count(*) FROM messages WHERE id BETWEEN first AND last) FROM leases";
    let mut depth = Depth { visible: fresh.unsigned_abs(), ..Depth::default() };
    let mut leases = connection.prepare_cached(ask)?;
    let mut rows = leases.query([now])?;
    while let Some(row) = rows.next()? {
        let count: u64 = row.get(1)?;
        if row.get(0)? { depth.visible += count } else { depth.leased += count }
    }
    Ok(depth)
}

/// What one receive takes.
struct Taking<'a> {
    connection: &'a Connection,
    owner: i64,
    until: Time,
    taken: Vec<Taken>,
    /// All of them in one piece.
    bodies: Vec<u8>,
}

struct Taken {
    message: i64,
    receives: u32,
    inserted: Time,
    body: Range<usize>,
}

fn take(
    connection: &Connection,
    buffers: &Buffers,
    owner: i64,
    now: Time,
    until: Time,
) -> rusqlite::Result<Vec<Delivery>> {
    let mut taking = Taking { connection, owner, until, taken: Vec::new(), bodies: buffers.take() };
    for returned in Lease::run_out(connection, now)? {
        taking.take_again(&returned)?;
        if taking.taken.len() >= MOST_RETURNED {
            break;
        }
    }
    taking.take_fresh()?;
    Ok(taking.deliveries(buffers))
}

impl Taking<'_> {
    fn take_again(&mut self, returned: &Lease) -> rusqlite::Result<()> {
        let room = MOST_RETURNED.saturating_sub(self.taken.len());
        match self.take_range(returned.first, returned.last, room, returned.receives + 1)? {
            Some(last) => {
                returned.cut(self.connection, returned.first, last)?;
                self.lease(returned.first, last, returned.receives + 1)
            }
            // Its messages are gone, unless there was no room for the first.
            None if self.taken.is_empty() => returned.cut(self.connection, returned.first, returned.last),
            None => Ok(()),
        }
    }

    fn take_fresh(&mut self) -> rusqlite::Result<()> {
        let first = fresh(self.connection)?;
        let room = BATCH.saturating_sub(self.taken.len());
        if let Some(last) = self.take_range(first, i64::MAX, room, 1)? {
            let update = "INSERT OR REPLACE INTO meta (name, value) VALUES ('fresh', ?1)";
            self.connection.prepare_cached(update)?.execute([last + 1])?;
            self.lease(first, last, 1)?;
        }
        Ok(())
    }

    /// Takes messages in the order of their ids while there is room; answers the last one.
    fn take_range(&mut self, first: i64, last: i64, room: usize, receives: u32) -> rusqlite::Result<Option<i64>> {
        let ask = "SELECT id, inserted, body FROM messages WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3";
        let mut messages = self.connection.prepare_cached(ask)?;
        let mut rows = messages.query(params![first, last, room])?;
        let mut reached = None;
        while let Some(row) = rows.next()? {
            let (message, body) = (row.get(0)?, row.get_ref(2)?.as_blob()?);
            let start = self.bodies.len();
            if start + body.len() > MOST_BYTES && !self.taken.is_empty() {
                break;
            }
            self.bodies.extend_from_slice(body);
            let body = start..self.bodies.len();
            self.taken.push(Taken { message, receives, inserted: Time::from_ticks(row.get(1)?), body });
            reached = Some(message);
        }
        Ok(reached)
    }

    fn deliveries(self, buffers: &Buffers) -> Vec<Delivery> {
        let bodies = buffers.share(self.bodies);
        let delivery = |Taken { message, receives, inserted, body }| Delivery {
            id: i64::to_string(&message),
            body: bodies.slice(body),
            receives,
            inserted,
            receipt: Receipt::Sqlite { message, receives },
        };
        self.taken.into_iter().map(delivery).collect()
    }

    fn lease(&self, first: i64, last: i64, receives: u32) -> rusqlite::Result<()> {
        Lease { first, last, visible: self.until.ticks(), receives, owner: Some(self.owner) }.insert(self.connection)
    }
}

/// A lease on the messages from `first` to `last`.
struct Lease {
    first: i64,
    last: i64,
    visible: i64,
    receives: u32,
    owner: Option<i64>,
}

impl Lease {
    /// Those that ran out or were given back, the longest ago first.
    fn run_out(connection: &Connection, now: Time) -> rusqlite::Result<Vec<Self>> {
        let ask = "SELECT first, last, visible, receives, owner FROM leases WHERE visible <= ?1 \
                   ORDER BY visible, first LIMIT ?2";
        let mut leases = connection.prepare_cached(ask)?;
        leases.query_map(params![now.ticks(), MOST_RETURNED], Self::read)?.collect()
    }

    /// Those that still stand on any of these messages.
    fn standing(connection: &Connection, order: &Order) -> rusqlite::Result<Vec<Self>> {
        let ask = "SELECT first, last, visible, receives, owner FROM leases \
                   WHERE first BETWEEN coalesce((SELECT max(first) FROM leases WHERE first <= ?1), ?1) AND ?2 \
                     AND last >= ?1 AND receives = ?3";
        let mut leases = connection.prepare_cached(ask)?;
        leases.query_map(params![order.first, order.last, order.receives], Self::read)?.collect()
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            first: row.get(0)?,
            last: row.get(1)?,
            visible: row.get(2)?,
            receives: row.get(3)?,
            owner: row.get(4)?,
        })
    }

    fn insert(&self, connection: &Connection) -> rusqlite::Result<()> {
        let insert = "INSERT INTO leases (first, last, visible, receives, owner) VALUES (?1, ?2, ?3, ?4, ?5)";
        let row = params![self.first, self.last, self.visible, self.receives, self.owner];
        connection.prepare_cached(insert)?.execute(row)?;
        Ok(())
    }

    /// Takes the messages from `first` to `last` out of it.
    fn cut(&self, connection: &Connection, first: i64, last: i64) -> rusqlite::Result<()> {
        connection.prepare_cached("DELETE FROM leases WHERE first = ?1")?.execute([self.first])?;
        if self.first < first {
            Self { last: first - 1, ..*self }.insert(connection)?;
        }
        if last < self.last {
            Self { first: last + 1, ..*self }.insert(connection)?;
        }
        Ok(())
    }
}

/// Settlements of neighbours with the same outcome, without the bodies: for the writer, while the caller keeps
/// the deliveries until it is done.
struct Order {
    first: i64,
    last: i64,
    receives: u32,
    outcome: Outcome,
}

impl Order {
    fn gathered(settlements: &[Settlement]) -> Result<Vec<Self>, QueueError> {
        let mut singles = Vec::with_capacity(settlements.len());
        for Settlement { delivery, outcome } in settlements {
            let (message, receives) = lease(delivery)?;
            singles.push((message, receives, outcome));
        }
        singles.sort_unstable_by_key(|(message, receives, _)| (*message, *receives));
        let mut orders: Vec<Self> = Vec::new();
        for (message, receives, outcome) in singles {
            match orders.last_mut() {
                Some(order) if order.last + 1 == message && order.receives == receives && order.outcome == *outcome => {
                    order.last = message;
                }
                _ => orders.push(Self { first: message, last: message, receives, outcome: outcome.clone() }),
            }
        }
        Ok(orders)
    }

    fn carry_out(&self, connection: &Connection, now: Time) -> rusqlite::Result<()> {
        for lease in Lease::standing(connection, self)? {
            let (first, last) = (self.first.max(lease.first), self.last.min(lease.last));
            lease.cut(connection, first, last)?;
            match &self.outcome {
                Outcome::Done => delete(connection, first, last)?,
                Outcome::Dead { reason, tries } => {
                    bury(connection, (first, last), reason, *tries, now)?;
                    delete(connection, first, last)?;
                }
                Outcome::Back { after } => {
                    let visible = now.plus(*after).ticks();
                    Lease { first, last, visible, receives: self.receives, owner: None }.insert(connection)?;
                }
            }
        }
        Ok(())
    }
}

fn delete(connection: &Connection, first: i64, last: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM messages WHERE id BETWEEN ?1 AND ?2")?.execute([first, last])?;
    connection.prepare_cached("DELETE FROM trials WHERE id BETWEEN ?1 AND ?2")?.execute([first, last])?;
    Ok(())
}

fn bury(
    connection: &Connection,
    (first, last): (i64, i64),
    reason: &Reason,
    tries: u32,
    now: Time,
) -> rusqlite::Result<()> {
    let copy = "INSERT OR REPLACE INTO dead_letters (id, code, sentence, path, tries, first_seen, dead, body) \
                SELECT id, ?3, ?4, ?5, ?6, inserted, ?7, body FROM messages WHERE id BETWEEN ?1 AND ?2";
    let Reason { code, sentence, path } = reason;
    let row = params![first, last, code, sentence, path, tries, now.ticks()];
    connection.prepare_cached(copy)?.execute(row)?;
    Ok(())
}

fn delete_dead(connection: &Connection, id: i64) -> rusqlite::Result<usize> {
    connection.prepare_cached("DELETE FROM dead_letters WHERE id = ?1")?.execute([id])
}

fn dead(connection: &Connection) -> rusqlite::Result<Dead> {
    let mut ask = connection.prepare_cached("SELECT code, count(*) FROM dead_letters GROUP BY code")?;
    let counts = ask.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    counts.collect::<rusqlite::Result<_>>().map(Dead)
}

fn dead_letters(
    connection: &Connection,
    filter: &DeadLetterFilter,
    after: Option<(i64, i64)>,
    limit: usize,
) -> rusqlite::Result<Vec<DeadLetter>> {
    let ids = filter.ids.as_ref().map(|ids| serde_json::json!(numbers(ids)).to_string());
    let ask = "SELECT id, code, sentence, path, tries, first_seen, dead, body FROM dead_letters \
               WHERE (?1 IS NULL OR id IN (SELECT value FROM json_each(?1))) \
                 AND (?2 IS NULL OR code = ?2) AND (?3 IS NULL OR dead < ?3) \
                 AND (?4 IS NULL OR (dead, id) < (?4, ?5)) \
               ORDER BY dead DESC, id DESC LIMIT ?6";
    let (dead, id) = after.unzip();
    let before = filter.dead_before.map(Time::ticks);
    let mut letters = connection.prepare_cached(ask)?;
    letters.query_map(params![ids, filter.code, before, dead, id, limit], dead_letter)?.collect()
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
