//! Rows of the table as JSON.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::azure::{AzureError, Table};

/// A string property holds 64 KiB of UTF-16.
const MOST_UNITS: usize = 32_000;
/// A binary property holds 64 KiB.
const MOST_BYTES: usize = 64_000;
/// A row holds 1 MiB. A text that takes more bytes is written in binary, which needs half the room of UTF-16; a shorter
/// one stays readable for people.
const MOST_TEXT: usize = 200_000;

/// A row to write: JSON whose object is still open. A worker makes one for each fact, and a map of texts takes more of
/// its time than the writing.
#[derive(Debug)]
pub(super) struct NewEntity(Vec<u8>);

impl NewEntity {
    pub(super) fn new(partition: &str, row: &str) -> Self {
        let mut entity = Self(vec![b'{']);
        entity.member("PartitionKey", partition);
        entity.0.push(b',');
        entity.member("RowKey", row);
        entity
    }

    #[must_use]
    pub(super) fn text(mut self, column: &str, value: &str) -> Self {
        self.0.push(b',');
        self.member(column, value);
        self
    }

    /// A whole number of 64 bits, which JSON has to write as a text.
    #[must_use]
    pub(super) fn integer(self, column: &str, value: i64) -> Self {
        self.typed(column, &value.to_string(), "Edm.Int64")
    }

    #[must_use]
    pub(super) fn typed(self, column: &str, value: &str, of: &str) -> Self {
        self.text(column, value).text(&format!("{column}@odata.type"), of)
    }

    /// A long text, in as many columns as it takes: `body0`, `body1` and so on, or `bytes0`, `bytes1` and so on.
    #[must_use]
    pub(super) fn body(self, text: &str) -> Self {
        if text.len() > MOST_TEXT {
            let pieces = text.as_bytes().chunks(MOST_BYTES).map(|piece| base64_simd::STANDARD.encode_to_string(piece));
            return (0..).zip(pieces).fold(self, |entity, (number, piece): (usize, _)| {
                entity.typed(&format!("bytes{number}"), &piece, "Edm.Binary")
            });
        }
        let pieces = (0..).zip(pieces(text));
        pieces.fold(self, |entity, (number, piece): (usize, _)| entity.text(&format!("body{number}"), piece))
    }

    fn member(&mut self, column: &str, value: &str) {
        // A text cannot fail to be written to memory; what came out if it did, the service would refuse.
        drop(serde_json::to_writer(&mut self.0, column));
        self.0.push(b':');
        drop(serde_json::to_writer(&mut self.0, value));
    }

    /// As it is sent.
    pub(super) fn json(mut self) -> Box<RawValue> {
        self.0.push(b'}');
        let json = String::from_utf8(self.0).ok().and_then(|json| RawValue::from_string(json).ok());
        json.unwrap_or_else(|| RawValue::NULL.to_owned())
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
    pub(super) fn text(&self, column: &str) -> Option<&str> {
        self.columns.get(column)?.as_str()
    }

    pub(super) fn integer(&self, column: &str) -> Option<i64> {
        self.text(column)?.parse().ok()
    }

    /// What [`NewEntity::body`] wrote. Where it is damaged, not all of it: no JSON then.
    pub(super) fn body(&self) -> String {
        let bytes = self.pieces("bytes").map_while(|piece| base64_simd::STANDARD.decode_to_vec(piece).ok());
        let bytes = bytes.collect::<Vec<_>>().concat();
        if bytes.is_empty() { self.pieces("body").collect() } else { String::from_utf8(bytes).unwrap_or_default() }
    }

    fn pieces<'e>(&'e self, column: &'e str) -> impl Iterator<Item = &'e str> {
        (0_usize..).map_while(move |number| self.text(&format!("{column}{number}")))
    }
}

/// The row, or these columns of it.
pub(super) async fn get(
    table: &Table,
    partition: &str,
    row: &str,
    columns: Option<&'static str>,
) -> Result<Option<Entity>, AzureError> {
    let found = table.get::<Entity>(partition, row, columns).await?;
    Ok(found.map(|(row, etag)| Entity { etag: etag.to_string(), ..row }))
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
        let many = "\u{1f600}\u{fc}\"";
        for text in [String::new(), "x".repeat(32_000), "x".repeat(100_001), many.repeat(28_000), many.repeat(100_000)]
        {
            let found = read(NewEntity::new("p", "r").body(&text));
            assert!(found.body() == text);
            assert_eq!(found.columns.contains_key("bytes0@odata.type"), text.len() > MOST_TEXT);
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
