use super::TagTemplate;
use super::tag::plain;
use crate::domain::Pattern;

/// The chains that are configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chains {
    pub all: Vec<Chain>,
    /// Somebody said which, and they are not [`Chain::usual`] alone.
    pub are_configured: bool,
}

impl Default for Chains {
    fn default() -> Self {
        Self { all: vec![Chain::usual()], are_configured: false }
    }
}

/// Which repositories make one chain, and how the rest of it is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// What it is called; also the partition of its rows for Spektate.
    pub name: String,
    /// Only of this organization, lower case; `None` means of any.
    pub organization: Option<String>,
    /// Names of the repositories with the high-level definition.
    pub hld: Vec<Pattern>,
    /// Names of the repositories with the manifests.
    pub manifest: Vec<Pattern>,
    pub tag: TagTemplate,
    pub services: Vec<Service>,
    pub rings: Vec<Ring>,
    pub clusters: Vec<NamedCluster>,
}

/// What a service is called, and how to know what is its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    pub name: String,
    /// Names or ids of the pipelines that build its images.
    pub pipelines: Vec<Pattern>,
    /// Names of its images.
    pub images: Vec<Pattern>,
}

/// What a ring is called, and the branches that go there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ring {
    pub name: String,
    pub branches: Vec<Pattern>,
}

/// What a cluster is called, and the names under which it tells of itself: a tag of Flux 1, a status of Flux 2 and a post
/// may each have another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedCluster {
    pub name: String,
    pub names: Vec<Pattern>,
}

impl Chain {
    /// Where nothing is configured: the names that Bedrock's own guides give to the repositories.
    #[must_use]
    pub fn usual() -> Self {
        let patterns = |all: &[&str]| all.iter().map(|text| Pattern::new(text)).collect();
        Self {
            hld: patterns(&["*-hld"]),
            manifest: patterns(&["*-manifest", "*-manifests", "*-materialized"]),
            ..Self::named("bedrock")
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            organization: None,
            hld: Vec::new(),
            manifest: Vec::new(),
            tag: TagTemplate::default(),
            services: Vec::new(),
            rings: Vec::new(),
            clusters: Vec::new(),
        }
    }

    #[must_use]
    pub fn is_hld(&self, repository: &str) -> bool {
        Pattern::any(&self.hld, repository)
    }

    #[must_use]
    pub fn is_manifest(&self, repository: &str) -> bool {
        Pattern::any(&self.manifest, repository)
    }

    /// The service of a pipeline, by its name or id.
    #[must_use]
    pub fn service_of(&self, pipeline: u64, name: Option<&str>) -> Option<&str> {
        let id = pipeline.to_string();
        let has = |service: &&Service| {
            Pattern::any(&service.pipelines, &id) || name.is_some_and(|name| Pattern::any(&service.pipelines, name))
        };
        self.services.iter().find(has).map(|service| service.name.as_str())
    }

    /// The service of an image.
    pub(super) fn service_of_image(&self, image: &str) -> Option<&str> {
        let found = self.services.iter().find(|service| Pattern::any(&service.images, image));
        found.map(|service| service.name.as_str())
    }

    /// What a cluster is called that tells of itself by this name.
    pub(super) fn cluster_of<'n>(&'n self, name: &'n str) -> &'n str {
        let configured = self.clusters.iter().find(|cluster| Pattern::any(&cluster.names, name));
        configured.map_or(name, |cluster| &cluster.name)
    }

    /// Whether manifests on a branch go to a ring: it is called like one, or like a branch that goes to one. Where no rings
    /// are configured, each branch is one.
    #[must_use]
    pub fn has_ring_of(&self, branch: &str) -> bool {
        let is_called = |ring: &Ring| ring.name.eq_ignore_ascii_case(branch) || Pattern::any(&ring.branches, branch);
        self.rings.is_empty() || self.rings.iter().any(is_called)
    }

    /// The ring that a branch goes to: as configured, else what the branch is called itself, as Bedrock's second step
    /// writes it.
    pub(super) fn ring_of(&self, branch: &str) -> String {
        let short = branch.strip_prefix("refs/heads/").unwrap_or(branch);
        let configured = self
            .rings
            .iter()
            .find(|ring| Pattern::any(&ring.branches, short) || Pattern::any(&ring.branches, &plain(short)));
        configured.map_or_else(|| last_part(short).to_owned(), |ring| ring.name.clone())
    }
}

/// What the service calls `Build.SourceBranchName`.
pub(super) fn last_part(branch: &str) -> &str {
    branch.rsplit('/').next().unwrap_or(branch)
}
