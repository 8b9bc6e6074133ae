use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::ask::when::Window;
use crate::catalog::{Gap, Run, rfc3339};
use crate::domain::Time;

/// What a tool found: a table, and what it rests on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, JsonSchema, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    pub tool: &'static str,
    /// Which time, in which time zone, where the question has one.
    pub interpretation: String,
    pub columns: Vec<&'static str>,
    /// A row has a cell for each column; unknown is null.
    #[schema(value_type = Vec<Vec<Object>>)]
    pub rows: Vec<Vec<Value>>,
    /// How many rows there are in all; null where more than these were not counted.
    pub total: Option<u64>,
    pub truncated: bool,
    /// The runs behind it.
    pub citations: Vec<Citation>,
    /// What has to be known beside the numbers, such as names that nothing has.
    pub notes: Vec<String>,
    /// The latest time that anything is known of.
    #[serde(serialize_with = "rfc3339")]
    #[schemars(with = "Option<String>")]
    pub data_through: Option<Time>,
    /// The times of it in which events were lost.
    #[schemars(with = "Vec<serde_json::Map<String, Value>>")]
    pub gaps: Vec<Gap>,
    #[serde(skip)]
    pub(in crate::ask) window: Option<Window>,
}

/// A run that an answer rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Citation {
    pub organization: String,
    pub run_id: u64,
    pub url: Option<String>,
}

impl From<&Run> for Citation {
    fn from(run: &Run) -> Self {
        Self { organization: run.organization.clone(), run_id: run.run_id, url: run.url.clone() }
    }
}

impl Found {
    /// The JSON Schema (2020-12) of what every tool answers.
    pub(in crate::ask) fn schema() -> Schema {
        schema_for!(Self)
    }

    /// A table of which all rows are known; those beyond `top` are left out.
    pub(super) fn whole(columns: &[&'static str], mut rows: Vec<Vec<Value>>, top: u32) -> Self {
        let total = rows.len();
        rows.truncate(usize::try_from(top).unwrap_or(usize::MAX));
        Self {
            columns: columns.to_vec(),
            truncated: rows.len() < total,
            total: u64::try_from(total).ok(),
            rows,
            ..Self::default()
        }
    }

    /// A table of which one row more than `top` was asked for.
    pub(super) fn first(columns: &[&'static str], rows: Vec<Vec<Value>>, top: u32) -> Self {
        let found = Self::whole(columns, rows, top);
        let total = found.total.filter(|_| !found.truncated);
        Self { total, ..found }
    }

    pub(super) fn within(self, window: Window) -> Self {
        Self { interpretation: window.to_string(), window: Some(window), ..self }
    }

    pub(super) fn behind(self, citations: Vec<Citation>) -> Self {
        Self { citations, ..self }
    }

    pub(super) fn noting(mut self, notes: Vec<String>) -> Self {
        self.notes.extend(notes);
        self
    }
}

/// A cell with a time.
pub(super) fn moment(time: Option<Time>) -> Value {
    time.map_or(Value::Null, |time| Value::String(time.to_string()))
}

/// A cell with whole seconds.
pub(super) fn seconds(from: Option<Time>, to: Option<Time>) -> Value {
    from.zip(to).map_or(Value::Null, |(from, to)| Value::from(to.since(from).as_secs()))
}
