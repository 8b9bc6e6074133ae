use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::ask::when::Window;
use crate::catalog::{Gap, Run, rfc3339};
use crate::domain::Time;

/// Characters of an answer as JSON: actions of GPTs take less than 100,000.
/// <https://platform.openai.com/docs/actions/production>
pub(in crate::ask) const MOST_CHARACTERS: usize = 98_000;

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
    /// How many rows there are in all; null where not all were looked for, and then a note says more than how many.
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

impl Citation {
    /// Of a run of which no more is known here.
    pub(super) fn of(organization: &str, run_id: u64) -> Self {
        Self { organization: organization.to_owned(), run_id, url: None }
    }
}

impl From<&Run> for Citation {
    fn from(run: &Run) -> Self {
        Self { organization: run.organization.clone(), run_id: run.run_id, url: run.url.clone() }
    }
}

impl Found {
    /// The JSON Schema (2020-12) of what every tool answers.
    #[must_use]
    pub fn schema() -> Schema {
        schema_for!(Self)
    }

    /// A table of which all rows are known; those beyond `top` are left out.
    pub(super) fn whole(columns: &[&'static str], mut rows: Vec<Vec<Value>>, top: u32) -> Self {
        let total = rows.len();
        rows.truncate(usize::try_from(top).unwrap_or(usize::MAX));
        Self::of(columns, rows, total)
    }

    /// Some rows of a table that has so many in all.
    pub(super) fn of(columns: &[&'static str], rows: Vec<Vec<Value>>, total: usize) -> Self {
        Self {
            columns: columns.to_vec(),
            truncated: rows.len() < total,
            total: u64::try_from(total).ok(),
            rows,
            ..Self::default()
        }
    }

    /// The same with a number that the catalog counted.
    pub(super) fn part(columns: &[&'static str], rows: Vec<Vec<Value>>, total: u64) -> Self {
        Self::of(columns, rows, usize::try_from(total).unwrap_or(usize::MAX))
    }

    /// A table of which it is only known that there is more.
    pub(super) fn uncounted(self) -> Self {
        let note = format!("there are more than {} rows, and not all were looked for", self.total.unwrap_or_default());
        Self { total: None, truncated: true, ..self }.noting(vec![note])
    }

    /// Cut to what an answer may be long.
    pub(super) fn cut(mut self) -> Self {
        let whole = self.rows.len();
        let is_long =
            |found: &Self| serde_json::to_string(found).is_ok_and(|text| text.chars().count() > MOST_CHARACTERS);
        if !is_long(&self) {
            return self;
        }
        while is_long(&self) {
            less(&mut self.rows);
            less(&mut self.citations);
            less(&mut self.gaps);
        }
        let note = format!("cut to {} of {whole} rows, as an answer has at most 100,000 characters", self.rows.len());
        Self { truncated: true, ..self.noting(vec![note]) }
    }

    pub(super) fn within(self, window: Window) -> Self {
        Self { interpretation: window.to_string(), window: Some(window), ..self }
    }

    /// Of a time and of the one before it: events may be lost in either.
    pub(super) fn compared(self, window: Window) -> Self {
        let before = window.before();
        let both = Window { from: before.from, ..window };
        Self { interpretation: format!("{window}, before it {before}"), window: Some(both), ..self }
    }

    pub(super) fn behind(self, citations: Vec<Citation>) -> Self {
        Self { citations, ..self }
    }

    pub(super) fn noting(mut self, notes: Vec<String>) -> Self {
        self.notes.extend(notes);
        self
    }
}

/// A quarter less of them, from the end.
pub(in crate::ask) fn less<T>(some: &mut Vec<T>) {
    some.truncate(some.len() * 3 / 4);
}

/// A cell with a time.
pub(super) fn moment(time: Option<Time>) -> Value {
    time.map_or(Value::Null, |time| Value::String(time.to_string()))
}

/// A cell with whole seconds.
pub(super) fn seconds(from: Option<Time>, to: Option<Time>) -> Value {
    from.zip(to).map_or(Value::Null, |(from, to)| Value::from(to.since(from).as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::when::Said;

    /// Gaps are looked for in the window that a table has.
    #[test]
    fn what_is_compared_reaches_over_both_times() {
        let at = |text: &str| Time::parse(text).unwrap().unwrap();
        let said = Said { window: Some("last month"), ..Said::default() };
        let now = at("2026-03-04T10:30:00Z");
        let window = Window::of(said, std::time::Duration::from_secs(1), now, chrono_tz::Tz::UTC).unwrap();
        let found = Found::default().compared(window);
        let both = found.window.unwrap();
        assert_eq!((both.from, both.to), (at("2026-01-01T00:00:00Z"), at("2026-03-01T00:00:00Z")));
        assert!(found.interpretation.contains("before it 2026-01-01 00:00 to 2026-02-01 00:00"), "{found:?}");
    }

    #[test]
    fn an_answer_is_cut_to_what_actions_take_and_says_so() {
        let row = || vec![Value::from("\u{1f4a5}".repeat(3_000)), Value::from("\"".repeat(500))];
        let found = |count| Found::of(&["error", "stage"], vec![row(); count], count).cut();
        let (long, short) = (found(100), found(3));
        assert!(serde_json::to_string(&long).unwrap().chars().count() < 100_000);
        assert!(long.truncated && long.total == Some(100) && !long.rows.is_empty());
        assert_eq!(
            long.notes,
            [format!("cut to {} of 100 rows, as an answer has at most 100,000 characters", long.rows.len())]
        );
        assert_eq!((short.rows.len(), short.truncated, short.notes.len()), (3, false, 0));
    }
}
