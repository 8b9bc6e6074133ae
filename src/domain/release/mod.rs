//! A release of the classic release pipelines: its artifacts, its environments attempt by attempt, its approvals.
//!
//! The laws are those of a [run](super::run), and an environment of a release is what a stage is of a run. The trap:
//! every event about a release lists all its environments as they are when the event is rendered, which is not when it
//! happened. So only an event about a deployment speaks of its environment; what the others say in passing counts where
//! nobody else spoke.

mod fact;
mod record;
#[cfg(test)]
mod tests;

pub use fact::{ArtifactSaid, EnvironmentSaid, ReleaseFact};
pub use record::{ReleaseRecord, ShownArtifact, ShownRelease};
