"""A made-up organization, as the events that Azure DevOps would send of it. Every trap of delivery metrics is in it.

Standard library only. The same seed gives the same events.
"""

import hashlib
import json
import random
from datetime import datetime, timedelta, timezone

ORGANIZATION = "fabrikam"
PROJECTS = {"shop": "11111111-0000-4000-8000-000000000001", "bank": "11111111-0000-4000-8000-000000000002"}
MAIN = "refs/heads/main"
ZONES = ["UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Tokyo", "Pacific/Auckland", "Asia/Kolkata", "Africa/Cairo"]
# Rules of each kind: by stages, by stages of some pipelines, by environments, whole runs, no deployments, other production.
ENVIRONMENTS = [
    [],
    [{"name": "blue", "production": True, "stages": ["Deploy-*"]}],
    [{"name": "eu", "production": True, "stages": ["prod-*"], "pipelines": ["LED*"]},
     {"name": "web-live", "stages": ["production"], "pipelines": ["other", "web"]}],
    [{"name": "customers", "production": True, "environments": ["LIVE", "prod-us"]}],
    [{"name": "prod-eu", "ignore": True, "stages": ["prod-eu"]}, {"name": "live", "ignore": True, "environments": ["l*ve"]}],
    [{"name": "production", "pipelines": ["api"]}, {"name": "cloud", "production": True, "pipelines": ["we*"]}],
    [{"name": "staging", "production": True}, {"name": "live", "production": False}],
    [{"name": "customers", "production": False, "environments": ["prod-us"]}, {"name": "production", "pipelines": ["ledger"]},
     {"ignore": True, "environments": ["Dev"]}],
]
# Of each kind of pattern; the second is of a definition of releases, too.
OWNERS = [
    [{"service": "Storefront", "team": "Sellers", "pipelines": ["web*", "12"]}, {"service": "app", "repositories": ["MOBILE"]},
     {"service": "books", "team": "keepers", "repositories": ["ledger"]}],
    [{"service": "all", "team": "sellers", "repositories": ["*"]}, {"service": "api", "team": "keepers", "folders": ["\\shop\\*"]},
     {"service": "phones", "pipelines": ["*bile"]}],
    [],
]
START = datetime(2025, 1, 6, tzinfo=timezone.utc)


def text(time):
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond:06d}Z"


