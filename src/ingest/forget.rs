//! Takes a person out of all records and their facts.
//!
//! Every record is read with every fact, since a name that was overruled stands in the facts alone. A record is folded
//! anew from its facts as they are then, so that a refold later finds the same; the rest of it, which only a newer
//! program understands, is searched too.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{DecodeRecordError, EncodedFact, Erasure, Fact, Key, Record, has_pseudonym};
use crate::store::{Committed, Portion, Rewrite, Store, StoreError, Stored};

/// Keys that one round looks at.
const PAGE: usize = 500;
/// So often a record is tried that somebody else writes meanwhile.
const MOST_TRIES: usize = 8;

/// What was found, or done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Records that named the person.
    pub records: u64,
    /// Facts that did.
    pub facts: u64,
    /// The records by what people call one of their kind, and several.
    pub kinds: BTreeMap<(&'static str, &'static str), Found>,
    /// Pseudonyms stand somewhere, in which only who has the key can look for a person.
    pub has_pseudonyms: bool,
    /// Records that name the person still: a newer program wrote them, they are damaged, their very key does, or they
    /// are written again and again.
    pub left: Vec<Key>,
}

/// Records of one kind that named the person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    pub records: u64,
    /// The fields and labels in which the person stood.
    pub places: BTreeSet<&'static str>,
}

impl Forgotten {
    fn count(&mut self, key: &Key, facts: u64, places: BTreeSet<&'static str>) {
        self.records += 1;
        self.facts += facts;
        let found = self.kinds.entry(key.nouns()).or_default();
        found.records += 1;
        found.places.extend(places);
    }
}

/// Without `write` it only looks.
///
/// # Errors
/// When the store fails. What was written so far stays so, and readers are told of it; the next time it goes on.
pub async fn forget(store: &dyn Store, erasure: &Erasure, write: bool) -> Result<Forgotten, StoreError> {
    let mut search = Search { store, erasure, write, forgotten: Forgotten::default() };
    let mut portion = Portion::new();
    let mut last = None;
    loop {
        let keys = store.keys(last.as_ref(), PAGE).await?;
        let Some(end) = keys.last().cloned() else { break };
        let mut rest = keys.as_slice();
        while !rest.is_empty() {
            let (now, later) = portion.of(rest);
            let stored = store.load(now).await?;
            portion.learn(&stored);
            search.portion(now, stored).await?;
            rest = later;
        }
        last = Some(end);
    }
    if write {
        // A catalog keeps names that no record says any more. And whoever was stopped half-way has told readers nothing:
        // the second time nothing is found in what was written then.
        store.start_over().await?;
    }
    Ok(search.forgotten)
}

struct Search<'s> {
    store: &'s dyn Store,
    erasure: &'s Erasure,
    write: bool,
    forgotten: Forgotten,
}

