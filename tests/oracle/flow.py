"""How pipelines run, counted from raw events by other code than the program's. Standard library only."""

import json
from collections import defaultdict
from datetime import datetime, timedelta

GOOD = ("succeeded", "partiallySucceeded")
PERCENTS = (50, 75, 95)


def read(text):
    return None if not text else datetime.fromisoformat(text.replace("Z", "+00:00"))


def rank(percent, values):
    values = sorted(values)
    return values[max(1, -(-percent * len(values) // 100)) - 1] if values else None


def spread(values):
    return [[rank(percent, values) for percent in PERCENTS], len(values)]


def share(part, whole):
    # As text: readers of JSON differ in the last digit.
    return repr(part / whole) if whole else None


def whole(span):
    return span // timedelta(seconds=1)


def runs(path):
    """Each as it ended last: who tries a stage again has its build told once more."""
    found = {}
    for line in open(path):
        event = json.loads(line)
        of = event["resource"]
        if event["eventType"] != "build.complete":
            continue
        finished = read(of["finishTime"])
        if of["id"] in found and found[of["id"]]["finished"] > finished:
            continue
        found[of["id"]] = {
            "id": of["id"], "pipeline": of["definition"]["name"], "project": of["project"]["name"], "branch": of["sourceBranch"],
            "commit": of["sourceVersion"], "result": of["result"], "queued": read(of["queueTime"]), "started": read(of["startTime"]),
            "finished": finished, "pool": of.get("queue", {}).get("pool", {}).get("name"),
        }
    return sorted(found.values(), key=lambda run: (run["finished"], run["id"]))


class Flow:
    def __init__(self, path, reports, zone, start, end, now):
        self.runs = [run for run in runs(path) if start <= run["finished"] < max(end, now)]
        self.reports, self.zone, self.start, self.end = reports, zone, start, end

    def within(self, at):
        return self.start <= at < self.end

    def numbers(self, chosen):
        """`chosen` also has what finished after the time: it only tells what followed."""
        judged = [run for run in chosen if run["result"] in (*GOOD, "failed")]
        mine = [run for run in judged if self.within(run["finished"])]
        of_main = lambda is_main: [run["result"] in GOOD for run in mine if (run["branch"] == "refs/heads/main") == is_main]
        recovered, still = [], 0
        for at, run in enumerate(judged):
            if run["result"] == "failed" and self.within(run["finished"]):
                same = lambda other: (other["pipeline"], other["branch"]) == (run["pipeline"], run["branch"])
                after = [other for other in judged[at + 1:] if same(other) and other["result"] in GOOD]
                if after:
                    recovered.append(whole(after[0]["finished"] - run["finished"]))
                else:
                    still += 1
        results = defaultdict(set)
        for run in mine:
            results[(run["pipeline"], run["commit"])].add(run["result"] in GOOD)
        flaky = sorted({commit for (_, commit), found in results.items() if len(found) == 2})
        return {
            "runs": sum(self.within(run["finished"]) for run in chosen),
            "duration": spread([whole(run["finished"] - run["started"]) for run in mine]),
            "queue": spread([whole(run["started"] - run["queued"]) for run in mine]),
            "successOnDefault": share(sum(of_main(True)), len(of_main(True))),
            "successOnOthers": share(sum(of_main(False)), len(of_main(False))),
            "recovery": spread(recovered), "notRecovered": still, "flaky": len(flaky), "flakyCommits": flaky[:50],
        }

    def waits(self, chosen, by):
        found = defaultdict(list)
        for run in chosen:
            if run["result"] in (*GOOD, "failed") and self.within(run["finished"]):
                found[by(run)].append(whole(run["started"] - run["queued"]))
        return found

    def tests(self, wanted):
        mine = [of for of in self.reports if self.within(of["at"]) and wanted({"pipeline": "mobile", "project": of["project"]})]
        ran = sum(of["kind"] == "test_run" for of in mine)
        passed = sum(of["kind"] == "test_pass" and of["result"] == "succeeded" for of in mine)
        return [ran, passed, share(passed, ran) if passed <= ran else None]

    def report(self, wanted):
        chosen = [run for run in self.runs if wanted(run)]
        hours = self.waits(chosen, lambda run: run["queued"].astimezone(self.zone).hour)
        pools = self.waits(chosen, lambda run: run["pool"])
        names = {run["pipeline"] for run in chosen if self.within(run["finished"])}
        groups = {name: self.numbers([run for run in chosen if run["pipeline"] == name]) for name in names}
        tests = {name: self.tests(lambda of, name=name: wanted(of) and of["pipeline"] == name) for name in [*names, "mobile"]}
        if tests["mobile"][:2] != [0, 0]:
            groups["mobile"] = self.numbers([])
        return {
            **self.numbers(chosen),
            "hours": [[hour, *spread(hours[hour])] for hour in sorted(hours)],
            "pools": sorted(([pool, *spread(pools[pool])] for pool in pools), key=lambda row: (-row[2], row[0] or "")),
            "tests": self.tests(wanted),
            "groups": [[name, groups[name], tests[name]] for name in sorted(groups, key=lambda name: (-groups[name]["runs"], name))],
        }
