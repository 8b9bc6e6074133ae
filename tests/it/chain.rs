//! An organization in the manner of Bedrock whose truth is known: every row has to be right, and no certain step wrong.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, Mac};
use pipetrail::ado::{Beside, deployment_records};
use pipetrail::backfill::{Backfill, Kind, Order, Reconcile, Scheduled, Tally, Timelines};
use pipetrail::catalog::{Catalog, ChainFilter};
use pipetrail::clock::{ManualClock, SystemClock};
use pipetrail::config::{AccessConfig, FluxConfig, HttpConfig};
use pipetrail::domain::chain::{Chain, Chains, Kind as ChainKind, Row, Second, Step, TagTemplate};
use pipetrail::domain::link::Certainty;
use pipetrail::domain::owner::Owners;
use pipetrail::domain::{Fact, Grant, ProjectName, Rights, Scope, Time};
use pipetrail::history::{Event, Told, bedrock, bedrock_by_chance};
use pipetrail::http::{Access, Limits, Readers, Server, behind_gate, readers as readers_of, router};
use pipetrail::ingest::Importer;
use pipetrail::sqlite::{LocalFile, Place};
use pipetrail::view::synced;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::fake_ado::{FakeAdo, Project, Push, Repository};
use crate::support::{Local, dead_letters, disordered, folder, open_access, stored, time, until};

/// The project's id.
const SHOP: &str = "6909421e-7c75-7277-b806-e95709c01b01";

fn now() -> Time {
    time("2025-06-13T08:00:00Z")
}

async fn rows(local: &Local, filter: &ChainFilter) -> Vec<Row> {
    local.catalog.chain_rows(&[Chain::usual()], filter).await.unwrap()
}

async fn all(local: &Local) -> Vec<Row> {
    rows(local, &ChainFilter::default()).await
}

/// What a row says of what is told.
fn told(row: &Row) -> Told {
    let release = match &row.second {
        Some(Second::Release(stage)) => Some(stage.release),
        Some(Second::Stage(_)) | None => None,
    };
    fn text(text: Option<&String>) -> Option<&'static str> {
        text.map(|text| &*text.clone().leak())
    }
    Told {
        service: text(row.service.as_ref()),
        ring: text(row.ring.as_ref()),
        source: row.source.as_ref().map(|run| run.id),
        release,
        pull_request: row.pull_request.as_ref().map(|one| one.id),
        hld_commit: row.hld_commit.clone(),
        manifest_run: row.manifest_run.as_ref().map(|run| run.id),
        manifest_commit: row.manifest_commit.clone(),
        status: row.status.as_str(),
        author: text(row.author.as_ref()),
        merged_by: row.pull_request.as_ref().and_then(|one| text(one.merged_by.as_ref())),
        image_tag: row.image_tag.clone(),
        links: row.links.iter().map(|link| (link.to, link.rule, link.certainty)).collect(),
        clusters: synced(row).map(|one| (text(Some(&one.name)).unwrap(), one.rule, one.certainty)).collect(),
    }
}

/// Each told change has its row, with nothing else in it, known by the rules that it is to be known by and as sure as these
/// are; and there are no other rows.
fn assert_true(rows: &[Row], truth: &[Told]) {
    for expected in truth {
        let is_it = |row: &&Row| {
            row.hld_commit == expected.hld_commit
                && row.source.as_ref().map(|run| run.id) == expected.source
                && row.pull_request.as_ref().map(|one| one.id) == expected.pull_request
        };
        let row = rows.iter().find(is_it).unwrap_or_else(|| panic!("no row: {expected:#?}"));
        assert_eq!(told(row), *expected);
    }
    let ids: BTreeSet<_> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!((rows.len(), ids.len()), (truth.len(), truth.len()), "{rows:#?}");
}

async fn worked(events: &[Event]) -> (tempfile::TempDir, Local) {
    let (folder, path) = folder();
    let local = Local::open(&path).await;
    let bodies: Vec<_> = events.iter().map(|event| event.body.clone()).collect();
    local.queue.put(disordered(&bodies, 7)).await.unwrap();
    local.drain().await;
    assert_eq!(dead_letters(local.queue.as_ref()).await, []);
    (folder, local)
}

