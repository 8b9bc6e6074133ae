//! Gaps are closed by reading what was lost in them.

use super::{Backfill, BackfillError, Kind, Order, Timelines};
use crate::domain::gap::GapRecord;
use crate::domain::{Fact, GapKey, Key, Record, Time};

/// What a list of builds tells as well as these events do.
const BY_BUILDS: [&str; 2] = ["ms.vss-pipelines.run-state-changed-event", "build.complete"];
/// And timelines as well as these.
const BY_TIMELINES: [&str; 2] =
    ["ms.vss-pipelines.stage-state-changed-event", "ms.vss-pipelines.job-state-changed-event"];

/// What pushes and closed pull requests tell as well; votes have no time there, so updates are not covered.
const BY_CODE: [&str; 3] = ["git.push", "git.pullrequest.created", "git.pullrequest.merged"];
/// What the lists of releases and deployments tell as well; when an older release was abandoned they do not say.
const BY_RELEASES: [&str; 5] = [
    "ms.vss-release.release-created-event",
    "ms.vss-release.deployment-started-event",
    "ms.vss-release.deployment-completed-event",
    "ms.vss-release.deployment-approval-pending-event",
    "ms.vss-release.deployment-approval-completed-event",
];
const BY_BOARDS: [&str; 2] = ["workitem.created", "workitem.updated"];

impl Backfill {
    /// Notes of the gaps of this project that all of it was read from `order.since` to `asked`, the time at which the
    /// order was begun. Answers how many gaps are now covered to a later time than before.
    ///
    /// # Errors
    /// When the service or the store fails.
    pub async fn cover(&mut self, order: &Order, asked: Time) -> Result<u64, BackfillError> {
        self.cover_kind(Kind::Runs, order, asked).await
    }

    /// The same for another kind.
    ///
    /// # Errors
    /// When the service or the store fails.
    pub async fn cover_kind(&mut self, kind: Kind, order: &Order, asked: Time) -> Result<u64, BackfillError> {
        if !order.pipelines.is_empty() {
            return Ok(0);
        }
        let to = order.until.map_or(asked, |until| until.min(asked));
        let records = self.gaps(kind, order).await?;
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
        let records = self.gaps(Kind::Runs, order).await?;
        let open = records.iter().flat_map(GapRecord::shown).filter(|gap| !gap.covered);
        Ok(open.map(|gap| gap.covered_to.unwrap_or(gap.from)).min())
    }

    async fn gaps(&self, kind: Kind, order: &Order) -> Result<Vec<GapRecord>, BackfillError> {
        let project = self.client.project(&order.organization, &order.project).await?;
        let events: Vec<&str> = match (kind, order.timelines) {
            (Kind::Runs, Timelines::None | Timelines::Failed) => BY_BUILDS.into(),
            (Kind::Runs, Timelines::All) => BY_BUILDS.into_iter().chain(BY_TIMELINES).collect(),
            (Kind::Code, _) => BY_CODE.into(),
            (Kind::Releases, _) => BY_RELEASES.into(),
            // There are no events of what environments got.
            (Kind::Environments, _) => Vec::new(),
            (Kind::Boards, _) => BY_BOARDS.into(),
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
