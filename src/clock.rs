//! The only place that reads the wall clock.

use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::domain::Time;

/// Tells the time. Passed as an argument wherever the time matters.
pub trait Clock: Debug + Send + Sync {
    fn now(&self) -> Time;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of the wall clock")]
    fn now(&self) -> Time {
        Time::from(chrono::Utc::now())
    }
}

/// A clock that stands still until it is told to advance, for tests.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    #[must_use]
    pub fn at(now: Time) -> Self {
        Self(AtomicI64::new(now.ticks()))
    }

    pub fn advance(&self, duration: Duration) {
        self.0.store(self.now().plus(duration).ticks(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        Time::from_ticks(self.0.load(Ordering::SeqCst))
    }
}
