use lru::LruCache;

use crate::domain::{Key, Record};
use crate::store::Version;

/// The records that were written last, with their versions: most events are about one of them, and then no
/// read comes before the write. Bounded in bytes, as far as they can be told.
#[derive(Debug)]
pub(super) struct Recent {
    records: LruCache<Key, Box<Known>>,
    bytes: usize,
    most_bytes: usize,
}

/// A record as it was last seen in the store.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) record: Record,
    pub(super) version: Version,
    bytes: usize,
}

/// A record in memory against its stored text: maps and small strings weigh more than JSON.
const WEIGHT: usize = 4;

impl Known {
    /// `text_bytes` is the length of the record's stored form.
    pub(super) fn new(record: Record, version: Version, text_bytes: usize) -> Box<Self> {
        Box::new(Self { record, version, bytes: text_bytes * WEIGHT })
    }
}

impl Recent {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self { records: LruCache::unbounded(), bytes: 0, most_bytes }
    }

    /// Takes it out: whoever writes it puts back what it is then.
    pub(super) fn take(&mut self, key: &Key) -> Option<Box<Known>> {
        let known = self.records.pop(key)?;
        self.bytes -= known.bytes;
        Some(known)
    }

    pub(super) fn put(&mut self, key: Key, known: Box<Known>) {
        self.bytes += known.bytes;
        if let Some(before) = self.records.put(key, known) {
            self.bytes -= before.bytes;
        }
        while self.bytes > self.most_bytes {
            let Some((_, oldest)) = self.records.pop_lru() else { break };
            self.bytes -= oldest.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RunKey;
    use crate::domain::run::RunRecord;

    fn put(recent: &mut Recent, run: u64, bytes: usize) -> Key {
        let key = RunKey { organization: "fabrikam".to_owned(), pipeline: 7, run };
        let record = Record::Run(RunRecord::new(key.clone()));
        recent.put(Key::Run(key.clone()), Known::new(record, Version("1".to_owned()), bytes));
        Key::Run(key)
    }

    #[test]
    fn the_oldest_go_when_the_bytes_are_used_up() {
        let mut recent = Recent::new(100 * WEIGHT);
        let [first, second] = [1, 2].map(|run| put(&mut recent, run, 40));
        let known = recent.take(&first).unwrap();
        assert!(recent.take(&first).is_none());
        recent.put(first.clone(), known);
        put(&mut recent, 3, 40);
        assert!(recent.take(&second).is_none(), "the one that was used the longest ago");
        put(&mut recent, 1, 20);
        assert_eq!(recent.bytes, 60 * WEIGHT);
        put(&mut recent, 4, 1_000);
        assert_eq!((recent.records.len(), recent.bytes), (0, 0));
    }
}
