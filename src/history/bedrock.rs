//! An organization in the manner of Bedrock: services whose images go by a high-level definition and manifests to clusters.
//!
//! What happens in it is known ([`Told`]), and with it goes much that looks alike and is none: a pull request that
//! reconciles, runs that only verify, run numbers that two services share, a run without difference, an edit by hand.

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Event;
use super::cast::PEOPLE;
use super::wire::Guid;
use crate::domain::Time;

const PROJECT: &str = "Shop";
const HLD: &str = "shop-hld";
const MANIFESTS: &str = "shop-manifests";
const MAIN: &str = "refs/heads/main";
const STAGING: &str = "refs/heads/staging";
const MINUTE: Duration = Duration::from_secs(60);
/// So long before its end the story begins.
const LASTS: Duration = Duration::from_secs(30 * 3_600);

/// Pipelines by service; the last makes manifests.
const STOREFRONT: Service = Service { name: "storefront", pipeline: 31, person: 0 };
const ORDERS: Service = Service { name: "orders", pipeline: 32, person: 2 };
const LEGACY: Service = Service { name: "legacy", pipeline: 33, person: 4 };
const FABRIKATE: Service = Service { name: "shop-hld-to-manifest", pipeline: 39, person: 5 };

#[derive(Clone, Copy)]
struct Service {
    name: &'static str,
    pipeline: u64,
    person: usize,
}

/// What is true of one change: the row that is to come of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub service: Option<&'static str>,
    pub ring: Option<&'static str>,
    /// The run that made the image.
    pub source: Option<u64>,
    pub release: Option<u64>,
    pub pull_request: Option<u64>,
    pub hld_commit: Option<String>,
    pub manifest_run: Option<u64>,
    /// What the cluster gets: where nothing was different, what was there before.
    pub manifest_commit: Option<String>,
    /// In Spektate's words.
    pub status: &'static str,
    /// Whether the commit of the manifests was made for it.
    pub made: bool,
}

/// The events up to `now`, in their order, and what is true.
#[must_use]
pub fn bedrock(organization: &str, now: Time) -> (Vec<Event>, Vec<Told>) {
    let mut story = Story::new(organization, now.minus(LASTS));
    story.happens();
    story.events.sort_by_key(|event| event.due);
    (story.events, story.told)
}

struct Story {
    base: String,
    project: Guid,
    from: Time,
    events: Vec<Event>,
    told: Vec<Told>,
    /// The latest commit of the manifests of each branch.
    heads: Vec<(&'static str, String)>,
    pushes: u64,
}

/// A run as a build tells of it.
struct Run<'r> {
    id: u64,
    service: Service,
    repository: &'r str,
    number: &'r str,
    branch: &'r str,
    commit: &'r str,
    minute: u64,
    minutes: u64,
    reason: &'r str,
    result: &'r str,
}

/// A change by a pull request, as Bedrock's second step opens it.
struct Change {
    run: u64,
    service: Service,
    branch: &'static str,
    number: &'static str,
    pull_request: u64,
    minute: u64,
    /// The run that makes manifests of it, and how it ends; `None` while nobody has merged it.
    manifest: Option<(u64, Made)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    Commit,
    NoDifference,
    Nothing,
}

/// The same for the same text.
fn sha(of: &str) -> String {
    Sha256::digest(of.as_bytes()).iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}

fn person(index: usize) -> &'static str {
    PEOPLE.get(index).copied().unwrap_or_default()
}

fn ring(branch: &str) -> &'static str {
    if branch == STAGING { "staging" } else { "main" }
}

impl Story {
    fn new(organization: &str, from: Time) -> Self {
        let base = format!("https://dev.azure.com/{organization}");
        let (project, heads) = (Guid::of(PROJECT), Vec::new());
        Self { base, project, from, events: Vec::new(), told: Vec::new(), heads, pushes: 51_000 }
    }

