//! Changes of the high-level definition: by a pull request, or pushed as they are; and the run whose image they bring.

use std::collections::{BTreeMap, BTreeSet};

use super::parts::{Commit, Parts, PullRequest, ReleaseStage, Run};
use super::rules::{Chain, last_part};
use super::tag::plain;
use crate::domain::Time;
use crate::domain::link::bedrock::{image, image_tag, is_reconcile, service};
use crate::domain::link::{Certainty, Rule, merged_pull_request};

/// A change of the high-level definition.
#[derive(Clone, Debug)]
pub(super) struct Change<'p> {
    pub(super) pull_request: Option<&'p PullRequest>,
    /// On the branch that the manifests are made of.
    pub(super) commit: Option<&'p str>,
    /// The event of the merge did not come: the commit's own words alone say which one it is.
    pub(super) commit_is_likely: bool,
    pub(super) pushed: Option<&'p Commit>,
    pub(super) repository: Option<&'p str>,
    pub(super) at: Option<Time>,
    pub(super) service: Option<&'p str>,
    pub(super) tag: Option<&'p str>,
    pub(super) image: Option<&'p str>,
}

impl Change<'_> {
    /// Whether it says which image it brings.
    pub(super) fn is_deployment(&self) -> bool {
        self.tag.is_some() || self.pull_request.is_some_and(|pull_request| pull_request.opened.is_some())
    }

    /// What the commit says, where it was told: a pull request says it with its number before.
    pub(super) fn message(&self) -> Option<String> {
        let told = self.pushed.and_then(|commit| commit.message.clone());
        let merged = |pull_request: &PullRequest| {
            Some(format!("Merged PR {}: {}", pull_request.id, pull_request.title.as_ref()?))
        };
        told.or_else(|| self.pull_request.and_then(merged))
    }

    /// What tells it from the others: its pull request, and its own commit, by which alone it may have been known.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let pull_request = self.pull_request.map(|one| format!("pr|{}", one.id));
        let commit = self.pushed.map(|commit| commit.id.as_str()).or(self.commit);
        pull_request.into_iter().chain(commit.map(|id| format!("edit|{id}")))
    }
}

/// All changes that deploy or edit, those that reconcile left out, the oldest first.
pub(super) fn changes(parts: &Parts) -> Vec<Change<'_>> {
    let commits: BTreeMap<&str, &Commit> =
        parts.hld_commits.iter().map(|commit| (commit.id.as_str(), commit)).collect();
    let merges: BTreeMap<(u64, Option<&str>), &Commit> = parts.hld_commits.iter().filter_map(merge_of).collect();
    let reconciles = |one: &PullRequest| is_reconcile(one.source.as_deref(), one.title.as_deref());
    let by_pull_request =
        parts.pull_requests.iter().filter(|one| !reconciles(one)).map(|one| of(one, &commits, &merges));
    let mut all: Vec<_> = by_pull_request.collect();
    let of_pull_requests = of_pull_requests(parts);
    all.extend(pushes(parts).into_values().flat_map(|pushed| of_push(&pushed, &of_pull_requests)));
    all.sort_by_cached_key(|one| (one.at, one.names().next()));
    all
}

/// What was pushed together, by repository and push; in each the last at last.
fn pushes(parts: &Parts) -> BTreeMap<(Option<&str>, u64), Vec<&Commit>> {
    let mut pushes: BTreeMap<_, Vec<&Commit>> = BTreeMap::new();
    for commit in &parts.hld_commits {
        pushes.entry((commit.repository.as_deref(), commit.push)).or_default().push(commit);
    }
    for pushed in pushes.values_mut() {
        pushed.sort_by(|one, other| one.in_push().cmp(&other.in_push()));
    }
    pushes
}

/// A push is one change, of which manifests are made once: of its last commit. Where commits name images it is one for
/// each of these.
fn of_push<'p>(pushed: &[&'p Commit], of_pull_requests: &OfPullRequests<'_>) -> Vec<Change<'p>> {
    let Some(last) = pushed.last().copied().filter(|last| !of_pull_requests.is_merge(last)) else { return Vec::new() };
    let own = pushed.iter().filter(|commit| !of_pull_requests.has(commit));
    let all: Vec<_> = own.map(|commit| Change { commit: Some(&last.id), ..of_commit(commit) }).collect();
    let images: BTreeMap<_, _> =
        all.iter().filter(|one| one.tag.is_some()).map(|one| ((one.service, one.tag), one.clone())).collect();
    if images.is_empty() { all.into_iter().last().into_iter().collect() } else { images.into_values().collect() }
}

