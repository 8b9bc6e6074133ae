//! The pages of the dashboard over a real listener: what they show, to whom, and that no text of an event gets out of
//! its place.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Extension;
use insta::assert_snapshot;
use pipetrail::ado::{Beside, deployment_records};
use pipetrail::catalog::{Run, RunFilter, Stage};
use pipetrail::clock::ManualClock;
use pipetrail::domain::owner::{OwnerRule, Owners};
use pipetrail::domain::{Fact, HookLag, HookLook, Pattern, ProjectName, Scope, SeenHook};
use pipetrail::history::{Plan, bedrock};
use pipetrail::http::access::{Caller, Rights};
use pipetrail::http::{Limits, Readers, Server, behind_gate, readers};
use pipetrail::ingest::{Importer, Mode, Worker};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::api::many_runs;
use crate::support::{Local, decode, folder, open_access, quick, time, until};

const BAD: StatusCode = StatusCode::BAD_REQUEST;
/// Markup that runs, an end of an attribute, and a mark that turns the line around.
pub(crate) const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&\u{202e}";

pub(crate) struct Dashboard {
    address: SocketAddr,
    client: Client,
    pub(crate) local: Local,
    _stop: DropGuard,
    _folder: tempfile::TempDir,
}

impl Dashboard {
    /// Pages over what these bodies amount to, at noon of a working day.
    pub(crate) async fn over(bodies: Vec<Vec<u8>>, caller: Caller) -> Self {
        let (folder, path) = folder();
        let clock = Arc::new(ManualClock::at(time("2026-03-04T12:00:00Z")));
        let local = Local::open_with(&path, clock.clone()).await;
        local.queue.put(bodies).await.unwrap();
        local.drain().await;
        deploy(&local).await;
        let readers = readers(Readers {
            catalog: local.catalog.clone(),
            store: local.store.clone(),
            queue: local.queue.clone(),
            clock,
            owners: owners(),
            branches: Vec::new(),
            chains: pipetrail::domain::chain::Chains::default(),
        });
        let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let (address, stop) = (server.address(), CancellationToken::new());
        let routes = behind_gate(readers.layer(Extension(caller)), &open_access(address));
        TaskTracker::new().spawn(server.serve(routes, Limits::default(), stop.clone()));
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { address, client, local, _stop: stop.drop_guard(), _folder: folder }
    }

    async fn everything() -> Self {
        let mut bodies = examples();
        bodies.extend(history());
        bodies.push(b"not json".to_vec());
        Self::over(bodies, Caller::on_loopback()).await
    }

    async fn get(&self, path: &str) -> Response {
        self.client.get(format!("http://{}{path}", self.address)).send().await.unwrap()
    }

    /// As a browser does.
    async fn browse(&self, path: &str) -> Response {
        let ask = self.client.get(format!("http://{}{path}", self.address));
        ask.header("accept", "text/html,application/xhtml+xml,*/*;q=0.8").send().await.unwrap()
    }

    pub(crate) async fn page(&self, path: &str) -> String {
        self.get(path).await.text().await.unwrap()
    }

    async fn post(&self, path: &str, id: &str, origin: &str) -> u16 {
        let body = format!("id={id}");
        let post = self.client.post(format!("http://{}{path}", self.address)).body(body).header("origin", origin);
        post.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap().status().as_u16()
    }

    /// By the form of the page, with what was said before.
    pub(crate) async fn ask(&self, question: &str, before: &str) -> String {
        let encoded =
            |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let body = format!("q={}&history={}", encoded(question), encoded(before));
        let post = self.client.post(format!("http://{}/ask", self.address)).body(body);
        let post = post.header("content-type", "application/x-www-form-urlencoded");
        post.header("origin", format!("http://{}", self.address)).send().await.unwrap().text().await.unwrap()
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.page(path).await).unwrap()
    }

    pub(crate) async fn import(&self, facts: Vec<Fact>) {
        Importer::new(self.local.store.clone()).import(facts).await.unwrap();
    }

    pub(crate) async fn look(&self, look: &HookLook) {
        self.local.store.put_note(&look.note().unwrap(), &look.encode()).await.unwrap();
    }

    async fn letters(&self) -> u64 {
        self.local.queue.survey().await.unwrap().dead_letters.count()
    }

    /// Every page that some page leads to.
    pub(crate) async fn crawl(&self, most: usize) -> Vec<(String, String)> {
        let start = ["/", "/hooks", "/environments/compare", "/runs?result=failed", "/?scope=mine", "/?scope=team"];
        let mut open: VecDeque<String> = start.map(str::to_owned).into();
        let mut seen: BTreeSet<String> = open.iter().cloned().collect();
        let mut pages = Vec::new();
        while let Some(path) = open.pop_front().filter(|_| pages.len() < most) {
            let page = self.page(&path).await;
            for href in hrefs(&page).filter(|href| href.starts_with('/') && !href.starts_with("/assets/")) {
                if seen.insert(href.clone()) {
                    open.push_back(href);
                }
            }
            pages.push((path, page));
        }
        pages
    }
}

