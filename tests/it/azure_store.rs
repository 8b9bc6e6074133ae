//! The store in a table behind the contract, on Azurite, and what only it promises.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
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
use pipetrail::domain::run::{ApprovalSaid, ApprovalStatement, JobSaid, RunFact, StageSaid, Statement};
use pipetrail::domain::{
    ApprovalStatus, Fact, FactKind, Join, Key, Label, Outcome, Record, RunKey, State as RunState, Time,
};
use pipetrail::ingest::Importer;
use pipetrail::sqlite::{LocalFile, Missing};
use pipetrail::store::{AzureTableStore, Committed, Cursor, Store, StoreError, Write};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::azurite::{ACCOUNT, Azurite, account, unique};
use crate::backfill::run_all;
use crate::contract::store::store_contract;
use crate::contract::{Moved, Pass};
use crate::fake_ado::{FakeAdo, tell};
use crate::faults::{Act, Faults, FaultyStore};
use crate::support::{
    Local, all_tests, assert_same, assert_told, bodies, dead_letters, disordered, drain, folded, folder, stored, time,
    told, worker,
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

    fn replica(&self, path: &Path) -> Catalog {
        Catalog::replica(LocalFile::open(path, Missing::Create, self.clock.clone()).unwrap())
    }

    /// All rows of the partition, with all that the service says of them.
    async fn rows(&self, partition: &str) -> Vec<Value> {
        let query = self.services.table(&self.name).query().filter(format!("PartitionKey eq '{partition}'"));
        let pages: Vec<_> = query.into_stream::<Value>().collect().await;
        pages.into_iter().flat_map(|page| page.unwrap().entities).collect()
    }
}

