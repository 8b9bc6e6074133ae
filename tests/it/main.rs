//! One integration binary: linking is what costs, not running.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails has to fail its test; what clippy permits in tests does not reach helpers"
)]

mod bad_input;
mod contract;
mod crash;
mod examples;
mod faults;
mod local;
mod merge_laws;
mod simulation;
mod support;
mod worker;
