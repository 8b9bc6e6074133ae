"""What the configuration file says counts as what, and whose pipeline is whose. Standard library only."""

import re
from collections import Counter
from datetime import timedelta
from functools import cache

FIXES = ["hotfix/*", "hotfix-*", "fix/*", "bugfix/*", "fix:*", "hotfix:*", "revert *"]
RESOLVED = ["Resolved", "Closed", "Done", "Completed", "Removed"]
# What a name by itself tells of an environment, and of a stage.
PRODUCTION = {
    "production": True, "live": True, "prod-eu": True, "prod-us": True, "Prod": True, "web-live": True,
    "staging": False, "Dev": False, "blue": False, "eu": False, "customers": False, "cloud": False,
}
STAGES = {"production": "production", "prod-eu": "prod-eu", "prod-us": "prod-us", "deploy-staging": "staging"}


@cache
def regex(pattern):
    """`*` is any text, and case plays no part."""
    return re.compile(".*".join(re.escape(piece) for piece in pattern.split("*")), re.I | re.S)


def fits(patterns, text):
    return text is not None and any(regex(pattern).fullmatch(text) for pattern in patterns)


class Terms:
    def __init__(self, config, partial):
        said = config.get("metrics", {})
        self.known_owners, self.used = {}, Counter()
        self.rules, self.owners = config.get("environments", []), config.get("owners", [])
        self.partial = {"counts": "partiallySucceeded", "fails": "failed", "ignored": None}[partial]
        self.rework = timedelta(hours=int(said.get("rework_within", "48h")[:-1]))
        self.fixes, self.resolved = said.get("fixes", FIXES), said.get("resolved_states", RESOLVED)
        self.types, self.tags = said.get("incident_types", ["Incident"]), said.get("incident_tags", ["Incident"])

    def ending(self, result):
        return {"succeeded": "succeeded", "failed": "failed", "partiallySucceeded": self.partial}.get(result)

    def is_fix(self, text):
        return fits(self.fixes, text[len("refs/heads/"):] if text.startswith("refs/heads/") else text)

    def is_incident(self, kind, tags):
        return fits(self.types, kind) or any(fits(self.tags, tag.strip()) for tag in (tags or "").split(";"))

    def resolved_since(self, states):
        """Since when, if it still is: after it was opened again, since it was closed anew."""
        since = None
        for state, at in states:
            since = (since or at) if fits(self.resolved, state) else None
        return since

    def place(self, rule):
        """Name and whether it is production; none where no deployments are wanted."""
        name = rule.get("name", "")
        self.used[self.kind(rule)] += 1
        return None if rule.get("ignore") else (name, rule.get("production", PRODUCTION.get(name)))

    @staticmethod
    def kind(rule):
        if rule.get("ignore"):
            return "no deployments"
        if rule.get("stages"):
            return "stages of pipelines" if rule.get("pipelines") else "stages"
        return "environments" if rule.get("environments") else "whole runs" if rule.get("pipelines") else "production alone"

    def environment(self, name):
        """What something is that surely was deployed to."""
        for rule in self.rules:
            if fits(rule.get("environments", []), name) or rule.get("name", "").lower() == name.lower():
                return self.place(rule)
        return name, PRODUCTION[name]

    def stage(self, pipeline, stage):
        """Where a stage deploys to as far as its name tells."""
        for rule in self.rules:
            if fits(rule.get("stages", []), stage) and fits(rule.get("pipelines", ["*"]), pipeline):
                return self.place(rule)
        if stage not in STAGES:
            return None
        name = STAGES[stage]
        said = [rule["production"] for rule in self.rules if rule.get("name") == name and "production" in rule]
        return name, (said or [PRODUCTION[name]])[0]

    def run(self, pipeline):
        """Where a run deploys to as a whole."""
        for rule in self.rules:
            if not rule.get("stages") and not rule.get("environments") and fits(rule.get("pipelines", []), pipeline):
                return self.place(rule)
        return None

    def owner(self, of):
        """Service and team."""
        of = of["name"], str(of["id"]), of["folder"], of["repository"]
        if of not in self.known_owners:
            self.known_owners[of] = self.find_owner(*of)
        return self.known_owners[of]

    def find_owner(self, name, id, folder, repository):
        """Who names the pipeline or its folder comes before who names the repository."""
        for rule in self.owners:
            names = rule.get("pipelines", [])
            if fits(names, name) or fits(names, id) or fits(rule.get("folders", []), folder):
                return rule["service"], rule.get("team")
        for rule in self.owners:
            if fits(rule.get("repositories", []), repository):
                return rule["service"], rule.get("team")
        return None, None

    def group(self, by, of):
        if by in ("service", "team"):
            return self.owner(of)[by == "team"]
        return of[{"pipeline": "name", "person": "who"}.get(by, by)]

    def is_wanted(self, wanted, of):
        """By names, or the ids of projects and pipelines, in any case."""
        known = {
            "project": [of["project"], of["projectId"]], "pipeline": [of["name"], str(of["id"])], "repository": [of["repository"]],
            "environment": [of.get("environment")], "service": self.owner(of)[:1], "team": self.owner(of)[1:],
        }
        return all(value.lower() in [name.lower() for name in known[key] if name] for key, value in wanted.items())
