//! Queue, store and catalog of the storage that is configured.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Context, Failure};
use crate::azure::{AzureError, Services, TimeOuts};
use crate::catalog::{self, Catalog};
use crate::config::{AzureConfig, Storage};
use crate::domain::Names;
use crate::queue::{AzureQueue, AzureQueueOptions, Queue, SqliteQueue};
use crate::sqlite::{LocalError, LocalFile, Missing, Place};
use crate::store::{AzureTableStore, SqliteStore, Store};

/// Between two times that the local file's log is emptied.
const EMPTY_LOG: Duration = Duration::from_secs(600);

/// The parts of a storage.
pub(super) struct Parts {
    pub(super) queue: Arc<dyn Queue>,
    pub(super) store: Arc<dyn Store>,
    /// `None` on Azure.
    file: Option<LocalFile>,
}

impl Parts {
    /// What is missing is made, or is an error. On Azure only the account has to be there.
    pub(super) async fn open(context: &Context, missing: Missing) -> Result<Self, Failure> {
        match &context.config.storage {
            Storage::Local => {
                let file = LocalFile::open(&context.config.data, missing, context.clock());
                let file = file.map_err(|error| elsewhere(context, error))?;
                if bodies_are_to_go(context) {
                    file.overwrite_deleted().await?;
                }
                Ok(Self {
                    queue: Arc::new(SqliteQueue::new(file.clone())),
                    store: Arc::new(SqliteStore::open(file.clone(), catalog::projection()).await?),
                    file: Some(file),
                })
            }
            Storage::Azure(azure) => {
                if missing == Missing::Create {
                    make(context, azure).await?;
                }
                Self::of_account(context, azure, TimeOuts::default(), missing)
            }
        }
    }

    /// For a person who waits for an answer: makes nothing, and does not wait long for what does not answer.
    pub(super) async fn open_to_look(context: &Context) -> Result<Self, Failure> {
        match &context.config.storage {
            Storage::Local => Self::open(context, Missing::Fail).await,
            Storage::Azure(azure) => Self::of_account(context, azure, TimeOuts::at_start(), Missing::Fail),
        }
    }

    fn of_account(
        context: &Context,
        azure: &AzureConfig,
        time_outs: TimeOuts,
        missing: Missing,
    ) -> Result<Self, Failure> {
        let (queue, store) = backends(context, azure, time_outs, missing)?;
        Ok(Self { queue: Arc::new(queue), store: Arc::new(store), file: None })
    }

    /// Where readers ask. On Azure it is a replica, which is made where it is missing.
    pub(super) fn catalog(&self, context: &Context) -> Result<Catalog, Failure> {
        match &self.file {
            Some(file) => Ok(Catalog::local(file.clone())),
            None => replica(context, |path, place| LocalFile::open_replica(path, place, context.clock())),
        }
    }

    /// What the local file's log holds of bodies that are gone is not kept for long, where it is to go.
    pub(super) async fn keep_bodies_out_of_the_log(&self, context: &Context, stop: CancellationToken) {
        while !stop.is_cancelled() {
            // Both ends are the same: the loop looks at the stop.
            drop(tokio::time::timeout(EMPTY_LOG, stop.cancelled()).await);
            self.empty_log(context).await;
        }
    }

    /// If nobody reads it right now.
    pub(super) async fn empty_log(&self, context: &Context) {
        let Some(file) = self.file.as_ref().filter(|_| bodies_are_to_go(context)) else { return };
        if let Err(error) = file.empty_log().await {
            tracing::warn!(%error, "the local file's log keeps what it holds for now");
        }
    }

