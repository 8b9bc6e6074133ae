use serde_json::{Map, Value};

use crate::ado::error::{DecodeError, quoted};
use crate::ado::usable_id;
use crate::domain::text::{MOST_NAME, cut};
use crate::domain::{Time, commit_id};

/// A table holds no time after the year 9999, and who counts in milliseconds does not mean then.
const MOST_SECONDS: i64 = 253_402_300_799;

/// An object of JSON whose fields may be of any type.
pub(super) struct Fields<'b> {
    fields: &'b Map<String, Value>,
    path: &'static str,
}

impl<'b> Fields<'b> {
    pub(super) fn new(value: &'b Value, path: &'static str) -> Result<Self, DecodeError> {
        let wrong = || DecodeError::new("not_an_object", "the event is not a JSON object").at(path);
        Ok(Self { fields: value.as_object().ok_or_else(wrong)?, path })
    }

    pub(super) fn of(fields: &'b Map<String, Value>, path: &'static str) -> Self {
        Self { fields, path }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'b Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn place(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// A text or a number, as text; `None` where it is absent, empty, or something else.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let text = match self.get(name)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
        };
        (!text.is_empty()).then(|| cut(&text, MOST_NAME).into_owned())
    }

    /// The first of these that is there.
    pub(super) fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.text(name))
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value == &Value::Bool(true) || value == "true")
    }

    /// A commit's full id; what else stands there is wrong.
    pub(super) fn commit(&self, name: &str) -> Result<Option<String>, DecodeError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let wrong = || DecodeError::new("not_a_commit", format!("`{}` is no full commit id", quoted(&text)));
        commit_id(&text).map(Some).ok_or_else(|| wrong().at(self.place(name)))
    }

    pub(super) fn id(&self, name: &str) -> Result<Option<u64>, DecodeError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let wrong = || DecodeError::new("not_an_id", format!("`{}` is no id", quoted(&text))).at(self.place(name));
        text.parse().ok().and_then(usable_id).map(Some).ok_or_else(wrong)
    }

    /// The first of these times: as RFC 3339 writes it, or in seconds since 1970.
    pub(super) fn time(&self, names: &[&str]) -> Result<Option<Time>, DecodeError> {
        let Some((name, text)) = names.iter().find_map(|name| Some((*name, self.text(name)?))) else {
            return Ok(None);
        };
        let read = match text.parse::<i64>() {
            Ok(seconds) => Some(seconds).filter(|seconds| (1..=MOST_SECONDS).contains(seconds)).map(of_seconds),
            Err(_) => Time::parse(&text).ok().flatten(),
        };
        let wrong = || DecodeError::new("not_a_time", format!("`{}` is no time", quoted(&text))).at(self.place(name));
        read.map(Some).ok_or_else(wrong)
    }
}

fn of_seconds(seconds: i64) -> Time {
    Time::from_ticks(seconds * 10_000_000)
}

/// Every full commit id in it, wherever it stands, in the order in which they come.
pub(super) fn commits_in(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = vec![value];
    while let Some(value) = rest.pop() {
        match value {
            Value::String(text) => {
                let words = text.split(|c: char| !c.is_ascii_alphanumeric());
                found.extend(words.filter_map(commit_id));
            }
            Value::Array(values) => rest.extend(values.iter().rev()),
            Value::Object(fields) => rest.extend(fields.values().rev()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|commit| seen.insert(commit.clone()));
    found
}
