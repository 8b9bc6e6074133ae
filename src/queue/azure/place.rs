use crate::azure::AzureError;
use crate::queue::QueueError;

/// A queue or a table: its name for people, and whether it is ours to make.
#[derive(Debug, Clone)]
pub(super) struct Place {
    name: String,
    anew: bool,
}

impl Place {
    pub(super) fn new(name: String, anew: bool) -> Self {
        Self { name, anew }
    }

    /// What the service will never take is our fault. All else passes or waits for somebody: a missing right, a queue
    /// that is not there (yet), too much load. No message pays for that.
    pub(super) fn fault(&self, error: AzureError) -> QueueError {
        let refused = error.is_refusal();
        // As itself, so that it can be asked what to do about it.
        let fault = Box::new(error.at(&self.name));
        if refused { QueueError::Failed(fault) } else { QueueError::Unavailable(fault) }
    }

    /// Asks. Where the place is gone and ours to make, makes it first and asks once more. A place that somebody deleted
    /// cannot be made for as long as the service still removes it, about half a minute
    /// (<https://learn.microsoft.com/en-us/rest/api/storageservices/delete-queue3>): an outage like any other.
    pub(super) async fn ask<T, F>(
        &self,
        ask: impl Fn() -> F,
        make: impl Future<Output = Result<(), AzureError>>,
    ) -> Result<T, AzureError>
    where
        F: Future<Output = Result<T, AzureError>>,
    {
        match ask().await {
            Err(error) if self.anew && error.is_gone() => {
                make.await.map_err(|error| error.at(&format!("{}, which is gone, cannot be made anew", self.name)))?;
                tracing::warn!("{} was gone and is made anew: what it held is lost", self.name);
                ask().await
            }
            answered => answered,
        }
    }
}
