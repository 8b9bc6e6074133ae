use std::fmt;
use std::str::FromStr;

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

impl GapKey {
    /// See [`plain`] for what is left of project and events.
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
    /// See [`plain`] for what is left of the project.
    #[must_use]
    pub fn new(organization: &str, project: &str, release: u64) -> Self {
        Self { organization: organization.to_lowercase(), project: plain(project), release }
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
    /// See [`plain`] for what is left of the project.
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
    Deployment(DeploymentKey),
    Gap(GapKey),
    Release(ReleaseKey),
    Run(RunKey),
}

/// A text that is not a record's key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the key of a record")]
pub struct ParseKeyError(String);

impl Key {
    /// What the partitions of each kind begin with, before a `|`; in their order. A store asks for these kinds and so
    /// leaves out those that only a newer program knows.
    pub const KINDS: [&str; 4] = ["deployment", "gap", "release", "run"];

    /// Whose record it is.
    #[must_use]
    pub fn organization(&self) -> &str {
        match self {
            Self::Deployment(key) => &key.organization,
            Self::Gap(key) => &key.organization,
            Self::Release(key) => &key.organization,
            Self::Run(key) => &key.organization,
        }
    }

    /// The records that are written in one transaction on Azure Table Storage: `run|{organization}|{pipeline}`,
    /// `gap|{organization}|{project}`, `release|{organization}|{project}` or
    /// `deployment|{organization}|{project}|{environment}`.
    #[must_use]
    pub fn partition(&self) -> String {
        match self {
            Self::Deployment(key) => {
                format!("deployment|{}|{}|{}", key.organization, key.project, key.environment)
            }
            Self::Gap(key) => format!("gap|{}|{}", key.organization, key.project),
            Self::Release(key) => format!("release|{}|{}", key.organization, key.project),
            Self::Run(key) => format!("run|{}|{}", key.organization, key.pipeline),
        }
    }

    /// The record inside its partition: of runs, releases and deployments `{i64::MAX - id, 19 digits}`, newest first; of
    /// gaps the event type.
    #[must_use]
    pub fn row(&self) -> String {
        match self {
            Self::Deployment(key) => inverse(key.run),
            Self::Gap(key) => key.events.clone(),
            Self::Release(key) => inverse(key.release),
            Self::Run(key) => inverse(key.run),
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

fn inverse(id: u64) -> String {
    format!("{:019}", INVERSE.saturating_sub(id))
}

fn id(row: &str) -> Option<u64> {
    INVERSE.checked_sub(row.parse().ok()?)
}

fn parse(partition: &str, row: &str) -> Option<Key> {
    let (kind, rest) = partition.split_once('|')?;
    let (organization, last) = rest.rsplit_once('|')?;
    let organization = organization.to_owned();
    match kind {
        "gap" => Some(Key::Gap(GapKey { organization, project: last.to_owned(), events: row.to_owned() })),
        "deployment" => {
            let (organization, project) = organization.rsplit_once('|')?;
            let (organization, project) = (organization.to_owned(), project.to_owned());
            let environment = last.parse().ok()?;
            Some(Key::Deployment(DeploymentKey { organization, project, environment, run: id(row)? }))
        }
        "release" => Some(Key::Release(ReleaseKey { organization, project: last.to_owned(), release: id(row)? })),
        "run" => Some(Key::Run(RunKey { organization, pipeline: last.parse().ok()?, run: id(row)? })),
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
    fn the_kinds_are_all_there_and_in_order() {
        let gap = Key::Gap(GapKey::default());
        let deployment = Key::Deployment(DeploymentKey::default());
        let release = Key::Release(ReleaseKey::default());
        assert_eq!(
            [deployment, gap, release, key(1)].map(|key| key.partition().split('|').next().unwrap().to_owned()),
            Key::KINDS
        );
        assert!(Key::KINDS.is_sorted());
        assert!("new|x|7|1".parse::<Key>().is_err());
    }

    #[test]
    fn newer_runs_sort_first() {
        assert!(key(480).row() < key(479).row());
    }
}
