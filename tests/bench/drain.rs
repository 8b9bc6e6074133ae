//! The local file, from queued to committed and deleted, against bare `SQLite` in the same run.
//!
//! `cargo bench --bench drain [-- EVENTS]`: prints events/s of both, their ratio, and the peak of resident memory.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops at the unexpected")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pipetrail::ado::Decoder;
use pipetrail::catalog;
use pipetrail::clock::SystemClock;
use pipetrail::domain::Time;
use pipetrail::history::Plan;
use pipetrail::ingest::{Mode, Settings, Tally, Worker};
use pipetrail::queue::{Queue, SqliteQueue};
use pipetrail::sqlite::{LocalFile, Missing};
use pipetrail::store::SqliteStore;
use rusqlite::{Connection, ToSql, params};
use tokio_util::sync::CancellationToken;

const DEFAULT_EVENTS: usize = 200_000;
const ROUNDS: usize = 3;
/// 64 MiB, in KiB, however many events there are.
const MOST_MEMORY: u64 = 64 << 10;
/// What the comparison does for one message: a lease update, an upsert of this many bytes, a delete.
const BARE_BYTES: usize = 900;
const BARE_BATCH: usize = 32;
/// Messages that the comparison handles at the most: they are made before, in memory.
const MOST_BARE: usize = 50_000;
/// As in the history: so many runs take turns, each with so many events.
const LIVE_RUNS: usize = 64;
const EVENTS_A_RUN: usize = 12;

fn main() {
    let events = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(DEFAULT_EVENTS);
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!("{events} events a round, best and all of {ROUNDS} rounds, events/s");
    let mut ours = Vec::new();
    let mut bare = Vec::new();
    // The comparison keeps its messages in memory: ours is looked at before.
    let mut memory = 0;
    for round in 0..ROUNDS {
        ours.push(runtime.block_on(drain(&folder.path().join(format!("ours-{round}.db")), events)));
        if round == 0 {
            memory = peak_memory();
        }
        let bodies: Vec<_> = bodies().take(events.min(MOST_BARE)).collect();
        bare.push(bare_sqlite(&folder.path().join(format!("bare-{round}.db")), &bodies));
    }
    let best = |all: &[f64]| all.iter().copied().fold(0.0, f64::max);
    println!("pipetrail    {:>9.0}   {ours:.0?}", best(&ours));
    println!("bare SQLite  {:>9.0}   {bare:.0?}", best(&bare));
    println!("ratio        {:>9.2}", best(&ours) / best(&bare));
    println!("peak memory  {memory:>9} KiB, at most {MOST_MEMORY}");
    assert!(memory <= MOST_MEMORY, "the worker takes more memory than it may");
}

/// Events a second from queued to committed, logged and deleted, with facts, stages and catalog.
async fn drain(path: &Path, events: usize) -> f64 {
    let clock = Arc::new(SystemClock);
    let file = LocalFile::open(path, Missing::Create, clock.clone()).unwrap();
    let queue = Arc::new(SqliteQueue::new(file.clone()));
    let store = Arc::new(SqliteStore::open(file, catalog::projection()).await.unwrap());
    fill(queue.as_ref(), events).await;
    let decoder = Decoder::default();
    let worker = Worker::new(queue, store, clock, Arc::new(move |body| decoder.decode(body)), Settings::default());
    let start = Instant::now();
    let tally: Tally = worker.run(Mode::UntilEmpty, CancellationToken::new()).await.unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!((usize::try_from(tally.received).unwrap(), tally.poisoned), (events, 0));
    rate(events, seconds)
}

async fn fill(queue: &dyn Queue, events: usize) {
    let mut chunk = Vec::new();
    for body in bodies().take(events) {
        chunk.push(body);
        if chunk.len() == 1_000 {
            queue.put(std::mem::take(&mut chunk)).await.unwrap();
        }
    }
    queue.put(chunk).await.unwrap();
}

fn bodies() -> impl Iterator<Item = Vec<u8>> {
    let from = Time::parse("2025-01-06T00:00:00Z").unwrap().unwrap();
    let until = from.plus(Duration::from_secs(3_650 * 24 * 3_600));
    let plan = Plan { runs_per_day: 2_000, ..Plan::new("fabrikam", from, until, 7) };
    plan.events().map(|event| event.body)
}

/// What `SQLite` does for a message without a thought spent on what it says: one lease update (finding and
/// reading the message, as a receive does), one upsert, one delete; in batches, as durably, the same events, the
/// same kind of tables (bodies apart from leases). Its leases are as durable as the rest, ours need not be.
fn bare_sqlite(path: &Path, bodies: &[Vec<u8>]) -> f64 {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE messages (id INTEGER PRIMARY KEY, body BLOB);
             CREATE TABLE leases (id INTEGER PRIMARY KEY, visible INTEGER);
             CREATE INDEX leases_visible ON leases (visible, id);
             CREATE TABLE records (key TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID;",
        )
        .unwrap();
    let transaction = connection.unchecked_transaction().unwrap();
    for (id, body) in bodies.iter().enumerate() {
        transaction.execute("INSERT INTO messages VALUES (?1, ?2)", params![id, body]).unwrap();
        transaction.execute("INSERT INTO leases VALUES (?1, 0)", [id]).unwrap();
    }
    transaction.commit().unwrap();
    let start = Instant::now();
    while bare_batch(&connection) > 0 {}
    rate(bodies.len(), start.elapsed().as_secs_f64())
}

/// Two transactions: one that takes, one that writes and deletes. Answers how many messages there were.
fn bare_batch(connection: &Connection) -> usize {
    let run = |sql: &str, values: &[&dyn ToSql]| connection.prepare_cached(sql).unwrap().execute(values).unwrap();
    let transaction = connection.unchecked_transaction().unwrap();
    let ask = "SELECT l.id, m.body FROM leases l JOIN messages m ON m.id = l.id WHERE l.visible <= 0 \
               ORDER BY l.visible, l.id LIMIT ?1";
    let mut ask = connection.prepare_cached(ask).unwrap();
    let taken = ask.query_map([BARE_BATCH], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let taken: Vec<(usize, Vec<u8>)> = taken.map(Result::unwrap).collect();
    for (id, _) in &taken {
        run("UPDATE leases SET visible = 1 WHERE id = ?1", &[id]);
    }
    transaction.commit().unwrap();
    let transaction = connection.unchecked_transaction().unwrap();
    for (id, body) in &taken {
        let upsert = "INSERT INTO records VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET body = excluded.body";
        let key = format!("run|{}", (id / (LIVE_RUNS * EVENTS_A_RUN)) * LIVE_RUNS + id % LIVE_RUNS);
        run(upsert, &[&key, &body.get(..BARE_BYTES).unwrap()]);
        run("DELETE FROM leases WHERE id = ?1", &[id]);
        run("DELETE FROM messages WHERE id = ?1", &[id]);
    }
    transaction.commit().unwrap();
    taken.len()
}

fn rate(count: usize, seconds: f64) -> f64 {
    f64::from(u32::try_from(count).unwrap()) / seconds
}

/// Of this process in KiB, as Linux tells it; zero elsewhere.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    peak.and_then(|peak| peak.parse().ok()).unwrap_or_default()
}
