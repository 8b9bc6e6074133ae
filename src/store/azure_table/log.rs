//! The change log: gap-free, so that a reader can miss nothing, and a refresh costs what changed.
//!
//! Four partitions, `log|0` to `log|3`. Row `s{sequence}` holds the keys of one append, row `~head` the last sequence;
//! it sorts last, so that one question answers both. An append is one transaction: the head goes on by one if it still
//! is where it was seen, and the next row is there. Either both or none, so the sequences have no gaps, and no clock is
//! asked. Where somebody else was first, another partition may do.
//!
//! The log has a name, which stands in each row and in readers' cursors: a table that was deleted and made anew begins
//! again with the sequence 1, and only the name tells that it is not the one that a reader has followed.
//!
//! An entry may tell readers to start over, when something was erased that their catalogs hold beside the records.
//!
//! A request that was answered too late may append its keys twice, which costs readers a look and nothing else.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use rand::Rng;
use tokio::sync::oneshot;

use super::entity::{self, Entity, NewEntity};
use super::floor::META;
use crate::azure::{AzureError, MOST_OPERATIONS, Operation, Table};
use crate::clock::Clock;
use crate::domain::{Key, Time};
use crate::store::{Changes, Cursor, START_OVER, StoreError};

const SHARDS: usize = 4;
const HEAD: &str = "~head";
const SEQUENCE: &str = "sequence";
/// The column with the log's name, in the log and in a row of its own among what is not about one record.
const LOG: &str = "log";
const AT: &str = "at";
/// So many bytes of keys stand in a row, which may have 1 MiB, in UTF-16.
const MOST_KEYS: usize = 200_000;
/// Lost races after which the log counts as not available.
const MOST_TRIES: u32 = 50;
/// So many rows of a shard are read at once: each may hold many keys.
const MOST_ROWS: usize = 32;
/// How long readers may be away before they have to start over.
const KEPT: Duration = Duration::from_secs(8 * 24 * 3600);
/// How often old rows are looked for in a shard.
const PRUNED_EVERY: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub(super) struct Log {
    table: Table,
    clock: Arc<dyn Clock>,
    /// Appends that wait for the one in flight.
    waiting: Mutex<Vec<Waiting>>,
    /// Held while an append is in flight.
    place: tokio::sync::Mutex<Place>,
}

/// The log could not be written; one failure may have many callers.
type Appended = Result<(), Arc<AppendError>>;

#[derive(Debug, thiserror::Error)]
enum AppendError {
    #[error(transparent)]
    Azure(#[from] AzureError),
    #[error("others append to the change log all the time")]
    Busy,
    #[error("the append to the change log was given up")]
    GivenUp,
}

#[derive(Debug)]
struct Waiting {
    keys: Vec<Key>,
    done: oneshot::Sender<Appended>,
}

/// Where the next append goes: where the last one went.
#[derive(Debug)]
struct Place {
    shard: usize,
    /// The head of that shard; `None` where it has to be read.
    head: Option<Head>,
    /// The name of the log that was appended to.
    log: Option<String>,
    /// When each shard was looked through for old rows: also those where nothing is appended any more.
    pruned: [Option<Time>; SHARDS],
}

#[derive(Debug, Clone, Default)]
struct Head {
    sequence: u64,
    /// `None` where nothing was appended yet.
    etag: Option<String>,
    log: Option<String>,
}

impl Log {
    pub(super) fn new(table: Table, clock: Arc<dyn Clock>) -> Self {
        let shard = rand::rng().random_range(0..SHARDS);
        let place = Place { shard, head: None, log: None, pruned: [None; SHARDS] };
        Self { table, clock, waiting: Mutex::default(), place: tokio::sync::Mutex::new(place) }
    }

    /// Appends these keys, together with those of others who wait meanwhile.
    pub(super) async fn append(&self, keys: &[Key]) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        let (done, mut answer) = oneshot::channel();
        self.waiting().push(Waiting { keys: keys.to_vec(), done });
        let mut place = self.place.lock().await;
        let group = std::mem::take(&mut *self.waiting());
        // Nobody waits where another took our keys along: then the answer is there.
        if !group.is_empty() {
            let keys: Vec<Key> = group.iter().flat_map(|waiting| waiting.keys.iter().cloned()).collect();
            let result = self.write(&mut place, &keys).await.map_err(Arc::new);
            // Who does not listen any more has given up.
            group.into_iter().for_each(|waiting| drop(waiting.done.send(result.clone())));
        }
        drop(place);
        let answer = answer.try_recv().unwrap_or_else(|_| Err(Arc::new(AppendError::GivenUp)));
        answer.map_err(|error| StoreError::Unavailable(Box::new(error)))
    }

