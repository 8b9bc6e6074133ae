//! An organization whose true links are known: what is called certain has to be all of them and nothing else.
//!
//! Half of what happens there is told by events, in any order, the whole by the REST API. The world is full of what looks
//! like a link and is none: run numbers that are used again, pull requests of GitHub with the numbers of others, pipelines
//! with the ids of runs, runs called manual that were triggered, pull requests that only reconcile, merges that were made to
//! try them, commits that were pushed away by force, links that were removed again, builds in which a bug was only found,
//! images with the tags of runs, deployments that failed, runs whose branch has the number of a pull request of another
//! repository.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use pipetrail::backfill::{Backfill, Kind, Order, Tally, Timelines};
use pipetrail::catalog::{Catalog, Link, LinkKind};
use pipetrail::domain::{BranchPattern, Time};
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::fake_ado::{Build, Environment, FakeAdo, Project, PullRequest, Push, Repository, WorkItem};
use crate::support::{Local, all_tests, folder, time};

/// A kind and an id, as links show them.
type Thing = (String, String);

fn thing(kind: &str, id: impl ToString) -> Thing {
    (kind.to_owned(), id.to_string())
}

/// What happened, with what leads to what.
struct World {
    rng: SmallRng,
    now: Time,
    project: String,
    shas: u64,
    runs: u64,
    pushes: u64,
    /// Causes and effects of which the service's own word can be had.
    certain: BTreeSet<(Thing, Thing)>,
    /// True as well, but only events say it, which may be lost.
    by_events: BTreeSet<(Thing, Thing)>,
    /// True as well, but known by names alone.
    likely: BTreeSet<(Thing, Thing)>,
    /// Half of them are lost.
    events: Vec<Value>,
    /// None of them is.
    kept: Vec<Value>,
    builds: Vec<Build>,
    pushed: Vec<Push>,
    pull_requests: Vec<PullRequest>,
    changes: BTreeMap<u64, Vec<Value>>,
    items: BTreeMap<u64, WorkItem>,
    /// Of classic releases.
    deployments: Vec<Value>,
    /// Of environments, the newest first.
    records: Vec<Value>,
}

const REPOSITORIES: [(&str, &str); 2] =
    [("9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d", "app"), ("3f1e2d4c-5b6a-4789-8abc-0d1e2f3a4b5c", "hld")];

/// Ids of pipelines, which are those of the first runs, too.
const CI: u64 = 1;
const DEPLOY: u64 = 2;
const GITHUB: u64 = 3;
const MANIFEST: u64 = 4;
const REST: u64 = 5;

fn name(pipeline: u64) -> &'static str {
    ["", "ci", "deploy", "github-ci", "manifest", "rest"][usize::try_from(pipeline).unwrap()]
}

