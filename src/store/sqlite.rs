use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Changes, Committed, Cursor, Rewrite, START_OVER, Store, StoreError, Stored, Survey, Version, Write};
use crate::domain::{EncodedFact, Fact, Key, Record, Time};
use crate::sqlite::{Durability, LocalError, LocalFile};

/// How long readers may be away before they have to start over.
const LOG_KEPT: Duration = Duration::from_secs(8 * 24 * 3600);
/// Old log entries removed at one append: more than one, so that the log shrinks.
const LOG_PRUNED_AT_ONCE: u32 = 16;

/// Keeps the read model in step: its part of a commit runs in the commit's own transaction.
///
/// Given in from outside, so that the store knows nothing of the read model's tables.
pub trait Projection: Debug + Send + Sync {
    /// Whether its tables are ready.
    fn is_current(&self, connection: &Connection) -> rusqlite::Result<bool>;

    /// Makes its tables ready. Whether they are empty and want every record.
    fn prepare(&self, connection: &Connection) -> rusqlite::Result<bool>;

    /// What to write for `record`: worked out here, carried out by the one who writes.
    fn apply(&self, record: &Record) -> Step;

    /// What to write when the record of `key` is gone.
    fn remove(&self, key: &Key) -> Step;
}

/// A part of a transaction.
pub type Step = Box<dyn FnOnce(&Connection) -> rusqlite::Result<()> + Send>;

/// A store in the local file.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    file: LocalFile,
    projection: Arc<dyn Projection>,
}

impl SqliteStore {
    /// The store in `file`, with the read model made ready: from every record where its tables are new.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn open(file: LocalFile, projection: Arc<dyn Projection>) -> Result<Self, StoreError> {
        let fresh = projection.clone();
        let looked = projection.clone();
        if !file.read(move |c| looked.is_current(c)).await? {
            // One transaction: no commit can come in between and be overwritten by what it replaced.
            let prepare = move |c: &Connection| if fresh.prepare(c)? { project_all(c, fresh.as_ref()) } else { Ok(()) };
            file.write(Durability::Full, prepare).await?;
        }
        Ok(Self { file, projection })
    }

    async fn write<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        Ok(self.file.write(Durability::Full, act).await?)
    }

    async fn read<T, F>(&self, ask: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        Ok(self.file.read(ask).await?)
    }
}

impl From<LocalError> for StoreError {
    fn from(error: LocalError) -> Self {
        if error.is_passing() { Self::Unavailable(Box::new(error)) } else { Self::Failed(Box::new(error)) }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, StoreError> {
        let names: Vec<_> = keys.iter().map(Name::of).collect();
        let rows =
            self.read(move |c| names.iter().map(|name| name.load(c)).collect::<rusqlite::Result<Vec<_>>>()).await?;
        Ok(keys.iter().zip(rows).map(|(key, row)| row.map(|row| row.stored(key))).collect())
    }

    fn loads_first(&self) -> bool {
        true
    }

    async fn commit(&self, writes: Arc<Vec<Write>>) -> Result<Vec<Committed>, StoreError> {
        // Everything that can be worked out is worked out here, beside the writer.
        let prepared: Vec<_> = writes.iter().map(|write| Prepared::of(write, self.projection.as_ref())).collect();
        self.write(move |c| {
            let floor = floor(c)?;
            writes.iter().zip(prepared).map(|(write, prepared)| prepared.carry_out(write, c, floor)).collect()
        })
        .await
    }

    async fn append(&self, keys: &[Key]) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        let (entry, now) = (log_entry(keys), self.file.now());
        // Whatever makes a later write durable, such as the deletion of a message, makes this one durable too.
        Ok(self.file.write(Durability::Normal, move |c| append(c, &entry, now)).await?)
    }

    async fn start_over(&self) -> Result<(), StoreError> {
        let now = self.file.now();
        self.write(move |c| append(c, START_OVER, now)).await
    }

    async fn changes(&self, cursor: &Cursor, limit: usize) -> Result<Changes, StoreError> {
        let after = cursor.reached.first().copied();
        self.read(move |c| changes(c, after, limit)).await
    }

