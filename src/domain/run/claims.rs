use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::join::join_greatest;
use crate::domain::text::MOST_WORD;
use crate::domain::{Change, Join, Outcome, Speaker, State, Time, entries};

/// One whole statement of one speaker about a subject in one state.
///
/// An absent field says nothing: it is never a statement that there is no such thing.
///
/// Stored as `[said, result, queued, started, finished]`: a record holds a dozen of these, and names would be a
/// quarter of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Statement {
    /// When it was said, by the service's clock.
    pub said: Time,
    pub result: Option<Outcome>,
    pub queued: Option<Time>,
    pub started: Option<Time>,
    pub finished: Option<Time>,
}

impl Serialize for Statement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.said, &self.result, self.queued, self.started, self.finished).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Statement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (said, result, queued, started, finished) = Deserialize::deserialize(deserializer)?;
        Ok(Self { said, result, queued, started, finished })
    }
}

impl Statement {
    /// A statement with nothing but its time.
    #[must_use]
    pub fn at(said: Time) -> Self {
        Self { said, result: None, queued: None, started: None, finished: None }
    }

    /// When what it speaks of ended, as far as it knows.
    pub(crate) fn finish(&self) -> Time {
        self.finished.unwrap_or(self.said)
    }
}

/// The greatest of (finished or said, said, content).
impl Join for Statement {
    fn join(&mut self, other: Self) -> Change {
        let greater = (other.finish(), other.said, &other) > (self.finish(), self.said, self);
        if greater {
            *self = other;
        }
        Change::of(greater)
    }
}

/// Statements closer together than this speak of the same completion.
pub(crate) const SAME_COMPLETION: Duration = Duration::from_secs(1);

/// A non-terminal statement later than this after the last word on a completion is a new attempt; an
/// earlier one was only late. The longest lag seen between a finish and its event is 12 s.
pub(crate) const LATE: Duration = Duration::from_secs(15);

/// Speakers and states are few, but an unknown state is kept as it came, and anybody can make one up.
const MOST_CLAIMS: usize = 48;
/// One claim in JSON takes no more: two words, the speaker's, four times, and what stands around them.
const CLAIM: usize = 112 + 2 * MOST_WORD;

/// The latest statement of each speaker in each state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Claims(#[serde(with = "entries")] BTreeMap<(Speaker, State), Statement>);

impl Join for Claims {
    fn join(&mut self, other: Self) -> Change {
        join_greatest(&mut self.0, other.0, MOST_CLAIMS)
    }
}

impl Claims {
    pub(crate) fn add(&mut self, speaker: Speaker, state: State, says: Statement) {
        self.absorb(Self(BTreeMap::from([((speaker, state), says)])));
    }

    /// What they take at the most.
    pub(crate) fn weight(&self) -> usize {
        self.0.len() * CLAIM
    }

    /// Every statement, also those of stubs.
    pub(crate) fn statements(&self) -> impl Iterator<Item = &Statement> {
        self.0.values()
    }

    /// The statements that count: a stub's only where nobody else spoke.
    pub(crate) fn voices(&self) -> impl Iterator<Item = (&Speaker, &State, &Statement)> {
        let only_stubs = self.0.keys().all(|(speaker, _)| *speaker == Speaker::Stub);
        self.0
            .iter()
            .filter(move |((speaker, _), _)| only_stubs || *speaker != Speaker::Stub)
            .map(|((speaker, state), says)| (speaker, state, says))
    }
}

/// The earliest of the times that are present.
pub(crate) fn earliest<'a>(
    statements: impl Iterator<Item = &'a Statement>,
    field: fn(&Statement) -> Option<Time>,
) -> Option<Time> {
    statements.filter_map(field).min()
}
