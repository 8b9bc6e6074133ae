//! The rows of one table, and what its errors mean.

use azure_core::{Etag, Result as Answer};
use azure_data_tables::IfMatchCondition;
use azure_data_tables::clients::{EntityClient, PartitionKeyClient, TableClient};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::place::Place;
use crate::azure::{AzureError, Services, key_in_url};
use crate::queue::QueueError;

/// A page of an answer has no more rows.
const PAGE: usize = 1_000;

#[derive(Clone)]
pub(super) struct Rows {
    table: TableClient,
    place: Place,
}

impl Rows {
    /// With `anew` the table is made again when it is found to be gone.
    pub(super) fn new(services: &Services, name: &str, anew: bool) -> Self {
        Self { table: services.table(name), place: Place::new(format!("table `{name}`"), anew) }
    }

    pub(super) async fn create(&self) -> Result<(), QueueError> {
        self.make().await.map_err(|error| self.place.fault(error))
    }

    async fn make(&self) -> Result<(), AzureError> {
        match self.table.create().await.map_err(AzureError::from) {
            Ok(_) => Ok(()),
            Err(error) if error.is("TableAlreadyExists") => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// All of these, which are rows of one partition, or none: `false` where one of them is there already.
    pub(super) async fn insert(&self, partition: &str, rows: &[Value]) -> Result<bool, QueueError> {
        let mut insert = self.partition(partition).transaction();
        for row in rows {
            insert = self.built(insert.insert(row))?;
        }
        self.unless(insert, "EntityAlreadyExists").await
    }

    /// All of these or none: `false` where one of them is gone already.
    pub(super) async fn delete_all(&self, partition: &str, rows: &[&str]) -> Result<bool, QueueError> {
        let mut delete = self.partition(partition).transaction();
        for row in rows {
            delete = self.built(delete.delete(key_in_url(row), None))?;
        }
        self.unless(delete, "ResourceNotFound").await
    }

    /// Writes the row, whether or not there is one.
    pub(super) async fn put(&self, partition: &str, row: &str, entity: &Value) -> Result<(), QueueError> {
        let put = self.built(self.entity(partition, row).insert_or_replace(entity))?;
        self.ask(put).await.map_err(|error| self.place.fault(error))?;
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
        let update = self.built(self.entity(partition, row).update(entity, only_if))?;
        match update.await.map_err(AzureError::from) {
            Ok(_) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(self.place.fault(error)),
        }
    }

    pub(super) async fn get<T>(&self, partition: &str, row: &str) -> Result<Option<(T, Etag)>, QueueError>
    where
        T: DeserializeOwned + Send + Clone,
    {
        match self.ask(self.entity(partition, row).get::<T>()).await {
            Ok(answer) => Ok(Some((answer.entity, answer.etag))),
            Err(error) if error.is("ResourceNotFound") => Ok(None),
            Err(error) => Err(self.place.fault(error)),
        }
    }

    /// Deletes the row, if there is one.
    pub(super) async fn delete(&self, partition: &str, row: &str) -> Result<(), QueueError> {
        self.unless(self.entity(partition, row).delete(), "ResourceNotFound").await?;
        Ok(())
    }

    /// The first rows of those that pass, in the order of their keys. A page may be empty with more behind it.
    pub(super) async fn query<T>(
        &self,
        filter: String,
        columns: Option<&'static str>,
        most: usize,
    ) -> Result<Vec<T>, QueueError>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let mut query = self.table.query().filter(filter).top(u32::try_from(most.min(PAGE)).unwrap_or(1));
        if let Some(columns) = columns {
            query = query.select(columns);
        }
        let (mut pages, mut rows) = (query.into_stream::<T>(), Vec::new());
        while rows.len() < most
            && let Some(page) = pages.next().await
        {
            rows.extend(page.map_err(|error| self.place.fault(error.into()))?.entities);
        }
        rows.truncate(most);
        Ok(rows)
    }

    async fn ask<T>(&self, ask: impl IntoFuture<Output = Answer<T>> + Clone) -> Result<T, AzureError> {
        self.place.ask(ask, self.make()).await
    }

    /// `false` where the service answers with this code.
    async fn unless<T>(
        &self,
        ask: impl IntoFuture<Output = Answer<T>> + Clone,
        code: &str,
    ) -> Result<bool, QueueError> {
        match self.ask(ask).await {
            Ok(_) => Ok(true),
            Err(error) if error.is(code) => Ok(false),
            Err(error) => Err(self.place.fault(error)),
        }
    }

    fn partition(&self, partition: &str) -> PartitionKeyClient {
        self.table.partition_key_client(key_in_url(partition))
    }

    fn entity(&self, partition: &str, row: &str) -> EntityClient {
        self.partition(partition).entity_client(key_in_url(row))
    }

    /// A request, unless it cannot even be written down.
    fn built<T>(&self, built: Answer<T>) -> Result<T, QueueError> {
        built.map_err(|error| self.place.fault(error.into()))
    }
}
