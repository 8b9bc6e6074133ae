"""The numbers of chosen deployments, in the shape in which the program tells them. Standard library only."""

from datetime import datetime, timedelta, timezone

from figures import LEAD_TIME, RECOVERY, figure, of_failures, of_frequency, of_time, rank, share, spread

DAY = timedelta(days=1)


def whole(span):
    return span // timedelta(seconds=1)


def text(time):
    """As the program writes times: no more digits than there are."""
    return time.strftime("%Y-%m-%dT%H:%M:%S") + f".{time.microsecond:06d}".rstrip("0").rstrip(".") + "Z"


def succeeded(of):
    return of["ending"] != "failed"


def failed(of):
    return not succeeded(of) or of["by"] is not None or bool(of["incidents"])


class Calendar:
    """Days and weeks of a time zone."""

    def __init__(self, zone):
        self.zone = zone

    def day(self, time):
        return time.astimezone(self.zone).date()

    def midnight(self, day):
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(timezone.utc)

    def cut(self, period, start, end):
        first = self.day(start)
        first -= timedelta(days={"day": 0, "week": first.weekday(), "month": first.day - 1}[period])
        parts = []
        while self.midnight(first) < end:
            following = first + timedelta(days={"day": 1, "week": 7, "month": 31}[period])
            if period == "month":
                following = following.replace(day=1)
            parts.append((max(start, self.midnight(first)), min(end, self.midnight(following))))
            first = following
        return parts

    def weeks(self, start, end):
        """Whole ones, from Monday to Sunday."""
        first = self.day(start)
        first += timedelta(days=-first.weekday() % 7)
        while self.midnight(first) < start:
            first += timedelta(days=7)
        weeks = []
        while self.midnight(first + timedelta(days=7)) <= end:
            weeks.append((self.midnight(first), self.midnight(first + timedelta(days=7))))
            first += timedelta(days=7)
        return weeks


