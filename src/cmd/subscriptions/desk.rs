//! What every command about subscriptions needs: the service, the projects, where events go, what should be there.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::ado::rest::{AdoError, Client, Limits, Project};
use crate::azure::Credential;
use crate::cli::{Desired, EventGroup, Scope, To};
use crate::cmd::{Context, Failure, backfill, waiting};
use crate::subscriptions::{
    Group, Inquiry, Options, Pipeline, Question, QueueTarget, Target, Wanted, WebHookTarget, wanted,
};

/// The path under which `up` takes hooks.
const HOOKS: &str = "/hooks/azure-devops";
/// The longest that the consumer takes, in seconds.
pub(super) const LONGEST: u32 = 604_800;

pub(super) struct Desk {
    pub(super) client: Client,
    pub(super) organization: String,
    pub(super) projects: Vec<Project>,
    pub(super) target: Target,
    pub(super) wanted: Vec<Wanted>,
    /// As they were given: a command with the same means the same.
    pub(super) options: Options,
}

impl Desk {
    pub(super) async fn open(context: &Context, desired: &Desired) -> Result<Self, Failure> {
        contradictions(desired)?;
        let organization = backfill::organization(context, desired.scope.organization.as_deref())?;
        let target = target(context, desired)?;
        let names = names(context, &desired.scope)?;
        let client = Client::new(&context.config.ado.access, Limits::for_a_person())?;
        let projects = waiting::told(context, &client, projects(&client, &organization, &names)).await?;
        let pipelines = pipelines(&client, &organization, &projects, &desired.pipeline).await?;
        let groups: BTreeSet<Group> = desired.groups.iter().map(|group| Group::from(*group)).collect();
        let wanted = wanted(&groups, &projects, &pipelines, &target);
        Ok(Self { client, organization, projects, target, wanted, options: options(desired) })
    }

    pub(super) fn needs_secret(&self) -> Result<(), Failure> {
        needs_secret(&self.target)
    }

    /// What the service says now. Where it does not say enough, the person is told.
    pub(super) async fn inquiry(&self, context: &Context) -> Result<Inquiry, Failure> {
        let Self { client, organization, target, .. } = self;
        let question = Question { client, organization, target, now: context.clock().now() };
        let inquiry = Inquiry::of(&question, &self.wanted).await?;
        for (project, why) in &inquiry.deaf {
            context.output.say(&format!("warning: project {project}: nobody can tell whether it is silent: {why}"));
        }
        Ok(inquiry)
    }
}

/// For what sends the secret: without it nothing can be made or changed.
pub(super) fn needs_secret(target: &Target) -> Result<(), Failure> {
    match target {
        Target::Queue(queue) if queue.key.is_none() => {
            let failure = Failure::usage("Azure DevOps puts events on a queue by the account's key alone");
            let hint = "set AZURE_STORAGE_KEY, or AZURE_STORAGE_CONNECTION_STRING with AccountKey; where keys are \
                        forbidden, use --to web-hook";
            Err(failure.hint(hint))
        }
        Target::Queue(_) | Target::WebHook(_) => Ok(()),
    }
}

impl From<EventGroup> for Group {
    fn from(group: EventGroup) -> Self {
        match group {
            EventGroup::Runs => Self::Runs,
            EventGroup::Jobs => Self::Jobs,
            EventGroup::Code => Self::Code,
            EventGroup::Releases => Self::Releases,
            EventGroup::Boards => Self::Boards,
        }
    }
}

/// What stands in the environment is left out: whoever types the command has it too.
fn options(desired: &Desired) -> Options {
    let Desired { scope, groups, pipeline, aim, place, ttl, visibility } = desired;
    let Scope { organization, project, all_projects } = scope;
    let joined = |parts: Vec<String>| (!parts.is_empty()).then(|| parts.join(","));
    let groups: Vec<Group> = groups.iter().map(|group| Group::from(*group)).collect();
    let groups = (groups != [Group::Runs]).then(|| groups.iter().map(|group| group.as_str().to_owned()).collect());
    let options = Options::default()
        .maybe("--organization", organization.as_deref())
        .maybe("--project", joined(project.clone()).as_deref());
    let options = if *all_projects { options.switch("--all-projects") } else { options };
    let options = options
        .maybe("--groups", groups.and_then(joined).as_deref())
        .maybe("--pipeline", joined(pipeline.iter().map(u64::to_string).collect()).as_deref());
    let said = |time: Option<Duration>| time.map(|time| format!("{}s", time.as_secs()));
    match aim.to {
        To::WebHook => options.with("--to", "web-hook").maybe("--url", aim.url.as_deref()),
        To::Queue => options
            .maybe("--queue", place.queue.as_deref())
            .maybe("--ttl", said(*ttl).as_deref())
            .maybe("--visibility", said(*visibility).as_deref()),
    }
}

