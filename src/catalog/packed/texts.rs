//! Texts and commits of a block, each once.

use std::collections::HashMap;
use std::hash::Hash;

use rusqlite::Row;

use crate::domain::metrics::Commit;

/// Its place among the texts, or the commits, of its block, from one on; zero where there is none.
pub(in crate::catalog) type Text = u32;

struct Once<T> {
    places: HashMap<T, Text>,
    all: Vec<T>,
}

impl<T: Clone + Eq + Hash> Once<T> {
    fn place(&mut self, one: T) -> Text {
        if let Some(place) = self.places.get(&one) {
            return *place;
        }
        self.all.push(one.clone());
        let place = Text::try_from(self.all.len()).unwrap_or_default();
        self.places.insert(one, place);
        place
    }
}

pub(super) struct Texts {
    texts: Once<String>,
    commits: Once<Commit>,
}

impl Texts {
    pub(super) fn new() -> Self {
        let (texts, commits) = (HashMap::new(), HashMap::new());
        Self { texts: Once { places: texts, all: Vec::new() }, commits: Once { places: commits, all: Vec::new() } }
    }

    pub(super) fn text(&mut self, row: &Row<'_>, column: usize) -> rusqlite::Result<Text> {
        let text = row.get_ref(column)?.as_str_or_null()?;
        Ok(text.map(|text| self.texts.place(text.to_owned())).unwrap_or_default())
    }

    pub(super) fn commit(&mut self, row: &Row<'_>, column: usize) -> rusqlite::Result<Text> {
        let id = row.get_ref(column)?.as_str_or_null()?;
        Ok(id.map(|id| self.place(id)).unwrap_or_default())
    }

    /// Of a commit.
    pub(super) fn place(&mut self, id: &str) -> Text {
        self.commits.place(Commit::from(id))
    }

    pub(super) fn into_all(self) -> (Vec<String>, Vec<Commit>) {
        (self.texts.all, self.commits.all)
    }
}
