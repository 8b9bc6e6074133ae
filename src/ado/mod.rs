//! What Azure DevOps sends and answers, read into [facts](Fact).
//!
//! The service's JSON is known here and nowhere else. It promises little: shapes changed in 2019, 2022 and
//! since, ids are numbers or texts, everything may be absent or null. So nothing is required that a run can
//! do without, unknown fields are skipped, and words never seen before are kept as they came. What cannot
//! be used is a [`DecodeError`] with a stable code and the path; a valid event about something else is a
//! value, [`Decoded::Ignored`].
//!
//! Events of the service's test button are none of anybody ([`Decoded::Ignored`]).
//!
//! Not read: the event's `id` (the test button repeats it) and `message` (it may be switched off).
//! The local clock is never asked: an event without `createdDate` is an error.
//!
//! Bounds: texts are cut at 1,024 bytes, names and ids at 256, words at 32; of one body at most 1,000 stages, 5,000
//! timeline records, 100 parts of each kind of a release and 600 bytes of approvers' names are taken, of code and boards
//! what a row of a table holds. A body with many parts becomes several facts. Depth
//! costs no stack, since what is not read is skipped without recursion.
//!
//! All of this is pure, except [`rest`], which asks the service.

mod boards;
mod body;
mod build;
mod cluster;
mod code;
mod environments;
mod error;
mod events;
pub mod hooks;
mod labels;
mod organization;
mod release;
pub mod rest;
mod sample;
mod timeline;
mod told;
mod wire;
mod words;

use std::collections::BTreeMap;

pub use boards::{work_item_list, work_item_revisions};
pub use build::{build_facts, build_list};
pub use cluster::{CLUSTER_SYNC, branch_names, cluster_statuses, cluster_tags, commit_ids};
pub use code::{ChangesPage, changes_fact, pull_request_list, push_list};
pub use environments::deployment_records;
pub use error::DecodeError;
pub use release::{deployment_list, release_list};
pub use timeline::{earlier_timelines, timeline_facts};
pub use told::{INCIDENT, REPORT, enveloped};

use crate::domain::run::RunFact;
use crate::domain::{Fact, FactKind, Names, ReleaseFactKind, Time};
use error::{SEND_ALL, parse};
use organization::Place;
pub use organization::is_organization;
use wire::{Containers, Envelope, Kind, text, time};

/// Reads the bodies of service hook events.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    aliases: BTreeMap<String, String>,
    can_ask: bool,
    names: Names,
}

/// What a sound body is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    Facts(Vec<Fact>),
    /// A valid event of a kind that is not ours, or one of the service's test button.
    Ignored {
        event_type: String,
    },
    /// It names a run and tells too little of it. Only where somebody can ask ([`Decoder::asking`]).
    Named(Named),
}

/// A run that an event names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub organization: String,
    /// Its id, or else its name.
    pub project: Option<String>,
    pub run: u64,
    /// When the event was made.
    pub said: Time,
}

/// What is known beside an answer of the REST API, which comes without an envelope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside {
    /// As the caller asked for it; never parsed from an address.
    pub organization: String,
    pub project_id: Option<String>,
    pub project_name: Option<String>,
    /// Used where the answer names none; zero means none.
    pub pipeline: u64,
    pub pipeline_name: Option<String>,
    /// When the run ended, for its timeline: what failed in it is why the run ended so.
    pub finished: Option<Time>,
}

impl Beside {
    fn organization(&self) -> Result<String, DecodeError> {
        organization::usable(&self.organization).ok_or_else(no_organization)
    }

    fn pipeline(&self) -> Result<u64, DecodeError> {
        usable_id(self.pipeline).ok_or_else(|| DecodeError::new("no_pipeline_id", "no id of the pipeline"))
    }
}

/// The kinds of events that are ours.
#[derive(Clone, Copy)]
enum EventType {
    Run,
    Stage,
    Job,
    BuildComplete,
    ApprovalPending,
    ApprovalCompleted,
    ReleaseCreated,
    ReleaseAbandoned,
    DeploymentStarted,
    DeploymentCompleted,
    DeploymentApprovalPending,
    DeploymentApprovalCompleted,
    Push,
    /// Created, updated or merged: the resource tells.
    PullRequest,
    WorkItemCreated,
    WorkItemUpdated,
    /// Not of the service: what a cluster told, in an envelope of ours.
    ClusterSync,
    /// Not of the service either: what somebody told of, in envelopes of ours.
    Report,
    Incident,
}

