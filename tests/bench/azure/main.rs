//! The worker on Azurite against the workers that one would write first, and on a backend that takes 10 ms a request,
//! in one run: `scripts/bench-azure`.
//!
//! On Azurite each worker gets a queue and a table of its own. Messages come in portions, which are put while the
//! worker is stopped and timed until the last is deleted: putting takes Azurite as long as draining, and it slows down
//! with depth, which Azure does not.
//!
//! `cargo bench --bench azure -- fresh` measures nothing but how soon readers see what is committed.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops at the unexpected")]

mod azurite;
mod contest;
mod fresh;
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

/// What one worker did.
struct Figures {
    events_a_second: f64,
    /// CPU milliseconds of the worker.
    cpu_an_event: f64,
    memory_mib: u64,
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if std::env::args().any(|word| word == "fresh") {
        let folder = tempfile::tempdir().unwrap();
        return runtime.block_on(fresh::measure(&Azurite::start(folder.path())));
    }
    let slow = runtime.block_on(ten_ms_a_request());
    let folder = tempfile::tempdir().unwrap();
    let azurite = Azurite::start(folder.path());
    println!("\nAzurite, {} events of {PIPELINES} pipelines, in portions of {}", contest::EVENTS, contest::PORTION);
    println!("{:<24}{:>10}{:>18}{:>16}{:>12}", "", "events/s", "Azurite's thread", "CPU an event", "memory");
    use Contestant::{Node, Pipetrail, Python, Wide};
    let speeds = [Pipetrail, Python, Node, Wide, Pipetrail]
        .map(|contestant| runtime.block_on(contest::run(contestant, &azurite)).events_a_second);
    let [first, python, node, wide, last] = speeds;
    let ours = f64::midpoint(first, last);
    println!("\n{:.1} times the naive Python worker, {:.1} times the one in Node", ours / python, ours / node);
    println!("{:.2} times as fast with three times the batches in hand", wide / ours);
    runtime.block_on(fresh::measure(&azurite));
    let targets = [
        (slow.events_a_second >= 2_000.0, "2,000 events/s at 10 ms a request"),
        (slow.cpu_an_event < 0.1, "0.1 ms of CPU an event"),
        (slow.memory_mib < 64, "64 MiB"),
        (ours >= 5.0 * python, "5 times the naive Python worker"),
    ];
    let missed: Vec<_> = targets.into_iter().filter_map(|(met, target)| (!met).then_some(target)).collect();
    assert!(missed.is_empty(), "missed: {}", missed.join(", "));
}

async fn ten_ms_a_request() -> Figures {
    let (slow, _server) = Slow::serve(&bodies(MANY)).await;
    let mut worker = pipetrail(&slow.connection(), "bench").spawn().unwrap();
    let drained = slow.drained().await;
    let (seconds, events) = (drained.time.as_secs_f64(), count(MANY));
    println!("10 ms a request, {MANY} events of {PIPELINES} pipelines, one process");
    println!("{:>10}{:>22}{:>16}{:>12}", "events/s", "requests an event", "CPU an event", "memory");
    let figures = Figures {
        events_a_second: events / seconds,
        cpu_an_event: cpu_seconds(&format!("/proc/{}/stat", worker.id())) / events * 1e3,
        memory_mib: peak_memory(worker.id()) / 1024,
    };
    println!(
        "{:>10.0}{:>22.2}{:>13.3} ms{:>8} MiB",
        figures.events_a_second,
        count(drained.requests) / events,
        figures.cpu_an_event,
        figures.memory_mib
    );
    end(&mut worker);
    figures
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
