//! What is counted, for Prometheus: each name with its HELP, in one place.
//!
//! Names follow <https://prometheus.io/docs/practices/naming/>. Whoever counts uses the macros of the `metrics` crate
//! with these names; where no recorder was started, they do nothing.

use std::fmt;
use std::time::Duration;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

pub const MESSAGES: &str = "pipetrail_messages_total";
pub const RETRIED: &str = "pipetrail_messages_retried_total";
pub const BATCH: &str = "pipetrail_batch_messages";
pub const LAG: &str = "pipetrail_message_lag_seconds";
pub const HOOK_LAG: &str = "pipetrail_hook_lag_seconds";
pub const CONFLICTS: &str = "pipetrail_commit_conflicts_total";
pub const REQUESTS: &str = "pipetrail_storage_requests_total";
pub const ADO_REQUESTS: &str = "pipetrail_ado_requests_total";
pub const RECONCILED: &str = "pipetrail_reconcile_rounds_total";
pub const MISSED: &str = "pipetrail_reconcile_missed_total";
pub const HOOKS: &str = "pipetrail_hook_subscriptions";
pub const QUEUE: &str = "pipetrail_queue_messages";
pub const OLDEST: &str = "pipetrail_queue_oldest_message_age_seconds";
pub const QUEUE_LOOKED: &str = "pipetrail_queue_looked_at_timestamp_seconds";
pub const HOOKS_LOOKED: &str = "pipetrail_hooks_looked_at_timestamp_seconds";
pub const DEAD_LETTERS: &str = "pipetrail_dead_letters";
pub const HTTP_REQUESTS: &str = "pipetrail_http_requests_total";
pub const HTTP_SECONDS: &str = "pipetrail_http_request_duration_seconds";
pub const STREAMS: &str = "pipetrail_http_streams";

/// So often histograms are folded.
const UPKEEP: Duration = Duration::from_secs(5);

/// The numbers of this process, as Prometheus reads them.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Starts counting, for the whole process. Called once.
    ///
    /// # Errors
    /// When something else has started it before.
    pub fn start() -> Result<Self, BuildError> {
        let handle = builder()?.install_recorder()?;
        describe();
        Ok(Self(handle))
    }

    /// The text format of Prometheus,
    /// [version 0.0.4](https://prometheus.io/docs/instrumenting/exposition_formats/).
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds what histograms gathered, for ever: without it their memory grows until the next time somebody asks.
    pub async fn keep_up(&self) {
        loop {
            tokio::time::sleep(UPKEEP).await;
            self.0.run_upkeep();
        }
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    let messages = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 128.0, 512.0, 2048.0];
    let seconds = [0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 3_600.0, 86_400.0, 432_000.0];
    let answers = [0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0];
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(BATCH.to_owned()), &messages)?
        .set_buckets_for_metric(Matcher::Full(LAG.to_owned()), &seconds)?
        .set_buckets_for_metric(Matcher::Full(HOOK_LAG.to_owned()), &seconds)?
        .set_buckets_for_metric(Matcher::Full(HTTP_SECONDS.to_owned()), &answers)
}

fn describe() {
    describe_counter!(MESSAGES, "Deliveries by what became of them.");
    describe_counter!(RETRIED, "Deliveries that were not their message's first.");
    describe_histogram!(BATCH, "Messages in a batch.");
    describe_histogram!(LAG, Unit::Seconds, "How long the oldest message of a batch had been on the queue.");
    describe_histogram!(
        HOOK_LAG,
        Unit::Seconds,
        "How long events took from Azure DevOps, which dates them, to the store."
    );
    describe_counter!(
        CONFLICTS,
        "Writes of records that found another version than had been read or written before: tried again after a join."
    );
    describe_counter!(REQUESTS, "Requests to Azure Storage by service and HTTP status; \"error\" without an answer.");
    describe_counter!(ADO_REQUESTS, "Requests to Azure DevOps by HTTP status; \"error\" without an answer.");
    describe_counter!(RECONCILED, "Rounds of asking Azure DevOps what its events did not tell, by outcome.");
    describe_counter!(
        MISSED,
        "How often a run looked different once Azure DevOps was asked: its events were lost or late."
    );
    describe_gauge!(HOOKS, "Subscriptions of service hooks that should be there, by state: \"healthy\", or a finding.");
    describe_gauge!(
        QUEUE,
        "Messages on the queue, visible or leased; on Azure approximate, and all count as visible when more than 32 are."
    );
    describe_gauge!(OLDEST, Unit::Seconds, "Age of the oldest message that is visible on the queue; 0 when none is.");
    describe_gauge!(
        QUEUE_LOOKED,
        Unit::Seconds,
        "When the queue could be looked at last; what is said of it is as old."
    );
    describe_gauge!(
        HOOKS_LOOKED,
        Unit::Seconds,
        "When the subscriptions of service hooks could be looked at last; 0 before the first time."
    );
    describe_counter!(HTTP_REQUESTS, "Requests that were answered, by route, method and status.");
    describe_histogram!(HTTP_SECONDS, Unit::Seconds, "How long answers took to begin, by route.");
    describe_gauge!(STREAMS, "Listeners on the stream of changes.");
    describe_gauge!(DEAD_LETTERS, "Dead letters that wait for somebody to look at them.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_has_help_and_type() {
        let recorder = builder().unwrap().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            describe();
            metrics::counter!(MESSAGES, "outcome" => "poisoned").increment(0);
            metrics::histogram!(BATCH).record(3.0);
        });
        let text = handle.render();
        for name in [MESSAGES, BATCH] {
            assert!(text.contains(&format!("# HELP {name} ")) && text.contains(&format!("# TYPE {name} ")), "{text}");
        }
        assert!(text.contains("pipetrail_messages_total{outcome=\"poisoned\"} 0"), "{text}");
        assert!(text.contains("pipetrail_batch_messages_bucket{le=\"4\"} 1"), "{text}");
    }
}
