//! The local file: one `SQLite` database that is queue, store and catalog at once.
//!
//! One thread writes, so nothing waits for a lock inside the process, and writes that are waiting together
//! share one transaction (group commit). What was acknowledged survives a power cut: write-ahead log with
//! `synchronous = FULL`. Only leases are written with `synchronous = NORMAL`, since a lost lease harms
//! nobody. Reads run on connections of their own, beside the writer; none is held across an await.
//!
//! A kill proves nothing about power, so the settings themselves are tested. Memory-mapped I/O stays off: an
//! I/O error would be a signal instead of an error.
//!
//! <https://sqlite.org/wal.html>, <https://sqlite.org/pragma.html#pragma_synchronous>

mod error;
mod owner;
mod reading;
mod replica;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backoff::ExponentialBackoff;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use tokio::sync::OnceCell;

use crate::clock::Clock;
use crate::domain::Time;

pub use error::LocalError;
pub(crate) use owner::Owner;
use reading::{Reading, Waiting};
pub use replica::Place;
pub(crate) use replica::Turn;
use writer::Writer;

/// How long a write waits for another process before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages in the write-ahead log before they are moved into the file: 32 MiB.
const CHECKPOINT_PAGES: u32 = 8_192;
/// Connections for reading that are kept open, as many as the catalog has questions at once at the most.
const READERS_KEPT: usize = 8;
/// Statements that a connection keeps prepared.
const STATEMENTS_KEPT: usize = 128;
const SCHEMA_VERSION: u32 = 1;

/// What a file is for. Its header says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Queue and records: the only copy.
    Data,
    /// What a reader follows a store with.
    Replica,
}

impl Kind {
    const fn application_id(self) -> i32 {
        match self {
            // "PTRL"
            Self::Data => 0x5054_524c,
            // "PTRR"
            Self::Replica => 0x5054_5252,
        }
    }

    const fn schema(self) -> &'static str {
        match self {
            Self::Data => include_str!("schema.sql"),
            // The catalog makes the others.
            Self::Replica => "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;",
        }
    }
}

/// What to do when the file is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    Create,
    Fail,
}

/// How sure a write is once it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// Survives a killed process; a power cut may undo it, unless something was written with
    /// [`Durability::Full`] since: the log is durable up to its end or not at all.
    Normal,
    /// Survives a power cut.
    Full,
}

impl Durability {
    fn synchronous(self) -> &'static str {
        match self {
            Self::Normal => "NORMAL",
            Self::Full => "FULL",
        }
    }
}

/// An open local file. Cheap to clone; the last clone closes it.
#[derive(Debug, Clone)]
pub struct LocalFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    writer: Writer,
    readers: Mutex<Vec<Connection>>,
    owner: OnceCell<Owner>,
    clock: Arc<dyn Clock>,
    /// Whose file may be there, of a replica.
    place: Option<Place>,
}

impl LocalFile {
    /// Opens the file and brings its tables up to date.
    ///
    /// # Errors
    /// When it cannot be opened, is no database of ours, or was written by a newer version.
    pub fn open(path: &Path, missing: Missing, clock: Arc<dyn Clock>) -> Result<Self, LocalError> {
        Self::open_as(Kind::Data, path, missing, clock, None)
    }

