//! Between a body and the text of a message.
//!
//! A message is text, at most 64 KiB of it, and the service trims white space at its ends. So our own messages are
//! base64, as those of Azure DevOps are taken to be, and base64 is undone on the way out. Text that is not base64
//! comes out as it is.

use std::fmt;

use base64_simd::STANDARD;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// Of a message's text, in bytes.
const MOST: usize = 64 * 1024;
/// What Azure DevOps says for people in other words; nobody here reads it.
const FOR_PEOPLE: [&str; 2] = ["message", "detailedMessage"];
const LINKS: &str = "_links";
/// The links that an event is read by: whose run or work item it is, which, and where people find it.
const READ: [&str; 6] = ["self", "web", "html", "parent", "pipeline", "pipeline.web"];
/// Links that are nested deeper stay: each level is a look at all that is in it.
const DEEPEST: usize = 8;

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
    encoded(body).or_else(|| {
        let event = without_words(body)?;
        encoded(event.get().as_bytes()).or_else(|| encoded(with_few_links(&event, DEEPEST)?.get().as_bytes()))
    })
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

/// An event without its words for people.
fn without_words(body: &[u8]) -> Option<Box<RawValue>> {
    let Members::<&RawValue>(mut members) = serde_json::from_slice(body).ok()?;
    members.retain(|(name, _)| !FOR_PEOPLE.contains(&name.as_str()));
    to_raw_value(&Members(members)).ok()
}

/// An event without the links that nobody follows.
fn with_few_links(event: &RawValue, depth: usize) -> Option<Box<RawValue>> {
    let inside = |value: &RawValue| with_few_links(value, depth - 1);
    match event.get().as_bytes().first() {
        Some(b'{') if depth > 0 => {
            let Members::<&RawValue>(members) = serde_json::from_str(event.get()).ok()?;
            let member = |(name, value): (String, &RawValue)| {
                let value = if name == LINKS { few_links(value)? } else { inside(value)? };
                Some((name, value))
            };
            to_raw_value(&Members(members.into_iter().map(member).collect::<Option<_>>()?)).ok()
        }
        Some(b'[') if depth > 0 => {
            let items: Vec<&RawValue> = serde_json::from_str(event.get()).ok()?;
            to_raw_value(&items.into_iter().map(inside).collect::<Option<Vec<_>>>()?).ok()
        }
        Some(_) | None => Some(event.to_owned()),
    }
}

/// Those that are read. What is no object is for the decoder to complain about.
fn few_links(links: &RawValue) -> Option<Box<RawValue>> {
    if !links.get().starts_with('{') {
        return Some(links.to_owned());
    }
    let Members::<&RawValue>(mut members) = serde_json::from_str(links.get()).ok()?;
    members.retain(|(name, _)| READ.contains(&name.as_str()));
    to_raw_value(&Members(members)).ok()
}

/// An object's members as they stand there: in their order, twice where they are there twice, their values byte for
/// byte. An event that the decoder refuses must not become one that it takes.
struct Members<V>(Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Members<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(Vec::new()))
    }
}

impl<'de, V: Deserialize<'de>> Visitor<'de> for Members<V> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(member) = map.next_entry()? {
            self.0.push(member);
        }
        Ok(self)
    }
}

impl<V: Serialize> Serialize for Members<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
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

    fn sent(event: &str) -> String {
        String::from_utf8(body(&text(event.as_bytes()).unwrap())).unwrap()
    }

    #[test]
    fn what_nobody_reads_is_dropped_only_as_far_as_it_does_not_fit() {
        let links = |more: &str| format!("\"_links\":{{\"web\":{{\"href\":\"y\"}}{more}}}");
        let event = |words: &str, more: &str| {
            let stages = format!("\"stages\":[{{{},\"name\":\"build\"}}]", links(more));
            format!("{{\"id\":\"1\"{words},\"resource\":{{\"id\":2,\"message\":\"kept\",{stages}}}}}")
        };
        let long = "x".repeat(60_000);
        let (words, more) = (format!(",\"message\":{{\"text\":\"{long}\"}}"), ",\"badge\":{\"href\":\"z\"}");
        assert_eq!(sent(&event(",\"message\":1", more)), event(",\"message\":1", more));
        assert_eq!(sent(&event(&words, more)), event("", more));
        assert_eq!(sent(&event(&words, &format!(",\"badge\":\"{long}\""))), event("", ""));
        assert_eq!(text(event("", &format!(",\"self\":\"{long}\"")).as_bytes()), None);
    }

    #[test]
    fn what_is_kept_stays_as_it_was() {
        let long = format!("\"badge\":\"{}\"", "x".repeat(60_000));
        let table = [
            ("\"a\":1.0,\"a\":1e999,\"b\":18446744073709551616", "\"a\":1.0,\"a\":1e999,\"b\":18446744073709551616"),
            ("\"a\":{ \"c\":[ 1 , {} ] }", "\"a\":{\"c\":[1,{}]}"),
            ("\"a\":\"\\u00e4\\ud83d\",\"_links\":7", "\"a\":\"\\u00e4\\ud83d\",\"_links\":7"),
        ];
        for (given, kept) in table {
            let event = sent(&format!("{{{given},\"_links\":{{{long}}}}}"));
            assert_eq!(event, format!("{{{kept},\"_links\":{{}}}}"));
        }
        let deep = format!("{}{{\"_links\":{{{long}}}}}{}", "[".repeat(DEEPEST), "]".repeat(DEEPEST));
        for whole in
            [format!("{{\"a\":{deep}}}"), format!("[{{{long}}}]"), format!("{{{long}}} x"), format!("{{{long}")]
        {
            assert_eq!(text(whole.as_bytes()), None, "it goes to the table as it is");
        }
    }

    #[test]
    fn the_largest_text_is_64_kib() {
        assert_eq!(text(&[b'x'; 48 * 1024]).unwrap().len(), MOST);
        assert_eq!(text(&[b'x'; 48 * 1024 + 1]), None);
    }
}
