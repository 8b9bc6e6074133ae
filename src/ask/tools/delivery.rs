use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Number, Value, json};

use super::{Citation, Desk, Found, MOST_ROWS, ToolError};
use crate::ask::when::{Said, Window as When};
use crate::catalog::{Delivery, DeliveryQuestion, Named};
use crate::domain::metrics::{Bucket, Figure, Level, Source, Spread, Unknown, Wanted, Window, Work};
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

const METRICS: [&str; 9] =
    ["metric", "value", "unit", "level", "samples", "before", "firstHalf", "secondHalf", "reason"];

/// One of the five, or a part of one, in one time.
struct Metric {
    name: &'static str,
    unit: &'static str,
    value: Option<f64>,
    why: Option<Unknown>,
    level: Option<Level>,
    samples: Option<u64>,
}

/// A row a metric; the time before it and its halves beside it, so that a change can be seen.
pub(super) async fn dora(desk: &Desk, asked: Dora) -> Result<Found, ToolError> {
    let said = Said { window: asked.window.as_deref(), from: asked.from.as_deref(), to: asked.to.as_deref() };
    let window = desk.window(said)?;
    let near = asked.near(desk).await?;
    let question = |window: When, work| DeliveryQuestion {
        wanted: asked.wanted(),
        window: Window { from: window.from, until: window.to },
        zone: desk.zone.name().parse().unwrap_or_default(),
        period: None,
        group: None,
        work,
        terms: desk.terms.as_ref().clone(),
        owners: desk.owners.clone(),
        now: desk.now,
    };
    let Delivery { report, work, .. } = desk.catalog.delivery(&question(window, true)).await?;
    let before = desk.catalog.delivery(&question(window.before(), false)).await?.report;
    let [now, before, first, second] =
        [&report.numbers, &before.numbers, &report.trend.before, &report.trend.after].map(metrics);
    let beside = before.into_iter().zip(first).zip(second);
    let rows = now.into_iter().zip(beside).map(|(whole, ((before, first), second))| {
        vec![
            json!(whole.name),
            number(whole.value),
            json!(whole.unit),
            json!(whole.level),
            json!(whole.samples),
            number(before.value),
            number(first.value),
            number(second.value),
            json!(whole.why.map(Unknown::in_words)),
        ]
    });
    let cited = work.iter().flatten().filter_map(cited).take(MOST_CITED).collect();
    let found = Found::whole(&METRICS, rows.collect(), MOST_ROWS).compared(window);
    let notes = window.unfinished(desk.now).into_iter().chain(near).chain(delivery_notes(&report));
    Ok(found.behind(cited).noting(notes.collect()))
}

impl Dora {
    fn wanted(&self) -> Wanted {
        Wanted {
            organization: self.organization.clone(),
            project: self.project.clone(),
            pipeline: self.pipeline.clone(),
            repository: self.repository.clone(),
            environment: self.environment.clone(),
            service: self.service.clone(),
            team: self.team.clone(),
        }
    }

    /// What has to be said of names that nothing has.
    async fn near(&self, desk: &Desk) -> Result<Vec<String>, ToolError> {
        let named = [
            (Named::Organization, self.organization.as_ref()),
            (Named::Project, self.project.as_ref()),
            (Named::Pipeline, self.pipeline.as_ref()),
        ];
        let mut notes = desk.near(&named).await?;
        notes.extend(desk.near_owner(self.service.as_ref(), self.team.as_ref()).await?);
        Ok(notes)
    }
}

/// Runs that are named, at most.
const MOST_CITED: usize = 50;

/// The run that deployed; a release is none.
fn cited(work: &Work) -> Option<Citation> {
    let is_run = work.source == Source::Pipeline;
    is_run.then(|| Citation::of(&work.organization, work.run_id))
}

fn metrics(of: &Bucket) -> [Metric; 7] {
    let (often, lead, again) = (&of.deployment_frequency, &of.change_lead_time, &of.deployment_rework_rate);
    let (failed, recovery) = (&of.change_fail_rate, &of.failed_deployment_recovery_time);
    let days = often.median_deploy_days_a_week;
    let days = Figure { value: days.value.map(|days| days as f64), reason: days.reason };
    let often = Metric::new("deployment frequency", "days a week", days, often.level);
    let samples = of.deployment_frequency.deployments.value;
    [
        Metric::median("change lead time, median", &lead.total, lead.level),
        Metric::median("of it review, median", &lead.review, None),
        Metric::median("of it deployment, median", &lead.deployment, None),
        Metric { samples, ..often },
        Metric::median("failed deployment recovery time, median", &recovery.time, recovery.level),
        Metric {
            samples: Some(failed.finished),
            ..Metric::new("change fail rate", "share", failed.rate, failed.level)
        },
        Metric { samples: Some(again.finished), ..Metric::new("deployment rework rate", "share", again.rate, None) },
    ]
}

impl Metric {
    fn new(name: &'static str, unit: &'static str, of: Figure<f64>, level: Option<Level>) -> Self {
        Self { name, unit, value: of.value, why: of.reason, level, samples: None }
    }

    fn median(name: &'static str, of: &Spread, level: Option<Level>) -> Self {
        let median = Figure { value: of.median.value.map(|seconds| seconds as f64), reason: of.median.reason };
        Self { samples: u64::try_from(of.count).ok(), ..Self::new(name, "seconds", median, level) }
    }
}

/// To four digits.
fn number(value: Option<f64>) -> Value {
    let rounded = value.and_then(|value| Number::from_f64((value * 10_000.0).round() / 10_000.0));
    rounded.map_or(Value::Null, Value::Number)
}
