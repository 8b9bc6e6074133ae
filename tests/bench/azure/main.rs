//! The worker on Azurite against the workers that one would write first, and on a backend that takes 10 ms a request,
//! in one run: `scripts/bench-azure`.
//!
//! On Azurite each worker gets a queue and a table of its own. Messages come in portions, which are put while the
//! worker is stopped and timed until the last is deleted: putting takes Azurite as long as draining, and it slows down
//! with depth, which Azure does not.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops at the unexpected")]

mod azurite;
mod contest;
mod process;
mod slow;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use self::azurite::Azurite;
use self::contest::Contestant;
use self::process::{cpu_seconds, peak_memory};
use self::slow::Slow;

/// Pipelines whose runs take turns.
const PIPELINES: usize = 8;
/// For the backend of 10 ms a request.
const MANY: usize = 40_000;

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(ten_ms_a_request());
    let folder = tempfile::tempdir().unwrap();
    let azurite = Azurite::start(folder.path());
    println!("\nAzurite, {} events of {PIPELINES} pipelines, in portions of {}", contest::EVENTS, contest::PORTION);
    println!("{:<24}{:>10}{:>18}{:>16}{:>12}", "", "events/s", "Azurite's thread", "CPU an event", "memory");
    for contestant in [Contestant::Pipetrail, Contestant::Python, Contestant::Node, Contestant::Pipetrail] {
        runtime.block_on(contest::run(contestant, &azurite));
    }
}

async fn ten_ms_a_request() {
    let (slow, _server) = Slow::serve(&bodies(MANY)).await;
    let mut worker = pipetrail(&slow.connection(), "bench").spawn().unwrap();
    let drained = slow.drained().await;
    let (seconds, events) = (drained.time.as_secs_f64(), count(MANY));
    println!("10 ms a request, {MANY} events of {PIPELINES} pipelines, one process");
    println!("{:>10}{:>22}{:>16}{:>12}", "events/s", "requests an event", "CPU an event", "memory");
    println!(
        "{:>10.0}{:>22.2}{:>13.3} ms{:>8} MiB",
        events / seconds,
        count(drained.requests) / events,
        cpu_seconds(&format!("/proc/{}/stat", worker.id())) / events * 1e3,
        peak_memory(worker.id()) / 1024
    );
    end(&mut worker);
}

fn pipetrail(connection: &str, name: &str) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("target/release/pipetrail"));
    command
        .args(["work", "--storage", "azure"])
        .envs([("AZURE_STORAGE_CONNECTION_STRING", connection), ("RUST_LOG", "warn")])
        .envs([("PIPETRAIL_QUEUE", name), ("PIPETRAIL_TABLE", name)])
        .stdin(Stdio::null());
    command
}

fn end(worker: &mut Child) {
    worker.kill().unwrap();
    worker.wait().unwrap();
}

fn bodies(events: usize) -> Vec<Vec<u8>> {
    let example: Value = serde_json::from_slice(include_bytes!("../../../example-json/started_build.json")).unwrap();
    let event = |number: usize| {
        let (pipeline, turn) = (number % PIPELINES, number / PIPELINES);
        let mut event = example.clone();
        *event.pointer_mut("/createdDate").unwrap() =
            format!("2026-03-02T10:{:02}:{:02}Z", number / 60 % 60, number % 60).into();
        *event.pointer_mut("/resource/run/id").unwrap() = (1_000 + turn / 10 * PIPELINES + pipeline).into();
        for id in ["/resource/run/pipeline/id", "/resource/pipeline/id"] {
            *event.pointer_mut(id).unwrap() = (1 + pipeline).into();
        }
        event.to_string().into_bytes()
    };
    (0..events).map(event).collect()
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}
