//! From signals to tokens: the first SIGINT or SIGTERM asks to stop, the second forces it.
//!
//! Tokens are passed to those who need them and are never static, so that a test stops a part of the
//! program without a signal.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How a process is asked to end.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Take nothing new, finish what is in hand.
    pub stop: CancellationToken,
    /// End now: what is in hand comes again.
    pub force: CancellationToken,
}

impl Shutdown {
    /// Listens for SIGINT and SIGTERM from now on. Until this is called, a signal ends the process.
    ///
    /// # Errors
    /// When the system has no room for signal handlers.
    pub fn on_signals(tracker: &TaskTracker) -> io::Result<Self> {
        let shutdown = Self::default();
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        tracker.spawn(shutdown.clone().follow(interrupt, terminate));
        Ok(shutdown)
    }

    async fn follow(self, mut interrupt: Signal, mut terminate: Signal) {
        for token in [&self.stop, &self.force] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tracing::info!("signal received, {}", if self.stop.is_cancelled() { "ending now" } else { "stopping" });
            token.cancel();
        }
    }
}
