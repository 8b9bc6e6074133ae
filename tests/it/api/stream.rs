use std::sync::Arc;
use std::time::Duration;

use pipetrail::catalog::{Catalog, Live, RunFilter};
use pipetrail::clock::SystemClock;
use pipetrail::domain::{Fact, Key};
use pipetrail::http::access::Caller;
use pipetrail::sqlite::{LocalFile, Place};
use pipetrail::store::{Cursor, Store};
use reqwest::{Client, Response};
use serde_json::Value;

use super::seed::{AMBER, VIOLET};
use super::{Bench, only};
use crate::faults::{Act, Fault, Faults, FaultyStore};

/// An open stream, read event by event.
pub(crate) struct Stream {
    response: Response,
    read: String,
    /// The id that a browser would come again with.
    pub(crate) id: Option<String>,
}

impl Stream {
    pub(crate) async fn open(address: &str, id: Option<&str>) -> Self {
        let ask = Client::new().get(format!("{address}/api/v1/stream"));
        let ask = if let Some(id) = id { ask.header("last-event-id", id) } else { ask };
        let response = ask.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, read: String::new(), id: None }
    }

    /// The next block; `None` at the end of the stream.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.read.clone().split_once("\n\n") {
                self.read = rest.to_owned();
                return Some(block.to_owned());
            }
            let more = tokio::time::timeout(Duration::from_secs(30), self.response.chunk()).await;
            let more = more.expect("no event").unwrap()?;
            self.read.push_str(std::str::from_utf8(&more).unwrap());
        }
    }

    /// The next block with its id remembered: the kind of the event, and what it holds.
    async fn any(&mut self) -> Option<(String, Value)> {
        let block = self.block().await?;
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        self.id = field("id: ").or_else(|| self.id.take());
        let kind = field("event: ").unwrap_or_default();
        Some((kind, field("data: ").map(|data| serde_json::from_str(&data).unwrap()).unwrap_or_default()))
    }

    /// The next event that says something.
    pub(crate) async fn event(&mut self) -> (String, Value) {
        loop {
            let event = self.any().await.expect("the stream ended");
            if !event.0.is_empty() {
                return event;
            }
        }
    }

    /// Until it knows how far it is.
    pub(crate) async fn ready(mut self) -> Self {
        while self.id.is_none() {
            self.any().await.expect("the stream ended");
        }
        self
    }
}

#[tokio::test]
async fn what_changes_is_told() {
    let bench = Bench::seeded().await;
    let mut stream = Stream::open(&bench.all, None).await.ready().await;
    bench.import(vec![Fact::Run(AMBER.run_fact(2))]).await;
    let (kind, data) = stream.event().await;
    assert_eq!((kind.as_str(), &data["kind"], &data["id"]), ("run", &"run".into(), &110_130.into()));
    let listed = bench.json("/api/v1/runs?project=amber%20project&limit=1").await;
    assert_eq!(data["item"], listed["items"][0]);
}

#[tokio::test]
async fn who_was_cut_off_goes_on_at_another_server() {
    let bench = Bench::seeded().await;
    let stream = Stream::open(&bench.all, None).await.ready().await;
    let id = stream.id.clone().unwrap();
    drop(stream);
    bench.import(vec![Fact::Run(AMBER.run_fact(2)), Fact::Run(VIOLET.run_fact(2))]).await;
    let other = bench.serve(Caller::on_loopback()).await;
    let mut stream = Stream::open(&other, Some(&id)).await;
    let mut found = [stream.event().await.1["id"].as_u64().unwrap(), stream.event().await.1["id"].as_u64().unwrap()];
    found.sort_unstable();
    assert_eq!(found, [110_130, 770_790]);
    // And then what is new.
    bench.import(vec![Fact::Run(AMBER.run_fact(3))]).await;
    assert_eq!(stream.event().await.1["id"], 110_140);
}

#[tokio::test]
async fn only_what_the_caller_may_see_is_told() {
    let bench = Bench::seeded().await;
    let address = bench.serve(only(&["amber project"])).await;
    let stream = Stream::open(&address, None).await.ready().await;
    let id = stream.id.clone().unwrap();
    bench.import(vec![Fact::Run(VIOLET.run_fact(2))]).await;
    bench.import(super::seed::both()).await;
    bench.import(vec![Fact::Run(AMBER.run_fact(2))]).await;
    // Also who has to catch up is told no more.
    for mut stream in [stream, Stream::open(&address, Some(&id)).await] {
        loop {
            let (_, data) = stream.event().await;
            assert!(!data.to_string().contains("violet") && !data.to_string().contains("7707"), "{data}");
            if data["id"] == 110_130 {
                break;
            }
        }
    }
}

