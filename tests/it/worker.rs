//! The worker on the local file, with and without faults: what becomes of messages, and that nothing is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pipetrail::clock::SystemClock;
use pipetrail::domain::{Fact, Key, Record};
use pipetrail::ingest::{Decode, Mode, Settings, Tally, WorkError, Worker, refold};
use pipetrail::queue::{DeadLetter, Outcome, Settlement};
use pipetrail::store::Cursor;
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use crate::faults::{Act, Fault, Faults, FaultyQueue, FaultyStore};
use crate::support::{
    Local, all_tests, assert_same, assert_told, bodies, dead_letters, decode, disordered, drain, folded, folder, quick,
    stored, time, told, until,
};

const LIMIT: Duration = Duration::from_secs(60);

/// Code and body of a dead letter.
type DeadBody = (String, Vec<u8>);

/// A local file with faults before it.
struct Rig {
    _folder: tempfile::TempDir,
    path: PathBuf,
    local: Local,
    store: Arc<Faults>,
    queue: Arc<Faults>,
    /// Messages a batch.
    most: usize,
    settings: Settings,
    decode: Decode,
}

impl Rig {
    async fn new() -> Self {
        Self::with(Faults::none(), Faults::none()).await
    }

    async fn with(store: Arc<Faults>, queue: Arc<Faults>) -> Self {
        let (folder, path) = folder();
        let local = Local::open(&path).await;
        Self { _folder: folder, path, local, store, queue, most: usize::MAX, settings: quick(), decode: decode() }
    }

    async fn put(&self, bodies: &[Vec<u8>]) {
        self.local.queue.put(bodies.to_vec()).await.unwrap();
    }

    fn worker(&self) -> Worker {
        let queue = FaultyQueue::new(self.local.queue.clone(), self.queue.clone(), self.most);
        let store = FaultyStore { inner: self.local.store.clone(), faults: self.store.clone() };
        Worker::new(Arc::new(queue), Arc::new(store), Arc::new(SystemClock), self.decode.clone(), self.settings)
    }

    async fn drain(&self) -> Tally {
        drain(&self.worker()).await
    }

    /// A worker at its work, stopped when `meanwhile` is over.
    async fn work_while(&self, meanwhile: impl Future<Output = ()>) -> Result<Tally, WorkError> {
        let (worker, stop) = (self.worker(), CancellationToken::new());
        let meanwhile = async {
            meanwhile.await;
            stop.cancel();
        };
        let work = async { tokio::join!(worker.run(Mode::Forever, stop.clone()), meanwhile).0 };
        let Ok(result) = tokio::time::timeout(LIMIT * 2, work).await else { panic!("the worker did not stop") };
        result
    }

