//! How long readers wait in a catalog of many runs.
//!
//! `cargo bench --bench catalog [-- RUNS [FILE]]`: fills a replica with a made-up history, then asks each question many
//! times, and prints the median, the 99th percentile and the longest, in ms. Fails where a 99th percentile is above 20 ms,
//! or the peak of resident memory while questions are asked above 200 MiB. A file that is named is kept, and used again
//! if it is there.
//!
//! Questions whose names begin with `hard:` are filters that each fit many runs, and all of them together hardly any: no
//! index leads there. They are shown, and do not fail the bench.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops at the unexpected")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pipetrail::ado::{Decoded, Decoder};
use pipetrail::catalog::{
    self, ApprovalFilter, Catalog, DeploymentFilter, EnvironmentFilter, Place, Placed, RunFilter, RunsBefore,
};
use pipetrail::clock::SystemClock;
use pipetrail::domain::{Fact, Key, Record, Scope, Time};
use pipetrail::history::Plan;
use pipetrail::sqlite::{LocalFile, Missing};
use rusqlite::Connection;

const DEFAULT_RUNS: usize = 1_000_000;
/// Runs that are in memory before they are written: more than are under way at once.
const OPEN: usize = 4_000;
const QUESTIONS: u32 = 300;
const MOST_MS: f64 = 20.0;
const MOST_MIB: u64 = 200;

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
    // What readers need is what is asked for: the peak counts anew.
    drop(std::fs::write("/proc/self/clear_refs", "5"));
    let shape = Shape::of(&path);
    println!("{} runs, {} deployments, {} MiB", shape.runs, shape.deployments, size(&path) >> 20);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let file = LocalFile::open(&path, Missing::Fail, Arc::new(SystemClock)).unwrap();
    let slow = runtime.block_on(ask(&Catalog::local(file), &shape));
    let peak = peak_memory() >> 10;
    println!("peak memory of the process {peak} MiB");
    assert_eq!(slow, [] as [&str; 0], "slower than {MOST_MS} ms");
    assert!(peak < MOST_MIB, "more than {MOST_MIB} MiB");
}

/// What there is to ask for.
struct Shape {
    runs: u64,
    deployments: u64,
    first: u64,
    last: u64,
    commits: Vec<String>,
    until: Time,
}

impl Shape {
    fn of(path: &Path) -> Self {
        let c = Connection::open(path).unwrap();
        let number = |ask: &str| c.query_row(ask, [], |row| row.get::<_, u64>(0)).unwrap();
        let ask = "SELECT commit_id FROM runs WHERE commit_id IS NOT NULL AND run % 1000 = 7 LIMIT 2000";
        let mut commits = c.prepare(ask).unwrap();
        let commits = commits.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        let until = c.query_row("SELECT max(latest) FROM blocks", [], |row| row.get(0)).unwrap();
        Self {
            runs: number("SELECT sum(runs) FROM pipelines"),
            deployments: number("SELECT coalesce(sum(total), 0) FROM places"),
            first: number("SELECT min(run) FROM runs"),
            last: number("SELECT max(run) FROM runs"),
            commits,
            until: Time::from_ticks(until),
        }
    }
}

