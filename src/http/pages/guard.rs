//! What every page's answer says to the browser, and who may post a form.

use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::http::Problem;

const POLICY: &str =
    "default-src 'self'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// Around all pages.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let is_asset = request.uri().path().starts_with("/assets/");
    let mut response = match *request.method() {
        Method::GET | Method::HEAD => next.run(request).await,
        _ if is_ours(request.headers()) => next.run(request).await,
        _ => Problem::forbidden("Forms are taken from pages of this server only.").into_response(),
    };
    // What a page shows is for who asked, and is old in a second.
    let cache = if is_asset { "no-cache" } else { "no-store" };
    let said = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
        (CACHE_CONTROL, cache),
    ];
    said.into_iter()
        .for_each(|(name, value)| drop(response.headers_mut().insert(name, HeaderValue::from_static(value))));
    response
}

/// Whether a page of this server sent it: browsers always say where a form comes from.
fn is_ours(headers: &HeaderMap) -> bool {
    let said = |name: &str| HeaderName::try_from(name).ok().and_then(|name| headers.get(name)?.to_str().ok());
    match (said("sec-fetch-site"), said("origin"), said("host")) {
        (Some(site), _, _) => site == "same-origin",
        (None, Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, from)| from == host),
        (None, _, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_other_sites_are_none_of_ours() {
        let table: [(&[(&str, &str)], bool); 7] = [
            (&[("sec-fetch-site", "same-origin"), ("origin", "null")], true),
            (&[("sec-fetch-site", "same-site"), ("origin", "http://a:1"), ("host", "a:1")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("origin", "http://a:1"), ("host", "a:1")], true),
            (&[("origin", "http://a:2"), ("host", "a:1")], false),
            (&[("origin", "null"), ("host", "a:1")], false),
            (&[("host", "a:1")], false),
        ];
        for (said, expected) in table {
            let headers = said.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            assert_eq!(is_ours(&headers), expected, "{said:?}");
        }
    }
}
