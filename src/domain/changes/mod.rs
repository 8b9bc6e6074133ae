//! The commits that a run built and the one before it had not: what the service calls a build's changes.
//!
//! A record of its own beside the run: a run's record has no room for hundreds of commits, and nobody tells of them but
//! who is asked. It has the run's key.

mod between;
mod fact;
mod record;

pub use between::Between;
pub use fact::ChangesFact;
pub use record::{ChangesRecord, ShownChanges};
