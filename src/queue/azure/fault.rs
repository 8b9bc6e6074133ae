use crate::azure::AzureError;
use crate::queue::QueueError;

/// What the service will never take is our fault. All else passes or waits for somebody: a missing right, a queue
/// that is not there (yet), too much load. No message pays for that.
pub(super) fn fault(place: &str, error: AzureError) -> QueueError {
    let refused = error.is_refusal();
    // As itself, so that it can be asked what to do about it.
    let fault = Box::new(error.at(place));
    if refused { QueueError::Failed(fault) } else { QueueError::Unavailable(fault) }
}
