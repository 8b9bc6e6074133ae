//! Writes rows into the table that Spektate reads.
//!
//! Only what differs is written, and only rows with our mark are deleted: others may keep theirs in the same partition.
//! What somebody deleted is written anew: version 1.0.6 of Spektate deletes rows whose builds Azure DevOps forgot. Spektate
//! reads the first 1,000 rows of a partition and no more, so the newest so many are kept there.
//!
//! A change has one row. `bedrock deployment create` looks for a row of the change and replaces it as a whole, which takes
//! our mark away: such a row has our key and tells of the same change, and is made ours again. Where it made a row of its
//! own, that one stays and ours goes. And a row keeps its key when what is known of it now would give it another.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Rows that are not written since somebody else wrote one with the same key, or of the same change.
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

/// What tells one change from another, where both rows have it; the first two by themselves.
const TELLING: [&str; 6] = ["p1", "p3", "p2", "pr", "hldCommitId", "imageTag"];

impl Stored {
    /// How much of what tells changes apart is the same; `None` where it is another change, or may be.
    fn agrees(&self, row: &SpektateRow) -> Option<usize> {
        let both = |name: &&'static str| Some((*name, self.text(name)?, row.columns.get(name)?.to_lowercase()));
        let all: Vec<_> = TELLING.iter().filter_map(both).collect();
        let is_told = all.iter().any(|(name, ..)| matches!(*name, "p1" | "p3"));
        let is_same = all.iter().all(|(name, theirs, ours)| is_same(name, theirs, ours));
        (is_told && is_same).then_some(all.len())
    }

    /// Empty columns are written, too.
    fn text(&self, name: &str) -> Option<String> {
        let text = self.columns.get(name)?.as_str()?.to_lowercase();
        (!text.is_empty()).then_some(text)
    }
}

