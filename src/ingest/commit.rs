//! Gets a batch's groups into the store, whoever else writes there.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::decide::Fate;
use super::fold::{From, Group};
use super::recent::{Known, Recent};
use super::wait::Wait;
use crate::domain::{Change, DecodeRecordError, EncodedFact, Join, Key, Record};
use crate::store::{Committed, MOST_LOADED, Portion, Store, StoreError, Stored, Version, Write};

/// Rounds of load, join, write before conflicts count as an outage: that many lost races are no accident.
const MOST_ROUNDS: u32 = 20;

/// The one who writes records.
pub(super) struct Committer {
    store: Arc<dyn Store>,
    recent: Recent,
    portion: Portion,
}

/// What became of the groups of a batch.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) fates: Vec<Ended>,
    pub(super) conflicts: u64,
}

/// A group that found its fate.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) key: Key,
    pub(super) from: From,
    pub(super) fate: Fate,
}

/// What a record is before the write.
enum Base {
    New,
    Known(Box<Known>),
    Unreadable(DecodeRecordError),
}

/// Groups that are committed together.
struct Turn {
    groups: Vec<Group>,
    /// Whether their records are there, so that they are to be loaded first.
    there: bool,
}

/// A group whose write is on its way.
struct Open {
    key: Key,
    from: From,
    /// The record, where it stays as it is.
    unchanged: Option<Box<Known>>,
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
        Self { store, recent: Recent::new(most_bytes), portion: Portion::new() }
    }

    /// Takes over what somebody just loaded, so that it is not read or guessed again.
    pub(super) fn know(&mut self, key: &Key, stored: Option<Stored>) {
        let Some(Stored { record: Ok(record), version, bytes }) = stored else { return };
        self.recent.put(key.clone(), Known::new(record, version, bytes));
    }

    /// Commits every group, each in the end with a fate. What the store refuses is narrowed down to one
    /// message, so that nobody pays for a neighbour.
    ///
    /// # Errors
    /// In an outage: some groups may be committed, which does no harm, and none has a fate.
    pub(super) async fn commit(&mut self, groups: Vec<Group>) -> Result<Report, StoreError> {
        let mut report = Report::default();
        let mut work = vec![Turn { groups, there: false }];
        while let Some(turn) = work.pop() {
            let tried = self.try_all(turn, &mut work, &mut report).await?;
            let Tried::Refused { groups, index, why } = tried else { continue };
            match narrowed(groups, index) {
                Narrowed::Apart(parts) => work.extend(parts.into_iter().map(|groups| Turn { groups, there: false })),
                Narrowed::One(group) => {
                    // Guilty only if the store takes other writes: otherwise it is an outage.
                    self.store.probe().await?;
                    let Group { key, from, .. } = *group;
                    report.fates.push(Ended { key, from, fate: Fate::Refused(why) });
                }
            }
        }
        Ok(report)
    }

    /// Tries until no conflict is left. Reports those that found their fate; those whose records are too large to be in
    /// memory with the others go to `later`.
    async fn try_all(
        &mut self,
        Turn { mut groups, there }: Turn,
        later: &mut Vec<Turn>,
        report: &mut Report,
    ) -> Result<Tried, StoreError> {
        let mut wait = Wait::new(Duration::from_millis(5), Duration::from_millis(500));
        for round in 0..MOST_ROUNDS {
            if groups.is_empty() {
                return Ok(Tried::Done);
            }
            if round > 0 {
                wait.next(&CancellationToken::new()).await;
            }
            let load = there || round > 0 || self.store.loads_first();
            let bases = self.bases(&groups, load).await?;
            if bases.len() < groups.len() {
                later.push(Turn { groups: groups.split_off(bases.len()), there: load });
            }
            let (open, writes) = plan(groups, bases, report);
            let writes = Arc::new(writes);
            let answers = self.store.commit(writes.clone()).await;
            // The store has let go of it by now; where it has not, a copy does.
            let writes = Arc::unwrap_or_clone(writes);
            match answers {
                Ok(answers) => {
                    report.conflicts += lost_races(&writes, &answers, load);
                    groups = self.sort_out(open, writes, answers, report);
                }
                Err(StoreError::Refused { index, source }) => {
                    let groups = open.into_iter().zip(writes).map(|(open, write)| open.again(write)).collect();
                    return Ok(Tried::Refused { groups, index, why: source.to_string() });
                }
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Unavailable(format!("{} records are written by others all the time", groups.len()).into()))
    }

    /// What each record is now, as far as it is known: nothing is read where a write will tell. Where records are large,
    /// only of the first groups.
    ///
    /// What was known is taken out of the recent ones. It comes back with the write; after an error it is no
    /// longer sure.
    async fn bases(&mut self, groups: &[Group], load: bool) -> Result<Vec<Base>, StoreError> {
        let (mut bases, mut bytes, mut rest) = (Vec::with_capacity(groups.len()), 0, groups);
        while !rest.is_empty() && bytes < MOST_LOADED {
            let (now, later) = if load { self.portion.of(rest) } else { (rest, [].as_slice()) };
            let known: Vec<_> = now.iter().map(|group| self.recent.take(&group.key)).collect();
            let unknown = now.iter().zip(&known).filter(|(_, known)| known.is_none());
            let unknown: Vec<Key> = unknown.map(|(group, _)| group.key.clone()).collect();
            let load = load && !unknown.is_empty();
            let loaded = if load { self.store.load(&unknown).await? } else { Vec::new() };
            bytes += self.portion.learn(&loaded);
            let mut loaded = loaded.into_iter();
            bases.extend(known.into_iter().map(|known| base(known, || loaded.next().flatten())));
            rest = later;
        }
        Ok(bases)
    }

    /// Notes what was written; answers the groups that met a conflict.
    fn sort_out(
        &mut self,
        open: Vec<Open>,
        writes: Vec<Write>,
        answers: Vec<Committed>,
        report: &mut Report,
    ) -> Vec<Group> {
        let mut conflicts = Vec::new();
        for ((open, write), answer) in open.into_iter().zip(writes).zip(answers) {
            let fate = match answer {
                Committed::Conflict => {
                    conflicts.push(open.again(write));
                    continue;
                }
                Committed::BelowFloor => Fate::BelowFloor,
                Committed::Written(version) => self.note(&open.key, write, version, open.unchanged),
            };
            report.fates.push(Ended { key: open.key, from: open.from, fate });
        }
        conflicts
    }

    /// Keeps the record for the next event about it.
    fn note(&mut self, key: &Key, write: Write, version: Option<Version>, unchanged: Option<Box<Known>>) -> Fate {
        match (write, version) {
            (Write::Record { record, text, .. }, Some(version)) => {
                self.recent.put(key.clone(), Known::new(record, version, text.len()));
                Fate::Applied
            }
            (Write::Record { .. } | Write::Facts { .. }, _) => {
                unchanged.into_iter().for_each(|known| self.recent.put(key.clone(), known));
                Fate::Unchanged
            }
        }
    }
}

