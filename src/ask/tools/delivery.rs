use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Number, Value, json};

use super::{Citation, Desk, Found, MOST_ROWS, ToolError};
use crate::ask::when::Said;
use crate::catalog::{Delivery, DeliveryQuestion};
use crate::domain::metrics::{Bucket, Figure, Level, Source, Unknown, Wanted, Window, Work};
use crate::view::delivery_notes;

/// Of which deployments.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Dora {
    organization: Option<String>,
    /// A project's name.
    project: Option<String>,
    /// A pipeline's name or id.
    pipeline: Option<String>,
    repository: Option<String>,
    /// Without it all environments that count as production.
    environment: Option<String>,
    /// Who owns the pipeline, by configuration.
    service: Option<String>,
    team: Option<String>,
    /// Which time, in words: last month, last 90 days, 2026-03.
    window: Option<String>,
    /// Where that time begins: a day, a time or a duration.
    from: Option<String>,
    /// Where it ends.
    to: Option<String>,
}

const METRICS: [&str; 8] = ["metric", "value", "unit", "level", "samples", "firstHalf", "secondHalf", "reason"];

/// One of the five in one time.
struct Metric {
    name: &'static str,
    unit: &'static str,
    value: Option<f64>,
    why: Option<Unknown>,
    level: Option<Level>,
    samples: Option<u64>,
}

/// A row a metric; the halves of the time beside it, so that a change can be seen.
pub(super) async fn dora(desk: &Desk, asked: Dora) -> Result<Found, ToolError> {
    let said = Said { window: asked.window.as_deref(), from: asked.from.as_deref(), to: asked.to.as_deref() };
    let window = desk.window(said)?;
    let question = DeliveryQuestion {
        wanted: Wanted {
            organization: asked.organization,
            project: asked.project,
            pipeline: asked.pipeline,
            repository: asked.repository,
            environment: asked.environment,
            service: asked.service,
            team: asked.team,
        },
        window: Window { from: window.from, until: window.to },
        zone: desk.zone.name().parse().unwrap_or_default(),
        period: None,
        group: None,
        work: true,
        terms: desk.terms.as_ref().clone(),
        owners: desk.owners.clone(),
        now: desk.now,
    };
    let Delivery { report, work, .. } = desk.catalog.delivery(&question).await?;
    let halves = five(&report.trend.before).into_iter().zip(five(&report.trend.after));
    let rows = five(&report.numbers).into_iter().zip(halves).map(|(whole, (first, second))| {
        vec![
            json!(whole.name),
            number(whole.value),
            json!(whole.unit),
            json!(whole.level),
            json!(whole.samples),
            number(first.value),
            number(second.value),
            json!(whole.why.map(Unknown::in_words)),
        ]
    });
    let cited = work.iter().flatten().filter_map(cited).take(MOST_CITED).collect();
    let found = Found::whole(&METRICS, rows.collect(), MOST_ROWS).within(window);
    Ok(found.behind(cited).noting(delivery_notes(&report)))
}

/// Runs that are named, at most.
const MOST_CITED: usize = 50;

/// The run that deployed; a release is none.
fn cited(work: &Work) -> Option<Citation> {
    let is_run = work.source == Source::Pipeline;
    is_run.then(|| Citation { organization: work.organization.clone(), run_id: work.run_id, url: None })
}

fn five(of: &Bucket) -> [Metric; 5] {
    let (often, lead, again) = (&of.deployment_frequency, &of.change_lead_time, &of.deployment_rework_rate);
    let (failed, recovery) = (&of.change_fail_rate, &of.failed_deployment_recovery_time);
    let whole = |figure: &Figure<u64>| Figure { value: figure.value.map(|value| value as f64), reason: figure.reason };
    let seconds =
        |figure: &Figure<i64>| Figure { value: figure.value.map(|value| value as f64), reason: figure.reason };
    let metric = |name, unit, of: Figure<f64>, level, samples| Metric {
        name,
        unit,
        value: of.value,
        why: of.reason,
        level,
        samples,
    };
    let (lead_time, recovered) = (seconds(&lead.total.median), seconds(&recovery.time.median));
    let days = whole(&often.median_deploy_days_a_week);
    [
        metric("change lead time, median", "seconds", lead_time, lead.level, u64::try_from(lead.total.count).ok()),
        metric("deployment frequency", "days a week", days, often.level, often.deployments.value),
        metric(
            "failed deployment recovery time, median",
            "seconds",
            recovered,
            recovery.level,
            u64::try_from(recovery.time.count).ok(),
        ),
        metric("change fail rate", "share", failed.rate, failed.level, Some(failed.finished)),
        metric("deployment rework rate", "share", again.rate, None, Some(again.finished)),
    ]
}

/// To four digits.
fn number(value: Option<f64>) -> Value {
    let rounded = value.and_then(|value| Number::from_f64((value * 10_000.0).round() / 10_000.0));
    rounded.map_or(Value::Null, Value::Number)
}
