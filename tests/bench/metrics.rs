//! How long delivery metrics take in a catalog of many runs.
//!
//! `cargo bench --bench metrics [-- RUNS [FILE]]`: fills a local file with a made-up history, pushes and pull requests among
//! it, packs it, and asks for the numbers of 90 days and of a year, and for how pipelines ran in them. Fails where the median
//! is above 100 ms, or above 1 s. A file that is named is kept, and used again if it is there.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops at the unexpected")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pipetrail::ado::{Decoded, Decoder};
use pipetrail::catalog::{self, Catalog, DeliveryQuestion};
use pipetrail::clock::SystemClock;
use pipetrail::domain::metrics::{Period, Terms, Wanted, Window, Zone};
use pipetrail::domain::{Fact, Key, Record, Time};
use pipetrail::history::Plan;
use pipetrail::sqlite::{LocalFile, Missing};
use rusqlite::Connection;

const DEFAULT_RUNS: usize = 1_000_000;
/// A record of which so many events do not speak is over.
const QUIET: usize = 30_000;
const DAY: Duration = Duration::from_secs(24 * 3_600);
const ROUNDS: usize = 15;

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with('-'));
    let runs = words.next().map_or(DEFAULT_RUNS, |word| word.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = words.next().map_or_else(|| folder.path().join("catalog.db"), PathBuf::from);
    if !path.exists() {
        let started = Instant::now();
        fill(&path, runs);
        println!("filled in {:.0} s", started.elapsed().as_secs_f64());
    }
    let (runs, until) = held(&path);
    println!("{runs} runs, {} MiB", size(&path) >> 20);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let file = LocalFile::open(&path, Missing::Fail, Arc::new(SystemClock)).unwrap();
    let catalog = Catalog::local(file);
    let started = Instant::now();
    runtime.block_on(catalog.pack()).unwrap();
    println!("packed in {:.1} s", started.elapsed().as_secs_f64());
    let mut slow = Vec::new();
    for (name, days, most, wanted) in [
        ("90 days, all", 90, 100.0, Wanted::default()),
        ("90 days, a pipeline", 90, 100.0, pipeline()),
        ("a year, all", 365, 1_000.0, Wanted::default()),
        ("a year, a pipeline", 365, 1_000.0, pipeline()),
    ] {
        let question = question(until, days, wanted);
        let delivery = runtime.block_on(timed(async || {
            let numbers = catalog.delivery(&question).await.unwrap().report.numbers;
            assert!(numbers.change_fail_rate.finished > 0);
        }));
        let flow = runtime.block_on(timed(async || assert!(catalog.flow(&question).await.unwrap().numbers.runs > 0)));
        println!("{name:<24} {delivery:>8.1} ms, how pipelines ran {flow:>8.1} ms");
        slow.extend((delivery.max(flow) > most).then_some(name));
    }
    assert_eq!(slow, [] as [&str; 0], "slower than 100 ms, or than 1 s");
}

/// How many runs there are, and the time of the last.
fn held(path: &Path) -> (u64, Time) {
    let ask = "SELECT (SELECT sum(runs) FROM pipelines), (SELECT max(finished) FROM runs)";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, Time::from_ticks(row.get(1)?)));
    Connection::open(path).unwrap().query_row(ask, [], read).unwrap()
}

fn pipeline() -> Wanted {
    Wanted { pipeline: Some("spartan-api-deploy".to_owned()), ..Wanted::default() }
}

fn question(until: Time, days: u32, wanted: Wanted) -> DeliveryQuestion {
    DeliveryQuestion {
        wanted,
        window: Window { from: until.minus(days * DAY), until },
        zone: Zone::default(),
        period: Some(Period::Week),
        group: None,
        work: false,
        terms: Terms::default(),
        owners: Default::default(),
        now: until,
    }
}

/// The median in ms.
async fn timed(ask: impl AsyncFn()) -> f64 {
    let mut taken = Vec::new();
    for _ in 0..ROUNDS {
        let asked = Instant::now();
        ask().await;
        taken.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    taken.sort_by(f64::total_cmp);
    taken.get(ROUNDS / 2).copied().unwrap()
}

/// Writes the catalog's rows alone, by the projection that the store uses.
fn fill(path: &Path, runs: usize) {
    drop(LocalFile::open(path, Missing::Create, Arc::new(SystemClock)).unwrap());
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000").unwrap();
    let projection = catalog::projection();
    projection.prepare(&connection).unwrap();
    let from = Time::parse("2024-01-01T00:00:00Z").unwrap().unwrap();
    let plan = Plan { runs_per_day: 2_000, about: true, ..Plan::new("fabrikam", from, from.plus(3_650 * DAY), 7) };
    let decoder = Decoder::default();
    let (mut written, mut last) = (0, 0);
    let mut open = Open::new();
    for (nth, event) in plan.events().enumerate() {
        if let Ok(Decoded::Facts(facts)) = decoder.decode(&event.body) {
            facts.into_iter().for_each(|fact| add(&mut open, nth, fact));
        }
        if nth.is_multiple_of(QUIET) {
            written += write(&connection, &mut open, nth.saturating_sub(QUIET), &mut last);
            if written >= runs {
                break;
            }
        }
    }
    write(&connection, &mut open, usize::MAX, &mut last);
    connection.execute_batch("BEGIN").unwrap();
    for fact in plan.deployments().take_while(|fact| fact.key.run <= last) {
        projection.apply(&Record::of(&Fact::Deployment(fact)))(&connection).unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
}

/// Records with the number of the event that spoke of each last.
type Open = BTreeMap<Key, (usize, Record)>;

/// Those that nobody spoke of since that event; answers how many of them were runs.
fn write(connection: &Connection, open: &mut Open, before: usize, last: &mut u64) -> usize {
    let projection = catalog::projection();
    let mut runs = 0;
    connection.execute_batch("BEGIN").unwrap();
    open.retain(|_, (nth, record)| {
        if *nth >= before {
            return true;
        }
        projection.apply(record)(connection).unwrap();
        if let Record::Run(run) = record {
            *last = run.shown().key.run.max(*last);
            runs += 1;
        }
        false
    });
    connection.execute_batch("COMMIT").unwrap();
    runs
}

fn add(open: &mut Open, nth: usize, fact: Fact) {
    match open.get_mut(&fact.key()) {
        Some((last, record)) => {
            *last = nth;
            record.add(&fact);
        }
        None => drop(open.insert(fact.key(), (nth, Record::of(&fact)))),
    }
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().len()
}