    fn raw(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    fn number(&self, ask: &str) -> i64 {
        self.raw().query_row(ask, [], |row| row.get(0)).unwrap()
    }

    /// Attempts that count against messages.
    fn trials(&self) -> i64 {
        self.number("SELECT coalesce(sum(count), 0) FROM trials")
    }

    /// Has every message delivered so often and given back, with so many attempts that left no outcome.
    async fn age(&self, receives: u32, trials: u32) {
        let queue = &self.local.queue;
        for round in 0..receives {
            let mut settlements = Vec::new();
            loop {
                let taken = queue.receive(Duration::from_secs(60)).await.unwrap();
                if taken.is_empty() {
                    break;
                }
                let back = |delivery| Settlement { delivery, outcome: Outcome::Back { after: Duration::ZERO } };
                settlements.extend(taken.into_iter().map(back));
            }
            let attempts = if round == 0 { trials } else { 0 };
            for (settlement, _) in settlements.iter().flat_map(|one| (0..attempts).map(move |attempt| (one, attempt))) {
                queue.begin_trial(&settlement.delivery).await.unwrap();
            }
            queue.settle(settlements).await.unwrap();
        }
    }

    async fn dead(&self) -> Vec<DeadLetter> {
        dead_letters(self.local.queue.as_ref()).await
    }

    /// Codes and bodies of the dead letters, in some order that is always the same.
    async fn dead_bodies(&self) -> Vec<DeadBody> {
        let mut dead: Vec<_> = self.dead().await.into_iter().map(|letter| (letter.reason.code, letter.body)).collect();
        dead.sort();
        dead
    }

    async fn is_empty(&self) -> bool {
        self.local.queue.depth().await.unwrap().is_empty()
    }

    async fn told(&self) -> BTreeSet<Key> {
        told(self.local.store.as_ref()).await
    }

    /// Nothing is left to do, and these are the records, each known to readers.
    async fn assert_holds(&self, expected: &BTreeMap<Key, Record>) {
        assert!(self.is_empty().await, "{:?}", self.local.queue.depth().await);
        assert_eq!(self.number("SELECT count(*) FROM trials"), 0);
        assert_same(&stored(self.local.store.as_ref()).await, expected);
        assert_told(self.local.store.as_ref(), expected).await;
    }

    async fn assert_complete(&self, sent: &[Vec<u8>]) {
        self.assert_holds(&folded(sent)).await;
        assert_eq!(self.dead().await, []);
    }
}

fn facts(body: &[u8]) -> Vec<Fact> {
    match decode()(body) {
        Ok(pipetrail::ado::Decoded::Facts(facts)) => facts,
        other => panic!("{other:?}"),
    }
}

fn is_about(body: &[u8], key: &Key) -> bool {
    facts(body).iter().any(|fact| fact.key() == *key)
}

/// The key that most of these are about.
fn busiest(bodies: &[Vec<u8>]) -> Key {
    let mut counts: BTreeMap<Key, u32> = BTreeMap::new();
    bodies.iter().flat_map(|body| facts(body)).for_each(|fact| *counts.entry(fact.key()).or_default() += 1);
    counts.into_iter().max_by_key(|(_, count)| *count).unwrap().0
}

/// What is left when everything about `key` is refused: the dead letters and the records.
fn without(sent: &[Vec<u8>], key: &Key) -> (Vec<DeadBody>, BTreeMap<Key, Record>) {
    let about = sent.iter().filter(|body| is_about(body, key));
    let mut dead: Vec<_> = about.map(|body| ("store_refused".to_owned(), body.clone())).collect();
    dead.sort();
    let mut records = folded(sent);
    records.remove(key);
    (dead, records)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap()
}

mod without_faults {
    use super::*;

    #[tokio::test]
    async fn only_few_large_records_are_in_memory_at_once() {
        let rig = Rig::new().await;
        let sent = bodies(3_000);
        // Of each run some events, so that all the records are there when the rest comes.
        let (first, rest): (Vec<_>, Vec<_>) = sent.iter().cloned().enumerate().partition(|(number, _)| number % 2 == 0);
        for some in [first, rest] {
            rig.put(&some.into_iter().map(|(_, body)| body).collect::<Vec<_>>()).await;
            rig.drain().await;
            rig.store.weigh(1 << 20);
        }
        rig.assert_complete(&sent).await;
        assert!(folded(&sent).len() > 100);
        rig.store.weigh(1 << 20);
        rig.put(&sent).await;
        rig.drain().await;
        // At first it is not known how large they are.
        assert!((1..=8).contains(&rig.store.most_loaded()), "{}", rig.store.most_loaded());
    }

    #[tokio::test]
    async fn records_are_the_fold_of_the_events_in_any_order() {
        let rig = Rig::new().await;
        let sent = disordered(&bodies(1_500), 1);
        rig.put(&sent).await;
        let tally = rig.drain().await;
        rig.assert_complete(&sent).await;
        assert_eq!((tally.received, tally.retried, tally.poisoned, tally.given_back), (count(sent.len()), 0, 0, 0));
        assert_eq!(tally.applied + tally.unchanged, tally.received);
        rig.put(&sent).await;
        let again = rig.drain().await;
        assert_eq!((again.received, again.applied, again.unchanged), (tally.received, 0, tally.received));
        rig.assert_complete(&sent).await;
    }

