//! The contract of [`Store`]. Each check gets an empty store.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pipetrail::domain::changes::ChangesFact;
use pipetrail::domain::gap::GapFact;
use pipetrail::domain::pull_request::{PullRequestFact, StatusSaid};
use pipetrail::domain::push::PushFact;
use pipetrail::domain::run::{RunFact, Statement};
use pipetrail::domain::work_item::WorkItemFact;
use pipetrail::domain::{
    EncodedFact, Fact, FactKind, GapKey, GapReason, Join, Key, Outcome, PullRequestKey, PullRequestStatus, PushKey,
    Record, RunKey, State, Time, WorkItemKey,
};
use pipetrail::store::{Committed, Cursor, Rewrite, Store, Version, Write};

use super::Pass;

macro_rules! store_contract {
    ($make:path) => {
        $crate::contract::store::store_contract!($make:
            keeps_a_record_with_its_facts,
            refuses_to_overwrite_what_it_was_not_shown,
            takes_a_record_made_anew_for_another,
            answers_each_write_for_itself,
            keeps_each_fact_once,
            keeps_facts_that_change_nothing,
            tells_readers_everything_once_they_follow,
            tells_a_reader_that_was_away_too_long_to_start_over,
            tells_all_readers_to_start_over_once,
            misses_no_change_under_many_writers,
            lists_every_key_once,
            keeps_records_of_every_kind,
            forgets_what_is_removed_and_says_so,
            does_not_resurrect_what_is_below_the_floor,
            puts_other_facts_in_the_place_of_some,
            keeps_notes_by_name,
        );
    };
    ($make:path: $($check:ident,)+) => {$(
        #[tokio::test]
        async fn $check() {
            let (_guard, store, pass) = $make().await;
            $crate::contract::store::$check(store, pass.as_ref()).await;
        }
    )+};
}
pub(crate) use store_contract;

type Shared = Arc<dyn Store>;

/// `completed` at `second`, or `inProgress` where it is odd.
fn fact(run: u64, second: u64) -> Fact {
    let key = RunKey { organization: "fabrikam".to_owned(), pipeline: 1 + run % 3, run };
    let said = Time::UNKNOWN.plus(Duration::from_secs(1_700_000_000 + second));
    let (state, result) =
        if second.is_multiple_of(2) { (State::Completed, Some(Outcome::Failed)) } else { (State::InProgress, None) };
    let finished = state.is_terminal().then_some(said);
    let mut fact = RunFact::new(key, FactKind::RunStateChanged, said);
    fact.run = Some((state, Statement { result, finished, ..Statement::at(said) }));
    Fact::Run(fact)
}

fn encoded(facts: &[Fact]) -> Vec<EncodedFact> {
    facts.iter().map(Fact::encode).collect()
}

fn insert(fact: &Fact) -> Write {
    let record = Record::of(fact);
    Write::Record { text: record.encode(), record, expected: None, facts: encoded(std::slice::from_ref(fact)) }
}

fn update(mut record: Record, version: &Version, fact: &Fact) -> Write {
    record.absorb(Record::of(fact));
    let (text, expected) = (record.encode(), Some(version.clone()));
    Write::Record { record, text, expected, facts: encoded(std::slice::from_ref(fact)) }
}

async fn commit(store: &Shared, write: Write) -> Committed {
    let answers = store.commit(Arc::new(vec![write])).await.unwrap();
    assert_eq!(answers.len(), 1);
    answers.into_iter().next().unwrap()
}

async fn written(store: &Shared, write: Write) -> Version {
    let answer = commit(store, write).await;
    let Committed::Written(Some(version)) = answer else { panic!("{answer:?}") };
    version
}

async fn load(store: &Shared, key: &Key) -> Option<(Record, Version)> {
    let stored = store.load(std::slice::from_ref(key)).await.unwrap().remove(0)?;
    Some((stored.record.unwrap(), stored.version))
}

