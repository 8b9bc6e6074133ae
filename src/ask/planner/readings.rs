//! Questions for one thing, or for a list.

use serde_json::{Map, Value, json};

use super::Plan;
use super::asked::{Asked, NOW, filled};
use super::words::Words;
use crate::ask::tools::Tool;

impl Asked {
    pub(super) fn trace(&mut self) -> Option<Plan> {
        let words = &mut self.words;
        let item = words.take_number(&["item", "work-item", "bug", "story", "task", "feature"], &["ab#"]);
        let pull = words.take_number(&["pr", "request", "pull-request"], &["!", "pr#", "pr!"]);
        let is_commit = |word: &str| {
            (7..=40).contains(&word.len())
                && word.chars().all(|character| character.is_ascii_hexdigit())
                && word.chars().any(|character| character.is_ascii_digit())
        };
        let commit = words.take_word(is_commit);
        words.pass(&["where", "when", "my", "it"]);
        words.pass(&["work item", "work", "pull request", "pull", "commit", "change"]);
        words.pass(&["go", "went", "gone", "reach", "reached"]);
        let arguments = match (item, pull, commit) {
            (Some(id), None, None) => json!({"workItem": id}),
            (None, Some(id), None) => json!({"pullRequest": id}),
            (None, None, Some(id)) => json!({"commit": id}),
            _ => return None,
        };
        Some(Plan { tool: Tool::Trace, arguments })
    }

    pub(super) fn failure(&mut self) -> Option<Plan> {
        if !self.words.take(&["why"]) {
            return None;
        }
        let run = self.words.take_number(&["run", "build"], &[]);
        if !self.words.take(&["fail", "failed", "failing", "break", "broken", "red"]) {
            return None;
        }
        self.words.pass(&["who else", "what else"]);
        self.words.pass(&["same error", "this error", "error"]);
        self.words.pass(&["last", "latest"]);
        self.words.pass(&["run", "build", "pipeline"]);
        let arguments = match (run, self.names.pipeline.take()) {
            (Some(run), None) => json!({"runId": run}),
            (None, Some(pipeline)) => filled([("pipeline", Some(pipeline)), ("branch", self.names.branch.take())]),
            _ => return None,
        };
        Some(Plan { tool: Tool::GetFailure, arguments })
    }

    /// What waits, or what was decided; `approvals` alone says neither.
    pub(super) fn approvals(&mut self) -> Option<Plan> {
        let is_past = self.is_past();
        let approved = self.words.take(&["approved"]);
        let rejected = self.words.take(&["rejected", "declined"]);
        let named = self.words.take(&["approval", "approvals"]) || approved;
        let waits = self.words.take(&["waits", "waiting", "wait", "pending", "blocked", "open"]);
        let status = match (approved, rejected, waits) {
            (true, false, false) => Some("approved"),
            (false, true, false) => Some("rejected"),
            (false, false, true) if !is_past => None,
            _ => return None,
        };
        if !named {
            // Runs wait in the queue, too.
            return None;
        }
        self.words.pass(&["who", "whom", "since when", "when"]);
        let arguments = filled([("project", self.names.project.take()), ("status", status.map(str::to_owned))]);
        Some(Plan { tool: Tool::QueryApprovals, arguments })
    }

    pub(super) fn broken(&mut self) -> Option<Plan> {
        if self.is_past() || !self.words.take(&["broken", "red", "broke"]) {
            return None;
        }
        self.words.pass(&["since", "when"]);
        self.words.pass(&["commit"]);
        self.words.pass(&["pipelines", "pipeline", "branches", "branch", "builds"]);
        let arguments = filled([("branch", self.names.branch.take()), ("project", self.names.project.take())]);
        Some(Plan { tool: Tool::BrokenNow, arguments })
    }

