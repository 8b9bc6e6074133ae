//! What is wrong with the subscriptions, what it means, and what mends it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::plan::{VERSION, best_first, differs};
use super::wanted::Slot;
use super::{Action, Options, Step, Target, Wanted};
use crate::ado::hooks::{Notification, Subscription};
use crate::domain::{DeliveryResult, GapReason, SubscriptionStatus, Time};

/// A delivery may be late by this much before nobody waits for it any more.
pub(super) const LATE: Duration = Duration::from_secs(15 * 60);
/// The service forgets what it delivered after 14 days.
const HISTORY: Duration = Duration::from_secs(13 * 24 * 3600);
/// A run's last moments by one clock, and its event's first by another.
const SKEW: Duration = Duration::from_secs(60);

/// A matter of taste: no event is lost by them.
const HARMLESS: [&str; 2] = ["ttl", "visiTimeout"];

/// What can be wrong, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ailment {
    DisabledBySystem,
    DisabledByInactiveIdentity,
    DisabledByUser,
    OnProbation,
    Missing,
    Elsewhere,
    Silent,
    Failing,
    OldVersion,
    Differs,
    Doubled,
    UnknownStatus,
}

impl Ailment {
    /// All, the worst first.
    pub const ALL: [Self; 12] = [
        Self::DisabledBySystem,
        Self::DisabledByInactiveIdentity,
        Self::DisabledByUser,
        Self::OnProbation,
        Self::Missing,
        Self::Elsewhere,
        Self::Silent,
        Self::Failing,
        Self::OldVersion,
        Self::Differs,
        Self::Doubled,
        Self::UnknownStatus,
    ];

    /// The word for it: the service's own where it has one.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.texts().0
    }

    #[must_use]
    pub fn means(self) -> &'static str {
        self.texts().1
    }

    /// The command that mends it, or what to do first. It has to mean what was looked at, so it has the same options.
    #[must_use]
    pub fn mend(self, options: &Options) -> String {
        let command = |name: &str| format!("pipetrail subscriptions {name}{options}");
        let test = format!("pipetrail subscriptions test{}", options.for_a_test());
        let fix = format!("{} --fix --yes", command("doctor"));
        match self {
            Self::OnProbation => {
                format!("put right what the failure says (queue, key, network), then `{fix}`")
            }
            Self::Silent => format!("`{test}`; if it arrives, `{fix}`"),
            Self::Failing => format!("put right what the failure says, then `{test}`"),
            // Not by `apply --prune`: that also removes what other options made.
            Self::DisabledBySystem | Self::DisabledByInactiveIdentity | Self::Doubled => fix,
            Self::DisabledByUser | Self::Missing | Self::Elsewhere | Self::OldVersion | Self::Differs => {
                format!("{} --yes", command("apply"))
            }
            Self::UnknownStatus => "look at it in the project's settings, under Service hooks".to_owned(),
        }
    }

    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::OnProbation => (
                "onProbation",
                "a delivery failed; Azure DevOps tries that one again for up to 36 hours, and every new event is lost",
            ),
            Self::DisabledBySystem => (
                "disabledBySystem",
                "deliveries failed for 36 hours, or the address answered 410: every event is lost, and an update does not \
                 bring it back",
            ),
            Self::DisabledByUser => ("disabledByUser", "somebody switched it off: every event is lost"),
            Self::DisabledByInactiveIdentity => (
                "disabledByInactiveIdentity",
                "whoever made it is not active in the organization any more: every event is lost",
            ),
            Self::Missing => ("missing", "there is no subscription for these events: they are lost"),
            Self::Elsewhere => ("elsewhere", "these events go to another queue of the account, and none comes here"),
            Self::Silent => ("silent", "runs happened, and nothing was delivered: events are lost without notice"),
            Self::Failing => ("failing", "the last delivery failed; probation comes next"),
            Self::OldVersion => ("oldVersion", "it sends an older form of the event, which says less about a run"),
            Self::Differs => ("differs", "some events are filtered out, or come without what is needed"),
            Self::Doubled => ("doubled", "every event comes more than once, which costs time and changes nothing"),
            Self::UnknownStatus => ("unknownStatus", "Azure DevOps says a status that this version does not know"),
        }
    }

    /// Why events are lost; `None` where they are not.
    #[must_use]
    pub fn loses(self) -> Option<GapReason> {
        match self {
            Self::OnProbation => Some(GapReason::OnProbation),
            Self::DisabledBySystem => Some(GapReason::DisabledBySystem),
            Self::DisabledByUser => Some(GapReason::DisabledByUser),
            Self::DisabledByInactiveIdentity => Some(GapReason::DisabledByInactiveIdentity),
            Self::Missing | Self::Elsewhere => Some(GapReason::Missing),
            Self::Silent => Some(GapReason::Silence),
            Self::Failing | Self::OldVersion | Self::Differs | Self::Doubled | Self::UnknownStatus => None,
        }
    }

    /// What `--fix` does with the subscription. It makes anew where the status does not go away by an update, or nobody
    /// knows why nothing comes.
    fn fix(self) -> Option<Action> {
        match self {
            Self::OnProbation | Self::DisabledBySystem | Self::DisabledByInactiveIdentity | Self::Silent => {
                Some(Action::Recreate)
            }
            Self::Doubled => Some(Action::Remove),
            Self::DisabledByUser
            | Self::Missing
            | Self::Elsewhere
            | Self::Failing
            | Self::OldVersion
            | Self::Differs
            | Self::UnknownStatus => None,
        }
    }
}