fn repository(at: usize, project: &str) -> Repository {
    let (id, name) = REPOSITORIES[at];
    Repository { project: project.to_owned(), id: id.to_owned(), name: name.to_owned(), is_disabled: false }
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            rng: SmallRng::seed_from_u64(seed),
            now: time("2026-03-02T08:00:00Z"),
            project: Project::named("Spartan").id,
            shas: 0,
            runs: 0,
            pushes: 0,
            certain: BTreeSet::new(),
            by_events: BTreeSet::new(),
            likely: BTreeSet::new(),
            events: Vec::new(),
            kept: Vec::new(),
            builds: Vec::new(),
            pushed: Vec::new(),
            pull_requests: Vec::new(),
            changes: BTreeMap::new(),
            items: BTreeMap::new(),
            deployments: Vec::new(),
            records: Vec::new(),
        }
    }

    fn tick(&mut self) -> Time {
        self.now = self.now.plus(Duration::from_secs(self.rng.random_range(5..90)));
        self.now
    }

    fn sha(&mut self) -> String {
        self.shas += 1;
        format!("{:040x}", u128::from(self.shas).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
    }

    fn link(&mut self, cause: Thing, effect: Thing) {
        self.certain.insert((cause, effect));
    }

    fn event(&mut self, kind: &str, resource: Value) {
        let event = self.told(kind, resource);
        self.events.push(event);
    }

    fn told(&mut self, kind: &str, resource: Value) -> Value {
        let created = self.tick().to_string();
        let base = "https://dev.azure.com/fabrikam/";
        let own = json!({"id": "b8c9de68-aad9-43cc-b905-d2c277382424", "baseUrl": base});
        let project = json!({"id": self.project, "baseUrl": base});
        json!({"id": created, "eventType": kind, "publisherId": "tfs", "resource": resource,
            "resourceVersion": "2.0", "createdDate": created,
            "resourceContainers": {"collection": own, "account": own, "project": project}})
    }

    /// A run that is over, with the commits that it is the first to build.
    fn run(
        &mut self,
        pipeline: u64,
        (commit, branch): (&str, &str),
        mut extra: Value,
        changes: &[(String, String)],
    ) -> u64 {
        if extra.get("repository").is_none() {
            extra["repository"] = json!({"id": REPOSITORIES[0].0, "type": "TfsGit", "name": "app"});
        }
        self.runs += 1;
        let (id, queued) = (self.runs, self.tick());
        let finished = self.tick();
        // Used again every few runs, and the same in all pipelines.
        let number = format!("20260302.{}", self.rng.random_range(1..30));
        let build = Build {
            id,
            number,
            project: self.project.clone(),
            definition: (pipeline, name(pipeline).to_owned()),
            status: "completed".to_owned(),
            result: Some("succeeded".to_owned()),
            queued,
            started: Some(queued),
            finished: Some(finished),
            changed: finished,
            branch: branch.to_owned(),
            commit: commit.to_owned(),
            repository: "app".to_owned(),
            reason: ["manual", "individualCI", "resourceTrigger"][self.rng.random_range(0..3)].to_owned(),
            person: "Ana Lindqvist".to_owned(),
            extra,
        };
        let kind = build.extra["repository"]["type"].as_str().unwrap_or("TfsGit").to_owned();
        let change = |(sha, message): &(String, String)| json!({"id": sha, "message": message, "type": kind, "timestamp": queued.to_string(), "author": {"displayName": "Ana Lindqvist"}});
        self.changes.insert(id, changes.iter().map(change).collect());
        self.link(thing("commit", commit), thing("run", id));
        for (sha, _) in changes {
            self.link(thing("commit", sha), thing("run", id));
        }
        self.builds.push(build);
        id
    }

    fn number_of(&self, run: u64) -> String {
        self.builds.iter().find(|build| build.id == run).unwrap().number.clone()
    }

    fn item(&mut self, id: u64) {
        let at = self.tick();
        let revision = |rev: u64, at: Time, state: &str| {
            json!({"id": id, "rev": rev, "fields": {"System.TeamProject": "Spartan", "System.WorkItemType": "Bug",
                "System.Title": format!("Item {id}"), "System.State": state, "System.ChangedDate": at.to_string(),
                "System.CreatedDate": at.to_string()}})
        };
        let later = self.tick();
        let revisions = vec![(at, revision(1, at, "New")), (later, revision(2, later, "Active"))];
        let mut resource = revision(1, at, "New");
        resource["url"] = format!("https://dev.azure.com/fabrikam/_apis/wit/workItems/{id}").into();
        self.event("workitem.created", resource);
        self.items.insert(id, WorkItem { project: self.project.clone(), revisions, relations: Vec::new() });
    }

    fn push(&mut self, at: usize, commits: &[(String, String)]) {
        self.pushes += 1;
        let (date, project) = (self.tick(), self.project.clone());
        let commit = |(sha, message): &(String, String)| json!({"commitId": sha, "comment": message, "author": {"name": "Ana Lindqvist", "date": date.to_string()}});
        let value = json!({"pushId": self.pushes, "date": date.to_string(), "pushedBy": {"displayName": "Ana Lindqvist"},
            "repository": repository(at, &project).json("fabrikam"),
            "refUpdates": [{"name": "refs/heads/main", "oldObjectId": "0".repeat(40), "newObjectId": commits[0].0}],
            "commits": commits.iter().map(commit).collect::<Vec<_>>()});
        self.event("git.push", value.clone());
        self.pushed.push(Push { repository: REPOSITORIES[at].0.to_owned(), at: date, value });
    }

    /// A pull request from its first event to its end. The last of its sources is its head; an answer names that alone.
    fn pull_request(&mut self, (id, at): (u64, usize), (title, description, source): (&str, &str, &str), of: &Commits) {
        let (created, project) = (self.tick(), self.project.clone());
        let refs = |all: &[String]| all.iter().map(|id| json!({"commitId": id})).collect::<Vec<_>>();
        let mut value = json!({"pullRequestId": id, "status": "active", "creationDate": created.to_string(), "title": title,
            "description": description, "sourceRefName": source, "targetRefName": "refs/heads/main",
            "repository": repository(at, &project).json("fabrikam"), "createdBy": {"displayName": "Ana Lindqvist"},
            "lastMergeTargetCommit": {"commitId": "f".repeat(40)}, "reviewers": []});
        // Only events list the commits.
        let listed = |value: &mut Value, sources: &[String], merge: &str| {
            value["lastMergeSourceCommit"] = json!({"commitId": sources.last().unwrap()});
            value["lastMergeCommit"] = json!({"commitId": merge});
            let mut resource = value.clone();
            resource["commits"] = refs(sources).into();
            resource
        };
        let created = listed(&mut value, of.before.as_deref().unwrap_or(&of.sources), &of.tried);
        self.event("git.pullrequest.created", created);
        let closed = self.tick();
        value["status"] = if of.merge.is_some() { "completed" } else { "abandoned" }.into();
        value["closedDate"] = closed.to_string().into();
        let updated = listed(&mut value, &of.sources, of.merge.as_ref().unwrap_or(&of.tried));
        self.event("git.pullrequest.updated", updated);
        self.pull_requests.push(PullRequest { project, closed: Some(closed), value });
        if let Some(merge) = &of.merge {
            self.link(thing("pullRequest", id), thing("commit", merge));
        }
        let (head, others) = of.sources.split_last().unwrap();
        self.link(thing("commit", head), thing("pullRequest", id));
        for other in others {
            self.by_events.insert((thing("commit", other), thing("pullRequest", id)));
        }
    }

    /// A pull request that comes to nothing: it was tried.
    fn abandoned(&mut self, id: u64) {
        let of = Commits { sources: vec![self.sha()], before: None, tried: self.sha(), merge: None };
        self.pull_request((id, 0), ("Try another rounding", "", "refs/heads/topic"), &of);
        self.verify(id, &of.tried);
    }

    fn verify(&mut self, pull_request: u64, tried: &str) {
        let extra = json!({"triggerInfo": {"pr.number": pull_request.to_string(), "pr.isFork": "False"}});
        let branch = format!("refs/pull/{pull_request}/merge");
        let run = self.run(CI, (tried, &branch), extra, &[]);
        self.link(thing("pullRequest", pull_request), thing("run", run));
        // The same number in another repository is nothing that the service made.
        let (hld, commit) = (json!({"id": REPOSITORIES[1].0, "type": "TfsGit", "name": "hld"}), self.sha());
        self.run(MANIFEST, (&commit, &branch), json!({"repository": hld}), &[]);
        // What the trigger says of the repository goes before what the run builds.
        let (told, commit) = (
            json!({"pr.number": pull_request.to_string(), "pr.isFork": "True",
            "pr.triggerRepository": REPOSITORIES[0].0}),
            self.sha(),
        );
        let run =
            self.run(MANIFEST, (&commit, "refs/heads/main"), json!({"repository": hld, "triggerInfo": told}), &[]);
        self.link(thing("pullRequest", pull_request), thing("run", run));
    }

    /// A change from the work item to what it triggered.
    fn feature(&mut self, at: u64) {
        let (item, pull_request) = (4_000 + at, 10 + at);
        self.item(item);
        let (earlier, source, merge, project) = (self.sha(), self.sha(), self.sha(), self.project.clone());
        let pushed_away = self.rng.random_bool(0.5).then(|| vec![earlier.clone(), self.sha()]);
        let sources = vec![earlier.clone(), source.clone()];
        let of = Commits { sources, before: pushed_away, tried: self.sha(), merge: Some(merge.clone()) };
        let mut texts = ("Round totals".to_owned(), String::new(), "Round totals".to_owned());
        let mut branch = "refs/heads/topic".to_owned();
        let (item_thing, request) = (thing("workItem", item), thing("pullRequest", pull_request));
        match self.rng.random_range(0..5) {
            0 => {
                texts.1 = format!("Fixes AB#{item}, see #{}", item + 1);
                self.link(item_thing, request);
            }
            1 => {
                texts.2 = format!("Round totals AB#{item}\n\nCAB#{}", item + 1);
                self.link(item_thing, thing("commit", &source));
            }
            2 => {
                let artifact = format!("vstfs:///Git/PullRequestId/{project}%2F{}%2F{pull_request}", REPOSITORIES[0].0);
                self.items.get_mut(&item).unwrap().relations.push(json!({"rel": "ArtifactLink", "url": artifact}));
                self.link(item_thing, request);
            }
            3 => {
                branch = format!("refs/heads/feature/{item}-rounding");
                self.likely.insert((item_thing, request));
            }
            _ => texts.1 = "Nothing is named, not even #4001".to_owned(),
        }
        self.pull_request((pull_request, 0), (&texts.0, &texts.1, &branch), &of);
        let message = format!("Merged PR {pull_request}: Round totals");
        let commits = vec![(merge.clone(), message), (source, texts.2), (earlier, "Begin".to_owned())];
        self.push(0, &commits);
        self.verify(pull_request, &of.tried);
        let ci = self.run(CI, (&merge, "refs/heads/main"), json!({}), &commits);
        self.deploy(ci);
        self.boards(item, pull_request, ci);
        if at.is_multiple_of(2) {
            self.release(at, ci);
            self.abandoned(500 + at);
        }
        if at.is_multiple_of(3) {
            self.gitops(at, ci);
        }
        if at.is_multiple_of(4) {
            self.foreign(pull_request, item);
        }
    }

    /// What a run sets going.
    fn deploy(&mut self, ci: u64) {
        let (number, commit) = (self.number_of(ci), self.sha());
        let extra = match self.rng.random_range(0..4) {
            0 => json!({"triggerInfo": {"alias": "up", "artifactType": "Pipeline", "pipelineId": ci.to_string(),
                "pipelineTriggerType": "PipelineCompletion", "source": "ci", "version": number}}),
            1 => json!({"triggeredByBuild": {"id": ci, "buildNumber": number}}),
            // Started before the other one ended, and by a pipeline resource that tells no number.
            2 => json!({"triggerInfo": {"artifactType": "Pipeline", "pipelineId": ci, "source": "ci"}}),
            // Not a pipeline's: a container of a registry.
            _ => {
                json!({"triggerInfo": {"artifactType": "Container", "pipelineId": ci, "version": number, "source": "ci"}})
            }
        };
        let triggered = extra["triggerInfo"]["artifactType"] != "Container";
        let run = self.run(DEPLOY, (&commit, "refs/heads/main"), extra, &[]);
        if triggered {
            self.link(thing("run", ci), thing("run", run));
        }
        self.arrive(run);
        self.consume(ci);
        // A wrong guess: the id is a pipeline's, and a run with that id has another number.
        let wrong =
            json!({"triggerInfo": {"artifactType": "Pipeline", "pipelineId": CI, "source": "nobody", "version": "x"}});
        let commit = self.sha();
        self.run(REST, (&commit, "refs/heads/main"), wrong, &[]);
    }

    /// What a run brings to environments: one record each, of which one failed.
    fn arrive(&mut self, run: u64) {
        let did_fail = self.rng.random_bool(0.3);
        let (at, number) = (self.tick().to_string(), self.number_of(run));
        let result = if did_fail { "failed" } else { "succeeded" };
        let record = json!({"definition": {"id": DEPLOY, "name": name(DEPLOY)}, "owner": {"id": run, "name": number},
            "stageName": "Deploy", "stageAttempt": 1, "jobName": "web", "jobAttempt": 1, "queueTime": at,
            "startTime": at, "finishTime": at, "result": result});
        self.records.insert(0, record);
        if !did_fail {
            self.link(thing("run", run), thing("environment", "Spartan/production"));
        }
    }

    /// A classic release of a run: one environment got it, in the other it failed. It has an image, too, with a tag that
    /// is the id of another run.
    fn release(&mut self, at: u64, ci: u64) {
        let release = thing("release", format!("{}/{at}", self.project));
        let artifact = |kind: &str, alias: &str, id: u64| json!({"type": kind, "alias": alias, "definitionReference": {"version": {"id": id.to_string()}}});
        let artifacts = [artifact("Build", "app", ci), artifact("AzureContainerRepository", "web", ci - 1)];
        for (environment, status) in [("Prod", "succeeded"), ("Canary", "failed")] {
            let when = self.tick().to_string();
            self.deployments.push(json!({
                "release": {"id": at, "name": format!("Release-{at}"), "artifacts": artifacts},
                "releaseDefinition": {"id": 5, "name": "web CD"},
                "releaseEnvironment": {"id": 60, "name": environment},
                "attempt": 1, "deploymentStatus": status, "operationStatus": "Approved",
                "queuedOn": when, "startedOn": when, "lastModifiedOn": when, "completedOn": when,
            }));
        }
        self.link(thing("run", ci), release.clone());
        self.link(release, thing("environment", "Spartan/Prod"));
    }

    /// A run that nothing triggered, but that uses another one. Only its events tell.
    fn consume(&mut self, ci: u64) {
        let commit = self.sha();
        let run = self.run(REST, (&commit, "refs/heads/main"), json!({}), &[]);
        let used = |id: u64, pipeline: &str, version: &str| json!({"up": {"pipeline": {"id": id, "name": pipeline, "folder": "\\"}, "version": version}});
        let pipelines = match self.rng.random_range(0..3) {
            0 => {
                self.link(thing("run", ci), thing("run", run));
                used(ci, "ci", &self.number_of(ci))
            }
            // A pipeline's id; the run with that id has that number by chance.
            1 if run > REST => used(REST, "elsewhere", &self.number_of(REST)),
            _ => used(ci, "ci", "20250101.1"),
        };
        let base = "https://dev.azure.com/fabrikam";
        let pipeline = json!({"id": REST, "name": name(REST), "url": format!("{base}/_apis/pipelines/{REST}")});
        let resource = json!({"run": {"id": run, "name": self.number_of(run), "state": "inProgress",
            "createdDate": self.now.to_string(), "url": format!("{base}/_apis/pipelines/{REST}/runs/{run}"),
            "pipeline": pipeline, "resources": {"pipelines": pipelines}}, "pipeline": pipeline, "projectId": self.project});
        let event = self.told("ms.vss-pipelines.run-state-changed-event", resource);
        self.kept.push(event);
    }

    /// What is linked in the work item to the run, and a link to the pull request before that was removed again: nothing
    /// tells of that but a list without it.
    fn boards(&mut self, item: u64, pull_request: u64, ci: u64) {
        let found_in = self.rng.random_bool(0.5);
        let name = if found_in { "Found in build" } else { "Integrated in build" };
        let relation =
            |url: String, name: &str| json!({"rel": "ArtifactLink", "url": url, "attributes": {"name": name}});
        if !found_in {
            self.link(thing("workItem", item), thing("run", ci));
        }
        let wrong =
            format!("vstfs:///Git/PullRequestId/{}%2F{}%2F{}", self.project, REPOSITORIES[0].0, pull_request - 1);
        let resource = json!({"workItemId": item, "rev": 3, "relations": {"added": [relation(wrong, "Pull Request")]},
            "url": format!("https://dev.azure.com/fabrikam/_apis/wit/workItems/{item}/updates/3")});
        let event = self.told("workitem.updated", resource);
        self.kept.push(event);
        let now = self.tick();
        let known = self.items.get_mut(&item).unwrap();
        known.relations.push(relation(format!("vstfs:///Build/Build/{ci}"), name));
        let (_, mut last) = known.revisions.last().unwrap().clone();
        last["rev"] = 4.into();
        last["fields"]["System.ChangedDate"] = now.to_string().into();
        known.revisions.push((now, last));
    }

    /// Bedrock's way: the run opens a pull request in the high-level definition, its merge runs another pipeline.
    fn gitops(&mut self, at: u64, ci: u64) {
        let (number, merge, source) = (self.number_of(ci), self.sha(), self.sha());
        let described =
            format!("Updating web to main-{number}.\nPR created by: ci with buildId: {ci} and buildNumber: {number}");
        let (id, title) = (1_000 + at, format!("Updating web image tag to main-{number}."));
        let branch = format!("refs/heads/DEPLOY/web-main-{number}");
        let reconciles = at.is_multiple_of(2);
        let (title, branch) = if reconciles {
            (format!("Reconciling HLD with web-{number}."), format!("refs/heads/RECONCILE/web-{number}"))
        } else {
            (title, branch)
        };
        let of = Commits { sources: vec![source], before: None, tried: self.sha(), merge: Some(merge.clone()) };
        self.pull_request((id, 1), (&title, &described, &branch), &of);
        // Somebody writes the same into another one: nothing the service says.
        let of = Commits { sources: vec![self.sha()], before: None, tried: self.sha(), merge: None };
        self.pull_request((2_000 + at, 1), ("Look at this", &described, "refs/heads/look"), &of);
        if !reconciles {
            self.link(thing("run", ci), thing("pullRequest", id));
        }
        let commits = [(merge.clone(), format!("Merged PR {id}: {title}"))];
        self.push(1, &commits);
        self.run(
            MANIFEST,
            (&merge, "refs/heads/main"),
            json!({"repository": {"id": REPOSITORIES[1].0, "type": "TfsGit", "name": "hld"}}),
            &commits,
        );
    }

    /// A run of a repository at GitHub, whose pull request has the number of another one.
    fn foreign(&mut self, number: u64, item: u64) {
        let (tried, commit) = (self.sha(), self.sha());
        let extra = || {
            json!({"repository": {"id": "fabrikam/site", "type": "GitHub", "name": "fabrikam/site"},
            "triggerInfo": {"pr.number": number.to_string()}})
        };
        let verify = self.run(GITHUB, (&tried, &format!("refs/pull/{number}/merge")), extra(), &[]);
        self.link(thing("foreignPullRequest", format!("fabrikam/site#{number}")), thing("run", verify));
        let mut merged = extra();
        merged.as_object_mut().unwrap().remove("triggerInfo");
        let commits =
            [(commit.clone(), format!("Merge pull request #{number}\n\nFixes AB#{item}; Merged PR {number}: no"))];
        self.run(GITHUB, (&commit, "refs/heads/main"), merged, &commits);
        self.link(thing("workItem", item), thing("commit", &commit));
    }

    /// All that can be reached by what is certain.
    fn reached(&self, from: &Thing, direction: LinkKind) -> BTreeSet<Thing> {
        reached(&[&self.certain], from, direction)
    }

    /// The same, if every event came.
    fn reached_at_best(&self, from: &Thing, direction: LinkKind) -> BTreeSet<Thing> {
        reached(&[&self.certain, &self.by_events], from, direction)
    }
}

