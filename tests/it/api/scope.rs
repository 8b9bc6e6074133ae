use std::path::Path;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pipetrail::http::access::Caller;
use serde_json::{Value, json};

use super::seed::{AMBER, SHARED, Side, VIOLET};
use super::{Bench, only};

/// Every address of the document, with what it needs of either side.
async fn asks(bench: &Bench, of: Side) -> Vec<String> {
    let document = bench.json("/openapi.json").await;
    let paths = document["paths"].as_object().unwrap().iter().filter(|(_, item)| item.get("get").is_some());
    let mut asks = Vec::new();
    // What can be asked is no secret, and what is answered has a test of its own.
    let told = |path: &str| !path.ends_with("/stream") && !path.ends_with("/query");
    for (path, _) in paths.filter(|(path, _)| told(path)) {
        let kind = path.split('/').nth(3).unwrap();
        let ids: Vec<String> = match kind {
            "runs" => vec![of.run().to_string(), (of.run() + 10).to_string()],
            "pipelines" => vec![of.pipeline().to_string()],
            "commits" => vec![of.commit.to_owned(), of.commit[..4].to_owned(), SHARED.to_owned()],
            "pull-requests" => vec![of.pull_request().to_string()],
            "work-items" => vec![of.work_item().to_string()],
            "dead-letters" => vec!["1".to_owned()],
            _ => vec![String::new()],
        };
        let query = match kind {
            "environments" if path.ends_with("/compare") => "?from=dev&to=prod",
            "metrics" if path.ends_with("/flow") => "?group=pipeline",
            "metrics" => "?work=true&group=pipeline",
            _ => "",
        };
        asks.extend(ids.iter().map(|id| format!("{}{query}", path.replace("{id}", id).replace("{sha}", id))));
    }
    asks.dedup();
    assert!(asks.len() > 15 && asks.iter().all(|ask| !ask.contains('{')), "{asks:?}");
    asks
}

/// Whether the text has anything of this side in it.
fn tells(text: &str, of: Side) -> bool {
    let numbers = (0..20).map(|nth| (of.base + nth).to_string());
    numbers.chain([of.word.to_owned(), of.commit.to_owned()]).any(|word| text.contains(&word))
}

async fn told(bench: &Bench, address: &str, ask: &str) -> (u16, String) {
    let response = bench.client.get(format!("{address}{ask}")).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn who_sees_all_sees_both() {
    let bench = Bench::seeded().await;
    for side in [AMBER, VIOLET] {
        for ask in asks(&bench, side).await.into_iter().filter(|ask| !ask.contains("dead-letters")) {
            let (status, text) = told(&bench, &bench.all, &ask).await;
            assert!(status == 200 && tells(&text, side), "{ask}: {text}");
        }
    }
}

/// Whatever they ask, in whatever way their projects are named.
#[tokio::test]
async fn a_caller_of_one_project_sees_nothing_of_another() {
    let bench = Bench::seeded().await;
    bench.local.queue.put(vec![b"violet amber rubbish".to_vec()]).await.unwrap();
    bench.local.drain().await;
    for (own, other) in [(AMBER, VIOLET), (VIOLET, AMBER)] {
        for project in [own.project(), own.project_id(), format!("fabrikam/{}", own.project().to_uppercase())] {
            let address = bench.serve(only(&[&project])).await;
            for ask in asks(&bench, own).await {
                let (status, text) = told(&bench, &address, &ask).await;
                let is_admins = ask.contains("dead-letters");
                assert_eq!(status, if is_admins { 403 } else { 200 }, "{project} {ask}: {text}");
                assert!(!tells(&text, other), "{project} {ask}: {text}");
                assert!(is_admins || tells(&text, own), "{project} {ask}: {text}");
            }
            for ask in asks(&bench, other).await {
                // What was asked for is told back.
                let asked = ask.rsplit('/').next().unwrap().to_owned();
                let (_, text) = told(&bench, &address, &ask).await;
                assert!(!tells(&text.replace(&asked, ""), other), "{project} {ask}: {text}");
            }
        }
    }
}

/// What is behind a route that stands in no document, and by which methods.
struct Route {
    path: String,
    gets: bool,
    posts: bool,
}

/// Those that nobody reads at: events come in, people sign in, probes ask. `/mcp` asks what `/api/v1/query` does, and
/// `/metrics` is for who may see all; both have tests of their own.
const NOT_READ: [&str; 15] = [
    "/hooks/azure-devops",
    "/hooks/azure-devops/",
    "/hooks/flux",
    "/hooks/flux/",
    "/events",
    "/incidents",
    "/healthz",
    "/readyz",
    "/login",
    "/login/oidc",
    "/login/callback",
    "/logout",
    "/openapi.json",
    "/mcp",
    "/metrics",
];

/// Of all sources, so that none is forgotten: the pages, Spektate's backend and the call of `DOMoS`.
fn undocumented() -> Vec<Route> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http")];
    let mut routes = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap_or_default();
            let told = source.split(".route(").skip(1).map(|rest| rest.lines().next().unwrap());
            routes.extend(told.map(|line| {
                let (path, does) =
                    line.strip_prefix('"').and_then(|rest| rest.split_once('"')).expect("a route on one line");
                Route { path: path.to_owned(), gets: does.contains("get("), posts: does.contains("post(") }
            }));
        }
    }
    let is_read = |route: &Route| !NOT_READ.contains(&route.path.as_str());
    assert!(NOT_READ.iter().all(|path| routes.iter().any(|route| route.path == *path)));
    routes.retain(|route| is_read(route) && (route.gets || route.posts));
    routes
}

