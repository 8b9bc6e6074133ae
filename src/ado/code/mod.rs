//! Pushes, pull requests, and the commits of builds.
//!
//! Shapes: <https://learn.microsoft.com/azure/devops/service-hooks/events> and
//! <https://learn.microsoft.com/rest/api/azure/devops/git>.

mod wire;

use super::error::{DecodeError, parse};
use super::labels::{Labels, short};
use super::organization::{Place, number_after};
use super::wire::{Project, Text, href, id, name, text, time};
use super::{Beside, Scope, usable_id};
use crate::domain::changes::ChangesFact;
use crate::domain::link;
use crate::domain::pull_request::{CommitRole, PullRequestFact, StatusSaid, Vote, VoteSaid};
use crate::domain::push::{PushFact, RefUpdate};
use crate::domain::{Commit, Fact, Label, PullRequestKey, PullRequestStatus, PushKey, RunKey, Time, commit_id};
use wire::{Change, CommitRef, List, PullRequest, Push, Repository, Reviewer};

/// So many commits, refs and reviewers of one body are taken.
const MOST_COMMITS: usize = 1_000;
const MOST_REFS: usize = 200;
const MOST_REVIEWERS: usize = 200;
/// Of a push's commits so many: the fact has to fit a row of a table.
const MOST_PUSHED: usize = 200;

pub(super) fn push_event(scope: &Scope<'_>, resource: &str) -> Result<Fact, DecodeError> {
    let push: Push<'_> = parse(resource, "resource")?;
    let place = place(scope, push.repository.as_ref(), push.url.as_ref())?;
    push_fact(&push, place, scope.said, "resource.").map(Fact::Push)
}

pub(super) fn pull_request_event(scope: &Scope<'_>, resource: &str) -> Result<Fact, DecodeError> {
    let pull_request: PullRequest<'_> = parse(resource, "resource")?;
    let place = place(scope, pull_request.repository.as_ref(), pull_request.url.as_ref())?;
    let mut fact = pull_request_fact(&pull_request, place, scope.said, "resource.")?;
    fact.approved = fact.votes.iter().any(|said| said.vote.approves()).then_some(scope.said);
    Ok(Fact::PullRequest(fact))
}

/// The pushes in an answer of Pushes - List or Pushes - Get, each by itself.
///
/// # Errors
/// When the whole answer is not JSON of that shape.
pub fn push_list(beside: &Beside, answer: &[u8]) -> Result<Vec<Result<Fact, DecodeError>>, DecodeError> {
    each(answer, |text, path| {
        let push: Push<'_> = parse(text, path)?;
        let said = time(push.date.as_ref()).unwrap_or(Time::UNKNOWN);
        let place = beside_place(beside, push.repository.as_ref())?;
        let fact = push_fact(&push, place, said, &dotted(path))?;
        // One that was asked for by itself stands in no list. A list may tell of commits, too.
        Ok(Fact::Push(PushFact { whole: path.is_empty() || push.commits.is_some(), ..fact }))
    })
}

/// The pull requests in an answer of Pull Requests - Get Pull Requests, each by itself.
///
/// # Errors
/// When the whole answer is not JSON of that shape.
pub fn pull_request_list(beside: &Beside, answer: &[u8]) -> Result<Vec<Result<Fact, DecodeError>>, DecodeError> {
    each(answer, |text, path| {
        let pull_request: PullRequest<'_> = parse(text, path)?;
        let spoken = [&pull_request.closed_date, &pull_request.creation_date];
        let said = spoken.into_iter().find_map(|when| time(when.as_ref())).unwrap_or(Time::UNKNOWN);
        let place = beside_place(beside, pull_request.repository.as_ref())?;
        pull_request_fact(&pull_request, place, said, &dotted(path)).map(Fact::PullRequest)
    })
}

