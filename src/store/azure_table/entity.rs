//! Rows of the table as JSON.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// A string property holds 64 KiB of UTF-16.
const MOST_UNITS: usize = 32_000;

/// A row to write.
#[derive(Debug)]
pub(super) struct NewEntity(Map<String, Value>);

impl NewEntity {
    pub(super) fn new(partition: &str, row: &str) -> Self {
        let mut columns = Map::new();
        columns.insert("PartitionKey".to_owned(), partition.into());
        columns.insert("RowKey".to_owned(), row.into());
        Self(columns)
    }

    #[must_use]
    pub(super) fn text(mut self, column: &str, value: &str) -> Self {
        self.0.insert(column.to_owned(), value.into());
        self
    }

    /// A whole number of 64 bits, which JSON has to write as a text.
    #[must_use]
    pub(super) fn integer(self, column: &str, value: i64) -> Self {
        self.typed(column, value.to_string(), "Edm.Int64")
    }

    #[must_use]
    pub(super) fn typed(mut self, column: &str, value: String, of: &str) -> Self {
        self.0.insert(column.to_owned(), value.into());
        self.0.insert(format!("{column}@odata.type"), of.into());
        self
    }

    /// A text of any length, in as many columns as it takes: `body0`, `body1` and so on.
    #[must_use]
    pub(super) fn body(mut self, text: &str) -> Self {
        for (number, piece) in pieces(text).into_iter().enumerate() {
            self.0.insert(format!("body{number}"), piece.into());
        }
        self
    }

    /// As it is sent.
    pub(super) fn json(self) -> Box<RawValue> {
        // A map of texts cannot fail to be written; what came out if it did, the service would refuse.
        serde_json::value::to_raw_value(&self.0).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }
}

/// A row that was read.
#[derive(Debug, Deserialize)]
pub(super) struct Entity {
    #[serde(rename = "PartitionKey", default)]
    pub(super) partition: String,
    #[serde(rename = "RowKey", default)]
    pub(super) row: String,
    #[serde(rename = "odata.etag", default)]
    pub(super) etag: String,
    #[serde(flatten)]
    columns: Map<String, Value>,
}

impl Entity {
    pub(super) fn integer(&self, column: &str) -> Option<i64> {
        self.columns.get(column)?.as_str()?.parse().ok()
    }

    pub(super) fn text(&self, column: &str) -> Option<&str> {
        self.columns.get(column)?.as_str()
    }

    /// What [`NewEntity::body`] wrote.
    pub(super) fn body(&self) -> String {
        (0_usize..).map_while(|number| self.columns.get(&format!("body{number}"))?.as_str()).collect()
    }
}

/// The text in parts that a property can hold.
fn pieces(text: &str) -> Vec<&str> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    loop {
        let mut units = 0;
        let end = rest.char_indices().find(|(_, character)| {
            units += character.len_utf16();
            units > MOST_UNITS
        });
        let Some((piece, next)) = end.and_then(|(at, _)| rest.split_at_checked(at)) else {
            pieces.push(rest);
            return pieces;
        };
        pieces.push(piece);
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(new: NewEntity) -> Entity {
        serde_json::from_str(new.json().get()).unwrap()
    }

    #[test]
    fn a_long_text_comes_back_whole() {
        for text in [String::new(), "x".repeat(32_000), "x".repeat(100_001), "\u{1f600}\u{fc}\"".repeat(30_000)] {
            let found = read(NewEntity::new("p", "r").body(&text));
            assert!(found.body() == text);
            let lengths = pieces(&text).into_iter().map(|piece| piece.encode_utf16().count());
            assert!(lengths.into_iter().all(|units| units <= MOST_UNITS));
        }
    }

    #[test]
    fn whole_numbers_keep_all_their_digits() {
        let found = read(NewEntity::new("p", "r").integer("ended", i64::MAX));
        assert_eq!(found.integer("ended"), Some(i64::MAX));
        assert_eq!(found.columns.get("ended@odata.type"), Some(&json!("Edm.Int64")));
        assert_eq!((found.partition.as_str(), found.row.as_str(), found.integer("at")), ("p", "r", None));
    }
}
