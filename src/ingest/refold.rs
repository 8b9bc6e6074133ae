use std::sync::Arc;

use crate::domain::{DecodeRecordError, Fact, Key, Record};
use crate::store::{Committed, Store, StoreError, Stored, Write};

/// Records that one round looks at: all are in memory at once, and each costs a look at its facts anyway.
const PAGE: usize = 32;

/// What folding anew found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refolded {
    pub records: u64,
    /// Records that are not what their facts say.
    pub differ: Vec<Key>,
    /// Those of them that now are.
    pub mended: u64,
    /// Records that a newer program wrote: not looked at, not changed.
    pub newer: u64,
}

/// Folds every record anew from its facts. With `mend`, writes those that differ; a record that somebody
/// wrote meanwhile is left to them.
///
/// # Errors
/// When the store fails.
pub async fn refold(store: &dyn Store, mend: bool) -> Result<Refolded, StoreError> {
    let mut found = Refolded::default();
    let mut last = None;
    loop {
        let keys = store.keys(last.as_ref(), PAGE).await?;
        let Some(end) = keys.last().cloned() else { return Ok(found) };
        for (key, stored) in keys.iter().zip(store.load(&keys).await?) {
            found.records += 1;
            look_at(store, key, stored, mend, &mut found).await?;
        }
        last = Some(end);
    }
}

async fn look_at(
    store: &dyn Store,
    key: &Key,
    stored: Option<Stored>,
    mend: bool,
    found: &mut Refolded,
) -> Result<(), StoreError> {
    let Some(stored) = stored else { return Ok(()) };
    if matches!(stored.record, Err(DecodeRecordError::Newer { .. })) {
        found.newer += 1;
        return Ok(());
    }
    let Some(folded) = folded(&store.facts(key).await?, stored.record.as_ref().ok()) else { return Ok(()) };
    if stored.record.as_ref().is_ok_and(|record| *record == folded) {
        return Ok(());
    }
    // Facts are read after the record: what came in between is no difference.
    let now = store.load(std::slice::from_ref(key)).await?.into_iter().next().flatten();
    if now.is_none_or(|now| now.version != stored.version) {
        return Ok(());
    }
    found.differ.push(key.clone());
    if mend && replace(store, key, stored, folded).await? {
        found.mended += 1;
    }
    Ok(())
}

/// The join of the facts, with what only a newer program understands of the record.
fn folded(facts: &[Fact], stored: Option<&Record>) -> Option<Record> {
    let (first, rest) = facts.split_first()?;
    let mut record = Record::of(first);
    rest.iter().for_each(|fact| record.add(fact));
    stored.into_iter().for_each(|stored| record.keep_unknown(stored));
    Some(record)
}

async fn replace(store: &dyn Store, key: &Key, stored: Stored, folded: Record) -> Result<bool, StoreError> {
    let text = folded.encode();
    let write = Write::Record { record: folded, text, expected: Some(stored.version), facts: Vec::new() };
    let answers = store.commit(Arc::new(vec![write])).await?;
    let written = matches!(answers.as_slice(), [Committed::Written(_)]);
    store.append(std::slice::from_ref(key)).await?;
    Ok(written)
}
