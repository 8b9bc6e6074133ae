"""Delivery metrics from raw events, by other code than the program's. Standard library only.

`dora.py FOLDER SEED...` makes up an organization for each seed, and writes `SEED.ndjson` (its events), `SEED.json` (its
configuration, what the REST API would say, and what to ask) and `SEED.expected.json` (the questions with their answers).
"""

import json
import sys
from collections import Counter, defaultdict
from datetime import timedelta
from zoneinfo import ZoneInfo

import flow
import organization
from report import Selection, failed, whole
from terms import Terms
from told import EPOCH, Told, read
from traps import traps

LOOK_BACK = timedelta(days=30)
FURTHEST = timedelta(days=365)
GROUPS = ["pipeline", "repository", "project", "environment", "service", "team", "person"]


class Oracle:
    def __init__(self, folder, seed, environment=None, horizon=None, **other):
        """As its plan has it, or with another time and other terms. Beside production one environment may be looked at.

        What was before the horizon is not looked at, but for the last that was there."""
        self.told, self.looked_at = Told(folder, seed), environment
        plan = self.told.plan = {**self.told.plan, **other}
        self.terms = Terms(self.told.about["terms"], plan["partial"])
        self.zone = ZoneInfo(plan["zone"])
        self.start, self.end, self.now = (read(plan[key]) for key in ("from", "until", "now"))
        self.horizon = horizon or self.start - LOOK_BACK
        self.merges = {request["merge"]: (number, request) for number, request in self.told.requests.items() if "merge" in request}
        for request in self.merges.values():
            if request[1].get("commits") == [request[1]["merge"]]:
                request[1]["commits"] = []
            if "approved" in request[1] and "closed" in request[1]:
                request[1]["approved"] = min(request[1]["approved"], request[1]["closed"])
        items = [of for of in self.told.incidents.values() if self.terms.is_incident(of["type"], of["tags"])]
        self.sources = {of["project"] for of in items} | {of.get("project") for of in self.told.troubles.values()}
        self.deployments = sorted(self.since_horizon(self.find()), key=self.order)
        self.lines = defaultdict(list)
        for deployed in self.deployments:
            self.lines[deployed["line"]].append(deployed)
        self.link()
        for line in self.lines.values():
            self.judge(line)

    @staticmethod
    def order(of):
        return of["finished"], of["run"], of["attempt"], of["stage"], of["environment"]

    def find(self):
        """All that ended as a deployment does, where production is or what is looked at beside it."""
        found = [self.deployed(*of) for of in [*self.staged(), *self.released(), *self.reported()]]
        found = [of for of in found if of]
        found += [of for of in (self.deployed(*of) for of in self.whole_runs(found)) if of]
        return found

    def deployed(self, source, place, result, about):
        """The same of each: what it is of, and what is found out later."""
        ending = self.terms.ending(result)
        if ending is None or place is None or about["finished"] >= self.now:
            return None
        environment, production = place
        if not production and environment.lower() != (self.looked_at or "").lower():
            return None
        return {
            "source": source, "line": (about["id"], environment, source, about["name"]), "environment": environment,
            "production": production, "ending": ending, "fix": False, "brought": [], "incidents": [], "by": None, "back": False,
            "changes": None, "isLikely": False, "rework": False, "recovered": None, "recoveredBy": None, **about,
        }

    def staged(self):
        """Attempts of stages: a record tells of it, or records of others of that stage, or an approval, or its name."""
        known, recorded = defaultdict(set), set()
        for record in self.told.records:
            key = record["pipeline"], record["run"], record["stage"], record["attempt"]
            recorded.add(key)
            known[(record["pipeline"], record["stage"])].add(record["environment"][1])
            yield self.stage(key, record["result"], read(record["finished"]), self.terms.environment(record["environment"][1]), "record")
        for key, (result, finished) in self.told.stages.items():
            if key in recorded or finished is None:
                continue
            pipeline, run, stage, _ = key
            name, guarded = self.told.runs[run]["name"], self.told.guarded[(run, stage)]
            if known[(pipeline, stage)]:
                places, how = map(self.terms.environment, known[(pipeline, stage)]), "stage"
            elif guarded:
                places, how = map(self.terms.environment, guarded), "approval"
            else:
                places, how = [None if self.terms.run(name) else self.terms.stage(name, stage)], "pattern"
            for place in places:
                yield self.stage(key, result, finished, place, how)

    def stage(self, key, result, finished, place, how):
        _, run, stage, attempt = key
        about = {**self.told.runs[run], "stage": stage, "attempt": attempt, "how": how}
        return "pipeline", place, result, {**about, "finished": finished}

    def whole_runs(self, found):
        """Those that the configuration says deploy, unless some of their stages did."""
        staged = {of["run"] for of in found if of["source"] == "pipeline"}
        for number, run in self.told.runs.items():
            if number not in staged:
                yield "pipeline", self.terms.run(run["name"]), run["result"], {**run, "stage": "", "attempt": 1, "how": "pattern"}

    def released(self):
        releases = self.told.releases
        for (number, stage, attempt), (result, finished) in releases.stages.items():
            definition, project = releases.definitions[number]
            nothing = {"commit": None, "branch": None, "repository": None, "who": None}
            about = {
                **self.told.runs.get(releases.runs.get(number), nothing), "run": number, "id": definition["id"],
                "name": definition["name"], "project": project["name"], "projectId": project["id"], "folder": None,
                "stage": stage, "attempt": attempt, "how": "record", "finished": finished,
            }
            yield "release", self.terms.environment(stage), result, about

    def reported(self):
        for of in self.told.reports:
            if of["kind"] == "deploy":
                commit = of["commit"] or (of["commits"][0] if len(of["commits"]) == 1 else None)
                yield "reported", self.terms.environment(of["environment"]), of["result"], {
                    "id": 0, "name": of["subject"], "repository": of["subject"], "folder": None, "who": None, "branch": None,
                    "project": of["project"], "projectId": None, "stage": "", "attempt": 1, "how": "record", "commit": commit,
                    "run": (of["at"] - EPOCH) // timedelta(microseconds=1), "finished": of["at"], "brought": of["commits"],
                    "fix": of["fix"],
                }

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
        production = [of for of in self.deployments if of["production"]]
        for number, incident in self.told.incidents.items():
            is_one = self.terms.is_incident(incident["type"], incident["tags"])
            if not is_one or not self.horizon <= incident["opened"] < self.now:
                continue
            before = [of for of in production if of["finished"] <= incident["opened"] and of["project"] == incident["project"]]
            if before:
                over = self.terms.resolved_since(state for _, state in sorted(incident["states"].items()))
                over = over if over and over < self.now else None
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
            trouble.get("project") in (None, of["project"]) and trouble.get("environment") in (None, of["environment"])
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
            first[of["commit"]] = min(of["run"], first.get(of["commit"], of["run"]))
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
            if failed(of):
                by_itself = of["ending"] == "failed" or of["by"] is not None
                began = of["finished"] if by_itself else min(incident[1] for incident in of["incidents"])
                after = [other for other in line[at + 1:] if other["ending"] != "failed" and other["finished"] >= began][:1]
                over = [(other["finished"], 0, other) for other in after]
                over += [(max(incident[2], of["finished"]), 1, None) for incident in of["incidents"] if incident[2]]
                of["recovered"], _, of["recoveredBy"] = min(over, key=lambda end: end[:2]) if over else (None, None, None)
            follows = any(of["finished"] - self.terms.rework <= when < of["finished"] for when in opened)
            numbers = of["changes"].values() if isinstance(of["changes"], dict) else []
            requests = [self.told.requests[number] for number in numbers if number]
            names = [of["branch"] or ""] + [text for request in requests for text in (request["branch"], request["title"])]
            of["rework"] = of["back"] or (follows and (of["fix"] or any(map(self.terms.is_fix, names))))

    def likely(self, of, before):
        """What came between the two runs, or else what the runs of the branch since then built, the run itself among them."""
        compared = self.told.compared.get((of["run"], before["run"]))
        if of["source"] != "pipeline":
            return "unknown"
        if compared:
            for commit in compared:
                self.told.made.setdefault(commit["id"], read(commit["at"]))
            return self.stand_for([commit["id"] for commit in compared])
        if not self.told.built.get(of["run"], {}).get("commits"):
            return "unknown"
        of["isLikely"], commits = True, []
        for run, built in self.told.built.items():
            about = self.told.runs[run]
            same = about["id"] == of["id"] and about["branch"] == of["branch"]
            if run == of["run"] or (same and before["run"] < run < of["run"]):
                commits += [commit["id"] for commit in built["commits"]]
                for commit in built["commits"]:
                    self.told.made.setdefault(commit["id"], read(commit["at"]))
        return self.stand_for(commits)

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
                yield {
                    "of": of, "commit": commit, "total": whole(of["finished"] - made) if made else None, "split": split,
                    "request": of["changes"][commit],
                }

    def since(self):
        """Nothing is known of what was before: of the first of all deployments, or runs of pipelines that deploy."""
        first = {}
        for number, run in sorted(self.told.runs.items()):
            first.setdefault(run["id"], run["queued"])
        pipelines = {of["id"] for of in self.deployments if of["source"] == "pipeline"}
        return min([of["finished"] for of in self.deployments] + [first[id] for id in pipelines], default=None)


