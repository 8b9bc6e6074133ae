//! The endpoint for hooks, over a real listener.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use pipetrail::catalog;
use pipetrail::clock::SystemClock;
use pipetrail::config::{AccessConfig, FluxConfig, HookCredentials, HttpConfig};
use pipetrail::http::{Access, Limits, MAX_BODY, Server, router};
use pipetrail::queue::{
    After, BodyTest, DeadLetter, DeadLetterFilter, Delivery, Depth, Queue, QueueError, SettleError, Settlement,
    SqliteQueue, Survey,
};
use pipetrail::sqlite::{LocalFile, Missing};
use pipetrail::store::{SqliteStore, Store};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const SOUND: u8 = 0;
const FAILS: u8 = 1;
const HANGS: u8 = 2;
const PANICS: u8 = 3;

/// The real queue with trouble that a test switches on, before the act.
struct Troubled {
    queue: SqliteQueue,
    trouble: AtomicU8,
    probes: AtomicUsize,
}

impl Troubled {
    async fn strike(&self) -> Result<(), QueueError> {
        match self.trouble.load(Ordering::SeqCst) {
            SOUND => Ok(()),
            FAILS => Err(QueueError::Failed("the secret path /srv/queue is gone".into())),
            HANGS => std::future::pending().await,
            _ => panic!("the queue panicked"),
        }
    }
}

#[async_trait]
impl Queue for Troubled {
    fn keeps_bodies(&self) -> bool {
        self.queue.keeps_bodies()
    }

    async fn put(&self, bodies: Vec<Vec<u8>>) -> Result<(), QueueError> {
        self.strike().await?;
        self.queue.put(bodies).await
    }

    async fn receive(&self, lease: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.queue.receive(lease).await
    }

    fn batch(&self) -> usize {
        self.queue.batch()
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), SettleError> {
        self.queue.settle(settlements).await
    }

    async fn begin_trial(&self, delivery: &Delivery) -> Result<u32, QueueError> {
        self.queue.begin_trial(delivery).await
    }

    async fn trials(&self, delivery: &Delivery) -> Result<u32, QueueError> {
        self.queue.trials(delivery).await
    }

    async fn end_trial(&self, delivery: &Delivery) -> Result<(), QueueError> {
        self.queue.end_trial(delivery).await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        self.queue.depth().await
    }

    async fn survey(&self) -> Result<Survey, QueueError> {
        self.queue.survey().await
    }

    async fn probe(&self) -> Result<(), QueueError> {
        self.probes.fetch_add(1, Ordering::SeqCst);
        self.strike().await?;
        self.queue.probe().await
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<&After>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, QueueError> {
        self.queue.dead_letters(filter, after, limit).await
    }

    async fn requeue(&self, ids: &[String]) -> Result<usize, QueueError> {
        self.queue.requeue(ids).await
    }

    async fn discard_copies(&self, wanted: BodyTest<'_>) -> Result<usize, QueueError> {
        self.queue.discard_copies(wanted).await
    }

    async fn discard(&self, ids: &[String]) -> Result<usize, QueueError> {
        self.queue.discard(ids).await
    }
}

/// A server on a free port with a file of its own.
struct Bench {
    address: SocketAddr,
    queue: Arc<Troubled>,
    client: Client,
    stop: CancellationToken,
    tracker: TaskTracker,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn start(hook: Option<HookCredentials>, limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = LocalFile::open(&folder.path().join("a.db"), Missing::Create, Arc::new(SystemClock)).unwrap();
        let queue = Arc::new(Troubled {
            queue: SqliteQueue::new(file.clone()),
            trouble: AtomicU8::new(SOUND),
            probes: AtomicUsize::new(0),
        });
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(file, catalog::projection()).await.unwrap());
        let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let (address, stop, tracker) = (server.address(), CancellationToken::new(), TaskTracker::new());
        let access = AccessConfig::default();
        let http = HttpConfig { listen: address, hook, access, flux: FluxConfig::default(), public_url: None };
        let access = Access::new(&http, Arc::new(SystemClock)).unwrap();
        let router = router(queue.clone(), store, access, limits);
        tracker.spawn(server.serve(router, limits, stop.clone()));
        Self { address, queue, client: Client::new(), stop, tracker, _folder: folder }
    }

    async fn sound() -> Self {
        Self::start(None, Limits::default()).await
    }

