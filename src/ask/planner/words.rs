//! A question as words of which each is understood once, or not at all.

use crate::domain::Time;

use super::super::when::{Said, Window, WindowError};

/// Words that change nothing about what is asked. What asks for a person, a place, a time or a manner, what points at
/// something said before, and what means who asks, is none of them.
#[rustfmt::skip]
const EMPTY: [&str; 51] = [
    "a", "about", "all", "an", "and", "any", "are", "at", "be",
    "been", "can", "could", "did", "do", "does", "for", "from", "get",
    "give", "got", "had", "has", "have", "in", "is", "list", "me",
    "now", "of", "on", "our", "please", "right", "show", "so", "tell",
    "that", "the", "there", "to", "us", "was", "we", "were", "what",
    "what's", "which", "with", "you", "your", "currently",
];

/// The longest phrase of time, in words.
const LONGEST_TIME: usize = 4;

/// What stands between two times that are compared, the longer first.
const COMPARES: [&str; 10] = [
    "compared to",
    "compared with",
    "compare to",
    "compare with",
    "than in",
    "than",
    "versus",
    "vs",
    "against",
    "with",
];

/// The words of a question, each with whether it was understood.
#[derive(Debug, Clone)]
pub(super) struct Words {
    words: Vec<(String, bool)>,
}

impl Words {
    pub(super) fn of(question: &str) -> Self {
        let marks: &[char] = &['?', ',', '.', ';', ':', '"', '\'', '(', ')', '`', '“', '”'];
        let words = question.to_lowercase().replace('’', "'");
        let words = words.split_whitespace().map(|word| word.trim_end_matches('!').trim_matches(marks));
        let words = words.map(|word| word.strip_suffix("'s").filter(|word| *word != "what").unwrap_or(word));
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

    /// Whether one of these phrases stands in the question and was not taken.
    pub(super) fn has(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.find(phrase).is_some())
    }

    /// How many of these phrases stand in the question; all of them are taken.
    pub(super) fn count(&mut self, phrases: &[&str]) -> usize {
        phrases.iter().map(|phrase| std::iter::from_fn(|| self.take_one(phrase)).count()).sum()
    }

    /// Where the phrase begins.
    pub(super) fn find(&self, phrase: &str) -> Option<usize> {
        let phrase: Vec<_> = phrase.split(' ').collect();
        let is_here = |words: &[(String, bool)]| {
            words.iter().zip(&phrase).all(|((word, taken), wanted)| !taken && word == wanted)
        };
        self.words.windows(phrase.len()).position(is_here)
    }

    /// The word at this place, also where it was taken.
    pub(super) fn at(&self, place: usize) -> &str {
        self.words.get(place).map_or("", |(word, _)| word)
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    /// Takes the phrase, and says where it begins.
    fn take_one(&mut self, phrase: &str) -> Option<usize> {
        let begins = self.find(phrase)?;
        self.mark(begins, phrase.split(' ').count());
        Some(begins)
    }

    /// Takes what a name that stands at this place is called a name of.
    pub(super) fn take_beside(&mut self, place: usize, name: &str, nouns: &[&str]) {
        let behind = place + name.split_whitespace().count();
        let is_noun = |at: &usize| nouns.contains(&self.at(*at));
        let before = place.checked_sub(1).filter(is_noun);
        let beside: Vec<_> = (behind..self.len()).take_while(is_noun).chain(before).collect();
        beside.into_iter().for_each(|at| self.mark(at, 1));
    }

    fn mark(&mut self, begins: usize, long: usize) {
        self.words.iter_mut().skip(begins).take(long).for_each(|(_, taken)| *taken = true);
    }

    /// The names that stand in the question, in their order there. Of names within each other the longest.
    pub(super) fn take_names<'n>(&mut self, names: impl Iterator<Item = &'n String>) -> Vec<(usize, &'n String)> {
        let mut names: Vec<_> = names.filter(|name| name.chars().any(char::is_alphabetic)).collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        let mut found = Vec::new();
        for name in names {
            let phrase = name.to_lowercase();
            let phrase = phrase.split_whitespace().collect::<Vec<_>>().join(" ");
            if EMPTY.contains(&phrase.as_str()) {
                continue;
            }
            if let Some(begins) = self.take_one(&phrase) {
                found.push((begins, name));
            }
        }
        found.sort_unstable_by_key(|(begins, _)| *begins);
        found
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

    /// The words of time, as a tool takes them, in their order.
    pub(super) fn take_times(&mut self) -> Vec<String> {
        let mut times = Vec::new();
        let mut at = 0;
        while at < self.words.len() {
            // `from` a day may mean on it or since then.
            let is_end = at.checked_sub(1).is_some_and(|before| ["from", "to"].contains(&self.at(before)));
            let is_day = self.at(at).starts_with(|c: char| c.is_ascii_digit());
            let time = self.time_at(at).filter(|_| !(is_end && is_day));
            at += time.as_ref().map_or(1, |(_, long)| *long);
            times.extend(time.map(|(phrase, long)| {
                self.mark(at - long, long);
                phrase
            }));
        }
        times
    }

    /// The longest phrase of time that begins here, and how long it is.
    fn time_at(&self, begins: usize) -> Option<(String, usize)> {
        (1..=LONGEST_TIME).rev().find_map(|long| {
            let words = self.words.get(begins..begins + long)?;
            let phrase = words.iter().map(|(word, _)| word.as_str()).collect::<Vec<_>>().join(" ");
            (words.iter().all(|(_, taken)| !taken) && is_time(&phrase)).then_some((phrase, long))
        })
    }

    /// The time that another one is compared with: what stands straight behind a word that compares.
    pub(super) fn take_earlier(&mut self) -> Option<String> {
        for compares in COMPARES {
            let Some(at) = self.find(compares).filter(|_| compares != "with" || self.has(&["compare"])) else {
                continue;
            };
            let begins = at + compares.split(' ').count();
            let found = self.before_at(begins).or_else(|| self.time_at(begins));
            if let Some((phrase, long)) = found {
                self.mark(at, begins - at + long);
                // `compare this week with last week`
                self.pass(&["compare", "compared"]);
                return Some(phrase);
            }
        }
        None
    }

    /// `the week before`, `the 30 days before` or `the one before`, and how long it is.
    fn before_at(&self, begins: usize) -> Option<(String, usize)> {
        let words: Vec<_> = (begins..self.words.len()).take(4).map(|place| self.at(place)).collect();
        let long = match words.as_slice() {
            ["the", _, "before", ..] => 3,
            ["the", _, _, "before"] => 4,
            _ => return None,
        };
        Some((words.get(..long)?.join(" "), long))
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
    // Too long a time is one, too: whoever answers says so. What begins after that now may be past; a moment is none.
    match Window::of(said, std::time::Duration::from_secs(1), now, chrono_tz::Tz::UTC) {
        Ok(_) | Err(WindowError::TooLong(_)) => true,
        Err(WindowError::Empty { from, to }) => from != to,
        Err(WindowError::Words(_)) => false,
    }
}
