use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{EncodedFact, Fact, Join, Key, Record};

/// What one batch says about one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) key: Key,
    /// The join of the facts.
    pub(super) delta: Record,
    /// Each once: a repeated row makes a table refuse the whole transaction.
    pub(super) facts: BTreeSet<EncodedFact>,
    /// Which messages said it, each with its facts.
    pub(super) from: BTreeMap<usize, Vec<Fact>>,
}

impl Group {
    fn of(message: usize, fact: Fact) -> Self {
        Self {
            key: fact.key(),
            delta: Record::of(&fact),
            facts: BTreeSet::from([fact.encode()]),
            from: BTreeMap::from([(message, vec![fact])]),
        }
    }

    fn add(&mut self, message: usize, fact: Fact) {
        self.delta.absorb(Record::of(&fact));
        self.facts.insert(fact.encode());
        self.from.entry(message).or_default().push(fact);
    }

    /// One group a message: to find out which one the store does not want.
    pub(super) fn by_message(self) -> Vec<Self> {
        self.from.into_iter().flat_map(|(message, facts)| fold(facts.into_iter().map(|fact| (message, fact)))).collect()
    }
}

/// Groups facts by record; each comes with the number of the message that said it.
pub(super) fn fold(facts: impl IntoIterator<Item = (usize, Fact)>) -> Vec<Group> {
    let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
    for (message, fact) in facts {
        match groups.get_mut(&fact.key()) {
            Some(group) => group.add(message, fact),
            None => {
                groups.insert(fact.key(), Group::of(message, fact));
            }
        }
    }
    groups.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::run::RunFact;
    use crate::domain::{FactKind, RunKey, Time};

    fn fact(run: u64, said: i64) -> Fact {
        let key = RunKey { organization: "fabrikam".to_owned(), pipeline: 7, run };
        Fact::Run(RunFact::new(key, FactKind::RunStateChanged, Time::from_ticks(said)))
    }

    #[test]
    fn one_group_a_record_each_fact_once_and_every_message_known() {
        let groups = fold([(0, fact(2, 5)), (1, fact(1, 5)), (2, fact(2, 5)), (3, fact(2, 6))]);
        let seen: Vec<_> =
            groups.iter().map(|group| (group.facts.len(), group.from.keys().copied().collect::<Vec<_>>())).collect();
        assert_eq!(seen, [(2, vec![0, 2, 3]), (1, vec![1])]);
    }

    #[test]
    fn a_group_falls_apart_into_its_messages() {
        let [group] = fold([(0, fact(2, 5)), (2, fact(2, 5)), (3, fact(2, 6))]).try_into().unwrap();
        let parts = Group::by_message(group);
        assert_eq!(parts.iter().flat_map(|part| part.from.keys()).copied().collect::<Vec<_>>(), [0, 2, 3]);
    }
}
