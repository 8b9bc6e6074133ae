use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use super::answers::OfList;
use super::asked::{Asked, Since};
use crate::catalog::{Delivery, DeliveryQuestion};
use crate::domain::metrics::{FlowReport, Group, Period, Terms, Wanted, Window, Zone};
use crate::http::reader::Reader;
use crate::http::{Measures, Problem};

/// Which deployments, and when.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asking {
    organization: Option<String>,
    /// A project's name or id.
    project: Option<String>,
    /// The name or id of a pipeline, or of a release's definition.
    pipeline: Option<String>,
    repository: Option<String>,
    /// One environment; without it all that are production.
    environment: Option<String>,
    /// A service or a team, by the configuration.
    service: Option<String>,
    team: Option<String>,
    /// From then on: a duration such as `90d`, which is the default, or a time such as `2019-10-02T19:54:00Z`.
    #[param(value_type = Option<String>)]
    since: Option<Since>,
    /// Until then; without it, now.
    #[param(value_type = Option<String>)]
    until: Option<Since>,
    /// Also by day, ISO week or month.
    #[param(value_type = Option<String>)]
    by: Option<Period>,
    /// Also side by side: each pipeline, repository, project, environment, service, team, or person, where that is allowed.
    #[param(value_type = Option<String>)]
    group: Option<Group>,
    /// Whose days and weeks, such as `Europe/Berlin`; without it, those of the configuration.
    time_zone: Option<String>,
    /// Also the deployments, commits and incidents behind the numbers.
    #[serde(default)]
    #[param(required = false, default = false)]
    work: bool,
}

const DAYS_90: std::time::Duration = std::time::Duration::from_secs(90 * 24 * 3_600);

/// DORA's five metrics, with what they rest on. A number that cannot be had is null, with the reason beside it.
#[utoipa::path(
    get,
    path = "/api/v1/metrics",
    operation_id = "getMetrics",
    tag = "metrics",
    params(Asking),
    responses((status = 200, body = Delivery), OfList)
)]
pub(super) async fn show(
    reader: Reader,
    measures: Option<Extension<Measures>>,
    Asked(asking): Asked<Asking>,
) -> Result<Json<Delivery>, Problem> {
    let measures = measures.map(|Extension(measures)| measures).unwrap_or_default();
    let question = question(&reader, &measures, asking)?;
    Ok(Json(reader.catalog.delivery(&question).await?))
}

/// How pipelines run, deployment or not: how long, how long they wait, how often they succeed.
#[utoipa::path(
    get,
    path = "/api/v1/metrics/flow",
    operation_id = "getFlow",
    tag = "metrics",
    params(Asking),
    responses((status = 200, body = FlowReport), OfList)
)]
pub(super) async fn flow(
    reader: Reader,
    measures: Option<Extension<Measures>>,
    Asked(asking): Asked<Asking>,
) -> Result<Json<FlowReport>, Problem> {
    if asking.environment.is_some() || asking.by.is_some() || asking.work {
        return Err(Problem::bad_request("`environment`, `by` and `work` are for deployments: leave them out."));
    }
    let measures = measures.map(|Extension(measures)| measures).unwrap_or_default();
    let question = question(&reader, &measures, asking)?;
    Ok(Json(reader.catalog.flow(&question).await?))
}

fn question(reader: &Reader, measures: &Measures, asking: Asking) -> Result<DeliveryQuestion, Problem> {
    let now = reader.clock.now();
    let from = asking.since.map_or_else(|| now.minus(DAYS_90), |since| since.resolve(now));
    let window = Window { from, until: asking.until.map_or(now, |until| until.resolve(now)) };
    if window.from >= window.until {
        return Err(Problem::bad_request("`since` is not before `until`."));
    }
    if asking.group == Some(Group::Person) && !measures.terms.people {
        return Err(Problem::forbidden("People are not compared here."));
    }
    let zone = asking.time_zone.map(|name| name.parse::<Zone>());
    let zone = zone.transpose().map_err(|error| Problem::bad_request(format!("{error}.")))?;
    Ok(DeliveryQuestion {
        wanted: Wanted {
            organization: asking.organization,
            project: asking.project,
            pipeline: asking.pipeline,
            repository: asking.repository,
            environment: asking.environment,
            service: asking.service,
            team: asking.team,
        },
        window,
        zone: zone.unwrap_or(measures.zone),
        period: asking.by,
        group: asking.group,
        work: asking.work,
        terms: Terms::clone(&measures.terms),
        owners: reader.owners.clone(),
        now,
    })
}
