use std::collections::BTreeMap;

use crate::domain::{EncodedFact, Fact, Key, Record, Time};

/// What one batch says about one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) key: Key,
    /// The join of the facts.
    pub(super) delta: Record,
    /// Each once: a repeated row makes a table refuse the whole transaction.
    pub(super) facts: Vec<EncodedFact>,
    pub(super) from: From,
}

/// Which message said which fact, by its number in the batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct From(Vec<(usize, (Time, [u8; 16]))>);

impl From {
    pub(super) fn messages(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|(message, _)| *message)
    }

    /// Whether more than one message said something.
    pub(super) fn is_several(&self) -> bool {
        self.messages().min() != self.messages().max()
    }
}

impl Group {
    /// Made again from what was to be written.
    #[expect(clippy::expect_used, reason = "a fact lost here would be lost for good: better the worker stops")]
    pub(super) fn again(key: Key, facts: Vec<EncodedFact>, from: From) -> Self {
        let read =
            facts.iter().map(|fact| Fact::decode(&key, &fact.text).expect("what was encoded here can be read here"));
        let delta = read.fold(None, add_to).expect("a group has facts");
        Self { key, delta, facts, from }
    }

    /// One group a message: to find out which one the store does not want.
    pub(super) fn by_message(self) -> Vec<Self> {
        let mut said: BTreeMap<usize, Vec<EncodedFact>> = BTreeMap::new();
        for (message, name) in &self.from.0 {
            let facts = self.facts.iter().filter(|fact| (fact.said, fact.name) == *name).cloned();
            said.entry(*message).or_default().extend(facts);
        }
        let part = |(message, facts): (usize, Vec<EncodedFact>)| {
            let from = From(facts.iter().map(|fact| (message, (fact.said, fact.name))).collect());
            Self::again(self.key.clone(), facts, from)
        };
        said.into_iter().map(part).collect()
    }
}

fn add_to(record: Option<Record>, fact: Fact) -> Option<Record> {
    match record {
        None => Some(Record::of(&fact)),
        Some(mut record) => {
            record.add(&fact);
            Some(record)
        }
    }
}

/// Groups facts by record, in the order of the keys; each comes with the number of the message that said it.
pub(super) fn fold(facts: impl IntoIterator<Item = (usize, Fact)>) -> Vec<Group> {
    let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
    for (message, fact) in facts {
        let encoded = fact.encode();
        let name = (message, (encoded.said, encoded.name));
        let key = fact.key();
        if let Some(group) = groups.get_mut(&key) {
            group.delta.add(&fact);
            group.facts.push(encoded);
            group.from.0.push(name);
        } else {
            let group =
                Group { key: key.clone(), delta: Record::of(&fact), facts: vec![encoded], from: From(vec![name]) };
            groups.insert(key, group);
        }
    }
    let once = |mut group: Group| {
        group.facts.sort_unstable();
        group.facts.dedup();
        group
    };
    groups.into_values().map(once).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::run::RunFact;
    use crate::domain::{FactKind, RunKey};

    fn fact(run: u64, said: i64) -> Fact {
        let key = RunKey { organization: "fabrikam".to_owned(), pipeline: 7, run };
        Fact::Run(RunFact::new(key, FactKind::RunStateChanged, Time::from_ticks(said)))
    }

    fn messages(group: &Group) -> Vec<usize> {
        group.from.messages().collect()
    }

    #[test]
    fn one_group_a_record_each_fact_once_and_every_message_known() {
        let groups = fold([(0, fact(2, 5)), (1, fact(1, 5)), (2, fact(2, 5)), (3, fact(2, 6))]);
        let seen: Vec<_> = groups.iter().map(|group| (group.facts.len(), messages(group))).collect();
        assert_eq!(seen, [(1, vec![1]), (2, vec![0, 2, 3])]);
        assert_eq!(groups.iter().map(|group| group.from.is_several()).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn a_group_falls_apart_into_its_messages() {
        let [group] = fold([(0, fact(2, 5)), (2, fact(2, 5)), (3, fact(2, 6))]).try_into().unwrap();
        let parts = Group::by_message(group);
        assert_eq!(parts.iter().flat_map(messages).collect::<Vec<_>>(), [0, 2, 3]);
        assert!(parts.iter().all(|part| part.facts.len() == 1 && !part.from.is_several()));
    }

    #[test]
    fn a_group_can_be_made_again_from_what_was_to_be_written() {
        for group in fold([(0, fact(2, 5)), (2, fact(2, 7)), (3, fact(1, 6))]) {
            let again = Group::again(group.key.clone(), group.facts.clone(), group.from.clone());
            assert_eq!(again, group);
        }
    }
}
