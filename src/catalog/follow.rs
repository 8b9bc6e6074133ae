//! A catalog that is kept up to date while somebody reads it, and tells those who listen what changed.
//!
//! One reader of the change log in a process is enough for both, see [`super::listen`].

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Catalog, CatalogError, Kept, apply, listen};
use crate::domain::Time;
use crate::store::Store;

/// Between two looks at the change log: what is committed is seen within two seconds.
const EVERY: Duration = Duration::from_secs(1);
/// The same where the log is in the file beside us, and a look costs next to nothing.
const EVERY_LOCALLY: Duration = Duration::from_millis(250);
/// Between two times of packing. What was written meanwhile is read row by row.
const PACK_EVERY: Duration = Duration::from_secs(60);
/// The same while the store does not answer.
const MOST: Duration = Duration::from_secs(30);

impl Catalog {
    /// Follows the store until the stop. An outage of the store is waited out: readers go on with what is known, and
    /// [`Catalog::as_of`] says from when that is. A replica that turns out to be damaged is made anew, as is one whose file
    /// cannot be written as soon as it can be.
    pub async fn follow(&self, store: &dyn Store, stop: &CancellationToken) {
        let following = async {
            match self.kept {
                Kept::ByStore => tokio::join!(self.tell_of(store), self.go_on_finishing()).0,
                Kept::ByFollowing => self.keep_up_with(store).await,
            }
        };
        stop.run_until_cancelled(following).await;
    }

    async fn keep_up_with(&self, store: &dyn Store) -> Infallible {
        let (mut wait, mut packed) = (EVERY, None);
        loop {
            wait = match self.mend_and_refresh(store).await {
                Ok(()) => {
                    self.pack_now_and_then(&mut packed).await;
                    EVERY
                }
                Err(error) => {
                    let next = wait.saturating_mul(2).min(MOST);
                    let wait_ms = next.as_millis();
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, wait_ms, "catalog: not brought up to date");
                    next
                }
            };
            // Damage is mended at once, whoever finds it.
            drop(tokio::time::timeout(wait, self.file.damage_found()).await);
        }
    }

    async fn mend_and_refresh(&self, store: &dyn Store) -> Result<(), CatalogError> {
        if self.file.is_damaged() {
            tracing::warn!("catalog: {} is damaged, and is made anew from the store", self.path().display());
            self.file.reopen().await?;
        }
        self.refresh(store).await
    }

    /// The store keeps the catalog, but for what takes long.
    async fn go_on_finishing(&self) -> Infallible {
        let mut packed = None;
        loop {
            if let Err(error) = self.finish().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "catalog: not brought up to date");
            }
            self.pack_now_and_then(&mut packed).await;
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn pack_now_and_then(&self, packed: &mut Option<Instant>) {
        if packed.is_some_and(|packed| packed.elapsed() < PACK_EVERY) {
            return;
        }
        *packed = Some(Instant::now());
        if let Err(error) = self.pack().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "catalog: not packed, metrics take longer");
        }
    }

    /// The store keeps the catalog: only those who listen are to be told, while anybody does.
    async fn tell_of(&self, store: &dyn Store) -> Infallible {
        let mut is_failing = false;
        loop {
            let Some(from) = self.listeners.reached() else {
                self.listeners.joined().await;
                continue;
            };
            let mut more = false;
            match store.changes(&from, listen::PORTION).await {
                Ok(changes) => {
                    (is_failing, more) = (false, changes.more);
                    self.listeners.tell(&from, changes);
                }
                Err(error) => {
                    if !is_failing {
                        tracing::warn!(error = &error as &dyn std::error::Error, "stream: the log cannot be read");
                    }
                    is_failing = true;
                }
            }
            if !more {
                tokio::time::sleep(EVERY_LOCALLY).await;
            }
        }
    }

    /// Whether it can be asked: not while it is built for the first time, or anew.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn is_whole(&self) -> Result<bool, CatalogError> {
        match self.kept {
            Kept::ByStore => Ok(true),
            Kept::ByFollowing => Ok(!self.file.is_damaged() && self.file.read(apply::is_whole).await?),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is promised, with as much again for two looks, the first of which may have begun before the commit.
    #[test]
    fn what_is_committed_is_looked_for_often_enough() {
        assert!(EVERY.saturating_mul(2) <= Duration::from_secs(2) && EVERY_LOCALLY <= EVERY);
    }
}
