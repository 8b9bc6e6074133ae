//! Backfill: what Azure DevOps is asked heals what its events did not tell.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pipetrail::ado::rest::AdoError;
use pipetrail::backfill::{Backfill, BackfillError, Kind, Order, Tally, Timelines};
use pipetrail::domain::gap::GapFact;
use pipetrail::domain::push::PushFact;
use pipetrail::domain::run::{ShownRun, ShownStage};
use pipetrail::domain::{Commit, Fact, GapKey, GapReason, Key, Outcome, PushKey, Record, State, Time, WorkItemKey};
use pipetrail::history::Plan;
use pipetrail::ingest::Importer;
use pipetrail::store::Store;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::fake_ado::{
    Build, FakeAdo, PROJECTS, Project, PullRequest, Push, Repository, Timeline, Trouble, WorkItem, tell,
};
use crate::faults::{Act, Fault, Faults, FaultyStore};
use crate::support::{Local, all_tests, assert_same, assert_told, bodies, folder, stored, time};

pub(crate) fn order(project: &str, timelines: Timelines) -> Order {
    Order {
        organization: "Fabrikam".to_owned(),
        canonical: "fabrikam".to_owned(),
        project: project.to_owned(),
        pipelines: Vec::new(),
        asked: time("2027-01-01T00:00:00Z"),
        since: time("2026-01-01T00:00:00Z"),
        kind: Kind::Runs,
        until: None,
        timelines,
        again: false,
    }
}

pub(crate) async fn run(ado: &FakeAdo, store: &Arc<dyn Store>, order: &Order) -> Result<Tally, BackfillError> {
    let mut backfill = Backfill::new(Arc::new(ado.client()), store.clone());
    by(&mut backfill, order, &CancellationToken::new()).await
}

pub(crate) async fn by(
    backfill: &mut Backfill,
    order: &Order,
    stop: &CancellationToken,
) -> Result<Tally, BackfillError> {
    let mut tally = Tally::default();
    backfill.run(order, &mut tally, &|_| {}, stop).await?;
    Ok(tally)
}

pub(crate) async fn run_all(ado: &FakeAdo, store: &Arc<dyn Store>, timelines: Timelines) -> Tally {
    let mut total = Tally::default();
    for project in PROJECTS {
        total += run(ado, store, &order(project, timelines)).await.unwrap();
    }
    total
}

fn shown(records: &BTreeMap<Key, Record>) -> BTreeMap<u64, ShownRun> {
    let shown = |record: &Record| {
        let Record::Run(record) = record else { panic!("another kind") };
        (record.key().run, record.shown())
    };
    records.values().map(shown).collect()
}

/// A week that ends while runs are under way.
fn week(seed: u64) -> Vec<Vec<u8>> {
    let from = time("2026-03-02T00:00:00Z");
    let until = time("2026-03-08T15:00:00Z");
    Plan::new("fabrikam", from, until, seed).events().map(|event| event.body).collect()
}

/// A stage as the REST API can tell it: timelines have no word for what an approval rejected.
fn comparable(stage: &ShownStage) -> ShownStage {
    let result = stage.result.clone().map(|result| if result == Outcome::Rejected { Outcome::Failed } else { result });
    ShownStage { result, ..stage.clone() }
}

/// What an operator asks: results, times, stages, attempts.
fn assert_looks_the_same(found: &ShownRun, whole: &ShownRun) {
    let what = |run: &ShownRun| {
        let mut stages: Vec<_> = run.stages.iter().map(comparable).collect();
        stages.sort_by(|a, b| (&a.name, a.attempt).cmp(&(&b.name, b.attempt)));
        (run.name.clone(), run.state.clone(), run.result.clone(), [run.queued, run.finished], stages)
    };
    assert_eq!(what(found), what(whole), "run {}", whole.key.run);
    // Who lost the build's event knows no start: the whole set may be the poorer one.
    if whole.started.is_some() {
        assert_eq!(found.started, whole.started, "run {}", whole.key.run);
    }
    assert_eq!((&found.branch, &found.commit), (&whole.branch, &whole.commit));
}

