//! Browsers sign in at a provider of OpenID Connect, such as Microsoft Entra: authorization code flow with PKCE.
//!
//! The provider is asked for its addresses and keys when somebody first signs in, and again once they are an hour old or
//! a token has a key that is not among them. It being away stops nobody who has a session.
//!
//! Sources: [OpenID Connect Core 1.0](https://openid.net/specs/openid-connect-core-1_0.html), and for groups
//! [Entra's claims](https://learn.microsoft.com/en-us/entra/identity-platform/id-token-claims-reference).

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use base64_simd::URL_SAFE_NO_PAD;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreIdToken, CoreIdTokenClaims, CoreJwsSigningAlgorithm, CoreProviderMetadata,
};
use openidconnect::{
    AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, SignatureVerificationError,
    TokenResponse as _,
};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::fetch::Fetch;
use super::session::SignIn;
use crate::config::{OidcConfig, equal_digests};
use crate::domain::Time;

/// How long addresses and keys are good.
const FRESH: Duration = Duration::from_secs(3_600);
/// Between two times of asking for them, however many want to sign in.
const PAUSE: Duration = Duration::from_secs(10);
/// In characters.
const LONGEST_NAME: usize = 100;

/// What the provider says where somebody did not want to go on: RFC 6749, section 4.1.2.1.
const CANCELLED: &str = "access_denied";

/// Signatures that only the provider can make. A shared secret's are not, and `none` is none.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 8] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
];

type ProviderClient =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

pub(super) struct Provider {
    config: OidcConfig,
    callback: String,
    fetch: Fetch,
    known: Mutex<Known>,
}

/// What is known of the provider.
#[derive(Default)]
struct Known {
    metadata: Option<Arc<CoreProviderMetadata>>,
    fetched_at: Option<Time>,
    asked_at: Option<Time>,
}

/// What the provider sends the browser back with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Callback {
    code: String,
    state: String,
    error: Option<String>,
}

/// Who signed in.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) name: String,
    /// Of their groups those that the configuration names.
    pub(super) groups: Vec<String>,
}

