//! The worker on Azurite against the workers that one would write first, in one run: `scripts/bench-azure`.
//!
//! Each gets a queue and a table of its own, which are filled while it works, so that the queue stays shallow: Azurite
//! slows down with depth, which Azure does not. Prints events/s, what Azurite's busiest thread takes of a core
//! meanwhile, and of ours the CPU an event and the peak of resident memory.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops at the unexpected")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pipetrail::azure::{Account, Credential, Services};
use pipetrail::clock::SystemClock;
use pipetrail::queue::{AzureQueue, AzureQueueOptions, Queue};
use pipetrail::store::AzureTableStore;
use secrecy::SecretString;
use serde_json::Value;

const EVENTS: usize = 1_500;
/// Messages on the queue at the most.
const DEEP: u64 = 300;
const PUT: usize = 64;
/// Pipelines whose runs take turns.
const PIPELINES: usize = 8;
/// Public: every emulator has this account.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const PORTS: [&str; 2] = ["11501", "11502"];
/// Clock ticks a second in `/proc`, on every Linux of today.
const TICKS: f64 = 100.0;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let azurite = Azurite::start(folder.path());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!("{EVENTS} events of {PIPELINES} pipelines, a fresh queue and table each");
    println!("{:<24}{:>10}{:>18}{:>16}{:>12}", "", "events/s", "Azurite's thread", "CPU an event", "memory");
    for contestant in [Contestant::Pipetrail, Contestant::Python, Contestant::Node, Contestant::Pipetrail] {
        runtime.block_on(run(contestant, &azurite));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Contestant {
    Pipetrail,
    Python,
    Node,
}

impl Contestant {
    fn name(self) -> &'static str {
        match self {
            Self::Pipetrail => "pipetrail",
            Self::Python => "naive Python",
            Self::Node => "naive Node",
        }
    }

    fn command(self, connection: &str, name: &str) -> Command {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = match self {
            Self::Pipetrail => Command::new(root.join("target/release/pipetrail")),
            Self::Python => Command::new(root.join("target/bench-python/bin/python")),
            Self::Node => Command::new("node"),
        };
        match self {
            Self::Pipetrail => command
                .args(["work", "--storage", "azure"])
                .envs([("AZURE_STORAGE_CONNECTION_STRING", connection), ("RUST_LOG", "warn")])
                .envs([("PIPETRAIL_QUEUE", name), ("PIPETRAIL_TABLE", name)]),
            Self::Python => command.arg(root.join("tests/bench/naive_worker.py")),
            Self::Node => command.arg(root.join("tests/bench/naive_worker.js")),
        };
        if self != Self::Pipetrail {
            command.args([connection, name, &EVENTS.to_string()]);
        }
        command.stdin(Stdio::null());
        command
    }
}

async fn run(contestant: Contestant, azurite: &Azurite) {
    let name = format!("bench{}{}", contestant.name().replace(' ', "").to_lowercase(), azurite.uptime_ms());
    let services = Services::new(&azurite.account()).unwrap();
    let queue = AzureQueue::new(&services, &name, &name, Arc::new(SystemClock), AzureQueueOptions::default());
    queue.create().await.unwrap();
    AzureTableStore::new(&services, &name, Arc::new(SystemClock)).create().await.unwrap();
    let bodies = bodies();
    let mut worker = contestant.command(&azurite.connection, &name).spawn().unwrap();
    let (start, busy) = (Instant::now(), azurite.busiest());
    for chunk in bodies.chunks(PUT) {
        while depth(&queue).await > DEEP {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        queue.put(chunk.to_vec()).await.unwrap();
    }
    while depth(&queue).await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let seconds = start.elapsed().as_secs_f64();
    let events = f64::from(u32::try_from(EVENTS).unwrap());
    let busy = (azurite.busiest() - busy) / seconds;
    let cpu = cpu_seconds(&format!("/proc/{}/stat", worker.id())) / events * 1e3;
    let memory = peak_memory(worker.id());
    println!(
        "{:<24}{:>10.0}{:>16.0} %{:>13.3} ms{:>8} MiB",
        contestant.name(),
        events / seconds,
        busy * 100.0,
        cpu,
        memory / 1024
    );
    worker.kill().unwrap();
    worker.wait().unwrap();
}

async fn depth(queue: &AzureQueue) -> u64 {
    let depth = queue.depth().await.unwrap();
    depth.visible + depth.leased
}

fn bodies() -> Vec<Vec<u8>> {
    let example: Value = serde_json::from_slice(include_bytes!("../../example-json/started_build.json")).unwrap();
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
    (0..EVENTS).map(event).collect()
}

/// An Azurite of our own, on disk: in memory its queue stands still for seconds now and then.
struct Azurite {
    child: Child,
    connection: String,
    started: Instant,
}

impl Drop for Azurite {
    fn drop(&mut self) {
        // It ends when its stdin closes; this is for the case that it hangs.
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}

impl Azurite {
    fn start(folder: &Path) -> Self {
        let serve: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "azurite", "serve.js"].iter().collect();
        let mut command = Command::new("node");
        command.arg(serve).arg("--with-stdin").args(PORTS).arg(folder);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let connection = line.split('\'').nth(1).unwrap().to_owned();
        Self { child, connection, started: Instant::now() }
    }

    fn account(&self) -> Account {
        let endpoint = |port: &str| format!("http://127.0.0.1:{port}/{ACCOUNT}");
        Account {
            name: ACCOUNT.to_owned(),
            credential: Credential::Key(SecretString::from(KEY)),
            queue_endpoint: endpoint(PORTS[0]),
            table_endpoint: endpoint(PORTS[1]),
        }
    }

    fn uptime_ms(&self) -> u128 {
        self.started.elapsed().as_millis()
    }

    /// CPU seconds of the thread that has used the most: the queue service, which has one.
    fn busiest(&self) -> f64 {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let threads = threads.flatten().map(|thread| cpu_seconds(&thread.path().join("stat").to_string_lossy()));
        threads.fold(0.0, f64::max)
    }
}

/// User and system time out of a `stat` file of `/proc`.
fn cpu_seconds(path: &str) -> f64 {
    let stat = std::fs::read_to_string(path).unwrap_or_default();
    // The name may hold spaces; what is behind its bracket may not.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
}

/// In KiB.
fn peak_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    peak.and_then(|peak| peak.parse().ok()).unwrap_or_default()
}
