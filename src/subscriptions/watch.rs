//! The doctor on a schedule: nobody else notices that hooks fail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;
use rand::Rng;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::enrol::{Enrolled, Enrolment};
use super::looks::{keep, looks};
use super::wanted::chosen;
use super::{Ailment, Finding, Group, Inquiry, Look, Options, Question, Target, Wanted, doctor, gaps, streams};
use crate::ado::hooks::Subscription;
use crate::ado::rest::{AdoError, Client, Project};
use crate::clock::Clock;
use crate::domain::{Fact, GapKey, HookLook, Key, Record, Time};
use crate::ingest::Importer;
use crate::store::{Store, StoreError};
use crate::telemetry::prometheus;

/// The waits differ by so much, so that several workers do not ask at the same time.
const JITTER: f64 = 0.2;

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
    /// Whether projects of which nothing comes here get subscriptions for runs.
    pub enrol: bool,
}

impl Watched {
    /// The options by which a command of a person means what this finding is about.
    fn options(&self, finding: &Finding, wanted: &[Wanted]) -> Options {
        let group = Group::of(&finding.event_type);
        let alike =
            |wanted: &&Wanted| wanted.project.id == finding.project_id && Group::of(wanted.event_type()) == group;
        let pipelines: BTreeSet<&str> = wanted.iter().filter(alike).filter_map(Wanted::pipeline).collect();
        let pipelines: Vec<&str> = pipelines.into_iter().collect();
        let options = Options::default()
            .with("--organization", &self.organization)
            .with("--project", &finding.project)
            .maybe("--groups", group.map(Group::as_str))
            .maybe("--pipeline", (!pipelines.is_empty()).then(|| pipelines.join(",")).as_deref());
        match &self.target {
            Target::Queue(queue) => options.with("--to", "queue").with("--queue", &queue.queue),
            Target::WebHook(hook) => options.with("--to", "web-hook").with("--url", &hook.address),
        }
    }
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
    /// The same of projects that could not be looked at.
    told_projects: BTreeMap<String, String>,
    /// The streams of the last look; `None` before the first.
    streams: Option<BTreeSet<GapKey>>,
    /// How other workers know this one.
    me: String,
}

