use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::fact::{CommitRole, PullRequestFact, StatusSaid, Vote};
use crate::domain::columns::{Cell, Columns, texts, times};
use crate::domain::join::{absorb_greatest, join_greatest, join_max};
use crate::domain::labels::{self, Labels, text};
use crate::domain::{Change, Join, Label, PullRequestKey, PullRequestStatus, Said, Time, entries};

const MOST_STATUSES: usize = 20;
const MOST_COMMITS: usize = 1_000;
const MOST_VOTES: usize = 200;

/// The join of all that was said about one pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequestRecord {
    v: u32,
    /// Stored beside it.
    #[serde(skip)]
    key: PullRequestKey,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    statuses: BTreeMap<PullRequestStatus, StatusSaid>,
    /// When each was said last.
    #[serde(default, with = "entries")]
    commits: BTreeMap<(CommitRole, String), Time>,
    #[serde(default)]
    votes: BTreeMap<String, Said<Vote>>,
    /// The earliest time at which an approving vote was told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    approved: Option<Reverse<Time>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    work_items: Option<Box<Said<Vec<u64>>>>,
    #[serde(flatten)]
    unknown: BTreeMap<String, serde_json::Value>,
}

/// A pull request as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownPullRequest {
    pub key: PullRequestKey,
    pub project_id: Option<String>,
    pub project_name: Option<Said<String>>,
    pub repository: Option<String>,
    /// The ref that the repository said is its default branch.
    pub default_branch: Option<Said<String>>,
    pub title: Option<String>,
    pub description: Option<String>,
    pub status: Option<PullRequestStatus>,
    pub merge_status: Option<String>,
    pub source: Option<String>,
    pub target: Option<String>,
    pub created_by: Option<String>,
    /// Who completed it; `None` of one that is not.
    pub merged_by: Option<String>,
    pub url: Option<String>,
    pub created: Option<Time>,
    /// At the latest, and not after the close: an event that tells of a vote anew may be written after it. `None` where
    /// no event told of it.
    pub first_approved: Option<Time>,
    pub closed: Option<Time>,
    /// On the target branch; only of one that is completed.
    pub merge_commit: Option<String>,
    pub sources: Vec<ShownSource>,
    pub votes: Vec<Vote>,
    pub work_items: Vec<u64>,
}

/// A commit that a pull request is to merge, or was to merge once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownSource {
    pub id: String,
    /// It is so by the latest word. Otherwise it may have been pushed away.
    pub is_current: bool,
}

impl Join for StatusSaid {
    fn join(&mut self, other: Self) -> Change {
        join_max(self, other)
    }
}

impl PullRequestRecord {
    /// The version of the stored form. A record with a greater one is not for this program.
    pub const VERSION: u32 = 1;

    pub(crate) fn decode(key: &PullRequestKey, text: &str) -> serde_json::Result<Self> {
        Ok(Self { key: key.clone(), ..serde_json::from_str(text)? })
    }

    /// The record of nothing but `fact`.
    #[must_use]
    pub fn of(fact: &PullRequestFact) -> Self {
        let mut record = Self {
            v: Self::VERSION,
            key: fact.key.clone(),
            labels: labels::said(fact.said, &fact.labels),
            statuses: fact.status.clone().into_iter().collect(),
            commits: BTreeMap::new(),
            votes: BTreeMap::new(),
            approved: fact.approved.map(Reverse),
            work_items: fact.work_items.clone().map(|items| Box::new(Said(fact.said, items))),
            unknown: BTreeMap::new(),
        };
        let commits = fact.commits.iter().map(|commit| (commit.clone(), fact.said)).collect();
        let votes = fact.votes.iter().map(|said| (said.id.clone(), Said(fact.said, said.vote.clone()))).collect();
        absorb_greatest(&mut record.commits, commits, MOST_COMMITS);
        absorb_greatest(&mut record.votes, votes, MOST_VOTES);
        record
    }

    /// Joins what `fact` says, which is about the same pull request.
    pub fn add(&mut self, fact: &PullRequestFact) {
        self.absorb(Self::of(fact));
    }

    pub(crate) fn keep_unknown(&mut self, other: &Self) {
        self.unknown.absorb(other.unknown.clone());
    }

    #[must_use]
    pub fn key(&self) -> &PullRequestKey {
        &self.key
    }

    /// The one that shows: completed, which nothing follows, else the one said last.
    fn status(&self) -> Option<(&PullRequestStatus, &StatusSaid)> {
        let completed = self.statuses.get_key_value(&PullRequestStatus::Completed);
        completed.or_else(|| self.statuses.iter().max_by_key(|(_, says)| says.said))
    }

    pub(crate) fn ended(&self) -> Option<Time> {
        let (status, says) = self.status()?;
        let last = self.statuses.values().map(|says| says.said.max(says.closed.unwrap_or(says.said))).max();
        let is_over = *status != PullRequestStatus::Active && says.closed.is_some();
        last.filter(|_| is_over)
    }

    /// What was said last in this role, and when.
    fn latest(&self, role: CommitRole) -> (Option<Time>, BTreeSet<&str>) {
        let of = || self.commits.iter().filter(|((known, _), _)| *known == role);
        let at = of().map(|(_, said)| *said).max();
        (at, of().filter(|(_, said)| Some(**said) == at).map(|((_, id), _)| id.as_str()).collect())
    }

