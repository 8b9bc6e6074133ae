//! Requests to the table, one function a kind.

use azure_core::Etag;
use azure_data_tables::IfMatchCondition;
use azure_data_tables::clients::TableClient;
use futures_util::StreamExt;
use serde_json::value::RawValue;

use super::entity::{Entity, NewEntity};
use crate::azure::AzureError;

/// More operations or more bytes the service does not take at once. Below its 4 MiB, for what stands around a row.
pub(super) const MOST_OPERATIONS: usize = 100;
pub(super) const MOST_BYTES: usize = 3 << 20;
/// What stands around a row in a transaction: addresses and headers, with keys of up to 1 KiB.
const AROUND: usize = 2_048;
/// A page of an answer has no more rows.
const PAGE: usize = 1_000;

/// A part of a transaction, which writes each row at most once.
#[derive(Debug)]
pub(super) enum Operation {
    /// Fails where there is such a row.
    Insert { entity: Box<RawValue> },
    /// Fails where the row is another one by now.
    Replace { row: String, entity: Box<RawValue>, etag: String },
    /// Fails never: the row is so afterwards.
    Put { row: String, entity: Box<RawValue> },
    /// Fails where the row is gone, or is another one than this.
    Delete { row: String, etag: Option<String> },
}

impl Operation {
    /// About, on the wire.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Insert { entity } | Self::Replace { entity, .. } | Self::Put { entity, .. } => {
                AROUND + entity.get().len()
            }
            Self::Delete { .. } => AROUND,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Table(TableClient);

impl Table {
    pub(super) fn new(client: TableClient) -> Self {
        Self(client)
    }

    pub(super) fn name(&self) -> &str {
        self.0.table_name()
    }

    /// Makes the table if it is not there.
    pub(super) async fn create(&self) -> Result<(), AzureError> {
        match self.0.create().await.map_err(AzureError::from) {
            Err(error) if !error.is("TableAlreadyExists") => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The row, or these columns of it.
    pub(super) async fn get(
        &self,
        partition: &str,
        row: &str,
        columns: Option<&'static str>,
    ) -> Result<Option<Entity>, AzureError> {
        let mut get = self.0.partition_key_client(partition).entity_client(row).get::<Entity>();
        if let Some(columns) = columns {
            get = get.select(columns);
        }
        match get.await.map_err(AzureError::from) {
            Ok(found) => {
                let mut row = found.entity;
                row.etag = found.etag.to_string();
                Ok(Some(row))
            }
            Err(error) if error.is("ResourceNotFound") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The first rows that `filter` lets through, in the table's order. A page may be empty with more behind it.
    pub(super) async fn rows(
        &self,
        filter: String,
        columns: Option<&'static str>,
        most: usize,
    ) -> Result<Vec<Entity>, AzureError> {
        let mut query = self.0.query().filter(filter).top(u32::try_from(most.min(PAGE)).unwrap_or(1));
        if let Some(columns) = columns {
            query = query.select(columns);
        }
        let (mut pages, mut rows) = (query.into_stream::<Entity>(), Vec::new());
        while rows.len() < most
            && let Some(page) = pages.next().await
        {
            rows.extend(page.map_err(AzureError::from)?.entities);
        }
        rows.truncate(most);
        Ok(rows)
    }

    /// All of these or none. Answers each row's new version.
    pub(super) async fn transact<'a>(
        &self,
        partition: &str,
        operations: impl IntoIterator<Item = &'a Operation> + Send,
    ) -> Result<Vec<Option<Etag>>, AzureError> {
        let mut all = self.0.partition_key_client(partition).transaction();
        for operation in operations {
            let matches = |etag: &String| Some(IfMatchCondition::Etag(Etag::from(etag.clone())));
            all = match operation {
                Operation::Insert { entity } => all.insert(entity),
                Operation::Replace { row, entity, etag } => all.update(row, entity, matches(etag)),
                Operation::Put { row, entity } => all.insert_or_replace(row, entity),
                Operation::Delete { row, etag } => all.delete(row, etag.as_ref().and_then(matches)),
            }?;
        }
        let answer = all.into_future().await?;
        Ok(answer.operation_responses.into_iter().map(|operation| operation.etag).collect())
    }

    /// Writes the row by itself, whatever stands there: in transactions Azurite forgives a right that is missing. Only
    /// for ASCII: of such a request it garbles the letters that two chunks of its body share.
    pub(super) async fn put(&self, partition: &str, row: &str, entity: NewEntity) -> Result<(), AzureError> {
        let place = self.0.partition_key_client(partition).entity_client(row);
        place.insert_or_replace(entity.json())?.await?;
        Ok(())
    }
}
