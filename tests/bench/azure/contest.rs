use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pipetrail::azure::Services;
use pipetrail::clock::SystemClock;
use pipetrail::queue::{AzureQueue, AzureQueueOptions, Queue as _};
use pipetrail::store::AzureTableStore;

use crate::Figures;
use crate::azurite::Azurite;
use crate::process::{cpu_seconds, peak_memory};

pub(crate) const EVENTS: usize = 2_400;
/// Messages on the queue at the most.
pub(crate) const PORTION: usize = 400;
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contestant {
    Pipetrail,
    /// With three times the batches in hand: no faster, where the emulator is what all wait for.
    Wide,
    Python,
    Node,
}

impl Contestant {
    fn name(self) -> &'static str {
        match self {
            Self::Pipetrail => "pipetrail",
            Self::Wide => "pipetrail, 24 batches",
            Self::Python => "naive Python",
            Self::Node => "naive Node",
        }
    }

    fn command(self, connection: &str, name: &str) -> Command {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (program, script) = match self {
            Self::Pipetrail => return crate::pipetrail(connection, name),
            Self::Wide => {
                let mut command = crate::pipetrail(connection, name);
                command.args(["--concurrency", "24"]);
                return command;
            }
            Self::Python => (root.join("target/bench-python/bin/python"), "tests/bench/azure/naive_worker.py"),
            Self::Node => ("node".into(), "tests/bench/azure/naive_worker.js"),
        };
        let mut command = Command::new(program);
        command.arg(root.join(script)).args([connection, name, &(EVENTS + PORTION).to_string()]);
        command
    }
}

/// The first portion is not timed: the worker starts, and makes its connections.
pub(crate) async fn run(contestant: Contestant, azurite: &Azurite) -> Figures {
    let name = format!("bench{}{}", contestant.name().replace([' ', ','], "").to_lowercase(), azurite.uptime_ms());
    let services = Services::new(&azurite.account()).unwrap();
    let queue = AzureQueue::new(&services, &name, &name, Arc::new(SystemClock), AzureQueueOptions::default());
    queue.create().await.unwrap();
    AzureTableStore::new(&services, &name, Arc::new(SystemClock)).create().await.unwrap();
    let bodies = crate::bodies(EVENTS + PORTION);
    let (first, timed) = bodies.split_at(PORTION);
    let mut worker = contestant.command(&azurite.connection, &name).spawn().unwrap();
    let stat = format!("/proc/{}/stat", worker.id());
    queue.put(first.to_vec()).await.unwrap();
    until_empty(&queue).await;
    let (mut seconds, mut busy, mut cpu) = (0.0, 0.0, 0.0);
    for portion in timed.chunks(PORTION) {
        signal(worker.id(), "STOP");
        queue.put(portion.to_vec()).await.unwrap();
        let (start, busy_before, cpu_before) = (Instant::now(), azurite.busiest(), cpu_seconds(&stat));
        signal(worker.id(), "CONT");
        until_empty(&queue).await;
        seconds += start.elapsed().as_secs_f64();
        busy += azurite.busiest() - busy_before;
        cpu += cpu_seconds(&stat) - cpu_before;
    }
    let events = crate::count(EVENTS);
    let figures = Figures {
        events_a_second: events / seconds,
        cpu_an_event: cpu / events * 1e3,
        memory_mib: peak_memory(worker.id()) / 1024,
    };
    println!(
        "{:<24}{:>10.0}{:>16.0} %{:>13.3} ms{:>8} MiB",
        contestant.name(),
        figures.events_a_second,
        busy / seconds * 100.0,
        figures.cpu_an_event,
        figures.memory_mib
    );
    crate::end(&mut worker);
    figures
}

async fn until_empty(queue: &AzureQueue) {
    loop {
        let depth = queue.depth().await.unwrap();
        if depth.visible + depth.leased == 0 {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn signal(process: u32, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), process.to_string()]).status().unwrap();
    assert!(status.success(), "kill -{name} failed");
}
