//! Work items, as far as they are read.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::ado::wire::{Id, Link, Text};

/// The fields that are read: each a `T`, which is a [`Value`] or a change of one.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object", bound(deserialize = "T: Deserialize<'de>"))]
pub(super) struct Fields<T> {
    #[serde(rename = "System.TeamProject")]
    pub(super) project: Option<T>,
    #[serde(rename = "System.WorkItemType")]
    pub(super) kind: Option<T>,
    #[serde(rename = "System.Title")]
    pub(super) title: Option<T>,
    #[serde(rename = "System.State")]
    pub(super) state: Option<T>,
    #[serde(rename = "System.Reason")]
    pub(super) reason: Option<T>,
    #[serde(rename = "System.AssignedTo")]
    pub(super) assigned_to: Option<T>,
    #[serde(rename = "System.AreaPath")]
    pub(super) area: Option<T>,
    #[serde(rename = "System.IterationPath")]
    pub(super) iteration: Option<T>,
    #[serde(rename = "System.CreatedDate")]
    pub(super) created: Option<T>,
    #[serde(rename = "System.ChangedDate")]
    pub(super) changed: Option<T>,
    #[serde(rename = "Microsoft.VSTS.Common.StateChangeDate")]
    pub(super) state_changed: Option<T>,
    #[serde(rename = "System.Parent")]
    pub(super) parent: Option<T>,
    #[serde(rename = "System.Tags")]
    pub(super) tags: Option<T>,
}

/// What a field holds, as text: people make fields of any type. Of a person the display name.
#[derive(Debug)]
pub(super) struct Value<'a>(Option<Cow<'a, str>>);

impl Value<'_> {
    pub(super) fn text(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.trim().is_empty())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    #[serde(borrow)]
    display_name: Option<Text<'a>>,
}

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value of a field")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value(Some(Cow::Owned(text.to_owned()))))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Value(Some(Cow::Owned(number.to_string()))))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Value(Some(Cow::Owned(number.to_string()))))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Value(Some(Cow::Owned(number.to_string()))))
    }

    fn visit_bool<E: Error>(self, is: bool) -> Result<Self::Value, E> {
        Ok(Value(Some(Cow::Owned(is.to_string()))))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Value(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Self::Value, A::Error> {
        while all.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let identity = Identity::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Value(crate::ado::wire::text(identity.display_name.as_ref()).map(|name| Cow::Owned(name.to_owned()))))
    }
}

/// How a field changed. Without a new value it was cleared.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Changed<'a> {
    #[serde(borrow)]
    pub(super) new_value: Option<Value<'a>>,
}

/// A work item: the resource of `workitem.created`, and an answer of Work Items - List or of its revisions.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Item<'a> {
    pub(super) id: Option<Id>,
    pub(super) rev: Option<Id>,
    #[serde(borrow)]
    pub(super) fields: Option<Fields<Value<'a>>>,
    #[serde(borrow)]
    pub(super) relations: Option<Vec<Relation<'a>>>,
    #[serde(rename = "_links", borrow)]
    pub(super) links: Option<Links<'a>>,
    #[serde(borrow)]
    pub(super) url: Option<Text<'a>>,
}

/// The resource of `workitem.updated`. Its `id` is that of the update.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Update<'a> {
    pub(super) work_item_id: Option<Id>,
    pub(super) rev: Option<Id>,
    #[serde(borrow)]
    pub(super) fields: Option<Fields<Changed<'a>>>,
    #[serde(borrow)]
    pub(super) relations: Option<Relations<'a>>,
    #[serde(borrow)]
    pub(super) revision: Option<Item<'a>>,
    #[serde(rename = "_links", borrow)]
    pub(super) links: Option<Links<'a>>,
    #[serde(borrow)]
    pub(super) url: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Relations<'a> {
    #[serde(borrow)]
    pub(super) added: Option<Vec<Relation<'a>>>,
    #[serde(borrow)]
    pub(super) removed: Option<Vec<Relation<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Relation<'a> {
    #[serde(borrow)]
    pub(super) rel: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) url: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) attributes: Option<Attributes<'a>>,
}

/// What kind of link it is, where the address alone does not say.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Attributes<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Links<'a> {
    #[serde(borrow)]
    pub(super) html: Option<Link<'a>>,
    #[serde(borrow)]
    pub(super) parent: Option<Link<'a>>,
}

/// A list: of work items `value`, of revisions `values`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct List<'a> {
    #[serde(borrow, alias = "values")]
    pub(super) value: Option<Vec<&'a RawValue>>,
}
