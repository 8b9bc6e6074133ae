//! Run, stage, job and approval events.
//!
//! What is said of a run in passing, inside an event about something else, may be stale: a stage that
//! completes is told with a run that is still `inProgress`. It is kept, and [`FactKind::speaker_on_run`]
//! tells that it is only a stub.

use super::error::DecodeError;
use super::labels::{Labels, put_source, short};
use super::organization::{Place, number_after};
use super::wire::{
    Approval, Approvals, Changed, ContainerResource, GuardedResource, Id, Links, Part, Person, Pipeline,
    PipelineResource, Pipelines, Run, Text, count, href, id, name, text, time,
};
use super::{Scope, words};
use crate::domain::run::{
    ApprovalSaid, ApprovalStatement, Consumed, Guarded, JobSaid, MOST_APPROVERS, MOST_RESOURCE_NAME, MOST_RESOURCES,
    RunFact, StageSaid, Statement, UsedImage,
};
use crate::domain::text::{cut, weight};
use crate::domain::{ApprovalStatus, FactKind, Label, RunKey, State, Time};

/// So many stages of one event are taken; the rest is left out.
const MOST_STAGES: usize = 1_000;

pub(super) fn run_fact(scope: &Scope<'_>, resource: &Pipelines<'_>) -> Result<RunFact, DecodeError> {
    let mut fact = About::pipelines(resource).fact(scope, FactKind::RunStateChanged)?;
    if fact.run.is_none() {
        return Err(DecodeError::no_state("state of the run", "resource.run.state"));
    }
    let stages = resource.stages.iter().flatten().take(MOST_STAGES).enumerate();
    fact.consumed = resource.run.as_ref().map(consumed).unwrap_or_default();
    fact.images = resource.run.as_ref().map(images).unwrap_or_default();
    fact.stages = stages
        .map(|(at, stage)| stage_said(scope.said, stage, None, &format!("resource.stages[{at}]")))
        .collect::<Result<_, _>>()?;
    Ok(fact)
}

pub(super) fn stage_fact(scope: &Scope<'_>, resource: &Pipelines<'_>) -> Result<RunFact, DecodeError> {
    let mut fact = About::pipelines(resource).fact(scope, FactKind::StageStateChanged)?;
    let stage = resource.stage.as_ref().ok_or_else(|| DecodeError::no_state("stage", "resource.stage"))?;
    fact.stages.push(stage_said(scope.said, stage, resource.stage_name.as_ref(), "resource.stage")?);
    Ok(fact)
}

pub(super) fn job_fact(scope: &Scope<'_>, resource: &Pipelines<'_>) -> Result<RunFact, DecodeError> {
    let mut fact = About::pipelines(resource).fact(scope, FactKind::JobStateChanged)?;
    let job = resource.job.as_ref().ok_or_else(|| DecodeError::no_state("job", "resource.job"))?;
    let stage = resource.stage.as_ref();
    let stage_name = part_name(stage, resource.stage_name.as_ref(), "stage", "resource.stage")?;
    fact.jobs.push(JobSaid {
        stage: short(stage_name).into_owned(),
        stage_attempt: stage.and_then(|stage| count(stage.attempt.as_ref())),
        name: short(part_name(Some(job), None, "job", "resource.job")?).into_owned(),
        attempt: count(job.attempt.as_ref()),
        state: part_state(job, "job", "resource.job")?,
        says: part_says(scope.said, job),
    });
    if let Some(stage) = stage.filter(|stage| text(stage.state.as_ref()).is_some()) {
        fact.stages.push(stage_said(scope.said, stage, resource.stage_name.as_ref(), "resource.stage")?);
    }
    Ok(fact)
}

