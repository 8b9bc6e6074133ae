//! The store in a table behind the contract, on Azurite, and what only it promises.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::Response;
use futures_util::StreamExt;
use pipetrail::azure::Services;
use pipetrail::backfill::Timelines;
use pipetrail::catalog::{Catalog, RunFilter};
use pipetrail::clock::ManualClock;
use pipetrail::domain::run::{RunFact, StageSaid, Statement};
use pipetrail::domain::{Fact, FactKind, Join, Key, Label, Outcome, Record, RunKey, State as RunState, Time};
use pipetrail::sqlite::{LocalFile, Missing};
use pipetrail::store::{AzureTableStore, Committed, Cursor, Store, StoreError, Write};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::azurite::{ACCOUNT, Azurite, account, unique};
use crate::backfill::run_all;
use crate::contract::store::store_contract;
use crate::contract::{Moved, Pass};
use crate::fake_ado::{FakeAdo, tell};
use crate::support::{
    Local, assert_same, assert_told, bodies, disordered, drain, folded, folder, stored, time, worker,
};

/// A table of its own, which several stores may use.
struct Table {
    services: Services,
    name: String,
    clock: Arc<ManualClock>,
}

fn services(table_endpoint: String) -> Services {
    Services::new(&account(String::new(), table_endpoint)).unwrap()
}

impl Table {
    async fn create() -> Self {
        let clock = Arc::new(ManualClock::at(time("2026-03-02T09:00:00Z")));
        let services = services(Azurite::start().await.table_endpoint());
        let table = Self { services, name: unique("store"), clock };
        table.store().create().await.unwrap();
        table
    }

    fn store(&self) -> Arc<AzureTableStore> {
        self.store_by(&self.services)
    }

    fn store_by(&self, services: &Services) -> Arc<AzureTableStore> {
        Arc::new(AzureTableStore::new(services, &self.name, self.clock.clone()))
    }

    /// All rows of the partition, with all that the service says of them.
    async fn rows(&self, partition: &str) -> Vec<Value> {
        let query = self.services.table(&self.name).query().filter(format!("PartitionKey eq '{partition}'"));
        let pages: Vec<_> = query.into_stream::<Value>().collect().await;
        pages.into_iter().flat_map(|page| page.unwrap().entities).collect()
    }
}

/// What stands between the store and the service: counts the requests, and loses answers when told to.
#[derive(Clone)]
struct Between {
    requests: Arc<AtomicUsize>,
    to_lose: Arc<AtomicUsize>,
    /// After so many requests it lets none through.
    allowed: Arc<AtomicUsize>,
    service: String,
    client: reqwest::Client,
}

