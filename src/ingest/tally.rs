use std::ops::AddAssign;
use std::time::Duration;

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

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.applied += other.applied;
        self.unchanged += other.unchanged;
        self.ignored += other.ignored;
        self.poisoned += other.poisoned;
        self.retried += other.retried;
        self.given_back += other.given_back;
        self.conflicts += other.conflicts;
        self.below_floor += other.below_floor;
        self.lag = self.lag.max(other.lag);
    }
}