#[tokio::test]
async fn who_cannot_go_on_reads_all_anew() {
    let bench = Bench::seeded().await;
    for id in ["rubbish", "", "e30"] {
        let mut stream = Stream::open(&bench.all, Some(id)).await;
        let (kind, _) = stream.event().await;
        assert_eq!(kind, "reset");
        // It ends, and its id is one to come again with.
        assert_eq!(stream.block().await, None);
        let id = stream.id.unwrap();
        let mut stream = Stream::open(&bench.all, Some(&id)).await.ready().await;
        bench.import(vec![Fact::Run(AMBER.run_fact(9))]).await;
        bench.local.store.append(&[Fact::Run(AMBER.run_fact(9)).key()]).await.unwrap();
        assert_eq!(stream.event().await.0, "run");
    }
}

/// A replica knows of a change before anybody is told of it.
#[tokio::test]
async fn a_replica_is_brought_up_to_date_first() {
    let bench = Bench::seeded().await;
    let file = bench.folder.path().join("replica.db");
    let file = LocalFile::open_replica(&file, Place::Named, Arc::new(SystemClock)).unwrap();
    let replica = Catalog::replica(file);
    replica.refresh(bench.local.store.as_ref()).await.unwrap();
    bench.follow(&replica, &bench.local.store);
    let address = bench.serve_from(replica, Caller::on_loopback()).await;
    let mut stream = Stream::open(&address, None).await.ready().await;
    bench.import(vec![Fact::Run(AMBER.run_fact(2))]).await;
    let (_, data) = stream.event().await;
    assert_eq!((&data["id"], &data["item"]["name"]), (&110_130.into(), &"amber.2".into()));
}