impl Between {
    async fn start() -> (Self, Services) {
        let endpoint = Azurite::start().await.table_endpoint();
        let service = endpoint.trim_end_matches(&format!("/{ACCOUNT}")).to_owned();
        let client = reqwest::Client::builder().pool_idle_timeout(Duration::from_secs(4)).build().unwrap();
        let between = Self {
            requests: Arc::default(),
            to_lose: Arc::default(),
            allowed: Arc::new(usize::MAX.into()),
            service,
            client,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = services(format!("http://{}/{ACCOUNT}", listener.local_addr().unwrap()));
        let router = Router::new().fallback(Self::pass_on).with_state(between.clone());
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(axum::serve(listener, router).into_future());
        (between, here)
    }

    async fn pass_on(State(between): State<Self>, request: Request) -> Response<Body> {
        between.requests.fetch_add(1, Ordering::Relaxed);
        if between.allowed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err() {
            return Response::builder().status(403).header("x-ms-request-id", "1").body(Body::empty()).unwrap();
        }
        let (head, body) = request.into_parts();
        let url = format!("{}{}", between.service, head.uri);
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let answer = between.client.request(head.method, url).headers(head.headers).body(body).send().await.unwrap();
        let mut response = Response::builder().status(answer.status());
        *response.headers_mut().unwrap() = answer.headers().clone();
        response.headers_mut().unwrap().remove("transfer-encoding");
        let body = answer.bytes().await.unwrap();
        let lost = |left: usize| left.checked_sub(1);
        if between.to_lose.fetch_update(Ordering::Relaxed, Ordering::Relaxed, lost).is_ok() {
            // A body that breaks off: the connection is gone before the answer is whole.
            let broken = futures_util::stream::iter([Err::<Vec<u8>, _>(std::io::Error::other("lost"))]);
            return Response::builder().status(202).body(Body::from_stream(broken)).unwrap();
        }
        response.body(Body::from(body)).unwrap()
    }

    fn requests(&self) -> usize {
        self.requests.swap(0, Ordering::Relaxed)
    }
}

async fn store() -> ((), Arc<dyn Store>, Box<dyn Pass>) {
    let table = Table::create().await;
    ((), table.store(), Box::new(Moved(table.clock)))
}

mod the_store {
    super::store_contract!(super::store);
}

fn run(run: u64) -> RunKey {
    RunKey { organization: "fabrikam".to_owned(), pipeline: 7, run }
}

fn at(second: u64) -> Time {
    time("2026-03-02T08:00:00Z").plus(Duration::from_secs(second))
}

/// `completed` at `second`.
fn completed(key: RunKey, second: u64) -> Fact {
    let mut fact = RunFact::new(key, FactKind::RunStateChanged, at(second));
    let says = Statement { result: Some(Outcome::Failed), finished: Some(at(second)), ..Statement::at(at(second)) };
    fact.run = Some((RunState::Completed, says));
    Fact::Run(fact)
}

/// The record of these facts, not there yet.
fn insert(facts: &[Fact]) -> Write {
    let mut all = facts.iter().map(Record::of);
    let mut record = all.next().unwrap();
    all.for_each(|other| record.absorb(other));
    let facts = facts.iter().map(Fact::encode).collect();
    Write::Record { text: record.encode(), record, expected: None, facts }
}

async fn commit(store: &dyn Store, writes: Vec<Write>) -> Vec<Committed> {
    store.commit(Arc::new(writes)).await.unwrap()
}

async fn written(store: &dyn Store, write: Write) {
    let answers = commit(store, vec![write]).await;
    assert!(matches!(answers.as_slice(), [Committed::Written(Some(_))]), "{answers:?}");
}

async fn load(store: &dyn Store, key: &Key) -> Option<Record> {
    let stored = store.load(std::slice::from_ref(key)).await.unwrap().remove(0)?;
    Some(stored.record.unwrap())
}

#[tokio::test]
async fn a_conflict_amid_a_transaction_is_one_and_the_others_are_written_whole() {
    let store = Table::create().await.store();
    let known = completed(run(3), 1);
    written(store.as_ref(), insert(std::slice::from_ref(&known))).await;
    let facts: Vec<Fact> = (1..=5).map(|number| completed(run(number), 10 + number)).collect();
    let answers = commit(store.as_ref(), facts.iter().map(|fact| insert(std::slice::from_ref(fact))).collect()).await;
    for (fact, answer) in facts.iter().zip(&answers) {
        let (key, is_known) = (fact.key(), fact.key() == known.key());
        assert_eq!(*answer == Committed::Conflict, is_known, "{answer:?}");
        assert_eq!(matches!(answer, Committed::Written(Some(_))), !is_known, "{answer:?}");
        let expected = if is_known { &known } else { fact };
        assert_eq!(store.facts(&key).await.unwrap(), std::slice::from_ref(expected));
        assert_eq!(load(store.as_ref(), &key).await.unwrap(), Record::of(expected));
    }
}

#[tokio::test]
async fn a_start_with_nothing_but_conflicts_says_so() {
    let store = Table::create().await.store();
    let writes = || (1..=20).map(|number| insert(&[completed(run(number), 1)])).collect::<Vec<_>>();
    assert!(commit(store.as_ref(), writes()).await.iter().all(|answer| matches!(answer, Committed::Written(_))));
    assert!(commit(store.as_ref(), writes()).await.iter().all(|answer| *answer == Committed::Conflict));
}

#[tokio::test]
async fn more_facts_than_a_transaction_takes_are_all_kept_and_all_removed() {
    let table = Table::create().await;
    let store = table.store();
    let facts: Vec<Fact> = (0..150).map(|second| completed(run(479), second)).collect();
    let small = [completed(run(1), 1), completed(run(1), 2)];
    let answers =
        commit(store.as_ref(), vec![insert(&small[..1]), insert(&facts), insert(&[completed(run(2), 1)])]).await;
    assert!(answers.iter().all(|answer| matches!(answer, Committed::Written(Some(_)))), "{answers:?}");
    assert_eq!(store.facts(&facts[0].key()).await.unwrap(), facts);
    let key = facts[0].key();
    store.remove(&[key.clone(), small[0].key()], at(10_000)).await.unwrap();
    assert!(load(store.as_ref(), &key).await.is_none());
    assert_eq!(table.rows("run|fabrikam|7").await.len(), 2, "the record and the fact of run 2");
}

#[tokio::test]
async fn a_large_record_and_a_large_fact_come_back() {
    let store = Table::create().await.store();
    let Fact::Run(mut fact) = completed(run(479), 1);
    for number in 0..200_u32 {
        let name = format!("{number} {}", "\u{fc}\u{1f600}\"x".repeat(200));
        let says = Statement { started: Some(at(1)), ..Statement::at(at(2)) };
        fact.stages.push(StageSaid { name, attempt: Some(number), state: RunState::Running, says });
    }
    let fact = Fact::Run(fact);
    assert!(Record::of(&fact).encode().len() > 200_000);
    written(store.as_ref(), insert(std::slice::from_ref(&fact))).await;
    assert_eq!(load(store.as_ref(), &fact.key()).await.unwrap(), Record::of(&fact));
    assert_eq!(store.facts(&fact.key()).await.unwrap(), [fact]);
}

#[tokio::test]
async fn what_the_service_never_takes_is_refused_by_its_position() {
    let store = Table::create().await.store();
    let mut fact = completed(run(3), 1).encode();
    fact.text = "x".repeat(1_200_000);
    let Write::Record { record, text, .. } = insert(&[completed(run(3), 1)]) else { unreachable!() };
    let large = Write::Record { record, text, expected: None, facts: vec![fact] };
    written(store.as_ref(), insert(&[completed(run(2), 1)])).await;
    let writes = vec![insert(&[completed(run(1), 1)]), insert(&[completed(run(2), 2)]), large];
    let error = store.commit(Arc::new(writes)).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { index: Some(2), .. }), "{error:?} {}", error.cause());
    assert!(load(store.as_ref(), &completed(run(3), 1).key()).await.is_none());
    store.probe().await.unwrap();
}