/// Nobody is asked anything: all of it came by events, in any order, some twice.
#[tokio::test]
async fn every_row_is_right_by_events_alone() {
    let (events, truth) = bedrock("fabrikam", now());
    let (_folder, local) = worked(&events).await;
    assert_true(&all(&local).await, &truth);
    let having = |told: &&Told| !told.clusters.is_empty();
    assert!(truth.iter().filter(having).count() > 3, "clusters that have a later commit have those before");
}

fn is_push_to(event: &Value, repository: &str) -> bool {
    event["eventType"] == "git.push" && event["resource"]["repository"]["name"] == repository
}

/// Hooks get lost: what they did not tell of the manifests is read from the REST API, and gives the same rows.
#[tokio::test]
async fn where_no_push_came_the_commit_of_the_manifests_is_read() {
    let (events, truth) = bedrock("fabrikam", now());
    assert_read(&events, &truth).await;
}

/// What is known when no push to these repositories was told, and a service that still has them; with the project's id.
async fn lost_pushes(events: &[Event]) -> (tempfile::TempDir, Local, FakeAdo, String) {
    let parsed: Vec<Value> = events.iter().map(|event| serde_json::from_slice(&event.body).unwrap()).collect();
    let lost = |event: &Value| ["shop-hld", "shop-manifests"].iter().any(|name| is_push_to(event, name));
    let kept: Vec<Event> =
        events.iter().zip(&parsed).filter(|(_, event)| !lost(event)).map(|(event, _)| event.clone()).collect();
    let (folder, local) = worked(&kept).await;
    let found = all(&local).await;
    assert!(found.iter().all(|row| row.manifest_commit.is_none()), "nothing is made up");

    let ado = FakeAdo::start().await;
    let id = |event: &Value| event["resource"]["repository"]["id"].as_str().unwrap().to_owned();
    let project = parsed[0]["resourceContainers"]["project"]["id"].as_str().unwrap().to_owned();
    for event in parsed.iter().filter(|event| lost(event)) {
        let at = time(event["resource"]["date"].as_str().unwrap());
        let (repository, value) = (id(event), event["resource"].clone());
        let name = event["resource"]["repository"]["name"].as_str().unwrap().to_owned();
        let mut state = ado.state();
        if !state.code.repositories.iter().any(|known| known.id == repository) {
            let (project, id) = (project.clone(), repository.clone());
            state.code.repositories.push(Repository { project, id, name, is_disabled: false });
        }
        state.code.pushes.push(Push { repository, at, value });
    }
    ado.state().projects.push(Project { id: project.clone(), name: "Shop".to_owned() });
    (folder, local, ado, project)
}

async fn assert_read(events: &[Event], truth: &[Told]) {
    let (_folder, local, ado, project) = lost_pushes(events).await;
    let order = order(&project, Kind::Code);
    let mut backfill = Backfill::new(Arc::new(ado.client()), local.store.clone());
    backfill.run(&order, &mut Tally::default(), &|_| {}, &CancellationToken::new()).await.unwrap();
    assert_true(&all(&local).await, truth);
}

/// A tag that is made of other parts than Bedrock's own tells the run all the same, where the configuration says how.
#[tokio::test]
async fn a_tag_of_another_form_tells_the_run() {
    for (template, tag) in
        [("{service}-{branch}-{id}", "storefront-staging-2013"), ("{id}", "2013"), ("{number}", "20250611.5")]
    {
        let (mut events, _) = bedrock("fabrikam", now());
        for event in &mut events {
            let text = String::from_utf8(event.body.clone()).unwrap();
            event.body = text.replace("staging-20250611.5", tag).into_bytes();
        }
        let (_folder, local) = worked(&events).await;
        let of_push = async |tag: TagTemplate| {
            let chain = Chain { tag, ..Chain::usual() };
            let all = local.catalog.chain_rows(&[chain], &ChainFilter::default()).await.unwrap();
            let row = all.into_iter().find(|row| row.manifest_run.as_ref().is_some_and(|run| run.id == 2_014)).unwrap();
            (row.source.map(|run| run.id), row.image_tag)
        };
        assert_eq!(of_push(TagTemplate::default()).await.0, None, "{template}");
        let image_tag = format!("shop-storefront-storefront:{tag}");
        assert_eq!(of_push(TagTemplate::parse(template).unwrap()).await, (Some(2_013), Some(image_tag)), "{template}");
    }
}