/// The property that the whole is for: whatever was lost, a backfill with all timelines shows every run as if nothing
/// had been.
#[tokio::test(flavor = "multi_thread")]
async fn after_any_loss_every_run_is_shown_as_the_full_set_shows_it() {
    for seed in 1..=if all_tests() { 30 } else { 3 } {
        let all = week(seed);
        let ado = FakeAdo::start().await;
        tell(&mut ado.state(), &all);
        let whole = shown(&crate::support::folded(&all));
        let retried = whole.values().filter(|run| run.stages.iter().any(|stage| stage.attempt > 1)).count();
        let open = whole.values().filter(|run| run.state != Some(State::Completed)).count();
        assert!(whole.len() > 200 && retried > 5 && open >= 2, "{} {retried} {open}", whole.len());
        let mut rng = SmallRng::seed_from_u64(seed);
        let kept = [0.5, 0.1, 0.9][usize::try_from(seed % 3).unwrap()];
        let mut half: Vec<_> = all.iter().filter(|_| rng.random_bool(kept)).cloned().collect();
        half.shuffle(&mut rng);
        let (_folder, path) = folder();
        let local = Local::open(&path).await;
        local.queue.put(half).await.unwrap();
        local.drain().await;
        let tally = run_all(&ado, &local.store, Timelines::All).await;
        assert_eq!((tally.unreadable, tally.builds), (0, whole.len().try_into().unwrap()));
        let found = shown(&stored(local.store.as_ref()).await);
        assert_eq!(found.len(), whole.len());
        for (run, whole) in &whole {
            assert_looks_the_same(&found[run], whole);
        }
    }
}

/// What everything that the service was told amounts to, by a backfill of its own.
pub(crate) async fn complete(ado: &FakeAdo, timelines: Timelines) -> BTreeMap<Key, Record> {
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    run_all(ado, &local.store, timelines).await;
    stored(local.store.as_ref()).await
}

pub(crate) async fn told_of(count: usize) -> FakeAdo {
    let ado = FakeAdo::start().await;
    tell(&mut ado.state(), &bodies(count));
    ado.state().page = 20;
    ado
}

#[tokio::test]
async fn a_second_backfill_changes_nothing_and_asks_little() {
    let ado = told_of(3_000).await;
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let first = run_all(&ado, &local.store, Timelines::Failed).await;
    assert!(first.imported.applied > 200 && first.imported.missed >= 200, "{first:?}");
    let records = stored(local.store.as_ref()).await;
    assert_told(local.store.as_ref(), &records).await;
    let requests = ado.state().requests.len();
    assert!(ado.state().count("timeline") > 10);
    let second = run_all(&ado, &local.store, Timelines::Failed).await;
    assert_eq!((second.imported.applied, second.imported.missed, second.timelines), (0, 0, 0), "{second:?}");
    assert!(ado.state().requests.len() - requests < 12, "it goes on at the watermark");
    let again = |project| Order { again: true, ..order(project, Timelines::Failed) };
    for project in PROJECTS {
        let tally = run(&ado, &local.store, &again(project)).await.unwrap();
        assert_eq!(tally.imported.applied, 0, "{tally:?}");
    }
    assert_eq!(stored(local.store.as_ref()).await, records);
}

#[tokio::test]
async fn it_goes_on_at_the_watermark_after_any_failure() {
    let ado = told_of(2_000).await;
    let whole = complete(&ado, Timelines::Failed).await;
    let (_folder, path) = folder();
    let mut rng = SmallRng::seed_from_u64(7);
    for failures in 0..200 {
        // A process of its own each time: nothing but the store remembers.
        let local = Local::open(&path).await;
        let sound = (0..rng.random_range(0..12)).map(|_| Trouble::Late(Duration::ZERO));
        ado.state().troubles = sound.chain([Trouble::Status(400, None)]).collect();
        let mut done = true;
        for project in PROJECTS {
            done &= run(&ado, &local.store, &order(project, Timelines::Failed)).await.is_ok();
        }
        if done {
            ado.state().troubles.clear();
            assert!(failures > 3, "{failures}");
            return assert_same(&stored(local.store.as_ref()).await, &whole);
        }
    }
    panic!("it does not come to an end");
}

#[tokio::test]
async fn a_stop_ends_it_after_a_page_and_the_next_one_goes_on() {
    let ado = told_of(2_000).await;
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let stop = CancellationToken::new();
    let reached = Mutex::new(Vec::new());
    let progress = |progress: pipetrail::backfill::Progress| {
        reached.lock().unwrap().push(progress.reached);
        stop.cancel();
    };
    let mut backfill = Backfill::new(Arc::new(ado.client()), local.store.clone());
    let mut first = Tally::default();
    backfill.run(&order(PROJECTS[0], Timelines::None), &mut first, &progress, &stop).await.unwrap();
    let reached = reached.into_inner().unwrap()[0];
    let before = ado.state().queries.len();
    let rest = run(&ado, &local.store, &order(PROJECTS[0], Timelines::None)).await.unwrap();
    assert!(first.builds < rest.builds);
    let hour = Duration::from_secs(3_600);
    let asked = ado.state().queries[before + 1].get("minTime").cloned().unwrap();
    assert_eq!(asked, reached.minus(hour).to_string());
    let expected: BTreeMap<_, _> = complete(&ado, Timelines::None).await;
    let spartan: BTreeMap<_, _> = expected.into_iter().filter(|(key, _)| pipeline(key) < 20).collect();
    assert_same(&stored(local.store.as_ref()).await, &spartan);
}