fn hrefs(page: &str) -> impl Iterator<Item = String> {
    page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).map(|href| href.replace("&#38;", "&"))
}

/// Five minutes before noon.
fn look(project: &str, finding: Option<&str>) -> HookLook {
    let hook = |event: &str, finding: Option<&str>| SeenHook {
        event_type: event.to_owned(),
        pipeline: None,
        subscription_id: None,
        finding: finding.map(str::to_owned),
        says: finding.map(|_| format!("{project} says {HOSTILE}")),
        since: None,
    };
    HookLook {
        organization: "fabrikam".to_owned(),
        project: project.to_owned(),
        project_id: project.len().to_string(),
        at: time("2026-03-04T11:55:00Z"),
        every: 600,
        hooks: vec![hook("git.push", None), hook("build.complete", finding)],
    }
}

#[tokio::test]
async fn every_page_says_how_hooks_are_and_as_of_when() {
    let dashboard = Dashboard::over(history(), Caller::on_loopback()).await;
    dashboard.look(&look("Spartan", None)).await;
    dashboard.look(&look("Platform", Some("onProbation"))).await;
    for path in ["/", "/runs", "/hooks"] {
        let page = dashboard.page(path).await;
        assert!(page.contains("hooks: 3 of 4 healthy</a> as of <time"), "{path}: {page}");
    }
    let page = dashboard.page("/hooks").await;
    let ill = page.find("onProbation").unwrap();
    assert!(ill < page.find("> healthy</span>").unwrap(), "what is wrong stands first: {page}");
    let dashboard = Dashboard::over(history(), Caller::on_loopback()).await;
    dashboard.look(&HookLook { at: time("2026-03-04T11:00:00Z"), ..look("Spartan", None) }).await;
    let page = dashboard.page("/hooks").await;
    assert!(page.contains("hooks: 2 of 2 healthy") && page.contains("not looked at since"), "{page}");
    assert!(page.contains("was healthy"), "{page}");
}

fn owners() -> Owners {
    let rule = OwnerRule {
        service: "shop".to_owned(),
        team: Some("payments & more".to_owned()),
        pipelines: vec![Pattern::new("spartan-api-*")],
        ..OwnerRule::default()
    };
    Owners(vec![rule])
}

/// Every event that the repository shows, in the order of the names.
fn examples() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("example-json")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() { folders.push(entry) } else { files.push(entry) }
        }
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Three days with a few runs, some of them live at their end.
fn history() -> Vec<Vec<u8>> {
    history_of("fabrikam")
}

/// The same in every organization: projects, pipelines, runs and commits have the same names and numbers.
fn history_of(organization: &str) -> Vec<Vec<u8>> {
    let (from, until) = (time("2026-03-02T00:00:00Z"), time("2026-03-04T12:00:00Z"));
    let plan = Plan { runs_per_day: 8, ..Plan::new(organization, from, until, 7) };
    plan.events().map(|event| event.body).collect()
}

/// What the stages brought to environments, as the REST API would tell.
async fn deploy(local: &Local) {
    let runs = local.catalog.runs(&RunFilter::default()).await.unwrap();
    let facts = runs.iter().flat_map(|run| run.stages.iter().filter_map(|stage| deployed(run, stage))).collect();
    Importer::new(local.store.clone()).import(facts).await.unwrap();
}

fn deployed(run: &Run, stage: &Stage) -> Option<Fact> {
    let place = stage.name.strip_prefix("deploy-")?;
    let id = if place.starts_with("production") { 1 } else { 2 };
    let record = json!({"value": [{
        "definition": {"id": run.pipeline.id}, "owner": {"id": run.run_id}, "stageName": stage.name, "stageAttempt": 1,
        "startTime": stage.started_at?.to_string(), "finishTime": stage.finished_at?.to_string(), "result": stage.result,
    }]});
    let beside =
        Beside { organization: run.organization.clone(), project_name: run.project.clone(), ..Beside::default() };
    deployment_records(&beside, (id, place), record.to_string().as_bytes()).unwrap().pop()?.ok()
}

