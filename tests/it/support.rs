//! What several tests need: a local file, bodies, what a process says, and the truth to compare with.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use pipetrail::ado::{Decoded, Decoder};
use pipetrail::catalog::{self, Catalog};
use pipetrail::clock::{Clock, SystemClock};
use pipetrail::config::{AccessConfig, FluxConfig, HttpConfig};
use pipetrail::domain::{Join, Key, Record, Time};
use pipetrail::history::Plan;
use pipetrail::http::Access;
use pipetrail::ingest::{Decode, Mode, Settings, Tally, Worker};
use pipetrail::queue::{DeadLetter, DeadLetterFilter, Queue, SqliteQueue};
use pipetrail::sqlite::{LocalFile, Missing};
use pipetrail::store::{Cursor, SqliteStore, Store};
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use tokio_util::sync::CancellationToken;

/// Queue, store and catalog of one local file.
pub(crate) struct Local {
    pub(crate) file: LocalFile,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) catalog: Catalog,
}

impl Local {
    pub(crate) async fn open(path: &Path) -> Self {
        Self::open_with(path, Arc::new(SystemClock)).await
    }

    pub(crate) async fn open_with(path: &Path, clock: Arc<dyn Clock>) -> Self {
        let file = LocalFile::open(path, Missing::Create, clock).unwrap();
        let store = SqliteStore::open(file.clone(), catalog::projection()).await.unwrap();
        Self {
            queue: Arc::new(SqliteQueue::new(file.clone())),
            store: Arc::new(store),
            catalog: Catalog::local(file.clone()),
            file,
        }
    }

    /// A worker on these parts, quick to notice things.
    pub(crate) fn worker(&self) -> Worker {
        worker(self.queue.clone(), self.store.clone())
    }

    pub(crate) async fn drain(&self) -> Tally {
        drain(&self.worker()).await
    }
}

pub(crate) fn quick() -> Settings {
    Settings { idle: Duration::from_millis(20), ..Settings::default() }
}

pub(crate) fn decode() -> Decode {
    let decoder = Decoder::default();
    Arc::new(move |body| decoder.decode(body))
}

pub(crate) fn worker(queue: Arc<dyn Queue>, store: Arc<dyn Store>) -> Worker {
    Worker::new(queue, store, Arc::new(SystemClock), decode(), quick())
}

/// A server where nothing is configured.
pub(crate) fn open_access(listen: SocketAddr) -> Access {
    let access = AccessConfig::default();
    let http = HttpConfig { listen, hook: None, access, flux: FluxConfig::default(), public_url: None };
    Access::new(&http, Arc::new(SystemClock)).unwrap()
}

/// Waits for a condition, for a minute.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(60), wait).await.is_ok(), "{what}: not within a minute");
}

/// Works until the queue is empty.
pub(crate) async fn drain(worker: &Worker) -> Tally {
    let done = worker.run(Mode::UntilEmpty, CancellationToken::new());
    tokio::time::timeout(Duration::from_secs(120), done).await.expect("the queue did not get empty").unwrap()
}

/// Whether the long forms of the tests run: `PIPETRAIL_TEST_ALL=1`.
#[expect(clippy::disallowed_methods, reason = "how much to test is for the caller's environment to say")]
pub(crate) fn all_tests() -> bool {
    std::env::var("PIPETRAIL_TEST_ALL").is_ok_and(|value| value == "1")
}

pub(crate) async fn dead_letters(queue: &dyn Queue) -> Vec<DeadLetter> {
    queue.dead_letters(&DeadLetterFilter::default(), None, 10_000).await.unwrap()
}

/// A folder that is removed at the end, with the path of a data file in it.
pub(crate) fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipetrail.db");
    (folder, path)
}

pub(crate) fn time(text: &str) -> Time {
    Time::parse(text).unwrap().unwrap()
}