#[tokio::test]
async fn any_organization_can_be_a_key() {
    let table = Table::create().await;
    let store = table.store();
    let mut keys: Vec<Key> = Vec::new();
    let start = store.changes(&Cursor::default(), 100).await.unwrap().cursor;
    for organization in ["srv's/col#1?", "a b+c%20&~2f", "b\u{fc}ro|\\x", "\u{1}\u{7f}\u{85}", "", "plain"] {
        let fact = completed(RunKey { organization: organization.to_owned(), ..run(479) }, 1);
        written(store.as_ref(), insert(std::slice::from_ref(&fact))).await;
        let more = completed(RunKey { organization: organization.to_owned(), ..run(479) }, 2);
        let facts = Write::Facts { key: more.key(), facts: vec![more.encode()] };
        assert_eq!(commit(store.as_ref(), vec![facts]).await, [Committed::Written(None)]);
        assert_eq!(load(store.as_ref(), &fact.key()).await.unwrap(), Record::of(&fact));
        store.append(&[fact.key()]).await.unwrap();
        keys.push(fact.key());
        assert_eq!(store.facts(&fact.key()).await.unwrap(), [fact, more]);
    }
    keys.sort();
    let sorted = |mut found: Vec<Key>| {
        found.sort();
        found
    };
    assert_eq!(sorted(store.keys(None, 100).await.unwrap()), keys);
    let mut paged = store.keys(None, 1).await.unwrap();
    while let [next] = store.keys(paged.last(), 1).await.unwrap().as_slice() {
        paged.push(next.clone());
    }
    assert_eq!(sorted(paged), keys);
    let mut told = store.changes(&start, 100).await.unwrap();
    assert!(!told.reset);
    told.keys.sort();
    assert_eq!(told.keys, keys);
    store.remove(&keys, at(100)).await.unwrap();
    assert_eq!(store.keys(None, 100).await.unwrap(), []);
}

