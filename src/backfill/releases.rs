//! Classic releases and what environments got, each with a watermark of its own.
//!
//! No list here is in the order of its changes. So a watermark is noted only once a pass came to its end, and what was
//! open then is looked at again. But not for ever: one deployment that never ends would hold the watermark, and every
//! pass would read all since then.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::code::sound;
use super::watermark::{Covered, note_name_of};
use super::{Backfill, BackfillError, Order, Tally, next};
use crate::ado::rest::{Answer, Environment, Pages};
use crate::ado::{Beside, DecodeError, deployment_list, deployment_records, release_list};
use crate::domain::deployment::DeploymentFact;
use crate::domain::{Fact, Time};

/// These lists have one watermark each.
const ALL: &str = "all";
/// What is open for longer is not waited for. Azure Pipelines lets a check wait for 30 days:
/// <https://learn.microsoft.com/azure/devops/pipelines/process/approvals>.
const LONGEST_OPEN: Duration = Duration::from_secs(35 * 24 * 3_600);

/// What one page of a list says.
type Read<'r> = &'r (dyn Fn(&Answer) -> Result<Vec<Result<Fact, DecodeError>>, DecodeError> + Sync);

impl Backfill {
    /// Brings in the classic releases of the project that were made, and their deployments that changed, since then.
    ///
    /// # Errors
    /// When the service or the store fails; the next time it all is done again from the last watermark.
    pub(super) async fn releases(
        &mut self,
        order: &Order,
        tally: &mut Tally,
        stop: &CancellationToken,
    ) -> Result<(), BackfillError> {
        let beside = self.beside(order).await?;
        let (mut covered, from) = self.start(order, &note_name_of(order, ALL)).await?;
        let client = self.client.clone();
        let (organization, project) = (order.organization.as_str(), order.project.as_str());
        let made = client.releases(organization, project, from, order.until);
        let deployed = client.release_deployments(organization, project, from, order.until);
        let made = self.list(made, &|page| release_list(&beside, &page.body), tally, stop).await?;
        let deployed = self.list(deployed, &|page| deployment_list(&beside, &page.body), tally, stop).await?;
        covered.to = [made, deployed].into_iter().flatten().fold(covered.to, Time::max);
        self.end(order, covered, tally, stop).await
    }

    /// Every page of a list; answers the latest time that anything was said.
    async fn list(
        &mut self,
        mut pages: Pages<'_>,
        read: Read<'_>,
        tally: &mut Tally,
        stop: &CancellationToken,
    ) -> Result<Option<Time>, BackfillError> {
        let mut latest = None;
        while let Some(page) = next(pages.next(), stop).await? {
            let facts = sound(read(&page), &page, tally)?;
            tally.releases += u64::try_from(facts.len()).unwrap_or_default();
            latest = latest.max(facts.iter().map(Fact::said).max());
            tally.imported += self.importer.import(facts).await?;
        }
        Ok(latest)
    }

    /// Brings in what the environments of the project got since then.
    ///
    /// # Errors
    /// When the service or the store fails; the next time it all is done again from the last watermark.
    pub(super) async fn environments(
        &mut self,
        order: &Order,
        tally: &mut Tally,
        stop: &CancellationToken,
    ) -> Result<(), BackfillError> {
        let beside = self.beside(order).await?;
        let (mut covered, from) = self.start(order, &note_name_of(order, ALL)).await?;
        let client = self.client.clone();
        let open_since = order.asked.minus(LONGEST_OPEN);
        let mut open: Option<Time> = None;
        for environment in client.environments(&order.organization, &order.project).await? {
            let pages = client.deployment_records(&order.organization, &order.project, environment.id);
            let wanted = Wanted { beside: &beside, environment: &environment, from, open_since };
            let seen = self.records(pages, wanted, tally, stop).await?;
            covered.to = seen.latest.map_or(covered.to, |latest| covered.to.max(latest));
            open = [open, seen.open].into_iter().flatten().min();
        }
        // What is not over yet is told anew when it is, at the place where it stands now.
        covered.to = open.map_or(covered.to, |open| covered.to.min(open.max(covered.from)));
        self.end(order, covered, tally, stop).await
    }

