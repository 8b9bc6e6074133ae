//! Forgetting on a store that fails, and of records that cannot be read: nothing is lost, and nobody is shown for ever.

use std::path::Path;
use std::sync::Arc;

use pipetrail::catalog::{Catalog, RunFilter};
use pipetrail::clock::SystemClock;
use pipetrail::domain::run::{RunFact, Statement};
use pipetrail::domain::{EncodedFact, Erasure, Fact, FactKind, Label, Record, RunKey, State, Time};
use pipetrail::ingest::forget;
use pipetrail::sqlite::{LocalFile, Place};
use pipetrail::store::{Committed, Store, Write};

use crate::faults::{Act, Fault, Faults, FaultyStore};
use crate::support::Local;

fn ana() -> Erasure {
    Erasure::new(["Ana Lindqvist"]).unwrap()
}

fn run(number: u64, labels: &[(Label, &str)]) -> Fact {
    let key = RunKey { organization: "fabrikam".to_owned(), pipeline: 7, run: number };
    let mut fact = RunFact::new(key, FactKind::RunStateChanged, Time::from_ticks(1_000));
    fact.labels = labels.iter().map(|(label, text)| (label.clone(), (*text).to_owned())).collect();
    fact.run = Some((State::InProgress, Statement::at(fact.said)));
    Fact::Run(fact)
}

fn by_ana(number: u64) -> Fact {
    run(number, &[(Label::RequestedFor, "Ana Lindqvist"), (Label::PipelineName, "web of ana lindqvist")])
}

async fn put(store: &dyn Store, fact: &Fact, facts: Vec<EncodedFact>) {
    let record = Record::of(fact);
    let write = Write::Record { text: record.encode(), record, expected: None, facts };
    let answers = store.commit(Arc::new(vec![write])).await.unwrap();
    assert!(matches!(answers.as_slice(), [Committed::Written(_)]));
    store.append(&[fact.key()]).await.unwrap();
}

fn replica(folder: &Path) -> Catalog {
    let path = folder.join("replica.db");
    Catalog::replica(LocalFile::open_replica(&path, Place::Ours, Arc::new(SystemClock)).unwrap())
}

/// Who asked for the runs that a reader sees, and what it calls their pipeline.
async fn seen(replica: &Catalog, store: &dyn Store) -> (Vec<Option<String>>, Option<String>) {
    replica.refresh(store).await.unwrap();
    let runs = replica.runs(&RunFilter::default()).await.unwrap();
    let pipeline = runs.first().and_then(|run| run.pipeline.name.clone());
    (runs.into_iter().map(|run| run.requested_for).collect(), pipeline)
}

struct Shop {
    folder: tempfile::TempDir,
    local: Local,
    store: FaultyStore,
}

impl Shop {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let local = Local::open(&folder.path().join("a.db")).await;
        let store = FaultyStore { inner: local.store.clone(), faults: Faults::none() };
        Self { folder, local, store }
    }
}

#[tokio::test]
async fn what_was_written_before_an_error_is_told_to_readers() {
    let Shop { folder, store, local } = Shop::open().await;
    for number in 1..=5 {
        put(&store, &by_ana(number), vec![by_ana(number).encode()]).await;
    }
    let reader = replica(folder.path());
    assert_eq!(seen(&reader, &store).await.0, vec![Some("Ana Lindqvist".to_owned()); 5]);
    // Two are written, of the third nobody knows.
    store.faults.next(Act::Rewrite, Fault::Delay);
    store.faults.next(Act::Rewrite, Fault::Delay);
    store.faults.next(Act::Rewrite, Fault::AnswerLost);
    forget(&store, &ana(), true).await.unwrap_err();
    assert_eq!(store.faults.played_at(Act::Rewrite, Fault::AnswerLost), 1);
    let (named, _) = seen(&reader, &store).await;
    assert_eq!(named.iter().filter(|name| name.as_deref() == Some("[forgotten]")).count(), 3, "{named:?}");
    let found = forget(&store, &ana(), true).await.unwrap();
    assert_eq!((found.records, found.left.len()), (2, 0));
    assert_eq!(seen(&reader, &store).await.0, vec![Some("[forgotten]".to_owned()); 5]);
    drop(local);
}