#[tokio::test]
async fn columns_have_types_that_other_tools_read() {
    let table = Table::create().await;
    let Fact::Run(mut fact) = completed(run(479), 60);
    fact.labels = vec![
        (Label::RunName, "20260302.1".to_owned()),
        (Label::ProjectName, "Shop".to_owned()),
        (Label::PipelineName, "deploy \u{fc}".to_owned()),
        (Label::Branch, "refs/heads/main".to_owned()),
        (Label::Commit, "c0ffee".to_owned()),
        (Label::Repository, "shop".to_owned()),
        (Label::RequestedFor, "x".repeat(40_000)),
    ];
    if let Some((_, says)) = &mut fact.run {
        says.queued = Some(at(1));
        says.started = Some(at(2).plus(Duration::from_nanos(1_200)));
    }
    let fact = Fact::Run(fact);
    written(table.store().as_ref(), insert(std::slice::from_ref(&fact))).await;
    let rows = table.rows("run|fabrikam|7").await;
    let row = rows.iter().find(|row| row["RowKey"].as_str().unwrap().starts_with("r|")).unwrap();
    let of = |column: &str| (row[column].as_str().unwrap(), row[format!("{column}@odata.type")].as_str());
    let ended = at(60).ticks().to_string();
    for (column, value) in [("pipelineId", "7"), ("runId", "479"), ("ended", &ended)] {
        assert_eq!(of(column), (value, Some("Edm.Int64")), "{column}");
    }
    for (column, value) in [
        ("queuedAt", "2026-03-02T08:00:01.0000000Z"),
        ("startedAt", "2026-03-02T08:00:02.0000012Z"),
        ("finishedAt", "2026-03-02T08:01:00.0000000Z"),
    ] {
        assert_eq!(of(column), (value, Some("Edm.DateTime")), "{column}");
    }
    for (column, value) in [
        ("organization", "fabrikam"),
        ("project", "Shop"),
        ("pipeline", "deploy \u{fc}"),
        ("name", "20260302.1"),
        ("state", "completed"),
        ("result", "failed"),
        ("branch", "refs/heads/main"),
        ("commit", "c0ffee"),
        ("repository", "shop"),
        ("requestedFor", &"x".repeat(1_024)),
    ] {
        assert_eq!(of(column), (value, None), "{column}");
    }
}

#[tokio::test]
async fn two_processes_that_append_miss_nothing() {
    const EACH: u64 = 20;
    let table = Table::create().await;
    let stores = [table.store(), table.store()];
    let start = stores[0].changes(&Cursor::default(), 10).await.unwrap().cursor;
    let write = |writer: u64| {
        let store = stores[usize::from(writer % 2 == 1)].clone();
        async move {
            for number in 0..EACH {
                store.append(&[Key::Run(run(1 + writer * EACH + number))]).await.unwrap();
            }
        }
    };
    futures_util::future::join_all((0..8).map(write)).await;
    let (mut cursor, mut keys) = (start, Vec::new());
    loop {
        let changes = stores[1].changes(&cursor, 50).await.unwrap();
        assert!(!changes.reset);
        keys.extend(changes.keys);
        cursor = changes.cursor;
        if !changes.more {
            break;
        }
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys, (1..=8 * EACH).map(|number| Key::Run(run(number))).collect::<Vec<_>>());
}

