//! The system of record: records with their facts, and the log of what changed.
//!
//! A store promises: a commit that it answered [`Committed::Written`] is durable, together with the facts
//! of that record; a record changes only from the version that the writer saw; every key given to
//! [`Store::append`] is found by every reader who follows [`Store::changes`], or that reader is told to
//! start over. It does not promise that one commit is atomic over several records.
//!
//! `tests/it/contract` holds every backend to this.

mod azure_table;
mod portion;
mod sqlite;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::{DecodeRecordError, EncodedFact, Fact, Key, Record, Time};

pub use azure_table::AzureTableStore;
pub(crate) use portion::{MOST_LOADED, Portion};
pub use sqlite::{Projection, SqliteStore, Step};

/// Records, facts, change log.
#[async_trait]
pub trait Store: Send + Sync {
    /// The records of these keys, in their order. All are in memory at once: whoever has many keys asks in portions.
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, StoreError>;

    /// Whether a load costs little, so that it pays to load before a first write instead of trying an insert.
    fn loads_first(&self) -> bool;

    /// Writes each record with its facts if it still has the expected version. One answer a write, in order.
    /// A key may be there once.
    async fn commit(&self, writes: Arc<Vec<Write>>) -> Result<Vec<Committed>, StoreError>;

    /// Tells readers that these records changed. Once this returns, nothing that is written later, here or on the
    /// queue, survives without it.
    async fn append(&self, keys: &[Key]) -> Result<(), StoreError>;

    /// Tells all readers to start over, also of what is no record's: whoever followed the log up to here is answered
    /// [`Changes::reset`] next.
    async fn start_over(&self) -> Result<(), StoreError>;

    /// What changed after `cursor`, at most about `limit` keys.
    async fn changes(&self, cursor: &Cursor, limit: usize) -> Result<Changes, StoreError>;

