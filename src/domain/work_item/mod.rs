//! A work item: what it is, how far, and what it is linked to.
//!
//! A work item has revisions, which is the order that other records have to do without: of each field the greatest
//! revision wins, whatever the clocks say.

mod fact;
mod record;

pub use fact::{Relation, WorkItemFact};
pub use record::{ShownState, ShownWorkItem, WorkItemRecord};
