use serde::{Deserialize, Serialize};

use crate::domain::{GapKey, GapReason, Names, Time};

/// What was seen of a gap at one look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapFact {
    /// Stored beside it.
    #[serde(skip)]
    pub key: GapKey,
    /// When it was seen, by the clock of who saw it.
    pub said: Time,
    /// Which gap: when it began.
    pub from: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_name: Option<String>,
    /// Why events are lost at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<GapReason>,
    /// Events come again, at the latest since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Time>,
    /// What happened from the gap's beginning to then was read from the REST API instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covered: Option<Time>,
}

impl GapFact {
    /// It names nobody.
    pub(crate) fn name_people(&mut self, _: &Names) {}

    /// A fact that says nothing yet.
    #[must_use]
    pub fn new(key: GapKey, from: Time, said: Time) -> Self {
        Self { key, said, from, project_name: None, why: None, over: None, covered: None }
    }
}
