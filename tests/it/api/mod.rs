//! The HTTP API over a real listener: what it answers, to whom, and that its document says so.

mod document;
mod model;
mod questions;
mod scope;
mod seed;
pub(crate) mod stream;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::{Extension, Router};
use insta::assert_snapshot;
use pipetrail::ask::Model;
use pipetrail::catalog::{Catalog, RunFilter};
use pipetrail::clock::ManualClock;
use pipetrail::domain::chain::Chains;
use pipetrail::domain::owner::Owners;
use pipetrail::domain::{Fact, HookLook, Scope};
use pipetrail::http::access::{Caller, Rights};
use pipetrail::http::{Answering, Limits, Readers, Server, readers};
use pipetrail::ingest::Importer;
use pipetrail::store::Store;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::faults::{Act, Faults, FaultyStore};
use crate::support::{Local, folder, time};
use seed::{AMBER, Side, VIOLET};

/// A catalog with two projects in it, and a server for one caller.
pub(crate) struct Bench {
    pub(crate) local: Local,
    client: Client,
    /// Of the one who may all.
    pub(crate) all: String,
    stop: CancellationToken,
    tracker: TaskTracker,
    folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) async fn seeded() -> Self {
        let bench = Self::empty().await;
        bench.import(seed::both()).await;
        for side in [AMBER, VIOLET] {
            bench.look(&side.hooks()).await;
        }
        bench
    }

    async fn look(&self, look: &HookLook) {
        self.local.store.put_note(&look.note().unwrap(), &look.encode()).await.unwrap();
    }

    pub(crate) async fn empty() -> Self {
        let (folder, path) = folder();
        let local = Local::open(&path).await;
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        let mut bench = Self { local, client: Client::new(), all: String::new(), stop, tracker, folder };
        bench.follow(&bench.local.catalog, &bench.local.store);
        bench.all = bench.serve(Caller::on_loopback()).await;
        bench
    }

    pub(crate) async fn import(&self, facts: Vec<Fact>) {
        Importer::new(self.local.store.clone()).import(facts).await.unwrap();
    }

    /// Where this caller is answered.
    pub(crate) async fn serve(&self, caller: Caller) -> String {
        self.serve_from(self.local.catalog.clone(), caller).await
    }

    /// Keeps it up to date, as a process does.
    pub(crate) fn follow(&self, catalog: &Catalog, store: &Arc<dyn Store>) {
        let (catalog, store, stop) = (catalog.clone(), store.clone(), self.stop.clone());
        self.tracker.spawn(async move { catalog.follow(store.as_ref(), &stop).await });
    }

    pub(crate) async fn serve_from(&self, catalog: Catalog, caller: Caller) -> String {
        self.serve_by(self.local.store.clone(), catalog, caller).await
    }

    pub(crate) async fn serve_by(&self, store: Arc<dyn Store>, catalog: Catalog, caller: Caller) -> String {
        self.serve_routes(self.readers(store, catalog).layer(Extension(caller))).await
    }

    /// Where questions are answered by this model.
    async fn serve_answering(&self, model: Model) -> String {
        let readers = self.readers(self.local.store.clone(), self.local.catalog.clone());
        let readers = readers.layer(Extension(Answering { model: Some(model), public_url: None }));
        self.serve_routes(readers.layer(Extension(Caller::on_loopback()))).await
    }

    fn readers(&self, store: Arc<dyn Store>, catalog: Catalog) -> Router {
        readers(self.parts(store, catalog))
    }

    fn parts(&self, store: Arc<dyn Store>, catalog: Catalog) -> Readers {
        Readers {
            catalog,
            store,
            queue: self.local.queue.clone(),
            clock: Arc::new(ManualClock::at(time("2026-03-02T12:00:00Z"))),
            owners: Owners::default(),
            branches: Vec::new(),
            chains: Chains::default(),
        }
    }

    /// Where this caller is answered, with a configuration that names things of both sides.
    async fn serve_named(&self, caller: Caller) -> String {
        let parts = self.parts(self.local.store.clone(), self.local.catalog.clone());
        let owners = Owners([AMBER, VIOLET].map(Side::owner).to_vec());
        let chains = Chains { all: [AMBER, VIOLET].map(Side::chain).to_vec(), are_configured: true };
        self.serve_routes(readers(Readers { owners, chains, ..parts }).layer(Extension(caller))).await
    }

    async fn serve_routes(&self, routes: Router) -> String {
        let server = Server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = format!("http://{}", server.address());
        self.tracker.spawn(server.serve(routes, Limits::default(), self.stop.clone()));
        address
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.all)).send().await.unwrap()
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
    }

    /// The status of a problem, and what it says.
    pub(crate) async fn problem(&self, path: &str) -> (u16, String) {
        problem(self.get(path).await).await
    }

    async fn post(&self, path: &str) -> Response {
        self.client.post(format!("{}{path}", self.all)).send().await.unwrap()
    }
}

