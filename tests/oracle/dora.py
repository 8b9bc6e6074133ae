"""Delivery metrics from raw events, by other code than the program's. Standard library only.

`dora.py FOLDER SEED...` makes up an organization for each seed, and writes `SEED.ndjson` (its events), `SEED.json` (its
deployment records, what runs built, what came between some, and what to ask) and `SEED.expected.json` (the numbers).
"""

import json
import re
import sys
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import flow
import organization

LOOK_BACK = timedelta(days=30)
REWORK = timedelta(days=2)
PRODUCTION = {"production": True, "live": True, "prod-eu": True, "prod-us": True, "staging": False}
BY_NAME = {"production": "production", "prod-eu": "prod-eu", "prod-us": "prod-us", "deploy-staging": "staging"}
FIXES = re.compile(r"^(refs/heads/)?(hotfix[/-]|fix/|bugfix/|fix:|hotfix:|revert )", re.I)
AGAIN = timedelta(minutes=10)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def read(text):
    return None if not text else datetime.fromisoformat(text.replace("Z", "+00:00"))


def rank(percent, values):
    values = sorted(values)
    return values[max(1, -(-percent * len(values) // 100)) - 1] if values else None


def whole(span):
    return span // timedelta(seconds=1)


class Told:
    """What the events say, each by itself."""

    def __init__(self, folder, seed):
        about = json.load(open(f"{folder}/{seed}.json"))
        self.plan, self.records = about["plan"], about["records"]
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
            self.runs[of["id"]] = {"commit": of["sourceVersion"], "branch": of["sourceBranch"], "pipeline": of["definition"]["id"], "queued": read(of["queueTime"])}
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
            incident["states"][revision["rev"]] = (fields["System.State"], read(fields["System.ChangedDate"]))


class Oracle:
    def __init__(self, folder, seed, **other):
        """As its plan has it, or with another time and other terms."""
        self.told = Told(folder, seed)
        plan = self.told.plan = {**self.told.plan, **other}
        self.zone = ZoneInfo(plan["zone"])
        self.start, self.end, self.now = (read(plan[key]) for key in ("from", "until", "now"))
        self.horizon = self.start - LOOK_BACK
        self.merges = {request["merge"]: (number, request) for number, request in self.told.requests.items() if "merge" in request}
        for request in self.merges.values():
            if request[1].get("commits") == [request[1]["merge"]]:
                request[1]["commits"] = []
            if "approved" in request[1] and "closed" in request[1]:
                request[1]["approved"] = min(request[1]["approved"], request[1]["closed"])
        self.deployments = self.find()
        self.lines = defaultdict(list)
        for deployed in sorted(self.deployments, key=self.order):
            self.lines[deployed["line"]].append(deployed)
        self.link()
        for line in self.lines.values():
            self.judge(line)

    @staticmethod
    def order(of):
        return of["finished"], of["rank"], of["attempt"], of["stage"], of["line"][1]

    def ends(self, result):
        partial = {"counts": "partiallySucceeded", "fails": "failed", "ignored": None}[self.told.plan["partial"]]
        return {"succeeded": "succeeded", "failed": "failed", "partiallySucceeded": partial}.get(result)

    def find(self):
        found, recorded, known = [], set(), defaultdict(set)
        for record in self.told.records:
            environment = record["environment"][1]
            recorded.add((record["pipeline"], record["run"], record["stage"], record["attempt"]))
            known[(record["pipeline"], record["stage"])].add(environment)
            key = record["pipeline"], record["run"], record["stage"], record["attempt"]
            found.append((key, record["result"], read(record["finished"]), environment, "certain"))
        for key, (result, finished) in self.told.stages.items():
            if key in recorded or finished is None:
                continue
            environments = known.get((key[0], key[2]))
            if environments:
                found += [(key, result, finished, environment, "likely") for environment in environments]
            elif self.told.guarded[(key[1], key[2])]:
                found += [(key, result, finished, environment, "likely") for environment in self.told.guarded[(key[1], key[2])]]
            elif key[2] in BY_NAME:
                found.append((key, result, finished, BY_NAME[key[2]], "byPattern"))
        deployments = []
        for (pipeline, run, stage, attempt), result, finished, environment, how in found:
            ending = self.ends(result)
            if ending is None or finished >= self.now:
                continue
            about = self.told.runs[run]
            deployments.append({
                "line": (pipeline, environment), "run": run, "stage": stage, "attempt": attempt, "ending": ending,
                "finished": finished, "how": how, "commit": about["commit"], "branch": about["branch"], "incidents": [],
                "by": None, "back": False, "changes": None, "rework": False, "recovered": None, "rank": run, "brought": [],
                "fix": False, "name": {11: "web", 12: "api", 21: "ledger"}[pipeline], "project": "bank" if pipeline == 21 else "shop",
            })
        for of in self.told.reports:
            if of["kind"] == "deploy" and of["at"] < self.now:
                commit = of["commit"] or (of["commits"][0] if len(of["commits"]) == 1 else None)
                deployments.append({
                    "line": ("mobile", of["environment"]), "run": 0, "stage": "", "attempt": 1, "ending": of["result"],
                    "finished": of["at"], "how": "certain", "commit": commit, "branch": None, "incidents": [], "by": None,
                    "back": False, "changes": None, "rework": False, "recovered": None, "brought": of["commits"],
                    "rank": (of["at"] - EPOCH) // timedelta(microseconds=1), "fix": of["fix"], "name": "mobile", "project": "bank",
                })
        return self.since_horizon(deployments)

    def since_horizon(self, deployments):
        """What finished since then, and of each line that has any of it the last that succeeded before."""
        late = [of for of in deployments if of["finished"] >= self.horizon]
        last = {}
        for of in sorted(deployments, key=self.order):
            if of["finished"] < self.horizon and of["ending"] in ("succeeded", "partiallySucceeded"):
                last[of["line"]] = of
        lines = {of["line"] for of in late}
        return late + [of for line, of in last.items() if line in lines]

    def link(self):
        production = sorted((of for of in self.deployments if PRODUCTION[of["line"][1]]), key=self.order)
        for number, incident in self.told.incidents.items():
            if not self.horizon <= incident["opened"] < self.now:
                continue
            before = [of for of in production if of["finished"] <= incident["opened"] and of["project"] == incident["project"]]
            if before:
                state, at = incident["states"][max(incident["states"])]
                over = at if state == "Resolved" and at < self.now else None
                before[-1]["incidents"].append((f"work item {number}", incident["opened"], over))
        for name, trouble in self.told.troubles.items():
            self.link_trouble(name, trouble, production)

    def link_trouble(self, name, trouble, production):
        opened = [at for at, over in trouble["turns"] if not over]
        if not opened or not self.horizon <= min(opened) < self.now:
            return
        over = None
        for at, is_over in sorted(trouble["turns"]):
            over = (over or at) if is_over else None
        over = over if over and over < self.now else None
        fits = lambda of: (
            trouble.get("project") in (None, of["project"]) and trouble.get("environment") in (None, of["line"][1])
            and trouble.get("pipeline") in (None, of["name"]) and trouble.get("commit") in (None, of["commit"])
        )
        named = [of for of in production if fits(of)]
        before = [of for of in named if of["finished"] <= min(opened)]
        if before or (named and trouble.get("commit")):
            (before[-1:] or named[:1])[0]["incidents"].append((f"incident {name}", min(opened), over))

    def between(self, branch, after, upto):
        way, at = [], upto
        while at != after:
            if (branch, at) not in self.told.pushes or len(way) > 10000:
                return None
            old, commits = self.told.pushes[(branch, at)]
            way.append((at, commits))
            at = old
        return way

    def commits(self, way):
        return self.stand_for([commit for new, commits in way for commit in commits + [new]])

    def stand_for(self, commits):
        found, requests = set(), {}
        for commit in commits:
            number, request = self.merges.get(commit, (None, {}))
            sources = request.get("commits")
            if sources:
                requests.update({source: number for source in sources})
            else:
                found.add(commit)
                if number:
                    requests[commit] = number
        return {commit: requests.get(commit) for commit in found | set(requests)}

    def judge(self, line):
        first = {}
        for of in line:
            first[of["commit"]] = min(of["rank"], first.get(of["commit"], of["rank"]))
        current, been = None, set()
        for of in line:
            if of["ending"] == "failed":
                continue
            both = current and of["commit"] and current["commit"]
            way = None
            if both and of["commit"] != current["commit"]:
                way = self.between(of["branch"], current["commit"], of["commit"])
                if way is None:
                    back = self.between(current["branch"], of["commit"], current["commit"]) is not None
                    same = of["branch"] is not None and of["branch"] == current["branch"]
                    comparable = of["commit"] in been or same
                    of["back"] = back or (comparable and first[of["commit"]] < first[current["commit"]])
            if of["back"]:
                of["changes"] = {}
                current["by"] = of
            elif of["brought"]:
                of["changes"] = self.stand_for(of["brought"])
            elif current is None:
                of["changes"] = "first"
            elif both and of["commit"] == current["commit"]:
                of["changes"] = {}
            else:
                of["changes"] = self.likely(of, current) if way is None else self.commits(way)
            been.update([of["commit"]] if of["commit"] else [])
            current = of
        opened = [incident[1] for of in line for incident in of["incidents"]]
        for at, of in enumerate(line):
            if self.failed(of):
                by_itself = of["ending"] == "failed" or of["by"] is not None
                began = of["finished"] if by_itself else min(incident[1] for incident in of["incidents"])
                after = [other["finished"] for other in line[at + 1:] if other["ending"] != "failed" and other["finished"] >= began][:1]
                over = after + [max(incident[2], of["finished"]) for incident in of["incidents"] if incident[2]]
                of["recovered"] = min(over) if over else None
            follows = any(of["finished"] - REWORK <= when < of["finished"] for when in opened)
            numbers = of["changes"].values() if isinstance(of["changes"], dict) else []
            requests = [self.told.requests[number] for number in numbers if number]
            names = [of["branch"] or ""] + [text for request in requests for text in (request["branch"], request["title"])]
            of["rework"] = of["back"] or (follows and (of["fix"] or any(FIXES.match(name) for name in names)))

    def likely(self, of, before):
        """What came between the two runs, or else what the runs of the branch since then built, the run itself among them."""
        compared = self.told.compared.get((of["run"], before["run"]))
        if compared and not isinstance(of["line"][0], str):
            for commit in compared:
                self.told.made.setdefault(commit["id"], read(commit["at"]))
            return self.stand_for([commit["id"] for commit in compared])
        if isinstance(of["line"][0], str) or not self.told.built.get(of["run"], {}).get("commits"):
            return "unknown"
        of["isLikely"], commits = True, []
        for run, built in self.told.built.items():
            about = self.told.runs[run]
            same = about["pipeline"] == of["line"][0] and about["branch"] == of["branch"]
            if run == of["run"] or (same and before["run"] < run < of["run"]):
                commits += [commit["id"] for commit in built["commits"]]
                for commit in built["commits"]:
                    self.told.made.setdefault(commit["id"], read(commit["at"]))
        return self.stand_for(commits)

    @staticmethod
    def failed(of):
        return of["ending"] == "failed" or of["by"] is not None or bool(of["incidents"])

    def leads(self, chosen):
        seen = set()
        for of in chosen:
            for commit in sorted(of["changes"]) if isinstance(of["changes"], dict) else []:
                if commit in seen:
                    continue
                seen.add(commit)
                request = self.told.requests.get(of["changes"][commit], {})
                made, created, approved = self.told.made.get(commit), request.get("created"), request.get("approved")
                if "merge" not in request:
                    created = approved = None
                split = (whole(approved - created), whole(of["finished"] - approved)) if created and approved else None
                yield of, commit, whole(of["finished"] - made) if made else None, split

    def day(self, time):
        return time.astimezone(self.zone).date()

    def midnight(self, day):
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(timezone.utc)

    def cut(self, period):
        first = self.day(self.start)
        first -= timedelta(days={"day": 0, "week": first.weekday(), "month": first.day - 1}[period])
        parts = []
        while self.midnight(first) < self.end:
            following = first + timedelta(days={"day": 1, "week": 7, "month": 31}[period])
            if period == "month":
                following = following.replace(day=1)
            parts.append((max(self.start, self.midnight(first)), min(self.end, self.midnight(following))))
            first = following
        return parts

    def since(self):
        """Nothing is known of what was before."""
        first = {}
        for number, run in self.told.runs.items():
            first[run["pipeline"]] = min(first.get(run["pipeline"], (number, run["queued"])), (number, run["queued"]))
        lines = {of["line"][0] for of in self.deployments}
        return min([of["finished"] for of in self.deployments] + [at for line, (_, at) in first.items() if line in lines])

    def tells(self, chosen):
        """Whether anybody ever told of an incident there."""
        sources = [of["project"] for of in self.told.incidents.values()] + [of.get("project") for of in self.told.troubles.values()]
        projects = {of["project"] for of in chosen}
        return any(not chosen or of is None or of in projects for of in sources)

    def numbers(self, chosen, leads, start, end):
        within = [of for of in chosen if start <= of["finished"] < end]
        good = [of for of in within if of["ending"] != "failed"]
        mine = [lead for lead in leads if start <= lead[0]["finished"] < end]
        total = [lead[2] for lead in mine if lead[2] is not None and lead[2] >= 0]
        split = [lead[3] for lead in mine if lead[3] and min(lead[3]) >= 0]
        failed = [of for of in within if self.failed(of)]
        took = [whole(of["recovered"] - of["finished"]) for of in failed if of["recovered"]]
        rework = sum(of["rework"] for of in within)
        # As text: readers of JSON differ in the last digit.
        share = lambda part: repr(part / len(within)) if within else None
        known = bool(chosen) and end >= self.since()
        return {
            "deployments": len(good) if known else None,
            "deployDays": len({self.day(of["finished"]) for of in good}) if known else None,
            "medianDeployDaysAWeek": rank(50, self.weeks(chosen, start, end)) if known else None,
            "lead": [rank(percent, total) for percent in (50, 75, 95)], "leads": len(total),
            "review": [rank(percent, [one for one, _ in split]) for percent in (50, 75, 95)],
            "deployment": [rank(percent, [two for _, two in split]) for percent in (50, 75, 95)],
            "failed": len(failed), "finished": len(within), "failRate": share(len(failed)),
            "recovery": [rank(percent, took) for percent in (50, 75, 95)], "notRecovered": len(failed) - len(took),
            "rework": rework, "reworkRate": share(rework) if rework or self.tells(chosen) else None,
        }

    def weeks(self, chosen, start, end):
        first = self.day(start)
        first += timedelta(days=-first.weekday() % 7)
        while self.midnight(first) < max(start, self.since()):
            first += timedelta(days=7)
        counts = []
        while self.midnight(first + timedelta(days=7)) <= end:
            a, b = self.midnight(first), self.midnight(first + timedelta(days=7))
            counts.append(len({self.day(of["finished"]) for of in chosen if a <= of["finished"] < b and of["ending"] != "failed"}))
            first += timedelta(days=7)
        return counts

    def report(self, wanted):
        chosen = [of for of in sorted(self.deployments, key=self.order) if wanted(of)]
        leads = list(self.leads(chosen))
        within = [of for of in chosen if self.start <= of["finished"] < self.end]
        mine = [lead for lead in leads if self.start <= lead[0]["finished"] < self.end]
        good = [of["finished"] for of in within if of["ending"] != "failed"]
        gaps = [whole(b - a) for a, b in zip(good, good[1:])]
        ends = lambda of: [why for is_so, why in (
            (of["ending"] == "failed", "failed"), (of["by"] is not None, "rolledBack"), (bool(of["incidents"]), "incident")) if is_so]
        return {
            "numbers": self.numbers(chosen, leads, self.start, self.end),
            "series": [self.numbers(chosen, leads, *part) for part in self.cut(self.told.plan["period"])],
            "between": [rank(percent, gaps) for percent in (50, 75, 95)],
            "coverage": {
                "deployments": len(within),
                **{how: sum(of["how"] == how for of in within) for how in ("certain", "likely", "byPattern")},
                "partiallySucceeded": sum(of["ending"] == "partiallySucceeded" for of in within),
                "firstOnRecord": sum(of["changes"] == "first" for of in within),
                "commitsUnknown": sum(of["changes"] == "unknown" for of in within),
                "commitsLikely": sum(of.get("isLikely", False) for of in within),
                "commits": len(mine),
                "commitsWithoutTime": sum(lead[2] is None for lead in mine),
                "commitsFromTheFuture": sum(lead[2] is not None and lead[2] < 0 for lead in mine),
                "incidentSource": self.tells(chosen), "since": self.since().strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
            "work": [{
                "runId": of["run"], "stage": of["stage"], "attempt": of["attempt"], "environment": of["line"][1],
                "failedBecause": ends(of), "rollsBack": of["back"], "rework": of["rework"],
                "incidents": sorted(name for name, _, _ in of["incidents"]),
                "recoverySeconds": whole(of["recovered"] - of["finished"]) if of["recovered"] else None,
                "commits": sorted(lead[1] for lead in mine if lead[0] is of),
            } for of in within],
        }


def main(folder, seeds):
    for seed in seeds:
        organization.write(folder, seed, approvals=True)
        oracle = Oracle(folder, seed)
        pipelines = {"web": 11, "api": 12, "ledger": 21, "mobile": "mobile"}
        expected = {"": oracle.report(lambda of: PRODUCTION[of["line"][1]])}
        for name, number in pipelines.items():
            expected[f"pipeline={name}"] = oracle.report(lambda of: PRODUCTION[of["line"][1]] and of["name"] == name)
        expected["environment=staging"] = oracle.report(lambda of: of["line"][1] == "staging")
        expected["project=bank"] = oracle.report(lambda of: PRODUCTION[of["line"][1]] and of["project"] == "bank")
        ran = flow.Flow(f"{folder}/{seed}.ndjson", oracle.told.reports, oracle.zone, oracle.start, oracle.end, oracle.now)
        expected["flow"] = {
            "": ran.report(lambda of: True), "pipeline=web": ran.report(lambda of: of["pipeline"] == "web"),
            "project=bank": ran.report(lambda of: of["project"] == "bank"),
        }
        with open(f"{folder}/{seed}.expected.json", "w") as file:
            json.dump(expected, file)


if __name__ == "__main__":
    main(sys.argv[1], [int(seed) for seed in sys.argv[2:]])
