//! A part of a list, and where the rest of it begins.
//!
//! A list is read in parts, and each part costs only so much: it ends where as many items were found as were asked for, or
//! where so many candidates were looked at. In the second case it may be empty, though the list is not: whoever shows it
//! says how far was looked.

use serde::Serialize;
use utoipa::ToSchema;

use super::place::Place;
use super::rows::rfc3339;
use crate::domain::Time;

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    pub items: Vec<T>,
    /// The rest of the list stands behind it; `None` where there is no rest.
    pub next: Option<Place>,
    /// Where it ended before it had as many items as were asked for, and there may be more.
    pub looked_to: Option<LookedTo>,
}

/// How far was looked. Up to there all that fits was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LookedTo {
    /// In a list of runs, which is in the order of their ids: the last of these ids.
    pub run_id: Option<u64>,
    /// The time there: of a run when it was queued, else when it started or finished. Null where it is not known, or not
    /// the reader's to know.
    #[serde(serialize_with = "rfc3339")]
    pub at: Option<Time>,
}
