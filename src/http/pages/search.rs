use axum::extract::Query;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::html::part;
use super::{missing, paths};
use crate::http::Problem;
use crate::http::reader::Reader;

const HINT: &str = "Search for a run's id, the beginning of a commit, `PR 88`, `AB#123`, or a pipeline's name.";

#[derive(Debug, Deserialize)]
pub(super) struct Sought {
    #[serde(default)]
    q: String,
}

/// What a text may mean.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    PullRequest(u64),
    WorkItem(u64),
    /// A run's id, or a commit that has no letters.
    Number(String),
    Commit(String),
    Name(String),
}

impl Meaning {
    fn of(text: &str) -> Self {
        let text = text.trim();
        let lower = text.to_lowercase();
        let after = |prefixes: &[&str]| {
            let rest = prefixes.iter().find_map(|prefix| lower.strip_prefix(prefix))?;
            rest.trim().trim_start_matches('#').trim().parse::<u64>().ok()
        };
        let hexadecimal = lower.chars().all(|character| character.is_ascii_hexdigit());
        if let Some(id) = after(&["ab#", "work item", "workitem"]) {
            Self::WorkItem(id)
        } else if let Some(id) = after(&["pull request", "pr", "!"]) {
            Self::PullRequest(id)
        } else if !text.is_empty() && text.chars().all(|character| character.is_ascii_digit()) {
            Self::Number(text.to_owned())
        } else if hexadecimal && (7..=64).contains(&text.len()) {
            Self::Commit(lower)
        } else {
            Self::Name(text.to_owned())
        }
    }
}

/// `GET /search`: leads to what is meant.
pub(super) async fn search(reader: Reader, Query(Sought { q }): Query<Sought>) -> Result<Response, Problem> {
    let place = match Meaning::of(&q) {
        Meaning::PullRequest(id) => format!("/pull-requests/{id}"),
        Meaning::WorkItem(id) => format!("/work-items/{id}"),
        Meaning::Commit(id) => format!("/commits/{id}"),
        Meaning::Number(id) => match (is_run(&reader, &id).await?, id.len() >= 7) {
            (false, true) => format!("/commits/{id}"),
            (true, _) | (false, false) => format!("/runs/{id}"),
        },
        Meaning::Name(name) => return by_name(&reader, &name).await,
    };
    Ok(Redirect::to(&place).into_response())
}

async fn is_run(reader: &Reader, id: &str) -> Result<bool, Problem> {
    let Ok(id) = id.parse() else { return Ok(false) };
    Ok(!reader.catalog.run(id, None, &reader.branches).await?.is_empty())
}

/// A pipeline, by a part of its name.
async fn by_name(reader: &Reader, name: &str) -> Result<Response, Problem> {
    let wanted = name.to_lowercase();
    let all = reader.catalog.pipelines(None, None).await?;
    let has = |name: Option<&String>| name.is_some_and(|name| name.to_lowercase().contains(&wanted));
    let found: Vec<_> = all.iter().filter(|pipeline| has(pipeline.name.as_ref())).collect();
    match (name, found.as_slice()) {
        ("", _) | (_, []) => missing(reader, format!("“{name}”"), HINT).await,
        (_, [only]) => Ok(Redirect::to(&paths::pipeline(&only.organization, only.id)).into_response()),
        (_, [_, _, ..]) => Ok(Redirect::to(&format!("/pipelines?name={}", part(name))).into_response()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_text_means() {
        let table = [
            ("AB#123", Meaning::WorkItem(123)),
            (" work item 7 ", Meaning::WorkItem(7)),
            ("PR 88", Meaning::PullRequest(88)),
            ("!88", Meaning::PullRequest(88)),
            ("pull request #88", Meaning::PullRequest(88)),
            ("480", Meaning::Number("480".to_owned())),
            ("B71F0C3E", Meaning::Commit("b71f0c3e".to_owned())),
            ("deadbee", Meaning::Commit("deadbee".to_owned())),
            ("cafe", Meaning::Name("cafe".to_owned())),
            ("prod-deploy", Meaning::Name("prod-deploy".to_owned())),
            ("", Meaning::Name(String::new())),
        ];
        for (text, meaning) in table {
            assert_eq!(Meaning::of(text), meaning, "{text}");
        }
    }
}
