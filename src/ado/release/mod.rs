//! Classic releases: their six events, and the answers of Deployments - List and Releases - List.
//!
//! Two traps. The documented events lack the version of an artifact, so that nothing in them tells which build is
//! released: the lists do. And the events of a deployment carry no time of it in the documented shape: they are made when
//! it starts and ends, so their own time stands for it until a list says it exactly.

mod wire;

use super::error::{DecodeError, parse};
use super::labels::{Labels, short};
use super::organization::{Place, number_after};
use super::wire::{Definition, Links, Project, Text, count, href, id, name, text, time};
use super::{Beside, Scope, words};
use crate::domain::release::{ArtifactSaid, EnvironmentSaid, ReleaseFact};
use crate::domain::run::{ApprovalSaid, ApprovalStatement, Statement};
use crate::domain::{
    ApprovalPhase, ApprovalStatus, ArtifactPart, Fact, Label, ReleaseFactKind, ReleaseKey, ReleaseStatus, State, Time,
};
use wire::{Approval, Artifact, Deployment, Environment, List, Named, Release, Resource};

/// So many environments, approvals and artifacts of one body are taken; the rest is left out.
const MOST_PARTS: usize = 100;

/// What an event about a release says.
pub(super) fn fact(scope: &Scope<'_>, kind: ReleaseFactKind, resource: &str) -> Result<ReleaseFact, DecodeError> {
    let resource: Resource<'_> = parse(resource, "resource")?;
    let about = About::event(&resource);
    let mut place = scope.place(about.addresses())?;
    about.fill_project(&mut place);
    let mut fact = about.fact(&place, kind, scope.said, "resource.release.id")?;
    fact.created = resource.release.as_ref().and_then(|release| time(release.created_on.as_ref()));
    fact.status = status(&fact.kind, resource.release.as_ref());
    match fact.kind {
        ReleaseFactKind::DeploymentStarted | ReleaseFactKind::DeploymentCompleted => {
            let environment = deployed(&fact.kind, scope.said, &resource)?;
            fact.environments.push(environment);
        }
        ReleaseFactKind::ApprovalPending | ReleaseFactKind::ApprovalCompleted => {
            let missing = || DecodeError::no_state("approval", "resource.approval");
            let approval = resource.approval.as_ref().ok_or_else(missing)?;
            fact.approvals.extend(approval_said(scope.said, approval, None));
        }
        ReleaseFactKind::Created
        | ReleaseFactKind::Abandoned
        | ReleaseFactKind::Deployment
        | ReleaseFactKind::Release
        | ReleaseFactKind::Other(_) => {}
    }
    let passing = resource.release.iter().flat_map(|release| release.environments.iter().flatten()).take(MOST_PARTS);
    fact.environments.extend(passing.filter_map(|environment| in_passing(scope.said, environment)));
    Ok(fact)
}

/// What the deployments of an answer of Deployments - List say, each by itself: one that cannot be read costs no other.
///
/// # Errors
/// When the whole answer is not JSON of that shape.
pub fn deployment_list(beside: &Beside, answer: &[u8]) -> Result<Vec<Result<Fact, DecodeError>>, DecodeError> {
    list(answer, |text, path| {
        let deployment: Deployment<'_> = parse(text, path)?;
        deployment_fact(beside, &deployment, path)
    })
}

/// What the releases of an answer of Releases - List say, each by itself.
///
/// # Errors
/// When the whole answer is not JSON of that shape.
pub fn release_list(beside: &Beside, answer: &[u8]) -> Result<Vec<Result<Fact, DecodeError>>, DecodeError> {
    list(answer, |text, path| {
        let release: Release<'_> = parse(text, path)?;
        release_fact(beside, &release, path)
    })
}

fn list(
    answer: &[u8],
    read: impl Fn(&str, &str) -> Result<ReleaseFact, DecodeError>,
) -> Result<Vec<Result<Fact, DecodeError>>, DecodeError> {
    let body = super::body::text(answer)?;
    let items = parse::<List<'_>>(&body, "")?.value.unwrap_or_default();
    let each = items.iter().enumerate();
    Ok(each.map(|(at, item)| read(item.get(), &format!("value[{at}]")).map(Fact::Release)).collect())
}

