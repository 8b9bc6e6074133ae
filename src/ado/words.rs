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

/// The state of an environment of a release, or of a deployment to it. There the outcome is a state too.
pub(super) fn environment(word: &str) -> Option<(State, Option<Outcome>)> {
    match word {
        "undefined" => None,
        "notDeployed" => Some((State::NotStarted, None)),
        "succeeded" | "partiallySucceeded" | "rejected" | "canceled" | "failed" => {
            Some((State::Completed, Some(Outcome::from(word))))
        }
        other => Some((State::from(other), None)),
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
        assert_eq!(environment("undefined"), None);
        assert_eq!(environment("rejected"), Some((State::Completed, Some(Outcome::Rejected))));
        assert_eq!(environment("inProgress"), Some((State::InProgress, None)));
        assert_eq!(environment("queued"), Some((State::Other("queued".to_owned()), None)));
    }
}
