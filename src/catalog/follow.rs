//! A replica that is kept up to date while somebody reads it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Catalog, CatalogError, Kept, apply};
use crate::domain::Time;
use crate::store::Store;

/// Between two looks at the change log: what is committed is seen within two seconds.
const EVERY: Duration = Duration::from_secs(1);
/// The same while the store does not answer.
const MOST: Duration = Duration::from_secs(30);

impl Catalog {
    /// Follows the store until the stop. An outage of the store is waited out: readers go on with what is known, and
    /// [`Catalog::as_of`] says from when that is.
    ///
    /// # Errors
    /// When the catalog's own file fails: then it has to be opened anew.
    pub async fn follow(&self, store: &dyn Store, stop: &CancellationToken) -> Result<(), CatalogError> {
        if self.kept == Kept::ByStore {
            stop.cancelled().await;
            return Ok(());
        }
        let mut wait = EVERY;
        while !stop.is_cancelled() {
            let refreshed = stop.run_until_cancelled(self.refresh(store)).await;
            wait = match refreshed {
                None => return Ok(()),
                Some(Ok(())) => EVERY,
                Some(Err(error @ CatalogError::File(_))) => return Err(error),
                Some(Err(error)) => {
                    let next = wait.saturating_mul(2).min(MOST);
                    let wait_ms = next.as_millis();
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        wait_ms,
                        "catalog: not brought up to date"
                    );
                    next
                }
            };
            // Both ends are the same: the loop looks at the stop.
            drop(tokio::time::timeout(wait, stop.cancelled()).await);
        }
        Ok(())
    }

    /// Whether it can be asked: not while it is built for the first time, or anew.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn is_whole(&self) -> Result<bool, CatalogError> {
        match self.kept {
            Kept::ByStore => Ok(true),
            Kept::ByFollowing => Ok(self.file.read(apply::is_whole).await?),
        }
    }

    /// Everything that was committed before then is in it; `None` before the first refresh of this process.
    #[must_use]
    pub fn as_of(&self) -> Option<Time> {
        match self.kept {
            Kept::ByStore => Some(self.file.now()),
            Kept::ByFollowing => self.refreshed.get(),
        }
    }
}
