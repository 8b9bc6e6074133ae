//! What scripts and people tell of that no service does: deployments, pushes, reviews and tests of other systems.
//!
//! One record is one statement, named by what it says. The trap: those who tell may tell twice, with no id and no time of
//! their own, and may rightly say the same again on another day. So the record keeps when it was told; what comes again
//! within ten minutes of the time before is the same event, and what comes later is another.

mod fact;
mod record;
#[cfg(test)]
mod tests;

pub use fact::{ReportFact, ReportSaid};
pub use record::ReportRecord;
