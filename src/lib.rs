//! Pipetrail follows every Azure DevOps pipeline run.
pub mod domain;