async fn problem(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let json: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(json["status"], status);
    (status, json["detail"].as_str().unwrap().to_owned())
}

pub(crate) fn only(projects: &[&str]) -> Caller {
    let projects = projects.iter().map(|name| name.parse().unwrap()).collect();
    Caller { rights: Rights::Admin, scope: Scope::Only(projects), name: None }
}

fn pretty(json: &Value) -> String {
    serde_json::to_string_pretty(json).unwrap()
}

#[tokio::test]
async fn answers_are_what_stands_here() {
    let bench = Bench::seeded().await;
    let of = |path: &str| format!("{path}?organization=Fabrikam");
    assert_snapshot!(
        "runs",
        pretty(&bench.json("/api/v1/runs?project=amber%20project&limit=1&result=succeeded").await)
    );
    assert_snapshot!("run", pretty(&bench.json(&of("/api/v1/runs/110110")).await));
    assert_snapshot!("pipeline", pretty(&bench.json("/api/v1/pipelines/110111").await));
    assert_snapshot!("environments", pretty(&bench.json("/api/v1/environments?project=amber-0000-4000&limit=1").await));
    assert_snapshot!(
        "compare",
        pretty(&bench.json("/api/v1/environments/compare?from=dev&to=prod&project=amber%20project").await)
    );
    assert_snapshot!("commit", pretty(&bench.json("/api/v1/commits/AAAA11").await));
    assert_snapshot!("approvals", pretty(&bench.json("/api/v1/approvals?status=approved&limit=1").await));
    assert_snapshot!("hooks", pretty(&bench.json("/api/v1/hooks?project=amber%20project").await));
}

/// Who looks is another process; who reads says from when it is.
#[tokio::test]
async fn how_hooks_were_is_told_with_its_time_and_is_uncertain_when_nobody_looks_again() {
    let bench = Bench::empty().await;
    let hooks = async |bench: &Bench| bench.json("/api/v1/hooks").await;
    let nobody = hooks(&bench).await;
    assert_eq!((&nobody["healthy"], &nobody["of"], &nobody["asOf"]), (&Value::Null, &Value::Null, &Value::Null));
    assert!(nobody["reason"].as_str().unwrap().contains("--watch-hooks"), "{nobody}");
    let bench = Bench::seeded().await;
    let fresh = hooks(&bench).await;
    assert_eq!((&fresh["healthy"], &fresh["of"], &fresh["uncertain"]), (&2.into(), &4.into(), &false.into()));
    assert_eq!((&fresh["asOf"], &fresh["reason"]), (&"2026-03-02T11:55:00Z".into(), &Value::Null));
    let bench = Bench::seeded().await;
    // Two looks of ten minutes should have come since.
    bench.look(&HookLook { at: time("2026-03-02T11:39:59Z"), ..VIOLET.hooks() }).await;
    let late = hooks(&bench).await;
    assert_eq!((&late["uncertain"], &late["asOf"]), (&true.into(), &"2026-03-02T11:39:59Z".into()));
    let of_amber = bench.json("/api/v1/hooks?project=AMBER-0000-4000").await;
    assert_eq!((&of_amber["of"], &of_amber["uncertain"]), (&2.into(), &false.into()));
    let bench = Bench::seeded().await;
    bench.look(&HookLook { at: time("2026-02-01T00:00:00Z"), ..VIOLET.hooks() }).await;
    assert_eq!(hooks(&bench).await["of"], 2, "what nobody looked at for weeks is not told");
}

