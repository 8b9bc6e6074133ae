use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequest, Query, Request, State};
use axum::http::header::{LOCATION, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Form, Router};
use serde::Deserialize;

use super::oidc::{Callback, SignInError};
use super::page::{Login, onward, own_path, page, with_next};
use super::session::Session;
use super::tries::WHILE;
use super::{Access, Caller, reader};
use crate::http::Problem;

/// For a form with a token and a path, in bytes.
const LARGEST_FORM: usize = 16 * 1024;
const FORM_COMES_WITHIN: Duration = Duration::from_secs(10);

pub(super) fn routes() -> Router<Access> {
    Router::new()
        .route("/login", get(form).post(with_token))
        .route("/login/oidc", get(to_provider))
        .route("/login/callback", get(from_provider))
        .route("/logout", post(log_out))
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
}

#[derive(Debug, Deserialize)]
struct Wanted {
    #[serde(default)]
    next: String,
}

/// `GET /login`
async fn form(
    State(access): State<Access>,
    caller: Option<Extension<Caller>>,
    Query(wanted): Query<Wanted>,
) -> Response {
    match caller {
        Some(_) => see_other(own_path(&wanted.next)),
        None => access.sign_in_page(StatusCode::OK, &wanted.next, None),
    }
}

#[derive(Deserialize)]
struct Shown {
    token: String,
    #[serde(default)]
    next: String,
}

/// `POST /login`: a token for a cookie.
async fn with_token(
    State(access): State<Access>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let read = tokio::time::timeout(FORM_COMES_WITHIN, Form::<Shown>::from_request(request, &()));
    let Ok(Ok(Form(shown))) = read.await else {
        return Err(Problem::bad_request("Send the form with a token."));
    };
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Extension(ConnectInfo(peer))| peer.ip());
    let token = access.token(shown.token.trim().as_bytes()).filter(|token| reader(token).is_some());
    let Some(token) = token else { return Ok(access.wrong_token(access.client(peer, &headers), &shown.next)) };
    let cookie = access.begin(&access.session_of_token(token));
    Ok(with_cookies(see_other(own_path(&shown.next)), [cookie]))
}

/// `POST /logout`
async fn log_out(State(access): State<Access>, headers: HeaderMap) -> Response {
    with_cookies(see_other("/login"), [access.end_session(&headers)])
}

/// `GET /login/oidc`: sends the browser to the provider.
async fn to_provider(State(access): State<Access>, Query(wanted): Query<Wanted>) -> Response {
    let begun = match &access.0.provider {
        Some(provider) => provider.begin(own_path(&wanted.next), access.0.clock.now()).await,
        None => Err(SignInError::NoProvider),
    };
    match begun {
        Ok((address, sign_in)) => with_cookies(see_other(&address), [access.keep_sign_in(&sign_in)]),
        Err(error) => access.not_signed_in(&error, &wanted.next),
    }
}

/// `GET /login/callback`: the browser comes back from the provider. The cookie that sent it there is used up.
async fn from_provider(State(access): State<Access>, headers: HeaderMap, Query(callback): Query<Callback>) -> Response {
    let sign_in = access.sign_in(&headers);
    let next = sign_in.as_ref().map_or_else(String::new, |sign_in| sign_in.next.clone());
    let signed_in = match (&access.0.provider, sign_in) {
        (Some(provider), Some(sign_in)) => provider.finish(callback, sign_in, access.0.clock.now()).await,
        (Some(_), None) => Err(SignInError::Stale),
        (None, _) => Err(SignInError::NoProvider),
    };
    let (response, session) = match signed_in {
        // A redirect would still count as coming from the provider, and the new cookie would be kept back.
        Ok(person) if access.grant_of_groups(&person.groups).is_some() => {
            let session = Session::Provider { name: person.name, groups: person.groups };
            (onward(&next), access.begin(&session))
        }
        Ok(_) => (access.not_signed_in(&SignInError::NoGroup, &next), None),
        Err(error) => (access.not_signed_in(&error, &next), None),
    };
    with_cookies(response, [access.forget_sign_in(), session])
}

impl Access {
    fn sign_in_page(&self, status: StatusCode, next: &str, says: Option<String>) -> Response {
        let next = own_path(next);
        let provider = self.0.provider.is_some().then(|| with_next("/login/oidc", next));
        let takes_token = self.0.config.tokens.iter().any(|token| reader(token).is_some());
        page(status, &Login { next, provider, takes_token, says })
    }

    fn wrong_token(&self, from: IpAddr, next: &str) -> Response {
        let now = self.0.clock.now();
        if self.0.tries.are_many(from, now) {
            let says = "Too many wrong tokens came from your address: wait for a minute.".to_owned();
            let mut response = self.sign_in_page(StatusCode::TOO_MANY_REQUESTS, next, Some(says));
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(WHILE.as_secs()));
            return response;
        }
        self.0.tries.note_wrong(from, now);
        tracing::warn!(%from, "sign-in: a wrong token");
        self.sign_in_page(StatusCode::FORBIDDEN, next, Some("No reader has this token.".to_owned()))
    }

    fn not_signed_in(&self, error: &SignInError, next: &str) -> Response {
        tracing::warn!(error = error as &dyn std::error::Error, "sign-in: failed");
        self.sign_in_page(error.status(), next, Some(error.in_words()))
    }
}

fn see_other(to: &str) -> Response {
    match HeaderValue::try_from(to) {
        Ok(to) => (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response(),
        Err(_) => Problem::bad_request("There is no such address.").into_response(),
    }
}

fn with_cookies<const N: usize>(mut response: Response, cookies: [Option<HeaderValue>; N]) -> Response {
    for cookie in cookies.into_iter().flatten() {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