    fn trouble(&self, trouble: u8) {
        self.queue.trouble.store(trouble, Ordering::SeqCst);
    }

    fn hook(&self, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.client.post(format!("http://{}/hooks/azure-devops", self.address)).body(body)
    }

    async fn get(&self, path: &str) -> Response {
        self.client.get(format!("http://{}{path}", self.address)).send().await.unwrap()
    }

    /// All bodies on the queue, in the order of their bytes.
    async fn queued(&self) -> Vec<Bytes> {
        let deliveries = self.queue.receive(Duration::from_secs(100)).await.unwrap();
        let mut bodies: Vec<_> = deliveries.into_iter().map(|delivery| delivery.body).collect();
        bodies.sort();
        bodies
    }
}

/// The status, and the sentence of a problem.
async fn problem(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let json: serde_json::Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(json["status"], status);
    (status, json["detail"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn any_body_is_accepted_and_queued_byte_for_byte() {
    let bench = Bench::sound().await;
    let mut bodies: Vec<Vec<u8>> =
        vec![b"".to_vec(), b"not json".to_vec(), vec![0xff, 0, b'\n'], b"{\"a\":1}".to_vec(), vec![b'['; MAX_BODY]];
    for body in &bodies {
        let response = bench.hook(body.clone()).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::ACCEPTED);
    }
    bodies.sort();
    assert!(bench.queued().await == bodies);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let bench = Bench::sound().await;
    for size in [MAX_BODY + 1, 4 * MAX_BODY] {
        let response = bench.hook(vec![b'x'; size]).send().await.unwrap();
        assert_eq!(problem(response).await, (413, "The body is larger than 2 MiB.".to_owned()));
    }
    assert!(bench.queued().await.is_empty());
}

#[tokio::test]
async fn a_body_that_never_ends_is_cut_off() {
    let bench = Bench::sound().await;
    let mut stream = TcpStream::connect(bench.address).await.unwrap();
    stream
        .write_all(b"POST /hooks/azure-devops HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    let mut sent = 0;
    while sent < 100 * MAX_BODY && stream.write_all(&chunk).await.is_ok() {
        sent += chunk.len();
    }
    assert!(sent < 100 * MAX_BODY);
}

#[tokio::test]
async fn only_both_user_and_password_let_a_hook_in() {
    let credentials = HookCredentials::new("hook".to_owned(), "pass:word".into());
    let bench = Bench::start(Some(credentials), Limits::default()).await;
    let good = bench.hook("{}").header("authorization", "Basic aG9vazpwYXNzOndvcmQ=").send().await.unwrap();
    assert_eq!(good.status(), StatusCode::ACCEPTED);
    let wrong = [
        "Basic aG9vazpwYXNz",     // hook:pass
        "Basic eDpwYXNzOndvcmQ=", // x:pass:word
        "Basic aG9vaw==",         // hook
        "Basic !",
        "Bearer aG9vazpwYXNzOndvcmQ=",
        "",
    ];
    for header in wrong {
        let response = bench.hook("{}").header("authorization", header).send().await.unwrap();
        assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic realm="));
        assert_eq!(problem(response).await.0, 401, "{header}");
    }
    assert_eq!(problem(bench.hook("{}").send().await.unwrap()).await.0, 401);
    assert_eq!(bench.queued().await.len(), 1);
}

#[tokio::test]
async fn without_credentials_no_web_page_may_post() {
    let bench = Bench::sound().await;
    for origin in ["https://evil.example", "http://127.0.0.1:8080", "null"] {
        let response = bench.hook("{}").header("origin", origin).send().await.unwrap();
        assert_eq!(problem(response).await.0, 401, "{origin}");
    }
    assert!(bench.queued().await.is_empty());
}

#[tokio::test]
async fn other_methods_and_addresses_are_said_in_words() {
    let bench = Bench::sound().await;
    let response = bench.get("/hooks/azure-devops/").await;
    assert_eq!(problem(response).await.0, 405, "a slash at the end does no harm");
    let response = bench.get("/hooks/azure-devops").await;
    assert_eq!(response.headers()["allow"], "POST");
    assert_eq!(problem(response).await.0, 405);
    assert_eq!(problem(bench.get("/nothing").await).await.0, 404);
}

#[tokio::test]
async fn our_own_trouble_is_503_and_tells_nothing_of_the_inside() {
    let limits = Limits { backend: Duration::from_millis(100), ..Limits::default() };
    let bench = Bench::start(None, limits).await;
    for trouble in [FAILS, HANGS, PANICS] {
        bench.trouble(trouble);
        let response = bench.hook("{}").send().await.unwrap();
        assert!(response.headers().contains_key("retry-after"));
        let (status, detail) = problem(response).await;
        assert_eq!(status, 503);
        assert!(!detail.contains("secret"), "{detail}");
    }
    bench.trouble(SOUND);
    assert_eq!(bench.hook("{}").send().await.unwrap().status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up_and_its_room_is_free_again() {
    let limits = Limits {
        bodies: 1,
        admission: Duration::from_millis(50),
        body: Duration::from_millis(400),
        ..Limits::default()
    };
    let bench = Bench::start(None, limits).await;
    let mut stalled = TcpStream::connect(bench.address).await.unwrap();
    let head = "POST /hooks/azure-devops HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 100\r\n\r\n{";
    stalled.write_all(head.as_bytes()).await.unwrap();
    // As soon as the stalled body has the only room, others are turned away.
    let turned_away =
        async { while bench.hook("{}").send().await.unwrap().status() != StatusCode::SERVICE_UNAVAILABLE {} };
    tokio::time::timeout(Duration::from_secs(10), turned_away).await.unwrap();
    let mut answer = String::new();
    stalled.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert_eq!(bench.hook("{}").send().await.unwrap().status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn alive_always_and_ready_when_the_storage_is() {
    let bench = Bench::start(None, Limits { probe_is_good: Duration::ZERO, ..Limits::default() }).await;
    assert_eq!(bench.get("/healthz").await.text().await.unwrap(), r#"{"status":"alive"}"#);
    assert_eq!(bench.get("/readyz").await.text().await.unwrap(), r#"{"status":"ready"}"#);
    bench.trouble(FAILS);
    assert_eq!(bench.get("/healthz").await.status(), StatusCode::OK);
    assert_eq!(problem(bench.get("/readyz").await).await.0, 503);
}

#[tokio::test]
async fn many_who_ask_cost_one_probe() {
    let bench = Bench::start(None, Limits { probe_is_good: Duration::from_secs(600), ..Limits::default() }).await;
    let answers = futures_util::future::join_all((0..20).map(|_| bench.get("/readyz"))).await;
    assert!(answers.iter().all(|answer| answer.status() == StatusCode::OK));
    assert_eq!(bench.queue.probes.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn headers_that_do_not_come_are_not_waited_for() {
    let limits = Limits { headers: Duration::from_millis(100), connections: 1, ..Limits::default() };
    let bench = Bench::start(None, limits).await;
    let mut slow = TcpStream::connect(bench.address).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-never-").await.unwrap();
    // There is room for one: this answer comes once the slow one is given up.
    assert_eq!(bench.get("/healthz").await.status(), StatusCode::OK);
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(!answer.contains("200"), "{answer}");
}

#[tokio::test]
async fn a_connection_that_says_nothing_does_not_hold_up_the_stop() {
    let bench = Bench::sound().await;
    let mut silent = TcpStream::connect(bench.address).await.unwrap();
    let mut half = TcpStream::connect(bench.address).await.unwrap();
    half.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    half.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    bench.stop.cancel();
    bench.tracker.close();
    tokio::time::timeout(Duration::from_secs(8), bench.tracker.wait()).await.unwrap();
    assert_eq!(silent.read(&mut answer).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_request_in_flight_is_answered_after_the_stop() {
    let bench = Bench::sound().await;
    let mut stream = TcpStream::connect(bench.address).await.unwrap();
    stream.write_all(b"POST /hooks/azure-devops HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{").await.unwrap();
    // The server has it in hand once it was read: the next connection's answer comes after that.
    assert_eq!(bench.get("/healthz").await.status(), StatusCode::OK);
    bench.stop.cancel();
    let refused = async { while TcpStream::connect(bench.address).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(10), refused).await.unwrap();
    stream.write_all(b"}").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    bench.tracker.close();
    tokio::time::timeout(Duration::from_secs(10), bench.tracker.wait()).await.unwrap();
    assert_eq!(bench.queued().await, [&b"{}"[..]]);
}
