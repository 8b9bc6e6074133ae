use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// Names a run everywhere: run ids and pipeline ids are sequences of the organization.
///
/// The pipeline is part of the key because it is part of the partition key on Azure Table Storage, and
/// keys must come from the event alone. Ids are at most [`i64::MAX`], the largest that a table holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunKey {
    /// Canonical: lower case.
    pub organization: String,
    pub pipeline: u64,
    pub run: u64,
}

/// Names a stream of events, of which some were lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GapKey {
    /// Canonical: lower case.
    pub organization: String,
    /// The project's id; empty for all projects.
    pub project: String,
    /// The event type.
    pub events: String,
}

/// Names an incident: by the id that it has where people look after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncidentKey {
    /// Canonical: lower case.
    pub organization: String,
    pub id: String,
}

impl IncidentKey {
    /// `None` where the id is none that a table's key may hold as it is: then two incidents could become one. Upper and
    /// lower case are the same.
    #[must_use]
    pub fn new(organization: &str, id: &str) -> Option<Self> {
        let kept = plain(id);
        let is_whole = !kept.is_empty() && kept == id.to_lowercase();
        is_whole.then(|| Self { organization: organization.to_lowercase(), id: kept })
    }
}

/// Names what somebody told of: by what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReportKey {
    /// Canonical: lower case.
    pub organization: String,
    /// Of the repository or pipeline.
    pub subject: String,
    /// A hash, in hexadecimal.
    pub says: String,
}

impl ReportKey {
    /// See `plain` for what is left of the subject; `says` is the whole of what was told.
    #[must_use]
    pub fn new(organization: &str, subject: &str, says: &str) -> Self {
        let digest = Sha256::digest(says.as_bytes());
        let says = digest.iter().take(16).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        Self { organization: organization.to_lowercase(), subject: plain(subject), says }
    }
}

/// Names a push. Ids of pushes are a sequence of the organization; the repository is part of the key as a pipeline is of
/// a run's.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PushKey {
    /// Canonical: lower case.
    pub organization: String,
    /// The repository's id.
    pub repository: String,
    pub push: u64,
}

impl PushKey {
    /// Of the repository only what a table's key may hold.
    #[must_use]
    pub fn new(organization: &str, repository: &str, push: u64) -> Self {
        Self { organization: organization.to_lowercase(), repository: plain(repository), push }
    }
}

/// Names a pull request. Their ids are a sequence of the organization.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PullRequestKey {
    /// Canonical: lower case.
    pub organization: String,
    /// The repository's id.
    pub repository: String,
    pub id: u64,
}

impl PullRequestKey {
    /// Of the repository only what a table's key may hold.
    #[must_use]
    pub fn new(organization: &str, repository: &str, id: u64) -> Self {
        Self { organization: organization.to_lowercase(), repository: plain(repository), id }
    }
}

/// Names a work item. Their ids are a sequence of the organization.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkItemKey {
    /// Canonical: lower case.
    pub organization: String,
    pub id: u64,
}

impl WorkItemKey {
    /// So many work items stand in one partition.
    const A_PARTITION: u64 = 1_000;

    fn partition(&self) -> u64 {
        self.id / Self::A_PARTITION
    }
}

impl GapKey {
    /// See `plain` for what is left of project and events.
    #[must_use]
    pub fn new(organization: &str, project: &str, events: &str) -> Self {
        Self { organization: organization.to_lowercase(), project: plain(project), events: plain(events) }
    }
}

const MOST_OF_A_KEY: usize = 200;

/// Names a release of the classic pipelines: their ids are sequences of the project.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseKey {
    /// Canonical: lower case.
    pub organization: String,
    /// The project's id; its name where nothing says the id.
    pub project: String,
    pub release: u64,
}

impl ReleaseKey {
    /// See `plain` for what is left of the project.
    #[must_use]
    pub fn new(organization: &str, project: &str, release: u64) -> Self {
        Self { organization: organization.to_lowercase(), project: plain(project), release }
    }
}

/// Names a commit of manifests that clusters tell of.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterKey {
    /// Canonical: lower case.
    pub organization: String,
    /// Its full hash, in small letters.
    pub commit: String,
}

impl ClusterKey {
    /// See `plain` for what is left of the commit.
    #[must_use]
    pub fn new(organization: &str, commit: &str) -> Self {
        Self { organization: organization.to_lowercase(), commit: plain(commit) }
    }
}

/// Names what one run brought to one environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeploymentKey {
    /// Canonical: lower case.
    pub organization: String,
    /// The id of the environment's project.
    pub project: String,
    pub environment: u64,
    pub run: u64,
}