/// Why nobody is signed in. The log gets the cause, the browser [`SignInError::in_words`].
#[derive(Debug, thiserror::Error)]
pub(super) enum SignInError {
    #[error("no provider is configured")]
    NoProvider,
    #[error("the provider does not answer as it should")]
    Unreachable(#[source] Cause),
    #[error("the provider was asked a moment ago and did not answer")]
    AskedJustNow,
    #[error("the provider refused: {0}")]
    Refused(String),
    #[error("the browser did not come with what it was sent away with")]
    Stale,
    #[error("the provider did not exchange the code")]
    NotExchanged(#[source] Cause),
    #[error("the ID token is not good")]
    NotGood(#[source] ClaimsVerificationError),
    #[error("the claim `{0}` is too large for the token, so the provider left it out")]
    TooManyGroups(String),
    #[error("no group of theirs is configured")]
    NoGroup,
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

impl SignInError {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NoProvider => StatusCode::NOT_FOUND,
            Self::Unreachable(_) | Self::AskedJustNow => StatusCode::SERVICE_UNAVAILABLE,
            Self::Stale => StatusCode::BAD_REQUEST,
            Self::Refused(_) | Self::NotExchanged(_) | Self::NotGood(_) => StatusCode::FORBIDDEN,
            Self::TooManyGroups(_) | Self::NoGroup => StatusCode::FORBIDDEN,
        }
    }

    pub(super) fn in_words(&self) -> String {
        match self {
            Self::NoProvider => "There is no provider to sign in at.".to_owned(),
            Self::Unreachable(_) | Self::AskedJustNow => {
                "Your organization's sign-in does not answer as it should; try again in a moment.".to_owned()
            }
            Self::Refused(error) if error == CANCELLED => {
                "The sign-in was cancelled, or your organization does not let you in here.".to_owned()
            }
            Self::Refused(_) => "Your organization's sign-in refused; its reason is in the log here.".to_owned(),
            Self::Stale => "The sign-in took too long, or began in another browser: try again.".to_owned(),
            Self::NotExchanged(_) | Self::NotGood(_) => {
                "What your organization's sign-in sent is not good; the reason is in the log here.".to_owned()
            }
            Self::TooManyGroups(claim) => format!(
                "You are in more groups than fit into the claim `{claim}`. Whoever registered the application can have it \
                 hold only the groups that are assigned to the application."
            ),
            Self::NoGroup => "You are signed in, but none of your groups may read here.".to_owned(),
        }
    }
}

impl Provider {
    pub(super) fn new(config: OidcConfig, callback: String) -> Result<Self, reqwest::Error> {
        Ok(Self { config, callback, fetch: Fetch::new()?, known: Mutex::default() })
    }

    /// Where to send the browser, and what it has to bring back.
    pub(super) async fn begin(&self, next: &str, now: Time) -> Result<(String, SignIn), SignInError> {
        let metadata = self.metadata(now, FRESH).await?;
        let client = self.client(&metadata)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let request = client.authorize_url(flow, CsrfToken::new_random, Nonce::new_random);
        let request = request.add_scope(Scope::new("profile".to_owned())).set_pkce_challenge(challenge);
        let (address, state, nonce) = request.url();
        let sign_in = SignIn {
            state: state.into_secret(),
            nonce: nonce.secret().clone(),
            verifier: verifier.into_secret(),
            next: next.to_owned(),
        };
        Ok((address.into(), sign_in))
    }

    /// Who came back.
    pub(super) async fn finish(&self, callback: Callback, sign_in: SignIn, now: Time) -> Result<Person, SignInError> {
        if !bool::from(equal_digests(sign_in.state.as_bytes(), callback.state.as_bytes())) {
            return Err(SignInError::Stale);
        }
        if let Some(error) = callback.error {
            return Err(SignInError::Refused(error.escape_debug().take(LONGEST_NAME).collect()));
        }
        let metadata = self.metadata(now, FRESH).await?;
        let token = self.exchange(&metadata, callback.code, sign_in.verifier).await?;
        let nonce = Nonce::new(sign_in.nonce);
        let claims = match verified(&self.client(&metadata)?, &token, &nonce) {
            // Providers change their keys.
            Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey)) => {
                let metadata = self.metadata(now, PAUSE).await?;
                verified(&self.client(&metadata)?, &token, &nonce)
            }
            checked => checked,
        };
        let claims = claims.map_err(SignInError::NotGood)?;
        let groups = groups_in(&payload(&token), &self.config.claim)?;
        let is_known = |group: &String| self.config.groups.iter().any(|known| known.group == *group);
        Ok(Person { name: name_in(&claims), groups: groups.into_iter().filter(is_known).collect() })
    }

    async fn exchange(
        &self,
        metadata: &CoreProviderMetadata,
        code: String,
        verifier: String,
    ) -> Result<CoreIdToken, SignInError> {
        let not_exchanged = |error: Cause| SignInError::NotExchanged(error);
        let client = self.client(metadata)?;
        let request =
            client.exchange_code(AuthorizationCode::new(code)).map_err(|error| not_exchanged(error.into()))?;
        let answer = request.set_pkce_verifier(PkceCodeVerifier::new(verifier)).request_async(&self.fetch).await;
        let answer = answer.map_err(|error| not_exchanged(error.into()))?;
        answer.id_token().cloned().ok_or_else(|| not_exchanged("there is no ID token in the answer".into()))
    }