/// Why a look failed; the next one may not.
#[derive(Debug, thiserror::Error)]
pub(super) enum WatchError {
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
        let (told, told_projects, me) = (BTreeSet::new(), BTreeMap::new(), Uuid::new_v4().to_string());
        Self { client, store, importer, clock, watched, every, told, told_projects, streams: None, me }
    }

    /// Looks until the stop.
    pub async fn run(mut self, stop: CancellationToken) {
        // Who never succeeds is told of as well.
        gauge!(prometheus::HOOKS_LOOKED).set(0.0);
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => return,
                looked = self.look() => if let Err(error) = looked {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "hooks: cannot be looked at, tried again in the next round");
                }
            }
            let every = self.every.mul_f64(rand::rng().random_range(1.0 - JITTER..1.0 + JITTER));
            // Both ends are the same: the loop looks at the stop.
            drop(tokio::time::timeout(every, stop.cancelled()).await);
        }
    }

    async fn look(&mut self) -> Result<(), WatchError> {
        let now = self.clock.now();
        let (projects, mut troubles) = self.projects().await?;
        let mut found = self.client.subscriptions(&self.watched.organization).await?;
        let enrolled = self.enrol(&projects, &found, now).await?;
        if enrolled.made {
            found = self.client.subscriptions(&self.watched.organization).await?;
        }
        let Watched { organization, target, .. } = self.watched.clone();
        let wanted = chosen(&projects, &found, &target);
        let question = Question { client: &self.client, organization: &organization, target: &target, now };
        let inquiry = Inquiry::around(&question, found, &wanted).await?;
        troubles.extend(enrolled.refused);
        troubles
            .extend(inquiry.deaf.iter().map(|(project, why)| (project.clone(), format!("it may be silent: {why}"))));
        let look = inquiry.look(&wanted, &target);
        let findings = doctor(&look);
        let Watched { canonical, projects: named, .. } = &self.watched;
        let looks = looks(canonical, &projects, &wanted, &findings, (now, self.every));
        count(&looks, &findings);
        keep(self.store.as_ref(), canonical, &looks, named.is_empty()).await?;
        self.tell(&findings, &wanted);
        self.tell_of_projects(troubles);
        self.keep(&look, &projects, &findings).await?;
        looked(now, &looks, &findings);
        Ok(())
    }

    /// Those that are there, and why the others cannot be looked at.
    async fn projects(&self) -> Result<(Vec<Project>, BTreeMap<String, String>), AdoError> {
        let Watched { organization, projects, .. } = &self.watched;
        if projects.is_empty() {
            return Ok((self.client.projects(organization).await?, BTreeMap::new()));
        }
        let (mut found, mut troubles) = (Vec::new(), BTreeMap::new());
        for project in projects {
            match self.client.project(organization, project).await {
                Ok(project) => found.push(project),
                Err(error) if error.is_of_one_place() => drop(troubles.insert(project.clone(), error.to_string())),
                Err(error) => return Err(error),
            }
        }
        Ok((found, troubles))
    }

    async fn enrol(&self, projects: &[Project], found: &[Subscription], now: Time) -> Result<Enrolled, WatchError> {
        let Self { client, store, watched, me, .. } = self;
        if !watched.enrol {
            return Ok(Enrolled::default());
        }
        let Watched { organization, target, .. } = watched;
        Enrolment { client, store, organization, target, now, me }.enrol(projects, found).await
    }

    /// Each trouble once, and once that it is over.
    fn tell(&mut self, findings: &[Finding], wanted: &[Wanted]) {
        let named = |finding: &Finding| (finding.finding, finding.event_type.clone(), finding.project.clone());
        for finding in findings.iter().filter(|finding| !self.told.contains(&named(finding))) {
            let Finding { finding: what, event_type, project, says, .. } = finding;
            let (says, means) = (says.as_deref().unwrap_or_default(), what.means());
            let mend = what.mend(&self.watched.options(finding, wanted));
            tracing::warn!(event_type, project, says, mend, "hooks: {what}: {means}");
        }
        let now: BTreeSet<_> = findings.iter().map(named).collect();
        for (what, event_type, project) in self.told.difference(&now) {
            tracing::info!(event_type, project, "hooks: no longer {what}");
        }
        self.told = now;
    }

    /// The same.
    fn tell_of_projects(&mut self, troubles: BTreeMap<String, String>) {
        for (project, why) in troubles.iter().filter(|(project, why)| self.told_projects.get(*project) != Some(why)) {
            tracing::warn!(project, why, "hooks: a project cannot be looked after as it should");
        }
        for project in self.told_projects.keys().filter(|project| !troubles.contains_key(*project)) {
            tracing::info!(project, "hooks: the project is looked after again");
        }
        self.told_projects = troubles;
    }

    async fn keep(&mut self, look: &Look<'_>, projects: &[Project], findings: &[Finding]) -> Result<(), WatchError> {
        let streams = streams(&self.watched.canonical, look);
        let before = self.streams.clone().unwrap_or_else(|| all_streams(&self.watched.canonical, projects));
        // A project that could not be asked for now is another matter than one that nobody wants.
        let (unwanted, unknown): (Vec<GapKey>, Vec<_>) =
            before.into_iter().filter(|key| !streams.contains_key(key)).partition(|key| self.knows(key, projects));
        let keys: Vec<Key> = streams.keys().chain(&unwanted).cloned().map(Key::Gap).collect();
        let mut known = BTreeMap::new();
        for stored in self.store.load(&keys).await?.into_iter().flatten() {
            if let Ok(Record::Gap(record)) = stored.record {
                known.insert(record.key().clone(), record);
            }
        }
        let facts = gaps(&self.watched.canonical, &streams, findings, &known, look.now);
        self.importer.import(facts.into_iter().map(Fact::Gap).collect()).await?;
        self.streams = Some(streams.into_keys().chain(unknown).collect());
        Ok(())
    }

    /// Whether the list of projects says all about the project of this stream.
    fn knows(&self, key: &GapKey, projects: &[Project]) -> bool {
        let of = |project: &Project| GapKey::new(&key.organization, &project.id, &key.events) == *key;
        self.watched.projects.is_empty() || projects.iter().any(of)
    }
}

/// What could have been wanted before.
fn all_streams(organization: &str, projects: &[Project]) -> BTreeSet<GapKey> {
    let events = || Group::ALL.into_iter().flat_map(|group| group.events());
    let of = |project: &Project| events().map(|event| GapKey::new(organization, &project.id, event.name)).collect();
    projects.iter().flat_map(|project| -> Vec<GapKey> { of(project) }).collect()
}

/// How many subscriptions there should be are well, and how many have which trouble.
fn count(looks: &[HookLook], findings: &[Finding]) {
    for ailment in Ailment::ALL {
        let of = findings.iter().filter(|finding| finding.finding == ailment).count();
        gauge!(prometheus::HOOKS, "state" => ailment.as_str()).set(float(of));
    }
    gauge!(prometheus::HOOKS, "state" => "healthy").set(float(healthy(looks)));
}

/// A look came to its end, with what it found kept. Alerts that are made of logs ask for these names.
fn looked(now: Time, looks: &[HookLook], findings: &[Finding]) {
    gauge!(prometheus::HOOKS_LOOKED).set(now.since(Time::UNKNOWN).as_secs_f64());
    tracing::info!(healthy = healthy(looks), unhealthy = findings.len(), "hooks looked at");
}

fn healthy(looks: &[HookLook]) -> usize {
    looks.iter().map(HookLook::healthy).sum()
}

fn float(count: usize) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}
