use axum::Json;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Organization;
use super::answers::{OfList, OfOne};
use super::asked::{Asked, Id, Limit};
use super::one::one;
use super::page::{Page, after};
use crate::catalog::{Pipeline, PipelineFilter};
use crate::http::Problem;
use crate::http::reader::Reader;
use crate::view::PipelineJson;

const LIST: &str = "pipelines";

/// Which pipelines.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    organization: Option<String>,
    /// A project's name or id.
    project: Option<String>,
    #[serde(default)]
    #[param(value_type = u32, required = false, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Pipelines by organization and name.
#[utoipa::path(
    get,
    path = "/api/v1/pipelines",
    operation_id = "listPipelines",
    tag = "pipelines",
    params(Wanted),
    responses((status = 200, body = Page<PipelineJson>), OfList)
)]
pub(super) async fn list(reader: Reader, Asked(wanted): Asked<Wanted>) -> Result<Json<Page<PipelineJson>>, Problem> {
    let Wanted { organization, project, limit, cursor } = wanted;
    let after = after::<Pipeline>(LIST, cursor.as_deref())?;
    let filter =
        PipelineFilter { organization, project, after, top: Some(limit.and_one()), ..PipelineFilter::default() };
    let page = Page::of(LIST, reader.catalog.pipelines_of(&filter).await?, limit);
    let Page { items, next_cursor, looked_to } = page;
    Ok(Json(Page { items: with_health(&reader, items).await?, next_cursor, looked_to }))
}

/// One pipeline.
#[utoipa::path(
    get,
    path = "/api/v1/pipelines/{id}",
    operation_id = "showPipeline",
    tag = "pipelines",
    params(("id" = u64, Path, description = "Its number, which is also its definition's"), Organization),
    responses((status = 200, body = PipelineJson), OfOne)
)]
pub(super) async fn show(
    reader: Reader,
    id: Id,
    Asked(Organization { organization }): Asked<Organization>,
) -> Result<Json<PipelineJson>, Problem> {
    let id = id.number("The id of a pipeline")?;
    let filter = PipelineFilter { organization, id: Some(id), ..PipelineFilter::default() };
    let found = reader.catalog.pipelines_of(&filter).await?;
    let place = |found: &PipelineJson| found.pipeline.organization.clone();
    one(with_health(&reader, found).await?, &format!("Pipeline {id}"), place).map(Json)
}

async fn with_health(reader: &Reader, pipelines: Vec<Pipeline>) -> Result<Vec<PipelineJson>, Problem> {
    let health = reader.catalog.health(&pipelines).await?;
    let both = pipelines.into_iter().zip(health).map(|(mut pipeline, health)| {
        pipeline.owner = reader.owners.of(&(&pipeline).into()).map(Into::into);
        PipelineJson { pipeline, health }
    });
    Ok(both.collect())
}