/// A page of the commits of a run.
#[derive(Debug)]
pub struct ChangesPage {
    pub fact: ChangesFact,
    /// So many are on the page, whatever they are.
    pub listed: usize,
    /// Those that cannot be read.
    pub unreadable: Vec<DecodeError>,
}

/// The commits in an answer of Builds - Get Build Changes, or of Get Changes Between Builds, of the run with this key.
///
/// `said` is when its build was said to be as it is; `repository` is its name. One that cannot be read costs no other.
///
/// # Errors
/// When the answer is not JSON of that shape.
pub fn changes_fact(
    key: RunKey,
    said: Time,
    repository: Option<&str>,
    answer: &[u8],
) -> Result<ChangesPage, DecodeError> {
    let body = super::body::text(answer)?;
    let list: List<'_> = parse(&body, "")?;
    let mut labels = Labels::empty();
    let mut fact = ChangesFact { key, said, since: None, labels: Vec::new(), commits: Vec::new() };
    let mut kind = None;
    let mut unreadable = Vec::new();
    for (at, change) in list.value.iter().flatten().take(MOST_COMMITS).enumerate() {
        let change: Change<'_> = match parse(change.get(), &format!("value[{at}]")) {
            Ok(change) => change,
            Err(error) => {
                unreadable.push(error);
                continue;
            }
        };
        // A changeset of TFVC is no commit.
        let Some(id) = text(change.id.as_ref()).and_then(commit_id) else { continue };
        kind = kind.or_else(|| text(change.kind.as_ref()).map(str::to_owned));
        let commit =
            Commit::new(time(change.timestamp.as_ref()), name(change.author.as_ref()), text(change.message.as_ref()));
        fact.commits.push((id, commit));
    }
    labels.put(Label::Repository, repository);
    labels.put(Label::RepositoryType, kind.as_deref());
    fact.labels = labels.into_vec();
    Ok(ChangesPage { fact, listed: list.value.iter().flatten().count(), unreadable })
}

/// Reads each of a list, or the one that it is.
fn each(
    answer: &[u8],
    read: impl Fn(&str, &str) -> Result<Fact, DecodeError>,
) -> Result<Vec<Result<Fact, DecodeError>>, DecodeError> {
    let body = super::body::text(answer)?;
    Ok(match parse::<List<'_>>(&body, "")?.value {
        Some(all) => all.iter().enumerate().map(|(at, one)| read(one.get(), &format!("value[{at}]"))).collect(),
        None => vec![read(&body, "")],
    })
}

fn dotted(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}.") }
}

fn place(scope: &Scope<'_>, repository: Option<&Repository<'_>>, url: Option<&Text<'_>>) -> Result<Place, DecodeError> {
    let urls = || {
        let of_repository = repository.into_iter().flat_map(|known| [&known.url, &known.remote_url, &known.web_url]);
        text(url).into_iter().chain(of_repository.filter_map(|url| text(url.as_ref())))
    };
    let own = scope.place(urls())?;
    let mut place = Place { organization: own.organization, ..Place::default() };
    fill_project(&mut place, repository);
    // The envelope's project is the subscription's.
    place.fill_project_id(own.project_id.as_deref());
    place.fill_project(urls());
    Ok(place)
}

fn beside_place(beside: &Beside, repository: Option<&Repository<'_>>) -> Result<Place, DecodeError> {
    let mut place = Place { organization: beside.organization()?, ..Place::default() };
    fill_project(&mut place, repository);
    place.fill_project_id(beside.project_id.as_deref());
    place.project_name = place.project_name.take().or_else(|| beside.project_name.clone());
    Ok(place)
}

fn fill_project(place: &mut Place, repository: Option<&Repository<'_>>) {
    let project: Option<&Project<'_>> = repository.and_then(|repository| repository.project.as_ref());
    place.fill_project_id(project.and_then(|project| text(project.id.as_ref())));
    place.project_name = project.and_then(|project| text(project.name.as_ref())).map(str::to_owned);
}

