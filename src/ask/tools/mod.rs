//! The tools: named questions with typed arguments and one form of answer.
//!
//! Here is the room for a new one: its row in [`Tool`], its arguments and its function in the file of what it asks about.

mod aggregate;
mod changes;
mod data;
mod delivery;
mod failures;
mod found;
mod places;
mod runs;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use schemars::{JsonSchema, Schema, schema_for};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::when::{Said, Window, WindowError};
use crate::catalog::{Catalog, CatalogError, DeploymentFilter, GapFilter, Named, PipelineFilter, RunFilter};
use crate::domain::metrics::Terms;
use crate::domain::owner::Owners;
use crate::domain::{BranchPattern, Time};

pub use found::{Citation, Found};
pub(super) use found::{MOST_CHARACTERS, less};

/// Rows of one answer, at most.
pub(super) const MOST_ROWS: u32 = 100;
/// Rows where nobody said how many.
const USUAL_ROWS: u32 = 20;
/// A question without words of time looks back so far.
const USUAL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Who asks, and of what.
#[derive(Debug, Clone)]
pub struct Desk {
    /// Cut to what the caller may see.
    pub catalog: Catalog,
    /// As the sign-in names them; `None` where nobody signs in.
    pub asker: Option<String>,
    pub owners: Owners,
    /// How branches name work items.
    pub branches: Vec<BranchPattern>,
    /// What counts as what in delivery metrics.
    pub terms: Arc<Terms>,
    pub now: Time,
    pub zone: Tz,
    /// What is meant where nobody says a time; `None` is the last 30 days.
    pub window: Option<Window>,
    /// How long one tool may take, and a question without a model. How many work at once, the catalog says.
    pub patience: Duration,
}

/// Why a tool gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    #[error("there is no tool `{asked}`; there are: {}", names())]
    NoSuchTool { asked: String },
    #[error("the arguments of {} are not understood: {why}", tool.name())]
    Arguments { tool: Tool, why: String },
    #[error(transparent)]
    Window(#[from] WindowError),
    #[error("{what} is not known here")]
    NotFound { what: String },
    #[error("{what} is in several organizations: say which as `organization`, one of {}", organizations.join(", "))]
    Ambiguous { what: String, organizations: Vec<String> },
    #[error("it took longer than {} s: ask for a shorter time or for less, or try again later", .0.as_secs())]
    TooLong(Duration),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

fn names() -> String {
    let names: Vec<_> = Tool::ALL.iter().map(|tool| tool.name()).collect();
    names.join(", ")
}

/// Defines the tools: their names, what they say of themselves, their arguments and what answers them.
macro_rules! tools {
    ($($(#[doc = $says:literal])+ $tool:ident = $name:literal, $arguments:ty => $act:path;)+) => {
        /// The questions that can be asked.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Tool {
            $($(#[doc = $says])+ $tool,)+
        }

        impl Tool {
            pub const ALL: &'static [Self] = &[$(Self::$tool),+];

            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$tool => $name,)+ }
            }

            /// What it is for, for people and for models.
            #[must_use]
            pub fn says(self) -> &'static str {
                match self { $(Self::$tool => concat!($($says),+).trim_ascii(),)+ }
            }

            /// The JSON Schema (2020-12) of its arguments.
            #[must_use]
            pub fn schema(self) -> Schema {
                match self { $(Self::$tool => schema_for!($arguments),)+ }
            }

            async fn call(self, desk: &Desk, arguments: Value) -> Result<Found, ToolError> {
                match self { $(Self::$tool => $act(desk, self.read::<$arguments>(arguments)?).await,)+ }
            }
        }
    };
}

