//! How long readers wait in a catalog of many runs.
//!
//! `cargo bench --bench catalog [-- RUNS [FILE]]`: fills a replica with a made-up history, then asks each question many
//! times, and prints the median, the 99th percentile and the longest, in ms. Fails where a 99th percentile is above 20 ms,
//! or the peak of resident memory while questions are asked above 190 MiB (199 MB). A file that is named is kept, and used again
//! if it is there.
//!
//! Only the first tenth of the history goes through the projection that the store uses. The rest are its rows copied nine
//! times to later ids, days and commits: that takes minutes where the projection takes hours beside other work, and a
//! question costs the same, since no index can tell. What is not copied are things that stay what they are: names, and
//! pull requests.
//!
//! Beside the history's six pipelines there are a thousand small ones in a project each, and a thousand environments, half
//! of them called production: what an organization has that is not busy costs nothing, or the table says so.
//!
//! Questions whose names begin with `hard:` are filters that each fit many runs, and all of them together none: no index
//! leads there, and a page ends after so many candidates. What it takes to look on to the end is shown in `to the end:`,
//! which does not fail the bench. Neither does a list of a thousand environments, nor what is written in slices.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops at the unexpected")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pipetrail::ado::{Decoded, Decoder};
use pipetrail::catalog::{
    self, ApprovalFilter, Catalog, DeploymentFilter, EnvironmentFilter, Named, On, PipelineFilter, Place, Placed,
    RunFilter, RunsBefore,
};
use pipetrail::clock::SystemClock;
use pipetrail::domain::deployment::{DeploymentFact, DeploymentJobSaid};
use pipetrail::domain::run::{RunFact, Statement};
use pipetrail::domain::{DeploymentKey, Fact, FactKind, Key, Label, Outcome, Record, RunKey, Scope, State, Time};
use pipetrail::history::Plan;
use pipetrail::sqlite::{LocalFile, Missing};
use rusqlite::Connection;