    async fn keys(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
        let Name { partition, row } = after.map_or_else(Name::first, Name::of);
        let ask = format!(
            "SELECT partition, row FROM records WHERE (partition, row) > (?1, ?2) AND ({}) ORDER BY partition, row LIMIT ?3",
            of_known_kinds()
        );
        self.read(move |c| keys(c, &ask, params![partition, row, limit])).await
    }

    async fn facts(&self, key: &Key) -> Result<Vec<Fact>, StoreError> {
        let Name { partition, row } = Name::of(key);
        let ask = "SELECT f.body FROM facts f JOIN records r ON r.id = f.record \
                   WHERE r.partition = ?1 AND r.row = ?2 ORDER BY f.said, f.name";
        let texts = self.read(move |c| {
            c.prepare_cached(ask)?
                .query_map([partition, row], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<String>>>()
        });
        let damaged = |error| StoreError::Failed(Box::new(error));
        texts.await?.iter().map(|text| Fact::decode(key, text).map_err(damaged)).collect()
    }

    async fn stored_facts(&self, key: &Key) -> Result<Vec<EncodedFact>, StoreError> {
        let Name { partition, row } = Name::of(key);
        let ask = "SELECT f.said, f.name, f.body FROM facts f JOIN records r ON r.id = f.record \
                   WHERE r.partition = ?1 AND r.row = ?2 ORDER BY f.said, f.name";
        let fact = |row: &rusqlite::Row<'_>| {
            Ok(EncodedFact { said: Time::from_ticks(row.get(0)?), name: row.get(1)?, text: row.get(2)? })
        };
        self.read(move |c| c.prepare_cached(ask)?.query_map([partition, row], fact)?.collect()).await
    }

    async fn rewrite(&self, rewrite: Rewrite) -> Result<Committed, StoreError> {
        let Rewrite { record, text, expected, gone, facts } = rewrite;
        let name = Name::of(&record.key());
        let prepared = PreparedRecord {
            ended: record.ended().map(Time::ticks),
            expected: Some(Place::of(&expected)),
            step: self.projection.apply(&record),
        };
        self.write(move |c| {
            let Some(place) = prepared.update(c, &name, Place::of(&expected), &text)? else {
                return Ok(Committed::Conflict);
            };
            let mut remove = c.prepare_cached("DELETE FROM facts WHERE record = ?1 AND said = ?2 AND name = ?3")?;
            gone.iter()
                .try_for_each(|fact| remove.execute(params![place.id, fact.said.ticks(), fact.name]).map(drop))?;
            insert_facts(c, place.id, &facts)?;
            (prepared.step)(c)?;
            Ok(Committed::Written(Some(place.into())))
        })
        .await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        let now = self.file.now().ticks();
        let touch = "INSERT OR REPLACE INTO meta (name, value) VALUES ('store_probe', ?1)";
        self.write(move |c| c.execute(touch, [now])).await?;
        Ok(())
    }

    /// Nobody can delete the tables of an open file.
    async fn recover(&self) -> Result<(), StoreError> {
        self.probe().await
    }

    async fn survey(&self) -> Result<Survey, StoreError> {
        self.read(|c| {
            let floor = Some(floor(c)?).filter(|floor| *floor > Time::UNKNOWN);
            Ok(Survey { log: vec![last_sequence(c)?], floor })
        })
        .await
    }

    async fn ended(&self, before: Time, limit: usize) -> Result<Vec<Key>, StoreError> {
        let ask = format!(
            "SELECT partition, row FROM records WHERE ended < ?1 AND ({}) ORDER BY ended LIMIT ?2",
            of_known_kinds()
        );
        self.read(move |c| keys(c, &ask, params![before.ticks(), limit])).await
    }

    async fn raise_floor(&self, to: Time) -> Result<Duration, StoreError> {
        let raise = "INSERT INTO meta (name, value) VALUES ('floor', ?1) \
                     ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)";
        self.write(move |c| c.execute(raise, [to.ticks()])).await?;
        // Every commit looks at it in its own transaction.
        Ok(Duration::ZERO)
    }

