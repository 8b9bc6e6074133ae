//! An Azure DevOps to ask, as far as its REST API is used here: it keeps what it was told, answers in the service's
//! shapes, counts requests, and makes trouble when a test wants some.
//!
//! What comes in is taken apart once ([`Request`]); each part of the API is one file with one function from state and
//! request to [`Reply`].

mod builds;
mod code;
mod hooks;
mod projects;
mod releases;
mod told;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request as HttpRequest, State as Shared};
use axum::response::Response;
use pipetrail::ado::rest::{Access, AdoError, Client, Credential, Limits};
use pipetrail::domain::Time;
use reqwest::Url;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use builds::{Build, Timeline};
pub(crate) use code::{PullRequest, Push, Repository, WorkItem};
pub(crate) use hooks::Hooks;
pub(crate) use projects::Project;
pub(crate) use releases::Environment;
pub(crate) use told::{PROJECTS, tell};

pub(crate) const TOKEN: &str = "the-token";

/// What goes wrong with a request.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    /// This status, with `Retry-After` in seconds where it is given.
    Status(u16, Option<u64>),
    /// A good answer with `Retry-After`.
    Slow(u64),
    /// What a token that is not valid often gets.
    SignInPage,
    SignInRedirect,
    /// A page of somebody else.
    StrangePage(u16),
    /// Called JSON, but none.
    NotJson,
    /// A good answer after so long.
    Late(Duration),
    /// A good answer once this is called.
    Held(CancellationToken),
}

/// What the service knows, and how it behaves.
pub(crate) struct State {
    pub(crate) organization: String,
    pub(crate) projects: Vec<Project>,
    pub(crate) builds: BTreeMap<u64, Build>,
    pub(crate) by_finish: BTreeSet<(Time, u64)>,
    pub(crate) timelines: BTreeMap<u64, Timeline>,
    /// Deployments of classic releases, as they are answered, by their project's id.
    pub(crate) release_deployments: Vec<(String, Value)>,
    pub(crate) releases: Vec<(String, Value)>,
    pub(crate) environments: Vec<releases::Environment>,
    /// The values of `Authorization` that are accepted.
    pub(crate) accepted: BTreeSet<String>,
    /// Whoever asks may do nothing.
    pub(crate) forbids: bool,
    /// The projects, by id, whose builds nobody may read.
    pub(crate) closed: BTreeSet<String>,
    /// Areas that whoever asks has no right to: the first part of a path behind `_apis`, such as `projects`.
    pub(crate) forbidden: BTreeSet<&'static str>,
    /// Builds and projects in one page, at most.
    pub(crate) page: usize,
    /// Every list goes on for ever, by a new token each time.
    pub(crate) endless: bool,
    /// Every list goes on with this token.
    pub(crate) circular: Option<String>,
    /// One for each of the next requests.
    pub(crate) troubles: VecDeque<Trouble>,
    /// For all requests after those.
    pub(crate) trouble: Option<Trouble>,
    /// Method and path of each request, without the query.
    pub(crate) requests: Vec<String>,
    pub(crate) queries: Vec<BTreeMap<String, String>>,
    /// What was posted and put.
    pub(crate) bodies: Vec<Vec<u8>>,
    pub(crate) hooks: Hooks,
    pub(crate) code: code::Code,
    pub(crate) most_at_once: usize,
    at_once: usize,
    tokens: u64,
}

impl State {
    fn new() -> Self {
        Self {
            organization: "fabrikam".to_owned(),
            projects: PROJECTS.iter().map(|name| Project::named(name)).collect(),
            builds: BTreeMap::new(),
            by_finish: BTreeSet::new(),
            timelines: BTreeMap::new(),
            release_deployments: Vec::new(),
            releases: Vec::new(),
            environments: Vec::new(),
            accepted: BTreeSet::from([basic(TOKEN)]),
            forbids: false,
            closed: BTreeSet::new(),
            forbidden: BTreeSet::new(),
            page: 200,
            endless: false,
            circular: None,
            troubles: VecDeque::new(),
            trouble: None,
            requests: Vec::new(),
            queries: Vec::new(),
            bodies: Vec::new(),
            hooks: Hooks::new(),
            code: code::Code::default(),
            most_at_once: 0,
            at_once: 0,
            tokens: 0,
        }
    }