    /// Down from the newest, to the first page of which nothing is wanted.
    async fn records(
        &mut self,
        mut pages: Pages<'_>,
        Wanted { beside, environment, from, open_since }: Wanted<'_>,
        tally: &mut Tally,
        stop: &CancellationToken,
    ) -> Result<Seen, BackfillError> {
        let mut seen = Seen::default();
        let place = (environment.id, environment.name.as_str());
        let read = |page: &Answer| deployment_records(beside, place, &page.body);
        while let Some(page) = next(pages.next(), stop).await? {
            let facts = sound(read(&page), &page, tally)?;
            tally.deployments += u64::try_from(facts.len()).unwrap_or_default();
            facts.iter().for_each(|fact| seen.look(fact, open_since));
            let wanted = facts.iter().any(|fact| fact.said() >= from);
            if !wanted && !facts.is_empty() {
                return Ok(seen);
            }
            tally.imported += self.importer.import(facts).await?;
        }
        Ok(seen)
    }

    async fn beside(&self, order: &Order) -> Result<Beside, BackfillError> {
        let project = self.client.project(&order.organization, &order.project).await?;
        Ok(Beside { project_id: Some(project.id), project_name: Some(project.name), ..order.beside() })
    }

    /// Only where nobody stopped it on its way.
    async fn end(
        &self,
        order: &Order,
        covered: Covered,
        tally: &Tally,
        stop: &CancellationToken,
    ) -> Result<(), BackfillError> {
        if stop.is_cancelled() {
            return Ok(());
        }
        self.note(order, &note_name_of(order, ALL), covered, tally).await
    }
}

/// What is wanted of one environment.
struct Wanted<'w> {
    beside: &'w Beside,
    environment: &'w Environment,
    from: Time,
    /// What is open since before that is left as it is.
    open_since: Time,
}

/// The times of what was seen of one environment.
#[derive(Debug, Default)]
struct Seen {
    latest: Option<Time>,
    /// The earliest of what is not over.
    open: Option<Time>,
}

impl Seen {
    fn look(&mut self, fact: &Fact, open_since: Time) {
        self.latest = self.latest.max(Some(fact.said()));
        if let Fact::Deployment(DeploymentFact { job, said, .. }) = fact
            && !job.state.is_terminal()
        {
            let since = job.says.queued.unwrap_or(*said);
            let waited_for = Some(since).filter(|since| *since >= open_since);
            self.open = [self.open, waited_for].into_iter().flatten().min();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_for_too_long_is_not_waited_for() {
        let beside = Beside {
            organization: "fabrikam".to_owned(),
            project_id: Some("efd47cfd-d35f-40ba-b424-e1ab432fdc68".to_owned()),
            ..Beside::default()
        };
        let body =
            br#"{"value": [{"definition": {"id": 12}, "owner": {"id": 900}, "stageName": "Deploy", "jobName": "web",
            "queueTime": "2026-03-02T10:02:00Z", "startTime": "2026-03-02T10:02:00Z"}]}"#;
        let fact = deployment_records(&beside, (7, "production"), body).unwrap().remove(0).unwrap();
        let queued = Time::parse("2026-03-02T10:02:00Z").unwrap().unwrap();
        let second = Duration::from_secs(1);
        for (open_since, expected) in [(queued, Some(queued)), (queued.minus(second), Some(queued))] {
            let mut seen = Seen::default();
            seen.look(&fact, open_since);
            assert_eq!(seen.open, expected);
        }
        let mut seen = Seen::default();
        seen.look(&fact, Time::parse("2026-03-02T10:02:01Z").unwrap().unwrap());
        assert_eq!((seen.open, seen.latest), (None, Some(fact.said())));
    }
}
