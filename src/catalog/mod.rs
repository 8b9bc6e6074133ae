//! The read model, in SQL. Every reader asks here; no reader scans the store.
//!
//! In the local file its tables stand beside the store's and are written in the store's own transactions:
//! always current. Elsewhere it is a replica that follows the change log ([`Catalog::refresh`]); the replica
//! may be deleted at any time, since everything in it follows from the records.

mod apply;
mod approvals;
mod broken;
mod chain;
mod changes;
mod code;
mod dashboard;
mod deployed;
mod deployments;
mod file;
mod follow;
mod gaps;
mod health;
mod incidents;
mod known;
mod links;
mod listen;
mod listing;
mod metrics;
mod news;
mod owned;
mod packed;
mod pages;
mod parts;
mod place;
mod query;
mod references;
mod releases;
mod rows;
mod samples;
mod seen;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::{Key, Scope, Time};
use crate::sqlite::{Durability, LocalError, LocalFile};
use crate::store::{Cursor, Portion, Projection, Step, Store, StoreError, Stored};

use apply::Tables;
pub use broken::{Broken, On};
pub use chain::ChainFilter;
pub use dashboard::{Finished, Passed, Recent, RunsBefore};
use file::CatalogFile;
pub use health::went_well;
pub use known::Named;
use listen::Listeners;
pub use listen::{Live, Told};
pub use listing::{Listing, LookedTo};
pub use metrics::{Delivery, DeliveryQuestion};
pub use news::News;
pub use place::{Place, Placed};
pub(crate) use rows::rfc3339;
pub use rows::{
    Approval, ApprovalFilter, CommitDetail, Deployment, DeploymentFilter, Environment, EnvironmentFilter, Failure, Gap,
    GapFilter, GivenApproval, Health, Incident, IncidentFilter, Job, LastRun, Link, LinkEnd, LinkKind, Owner, Pipeline,
    PipelineFilter, PipelineName, PullRequestDetail, Push, Run, RunDetail, RunFilter, RunResult, Stage, Vote,
    WorkItemDetail, WorkItemState,
};
pub use samples::{Sample, Sampled};

/// A log that starts over so often while it is being read is not one.
const MOST_RESETS: u32 = 3;

/// Keys that one step of a refresh looks at.
const PAGE: usize = 1_000;

/// Packing so many takes seconds.
const MANY_BLOCKS: u64 = 500;

/// Keeps the catalog's tables in the local file in step with the store's.
#[must_use]
pub fn projection() -> Arc<dyn Projection> {
    Arc::new(Tables)
}

/// Makes whoever opens the file next build the catalog in it anew. What only names led to is gone then, too.
///
/// # Errors
/// When the file fails.
pub async fn discard(file: &LocalFile) -> Result<(), CatalogError> {
    Ok(file.write(Durability::Full, apply::outdate).await?)
}

/// The read model.
#[derive(Debug, Clone)]
pub struct Catalog {
    file: CatalogFile,
    kept: Kept,
    refreshed: Refreshed,
    listeners: Listeners,
    /// No answer holds anything of other projects.
    scope: Scope,
}

/// When the last refresh began that came to its end, for all readers of this process.
#[derive(Debug, Clone, Default)]
struct Refreshed(Arc<Mutex<Option<Time>>>);

impl Refreshed {
    fn get(&self) -> Option<Time> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, at: Time) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }
}

/// Who keeps it current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// The store, in its own transactions.
    ByStore,
    /// A reader that follows the change log.
    ByFollowing,
}

