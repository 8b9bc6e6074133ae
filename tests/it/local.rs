//! The local file behind the contracts, and what only it promises.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pipetrail::catalog::{Catalog, RunFilter};
use pipetrail::clock::{Clock, ManualClock};
use pipetrail::queue::Queue;
use pipetrail::sqlite::{LocalFile, Missing};
use pipetrail::store::Store;

use crate::contract::queue::queue_contract;
use crate::contract::store::store_contract;
use crate::contract::{Moved, Pass};
use crate::support::{Local, bodies, folder, time};

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(time("2026-03-02T09:00:00Z")))
}

async fn local(path: &Path) -> (Local, Arc<ManualClock>) {
    let clock = clock();
    (Local::open_with(path, clock.clone()).await, clock)
}

async fn queue() -> (tempfile::TempDir, Arc<dyn Queue>, Box<dyn Pass>) {
    let (folder, path) = folder();
    let (local, clock) = local(&path).await;
    (folder, local.queue, Box::new(Moved(clock)))
}

async fn store() -> (tempfile::TempDir, Arc<dyn Store>, Box<dyn Pass>) {
    let (folder, path) = folder();
    let (local, clock) = local(&path).await;
    (folder, local.store, Box::new(Moved(clock)))
}

mod the_queue {
    super::queue_contract!(super::queue);
}

mod the_store {
    super::store_contract!(super::store);
}

const LEASE: Duration = Duration::from_secs(120);

#[tokio::test]
async fn any_bytes_are_a_body() {
    let (_folder, path) = folder();
    let (local, _) = local(&path).await;
    let bodies = vec![Vec::new(), vec![0, 255, 254, 10, 32], b" padded ".to_vec(), vec![b'x'; 3 << 20]];
    local.queue.put(bodies.clone()).await.unwrap();
    let found: Vec<_> = local.queue.receive(LEASE).await.unwrap().into_iter().map(|delivery| delivery.body).collect();
    assert_eq!(found, bodies);
}

#[tokio::test]
async fn one_receive_takes_no_more_bytes_than_it_may() {
    let (_folder, path) = folder();
    let (local, _) = local(&path).await;
    local.queue.put(vec![vec![b'x'; 3 << 20]; 3]).await.unwrap();
    for _ in 0..3 {
        assert_eq!(local.queue.receive(LEASE).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn leases_of_a_process_that_ended_are_given_back_at_the_next_start() {
    let (folder, path) = folder();
    let first = local(&path).await.0;
    first.queue.put(vec![b"{}".to_vec()]).await.unwrap();
    let held = first.queue.receive(LEASE).await.unwrap();
    let second = local(&path).await.0;
    assert!(second.queue.receive(LEASE).await.unwrap().is_empty(), "the first one lives");
    drop((first, held));
    let third = local(&path).await.0;
    let taken = third.queue.receive(LEASE).await.unwrap();
    assert_eq!(taken.iter().map(|delivery| delivery.receives).collect::<Vec<_>>(), [2]);
    drop((second, third));
    let left = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.contains("-owner-")).collect::<Vec<_>>(), Vec::<String>::new());
}

#[tokio::test]
async fn a_backup_is_a_whole_file_taken_while_in_use() {
    let (folder, path) = folder();
    let local = Local::open(&path).await;
    local.queue.put(bodies(200)).await.unwrap();
    local.drain().await;
    let copy = folder.path().join("copy.db");
    local.file.backup(&copy).await.unwrap();
    let error = local.file.backup(&copy).await.unwrap_err();
    assert!(error.to_string().contains("exists already"), "{error}");
    let other = Local::open(&copy).await;
    let all = RunFilter::default();
    assert_eq!(other.catalog.runs(&all).await.unwrap(), local.catalog.runs(&all).await.unwrap());
    assert!(!other.catalog.runs(&all).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_catalog_is_built_anew_when_its_tables_are_of_another_version() {
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    local.queue.put(bodies(200)).await.unwrap();
    local.drain().await;
    let all = RunFilter::default();
    let expected = local.catalog.runs(&all).await.unwrap();
    drop(local);
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch("UPDATE meta SET value = 0 WHERE name = 'catalog_version'; DELETE FROM runs; DROP TABLE stages")
        .unwrap();
    drop(raw);
    let again = Local::open(&path).await;
    assert_eq!(again.catalog.runs(&all).await.unwrap(), expected);
}

#[tokio::test]
async fn a_replica_shows_what_the_store_says_after_each_refresh() {
    let (folder, path) = folder();
    let local = Local::open(&path).await;
    let file = LocalFile::open(&folder.path().join("replica.db"), Missing::Create, clock()).unwrap();
    let replica = Catalog::replica(file);
    let all = RunFilter::default();
    for part in bodies(600).chunks(150) {
        local.queue.put(part.to_vec()).await.unwrap();
        local.drain().await;
        replica.refresh(local.store.as_ref()).await.unwrap();
        assert_eq!(replica.runs(&all).await.unwrap(), local.catalog.runs(&all).await.unwrap());
    }
    let now = pipetrail::clock::SystemClock.now();
    let ended = local.store.ended(now, 5).await.unwrap();
    local.store.remove(&ended, now).await.unwrap();
    replica.refresh(local.store.as_ref()).await.unwrap();
    let runs = replica.runs(&all).await.unwrap();
    assert_eq!(runs, local.catalog.runs(&all).await.unwrap());
    assert_eq!(ended.len(), 5);
}
