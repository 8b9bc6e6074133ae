//! How well is delivered: the five numbers with level and trend, as charts and as tables, and what stands behind them.

use askama::Template;
use axum::Extension;
use axum::extract::Query;
use axum::response::Response;
use serde::Deserialize;

use super::filters::{Field, Filters};
use super::frame::Frame;
use super::html::{Badge, When, branch, named, query, said, short, web};
use super::out::{AdoSite, Out};
use super::{page, paths};
use crate::catalog::{Delivery, DeliveryQuestion, Incident, IncidentFilter};
use crate::domain::metrics::{
    Bucket, Coverage, Figure, FlowReport, Group, GroupFlow, Level, Period, Source, Terms, Wanted, Window, Work, Zone,
};
use crate::http::reader::Reader;
use crate::http::{Measures, Problem};
use crate::view::{
    FLOW_COLUMNS, FlowNumber, Number, delivery_notes, five, flow_cells, flow_numbers, percent_text, seconds_text,
};

/// Deployments in the table; the rest is for the API.
const TOP: usize = 100;
/// Commits that are named of each.
const COMMITS: usize = 5;
/// Incidents in their table.
const INCIDENTS: u32 = 20;
/// Pipelines in the table of how they run.
const PIPELINES: usize = 20;
const DAY: u64 = 24 * 3_600;
const SPANS: [(&str, u64); 4] = [("14", 14), ("30", 30), ("90", 90), ("365", 365)];
const USUAL: &str = "90";
const PERIODS: [&str; 3] = ["day", "week", "month"];

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    project: Option<String>,
    pipeline: Option<String>,
    repository: Option<String>,
    environment: Option<String>,
    service: Option<String>,
    team: Option<String>,
    days: Option<String>,
    by: Option<String>,
}

#[derive(Template)]
#[template(path = "dora.html")]
struct Page {
    frame: Frame,
    filters: Filters,
    is_filtered: bool,
    zone: String,
    tiles: Vec<Tile>,
    charts: Vec<Chart>,
    rows: Vec<SeriesRow>,
    notes: Vec<String>,
    coverage: Coverage,
    work: Vec<WorkRow>,
    total: usize,
    json: String,
    incidents: Vec<IncidentRow>,
    flow: Flowing,
}

/// One that began in this time, whatever it is linked to.
struct IncidentRow {
    id: String,
    href: Option<String>,
    title: String,
    badge: Badge,
    opened: Option<When>,
    resolved: Option<When>,
}