/// Changes that overlap as chance has it, in organizations of their own.
#[tokio::test]
async fn every_row_is_right_whatever_happens() {
    let mut statuses = BTreeSet::new();
    for seed in 0..24 {
        let (events, truth) = bedrock_by_chance("fabrikam", now(), seed, 25);
        let (_folder, local) = worked(&events).await;
        assert_true(&all(&local).await, &truth);
        if seed % 6 == 0 {
            assert_read(&events, &truth).await;
        }
        let is_sure = |told: &Told| told.links.iter().all(|(.., certainty)| *certainty == Certainty::Certain);
        statuses.extend(truth.iter().map(|told| (told.status, is_sure(told), told.release.is_some())));
    }
    assert_eq!(statuses.len(), 6, "not everything happened: {statuses:?}");
}

fn order(project: &str, kind: Kind) -> Order {
    Order {
        organization: "fabrikam".to_owned(),
        canonical: "fabrikam".to_owned(),
        project: project.to_owned(),
        pipelines: Vec::new(),
        asked: time("2025-06-14T00:00:00Z"),
        since: time("2025-06-01T00:00:00Z"),
        kind,
        until: None,
        timelines: Timelines::None,
        again: false,
    }
}

/// Without what clusters post: asked for it is by a service that has a tag that Flux 1 moves, and commit statuses of
/// Flux 2.
async fn silent_clusters() -> (tempfile::TempDir, Local, FakeAdo) {
    let (events, truth) = bedrock("fabrikam", now());
    let is_sync = |event: &&Event| String::from_utf8_lossy(&event.body).contains("pipetrail.cluster-sync");
    let kept: Vec<Event> = events.iter().filter(|event| !is_sync(event)).cloned().collect();
    let (folder, local) = worked(&kept).await;
    let of =
        |id: u64| truth.iter().find(|told| told.pull_request == Some(id)).unwrap().manifest_commit.clone().unwrap();
    let parsed: Vec<Value> = events.iter().map(|event| serde_json::from_slice(&event.body).unwrap()).collect();
    let mut manifests: Vec<_> = parsed.iter().filter(|event| is_push_to(event, "shop-manifests")).collect();
    manifests.sort_by_key(|event| std::cmp::Reverse(event["resource"]["pushId"].as_u64()));
    let id = manifests[0]["resource"]["repository"]["id"].as_str().unwrap().to_owned();
    let ado = FakeAdo::start().await;
    {
        let mut state = ado.state();
        state.projects.push(Project { id: SHOP.to_owned(), name: "Shop".to_owned() });
        for (id, name) in [(id.as_str(), "shop-manifests"), ("s-1", "shop-orders")] {
            let (id, name, project) = (id.to_owned(), name.to_owned(), SHOP.to_owned());
            state.code.repositories.push(Repository { project, id, name, is_disabled: false });
        }
        for event in manifests {
            let at = time(event["resource"]["date"].as_str().unwrap());
            state.code.pushes.push(Push { repository: id.clone(), at, value: event["resource"].clone() });
        }
        state.code.tags = vec![
            (id.clone(), "flux-sync", of(5_102)),
            (id, "v1", of(5_109)),
            ("s-1".to_owned(), "flux-other", of(5_109)),
        ];
        let status = |cluster: &str, state: &str| {
            json!({
                "context": {"genre": format!("fluxcd:{cluster}"), "name": "kustomization/apps/0c9a1b2f"},
                "state": state, "creationDate": "2025-06-12T12:00:00Z",
            })
        };
        state.code.statuses.insert(of(5_105), vec![status("east", "succeeded"), status("west", "error")]);
        state.code.statuses.insert(of(5_101), vec![status("east", "succeeded")]);
    }
    (folder, local, ado)
}

