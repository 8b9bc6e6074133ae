use std::ffi::OsString;
use std::path::PathBuf;

use super::file::File;
use super::{Environment, Fault};
use crate::domain::Time;

/// A value with where it came from.
pub(super) struct Sourced {
    pub(super) source_name: String,
    pub(super) value: String,
}

/// Looks in flag, environment and file, in this order, and collects faults.
pub(super) struct Sources<'a> {
    pub(super) environment: &'a Environment,
    pub(super) file: &'a File,
    pub(super) faults: Vec<Fault>,
    pub(super) now: Time,
}

impl Sources<'_> {
    pub(super) fn text(&mut self, flag: Option<(&str, String)>, variable: &str, key: &str) -> Option<Sourced> {
        if let Some((flag, value)) = flag {
            return Some(Sourced { source_name: flag.to_owned(), value });
        }
        self.variable(variable).or_else(|| {
            let value = self.file.values.get(key)?.clone();
            Some(Sourced { source_name: self.file.source(key), value })
        })
    }

    pub(super) fn variable(&mut self, variable: &str) -> Option<Sourced> {
        let value = self.set(variable)?;
        match value.to_str() {
            Some(value) => Some(Sourced { source_name: variable.to_owned(), value: value.to_owned() }),
            None => {
                self.faults.push(Fault { source_name: variable.to_owned(), says: "is not UTF-8".to_owned() });
                None
            }
        }
    }

    /// A path need not be UTF-8.
    pub(super) fn path(&self, flag: Option<PathBuf>, variable: &str, key: &str) -> Option<PathBuf> {
        flag.or_else(|| self.set(variable).map(PathBuf::from)).or_else(|| self.file.values.get(key).map(PathBuf::from))
    }

    pub(super) fn set(&self, variable: &str) -> Option<&OsString> {
        self.environment.get(variable).filter(|value| !value.is_empty())
    }

    pub(super) fn parse<T>(&mut self, said: Option<Sourced>, default: T, parse: fn(&str) -> Result<T, String>) -> T {
        let Some(said) = said else { return default };
        match parse(&said.value) {
            Ok(value) => value,
            Err(says) => {
                self.fault(said.source_name, says);
                default
            }
        }
    }

    pub(super) fn fault(&mut self, source_name: impl Into<String>, says: impl Into<String>) {
        self.faults.push(Fault { source_name: source_name.into(), says: says.into() });
    }
}
