//! The merge of what clusters say of a commit is a join, as that of a run is.

use pipetrail::domain::cluster::{ClusterFact, ClusterRecord};
use pipetrail::domain::{Change, ClusterKey, Fact, Join, Record, Time};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Few enough that they collide.
fn fact() -> impl Strategy<Value = ClusterFact> {
    let text = |all: &'static [&'static str]| select(all).prop_map(str::to_owned);
    let message = option::of(text(&["one", "two"]));
    (100_i64..110, text(&["east", "west"]), text(&["Progressing", "succeeded"]), any::<bool>(), message).prop_map(
        |(said, cluster, state, succeeded, message)| {
            let key = ClusterKey::new("fabrikam", "731f7eaddfb6af01cb2173e18f0f75b0ba780ef1");
            ClusterFact { key, said: Time::from_ticks(said), cluster, state, succeeded, message }
        },
    )
}

fn fold<'a>(facts: impl IntoIterator<Item = &'a ClusterFact>) -> ClusterRecord {
    let joined = facts.into_iter().map(ClusterRecord::of).reduce(|mut record, part| {
        record.absorb(part);
        record
    });
    joined.expect("there are facts")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_duplication_and_grouping_give_the_same_record(
        (facts, shuffled) in vec(fact(), 2..12).prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle())),
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
        prop_assert_eq!(Record::Cluster(whole).encode(), Record::Cluster(left).encode());
    }

    #[test]
    fn unchanged_exactly_when_equal(facts in vec(fact(), 1..12)) {
        let mut record = fold(&facts[..1]);
        for fact in &facts {
            let before = record.clone();
            let change = record.join(ClusterRecord::of(fact));
            prop_assert_eq!(change == Change::Unchanged, record == before);
        }
    }

    #[test]
    fn facts_and_records_come_back(facts in vec(fact(), 1..12)) {
        let record = Record::Cluster(fold(&facts));
        prop_assert_eq!(&Record::decode(&record.key(), &record.encode()).unwrap(), &record);
        for fact in facts.into_iter().map(Fact::Cluster) {
            prop_assert_eq!(Fact::decode(&fact.key(), &fact.encode().text).unwrap(), fact);
        }
    }
}
