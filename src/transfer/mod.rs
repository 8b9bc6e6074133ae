//! All records with their facts as lines of JSON, out of one storage and into another: from the local file to Azure and
//! back.
//!
//! What it promises: memory for one record at a time; an export that was cut off is told from a whole one; an import may
//! be broken off and repeated, beside workers too, since facts come in through the same merge as events do. Each record
//! is looked at on both sides: it is exported if its facts amount to it, and told of if they do not on the way in.
//!
//! What it does not move: messages on the queue, dead letters, and the notes that a backfill goes on from.

mod export;
mod form;
mod import;

pub use export::{ExportError, Exported, export};
pub use import::{Arrived, ImportError, import};

use crate::domain::{Fact, Record};

/// The join of facts, one after the other.
#[derive(Debug, Default)]
struct Folding(Option<Record>);

impl Folding {
    fn add(&mut self, fact: &Fact) {
        match &mut self.0 {
            Some(record) => record.add(fact),
            None => self.0 = Some(Record::of(fact)),
        }
    }

    /// Whether that is the record, but for what only a newer program understands of it.
    fn amounts_to(mut self, record: &Record) -> bool {
        self.0.iter_mut().for_each(|folded| folded.keep_unknown(record));
        self.0.as_ref() == Some(record)
    }

    /// Whether that is the record.
    fn is(&self, record: &Record) -> bool {
        self.0.as_ref() == Some(record)
    }
}
