use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fact::{Consumed, MOST_RESOURCES, RunFact};
use super::record::RunRecord;
use crate::domain::join::join_greatest;
use crate::domain::labels::text;
use crate::domain::{Change, Join, Label, Said};

/// The pipeline resources of a run, by alias.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Resources(BTreeMap<String, Said<Consumed>>);

impl Resources {
    pub(super) fn of(fact: &RunFact) -> Self {
        let said = |consumed: &Consumed| (consumed.alias.clone(), Said(fact.said, consumed.clone()));
        Self(fact.consumed.iter().map(said).collect())
    }
}

impl Join for Resources {
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
    pub consumed: Vec<Consumed>,
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
            consumed: self
                .consumed
                .iter()
                .flat_map(|all| all.0.values())
                .map(|Said(_, consumed)| consumed.clone())
                .collect(),
        }
    }
}
