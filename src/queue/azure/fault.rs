use crate::azure::AzureError;
use crate::queue::QueueError;

/// What failed, and how.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {error}")]
struct Fault {
    /// Such as ``queue `ado-events` ``.
    place: String,
    error: AzureError,
}

/// What the service will never take is our fault. All else passes or waits for somebody: a missing right, a queue
/// that is not there (yet), too much load. No message pays for that.
pub(super) fn fault(place: &str, error: AzureError) -> QueueError {
    let refused = error.is_refusal();
    let fault = Box::new(Fault { place: place.to_owned(), error });
    if refused { QueueError::Failed(fault) } else { QueueError::Unavailable(fault) }
}