/// The pull request that a pushed commit says it merges.
fn merge_of(commit: &Commit) -> Option<((u64, Option<&str>), &Commit)> {
    let number = commit.message.as_deref().and_then(merged_pull_request)?;
    Some(((number, commit.repository.as_deref()), commit))
}

fn of<'p>(
    pull_request: &'p PullRequest,
    commits: &BTreeMap<&str, &'p Commit>,
    merges: &BTreeMap<(u64, Option<&str>), &'p Commit>,
) -> Change<'p> {
    let title = pull_request.title.as_deref().unwrap_or_default();
    let tag = image_tag(title);
    let source = pull_request.source.as_deref().unwrap_or_default();
    let repository = pull_request.repository.as_deref();
    let told = pull_request.merge_commit.as_deref();
    let pushed = match told {
        Some(id) => commits.get(id).copied(),
        None => merges.get(&(pull_request.id, repository)).copied(),
    };
    Change {
        pull_request: Some(pull_request),
        commit: told.or_else(|| pushed.map(|commit| commit.id.as_str())),
        commit_is_likely: told.is_none(),
        pushed,
        repository,
        at: pull_request.created.or(pull_request.closed),
        service: service(title),
        tag,
        image: tag.and_then(|tag| image(source, tag)),
    }
}

/// A commit that was pushed. What a merge's message says of its pull request is what follows the number.
fn of_commit(commit: &Commit) -> Change<'_> {
    let message = commit.message.as_deref().unwrap_or_default();
    let title = match merged_pull_request(message) {
        Some(_) => message.split_once(": ").map_or("", |(_, title)| title),
        None => message,
    };
    Change {
        pull_request: None,
        commit: Some(&commit.id),
        commit_is_likely: false,
        pushed: Some(commit),
        repository: commit.repository.as_deref(),
        at: commit.came(),
        service: service(title),
        tag: image_tag(title),
        image: None,
    }
}

/// What of the pushed commits is a pull request's, and so no change by itself.
struct OfPullRequests<'p> {
    merges: BTreeSet<&'p str>,
    sources: BTreeSet<&'p str>,
    numbers: BTreeSet<u64>,
}

fn of_pull_requests(parts: &Parts) -> OfPullRequests<'_> {
    let all = || parts.pull_requests.iter();
    OfPullRequests {
        merges: all().filter_map(|one| one.merge_commit.as_deref()).collect(),
        sources: all().flat_map(|one| one.sources.iter().map(String::as_str)).collect(),
        numbers: all().map(|one| one.id).collect(),
    }
}

impl OfPullRequests<'_> {
    fn has(&self, commit: &Commit) -> bool {
        self.is_merge(commit)
            || self.sources.contains(commit.id.as_str())
            || message_reconciles(commit.message.as_deref().unwrap_or_default())
            || is_aside(commit)
    }

    fn is_merge(&self, commit: &Commit) -> bool {
        let number = commit.message.as_deref().and_then(merged_pull_request);
        self.merges.contains(commit.id.as_str()) || number.is_some_and(|number| self.numbers.contains(&number))
    }
}

fn message_reconciles(message: &str) -> bool {
    is_reconcile(None, Some(message))
        || merged_pull_request(message)
            .and_then(|_| message.split_once(": "))
            .is_some_and(|(_, title)| is_reconcile(None, Some(title)))
}

/// Pushed only to branches that pull requests are made of.
fn is_aside(commit: &Commit) -> bool {
    let aside = |name: &String| {
        let branch = name.strip_prefix("refs/heads/").unwrap_or(name);
        branch.starts_with("DEPLOY/") || branch.starts_with("RECONCILE/")
    };
    !commit.refs.is_empty() && commit.refs.iter().all(aside)
}

/// The tags that changes and releases name, where nothing else tells which of these runs it is.
#[must_use]
pub fn open_tags<'p>(chain: &Chain, parts: &'p Parts, runs: &[Run]) -> BTreeSet<&'p str> {
    let sources = Sources::new(chain, runs);
    let is_open = |stage: &&ReleaseStage| !stage.runs.iter().any(|run| sources.by_id(*run).is_some());
    let released = parts.releases.iter().filter(is_open).flat_map(|stage| stage.tags.iter().map(String::as_str));
    let changes = changes(parts).into_iter().filter(|change| sources.described(change).is_none());
    changes.filter_map(|change| change.tag).chain(released).collect()
}

/// Finds the run that made the image of a change.
pub(super) struct Sources<'p> {
    chain: &'p Chain,
    runs: BTreeMap<u64, &'p Run>,
    by_number: BTreeMap<&'p str, Vec<&'p Run>>,
}

