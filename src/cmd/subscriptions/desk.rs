//! What every command about subscriptions needs: the service, the projects, where events go, what should be there.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::ado::rest::{Client, Limits, Project};
use crate::azure::Credential;
use crate::cli::{Aim, Desired, EventGroup, To};
use crate::cmd::{Context, Failure, backfill};
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
        contradictions(&desired.aim)?;
        let organization = backfill::organization(context, desired.organization.as_deref())?;
        let target = target(context, &desired.aim)?;
        let names = names(context, desired)?;
        let client = Client::new(&context.config.ado.access, Limits::for_a_person())?;
        let projects = projects(&client, &organization, &names).await?;
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
    let Desired { organization, project, all_projects, groups, pipeline, aim } = desired;
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
            .maybe("--queue", aim.queue.as_deref())
            .maybe("--ttl", said(aim.ttl).as_deref())
            .maybe("--visibility", said(aim.visibility).as_deref()),
    }
}

/// Empty means all.
fn names(context: &Context, desired: &Desired) -> Result<Vec<String>, Failure> {
    let configured = &context.config.ado.projects;
    if desired.project.iter().any(|name| name.trim().is_empty()) {
        return Err(Failure::usage("--project: a name is empty").hint("name each project, or use --all-projects"));
    }
    match (desired.all_projects, desired.project.is_empty()) {
        (true, _) => Ok(Vec::new()),
        (false, false) => Ok(desired.project.clone()),
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
        let name = client.pipeline_name(organization, &project.id, *id).await?;
        pipelines.push(Pipeline { id: *id, name });
    }
    Ok(pipelines)
}

/// Options that would do nothing. What the environment holds beside may stay: it is for other commands too.
fn contradictions(aim: &Aim) -> Result<(), Failure> {
    let queue =
        [("--queue", aim.queue.is_some()), ("--ttl", aim.ttl.is_some()), ("--visibility", aim.visibility.is_some())];
    let (kind, lonely) = match aim.to {
        To::Queue => ("web-hook", aim.url.is_some().then_some("--url")),
        To::WebHook => ("queue", queue.into_iter().find(|(_, said)| *said).map(|(name, _)| name)),
    };
    match lonely {
        Some(option) => Err(Failure::usage(format!("{option} is for --to {kind}"))
            .hint(format!("add --to {kind}, or leave {option} out"))),
        None => Ok(()),
    }
}

fn target(context: &Context, aim: &Aim) -> Result<Target, Failure> {
    match aim.to {
        To::Queue => {
            let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
            let (ttl, visibility) = (aim.ttl.map_or(LONGEST, seconds), aim.visibility.map_or(0, seconds));
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
        Credential::Sas(_) | Credential::Entra => None,
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