    #[tokio::test]
    async fn a_bad_body_is_one_message() {
        let rig = Rig::new().await;
        let sent = bodies(200);
        let bad: [&[u8]; 6] = [b"", b"{", b"!!!!", b"[]", br#"{"resource":{}}"#, br#"{"eventType":"build.complete"}"#];
        let ignored = br#"{"eventType":"tfvc.checkin","resource":{}}"#.to_vec();
        let mut mixed = sent.clone();
        bad.iter().enumerate().for_each(|(at, body)| mixed.insert(at * 30, body.to_vec()));
        mixed.push(ignored);
        rig.put(&mixed).await;
        let tally = rig.drain().await;
        assert_eq!((tally.poisoned, tally.ignored), (6, 1));
        assert_eq!(tally.applied + tally.unchanged, count(sent.len()));
        let mut expected: Vec<_> =
            bad.iter().map(|body| (decode()(body).unwrap_err().code.to_owned(), body.to_vec())).collect();
        expected.sort();
        assert!(expected.iter().map(|(code, _)| code).collect::<BTreeSet<_>>().len() >= 4);
        assert_eq!(rig.dead_bodies().await, expected);
        assert!(rig.dead().await.iter().all(|letter| letter.tries == 1 && !letter.reason.sentence.is_empty()));
        rig.assert_holds(&folded(&sent)).await;
    }

    #[tokio::test]
    async fn a_decoder_that_panics_costs_one_message() {
        let mut rig = Rig::new().await;
        let sent = bodies(200);
        let mut mixed = sent.clone();
        mixed.insert(77, b"panic".to_vec());
        rig.put(&mixed).await;
        let sound = decode();
        rig.decode = Arc::new(move |body| {
            assert_ne!(body, b"panic", "a fault of the decoder");
            sound(body)
        });
        rig.drain().await;
        assert_eq!(rig.dead_bodies().await, [("panic".to_owned(), b"panic".to_vec())]);
        rig.assert_holds(&folded(&sent)).await;
    }

    #[tokio::test]
    async fn workers_of_two_processes_share_one_file() {
        let mut rig = Rig::new().await;
        rig.most = 40;
        let sent = disordered(&bodies(1_500), 2);
        rig.put(&sent).await;
        let other = Local::open(&rig.path).await;
        let queue = FaultyQueue::new(other.queue.clone(), Faults::none(), 40);
        let worker = crate::support::worker(Arc::new(queue), other.store.clone());
        let (one, two) = tokio::join!(rig.drain(), drain(&worker));
        assert!(one.received > 0 && two.received > 0);
        rig.assert_complete(&sent).await;
    }

    #[tokio::test]
    async fn two_workers_share_one_queue() {
        let mut rig = Rig::new().await;
        rig.most = 40;
        let sent = disordered(&bodies(1_500), 3);
        rig.put(&sent).await;
        let (one, two) = tokio::join!(rig.drain(), rig.drain());
        assert!(one.received > 0 && two.received > 0);
        rig.assert_complete(&sent).await;
    }

    #[tokio::test]
    async fn what_was_purged_stays_gone() {
        let rig = Rig::new().await;
        let sent = bodies(400);
        rig.put(&sent).await;
        let store = rig.local.store.clone();
        let purged: Mutex<Vec<Key>> = Mutex::default();
        // The same worker all the time: what it remembers of a record is wrong after the purge.
        let tally = rig.work_while(async {
            until("a first drain", async || rig.is_empty().await).await;
            let floor = time("2030-01-01T00:00:00Z");
            let ended = store.ended(floor, 5).await.unwrap();
            store.raise_floor(floor).await.unwrap();
            store.remove(&ended, floor).await.unwrap();
            *purged.lock().unwrap() = ended;
            rig.put(&sent).await;
            until("a second drain", async || rig.is_empty().await).await;
        });
        let tally = tally.await.unwrap();
        let purged = purged.into_inner().unwrap();
        assert_eq!(purged.len(), 5);
        let late = sent.iter().filter(|body| purged.iter().any(|key| is_about(body, key))).count();
        assert!(late > 5);
        assert_eq!((tally.below_floor, tally.poisoned), (count(late), 0));
        let mut expected = folded(&sent);
        expected.retain(|key, _| !purged.contains(key));
        rig.assert_holds(&expected).await;
        assert!(rig.told().await.is_superset(&purged.into_iter().collect()), "readers know that they are gone");
    }

    #[tokio::test]
    async fn a_record_of_a_newer_program_is_left_alone_with_its_messages() {
        let rig = Rig::new().await;
        let sent = bodies(400);
        let key = busiest(&sent);
        rig.put(&sent[..200]).await;
        rig.drain().await;
        let place = [key.partition(), key.row()];
        let find = "SELECT body FROM records WHERE partition = ?1 AND row = ?2";
        let body = || rig.raw().query_row(find, [&place[0], &place[1]], |row| row.get::<_, String>(0)).unwrap();
        let set = |body: &str| {
            let set = "UPDATE records SET body = ?3 WHERE partition = ?1 AND row = ?2";
            assert_eq!(rig.raw().execute(set, [&place[0], &place[1], body]).unwrap(), 1);
        };
        let ours = body();
        let newer = r#"{"v":99,"sung":"as a song"}"#;
        set(newer);
        rig.put(&sent).await;
        let about = sent.iter().filter(|body| is_about(body, &key)).count();
        let left = || u64::try_from(rig.number("SELECT count(*) FROM messages")).unwrap();
        // They are not visible for a minute, so they count as given back once.
        let tally = rig.work_while(until("the others", async || left() == count(about))).await.unwrap();
        assert_eq!((tally.given_back, tally.poisoned), (count(about), 0));
        assert_eq!(body(), newer);
        assert_eq!(rig.local.queue.depth().await.unwrap().visible, 0);
        set(&ours);
        rig.raw().execute("UPDATE leases SET visible = 0", []).unwrap();
        rig.drain().await;
        rig.assert_complete(&sent).await;
    }

    #[tokio::test]
    async fn records_are_folded_anew_from_their_facts() {
        let rig = Rig::new().await;
        let sent = disordered(&bodies(400), 4);
        rig.put(&sent).await;
        rig.drain().await;
        let store = rig.local.store.as_ref();
        let expected = folded(&sent);
        let sound = refold(store, true).await.unwrap();
        assert_eq!((sound.records, sound.differ, sound.mended), (count(expected.len()), vec![], 0));
        let key = busiest(&sent);
        let part = Record::of(&store.facts(&key).await.unwrap()[0]);
        assert_ne!(Some(&part), expected.get(&key));
        let tamper = "UPDATE records SET body = ?3 WHERE partition = ?1 AND row = ?2";
        assert_eq!(rig.raw().execute(tamper, [key.partition(), key.row(), part.encode()]).unwrap(), 1);
        let found = refold(store, false).await.unwrap();
        assert_eq!((found.differ.as_slice(), found.mended), ([key.clone()].as_slice(), 0));
        rig.raw().execute("DELETE FROM log WHERE seq < (SELECT max(seq) FROM log)", []).unwrap();
        let before = store.changes(&Cursor::default(), 1).await.unwrap().cursor;
        assert_eq!(refold(store, true).await.unwrap().mended, 1);
        assert_eq!(store.changes(&before, 10).await.unwrap().keys, [key]);
        assert_eq!(refold(store, true).await.unwrap().differ, []);
        assert_same(&stored(store).await, &expected);
    }

    #[tokio::test]
    async fn facts_that_change_nothing_are_kept() {
        let rig = Rig::new().await;
        let event = |created: &str| {
            let text = include_str!("../../example-json/run_in_progress.json");
            let mut event: serde_json::Value = serde_json::from_str(text).unwrap();
            event["createdDate"] = created.into();
            event.to_string().into_bytes()
        };
        let (late, early) = (event("2019-10-02T20:11:00Z"), event("2019-10-02T20:10:50Z"));
        rig.put(std::slice::from_ref(&late)).await;
        assert_eq!(rig.drain().await.applied, 1);
        rig.put(std::slice::from_ref(&early)).await;
        assert_eq!(rig.drain().await.unchanged, 1);
        let key = facts(&late)[0].key();
        let kept = rig.local.store.facts(&key).await.unwrap();
        assert_eq!(kept, [facts(&early), facts(&late)].concat());
    }
}

mod under_faults {
    use super::*;