const DEFAULT_RUNS: usize = 1_000_000;
/// As many times the first part of the history is copied to make the rest.
const COPIES: i64 = 9;
/// Runs that are in memory before they are written: more than are under way at once.
const OPEN: usize = 4_000;
const QUESTIONS: u32 = 300;
/// Pipelines on a page.
const PAGE: usize = 50;
/// As many environments as the overview looks at, and rows and columns of its matrix.
const MOST_ENVIRONMENTS: u32 = 1_000;
const MATRIX: (usize, usize) = (20, 6);
/// Commits that are counted between two versions.
const MOST_BEHIND: u32 = 100;
/// In numbers of runs, of whatever pipeline.
const FAR_BEHIND: u64 = 2_000;
/// Pipelines, each in a project of its own with an environment.
const SMALL: u64 = 1_000;
const FIRST_SMALL: u64 = 1_000;
const RUNS_OF_SMALL: u64 = 9;
const MOST_MS: f64 = 20.0;
const MOST_MIB: u64 = 190;

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with('-'));
    let runs = words.next().map_or(DEFAULT_RUNS, |word| word.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = words.next().map_or_else(|| folder.path().join("catalog.db"), PathBuf::from);
    if !path.exists() {
        let started = Instant::now();
        fill(&path, runs / (1 + usize::try_from(COPIES).unwrap()));
        println!("a tenth filled in {:.0} s", started.elapsed().as_secs_f64());
        copy(&path);
        add_small(&path);
        println!("filled in {:.0} s", started.elapsed().as_secs_f64());
    }
    // What readers need is what is asked for: the peak counts anew.
    drop(std::fs::write("/proc/self/clear_refs", "5"));
    let shape = Shape::of(&path);
    println!("{} runs, {} deployments, {} MiB", shape.runs, shape.deployments, size(&path) >> 20);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let file = LocalFile::open(&path, Missing::Fail, Arc::new(SystemClock)).unwrap();
    let catalog = Catalog::local(file);
    runtime.block_on(catalog.finish()).unwrap();
    let slow = runtime.block_on(ask(&catalog, &shape));
    let peak = peak_memory() >> 10;
    println!("peak memory of the process {peak} MiB");
    first_record(&path, &catalog, &runtime);
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

/// Copies the rows of runs, and what was deployed, to later ids, days and commits.
fn copy(path: &Path) {
    let c = Connection::open(path).unwrap();
    c.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000").unwrap();
    let number = |ask: &str| c.query_row(ask, [], |row| row.get::<_, i64>(0)).unwrap();
    let last = number("SELECT max(run) FROM runs");
    let (width, rows) = (last + 1 - number("SELECT min(run) FROM runs"), number("SELECT max(id) FROM runs"));
    let time = number("SELECT max(finished) - min(queued) FROM runs");
    for nth in 1..=COPIES {
        let copy = COPY
            .replace("{run}", &(nth * width).to_string())
            .replace("{id}", &(nth * rows).to_string())
            .replace("{time}", &(nth * time).to_string())
            .replace("{nth}", &nth.to_string())
            .replace("{rows}", &rows.to_string())
            .replace("{last}", &last.to_string());
        c.execute_batch(&copy).unwrap();
    }
}

const COPY: &str = "\
  BEGIN; \
  INSERT INTO runs (id, run, organization, pipeline, project_id, project_name, name, state, result, reason, branch, \
    commit_id, repository, requested_for, folder, url, queued, started, finished) \
  SELECT id + {id}, run + {run}, organization, pipeline, project_id, project_name, name, state, result, reason, branch, \
    {nth} || substr(commit_id, 2), repository, requested_for, folder, url, queued + {time}, started + {time}, \
    finished + {time} FROM runs WHERE run <= {last} ORDER BY run; \
  INSERT INTO stages SELECT run + {id}, name, attempt, state, result, started + {time}, finished + {time} FROM stages \
    WHERE run <= {rows}; \
  INSERT INTO approvals (run, id, status, stage, stage_attempt, requested, decided, approvers) \
  SELECT run + {id}, id, status, stage, stage_attempt, requested + {time}, decided + {time}, approvers FROM approvals \
    WHERE run <= {rows}; \
  INSERT INTO deployments SELECT organization, project_id, environment, run + {run}, stage, attempt, project_name, \
    pipeline, pipeline_name, run_name, state, result, started + {time}, finished + {time} FROM deployments \
    WHERE run <= {last}; \
  INSERT INTO deployed (place, organization, run, run_name, pipeline_name, stage, attempt, state, result, started, \
    finished, rule) \
  SELECT place, organization, run + {run}, run_name, pipeline_name, stage, attempt, state, result, started + {time}, \
    finished + {time}, rule FROM deployed WHERE run <= {last}; \
  INSERT INTO refs (source, position, organization, cause_kind, cause, effect_kind, effect, rule, certain, when_kind, \
    when_text, digest) \
  SELECT source || ' {nth}', position, organization, cause_kind, CASE cause_kind WHEN 'run' THEN cause + {run} \
      WHEN 'commit' THEN {nth} || substr(cause, 2) ELSE cause END, \
    effect_kind, CASE effect_kind WHEN 'run' THEN effect + {run} ELSE effect END, rule, certain, when_kind, when_text, \
    digest FROM refs WHERE source NOT LIKE '% %'; \
  COMMIT;";

/// Many projects with a pipeline and an environment each, where little happened, all of it before the history: whoever
/// reads one of them finds nothing among the newest runs of all.
fn add_small(path: &Path) {
    let c = Connection::open(path).unwrap();
    c.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; BEGIN").unwrap();
    let first: u64 = c.query_row("SELECT min(run) FROM runs", [], |row| row.get(0)).unwrap();
    let from = Time::parse("2023-06-01T00:00:00Z").unwrap().unwrap();
    let projection = catalog::projection();
    for (small, nth) in (0..SMALL).flat_map(|small| (0..RUNS_OF_SMALL).map(move |nth| (small, nth))) {
        let run = 1 + nth * SMALL + small;
        assert!(run < first, "its number is another's");
        let at = from.plus(Duration::from_secs(60 * run));
        let labels = vec![
            (Label::ProjectId, format!("small-{small}-id")),
            (Label::ProjectName, small_project(small)),
            (Label::PipelineName, format!("small-{small}-ci")),
            (Label::Branch, "refs/heads/main".to_owned()),
            (Label::Commit, format!("{run:040x}")),
            (Label::Repository, format!("small-{small}")),
        ];
        let key = RunKey { organization: "fabrikam".to_owned(), pipeline: FIRST_SMALL + small, run };
        let result = if nth % 5 == 4 { Outcome::Failed } else { Outcome::Succeeded };
        let says = Statement { result: Some(result), started: Some(at), finished: Some(at), ..Statement::at(at) };
        let mut fact = RunFact::new(key, FactKind::BuildCompleted, at);
        fact.run = Some((State::Completed, says.clone()));
        fact.labels.clone_from(&labels);
        projection.apply(&Record::of(&Fact::Run(fact)))(&c).unwrap();
        let key = DeploymentKey::new("fabrikam", &format!("small-{small}-id"), FIRST_SMALL + small, run);
        let mut labels = labels;
        let pipeline = (FIRST_SMALL + small).to_string();
        let environment = if small % 2 == 0 { "production".to_owned() } else { format!("small-{small}") };
        labels.extend([(Label::Environment, environment), (Label::DefinitionId, pipeline)]);
        let (stage, name, state) = ("deploy".to_owned(), "deploy".to_owned(), State::Completed);
        let job = DeploymentJobSaid { stage, stage_attempt: None, name, attempt: None, state, says };
        projection.apply(&Record::of(&Fact::Deployment(DeploymentFact { key, said: at, labels, job })))(&c).unwrap();
    }
    c.execute_batch("COMMIT").unwrap();
}

fn small_project(small: u64) -> String {
    format!("Small {small}")
}

/// What it takes when a stage makes its first record: all runs of its pipeline are looked at anew, in slices.
fn first_record(path: &Path, catalog: &Catalog, runtime: &tokio::runtime::Runtime) {
    let c = Connection::open(path).unwrap();
    let kind = "SELECT k.organization, k.project_id, k.stage, p.pipeline, p.runs FROM kinds k \
                JOIN pipelines p ON p.organization = k.organization AND p.pipeline = k.pipeline ORDER BY p.runs DESC";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    let (organization, project, stage, pipeline, runs): (String, String, String, u64, u64) =
        c.query_row(kind, [], read).unwrap();
    let key = DeploymentKey { organization, project, environment: 99, run: 1 };
    let said = Time::from_ticks(1);
    let says = Statement { started: Some(said), ..Statement::at(said) };
    let name = "deploy".to_owned();
    let job = DeploymentJobSaid { stage, stage_attempt: None, name, attempt: None, state: State::Completed, says };
    let labels = vec![(Label::DefinitionId, pipeline.to_string())];
    let record = Record::of(&Fact::Deployment(DeploymentFact { key: key.clone(), said, labels, job }));
    let projection = catalog::projection();
    for (what, step) in
        [("its event", projection.apply(&record)), ("and without it again", projection.remove(&Key::Deployment(key)))]
    {
        let started = Instant::now();
        c.execute_batch("BEGIN IMMEDIATE").unwrap();
        step(&c).unwrap();
        c.execute_batch("COMMIT").unwrap();
        let event = started.elapsed();
        runtime.block_on(catalog.finish()).unwrap();
        let (event, whole) = (event.as_secs_f64() * 1e3, started.elapsed().as_secs_f64());
        println!("first record of a stage of {runs} runs, {what}: {event:.1} ms; all slices: {whole:.1} s");
    }
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
    ]
}

