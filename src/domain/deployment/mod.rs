//! What one run brought to one environment of the YAML pipelines, as the environment's deployment records tell.
//!
//! The laws are those of a [run](super::run). The service keeps one deployment record a deployment job; here they are
//! folded by stage and attempt, since people ask for the stage. Only a `deployment:` job makes such a record, so an
//! environment without any may be deployed to all the same.

mod fact;
mod record;
#[cfg(test)]
mod tests;

pub use fact::{DeploymentFact, DeploymentJobSaid};
pub use record::{DeploymentRecord, ShownDeployment};
