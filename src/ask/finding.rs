//! What a table comes to, in one sentence, with no number that is not counted from it or in it.

use serde_json::Value;

use super::tools::{Found, Tool};

impl Found {
    /// The main finding.
    pub(super) fn sentence(&self, tool: Tool, arguments: &Value) -> String {
        let Some(first) = self.rows.first() else { return nothing(tool, arguments) };
        let first = Row { found: self, cells: first };
        let says = |name: &str| arguments.get(name).is_some();
        match tool {
            Tool::DescribeData => self.data(),
            Tool::DataHealth => self.lost(&first),
            Tool::ListPipelines => self.pipelines(),
            Tool::QueryRuns => {
                let what = first.words(&["result", "state"]).unwrap_or_default();
                format!(
                    "{}; the newest is {} of {}: {what}.",
                    self.counted("run"),
                    first.of("runId"),
                    first.of("pipeline")
                )
            }
            Tool::GetRun => self.run(&first),
            Tool::GetFailure => match first.text("error") {
                Some(error) => {
                    format!("The first error of run {}: {error}. {} with it.", first.of("runId"), self.counted("run"))
                }
                None => format!("The error of run {} is not known.", first.of("runId")),
            },
            Tool::BrokenNow => {
                let commit = first.text("sinceCommit").map(|commit| format!(", commit {commit}")).unwrap_or_default();
                let named = format!("{} on {}", first.of("pipeline"), first.of("branch"));
                let since = format!("since run {}{commit}", first.of("sinceRunId"));
                format!("{}; the first is {named}, {since}.", self.counted("broken pipeline"))
            }
            Tool::QueryApprovals => self.approvals(),
            Tool::CurrentDeployments => {
                let is_there = |row: &Row<'_>| format!("{} in {}", row.version(), row.of("environment"));
                let since = first.words(&["finishedAt", "startedAt"]);
                let since = since.map(|since| format!(", since {since}")).unwrap_or_default();
                format!("{}; the latest is {}{since}.", self.counted("deployment"), is_there(&first))
            }
            Tool::QueryDeployments => {
                let failed = self.having("result", "failed");
                let end = first.words(&["result", "state"]).unwrap_or_default();
                let latest = format!("{} to {}, {end}", first.version(), first.of("environment"));
                format!("{}, {failed}; the latest is {latest}.", self.counted("deployment"))
            }
            Tool::DiffEnvironments => {
                let there = first.text("otherVersion").map_or_else(|| "not there".to_owned(), |v| format!("{v} there"));
                format!("{}; the first is {} ({there}).", self.counted("pipeline"), first.version())
            }
            Tool::Trace => self.links(),
            Tool::Aggregate if says("bucket") => self.trend(),
            Tool::Aggregate if !says("groupBy") => format!("{}: {}.", self.column(0), first.at(0)),
            Tool::Aggregate => {
                let most = if says("order") { "least" } else { "most" };
                let (group, measure) = (self.column(0), self.measure());
                let name = first.text(group).unwrap_or_else(|| format!("No known {group}"));
                format!("{name} has the {most}: {measure} {}. {} in all.", first.of(measure), self.counted(group))
            }
            Tool::ComparePeriods => self.change(),
            Tool::Dora if says("groupBy") => self.moved(),
            Tool::Dora => self.delivery(),
        }
    }

