//! The JSON of the service, as far as it is read. Everything may be absent or null.
//!
//! Two traps. `Option<Cow<str>>` never borrows, hence [`Text`]. And a field that is read here with the
//! wrong type makes the whole body a bad one, so nothing is declared that nobody uses.
//!
//! Shapes: <https://learn.microsoft.com/azure/devops/service-hooks/events>.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::error::{NOT_A_TIME, quoted};
use crate::domain::Time;

/// A text, borrowed from the body where it holds no escapes.
#[derive(Debug)]
pub(super) struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// The text, unless it is absent or empty.
pub(super) fn text<'t>(text: Option<&'t Text<'_>>) -> Option<&'t str> {
    text.map(|text| text.0.as_ref()).filter(|text| !text.trim().is_empty())
}

/// A time; year 1 means none.
#[derive(Debug)]
pub(super) struct When(Option<Time>);

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_str(TextVisitor)?;
        Time::parse(&text).map(Self).map_err(|error| D::Error::custom(format_args!("{NOT_A_TIME}{error}")))
    }
}

pub(super) fn time(when: Option<&When>) -> Option<Time> {
    when.and_then(|when| when.0)
}

/// A whole number up to `MOST`, or the text of one. Zero means none.
#[derive(Debug)]
pub(super) struct Natural<const MOST: u64>(u64);

/// An id of a run, build or pipeline. A table holds none above [`i64::MAX`].
pub(super) type Id = Natural<{ i64::MAX.unsigned_abs() }>;

/// The number of an attempt.
pub(super) type Count = Natural<0xffff_ffff>;

struct NaturalVisitor<const MOST: u64>;

impl<'de, const MOST: u64> Deserialize<'de> for Natural<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NaturalVisitor)
    }
}

impl<const MOST: u64> Visitor<'_> for NaturalVisitor<MOST> {
    type Value = Natural<MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from 0 to {MOST}")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        if number > MOST {
            return Err(E::custom(format_args!("{number} is above {MOST}")));
        }
        Ok(Natural(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        match text.parse() {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::custom(format_args!("`{}` is no whole number", quoted(text)))),
        }
    }
}

pub(super) fn id(id: Option<&Id>) -> Option<u64> {
    id.map(|id| id.0).filter(|id| *id > 0)
}

pub(super) fn count(count: Option<&Count>) -> Option<u32> {
    count.and_then(|count| u32::try_from(count.0).ok()).filter(|count| *count > 0)
}

/// A person: the display name, or an identity that holds it.
#[derive(Debug)]
pub(super) struct Person<'a>(Option<Text<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Person<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PersonVisitor)
    }
}

struct PersonVisitor;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    #[serde(borrow)]
    display_name: Option<Text<'a>>,
}

impl<'de> Visitor<'de> for PersonVisitor {
    type Value = Person<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name or an identity")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Person(Some(Text(Cow::Borrowed(text)))))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Person(Some(Text(Cow::Owned(text.to_owned())))))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Identity::deserialize(MapAccessDeserializer::new(map)).map(|identity| Person(identity.display_name))
    }
}

pub(super) fn name<'t>(person: Option<&'t Person<'_>>) -> Option<&'t str> {
    person.and_then(|person| text(person.0.as_ref()))
}

/// What every event comes in; also, of a bare build, what tells that it is one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Envelope<'a> {
    #[serde(borrow)]
    pub(super) event_type: Option<Text<'a>>,
    pub(super) created_date: Option<When>,
    #[serde(borrow)]
    pub(super) resource: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) resource_version: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) resource_containers: Option<Containers<'a>>,
    build_number: Option<IgnoredAny>,
    definition: Option<IgnoredAny>,
    url: Option<IgnoredAny>,
}

impl Envelope<'_> {
    /// Whether it is no envelope but an answer of Builds - Get.
    pub(super) fn is_build(&self) -> bool {
        self.event_type.is_none() && self.build_number.is_some() && self.definition.is_some() && self.url.is_some()
    }
}

/// Only the kind, for events that are not ours: their other fields may be of any type.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Kind<'a> {
    #[serde(borrow)]
    pub(super) event_type: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Containers<'a> {
    #[serde(borrow)]
    pub(super) account: Option<Container<'a>>,
    #[serde(borrow)]
    pub(super) collection: Option<Container<'a>>,
    #[serde(borrow)]
    pub(super) project: Option<Container<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Container<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) base_url: Option<Text<'a>>,
}