pub(crate) async fn keeps_a_record_with_its_facts(store: Shared, _: &dyn Pass) {
    let (first, second) = (fact(479, 1), fact(479, 2));
    let key = first.key();
    assert!(load(&store, &key).await.is_none());
    let version = written(&store, insert(&first)).await;
    assert_eq!(load(&store, &key).await.unwrap(), (Record::of(&first), version.clone()));
    let newer = written(&store, update(Record::of(&first), &version, &second)).await;
    assert_ne!(newer, version);
    let (record, stored) = load(&store, &key).await.unwrap();
    assert_eq!(stored, newer);
    let mut expected = Record::of(&first);
    expected.absorb(Record::of(&second));
    assert_eq!(record, expected);
    assert_eq!(store.facts(&key).await.unwrap(), [first, second]);
}

/// More facts than one transaction takes.
pub(crate) async fn puts_other_facts_in_the_place_of_some(store: Shared, _: &dyn Pass) {
    let first = fact(479, 1);
    let key = first.key();
    let mut version = written(&store, insert(&first)).await;
    let mut record = Record::of(&first);
    for second in 2..130 {
        let next = fact(479, second);
        version = written(&store, update(record.clone(), &version, &next)).await;
        record.absorb(Record::of(&next));
    }
    let stored = store.stored_facts(&key).await.unwrap();
    assert_eq!(stored.len(), 129);
    assert_eq!(stored[0], first.encode());
    let other = |number: u64| fact(479, 1_000 + number);
    let facts: Vec<EncodedFact> = (0..120).map(|number| other(number).encode()).collect();
    let record = Record::of(&other(7));
    let rewrite = |expected: &Version| Rewrite {
        text: record.encode(),
        record: record.clone(),
        expected: expected.clone(),
        gone: stored[..120].to_vec(),
        facts: facts.clone(),
    };
    let answer = store.rewrite(rewrite(&version)).await.unwrap();
    let Committed::Written(Some(newer)) = answer else { panic!("{answer:?}") };
    assert_eq!(load(&store, &key).await.unwrap(), (record.clone(), newer));
    let wanted: Vec<EncodedFact> = stored[120..].iter().chain(&facts).cloned().collect();
    assert_eq!(store.stored_facts(&key).await.unwrap(), wanted);
    assert_eq!(store.rewrite(rewrite(&version)).await.unwrap(), Committed::Conflict, "it is another one meanwhile");
}

pub(crate) async fn refuses_to_overwrite_what_it_was_not_shown(store: Shared, _: &dyn Pass) {
    let first = fact(479, 1);
    let version = written(&store, insert(&first)).await;
    assert_eq!(commit(&store, insert(&fact(479, 2))).await, Committed::Conflict, "it is there already");
    written(&store, update(Record::of(&first), &version, &fact(479, 3))).await;
    let stale = update(Record::of(&first), &version, &fact(479, 4));
    assert_eq!(commit(&store, stale).await, Committed::Conflict, "somebody else was there");
    let gone = update(Record::of(&fact(480, 1)), &version, &fact(480, 2));
    assert_eq!(commit(&store, gone).await, Committed::Conflict, "it is gone");
    assert_eq!(store.facts(&first.key()).await.unwrap().len(), 2, "a conflict leaves no facts behind");
}

pub(crate) async fn takes_a_record_made_anew_for_another(store: Shared, _: &dyn Pass) {
    let (old, new) = (fact(479, 2), fact(479, 3));
    let version = written(&store, insert(&old)).await;
    store.remove(&[old.key()], old.said().plus(Duration::from_secs(1))).await.unwrap();
    let stale = || update(Record::of(&old), &version, &fact(479, 4));
    assert_eq!(commit(&store, stale()).await, Committed::Conflict, "it was purged meanwhile");
    written(&store, insert(&new)).await;
    assert_eq!(commit(&store, stale()).await, Committed::Conflict, "another one is in its place");
    assert_eq!(load(&store, &new.key()).await.unwrap().0, Record::of(&new));
}

pub(crate) async fn answers_each_write_for_itself(store: Shared, _: &dyn Pass) {
    written(&store, insert(&fact(1, 1))).await;
    let writes = [4, 1, 7].map(|run| insert(&fact(run, 2)));
    // 1, 4 and 7 share a partition: a backend may refuse them together, but must not claim what it did not do.
    let answers = store.commit(Arc::new(writes.into())).await.unwrap();
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[1], Committed::Conflict);
    for (run, answer) in [4, 1, 7].into_iter().zip(answers) {
        let there =
            load(&store, &fact(run, 2).key()).await.is_some_and(|(record, _)| record == Record::of(&fact(run, 2)));
        assert_eq!(there, matches!(answer, Committed::Written(_)), "run {run}");
    }
}

