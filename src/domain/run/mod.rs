//! A pipeline run: what is said about it, the record of that, and what is shown.
//!
//! The record keeps whole statements, never a merged state. Last-writer-wins on fields would be a join
//! too, but the service's lags (a build event is created 5 to 12 s after the finish) then show wrong
//! states for ever. So the record is a map from (speaker, state) to the latest statement, and
//! [`RunRecord::shown`] weighs them each time anew.

mod attempts;
mod claims;
mod fact;
mod failure;
mod origin;
mod record;
pub(crate) mod room;
mod shown;
mod signature;
#[cfg(test)]
mod tests;

pub(crate) use attempts::Attempts;
pub use claims::Statement;
pub use fact::{
    ApprovalSaid, ApprovalStatement, Consumed, Guarded, JobSaid, MOST_APPROVERS, MOST_RESOURCE_NAME, MOST_RESOURCES,
    RunFact, StageSaid, UsedImage,
};
pub use failure::{Failure, ShownFailure};
pub use origin::{ShownOrigin, ShownTrigger};
pub use record::RunRecord;
pub(crate) use record::{Approval, JobKey, ROOM_OF_APPROVALS, ROOM_OF_STAGES, labels};
pub use shown::{ShownApproval, ShownJob, ShownRun, ShownStage};
pub(crate) use shown::{shown_approvals, stage as shown_stage};
pub use signature::signature;