#[tokio::test]
async fn every_page_looks_as_it_did() {
    let dashboard = Dashboard::everything().await;
    let runs = dashboard.local.catalog.runs(&RunFilter::default()).await.unwrap();
    let deploying = runs.iter().find(|run| run.stages.len() > 3 && run.result.as_deref() == Some("succeeded")).unwrap();
    let commit = deploying.commit.clone().unwrap();
    let pages = [
        ("overview", "/".to_owned()),
        ("overview_mine", "/?scope=mine&who=Ada%20Quill".to_owned()),
        ("overview_team", "/?scope=team&team=payments%20%26%20more".to_owned()),
        ("runs_filtered", "/runs?result=failed&days=30".to_owned()),
        ("run", format!("/runs/{}", deploying.run_id)),
        ("pipelines", "/pipelines?name=spartan".to_owned()),
        ("environments", "/environments".to_owned()),
        ("compare", "/environments/compare?from=staging&to=production".to_owned()),
        ("commit", format!("/commits/{commit}")),
        ("hooks", "/hooks".to_owned()),
        ("missing", "/runs/1".to_owned()),
        ("dead_letters", "/dead-letters".to_owned()),
    ];
    for (name, path) in pages {
        assert_snapshot!(name, dashboard.page(&path).await);
    }
}

#[tokio::test]
async fn a_newcomer_is_told_what_to_type() {
    let dashboard = Dashboard::over(Vec::new(), Caller::on_loopback()).await;
    let table = [
        ("/", "pipetrail demo"),
        ("/runs", "pipetrail subscriptions apply"),
        ("/pipelines", "pipetrail demo"),
        ("/environments", "pipetrail backfill --kinds environments"),
        ("/environments/compare", "pipetrail backfill --kinds environments"),
        ("/deployments", "pipetrail subscriptions apply --groups code"),
        ("/dora", "pipetrail backfill"),
        ("/ask", "pipetrail demo"),
        ("/approvals", "pipetrail subscriptions apply"),
        ("/hooks", "pipetrail subscriptions doctor"),
        ("/dead-letters", "There is none."),
        ("/?scope=mine", "Your name"),
        ("/commits/abcdef12", "pipetrail backfill"),
    ];
    for (path, words) in table {
        let page = dashboard.page(path).await;
        assert!(page.contains(words), "{path}: {page}");
        assert!(page.contains("Data to <b>nothing yet</b>"), "{path}");
    }
}

#[tokio::test]
async fn every_list_is_in_the_navigation() {
    let dashboard = Dashboard::over(Vec::new(), Caller::on_loopback()).await;
    let start = dashboard.page("/").await;
    let nav = start.split("<nav aria-label=\"Pages\">").nth(1).and_then(|rest| rest.split("</nav>").next()).unwrap();
    let places: Vec<_> = hrefs(nav).collect();
    let lists = include_str!("../../src/http/pages/mod.rs").lines().filter(|line| line.contains("::list))"));
    let lists: Vec<_> = lists.filter_map(|line| line.split('"').nth(1)).collect();
    assert!(lists.contains(&"/approvals") && lists.iter().all(|list| places.iter().any(|place| place == list)));
    for place in places {
        let page = dashboard.page(&place).await;
        assert!(page.contains(&format!("<a href=\"{place}\" aria-current=\"page\">")), "{place}: {page}");
    }
}

#[tokio::test]
async fn pages_tell_the_browser_what_they_may_do() {
    let dashboard = Dashboard::over(Vec::new(), Caller::on_loopback()).await;
    for path in ["/", "/runs", "/runs/7", "/search?q=zzz", "/assets/live.js", "/assets/nothing"] {
        let response = dashboard.get(path).await;
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert_eq!(
            policy,
            "default-src 'self'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
        );
        assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(response.headers()["referrer-policy"], "same-origin", "{path}");
    }
    assert_eq!(dashboard.get("/runs/7").await.status(), 404);
}

