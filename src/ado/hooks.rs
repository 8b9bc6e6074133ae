//! Subscriptions of service hooks and the history of what they delivered, as the service keeps them.
//!
//! Read leniently: a subscription of any consumer is in the list, and one with inputs of a form of its own must not make
//! the others unreadable. Nothing but an id is required; one without it is none, since nobody could do anything with it.
//! Secrets that the service gives back, masked or not, are dropped here, so that nothing behind this can print them.
//!
//! Shapes: <https://learn.microsoft.com/rest/api/azure/devops/hooks/subscriptions>.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::wire::{When, time};
use crate::domain::{DeliveryResult, SubscriptionStatus, Time};

/// Names of inputs with their values, which are always texts.
pub type Inputs = BTreeMap<String, String>;

/// Inputs that are secret, or may hold a secret.
const SECRETS: [&str; 4] = ["accountKey", "basicAuthPassword", "password", "httpHeaders"];

/// Inputs that the service adds.
const OF_THE_SERVICE: [&str; 2] = ["tfsSubscriptionId", "hostId"];

/// A subscription as the service has it: one kind of event, to one consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub id: String,
    pub status: SubscriptionStatus,
    pub publisher: String,
    pub event_type: String,
    pub resource_version: Option<String>,
    pub consumer: String,
    pub action: String,
    pub publisher_inputs: Inputs,
    /// Without what is secret.
    pub consumer_inputs: Inputs,
    pub created: Option<Time>,
    pub modified: Option<Time>,
}

impl Subscription {
    /// An input of the publisher; `None` where it is absent or empty, which means the same.
    #[must_use]
    pub fn publishes(&self, name: &str) -> Option<&str> {
        self.publisher_inputs.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// An input of the consumer.
    #[must_use]
    pub fn consumes(&self, name: &str) -> Option<&str> {
        self.consumer_inputs.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// What is sent to keep it as it is, with a secret, since the service does not give that back.
    #[must_use]
    pub fn as_new(&self, secret: Option<(&'static str, SecretString)>) -> NewSubscription {
        let told = |name: &&String| !OF_THE_SERVICE.contains(&name.as_str());
        let publisher_inputs = self.publisher_inputs.iter().filter(|(name, _)| told(name));
        NewSubscription {
            publisher: self.publisher.clone(),
            event_type: self.event_type.clone(),
            resource_version: self.resource_version.clone(),
            consumer: self.consumer.clone(),
            action: self.action.clone(),
            publisher_inputs: publisher_inputs.map(|(name, value)| (name.clone(), value.clone())).collect(),
            consumer_inputs: self.consumer_inputs.clone(),
            secret,
        }
    }

    /// The id of its project; empty where it is for all.
    #[must_use]
    pub fn project(&self) -> String {
        self.publishes("projectId").unwrap_or_default().to_lowercase()
    }
}

/// One event that a subscription delivered, or tried to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    pub id: u64,
    pub subscription: String,
    pub created: Time,
    pub result: DeliveryResult,
    /// Why it failed, in the service's words.
    pub error: Option<String>,
}

/// A subscription to make or to change. It holds a secret, and so is nothing that can be printed.
#[derive(Clone)]
pub struct NewSubscription {
    pub publisher: String,
    pub event_type: String,
    pub resource_version: Option<String>,
    pub consumer: String,
    pub action: String,
    pub publisher_inputs: Inputs,
    pub consumer_inputs: Inputs,
    /// The name of the input that is secret, with its value. Always sent again: the service does not give it back.
    pub secret: Option<(&'static str, SecretString)>,
}

impl fmt::Debug for NewSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSubscription").field("event_type", &self.event_type).finish_non_exhaustive()
    }
}

/// What is sent to make it.
impl Serialize for NewSubscription {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.entries(&mut map)?;
        map.end()
    }
}

/// The same as a test notification wants it.
pub(super) struct TestNotification<'s>(pub(super) &'s NewSubscription);