impl EventType {
    fn of(name: &str) -> Option<Self> {
        match name {
            "ms.vss-pipelines.run-state-changed-event" => Some(Self::Run),
            "ms.vss-pipelines.stage-state-changed-event" => Some(Self::Stage),
            "ms.vss-pipelines.job-state-changed-event" => Some(Self::Job),
            "build.complete" => Some(Self::BuildComplete),
            "ms.vss-pipelinechecks-events.approval-pending" => Some(Self::ApprovalPending),
            "ms.vss-pipelinechecks-events.approval-completed" => Some(Self::ApprovalCompleted),
            "ms.vss-release.release-created-event" => Some(Self::ReleaseCreated),
            "ms.vss-release.release-abandoned-event" => Some(Self::ReleaseAbandoned),
            "ms.vss-release.deployment-started-event" => Some(Self::DeploymentStarted),
            "ms.vss-release.deployment-completed-event" => Some(Self::DeploymentCompleted),
            "ms.vss-release.deployment-approval-pending-event" => Some(Self::DeploymentApprovalPending),
            "ms.vss-release.deployment-approval-completed-event" => Some(Self::DeploymentApprovalCompleted),
            "git.push" => Some(Self::Push),
            "git.pullrequest.created" | "git.pullrequest.updated" | "git.pullrequest.merged" => Some(Self::PullRequest),
            "workitem.created" => Some(Self::WorkItemCreated),
            "workitem.updated" => Some(Self::WorkItemUpdated),
            CLUSTER_SYNC => Some(Self::ClusterSync),
            REPORT => Some(Self::Report),
            INCIDENT => Some(Self::Incident),
            _ => None,
        }
    }
}

impl Decoder {
    /// `aliases`: other names or ids of organizations, each with the name to use.
    #[must_use]
    pub fn new(aliases: BTreeMap<String, String>) -> Self {
        let lower = |(alias, name): (String, String)| (alias.to_lowercase(), name.to_lowercase());
        Self { aliases: aliases.into_iter().map(lower).collect(), can_ask: false, names: Names::Keep }
    }

    /// The same, where somebody can ask the service: what tells too little of a run, as subscriptions with minimal
    /// resources do, is then [`Decoded::Named`] instead of an error.
    #[must_use]
    pub fn asking(self) -> Self {
        Self { can_ask: true, ..self }
    }

    /// The same, which gives people these names.
    #[must_use]
    pub fn naming(self, names: Names) -> Self {
        Self { names, ..self }
    }

    fn canonical(&self, organization: String) -> String {
        self.aliases.get(&organization).cloned().unwrap_or(organization)
    }

    /// Reads a message's body: an event, or a bare answer of Builds - Get; raw JSON or base64 of it.
    ///
    /// # Errors
    /// When nothing can be made of it, with a code, a sentence and where possible the path. Never panics,
    /// whatever the bytes.
    pub fn decode(&self, body: &[u8]) -> Result<Decoded, DecodeError> {
        let body = body::text(body)?;
        let decoded = match parse::<Envelope<'_>>(&body, "") {
            Ok(envelope) => self.event(&envelope, &body),
            // An event that is not ours may use the same names for other things.
            Err(error) => foreign(&body).ok_or(error),
        };
        decoded.map(|decoded| self.named(decoded))
    }

    /// Nobody sees a name before it is decided what becomes of it.
    fn named(&self, decoded: Decoded) -> Decoded {
        match decoded {
            Decoded::Facts(facts) => Decoded::Facts(facts.into_iter().map(|fact| self.names.applied(fact)).collect()),
            Decoded::Ignored { .. } | Decoded::Named(_) => decoded,
        }
    }

    fn event(&self, envelope: &Envelope<'_>, body: &str) -> Result<Decoded, DecodeError> {
        if envelope.is_build() {
            let scope = Scope { decoder: self, containers: None, said: Time::UNKNOWN };
            return build::bare_fact(&scope, &parse(body, "")?).map(one);
        }
        let name = text(envelope.event_type.as_ref()).ok_or_else(|| {
            DecodeError::new("no_event_type", "no `eventType`: this is no service hook event").at("eventType")
        })?;
        let Some(event_type) = EventType::of(name) else { return Ok(ignored(name)) };
        let resource = envelope.resource.ok_or_else(|| {
            DecodeError::new("resource_null", format!("the event has no resource: {SEND_ALL}")).at("resource")
        })?;
        let said = time(envelope.created_date.as_ref())
            .ok_or_else(|| DecodeError::new("no_created_date", "no `createdDate`").at("createdDate"))?;
        let scope = Scope { decoder: self, containers: envelope.resource_containers.as_ref(), said };
        let read = match told(event_type, &scope, envelope, resource.get()) {
            Ok(facts) => Ok(Decoded::Facts(facts)),
            Err(error) if self.can_ask && error.tells_too_little() => {
                named(event_type, &scope, resource.get()).map(Decoded::Named).ok_or(error)
            }
            Err(error) => Err(error),
        };
        if sample::has_its_containers(scope.containers) && sample::is_nobodys(&read) {
            return Ok(ignored(name));
        }
        read
    }
}

fn named(event_type: EventType, scope: &Scope<'_>, resource: &str) -> Option<Named> {
    let (place, run) = match event_type {
        EventType::Run | EventType::Stage | EventType::Job => events::named(scope, &parse(resource, "").ok()?),
        EventType::ApprovalPending | EventType::ApprovalCompleted => {
            events::named_by_approval(scope, &parse(resource, "").ok()?)
        }
        EventType::BuildComplete => build::named(scope, &parse(resource, "").ok()?),
        EventType::ReleaseCreated
        | EventType::ReleaseAbandoned
        | EventType::DeploymentStarted
        | EventType::DeploymentCompleted
        | EventType::DeploymentApprovalPending
        | EventType::DeploymentApprovalCompleted => None,
        EventType::Push | EventType::PullRequest | EventType::WorkItemCreated | EventType::WorkItemUpdated => None,
        EventType::ClusterSync | EventType::Report | EventType::Incident => None,
    }?;
    let Place { organization, project_id, project_name } = place;
    Some(Named { organization, project: project_id.or(project_name), run, said: scope.said })
}