#[tokio::test]
async fn what_is_asked_wrongly_is_said() {
    let bench = Bench::seeded().await;
    let mut said = String::new();
    for path in [
        "/api/v1/runs?brnach=main",
        "/api/v1/runs?limit=0",
        "/api/v1/runs?limit=201",
        "/api/v1/runs?limit=",
        "/api/v1/runs?since=yesterday",
        "/api/v1/runs?sort=name",
        "/api/v1/runs?cursor=x",
        "/api/v1/runs?state=a&state=b",
        "/api/v1/runs/x",
        "/api/v1/runs/-1",
        "/api/v1/runs/99999999999999999999",
        "/api/v1/runs/%ff",
        "/api/v1/runs/479",
        "/api/v1/runs/479?organisation=fabrikam",
        "/api/v1/pipelines/1",
        "/api/v1/environments/compare",
        "/api/v1/environments/compare?from=dev&to=moon",
        "/api/v1/deployments?current=maybe",
        "/api/v1/commits/abc",
        "/api/v1/commits/abcx",
        "/api/v1/commits/dddd",
        "/api/v1/pull-requests/1",
        "/api/v1/work-items/1",
        "/api/v1/gaps?top=1",
        "/api/v1/dead-letters?limit=33",
        "/api/v1/dead-letters/1%2f2",
        "/api/v1/stream?from=1",
        "/api/v1/",
        "/api/v1/runs/",
        "/api/v2/runs",
        "/api",
    ] {
        let (status, says) = bench.problem(path).await;
        said.push_str(&format!("{path}\n  {status} {says}\n"));
    }
    let (status, says) = problem(bench.post("/api/v1/runs").await).await;
    said.push_str(&format!("POST /api/v1/runs\n  {status} {says}\n"));
    assert_snapshot!("asked_wrongly", said);
}

#[tokio::test]
async fn hostile_words_are_words() {
    let bench = Bench::seeded().await;
    for word in ["'", "\"--", "%00", "%F0%9F%92%A9", "*", "%25", "a' OR 1=1", "{}", "[]", &"x".repeat(5_000)] {
        let word = word.replace(' ', "%20");
        for name in ["organization", "project", "pipeline", "branch", "state", "result", "commit"] {
            let found = bench.json(&format!("/api/v1/runs?{name}={word}")).await;
            assert_eq!(found["items"], Value::Array(Vec::new()), "{name}={word}");
        }
        bench.json(&format!("/api/v1/deployments?environment={word}&pipeline={word}&project={word}")).await;
        assert_eq!(bench.problem(&format!("/api/v1/runs/1?organization={word}")).await.0, 404);
        assert_eq!(bench.problem(&format!("/api/v1/runs?cursor={word}")).await.0, 400);
        assert_eq!(bench.problem(&format!("/api/v1/runs?limit={word}")).await.0, 400);
        assert_eq!(bench.problem(&format!("/api/v1/environments/compare?from={word}&to={word}")).await.0, 404);
    }
}

#[tokio::test]
async fn several_runs_with_one_number_are_listed() {
    let bench = Bench::seeded().await;
    let mut twin = AMBER.run_fact(0);
    twin.key.organization = "contoso".to_owned();
    bench.import(vec![Fact::Run(twin)]).await;
    let response = bench.get("/api/v1/runs/110110").await;
    assert_eq!(response.status(), 409);
    let json: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    let matches = ["contoso/amber project amber pipeline", "fabrikam/amber project amber pipeline"];
    assert_eq!(json["matches"], serde_json::json!(matches));
    assert_eq!(bench.json("/api/v1/runs/110110?organization=contoso").await["organization"], "contoso");
}

/// With the real `curl`, and each against a server that has the examples.
#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_readme_work() {
    let readme = include_str!("../../../README.md");
    let section = readme.split("## The HTTP API").nth(1).unwrap().split("\n## ").next().unwrap();
    let lines: Vec<&str> = section.lines().filter(|line| line.starts_with("curl ")).collect();
    assert!(lines.len() > 5);
    let bench = Bench::empty().await;
    bench.local.queue.put(crate::examples::bodies().into_iter().map(|(_, body)| body).collect()).await.unwrap();
    bench.local.drain().await;
    for line in lines {
        let line = line.replace("http://127.0.0.1:8080", &bench.all);
        let ran = tokio::process::Command::new("sh").args(["-c", &line]).output().await.unwrap();
        assert!(ran.status.success(), "{line}");
        let json: Value = serde_json::from_slice(&ran.stdout).unwrap();
        let is_list = line.contains("/runs?") || line.contains("/pipelines");
        assert!(!is_list || !json["items"].as_array().unwrap().is_empty(), "{line}: {json}");
    }
}

/// All pages of a list, and what came in between.
async fn pages(bench: &Bench, path: &str, mut between: impl AsyncFnMut()) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = bench.json(&format!("{path}{cursor}")).await;
        items.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["nextCursor"].as_str() else { return items };
        cursor = format!("&cursor={next}");
        between().await;
    }
}