pub(super) fn approval_fact(
    scope: &Scope<'_>,
    kind: FactKind,
    resource: &Approvals<'_>,
) -> Result<RunFact, DecodeError> {
    let mut fact = About::approvals(resource).fact(scope, kind)?;
    let missing = |what, path: &str| DecodeError::no_state(what, path);
    let approval = resource.approval.as_ref().ok_or_else(|| missing("approval", "resource.approval"))?;
    let id = text(approval.id.as_ref()).ok_or_else(|| missing("id of the approval", "resource.approval.id"))?;
    let status =
        text(approval.status.as_ref()).ok_or_else(|| missing("status of the approval", "resource.approval.status"))?;
    fact.approvals.push(ApprovalSaid {
        id: short(id).into_owned(),
        status: ApprovalStatus::from(status),
        says: ApprovalStatement {
            said: scope.said,
            phase: None,
            stage: text(resource.stage_name.as_ref()).map(|name| short(name).into_owned()),
            attempt: count(resource.attempt_id.as_ref()),
            requested: time(approval.created_on.as_ref()),
            changed: time(approval.last_modified_on.as_ref()),
            approvers: approvers(approval),
        },
    });
    fact.guarded = guarded(resource, id).map(Box::new);
    Ok(fact)
}

/// Approvals may guard other things, such as a connection, which tell nothing of where a stage goes.
fn guarded(resource: &Approvals<'_>, approval: &str) -> Option<Guarded> {
    let told: GuardedResource<'_> = serde_json::from_str(resource.resource?.get()).ok()?;
    let is_environment = text(told.kind.as_ref()).is_some_and(|kind| kind.eq_ignore_ascii_case("environment"));
    let environment = text(told.name.as_ref()).filter(|_| is_environment)?;
    Some(Guarded { approval: short(approval).into_owned(), environment: short(environment).into_owned() })
}

pub(super) fn named(scope: &Scope<'_>, resource: &Pipelines<'_>) -> Option<(Place, u64)> {
    About::pipelines(resource).named(scope)
}

pub(super) fn named_by_approval(scope: &Scope<'_>, resource: &Approvals<'_>) -> Option<(Place, u64)> {
    About::approvals(resource).named(scope)
}

/// Who is asked and who answered, in the order of the steps, those left out that come after too many.
fn approvers(approval: &Approval<'_>) -> Vec<String> {
    let steps = approval.steps.iter().flatten();
    let people = steps.flat_map(|step| [name(step.assigned_approver.as_ref()), name(step.actual_approver.as_ref())]);
    let mut names: Vec<String> = Vec::new();
    let mut room = MOST_APPROVERS;
    for person in people.flatten().map(short) {
        // With quotes and comma.
        let Some(left) = room.checked_sub(3 + weight(&person)) else { break };
        if !names.iter().any(|name| *name == person) {
            room = left;
            names.push(person.into_owned());
        }
    }
    names
}

/// What all these events say, wherever the shape of the year keeps it.
struct About<'e, 'a> {
    run: Option<&'e Run<'a>>,
    run_id: Option<&'e Id>,
    /// That of the resource, and that of the run.
    pipelines: [Option<&'e Pipeline<'a>>; 2],
    project_id: Option<&'e Text<'a>>,
    urls: [Option<&'e Text<'a>>; 2],
    /// Of the run, the job and the stage.
    links: [Option<&'e Links<'a>>; 3],
    requested_for: Option<&'e Person<'a>>,
    repository: Option<&'e Changed<'a>>,
}

impl<'e, 'a> About<'e, 'a> {
    fn pipelines(resource: &'e Pipelines<'a>) -> Self {
        let part_links = |part: &'e Option<Part<'a>>| part.as_ref().and_then(|part| part.links.as_ref());
        let run = resource.run.as_ref();
        Self {
            run,
            run_id: resource.run_id.as_ref(),
            pipelines: [resource.pipeline.as_ref(), run.and_then(|run| run.pipeline.as_ref())],
            project_id: resource.project_id.as_ref(),
            urls: [resource.url.as_ref(), resource.run_url.as_ref()],
            links: [run.and_then(|run| run.links.as_ref()), part_links(&resource.job), part_links(&resource.stage)],
            requested_for: resource.requested_for.as_ref().or_else(|| run?.requested_for.as_ref()),
            repository: resource.repositories.as_ref().and_then(|repositories| repositories.first()),
        }
    }

