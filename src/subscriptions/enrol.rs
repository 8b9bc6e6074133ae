//! Projects of which nothing comes here are subscribed to by whoever watches.
//!
//! Only makes, and only there: what a person changed or removed stays so. The trap: an enrolment that ended in the middle
//! looks like one out of which a person removed something. So it is noted before anything is made, and the note goes when
//! all is made: where there is a note, the rest is made.
//!
//! By the same note several workers agree on who does it. Who finds a fresh note of another one leaves it to that one; who
//! wrote one looks after a while whether it is still there, and looks at the subscriptions again. Where they do not
//! agree all the same, events come twice, and the doctor says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::watch::WatchError;
use super::{Action, Group, Target, carry_out, plan, wanted};
use crate::ado::hooks::Subscription;
use crate::ado::rest::{AdoError, Client, Project};
use crate::domain::Time;
use crate::store::Store;

/// How the names of the notes begin.
const NOTES: &str = "enrol|";
/// More projects than this are not begun at once.
const MOST: usize = 1_000;
/// Whoever wrote an older note has died over it.
const FRESH: Duration = Duration::from_secs(120);
/// So long it takes at most until a note is written that was begun at the same time.
const SETTLES: Duration = Duration::from_secs(2);

/// Who enrols.
pub(super) struct Enrolment<'e> {
    pub(super) client: &'e Client,
    pub(super) store: &'e Arc<dyn Store>,
    pub(super) organization: &'e str,
    pub(super) target: &'e Target,
    pub(super) now: Time,
    /// One name for each worker.
    pub(super) me: &'e str,
}

/// Somebody makes the subscriptions of a project, or has begun to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    at: Time,
    /// Nobody, where it was given up.
    by: Option<String>,
}

impl Claim {
    /// Whether it keeps `me` away.
    fn is_of_another(&self, me: &str, now: Time) -> bool {
        self.by.as_deref().is_some_and(|by| by != me) && now.since(self.at) < FRESH
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Enrolled {
    /// Whether anything was made.
    pub(super) made: bool,
    /// Projects that would not have it, by name, with the reason.
    pub(super) refused: BTreeMap<String, String>,
}

impl Enrolment<'_> {
    /// Those of these projects that are new, or were begun.
    pub(super) async fn enrol(&self, projects: &[Project], found: &[Subscription]) -> Result<Enrolled, WatchError> {
        let claimed = self.claim(projects, found).await?;
        let mut enrolled = Enrolled::default();
        if claimed.is_empty() {
            return Ok(enrolled);
        }
        tokio::time::sleep(SETTLES).await;
        let found = self.client.subscriptions(self.organization).await?;
        let claims = self.claims().await?;
        for project in claimed {
            let claim = claims.get(&self.name(project));
            if claim.is_some_and(|claim| claim.by.as_deref() == Some(self.me)) {
                self.make(project, &found, &mut enrolled).await?;
            }
        }
        Ok(enrolled)
    }

    async fn claim<'p>(&self, projects: &'p [Project], found: &[Subscription]) -> Result<Vec<&'p Project>, WatchError> {
        let claims = self.claims().await?;
        let here = found.iter().filter(|found| self.target.owns(found) && self.target.elsewhere(found).is_none());
        let known: BTreeSet<String> = here.map(Subscription::project).collect();
        let wants = |project: &&Project| match claims.get(&self.name(project)) {
            Some(claim) => !claim.is_of_another(self.me, self.now),
            None => !known.contains(&project.id.to_lowercase()),
        };
        let claimed: Vec<&Project> = projects.iter().filter(wants).collect();
        for project in &claimed {
            self.note(project, Some(self.me)).await?;
        }
        Ok(claimed)
    }

    /// What is missing of the events of runs.
    async fn make(&self, project: &Project, found: &[Subscription], enrolled: &mut Enrolled) -> Result<(), WatchError> {
        let runs = BTreeSet::from([Group::Runs]);
        let projects = std::slice::from_ref(project);
        let steps = plan(&wanted(&runs, projects, &[], self.target), found, projects, self.target, false);
        for step in steps.iter().filter(|step| step.action == Action::Create) {
            enrolled.made = true;
            if let Err(error) = carry_out(self.client, self.organization, step).await {
                self.note(project, None).await?;
                return refusal(project, error, enrolled);
            }
        }
        self.store.drop_note(&self.name(project)).await?;
        tracing::info!(project = project.name, "hooks: subscribed to the runs of a new project");
        Ok(())
    }

    async fn note(&self, project: &Project, by: Option<&str>) -> Result<(), WatchError> {
        let claim = Claim { at: self.now, by: by.map(str::to_owned) };
        Ok(self.store.put_note(&self.name(project), &serde_json::json!(claim).to_string()).await?)
    }

    /// A note that cannot be read is one that was given up.
    async fn claims(&self) -> Result<BTreeMap<String, Claim>, WatchError> {
        let read = |text: &str| serde_json::from_str(text).unwrap_or(Claim { at: Time::UNKNOWN, by: None });
        let notes = self.store.notes(NOTES, MOST).await?;
        Ok(notes.into_iter().map(|(name, text)| (name, read(&text))).collect())
    }

    /// Of one kind for each place that events may go to.
    fn name(&self, project: &Project) -> String {
        let target = self.target.in_words();
        let scope =
            serde_json::json!([self.organization.to_lowercase(), project.id.to_lowercase(), target]).to_string();
        let digest = Sha256::digest(scope.as_bytes());
        let name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("{NOTES}{name}")
    }
}

/// One project that will not have it does not keep the others waiting.
fn refusal(project: &Project, error: AdoError, enrolled: &mut Enrolled) -> Result<(), WatchError> {
    if !error.is_of_one_place() {
        return Err(error.into());
    }
    enrolled.refused.insert(project.name.clone(), format!("its runs cannot be subscribed to: {error}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_claim_keeps_others_away() {
        let second = |second: i64| Time::from_ticks(second * 10_000_000);
        let claim = |by: Option<&str>| Claim { at: second(100), by: by.map(str::to_owned) };
        for (by, now, expected) in
            [(Some("me"), 101, false), (Some("other"), 101, true), (Some("other"), 220, false), (None, 101, false)]
        {
            assert_eq!(claim(by).is_of_another("me", second(now)), expected, "{by:?} {now}");
        }
    }
}