    fn happens(&mut self) {
        let change = |run, service, branch, number, pull_request, minute, manifest| Change {
            run,
            service,
            branch,
            number,
            pull_request,
            minute,
            manifest,
        };
        let made = |run| Some((run, Made::Commit));
        self.changed(&change(2_001, STOREFRONT, STAGING, "20250611.1", 5_101, 10, made(2_002)));
        self.changed(&change(2_003, STOREFRONT, MAIN, "20250611.2", 5_102, 60, made(2_004)));
        self.reconciled(2_005, 5_103, 100);
        // Two services at once, whose runs have the same number.
        self.changed(&change(2_006, ORDERS, MAIN, "20250611.1", 5_104, 200, made(2_008)));
        self.changed(&change(2_007, STOREFRONT, MAIN, "20250611.1", 5_105, 200, made(2_009)));
        self.changed(&change(2_010, ORDERS, MAIN, "20250611.2", 5_106, 300, Some((2_011, Made::NoDifference))));
        self.verified(2_012, ORDERS, 320);
        self.pushed_as_it_is(2_013, 2_014, 400);
        self.released(2_015, 61, 2_016, 500);
        self.edited(2_017, 600);
        self.rolled_back((2_003, 2_018), 5_107, 700);
        self.changed(&change(2_019, ORDERS, STAGING, "20250611.3", 5_108, 800, Some((2_020, Made::Nothing))));
        self.changed(&change(2_021, ORDERS, MAIN, "20250612.1", 5_109, 900, made(2_022)));
        self.changed(&change(2_023, STOREFRONT, MAIN, "20250612.1", 5_110, 1_700, None));
        self.failed(2_024, STOREFRONT, 1_760);
        for (cluster, minute) in [("west", 760), ("east", 960), ("west", 965)] {
            let head = self.head(MAIN).unwrap_or_default();
            let commit = if minute == 760 { sha("manifest 2018") } else { head };
            self.synced(cluster, &commit, minute);
        }
    }

    fn at(&self, minute: u64) -> Time {
        self.from.plus(MINUTE * u32::try_from(minute).unwrap_or(u32::MAX))
    }

    fn head(&self, branch: &str) -> Option<String> {
        self.heads.iter().rev().find(|(of, _)| *of == branch).map(|(_, commit)| commit.clone())
    }

    /// The image, the pull request, and what comes of its merge.
    fn changed(&mut self, change: &Change) {
        let Change { run, service, branch, number, pull_request, minute, manifest } = change;
        let tag = format!("{}-{number}", ring(branch));
        self.image(*run, *service, (branch, number), *minute);
        let title = format!("Updating {} image tag to {tag}.", service.name);
        let description = format!(
            "Updating {name} to {tag}.\nPR created by: {name} with buildId: {run} and buildNumber: {number}",
            name = service.name
        );
        let source = format!("refs/heads/DEPLOY/shop-{name}-{name}-{tag}", name = service.name);
        let merge = manifest.map(|_| sha(&format!("hld {pull_request}")));
        self.push(HLD, &source, (&sha(&source), person(5), &title), minute + 6);
        self.pull_request(*pull_request, [&title, &description, &source, branch], minute + 6, merge.as_deref());
        let mut told = Told {
            service: Some(service.name),
            ring: Some(ring(branch)),
            source: Some(*run),
            pull_request: Some(*pull_request),
            hld_commit: merge.clone(),
            status: "Incomplete",
            ..Told::default()
        };
        if let (Some((fabrikate, made)), Some(merge)) = (manifest, &merge) {
            let message = format!("Merged PR {pull_request}: {title}");
            self.push(HLD, branch, (merge, person(6), &message), minute + 10);
            self.manifests(*fabrikate, (branch, merge), (*made, &message), minute + 11);
            told.manifest_run = Some(*fabrikate);
            told.manifest_commit = self.head(branch).filter(|_| *made != Made::Nothing);
            told.made = *made == Made::Commit;
            told.status = if *made == Made::Nothing { "failed" } else { "Complete" };
        }
        self.told.push(told);
    }

    /// The run that makes an image.
    fn image(&mut self, id: u64, service: Service, (branch, number): (&str, &str), minute: u64) {
        let (repository, commit) = (format!("shop-{}", service.name), sha(&format!("source {id}")));
        self.push(&repository, branch, (&commit, person(service.person), "Work on it"), minute.saturating_sub(1));
        let (reason, result) = ("individualCI", "succeeded");
        let repository = repository.as_str();
        let commit = commit.as_str();
        self.build(&Run { id, service, repository, number, branch, commit, minute, minutes: 7, reason, result });
    }