/// The resource of run, stage and job events.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Pipelines<'a> {
    #[serde(borrow)]
    pub(super) url: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) project_id: Option<Text<'a>>,
    pub(super) run_id: Option<Id>,
    #[serde(borrow)]
    pub(super) run_url: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) run: Option<Run<'a>>,
    #[serde(borrow)]
    pub(super) pipeline: Option<Pipeline<'a>>,
    #[serde(borrow)]
    pub(super) stage: Option<Part<'a>>,
    #[serde(borrow)]
    pub(super) stage_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) job: Option<Part<'a>>,
    #[serde(borrow)]
    pub(super) stages: Option<Vec<Part<'a>>>,
    #[serde(borrow)]
    pub(super) requested_for: Option<Person<'a>>,
    #[serde(borrow)]
    pub(super) repositories: Option<Vec<Changed<'a>>>,
}

/// The resource of approval events. Its `stage` is not read: nobody documents what it holds.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Approvals<'a> {
    #[serde(borrow)]
    pub(super) url: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) project_id: Option<Text<'a>>,
    pub(super) run_id: Option<Id>,
    #[serde(borrow)]
    pub(super) run_url: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) run: Option<Run<'a>>,
    #[serde(borrow)]
    pub(super) pipeline: Option<Pipeline<'a>>,
    #[serde(borrow)]
    pub(super) stage_name: Option<Text<'a>>,
    pub(super) attempt_id: Option<Count>,
    #[serde(borrow)]
    pub(super) approval: Option<Approval<'a>>,
    /// What it guards. Read by itself: it may be null, and nobody documents what it holds.
    #[serde(borrow)]
    pub(super) resource: Option<&'a RawValue>,
}

/// What an approval guards.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct GuardedResource<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    /// Such as `environment`, or `endpoint`.
    #[serde(rename = "type", borrow)]
    pub(super) kind: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Run<'a> {
    #[serde(rename = "_links", borrow)]
    pub(super) links: Option<Links<'a>>,
    #[serde(borrow)]
    pub(super) url: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) pipeline: Option<Pipeline<'a>>,
    #[serde(borrow)]
    pub(super) state: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) result: Option<Text<'a>>,
    pub(super) created_date: Option<When>,
    pub(super) finished_date: Option<When>,
    #[serde(borrow)]
    pub(super) resources: Option<Resources<'a>>,
    pub(super) id: Option<Id>,
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) requested_for: Option<Person<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Links<'a> {
    #[serde(rename = "self", borrow)]
    pub(super) own: Option<Link<'a>>,
    #[serde(borrow)]
    pub(super) web: Option<Link<'a>>,
    #[serde(borrow)]
    pub(super) pipeline: Option<Link<'a>>,
    #[serde(rename = "pipeline.web", borrow)]
    pub(super) pipeline_web: Option<Link<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Link<'a> {
    #[serde(borrow)]
    href: Option<Text<'a>>,
}

pub(super) fn href<'t>(link: Option<&'t Link<'_>>) -> Option<&'t str> {
    link.and_then(|link| text(link.href.as_ref()))
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Pipeline<'a> {
    #[serde(borrow)]
    pub(super) url: Option<Text<'a>>,
    pub(super) id: Option<Id>,
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) folder: Option<Text<'a>>,
}

/// A stage or a job.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Part<'a> {
    #[serde(rename = "_links", borrow)]
    pub(super) links: Option<Links<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    pub(super) attempt: Option<Count>,
    #[serde(borrow)]
    pub(super) state: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) result: Option<Text<'a>>,
    pub(super) start_time: Option<When>,
    pub(super) finish_time: Option<When>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Resources<'a> {
    #[serde(borrow)]
    pub(super) repositories: Option<Repositories<'a>>,
    /// By alias. Each is read by itself: nobody documents what events hold there.
    #[serde(borrow)]
    pub(super) pipelines: Option<BTreeMap<String, &'a RawValue>>,
    #[serde(borrow)]
    pub(super) containers: Option<BTreeMap<String, &'a RawValue>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Repositories<'a> {
    #[serde(rename = "self", borrow)]
    pub(super) own: Option<Checkout<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Checkout<'a> {
    #[serde(borrow)]
    pub(super) repository: Option<Repository<'a>>,
    #[serde(borrow)]
    pub(super) ref_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) version: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Repository<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) full_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
}

/// A run of another pipeline that a run uses.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct PipelineResource<'a> {
    #[serde(borrow)]
    pub(super) pipeline: Option<Pipeline<'a>>,
    #[serde(borrow)]
    pub(super) version: Option<Text<'a>>,
}

/// A container that a run uses.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct ContainerResource<'a> {
    #[serde(borrow)]
    pub(super) container: Option<Image<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Image<'a> {
    #[serde(borrow)]
    pub(super) image: Option<Text<'a>>,
}

