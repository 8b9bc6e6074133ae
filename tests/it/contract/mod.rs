//! What every queue and every store has to keep, whatever is behind it.

pub(crate) mod queue;
pub(crate) mod store;

use std::time::Duration;

use async_trait::async_trait;

/// Lets time pass for a backend: a clock that is moved, or a real wait.
#[async_trait]
pub(crate) trait Pass: Send + Sync {
    async fn pass(&self, duration: Duration);

    /// How long a lease is that a check sees run out: short where the waits are real.
    fn lease(&self) -> Duration {
        Duration::from_secs(30)
    }
}