/// Programs get it as JSON.
#[tokio::test]
async fn what_goes_wrong_is_told_people_as_a_page() {
    let dashboard = Dashboard::over(Vec::new(), Caller::on_loopback()).await;
    for (path, status) in [("/runs?state=a&state=b", 400), ("/no/such/page", 404), ("/environments/x", 404)] {
        let response = dashboard.browse(path).await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8", "{path}");
        assert!(response.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'self'"));
        let page = response.text().await.unwrap();
        assert!(page.contains("<h1>") && page.contains("To the overview"), "{path}: {page}");
        assert!(page.contains("Data to <b>nothing yet</b>") && page.contains("aria-label=\"Pages\""), "{path}: {page}");
    }
    for (path, words) in [
        ("/runs?since=7d", "unknown field `since`"),
        ("/runs?days=many", "`days` is a number"),
        ("/runs?%3Cimg%20src=x", "unknown field `&#60;img src`"),
    ] {
        let response = dashboard.browse(path).await;
        assert_eq!(response.status(), 400, "{path}");
        let page = response.text().await.unwrap();
        assert!(page.contains(words) && !page.contains("<img"), "{path}: {page}");
    }
    let json = dashboard.browse("/api/v1/runs/x").await;
    assert_eq!(json.headers()["content-type"], "application/problem+json");
}

#[tokio::test]
async fn a_catalog_that_fails_is_a_page_that_looks_again() {
    let dashboard = Dashboard::over(Vec::new(), Caller::on_loopback()).await;
    let damage = "DROP TABLE runs; CREATE VIEW runs AS SELECT * FROM no_such_table";
    rusqlite::Connection::open(dashboard.local.file.path()).unwrap().execute_batch(damage).unwrap();
    let response = dashboard.browse("/").await;
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"5".parse().unwrap()));
    let page = response.text().await.unwrap();
    assert!(page.contains("The catalog does not answer") && page.contains("http-equiv=\"refresh\""), "{page}");
    assert!(!page.contains("Data to"), "nobody knows");
    let told = dashboard.get("/").await;
    assert_eq!(told.headers()["content-type"], "application/problem+json", "a program asks");
}

#[tokio::test]
async fn pages_of_runs_lead_on_to_the_last_one() {
    let (from, until) = (time("2026-03-02T00:00:00Z"), time("2026-03-04T12:00:00Z"));
    let plan = Plan { runs_per_day: 80, ..Plan::new("fabrikam", from, until, 7) };
    let dashboard = Dashboard::over(plan.events().map(|event| event.body).collect(), Caller::on_loopback()).await;
    let all = dashboard.local.catalog.runs(&RunFilter::default()).await.unwrap().len();
    let (mut shown, mut path) = (0, Some("/runs".to_owned()));
    while let Some(now) = path {
        let page = dashboard.page(&now).await;
        shown += page.matches("<th scope=\"row\">").count();
        let next = page.split("rel=\"next\" href=\"").nth(1);
        path = next.and_then(|rest| rest.split('"').next()).map(str::to_owned);
    }
    assert!(all > 100);
    assert_eq!(shown, all);
}

#[tokio::test]
async fn a_page_of_runs_that_ends_early_leads_further_back() {
    let dashboard = Dashboard::over(Vec::new(), Caller::on_loopback()).await;
    many_runs(&dashboard.local);
    let page = dashboard.page("/runs?branch=main&result=succeeded").await;
    assert!(page.contains("Nothing among the runs down to 13500") && !page.contains("No run matches"), "{page}");
    assert_eq!(page.matches("rel=\"next\"").count(), 1);
    let further = |page: &str| hrefs(page).find(|href| href.contains("before=")).unwrap();
    let page = dashboard.page(&further(&page)).await;
    assert!(page.contains("Nothing among the runs down to 10999"), "{page}");
    let page = dashboard.page(&further(&page)).await;
    assert!(page.contains("/runs/10003") && !page.contains("Look further back"), "{page}");
    let page = dashboard.page("/runs?branch=main&result=succeeded&before=9%7E0%7E").await;
    assert!(page.contains("Nothing further back"), "{page}");
}

#[tokio::test]
async fn the_search_leads_to_what_is_meant() {
    let dashboard = Dashboard::everything().await;
    let table = [
        ("480", "/runs/480"),
        ("PR%2088", "/pull-requests/88"),
        ("AB%23123", "/work-items/123"),
        ("deadbeef", "/commits/deadbeef"),
        ("1234567", "/commits/1234567"),
        ("nightly", "/runs?organization=fabrikam&pipeline=22"),
        ("spartan-", "/pipelines?name=spartan%2D"),
    ];
    for (text, place) in table {
        let response = dashboard.get(&format!("/search?q={text}")).await;
        assert_eq!(response.status(), 303);
        assert_eq!(response.headers()["location"], place);
    }
    assert_eq!(dashboard.get("/search?q=").await.status(), 404);
    assert_eq!(dashboard.get("/search?q=nothing+of+that+name").await.status(), 404);
}