#[tokio::test]
async fn appends_that_wait_for_one_in_flight_share_the_next() {
    let table = Table::create().await;
    let store = table.store();
    let append = |number: u64| {
        let store = store.clone();
        async move { store.append(&[Key::Run(run(number))]).await }
    };
    let answers = futures_util::future::join_all((1..=50).map(append)).await;
    assert!(answers.iter().all(Result::is_ok));
    let mut entries = 0;
    for shard in 0..4 {
        let rows = table.rows(&format!("log|{shard}")).await;
        entries += rows.iter().filter(|row| row["RowKey"] != "~head").count();
    }
    assert_eq!(entries, 2, "the first alone, the others together");
}

#[tokio::test]
async fn an_append_that_is_given_up_does_not_hold_up_the_others() {
    let table = Table::create().await;
    let store = table.store();
    let start = store.changes(&Cursor::default(), 10).await.unwrap().cursor;
    for number in 1..=5 {
        let keys = [Key::Run(run(number))];
        let append = store.append(&keys);
        drop(tokio::time::timeout(Duration::from_micros(300 * number), append).await);
    }
    store.append(&[Key::Run(run(9))]).await.unwrap();
    let changes = store.changes(&start, 100).await.unwrap();
    assert!(!changes.reset && changes.keys.contains(&Key::Run(run(9))));
}

#[tokio::test]
async fn a_raised_floor_is_noticed_by_others_within_half_a_minute() {
    let table = Table::create().await;
    let (one, other) = (table.store(), table.store());
    written(other.as_ref(), insert(&[completed(run(1), 1)])).await;
    one.raise_floor(at(100)).await.unwrap();
    table.clock.advance(Duration::from_secs(31));
    let below = vec![insert(&[completed(run(2), 1)]), insert(&[completed(run(1), 2)])];
    assert_eq!(commit(other.as_ref(), below).await, [Committed::BelowFloor, Committed::Conflict]);
}

#[tokio::test]
async fn a_missing_table_is_an_outage() {
    let table = Table::create().await;
    let store = AzureTableStore::new(&table.services, &unique("nowhere"), table.clock.clone());
    let error = store.commit(Arc::new(vec![insert(&[completed(run(1), 1)])])).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(store.append(&[Key::Run(run(1))]).await.is_err());
    assert!(store.probe().await.is_err());
    store.create().await.unwrap();
    store.create().await.unwrap();
    written(&store, insert(&[completed(run(1), 1)])).await;
}

#[tokio::test]
async fn one_request_a_partition_and_one_an_append() {
    let table = Table::create().await;
    let (between, services) = Between::start().await;
    let store = table.store_by(&services);
    let facts = [1, 2, 3].map(|number| completed(run(number), 1));
    let writes = facts.iter().map(|fact| insert(std::slice::from_ref(fact))).collect();
    commit(store.as_ref(), writes).await;
    assert_eq!(between.requests(), 2, "the floor, once in a while, and the transaction");
    store.append(&[facts[0].key()]).await.unwrap();
    assert_eq!(between.requests(), 3, "the head, the append, a look for old rows");
    for number in 10..20 {
        commit(store.as_ref(), vec![insert(&[completed(run(number), 1)])]).await;
        store.append(&[Key::Run(run(number))]).await.unwrap();
    }
    assert_eq!(between.requests(), 20);
    let keys: Vec<Key> = (10..20).chain([100]).map(|number| Key::Run(run(number))).collect();
    let loaded = store.load(&keys).await.unwrap();
    assert_eq!(loaded.iter().filter(|found| found.is_some()).count(), 10);
    assert_eq!(between.requests(), 1, "records that stand side by side");
    let cursor = store.changes(&Cursor::default(), 10).await.unwrap().cursor;
    assert_eq!(between.requests(), 4);
    store.changes(&cursor, 10).await.unwrap();
    assert_eq!(between.requests(), 4);
}

