use std::ops::AddAssign;
use std::time::Duration;

use metrics::{counter, histogram};

use crate::telemetry::prometheus;

/// What became of messages, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Deliveries; a message that comes twice counts twice.
    pub received: u64,
    /// Messages that changed a record.
    pub applied: u64,
    /// Messages that said what was known.
    pub unchanged: u64,
    /// Valid events that are not ours.
    pub ignored: u64,
    /// Messages that only name a run, which is to be asked for.
    pub wanted: u64,
    /// Messages that became dead letters.
    pub poisoned: u64,
    /// Deliveries that were not the message's first.
    pub retried: u64,
    /// Deliveries that were given back.
    pub given_back: u64,
    /// Writes that another writer was quicker with.
    pub conflicts: u64,
    /// Messages about runs that were purged before.
    pub below_floor: u64,
    /// How long the oldest message had been on the queue.
    pub lag: Duration,
}

impl Tally {
    /// Adds a batch to what Prometheus reads.
    pub(super) fn count(&self) {
        let outcomes = [
            ("applied", self.applied),
            ("unchanged", self.unchanged),
            ("ignored", self.ignored),
            ("wanted", self.wanted),
            ("poisoned", self.poisoned),
            ("given_back", self.given_back),
            ("below_floor", self.below_floor),
        ];
        for (outcome, count) in outcomes {
            counter!(prometheus::MESSAGES, "outcome" => outcome).increment(count);
        }
        counter!(prometheus::RETRIED).increment(self.retried);
        counter!(prometheus::CONFLICTS).increment(self.conflicts);
        if self.received > 0 {
            histogram!(prometheus::LAG).record(self.lag);
            histogram!(prometheus::BATCH).record(u32::try_from(self.received).unwrap_or(u32::MAX));
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.applied += other.applied;
        self.unchanged += other.unchanged;
        self.ignored += other.ignored;
        self.wanted += other.wanted;
        self.poisoned += other.poisoned;
        self.retried += other.retried;
        self.given_back += other.given_back;
        self.conflicts += other.conflicts;
        self.below_floor += other.below_floor;
        self.lag = self.lag.max(other.lag);
    }
}