    /// Tells all readers to start over.
    pub(super) async fn start_over(&self) -> Result<(), StoreError> {
        let mut place = self.place.lock().await;
        let written = self.write_entry(&mut place, START_OVER).await;
        written.map_err(|error| StoreError::Unavailable(Box::new(error)))
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write(&self, place: &mut Place, keys: &[Key]) -> Result<(), AppendError> {
        for entry in entries(keys) {
            self.write_entry(place, &entry).await?;
        }
        // What is old stays a while longer when this fails: the keys are in the log.
        if let Err(error) = self.prune(place).await {
            tracing::debug!(%error, "old rows of the change log were not removed");
        }
        Ok(())
    }

    async fn write_entry(&self, place: &mut Place, entry: &str) -> Result<(), AppendError> {
        for _ in 0..MOST_TRIES {
            // Taken out: it is not sure any more if this fails or is given up.
            let head = match place.head.take() {
                Some(head) => head,
                None => self.beginning(place.shard).await?,
            };
            self.notice(place, &head);
            match self.table.transact(&partition(place.shard), &self.next(place.shard, &head, entry)).await {
                Ok(etags) => {
                    let etag = etags.into_iter().next().flatten().map(|etag| etag.to_string());
                    place.head = etag.map(|etag| Head { sequence: head.sequence + 1, etag: Some(etag), ..head });
                    return Ok(());
                }
                Err(error) if error.is_conflict() => place.shard = rand::rng().random_range(0..SHARDS),
                Err(error) => return Err(error.into()),
            }
        }
        Err(AppendError::Busy)
    }

    /// Another log than before is in another table of the same name: whoever made it has said nothing here.
    fn notice(&self, place: &mut Place, head: &Head) {
        let Some(log) = &head.log else { return };
        let before = place.log.replace(log.clone());
        if before.is_some_and(|before| before != *log) {
            tracing::warn!("table `{}` was deleted and made anew meanwhile: what it held is lost", self.table.name());
        }
    }

    /// Where an append to this shard goes on, or begins.
    async fn beginning(&self, shard: usize) -> Result<Head, AzureError> {
        let head = self.head(shard).await?;
        if head.etag.is_some() {
            return Ok(head);
        }
        Ok(Head { log: Some(self.name().await?), ..head })
    }

    async fn head(&self, shard: usize) -> Result<Head, AzureError> {
        let row = entity::get(&self.table, &partition(shard), HEAD, None).await?;
        let head = |row: Entity| Head {
            sequence: sequence_of(&row),
            log: row.text(LOG).map(str::to_owned),
            etag: Some(row.etag),
        };
        Ok(row.map(head).unwrap_or_default())
    }

    async fn heads(&self) -> Result<Vec<Head>, AzureError> {
        try_join_all((0..SHARDS).map(|shard| self.head(shard))).await
    }

    /// The last sequence of each shard.
    pub(super) async fn sequences(&self) -> Result<Vec<u64>, AzureError> {
        Ok(self.heads().await?.into_iter().map(|head| head.sequence).collect())
    }

    /// Makes sure that the log has a name. Whoever makes the table says so: it is not noticed again.
    pub(super) async fn begin(&self) -> Result<(), AzureError> {
        let name = self.name().await?;
        self.place.lock().await.log = Some(name);
        Ok(())
    }

    /// The log's name, which is made where there is none.
    async fn name(&self) -> Result<String, AzureError> {
        if let Some(name) = self.own_name().await? {
            return Ok(name);
        }
        // Somebody may have removed its row: readers go by what stands in the log.
        let known = self.heads().await?.into_iter().find_map(|head| head.log);
        let name = known.unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string());
        let operation = Operation::Insert { entity: NewEntity::new(META, LOG).text(LOG, &name).json() };
        match self.table.transact(META, [&operation]).await {
            Ok(_) => Ok(name),
            Err(error) if error.is_conflict() => Ok(self.own_name().await?.unwrap_or(name)),
            Err(error) => Err(error),
        }
    }

    async fn own_name(&self) -> Result<Option<String>, AzureError> {
        let row = entity::get(&self.table, META, LOG, None).await?;
        Ok(row.and_then(|row| row.text(LOG).map(str::to_owned)))
    }

    /// The head goes on by one, and its row is there.
    fn next(&self, shard: usize, head: &Head, entry: &str) -> [Operation; 2] {
        let (partition, sequence) = (partition(shard), head.sequence + 1);
        let named = |row: &str| match &head.log {
            Some(log) => NewEntity::new(&partition, row).text(LOG, log),
            None => NewEntity::new(&partition, row),
        };
        let entity = named(HEAD).integer(SEQUENCE, signed(sequence)).json();
        let to_head = match head.etag.clone() {
            None => Operation::Insert { entity },
            Some(etag) => Operation::Replace { row: HEAD.to_owned(), entity, etag },
        };
        let row = named(&row(sequence)).integer(AT, self.clock.now().ticks()).body(entry);
        [to_head, Operation::Insert { entity: row.json() }]
    }