/// How the pipelines run, whatever the environment.
struct Flowing {
    numbers: [FlowNumber; 8],
    columns: [&'static str; 9],
    /// Of each pipeline, those with the most runs first.
    rows: Vec<(String, [String; 9])>,
    total: usize,
    hours: Chart,
}

struct Tile {
    number: Number,
    level: Option<Badge>,
    trend: String,
}

/// A bar for each period. SVG by attributes alone.
struct Chart {
    name: &'static str,
    bars: Vec<Bar>,
    most: String,
}

struct Bar {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
    title: String,
}

struct SeriesRow {
    from: String,
    cells: [String; 6],
}

struct WorkRow {
    when: When,
    pipeline: String,
    href: Option<String>,
    out: Out,
    run: String,
    environment: String,
    badge: Badge,
    notes: String,
    commits: Vec<(String, String)>,
    more: usize,
    commits_are: String,
}

/// `GET /dora`
pub(super) async fn show(
    reader: Reader,
    measures: Option<Extension<Measures>>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let measures = measures.map(|Extension(measures)| measures).unwrap_or_default();
    let asked = Asked {
        project: said(asked.project),
        pipeline: said(asked.pipeline),
        repository: said(asked.repository),
        environment: said(asked.environment),
        service: said(asked.service),
        team: said(asked.team),
        ..asked
    };
    let (days, by) = (days(asked.days.as_deref()), by(asked.by.as_deref()));
    let question = question(&reader, &measures, &asked, (days.1, by.1));
    let delivery = reader.catalog.delivery(&question).await?;
    let incidents = IncidentFilter {
        project: asked.project.clone(),
        since: Some(question.window.from),
        top: Some(INCIDENTS),
        ..IncidentFilter::default()
    };
    let incidents = reader.catalog.incidents(&incidents, &question.terms).await?;
    let flow = reader.catalog.flow(&DeliveryQuestion { group: Some(Group::Pipeline), ..question }).await?;
    let json = api(&asked, days.0, by.0);
    let frame = Frame::of(&reader, "/dora").await?;
    let work = delivery.work.iter().flatten().rev().take(TOP).map(|of| work_row(&reader.ado, of)).collect();
    page(&Page { work, ..shown(frame, &asked, (days.0, by.0), (&delivery, &flow, &incidents), json) })
}

fn days(asked: Option<&str>) -> (&'static str, u64) {
    let known = |wanted: &str| SPANS.into_iter().find(|(word, _)| *word == wanted);
    asked.and_then(known).or_else(|| known(USUAL)).unwrap_or(SPANS[0])
}

fn by(asked: Option<&str>) -> (&'static str, Period) {
    match asked {
        Some("day") => ("day", Period::Day),
        Some("month") => ("month", Period::Month),
        Some(_) | None => ("week", Period::Week),
    }
}

fn question(reader: &Reader, measures: &Measures, asked: &Asked, (days, period): (u64, Period)) -> DeliveryQuestion {
    let now = reader.clock.now();
    let zone: Zone = measures.zone;
    // From midnight on: so the first day is a whole one.
    let from = zone.start(zone.day(now.minus(std::time::Duration::from_secs(days * DAY))));
    DeliveryQuestion {
        wanted: Wanted {
            organization: None,
            project: asked.project.clone(),
            pipeline: asked.pipeline.clone(),
            repository: asked.repository.clone(),
            environment: asked.environment.clone(),
            service: asked.service.clone(),
            team: asked.team.clone(),
        },
        window: Window { from, until: now },
        zone,
        period: Some(period),
        group: None,
        work: true,
        terms: Terms::clone(&measures.terms),
        owners: reader.owners.clone(),
        now,
    }
}

/// The same question for programs.
fn api(asked: &Asked, days: &str, by: &str) -> String {
    let since = format!("{days}d");
    let all = [
        ("project", asked.project.as_deref()),
        ("pipeline", asked.pipeline.as_deref()),
        ("repository", asked.repository.as_deref()),
        ("environment", asked.environment.as_deref()),
        ("service", asked.service.as_deref()),
        ("team", asked.team.as_deref()),
        ("since", Some(since.as_str())),
        ("by", Some(by)),
        ("work", Some("true")),
    ];
    query("/api/v1/metrics", &all)
}

fn shown(
    frame: Frame,
    asked: &Asked,
    (days, by): (&str, &str),
    (delivery, flow, incidents): (&Delivery, &FlowReport, &[Incident]),
    json: String,
) -> Page {
    let report = &delivery.report;
    let filters = filters(asked, days, by);
    Page {
        frame,
        is_filtered: filters.is_any,
        filters,
        zone: report.time_zone.clone(),
        tiles: tiles(&report.numbers, &report.trend.before, &report.trend.after),
        charts: charts(&report.series),
        rows: report.series.iter().rev().map(series_row).collect(),
        notes: delivery_notes(report),
        coverage: report.coverage,
        total: delivery.work.as_ref().map_or(0, Vec::len),
        work: Vec::new(),
        json,
        incidents: incidents.iter().map(incident_row).collect(),
        flow: flowing(flow),
    }
}

fn filters(asked: &Asked, days: &str, by: &str) -> Filters {
    let texts = [
        ("project", "Project", asked.project.as_deref()),
        ("pipeline", "Pipeline", asked.pipeline.as_deref()),
        ("repository", "Repository", asked.repository.as_deref()),
        ("environment", "Environment", asked.environment.as_deref()),
        ("service", "Service", asked.service.as_deref()),
        ("team", "Team", asked.team.as_deref()),
    ];
    let mut fields: Vec<_> = texts.iter().map(|(name, label, value)| Field::text(name, label, *value)).collect();
    fields.push(Field::words("days", "Days", SPANS.map(|(word, _)| word), |word| word == days));
    fields.push(Field::words("by", "By", PERIODS, |word| word == by));
    let is_any = texts.iter().any(|(_, _, value)| value.is_some());
    Filters { action: "/dora", button: "Show", fields, is_any }
}

fn incident_row(of: &Incident) -> IncidentRow {
    let is_work_item = of.source == "workItem";
    IncidentRow {
        id: if is_work_item { format!("work item {}", of.id) } else { of.id.clone() },
        href: match is_work_item {
            true => Some(paths::thing("work-items", &of.organization, &of.id)),
            false => web(of.url.as_deref()).map(str::to_owned),
        },
        title: of.title.clone().unwrap_or_default(),
        badge: match of.resolved_at {
            Some(_) => Badge { kind: "good", icon: "✓", word: of.status.clone() },
            None => Badge { kind: "bad", icon: "✕", word: of.status.clone() },
        },
        opened: of.opened_at.map(When::exact),
        resolved: of.resolved_at.map(When::exact),
    }
}

fn flowing(report: &FlowReport) -> Flowing {
    let groups = report.groups.as_deref().unwrap_or_default();
    let name = |of: &GroupFlow| of.name.clone().unwrap_or_else(none);
    Flowing {
        numbers: flow_numbers(&report.numbers, &report.tests),
        columns: FLOW_COLUMNS,
        rows: groups.iter().take(PIPELINES).map(|of| (name(of), flow_cells(&of.numbers, &of.tests))).collect(),
        total: groups.len(),
        hours: hours(report),
    }
}

/// The median wait by the hour of the day.
fn hours(report: &FlowReport) -> Chart {
    let at = |hour: u32| report.queue_by_hour.iter().find(|of| of.hour == hour).and_then(|of| of.queue.median.value);
    let waits: Vec<(u32, Option<f64>)> = (0..24).map(|hour| (hour, at(hour).map(seconds))).collect();
    bars("Queue time by hour, median", &waits, |(hour, _)| format!("{hour:02}:00"), |(_, wait)| *wait, length)
}

fn tiles(all: &Bucket, before: &Bucket, after: &Bucket) -> Vec<Tile> {
    let halves = five(before).into_iter().zip(five(after));
    five(all).into_iter().zip(halves).map(|(number, (before, after))| tile(number, &before, &after)).collect()
}

fn tile(number: Number, before: &Number, after: &Number) -> Tile {
    let trend = format!("first half {}, second half {}", before.value, after.value);
    Tile { level: number.level.map(level), trend, number }
}

fn level(level: Level) -> Badge {
    let (kind, icon) = match level {
        Level::Elite => ("good", "✓"),
        Level::High => ("good", "•"),
        Level::Medium => ("fair", "◐"),
        Level::Low => ("bad", "✕"),
    };
    Badge { kind, icon, word: level.as_str().to_owned() }
}

const WIDTH: usize = 1_000;
const HEIGHT: usize = 100;

fn charts(series: &[Bucket]) -> Vec<Chart> {
    type Measure = (&'static str, fn(&Bucket) -> Option<f64>, fn(f64) -> String);
    let measures: [Measure; 5] = [
        ("Deployments", |of| of.deployment_frequency.deployments.value.map(whole), |of| format!("{of:.0}")),
        ("Change lead time, median", |of| of.change_lead_time.total.median.value.map(seconds), length),
        ("Recovery time, median", |of| of.failed_deployment_recovery_time.time.median.value.map(seconds), length),
        ("Change fail rate", |of| of.change_fail_rate.rate.value, |of| percent_text(&of)),
        ("Rework rate", |of| of.deployment_rework_rate.rate.value, |of| percent_text(&of)),
    ];
    measures.into_iter().map(|(name, value, text)| bars(name, series, day, value, text)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a bar is no wider than a screen")]
fn whole(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "a bar is no wider than a screen")]
fn seconds(number: i64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, reason = "it came from whole seconds")]
fn length(seconds: f64) -> String {
    seconds_text(&(seconds as i64))
}

/// What is not known has no bar: a zero would have none either, so the table beside it tells which.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to the height of the chart")]
fn bars<T>(
    name: &'static str,
    series: &[T],
    called: impl Fn(&T) -> String,
    value: impl Fn(&T) -> Option<f64>,
    text: impl Fn(f64) -> String,
) -> Chart {
    let most = series.iter().filter_map(&value).fold(0.0, f64::max);
    let step = WIDTH / series.len().max(1);
    let bar = |(at, of): (usize, &T)| {
        let value = value(of)?;
        let height = if most > 0.0 { (value / most * HEIGHT as f64) as usize } else { 0 };
        Some(Bar {
            x: at * step,
            y: HEIGHT - height.min(HEIGHT),
            width: step.saturating_sub(2).max(1),
            height: height.min(HEIGHT),
            title: format!("{}: {}", called(of), text(value)),
        })
    };
    Chart { name, bars: series.iter().enumerate().filter_map(bar).collect(), most: text(most) }
}

/// The day on which it begins.
fn day(of: &Bucket) -> String {
    of.from.to_string().chars().take(10).collect()
}

fn series_row(of: &Bucket) -> SeriesRow {
    let time = |figure: &Figure<i64>| figure.value.as_ref().map_or_else(none, seconds_text);
    let share = |figure: &Figure<f64>| figure.value.as_ref().map_or_else(none, percent_text);
    let number = |figure: &Figure<u64>| figure.value.map_or_else(none, |value| value.to_string());
    SeriesRow {
        from: day(of),
        cells: [
            number(&of.deployment_frequency.deployments),
            number(&of.deployment_frequency.deploy_days),
            time(&of.change_lead_time.total.median),
            time(&of.failed_deployment_recovery_time.time.median),
            share(&of.change_fail_rate.rate),
            share(&of.deployment_rework_rate.rate),
        ],
    }
}

fn none() -> String {
    "–".to_owned()
}

/// What was only told of is nowhere else.
fn work_page(ado: &AdoSite, of: &Work) -> Option<String> {
    let (organization, project) = (of.organization.as_str(), of.project.as_deref());
    match of.source {
        Source::Pipeline => ado.run(organization, project, of.run_id),
        Source::Release => ado.release(organization, project, of.run_id),
        Source::Reported => None,
    }
}

fn work_row(ado: &AdoSite, of: &Work) -> WorkRow {
    let marks = [(of.rolls_back, "rollback"), (of.rework, "rework")];
    let marks = marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark.to_owned());
    let because = of.failed_because.iter().filter(|why| **why != "failed").map(|why| match *why {
        "rolledBack" => "rolled back".to_owned(),
        why => why.to_owned(),
    });
    let recovered = of.recovery_seconds.map(|seconds| format!("recovered after {}", seconds_text(&seconds)));
    let notes: Vec<_> = because.chain(of.incidents.iter().cloned()).chain(marks).chain(recovered).collect();
    let commits = of.commits.iter().take(COMMITS);
    let stage =
        if of.stage.is_empty() { String::new() } else { format!(" {} #{}", branch(Some(&of.stage)), of.attempt) };
    WorkRow {
        when: When::exact(of.finished_at),
        pipeline: named(of.pipeline.as_deref(), of.pipeline_id),
        href: (of.source == Source::Pipeline).then(|| paths::run(&of.organization, of.run_id)),
        out: Out::to(work_page(ado, of), format!("{} {}", named(of.pipeline.as_deref(), of.pipeline_id), of.run_id)),
        run: if of.source == Source::Reported { String::new() } else { format!("{}{stage}", of.run_id) },
        environment: of.environment.clone(),
        badge: Badge::of(None, Some(result(of))),
        notes: notes.join(", "),
        commits: commits.map(|one| (paths::commit(&of.organization, &one.commit), short(&one.commit))).collect(),
        more: of.commits.len().saturating_sub(COMMITS),
        commits_are: match of.commits_are {
            Some("first") => "the first on record".to_owned(),
            Some("unknown") => "not known".to_owned(),
            Some("likely") => "likely".to_owned(),
            Some(_) | None => String::new(),
        },
    }
}

fn result(of: &Work) -> &'static str {
    use crate::domain::metrics::Ending;
    match of.result {
        Ending::Succeeded => "succeeded",
        Ending::PartiallySucceeded => "partiallySucceeded",
        Ending::Failed => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_asked_rightly_is_the_usual() {
        assert_eq!([None, Some("30"), Some("x")].map(|asked| days(asked).1), [90, 30, 90]);
        assert_eq!([None, Some("day"), Some("x")].map(|asked| by(asked).0), ["week", "day", "week"]);
        let asked = Asked { pipeline: Some("a&b".to_owned()), ..Asked::default() };
        assert_eq!(api(&asked, "30", "week"), "/api/v1/metrics?pipeline=a%26b&since=30d&by=week&work=true");
    }
}