fn pipeline(key: &Key) -> u64 {
    let Key::Run(key) = key else { panic!("another kind") };
    key.pipeline
}

#[tokio::test]
async fn only_what_was_asked_for() {
    let ado = told_of(3_000).await;
    let all = complete(&ado, Timelines::None).await;
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let times: BTreeSet<_> = ado.state().by_finish.iter().map(|(at, _)| *at).collect();
    let some = |share: usize| *times.iter().nth(times.len() * share / 4).unwrap();
    let (since, until) = (some(1), some(2));
    let order = Order { pipelines: vec![11, 12], since, until: Some(until), ..order(PROJECTS[0], Timelines::None) };
    run(&ado, &local.store, &order).await.unwrap();
    let wanted = |run: &ShownRun| {
        [11, 12].contains(&run.key.pipeline) && run.finished.is_some_and(|at| (since..=until).contains(&at))
    };
    let expected: BTreeSet<u64> = shown(&all).values().filter(|run| wanted(run)).map(|run| run.key.run).collect();
    let found: BTreeSet<u64> = shown(&stored(local.store.as_ref()).await).into_keys().collect();
    assert!(expected.len() > 10);
    assert_eq!(found, expected);
    assert_eq!(ado.state().queries.last().unwrap().get("definitions").map(String::as_str), Some("11,12"));
}

#[tokio::test]
async fn what_retention_deleted_does_not_stop_it() {
    let ado = told_of(3_000).await;
    let failed: Vec<u64> = {
        let state = ado.state();
        let failed = state.builds.values().filter(|build| build.result.as_deref() == Some("failed"));
        failed.map(|build| build.id).collect()
    };
    assert!(failed.len() > 3);
    // Never started; and gone between list and timeline, which the list still shows.
    ado.state().timelines.remove(&failed[0]);
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let tally = run_all(&ado, &local.store, Timelines::Failed).await;
    assert_eq!((tally.without_timeline, tally.unreadable), (1, 0));
    let before = stored(local.store.as_ref()).await;
    ado.state().delete(failed[1]);
    run_all(&ado, &local.store, Timelines::Failed).await;
    assert_eq!(stored(local.store.as_ref()).await, before, "what is known of it stays");
}

#[tokio::test]
async fn a_failed_run_tells_why_at_one_request() {
    let ado = told_of(3_000).await;
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let none = run_all(&ado, &local.store, Timelines::None).await;
    assert_eq!((none.timelines, ado.state().count("timeline")), (0, 0), "none is asked for unless wanted");
    run_all(&ado, &local.store, Timelines::Failed).await;
    let runs = shown(&stored(local.store.as_ref()).await);
    let failed: Vec<_> = runs.values().filter(|run| run.result == Some(Outcome::Failed)).collect();
    assert!(failed.len() > 3);
    assert_eq!(ado.state().count("timeline"), failed.len());
    let mut told = 0;
    for run in failed {
        let failure = run.failure.as_ref().unwrap();
        let stage = failure.stage.clone().unwrap();
        assert!(run.stages.iter().any(|of| of.name == stage && of.result == Some(Outcome::Failed)));
        if let Some(message) = &failure.message {
            told += 1;
            assert_eq!(*message, format!("Test {} failed in /home/vsts/work/1/s/{stage}: exit code 1", run.key.run));
            assert_eq!(failure.signature.as_deref(), Some("Test <n> failed in <path>: exit code <n>"));
            assert_eq!(failure.task.as_deref(), Some("Run the tests"));
            assert!(failure.log.as_ref().unwrap().ends_with("/logs/12"));
        }
    }
    assert!(told > 1);
    assert!(runs.values().all(|run| run.failure.is_none() || run.result == Some(Outcome::Failed)));
}