impl DeploymentKey {
    /// See `plain` for what is left of the project.
    #[must_use]
    pub fn new(organization: &str, project: &str, environment: u64, run: u64) -> Self {
        Self { organization: organization.to_lowercase(), project: plain(project), environment, run }
    }
}

/// Only letters, digits and `.:_-` are kept, in lower case, and only so many: it is part of a table's key.
fn plain(text: &str) -> String {
    let plain = text.chars().filter(|c| c.is_ascii_alphanumeric() || ".:_-".contains(*c));
    plain.take(MOST_OF_A_KEY).collect::<String>().to_lowercase()
}

/// Names a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The commits of a run.
    Changes(RunKey),
    /// What clusters say of a commit.
    Cluster(ClusterKey),
    Deployment(DeploymentKey),
    Gap(GapKey),
    Incident(IncidentKey),
    PullRequest(PullRequestKey),
    Push(PushKey),
    Release(ReleaseKey),
    /// What somebody told of.
    Report(ReportKey),
    Run(RunKey),
    WorkItem(WorkItemKey),
}

/// A text that is not a record's key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the key of a record")]
pub struct ParseKeyError(String);

impl Key {
    /// What the partitions of each kind begin with, before a `|`; in their order. A store asks for these kinds and so
    /// leaves out those that only a newer program knows.
    pub const KINDS: [&str; 11] =
        ["changes", "cluster", "deployment", "gap", "incident", "pr", "push", "release", "report", "run", "workitem"];

    /// Whose record it is.
    #[must_use]
    pub fn organization(&self) -> &str {
        match self {
            Self::Cluster(key) => &key.organization,
            Self::Deployment(key) => &key.organization,
            Self::Gap(key) => &key.organization,
            Self::Incident(key) => &key.organization,
            Self::Release(key) => &key.organization,
            Self::Report(key) => &key.organization,
            Self::PullRequest(key) => &key.organization,
            Self::Push(key) => &key.organization,
            Self::Changes(key) | Self::Run(key) => &key.organization,
            Self::WorkItem(key) => &key.organization,
        }
    }

    /// What people call one of its kind, and several.
    #[must_use]
    pub const fn nouns(&self) -> (&'static str, &'static str) {
        match self {
            Self::Changes(_) => ("list of a run's commits", "lists of runs' commits"),
            Self::Cluster(_) => ("state of a commit in clusters", "states of commits in clusters"),
            Self::Deployment(_) => ("deployment", "deployments"),
            Self::Gap(_) => ("gap", "gaps"),
            Self::Incident(_) => ("incident", "incidents"),
            Self::PullRequest(_) => ("pull request", "pull requests"),
            Self::Push(_) => ("push", "pushes"),
            Self::Release(_) => ("release", "releases"),
            Self::Report(_) => ("reported event", "reported events"),
            Self::Run(_) => ("run", "runs"),
            Self::WorkItem(_) => ("work item", "work items"),
        }
    }

