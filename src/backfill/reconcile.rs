//! The same on a schedule, since nobody notices an event that is lost.

use std::sync::Arc;
use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;
use metrics::counter;
use tokio_util::sync::CancellationToken;

use super::watermark::{Covered, note_name};
use super::{Backfill, BackfillError, Kind, Order, Tally, Timelines};
use crate::clock::Clock;
use crate::domain::Time;
use crate::telemetry::prometheus;

/// So far back the first round looks.
const LOOK_BACK: Duration = Duration::from_secs(24 * 3_600);
/// After a longer pause a round looks back to where the last one ended, but no further than this.
const MOST_LOOK_BACK: Duration = Duration::from_secs(14 * 24 * 3_600);
/// The waits differ by so much, so that several workers do not ask at the same time. It would be harmless.
const JITTER: f64 = 0.2;

/// Whose runs are looked after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// As Azure DevOps is asked.
    pub organization: String,
    /// As records name it.
    pub canonical: String,
    /// Empty means all that there are at the time.
    pub projects: Vec<String>,
}

/// Asks again and again.
#[derive(Debug)]
pub struct Reconcile {
    pub backfill: Backfill,
    pub scheduled: Scheduled,
    pub clock: Arc<dyn Clock>,
    pub every: Duration,
}

impl Reconcile {
    /// Asks until the stop. What goes wrong is told, and tried again the next time.
    pub async fn run(mut self, stop: CancellationToken) {
        count(&Tally::default());
        let mut wait = waits(self.every);
        while !stop.is_cancelled() {
            // Cut off, it leaves nothing half done: what was not noted is done again.
            let Some(done) = stop.run_until_cancelled(self.round(&stop)).await else { return };
            let outcome = if done { "done" } else { "failed" };
            counter!(prometheus::RECONCILED, "outcome" => outcome).increment(1);
            let next = wait.next_backoff().unwrap_or(self.every);
            // Both ends are the same: the loop looks at the stop.
            drop(tokio::time::timeout(next, stop.cancelled()).await);
        }
    }

    /// One round over all projects; one that fails does not keep the others waiting. Whether none did.
    async fn round(&mut self, stop: &CancellationToken) -> bool {
        let projects = match self.projects().await {
            Ok(projects) => projects,
            Err(error) => {
                complain(&self.scheduled.organization, &error);
                return false;
            }
        };
        let (mut total, mut all) = (Tally::default(), true);
        for project in projects {
            let mut tally = Tally::default();
            if let Err(error) = self.project(&project, &mut tally, stop).await {
                complain(&project, &error);
                all = false;
            }
            count(&tally);
            total += tally;
        }
        tell(&total);
        all
    }

    async fn project(
        &mut self,
        project: &str,
        tally: &mut Tally,
        stop: &CancellationToken,
    ) -> Result<(), BackfillError> {
        let order = self.order(project).await?;
        self.backfill.run(&order, tally, &|_| {}, stop).await?;
        if !stop.is_cancelled() {
            self.backfill.cover(&order, tally).await?;
        }
        if self.backfill.chains.are_configured {
            self.backfill.code_of_chains(&Order { kind: Kind::Code, ..order.clone() }, tally, stop).await?;
            let order = Order { kind: Kind::Clusters, ..order };
            self.backfill.run(&order, tally, &|_| {}, stop).await?;
        }
        Ok(())
    }

    /// By their ids where all are asked for: those outlive a new name.
    async fn projects(&self) -> Result<Vec<String>, BackfillError> {
        if !self.scheduled.projects.is_empty() {
            return Ok(self.scheduled.projects.clone());
        }
        let all = self.backfill.client.projects(&self.scheduled.organization).await?;
        Ok(all.into_iter().map(|project| project.id).collect())
    }

    async fn order(&self, project: &str) -> Result<Order, BackfillError> {
        let now = self.clock.now();
        let order = Order {
            organization: self.scheduled.organization.clone(),
            canonical: self.scheduled.canonical.clone(),
            project: project.to_owned(),
            pipelines: Vec::new(),
            asked: now,
            since: now,
            kind: Kind::Runs,
            until: None,
            timelines: Timelines::Failed,
            again: false,
        };
        let known = self.backfill.store.note(&note_name(&order)).await?;
        let reached = known.and_then(|text| Covered::read(&text)).map(|covered| covered.to);
        let gap = self.backfill.oldest_gap(&order).await?;
        Ok(Order { since: since(now, reached, gap), ..order })
    }
}

/// Since when to ask: a day, all the time since the last round, and all that was lost and not read yet.
fn since(now: Time, reached: Option<Time>, gap: Option<Time>) -> Time {
    let earliest = [reached, gap].into_iter().flatten().fold(now.minus(LOOK_BACK), Time::min);
    earliest.max(now.minus(MOST_LOOK_BACK))
}

fn waits(every: Duration) -> ExponentialBackoff {
    ExponentialBackoff {
        current_interval: every,
        initial_interval: every,
        max_interval: every,
        multiplier: 1.0,
        randomization_factor: JITTER,
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    }
}

/// `what` is a project, or the organization where its projects cannot be listed.
fn complain(what: &str, error: &BackfillError) {
    let error = error as &dyn std::error::Error;
    tracing::warn!(what, error, "reconciliation: failed, tried again in the next round");
}

fn tell(tally: &Tally) {
    let Tally { builds, timelines, imported, .. } = tally;
    let (applied, missed) = (imported.applied, imported.missed);
    tracing::info!(builds, timelines, applied, missed, "reconciled");
}

fn count(tally: &Tally) {
    counter!(prometheus::MISSED).increment(tally.imported.missed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_looks_back_a_day_or_to_the_last_one() {
        let now = Time::from_ticks(20_000_000_000_000_000);
        let ago = |hours: u64| now.minus(Duration::from_secs(hours * 3_600));
        for (reached, expected) in [(None, 24), (Some(1), 24), (Some(72), 72), (Some(1_000), 336)] {
            assert_eq!(since(now, reached.map(ago), None), ago(expected), "{reached:?}");
            assert_eq!(since(now, None, reached.map(ago)), ago(expected), "a gap {reached:?}");
        }
    }

    #[test]
    fn waits_differ_but_not_by_much() {
        let mut wait = waits(Duration::from_secs(900));
        let all: Vec<_> = (0..50).map(|_| wait.next_backoff().unwrap().as_secs()).collect();
        assert!(all.iter().all(|seconds| (719..=1_081).contains(seconds)), "{all:?}");
        assert!(all.iter().any(|seconds| *seconds != all[0]));
    }
}
