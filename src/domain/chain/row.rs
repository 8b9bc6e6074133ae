use super::parts::{PullRequest, ReleaseStage, Run};
use crate::domain::Time;
use crate::domain::link::{Certainty, Rule};

/// One change on its way from a source commit to the clusters. What is not known is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// 12 hexadecimal digits: the same for the same change, whoever computes it, however far it is.
    pub id: String,
    /// Ids that it had while less of it was known.
    pub former: Vec<String>,
    pub chain: String,
    pub organization: String,
    pub kind: Kind,
    pub status: Status,
    pub service: Option<String>,
    pub ring: Option<String>,
    pub author: Option<String>,
    /// The run that made the image, and what it was made of.
    pub source: Option<Run>,
    /// `image:tag`, or the tag alone.
    pub image_tag: Option<String>,
    pub second: Option<Second>,
    pub pull_request: Option<PullRequest>,
    pub hld_commit: Option<String>,
    pub hld_repository: Option<String>,
    /// The run that made the manifests.
    pub manifest_run: Option<Run>,
    pub manifest_commit: Option<String>,
    pub manifest_repository: Option<String>,
    /// The clusters that told of it.
    pub clusters: Vec<Cluster>,
    pub started: Option<Time>,
    pub updated: Option<Time>,
    /// By which rule each step is known.
    pub links: Vec<ChainLink>,
}

impl Row {
    /// Whether this is its id, or was.
    #[must_use]
    pub fn is_called(&self, id: &str) -> bool {
        self.id.eq_ignore_ascii_case(id) || self.former.iter().any(|former| former.eq_ignore_ascii_case(id))
    }

    /// A pull request that nobody merged yet.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        let open = |pull_request: &PullRequest| {
            !pull_request.is_merged() && !matches!(pull_request.status.as_deref(), Some("abandoned" | "completed"))
        };
        self.hld_commit.is_none() && self.pull_request.as_ref().is_some_and(open)
    }

    /// How sure this step is; `None` where there is none.
    #[must_use]
    pub fn link(&self, to: Step) -> Option<&ChainLink> {
        self.links.iter().find(|link| link.to == to)
    }
}

/// What kind of change it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An image that a pipeline brings to a ring.
    Deployment,
    /// Somebody edited the high-level definition by hand.
    ManualEdit,
    /// A stage or a release that came to an environment with no high-level definition.
    Environment,
}

/// How far it is, in Spektate's sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    Complete,
    InProgress,
    Failed,
    Canceled,
    Incomplete,
}

/// The second step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Second {
    /// A later stage of the run that made the image.
    Stage(Run),
    Release(ReleaseStage),
}

/// A step of the chain that a link leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// From the source's run to the change of the high-level definition.
    Hld,
    /// From the source's run to the release.
    Release,
    ManifestRun,
    ManifestCommit,
    Environment,
    /// To what it is a change of, where nothing of it says that.
    Service,
}

/// How a step is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainLink {
    pub to: Step,
    pub rule: Rule,
    pub certainty: Certainty,
}

/// How far a cluster is with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    pub name: String,
    pub synced: bool,
    /// The cluster's own word.
    pub state: String,
    pub at: Time,
    /// How it is known that this cluster told of the row's commit.
    pub rule: Rule,
    pub certainty: Certainty,
}

impl Kind {
    /// As Spektate's filter calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Bedrock Deployments",
            Self::ManualEdit => "Manual HLD Edits",
            Self::Environment => "Environments",
        }
    }
}

impl Status {
    /// As Spektate writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "Complete",
            Self::InProgress => "In Progress",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Incomplete => "Incomplete",
        }
    }
}
