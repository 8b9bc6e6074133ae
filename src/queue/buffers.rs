//! Memory for message bodies that is used again.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// So many are kept: a batch being read, and the next one.
const MOST_SPARE: usize = 2;

/// Buffers, each for all bodies of one batch. An allocation a message, freed by another thread, was a tenth of the
/// work of a receive; a new buffer a batch would be zeroed by the system every time.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// An empty buffer.
    pub(super) fn take(&self) -> Vec<u8> {
        self.spare().pop().unwrap_or_default()
    }

    /// What was written to `buffer`, to be shared; it comes back here when the last share is dropped.
    pub(super) fn share(&self, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent { buffer, home: self.clone() })
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Lent {
    buffer: Vec<u8>,
    home: Buffers,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut buffer = mem::take(&mut self.buffer);
        buffer.clear();
        let mut spare = self.home.spare();
        if spare.len() < MOST_SPARE {
            spare.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_when_its_last_share_is_dropped() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take();
        buffer.extend_from_slice(b"one two");
        let shared = buffers.share(buffer);
        let (one, two) = (shared.slice(..3), shared.slice(4..));
        drop(shared);
        drop(one);
        assert_eq!(buffers.take().capacity(), 0, "it is still in use");
        assert_eq!(two, "two");
        drop(two);
        let back = buffers.take();
        assert!(back.is_empty() && back.capacity() >= 7);
    }

    #[test]
    fn only_a_few_are_kept() {
        let buffers = Buffers::default();
        let lent: Vec<_> = (0..5).map(|_| buffers.share(vec![1])).collect();
        drop(lent);
        assert_eq!(buffers.spare().len(), MOST_SPARE);
    }
}
