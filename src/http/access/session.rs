//! A browser's session: a signed cookie that says who signed in and how, but neither a token nor rights.
//!
//! What the caller may is looked up at each request. So a token or a group that is taken out of the configuration ends
//! its sessions at the next start, also where the key is configured and outlives it. Signing out removes the cookie,
//! and this process takes no copy of it any more. What cannot be done without a memory that all share: at another process
//! a copy stays good until its end.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use lru::LruCache;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::seal::Opened;
use super::{Access, Caller, reader};
use crate::config::Token;
use crate::domain::{Grant, Time};

/// A working day.
const SESSION_LASTS: Duration = Duration::from_secs(12 * 3_600);
/// For somebody who has to find their phone.
const SIGN_IN_LASTS: Duration = Duration::from_secs(10 * 60);

/// Sessions that ended before their time and are kept in mind.
const SIGNED_OUT: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();
/// Between two looks whether a session is over.
const LOOK: Duration = Duration::from_secs(1);

const SESSION: &str = "session";
const SIGN_IN: &str = "sign-in";

/// The sessions that somebody signed out of, by what their cookies are signed with.
pub(super) struct SignedOut(Mutex<LruCache<String, ()>>);

impl Default for SignedOut {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(SIGNED_OUT)))
    }
}

impl SignedOut {
    fn holds(&self, mark: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(mark)
    }

    fn note(&self, mark: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(mark, ());
    }
}

/// How long a browser's session goes on, for answers that outlast the question.
#[derive(Debug, Clone)]
pub(in crate::http) struct Stay {
    until: Time,
    mark: String,
    access: Access,
}

impl Stay {
    /// Whether it reached its end or was signed out of.
    pub(in crate::http) fn is_over(&self) -> bool {
        let inner = &self.access.0;
        inner.clock.now() >= self.until || inner.signed_out.holds(&self.mark)
    }

    /// Waits for the end. Clocks are set, so it looks now and then.
    pub(in crate::http) async fn over(&self) {
        while !self.is_over() {
            tokio::time::sleep(LOOK).await;
        }
    }
}

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
        self.kept(SIGN_IN, headers).map(|(opened, _)| opened.value)
    }

    pub(super) fn caller_of_session(&self, headers: &HeaderMap) -> Option<(Caller, Stay)> {
        let (Opened { value, until }, mark) = self.kept(SESSION, headers)?;
        let stay = Stay { until, mark, access: self.clone() };
        if stay.is_over() {
            return None;
        }
        self.caller_of(value).map(|caller| (caller, stay))
    }

    fn caller_of(&self, session: Session) -> Option<Caller> {
        match session {
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

    /// Ends the session that these headers show. The browser is to forget its cookie.
    pub(super) fn end_session(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        if let Some((_, stay)) = self.caller_of_session(headers) {
            self.0.signed_out.note(stay.mark);
        }
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

    /// There may be several of that name: a server at another port of this host may have set one. With what it is signed
    /// with.
    fn kept<T: serde::de::DeserializeOwned>(&self, kind: &str, headers: &HeaderMap) -> Option<(Opened<T>, String)> {
        let (name, now) = (self.cookie_name(kind), self.0.clock.now());
        let cookies = headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
        let mut pairs = cookies.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find_map(|(key, value)| {
            let (_, mark) = value.split_once('.').filter(|_| key == name)?;
            self.0.seal.open(kind, value, now).map(|opened| (opened, mark.to_owned()))
        })
    }
}