def questions(seed):
    """Each with whose deployments are wanted: production where no environment is named. By names or ids, in any case."""
    service, team = [("storefront", "SELLERS"), ("Phones", "keepers"), ("none", "none")][seed % 3]
    environment = [{}, "Blue", "eu", "customers", "staging", "cloud", "LIVE", "customers"][seed % 8] or "staging"
    ids = seed % 2
    wanted = [
        {}, {"pipeline": "11" if ids else "Web"}, {"pipeline": "12" if ids else "api"}, {"pipeline": "ledger"}, {"pipeline": "mobile"},
        {"pipeline": "web CD"}, {"environment": environment}, {"project": organization.PROJECTS["bank"] if ids else "Bank"},
        {"repository": "WEB"}, {"service": service}, {"team": team}, {"team": team, "environment": "staging", "project": "shop"},
    ]
    groups = [None, *GROUPS]
    return [{"wanted": one, "group": groups[(seed + nth) % len(groups)]} for nth, one in enumerate(wanted)]


def chosen_of(oracle, wanted):
    fits = lambda of: (of["production"] or "environment" in wanted) and oracle.terms.is_wanted(wanted, of)
    return Selection(oracle, [of for of in oracle.deployments if fits(of)])


def far_enough(oracle, chosen, since):
    """An oracle that looks back as far as the oldest commit of the time: it may have been deployed before, too."""
    made = [oracle.told.made.get(lead["commit"]) for lead in chosen.leads_within(oracle.start, oracle.end)]
    oldest = min((at for at in made if at), default=oracle.horizon)
    return since(max(oldest, oracle.start - FURTHEST)) if oldest < oracle.horizon else oracle


