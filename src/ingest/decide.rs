//! What becomes of what. Nothing here acts.

use std::time::Duration;

use crate::ado::{DecodeError, Decoded, Named};
use crate::domain::Fact;
use crate::queue::{ALONE_FROM, Outcome, Reason};

use super::wanted::WantedRun;

/// So many lonely attempts without an outcome make it a dead letter.
const MOST_TRIALS: u32 = 5;
/// How long a message waits that only a newer program can handle.
const LEFT_FOR: Duration = Duration::from_secs(60);

/// With others or alone. Receives do not poison: crashes and outages raise them for sound messages too.
/// They only single out what *may* be killing the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Company {
    Batch,
    Alone,
}

pub(super) fn company(receives: u32) -> Company {
    if receives >= ALONE_FROM { Company::Alone } else { Company::Batch }
}

/// The reason to give up on a message whose lonely attempts left no outcome so often.
pub(super) fn given_up(trials: u32) -> Option<Reason> {
    (trials >= MOST_TRIALS).then(|| {
        Reason::new(
            "kills_worker",
            format!("handling it alone ended the worker {trials} times: look at the worker's log"),
        )
    })
}

/// What a body turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Facts,
    /// Valid, not ours: counted and dropped.
    Ignored,
    /// Names a run that is to be asked for: noted, then dropped.
    Wanted(WantedRun),
    /// Final at once: trying again does not make it better.
    Bad(Reason),
}

/// What a body is, with what it says. `None` is a caught panic.
pub(super) fn reading(decoded: Option<Result<Decoded, DecodeError>>) -> (Reading, Vec<Fact>) {
    let reading = match decoded {
        Some(Ok(Decoded::Facts(facts))) => return (Reading::Facts, facts),
        Some(Ok(Decoded::Ignored { .. })) => Reading::Ignored,
        Some(Ok(Decoded::Named(Named { organization, project, run, said }))) => {
            Reading::Wanted(WantedRun { organization, project, run, said })
        }
        Some(Err(DecodeError { code, sentence, path })) => Reading::Bad(Reason { path, ..Reason::new(code, sentence) }),
        None => Reading::Bad(Reason::new("panic", "the decoder failed on it: please report this with the body")),
    };
    (reading, Vec::new())
}

/// What became of one record's part of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Applied,
    /// The record said it already.
    Unchanged,
    /// Purged before: it stays gone.
    BelowFloor,
    /// The store will not have it, and takes other writes.
    Refused(String),
    /// The stored record is for a newer program: not ours to change.
    Newer(String),
    /// The stored record cannot be read by anybody.
    Damaged(String),
}

impl Fate {
    /// Whether readers have to look at the record. Also where it was found unchanged: whoever changed it may
    /// have crashed before telling them.
    pub(super) fn is_to_be_logged(&self) -> bool {
        match self {
            Self::Applied | Self::Unchanged => true,
            Self::BelowFloor | Self::Refused(_) | Self::Newer(_) | Self::Damaged(_) => false,
        }
    }
}

/// What becomes of a message, by the fates of the records that it speaks about.
pub(super) fn outcome<'a>(fates: impl Iterator<Item = &'a Fate>, tries: u32) -> Outcome {
    let mut outcome = Outcome::Done;
    for fate in fates {
        match fate {
            Fate::Refused(why) => {
                let reason = Reason::new("store_refused", format!("the store refused what it says: {why}"));
                return Outcome::Dead { reason, tries };
            }
            Fate::Damaged(why) => {
                let sentence = format!("{why}: run `pipetrail refold`, then requeue this message");
                return Outcome::Dead { reason: Reason::new("record_damaged", sentence), tries };
            }
            Fate::Newer(_) => outcome = Outcome::Back { after: LEFT_FOR },
            Fate::Applied | Fate::Unchanged | Fate::BelowFloor => {}
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Time;

    #[test]
    fn receives_decide_only_about_company() {
        let table = [(1, Company::Batch), (3, Company::Batch), (4, Company::Alone), (1_000, Company::Alone)];
        for (receives, expected) in table {
            assert_eq!(company(receives), expected, "{receives}");
        }
    }

    #[test]
    fn five_attempts_without_an_outcome_are_enough() {
        assert_eq!(given_up(4), None);
        assert_eq!(given_up(5).unwrap().code, "kills_worker");
    }

    #[test]
    fn what_becomes_of_a_message() {
        let refused = || Fate::Refused("400".to_owned());
        let newer = || Fate::Newer("newer".to_owned());
        let damaged = || Fate::Damaged("damaged".to_owned());
        let code = |outcome| match outcome {
            Outcome::Done => "done".to_owned(),
            Outcome::Back { after } => format!("back {}", after.as_secs()),
            Outcome::Dead { reason, tries } => format!("{} {tries}", reason.code),
        };
        let table = [
            (vec![], "done"),
            (vec![Fate::Applied], "done"),
            (vec![Fate::Unchanged, Fate::BelowFloor], "done"),
            (vec![Fate::Applied, newer()], "back 60"),
            (vec![newer(), damaged()], "record_damaged 2"),
            (vec![newer(), refused(), Fate::Applied], "store_refused 2"),
        ];
        for (fates, expected) in table {
            assert_eq!(code(outcome(fates.iter(), 2)), expected, "{fates:?}");
        }
    }

    #[test]
    fn a_body_is_facts_or_ignored_or_bad() {
        assert_eq!(reading(Some(Ok(Decoded::Facts(Vec::new())))).0, Reading::Facts);
        let ignored = Decoded::Ignored { event_type: "git.push".to_owned() };
        assert_eq!(reading(Some(Ok(ignored))).0, Reading::Ignored);
        let named = Named { organization: "fabrikam".to_owned(), project: None, run: 7, said: Time::UNKNOWN };
        let Reading::Wanted(wanted) = reading(Some(Ok(Decoded::Named(named)))).0 else { panic!("it is wanted") };
        assert_eq!(wanted.run, 7);
        let error = DecodeError { code: "not_json", sentence: "x".to_owned(), path: Some("a.b".to_owned()) };
        let Reading::Bad(reason) = reading(Some(Err(error))).0 else { panic!("an error is bad") };
        assert_eq!((reason.code.as_str(), reason.path.as_deref()), ("not_json", Some("a.b")));
        let Reading::Bad(reason) = reading(None).0 else { panic!("a panic is bad") };
        assert_eq!(reason.code, "panic");
    }

    #[test]
    fn readers_hear_of_what_was_found_unchanged_too() {
        assert!(Fate::Applied.is_to_be_logged() && Fate::Unchanged.is_to_be_logged());
        assert!(!Fate::BelowFloor.is_to_be_logged());
    }
}
