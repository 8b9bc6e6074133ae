//! Delivery metrics as tables.

use std::time::Duration;

use csv::Writer;

use super::Columns;
use super::table::{UNKNOWN, or_unknown, table};
use super::time::{duration, moment};
use crate::catalog::Delivery;
use crate::domain::metrics::{Bucket, Figure, Grouped, Level, Report, Source, Spread, Work};

/// One of the five, as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    pub name: &'static str,
    pub value: String,
    pub level: Option<Level>,
    /// What it is counted from.
    pub detail: String,
    pub definition: &'static str,
}

/// The five, in DORA's order.
#[must_use]
pub fn five(of: &Bucket) -> [Number; 5] {
    let (often, lead) = (&of.deployment_frequency, &of.change_lead_time);
    let (failed, again) = (&of.change_fail_rate, &of.deployment_rework_rate);
    let recovery = &of.failed_deployment_recovery_time;
    let open = match recovery.not_recovered {
        0 => String::new(),
        open => format!("; {open} not recovered"),
    };
    [
        Number {
            name: "change lead time",
            value: figure_text(&lead.total.median, seconds_text),
            level: lead.level,
            detail: spread_text(&lead.total, "commit"),
            definition: lead.definition,
        },
        Number {
            name: "deployment frequency",
            value: figure_text(&often.median_deploy_days_a_week, |days| counted(*days, "day") + " a week"),
            level: often.level,
            detail: match (often.deployments.value, often.deploy_days.value) {
                (Some(all), Some(days)) => format!("{} on {}", counted(all, "deployment"), counted(days, "day")),
                (None, _) | (_, None) => UNKNOWN.to_owned(),
            },
            definition: often.definition,
        },
        Number {
            name: "failed deployment recovery time",
            value: figure_text(&recovery.time.median, seconds_text),
            level: recovery.level,
            detail: spread_text(&recovery.time, "failure") + &open,
            definition: recovery.definition,
        },
        Number {
            name: "change fail rate",
            value: figure_text(&failed.rate, percent_text),
            level: failed.level,
            detail: format!("{} of {} deployments", failed.failed, failed.finished),
            definition: failed.definition,
        },
        Number {
            name: "deployment rework rate",
            value: figure_text(&again.rate, percent_text),
            level: None,
            detail: format!("{} of {} deployments", again.rework, again.finished),
            definition: again.definition,
        },
    ]
}

/// The number, or why there is none.
#[must_use]
pub fn figure_text<T>(figure: &Figure<T>, text: impl Fn(&T) -> String) -> String {
    match (&figure.value, figure.reason) {
        (Some(value), _) => text(value),
        (None, Some(why)) => format!("{UNKNOWN} ({})", why.in_words()),
        (None, None) => UNKNOWN.to_owned(),
    }
}

/// The two greatest units.
#[must_use]
pub fn seconds_text(seconds: &i64) -> String {
    duration(Duration::from_secs(u64::try_from(*seconds).unwrap_or_default()))
}

/// With one digit, as `12.5 %`.
#[must_use]
pub fn percent_text(share: &f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn spread_text(spread: &Spread, of: &str) -> String {
    let short = |figure: &Figure<i64>| figure.value.as_ref().map_or_else(|| UNKNOWN.to_owned(), seconds_text);
    format!("p75 {}, p95 {}, {}", short(&spread.p75), short(&spread.p95), counted(spread.count, of))
}

/// The five; then, where it was asked for, the same by periods, and what stands behind them.
#[must_use]
pub fn delivery_table(delivery: &Delivery, columns: Columns) -> String {
    let numbers = numbers_table(&delivery.report.numbers, columns);
    let series = (!delivery.report.series.is_empty()).then(|| series_table(&delivery.report.series));
    let work = delivery.work.as_ref().map(|work| work_table(work, columns));
    let groups = delivery.groups.as_ref().map(|groups| groups_table(groups));
    let parts = [Some(numbers), series, groups, work].into_iter().flatten();
    parts.collect::<Vec<_>>().join("\n")
}

fn numbers_table(of: &Bucket, columns: Columns) -> String {
    let row = |number: Number| {
        let level = or_unknown(number.level.map(Level::as_str));
        let mut row = vec![number.name.to_owned(), number.value, level, number.detail];
        row.extend((columns == Columns::All).then(|| number.definition.to_owned()));
        row
    };
    let few = ["METRIC", "VALUE", "LEVEL", "COUNTED FROM"];
    let all = ["METRIC", "VALUE", "LEVEL", "COUNTED FROM", "DEFINITION"];
    let rows = five(of).map(row);
    if columns == Columns::All { table(&all, rows) } else { table(&few, rows) }
}

fn series_table(series: &[Bucket]) -> String {
    buckets_table("FROM", series.iter().map(|of| (moment(of.from), of)))
}

fn groups_table(groups: &[Grouped]) -> String {
    buckets_table("OF", groups.iter().map(|of| (or_unknown(of.name.as_deref()), &of.numbers)))
}

fn buckets_table<'b>(first: &str, buckets: impl Iterator<Item = (String, &'b Bucket)>) -> String {
    let short = |figure: &Figure<i64>| figure.value.as_ref().map_or_else(|| UNKNOWN.to_owned(), seconds_text);
    let share = |figure: &Figure<f64>| figure.value.as_ref().map_or_else(|| UNKNOWN.to_owned(), percent_text);
    let number = |figure: &Figure<u64>| figure.value.map_or_else(|| UNKNOWN.to_owned(), |value| value.to_string());
    let rows = buckets.map(|(name, of)| {
        vec![
            name,
            number(&of.deployment_frequency.deployments),
            number(&of.deployment_frequency.deploy_days),
            short(&of.change_lead_time.total.median),
            short(&of.failed_deployment_recovery_time.time.median),
            share(&of.change_fail_rate.rate),
            share(&of.deployment_rework_rate.rate),
        ]
    });
    table(&[first, "DEPLOYMENTS", "DAYS", "LEAD TIME", "RECOVERY", "FAIL RATE", "REWORK RATE"], rows)
}

