use std::sync::Arc;

use anyhow::Context as _;
use tokio_util::task::TaskTracker;

use crate::catalog::{self, Catalog};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, LogFormat};
use crate::queue::{Queue, SqliteQueue};
use crate::shutdown::Shutdown;
use crate::sqlite::{LocalFile, Missing};
use crate::store::{SqliteStore, Store};

use super::{Failure, Output};

/// What every command gets.
#[derive(Debug, Clone)]
pub struct Context {
    pub config: Config,
    pub output: Output,
    /// How the program was called: what a person can type again.
    pub program: String,
    clock: Arc<dyn Clock>,
    tracker: TaskTracker,
}

/// The parts of a backend.
pub(super) struct Parts {
    pub(super) file: LocalFile,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) store: Arc<dyn Store>,
    pub(super) catalog: Catalog,
}

impl Context {
    #[must_use]
    pub fn new(config: Config, output: Output, program: String) -> Self {
        Self { config, output, program, clock: Arc::new(SystemClock), tracker: TaskTracker::new() }
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// Says what was done; as a log line where logs are for programs, so that stderr stays one JSON a line.
    pub(super) fn report(&self, text: &str) {
        match self.config.log.format {
            LogFormat::Text => self.output.say(text),
            LogFormat::Json => tracing::info!("{text}"),
        }
    }

    /// From now on a signal asks to stop, and only the second one ends the process.
    pub(super) fn shutdown(&self) -> Result<Shutdown, Failure> {
        Ok(Shutdown::on_signals(&self.tracker).context("signals cannot be received")?)
    }

    /// Opens what the configuration names.
    pub(super) async fn open(&self, missing: Missing) -> Result<Parts, Failure> {
        let file = LocalFile::open(&self.config.data, missing, self.clock())?;
        Ok(Parts {
            queue: Arc::new(SqliteQueue::new(file.clone())),
            store: Arc::new(SqliteStore::open(file.clone(), catalog::projection()).await?),
            catalog: Catalog::local(file.clone()),
            file,
        })
    }
}