    fn open_as(
        kind: Kind,
        path: &Path,
        missing: Missing,
        clock: Arc<dyn Clock>,
        place: Option<Place>,
    ) -> Result<Self, LocalError> {
        let fail = |error| LocalError::new(path, error);
        if missing == Missing::Fail && !path.exists() {
            return Err(LocalError::missing(path));
        }
        if path.is_dir() {
            return Err(LocalError::folder(path));
        }
        let connection = connect(path).map_err(fail)?;
        migrate(&connection, kind, path)?;
        if kind == Kind::Replica {
            // What is overwritten or deleted is gone: nobody tells a replica that somebody was forgotten.
            overwrite_deleted(&connection).map_err(fail)?;
        }
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            writer: Writer::start(path, connection)?,
            readers: Mutex::default(),
            owner: OnceCell::new(),
            clock,
            place,
        })))
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    pub(crate) fn now(&self) -> Time {
        self.0.clock.now()
    }

    /// Runs `act` in a transaction of the writer. Acknowledged, it is as sure as `durability` says.
    pub(crate) async fn write<T, F>(&self, durability: Durability, act: F) -> Result<T, LocalError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.0.writer.run(durability, act).await
    }

    /// Runs `ask` on a reading connection, seeing one moment of the file. Who no longer waits for the answer ends it.
    pub(crate) async fn read<T, F>(&self, ask: F) -> Result<T, LocalError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let this = self.clone();
        let reading = Reading::default();
        let _waiting = Waiting(reading.clone());
        let answer = tokio::task::spawn_blocking(move || this.read_here(&reading, ask)).await;
        answer.unwrap_or_else(|_| Err(LocalError::stopped(&self.0.path)))
    }

    fn read_here<T>(
        &self,
        reading: &Reading,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, LocalError> {
        let fail = |error| LocalError::new(&self.0.path, error);
        let kept = self.0.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = kept.map_or_else(|| connect_reader(&self.0.path), Ok).map_err(fail)?;
        let transaction = connection.unchecked_transaction().map_err(fail)?;
        if !reading.begin(connection.get_interrupt_handle()) {
            return Err(LocalError::stopped(&self.0.path));
        }
        let answer = ask(&transaction);
        reading.end();
        let answer = answer.map_err(fail)?;
        drop(transaction);
        let mut readers = self.0.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS_KEPT {
            readers.push(connection);
        }
        Ok(answer)
    }

    /// This process as a holder of leases in the file.
    pub(crate) async fn owner(&self) -> Result<&Owner, LocalError> {
        self.0.owner.get_or_try_init(|| Owner::claim(self)).await
    }

    /// Gives back all free pages, after which nothing is left in the file of what was deleted or overwritten.
    ///
    /// # Errors
    /// When another process uses the file.
    pub async fn compact(&self) -> Result<(), LocalError> {
        let path = self.path().to_owned();
        let compacted = tokio::task::spawn_blocking(move || compact(&path)).await;
        compacted.unwrap_or_else(|_| Err(LocalError::stopped(self.path())))
    }

    /// From now on what this process deletes or overwrites is zeros in the file: each page costs one more write.
    ///
    /// <https://sqlite.org/pragma.html#pragma_secure_delete>
    pub(crate) async fn overwrite_deleted(&self) -> Result<(), LocalError> {
        self.write(Durability::Normal, overwrite_deleted).await
    }

    /// Whether another process is reading what the file was a while ago: nothing can be taken out of it for good then.
    pub(crate) async fn is_held(&self) -> Result<bool, LocalError> {
        // Something has to stand in the log, or nobody holds it.
        let now = self.now().ticks();
        let touch = "INSERT OR REPLACE INTO meta (name, value) VALUES ('held', ?1)";
        self.write(Durability::Normal, move |c| c.execute(touch, [now])).await?;
        self.is_log_busy().await
    }

    async fn is_log_busy(&self) -> Result<bool, LocalError> {
        let path = self.path().to_owned();
        let fail = |error| LocalError::new(self.path(), error);
        let busy = tokio::task::spawn_blocking(move || connect(&path).and_then(|c| is_log_busy(&c))).await;
        busy.map_or_else(|_| Err(LocalError::stopped(self.path())), |busy| busy.map_err(fail))
    }

    /// Moves the write-ahead log into the file, as far as nobody reads it right now: it holds pages as they were.
    pub(crate) async fn empty_log(&self) -> Result<(), LocalError> {
        self.is_log_busy().await.map(drop)
    }

    /// Writes a copy of the file, consistent as of now, while it is in use.
    ///
    /// # Errors
    /// When `to` exists or cannot be written.
    pub async fn backup(&self, to: &Path) -> Result<(), LocalError> {
        if to.exists() {
            return Err(LocalError::exists(to));
        }
        let target = to.to_owned();
        let path = self.0.path.clone();
        // Not in the reader's transaction: VACUUM starts its own.
        let copied = tokio::task::spawn_blocking(move || {
            let connection = connect_reader(&path)?;
            connection.execute("VACUUM INTO ?1", [target.to_string_lossy()])
        });
        match copied.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(LocalError::new(to, error)),
            Err(_) => Err(LocalError::stopped(&self.0.path)),
        }
    }
}

/// A new file becomes one with a log once, and whoever does it at the same time as another is refused at once, whatever the
/// time to wait: <https://sqlite.org/c3ref/busy_handler.html>. So it is tried again for as long.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let waits = ExponentialBackoff {
        initial_interval: Duration::from_millis(1),
        max_interval: Duration::from_millis(50),
        max_elapsed_time: Some(BUSY_TIMEOUT),
        ..ExponentialBackoff::default()
    };
    let connected = backoff::retry(waits, || match try_to_connect(path) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
            Err(backoff::Error::transient(error))
        }
        connected => connected.map_err(backoff::Error::permanent),
    });
    connected.map_err(|error| match error {
        backoff::Error::Permanent(error) | backoff::Error::Transient { err: error, .. } => error,
    })
}

