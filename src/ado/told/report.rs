use serde_json::{Map, Value, json};

use super::body::{Fields, commits_in};
use super::incident;
use crate::ado::Scope;
use crate::ado::error::{DecodeError, parse, quoted};
use crate::ado::labels::Labels;
use crate::domain::incident::IncidentFact;
use crate::domain::report::{ReportFact, ReportSaid};
use crate::domain::{Fact, IncidentTurn, Label, Outcome, ReportKey, ReportKind};

/// So many commits stand in one event: it has to fit a row of a table.
const MOST_COMMITS: usize = 400;
const INCIDENT: &str = "incident_status_change";

/// The two bodies as one.
struct Told<'b> {
    /// The repository, or `DevOpstic`'s pipeline.
    subject: String,
    event: String,
    about: Fields<'b>,
    /// What names commits anywhere in it.
    anywhere: Option<&'b Value>,
}

/// A statement, or what became of an incident.
pub(in crate::ado) fn fact(scope: &Scope<'_>, resource: &str) -> Result<Fact, DecodeError> {
    let body: Value = parse(resource, "resource")?;
    let empty = Map::new();
    let read = metadata(&body);
    let told = told(&body, read.as_ref(), &empty)?;
    let organization = scope.place(std::iter::empty())?.organization;
    if told.event == INCIDENT {
        return incident_fact(scope, &organization, &told).map(Fact::Incident);
    }
    let kind = ReportKind::from(told.event.as_str());
    if matches!(kind, ReportKind::Other(_)) {
        let known = "push, deploy, test_pass, test_run, commit, submit, approve, incident_status_change";
        let says = format!("`{}` is no event of ours: those are {known}", quoted(&told.event));
        return Err(DecodeError::new("unknown_event", says).at("resource"));
    }
    report(scope, &organization, kind, &told).map(Fact::Report)
}

/// What stands in `Metadata`: an object, or a text that may hold one.
fn metadata(body: &Value) -> Option<Value> {
    let metadata = body.get("Metadata")?;
    let inside = metadata.as_str().and_then(|text| serde_json::from_str(text).ok());
    Some(inside.unwrap_or_else(|| metadata.clone()))
}

fn told<'b>(
    body: &'b Value,
    metadata: Option<&'b Value>,
    empty: &'b Map<String, Value>,
) -> Result<Told<'b>, DecodeError> {
    let fields = Fields::new(body, "resource")?;
    let missing = |code, name: &str| DecodeError::new(code, format!("no `{name}`")).at(fields.place(name));
    if fields.get("Repo").is_some() || fields.get("Event").is_some() {
        let about = metadata.and_then(Value::as_object).unwrap_or(empty);
        return Ok(Told {
            subject: fields.text("Repo").ok_or_else(|| missing("no_repo", "Repo"))?,
            event: fields.text("Event").ok_or_else(|| missing("no_event", "Event"))?,
            about: Fields::of(about, "resource.Metadata"),
            anywhere: metadata,
        });
    }
    Ok(Told {
        subject: fields.text("pipeline_id").ok_or_else(|| missing("no_pipeline", "pipeline_id"))?,
        event: fields.text("type").ok_or_else(|| missing("no_event", "type"))?,
        about: fields,
        anywhere: None,
    })
}

const TIMES: [&str; 3] = ["timestamp", "time", "Time"];

fn report(scope: &Scope<'_>, organization: &str, kind: ReportKind, told: &Told<'_>) -> Result<ReportFact, DecodeError> {
    let about = &told.about;
    let commit = about.commit("commit_id")?;
    let mut labels = Labels::empty();
    labels.put(Label::PipelineName, about.text("pipeline").as_deref().or(Some(&told.subject)));
    labels.put(Label::Repository, about.text("repository").as_deref().or(Some(&told.subject)));
    labels.put(Label::ProjectName, about.text("project").as_deref());
    labels.put(Label::Environment, about.text("environment").as_deref());
    labels.put(Label::Branch, about.text("branch").as_deref());
    labels.put(Label::PullRequest, about.text("pull_request_id").as_deref());
    labels.put(Label::Commit, commit.as_deref());
    let says = ReportSaid {
        kind,
        labels: labels.into_vec(),
        result: result(about)?,
        commits: commits(told, commit)?,
        is_fix: about.is("fix"),
        id: about.text("id"),
    };
    let key = ReportKey::new(organization, &told.subject, &json!([told.subject, says]).to_string());
    Ok(ReportFact { key, said: about.time(&TIMES)?.unwrap_or(scope.said), says })
}

