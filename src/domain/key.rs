use std::fmt;
use std::str::FromStr;

/// Names a run everywhere: run ids and pipeline ids are sequences of the organization.
///
/// The pipeline is part of the key because it is part of the partition key on Azure Table Storage, and
/// keys must come from the event alone. Ids are at most [`i64::MAX`], the largest that a table holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunKey {
    /// Canonical: lower case.
    pub organization: String,
    pub pipeline: u64,
    pub run: u64,
}

/// Names a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Run(RunKey),
}

/// A text that is not a record's key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the key of a record")]
pub struct ParseKeyError(String);

impl Key {
    /// The records that are written in one transaction on Azure Table Storage: `run|{organization}|{pipeline}`.
    #[must_use]
    pub fn partition(&self) -> String {
        match self {
            Self::Run(key) => format!("run|{}|{}", key.organization, key.pipeline),
        }
    }

    /// The record inside its partition, newest first: `{i64::MAX - run id, 19 digits}`.
    #[must_use]
    pub fn row(&self) -> String {
        match self {
            Self::Run(key) => format!("{:019}", INVERSE.saturating_sub(key.run)),
        }
    }

    /// The key from what [`Key::partition`] and [`Key::row`] gave.
    ///
    /// # Errors
    /// When they gave no such texts.
    pub fn from_parts(partition: &str, row: &str) -> Result<Self, ParseKeyError> {
        parse(partition, row).ok_or_else(|| ParseKeyError(format!("{partition}|{row}")))
    }
}

const INVERSE: u64 = i64::MAX.unsigned_abs();

fn parse(partition: &str, row: &str) -> Option<Key> {
    let (organization, pipeline) = partition.strip_prefix("run|")?.rsplit_once('|')?;
    Some(Key::Run(RunKey {
        organization: organization.to_owned(),
        pipeline: pipeline.parse().ok()?,
        run: INVERSE.checked_sub(row.parse().ok()?)?,
    }))
}

/// `{partition}|{row}`; read back by [`FromStr`].
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}", self.partition(), self.row())
    }
}

impl FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (partition, row) = text.rsplit_once('|').ok_or_else(|| ParseKeyError(text.to_owned()))?;
        Self::from_parts(partition, row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(run: u64) -> Key {
        Key::Run(RunKey { organization: "fabri|kam".to_owned(), pipeline: 7, run })
    }

    #[test]
    fn text_and_back() {
        for run in [1, 479, INVERSE] {
            assert_eq!(key(run).to_string().parse::<Key>().unwrap(), key(run));
        }
        assert_eq!(key(479).to_string(), "run|fabri|kam|7|9223372036854775328");
        assert!("run|x".parse::<Key>().is_err());
    }

    #[test]
    fn newer_runs_sort_first() {
        assert!(key(480).row() < key(479).row());
    }
}
