//! Which commit of the manifests a run made.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::parts::{Commit, Parts, Run};
use super::rules::last_part;
use crate::domain::Time;
use crate::domain::link::bedrock::{AUTHOR, post_commit};
use crate::domain::link::{Certainty, Rule};

/// Clocks of agents and of the service differ, and a push is told when it is done.
const SLACK: Duration = Duration::from_secs(60);
/// What is so long may have been cut, in our store or by the service.
const MAY_BE_CUT: usize = 180;

/// The commit of the manifests that is there after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Made<'p> {
    pub(super) commit: &'p Commit,
    pub(super) rule: Rule,
    pub(super) certainty: Certainty,
}

impl Made<'_> {
    /// Not only what was there before.
    pub(super) fn is_its_own(&self) -> bool {
        self.rule != Rule::NoDifference
    }
}

/// By the runs that make manifests, each with the message of the commit that it is of.
pub(super) fn made<'p>(parts: &'p Parts, runs: &[(&'p Run, Option<String>)]) -> BTreeMap<u64, Made<'p>> {
    let mut commits: Vec<&Commit> = parts.manifest_commits.iter().collect();
    commits.sort_by(|one, other| one.place().cmp(&other.place()));
    let mut claims: BTreeMap<&str, Vec<(&Run, Made<'p>)>> = BTreeMap::new();
    for (run, message) in runs {
        if let Some(made) = claim(run, message.as_deref(), &commits) {
            claims.entry(&made.commit.id).or_default().push((run, made));
        }
    }
    let mut found: BTreeMap<u64, Made<'_>> = claims.into_values().filter_map(settled).collect();
    let written = Written::of(runs, &found, &commits);
    for (run, _) in runs {
        if !found.contains_key(&run.id)
            && let Some(made) = unchanged(run, &commits, &written)
        {
            found.insert(run.id, made);
        }
    }
    found
}

/// Which repositories with manifests the runs of each high-level definition wrote.
struct Written<'p> {
    by_definition: BTreeMap<Option<&'p str>, BTreeSet<Option<&'p str>>>,
    /// There is only this one.
    only: Option<Option<&'p str>>,
}

impl<'p> Written<'p> {
    fn of(runs: &[(&'p Run, Option<String>)], found: &BTreeMap<u64, Made<'p>>, commits: &[&'p Commit]) -> Self {
        let mut by_definition: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (run, _) in runs {
            if let Some(made) = found.get(&run.id) {
                by_definition.entry(run.repository.as_deref()).or_default().insert(made.commit.repository.as_deref());
            }
        }
        let all: BTreeSet<_> = commits.iter().map(|commit| commit.repository.as_deref()).collect();
        Self { by_definition, only: all.first().copied().filter(|_| all.len() == 1) }
    }

    /// Where nobody wrote yet, only a repository that is alone can be meant.
    fn has(&self, run: &Run, commit: &Commit) -> bool {
        let repository = commit.repository.as_deref();
        match self.by_definition.get(&run.repository.as_deref()) {
            Some(written) => written.contains(&repository),
            None => self.only == Some(repository),
        }
    }
}

/// The one commit, or the last of the one push, that was made while the run was under way and says what it is of. Where no commit has Bedrock's message,
/// the only one that was made then.
fn claim<'p>(run: &Run, message: Option<&str>, commits: &[&'p Commit]) -> Option<Made<'p>> {
    let (from, to) = window(run)?;
    let is_usual = commits.iter().any(|commit| told(commit).is_some());
    let fits = |commit: &&&'p Commit| {
        commit.came().is_some_and(|at| from <= at && at <= to)
            && is_on_branch(commit, run)
            && told(commit).map_or(!is_usual, |told| message.is_none_or(|message| is_same(told, message.trim())))
    };
    let fitting: Vec<_> = commits.iter().filter(fits).copied().collect();
    let commit = fitting.iter().copied().max_by_key(|commit| commit.in_push())?;
    let is_of_one_push = |other: &&Commit| (&other.repository, other.push) == (&commit.repository, commit.push);
    if !fitting.iter().all(is_of_one_push) {
        return None;
    }
    let is_sure = is_usual && message.is_some() && commit.author.as_deref() == Some(AUTHOR);
    let certainty = if is_sure { Certainty::Certain } else { Certainty::Likely };
    let rule = if is_usual { Rule::ManifestMessage } else { Rule::PushWindow };
    Some(Made { commit, rule, certainty })
}

fn told(commit: &Commit) -> Option<&str> {
    commit.message.as_deref().and_then(post_commit)
}

/// Open while the run is.
fn window(run: &Run) -> Option<(Time, Time)> {
    let from = run.started.or(run.queued)?.minus(SLACK);
    let to = run.finished.map_or(Time::from_ticks(i64::MAX), |at| at.plus(SLACK));
    Some((from, to))
}

fn is_on_branch(commit: &Commit, run: &Run) -> bool {
    let Some(branch) = run.branch.as_deref() else { return true };
    commit.refs.is_empty() || commit.refs.iter().any(|name| last_part(name) == last_part(branch))
}

fn is_same(told: &str, message: &str) -> bool {
    let is_cut = told.len() >= MAY_BE_CUT && message.starts_with(told.trim_end_matches(['.', '…']));
    told == message || is_cut
}

/// What two runs claim was made by the one that began last before it.
fn settled<'p>(claims: Vec<(&Run, Made<'p>)>) -> Option<(u64, Made<'p>)> {
    let is_alone = claims.len() == 1;
    let (run, made) = claims.into_iter().max_by_key(|(run, made)| {
        let began = run.started.or(run.queued);
        (began <= made.commit.came(), began, run.id)
    })?;
    let certainty = if is_alone { made.certainty } else { Certainty::Likely };
    Some((run.id, Made { certainty, ..made }))
}

/// A run that went well and made none found no difference: the latest before its end stays. An event that was lost looks
/// the same, so it is never certain.
fn unchanged<'p>(run: &Run, commits: &[&'p Commit], written: &Written<'_>) -> Option<Made<'p>> {
    let to = run.finished.filter(|_| run.succeeded())?;
    let before = |commit: &&&'p Commit| {
        commit.came().is_some_and(|at| at <= to) && is_on_branch(commit, run) && written.has(run, commit)
    };
    let commit = commits.iter().rev().find(before)?;
    Some(Made { commit, rule: Rule::NoDifference, certainty: Certainty::Likely })
}
