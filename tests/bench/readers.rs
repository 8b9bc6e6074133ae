//! How long readers wait beside a worker: the program itself, as people run it, with a file of many runs, a backlog that
//! is drained meanwhile, 200 readers of its pages and its API, and 50 listeners.
//!
//! `cargo bench --bench readers [-- RUNS]`: prints the median and the 99th percentile of the answers, the peak of the
//! server's resident memory, and fails at any error, or at 200 MB (195,312 KiB).
//!
//! Each reader asks again a second after its answer, as a page of the dashboard does at the most.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops at the unexpected")]

#[path = "../it/audience.rs"]
mod audience;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pipetrail::ado::Decoder;
use pipetrail::catalog::{self, Catalog, RunFilter};
use pipetrail::clock::SystemClock;
use pipetrail::domain::Time;
use pipetrail::history::Plan;
use pipetrail::ingest::{Mode, Settings, Worker};
use pipetrail::queue::{Queue, SqliteQueue};
use pipetrail::sqlite::{LocalFile, Missing};
use pipetrail::store::SqliteStore;
use tokio_util::sync::CancellationToken;

use self::audience::{Audience, Met};

const DEFAULT_RUNS: usize = 100_000;
const EVENTS_A_RUN: usize = 12;
const READERS: usize = 200;
const LISTENERS: usize = 50;
const PAUSE: Duration = Duration::from_secs(1);
/// How long they stay; the backlog is as large as keeps the worker busy all the while.
const WHILE: Duration = Duration::from_secs(30);
/// Put a second: more than that keeps no hook waiting.
const PORTION: usize = 200;
/// In KiB.
const MOST_MEMORY: u64 = 195_312;

fn main() {
    let runs = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(DEFAULT_RUNS);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("readers.db");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut events = events();
    let run = runtime.block_on(fill(&path, &mut events, runs * EVENTS_A_RUN));
    let (mut server, address) = start(&path);
    let met = runtime.block_on(visit(&path, &address, run, &mut events));
    let memory = peak_memory(server.id());
    server.kill().unwrap();
    server.wait().unwrap();
    report(&met, memory);
}

fn events() -> impl Iterator<Item = Vec<u8>> {
    let from = Time::parse("2025-01-06T00:00:00Z").unwrap().unwrap();
    let until = from.plus(Duration::from_secs(3_650 * 24 * 3_600));
    let plan = Plan { runs_per_day: 2_000, ..Plan::new("fabrikam", from, until, 7) };
    plan.events().map(|event| event.body)
}

/// Answers the number of a run that is there.
async fn fill(path: &Path, events: &mut impl Iterator<Item = Vec<u8>>, count: usize) -> u64 {
    let started = Instant::now();
    let clock = Arc::new(SystemClock);
    let file = LocalFile::open(path, Missing::Create, clock.clone()).unwrap();
    let queue = Arc::new(SqliteQueue::new(file.clone()));
    let store = Arc::new(SqliteStore::open(file.clone(), catalog::projection()).await.unwrap());
    let decoder = Decoder::default();
    let decode = Arc::new(move |body: &[u8]| decoder.decode(body));
    let worker = Worker::new(queue.clone(), store, clock, decode, Settings::default());
    let mut left = count;
    while left > 0 {
        let portion: Vec<_> = events.take(left.min(20_000)).collect();
        left -= portion.len();
        queue.put(portion).await.unwrap();
        worker.run(Mode::UntilEmpty, CancellationToken::new()).await.unwrap();
    }
    let newest = Catalog::local(file).runs(&RunFilter { top: Some(1), ..RunFilter::default() }).await.unwrap();
    println!("{count} events in {:.0} s", started.elapsed().as_secs_f64());
    newest.first().unwrap().run_id
}

/// The program as it is run: endpoint, worker, server.
fn start(path: &Path) -> (Child, String) {
    let mut server = Command::new(env!("CARGO_BIN_EXE_pipetrail"))
        .args(["up", "--listen", "127.0.0.1:0", "--data"])
        .arg(path)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(server.stderr.take().unwrap()).lines();
    let line = said.find_map(|line| line.ok().filter(|line| line.contains("listening on"))).unwrap();
    // What it says later is not to fill the pipe.
    std::thread::spawn(move || said.for_each(drop));
    let address = line.split("http://").nth(1).unwrap().split([',', ' ']).next().unwrap().to_owned();
    (server, address)
}

async fn visit(path: &Path, address: &str, run: u64, events: &mut impl Iterator<Item = Vec<u8>>) -> Met {
    let queue = SqliteQueue::new(LocalFile::open(path, Missing::Fail, Arc::new(SystemClock)).unwrap());
    let mut audience = Audience::of(address);
    audience.listen(LISTENERS).await;
    audience.read(READERS, PAUSE, run);
    let started = Instant::now();
    let mut put = 0;
    while started.elapsed() < WHILE {
        queue.put(events.take(PORTION).collect()).await.unwrap();
        put += PORTION;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let left = queue.depth().await.unwrap();
    println!("{put} events came meanwhile, {} are left", left.visible + left.leased);
    let heard = audience.heard().to_vec();
    let met = audience.end().await;
    let told: Vec<_> = heard.iter().map(|heard| heard.lock().unwrap().events).collect();
    let (least, most) = (told.iter().min().unwrap(), told.iter().max().unwrap());
    let resets: u64 = heard.iter().map(|heard| heard.lock().unwrap().resets).sum();
    println!(
        "{LISTENERS} listeners heard {least} to {most} events each, and were told {resets} times to read all anew"
    );
    let errors: Vec<String> = heard.iter().flat_map(|heard| heard.lock().unwrap().errors.clone()).collect();
    assert!(errors.is_empty(), "streams broke: {errors:?}");
    met
}

fn report(met: &Met, memory: u64) {
    let ms = |took: Option<&Duration>| took.unwrap().as_secs_f64() * 1_000.0;
    let mut all = Vec::new();
    println!("{:>9} {:>9} {:>7}   ms", "median", "99 %", "answers");
    for (path, took) in &met.took {
        let mut took = took.clone();
        took.sort_unstable();
        println!("{:>9.1} {:>9.1} {:>7}   {path}", ms(median(&took)), ms(last_but_a_hundredth(&took)), took.len());
        all.extend(took);
    }
    all.sort_unstable();
    println!("{:>9.1} {:>9.1} {:>7}   all", ms(median(&all)), ms(last_but_a_hundredth(&all)), all.len());
    println!("peak memory of the server {memory} KiB, at most {MOST_MEMORY}; {} errors", met.errors.len());
    assert!(met.errors.is_empty(), "{:?}", met.errors.iter().take(10).collect::<Vec<_>>());
    assert!(memory <= MOST_MEMORY, "the server takes more memory than it may");
}

fn median(sorted: &[Duration]) -> Option<&Duration> {
    sorted.get(sorted.len() / 2)
}

fn last_but_a_hundredth(sorted: &[Duration]) -> Option<&Duration> {
    sorted.get((sorted.len() * 99 / 100).min(sorted.len() - 1))
}

/// Of this process in KiB, as Linux tells it; zero elsewhere.
fn peak_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    peak.and_then(|peak| peak.parse().ok()).unwrap_or_default()
}
