//! Small things that the program keeps for itself, by name.

use super::entity::{self, Entity, NewEntity};
use super::name::{escaped, unescaped};
use crate::azure::{AzureError, Operation, Table};

const PARTITION: &str = "note";

pub(super) async fn get(table: &Table, name: &str) -> Result<Option<String>, AzureError> {
    Ok(entity::get(table, PARTITION, &escaped(name), None).await?.map(|row| row.body()))
}

/// Escaping goes character by character, so that what begins alike stays together.
pub(super) async fn list(table: &Table, prefix: &str, limit: usize) -> Result<Vec<(String, String)>, AzureError> {
    let prefix = escaped(prefix);
    let filter = format!("PartitionKey eq '{PARTITION}' and RowKey ge '{prefix}' and RowKey lt '{prefix}~~'");
    let rows = table.rows::<Entity>(filter, None, limit).await?;
    Ok(rows.iter().filter_map(|row| Some((unescaped(&row.row)?, row.body()))).collect())
}

pub(super) async fn put(table: &Table, name: &str, text: &str) -> Result<(), AzureError> {
    let row = escaped(name);
    let entity = NewEntity::new(PARTITION, &row).body(text).json();
    table.transact(PARTITION, [&Operation::Put { row, entity }]).await.map(drop)
}

pub(super) async fn remove(table: &Table, name: &str) -> Result<(), AzureError> {
    let gone = Operation::Delete { row: escaped(name), etag: None };
    match table.transact(PARTITION, [&gone]).await {
        Err(error) if !error.is_conflict() => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}
