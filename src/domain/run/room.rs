//! How much one run may hold: what is stored has to fit a row of a table (1 MiB), whatever anybody sends.
//!
//! Parts stay in the order of their keys, the greatest first, as long as those greater than they are have left room. A
//! part weighs what it may take at the most: that follows from its key and from how many statements it holds, never
//! from what they say, so weights only grow. That makes the cut a join: what had no room has none later either, and the
//! part that took the last of the room stays, as without it the next smaller one would not know that there is none.

use std::collections::BTreeMap;

use crate::domain::text::weight as text;
use crate::domain::{Change, Join};

/// What is left of the room, in bytes.
#[derive(Debug)]
pub(crate) struct Room(usize);

impl Room {
    /// Whether there was any left. The last one in may be larger than that.
    pub(crate) fn take(&mut self, weight: usize) -> bool {
        let is_any_left = self.0 > 0;
        self.0 = self.0.saturating_sub(weight);
        is_any_left
    }
}

/// What is known under one key.
pub(crate) trait Part: Join {
    /// Of all that it holds, each with a key that weighs `key`.
    fn weight(&self, key: usize) -> usize;

    /// Lets go of what has no room, the smallest first.
    fn cut(&mut self, key: usize, room: &mut Room);

    fn is_empty(&self) -> bool;
}

/// The weight of a key.
pub(crate) trait Weigh {
    fn weight(&self) -> usize;
}

impl Weigh for String {
    fn weight(&self) -> usize {
        text(self)
    }
}

fn weight<K: Weigh, V: Part>(parts: &BTreeMap<K, V>) -> usize {
    parts.iter().map(|(key, part)| part.weight(key.weight())).sum()
}

/// Leaves the greatest parts that there is room for.
pub(crate) fn cut<K: Ord + Weigh, V: Part>(parts: &mut BTreeMap<K, V>, room: usize) {
    if weight(parts) <= room {
        return;
    }
    let mut room = Room(room);
    for (key, part) in parts.iter_mut().rev() {
        part.cut(key.weight(), &mut room);
    }
    parts.retain(|_, part| !part.is_empty());
}

/// Join by key, of what there is room for.
pub(crate) fn join<K, V>(this: &mut BTreeMap<K, V>, other: BTreeMap<K, V>, room: usize) -> Change
where
    K: Ord + Weigh + Clone,
    V: Part + Clone + PartialEq,
{
    // Both together weigh no more than the sum.
    if weight(this) + weight(&other) <= room {
        return this.join(other);
    }
    let before = this.clone();
    this.absorb(other);
    cut(this, room);
    Change::of(*this != before)
}
