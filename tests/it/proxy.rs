//! A proxy between a worker and Azurite: counts requests and plays faults, before the service acts and after.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Response, header};
use pipetrail::azure::Account;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::azurite::{ACCOUNT, Azurite, KEY, account};

/// The services allow 4 MiB for a transaction.
const MOST: usize = 8 << 20;

/// What the proxy does instead of handing a request on and its answer back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// 503 with the services' code for too much load.
    Busy,
    /// 429 with `Retry-After`.
    Throttled,
    /// 500.
    Internal,
    /// The answer comes late.
    Late,
    /// The connection breaks before the service hears of the request.
    CutBefore,
    /// The connection breaks after the service has acted.
    CutAfter,
    /// No answer for [`SILENCE`], and the service does not hear of the request.
    Silent,
    /// 403: the key is not the account's any more.
    Locked,
}

/// What may happen to any request by itself.
pub(crate) const FAULTS: [Fault; 7] =
    [Fault::Busy, Fault::Throttled, Fault::Internal, Fault::Late, Fault::CutBefore, Fault::CutAfter, Fault::Silent];

/// Longer than clients wait who are to see it.
pub(crate) const SILENCE: Duration = Duration::from_secs(7);

/// What becomes of the next requests of a kind.
struct Next {
    kind: &'static str,
    fate: Fate,
    times: u32,
}

/// A request that waits at the proxy, before the service hears of it.
#[derive(Clone, Default)]
pub(crate) struct Held {
    came: Arc<Notify>,
    go: Arc<Notify>,
}

impl Held {
    pub(crate) async fn came(&self) {
        self.came.notified().await;
    }

    pub(crate) fn release(&self) {
        self.go.notify_one();
    }
}

struct Plan {
    rng: SmallRng,
    /// Of a hundred requests, so many meet each fault.
    percent: u32,
    /// What all requests meet.
    all: Option<Fault>,
    next: Vec<Next>,
    played: BTreeMap<Fault, u32>,
    seen: u32,
}

/// A proxy for both services; it ends when it is dropped.
pub(crate) struct Proxy {
    plan: Arc<Mutex<Plan>>,
    queue_endpoint: String,
    table_endpoint: String,
    stop: CancellationToken,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Proxy {
    /// Hands everything on.
    pub(crate) async fn start(azurite: &Azurite) -> Self {
        let plan = Plan {
            rng: SmallRng::seed_from_u64(7),
            percent: 0,
            all: None,
            next: Vec::new(),
            played: BTreeMap::new(),
            seen: 0,
        };
        let (plan, stop) = (Arc::new(Mutex::new(plan)), CancellationToken::new());
        let queue_endpoint = serve("queue", &azurite.queue_endpoint(), &plan, &stop).await;
        let table_endpoint = serve("table", &azurite.table_endpoint(), &plan, &stop).await;
        Self { plan, queue_endpoint, table_endpoint, stop }
    }

    pub(crate) fn account(&self) -> Account {
        account(self.queue_endpoint.clone(), self.table_endpoint.clone())
    }

    /// As a user would configure it.
    pub(crate) fn connection_string(&self) -> String {
        let Self { queue_endpoint, table_endpoint, .. } = self;
        let account = format!("DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY}");
        format!("{account};QueueEndpoint={queue_endpoint};TableEndpoint={table_endpoint};")
    }

    /// Of a hundred requests, so many meet each of the [`FAULTS`] from now on.
    pub(crate) fn play(&self, percent: u32) {
        self.plan.lock().unwrap().percent = percent;
    }

    /// Every request meets this from now on, or none does any more.
    pub(crate) fn all(&self, fault: Option<Fault>) {
        self.plan.lock().unwrap().all = fault;
    }

    /// So many of the next requests of this kind, such as `queue PUT` or `table POST $batch`, are answered so.
    pub(crate) fn answer(&self, kind: &'static str, status: u16, code: &'static str, times: u32) {
        self.plan.lock().unwrap().next.push(Next { kind, fate: Fate::Answered(status, code), times });
    }

    /// So many of the next requests of this kind meet this fault.
    pub(crate) fn meet(&self, kind: &'static str, fault: Fault, times: u32) {
        self.plan.lock().unwrap().next.push(Next { kind, fate: Fate::Met(fault), times });
    }

    /// The next request of this kind waits until it is released.
    pub(crate) fn hold(&self, kind: &'static str) -> Held {
        let held = Held::default();
        self.plan.lock().unwrap().next.push(Next { kind, fate: Fate::Held(held.clone()), times: 1 });
        held
    }

    pub(crate) fn played(&self) -> BTreeMap<Fault, u32> {
        self.plan.lock().unwrap().played.clone()
    }

    /// How many requests there were so far.
    pub(crate) fn requests(&self) -> u32 {
        self.plan.lock().unwrap().seen
    }
}

#[derive(Clone)]
struct Relay {
    service: &'static str,
    /// Without the account: that is in the path, which is signed.
    target: String,
    client: reqwest::Client,
    plan: Arc<Mutex<Plan>>,
}

async fn serve(service: &'static str, target: &str, plan: &Arc<Mutex<Plan>>, stop: &CancellationToken) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/{ACCOUNT}", listener.local_addr().unwrap());
    // Shorter than Azurite keeps its connections.
    let client = reqwest::Client::builder().pool_idle_timeout(Duration::from_secs(3)).build().unwrap();
    let target = target.strip_suffix(&format!("/{ACCOUNT}")).unwrap().to_owned();
    let router = Router::new().fallback(relay).with_state(Relay { service, target, client, plan: plan.clone() });
    let stop = stop.clone().cancelled_owned();
    #[expect(clippy::disallowed_methods, reason = "ends with the proxy")]
    tokio::spawn(async move {
        tokio::select! {
            () = stop => Ok(()),
            served = axum::serve(listener, router) => served,
        }
    });
    endpoint
}

/// What becomes of a request.
#[derive(Clone)]
enum Fate {
    Relayed,
    Met(Fault),
    Answered(u16, &'static str),
    Held(Held),
}

impl Plan {
    fn next(&mut self, kind: &str) -> Fate {
        self.seen += 1;
        if let Some(next) = self.next.iter_mut().find(|next| next.kind == kind && next.times > 0) {
            next.times -= 1;
            return next.fate.clone();
        }
        let Some(fault) = self.all.or_else(|| self.thrown()) else { return Fate::Relayed };
        *self.played.entry(fault).or_default() += 1;
        Fate::Met(fault)
    }

