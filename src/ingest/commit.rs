//! Gets a batch's groups into the store, whoever else writes there.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::decide::Fate;
use super::fold::Group;
use super::recent::Recent;
use super::wait::Wait;
use crate::domain::{Change, DecodeRecordError, Join, Key, Record};
use crate::store::{Committed, Store, StoreError, Version, Write};

/// Rounds of load, join, write before conflicts count as an outage: that many lost races are no accident.
const MOST_ROUNDS: u32 = 20;

/// The one who writes records.
pub(super) struct Committer {
    store: Arc<dyn Store>,
    recent: Recent,
}

/// What became of the groups of a batch.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) fates: Vec<(Group, Fate)>,
    pub(super) conflicts: u64,
}

/// What a record is before the write.
enum Base {
    New,
    Known(Record, Version),
    Unreadable(DecodeRecordError),
}

/// How one try ended.
enum Tried {
    Done,
    /// The store will not have one of these, whenever it is tried.
    Refused {
        groups: Vec<Group>,
        index: Option<usize>,
        why: String,
    },
}

impl Committer {
    pub(super) fn new(store: Arc<dyn Store>, most_bytes: usize) -> Self {
        Self { store, recent: Recent::new(most_bytes) }
    }

    /// Commits every group, each in the end with a fate. What the store refuses is narrowed down to one
    /// message, so that nobody pays for a neighbour.
    ///
    /// # Errors
    /// In an outage: some groups may be committed, which does no harm, and none has a fate.
    pub(super) async fn commit(&mut self, groups: Vec<Group>) -> Result<Report, StoreError> {
        let mut report = Report::default();
        let mut work = vec![groups];
        while let Some(groups) = work.pop().filter(|groups| !groups.is_empty()) {
            let Tried::Refused { groups, index, why } = self.try_all(groups, &mut report).await? else { continue };
            match narrowed(groups, index) {
                Narrowed::Apart(parts) => work.extend(parts),
                Narrowed::One(group) => {
                    // Guilty only if the store takes other writes: otherwise it is an outage.
                    self.store.probe().await?;
                    report.fates.push((*group, Fate::Refused(why)));
                }
            }
        }
        Ok(report)
    }

    /// Tries until no conflict is left. Reports those that found their fate.
    async fn try_all(&mut self, mut groups: Vec<Group>, report: &mut Report) -> Result<Tried, StoreError> {
        let mut wait = Wait::new(Duration::from_millis(5), Duration::from_millis(500));
        for round in 0..MOST_ROUNDS {
            let bases = self.bases(&groups, round > 0).await?;
            let (open, writes) = plan(groups, bases, report);
            let answers = match self.store.commit(writes.clone()).await {
                Ok(answers) => answers,
                Err(StoreError::Refused { index, source }) => {
                    return Ok(Tried::Refused { groups: open, index, why: source.to_string() });
                }
                Err(error) => {
                    // It may have been written all the same: what is known of these is no longer sure.
                    open.iter().for_each(|group| self.recent.forget(&group.key));
                    return Err(error);
                }
            };
            groups = self.sort_out(open, &writes, answers, report);
            if groups.is_empty() {
                return Ok(Tried::Done);
            }
            report.conflicts += u64::try_from(groups.len()).unwrap_or(u64::MAX);
            wait.next(&CancellationToken::new()).await;
        }
        Err(StoreError::Unavailable(format!("{} records are written by others all the time", groups.len()).into()))
    }

    /// What each record is now, as far as it is known: nothing is read where a write will tell.
    async fn bases(&mut self, groups: &[Group], after_conflict: bool) -> Result<Vec<Base>, StoreError> {
        let known: Vec<_> = groups.iter().map(|group| self.recent.get(&group.key)).collect();
        let unknown: Vec<Key> = groups
            .iter()
            .zip(&known)
            .filter(|(_, known)| known.is_none())
            .map(|(group, _)| group.key.clone())
            .collect();
        let load = !unknown.is_empty() && (after_conflict || self.store.loads_first());
        let mut loaded = if load { self.store.load(&unknown).await? } else { Vec::new() }.into_iter();
        let base = |known: Option<(Record, Version)>| match known {
            Some((record, version)) => Base::Known(record, version),
            None => match loaded.next().flatten() {
                None => Base::New,
                Some(stored) => match stored.record {
                    Ok(record) => Base::Known(record, stored.version),
                    Err(error) => Base::Unreadable(error),
                },
            },
        };
        Ok(known.into_iter().map(base).collect())
    }

    /// Notes what was written; answers the groups that met a conflict.
    fn sort_out(
        &mut self,
        groups: Vec<Group>,
        writes: &[Write],
        answers: Vec<Committed>,
        report: &mut Report,
    ) -> Vec<Group> {
        let mut conflicts = Vec::new();
        for ((group, write), answer) in groups.into_iter().zip(writes).zip(answers) {
            let fate = match (answer, write) {
                (Committed::Written(Some(version)), Write::Record { record, text, .. }) => {
                    self.recent.put(group.key.clone(), record.clone(), version, text.len());
                    Fate::Applied
                }
                (Committed::Written(_), Write::Record { .. } | Write::Facts { .. }) => Fate::Unchanged,
                (Committed::BelowFloor, Write::Record { .. } | Write::Facts { .. }) => Fate::BelowFloor,
                (Committed::Conflict, Write::Record { .. } | Write::Facts { .. }) => {
                    self.recent.forget(&group.key);
                    conflicts.push(group);
                    continue;
                }
            };
            report.fates.push((group, fate));
        }
        conflicts
    }
}

/// One write a group; groups whose record is not ours to change are reported instead.
fn plan(groups: Vec<Group>, bases: Vec<Base>, report: &mut Report) -> (Vec<Group>, Arc<[Write]>) {
    let (mut open, mut writes) = (Vec::with_capacity(groups.len()), Vec::with_capacity(groups.len()));
    for (group, base) in groups.into_iter().zip(bases) {
        let write = match base {
            Base::Unreadable(error) => {
                report.fates.push((group, Fate::Unreadable(error.to_string())));
                continue;
            }
            Base::New => record_write(&group, group.delta.clone(), None),
            Base::Known(mut record, version) => match record.join(group.delta.clone()) {
                Change::Changed => record_write(&group, record, Some(version)),
                Change::Unchanged => {
                    Write::Facts { key: group.key.clone(), facts: group.facts.iter().cloned().collect() }
                }
            },
        };
        open.push(group);
        writes.push(write);
    }
    (open, writes.into())
}

fn record_write(group: &Group, record: Record, expected: Option<Version>) -> Write {
    let text = record.encode();
    Write::Record { record, text, expected, facts: group.facts.iter().cloned().collect() }
}

/// Refused groups, closer to the one that is meant.
enum Narrowed {
    Apart(Vec<Vec<Group>>),
    One(Box<Group>),
}

/// The one that the store pointed at apart from the rest, else two halves; one group by its messages.
fn narrowed(mut groups: Vec<Group>, index: Option<usize>) -> Narrowed {
    if groups.len() > 1 {
        let at = index.filter(|index| *index < groups.len());
        let apart = match at {
            Some(index) => vec![groups.remove(index)],
            None => groups.split_off(groups.len() / 2),
        };
        return Narrowed::Apart(vec![groups, apart]);
    }
    match groups.pop() {
        Some(group) if group.from.len() > 1 => {
            Narrowed::Apart(group.by_message().into_iter().map(|group| vec![group]).collect())
        }
        Some(group) => Narrowed::One(Box::new(group)),
        None => Narrowed::Apart(Vec::new()),
    }
}
