//! The store in a table of Azure Storage.
//!
//! | partition | row | what |
//! |---|---|---|
//! | `run\|{organization}\|{pipeline}` | `r\|{inverted run id}` | a record: its stored form in `body0`, `body1`, ..., and columns for other tools |
//! | the same | `f\|{inverted run id}\|{said}\|{hash}` | a fact of it |
//! | the same | `g\|{inverted run id}` | a record that was removed, until readers were told ([`purge`]) |
//! | `gap\|{organization}\|{project}` | `r\|{event type}` and so on | gaps of a stream of events, with their facts |
//! | `log\|0` to `log\|3` | `s{sequence}`, `~head` | the change log ([`log`]) |
//! | `meta` | `floor`, `log`, `probe` | the floor of the purge, the log's name, and a row to write for a try |
//! | `note` | a name | a note ([`notes`]) |
//!
//! Records and facts of one partition are written in one transaction; a record's version is its `ETag`. An entity
//! [holds 1 MiB][limits], so a longer stored form stands there in binary, in `bytes0`, `bytes1`, ... The room that a
//! record has ([`RunRecord`](crate::domain::run::RunRecord)) and the size of a fact keep below that, whatever is sent.
//!
//! [limits]: https://learn.microsoft.com/en-us/rest/api/storageservices/understanding-the-table-service-data-model
//!
//! Facts are read together with a record only. Facts alone, which a worker's write or a purge may leave behind at a
//! crash or in a race, are never seen and do no harm.

mod columns;
mod commit;
mod entity;
mod floor;
mod load;
mod log;
mod name;
mod notes;
mod purge;
mod rewrite;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};

use self::commit::Place;
use self::entity::{Entity, NewEntity};
use self::floor::{Floor, META, Seen};
use self::log::Log;
use self::name::Name;
use super::{Changes, Committed, Cursor, Rewrite, Store, StoreError, Stored, Survey, Version, Write};
use crate::azure::{AzureError, Services, Table};
use crate::clock::Clock;
use crate::domain::{EncodedFact, Fact, Key, Record, Time};

const LOOKS_AT_ONCE: usize = 16;
const TRANSACTIONS_AT_ONCE: usize = 8;

/// A store in a table; any number of processes may use it.
#[derive(Debug)]
pub struct AzureTableStore {
    table: Table,
    floor: Floor,
    log: Log,
    clock: Arc<dyn Clock>,
}

impl AzureTableStore {
    #[must_use]
    pub fn new(services: &Services, table: &str, clock: Arc<dyn Clock>) -> Self {
        let table = Table::new(services, table);
        Self {
            floor: Floor::new(table.clone(), clock.clone()),
            log: Log::new(table.clone(), clock.clone()),
            table,
            clock,
        }
    }

    /// Makes the table if it is not there, and gives its log a name.
    ///
    /// # Errors
    /// When the service cannot be reached or does not allow it.
    pub async fn create(&self) -> Result<(), StoreError> {
        self.table.create().await?;
        self.log.begin().await?;
        Ok(())
    }

    async fn try_write(&self) -> Result<(), AzureError> {
        let row = "probe";
        let entity = NewEntity::new(META, row).integer("at", self.clock.now().ticks());
        self.table.put(META, row, &entity.json()).await
    }

    async fn is_there(&self, key: &Key) -> Result<bool, AzureError> {
        let name = Name::of(key);
        Ok(entity::get(&self.table, &name.partition, &name.record(), Some("RowKey")).await?.is_some())
    }

    /// The floor, where it matters.
    async fn floor(&self, writes: &[Write]) -> Result<Option<Seen>, AzureError> {
        let inserts = writes.iter().any(|write| matches!(write, Write::Record { expected: None, .. }));
        if inserts { self.floor.get().await.map(Some) } else { Ok(None) }
    }