/// The commits of a pull request: what it is to merge, what it was before some were pushed away by force, the merge that was
/// made to try it, and that on the target branch.
struct Commits {
    sources: Vec<String>,
    before: Option<Vec<String>>,
    tried: String,
    merge: Option<String>,
}

fn reached(links: &[&BTreeSet<(Thing, Thing)>], from: &Thing, direction: LinkKind) -> BTreeSet<Thing> {
    let mut found = BTreeSet::new();
    let mut open = vec![from.clone()];
    while let Some(at) = open.pop() {
        for (cause, effect) in links.iter().copied().flatten() {
            let next = match direction {
                LinkKind::Before if *effect == at => cause,
                LinkKind::After if *cause == at => effect,
                LinkKind::Before | LinkKind::After => continue,
            };
            if next != from && found.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    found
}

async fn links(catalog: &Catalog, (kind, id): &Thing) -> Vec<Link> {
    let patterns = BranchPattern::usual();
    let number = || id.parse().unwrap();
    let organization = Some("fabrikam");
    match kind.as_str() {
        "commit" => catalog.commits(id, organization, &patterns).await.unwrap().remove(0).links,
        "pullRequest" => catalog.pull_requests(number(), organization, &patterns).await.unwrap().remove(0).links,
        "run" => catalog.run(number(), organization, &patterns).await.unwrap().remove(0).links,
        "workItem" => catalog.work_items(number(), organization, &patterns).await.unwrap().remove(0).links,
        _ => Vec::new(),
    }
}

async fn told(world: &mut World) -> (FakeAdo, tempfile::TempDir, Local) {
    let ado = FakeAdo::start().await;
    {
        let mut state = ado.state();
        state.page = 7;
        for build in world.builds.clone() {
            state.put(build);
        }
        state.code.repositories = (0..2).map(|at| repository(at, &world.project)).collect();
        state.code.pushes = world.pushed.clone();
        state.code.pull_requests = world.pull_requests.clone();
        state.code.changes = world.changes.clone();
        state.code.work_items = world.items.clone();
        let project = |value: &Value| (world.project.clone(), value.clone());
        state.release_deployments = world.deployments.iter().map(project).collect();
        let (project, records) = (world.project.clone(), world.records.clone());
        state.environments = vec![Environment { project, id: 7, name: "production".to_owned(), records }];
    }
    let (folder, path) = folder();
    let local = Local::open(&path).await;
    world.events.shuffle(&mut world.rng);
    let half = world.events.len() / 2;
    world.events.truncate(half);
    world.events.append(&mut world.kept);
    world.events.shuffle(&mut world.rng);
    let bodies = |events: &[Value]| events.iter().map(|event| event.to_string().into_bytes()).collect::<Vec<_>>();
    local.queue.put(bodies(&world.events)).await.unwrap();
    let tally = local.drain().await;
    assert_eq!(tally.poisoned, 0);
    let mut backfill = Backfill::new(Arc::new(ado.client()), local.store.clone());
    let order = Order {
        organization: "fabrikam".to_owned(),
        canonical: "fabrikam".to_owned(),
        project: "Spartan".to_owned(),
        pipelines: Vec::new(),
        asked: time("2027-01-01T00:00:00Z"),
        since: time("2026-01-01T00:00:00Z"),
        kind: Kind::Runs,
        until: None,
        timelines: Timelines::None,
        again: false,
    };
    let mut kinds = [Kind::Runs, Kind::Code, Kind::Boards, Kind::Releases, Kind::Environments];
    kinds.shuffle(&mut world.rng);
    for kind in kinds {
        let mut tally = Tally::default();
        let order = Order { kind, ..order.clone() };
        backfill.run(&order, &mut tally, &|_| {}, &CancellationToken::new()).await.unwrap();
        assert_eq!(tally.unreadable, 0);
    }
    (ado, folder, local)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_certain_links_are_true_and_all_true_ones_are_there() {
    for seed in 1..=if all_tests() { 20 } else { 3 } {
        let mut world = World::new(seed);
        (1..=24).for_each(|at| world.feature(at));
        let (_ado, _folder, local) = told(&mut world).await;
        let things: BTreeSet<Thing> =
            world.certain.iter().flat_map(|(cause, effect)| [cause.clone(), effect.clone()]).collect();
        let mut certain = 0;
        let is_asked_for = |(kind, _): &&Thing| ["commit", "pullRequest", "run", "workItem"].contains(&kind.as_str());
        for start in things.iter().filter(is_asked_for) {
            let found = links(&local.catalog, start).await;
            for direction in [LinkKind::Before, LinkKind::After] {
                let of = |sure: &str| {
                    let of = found.iter().filter(|link| link.direction == direction && link.certainty == sure);
                    of.map(|link| thing(link.kind, &link.id)).collect::<BTreeSet<_>>()
                };
                let expected = world.reached(start, direction);
                let at_best = world.reached_at_best(start, direction);
                let wrong: Vec<_> = of("certain").difference(&at_best).cloned().collect();
                let missing: Vec<_> = expected.difference(&of("certain")).cloned().collect();
                assert!(wrong.is_empty(), "seed {seed}: {start:?} {direction:?}: wrong {wrong:?}");
                assert!(missing.is_empty(), "seed {seed}: {start:?} {direction:?}: missing {missing:?}");
                certain += expected.len();
            }
        }
        assert!(certain > 500, "{certain}");
    }
}

/// What is known by names alone is found, and called likely.
#[tokio::test]
async fn what_only_a_branch_says_is_likely() {
    let mut world = World::new(5);
    (1..=24).for_each(|at| world.feature(at));
    assert!(world.likely.len() > 1);
    let (_ado, _folder, local) = told(&mut world).await;
    for (item, request) in &world.likely {
        let found = links(&local.catalog, item).await;
        let link = found.iter().find(|link| thing(link.kind, &link.id) == *request).unwrap();
        assert_eq!((link.certainty, link.rule), ("likely", "branchName"));
        let certain = world.reached_at_best(item, LinkKind::After);
        let is_right = |link: &&Link| link.certainty == "likely" || certain.contains(&thing(link.kind, &link.id));
        assert!(found.iter().all(|link| is_right(&link)), "what is behind a likely link is likely, too");
    }
}
