//! `POST /hooks/flux`: what a cluster tells of a commit, by Flux's provider `generic-hmac` or by the `GitOps` connector.
//!
//! Neither says whose commits they are, so the address does (`?organization=`), or the configuration. The body goes to the
//! queue in an envelope and is not looked at here: the worker reads it as any other event.

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::{App, Problem, hooks};

/// As the worker knows it.
const EVENT_TYPE: &str = "pipetrail.cluster-sync";

#[derive(Debug, Deserialize)]
pub(crate) struct Whose {
    organization: Option<String>,
}

/// 202 once it is durable.
pub(crate) async fn told(
    State(app): State<App>,
    Query(whose): Query<Whose>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    let organization = whose.organization.as_deref().or_else(|| app.access.organization()).unwrap_or_default();
    let organization = organization.to_owned();
    if !is_a_name(&organization) {
        return Err(Problem::bad_request("Name the organization in the address: /hooks/flux?organization=…"));
    }
    let _room = hooks::room(&app).await?;
    let body = hooks::read(&app, body).await?;
    if !app.access.admits_sync(&headers, &body) {
        tracing::warn!("hook: a cluster was refused, it shows no right signature");
        return Err(Problem::unauthorized());
    }
    let event = enveloped(&organization, &app.access.now().to_string(), body);
    hooks::put(&app, event).await
}

fn is_a_name(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(|c: char| c.is_control() || "/\\#?|%".contains(c))
}

/// What is no JSON goes as it is: the worker sets it aside with its reason.
fn enveloped(organization: &str, received: &str, body: Vec<u8>) -> Vec<u8> {
    let Ok(resource) = serde_json::from_slice::<&RawValue>(&body) else { return body };
    let event = json!({
        "eventType": EVENT_TYPE,
        "createdDate": received,
        "resourceContainers": {"collection": {"baseUrl": format!("https://dev.azure.com/{organization}/")}},
        "resource": resource,
    });
    event.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_put_into_an_envelope() {
        let text = |body: &str| String::from_utf8(enveloped("Fabrikam", "2025-06-12T10:00:00Z", body.into())).unwrap();
        let event: serde_json::Value = serde_json::from_str(&text(r#"{"reason": "x"}"#)).unwrap();
        assert_eq!(event["resource"], json!({"reason": "x"}));
        assert_eq!(event["resourceContainers"]["collection"]["baseUrl"], "https://dev.azure.com/Fabrikam/");
        assert_eq!((text("no JSON").as_str(), event["eventType"].as_str()), ("no JSON", Some(EVENT_TYPE)));
    }

    #[test]
    fn organizations_are_names() {
        for (text, expected) in [("fabrikam", true), ("", false), (" ", false), ("a/b", false), ("a%2fb", false)] {
            assert_eq!(is_a_name(text), expected, "{text}");
        }
    }
}
