//! From the bytes of a message to the text of its JSON.
//!
//! No document says how the service encodes what it puts on an Azure queue. What is known of its readers
//! points to base64, and web hooks are raw JSON. So each message decides for itself: `{`, which is not in
//! the alphabet of base64, means raw.

use std::borrow::Cow;

use super::error::{DecodeError, is_json};

/// The JSON object in a body that is raw or base64. Byte order marks and white space around it, and
/// white space inside base64, are no part of it.
pub(super) fn text(body: &[u8]) -> Result<Cow<'_, str>, DecodeError> {
    let raw = std::str::from_utf8(body).map_err(|error| {
        DecodeError::new("not_utf8", format!("not UTF-8: wrong byte at offset {}", error.valid_up_to()))
    })?;
    let raw = trim(raw);
    if raw.is_empty() {
        return Err(empty());
    }
    if raw.starts_with('{') {
        return Ok(Cow::Borrowed(raw));
    }
    // Only now: `null` and `1234` are base64 as well as JSON.
    decoded(raw).map(Cow::Owned).map_err(|error| if is_json(raw) { not_an_object() } else { error })
}

fn decoded(raw: &str) -> Result<String, DecodeError> {
    let bytes = base64_simd::forgiving_decode_to_vec(raw.as_bytes())
        .map_err(|_| DecodeError::new("not_base64", "neither a JSON object nor base64"))?;
    let text =
        String::from_utf8(bytes).map_err(|_| DecodeError::new("not_utf8", "what the base64 holds is not UTF-8"))?;
    let trimmed = trim(&text);
    if trimmed.starts_with('{') {
        return Ok(if trimmed.len() == text.len() { text } else { trimmed.to_owned() });
    }
    Err(match trimmed {
        "" => empty(),
        json if is_json(json) => not_an_object(),
        _ => DecodeError::new("not_json", "what the base64 holds is not JSON"),
    })
}

fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

fn empty() -> DecodeError {
    DecodeError::new("empty", "the body is empty")
}

fn not_an_object() -> DecodeError {
    DecodeError::new("not_an_object", "the body is JSON but not an object")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &[u8]) -> &'static str {
        text(body).unwrap_err().code
    }

    #[test]
    fn raw_and_base64_in_all_wrappings() {
        for body in [
            "{\"a\":1}",
            " \u{feff}\r\n{\"a\":1}\n",
            "eyJhIjoxfQ==",
            "eyJhIjoxfQ",
            "\u{feff} eyJh\r\nIjox\r\nfQ==\n",
            "77u/eyJhIjoxfQ==",
            "CiB7ImEiOjF9Cg==",
        ] {
            assert_eq!(text(body.as_bytes()).unwrap(), "{\"a\":1}", "{body:?}");
        }
    }

    #[test]
    fn what_is_neither() {
        assert_eq!(code(b""), "empty");
        assert_eq!(code(b" \n\xef\xbb\xbf"), "empty");
        assert_eq!(code(b"\xff{}"), "not_utf8");
        assert_eq!(code(b"not json!"), "not_base64");
        assert_eq!(code(b"/////w=="), "not_utf8");
        assert_eq!(code(b"aGVsbG8="), "not_json");
        for json in ["[]", "null", "1234", "\"x\"", "WzFd"] {
            assert_eq!(code(json.as_bytes()), "not_an_object", "{json}");
        }
    }
}
