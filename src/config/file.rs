//! The configuration file, read key by key so that one fault does not hide the next.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::access::{OIDC, PROXY, TOKENS};
use super::chains::{CHAINS, chains};
use super::metrics::{ENVIRONMENTS, METRICS, environments, metrics};
use super::owners::{OWNERS, owners};
use super::{Fault, SETTINGS};
use crate::domain::chain::Chains;
use crate::domain::metrics::{Terms, Zone};
use crate::domain::owner::Owners;

/// What the file says: text by key, and its tables.
#[derive(Debug, Default)]
pub(super) struct File {
    /// The file's name, for faults.
    pub(super) name: String,
    pub(super) values: BTreeMap<String, String>,
    pub(super) organizations: BTreeMap<String, String>,
    pub(super) owners: Owners,
    pub(super) chains: Chains,
    /// What counts as what in delivery metrics, and whose days.
    pub(super) terms: Terms,
    pub(super) zone: Zone,
    /// Those of the ways in, as they stand there: they may name variables.
    pub(super) tables: BTreeMap<&'static str, Value>,
}

const ORGANIZATIONS: &str = "organizations";

/// Whether it can stand in a record's key.
fn is_a_name(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(|c: char| c.is_control() || "/\\#?|".contains(c))
}

impl File {
    pub(super) fn parse(name: &str, text: &str, faults: &mut Vec<Fault>) -> Self {
        let mut file = Self { name: name.to_owned(), ..Self::default() };
        let table: Table = match text.parse() {
            Ok(table) => table,
            Err(error) => {
                faults.push(file.fault_in_syntax(text, &error));
                return file;
            }
        };
        for (key, value) in table {
            file.read(&key, &value, faults);
        }
        file
    }

    pub(super) fn source(&self, key: &str) -> String {
        format!("{}: {key}", self.name)
    }

    fn read(&mut self, key: &str, value: &Value, faults: &mut Vec<Fault>) {
        if key == ORGANIZATIONS {
            return match value.as_table() {
                Some(aliases) => self.read_organizations(aliases, faults),
                None => faults.push(self.fault(key, "must be a table of names")),
            };
        }
        if key == OWNERS {
            let (owners, wrong) = owners(value);
            self.owners = owners;
            return faults.extend(wrong.into_iter().map(|(place, says)| self.fault(&place, &says)));
        }
        if key == CHAINS {
            let (chains, wrong) = chains(value);
            self.chains = chains;
            return faults.extend(wrong.into_iter().map(|(place, says)| self.fault(&place, &says)));
        }
        if key == METRICS || key == ENVIRONMENTS {
            let wrong = self.read_metrics(key, value);
            return faults.extend(wrong.into_iter().map(|(place, says)| self.fault(&place, &says)));
        }
        if let Some(table) = [TOKENS, OIDC, PROXY].into_iter().find(|table| *table == key) {
            self.tables.insert(table, value.clone());
            return;
        }
        if !SETTINGS.iter().any(|setting| setting.key == Some(key)) {
            return faults.push(self.fault(key, &format!("is not a known key; known are {}", known_keys())));
        }
        match value.as_str() {
            Some(value) => {
                self.values.insert(key.to_owned(), value.to_owned());
            }
            None => faults.push(self.fault(key, "must be text in quotes")),
        }
    }

    fn read_metrics(&mut self, key: &str, value: &Value) -> Vec<(String, String)> {
        if key == METRICS {
            return metrics(value, &mut self.terms, &mut self.zone);
        }
        let (rules, wrong) = environments(value);
        self.terms.environments = rules;
        wrong
    }

    fn read_organizations(&mut self, aliases: &Table, faults: &mut Vec<Fault>) {
        for (alias, canonical) in aliases {
            match canonical.as_str() {
                Some(canonical) if is_a_name(canonical) => {
                    self.organizations.insert(alias.clone(), canonical.to_owned());
                }
                Some(_) => {
                    let says = "must be a name: not empty, without / \\ # ? | and control characters";
                    faults.push(self.fault(&format!("{ORGANIZATIONS}.{alias}"), says));
                }
                None => faults.push(self.fault(&format!("{ORGANIZATIONS}.{alias}"), "must be text in quotes")),
            }
        }
    }

    fn fault(&self, key: &str, says: &str) -> Fault {
        Fault { source_name: self.source(key), says: says.to_owned() }
    }

    /// The error's own text quotes the line, which may hold a password: only its place and message are said.
    fn fault_in_syntax(&self, text: &str, error: &toml::de::Error) -> Fault {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let source_name = format!("{} line {line}", self.name);
        Fault { source_name, says: format!("not TOML: {}", error.message().replace('\n', ", ")) }
    }
}

fn known_keys() -> String {
    let keys = SETTINGS.iter().filter_map(|setting| setting.key);
    let tables = [ORGANIZATIONS, OWNERS, CHAINS, ENVIRONMENTS, METRICS, TOKENS, OIDC, PROXY];
    keys.chain(tables).collect::<Vec<_>>().join(", ")
}
