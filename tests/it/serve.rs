//! Readers: processes that answer beside those who work.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::shell::{LIMIT, Running, Shell};

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
        // On a machine with much else to do a look at the log may come late: no promise of ours.
        assert!(seen.duration_since(committed) < FRESH.saturating_mul(5), "{address} shows it late");
    }
    for reader in &mut readers {
        reader.signal("TERM");
        assert_eq!(reader.exit_code(), Some(0));
    }
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
