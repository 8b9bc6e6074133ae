//! The merge of what is said of a gap is a join, as that of a run is.

use pipetrail::domain::gap::{GapFact, GapRecord};
use pipetrail::domain::{Change, Fact, GapKey, GapReason, Join, Record, Time};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const REASONS: [&str; 4] = ["onProbation", "disabledBySystem", "silence", "aLaterReason"];

/// Few enough that they collide.
fn time() -> impl Strategy<Value = Time> {
    (100_i64..120).prop_map(Time::from_ticks)
}

fn key() -> GapKey {
    GapKey::new("fabrikam", "p-1", "build.complete")
}

fn fact() -> impl Strategy<Value = GapFact> {
    let why = option::of(select(&REASONS[..]).prop_map(GapReason::from));
    let name = option::of(select(vec!["Fiber", "Fibre"]).prop_map(str::to_owned));
    (time(), 95_i64..99, name, why, option::of(time()), option::of(time())).prop_map(
        |(said, from, project_name, why, over, covered)| {
            let fact = GapFact::new(key(), Time::from_ticks(from), said);
            GapFact { project_name, why, over, covered, ..fact }
        },
    )
}

fn fold<'a>(facts: impl IntoIterator<Item = &'a GapFact>) -> GapRecord {
    let records = facts.into_iter().map(GapRecord::of);
    let joined = records.reduce(|mut record, part| {
        record.absorb(part);
        record
    });
    joined.expect("there are facts")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_duplication_and_grouping_give_the_same_record(
        (facts, shuffled) in vec(fact(), 2..16).prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle())),
        again in vec(any::<Index>(), 0..8),
        at in any::<Index>(),
    ) {
        let whole = fold(&facts);
        prop_assert_eq!(&whole, &fold(shuffled.iter().chain(again.iter().map(|index| index.get(&facts)))));
        let (one, two) = shuffled.split_at(1 + at.index(shuffled.len() - 1));
        let (mut left, right) = (fold(one), fold(two));
        left.absorb(right);
        prop_assert_eq!(&whole, &left);
        prop_assert!(whole.shown().eq(left.shown()));
        prop_assert_eq!(Record::Gap(whole).encode(), Record::Gap(left).encode());
    }

    #[test]
    fn unchanged_exactly_when_equal(facts in vec(fact(), 1..12)) {
        let mut record = fold(&facts[..1]);
        for fact in &facts {
            let before = record.clone();
            let change = record.join(GapRecord::of(fact));
            prop_assert_eq!(change == Change::Unchanged, record == before);
        }
        prop_assert_eq!(record.clone().join(record), Change::Unchanged);
    }

    #[test]
    fn facts_and_records_come_back(facts in vec(fact(), 1..12)) {
        let record = Record::Gap(fold(&facts));
        prop_assert_eq!(&Record::decode(&record.key(), &record.encode()).unwrap(), &record);
        for fact in facts.into_iter().map(Fact::Gap) {
            prop_assert_eq!(Fact::decode(&fact.key(), &fact.encode().text).unwrap(), fact);
        }
    }
}

#[test]
fn what_a_later_version_added_is_preserved() {
    let record = Record::of(&Fact::Gap(GapFact::new(key(), Time::from_ticks(99), Time::from_ticks(100))));
    let text = record.encode().replacen('{', "{\"mood\":\"sunny\",", 1);
    let kept = Record::decode(&record.key(), &text).unwrap();
    let mut other = record.clone();
    assert_eq!(other.join(kept.clone()), Change::Changed);
    assert_eq!(other, kept);
    assert!(other.encode().contains("\"mood\":\"sunny\""));
    let newer = record.encode().replace("\"v\":1", "\"v\":2");
    let error = Record::decode(&record.key(), &newer).unwrap_err();
    assert_eq!(error.to_string(), "the record is of version 2, this program knows 1: update it");
}