class Selection:
    """Some of what an oracle found, in its order."""

    def __init__(self, oracle, chosen):
        self.oracle, self.since, self.calendar = oracle, oracle.since(), Calendar(oracle.zone)
        self.chosen = chosen
        self.leads = list(oracle.leads(self.chosen))
        self.projects = {of["project"] for of in self.chosen}

    def concerns(self, project):
        """Whether what is said of a project, or of all, has to do with what was chosen."""
        return not self.chosen or project is None or project in self.projects

    def tells(self):
        """Whether anybody ever told of an incident there."""
        return any(self.concerns(project) for project in self.oracle.sources)

    def within(self, start, end):
        return [of for of in self.chosen if start <= of["finished"] < end]

    def leads_within(self, start, end):
        return [lead for lead in self.leads if start <= lead["of"]["finished"] < end]

    def none(self, end):
        """Why there is nothing of a time in which nothing finished."""
        if not self.chosen:
            return "nothingDeployed"
        return "beforeRecords" if end < self.since else "noDeployments"

    def bucket(self, start, end):
        within = self.within(start, end)
        return {
            "from": text(start), "until": text(end),
            "deploymentFrequency": self.frequency(within, start, end),
            "changeLeadTime": self.lead_time(within, start, end),
            "changeFailRate": self.fail_rate(within, end),
            "failedDeploymentRecoveryTime": self.recovery(within, end),
            "deploymentReworkRate": self.rework_rate(within, end),
        }

    def deploy_days(self, start, end):
        return len({self.calendar.day(of["finished"]) for of in self.within(start, end) if succeeded(of)})

    def frequency(self, within, start, end):
        known = max(start, self.since) if self.chosen else start
        if not self.chosen or end < self.since:
            unknown = figure(None, self.none(end))
            return {"deployments": unknown, "deployDays": unknown, "medianDeployDaysAWeek": unknown, "level": None}
        days = self.deploy_days(start, end)
        a_week = rank(50, [self.deploy_days(*week) for week in self.calendar.weeks(known, end)])
        return {
            "deployments": figure(sum(map(succeeded, within)), None), "deployDays": figure(days, None),
            "medianDeployDaysAWeek": figure(a_week, "noWholeWeek"),
            "level": None if a_week is None else of_frequency(a_week, days, -(-(end - known) // DAY)),
        }

    def lead_time(self, within, start, end):
        leads = self.leads_within(start, end)
        why = self.why_no_leads(within, leads, end)
        total = spread([lead["total"] for lead in leads if lead["total"] is not None and lead["total"] >= 0], why)
        split = [lead["split"] for lead in leads if lead["split"] and min(lead["split"]) >= 0]
        why = "noReviews" if leads else why
        return {
            "total": total, "review": spread([one for one, _ in split], why), "deployment": spread([two for _, two in split], why),
            "level": of_time(total["median"]["value"], LEAD_TIME),
        }

    def why_no_leads(self, within, leads, end):
        brought = [of["changes"] for of in within if succeeded(of)]
        if not brought:
            return self.none(end)
        if all(changes == "first" for changes in brought):
            return "firstDeployments"
        return "commitsUnknown" if leads or "unknown" in brought else "noNewCommits"

    def fail_rate(self, within, end):
        bad = sum(map(failed, within))
        # No news is no good news where nobody tells of incidents.
        rated = within and (bad or self.tells())
        return {
            "rate": figure(share(bad, len(within)), self.none(end)), "failed": bad, "finished": len(within),
            "level": of_failures(bad, len(within)) if rated else None,
        }

    def rework_rate(self, within, end):
        rework = sum(of["rework"] for of in within)
        is_told = not within or rework or self.tells()
        rate = figure(share(rework, len(within)), self.none(end)) if is_told else figure(None, "noIncidentSource")
        return {"rate": rate, "rework": rework, "finished": len(within)}

    def recovery(self, within, end):
        bad = [of for of in within if failed(of)]
        took = [whole(of["recovered"] - of["finished"]) for of in bad if of["recovered"]]
        why = self.none(end) if not within else "noFailures" if len(took) == len(bad) else "notRecovered"
        time = spread(took, why)
        return {"time": time, "notRecovered": len(bad) - len(took), "level": of_time(time["median"]["value"], RECOVERY)}

    def between(self, start, end):
        good = [of["finished"] for of in self.within(start, end) if succeeded(of)]
        return spread([whole(b - a) for a, b in zip(good, good[1:])], "tooFew" if good else self.none(end))

    def coverage(self, start, end):
        within = self.within(start, end)
        leads = self.leads_within(start, end)
        known = lambda *hows: sum(of["how"] in hows for of in within)
        gaps = [gap for gap in self.oracle.told.gaps() if gap["from"] < end and (gap["to"] is None or gap["to"] > start)]
        return {
            "deployments": len(within),
            "certain": known("record"), "likely": known("stage", "approval"), "byPattern": known("pattern"),
            "partiallySucceeded": sum(of["ending"] == "partiallySucceeded" for of in within),
            "firstOnRecord": sum(of["changes"] == "first" for of in within),
            "commitsUnknown": sum(of["changes"] == "unknown" for of in within),
            "commitsLikely": sum(of["isLikely"] for of in within),
            "commits": len(leads),
            "commitsWithoutTime": sum(lead["total"] is None for lead in leads),
            "commitsFromTheFuture": sum(lead["total"] is not None and lead["total"] < 0 for lead in leads),
            "incidentSource": self.tells(), "gaps": sum(self.concerns(gap["project"]) for gap in gaps),
            "since": text(self.since) if self.since else None,
        }

    def report(self, start, end, period):
        middle = start + (end - start) / 2
        return {
            **self.bucket(start, end), "timeZone": self.calendar.zone.key,
            "trend": {"before": self.bucket(start, middle), "after": self.bucket(middle, end)},
            "betweenDeployments": self.between(start, end), "coverage": self.coverage(start, end),
            "series": [self.bucket(*part) for part in self.calendar.cut(period, start, end)],
            "work": [self.work(of) for of in self.within(start, end)],
        }

    def work(self, of):
        because = {"failed": not succeeded(of), "rolledBack": of["by"] is not None, "incident": bool(of["incidents"])}
        is_told, changes = of["source"] == "reported", of["changes"]
        known = "likely" if of["isLikely"] else changes if isinstance(changes, str) else "known"
        by = of["recoveredBy"]
        return {
            "organization": "fabrikam", "project": of["project"], "source": of["source"],
            "pipelineId": of["id"], "pipeline": of["name"], "environment": of["environment"],
            "runId": 0 if is_told else of["run"], "stage": of["stage"], "attempt": of["attempt"], "known": of["how"],
            "result": of["ending"], "finishedAt": text(of["finished"]), "commit": of["commit"],
            "failedBecause": [why for why, is_so in because.items() if is_so],
            "incidents": sorted(name for name, _, _ in of["incidents"]), "rollsBack": of["back"], "rework": of["rework"],
            "recoverySeconds": whole(of["recovered"] - of["finished"]) if of["recovered"] else None,
            "recoveredByRun": by["run"] if by and not is_told else None,
            "commitsAre": known if succeeded(of) else None,
            "commits": [self.commit(lead) for lead in self.leads if lead["of"] is of],
        }

    @staticmethod
    def commit(lead):
        review, deployment = lead["split"] or (None, None)
        return {
            "commit": lead["commit"], "leadSeconds": lead["total"], "pullRequestId": lead["request"],
            "reviewSeconds": review, "deploymentSeconds": deployment,
        }
