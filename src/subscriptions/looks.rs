//! What a look found, kept for those who read: they are other processes, and Azure DevOps is not asked for each page.

use std::time::Duration;

use super::{Finding, Wanted};
use crate::ado::rest::Project;
use crate::domain::{HookLook, SeenHook, Time};
use crate::store::{Store, StoreError};

/// Nobody looks again by themselves; so long what a person found is good.
const BY_HAND: Duration = Duration::from_secs(30 * 60);
/// More projects than an organization may have.
const MOST_NOTES: usize = 2_000;

/// A look for each of these projects; `organization` as records name it.
pub(super) fn looks(
    organization: &str,
    projects: &[Project],
    wanted: &[Wanted],
    findings: &[Finding],
    (at, every): (Time, Duration),
) -> Vec<HookLook> {
    let of = |project: &Project| HookLook {
        organization: organization.to_owned(),
        project: project.name.clone(),
        project_id: project.id.clone(),
        at,
        every: every.as_secs(),
        hooks: wanted.iter().filter(|wanted| wanted.project.id == project.id).map(|one| seen(one, findings)).collect(),
    };
    projects.iter().map(of).collect()
}

fn seen(wanted: &Wanted, findings: &[Finding]) -> SeenHook {
    let is_of_it = |finding: &&Finding| {
        finding.event_type == wanted.event_type() && finding.project_id.eq_ignore_ascii_case(&wanted.project.id)
    };
    let worst = findings.iter().filter(is_of_it).min_by_key(|finding| finding.finding);
    let seen = SeenHook {
        event_type: wanted.event_type().to_owned(),
        pipeline: wanted.cut_to().map(str::to_owned),
        subscription_id: worst.and_then(|worst| worst.subscription_id.clone()),
        finding: worst.map(|worst| worst.finding.to_string()),
        says: worst.and_then(|worst| worst.says.clone()),
        since: worst.and_then(|worst| worst.since),
    };
    seen.cut()
}

/// Keeps the looks of whoever watches, in the place of all before. Where all projects are watched, those are forgotten
/// that are gone.
pub(super) async fn keep(
    store: &dyn Store,
    organization: &str,
    looks: &[HookLook],
    all: bool,
) -> Result<(), StoreError> {
    let names: Vec<String> = looks.iter().filter_map(HookLook::note).collect();
    for look in looks {
        if let Some(name) = look.note() {
            store.put_note(&name, &look.encode()).await?;
        }
    }
    if all {
        let kept = store.notes(&HookLook::notes_of(organization), MOST_NOTES).await?;
        for (name, _) in kept.into_iter().filter(|(name, _)| !names.contains(name)) {
            store.drop_note(&name).await?;
        }
    }
    Ok(())
}

/// Keeps what a person's look found, which may have been at a part of what is watched: then no more than that is changed.
///
/// # Errors
/// When the store fails.
pub async fn keep_by_hand(
    store: &dyn Store,
    organization: &str,
    (projects, wanted): (&[Project], &[Wanted]),
    findings: &[Finding],
    now: Time,
) -> Result<(), StoreError> {
    for look in looks(organization, projects, wanted, findings, (now, BY_HAND)) {
        let Some(name) = look.note() else { continue };
        let watched = store.note(&name).await?.and_then(|text| HookLook::decode(&text));
        let look = match watched.filter(|watched| !watched.is_late(now)) {
            Some(watched) => look.put_into(watched),
            None => look,
        };
        store.put_note(&name, &look.encode()).await?;
    }
    Ok(())
}
