//! Projects, which have an id for good and a name until they are renamed.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Reply, Request, State};

#[derive(Debug, Clone)]
pub(crate) struct Project {
    pub(crate) id: String,
    pub(crate) name: String,
}

impl Project {
    /// With an id made of the name.
    pub(crate) fn named(name: &str) -> Self {
        let number = name.bytes().fold(7_u128, |sum, byte| sum.wrapping_mul(1_000_003) ^ u128::from(byte));
        Self { id: Uuid::from_u128(number).to_string(), name: name.to_owned() }
    }

    fn json(&self, organization: &str) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "url": format!("https://dev.azure.com/{organization}/_apis/projects/{}", self.id),
            "state": "wellFormed",
            "revision": 11,
            "visibility": "private",
            "lastUpdateTime": "2023-01-26T19:38:04.267Z",
        })
    }
}

pub(super) fn find<'s>(state: &'s State, name_or_id: &str) -> Option<&'s Project> {
    state
        .projects
        .iter()
        .find(|project| project.id.eq_ignore_ascii_case(name_or_id) || project.name.eq_ignore_ascii_case(name_or_id))
}

/// The id of the project in the request's path, where it has one.
pub(super) fn known(state: &State, request: &Request) -> Result<Option<String>, Reply> {
    let Some(asked) = &request.project else { return Ok(None) };
    find(state, asked).map(|project| Some(project.id.clone())).ok_or_else(|| missing(asked))
}

fn missing(name: &str) -> Reply {
    let says = format!(
        "TF200016: The following project does not exist: {name}. Verify that the name of the project is correct and \
         that the project exists on the specified Azure DevOps Server."
    );
    Reply::refusal(404, &says)
}

pub(super) fn answer(state: &mut State, request: &Request) -> Reply {
    let organization = state.organization.clone();
    match request.parts().as_slice() {
        ["projects"] => {
            let from = request.query("continuationToken").and_then(|token| token.parse().ok()).unwrap_or(0);
            let page = request.query("$top").and_then(|top| top.parse().ok()).unwrap_or(100).min(state.page);
            let all: Vec<_> = state.projects.iter().skip(from).map(|project| project.json(&organization)).collect();
            let value = &all[..page.min(all.len())];
            let token = (all.len() > page).then(|| (from + page).to_string());
            let reply = Reply::json(&json!({"count": value.len(), "value": value}));
            let token = state.wrong_token().or(token);
            token.into_iter().fold(reply, |reply, token| reply.with("x-ms-continuationtoken", token))
        }
        ["projects", asked] => match find(state, asked) {
            Some(project) => Reply::json(&project.json(&organization)),
            None => missing(asked),
        },
        _ => Reply::refusal(404, "The controller for that path was not found."),
    }
}