def guid(of):
    digest = hashlib.sha256(of.encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


def toml(config):
    """A configuration as a file says it: text, switches and lists of text are written as in JSON."""
    tables = [(f"[{key}]", [of]) if isinstance(of, dict) else (f"[[{key}]]", of) for key, of in config.items()]
    lines = lambda of: "".join(f"{key} = {json.dumps(value)}\n" for key, value in of.items())
    return "".join(f"{head}\n{lines(one)}" for head, all in tables for one in all)


class Organization:
    def __init__(self, seed, more=False):
        """With more, some stages wait for that of an environment, which is not always what they are called; and scripts
        tell of tests."""
        self.seed, self.rng, self.more = seed, random.Random(seed), more
        self.events, self.records, self.built, self.compared, self.numbers = [], [], [], [], {}
        # By itself, so that the rest stays what it is.
        self.asked = random.Random(f"{seed} what somebody asked of runs")
        self.comparing = random.Random(f"{seed} what came between runs")
        self.guarded = random.Random(f"{seed} approvals")
        self.old = random.Random(f"{seed} old work")
        rng = self.rng
        self.plan = {
            "zone": ZONES[seed % len(ZONES)],
            "from": START + timedelta(days=45, hours=rng.randrange(200), minutes=rng.randrange(60)),
            "partial": ["counts", "fails", "ignored"][seed % 3],
            "incidents": seed % 4 != 0,
            "period": ["day", "week", "month"][seed % 3],
        }
        if more and seed % 8 == 4:
            # Before anything is known.
            self.plan["from"] = START - timedelta(days=10)
        self.plan["until"] = self.plan["from"] + timedelta(days=20 + seed % 30, hours=rng.randrange(24))
        self.plan["now"] = self.plan["until"] + timedelta(days=seed % 9)

    def number(self, kind, first=1):
        self.numbers[kind] = self.numbers.get(kind, first - 1) + 1
        return self.numbers[kind]

    def commit(self):
        return hashlib.sha1(f"{self.seed} {self.number('commit')}".encode()).hexdigest()

    def event(self, kind, version, project, created, resource):
        base = {"baseUrl": f"https://dev.azure.com/{ORGANIZATION}/", "id": guid("collection")}
        self.events.append({
            "id": guid(f"{self.seed} event {len(self.events)}"),
            "eventType": kind,
            "publisherId": "tfs",
            "resource": resource,
            "resourceVersion": version,
            "resourceContainers": {
                "collection": base, "account": base, "project": {"id": PROJECTS[project], "baseUrl": base["baseUrl"]},
            },
            "createdDate": text(created),
        })

    def repository(self, project, name):
        return {
            "id": guid(name), "name": name, "url": f"https://dev.azure.com/{ORGANIZATION}/_apis/git/repositories/{guid(name)}",
            "project": {"id": PROJECTS[project], "name": project},
        }

    def push(self, project, repository, branch, old, new, commits, at):
        number = self.number("push")
        self.event("git.push", "1.0", project, at + timedelta(seconds=1), {
            "commits": [{
                "commitId": commit,
                "author": {"name": "Ana", "date": text(made)},
                "committer": {"name": "Ana", "date": text(made)},
                "comment": "Work",
            } for commit, made in commits],
            "refUpdates": [{"name": branch, "oldObjectId": old or "0" * 40, "newObjectId": new}],
            "repository": self.repository(project, repository),
            "pushedBy": {"displayName": "Ana", "id": guid("Ana")},
            "pushId": number,
            "date": text(at),
            "url": f"https://dev.azure.com/{ORGANIZATION}/_apis/git/repositories/{guid(repository)}/pushes/{number}",
        })

    def pull_request(self, kind, of, created, status, **more):
        project, repository = of["project"], of["repository"]
        self.event(f"git.pullrequest.{kind}", "1.0", project, created, {
            "repository": self.repository(project, repository),
            "pullRequestId": of["number"],
            "status": status,
            "createdBy": {"displayName": "Ana", "id": guid("Ana")},
            "creationDate": text(of["created"]),
            "title": of["title"],
            "sourceRefName": of["branch"],
            "targetRefName": MAIN,
            "mergeStatus": "succeeded",
            "lastMergeSourceCommit": {"commitId": of["commits"][-1]},
            "reviewers": [{"id": guid("Jon"), "displayName": "Jon", "vote": of["vote"]}],
            "url": f"https://dev.azure.com/{ORGANIZATION}/_apis/git/repositories/{guid(repository)}/pullRequests/{of['number']}",
            **more,
        })

    def work(self, line, at):
        """Something gets into the main branch: by a push, or by a pull request that is squashed or merged."""
        rng, project, repository, old = self.rng, line["project"], line["repository"], line["head"]
        lost = rng.random() < 0.07
        made = [(self.commit(), at - timedelta(minutes=rng.randrange(30, 6000))) for _ in range(rng.randrange(1, 4))]
        if self.more and self.old.random() < 0.05:
            made = [(commit, when - timedelta(days=50)) for commit, when in made]
        made.sort(key=lambda one: one[1])
        if rng.random() < 0.04:
            made[-1] = (made[-1][0], at + timedelta(days=3))
        if old is None or rng.random() < 0.4:
            new, pushed = made[-1][0], made
        else:
            number = self.number("pullRequest", 100)
            fix = rng.random() < 0.25
            of = {
                "project": project, "repository": repository, "number": number, "vote": 0,
                "branch": f"refs/heads/{'hotfix' if fix else 'feature'}/{number}", "title": f"Work {number}",
                "created": at - timedelta(minutes=rng.randrange(20, 400)), "commits": [commit for commit, _ in made],
            }
            self.push(project, repository, of["branch"], None, made[-1][0], made, of["created"] - timedelta(minutes=1))
            self.pull_request("created", of, of["created"], "active")
            listed = [{"commitId": commit} for commit in of["commits"]]
            if rng.random() < 0.8:
                of["vote"] = 10
                voted = of["created"] + (at - of["created"]) * rng.random()
                self.pull_request("updated", of, voted, "active", commits=listed)
            else:
                self.pull_request("updated", of, of["created"] + timedelta(seconds=30), "active", commits=listed)
            new = self.commit()
            merge = (new, at)
            pushed = [merge] if rng.random() < 0.6 else made + [merge]
            closed = at - timedelta(seconds=2)
            self.pull_request("merged", of, at, "completed", closedDate=text(closed), lastMergeCommit={"commitId": new})
        if not lost:
            self.push(project, repository, MAIN, old, new, pushed, at)
        line["since"] += pushed
        line["head"] = new

    def stage(self, line, run, name, attempt, result, started, finished):
        project, base = line["project"], f"https://dev.azure.com/{ORGANIZATION}/{PROJECTS[line['project']]}"
        pipeline = {
            "id": line["pipeline"], "name": line["name"], "folder": self.folder(line),
            "url": f"{base}/_apis/pipelines/{line['pipeline']}?revision=1",
        }
        skipped = result == "skipped"
        self.event("ms.vss-pipelines.stage-state-changed-event", "5.1-preview.1", project, finished + timedelta(seconds=1), {
            "stage": {
                "name": name, "attempt": attempt, "state": "completed", "result": result,
                "startTime": None if skipped else text(started), "finishTime": None if skipped else text(finished),
            },
            "run": {"id": run["id"], "name": run["name"], "state": "inProgress", "createdDate": text(run["queued"]), "pipeline": pipeline},
            "pipeline": pipeline,
            "runId": run["id"],
            "runUrl": f"{base}/_build/results?buildId={run['id']}",
            "projectId": PROJECTS[project],
        })

    def approval(self, line, run, name, attempt, environment, at):
        project, base = line["project"], f"https://dev.azure.com/{ORGANIZATION}/{PROJECTS[line['project']]}"
        self.event("ms.vss-pipelinechecks-events.approval-pending", "5.1-preview.1", project, at, {
            "approval": {"id": guid(f"{run['id']} {name} {attempt} {environment}"), "status": "pending", "createdOn": text(at),
                         "lastModifiedOn": text(at), "steps": []},
            "projectId": PROJECTS[project],
            "pipeline": {"id": str(line["pipeline"]), "name": line["name"], "url": f"{base}/_apis/pipelines/{line['pipeline']}"},
            "run": {"id": str(run["id"]), "name": run["name"], "url": f"{base}/_apis/pipelines/{line['pipeline']}/runs/{run['id']}"},
            "resource": environment and {"id": "31", "name": environment, "type": "environment"},
            "stage": None, "stageName": name, "attemptId": attempt,
        })

    def guard(self, line, run, name, attempt, at):
        """Approvals of environments that the name of the stage does not tell, or tells otherwise; some guard something else."""
        chance = {("api", "build"): 0.03, ("web", "deploy-staging"): 0.1, ("ledger", "prod-eu"): 0.2, ("api", "ship"): 0.5}
        if self.more and self.guarded.random() < chance.get((line["name"], name), 0):
            for environment in self.guarded.choice([["live"], ["staging"], ["prod-us", "live"], [None]]):
                self.approval(line, run, name, attempt, environment, at)

    def waits(self, run):
        """The same for all that is told of it."""
        return random.Random(f"{self.seed} {run['id']} waits").choice([3, 9, 9, 14, 31, 58])

    def pool(self, run):
        pool = random.Random(f"{self.seed} {run['id']} pool").choice(["linux", "linux", "windows", None])
        return {"queue": {"id": 1, "name": f"{pool} queue", "pool": {"id": 2, "name": pool}}} if pool else {}

    def who(self, run):
        """Few people, or so many that a list of them is cut."""
        people = 9_000 if self.seed % 7 in (0, 6) else 4
        return "Person %d" % random.Random(f"{self.seed} {run['id']} who").randrange(people) if self.more else "Ana"

    def folder(self, line):
        return "\\Shop\\Api" if self.more and line["name"] == "api" else "\\"

    def build(self, line, run, result, finished):
        project = line["project"]
        self.event("build.complete", "2.0", project, finished + timedelta(seconds=6), {
            "id": run["id"], "buildNumber": run["name"], "status": "completed", "result": result,
            "queueTime": text(run["queued"]), "startTime": text(run["queued"] + timedelta(seconds=self.waits(run))),
            "finishTime": text(finished), **self.pool(run),
            "definition": {"id": line["pipeline"], "name": line["name"], "path": self.folder(line), "project": {"id": PROJECTS[project], "name": project}},
            "project": {"id": PROJECTS[project], "name": project},
            "sourceBranch": run["branch"], "sourceVersion": run["commit"], "reason": "individualCI",
            "requestedFor": {"displayName": self.who(run), "id": guid(self.who(run))},
            "repository": {"id": guid(line["repository"]), "type": "TfsGit", "name": line["repository"]},
            "url": f"https://dev.azure.com/{ORGANIZATION}/{PROJECTS[project]}/_apis/build/Builds/{run['id']}",
            "lastChangedDate": text(finished),
        })

    def run(self, line, commit, at, branch=MAIN):
        number = self.number("run", 1000)
        if commit == line["head"]:
            # What the service would tell of the commits that no run before had; nobody asked it about some.
            if self.asked.random() < 0.6:
                commits = [{"id": id, "at": text(made)} for id, made in line["since"]]
                self.built.append({"pipeline": line["pipeline"], "run": number, "commits": commits})
            self.compare(line, number)
            line["since"] = []
        return {"id": number, "name": f"n{number}", "commit": commit, "branch": branch, "queued": at}

    def compare(self, line, number):
        """What the service would tell of what came since some earlier runs; nobody asked it about most."""
        commits = [{"id": id, "at": text(made)} for id, made in line["since"]]
        for since in line.setdefault("heads", {}):
            line["heads"][since] = line["heads"][since] + commits
        if self.comparing.random() < 0.3:
            told = list(line["heads"].items())[-4:]
            self.compared += [{"pipeline": line["pipeline"], "run": number, "since": since, "commits": of} for since, of in told]
        line["heads"][number] = []

    def ending(self):
        words = ["succeeded"] * 70 + ["failed"] * 12 + ["partiallySucceeded"] * 5
        return self.rng.choice(words + ["skipped"] * 5 + ["canceled"] * 3 + ["rejected"] * 3 + ["abandoned"] * 2)

    def deploy(self, line, run, at, attempt=1):
        """All stages of a run, or again its production stages. Answers when it was over."""
        rng, over, worst = self.rng, at, "succeeded"
        stages = line["stages"] if attempt == 1 else line["stages"][-len(line["production"]):]
        for name in stages:
            started = over + timedelta(seconds=rng.randrange(5, 60))
            over = started + timedelta(seconds=rng.randrange(60, 4000), microseconds=rng.randrange(1000000))
            production = name in line["production"]
            self.guard(line, run, name, attempt, started)
            result = self.ending() if production else "succeeded"
            self.stage(line, run, name, attempt, result, started, over)
            # Some attempts leave a record, which says more than any name.
            if name in line["records"] and result != "skipped" and rng.random() < 0.7:
                self.records.append({
                    "project": line["project"], "environment": line["records"][name], "pipeline": line["pipeline"],
                    "run": run["id"], "stage": name, "attempt": attempt, "result": result, "started": text(started),
                    "finished": text(over), "name": line["name"],
                })
            if result in ("failed", "rejected", "canceled", "abandoned"):
                worst = "failed" if result in ("failed", "rejected") else "canceled"
        self.build(line, run, worst, over + timedelta(seconds=2))
        return over

    def incident(self, project, at, resolved):
        turns = [("Active", at + timedelta(minutes=5))] + ([("Resolved", resolved)] if resolved else [])
        self.work_item(self.number("workItem", 5000), project, at, turns, "Incident", {})

    def tagged(self):
        """Bugs, of which a tag says that some are incidents; they may be closed after they were resolved, and opened again."""
        rng, at = random.Random(f"{self.seed} tags"), START
        for tags in ["outage-db; ui", "Incident", "ui;  incident ", "ui", None] * (5 if self.more and self.seed % 4 != 2 and self.seed % 8 else 0):
            at, turns = at + timedelta(hours=rng.randrange(1, 150)), []
            opened = when = at
            ways = ["", "Resolved", "Resolved Closed", "Closed Active", "Resolved Active Fixed"]
            for state in ["Active", *rng.choice(ways).split()]:
                when += timedelta(minutes=rng.randrange(1, 900))
                turns.append((state, when))
            project = rng.choice(["shop", "bank"])
            self.work_item(self.number("tagged", 8000), project, opened, turns, "Bug", {"System.Tags": tags} if tags else {})

    def work_item(self, number, project, at, turns, kind, more):
        url = f"https://dev.azure.com/{ORGANIZATION}/{PROJECTS[project]}/_apis/wit/workItems/{number}"

        def fields(state, changed):
            return {
                "System.TeamProject": project, "System.WorkItemType": kind, "System.State": state, **more,
                "System.CreatedDate": text(at), "System.ChangedDate": text(changed), "System.Title": "Down",
                "Microsoft.VSTS.Common.StateChangeDate": text(changed),
            }

        created = {"id": number, "rev": 1, "fields": fields("New", at), "url": url}
        self.event("workitem.created", "1.0", project, at + timedelta(seconds=1), created)
        for revision, (state, changed) in enumerate(turns, 2):
            self.event("workitem.updated", "1.0", project, changed + timedelta(seconds=1), {
                "id": revision, "workItemId": number, "rev": revision, "url": f"{url}/updates/{revision}",
                "fields": {"System.State": {"newValue": state}, "System.ChangedDate": {"newValue": text(changed)}},
                "revision": {"id": number, "rev": revision, "fields": fields(state, changed), "url": url},
            })

    def told(self, kind, at, resource, again=0.1):
        """In the envelope that the endpoints make. Scripts tell twice now and then."""
        base = {"baseUrl": f"https://dev.azure.com/{ORGANIZATION}/"}
        for late in [0, self.rng.randrange(1, 300)][: 2 if self.rng.random() < again else 1]:
            self.events.append({
                "eventType": kind, "resource": resource, "resourceContainers": {"collection": base},
                "createdDate": text(at + timedelta(seconds=late)),
            })

    def mobile(self):
        """What no service tells of: a script posts its deployments, pushes and reviews."""
        rng, past = self.rng, []
        at = START + timedelta(hours=rng.randrange(40))
        while at < self.plan["now"] + timedelta(days=1):
            at += timedelta(minutes=rng.randrange(30, 2500), microseconds=rng.randrange(1000000))
            at = at.replace(microsecond=at.microsecond // 10 * 10)
            metadata = {"project": "bank"}
            if rng.random() < 0.3:
                metadata["environment"] = "live"
            if rng.random() < 0.2:
                metadata["status"] = rng.choice(["failure", "success"])
            if rng.random() < 0.3:
                metadata["fix"] = True
            dice = rng.random()
            if past and dice < 0.15:
                metadata.update(commit_id=rng.choice(past[-4:]), n=self.number("told"))
            elif dice < 0.3:
                metadata.update(n=self.number("told"))
            elif dice < 0.6:
                commits = [self.commit() for _ in range(rng.randrange(1, 4))]
                if rng.random() < 0.8:
                    pushed = at - timedelta(minutes=rng.randrange(3, 900))
                    self.told("pipetrail.report", pushed, {"Repo": "mobile", "Event": "push", "Metadata": " ".join(commits)})
                metadata.update(commit_ids=commits, commit_id=commits[-1])
                past.append(commits[-1])
            else:
                past.append(self.reviewed(at, metadata))
            if rng.random() < 0.5:
                metadata = json.dumps(metadata)
            self.told("pipetrail.report", at, {"Repo": "mobile", "Event": "deploy", "Metadata": metadata})
            if self.plan["incidents"] and rng.random() < 0.2:
                self.trouble(at + timedelta(minutes=rng.randrange(1, 500)), past)

    def tests(self):
        """Scripts tell of runs of tests, and of those that passed; some tell of these alone. What is told again within ten
        minutes is the same."""
        rng = random.Random(f"{self.seed} tests")
        at, tells_runs = START, rng.random() < 0.8
        while self.more and at < self.plan["now"] + timedelta(days=1):
            at += timedelta(minutes=rng.randrange(11, 3000), microseconds=rng.randrange(100000) * 10)
            metadata = {"project": "bank", "n": self.number("tests")}
            if tells_runs:
                self.told("pipetrail.report", at, {"Repo": "mobile", "Event": "test_run", "Metadata": metadata})
            if rng.random() < 0.7:
                if rng.random() < 0.2:
                    metadata = {**metadata, "status": rng.choice(["success", "failure"])}
                self.told("pipetrail.report", at, {"Repo": "mobile", "Event": "test_pass", "Metadata": json.dumps(metadata)})

    def reviewed(self, at, metadata):
        """A commit with its review, in DevOpstic's words. Answers what was deployed."""
        rng, commit, number = self.rng, self.commit(), self.number("review", 9000)
        made = at - timedelta(minutes=rng.randrange(800, 4000))
        submitted = made + timedelta(minutes=rng.randrange(5, 300))
        approved = submitted + timedelta(minutes=rng.randrange(5, 300))
        merge = self.commit() if rng.random() < 0.5 else commit
        for kind, when, which in [("commit", made, commit), ("submit", submitted, commit), ("approve", approved, merge)]:
            if kind == "approve" and rng.random() < 0.2:
                continue
            self.told("pipetrail.report", when + timedelta(seconds=9), {
                "type": kind, "pipeline_id": "mobile", "commit_id": which, "pull_request_id": number, "environment": "",
                "incident_id": "", "status": "success", "timestamp": int(when.timestamp()),
            })
        metadata.update(commit_id=merge)
        return merge

    def trouble(self, at, past):
        """An incident that somebody told of: it names its cause, or does not, and may be opened again."""
        rng, number = self.rng, self.number("trouble")
        body = {"id": f"OPS-{number}", "title": "Down"}
        names = rng.randrange(6)
        body.update([{}, {"pipeline": "mobile"}, {"pipeline": "web"}, {"project": "shop"}, {"environment": "live"}, {}][names])
        if names == 5 and past:
            body["commit"] = past[-1]
        self.told("pipetrail.incident", at, body)
        over = at + timedelta(minutes=rng.randrange(5, 900))
        turns = rng.choice([[], ["resolved"], ["resolved"], ["resolved", "open"], ["resolved", "open", "resolved"]])
        for turn in turns:
            if turn == "open":
                self.told("pipetrail.incident", over, {"id": f"ops-{number}", "status": "open"})
            else:
                self.told("pipetrail.report", over, {
                    "Repo": "x", "Event": "incident_status_change",
                    "Metadata": {"incident_id": f"OPS-{number}", "status": "success"},
                })
            over += timedelta(minutes=rng.randrange(5, 300))

    def gaps(self):
        """Times in which events were lost, of a project or of all: as who looks after the subscriptions saw them. Some come
        again, some of these are lost again, and of some all or a part was read from the REST API meanwhile."""
        rng = random.Random(f"{self.seed} gaps")
        start, hours = self.plan["from"] - timedelta(days=5), (self.plan["until"] - self.plan["from"]) // timedelta(hours=1) + 240
        for events in ["build.complete", "git.push", "workitem.updated"] if self.more else []:
            for project in ["shop", "bank", ""]:
                for _ in range(rng.choice([0, 0, 1, 2])):
                    at = start + timedelta(hours=rng.randrange(hours))
                    gap = {"project": project, "projectId": PROJECTS.get(project, ""), "events": events, "from": text(at)}
                    for turn in rng.choice(["why", "why over", "why over covered", "why covered over", "why over covered why"]).split():
                        at += timedelta(hours=rng.randrange(1, 60))
                        yield {**gap, "said": text(at), turn: "silence" if turn == "why" else text(at)}

    def releases(self, line):
        """What a classic release brings of the runs of a pipeline: some stages again, some after newer ones, some from no build.
        A list of the service tells of most, and events, which have no time of it, of most."""
        rng, number = random.Random(f"{self.seed} releases"), 0
        released = []
        for over, run in line["ends"] if self.more else []:
            if rng.random() > 0.4:
                continue
            if released and rng.random() < 0.2:
                release = rng.choice(released[-3:])
                stages = ["Prod"]
            else:
                number += 1
                release = {"id": 300 + number, "attempts": {}, "artifacts": self.artifacts(rng, run, line["ends"])}
                released.append(release)
                stages = ["Dev", "Prod"] if rng.random() < 0.8 else ["Dev"]
            for name in stages:
                over += timedelta(seconds=rng.randrange(60, 9000), microseconds=rng.randrange(1000000))
                attempt = release["attempts"][name] = release["attempts"].get(name, 0) + 1
                result = rng.choice(["succeeded"] * 9 + ["failed", "failed", "partiallySucceeded", "rejected", "canceled"])
                told = rng.random()
                if told > 0.15:
                    self.released(release, name, attempt, result, over)
                if told < 0.85:
                    yield self.listed(release, name, attempt, result, over)

    def artifacts(self, rng, run, ends):
        """The primary one names the release, wherever it stands; some are no build."""
        build = lambda alias, run, primary: {
            "type": "Build", "alias": alias, "isPrimary": primary,
            "definitionReference": {"version": {"id": str(run["id"]), "name": run["name"]}, "branch": {"id": run["branch"]}},
        }
        code = {"type": "Git", "alias": "_code", "isPrimary": True, "definitionReference": {"version": {"id": run["commit"]}}}
        return rng.choice([[build("_web", run, True)]] * 6 + [[build("_a", ends[0][1], False), build("_web", run, True)], [code]])

    def released(self, release, name, attempt, result, over):
        self.event("ms.vss-release.deployment-completed-event", "3.0-preview.1", "shop", over + timedelta(seconds=2), {
            "environment": {
                "name": name, "status": result, "releaseId": release["id"], "deploySteps": [{"attempt": attempt}],
                "releaseDefinition": {"id": 12, "name": "web CD"}, "release": {"id": release["id"], "name": f"R-{release['id']}"},
                "project": {"id": PROJECTS["shop"], "name": "shop"},
            },
            "project": {"id": PROJECTS["shop"], "name": "shop"},
        })

    def listed(self, release, name, attempt, result, over):
        return {
            "release": {"id": release["id"], "name": f"R-{release['id']}", "artifacts": release["artifacts"]},
            "releaseDefinition": {"id": 12, "name": "web CD"}, "releaseEnvironment": {"id": 61, "name": name},
            "projectReference": {"id": PROJECTS["shop"], "name": "shop"}, "attempt": attempt, "deploymentStatus": result,
            "operationStatus": "Approved", "completedOn": text(over), "lastModifiedOn": text(over + timedelta(seconds=5)),
        }

    def config(self):
        """What counts as what, another in each seed."""
        metrics = {"partial_success": self.plan["partial"], "time_zone": self.plan["zone"]}
        if not self.more:
            return {"metrics": metrics}
        metrics.update([
            {}, {"rework_within": "12h", "incident_tags": ["outage*"]}, {"incident_types": ["Inc*", "bug"], "fixes": ["HOTFIX*"]},
            {"resolved_states": ["closed", "Fix*"]}, {"rework_within": "100h", "incident_tags": []},
        ][self.seed % 5])
        environments, owners = ENVIRONMENTS[self.seed % len(ENVIRONMENTS)], OWNERS[self.seed % len(OWNERS)]
        return {"metrics": metrics, "environments": environments, "owners": owners}

    def tell(self):
        rng = self.rng
        lines = [
            {"project": "shop", "pipeline": 11, "name": "web", "repository": "web", "stages": ["build", "deploy-staging", "production"],
             "production": ["production"], "records": {}},
            {"project": "shop", "pipeline": 12, "name": "api", "repository": "api", "stages": ["build", "ship"],
             "production": ["ship"], "records": {"ship": (4, "live")}},
            {"project": "bank", "pipeline": 21, "name": "ledger", "repository": "ledger", "stages": ["build", "prod-eu", "prod-us"],
             "production": ["prod-eu", "prod-us"], "records": {"prod-us": (7, "prod-us")}},
        ]
        for line in lines:
            line["head"], line["since"], line["ends"] = None, [], []
        for line in lines:
            at, past, every = START + timedelta(hours=rng.randrange(48)), [], rng.choice([1200, 3000, 7000])
            if line["pipeline"] == 21 and self.seed % 2:
                at = self.plan["from"] + timedelta(hours=rng.randrange(200))
            while at < self.plan["now"] + timedelta(days=2):
                for _ in range(rng.randrange(0, 3) if line["head"] else 1):
                    self.work(line, at)
                    at += timedelta(minutes=rng.randrange(1, 90))
                dice = rng.random()
                if past and dice < 0.08:
                    run = self.run(line, rng.choice(past[-4:])["commit"], at)
                    over = self.deploy(line, run, at)
                elif past and dice < 0.16:
                    run = rng.choice(past[-3:])
                    run["attempt"] = run.get("attempt", 1) + 1
                    over = self.deploy(line, run, at, run["attempt"])
                else:
                    branch = "refs/heads/hotfix/x" if dice > 0.95 else MAIN
                    run = self.run(line, line["head"], at, branch)
                    over = self.deploy(line, run, at)
                    past.append(run)
                line["ends"].append((over, run))
                if self.plan["incidents"] and rng.random() < 0.15:
                    opened = over + timedelta(minutes=rng.randrange(1, 600))
                    resolved = opened + timedelta(minutes=rng.randrange(10, 3000)) if rng.random() < 0.8 else None
                    self.incident(line["project"], opened, resolved)
                at = over + timedelta(minutes=rng.randrange(5, every))
        self.mobile()
        self.tests()
        self.tagged()
        self.answers = list(self.releases(lines[0]))
        rng.shuffle(self.events)
        return self


def write(folder, seed, more=False):
    told = Organization(seed, more).tell()
    with open(f"{folder}/{seed}.ndjson", "w") as file:
        file.writelines(json.dumps(event) + "\n" for event in told.events)
    plan = {key: text(value) if isinstance(value, datetime) else value for key, value in told.plan.items()}
    config = told.config()
    beside = {"records": told.records, "built": told.built, "compared": told.compared, "releases": told.answers, "gaps": list(told.gaps())}
    with open(f"{folder}/{seed}.json", "w") as file:
        file.write(json.dumps({"plan": plan, "terms": config, "config": toml(config), **beside}))
