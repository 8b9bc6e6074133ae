use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fact::{Consumed, MOST_RESOURCES};
use super::record::RunRecord;
use crate::domain::join::join_greatest;
use crate::domain::labels::text;
use crate::domain::{Change, Join, Label, Said, Time};

/// The resources of one kind of a run, by alias.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Resources<T>(BTreeMap<String, Said<T>>);

impl<T> Default for Resources<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Clone> Resources<T> {
    pub(super) fn of(said: Time, resources: &[T], alias: impl Fn(&T) -> &str) -> Self {
        let entry = |resource: &T| (alias(resource).to_owned(), Said(said, resource.clone()));
        Self(resources.iter().map(entry).collect())
    }

    pub(super) fn named(&self, alias: &str) -> Option<&T> {
        self.0.get(alias).map(|Said(_, resource)| resource)
    }

    fn shown(&self) -> impl Iterator<Item = T> {
        self.0.values().map(|Said(_, resource)| resource.clone())
    }
}

impl<T: Ord> Join for Resources<T> {
    fn join(&mut self, other: Self) -> Change {
        join_greatest(&mut self.0, other.0, MOST_RESOURCES)
    }
}

/// Where a run comes from: what links are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShownOrigin {
    pub repository_id: Option<String>,
    /// As the service calls it: `TfsGit` and `azureReposGit` are its own, others are not.
    pub repository_type: Option<String>,
    pub trigger: Option<ShownTrigger>,
    /// The id of the run whose completion started this one.
    pub triggered_by: Option<u64>,
    /// The commit whose push started it.
    pub pushed_commit: Option<String>,
    /// The number of the pull request that it verifies.
    pub pull_request: Option<u64>,
    /// The id or name of the repository that the trigger says the pull request is in: that of the run may be another one.
    pub pull_request_repository: Option<String>,
    pub is_of_fork: bool,
    pub consumed: Vec<Consumed>,
    /// The images of containers that it uses.
    pub images: Vec<String>,
}

/// The run that a pipeline resource says started this one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShownTrigger {
    pub id: Option<u64>,
    /// The name of its pipeline.
    pub pipeline: Option<String>,
    /// Its number.
    pub version: Option<String>,
}

impl RunRecord {
    pub(super) fn shown_origin(&self) -> ShownOrigin {
        let label = |label: Label| text(&self.labels, &label);
        let number = |of: Label| label(of).and_then(|text| text.parse().ok()).filter(|id| *id > 0);
        let trigger = ShownTrigger {
            id: number(Label::TriggerRun),
            pipeline: label(Label::TriggerPipeline),
            version: label(Label::TriggerVersion),
        };
        ShownOrigin {
            repository_id: label(Label::RepositoryId),
            repository_type: label(Label::RepositoryType),
            trigger: Some(trigger).filter(|trigger| *trigger != ShownTrigger::default()),
            triggered_by: number(Label::TriggeredBy),
            pushed_commit: label(Label::PushedCommit),
            pull_request: number(Label::PullRequest),
            pull_request_repository: label(Label::PullRequestRepository),
            is_of_fork: label(Label::PullRequestFork).is_some(),
            consumed: self.consumed.iter().flat_map(|all| all.shown()).collect(),
            images: self.images.iter().flat_map(|all| all.shown()).map(|used| used.image).collect(),
        }
    }
}
