//! How pipelines run, as tables.

use csv::Writer;

use super::Columns;
use super::delivery::{counted, figure_text, finish, percent_text, seconds_text};
use super::table::{UNKNOWN, or_unknown, table};
use crate::domain::metrics::{Figure, Flow, FlowReport, GroupFlow, Spread, Tests};

/// One of the numbers, as people read it: its name, its value, and what it is counted from.
pub type FlowNumber = (&'static str, String, String);

#[must_use]
pub fn flow_numbers(of: &Flow, tests: &Tests) -> [FlowNumber; 8] {
    let open = match of.not_recovered {
        0 => String::new(),
        open => format!("; {open} not recovered"),
    };
    let judged = || "of runs that succeeded or failed".to_owned();
    [
        ("runs", of.runs.to_string(), "that finished".to_owned()),
        ("run duration", figure_text(&of.duration.median, seconds_text), spread_text(&of.duration, "run")),
        ("queue time", figure_text(&of.queue.median, seconds_text), spread_text(&of.queue, "run")),
        ("success on default branches", figure_text(&of.success_on_default, percent_text), judged()),
        ("success on other branches", figure_text(&of.success_on_others, percent_text), judged()),
        (
            "pipeline recovery",
            figure_text(&of.recovery.median, seconds_text),
            spread_text(&of.recovery, "failure") + &open,
        ),
        ("flaky commits", of.flaky.to_string(), "a pipeline succeeded and failed on each".to_owned()),
        (
            "tests passed",
            figure_text(&tests.pass_rate, percent_text),
            format!("{} of {} that scripts told of", tests.passed, counted(tests.runs, "run")),
        ),
    ]
}

/// `p95 12m 3s, 40 runs`.
fn spread_text(spread: &Spread, of: &str) -> String {
    format!("p95 {}, {}", short(&spread.p95), counted(spread.count, of))
}

fn short(figure: &Figure<i64>) -> String {
    figure.value.as_ref().map_or_else(|| UNKNOWN.to_owned(), seconds_text)
}

/// What [`flow_cells`] tells.
pub const FLOW_COLUMNS: [&str; 9] =
    ["Runs", "Duration", "p95", "Queue", "Default", "Others", "Recovery", "Flaky", "Tests"];

#[must_use]
pub fn flow_cells(of: &Flow, tests: &Tests) -> [String; 9] {
    let share = |figure: &Figure<f64>| figure.value.as_ref().map_or_else(|| UNKNOWN.to_owned(), percent_text);
    [
        of.runs.to_string(),
        short(&of.duration.median),
        short(&of.duration.p95),
        short(&of.queue.median),
        share(&of.success_on_default),
        share(&of.success_on_others),
        short(&of.recovery.median),
        of.flaky.to_string(),
        share(&tests.pass_rate),
    ]
}

/// The numbers; then, where it was asked for, those of each group; with all columns also the wait by hour and by pool.
#[must_use]
pub fn flow_table(report: &FlowReport, columns: Columns) -> String {
    let rows =
        flow_numbers(&report.numbers, &report.tests).map(|(name, value, detail)| vec![name.to_owned(), value, detail]);
    let numbers = table(&["METRIC", "MEDIAN OR SHARE", "COUNTED FROM"], rows);
    let groups = report.groups.as_ref().map(|groups| groups_table(groups));
    let waits = (columns == Columns::All).then(|| waits_tables(report));
    [Some(numbers), groups].into_iter().flatten().chain(waits.into_iter().flatten()).collect::<Vec<_>>().join("\n")
}

fn groups_table(groups: &[GroupFlow]) -> String {
    let header: Vec<_> = FLOW_COLUMNS.iter().map(|name| name.to_uppercase()).collect();
    let header: Vec<_> = std::iter::once("OF").chain(header.iter().map(String::as_str)).collect();
    let row = |of: &GroupFlow| {
        std::iter::once(or_unknown(of.name.as_deref())).chain(flow_cells(&of.numbers, &of.tests)).collect()
    };
    table(&header, groups.iter().map(row))
}

fn waits_tables(report: &FlowReport) -> [String; 2] {
    let row =
        |name: String, queue: &Spread| vec![name, short(&queue.median), short(&queue.p95), queue.count.to_string()];
    let hours = report.queue_by_hour.iter().map(|of| row(format!("{:02}", of.hour), &of.queue));
    let pools = report.queue_by_pool.iter().map(|of| row(or_unknown(of.pool.as_deref()), &of.queue));
    [table(&["HOUR", "QUEUE", "P95", "RUNS"], hours), table(&["POOL", "QUEUE", "P95", "RUNS"], pools)]
}

/// One row for all, and one for each group.
///
/// # Errors
/// Never for rows of equal length.
pub fn flow_csv(report: &FlowReport) -> Result<String, csv::Error> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record([
        "of",
        "runs",
        "durationMedianSeconds",
        "durationP95Seconds",
        "queueMedianSeconds",
        "queueP95Seconds",
        "successOnDefault",
        "successOnOthers",
        "recoveryMedianSeconds",
        "notRecovered",
        "flaky",
        "testRuns",
        "testsPassed",
        "testPassRate",
    ])?;
    let name = |of: &GroupFlow| of.name.clone().unwrap_or_default();
    let groups = report.groups.iter().flatten().map(|of| (name(of), &of.numbers, &of.tests));
    for (name, of, tests) in std::iter::once((String::new(), &report.numbers, &report.tests)).chain(groups) {
        writer.write_record([
            &name,
            &of.runs.to_string(),
            &cell(&of.duration.median),
            &cell(&of.duration.p95),
            &cell(&of.queue.median),
            &cell(&of.queue.p95),
            &cell(&of.success_on_default),
            &cell(&of.success_on_others),
            &cell(&of.recovery.median),
            &of.not_recovered.to_string(),
            &of.flaky.to_string(),
            &tests.runs.to_string(),
            &tests.passed.to_string(),
            &cell(&tests.pass_rate),
        ])?;
    }
    finish(writer)
}

/// Empty where it is not known.
fn cell<T: ToString>(figure: &Figure<T>) -> String {
    figure.value.as_ref().map(T::to_string).unwrap_or_default()
}
