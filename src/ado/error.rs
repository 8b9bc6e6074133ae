use serde::Deserialize;
use serde::de::IgnoredAny;

/// Why a body or an answer is no statement of ours. Final: trying again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {sentence}")]
pub struct DecodeError {
    /// Stable, for counting and for `dead-letter --reason`.
    pub code: &'static str,
    /// For people: bounded in length, quotes at most 64 characters of the input.
    pub sentence: String,
    /// Where in the JSON it is, such as `resource.run.id`.
    pub path: Option<String>,
}

/// What an error says where the subscription sends too little.
pub(super) const SEND_ALL: &str = "set \"Resource details to send: All\" in the subscription";

/// How a worker gets to know what a minimal resource leaves out.
const LET_ASK: &str = "set PIPETRAIL_ADO_TOKEN";

/// How the error of a text that is no time begins, so that it gets a code of its own.
pub(super) const NOT_A_TIME: &str = "not a time: ";

/// The longest part of the input that a sentence quotes, in characters.
const MOST_QUOTED: usize = 64;

impl DecodeError {
    pub(super) fn new(code: &'static str, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into(), path: None }
    }

    pub(super) fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// An id is neither where it should be nor in any of the links.
    pub(super) fn no_id(code: &'static str, what: &str, path: &str) -> Self {
        Self::new(code, format!("no {what}{}", hint(path))).at(path)
    }

    /// Whether it may only want what the service could be asked for.
    pub(super) fn tells_too_little(&self) -> bool {
        matches!(self.code, "no_state" | "no_pipeline_id")
    }

    pub(super) fn no_state(what: &str, path: impl Into<String>) -> Self {
        let path = path.into();
        Self::new("no_state", format!("no {what}{}", hint(&path))).at(path)
    }
}

/// Only events come from a subscription, whose settings may leave out parts of the resource.
fn hint(path: &str) -> String {
    if path.starts_with("resource") {
        format!("; if the subscription sends minimal resources, {SEND_ALL}, or let the worker ask: {LET_ASK}")
    } else {
        String::new()
    }
}

/// The beginning of a text, for quoting.
pub(super) fn quoted(text: &str) -> String {
    text.chars().take(MOST_QUOTED).collect()
}

pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Reads JSON. Only after a failure it is read again, slower, to name the place.
///
/// `prefix` is the path of `text` itself, empty for a whole body.
pub(super) fn parse<'a, T: Deserialize<'a>>(text: &'a str, prefix: &str) -> Result<T, DecodeError> {
    serde_json::from_str(text).map_err(|error| explain::<T>(text, prefix, &error))
}

/// A text that is JSON all the same holds a value of the wrong type: that also covers numbers out of range
/// and lone surrogates, which the parser reports like faults of syntax.
fn explain<'a, T: Deserialize<'a>>(text: &'a str, prefix: &str, error: &serde_json::Error) -> DecodeError {
    if !is_json(text) {
        return DecodeError::new("not_json", format!("not JSON: {error}"));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Ok(_) => DecodeError::new("not_json", format!("not JSON: {error}")),
        Err(traced) => wrong(&join(prefix, &traced.path().to_string()), traced.inner()),
    }
}

fn join(prefix: &str, path: &str) -> String {
    match (prefix, path) {
        (prefix, "." | "") => prefix.to_owned(),
        ("", path) => path.to_owned(),
        (prefix, path) if path.starts_with('[') => format!("{prefix}{path}"),
        (prefix, path) => format!("{prefix}.{path}"),
    }
}

fn wrong(path: &str, error: &serde_json::Error) -> DecodeError {
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    if let Some(found) = message.strip_prefix(NOT_A_TIME) {
        return DecodeError::new("bad_time", found).at(path);
    }
    DecodeError::new("wrong_type", format!("`{path}` cannot be read: {}", bounded(message))).at(path)
}

/// The parser's message without what it quotes: `invalid type: string "…", expected an id` may hold megabytes.
fn bounded(message: &str) -> String {
    match message.rsplit_once(", expected ") {
        Some((found, expected)) => {
            let kind = found.split(['"', '`']).next().unwrap_or_default().trim_end();
            format!("{}, expected {expected}", quoted(kind))
        }
        None => quoted(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Inner {
        #[expect(dead_code, reason = "only its type matters")]
        n: u8,
    }

    fn error(text: &str) -> DecodeError {
        parse::<Vec<Inner>>(text, "resource.stages").unwrap_err()
    }

    #[test]
    fn names_the_place() {
        assert_eq!(error(r#"[{"n":1},{"n":"x"}]"#).path.as_deref(), Some("resource.stages[1].n"));
        assert_eq!(error("7").path.as_deref(), Some("resource.stages"));
        assert_eq!(error(r#"[{"n":1e999}]"#).code, "wrong_type");
        assert_eq!(error("[").code, "not_json");
    }

    #[test]
    fn quotes_little() {
        let long = format!(r#"[{{"n":"{}"}}]"#, "y, expected ".repeat(100_000));
        assert_eq!(error(&long).sentence, "`resource.stages[0].n` cannot be read: invalid type: string, expected u8");
    }
}
