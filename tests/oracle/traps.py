"""What an organization has of each trap, so that none is missing from all of them. Standard library only."""

from collections import Counter
from datetime import timezone

from report import Selection, succeeded

PRODUCTION_STAGES = ("production", "ship", "prod-eu", "prod-us")
# No stage that ended so is a deployment.
NONE = ("skipped", "rejected", "canceled", "abandoned")
REASONS = [
    "nothingDeployed", "noDeployments", "beforeRecords", "noIncidentSource", "noWholeWeek", "commitsUnknown", "firstDeployments",
    "noNewCommits", "noReviews", "noFailures", "notRecovered", "noRuns", "tooFew", "noTests", "testsMissing",
]
LEVELED = ["deploymentFrequency", "changeLeadTime", "changeFailRate", "failedDeploymentRecoveryTime"]
LEVELS = ["elite", "high", "medium", "low"]
RULES = ["stages", "stages of pipelines", "environments", "whole runs", "no deployments", "production alone"]


def of_deployments(oracle, within):
    """Of production, in the time."""
    there = Counter(of["run"] for of in within if of["source"] == "pipeline")
    local, utc = (lambda of: of["finished"].astimezone(oracle.zone)), (lambda of: of["finished"].astimezone(timezone.utc))
    week = lambda time: time.isocalendar()[:2]
    incidents = [name for of in within for name, _, _ in of["incidents"]]
    bugs = {f"work item {number}" for number, of in oracle.told.incidents.items() if of["type"] == "Bug"}
    return {
        "a stage that failed": sum(not succeeded(of) for of in within),
        "a stage that was tried again": sum(of["attempt"] > 1 and of["source"] == "pipeline" for of in within),
        "a rollback": sum(of["back"] for of in within),
        "a rollback of a release": sum(of["back"] and of["source"] == "release" for of in within),
        "rework that is no rollback": sum(of["rework"] and not of["back"] for of in within),
        "a first deployment": sum(of["changes"] == "first" for of in within),
        "several environments": sum(times > 1 for times in there.values()),
        "partial success that counts": sum(of["ending"] == "partiallySucceeded" for of in within),
        "no pushes": sum(of["changes"] == "unknown" for of in within),
        "no pushes, and what runs built": sum(of["isLikely"] for of in within),
        "an approval tells the environment": sum(of["how"] == "approval" for of in within),
        "another day in the zone": sum(local(of).date() != utc(of).date() for of in within),
        "another week in the zone": sum(week(local(of)) != week(utc(of)) for of in within),
        "a classic release": sum(of["source"] == "release" for of in within),
        "a script tells": sum(of["source"] == "reported" for of in within),
        "a whole run": sum(of["source"] == "pipeline" and not of["stage"] for of in within),
        "an incident": len(incidents), "an incident by its tag": sum(name in bugs for name in incidents),
        "not recovered": sum(not of["recovered"] and (not succeeded(of) or bool(of["incidents"])) for of in within),
    }


def of_leads(leads, merges):
    return {
        "a squash": len({lead["request"] for lead in leads if lead["request"] and merges.get(lead["request"]) != lead["commit"]}),
        "a commit from the future": sum(lead["total"] is not None and lead["total"] < 0 for lead in leads),
        "a commit without a time": sum(lead["total"] is None for lead in leads),
    }


def of_stages(told, terms):
    runs = {of["run"] for of in told.runs.values() if of["result"] == "succeeded"}
    production = [(run, result) for (_, run, stage, _), (result, _) in told.stages.items() if stage in PRODUCTION_STAGES]
    results = Counter(result for _, result in production)
    partial = results["partiallySucceeded"]
    return {
        "a green run without production": sum(result == "skipped" and run in runs for run, result in production),
        **{f"a stage that was {result}": results[result] for result in NONE},
        "partial success that fails": partial if terms.partial == "failed" else 0,
        "partial success that is none": partial if terms.partial is None else 0,
    }


def of_gaps(told, selection, start, end):
    gaps = list(told.gaps())
    return {
        "a gap": selection.coverage(start, end)["gaps"], "a gap of all projects": sum(gap["project"] is None for gap in gaps),
        "a gap of one project": sum(gap["project"] is not None for gap in gaps),
        "a gap that goes on": sum(gap["to"] is None for gap in gaps),
        "a gap that was covered": len({(of["project"], of["events"], of["from"]) for of in told.about["gaps"]}) - len(gaps),
    }


def of_answers(answers):
    """How often each reason and each level is told."""
    found, stack = Counter(), [(None, answers)]
    while stack:
        above, of = stack.pop()
        if isinstance(of, dict):
            found.update([f"reason {of['reason']}"] if "reason" in of else [f"{above} {of['level']}"] if "level" in of else [])
            stack += of.items()
        elif isinstance(of, list):
            stack += [(above, one) for one in of]
    return {name: found[name] for name in [f"reason {why}" for why in REASONS] + [f"{of} {level}" for of in LEVELED for level in LEVELS]}


def traps(oracle, asked):
    start, end = oracle.start, oracle.end
    selection = Selection(oracle, [of for of in oracle.deployments if of["production"]])
    merges = {number: request.get("merge") for number, request in oracle.told.requests.items()}
    answers = [(one, one["expected"]["groups"]) for all in asked.values() for one in all if one["group"]]
    groups_by = Counter(one["group"] for one, groups in answers if len(groups) > 1)
    return {
        **of_deployments(oracle, selection.within(start, end)),
        **of_leads(selection.leads_within(start, end), merges),
        **of_stages(oracle.told, oracle.terms), **of_gaps(oracle.told, selection, start, end),
        **of_answers([one["expected"] for all in asked.values() for one in all]),
        **{f"a rule: {kind}": oracle.terms.used[kind] for kind in RULES},
        "nobody tells of incidents": int(not oracle.sources),
        "clocks are changed": int(start.astimezone(oracle.zone).utcoffset() != end.astimezone(oracle.zone).utcoffset()),
        **{f"groups by {one['group']}": groups_by[one["group"]] for one, _ in answers},
        **{f"a cut list of {kind}": sum(len(one["expected"].get("groups", [])) == 100 for one in all) for kind, all in asked.items()},
    }
