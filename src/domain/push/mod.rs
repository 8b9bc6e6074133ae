//! A push: which refs it moved, and the commits that came with it.
//!
//! A push never changes, so that all who speak of it say the same; who knows less says less. The service lists the
//! latest commits of a push only, and the REST API none unless each push is asked for by itself.

mod fact;
mod record;

pub use fact::{PushFact, RefUpdate};
pub use record::{PushRecord, ShownPush};
