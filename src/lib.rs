//! Pipetrail follows every Azure DevOps pipeline run.
pub mod ado;
pub mod clock;
pub mod domain;
