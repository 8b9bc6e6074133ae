//! Classic releases, and the environments of YAML pipelines with their deployment records.

use pipetrail::domain::Time;
use serde_json::{Value, json};

use super::{Reply, Request, State};

/// An environment with its deployment records, the newest first.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    /// The project's id.
    pub(crate) project: String,
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) records: Vec<Value>,
}

pub(super) fn answer(state: &mut State, request: &Request, project: Option<&str>) -> Reply {
    let of = |items: &[(String, Value)]| -> Vec<Value> {
        items.iter().filter(|(known, _)| Some(known.as_str()) == project).map(|(_, item)| item.clone()).collect()
    };
    match request.parts().as_slice() {
        ["release", "deployments"] => {
            let within = within(request, "minModifiedTime", "maxModifiedTime", "lastModifiedOn");
            let items = of(&state.release_deployments).into_iter().filter(within).collect();
            page(state, request, items, "$top")
        }
        ["release", "releases"] => {
            let within = within(request, "minCreatedTime", "maxCreatedTime", "createdOn");
            let items = of(&state.releases).into_iter().filter(within).collect();
            page(state, request, items, "$top")
        }
        ["pipelines", "environments"] => {
            let known = state.environments.iter().filter(|environment| Some(environment.project.as_str()) == project);
            let items = known.map(|environment| json!({"id": environment.id, "name": environment.name})).collect();
            page(state, request, items, "$top")
        }
        ["pipelines", "environments", id, "environmentdeploymentrecords"] => {
            let known = state.environments.iter().find(|environment| environment.id.to_string() == *id);
            match known.map(|environment| environment.records.clone()) {
                Some(records) => page(state, request, records, "top"),
                None => Reply::refusal(404, "Environment with ID does not exist or has been deleted."),
            }
        }
        _ => Reply::refusal(404, "The controller for that path was not found."),
    }
}

/// What changed in the time that is asked for.
fn within(request: &Request, from: &str, until: &str, field: &'static str) -> impl Fn(&Value) -> bool {
    let time = |name: &str| request.query(name).map(|text| Time::parse(text).unwrap().unwrap());
    let (from, until) = (time(from), time(until));
    move |item: &Value| {
        let at = Time::parse(item[field].as_str().unwrap()).unwrap().unwrap();
        from.is_none_or(|from| at >= from) && until.is_none_or(|until| at <= until)
    }
}

/// The token is how many came before.
fn page(state: &mut State, request: &Request, items: Vec<Value>, top: &str) -> Reply {
    let wrong = state.wrong_token();
    let token = if wrong.is_some() { None } else { request.query("continuationToken") };
    let from: usize = token.and_then(|token| token.parse().ok()).unwrap_or_default();
    let size = request.query(top).and_then(|top| top.parse().ok()).unwrap_or(50).min(state.page);
    let value: Vec<_> = items.iter().skip(from).take(size).collect();
    let token = (items.len() > from + size).then(|| (from + size).to_string());
    let reply = Reply::json(&json!({"count": value.len(), "value": value}));
    wrong.or(token).into_iter().fold(reply, |reply, token| reply.with("x-ms-continuationtoken", token))
}
