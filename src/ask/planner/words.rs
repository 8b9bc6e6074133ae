//! A question as words of which each is understood once, or not at all.

use crate::domain::Time;

use super::super::when::{Said, Window};

/// Words that change nothing about what is asked.
const EMPTY: [&str; 62] = [
    "a",
    "about",
    "all",
    "an",
    "and",
    "any",
    "are",
    "at",
    "be",
    "been",
    "can",
    "could",
    "did",
    "do",
    "does",
    "for",
    "from",
    "get",
    "give",
    "got",
    "had",
    "has",
    "have",
    "how",
    "i",
    "in",
    "is",
    "it",
    "its",
    "list",
    "me",
    "my",
    "now",
    "of",
    "on",
    "our",
    "please",
    "right",
    "show",
    "so",
    "tell",
    "that",
    "the",
    "their",
    "there",
    "they",
    "this",
    "to",
    "us",
    "was",
    "we",
    "were",
    "what",
    "what's",
    "when",
    "where",
    "which",
    "who",
    "with",
    "you",
    "your",
    "currently",
];

/// The longest phrase of time, in words.
const LONGEST_TIME: usize = 4;

/// The words of a question, each with whether it was understood.
#[derive(Debug, Clone)]
pub(super) struct Words {
    words: Vec<(String, bool)>,
}

impl Words {
    pub(super) fn of(question: &str) -> Self {
        let marks: &[char] = &['?', ',', '.', ';', ':', '"', '\'', '(', ')', '`', '“', '”'];
        let words = question.to_lowercase();
        let words = words.split_whitespace().map(|word| word.trim_end_matches('!').trim_matches(marks));
        Self { words: words.filter(|word| !word.is_empty()).map(|word| (word.to_owned(), false)).collect() }
    }

    /// Takes the first of these phrases that stands in the question, where none of its words was taken before.
    pub(super) fn take(&mut self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.take_one(phrase).is_some())
    }

    /// Takes all of these phrases, wherever they stand: here they change nothing.
    pub(super) fn pass(&mut self, phrases: &[&str]) {
        for phrase in phrases {
            while self.take_one(phrase).is_some() {}
        }
    }

    /// The place behind the phrase.
    fn take_one(&mut self, phrase: &str) -> Option<usize> {
        let phrase: Vec<_> = phrase.split(' ').collect();
        let begins = self
            .words
            .windows(phrase.len())
            .position(|words| words.iter().zip(&phrase).all(|((word, taken), wanted)| !taken && word == wanted))?;
        let end = begins + phrase.len();
        self.words.iter_mut().take(end).skip(begins).for_each(|(_, taken)| *taken = true);
        Some(end)
    }

    /// The names that stand in the question, in their order there. Of names within each other the longest.
    pub(super) fn take_names<'n>(&mut self, names: impl Iterator<Item = &'n String>) -> Vec<&'n String> {
        let mut names: Vec<_> = names.filter(|name| name.chars().any(char::is_alphabetic)).collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        let mut found = Vec::new();
        for name in names {
            let phrase = name.to_lowercase();
            let phrase = phrase.split_whitespace().collect::<Vec<_>>().join(" ");
            if EMPTY.contains(&phrase.as_str()) {
                continue;
            }
            if let Some(end) = self.take_one(&phrase) {
                found.push((end, name));
            }
        }
        found.sort_unstable_by_key(|(end, _)| *end);
        found.into_iter().map(|(_, name)| name).collect()
    }

    /// The number behind one of these words, as in `run 480`, or in one that begins so, as in `ab#12`.
    pub(super) fn take_number(&mut self, before: &[&str], marks: &[&str]) -> Option<u64> {
        let free = |(word, taken): &(String, bool)| (!taken).then(|| word.clone());
        let number = |word: &str| word.trim_start_matches('#').parse::<u64>().ok();
        for at in 0..self.words.len() {
            let Some(word) = self.words.get(at).and_then(free) else { continue };
            let marked = marks.iter().find_map(|mark| word.strip_prefix(mark)?.parse::<u64>().ok());
            if marked.is_some() {
                self.words.iter_mut().skip(at).take(1).for_each(|(_, taken)| *taken = true);
                return marked;
            }
            let next = self.words.get(at + 1).and_then(free).and_then(|next| number(&next));
            if before.contains(&word.as_str()) && next.is_some() {
                self.words.iter_mut().skip(at).take(2).for_each(|(_, taken)| *taken = true);
                return next;
            }
        }
        None
    }

    /// The first word for which this holds.
    pub(super) fn take_word(&mut self, holds: impl Fn(&str) -> bool) -> Option<String> {
        let (word, taken) = self.words.iter_mut().find(|(word, taken)| !taken && holds(word))?;
        *taken = true;
        Some(word.clone())
    }

    /// The words of time, as a tool takes them.
    pub(super) fn take_time(&mut self) -> Option<String> {
        for long in (1..=LONGEST_TIME).rev() {
            let Some(last) = self.words.len().checked_sub(long) else { continue };
            for begins in 0..=last {
                let words: Vec<_> = self.words.iter().skip(begins).take(long).collect();
                if words.iter().any(|(_, taken)| *taken) {
                    continue;
                }
                let phrase = words.iter().map(|(word, _)| word.as_str()).collect::<Vec<_>>().join(" ");
                if is_time(&phrase) {
                    self.words.iter_mut().skip(begins).take(long).for_each(|(_, taken)| *taken = true);
                    return Some(phrase);
                }
            }
        }
        None
    }

    /// Those of another question behind these.
    pub(super) fn extend(&mut self, other: Self) {
        self.words.extend(other.words);
    }

    /// What nobody understood and what might matter.
    pub(super) fn rest(&self) -> Vec<&str> {
        let rest = self.words.iter().filter(|(word, taken)| !taken && !EMPTY.contains(&word.as_str()));
        rest.map(|(word, _)| word.as_str()).collect()
    }
}

fn is_time(phrase: &str) -> bool {
    // Alone it is a word like any other.
    if phrase == "now" {
        return false;
    }
    let said = Said { window: Some(phrase), ..Said::default() };
    let now = Time::from_ticks(17_000_000_000_000_000);
    let known = Window::of(said, std::time::Duration::from_secs(1), now, chrono_tz::Tz::UTC);
    // Too long a time is one, too: whoever answers says so.
    !matches!(known, Err(super::super::when::WindowError::Words(_)))
}