    /// What is in the one and not in the other. What differs between them is two such questions.
    pub(super) fn difference(&mut self) -> Option<Plan> {
        let [(first, one), (second, other)] = self.environments.clone().try_into().ok()?;
        let without = ["not", "isn't", "missing", "ahead of"];
        let place = without.iter().find_map(|word| self.words.find(word))?;
        if self.is_past() || !self.words.take(&without) || place > second {
            return None;
        }
        // `not in` is said of what stands behind it.
        let (there, not_there) = if place < first { (other, one) } else { (one, other) };
        self.words.pass(&["but", "yet", "already"]);
        self.environments.clear();
        let project = self.names.project.take();
        let arguments = filled([("inEnvironment", Some(there)), ("notIn", Some(not_there)), ("project", project)]);
        Some(Plan { tool: Tool::DiffEnvironments, arguments })
    }

    /// How well is delivered, by DORA's numbers. Which of them is asked for does not matter: all are told.
    pub(super) fn delivery(&mut self) -> Option<Plan> {
        let deploys = ["deploy", "deploys", "deployed", "release", "released", "ship", "shipped"];
        // Of what is deployed more or less than it was, each is told.
        let than = self.earlier.is_some() && self.words.has(&deploys) && self.words.take(&MORE_OR_LESS);
        let often = (than || self.words.take(&["how often"])) && self.words.take(&deploys);
        let whole = self.words.count(&["dora", "delivery metrics", "delivery performance"]);
        let mut named: Vec<_> =
            DELIVERY.iter().filter(|(names, _)| self.words.count(names) > 0).map(|(_, metric)| *metric).collect();
        named.extend(often.then_some("deploymentFrequency"));
        if named.is_empty() && whole == 0 {
            return None;
        }
        let by = match (self.words.take(&["per", "by"]), than) {
            (true, _) => Some(self.delivered_by()?),
            (false, true) => Some(self.delivered_by().unwrap_or("pipeline")),
            (false, false) => None,
        };
        self.words.pass(&["metrics", "numbers", "median", "changes", "deployments", "service"]);
        let moved = self.words.take(&["why it moved", "why it changed", "why did it move", "why did it change"]);
        // What moved it: of one pipeline it can be an environment.
        let usual = if self.names.pipeline.is_some() { "environment" } else { "pipeline" };
        let by = by.or_else(|| moved.then_some(usual));
        let metric = named.first().filter(|_| by.is_some() && whole + named.len() == 1).copied();
        let window = self.compared()?;
        let arguments = [
            ("pipeline", self.names.pipeline.take()),
            ("project", self.names.project.take()),
            ("environment", self.take_environment()),
            ("service", self.names.service.take()),
            ("team", self.names.team.take()),
            ("metric", metric.map(str::to_owned)),
            ("groupBy", by.map(str::to_owned)),
            ("window", window),
        ];
        Some(Plan { tool: Tool::Dora, arguments: filled(arguments) })
    }

