//! The file behind a catalog. It may be another one from one moment to the next: a replica that turns out to be damaged
//! is made anew while readers ask.
//!
//! Whoever meets the damage is answered with the error. That is remembered, so that all who come after know at once, and
//! whoever follows the store mends it: nobody else has the right to write there.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::Connection;
use tokio::sync::{Notify, Semaphore};

use crate::domain::Time;
use crate::sqlite::{Durability, LocalError, LocalFile, Turn};

/// Questions at once, for each core, and at the most: each has a thread and a connection, with their memory. More of them
/// would be answered no sooner, and would keep the worker beside them from its work.
const AT_ONCE_A_CORE: usize = 2;
const MOST_AT_ONCE: usize = 8;

#[derive(Debug, Clone)]
pub(super) struct CatalogFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    opened: RwLock<LocalFile>,
    room: Semaphore,
    is_damaged: AtomicBool,
    damage_found: Notify,
}

impl CatalogFile {
    pub(super) fn new(opened: LocalFile) -> Self {
        let path = opened.path().to_owned();
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self(Arc::new(Inner {
            path,
            opened: RwLock::new(opened),
            room: Semaphore::new((AT_ONCE_A_CORE * cores).min(MOST_AT_ONCE)),
            is_damaged: AtomicBool::new(false),
            damage_found: Notify::new(),
        }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }

    pub(super) fn now(&self) -> Time {
        self.opened().now()
    }

    pub(super) async fn read<T, F>(&self, ask: F) -> Result<T, LocalError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        // It is never closed.
        let _place = self.0.room.acquire().await;
        self.noted(self.opened().read(ask).await)
    }

    pub(super) async fn write<T, F>(&self, durability: Durability, act: F) -> Result<T, LocalError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.noted(self.opened().write(durability, act).await)
    }

    pub(super) async fn turn(&self) -> Result<Turn, LocalError> {
        self.opened().turn().await
    }

    pub(super) async fn empty_log(&self) -> Result<(), LocalError> {
        self.noted(self.opened().empty_log().await)
    }

    /// Whether somebody met damage that nobody mended yet.
    pub(super) fn is_damaged(&self) -> bool {
        self.0.is_damaged.load(Ordering::Acquire)
    }

    /// Waits until somebody meets damage.
    pub(super) async fn damage_found(&self) {
        self.0.damage_found.notified().await;
    }

    /// Opens it anew, empty unless another process has mended it already.
    pub(super) async fn reopen(&self) -> Result<(), LocalError> {
        let opened = self.opened();
        let reopened = tokio::task::spawn_blocking(move || opened.reopen()).await;
        let reopened = reopened.unwrap_or_else(|_| Err(LocalError::stopped(self.path())))?;
        *self.0.opened.write().unwrap_or_else(PoisonError::into_inner) = reopened;
        self.0.is_damaged.store(false, Ordering::Release);
        Ok(())
    }

    fn opened(&self) -> LocalFile {
        self.0.opened.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn noted<T>(&self, answer: Result<T, LocalError>) -> Result<T, LocalError> {
        if answer.as_ref().is_err_and(LocalError::is_damage) && !self.0.is_damaged.swap(true, Ordering::AcqRel) {
            self.0.damage_found.notify_one();
        }
        answer
    }
}
