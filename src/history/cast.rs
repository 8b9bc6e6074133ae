//! Who and what the history is about.

use serde_json::json;
use serde_json::value::RawValue;

use super::wire::{Guid, raw};

#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) id: u64,
    pub(super) name: &'static str,
    /// Index into [`PROJECTS`].
    pub(super) project: usize,
    /// Index into [`REPOSITORIES`].
    pub(super) repository: usize,
    pub(super) stages: &'static [&'static str],
    /// The stage that waits for an approval, and its environment.
    pub(super) approval: Option<(&'static str, &'static str)>,
    pub(super) trigger: Trigger,
    /// How often it runs, beside the others.
    pub(super) weight: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    /// Every push and every pull request.
    Push,
    /// What continuous integration made of the main branch.
    Main,
    Schedule,
}

const CI: &[&str] = &["build", "test"];
const DEPLOY: &[&str] = &["build", "test", "deploy-staging", "deploy-production"];
const PRODUCTION: Option<(&str, &str)> = Some(("deploy-production", "production"));

pub(super) const PIPELINES: [Pipeline; 6] = [
    pipeline(11, "spartan-app-ci", (0, 0), (CI, None), (Trigger::Push, 34)),
    pipeline(12, "spartan-app-deploy", (0, 0), (DEPLOY, PRODUCTION), (Trigger::Main, 14)),
    pipeline(13, "spartan-api-ci", (0, 1), (CI, None), (Trigger::Push, 28)),
    pipeline(14, "spartan-api-deploy", (0, 1), (DEPLOY, PRODUCTION), (Trigger::Main, 12)),
    pipeline(21, "infra", (1, 2), (&["plan", "apply"], Some(("apply", "shared-infrastructure"))), (Trigger::Push, 8)),
    pipeline(22, "nightly-e2e", (1, 2), (CI, None), (Trigger::Schedule, 4)),
];

const fn pipeline(
    id: u64,
    name: &'static str,
    (project, repository): (usize, usize),
    (stages, approval): (&'static [&'static str], Option<(&'static str, &'static str)>),
    (trigger, weight): (Trigger, u32),
) -> Pipeline {
    Pipeline { id, name, project, repository, stages, approval, trigger, weight }
}

pub(super) const PROJECTS: [&str; 2] = ["Spartan", "Platform"];
pub(super) const REPOSITORIES: [&str; 3] = ["spartan-app", "spartan-api", "infrastructure"];
pub(super) const PEOPLE: [&str; 8] = [
    "Ada Quill",
    "Bram Osei",
    "Chiara Lund",
    "Dmitri Vance",
    "Esra Holm",
    "Femi Castell",
    "Greta Naylor",
    "Hiro Almeida",
];
pub(super) const TOPICS: [&str; 10] = [
    "login-form",
    "faster-search",
    "retry-uploads",
    "dark-mode",
    "cache-headers",
    "audit-log",
    "rate-limit",
    "upgrade-runtime",
    "fix-timezone",
    "smaller-image",
];

/// The parts of bodies that stay the same, written once, and where each repository and pipeline stands.
#[derive(Debug)]
pub(super) struct Cast {
    /// `https://dev.azure.com/{organization}`.
    pub(super) base: String,
    pub(super) pipelines: Vec<PipelineParts>,
    pub(super) people: Vec<Box<RawValue>>,
    /// Containers of an event that names no project.
    pub(super) containers: Box<RawValue>,
    pub(super) queue: Box<RawValue>,
    /// The latest commit of each repository's main branch.
    pub(super) heads: Vec<String>,
    /// The day of each pipeline's latest run and how many there were.
    pub(super) numbers: Vec<(String, u32)>,
}

#[derive(Debug)]
pub(super) struct PipelineParts {
    pub(super) project_id: Guid,
    pub(super) project: Box<RawValue>,
    pub(super) pipeline: Box<RawValue>,
    pub(super) definition: Box<RawValue>,
    pub(super) repository: Box<RawValue>,
    pub(super) containers: Box<RawValue>,
}

impl Cast {
    pub(super) fn new(organization: &str) -> Self {
        let base = format!("https://dev.azure.com/{organization}");
        Self {
            pipelines: PIPELINES.iter().map(|pipeline| PipelineParts::new(&base, pipeline)).collect(),
            people: PEOPLE.iter().map(|name| identity(&base, name)).collect(),
            containers: raw(&containers(&base, None)),
            queue: raw(
                &json!({"id": 9, "name": "Azure Pipelines", "pool": {"id": 9, "name": "Azure Pipelines", "isHosted": true}}),
            ),
            heads: first_heads(),
            numbers: vec![(String::new(), 0); PIPELINES.len()],
            base,
        }
    }
}

/// What the main branches are at before anything happens.
pub(super) fn first_heads() -> Vec<String> {
    REPOSITORIES.iter().map(|name| format!("{:040x}", Guid::of(name).0)).collect()
}

impl PipelineParts {
    fn new(base: &str, pipeline: &Pipeline) -> Self {
        let name = PROJECTS.get(pipeline.project).copied().unwrap_or_default();
        let (project_id, id) = (Guid::of(name), pipeline.id);
        let project = json!({
            "id": project_id,
            "name": name,
            "url": format!("{base}/_apis/projects/{project_id}"),
            "state": "wellFormed",
            "revision": 31,
            "visibility": "private",
        });
        let repository = REPOSITORIES.get(pipeline.repository).copied().unwrap_or_default();
        Self {
            project_id,
            pipeline: raw(&json!({
                "url": format!("{base}/{project_id}/_apis/pipelines/{id}?revision=3"),
                "id": id,
                "revision": 3,
                "name": pipeline.name,
                "folder": "\\",
            })),
            definition: raw(&json!({
                "id": id,
                "name": pipeline.name,
                "url": format!("{base}/{project_id}/_apis/build/Definitions/{id}?revision=3"),
                "path": "\\",
                "type": "build",
                "queueStatus": "enabled",
                "revision": 3,
            })),
            repository: raw(&json!({
                "id": Guid::of(repository),
                "type": "TfsGit",
                "name": repository,
                "url": format!("{base}/{name}/_git/{repository}"),
                "clean": null,
                "checkoutSubmodules": false,
            })),
            containers: raw(&containers(base, Some(project_id))),
            project: raw(&project),
        }
    }
}

fn containers(base: &str, project: Option<Guid>) -> serde_json::Value {
    let base_url = format!("{base}/");
    let mut containers = json!({
        "collection": {"id": Guid::of(&format!("{base} collection")), "baseUrl": base_url},
        "account": {"id": Guid::of(&format!("{base} account")), "baseUrl": base_url},
    });
    if let (Some(project), Some(map)) = (project, containers.as_object_mut()) {
        map.insert("project".to_owned(), json!({"id": project, "baseUrl": base_url}));
    }
    containers
}

/// Identity addresses are on another host, whose first part is no organization.
fn identity(base: &str, name: &str) -> Box<RawValue> {
    let id = Guid::of(name);
    let unique = name.to_lowercase().replace(' ', ".");
    raw(&json!({
        "displayName": name,
        "url": format!("https://spsprodweu1.vssps.visualstudio.com/A{}/_apis/Identities/{id}", Guid::of(base)),
        "id": id,
        "uniqueName": format!("{unique}@spartan.example"),
        "imageUrl": format!("{base}/_apis/GraphProfile/MemberAvatars/aad.{id}"),
        "descriptor": format!("aad.{id}"),
    }))
}
