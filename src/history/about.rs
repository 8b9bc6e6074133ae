//! What the made-up runs are about: work items, pull requests and pushes, as events.
//!
//! Each repository has one open pull request at most: the run that verifies it comes with it, and the next run that a
//! push to the main branch started comes with its merge. Nothing here draws from the history's dice, so that its runs
//! are the same with all that and without.

use std::time::Duration;

use serde_json::{Value, json};

use super::cast::{Cast, PEOPLE, PIPELINES, PROJECTS, REPOSITORIES, TOPICS, Trigger};
use super::script::Run;
use super::wire::Guid;
use crate::domain::Time;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// A work item has the number of its pull request and so much more.
const ITEMS: u64 = 40_000;
const MAIN: &str = "refs/heads/main";
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";
/// An incident has the number of the run after it and so much more.
const INCIDENTS: u64 = 900_000;

/// What is under way.
#[derive(Debug)]
pub(super) struct About {
    /// The open pull request of each repository.
    open: Vec<Option<PullRequest>>,
    /// The greatest number that there was in each of them: none begins anew.
    latest: Vec<u64>,
    merged: Option<PullRequest>,
    pushes: u64,
    /// The latest commit of each repository's main branch.
    heads: Vec<String>,
}

/// One that was opened.
#[derive(Clone, Debug)]
pub(super) struct PullRequest {
    pub(super) number: u64,
    topic: usize,
    opened: Time,
    /// Index into [`PEOPLE`].
    person: usize,
    commit: String,
}

impl PullRequest {
    pub(super) fn item(&self) -> u64 {
        ITEMS + self.number
    }

    fn topic(&self) -> &'static str {
        TOPICS.get(self.topic).copied().unwrap_or_default()
    }

    fn title(&self) -> String {
        format!("Work on {}", self.topic().replace('-', " "))
    }

    fn branch(&self) -> String {
        format!("refs/heads/feature/{}-{}", self.item(), self.topic())
    }
}

impl About {
    pub(super) fn new() -> Self {
        Self {
            open: vec![None; REPOSITORIES.len()],
            latest: vec![0; REPOSITORIES.len()],
            merged: None,
            pushes: 0,
            heads: super::cast::first_heads(),
        }
    }

    /// The latest that was merged.
    pub(super) fn merged(&self) -> Option<&PullRequest> {
        self.merged.as_ref()
    }

    /// The bodies of what comes with a run, all said when it is queued.
    pub(super) fn events(&mut self, cast: &Cast, run: &Run) -> Vec<Vec<u8>> {
        let Some(pipeline) = PIPELINES.get(run.pipeline) else { return Vec::new() };
        let number = run.branch.strip_prefix("refs/pull/").and_then(|rest| rest.split('/').next()?.parse().ok());
        let place = Place::new(cast, run);
        let repository = pipeline.repository;
        let old = self.moved(run, repository);
        match (number, self.open.get_mut(repository).zip(self.latest.get_mut(repository))) {
            (Some(number), Some((open @ None, latest))) if number > *latest => {
                *latest = number;
                self.pushes += 1;
                let pull_request = opened(run, number);
                let events = place.opening(&pull_request, self.pushes);
                *open = Some(pull_request);
                events
            }
            (None, Some((open, _))) if run.branch == MAIN && run.reason == "individualCI" => {
                let is_ripe = |open: &mut PullRequest| open.opened.plus(10 * MINUTE) < run.queued;
                let Some(pull_request) = open.take_if(is_ripe) else { return self.plain(&place, old) };
                self.pushes += 1;
                let events = place.merging(&pull_request, self.pushes, old.as_deref());
                self.merged = Some(pull_request);
                events
            }
            (Some(_) | None, _) if has_incident(run) => place.incident(),
            (Some(_) | None, _) => self.plain(&place, old),
        }
    }

    /// What the main branch was at, where the run comes with a new commit on it.
    fn moved(&mut self, run: &Run, repository: usize) -> Option<String> {
        let head = self.heads.get_mut(repository).filter(|head| run.branch == MAIN && **head != run.commit)?;
        Some(std::mem::replace(head, run.commit.clone()))
    }

    /// A push without a pull request.
    fn plain(&mut self, place: &Place<'_>, old: Option<String>) -> Vec<Vec<u8>> {
        let Some(old) = old else { return Vec::new() };
        self.pushes += 1;
        let (person, commit) = (place.run.person, &place.run.commit);
        vec![place.push(self.pushes, (MAIN, Some(&old)), (person, commit, "Small things"))]
    }
}

