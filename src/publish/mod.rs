//! Writes rows into the table that Spektate reads.
//!
//! Only what differs is written, and only rows with our mark are changed or deleted: others may keep theirs in the same
//! partition. What somebody deleted is written anew: version 1.0.6 of Spektate deletes rows whose builds Azure DevOps
//! forgot. Spektate reads the first 1,000 rows of a partition and no more, so the newest so many are kept there.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::azure::{AzureError, MOST_OPERATIONS, Operation, Services, Table, entity};
use crate::view::{SpektateRow, WRITER};

/// Spektate reads no more of a partition.
const MOST_ROWS: usize = 1_000;
/// More rows of a partition are not looked at: somebody else's.
const MOST_READ: usize = 20_000;

/// The table.
#[derive(Debug, Clone)]
pub struct Publisher(Table);

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Published {
    pub written: usize,
    pub deleted: usize,
    pub unchanged: usize,
    /// Rows with our keys that somebody else wrote: they stay as they are.
    pub foreign: usize,
}

/// A row as it is there.
#[derive(Debug, Deserialize)]
struct Stored {
    #[serde(rename = "RowKey", default)]
    row: String,
    #[serde(rename = "odata.etag", default)]
    etag: String,
    #[serde(flatten)]
    columns: Map<String, Value>,
}

impl Stored {
    fn is_ours(&self) -> bool {
        self.columns.get("writtenBy").and_then(Value::as_str) == Some(WRITER)
    }

    fn says(&self, wanted: &SpektateRow) -> bool {
        let of_service = |name: &str| name.starts_with("odata.") || name.contains('@') || is_key(name);
        let own = self.columns.iter().filter(|(name, _)| !of_service(name));
        let own: BTreeMap<&str, Option<&str>> = own.map(|(name, value)| (name.as_str(), value.as_str())).collect();
        own == wanted.columns.iter().map(|(name, value)| (*name, Some(value.as_str()))).collect()
    }
}

fn is_key(name: &str) -> bool {
    matches!(name, "PartitionKey" | "Timestamp")
}

impl Publisher {
    #[must_use]
    pub fn new(services: &Services, table: &str) -> Self {
        Self(Table::new(services, table))
    }

    /// Brings these partitions up to date. Rows of the same partition are in the order in which they matter.
    ///
    /// # Errors
    /// When the service does not do it, or somebody else writes at the same time. What was written stays, and the other
    /// partitions are written all the same.
    pub async fn publish(&self, partitions: &[String], rows: &[SpektateRow]) -> Result<Published, AzureError> {
        self.0.create().await?;
        let (mut published, mut failed) = (Published::default(), None);
        for partition in partitions {
            if let Err(error) = self.publish_one(partition, rows, &mut published).await {
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(published), Err)
    }

    async fn publish_one(
        &self,
        partition: &str,
        rows: &[SpektateRow],
        published: &mut Published,
    ) -> Result<(), AzureError> {
        let mut wanted = BTreeMap::new();
        for row in rows.iter().filter(|row| row.partition == partition).take(MOST_ROWS) {
            wanted.entry(row.row.as_str()).or_insert(row);
        }
        let stored = self.stored(partition).await?;
        for batch in plan(&wanted, &stored, published).chunks(MOST_OPERATIONS) {
            self.0.transact(partition, batch).await?;
        }
        Ok(())
    }

    async fn stored(&self, partition: &str) -> Result<Vec<Stored>, AzureError> {
        let filter = format!("PartitionKey eq '{}'", partition.replace('\'', "''"));
        self.0.rows(filter, None, MOST_READ).await
    }
}

/// What is to be done, which is a function of what is wanted and what is there.
fn plan(wanted: &BTreeMap<&str, &SpektateRow>, stored: &[Stored], published: &mut Published) -> Vec<Operation> {
    let there: BTreeMap<&str, &Stored> = stored.iter().map(|row| (row.row.as_str(), row)).collect();
    let mut operations = Vec::new();
    for (key, row) in wanted {
        match there.get(key) {
            Some(stored) if !stored.is_ours() => published.foreign += 1,
            Some(stored) if stored.says(row) => published.unchanged += 1,
            Some(stored) => {
                let (row, etag) = (row_of(row), stored.etag.clone());
                operations.push(Operation::Replace { row: (*key).to_owned(), entity: row, etag });
            }
            None => operations.push(Operation::Insert { entity: row_of(row) }),
        }
    }
    published.written += operations.len();
    let gone = stored.iter().filter(|stored| stored.is_ours() && !wanted.contains_key(stored.row.as_str()));
    let delete = |stored: &Stored| Operation::Delete { row: stored.row.clone(), etag: Some(stored.etag.clone()) };
    let deletes: Vec<_> = gone.map(delete).collect();
    published.deleted += deletes.len();
    operations.extend(deletes);
    operations
}

fn row_of(row: &SpektateRow) -> Box<serde_json::value::RawValue> {
    let mut columns: Map<String, Value> =
        row.columns.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    columns.insert("PartitionKey".to_owned(), json!(row.partition));
    columns.insert("RowKey".to_owned(), json!(row.row));
    entity(&columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, tag: &str) -> SpektateRow {
        let columns = BTreeMap::from([("imageTag", tag.to_owned()), ("writtenBy", WRITER.to_owned())]);
        SpektateRow { partition: "shop".to_owned(), row: key.to_owned(), columns }
    }

    fn stored(key: &str, columns: &[(&str, &str)]) -> Stored {
        let service =
            [("PartitionKey", "shop"), ("Timestamp", "2025-06-12"), ("odata.type", "x"), ("Timestamp@odata.type", "y")];
        let all = service.iter().chain(columns).map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        Stored { row: key.to_owned(), etag: "e".to_owned(), columns: all }
    }

    fn planned(wanted: &[SpektateRow], stored: &[Stored]) -> (Published, Vec<&'static str>) {
        let wanted = wanted.iter().map(|row| (row.row.as_str(), row)).collect();
        let mut published = Published::default();
        let kind = |operation: &Operation| match operation {
            Operation::Insert { .. } => "insert",
            Operation::Replace { .. } => "replace",
            Operation::Put { .. } => "put",
            Operation::Delete { .. } => "delete",
        };
        let all = plan(&wanted, stored, &mut published).iter().map(kind).collect();
        (published, all)
    }

    #[test]
    fn only_what_differs_is_written_and_only_what_is_ours_deleted() {
        let ours = |tag| [("imageTag", tag), ("writtenBy", WRITER)];
        let there = [
            stored("a", &ours("x:1")),
            stored("b", &ours("x:0")),
            stored("c", &[("imageTag", "theirs")]),
            stored("d", &ours("gone")),
            stored("e", &[("imageTag", "x:5")]),
        ];
        let wanted = [row("a", "x:1"), row("b", "x:2"), row("e", "x:5"), row("f", "x:6")];
        let (published, operations) = planned(&wanted, &there);
        assert_eq!(operations, ["replace", "insert", "delete"]);
        assert_eq!(published, Published { written: 2, deleted: 1, unchanged: 1, foreign: 1 });
    }

    #[test]
    fn a_column_more_or_less_is_a_difference() {
        let same = [("imageTag", "x:1"), ("writtenBy", WRITER)];
        let more = [same[0], same[1], ("pr", "5")];
        for (columns, expected) in [(&same[..], 0), (&more[..], 1), (&same[1..], 1)] {
            assert_eq!(planned(&[row("a", "x:1")], &[stored("a", columns)]).0.written, expected, "{columns:?}");
        }
    }
}
