//! Gaps are closed by reading what was lost in them.

use uuid::Uuid;

use super::{Backfill, BackfillError, Kind, Order, Tally, Timelines};
use crate::ado::rest::AdoError;
use crate::domain::gap::GapRecord;
use crate::domain::run::RunFact;
use crate::domain::{Fact, GapKey, Key, Label, Record, Time};

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
    /// Notes of the gaps of this project that all of it was read from `order.since` to `order.asked`. Answers how many
    /// gaps are now covered to a later time than before.
    ///
    /// Notes nothing where some pipelines were left out, or something that was read is not in its record.
    ///
    /// # Errors
    /// When the service or the store fails.
    pub async fn cover(&mut self, order: &Order, read: &Tally) -> Result<u64, BackfillError> {
        if !order.pipelines.is_empty() || read.unreadable > 0 || read.imported.left_alone > 0 {
            return Ok(0);
        }
        let to = order.until.map_or(order.asked, |until| until.min(order.asked));
        let records = self.gaps(order).await?;
        let facts: Vec<Fact> =
            records.iter().flat_map(|record| record.cover(order.since, to, order.asked)).map(Fact::Gap).collect();
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

    /// Gaps are noted by the project's id. Asked for only where neither the order nor a build has said it: the right to
    /// read builds is enough for a backfill. Who may not read projects looks after gaps once a build was read.
    async fn project_id(&self, order: &Order) -> Result<Option<String>, BackfillError> {
        if Uuid::try_parse(&order.project).is_ok() {
            return Ok(Some(order.project.clone()));
        }
        if let Some(id) = self.project_ids.get(&order.project_key()) {
            return Ok(Some(id.clone()));
        }
        match self.client.project(&order.organization, &order.project).await {
            Ok(project) => Ok(Some(project.id)),
            Err(AdoError::Forbidden { .. } | AdoError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Remembers the id of the project that these builds are of.
    pub(super) fn know_project(&mut self, order: &Order, builds: &[RunFact]) {
        let mut labels = builds.iter().flat_map(|fact| &fact.labels);
        if let Some((_, id)) = labels.find(|(label, _)| *label == Label::ProjectId) {
            self.project_ids.insert(order.project_key(), id.clone());
        }
    }

    async fn gaps(&self, order: &Order) -> Result<Vec<GapRecord>, BackfillError> {
        let Some(project) = self.project_id(order).await? else { return Ok(Vec::new()) };
        let events: Vec<&str> = match (order.kind, order.timelines) {
            (Kind::Runs, Timelines::None | Timelines::Failed) => BY_BUILDS.into(),
            (Kind::Runs, Timelines::All) => BY_BUILDS.into_iter().chain(BY_TIMELINES).collect(),
            (Kind::Code, _) => BY_CODE.into(),
            (Kind::Releases, _) => BY_RELEASES.into(),
            (Kind::Boards, _) => BY_BOARDS.into(),
            // There are no events of what environments got, nor of the service about clusters.
            (Kind::Environments | Kind::Clusters, _) => Vec::new(),
        };
        let keys: Vec<Key> =
            events.into_iter().map(|event| Key::Gap(GapKey::new(&order.canonical, &project, event))).collect();
        let stored = self.store.load(&keys).await?;
        let gaps = stored
            .into_iter()
            .flatten()
            .filter_map(|stored| if let Ok(Record::Gap(record)) = stored.record { Some(record) } else { None });
        Ok(gaps.collect())
    }
}
