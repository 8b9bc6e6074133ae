use std::io::BufRead;
use std::mem::take;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::Folding;
use super::form::{FORM, Line, LineError, Lines};
use crate::domain::{Fact, Key, Record, Time};
use crate::ingest::{Imported, Importer};
use crate::store::{Store, StoreError};

/// Facts in memory at once, and about so many bytes of them.
const MOST_FACTS: usize = 512;
const MOST_BYTES: usize = 1 << 20;

/// What came in.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    pub records: u64,
    pub facts: u64,
    pub imported: Imported,
    /// Records of which something stayed behind: each with the reason.
    pub behind: Vec<(Key, String)>,
}

/// Why an import ended before its end. What came before is durable, and may be imported again.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is no export, or not a whole one.
    #[error("line {number}: {says}")]
    Form { number: u64, says: String },
}

/// Brings in what an export holds; `tell` hears how many bytes were read so far.
///
/// # Errors
/// When the store fails for longer than a minute, or the lines are not those of a whole export.
pub async fn import(
    store: Arc<dyn Store>,
    reader: impl BufRead + Send,
    tell: &(dyn Fn(u64) + Sync),
) -> Result<Arrived, ImportError> {
    let mut lines = Lines::new(reader);
    let floor = head(&mut lines)?;
    let mut intake = Intake::new(store.clone());
    loop {
        match next(&mut lines)? {
            Line::Record { key, facts, body } => {
                let read = Reading::of(&mut lines, &key, &body)?;
                intake.record(&mut lines, read, facts).await?;
            }
            Line::End { records, facts } => {
                whole(&mut lines, (records, facts), (intake.arrived.records, intake.arrived.facts))?;
                break;
            }
            Line::Pipetrail { .. } | Line::Fact(_) => return Err(form(&lines, "a record is missing before it")),
        }
        tell(lines.bytes);
    }
    intake.flush().await?;
    if let Some(floor) = floor {
        // Only now: an older fact would not make its record any more.
        store.raise_floor(floor).await?;
    }
    Ok(intake.arrived)
}

/// Facts on their way in.
struct Intake {
    importer: Importer,
    waiting: Vec<Fact>,
    bytes: usize,
    arrived: Arrived,
}

impl Intake {
    fn new(store: Arc<dyn Store>) -> Self {
        Self { importer: Importer::new(store), waiting: Vec::new(), bytes: 0, arrived: Arrived::default() }
    }

    async fn record<R: BufRead>(
        &mut self,
        lines: &mut Lines<R>,
        Reading { key, record }: Reading,
        facts: u64,
    ) -> Result<(), ImportError> {
        let (mut folding, mut behind) = (Folding::default(), None);
        for _ in 0..facts {
            let Line::Fact(text) = next(lines)? else { return Err(form(lines, "a fact is missing before it")) };
            match Fact::decode(&key, text.get()) {
                Ok(fact) => {
                    folding.add(&fact);
                    self.fact(fact, text.get().len()).await?;
                }
                Err(error) => behind = Some(format!("a fact cannot be read: {error}")),
            }
        }
        self.arrived.records += 1;
        self.arrived.facts += facts;
        let behind = behind.or_else(|| match record {
            Err(why) => Some(why),
            Ok(record) if folding.is(&record) => None,
            Ok(_) => Some("it holds what its facts do not say, of a newer program perhaps".to_owned()),
        });
        self.arrived.behind.extend(behind.map(|why| (key, why)));
        Ok(())
    }

    async fn fact(&mut self, fact: Fact, bytes: usize) -> Result<(), StoreError> {
        self.waiting.push(fact);
        self.bytes += bytes;
        if self.waiting.len() < MOST_FACTS && self.bytes < MOST_BYTES {
            return Ok(());
        }
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        self.bytes = 0;
        self.arrived.imported += self.importer.import(take(&mut self.waiting)).await?;
        Ok(())
    }
}

/// A record's line.
struct Reading {
    key: Key,
    /// What its facts are to amount to, or why that cannot be known here.
    record: Result<Record, String>,
}

impl Reading {
    fn of<R: BufRead>(lines: &mut Lines<R>, key: &str, body: &RawValue) -> Result<Self, ImportError> {
        let key: Key = key.parse().map_err(|_| form(lines, "it names no record that this program knows"))?;
        let record = Record::decode(&key, body.get()).map_err(|error| error.to_string());
        Ok(Self { key, record })
    }
}

/// The floor of the store that was exported.
fn head<R: BufRead>(lines: &mut Lines<R>) -> Result<Option<Time>, ImportError> {
    match next(lines)? {
        Line::Pipetrail { form: found, .. } if found > FORM => {
            Err(form(lines, &format!("the export is of form {found}, this program knows {FORM}: update it")))
        }
        Line::Pipetrail { floor: Some(floor), .. } => match Time::parse(&floor) {
            Ok(floor) => Ok(floor),
            Err(_) => Err(form(lines, "its floor is no time")),
        },
        Line::Pipetrail { floor: None, .. } => Ok(None),
        Line::Record { .. } | Line::Fact(_) | Line::End { .. } => Err(form(lines, "it is no beginning of an export")),
    }
}

fn whole<R: BufRead>(lines: &mut Lines<R>, said: (u64, u64), found: (u64, u64)) -> Result<(), ImportError> {
    if said != found {
        return Err(form(lines, "it ends an export of another length"));
    }
    match lines.next() {
        Ok(None) => Ok(()),
        Ok(Some(_)) | Err(_) => Err(form(lines, "something follows the end")),
    }
}

fn next<R: BufRead>(lines: &mut Lines<R>) -> Result<Line, ImportError> {
    match lines.next() {
        Ok(Some(line)) => Ok(line),
        Ok(None) => Err(form(lines, "the export was cut off")),
        Err(LineError::Io(error)) => Err(form(lines, &format!("it cannot be read: {error}"))),
        Err(error @ (LineError::TooLong | LineError::Json(_))) => Err(form(lines, &error.to_string())),
    }
}

fn form<R>(lines: &Lines<R>, says: &str) -> ImportError {
    ImportError::Form { number: lines.number, says: says.to_owned() }
}