    async fn remove(&self, keys: &[Key], before: Time) -> Result<(), StoreError> {
        let (entry, now) = (log_entry(keys), self.file.now());
        let gone: Vec<_> = keys.iter().map(|key| (Name::of(key), self.projection.remove(key))).collect();
        self.write(move |c| {
            for (name, step) in gone {
                if name.remove(c, before)? {
                    step(c)?;
                }
            }
            append(c, &entry, now)?;
            // Gives the pages back to the file system, in steps that do not hold the writer for long.
            c.execute_batch("PRAGMA incremental_vacuum(4096)")
        })
        .await
    }

    async fn note(&self, name: &str) -> Result<Option<String>, StoreError> {
        let name = note_name(name);
        let ask = "SELECT value FROM meta WHERE name = ?1";
        self.read(move |c| c.prepare_cached(ask)?.query_row([name], |row| row.get(0)).optional()).await
    }

    async fn notes(&self, prefix: &str, limit: usize) -> Result<Vec<(String, String)>, StoreError> {
        let first = note_name(prefix);
        let ask = "SELECT substr(name, length(?1) + 1), value FROM meta \
                   WHERE name >= ?2 AND substr(name, 1, length(?2)) = ?2 ORDER BY name LIMIT ?3";
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        self.read(move |c| c.prepare_cached(ask)?.query_map(params![NOTE, first, limit], row)?.collect()).await
    }

    async fn put_note(&self, name: &str, text: &str) -> Result<(), StoreError> {
        let (name, text) = (note_name(name), text.to_owned());
        let put = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";
        self.write(move |c| c.execute(put, [name, text])).await?;
        Ok(())
    }

    async fn drop_note(&self, name: &str) -> Result<(), StoreError> {
        let name = note_name(name);
        self.write(move |c| c.execute("DELETE FROM meta WHERE name = ?1", [name])).await?;
        Ok(())
    }
}

/// What tells notes from all else in the table `meta`.
const NOTE: &str = "note|";

fn note_name(name: &str) -> String {
    format!("{NOTE}{name}")
}

/// Kinds that only a newer program knows are left out by the question: a page of nothing but those would look like the
/// end.
fn of_known_kinds() -> String {
    Key::KINDS.map(|kind| format!("partition GLOB '{kind}|*'")).join(" OR ")
}

fn project_all(connection: &Connection, projection: &dyn Projection) -> rusqlite::Result<()> {
    let mut all = connection.prepare("SELECT partition, row, body FROM records")?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        let key = Key::from_parts(row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
        let Ok(key) = key else { continue };
        if let Ok(record) = Record::decode(&key, row.get_ref(2)?.as_str()?) {
            projection.apply(&record)(connection)?;
        }
    }
    Ok(())
}

/// A record's place in the table.
struct Name {
    partition: String,
    row: String,
}

impl Name {
    fn of(key: &Key) -> Self {
        Self { partition: key.partition(), row: key.row() }
    }

    /// Before every record's.
    fn first() -> Self {
        Self { partition: String::new(), row: String::new() }
    }

    fn load(&self, connection: &Connection) -> rusqlite::Result<Option<RecordRow>> {
        let ask = "SELECT id, version, body FROM records WHERE partition = ?1 AND row = ?2";
        let row = |row: &rusqlite::Row<'_>| {
            Ok(RecordRow { place: Place { id: row.get(0)?, version: row.get(1)? }, body: row.get(2)? })
        };
        connection.prepare_cached(ask)?.query_row([&self.partition, &self.row], row).optional()
    }

    fn id(&self, connection: &Connection) -> rusqlite::Result<Option<i64>> {
        let ask = "SELECT id FROM records WHERE partition = ?1 AND row = ?2";
        connection.prepare_cached(ask)?.query_row([&self.partition, &self.row], |row| row.get(0)).optional()
    }

    /// Whether there was such a record, and it ended before.
    fn remove(&self, connection: &Connection, before: Time) -> rusqlite::Result<bool> {
        let remove = "DELETE FROM records WHERE partition = ?1 AND row = ?2 AND ended < ?3 RETURNING id";
        let mut remove = connection.prepare_cached(remove)?;
        let gone = remove.query_row(params![self.partition, self.row, before.ticks()], |row| row.get::<_, i64>(0));
        let gone = gone.optional()?;
        if let Some(id) = gone {
            connection.prepare_cached("DELETE FROM facts WHERE record = ?1")?.execute([id])?;
        }
        Ok(gone.is_some())
    }
}

