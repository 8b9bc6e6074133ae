//! What clusters told of commits: bodies of Flux's notifications and of the `GitOps` connector for Argo CD and Flux, which
//! the endpoint has put into an envelope of ours, since neither says whose commits they are.
//!
//! Shapes: <https://fluxcd.io/flux/components/notification/events/>, <https://github.com/microsoft/gitops-connector>.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::{DecodeError, parse};
use super::wire::{Text, When, text, time};
use super::{Beside, Scope};
use crate::domain::cluster::ClusterFact;
use crate::domain::text::{MOST_NAME, MOST_TEXT, MOST_WORD, cut};
use crate::domain::{ClusterKey, Fact, Time, commit_id};

/// The event type of the envelope.
pub const CLUSTER_SYNC: &str = "pipetrail.cluster-sync";

/// Flux's word for it, and that of the connector.
const SUCCEEDED: [&str; 2] = ["ReconciliationSucceeded", "succeeded"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Told<'a> {
    // Flux.
    #[serde(borrow)]
    involved_object: Option<Object<'a>>,
    timestamp: Option<When>,
    #[serde(borrow)]
    message: Option<Text<'a>>,
    #[serde(borrow)]
    reason: Option<Text<'a>>,
    #[serde(borrow)]
    metadata: Option<BTreeMap<Cow<'a, str>, Option<Text<'a>>>>,
    // The connector.
    #[serde(rename = "commit_id", borrow)]
    commit_id: Option<Text<'a>>,
    #[serde(rename = "status_name", borrow)]
    status_name: Option<Text<'a>>,
    #[serde(borrow)]
    state: Option<Text<'a>>,
    #[serde(borrow)]
    genre: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Object<'a> {
    #[serde(borrow)]
    namespace: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
}

/// None where it is about no commit: Flux tells of much else.
pub(super) fn facts(scope: &Scope<'_>, resource: &str) -> Result<Vec<Fact>, DecodeError> {
    let told: Told<'_> = parse(resource, "resource")?;
    let organization = scope.place(std::iter::empty())?.organization;
    let (Some(commit), Some(cluster), Some(state)) = (commit(&told), cluster(&told), state(&told)) else {
        return Ok(Vec::new());
    };
    let message = text(told.message.as_ref()).map(|message| cut(message, MOST_TEXT).into_owned());
    Ok(vec![Fact::Cluster(ClusterFact {
        key: ClusterKey::new(&organization, &commit),
        said: time(told.timestamp.as_ref()).unwrap_or(scope.said),
        cluster: cut(&cluster, MOST_NAME).into_owned(),
        state: cut(state, MOST_WORD).into_owned(),
        succeeded: SUCCEEDED.iter().any(|word| word.eq_ignore_ascii_case(state)),
        message,
    })])
}

fn state<'t>(told: &'t Told<'_>) -> Option<&'t str> {
    text(told.reason.as_ref()).or_else(|| text(told.state.as_ref())).filter(|word| !word.is_empty())
}

/// Flux 2 writes `main@sha1:{commit}`, before that `main/{commit}`.
fn commit(told: &Told<'_>) -> Option<String> {
    let revision = metadata(told, "revision").or_else(|| text(told.commit_id.as_ref()))?;
    commit_id(revision.rsplit(['@', ':', '/']).next()?)
}

/// What people call the cluster, where they told Flux: `summary`, or `cluster` in an alert's metadata. Else the object.
fn cluster(told: &Told<'_>) -> Option<String> {
    let named = metadata(told, "cluster").or_else(|| metadata(told, "summary")).map(str::to_owned);
    let of_genre = || {
        let genre = text(told.genre.as_ref())?;
        Some(genre.split_once(':').map_or(genre, |(_, cluster)| cluster).to_owned())
    };
    let of_object = || {
        let object = told.involved_object.as_ref()?;
        let name = text(object.name.as_ref())?;
        Some(text(object.namespace.as_ref()).map_or_else(|| name.to_owned(), |space| format!("{space}/{name}")))
    };
    let of_status = || text(told.status_name.as_ref()).map(str::to_owned);
    let names = named.into_iter().chain(of_genre()).chain(of_object()).chain(of_status());
    names.into_iter().find(|name| !name.trim().is_empty())
}

/// By its name, whatever group of Kubernetes stands before it.
fn metadata<'t>(told: &'t Told<'_>, name: &str) -> Option<&'t str> {
    let all = told.metadata.as_ref()?;
    let is_it = |key: &str| key.rsplit('/').next() == Some(name);
    all.iter().find(|(key, _)| is_it(key)).and_then(|(_, value)| text(value.as_ref())).filter(|value| !value.is_empty())
}