/// What goes beside the chain: a run that came to an environment by itself and by a release, and one that failed there.
pub(crate) fn besides(events: &[Event]) -> (Vec<Event>, Vec<Fact>) {
    let mut all = Vec::new();
    for event in events {
        let text = String::from_utf8(event.body.clone()).unwrap();
        let mut told: Value = serde_json::from_str(&text).unwrap();
        if told["eventType"] == "build.complete" && told["resource"]["id"] == 2_024 {
            for (id, result) in [(3_001, "succeeded"), (3_002, "failed")] {
                let resource = &mut told["resource"];
                resource["id"] = json!(id);
                resource["buildNumber"] = json!(format!("1.{id}"));
                resource["result"] = json!(result);
                resource["definition"]["id"] = json!(71);
                resource["definition"]["name"] = json!("ship");
                resource["repository"]["name"] = json!("shop-portal");
                all.push(Event { due: event.due, body: told.to_string().into_bytes() });
            }
        } else if text.contains("Release-61") {
            // Another one a day later, while nothing is pushed.
            let other = [(":61,", ":62,"), ("-61\"", "-62\""), ("/61\"", "/62\""), ("\"2015\"", "\"3001\"")];
            let text = other.iter().fold(text, |text, (one, other)| text.replace(one, other));
            all.push(Event { due: event.due, body: text.replace("2025-06-12T10:", "2025-06-13T05:").into_bytes() });
        }
    }
    let came =
        [("succeeded", 3_001), ("failed", 3_002)].map(|(result, run)| arrived((1, "live"), run..run + 1, result));
    (all, came.concat())
}

#[tokio::test]
async fn what_came_to_an_environment_beside_the_chain_is_a_row_too() {
    let (mut events, truth) = bedrock("fabrikam", now());
    let (others, facts) = besides(&events);
    events.extend(others);
    let (_folder, local) = worked(&events).await;
    Importer::new(local.store.clone()).import(facts).await.unwrap();
    let (of_environments, of_chain): (Vec<_>, Vec<_>) =
        all(&local).await.into_iter().partition(|row| row.kind == ChainKind::Environment);
    assert_true(&of_chain, &truth);
    let mut told: Vec<_> = of_environments
        .iter()
        .map(|row| {
            let link = row.link(Step::Environment).or_else(|| row.link(Step::Release)).unwrap();
            let source = row.source.as_ref().map(|run| run.id).unwrap();
            (source, row.ring.as_deref().unwrap(), row.status.as_str(), link.rule.as_str(), link.certainty)
        })
        .collect();
    told.sort_unstable();
    let expected = [
        (3_001, "live", "Complete", "deploymentRecord", Certainty::Certain),
        (3_001, "production", "Complete", "releaseArtifact", Certainty::Certain),
        (3_002, "live", "failed", "deploymentRecord", Certainty::Certain),
    ];
    assert_eq!(told, expected);
}

/// The clusters that told of the changes of some pull requests, the first of which went to a branch of its own.
async fn having(local: &Local) -> [Vec<String>; 4] {
    let rows = all(local).await;
    [5_101, 5_102, 5_105, 5_109].map(|id| {
        let row = rows.iter().find(|row| row.pull_request.as_ref().is_some_and(|one| one.id == id)).unwrap();
        row.clusters.iter().map(|one| one.name.clone()).collect()
    })
}