    /// Where the list goes on, as the wrong kind of service says it.
    pub(crate) fn wrong_token(&mut self) -> Option<String> {
        self.tokens += 1;
        let endless = self.endless.then(|| format!("token-{}", self.tokens));
        self.circular.clone().or(endless)
    }

    /// How many requests had this in their path.
    pub(crate) fn count(&self, part: &str) -> usize {
        self.requests.iter().filter(|request| request.contains(part)).count()
    }
}

fn basic(token: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!(":{token}")))
}

/// A request, taken apart.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) organization: String,
    /// As it was asked for, by name or id.
    pub(crate) project: Option<String>,
    /// Behind `_apis`.
    pub(crate) path: Vec<String>,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    fn new(method: String, path_and_query: &str, body: Vec<u8>) -> Option<Self> {
        let url = Url::parse(&format!("http://x{path_and_query}")).ok()?;
        let unescaped = |part: &str| percent_encoding(part);
        let mut segments: VecDeque<String> = url.path_segments()?.map(unescaped).collect();
        let organization = segments.pop_front()?;
        let project = segments.pop_front().filter(|segment| segment != "_apis");
        if project.is_some() {
            segments.pop_front().filter(|segment| segment == "_apis")?;
        }
        let query = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        Some(Self { method, organization, project, path: segments.into(), query, body })
    }

    /// The parts of the path, to match on.
    pub(crate) fn parts(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }
}

/// Undoes `%20` and the like.
fn percent_encoding(part: &str) -> String {
    let pairs = format!("x={}", part.replace('+', "%2B"));
    let url = Url::parse(&format!("http://x/?{pairs}")).unwrap();
    url.query_pairs().next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(value: &Value) -> Self {
        Self::text(200, "application/json; charset=utf-8; api-version=7.1", &value.to_string())
    }

    pub(crate) fn text(status: u16, kind: &str, body: &str) -> Self {
        Self { status, headers: vec![("content-type", kind.to_owned())], body: body.into() }
    }

    pub(crate) fn page(status: u16, body: &str) -> Self {
        Self::text(status, "text/html; charset=utf-8", body)
    }

    /// A refusal in the service's form.
    pub(crate) fn refusal(status: u16, message: &str) -> Self {
        let body = json!({"$id": "1", "innerException": null, "message": message, "typeName": "x", "typeKey": "x", "errorCode": 0, "eventId": 3000});
        Self { status, ..Self::json(&body) }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The service, listening until it is dropped.
pub(crate) struct FakeAdo {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    serving: JoinHandle<()>,
}

impl Drop for FakeAdo {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl FakeAdo {
    #[expect(clippy::disallowed_methods, reason = "it ends when this is dropped")]
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::new()));
        state.lock().unwrap().hooks.me = Arc::downgrade(&state);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(handle).with_state(Arc::clone(&state));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, state, serving }
    }

    /// Twice in one expression it waits for itself.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn access(&self) -> Access {
        Access { url: self.url(), credential: Credential::Token(TOKEN.into()) }
    }

    /// A client that does not wait long.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.access(), quick()).unwrap()
    }

    /// The next requests go so.
    pub(crate) fn trouble(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.state().troubles.extend(troubles);
    }
}

pub(crate) fn quick() -> Limits {
    Limits {
        request: Duration::from_secs(5),
        first_wait: Duration::from_millis(5),
        most_wait: Duration::from_millis(40),
        patience: Duration::from_secs(3),
        ..Limits::default()
    }
}

pub(crate) fn hint(error: &AdoError) -> &'static str {
    error.hint().unwrap_or_default()
}

