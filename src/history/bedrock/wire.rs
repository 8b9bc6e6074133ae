//! The events that a [`Story`] is told by, in the service's shapes.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::Event;
use super::super::wire::Guid;
use super::{HLD, LEGACY_RELEASE, PROJECT, Run, Story, person, sha};

impl Story {
    pub(super) fn build(&mut self, run: &Run<'_>) {
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

    pub(super) fn push(
        &mut self,
        repository: &str,
        branch: &str,
        (commit, author, message): (&str, &str, &str),
        minute: u64,
    ) {
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

    pub(super) fn pull_request(
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

    pub(super) fn release(&mut self, id: u64, (run, number): (u64, &str), [start, finish]: [u64; 2]) {
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
                "definitionReference": {"version": {"id": run.to_string(), "name": number}},
            }],
            "releaseDefinition": {"id": 3, "name": LEGACY_RELEASE},
            "url": url,
        }, "project": named});
        self.event("ms.vss-release.release-created-event", "3.0-preview.1", &created, start);
        for (kind, status, minute) in [("started", "inProgress", start), ("completed", "succeeded", finish)] {
            let told = json!({"environment": environment(status), "project": named});
            self.event(&format!("ms.vss-release.deployment-{kind}-event"), "3.0-preview.1", &told, minute);
        }
    }

    pub(super) fn synced(&mut self, cluster: &str, commit: &str, minute: u64) {
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
