use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answers::OfList;
use super::asked::{Asked, Limit, Since};
use super::page::{Page, after};
use crate::catalog::{Gap, GapFilter};
use crate::http::Problem;
use crate::http::reader::Reader;

/// Which gaps.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    organization: Option<String>,
    /// A project's name or id.
    project: Option<String>,
    /// Those that lasted until then or later: a duration such as `7d`, or a time such as `2019-10-02T19:54:00Z`.
    #[param(value_type = Option<String>)]
    since: Option<Since>,
    /// Also those for which all was read from the REST API meanwhile.
    #[serde(default)]
    #[param(required = false, default = false)]
    all: bool,
    #[serde(default)]
    #[param(value_type = u32, required = false, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Times in which events were lost, those that began last first.
#[utoipa::path(
    get,
    path = "/api/v1/gaps",
    operation_id = "listGaps",
    tag = "trust",
    params(Wanted),
    responses((status = 200, body = Page<Gap>), OfList)
)]
pub(super) async fn list(reader: Reader, Asked(wanted): Asked<Wanted>) -> Result<Json<Page<Gap>>, Problem> {
    const LIST: &str = "gaps";
    let Wanted { organization, project, since, all, limit, cursor } = wanted;
    let filter = GapFilter {
        organization,
        project,
        since: since.map(|since| since.resolve(reader.clock.now())),
        covered: all,
        top: Some(limit.and_one()),
        after: after::<Gap>(LIST, cursor.as_deref())?,
        ..GapFilter::default()
    };
    Ok(Json(Page::of(LIST, reader.catalog.gaps(&filter).await?, limit)))
}

/// Nothing but the place.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WantedHooks {
    organization: Option<String>,
    /// A project's name or id.
    project: Option<String>,
}

/// How the service hooks are.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hooks {
    /// How many subscriptions are well, of how many; null where nobody keeps count.
    healthy: Option<u64>,
    of: Option<u64>,
    /// Why that is not known.
    reason: Option<String>,
    /// The streams that lose events now, at most 200.
    losing: Vec<Gap>,
}

/// Workers count what is well for Prometheus alone; what is ill they write down.
const NOT_KEPT: &str = "How many subscriptions are well is known to the worker that looks after them \
                        (`pipetrail_hook_subscriptions`), and is not stored; what loses events is.";

/// How the service hooks are: which streams of events are being lost.
#[utoipa::path(
    get,
    path = "/api/v1/hooks",
    operation_id = "showHooks",
    tag = "trust",
    params(WantedHooks),
    responses((status = 200, body = Hooks), OfList)
)]
pub(super) async fn hooks(reader: Reader, Asked(wanted): Asked<WantedHooks>) -> Result<Json<Hooks>, Problem> {
    let WantedHooks { organization, project } = wanted;
    // A gap that goes on ends after any time there is.
    let since = Some(reader.clock.now());
    let filter = GapFilter { organization, project, since, top: Some(200), ..GapFilter::default() };
    let gaps = reader.catalog.gaps(&filter).await?;
    let losing = gaps.into_iter().filter(|gap| gap.to.is_none()).collect();
    Ok(Json(Hooks { healthy: None, of: None, reason: Some(NOT_KEPT.to_owned()), losing }))
}