fn told_by_service() -> [Vec<String>; 4] {
    [&["east"][..], &["east", "SYNC"], &["east", "west"], &[]].map(|all| all.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn what_clusters_have_is_asked_for_where_nothing_posts_it() {
    let (_folder, local, ado) = silent_clusters().await;
    let mut backfill = Backfill::new(Arc::new(ado.client()), local.store.clone());
    let mut passes = Vec::new();
    for _ in 0..2 {
        let mut tally = Tally::default();
        let order = order(SHOP, Kind::Clusters);
        backfill.run(&order, &mut tally, &|_| {}, &CancellationToken::new()).await.unwrap();
        passes.push(tally.syncs);
    }
    assert_eq!(passes, [4, 0], "what is known is not told again, nor what went wrong");
    assert_eq!(having(&local).await, told_by_service());
}

/// Rounds until it is enough.
async fn reconcile(ado: &FakeAdo, local: &Local, chains: &Chains, is_enough: impl AsyncFn() -> bool) {
    let scheduled = Scheduled {
        organization: "fabrikam".to_owned(),
        canonical: "fabrikam".to_owned(),
        projects: vec![SHOP.to_owned()],
    };
    let backfill = Backfill::new(Arc::new(ado.client()), local.store.clone()).following(chains);
    let (clock, every) = (Arc::new(ManualClock::at(now())), Duration::from_millis(50));
    let stop = CancellationToken::new();
    let enough = async {
        until("it does not go on", is_enough).await;
        stop.cancel();
    };
    tokio::join!(Reconcile { backfill, scheduled, clock, every }.run(stop.clone()), enough);
}

/// Only where somebody configured a chain: nobody else wants the requests.
#[tokio::test]
async fn clusters_are_asked_for_on_a_schedule() {
    let (_folder, local, ado) = silent_clusters().await;
    let before = ado.state().count("build/builds");
    reconcile(&ado, &local, &Chains::default(), async || ado.state().count("build/builds") > before + 2).await;
    assert_eq!(having(&local).await, <[Vec<String>; 4]>::default());
    assert_eq!(ado.state().count("refs"), 0);
    let chains = Chains { are_configured: true, ..Chains::default() };
    reconcile(&ado, &local, &chains, async || having(&local).await == told_by_service()).await;
}

/// Nobody has to run a backfill by hand for what no event of a run carries.
#[tokio::test]
async fn the_commits_of_the_manifests_are_read_on_a_schedule() {
    let (events, truth) = bedrock("fabrikam", now());
    let (_folder, local, ado, project) = lost_pushes(&events).await;
    assert_eq!(project, SHOP);
    // A round looks back a day.
    let of = |id: u64| truth.iter().find(|told| told.pull_request == Some(id)).unwrap().manifest_commit.clone();
    let is_there = async || {
        let rows = all(&local).await;
        let row = |id| rows.iter().find(|row| row.pull_request.as_ref().is_some_and(|one| one.id == id)).unwrap();
        [5_107, 5_109].iter().all(|id| row(*id).manifest_commit == of(*id))
    };
    let chains = Chains { are_configured: true, ..Chains::default() };
    reconcile(&ado, &local, &chains, is_there).await;
    let asked = ado.state().count("pushes");
    assert_eq!((asked, ado.state().count("changes")), (asked.min(40), 0), "of each run it would be a request more");
}

fn signature(secret: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

/// What a cluster posts is let in by its signature alone, and goes the way of every event.
#[tokio::test]
async fn a_cluster_tells_what_it_has() {
    const SECRET: &str = "0123456789abcdef";
    let (folder, local) = worked(&[]).await;
    let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let (address, stop) = (server.address(), CancellationToken::new());
    let flux = FluxConfig { secret: Some(SECRET.into()), organization: Some("fabrikam".to_owned()) };
    let access = AccessConfig::default();
    let config = HttpConfig { listen: address, hook: None, access, flux, public_url: None };
    let access = Access::new(&config, Arc::new(SystemClock)).unwrap();
    let router = router(local.queue.clone(), local.store.clone(), access.clone(), Limits::default());
    let serving = TaskTracker::new();
    serving.spawn(server.serve(behind_gate(router, &access), Limits::default(), stop.clone()));
    serving.close();
    let commit = "731f7eaddfb6af01cb2173e18f0f75b0ba780ef1";
    let body = json!({
        "involvedObject": {"kind": "Kustomization", "namespace": "flux-system", "name": "apps"},
        "timestamp": "2025-06-12T09:59:00Z", "reason": "ReconciliationSucceeded",
        "metadata": {"revision": format!("main@sha1:{commit}"), "summary": "west"},
    })
    .to_string();
    let post = async |path: &str, signed: Option<String>| {
        let request = reqwest::Client::new().post(format!("http://{address}{path}")).body(body.clone());
        let request = signed.into_iter().fold(request, |request, signed| request.header("X-Signature", signed));
        request.send().await.unwrap().status().as_u16()
    };
    let right = signature(SECRET, &body);
    let wrong = [
        None,
        Some(signature("another secret", &body)),
        Some(signature(SECRET, "another body")),
        Some(right.replace("sha256=", "")),
        Some(format!("{right}00")),
        Some("sha256=+f".to_owned()),
        Some("sha256=".to_owned()),
    ];
    for wrong in wrong {
        assert_eq!(post("/hooks/flux", wrong.clone()).await, 401, "{wrong:?}");
    }
    assert_eq!(post("/hooks/flux?organization=a/b", Some(right.clone())).await, 400);
    assert_eq!(post("/hooks/flux", Some(right.clone())).await, 202);
    assert_eq!(post("/hooks/flux?organization=Contoso", Some(right.to_uppercase().replace("SHA", "sha"))).await, 202);
    stop.cancel();
    serving.wait().await;
    local.drain().await;
    assert_eq!(dead_letters(local.queue.as_ref()).await, []);
    let records = stored(local.store.as_ref()).await;
    let keys: Vec<_> = records.keys().map(ToString::to_string).collect();
    assert_eq!(keys, [format!("cluster|contoso|commits|{commit}"), format!("cluster|fabrikam|commits|{commit}")]);
    drop(folder);
}

/// The readers' server, until what is given back with its address is dropped.
async fn served(local: &Local, catalog: Catalog) -> (String, DropGuard) {
    let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let (address, stop) = (server.address(), CancellationToken::new());
    let readers = Readers {
        catalog,
        store: local.store.clone(),
        queue: local.queue.clone(),
        clock: Arc::new(SystemClock),
        owners: Owners::default(),
        branches: Vec::new(),
        chains: Chains::default(),
    };
    let routes = behind_gate(readers_of(readers), &open_access(address));
    TaskTracker::new().spawn(server.serve(routes, Limits::default(), stop.clone()));
    (format!("http://{address}"), stop.drop_guard())
}

async fn got(address: &str) -> Value {
    let answer = reqwest::get(address).await.unwrap();
    assert_eq!(answer.status(), 200, "{address}");
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

/// Spektate's dashboard finds here what its own backend would answer.
#[tokio::test]
async fn the_routes_of_spektates_backend_answer_from_the_catalog() {
    let (events, truth) = bedrock("fabrikam", now());
    let (folder, local) = worked(&[]).await;
    let replica = LocalFile::open_replica(&folder.path().join("replica.db"), Place::Named, Arc::new(SystemClock));
    let replica = Catalog::replica(replica.unwrap());
    replica.refresh(local.store.as_ref()).await.unwrap();
    local.queue.put(events.into_iter().map(|event| event.body).collect()).await.unwrap();
    local.drain().await;
    let (base, _stop) = served(&local, replica).await;
    let get = async |path: &str| got(&format!("{base}{path}")).await;
    for before in ["", "?refresh=false"] {
        assert_eq!(get(&format!("/api/deployments{before}")).await["deployments"], json!([]), "nobody brought it here");
    }
    let found = get("/api/deployments?refresh=true").await;
    let deployments = found["deployments"].as_array().unwrap();
    assert_eq!(deployments.len(), truth.len());
    let back = deployments.iter().find(|one| one["pr"] == 5_107).unwrap();
    assert_eq!(
        (&back["srcToDockerBuild"]["id"], &back["hldToManifestBuild"]["status"]),
        (&json!(2_003), &json!("completed"))
    );
    assert_eq!(
        (&back["pullRequest"]["mergedBy"]["name"], &back["status"]),
        (&json!("Greta Naylor"), &json!("Complete"))
    );
    let tags = found["clusterSync"]["tags"].as_array().unwrap();
    // Spektate finds the cluster of a row by an equal commit.
    let is_its = |tag: &&Value| tag["commit"] == back["manifestCommitId"];
    let names: Vec<_> = tags.iter().filter(is_its).map(|tag| tag["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["EAST", "WEST"]);
    assert_eq!(get("/api/health").await["variables"]["CHAINS"], "bedrock");
    assert_eq!(get("/api/version").await["version"], env!("CARGO_PKG_VERSION"));
}

/// Stages of runs that came to an environment, a minute after each other: a record for each.
fn arrived(environment: (u64, &str), runs: std::ops::Range<u64>, result: &str) -> Vec<Fact> {
    let beside = Beside {
        organization: "fabrikam".to_owned(),
        project_id: Some(SHOP.to_owned()),
        project_name: Some("Shop".to_owned()),
        ..Beside::default()
    };
    let record = |run: u64| {
        let at = now().plus(Duration::from_secs(60 * run)).to_string();
        json!({
            "stageName": "deploy", "stageAttempt": 1, "jobName": "deploy", "jobAttempt": 1,
            "definition": {"id": 70 + environment.0, "name": "ship"}, "owner": {"id": run, "name": format!("1.{run}")},
            "result": result, "queueTime": at, "startTime": at, "finishTime": at,
        })
    };
    let answer = json!({"value": runs.map(record).collect::<Vec<_>>()}).to_string();
    let facts = deployment_records(&beside, environment, answer.as_bytes()).unwrap();
    facts.into_iter().map(Result::unwrap).collect()
}

/// Those of another environment take no room.
#[tokio::test]
async fn what_came_to_an_environment_is_found_however_much_came_elsewhere() {
    let (_folder, local) = worked(&[]).await;
    let facts = [(1, "production", 10..12), (2, "staging", 1_000..1_600)]
        .map(|(id, name, runs)| arrived((id, name), runs, "succeeded"));
    Importer::new(local.store.clone()).import(facts.concat()).await.unwrap();
    let of_all = ChainFilter { organization: Some("fabrikam".to_owned()), ..ChainFilter::default() };
    let of_production = ChainFilter { rings: vec!["production".to_owned()], ..of_all.clone() };
    let found: Vec<_> = rows(&local, &of_production).await.iter().map(|row| row.source.as_ref().unwrap().id).collect();
    assert_eq!(found, [11, 10]);
    assert_eq!(rows(&local, &of_all).await.len(), 2 + 500);
    let of_run = ChainFilter { build: Some(1_003), ..of_all };
    assert_eq!(rows(&local, &of_run).await.len(), 1, "who asks for one run finds it among any number");
}

#[tokio::test]
async fn rows_are_found_by_what_people_know() {
    let (events, _) = bedrock("fabrikam", now());
    let (_folder, local) = worked(&events).await;
    let text = |text: &str| Some(text.to_owned());
    let count = async |filter: ChainFilter| rows(&local, &filter).await.len();
    let one = all(&local).await.into_iter().find(|row| row.source.as_ref().is_some_and(|run| run.id == 2_001)).unwrap();
    let commit = one.source.as_ref().and_then(|run| run.commit.clone()).unwrap();
    let whole = ChainFilter::default();
    assert_eq!(count(ChainFilter { build: Some(2_003), ..whole.clone() }).await, 2, "it was brought back");
    assert_eq!(count(ChainFilter { commit: text(&commit[..7].to_uppercase()), ..whole.clone() }).await, 1);
    assert_eq!(count(ChainFilter { deployment: Some(one.id.clone()), ..whole.clone() }).await, 1);
    assert_eq!(count(ChainFilter { image_tag: text("staging-20250611.1"), ..whole.clone() }).await, 1);
    let tag = text("shop-storefront-storefront:Staging-20250611.1");
    assert_eq!(count(ChainFilter { image_tag: tag, ..whole.clone() }).await, 1);
    let services = vec!["Orders".to_owned()];
    assert_eq!(count(ChainFilter { services: services.clone(), ..whole.clone() }).await, 4);
    let rings = vec!["staging".to_owned()];
    assert_eq!(count(ChainFilter { services, rings, ..whole.clone() }).await, 1);
    assert_eq!(count(ChainFilter { top: Some(3), ..whole.clone() }).await, 3);
    assert_eq!(count(ChainFilter { organization: text("Contoso"), ..whole.clone() }).await, 0);
    assert_eq!(count(ChainFilter { any_commit: one.manifest_commit, ..whole }).await, 1);
}

/// Who may not see the project sees none of its rows.
#[tokio::test]
async fn a_reader_sees_the_rows_of_their_projects() {
    let (events, truth) = bedrock("fabrikam", now());
    let (_folder, local) = worked(&events).await;
    let seen = async |project: &str| {
        let scope = Scope::Only(vec![ProjectName { organization: None, project: project.to_owned() }]);
        let grant = Grant { rights: Rights::Read, scope };
        let catalog = local.catalog.seen_by(grant.scope);
        catalog.chain_rows(&[Chain::usual()], &ChainFilter::default()).await.unwrap().len()
    };
    assert_eq!((seen("Shop").await, seen("Spartan").await), (truth.len(), 0));
}

/// Spektate itself reads 1,000 rows and no more.
#[tokio::test]
async fn there_may_be_more_than_a_thousand_rows() {
    let (events, truth) = bedrock_by_chance("fabrikam", now(), 1, 1_300);
    let (_folder, local) = worked(&events).await;
    assert!(truth.len() > 1_000);
    assert_true(&all(&local).await, &truth);
    let (base, _stop) = served(&local, local.catalog.clone()).await;
    let found = got(&format!("{base}/api/deployments")).await;
    let of = |name: &str| -> BTreeSet<String> {
        found["deployments"].as_array().unwrap().iter().map(|one| one[name].to_string()).collect()
    };
    assert_eq!((of("deploymentId").len(), of("hldCommit").len()), (truth.len(), commits(&truth)));
}

/// Of the high-level definition, those that have none counted as one.
fn commits(truth: &[Told]) -> usize {
    truth.iter().map(|told| &told.hld_commit).collect::<BTreeSet<_>>().len()
}