impl fmt::Display for Ailment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Ailment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub finding: Ailment,
    pub event_type: String,
    pub project: String,
    #[serde(skip)]
    pub project_id: String,
    pub subscription_id: Option<String>,
    /// What was seen, where there is more to say.
    pub says: Option<String>,
    /// As far as can be told.
    #[serde(serialize_with = "rfc3339")]
    pub since: Option<Time>,
}

#[expect(clippy::ref_option, reason = "the form that serde calls")]
fn rfc3339<S: Serializer>(time: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}

/// What the doctor looks at.
#[derive(Debug, Clone, Copy)]
pub struct Look<'l> {
    pub wanted: &'l [Wanted],
    pub found: &'l [Subscription],
    /// What each subscription delivered, by its id. Of one that is not in it nothing is known.
    pub history: &'l BTreeMap<String, Vec<Notification>>,
    /// When the last run finished of those whose delivery is due: of a project by its id, in lower case. Where builds
    /// are many the very last one never is.
    pub last_runs: &'l BTreeMap<String, Time>,
    pub target: &'l Target,
    pub now: Time,
}

/// Everything that is wrong, in the order of what is wanted.
#[must_use]
pub fn doctor(look: &Look<'_>) -> Vec<Finding> {
    let slots = look.slots();
    let of = |wanted: &Wanted| {
        let found = slots.get(&wanted.slot).map(Vec::as_slice).unwrap_or_default();
        look.slot(wanted, found)
    };
    look.wanted.iter().flat_map(of).collect()
}

/// What makes those anew that an update does not bring back, and removes doubles.
#[must_use]
pub fn remedies(look: &Look<'_>, findings: &[Finding]) -> Vec<Step> {
    let remedy = |finding: &Finding| {
        let (action, id) = (finding.finding.fix()?, finding.subscription_id.as_ref()?);
        let slot = Slot::of(look.found.iter().find(|found| found.id == *id)?);
        let wanted = look.wanted.iter().find(|wanted| wanted.slot == slot)?;
        Some(Step {
            action,
            event_type: finding.event_type.clone(),
            project: finding.project.clone(),
            subscription_id: Some(id.clone()),
            reason: finding.finding.to_string(),
            new: (action == Action::Recreate).then(|| wanted.new.clone()),
        })
    };
    findings.iter().filter_map(remedy).collect()
}

impl<'l> Look<'l> {
    /// Ours, by what events they are for.
    pub(super) fn slots(&self) -> BTreeMap<Slot, Vec<&'l Subscription>> {
        let mut slots: BTreeMap<Slot, Vec<&Subscription>> = BTreeMap::new();
        for found in self.found.iter().filter(|found| self.target.owns(found)) {
            slots.entry(Slot::of(found)).or_default().push(found);
        }
        slots
    }

    /// What came of its deliveries, the oldest first.
    pub(super) fn settled(&self, found: &Subscription) -> Vec<&'l Notification> {
        let history = self.history.get(&found.id).into_iter().flatten();
        let mut settled: Vec<_> = history.filter(|said| said.result != DeliveryResult::Pending).collect();
        settled.sort_by_key(|said| said.created);
        settled
    }
}

