//! What every queue and every store has to keep, whatever is behind it.

pub(crate) mod queue;
pub(crate) mod store;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pipetrail::clock::ManualClock;

/// Lets time pass for a backend: a clock that is moved, or a real wait.
#[async_trait]
pub(crate) trait Pass: Send + Sync {
    async fn pass(&self, duration: Duration);

    /// How long a lease is that a check sees run out: short where the waits are real.
    fn lease(&self) -> Duration {
        Duration::from_secs(30)
    }
}

/// A backend's clock that is moved.
#[derive(Debug)]
pub(crate) struct Moved(pub(crate) Arc<ManualClock>);

#[async_trait]
impl Pass for Moved {
    async fn pass(&self, duration: Duration) {
        self.0.advance(duration);
    }
}