    /// The latest list counts until a later word names a head that is not in it: which of the list were pushed away then,
    /// nobody says.
    fn sources(&self) -> Vec<ShownSource> {
        let (listed_at, list) = self.latest(CommitRole::Source);
        let (headed_at, heads) = self.latest(CommitRole::Head);
        let list_counts = listed_at >= headed_at || heads.is_subset(&list);
        let head_counts = headed_at >= listed_at && heads.len() == 1;
        let is_current = |id: &str| (list_counts && list.contains(id)) || (head_counts && heads.contains(id));
        let ever = self.commits.keys().filter(|(role, _)| *role != CommitRole::Merge).map(|(_, id)| id);
        let ever: BTreeSet<&String> = ever.collect();
        ever.into_iter().map(|id| ShownSource { id: id.clone(), is_current: is_current(id) }).collect()
    }

    #[must_use]
    pub fn shown(&self) -> ShownPullRequest {
        let label = |label: Label| text(&self.labels, &label);
        let status = self.status();
        let is_completed = matches!(status, Some((PullRequestStatus::Completed, _)));
        let merges = self.commits.iter().filter(|((role, _), _)| *role == CommitRole::Merge);
        let over = status.filter(|(status, _)| **status != PullRequestStatus::Active);
        let closed = over.and_then(|(_, says)| says.closed);
        let merge = merges.max_by_key(|((_, id), said)| (**said, id.clone())).map(|((_, id), _)| id.clone());
        ShownPullRequest {
            key: self.key.clone(),
            project_id: label(Label::ProjectId),
            project_name: self.labels.get(&Label::ProjectName).cloned(),
            repository: label(Label::Repository),
            default_branch: self.labels.get(&Label::DefaultBranch).cloned(),
            title: label(Label::Title),
            description: label(Label::Description),
            status: status.map(|(status, _)| status.clone()),
            merge_status: label(Label::MergeStatus),
            source: label(Label::SourceBranch),
            target: label(Label::TargetBranch),
            created_by: label(Label::CreatedBy),
            merged_by: label(Label::ClosedBy).filter(|_| is_completed),
            url: label(Label::Url),
            created: self.statuses.values().filter_map(|says| says.created).min(),
            first_approved: self.approved.map(|Reverse(at)| closed.map_or(at, |closed| at.min(closed))),
            closed,
            merge_commit: merge.filter(|_| is_completed),
            sources: self.sources(),
            votes: self.votes.values().map(|Said(_, vote)| vote.clone()).collect(),
            work_items: self.work_items.as_ref().map(|said| said.1.clone()).unwrap_or_default(),
        }
    }

    pub(crate) fn is_shown_like(&self, other: &Self) -> bool {
        self.shown() == other.shown()
    }

    pub(crate) fn columns(&self) -> Columns {
        let shown = self.shown();
        let texts = texts([
            ("organization", Some(shown.key.organization)),
            ("project", shown.project_name.map(|Said(_, name)| name)),
            ("repository", shown.repository),
            ("title", shown.title),
            ("status", shown.status.map(|status| status.as_str().to_owned())),
            ("source", shown.source),
            ("target", shown.target),
            ("createdBy", shown.created_by),
            ("mergeCommit", shown.merge_commit),
        ]);
        let times = times([
            ("createdAt", shown.created),
            ("firstApprovedAt", shown.first_approved),
            ("closedAt", shown.closed),
        ]);
        [("pullRequestId", Cell::Number(shown.key.id))].into_iter().chain(texts).chain(times).collect()
    }
}

/// Join part by part. Both must be about the same pull request.
impl Join for PullRequestRecord {
    fn join(&mut self, other: Self) -> Change {
        debug_assert_eq!(self.key, other.key, "records of different pull requests");
        join_max(&mut self.v, other.v)
            .or(self.labels.join(other.labels))
            .or(join_greatest(&mut self.statuses, other.statuses, MOST_STATUSES))
            .or(join_greatest(&mut self.commits, other.commits, MOST_COMMITS))
            .or(join_greatest(&mut self.votes, other.votes, MOST_VOTES))
            .or(join_max(&mut self.approved, other.approved))
            .or(join_max(&mut self.work_items, other.work_items))
            .or(self.unknown.join(other.unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The event of the vote itself was lost: the next that tells of it comes after the close.
    #[test]
    fn nobody_approved_after_the_close() {
        let at = Time::from_ticks;
        let shown = |status: &str, closed: Option<i64>, approved: i64| {
            let says = StatusSaid { said: at(50), created: None, closed: closed.map(at) };
            let fact = PullRequestFact::new(PullRequestKey::new("fabrikam", "9a0d", 88), at(50));
            let status = Some((PullRequestStatus::from(status), says));
            let fact = PullRequestFact { status, approved: Some(at(approved)), ..fact };
            PullRequestRecord::of(&fact).shown().first_approved
        };
        assert_eq!(shown("completed", Some(40), 45), Some(at(40)));
        assert_eq!(shown("abandoned", Some(40), 45), Some(at(40)));
        assert_eq!(shown("completed", Some(40), 30), Some(at(30)));
        assert_eq!(shown("completed", None, 45), Some(at(45)));
        assert_eq!(shown("active", Some(40), 45), Some(at(45)), "it was opened again");
    }
}