impl Serialize for TestNotification<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("details", self.0)?;
        map.end()
    }
}

/// A subscription that is there already, with what it is to become.
pub(super) struct Changed<'s> {
    pub(super) id: &'s str,
    pub(super) to: &'s NewSubscription,
    pub(super) status: &'s SubscriptionStatus,
}

impl Serialize for Changed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", self.id)?;
        map.serialize_entry("status", self.status)?;
        self.to.entries(&mut map)?;
        map.end()
    }
}

impl NewSubscription {
    fn entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("publisherId", &self.publisher)?;
        map.serialize_entry("eventType", &self.event_type)?;
        map.serialize_entry("resourceVersion", &self.resource_version)?;
        map.serialize_entry("consumerId", &self.consumer)?;
        map.serialize_entry("consumerActionId", &self.action)?;
        map.serialize_entry("publisherInputs", &self.publisher_inputs)?;
        let mut inputs: BTreeMap<&str, &str> =
            self.consumer_inputs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        inputs.extend(self.secret.as_ref().map(|(name, value)| (*name, value.expose_secret())));
        map.serialize_entry("consumerInputs", &inputs)
    }
}

/// What the service answers about a subscription.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireSubscription {
    id: Option<String>,
    status: Option<SubscriptionStatus>,
    publisher_id: Option<String>,
    event_type: Option<String>,
    resource_version: Option<String>,
    consumer_id: Option<String>,
    consumer_action_id: Option<String>,
    publisher_inputs: Option<Value>,
    consumer_inputs: Option<Value>,
    created_date: Option<When>,
    modified_date: Option<When>,
}

impl WireSubscription {
    /// `None` where it has no id.
    pub(super) fn read(self) -> Option<Subscription> {
        let wire = self;
        Some(Subscription {
            id: wire.id?,
            // The older answers leave it out where nothing is wrong.
            status: wire.status.unwrap_or(SubscriptionStatus::Enabled),
            publisher: wire.publisher_id.unwrap_or_default(),
            event_type: wire.event_type.unwrap_or_default(),
            resource_version: wire.resource_version.filter(|version| !version.is_empty()),
            consumer: wire.consumer_id.unwrap_or_default(),
            action: wire.consumer_action_id.unwrap_or_default(),
            publisher_inputs: inputs(wire.publisher_inputs),
            consumer_inputs: inputs(wire.consumer_inputs),
            created: time(wire.created_date.as_ref()),
            modified: time(wire.modified_date.as_ref()),
        })
    }
}

/// Those that are texts: ours all are.
fn inputs(wire: Option<Value>) -> Inputs {
    let Some(Value::Object(wire)) = wire else { return Inputs::new() };
    let told = wire.into_iter().filter(|(name, _)| !SECRETS.contains(&name.as_str()));
    told.filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect()
}

/// What the service answers about a notification.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireNotification {
    id: Option<u64>,
    subscription_id: Option<String>,
    created_date: Option<When>,
    result: Option<DeliveryResult>,
    details: Option<WireDetails>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireDetails {
    error_message: Option<String>,
}

impl From<WireNotification> for Notification {
    fn from(wire: WireNotification) -> Self {
        Self {
            id: wire.id.unwrap_or_default(),
            subscription: wire.subscription_id.unwrap_or_default(),
            created: time(wire.created_date.as_ref()).unwrap_or(Time::UNKNOWN),
            result: wire.result.unwrap_or(DeliveryResult::Pending),
            error: wire.details.and_then(|details| details.error_message).filter(|error| !error.is_empty()),
        }
    }
}

