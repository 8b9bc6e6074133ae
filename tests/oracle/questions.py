"""What questions have to find, counted from raw events by other code than the program's. Standard library only.

`questions.py FOLDER QUESTIONS.json` makes up the organization of its seed, writes `SEED.ndjson` (its events) and
`SEED.json` (its plan, and the errors that timelines tell), and `expected.json`: for each question the rows of its last
call.
"""

import json
import sys
from collections import defaultdict
from datetime import datetime, timedelta, timezone

import dora as delivery
import organization
from terms import STAGES

DAY = timedelta(days=1)
GOOD = ("succeeded", "partiallySucceeded")
OWNERS = {"web": ("storefront", "sellers"), "api": ("storefront", "sellers"), "ledger": ("books", "keepers")}
ERRORS = ["disk full", "connection refused", None]
EVER = (datetime(1970, 1, 1, tzinfo=timezone.utc), datetime(2970, 1, 1, tzinfo=timezone.utc))


def read(text):
    return None if not text else datetime.fromisoformat(text.replace("Z", "+00:00"))


def text(time):
    """As the program writes times: no more digits than there are."""
    if time is None:
        return None
    whole = time.strftime("%Y-%m-%dT%H:%M:%S")
    part = f"{time.microsecond:06d}".rstrip("0")
    return whole + (f".{part}" if part else "") + "Z"


def whole(span):
    return span // timedelta(seconds=1)


