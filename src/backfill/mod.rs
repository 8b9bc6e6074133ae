//! What Azure DevOps tells when it is asked: lost events healed.
//!
//! Answers of the REST API become facts of the same kind as those of events and go through the same merge and commit
//! ([`Importer`]), so any of it may be done twice, by several at once, and beside a worker. All times in them are the
//! service's.
//!
//! Two passes, since a list by finish never shows a build that is open: first the open builds, then those that finished,
//! from a watermark on. In this order a build that finishes meanwhile is in the second pass. The watermark is noted only
//! after what lies before it is durable and in the change log.
//!
//! Costs one request for 500 builds, and for timelines one for each run that is asked about: by default none, or those
//! that failed and of which nobody knows why.
//!
//! What it does not do: it never says that something is gone. What retention deleted is left as it is.

mod asked;
mod boards;
mod clusters;
mod code;
mod gaps;
mod reconcile;
mod releases;
mod wanted;
mod watermark;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::ado::rest::{AdoError, Answer, Client, Finished, Scope};
use crate::ado::{Beside, build_list};
use crate::domain::chain::Chains;
use crate::domain::run::RunFact;
use crate::domain::{Fact, Names, State, Time};
use crate::ingest::{Imported, Importer};
use crate::store::{Store, StoreError};

pub use reconcile::{Reconcile, Scheduled};
pub use wanted::{Fetcher, Looked};

use asked::Asked;
use watermark::note_name;

/// What to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// As Azure DevOps is asked.
    pub organization: String,
    /// As records name it.
    pub canonical: String,
    /// By name or id.
    pub project: String,
    /// Empty means all.
    pub pipelines: Vec<u64>,
    /// When it was begun. The service may say that a build finishes later, which moves no watermark.
    pub asked: Time,
    /// Builds that finished since then.
    pub since: Time,
    /// And no later; `None` also means the open ones.
    pub until: Option<Time>,
    pub kind: Kind,
    /// Of runs.
    pub timelines: Timelines,
    /// From `since` on, also where an earlier backfill was there.
    pub again: bool,
}

/// What is asked for. Each kind has watermarks of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Runs,
    /// Pushes, pull requests, and the commits of runs.
    Code,
    /// Classic releases with their deployments and approvals.
    Releases,
    /// What the environments of YAML pipelines got.
    Environments,
    /// Work items.
    Boards,
    /// What clusters say of manifests.
    Clusters,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Code => "code",
            Self::Releases => "releases",
            Self::Environments => "environments",
            Self::Boards => "boards",
            Self::Clusters => "clusters",
        }
    }
}

/// For which runs to ask for the timeline: each costs a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timelines {
    None,
    /// Those that failed and of which the record does not tell why.
    Failed,
    /// All, with their earlier attempts.
    All,
}

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Builds in the answers.
    pub builds: u64,
    /// Classic releases and their deployments.
    pub releases: u64,
    /// Deployment records of environments.
    pub deployments: u64,
    /// Timelines that were there.
    pub timelines: u64,
    /// Timelines that were not: the build never started, or is deleted.
    pub without_timeline: u64,
    /// Answers, or builds in them, that cannot be read. Each is in the log.
    pub unreadable: u64,
    pub pushes: u64,
    pub pull_requests: u64,
    /// Runs of which the commits were told.
    pub changes: u64,
    /// Deployments of which it was asked what came since the one before.
    pub compared: u64,
    pub work_items: u64,
    /// What clusters said.
    pub syncs: u64,
    pub imported: Imported,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.builds += other.builds;
        self.releases += other.releases;
        self.deployments += other.deployments;
        self.timelines += other.timelines;
        self.without_timeline += other.without_timeline;
        self.unreadable += other.unreadable;
        self.pushes += other.pushes;
        self.pull_requests += other.pull_requests;
        self.changes += other.changes;
        self.compared += other.compared;
        self.work_items += other.work_items;
        self.syncs += other.syncs;
        self.imported += other.imported;
    }
}

/// How far a backfill came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Everything that finished before is there.
    pub reached: Time,
    pub builds: u64,
}

/// Why a backfill ended before it was done. What it noted stays.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    #[error(transparent)]
    Ado(#[from] AdoError),
    #[error("what was asked for cannot be kept")]
    Store(#[from] StoreError),
}

/// Asks, and brings in what it is told.
pub struct Backfill {
    client: Arc<Client>,
    /// To look, and to note the watermark.
    store: Arc<dyn Store>,
    importer: Importer,
    /// Of projects that are asked for by their names, as far as builds told.
    project_ids: BTreeMap<(String, String), String>,
    /// Whose manifests clusters are asked about.
    chains: Chains,
}

impl fmt::Debug for Backfill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backfill").field("client", &self.client).finish_non_exhaustive()
    }
}

impl Backfill {
    #[must_use]
    pub fn new(client: Arc<Client>, store: Arc<dyn Store>) -> Self {
        let importer = Importer::new(store.clone());
        Self { client, importer, store, project_ids: BTreeMap::new(), chains: Chains::default() }
    }

    /// The same, which gives people these names.
    #[must_use]
    pub fn naming(self, names: Names) -> Self {
        Self { importer: self.importer.naming(names), ..self }
    }

    /// The same, for these deployment chains. Where they are configured, a schedule asks for what no event of a run carries:
    /// what was pushed to their repositories, and what clusters have of it.
    #[must_use]
    pub fn following(self, chains: &Chains) -> Self {
        Self { chains: chains.clone(), ..self }
    }