#[tokio::test]
async fn what_a_hook_said_later_stays() {
    let ado = told_of(100).await;
    let id = *ado.state().builds.keys().next().unwrap();
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    local.queue.put(bodies(100)).await.unwrap();
    local.drain().await;
    let before = shown(&stored(local.store.as_ref()).await);
    assert_eq!(before[&id].state, Some(State::Completed));
    // An answer from before the end, as a cache of the service may give it.
    let mut stale: Build = ado.state().builds[&id].clone();
    (stale.status, stale.result, stale.finished) = ("inProgress".to_owned(), None, None);
    stale.changed = stale.queued;
    ado.state().put(stale);
    ado.state().timelines.insert(id, Timeline::default());
    run_all(&ado, &local.store, Timelines::All).await;
    let after = shown(&stored(local.store.as_ref()).await);
    assert_eq!((&after[&id].state, &after[&id].result), (&before[&id].state, &before[&id].result));
    assert_eq!(after[&id].stages, before[&id].stages);
}

#[tokio::test]
async fn a_build_that_cannot_be_read_costs_no_other() {
    let ado = told_of(600).await;
    let id = *ado.state().builds.keys().next().unwrap();
    ado.state().builds.get_mut(&id).unwrap().definition = (0, String::new());
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let tally = run_all(&ado, &local.store, Timelines::None).await;
    assert_eq!(tally.unreadable, 1);
    let expected = ado.state().builds.len() - 1;
    assert_eq!(stored(local.store.as_ref()).await.len(), expected);
}

pub(crate) fn lost_builds(
    store: &Arc<dyn Store>,
    project: &Project,
    from: Time,
    over: Time,
) -> impl Future<Output = ()> {
    let key = GapKey::new("fabrikam", &project.id, "build.complete");
    let began = GapFact { why: Some(GapReason::OnProbation), ..GapFact::new(key.clone(), from, from) };
    let ended = GapFact { over: Some(over), ..GapFact::new(key, from, over) };
    let mut importer = Importer::new(store.clone());
    async move {
        importer.import(vec![Fact::Gap(began), Fact::Gap(ended)]).await.unwrap();
    }
}

pub(crate) fn spartan(ado: &FakeAdo) -> Project {
    let state = ado.state();
    state.projects.iter().find(|project| project.name == PROJECTS[0]).unwrap().clone()
}

/// From, up to when it is covered, and whether wholly.
pub(crate) async fn gaps(store: &dyn Store) -> Vec<(Time, Option<Time>, bool)> {
    let records = stored(store).await;
    let gaps = records.values().filter_map(|record| if let Record::Gap(gaps) = record { Some(gaps) } else { None });
    gaps.flat_map(|gaps| gaps.shown().map(|gap| (gap.from, gap.covered_to, gap.covered)).collect::<Vec<_>>()).collect()
}

#[tokio::test]
async fn the_right_to_read_builds_is_enough_to_cover_a_gap() {
    let ado = told_of(600).await;
    ado.state().forbidden = ["projects", "hooks"].into();
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let (from, over) = (time("2026-02-01T00:00:00Z"), time("2026-03-01T00:00:00Z"));
    lost_builds(&local.store, &spartan(&ado), from, over).await;
    let mut backfill = Backfill::new(Arc::new(ado.client()), local.store.clone());
    let order = order(PROJECTS[0], Timelines::None);
    let none = Tally::default();
    assert_eq!(backfill.cover(&order, &none).await.unwrap(), 0, "nobody has said the project's id yet");
    by(&mut backfill, &order, &CancellationToken::new()).await.unwrap();
    let unreadable = Tally { unreadable: 1, ..none };
    assert_eq!(backfill.cover(&order, &unreadable).await.unwrap(), 0, "not all of it is there");
    assert_eq!(backfill.cover(&order, &none).await.unwrap(), 1);
    assert_eq!(gaps(local.store.as_ref()).await, [(from, Some(order.asked), true)]);
    ado.state().forbidden.insert("build");
    let error = run(&ado, &local.store, &order).await.unwrap_err();
    assert!(matches!(error, BackfillError::Ado(AdoError::Forbidden { .. })), "{error}");
}

/// So that a reader of a run's times can trust them: none is ours.
#[tokio::test]
async fn all_times_are_those_of_the_service() {
    let ado = told_of(600).await;
    let last = ado.state().builds.values().map(|build| build.changed).max().unwrap();
    let records = complete(&ado, Timelines::All).await;
    let ended: Vec<Time> = records.values().filter_map(Record::ended).collect();
    assert!(ended.len() > 20 && ended.iter().all(|at| *at <= last));
}

