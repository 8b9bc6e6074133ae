//! The time below which facts create no record.
//!
//! A writer reads it once in a while and not with every insert, so one that was raised is not heeded everywhere at once.
//! What bounds that: a floor that was read is used for [`FRESH`], an insert that was weighed against it is sent before
//! [`STALE`] and given up after [`MOST_INSERT`], and [the service][time-outs] ends a request after 30 s at the latest.
//! Whoever removes records waits for so long ([`HEEDED`]).
//!
//! [time-outs]: https://learn.microsoft.com/en-us/rest/api/storageservices/setting-timeouts-for-table-service-operations

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::entity::{self, NewEntity};
use crate::azure::{AzureError, Operation, Table};
use crate::clock::Clock;
use crate::domain::Time;

/// What is not about one record stands in this partition.
pub(super) const META: &str = "meta";
const ROW: &str = "floor";
const TICKS: &str = "ticks";

/// For so long a floor that was read is not read again.
const FRESH: Duration = Duration::from_secs(10);
/// After so long no insert may be sent that was weighed against it.
const STALE: Duration = Duration::from_secs(15);
/// So long an insert may take with all its tries.
pub(super) const MOST_INSERT: Duration = Duration::from_secs(15);
/// The service's own limit.
const MOST_REQUEST: Duration = Duration::from_secs(30);
/// So long after a floor was raised, no record comes any more that lies below.
const HEEDED: Duration = STALE.saturating_add(MOST_INSERT).saturating_add(MOST_REQUEST);

#[derive(Debug)]
pub(super) struct Floor {
    table: Table,
    clock: Arc<dyn Clock>,
    seen: Mutex<Option<Seen>>,
}

/// The floor at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) floor: Time,
    at: Time,
}

impl Floor {
    pub(super) fn new(table: Table, clock: Arc<dyn Clock>) -> Self {
        Self { table, clock, seen: Mutex::default() }
    }

    pub(super) async fn get(&self) -> Result<Seen, AzureError> {
        let now = self.clock.now();
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = seen.filter(|seen| now.since(seen.at) < FRESH) {
            return Ok(seen);
        }
        Ok(self.note(self.read().await?.0, now))
    }

    /// As it is now, whoever asked before; `None` where it was never raised.
    pub(super) async fn now(&self) -> Result<Option<Time>, AzureError> {
        let (floor, etag) = self.read().await?;
        Ok(etag.map(|_| floor))
    }

    /// Whether an insert that was weighed against this one comes too late.
    pub(super) fn is_stale(&self, seen: Seen) -> bool {
        self.clock.now().since(seen.at) > STALE
    }

    /// Sets it to `to` if it is lower. A conflict is somebody who does the same. Answers how long it takes until all
    /// heed it.
    pub(super) async fn raise(&self, to: Time) -> Result<Duration, AzureError> {
        loop {
            let (floor, etag) = self.read().await?;
            if floor >= to && etag.is_some() {
                self.note(floor, self.clock.now());
                return Ok(HEEDED);
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
        let row = entity::get(&self.table, META, ROW, None).await?;
        let floor = row.as_ref().and_then(|row| row.integer(TICKS)).map_or(Time::UNKNOWN, Time::from_ticks);
        Ok((floor, row.map(|row| row.etag)))
    }

    fn note(&self, floor: Time, at: Time) -> Seen {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(Seen { floor, at })
    }
}