def answer(oracle, asked):
    wanted, span = asked["wanted"], (oracle.start, oracle.end)
    chosen = chosen_of(oracle, wanted)
    told = chosen.report(*span, oracle.told.plan["period"])
    if not asked["group"]:
        return told
    group = lambda of: oracle.terms.group(asked["group"], of)
    names = Counter(group(of) for of in chosen.within(*span))
    # Those with the most first, at most a hundred.
    order = sorted(names, key=lambda name: (-names[name], name is not None, name))[:100]
    of_group = lambda name: Selection(oracle, [of for of in chosen.chosen if group(of) == name])
    return {**told, "groups": [{"name": name, "numbers": of_group(name).bucket(*span)} for name in order]}


def main(folder, seeds):
    for seed in seeds:
        organization.write(folder, seed, more=True)
        oracles, further = {}, 0
        told = {"delivery": questions(seed), "flow": flow.questions(seed, GROUPS)}
        for asked in told["delivery"]:
            environment = asked["wanted"].get("environment")
            if environment not in oracles:
                oracles[environment] = Oracle(folder, seed, environment)
            chosen = chosen_of(oracles[environment], asked["wanted"])
            oracle = far_enough(oracles[environment], chosen, lambda horizon: Oracle(folder, seed, environment, horizon))
            further += oracle is not oracles[environment]
            asked["expected"] = answer(oracle, asked)
        ran = flow.Flow(oracles[None])
        for asked in told["flow"]:
            asked["expected"] = ran.report(asked)
        told["traps"] = {**traps(oracles[None], told), "a commit older than what is usually read": further}
        with open(f"{folder}/{seed}.expected.json", "w") as file:
            file.write(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], [int(seed) for seed in sys.argv[2:]])
