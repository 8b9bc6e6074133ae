//! The words of the build API, of timelines and of version 1.0, in those of today's events. A word that
//! is not listed stays as it came.

use crate::domain::{Outcome, State};

pub(super) fn state(word: &str) -> State {
    match word {
        "cancelling" => State::Canceling,
        other => State::from(other),
    }
}

/// The state of a stage or a job in a timeline.
pub(super) fn timeline_state(word: &str) -> State {
    match word {
        "pending" => State::NotStarted,
        "inProgress" => State::Running,
        other => state(other),
    }
}

pub(super) fn outcome(word: &str) -> Option<Outcome> {
    match word {
        "none" => None,
        "stopped" => Some(Outcome::Canceled),
        "succeededWithIssues" => Some(Outcome::PartiallySucceeded),
        other => Some(Outcome::from(other)),
    }
}

/// Whether it says how far a build is, and not how it ended.
pub(super) fn is_build_state(word: &str) -> bool {
    matches!(
        word,
        "none" | "inProgress" | "completed" | "cancelling" | "canceling" | "postponed" | "notStarted" | "all"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_and_kept() {
        assert_eq!(state("cancelling"), State::Canceling);
        assert_eq!(state("inProgress"), State::InProgress);
        assert_eq!(state("levitating"), State::Other("levitating".to_owned()));
        assert_eq!(timeline_state("pending"), State::NotStarted);
        assert_eq!(timeline_state("inProgress"), State::Running);
        assert_eq!(timeline_state("completed"), State::Completed);
        assert_eq!(outcome("none"), None);
        assert_eq!(outcome("stopped"), Some(Outcome::Canceled));
        assert_eq!(outcome("succeededWithIssues"), Some(Outcome::PartiallySucceeded));
        assert_eq!(outcome("exploded"), Some(Outcome::Other("exploded".to_owned())));
    }
}