    /// Addresses and keys that are no older than this. While the provider is away the ones from before are good.
    async fn metadata(&self, now: Time, no_older: Duration) -> Result<Arc<CoreProviderMetadata>, SignInError> {
        let mut known = self.known.lock().await;
        let is_within = |at: Option<Time>, duration| at.is_some_and(|at| now.since(at) < duration);
        let is_fresh = is_within(known.fetched_at, no_older) || is_within(known.asked_at, PAUSE);
        if is_fresh {
            return known.metadata.clone().ok_or(SignInError::AskedJustNow);
        }
        known.asked_at = Some(now);
        match self.discover().await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                known.metadata = Some(metadata.clone());
                known.fetched_at = Some(now);
                Ok(metadata)
            }
            Err(error) => match &known.metadata {
                Some(metadata) => {
                    tracing::warn!(error = &*error as &dyn std::error::Error, "sign-in: the provider is away");
                    Ok(metadata.clone())
                }
                None => Err(SignInError::Unreachable(error)),
            },
        }
    }

    async fn discover(&self) -> Result<CoreProviderMetadata, Cause> {
        let issuer = IssuerUrl::new(self.config.issuer.clone())?;
        Ok(CoreProviderMetadata::discover_async(issuer, &self.fetch).await?)
    }

    fn client(&self, metadata: &CoreProviderMetadata) -> Result<ProviderClient, SignInError> {
        let id = ClientId::new(self.config.client_id.clone());
        let secret = self.config.client_secret.as_ref();
        let secret = secret.map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
        let callback =
            RedirectUrl::new(self.callback.clone()).map_err(|error| SignInError::Unreachable(error.into()))?;
        Ok(CoreClient::from_provider_metadata(metadata.clone(), id, secret).set_redirect_uri(callback))
    }
}

/// The claims once signature, issuer, audience, end and nonce are checked.
fn verified(
    client: &ProviderClient,
    token: &CoreIdToken,
    nonce: &Nonce,
) -> Result<CoreIdTokenClaims, ClaimsVerificationError> {
    let verifier = client.id_token_verifier().set_allowed_algs(ALGORITHMS);
    token.claims(&verifier, nonce).cloned()
}

/// As people know it.
fn name_in(claims: &CoreIdTokenClaims) -> String {
    let name = claims.name().and_then(|names| names.get(None)).map(|name| name.as_str());
    let name = name.or_else(|| claims.preferred_username().map(|name| name.as_str()));
    name.unwrap_or_else(|| claims.subject().as_str()).chars().take(LONGEST_NAME).collect()
}

/// All claims of a token whose signature was checked, also those that the crate does not know.
fn payload(token: &CoreIdToken) -> Value {
    let token = token.to_string();
    let payload = token.split('.').nth(1).unwrap_or_default();
    let json = URL_SAFE_NO_PAD.decode_to_vec(payload).unwrap_or_default();
    serde_json::from_slice(&json).unwrap_or_default()
}

/// Who is in more than 200 groups gets a reference in their place from Entra (`_claim_names`), or just `hasgroups`.
fn groups_in(claims: &Value, claim: &str) -> Result<Vec<String>, SignInError> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match claims.get(claim) {
        Some(Value::Array(groups)) => Ok(groups.iter().filter_map(text).collect()),
        Some(one) => Ok(text(one).into_iter().collect()),
        None => {
            let is_elsewhere = claims.get("_claim_names").is_some_and(|names| names.get(claim).is_some());
            let is_left_out =
                claim == "groups" && claims.get("hasgroups").is_some_and(|has| has == true || has == "true");
            if is_elsewhere || is_left_out { Err(SignInError::TooManyGroups(claim.to_owned())) } else { Ok(Vec::new()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn groups_are_a_list_or_one_and_an_overage_is_told() {
        let groups = |claims: Value| groups_in(&claims, "groups").map_err(|error| error.to_string());
        assert_eq!(groups(json!({"groups": ["a", 7, "b"]})), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(groups(json!({"groups": "a"})), Ok(vec!["a".to_owned()]));
        assert_eq!(groups(json!({})), Ok(vec![]));
        let too_many = "the claim `groups` is too large for the token, so the provider left it out";
        for claims in
            [json!({"_claim_names": {"groups": "src1"}}), json!({"hasgroups": true}), json!({"hasgroups": "true"})]
        {
            assert_eq!(groups(claims), Err(too_many.to_owned()));
        }
        assert_eq!(groups_in(&json!({"roles": ["r"], "hasgroups": true}), "roles").unwrap(), ["r"]);
    }
}
