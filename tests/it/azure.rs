//! Workers on Azure's services as Azurite plays them: several at once, killed, and with faults on the way.
//!
//! Queues are filled little by little: Azurite slows down with a queue's depth, which Azure does not.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use azure_data_tables::clients::TableClient;
use azure_storage_queues::QueueClient;
use futures_util::TryStreamExt as _;
use pipetrail::azure::{Account, Services, TimeOuts};
use pipetrail::clock::SystemClock;
use pipetrail::http::{Limits, MAX_BODY, Server, router};
use pipetrail::ingest::{Mode, Settings, Tally, Worker};
use pipetrail::queue::{AzureQueue, AzureQueueOptions, Queue};
use pipetrail::store::AzureTableStore;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::azurite::{Azurite, unique};
use crate::crash::Process;
use crate::proxy::{FAULTS, Fault, Proxy, SILENCE};
use crate::support::{
    all_tests, assert_same, assert_told, bodies, dead_letters, decode, disordered, folded, open_access, stored,
};

/// Messages on the queue, before more are put.
const DEEP: usize = 150;
const PUT: usize = 64;

/// Queue and store of one account.
struct Cloud {
    queue: Arc<AzureQueue>,
    store: Arc<AzureTableStore>,
    messages: QueueClient,
    rows: TableClient,
}

/// Who waits so long for an answer sees a time-out where the proxy is silent.
fn waiting(request: Duration) -> TimeOuts {
    assert!(request < SILENCE);
    TimeOuts { request, ..TimeOuts::default() }
}

impl Cloud {
    async fn open(account: &Account, name: &str) -> Self {
        let cloud = Self::new(account, name, TimeOuts::default());
        cloud.queue.create().await.unwrap();
        cloud.store.create().await.unwrap();
        cloud
    }

    fn new(account: &Account, name: &str, time_outs: TimeOuts) -> Self {
        let services = Services::with_time_outs(account, time_outs).unwrap();
        let clock = Arc::new(SystemClock);
        let queue = AzureQueue::new(&services, name, name, clock.clone(), AzureQueueOptions::default());
        let store = AzureTableStore::new(&services, name, clock);
        let (messages, rows) = (services.queue(name), services.table(name));
        Self { queue: Arc::new(queue), store: Arc::new(store), messages, rows }
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
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            self.queue.put(chunk.to_vec()).await.unwrap();
        }
        while self.depth().await > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Visible or leased. The queue's own answer costs a look at messages, which Azurite is slow with.
    async fn depth(&self) -> usize {
        self.messages.get_metadata().await.unwrap().approximate_messages_count
    }

