use serde_json::Value;

use super::body::Fields;
use crate::ado::Scope;
use crate::ado::error::{DecodeError, parse, quoted};
use crate::ado::labels::Labels;
use crate::domain::incident::IncidentFact;
use crate::domain::{IncidentKey, IncidentTurn, Label};

/// What became of an incident. Without a word and without a time it was opened, just now.
pub(in crate::ado) fn fact(scope: &Scope<'_>, resource: &str) -> Result<IncidentFact, DecodeError> {
    let body: Value = parse(resource, "resource")?;
    let fields = Fields::new(&body, "resource")?;
    let organization = scope.place(std::iter::empty())?.organization;
    let opened = fields.time(&["openedAt"])?;
    let resolved = fields.time(&["resolvedAt"])?;
    let mut turns: Vec<_> = opened.map(|at| (at, IncidentTurn::Opened)).into_iter().collect();
    turns.extend(resolved.map(|at| (at, IncidentTurn::Resolved)));
    match fields.text("status") {
        Some(status) => {
            let turn = turn(&status).ok_or_else(|| no_status(&status, fields.place("status")))?;
            if !turns.iter().any(|(_, told)| *told == turn) {
                turns.push((scope.said, turn));
            }
        }
        None if turns.is_empty() => turns.push((scope.said, IncidentTurn::Opened)),
        None => {}
    }
    let mut labels = Labels::empty();
    labels.put(Label::Title, fields.text("title").as_deref());
    labels.put_url(fields.text("url").as_deref());
    labels.put(Label::ProjectName, fields.text("project").as_deref());
    labels.put(Label::Environment, fields.text("environment").as_deref());
    labels.put(Label::PipelineName, fields.text("pipeline").as_deref());
    labels.put(Label::Commit, fields.commit("commit")?.as_deref());
    labels.put(Label::Run, fields.id("runId")?.map(|run| run.to_string()).as_deref());
    let key = key(&organization, fields.text("id"), "resource.id")?;
    Ok(IncidentFact { key, said: scope.said, turns, labels: labels.into_vec() })
}

pub(super) fn key(organization: &str, id: Option<String>, path: &str) -> Result<IncidentKey, DecodeError> {
    let none = || DecodeError::new("no_incident_id", "no id of the incident").at(path);
    let id = id.ok_or_else(none)?;
    let wrong = || {
        let says = format!("`{}` is no incident's id: at most 200 letters, digits and .:_-", quoted(&id));
        DecodeError::new("not_an_incident_id", says).at(path)
    };
    IncidentKey::new(organization, &id).ok_or_else(wrong)
}

/// `failure` and `success` are the words of `DevOpstic`.
pub(super) fn turn(status: &str) -> Option<IncidentTurn> {
    match status.to_lowercase().as_str() {
        "open" | "opened" | "triggered" | "failure" => Some(IncidentTurn::Opened),
        "resolved" | "closed" | "success" => Some(IncidentTurn::Resolved),
        _ => None,
    }
}

pub(super) fn no_status(status: &str, path: String) -> DecodeError {
    let says = format!("`{}` is no status of an incident: write open or resolved", quoted(status));
    DecodeError::new("not_a_status", says).at(path)
}