    fn approvals(resource: &'e Approvals<'a>) -> Self {
        let run = resource.run.as_ref();
        Self {
            run,
            run_id: resource.run_id.as_ref(),
            pipelines: [resource.pipeline.as_ref(), run.and_then(|run| run.pipeline.as_ref())],
            project_id: resource.project_id.as_ref(),
            urls: [resource.url.as_ref(), resource.run_url.as_ref()],
            links: [run.and_then(|run| run.links.as_ref()), None, None],
            requested_for: run.and_then(|run| run.requested_for.as_ref()),
            repository: None,
        }
    }

    /// Whose run it is about, and which.
    fn named(&self, scope: &Scope<'_>) -> Option<(Place, u64)> {
        let run = self.run_id()?;
        let mut place = scope.place(self.addresses()).ok()?;
        place.fill_project_id(text(self.project_id));
        place.fill_project(self.addresses());
        Some((place, run))
    }

    fn fact(&self, scope: &Scope<'_>, kind: FactKind) -> Result<RunFact, DecodeError> {
        let run = self.run_id().ok_or_else(|| DecodeError::no_id("no_run_id", "id of the run", "resource.run.id"))?;
        let pipeline = self
            .pipeline_id()
            .ok_or_else(|| DecodeError::no_id("no_pipeline_id", "id of the pipeline", "resource.pipeline.id"))?;
        let mut place = scope.place(self.addresses())?;
        place.fill_project_id(text(self.project_id));
        place.fill_project(self.addresses());
        let labels = self.labels(&place);
        let mut fact = RunFact::new(RunKey { organization: place.organization, pipeline, run }, kind, scope.said);
        fact.labels = labels.into_vec();
        fact.run = self.run.and_then(|run| run_said(scope.said, run));
        Ok(fact)
    }

    fn run_id(&self) -> Option<u64> {
        let own = self.run.and_then(|run| id(run.id.as_ref()));
        own.or_else(|| id(self.run_id))
            .or_else(|| self.addresses().find_map(|url| number_after(url, "/runs/")))
            .or_else(|| self.hrefs(|links| href(links.web.as_ref())).find_map(|url| number_after(url, "buildId=")))
    }

    fn pipeline_id(&self) -> Option<u64> {
        let web = || self.hrefs(|links| href(links.pipeline_web.as_ref()));
        self.pipelines
            .iter()
            .find_map(|pipeline| id((*pipeline)?.id.as_ref()))
            .or_else(|| web().find_map(|url| number_after(url, "definitionId=")))
            .or_else(|| self.addresses().find_map(|url| number_after(url, "/pipelines/")))
    }

    fn hrefs(&self, which: fn(&'e Links<'a>) -> Option<&'e str>) -> impl Iterator<Item = &'e str> {
        self.links.into_iter().flatten().filter_map(which)
    }

    /// Every address that points into the organization, the plainest first.
    fn addresses(&self) -> impl Iterator<Item = &'e str> {
        let own = self.run.and_then(|run| text(run.url.as_ref()));
        let pipelines = self.pipelines.into_iter().flatten();
        let links = self.links.into_iter().flatten();
        own.into_iter()
            .chain(self.urls.into_iter().filter_map(text))
            .chain(
                links
                    .flat_map(|links| [&links.own, &links.web, &links.pipeline, &links.pipeline_web])
                    .filter_map(|link| href(link.as_ref())),
            )
            .chain(pipelines.filter_map(|pipeline| text(pipeline.url.as_ref())))
    }

