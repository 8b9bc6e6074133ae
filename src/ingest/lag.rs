//! How long hooks took to get into the store: counted by the worker, and noted for those who read.

use std::time::Duration;

use rand::Rng as _;
use tokio::time::Instant;

use super::Mode;
use crate::domain::{Fact, HookLag, Time};
use crate::store::{Store, StoreError};
use crate::telemetry::prometheus;

/// Between two notes.
const NOTE_EVERY: Duration = Duration::from_secs(5);

/// What this worker counted, and when it is to be noted.
pub(super) struct Lag {
    counted: HookLag,
    is_counting: bool,
    noted: Option<Instant>,
    is_news: bool,
}

impl Lag {
    /// Who works until the queue is empty works on what somebody put there, such as a history from files.
    pub(super) fn new(mode: Mode) -> Self {
        let worker = format!("{:016x}", rand::rng().random::<u64>());
        Self { counted: HookLag::of(&worker), is_counting: mode == Mode::Forever, noted: None, is_news: false }
    }

    pub(super) fn count(&mut self, said: impl IntoIterator<Item = Time>, now: Time) {
        let said = said.into_iter().filter(|_| self.is_counting);
        for took in said.filter_map(|said| self.counted.count(said, now)) {
            metrics::histogram!(prometheus::HOOK_LAG).record(took);
            self.is_news = true;
        }
    }

    /// Waits until there is something to note; for ever, where nothing came.
    pub(super) async fn due(&self) {
        match self.noted {
            _ if !self.is_news => std::future::pending().await,
            Some(noted) => tokio::time::sleep_until(noted + NOTE_EVERY).await,
            None => {}
        }
    }

    /// No message waits for it, and none is kept for it: the next note says the same.
    pub(super) async fn note(&mut self, store: &dyn Store, now: Time) {
        if !self.is_news {
            return;
        }
        (self.noted, self.is_news) = (Some(Instant::now()), false);
        if let Err(error) = self.write(store, now).await {
            tracing::debug!(error = error.cause(), "hook lag: not noted");
            self.is_news = true;
        }
    }

    async fn write(&mut self, store: &dyn Store, now: Time) -> Result<(), StoreError> {
        let before = store.note(HookLag::NOTE).await?;
        store.put_note(HookLag::NOTE, &self.counted.put_into(before.as_deref(), now)).await
    }
}

/// When the service said it; `None` for what others tell.
pub(super) fn said(fact: &Fact) -> Option<Time> {
    match fact {
        Fact::Run(_) | Fact::PullRequest(_) | Fact::Push(_) | Fact::Release(_) | Fact::WorkItem(_) => Some(fact.said()),
        Fact::Deployment(_)
        | Fact::Changes(_)
        | Fact::Cluster(_)
        | Fact::Incident(_)
        | Fact::Report(_)
        | Fact::Gap(_) => None,
    }
}
