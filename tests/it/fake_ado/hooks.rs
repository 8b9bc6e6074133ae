//! Service hooks: subscriptions with a status, deliveries that may fail, probation that loses events.
//!
//! Whatever is not known of the real service is taken at its worst: an update ends neither probation nor a switch-off
//! by the system, one that leaves the status out undoes what a person switched off, one without its secret is refused,
//! and so is one with the mask that was given out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, Weak};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pipetrail::azure::{Account, Credential, Services};
use pipetrail::domain::Time;
use serde_json::{Value, json};

use super::{Reply, Request, State, projects};

const MASK: &str = "********";
const NO_SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";

/// The service's part of state that is about hooks.
pub(crate) struct Hooks {
    /// As they are kept: with secrets.
    pub(crate) subscriptions: BTreeMap<String, Value>,
    pub(crate) notifications: Vec<Value>,
    /// Keys of the account that work.
    pub(crate) keys: BTreeSet<String>,
    /// Where test events go on a queue for real; without it they are only noted.
    pub(crate) queue_endpoint: Option<String>,
    /// Where what went: a queue or an address, with the event.
    pub(crate) delivered: Vec<(String, Value)>,
    /// Events that nobody got.
    pub(crate) lost: usize,
    pub(crate) may_edit: bool,
    /// The projects, by id, in which nobody may make one.
    pub(crate) closed: BTreeSet<String>,
    /// So many more may be made.
    pub(crate) room: usize,
    /// An update is answered as if it were done.
    pub(crate) ignores_updates: bool,
    /// Made by others while the next one is updated.
    pub(crate) made_meanwhile: Vec<Value>,
    pub(crate) now: Time,
    pub(super) me: Weak<Mutex<State>>,
    made: u64,
}

impl Hooks {
    pub(super) fn new() -> Self {
        Self {
            subscriptions: BTreeMap::new(),
            notifications: Vec::new(),
            keys: BTreeSet::new(),
            queue_endpoint: None,
            delivered: Vec::new(),
            lost: 0,
            may_edit: true,
            closed: BTreeSet::new(),
            room: usize::MAX,
            ignores_updates: false,
            made_meanwhile: Vec::new(),
            now: Time::parse("2026-03-02T08:00:00Z").unwrap().unwrap(),
            me: Weak::new(),
            made: 0,
        }
    }

    fn next_id(&mut self) -> String {
        self.made += 1;
        format!("5b5b0000-0000-4000-8000-{:012}", self.made)
    }

    pub(crate) fn set_status(&mut self, event_type: &str, status: &str) {
        let of = self.subscriptions.values_mut().filter(|known| known["eventType"] == event_type);
        of.for_each(|known| known["status"] = status.into());
    }

    /// `event type status` of each, sorted.
    pub(crate) fn told(&self) -> Vec<String> {
        let line = |known: &Value| format!("{} {}", text(&known["eventType"]), text(&known["status"]));
        let mut told: Vec<_> = self.subscriptions.values().map(line).collect();
        told.sort();
        told
    }

    /// Something happened in a project.
    pub(crate) fn emit(&mut self, event_type: &str, project: &str, resource: &Value) {
        let body = json!({"eventType": event_type, "resource": resource});
        let meant = |known: &&Value| {
            known["eventType"] == event_type && text(&known["publisherInputs"]["projectId"]) == project
        };
        let meant: Vec<Value> = self.subscriptions.values().filter(meant).cloned().collect();
        for known in meant {
            if known["status"] == "enabled" {
                self.deliver(&known, &body);
            } else {
                self.lost += 1;
            }
        }
    }

    fn deliver(&mut self, known: &Value, body: &Value) {
        let id = text(&known["id"]).to_owned();
        let arrives = self.arrives(known);
        let error = (!arrives).then_some("The remote server returned an error: (403) Forbidden.");
        self.note(&id, known, error);
        if arrives {
            self.delivered.push((place(known), body.clone()));
        } else {
            self.lost += 1;
            self.subscriptions.get_mut(&id).unwrap()["status"] = "onProbation".into();
        }
    }

    /// What failed is tried once more.
    pub(crate) fn retry(&mut self) {
        let waiting: Vec<Value> =
            self.subscriptions.values().filter(|known| known["status"] == "onProbation").cloned().collect();
        for known in waiting {
            let arrives = self.arrives(&known);
            let kept = self.subscriptions.get_mut(text(&known["id"])).unwrap();
            let retries = known["probationRetries"].as_u64().unwrap_or(0) + 1;
            kept["probationRetries"] = retries.into();
            if arrives {
                kept["status"] = "enabled".into();
            } else if retries >= 7 {
                kept["status"] = "disabledBySystem".into();
            }
        }
    }