    fn each(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|cells| Row { found: self, cells })
    }

    fn column(&self, at: usize) -> &'static str {
        self.columns.get(at).copied().unwrap_or_default()
    }

    /// The column before how many there were.
    fn measure(&self) -> &'static str {
        let at = self.columns.iter().position(|column| ["samples", "before"].contains(column));
        self.column(at.unwrap_or(1).saturating_sub(1))
    }

    /// `19 runs`, in all.
    fn counted(&self, noun: &str) -> String {
        let total = self.total.map_or_else(|| format!("more than {}", self.rows.len()), |total| total.to_string());
        if total == "1" { format!("1 {noun}") } else { format!("{total} {noun}s") }
    }

    /// `3 of those shown failed`.
    fn having(&self, column: &str, value: &str) -> String {
        let count = self.each().filter(|row| row.text(column).is_some_and(|cell| cell == value)).count();
        let of = if self.truncated { "of those shown" } else { "of them" };
        format!("{count} {of} {value}")
    }

    fn sum(&self, column: &str) -> u64 {
        self.each().filter_map(|row| row.cell(column)?.as_u64()).sum()
    }

    fn data(&self) -> String {
        let ends = |column: &str| self.each().filter_map(|row| row.text(column)).collect::<Vec<_>>();
        let (from, to) = (ends("firstRunAt").into_iter().min(), ends("lastRunAt").into_iter().max());
        let when = from.zip(to).map(|(from, to)| format!(", from {from} to {to}")).unwrap_or_default();
        let runs = format!("{} runs of {} pipelines", self.sum("runs"), self.sum("pipelines"));
        format!("{}: {runs}{when}.", self.counted("project"))
    }

    fn lost(&self, first: &Row<'_>) -> String {
        let open = self.each().filter(|row| row.text("coveredByRest").is_some_and(|cell| cell == "false")).count();
        let last = format!("from {} ({})", first.of("from"), first.of("why"));
        format!("{} with lost events, {open} of those shown not read since; the first is {last}.", self.counted("time"))
    }

    fn pipelines(&self) -> String {
        let live = self.each().filter(|row| row.number("live").is_some_and(|live| live > 0.0)).count();
        let failed = self.each().filter(|row| row.text("lastResult").is_some_and(|result| result == "failed")).count();
        let of = if self.truncated { "of those shown" } else { "of them" };
        format!("{}; the last run of {failed} {of} failed, and {live} have live runs.", self.counted("pipeline"))
    }

    fn run(&self, first: &Row<'_>) -> String {
        let is = first.words(&["runResult", "runState"]).unwrap_or_else(|| "not known".to_owned());
        let failed: Vec<_> = self
            .each()
            .filter(|row| row.text("result").is_some_and(|r| r == "failed"))
            .map(|row| row.of("stage"))
            .collect();
        let failed = if failed.is_empty() { String::new() } else { format!("; failed in {}", failed.join(", ")) };
        format!("Run {} of {}: {is}{failed}.", first.of("runId"), first.of("pipeline"))
    }

    fn approvals(&self) -> String {
        let waited = |row: &Row<'_>| row.number("waitedSeconds").unwrap_or(-1.0);
        let longest = self.each().max_by(|one, other| waited(one).total_cmp(&waited(other)));
        let longest = longest.filter(|row| waited(row) >= 0.0).map(|row| {
            let whom = row.text("stage").map(|stage| format!(", stage {stage}")).unwrap_or_default();
            let of = if self.truncated { "; of those shown the longest" } else { "; the longest" };
            format!("{of} waited {} seconds: {} {}{whom}", row.of("waitedSeconds"), row.of("pipeline"), row.of("run"))
        });
        format!("{}{}.", self.counted("approval"), longest.unwrap_or_default())
    }

    fn links(&self) -> String {
        let of = |direction: &str| {
            let mut kinds: Vec<(String, usize)> = Vec::new();
            for kind in self.each().filter(|row| row.of("direction") == direction).map(|row| row.of("kind")) {
                match kinds.iter_mut().find(|(known, _)| *known == kind) {
                    Some((_, count)) => *count += 1,
                    None => kinds.push((kind, 1)),
                }
            }
            kinds.iter().map(|(kind, count)| format!("{kind} ({count})")).collect::<Vec<_>>().join(", ")
        };
        let places = self.each().filter(|row| row.of("kind") == "environment" && row.of("direction") == "after");
        let places: Vec<_> = places.map(|row| row.text("name").unwrap_or_else(|| row.of("id"))).collect();
        let places = if places.is_empty() { String::new() } else { format!(" It reached {}.", places.join(", ")) };
        let or_nothing = |kinds: String| if kinds.is_empty() { "nothing known".to_owned() } else { kinds };
        format!("It led to {}; before it: {}.{places}", or_nothing(of("after")), or_nothing(of("before")))
    }

    fn trend(&self) -> String {
        let measure = self.measure();
        let known = || self.each().filter_map(|row| Some((row.number(measure)?, row)));
        let named = |row: &Row<'_>| {
            let groups = self.columns.iter().take_while(|column| **column != measure);
            groups.map(|column| row.text(column).unwrap_or_else(|| "none".to_owned())).collect::<Vec<_>>().join(", ")
        };
        let says = |row: &Row<'_>| format!("{} ({})", row.of(measure), named(row));
        // Of equals the first.
        let most = known().min_by(|(one, _), (other, _)| other.total_cmp(one)).map(|(_, row)| says(&row));
        let least = known().min_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, row)| says(&row));
        let last = self.each().last().map(|row| says(&row));
        let (Some(most), Some(least), Some(last)) = (most, least, last) else {
            return format!("{measure} is not known in any of them.");
        };
        format!("{measure}: most {most}, least {least}, last {last}; {} in all.", self.counted("row"))
    }

    fn change(&self) -> String {
        let measure = self.measure();
        let says = |row: &Row<'_>| {
            let named = if self.column(0) == measure { "It".to_owned() } else { row.at(0) };
            format!("{named}: {measure} {}, before {}", row.of(measure), row.of("before"))
        };
        let change = |row: &Row<'_>| row.number("change").filter(|change| *change != 0.0);
        let up = self.each().find(|row| change(row).is_some_and(|change| change > 0.0));
        let down = self.each().find(|row| change(row).is_some_and(|change| change < 0.0));
        let told: Vec<_> = [("rose most", up), ("fell most", down)]
            .into_iter()
            .filter_map(|(how, row)| Some(format!("{how}: {}", says(&row?))))
            .collect();
        if told.is_empty() {
            format!("{measure} did not change where both times are known.")
        } else {
            format!("{}.", told.join("; "))
        }
    }

    /// Of the first metric and its parts: the others are in other units.
    fn moved(&self) -> String {
        let unit = self.rows.first().map(|cells| Row { found: self, cells }.of("unit"));
        let like = || self.each().filter(|row| row.text("unit") == unit);
        let says = |how: &str, sign: f64| {
            let row = like().find(|row| row.number("change").is_some_and(|change| change * sign > 0.0))?;
            let was = format!("{} {}, before {}", row.of("value"), row.of("unit"), row.of("before"));
            Some(format!("{how}: {}, {}: {was}", row.at(0), row.of("metric")))
        };
        let told: Vec<_> = [says("rose most", 1.0), says("fell most", -1.0)].into_iter().flatten().collect();
        match told.as_slice() {
            [] => format!("In no {} did it change where both times are known.", self.column(0)),
            told => format!("{}.", told.join("; ")),
        }
    }

    fn delivery(&self) -> String {
        let told = self.each().map(|row| match row.number("value") {
            Some(_) => {
                let before = row.text("before").map(|before| format!(", before {before}")).unwrap_or_default();
                format!("{}: {} {}{before}", row.of("metric"), row.of("value"), row.of("unit"))
            }
            None => format!("{}: not known", row.of("metric")),
        });
        format!("{}.", told.collect::<Vec<_>>().join("; "))
    }
}

