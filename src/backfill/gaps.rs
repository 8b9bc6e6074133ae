//! Gaps are closed by reading what was lost in them.

use super::{Backfill, BackfillError, Order, Timelines};
use crate::domain::gap::GapRecord;
use crate::domain::{Fact, GapKey, Key, Record, Time};

/// What a list of builds tells as well as these events do.
const BY_BUILDS: [&str; 2] = ["ms.vss-pipelines.run-state-changed-event", "build.complete"];
/// And timelines as well as these.
const BY_TIMELINES: [&str; 2] =
    ["ms.vss-pipelines.stage-state-changed-event", "ms.vss-pipelines.job-state-changed-event"];

impl Backfill {
    /// Notes of the gaps of this project that all of it was read from `order.since` to `asked`, the time at which the
    /// order was begun. Answers how many gaps are now covered to a later time than before.
    ///
    /// # Errors
    /// When the service or the store fails.
    pub async fn cover(&mut self, order: &Order, asked: Time) -> Result<u64, BackfillError> {
        if !order.pipelines.is_empty() {
            return Ok(0);
        }
        let to = order.until.map_or(asked, |until| until.min(asked));
        let records = self.gaps(order).await?;
        let facts: Vec<Fact> =
            records.iter().flat_map(|record| record.cover(order.since, to, asked)).map(Fact::Gap).collect();
        let covered = u64::try_from(facts.len()).unwrap_or_default();
        self.importer.import(facts).await?;
        Ok(covered)
    }

    /// The beginning of the oldest gap that such an order could cover and nobody has.
    ///
    /// # Errors
    /// When the service or the store fails.
    pub(super) async fn oldest_gap(&self, order: &Order) -> Result<Option<Time>, BackfillError> {
        let records = self.gaps(order).await?;
        let open = records.iter().flat_map(GapRecord::shown).filter(|gap| !gap.covered);
        Ok(open.map(|gap| gap.covered_to.unwrap_or(gap.from)).min())
    }

    async fn gaps(&self, order: &Order) -> Result<Vec<GapRecord>, BackfillError> {
        let project = self.client.project(&order.organization, &order.project).await?;
        let events: Vec<&str> = match order.timelines {
            Timelines::None | Timelines::Failed => BY_BUILDS.into(),
            Timelines::All => BY_BUILDS.into_iter().chain(BY_TIMELINES).collect(),
        };
        let keys: Vec<Key> =
            events.into_iter().map(|event| Key::Gap(GapKey::new(&order.canonical, &project.id, event))).collect();
        let stored = self.store.load(&keys).await?;
        let gaps = stored
            .into_iter()
            .flatten()
            .filter_map(|stored| if let Ok(Record::Gap(record)) = stored.record { Some(record) } else { None });
        Ok(gaps.collect())
    }
}
