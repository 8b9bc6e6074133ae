//! Where things stand in the table.
//!
//! A table's key holds no `/ \ # ?` and no control characters, and `%`, `+`, quotes and spaces trouble clients.
//! Organizations on premises have a slash between host and collection. So a partition key is written as in an address,
//! with `~` in the place of `%`. All else in a key is our own: digits, small letters, `|`, and what a
//! [`GapKey`](crate::domain::GapKey) keeps.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::domain::{EncodedFact, Key, Time};

/// All that is not ASCII is written in this way too.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'\'')
    .add(b'+')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'~');

/// A text as it stands in a key.
pub(super) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string().replace('%', "~")
}

/// What was [`escaped`]; `None` where that cannot be.
pub(super) fn unescaped(text: &str) -> Option<String> {
    Some(percent_decode_str(&text.replace('~', "%")).decode_utf8().ok()?.into_owned())
}

/// The rows of one record: its own, and those of its facts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) partition: String,
    number: String,
}

impl Name {
    pub(super) fn of(key: &Key) -> Self {
        Self { partition: escaped(&key.partition()), number: key.row() }
    }

    /// The row of the record.
    pub(super) fn record(&self) -> String {
        format!("r|{}", self.number)
    }

    /// The row that stands for a removed record until readers were told.
    pub(super) fn removed(&self) -> String {
        format!("g|{}", self.number)
    }

    /// The row of a fact: rows sort in the order in which facts were said.
    pub(super) fn fact(&self, fact: &EncodedFact) -> String {
        let name = u128::from_be_bytes(fact.name);
        format!("f|{}|{:019}|{name:032x}", self.number, fact.said.ticks())
    }

    /// The records from this one to `last`, both of one partition.
    pub(super) fn records_to(&self, last: &Self) -> String {
        let Self { partition, number } = self;
        format!("PartitionKey eq '{partition}' and RowKey ge 'r|{number}' and RowKey le 'r|{}'", last.number)
    }

    /// All facts of the record: `}` follows `|`.
    pub(super) fn all_facts(&self) -> String {
        let Self { partition, number } = self;
        format!("PartitionKey eq '{partition}' and RowKey gt 'f|{number}|' and RowKey lt 'f|{number}}}'")
    }
}

/// The key of the record that stands or stood there; `None` where none does, or one of a kind that only a newer program
/// knows.
pub(super) fn key(partition: &str, row: &str) -> Option<Key> {
    Key::from_parts(&unescaped(partition)?, row.strip_prefix("r|").or_else(|| row.strip_prefix("g|"))?).ok()
}

/// The fact that stands in this row: `f|{record}|{said}|{hash}`.
pub(super) fn fact(row: &str, text: String) -> Option<EncodedFact> {
    let (rest, hash) = row.rsplit_once('|')?;
    let said = rest.rsplit_once('|')?.1.parse().ok()?;
    let name = u128::from_str_radix(hash, 16).ok()?.to_be_bytes();
    Some(EncodedFact { said: Time::from_ticks(said), name, text })
}

/// The rows of records, those of facts and other things left out: one question a kind, in the table's order. A question
/// with an `or` scans the table from its beginning.
pub(super) fn records() -> Vec<String> {
    Key::KINDS.map(|kind| rows_of(kind, "r|")).into()
}

/// These, and what was removed.
pub(super) fn records_and_removed() -> Vec<String> {
    Key::KINDS.map(|kind| rows_of(kind, "g|")).into()
}

/// The rows of records behind this one, in the table's order: those of its partition, of its kind, of later kinds.
pub(super) fn records_after(Name { partition, number }: &Name) -> Vec<String> {
    let own = format!("PartitionKey eq '{partition}' and RowKey gt 'r|{number}' and RowKey lt 'r}}'");
    let kind = partition.split('|').next().unwrap_or_default();
    let rest = format!("PartitionKey gt '{partition}' and PartitionKey lt '{kind}}}' and {ROWS}");
    let later = Key::KINDS.into_iter().filter(|later| *later > kind).map(|later| rows_of(later, "r|"));
    [own, rest].into_iter().chain(later).collect()
}

const ROWS: &str = "RowKey ge 'r|' and RowKey lt 'r}'";

/// All rows of a kind from a letter to that of records.
fn rows_of(kind: &str, from: &str) -> String {
    format!("PartitionKey ge '{kind}|' and PartitionKey lt '{kind}}}' and RowKey ge '{from}' and RowKey lt 'r}}'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RunKey;

    fn run(organization: &str) -> Key {
        Key::Run(RunKey { organization: organization.to_owned(), pipeline: 7, run: 479 })
    }

    #[test]
    fn any_organization_comes_back() {
        for organization in ["fabrikam", "srv's/col#1?", "a b+c%20~2f", "b\u{fc}ro|\\x", "\u{1}\u{7f}\u{85}"] {
            let name = Name::of(&run(organization));
            let allowed = |c: char| c.is_ascii_alphanumeric() || "|~-._!#$()*,:;=@[]".contains(c) && c != '#';
            assert!(name.partition.chars().all(allowed), "{}", name.partition);
            assert_eq!(key(&name.partition, &name.record()), Some(run(organization)));
        }
        assert_eq!(Name::of(&run("fabrikam")).partition, "run|fabrikam|7");
        assert_eq!(Name::of(&run("srv/col")).partition, "run|srv~2Fcol|7");
    }

    #[test]
    fn what_is_no_record_has_no_key() {
        for (partition, row) in [("log|0", "~head"), ("run|x|7", "f|1|2|3"), ("run|~ff|7", "r|1"), ("new|x", "r|1")] {
            assert_eq!(key(partition, row), None, "{partition} {row}");
        }
    }

    #[test]
    fn facts_sort_as_they_were_said() {
        let name = Name::of(&run("fabrikam"));
        let fact = |said, byte| EncodedFact { said: Time::from_ticks(said), name: [byte; 16], text: String::new() };
        let rows = [fact(9, 2), fact(10, 0), fact(10, 1)].map(|fact| name.fact(&fact));
        assert!(rows.is_sorted(), "{rows:?}");
        let again = super::fact(&rows[0], "x".to_owned()).unwrap();
        assert_eq!((again.said, again.name), (Time::from_ticks(9), [2; 16]));
        assert_eq!(rows[0], format!("f|9223372036854775328|0000000000000000009|{}", "02".repeat(16)));
    }
}