struct RecordRow {
    place: Place,
    body: String,
}

impl RecordRow {
    fn stored(self, key: &Key) -> Stored {
        Stored { record: Record::decode(key, &self.body), version: self.place.into(), bytes: self.body.len() }
    }
}

/// What can be known of a write before it is made.
struct Prepared {
    name: Name,
    record: Option<PreparedRecord>,
}

struct PreparedRecord {
    ended: Option<i64>,
    expected: Option<Place>,
    step: Step,
}

impl Prepared {
    fn of(write: &Write, projection: &dyn Projection) -> Self {
        let record = match write {
            Write::Facts { .. } => None,
            Write::Record { record, expected, .. } => Some(PreparedRecord {
                ended: record.ended().map(Time::ticks),
                expected: expected.as_ref().map(Place::of),
                step: projection.apply(record),
            }),
        };
        Self { name: Name::of(&write.key()), record }
    }

    fn carry_out(self, write: &Write, connection: &Connection, floor: Time) -> rusqlite::Result<Committed> {
        let Self { name, record } = self;
        let place = match (write, &record) {
            (Write::Record { text, .. }, Some(record)) => match record.expected {
                Some(expected) => record.update(connection, &name, expected, text)?,
                None if is_below(write, floor) && name.id(connection)?.is_none() => return Ok(Committed::BelowFloor),
                None => record.insert(connection, &name, text)?,
            },
            (Write::Facts { .. } | Write::Record { .. }, _) => name.id(connection)?.map(|id| Place { id, version: 0 }),
        };
        let Some(place) = place else { return Ok(Committed::Conflict) };
        insert_facts(connection, place.id, write.facts())?;
        match record {
            None => Ok(Committed::Written(None)),
            Some(record) => {
                (record.step)(connection)?;
                Ok(Committed::Written(Some(place.into())))
            }
        }
    }
}

/// Where a record stands and which state of it: what a [`Version`] says here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    id: i64,
    version: i64,
}

impl From<Place> for Version {
    fn from(place: Place) -> Self {
        Self(format!("{}.{}", place.id, place.version))
    }
}

impl Place {
    /// A version that is none of ours fits no row: a conflict, as it should be.
    fn of(version: &Version) -> Self {
        let parts = version.0.split_once('.').and_then(|(id, version)| Some((id.parse().ok()?, version.parse().ok()?)));
        parts.map_or(Self { id: -1, version: -1 }, |(id, version)| Self { id, version })
    }
}

fn is_below(write: &Write, floor: Time) -> bool {
    write.facts().iter().all(|fact| fact.said < floor)
}

fn insert_facts(connection: &Connection, record: i64, facts: &[EncodedFact]) -> rusqlite::Result<()> {
    let insert = "INSERT OR IGNORE INTO facts (record, said, name, body) VALUES (?1, ?2, ?3, ?4)";
    let mut insert = connection.prepare_cached(insert)?;
    facts.iter().try_for_each(|fact| insert.execute(params![record, fact.said.ticks(), fact.name, fact.text]).map(drop))
}

impl PreparedRecord {
    /// `None` where the record is there already.
    fn insert(&self, connection: &Connection, name: &Name, text: &str) -> rusqlite::Result<Option<Place>> {
        let insert = "INSERT INTO records (partition, row, version, ended, body) VALUES (?1, ?2, 1, ?3, ?4) \
                      ON CONFLICT (partition, row) DO NOTHING RETURNING id";
        let row = params![name.partition, name.row, self.ended, text];
        let id = connection.prepare_cached(insert)?.query_row(row, |row| row.get(0)).optional()?;
        Ok(id.map(|id| Place { id, version: 1 }))
    }