    fn arrives(&self, known: &Value) -> bool {
        let key = known["consumerInputs"]["accountKey"].as_str();
        key.is_none_or(|key| self.keys.contains(key))
    }

    fn note(&mut self, subscription: &str, known: &Value, error: Option<&str>) -> u64 {
        let id = u64::try_from(self.notifications.len()).unwrap() + 1;
        self.notifications.push(json!({
            "id": id,
            "subscriptionId": subscription,
            "subscriberId": NO_SUBSCRIPTION,
            "eventId": "d6ac459c-18b3-44ff-95b5-b5f03db672ea",
            "status": "completed",
            "result": if error.is_some() { "failed" } else { "succeeded" },
            "createdDate": self.now.to_string(),
            "modifiedDate": self.now.to_string(),
            "details": {
                "eventType": known["eventType"],
                "publisherId": known["publisherId"],
                "consumerId": known["consumerId"],
                "errorMessage": error,
                "requestAttempts": 1,
            },
        }));
        id
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn place(known: &Value) -> String {
    let inputs = &known["consumerInputs"];
    inputs["queueName"].as_str().or_else(|| inputs["url"].as_str()).unwrap_or_default().to_owned()
}

pub(super) fn answer(state: &mut State, request: &Request) -> Reply {
    let parts: Vec<String> = request.path.iter().skip(1).cloned().collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let method = request.method.as_str();
    let writes =
        matches!((method, parts.first()), ("POST" | "PUT" | "DELETE", Some(&"subscriptions" | &"testnotifications")));
    if writes && !state.hooks.may_edit {
        return Reply::refusal(403, "Access denied. User needs EditSubscriptions permissions to perform this action.");
    }
    match (method, parts.as_slice()) {
        ("GET", ["subscriptions"]) => {
            let value: Vec<_> = state.hooks.subscriptions.values().map(given).collect();
            Reply::json(&json!({"count": value.len(), "value": value}))
        }
        ("POST", ["subscriptions"]) => make(state, request),
        ("GET", ["subscriptions", id]) => match state.hooks.subscriptions.get(*id) {
            Some(known) => Reply::json(&given(known)),
            None => missing(id),
        },
        ("PUT", ["subscriptions", id]) => change(state, request, id),
        ("DELETE", ["subscriptions", id]) => match state.hooks.subscriptions.remove(*id) {
            Some(_) => Reply::empty(204),
            None => missing(id),
        },
        ("GET", ["subscriptions", of, "notifications", id]) => {
            let found = state
                .hooks
                .notifications
                .iter()
                .find(|said| said["subscriptionId"] == *of && said["id"].as_u64() == id.parse().ok());
            found.map_or_else(|| Reply::refusal(404, "The notification was not found."), Reply::json)
        }
        ("POST", ["notificationsquery"]) => query(state, request),
        ("POST", ["testnotifications"]) => test(state, request),
        _ => Reply::refusal(404, "The controller for that path was not found."),
    }
}

fn missing(id: &str) -> Reply {
    Reply::refusal(404, &format!("Subscription ID {id} was not found."))
}

/// As it is given out.
fn given(known: &Value) -> Value {
    let mut given = known.clone();
    for secret in ["accountKey", "basicAuthPassword"] {
        if !given["consumerInputs"][secret].is_null() {
            given["consumerInputs"][secret] = MASK.into();
        }
    }
    given
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap_or_default()
}

fn make(state: &mut State, request: &Request) -> Reply {
    let mut made = body(request);
    if let Err(says) = fault(state, &made) {
        return Reply::refusal(400, &says);
    }
    if state.hooks.room == 0 || state.hooks.closed.contains(text(&made["publisherInputs"]["projectId"])) {
        return Reply::refusal(403, "Access denied. User needs EditSubscriptions permissions in this project.");
    }
    state.hooks.room -= 1;
    let (id, now) = (state.hooks.next_id(), state.hooks.now.to_string());
    made["id"] = id.clone().into();
    made["url"] = format!("https://dev.azure.com/fabrikam/_apis/hooks/subscriptions/{id}").into();
    made["status"] = "enabled".into();
    made["publisherInputs"]["tfsSubscriptionId"] = "3e8b33e7-426d-4c92-9bf9-58e163dd7dd5".into();
    made["eventDescription"] = "Any".into();
    made["createdBy"] = json!({"id": "00ca946b-2fe9-4f2a-ae2f-40d5c48001bc"});
    made["createdDate"] = now.clone().into();
    made["modifiedDate"] = now.into();
    let reply = Reply::json(&given(&made));
    state.hooks.subscriptions.insert(id, made);
    reply
}

fn change(state: &mut State, request: &Request, id: &str) -> Reply {
    let to = body(request);
    let Some(known) = state.hooks.subscriptions.get(id).cloned() else { return missing(id) };
    if let Err(says) = fault(state, &to) {
        return Reply::refusal(400, &says);
    }
    for new in std::mem::take(&mut state.hooks.made_meanwhile) {
        state.hooks.subscriptions.insert(text(&new["id"]).to_owned(), new);
    }
    if state.hooks.ignores_updates {
        return Reply::json(&given(&known));
    }
    let mut changed = known;
    for name in [
        "publisherId",
        "eventType",
        "resourceVersion",
        "consumerId",
        "consumerActionId",
        "publisherInputs",
        "consumerInputs",
    ] {
        changed[name] = to[name].clone();
    }
    let wanted = to["status"].as_str().unwrap_or("enabled");
    match (text(&changed["status"]), wanted) {
        ("enabled", "disabledByUser") | ("disabledByUser", "enabled") => changed["status"] = wanted.into(),
        _ => {}
    }
    changed["publisherInputs"]["tfsSubscriptionId"] = "3e8b33e7-426d-4c92-9bf9-58e163dd7dd5".into();
    // No two changes are at the same time.
    state.hooks.now = state.hooks.now.plus(Duration::from_millis(1));
    changed["modifiedDate"] = state.hooks.now.to_string().into();
    let reply = Reply::json(&given(&changed));
    state.hooks.subscriptions.insert(id.to_owned(), changed);
    reply
}

/// What the service would not take.
fn fault(state: &State, new: &Value) -> Result<(), String> {
    let (event, version) = (text(&new["eventType"]), text(&new["resourceVersion"]));
    let (publisher, versions): (&str, &[&str]) = match event {
        "build.complete" => ("tfs", &["1.0", "2.0"]),
        "workitem.created" | "workitem.updated" => ("tfs", &["1.0", "3.1-preview.3", "5.1-preview.3"]),
        event if event.starts_with("git.") => ("tfs", &["1.0"]),
        event if event.starts_with("ms.vss-pipeline") => ("pipelines", &["5.1-preview.1"]),
        event if event.starts_with("ms.vss-release.") => ("rm", &["3.0-preview.1"]),
        event => return Err(format!("The event type {event} is not known.")),
    };
    if new["publisherId"] != publisher || !versions.contains(&version) {
        return Err(format!(
            "The event {event} of version {version} is not supported by publisher {}.",
            new["publisherId"]
        ));
    }
    for inputs in ["publisherInputs", "consumerInputs"] {
        let texts = new[inputs].as_object().is_some_and(|inputs| inputs.values().all(Value::is_string));
        if !texts {
            return Err(format!("Error converting value in {inputs} to type 'System.String'."));
        }
    }
    let project = text(&new["publisherInputs"]["projectId"]);
    if projects::find(state, project).is_none_or(|known| known.id != project) {
        return Err(format!("TF200016: The following project does not exist: {project}."));
    }
    consumer(&new["consumerId"], &new["consumerInputs"])
}

fn consumer(consumer: &Value, inputs: &Value) -> Result<(), String> {
    let length = |name: &str| text(&inputs[name]).len();
    match text(consumer) {
        "azureStorageQueue" => {
            let number = |name: &str| text(&inputs[name]).parse::<u32>().ok();
            let (ttl, hidden) = (number("ttl").unwrap_or(604_800), number("visiTimeout").unwrap_or(0));
            let queue = text(&inputs["queueName"]);
            if !(64..=100).contains(&length("accountKey")) {
                Err("The value for input accountKey must be between 64 and 100 characters.".to_owned())
            } else if queue.is_empty() || queue != queue.to_lowercase() {
                Err("The value for input queueName is not valid.".to_owned())
            } else if !(1..=604_800).contains(&ttl) || hidden >= ttl {
                Err("The value for input visiTimeout must be less than that of ttl.".to_owned())
            } else {
                Ok(())
            }
        }
        "webHooks" if text(&inputs["url"]).starts_with("http") && inputs["basicAuthPassword"] != MASK => Ok(()),
        "webHooks" => Err("The value for input url is not a valid address.".to_owned()),
        other => Err(format!("The consumer {other} is not known.")),
    }
}

fn query(state: &State, request: &Request) -> Reply {
    let asked = body(request);
    let most = asked["maxResultsPerSubscription"].as_u64().unwrap_or(100);
    let ids = asked["subscriptionIds"].as_array().cloned().unwrap_or_default();
    let of = |id: &Value| {
        let said = state.hooks.notifications.iter().rev().filter(|said| said["subscriptionId"] == *id);
        said.take(usize::try_from(most).unwrap()).cloned().collect::<Vec<_>>()
    };
    let results: Vec<_> = ids.iter().flat_map(of).collect();
    Reply::json(&json!({"subscriptionIds": ids, "results": results, "summary": []}))
}

/// Answers at once; what became of it can be asked later.
fn test(state: &mut State, request: &Request) -> Reply {
    let details = body(request)["details"].clone();
    if let Err(says) = fault(state, &details) {
        return Reply::refusal(400, &says);
    }
    let id = state.hooks.note(NO_SUBSCRIPTION, &details, None);
    let index = usize::try_from(id).unwrap() - 1;
    state.hooks.notifications[index]["status"] = "queued".into();
    state.hooks.notifications[index]["result"] = "pending".into();
    let (me, endpoint, keys) = (state.hooks.me.clone(), state.hooks.queue_endpoint.clone(), state.hooks.keys.clone());
    let reply = Reply::json(&state.hooks.notifications[index]);
    let event = test_event(text(&details["eventType"]));
    #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
    tokio::spawn(async move {
        let sent = send(&details, &event, endpoint, &keys).await;
        let Some(state) = me.upgrade() else { return };
        let mut state = state.lock().unwrap();
        let said = &mut state.hooks.notifications[index];
        said["status"] = "completed".into();
        said["result"] = if sent.is_ok() { "succeeded" } else { "failed" }.into();
        match sent {
            Ok(()) => state.hooks.delivered.push((place(&details), event)),
            Err(says) => said["details"]["errorMessage"] = says.into(),
        }
    });
    reply
}

async fn send(details: &Value, event: &Value, endpoint: Option<String>, keys: &BTreeSet<String>) -> Result<(), String> {
    let inputs = &details["consumerInputs"];
    if let Some(url) = inputs["url"].as_str() {
        let post = reqwest::Client::new().post(url).body(event.to_string());
        let post = post.basic_auth(text(&inputs["basicAuthUsername"]), inputs["basicAuthPassword"].as_str());
        let status = post.send().await.map_err(|error| error.to_string())?.status();
        return if status.is_success() { Ok(()) } else { Err(format!("{status}")) };
    }
    let key = text(&inputs["accountKey"]);
    if !keys.contains(key) {
        return Err("The remote server returned an error: (403) Forbidden.".to_owned());
    }
    let Some(endpoint) = endpoint else { return Ok(()) };
    let account = Account {
        name: text(&inputs["accountName"]).to_owned(),
        credential: Credential::Key(key.into()),
        table_endpoint: endpoint.clone(),
        queue_endpoint: endpoint,
    };
    let queue = Services::new(&account).unwrap().queue(text(&inputs["queueName"]));
    queue.create().await.map_err(|error| error.to_string())?;
    queue.put_message(STANDARD.encode(event.to_string())).await.map_err(|error| error.to_string())?;
    Ok(())
}

/// With the constant data of all test events.
fn test_event(event_type: &str) -> Value {
    json!({
        "id": "62e4351f-1c24-40f9-8510-7af03692ab45",
        "eventType": event_type,
        "publisherId": "pipelines",
        "message": null,
        "detailedMessage": null,
        "resource": {
            "run": {
                "_links": {"web": {"href": "https://codedev.ms/org/863d0a5b-3c91-4bf3-8ad7-7f33736b7f4c/_build/results?buildId=11"}},
                "pipeline": {"url": "https://codedev.ms/org/863d0a5b-3c91-4bf3-8ad7-7f33736b7f4c/_apis/Pipelines/1?revision=1", "id": 1, "revision": 1, "name": "TestPipelineName1", "folder": "\\"},
                "state": "completed", "result": "succeeded",
                "createdDate": "2019-12-13T06:08:09.693Z", "finishedDate": "2019-12-13T06:09:09.693Z",
                "url": "https://codedev.ms/org/863d0a5b-3c91-4bf3-8ad7-7f33736b7f4c/_apis/Pipelines/1/runs/11", "id": 11, "name": "TestRunName1",
            },
            "pipeline": {"url": "https://codedev.ms/org/863d0a5b-3c91-4bf3-8ad7-7f33736b7f4c/_apis/Pipelines/1?revision=1", "id": 1, "revision": 1, "name": "TestPipelineName1", "folder": "\\"},
        },
        "resourceVersion": "5.1-preview.1",
        "resourceContainers": {
            "collection": {"id": "c12d0eb8-e382-443b-9f9c-c52cba5014c2"},
            "account": {"id": "f844ec47-a9db-4511-8281-8b63f4eaf94e"},
            "project": {"id": "be9b3917-87e6-42a4-a549-2bc06a7a878f"},
        },
        "createdDate": "2026-03-02T08:00:00.000Z",
    })
}
