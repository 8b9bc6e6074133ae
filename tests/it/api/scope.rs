use pipetrail::http::access::Caller;
use serde_json::Value;

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

/// The routes that stand in no document: the pages, and those of Spektate's backend.
fn undocumented(of: Side) -> Vec<String> {
    let sources = [include_str!("../../../src/http/pages/mod.rs"), include_str!("../../../src/http/api/mod.rs")];
    let routes = sources.iter().flat_map(|source| source.lines()).filter(|line| line.contains("get("));
    let paths = routes.filter_map(|line| line.split_once(".route(\"")?.1.split_once('"')).map(|(path, _)| path);
    let id = |path: &str| match path.split('/').nth(1) {
        Some("runs") => of.run().to_string(),
        Some("commits") => of.commit.to_owned(),
        Some("pull-requests") => of.pull_request().to_string(),
        Some("work-items") => of.work_item().to_string(),
        _ => String::new(),
    };
    let asked = |path: &str| path.replace("{id}", &id(path)).replace("{name}", "live.js");
    let mut all: Vec<String> = paths.map(asked).collect();
    assert!(all.len() > 20 && all.contains(&"/api/health".to_owned()), "{all:?}");
    let also = ["/?scope=team", "/?scope=mine", "/environments/compare?from=dev&to=prod", "/search?q=pipeline"];
    all.extend(also.map(str::to_owned));
    all
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
        for path in undocumented(own) {
            let (status, text) = told(&bench, &address, &path).await;
            assert!(status < 500 && !tells(&text, other), "{path}: {status} {text}");
        }
        for path in undocumented(other) {
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
