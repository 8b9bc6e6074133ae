//! One integration binary: a module a subject.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected must stop there"
)]

mod cli;
mod http;
mod merge_laws;
mod reference;
mod simulation;
//! One integration binary: linking is what costs, not running.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails has to fail its test; what clippy permits in tests does not reach helpers"
)]

mod bad_input;
mod examples;
