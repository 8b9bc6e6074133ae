use askama::Template;
use axum::response::Response;

use super::page;
use crate::catalog::{Run, RunFilter};
use crate::http::Problem;
use crate::http::reader::Reader;

#[derive(Template)]
#[template(path = "runs.html")]
struct Runs {
    runs: Vec<Run>,
}

/// `GET /runs`
pub(super) async fn list(reader: Reader) -> Result<Response, Problem> {
    let filter = RunFilter { top: Some(50), ..RunFilter::default() };
    page(&Runs { runs: reader.catalog.runs(&filter).await? })
}