fn deployment_fact(beside: &Beside, deployment: &Deployment<'_>, path: &str) -> Result<ReleaseFact, DecodeError> {
    let about = About::deployment(deployment);
    let spoken =
        [&deployment.last_modified_on, &deployment.completed_on, &deployment.started_on, &deployment.queued_on];
    let said = spoken.into_iter().find_map(|when| time(when.as_ref())).unwrap_or(Time::UNKNOWN);
    let place = about.place(beside)?;
    let kind = ReleaseFactKind::Deployment;
    let mut fact = about.fact(&place, kind, said, &format!("{path}.release.id"))?;
    let named = deployment.release_environment.as_ref();
    let name = named
        .and_then(|named| text(named.name.as_ref()))
        .ok_or_else(|| DecodeError::no_state("name of the environment", format!("{path}.releaseEnvironment.name")))?;
    fact.environments.extend(state_of(deployment).map(|(state, result)| EnvironmentSaid {
        name: short(name).into_owned(),
        attempt: count(deployment.attempt.as_ref()),
        says: Statement {
            said,
            result,
            queued: time(deployment.queued_on.as_ref()),
            started: time(deployment.started_on.as_ref()),
            finished: time(deployment.completed_on.as_ref()).filter(|_| state.is_terminal()),
        },
        state,
    }));
    let approvals = [&deployment.pre_deploy_approvals, &deployment.post_deploy_approvals];
    let approvals = approvals.into_iter().flatten().flatten().take(MOST_PARTS);
    fact.approvals = approvals.filter_map(|approval| approval_said(said, approval, Some(name))).collect();
    Ok(fact)
}

fn release_fact(beside: &Beside, release: &Release<'_>, path: &str) -> Result<ReleaseFact, DecodeError> {
    let about = About {
        release: Some(release),
        definitions: [release.release_definition.as_ref(), None, None, None],
        projects: [release.project_reference.as_ref(), None],
        ..About::default()
    };
    let created = time(release.created_on.as_ref());
    let said = time(release.modified_on.as_ref()).or(created).unwrap_or(Time::UNKNOWN);
    let kind = ReleaseFactKind::Release;
    let mut fact = about.fact(&about.place(beside)?, kind, said, &format!("{path}.id"))?;
    fact.status = status(&fact.kind, Some(release));
    fact.created = created;
    Ok(fact)
}

/// What all of them say, wherever it stands.
#[derive(Default)]
struct About<'e, 'a> {
    release: Option<&'e Release<'a>>,
    /// The release as its environment and its approval name it.
    named: [Option<&'e Named<'a>>; 2],
    release_id: Option<u64>,
    definitions: [Option<&'e Definition<'a>>; 4],
    projects: [Option<&'e Project<'a>>; 2],
    url: Option<&'e Text<'a>>,
}

impl<'e, 'a> About<'e, 'a> {
    fn event(resource: &'e Resource<'a>) -> Self {
        let (environment, approval) = (resource.environment.as_ref(), resource.approval.as_ref());
        let deployment = resource.deployment.as_ref();
        let release = resource.release.as_ref().or_else(|| deployment?.release.as_ref());
        Self {
            release,
            named: [environment.and_then(|it| it.release.as_ref()), approval.and_then(|it| it.release.as_ref())],
            release_id: environment.and_then(|environment| id(environment.release_id.as_ref())),
            definitions: [
                release.and_then(|it| it.release_definition.as_ref()),
                environment.and_then(|it| it.release_definition.as_ref()),
                approval.and_then(|it| it.release_definition.as_ref()),
                deployment.and_then(|it| it.release_definition.as_ref()),
            ],
            projects: [resource.project.as_ref(), release.and_then(|it| it.project_reference.as_ref())],
            url: resource.url.as_ref(),
        }
    }

    fn deployment(deployment: &'e Deployment<'a>) -> Self {
        let release = deployment.release.as_ref();
        Self {
            release,
            definitions: [deployment.release_definition.as_ref(), None, None, None],
            projects: [deployment.project_reference.as_ref(), release.and_then(|it| it.project_reference.as_ref())],
            ..Self::default()
        }
    }

    fn release_id(&self) -> Option<u64> {
        let own = self.release.and_then(|release| id(release.id.as_ref()));
        own.or_else(|| self.named.into_iter().flatten().find_map(|named| id(named.id.as_ref())))
            .or(self.release_id)
            .or_else(|| self.addresses().find_map(|url| number_after(url, "/releases/")))
            .or_else(|| self.addresses().find_map(|url| number_after(url, "releaseId=")))
    }

