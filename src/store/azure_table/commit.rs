//! From writes to transactions, and from their answers to an answer for each write.

use std::collections::{BTreeMap, BTreeSet};

use azure_core::Etag;
use tokio::time::timeout;

use super::columns;
use super::entity::NewEntity;
use super::floor::{Floor, MOST_INSERT, Seen};
use super::name::Name;
use crate::azure::{AzureError, MOST_BYTES, MOST_OPERATIONS, Operation, Table};
use crate::domain::EncodedFact;
use crate::store::{Committed, StoreError, Version, Write};

/// A transaction that met so many conflicts is given up: those that are left were not written either, and one load
/// tells more of all of them than a request for each.
const MOST_CONFLICTS: usize = 4;

/// An operation with the write that it belongs to.
#[derive(Debug)]
struct Step {
    write: usize,
    is_record: bool,
    operation: Operation,
}

/// What is to be done in one partition: transactions, one after the other.
#[derive(Debug, Default)]
pub(super) struct Plan {
    transactions: Vec<Vec<Step>>,
}

/// One plan a partition. The writes come with their positions.
pub(super) fn plans<'a>(writes: impl Iterator<Item = (usize, &'a Write)>) -> BTreeMap<String, Plan> {
    let mut plans: BTreeMap<String, Plan> = BTreeMap::new();
    for (index, write) in writes {
        let name = Name::of(&write.key());
        plans.entry(name.partition.clone()).or_default().add(steps(index, write, &name));
    }
    plans
}

/// The facts, then the record: where one transaction cannot hold them, facts without their record do no harm.
fn steps(index: usize, write: &Write, name: &Name) -> Vec<Step> {
    let mut rows = BTreeSet::new();
    let facts = write.facts().iter().filter_map(|fact| {
        let row = name.fact(fact);
        rows.insert(row.clone()).then(|| put(name, row, fact))
    });
    let facts = facts.map(|operation| Step { write: index, is_record: false, operation });
    let record = record(write, name).map(|operation| Step { write: index, is_record: true, operation });
    facts.chain(record).collect()
}

pub(super) fn put(name: &Name, row: String, fact: &EncodedFact) -> Operation {
    let entity = NewEntity::new(&name.partition, &row).body(&fact.text).json();
    Operation::Put { row, entity }
}

fn record(write: &Write, name: &Name) -> Option<Operation> {
    let Write::Record { record, text, expected, .. } = write else { return None };
    let row = name.record();
    let entity = columns::add(NewEntity::new(&name.partition, &row), record).body(text).json();
    Some(match expected {
        None => Operation::Insert { entity },
        Some(Version(etag)) => Operation::Replace { row, entity, etag: etag.clone() },
    })
}

impl Plan {
    /// Adds a write to the last transaction, or whole to the next one. Only where it is too large for any, it is split.
    fn add(&mut self, steps: Vec<Step>) {
        let last = self.transactions.last();
        if last.is_none_or(|last| !fit(last, &steps)) {
            self.transactions.push(Vec::new());
        }
        for step in steps {
            match self.transactions.last_mut() {
                Some(last) if fit(last, std::slice::from_ref(&step)) => last.push(step),
                Some(_) | None => self.transactions.push(vec![step]),
            }
        }
    }

    /// What became of each of these writes.
    pub(super) async fn carry_out(
        self,
        place: &Place<'_>,
        partition: &str,
    ) -> Result<BTreeMap<usize, Committed>, StoreError> {
        let mut answers = BTreeMap::new();
        for transaction in self.transactions {
            run(place, partition, transaction, &mut answers).await?;
        }
        Ok(answers)
    }
}

fn fit(these: &[Step], others: &[Step]) -> bool {
    let bytes: usize = these.iter().chain(others).map(|step| step.operation.bytes()).sum();
    these.len() + others.len() <= MOST_OPERATIONS && bytes <= MOST_BYTES
}

/// Where transactions go, and the floor that their inserts were weighed against.
#[derive(Debug)]
pub(super) struct Place<'s> {
    pub(super) table: &'s Table,
    pub(super) floor: &'s Floor,
    pub(super) seen: Option<Seen>,
}

impl Place<'_> {
    /// The answer to a transaction; `None` where it was not sent, as its inserts are to be weighed again.
    async fn send(&self, partition: &str, steps: &[Step]) -> Result<Option<Sent>, StoreError> {
        let sent = self.table.transact(partition, steps.iter().map(|step| &step.operation));
        let inserts = steps.iter().any(|step| matches!(step.operation, Operation::Insert { .. }));
        let Some(seen) = self.seen.filter(|_| inserts) else { return Ok(Some(sent.await)) };
        if self.floor.is_stale(seen) {
            return Ok(None);
        }
        let late = |_| StoreError::Unavailable(format!("an insert took longer than {MOST_INSERT:?}").into());
        timeout(MOST_INSERT, sent).await.map(Some).map_err(late)
    }
}

/// The new versions, or why there are none.
type Sent = Result<Vec<Option<Etag>>, AzureError>;

/// Tries the transaction without those that were in the way, as it leaves nothing behind when it fails.
async fn run(
    place: &Place<'_>,
    partition: &str,
    mut steps: Vec<Step>,
    answers: &mut BTreeMap<usize, Committed>,
) -> Result<(), StoreError> {
    let mut conflicts = 0;
    while !steps.is_empty() {
        let error = match place.send(partition, &steps).await? {
            None => {
                answers.extend(steps.iter().map(|step| (step.write, Committed::Conflict)));
                return Ok(());
            }
            Some(Ok(etags)) => {
                for (step, etag) in steps.iter().zip(etags) {
                    let version = etag.filter(|_| step.is_record).map(|etag| Version(etag.to_string()));
                    answers.insert(step.write, Committed::Written(version));
                }
                return Ok(());
            }
            Some(Err(error)) => error,
        };
        let meant = error.index().and_then(|index| steps.get(index)).map(|step| step.write);
        if !error.is_conflict() {
            return Err(failed(error, meant.or_else(|| only(&steps))));
        }
        conflicts += 1;
        let meant = meant.filter(|_| conflicts < MOST_CONFLICTS);
        steps.retain(|step| {
            let stays = meant.is_some_and(|meant| step.write != meant);
            if !stays {
                answers.insert(step.write, Committed::Conflict);
            }
            stays
        });
    }
    Ok(())
}

fn only(steps: &[Step]) -> Option<usize> {
    let first = steps.first()?.write;
    steps.iter().all(|step| step.write == first).then_some(first)
}

pub(super) fn failed(error: AzureError, index: Option<usize>) -> StoreError {
    if error.is_refusal() {
        StoreError::Refused { index, source: Box::new(error) }
    } else {
        StoreError::Unavailable(Box::new(error))
    }
}