/// Writes the catalog's rows alone, by the projection that the store uses.
fn fill(path: &Path, runs: usize) {
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
    let (mut written, mut last) = (0, 0);
    let mut open: BTreeMap<Key, Record> = BTreeMap::new();
    let mut write = |open: &mut BTreeMap<Key, Record>, keep: usize| {
        connection.execute_batch("BEGIN").unwrap();
        while open.len() > keep {
            let (_, record) = open.pop_first().unwrap();
            projection.apply(&record)(&connection).unwrap();
            if let Key::Run(run) = record.key() {
                last = last.max(run.run);
                written += 1;
            }
        }
        connection.execute_batch("COMMIT").unwrap();
        (written, last)
    };
    let mut deployments = plan.deployments();
    for event in plan.events() {
        if let Ok(Decoded::Facts(facts)) = decoder.decode(&event.body) {
            for fact in facts {
                add(&mut open, fact);
            }
        }
        if open.len() > 2 * OPEN {
            let (written, _) = write(&mut open, OPEN);
            if written >= runs {
                break;
            }
        }
    }
    let (_, last) = write(&mut open, 0);
    connection.execute_batch("BEGIN").unwrap();
    for fact in deployments.by_ref().take_while(|fact| fact.key.run <= last) {
        let record = Record::of(&Fact::Deployment(fact));
        projection.apply(&record)(&connection).unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
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

fn page() -> RunFilter {
    RunFilter { top: Some(50), ..RunFilter::default() }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// In the middle of the list.
fn deep(shape: &Shape) -> RunFilter {
    let organization = "fabrikam".to_owned();
    let middle = RunsBefore { run_id: u64::midpoint(shape.first, shape.last), organization, pipeline: 0 };
    RunFilter { after: Some(Place::from(middle)), ..page() }
}

/// Each filter alone.
fn alone(shape: &Shape) -> Vec<(&'static str, RunFilter)> {
    let days = |days: u64| Some(shape.until.minus(Duration::from_secs(days * 24 * 3_600)));
    vec![
        ("first page", page()),
        ("deep page", deep(shape)),
        ("oldest first", RunFilter { oldest_first: true, ..page() }),
        ("organization", RunFilter { organization: text("fabrikam"), ..page() }),
        ("organization of nobody", RunFilter { organization: text("nobody"), ..page() }),
        ("project", RunFilter { project: text("Platform"), ..page() }),
        ("project of nobody", RunFilter { project: text("nobody"), ..page() }),
        ("pipeline", RunFilter { pipeline: text("nightly-e2e"), ..page() }),
        ("pipeline by id", RunFilter { pipeline: text("14"), ..page() }),
        ("branch", RunFilter { branch: text("main"), ..page() }),
        ("branch of nobody", RunFilter { branch: text("feature/nobody"), ..page() }),
        ("live", RunFilter { state: text("inProgress"), ..page() }),
        ("completed", RunFilter { state: text("completed"), ..page() }),
        ("failed", RunFilter { result: text("failed"), ..page() }),
        ("result of none", RunFilter { result: text("unheardOf"), ..page() }),
        ("asked for by", RunFilter { requested_for: text("Ada Quill"), ..page() }),
        ("asked for by nobody", RunFilter { requested_for: text("nobody"), ..page() }),
        ("since an hour", RunFilter { since: days(1).map(|at| at.plus(Duration::from_secs(23 * 3_600))), ..page() }),
        ("since a day", RunFilter { since: days(1), ..page() }),
        ("since 90 days", RunFilter { since: days(90), ..page() }),
    ]
}

/// Two and three filters.
fn together(shape: &Shape) -> Vec<(&'static str, RunFilter)> {
    let days = |days: u64| Some(shape.until.minus(Duration::from_secs(days * 24 * 3_600)));
    vec![
        ("pipeline, failed", RunFilter { pipeline: text("nightly-e2e"), result: text("failed"), ..page() }),
        ("pipeline, failed, deep", RunFilter { pipeline: text("nightly-e2e"), result: text("failed"), ..deep(shape) }),
        ("pipeline, main", RunFilter { pipeline: text("14"), branch: text("main"), ..page() }),
        ("main, canceled", RunFilter { branch: text("main"), result: text("canceled"), ..page() }),
        ("main, succeeded", RunFilter { branch: text("main"), result: text("succeeded"), ..page() }),
        ("main, live", RunFilter { branch: text("main"), state: text("inProgress"), ..page() }),
        ("main, asked for by", RunFilter { branch: text("main"), requested_for: text("Ada Quill"), ..page() }),
        ("project, main", RunFilter { project: text("Platform"), branch: text("main"), ..page() }),
        ("project, live", RunFilter { project: text("Platform"), state: text("inProgress"), ..page() }),
        ("project, failed", RunFilter { project: text("Platform"), result: text("failed"), ..page() }),
        ("failed since a day", RunFilter { result: text("failed"), since: days(1), ..page() }),
        (
            "failed since a day, oldest",
            RunFilter { result: text("failed"), since: days(1), oldest_first: true, ..page() },
        ),
        ("project since a day", RunFilter { project: text("Platform"), since: days(1), ..page() }),
        (
            "main, canceled, 7 days",
            RunFilter { branch: text("main"), result: text("canceled"), since: days(7), ..page() },
        ),
        (
            "project, main, canceled",
            RunFilter { project: text("Platform"), branch: text("main"), result: text("canceled"), ..page() },
        ),
        (
            "pipeline, main, failed",
            RunFilter { pipeline: text("14"), branch: text("main"), result: text("failed"), ..page() },
        ),
        (
            "pipeline of other project",
            RunFilter { project: text("Spartan"), pipeline: text("14"), result: text("failed"), ..page() },
        ),
        (
            "hard: project, main, none",
            RunFilter { project: text("Platform"), branch: text("main"), pipeline: text("11"), ..page() },
        ),
    ]
}

async fn ask(catalog: &Catalog, shape: &Shape) -> Vec<&'static str> {
    let mut table = Table::default();
    println!("{:<28} {:>8} {:>8} {:>8}", "question", "median", "p99", "longest");
    for (name, filter) in alone(shape).into_iter().chain(together(shape)) {
        table.time(name, async |_| drop(catalog.runs(&filter).await.unwrap())).await;
    }
    let commits = &shape.commits;
    let by_commit = async |n: u32| {
        let commit = commits.get(usize::try_from(n).unwrap() % commits.len()).unwrap();
        drop(catalog.runs(&RunFilter { commit: text(commit.get(..10).unwrap()), ..page() }).await.unwrap());
    };
    table.time("commit", by_commit).await;
    let of_one = catalog.seen_by(Scope::Only(vec!["Platform".parse().unwrap()]));
    let of_none = catalog.seen_by(Scope::Only(vec!["nobody".parse().unwrap()]));
    table.time("reader of a project", async |_| drop(of_one.runs(&page()).await.unwrap())).await;
    let failed = RunFilter { result: text("failed"), ..page() };
    table.time("reader of a project, failed", async |_| drop(of_one.runs(&failed).await.unwrap())).await;
    table.time("reader of nothing", async |_| drop(of_none.runs(&page()).await.unwrap())).await;
    let one = async |n: u32| {
        let run = shape.first + u64::from(n) * (shape.last - shape.first) / u64::from(QUESTIONS);
        drop(catalog.run(run, None, &[]).await.unwrap());
    };
    table.time("one run, with its links", one).await;
    dashboard(catalog, &mut table).await;
    places(catalog, &mut table).await;
    table.slow
}

/// What the overview and the list of pipelines count and list.
async fn dashboard(catalog: &Catalog, table: &mut Table) {
    table.time("overview: 2,000 newest", async |_| drop(catalog.recent(2_000).await.unwrap())).await;
    table.time("overview: data to when", async |_| assert!(catalog.newest().await.unwrap().is_some())).await;
    let pending = ApprovalFilter { status: Some("pending".to_owned()), top: Some(200), ..ApprovalFilter::default() };
    table.time("overview: approvals", async |_| drop(catalog.approvals(&pending).await.unwrap())).await;
    table.time("pipelines", async |_| drop(catalog.pipelines(None, None).await.unwrap())).await;
    let pipelines = catalog.pipelines(None, None).await.unwrap();
    table.time("pipelines' health", async |_| drop(catalog.health(&pipelines).await.unwrap())).await;
    let ids: Vec<_> = pipelines.iter().map(|pipeline| (pipeline.organization.clone(), pipeline.id)).collect();
    table.time("pipelines' last results", async |_| drop(catalog.last_finished(&ids, 20).await.unwrap())).await;
}

/// What is where.
async fn places(catalog: &Catalog, table: &mut Table) {
    let matrix = EnvironmentFilter { top: Some(200), ..EnvironmentFilter::default() };
    table.time("environments: the matrix", async |_| drop(catalog.environments(&matrix).await.unwrap())).await;
    let of_one = catalog.seen_by(Scope::Only(vec!["Platform".parse().unwrap()]));
    table.time("environments of a reader", async |_| drop(of_one.environments(&matrix).await.unwrap())).await;
    let of = |environment: &str| DeploymentFilter {
        environment: Some(environment.to_owned()),
        current: true,
        ..DeploymentFilter::default()
    };
    let two = async |_| {
        drop(catalog.deployments(&of("production")).await.unwrap());
        drop(catalog.deployments(&of("staging")).await.unwrap());
    };
    table.time("compare two environments", two).await;
    let newest = |top| DeploymentFilter { top: Some(top), ..DeploymentFilter::default() };
    table.time("deployments, 50", async |_| drop(catalog.deployments(&newest(50)).await.unwrap())).await;
    table.time("deployments, 300", async |_| drop(catalog.deployments(&newest(300)).await.unwrap())).await;
    let production = DeploymentFilter { current: false, top: Some(50), ..of("production") };
    table.time("deployments to production", async |_| drop(catalog.deployments(&production).await.unwrap())).await;
    let last = catalog.deployments(&newest(50)).await.unwrap().pop();
    let next = DeploymentFilter { after: last.as_ref().map(Placed::place), ..newest(50) };
    table.time("deployments, next page", async |_| drop(catalog.deployments(&next).await.unwrap())).await;
}

/// What was too slow so far.
#[derive(Default)]
struct Table {
    slow: Vec<&'static str>,
}

impl Table {
    async fn time(&mut self, name: &'static str, question: impl AsyncFn(u32)) {
        let is_slow = timed(name, question).await > MOST_MS && !name.starts_with("hard:");
        self.slow.extend(is_slow.then_some(name));
    }
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
    println!("{name:<28} {:>8.2} {:>8.2} {:>8.2}", rank(50), rank(99), rank(100));
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
