use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use super::answers::OfList;
use super::asked::{Asked, Limit, Since};
use super::page::{Page, after};
use crate::catalog::{Incident, IncidentFilter};
use crate::http::reader::Reader;
use crate::http::{Measures, Problem};

/// Which incidents.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    organization: Option<String>,
    /// A project's name or id.
    project: Option<String>,
    /// Only those that are not over.
    #[serde(default)]
    #[param(required = false, default = false)]
    open: bool,
    /// Those that began since then: a duration such as `7d`, or a time such as `2019-10-02T19:54:00Z`.
    #[param(value_type = Option<String>)]
    since: Option<Since>,
    #[serde(default)]
    #[param(value_type = u32, required = false, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Incidents that were told of, and work items that are some, those that began last first.
#[utoipa::path(
    get,
    path = "/api/v1/incidents",
    operation_id = "listIncidents",
    tag = "metrics",
    params(Wanted),
    responses((status = 200, body = Page<Incident>), OfList)
)]
pub(super) async fn list(
    reader: Reader,
    measures: Option<Extension<Measures>>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Page<Incident>>, Problem> {
    const LIST: &str = "incidents";
    let measures = measures.map(|Extension(measures)| measures).unwrap_or_default();
    let Wanted { organization, project, open, since, limit, cursor } = wanted;
    let filter = IncidentFilter {
        organization,
        project,
        open,
        since: since.map(|since| since.resolve(reader.clock.now())),
        top: Some(limit.and_one()),
        after: after::<Incident>(LIST, cursor.as_deref())?,
    };
    Ok(Json(Page::of(LIST, reader.catalog.incidents(&filter, &measures.terms).await?, limit)))
}
