//! Times in which events were lost: a subscription on probation, switched off, missing, or silent.
//!
//! Nothing that was lost tells of itself, so a gap is said by who looks after the subscriptions, with that one's clock.
//! It is no statement about a run and never argues with one.
//!
//! One record holds the gaps of one stream of events: a kind of event of a project. Not of a subscription: one that was
//! made anew has another id, and ends the gap of the one before.

mod fact;
mod record;

pub use fact::GapFact;
pub use record::{GapRecord, ShownGap};
