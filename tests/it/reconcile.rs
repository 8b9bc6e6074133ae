//! What is asked of Azure DevOps while a worker works: on a schedule, and runs that messages only name.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pipetrail::ado::Decoder;
use pipetrail::ado::rest::{Client, Limits};
use pipetrail::backfill::{Backfill, Fetcher, Looked, Reconcile, Scheduled, Timelines};
use pipetrail::clock::{Clock as _, ManualClock, SystemClock};
use pipetrail::domain::Time;
use pipetrail::ingest::{Decode, WantedRun, Worker};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::backfill::{Newer, by, complete, gaps, lost_builds, order, spartan, told_of};
use crate::fake_ado::{FakeAdo, PROJECTS, Trouble, quick};
use crate::support::{self, Local, assert_same, assert_told, drain, folder, stored, until};

/// An hour after the last build.
fn later(ado: &FakeAdo) -> Arc<ManualClock> {
    let last = ado.state().builds.values().map(|build| build.changed).max().unwrap();
    Arc::new(ManualClock::at(last.plus(Duration::from_secs(3_600))))
}

fn reconcile(client: Arc<Client>, local: &Local, clock: Arc<ManualClock>) -> Reconcile {
    let scheduled = Scheduled {
        organization: "Fabrikam".to_owned(),
        canonical: "fabrikam".to_owned(),
        projects: PROJECTS.map(str::to_owned).to_vec(),
    };
    let backfill = Backfill::new(client, local.store.clone());
    Reconcile { backfill, scheduled, clock, every: Duration::from_millis(50) }
}

/// With a client of its own, as every process has one.
fn of(ado: &FakeAdo, local: &Local) -> Reconcile {
    reconcile(Arc::new(ado.client()), local, later(ado))
}

#[tokio::test]
async fn two_who_reconcile_at_once_do_no_harm() {
    let ado = told_of(1_000).await;
    let whole = complete(&ado, Timelines::Failed).await;
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let stop = CancellationToken::new();
    let before = ado.state().count("build/builds");
    let once = before / 2 * 2;
    let done = async {
        until("the runs are not there", async || stored(local.store.as_ref()).await == whole).await;
        // And some rounds more.
        until("they do not go on", async || ado.state().count("build/builds") > before + 3 * once).await;
        stop.cancel();
    };
    tokio::join!(of(&ado, &local).run(stop.clone()), of(&ado, &local).run(stop.clone()), done);
    let records = stored(local.store.as_ref()).await;
    assert_same(&records, &whole);
    assert_told(local.store.as_ref(), &records).await;
}

#[tokio::test]
async fn a_gap_is_covered_by_the_next_rounds_also_without_the_right_to_read_projects() {
    for forbidden in [None, Some("projects")] {
        let ado = told_of(600).await;
        ado.state().forbidden.extend(forbidden);
        let (_folder, path) = folder();
        let local = Local::open(&path).await;
        let clock = later(&ado);
        let ago = |days: u64| clock.now().minus(Duration::from_secs(days * 24 * 3_600));
        lost_builds(&local.store, &spartan(&ado), ago(5), ago(4)).await;
        let stop = CancellationToken::new();
        let covered = async {
            until("it is not covered", async || gaps(local.store.as_ref()).await[0].2).await;
            stop.cancel();
        };
        tokio::join!(of(&ado, &local).run(stop.clone()), covered);
        assert_eq!(gaps(local.store.as_ref()).await, [(ago(5), Some(clock.now()), true)]);
        let asked: Vec<_> = ado.state().queries.iter().filter_map(|query| query.get("minTime").cloned()).collect();
        assert!(asked.contains(&ago(5).to_string()), "{asked:?}");
    }
}

/// A service in trouble may keep who asks for ten minutes; who is asked to end has less.
#[tokio::test]
async fn a_stop_waits_for_no_answer() {
    for trouble in [Trouble::Status(503, None), Trouble::Status(503, Some(300)), Trouble::Slow(300)] {
        let ado = told_of(600).await;
        let patient = Limits { patience: Duration::from_secs(600), ..quick() };
        let client = || Arc::new(Client::new(&ado.access(), patient).unwrap());
        let (_folder, path) = folder();
        let local = Local::open(&path).await;
        let mut backfill = Backfill::new(client(), local.store.clone());
        let order = order(PROJECTS[0], Timelines::Failed);
        stopped(&ado, &trouble, async |stop| by(&mut backfill, &order, &stop).await.map(drop).unwrap()).await;
        let rounds = reconcile(client(), &local, later(&ado));
        stopped(&ado, &trouble, async |stop| rounds.run(stop).await).await;
        for run in 1..4 {
            note(&local, "fabrikam", run).await;
        }
        let fetcher = Fetcher::new(Backfill::new(client(), local.store.clone()));
        stopped(&ado, &trouble, async |stop| fetcher.run(stop).await).await;
    }
}

/// Stops it after it came to the trouble.
async fn stopped(ado: &FakeAdo, trouble: &Trouble, work: impl AsyncFnOnce(CancellationToken)) {
    ado.state().trouble = Some(trouble.clone());
    let (stop, before) = (CancellationToken::new(), ado.state().queries.len());
    let stopping = async {
        until("it does not ask", async || ado.state().queries.len() > before).await;
        stop.cancel();
        Instant::now()
    };
    let ((), stopped) = tokio::join!(work(stop.clone()), stopping);
    assert!(stopped.elapsed() < Duration::from_secs(2), "{trouble:?}: {:?}", stopped.elapsed());
}

