//! What Azure DevOps said, and what follows from it. Pure: no input, no output, no clock.
//!
//! [`Fact`] is one statement in short form. [`Record`] is the [join](Join) of all facts about one
//! subject. What people see is computed from the record alone: [`run::ShownRun`]; so is what leads to what: [`link`].
//!
//! Room for a new kind of event: a variant of [`FactKind`] and, where it speaks about something else
//! than a run, a record of its own beside [`run`] and [`gap`]: a line in the list of kinds (`record`), a variant of
//! [`Key`]. The worker and the store handle [`Record`], [`Fact`] and [`Key`] and nothing inside them.

pub mod chain;
pub mod changes;
pub mod cluster;
mod columns;
mod commit;
pub mod default_branch;
pub mod deployment;
mod entries;
pub mod erase;
pub mod gap;
mod hook_lag;
mod hooks;
pub mod incident;
mod join;
mod key;
mod labels;
pub mod link;
pub mod metrics;
pub mod names;
pub mod owner;
mod pattern;
pub mod pull_request;
pub mod push;
mod record;
pub mod release;
pub mod report;
pub mod run;
mod scope;
pub mod text;
mod time;
mod words;
pub mod work_item;

pub use columns::{Cell, Columns};
pub use commit::{Commit, ShownCommit, commit_id};
pub use erase::Erasure;
pub use hook_lag::{HookLag, HookLags};
pub use hooks::{HookLook, SeenHook};
pub use join::{Change, Join, Said};
pub use key::{
    ClusterKey, DeploymentKey, GapKey, IncidentKey, Key, ParseKeyError, PullRequestKey, PushKey, ReleaseKey, ReportKey,
    RunKey, WorkItemKey,
};
pub use names::{Names, has_pseudonym};
pub use pattern::{BranchPattern, Pattern};
pub use record::{DecodeRecordError, EncodedFact, Fact, Record};
pub use scope::{Grant, NoProjectName, ProjectName, Rights, Scope};
pub use time::{ParseTimeError, Time};
pub use words::{
    ApprovalPhase, ApprovalStatus, ArtifactPart, DeliveryResult, FactKind, GapReason, IncidentTurn, Label, Outcome,
    PullRequestStatus, ReleaseFactKind, ReleaseStatus, ReportKind, Speaker, State, SubscriptionStatus,
};