/// Images are called by everybody as they like, and commits are cut.
fn is_same(name: &str, theirs: &str, ours: &str) -> bool {
    let tag = |text: &str| text.rsplit(':').next().map(str::to_owned);
    match name {
        "imageTag" => tag(theirs) == tag(ours),
        "hldCommitId" => theirs.starts_with(ours) || ours.starts_with(theirs),
        _ => theirs == ours,
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

    #[must_use]
    pub fn table(&self) -> &str {
        self.0.name()
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
        let wanted: Vec<_> = rows.iter().filter(|row| row.partition == partition).take(MOST_ROWS).collect();
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
fn plan(wanted: &[&SpektateRow], stored: &[Stored], published: &mut Published) -> Vec<Operation> {
    let there: BTreeMap<&str, &Stored> = stored.iter().map(|row| (row.row.as_str(), row)).collect();
    let keys: BTreeSet<&str> = wanted.iter().map(|row| row.row.as_str()).collect();
    let covered = covered(wanted, stored, &keys);
    let (mut operations, mut kept) = (Vec::new(), BTreeSet::new());
    for (at, row) in wanted.iter().enumerate() {
        let is_free = |key: &&str| !kept.contains(key) && !keys.contains(key);
        let former = || row.former.iter().map(String::as_str).filter(is_free);
        let own = there.get(row.row.as_str()).copied();
        let place = own.or_else(|| former().filter_map(|key| there.get(key).copied()).find(|row| row.is_ours()));
        let key = place.map_or(row.row.as_str(), |place| place.row.as_str());
        if covered.contains(&at) || place.is_some_and(|place| !place.is_ours() && place.agrees(row).is_none()) {
            published.foreign += 1;
            continue;
        }
        if !kept.insert(key) {
            continue;
        }
        let entity = || row_of(row, key);
        match place {
            Some(place) if place.says(row) => published.unchanged += 1,
            Some(place) => {
                let (row, etag) = (key.to_owned(), place.etag.clone());
                operations.push(Operation::Replace { row, entity: entity(), etag });
            }
            None => operations.push(Operation::Insert { entity: entity() }),
        }
    }
    published.written += operations.len();
    let gone = stored.iter().filter(|stored| stored.is_ours() && !kept.contains(stored.row.as_str()));
    let delete = |stored: &Stored| Operation::Delete { row: stored.row.clone(), etag: Some(stored.etag.clone()) };
    let deletes: Vec<_> = gone.map(delete).collect();
    published.deleted += deletes.len();
    operations.extend(deletes);
    operations
}

/// The positions of the rows of whose changes somebody else has a row.
fn covered(wanted: &[&SpektateRow], stored: &[Stored], keys: &BTreeSet<&str>) -> BTreeSet<usize> {
    let mut covered = BTreeSet::new();
    for theirs in stored.iter().filter(|stored| !stored.is_ours() && !keys.contains(stored.row.as_str())) {
        let alike = wanted.iter().enumerate().filter(|(at, _)| !covered.contains(at));
        let alike = alike.filter_map(|(at, row)| Some((theirs.agrees(row)?, at)));
        covered.extend(alike.max_by_key(|(same, at)| (*same, usize::MAX - at)).map(|(_, at)| at));
    }
    covered
}

fn row_of(row: &SpektateRow, key: &str) -> Box<serde_json::value::RawValue> {
    let mut columns: Map<String, Value> =
        row.columns.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    columns.insert("PartitionKey".to_owned(), json!(row.partition));
    columns.insert("RowKey".to_owned(), json!(key));
    entity(&columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, tag: &str) -> SpektateRow {
        let columns = BTreeMap::from([("imageTag", tag.to_owned()), ("writtenBy", WRITER.to_owned())]);
        SpektateRow { partition: "shop".to_owned(), row: key.to_owned(), former: Vec::new(), columns }
    }

    fn stored(key: &str, columns: &[(&str, &str)]) -> Stored {
        let service =
            [("PartitionKey", "shop"), ("Timestamp", "2025-06-12"), ("odata.type", "x"), ("Timestamp@odata.type", "y")];
        let all = service.iter().chain(columns).map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        Stored { row: key.to_owned(), etag: "e".to_owned(), columns: all }
    }

    fn planned(wanted: &[SpektateRow], stored: &[Stored]) -> (Published, Vec<&'static str>) {
        let wanted: Vec<_> = wanted.iter().collect();
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

    /// `bedrock deployment create` replaces a row as a whole; or makes one of its own.
    #[test]
    fn a_change_has_one_row_whoever_else_writes() {
        let with = |key: &str, columns: &[(&'static str, &str)]| {
            let all = columns.iter().map(|(name, value)| (*name, (*value).to_owned()));
            let mark = [("writtenBy", WRITER.to_owned())];
            SpektateRow { columns: all.chain(mark).collect(), ..row(key, "") }
        };
        let wanted =
            [with("a", &[("p1", "1"), ("p2", "1"), ("imageTag", "shop-web:main-1"), ("hldCommitId", "abcdef0")])];
        let ours = stored("a", &[("p1", "1"), ("writtenBy", WRITER)]);
        let as_theirs = |key: &str| stored(key, &[("p1", "1"), ("p2", ""), ("imageTag", "web:main-1"), ("pr", "7")]);
        let left = |foreign, deleted| Published { foreign, deleted, ..Published::default() };
        let (published, operations) = planned(&wanted, &[as_theirs("a")]);
        assert_eq!((published.foreign, operations), (0, vec!["replace"]), "it is ours again");
        assert_eq!(planned(&wanted, &[as_theirs("x")]), (left(1, 0), vec![]), "theirs is enough");
        assert_eq!(planned(&wanted, &[as_theirs("x"), ours]), (left(1, 1), vec!["delete"]));
        for other in [
            &[("p1", "2"), ("imageTag", "web:main-1")][..],
            &[("p1", "1"), ("imageTag", "web:main-2")],
            &[("p1", "1"), ("hldCommitId", "abcdef1")],
            &[("p1", ""), ("imageTag", "web:main-1")],
        ] {
            assert_eq!(planned(&wanted, &[stored("x", other)]).1, ["insert"], "{other:?} is another change");
            let (published, operations) = planned(&wanted, &[stored("a", other)]);
            assert_eq!((published.foreign, operations), (1, vec![]), "{other:?} is not ours");
        }
        let twice = [wanted[0].clone(), with("b", &[("p1", "1"), ("hldCommitId", "1234567")])];
        assert_eq!(planned(&twice, &[as_theirs("x")]).1, ["insert"], "of two that it may be of, it stands for one");
    }

    #[test]
    fn a_row_stays_where_it_is_when_its_key_would_be_another() {
        let ours = |key: &str, tag| stored(key, &[("imageTag", tag), ("writtenBy", WRITER)]);
        let wanted = [SpektateRow { former: vec!["old".to_owned()], ..row("new", "x:1") }];
        assert_eq!(planned(&wanted, &[ours("old", "x:0")]).1, ["replace"]);
        assert_eq!(planned(&wanted, &[ours("old", "x:1")]).0.unchanged, 1);
        assert_eq!(planned(&wanted, &[ours("old", "x:1"), ours("new", "x:1")]).1, ["delete"], "one is enough");
        assert_eq!(planned(&wanted, &[stored("old", &[("imageTag", "x:1")])]).1, ["insert"], "that is somebody else's");
        let both = [wanted[0].clone(), row("old", "x:2")];
        assert_eq!(planned(&both, &[ours("old", "x:1")]).1, ["insert", "replace"], "another row has that key now");
    }
}
