//! Between a body and the text of a message.
//!
//! A message is text, at most 64 KiB of it, and the service trims white space at its ends. So our own messages are
//! base64, as those of Azure DevOps are taken to be, and base64 is undone on the way out. Text that is not base64
//! comes out as it is.

use base64_simd::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Of a message's text, in bytes.
const MOST: usize = 64 * 1024;
/// What Azure DevOps says for people in other words; nobody here reads it.
const FOR_PEOPLE: [&str; 2] = ["message", "detailedMessage"];

/// Where a body is that is too large for a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) id: String,
    /// In bytes.
    pub(super) size: usize,
}

/// Stands on the queue for a body in the table. It is no base64, so no body of ours looks like one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pointer {
    #[serde(rename = "pipetrailBody")]
    body: Stored,
}

/// The text for a body. `None` if it is too large even without what nobody reads.
pub(super) fn text(body: &[u8]) -> Option<String> {
    encoded(body).or_else(|| encoded(&stripped(body)?))
}

/// The body that a text holds.
pub(super) fn body(text: &str) -> Vec<u8> {
    STANDARD.decode_to_vec(text).unwrap_or_else(|_| text.as_bytes().to_vec())
}

pub(super) fn pointer(stored: &Stored) -> String {
    serde_json::json!({ "pipetrailBody": stored }).to_string()
}

/// Whether a text stands for a body in the table.
pub(super) fn pointed(text: &str) -> Option<Stored> {
    // Most texts are base64: no need to read on.
    let pointer = text.starts_with('{').then(|| serde_json::from_str::<Pointer>(text).ok()).flatten()?;
    // Anybody can write such a text, and not every id may stand in a key.
    uuid::Uuid::try_parse(&pointer.body.id).is_ok().then_some(pointer.body)
}

fn encoded(body: &[u8]) -> Option<String> {
    (STANDARD.encoded_length(body.len()) <= MOST).then(|| STANDARD.encode_to_string(body))
}

/// An event without its words for people and its links.
fn stripped(body: &[u8]) -> Option<Vec<u8>> {
    let mut event: Value = serde_json::from_slice(body).ok()?;
    let members = event.as_object_mut()?;
    FOR_PEOPLE.iter().for_each(|name| drop(members.remove(*name)));
    drop_links(&mut event);
    serde_json::to_vec(&event).ok()
}

fn drop_links(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("_links");
            members.values_mut().for_each(drop_links);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_links),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_comes_back_whatever_it_looks_like() {
        for given in ["", "{\"a\":1}", " padded \n", "1234", "null", "eyJhIjoxfQ==", "{\"pipetrailBody\":{}}"] {
            let text = text(given.as_bytes()).unwrap();
            assert_eq!(body(&text), given.as_bytes());
            assert_eq!(pointed(&text), None);
        }
        assert_eq!(body(&text(&[0, 255, 254, 10, 32]).unwrap()), [0, 255, 254, 10, 32]);
    }

    #[test]
    fn text_of_others_comes_raw_or_decoded() {
        for (text, expected) in [
            ("{\"a\":1}", "{\"a\":1}"),
            ("eyJhIjoxfQ==", "{\"a\":1}"),
            ("not base64", "not base64"),
            ("eyJhIjoxfQ", "eyJhIjoxfQ"),
        ] {
            assert_eq!(body(text), expected.as_bytes(), "{text}");
        }
    }

    #[test]
    fn a_pointer_is_read_as_one() {
        let stored = Stored { id: "0f8fad5b-d9cb-469f-a165-70867728950e".to_owned(), size: 70_000 };
        assert_eq!(pointed(&pointer(&stored)), Some(stored));
        let wrong_id = "{\"pipetrailBody\":{\"id\":\"a/b\",\"size\":1}}";
        for other in [wrong_id, "{\"pipetrailBody\":\"x\"}", "{\"eventType\":\"x\"}", "{", ""] {
            assert_eq!(pointed(other), None, "{other}");
        }
    }

    #[test]
    fn what_nobody_reads_is_dropped_only_where_it_does_not_fit() {
        let event = |size: usize| {
            serde_json::json!({
                "id": "1",
                "message": {"text": "x".repeat(size)},
                "resource": {"id": 2, "message": "kept", "stages": [{"_links": {"web": "y"}, "name": "build"}]},
            })
        };
        let small = event(10).to_string();
        assert_eq!(body(&text(small.as_bytes()).unwrap()), small.as_bytes());
        let large: Value = serde_json::from_slice(&body(&text(event(60_000).to_string().as_bytes()).unwrap())).unwrap();
        let kept = serde_json::json!({"id": 2, "message": "kept", "stages": [{"name": "build"}]});
        assert_eq!(large, serde_json::json!({"id": "1", "resource": kept}));
    }

    #[test]
    fn the_largest_text_is_64_kib() {
        assert_eq!(text(&[b'x'; 48 * 1024]).unwrap().len(), MOST);
        assert_eq!(text(&[b'x'; 48 * 1024 + 1]), None);
    }
}
