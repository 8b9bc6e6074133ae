//! Removing records with their facts, so that readers hear of it whatever happens.
//!
//! The log is in other partitions than a record, so no transaction covers both. In the place of a removed record a note
//! is left, which is listed among what ended and goes away once the log has the key.

use super::columns::ENDED;
use super::entity::{self, Entity, NewEntity};
use super::name::Name;
use crate::azure::{AzureError, MOST_OPERATIONS, Operation, Table};
use crate::domain::Time;

/// What goes last and in one transaction: the record, and the note.
const LAST: usize = 2;

/// Removes the record and its facts if it ended before `before`; who was taken up again stays.
///
/// More facts than one transaction takes go first and the record last: after a crash it is still listed as ended, and
/// goes the next time. A run that is taken up in that very moment stays, without some of its old facts.
pub(super) async fn remove(table: &Table, name: &Name, before: Time) -> Result<(), AzureError> {
    let row = name.record();
    let Some(record) = entity::get(table, &name.partition, &row, Some("RowKey,ended")).await? else { return Ok(()) };
    let Some(ended) = record.integer(ENDED).filter(|ended| *ended < before.ticks()) else { return Ok(()) };
    let facts = table.rows::<Entity>(name.all_facts(), Some("RowKey"), usize::MAX).await?;
    let mut facts: Vec<_> = facts.into_iter().map(|fact| Operation::Delete { row: fact.row, etag: None }).collect();
    let note = name.removed();
    let entity = NewEntity::new(&name.partition, &note).integer(ENDED, ended).json();
    let mut last = vec![Operation::Delete { row, etag: Some(record.etag) }, Operation::Put { row: note, entity }];
    while facts.len() + LAST > MOST_OPERATIONS {
        let part = facts.split_off(facts.len().saturating_sub(MOST_OPERATIONS));
        if !went(table.transact(&name.partition, &part).await)? {
            return Ok(());
        }
    }
    last.append(&mut facts);
    went(table.transact(&name.partition, &last).await)?;
    Ok(())
}

/// Removes the note, if there is one.
pub(super) async fn forget(table: &Table, name: &Name) -> Result<(), AzureError> {
    let note = Operation::Delete { row: name.removed(), etag: None };
    went(table.transact(&name.partition, [&note]).await)?;
    Ok(())
}

/// Whether it was done; not where somebody else was first, be it a worker or another purge.
fn went<T>(result: Result<T, AzureError>) -> Result<bool, AzureError> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.is_conflict() => Ok(false),
        Err(error) => Err(error),
    }
}