tools! {
    /// What data there is: organizations, projects, pipelines, environments, how many runs, from when to when.
    DescribeData = "describe_data", data::Nothing => data::describe;
    /// Whether the data can be trusted: how far it reaches, and in which times events were lost.
    DataHealth = "data_health", data::Nothing => data::health;
    /// Pipelines with how many runs they have, how many are live, the last run, and who owns them.
    ListPipelines = "list_pipelines", runs::ListPipelines => runs::pipelines;
    /// Runs, the newest first, narrowed by project, pipeline, branch, state, result, commit, person and time.
    QueryRuns = "query_runs", runs::QueryRuns => runs::query;
    /// One run: its state, and its stages attempt by attempt.
    GetRun = "get_run", runs::OneRun => runs::one;
    /// Why a run failed, or the last failed run of a pipeline: its first error, and the other runs with the same one.
    GetFailure = "get_failure", failures::GetFailure => failures::one;
    /// Which pipelines are broken now: the last run that came to a result failed; since which run and commit.
    BrokenNow = "broken_now", failures::BrokenNow => failures::broken;
    /// Approvals: what waits for whom since when, or how long it took.
    QueryApprovals = "query_approvals", places::QueryApprovals => places::approvals;
    /// What is in the environments now: run, version, commit, since when.
    CurrentDeployments = "current_deployments", places::Current => places::current;
    /// What came to environments, the latest first, also what failed.
    QueryDeployments = "query_deployments", places::QueryDeployments => places::deployments;
    /// What is in one environment and not in another: a row a pipeline, with both versions.
    DiffEnvironments = "diff_environments", places::Diff => places::diff;
    /// Where a commit, a pull request or a work item is: the runs, releases and environments that it reached.
    Trace = "trace", changes::Trace => changes::trace;
    /// A number of runs or stages, such as a count, a rate or a duration, by group and time, narrowed by the same filters as runs.
    Aggregate = "aggregate", aggregate::Aggregate => aggregate::aggregate;
    /// The same number in a time and in the one before it, with the change.
    ComparePeriods = "compare_periods", aggregate::Compare => aggregate::compare;
    /// How well is delivered: DORA's five metrics of deployments to production, in a time, in the one before it and in each half of it; the lead time also split into review and deployment.
    Dora = "dora", delivery::Dora => delivery::dora;
}

impl Tool {
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|tool| tool.name() == name)
    }

    /// The names of its arguments.
    #[must_use]
    pub fn arguments(self) -> Vec<String> {
        let properties = self.schema().to_value().get("properties").and_then(Value::as_object).cloned();
        properties.into_iter().flatten().map(|(name, _)| name).collect()
    }

    fn read<A: DeserializeOwned + JsonSchema>(self, arguments: Value) -> Result<A, ToolError> {
        let wrong = |why: &str| ToolError::Arguments { tool: self, why: why.chars().take(300).collect() };
        let arguments = if arguments.is_null() { Value::Object(serde_json::Map::new()) } else { arguments };
        // An array would be taken for the fields in their order.
        if !arguments.is_object() {
            return Err(wrong("they are a JSON object"));
        }
        serde_path_to_error::deserialize(arguments).map_err(|error| wrong(&error.to_string()))
    }
}

impl Desk {
    /// Below the 45 s that actions of GPTs wait.
    pub const PATIENCE: Duration = Duration::from_secs(30);

    /// Asks one question.
    ///
    /// # Errors
    /// [`ToolError`]; all but [`ToolError::Catalog`] are the caller's to mend.
    pub async fn call(&self, name: &str, arguments: Value) -> Result<Found, ToolError> {
        let asking = tokio::time::timeout(self.patience, self.ask(name, arguments));
        asking.await.unwrap_or(Err(ToolError::TooLong(self.patience)))
    }

    async fn ask(&self, name: &str, arguments: Value) -> Result<Found, ToolError> {
        let asked = || name.chars().take(64).collect();
        let tool = Tool::named(name).ok_or_else(|| ToolError::NoSuchTool { asked: asked() })?;
        let mut found = tool.call(self, arguments).await?;
        found.tool = tool.name();
        found.data_through = self.catalog.newest().await?;
        let window = found.window;
        let lost = GapFilter {
            since: Some(window.map_or(self.now, |window| window.from)),
            until: window.map(|window| window.to),
            top: Some(MOST_ROWS),
            ..GapFilter::default()
        };
        found.gaps = self.catalog.gaps(&lost).await?;
        self.link(&mut found.citations).await?;
        Ok(found.cut())
    }