/// What started a build. On pushes and pull requests other names stand in it, on servers it may be absent.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct TriggerInfo<'a> {
    /// Of the run, whatever it is called.
    pub(super) pipeline_id: Option<Id>,
    /// The name of its pipeline.
    #[serde(borrow)]
    pub(super) source: Option<Text<'a>>,
    /// The run's number.
    #[serde(borrow)]
    pub(super) version: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) artifact_type: Option<Text<'a>>,
    #[serde(rename = "ci.sourceSha", borrow)]
    pub(super) pushed: Option<Text<'a>>,
    #[serde(rename = "pr.number")]
    pub(super) pull_request: Option<Id>,
    /// The text of an id or a name; whatever else stands there costs no more than itself.
    #[serde(rename = "pr.triggerRepository", borrow)]
    pub(super) pull_request_repository: Option<&'a RawValue>,
    /// The text `True` or `False`.
    #[serde(rename = "pr.isFork", borrow)]
    pub(super) is_of_fork: Option<&'a RawValue>,
}

/// A build that started another one.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct TriggeredBy {
    pub(super) id: Option<Id>,
}

/// An entry of `repositories`, which events have since 2022.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Changed<'a> {
    #[serde(borrow)]
    pub(super) url: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) change: Option<Change<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Change<'a> {
    #[serde(borrow)]
    pub(super) version: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Approval<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) status: Option<Text<'a>>,
    pub(super) created_on: Option<When>,
    pub(super) last_modified_on: Option<When>,
    #[serde(borrow)]
    pub(super) steps: Option<Vec<Step<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Step<'a> {
    #[serde(borrow)]
    pub(super) assigned_approver: Option<Person<'a>>,
    #[serde(borrow)]
    pub(super) actual_approver: Option<Person<'a>>,
}

/// The queue of agents of a build.
#[derive(Debug, Default, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct AgentQueue<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) pool: Option<Pool<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Pool<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
}

/// The resource of `build.complete`, 1.0 and 2.0, and an answer of Builds - Get.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Build<'a> {
    #[serde(rename = "_links", borrow)]
    pub(super) links: Option<Links<'a>>,
    pub(super) id: Option<Id>,
    #[serde(borrow)]
    pub(super) build_number: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) status: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) result: Option<Text<'a>>,
    /// Which agents it waits for; a queue of agents, which has its pool inside.
    #[serde(borrow)]
    pub(super) queue: Option<&'a RawValue>,
    pub(super) queue_time: Option<When>,
    pub(super) start_time: Option<When>,
    pub(super) finish_time: Option<When>,
    pub(super) last_changed_date: Option<When>,
    #[serde(borrow)]
    pub(super) url: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) definition: Option<Definition<'a>>,
    #[serde(borrow)]
    pub(super) project: Option<Project<'a>>,
    #[serde(borrow)]
    pub(super) source_branch: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) source_version: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) source_get_version: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) reason: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) requested_for: Option<Person<'a>>,
    #[serde(borrow)]
    pub(super) requests: Option<Vec<Request<'a>>>,
    #[serde(borrow)]
    pub(super) repository: Option<Repository<'a>>,
    /// Read by itself: what the service puts there depends on the trigger.
    #[serde(borrow)]
    pub(super) trigger_info: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) triggered_by_build: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Definition<'a> {
    pub(super) id: Option<Id>,
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) path: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) url: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) project: Option<Project<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Project<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Request<'a> {
    #[serde(borrow)]
    pub(super) requested_for: Option<Person<'a>>,
}

/// An answer of Builds - List.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Builds<'a> {
    /// Each is read by itself, so that one that cannot be read costs no other.
    #[serde(borrow)]
    pub(super) value: Option<Vec<&'a RawValue>>,
}

/// An answer of Timeline - Get.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Timeline<'a> {
    #[serde(borrow)]
    pub(super) records: Option<Vec<TimelineRecord<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct TimelineRecord<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) parent_id: Option<Text<'a>>,
    #[serde(rename = "type", borrow)]
    pub(super) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) identifier: Option<Text<'a>>,
    pub(super) attempt: Option<Count>,
    #[serde(borrow)]
    pub(super) state: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) result: Option<Text<'a>>,
    pub(super) start_time: Option<When>,
    pub(super) finish_time: Option<When>,
    #[serde(borrow)]
    pub(super) issues: Option<Vec<Issue<'a>>>,
    #[serde(borrow)]
    pub(super) log: Option<Log<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Issue<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) message: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Log<'a> {
    #[serde(borrow)]
    pub(super) url: Option<Text<'a>>,
}

/// A timeline again, for the attempts that stand in timelines of their own.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Retried<'a> {
    #[serde(borrow)]
    pub(super) records: Option<Vec<RetriedRecord<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct RetriedRecord<'a> {
    #[serde(borrow)]
    pub(super) previous_attempts: Option<Vec<PreviousAttempt<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct PreviousAttempt<'a> {
    #[serde(borrow)]
    pub(super) timeline_id: Option<Text<'a>>,
}