#[tokio::test]
async fn what_was_done_before_a_failure_counts() {
    let ado = told_of(600).await;
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let sound = (0..3).map(|_| Trouble::Late(Duration::ZERO));
    ado.trouble(sound.chain([Trouble::Status(400, None)]));
    let mut backfill = Backfill::new(Arc::new(ado.client()), local.store.clone());
    let mut tally = Tally::default();
    let stop = CancellationToken::new();
    let order = order(PROJECTS[0], Timelines::None);
    backfill.run(&order, &mut tally, &|_| {}, &stop).await.unwrap_err();
    assert!(tally.builds > 20 && tally.imported.missed == tally.builds, "{tally:?}");
}

#[tokio::test]
async fn one_refusal_is_the_error() {
    let ado = told_of(100).await;
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let error = run(&ado, &local.store, &order("Old name", Timelines::None)).await.unwrap_err();
    assert!(matches!(error, BackfillError::Ado(AdoError::NotFound { .. })), "{error}");
    ado.state().endless = true;
    let error = run(&ado, &local.store, &order(PROJECTS[0], Timelines::None)).await.unwrap_err();
    assert!(matches!(error, BackfillError::Ado(AdoError::Endless { .. })), "{error}");
}

/// One record that a newer program wrote.
pub(crate) struct Newer {
    file: rusqlite::Connection,
    id: u64,
    ours: String,
}