fn told(
    event_type: EventType,
    scope: &Scope<'_>,
    envelope: &Envelope<'_>,
    resource: &str,
) -> Result<Vec<Fact>, DecodeError> {
    let at = "resource";
    let release = |kind| Ok(vec![Fact::Release(release::fact(scope, kind, resource)?)]);
    let approval = |kind| events::approval_fact(scope, kind, &parse(resource, at)?).map(facts);
    match event_type {
        EventType::Run => events::run_fact(scope, &parse(resource, at)?).map(facts),
        EventType::Stage => events::stage_fact(scope, &parse(resource, at)?).map(facts),
        EventType::Job => events::job_fact(scope, &parse(resource, at)?).map(facts),
        EventType::BuildComplete => build::completed_fact(scope, envelope, &parse(resource, at)?).map(facts),
        EventType::ApprovalPending => approval(FactKind::ApprovalPending),
        EventType::ApprovalCompleted => approval(FactKind::ApprovalCompleted),
        EventType::ReleaseCreated => release(ReleaseFactKind::Created),
        EventType::ReleaseAbandoned => release(ReleaseFactKind::Abandoned),
        EventType::DeploymentStarted => release(ReleaseFactKind::DeploymentStarted),
        EventType::DeploymentCompleted => release(ReleaseFactKind::DeploymentCompleted),
        EventType::DeploymentApprovalPending => release(ReleaseFactKind::ApprovalPending),
        EventType::DeploymentApprovalCompleted => release(ReleaseFactKind::ApprovalCompleted),
        EventType::Push => code::push_event(scope, resource).map(|fact| vec![fact]),
        EventType::PullRequest => code::pull_request_event(scope, resource).map(|fact| vec![fact]),
        EventType::WorkItemCreated => boards::created(scope, resource).map(|fact| vec![fact]),
        EventType::WorkItemUpdated => boards::updated(scope, resource).map(|fact| vec![fact]),
        EventType::ClusterSync => cluster::facts(scope, resource),
        EventType::Report => told::report(scope, resource).map(|fact| vec![fact]),
        EventType::Incident => told::incident(scope, resource).map(|fact| vec![Fact::Incident(fact)]),
    }
}

fn one(fact: RunFact) -> Decoded {
    Decoded::Facts(facts(fact))
}

fn facts(fact: RunFact) -> Vec<Fact> {
    fact.in_pieces().into_iter().map(Fact::Run).collect()
}

fn ignored(event_type: &str) -> Decoded {
    Decoded::Ignored { event_type: labels::short(event_type).into_owned() }
}

fn foreign(body: &str) -> Option<Decoded> {
    let kind: Kind<'_> = serde_json::from_str(body).ok()?;
    let name = text(kind.event_type.as_ref())?;
    EventType::of(name).is_none().then(|| ignored(name))
}

/// What can be the id of a run or a pipeline.
fn usable_id(id: u64) -> Option<u64> {
    (1..=i64::MAX.unsigned_abs()).contains(&id).then_some(id)
}

fn no_organization() -> DecodeError {
    DecodeError::new("no_organization", "no address in it names the organization")
}

/// What the envelope says to all that is in it.
struct Scope<'e> {
    decoder: &'e Decoder,
    containers: Option<&'e Containers<'e>>,
    said: Time,
}

impl Scope<'_> {
    /// The organization, and the project as far as the envelope tells. `urls` are those of the resource.
    fn place<'u>(&self, urls: impl Iterator<Item = &'u str>) -> Result<Place, DecodeError> {
        let named = organization::organization(self.base_urls()).or_else(|| organization::organization(urls));
        let organization = named.or_else(|| self.known_by_id()).ok_or_else(no_organization)?;
        let mut place = Place { organization: self.decoder.canonical(organization), ..Place::default() };
        let project = self.containers.and_then(|containers| containers.project.as_ref());
        place.fill_project_id(project.and_then(|project| text(project.id.as_ref())));
        Ok(place)
    }

    /// The collection first: on a server the account may be the machine.
    fn base_urls(&self) -> impl Iterator<Item = &str> {
        let containers = self.containers.into_iter();
        containers
            .flat_map(|containers| [&containers.collection, &containers.account, &containers.project])
            .filter_map(|container| text(container.as_ref()?.base_url.as_ref()))
    }

    /// An event without any address may still carry an id that the configuration knows.
    fn known_by_id(&self) -> Option<String> {
        let containers = self.containers?;
        let ids = [&containers.collection, &containers.account];
        ids.into_iter()
            .filter_map(|container| text(container.as_ref()?.id.as_ref()))
            .find_map(|id| self.decoder.aliases.get(&id.to_lowercase()).cloned())
    }
}
