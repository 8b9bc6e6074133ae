use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::text::{MOST_NAME, cut};
use super::{Said, Time, link};

/// So many commits stand in one fact: it has to fit a row of a table.
pub(crate) const MOST_COMMITS_OF_A_FACT: usize = 200;

/// What is said of a commit. Whoever makes one uses [`Commit::new`], which bounds its texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Commit {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The first line of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Work items that the whole message names, at most [`link::MOST_MENTIONS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub work_items: Vec<u64>,
}

impl Commit {
    #[must_use]
    pub fn new(at: Option<Time>, author: Option<&str>, message: Option<&str>) -> Self {
        let bounded = |text: &str| cut(text, MOST_NAME).into_owned();
        let line = message.and_then(|message| message.lines().map(str::trim).find(|line| !line.is_empty()));
        Self {
            at,
            author: author.map(bounded),
            message: line.map(bounded),
            work_items: message.map(link::mentions).unwrap_or_default(),
        }
    }
}

/// Commits by their ids, each as it was said last.
pub(crate) type Commits = BTreeMap<String, Said<Commit>>;

/// What one fact says.
pub(crate) fn said(at: Time, commits: &[(String, Commit)]) -> Commits {
    commits.iter().map(|(id, commit)| (id.clone(), Said(at, commit.clone()))).collect()
}

/// A commit as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownCommit {
    pub id: String,
    pub commit: Commit,
}

pub(crate) fn shown(commits: &Commits) -> Vec<ShownCommit> {
    let shown =
        |(id, Said(_, commit)): (&String, &Said<Commit>)| ShownCommit { id: id.clone(), commit: commit.clone() };
    commits.iter().map(shown).collect()
}

/// The canonical form of a commit's id: a full hash in small letters. A changeset of TFVC has none.
#[must_use]
pub fn commit_id(text: &str) -> Option<String> {
    let is_hash = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_none = text.bytes().all(|byte| byte == b'0');
    (is_hash && !is_none).then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_message_the_first_line_and_all_work_items_stay() {
        let message = format!("\r\n  Round totals \r\n\r\n{}\r\nRelated work items: #12, #13", "x".repeat(5_000));
        let commit = Commit::new(None, Some(&"a".repeat(1_000)), Some(&message));
        assert_eq!((commit.message.as_deref(), commit.work_items.as_slice()), (Some("Round totals"), &[12, 13][..]));
        assert_eq!(commit.author.unwrap().len(), MOST_NAME);
    }

    #[test]
    fn ids_are_hashes() {
        let hash = "B71F0C3E9A5D48C2817E6F4D3B2A19087C6D5E4F";
        assert_eq!(commit_id(hash), Some(hash.to_lowercase()));
        for none in ["", "C1234", "b71f0c3e", &"0".repeat(40), &"x".repeat(40)] {
            assert_eq!(commit_id(none), None, "{none}");
        }
    }
}