    /// Before anything is erased: what another process holds of the local file would stay in it.
    pub(super) async fn nobody_else_reads(&self) -> Result<(), Failure> {
        match &self.file {
            Some(file) if file.is_held().await? => {
                let failure = Failure::failed("another process is reading the local file: nothing was forgotten");
                Err(failure.hint(format!("end what uses {}, and run this again", file.path().display())))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whatever was erased is nowhere in the files of this machine any more: neither in free pages, nor in the catalog.
    pub(super) async fn leave_no_trace(&self, context: &Context) -> Result<(), Failure> {
        match &self.file {
            Some(file) => {
                catalog::discard(file).await?;
                SqliteStore::open(file.clone(), catalog::projection()).await?;
                file.compact().await.map_err(|error| still_held(file.path(), error))
            }
            None => {
                let anew = replica(context, |path, place| LocalFile::renew_replica(path, place, context.clock()))?;
                Ok(anew.refresh(self.store.as_ref()).await?)
            }
        }
    }

    /// The replica again after it turned out to be damaged; `None` where the catalog is no replica.
    pub(super) fn catalog_anew(&self, context: &Context) -> Result<Option<Catalog>, Failure> {
        match &self.file {
            Some(_) => Ok(None),
            None => replica(context, |path, place| LocalFile::reopen_replica(path, place, context.clock())).map(Some),
        }
    }
}

/// Where names are not kept, or bodies have an age limit, a body that is gone from the queue is to be gone from the file.
fn bodies_are_to_go(context: &Context) -> bool {
    !matches!(context.config.names, Names::Keep) || context.config.work.dead_letter_age.is_some()
}

fn still_held(path: &Path, error: LocalError) -> Failure {
    if !error.is_passing() {
        return error.into();
    }
    let failure = Failure::from(error).context("records and dead letters are done, but the file still holds old pages");
    failure.hint(format!("end what uses {}, and run this again: it writes the file anew", path.display()))
}

/// Who names an account may have forgotten to say that it is to be used.
fn elsewhere(context: &Context, error: LocalError) -> Failure {
    if error.is_missing() && context.config.account_is_named {
        let hint = "an account of Azure Storage is set: --storage azure, or PIPETRAIL_STORAGE=azure, has it used; else name \
                    another file with --data, or put events on this one (`pipetrail enqueue`)";
        return Failure::from(error).hint(hint);
    }
    Failure::from(error)
}

fn replica(
    context: &Context,
    open: impl FnOnce(&Path, Place) -> Result<LocalFile, LocalError>,
) -> Result<Catalog, Failure> {
    let configured = match &context.config.storage {
        Storage::Local => None,
        Storage::Azure(azure) => azure.catalog.as_ref(),
    };
    let Some(file) = configured else {
        let failure = Failure::usage("no cache folder is known, and the catalog has to be somewhere");
        return Err(failure.hint("name a file with --catalog, or set PIPETRAIL_CATALOG"));
    };
    let place = if file.named { Place::Named } else { Place::Ours };
    let opened = open(&file.path, place).map_err(|error| {
        let hint = error.catalog_hint();
        Failure::from(error).hint(hint)
    })?;
    Ok(Catalog::replica(opened))
}

fn backends(
    context: &Context,
    azure: &AzureConfig,
    time_outs: TimeOuts,
    missing: Missing,
) -> Result<(AzureQueue, AzureTableStore), Failure> {
    let services = Services::with_time_outs(&azure.account, time_outs)?;
    let options = AzureQueueOptions {
        poison_copy: azure.poison_copy,
        make_anew: missing == Missing::Create,
        copy_age: context.config.work.dead_letter_age,
    };
    let queue = AzureQueue::new(&services, &azure.queue, &azure.table, context.clock(), options);
    Ok((queue, AzureTableStore::new(&services, &azure.table, context.clock())))
}

/// Makes queue and table where they are missing. Somebody waits for this: what does not answer soon is an error, while
/// an outage later on is sat out.
async fn make(context: &Context, azure: &AzureConfig) -> Result<(), Failure> {
    let (queue, store) = backends(context, azure, TimeOuts::at_start(), Missing::Create)?;
    // Who may not make them may still use them.
    match queue.create().await {
        Err(error) if !is_forbidden(&error) || queue.depth().await.is_err() => return Err(error.into()),
        Ok(()) | Err(_) => {}
    }
    match store.create().await {
        Err(error) if !is_forbidden(&error) || store.probe().await.is_err() => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn is_forbidden(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|cause| cause.downcast_ref::<AzureError>().is_some_and(AzureError::is_missing_right))
}