fn pages(of: Side) -> Vec<String> {
    let id = |path: &str| match path.split('/').nth(1) {
        Some("runs") => of.run().to_string(),
        Some("commits") => of.commit.to_owned(),
        Some("pull-requests") => of.pull_request().to_string(),
        Some("work-items") => of.work_item().to_string(),
        _ => String::new(),
    };
    let asked = |path: &str| path.replace("{id}", &id(path)).replace("{name}", "live.js");
    let routes = undocumented();
    let mut all: Vec<String> = routes.iter().filter(|route| route.gets).map(|route| asked(&route.path)).collect();
    assert!(all.len() > 20 && all.contains(&"/api/health".to_owned()), "{all:?}");
    let also = ["/?scope=team", "/?scope=mine", "/environments/compare?from=dev&to=prod", "/search?q=pipeline"];
    all.extend(also.map(str::to_owned));
    all
}

/// Questions in words to which this side has an answer.
fn questions(of: Side) -> Vec<String> {
    let neutral = ["which runs failed today", "how many runs per project today", "what was approved", "what is in dev"];
    let named = [
        format!("why did {} pipeline fail", of.word),
        format!("why did run {} fail", of.run() + 10),
        format!("where is work item {}", of.work_item()),
    ];
    neutral.map(str::to_owned).into_iter().chain(named).collect()
}

/// Whatever is posted anywhere: the address, and the body.
async fn posts(bench: &Bench, of: Side) -> Vec<(String, String)> {
    let document = bench.json("/openapi.json").await;
    let documented = document["paths"].as_object().unwrap().iter().filter(|(_, item)| item.get("post").is_some());
    let routes = undocumented().into_iter().filter(|route| route.posts).map(|route| route.path);
    let mut posts = Vec::new();
    for path in routes.chain(documented.map(|(path, _)| path.clone())) {
        let bodies: Vec<(String, String)> = match path.as_str() {
            "/ask" => questions(of).iter().map(|asked| (path.clone(), form(&[("q", asked)]))).collect(),
            "/ask/csv" => {
                let call = |(tool, asked): (&str, Value)| form(&[("tool", tool), ("arguments", &asked.to_string())]);
                super::questions::asks(of).into_iter().map(|asked| (path.clone(), call(asked))).collect()
            }
            "/api/MetricQueryApi" => {
                let body = |asked: &String| json!({"message": asked}).to_string();
                questions(of).iter().map(|asked| (path.clone(), body(asked))).collect()
            }
            "/api/v1/ask" => {
                let body = |asked: &String| json!({"question": asked}).to_string();
                questions(of).iter().map(|asked| (path.clone(), body(asked))).collect()
            }
            "/api/v1/query/{tool}" => {
                let asks = super::questions::asks(of).into_iter();
                asks.map(|(tool, asked)| (path.replace("{tool}", tool), asked.to_string())).collect()
            }
            letters if letters.contains("dead-letters") => vec![(path.replace("{id}", "1"), form(&[("id", "1")]))],
            other => panic!("what is posted to {other}?"),
        };
        posts.extend(bodies);
    }
    posts
}

