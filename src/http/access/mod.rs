//! Who asks, and what they may.
//!
//! Every request passes the gate, which knows a short list of addresses that are open and asks at all others: a new
//! route is closed until somebody opens it. Ways in are bearer tokens, a browser's session (begun with a token or
//! at a provider of OpenID Connect) and the header of a proxy that is named by its address.
//!
//! Without any of them everybody on this machine may do everything. The trap: a proxy on this machine makes the whole
//! web such callers. So this holds only where no public address is configured, and the `Host` header has to be one of
//! this machine.

mod admin;
mod client;
mod fetch;
mod gate;
mod login;
mod oidc;
mod page;
mod seal;
mod session;
mod site;
mod tries;
mod trouble;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, ORIGIN};
use base64_simd::STANDARD;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use tower_http::catch_panic::CatchPanicLayer;

use crate::clock::Clock;
use crate::config::{AccessConfig, FluxConfig, HookCredentials, HttpConfig, Opens, Token, equal_digests};
use crate::domain::{Grant, Scope, Time};

use super::problem;
use oidc::Provider;
use seal::Seal;
use session::SignedOut;
use site::Site;
use tries::Tries;

pub use crate::domain::Rights;
pub use admin::Admin;
pub(crate) use admin::ReaderOfAll;
pub(super) use session::Stay;
pub(super) use trouble::{Told, is_bare, is_page};

/// Somebody who was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub rights: Rights,
    pub scope: Scope,
    /// As their sign-in names them; `None` where nobody signs in.
    pub name: Option<String>,
}

impl Caller {
    /// Everybody on this machine, where nothing else is configured.
    #[must_use]
    pub fn on_loopback() -> Self {
        Self { rights: Rights::Admin, scope: Scope::All, name: None }
    }

    fn new(Grant { rights, scope }: Grant, name: &str) -> Self {
        Self { rights, scope, name: Some(name.to_owned()) }
    }
}

/// What it takes to tell who asks.
#[derive(Clone)]
pub struct Access(Arc<Inner>);

struct Inner {
    config: AccessConfig,
    hook: Option<HookCredentials>,
    flux: FluxConfig,
    site: Site,
    is_open: bool,
    seal: Seal,
    provider: Option<Provider>,
    tries: Tries,
    signed_out: SignedOut,
    clock: Arc<dyn Clock>,
}

impl Inner {
    /// Whether who posts events has to show something.
    fn is_locked(&self) -> bool {
        self.hook.is_some() || self.config.tokens.iter().any(|token| token.opens == Opens::Events)
    }
}

/// Where Flux's provider `generic-hmac` puts its signature: `sha256={hexadecimal}`.
/// <https://fluxcd.io/flux/components/notification/providers/#generic-webhook-with-hmac>
const SIGNATURE: &str = "x-signature";

/// Where reporters of `DevOps` Toolkit put their token: <https://github.com/thisisarchimedes/devops>.
const SECRET_TOKEN: &str = "x-secret-token";

/// In constant time.
fn is_signed(secret: &SecretString, signature: &[u8], body: &[u8]) -> bool {
    let shown = signature.strip_prefix(b"sha256=").and_then(base16);
    let mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes());
    let (Some(shown), Ok(mac)) = (shown, mac) else { return false };
    mac.chain_update(body).verify_slice(&shown).is_ok()
}

fn base16(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs
        .map(|pair| u8::from_str_radix(pair.filter(|pair| pair.len() == 2 && !pair.starts_with('+'))?, 16).ok())
        .collect()
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Access").field("is_open", &self.0.is_open).finish_non_exhaustive()
    }
}

impl Access {
    /// # Errors
    /// When no client for the provider of OpenID Connect can be made.
    pub fn new(config: &HttpConfig, clock: Arc<dyn Clock>) -> Result<Self, reqwest::Error> {
        let site = Site::new(config.listen.ip().is_loopback(), config.public_url.as_deref());
        let access = config.access.clone();
        let provider = access.oidc.clone().map(|oidc| Provider::new(oidc, site.callback())).transpose()?;
        Ok(Self(Arc::new(Inner {
            is_open: access.is_empty() && site.is_this_machine_only(),
            seal: Seal::new(access.session_key.clone()),
            hook: config.hook.clone(),
            flux: config.flux.clone(),
            config: access,
            site,
            provider,
            tries: Tries::default(),
            signed_out: SignedOut::default(),
            clock,
        })))
    }

