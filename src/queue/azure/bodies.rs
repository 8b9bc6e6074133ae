//! Bodies in rows of the table: those of dead letters, and those that are too large for a message.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Map, Value, json};

use super::AT_ONCE;
use super::rows::Rows;
use super::text::Stored;
use crate::queue::QueueError;

/// The most that one property holds, in bytes.
pub(super) const CHUNK: usize = 64 * 1024;
/// Chunks of one row: it may have 1 MiB with all its names, and Azurite counts that in base64.
const CHUNKS: usize = 11;
const ROW: usize = CHUNK * CHUNKS;

pub(super) struct Bodies {
    rows: Rows,
    /// Whose they are: what the queue points to must not be able to name a dead letter's.
    kind: &'static str,
}

impl Bodies {
    pub(super) fn new(rows: Rows, kind: &'static str) -> Self {
        Self { rows, kind }
    }

    fn partition(&self, id: &str) -> String {
        format!("{}|{id}", self.kind)
    }

    pub(super) async fn write(&self, id: &str, body: &[u8]) -> Result<(), QueueError> {
        let partition = self.partition(id);
        for (number, bytes) in body.chunks(ROW).enumerate() {
            let row = number.to_string();
            self.rows.put(&partition, &row, &entity(&partition, &row, bytes)).await?;
        }
        Ok(())
    }

    /// `None` if it is not there, or not all of it.
    pub(super) async fn read(&self, Stored { id, size }: &Stored) -> Result<Option<Vec<u8>>, QueueError> {
        let partition = self.partition(id);
        let mut body = Vec::new();
        for number in 0..size.div_ceil(ROW) {
            let Some((entity, _)) = self.rows.get::<Map<String, Value>>(&partition, &number.to_string()).await? else {
                return Ok(None);
            };
            bytes(&entity, &mut body);
        }
        Ok((body.len() == *size).then_some(body))
    }

    pub(super) async fn remove(&self, Stored { id, size }: &Stored) -> Result<(), QueueError> {
        let partition = &self.partition(id);
        let rows = stream::iter(0..size.div_ceil(ROW));
        let delete = |number: usize| async move { self.rows.delete(partition, &number.to_string()).await };
        rows.map(delete).buffer_unordered(AT_ONCE).try_collect().await
    }
}

fn entity(partition: &str, row: &str, bytes: &[u8]) -> Value {
    let mut entity = Map::new();
    entity.insert("PartitionKey".to_owned(), json!(partition));
    entity.insert("RowKey".to_owned(), json!(row));
    for (number, chunk) in bytes.chunks(CHUNK).enumerate() {
        entity.insert(format!("body{number}"), json!(base64_simd::STANDARD.encode_to_string(chunk)));
        entity.insert(format!("body{number}@odata.type"), json!("Edm.Binary"));
    }
    Value::Object(entity)
}

/// Appends what the row holds, up to what is damaged: the size tells.
fn bytes(entity: &Map<String, Value>, body: &mut Vec<u8>) {
    let chunks = (0..CHUNKS).map_while(|number| entity.get(&format!("body{number}"))?.as_str());
    for chunk in chunks {
        let Ok(chunk) = base64_simd::STANDARD.decode_to_vec(chunk) else { return };
        body.extend_from_slice(&chunk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_gives_back_its_bytes() {
        for size in [1, CHUNK, CHUNK + 1, ROW] {
            let given: Vec<u8> = (0..=250).cycle().take(size).collect();
            let Value::Object(entity) = entity("p", "0", &given) else { panic!("a row is an object") };
            let mut found = Vec::new();
            bytes(&entity, &mut found);
            assert_eq!(found, given, "{size}");
        }
    }
}