/// A repository that has no id is named in the address of what it holds.
fn repository_id(
    repository: Option<&Repository<'_>>,
    url: Option<&Text<'_>>,
    path: &str,
) -> Result<String, DecodeError> {
    let named = repository.and_then(|repository| text(repository.id.as_ref())).map(str::to_owned);
    let of_address = || {
        let (_, rest) = text(url)?.split_once("/repositories/")?;
        rest.split(['/', '?']).next().filter(|id| !id.is_empty()).map(str::to_owned)
    };
    let missing = || DecodeError::no_id("no_repository_id", "id of the repository", &format!("{path}repository.id"));
    named.or_else(of_address).ok_or_else(missing)
}

fn labels(place: &Place, repository: Option<&Repository<'_>>) -> Labels {
    let mut labels = Labels::of(place);
    labels.put(Label::Repository, repository.and_then(|repository| text(repository.name.as_ref())));
    let default = repository.and_then(|repository| text(repository.default_branch.as_ref()));
    labels.put(Label::DefaultBranch, default.map(short).as_deref());
    labels
}

fn push_fact(push: &Push<'_>, place: Place, said: Time, path: &str) -> Result<PushFact, DecodeError> {
    let missing = || DecodeError::no_id("no_push_id", "id of the push", &format!("{path}pushId"));
    let number = id(push.push_id.as_ref()).or_else(|| number_after(text(push.url.as_ref())?, "/pushes/"));
    let number = number.and_then(usable_id).ok_or_else(missing)?;
    let repository = repository_id(push.repository.as_ref(), push.url.as_ref(), path)?;
    let mut labels = labels(&place, push.repository.as_ref());
    labels.put(Label::PushedBy, name(push.pushed_by.as_ref()).map(short).as_deref());
    let mut fact = PushFact::new(PushKey::new(&place.organization, &repository, number), said);
    fact.pushed = time(push.date.as_ref());
    fact.labels = labels.into_vec();
    fact.refs = push.ref_updates.iter().flatten().take(MOST_REFS).filter_map(ref_update).collect();
    let commits = push.commits.iter().flatten().take(MOST_PUSHED).filter_map(|commit| {
        let author = commit.author.as_ref();
        let at = author.and_then(|author| time(author.date.as_ref()));
        let who = author.and_then(|author| text(author.name.as_ref()));
        Some((commit_id(text(commit.commit_id.as_ref())?)?, Commit::new(at, who, text(commit.comment.as_ref()))))
    });
    fact.commits = commits.collect();
    Ok(fact)
}

fn ref_update(update: &wire::RefUpdate<'_>) -> Option<RefUpdate> {
    let name = short(text(update.name.as_ref())?).into_owned();
    let id = |id: &Option<Text<'_>>| text(id.as_ref()).and_then(commit_id);
    Some(RefUpdate { name, old: id(&update.old_object_id), new: id(&update.new_object_id) })
}

fn pull_request_fact(
    said_of: &PullRequest<'_>,
    place: Place,
    said: Time,
    path: &str,
) -> Result<PullRequestFact, DecodeError> {
    let missing =
        || DecodeError::no_id("no_pull_request_id", "id of the pull request", &format!("{path}pullRequestId"));
    let url = said_of.url.as_ref();
    let number = id(said_of.pull_request_id.as_ref()).or_else(|| number_after(text(url)?, "/pullRequests/"));
    let number = number.and_then(usable_id).ok_or_else(missing)?;
    let repository = repository_id(said_of.repository.as_ref(), url, path)?;
    let status = text(said_of.status.as_ref());
    let status = status.ok_or_else(|| DecodeError::no_state("status of the pull request", format!("{path}status")))?;
    let mut fact = PullRequestFact::new(PullRequestKey::new(&place.organization, &repository, number), said);
    let (created, closed) = (time(said_of.creation_date.as_ref()), time(said_of.closed_date.as_ref()));
    fact.status = Some((PullRequestStatus::from(status), StatusSaid { said, created, closed }));
    fact.labels = pull_request_labels(said_of, &place).into_vec();
    fact.commits = pull_request_commits(said_of);
    fact.votes = said_of.reviewers.iter().flatten().take(MOST_REVIEWERS).filter_map(vote).collect();
    fact.work_items = work_items(said_of);
    Ok(fact)
}