impl Newer {
    /// Of the first run in the file.
    pub(crate) fn make(path: &Path) -> Self {
        let file = rusqlite::Connection::open(path).unwrap();
        let find = "SELECT rowid, body FROM records WHERE partition LIKE 'run|%' ORDER BY rowid LIMIT 1";
        let (id, ours) = file.query_row(find, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let newer = Self { file, id, ours };
        newer.set(r#"{"v":99}"#);
        newer
    }

    pub(crate) fn undo(&self) {
        self.set(&self.ours);
    }

    fn set(&self, body: &str) {
        let set = "UPDATE records SET body = ?1 WHERE rowid = ?2";
        assert_eq!(self.file.execute(set, rusqlite::params![body, self.id]).unwrap(), 1);
    }
}

/// A record of a newer program is not ours to write: whoever may has to find the run again.
#[tokio::test]
async fn what_is_left_alone_moves_no_watermark_and_covers_no_gap() {
    let ado = told_of(600).await;
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let order = order(PROJECTS[0], Timelines::None);
    let over = time("2026-03-01T00:00:00Z");
    lost_builds(&local.store, &spartan(&ado), order.since, over).await;
    // Another kind of backfill, so that it has another watermark.
    run(&ado, &local.store, &Order { timelines: Timelines::Failed, ..order.clone() }).await.unwrap();
    let newer = Newer::make(&path);
    let noted = async || local.store.notes("backfill|", 10).await.unwrap().len();
    let mut backfill = Backfill::new(Arc::new(ado.client()), local.store.clone());
    for (left_alone, notes, covered) in [(1, 1, 0), (0, 2, 1)] {
        let tally = by(&mut backfill, &order, &CancellationToken::new()).await.unwrap();
        assert_eq!(tally.imported.left_alone, left_alone);
        assert_eq!(noted().await, notes);
        assert_eq!(backfill.cover(&order, &tally).await.unwrap(), covered);
        newer.undo();
    }
}

#[tokio::test]
async fn a_build_that_finishes_in_the_future_does_not_take_the_watermark_there() {
    let ado = told_of(600).await;
    let last = ado.state().by_finish.last().copied().unwrap().0;
    let id = *ado.state().builds.keys().next().unwrap();
    let far = Build { finished: Some(time("2038-01-01T00:00:00Z")), ..ado.state().builds[&id].clone() };
    let project = far.project.clone();
    ado.state().put(far);
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let hour = Duration::from_secs(3_600);
    let order = Order { asked: last.plus(hour), ..order(&project, Timelines::None) };
    run(&ado, &local.store, &order).await.unwrap();
    let (_, noted) = local.store.notes("backfill|", 10).await.unwrap().remove(0);
    let noted: serde_json::Value = serde_json::from_str(&noted).unwrap();
    assert_eq!(noted["to"], order.asked.ticks());
    run(&ado, &local.store, &order).await.unwrap();
    let from = ado.state().queries.last().unwrap()["minTime"].clone();
    assert_eq!(from, order.asked.minus(hour).to_string());
}

/// Write, log, and only then the watermark: what is behind it is never asked for again.
#[tokio::test]
async fn the_watermark_moves_only_after_readers_can_know() {
    let ado = told_of(600).await;
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let faults = Faults::none();
    faults.broken(Some(Act::Append));
    let store: Arc<dyn Store> = Arc::new(FaultyStore { inner: local.store.clone(), faults: faults.clone() });
    let tried = async {
        while faults.played_at(Act::Append, Fault::Away) < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // Past builds only: else it would not come as far as the watermark. Dropped in the middle, as a kill would do it.
    let past = Order { until: Some(time("2027-01-01T00:00:00Z")), ..order(PROJECTS[0], Timelines::None) };
    tokio::select! {
        _ = run(&ado, &store, &past) => panic!("it cannot end"),
        () = tried => {}
    }
    assert!(!stored(store.as_ref()).await.is_empty(), "written");
    assert_eq!(store.notes("backfill|", 10).await.unwrap(), [], "not noted, since it is not logged");
    faults.back();
    run_all(&ado, &store, Timelines::None).await;
    assert_told(store.as_ref(), &stored(store.as_ref()).await).await;
    assert_eq!(store.notes("backfill|", 10).await.unwrap().len(), 2);
}

fn change(number: usize) -> Value {
    json!({"id": format!("{number:040x}"), "message": format!("Fixes AB#{number}"), "type": "GitHub",
        "timestamp": "2026-03-02T00:00:00Z", "author": {"displayName": "Ada Quill"}})
}

/// Also of a repository at GitHub, which tells of no pushes.
#[tokio::test]
async fn the_commits_of_a_run_are_asked_for_page_by_page_and_once() {
    let ado = told_of(100).await;
    let spartan = |build: &&Build| build.status == "completed" && build.definition.0 < 20;
    let builds: Vec<Build> = ado.state().builds.values().filter(spartan).cloned().collect();
    let first = builds[0].id;
    ado.state().page = 1_000;
    ado.state().code.changes.insert(first, (1..=450).map(change).collect());
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let order = order(PROJECTS[0], Timelines::None);
    let tally = run(&ado, &local.store, &Order { kind: Kind::Code, ..order.clone() }).await.unwrap();
    assert_eq!(usize::try_from(tally.changes).unwrap(), builds.len());
    assert_eq!(ado.state().count("/changes"), builds.len() + 2, "of the first one three pages");
    let told = |records: &BTreeMap<Key, Record>| {
        let of = records
            .values()
            .filter_map(|record| if let Record::Changes(of) = record { Some(of.shown()) } else { None });
        of.map(|shown| (shown.key.run, shown.commits.len(), shown.repository_type)).collect::<Vec<_>>()
    };
    let records = stored(local.store.as_ref()).await;
    assert!(told(&records).contains(&(first, 450, Some("GitHub".to_owned()))), "{:?}", told(&records));
    assert_told(local.store.as_ref(), &records).await;
    run(&ado, &local.store, &Order { kind: Kind::Code, again: true, ..order }).await.unwrap();
    assert_eq!(ado.state().count("/changes"), builds.len() + 2, "nobody asks again");
    assert_same(&stored(local.store.as_ref()).await, &records);
}

/// A branch that was built for the first time has all its history, and any change may be of a kind nobody knows.
#[tokio::test]
async fn the_commits_of_a_run_are_bounded_and_a_bad_one_costs_no_other() {
    let ado = told_of(100).await;
    let spartan = |build: &&Build| build.status == "completed" && build.definition.0 < 20;
    let builds: Vec<Build> = ado.state().builds.values().filter(spartan).cloned().collect();
    let (long, bad) = (builds[0].id, builds[1].id);
    ado.state().page = 1_000;
    ado.state().code.changes.insert(long, (1..=5_000).map(change).collect());
    ado.state().code.changes.insert(bad, vec![change(1), json!("a commit"), change(2)]);
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let code = Order { kind: Kind::Code, ..order(PROJECTS[0], Timelines::None) };
    let tally = run(&ado, &local.store, &code).await.unwrap();
    assert_eq!(ado.state().count("/changes"), builds.len() + 2, "three pages, and not 25");
    assert_eq!(tally.unreadable, 1);
    let records = stored(local.store.as_ref()).await;
    let of =
        records.values().filter_map(|record| if let Record::Changes(of) = record { Some(of.shown()) } else { None });
    let told: BTreeMap<u64, usize> = of.map(|shown| (shown.key.run, shown.commits.len())).collect();
    assert_eq!((told[&long], told[&bad]), (500, 2));
}

/// Each kind goes on where it was, whatever the others did.
#[tokio::test]
async fn each_kind_has_a_watermark_of_its_own() {
    let ado = told_of(200).await;
    let project = ado.state().projects.iter().find(|project| project.name == PROJECTS[0]).unwrap().id.clone();
    let revision = |rev: u64, at: &str, state: &str| {
        let fields = json!({"System.TeamProject": "Spartan", "System.State": state, "System.ChangedDate": at});
        (time(at), json!({"id": 5, "rev": rev, "fields": fields}))
    };
    let item = |revisions| WorkItem { project: project.clone(), revisions, relations: Vec::new() };
    let first = revision(1, "2026-03-02T01:00:00Z", "New");
    ado.state().code.work_items.insert(5, item(vec![first.clone()]));
    ado.state().code.repositories.push(Repository {
        project: project.clone(),
        id: "9a0d".to_owned(),
        name: "off".to_owned(),
        is_disabled: true,
    });
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let order = order(PROJECTS[0], Timelines::None);
    for kind in [Kind::Boards, Kind::Code, Kind::Runs] {
        run(&ado, &local.store, &Order { kind, ..order.clone() }).await.unwrap();
    }
    // Boards alone, runs alone, pull requests, changes; of the repository that is switched off none.
    assert_eq!(local.store.notes("backfill|", 10).await.unwrap().len(), 4);
    let later = revision(2, "2026-03-03T01:00:00Z", "Active");
    ado.state().code.work_items.insert(5, item(vec![first, later]));
    let before = ado.state().queries.len();
    let tally = run(&ado, &local.store, &Order { kind: Kind::Boards, ..order.clone() }).await.unwrap();
    let since = ado.state().queries[before].get("startDateTime").cloned().unwrap();
    assert_eq!((tally.work_items, since.as_str()), (1, "2026-03-02T00:00:00Z"), "an hour before the watermark");
    let key = Key::WorkItem(WorkItemKey { organization: "fabrikam".to_owned(), id: 5 });
    let records = stored(local.store.as_ref()).await;
    let Record::WorkItem(record) = &records[&key] else { panic!("another kind") };
    let states: Vec<_> = record.shown().states.into_iter().map(|state| state.state).collect();
    assert_eq!(states, ["New", "Active"]);
}

#[tokio::test]
async fn lists_of_code_and_boards_that_do_not_end_are_errors() {
    let ado = told_of(60).await;
    let project = ado.state().projects.iter().find(|project| project.name == PROJECTS[0]).unwrap().id.clone();
    let value = json!({"pullRequestId": 1, "status": "active", "repository": {"id": "9a0d"}});
    ado.state().code.pull_requests.push(PullRequest { project, closed: None, value });
    ado.state().endless = true;
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    for kind in [Kind::Code, Kind::Boards] {
        let error = run(&ado, &local.store, &Order { kind, ..order(PROJECTS[0], Timelines::None) }).await.unwrap_err();
        assert!(matches!(error, BackfillError::Ado(AdoError::Endless { .. })), "{error}");
    }
}

/// An event leaves out the older commits of a push, and does not say so.
#[tokio::test]
async fn a_push_that_an_event_told_of_in_part_is_asked_for_once() {
    let ado = told_of(60).await;
    let project = ado.state().projects.iter().find(|project| project.name == PROJECTS[0]).unwrap().id.clone();
    let (id, name) = ("9a0d".to_owned(), "app".to_owned());
    let known = Repository { project: project.clone(), id: id.clone(), name, is_disabled: false };
    ado.state().code.repositories.push(known);
    let commits: Vec<_> = (1..=60).map(|number| json!({"commitId": format!("{number:040x}")})).collect();
    let at = "2026-03-02T01:00:00Z";
    let value = json!({"pushId": 314, "date": at, "commits": commits,
        "repository": {"id": id, "project": {"id": project}}});
    ado.state().code.pushes.push(Push { repository: id.clone(), at: time(at), value });
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let key = PushKey::new("fabrikam", &id, 314);
    let latest = (50..=60).map(|number| (format!("{number:040x}"), Commit::default())).collect();
    let event = PushFact { commits: latest, ..PushFact::new(key.clone(), time(at)) };
    Importer::new(local.store.clone()).import(vec![Fact::Push(event)]).await.unwrap();
    let code = Order { kind: Kind::Code, again: true, ..order(PROJECTS[0], Timelines::None) };
    for _ in 0..2 {
        run(&ado, &local.store, &code).await.unwrap();
        let records = stored(local.store.as_ref()).await;
        let Record::Push(push) = &records[&Key::Push(key.clone())] else { panic!("another kind") };
        assert_eq!(push.shown().commits.len(), 60);
        assert_eq!(ado.state().count("/pushes/314"), 1, "nobody asks again");
    }
}

/// Pushes of a repository, pull requests that were closed, and what both cost to ask for, an hour apart.
fn tell_of_code(ado: &FakeAdo, hours: std::ops::Range<u32>) {
    let project = spartan(ado).id;
    let (repository, mut state) = ("9a0d", ado.state());
    let of = json!({"id": repository, "project": {"id": project}});
    for hour in hours {
        let at = format!("2026-03-02T{hour:02}:30:00Z");
        let commits = [json!({"commitId": format!("{hour:040x}")})];
        let value = json!({"pushId": hour, "date": at, "commits": commits, "repository": of});
        state.code.pushes.push(Push { repository: repository.to_owned(), at: time(&at), value });
        let value = json!({"pullRequestId": hour, "status": "completed", "closedDate": at, "repository": of});
        state.code.pull_requests.push(PullRequest { project: project.clone(), closed: Some(time(&at)), value });
    }
}

async fn told_of_code() -> FakeAdo {
    let ado = told_of(60).await;
    let (id, name) = ("9a0d".to_owned(), "app".to_owned());
    let known = Repository { project: spartan(&ado).id, id, name, is_disabled: false };
    ado.state().code.repositories.push(known);
    ado.state().page = 3;
    tell_of_code(&ado, 1..8);
    ado
}

/// What the latest requests that end so were asked with.
fn asked(ado: &FakeAdo, end: &str, name: &str) -> Vec<String> {
    let state = ado.state();
    let both = state.requests.iter().zip(&state.queries);
    both.filter(|(request, _)| request.ends_with(end)).filter_map(|(_, query)| query.get(name).cloned()).collect()
}

/// Each list is asked from an hour before the last that it told of, and from nowhere else.
#[tokio::test]
async fn code_goes_on_at_its_watermarks() {
    let ado = told_of_code().await;
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let code = Order { kind: Kind::Code, ..order(PROJECTS[0], Timelines::None) };
    let first = run(&ado, &local.store, &code).await.unwrap();
    assert_eq!((first.pushes >= 7, first.pull_requests), (true, 7));
    let last = {
        let state = ado.state();
        let of = |build: &&Build| build.project == state.projects.iter().find(|it| it.name == PROJECTS[0]).unwrap().id;
        state.builds.values().filter(of).filter_map(|build| build.finished).max().unwrap()
    };
    ado.state().requests.clear();
    ado.state().queries.clear();
    tell_of_code(&ado, 8..9);
    let second = run(&ado, &local.store, &code).await.unwrap();
    let only =
        |all: Vec<String>| all.into_iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>();
    assert_eq!(only(asked(&ado, "/pushes", "searchCriteria.fromDate")), ["2026-03-02T06:30:00Z"]);
    assert_eq!(only(asked(&ado, "/pullrequests", "searchCriteria.minTime")), ["2026-03-02T06:30:00Z"]);
    let hour = Duration::from_secs(3_600);
    assert_eq!(only(asked(&ado, "/build/builds", "minTime")), [last.minus(hour).to_string()]);
    // The one that was there at the watermark, the one an hour before it, and the new one.
    assert_eq!((second.pull_requests, second.changes), (3, 0));
    let records = stored(local.store.as_ref()).await;
    let count = |is: fn(&Record) -> bool| records.values().filter(|record| is(record)).count();
    assert_eq!(count(|record| matches!(record, Record::Push(_))), 8);
    assert_eq!(count(|record| matches!(record, Record::PullRequest(_))), 8);
}

/// Whichever request fails: the pass after it brings all that was still to come.
#[tokio::test]
async fn code_that_broke_off_anywhere_is_brought_in_by_the_next_pass() {
    let ado = told_of_code().await;
    let code = Order { kind: Kind::Code, ..order(PROJECTS[0], Timelines::None) };
    let (_whole_folder, path) = folder();
    let whole = Local::open(&path).await;
    run(&ado, &whole.store, &code).await.unwrap();
    let expected = stored(whole.store.as_ref()).await;
    for sound in 0.. {
        let (_folder, path) = folder();
        let local = Local::open(&path).await;
        let before = (0..sound).map(|_| Trouble::Late(Duration::ZERO));
        ado.state().troubles = before.chain([Trouble::Status(400, None)]).collect();
        let broke = run(&ado, &local.store, &code).await.is_err();
        ado.state().troubles.clear();
        if !broke {
            assert!(sound > 12, "{sound}");
            return;
        }
        run(&ado, &local.store, &code).await.unwrap();
        assert_same(&stored(local.store.as_ref()).await, &expected);
        assert_told(local.store.as_ref(), &expected).await;
    }
}