fn form(pairs: &[(&str, &str)]) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    pairs.join("&")
}

async fn posted(bench: &Bench, address: &str, (path, body): &(String, String)) -> (u16, String) {
    let kind = if path.starts_with("/api/") { "application/json" } else { "application/x-www-form-urlencoded" };
    let post = bench.client.post(format!("{address}{path}")).body(body.clone()).header("content-type", kind);
    let response = post.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// What they ask in words, or by a tool, or by a form.
#[tokio::test]
async fn whoever_posts_is_told_nothing_of_another_project() {
    let bench = Bench::seeded().await;
    for (own, other) in [(AMBER, VIOLET), (VIOLET, AMBER)] {
        let address = bench.serve(only(&[&own.project()])).await;
        for post in posts(&bench, own).await {
            let (status, text) = posted(&bench, &address, &post).await;
            let is_admins = post.0.contains("dead-letters");
            assert_eq!(status, if is_admins { 403 } else { 200 }, "{post:?}: {text}");
            assert!(!tells(&text, other), "{post:?}: {text}");
            // A table may be of numbers alone.
            assert!(is_admins || post.0 == "/ask/csv" || tells(&text, own), "{post:?}: {text}");
        }
        let numbers = [other.run(), other.run() + 10, other.work_item()].map(|id| id.to_string());
        for post in posts(&bench, other).await {
            let (status, text) = posted(&bench, &address, &post).await;
            // What was asked for is told back.
            let told = numbers.iter().fold(text.replace(other.word, ""), |text, asked| text.replace(asked, ""));
            assert!(status < 500 && !tells(&told, other), "{post:?}: {text}");
        }
    }
}

#[tokio::test]
async fn what_only_the_configuration_names_is_cut_as_well() {
    let bench = Bench::seeded().await;
    let all = bench.serve_named(Caller::on_loopback()).await;
    for (own, other) in [(AMBER, VIOLET), (VIOLET, AMBER)] {
        let address = bench.serve_named(only(&[&own.project()])).await;
        for path in ["/?scope=team", "/api/health"] {
            let (seen, cut) = (told(&bench, &all, path).await.1, told(&bench, &address, path).await.1);
            assert!(tells(&seen, own) && tells(&seen, other), "{path}: {seen}");
            assert!(tells(&cut, own) && !tells(&cut, other), "{path}: {cut}");
        }
        for path in pages(own) {
            let (status, text) = told(&bench, &address, &path).await;
            assert!(status < 500 && !tells(&text, other), "{path}: {status} {text}");
        }
        for path in pages(other) {
            let asked = path.rsplit('/').next().unwrap().to_owned();
            let (status, text) = told(&bench, &address, &path).await;
            assert!(status < 500 && !tells(&text.replace(&asked, ""), other), "{path}: {status} {text}");
        }
    }
}

#[tokio::test]
async fn things_of_others_are_not_there() {
    let bench = Bench::seeded().await;
    let address = bench.serve(only(&["amber project"])).await;
    for ask in ["runs/770770", "pipelines/770771", "commits/bbbb", "pull-requests/770774", "work-items/770776"] {
        let (status, text) = told(&bench, &address, &format!("/api/v1/{ask}")).await;
        assert_eq!(status, 404, "{ask}: {text}");
    }
    for filter in ["runs?project=violet%20project", "runs?branch=violet", "deployments?pipeline=violet%20pipeline"] {
        let (_, text) = told(&bench, &address, &format!("/api/v1/{filter}")).await;
        assert_eq!(text, r#"{"items":[],"nextCursor":null}"#, "{filter}");
    }
}

#[tokio::test]
async fn who_may_see_no_project_sees_nothing() {
    let bench = Bench::seeded().await;
    let address = bench.serve(only(&[])).await;
    for side in [AMBER, VIOLET] {
        for ask in asks(&bench, side).await {
            let (status, text) = told(&bench, &address, &ask).await;
            let asked = ask.rsplit('/').next().unwrap().to_owned();
            assert!(!tells(&text.replace(&asked, ""), side), "{ask}: {text}");
            let items = serde_json::from_str::<Value>(&text).unwrap()["items"].clone();
            assert!(status != 200 || items.is_null() || items == Value::Array(Vec::new()), "{ask}: {text}");
        }
    }
}
