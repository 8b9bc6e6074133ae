use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::page::{onward, own_path, sign_in_at};
use super::site::Origin;
use super::{Access, Caller, Stay, bearer, reader};
use crate::http::Problem;

/// Every request passes here. The handlers find the [`Caller`] in its extensions.
pub(super) async fn gate(State(access): State<Access>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let asked = Asked { method: request.method(), uri: request.uri(), headers: request.headers(), peer };
    match access.decide(&asked) {
        Ok(known) => {
            // None of the caller's own making.
            request.extensions_mut().remove::<Caller>();
            if let Some(known) = known {
                request.extensions_mut().insert(known.caller);
                known.stay.map(|stay| request.extensions_mut().insert(stay));
            }
            next.run(request).await
        }
        Err(refusal) => {
            tracing::debug!(?refusal, path = request.uri().path(), "request: not let in");
            refusal.into_response()
        }
    }
}

/// What the gate looks at.
struct Asked<'r> {
    method: &'r Method,
    uri: &'r Uri,
    headers: &'r HeaderMap,
    peer: Option<IpAddr>,
}

/// What is behind an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Other programs come here, whatever name they call us by; who posts hooks is asked there.
    Outside,
    Open,
    /// To sign in and out, open as well.
    Door,
    /// For programs: they get an answer, and no page to sign in.
    Program,
    Page,
}

impl Place {
    pub(super) fn of(path: &str) -> Self {
        match path {
            "/hooks/azure-devops"
            | "/hooks/azure-devops/"
            | "/hooks/flux"
            | "/hooks/flux/"
            | "/events"
            | "/incidents"
            | "/healthz"
            | "/readyz" => Self::Outside,
            "/login" | "/login/oidc" | "/login/callback" | "/logout" => Self::Door,
            "/openapi.json" | "/openapi-actions.json" => Self::Open,
            "/metrics" => Self::Program,
            path if path.starts_with("/assets/") => Self::Open,
            path if path.starts_with("/api/") || is_of_mcp(path) => Self::Program,
            _ => Self::Page,
        }
    }

    /// Whether people look at the answer.
    pub(super) fn is_for_people(self) -> bool {
        match self {
            Self::Door | Self::Page => true,
            Self::Outside | Self::Open | Self::Program => false,
        }
    }
}

/// How a caller was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By a header that no page of another site can make a browser send.
    Token,
    /// By what browser or proxy add to every request, whoever made it.
    Ambient,
    /// As somebody on this machine.
    Open,
}

/// Somebody who is known, and how.
struct Known {
    caller: Caller,
    way: Way,
    /// Of a browser's session.
    stay: Option<Stay>,
}

impl Known {
    fn by(way: Way, caller: Caller) -> Self {
        Self { caller, way, stay: None }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    WrongHost,
    ForeignPage,
    WrongToken,
    /// The proxy's user, who has no rights here.
    NotLetIn,
    NobodyKnown,
    /// To the page to sign in, and from there back to this path.
    SignIn(String),
    /// A link of another site led here, and so the browser kept the cookie back: it is to come again from here.
    ComeAgain(String),
}

impl Access {
    fn decide(&self, asked: &Asked<'_>) -> Result<Option<Known>, Refusal> {
        let place = Place::of(asked.uri.path());
        if place == Place::Outside {
            return Ok(None);
        }
        if !self.0.site.is_named(asked.headers) {
            return Err(Refusal::WrongHost);
        }
        let known = match (self.identify(asked), place) {
            (Ok(known), _) => known,
            (Err(_), Place::Open | Place::Door) => None,
            (Err(refusal), Place::Outside | Place::Program | Place::Page) => return Err(refusal),
        };
        if is_of_mcp(asked.uri.path()) && self.0.site.origin(asked.headers) == Origin::Foreign {
            return Err(Refusal::ForeignPage);
        }
        if !asked.method.is_safe() {
            self.check_origin(place, known.as_ref().map(|known| known.way), asked.headers)?;
        }
        match (known, place) {
            (Some(known), _) => Ok(Some(known)),
            (None, Place::Outside | Place::Open | Place::Door) => Ok(None),
            (None, Place::Program) => Err(Refusal::NobodyKnown),
            (None, Place::Page) => Err(to_sign_in(asked)),
        }
    }

    fn identify(&self, asked: &Asked<'_>) -> Result<Option<Known>, Refusal> {
        if self.0.is_open {
            return Ok(Some(Known::by(Way::Open, Caller::on_loopback())));
        }
        if let Some(shown) = bearer(asked.headers) {
            let caller = self.token(shown).and_then(reader).ok_or(Refusal::WrongToken)?;
            return Ok(Some(Known::by(Way::Token, caller)));
        }
        if let Some(user) = self.user_of_proxy(asked.peer, asked.headers) {
            let caller = self.caller_of_proxy(user).ok_or(Refusal::NotLetIn)?;
            return Ok(Some(Known::by(Way::Ambient, caller)));
        }
        let session = self.caller_of_session(asked.headers);
        Ok(session.map(|(caller, stay)| Known { caller, way: Way::Ambient, stay: Some(stay) }))
    }

    /// A change comes from a page of ours, or from no page at all. A form comes from a page of ours: browsers always say
    /// so, and programs have the API.
    fn check_origin(&self, place: Place, way: Option<Way>, headers: &HeaderMap) -> Result<(), Refusal> {
        let origin = self.0.site.origin(headers);
        if place == Place::Page && way.is_some() && origin != Origin::Own {
            return Err(Refusal::ForeignPage);
        }
        match (way, origin) {
            (Some(Way::Token), _) | (_, Origin::Own) => Ok(()),
            (Some(Way::Open) | None, Origin::Unknown) => Ok(()),
            (Some(Way::Ambient), Origin::Unknown) | (_, Origin::Foreign) => Err(Refusal::ForeignPage),
        }
    }
}

/// Whatever is shown there, a page of another site is not answered, as the protocol wants it: its person may not know what
/// it asks. <https://modelcontextprotocol.io/specification/2026-07-28/basic/transports>
fn is_of_mcp(path: &str) -> bool {
    path == "/mcp" || path.starts_with("/mcp/")
}

fn to_sign_in(asked: &Asked<'_>) -> Refusal {
    if *asked.method != Method::GET && *asked.method != Method::HEAD {
        return Refusal::SignIn("/".to_owned());
    }
    let path = asked.uri.path_and_query().map_or("/", |path| path.as_str());
    let path = own_path(path).to_owned();
    match asked.headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        true => Refusal::ComeAgain(path),
        false => Refusal::SignIn(path),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::WrongHost => Problem::forbidden(
                "This server does not go by that name: ask for 127.0.0.1 or localhost, or set PIPETRAIL_PUBLIC_URL.",
            )
            .into_response(),
            Self::ForeignPage => {
                Problem::forbidden("Such a change is taken from pages of this server only.").into_response()
            }
            Self::WrongToken => Problem::wrong_token().into_response(),
            Self::NotLetIn => Problem::forbidden("You are known, but have no rights here.").into_response(),
            Self::NobodyKnown => Problem::sign_in().into_response(),
            Self::SignIn(next) => (StatusCode::SEE_OTHER, [(LOCATION, sign_in_at(&next))]).into_response(),
            Self::ComeAgain(next) => onward(&next),
        }
    }
}
