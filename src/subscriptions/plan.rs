//! What to do so that what should be there is there.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

use super::wanted::Slot;
use super::{Target, Wanted};
use crate::ado::hooks::{NewSubscription, Subscription};
use crate::ado::rest::Project;
use crate::domain::SubscriptionStatus;

/// What to do about one subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    Create,
    Update,
    /// A new one is made, then the old one deleted: an update does not bring it back.
    Recreate,
    Remove,
    Unchanged,
    /// Not ours to touch.
    Foreign,
}

impl Action {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Recreate => "recreate",
            Self::Remove => "remove",
            Self::Unchanged => "unchanged",
            Self::Foreign => "foreign",
        }
    }

    /// Whether it writes.
    #[must_use]
    pub fn is_change(self) -> bool {
        match self {
            Self::Create | Self::Update | Self::Recreate | Self::Remove => true,
            Self::Unchanged | Self::Foreign => false,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One line of a plan.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    pub action: Action,
    pub event_type: String,
    /// The project's name where it is one of those that were asked for, else its id.
    pub project: String,
    pub subscription_id: Option<String>,
    pub reason: String,
    /// What it is to become.
    #[serde(skip)]
    pub new: Option<NewSubscription>,
}

/// Compares what should be there with what is there, of these projects. What is ours and not wanted is removed only with
/// `prune`.
#[must_use]
pub fn plan(
    wanted: &[Wanted],
    found: &[Subscription],
    projects: &[Project],
    target: &Target,
    prune: bool,
) -> Vec<Step> {
    let names: BTreeMap<_, _> = projects.iter().map(|project| (project.id.to_lowercase(), &project.name)).collect();
    let here = found.iter().filter(|found| names.contains_key(&found.project()));
    let mut slots: BTreeMap<Slot, Vec<&Subscription>> = BTreeMap::new();
    let mut rest = Vec::new();
    for found in here {
        if target.owns(found) && target.elsewhere(found).is_none() {
            slots.entry(Slot::of(found)).or_default().push(found);
        } else {
            rest.push(foreign(found, target));
        }
    }
    let mut steps = Vec::new();
    for wanted in wanted {
        let found = slots.remove(&wanted.slot).unwrap_or_default();
        steps.extend(of_slot(wanted, found, prune));
    }
    steps.extend(slots.into_values().flatten().map(|found| unwanted(found, "no longer wanted", prune)));
    steps.extend(rest);
    for step in &mut steps {
        if let Some(name) = names.get(&step.project) {
            step.project.clone_from(name);
        }
    }
    steps
}

fn of_slot(wanted: &Wanted, mut found: Vec<&Subscription>, prune: bool) -> Vec<Step> {
    best_first(wanted, &mut found);
    let mut found = found.into_iter();
    let Some(kept) = found.next() else {
        return vec![Step {
            action: Action::Create,
            event_type: wanted.event_type().to_owned(),
            project: wanted.project.id.to_lowercase(),
            subscription_id: None,
            reason: "missing".to_owned(),
            new: Some(wanted.new.clone()),
        }];
    };
    let doubles = found.map(|double| unwanted(double, &format!("doubled: the same as {}", kept.id), prune));
    [of_one(wanted, kept)].into_iter().chain(doubles).collect()
}

/// Of doubles the first one stays: one that delivers, and of those one that lets all events pass, and the oldest.
pub(super) fn best_first(wanted: &Wanted, found: &mut [&Subscription]) {
    found.sort_by_cached_key(|found| {
        (rank(&found.status), !differs(wanted, found).is_empty(), found.created, found.id.clone())
    });
}

fn rank(status: &SubscriptionStatus) -> u8 {
    match status {
        SubscriptionStatus::Enabled => 0,
        SubscriptionStatus::OnProbation => 1,
        SubscriptionStatus::DisabledByUser
        | SubscriptionStatus::DisabledBySystem
        | SubscriptionStatus::DisabledByInactiveIdentity
        | SubscriptionStatus::Other(_) => 2,
    }
}

fn of_one(wanted: &Wanted, found: &Subscription) -> Step {
    let (action, reason) = match &found.status {
        SubscriptionStatus::DisabledBySystem => (Action::Recreate, "disabled by the system".to_owned()),
        SubscriptionStatus::DisabledByInactiveIdentity => {
            (Action::Recreate, "disabled, since whoever made it is not active any more".to_owned())
        }
        SubscriptionStatus::DisabledByUser => (Action::Update, "disabled by a user: this enables it again".to_owned()),
        SubscriptionStatus::Enabled => compared(wanted, found, "as wanted"),
        SubscriptionStatus::OnProbation => {
            compared(wanted, found, "as wanted, but on probation: events are being lost")
        }
        SubscriptionStatus::Other(status) => {
            compared(wanted, found, &format!("as wanted, but its status is `{status}`"))
        }
    };
    let new = action.is_change().then(|| wanted.new.clone());
    Step { new, ..step(action, found, reason) }
}

fn compared(wanted: &Wanted, found: &Subscription, as_wanted: &str) -> (Action, String) {
    let differs = differs(wanted, found);
    if differs.is_empty() {
        (Action::Unchanged, as_wanted.to_owned())
    } else {
        (Action::Update, format!("differs in {}", differs.join(", ")))
    }
}

/// What differs, by the service's names. Only what we set is compared: the service adds inputs of its own, and does not
/// give secrets back.
pub(super) fn differs(wanted: &Wanted, found: &Subscription) -> Vec<String> {
    let new = &wanted.new;
    let version = found.resource_version.as_deref();
    let same_version = version.map_or(!wanted.event.has_other_versions, |version| version == wanted.event.version);
    let version = (!same_version).then_some(VERSION);
    let narrowing = NARROWING.into_iter().filter(|input| {
        let wanted = new.publisher_inputs.get(*input).map(String::as_str).unwrap_or_default();
        found.publishes(input).unwrap_or_default() != wanted
    });
    let inputs = new.consumer_inputs.iter().filter(|(name, value)| {
        let found = found.consumes(name).unwrap_or_default();
        normal(name, found) != normal(name, value)
    });
    let inputs = inputs.map(|(name, _)| name.as_str());
    version.into_iter().chain(narrowing).chain(inputs).map(str::to_owned).collect()
}

pub(super) const VERSION: &str = "resourceVersion";

/// One way to write what may be written in several.
fn normal(input: &str, value: &str) -> String {
    match (input, value) {
        ("ttl", "") => "604800".to_owned(),
        ("visiTimeout", "") => "0".to_owned(),
        ("resourceDetailsToSend" | "messagesToSend" | "detailedMessagesToSend", "all") => String::new(),
        ("url", url) => url.trim_end_matches('/').to_lowercase(),
        ("accountName" | "queueName", name) => name.to_lowercase(),
        (_, value) => value.to_owned(),
    }
}

/// Inputs of publishers that let only some events pass.
const NARROWING: [&str; 24] = [
    "pipelineId",
    "definitionName",
    "buildStatus",
    "runStateId",
    "runResultId",
    "stageNameId",
    "stageStateId",
    "stageResultId",
    "jobNameId",
    "jobStateId",
    "jobResultId",
    "stageName",
    "environmentName",
    "repository",
    "branch",
    "pushedBy",
    "pullrequestCreatedBy",
    "pullrequestReviewersContains",
    "notificationType",
    "mergeResult",
    "areaPath",
    "workItemType",
    "tag",
    "changedFields",
];

fn unwanted(found: &Subscription, reason: &str, prune: bool) -> Step {
    if prune {
        step(Action::Remove, found, reason.to_owned())
    } else {
        step(Action::Unchanged, found, format!("{reason}; --prune removes it"))
    }
}

fn foreign(found: &Subscription, target: &Target) -> Step {
    let elsewhere = target.owns(found).then(|| target.elsewhere(found)).flatten();
    let reason = match elsewhere {
        Some(queue) => format!("ours, but on another queue: {queue}"),
        None => format!("not ours: {}", found.consumer),
    };
    step(Action::Foreign, found, reason)
}

fn step(action: Action, found: &Subscription, reason: String) -> Step {
    Step {
        action,
        event_type: found.event_type.clone(),
        project: found.project(),
        subscription_id: Some(found.id.clone()),
        reason,
        new: None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::samples::{PROJECT, as_wanted, project, queue, subscription, web_hook};
    use super::super::{Group, wanted};
    use super::*;
    use crate::domain::Time;

    fn told(found: &[Subscription], prune: bool) -> Vec<String> {
        let wanted = wanted(&BTreeSet::from([Group::Jobs]), &[project()], &[], &queue());
        let steps = plan(&wanted, found, &[project()], &queue(), prune);
        let id = |step: &Step| step.subscription_id.clone().unwrap_or_else(|| "-".to_owned());
        steps.iter().map(|step| format!("{} {} {}", step.action, id(step), step.reason)).collect()
    }

    fn changed(id: &str, change: impl FnOnce(&mut Subscription)) -> Subscription {
        let mut found = subscription(id);
        change(&mut found);
        found
    }

    fn input(id: &str, name: &str, value: &str) -> Subscription {
        changed(id, |found| drop(found.consumer_inputs.insert(name.to_owned(), value.to_owned())))
    }

    fn status(status: &str) -> Subscription {
        changed("s-1", |found| found.status = status.into())
    }

    /// `subscription` is for job events.
    #[test]
    fn what_becomes_of_one() {
        let narrowed = |name: &str, value: &str| {
            changed("s-1", |found| drop(found.publisher_inputs.insert(name.to_owned(), value.to_owned())))
        };
        let table = [
            (subscription("s-1"), "unchanged s-1 as wanted"),
            (narrowed("tfsSubscriptionId", "x"), "unchanged s-1 as wanted"),
            (narrowed("hostId", "x"), "unchanged s-1 as wanted"),
            (narrowed("jobStateId", ""), "unchanged s-1 as wanted"),
            (narrowed("jobStateId", "Completed"), "update s-1 differs in jobStateId"),
            (input("s-1", "messagesToSend", "text"), "update s-1 differs in messagesToSend"),
            (input("s-1", "resourceDetailsToSend", "minimal"), "update s-1 differs in resourceDetailsToSend"),
            (input("s-1", "resourceDetailsToSend", "all"), "unchanged s-1 as wanted"),
            (input("s-1", "ttl", "60"), "update s-1 differs in ttl"),
            (input("s-1", "ttl", ""), "unchanged s-1 as wanted"),
            (input("s-1", "accountName", "Fabrikam"), "unchanged s-1 as wanted"),
            (changed("s-1", |found| found.resource_version = None), "unchanged s-1 as wanted"),
            (
                changed("s-1", |found| found.resource_version = Some("5.0".to_owned())),
                "update s-1 differs in resourceVersion",
            ),
            (status("onProbation"), "unchanged s-1 as wanted, but on probation: events are being lost"),
            (status("disabledBySystem"), "recreate s-1 disabled by the system"),
            (
                status("disabledByInactiveIdentity"),
                "recreate s-1 disabled, since whoever made it is not active any more",
            ),
            (status("disabledByUser"), "update s-1 disabled by a user: this enables it again"),
            (status("asleep"), "unchanged s-1 as wanted, but its status is `asleep`"),
        ];
        for (found, expected) in table {
            assert_eq!(told(&[found], false), [expected]);
        }
        assert_eq!(told(&[], false), ["create - missing"]);
    }

    #[test]
    fn of_doubles_the_one_stays_that_delivers() {
        let double = [status("disabledBySystem"), subscription("s-2")];
        assert_eq!(
            told(&double, false),
            ["unchanged s-2 as wanted", "unchanged s-1 doubled: the same as s-2; --prune removes it"]
        );
        assert_eq!(told(&double, true), ["unchanged s-2 as wanted", "remove s-1 doubled: the same as s-2"]);
        let narrow =
            changed("s-1", |found| drop(found.publisher_inputs.insert("jobStateId".into(), "Completed".into())));
        let wide = changed("s-2", |found| found.created = Some(Time::from_ticks(2)));
        assert_eq!(told(&[narrow, wide], true)[1], "remove s-1 doubled: the same as s-2", "though it is the older one");
    }

    #[test]
    fn only_what_is_ours_is_touched() {
        let others = [
            input("s-1", "queueName", "other"),
            input("s-2", "accountName", "contoso"),
            changed("s-3", |found| found.consumer = "slack".to_owned()),
            changed("s-4", |found| found.event_type = "git.push".to_owned()),
            changed("s-5", |found| drop(found.publisher_inputs.insert("projectId".to_owned(), "p-2".to_owned()))),
        ];
        let expected = [
            "create - missing",
            "unchanged s-4 no longer wanted; --prune removes it",
            "foreign s-1 ours, but on another queue: other",
            "foreign s-2 not ours: azureStorageQueue",
            "foreign s-3 not ours: slack",
        ];
        assert_eq!(told(&others, false), expected);
        assert_eq!(told(&others, true)[1], "remove s-4 no longer wanted");
        assert_eq!(told(&others, true).iter().filter(|line| line.starts_with("foreign")).count(), 3);
    }

    #[test]
    fn a_second_plan_finds_nothing_to_do() {
        let all: BTreeSet<_> = Group::ALL.into_iter().collect();
        for target in [queue(), web_hook()] {
            let wanted = wanted(&all, &[project()], &[], &target);
            let found: Vec<_> = wanted.iter().enumerate().map(|(number, wanted)| as_wanted(number, wanted)).collect();
            let steps = plan(&wanted, &found, &[project()], &target, true);
            assert_eq!(steps.len(), wanted.len());
            assert!(steps.iter().all(|step| step.action == Action::Unchanged), "{steps:?}");
        }
    }

    #[test]
    fn json_names_the_project() {
        let wanted = wanted(&BTreeSet::from([Group::Jobs]), &[project()], &[], &queue());
        let steps = plan(&wanted, &[], &[project()], &queue(), false);
        let expected = serde_json::json!([{
            "action": "create", "eventType": "ms.vss-pipelines.job-state-changed-event", "project": "Fiber",
            "subscriptionId": null, "reason": "missing",
        }]);
        assert_eq!(serde_json::json!(steps), expected);
        assert_eq!(PROJECT, project().id);
    }
}