    /// As people name it, such as `run 479 of fabrikam`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let what = match self {
            Self::Changes(key) => format!("the commits of run {}", key.run),
            Self::Cluster(key) => format!("commit {} in the clusters", key.commit),
            Self::Deployment(key) => format!("the deployment of run {} to environment {}", key.run, key.environment),
            Self::Gap(key) => format!("the gap in {}", key.events),
            Self::Incident(key) => format!("incident {}", key.id),
            Self::PullRequest(key) => format!("pull request {}", key.id),
            Self::Push(key) => format!("push {}", key.push),
            Self::Release(key) => format!("release {}", key.release),
            Self::Report(key) => format!("what was told of {}", key.subject),
            Self::Run(key) => format!("run {}", key.run),
            Self::WorkItem(key) => format!("work item {}", key.id),
        };
        let project = match self {
            Self::Release(ReleaseKey { project, .. }) | Self::Gap(GapKey { project, .. }) if !project.is_empty() => {
                format!("/{project}")
            }
            Self::Release(_)
            | Self::Gap(_)
            | Self::Changes(_)
            | Self::Cluster(_)
            | Self::Deployment(_)
            | Self::Incident(_)
            | Self::PullRequest(_)
            | Self::Push(_)
            | Self::Report(_)
            | Self::Run(_)
            | Self::WorkItem(_) => String::new(),
        };
        format!("{what} of {}{project}", self.organization())
    }

    /// What in it is a name that somebody chose, or may be.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let place = match self {
            Self::Deployment(key) => Some(&key.project),
            Self::Gap(key) => Some(&key.project),
            Self::Incident(key) => Some(&key.id),
            Self::Release(key) => Some(&key.project),
            Self::Report(key) => Some(&key.subject),
            Self::PullRequest(key) => Some(&key.repository),
            Self::Push(key) => Some(&key.repository),
            Self::Changes(_) | Self::Cluster(_) | Self::Run(_) | Self::WorkItem(_) => None,
        };
        std::iter::once(self.organization()).chain(place.map(String::as_str))
    }

    /// The records that are written in one transaction on Azure Table Storage: `{kind}|{organization}|{what they have in
    /// common}`, which is a run's pipeline, the project of a gap or a release, a push's repository, a deployment's project and
    /// environment, the subject of what was told, a constant for commits in clusters and for incidents.
    #[must_use]
    pub fn partition(&self) -> String {
        match self {
            Self::Changes(key) => format!("changes|{}|{}", key.organization, key.pipeline),
            Self::Cluster(key) => format!("cluster|{}|commits", key.organization),
            Self::Deployment(key) => format!("deployment|{}|{}|{}", key.organization, key.project, key.environment),
            Self::Gap(key) => format!("gap|{}|{}", key.organization, key.project),
            Self::Incident(key) => format!("incident|{}|all", key.organization),
            Self::PullRequest(key) => format!("pr|{}|{}", key.organization, key.repository),
            Self::Push(key) => format!("push|{}|{}", key.organization, key.repository),
            Self::Release(key) => format!("release|{}|{}", key.organization, key.project),
            Self::Report(key) => format!("report|{}|{}", key.organization, key.subject),
            Self::Run(key) => format!("run|{}|{}", key.organization, key.pipeline),
            Self::WorkItem(key) => format!("workitem|{}|{}", key.organization, key.partition()),
        }
    }

    /// The record inside its partition: what has a number as `{i64::MAX - number, 19 digits}`, newest first; of gaps the
    /// event type, of what clusters say the commit, of an incident its id, of what was told the hash.
    #[must_use]
    pub fn row(&self) -> String {
        match self {
            Self::Cluster(key) => key.commit.clone(),
            Self::Deployment(key) => inverted(key.run),
            Self::Gap(key) => key.events.clone(),
            Self::Incident(key) => key.id.clone(),
            Self::Report(key) => key.says.clone(),
            Self::Release(key) => inverted(key.release),
            Self::PullRequest(key) => inverted(key.id),
            Self::Push(key) => inverted(key.push),
            Self::Changes(key) | Self::Run(key) => inverted(key.run),
            Self::WorkItem(key) => inverted(key.id),
        }
    }

    /// The key from what [`Key::partition`] and [`Key::row`] gave.
    ///
    /// # Errors
    /// When they gave no such texts.
    pub fn from_parts(partition: &str, row: &str) -> Result<Self, ParseKeyError> {
        parse(partition, row).ok_or_else(|| ParseKeyError(format!("{partition}|{row}")))
    }
}

const INVERSE: u64 = i64::MAX.unsigned_abs();

fn inverted(number: u64) -> String {
    format!("{:019}", INVERSE.saturating_sub(number))
}

fn parse(partition: &str, row: &str) -> Option<Key> {
    let (kind, rest) = partition.split_once('|')?;
    let (organization, last) = rest.rsplit_once('|')?;
    let organization = organization.to_owned();
    let number = || INVERSE.checked_sub(row.parse().ok()?);
    let run = |organization| Some(RunKey { organization, pipeline: last.parse().ok()?, run: number()? });
    match kind {
        "changes" => run(organization).map(Key::Changes),
        "cluster" => Some(Key::Cluster(ClusterKey { organization, commit: row.to_owned() })),
        "gap" => Some(Key::Gap(GapKey { organization, project: last.to_owned(), events: row.to_owned() })),
        "incident" => Some(Key::Incident(IncidentKey { organization, id: row.to_owned() })),
        "report" => Some(Key::Report(ReportKey { organization, subject: last.to_owned(), says: row.to_owned() })),
        "deployment" => {
            let (organization, project) = organization.rsplit_once('|')?;
            let (organization, project) = (organization.to_owned(), project.to_owned());
            let environment = last.parse().ok()?;
            Some(Key::Deployment(DeploymentKey { organization, project, environment, run: number()? }))
        }
        "release" => Some(Key::Release(ReleaseKey { organization, project: last.to_owned(), release: number()? })),
        "pr" => Some(Key::PullRequest(PullRequestKey { organization, repository: last.to_owned(), id: number()? })),
        "push" => Some(Key::Push(PushKey { organization, repository: last.to_owned(), push: number()? })),
        "run" => run(organization).map(Key::Run),
        "workitem" => Some(Key::WorkItem(WorkItemKey { organization, id: number()? })),
        _ => None,
    }
}

