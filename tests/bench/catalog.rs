//! How long readers wait in a catalog of many runs.
//!
//! `cargo bench --bench catalog [-- RUNS]`: fills a replica with a made-up history, then asks each question many times,
//! and prints the median, the 99th percentile and the longest, in ms. Fails where a 99th percentile is above 20 ms.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops at the unexpected")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pipetrail::ado::{Decoded, Decoder};
use pipetrail::catalog::{self, Catalog, EnvironmentFilter, RunFilter};
use pipetrail::clock::SystemClock;
use pipetrail::domain::{Fact, Key, Record, Time};
use pipetrail::history::Plan;
use pipetrail::sqlite::{LocalFile, Missing};
use rusqlite::Connection;

const DEFAULT_RUNS: usize = 1_000_000;
/// Runs that are in memory before they are written: more than are under way at once.
const OPEN: usize = 4_000;
const QUESTIONS: u32 = 300;
const MOST_MS: f64 = 20.0;

fn main() {
    let runs = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(DEFAULT_RUNS);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    let started = Instant::now();
    let shape = fill(&path, runs);
    println!("{} runs in {:.0} s, {} MiB", shape.runs, started.elapsed().as_secs_f64(), size(&path) >> 20);
    // What readers need is what is asked for: the peak counts anew.
    drop(std::fs::write("/proc/self/clear_refs", "5"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let file = LocalFile::open(&path, Missing::Fail, Arc::new(SystemClock)).unwrap();
    let slow = runtime.block_on(ask(&Catalog::local(file), &shape));
    println!("peak memory of the process {} MiB", peak_memory() >> 10);
    assert_eq!(slow, [] as [&str; 0], "slower than {MOST_MS} ms");
}

/// What there is to ask for.
struct Shape {
    runs: usize,
    first: u64,
    last: u64,
    commits: Vec<String>,
    until: Time,
}

/// Writes the catalog's rows alone, by the projection that the store uses.
fn fill(path: &Path, runs: usize) -> Shape {
    let clock = Arc::new(SystemClock);
    let file = LocalFile::open(path, Missing::Create, clock).unwrap();
    drop(file);
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000").unwrap();
    let projection = catalog::projection();
    projection.prepare(&connection).unwrap();
    let from = Time::parse("2024-01-01T00:00:00Z").unwrap().unwrap();
    let until = from.plus(Duration::from_secs(3_650 * 24 * 3_600));
    let plan = Plan { runs_per_day: 2_000, about: false, ..Plan::new("fabrikam", from, until, 7) };
    let decoder = Decoder::default();
    let mut shape = Shape { runs: 0, first: u64::MAX, last: 0, commits: Vec::new(), until };
    let mut open: BTreeMap<Key, Record> = BTreeMap::new();
    let write = |open: &mut BTreeMap<Key, Record>, keep: usize, shape: &mut Shape| {
        connection.execute_batch("BEGIN").unwrap();
        while open.len() > keep {
            let (_, record) = open.pop_first().unwrap();
            projection.apply(&record)(&connection).unwrap();
            if let Record::Run(run) = &record {
                let shown = run.shown();
                shape.first = shape.first.min(shown.key.run);
                shape.last = shape.last.max(shown.key.run);
                shape.until = shown.finished.unwrap_or(shape.until);
                shape.commits.extend(shown.commit.filter(|_| shape.runs.is_multiple_of(1_000)));
                shape.runs += 1;
            }
        }
        connection.execute_batch("COMMIT").unwrap();
    };
    let mut deployments = plan.deployments();
    for event in plan.events() {
        if let Ok(Decoded::Facts(facts)) = decoder.decode(&event.body) {
            for fact in facts {
                add(&mut open, fact);
            }
        }
        if open.len() > 2 * OPEN {
            write(&mut open, OPEN, &mut shape);
            if shape.runs >= runs {
                break;
            }
        }
    }
    write(&mut open, 0, &mut shape);
    connection.execute_batch("BEGIN").unwrap();
    for fact in deployments.by_ref().take_while(|fact| fact.key.run <= shape.last) {
        let record = Record::of(&Fact::Deployment(fact));
        projection.apply(&record)(&connection).unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
    shape
}

fn add(open: &mut BTreeMap<Key, Record>, fact: Fact) {
    match open.get_mut(&fact.key()) {
        Some(record) => {
            record.add(&fact);
        }
        None => {
            open.insert(fact.key(), Record::of(&fact));
        }
    }
}

async fn ask(catalog: &Catalog, shape: &Shape) -> Vec<&'static str> {
    let page = || RunFilter { top: Some(50), ..RunFilter::default() };
    let text = |text: &str| Some(text.to_owned());
    let days = |days: u64| Some(shape.until.minus(Duration::from_secs(days * 24 * 3_600)));
    let filters = [
        ("first page", page()),
        ("project", RunFilter { project: text("Platform"), ..page() }),
        ("pipeline", RunFilter { pipeline: text("nightly-e2e"), ..page() }),
        ("pipeline by id", RunFilter { pipeline: text("14"), ..page() }),
        ("branch", RunFilter { branch: text("main"), ..page() }),
        ("branch of nobody", RunFilter { branch: text("feature/nobody"), ..page() }),
        ("live", RunFilter { state: text("inProgress"), ..page() }),
        ("failed", RunFilter { result: text("failed"), ..page() }),
        ("result of none", RunFilter { result: text("unheardOf"), ..page() }),
        ("project of nobody", RunFilter { project: text("nobody"), ..page() }),
        ("since a day", RunFilter { since: days(1), ..page() }),
        ("since 90 days", RunFilter { since: days(90), ..page() }),
        ("pipeline, failed", RunFilter { pipeline: text("nightly-e2e"), result: text("failed"), ..page() }),
        ("main, canceled", RunFilter { branch: text("main"), result: text("canceled"), ..page() }),
        ("project, live", RunFilter { project: text("Platform"), state: text("inProgress"), ..page() }),
        ("failed since a day", RunFilter { result: text("failed"), since: days(1), ..page() }),
    ];
    let mut slow = Vec::new();
    println!("{:<24} {:>8} {:>8} {:>8}", "question", "median", "p99", "longest");
    for (name, filter) in &filters {
        let asked = timed(name, async |_| drop(catalog.runs(filter).await.unwrap())).await;
        slow.extend((asked > MOST_MS).then_some(*name));
    }
    let commits = &shape.commits;
    let by_commit = async |n: u32| {
        let commit = commits.get(usize::try_from(n).unwrap() % commits.len()).unwrap();
        drop(catalog.runs(&RunFilter { commit: text(commit.get(..10).unwrap()), ..page() }).await.unwrap());
    };
    slow.extend((timed("commit", by_commit).await > MOST_MS).then_some("commit"));
    let one = async |n: u32| {
        let run = shape.first + u64::from(n) * (shape.last - shape.first) / u64::from(QUESTIONS);
        drop(catalog.run(run, None, &[]).await.unwrap());
    };
    slow.extend((timed("one run", one).await > MOST_MS).then_some("one run"));
    let pipelines = async |_| drop(catalog.pipelines(None, None).await.unwrap());
    slow.extend((timed("pipelines", pipelines).await > MOST_MS).then_some("pipelines"));
    let environments = async |_| drop(catalog.environments(&EnvironmentFilter::default()).await.unwrap());
    slow.extend((timed("environments", environments).await > MOST_MS).then_some("environments"));
    slow
}

/// The 99th percentile in ms, by nearest rank. What takes long is asked less often.
async fn timed(name: &str, question: impl AsyncFn(u32)) -> f64 {
    let started = Instant::now();
    let mut taken = Vec::new();
    for n in 0..QUESTIONS {
        let asked = Instant::now();
        question(n).await;
        taken.push(asked.elapsed().as_secs_f64() * 1e3);
        if started.elapsed() > Duration::from_secs(10) {
            break;
        }
    }
    taken.sort_by(f64::total_cmp);
    let rank = |percent: usize| taken.get((taken.len() * percent).div_ceil(100).max(1) - 1).copied().unwrap();
    println!("{name:<24} {:>8.2} {:>8.2} {:>8.2}", rank(50), rank(99), rank(100));
    rank(99)
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

/// Of this process in KiB, as Linux tells it; zero elsewhere.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
