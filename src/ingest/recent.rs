use lru::LruCache;

use crate::domain::{Key, Record};
use crate::store::Version;

/// The records that were written last, with their versions: most events are about one of them, and then no
/// read comes before the write. Bounded in bytes, as far as they can be told.
#[derive(Debug)]
pub(super) struct Recent {
    records: LruCache<Key, Entry>,
    bytes: usize,
    most_bytes: usize,
}

#[derive(Debug)]
struct Entry {
    record: Record,
    version: Version,
    bytes: usize,
}

/// A record in memory against its stored text: maps and small strings weigh more than JSON.
const WEIGHT: usize = 4;

impl Recent {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self { records: LruCache::unbounded(), bytes: 0, most_bytes }
    }

    pub(super) fn get(&mut self, key: &Key) -> Option<(Record, Version)> {
        self.records.get(key).map(|entry| (entry.record.clone(), entry.version.clone()))
    }

    /// `text_bytes` is the length of the record's stored form.
    pub(super) fn put(&mut self, key: Key, record: Record, version: Version, text_bytes: usize) {
        self.forget(&key);
        let bytes = text_bytes * WEIGHT;
        self.bytes += bytes;
        self.records.put(key, Entry { record, version, bytes });
        while self.bytes > self.most_bytes {
            let Some((_, oldest)) = self.records.pop_lru() else { break };
            self.bytes -= oldest.bytes;
        }
    }

    pub(super) fn forget(&mut self, key: &Key) {
        if let Some(entry) = self.records.pop(key) {
            self.bytes -= entry.bytes;
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
        recent.put(Key::Run(key.clone()), Record::Run(RunRecord::new(key.clone())), Version("1".to_owned()), bytes);
        Key::Run(key)
    }

    #[test]
    fn the_oldest_go_when_the_bytes_are_used_up() {
        let mut recent = Recent::new(100 * WEIGHT);
        let [first, second] = [1, 2].map(|run| put(&mut recent, run, 40));
        assert!(recent.get(&first).is_some());
        let third = put(&mut recent, 3, 40);
        assert!(recent.get(&second).is_none());
        assert!(recent.get(&first).is_some() && recent.get(&third).is_some());
        put(&mut recent, 1, 20);
        assert_eq!(recent.bytes, 60 * WEIGHT);
        put(&mut recent, 4, 1_000);
        assert_eq!((recent.records.len(), recent.bytes), (0, 0));
    }
}
