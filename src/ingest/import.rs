//! Facts that did not come off the queue: the same fold, the same commit, the same log.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::commit::{Committer, Ended};
use super::decide::Fate;
use super::fold::{Group, fold};
use super::wait::Wait;
use crate::domain::{Fact, Join, Key, Names};
use crate::store::{Store, StoreError, Stored};

/// Records that one commit is about: all are in memory at once.
const AT_ONCE: usize = 32;
/// Bytes of records that are kept between two facts about the same one.
const CACHE_BYTES: usize = 2 << 20;
/// So often an outage is waited for, which takes about a minute.
const MOST_WAITS: u32 = 12;

/// Brings facts in. Once [`Importer::import`] returns, they are durable and readers can know of them: only then may
/// whoever brought them note how far they came.
pub struct Importer {
    store: Arc<dyn Store>,
    committer: Committer,
    names: Names,
}

impl fmt::Debug for Importer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Importer").finish_non_exhaustive()
    }
}

/// What became of records that facts were brought in about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// The facts said something new.
    pub applied: u64,
    pub unchanged: u64,
    /// Of the applied: nobody had told, or not the same, so that the record now looks different.
    pub missed: u64,
    /// Purged before: they stay gone.
    pub below_floor: u64,
    /// Not ours to change, or not what the store takes. Each is in the log.
    pub left_alone: u64,
}

impl AddAssign for Imported {
    fn add_assign(&mut self, other: Self) {
        self.applied += other.applied;
        self.unchanged += other.unchanged;
        self.missed += other.missed;
        self.below_floor += other.below_floor;
        self.left_alone += other.left_alone;
    }
}

impl Importer {
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { committer: Committer::new(store.clone(), CACHE_BYTES), store, names: Names::Keep }
    }

    /// The same, which gives people these names.
    #[must_use]
    pub fn naming(self, names: Names) -> Self {
        Self { names, ..self }
    }

    /// Commits the facts, then tells readers.
    ///
    /// # Errors
    /// When the store fails, or is not available for longer than a minute. Some facts may be committed then, which does
    /// no harm when they are brought in again.
    pub async fn import(&mut self, facts: Vec<Fact>) -> Result<Imported, StoreError> {
        let mut total = Imported::default();
        let names = &self.names;
        let facts = facts.into_iter().map(|fact| (0, names.applied(fact)));
        let mut groups = fold(facts).into_iter().peekable();
        while groups.peek().is_some() {
            let some: Vec<Group> = groups.by_ref().take(AT_ONCE).collect();
            total += self.commit(some).await?;
        }
        Ok(total)
    }

    /// Tries again where the store is not available: to repeat is harmless.
    async fn commit(&mut self, groups: Vec<Group>) -> Result<Imported, StoreError> {
        let mut wait = Wait::new(Duration::from_millis(200), Duration::from_secs(10));
        for _ in 0..MOST_WAITS {
            match self.try_commit(groups.clone()).await {
                Err(error @ StoreError::Unavailable(_)) => {
                    tracing::warn!(error = error.cause(), "store: not available, trying again");
                    wait.next(&CancellationToken::new()).await;
                }
                done => return done,
            }
        }
        self.try_commit(groups).await
    }

    async fn try_commit(&mut self, groups: Vec<Group>) -> Result<Imported, StoreError> {
        let keys: Vec<Key> = groups.iter().map(|group| group.key.clone()).collect();
        // Most of these records are there, and without looking nobody knows whether the facts were missed.
        let stored = self.store.load(&keys).await?;
        let looks_new: BTreeSet<Key> =
            groups.iter().zip(&stored).filter(|(group, stored)| looks_new(group, stored.as_ref())).map(key).collect();
        stored.into_iter().zip(&keys).for_each(|(stored, key)| self.committer.know(key, stored));
        let report = self.committer.commit(groups).await?;
        let logged = report.fates.iter().filter(|ended| ended.fate.is_to_be_logged());
        self.store.append(&logged.map(|ended| ended.key.clone()).collect::<Vec<_>>()).await?;
        let mut imported = Imported::default();
        report.fates.iter().for_each(|ended| count(&mut imported, ended, &looks_new));
        Ok(imported)
    }
}

fn key((group, _): (&Group, &Option<Stored>)) -> Key {
    group.key.clone()
}

/// Whether the record will look different to people.
fn looks_new(group: &Group, stored: Option<&Stored>) -> bool {
    let Some(stored) = stored else { return true };
    let Ok(record) = &stored.record else { return false };
    let mut joined = record.clone();
    joined.absorb(group.delta.clone());
    !joined.is_shown_like(record)
}

fn count(imported: &mut Imported, Ended { key, fate, .. }: &Ended, looks_new: &BTreeSet<Key>) {
    match fate {
        Fate::Applied => {
            imported.applied += 1;
            imported.missed += u64::from(looks_new.contains(key));
        }
        Fate::Unchanged => imported.unchanged += 1,
        Fate::BelowFloor => imported.below_floor += 1,
        Fate::Refused(why) | Fate::Newer(why) | Fate::Damaged(why) => {
            tracing::error!(%key, why, "record {key}: left alone");
            imported.left_alone += 1;
        }
    }
}
