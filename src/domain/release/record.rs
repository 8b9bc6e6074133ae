use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ReleaseFact;
use crate::domain::columns::{Cell, Columns, texts, times};
use crate::domain::join::{join_greatest, join_max};
use crate::domain::run::room;
use crate::domain::run::{
    Approval, Attempts, ROOM_OF_APPROVALS, ROOM_OF_STAGES, ShownApproval, ShownStage, labels, shown_approvals,
    shown_stage,
};
use crate::domain::{ApprovalStatus, ArtifactPart, Change, Join, Label, ReleaseKey, ReleaseStatus, Said, State, Time};

/// The artifacts of a release that are kept: those with the greatest aliases.
const MOST_ARTIFACTS: usize = 40;
/// Of each of them. More parts are known only to a newer program.
const MOST_PARTS: usize = 16;

/// The join of all that was said about one release.
///
/// What is kept of environments and approvals is bounded as for the stages and approvals of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRecord {
    v: u32,
    /// Stored beside it.
    #[serde(skip)]
    key: ReleaseKey,
    #[serde(default, with = "labels")]
    labels: BTreeMap<Label, Said<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<Said<ReleaseStatus>>,
    /// The earliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<Reverse<Time>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    environments: BTreeMap<String, Attempts>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    approvals: BTreeMap<String, Approval>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    artifacts: BTreeMap<String, Artifact>,
    /// The last time at which anything was said of it.
    said: Time,
    #[serde(flatten)]
    unknown: BTreeMap<String, serde_json::Value>,
}

/// What is known of an artifact, part by part: events leave out the version, and do not say that there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Artifact(BTreeMap<ArtifactPart, Said<String>>);

impl Join for Artifact {
    fn join(&mut self, other: Self) -> Change {
        join_greatest(&mut self.0, other.0, MOST_PARTS)
    }
}

/// A release as it is shown. What is not known is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownRelease {
    pub key: ReleaseKey,
    pub name: Option<String>,
    /// With the time it was said: it gets renamed.
    pub project_name: Option<Said<String>>,
    pub definition_id: Option<String>,
    pub definition_name: Option<String>,
    pub status: Option<ReleaseStatus>,
    pub reason: Option<String>,
    pub created_by: Option<String>,
    pub created: Option<Time>,
    pub url: Option<String>,
    /// In the order in which they started; those that did not, last.
    pub environments: Vec<ShownStage>,
    pub approvals: Vec<ShownApproval>,
    pub artifacts: Vec<ShownArtifact>,
}

/// What a release was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShownArtifact {
    pub alias: String,
    /// `Build` and the like.
    pub kind: Option<String>,
    pub source_id: Option<String>,
    pub source_name: Option<String>,
    pub version_id: Option<String>,
    pub version_name: Option<String>,
    pub branch: Option<String>,
    /// It names the release.
    pub primary: bool,
}

impl ShownArtifact {
    /// The run that made it, by its id, which is that of the build. Certain, or nothing: a build's number is used again,
    /// and what else stands in the place of a version is no run.
    ///
    /// <https://learn.microsoft.com/rest/api/azure/devops/release/releases/get-release#artifact>
    #[must_use]
    pub fn run(&self) -> Option<u64> {
        let id = self.version_id.as_deref().filter(|_| self.kind.as_deref() == Some("Build"))?;
        id.parse().ok().filter(|id| (1..=i64::MAX.unsigned_abs()).contains(id))
    }
}

impl ReleaseRecord {
    /// The version of the stored form. A record with a greater one is not for this program.
    pub const VERSION: u32 = 1;

    pub(crate) fn decode(key: &ReleaseKey, text: &str) -> serde_json::Result<Self> {
        Ok(Self { key: key.clone(), ..serde_json::from_str(text)? })
    }

    /// The record of nothing but `fact`.
    #[must_use]
    pub fn of(fact: &ReleaseFact) -> Self {
        let mut record = Self {
            v: Self::VERSION,
            key: fact.key.clone(),
            labels: BTreeMap::new(),
            status: fact.status.clone().map(|status| Said(fact.said, status)),
            created: fact.created.map(Reverse),
            environments: environments(fact),
            approvals: approvals(fact),
            artifacts: artifacts(fact),
            said: fact.said,
            unknown: BTreeMap::new(),
        };
        for (label, text) in &fact.labels {
            record.labels.absorb(BTreeMap::from([(label.clone(), Said(fact.said, text.clone()))]));
        }
        room::cut(&mut record.environments, ROOM_OF_STAGES);
        room::cut(&mut record.approvals, ROOM_OF_APPROVALS);
        record
    }

    /// Joins what `fact` says, which is about the same release.
    pub fn add(&mut self, fact: &ReleaseFact) {
        self.absorb(Self::of(fact));
    }

    pub(crate) fn keep_unknown(&mut self, other: &Self) {
        self.unknown.absorb(other.unknown.clone());
    }

    #[must_use]
    pub fn key(&self) -> &ReleaseKey {
        &self.key
    }

