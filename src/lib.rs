//! Pipetrail follows every Azure DevOps pipeline run.
pub mod ado;
pub mod catalog;
pub mod clock;
pub mod domain;
pub mod history;
pub mod ingest;
pub mod queue;
pub mod sqlite;
pub mod store;
