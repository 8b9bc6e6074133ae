//! One integration binary: a module a subject.
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected must stop there")]

mod cli;
mod http;
mod merge_laws;
mod reference;
mod simulation;
