use base64_simd::STANDARD;
use serde::{Serialize, Serializer};

use crate::domain::Time;

use super::table::{or_unknown, table};
use super::{escaped, escaped_lines, moment};

/// A dead letter as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetter)]
pub struct DeadLetterJson {
    pub id: String,
    /// `code: sentence`.
    pub reason: String,
    /// The field that is wrong, such as `resource.run.id`.
    pub path: Option<String>,
    pub tries: u32,
    #[serde(serialize_with = "rfc3339")]
    pub first_seen_at: Time,
    #[serde(serialize_with = "rfc3339")]
    pub dead_at: Time,
    #[serde(flatten)]
    pub body: LetterBody,
}

/// The body: text, or base64 of what is not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub enum LetterBody {
    #[serde(rename = "body")]
    Text(String),
    #[serde(rename = "bodyBase64")]
    Base64(String),
}

impl LetterBody {
    #[must_use]
    pub fn new(body: Vec<u8>) -> Self {
        match String::from_utf8(body) {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Base64(STANDARD.encode_to_string(error.as_bytes())),
        }
    }
}

/// Dead letters, a line each, without their bodies.
#[must_use]
pub fn dead_letters_table(letters: &[DeadLetterJson]) -> String {
    let rows = letters.iter().map(|letter| {
        vec![
            letter.id.clone(),
            letter.tries.to_string(),
            moment(letter.first_seen_at),
            moment(letter.dead_at),
            or_unknown(letter.path.as_deref()),
            letter.reason.clone(),
        ]
    });
    table(&["ID", "TRIES", "FIRST SEEN", "DEAD", "PATH", "REASON"], rows)
}

/// A dead letter for people.
#[must_use]
pub fn dead_letter_text(letter: &DeadLetterJson) -> String {
    let rows = [
        ("ID", letter.id.clone()),
        ("Reason", letter.reason.clone()),
        ("Path", or_unknown(letter.path.as_deref())),
        ("Tries", letter.tries.to_string()),
        ("First seen", moment(letter.first_seen_at)),
        ("Dead", moment(letter.dead_at)),
    ];
    let head: String = rows.iter().map(|(label, value)| format!("{label:<14} {}\n", escaped(value))).collect();
    let (title, body) = match &letter.body {
        LetterBody::Text(text) => ("Body", text),
        LetterBody::Base64(text) => ("Body (not UTF-8, in base64)", text),
    };
    format!("{head}\n{title}\n{}\n", escaped_lines(body.trim_end()))
}

fn rfc3339<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(body: &[u8]) -> DeadLetterJson {
        DeadLetterJson {
            id: "1".to_owned(),
            reason: "no_run_id: the event names no run".to_owned(),
            path: None,
            tries: 1,
            first_seen_at: Time::UNKNOWN,
            dead_at: Time::UNKNOWN,
            body: LetterBody::new(body.to_vec()),
        }
    }

    #[test]
    fn a_body_is_text_or_base64() {
        let text = serde_json::to_value(letter(b"{}")).unwrap();
        assert_eq!((&text["body"], text.get("bodyBase64")), (&"{}".into(), None));
        let bytes = serde_json::to_value(letter(&[0xff, 0])).unwrap();
        assert_eq!((bytes.get("body"), &bytes["bodyBase64"]), (None, &"/wA=".into()));
        assert_eq!(text["firstSeenAt"], "1970-01-01T00:00:00Z");
        assert_eq!(text["path"], serde_json::Value::Null);
    }

    #[test]
    fn a_hostile_body_is_harmless_on_a_terminal() {
        assert!(dead_letter_text(&letter(b"a\n\x1b[2Jb")).ends_with("Body\na\n\\u{1b}[2Jb\n"));
    }
}
