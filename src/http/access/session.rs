//! A browser's session: a signed cookie that says who signed in and how, but neither a token nor rights.
//!
//! What the caller may is looked up at each request. So a token or a group that is taken out of the configuration ends
//! its sessions at the next start, also where the key is configured and outlives it. What cannot be done without a
//! memory: signing out removes the cookie, but a copy of it would stay good until its end.

use std::time::Duration;

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{Access, Caller, reader};
use crate::config::Token;
use crate::domain::Grant;

/// A working day.
const SESSION_LASTS: Duration = Duration::from_secs(12 * 3_600);
/// For somebody who has to find their phone.
const SIGN_IN_LASTS: Duration = Duration::from_secs(10 * 60);

const SESSION: &str = "session";
const SIGN_IN: &str = "sign-in";

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "camelCase")]
pub(super) enum Session {
    /// `mark` is of the token's secret: another token of that name is another one.
    Token { name: String, mark: String },
    /// Of the groups those that the configuration names.
    Provider { name: String, groups: Vec<String> },
}

/// What has to come back from the provider with the browser that was sent there.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SignIn {
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
    /// Where the browser wanted to go.
    pub(super) next: String,
}

impl Access {
    pub(super) fn session_of_token(&self, token: &Token) -> Session {
        Session::Token { name: token.name.clone(), mark: self.mark_of(token) }
    }

    fn mark_of(&self, token: &Token) -> String {
        self.0.seal.mark("token", token.secret.expose_secret().as_bytes())
    }

    /// The cookie of a new session. `Strict`: no other site's link or form carries it.
    pub(super) fn begin(&self, session: &Session) -> Option<HeaderValue> {
        self.cookie(SESSION, "Strict", session, SESSION_LASTS)
    }

    /// `Lax`, since the browser comes back from another site.
    pub(super) fn keep_sign_in(&self, sign_in: &SignIn) -> Option<HeaderValue> {
        self.cookie(SIGN_IN, "Lax", sign_in, SIGN_IN_LASTS)
    }

    pub(super) fn sign_in(&self, headers: &HeaderMap) -> Option<SignIn> {
        self.kept(SIGN_IN, headers)
    }

    pub(super) fn caller_of_session(&self, headers: &HeaderMap) -> Option<Caller> {
        match self.kept(SESSION, headers)? {
            Session::Token { name, mark } => {
                let token = self.0.config.tokens.iter().find(|token| token.name == name)?;
                let is_same = self.mark_of(token).as_bytes().ct_eq(mark.as_bytes());
                reader(token).filter(|_| is_same.into())
            }
            Session::Provider { name, groups } => Some(Caller::new(self.grant_of_groups(&groups)?, &name)),
        }
    }

    /// What the members of all these groups may.
    pub(super) fn grant_of_groups(&self, groups: &[String]) -> Option<Grant> {
        let known = self.0.config.oidc.as_ref()?.groups.iter();
        known.filter(|known| groups.contains(&known.group)).map(|known| known.grant.clone()).reduce(Grant::and)
    }

    pub(super) fn forget_session(&self) -> Option<HeaderValue> {
        self.forget(SESSION, "Strict")
    }

    pub(super) fn forget_sign_in(&self) -> Option<HeaderValue> {
        self.forget(SIGN_IN, "Lax")
    }

    fn cookie(&self, kind: &str, same_site: &str, value: &impl Serialize, lasts: Duration) -> Option<HeaderValue> {
        let value = self.0.seal.close(kind, value, self.0.clock.now(), lasts)?;
        self.set_cookie(kind, same_site, &value, lasts)
    }

    fn forget(&self, kind: &str, same_site: &str) -> Option<HeaderValue> {
        self.set_cookie(kind, same_site, "", Duration::ZERO)
    }

    fn set_cookie(&self, kind: &str, same_site: &str, value: &str, lasts: Duration) -> Option<HeaderValue> {
        let name = self.cookie_name(kind);
        let secure = if self.0.site.is_secure() { "; Secure" } else { "" };
        let age = lasts.as_secs();
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite={same_site}; Max-Age={age}{secure}");
        HeaderValue::try_from(text).ok()
    }

    /// With the prefix browsers take it from this very host alone, over TLS: no neighbour can set it.
    fn cookie_name(&self, kind: &str) -> String {
        let prefix = if self.0.site.is_secure() { "__Host-" } else { "" };
        format!("{prefix}pipetrail-{kind}")
    }

    /// There may be several of that name: a server at another port of this host may have set one.
    fn kept<T: serde::de::DeserializeOwned>(&self, kind: &str, headers: &HeaderMap) -> Option<T> {
        let (name, now) = (self.cookie_name(kind), self.0.clock.now());
        let cookies = headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
        let mut pairs = cookies.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find_map(|(key, value)| if key == name { self.0.seal.open(kind, value, now) } else { None })
    }
}