/// Filters that fit many runs, and together none.
fn hard(shape: &Shape) -> Vec<(&'static str, RunFilter)> {
    let project = RunFilter { project: text("Platform"), branch: text("main"), pipeline: text("11"), ..page() };
    let pipeline = RunFilter { pipeline: text("11"), branch: text("main"), state: text("completed"), ..page() };
    vec![
        ("hard: project, main, pipeline", project.clone()),
        ("hard: the same, deep", RunFilter { after: deep(shape).after, ..project.clone() }),
        ("hard: the same, oldest first", RunFilter { oldest_first: true, ..project }),
        ("hard: main, of later", RunFilter { branch: text("main"), since: Some(shape.until), ..page() }),
        ("hard: pipeline, main, nobody", RunFilter { organization: text("nobody"), ..pipeline.clone() }),
        ("hard: project of other", RunFilter { project: text("Platform"), ..pipeline }),
        ("before all", RunFilter { until: Some(Time::from_ticks(1)), ..page() }),
    ]
}

async fn ask(catalog: &Catalog, shape: &Shape) -> Vec<&'static str> {
    let mut table = Table::default();
    println!("{:<28} {:>8} {:>8} {:>8}", "question", "median", "p99", "longest");
    for (name, filter) in alone(shape).into_iter().chain(together(shape)) {
        table.time(name, async |_| drop(catalog.page_of_runs(&filter).await.unwrap())).await;
    }
    for (name, filter) in hard(shape) {
        table.time(name, async |_| drop(catalog.page_of_runs(&filter).await.unwrap())).await;
    }
    let (_, none) = hard(shape).swap_remove(0);
    timed("to the end: hard", async |_| assert!(catalog.runs(&none).await.unwrap().is_empty())).await;
    let commits = &shape.commits;
    let by_commit = async |n: u32| {
        let commit = commits.get(usize::try_from(n).unwrap() % commits.len()).unwrap();
        drop(catalog.page_of_runs(&RunFilter { commit: text(commit.get(..10).unwrap()), ..page() }).await.unwrap());
    };
    table.time("commit", by_commit).await;
    let of_one = catalog.seen_by(Scope::Only(vec!["Platform".parse().unwrap()]));
    let of_none = catalog.seen_by(Scope::Only(vec!["nobody".parse().unwrap()]));
    table.time("reader of a project", async |_| drop(of_one.page_of_runs(&page()).await.unwrap())).await;
    let failed = RunFilter { result: text("failed"), ..page() };
    table.time("reader of a project, failed", async |_| drop(of_one.page_of_runs(&failed).await.unwrap())).await;
    let of_small = catalog.seen_by(Scope::Only(vec![small_project(0).parse().unwrap()]));
    table.time("reader of a small project", async |_| drop(of_small.page_of_runs(&page()).await.unwrap())).await;
    table.time("reader of nothing", async |_| drop(of_none.page_of_runs(&page()).await.unwrap())).await;
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
    let of_small = catalog.seen_by(Scope::Only(vec![small_project(0).parse().unwrap()]));
    let overview = async |_| {
        assert!(!of_small.recent(2_000).await.unwrap().is_empty());
        drop(of_small.broken(On::Default, |_| true).await.unwrap());
        assert!(of_small.newest().await.unwrap().is_some());
    };
    table.time("overview of a small project", overview).await;
    let waiting = async |_| drop(catalog.waiting((None, None), 2_000, |_| true).await.unwrap());
    table.time("overview: all that waits", waiting).await;
    table.time("overview: 2,000 newest", async |_| drop(catalog.recent(2_000).await.unwrap())).await;
    let broken = async |_| drop(catalog.broken(On::Default, |_| true).await.unwrap());
    table.time("overview: broken on default", broken).await;
    table.time("overview: data to when", async |_| assert!(catalog.newest().await.unwrap().is_some())).await;
    let pending = ApprovalFilter { status: Some("pending".to_owned()), top: Some(200), ..ApprovalFilter::default() };
    table.time("overview: approvals", async |_| drop(catalog.approvals(&pending).await.unwrap())).await;
    let of = |status: Option<&str>, project: Option<&str>| ApprovalFilter {
        status: status.map(str::to_owned),
        project: project.map(str::to_owned),
        top: Some(50),
        ..ApprovalFilter::default()
    };
    for (name, filter) in [
        ("approvals", of(None, None)),
        ("approvals: approved", of(Some("approved"), None)),
        ("approvals of nobody's project", of(None, Some("nobody"))),
    ] {
        table.time(name, async |_| drop(catalog.page_of_approvals(&filter).await.unwrap())).await;
    }
    for (name, named) in [
        ("known organizations", Named::Organization),
        ("known projects", Named::Project),
        ("known pipelines", Named::Pipeline),
        ("known branches", Named::Branch),
        ("known states", Named::State),
        ("known results", Named::Result),
        ("known environments", Named::Environment),
        ("known statuses", Named::Status),
    ] {
        table.time(name, async |_| drop(catalog.known(named, "nobody").await.unwrap())).await;
    }
    table.time("pipelines", async |_| drop(catalog.pipelines(None, None).await.unwrap())).await;
    let page = PipelineFilter { top: Some(51), ..PipelineFilter::default() };
    table.time("pipelines: a page of them", async |_| drop(catalog.pipelines_of(&page).await.unwrap())).await;
    let mut pipelines = catalog.pipelines(None, None).await.unwrap();
    pipelines.truncate(PAGE);
    table.time("health of a page of pipelines", async |_| drop(catalog.health(&pipelines).await.unwrap())).await;
    let ids: Vec<_> = pipelines.iter().map(|pipeline| (pipeline.organization.clone(), pipeline.id)).collect();
    table.time("last results of a page of them", async |_| drop(catalog.last_finished(&ids, 20).await.unwrap())).await;
}

