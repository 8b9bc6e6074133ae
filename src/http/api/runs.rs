use axum::Json;
use axum::extract::Query;
use serde::{Deserialize, Serialize};

use crate::catalog::{Run, RunFilter};
use crate::http::Problem;
use crate::http::reader::Reader;

/// Which runs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wanted {
    organization: Option<String>,
    project: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

/// `GET /api/v1/runs`
pub(super) async fn list(reader: Reader, Query(wanted): Query<Wanted>) -> Result<Json<Page<Run>>, Problem> {
    let Wanted { organization, project } = wanted;
    let filter = RunFilter { organization, project, top: Some(50), ..RunFilter::default() };
    let items = reader.catalog.runs(&filter).await?;
    Ok(Json(Page { items, next_cursor: None }))
}