    /// Answers the writes that need no transaction.
    async fn answers(&self, writes: &[Write], floor: Time) -> Result<Vec<Option<Committed>>, AzureError> {
        let answers: Vec<_> = writes.iter().map(|write| self.answer(write, floor)).collect();
        stream::iter(answers).buffered(LOOKS_AT_ONCE).try_collect().await
    }

    /// Facts alone want their record to be there, and no upsert can ask that without changing the record's version.
    async fn answer(&self, write: &Write, floor: Time) -> Result<Option<Committed>, AzureError> {
        match write {
            Write::Facts { key, .. } => Ok((!self.is_there(key).await?).then_some(Committed::Conflict)),
            Write::Record { record, expected: None, facts, .. } if facts.iter().all(|fact| fact.said < floor) => {
                let there = self.is_there(&record.key()).await?;
                Ok(Some(if there { Committed::Conflict } else { Committed::BelowFloor }))
            }
            Write::Record { .. } => Ok(None),
        }
    }

    /// Does it for all of them, whatever becomes of the others.
    async fn each<F>(&self, keys: &[Key], act: impl Fn(Name) -> F) -> Result<(), AzureError>
    where
        F: Future<Output = Result<(), AzureError>>,
    {
        let all: Vec<_> = keys.iter().map(|key| act(Name::of(key))).collect();
        let all: Vec<_> = stream::iter(all).buffer_unordered(TRANSACTIONS_AT_ONCE).collect().await;
        all.into_iter().collect()
    }

    /// The keys of the rows that these questions find, one after the other; those left out that only a newer program
    /// knows.
    async fn some_keys(&self, filters: Vec<String>, limit: usize) -> Result<Vec<Key>, AzureError> {
        let mut keys = Vec::new();
        for filter in filters {
            if keys.len() < limit {
                let rows = self.table.rows::<Entity>(filter, Some("PartitionKey,RowKey"), limit - keys.len()).await?;
                keys.extend(rows.iter().filter_map(|row| name::key(&row.partition, &row.row)));
            }
        }
        Ok(keys)
    }
}