    /// The run that makes manifests, which overlap where two are merged at once.
    fn manifests(
        &mut self,
        id: u64,
        (branch, commit): (&'static str, &str),
        (made, message): (Made, &str),
        minute: u64,
    ) {
        let result = if made == Made::Nothing { "failed" } else { "succeeded" };
        let number = format!("2025061{}.{}", 1 + id / 2_020, id);
        let (service, reason, number) = (FABRIKATE, "individualCI", number.as_str());
        self.build(&Run { id, service, repository: HLD, number, branch, commit, minute, minutes: 6, reason, result });
        if made == Made::Commit {
            let manifest = sha(&format!("manifest {id}"));
            let message = format!("Updated k8s manifest files post commit: {message}");
            self.push(MANIFESTS, branch, (&manifest, "Automated Account", &message), minute + 4);
            self.heads.push((branch, manifest));
        }
    }

    /// It brings the definition in step with a repository, and no image anywhere.
    fn reconciled(&mut self, run: u64, pull_request: u64, minute: u64) {
        let title = "Reconciling HLD with shop-orders-20250611.7.";
        let merge = sha("reconciled");
        let source = "refs/heads/RECONCILE/shop-orders-20250611.7";
        self.pull_request(pull_request, [title, "", source, MAIN], minute, Some(&merge));
        let message = format!("Merged PR {pull_request}: {title}");
        self.push(HLD, MAIN, (&merge, person(6), &message), minute + 4);
        self.manifests(run, (MAIN, &merge), (Made::Commit, &message), minute + 5);
    }

    fn verified(&mut self, id: u64, service: Service, minute: u64) {
        let commit = sha("verified");
        let (repository, number, branch, reason) = ("shop-orders", "20250611.9", "refs/pull/4/merge", "pullRequest");
        let commit = commit.as_str();
        let result = "succeeded";
        self.build(&Run { id, service, repository, number, branch, commit, minute, minutes: 3, reason, result });
    }

    /// Nobody reviews it: the second step pushes to the branch.
    fn pushed_as_it_is(&mut self, run: u64, fabrikate: u64, minute: u64) {
        self.image(run, STOREFRONT, (STAGING, "20250611.5"), minute);
        let (commit, message) = (sha("pushed"), "Updating storefront image tag to staging-20250611.5.");
        self.push(HLD, STAGING, (&commit, person(5), message), minute + 6);
        self.manifests(fabrikate, (STAGING, &commit), (Made::Commit, message), minute + 7);
        self.told.push(Told {
            service: Some("storefront"),
            ring: Some("staging"),
            source: Some(run),
            hld_commit: Some(commit),
            manifest_run: Some(fabrikate),
            manifest_commit: self.head(STAGING),
            status: "Complete",
            made: true,
            ..Told::default()
        });
    }

    /// A classic release as the second step, whose script says what it likes.
    fn released(&mut self, run: u64, release: u64, fabrikate: u64, minute: u64) {
        self.image(run, LEGACY, (MAIN, "20250611.1"), minute);
        let commit = sha("released");
        self.release(release, run, [minute + 8, minute + 12]);
        self.push(HLD, MAIN, (&commit, person(7), "Update legacy by the release"), minute + 10);
        self.manifests(fabrikate, (MAIN, &commit), (Made::Commit, "Update legacy by the release"), minute + 13);
        self.told.push(Told {
            ring: Some("production"),
            source: Some(run),
            release: Some(release),
            hld_commit: Some(commit),
            manifest_run: Some(fabrikate),
            manifest_commit: self.head(MAIN),
            status: "Complete",
            made: true,
            ..Told::default()
        });
    }

    fn edited(&mut self, fabrikate: u64, minute: u64) {
        let (commit, message) = (sha("edited"), "Scale orders to five");
        self.push(HLD, MAIN, (&commit, person(3), message), minute);
        self.manifests(fabrikate, (MAIN, &commit), (Made::Commit, message), minute + 1);
        self.told.push(Told {
            hld_commit: Some(commit),
            manifest_run: Some(fabrikate),
            manifest_commit: self.head(MAIN),
            status: "Complete",
            made: true,
            ..Told::default()
        });
    }

    /// Somebody brings back an image that was there before.
    fn rolled_back(&mut self, (run, fabrikate): (u64, u64), pull_request: u64, minute: u64) {
        let title = "Updating storefront image tag to main-20250611.2.";
        let merge = sha("rolled back");
        self.pull_request(pull_request, [title, "Back to yesterday", "refs/heads/back", MAIN], minute, Some(&merge));
        let message = format!("Merged PR {pull_request}: {title}");
        self.push(HLD, MAIN, (&merge, person(6), &message), minute + 4);
        self.manifests(fabrikate, (MAIN, &merge), (Made::Commit, &message), minute + 5);
        self.told.push(Told {
            service: Some("storefront"),
            ring: Some("main"),
            source: Some(run),
            pull_request: Some(pull_request),
            hld_commit: Some(merge),
            manifest_run: Some(fabrikate),
            manifest_commit: self.head(MAIN),
            status: "Complete",
            made: true,
            ..Told::default()
        });
    }

    /// No image, and so nothing else.
    fn failed(&mut self, id: u64, service: Service, minute: u64) {
        let commit = sha("failed");
        let (repository, number, branch, reason) = ("shop-storefront", "20250612.2", MAIN, "individualCI");
        let commit = commit.as_str();
        let result = "failed";
        self.build(&Run { id, service, repository, number, branch, commit, minute, minutes: 2, reason, result });
        self.told.push(Told { ring: Some("main"), source: Some(id), status: "failed", ..Told::default() });
    }

    fn build(&mut self, run: &Run<'_>) {
        let [start, finish] = [run.minute, run.minute + run.minutes].map(|minute| self.at(minute).to_string());
        let Run { id, service, number, .. } = run;
        let project = json!({"id": self.project, "name": PROJECT});
        let resource = json!({
            "_links": {"web": {"href": format!("{}/{PROJECT}/_build/results?buildId={id}", self.base)}},
            "id": id,
            "buildNumber": number,
            "status": "completed",
            "result": run.result,
            "queueTime": start,
            "startTime": start,
            "finishTime": finish,
            "url": format!("{}/{}/_apis/build/Builds/{id}", self.base, self.project),
            "definition": {"id": service.pipeline, "name": service.name, "path": "\\", "project": project},
            "project": project,
            "sourceBranch": run.branch,
            "sourceVersion": run.commit,
            "reason": run.reason,
            "requestedFor": {"displayName": person(service.person), "id": Guid::of(person(service.person))},
            "lastChangedDate": finish,
            "repository": {"id": Guid::of(run.repository), "type": "TfsGit", "name": run.repository},
        });
        self.event("build.complete", "2.0", &resource, run.minute + run.minutes);
    }

    fn repository(&self, name: &str) -> Value {
        json!({
            "id": Guid::of(name),
            "name": name,
            "url": format!("{}/_apis/git/repositories/{}", self.base, Guid::of(name)),
            "project": {"id": self.project, "name": PROJECT, "state": "wellFormed"},
            "remoteUrl": format!("{}/{PROJECT}/_git/{name}", self.base),
        })
    }

    fn push(&mut self, repository: &str, branch: &str, (commit, author, message): (&str, &str, &str), minute: u64) {
        let at = self.at(minute).to_string();
        self.pushes += 1;
        let push = self.pushes;
        let resource = json!({
            "commits": [{
                "commitId": commit,
                "author": {"name": author, "date": at},
                "comment": message,
                "url": format!("{}/_git/{repository}/commit/{commit}", self.base),
            }],
            "refUpdates": [{"name": branch, "oldObjectId": "0".repeat(40), "newObjectId": commit}],
            "repository": self.repository(repository),
            // Whose token it is.
            "pushedBy": {"displayName": person(7), "id": Guid::of(person(7))},
            "pushId": push,
            "date": at,
        });
        self.event("git.push", "1.0", &resource, minute);
    }

    fn pull_request(
        &mut self,
        id: u64,
        [title, description, source, target]: [&str; 4],
        minute: u64,
        merge: Option<&str>,
    ) {
        let told = |status: &str, story: &Self| {
            let is_over = status == "completed";
            json!({
                "repository": story.repository(HLD),
                "pullRequestId": id,
                "status": status,
                "createdBy": {"displayName": "Shop Build Service", "id": Guid::of("Shop Build Service")},
                "creationDate": story.at(minute).to_string(),
                "closedDate": is_over.then(|| story.at(minute + 4).to_string()),
                "closedBy": is_over.then(|| json!({"displayName": person(6), "id": Guid::of(person(6))})),
                "title": title,
                "description": description,
                "sourceRefName": source,
                "targetRefName": target,
                "mergeStatus": "succeeded",
                "lastMergeSourceCommit": {"commitId": sha(source)},
                "lastMergeCommit": {"commitId": merge.filter(|_| is_over).map_or_else(|| sha("tried"), str::to_owned)},
                "reviewers": [],
                "url": format!("{}/_apis/git/repositories/{}/pullRequests/{id}", story.base, Guid::of(HLD)),
                "_links": {"web": {"href": format!("{}/{PROJECT}/_git/{HLD}/pullrequest/{id}", story.base)}},
            })
        };
        let opened = told("active", self);
        self.event("git.pullrequest.created", "1.0", &opened, minute);
        if merge.is_some() {
            let merged = told("completed", self);
            self.event("git.pullrequest.merged", "1.0", &merged, minute + 4);
        }
    }

    fn release(&mut self, id: u64, run: u64, [start, finish]: [u64; 2]) {
        let named = json!({"id": self.project, "name": PROJECT});
        let url = format!("{}/{}/_apis/Release/releases/{id}", self.base.replace("dev.", "vsrm.dev."), self.project);
        let environment = |status: &str| {
            json!({"id": 1, "releaseId": id, "name": "production", "status": status,
            "release": {"id": id, "name": format!("Release-{id}"), "url": url}})
        };
        let created = json!({"release": {
            "id": id,
            "name": format!("Release-{id}"),
            "status": "active",
            "createdOn": self.at(start).to_string(),
            "createdBy": {"displayName": person(4), "id": Guid::of(person(4))},
            "environments": [environment("notStarted")],
            "artifacts": [{
                "alias": "_legacy",
                "type": "Build",
                "isPrimary": true,
                "definitionReference": {"version": {"id": run.to_string(), "name": "20250611.1"}},
            }],
            "releaseDefinition": {"id": 3, "name": "legacy to hld"},
            "url": url,
        }, "project": named});
        self.event("ms.vss-release.release-created-event", "3.0-preview.1", &created, start);
        for (kind, status, minute) in [("started", "inProgress", start), ("completed", "succeeded", finish)] {
            let told = json!({"environment": environment(status), "project": named});
            self.event(&format!("ms.vss-release.deployment-{kind}-event"), "3.0-preview.1", &told, minute);
        }
    }

    fn synced(&mut self, cluster: &str, commit: &str, minute: u64) {
        let resource = json!({
            "involvedObject": {"kind": "Kustomization", "namespace": "flux-system", "name": "apps"},
            "severity": "info",
            "timestamp": self.at(minute).to_string(),
            "message": "Reconciliation finished",
            "reason": "ReconciliationSucceeded",
            "metadata": {"kustomize.toolkit.fluxcd.io/revision": format!("main@sha1:{commit}"), "summary": cluster},
        });
        self.event("pipetrail.cluster-sync", "1.0", &resource, minute);
    }

    fn event(&mut self, kind: &str, version: &str, resource: &Value, minute: u64) {
        let due = self.at(minute).plus(Duration::from_secs(5));
        let base_url = format!("{}/", self.base);
        let body = json!({
            "id": Guid::of(&format!("{kind} {resource}")),
            "eventType": kind,
            "publisherId": "tfs",
            "message": {"text": format!("{kind} in {PROJECT}")},
            "resource": resource,
            "resourceVersion": version,
            "resourceContainers": {
                "collection": {"id": Guid::of(&base_url), "baseUrl": base_url},
                "project": {"id": self.project, "baseUrl": base_url},
            },
            "createdDate": due.to_string(),
        });
        self.events.push(Event { due, body: body.to_string().into_bytes() });
    }
}
