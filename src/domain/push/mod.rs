//! A push: which refs it moved, and the commits that came with it.
//!
//! A push never changes, so that all who speak of it say the same; who knows less says less. The service lists the
//! latest commits of a push only, in an event fewer than the REST API, and that none unless each push is asked for by
//! itself. No event says whether it left any out: so a record notes whether its push was asked for.

mod fact;
mod record;

pub use fact::{PushFact, RefUpdate};
pub use record::{PushRecord, ShownPush};