/// Takes one off, if there is any.
fn one_less(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// A clock, and how far it goes on at once.
type Jump = (Arc<ManualClock>, Duration);

/// What stands between the store and the service: counts the requests, and loses answers when told to.
#[derive(Clone)]
struct Between {
    requests: Arc<AtomicUsize>,
    /// The largest body of a transaction, in bytes.
    largest: Arc<AtomicUsize>,
    to_lose: Arc<AtomicUsize>,
    /// After so many requests it lets none through.
    allowed: Arc<AtomicUsize>,
    /// So many transactions are held until they are let go.
    to_hold: Arc<AtomicUsize>,
    let_go: Arc<Notify>,
    /// So many attempts to make a table meet one that is still being deleted.
    being_deleted: Arc<AtomicUsize>,
    /// Moved on when somebody reads the floor.
    clock: Arc<Mutex<Option<Jump>>>,
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
            largest: Arc::default(),
            to_lose: Arc::default(),
            allowed: Arc::new(usize::MAX.into()),
            to_hold: Arc::default(),
            let_go: Arc::default(),
            being_deleted: Arc::default(),
            clock: Arc::default(),
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
        if !one_less(&between.allowed) {
            return Response::builder().status(403).header("x-ms-request-id", "1").body(Body::empty()).unwrap();
        }
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        if path.ends_with("/Tables") && one_less(&between.being_deleted) {
            let answer = Response::builder().status(409).header("x-ms-error-code", "TableBeingDeleted");
            return answer.header("x-ms-request-id", "1").body(Body::empty()).unwrap();
        }
        let is_transaction = path.ends_with("/$batch");
        if is_transaction && one_less(&between.to_hold) {
            between.let_go.notified().await;
        }
        if path.contains("'floor'")
            && let Some((clock, by)) = between.clock.lock().unwrap().take()
        {
            clock.advance(by);
        }
        let url = format!("{}{}", between.service, head.uri);
        let body = to_bytes(body, usize::MAX).await.unwrap();
        if is_transaction {
            between.largest.fetch_max(body.len(), Ordering::Relaxed);
        }
        let answer = between.client.request(head.method, url).headers(head.headers).body(body).send().await.unwrap();
        let mut response = Response::builder().status(answer.status());
        *response.headers_mut().unwrap() = answer.headers().clone();
        response.headers_mut().unwrap().remove("transfer-encoding");
        let body = answer.bytes().await.unwrap();
        if one_less(&between.to_lose) {
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

/// Everything that anybody can say of one run, each part as large as it may be.
fn heaviest() -> Vec<RunFact> {
    const NUMBERS: u32 = 400;
    let (word, name) =
        (|number: u32| format!("{number:032}"), |number: u32| format!("{number:04}{}", "\"".repeat(126)));
    let late = Time::from_ticks(i64::MAX);
    let result = Some(Outcome::from(word(0).as_str()));
    let says = Statement { said: late, result, queued: Some(late), started: Some(late), finished: Some(late) };
    let fact = |number: u32| {
        let state = RunState::from(word(number).as_str());
        let mut fact = RunFact::new(run(479), FactKind::Timeline, late);
        fact.labels =
            [Label::RunName, Label::Branch, Label::Url, Label::Reason, Label::Repository, Label::RequestedFor]
                .map(|label| (label, "\u{1}".repeat(170)))
                .into();
        fact.run = Some((state.clone(), says.clone()));
        let stage = |stage: u32| (name(stage), state.clone(), says.clone());
        let stages = (0..NUMBERS).map(stage);
        fact.stages = stages.map(|(name, state, says)| StageSaid { name, attempt: None, state, says }).collect();
        let job = |(name, state, says): (String, RunState, Statement)| {
            let (stage, attempt) = (name.clone(), Some(u32::MAX));
            JobSaid { stage, stage_attempt: attempt, name, attempt, state, says }
        };
        fact.jobs = (0..NUMBERS).map(stage).map(job).collect();
        let approvers = vec!["\u{fc}".repeat(125), "\u{1}".repeat(40)];
        let says = ApprovalStatement {
            said: late,
            phase: None,
            stage: Some(name(0)),
            attempt: Some(u32::MAX),
            requested: Some(late),
            changed: Some(late),
            approvers,
        };
        let status = ApprovalStatus::from(word(number).as_str());
        fact.approvals = vec![ApprovalSaid { id: name(number), status, says }];
        fact
    };
    (0..100).map(fact).collect()
}

#[tokio::test]
async fn the_heaviest_record_and_the_heaviest_facts_come_back() {
    let store = Table::create().await.store();
    let facts: Vec<Fact> = heaviest().into_iter().map(Fact::Run).collect();
    let record = facts.iter().map(Record::of).reduce(|mut one, other| {
        one.absorb(other);
        one
    });
    let record = record.unwrap();
    let text = record.encode();
    assert!(text.len() > 600_000, "it is not heavy: {}", text.len());
    let facts = [facts[7].clone(), facts[8].clone()];
    let encoded = facts.iter().map(Fact::encode).collect::<Vec<_>>();
    assert!(encoded[0].text.len() > 300_000, "it is not heavy: {}", encoded[0].text.len());
    written(store.as_ref(), Write::Record { record: record.clone(), text, expected: None, facts: encoded }).await;
    assert!(load(store.as_ref(), &record.key()).await.unwrap() == record);
    let found = store.facts(&record.key()).await.unwrap();
    assert!(found.len() == 2 && facts.iter().all(|fact| found.contains(fact)));
}

#[tokio::test]
async fn an_event_as_large_as_a_hook_takes_is_folded() {
    let stages = |count: usize| {
        let stage = |number| {
            serde_json::json!({"name": format!("{number}{}", "\u{1}".repeat(300)), "attempt": number,
            "state": "s".repeat(100), "result": "r".repeat(100)})
        };
        (1..=count).map(stage).collect::<Vec<_>>()
    };
    let url = "https://dev.azure.com/fabrikam/_apis/pipelines/7/runs/479";
    let body = serde_json::json!({"eventType": "ms.vss-pipelines.run-state-changed-event",
        "createdDate": "2026-03-02T08:00:00Z",
        "resource": {"run": {"id": 479, "state": "completed", "url": url, "pipeline": {"id": 7}}, "stages": stages(1_000)}});
    let body = body.to_string().into_bytes();
    assert!(body.len() > 2_000_000);
    let table = Table::create().await;
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    local.queue.put(vec![body.clone()]).await.unwrap();
    drain(&worker(local.queue.clone(), table.store())).await;
    assert!(dead_letters(local.queue.as_ref()).await.is_empty());
    let store = table.store();
    assert_same(&stored(store.as_ref()).await, &folded(&[body]));
    assert_eq!(store.facts(&Key::Run(run(479))).await.unwrap().len(), 3);
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

/// What a transaction may have at most, by the service's rules.
const TRANSACTION: usize = 4 << 20;

/// A run with so many facts of so many bytes.
fn heavy(number: u64, facts: u64, bytes: usize) -> Write {
    let said: Vec<Fact> = (0..facts).map(|second| completed(run(number), second)).collect();
    let Write::Record { record, text, expected, mut facts } = insert(&said) else { unreachable!() };
    facts.iter_mut().for_each(|fact| fact.text = "\u{1}".repeat(bytes));
    Write::Record { record, text, expected, facts }
}

#[tokio::test]
async fn what_is_too_large_for_a_transaction_goes_in_several() {
    let table = Table::create().await;
    let (between, services) = Between::start().await;
    let store = table.store_by(&services);
    let all_written =
        |answers: &[Committed]| answers.iter().all(|answer| matches!(answer, Committed::Written(Some(_))));
    let answers = commit(store.as_ref(), (1..=10).map(|number| heavy(number, 2, 300_000)).collect()).await;
    assert!(all_written(&answers), "{answers:?}");
    assert_eq!(between.requests(), 1 + 4, "the floor, and three writes in each transaction");
    let answers = commit(store.as_ref(), vec![heavy(11, 10, 600_000)]).await;
    assert!(all_written(&answers), "{answers:?}");
    assert!(between.requests() > 2, "one write in several");
    assert_eq!(table.rows("run|fabrikam|7").await.len(), 10 * 3 + 11);
    let largest = between.largest.load(Ordering::Relaxed);
    assert!((TRANSACTION / 2..=TRANSACTION).contains(&largest), "{largest}");
}

#[tokio::test]
async fn keys_that_take_much_room_are_all_told() {
    let table = Table::create().await;
    let (between, services) = Between::start().await;
    let store = table.store_by(&services);
    let organization = "\u{fc}\u{1}\"".repeat(100);
    let key = |run| Key::Run(RunKey { organization: organization.clone(), pipeline: 7, run });
    let keys: BTreeSet<Key> = (1..=3_000).map(key).collect();
    store.append(&keys.iter().cloned().collect::<Vec<_>>()).await.unwrap();
    assert!(between.requests() > 6, "they fit no single row");
    assert_eq!(told(store.as_ref()).await, keys);
    let largest = between.largest.load(Ordering::Relaxed);
    assert!(largest <= TRANSACTION, "{largest}");
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
    let Fact::Run(mut fact) = completed(run(479), 60) else { panic!("another kind") };
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
async fn of_eight_processes_that_append_nothing_is_missed() {
    const EACH: u64 = 20;
    let table = Table::create().await;
    let stores = [(); 8].map(|()| table.store());
    let start = stores[0].changes(&Cursor::default(), 10).await.unwrap().cursor;
    let write = |writer: u64| {
        let store = stores[usize::try_from(writer).unwrap()].clone();
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

/// What one event does to the store; a process ends after any of these requests, and the message comes again.
async fn handle(store: &dyn Store, fact: &Fact) -> Result<(), StoreError> {
    let answers = store.commit(Arc::new(vec![insert(std::slice::from_ref(fact))])).await?;
    if answers == [Committed::Conflict] {
        let record = store.load(&[fact.key()]).await?.remove(0).unwrap().record.unwrap();
        assert_eq!(record, Record::of(fact));
        let facts = Write::Facts { key: fact.key(), facts: vec![fact.encode()] };
        assert_eq!(store.commit(Arc::new(vec![facts])).await?, [Committed::Written(None)]);
    }
    store.append(&[fact.key()]).await
}

#[tokio::test]
async fn a_crash_between_any_two_steps_hides_no_change() {
    let table = Table::create().await;
    let start = table.store().changes(&Cursor::default(), 10).await.unwrap().cursor;
    let mut steps = 0;
    for number in 1.. {
        let fact = completed(run(number), 1);
        let (between, services) = Between::start().await;
        between.allowed.store(steps, Ordering::Relaxed);
        let done = handle(table.store_by(&services).as_ref(), &fact).await.is_ok();
        handle(table.store().as_ref(), &fact).await.unwrap();
        let changes = table.store().changes(&start, 1_000).await.unwrap();
        assert!(!changes.reset && changes.keys.contains(&fact.key()), "after {steps} requests");
        assert_eq!(load(table.store().as_ref(), &fact.key()).await.unwrap(), Record::of(&fact));
        if done {
            break;
        }
        steps += 1;
    }
    assert!(steps >= 4, "the floor, the record, the head, the entry: {steps}");
}

#[tokio::test]
async fn an_append_that_was_held_up_is_not_missed() {
    let table = Table::create().await;
    let (between, services) = Between::start().await;
    let (slow, quick) = (table.store_by(&services), table.store());
    slow.append(&[Key::Run(run(1))]).await.unwrap();
    let start = quick.changes(&Cursor::default(), 10).await.unwrap().cursor;
    between.to_hold.store(1, Ordering::Relaxed);
    let late = [Key::Run(run(2))];
    let held = slow.append(&late);
    let others = async {
        while between.to_hold.load(Ordering::Relaxed) > 0 {
            tokio::task::yield_now().await;
        }
        // So many, and in turns from all shards, that one of them took its place.
        let mut cursor = start.clone();
        for number in 10..40 {
            table.store().append(&[Key::Run(run(number))]).await.unwrap();
            cursor = quick.changes(&cursor, 100).await.unwrap().cursor;
        }
        between.let_go.notify_one();
        cursor
    };
    let (appended, cursor) = tokio::join!(held, others);
    appended.unwrap();
    let changes = quick.changes(&cursor, 100).await.unwrap();
    assert_eq!((changes.reset, changes.keys), (false, late.to_vec()));
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
async fn a_raised_floor_is_heeded_by_all_when_it_says_so() {
    let table = Table::create().await;
    let (one, other) = (table.store(), table.store());
    written(other.as_ref(), insert(&[completed(run(1), 1)])).await;
    let wait = one.raise_floor(at(100)).await.unwrap();
    // Why it is waited for: the other one goes by what it read.
    written(other.as_ref(), insert(&[completed(run(2), 1)])).await;
    table.clock.advance(wait);
    let below = vec![insert(&[completed(run(3), 1)]), insert(&[completed(run(1), 2)])];
    assert_eq!(commit(other.as_ref(), below).await, [Committed::BelowFloor, Committed::Conflict]);
}

#[tokio::test]
async fn an_insert_that_comes_late_is_weighed_again() {
    let table = Table::create().await;
    let (between, services) = Between::start().await;
    let slow = table.store_by(&services);
    let write = || vec![insert(&[completed(run(1), 1)])];
    *between.clock.lock().unwrap() = Some((table.clock.clone(), Duration::from_secs(16)));
    assert_eq!(commit(slow.as_ref(), write()).await, [Committed::Conflict]);
    table.store().raise_floor(at(100)).await.unwrap();
    assert_eq!(commit(slow.as_ref(), write()).await, [Committed::BelowFloor]);
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
async fn a_table_that_is_deleted_under_a_worker_is_made_anew() {
    let table = Table::create().await;
    let (between, services) = Between::start().await;
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let bodies = bodies(60);
    let (before, after) = bodies.split_at(30);
    let worker = worker(local.queue.clone(), table.store_by(&services));
    local.queue.put(before.to_vec()).await.unwrap();
    drain(&worker).await;
    let replica = table.replica(&path.with_extension("replica"));
    replica.refresh(table.store().as_ref()).await.unwrap();
    table.services.table(&table.name).delete().await.unwrap();
    // The service takes its time with that.
    between.being_deleted.store(2, Ordering::Relaxed);
    local.queue.put(after.to_vec()).await.unwrap();
    drain(&worker).await;
    assert_eq!(between.being_deleted.load(Ordering::Relaxed), 0);
    let store = table.store();
    assert_same(&stored(store.as_ref()).await, &folded(after));
    replica.refresh(store.as_ref()).await.unwrap();
    let found = replica.runs(&RunFilter::default()).await.unwrap();
    assert_eq!(found.len(), folded(after).len(), "no run of the table that is gone");
}

#[tokio::test]
async fn a_table_in_the_place_of_another_is_told_from_it() {
    let table = Table::create().await;
    let store = table.store();
    for number in 1..=3 {
        store.append(&[Key::Run(run(number))]).await.unwrap();
    }
    let old = store.changes(&Cursor::default(), 10).await.unwrap().cursor;
    table.services.table(&table.name).delete().await.unwrap();
    store.create().await.unwrap();
    // Until the new log is nowhere shorter than the old one was. Each process begins in a shard of its own choice.
    let reached = serde_json::to_value(&old).unwrap()["reached"].clone();
    let reached: Vec<u64> = serde_json::from_value(reached).unwrap();
    while store.survey().await.unwrap().log.iter().zip(&reached).any(|(now, then)| now < then) {
        table.store().append(&[Key::Run(run(1))]).await.unwrap();
    }
    let changes = store.changes(&old, 10).await.unwrap();
    assert!(changes.reset);
    store.append(&[Key::Run(run(4))]).await.unwrap();
    assert_eq!(store.changes(&changes.cursor, 10).await.unwrap().keys, [Key::Run(run(4))]);
}

#[tokio::test]
async fn a_reader_that_came_before_the_log_had_a_name_learns_it() {
    let table = Table::create().await;
    let store = table.store();
    let name = table.services.table(&table.name).partition_key_client("meta").entity_client("log");
    name.delete().await.unwrap();
    let start = store.changes(&Cursor::default(), 10).await.unwrap().cursor;
    assert!(serde_json::to_value(&start).unwrap()["log"].is_null());
    store.append(&[Key::Run(run(1))]).await.unwrap();
    let changes = store.changes(&start, 10).await.unwrap();
    assert_eq!((changes.reset, changes.keys), (false, vec![Key::Run(run(1))]));
    assert!(serde_json::to_value(&changes.cursor).unwrap()["log"].is_string());
    // Removed once more, it stays the name that stands in the log.
    name.delete().await.unwrap();
    store.create().await.unwrap();
    let again = store.changes(&Cursor::default(), 10).await.unwrap().cursor;
    assert_eq!(again, changes.cursor);
}

#[tokio::test]
async fn what_is_looked_at_is_not_changed() {
    let table = Table::create().await;
    let (store, before) = (table.store(), table.rows("meta").await);
    let survey = store.survey().await.unwrap();
    assert_eq!((survey.log, survey.floor), (vec![0; 4], None));
    assert_eq!(table.rows("meta").await, before);
    store.append(&[Key::Run(run(1))]).await.unwrap();
    store.raise_floor(at(100)).await.unwrap();
    let survey = table.store().survey().await.unwrap();
    assert_eq!((survey.log.iter().sum::<u64>(), survey.floor), (1, Some(at(100))));
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
    assert_eq!(between.requests(), 4, "the head, the log's name, the append, a look for old rows");
    for number in 10..20 {
        commit(store.as_ref(), vec![insert(&[completed(run(number), 1)])]).await;
        store.append(&[Key::Run(run(number))]).await.unwrap();
    }
    assert_eq!(between.requests(), 23, "two each, and a look for old rows in each of the other shards");
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
    let replica = table.replica(&folder.path().join("replica.db"));
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

/// 10 of 100,000 runs in the long form.
#[tokio::test]
async fn a_refresh_costs_what_changed() {
    let table = Table::create().await;
    let (between, services) = Between::start().await;
    let runs = 300;
    bring(table.store(), runs).await;
    let folder = tempfile::tempdir().unwrap();
    let replica = table.replica(&folder.path().join("replica.db"));
    replica.refresh(table.store().as_ref()).await.unwrap();
    let store = table.store_by(&services);
    replica.refresh(store.as_ref()).await.unwrap();
    between.requests();
    replica.refresh(store.as_ref()).await.unwrap();
    let idle = between.requests();
    change_ten(table.store(), runs).await;
    replica.refresh(store.as_ref()).await.unwrap();
    let asked = between.requests();
    let shown = replica.runs(&RunFilter::default()).await.unwrap();
    assert_eq!(u64::try_from(shown.len()).unwrap(), runs);
    assert_eq!(shown.iter().filter(|run| run.finished_at == Some(at(2))).count(), 10);
    // A request for each part of the log, and one for each record at the most.
    assert!(idle <= 5 && asked <= 2 * idle + 10, "{idle} requests where nothing changed, {asked} where 10 did");
}

/// The same of so many that Azurite would need hours to take them: whatever a store holds, it is asked for the changes and
/// for the records that changed. How many requests of a table that is, is counted above.
#[tokio::test]
async fn a_refresh_asks_for_what_changed_among_many() {
    let runs = if all_tests() { 100_000 } else { 3_000 };
    let (folder, path) = folder();
    let store = Local::open(&path).await.store;
    bring(store.clone(), runs).await;
    let clock = Arc::new(ManualClock::at(time("2026-03-02T09:00:00Z")));
    let file = LocalFile::open(&folder.path().join("replica.db"), Missing::Create, clock).unwrap();
    let replica = Catalog::replica(file);
    replica.refresh(store.as_ref()).await.unwrap();
    let faults = Faults::none();
    let counting = FaultyStore { inner: store.clone(), faults: faults.clone() };
    let asked = || [Act::Changes, Act::Load].map(|act| faults.asked(act));
    replica.refresh(&counting).await.unwrap();
    let idle = asked();
    change_ten(store, runs).await;
    faults.weigh(0);
    replica.refresh(&counting).await.unwrap();
    assert_eq!((idle, asked(), faults.most_loaded()), ([1, 0], [2, 2], 10));
    let shown = replica.runs(&RunFilter::default()).await.unwrap();
    assert_eq!(u64::try_from(shown.len()).unwrap(), runs);
    assert_eq!(shown.iter().filter(|run| run.finished_at == Some(at(2))).count(), 10);
}

async fn bring(store: Arc<dyn Store>, runs: u64) {
    let mut importer = Importer::new(store);
    for first in (1..=runs).step_by(1_000) {
        let last = runs.min(first + 999);
        importer.import((first..=last).map(|number| completed(run(number), 1)).collect()).await.unwrap();
    }
}

/// Far apart, so that no page has two of them.
async fn change_ten(store: Arc<dyn Store>, runs: u64) {
    let changed = (1..=10).map(|nth| completed(run(nth * runs / 10), 2));
    Importer::new(store).import(changed.collect()).await.unwrap();
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
