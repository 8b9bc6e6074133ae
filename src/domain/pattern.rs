use std::fmt;

use super::link;

/// A text in which `*` stands for any characters. Compared without regard to case, as the service compares names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// As it was written.
    text: String,
    pieces: Vec<String>,
}

impl Pattern {
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), pieces: text.to_lowercase().split('*').map(str::to_owned).collect() }
    }

    /// Takes one look at the text for each piece: no text makes it slow.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.matches_small(&text.to_lowercase())
    }

    /// Whether one of them does.
    #[must_use]
    pub fn any(patterns: &[Self], text: &str) -> bool {
        let text = text.to_lowercase();
        patterns.iter().any(|pattern| pattern.matches_small(&text))
    }

    fn matches_small(&self, text: &str) -> bool {
        let Some((first, rest)) = self.pieces.split_first() else { return false };
        let Some(text) = text.strip_prefix(first.as_str()) else { return false };
        let Some((last, middle)) = rest.split_last() else { return text.is_empty() };
        let after = middle.iter().try_fold(text, |text, piece| {
            let (_, after) = text.split_once(piece.as_str())?;
            Some(after)
        });
        after.is_some_and(|after| after.ends_with(last.as_str()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// How a branch names a work item, such as `feature/{id}-*`: `{id}` is the whole of a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchPattern {
    before: Pattern,
    after: Pattern,
}

impl BranchPattern {
    const ID: &str = "{id}";

    /// `None` where `{id}` is not in it exactly once.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let (before, after) = text.split_once(Self::ID)?;
        let once = !after.contains(Self::ID);
        once.then(|| Self { before: Pattern::new(before), after: Pattern::new(after) })
    }

    /// Those that hold where nothing else is configured.
    #[must_use]
    pub fn usual() -> Vec<Self> {
        ["{id}-*", "{id}_*", "*/{id}", "*/{id}-*", "*/{id}_*"].into_iter().filter_map(Self::new).collect()
    }

    /// Whether the branch, without `refs/heads/`, names this work item.
    #[must_use]
    pub fn finds(&self, branch: &str, id: u64) -> bool {
        let digits = id.to_string();
        let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        branch.match_indices(&digits).take(link::MOST_MENTIONS).any(|(at, _)| {
            let (before, rest) = branch.split_at_checked(at).unwrap_or_default();
            let after = rest.get(digits.len()..).unwrap_or_default();
            let is_whole = !is_digit(before.chars().next_back()) && !is_digit(after.chars().next());
            is_whole && self.before.matches(before) && self.after.matches(after)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text, expected) in [
            ("checkout-*", "Checkout-service", true),
            ("checkout-*", "my-checkout-service", false),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("\\services\\*", "\\services\\shop", true),
            ("web", "website", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern} {text}");
        }
        assert!(!Pattern::new(&"*a".repeat(1_000)).matches(&"b".repeat(100_000)), "and in no time");
    }

    #[test]
    fn work_items_in_branches() {
        let finds = |branch: &str, id| BranchPattern::usual().iter().any(|pattern| pattern.finds(branch, id));
        for (branch, id, expected) in [
            ("feature/123-round", 123, true),
            ("feature/123", 123, true),
            ("users/ana/123_round", 123, true),
            ("123-round", 123, true),
            ("feature/123-round-2", 2, false),
            ("feature/1234-round", 123, false),
            ("feature/0123-round", 123, false),
            ("release/2.4", 2, false),
            ("release-123", 123, false),
            ("feature/12-12", 12, true),
        ] {
            assert_eq!(finds(branch, id), expected, "{branch}");
        }
        assert_eq!(BranchPattern::new("feature/*"), None);
        assert_eq!(BranchPattern::new("{id}{id}"), None);
    }
}
