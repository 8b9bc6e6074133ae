//! Other facts in the place of some, and another record in the place of one.

use std::collections::BTreeSet;

use super::columns;
use super::commit::{failed, put};
use super::entity::NewEntity;
use super::name::Name;
use crate::azure::{AzureError, MOST_BYTES, MOST_OPERATIONS, Operation, Table};
use crate::store::{Committed, Rewrite, StoreError, Version};

/// The facts first, where one transaction cannot hold them all; the record last, so that whoever was stopped finds it as
/// it was and does all of it again.
pub(super) async fn rewrite(table: &Table, rewrite: Rewrite) -> Result<Committed, StoreError> {
    let Rewrite { record, text, expected: Version(etag), gone, facts } = rewrite;
    let name = Name::of(&record.key());
    let new: BTreeSet<String> = facts.iter().map(|fact| name.fact(fact)).collect();
    let gone = gone.iter().map(|fact| name.fact(fact)).filter(|row| !new.contains(row));
    let row = name.record();
    let entity = columns::add(NewEntity::new(&name.partition, &row), &record).body(&text).json();
    let mut operations: Vec<_> = facts.iter().map(|fact| put(&name, name.fact(fact), fact)).collect();
    operations.extend(gone.map(|row| Operation::Delete { row, etag: None }));
    operations.push(Operation::Replace { row, entity, etag });
    let mut version = None;
    for transaction in transactions(operations) {
        match table.transact(&name.partition, &transaction).await {
            Ok(etags) => version = etags.into_iter().next_back().flatten(),
            Err(error) if AzureError::is_conflict(&error) => return Ok(Committed::Conflict),
            Err(error) => return Err(failed(error, None)),
        }
    }
    Ok(Committed::Written(version.map(|etag| Version(etag.to_string()))))
}

fn transactions(operations: Vec<Operation>) -> Vec<Vec<Operation>> {
    let mut transactions: Vec<Vec<Operation>> = Vec::new();
    let mut bytes = 0;
    for operation in operations {
        let next = operation.bytes();
        match transactions.last_mut() {
            Some(last) if last.len() < MOST_OPERATIONS && bytes + next <= MOST_BYTES => last.push(operation),
            Some(_) | None => {
                transactions.push(vec![operation]);
                bytes = 0;
            }
        }
        bytes += next;
    }
    transactions
}
