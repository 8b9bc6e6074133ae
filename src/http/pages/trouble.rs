//! What went wrong with a page, as a page of the dashboard: also there one sees where one can go, and how far it all can
//! be trusted. Where the catalog cannot be asked, a plainer page says it, outside of this.

use askama::Template;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::frame::Frame;
use super::page;
use crate::http::access::{Told, is_bare, is_page};
use crate::http::reader::{Reader, Readers};

#[derive(Template)]
#[template(path = "framed_trouble.html")]
struct Framed<'t> {
    frame: Frame,
    told: &'t Told,
}

/// Around all pages.
pub(in crate::http) async fn framed(State(readers): State<Readers>, request: Request, next: Next) -> Response {
    if !is_page(&request) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let mut asked = parts.clone();
    let response = next.run(Request::from_parts(parts, body)).await;
    if !is_bare(&response) {
        return response;
    }
    let Ok(reader) = Reader::from_request_parts(&mut asked, &readers).await else { return response };
    let Ok(frame) = Frame::of(&reader, "").await else { return response };
    let told = Told::of(response, &asked.method).await;
    let page = page(&Framed { frame, told: &told });
    page.map(|page| told.carry_over(page)).into_response()
}