fn try_to_connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // Before the first table, or it has no effect.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "synchronous", Durability::Full.synchronous())?;
    connection.pragma_update(None, "cache_size", -6_144)?;
    keep_plans(&connection)?;
    Ok(connection)
}

/// A statement keeps its plan whatever is bound to it. Else many are compiled anew with each value, which takes longer
/// than they do: the plan of one that names a partial index is held to depend on them.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

fn overwrite_deleted(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "secure_delete", "ON")
}

/// The log has to go, too: it holds pages as they were.
fn compact(path: &Path) -> Result<(), LocalError> {
    let fail = |error| LocalError::new(path, error);
    let connection = connect(path).map_err(fail)?;
    connection.execute_batch("VACUUM").map_err(fail)?;
    if is_log_busy(&connection).map_err(fail)? { Err(LocalError::busy(path)) } else { Ok(()) }
}

/// Empties the log, unless somebody is reading it.
fn is_log_busy(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
}

fn connect_reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.pragma_update(None, "cache_size", -1_024)?;
    keep_plans(&connection)?;
    Ok(connection)
}

fn migrate(connection: &Connection, kind: Kind, path: &Path) -> Result<(), LocalError> {
    let fail = |error| LocalError::new(path, error);
    let (application, version, tables) = stamp(connection).map_err(fail)?;
    let version = u32::try_from(version).unwrap_or(u32::MAX);
    if tables > 0 && application != i64::from(kind.application_id()) {
        return Err(LocalError::foreign(path));
    }
    if version > SCHEMA_VERSION {
        return Err(LocalError::newer(path, version, SCHEMA_VERSION));
    }
    if version == 0 { make(connection, kind).map_err(fail) } else { Ok(()) }
}

