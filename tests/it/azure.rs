//! Workers on Azure's services as Azurite plays them: several at once, killed, and with faults on the way.
//!
//! Queues are filled little by little: Azurite slows down with a queue's depth, which Azure does not.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pipetrail::azure::{Account, Services};
use pipetrail::clock::SystemClock;
use pipetrail::ingest::{Mode, Settings, Tally, Worker};
use pipetrail::queue::{AzureQueue, AzureQueueOptions, Queue};
use pipetrail::store::AzureTableStore;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::azurite::{Azurite, unique};
use crate::crash::program;
use crate::proxy::{FAULTS, Proxy};
use crate::support::{all_tests, assert_same, assert_told, bodies, dead_letters, decode, disordered, folded, stored};

/// Messages on the queue at the most.
const DEEP: u64 = 400;
const PUT: usize = 64;

/// Queue and store of one account.
struct Cloud {
    queue: Arc<AzureQueue>,
    store: Arc<AzureTableStore>,
}

impl Cloud {
    async fn open(account: &Account, name: &str) -> Self {
        let services = Services::new(account).unwrap();
        let clock = Arc::new(SystemClock);
        let queue = AzureQueue::new(&services, name, name, clock.clone(), AzureQueueOptions::default());
        let store = AzureTableStore::new(&services, name, clock);
        queue.create().await.unwrap();
        store.create().await.unwrap();
        Self { queue: Arc::new(queue), store: Arc::new(store) }
    }

    /// With leases so short that what was lost on the way comes again soon.
    fn worker(&self) -> Worker {
        let (lease, deadline) = (Duration::from_secs(6), Duration::from_secs(5));
        self.worker_with(Settings { lease, deadline, ..Settings::default() })
    }

    fn worker_with(&self, settings: Settings) -> Worker {
        let settings = Settings { idle: Duration::from_millis(50), ..settings };
        Worker::new(self.queue.clone(), self.store.clone(), Arc::new(SystemClock), decode(), settings)
    }

