//! Texts and commits of cells, as what is read of all cells knows them.

use super::Reading;
use crate::catalog::packed::{self, Head, Text};
use crate::domain::Scope;
use crate::domain::metrics::{Commit, CommitId, Name};

/// A text, by its number among those of a [`Reading`]: what was found out about one is found again by it. Zero where there
/// is none.
pub(super) type Word = u32;

/// Texts and commits of a cell, as words and numbers once somebody asks for them.
pub(super) struct Words<'b> {
    texts: Vec<&'b str>,
    commits: &'b [[u8; 20]],
    /// Zero where nobody asked yet.
    words: Vec<Word>,
    numbers: Vec<Option<Commit>>,
}

impl<'b> Words<'b> {
    pub(super) fn new(texts: Vec<&'b str>, commits: &'b [u8]) -> Self {
        let (commits, _) = commits.as_chunks();
        Self { words: vec![0; texts.len()], numbers: vec![None; commits.len()], texts, commits }
    }

    pub(super) fn text(&self, text: Text) -> Option<&'b str> {
        self.texts.get(place(text)?).copied()
    }

    pub(super) fn commit(&self, commit: packed::Commit) -> Option<CommitId> {
        match commit % 2 {
            0 => self.commits.get(place(commit / 2)?).copied().map(CommitId::Sha1),
            _ => self.text(commit / 2).map(|text| CommitId::Text(text.into())),
        }
    }
}

fn place(text: Text) -> Option<usize> {
    usize::try_from(text).ok()?.checked_sub(1)
}

/// A project of an organization, as a row of a cell tells it.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub(super) organization: Text,
    pub(super) project_id: Text,
    pub(super) project_name: Text,
}

impl Owner {
    pub(super) fn of(run: &Head) -> Self {
        Self { organization: run.organization, project_id: run.project_id, project_name: run.project_name }
    }
}

impl Reading<'_> {
    pub(super) fn word(&mut self, words: &mut Words<'_>, text: Text) -> Word {
        let Some(place) = place(text) else { return 0 };
        match (words.words.get_mut(place), words.texts.get(place)) {
            (Some(word), Some(text)) if *word == 0 => {
                *word = self.word_of(text);
                *word
            }
            (known, _) => known.copied().unwrap_or_default(),
        }
    }

    /// The text as a name.
    pub(super) fn said(&mut self, words: &mut Words<'_>, text: Text) -> Option<Name> {
        let word = self.word(words, text);
        self.name_of(word)
    }

    /// The commit as it is counted.
    pub(super) fn commit(&mut self, words: &mut Words<'_>, commit: packed::Commit) -> Option<Commit> {
        let known = place(commit / 2).filter(|_| commit.is_multiple_of(2));
        if let Some(Some(known)) = known.and_then(|place| words.numbers.get(place)) {
            return Some(*known);
        }
        let number = self.found.commits.called(words.commit(commit)?);
        known.and_then(|place| words.numbers.get_mut(place)).into_iter().for_each(|known| *known = Some(number));
        Some(number)
    }

    /// Whether the reader may.
    pub(super) fn may_see(&mut self, words: &mut Words<'_>, of: Owner) -> bool {
        if *self.scope == Scope::All {
            return true;
        }
        let of = [of.organization, of.project_id, of.project_name].map(|text| self.word(words, text));
        if let Some(known) = self.seen.get(&of) {
            return *known;
        }
        let [organization, id, name] = of.map(|word| self.name_of(word));
        let may = organization.is_some_and(|organization| {
            let today = id.clone().and_then(|id| self.projects.get(&(organization.clone(), id)).cloned());
            let name = today.or(name);
            self.scope.holds(&organization, name.as_deref().unwrap_or_default(), id.as_deref().unwrap_or_default())
        });
        self.seen.insert(of, may);
        may
    }
}
