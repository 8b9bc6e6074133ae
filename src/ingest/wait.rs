//! Waiting: randomised, growing, ended by a stop.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use tokio_util::sync::CancellationToken;

/// Waits that grow from `first` to `most`, each randomised by half, so that many workers do not move in step.
#[derive(Debug)]
pub(super) struct Wait(ExponentialBackoff);

impl Wait {
    pub(super) fn new(first: Duration, most: Duration) -> Self {
        Self(ExponentialBackoff {
            current_interval: first,
            initial_interval: first,
            max_interval: most,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        })
    }

    /// Starts again from the first.
    pub(super) fn reset(&mut self) {
        self.0.reset();
    }

    /// Waits the next time, or until `stop`.
    pub(super) async fn next(&mut self, stop: &CancellationToken) {
        let next = self.0.next_backoff().unwrap_or(self.0.max_interval);
        // Both ends are the same to the caller, who looks at `stop` anyway.
        drop(tokio::time::timeout(next, stop.cancelled()).await);
    }
}
