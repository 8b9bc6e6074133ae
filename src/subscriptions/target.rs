use secrecy::SecretString;

use crate::ado::hooks::{Inputs, Subscription};

/// Where events go.
#[derive(Debug, Clone)]
pub enum Target {
    Queue(QueueTarget),
    WebHook(WebHookTarget),
}

/// A queue of an account of Azure Storage.
#[derive(Debug, Clone)]
pub struct QueueTarget {
    pub account: String,
    /// The consumer takes nothing else: no signature, no Entra. Only who looks does without.
    pub key: Option<SecretString>,
    pub queue: String,
    /// How long a message lives that nobody takes off, in seconds.
    pub ttl: u32,
    /// How long a message stays hidden at first, in seconds; less than `ttl`.
    pub visibility: u32,
}

/// An address that events are posted to.
#[derive(Debug, Clone)]
pub struct WebHookTarget {
    pub address: String,
    pub user: Option<String>,
    pub password: Option<SecretString>,
}

const QUEUE: &str = "azureStorageQueue";
const WEB_HOOK: &str = "webHooks";

impl Target {
    pub(super) fn consumer(&self) -> &'static str {
        match self {
            Self::Queue(_) => QUEUE,
            Self::WebHook(_) => WEB_HOOK,
        }
    }

    pub(super) fn action(&self) -> &'static str {
        match self {
            Self::Queue(_) => "enqueue",
            Self::WebHook(_) => "httpRequest",
        }
    }

    /// The inputs of the consumer. Texts for people are left out, so that bodies stay below the queue's 64 KiB.
    pub(super) fn inputs(&self) -> Inputs {
        let mut inputs: Vec<(&str, String)> = match self {
            Self::Queue(queue) => vec![
                ("accountName", queue.account.clone()),
                ("queueName", queue.queue.clone()),
                ("ttl", queue.ttl.to_string()),
                ("visiTimeout", queue.visibility.to_string()),
            ],
            Self::WebHook(hook) => {
                let mut inputs = vec![("url", hook.address.clone())];
                inputs.extend(hook.user.clone().map(|user| ("basicAuthUsername", user)));
                inputs
            }
        };
        // An empty text is how the service writes "all".
        inputs.extend([
            ("resourceDetailsToSend", String::new()),
            ("messagesToSend", "none".to_owned()),
            ("detailedMessagesToSend", "none".to_owned()),
        ]);
        inputs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    pub(crate) fn secret(&self) -> Option<(&'static str, SecretString)> {
        match self {
            Self::Queue(queue) => queue.key.clone().map(|key| ("accountKey", key)),
            Self::WebHook(hook) => hook.password.clone().map(|password| ("basicAuthPassword", password)),
        }
    }

    /// Whether it sends to the same account or address: the only ones that may be touched.
    #[must_use]
    pub fn owns(&self, found: &Subscription) -> bool {
        found.consumer == self.consumer()
            && match self {
                Self::Queue(queue) => {
                    found.consumes("accountName").is_some_and(|name| name.eq_ignore_ascii_case(&queue.account))
                }
                Self::WebHook(hook) => found.consumes("url").is_some_and(|url| same_address(url, &hook.address)),
            }
    }

    /// Of one that it owns: the queue that it sends to instead; `None` where it is the right one.
    pub(super) fn elsewhere<'s>(&self, found: &'s Subscription) -> Option<&'s str> {
        match self {
            Self::Queue(queue) => {
                let named = found.consumes("queueName").unwrap_or_default();
                (!named.eq_ignore_ascii_case(&queue.queue)).then_some(named)
            }
            Self::WebHook(_) => None,
        }
    }

    /// For people.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::Queue(queue) => format!("queue {} of account {}", queue.queue, queue.account),
            Self::WebHook(hook) => format!("web hook {}", hook.address),
        }
    }
}

fn same_address(one: &str, other: &str) -> bool {
    one.trim_end_matches('/').eq_ignore_ascii_case(other.trim_end_matches('/'))
}