impl Look<'_> {
    fn slot(&self, wanted: &Wanted, found: &[&Subscription]) -> Vec<Finding> {
        let (here, elsewhere): (Vec<&Subscription>, Vec<_>) =
            found.iter().partition(|found| self.target.elsewhere(found).is_none());
        match (here.as_slice(), elsewhere.as_slice()) {
            ([], []) => vec![finding(wanted, Ailment::Missing)],
            ([], [other, ..]) => {
                let queue = self.target.elsewhere(other).map(str::to_owned);
                let found = finding(wanted, Ailment::Elsewhere);
                vec![Finding { subscription_id: Some(other.id.clone()), says: queue, ..found }]
            }
            // Two at work tell the same twice; one that is switched off beside one at work harms nobody.
            (all, _) => {
                let mut all = all.to_vec();
                best_first(wanted, &mut all);
                let at_work = all.iter().filter(|found| found.status == SubscriptionStatus::Enabled);
                let best = all.first();
                let doubled = at_work.skip(1).map(|double| self.seen(wanted, double, Ailment::Doubled, None));
                best.into_iter().flat_map(|best| self.one(wanted, best)).chain(doubled).collect()
            }
        }
    }

    fn one(&self, wanted: &Wanted, found: &Subscription) -> Vec<Finding> {
        let seen = |ailment, says| self.seen(wanted, found, ailment, says);
        let failure = || self.last_failure(found);
        let mut findings = match &found.status {
            SubscriptionStatus::Enabled => self.at_work(wanted, found),
            SubscriptionStatus::OnProbation => vec![seen(Ailment::OnProbation, failure())],
            SubscriptionStatus::DisabledByUser => vec![seen(Ailment::DisabledByUser, None)],
            SubscriptionStatus::DisabledBySystem => vec![seen(Ailment::DisabledBySystem, failure())],
            SubscriptionStatus::DisabledByInactiveIdentity => vec![seen(Ailment::DisabledByInactiveIdentity, None)],
            SubscriptionStatus::Other(status) => vec![seen(Ailment::UnknownStatus, Some(status.clone()))],
        };
        let differs = differs(wanted, found);
        if differs.iter().any(|input| input == VERSION) {
            let version = found.resource_version.clone().unwrap_or_else(|| "not named".to_owned());
            findings.push(seen(Ailment::OldVersion, Some(version)));
        }
        let inputs: Vec<_> =
            differs.into_iter().filter(|input| input != VERSION && !HARMLESS.contains(&input.as_str())).collect();
        if !inputs.is_empty() {
            findings.push(seen(Ailment::Differs, Some(inputs.join(", "))));
        }
        findings
    }

    /// Enabled, which does not mean that anything comes.
    fn at_work(&self, wanted: &Wanted, found: &Subscription) -> Vec<Finding> {
        let Some(history) = self.history.get(&found.id) else { return Vec::new() };
        if self.settled(found).last().is_some_and(|last| last.result == DeliveryResult::Failed) {
            return vec![self.seen(wanted, found, Ailment::Failing, self.last_failure(found))];
        }
        let unheard = self.unheard(wanted, found, history);
        let says = unheard.map(|run| format!("a run finished at {run}"));
        says.map(|says| self.seen(wanted, found, Ailment::Silent, Some(says))).into_iter().collect()
    }

    /// The finish of a run of which nothing came. Only `build.complete` of a whole project can be told: each build ends
    /// in one.
    fn unheard(&self, wanted: &Wanted, found: &Subscription, history: &[Notification]) -> Option<Time> {
        if !wanted.is_for_every_build() {
            return None;
        }
        let run = *self.last_runs.get(&wanted.project.id.to_lowercase())?;
        let told = history.iter().any(|said| said.created.plus(SKEW) >= run);
        let due = self.now.since(run) > LATE && self.now.since(run) < HISTORY;
        let was_there = found.modified.or(found.created).is_none_or(|made| made < run);
        (!told && due && was_there).then_some(run)
    }

    fn seen(&self, wanted: &Wanted, found: &Subscription, ailment: Ailment, says: Option<String>) -> Finding {
        let since = ailment.loses().is_some().then(|| self.lost_since(found)).flatten();
        Finding { subscription_id: Some(found.id.clone()), says, since, ..finding(wanted, ailment) }
    }

    /// The first failure after the last success; else the last success; else the last change.
    fn lost_since(&self, found: &Subscription) -> Option<Time> {
        let history = self.history.get(&found.id).map(Vec::as_slice).unwrap_or_default();
        let of = |result: DeliveryResult| history.iter().filter(move |said| said.result == result);
        let success = of(DeliveryResult::Succeeded).map(|said| said.created).max();
        let failures = of(DeliveryResult::Failed).map(|said| said.created);
        let failure = failures.filter(|failed| success.is_none_or(|success| *failed > success)).min();
        failure.or(success).or(found.modified)
    }

    fn last_failure(&self, found: &Subscription) -> Option<String> {
        let history = self.history.get(&found.id)?;
        let failed = history.iter().filter(|said| said.result == DeliveryResult::Failed);
        failed.max_by_key(|said| said.created)?.error.clone()
    }
}

