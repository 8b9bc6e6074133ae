//! Reading many records at once.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::entity::{self, Entity};
use super::name::Name;
use crate::azure::{AzureError, Table};

const AT_ONCE: usize = 16;
/// From so many records of a partition on, one question for all that stand between the first and the last may be
/// cheaper than one for each.
const MANY: usize = 8;
/// Of which at most so many times more rows are read than were asked for.
const WASTE: usize = 2;

/// The rows of these records that are there.
pub(super) async fn rows(table: &Table, mut names: Vec<Name>) -> Result<BTreeMap<Name, Entity>, AzureError> {
    names.sort_unstable();
    names.dedup();
    let parts = names.chunk_by(|one, next| one.partition == next.partition);
    let parts: Vec<_> = parts.map(|part| neighbours(table, part)).collect();
    let parts: Vec<_> = stream::iter(parts).buffer_unordered(AT_ONCE).try_collect().await?;
    let (mut found, mut open) = (BTreeMap::new(), Vec::new());
    for part in parts {
        found.extend(part.found);
        open.extend(part.open.into_iter().map(|name| one(table, name)));
    }
    let open: Vec<_> = stream::iter(open).buffer_unordered(AT_ONCE).try_collect().await?;
    found.extend(open.into_iter().flatten());
    Ok(found)
}

/// What one question told of the records of a partition.
struct Part {
    found: Vec<(Name, Entity)>,
    /// Those of which it told nothing.
    open: Vec<Name>,
}

/// Readers that build everything anew ask for records that stand side by side.
async fn neighbours(table: &Table, names: &[Name]) -> Result<Part, AzureError> {
    let (Some(first), Some(last)) = (names.first(), names.last()) else {
        return Ok(Part { found: Vec::new(), open: Vec::new() });
    };
    if names.len() < MANY {
        return Ok(Part { found: Vec::new(), open: names.to_vec() });
    }
    let most = names.len() * WASTE;
    let rows = table.rows::<Entity>(first.records_to(last), None, most).await?;
    // All that were not reached are open; one that was passed over is not there.
    let reached = rows.last().filter(|_| rows.len() == most).map(|row| row.row.clone());
    let mut rows: BTreeMap<String, Entity> = rows.into_iter().map(|row| (row.row.clone(), row)).collect();
    let mut part = Part { found: Vec::new(), open: Vec::new() };
    for name in names {
        let row = name.record();
        match rows.remove(&row) {
            Some(found) => part.found.push((name.clone(), found)),
            None if reached.as_ref().is_some_and(|reached| row > *reached) => part.open.push(name.clone()),
            None => {}
        }
    }
    Ok(part)
}

async fn one(table: &Table, name: Name) -> Result<Option<(Name, Entity)>, AzureError> {
    let found = entity::get(table, &name.partition, &name.record(), None).await?;
    Ok(found.map(|row| (name, row)))
}
