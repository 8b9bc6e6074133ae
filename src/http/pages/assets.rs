use axum::extract::Path;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use rust_embed::Embed;

use crate::http::{Problem, problem};

#[derive(Embed)]
#[folder = "src/http/assets"]
struct Assets;

/// `GET /assets/{name}`: what the pages load. It is in the program itself.
pub(super) async fn asset(Path(name): Path<String>) -> Result<Response, Problem> {
    let Some(file) = Assets::get(&name) else { return Err(problem::not_found().await) };
    let kind = match name.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        Some(_) | None => "application/octet-stream",
    };
    Ok(([(CONTENT_TYPE, kind)], file.data).into_response())
}
