//! Runs that messages named without saying anything of them: the worker noted them, and here they are asked for.
//!
//! Apart from the worker, so that a token that is not valid never holds up the queue.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Backfill, BackfillError, Order, Tally, Timelines};
use crate::ado::rest::AdoError;
use crate::domain::Time;
use crate::ingest::Wanted;

/// Notes that one look takes.
const AT_ONCE: usize = 100;
/// Between two looks at the notes.
const EVERY: Duration = Duration::from_secs(15);

/// Asks until the stop for what is noted. What goes wrong is told, and tried again later.
pub async fn fetch_wanted(mut backfill: Backfill, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match backfill.fetch_noted().await {
            Ok(0) => {}
            Ok(runs) => tracing::info!(runs, "asked for runs that messages only named"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "runs that messages only named: cannot be asked for, trying again");
            }
        }
        // Both ends are the same: the loop looks at the stop.
        drop(tokio::time::timeout(EVERY, stop.cancelled()).await);
    }
}

impl Backfill {
    /// Asks for the runs that are noted. Answers how many were asked for.
    ///
    /// # Errors
    /// When the service or the store fails; what was not asked for stays noted.
    pub async fn fetch_noted(&mut self) -> Result<u64, BackfillError> {
        let mut asked = 0;
        for (name, text) in self.store.notes(Wanted::NOTES, AT_ONCE).await? {
            if let Some(wanted) = Wanted::read(&text) {
                self.fetch_or_leave(wanted).await?;
                asked += 1;
            }
            self.store.drop_note(&name).await?;
        }
        Ok(asked)
    }

    /// What is wrong with this run alone must not keep the others waiting.
    async fn fetch_or_leave(&mut self, wanted: Wanted) -> Result<(), BackfillError> {
        let run = wanted.run;
        match self.fetch(wanted).await {
            Err(BackfillError::Ado(error)) if is_of_the_run(&error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(run, error, "run {run}: a message named it, and it cannot be asked for: left out");
                Ok(())
            }
            done => done,
        }
    }

    async fn fetch(&mut self, wanted: Wanted) -> Result<(), BackfillError> {
        let Wanted { organization, project, run } = wanted;
        let Some(answer) = self.client.build(&organization, project.as_deref(), run).await? else {
            tracing::warn!(run, "run {run}: a message named it, but there is no such build any more");
            return Ok(());
        };
        let order = Order {
            canonical: organization.clone(),
            organization,
            project: project.unwrap_or_default(),
            pipelines: Vec::new(),
            asked: Time::UNKNOWN,
            since: Time::UNKNOWN,
            until: None,
            timelines: Timelines::Failed,
            again: false,
        };
        let mut tally = Tally::default();
        self.page(&order, &answer, &mut tally).await?;
        Ok(())
    }
}

fn is_of_the_run(error: &AdoError) -> bool {
    match error {
        AdoError::Forbidden { .. }
        | AdoError::NotFound { .. }
        | AdoError::Refused { .. }
        | AdoError::Unreadable { .. }
        | AdoError::TooLarge { .. } => true,
        AdoError::TokenRefused { .. }
        | AdoError::Throttled { .. }
        | AdoError::Unavailable { .. }
        | AdoError::Endless { .. }
        | AdoError::NoToken { .. }
        | AdoError::Body { .. }
        | AdoError::Client(_) => false,
    }
}