    fn name(&self) -> Option<&'e str> {
        let own = self.release.and_then(|release| text(release.name.as_ref()));
        own.or_else(|| self.named.into_iter().flatten().find_map(|named| text(named.name.as_ref())))
    }

    fn links(&self) -> impl Iterator<Item = &'e Links<'a>> {
        let own = self.release.and_then(|release| release.links.as_ref());
        own.into_iter().chain(self.named.into_iter().flatten().filter_map(|named| named.links.as_ref()))
    }

    /// Every address that points into the organization, the plainest first.
    fn addresses(&self) -> impl Iterator<Item = &'e str> {
        let own = self.release.and_then(|release| text(release.url.as_ref()));
        let named = self.named.into_iter().flatten().filter_map(|named| text(named.url.as_ref()));
        let links = self.links().flat_map(|links| [&links.own, &links.web]);
        let definitions = self.definitions.into_iter().flatten();
        own.into_iter()
            .chain(text(self.url))
            .chain(named)
            .chain(links.filter_map(|link| href(link.as_ref())))
            .chain(definitions.filter_map(|definition| text(definition.url.as_ref())))
    }

    fn fill_project(&self, place: &mut Place) {
        let projects = || self.projects.into_iter().flatten();
        place.fill_project_id(projects().find_map(|project| text(project.id.as_ref())));
        let named = projects().find_map(|project| text(project.name.as_ref())).map(str::to_owned);
        place.project_name = named.or_else(|| place.project_name.take());
        place.fill_project(self.addresses());
    }

    /// Of an answer: as the caller asked for it.
    fn place(&self, beside: &Beside) -> Result<Place, DecodeError> {
        let project_id = beside.project_id.clone();
        let mut place = Place { organization: beside.organization()?, project_id, ..Place::default() };
        self.fill_project(&mut place);
        place.project_name = place.project_name.take().or_else(|| beside.project_name.clone());
        Ok(place)
    }

    fn fact(&self, place: &Place, kind: ReleaseFactKind, said: Time, path: &str) -> Result<ReleaseFact, DecodeError> {
        let release =
            self.release_id().ok_or_else(|| DecodeError::no_id("no_release_id", "id of the release", path))?;
        let project = place.project_id.as_deref().or(place.project_name.as_deref()).unwrap_or_default();
        let key = ReleaseKey::new(&place.organization, project, release);
        let mut fact = ReleaseFact::new(key, kind, said);
        fact.labels = self.labels(place).into_vec();
        let artifacts = self.release.iter().flat_map(|release| release.artifacts.iter().flatten()).take(MOST_PARTS);
        fact.artifacts = artifacts.filter_map(artifact).collect();
        Ok(fact)
    }

    fn labels(&self, place: &Place) -> Labels {
        let mut labels = Labels::of(place);
        let definitions = || self.definitions.into_iter().flatten();
        let definition_id = definitions().find_map(|definition| id(definition.id.as_ref())).map(|id| id.to_string());
        let release = self.release;
        let creator = release.and_then(|it| name(it.created_for.as_ref()).or_else(|| name(it.created_by.as_ref())));
        let web = self.links().find_map(|links| href(links.web.as_ref()));
        labels.put(Label::RunName, self.name());
        labels.put(Label::DefinitionId, definition_id.as_deref());
        labels.put(Label::PipelineName, definitions().find_map(|definition| text(definition.name.as_ref())));
        labels.put(Label::Reason, release.and_then(|release| text(release.reason.as_ref())));
        labels.put(Label::RequestedFor, creator);
        labels.put_url(web.or_else(|| text(release?.web_access_uri.as_ref())));
        labels
    }
}

/// An event about a release says it outright; what one about something else says in passing may be stale.
fn status(kind: &ReleaseFactKind, release: Option<&Release<'_>>) -> Option<ReleaseStatus> {
    let said = release.and_then(|release| text(release.status.as_ref())).map(ReleaseStatus::from);
    match kind {
        ReleaseFactKind::Abandoned => Some(ReleaseStatus::Abandoned),
        ReleaseFactKind::Created | ReleaseFactKind::Release => said,
        ReleaseFactKind::DeploymentStarted
        | ReleaseFactKind::DeploymentCompleted
        | ReleaseFactKind::ApprovalPending
        | ReleaseFactKind::ApprovalCompleted
        | ReleaseFactKind::Deployment
        | ReleaseFactKind::Other(_) => None,
    }
}

/// What an event says that a deployment started or ended. That it did is what the event is for; its environment may have
/// been rendered later.
fn deployed(kind: &ReleaseFactKind, said: Time, resource: &Resource<'_>) -> Result<EnvironmentSaid, DecodeError> {
    let (environment, deployment) = (resource.environment.as_ref(), resource.deployment.as_ref());
    let named = environment.and_then(|environment| text(environment.name.as_ref()));
    let name = named
        .or_else(|| text(deployment?.release_environment.as_ref()?.name.as_ref()))
        .ok_or_else(|| DecodeError::no_state("name of the environment", "resource.environment.name"))?;
    let steps = environment.iter().flat_map(|environment| environment.deploy_steps.iter().flatten());
    let attempt = deployment
        .and_then(|deployment| count(deployment.attempt.as_ref()))
        .or_else(|| count(resource.attempt_id.as_ref()))
        .or_else(|| steps.filter_map(|step| count(step.attempt.as_ref())).max());
    let started = deployment.and_then(|deployment| time(deployment.started_on.as_ref()));
    let queued = deployment.and_then(|deployment| time(deployment.queued_on.as_ref()));
    let (state, says) = if *kind == ReleaseFactKind::DeploymentStarted {
        let started = Some(started.unwrap_or(said));
        (State::InProgress, Statement { queued, started, ..Statement::at(said) })
    } else {
        let word = environment.and_then(|environment| text(environment.status.as_ref()));
        let told = deployment.and_then(state_of).or_else(|| word.and_then(words::environment));
        let result = told.filter(|(state, _)| state.is_terminal()).and_then(|(_, result)| result);
        let finished = deployment.and_then(|deployment| time(deployment.completed_on.as_ref()));
        let finished = Some(finished.unwrap_or(said));
        (State::Completed, Statement { said, result, queued, started, finished })
    };
    Ok(EnvironmentSaid { name: short(name).into_owned(), attempt, state, says })
}