fn work_table(work: &[Work], columns: Columns) -> String {
    let rows = work.iter().map(|of| {
        let marks = [(of.rolls_back, "rollback"), (of.rework, "rework")];
        let marks = marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark.to_owned());
        let failed = of.failed_because.iter().map(|why| (*why).to_owned());
        let notes: Vec<_> = failed.chain(of.incidents.iter().cloned()).chain(marks).collect();
        let (run, stage) = match of.source {
            Source::Pipeline | Source::Release => (of.run_id.to_string(), format!("{} #{}", of.stage, of.attempt)),
            Source::Reported => (UNKNOWN.to_owned(), UNKNOWN.to_owned()),
        };
        let mut row = vec![
            moment(of.finished_at),
            of.pipeline.clone().unwrap_or_else(|| of.pipeline_id.to_string()),
            run,
            stage,
            of.environment.clone(),
            ending(of).to_owned(),
            or_unknown(Some(&notes.join(", "))),
            commits(of),
        ];
        if columns == Columns::All {
            let lead = |one: &crate::domain::metrics::CommitWork| {
                let short: String = one.commit.chars().take(8).collect();
                format!("{short} {}", one.lead_seconds.as_ref().map_or_else(|| UNKNOWN.to_owned(), seconds_text))
            };
            row.push(or_unknown(of.recovery_seconds.as_ref().map(seconds_text).as_deref()));
            row.push(or_unknown(Some(&of.commits.iter().map(lead).collect::<Vec<_>>().join(", "))));
        }
        row
    });
    let few = ["FINISHED", "PIPELINE", "RUN", "STAGE", "ENVIRONMENT", "RESULT", "NOTES", "COMMITS"];
    let all = [&few[..], &["RECOVERED AFTER", "LEAD TIMES"]].concat();
    if columns == Columns::All { table(&all, rows) } else { table(&few, rows) }
}

fn ending(of: &Work) -> &'static str {
    use crate::domain::metrics::Ending::{Failed, PartiallySucceeded, Succeeded};
    match of.result {
        Succeeded => "succeeded",
        PartiallySucceeded => "partiallySucceeded",
        Failed => "failed",
    }
}

fn commits(of: &Work) -> String {
    match of.commits_are {
        Some("known") => of.commits.len().to_string(),
        Some("likely") => format!("{} likely", of.commits.len()),
        Some(why) => why.to_owned(),
        None => UNKNOWN.to_owned(),
    }
}

/// What the numbers leave out.
#[must_use]
pub fn delivery_notes(report: &Report) -> Vec<String> {
    let coverage = &report.coverage;
    let some = |count: u64, says: String| (count > 0).then_some(says);
    let since = coverage.since.filter(|since| *since > report.numbers.from);
    let notes = [
        since.map(|since| format!("nothing is known of what was before {}", moment(since))),
        some(
            coverage.gaps,
            format!("{}: events were lost then, and runs may be missing", counted(coverage.gaps, "gap")),
        ),
        some(
            coverage.commits_unknown,
            format!("the commits of {} are not known", counted(coverage.commits_unknown, "deployment")),
        ),
        some(
            coverage.commits_likely,
            format!(
                "of {} pushes are missing: what its runs built stands for its commits",
                counted(coverage.commits_likely, "deployment")
            ),
        ),
        some(
            coverage.commits_without_time + coverage.commits_from_the_future,
            format!(
                "{} left out: when they were made is not known, or not before they were deployed",
                counted(coverage.commits_without_time + coverage.commits_from_the_future, "commit")
            ),
        ),
        some(
            coverage.partially_succeeded,
            format!("{} succeeded only partially", counted(coverage.partially_succeeded, "deployment")),
        ),
        (!coverage.incident_source)
            .then(|| "no incident is known: failures are those that deployments show themselves".to_owned()),
    ];
    notes.into_iter().flatten().collect()
}