    const STORE: [(Fault, f64); 4] =
        [(Fault::Delay, 0.1), (Fault::Unavailable, 0.01), (Fault::AnswerLost, 0.01), (Fault::Conflict, 0.1)];
    const QUEUE: [(Fault, f64); 3] = [(Fault::Delay, 0.05), (Fault::Unavailable, 0.01), (Fault::AnswerLost, 0.01)];
    const OUTAGES: [Fault; 2] = [Fault::Unavailable, Fault::AnswerLost];
    const OF_STORE: [Act; 4] = [Act::Load, Act::Commit, Act::Append, Act::Probe];
    const OF_QUEUE: [Act; 6] = [Act::Receive, Act::Settle, Act::BeginTrial, Act::Trials, Act::EndTrial, Act::Depth];

    fn each(acts: &[Act], faults: &Arc<Faults>, mut each: impl FnMut(&Faults, Act, Fault)) {
        acts.iter().for_each(|act| OUTAGES.iter().for_each(|fault| each(faults, *act, *fault)));
    }

    /// One drain with every outage at every act, more of them at random, and one run that the store will not have.
    async fn drain_under_faults(seed: u64) {
        let mut rig = Rig::with(Faults::at_random(seed, &STORE), Faults::at_random(seed + 100, &QUEUE)).await;
        rig.most = 40;
        each(&OF_STORE, &rig.store, Faults::next);
        each(&OF_QUEUE, &rig.queue, Faults::next);
        let sent = disordered(&bodies(500), seed);
        let key = busiest(&sent);
        let refused = key.clone();
        let how = if seed.is_multiple_of(2) { Fault::Refused } else { Fault::RefusedUnnamed };
        rig.store.refuse(how, move |write| write.key() == refused);
        rig.store.most_writes(12);
        // Some have been through outages before.
        let (old, fresh) = sent.split_at(30);
        rig.put(old).await;
        rig.age(10, 0).await;
        rig.put(fresh).await;
        rig.drain().await;
        let (dead, records) = without(&sent, &key);
        assert_eq!(rig.dead_bodies().await, dead, "seed {seed}");
        rig.assert_holds(&records).await;
        let really = |faults: &Faults, act, fault| assert!(faults.played_at(act, fault) > 0, "{fault:?} at {act:?}");
        each(&OF_STORE, &rig.store, really);
        each(&OF_QUEUE, &rig.queue, really);
        for fault in [Fault::Delay, Fault::Conflict, Fault::RefusedUnnamed, how] {
            assert!(rig.store.played(fault) > 0, "{fault:?} of the store, seed {seed}");
        }
        assert!(rig.queue.played(Fault::Delay) > 0);
    }

