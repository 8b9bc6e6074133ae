//! A worker in a process of its own, to be killed: drains the file given first until it is empty, or works on the
//! queue and table of an Azurite, given as `azure NAME QUEUE_ENDPOINT TABLE_ENDPOINT`, until it is killed.
//!
//! A body that contains the argument behind the file ends the process, as a fault in native code would.

#![expect(clippy::unwrap_used, reason = "whatever fails here has to fail the test that started it")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pipetrail::ado::Decoder;
use pipetrail::azure::{Account, Credential, Services};
use pipetrail::catalog;
use pipetrail::clock::SystemClock;
use pipetrail::ingest::{Mode, Settings, Worker};
use pipetrail::queue::{AzureQueue, AzureQueueOptions, SqliteQueue};
use pipetrail::sqlite::{LocalFile, Missing};
use pipetrail::store::{AzureTableStore, SqliteStore};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["azure", name, queue, table] => azure(name, queue, table).await,
        [path, marker] => local(Path::new(path), (*marker).to_owned()).await,
        _ => unreachable!("wrong arguments: {args:?}"),
    }
}

async fn local(path: &Path, marker: String) {
    let clock = Arc::new(SystemClock);
    let file = LocalFile::open(path, Missing::Fail, clock.clone()).unwrap();
    let store = SqliteStore::open(file.clone(), catalog::projection()).await.unwrap();
    let decoder = Decoder::default();
    let decode = Arc::new(move |body: &[u8]| {
        if body.windows(marker.len()).any(|part| part == marker.as_bytes()) {
            std::process::abort();
        }
        decoder.decode(body)
    });
    let worker = Worker::new(Arc::new(SqliteQueue::new(file)), Arc::new(store), clock, decode, Settings::default());
    worker.run(Mode::UntilEmpty, CancellationToken::new()).await.unwrap();
}

/// With leases so short that what it had in hand comes again soon.
async fn azure(name: &str, queue: &str, table: &str) {
    // The account of every emulator; its key is public.
    let key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
    let account = Account {
        name: "devstoreaccount1".to_owned(),
        credential: Credential::Key(SecretString::from(key)),
        queue_endpoint: queue.to_owned(),
        table_endpoint: table.to_owned(),
    };
    let services = Services::new(&account).unwrap();
    let clock = Arc::new(SystemClock);
    let queue = AzureQueue::new(&services, name, name, clock.clone(), AzureQueueOptions::default());
    let store = AzureTableStore::new(&services, name, clock.clone());
    let decoder = Decoder::default();
    let (lease, deadline) = (Duration::from_secs(5), Duration::from_secs(4));
    // As many batches in hand as the program has on Azure.
    let settings = Settings { lease, deadline, concurrency: 8, ..Settings::default() };
    let decode = Arc::new(move |body: &[u8]| decoder.decode(body));
    let worker = Worker::new(Arc::new(queue), Arc::new(store), clock, decode, settings);
    worker.run(Mode::Forever, CancellationToken::new()).await.unwrap();
}