    /// Removes rows that are too old, the oldest first and nothing behind one that is kept. Each time only so many as
    /// one transaction takes, and again with the next append while there are more.
    async fn prune(&self, place: &mut Place) -> Result<(), AzureError> {
        let now = self.clock.now();
        let is_due = |pruned: &Option<Time>| pruned.is_none_or(|pruned| now.since(pruned) >= PRUNED_EVERY);
        let due = place.pruned.iter_mut().enumerate().filter(|(_, pruned)| is_due(pruned));
        // The one that was just appended to before the others.
        let Some((shard, pruned)) = due.max_by_key(|(shard, _)| *shard == place.shard) else { return Ok(()) };
        let partition = partition(shard);
        let filter = format!("PartitionKey eq '{partition}' and RowKey lt '{HEAD}'");
        let oldest = self.table.rows::<Entity>(filter, Some("RowKey,at"), MOST_OPERATIONS).await?;
        let limit = now.minus(KEPT).ticks();
        let old = oldest.into_iter().take_while(|row| row.integer(AT).is_some_and(|at| at < limit));
        let old: Vec<_> = old.map(|Entity { row, .. }| Operation::Delete { row, etag: None }).collect();
        if old.len() < MOST_OPERATIONS {
            *pruned = Some(now);
        }
        if !old.is_empty() {
            match self.table.transact(&partition, &old).await {
                // A conflict is another process that does the same.
                Err(error) if !error.is_conflict() => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// What changed after `cursor`, in all shards.
    pub(super) async fn changes(&self, cursor: &Cursor, limit: usize) -> Result<Changes, AzureError> {
        let after: Option<[u64; SHARDS]> = cursor.reached.as_slice().try_into().ok();
        if let Some(after) = after {
            let limit = limit.div_ceil(SHARDS);
            let log = cursor.log.as_deref();
            let parts = after.iter().enumerate().map(|(shard, after)| self.part(shard, log, *after, limit));
            let parts: Option<Vec<Part>> = try_join_all(parts).await?.into_iter().collect();
            if let Some(parts) = parts {
                return Ok(joined(cursor.log.clone(), parts));
            }
        }
        let heads = self.heads().await?;
        let log = match heads.iter().find_map(|head| head.log.clone()) {
            Some(log) => Some(log),
            None => self.own_name().await?,
        };
        let cursor = Cursor { log, reached: heads.into_iter().map(|head| head.sequence).collect() };
        Ok(Changes { keys: Vec::new(), cursor, more: false, reset: true })
    }

    async fn part(
        &self,
        shard: usize,
        log: Option<&str>,
        after: u64,
        limit: usize,
    ) -> Result<Option<Part>, AzureError> {
        let filter = format!("PartitionKey eq '{}' and RowKey gt '{}'", partition(shard), row(after));
        // One more for the head.
        let rows = self.table.rows::<Entity>(filter, None, limit.min(MOST_ROWS) + 1).await?;
        Ok(Part::of(&rows, log, after, limit))
    }
}

/// What changed in one shard.
#[derive(Debug, PartialEq)]
struct Part {
    log: Option<String>,
    keys: Vec<Key>,
    reached: u64,
    more: bool,
}

impl Part {
    /// Reads rows behind `after` in the log of this name; `None` where they do not follow it, or one says to start over.
    fn of(rows: &[Entity], log: Option<&str>, after: u64, limit: usize) -> Option<Self> {
        let named = rows.iter().find_map(|row| row.text(LOG));
        let mut part = Self { log: named.map(str::to_owned), keys: Vec::new(), reached: after, more: true };
        for row in rows {
            let is_another = log.zip(row.text(LOG)).is_some_and(|(log, named)| log != named);
            if is_another {
                return None;
            }
            if row.row == HEAD {
                part.more = false;
                // All rows are gone, or the whole log is a new one.
                return (sequence_of(row) == part.reached).then_some(part);
            }
            if part.keys.len() >= limit {
                return Some(part);
            }
            let body = row.body();
            if row.row != self::row(part.reached + 1) || body == START_OVER {
                return None;
            }
            part.reached += 1;
            part.keys.extend(body.lines().filter_map(|key| key.parse().ok()));
        }
        // A shard without a head was never written.
        part.more = part.reached > after;
        (part.more || after == 0).then_some(part)
    }
}

fn joined(log: Option<String>, parts: Vec<Part>) -> Changes {
    let more = parts.iter().any(|part| part.more);
    // A reader that was there before the log had a name learns it with the first entry.
    let log = log.or_else(|| parts.iter().find_map(|part| part.log.clone()));
    let cursor = Cursor { log, reached: parts.iter().map(|part| part.reached).collect() };
    Changes { keys: parts.into_iter().flat_map(|part| part.keys).collect(), cursor, more, reset: false }
}

/// The keys as texts of one a line, each text short enough for a row: no key holds a line end.
fn entries(keys: &[Key]) -> Vec<String> {
    let mut entries: Vec<String> = Vec::new();
    for key in keys.iter().map(Key::to_string) {
        match entries.last_mut() {
            Some(entry) if entry.len() + key.len() < MOST_KEYS => {
                entry.push('\n');
                entry.push_str(&key);
            }
            Some(_) | None => entries.push(key),
        }
    }
    entries
}

fn partition(shard: usize) -> String {
    format!("log|{shard}")
}

fn row(sequence: u64) -> String {
    format!("s{sequence:019}")
}

fn sequence_of(head: &Entity) -> u64 {
    head.integer(SEQUENCE).and_then(|sequence| u64::try_from(sequence).ok()).unwrap_or_default()
}

fn signed(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RunKey;

    fn key(run: u64) -> Key {
        Key::Run(RunKey { organization: "fabrikam".to_owned(), pipeline: 7, run })
    }

    fn entity(new: NewEntity) -> Entity {
        serde_json::from_str(new.json().get()).unwrap()
    }

    fn entry(sequence: u64) -> Entity {
        entity(NewEntity::new("log|0", &row(sequence)).text(LOG, "one").body(&key(sequence).to_string()))
    }

    fn head(sequence: u64) -> Entity {
        entity(NewEntity::new("log|0", HEAD).text(LOG, "one").integer(SEQUENCE, signed(sequence)))
    }

    fn part(keys: &[u64], reached: u64, more: bool) -> Option<Part> {
        Some(Part { log: Some("one".to_owned()), keys: keys.iter().copied().map(key).collect(), reached, more })
    }

    #[test]
    fn what_follows_is_read_and_what_does_not_is_a_gap() {
        assert_eq!(Part::of(&[entry(4), entry(5), head(5)], Some("one"), 3, 10), part(&[4, 5], 5, false));
        assert_eq!(Part::of(&[entry(4), entry(5), head(5)], Some("one"), 3, 1), part(&[4], 4, true));
        assert_eq!(Part::of(&[entry(4)], Some("one"), 3, 1), part(&[4], 4, true));
        assert_eq!(Part::of(&[head(3)], Some("one"), 3, 10), part(&[], 3, false));
        let never_written = Part { log: None, keys: Vec::new(), reached: 0, more: false };
        assert_eq!(Part::of(&[], Some("one"), 0, 10), Some(never_written));
        assert_eq!(Part::of(&[entry(4), head(4)], None, 3, 10), part(&[4], 4, false), "the reader learns the name");
        assert_eq!(Part::of(&[entry(4), head(4)], Some("other"), 3, 10), None, "another log");
        assert_eq!(Part::of(&[head(3)], Some("other"), 3, 10), None, "another log that is as long");
        assert_eq!(Part::of(&[entry(5), head(5)], Some("one"), 3, 10), None);
        assert_eq!(Part::of(&[entry(4), entry(6), head(6)], Some("one"), 3, 10), None);
        assert_eq!(Part::of(&[head(5)], Some("one"), 3, 10), None, "all rows are gone");
        assert_eq!(Part::of(&[head(2)], Some("one"), 3, 10), None, "the log is a new one");
        assert_eq!(Part::of(&[], Some("one"), 3, 10), None, "the log is gone");
        let rows = || [entry(4), entity(NewEntity::new("log|0", &row(5)).text(LOG, "one").body(START_OVER)), head(5)];
        assert_eq!(Part::of(&rows(), Some("one"), 3, 10), None, "readers are told to start over");
        assert_eq!(Part::of(&rows()[2..], Some("one"), 5, 10), part(&[], 5, false), "and once only");
    }

    #[test]
    fn many_keys_are_several_rows() {
        let keys: Vec<Key> = (1..=10_000).map(key).collect();
        let entries = entries(&keys);
        assert!(entries.len() > 1 && entries.iter().all(|entry| entry.len() <= MOST_KEYS));
        let found: Vec<Key> = entries.iter().flat_map(|entry| entry.lines()).map(|key| key.parse().unwrap()).collect();
        assert_eq!(found, keys);
    }

    #[test]
    fn the_head_sorts_last() {
        assert!(row(u64::MAX).as_str() < HEAD);
    }
}