    #[tokio::test]
    async fn the_records_are_the_same_and_nothing_sound_is_poisoned() {
        tokio::join!(drain_under_faults(1), drain_under_faults(2), drain_under_faults(3));
    }

    #[tokio::test]
    async fn a_store_that_is_away_in_the_middle_costs_no_message_anything() {
        let mut rig = Rig::new().await;
        rig.most = 50;
        let sent = disordered(&bodies(1_200), 5);
        rig.put(&sent).await;
        let began = || rig.number("SELECT count(*) FROM records") > 0;
        let tally = rig.work_while(async {
            until("the first records", async || began()).await;
            rig.store.away();
            if all_tests() {
                tokio::time::sleep(Duration::from_secs(30)).await;
            }
            until("three tries", async || rig.store.played(Fault::Away) >= 3).await;
            assert!(!rig.is_empty().await, "it is the middle");
            assert_eq!((rig.trials(), rig.dead().await), (0, vec![]));
            rig.store.back();
            until("the rest", async || rig.is_empty().await).await;
        });
        assert_eq!(tally.await.unwrap().poisoned, 0);
        rig.assert_complete(&sent).await;
    }

    /// More lonely attempts than a message has, each with an outage; `begin` plays it.
    async fn lonely_attempts(begin: impl Fn(&Rig)) {
        let mut rig = Rig::new().await;
        // What cannot be settled comes again soon.
        rig.settings = Settings { lease: Duration::from_millis(300), deadline: Duration::from_millis(200), ..quick() };
        let sent = bodies(1);
        for _ in 0..7 {
            if rig.is_empty().await {
                rig.put(&sent).await;
                rig.age(3, 0).await;
            }
            begin(&rig);
            let asked = rig.queue.asked(Act::BeginTrial);
            let played = || rig.store.played_in_all() + rig.queue.played_in_all();
            let before = played();
            let attempted = async || rig.queue.asked(Act::BeginTrial) > asked && played() > before;
            rig.work_while(until("an attempt", attempted)).await.unwrap();
            assert_eq!((rig.trials(), rig.dead().await), (0, vec![]));
        }
        rig.store.back();
        rig.queue.back();
        rig.drain().await;
        rig.assert_complete(&sent).await;
    }

    #[tokio::test]
    async fn an_outage_at_the_commit_is_no_attempt() {
        lonely_attempts(|rig| rig.store.broken(Some(Act::Commit))).await;
    }

    #[tokio::test]
    async fn an_outage_at_the_change_log_is_no_attempt() {
        lonely_attempts(|rig| rig.store.broken(Some(Act::Append))).await;
    }

    #[tokio::test]
    async fn an_outage_at_the_settling_is_no_attempt() {
        lonely_attempts(|rig| rig.queue.broken(Some(Act::Settle))).await;
    }

