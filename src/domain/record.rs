use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::run::{RunFact, RunRecord};
use super::{Change, Join, Key, Time};

/// One statement in short form, of any kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "camelCase")]
pub enum Fact {
    Run(RunFact),
}

impl Fact {
    /// The record that it is about.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Run(fact) => Key::Run(fact.key.clone()),
        }
    }

    /// When it was said, by the service's clock.
    #[must_use]
    pub fn said(&self) -> Time {
        match self {
            Self::Run(fact) => fact.said,
        }
    }

    /// The short form as it is stored, and what names the fact beside [`Fact::said`]: the first 16 bytes
    /// of the SHA-256 of that form. Not the event's id, which test events share.
    #[must_use]
    pub fn encode(&self) -> (String, [u8; 16]) {
        let text = json(self);
        let digest = Sha256::digest(text.as_bytes());
        let mut name = [0; 16];
        name.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        (text, name)
    }
}

/// All that was said about one subject, joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    Run(RunRecord),
}

/// A stored record that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeRecordError {
    #[error("the record is of version {found}, this program knows {known}: update it")]
    Newer { found: u32, known: u32 },
    #[error("the stored record is damaged")]
    Damaged(#[source] serde_json::Error),
}

#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

impl Record {
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Run(record) => Key::Run(record.key().clone()),
        }
    }

    /// The record of nothing but `fact`.
    #[must_use]
    pub fn of(fact: &Fact) -> Self {
        match fact {
            Fact::Run(fact) => Self::Run(RunRecord::of(fact)),
        }
    }

    /// When the subject was over, if it is: what retention counts from.
    #[must_use]
    pub fn ended(&self) -> Option<Time> {
        match self {
            Self::Run(record) => record.shown().finished,
        }
    }

    /// The stored form: JSON.
    #[must_use]
    pub fn encode(&self) -> String {
        match self {
            Self::Run(record) => json(record),
        }
    }

    /// Reads what [`Record::encode`] gave.
    ///
    /// # Errors
    /// When a newer program wrote it, or it is damaged.
    pub fn decode(key: &Key, text: &str) -> Result<Self, DecodeRecordError> {
        let Versioned { v } = serde_json::from_str(text).map_err(DecodeRecordError::Damaged)?;
        if v > RunRecord::VERSION {
            return Err(DecodeRecordError::Newer { found: v, known: RunRecord::VERSION });
        }
        match key {
            Key::Run(_) => serde_json::from_str(text).map(Self::Run).map_err(DecodeRecordError::Damaged),
        }
    }
}

impl Join for Record {
    fn join(&mut self, other: Self) -> Change {
        match (self, other) {
            (Self::Run(this), Self::Run(other)) => this.join(other),
        }
    }
}

/// JSON of types that always have one: maps with text keys, numbers that are integers.
#[expect(clippy::expect_used, reason = "serializing these types into memory cannot fail")]
fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("facts and records are JSON")
}
