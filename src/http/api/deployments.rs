use axum::Json;
use serde::Deserialize;
use utoipa::IntoParams;

use super::answers::OfList;
use super::asked::{Asked, Limit, Since};
use super::page::{Page, after};
use crate::catalog::{ApprovalFilter, Deployment, DeploymentFilter, GivenApproval};
use crate::http::Problem;
use crate::http::reader::Reader;

/// Which deployments.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    organization: Option<String>,
    /// A project's name or id.
    project: Option<String>,
    /// An environment's name or id.
    environment: Option<String>,
    /// The name or id of a pipeline, or of a release's definition.
    pipeline: Option<String>,
    /// Started since then: a duration such as `7d`, or a time such as `2019-10-02T19:54:00Z`.
    #[param(value_type = Option<String>)]
    since: Option<Since>,
    /// Only what is there now.
    #[serde(default)]
    #[param(required = false, default = false)]
    current: bool,
    #[serde(default)]
    #[param(value_type = u32, required = false, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Deployments, those that started last first.
#[utoipa::path(
    get,
    path = "/api/v1/deployments",
    operation_id = "listDeployments",
    tag = "environments",
    params(Wanted),
    responses((status = 200, body = Page<Deployment>), OfList)
)]
pub(super) async fn list(reader: Reader, Asked(wanted): Asked<Wanted>) -> Result<Json<Page<Deployment>>, Problem> {
    const LIST: &str = "deployments";
    let Wanted { limit, current, .. } = wanted;
    let filter = DeploymentFilter {
        organization: wanted.organization,
        project: wanted.project,
        environment: wanted.environment,
        pipeline: wanted.pipeline,
        until: None,
        since: wanted.since.map(|since| since.resolve(reader.clock.now())),
        current,
        top: Some(limit.and_one()),
        after: after::<Deployment>(LIST, wanted.cursor.as_deref())?,
    };
    Ok(Json(Page::of(LIST, reader.catalog.deployments(&filter).await?, limit)))
}

/// Which approvals.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WantedApprovals {
    organization: Option<String>,
    /// A project's name or id.
    project: Option<String>,
    /// Such as `pending` for those that wait.
    status: Option<String>,
    /// Asked for or decided since then: a duration such as `7d`, or a time such as `2019-10-02T19:54:00Z`.
    #[param(value_type = Option<String>)]
    since: Option<Since>,
    #[serde(default)]
    #[param(value_type = u32, required = false, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Approvals of runs and of releases, those that were asked for last first.
#[utoipa::path(
    get,
    path = "/api/v1/approvals",
    operation_id = "listApprovals",
    tag = "environments",
    params(WantedApprovals),
    responses((status = 200, body = Page<GivenApproval>), OfList)
)]
pub(super) async fn approvals(
    reader: Reader,
    Asked(wanted): Asked<WantedApprovals>,
) -> Result<Json<Page<GivenApproval>>, Problem> {
    const LIST: &str = "approvals";
    let WantedApprovals { organization, project, status, since, limit, cursor } = wanted;
    let filter = ApprovalFilter {
        organization,
        project,
        status,
        since: since.map(|since| since.resolve(reader.clock.now())),
        top: Some(limit.most()),
        after: after::<GivenApproval>(LIST, cursor.as_deref())?,
    };
    Ok(Json(Page::of_listing(LIST, reader.catalog.page_of_approvals(&filter).await?)))
}