def rank(percent, values):
    values = sorted(values)
    return values[max(1, -(-percent * len(values) // 100)) - 1] if values else None


def events(path):
    for line in open(path):
        event = json.loads(line)
        yield event["eventType"], event["resource"]


class Told:
    def __init__(self, path):
        self.runs, self.stages, self.requests = {}, defaultdict(dict), {}
        for kind, of in events(path):
            if kind == "build.complete":
                self.build(of)
            elif kind.endswith("stage-state-changed-event"):
                stage = of["stage"]
                self.stages[of["runId"]][(stage["name"], stage["attempt"])] = {
                    "result": stage["result"], "started": read(stage["startTime"]), "finished": read(stage["finishTime"]),
                }
            elif kind.startswith("git.pullrequest."):
                request = self.requests.setdefault(of["pullRequestId"], {"name": of["title"], "branch": of["sourceRefName"]})
                request.setdefault("commits", set()).add(of["lastMergeSourceCommit"]["commitId"])
                request["commits"].update(commit["commitId"] for commit in of.get("commits", []))
                if of["status"] == "completed":
                    request.update(merge=of["lastMergeCommit"]["commitId"])
        for run in self.runs.values():
            run["service"], run["team"] = OWNERS[run["pipeline"]]
            run["errorSignature"] = ERRORS[run["id"] % 3] if run["result"] == "failed" else None

    def build(self, of):
        finished = read(of["finishTime"])
        known = self.runs.get(of["id"])
        if known and known["finished"] > finished:
            return
        self.runs[of["id"]] = {
            "id": of["id"], "project": of["project"]["name"], "pipeline": of["definition"]["name"], "name": of["buildNumber"],
            "pipelineId": of["definition"]["id"],
            "branch": of["sourceBranch"], "commit": of["sourceVersion"], "result": of["result"], "state": "completed",
            "repository": of["repository"]["name"], "queued": read(of["queueTime"]), "started": read(of["startTime"]),
            "finished": finished, "reason": of["reason"], "person": of["requestedFor"]["displayName"],
            "pool": of.get("queue", {}).get("pool", {}).get("name"), "organization": "fabrikam",
        }

    def samples(self, filters, window, by_stage):
        of_stages = {key: wanted for key, wanted in filters.items() if key in ("stage", "environment")}
        of_runs = {key: wanted for key, wanted in filters.items() if key not in of_stages}
        for run in self.runs.values():
            if not self.fits(run, of_runs) or not window[0] <= run["queued"] < window[1]:
                continue
            # A stage has the words of its run but for these.
            stages = [
                {**run, "stage": name, "environment": STAGES.get(name), **stage}
                for (name, _), stage in self.stages[run["id"]].items()
            ]
            stages = [stage for stage in stages if all(stage[key] == wanted for key, wanted in of_stages.items())]
            if by_stage:
                yield from stages
            elif stages or not of_stages:
                yield run

    @staticmethod
    def fits(run, filters):
        short = run["branch"].removeprefix("refs/heads/")
        has = {**run, "branch": short, "requestedFor": run["person"], "day": bucket("day", run["queued"]), "hour": run["queued"].hour}
        return all(has[key] == (wanted.removeprefix("refs/heads/") if key == "branch" else wanted) for key, wanted in filters.items())


def midnight(time):
    return time.replace(hour=0, minute=0, second=0, microsecond=0)


def month(time, back=0):
    first = midnight(time).replace(day=1)
    for _ in range(back):
        first = (first - DAY).replace(day=1)
    return first


def window(asked, now):
    """Days, weeks and months are whole, also where they are not over."""
    words, today = asked.get("window"), midnight(now)
    monday = today - DAY * today.weekday()
    if words is None:
        return now - 30 * DAY, now
    if words == "today":
        return today, today + DAY
    if words == "yesterday":
        return today - DAY, today
    if words in ("this week", "last week"):
        from_ = monday if words == "this week" else monday - 7 * DAY
        return from_, from_ + 7 * DAY
    if words == "this month":
        return month(now), month(month(now) + 31 * DAY)
    if words == "last month":
        return month(now, 1), month(now)
    if words == "since monday":
        return monday, now
    last, count, days = words.split()
    assert (last, days) == ("last", "days"), words
    return now - int(count) * DAY, now


class Tally:
    def __init__(self):
        self.samples = self.good = self.bad = self.canceled = 0
        self.lasted, self.waited, self.commits = [], [], defaultdict(set)

    def add(self, one):
        good, bad = one["result"] in GOOD, one["result"] == "failed"
        self.samples += 1
        self.good += good
        self.bad += bad
        self.canceled += one["result"] == "canceled"
        if (good or bad) and one["started"] and one["finished"]:
            self.lasted.append(whole(one["finished"] - one["started"]))
        if one["queued"] and one["started"]:
            self.waited.append(whole(one["started"] - one["queued"]))
        self.commits[(one["pipeline"], one["commit"])].update(["good"] * good + ["bad"] * bad)

    def number(self, measure):
        share = lambda part: part / (self.good + self.bad) if self.good + self.bad else None
        return {
            "count": lambda: self.samples, "succeeded": lambda: self.good, "failed": lambda: self.bad,
            "canceled": lambda: self.canceled, "successRate": lambda: share(self.good), "failureRate": lambda: share(self.bad),
            "medianDurationSeconds": lambda: rank(50, self.lasted), "p95DurationSeconds": lambda: rank(95, self.lasted),
            "medianQueueSeconds": lambda: rank(50, self.waited), "p95QueueSeconds": lambda: rank(95, self.waited),
            "flakyCommits": lambda: sum(len(found) == 2 for found in self.commits.values()),
            "commits": lambda: len({commit for _, commit in self.commits}),
        }[measure]()


def cell(number):
    return round(number, 4) if isinstance(number, float) else number


def bucket(kind, time):
    day = midnight(time)
    if kind == "week":
        day -= DAY * day.weekday()
    return day.strftime("%Y-%m" if kind == "month" else "%Y-%m-%d")


def group(dimension, one):
    if dimension == "hour":
        return str(one["queued"].hour)
    return bucket("day", one["queued"]) if dimension == "day" else one[dimension]


def tallies(told, asked, span):
    found, groups, filters = defaultdict(Tally), asked.get("groupBy", []), asked.get("filters", {})
    by_stage = any(of in (*groups, *filters) for of in ("stage", "environment"))
    for one in told.samples(filters, span, by_stage):
        names = [bucket(asked["bucket"], one["queued"])] if "bucket" in asked else []
        found[tuple(names + [group(dimension, one) for dimension in groups])].add(one)
    return found


def by_names(names):
    """What has no name comes first."""
    return [(name is not None, name or "") for name in names]


def aggregate(told, asked, now):
    span, measure = window(asked, now), asked["measure"]
    found = tallies(told, asked, span)
    if "bucket" in asked and not asked.get("groupBy"):
        at = span[0]
        while at < span[1]:
            found[(bucket(asked["bucket"], at),)]
            at += timedelta(hours=1)
    rows = sorted(found.items(), key=lambda row: by_names(row[0]))
    if "bucket" not in asked:
        down = asked.get("order") != "ascending"
        number = lambda row: row[1].number(measure)
        known = sorted((row for row in rows if number(row) is not None), key=number, reverse=down)
        # Sorting keeps the order of equals, also backwards.
        rows = known + [row for row in rows if number(row) is None]
    return [[*names, cell(tally.number(measure)), tally.samples] for names, tally in rows[:20]]


def before_of(asked, span):
    long = span[1] - span[0]
    if asked.get("window") in ("this month", "last month"):
        # Before a month is a month, however long it was.
        long = span[0] - month(span[0], 1)
    return span[0] - long, span[0]


def compare_periods(told, asked, now):
    span, measure = window(asked, now), asked["measure"]
    before = before_of(asked, span)
    one, other = tallies(told, asked, span), tallies(told, asked, before)
    rows = []
    for names in sorted({*one, *other}, key=by_names):
        late, early = one[names].number(measure), other[names].number(measure)
        change = None if late is None or early is None else late - early
        rows.append((names, late, early, change, one[names].samples, other[names].samples))
    rows.sort(key=lambda row: (-(abs(row[3]) if row[3] is not None else -1), by_names(row[0])))
    return [[*row[0], cell(row[1]), cell(row[2]), cell(row[3]), row[4], row[5]] for row in rows[:20]]


def query_runs(told, asked, now):
    found = sorted(told.samples(asked.get("filters", {}), window(asked, now), False), key=lambda run: -run["id"])
    return [[
        run["id"], run["project"], run["pipeline"], run["name"], run["state"], run["result"], run["branch"], run["commit"],
        run["person"], text(run["queued"]), text(run["finished"]), whole(run["finished"] - run["started"]), "fabrikam",
    ] for run in found[:asked.get("top", 20)]]


def list_pipelines(told, asked, now):
    rows = {}
    for run in sorted(told.samples(asked, EVER, False), key=lambda run: run["id"]):
        known = rows.setdefault(run["pipeline"], {"runs": 0})
        known.update(last=run, runs=known["runs"] + 1)
    return [[
        row["last"]["pipelineId"], name, row["last"]["project"], row["last"]["repository"], *OWNERS[name], row["runs"], 0,
        row["last"]["id"], row["last"]["state"], row["last"]["result"], "fabrikam",
    ] for name, row in sorted(rows.items())]


def get_run(told, asked, now):
    run = told.runs[asked["runId"]]
    stages = sorted(told.stages[run["id"]].items(), key=lambda row: (row[1]["started"] is None, row[1]["started"] or now, row[0]))
    return [[
        run["id"], run["project"], run["pipeline"], run["state"], run["result"], name, attempt, "completed", stage["result"],
        text(stage["started"]), text(stage["finished"]), whole(stage["finished"] - stage["started"]) if stage["started"] else None,
    ] for (name, attempt), stage in stages]


def get_failure(told, asked, now):
    """The run, and the others with its error in 90 days."""
    this = told.runs[asked["runId"]] if "runId" in asked else max(
        (run for run in told.runs.values() if run["pipeline"] == asked["pipeline"] and run["result"] == "failed"),
        key=lambda run: run["id"],
    )
    error = this["errorSignature"]
    same = [run for run in told.runs.values() if error and run["errorSignature"] == error and run["queued"] >= now - 90 * DAY]
    rows = [(this, [error, True])] + [(run, [None, False]) for run in sorted(same, key=lambda run: -run["id"]) if run is not this]
    return [
        [run["id"], run["project"], run["pipeline"], run["branch"], text(run["finished"]), None, None, None, *told_of]
        for run, told_of in rows
    ]


def failed_in(told, run):
    """The stage that failed in the last attempt, the first by its name where several did."""
    failed = [(-attempt, name) for (name, attempt), stage in told.stages[run["id"]].items() if stage["result"] == "failed"]
    return min(failed)[1] if failed else None


def broken_now(told, asked, now):
    branch, found = asked.get("branch"), []
    for pipeline in {run["pipeline"] for run in told.runs.values()}:
        for ref in {run["branch"] for run in told.runs.values()}:
            mine = [run for run in told.runs.values() if (run["pipeline"], run["branch"]) == (pipeline, ref)]
            mine = [run for run in sorted(mine, key=lambda run: -run["id"]) if run["result"] in (*GOOD, "failed")]
            good = next((at for at, run in enumerate(mine) if run["result"] in GOOD), None)
            failures = mine[:good]
            if failures and (ref == f"refs/heads/{branch}" if branch else ref == "refs/heads/main"):
                found.append((failures, good is not None))
    in_production = lambda run: failed_in(told, run) in ("production", "prod-eu", "prod-us")
    found.sort(key=lambda row: (not in_production(row[0][0]), -row[0][0]["id"]))
    return [[
        run[0]["pipeline"], run[0]["project"], run[0]["branch"], len(run), run[-1]["id"], run[-1]["commit"],
        text(run[-1]["finished"]), is_known, run[0]["id"], failed_in(told, run[0]), run[0]["errorSignature"], "fabrikam",
    ] for run, is_known in found]


def describe_data(told, asked, now):
    rows = []
    for project in sorted({run["project"] for run in told.runs.values()}):
        runs = [run for run in told.runs.values() if run["project"] == project]
        queued = [run["queued"] for run in runs]
        there = sorted({record["environment"][1] for record in told.records if record["project"] == project})
        rows.append([
            "fabrikam", project, len({run["pipeline"] for run in runs}), len(runs), text(min(queued)), text(max(queued)),
            ", ".join(there), len({run["branch"] for run in runs}),
        ])
    return rows


def deployed(told, environment):
    """What came there: by its records, or in a stage of that name of a pipeline of which some are there."""
    known = {(of["pipeline"], of["run"], of["stage"], of["attempt"]): of for of in told.records}
    there = {(of["pipeline"], of["stage"]) for of in told.records if of["environment"][1] == environment}
    for run in told.runs.values():
        for (name, attempt), stage in told.stages[run["id"]].items():
            record = known.get((run["pipelineId"], run["id"], name, attempt))
            if record and record["environment"][1] == environment:
                yield run, name, attempt, record["result"], read(record["started"]), read(record["finished"]), "certain"
            elif not record and (run["pipelineId"], name) in there and stage["result"] != "skipped":
                yield run, name, attempt, stage["result"], stage["started"], stage["finished"], "likely"


def current(told, environment):
    """The last that came well, of each pipeline."""
    last = {}
    for of in sorted(deployed(told, environment), key=lambda of: of[5]):
        if of[3] in GOOD:
            last[of[0]["pipeline"]] = of
    return last


def deployment(environment, of):
    run, stage, attempt, result, started, finished, certainty = of
    return [
        environment, run["project"], run["pipeline"], run["name"], run["id"], None, stage, attempt, "completed", result,
        text(started), text(finished), run["commit"], certainty, "fabrikam",
    ]


def current_deployments(told, asked, now):
    return [deployment(asked["environment"], of) for of in current(told, asked["environment"]).values()]


def query_deployments(told, asked, now):
    start, end = window(asked, now)
    found = [of for of in deployed(told, asked["environment"]) if of[4] and start <= of[4] < end]
    return [deployment(asked["environment"], of) for of in sorted(found, key=lambda of: of[4], reverse=True)]


def diff_environments(told, asked, now):
    here, there = current(told, asked["inEnvironment"]), current(told, asked["notIn"])
    rows = []
    for pipeline, (run, _, _, _, _, finished, _) in sorted(here.items()):
        other = there.get(pipeline)
        if not other or other[0]["id"] != run["id"]:
            known = [other[0]["name"], other[0]["id"], text(other[5])] if other else [None] * 3
            rows.append([pipeline, run["project"], run["name"], run["id"], text(finished), *known])
    return rows


def nothing(told, asked, now):
    """No event of the organization tells of any."""
    return []


def links(told):
    """From what to what, by which rule, and whether that is certain."""
    for number, request in told.requests.items():
        of = ("pullRequest", number)
        if request["branch"].endswith(f"/{number}"):
            yield ("workItem", number), of, "branchName", False
        for commit in request["commits"]:
            yield ("commit", commit), of, "pullRequestCommit", True
        if "merge" in request:
            yield of, ("commit", request["merge"]), "mergeCommit", True
    for run in told.runs.values():
        of = ("run", run["id"])
        yield ("commit", run["commit"]), of, "built", True
        for name in {of["environment"][1] for of in told.records}:
            for there, stage, attempt, result, started, finished, certainty in deployed(told, name):
                if there is run and result in GOOD:
                    rule = {"certain": "deploymentRecord", "likely": "stageOfRecords"}[certainty]
                    yield of, ("environment", f"{run['project']}/{name}"), rule, certainty == "certain"


def reached(known_links, start, forward):
    """By certain links alone as far as they lead, and then by likely ones from all of that; each thing once."""
    known = {start: (0, True, None)}
    for sure in (True, False):
        steps = 0
        while steps < 12:
            for cause, effect, rule, certain in known_links:
                here, there = (cause, effect) if forward else (effect, cause)
                if here in known and known[here][0] == steps and there not in known and (certain or not sure):
                    known[there] = (steps + 1, known[here][1] and certain, rule)
            steps += 1
    del known[start]
    return known


def trace(told, asked, now):
    (key, value), known_links = next(iter(asked.items())), list(links(told))
    if key == "commit":
        value, = {end[1] for link in known_links for end in link[:2] if end[0] == "commit" and end[1].startswith(value)}
    rows = []
    for direction, forward in (("before", False), ("after", True)):
        for (kind, id), (steps, certain, rule) in reached(known_links, (key, value), forward).items():
            name = state = None
            if kind == "run":
                run = told.runs[id]
                name, state = f"{run['pipeline']} {run['name']}", run["result"]
            elif kind == "pullRequest":
                request = told.requests[id]
                name, state = request["name"], "completed" if "merge" in request else "active"
            elif kind == "commit":
                name = "Work"
            rows.append([direction, kind, str(id), name, state, rule, "certain" if certain else "likely", steps, None])
    return rows


class Delivery:
    """The numbers of a time, by the oracle of delivery metrics."""

    def __init__(self, told, asked, span, now):
        ends = {"from": text(span[0]), "until": text(span[1]), "now": text(now), "zone": "UTC", "partial": "counts"}
        since = lambda horizon=None: delivery.Oracle(*told.place, environment=asked.get("environment"), horizon=horizon, **ends)
        self.oracle, self.span = since(), span
        owner = lambda of: OWNERS.get(of["name"], (None, None))
        self.key = {
            **{key: lambda of, key=key: of[key] for key in ("project", "environment")}, "pipeline": lambda of: of["name"],
            "service": lambda of: owner(of)[0], "team": lambda of: owner(of)[1],
        }
        wanted = {key: value for key, value in asked.items() if key in self.key}
        production = lambda of: "environment" in wanted or of["production"]
        self.fits = lambda of: production(of) and all(self.key[key](of) == value for key, value in wanted.items())
        self.oracle = delivery.far_enough(self.oracle, self.selection(self.fits), since)

    def selection(self, wanted):
        return delivery.Selection(self.oracle, list(filter(wanted, self.oracle.deployments)))

    def groups(self, by):
        return {self.key[by](of) for of in self.oracle.deployments if self.fits(of) and self.span[0] <= of["finished"] < self.span[1]}

    def of(self, by, name):
        chosen = self.selection(lambda of: self.fits(of) and (by is None or self.key[by](of) == name))
        return lambda span: self.metrics(chosen.bucket(*span))

    @staticmethod
    def metrics(it):
        number = lambda of: None if of["value"] is None else float(of["value"])
        lead, often, recovery = it["changeLeadTime"], it["deploymentFrequency"], it["failedDeploymentRecoveryTime"]
        failed, rework = it["changeFailRate"], it["deploymentReworkRate"]
        median = lambda spread: (number(spread["median"]), spread["count"])
        return [
            ("change lead time, median", "seconds", *median(lead["total"]), lead["level"]),
            ("of it review, median", "seconds", *median(lead["review"]), None),
            ("of it deployment, median", "seconds", *median(lead["deployment"]), None),
            ("deployment frequency", "days a week", number(often["medianDeployDaysAWeek"]), often["deployments"]["value"], often["level"]),
            ("failed deployment recovery time, median", "seconds", *median(recovery["time"]), recovery["level"]),
            ("change fail rate", "share", number(failed["rate"]), failed["finished"], failed["level"]),
            ("deployment rework rate", "share", number(rework["rate"]), rework["finished"], None),
        ]


FAMILIES = ["changeLeadTime"] * 3 + ["deploymentFrequency", "failedDeploymentRecoveryTime", "changeFailRate", "deploymentReworkRate"]
# Why there is no number is asked for as little as possible: of these questions there are but these.
WHY = {"deployment rework rate": "nobody tells of incidents", "failed deployment recovery time, median": "none failed"}


def dora(told, asked, now):
    span = window(asked, now)
    before = before_of(asked, span)
    late, early = Delivery(told, asked, span, now), Delivery(told, asked, before, now)
    of = lambda value: None if value is None else round(value, 4)
    kept = lambda metrics: [(at, metric) for at, metric in enumerate(metrics) if asked.get("metric") in (None, FAMILIES[at])]
    by, rows = asked.get("groupBy"), []
    if by is None:
        middle = span[0] + (span[1] - span[0]) / 2
        numbers = late.of(None, None)
        beside = [early.of(None, None)(before), numbers((span[0], middle)), numbers((middle, span[1]))]
        for at, (name, unit, value, samples, how) in kept(numbers(span)):
            why = WHY[name] if value is None else None
            rows.append([name, of(value), unit, how, samples, *[of(part[at][2]) for part in beside], why])
        return rows
    now_there, then_there = late.groups(by), early.groups(by)
    for group in sorted(now_there | then_there, key=lambda name: by_names([name])):
        there = [late.of(by, group)(span), early.of(by, group)(before)]
        nothing = lambda at: (*there[0][at][:2], None, 0, None)
        for at, metric in kept(there[0]):
            metric = metric if group in now_there else nothing(at)
            earlier = there[1][at] if group in then_there else nothing(at)
            change = None if metric[2] is None or earlier[2] is None else metric[2] - earlier[2]
            why = WHY[metric[0]] if metric[2] is None and group in now_there else None
            order = (FAMILIES.index(FAMILIES[at]), -(abs(change) if change is not None else -1))
            rows.append((order, [group, metric[0], of(metric[2]), metric[1], metric[4], metric[3], of(earlier[2]), of(change), earlier[3], why]))
    return [row for _, row in sorted(rows, key=lambda row: row[0])]


def main(folder, questions):
    asked = json.load(open(questions))
    seed = asked["seed"]
    organization.write(folder, seed)
    about = json.load(open(f"{folder}/{seed}.json"))
    now = read(about["plan"]["now"]) + 3 * DAY
    told = Told(f"{folder}/{seed}.ndjson")
    told.records, told.place = about["records"], (folder, seed)
    about["errors"] = [
        {"pipeline": run["pipelineId"], "run": run["id"], "message": run["errorSignature"], "at": text(run["finished"])}
        for run in told.runs.values() if run["errorSignature"]
    ]
    json.dump(about, open(f"{folder}/{seed}.json", "w"))
    tools = {
        "aggregate": aggregate, "compare_periods": compare_periods, "query_runs": query_runs, "list_pipelines": list_pipelines,
        "get_run": get_run, "get_failure": get_failure, "broken_now": broken_now, "describe_data": describe_data,
        "query_approvals": nothing, "data_health": nothing, "trace": trace, "current_deployments": current_deployments,
        "query_deployments": query_deployments, "diff_environments": diff_environments, "dora": dora,
    }
    expected = {}
    for one in asked["questions"]:
        if "calls" in one:
            call = one["calls"][-1]
            expected[one["id"]] = tools[call["tool"]](told, call["arguments"], now)
    json.dump({"now": text(now), "expected": expected}, open(f"{folder}/expected.json", "w"))


if __name__ == "__main__":
    main(*sys.argv[1:])