    #[tokio::test]
    async fn a_lost_answer_at_the_count_is_no_attempt() {
        lonely_attempts(|rig| rig.queue.next(Act::BeginTrial, Fault::AnswerLost)).await;
    }

    #[tokio::test]
    async fn a_count_that_cannot_be_taken_back_at_once_is_taken_back_later() {
        lonely_attempts(|rig| {
            rig.store.broken(Some(Act::Commit));
            rig.queue.next(Act::EndTrial, Fault::Unavailable);
        })
        .await;
    }

    #[tokio::test]
    async fn no_message_is_deleted_before_readers_can_know() {
        let rig = Rig::new().await;
        let sent = bodies(100);
        rig.put(&sent).await;
        rig.store.broken(Some(Act::Append));
        let tried = async || rig.store.played_at(Act::Append, Fault::Away) >= 2;
        let tally = rig.work_while(until("appends", tried)).await.unwrap();
        // As after a crash between commit and append: the records are there, and nobody was told.
        assert_eq!(tally.given_back, count(sent.len()));
        assert_same(&stored(rig.local.store.as_ref()).await, &folded(&sent));
        assert_eq!(rig.told().await, BTreeSet::new());
        assert_eq!(rig.local.queue.depth().await.unwrap().visible, count(sent.len()));
        rig.store.back();
        let tally = rig.drain().await;
        assert_eq!((tally.applied, tally.unchanged), (0, count(sent.len())));
        rig.assert_complete(&sent).await;
    }
}

mod a_store_that_refuses {
    use super::*;

    async fn refuses(how: Fault) {
        let rig = Rig::new().await;
        let sent = disordered(&bodies(600), 6);
        let key = busiest(&sent);
        let refused = key.clone();
        rig.store.refuse(how, move |write| write.key() == refused);
        rig.put(&sent).await;
        rig.drain().await;
        let (dead, records) = without(&sent, &key);
        assert!(dead.len() > 5);
        assert_eq!(rig.dead_bodies().await, dead);
        rig.assert_holds(&records).await;
        assert!(rig.store.played(how) > 0);
    }

    #[tokio::test]
    async fn and_says_which() {
        refuses(Fault::Refused).await;
    }

    #[tokio::test]
    async fn and_does_not_say_which() {
        refuses(Fault::RefusedUnnamed).await;
    }

    #[tokio::test]
    async fn what_is_too_much_at_once() {
        let rig = Rig::new().await;
        let sent = disordered(&bodies(600), 7);
        rig.store.most_writes(7);
        rig.put(&sent).await;
        rig.drain().await;
        assert!(rig.store.played(Fault::RefusedUnnamed) > 0);
        rig.assert_complete(&sent).await;
    }

    #[tokio::test]
    async fn one_message_of_many_about_a_record() {
        let rig = Rig::new().await;
        let sent = bodies(300);
        let key = busiest(&sent);
        let guilty = sent.iter().rfind(|body| is_about(body, &key)).unwrap().clone();
        let refused = facts(&guilty)[0].encode();
        rig.store.refuse(Fault::Refused, move |write| write.facts().contains(&refused));
        rig.put(&sent).await;
        rig.drain().await;
        assert_eq!(rig.dead_bodies().await, [("store_refused".to_owned(), guilty.clone())]);
        let sound: Vec<_> = sent.into_iter().filter(|body| *body != guilty).collect();
        rig.assert_holds(&folded(&sound)).await;
    }

    #[tokio::test]
    async fn everything_is_away() {
        let rig = Rig::new().await;
        let sent = bodies(300);
        let refused = busiest(&sent);
        rig.store.refuse(Fault::RefusedUnnamed, move |write| write.key() == refused);
        rig.store.broken(Some(Act::Probe));
        rig.put(&sent).await;
        rig.work_while(until("control writes", async || rig.store.played_at(Act::Probe, Fault::Away) >= 3))
            .await
            .unwrap();
        assert_eq!((rig.trials(), rig.dead().await), (0, vec![]));
        rig.store.back();
        rig.store.accept();
        rig.drain().await;
        rig.assert_complete(&sent).await;
    }
}

mod a_stop {
    use super::*;