#[tokio::test]
async fn a_second_time_mends_what_a_first_could_tell_nobody() {
    let Shop { folder, store, .. } = Shop::open().await;
    put(&store, &by_ana(1), vec![by_ana(1).encode()]).await;
    let reader = replica(folder.path());
    assert_eq!(seen(&reader, &store).await.0, [Some("Ana Lindqvist".to_owned())]);
    store.faults.next(Act::Append, Fault::Unavailable);
    forget(&store, &ana(), true).await.unwrap_err();
    assert_eq!(forget(&store, &ana(), true).await.unwrap().records, 0);
    assert_eq!(seen(&reader, &store).await.0, [Some("[forgotten]".to_owned())]);
}

#[tokio::test]
async fn a_catalog_forgets_a_name_too_that_sorts_before_what_takes_its_place() {
    let Shop { folder, store, .. } = Shop::open().await;
    put(&store, &by_ana(1), vec![by_ana(1).encode()]).await;
    let reader = replica(folder.path());
    assert_eq!(seen(&reader, &store).await.1.as_deref(), Some("web of ana lindqvist"));
    forget(&store, &ana(), true).await.unwrap();
    assert_eq!(seen(&reader, &store).await.1.as_deref(), Some("web of [forgotten]"));
}

#[tokio::test]
async fn large_records_are_not_all_in_memory_at_once() {
    let Shop { store, .. } = Shop::open().await;
    for number in 1..=40 {
        put(&store, &by_ana(number), vec![by_ana(number).encode()]).await;
    }
    store.faults.weigh(900_000);
    assert_eq!(forget(&store, &ana(), false).await.unwrap().records, 40);
    assert_eq!(store.faults.largest_load(), 8, "the first, before it is known how large they are");
}

/// A fact that this program cannot read.
fn unread(text: &str) -> EncodedFact {
    EncodedFact::new(Time::from_ticks(2_000), serde_json::json!({"kind": 7, "who": text}).to_string())
}

#[tokio::test]
async fn a_record_with_a_fact_that_cannot_be_read_is_not_passed_over_in_silence() {
    let Shop { store, .. } = Shop::open().await;
    let jon = |number| run(number, &[(Label::RequestedFor, "Jon Abebe")]);
    put(&store, &jon(1), vec![jon(1).encode(), unread("Ana Lindqvist")]).await;
    put(&store, &by_ana(2), vec![by_ana(2).encode(), unread("Jon Abebe")]).await;
    put(&store, &jon(3), vec![jon(3).encode(), unread("Jon Abebe")]).await;
    let found = forget(&store, &ana(), true).await.unwrap();
    let left = found.left.clone();
    assert_eq!((found.records, left), (0, vec![by_ana(2).key(), jon(1).key()]));
    for (fact, other) in [(jon(1), "Ana Lindqvist"), (by_ana(2), "Jon Abebe")] {
        assert_eq!(store.stored_facts(&fact.key()).await.unwrap(), [fact.encode(), unread(other)], "nothing is lost");
    }
}

#[tokio::test]
async fn what_a_newer_program_says_in_a_fact_is_searched_and_kept() {
    let Shop { store, .. } = Shop::open().await;
    let fact = by_ana(1);
    let mut text: serde_json::Value = serde_json::from_str(&fact.encode().text).unwrap();
    text["mood"] = "sunny, says Ana Lindqvist".into();
    put(&store, &fact, vec![EncodedFact::new(fact.said(), text.to_string())]).await;
    assert_eq!(forget(&store, &ana(), true).await.unwrap().records, 1);
    let stored = store.stored_facts(&fact.key()).await.unwrap().remove(0);
    assert!(stored.text.contains("sunny, says [forgotten]") && !stored.text.contains("Lindqvist"), "{}", stored.text);
    assert_eq!(forget(&store, &ana(), true).await.unwrap().records, 0);
}

#[tokio::test]
async fn a_person_called_like_a_word_of_ours_costs_nothing_else() {
    let Shop { store, .. } = Shop::open().await;
    for called in ["Run", "Jobs", "Said", "inProgress", "pipelineName"] {
        let fact = run(1, &[(Label::RequestedFor, "Jon Abebe"), (Label::PipelineName, "web")]);
        if store.load(&[fact.key()]).await.unwrap().remove(0).is_none() {
            put(&store, &fact, vec![fact.encode()]).await;
        }
        let found = forget(&store, &Erasure::new([called]).unwrap(), true).await.unwrap();
        assert_eq!((found.records, found.left.len()), (0, 0), "{called}");
        assert_eq!(store.facts(&fact.key()).await.unwrap(), [fact]);
    }
}