pub(super) fn counted<N: std::fmt::Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    if count == N::from(1) { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// One row for the whole time and one for each period; what stands behind them instead, where that was asked for.
///
/// # Errors
/// Never for rows of equal length.
pub fn delivery_csv(delivery: &Delivery) -> Result<String, csv::Error> {
    match &delivery.work {
        Some(work) => work_csv(work),
        None => series_csv(std::iter::once(&delivery.report.numbers).chain(&delivery.report.series)),
    }
}

fn series_csv<'b>(buckets: impl Iterator<Item = &'b Bucket>) -> Result<String, csv::Error> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record([
        "from",
        "until",
        "deployments",
        "deployDays",
        "medianDeployDaysAWeek",
        "leadTimeMedianSeconds",
        "leadTimeP75Seconds",
        "leadTimeP95Seconds",
        "reviewMedianSeconds",
        "deploymentMedianSeconds",
        "changeFailRate",
        "recoveryMedianSeconds",
        "reworkRate",
    ])?;
    for of in buckets {
        let (often, lead) = (&of.deployment_frequency, &of.change_lead_time);
        writer.write_record([
            of.from.to_string(),
            of.until.to_string(),
            cell(&often.deployments),
            cell(&often.deploy_days),
            cell(&often.median_deploy_days_a_week),
            cell(&lead.total.median),
            cell(&lead.total.p75),
            cell(&lead.total.p95),
            cell(&lead.review.median),
            cell(&lead.deployment.median),
            cell(&of.change_fail_rate.rate),
            cell(&of.failed_deployment_recovery_time.time.median),
            cell(&of.deployment_rework_rate.rate),
        ])?;
    }
    finish(writer)
}

/// Empty where it is not known.
fn cell<T: ToString>(figure: &Figure<T>) -> String {
    figure.value.as_ref().map(T::to_string).unwrap_or_default()
}

fn work_csv(work: &[Work]) -> Result<String, csv::Error> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record([
        "organization",
        "project",
        "pipelineId",
        "pipeline",
        "runId",
        "stage",
        "attempt",
        "environment",
        "finishedAt",
        "result",
        "failedBecause",
        "incidents",
        "rollsBack",
        "rework",
        "recoverySeconds",
        "commit",
        "commitsAre",
        "commits",
    ])?;
    for of in work {
        let commits: Vec<_> = of.commits.iter().map(|one| one.commit.as_str()).collect();
        writer.write_record([
            of.organization.clone(),
            of.project.clone().unwrap_or_default(),
            of.pipeline_id.to_string(),
            of.pipeline.clone().unwrap_or_default(),
            of.run_id.to_string(),
            of.stage.clone(),
            of.attempt.to_string(),
            of.environment.clone(),
            of.finished_at.to_string(),
            ending(of).to_owned(),
            of.failed_because.join(" "),
            of.incidents.join(" "),
            of.rolls_back.to_string(),
            of.rework.to_string(),
            of.recovery_seconds.map(|seconds| seconds.to_string()).unwrap_or_default(),
            of.commit.clone().unwrap_or_default(),
            of.commits_are.unwrap_or_default().to_owned(),
            commits.join(" "),
        ])?;
    }
    finish(writer)
}

pub(super) fn finish(writer: Writer<Vec<u8>>) -> Result<String, csv::Error> {
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Time;
    use crate::domain::metrics::{Judgement, Material, Selection, Unknown, Window, Zone};

    #[test]
    fn a_number_that_cannot_be_had_says_why() {
        assert_eq!(figure_text(&Figure::known(5_400), seconds_text), "1h 30m");
        assert_eq!(figure_text(&Figure::unknown(Unknown::NoFailures), seconds_text), "- (none failed)");
        assert_eq!(figure_text(&Figure::known(0.125), percent_text), "12.5 %");
        assert_eq!(cell(&Figure::<i64>::unknown(Unknown::NoFailures)), "");
    }

    #[test]
    fn why_a_number_cannot_be_had_is_said_once() {
        let (material, judged) = (Material::default(), Judgement::default());
        let [from, until] = [0, 1].map(Time::from_ticks);
        let none = Selection::new(&material, &judged, Zone::default(), |_, _| true).bucket(Window { from, until });
        let [lead, often, ..] = five(&none);
        assert_eq!(often.value, "- (nothing is known to have been deployed there)");
        assert_eq!([lead.detail, often.detail], ["p75 -, p95 -, 0 commits", "-"]);
    }
}
