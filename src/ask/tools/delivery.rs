use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Number, Value, json};

use super::aggregate::Dimension;
use super::{Citation, Desk, Found, MOST_ROWS, ToolError};
use crate::ask::when::{Said, Window as When};
use crate::catalog::{Delivery, DeliveryQuestion, Named};
use crate::domain::metrics::{
    Bucket, Figure, Group, Grouped, Level, Report, Source, Spread, Unknown, Wanted, Window, Work,
};
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
    /// One of the five; without it all of them.
    metric: Option<Which>,
    /// A row for each of these, with how much it changed: what moved a number. Those that changed most come first.
    group_by: Option<By>,
    /// Which time, in words: last month, last 90 days, 2026-03.
    window: Option<String>,
    /// Where that time begins: a day, a time or a duration.
    from: Option<String>,
    /// Where it ends.
    to: Option<String>,
}

/// The five, in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Which {
    /// With its parts, review and deployment.
    ChangeLeadTime,
    DeploymentFrequency,
    FailedDeploymentRecoveryTime,
    ChangeFailRate,
    DeploymentReworkRate,
}

/// What deployments are put together by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum By {
    Pipeline,
    Repository,
    Project,
    Environment,
    /// Who owns the pipeline, by configuration.
    Service,
    Team,
}

impl By {
    fn group(self) -> Group {
        match self {
            Self::Pipeline => Group::Pipeline,
            Self::Repository => Group::Repository,
            Self::Project => Group::Project,
            Self::Environment => Group::Environment,
            Self::Service => Group::Service,
            Self::Team => Group::Team,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Pipeline => "pipeline",
            Self::Repository => "repository",
            Self::Project => "project",
            Self::Environment => "environment",
            Self::Service => "service",
            Self::Team => "team",
        }
    }
}

const METRICS: [&str; 9] =
    ["metric", "value", "unit", "level", "samples", "before", "firstHalf", "secondHalf", "reason"];
/// Behind the name of the group.
const GROUPED: [&str; 9] =
    ["metric", "value", "unit", "level", "samples", "before", "change", "samplesBefore", "reason"];

/// One of the five, or a part of one, in one time.
#[derive(Debug, Clone, Copy)]
struct Metric {
    of: Which,
    name: &'static str,
    unit: &'static str,
    value: Option<f64>,
    why: Option<Unknown>,
    level: Option<Level>,
    samples: Option<u64>,
}

/// A row a metric, or one a group and metric; the time before it beside it, so that a change can be seen.
pub(super) async fn dora(desk: &Desk, asked: Dora) -> Result<Found, ToolError> {
    let said = Said { window: asked.window.as_deref(), from: asked.from.as_deref(), to: asked.to.as_deref() };
    let window = desk.window(said)?;
    let question = |window: When, work| DeliveryQuestion {
        wanted: asked.wanted(),
        window: Window { from: window.from, until: window.to },
        zone: desk.zone.name().parse().unwrap_or_default(),
        period: None,
        group: asked.group_by.map(By::group),
        work,
        terms: desk.terms.as_ref().clone(),
        owners: desk.owners.clone(),
        now: desk.now,
    };
    let now = desk.catalog.delivery(&question(window, true)).await?;
    let before = desk.catalog.delivery(&question(window.before(), false)).await?;
    let near = asked.near(desk, now.report.coverage.deployments + before.report.coverage.deployments == 0).await?;
    let found = match asked.group_by {
        Some(by) => asked.grouped(by, &now, &before),
        None => asked.whole(&now.report, &before.report),
    };
    let cited = now.work.iter().flatten().filter_map(cited).take(MOST_CITED).collect();
    let notes = window.unfinished(desk.now).into_iter().chain(near).chain(delivery_notes(&now.report));
    Ok(found.compared(window).behind(cited).noting(notes.collect()))
}

impl Dora {
    fn wants(&self, metric: &Metric) -> bool {
        self.metric.is_none_or(|wanted| wanted == metric.of)
    }

    /// The halves of the time beside it, too.
    fn whole(&self, now: &Report, before: &Report) -> Found {
        let [now, before, first, second] =
            [&now.numbers, &before.numbers, &now.trend.before, &now.trend.after].map(metrics);
        let beside = before.into_iter().zip(first).zip(second);
        let rows = now.into_iter().zip(beside).filter(|(whole, _)| self.wants(whole));
        let rows = rows.map(|(whole, ((before, first), second))| {
            let beside = [before, first, second].map(|beside| number(beside.value));
            whole.cells().into_iter().chain(beside).chain([whole.reason()]).collect()
        });
        Found::whole(&METRICS, rows.collect(), MOST_ROWS)
    }