/// What was deployed before it did harm.
fn has_incident(run: &Run) -> bool {
    let deploys = PIPELINES.get(run.pipeline).is_some_and(|pipeline| pipeline.trigger == Trigger::Main);
    deploys && Guid::of(&format!("incident before {}", run.id)).0.is_multiple_of(12)
}

fn opened(run: &Run, number: u64) -> PullRequest {
    let seed = Guid::of(&format!("pull request {number}")).0;
    let topic = usize::try_from(seed % 10).unwrap_or_default();
    PullRequest { number, topic, opened: run.queued, person: run.person, commit: format!("{seed:032x}{number:08x}") }
}

/// Where a run builds what.
struct Place<'a> {
    cast: &'a Cast,
    run: &'a Run,
    project: &'static str,
    project_id: Guid,
    repository: &'static str,
    containers: Value,
}

impl<'a> Place<'a> {
    fn new(cast: &'a Cast, run: &'a Run) -> Self {
        let pipeline = PIPELINES.get(run.pipeline);
        let project = pipeline.and_then(|pipeline| PROJECTS.get(pipeline.project)).copied().unwrap_or_default();
        let repository = pipeline.and_then(|pipeline| REPOSITORIES.get(pipeline.repository)).copied();
        let containers = cast.pipelines.get(run.pipeline).map(|parts| json!(parts.containers));
        Self {
            cast,
            run,
            project,
            project_id: Guid::of(project),
            repository: repository.unwrap_or_default(),
            containers: containers.unwrap_or_default(),
        }
    }

    fn opening(&self, pull_request: &PullRequest, push: u64) -> Vec<Vec<u8>> {
        let message = format!("{} AB#{}", pull_request.title(), pull_request.item());
        vec![
            self.event("workitem.created", "1.0", self.work_item(pull_request, 1, "New")),
            self.event("workitem.updated", "1.0", self.update(pull_request, 2, ["New", "Active"])),
            self.push(push, (&pull_request.branch(), None), (pull_request.person, &pull_request.commit, &message)),
            self.event("git.pullrequest.created", "1.0", self.pull_request(pull_request, "active")),
        ]
    }

    fn merging(&self, pull_request: &PullRequest, push: u64, old: Option<&str>) -> Vec<Vec<u8>> {
        let (number, title) = (pull_request.number, pull_request.title());
        let message = format!("Merged PR {number}: {title}\n\nRelated work items: #{}", pull_request.item());
        vec![
            self.push(push, (MAIN, old), (pull_request.person, &self.run.commit, &message)),
            self.event("git.pullrequest.merged", "1.0", self.pull_request(pull_request, "completed")),
            self.event("workitem.updated", "1.0", self.update(pull_request, 3, ["Active", "Resolved"])),
        ]
    }

    fn work_item(&self, pull_request: &PullRequest, revision: u64, state: &str) -> Value {
        let (item, created) = (pull_request.item(), pull_request.opened.minus(DAY));
        let changed = match revision {
            1 => created,
            2 => pull_request.opened.minus(60 * MINUTE),
            _ => self.run.queued,
        };
        let address = format!("{}/{}/_workitems/edit/{item}", self.cast.base, self.project_id);
        json!({
            "id": item,
            "rev": revision,
            "fields": {
                "System.AreaPath": self.project,
                "System.TeamProject": self.project,
                "System.IterationPath": self.project,
                "System.WorkItemType": "User Story",
                "System.State": state,
                "System.Reason": "New",
                "System.CreatedDate": created.to_string(),
                "System.ChangedDate": changed.to_string(),
                "System.AssignedTo": person(pull_request.person),
                "System.Title": pull_request.title(),
                "Microsoft.VSTS.Common.StateChangeDate": changed.to_string(),
            },
            "_links": {"html": {"href": address}},
            "url": format!("{}/{}/_apis/wit/workItems/{item}", self.cast.base, self.project_id),
        })
    }

    fn update(&self, pull_request: &PullRequest, revision: u64, [old, new]: [&str; 2]) -> Value {
        let item = pull_request.item();
        let whole = self.work_item(pull_request, revision, new);
        let changed = whole.pointer("/fields/System.ChangedDate").cloned().unwrap_or_default();
        json!({
            "id": revision,
            "workItemId": item,
            "rev": revision,
            "fields": {
                "System.State": {"oldValue": old, "newValue": new},
                "System.ChangedDate": {"newValue": changed},
                "Microsoft.VSTS.Common.StateChangeDate": {"newValue": changed},
            },
            "url": format!("{}/{}/_apis/wit/workItems/{item}/updates/{revision}", self.cast.base, self.project_id),
            "revision": whole,
        })
    }

