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
mod room;
mod shown;
mod signature;
#[cfg(test)]
mod tests;

pub use claims::Statement;
pub use fact::{
    ApprovalSaid, ApprovalStatement, Consumed, JobSaid, MOST_APPROVERS, MOST_RESOURCE_NAME, MOST_RESOURCES, RunFact,
    StageSaid,
};
pub use failure::{Failure, ShownFailure};
pub use origin::{ShownOrigin, ShownTrigger};
pub use record::RunRecord;
pub use shown::{ShownApproval, ShownJob, ShownRun, ShownStage};
pub use signature::signature;