/// What `commit_ids` lists; else whatever is a commit's id.
fn commits(told: &Told<'_>, commit: Option<String>) -> Result<Vec<String>, DecodeError> {
    let listed = told.about.get("commit_ids").or(told.anywhere).map(commits_in).unwrap_or_default();
    let commits = if listed.is_empty() { commit.into_iter().collect() } else { listed };
    if commits.len() > MOST_COMMITS {
        let says = format!("more than {MOST_COMMITS} commits: tell of them in several events");
        return Err(DecodeError::new("too_many_commits", says).at("resource"));
    }
    Ok(commits)
}

/// Who tells of something without saying how it ended means that it was done.
fn result(about: &Fields<'_>) -> Result<Option<Outcome>, DecodeError> {
    let Some(status) = about.first(&["status", "result"]) else { return Ok(None) };
    match status.to_lowercase().as_str() {
        "success" | "succeeded" => Ok(Some(Outcome::Succeeded)),
        "failure" | "failed" => Ok(Some(Outcome::Failed)),
        _ => {
            let says = format!("`{}` is no status: write success or failure", quoted(&status));
            Err(DecodeError::new("not_a_status", says).at(about.place("status")))
        }
    }
}

fn incident_fact(scope: &Scope<'_>, organization: &str, told: &Told<'_>) -> Result<IncidentFact, DecodeError> {
    let about = &told.about;
    let turn = match about.text("status") {
        Some(status) => incident::turn(&status).ok_or_else(|| incident::no_status(&status, about.place("status")))?,
        None => IncidentTurn::Opened,
    };
    let mut labels = Labels::empty();
    labels.put(Label::Title, about.text("title").as_deref());
    labels.put(Label::ProjectName, about.text("project").as_deref());
    labels.put(Label::Environment, about.text("environment").as_deref());
    // Who tells that it is over may be another.
    let of = (turn == IncidentTurn::Opened).then_some(told.subject.as_str());
    labels.put(Label::PipelineName, about.text("pipeline").as_deref().or(of));
    labels.put(Label::Commit, about.commit("commit_id")?.as_deref());
    let key = incident::key(organization, about.text("incident_id"), &about.place("incident_id"))?;
    let at = about.time(&TIMES)?.unwrap_or(scope.said);
    Ok(IncidentFact { key, said: scope.said, turns: vec![(at, turn)], labels: labels.into_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ado::{Decoded, Decoder};
    use crate::domain::Time;
    use crate::domain::incident::IncidentRecord;

    const COMMIT: &str = "b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f";

    fn decoded(kind: &str, resource: &Value) -> Result<Fact, DecodeError> {
        let event = json!({
            "eventType": kind,
            "createdDate": "2025-06-12T10:00:00Z",
            "resourceContainers": {"collection": {"baseUrl": "https://dev.azure.com/Fabrikam/"}},
            "resource": resource,
        });
        match Decoder::default().decode(event.to_string().as_bytes())? {
            Decoded::Facts(mut facts) => Ok(facts.pop().unwrap()),
            other @ (Decoded::Ignored { .. } | Decoded::Named(_)) => panic!("{other:?}"),
        }
    }

    fn reported(resource: &Value) -> ReportFact {
        let Fact::Report(fact) = decoded("pipetrail.report", resource).unwrap() else { panic!("another kind") };
        fact
    }

    fn at(text: &str) -> Time {
        Time::parse(text).unwrap().unwrap()
    }

    #[test]
    fn the_body_of_devops_toolkit() {
        let fact = reported(&json!({"Repo": "shop", "Event": "deploy", "Metadata": {"commit_ids": [COMMIT, COMMIT]}}));
        assert_eq!((fact.key.organization.as_str(), fact.key.subject.as_str()), ("fabrikam", "shop"));
        assert_eq!((fact.said, fact.says.kind), (at("2025-06-12T10:00:00Z"), ReportKind::Deploy));
        assert_eq!((fact.says.commits, fact.says.result), (vec![COMMIT.to_owned()], None));
        for metadata in [json!(COMMIT), json!(format!("merged {COMMIT}, done")), json!({"a": [{"b": COMMIT}]})] {
            let fact = reported(&json!({"Repo": "shop", "Event": "push", "Metadata": metadata}));
            assert_eq!(fact.says.commits, [COMMIT], "{metadata}");
        }
        let text = r#"{"environment": "staging", "fix": true}"#;
        let fact = reported(&json!({"Repo": "shop", "Event": "deploy", "Metadata": text}));
        assert_eq!((fact.says.label(&Label::Environment), fact.says.is_fix), (Some("staging"), true));
        let empty = reported(&json!({"Repo": "shop", "Event": "test_run", "Metadata": ""}));
        assert_eq!(empty.says.commits, [] as [&str; 0]);
    }

    #[test]
    fn the_body_of_devopstic() {
        let fact = reported(&json!({
            "type": "deploy", "pipeline_id": "shop-api", "environment": "live", "commit_id": COMMIT,
            "pull_request_id": 7, "incident_id": "", "status": "failure", "timestamp": 1_749_722_400,
        }));
        assert_eq!((fact.said, fact.says.result.clone()), (at("2025-06-12T10:00:00Z"), Some(Outcome::Failed)));
        let label = |label| fact.says.label(&label);
        assert_eq!((label(Label::PipelineName), label(Label::PullRequest)), (Some("shop-api"), Some("7")));
        assert_eq!(fact.says.commits, [COMMIT]);
    }

    #[test]
    fn the_same_words_are_the_same_record() {
        let told = |status: &str| reported(&json!({"Repo": "Shop", "Event": "deploy", "Metadata": {"status": status}}));
        assert_eq!(told("success").key, told("Success").key);
        assert_ne!(told("success").key, told("failure").key);
    }

    #[test]
    fn an_incident_by_either_way() {
        let shown = |fact| {
            let Fact::Incident(fact) = fact else { panic!("another kind") };
            IncidentRecord::of(&fact).shown()
        };
        let changed = json!({
            "type": "incident_status_change", "pipeline_id": "shop-api", "incident_id": "PT4K", "status": "failure",
            "timestamp": "1749722400",
        });
        let incident = shown(decoded("pipetrail.report", &changed).unwrap());
        assert_eq!((incident.key.id.as_str(), incident.pipeline.as_deref()), ("pt4k", Some("shop-api")));
        assert_eq!((incident.opened, incident.resolved), (Some(at("2025-06-12T10:00:00Z")), None));
        let told = json!({"id": "OPS-1", "runId": 479, "openedAt": "2025-06-12T08:00:00Z", "status": "resolved"});
        let incident = shown(decoded("pipetrail.incident", &told).unwrap());
        assert_eq!((incident.run, incident.opened), (Some(479), Some(at("2025-06-12T08:00:00Z"))));
        assert_eq!(incident.resolved, Some(at("2025-06-12T10:00:00Z")), "just now");
        let incident = shown(decoded("pipetrail.incident", &json!({"id": "OPS-2"})).unwrap());
        assert_eq!(incident.opened, Some(at("2025-06-12T10:00:00Z")));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let report = "pipetrail.report";
        let many: Vec<String> = (0..401).map(|number| format!("{:040x}", number + 1)).collect();
        let table = [
            (report, json!([]), "not_an_object", "resource"),
            (report, json!({}), "no_pipeline", "resource.pipeline_id"),
            (report, json!({"Repo": "x"}), "no_event", "resource.Event"),
            (report, json!({"Event": "push", "Repo": {}}), "no_repo", "resource.Repo"),
            (report, json!({"Repo": "x", "Event": "calc"}), "unknown_event", "resource"),
            (
                report,
                json!({"Repo": "x", "Event": "deploy", "Metadata": {"status": "meh"}}),
                "not_a_status",
                "resource.Metadata.status",
            ),
            (
                report,
                json!({"Repo": "x", "Event": "deploy", "Metadata": {"time": "soon"}}),
                "not_a_time",
                "resource.Metadata.time",
            ),
            (report, json!({"Repo": "x", "Event": "push", "Metadata": many}), "too_many_commits", "resource"),
            (
                report,
                json!({"type": "deploy", "pipeline_id": "x", "timestamp": -5}),
                "not_a_time",
                "resource.timestamp",
            ),
            (
                report,
                json!({"type": "commit", "pipeline_id": "x", "commit_id": "b71f"}),
                "not_a_commit",
                "resource.commit_id",
            ),
            (
                report,
                json!({"type": "incident_status_change", "pipeline_id": "x"}),
                "no_incident_id",
                "resource.incident_id",
            ),
            ("pipetrail.incident", json!({"title": "x"}), "no_incident_id", "resource.id"),
            ("pipetrail.incident", json!({"id": "a b"}), "not_an_incident_id", "resource.id"),
            ("pipetrail.incident", json!({"id": "a", "status": "x"}), "not_a_status", "resource.status"),
            ("pipetrail.incident", json!({"id": "a", "runId": "x"}), "not_an_id", "resource.runId"),
        ];
        for (kind, body, code, path) in table {
            let error = decoded(kind, &body).unwrap_err();
            assert_eq!((error.code, error.path.as_deref()), (code, Some(path)), "{body}");
        }
    }
}