#[tokio::test]
async fn all_pages_together_are_the_list() {
    let bench = Bench::seeded().await;
    for list in ["runs", "runs?sort=runId", "pipelines", "environments", "deployments", "approvals", "gaps"] {
        let (list, mark) = if list.contains('?') { (list, '&') } else { (list, '?') };
        let whole = bench.json(&format!("/api/v1/{list}{mark}limit=200")).await;
        assert!(whole["items"].as_array().unwrap().len() >= 2 && whole["nextCursor"].is_null(), "{list}");
        for limit in 1..=3 {
            let paged = pages(&bench, &format!("/api/v1/{list}{mark}limit={limit}"), async || {}).await;
            assert_eq!(Value::Array(paged), whole["items"], "{list} by {limit}");
        }
    }
}

#[tokio::test]
async fn pages_stay_what_they_are_while_runs_come() {
    let bench = Bench::empty().await;
    let runs =
        |side: seed::Side, nth: std::ops::Range<u64>| nth.map(|n| Fact::Run(side.run_fact(n))).collect::<Vec<_>>();
    bench.import([runs(AMBER, 0..20), runs(VIOLET, 0..20)].concat()).await;
    let known = |runs: &[Value]| runs.iter().map(|run| run["runId"].as_u64().unwrap()).collect::<Vec<_>>();
    let before = known(bench.json("/api/v1/runs?limit=200").await["items"].as_array().unwrap());
    for sort in ["-runId", "runId"] {
        let mut next = 100;
        let path = format!("/api/v1/runs?limit=7&sort={sort}");
        let paged = pages(&bench, &path, async || {
            // Newer ones, and some that stand between those that are known.
            bench.import([runs(AMBER, next..next + 3), runs(VIOLET, next..next + 3)].concat()).await;
            next += 3;
        });
        let paged = known(&paged.await);
        let distinct: BTreeSet<u64> = paged.iter().copied().collect();
        assert_eq!(distinct.len(), paged.len(), "{sort}: none twice");
        assert!(before.iter().all(|run| distinct.contains(run)), "{sort}: none left out");
    }
}

/// Many runs on one branch, and none of them succeeded: no index leads to what is asked for.
pub(crate) fn many_runs(local: &Local) {
    let fill = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 6000) \
                INSERT INTO runs (run, organization, pipeline, project_name, branch, state, result, queued) \
                SELECT 10000 + n, 'fabrikam', 7, 'much', 'refs/heads/main', 'completed', \
                  CASE WHEN n = 3 THEN 'succeeded' ELSE 'odd' END, 17000000000000000 + n * 10000000 FROM n";
    rusqlite::Connection::open(local.file.path()).unwrap().execute_batch(fill).unwrap();
}

#[tokio::test]
async fn a_page_that_looked_through_much_ends_and_says_how_far_it_came() {
    let bench = Bench::empty().await;
    many_runs(&bench.local);
    let path = "/api/v1/runs?branch=main&result=succeeded";
    let page = bench.json(path).await;
    assert_eq!(page["items"], json!([]));
    assert_eq!(page["lookedTo"], json!({"runId": 13_500, "at": "2023-11-14T23:11:40Z"}));
    let found = pages(&bench, path, async || {}).await;
    assert_eq!(found.iter().map(|run| &run["runId"]).collect::<Vec<_>>(), [&json!(10_003)]);
    assert!(bench.json("/api/v1/runs?branch=main").await.get("lookedTo").is_none(), "a full page says nothing of it");
    let upward = bench.json(&format!("{path}&sort=runId")).await;
    assert_eq!((&upward["items"][0]["runId"], &upward["lookedTo"]["runId"]), (&json!(10_003), &json!(12_501)));
    let others = bench.serve(only(&["nothing"])).await;
    let page = bench.client.get(format!("{others}{path}")).send().await.unwrap().text().await.unwrap();
    let page: Value = serde_json::from_str(&page).unwrap();
    assert!(page.get("lookedTo").is_none() && page["nextCursor"].is_null(), "{page}");
    let filter =
        RunFilter { branch: Some("main".to_owned()), result: Some("succeeded".to_owned()), ..RunFilter::default() };
    assert_eq!(bench.local.catalog.runs(&filter).await.unwrap().len(), 1, "who can wait is told all");
}

/// The catalog knows nearly all of it, and what it does not know is said.
#[tokio::test]
async fn one_run_is_shown_while_the_store_is_away() {
    let bench = Bench::seeded().await;
    let faults = Faults::none();
    let store = Arc::new(FaultyStore { inner: bench.local.store.clone(), faults: faults.clone() });
    let address = bench.serve_by(store, bench.local.catalog.clone(), Caller::on_loopback()).await;
    let get = async |path: &str| bench.client.get(format!("{address}{path}")).send().await.unwrap();
    let run = async || -> Value {
        let answer = get("/api/v1/runs/110120").await;
        assert_eq!(answer.status(), 200);
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    };
    let says = async || get("/runs/110120").await.text().await.unwrap().contains("it alone has what was said");
    let whole = run().await;
    assert!(!whole["facts"].as_array().unwrap().is_empty() && !says().await, "{whole}");
    faults.broken(Some(Act::Facts));
    let mut expected = whole.clone();
    expected["facts"] = Value::Null;
    assert_eq!(run().await, expected);
    assert!(expected["failure"]["message"].is_string() && says().await);
    faults.back();
    assert_eq!(run().await, whole);
}