    /// Every record's key, in an order of the store's own, those after `after`, at most `limit`: for a rebuild.
    async fn keys(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError>;

    /// The facts of a record in the order in which they were said.
    async fn facts(&self, key: &Key) -> Result<Vec<Fact>, StoreError>;

    /// The facts of a record as they are stored, also those that no decoder here can read.
    async fn stored_facts(&self, key: &Key) -> Result<Vec<EncodedFact>, StoreError>;

    /// Puts a record and some of its facts in the place of what is there, if it still has the expected version. For who
    /// erases something from all of them; the facts may be other ones already where the record turns out to conflict.
    async fn rewrite(&self, rewrite: Rewrite) -> Result<Committed, StoreError>;

    /// Whether the store can take a write now: one is made.
    async fn probe(&self) -> Result<(), StoreError>;

    /// As [`Store::probe`], for those who work: what was deleted as a whole is made anew, empty as it is then.
    async fn recover(&self) -> Result<(), StoreError>;

    /// What somebody who looks after the store wants to know. Writes nothing.
    async fn survey(&self) -> Result<Survey, StoreError>;

    /// Keys of records that ended before `before`, at most `limit`.
    async fn ended(&self, before: Time, limit: usize) -> Result<Vec<Key>, StoreError>;

    /// Raises the floor: facts said before it create no record any more, once the time has passed that this answers.
    /// Until then a writer elsewhere may not know of it, and what is removed may come back.
    async fn raise_floor(&self, floor: Time) -> Result<Duration, StoreError>;

    /// Removes those of these records that still ended before `before`, with their facts, and appends all the keys to
    /// the change log. A run that was taken up again meanwhile stays.
    async fn remove(&self, keys: &[Key], before: Time) -> Result<(), StoreError>;

    /// What was noted by this name: small things that the program keeps for itself, such as how far a backfill came.
    async fn note(&self, name: &str) -> Result<Option<String>, StoreError>;

    /// Notes whose name begins so, in the order of a name's bytes, at most `limit`.
    async fn notes(&self, prefix: &str, limit: usize) -> Result<Vec<(String, String)>, StoreError>;

    /// Notes it in the place of what was noted before. Durable once this returns. A name has at most 200 bytes.
    async fn put_note(&self, name: &str, text: &str) -> Result<(), StoreError>;

    /// Forgets it, if it is there.
    async fn drop_note(&self, name: &str) -> Result<(), StoreError>;
}

/// A record as the store holds it.
#[derive(Debug)]
pub struct Stored {
    /// Not readable when a newer program wrote it, or when it is damaged: then it is not ours to change.
    pub record: Result<Record, DecodeRecordError>,
    pub version: Version,
    /// The length of its stored form.
    pub bytes: usize,
}

/// Which state of a record this is. Compared, never interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(pub(crate) String);

/// What to write about one record.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "nearly all writes are of records")]
pub enum Write {
    /// The record and the facts that changed it.
    Record {
        record: Record,
        /// Its stored form, by [`Record::encode`].
        text: String,
        /// The version that it was made from; `None` where there was no record.
        expected: Option<Version>,
        facts: Vec<EncodedFact>,
    },
    /// Facts that do not change the record, which is there.
    Facts { key: Key, facts: Vec<EncodedFact> },
}

/// What to put in the place of a record and its facts.
#[derive(Debug, Clone)]
pub struct Rewrite {
    pub record: Record,
    /// Its stored form, by [`Record::encode`].
    pub text: String,
    pub expected: Version,
    /// Facts that go.
    pub gone: Vec<EncodedFact>,
    /// Those that come in their place.
    pub facts: Vec<EncodedFact>,
}

impl Write {
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Record { record, .. } => record.key(),
            Self::Facts { key, .. } => key.clone(),
        }
    }

    #[must_use]
    pub fn facts(&self) -> &[EncodedFact] {
        match self {
            Self::Record { facts, .. } | Self::Facts { facts, .. } => facts,
        }
    }
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// Durable; `None` where only facts were written.
    Written(Option<Version>),
    /// Another writer was there first, or the record is gone: load it and join again.
    Conflict,
    /// All its facts were said before the floor and there is no record: it was purged, and stays so.
    BelowFloor,
}

/// Stands in the log where readers are to start over. It is no key: a program that does not know it reads on.
const START_OVER: &str = "start over";

/// How far a reader has followed the change log.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Cursor {
    /// Which log that is, where there may be another one in its place some day; `None` where it had no name yet, or
    /// never has one.
    pub(crate) log: Option<String>,
    /// The last sequence that was read of each of its parts.
    pub(crate) reached: Vec<u64>,
}

impl Cursor {
    /// Whether whoever is at `other` has read all that whoever is here has.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.log == other.log
            && self.reached.len() == other.reached.len()
            && self.reached.iter().zip(&other.reached).all(|(this, other)| this <= other)
    }
}

/// How the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The last sequence of each part of the change log.
    pub log: Vec<u64>,
    /// Facts that were said before create no record; `None` where nothing was ever purged.
    pub floor: Option<Time>,
}

/// What a reader has to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Keys of records that changed or are gone; a key may be there more than once.
    pub keys: Vec<Key>,
    /// Where to go on.
    pub cursor: Cursor,
    /// Whether there may be more after `cursor`.
    pub more: bool,
    /// The log does not reach back to the reader's cursor, or says so ([`Store::start_over`]): rebuild from [`Store::keys`], then follow from `cursor`.
    pub reset: bool,
}

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Not now: an outage. Nothing is lost, no message pays, try again.
    #[error("the store is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store will not have this write (400, 413), whenever it is tried.
    #[error("the store refused write {index:?}")]
    Refused {
        /// Which write, where the store said it.
        index: Option<usize>,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Trying again does not help: damaged file, disk full, no right.
    #[error("the store failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// What is behind it, in words.
    #[must_use]
    pub fn cause(&self) -> String {
        std::error::Error::source(self).map_or_else(|| self.to_string(), ToString::to_string)
    }
}