    /// Puts all of these on the queue while workers take them off, then waits until it is empty.
    async fn feed(&self, bodies: &[Vec<u8>]) {
        for chunk in bodies.chunks(PUT) {
            while self.depth().await > DEEP {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            self.queue.put(chunk.to_vec()).await.unwrap();
        }
        while self.depth().await > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn depth(&self) -> u64 {
        let depth = self.queue.depth().await.unwrap();
        depth.visible + depth.leased
    }

    async fn assert_holds(&self, sent: &[Vec<u8>]) {
        assert_eq!(dead_letters(self.queue.as_ref()).await, []);
        let expected = folded(sent);
        assert_same(&stored(self.store.as_ref()).await, &expected);
        assert_told(self.store.as_ref(), &expected).await;
    }
}

/// These workers, and their tallies together once they are stopped.
struct Crew {
    stop: CancellationToken,
    workers: JoinSet<Tally>,
}

impl Crew {
    fn start(workers: impl IntoIterator<Item = Worker>) -> Self {
        let stop = CancellationToken::new();
        let mut set = JoinSet::new();
        for worker in workers {
            let stop = stop.clone();
            set.spawn(async move { worker.run(Mode::Forever, stop).await.unwrap() });
        }
        Self { stop, workers: set }
    }

    async fn stop(self) -> Tally {
        self.stop.cancel();
        let mut total = Tally::default();
        self.workers.join_all().await.into_iter().for_each(|tally| total += tally);
        total
    }
}

/// That many workers, each with its own clients, on one queue.
async fn several(count: usize, events: usize) {
    let azurite = Azurite::on_disk().await;
    let account = azurite.account();
    let name = unique("several");
    let sent = disordered(&bodies(events), 3);
    let mut clouds = Vec::new();
    for _ in 0..count {
        clouds.push(Cloud::open(&account, &name).await);
    }
    let crew = Crew::start(clouds.iter().map(Cloud::worker));
    clouds[0].feed(&sent).await;
    let tally = crew.stop().await;
    assert!(tally.received >= u64::try_from(sent.len()).unwrap(), "{tally:?}");
    clouds[0].assert_holds(&sent).await;
}

#[tokio::test]
async fn two_workers_leave_what_one_would() {
    several(2, 2_000).await;
}

#[tokio::test]
async fn four_workers_leave_what_one_would() {
    several(4, 2_000).await;
}

/// A worker process; it does not outlive the test.
struct Process(Child);

impl Process {
    fn start(azurite: &Azurite, name: &str) -> Self {
        let mut command = Command::new(program());
        command.args(["azure", name, &azurite.queue_endpoint(), &azurite.table_endpoint()]);
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Process {
    /// With SIGKILL.
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn workers_that_are_killed_leave_what_one_would() {
    const KILLS: usize = 8;
    let azurite = Azurite::on_disk().await;
    let (name, sent) = (unique("killed"), disordered(&bodies(if all_tests() { 5_000 } else { 1_500 }), 11));
    let cloud = Cloud::open(&azurite.account(), &name).await;
    let mut rng = SmallRng::seed_from_u64(480);
    let fed = AtomicBool::new(false);
    let feed = async {
        cloud.feed(&sent).await;
        fed.store(true, Ordering::SeqCst);
    };
    let kill = async {
        let mut workers = [Process::start(&azurite, &name), Process::start(&azurite, &name)];
        let mut kills = 0;
        while !fed.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(rng.random_range(100..600))).await;
            if kills < KILLS {
                // The old one is dropped, and so killed, in the middle of something.
                workers[kills % 2] = Process::start(&azurite, &name);
                kills += 1;
            }
        }
        kills
    };
    let ((), kills) = tokio::join!(feed, kill);
    assert!(kills >= 3, "only {kills} were killed before the work was done");
    cloud.assert_holds(&sent).await;
}

#[tokio::test]
async fn faults_on_the_way_lose_and_poison_nothing() {
    let azurite = Azurite::on_disk().await;
    let proxy = Proxy::start(&azurite).await;
    let (name, sent) = (unique("faults"), disordered(&bodies(600), 5));
    let straight = Cloud::open(&azurite.account(), &name).await;
    let cloud = Cloud::open(&proxy.account(), &name).await;
    proxy.play(2);
    let crew = Crew::start([cloud.worker(), cloud.worker()]);
    straight.feed(&sent).await;
    proxy.play(0);
    crew.stop().await;
    straight.assert_holds(&sent).await;
    let played = proxy.played();
    assert!(FAULTS.iter().all(|fault| played.contains_key(fault)), "not all faults happened: {played:?}");
}

#[tokio::test]
async fn an_outage_is_waited_out_and_then_made_good() {
    let azurite = Azurite::on_disk().await;
    let proxy = Proxy::start(&azurite).await;
    let (name, sent) = (unique("outage"), bodies(300));
    let straight = Cloud::open(&azurite.account(), &name).await;
    let cloud = Cloud::open(&proxy.account(), &name).await;
    straight.queue.put(sent.clone()).await.unwrap();
    proxy.away(true);
    let crew = Crew::start([cloud.worker()]);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(straight.depth().await, 300);
    proxy.away(false);
    let back = Instant::now();
    straight.feed(&[]).await;
    assert!(back.elapsed() < Duration::from_secs(30), "it goes on slowly: {:?}", back.elapsed());
    crew.stop().await;
    straight.assert_holds(&sent).await;
}

/// Events of runs of so many pipelines that take turns, ten a run.
fn interleaved(pipelines: usize, events: usize) -> Vec<Vec<u8>> {
    let example = include_bytes!("../../example-json/started_build.json");
    let example: serde_json::Value = serde_json::from_slice(example).unwrap();
    let event = |number: usize| {
        let (pipeline, turn) = (number % pipelines, number / pipelines);
        let mut event = example.clone();
        event["createdDate"] = format!("2026-03-02T10:{:02}:{:02}Z", number / 60 % 60, number % 60).into();
        event["resource"]["run"]["id"] = (1_000 + turn / 10 * pipelines + pipeline).into();
        for part in ["/resource/run/pipeline", "/resource/pipeline"] {
            event.pointer_mut(part).unwrap()["id"] = (1 + pipeline).into();
        }
        event.to_string().into_bytes()
    };
    (0..events).map(event).collect()
}

/// Requests an event that one worker makes for a backlog, all in all.
async fn requests_an_event(azurite: &Azurite, pipelines: usize) -> f64 {
    const EVENTS: u32 = 960;
    let proxy = Proxy::start(azurite).await;
    let name = unique("requests");
    let straight = Cloud::open(&azurite.account(), &name).await;
    let sent = interleaved(pipelines, usize::try_from(EVENTS).unwrap());
    straight.queue.put(sent.clone()).await.unwrap();
    let cloud = Cloud::open(&proxy.account(), &name).await;
    let before: u32 = proxy.seen().values().sum();
    let worker = cloud.worker_with(Settings::default());
    let tally = worker.run(Mode::UntilEmpty, CancellationToken::new()).await.unwrap();
    let requests = proxy.seen().values().sum::<u32>() - before;
    assert_eq!((tally.received, tally.conflicts), (u64::from(EVENTS), 0));
    straight.assert_holds(&sent).await;
    f64::from(requests) / f64::from(EVENTS)
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "the figures are read")]
async fn requests_are_few() {
    let azurite = Azurite::on_disk().await;
    for (pipelines, most) in [(1, 1.15), (8, 1.35), (25, 1.9)] {
        let requests = requests_an_event(&azurite, pipelines).await;
        // For the README: `cargo test --test it requests_are_few -- --nocapture`.
        eprintln!("{pipelines} pipelines: {requests:.2} requests an event, at most {most}");
        assert!(requests <= most);
    }
}

#[tokio::test]
async fn a_client_that_is_not_ours_reads_the_columns_by_their_types() {
    let azurite = Azurite::start().await;
    let name = unique("columns");
    let cloud = Cloud::open(&azurite.account(), &name).await;
    let body = include_bytes!("../../example-json/completed_build.json").to_vec();
    cloud.queue.put(vec![body]).await.unwrap();
    cloud.worker().run(Mode::UntilEmpty, CancellationToken::new()).await.unwrap();
    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/azurite/read.js");
    let filter = "PartitionKey eq 'run|fabrikam|7' and RowKey ge 'r|' and RowKey lt 'r}'";
    let mut read = Command::new("node");
    read.args([reader, azurite.connection_string(), &name, filter]);
    let read = tokio::task::spawn_blocking(move || read.output()).await.unwrap().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let rows: serde_json::Value = serde_json::from_slice(&read.stdout).unwrap();
    let row = &rows[0];
    assert_eq!((&row["runId"]["int64"], &row["pipelineId"]["int64"]), (&"479".into(), &"7".into()), "{rows}");
    assert_eq!((&row["name"], &row["result"]), (&"20191002.2".into(), &"succeeded".into()), "{rows}");
    let finished = row["finishedAt"].as_object().and_then(|time| time.get("dateTime"));
    assert!(finished.is_some_and(|time| time.as_str().unwrap().starts_with("2019-10-02T19:57:")), "{rows}");
}