async fn handle(Shared(state): Shared<Arc<Mutex<State>>>, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    let authorization = parts.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let path_and_query = parts.uri.path_and_query().map_or("/", |whole| whole.as_str());
    let trouble = {
        let mut state = state.lock().unwrap();
        state.requests.push(format!("{} {}", parts.method, parts.uri.path()));
        state.at_once += 1;
        state.most_at_once = state.most_at_once.max(state.at_once);
        let next = state.troubles.pop_front();
        next.or_else(|| state.trouble.clone())
    };
    match &trouble {
        Some(Trouble::Late(time)) => tokio::time::sleep(*time).await,
        Some(Trouble::Held(released)) => released.cancelled().await,
        _ => {}
    }
    let mut state = state.lock().unwrap();
    state.at_once -= 1;
    let request = Request::new(parts.method.to_string(), path_and_query, body);
    let reply = match request {
        None => Reply::page(404, "<html>no such page</html>"),
        Some(request) => {
            state.queries.push(request.query.clone());
            if request.method != "GET" {
                state.bodies.push(request.body.clone());
            }
            troubled(trouble.as_ref(), || answer(&mut state, &request, authorization))
        }
    };
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    response.body(Body::from(reply.body)).unwrap()
}

fn troubled(trouble: Option<&Trouble>, sound: impl FnOnce() -> Reply) -> Reply {
    let limited = "TF400733: The request has been canceled: Request was blocked due to exceeding usage of resource \
                   'Concurrency' in namespace 'User'. For more information on why your request was blocked, see the topic \
                   \"Rate limits\" on the Microsoft Web site.";
    match trouble {
        None | Some(Trouble::Late(_) | Trouble::Held(_)) => sound(),
        Some(Trouble::Status(status, wait)) => {
            let reply = Reply::refusal(*status, if *status == 429 { limited } else { "VS403: trouble of the service" });
            wait.iter().fold(reply, |reply, seconds| reply.with("retry-after", seconds.to_string()))
        }
        Some(Trouble::Slow(seconds)) => {
            let reply = sound().with("retry-after", seconds.to_string());
            reply.with("x-ratelimit-delay", "1.250").with("x-ratelimit-remaining", "0")
        }
        Some(Trouble::SignInPage) => sign_in(),
        Some(Trouble::SignInRedirect) => Reply::page(302, "<html>Object moved</html>")
            .with("location", "https://spsprodweu1.vssps.visualstudio.com/_signin?realm=dev.azure.com"),
        Some(Trouble::StrangePage(status)) => {
            let reply = Reply::page(*status, "<html><title>Router</title>Log in to the guest network</html>");
            reply.with("location", "https://elsewhere.example/")
        }
        Some(Trouble::NotJson) => Reply::text(200, "application/json", "<?xml version=\"1.0\"?><oops/>"),
    }
}

fn sign_in() -> Reply {
    Reply::page(203, "<!DOCTYPE html><html><head><title>Azure DevOps Services | Sign In</title></head></html>")
}

fn answer(state: &mut State, request: &Request, authorization: &str) -> Reply {
    if !request.organization.eq_ignore_ascii_case(&state.organization) {
        return Reply::page(
            404,
            "<html><head><title>Azure DevOps Services | 404 - Page not found</title></head></html>",
        );
    }
    if !state.accepted.contains(authorization) {
        return sign_in();
    }
    let parts = request.parts();
    if state.forbids || parts.first().is_some_and(|area| state.forbidden.contains(area)) {
        let says = "TF400813: The user 'aad.x' is not authorized to access this resource.";
        return Reply::refusal(403, says);
    }
    match parts.first().copied() {
        Some("projects") => projects::answer(state, request),
        Some("hooks") => hooks::answer(state, request),
        Some("build") => match projects::known(state, request) {
            Ok(Some(project)) if state.closed.contains(&project) => {
                Reply::refusal(403, "Access denied. Dev needs View builds permissions to perform the action.")
            }
            Ok(project) => builds::answer(state, request, project.as_deref()),
            Err(refusal) => refusal,
        },
        Some("release" | "pipelines") => match projects::known(state, request) {
            Ok(project) => releases::answer(state, request, project.as_deref()),
            Err(refusal) => refusal,
        },
        Some("git") => match projects::known(state, request) {
            Ok(project) => code::git(state, request, project.as_deref()),
            Err(refusal) => refusal,
        },
        Some("wit") => match projects::known(state, request) {
            Ok(project) => code::wit(state, request, project.as_deref()),
            Err(refusal) => refusal,
        },
        _ => Reply::refusal(404, "The controller for that path was not found."),
    }
}
