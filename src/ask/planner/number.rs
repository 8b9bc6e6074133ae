//! Questions for a number of runs, by group and time.

use serde_json::{Map, json};

use super::Plan;
use super::asked::{Asked, NOW};
use super::words::Words;
use crate::ask::tools::Tool;

/// What asks for the greatest or the least of several.
const MOST: [&str; 7] = ["most", "highest", "top", "slowest", "longest", "flakiest", "worst"];
const LEAST: [&str; 5] = ["fewest", "least", "fastest", "shortest", "lowest"];

const RUNS: [&str; 2] = ["runs", "builds"];

/// In which order, and how many.
#[derive(Debug, Clone, Copy)]
struct Ranked {
    least: bool,
    worst: bool,
    top: Option<u64>,
}

impl Asked {
    pub(super) fn number(&mut self) -> Option<Plan> {
        // `better` does not say in what, and of two measures one would be left out.
        let mut words = self.words.clone();
        let than = words.count(&["slower", "faster", "flakier"]) + words.count(&LASTS) + words.count(&WAITS);
        let is_of_each = than > 0 || (self.earlier.is_some() && self.words.has(&SUBJECTS));
        let compared = self.earlier.is_some() || than > 0;
        if than > 1 || self.words.has(&NOW) {
            return None;
        }
        let ranked = ranked(&self.words)?;
        if counts_groups(&self.words) {
            return None;
        }
        let mut group = self.group();
        let errors = group == Some("errorSignature");
        let bucket = self.bucket();
        let each = self.words.take(&EACH);
        let second = if each { self.group() } else { None };
        let why = self.words.has(&["queue", "queueing", "queuing", "wait"]) && self.words.take(&["why"]);
        let of_stages = [group, second].iter().flatten().any(|group| ["stage", "environment"].contains(group));
        let measure = if why { self.why_queued()? } else { self.measure(errors, compared, of_stages)? };
        // Runs wait for agents.
        let pools = (why && self.names.pool.is_none()).then_some("pool");
        group = group.or(pools).or_else(|| self.usual_group(measure, is_of_each));
        let groups: Vec<_> = group.into_iter().chain(second).collect();
        let mut arguments = Map::new();
        arguments.insert("measure".to_owned(), json!(measure));
        if !groups.is_empty() {
            arguments.insert("groupBy".to_owned(), json!(groups));
        }
        let filters = self.filters([("result", errors.then_some("failed")), ("state", None)]);
        arguments.extend(filters.map(|filters| ("filters".to_owned(), filters)));
        if let Some(ranked) = ranked {
            let is_ranked = !groups.is_empty() && bucket.is_none() && !compared;
            self.rank(ranked, measure, &mut arguments).filter(|()| is_ranked)?;
        }
        self.words.pass(&["how", "often", "frequent", "frequently"]);
        let window = self.compared()?;
        arguments.extend(window.map(|window| ("window".to_owned(), json!(window))));
        if compared {
            return (bucket.is_none()).then_some(Plan { tool: Tool::ComparePeriods, arguments: arguments.into() });
        }
        arguments.extend(bucket.map(|bucket| ("bucket".to_owned(), json!(bucket))));
        Some(Plan { tool: Tool::Aggregate, arguments: arguments.into() })
    }

    /// The time that is asked about; where it is compared with another, this has to be the one before it, or `None`: that
    /// is what the tools compare with. `than last month` names the earlier one, and the later is the month that is now.
    pub(super) fn compared(&mut self) -> Option<Option<String>> {
        let (later, earlier) = (self.window.take(), self.earlier.take());
        let Some(earlier) = earlier else { return Some(later) };
        let Some(later) = later else {
            let units = ["day", "week", "month", "quarter", "year"];
            let now = match earlier.split_once(' ') {
                None if earlier == "yesterday" => "today".to_owned(),
                Some(("last" | "previous", unit)) if units.contains(&unit) => format!("this {unit}"),
                _ => return None,
            };
            return Some(Some(now));
        };
        let before = match later.split(' ').collect::<Vec<_>>().as_slice() {
            ["today"] => vec!["yesterday".to_owned(), "the day before".to_owned()],
            ["this", unit] => vec![format!("last {unit}"), format!("the {unit} before")],
            ["last", unit] => vec![format!("the {unit} before")],
            ["last", count, units] => vec![format!("the {count} {units} before")],
            _ => Vec::new(),
        };
        (earlier == "the one before" || before.contains(&earlier)).then_some(Some(later))
    }