    /// Does what is ordered, or as much of it as is done when `stop` comes: then the page in hand is dropped, to be asked
    /// for again. Adds to `tally` what it did, also before it failed.
    ///
    /// # Errors
    /// When the service or the store fails; the next time it goes on from where it was.
    pub async fn run(
        &mut self,
        order: &Order,
        tally: &mut Tally,
        progress: &(dyn Fn(Progress) + Sync),
        stop: &CancellationToken,
    ) -> Result<(), BackfillError> {
        match order.kind {
            Kind::Runs => self.builds(order, tally, progress, stop).await,
            Kind::Code => self.code(order, tally, progress, stop).await,
            Kind::Releases => self.releases(order, tally, stop).await,
            Kind::Environments => self.environments(order, tally, stop).await,
            Kind::Boards => self.boards(order, tally, progress, stop).await,
            Kind::Clusters => self.clusters(order, tally, stop).await,
        }
    }

    async fn builds(
        &mut self,
        order: &Order,
        tally: &mut Tally,
        progress: &(dyn Fn(Progress) + Sync),
        stop: &CancellationToken,
    ) -> Result<(), BackfillError> {
        if order.until.is_none() {
            self.open_builds(order, tally, stop).await?;
        }
        self.finished_builds(order, tally, progress, stop).await
    }

    async fn open_builds(
        &mut self,
        order: &Order,
        tally: &mut Tally,
        stop: &CancellationToken,
    ) -> Result<(), BackfillError> {
        let client = self.client.clone();
        let mut pages = client.open_builds(&order.scope());
        while let Some(page) = next(pages.next(), stop).await?
            && let Some(brought) = stop.run_until_cancelled(self.page(order, &page, tally)).await
        {
            brought?;
        }
        Ok(())
    }

    async fn finished_builds(
        &mut self,
        order: &Order,
        tally: &mut Tally,
        progress: &(dyn Fn(Progress) + Sync),
        stop: &CancellationToken,
    ) -> Result<(), BackfillError> {
        let note = note_name(order);
        let (mut covered, from) = self.start(order, &note).await?;
        let client = self.client.clone();
        let mut pages = client.finished_builds(&order.scope(), Finished { from, until: order.until });
        while let Some(page) = next(pages.next(), stop).await?
            && let Some(brought) = stop.run_until_cancelled(self.page(order, &page, tally)).await
        {
            if let Some(reached) = brought? {
                covered.to = covered.to.max(reached.min(order.asked));
                self.note(order, &note, covered, tally).await?;
            }
            progress(Progress { reached: covered.to, builds: tally.builds });
        }
        Ok(())
    }

    /// Brings in the builds of a page, then the timelines that are wanted of them. Answers the latest finish.
    async fn page(&mut self, order: &Order, page: &Answer, tally: &mut Tally) -> Result<Option<Time>, BackfillError> {
        let facts = read(order, page, tally)?;
        self.know_project(order, &facts);
        let latest = facts.iter().filter_map(finish).max();
        tally.imported += self.importer.import(facts.iter().cloned().map(Fact::Run).collect()).await?;
        let asked = self.asked(order, facts).await?;
        self.timelines(order, asked, tally).await?;
        Ok(latest)
    }

    /// The runs whose timelines are wanted.
    async fn asked(&self, order: &Order, facts: Vec<RunFact>) -> Result<Vec<Asked>, BackfillError> {
        match order.timelines {
            Timelines::None => Ok(Vec::new()),
            Timelines::All => {
                let started = |fact: &RunFact| !matches!(fact.run, Some((State::NotStarted, _)));
                Ok(facts.into_iter().filter(started).map(|fact| Asked::of(order, fact)).collect())
            }
            Timelines::Failed => {
                let failed: Vec<_> = facts.into_iter().filter(asked::has_failed).collect();
                let open = asked::unexplained(self.store.as_ref(), failed).await?;
                Ok(open.into_iter().map(|fact| Asked::of(order, fact)).collect())
            }
        }
    }
}

/// A stop does not wait for the service, which may take long to be well again.
async fn next(
    page: impl Future<Output = Result<Option<Answer>, AdoError>> + Send,
    stop: &CancellationToken,
) -> Result<Option<Answer>, AdoError> {
    stop.run_until_cancelled(page).await.unwrap_or(Ok(None))
}

impl Order {
    fn scope(&self) -> Scope<'_> {
        Scope { organization: &self.organization, project: &self.project, pipelines: &self.pipelines }
    }

    /// The project, apart from those of the same name elsewhere.
    fn project_key(&self) -> (String, String) {
        (self.canonical.clone(), self.project.to_lowercase())
    }

    fn beside(&self) -> Beside {
        Beside { organization: self.canonical.clone(), ..Beside::default() }
    }
}

/// What the builds of an answer say.
fn read(order: &Order, answer: &Answer, tally: &mut Tally) -> Result<Vec<RunFact>, AdoError> {
    let list = build_list(&order.beside(), &answer.body);
    tally.builds += list.as_ref().map_or(0, |list| u64::try_from(list.len()).unwrap_or_default());
    let facts = code::sound(list, answer, tally)?;
    Ok(facts.iter().filter_map(Fact::of_run).cloned().collect())
}

fn finish(fact: &RunFact) -> Option<Time> {
    fact.run.as_ref().and_then(|(_, says)| says.finished)
}