fn finding(wanted: &Wanted, ailment: Ailment) -> Finding {
    Finding {
        finding: ailment,
        event_type: wanted.event_type().to_owned(),
        project: wanted.project.name.clone(),
        project_id: wanted.project.id.clone(),
        subscription_id: None,
        says: None,
        since: None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::samples::{PROJECT, as_wanted, project, queue};
    use super::super::{Group, wanted};
    use super::*;

    type Case = (Subscription, Option<Vec<Notification>>, &'static [&'static str]);

    fn at(text: &str) -> Time {
        Time::parse(text).unwrap().unwrap()
    }

    fn build_complete() -> Wanted {
        wanted(&BTreeSet::from([Group::Runs]), &[project()], &[], &queue()).pop().unwrap()
    }

    fn found(change: impl FnOnce(&mut Subscription)) -> Subscription {
        let mut found = as_wanted(1, &build_complete());
        change(&mut found);
        found
    }

    fn said(minute: u32, result: &str) -> Notification {
        Notification {
            id: minute.into(),
            subscription: "s-1".to_owned(),
            created: at(&format!("2025-03-04T10:{minute:02}:00Z")),
            result: result.into(),
            error: (result == "failed").then(|| format!("403 at {minute}")),
        }
    }

    /// At 11:00; the last run finished at 10:30.
    fn told(found: &[Subscription], history: Option<Vec<Notification>>) -> Vec<String> {
        let history = history.into_iter().map(|history| ("s-1".to_owned(), history)).collect();
        let last_runs = BTreeMap::from([(PROJECT.to_owned(), at("2025-03-04T10:30:00Z"))]);
        let (wanted, target, now) = (vec![build_complete()], queue(), at("2025-03-04T11:00:00Z"));
        let look = Look { wanted: &wanted, found, history: &history, last_runs: &last_runs, target: &target, now };
        let line = |finding: &Finding| {
            let since = finding.since.map(|since| since.to_string()).unwrap_or_default();
            format!("{} {since} {}", finding.finding, finding.says.as_deref().unwrap_or_default())
        };
        doctor(&look).iter().map(|finding| line(finding).trim().replace("  ", " ")).collect()
    }

    fn status(status: &str) -> Subscription {
        found(|found| found.status = status.into())
    }

    #[test]
    fn what_is_found() {
        let good = || Some(vec![said(29, "succeeded"), said(31, "succeeded")]);
        let bad = || Some(vec![said(10, "succeeded"), said(12, "failed"), said(20, "failed")]);
        let input = |name: &str, value: &str| {
            found(|found| drop(found.consumer_inputs.insert(name.to_owned(), value.to_owned())))
        };
        let version = |version: Option<&str>| found(|found| found.resource_version = version.map(str::to_owned));
        let twelve = "2025-03-04T10:12:00Z";
        let table: Vec<Case> = vec![
            (found(|_| {}), good(), &[]),
            (found(|_| {}), None, &[]),
            (status("onProbation"), bad(), &["onProbation 2025-03-04T10:12:00Z 403 at 20"]),
            (status("disabledBySystem"), bad(), &["disabledBySystem 2025-03-04T10:12:00Z 403 at 20"]),
            (status("disabledByUser"), good(), &["disabledByUser 2025-03-04T10:31:00Z"]),
            (status("disabledByInactiveIdentity"), None, &["disabledByInactiveIdentity 1970-01-01T00:00:00.0000001Z"]),
            (status("asleep"), good(), &["unknownStatus asleep"]),
            (found(|_| {}), bad(), &["failing 403 at 20"]),
            (
                found(|_| {}),
                Some(vec![]),
                &["silent 1970-01-01T00:00:00.0000001Z a run finished at 2025-03-04T10:30:00Z"],
            ),
            (
                found(|_| {}),
                Some(vec![said(3, "succeeded"), said(7, "succeeded")]),
                &["silent 2025-03-04T10:07:00Z a run finished at 2025-03-04T10:30:00Z"],
            ),
            (found(|_| {}), Some(vec![said(30, "pending")]), &[]),
            (found(|found| found.modified = Some(at("2025-03-04T10:40:00Z"))), Some(vec![]), &[]),
            (input("messagesToSend", "text"), good(), &["differs messagesToSend"]),
            (input("ttl", "60"), good(), &[]),
            (version(Some("1.0")), good(), &["oldVersion 1.0"]),
            (version(None), good(), &["oldVersion not named"]),
            (input("queueName", "other"), good(), &["elsewhere other"]),
            (input("accountName", "contoso"), good(), &["missing"]),
        ];
        for (found, history, expected) in table {
            let name = format!("{found:?}");
            assert_eq!(told(&[found], history), expected, "{name}");
        }
        assert!(told(&[status("onProbation")], bad())[0].contains(twelve));
        assert_eq!(told(&[], None), ["missing"]);
    }

    #[test]
    fn doubles_count_only_at_work() {
        let other = |status: &str| {
            found(|found| {
                found.id = "s-2".to_owned();
                found.status = status.into();
            })
        };
        assert_eq!(told(&[found(|_| {}), other("enabled")], None), ["doubled"]);
        assert_eq!(told(&[other("disabledBySystem"), found(|_| {})], None), [""; 0]);
        let elsewhere = found(|found| drop(found.consumer_inputs.insert("queueName".to_owned(), "x".to_owned())));
        assert_eq!(told(&[elsewhere, found(|_| {})], None), [""; 0]);
    }

    #[test]
    fn each_ailment_has_its_own_word_and_says_what_to_do() {
        let words: BTreeSet<_> = Ailment::ALL.iter().map(|ailment| ailment.as_str()).collect();
        assert_eq!(words.len(), Ailment::ALL.len());
        let options = Options::default().with("--to", "web-hook");
        for ailment in Ailment::ALL {
            let mend = ailment.mend(&options);
            assert!(!ailment.means().is_empty() && !mend.is_empty() && !mend.contains("prune"), "{ailment}: {mend}");
            let commands = mend.matches("pipetrail subscriptions").count();
            assert_eq!(mend.matches(" --to web-hook").count(), commands, "{ailment}: {mend}");
        }
        assert_eq!(Ailment::Missing.mend(&options), "pipetrail subscriptions apply --to web-hook --yes");
    }

    #[test]
    fn of_doubles_the_one_goes_that_says_less() {
        let (wanted, target) = (vec![build_complete()], queue());
        let (history, last_runs) = (BTreeMap::new(), BTreeMap::new());
        let narrow = found(|found| drop(found.publisher_inputs.insert("buildStatus".into(), "Failed".into())));
        let wide = found(|found| (found.id, found.created) = ("s-2".to_owned(), Some(at("2025-03-04T10:00:00Z"))));
        let found = [narrow, wide];
        let (history, last_runs, now) = (&history, &last_runs, at("2025-03-04T11:00:00Z"));
        let look = Look { wanted: &wanted, found: &found, history, last_runs, target: &target, now };
        let steps = remedies(&look, &doctor(&look));
        let told: Vec<_> = steps.iter().map(|step| (step.action, step.subscription_id.as_deref())).collect();
        assert_eq!(told, [(Action::Remove, Some("s-1"))]);
        assert!(steps[0].new.is_none());
    }

    #[test]
    fn what_an_update_does_not_bring_back_is_made_anew() {
        let (wanted, target) = (vec![build_complete()], queue());
        let (history, last_runs) = (BTreeMap::new(), BTreeMap::new());
        let remedies = |status: &str| {
            let found = [found(|found| found.status = status.into())];
            let (history, last_runs, now) = (&history, &last_runs, at("2025-03-04T11:00:00Z"));
            let look = Look { wanted: &wanted, found: &found, history, last_runs, target: &target, now };
            remedies(&look, &doctor(&look)).iter().map(|step| step.reason.clone()).collect::<Vec<_>>()
        };
        for status in ["disabledBySystem", "onProbation", "disabledByInactiveIdentity"] {
            assert_eq!(remedies(status), [status]);
        }
        assert_eq!(
            [remedies("enabled"), remedies("disabledByUser")].concat(),
            [""; 0],
            "a person's will is left alone"
        );
    }

    #[test]
    fn json_says_it_all() {
        let (wanted, target) = (vec![build_complete()], queue());
        let (history, last_runs) = (BTreeMap::new(), BTreeMap::new());
        let found = [status("disabledBySystem")];
        let look = Look {
            wanted: &wanted,
            found: &found,
            history: &history,
            last_runs: &last_runs,
            target: &target,
            now: at("2025-03-04T11:00:00Z"),
        };
        let told = serde_json::json!(doctor(&look));
        assert_eq!(
            told,
            serde_json::json!([{
                "finding": "disabledBySystem", "eventType": "build.complete", "project": "Fiber",
                "subscriptionId": "s-1", "says": null, "since": "1970-01-01T00:00:00.0000001Z",
            }])
        );
    }
}
