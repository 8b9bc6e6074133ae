use std::time::Duration;

use super::environment::EnvironmentRule;
use super::material::Ending;
use crate::domain::{Outcome, Pattern, Time};

/// What counts as what: by configuration, since the service does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The first that fits is the one; where none does, the names speak.
    pub environments: Vec<EnvironmentRule>,
    pub partial: PartialSuccess,
    /// A fix so long after the beginning of an incident is rework.
    pub rework_within: Duration,
    /// Branches, and titles of pull requests, that are fixes.
    pub fixes: Vec<Pattern>,
    /// Types of work items that are incidents.
    pub incidents: Vec<Pattern>,
    /// Tags of work items that are incidents, whatever their type.
    pub incident_tags: Vec<Pattern>,
    /// States in which these are resolved.
    pub resolved: Vec<Pattern>,
    /// Whether people are compared with each other.
    pub people: bool,
}

/// What a deployment is that partially succeeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartialSuccess {
    /// It is one that succeeded, and is told apart.
    #[default]
    Counts,
    Fails,
    /// It is none.
    IsNone,
}

const TWO_DAYS: Duration = Duration::from_secs(48 * 3_600);

impl Default for Terms {
    fn default() -> Self {
        let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text)).collect();
        Self {
            environments: Vec::new(),
            partial: PartialSuccess::default(),
            rework_within: TWO_DAYS,
            fixes: patterns(&["hotfix/*", "hotfix-*", "fix/*", "bugfix/*", "fix:*", "hotfix:*", "revert *"]),
            incidents: patterns(&["Incident"]),
            incident_tags: patterns(&["Incident"]),
            resolved: patterns(&["Resolved", "Closed", "Done", "Completed", "Removed"]),
            people: false,
        }
    }
}

impl Terms {
    /// How a deployment ended that ended so; `None` where there was none. A word that this version does not know is none
    /// either: it is neither good news nor bad.
    #[must_use]
    pub fn ending(&self, result: &Outcome) -> Option<Ending> {
        match result {
            Outcome::Succeeded => Some(Ending::Succeeded),
            Outcome::Failed => Some(Ending::Failed),
            Outcome::PartiallySucceeded => match self.partial {
                PartialSuccess::Counts => Some(Ending::PartiallySucceeded),
                PartialSuccess::Fails => Some(Ending::Failed),
                PartialSuccess::IsNone => None,
            },
            Outcome::Canceled | Outcome::Skipped | Outcome::Rejected | Outcome::Abandoned | Outcome::Other(_) => None,
        }
    }

    /// Whether a branch or a title says that it is a fix.
    #[must_use]
    pub fn names_fix(&self, text: &str) -> bool {
        let text = text.strip_prefix("refs/heads/").unwrap_or(text);
        Pattern::any(&self.fixes, text)
    }

    #[must_use]
    pub fn is_incident(&self, kind: &str) -> bool {
        Pattern::any(&self.incidents, kind)
    }

    /// `tags` with `;` between them, as the service writes them.
    #[must_use]
    pub fn is_tagged_incident(&self, tags: &str) -> bool {
        tags.split(';').any(|tag| Pattern::any(&self.incident_tags, tag.trim()))
    }

    #[must_use]
    pub fn is_resolved(&self, state: &str) -> bool {
        Pattern::any(&self.resolved, state)
    }

    /// Since when a work item is in a state that says so, if it still is. `states` are all of its states, the first first,
    /// each with the ticks at which it came.
    #[must_use]
    pub fn resolved_since(&self, states: &[(String, Option<i64>)]) -> Option<Time> {
        let over = states.iter().rev().take_while(|(state, _)| self.is_resolved(state));
        over.last().and_then(|(_, since)| since.map(Time::from_ticks))
    }
}
