//! The merges of incidents and of what was told of are joins, as that of a run is.

use pipetrail::domain::incident::IncidentFact;
use pipetrail::domain::report::{ReportFact, ReportSaid};
use pipetrail::domain::{
    Change, Fact, IncidentKey, IncidentTurn, Join, Label, Outcome, Record, ReportKey, ReportKind, Time,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Few enough that they collide.
fn incident() -> impl Strategy<Value = Fact> {
    let turn = (100_i64..106, select(&["opened", "resolved", "snoozed"][..]));
    let label = (select(&[Label::Title, Label::Run, Label::Commit][..]), select(&["1", "2"][..]));
    (100_i64..110, vec(turn, 0..3), vec(label, 0..2)).prop_map(|(said, turns, labels)| {
        let turns = turns.into_iter().map(|(at, word)| (Time::from_ticks(at), IncidentTurn::from(word)));
        Fact::Incident(IncidentFact {
            key: IncidentKey::new("fabrikam", "OPS-1").unwrap(),
            said: Time::from_ticks(said),
            turns: turns.collect(),
            labels: labels.into_iter().map(|(label, text)| (label, text.to_owned())).collect(),
        })
    })
}

/// A few of them differ in more than the time, as after a collision of two hashes.
fn report() -> impl Strategy<Value = Fact> {
    (0_i64..2_000, select(&["failed", "succeeded"][..]), any::<bool>()).prop_map(|(second, result, is_fix)| {
        let says = ReportSaid {
            kind: ReportKind::Deploy,
            labels: vec![(Label::Environment, "live".to_owned())],
            result: Some(Outcome::from(result)),
            commits: vec!["731f7eaddfb6af01cb2173e18f0f75b0ba780ef1".to_owned()],
            is_fix,
            id: None,
        };
        let key = ReportKey::new("fabrikam", "shop", "deploy");
        Fact::Report(ReportFact { key, said: Time::from_ticks(second * 10_000_000), says })
    })
}

fn fact() -> impl Strategy<Value = Vec<Fact>> {
    prop_oneof![vec(incident(), 2..12), vec(report(), 2..12)]
}

fn fold<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> Record {
    let joined = facts.into_iter().map(Record::of).reduce(|mut record, part| {
        record.absorb(part);
        record
    });
    joined.expect("there are facts")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_duplication_and_grouping_give_the_same_record(
        (facts, shuffled) in fact().prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle())),
        again in vec(any::<Index>(), 0..8),
        at in any::<Index>(),
    ) {
        let whole = fold(&facts);
        prop_assert_eq!(&whole, &fold(shuffled.iter().chain(again.iter().map(|index| index.get(&facts)))));
        let (one, two) = shuffled.split_at(1 + at.index(shuffled.len() - 1));
        let mut left = fold(one);
        if !two.is_empty() {
            left.absorb(fold(two));
        }
        prop_assert_eq!(whole.encode(), left.encode());
    }

    #[test]
    fn unchanged_exactly_when_equal(facts in fact()) {
        let mut record = fold(&facts[..1]);
        for fact in &facts {
            let before = record.clone();
            let change = record.join(Record::of(fact));
            prop_assert_eq!(change == Change::Unchanged, record == before);
        }
    }

    #[test]
    fn facts_and_records_come_back(facts in fact()) {
        let record = fold(&facts);
        prop_assert_eq!(&Record::decode(&record.key(), &record.encode()).unwrap(), &record);
        for fact in facts {
            prop_assert_eq!(Fact::decode(&fact.key(), &fact.encode().text).unwrap(), fact);
        }
    }
}