pub(crate) async fn keeps_each_fact_once(store: Shared, _: &dyn Pass) {
    let first = fact(479, 1);
    let version = written(&store, insert(&first)).await;
    written(&store, update(Record::of(&first), &version, &first)).await;
    assert_eq!(store.facts(&first.key()).await.unwrap(), [first]);
}

pub(crate) async fn keeps_facts_that_change_nothing(store: Shared, _: &dyn Pass) {
    let (early, late) = (fact(479, 1), fact(479, 3));
    let version = written(&store, insert(&late)).await;
    let facts = encoded(std::slice::from_ref(&early));
    assert_eq!(commit(&store, Write::Facts { key: early.key(), facts: facts.clone() }).await, Committed::Written(None));
    assert_eq!(store.facts(&early.key()).await.unwrap(), [early, late.clone()]);
    assert_eq!(load(&store, &late.key()).await.unwrap().1, version, "the record was not touched");
    let nowhere = Write::Facts { key: fact(480, 1).key(), facts };
    assert_eq!(commit(&store, nowhere).await, Committed::Conflict);
}

/// Everything after `cursor`, page by page.
async fn follow(store: &Shared, mut cursor: Cursor) -> (Vec<Key>, Cursor) {
    let mut keys = Vec::new();
    loop {
        let changes = store.changes(&cursor, 3).await.unwrap();
        assert!(!changes.reset);
        keys.extend(changes.keys);
        cursor = changes.cursor;
        if !changes.more {
            return (keys, cursor);
        }
    }
}

pub(crate) async fn tells_readers_everything_once_they_follow(store: Shared, _: &dyn Pass) {
    let key = |run| fact(run, 1).key();
    store.append(&[key(1)]).await.unwrap();
    let start = store.changes(&Cursor::default(), 10).await.unwrap();
    assert!(start.reset, "who has no cursor begins with all keys");
    assert_eq!(follow(&store, start.cursor.clone()).await.0, []);
    store.append(&[key(2), key(3)]).await.unwrap();
    let (keys, middle) = follow(&store, start.cursor.clone()).await;
    assert_eq!(keys.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([key(2), key(3)]));
    for run in 4..=9 {
        store.append(&[key(run)]).await.unwrap();
    }
    let (keys, end) = follow(&store, middle).await;
    assert_eq!(keys.into_iter().collect::<BTreeSet<_>>(), (4..=9).map(key).collect());
    assert_eq!(follow(&store, end).await.0, []);
    assert_eq!(follow(&store, start.cursor).await.0.len(), 8, "an old cursor still works");
}

pub(crate) async fn tells_a_reader_that_was_away_too_long_to_start_over(store: Shared, pass: &dyn Pass) {
    let key = |run| fact(run, 1).key();
    let start = store.changes(&Cursor::default(), 10).await.unwrap().cursor;
    store.append(&[key(1)]).await.unwrap();
    let day = Duration::from_secs(24 * 3600);
    pass.pass(7 * day).await;
    store.append(&[key(2)]).await.unwrap();
    assert_eq!(follow(&store, start.clone()).await.0, [key(1), key(2)], "a week is not too long");
    let late = follow(&store, start.clone()).await.1;
    pass.pass(2 * day).await;
    store.append(&[key(3)]).await.unwrap();
    assert_eq!(follow(&store, late).await.0, [key(3)]);
    let changes = store.changes(&start, 10).await.unwrap();
    assert!(changes.reset, "nine days are");
    store.append(&[key(4)]).await.unwrap();
    assert_eq!(follow(&store, changes.cursor).await.0, [key(4)]);
}

