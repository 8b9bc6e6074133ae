//! Pipetrail follows every Azure DevOps pipeline run.
pub mod clock;
pub mod domain;
pub mod history;