/// What it means that there is no row.
fn nothing(tool: Tool, arguments: &Value) -> String {
    match tool {
        Tool::BrokenNow => "Nothing is broken.",
        Tool::QueryApprovals if arguments.get("status").is_none() => "Nothing waits for approval.",
        Tool::DiffEnvironments => "Nothing is there that is not in the other, too.",
        Tool::DataHealth => "No time is known in which events were lost.",
        Tool::Trace => "Nothing is known to be linked to it.",
        Tool::DescribeData
        | Tool::ListPipelines
        | Tool::QueryRuns
        | Tool::GetRun
        | Tool::GetFailure
        | Tool::QueryApprovals
        | Tool::CurrentDeployments
        | Tool::QueryDeployments
        | Tool::Aggregate
        | Tool::ComparePeriods
        | Tool::Dora => "Nothing matches.",
    }
    .to_owned()
}

/// One row with the names of its columns.
struct Row<'a> {
    found: &'a Found,
    cells: &'a [Value],
}

impl Row<'_> {
    fn cell(&self, column: &str) -> Option<&Value> {
        let at = self.found.columns.iter().position(|name| *name == column)?;
        self.cells.get(at).filter(|cell| !cell.is_null())
    }

    fn text(&self, column: &str) -> Option<String> {
        self.cell(column).map(|cell| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned))
    }

    fn number(&self, column: &str) -> Option<f64> {
        self.cell(column)?.as_f64()
    }

    /// In words, also where it is not known.
    fn of(&self, column: &str) -> String {
        self.text(column).unwrap_or_else(|| "not known".to_owned())
    }

    fn at(&self, at: usize) -> String {
        self.of(self.found.column(at))
    }

    /// The first of these columns that is known.
    fn words(&self, columns: &[&str]) -> Option<String> {
        columns.iter().find_map(|column| self.text(column))
    }

    /// `web 20260302.1`
    fn version(&self) -> String {
        [self.text("pipeline"), self.text("version")].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}
