use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::Time;
use crate::queue::{Queue, Survey};
use crate::telemetry::prometheus;

/// On Azure a message that waits for 7 days is gone, so that somebody has to hear of it well before.
const LONG_WAIT: Duration = Duration::from_secs(5 * 24 * 3600);
/// One look of so many is a line in the log, where alerts are made of logs: of looks every 30 s one every 5 minutes.
const LOOKS_A_LINE: u32 = 10;

/// Looks at the queue now and then, and tells those who watch over it.
#[expect(missing_debug_implementations, reason = "a queue has none")]
pub struct Watch {
    pub queue: Arc<dyn Queue>,
    pub clock: Arc<dyn Clock>,
    pub every: Duration,
}

impl Watch {
    /// Looks until the stop.
    pub async fn run(&self, stop: CancellationToken) {
        // The stop waits for no look: in an outage one may take a minute.
        let None = stop.run_until_cancelled(self.look_for_ever()).await;
    }

    async fn look_for_ever(&self) -> Infallible {
        // Not the first one: who only empties the queue is gone by then.
        let mut looks = (0..LOOKS_A_LINE).cycle();
        loop {
            let in_the_log = looks.next() == Some(1);
            match self.queue.survey().await {
                Ok(survey) => tell(&survey, self.clock.now(), in_the_log),
                Err(error) => tracing::warn!(error = error.cause(), "queue: cannot be looked at"),
            }
            tokio::time::sleep(self.every).await;
        }
    }
}

fn tell(survey: &Survey, now: Time, in_the_log: bool) {
    let dead_letters = survey.dead_letters.count();
    let waits = survey.oldest.map(|inserted| now.since(inserted)).unwrap_or_default();
    gauge!(prometheus::QUEUE, "state" => "visible").set(float(survey.depth.visible));
    gauge!(prometheus::QUEUE, "state" => "leased").set(float(survey.depth.leased));
    gauge!(prometheus::OLDEST).set(waits.as_secs_f64());
    gauge!(prometheus::DEAD_LETTERS).set(float(dead_letters));
    // The others keep their last value when the next look fails: by this one they are known to be old.
    gauge!(prometheus::QUEUE_LOOKED).set(now.since(Time::UNKNOWN).as_secs_f64());
    if in_the_log {
        let (visible, leased, oldest_s) = (survey.depth.visible, survey.depth.leased, waits.as_secs());
        tracing::info!(visible, leased, oldest_s, dead_letters, "queue looked at");
    }
    if waits > LONG_WAIT {
        let hours = waits.as_secs() / 3600;
        tracing::warn!(hours, "a message waits for long: Azure removes after 7 days what Azure DevOps put there");
    }
}

/// A gauge is a float, which holds no count of messages wrong that anybody can have.
fn float(count: u64) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::queue::{Dead, Depth};

    #[test]
    fn what_waits_is_told() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let inserted = Time::from_ticks(0);
        let depth = Depth { visible: 3, leased: 2, mixed: false };
        let survey = Survey { depth, oldest: Some(inserted), dead_letters: Dead::from_iter(["bad_json".to_owned()]) };
        metrics::with_local_recorder(&recorder, || tell(&survey, inserted.plus(Duration::from_secs(90)), false));
        let text = recorder.handle().render();
        for line in [
            "pipetrail_queue_messages{state=\"visible\"} 3",
            "pipetrail_queue_messages{state=\"leased\"} 2",
            "pipetrail_queue_oldest_message_age_seconds 90",
            "pipetrail_dead_letters 1",
            "pipetrail_queue_looked_at_timestamp_seconds 90",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    /// What the log has when the oldest message has waited for so long.
    fn said_after(waited: Duration, in_the_log: bool) -> String {
        let log = tempfile::NamedTempFile::new().unwrap();
        let writer = Mutex::new(log.reopen().unwrap());
        let subscriber = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).finish();
        let inserted = Time::from_ticks(0);
        let survey = Survey { depth: Depth::default(), oldest: Some(inserted), dead_letters: Dead::default() };
        tracing::subscriber::with_default(subscriber, || tell(&survey, inserted.plus(waited), in_the_log));
        std::fs::read_to_string(log.path()).unwrap()
    }

    #[test]
    fn a_message_that_may_soon_be_gone_is_warned_of() {
        assert_eq!(said_after(LONG_WAIT, false), "");
        let said = said_after(LONG_WAIT + Duration::from_secs(3_600), false);
        assert!(
            said.contains("WARN") && said.contains("a message waits for long") && said.contains("hours=121"),
            "{said}"
        );
    }

    /// `infra/modules/alerts.bicep` asks for these names.
    #[test]
    fn what_alerts_are_made_of_is_in_the_log_by_name() {
        let said = said_after(Duration::from_secs(90), true);
        assert!(said.contains("INFO") && said.contains("queue looked at"), "{said}");
        assert!(said.contains("visible=0 leased=0 oldest_s=90 dead_letters=0"), "{said}");
    }
}