    #[tokio::test]
    async fn lets_what_is_in_hand_be_settled() {
        let rig = Rig::new().await;
        let sent = disordered(&bodies(3_000), 8);
        rig.put(&sent).await;
        let depth = Mutex::default();
        let tally = rig.work_while(async {
            until("the first records", async || rig.number("SELECT count(*) FROM records") > 0).await;
            *depth.lock().unwrap() = rig.local.queue.depth().await.unwrap();
        });
        let tally = tally.await.unwrap();
        assert!(depth.into_inner().unwrap().leased > 0, "something was in hand");
        assert_eq!((tally.given_back, tally.poisoned), (0, 0));
        let left = rig.local.queue.depth().await.unwrap();
        assert_eq!((left.leased, left.visible), (0, count(sent.len()) - tally.received));
        rig.drain().await;
        rig.assert_complete(&sent).await;
    }

    #[tokio::test]
    async fn waits_no_longer_than_it_may_and_loses_nothing() {
        let mut rig = Rig::new().await;
        rig.settings.drain = Duration::from_millis(50);
        let sent = bodies(300);
        rig.put(&sent).await;
        rig.store.next(Act::Commit, Fault::Silence);
        let silent = async || rig.store.played(Fault::Silence) > 0;
        let error = rig.work_while(until("the commit", silent)).await.unwrap_err();
        assert!(matches!(error, WorkError::Drain(_)), "{error}");
        assert_eq!(rig.local.queue.depth().await.unwrap().leased, count(sent.len()));
        // The next process gives back what this one held.
        let Rig { local, path, _folder: folder, .. } = rig;
        drop(local);
        let local = Local::open(&path).await;
        assert_eq!(local.drain().await.retried, count(sent.len()));
        assert_same(&stored(local.store.as_ref()).await, &folded(&sent));
        assert_eq!(dead_letters(local.queue.as_ref()).await, []);
        drop(folder);
    }
}

mod what_may_kill {
    use super::*;

    #[tokio::test]
    async fn is_tried_alone_from_the_fourth_receive_on() {
        for (received, trials) in [(2, 0), (3, 20)] {
            let rig = Rig::new().await;
            let sent = bodies(20);
            rig.put(&sent).await;
            rig.age(received, 0).await;
            rig.drain().await;
            assert_eq!(rig.queue.asked(Act::BeginTrial), trials, "{received} receives before");
            rig.assert_complete(&sent).await;
        }
    }

    // Truly side by side: on one thread the others would always be ahead.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn is_tried_after_the_fresh_ones_and_counted_before() {
        let mut rig = Rig::new().await;
        let sent = bodies(40);
        rig.put(&sent[..20]).await;
        rig.age(3, 0).await;
        rig.put(&sent[20..]).await;
        let seen = Arc::new(Mutex::new(Vec::<(Vec<u8>, i64)>::new()));
        let (sound, raw, see) = (decode(), Mutex::new(rig.raw()), seen.clone());
        rig.decode = Arc::new(move |body| {
            let ask = "SELECT coalesce(sum(count), 0) FROM trials";
            let trials = raw.lock().unwrap().query_row(ask, [], |row| row.get(0)).unwrap();
            see.lock().unwrap().push((body.to_vec(), trials));
            sound(body)
        });
        rig.drain().await;
        rig.assert_complete(&sent).await;
        let fresh = sent[20..].iter().map(|body| (body.clone(), 0));
        let lonely = sent[..20].iter().map(|body| (body.clone(), 1));
        assert!(*seen.lock().unwrap() == fresh.chain(lonely).collect::<Vec<_>>(), "order or counts");
    }

    #[tokio::test]
    async fn is_given_up_after_five_attempts_without_an_outcome() {
        for (attempts, decoded) in [(4, true), (5, false)] {
            let mut rig = Rig::new().await;
            let sent = bodies(1);
            rig.put(&sent).await;
            rig.age(8, attempts).await;
            let (sound, called) = (decode(), Arc::new(AtomicBool::new(false)));
            let call = called.clone();
            rig.decode = Arc::new(move |body| {
                call.store(true, Ordering::SeqCst);
                sound(body)
            });
            rig.drain().await;
            assert_eq!(called.load(Ordering::SeqCst), decoded);
            let dead = rig.dead().await;
            let dead: Vec<_> = dead.iter().map(|letter| (letter.reason.code.as_str(), letter.tries)).collect();
            assert_eq!(dead, if decoded { vec![] } else { vec![("kills_worker", 5)] });
            assert_eq!(rig.number("SELECT count(*) FROM trials"), 0);
        }
    }
}
