"""How pipelines run, counted from raw events by other code than the program's. Standard library only."""

from collections import defaultdict

from figures import figure, share, spread
from report import text, whole

GOOD = ("succeeded", "partiallySucceeded")


def questions(seed, groups):
    service, team = [("storefront", "SELLERS"), ("Phones", "keepers"), ("none", "none")][seed % 3]
    wanted = [{}, {"pipeline": "web"}, {"project": "bank"}, [{"repository": "API"}, {"service": service}, {"team": team}][seed // 3 % 3]]
    return [{"wanted": one, "group": groups[(seed + nth - 1) % len(groups)]} for nth, one in enumerate(wanted)]


class Flow:
    """Of what an oracle of deliveries was told."""

    def __init__(self, oracle):
        self.terms, self.zone, self.start, self.end = oracle.terms, oracle.zone, oracle.start, oracle.end
        runs = [run for run in oracle.told.runs.values() if self.start <= run["finished"] < max(self.end, oracle.now)]
        self.runs = sorted(runs, key=lambda run: (run["finished"], run["run"]))
        self.told = [self.test(of) for of in oracle.told.reports if of["kind"] in ("test_run", "test_pass")]

    @staticmethod
    def test(of):
        about = {"name": of["subject"], "id": 0, "project": of["project"], "projectId": None, "folder": None, "who": None}
        return {**of, **about, "repository": of["subject"], "environment": None}

    def within(self, at):
        return self.start <= at < self.end

    def numbers(self, chosen):
        """`chosen` also has what finished after the time: it only tells what followed."""
        judged = [run for run in chosen if run["result"] in (*GOOD, "failed")]
        mine = [run for run in judged if self.within(run["finished"])]
        of_main = lambda is_main: [run["result"] in GOOD for run in mine if (run["branch"] == "refs/heads/main") == is_main]
        rate = lambda good: figure(share(sum(good), len(good)), "noRuns")
        recovered, still = [], 0
        for at, run in enumerate(judged):
            if run["result"] == "failed" and self.within(run["finished"]):
                same = lambda other: (other["id"], other["branch"]) == (run["id"], run["branch"])
                after = [other for other in judged[at + 1:] if same(other) and other["result"] in GOOD]
                if after:
                    recovered.append(whole(after[0]["finished"] - run["finished"]))
                else:
                    still += 1
        results = defaultdict(set)
        for run in mine:
            results[(run["id"], run["commit"])].add(run["result"] in GOOD)
        flaky = sorted({commit for (_, commit), found in results.items() if len(found) == 2})
        return {
            "runs": sum(self.within(run["finished"]) for run in chosen),
            "duration": spread([whole(run["finished"] - run["started"]) for run in mine], "noRuns"),
            "queue": spread([whole(run["started"] - run["queued"]) for run in mine], "noRuns"),
            "successOnDefault": rate(of_main(True)), "successOnOthers": rate(of_main(False)),
            "recovery": spread(recovered, "notRecovered" if still else "noFailures"), "notRecovered": still,
            "flaky": len(flaky), "flakyCommits": flaky[:50],
        }

    def waits(self, chosen, by):
        found = defaultdict(list)
        for run in chosen:
            if run["result"] in (*GOOD, "failed") and self.within(run["finished"]):
                found[by(run)].append(whole(run["started"] - run["queued"]))
        return {key: spread(waits, "noRuns") for key, waits in found.items()}

    def tests(self, told):
        mine = [of for of in told if self.within(of["at"])]
        ran = sum(of["kind"] == "test_run" for of in mine)
        passed = sum(of["kind"] == "test_pass" and of["result"] == "succeeded" for of in mine)
        rate = figure(share(passed, ran), "noTests") if passed <= ran else figure(None, "testsMissing")
        return {"runs": ran, "passed": passed, "passRate": rate}

    def groups(self, by, chosen, told):
        """Those with the most runs first, at most a hundred; what has neither run nor test is none."""
        of = lambda one: None if by == "environment" else self.terms.group(by, one)
        found = []
        for name in {of(one) for one in chosen + told}:
            numbers = self.numbers([run for run in chosen if of(run) == name])
            tests = self.tests([one for one in told if of(one) == name])
            if numbers["runs"] or tests["runs"] or tests["passed"]:
                found.append({"name": name, "numbers": numbers, "tests": tests})
        return sorted(found, key=lambda group: (-group["numbers"]["runs"], group["name"] is not None, group["name"]))[:100]

    def report(self, asked):
        wanted = lambda of: self.terms.is_wanted(asked["wanted"], of)
        chosen, told = list(filter(wanted, self.runs)), list(filter(wanted, self.told))
        hours = self.waits(chosen, lambda run: run["queued"].astimezone(self.zone).hour)
        pools = self.waits(chosen, lambda run: run["pool"])
        return {
            **self.numbers(chosen), "from": text(self.start), "until": text(self.end), "timeZone": self.zone.key,
            "queueByHour": [{"hour": hour, "queue": hours[hour]} for hour in sorted(hours)],
            "queueByPool": sorted(
                ({"pool": pool, "queue": waits} for pool, waits in pools.items()),
                key=lambda of: (-of["queue"]["count"], of["pool"] or ""),
            ),
            "tests": self.tests(told), "groups": self.groups(asked["group"], chosen, told),
        }
