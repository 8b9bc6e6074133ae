//! Texts and commits of a block, each once.

use std::collections::HashMap;
use std::hash::Hash;

use rusqlite::Row;

use crate::domain::metrics::CommitId;

/// Its place among the texts of its block, from one on; zero where there is none.
pub(in crate::catalog) type Text = u32;
/// Twice the place of its SHA-1 among those of its block; of a commit with another id, twice the place of that among the
/// texts, and one. Zero where there is none.
pub(in crate::catalog) type Commit = u32;

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

    fn get(&self, place: Text) -> Option<&T> {
        self.all.get(usize::try_from(place).ok()?.checked_sub(1)?)
    }
}

pub(super) struct Texts {
    texts: Once<String>,
    commits: Once<[u8; 20]>,
}

impl Texts {
    pub(super) fn new() -> Self {
        let (texts, commits) = (HashMap::new(), HashMap::new());
        Self { texts: Once { places: texts, all: Vec::new() }, commits: Once { places: commits, all: Vec::new() } }
    }

    pub(super) fn text(&mut self, row: &Row<'_>, column: usize) -> rusqlite::Result<Text> {
        let text = row.get_ref(column)?.as_str_or_null()?;
        Ok(text.map(|text| self.called(text)).unwrap_or_default())
    }

    pub(super) fn called(&mut self, text: &str) -> Text {
        self.texts.place(text.to_owned())
    }

    pub(super) fn commit(&mut self, row: &Row<'_>, column: usize) -> rusqlite::Result<Commit> {
        let id = row.get_ref(column)?.as_str_or_null()?;
        Ok(id.map(|id| self.commit_called(id)).unwrap_or_default())
    }

    pub(super) fn commit_called(&mut self, id: &str) -> Commit {
        match CommitId::from(id) {
            CommitId::Sha1(bytes) => self.commits.place(bytes) * 2,
            CommitId::Text(text) => self.texts.place(text.into()) * 2 + 1,
        }
    }

    pub(super) fn get(&self, text: Text) -> Option<&str> {
        self.texts.get(text).map(String::as_str)
    }

    /// Of others.
    pub(super) fn copied(&mut self, from: &Self, text: Text) -> Text {
        from.get(text).map(|text| self.called(text)).unwrap_or_default()
    }

    pub(super) fn copied_commit(&mut self, from: &Self, commit: Commit) -> Commit {
        match commit % 2 {
            0 => from.commits.get(commit / 2).map(|id| self.commits.place(*id) * 2).unwrap_or_default(),
            _ => self.copied(from, commit / 2) * 2 + 1,
        }
    }

    /// The texts, and the SHA-1 of commits, 20 bytes each.
    pub(super) fn into_all(self) -> (Vec<String>, Vec<u8>) {
        (self.texts.all, self.commits.all.concat())
    }
}