pub(crate) async fn misses_no_change_under_many_writers(store: Shared, _: &dyn Pass) {
    const WRITERS: u64 = 8;
    const EACH: u64 = 25;
    let key = |run| fact(run, 1).key();
    let mut cursor = store.changes(&Cursor::default(), 10).await.unwrap().cursor;
    let write = |writer: u64| {
        let store = store.clone();
        async move {
            for number in 0..EACH {
                store.append(&[key(writer * EACH + number)]).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    };
    let read = async {
        let mut seen = BTreeSet::new();
        while seen.len() < usize::try_from(WRITERS * EACH).unwrap() {
            let (keys, next) = follow(&store, cursor.clone()).await;
            seen.extend(keys);
            cursor = next;
            tokio::task::yield_now().await;
        }
    };
    let writers = async {
        tokio::join!(write(0), write(1), write(2), write(3), write(4), write(5), write(6), write(7));
    };
    let all = async { tokio::join!(writers, read) };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("a change was missed");
}

pub(crate) async fn tells_all_readers_to_start_over_once(store: Shared, _: &dyn Pass) {
    let start = store.changes(&Cursor::default(), 10).await.unwrap().cursor;
    for (run, starts_over) in [(1, false), (2, true), (3, false)] {
        store.append(&[fact(run, 1).key()]).await.unwrap();
        if starts_over {
            store.start_over().await.unwrap();
        }
    }
    let told = store.changes(&start, 10).await.unwrap();
    assert!(told.reset && told.keys.is_empty());
    let then = store.changes(&told.cursor, 10).await.unwrap();
    assert!(!then.reset && then.keys.is_empty(), "once is enough");
    store.append(&[fact(4, 1).key()]).await.unwrap();
    assert_eq!(follow(&store, told.cursor).await.0, [fact(4, 1).key()]);
}

pub(crate) async fn lists_every_key_once(store: Shared, _: &dyn Pass) {
    for run in 1..=10 {
        written(&store, insert(&fact(run, 1))).await;
    }
    let mut keys = store.keys(None, 3).await.unwrap();
    loop {
        let page = store.keys(keys.last(), 3).await.unwrap();
        if page.is_empty() {
            break;
        }
        keys.extend(page);
    }
    assert_eq!(keys.len(), 10);
    assert_eq!(keys.into_iter().collect::<BTreeSet<_>>(), (1..=10).map(|run| fact(run, 1).key()).collect());
}

/// Over at `second`.
fn gap(events: &str, second: u64) -> Fact {
    let said = Time::UNKNOWN.plus(Duration::from_secs(1_700_000_000 + second));
    let fact = GapFact::new(GapKey::new("fabrikam", "p-1", events), said.minus(Duration::from_secs(60)), said);
    Fact::Gap(GapFact { why: Some(GapReason::OnProbation), over: Some(said), ..fact })
}

/// Of what stands around runs, over at `second`.
fn around(second: u64) -> [Fact; 3] {
    let said = Time::UNKNOWN.plus(Duration::from_secs(1_700_000_000 + second));
    let key = RunKey { organization: "fabrikam".to_owned(), pipeline: 7, run: 1 };
    let changes = ChangesFact { key, said, since: None, labels: Vec::new(), commits: Vec::new() };
    let pull_request = PullRequestFact::new(PullRequestKey::new("fabrikam", "9a0d", 88), said);
    let status = StatusSaid { said, created: None, closed: Some(said) };
    let status = Some((PullRequestStatus::Completed, status));
    [
        Fact::Changes(changes),
        Fact::PullRequest(PullRequestFact { status, ..pull_request }),
        Fact::Push(PushFact::new(PushKey::new("fabrikam", "9a0d", 314), said)),
    ]
}

pub(crate) async fn keeps_records_of_every_kind(store: Shared, _: &dyn Pass) {
    let facts = [fact(1, 2), gap("build.complete", 2), gap("build.complete.x", 2), fact(2, 2), fact(3, 2)];
    let facts: Vec<Fact> = facts.into_iter().chain(around(2)).collect();
    for fact in &facts {
        written(&store, insert(fact)).await;
        assert_eq!(load(&store, &fact.key()).await.unwrap().0, Record::of(fact));
        assert_eq!(&store.facts(&fact.key()).await.unwrap(), std::slice::from_ref(fact));
    }
    let keys: BTreeSet<_> = facts.iter().map(Fact::key).collect();
    let (mut listed, mut last) = (Vec::new(), None);
    while listed.len() < facts.len() {
        let page = store.keys(last.as_ref(), 2).await.unwrap();
        assert!(!page.is_empty(), "{listed:?}");
        last = page.last().cloned();
        listed.extend(page);
    }
    assert_eq!(store.keys(last.as_ref(), 2).await.unwrap(), []);
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), keys);
    let start = store.changes(&Cursor::default(), 10).await.unwrap().cursor;
    store.append(&[facts[1].key(), facts[0].key()]).await.unwrap();
    assert_eq!(follow(&store, start).await.0.len(), 2);
    let before = facts[0].said().plus(Duration::from_secs(1));
    let ended = store.ended(before, 10).await.unwrap();
    assert_eq!(ended.iter().cloned().collect::<BTreeSet<_>>(), keys);
    store.remove(&ended, before).await.unwrap();
    assert_eq!(store.keys(None, 10).await.unwrap(), []);
    // A work item is never over.
    let item = WorkItemFact::new(WorkItemKey { organization: "fabrikam".to_owned(), id: 5 }, facts[0].said(), 1);
    written(&store, insert(&Fact::WorkItem(item.clone()))).await;
    assert_eq!(store.ended(before, 10).await.unwrap(), []);
    assert_eq!(store.keys(None, 10).await.unwrap(), [Key::WorkItem(item.key)]);
}

