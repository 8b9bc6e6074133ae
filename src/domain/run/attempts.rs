//! The attempts of one stage or one job.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::claims::{Claims, LATE, Statement, earliest};
use super::room::{Part, Room};
use crate::domain::text::MOST_WORD;
use crate::domain::{Change, Join, Outcome, Speaker, State, Time, entries};

/// How many statements without an attempt number are kept: the greatest by time said, stubs last.
const MOST_UNNUMBERED: usize = 16;
/// One of these in JSON takes no more: two words, the speaker's, four times, and their names.
const OBSERVATION: usize = 136 + 2 * MOST_WORD;
/// What stands around the texts of a key, the number of an attempt and its claims.
const AROUND: usize = 128;

/// What is known of the attempts of one stage or job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempts {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "entries")]
    numbered: BTreeMap<u32, Claims>,
    #[serde(default, skip_serializing_if = "Unnumbered::is_empty")]
    unnumbered: Unnumbered,
}

impl Join for Attempts {
    fn join(&mut self, other: Self) -> Change {
        self.numbered.join(other.numbered).or(self.unnumbered.join(other.unnumbered))
    }
}

/// The latest attempts first, those without a number last.
impl Part for Attempts {
    fn weight(&self, key: usize) -> usize {
        let numbered: usize = self.numbered.values().map(|claims| AROUND + key + claims.weight()).sum();
        numbered + self.unnumbered.weight(key)
    }

    fn cut(&mut self, key: usize, room: &mut Room) {
        let without = self.numbered.iter().rev().find(|(_, claims)| !room.take(AROUND + key + claims.weight()));
        if let Some(without) = without.map(|(number, _)| *number) {
            self.numbered.retain(|number, _| *number > without);
        }
        if !self.unnumbered.is_empty() && !room.take(self.unnumbered.weight(key)) {
            self.unnumbered = Unnumbered::default();
        }
    }

    fn is_empty(&self) -> bool {
        self.numbered.is_empty() && self.unnumbered.is_empty()
    }
}

impl Attempts {
    pub(crate) fn add(&mut self, attempt: Option<u32>, speaker: Speaker, state: State, says: Statement) {
        match attempt {
            Some(number) => self.numbered.entry(number).or_default().add(speaker, state, says),
            None => self.unnumbered.absorb(Unnumbered(BTreeSet::from([Observation { says, state, speaker }]))),
        }
    }

    /// The attempts in order. Those without a number count only where no numbered one exists.
    pub(crate) fn shown(&self) -> Vec<ShownAttempt> {
        if self.numbered.is_empty() {
            return self.unnumbered.shown();
        }
        self.numbered.iter().map(|(number, claims)| show(*number, claims)).collect()
    }
}

/// One attempt as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShownAttempt {
    pub(crate) number: u32,
    pub(crate) state: Option<State>,
    pub(crate) result: Option<Outcome>,
    pub(crate) started: Option<Time>,
    pub(crate) finished: Option<Time>,
}

/// Terminal beats non-terminal whatever the clock, else the latest said. What has a start is past `notStarted`, whoever
/// says so later: a run event lists its stages as they were, and comes up to two seconds after they began.
fn show(number: u32, claims: &Claims) -> ShownAttempt {
    let terminal = || claims.voices().filter(|(_, state, _)| state.is_terminal()).map(|(_, _, says)| says);
    let started = earliest(claims.statements(), |says| says.started);
    if terminal().next().is_none() {
        let state = claims
            .voices()
            .max_by_key(|(_, state, says)| {
                let is_past = started.is_some() && **state == State::NotStarted;
                (!is_past, says.said, progress(state), (*state).clone())
            })
            .map(|(_, state, _)| state.clone());
        return ShownAttempt { number, state, result: None, started, finished: None };
    }
    ShownAttempt {
        number,
        state: Some(State::Completed),
        result: terminal()
            .filter(|says| says.result.is_some())
            .max_by_key(|says| says.said)
            .and_then(|says| says.result.clone()),
        started,
        finished: earliest(terminal(), |says| says.finished),
    }
}

/// Which of two states said at the same time is the later one.
fn progress(state: &State) -> u8 {
    match state {
        State::Other(_) => 0,
        State::NotStarted | State::Postponed => 1,
        State::Waiting => 2,
        State::Running | State::InProgress => 3,
        State::Canceling => 4,
        State::Completed => 5,
    }
}

/// One statement without an attempt number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Observation {
    says: Statement,
    state: State,
    speaker: Speaker,
}

impl Observation {
    /// Stubs first, so that they are the first to be cut: the jobs of one stage can make dozens of them.
    /// Then by the time said.
    fn rank(&self) -> (bool, &Statement, &State, &Speaker) {
        (self.speaker != Speaker::Stub, &self.says, &self.state, &self.speaker)
    }
}

impl Ord for Observation {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Observation {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The greatest observations: union and cut, which is a join because the cut follows a total order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Unnumbered(BTreeSet<Observation>);

impl Join for Unnumbered {
    fn join(&mut self, other: Self) -> Change {
        let mut change = Change::Unchanged;
        for observation in other.0 {
            let full = self.0.len() >= MOST_UNNUMBERED;
            if full && self.0.first().is_some_and(|least| observation < *least) {
                continue;
            }
            change = change.or(Change::of(self.0.insert(observation)));
            if self.0.len() > MOST_UNNUMBERED {
                self.0.pop_first();
            }
        }
        change
    }
}

impl Unnumbered {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing where there are none.
    fn weight(&self, key: usize) -> usize {
        if self.is_empty() { 0 } else { AROUND + key + self.0.len() * OBSERVATION }
    }

    /// Attempts in time order: a new one begins with a statement that is not explained by lateness.
    fn shown(&self) -> Vec<ShownAttempt> {
        let only_stubs = self.0.iter().all(|seen| seen.speaker == Speaker::Stub);
        let mut attempts: Vec<(Claims, Option<Time>)> = Vec::new();
        for seen in self.0.iter().filter(|seen| only_stubs || seen.speaker != Speaker::Stub) {
            let begins = match attempts.last() {
                None => true,
                Some((_, None)) => false,
                Some((_, Some(completed))) => seen.says.said > completed.plus(LATE),
            };
            if begins {
                attempts.push((Claims::default(), None));
            }
            if let Some((claims, completed)) = attempts.last_mut() {
                claims.add(seen.speaker.clone(), seen.state.clone(), seen.says.clone());
                if seen.state.is_terminal() {
                    *completed = Some(seen.says.said);
                }
            }
        }
        (1..).zip(attempts).map(|(number, (claims, _))| show(number, &claims)).collect()
    }
}
