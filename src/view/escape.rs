use std::borrow::Cow;

/// The text on one line, with everything a terminal might obey written out: controls (C0, DEL, C1),
/// line separators, bidirectional marks and overrides, invisible characters.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    escape_where(text, is_hostile)
}

/// [`escaped`], but lines stay lines and tabs stay tabs.
#[must_use]
pub fn escaped_lines(text: &str) -> Cow<'_, str> {
    escape_where(text, |character| is_hostile(character) && !matches!(character, '\n' | '\t'))
}

fn escape_where(text: &str, hostile: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&hostile) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if hostile(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

pub(super) fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        let table = [
            ("main", "main"),
            ("größe 漢字 🚀", "größe 漢字 🚀"),
            ("\x1b]0;owned\x07", "\\u{1b}]0;owned\\u{7}"),
            ("\x1b[2J", "\\u{1b}[2J"),
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{7f}", "\\u{7f}"),
            ("\u{202e}gpj.exe", "\\u{202e}gpj.exe"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
        ];
        for (hostile, safe) in table {
            assert_eq!(escaped(hostile), safe);
        }
    }

    #[test]
    fn lines_may_stay() {
        assert_eq!(escaped_lines("a\n\tb\x1b\r"), "a\n\tb\\u{1b}\\r");
    }
}
