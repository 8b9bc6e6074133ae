//! Readers: processes that answer beside those who work.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use serde_json::Value;

use crate::api::stream::Stream;
use crate::audience::Audience;
use crate::shell::{LIMIT, Running, Shell};
use crate::support::{bodies, until};

/// Between a commit and an answer that has it.
const FRESH: Duration = Duration::from_secs(2);

fn example(name: &str) -> String {
    format!("{}/example-json/{name}.json", env!("CARGO_MANIFEST_DIR"))
}

/// `None` while the catalog is being built.
async fn runs(address: &str) -> Option<Vec<u64>> {
    let answer = reqwest::get(format!("http://{address}/api/v1/runs")).await.unwrap();
    if answer.status() == 503 {
        return None;
    }
    let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    Some(answer["items"].as_array().unwrap().iter().map(|run| run["runId"].as_u64().unwrap()).collect())
}

async fn wait_for(address: &str, expected: &[u64]) -> Instant {
    let started = Instant::now();
    while runs(address).await.as_deref() != Some(expected) {
        assert!(started.elapsed() < LIMIT, "{address} does not show {expected:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Instant::now()
}

/// As many as one likes, with a replica each or in common, of which one may be gone when it starts.
#[tokio::test(flavor = "multi_thread")]
async fn readers_on_azure_follow_the_workers() {
    let shell = Shell::azure().await;
    shell.run(&format!("enqueue {}", example("started_build")));
    shell.run("work --until-empty");
    let elsewhere = shell.elsewhere();
    let mut readers: Vec<Running> = [&shell, &shell, &elsewhere]
        .map(|shell| Running::start(shell.command("serve --listen 127.0.0.1:0")))
        .into_iter()
        .collect();
    let addresses: Vec<String> = readers.iter().map(Running::address).collect();
    for address in &addresses {
        wait_for(address, &[479]).await;
    }
    shell.run(&format!("enqueue {}", example("stage_state_change")));
    shell.run("work --until-empty");
    let committed = Instant::now();
    for address in &addresses {
        let seen = wait_for(address, &[480, 479]).await;
        // On a machine with much else to do a look at the log may come late. That it takes no more than two looks is shown
        // by `api::stream::a_commit_is_seen_at_the_second_look_after_it`, and how long that is by `scripts/bench-azure`.
        assert!(seen.duration_since(committed) < FRESH.saturating_mul(5), "{address} shows it late");
    }
    for reader in &mut readers {
        reader.signal("TERM");
        assert_eq!(reader.exit_code(), Some(0));
    }
}

/// The ids of a stream are places in the store's change log: any reader knows them, whatever replica it has.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_at_a_reader_with_another_replica() {
    let shell = Shell::azure().await;
    let work = |name: &str| {
        shell.run(&format!("enqueue {}", example(name)));
        shell.run("work --until-empty");
    };
    work("started_build");
    let elsewhere = shell.elsewhere();
    let serve = |shell: &Shell| Running::start(shell.command("serve --listen 127.0.0.1:0"));
    let (mut first, second) = (serve(&shell), serve(&elsewhere));
    let [one, other] = [&first, &second].map(|reader| format!("http://{}", reader.address()));
    for address in [&one, &other] {
        wait_for(address.trim_start_matches("http://"), &[479]).await;
    }
    let mut stream = Stream::open(&one, None).await.ready().await;
    let id = stream.id.clone();
    work("stage_state_change");
    assert_eq!(stream.event().await.1["id"], 480);
    let last = stream.id.clone();
    first.signal("KILL");
    first.exit_code();
    let mut stream = Stream::open(&other, id.as_deref()).await;
    assert_eq!(stream.event().await.1["id"], 480, "what was missed since the first id");
    assert_eq!(stream.id, last, "one place in the log has one id");
    let mut stream = Stream::open(&other, last.as_deref()).await;
    work("completed_build");
    assert_eq!(stream.event().await.1["id"], 479, "and nothing that was told before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_the_local_file_works_beside_the_worker() {
    let shell = Shell::local();
    let (code, said) = shell.said("serve --listen 127.0.0.1:0");
    assert!(code == Some(1) && said.contains("pipetrail.db"), "{said}");
    shell.run(&format!("enqueue {}", example("started_build")));
    let reader = Running::start(shell.command("serve --listen 127.0.0.1:0"));
    let address = reader.address();
    assert_eq!(runs(&address).await, Some(Vec::new()), "it works on nothing");
    shell.run("work --until-empty");
    wait_for(&address, &[479]).await;
    assert!(Path::new(&shell.path().join("pipetrail.db")).exists());
}

/// The status and, where it is not 200, how it is to be tried again.
async fn asked(address: &str, path: &str) -> (u16, Option<String>) {
    let answer = reqwest::get(format!("http://{address}{path}")).await.unwrap();
    let again = answer.headers().get("retry-after").map(|again| again.to_str().unwrap().to_owned());
    (answer.status().as_u16(), again)
}

/// Nobody has to start it again, and nobody is answered wrongly meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_damaged_under_its_readers_is_made_anew() {
    let shell = Shell::azure().await;
    shell.run(&format!("enqueue {}/example-json", env!("CARGO_MANIFEST_DIR")));
    shell.run("work --until-empty");
    let mut reader = Running::start(shell.command("serve --listen 127.0.0.1:0"));
    let address = reader.address();
    until("it is built", async || runs(&address).await.is_some_and(|runs| !runs.is_empty())).await;
    let expected = runs(&address).await.unwrap();
    let replica = shell.replica();
    let log = replica.with_extension("db-wal");
    for from in [4_096, 100, 0] {
        until("all is in the file", async || fs::metadata(&log).is_ok_and(|log| log.len() == 0)).await;
        let before = fs::metadata(&replica).unwrap().ino();
        let mut bytes = fs::read(&replica).unwrap();
        bytes[from..].fill(0xa5);
        fs::write(&replica, bytes).unwrap();
        until("it is made anew", async || {
            // So many at once that some read from the disk and not from what a connection keeps of it.
            let answers = join_all((0..12).map(|_| asked(&address, "/api/v1/runs"))).await;
            for (status, again) in answers {
                assert!(status == 200 || (status == 503 && again.is_some()), "{status} {again:?}");
            }
            fs::metadata(&replica).is_ok_and(|file| file.ino() != before)
        })
        .await;
        wait_for(&address, &expected).await;
    }
    shell.run(&format!("enqueue {}", example("started_build")));
    reader.signal("TERM");
    assert_eq!(reader.exit_code(), Some(0));
}

/// `cargo bench --bench readers` is the same with 200 readers, 50 listeners and 100,000 runs.
#[tokio::test(flavor = "multi_thread")]
async fn readers_and_listeners_beside_a_busy_worker_meet_no_error() {
    let shell = Shell::local();
    let server = Running::start(shell.command("up --listen 127.0.0.1:0"));
    let address = server.address();
    let client = reqwest::Client::new();
    let post = async |body: Vec<u8>| {
        let answer = client.post(format!("http://{address}/hooks/azure-devops")).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 202);
    };
    let mut bodies = bodies(400).into_iter();
    for body in bodies.by_ref().take(40) {
        post(body).await;
    }
    until("there are runs", async || runs(&address).await.is_some_and(|runs| !runs.is_empty())).await;
    let run = runs(&address).await.unwrap()[0];
    let mut audience = Audience::of(&address);
    audience.listen(5).await;
    audience.read(20, Duration::from_millis(20), run);
    for body in bodies {
        post(body).await;
    }
    let get = async |path: &str| -> Value {
        let answer = client.get(format!("http://{address}{path}")).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    };
    let list = async || get("/api/v1/runs?limit=200").await["items"].as_array().unwrap().clone();
    let mut all = list().await;
    for heard in audience.heard() {
        // What was there before and did not change, nobody was told of.
        until("it was told all", async || {
            all = list().await;
            let heard = heard.lock().unwrap();
            let last = |item: &&Value| heard.runs.get(&item["runId"].as_u64().unwrap());
            let (told, untold): (Vec<&Value>, Vec<_>) = all.iter().partition(|item| last(item).is_some());
            told.len() > 10 && untold.len() < 10 && told.iter().all(|item| last(item) == Some(item))
        })
        .await;
        let heard = heard.lock().unwrap();
        assert_eq!((heard.resets, heard.errors.as_slice()), (0, [].as_slice()));
    }
    let met = audience.end().await;
    assert_eq!(met.errors, [""; 0]);
    assert!(met.took.len() >= 14 && met.took.values().all(|took| !took.is_empty()));
}
