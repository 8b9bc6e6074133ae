use secrecy::SecretString;
use toml::{Table, Value};

use super::sources::Sources;

/// A table of the file, read key by key. What is not known, is missing or is of another kind becomes a fault.
pub(super) struct Entry<'t> {
    place: String,
    table: &'t Table,
}

impl<'t> Entry<'t> {
    /// `known` are the keys that it may have.
    pub(super) fn new(sources: &mut Sources<'_>, place: String, value: &'t Value, known: &[&str]) -> Option<Self> {
        let Some(table) = value.as_table() else {
            sources.fault(sources.file.source(&place), "must be a table");
            return None;
        };
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            let says = format!("is not a known key; known are {}", known.join(", "));
            sources.fault(sources.file.source(&format!("{place}.{key}")), says);
        }
        Some(Self { place, table })
    }

    /// The tables of a list, each with its place.
    pub(super) fn all(sources: &mut Sources<'_>, place: &str, value: &'t Value, known: &[&str]) -> Vec<Self> {
        let Some(values) = value.as_array() else {
            sources.fault(sources.file.source(place), "must be a list of tables");
            return Vec::new();
        };
        let entry = |(at, value)| Self::new(sources, format!("{place}[{at}]"), value, known);
        values.iter().enumerate().filter_map(entry).collect()
    }

    /// As [`Entry::all`], of a list within this table; empty where there is none.
    pub(super) fn tables(&self, sources: &mut Sources<'_>, key: &str, known: &[&str]) -> Vec<Self> {
        let place = format!("{}.{key}", self.place);
        self.table.get(key).map(|value| Self::all(sources, &place, value, known)).unwrap_or_default()
    }

    /// As faults name it.
    pub(super) fn place(&self, sources: &Sources<'_>) -> String {
        sources.file.source(&self.place)
    }

    pub(super) fn fault(&self, sources: &mut Sources<'_>, key: &str, says: &str) {
        let place = if key.is_empty() { self.place.clone() } else { format!("{}.{key}", self.place) };
        sources.fault(sources.file.source(&place), says);
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub(super) fn text(&self, sources: &mut Sources<'_>, key: &str) -> Option<String> {
        let text = self.table.get(key)?.as_str().map(str::trim).filter(|text| !text.is_empty());
        if text.is_none() {
            self.fault(sources, key, "must be text in quotes");
        }
        text.map(str::to_owned)
    }

    pub(super) fn wanted(&self, sources: &mut Sources<'_>, key: &str) -> Option<String> {
        if !self.has(key) {
            self.fault(sources, "", &format!("wants a {key}"));
        }
        self.text(sources, key)
    }

    /// `None` where the key is not there.
    pub(super) fn texts(&self, sources: &mut Sources<'_>, key: &str) -> Option<Vec<String>> {
        let values = self.table.get(key)?.as_array();
        let texts = values.and_then(|values| values.iter().map(|value| value.as_str().map(str::to_owned)).collect());
        if texts.is_none() {
            self.fault(sources, key, "must be a list of texts in quotes");
        }
        texts
    }

    /// The value of `key`, or of the variable that `{key}_env` names, so that the file need hold no secret.
    pub(super) fn secret(&self, sources: &mut Sources<'_>, key: &str) -> Option<SecretString> {
        let by_name = format!("{key}_env");
        let variable = self.text(sources, &by_name);
        if self.has(key) && self.has(&by_name) {
            self.fault(sources, &by_name, &format!("contradicts {key}: set one of them"));
            return None;
        }
        let Some(variable) = variable else { return self.text(sources, key).map(SecretString::from) };
        let said = sources.variable(&variable);
        if said.is_none() {
            self.fault(sources, &by_name, &format!("names the variable {variable}, which is not set"));
        }
        said.map(|said| SecretString::from(said.value.trim()))
    }
}