/// What a process says, line by line, as it comes.
pub(crate) fn lines(pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (send, lines) = mpsc::channel();
    let pipe = BufReader::new(pipe);
    std::thread::spawn(move || pipe.lines().map_while(Result::ok).for_each(|line| send.send(line).unwrap_or(())));
    lines
}

/// So many events of a believable history.
pub(crate) fn bodies(count: usize) -> Vec<Vec<u8>> {
    let from = time("2026-03-02T00:00:00Z");
    let plan =
        Plan { runs_per_day: 400, ..Plan::new("fabrikam", from, from.plus(Duration::from_secs(400 * 24 * 3600)), 7) };
    plan.events().take(count).map(|event| event.body).collect()
}

/// The bodies as a queue may deliver them: some twice, in any order, raw and base64 mixed.
pub(crate) fn disordered(bodies: &[Vec<u8>], seed: u64) -> Vec<Vec<u8>> {
    use base64::Engine as _;
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut all: Vec<Vec<u8>> = bodies.to_vec();
    all.extend(bodies.iter().filter(|_| rng.random_bool(0.2)).cloned());
    all.shuffle(&mut rng);
    let encode = |body: &Vec<u8>| base64::engine::general_purpose::STANDARD.encode(body).into_bytes();
    all.iter().map(|body| if rng.random_bool(0.5) { encode(body) } else { body.clone() }).collect()
}

/// The records that these bodies amount to.
pub(crate) fn folded(bodies: &[Vec<u8>]) -> BTreeMap<Key, Record> {
    let decoder = Decoder::default();
    let mut records: BTreeMap<Key, Record> = BTreeMap::new();
    for body in bodies {
        let Ok(Decoded::Facts(facts)) = decoder.decode(body) else { continue };
        for fact in facts {
            let delta = Record::of(&fact);
            match records.get_mut(&fact.key()) {
                Some(record) => record.absorb(delta),
                None => drop(records.insert(fact.key(), delta)),
            }
        }
    }
    records
}

/// Every record of the store.
pub(crate) async fn stored(store: &dyn Store) -> BTreeMap<Key, Record> {
    let mut records = BTreeMap::new();
    let mut last = None;
    loop {
        let keys = store.keys(last.as_ref(), 700).await.unwrap();
        let Some(end) = keys.last().cloned() else { return records };
        let loaded = store.load(&keys).await.unwrap();
        records.extend(keys.into_iter().zip(loaded).map(|(key, stored)| (key, stored.unwrap().record.unwrap())));
        last = Some(end);
    }
}

/// Compares without printing thousands of records.
pub(crate) fn assert_same(found: &BTreeMap<Key, Record>, expected: &BTreeMap<Key, Record>) {
    let differ: Vec<String> = expected
        .iter()
        .filter(|(key, record)| found.get(key) != Some(record))
        .map(|(key, _)| key.to_string())
        .collect();
    assert!(differ.is_empty(), "{} of {} records differ: {:?}", differ.len(), expected.len(), differ.first());
    assert_eq!(found.len(), expected.len());
}

/// The keys in the change log.
pub(crate) async fn told(store: &dyn Store) -> BTreeSet<Key> {
    // As many zeros as this store's cursors have numbers.
    let mut start = serde_json::to_value(store.changes(&Cursor::default(), 1).await.unwrap().cursor).unwrap();
    start["reached"].as_array_mut().unwrap().fill(0.into());
    let mut cursor: Cursor = serde_json::from_value(start).unwrap();
    let mut keys = BTreeSet::new();
    loop {
        let changes = store.changes(&cursor, 100).await.unwrap();
        assert!(!changes.reset);
        keys.extend(changes.keys);
        if !changes.more {
            return keys;
        }
        cursor = changes.cursor;
    }
}

/// Readers can know of each of these records.
pub(crate) async fn assert_told(store: &dyn Store, records: &BTreeMap<Key, Record>) {
    let told = told(store).await;
    let untold = records.keys().filter(|key| !told.contains(key)).count();
    assert_eq!(untold, 0, "of {} records are not in the change log", records.len());
}
