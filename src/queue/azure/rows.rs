//! The rows of one table as a queue keeps them, and what errors mean there.

use azure_core::Etag;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::place::Place;
use crate::azure::{AzureError, Operation, Services, Table, entity};
use crate::queue::QueueError;

#[derive(Clone)]
pub(super) struct Rows {
    table: Table,
    place: Place,
}

impl Rows {
    /// With `anew` the table is made again when it is found to be gone.
    pub(super) fn new(services: &Services, name: &str, anew: bool) -> Self {
        Self { table: Table::new(services, name), place: Place::new(format!("table `{name}`"), anew) }
    }

    pub(super) async fn create(&self) -> Result<(), QueueError> {
        self.table.create().await.map_err(|error| self.place.fault(error))
    }

    /// All of these, which are rows of one partition, or none: `false` where one of them is there already.
    pub(super) async fn insert(&self, partition: &str, rows: &[Value]) -> Result<bool, QueueError> {
        let inserts: Vec<_> = rows.iter().map(|row| Operation::Insert { entity: entity(row) }).collect();
        self.transact(partition, &inserts).await
    }

    /// All of these or none: `false` where one of them is gone already.
    pub(super) async fn delete_all(&self, partition: &str, rows: &[&str]) -> Result<bool, QueueError> {
        let delete = |row: &&str| Operation::Delete { row: (*row).to_owned(), etag: None };
        self.transact(partition, &rows.iter().map(delete).collect::<Vec<_>>()).await
    }

    /// `false` where the row is another one by now, or gone.
    pub(super) async fn replace(
        &self,
        partition: &str,
        row: &str,
        new: &Value,
        etag: &Etag,
    ) -> Result<bool, QueueError> {
        let (row, etag) = (row.to_owned(), etag.to_string());
        self.transact(partition, &[Operation::Replace { row, entity: entity(new), etag }]).await
    }

    /// Writes the row, whether or not there is one. Only ASCII.
    pub(super) async fn put(&self, partition: &str, row: &str, new: &Value) -> Result<(), QueueError> {
        let new = entity(new);
        self.ask(|| self.table.put(partition, row, &new)).await
    }

    pub(super) async fn get<T>(&self, partition: &str, row: &str) -> Result<Option<(T, Etag)>, QueueError>
    where
        T: DeserializeOwned + Send,
    {
        self.ask(|| self.table.get(partition, row, None)).await
    }

    /// Deletes the row, if there is one.
    pub(super) async fn delete(&self, partition: &str, row: &str) -> Result<(), QueueError> {
        self.ask(|| self.table.delete(partition, row)).await
    }

    /// The first rows of those that pass, in the order of their keys.
    pub(super) async fn query<T>(
        &self,
        filter: String,
        columns: Option<&'static str>,
        most: usize,
    ) -> Result<Vec<T>, QueueError>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        self.table.rows(filter, columns, most).await.map_err(|error| self.place.fault(error))
    }

    /// `false` where somebody else was first.
    async fn transact(&self, partition: &str, operations: &[Operation]) -> Result<bool, QueueError> {
        let transact = || self.table.transact(partition, operations);
        match self.place.ask(transact, self.table.create()).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(self.place.fault(error)),
        }
    }

    async fn ask<T, F>(&self, ask: impl Fn() -> F) -> Result<T, QueueError>
    where
        F: Future<Output = Result<T, AzureError>>,
    {
        self.place.ask(ask, self.table.create()).await.map_err(|error| self.place.fault(error))
    }
}