    /// Whether nobody at all can read, which whoever started this should know.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let reads = |token: &Token| matches!(token.opens, Opens::Reading(_));
        let config = &self.0.config;
        !self.0.is_open && config.oidc.is_none() && config.proxy.is_none() && !config.tokens.iter().any(reads)
    }

    /// Whether an event with these headers is taken in. Without credentials everybody on this machine may post, but not
    /// the web pages in their browsers; and nobody where a proxy brings the rest of the world here.
    pub(super) fn admits_event(&self, headers: &HeaderMap) -> bool {
        let posts = |token: &Token| token.opens == Opens::Events;
        let by_token = bearer(headers).and_then(|shown| self.token(shown)).is_some_and(posts);
        let by_password = self.0.hook.as_ref().map(|credentials| is_admitted(credentials, headers));
        let is_locked = by_password.is_some() || self.0.config.tokens.iter().any(posts);
        let is_open = !is_locked && self.0.site.is_this_machine_only();
        by_token || by_password.unwrap_or(false) || (is_open && !headers.contains_key(ORIGIN))
    }

    /// Whether what a script tells of is taken in: it shows a token for events as `DevOps` Toolkit does, or what hooks show.
    pub(super) fn admits_report(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(SECRET_TOKEN).and_then(|shown| self.token(shown.as_bytes()));
        shown.is_some_and(|token| token.opens == Opens::Events) || self.admits_event(headers)
    }

    /// Whether what a cluster posts is taken in: it is signed, or it shows what events show.
    pub(super) fn admits_sync(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let signature = headers.get(SIGNATURE);
        match (&self.0.flux.secret, signature) {
            (Some(secret), Some(signature)) => is_signed(secret, signature.as_bytes(), body),
            // Who has a secret does not leave the door open beside it.
            (Some(_), None) => self.0.is_locked() && self.admits_event(headers),
            (None, _) => self.admits_event(headers),
        }
    }

    /// Whose it is what clusters and scripts tell of, where they do not say.
    pub(super) fn organization(&self) -> Option<&str> {
        self.0.flux.organization.as_deref()
    }

    pub(super) fn now(&self) -> Time {
        self.0.clock.now()
    }

    /// The token with this secret. All are compared, whichever it is.
    fn token(&self, shown: &[u8]) -> Option<&Token> {
        let mut found = None;
        for token in &self.0.config.tokens {
            if bool::from(equal_digests(token.secret.expose_secret().as_bytes(), shown)) {
                found = Some(token);
            }
        }
        found
    }

    /// The user that the proxy at this address names. What others say in that header is nothing.
    fn user_of_proxy<'h>(&self, peer: Option<IpAddr>, headers: &'h HeaderMap) -> Option<&'h str> {
        let proxy = self.0.config.proxy.as_ref()?;
        let peer = peer?.to_canonical();
        let mut values = headers.get_all(&proxy.header).iter();
        let user = values.next().filter(|_| proxy.from.contains(&peer))?.to_str().ok()?.trim();
        (values.next().is_none() && !user.is_empty()).then_some(user)
    }

    /// Who asks, also where a proxy asks for them.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let proxies = self.0.config.proxy.as_ref().map_or(&[][..], |proxy| &proxy.from);
        client::client(peer, headers, proxies)
    }

    fn caller_of_proxy(&self, user: &str) -> Option<Caller> {
        let proxy = self.0.config.proxy.as_ref()?;
        proxy.grant_of(user).map(|grant| Caller::new(grant, user))
    }
}

/// Puts these routes behind the gate, and the pages to sign in beside them. What goes wrong at a page is told as a page.
pub fn behind_gate(router: Router, access: &Access) -> Router {
    router
        .merge(login::routes().with_state(access.clone()))
        .layer(axum::middleware::from_fn_with_state(access.clone(), gate::gate))
        .layer(CatchPanicLayer::custom(problem::after_panic))
        .layer(axum::middleware::from_fn(trouble::as_page))
}

/// Who has this token; `None` where it is for other things than reading.
fn reader(token: &Token) -> Option<Caller> {
    match &token.opens {
        Opens::Events => None,
        Opens::Reading(grant) => Some(Caller::new(grant.clone(), &token.name)),
    }
}

/// What stands behind the scheme of `Authorization`. Schemes are told without regard to case.
fn after_scheme<'h>(headers: &'h HeaderMap, scheme: &str) -> Option<&'h [u8]> {
    let (shown, rest) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(scheme.len())?;
    let rest = rest.strip_prefix(b" ").filter(|_| shown.eq_ignore_ascii_case(scheme.as_bytes()))?;
    Some(rest.trim_ascii())
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    after_scheme(headers, "bearer")
}

/// Whether the header holds the credentials, as RFC 7617 writes them. What cannot be read is compared, too.
fn is_admitted(credentials: &HookCredentials, headers: &HeaderMap) -> bool {
    let shown = after_scheme(headers, "basic").and_then(|encoded| STANDARD.decode_to_vec(encoded).ok());
    let shown = shown.unwrap_or_default();
    let colon = shown.iter().position(|byte| *byte == b':').unwrap_or(shown.len());
    let (user, password) = shown.split_at(colon);
    credentials.admit(user, password.get(1..).unwrap_or_default())
}