    /// Takes the words that rank, where they fit the measure.
    fn rank(&mut self, ranked: Ranked, measure: &str, arguments: &mut Map<String, serde_json::Value>) -> Option<()> {
        let Ranked { least, worst, top } = ranked;
        let low_is_bad = measure == "successRate";
        if worst && !low_is_bad && !["failureRate", "failed", "flakyCommits"].contains(&measure) {
            return None;
        }
        self.words.take_number(&["top"], &[]);
        self.words.pass(&MOST);
        self.words.pass(&LEAST);
        if least || (worst && low_is_bad) {
            arguments.insert("order".to_owned(), json!("ascending"));
        }
        arguments.extend(top.map(|top| ("top".to_owned(), json!(top))));
        Some(())
    }

    /// Why runs wait: no event says it, but for how long they do for the agents of which pool.
    fn why_queued(&mut self) -> Option<&'static str> {
        let queue = self.words.take(&["queue", "queueing", "queuing", "wait in the queue"]);
        let listed = self.words.take(&RUNS);
        self.words.pass(&["long"]);
        (queue && listed).then_some("medianQueueSeconds")
    }

    /// What pipelines are asked for by, where no noun stands.
    fn usual_group(&mut self, measure: &str, got: bool) -> Option<&'static str> {
        let is_flaky = measure == "flakyCommits";
        let says_which = self.words.has(&["slowest", "flakiest"]);
        (self.names.pipeline.is_none() && (got || says_which || is_flaky)).then_some("pipeline")
    }

    /// Which measure; `None` where there is none, or where one would leave out what was said.
    fn measure(&mut self, errors: bool, compared: bool, of_stages: bool) -> Option<&'static str> {
        let words = &mut self.words;
        if errors {
            words.pass(&["common", "happen", "happened", "occur", "occurred", "see", "seen"]);
            return Some("count");
        }
        let rate = words.take(&["rate", "rates", "share", "percentage", "ratio"]);
        let result = Results::of(words);
        let (tail, median) = (words.take(&["p95", "95th percentile"]), words.take(&["median", "usually", "usual"]));
        let queue = words.take(&["queue", "queued", "queues", "queueing", "queuing"]);
        let waits_longer = words.take(&WAITS);
        let flaky = words.take(&["flaky", "flakiness", "flakier"]) || words.has(&["flakiest"]);
        let relative =
            words.take(&["slow", "slower", "faster"]) || words.take(&LASTS) || words.has(&["slowest", "fastest"]);
        let long = words.take(&["how long"]);
        let duration = words.take(&["duration", "durations", "run time", "build time"]) || words.has(&LONG);
        let measures_time = duration || long || relative;
        if (tail && median) || ((tail || median) && !queue && !waits_longer && !measures_time) {
            return None;
        }
        if waits_longer {
            words.pass(&["for agents", "for an agent"]);
            let is_all = !rate && !flaky && !measures_time && result == Results::default();
            return is_all.then_some(if tail { "p95QueueSeconds" } else { "medianQueueSeconds" });
        }
        match (rate, queue, flaky, measures_time) {
            (true, false, false, false) => {
                if !of_stages {
                    words.pass(&RUNS);
                }
                result.rate()
            }
            (false, true, false, _) if result == Results::default() => {
                let waits = words.count(&["wait", "waits", "waiting", "time", "times", "seconds"]) > 0;
                let runs_queue = words.count(&["runs", "builds", "run", "build"]) > 0;
                (waits || (long && runs_queue)).then_some(if tail { "p95QueueSeconds" } else { "medianQueueSeconds" })
            }
            (false, false, true, false) if result == Results::default() => Some("flakyCommits"),
            (false, false, false, true) if result == Results::default() => {
                words.pass(&["take", "takes"]);
                if !words.has(&SLOWEST) {
                    // `the slowest runs` are runs, and no measure of several.
                    words.pass(&["run", "runs", "builds"]);
                }
                Some(if tail { "p95DurationSeconds" } else { "medianDurationSeconds" })
            }
            (false, false, false, false) => counted(words, result, compared, of_stages),
            _ => None,
        }
    }

    pub(super) fn group(&mut self) -> Option<&'static str> {
        GROUPS.iter().find_map(|(phrases, name)| self.words.take(phrases).then_some(*name))
    }

    fn bucket(&mut self) -> Option<&'static str> {
        const BUCKETS: [(&[&str], &str); 3] = [
            (&["per day", "by day", "daily", "each day", "every day"], "day"),
            (&["per week", "by week", "weekly", "each week", "every week"], "week"),
            (&["per month", "by month", "monthly", "each month", "every month"], "month"),
        ];
        BUCKETS.iter().find_map(|(phrases, name)| self.words.take(phrases).then_some(*name))
    }
}