    /// Those that changed most first, metric by metric: review and deployment are of the lead time.
    fn grouped(&self, by: By, now: &Delivery, before: &Delivery) -> Found {
        let mut groups: BTreeMap<Option<String>, [Option<[Metric; 7]>; 2]> = BTreeMap::new();
        for (at, delivery) in [now, before].into_iter().enumerate() {
            for Grouped { name, numbers } in delivery.groups.iter().flatten() {
                let both = groups.entry(name.clone()).or_default();
                both.iter_mut().skip(at).take(1).for_each(|here| *here = Some(metrics(numbers)));
            }
        }
        let mut moved = Vec::new();
        for (name, [now, before]) in groups {
            let known = |of: Option<[Metric; 7]>, other: Option<[Metric; 7]>| {
                of.or_else(|| other.map(|other| other.map(Metric::nothing))).into_iter().flatten()
            };
            let both = known(now, before).zip(known(before, now));
            moved.extend(both.filter(|(now, _)| self.wants(now)).map(|(now, before)| (name.clone(), now, before)));
        }
        let change = |now: &Metric, before: &Metric| now.value.zip(before.value).map(|(now, before)| now - before);
        // Of equals the order of the names stays.
        moved.sort_by(|(_, now, before), (_, other, earlier)| {
            let size = |change: Option<f64>| change.map_or(-1.0, f64::abs);
            let by_size = size(change(other, earlier)).total_cmp(&size(change(now, before)));
            now.of.cmp(&other.of).then(by_size)
        });
        let rows = moved.iter().map(|(name, now, before)| {
            let beside = [number(before.value), number(change(now, before)), json!(before.samples), now.reason()];
            [json!(name)].into_iter().chain(now.cells()).chain(beside).collect()
        });
        let columns: Vec<_> = [by.name()].into_iter().chain(GROUPED).collect();
        let is_cut =
            [now, before].iter().any(|of| of.groups.as_ref().is_some_and(|groups| groups.len() == Group::MOST));
        let cut = is_cut.then(|| format!("only the {} with the most deployments are told apart", Group::MOST));
        let notes = now.caution.map(str::to_owned).into_iter().chain(cut);
        Found::whole(&columns, rows.collect(), MOST_ROWS).noting(notes.collect())
    }

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

    /// What has to be said of names that nothing has. Many a deployment names its environment and its repository itself:
    /// what there is none of may be misspelt.
    async fn near(&self, desk: &Desk, is_nothing: bool) -> Result<Vec<String>, ToolError> {
        let named = [
            (Named::Organization, self.organization.as_ref()),
            (Named::Project, self.project.as_ref()),
            (Named::Pipeline, self.pipeline.as_ref()),
        ];
        let mut notes = desk.near(&named).await?;
        notes.extend(desk.near_owner(self.service.as_ref(), self.team.as_ref()).await?);
        if is_nothing {
            let picked = |dimension, name: &Option<String>| name.iter().map(|name| (dimension, name.clone())).collect();
            notes.extend(desk.near_picked(picked(Dimension::Repository, &self.repository)).await?);
            // It is known where either knows it. The longer note offers names.
            let of_stages = desk.near_picked(picked(Dimension::Environment, &self.environment)).await?;
            let of_records = desk.near(&[(Named::Environment, self.environment.as_ref())]).await?;
            let both = of_stages.into_iter().zip(of_records);
            notes.extend(both.map(|(one, other)| if other.len() > one.len() { other } else { one }));
        }
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
    let often = Metric::new(Which::DeploymentFrequency, ("deployment frequency", "days a week"), days, often.level);
    let samples = of.deployment_frequency.deployments.value;
    let recovery_time = Which::FailedDeploymentRecoveryTime;
    let fails = Metric::new(Which::ChangeFailRate, ("change fail rate", "share"), failed.rate, failed.level);
    let rework = Metric::new(Which::DeploymentReworkRate, ("deployment rework rate", "share"), again.rate, None);
    [
        Metric::median(Which::ChangeLeadTime, "change lead time, median", &lead.total, lead.level),
        Metric::median(Which::ChangeLeadTime, "of it review, median", &lead.review, None),
        Metric::median(Which::ChangeLeadTime, "of it deployment, median", &lead.deployment, None),
        Metric { samples, ..often },
        Metric::median(recovery_time, "failed deployment recovery time, median", &recovery.time, recovery.level),
        Metric { samples: Some(failed.finished), ..fails },
        Metric { samples: Some(again.finished), ..rework },
    ]
}

impl Metric {
    fn new(of: Which, (name, unit): (&'static str, &'static str), is: Figure<f64>, level: Option<Level>) -> Self {
        Self { of, name, unit, value: is.value, why: is.reason, level, samples: None }
    }

    fn median(of: Which, name: &'static str, is: &Spread, level: Option<Level>) -> Self {
        let median = Figure { value: is.median.value.map(|seconds| seconds as f64), reason: is.median.reason };
        Self { samples: u64::try_from(is.count).ok(), ..Self::new(of, (name, "seconds"), median, level) }
    }

    /// The same where there was no deployment.
    fn nothing(self) -> Self {
        Self { value: None, why: None, level: None, samples: Some(0), ..self }
    }

    fn cells(&self) -> [Value; 5] {
        [json!(self.name), number(self.value), json!(self.unit), json!(self.level), json!(self.samples)]
    }

    fn reason(&self) -> Value {
        json!(self.why.map(Unknown::in_words))
    }
}

/// To four digits.
fn number(value: Option<f64>) -> Value {
    let rounded = value.and_then(|value| Number::from_f64((value * 10_000.0).round() / 10_000.0));
    rounded.map_or(Value::Null, Value::Number)
}
