"""What questions have to find, counted from raw events by other code than the program's. Standard library only.

`questions.py FOLDER QUESTIONS.json` makes up the organization of its seed, writes `SEED.ndjson` (its events) and
`SEED.json` (its plan), and `expected.json`: for each question the rows of its last call, or null where this file cannot
tell. It cannot where links are followed: by which rules one thing leads to another is what the program is for, and to
write them down twice would only be a copy.
"""

import json
import sys
from collections import defaultdict
from datetime import datetime, timedelta, timezone

import organization

DAY = timedelta(days=1)
GOOD = ("succeeded", "partiallySucceeded")
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
        self.runs, self.stages = {}, defaultdict(dict)
        for kind, of in events(path):
            if kind == "build.complete":
                self.build(of)
            elif kind.endswith("stage-state-changed-event"):
                stage = of["stage"]
                self.stages[of["runId"]][(stage["name"], stage["attempt"])] = {
                    "result": stage["result"], "started": read(stage["startTime"]), "finished": read(stage["finishTime"]),
                }

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
            "pool": of.get("queue", {}).get("pool", {}).get("name"),
        }

    def samples(self, filters, window, by_stage):
        for run in self.runs.values():
            if not self.fits(run, filters) or not window[0] <= run["queued"] < window[1]:
                continue
            if not by_stage:
                yield run
            else:
                for (name, _), stage in self.stages[run["id"]].items():
                    # A stage has the words of its run but for these.
                    yield {**run, "stage": name, **stage, "queued_of_stage": None}

    @staticmethod
    def fits(run, filters):
        short = run["branch"].removeprefix("refs/heads/")
        has = {"project": run["project"], "pipeline": run["pipeline"], "branch": short, "result": run["result"],
               "state": run["state"], "requestedFor": run["person"], "pool": run["pool"]}
        return all(has[key] == wanted.removeprefix("refs/heads/") for key, wanted in filters.items())


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
    found, groups = defaultdict(Tally), asked.get("groupBy", [])
    for one in told.samples(asked.get("filters", {}), span, "stage" in groups):
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


def compare_periods(told, asked, now):
    span, measure = window(asked, now), asked["measure"]
    long = span[1] - span[0]
    if asked.get("window") in ("this month", "last month"):
        # Before a month is a month, however long it was.
        long = span[0] - month(span[0], 1)
    before = (span[0] - long, span[0])
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
        row["last"]["pipelineId"], name, row["last"]["project"], row["last"]["repository"], None, None, row["runs"], 0,
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
    """No event tells why, and nobody asked for a timeline."""
    run = told.runs[asked["runId"]]
    return [[run["id"], run["project"], run["pipeline"], run["branch"], text(run["finished"]), None, None, None, None, True]]


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
        text(run[-1]["finished"]), is_known, run[0]["id"], failed_in(told, run[0]), None, "fabrikam",
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


def trace(told, asked, now):
    """To this work item nothing leads; to others the names of branches do, which is the program's own rule."""
    return [] if asked.get("workItem") == 5000 else None


def main(folder, questions):
    asked = json.load(open(questions))
    seed = asked["seed"]
    organization.write(folder, seed)
    now = read(json.load(open(f"{folder}/{seed}.json"))["plan"]["now"]) + 3 * DAY
    told = Told(f"{folder}/{seed}.ndjson")
    told.records = json.load(open(f"{folder}/{seed}.json"))["records"]
    tools = {
        "aggregate": aggregate, "compare_periods": compare_periods, "query_runs": query_runs, "list_pipelines": list_pipelines,
        "get_run": get_run, "get_failure": get_failure, "broken_now": broken_now, "describe_data": describe_data,
        "query_approvals": nothing, "data_health": nothing, "trace": trace, "current_deployments": current_deployments,
        "query_deployments": query_deployments, "diff_environments": diff_environments,
    }
    expected = {}
    for one in asked["questions"]:
        call = one.get("calls", [{}])[-1]
        tool = tools.get(call.get("tool"))
        expected[one["id"]] = tool(told, call["arguments"], now) if tool else None
    json.dump({"now": text(now), "expected": expected}, open(f"{folder}/expected.json", "w"))


if __name__ == "__main__":
    main(*sys.argv[1:])
