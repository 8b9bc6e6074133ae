//! A batch on its way, and what is decided about it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use crate::domain::{Key, Time};
use crate::ingest::Tally;
use crate::ingest::commit::{Ended, Report};
use crate::ingest::decide::{Fate, Reading, outcome};
use crate::ingest::fold::Group;
use crate::queue::{Delivery, Outcome, Settlement};

/// Visible again at once.
pub(super) const GIVE_BACK: Outcome = Outcome::Back { after: Duration::ZERO };

/// What goes along with a batch until it is settled.
pub(super) struct Ticket {
    /// After this somebody else may have the messages.
    pub(super) deadline: Instant,
    pub(super) alone: Option<Alone>,
    /// The batch's place among those in hand.
    pub(super) _permit: Arc<OwnedSemaphorePermit>,
}

/// What a lonely message has more.
pub(super) struct Alone {
    /// The message, if this attempt was counted: if it ends without an outcome of its own, the count is taken back.
    pub(super) counted: Option<String>,
    /// Dropped when the message is settled or given up.
    pub(super) _settled: oneshot::Sender<()>,
}

impl Ticket {
    pub(super) fn is_late(&self) -> bool {
        Instant::now() > self.deadline
    }

    /// The message whose lonely attempt was counted.
    pub(super) fn counted(&self) -> Option<&str> {
        self.alone.as_ref()?.counted.as_deref()
    }
}

/// A batch as it came off the queue.
pub(super) struct Received {
    pub(super) deliveries: Vec<Delivery>,
    pub(super) ticket: Ticket,
}

/// A batch that was read and folded, not yet committed.
pub(super) struct Read {
    pub(super) deliveries: Vec<Delivery>,
    pub(super) readings: Vec<Reading>,
    /// When Azure DevOps said what each message says.
    pub(super) said: Vec<Option<Time>>,
    /// What they say, by record.
    pub(super) groups: Vec<Group>,
    pub(super) ticket: Ticket,
}

/// A batch of which everything is decided.
pub(super) struct Decided {
    pub(super) settlements: Vec<Settlement>,
    /// Records that readers have to look at, before any message is deleted.
    pub(super) keys: Vec<Key>,
    /// When Azure DevOps said what is in the store now.
    pub(super) said: Vec<Time>,
    pub(super) tally: Tally,
    pub(super) ticket: Ticket,
}

impl Decided {
    /// The same outcome for all of them.
    pub(super) fn all(deliveries: Vec<Delivery>, outcome: &Outcome, ticket: Ticket, now: Time) -> Self {
        let mut tally = arrived(&deliveries, now);
        let settlements: Vec<_> =
            deliveries.into_iter().map(|delivery| Settlement { delivery, outcome: outcome.clone() }).collect();
        settlements.iter().for_each(|settlement| count(&mut tally, &settlement.outcome));
        Self { settlements, keys: Vec::new(), said: Vec::new(), tally, ticket }
    }

    /// What becomes of each message, now that everything it says has found its fate.
    pub(super) fn by_fates(batch: Read, report: &Report, now: Time) -> Self {
        let Read { deliveries, readings, said, ticket, .. } = batch;
        let mut tally = Tally { conflicts: report.conflicts, ..arrived(&deliveries, now) };
        let fates = fates_by_message(report, deliveries.len());
        let settle = |((delivery, reading), fates): ((Delivery, &Reading), &Vec<&Fate>)| {
            let outcome = match reading {
                Reading::Facts => outcome(fates.iter().copied(), delivery.receives),
                Reading::Ignored | Reading::Wanted(_) => Outcome::Done,
                Reading::Bad(reason) => Outcome::Dead { reason: reason.clone(), tries: delivery.receives },
            };
            count(&mut tally, &outcome);
            if outcome == Outcome::Done {
                count_done(&mut tally, reading, fates);
            }
            Settlement { delivery, outcome }
        };
        let settlements: Vec<_> = deliveries.into_iter().zip(&readings).zip(&fates).map(settle).collect();
        let done = settlements.iter().zip(said).filter(|(settlement, _)| settlement.outcome == Outcome::Done);
        let said = done.filter_map(|(_, said)| said).collect();
        let logged = report.fates.iter().filter(|ended| ended.fate.is_to_be_logged());
        Self { settlements, keys: logged.map(|ended| ended.key.clone()).collect(), said, tally, ticket }
    }

    /// Readers could not be told, and a message may only be deleted once they were: gives back what was done.
    pub(super) fn keep(&mut self) {
        let done = self.settlements.iter_mut().filter(|settlement| settlement.outcome == Outcome::Done);
        let kept = done.map(|settlement| settlement.outcome = GIVE_BACK).count();
        self.said.clear();
        self.tally = Tally {
            given_back: self.tally.given_back + length(kept),
            applied: 0,
            unchanged: 0,
            ignored: 0,
            wanted: 0,
            below_floor: 0,
            ..self.tally
        };
    }
}

fn fates_by_message(report: &Report, messages: usize) -> Vec<Vec<&Fate>> {
    let mut fates = vec![Vec::new(); messages];
    for Ended { from, fate, .. } in &report.fates {
        for message in from.messages() {
            fates.get_mut(message).into_iter().for_each(|fates| fates.push(fate));
        }
    }
    fates
}

fn arrived(deliveries: &[Delivery], now: Time) -> Tally {
    Tally {
        received: length(deliveries.len()),
        retried: length(deliveries.iter().filter(|delivery| delivery.receives > 1).count()),
        lag: deliveries.iter().map(|delivery| now.since(delivery.inserted)).max().unwrap_or_default(),
        ..Tally::default()
    }
}

fn count(tally: &mut Tally, outcome: &Outcome) {
    match outcome {
        Outcome::Done => {}
        Outcome::Dead { .. } => tally.poisoned += 1,
        Outcome::Back { .. } => tally.given_back += 1,
    }
}

/// A message counts as applied when any record changed by it.
fn count_done(tally: &mut Tally, reading: &Reading, fates: &[&Fate]) {
    if matches!(reading, Reading::Ignored) {
        tally.ignored += 1;
    } else if matches!(reading, Reading::Wanted(_)) {
        tally.wanted += 1;
    } else if fates.contains(&&Fate::Applied) {
        tally.applied += 1;
    } else if fates.contains(&&Fate::BelowFloor) {
        tally.below_floor += 1;
    } else {
        tally.unchanged += 1;
    }
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
