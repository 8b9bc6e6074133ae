use axum::Json;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Organization;
use super::answers::{OfList, OfOne};
use super::asked::{Asked, Id, Limit, Since};
use super::one::one;
use super::page::{Page, after};
use crate::catalog::{Run, RunFilter};
use crate::http::Problem;
use crate::http::reader::Reader;
use crate::view::{self, RunJson};

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    organization: Option<String>,
    /// A project's name or id.
    project: Option<String>,
    /// A pipeline's name or id.
    pipeline: Option<String>,
    /// A ref, with or without `refs/heads/`.
    branch: Option<String>,
    /// Such as `inProgress` or `completed`.
    state: Option<String>,
    /// Such as `succeeded` or `failed`.
    result: Option<String>,
    /// The name of the person that it was asked for by.
    requested_for: Option<String>,
    /// The beginning of a commit's id.
    commit: Option<String>,
    /// Queued since then: a duration such as `7d`, or a time such as `2019-10-02T19:54:00Z`.
    #[param(value_type = Option<String>)]
    since: Option<Since>,
    #[serde(default)]
    #[param(inline, default = "-runId")]
    sort: Sort,
    #[serde(default)]
    #[param(value_type = u32, required = false, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// The only orders that cost nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
pub(super) enum Sort {
    /// The newest first.
    #[default]
    #[serde(rename = "-runId")]
    Newest,
    /// The oldest first.
    #[serde(rename = "runId")]
    Oldest,
}

impl Sort {
    fn list(self) -> &'static str {
        match self {
            Self::Newest => "runs",
            Self::Oldest => "runs.oldest",
        }
    }
}

/// Runs, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/runs",
    operation_id = "listRuns",
    tag = "runs",
    params(Wanted),
    responses((status = 200, body = Page<Run>), OfList)
)]
pub(super) async fn list(reader: Reader, Asked(wanted): Asked<Wanted>) -> Result<Json<Page<Run>>, Problem> {
    let Wanted { limit, sort, .. } = wanted;
    let filter = RunFilter {
        organization: wanted.organization,
        project: wanted.project,
        pipeline: wanted.pipeline,
        branch: wanted.branch,
        state: wanted.state,
        result: wanted.result,
        commit: wanted.commit,
        until: None,
        since: wanted.since.map(|since| since.resolve(reader.clock.now())),
        top: Some(limit.most()),
        after: after::<Run>(sort.list(), wanted.cursor.as_deref())?,
        oldest_first: sort == Sort::Oldest,
        requested_for: wanted.requested_for,
        pool: None,
        pipelines: None,
        only: None,
        signature: None,
    };
    Ok(Json(Page::of_listing(sort.list(), reader.catalog.page_of_runs(&filter).await?)))
}

/// One run with stages, jobs, approvals, failure, deployments, links and timeline.
#[utoipa::path(
    get,
    path = "/api/v1/runs/{id}",
    operation_id = "showRun",
    tag = "runs",
    params(("id" = u64, Path, description = "Its number, which is also its build's"), Organization),
    responses((status = 200, body = RunJson), OfOne)
)]
pub(super) async fn show(
    reader: Reader,
    id: Id,
    Asked(Organization { organization }): Asked<Organization>,
) -> Result<Json<RunJson>, Problem> {
    let id = id.number("The id of a run")?;
    let found = reader.catalog.run(id, organization.as_deref(), &reader.branches).await?;
    let mut detail = one(found, &format!("Run {id}"), |found| place(&found.run))?;
    detail.owner = reader.owners.of(&(&detail).into()).map(Into::into);
    let facts = reader.facts(&detail.run).await.map(|facts| view::timeline(&facts));
    Ok(Json(RunJson { detail, facts }))
}

fn place(run: &Run) -> String {
    let project = run.project.as_deref().unwrap_or("-");
    let pipeline = run.pipeline.name.clone().unwrap_or_else(|| format!("#{}", run.pipeline.id));
    format!("{}/{project} {pipeline}", run.organization)
}
