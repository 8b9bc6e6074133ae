//! A work item: what it is, how far, and what it is linked to.
//!
//! A work item has revisions, which is the order that other records have to do without: of each field the greatest
//! revision wins, whatever the clocks say.
//!
//! The trap: an event that tells of a removed link may be lost. So what a statement of all relations does not list counts
//! as removed in its revision.

mod fact;
mod record;

pub use fact::{Relation, WorkItemFact};
pub use record::{ShownState, ShownWorkItem, WorkItemRecord};