    fn thrown(&mut self) -> Option<Fault> {
        let percent = self.percent;
        let dice = (percent > 0).then(|| self.rng.random_range(0..100) / percent)?;
        FAULTS.get(usize::try_from(dice).unwrap()).copied()
    }
}

impl Relay {
    fn next(&self, request: &Request) -> Fate {
        let kind = if request.uri().path().ends_with("$batch") { " $batch" } else { "" };
        self.plan.lock().unwrap().next(&format!("{} {}{kind}", self.service, request.method()))
    }

    async fn play(&self, fault: Fault, request: Request) -> Response<Body> {
        match fault {
            Fault::Busy => plain(503, "ServerBusy"),
            Fault::Throttled => plain(429, "TooManyRequests"),
            Fault::Internal => plain(500, "InternalError"),
            Fault::Locked => plain(403, "AuthenticationFailed"),
            Fault::Late => {
                let answer = self.ask(request).await;
                tokio::time::sleep(Duration::from_millis(300)).await;
                answer
            }
            Fault::CutBefore => cut(),
            Fault::CutAfter => {
                drop(self.ask(request).await);
                cut()
            }
            Fault::Silent => {
                tokio::time::sleep(SILENCE).await;
                cut()
            }
        }
    }

    async fn ask(&self, request: Request) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, MOST).await.unwrap();
        let mut ask = self.client.request(head.method, format!("{}{}", self.target, head.uri)).body(body);
        for (name, value) in &head.headers {
            if ![header::HOST, header::CONTENT_LENGTH].contains(name) {
                ask = ask.header(name, value);
            }
        }
        let answer = match ask.send().await {
            Ok(answer) => answer,
            Err(error) => return plain(502, &error.to_string()),
        };
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            if ![header::TRANSFER_ENCODING, header::CONTENT_LENGTH, header::CONNECTION].contains(name) {
                response = response.header(name, value);
            }
        }
        response.body(Body::from(answer.bytes().await.unwrap())).unwrap()
    }
}

async fn relay(State(relay): State<Relay>, request: Request) -> Response<Body> {
    match relay.next(&request) {
        Fate::Relayed => relay.ask(request).await,
        Fate::Answered(status, code) => plain(status, code),
        Fate::Met(fault) => relay.play(fault, request).await,
        Fate::Held(held) => {
            held.came.notify_one();
            held.go.notified().await;
            relay.ask(request).await
        }
    }
}

fn plain(status: u16, code: &str) -> Response<Body> {
    let response = Response::builder().status(status).header("x-ms-error-code", code);
    let response = if status == 429 { response.header(header::RETRY_AFTER, "1") } else { response };
    response.body(Body::empty()).unwrap()
}

/// An answer that breaks off in its first byte.
fn cut() -> Response<Body> {
    let broken = Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionReset));
    Response::new(Body::from_stream(futures_util::stream::iter([broken])))
}