/// `{partition}|{row}`; read back by [`FromStr`].
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}", self.partition(), self.row())
    }
}

impl FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (partition, row) = text.rsplit_once('|').ok_or_else(|| ParseKeyError(text.to_owned()))?;
        Self::from_parts(partition, row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(run: u64) -> Key {
        Key::Run(RunKey { organization: "fabri|kam".to_owned(), pipeline: 7, run })
    }

    #[test]
    fn text_and_back() {
        for run in [1, 479, INVERSE] {
            assert_eq!(key(run).to_string().parse::<Key>().unwrap(), key(run));
        }
        assert_eq!(key(479).to_string(), "run|fabri|kam|7|9223372036854775328");
        assert!("run|x".parse::<Key>().is_err());
    }

    #[test]
    fn a_gap_comes_back_too() {
        let key = Key::Gap(GapKey::new("Srv/Co|l", "8DEA9ABA-3a9a|\n\u{fc}", "build.complete"));
        assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
        assert_eq!(key.to_string(), "gap|srv/co|l|8dea9aba-3a9a|build.complete");
    }

    #[test]
    fn releases_and_deployments_come_back_too() {
        let release = Key::Release(ReleaseKey::new("Srv/Co|l", "My Shop|\n", 4));
        assert_eq!(release.to_string().parse::<Key>().unwrap(), release);
        assert_eq!(release.to_string(), "release|srv/co|l|myshop|9223372036854775803");
        let deployment = Key::Deployment(DeploymentKey::new("Srv/Co|l", "8DEA9ABA-3a9a", 7, 479));
        assert_eq!(deployment.to_string().parse::<Key>().unwrap(), deployment);
        assert_eq!(deployment.to_string(), "deployment|srv/co|l|8dea9aba-3a9a|7|9223372036854775328");
    }

    #[test]
    fn every_kind_comes_back() {
        let organization = || "srv/col|x".to_owned();
        let keys = [
            Key::Changes(RunKey { organization: organization(), pipeline: 7, run: 479 }),
            Key::Cluster(ClusterKey::new("Srv/Col|x", "B71F")),
            Key::Incident(IncidentKey::new("Srv/Col|x", "OPS-12").unwrap()),
            Key::Report(ReportKey::new("Srv/Col|x", "Shop web|/", "{}")),
            Key::PullRequest(PullRequestKey::new("Fabrikam", "9A0D5C1E/|-2b7f", 88)),
            Key::Push(PushKey::new("fabrikam", "", 314)),
            Key::WorkItem(WorkItemKey { organization: organization(), id: 4_711 }),
        ];
        for key in keys {
            assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
        }
        assert_eq!(Key::PullRequest(PullRequestKey::new("F", "9A/|-2", 1)).partition(), "pr|f|9a-2");
    }

    #[test]
    fn the_kinds_are_all_there_and_in_order() {
        let all = [
            Key::Changes(RunKey::default()),
            Key::Cluster(ClusterKey::default()),
            Key::Deployment(DeploymentKey::default()),
            Key::Gap(GapKey::default()),
            Key::Incident(IncidentKey::default()),
            Key::PullRequest(PullRequestKey::default()),
            Key::Push(PushKey::default()),
            Key::Release(ReleaseKey::default()),
            Key::Report(ReportKey::default()),
            key(1),
            Key::WorkItem(WorkItemKey::default()),
        ];
        assert_eq!(all.map(|key| key.partition().split('|').next().unwrap().to_owned()), Key::KINDS);
        assert!(Key::KINDS.is_sorted());
        assert!("new|x|7|1".parse::<Key>().is_err());
    }

    #[test]
    fn an_incident_keeps_its_whole_id_or_has_none() {
        let id = |text: &str| IncidentKey::new("F", text).map(|key| key.id);
        assert_eq!(id("OPS-12.a:b_c").as_deref(), Some("ops-12.a:b_c"));
        for none in ["", "a b", "a/b", "a|b", "\u{fc}-1", &"x".repeat(201)] {
            assert_eq!(id(none), None, "{none}");
        }
    }

    #[test]
    fn people_name_it_in_words() {
        assert_eq!(key(479).in_words(), "run 479 of fabri|kam");
        assert_eq!(Key::Release(ReleaseKey::new("Srv/Col", "web", 4)).in_words(), "release 4 of srv/col/web");
        assert_eq!(
            Key::Gap(GapKey::new("fabrikam", "", "build.complete")).in_words(),
            "the gap in build.complete of fabrikam"
        );
        assert_eq!(key(479).nouns(), ("run", "runs"));
    }

    #[test]
    fn newer_runs_sort_first() {
        assert!(key(480).row() < key(479).row());
    }
}