#[tokio::test]
async fn who_has_an_answer_is_told_so() {
    let bench = Bench::seeded().await;
    let first = bench.get("/api/v1/runs").await;
    assert_eq!(first.headers()["cache-control"], "private, no-cache");
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    assert!(tag.starts_with("W/\""), "{tag}: plain and packed answers share it");
    let again = || bench.client.get(format!("{}/api/v1/runs", bench.all)).header("if-none-match", &tag).send();
    let same = again().await.unwrap();
    assert_eq!((same.status().as_u16(), same.headers()["etag"].to_str().unwrap()), (304, tag.as_str()));
    assert!(same.bytes().await.unwrap().is_empty());
    bench.import(vec![Fact::Run(AMBER.run_fact(7))]).await;
    assert_eq!(again().await.unwrap().status(), 200);
}

#[tokio::test]
async fn runs_are_found_by_who_they_were_asked_for() {
    let bench = Bench::seeded().await;
    for (who, expected) in
        [("amber%20person", [110_120, 110_110].as_slice()), ("AMBER%20PERSON", &[110_120, 110_110]), ("amber", &[])]
    {
        let runs = bench.json(&format!("/api/v1/runs?requestedFor={who}")).await;
        let found: Vec<_> =
            runs["items"].as_array().unwrap().iter().map(|run| run["runId"].as_u64().unwrap()).collect();
        assert_eq!(found, expected, "{who}");
    }
}

#[tokio::test]
async fn answers_are_packed_for_who_can_unpack_them() {
    let bench = Bench::seeded().await;
    let plain = bench.get("/api/v1/runs").await.bytes().await.unwrap();
    for coding in ["gzip", "br"] {
        let ask = bench.client.get(format!("{}/api/v1/runs", bench.all)).header("accept-encoding", coding);
        let packed = ask.send().await.unwrap();
        assert_eq!(packed.headers()["content-encoding"], coding);
        assert!(packed.bytes().await.unwrap().len() < plain.len() / 2);
    }
}

#[tokio::test]
async fn dead_letters_are_listed_requeued_and_discarded() {
    let bench = Bench::empty().await;
    let bodies = (0..5).map(|nth| format!("rubbish {nth}").into_bytes()).collect();
    bench.local.queue.put(bodies).await.unwrap();
    bench.local.drain().await;
    let all = pages(&bench, "/api/v1/dead-letters?limit=2", async || {}).await;
    assert_eq!(all.len(), 5);
    assert!(all[0]["body"].as_str().unwrap().starts_with("rubbish"));
    let none = bench.json("/api/v1/dead-letters?reason=no_such").await;
    assert_eq!(none, serde_json::json!({"items": [], "nextCursor": null}));
    let path = |nth: usize| format!("/api/v1/dead-letters/{}", all[nth]["id"].as_str().unwrap());
    assert_eq!(bench.json(&path(0)).await, all[0]);
    for (nth, act) in [(0, "requeue"), (1, "discard")] {
        let done = bench.post(&format!("{}/{act}", path(nth))).await;
        assert_eq!(done.text().await.unwrap(), r#"{"count":1}"#);
        assert_eq!(bench.problem(&path(nth)).await.0, 404);
        let again = problem(bench.post(&format!("{}/{act}", path(nth))).await).await;
        assert_eq!(again.0, 404);
    }
    assert_eq!(bench.local.queue.depth().await.unwrap().visible, 1);
    assert_eq!(bench.json("/api/v1/dead-letters").await["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn dead_letters_are_for_administrators_of_all_projects() {
    let bench = Bench::empty().await;
    let reading = Caller { rights: Rights::Read, ..Caller::on_loopback() };
    for caller in [reading, only(&["amber project"])] {
        let at = bench.serve(caller).await;
        for path in ["", "/1", "/1/requeue", "/1/discard"] {
            let address = format!("{at}/api/v1/dead-letters{path}");
            let acts = path.len() > 2;
            let ask = if acts { bench.client.post(address) } else { bench.client.get(address) };
            let (status, _) = problem(ask.send().await.unwrap()).await;
            assert_eq!(status, 403, "{path}");
        }
    }
}