/// Why the catalog could not answer.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    #[error("the catalog failed")]
    File(#[from] LocalError),
    #[error("the catalog could not be brought up to date")]
    Store(#[from] StoreError),
}

impl Catalog {
    /// The catalog in the file of a [`crate::store::SqliteStore`], which keeps it current.
    #[must_use]
    pub fn local(file: LocalFile) -> Self {
        Self::new(file, Kept::ByStore)
    }

    /// A catalog in a file of its own, which several processes may share ([`LocalFile::open_replica`]). It knows what
    /// the last [`Catalog::refresh`] found.
    #[must_use]
    pub fn replica(file: LocalFile) -> Self {
        Self::new(file, Kept::ByFollowing)
    }

    fn new(file: LocalFile, kept: Kept) -> Self {
        let (refreshed, listeners) = (Refreshed::default(), Listeners::default());
        Self { file: CatalogFile::new(file), kept, refreshed, listeners, scope: Scope::All }
    }

    /// The same catalog for a reader who may see only these projects: every answer is cut to them.
    #[must_use]
    pub fn seen_by(&self, scope: Scope) -> Self {
        Self { scope, ..self.clone() }
    }

    /// Whether nothing is cut off.
    #[must_use]
    pub fn shows_all(&self) -> bool {
        self.scope == Scope::All
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Catches up with the store: costs what changed since the last time, or everything when the change log
    /// does not reach back that far. Those who listen are told what changed.
    ///
    /// # Errors
    /// When the store or the catalog's file fails. What was caught up so far stays.
    pub async fn refresh(&self, store: &dyn Store) -> Result<(), CatalogError> {
        if self.kept == Kept::ByStore {
            return self.finish().await;
        }
        let began = self.file.now();
        // Two at once would undo each other's work: the later writer may have read earlier.
        let _turn = self.file.turn().await?;
        let here = self.file.write(Durability::Full, apply::prepare_replica).await?;
        let here = here.map_err(|newer| LocalError::newer(self.path(), newer.found, newer.known))?;
        // Who was forgotten must not stand in the log until somebody happens to overwrite it.
        if self.catch_up(store, here).await? {
            self.file.empty_log().await?;
        }
        self.finish().await?;
        self.refreshed.set(began);
        Ok(())
    }

    /// Brings to an end what a change began that tells of many runs at once. Others read and write between its slices.
    ///
    /// # Errors
    /// When the catalog's file fails. What is left then is for the next one.
    pub async fn finish(&self) -> Result<(), CatalogError> {
        while self.file.read(deployed::is_unfinished).await? {
            self.file.write(Durability::Normal, deployed::go_on).await?;
        }
        Ok(())
    }

    /// Packs what metrics are counted from, for those who come later. Others read and write between its slices.
    ///
    /// # Errors
    /// When the catalog's file fails. What is not packed is read more slowly, and all the same.
    pub async fn pack(&self) -> Result<(), CatalogError> {
        let left = self.file.read(packed::left).await?;
        if left > MANY_BLOCKS {
            tracing::info!(blocks = left, "catalog: packs what metrics are counted from, which takes a while once");
        }
        if left == 0 {
            return Ok(());
        }
        while self.file.write(Durability::Normal, packed::go_on).await? {}
        // As after a refresh.
        if self.kept == Kept::ByFollowing {
            self.file.empty_log().await?;
        }
        Ok(())
    }

    /// [`Catalog::refresh`] for who is about to ask for metrics and for nothing after that: nobody else may have packed.
    ///
    /// # Errors
    /// As a refresh. What cannot be packed is read all the same.
    pub async fn refresh_for_metrics(&self, store: &dyn Store) -> Result<(), CatalogError> {
        self.refresh(store).await?;
        if let Err(error) = self.pack().await {
            tracing::debug!(error = &error as &dyn std::error::Error, "catalog: not packed, metrics take longer");
        }
        Ok(())
    }

    /// Reads the log from where those who listen are, to its end; `here` is how far the file is. Answers whether anything
    /// changed.
    async fn catch_up(&self, store: &dyn Store, mut here: Cursor) -> Result<bool, CatalogError> {
        let told = self.listeners.reached();
        // A file that is new is behind them.
        let mut is_lost = told.as_ref().is_some_and(|told| !told.is_within(&here));
        let mut cursor = told.filter(|_| !is_lost).unwrap_or_else(|| here.clone());
        let (mut resets, mut portion, mut changed) = (0, Portion::new(), false);
        loop {
            let changes = store.changes(&cursor, PAGE).await?;
            if changes.reset && cursor != here {
                // Another process may have begun anew with the file already.
                (is_lost, cursor) = (true, here.clone());
                continue;
            }
            changed |= changes.reset || !changes.keys.is_empty();
            resets += u32::from(changes.reset);
            if resets > MOST_RESETS {
                return Err(StoreError::Unavailable("the change log starts over again and again".into()).into());
            }
            if changes.reset {
                self.rebuild(store, changes.cursor.clone(), &mut portion).await?;
                here = changes.cursor.clone();
            } else if !changes.cursor.is_within(&here) {
                self.apply(store, changes.keys.clone(), &mut portion).await?;
                self.note(changes.cursor.clone(), Durability::Normal).await?;
                here = changes.cursor.clone();
            }
            // After a rebuild, what changed during it is still to be read.
            let (next, is_end) = (changes.cursor.clone(), !changes.more && !changes.reset);
            match std::mem::take(&mut is_lost) {
                true => self.listeners.reset(&next),
                false => self.listeners.tell(&cursor, changes),
            }
            if is_end {
                return Ok(changed);
            }
            cursor = next;
        }
    }

    /// Everything anew; `cursor` was read before, so no change made meanwhile is missed.
    async fn rebuild(&self, store: &dyn Store, cursor: Cursor, portion: &mut Portion) -> Result<(), CatalogError> {
        self.file.write(Durability::Normal, apply::empty).await?;
        let mut last = None;
        loop {
            let keys = store.keys(last.as_ref(), PAGE).await?;
            let Some(end) = keys.last().cloned() else { break };
            self.apply(store, keys, portion).await?;
            last = Some(end);
        }
        self.note(cursor, Durability::Full).await
    }

    /// Brings these records up to date. The cursor is noted after that: whoever is stopped in between looks at them again.
    async fn apply(&self, store: &dyn Store, mut keys: Vec<Key>, portion: &mut Portion) -> Result<(), CatalogError> {
        keys.sort_unstable();
        keys.dedup();
        let mut rest = keys.as_slice();
        while !rest.is_empty() {
            let (now, later) = portion.of(rest);
            let stored = store.load(now).await?;
            portion.learn(&stored);
            let steps: Vec<Step> = now.iter().zip(stored).filter_map(|(key, stored)| step(key, stored)).collect();
            self.file.write(Durability::Normal, move |c| steps.into_iter().try_for_each(|step| step(c))).await?;
            rest = later;
        }
        Ok(())
    }

    async fn note(&self, cursor: Cursor, durability: Durability) -> Result<(), CatalogError> {
        Ok(self.file.write(durability, move |c| apply::save_cursor(c, &cursor)).await?)
    }
}

/// What brings one record's rows up to date. A record that cannot be read stays as it was shown last.
fn step(key: &Key, stored: Option<Stored>) -> Option<Step> {
    match stored {
        None => Some(Tables.remove(key)),
        Some(stored) => stored.record.ok().map(|record| Tables.apply(&record)),
    }
}