/// The application that the file is of, the version of its tables and how many there are, of one moment: another process
/// may make them right now.
fn stamp(connection: &Connection) -> rusqlite::Result<(i64, i64, i64)> {
    let moment = connection.unchecked_transaction()?;
    let stamp = "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), \
                 (SELECT count(*) FROM sqlite_schema)";
    moment.query_row(stamp, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

/// Several processes may start on a new file at once: the first one makes the tables, and the others look again.
fn make(connection: &Connection, kind: Kind) -> rusqlite::Result<()> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let version: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 0 {
        let (schema, id) = (kind.schema(), kind.application_id());
        let version = format!("PRAGMA application_id = {id}; PRAGMA user_version = {SCHEMA_VERSION};");
        transaction.execute_batch(&format!("{schema} {version}"))?;
    }
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::clock::SystemClock;

    fn open(path: &Path) -> LocalFile {
        LocalFile::open(path, Missing::Create, Arc::new(SystemClock)).unwrap()
    }

    async fn pragma(file: &LocalFile, durability: Durability, name: &'static str) -> String {
        let text =
            |row: &rusqlite::Row<'_>| row.get_ref(0)?.as_i64().map(|number| number.to_string()).or_else(|_| row.get(0));
        file.write(durability, move |c| c.pragma_query_value(None, name, text)).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_acknowledged_survives_a_power_cut_by_its_settings() {
        let folder = tempfile::tempdir().unwrap();
        let file = open(&folder.path().join("a.db"));
        for (durability, synchronous) in [(Durability::Full, "2"), (Durability::Normal, "1")] {
            assert_eq!(pragma(&file, durability, "journal_mode").await, "wal");
            assert_eq!(pragma(&file, durability, "synchronous").await, synchronous);
            assert_eq!(pragma(&file, durability, "mmap_size").await, "0");
            assert_eq!(pragma(&file, durability, "auto_vacuum").await, "2");
        }
    }

    #[test]
    fn a_statement_is_compiled_once_whatever_is_bound_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let tables = "CREATE TABLE runs (pipeline, branch, result);
                      CREATE INDEX ended ON runs (pipeline, branch) WHERE result IS NOT NULL";
        connect(&path).unwrap().execute_batch(tables).unwrap();
        for connection in [connect(&path).unwrap(), connect_reader(&path).unwrap()] {
            let ask = "SELECT branch, result = 'failed' FROM runs INDEXED BY ended \
                       WHERE pipeline = ? AND branch = ? AND result IS NOT NULL ORDER BY branch";
            for pipeline in 0..10 {
                let mut ask = connection.prepare_cached(ask).unwrap();
                assert!(!ask.exists((pipeline, format!("refs/heads/{pipeline}"))).unwrap());
                assert_eq!(ask.get_status(StatementStatus::RePrepare), 0);
            }
        }
    }

    #[test]
    fn several_may_open_a_new_file_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..100 {
            let path = folder.path().join(format!("{round}.db"));
            let start = std::sync::Barrier::new(4);
            let one = || {
                start.wait();
                LocalFile::open(&path, Missing::Create, Arc::new(SystemClock)).map(drop)
            };
            std::thread::scope(|threads| {
                let opened: Vec<_> = (0..4).map(|_| threads.spawn(one)).collect();
                for opened in opened {
                    opened.join().unwrap().unwrap();
                }
            });
        }
    }

    #[tokio::test]
    async fn a_question_that_nobody_waits_for_ends() {
        use std::sync::mpsc::{RecvTimeoutError, channel};
        let folder = tempfile::tempdir().unwrap();
        let file = open(&folder.path().join("a.db"));
        let (told, ended) = channel();
        let endless = file.read(move |c| {
            let ask = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT max(n) FROM n";
            let found = c.query_row(ask, [], |row| row.get::<_, i64>(0));
            told.send(found.is_err()).unwrap();
            found
        });
        assert!(tokio::time::timeout(Duration::from_millis(200), endless).await.is_err());
        // Where it had not begun yet, it never does.
        assert!(matches!(ended.recv_timeout(Duration::from_secs(30)), Ok(true) | Err(RecvTimeoutError::Disconnected)));
        assert!(file.read(|c| c.query_row("SELECT 1", [], |row| row.get::<_, i64>(0))).await.is_ok());
    }

    #[tokio::test]
    async fn a_failed_write_leaves_nothing_and_those_of_its_group_may_try_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = open(&folder.path().join("a.db"));
        let good =
            || file.write(Durability::Full, |c| c.execute("INSERT INTO meta (name, value) VALUES ('good', 1)", []));
        let bad = file.write(Durability::Full, |c| {
            c.execute("INSERT INTO meta (name, value) VALUES ('half', 1)", [])?;
            c.execute("INSERT INTO no_such_table VALUES (1)", [])
        });
        let (grouped, failed) = tokio::join!(good(), bad);
        assert!(!failed.unwrap_err().is_passing());
        match grouped {
            Ok(_) => {}
            Err(error) => {
                assert!(error.is_passing(), "{error}");
                good().await.unwrap();
            }
        }
        let names = "SELECT group_concat(name) FROM meta";
        let names = file.read(move |c| c.query_row(names, [], |row| row.get::<_, String>(0))).await.unwrap();
        assert_eq!(names, "good");
    }

    #[tokio::test]
    async fn a_full_disk_is_said_in_words_and_the_file_stays_usable() {
        let folder = tempfile::tempdir().unwrap();
        let file = open(&folder.path().join("a.db"));
        let limit = |pages: u32| file.write(Durability::Full, move |c| c.pragma_update(None, "max_page_count", pages));
        limit(64).await.unwrap();
        let fill = |bytes: i64| {
            file.write(Durability::Full, move |c| {
                c.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('big', zeroblob(?1))", [bytes])
            })
        };
        let error = fill(10_000_000).await.unwrap_err();
        assert!(error.to_string().contains("disk is full"), "{error}");
        assert!(!error.is_passing());
        fill(10).await.unwrap();
    }

    #[test]
    fn files_that_are_not_ours_are_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let said = |missing| LocalFile::open(&path, missing, Arc::new(SystemClock)).unwrap_err().to_string();
        assert!(said(Missing::Fail).contains("does not exist"));
        std::fs::create_dir(&path).unwrap();
        assert!(said(Missing::Create).contains("a folder"));
        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, "this is not a database, it is a text of some length").unwrap();
        assert!(said(Missing::Create).contains("not a database"), "{}", said(Missing::Create));
        std::fs::remove_file(&path).unwrap();
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
        assert!(said(Missing::Create).contains("another program"));
        std::fs::remove_file(&path).unwrap();
        drop(open(&path));
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(said(Missing::Create).contains("newer"));
    }
}
