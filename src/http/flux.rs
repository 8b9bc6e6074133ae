//! `POST /hooks/flux`: what a cluster tells of a commit, by Flux's provider `generic-hmac` or by the `GitOps` connector.
//!
//! Neither says whose commits they are, so the address does (`?organization=`), or the configuration. The body goes to the
//! queue in an envelope and is not looked at here: the worker reads it as any other event.

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::{App, Problem, hooks};
use crate::ado::CLUSTER_SYNC;

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
    let event = enveloped(&organization, &app.access.now().to_string(), &body);
    hooks::put(&app, event).await
}

fn is_a_name(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(|c: char| c.is_control() || "/\\#?|%".contains(c))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'b> {
    event_type: &'static str,
    created_date: &'b str,
    resource_containers: Containers,
    resource: &'b RawValue,
}

#[derive(Serialize)]
struct Containers {
    collection: Collection,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Collection {
    base_url: String,
}

/// Whatever it holds, it is in the envelope: a secret of clusters must not let in events of other kinds. What is no JSON
/// goes as a text, which the worker sets aside with its reason.
fn enveloped(organization: &str, received: &str, body: &[u8]) -> Vec<u8> {
    let unreadable = to_raw_value(&String::from_utf8_lossy(body)).unwrap_or_default();
    let event = Envelope {
        event_type: CLUSTER_SYNC,
        created_date: received,
        resource_containers: Containers {
            collection: Collection { base_url: format!("https://dev.azure.com/{organization}/") },
        },
        resource: serde_json::from_slice(body).unwrap_or(&unreadable),
    };
    // Texts and what was read as JSON: nothing in it can fail.
    serde_json::to_vec(&event).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_body_is_put_into_an_envelope() {
        let read = |body: &[u8]| -> Value {
            serde_json::from_slice(&enveloped("Fabrikam", "2025-06-12T10:00:00Z", body)).unwrap()
        };
        let event = read(br#"{"reason": "x"}"#);
        assert_eq!(event["resource"], json!({"reason": "x"}));
        assert_eq!(event["resourceContainers"]["collection"]["baseUrl"], "https://dev.azure.com/Fabrikam/");
        assert_eq!(event["eventType"], CLUSTER_SYNC);
        // `{"eventType":"build.complete"}` in base64 and behind a byte order mark: the worker would read either.
        for body in
            ["no JSON", "eyJldmVudFR5cGUiOiJidWlsZC5jb21wbGV0ZSJ9", "\u{feff}{\"eventType\":\"build.complete\"}"]
        {
            let event = read(body.as_bytes());
            assert_eq!((&event["eventType"], &event["resource"]), (&json!(CLUSTER_SYNC), &json!(body)));
        }
        let deep = format!("{}1e999{}", "[".repeat(1_000), "]".repeat(1_000));
        assert!(String::from_utf8(enveloped("Fabrikam", "x", deep.as_bytes())).unwrap().contains(&deep));
    }

    #[test]
    fn organizations_are_names() {
        for (text, expected) in [("fabrikam", true), ("", false), (" ", false), ("a/b", false), ("a%2fb", false)] {
            assert_eq!(is_a_name(text), expected, "{text}");
        }
    }
}