    fn labels(&self, place: &Place) -> Labels {
        let mut labels = Labels::of(place);
        let named = self.pipelines.iter().find_map(|pipeline| text((*pipeline)?.name.as_ref()));
        let own = self.run.and_then(|run| run.resources.as_ref()?.repositories.as_ref()?.own.as_ref());
        labels.put(Label::RunName, self.run.and_then(|run| text(run.name.as_ref())));
        labels.put(Label::PipelineName, named);
        put_source(&mut labels, own, self.repository);
        labels.put(Label::RequestedFor, name(self.requested_for));
        labels.put_url(self.hrefs(|links| href(links.web.as_ref())).next());
        labels.put(Label::Folder, self.pipelines.iter().find_map(|pipeline| text((*pipeline)?.folder.as_ref())));
        labels
    }
}

/// The runs of other pipelines that it uses. What cannot be read there is left out.
fn consumed(run: &Run<'_>) -> Vec<Consumed> {
    let resources = run.resources.as_ref().and_then(|resources| resources.pipelines.as_ref());
    let bounded = |text: &str| cut(text, MOST_RESOURCE_NAME).into_owned();
    let read = resources.into_iter().flatten().filter_map(|(alias, told)| {
        let told: PipelineResource<'_> = serde_json::from_str(told.get()).ok()?;
        let pipeline = told.pipeline.as_ref();
        Some(Consumed {
            alias: bounded(alias),
            id: pipeline.and_then(|pipeline| id(pipeline.id.as_ref())),
            pipeline: pipeline.and_then(|pipeline| text(pipeline.name.as_ref())).map(bounded),
            version: text(told.version.as_ref()).map(bounded),
        })
    });
    read.take(MOST_RESOURCES).collect()
}

/// The containers that it uses. What cannot be read there is left out.
fn images(run: &Run<'_>) -> Vec<UsedImage> {
    let resources = run.resources.as_ref().and_then(|resources| resources.containers.as_ref());
    let read = resources.into_iter().flatten().filter_map(|(alias, told)| {
        let told: ContainerResource<'_> = serde_json::from_str(told.get()).ok()?;
        // It ends with the tag: a short one would lose that.
        let image = short(text(told.container?.image.as_ref())?).into_owned();
        Some(UsedImage { alias: cut(alias, MOST_RESOURCE_NAME).into_owned(), image })
    });
    read.take(MOST_RESOURCES).collect()
}

fn run_said(said: Time, run: &Run<'_>) -> Option<(State, Statement)> {
    let state = words::state(text(run.state.as_ref())?);
    let says = Statement {
        said,
        result: text(run.result.as_ref()).and_then(words::outcome),
        queued: time(run.created_date.as_ref()),
        started: None,
        finished: time(run.finished_date.as_ref()),
    };
    Some((state, says))
}

fn stage_said(said: Time, stage: &Part<'_>, named: Option<&Text<'_>>, path: &str) -> Result<StageSaid, DecodeError> {
    Ok(StageSaid {
        name: short(part_name(Some(stage), named, "stage", path)?).into_owned(),
        attempt: count(stage.attempt.as_ref()),
        state: part_state(stage, "stage", path)?,
        says: part_says(said, stage),
    })
}

fn part_name<'t>(
    part: Option<&'t Part<'_>>,
    named: Option<&'t Text<'_>>,
    what: &str,
    path: &str,
) -> Result<&'t str, DecodeError> {
    part.and_then(|part| text(part.name.as_ref()))
        .or_else(|| text(named))
        .ok_or_else(|| DecodeError::no_state(&format!("name of the {what}"), format!("{path}.name")))
}

fn part_state(part: &Part<'_>, what: &str, path: &str) -> Result<State, DecodeError> {
    text(part.state.as_ref())
        .map(words::state)
        .ok_or_else(|| DecodeError::no_state(&format!("state of the {what}"), format!("{path}.state")))
}

fn part_says(said: Time, part: &Part<'_>) -> Statement {
    Statement {
        said,
        result: text(part.result.as_ref()).and_then(words::outcome),
        queued: None,
        started: time(part.start_time.as_ref()),
        finished: time(part.finish_time.as_ref()),
    }
}
