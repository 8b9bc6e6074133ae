use super::Stored;

/// So many bytes of records, as they are stored, are in memory at once, about: decoded they weigh a multiple of that.
pub(crate) const MOST_LOADED: usize = 4 << 20;
/// Before it is known how large they are.
const FIRST: usize = 8;
const MOST: usize = 256;

/// How many records to load at once. Most have some KiB, and a load of many is cheaper than many loads; but one may have
/// most of a MiB, and then there are often more of the kind.
#[derive(Debug)]
pub(crate) struct Portion(usize);

impl Portion {
    pub(crate) fn new() -> Self {
        Self(FIRST)
    }

    /// Those to load now, and the rest.
    pub(crate) fn of<'k, T>(&self, all: &'k [T]) -> (&'k [T], &'k [T]) {
        all.split_at(self.0.min(all.len()))
    }

    /// Goes by what a load brought, and answers how many bytes that were.
    pub(crate) fn learn(&mut self, loaded: &[Option<Stored>]) -> usize {
        let bytes = loaded.iter().flatten().map(|stored| stored.bytes).sum();
        self.weigh(loaded.len(), bytes);
        bytes
    }

    fn weigh(&mut self, records: usize, bytes: usize) {
        if bytes > MOST_LOADED {
            self.0 = (records.saturating_mul(MOST_LOADED) / bytes).max(1);
        } else if records > 0 && bytes <= MOST_LOADED / 4 {
            self.0 = (self.0 * 2).min(MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_are_loaded_while_they_are_large() {
        const LARGE: usize = 700_000;
        let mut portion = Portion::new();
        let mut sizes = Vec::new();
        for bytes in [2_000, 2_000, 2_000, LARGE, LARGE, 2_000, 2_000] {
            let (now, later) = portion.of(&[(); 40]);
            assert_eq!(now.len() + later.len(), 40);
            sizes.push(now.len());
            portion.weigh(now.len(), now.len() * bytes);
        }
        assert_eq!(sizes, [8, 16, 32, 40, 5, 5, 10]);
        portion.weigh(1, usize::MAX);
        assert_eq!(portion.0, 1);
        portion.weigh(0, 0);
        assert_eq!(portion.0, 1, "nothing was learned");
        (0..20).for_each(|_| portion.weigh(portion.0, 0));
        assert_eq!(portion.0, MOST);
    }
}
