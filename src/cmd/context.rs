use std::sync::Arc;

use anyhow::Context as _;
use tokio_util::task::TaskTracker;

use crate::clock::{Clock, SystemClock};
use crate::config::{Config, LogFormat, Storage};
use crate::shutdown::Shutdown;
use crate::sqlite::Missing;

use super::parts::Parts;
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
        Box::pin(Parts::open(self, missing)).await
    }

    /// The storage as a person knows it.
    pub(super) fn storage(&self) -> String {
        match &self.config.storage {
            Storage::Local => format!("local file {}", self.config.data.display()),
            Storage::Azure(azure) => {
                let (account, queue, table) = (&azure.account.name, &azure.queue, &azure.table);
                format!("Azure Storage account {account}, queue {queue}, table {table}")
            }
        }
    }

    /// For what there is no sense in on Azure.
    pub(super) fn only_local(&self, command: &str, hint: &str) -> Result<(), Failure> {
        match &self.config.storage {
            Storage::Local => Ok(()),
            Storage::Azure(_) => {
                let failure = Failure::usage(format!("`{command}` is for the local file, and the storage is azure"));
                Err(failure.hint(hint))
            }
        }
    }
}