impl<'p> Sources<'p> {
    pub(super) fn new(chain: &'p Chain, all: &'p [Run]) -> Self {
        let could =
            |run: &&Run| !run.only_verifies() && !run.repository.as_deref().is_some_and(|one| chain.is_hld(one));
        let runs: BTreeMap<u64, &Run> = all.iter().filter(could).map(|run| (run.id, run)).collect();
        let mut by_number: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
        for run in runs.values() {
            if let Some(number) = &run.number {
                by_number.entry(number).or_default().push(run);
            }
        }
        Self { chain, runs, by_number }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &'p Run> {
        self.runs.values().copied()
    }

    /// By the description of its pull request, else by its tag.
    pub(super) fn of(&self, change: &Change<'_>) -> Option<(&'p Run, Rule, Certainty)> {
        self.described(change).or_else(|| {
            let run = self.tagged(change.tag?, change.service)?;
            Some((run, Rule::ImageTag, Certainty::Likely))
        })
    }

    /// Another number than that of the run with this id, in the description or in the title's tag: then it is not the
    /// one, since descriptions are copied. Certain only where number and pipeline are known and the same.
    fn described(&self, change: &Change<'_>) -> Option<(&'p Run, Rule, Certainty)> {
        let opened = change.pull_request?.opened.as_ref()?;
        let run = *self.runs.get(&opened.run)?;
        let number = is_same(opened.number.as_ref(), run.number.as_ref());
        if number == Some(false) || !self.may_be_tagged(run, change.tag) {
            return None;
        }
        let is_sure = number.is_some() && is_same(opened.pipeline.as_ref(), run.pipeline_name.as_ref()) == Some(true);
        let certainty = if is_sure { opened.certainty } else { Certainty::Likely };
        Some((run, Rule::DescribedBuild, certainty))
    }

    /// Whether nothing that the tag says is otherwise.
    fn may_be_tagged(&self, run: &Run, tag: Option<&str>) -> bool {
        let Some(read) = tag.and_then(|tag| self.chain.tag.read(tag)) else { return true };
        read.id.is_none_or(|id| id == run.id) && is_same(read.number.as_ref(), run.number.as_ref()) != Some(false)
    }

    pub(super) fn by_id(&self, id: u64) -> Option<&'p Run> {
        self.runs.get(&id).copied()
    }

    /// The one run that fits; none where several do.
    pub(super) fn tagged(&self, tag: &str, service: Option<&str>) -> Option<&'p Run> {
        let read = self.chain.tag.read(tag)?;
        let service = service.or(read.service.as_deref());
        let mut fitting: Vec<&Run> = match (&read.id, &read.number) {
            (Some(id), _) => self.runs.get(id).copied().into_iter().collect(),
            (None, Some(number)) => self.by_number.get(number.as_str()).cloned().unwrap_or_default(),
            (None, None) => Vec::new(),
        };
        fitting.retain(|run| is_of_branch(run, read.branch.as_deref()));
        fitting.retain(|run| service.is_none_or(|service| !self.is_of_another(run, service)));
        if fitting.len() > 1 {
            fitting.retain(|run| service.is_some_and(|service| self.is_of_service(run, service)));
        }
        match fitting.as_slice() {
            [run] => Some(run),
            [] | [_, _, ..] => None,
        }
    }

    /// Whether the configuration says that its pipeline is another service's.
    fn is_of_another(&self, run: &Run, service: &str) -> bool {
        let configured = self.chain.service_of(run.pipeline, run.pipeline_name.as_deref());
        configured.is_some_and(|configured| configured.to_lowercase() != service.to_lowercase())
    }

    /// By the configuration, else by the words of the names of its pipeline and its repository.
    fn is_of_service(&self, run: &Run, service: &str) -> bool {
        let configured = self.chain.service_of(run.pipeline, run.pipeline_name.as_deref());
        let names = [run.pipeline_name.as_deref(), run.repository.as_deref()];
        let service = words(service);
        let called = |name: &str| words(name).windows(service.len().max(1)).any(|part| part == service);
        configured.is_some() || names.into_iter().flatten().any(called)
    }
}

/// In any case of the letters; `None` where one of the two is not known.
fn is_same(said: Option<&String>, known: Option<&String>) -> Option<bool> {
    said.zip(known).map(|(said, known)| said.to_lowercase() == known.to_lowercase())
}

fn words(name: &str) -> Vec<String> {
    name.to_lowercase().split(['-', '_', '.', '/', ' ']).map(str::to_owned).collect()
}

/// The first step writes the last part of the branch in a plain form, the second as it is.
fn is_of_branch(run: &Run, branch: Option<&str>) -> bool {
    let Some((branch, known)) = branch.zip(run.branch.as_deref()) else { return true };
    let short = known.strip_prefix("refs/heads/").unwrap_or(known);
    let last = last_part(short);
    [last, short].into_iter().any(|one| one == branch || plain(one) == branch)
}