    /// Says where the runs are in Azure DevOps, of those of which it was not found with them.
    async fn link(&self, citations: &mut [Citation]) -> Result<(), CatalogError> {
        let bare: Vec<&mut Citation> = citations.iter_mut().filter(|cited| cited.url.is_none()).collect();
        let runs = bare.iter().map(|cited| (cited.organization.clone(), cited.run_id)).collect();
        for (cited, url) in bare.into_iter().zip(self.catalog.urls_of(runs).await?) {
            cited.url = url;
        }
        Ok(())
    }

    /// The teams that who asks is of, by configuration.
    pub(super) fn own_teams(&self) -> Vec<String> {
        self.asker.as_ref().map(|name| self.owners.teams_of(name)).unwrap_or_default()
    }

    pub(super) fn window(&self, said: Said<'_>) -> Result<Window, WindowError> {
        let is_silent = said.window.is_none() && said.from.is_none() && said.to.is_none();
        if let Some(window) = self.window.filter(|_| is_silent) {
            return Ok(window);
        }
        Window::of(said, USUAL, self.now, self.zone)
    }

    /// Says of each of these values, where there is none like it, which ones there are that the caller may see.
    pub(in crate::ask) async fn near(&self, asked: &[(Named, Option<&String>)]) -> Result<Vec<String>, CatalogError> {
        let mut notes = BTreeSet::new();
        for (named, value) in asked {
            let Some(value) = value else { continue };
            let known = match self.catalog.shows_all() {
                true => Some(self.catalog.known(*named, value).await?),
                false => self.seen(*named, value).await?,
            };
            notes.extend(known.and_then(|known| crate::view::unknown_note(*named, value, &known)));
        }
        Ok(notes.into_iter().collect())
    }

    /// That there is no such thing, and which of the names that it was asked for by are none.
    async fn unknown(&self, what: String, asked: &[(Named, Option<&String>)]) -> Result<ToolError, CatalogError> {
        let near = self.near(asked).await?.into_iter().map(|note| format!(" ({note})")).collect::<String>();
        Ok(ToolError::NotFound { what: format!("{what}{near}") })
    }

    /// The names of this kind in the projects that the caller may see; `None` where looking is too much.
    async fn seen(&self, named: Named, asked: &str) -> Result<Option<Vec<String>>, CatalogError> {
        let pipelines = async || self.catalog.pipelines_of(&PipelineFilter::default()).await;
        Ok(Some(match named {
            Named::Organization => pipelines().await?.into_iter().map(|one| one.organization).collect(),
            Named::Project => pipelines().await?.into_iter().filter_map(|one| one.project).collect(),
            Named::Pipeline => {
                let all = DeploymentFilter { current: true, ..DeploymentFilter::default() };
                let definitions = self.catalog.deployments(&all).await?.into_iter().filter_map(|one| one.pipeline);
                let definitions = definitions.map(|one| (one.id, one.name));
                let pipelines = pipelines().await?.into_iter().map(|one| (one.id, one.name)).chain(definitions);
                pipelines.flat_map(|(id, name)| name.into_iter().chain([id.to_string()])).collect()
            }
            Named::Environment => self.catalog.environment_names().await?,
            Named::Branch => self.seen_branches(asked).await?,
            Named::State | Named::Result | Named::Pool | Named::Person => {
                return self.catalog.known_lately(named).await;
            }
            Named::Status => return Ok(None),
        }))
    }

    /// Those of the newest runs, and the one that was asked for if it is known.
    async fn seen_branches(&self, asked: &str) -> Result<Vec<String>, CatalogError> {
        let mut branches = self.catalog.known_lately(Named::Branch).await?.unwrap_or_default();
        let short: Vec<_> =
            branches.iter().filter_map(|branch| branch.strip_prefix("refs/heads/")).map(str::to_owned).collect();
        branches.extend(short);
        let on_it = RunFilter { branch: Some(asked.to_owned()), top: Some(1), ..RunFilter::default() };
        if !self.catalog.page_of_runs(&on_it).await?.items.is_empty() {
            branches.push(asked.to_owned());
        }
        Ok(branches)
    }
}

/// How many rows are wanted; never more than [`MOST_ROWS`].
fn rows(top: Option<u32>) -> u32 {
    top.unwrap_or(USUAL_ROWS).clamp(1, MOST_ROWS)
}
