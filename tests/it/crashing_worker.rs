//! A worker in a process of its own, to be killed: drains the file given first until it is empty.
//!
//! A body that contains the second argument ends the process, as a fault in native code would.

#![expect(clippy::unwrap_used, reason = "whatever fails here has to fail the test that started it")]

use std::path::Path;
use std::sync::Arc;

use pipetrail::ado::Decoder;
use pipetrail::catalog;
use pipetrail::clock::SystemClock;
use pipetrail::ingest::{Mode, Settings, Worker};
use pipetrail::queue::SqliteQueue;
use pipetrail::sqlite::{LocalFile, Missing};
use pipetrail::store::SqliteStore;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() {
    let [path, marker]: [String; 2] = std::env::args().skip(1).collect::<Vec<_>>().try_into().unwrap();
    let clock = Arc::new(SystemClock);
    let file = LocalFile::open(Path::new(&path), Missing::Fail, clock.clone()).unwrap();
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
