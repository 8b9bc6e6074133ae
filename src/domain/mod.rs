//! What Azure DevOps said, and what follows from it. Pure: no input, no output, no clock.
//!
//! [`Fact`] is one statement in short form. [`Record`] is the [join](Join) of all facts about one
//! subject. What people see is computed from the record alone: [`run::ShownRun`].
//!
//! Room for a new kind of event: a variant of [`FactKind`] and, where it speaks about something else
//! than a run, a record of its own beside [`run`] and [`gap`]: a line in the list of kinds (`record`), a variant of
//! [`Key`]. The worker and the store handle [`Record`], [`Fact`] and [`Key`] and nothing inside them.

mod columns;
pub mod deployment;
mod entries;
pub mod erase;
pub mod gap;
mod join;
mod key;
pub mod names;
mod record;
pub mod release;
pub mod run;
pub mod text;
mod time;
mod words;

pub use columns::{Cell, Columns};
pub use erase::Erasure;
pub use join::{Change, Join, Said};
pub use key::{DeploymentKey, GapKey, Key, ParseKeyError, ReleaseKey, RunKey};
pub use names::Names;
pub use record::{DecodeRecordError, EncodedFact, Fact, Record};
pub use time::{ParseTimeError, Time};
pub use words::{
    ApprovalPhase, ApprovalStatus, ArtifactPart, DeliveryResult, FactKind, GapReason, Label, Outcome, ReleaseFactKind,
    ReleaseStatus, Speaker, State, SubscriptionStatus,
};
