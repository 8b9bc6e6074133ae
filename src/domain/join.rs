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
        join_greatest(self, other, usize::MAX)
    }
}

/// Join by key, of at most `most` entries: those with the greatest keys. Hostile events must not make a record grow
/// without end, and a cut by the order of the keys is a join too: no value and no order of arrival changes which entries
/// stay.
pub(crate) fn join_greatest<K: Ord, V: Join>(this: &mut BTreeMap<K, V>, other: BTreeMap<K, V>, most: usize) -> Change {
    let mut change = Change::Unchanged;
    for (key, value) in other {
        let too_small = this.len() >= most && this.first_key_value().is_some_and(|(least, _)| key < *least);
        if too_small {
            continue;
        }
        change = change.or(match this.entry(key) {
            Entry::Occupied(mut known) => known.get_mut().join(value),
            Entry::Vacant(place) => {
                place.insert(value);
                Change::Changed
            }
        });
        if this.len() > most {
            this.pop_first();
        }
    }
    change
}

/// [`join_greatest`] where nobody asks what it changed: what one fact says may be more than a record keeps.
pub(crate) fn absorb_greatest<K: Ord, V: Join>(this: &mut BTreeMap<K, V>, other: BTreeMap<K, V>, most: usize) {
    match join_greatest(this, other, most) {
        Change::Changed | Change::Unchanged => {}
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

/// The later one.
impl Join for Time {
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

#[cfg(test)]
mod tests {
    use super::*;

    type Map = BTreeMap<u8, Said<u8>>;

    fn map(entries: &[(u8, u8)]) -> Map {
        let mut map = Map::new();
        for (key, value) in entries {
            let entry = Map::from([(*key, Said(Time::UNKNOWN, *value))]);
            map = joined(map, entry);
        }
        map
    }

    fn joined(mut this: Map, other: Map) -> Map {
        let before = this.clone();
        let change = join_greatest(&mut this, other, 3);
        assert_eq!(change, Change::of(this != before));
        this
    }

    #[test]
    fn the_greatest_entries_stay_in_any_order_and_grouping() {
        let entries = [(1, 9), (5, 1), (4, 2), (5, 3), (2, 7), (3, 3), (4, 1), (9, 0)];
        let whole = map(&entries);
        assert_eq!(whole.keys().copied().collect::<Vec<_>>(), [4, 5, 9]);
        assert_eq!(whole.get(&5), Some(&Said(Time::UNKNOWN, 3)));
        for at in 0..entries.len() {
            let (one, two) = entries.split_at(at);
            assert_eq!(joined(map(one), map(two)), whole);
            assert_eq!(joined(map(two), map(one)), whole);
        }
        assert_eq!(joined(whole.clone(), map(&entries)), whole);
    }
}