    /// `None` makes the branch.
    fn push(
        &self,
        push: u64,
        (branch, old): (&str, Option<&str>),
        (author, commit, message): (usize, &str, &str),
    ) -> Vec<u8> {
        let (base, name) = (&self.cast.base, self.repository);
        let at = self.run.queued.minus(Duration::from_secs(3)).to_string();
        let resource = json!({
            "commits": [{
                "commitId": commit,
                "author": {"name": person(author), "date": at},
                "comment": message,
                "url": format!("{base}/_git/{name}/commit/{commit}"),
            }],
            "refUpdates": [{"name": branch, "oldObjectId": old.unwrap_or(NO_COMMIT), "newObjectId": commit}],
            "repository": self.repository(),
            "pushedBy": {"displayName": person(author), "id": Guid::of(person(author))},
            "pushId": push,
            "date": at,
            "url": format!("{base}/_apis/git/repositories/{}/pushes/{push}", Guid::of(name)),
        });
        self.event("git.push", "1.0", resource)
    }

    /// It began before the run was queued, and the run comes after its end.
    fn incident(&self) -> Vec<Vec<u8>> {
        let (opened, resolved) = (self.run.queued.minus(50 * MINUTE), self.run.queued.minus(5 * MINUTE));
        let item = INCIDENTS + self.run.id;
        let url = format!("{}/{}/_apis/wit/workItems/{item}", self.cast.base, self.project_id);
        let whole = |revision: u64, state: &str, changed: Time| {
            json!({
                "id": item,
                "rev": revision,
                "fields": {
                    "System.TeamProject": self.project,
                    "System.WorkItemType": "Incident",
                    "System.State": state,
                    "System.CreatedDate": opened.to_string(),
                    "System.ChangedDate": changed.to_string(),
                    "System.Title": "Pages answer slowly",
                    "Microsoft.VSTS.Common.StateChangeDate": changed.to_string(),
                },
                "url": url,
            })
        };
        let update = json!({
            "id": 2,
            "workItemId": item,
            "rev": 2,
            "fields": {"System.State": {"oldValue": "Active", "newValue": "Resolved"}},
            "url": format!("{url}/updates/2"),
            "revision": whole(2, "Resolved", resolved),
        });
        vec![
            self.event("workitem.created", "1.0", whole(1, "Active", opened)),
            self.event("workitem.updated", "1.0", update),
        ]
    }

    fn repository(&self) -> Value {
        let (base, name, id) = (&self.cast.base, self.repository, Guid::of(self.repository));
        json!({
            "id": id,
            "name": name,
            "url": format!("{base}/_apis/git/repositories/{id}"),
            "project": {"id": self.project_id, "name": self.project, "state": "wellFormed"},
            "remoteUrl": format!("{base}/{}/_git/{name}", self.project),
        })
    }

    fn pull_request(&self, of: &PullRequest, status: &str) -> Value {
        let (base, number, is_over) = (&self.cast.base, of.number, status == "completed");
        let reviewer = of.person.wrapping_add(1) % PEOPLE.len();
        json!({
            "repository": self.repository(),
            "pullRequestId": number,
            "status": status,
            "createdBy": {"displayName": person(of.person), "id": Guid::of(person(of.person))},
            "creationDate": of.opened.minus(2 * MINUTE).to_string(),
            "closedDate": is_over.then(|| self.run.queued.minus(Duration::from_secs(4)).to_string()),
            "title": of.title(),
            "description": format!("Fixes AB#{}", of.item()),
            "sourceRefName": of.branch(),
            "targetRefName": MAIN,
            "mergeStatus": "succeeded",
            "lastMergeSourceCommit": {"commitId": of.commit},
            "lastMergeCommit": {"commitId": self.run.commit},
            "reviewers": [{
                "id": Guid::of(person(reviewer)),
                "displayName": person(reviewer),
                "vote": if is_over { 10 } else { 0 },
            }],
            "url": format!("{base}/_apis/git/repositories/{}/pullRequests/{number}", Guid::of(self.repository)),
            "_links": {"web": {"href": format!("{base}/{}/_git/{}/pullrequest/{number}", self.project, self.repository)}},
        })
    }

    fn event(&self, kind: &str, version: &str, resource: Value) -> Vec<u8> {
        let created = self.run.queued.to_string();
        let id = Guid::of(&format!("{kind} {} {resource}", self.run.id));
        json!({
            "id": id,
            "eventType": kind,
            "publisherId": "tfs",
            "message": {"text": format!("{kind} in {}", self.project)},
            "resource": resource,
            "resourceVersion": version,
            "resourceContainers": self.containers,
            "createdDate": created,
        })
        .to_string()
        .into_bytes()
    }
}

fn person(index: usize) -> &'static str {
    PEOPLE.get(index).copied().unwrap_or_default()
}
