//! A small provider of OpenID Connect, which signs with a key of its own and misbehaves when told to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::http::header::{HeaderMap, LOCATION};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openidconnect::core::{CoreJwsSigningAlgorithm, CoreRsaPrivateSigningKey};
use openidconnect::{JsonWebKeyId, PrivateSigningKey as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Made for these tests; it opens nothing.
const KEY: &str = include_str!("fake_idp.pem");
const CLIENT: (&str, &str) = ("pipetrail", "client-secret");

/// What is wrong with the next tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    Audience,
    Issuer,
    Nonce,
    Expired,
    /// `alg: none`, without a signature.
    Unsigned,
    /// Signed with the client's secret, which is no secret of the provider.
    SharedSecret,
    Forged,
    /// The key is not among those that are published.
    UnknownKey,
    /// No answer but errors.
    Down,
}

struct Idp {
    address: SocketAddr,
    trouble: Mutex<Trouble>,
    claims: Mutex<Value>,
    key_id: Mutex<String>,
    /// By code: nonce, challenge and redirect address.
    codes: Mutex<BTreeMap<String, [String; 3]>>,
    discoveries: Mutex<usize>,
}

#[derive(Clone)]
pub(crate) struct FakeIdp {
    idp: Arc<Idp>,
    _stop: Arc<DropGuard>,
}

impl FakeIdp {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let idp = Arc::new(Idp {
            address: listener.local_addr().unwrap(),
            trouble: Mutex::new(Trouble::None),
            claims: Mutex::new(json!({})),
            key_id: Mutex::new("k1".to_owned()),
            codes: Mutex::default(),
            discoveries: Mutex::new(0),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(idp.clone());
        let stop = CancellationToken::new();
        let serving = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
        #[expect(clippy::disallowed_methods, reason = "ends with the test")]
        tokio::spawn(serving.into_future());
        Self { idp, _stop: Arc::new(stop.drop_guard()) }
    }

    pub(crate) fn issuer(&self) -> String {
        issuer(&self.idp)
    }

    pub(crate) fn trouble(&self, trouble: Trouble) {
        *self.idp.trouble.lock().unwrap() = trouble;
    }

    /// What its tokens say of whoever signs in.
    pub(crate) fn says(&self, claims: Value) {
        *self.idp.claims.lock().unwrap() = claims;
    }

    pub(crate) fn changes_its_key(&self) {
        *self.idp.key_id.lock().unwrap() = "k2".to_owned();
    }

    pub(crate) fn discoveries(&self) -> usize {
        *self.idp.discoveries.lock().unwrap()
    }
}

fn issuer(idp: &Idp) -> String {
    format!("http://{}", idp.address)
}

fn is_down(idp: &Idp) -> bool {
    *idp.trouble.lock().unwrap() == Trouble::Down
}

async fn discovery(State(idp): State<Arc<Idp>>) -> Result<Json<Value>, StatusCode> {
    *idp.discoveries.lock().unwrap() += 1;
    if is_down(&idp) {
        return Err(StatusCode::BAD_GATEWAY);
    }
    let issuer = issuer(&idp);
    Ok(Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        // More than anybody should take.
        "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
    })))
}

fn key(id: &str) -> CoreRsaPrivateSigningKey {
    CoreRsaPrivateSigningKey::from_pem(KEY, Some(JsonWebKeyId::new(id.to_owned()))).unwrap()
}

async fn keys(State(idp): State<Arc<Idp>>) -> Json<Value> {
    let id = idp.key_id.lock().unwrap().clone();
    Json(json!({"keys": [key(&id).as_verification_key()]}))
}

/// Signs everybody in at once.
async fn authorize(
    State(idp): State<Arc<Idp>>,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Result<impl IntoResponse, StatusCode> {
    let of = |name: &str| asked.get(name).cloned().unwrap_or_default();
    assert_eq!((of("response_type").as_str(), of("code_challenge_method").as_str()), ("code", "S256"));
    assert_eq!(of("client_id"), CLIENT.0);
    assert!(of("scope").split(' ').any(|scope| scope == "openid"));
    let mut codes = idp.codes.lock().unwrap();
    let code = format!("code-{}", codes.len());
    codes.insert(code.clone(), [of("nonce"), of("code_challenge"), of("redirect_uri")]);
    let back = format!("{}?code={code}&state={}", of("redirect_uri"), of("state"));
    Ok((StatusCode::FOUND, [(LOCATION, back)]))
}

async fn token(
    State(idp): State<Arc<Idp>>,
    headers: HeaderMap,
    Form(asked): Form<BTreeMap<String, String>>,
) -> Result<Json<Value>, StatusCode> {
    let expected = format!("Basic {}", STANDARD.encode(format!("{}:{}", CLIENT.0, CLIENT.1)));
    if is_down(&idp) || headers.get("authorization").is_none_or(|shown| shown.to_str().unwrap() != expected) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    // Good once.
    let known = idp.codes.lock().unwrap().insert(asked["code"].clone(), Default::default());
    let Some([nonce, challenge, redirect]) = known else { return Err(StatusCode::BAD_REQUEST) };
    let verifier = URL_SAFE_NO_PAD.encode(Sha256::digest(asked["code_verifier"].as_bytes()));
    if verifier != challenge || asked["redirect_uri"] != redirect {
        return Err(StatusCode::BAD_REQUEST);
    }
    Ok(Json(json!({"access_token": "a", "token_type": "Bearer", "id_token": id_token(&idp, &nonce)})))
}

fn id_token(idp: &Idp, nonce: &str) -> String {
    let trouble = *idp.trouble.lock().unwrap();
    let mut claims = json!({
        "iss": issuer(idp),
        "aud": CLIENT.0,
        "sub": "subject",
        "nonce": nonce,
        "iat": 1_700_000_000,
        "exp": 4_000_000_000_u64,
    });
    claims.as_object_mut().unwrap().extend(idp.claims.lock().unwrap().as_object().unwrap().clone());
    let wrong: &[(Trouble, &str, Value)] = &[
        (Trouble::Audience, "aud", "another".into()),
        (Trouble::Issuer, "iss", "https://evil.example".into()),
        (Trouble::Nonce, "nonce", "another".into()),
        (Trouble::Expired, "exp", 1_700_000_001.into()),
    ];
    for (_, claim, value) in wrong.iter().filter(|(what, ..)| *what == trouble) {
        claims[claim] = value.clone();
    }
    let known = idp.key_id.lock().unwrap().clone();
    let id = if trouble == Trouble::UnknownKey { "unknown".to_owned() } else { known };
    let odd = [(Trouble::Unsigned, "none"), (Trouble::SharedSecret, "HS256")];
    let algorithm = odd.iter().find(|(what, _)| *what == trouble).map_or("RS256", |(_, algorithm)| algorithm);
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&json!({"alg": algorithm, "typ": "JWT", "kid": id})), encode(&claims));
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature(trouble, &signed)))
}

fn signature(trouble: Trouble, signed: &str) -> Vec<u8> {
    use hmac::Mac as _;
    let sign = |text: &str| key("x").sign(&CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256, text.as_bytes()).unwrap();
    if trouble == Trouble::Unsigned {
        return Vec::new();
    }
    if trouble == Trouble::SharedSecret {
        let mac = hmac::Hmac::<Sha256>::new_from_slice(CLIENT.1.as_bytes()).unwrap();
        return mac.chain_update(signed.as_bytes()).finalize().into_bytes().to_vec();
    }
    sign(if trouble == Trouble::Forged { "something else" } else { signed })
}
