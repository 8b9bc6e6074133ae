//! Whoever has an answer already is told so in a line.

use axum::body::{self, Body};
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use axum::middleware::Next;
use axum::response::IntoResponse;
use sha2::{Digest, Sha256};

use crate::http::Problem;

/// Names an answer by what it holds. Nobody but the caller may keep it, and nobody may use it without asking again.
pub(super) async fn validated(request: Request, next: Next) -> Response<Body> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let known = request.headers().get_all(IF_NONE_MATCH).iter().cloned().collect::<Vec<_>>();
    let mut response = next.run(request).await;
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
    if reads && response.status() == StatusCode::OK && is_json(response.headers()) {
        return tagged(response, &known).await;
    }
    response
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json")
}

async fn tagged(response: Response<Body>, known: &[HeaderValue]) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    // It is in memory already.
    let Ok(bytes) = body::to_bytes(body, usize::MAX).await else {
        return Problem::unavailable("The answer broke off; try again.").into_response();
    };
    let tag = tag(&bytes);
    let is_known = known.iter().any(|known| names(known, &tag));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        head.headers.insert(ETAG, tag);
    }
    if !is_known {
        return Response::from_parts(head, Body::from(bytes));
    }
    head.status = StatusCode::NOT_MODIFIED;
    head.headers.remove(CONTENT_TYPE);
    Response::from_parts(head, Body::empty())
}

fn tag(bytes: &[u8]) -> String {
    let hash: String = Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    // Weak: the same answer is sent plain or compressed.
    format!("W/\"{hash}\"")
}

/// Whether the header has this tag, compared weakly as RFC 9110 has it.
fn names(header: &HeaderValue, tag: &str) -> bool {
    let strong = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    let mut tags = header.to_str().unwrap_or_default().split(',').map(str::trim);
    tags.any(|known| known == "*" || strong(known) == strong(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_among_others_and_weakened() {
        let header = HeaderValue::from_static;
        for known in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "\"b\",W/\"a\"", "*"] {
            assert!(names(&header(known), "W/\"a\""), "{known}");
        }
        for other in ["\"b\"", "a", "", "\"aa\""] {
            assert!(!names(&header(other), "W/\"a\""), "{other}");
        }
    }

    #[test]
    fn other_bytes_have_another_tag() {
        assert_eq!(tag(b"{}"), tag(b"{}"));
        assert_ne!(tag(b"{}"), tag(b"[]"));
    }
}
