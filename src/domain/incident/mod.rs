//! Something went wrong in production, as a person or another program told: when it began, when it was over, what it
//! names as its cause.
//!
//! Incidents that are work items are not here: those are [work items](super::work_item), and the configuration says which.
//!
//! The trap: an incident may be opened again. So the turns are kept with their times, and whether it is over follows from
//! the last of them.

mod fact;
mod record;
#[cfg(test)]
mod tests;

pub use fact::IncidentFact;
pub use record::{IncidentRecord, ShownIncident};
