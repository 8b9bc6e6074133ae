use std::io::{self, Write};
use std::time::Duration;

use serde_json::value::RawValue;

use super::Folding;
use super::form::{FORM, Line};
use crate::domain::{EncodedFact, Fact, Key, Record};
use crate::store::{Portion, Store, StoreError, Stored};

/// Keys asked for at once.
const PAGE: usize = 256;
/// A record is looked at again where its facts say something else: somebody may be writing it.
const MOST_LOOKS: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// What was exported.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Exported {
    pub records: u64,
    pub facts: u64,
    /// Records that were left out, each with the reason.
    pub left_out: Vec<(Key, String)>,
}

/// Why an export ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the export cannot be written")]
    Write(#[from] io::Error),
}

/// Writes every record with its facts; `tell` hears how many records there were so far.
///
/// # Errors
/// When the store fails, or what takes the lines does.
pub async fn export(
    store: &dyn Store,
    out: &mut (impl Write + Send),
    tell: &(dyn Fn(u64) + Sync),
) -> Result<Exported, ExportError> {
    let floor = store.survey().await?.floor.map(|floor| floor.to_string());
    Line::Pipetrail { form: FORM, floor }.write(out)?;
    let mut exported = Exported::default();
    let (mut portion, mut last) = (Portion::new(), None);
    loop {
        let keys = store.keys(last.as_ref(), PAGE).await?;
        let Some(end) = keys.last().cloned() else { break };
        let mut rest = keys.as_slice();
        while !rest.is_empty() {
            let (now, later) = portion.of(rest);
            let stored = store.load(now).await?;
            portion.learn(&stored);
            for (key, stored) in now.iter().zip(stored) {
                write(key, take(store, key, stored).await?, out, &mut exported)?;
                tell(exported.records);
            }
            rest = later;
        }
        last = Some(end);
    }
    let Exported { records, facts, .. } = exported;
    Line::End { records, facts }.write(out)?;
    out.flush()?;
    Ok(exported)
}

/// What was found of a record.
enum Taken {
    Whole {
        record: Box<Record>,
        facts: Vec<EncodedFact>,
    },
    Left(String),
    /// Purged meanwhile.
    Gone,
}

/// A record with the facts that amount to it.
async fn take(store: &dyn Store, key: &Key, stored: Option<Stored>) -> Result<Taken, StoreError> {
    let mut stored = stored;
    for _ in 0..MOST_LOOKS {
        let Some(now) = stored else { return Ok(Taken::Gone) };
        let record = match now.record {
            Ok(record) => record,
            Err(error) => return Ok(Taken::Left(error.to_string())),
        };
        let facts = store.stored_facts(key).await?;
        match folded(key, &facts) {
            Err(error) => return Ok(Taken::Left(format!("a fact cannot be read: {error}"))),
            Ok(folding) => {
                if folding.amounts_to(&record) {
                    return Ok(Taken::Whole { record: record.into(), facts });
                }
            }
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
        stored = store.load(std::slice::from_ref(key)).await?.into_iter().next().flatten();
    }
    Ok(Taken::Left("it is not what its facts say: `pipetrail refold` mends it".to_owned()))
}

fn folded(key: &Key, facts: &[EncodedFact]) -> Result<Folding, serde_json::Error> {
    let mut folding = Folding::default();
    for fact in facts {
        folding.add(&Fact::decode(key, &fact.text)?);
    }
    Ok(folding)
}

fn write(key: &Key, taken: Taken, out: &mut impl Write, exported: &mut Exported) -> io::Result<()> {
    match taken {
        Taken::Gone => {}
        Taken::Left(why) => exported.left_out.push((key.clone(), why)),
        Taken::Whole { record, facts } => {
            let count = u64::try_from(facts.len()).unwrap_or(u64::MAX);
            Line::Record { key: key.to_string(), facts: count, body: raw(record.encode())? }.write(out)?;
            for fact in facts {
                Line::Fact(raw(fact.text)?).write(out)?;
            }
            exported.records += 1;
            exported.facts += count;
        }
    }
    Ok(())
}

/// A stored text could only be no JSON where it is damaged, which was noticed before.
fn raw(text: String) -> io::Result<Box<RawValue>> {
    RawValue::from_string(text).map_err(io::Error::from)
}
