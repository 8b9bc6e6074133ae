//! The doctor on a schedule: nobody else notices that hooks fail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;
use tokio_util::sync::CancellationToken;

use super::wanted::as_chosen;
use super::{Action, Ailment, Finding, Group, Survey, Target, Wanted};
use super::{carry_out, doctor, gaps, groups_of, plan, streams, wanted};
use crate::ado::hooks::Subscription;
use crate::ado::rest::{AdoError, Client, Project};
use crate::clock::Clock;
use crate::domain::{Fact, GapKey, Key, Record};
use crate::ingest::Importer;
use crate::store::{Store, StoreError};
use crate::telemetry::prometheus;

/// Whose subscriptions are looked after.
#[derive(Debug, Clone)]
pub struct Watched {
    /// As Azure DevOps is asked.
    pub organization: String,
    /// As records name it.
    pub canonical: String,
    /// By name or id; empty means all that there are at the time.
    pub projects: Vec<String>,
    pub target: Target,
    /// Whether projects that have no subscription of ours get those for runs.
    pub enrol: bool,
}

/// Looks after subscriptions: counts, warns, and keeps a record of the times in which events were lost.
#[expect(missing_debug_implementations, reason = "a store has none")]
pub struct HookWatch {
    client: Arc<Client>,
    store: Arc<dyn Store>,
    importer: Importer,
    clock: Arc<dyn Clock>,
    watched: Watched,
    every: Duration,
    /// What was warned of, so that each trouble is told once.
    told: BTreeSet<(Ailment, String, String)>,
}

/// Why a look failed; the next one may not.
#[derive(Debug, thiserror::Error)]
enum WatchError {
    #[error(transparent)]
    Ado(#[from] AdoError),
    #[error("the gaps cannot be kept")]
    Store(#[from] StoreError),
}

impl HookWatch {
    #[must_use]
    pub fn new(
        client: Arc<Client>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        watched: Watched,
        every: Duration,
    ) -> Self {
        let importer = Importer::new(store.clone());
        Self { client, store, importer, clock, watched, every, told: BTreeSet::new() }
    }

    /// Looks until the stop.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => return,
                looked = self.look() => if let Err(error) = looked {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "hooks: cannot be looked at, tried again in the next round");
                }
            }
            // Both ends are the same: the loop looks at the stop.
            drop(tokio::time::timeout(self.every, stop.cancelled()).await);
        }
    }

    async fn look(&mut self) -> Result<(), WatchError> {
        let projects = self.projects().await?;
        let mut found = self.client.subscriptions(&self.watched.organization).await?;
        if self.watched.enrol && self.enrol(&projects, &found).await? {
            found = self.client.subscriptions(&self.watched.organization).await?;
        }
        // Who subscribed to more events than those of runs wants them looked after, too.
        let mut groups = groups_of(&found, &self.watched.target);
        groups.insert(Group::Runs);
        let wanted = wanted(&groups, &projects, &[], &self.watched.target);
        let wanted = as_chosen(wanted, &found, &self.watched.target);
        let (organization, target) = (&self.watched.organization, &self.watched.target);
        let survey = Survey::around(&self.client, organization, found, &wanted, target).await?;
        let findings = doctor(&survey.look(&wanted, target, self.clock.now()));
        count(&wanted, &findings);
        self.tell(&findings);
        self.keep(&wanted, &findings).await
    }

    async fn projects(&self) -> Result<Vec<Project>, AdoError> {
        let Watched { organization, projects, .. } = &self.watched;
        if projects.is_empty() {
            return self.client.projects(organization).await;
        }
        let mut found = Vec::new();
        for project in projects {
            found.push(self.client.project(organization, project).await?);
        }
        Ok(found)
    }

    /// Subscribes to the runs of projects of which nothing comes here. Only makes, and only there: whatever a person
    /// changed or removed stays so.
    async fn enrol(&self, projects: &[Project], found: &[Subscription]) -> Result<bool, AdoError> {
        let Watched { organization, target, .. } = &self.watched;
        let known: BTreeSet<String> =
            found.iter().filter(|found| target.owns(found)).map(Subscription::project).collect();
        let new: Vec<Project> =
            projects.iter().filter(|project| !known.contains(&project.id.to_lowercase())).cloned().collect();
        let wanted = wanted(&BTreeSet::from([Group::Runs]), &new, &[], target);
        let steps = plan(&wanted, found, &new, target, false);
        for step in steps.iter().filter(|step| step.action == Action::Create) {
            carry_out(&self.client, organization, step).await?;
        }
        for project in &new {
            tracing::info!(project = project.name, "hooks: subscribed to the runs of a new project");
        }
        Ok(!new.is_empty())
    }

    /// Each trouble once, and once that it is over.
    fn tell(&mut self, findings: &[Finding]) {
        let named = |finding: &Finding| (finding.finding, finding.event_type.clone(), finding.project.clone());
        for finding in findings.iter().filter(|finding| !self.told.contains(&named(finding))) {
            let Finding { finding: what, event_type, project, says, means, mend, .. } = finding;
            let says = says.as_deref().unwrap_or_default();
            tracing::warn!(event_type, project, says, mend, "hooks: {what}: {means}");
        }
        let now: BTreeSet<_> = findings.iter().map(named).collect();
        for (what, event_type, project) in self.told.difference(&now) {
            tracing::info!(event_type, project, "hooks: no longer {what}");
        }
        self.told = now;
    }

    async fn keep(&mut self, wanted: &[Wanted], findings: &[Finding]) -> Result<(), WatchError> {
        let streams = streams(&self.watched.canonical, wanted);
        let keys: Vec<Key> = streams.keys().cloned().map(Key::Gap).collect();
        let mut known = BTreeMap::new();
        for (key, stored) in streams.keys().zip(self.store.load(&keys).await?) {
            if let Some(Ok(Record::Gap(record))) = stored.map(|stored| stored.record) {
                known.insert(key.clone(), record);
            }
        }
        let facts = gaps(&self.watched.canonical, &streams, findings, &known, self.clock.now());
        self.importer.import(facts.into_iter().map(Fact::Gap).collect()).await?;
        Ok(())
    }
}

/// How many subscriptions there should be are well, and how many have which trouble.
fn count(wanted: &[Wanted], findings: &[Finding]) {
    for ailment in Ailment::ALL {
        let of = findings.iter().filter(|finding| finding.finding == ailment).count();
        gauge!(prometheus::HOOKS, "state" => ailment.as_str()).set(float(of));
    }
    let sick: BTreeSet<GapKey> =
        findings.iter().map(|finding| GapKey::new("", &finding.project_id, &finding.event_type)).collect();
    let well = wanted.iter().filter(|wanted| !sick.contains(&GapKey::new("", &wanted.project.id, wanted.event_type())));
    gauge!(prometheus::HOOKS, "state" => "healthy").set(float(well.count()));
}

fn float(count: usize) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}