    /// `None` where the record is not what was expected.
    fn update(&self, connection: &Connection, name: &Name, at: Place, text: &str) -> rusqlite::Result<Option<Place>> {
        let update = "UPDATE records SET version = version + 1, ended = ?5, body = ?6 \
                      WHERE id = ?1 AND version = ?2 AND partition = ?3 AND row = ?4";
        let row = params![at.id, at.version, name.partition, name.row, self.ended, text];
        let updated = connection.prepare_cached(update)?.execute(row)? > 0;
        Ok(updated.then_some(Place { version: at.version + 1, ..at }))
    }
}

fn floor(connection: &Connection) -> rusqlite::Result<Time> {
    let ask = "SELECT value FROM meta WHERE name = 'floor'";
    let floor: Option<i64> = connection.prepare_cached(ask)?.query_row([], |row| row.get(0)).optional()?;
    Ok(floor.map_or(Time::UNKNOWN, Time::from_ticks))
}

/// The keys as one text a line: no key holds a line end.
fn log_entry(keys: &[Key]) -> String {
    keys.iter().map(Key::to_string).collect::<Vec<_>>().join("\n")
}

fn append(connection: &Connection, entry: &str, now: Time) -> rusqlite::Result<()> {
    connection.prepare_cached("INSERT INTO log (at, keys) VALUES (?1, ?2)")?.execute(params![now.ticks(), entry])?;
    // Only the oldest and nothing behind one that is kept: a gap would hide a change from a reader.
    let prune = "WITH oldest AS (SELECT seq, at FROM log ORDER BY seq LIMIT ?2) DELETE FROM log WHERE seq IN (SELECT seq FROM oldest) \
                 AND seq < coalesce((SELECT min(seq) FROM oldest WHERE at >= ?1), 9223372036854775807)";
    connection.prepare_cached(prune)?.execute(params![now.minus(LOG_KEPT).ticks(), LOG_PRUNED_AT_ONCE])?;
    Ok(())
}

fn changes(connection: &Connection, after: Option<u64>, limit: usize) -> rusqlite::Result<Changes> {
    let ask =
        "SELECT coalesce(min(seq), 0), coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'log'), 0) FROM log";
    let (first, last): (u64, u64) = connection.query_row(ask, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    // With an empty log everything up to the last sequence was pruned.
    let first = if first == 0 { last + 1 } else { first };
    let follows = after.is_some_and(|after| after + 1 >= first && after <= last);
    let reset = || Changes { keys: Vec::new(), cursor: at(last), more: false, reset: true };
    let Some(after) = after.filter(|_| follows) else { return Ok(reset()) };
    let mut entries = connection.prepare_cached("SELECT seq, keys FROM log WHERE seq > ?1 ORDER BY seq")?;
    let mut rows = entries.query([after])?;
    let (mut keys, mut reached) = (Vec::new(), after);
    while let Some(row) = rows.next()? {
        reached = row.get(0)?;
        let entry = row.get_ref(1)?.as_str()?;
        if entry == START_OVER {
            return Ok(reset());
        }
        keys.extend(entry.lines().filter_map(|key| key.parse().ok()));
        if keys.len() >= limit {
            break;
        }
    }
    Ok(Changes { keys, cursor: at(reached), more: reached < last, reset: false })
}

/// The only log in its file, so it has no name.
fn at(sequence: u64) -> Cursor {
    Cursor { log: None, reached: vec![sequence] }
}

fn last_sequence(connection: &Connection) -> rusqlite::Result<u64> {
    let ask = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'log'), 0)";
    connection.query_row(ask, [], |row| row.get(0))
}

fn keys(connection: &Connection, ask: &str, values: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<Vec<Key>> {
    let mut rows = connection.prepare_cached(ask)?;
    let mut rows = rows.query(values)?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        keys.extend(Key::from_parts(row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?));
    }
    Ok(keys)
}