fn pull_request_labels(said_of: &PullRequest<'_>, place: &Place) -> Labels {
    let mut labels = labels(place, said_of.repository.as_ref());
    labels.put(Label::Title, text(said_of.title.as_ref()));
    labels.put(Label::Description, text(said_of.description.as_ref()));
    labels.put(Label::SourceBranch, text(said_of.source_ref_name.as_ref()));
    labels.put(Label::TargetBranch, text(said_of.target_ref_name.as_ref()));
    labels.put(Label::MergeStatus, text(said_of.merge_status.as_ref()));
    labels.put(Label::CreatedBy, name(said_of.created_by.as_ref()).map(short).as_deref());
    labels.put(Label::ClosedBy, name(said_of.closed_by.as_ref()).map(short).as_deref());
    labels.put_url(said_of.links.as_ref().and_then(|links| href(links.web.as_ref())));
    labels
}

/// Of the target nothing: that commit was there before.
fn pull_request_commits(said_of: &PullRequest<'_>) -> Vec<(CommitRole, String)> {
    let id = |commit: &CommitRef<'_>| text(commit.commit_id.as_ref()).and_then(commit_id);
    let merge = said_of.last_merge_commit.as_ref().and_then(id).map(|id| (CommitRole::Merge, id));
    let head = said_of.last_merge_source_commit.as_ref().and_then(id).map(|id| (CommitRole::Head, id));
    let sources = said_of.commits.iter().flatten().take(MOST_COMMITS).filter_map(id);
    let sources = sources.map(|id| (CommitRole::Source, id));
    let mut commits: Vec<_> = merge.into_iter().chain(head).chain(sources).collect();
    commits.sort_unstable();
    commits.dedup();
    commits
}

fn vote(reviewer: &Reviewer<'_>) -> Option<VoteSaid> {
    let vote = Vote {
        vote: reviewer.vote.unwrap_or_default(),
        name: text(reviewer.display_name.as_ref()).map(|name| short(name).into_owned()),
        is_team: reviewer.is_container.unwrap_or_default(),
    };
    Some(VoteSaid { id: short(text(reviewer.id.as_ref())?).into_owned(), vote })
}

/// `None` where neither title nor description was told: an update without them takes nothing back.
fn work_items(said_of: &PullRequest<'_>) -> Option<Vec<u64>> {
    let texts = [text(said_of.title.as_ref()), text(said_of.description.as_ref())];
    let told = texts.iter().any(Option::is_some);
    let mut items: Vec<u64> = texts.into_iter().flatten().flat_map(link::mentions).collect();
    items.sort_unstable();
    items.dedup();
    told.then_some(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_cannot_be_read_costs_no_other() {
        let key = RunKey { organization: "fabrikam".to_owned(), pipeline: 12, run: 900 };
        let (first, last) = ("1".repeat(40), "2".repeat(40));
        let body = format!(r#"{{"value": [{{"id": "{first}"}}, "a commit", {{"id": "C4711"}}, {{"id": "{last}"}}]}}"#);
        let page = changes_fact(key, Time::UNKNOWN, None, body.as_bytes()).unwrap();
        let told: Vec<_> = page.fact.commits.into_iter().map(|(id, _)| id).collect();
        assert_eq!((told, page.listed), (vec![first, last], 4), "a changeset is no commit, and counts");
        let unreadable: Vec<_> = page.unreadable.into_iter().filter_map(|error| error.path).collect();
        assert_eq!(unreadable, ["value[1]"]);
    }
}
