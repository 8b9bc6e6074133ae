//! Work items: every revision since the watermark, for the times of their states, then the items as they are now, for
//! what they are linked to.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use super::code::sound;
use super::{Backfill, BackfillError, Order, Progress, Tally, watermark};
use crate::ado::rest::AdoError;
use crate::ado::{work_item_list, work_item_revisions};
use crate::domain::{Fact, Key};

/// Work items that are asked for at once.
const AT_ONCE: usize = 200;
/// More batches no project has.
const MOST_BATCHES: usize = 100_000;

impl Backfill {
    pub(super) async fn boards(
        &mut self,
        order: &Order,
        tally: &mut Tally,
        progress: &(dyn Fn(Progress) + Sync),
        stop: &CancellationToken,
    ) -> Result<(), BackfillError> {
        let note = watermark::note_name_of(order, "");
        let (mut covered, from) = self.start(order, &note).await?;
        let client = self.client.clone();
        let (mut token, mut tokens) = (None, BTreeSet::new());
        loop {
            let ask = client.revisions(&order.organization, &order.project, from, token.as_deref());
            let Some(asked) = stop.run_until_cancelled(ask).await else { return Ok(()) };
            let (answer, batch) = asked?;
            let facts = sound(work_item_revisions(&order.beside(), &answer.body), &answer, tally)?;
            let facts: Vec<Fact> =
                facts.into_iter().filter(|fact| order.until.is_none_or(|until| fact.said() <= until)).collect();
            let reached = facts.iter().map(Fact::said).max();
            let Some(brought) = stop.run_until_cancelled(self.items(order, facts, tally)).await else { return Ok(()) };
            brought?;
            if let Some(reached) = reached {
                covered.to = covered.to.max(reached);
                self.note(order, &note, covered, tally).await?;
            }
            progress(Progress { reached: covered.to, builds: tally.work_items });
            match batch.continuation_token.filter(|_| !batch.is_last_batch) {
                None => return Ok(()),
                Some(next) if tokens.len() < MOST_BATCHES && tokens.insert(next.clone()) => token = Some(next),
                Some(_) => return Err(endless(order)),
            }
        }
    }

    /// Brings in the revisions and the items that they are of.
    async fn items(&mut self, order: &Order, revisions: Vec<Fact>, tally: &mut Tally) -> Result<(), BackfillError> {
        let number = |fact: &Fact| if let Key::WorkItem(key) = fact.key() { Some(key.id) } else { None };
        let ids: BTreeSet<u64> = revisions.iter().filter_map(number).collect();
        let ids: Vec<u64> = ids.into_iter().collect();
        let mut facts = revisions;
        let client = self.client.clone();
        for some in ids.chunks(AT_ONCE) {
            let answer = client.work_items(&order.organization, &order.project, some).await?;
            facts.extend(sound(work_item_list(&order.beside(), &answer.body), &answer, tally)?);
        }
        tally.work_items += u64::try_from(ids.len()).unwrap_or_default();
        tally.imported += self.importer.import(facts).await?;
        Ok(())
    }
}

fn endless(order: &Order) -> BackfillError {
    let place = format!("{}/{}: revisions of work items", order.organization, order.project);
    let says = "a continuation token came twice, or there are too many".to_owned();
    BackfillError::Ado(AdoError::Endless { place, says })
}
