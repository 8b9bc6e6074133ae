//! Removing a record with its facts.

use super::columns::ENDED;
use super::name::Name;
use super::table::{MOST_OPERATIONS, Operation, Table};
use crate::azure::AzureError;
use crate::domain::Time;

/// Removes the record and its facts if it ended before `before`; who was taken up again stays.
///
/// More facts than one transaction takes go first and the record last: after a crash it is still listed as ended, and
/// goes the next time. A run that is taken up in that very moment stays, without some of its old facts.
pub(super) async fn remove(table: &Table, name: &Name, before: Time) -> Result<(), AzureError> {
    let row = name.record();
    let Some(record) = table.get(&name.partition, &row, Some("RowKey,ended")).await? else { return Ok(()) };
    if record.integer(ENDED).is_none_or(|ended| ended >= before.ticks()) {
        return Ok(());
    }
    let facts = table.rows(name.all_facts(), Some("RowKey"), usize::MAX).await?;
    let facts = facts.into_iter().map(|fact| Operation::Delete { row: fact.row, etag: None });
    let all: Vec<_> = facts.chain([Operation::Delete { row, etag: Some(record.etag) }]).collect();
    for part in all.chunks(MOST_OPERATIONS) {
        match table.transact(&name.partition, part).await {
            Ok(_) => {}
            Err(error) if error.is_conflict() => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
