//! What a chain is made of, as the catalog holds it: all of one organization.

use crate::domain::link::Certainty;
use crate::domain::{Outcome, State, Time};

/// Everything of one chain in one organization.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    pub organization: String,
    /// Of the source pipelines and of the repositories with the high-level definition.
    pub runs: Vec<Run>,
    /// Of the repositories with the high-level definition.
    pub pull_requests: Vec<PullRequest>,
    /// Those pushed to the repositories with the high-level definition.
    pub hld_commits: Vec<Commit>,
    /// Those pushed to the repositories with the manifests.
    pub manifest_commits: Vec<Commit>,
    /// Commits with the runs that the service says built them, whichever commit those are of.
    pub built: Vec<(String, u64)>,
    /// The stages of classic releases.
    pub releases: Vec<ReleaseStage>,
    /// What came to environments without a high-level definition.
    pub environments: Vec<Arrival>,
    pub syncs: Vec<Sync>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    pub id: u64,
    pub project: Option<String>,
    pub pipeline: u64,
    pub pipeline_name: Option<String>,
    pub number: Option<String>,
    pub state: Option<State>,
    pub result: Option<Outcome>,
    pub reason: Option<String>,
    pub branch: Option<String>,
    pub commit: Option<String>,
    pub repository: Option<String>,
    pub author: Option<String>,
    pub queued: Option<Time>,
    pub started: Option<Time>,
    pub finished: Option<Time>,
    pub url: Option<String>,
    /// State and result of its stages, in the order in which they started.
    pub stages: Vec<(Option<State>, Option<Outcome>)>,
}

impl Run {
    /// A run that only verifies a pull request deploys nothing.
    pub(super) fn only_verifies(&self) -> bool {
        self.reason.as_deref() == Some("pullRequest")
            || self.branch.as_deref().is_some_and(|branch| branch.starts_with("refs/pull/"))
    }

    pub(super) fn is_over(&self) -> bool {
        self.state == Some(State::Completed)
    }

    pub(super) fn succeeded(&self) -> bool {
        self.is_over() && self.result == Some(Outcome::Succeeded)
    }

    /// The image is made first, so a run may fail after it.
    pub(super) fn has_made_its_image(&self) -> bool {
        let is_made = |result: &Outcome| matches!(result, Outcome::Succeeded | Outcome::PartiallySucceeded);
        let first = self.stages.first().and_then(|(_, result)| result.as_ref());
        first.is_some_and(is_made) || self.is_over() && self.result.as_ref().is_some_and(is_made)
    }

    /// The latest that is known of it.
    #[must_use]
    pub fn updated(&self) -> Option<Time> {
        self.finished.or(self.started).or(self.queued)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullRequest {
    pub id: u64,
    pub project: Option<String>,
    pub repository: Option<String>,
    pub title: Option<String>,
    pub status: Option<String>,
    pub source: Option<String>,
    pub target: Option<String>,
    pub created_by: Option<String>,
    pub merged_by: Option<String>,
    pub created: Option<Time>,
    pub closed: Option<Time>,
    /// On the target branch.
    pub merge_commit: Option<String>,
    pub url: Option<String>,
    pub opened: Option<Opened>,
    /// The commits that it is to merge.
    pub sources: Vec<String>,
}

impl PullRequest {
    #[must_use]
    pub fn is_merged(&self) -> bool {
        self.merge_commit.is_some()
    }
}

/// By which run a pull request was opened, as its description says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    pub run: u64,
    pub number: Option<String>,
    pub pipeline: Option<String>,
    pub certainty: Certainty,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    pub id: String,
    pub repository: Option<String>,
    pub author: Option<String>,
    /// The first line.
    pub message: Option<String>,
    pub at: Option<Time>,
    /// With which push: their numbers are a sequence, which tells the order within a second.
    pub push: u64,
    /// A ref was at it after the push: the last of those that were pushed together.
    pub is_tip: bool,
    /// When it was pushed, and to which refs.
    pub pushed: Option<Time>,
    pub refs: Vec<String>,
}

impl Commit {
    pub(super) fn came(&self) -> Option<Time> {
        self.at.or(self.pushed)
    }

    /// Its place among the others of its repository.
    pub(super) fn place(&self) -> (Option<Time>, u64, bool, &str) {
        (self.came(), self.push, self.is_tip, &self.id)
    }

    /// Its place among those that were pushed with it.
    pub(super) fn in_push(&self) -> (bool, Option<Time>, &str) {
        (self.is_tip, self.came(), &self.id)
    }
}

/// What one classic release brought to one of its environments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReleaseStage {
    pub release: u64,
    pub name: Option<String>,
    pub definition_name: Option<String>,
    pub project: String,
    pub environment: String,
    pub state: Option<State>,
    pub result: Option<Outcome>,
    pub started: Option<Time>,
    pub finished: Option<Time>,
    pub url: Option<String>,
    /// The runs that its artifacts are of.
    pub runs: Vec<u64>,
    /// The tags of its images.
    pub tags: Vec<String>,
    pub by: Option<String>,
}

/// What a run or a release brought to an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    pub run: Run,
    pub environment_id: Option<u64>,
    /// As it is called now.
    pub environment: String,
    pub stage: String,
    pub attempt: u32,
    pub state: Option<State>,
    pub result: Option<Outcome>,
    pub started: Option<Time>,
    pub finished: Option<Time>,
    pub rule: String,
    pub certainty: Certainty,
}

/// What a cluster said of a commit of the manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    pub cluster: String,
    pub commit: String,
    pub succeeded: bool,
    /// The cluster's own word.
    pub state: String,
    pub message: Option<String>,
    pub at: Time,
}
