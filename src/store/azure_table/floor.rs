//! The time below which facts create no record.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::entity::NewEntity;
use super::table::{Operation, Table};
use crate::azure::AzureError;
use crate::clock::Clock;
use crate::domain::Time;

/// What is not about one record stands in this partition.
pub(super) const META: &str = "meta";
const ROW: &str = "floor";
const TICKS: &str = "ticks";

/// So long a floor that another process raised may go unnoticed.
const FRESH: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Floor {
    table: Table,
    clock: Arc<dyn Clock>,
    seen: Mutex<Option<Seen>>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    floor: Time,
    at: Time,
}

impl Floor {
    pub(super) fn new(table: Table, clock: Arc<dyn Clock>) -> Self {
        Self { table, clock, seen: Mutex::default() }
    }

    pub(super) async fn get(&self) -> Result<Time, AzureError> {
        let now = self.clock.now();
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = seen.filter(|seen| now.since(seen.at) < FRESH) {
            return Ok(seen.floor);
        }
        let (floor, _) = self.read().await?;
        self.note(floor, now);
        Ok(floor)
    }

    /// Sets it to `to` if it is lower. A conflict is somebody who does the same.
    pub(super) async fn raise(&self, to: Time) -> Result<(), AzureError> {
        loop {
            let (floor, etag) = self.read().await?;
            if floor >= to && etag.is_some() {
                self.note(floor, self.clock.now());
                return Ok(());
            }
            let entity = NewEntity::new(META, ROW).integer(TICKS, to.ticks()).json();
            let operation = match etag {
                None => Operation::Insert { entity },
                Some(etag) => Operation::Replace { row: ROW.to_owned(), entity, etag },
            };
            match self.table.transact(META, [&operation]).await {
                Err(error) if !error.is_conflict() => return Err(error),
                // Read back: it may be higher still.
                Ok(_) | Err(_) => {}
            }
        }
    }

    async fn read(&self) -> Result<(Time, Option<String>), AzureError> {
        let row = self.table.get(META, ROW, None).await?;
        let floor = row.as_ref().and_then(|row| row.integer(TICKS)).map_or(Time::UNKNOWN, Time::from_ticks);
        Ok((floor, row.map(|row| row.etag)))
    }

    fn note(&self, floor: Time, at: Time) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Seen { floor, at });
    }
}
