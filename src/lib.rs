//! Pipetrail follows every Azure DevOps pipeline run.
pub mod ado;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod cmd;
pub mod config;
pub mod domain;
pub mod history;
pub mod http;
pub mod ingest;
pub mod queue;
pub mod shutdown;
pub mod sqlite;
pub mod store;
pub mod telemetry;
pub mod view;
