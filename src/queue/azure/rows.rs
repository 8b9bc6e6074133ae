//! The rows of one table, and what its errors mean.

use azure_core::Etag;
use azure_data_tables::IfMatchCondition;
use azure_data_tables::clients::{EntityClient, TableClient};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fault::fault;
use crate::azure::{AzureError, Services, key_in_url};
use crate::queue::QueueError;

#[derive(Clone)]
pub(super) struct Rows {
    table: TableClient,
    place: String,
}

impl Rows {
    pub(super) fn new(services: &Services, name: &str) -> Self {
        Self { table: services.table(name), place: format!("table `{name}`") }
    }

    pub(super) async fn create(&self) -> Result<(), QueueError> {
        match self.table.create().await.map_err(AzureError::from) {
            Ok(_) => Ok(()),
            Err(error) if error.is("TableAlreadyExists") => Ok(()),
            Err(error) => Err(self.fault(error)),
        }
    }

    /// `false` where there is such a row already; it is left as it is.
    pub(super) async fn insert(&self, row: &Value) -> Result<bool, QueueError> {
        let insert = self.table.insert::<_, Value>(row).map_err(|error| self.fault(error.into()))?;
        match insert.return_entity(false).await.map_err(AzureError::from) {
            Ok(_) => Ok(true),
            Err(error) if error.is("EntityAlreadyExists") => Ok(false),
            Err(error) => Err(self.fault(error)),
        }
    }

    /// Writes the row, whether or not there is one.
    pub(super) async fn put(&self, partition: &str, row: &str, entity: &Value) -> Result<(), QueueError> {
        let put = self.entity(partition, row).insert_or_replace(entity).map_err(|error| self.fault(error.into()))?;
        put.await.map_err(|error| self.fault(error.into()))?;
        Ok(())
    }

    /// `false` where the row is another one by now, or gone.
    pub(super) async fn replace(
        &self,
        partition: &str,
        row: &str,
        entity: &Value,
        etag: Etag,
    ) -> Result<bool, QueueError> {
        let only_if = IfMatchCondition::Etag(etag);
        let update = self.entity(partition, row).update(entity, only_if).map_err(|error| self.fault(error.into()))?;
        match update.await.map_err(AzureError::from) {
            Ok(_) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(self.fault(error)),
        }
    }

    pub(super) async fn get<T>(&self, partition: &str, row: &str) -> Result<Option<(T, Etag)>, QueueError>
    where
        T: DeserializeOwned + Send,
    {
        match self.entity(partition, row).get::<T>().await.map_err(AzureError::from) {
            Ok(answer) => Ok(Some((answer.entity, answer.etag))),
            Err(error) if error.is("ResourceNotFound") => Ok(None),
            Err(error) => Err(self.fault(error)),
        }
    }

    /// Whether there was one.
    pub(super) async fn delete(&self, partition: &str, row: &str) -> Result<bool, QueueError> {
        match self.entity(partition, row).delete().await.map_err(AzureError::from) {
            Ok(_) => Ok(true),
            Err(error) if error.is("ResourceNotFound") => Ok(false),
            Err(error) => Err(self.fault(error)),
        }
    }

    /// All rows of a partition, or these columns of them.
    pub(super) async fn all<T>(&self, partition: &str, columns: Option<&'static str>) -> Result<Vec<T>, QueueError>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        // Quotes are doubled here too.
        let mut query = self.table.query().filter(format!("PartitionKey eq '{}'", key_in_url(partition)));
        if let Some(columns) = columns {
            query = query.select(columns);
        }
        let mut pages = query.into_stream::<T>();
        let mut rows = Vec::new();
        while let Some(page) = pages.next().await {
            rows.extend(page.map_err(|error| self.fault(error.into()))?.entities);
        }
        Ok(rows)
    }

    fn entity(&self, partition: &str, row: &str) -> EntityClient {
        self.table.partition_key_client(key_in_url(partition)).entity_client(key_in_url(row))
    }

    fn fault(&self, error: AzureError) -> QueueError {
        fault(&self.place, error)
    }
}