/// A list of the service.
#[derive(Deserialize)]
pub(super) struct Listed<T> {
    #[serde(alias = "results", default = "Vec::new")]
    pub(super) value: Vec<T>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &serde_json::Value) -> Subscription {
        serde_json::from_value::<WireSubscription>(body.clone()).unwrap().read().unwrap()
    }

    #[test]
    fn a_subscription_is_read_without_its_secrets() {
        let found = read(&json!({
            "id": "a3c0", "status": "onProbation", "publisherId": "tfs", "eventType": "build.complete",
            "resourceVersion": null, "consumerId": "azureStorageQueue", "consumerActionId": "enqueue",
            "createdDate": "2014-05-02T19:13:45.767Z",
            "publisherInputs": {"projectId": "6CE9", "buildStatus": "", "tfsSubscriptionId": null},
            "consumerInputs": {"accountName": "fabrikam", "accountKey": "********", "httpHeaders": "X-Key:s3cret"},
        }));
        assert_eq!((found.status.as_str(), found.resource_version.as_deref()), ("onProbation", None));
        assert_eq!((found.project().as_str(), found.publishes("buildStatus")), ("6ce9", None));
        assert_eq!(found.consumer_inputs.keys().collect::<Vec<_>>(), ["accountName"]);
        assert_eq!(read(&json!({"id": "x"})).status, SubscriptionStatus::Enabled);
    }

    #[test]
    fn an_odd_one_does_not_make_the_others_unreadable() {
        let list = json!({"count": 4, "value": [
            {"id": "s-1", "consumerInputs": {"accountName": "fabrikam", "retries": 3, "headers": [{"x": 1}], "on": true}},
            {"id": "s-2", "publisherInputs": ["projectId"], "consumerInputs": "none"},
            {"eventType": "git.push"},
            {"id": null},
        ]});
        let list: Listed<WireSubscription> = serde_json::from_value(list).unwrap();
        let found: Vec<_> = list.value.into_iter().filter_map(WireSubscription::read).collect();
        assert_eq!(found.iter().map(|found| found.id.as_str()).collect::<Vec<_>>(), ["s-1", "s-2"]);
        assert_eq!(found[0].consumer_inputs, Inputs::from([("accountName".to_owned(), "fabrikam".to_owned())]));
        assert!(found[1].publisher_inputs.is_empty() && found[1].consumer_inputs.is_empty());
    }

    #[test]
    fn what_is_sent_holds_the_secret_and_what_is_printed_does_not() {
        let new = NewSubscription {
            publisher: "tfs".to_owned(),
            event_type: "build.complete".to_owned(),
            resource_version: Some("2.0".to_owned()),
            consumer: "azureStorageQueue".to_owned(),
            action: "enqueue".to_owned(),
            publisher_inputs: Inputs::from([("projectId".to_owned(), "6ce9".to_owned())]),
            consumer_inputs: Inputs::from([("accountName".to_owned(), "fabrikam".to_owned())]),
            secret: Some(("accountKey", SecretString::from("s3cret"))),
        };
        assert!(!format!("{new:?}").contains("s3cret"));
        let sent = json!(&new);
        assert_eq!(sent["consumerInputs"], json!({"accountName": "fabrikam", "accountKey": "s3cret"}));
        assert_eq!(sent["publisherInputs"], json!({"projectId": "6ce9"}));
        let changed = json!(Changed { id: "a3c0", to: &new, status: &SubscriptionStatus::Enabled });
        assert_eq!(
            (&changed["id"], &changed["status"], &changed["resourceVersion"]),
            (&json!("a3c0"), &json!("enabled"), &json!("2.0"))
        );
        assert_eq!(json!(TestNotification(&new))["details"], sent);
    }

    #[test]
    fn a_notification_may_have_lost_most_of_itself() {
        let read = |body| Notification::from(serde_json::from_value::<WireNotification>(body).unwrap());
        let failed = read(json!({"id": 2, "subscriptionId": "213e", "createdDate": "2023-06-30T16:19:52.033Z",
            "status": "completed", "result": "failed", "details": {"errorMessage": "Forbidden (403)"}}));
        assert_eq!((failed.result.as_str(), failed.error.as_deref()), ("failed", Some("Forbidden (403)")));
        assert_eq!(read(json!({})).created, Time::UNKNOWN);
    }
}
