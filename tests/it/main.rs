//! One integration binary, a module a subject: linking is what costs, not running.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a helper that fails has to fail its test; what clippy permits in tests does not reach helpers"
)]

mod access;
mod ado_process;
mod api;
mod architecture;
mod asking;
mod audience;
mod azure;
mod azure_guards;
mod azure_process;
mod azure_queue;
mod azure_store;
mod azurite;
mod backfill;
mod backfill_releases;
mod bad_input;
mod chain;
mod cli;
mod contract;
mod crash;
mod dashboard;
mod entra;
mod examples;
mod fake_ado;
mod fake_idp;
mod fake_model;
mod faults;
mod forget;
mod forget_store;
mod hostile;
mod http;
mod infra;
mod local;
mod mcp;
mod merge_laws;
mod merge_laws_cluster;
mod merge_laws_code;
mod merge_laws_gap;
mod merge_laws_release;
mod merge_laws_told;
mod metrics;
mod process;
mod proxy;
mod questions;
mod reconcile;
mod reference;
mod releases;
mod rest;
mod runbook;
mod scene;
mod serve;
mod shell;
mod simulation;
mod spektate;
mod subscriptions;
mod support;
mod told;
mod transfer;
mod truth;
mod worker;