/// What an event lists beside what it is about. Its attempt is not known, and it may be of any time.
fn in_passing(said: Time, environment: &Environment<'_>) -> Option<EnvironmentSaid> {
    let name = text(environment.name.as_ref())?;
    let (state, result) = text(environment.status.as_ref()).and_then(words::environment)?;
    let says = Statement { result, ..Statement::at(said) };
    Some(EnvironmentSaid { name: short(name).into_owned(), attempt: None, state, says })
}

/// A deployment that an approval rejected was never deployed, and is over all the same.
fn state_of(deployment: &Deployment<'_>) -> Option<(State, Option<crate::domain::Outcome>)> {
    let (state, result) = words::environment(text(deployment.deployment_status.as_ref())?)?;
    // Answers write it with a capital, the specification without.
    let operation = text(deployment.operation_status.as_ref()).unwrap_or_default().to_ascii_lowercase();
    match operation.as_str() {
        "rejected" | "canceled" if state == State::NotStarted => words::environment(&operation),
        _ => Some((state, result)),
    }
}

/// Of an approval that a person gives. `environment` is where it is asked for, when it does not say so itself.
fn approval_said(said: Time, approval: &Approval<'_>, environment: Option<&str>) -> Option<ApprovalSaid> {
    if approval.is_automated == Some(true) {
        return None;
    }
    let status = ApprovalStatus::from(text(approval.status.as_ref())?);
    let phase = text(approval.approval_type.as_ref());
    let own = approval.release_environment.as_ref().and_then(|environment| text(environment.name.as_ref()));
    let environment = own.or(environment);
    let attempt = count(approval.attempt.as_ref());
    // Without an id, as in the documented events, what it is for names it.
    let unnamed = || {
        let numbers = [attempt, count(approval.rank.as_ref())].map(|number| number.unwrap_or(1).to_string()).join("/");
        format!("{}/{}/{numbers}", environment.unwrap_or_default(), phase.unwrap_or_default())
    };
    let id = id(approval.id.as_ref()).map_or_else(unnamed, |id| id.to_string());
    let mut approvers: Vec<String> = Vec::new();
    for person in [name(approval.approver.as_ref()), name(approval.approved_by.as_ref())].into_iter().flatten() {
        if !approvers.iter().any(|known| known == person) {
            approvers.push(short(person).into_owned());
        }
    }
    let says = ApprovalStatement {
        said,
        phase: phase.map(ApprovalPhase::from),
        stage: environment.map(|name| short(name).into_owned()),
        attempt,
        requested: time(approval.created_on.as_ref()),
        changed: time(approval.modified_on.as_ref()),
        approvers,
    };
    Some(ApprovalSaid { id: short(&id).into_owned(), status, says })
}

fn artifact(artifact: &Artifact<'_>) -> Option<ArtifactSaid> {
    let alias = short(text(artifact.alias.as_ref())?).into_owned();
    let reference = |key: &str| artifact.reference(key);
    let id = |key: &str| reference(key).and_then(|reference| text(reference.id.as_ref()));
    let name = |key: &str| reference(key).and_then(|reference| text(reference.name.as_ref()));
    let parts = [
        (ArtifactPart::Kind, text(artifact.kind.as_ref())),
        (ArtifactPart::SourceId, id("definition")),
        (ArtifactPart::SourceName, name("definition")),
        (ArtifactPart::ProjectId, id("project")),
        (ArtifactPart::ProjectName, name("project")),
        (ArtifactPart::VersionId, id("version")),
        (ArtifactPart::VersionName, name("version")),
        (ArtifactPart::Branch, id("branch").or_else(|| name("branch"))),
        (ArtifactPart::Primary, artifact.is_primary.filter(|is| *is).map(|_| "true")),
    ];
    let parts = parts.into_iter().filter_map(|(part, text)| Some((part, short(text?).into_owned())));
    Some(ArtifactSaid { alias, parts: parts.collect() })
}