    /// How many messages have a count of lonely attempts.
    async fn trials(&self) -> usize {
        let query = self.rows.query().filter("PartitionKey ge 'trial|' and PartitionKey lt 'trial}'");
        let pages: Vec<_> = query.into_stream::<serde_json::Value>().try_collect().await.unwrap();
        pages.iter().map(|page| page.entities.len()).sum()
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

/// That many worker processes on one queue, of which random ones are killed.
async fn killed_at_random(workers: usize, events: usize, seed: u64) {
    // What was in hand is done twice, so many kills make it long.
    const KILLS: usize = 8;
    let azurite = Azurite::on_disk().await;
    let (name, sent) = (unique("killed"), disordered(&bodies(events), seed));
    let cloud = Cloud::open(&azurite.account(), &name).await;
    let start = || Process::start(["azure", &name, &azurite.queue_endpoint(), &azurite.table_endpoint()]);
    let mut rng = SmallRng::seed_from_u64(seed);
    let fed = CancellationToken::new();
    let feed = async {
        cloud.feed(&sent).await;
        fed.cancel();
    };
    let kill = async {
        let mut crew: Vec<Process> = (0..workers).map(|_| start()).collect();
        let mut kills = 0;
        while kills < KILLS && !fed.is_cancelled() {
            tokio::time::sleep(Duration::from_millis(rng.random_range(200..1_500))).await;
            // The old one is dropped, and so killed, in the middle of something.
            crew[rng.random_range(0..workers)] = start();
            kills += 1;
        }
        fed.cancelled().await;
        kills
    };
    let ((), kills) = tokio::join!(feed, kill);
    assert_eq!(kills, KILLS, "the work was done before");
    cloud.assert_holds(&sent).await;
}

#[tokio::test]
async fn two_workers_that_are_killed_leave_what_one_would() {
    killed_at_random(2, 5_000, 11).await;
}

#[tokio::test]
async fn four_workers_that_are_killed_leave_what_one_would() {
    killed_at_random(4, 5_000, 12).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_worker_stays_small_with_large_bodies() {
    const MOST: u64 = 64_000;
    let azurite = Azurite::on_disk().await;
    let name = unique("large");
    let cloud = Cloud::open(&azurite.account(), &name).await;
    let sent: Vec<Vec<u8>> = interleaved(4, 40).into_iter().map(padded).collect();
    for body in &sent {
        cloud.queue.put(vec![body.clone()]).await.unwrap();
    }
    let worker = Process::start(["azure", &name, &azurite.queue_endpoint(), &azurite.table_endpoint()]);
    cloud.feed(&[]).await;
    let most = worker.most_memory();
    assert!(most < MOST, "{most} KiB");
    cloud.assert_holds(&sent).await;
}

/// An event of 2 MiB, of which nothing can be left out.
fn padded(body: Vec<u8>) -> Vec<u8> {
    let mut event: serde_json::Value = serde_json::from_slice(&body).unwrap();
    event["resource"]["padding"] = "x".repeat(MAX_BODY - 2 * body.len()).into();
    event.to_string().into_bytes()
}

#[tokio::test]
async fn faults_on_the_way_lose_and_poison_nothing() {
    let azurite = Azurite::on_disk().await;
    let proxy = Proxy::start(&azurite).await;
    let (name, sent) = (unique("faults"), disordered(&bodies(if all_tests() { 5_000 } else { 600 }), 5));
    let straight = Cloud::open(&azurite.account(), &name).await;
    let clouds = [(); 2].map(|()| Cloud::new(&proxy.account(), &name, waiting(Duration::from_secs(1))));
    proxy.play(2);
    let crew = Crew::start(clouds.iter().map(Cloud::worker));
    straight.feed(&sent).await;
    proxy.play(0);
    let tally = crew.stop().await;
    straight.assert_holds(&sent).await;
    assert_eq!(tally.poisoned, 0);
    let played = proxy.played();
    assert!(FAULTS.iter().all(|fault| played.contains_key(fault)), "not all faults happened: {played:?}");
}

/// What can befall all requests at once.
const OUTAGES: [Fault; 6] =
    [Fault::Busy, Fault::Throttled, Fault::Internal, Fault::CutBefore, Fault::Silent, Fault::Locked];

#[tokio::test]
async fn outages_are_waited_out_cost_no_message_anything_and_are_soon_forgotten() {
    let azurite = Azurite::on_disk().await;
    futures_util::future::join_all(OUTAGES.map(|fault| outage(&azurite, fault))).await;
}

/// With the real lease: what was in hand does not come again before the end of this. So no time-out may strike that is
/// not the proxy's, however slow the machine is: what a lost answer brought is leased to nobody.
async fn outage(azurite: &Azurite, fault: Fault) {
    let proxy = Proxy::start(azurite).await;
    let (name, sent) = (unique("outage"), bodies(400));
    let (before, during) = sent.split_at(200);
    let straight = Cloud::open(&azurite.account(), &name).await;
    let time_outs = if fault == Fault::Silent { waiting(Duration::from_secs(5)) } else { TimeOuts::default() };
    let cloud = Cloud::new(&proxy.account(), &name, time_outs);
    let health = Health::start(&cloud).await;
    straight.queue.put(before.to_vec()).await.unwrap();
    let crew = Crew::start([cloud.worker_with(Settings::default())]);
    while straight.depth().await > 150 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    proxy.all(Some(fault));
    let started = Instant::now();
    straight.queue.put(during.to_vec()).await.unwrap();
    assert_eq!((health.status("/readyz").await, health.status("/healthz").await), (503, 200), "{fault:?}");
    tokio::time::sleep(Duration::from_secs(4).saturating_sub(started.elapsed())).await;
    let left = straight.depth().await;
    assert!(left >= 200, "{fault:?}");
    proxy.all(None);
    let back = Instant::now();
    let tries = proxy.played()[&fault];
    // A thousand a second, if it went on as before.
    assert!(
        u64::from(tries) < started.elapsed().as_secs().max(4) * 120,
        "{fault:?}: it does not slow down: {tries} requests in {:?}",
        started.elapsed()
    );
    while straight.depth().await >= left {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(back.elapsed() < Duration::from_secs(60), "{fault:?}: it goes on late: {:?}", back.elapsed());
    straight.feed(&[]).await;
    assert_eq!(health.status("/readyz").await, 200, "{fault:?}");
    let tally = crew.stop().await;
    assert_eq!((tally.applied + tally.unchanged, tally.poisoned), (400, 0), "{fault:?}: {tally:?}");
    straight.assert_holds(&sent).await;
    assert_eq!(straight.trials().await, 0, "{fault:?}");
}

/// The endpoints that say how a process is, on these parts.
struct Health {
    address: SocketAddr,
    _stop: DropGuard,
}

impl Health {
    async fn start(cloud: &Cloud) -> Self {
        let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let (address, stop) = (server.address(), CancellationToken::new());
        let limits = Limits { probe_is_good: Duration::ZERO, ..Limits::default() };
        let router = router(cloud.queue.clone(), cloud.store.clone(), open_access(address), limits);
        #[expect(clippy::disallowed_methods, reason = "ends with the test")]
        tokio::spawn(server.serve(router, limits, stop.clone()));
        Self { address, _stop: stop.drop_guard() }
    }

    async fn status(&self, path: &str) -> u16 {
        reqwest::get(format!("http://{}{path}", self.address)).await.unwrap().status().as_u16()
    }
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
    let before = proxy.requests();
    let worker = cloud.worker_with(Settings::default());
    let tally = worker.run(Mode::UntilEmpty, CancellationToken::new()).await.unwrap();
    let requests = proxy.requests() - before;
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

/// A worker that begins knows no record: it guesses that there is none, and that costs a load, not a conflict.
#[tokio::test]
async fn who_begins_meets_no_conflict() {
    let azurite = Azurite::start().await;
    let cloud = Cloud::open(&azurite.account(), &unique("begins")).await;
    let sent = interleaved(8, 40);
    for (events, outcome) in [(&sent[..20], "the first"), (&sent[20..], "one that begins")] {
        cloud.queue.put(events.to_vec()).await.unwrap();
        let tally = cloud.worker().run(Mode::UntilEmpty, CancellationToken::new()).await.unwrap();
        assert_eq!((tally.received, tally.conflicts), (20, 0), "{outcome}");
    }
    cloud.assert_holds(&sent).await;
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
