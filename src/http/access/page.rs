//! The pages to sign in. A script is on none of them.

use askama::Template;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::http::Problem;

/// In bytes. Longer ones lead to the start.
const LONGEST_PATH: usize = 2_048;

/// Nothing is kept, nothing is loaded from elsewhere. A referrer within this site has to stay: without it browsers say
/// `Origin: null` with the form.
const HEADERS: [(HeaderName, &str); 5] = [
    (CONTENT_TYPE, "text/html; charset=utf-8"),
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"),
    (REFERRER_POLICY, "same-origin"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

#[derive(Template)]
#[template(path = "login.html")]
pub(super) struct Login<'a> {
    pub(super) next: &'a str,
    /// Where to sign in at the provider.
    pub(super) provider: Option<String>,
    pub(super) takes_token: bool,
    /// What went wrong.
    pub(super) says: Option<String>,
}

/// A browser brings a `Strict` cookie along only where a page of this site sent it: so this one does.
#[derive(Template)]
#[template(path = "onward.html")]
struct Onward<'a> {
    next: &'a str,
}

pub(super) fn onward(next: &str) -> Response {
    page(StatusCode::OK, &Onward { next: own_path(next) })
}

pub(super) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, HEADERS, html).into_response(),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "page: not rendered");
            Problem::unavailable("The page could not be made; see the log.").into_response()
        }
    }
}

/// The address of the page to sign in, which leads on to this path.
pub(super) fn sign_in_at(next: &str) -> String {
    with_next("/login", next)
}

pub(super) fn with_next(address: &str, next: &str) -> String {
    format!("{address}?next={}", utf8_percent_encode(own_path(next), NON_ALPHANUMERIC))
}

/// The path if it is one of this site, else the start. `//x`, `/\x` and `/<tab>/x` lead browsers to other sites.
pub(super) fn own_path(path: &str) -> &str {
    let is_odd = |character: char| character == '\\' || character.is_control() || character.is_whitespace();
    let is_own =
        path.starts_with('/') && !path.starts_with("//") && path.len() <= LONGEST_PATH && !path.contains(is_odd);
    let is_loop = path.starts_with("/login") || path.starts_with("/logout");
    if is_own && !is_loop { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_site_are_gone_on_to() {
        for path in ["/", "/runs?state=failed&project=a%20b", "/commits/abc", "/a//b"] {
            assert_eq!(own_path(path), path);
        }
        let elsewhere = [
            "",
            "runs",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "javascript:alert(1)",
            "/login?next=/login",
            "/logout",
            " //evil.example",
        ];
        for path in elsewhere {
            assert_eq!(own_path(path), "/", "{path:?}");
        }
        assert_eq!(own_path(&format!("/{}", "a".repeat(LONGEST_PATH))), "/");
        assert_eq!(sign_in_at("/runs?a=b&c"), "/login?next=%2Fruns%3Fa%3Db%26c");
    }
}