    /// When the last was said of it, if nothing is under way: it was abandoned, or no deployment and no approval is
    /// open.
    pub(crate) fn ended(&self) -> Option<Time> {
        let shown = self.shown();
        let idle = |stage: &ShownStage| matches!(stage.state, None | Some(State::Completed | State::NotStarted));
        let decided = |approval: &ShownApproval| approval.status != ApprovalStatus::Pending;
        let over = shown.status == Some(ReleaseStatus::Abandoned)
            || (shown.environments.iter().all(idle) && shown.approvals.iter().all(decided));
        over.then_some(self.said)
    }

    pub(crate) fn is_shown_like(&self, other: &Self) -> bool {
        self.shown() == other.shown()
    }

    pub(crate) fn columns(&self) -> Columns {
        let shown = self.shown();
        let texts = texts([
            ("organization", Some(shown.key.organization)),
            ("project", shown.project_name.map(|Said(_, name)| name)),
            ("definition", shown.definition_name),
            ("name", shown.name),
            ("status", shown.status.map(|status| status.as_str().to_owned())),
            ("createdBy", shown.created_by),
        ]);
        let id = [("releaseId", Cell::Number(shown.key.release))];
        texts.chain(id).chain(times([("createdAt", shown.created)])).collect()
    }

    /// Weighs the statements of the record.
    #[must_use]
    pub fn shown(&self) -> ShownRelease {
        let status = self.status.as_ref().map(|Said(_, status)| status.clone());
        let approvals = shown_approvals(&self.approvals, status == Some(ReleaseStatus::Abandoned));
        let label = |label: Label| self.labels.get(&label).map(|Said(_, text)| text.clone());
        ShownRelease {
            key: self.key.clone(),
            name: label(Label::RunName),
            project_name: self.labels.get(&Label::ProjectName).cloned(),
            definition_id: label(Label::DefinitionId),
            definition_name: label(Label::PipelineName),
            status,
            reason: label(Label::Reason),
            created_by: label(Label::RequestedFor),
            created: self.created.map(|Reverse(created)| created),
            url: label(Label::Url),
            environments: self.shown_environments(),
            approvals,
            artifacts: self.artifacts.iter().map(|(alias, artifact)| artifact.shown(alias)).collect(),
        }
    }

    fn shown_environments(&self) -> Vec<ShownStage> {
        let shown = |(name, attempts): (&String, &Attempts)| {
            let name = name.clone();
            attempts.shown().into_iter().map(move |attempt| shown_stage(&name, attempt))
        };
        let mut shown: Vec<_> = self.environments.iter().flat_map(shown).collect();
        shown.sort_by_cached_key(|stage| (stage.started.is_none(), stage.started, stage.name.clone(), stage.attempt));
        shown
    }
}

impl Artifact {
    fn shown(&self, alias: &str) -> ShownArtifact {
        let part = |part: ArtifactPart| self.0.get(&part).map(|Said(_, text)| text.clone());
        ShownArtifact {
            alias: alias.to_owned(),
            kind: part(ArtifactPart::Kind),
            source_id: part(ArtifactPart::SourceId),
            source_name: part(ArtifactPart::SourceName),
            version_id: part(ArtifactPart::VersionId),
            version_name: part(ArtifactPart::VersionName),
            branch: part(ArtifactPart::Branch),
            primary: part(ArtifactPart::Primary).is_some(),
        }
    }
}

fn environments(fact: &ReleaseFact) -> BTreeMap<String, Attempts> {
    let mut environments: BTreeMap<String, Attempts> = BTreeMap::new();
    for said in &fact.environments {
        let attempts = environments.entry(said.name.clone()).or_default();
        attempts.add(said.attempt, fact.kind.speaker_on_environment(), said.state.clone(), said.says.clone());
    }
    environments
}

fn approvals(fact: &ReleaseFact) -> BTreeMap<String, Approval> {
    let mut approvals: BTreeMap<String, Approval> = BTreeMap::new();
    for approval in &fact.approvals {
        let said = BTreeMap::from([(approval.status.clone(), approval.says.clone())]);
        approvals.entry(approval.id.clone()).or_default().absorb(said);
    }
    approvals
}

fn artifacts(fact: &ReleaseFact) -> BTreeMap<String, Artifact> {
    let mut artifacts: BTreeMap<String, Artifact> = BTreeMap::new();
    for artifact in &fact.artifacts {
        let known = artifacts.entry(artifact.alias.clone()).or_default();
        for (part, text) in &artifact.parts {
            known.absorb(Artifact(BTreeMap::from([(part.clone(), Said(fact.said, text.clone()))])));
        }
    }
    while artifacts.len() > MOST_ARTIFACTS {
        artifacts.pop_first();
    }
    artifacts
}

/// Join part by part. Both must be about the same release.
impl Join for ReleaseRecord {
    fn join(&mut self, other: Self) -> Change {
        debug_assert_eq!(self.key, other.key, "records of different releases");
        join_max(&mut self.v, other.v)
            .or(self.labels.join(other.labels))
            .or(join_max(&mut self.status, other.status))
            .or(join_max(&mut self.created, other.created))
            .or(room::join(&mut self.environments, other.environments, ROOM_OF_STAGES))
            .or(room::join(&mut self.approvals, other.approvals, ROOM_OF_APPROVALS))
            .or(join_greatest(&mut self.artifacts, other.artifacts, MOST_ARTIFACTS))
            .or(join_max(&mut self.said, other.said))
            .or(self.unknown.join(other.unknown))
    }
}