#[tokio::test]
async fn a_question_may_follow_on_another_and_the_page_brings_both_along() {
    let dashboard = Dashboard::over(history(), Caller::on_loopback()).await;
    let ask = async |question: &str, before: &str| dashboard.ask(question, before).await;
    let kept = |page: &str| {
        let (_, rest) = page.split_once(r#"name="history" value=""#).expect("the page keeps what was said");
        let (value, _) = rest.split_once('"').unwrap();
        let marks = [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")];
        marks.iter().fold(value.to_owned(), |text, (mark, plain)| text.replace(mark, plain))
    };
    assert!(!dashboard.page("/ask").await.contains(r#"name="history""#), "nothing was said yet");
    let first = ask("how many runs per pipeline last 30 days", "").await;
    assert!(first.contains("aggregate") && !first.contains("Asked before"), "{first}");
    let second = ask("and yesterday?", &kept(&first)).await;
    assert!(second.contains("Asked before") && second.contains("&#34;window&#34;:&#34;yesterday&#34;"), "{second}");
    let third = ask("<b>and</b> why?", &kept(&second)).await;
    assert!(third.contains("Not answered") && !third.contains("<b>and"), "{third}");
    assert_eq!(kept(&third).matches(r#""role":"user""#).count(), 3);
    let alone = ask("and yesterday?", "rubbish").await;
    assert!(alone.contains("Not answered"), "{alone}");
}

#[tokio::test]
async fn dead_letters_are_requeued_and_discarded_from_this_server_only() {
    let dashboard = Dashboard::over(vec![b"not json".to_vec(), b"[]".to_vec()], Caller::on_loopback()).await;
    let ours = format!("http://{}", dashboard.address);
    let page = dashboard.page("/dead-letters").await;
    let ids: BTreeSet<_> =
        page.split("name=\"id\" value=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let [first, second] = ids.into_iter().collect::<Vec<_>>()[..] else { panic!("{page}") };
    for origin in ["https://evil.example", "null"] {
        assert_eq!(dashboard.post("/dead-letters/discard", first, origin).await, 403);
    }
    let silent = dashboard.client.post(format!("{ours}/dead-letters/discard")).body(format!("id={first}"));
    let silent = silent.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
    assert_eq!(silent.status(), 403, "whoever does not say where it comes from");
    assert_eq!(dashboard.letters().await, 2);
    assert!(dashboard.page(&format!("/dead-letters/discard?id={first}")).await.contains("nothing brings it back"));
    assert_eq!(dashboard.letters().await, 2, "to ask discards nothing");
    assert_eq!(dashboard.post("/dead-letters/discard", first, &ours).await, 303);
    assert_eq!(dashboard.letters().await, 1);
    assert_eq!(dashboard.post("/dead-letters/requeue", second, &ours).await, 303);
    assert_eq!(dashboard.letters().await, 0);
    assert_eq!(dashboard.local.queue.depth().await.unwrap().visible, 1);
}

#[tokio::test]
async fn only_who_administers_all_sees_dead_letters() {
    let spartan = vec!["spartan".parse::<ProjectName>().unwrap()];
    let callers = [
        Caller { rights: Rights::Read, scope: Scope::All, name: None },
        Caller { rights: Rights::Admin, scope: Scope::Only(spartan), name: None },
    ];
    for caller in callers {
        let sees_all = caller.scope == Scope::All;
        let dashboard = Dashboard::over(vec![b"a secret body".to_vec()], caller).await;
        let ours = format!("http://{}", dashboard.address);
        for path in ["/dead-letters", "/dead-letters/show?id=1", "/dead-letters/discard?id=1"] {
            let response = dashboard.browse(path).await;
            assert_eq!(response.status(), 403, "{path}");
            let page = response.text().await.unwrap();
            assert!(page.contains("Not allowed") && page.contains("Data to"), "{path}: {page}");
            assert!(!page.contains("href=\"/dead-letters"), "{path}: {page}");
        }
        for path in ["/dead-letters/requeue", "/dead-letters/discard"] {
            assert_eq!(dashboard.post(path, "1", &ours).await, 403, "{path}");
        }
        let page = dashboard.page("/").await;
        // How many there are is a number of all projects.
        assert_eq!(page.contains("1 dead letter"), sees_all, "{page}");
        assert!(!page.contains("href=\"/dead-letters"), "{page}");
    }
}

#[tokio::test]
async fn a_reader_of_one_project_sees_nothing_of_another() {
    let scope = Scope::Only(vec!["fabrikam/Spartan".parse().unwrap()]);
    let caller = Caller { rights: Rights::Read, scope, name: None };
    let dashboard = Dashboard::over(history(), caller).await;
    for project in ["Spartan", "Platform"] {
        dashboard.look(&look(project, Some("missing"))).await;
    }
    let pages = dashboard.crawl(400).await;
    assert!(pages.len() > 50);
    assert!(dashboard.page("/hooks").await.contains("hooks: 1 of 2 healthy"));
    for (path, page) in pages {
        for other in ["Platform", "infra", "nightly-e2e"] {
            assert!(!page.contains(other), "{other} on {path}: {page}");
        }
    }
}

#[tokio::test]
async fn who_runs_it_is_told_how_late_events_come() {
    let body = |said: &str| {
        let plan = Plan::new("fabrikam", time("2026-03-02T00:00:00Z"), time("2026-03-03T00:00:00Z"), 7);
        let mut event: Value = serde_json::from_slice(&plan.events().next().unwrap().body).unwrap();
        event["createdDate"] = json!(said);
        event.to_string().into_bytes()
    };
    // Noon is now.
    let late = ["2026-03-04T11:59:57Z", "2026-03-04T11:59:56Z", "2026-03-04T11:58:00Z", "2026-02-01T00:00:00Z"];
    let work = async |dashboard: &Dashboard| {
        let (queue, store) = (dashboard.local.queue.clone(), dashboard.local.store.clone());
        queue.put(late.map(body).to_vec()).await.unwrap();
        let noon = Arc::new(ManualClock::at(time("2026-03-04T12:00:00Z")));
        let (worker, stop) = (Worker::new(queue, store, noon, decode(), quick()), CancellationToken::new());
        let noted = until("the lag is noted", async || {
            dashboard.local.store.note(HookLag::NOTE).await.unwrap().is_some_and(|note| note.contains("120000"))
        });
        let working = async {
            noted.await;
            stop.cancel();
        };
        let (worked, ()) = tokio::join!(worker.run(Mode::Forever, stop.clone()), working);
        worked.unwrap();
    };
    let dashboard = Dashboard::over(Vec::new(), Caller::on_loopback()).await;
    assert!(dashboard.page("/hooks").await.contains("From Azure DevOps to the store: unknown"));
    work(&dashboard).await;
    let says = "5s in the median, 2m 0s at worst, of 3 events within the last hour.";
    for path in ["/", "/hooks"] {
        let page = dashboard.page(path).await;
        assert!(page.contains(says), "{path}: {page}");
    }
    let scope = Scope::Only(vec!["fabrikam/Spartan".parse().unwrap()]);
    let cut = Dashboard::over(Vec::new(), Caller { rights: Rights::Admin, scope, name: None }).await;
    work(&cut).await;
    for path in ["/", "/hooks"] {
        assert!(!cut.page(path).await.contains("From Azure DevOps to the store"), "it is a number of all projects");
    }
}

#[tokio::test]
async fn every_link_leads_into_its_own_organization() {
    let bodies = [history_of("fabrikam"), history_of("contoso")].concat();
    let dashboard = Dashboard::over(bodies, Caller::on_loopback()).await;
    let pages = dashboard.crawl(300).await;
    assert!(pages.len() > 100);
    let of =
        |path: &str| ["fabrikam", "contoso"].into_iter().find(|name| path.contains(&format!("organization={name}")));
    let is_thing =
        |href: &str| ["/runs/", "/commits/", "/pull-requests/", "/work-items/"].iter().any(|one| href.starts_with(one));
    for (path, page) in &pages {
        assert!(!page.contains("there are several"), "{path}");
        for href in hrefs(page).filter(|href| is_thing(href)) {
            assert!(of(&href).is_some(), "{href} on {path}");
        }
        let Some(own) = of(path).filter(|_| is_thing(path)) else { continue };
        for href in hrefs(page).filter(|href| is_thing(href)) {
            assert_eq!(of(&href), Some(own), "{href} on {path}");
        }
        let outside = hrefs(page).filter(|href| href.starts_with("https://dev.azure.com/"));
        outside
            .for_each(|href| assert!(href.starts_with(&format!("https://dev.azure.com/{own}/")), "{href} on {path}"));
    }
    let things = |name: &str| pages.iter().filter(|(path, _)| is_thing(path) && of(path) == Some(name)).count();
    assert!(things("fabrikam") > 20 && things("contoso") > 20);
}

/// Rows of the tables and lists that begin so.
fn rows(page: &str, list: &str, row: &str) -> Vec<String> {
    let lists = page.split(list).skip(1).filter_map(|rest| rest.split("</ul>").next()?.split("</tbody>").next());
    lists.flat_map(|list| list.split(row).skip(1).map(str::to_owned)).collect()
}

fn assert_open(path: &str, rows: &[String]) {
    assert!(!rows.is_empty(), "{path}");
    let out = "class=\"out\" href=\"https://dev.azure.com/fabrikam/";
    let is_open = |row: &&String| row.contains(out) && row.contains("rel=\"noopener");
    assert_eq!(rows.iter().find(|row| !is_open(row)), None, "{path}");
}

/// Of what Azure DevOps has a page for: no number has one, nor an environment that is known by its name alone, nor a commit
/// whose repository nobody told, nor what a script did or what was said about a run.
#[tokio::test]
async fn every_row_opens_its_page_in_azure_devops() {
    let noon = time("2026-03-04T12:00:00Z");
    let chain = bedrock("fabrikam", noon).0.into_iter().map(|event| event.body);
    let dashboard = Dashboard::over(history().into_iter().chain(chain).collect(), Caller::on_loopback()).await;
    dashboard.look(&look("Spartan", Some("missing"))).await;
    dashboard.import(crate::scene::facts()).await;
    let runs = dashboard.local.catalog.runs(&RunFilter::default()).await.unwrap();
    let told = runs.iter().find(|run| run.stages.len() > 3 && run.result.as_deref() == Some("succeeded")).unwrap();
    let (told, commit) = (format!("/runs/{}", told.run_id), format!("/commits/{}", crate::scene::commit('2')));
    for path in [
        "/runs",
        "/pipelines",
        "/approvals",
        "/deployments",
        "/environments",
        "/environments/compare?from=staging&to=production",
        "/hooks",
        "/dora",
        &told,
        "/runs/1003",
        "/runs/1007",
        "/runs/1011",
        &commit,
        "/pull-requests/501",
        "/work-items/7001",
    ] {
        let page = dashboard.page(path).await;
        let tables =
            page.split("What stands behind them").last().unwrap().split("<h2 id=\"incidents\">").next().unwrap();
        let tables = tables.split("<details").next().unwrap();
        let mut rows = rows(tables, "<tbody>", "<tr>");
        let is_told_of = |row: &String| !(row.contains(">commit ") && row.contains("<td class=\"long\"></td>"));
        rows.retain(|row| is_told_of(row) && !row.contains(">environment ") && !row.contains(">billing "));
        assert_open(path, &rows);
    }
    for path in [&told, &commit, "/pull-requests/501", "/work-items/7001", "/runs/1007"] {
        let page = dashboard.page(path).await;
        assert_open(path, &[page.split("<h1>").nth(1).unwrap().split("<dl").next().unwrap().to_owned()]);
    }
    let page = dashboard.page("/environments").await;
    assert_open("what is in an environment", &rows(&page, "<ul class=\"plain\">", "<li>"));
    let page = dashboard.page("/").await;
    let items = rows(&page, "<ul class=\"items\">", "<li>");
    assert!(items.len() > 8);
    assert_open("/", &items);
    let mut cells = rows(&page, "<table class=\"matrix\">", "<td");
    cells.retain(|cell| !cell.contains(">nothing</span>"));
    assert!(cells.len() > 4 && cells.iter().any(|cell| cell.contains("last try")), "{cells:?}");
    assert_open("the matrix", &cells);
}

/// What a cell says, without its markup.
fn text_of(cell: &str) -> String {
    let parts = cell.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    parts.collect::<String>().trim().to_owned()
}

/// Whatever a row of the chain tells leads on, also where it is a release, an edit by hand, or waits for somebody.
#[tokio::test]
async fn every_filled_cell_of_a_deployment_leads_somewhere() {
    let events = bedrock("fabrikam", time("2026-03-04T12:00:00Z")).0;
    let bodies = events.into_iter().map(|event| event.body).collect();
    let dashboard = Dashboard::over(bodies, Caller::on_loopback()).await;
    let page = dashboard.page("/deployments?limit=500").await;
    let rows = rows(&page, "<tbody>", "<tr>");
    for told in [
        "Release-61",
        "Manual HLD Edits",
        "<span class=\"state wait\"><span class=\"icon\" aria-hidden=\"true\">‖</span> active",
    ] {
        assert!(rows.iter().any(|row| row.contains(told)), "{told}: {page}");
    }
    for row in &rows {
        let cells: Vec<_> = row.split("</td>").flat_map(|part| part.split("</th>")).take(11).collect();
        assert_eq!(cells.len(), 11, "{row}");
        let dead = cells.iter().find(|cell| !text_of(cell).is_empty() && hrefs(cell).next().is_none());
        assert_eq!(dead, None, "{row}");
    }
    assert_only_text("/deployments", &page);
    let own: BTreeSet<_> = rows.iter().flat_map(|row| hrefs(row).collect::<Vec<_>>()).collect();
    for href in own.iter().filter(|href| href.starts_with('/')) {
        assert_eq!(dashboard.get(href).await.status(), 200, "{href}");
    }
}

/// The address is Spektate's, and what is in it that cannot be meant is said, not passed over.
#[tokio::test]
async fn deployments_are_asked_for_as_spektate_asks() {
    let dashboard = Dashboard::over(Vec::new(), Caller::on_loopback()).await;
    let page = dashboard.page("/deployments?keyword=&type=&limit=50&refresh=30").await;
    assert!(page.contains("data-live data-refresh=\"30\""), "{page}");
    assert!(page.contains("<noscript><meta http-equiv=\"refresh\" content=\"30\"></noscript>"), "{page}");
    let plain = dashboard.page("/deployments").await;
    assert!(!plain.contains("refresh"), "nobody asked for it: {plain}");
    for bad in ["limit=0", "limit=many", "limit=501", "refresh=0", "refresh=often", "type=x", "ring=main"] {
        let path = format!("/deployments?{bad}");
        assert_eq!((dashboard.get(&path).await.status(), dashboard.browse(&path).await.status()), (BAD, BAD), "{bad}");
    }
}

/// What must not be changed for the event to be what it is.
fn is_needed(key: &str, text: &str, states: bool) -> bool {
    let word = ["eventType", "publisherId", "resourceVersion", "definitionType", "type"].contains(&key);
    let state = ["state", "status", "result", "reason"].contains(&key);
    let value = text.len() > 18 && text.as_bytes()[4] == b'-' && text.contains('T');
    let id = key == "id" || key.ends_with("Id") || text.contains("://");
    word || value || id || (state && !states)
}

/// Every text of the event with the hostile one behind it; in addresses, a scheme that runs.
fn poisoned(value: &Value, key: &str, states: bool) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), poisoned(value, key, states))).collect(),
        Value::Array(all) => all.iter().map(|value| poisoned(value, key, states)).collect(),
        Value::String(text) if ["href", "webUrl", "remoteUrl"].contains(&key) && states => {
            Value::String(format!("javascript:alert(1)//{text}"))
        }
        Value::String(text) if !is_needed(key, text, states) => Value::String(format!("{text}{HOSTILE}")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Nothing of [`HOSTILE`] got out of its place on this page, and no address runs.
pub(crate) fn assert_only_text(path: &str, page: &str) {
    assert!(!page.contains("<img"), "{path}: {page}");
    assert!(!page.contains('\u{202e}'), "{path}");
    let is_harmless =
        |href: &str| href.is_empty() || ["/", "#", "http://", "https://"].iter().any(|good| href.starts_with(good));
    assert!(hrefs(page).all(|href| is_harmless(&href)), "{path}: {page}");
    assert!(!page.contains("style=\"") && !page.to_lowercase().contains("javascript:alert(1)//http\""), "{path}");
    assert_eq!(page.matches("<script").count(), 1, "{path}");
}

async fn assert_harmless(states: bool) {
    let poison = |body: &Vec<u8>| {
        let value: Value = serde_json::from_slice(body).ok()?;
        Some(poisoned(&value, "", states).to_string().into_bytes())
    };
    let all = examples().into_iter().chain(history());
    let mut bodies: Vec<_> = all.filter_map(|body| poison(&body)).collect();
    bodies.push(format!("{{\"eventType\": \"{}\"", HOSTILE.replace('"', "")).into_bytes());
    let dashboard = Dashboard::over(bodies, Caller::on_loopback()).await;
    dashboard.look(&look(&format!("Fiber{HOSTILE}"), Some(HOSTILE))).await;
    let pages = dashboard.crawl(500).await;
    assert!(pages.len() > 100, "{}", pages.len());
    pages.iter().for_each(|(path, page)| assert_only_text(path, page));
    // The texts do get to the pages.
    let shown =
        pages.iter().filter(|(_, page)| page.contains("&#60;img src=x onerror=alert(1)&#62;&#34;&#39;&#38;\\u{202e}"));
    assert!(shown.count() > pages.len() / 2);
}

#[tokio::test]
async fn hostile_names_in_every_text_stay_text() {
    assert_harmless(false).await;
}

#[tokio::test]
async fn hostile_states_and_addresses_stay_text() {
    assert_harmless(true).await;
}
