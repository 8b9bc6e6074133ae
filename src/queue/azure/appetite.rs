//! How much one receive takes.
//!
//! The service counts messages, and one message may point to a body of 2 MiB. What a receive brings beyond
//! [`MOST_BYTES`] of such bodies goes back unread, and the next one asks for fewer messages: each time that a message
//! goes back raises its count of receives, from a certain one on it is handled alone, and that is slow.

use std::sync::atomic::{AtomicU8, Ordering};

use super::messages::MOST_AT_ONCE;

/// Of bodies that messages point to. Some batches are in hand at once.
const MOST_BYTES: usize = 4 << 20;

/// How many messages the next receive asks for.
#[derive(Debug)]
pub(super) struct Appetite(AtomicU8);

impl Appetite {
    pub(super) fn new() -> Self {
        Self(AtomicU8::new(MOST_AT_ONCE))
    }

    pub(super) fn now(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    /// Which messages to keep, by the sizes of the bodies that they point to; 0 is one that holds its body.
    pub(super) fn keep(&self, sizes: &[usize]) -> Vec<bool> {
        let mut bytes = 0_usize;
        let keep: Vec<_> = sizes.iter().map(|size| fits(*size, &mut bytes)).collect();
        let kept = keep.iter().filter(|keep| **keep).count();
        let next = if kept < sizes.len() {
            u8::try_from(kept).unwrap_or(MOST_AT_ONCE)
        } else if bytes <= MOST_BYTES / 2 {
            self.now().saturating_mul(2)
        } else {
            self.now()
        };
        self.0.store(next.clamp(1, MOST_AT_ONCE), Ordering::Relaxed);
        keep
    }
}

/// The first body is kept in any case: it has to be handled at some time.
fn fits(size: usize, bytes: &mut usize) -> bool {
    let sum = bytes.saturating_add(size);
    let fits = size == 0 || *bytes == 0 || sum <= MOST_BYTES;
    if fits {
        *bytes = sum;
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: usize = 2 << 20;

    #[test]
    fn large_bodies_are_kept_up_to_a_sum_and_small_ones_all() {
        let table = [
            (vec![], vec![]),
            (vec![0, 0, 0], vec![true, true, true]),
            (vec![LARGE, 0, LARGE, LARGE, 0, 1], vec![true, true, true, false, true, false]),
            (vec![usize::MAX, LARGE, 0], vec![true, false, true]),
            (vec![LARGE, usize::MAX, LARGE], vec![true, false, true]),
        ];
        for (sizes, expected) in table {
            assert_eq!(Appetite::new().keep(&sizes), expected, "{sizes:?}");
        }
    }

    #[test]
    fn fewer_are_asked_for_while_bodies_are_large() {
        let appetite = Appetite::new();
        let mut asked = Vec::new();
        for sizes in [vec![LARGE; 12], vec![LARGE; 2], vec![LARGE], vec![0; 4], vec![], vec![0; 16], vec![0; 32]] {
            asked.push(appetite.now());
            appetite.keep(&sizes);
        }
        assert_eq!(asked, [32, 2, 2, 4, 8, 16, 32]);
    }
}