/// As the worker notes it.
async fn note(local: &Local, organization: &str, run: u64) {
    let wanted = WantedRun { organization: organization.to_owned(), project: None, run, said: Time::UNKNOWN };
    local.store.put_note(&wanted.name(), &wanted.text()).await.unwrap();
}

/// Through the worker: a message that only names the run.
async fn send(local: &Local, run: u64, said: &str) {
    let container = json!({"id": "x", "baseUrl": "https://dev.azure.com/fabrikam/"});
    let event = json!({"eventType": "build.complete", "resource": {"id": run}, "resourceVersion": "2.0",
        "createdDate": said, "resourceContainers": {"collection": container}});
    local.queue.put(vec![event.to_string().into_bytes()]).await.unwrap();
    let decoder = Decoder::default().asking();
    let decode: Decode = Arc::new(move |body| decoder.decode(body));
    let (queue, store) = (local.queue.clone(), local.store.clone());
    drain(&Worker::new(queue, store, Arc::new(SystemClock), decode, support::quick())).await;
}

async fn noted(local: &Local) -> usize {
    local.store.notes(WantedRun::NOTES, 100).await.unwrap().len()
}

fn fetcher(ado: &FakeAdo, local: &Local) -> Fetcher {
    Fetcher::new(Backfill::new(Arc::new(ado.client()), local.store.clone()))
}

fn looked(settled: u64, waiting: u64) -> Looked {
    Looked { settled, waiting }
}

/// Three builds that did not fail, so that each costs one request.
fn sound(ado: &FakeAdo) -> [u64; 3] {
    let state = ado.state();
    let mut sound = state.builds.values().filter(|build| build.result.as_deref() == Some("succeeded"));
    std::array::from_fn(|_| sound.next().unwrap().id)
}

#[tokio::test]
async fn a_message_that_comes_while_its_run_is_asked_for_is_not_lost() {
    let ado = told_of(600).await;
    let [run, ..] = sound(&ado);
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    send(&local, run, "2026-03-02T09:00:00Z").await;
    send(&local, run, "2026-03-02T09:00:00Z").await;
    assert_eq!(noted(&local).await, 1, "the same message again");
    let mut fetcher = fetcher(&ado, &local);
    ado.trouble([Trouble::Late(Duration::from_secs(1))]);
    let meanwhile = async {
        until("it is not asked for", async || !ado.state().requests.is_empty()).await;
        send(&local, run, "2026-03-02T09:00:01Z").await;
    };
    let (first, ()) = tokio::join!(fetcher.look(), meanwhile);
    assert_eq!((first.unwrap(), noted(&local).await), (looked(1, 0), 1));
    send(&local, run, "2026-03-02T09:00:02Z").await;
    assert_eq!(fetcher.look().await.unwrap(), looked(2, 0));
    assert_eq!(ado.state().count("build/builds"), 2, "several messages are one question");
    assert_eq!(noted(&local).await, 0);
}

#[tokio::test]
async fn a_run_that_cannot_be_asked_for_stays_noted_and_keeps_no_other_waiting() {
    let failing = Limits { patience: Duration::ZERO, answer_bytes: 1 << 20, ..quick() };
    for trouble in
        [Trouble::Status(403, None), Trouble::Status(400, None), Trouble::Status(503, None), Trouble::NotJson]
    {
        let ado = told_of(600).await;
        let runs = sound(&ado);
        let (_folder, path) = folder();
        let local = Local::open(&path).await;
        for run in runs {
            note(&local, "fabrikam", run).await;
        }
        ado.trouble([trouble.clone()]);
        let client = Arc::new(Client::new(&ado.access(), failing).unwrap());
        let mut fetcher = Fetcher::new(Backfill::new(client, local.store.clone()));
        assert_eq!(fetcher.look().await.unwrap(), looked(2, 1), "{trouble:?}");
        assert_eq!(fetcher.look().await.unwrap(), looked(0, 1), "{trouble:?}");
        assert_eq!(ado.state().requests.len(), 3, "not asked for again before its time");
        assert_eq!(self::fetcher(&ado, &local).look().await.unwrap(), looked(1, 0), "{trouble:?}");
    }
}

#[tokio::test]
async fn an_organization_that_refuses_the_token_keeps_no_other_waiting() {
    let ado = told_of(600).await;
    let [first, second, other] = sound(&ado);
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    for (organization, run) in [("elsewhere", first), ("elsewhere", second), ("fabrikam", other)] {
        note(&local, organization, run).await;
    }
    // What is not ours to read.
    local.store.put_note("wanted|0", "{}").await.unwrap();
    ado.trouble([Trouble::SignInPage]);
    let mut fetcher = fetcher(&ado, &local);
    assert_eq!(fetcher.look().await.unwrap(), looked(1, 3));
    assert_eq!(ado.state().requests.len(), 2, "one question is enough to know");
    // It is gone, as far as anybody may know.
    assert_eq!(self::fetcher(&ado, &local).look().await.unwrap(), looked(2, 1));
    assert_eq!(noted(&local).await, 1);
}

#[tokio::test]
async fn a_run_whose_record_was_left_alone_stays_noted() {
    let ado = told_of(600).await;
    let [run, ..] = sound(&ado);
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    note(&local, "fabrikam", run).await;
    fetcher(&ado, &local).look().await.unwrap();
    let newer = Newer::make(&path);
    note(&local, "fabrikam", run).await;
    assert_eq!(fetcher(&ado, &local).look().await.unwrap(), looked(0, 1));
    newer.undo();
    assert_eq!(fetcher(&ado, &local).look().await.unwrap(), looked(1, 0));
}
