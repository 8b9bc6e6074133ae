//! The read model, in SQL. Every reader asks here; no reader scans the store.
mod rows;

pub use rows::{Approval, Job, LastRun, Pipeline, PipelineName, Run, RunDetail, RunFilter, Stage};