/// What is where.
async fn places(catalog: &Catalog, table: &mut Table) {
    let page = EnvironmentFilter { top: Some(200), ..EnvironmentFilter::default() };
    let whole = EnvironmentFilter { top: Some(MOST_ENVIRONMENTS), ..EnvironmentFilter::default() };
    let all = async |_| assert_eq!(catalog.environments(&whole).await.unwrap().len(), 1_000);
    timed("all 1,000 environments", all).await;
    let busy = RunFilter { pipeline: text("11"), top: Some(1_900), ..RunFilter::default() };
    let busy = catalog.page_of_runs(&busy).await.unwrap().items;
    let (newest, oldest) = (busy.first().unwrap(), busy.last().unwrap());
    let passed = async |_| {
        let passed = catalog.passed(("fabrikam", 11), oldest.run_id, newest.run_id, MOST_BEHIND).await.unwrap();
        assert!(!passed.is_empty());
    };
    table.time("commits between two versions", passed).await;
    table.time("the overview's matrix", async |_| matrix(catalog).await).await;
    table.time("environments: a page of them", async |_| drop(catalog.environments(&page).await.unwrap())).await;
    let of_one = catalog.seen_by(Scope::Only(vec!["Platform".parse().unwrap()]));
    table.time("environments of a reader", async |_| drop(of_one.environments(&page).await.unwrap())).await;
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
    let nobody = DeploymentFilter { current: false, top: Some(50), pipeline: text("nobody"), ..of("production") };
    table.time("deployments of nobody", async |_| drop(catalog.deployments(&nobody).await.unwrap())).await;
    let before =
        DeploymentFilter { until: Some(Time::from_ticks(1)), current: false, top: Some(50), ..of("production") };
    table.time("deployments before all", async |_| drop(catalog.deployments(&before).await.unwrap())).await;
    let last = catalog.deployments(&newest(50)).await.unwrap().pop();
    let next = DeploymentFilter { after: last.as_ref().map(Placed::place), ..newest(50) };
    table.time("deployments, next page", async |_| drop(catalog.deployments(&next).await.unwrap())).await;
}