/// A list of the service.
#[derive(Deserialize)]
struct Listed<T> {
    #[serde(default = "Vec::new")]
    value: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tag {
    name: Option<String>,
    /// Of a tag that is an object of its own.
    peeled_object_id: Option<String>,
    object_id: Option<String>,
}

/// Where tags say that clusters are: Flux 1 moves an annotated tag, by default `flux-sync`, to what it applied. A tag tells
/// no time, so `seen` is by the clock of who asked.
///
/// # Errors
/// When the answer is not JSON of that shape.
pub fn cluster_tags(beside: &Beside, seen: Time, answer: &[u8]) -> Result<Vec<ClusterFact>, DecodeError> {
    let organization = beside.organization()?;
    let body = super::body::text(answer)?;
    let tags: Listed<Tag> = parse(&body, "")?;
    let fact = |tag: Tag| {
        let cluster = tag.name?.strip_prefix("refs/tags/flux-")?.to_uppercase();
        let commit = commit_id(&tag.peeled_object_id.or(tag.object_id)?)?;
        Some(ClusterFact {
            key: ClusterKey::new(&organization, &commit),
            said: seen,
            cluster: cut(&cluster, MOST_NAME).into_owned(),
            state: "tagged".to_owned(),
            succeeded: true,
            message: None,
        })
    };
    Ok(tags.value.into_iter().filter_map(fact).collect())
}

/// The branches in an answer of Refs - List, without `refs/heads/` before them.
///
/// # Errors
/// When the answer is not JSON of that shape.
pub fn branch_names(answer: &[u8]) -> Result<Vec<String>, DecodeError> {
    let body = super::body::text(answer)?;
    let refs: Listed<Tag> = parse(&body, "")?;
    Ok(refs.value.iter().filter_map(|one| Some(one.name.as_ref()?.strip_prefix("refs/heads/")?.to_owned())).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    commit_id: Option<String>,
}

/// The commits in an answer of Commits - Get Commits.
///
/// # Errors
/// When the answer is not JSON of that shape.
pub fn commit_ids(answer: &[u8]) -> Result<Vec<String>, DecodeError> {
    let body = super::body::text(answer)?;
    let commits: Listed<Named> = parse(&body, "")?;
    Ok(commits.value.into_iter().filter_map(|commit| commit_id(&commit.commit_id?)).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    context: Option<Context>,
    state: Option<String>,
    description: Option<String>,
    creation_date: Option<When>,
    updated_date: Option<When>,
}

#[derive(Deserialize)]
struct Context {
    name: Option<String>,
    genre: Option<String>,
}

/// What Flux 2 says of a commit: statuses of the genre `fluxcd`, or `fluxcd:{summary}`, called
/// `kustomization/{name}/{the beginning of its id}`.
///
/// # Errors
/// When the answer is not JSON of that shape.
pub fn cluster_statuses(beside: &Beside, commit: &str, answer: &[u8]) -> Result<Vec<ClusterFact>, DecodeError> {
    let key = ClusterKey::new(&beside.organization()?, commit);
    let body = super::body::text(answer)?;
    let statuses: Listed<Status> = parse(&body, "")?;
    let fact = |status: Status| {
        let context = status.context?;
        let summary = context.genre?.strip_prefix("fluxcd")?.trim_start_matches(':').to_owned();
        let name = context.name.unwrap_or_default();
        let name = name.strip_prefix("kustomization/").unwrap_or(&name);
        let cluster = if summary.is_empty() { name } else { &summary };
        let state = status.state.filter(|state| !state.is_empty() && !cluster.is_empty())?;
        Some(ClusterFact {
            key: key.clone(),
            said: time(status.updated_date.as_ref()).or_else(|| time(status.creation_date.as_ref()))?,
            cluster: cut(cluster, MOST_NAME).into_owned(),
            succeeded: state == "succeeded",
            state: cut(&state, MOST_WORD).into_owned(),
            message: status.description.map(|text| cut(&text, MOST_TEXT).into_owned()),
        })
    };
    Ok(statuses.value.into_iter().filter_map(fact).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::ado::{Decoded, Decoder};

    const COMMIT: &str = "731f7eaddfb6af01cb2173e18f0f75b0ba780ef1";

    fn facts(resource: &Value) -> Vec<ClusterFact> {
        let body = json!({
            "eventType": CLUSTER_SYNC, "createdDate": "2025-06-12T10:00:00Z", "resource": resource,
            "resourceContainers": {"collection": {"baseUrl": "https://dev.azure.com/Fabrikam/"}},
        });
        let Decoded::Facts(facts) = Decoder::default().decode(body.to_string().as_bytes()).unwrap() else {
            panic!("no facts")
        };
        let cluster = |fact| if let Fact::Cluster(fact) = fact { fact } else { panic!("another kind") };
        facts.into_iter().map(cluster).collect()
    }

    fn flux() -> Value {
        json!({
            "involvedObject": {"kind": "Kustomization", "namespace": "flux-system", "name": "apps"},
            "severity": "info", "timestamp": "2025-06-12T09:59:00Z", "message": "Reconciliation finished",
            "reason": "ReconciliationSucceeded", "reportingController": "kustomize-controller",
            "metadata": {"kustomize.toolkit.fluxcd.io/revision": format!("main@sha1:{COMMIT}"), "summary": "west"},
        })
    }

    #[test]
    fn what_flux_tells() {
        let fact = facts(&flux()).remove(0);
        assert_eq!((fact.key.organization.as_str(), fact.key.commit.as_str()), ("fabrikam", COMMIT));
        assert_eq!((fact.cluster.as_str(), fact.succeeded), ("west", true));
        assert_eq!(fact.said.to_string(), "2025-06-12T09:59:00Z");
        let mut failed = flux();
        failed["reason"] = json!("HealthCheckFailed");
        failed["metadata"] = json!({"revision": format!("main/{COMMIT}")});
        let fact = facts(&failed).remove(0);
        assert_eq!(
            (fact.cluster.as_str(), fact.state.as_str(), fact.succeeded),
            ("flux-system/apps", "HealthCheckFailed", false)
        );
    }

    #[test]
    fn what_the_connector_tells() {
        let fact = facts(&json!({
            "commit_id": COMMIT, "status_name": "Deployment apps", "state": "succeeded", "message": "Sync OK",
            "callback_url": "https://argo.example", "gitops_operator": "Argo CD", "genre": "ArgoCD:east",
        }))
        .remove(0);
        assert_eq!(
            (fact.cluster.as_str(), fact.succeeded, fact.said.to_string().as_str()),
            ("east", true, "2025-06-12T10:00:00Z")
        );
    }

    #[test]
    fn what_is_about_no_commit_says_nothing() {
        let mut other = flux();
        other["metadata"] = json!({"revision": "v1.2.3"});
        for none in
            [other, json!({}), json!({"commit_id": COMMIT}), json!({"reason": "x", "metadata": {"revision": null}})]
        {
            assert_eq!(facts(&none), [], "{none}");
        }
    }

    fn beside() -> Beside {
        Beside { organization: "Fabrikam".to_owned(), ..Beside::default() }
    }

    #[test]
    fn tags_that_flux_moves() {
        let seen = Time::from_ticks(7);
        let answer = json!({"count": 3, "value": [
            {"name": "refs/tags/flux-sync", "objectId": "0".repeat(40), "peeledObjectId": COMMIT.to_uppercase()},
            {"name": "refs/tags/flux-west", "objectId": COMMIT},
            {"name": "refs/tags/v1", "objectId": COMMIT},
            {"name": "refs/tags/flux-none"},
        ]});
        let facts = cluster_tags(&beside(), seen, answer.to_string().as_bytes()).unwrap();
        let told: Vec<_> = facts.iter().map(|fact| (fact.cluster.as_str(), fact.key.commit.as_str())).collect();
        assert_eq!(told, [("SYNC", COMMIT), ("WEST", COMMIT)]);
        assert!(facts.iter().all(|fact| fact.succeeded && fact.said == seen && fact.key.organization == "fabrikam"));
    }

    #[test]
    fn statuses_that_flux_gives() {
        let status = |genre: &str, name: &str, state: &str| json!({"context": {"genre": genre, "name": name}, "state": state, "creationDate": "2025-06-12T10:00:00Z"});
        let answer = json!({"value": [
            status("fluxcd:east", "kustomization/apps/0c9a1b2f", "succeeded"),
            status("fluxcd", "kustomization/apps/0c9a1b2f", "error"),
            status("continuous-integration", "build", "succeeded"),
            {"state": "succeeded"},
        ]});
        let facts = cluster_statuses(&beside(), COMMIT, answer.to_string().as_bytes()).unwrap();
        let told: Vec<_> = facts.iter().map(|fact| (fact.cluster.as_str(), fact.succeeded)).collect();
        assert_eq!(told, [("east", true), ("apps/0c9a1b2f", false)]);
    }
}
