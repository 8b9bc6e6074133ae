use serde::Serialize;

use super::escape::is_hostile;

/// Indented JSON, keys in a fixed order, with a line end. Characters that a terminal might obey are `\u`
/// escapes: the same text for a program, harmless for a person.
///
/// # Errors
/// When the value has no JSON form.
pub fn json<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(value)?;
    // JSON itself is ASCII, and inside its strings serde_json has escaped the controls below space.
    if text.chars().any(|character| character != '\n' && is_hostile(character)) {
        text = text.chars().fold(String::with_capacity(text.len()), push_safely);
    }
    text.push('\n');
    Ok(text)
}

fn push_safely(mut safe: String, character: char) -> String {
    if character == '\n' || !is_hostile(character) {
        safe.push(character);
        return safe;
    }
    let units = character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
    safe + &units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_escaped_and_means_the_same() {
        let hostile = "a\u{1b}[2J\u{9b}31m\u{202e}\u{e0041}\nb";
        let text = json(&[hostile]).unwrap();
        assert_eq!(text, "[\n  \"a\\u001b[2J\\u009b31m\\u202e\\udb40\\udc41\\nb\"\n]\n");
        assert_eq!(serde_json::from_str::<Vec<String>>(&text).unwrap(), [hostile]);
    }
}
