//! How long a text may be that is kept: no single one may make a record too large to store.
//!
//! Lengths are those of the JSON form, in which a control character takes six bytes.

use std::borrow::Cow;

/// The longest text that describes something.
pub const MOST_TEXT: usize = 1_024;
/// The longest name of a stage, a job or a person, and the longest id.
pub const MOST_NAME: usize = 256;
/// The longest word of the service, such as a state or a result. Its own are of up to 19 bytes.
pub const MOST_WORD: usize = 32;

/// What marks a text that was cut.
const MARK: char = '…';

/// The text, cut at a character and marked with `…` where its JSON form is longer than `most` bytes.
#[must_use]
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if weight(text) <= most {
        return Cow::Borrowed(text);
    }
    let mut room = most.saturating_sub(MARK.len_utf8());
    let fitting = text.chars().take_while(|character| {
        let left = room.checked_sub(weight(character.encode_utf8(&mut [0; 4])));
        room = left.unwrap_or_default();
        left.is_some()
    });
    Cow::Owned(fitting.chain([MARK]).collect())
}

/// How many bytes the text takes in JSON at the most, without the quotes around it.
#[must_use]
pub fn weight(text: &str) -> usize {
    text.bytes().map(|byte| if byte < b' ' { 6 } else { 1 + usize::from(matches!(byte, b'"' | b'\\')) }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_at_a_character() {
        assert_eq!(cut(&"a".repeat(1024), MOST_TEXT).len(), 1024);
        let long = cut(&"ä".repeat(600), MOST_TEXT).into_owned();
        assert!(long.len() <= 1024 && long.ends_with("ä…"), "{}", long.len());
    }

    #[test]
    fn no_text_weighs_less_than_its_json() {
        for text in ["", "plain", "\u{0}\u{1f}\n\t", "\"\\\u{7f}", "ä\u{1f600}"] {
            let text = text.repeat(100);
            let json = |text: &str| serde_json::to_string(text).unwrap().len() - 2;
            assert!(json(&text) <= weight(&text), "{text:?}");
            assert!(json(&cut(&text, MOST_WORD)) <= MOST_WORD, "{text:?}");
        }
    }
}