impl From<AzureError> for StoreError {
    fn from(error: AzureError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

#[async_trait]
impl Store for AzureTableStore {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, StoreError> {
        let rows = load::rows(&self.table, keys.iter().map(Name::of).collect()).await?;
        Ok(keys.iter().map(|key| rows.get(&Name::of(key)).map(|row| stored(key, row))).collect())
    }

    fn loads_first(&self) -> bool {
        false
    }

    async fn commit(&self, writes: Arc<Vec<Write>>) -> Result<Vec<Committed>, StoreError> {
        let seen = self.floor(&writes).await?;
        let known = self.answers(&writes, seen.map_or(Time::UNKNOWN, |seen| seen.floor)).await?;
        let open = writes.iter().enumerate().zip(&known).filter(|(_, known)| known.is_none()).map(|(write, _)| write);
        let place = &Place { table: &self.table, floor: &self.floor, seen };
        let plans = commit::plans(open).into_iter();
        let parts: Vec<_> =
            plans.map(|(partition, plan)| async move { plan.carry_out(place, &partition).await }).collect();
        let parts: Vec<_> = stream::iter(parts).buffer_unordered(TRANSACTIONS_AT_ONCE).collect().await;
        let mut answers = joined(parts)?;
        // None is left without an answer; the caller would look again.
        let answer = |(index, known): (usize, Option<Committed>)| {
            known.or_else(|| answers.remove(&index)).unwrap_or(Committed::Conflict)
        };
        Ok(known.into_iter().enumerate().map(answer).collect())
    }

    async fn append(&self, keys: &[Key]) -> Result<(), StoreError> {
        self.log.append(keys).await
    }

    async fn start_over(&self) -> Result<(), StoreError> {
        self.log.start_over().await
    }

    async fn changes(&self, cursor: &Cursor, limit: usize) -> Result<Changes, StoreError> {
        Ok(self.log.changes(cursor, limit).await?)
    }

    async fn keys(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
        let filters = after.map_or_else(name::records, |after| name::records_after(&Name::of(after)));
        Ok(self.some_keys(filters, limit).await?)
    }

    async fn facts(&self, key: &Key) -> Result<Vec<Fact>, StoreError> {
        let rows = self.table.rows::<Entity>(Name::of(key).all_facts(), None, usize::MAX).await?;
        let damaged = |error| StoreError::Failed(Box::new(error));
        rows.iter().map(|row| Fact::decode(key, &row.body()).map_err(damaged)).collect()
    }

    async fn stored_facts(&self, key: &Key) -> Result<Vec<EncodedFact>, StoreError> {
        let rows = self.table.rows(Name::of(key).all_facts(), None, usize::MAX).await?;
        Ok(rows.iter().filter_map(|row: &Entity| name::fact(&row.row, row.body())).collect())
    }

    async fn rewrite(&self, rewrite: Rewrite) -> Result<Committed, StoreError> {
        rewrite::rewrite(&self.table, rewrite).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        Ok(self.try_write().await?)
    }

    /// A table that is still being deleted is there again when the service is done with that.
    async fn recover(&self) -> Result<(), StoreError> {
        match self.try_write().await {
            Err(error) if error.is("TableNotFound") => {
                self.create().await?;
                tracing::warn!("table `{0}` was gone and is made anew: what it held is lost", self.table.name());
                Ok(self.try_write().await?)
            }
            tried => Ok(tried?),
        }
    }

    async fn survey(&self) -> Result<Survey, StoreError> {
        let (log, floor) = tokio::try_join!(self.log.sequences(), self.floor.now())?;
        Ok(Survey { log, floor })
    }

    /// Looks at every record: no index leads to those that ended, and only a purge asks.
    async fn ended(&self, before: Time, limit: usize) -> Result<Vec<Key>, StoreError> {
        let ended = |rows| format!("{rows} and {} lt {}L", columns::ENDED, before.ticks());
        Ok(self.some_keys(name::records_and_removed().into_iter().map(ended).collect(), limit).await?)
    }

    async fn raise_floor(&self, floor: Time) -> Result<Duration, StoreError> {
        Ok(self.floor.raise(floor).await?)
    }

    async fn remove(&self, keys: &[Key], before: Time) -> Result<(), StoreError> {
        let removed = self.each(keys, |name| async move { purge::remove(&self.table, &name, before).await }).await;
        // Some are gone even where others failed.
        self.log.append(keys).await?;
        let forgotten = self.each(keys, |name| async move { purge::forget(&self.table, &name).await }).await;
        Ok(removed.and(forgotten)?)
    }

    async fn note(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(notes::get(&self.table, name).await?)
    }

    async fn notes(&self, prefix: &str, limit: usize) -> Result<Vec<(String, String)>, StoreError> {
        Ok(notes::list(&self.table, prefix, limit).await?)
    }

    async fn put_note(&self, name: &str, text: &str) -> Result<(), StoreError> {
        Ok(notes::put(&self.table, name, text).await?)
    }

    async fn drop_note(&self, name: &str) -> Result<(), StoreError> {
        Ok(notes::remove(&self.table, name).await?)
    }
}

fn stored(key: &Key, row: &Entity) -> Stored {
    let text = row.body();
    Stored { record: Record::decode(key, &text), version: Version(row.etag.clone()), bytes: text.len() }
}

/// The answers of all partitions. A refusal comes first: the caller can do something about it.
fn joined(
    parts: Vec<Result<BTreeMap<usize, Committed>, StoreError>>,
) -> Result<BTreeMap<usize, Committed>, StoreError> {
    let (mut answers, mut failed) = (BTreeMap::new(), None);
    for part in parts {
        match part {
            Ok(part) => answers.extend(part),
            Err(refused @ StoreError::Refused { .. }) => return Err(refused),
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(answers), Err)
}
