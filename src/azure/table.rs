//! Requests to one table, one function a kind.
//!
//! A transaction is the way to write: it says which operation failed, and of a request by itself Azurite garbles the
//! letters that two chunks of its body share. [`Table::put`] is for rows of ASCII alone.

use azure_core::Etag;
use azure_data_tables::IfMatchCondition;
use azure_data_tables::clients::{EntityClient, PartitionKeyClient, TableClient};
use futures_util::StreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{AzureError, Services, key_in_url};

/// More operations [the service][limits] does not take at once.
///
/// [limits]: https://learn.microsoft.com/en-us/rest/api/storageservices/performing-entity-group-transactions
pub const MOST_OPERATIONS: usize = 100;
/// Nor more bytes. Below its 4 MiB, for what stands around all operations.
pub const MOST_BYTES: usize = 3 << 20;
/// What stands around a row in a transaction: addresses and headers, with keys of up to 1 KiB.
const AROUND: usize = 2_048;
/// A page of an answer has no more rows.
const PAGE: usize = 1_000;

/// A part of a transaction, which writes each row at most once.
#[derive(Debug)]
pub enum Operation {
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
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Insert { entity } | Self::Replace { entity, .. } | Self::Put { entity, .. } => {
                AROUND + entity.get().len()
            }
            Self::Delete { .. } => AROUND,
        }
    }
}

/// A row as it is sent.
#[must_use]
pub fn entity(columns: &impl Serialize) -> Box<RawValue> {
    // Maps of texts and numbers cannot fail to be written; what came out if they did, the service would refuse.
    serde_json::value::to_raw_value(columns).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// A table of the account.
#[derive(Debug, Clone)]
pub struct Table(TableClient);

impl Table {
    #[must_use]
    pub fn new(services: &Services, name: &str) -> Self {
        Self(services.table(name))
    }

    #[must_use]
    pub fn name(&self) -> &str {
        self.0.table_name()
    }

    /// Makes the table if it is not there.
    ///
    /// # Errors
    /// When the service does not do it.
    pub async fn create(&self) -> Result<(), AzureError> {
        match self.0.create().await.map_err(AzureError::from) {
            Err(error) if !error.is("TableAlreadyExists") => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The row, or these columns of it, and its version.
    ///
    /// # Errors
    /// When the table is not there, or the row is not of this type.
    pub async fn get<T: DeserializeOwned + Send>(
        &self,
        partition: &str,
        row: &str,
        columns: Option<&'static str>,
    ) -> Result<Option<(T, Etag)>, AzureError> {
        let mut get = self.row(partition, row).get::<T>();
        if let Some(columns) = columns {
            get = get.select(columns);
        }
        match get.await.map_err(AzureError::from) {
            Ok(found) => Ok(Some((found.entity, found.etag))),
            Err(error) if error.is("ResourceNotFound") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The first rows that `filter` lets through, in the table's order. A page may be empty with more behind it.
    ///
    /// # Errors
    /// When the table is not there, or a row is not of this type.
    pub async fn rows<T: DeserializeOwned + Send + Sync + 'static>(
        &self,
        filter: String,
        columns: Option<&'static str>,
        most: usize,
    ) -> Result<Vec<T>, AzureError> {
        let mut query = self.0.query().filter(filter).top(u32::try_from(most.min(PAGE)).unwrap_or(1));
        if let Some(columns) = columns {
            query = query.select(columns);
        }
        let (mut pages, mut rows) = (query.into_stream::<T>(), Vec::new());
        while rows.len() < most
            && let Some(page) = pages.next().await
        {
            rows.extend(page.map_err(AzureError::from)?.entities);
        }
        rows.truncate(most);
        Ok(rows)
    }

    /// All of these, which are rows of one partition, or none. Answers each row's new version.
    ///
    /// # Errors
    /// With the operation that failed.
    pub async fn transact<'a>(
        &self,
        partition: &str,
        operations: impl IntoIterator<Item = &'a Operation> + Send,
    ) -> Result<Vec<Option<Etag>>, AzureError> {
        let mut all = self.partition(partition).transaction();
        for operation in operations {
            let matches = |etag: &String| Some(IfMatchCondition::Etag(Etag::from(etag.clone())));
            all = match operation {
                Operation::Insert { entity } => all.insert(entity),
                Operation::Replace { row, entity, etag } => all.update(key_in_url(row), entity, matches(etag)),
                Operation::Put { row, entity } => all.insert_or_replace(key_in_url(row), entity),
                Operation::Delete { row, etag } => all.delete(key_in_url(row), etag.as_ref().and_then(matches)),
            }?;
        }
        let answer = all.into_future().await?;
        Ok(answer.operation_responses.into_iter().map(|operation| operation.etag).collect())
    }

    /// Writes the row by itself, whatever stands there. In transactions Azurite forgives a right that is missing.
    ///
    /// # Errors
    /// When the service does not do it.
    pub async fn put(&self, partition: &str, row: &str, entity: &RawValue) -> Result<(), AzureError> {
        self.row(partition, row).insert_or_replace(entity)?.await?;
        Ok(())
    }

    /// Deletes the row, if there is one.
    ///
    /// # Errors
    /// When the service does not do it.
    pub async fn delete(&self, partition: &str, row: &str) -> Result<(), AzureError> {
        match self.row(partition, row).delete().await.map_err(AzureError::from) {
            Err(error) if !error.is("ResourceNotFound") => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn partition(&self, partition: &str) -> PartitionKeyClient {
        self.0.partition_key_client(key_in_url(partition))
    }

    fn row(&self, partition: &str, row: &str) -> EntityClient {
        self.partition(partition).entity_client(key_in_url(row))
    }
}
