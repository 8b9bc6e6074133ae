use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::{Deserialize, Serialize};

use super::Time;

/// Whether a join gave something else than what was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Change {
    Unchanged,
    Changed,
}

impl Change {
    pub fn of(changed: bool) -> Self {
        if changed { Self::Changed } else { Self::Unchanged }
    }

    /// Changed when either is.
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::Changed => Self::Changed,
            Self::Unchanged => other,
        }
    }
}

/// A least upper bound: total, commutative, associative, idempotent.
///
/// Those four laws are what lets events come in any order, any number of times, over any number of
/// workers, and still give the same record. They are property-tested on [`super::run::RunRecord`].
pub trait Join: Sized {
    /// Makes `self` the join of both. [`Change::Unchanged`] exactly when `self` stays equal.
    fn join(&mut self, other: Self) -> Change;

    /// [`Join::join`] where nobody asks what it changed.
    fn absorb(&mut self, other: Self) {
        match self.join(other) {
            Change::Changed | Change::Unchanged => {}
        }
    }
}

/// Join by key.
impl<K: Ord, V: Join> Join for BTreeMap<K, V> {
    fn join(&mut self, other: Self) -> Change {
        let mut change = Change::Unchanged;
        for (key, value) in other {
            let this = match self.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(value);
                    Change::Changed
                }
                Entry::Occupied(mut entry) => entry.get_mut().join(value),
            };
            change = change.or(this);
        }
        change
    }
}

/// Replaces `this` by `other` when `other` is greater: the join of a total order.
pub(crate) fn join_max<T: Ord>(this: &mut T, other: T) -> Change {
    let greater = other > *this;
    if greater {
        *this = other;
    }
    Change::of(greater)
}

/// A value with the time at which it was said: the latest wins, then the greater value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Said<T>(pub Time, pub T);

impl<T: Ord> Join for Said<T> {
    fn join(&mut self, other: Self) -> Change {
        join_max(self, other)
    }
}

/// An entry that this version does not understand: the text of its JSON, the greatest wins.
impl Join for serde_json::Value {
    fn join(&mut self, other: Self) -> Change {
        let (mine, theirs) = (self.to_string(), other.to_string());
        let greater = theirs > mine;
        if greater {
            *self = other;
        }
        Change::of(greater)
    }
}
