//! What there is to count from. Whoever makes one has asked a catalog.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::RandomState;
use indexmap::IndexSet;
use serde::Serialize;
use smallvec::SmallVec;
use utoipa::ToSchema;

use super::{Commit, Commits};
use crate::domain::Time;

/// A text that many things share.
pub type Name = Arc<str>;

/// All that is known that has to do with a time.
#[derive(Clone, Debug, Default)]
pub struct Material {
    pub lines: Vec<Line>,
    /// In any order, as all of these.
    pub deployments: Vec<Deployed>,
    pub origins: IndexSet<Origin, RandomState>,
    pub branches: IndexSet<Branch, RandomState>,
    pub updates: Vec<Update>,
    pub requests: Vec<MergedRequest>,
    pub titles: Titles,
    /// All that anything else speaks of.
    pub commits: Commits,
    pub incidents: Vec<Incident>,
    /// Of what anybody ever told of an incident.
    pub incident_sources: BTreeSet<Part>,
    /// Times in which events were lost, and have not been asked for again.
    pub gaps: Vec<Lost>,
    /// Nothing is known of what was before.
    pub since: Option<Time>,
}

/// A part of an organization that something is known of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    pub organization: Name,
    /// Its name, or else its id; `None` where it is all of them.
    pub project: Option<Name>,
}

impl Part {
    #[must_use]
    pub fn holds(&self, line: &Line) -> bool {
        let is = |project: &Name| {
            let known = [&line.project, &line.project_id].into_iter().flatten();
            known.into_iter().any(|known| known.eq_ignore_ascii_case(project))
        };
        self.organization == line.organization && self.project.as_ref().is_none_or(is)
    }
}

/// A time in which events were lost; without an end it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    pub of: Part,
    pub from: Time,
    pub until: Option<Time>,
}

impl Material {
    pub(super) fn origin(&self, of: &Deployed) -> Option<&Origin> {
        self.origins.get_index(of.origin)
    }

    pub(super) fn organization(&self, of: &Deployed) -> &str {
        self.lines.get(of.line).map(|line| &*line.organization).unwrap_or_default()
    }

    /// The order in which things came, wherever; what came to several environments at once in the order of their names.
    pub(super) fn rank<'m>(&'m self, of: &'m Deployed) -> impl Ord + use<'m> {
        let stage = self.origin(of).map(|origin| &origin.stage);
        (of.finished, of.run, of.attempt, stage, self.lines.get(of.line).map(|line| &line.environment))
    }
}

/// What comes by one pipeline to one environment: each deployment follows on the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub organization: Name,
    /// Its name, or else its id.
    pub project: Option<Name>,
    pub project_id: Option<Name>,
    pub source: Source,
    /// Of a release the definition; zero where nothing is known of it.
    pub pipeline: u64,
    pub pipeline_name: Option<Name>,
    /// Where the pipeline stands.
    pub folder: Option<Name>,
    pub environment: Name,
    pub production: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    Pipeline,
    Release,
    /// Somebody told of it.
    Reported,
}

/// How a deployment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Ending {
    Succeeded,
    PartiallySucceeded,
    Failed,
}

/// How it is known that something is a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Known {
    /// The environment, the release, or who deployed tells so: certain.
    Record,
    /// Other attempts of the stage left records: likely.
    Stage,
    /// An approval that the stage waited for guards the environment: likely.
    Approval,
    /// Its name says so, or the configuration.
    Pattern,
}

/// Something that was deployed, or was tried to be. There are tens of thousands of these, and they are looked at often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// Index into [`Material::lines`].
    pub line: usize,
    /// Index into [`Material::origins`].
    pub origin: usize,
    /// The run, or the release; of what was told of a number that grows with the time.
    pub run: u64,
    pub attempt: u32,
    pub known: Known,
    pub ending: Ending,
    /// Who told of it calls it a fix.
    pub is_fix: bool,
    pub finished: Time,
    pub commit: Option<Commit>,
    /// Of most pushes alone tell.
    pub brought: Option<Box<Brought>>,
}

/// Where deployments came from: many have the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Empty where the whole run deployed.
    pub stage: Name,
    /// The full ref.
    pub branch: Option<Name>,
    pub repository: Option<Name>,
    pub requested_for: Option<Name>,
}

/// What is said of the commits that came with a deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brought {
    /// By who told of it: this comes before what pushes tell.
    pub told: Vec<Commit>,
    /// Those between it and the one before it, where the service was asked to compare the two.
    pub compared: Vec<Commit>,
    /// Those that the runs since the one before it built, as far as anybody asked.
    pub built: Vec<Commit>,
}

impl Deployed {
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.ending != Ending::Failed
    }
}

/// A branch that was pushed to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Branch {
    pub organization: Name,
    /// In small letters.
    pub repository: Option<Name>,
    /// The full ref.
    pub name: Name,
}

/// That a branch was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Index into [`Material::branches`].
    pub branch: usize,
    /// `None` where the branch is new.
    pub old: Option<Commit>,
    pub new: Commit,
    pub commits: Few,
}

/// Commits that something is said to consist of: mostly one.
pub type Few = SmallVec<[Commit; 4]>;

/// A pull request that was merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedRequest {
    pub organization: Name,
    pub number: u64,
    /// Empty where nobody told.
    pub title: Title,
    /// Its branch, likewise.
    pub source: Title,
    pub created: Option<Time>,
    pub approved: Option<Time>,
    pub merge: Commit,
    /// The commits that it was made of.
    pub commits: Few,
}

/// What pull requests are called: hardly any two have the same, so these stand one behind the other.
#[derive(Clone, Debug, Default)]
pub struct Titles(String);

/// Where one of [`Titles`] stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Title(Range<usize>);

impl Titles {
    pub fn add(&mut self, text: &str) -> Title {
        let from = self.0.len();
        self.0.push_str(text);
        Title(from..self.0.len())
    }

    pub(super) fn get(&self, title: &Title) -> &str {
        self.0.get(title.0.clone()).unwrap_or_default()
    }
}

/// Something went wrong in production.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    pub organization: Name,
    /// Its name; `None` where it may be of any.
    pub project: Option<Name>,
    /// Such as `work item 12`.
    pub id: Name,
    pub opened: Time,
    pub resolved: Option<Time>,
    /// The run that it names as its cause.
    pub run: Option<u64>,
    /// The name or id of the pipeline that it names.
    pub pipeline: Option<Name>,
    pub environment: Option<Name>,
    /// The commit whose deployment it names.
    pub commit: Option<Commit>,
}