/// As the overview asks: what is where, and of each cell how far it is behind, as if each were far behind.
async fn matrix(catalog: &Catalog) {
    let (rows, columns) = MATRIX;
    let mut names = catalog.environment_names().await.unwrap();
    names.retain(|name| !name.starts_with("small-"));
    names.truncate(columns);
    let shown = EnvironmentFilter { names: Some(names), top: Some(MOST_ENVIRONMENTS), ..EnvironmentFilter::default() };
    let environments = catalog.environments(&shown).await.unwrap();
    assert!(environments.len() > 500);
    let mut runs: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for there in environments.iter().flat_map(|of| &of.current) {
        let run = there.pipeline.as_ref().map(|pipeline| pipeline.id).zip(there.run_id);
        run.into_iter().for_each(|(pipeline, run)| runs.entry(pipeline).or_default().push(run));
    }
    for (pipeline, cells) in runs.iter().take(rows) {
        for newest in cells.iter().take(columns) {
            let here = newest.saturating_sub(FAR_BEHIND);
            drop(catalog.passed(("fabrikam", *pipeline), here, *newest, MOST_BEHIND).await.unwrap());
        }
    }
}

/// What was too slow so far.
#[derive(Default)]
struct Table {
    slow: Vec<&'static str>,
}

impl Table {
    async fn time(&mut self, name: &'static str, question: impl AsyncFn(u32)) {
        let is_slow = timed(name, question).await > MOST_MS;
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