const EACH: [&str; 3] = ["per", "by", "each"];
const LONG: [&str; 2] = ["longest", "shortest"];
const SLOWEST: [&str; 4] = ["slowest", "fastest", "longest", "shortest"];

const GROUPS: [(&[&str], &str); 13] = [
    (&["pipelines", "pipeline"], "pipeline"),
    (&["projects", "project"], "project"),
    (&["repositories", "repository", "repos", "repo"], "repository"),
    (&["branches", "branch"], "branch"),
    (&["services", "service"], "service"),
    (&["teams", "team"], "team"),
    (&["stages", "stage"], "stage"),
    (&["environments", "environment"], "environment"),
    (&["reasons", "reason"], "reason"),
    (&["agent pools", "agent pool", "pools", "pool"], "pool"),
    (&["errors", "error"], "errorSignature"),
    (&["results", "result"], "result"),
    (&["hours", "hour"], "hour"),
];

/// What is said of what lasts longer than it did, or waits longer; or less.
const LASTS: [&str; 6] =
    ["takes longer", "take longer", "took longer", "takes less time", "take less time", "took less time"];
const WAITS: [&str; 6] =
    ["waits longer", "wait longer", "waited longer", "queues longer", "queue longer", "queued longer"];
/// Here `what` asks for pipelines, of which it is said what they do.
const SUBJECTS: [&str; 5] = ["what fails", "what fail", "what failed", "what runs", "what ran"];

/// The words that rank; `None` where there are two that do.
fn ranked(words: &Words) -> Option<Option<Ranked>> {
    let mut words = words.clone();
    let top = words.take_number(&["top"], &[]);
    // `the top 10 slowest`
    let more = words.count(&["worst"]);
    let (most, least) = (words.count(&MOST) + more, words.count(&LEAST));
    let is_flaky = words.has(&["flaky"]);
    match most + least {
        0 => Some(top.map(|_| Ranked { least: false, worst: false, top })),
        1 if !(is_flaky && top.is_some()) => Some(Some(Ranked { least: least == 1, worst: more == 1, top })),
        _ => None,
    }
}

/// Whether groups are counted, as in `how many pipelines failed`: no measure does.
fn counts_groups(words: &Words) -> bool {
    let between = ["of", "the", "our", "all", "different", "failed", "failing", "flaky", "slow"];
    let counted = ["many", "number", "count"].iter().filter_map(|word| words.find(word));
    let nouns = counted
        .filter_map(|at| (at + 1..words.len()).map(|place| words.at(place)).find(|word| !between.contains(word)));
    let mut nouns = nouns.map(|noun| GROUPS.iter().any(|(names, _)| names.contains(&noun) && !names.contains(&"hour")));
    nouns.any(|is_group| is_group)
}

/// Which results were said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Results {
    failed: bool,
    succeeded: bool,
    /// As a word of its own: `most successful` may mean a count or a rate.
    success: bool,
    canceled: bool,
}

impl Results {
    fn of(words: &mut Words) -> Self {
        Self {
            failed: words.take(&["failure", "failures", "failed", "fail", "fails", "failing"]),
            succeeded: words.take(&["succeeded", "succeed", "successful runs", "successful builds"]),
            success: words.take(&["success"]),
            canceled: words.take(&["canceled", "cancelled"]),
        }
    }

    fn rate(self) -> Option<&'static str> {
        let Self { failed, succeeded, success, canceled } = self;
        match (failed, succeeded || success, canceled) {
            (true, false, false) => Some("failureRate"),
            (false, true, false) => Some("successRate"),
            _ => None,
        }
    }
}

fn counted(words: &mut Words, result: Results, compared: bool, of_stages: bool) -> Option<&'static str> {
    let ranks = words.has(&["most", "fewest", "least", "top", "often"]);
    let more = compared && words.take(&["more", "fewer", "less"]);
    if !(words.take(&["how many", "many", "number", "count"]) || more || ranks) {
        return None;
    }
    let Results { failed, succeeded, success, canceled } = result;
    // Of stages the runs are not counted, but each of their attempts.
    let runs = !of_stages && words.take(&RUNS);
    words.pass(&["times"]);
    match (failed, succeeded, canceled) {
        _ if success => None,
        (true, false, false) => Some("failed"),
        (false, true, false) => Some("succeeded"),
        (false, false, true) => Some("canceled"),
        (false, false, false) if words.take(&["commits"]) => Some("commits").filter(|_| !runs),
        (false, false, false) if runs || (!of_stages && words.take(&["run", "ran"])) => Some("count"),
        _ => None,
    }
}
