use std::fmt;
use std::num::NonZeroU32;

use foldhash::fast::RandomState;
use indexmap::IndexSet;

use crate::domain::Time;

/// A commit, by its number among [`Commits`]: hundreds of thousands of them are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commit(NonZeroU32);

/// Commits, each once, with when it was made where somebody told.
#[derive(Clone, Debug, Default)]
pub struct Commits {
    ids: IndexSet<CommitId, RandomState>,
    made: Vec<Option<Time>>,
}

impl Commits {
    /// The one that is called so, which is known from then on.
    pub fn called(&mut self, id: CommitId) -> Commit {
        let (place, is_new) = self.ids.insert_full(id);
        if is_new {
            self.made.push(None);
        }
        Commit(number(place))
    }

    #[must_use]
    pub fn id(&self, commit: Commit) -> Option<&CommitId> {
        self.ids.get_index(commit.place())
    }

    #[must_use]
    pub fn made(&self, commit: Commit) -> Option<Time> {
        self.made.get(commit.place()).copied().flatten()
    }

    /// Whatever was said before.
    pub fn was_made(&mut self, commit: Commit, at: Time) {
        if let Some(made) = self.made.get_mut(commit.place()) {
            *made = Some(at);
        }
    }

    /// Unless something was said before.
    pub fn may_be_made(&mut self, commit: Commit, at: Time) {
        if self.made(commit).is_none() {
            self.was_made(commit, at);
        }
    }
}

impl Commit {
    fn place(self) -> usize {
        usize::try_from(self.0.get()).map_or(usize::MAX, |number| number - 1)
    }
}

/// What is known of commits, where something is.
#[derive(Debug)]
pub(super) struct ByCommit<T>(Vec<Option<T>>);

impl<T: Copy> ByCommit<T> {
    /// Of any of these.
    pub(super) fn among(commits: &Commits) -> Self {
        Self(vec![None; commits.made.len()])
    }

    pub(super) fn get(&self, commit: Commit) -> Option<T> {
        self.0.get(commit.place()).copied().flatten()
    }

    /// Answers what was there before.
    pub(super) fn insert(&mut self, commit: Commit, value: T) -> Option<T> {
        self.0.get_mut(commit.place())?.replace(value)
    }
}

/// From one on. No memory holds more commits than there are numbers.
fn number(place: usize) -> NonZeroU32 {
    u32::try_from(place + 1).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX)
}

/// The id of a commit. Nearly all are SHA-1, and those take 20 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CommitId {
    Sha1([u8; 20]),
    /// A changeset of TFVC, and whatever else somebody calls a commit.
    Text(Box<str>),
}

impl From<&str> for CommitId {
    fn from(id: &str) -> Self {
        sha1(id).map_or_else(|| Self::Text(id.into()), Self::Sha1)
    }
}

/// Small letters alone: others would be lost.
fn sha1(id: &str) -> Option<[u8; 20]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = id.as_bytes().as_chunks::<2>();
    let mut bytes = [0; 20];
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha1(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// As their texts.
impl Ord for CommitId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        match (self, other) {
            (Self::Sha1(one), Self::Sha1(other)) => one.cmp(other),
            _ => self.to_string().cmp(&other.to_string()),
        }
    }
}

impl PartialOrd for CommitId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_commit_is_its_text() {
        let digits = "0123456789abcdef0123456789abcdef01234567";
        let (short, upper, long) = (digits.replace('f', ""), digits.to_uppercase(), digits.repeat(2));
        let ids = ["", "C1234", &short, digits, &upper, "zz", &long, "é"];
        let mut commits: Vec<_> = ids.iter().map(|id| CommitId::from(*id)).collect();
        assert_eq!(commits.iter().map(CommitId::to_string).collect::<Vec<_>>(), ids);
        let mut sorted = ids;
        sorted.sort_unstable();
        commits.sort();
        assert_eq!(commits.iter().map(CommitId::to_string).collect::<Vec<_>>(), sorted);
        assert_eq!((size_of::<Option<CommitId>>(), size_of::<Option<Commit>>()), (24, 4));
    }

    #[test]
    fn commits_are_known_once_and_by_when_they_were_made() {
        let mut commits = Commits::default();
        let [one, other, again] = ["a", "b", "a"].map(|id| commits.called(CommitId::from(id)));
        assert_eq!((one == again, one == other), (true, false));
        assert_eq!([one, other].map(|of| commits.id(of).unwrap().to_string()), ["a", "b"]);
        commits.may_be_made(one, Time::from_ticks(1));
        commits.may_be_made(one, Time::from_ticks(2));
        assert_eq!([one, other].map(|of| commits.made(of)), [Some(Time::from_ticks(1)), None]);
        commits.was_made(one, Time::from_ticks(3));
        assert_eq!(commits.made(one), Some(Time::from_ticks(3)));
    }
}