/// Empty means all.
fn names(context: &Context, scope: &Scope) -> Result<Vec<String>, Failure> {
    let configured = &context.config.ado.projects;
    if scope.project.iter().any(|name| name.trim().is_empty()) {
        return Err(Failure::usage("--project: a name is empty").hint("name each project, or use --all-projects"));
    }
    match (scope.all_projects, scope.project.is_empty()) {
        (true, _) => Ok(Vec::new()),
        (false, false) => Ok(scope.project.clone()),
        (false, true) if !configured.is_empty() => Ok(configured.clone()),
        (false, true) => {
            let failure = Failure::usage("no project is named");
            Err(failure.hint("add --project NAME or --all-projects, or set PIPETRAIL_PROJECTS"))
        }
    }
}

async fn projects(client: &Client, organization: &str, names: &[String]) -> Result<Vec<Project>, Failure> {
    if names.is_empty() {
        return Ok(client.projects(organization).await?);
    }
    let mut projects: Vec<Project> = Vec::new();
    for name in names {
        let project = client.project(organization, name.trim()).await?;
        if !projects.contains(&project) {
            projects.push(project);
        }
    }
    Ok(projects)
}

/// A pipeline belongs to one project, and `build.complete` knows it only by name.
async fn pipelines(
    client: &Client,
    organization: &str,
    projects: &[Project],
    ids: &[u64],
) -> Result<Vec<Pipeline>, Failure> {
    let mut pipelines = Vec::new();
    for id in ids {
        let [project] = projects else {
            return Err(Failure::usage("--pipeline wants one project").hint("name it with --project"));
        };
        let name = client.pipeline_name(organization, &project.id, *id).await.map_err(|error| unknown(error, *id))?;
        pipelines.push(Pipeline { id: *id, name });
    }
    Ok(pipelines)
}

fn unknown(error: AdoError, pipeline: u64) -> Failure {
    if !matches!(error, AdoError::NotFound { .. }) {
        return Failure::from(error);
    }
    Failure::from(error).hint(format!(
        "check --pipeline: the project has none with the id {pipeline}, or the token may not see it; the id stands in the \
         address of the pipeline's page, as definitionId"
    ))
}

/// Options that would do nothing; --queue and --url are looked at with the configuration.
fn contradictions(Desired { aim, ttl, visibility, .. }: &Desired) -> Result<(), Failure> {
    let lonely = match aim.to {
        To::Queue => None,
        To::WebHook if ttl.is_some() => Some("--ttl"),
        To::WebHook => visibility.is_some().then_some("--visibility"),
    };
    match lonely {
        Some(option) => Err(Failure::usage(format!("{option} is for --to queue"))
            .hint(format!("add --to queue, or leave {option} out"))),
        None => Ok(()),
    }
}

fn target(context: &Context, desired: &Desired) -> Result<Target, Failure> {
    match desired.aim.to {
        To::Queue => {
            let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
            let (ttl, visibility) = (desired.ttl.map_or(LONGEST, seconds), desired.visibility.map_or(0, seconds));
            let wrong = |says: &str| Err(Failure::usage(says).hint("Azure DevOps takes no other values"));
            if !(1..=LONGEST).contains(&ttl) {
                return wrong("--ttl is from 1s to 7d");
            }
            if visibility >= ttl {
                return wrong("--visibility is shorter than --ttl: an event would be removed before it is seen");
            }
            queue(context, ttl, visibility)
        }
        To::WebHook => web_hook(context),
    }
}

pub(super) fn queue(context: &Context, ttl: u32, visibility: u32) -> Result<Target, Failure> {
    let Some(azure) = &context.config.queue_for_hooks else {
        return Err(Failure::usage("no storage account is configured").hint("set AZURE_STORAGE_ACCOUNT"));
    };
    let key = match &azure.account.credential {
        Credential::Key(key) => Some(key.clone()),
        Credential::Sas(_) | Credential::Entra(_) => None,
    };
    let (account, queue) = (azure.account.name.clone(), azure.queue.clone());
    Ok(Target::Queue(QueueTarget { account, key, queue, ttl, visibility }))
}

pub(super) fn web_hook(context: &Context) -> Result<Target, Failure> {
    let http = &context.config.http;
    let Some(url) = &http.public_url else {
        let failure = Failure::usage("no address for web hooks is named");
        return Err(failure.hint("add --url https://pipetrail.example, or set PIPETRAIL_PUBLIC_URL"));
    };
    let address = if url.ends_with(HOOKS) { url.clone() } else { format!("{url}{HOOKS}") };
    let user = http.hook.as_ref().map(|hook| hook.user().to_owned());
    let password = http.hook.as_ref().map(|hook| hook.password().clone());
    Ok(Target::WebHook(WebHookTarget { address, user, password }))
}
