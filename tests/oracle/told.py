"""What the events of a made-up organization say, each by itself. Standard library only."""

import json
from collections import defaultdict
from datetime import datetime, timedelta, timezone

AGAIN = timedelta(minutes=10)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def read(text):
    return None if not text else datetime.fromisoformat(text.replace("Z", "+00:00"))


class Told:
    """What the events say, each by itself."""

    def __init__(self, folder, seed):
        about = json.load(open(f"{folder}/{seed}.json"))
        self.plan, self.records, self.about = about["plan"], about["records"], about
        self.releases = Releases(about.get("releases", []))
        self.built = {of["run"]: of for of in about["built"]}
        self.compared = {(of["run"], of["since"]): of["commits"] for of in about["compared"]}
        self.guarded = defaultdict(set)
        self.runs, self.stages, self.pushes, self.requests = {}, {}, {}, defaultdict(dict)
        self.made, self.incidents, self.reports, self.troubles = {}, defaultdict(lambda: {"states": {}}), [], defaultdict(dict)
        heard = defaultdict(list)
        for line in open(f"{folder}/{seed}.ndjson"):
            event = json.loads(line)
            kind, of, said = event["eventType"], event["resource"], read(event["createdDate"])
            if kind == "pipetrail.report":
                report = self.report(of)
                heard[json.dumps(report)].append(EPOCH + timedelta(seconds=report["time"]) if report["time"] else said)
            elif kind == "pipetrail.incident":
                self.trouble(of["id"], of.get("status", "open"), said, of)
            else:
                self.take(kind, of, said)
        self.settle(heard)

    @staticmethod
    def report(of):
        """Both bodies as one."""
        about = of
        if "Repo" in of:
            about = of["Metadata"]
            try:
                about = json.loads(about) if isinstance(about, str) else about
            except ValueError:
                about = {"commit_ids": about.split()}
        commits = about.get("commit_ids") or ([about["commit_id"]] if about.get("commit_id") else [])
        words = {"success": "succeeded", "failure": "failed"}
        return {
            "kind": of.get("Event") or of["type"], "commits": commits, "commit": about.get("commit_id"), "n": about.get("n"),
            "environment": about.get("environment") or "production", "result": words.get(about.get("status"), "succeeded"),
            "fix": about.get("fix", False), "request": about.get("pull_request_id"), "time": about.get("timestamp"),
            "incident": about.get("incident_id"), "said": about.get("status"), "project": about.get("project"),
            "subject": of.get("Repo") or of["pipeline_id"],
        }

    def settle(self, heard):
        """The same words within ten minutes are one event."""
        for words, times in heard.items():
            last = None
            for at in sorted(times):
                if last is None or at - last > AGAIN:
                    report = json.loads(words)
                    if report["kind"] == "incident_status_change":
                        self.trouble(report["incident"], report["said"], at, {})
                    else:
                        self.reports.append({**report, "at": at})
                last = at
        self.reports.sort(key=lambda of: of["at"])
        for kind in ("commit", "push"):
            for of in (of for of in self.reports if of["kind"] == kind):
                for commit in of["commits"]:
                    self.made.setdefault(commit, of["at"])
        for of in self.reports:
            if of["kind"] in ("submit", "approve"):
                request = self.requests[of["request"]]
                request.setdefault("merge", of["commit"])
                request.setdefault("branch", ""), request.setdefault("title", "")
                if of["kind"] == "submit":
                    request.setdefault("created", of["at"])
                    request["commits"] = of["commits"]
                else:
                    request.setdefault("approved", of["at"])
                    request["merge"] = of["commit"]

    def trouble(self, name, status, at, about):
        trouble = self.troubles[name.lower()]
        trouble.setdefault("turns", []).append((at, status in ("resolved", "success")))
        trouble.update(about)

    def take(self, kind, of, said):
        if kind == "build.complete":
            self.ran(of)
        elif kind.endswith("deployment-completed-event"):
            self.releases.hear(of["environment"], said)
        elif kind.endswith("stage-state-changed-event"):
            stage = of["stage"]
            key = (of["pipeline"]["id"], of["runId"], stage["name"], stage["attempt"])
            self.stages[key] = (stage["result"], read(stage["finishTime"]))
        elif kind.endswith("approval-pending"):
            if of["resource"]:
                self.guarded[(int(of["run"]["id"]), of["stageName"])].add(of["resource"]["name"])
        elif kind == "git.push":
            update = of["refUpdates"][0]
            commits = [commit["commitId"] for commit in of["commits"]]
            self.pushes[(update["name"], update["newObjectId"])] = (update["oldObjectId"], commits)
            self.made.update({commit["commitId"]: read(commit["author"]["date"]) for commit in of["commits"]})
        elif kind.startswith("git.pullrequest."):
            request = self.requests[of["pullRequestId"]]
            request.update(created=read(of["creationDate"]), branch=of["sourceRefName"], title=of["title"])
            if of["reviewers"][0]["vote"] > 0:
                request["approved"] = min(said, request.get("approved", said))
            if "commits" in of:
                request["commits"] = [commit["commitId"] for commit in of["commits"]]
            if of["status"] == "completed":
                request.update(closed=read(of["closedDate"]), merge=of["lastMergeCommit"]["commitId"])
        else:
            revision = of.get("revision", of)
            incident = self.incidents[revision["id"]]
            fields = revision["fields"]
            incident.update(project=fields["System.TeamProject"], opened=read(fields["System.CreatedDate"]))
            incident.update(type=fields["System.WorkItemType"], tags=fields.get("System.Tags"))
            incident["states"][revision["rev"]] = (fields["System.State"], read(fields["System.ChangedDate"]))

    def ran(self, of):
        """As it ended last: who tries a stage again has its build told once more."""
        run = {
            "run": of["id"], "id": of["definition"]["id"], "name": of["definition"]["name"], "folder": of["definition"]["path"],
            "project": of["project"]["name"], "projectId": of["project"]["id"], "repository": of["repository"]["name"],
            "who": of["requestedFor"]["displayName"], "branch": of["sourceBranch"], "commit": of["sourceVersion"],
            "result": of["result"], "queued": read(of["queueTime"]), "started": read(of["startTime"]),
            "finished": read(of["finishTime"]), "pool": of.get("queue", {}).get("pool", {}).get("name"),
        }
        known = self.runs.setdefault(of["id"], run)
        if known["finished"] <= run["finished"]:
            self.runs[of["id"]] = run

    def gaps(self):
        """Those that nobody has read again. Who sees events lost after somebody saw them come knows better."""
        seen = defaultdict(lambda: {"lost": None, "over": None, "covered": None})
        later = lambda one, other: max(filter(None, (one, other)), default=None)
        for of in self.about.get("gaps", []):
            gap, said = seen[(of["project"], of["events"], of["from"])], read(of["said"])
            gap["lost"] = later(gap["lost"], said if of.get("why") else None)
            gap["over"], gap["covered"] = later(gap["over"], read(of.get("over"))), later(gap["covered"], read(of.get("covered")))
        for (project, _, start), gap in seen.items():
            is_over = gap["over"] and (gap["lost"] is None or gap["lost"] <= gap["over"])
            if not (is_over and gap["covered"] and gap["covered"] >= gap["over"]):
                yield {"project": project or None, "from": read(start), "to": gap["over"] if is_over else None}


class Releases:
    """Classic releases: a list of the service tells exactly when something ended, and what was released; an event only
    that it ended."""

    def __init__(self, listed):
        self.stages, self.runs, self.definitions, self.listed = {}, {}, {}, set()
        for of in listed:
            key = of["release"]["id"], of["releaseEnvironment"]["name"], of["attempt"]
            self.stages[key] = of["deploymentStatus"], read(of["completedOn"])
            self.definitions[key[0]] = of["releaseDefinition"], of["projectReference"]
            self.listed.add(key)
            builds = [one for one in of["release"]["artifacts"] if one["type"] == "Build"]
            builds.sort(key=lambda one: (not one["isPrimary"], one["alias"]))
            self.runs[key[0]] = int(builds[0]["definitionReference"]["version"]["id"]) if builds else None

    def hear(self, of, said):
        number = of["releaseId"]
        key = number, of["name"], max(step["attempt"] for step in of["deploySteps"])
        self.definitions.setdefault(number, (of["releaseDefinition"], of["project"]))
        if key not in self.listed:
            self.stages[key] = of["status"], said
