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
use tokio_util::sync::CancellationToken;

use crate::azurite::{ACCOUNT, Azurite, account};

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
}

pub(crate) const FAULTS: [Fault; 6] =
    [Fault::Busy, Fault::Throttled, Fault::Internal, Fault::Late, Fault::CutBefore, Fault::CutAfter];

struct Plan {
    rng: SmallRng,
    /// Of a hundred requests, so many meet each fault.
    percent: u32,
    /// Nothing is handed on.
    away: bool,
    played: BTreeMap<Fault, u32>,
    /// By service and kind of request.
    seen: BTreeMap<String, u32>,
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
            away: false,
            played: BTreeMap::new(),
            seen: BTreeMap::new(),
        };
        let (plan, stop) = (Arc::new(Mutex::new(plan)), CancellationToken::new());
        let queue_endpoint = serve("queue", &azurite.queue_endpoint(), &plan, &stop).await;
        let table_endpoint = serve("table", &azurite.table_endpoint(), &plan, &stop).await;
        Self { plan, queue_endpoint, table_endpoint, stop }
    }

    pub(crate) fn account(&self) -> Account {
        account(self.queue_endpoint.clone(), self.table_endpoint.clone())
    }

    /// Of a hundred requests, so many meet each of the [`FAULTS`] from now on.
    pub(crate) fn play(&self, percent: u32) {
        self.plan.lock().unwrap().percent = percent;
    }

    /// Nothing answers any more, or everything does again.
    pub(crate) fn away(&self, away: bool) {
        self.plan.lock().unwrap().away = away;
    }

    pub(crate) fn played(&self) -> BTreeMap<Fault, u32> {
        self.plan.lock().unwrap().played.clone()
    }

    /// Requests so far, by service and kind: `table POST $batch`, `queue DELETE`.
    pub(crate) fn seen(&self) -> BTreeMap<String, u32> {
        self.plan.lock().unwrap().seen.clone()
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

impl Relay {
    /// Notes the request; the fault that it is to meet.
    fn next(&self, request: &Request) -> Option<Fault> {
        let mut plan = self.plan.lock().unwrap();
        let kind = if request.uri().path().ends_with("$batch") { " $batch" } else { "" };
        *plan.seen.entry(format!("{} {}{kind}", self.service, request.method())).or_default() += 1;
        if plan.away {
            return Some(Fault::CutBefore);
        }
        let dice = usize::try_from(plan.rng.random_range(0..100) / plan.percent.max(1)).unwrap();
        let fault = if plan.percent == 0 { None } else { FAULTS.get(dice).copied() };
        if let Some(fault) = fault {
            *plan.played.entry(fault).or_default() += 1;
        }
        fault
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
        None => relay.ask(request).await,
        Some(Fault::Busy) => plain(503, "ServerBusy"),
        Some(Fault::Throttled) => plain(429, "TooManyRequests"),
        Some(Fault::Internal) => plain(500, "InternalError"),
        Some(Fault::Late) => {
            let answer = relay.ask(request).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            answer
        }
        Some(Fault::CutBefore) => cut(),
        Some(Fault::CutAfter) => {
            drop(relay.ask(request).await);
            cut()
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