impl Search<'_> {
    /// Readers are told of all that was written, also of what was written before an error.
    async fn portion(&mut self, keys: &[Key], stored: Vec<Option<Stored>>) -> Result<(), StoreError> {
        let mut changed = Vec::new();
        let looked = self.look_at(keys, stored, &mut changed).await;
        self.store.append(&changed).await?;
        looked
    }

    async fn look_at(
        &mut self,
        keys: &[Key],
        stored: Vec<Option<Stored>>,
        changed: &mut Vec<Key>,
    ) -> Result<(), StoreError> {
        for (key, stored) in keys.iter().zip(stored) {
            let Some(stored) = stored else { continue };
            match self.one(key, stored, changed).await? {
                Outcome::Nothing => {}
                Outcome::Found { facts, places } => self.forgotten.count(key, facts, places),
                Outcome::Left => self.forgotten.left.push(key.clone()),
            }
        }
        Ok(())
    }

    async fn one(&mut self, key: &Key, mut stored: Stored, changed: &mut Vec<Key>) -> Result<Outcome, StoreError> {
        let Self { store, erasure, write, forgotten } = self;
        if key.names().any(|name| erasure.text(name).is_some()) {
            return Ok(Outcome::Left);
        }
        for _ in 0..MOST_TRIES {
            let facts = store.stored_facts(key).await?;
            forgotten.has_pseudonyms = forgotten.has_pseudonyms || facts.iter().any(|fact| has_pseudonym(&fact.text));
            let Some(without) = without(erasure, key, &stored, &facts) else { return Ok(Outcome::Nothing) };
            let Some(Mended { rewrite, places }) = without else { return Ok(Outcome::Left) };
            let facts = u64::try_from(rewrite.gone.len()).unwrap_or_default();
            if !*write {
                return Ok(Outcome::Found { facts, places });
            }
            // Before it is tried: an answer may be lost.
            changed.push(key.clone());
            match store.rewrite(rewrite).await? {
                Committed::Written(_) => return Ok(Outcome::Found { facts, places }),
                Committed::Conflict | Committed::BelowFloor => {}
            }
            match store.load(std::slice::from_ref(key)).await?.pop().flatten() {
                Some(now) => stored = now,
                None => return Ok(Outcome::Nothing),
            }
        }
        Ok(Outcome::Left)
    }
}

enum Outcome {
    Nothing,
    Found { facts: u64, places: BTreeSet<&'static str> },
    Left,
}

/// What to write, and where the person stood.
struct Mended {
    rewrite: Rewrite,
    places: BTreeSet<&'static str>,
}

/// `None` where nobody is named, `Some(None)` where somebody is and it cannot be mended.
#[expect(clippy::option_option, reason = "nothing to do, and nothing that can be done")]
fn without(erasure: &Erasure, key: &Key, stored: &Stored, facts: &[EncodedFact]) -> Option<Option<Mended>> {
    let record = match &stored.record {
        Ok(record) => record,
        // Nobody can say what stands in it.
        Err(DecodeRecordError::Newer { .. } | DecodeRecordError::Damaged(_)) => return Some(None),
    };
    let Some(read) = facts.iter().map(|fact| Fact::decode(key, &fact.text).ok()).collect::<Option<Vec<_>>>() else {
        // Folded from the others alone, the record would lose what that fact said.
        let is_named = erasure.record(record).is_some() || facts.iter().any(|fact| erasure.is_in(fact.text.as_bytes()));
        return is_named.then_some(None);
    };
    let erasure = erasure.with_identities(&read);
    let erased = erasure.record(record);
    let (mut gone, mut new, mut folded, mut places) = (Vec::new(), BTreeSet::new(), None, BTreeSet::new());
    for (fact, read) in facts.iter().zip(read) {
        let Some(without) = erasure.fact(&read, &fact.text) else {
            fold(&mut folded, &read);
            continue;
        };
        let Ok(said) = Fact::decode(key, &without.text) else { return Some(None) };
        fold(&mut folded, &said);
        gone.push(fact.clone());
        places.extend(without.places);
        new.insert(EncodedFact::new(fact.said, without.text));
    }
    if erased.is_none() && gone.is_empty() {
        return None;
    }
    if let Some(erased) = erased.as_ref().filter(|_| places.is_empty()) {
        places.clone_from(&erased.places);
    }
    let known = erased.map_or_else(|| Some(record.clone()), |erased| Record::decode(key, &erased.text).ok());
    let Some(known) = known else { return Some(None) };
    let record = match folded {
        Some(mut folded) => {
            folded.keep_unknown(&known);
            folded
        }
        None => known,
    };
    let (text, expected, facts) = (record.encode(), stored.version.clone(), new.into_iter().collect());
    Some(Some(Mended { rewrite: Rewrite { record, text, expected, gone, facts }, places }))
}

fn fold(folded: &mut Option<Record>, fact: &Fact) {
    match folded {
        Some(record) => record.add(fact),
        None => *folded = Some(Record::of(fact)),
    }
}