pub(crate) async fn forgets_what_is_removed_and_says_so(store: Shared, _: &dyn Pass) {
    let (old, recent, open) = (fact(1, 2), fact(2, 200), fact(3, 3));
    for fact in [&old, &recent, &open] {
        written(&store, insert(fact)).await;
    }
    let start = store.changes(&Cursor::default(), 10).await.unwrap().cursor;
    let before = old.said().plus(Duration::from_secs(50));
    let ended = store.ended(before, 10).await.unwrap();
    assert_eq!(ended, [old.key()], "only what ended, and before");
    // The open one was listed before it was taken up again: it stays.
    store.remove(&[old.key(), open.key(), recent.key()], before).await.unwrap();
    assert!(load(&store, &old.key()).await.is_none());
    assert_eq!(store.facts(&old.key()).await.unwrap(), []);
    assert!(load(&store, &recent.key()).await.is_some() && load(&store, &open.key()).await.is_some());
    assert!(follow(&store, start).await.0.contains(&old.key()));
}

pub(crate) async fn does_not_resurrect_what_is_below_the_floor(store: Shared, pass: &dyn Pass) {
    let alive = fact(1, 1);
    let version = written(&store, insert(&alive)).await;
    let floor = alive.said().plus(Duration::from_secs(100));
    let wait = store.raise_floor(floor).await.unwrap();
    store.raise_floor(alive.said()).await.unwrap();
    pass.pass(wait).await;
    assert_eq!(commit(&store, insert(&fact(2, 99))).await, Committed::BelowFloor, "the floor never sinks");
    assert!(load(&store, &fact(2, 99).key()).await.is_none());
    written(&store, insert(&fact(2, 101))).await;
    written(&store, update(Record::of(&alive), &version, &fact(1, 98))).await;
}

pub(crate) async fn keeps_notes_by_name(store: Shared, _: &dyn Pass) {
    assert_eq!(store.note("wanted|1").await.unwrap(), None);
    let long = "a long text ".repeat(4_000);
    for (name, text) in [("wanted|2", "b"), ("wanted|1", "a"), ("wanted", "no"), ("wanted|b\u{fc}ro/\u{1}'?", &long)] {
        store.put_note(name, "before").await.unwrap();
        store.put_note(name, text).await.unwrap();
    }
    store.put_note("wantee", "no").await.unwrap();
    assert_eq!(store.note("wanted|1").await.unwrap().as_deref(), Some("a"));
    let found = store.note("wanted|b\u{fc}ro/\u{1}'?").await.unwrap();
    assert!(found == Some(long), "{:?} of 40,000", found.map(|text| text.chars().count()));
    let names = |notes: Vec<(String, String)>| notes.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let all = names(store.notes("wanted|", 10).await.unwrap());
    assert_eq!(all, ["wanted|1", "wanted|2", "wanted|b\u{fc}ro/\u{1}'?"]);
    assert_eq!(names(store.notes("wanted|", 2).await.unwrap()), ["wanted|1", "wanted|2"]);
    assert_eq!(store.keys(None, 10).await.unwrap(), [], "a note is no record");
    for _ in 0..2 {
        store.drop_note("wanted|1").await.unwrap();
    }
    assert_eq!(names(store.notes("wanted|", 10).await.unwrap()), all[1..]);
}