fn base(known: Option<Box<Known>>, loaded: impl FnOnce() -> Option<Stored>) -> Base {
    if let Some(known) = known {
        return Base::Known(known);
    }
    let Some(stored) = loaded() else { return Base::New };
    match stored.record {
        Ok(record) => Base::Known(Known::new(record, stored.version, stored.bytes)),
        Err(error) => Base::Unreadable(error),
    }
}

impl Open {
    /// The group as it was before its write.
    fn again(self, write: Write) -> Group {
        let (Write::Record { facts, .. } | Write::Facts { facts, .. }) = write;
        Group::again(self.key, facts, self.from)
    }
}

/// One write a group; groups whose record is not ours to change are reported instead.
fn plan(groups: Vec<Group>, bases: Vec<Base>, report: &mut Report) -> (Vec<Open>, Vec<Write>) {
    let (mut open, mut writes) = (Vec::with_capacity(groups.len()), Vec::with_capacity(groups.len()));
    for (group, base) in groups.into_iter().zip(bases) {
        let Group { key, delta, facts, from } = group;
        let (write, unchanged) = match base {
            Base::Unreadable(error) => {
                let fate = match &error {
                    DecodeRecordError::Newer { .. } => Fate::Newer(error.to_string()),
                    DecodeRecordError::Damaged(_) => Fate::Damaged(error.to_string()),
                };
                report.fates.push(Ended { key, from, fate });
                continue;
            }
            Base::New => (record_write(delta, None, facts), None),
            Base::Known(mut known) => match known.record.join(delta) {
                Change::Changed => (record_write(known.record, Some(known.version), facts), None),
                Change::Unchanged => (Write::Facts { key: key.clone(), facts }, Some(known)),
            },
        };
        open.push(Open { key, from, unchanged });
        writes.push(write);
    }
    (open, writes)
}

fn record_write(record: Record, expected: Option<Version>, facts: Vec<EncodedFact>) -> Write {
    Write::Record { text: record.encode(), record, expected, facts }
}

fn lost_races(writes: &[Write], answers: &[Committed], loaded: bool) -> u64 {
    let conflicts = writes.iter().zip(answers).filter(|(_, answer)| **answer == Committed::Conflict);
    conflicts.map(|(write, _)| u64::from(is_lost_race(write, loaded))).sum()
}

/// Whether somebody else was faster. An insert without a read before it is a guess: that the record was there already says
/// nothing of others.
fn is_lost_race(write: &Write, loaded: bool) -> bool {
    match write {
        Write::Record { expected: None, .. } => loaded,
        Write::Record { expected: Some(_), .. } | Write::Facts { .. } => true,
    }
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
        Some(group) if group.from.is_several() => {
            Narrowed::Apart(group.by_message().into_iter().map(|group| vec![group]).collect())
        }
        Some(group) => Narrowed::One(Box::new(group)),
        None => Narrowed::Apart(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::run::RunFact;
    use crate::domain::{Fact, FactKind, Record, RunKey, Time};

    #[test]
    fn a_guess_that_was_wrong_is_no_lost_race() {
        let run = RunKey { organization: "fabrikam".to_owned(), pipeline: 7, run: 479 };
        let fact = Fact::Run(RunFact::new(run, FactKind::Timeline, Time::UNKNOWN));
        let write = |expected| record_write(Record::of(&fact), expected, Vec::new());
        let known = || Some(Version("1".to_owned()));
        let lost = [(None, false), (None, true), (known(), false), (known(), true)]
            .map(|(expected, loaded)| is_lost_race(&write(expected), loaded));
        assert_eq!(lost, [false, true, true, true]);
    }
}