#[tokio::test]
async fn a_lost_answer_loses_nothing() {
    let table = Table::create().await;
    let (between, services) = Between::start().await;
    let store = table.store_by(&services);
    let start = store.changes(&Cursor::default(), 10).await.unwrap().cursor;
    let fact = completed(run(1), 1);
    store.probe().await.unwrap();
    commit(store.as_ref(), vec![insert(&[completed(run(2), 1)])]).await;
    between.to_lose.store(1, Ordering::Relaxed);
    let answers = commit(store.as_ref(), vec![insert(std::slice::from_ref(&fact))]).await;
    assert_eq!(answers, [Committed::Conflict], "it is there, and a load tells by whom");
    assert_eq!(load(store.as_ref(), &fact.key()).await.unwrap(), Record::of(&fact));
    store.append(&[Key::Run(run(2))]).await.unwrap();
    between.to_lose.store(1, Ordering::Relaxed);
    store.append(&[fact.key()]).await.unwrap();
    let changes = store.changes(&start, 100).await.unwrap();
    assert!(!changes.reset && changes.keys.contains(&fact.key()));
}

#[tokio::test]
async fn workers_fold_into_it_what_a_replica_then_shows() {
    let table = Table::create().await;
    let (folder, path) = folder();
    let local = Local::open(&path).await;
    let bodies = bodies(400);
    local.queue.put(disordered(&bodies, 5)).await.unwrap();
    let start = table.store().changes(&Cursor::default(), 1).await.unwrap().cursor;
    let workers = [(); 3].map(|()| worker(local.queue.clone(), table.store()));
    let replica = Catalog::replica(
        LocalFile::open(&folder.path().join("replica.db"), Missing::Create, table.clock.clone()).unwrap(),
    );
    replica.refresh(table.store().as_ref()).await.unwrap();
    futures_util::future::join_all(workers.iter().map(drain)).await;
    let store = table.store();
    assert_same(&stored(store.as_ref()).await, &folded(&bodies));
    assert!(!store.changes(&start, 10).await.unwrap().reset);
    local.queue.put(bodies.clone()).await.unwrap();
    local.drain().await;
    replica.refresh(store.as_ref()).await.unwrap();
    let all = RunFilter::default();
    assert_eq!(replica.runs(&all).await.unwrap(), local.catalog.runs(&all).await.unwrap());
}

#[tokio::test]
async fn readers_hear_of_what_a_purge_removed_before_it_broke_off() {
    let table = Table::create().await;
    let store = table.store();
    let fact = completed(run(1), 1);
    written(store.as_ref(), insert(std::slice::from_ref(&fact))).await;
    let start = store.changes(&Cursor::default(), 10).await.unwrap().cursor;
    let (between, services) = Between::start().await;
    // The record, its facts, the transaction.
    between.allowed.store(3, Ordering::Relaxed);
    let keys = [fact.key()];
    assert!(table.store_by(&services).remove(&keys, at(100)).await.is_err());
    assert!(load(store.as_ref(), &fact.key()).await.is_none());
    assert_eq!(store.keys(None, 10).await.unwrap(), []);
    assert_eq!(store.changes(&start, 10).await.unwrap().keys, []);
    assert_eq!(store.ended(at(100), 10).await.unwrap(), keys, "there is something left to do");
    store.remove(&keys, at(100)).await.unwrap();
    assert_eq!(store.changes(&start, 10).await.unwrap().keys, keys);
    assert_eq!(store.ended(at(100), 10).await.unwrap(), []);
    assert!(table.rows("run|fabrikam|7").await.is_empty());
}

#[tokio::test]
async fn a_backfill_leaves_the_same_as_in_the_local_file() {
    let ado = FakeAdo::start().await;
    tell(&mut ado.state(), &bodies(600));
    let table = Table::create().await;
    let store: Arc<dyn Store> = table.store();
    let first = run_all(&ado, &store, Timelines::All).await;
    let second = run_all(&ado, &store, Timelines::All).await;
    assert_eq!((first.imported.left_alone, second.imported.applied), (0, 0), "{first:?} {second:?}");
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    run_all(&ado, &local.store, Timelines::All).await;
    let records = stored(local.store.as_ref()).await;
    assert_same(&stored(store.as_ref()).await, &records);
    assert_told(store.as_ref(), &records).await;
}