    /// What deployments can be put together by.
    fn delivered_by(&mut self) -> Option<&'static str> {
        const GROUPS: [&str; 6] = ["pipeline", "repository", "project", "environment", "service", "team"];
        self.group().filter(|group| GROUPS.contains(group))
    }

    /// What came to environments, in a time.
    pub(super) fn deployments(&mut self) -> Option<Plan> {
        let came = self.words.take(&["deployed", "deployments", "deployment", "released", "shipped", "deploys"]);
        if !came || self.environments.len() > 1 {
            return None;
        }
        self.words.pass(&["last", "latest"]);
        self.words.pass(&["went", "go", "came", "live", "when"]);
        let arguments = [
            ("environment", self.take_environment()),
            ("pipeline", self.names.pipeline.take()),
            ("project", self.names.project.take()),
            ("window", self.window.take()),
        ];
        Some(Plan { tool: Tool::QueryDeployments, arguments: filled(arguments) })
    }

    pub(super) fn current(&mut self) -> Option<Plan> {
        if self.is_past() {
            return None;
        }
        let environment = self.take_environment()?;
        self.words.pass(&["version", "versions", "running", "runs", "live", "there", "current"]);
        self.words.pass(&["since when", "since", "it"]);
        let arguments = [
            ("environment", Some(environment)),
            ("pipeline", self.names.pipeline.take()),
            ("project", self.names.project.take()),
        ];
        Some(Plan { tool: Tool::CurrentDeployments, arguments: filled(arguments) })
    }

    pub(super) fn runs(&mut self) -> Option<Plan> {
        let top = newest(&mut self.words);
        let one = top == Some(1);
        let listed = self.words.take(&["runs", "builds"]) || (one && self.words.take(&["run", "build"]));
        let live = self.words.take(&["running", "live", "in progress", "active"]);
        let result = match (
            self.words.take(&["failed", "failing", "fail"]),
            self.words.take(&["canceled", "cancelled"]),
            self.words.take(&["succeeded"]),
        ) {
            (false, false, false) => None,
            (true, false, false) => Some("failed"),
            (false, true, false) => Some("canceled"),
            (false, false, true) => Some("succeeded"),
            _ => return None,
        };
        // What is live now says nothing of what was.
        let speaks_of_then = self.is_past() || self.window.is_some() || result.is_some();
        if !(listed || live) || (live && speaks_of_then) {
            return None;
        }
        if !live && self.words.has(&NOW) {
            return None;
        }
        self.words.pass(&["when"]);
        let filters = self.filters([("state", live.then_some("inProgress")), ("result", result)]);
        let mut arguments = Map::new();
        arguments.extend(filters.map(|filters| ("filters".to_owned(), filters)));
        arguments.extend(self.window.take().map(|window| ("window".to_owned(), json!(window))));
        arguments.extend(top.map(|top| ("top".to_owned(), json!(top))));
        Some(Plan { tool: Tool::QueryRuns, arguments: arguments.into() })
    }

    /// Of runs, by the names that were said; `None` without any.
    pub(super) fn filters(&mut self, more: [(&str, Option<&str>); 2]) -> Option<Value> {
        let names = &mut self.names;
        let named = [
            ("pipeline", names.pipeline.take()),
            ("project", names.project.take()),
            ("branch", names.branch.take()),
            ("pool", names.pool.take()),
            ("service", names.service.take()),
            ("team", names.team.take()),
        ];
        let [one, other] = more.map(|(name, value)| (name, value.map(str::to_owned)));
        let [a, b, c, d, e, f] = named;
        let filters = filled([a, b, c, d, e, f, one, other]);
        Some(filters).filter(|filters| filters.as_object().is_some_and(|filters| !filters.is_empty()))
    }

    pub(super) fn data(&mut self) -> Option<Plan> {
        self.words.pass(&["i"]);
        let of_data = self.words.take(&["data", "events"]);
        if self.words.take(&["trust", "trusted", "gaps", "gap"]) || (of_data && self.words.take(&["lost", "missing"])) {
            return Some(Plan { tool: Tool::DataHealth, arguments: json!({}) });
        }
        if of_data {
            return Some(Plan { tool: Tool::DescribeData, arguments: json!({}) });
        }
        let arguments = filled([("project", self.names.project.take())]);
        self.words.take(&["pipelines"]).then_some(Plan { tool: Tool::ListPipelines, arguments })
    }
}

const MORE_OR_LESS: [&str; 5] = ["more often", "less often", "more", "less", "fewer"];

/// What the metrics of delivery are called.
const DELIVERY: [(&[&str], &str); 5] = [
    (&["change lead time", "lead time", "lead times"], "changeLeadTime"),
    (&["deployment frequency", "deploy frequency", "release frequency"], "deploymentFrequency"),
    (&["change fail rate", "change failure rate", "deployment failure rate"], "changeFailRate"),
    (
        &["failed deployment recovery time", "recovery time", "time to restore", "time to recover"],
        "failedDeploymentRecoveryTime",
    ),
    (&["deployment rework rate", "rework rate"], "deploymentReworkRate"),
];

/// How many of the newest; `None` is not said.
fn newest(words: &mut Words) -> Option<u64> {
    const NEWEST: [&str; 4] = ["newest", "latest", "last", "recent"];
    if let Some(top) = words.take_number(&NEWEST, &[]) {
        return Some(top);
    }
    let is_one = words.has(&["run", "build"]);
    let said = words.take(&["newest", "latest", "last"]) || (words.take(&["recent"]) && !is_one);
    (said && is_one).then_some(1)
}