/// With a second between two looks at the log (`EVERY`), and what two of them take, that is within two seconds: the first
/// may have begun before the commit.
#[tokio::test]
async fn a_commit_is_seen_at_the_second_look_after_it() {
    let bench = Bench::seeded().await;
    let faults = Faults::none();
    let store: Arc<dyn Store> = Arc::new(FaultyStore { inner: bench.local.store.clone(), faults: faults.clone() });
    let catalog = replica(&bench);
    catalog.refresh(store.as_ref()).await.unwrap();
    bench.follow(&catalog, &store);
    for nth in 2..5 {
        bench.import(vec![Fact::Run(AMBER.run_fact(nth))]).await;
        let before = faults.asked(Act::Changes);
        loop {
            // Looks come one after the other: the third has begun, so the second is over.
            let is_due = faults.asked(Act::Changes) > before + 2;
            let runs = catalog.runs(&RunFilter::default()).await.unwrap();
            if runs.iter().any(|run| run.run_id == 110_110 + 10 * nth) {
                break;
            }
            assert!(!is_due, "run {nth} is not seen");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn replica(bench: &Bench) -> Catalog {
    let path = bench.folder.path().join("shared.db");
    Catalog::replica(LocalFile::open_replica(&path, Place::Named, Arc::new(SystemClock)).unwrap())
}

fn heard(live: &mut Live) -> Vec<u64> {
    let mut runs = Vec::new();
    while let Ok(told) = live.try_recv() {
        assert!(!told.reset);
        let run = |key: &Key| if let Key::Run(key) = key { Some(key.run) } else { None };
        runs.extend(told.keys.iter().filter_map(run));
    }
    runs
}

/// What another process read into the file they share is told here, too.
#[tokio::test]
async fn each_process_on_one_replica_tells_all_and_reads_the_log_once() {
    let bench = Bench::seeded().await;
    let faults = Faults::none();
    let store = FaultyStore { inner: bench.local.store.clone(), faults: faults.clone() };
    let (one, other) = (replica(&bench), replica(&bench));
    one.refresh(&store).await.unwrap();
    let (mut to_one, from) = one.listen(&store).await.unwrap();
    let (mut to_other, from_other) = other.listen(&store).await.unwrap();
    assert_eq!(from, from_other);
    for (nth, id) in [(2, 110_130), (3, 110_140)] {
        bench.import(vec![Fact::Run(AMBER.run_fact(nth))]).await;
        let before = faults.asked(Act::Changes);
        one.refresh(&store).await.unwrap();
        assert_eq!(faults.asked(Act::Changes), before + 1);
        assert_eq!(heard(&mut to_one), [id]);
        assert_eq!(heard(&mut to_other), [0; 0], "it has looked at nothing yet");
    }
    other.refresh(&store).await.unwrap();
    assert_eq!(heard(&mut to_other), [110_130, 110_140]);
    assert_eq!(other.runs(&RunFilter::default()).await.unwrap(), one.runs(&RunFilter::default()).await.unwrap());
}

/// A file that is new knows nothing of what its listeners were told.
#[tokio::test]
async fn who_listens_while_a_replica_is_made_anew_reads_all_anew() {
    let bench = Bench::seeded().await;
    let store = bench.local.store.as_ref();
    let catalog = replica(&bench);
    catalog.refresh(store).await.unwrap();
    let (mut live, _) = catalog.listen(store).await.unwrap();
    let path = catalog.path().to_owned();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100..].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    bench.follow(&catalog, &bench.local.store);
    // So many at once that some read from the disk and not from what a connection keeps of it.
    crate::support::until("the damage is met", async || {
        let filter = RunFilter::default();
        futures_util::future::join_all((0..8).map(|_| catalog.runs(&filter))).await.iter().any(Result::is_err)
    })
    .await;
    let told = tokio::time::timeout(Duration::from_secs(30), live.recv()).await.expect("nothing is told").unwrap();
    assert!(told.reset);
    crate::support::until("it is whole", async || catalog.is_whole().await.is_ok_and(|whole| whole)).await;
    assert_eq!(
        catalog.runs(&RunFilter::default()).await.unwrap(),
        bench.local.catalog.runs(&RunFilter::default()).await.unwrap()
    );
    bench.import(vec![Fact::Run(AMBER.run_fact(2))]).await;
    let told = tokio::time::timeout(Duration::from_secs(30), live.recv()).await.expect("nothing is told").unwrap();
    assert_eq!((told.reset, told.keys.len()), (false, 1));
}

/// A browser that reads nothing for long is not waited for, and nothing is kept for it without end.
#[tokio::test]
async fn who_does_not_keep_up_reads_all_anew() {
    let bench = Bench::seeded().await;
    let facts: Vec<Fact> = (0..400).map(|nth| Fact::Run(AMBER.run_fact(nth))).collect();
    let keys: Vec<Key> = facts.iter().map(Fact::key).collect();
    bench.import(facts).await;
    let mut stream = Stream::open(&bench.all, None).await.ready().await;
    let (mut live, _) = bench.local.catalog.listen(bench.local.store.as_ref()).await.unwrap();
    // More than the sockets between the two take, and as much again as is kept.
    for _ in 0..200 {
        bench.local.store.append(&keys).await.unwrap();
    }
    let end = bench.local.store.changes(&Cursor::default(), 1).await.unwrap().cursor;
    loop {
        // It may be behind by more than is kept itself.
        let told = tokio::time::timeout(Duration::from_secs(60), live.recv()).await.expect("nothing is told");
        if told.is_ok_and(|told| told.reached == end) {
            break;
        }
    }
    while stream.event().await.0 != "reset" {}
    assert_eq!(stream.block().await, None);
    // From the last id on it is told again.
    let id = stream.id.clone();
    let mut stream = Stream::open(&bench.all, id.as_deref()).await;
    assert_eq!(stream.event().await.0, "run");
}

#[tokio::test]
async fn an_outage_of_the_store_is_waited_out_and_nothing_is_missed() {
    let bench = Bench::seeded().await;
    let faults = Faults::none();
    let faulty: Arc<dyn Store> = Arc::new(FaultyStore { inner: bench.local.store.clone(), faults: faults.clone() });
    let catalog = Catalog::local(bench.local.file.clone());
    bench.follow(&catalog, &faulty);
    let address = bench.serve_by(faulty, catalog, Caller::on_loopback()).await;
    let mut stream = Stream::open(&address, None).await.ready().await;
    faults.broken(Some(Act::Changes));
    bench.import(vec![Fact::Run(AMBER.run_fact(2))]).await;
    crate::support::until("the outage is met", async || faults.played_at(Act::Changes, Fault::Away) > 1).await;
    // Who comes back meanwhile is sent away without an error, and comes again.
    let mut back = Stream::open(&address, stream.id.as_deref()).await;
    assert_eq!(back.block().await, None);
    faults.back();
    assert_eq!(stream.event().await.1["id"], 110_130);
    let id = stream.id.clone();
    bench.import(vec![Fact::Run(AMBER.run_fact(3))]).await;
    assert_eq!(stream.event().await.1["id"], 110_140);
    assert_eq!(Stream::open(&address, id.as_deref()).await.event().await.1["id"], 110_140);
}

#[tokio::test]
async fn there_is_room_for_so_many() {
    let bench = Bench::seeded().await;
    let mut open = Vec::new();
    for _ in 0..256 {
        open.push(Stream::open(&bench.all, None).await);
    }
    assert_eq!(bench.problem("/api/v1/stream").await.0, 503);
    open.pop();
    crate::support::until("room again", async || bench.get("/api/v1/stream").await.status() == 200).await;
}

#[tokio::test]
async fn a_stream_ends_with_its_server() {
    let bench = Bench::seeded().await;
    let mut stream = Stream::open(&bench.all, None).await.ready().await;
    bench.stop.cancel();
    assert_eq!(stream.block().await, None);
    bench.tracker.close();
    tokio::time::timeout(Duration::from_secs(5), bench.tracker.wait()).await.expect("the server did not end");
}
