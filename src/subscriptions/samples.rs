//! Subscriptions for tests.

use secrecy::SecretString;

use super::{QueueTarget, Target, Wanted, WebHookTarget};
use crate::ado::hooks::{Inputs, Subscription};
use crate::ado::rest::Project;
use crate::domain::{SubscriptionStatus, Time};

pub(super) const PROJECT: &str = "6ce954b1-ce1f-45d1-b94d-e6bf2464ba2c";

pub(super) fn project() -> Project {
    Project { id: PROJECT.to_owned(), name: "Fiber".to_owned() }
}

pub(super) fn queue() -> Target {
    Target::Queue(QueueTarget {
        account: "fabrikam".to_owned(),
        key: Some(SecretString::from("a2V5")),
        queue: "ado-events".to_owned(),
        ttl: 604_800,
        visibility: 0,
    })
}

pub(super) fn web_hook() -> Target {
    Target::WebHook(WebHookTarget {
        address: "https://hooks.fabrikam.example/hooks/azure-devops".to_owned(),
        user: Some("ado".to_owned()),
        password: Some(SecretString::from("s3cret")),
    })
}

/// As it is when the service has made what was wanted.
pub(super) fn as_wanted(number: usize, wanted: &Wanted) -> Subscription {
    Subscription {
        id: format!("s-{number}"),
        status: SubscriptionStatus::Enabled,
        publisher: wanted.new.publisher.clone(),
        event_type: wanted.new.event_type.clone(),
        resource_version: wanted.new.resource_version.clone(),
        consumer: wanted.new.consumer.clone(),
        action: wanted.new.action.clone(),
        publisher_inputs: wanted.new.publisher_inputs.clone(),
        consumer_inputs: wanted.new.consumer_inputs.clone(),
        created: Some(Time::from_ticks(1)),
        modified: Some(Time::from_ticks(1)),
    }
}

/// For job events of the project, to the queue.
pub(super) fn subscription(id: &str) -> Subscription {
    let inputs = |inputs: &[(&str, &str)]| -> Inputs {
        inputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    Subscription {
        id: id.to_owned(),
        status: SubscriptionStatus::Enabled,
        publisher: "pipelines".to_owned(),
        event_type: "ms.vss-pipelines.job-state-changed-event".to_owned(),
        resource_version: Some("5.1-preview.1".to_owned()),
        consumer: "azureStorageQueue".to_owned(),
        action: "enqueue".to_owned(),
        publisher_inputs: inputs(&[("projectId", PROJECT), ("pipelineId", "")]),
        consumer_inputs: inputs(&[
            ("accountName", "fabrikam"),
            ("queueName", "ado-events"),
            ("ttl", "604800"),
            ("visiTimeout", "0"),
            ("resourceDetailsToSend", ""),
            ("messagesToSend", "none"),
            ("detailedMessagesToSend", "none"),
        ]),
        created: Some(Time::from_ticks(1)),
        modified: Some(Time::from_ticks(1)),
    }
}
