//! One request to the model: within its time, its size and few tries.
//!
//! Whatever answers here may hang, flood or lie. So a body is read only up to a size, a server's wish to wait is followed
//! only as far as there is time, and nothing that it says is repeated in an error or in the log: it may hold the data that
//! it was sent, or the key.

use std::time::Duration;

use async_openai::types::chat::CreateChatCompletionRequest;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use tokio::time::Instant;

use super::endpoint::{Endpoint, NoRights, Rights};
use super::wire::Completion;

/// No answer of a few hundred words and calls is longer.
const MOST_BYTES: usize = 1 << 20;
const TRIES: u32 = 3;
/// Where the server does not say how long to wait.
const PAUSE: Duration = Duration::from_millis(500);

/// Why the model gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Silence {
    #[error("the model did not answer in time")]
    Time,
    #[error("the model cannot be reached")]
    Unreachable,
    #[error("the model's server has too much to do; try again later")]
    Busy,
    #[error("the model's server does not let this program in: look at PIPETRAIL_MODEL_KEY")]
    NotLetIn,
    #[error("the model's server knows no such model or address: look at PIPETRAIL_MODEL_URL and PIPETRAIL_MODEL")]
    NoModel,
    #[error("the model's server answered with status {0}")]
    Status(u16),
    #[error("the model's provider does not take this question")]
    Filtered,
    #[error("the model answered more than {} KiB", MOST_BYTES >> 10)]
    Flood,
    #[error("the model's answer is not one")]
    Rubbish,
    #[error(transparent)]
    NoRights(#[from] NoRights),
}

impl Silence {
    fn passes(self) -> bool {
        match self {
            Self::Unreachable | Self::Busy | Self::Rubbish => true,
            Self::Status(status) => status >= 500,
            Self::Time | Self::NotLetIn | Self::NoModel | Self::Filtered | Self::Flood | Self::NoRights(_) => false,
        }
    }
}

/// Why one try failed, and how long the server wants to be left alone.
struct Failed(Silence, Option<Duration>);

impl From<Silence> for Failed {
    fn from(silence: Silence) -> Self {
        Self(silence, None)
    }
}

pub(super) struct Asker {
    client: Client,
    endpoint: Endpoint,
    rights: Rights,
}

impl Asker {
    /// # Errors
    /// When the system gives no client.
    pub(super) fn new(endpoint: Endpoint) -> Result<Self, reqwest::Error> {
        // A key must not follow a redirect.
        let client = Client::builder().redirect(Policy::none()).connect_timeout(Duration::from_secs(5)).build()?;
        Ok(Self { client, rights: endpoint.rights(), endpoint })
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) async fn ask(
        &self,
        request: &CreateChatCompletionRequest,
        until: Instant,
    ) -> Result<Completion, Silence> {
        let mut tries = 0;
        loop {
            let tried = tokio::time::timeout_at(until, self.once(request)).await.map_err(|_| Silence::Time)?;
            let Failed(silence, wait) = match tried {
                Ok(completion) => return Ok(completion),
                Err(failed) => failed,
            };
            tries += 1;
            let wait = wait.unwrap_or(PAUSE * tries);
            if !silence.passes() || tries == TRIES || Instant::now() + wait >= until {
                return Err(silence);
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn once(&self, request: &CreateChatCompletionRequest) -> Result<Completion, Failed> {
        let body = serde_json::to_vec(request).map_err(|_| Silence::Rubbish)?;
        let mut asked = self.client.post(self.endpoint.url.clone()).header(CONTENT_TYPE, "application/json").body(body);
        if let Some((name, value)) = self.rights.header().await.map_err(Silence::from)? {
            asked = asked.header(name, value);
        }
        let response = asked.send().await.map_err(|_| Silence::Unreachable)?;
        let (status, wait) = (response.status(), retry_after(&response));
        let body = bounded(response).await?;
        if !status.is_success() {
            return Err(Failed(refused(status, &body), wait));
        }
        Ok(serde_json::from_slice(&body).map_err(|_| Silence::Rubbish)?)
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

async fn bounded(mut response: Response) -> Result<Vec<u8>, Silence> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| Silence::Rubbish)? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(Silence::Flood);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn refused(status: StatusCode, body: &[u8]) -> Silence {
    // Azure's filter refuses the prompt with 400 and this code:
    // https://learn.microsoft.com/azure/ai-services/openai/concepts/content-filter
    let is_filter = String::from_utf8_lossy(body).contains("content_filter");
    match status {
        StatusCode::BAD_REQUEST if is_filter => Silence::Filtered,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Silence::NotLetIn,
        StatusCode::NOT_FOUND => Silence::NoModel,
        StatusCode::TOO_MANY_REQUESTS => Silence::Busy,
        other => Silence::Status(other.as_u16()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::http::HeaderMap;
    use axum::routing::post;
    use azure_core::auth::{AccessToken, TokenCredential};
    use tokio::sync::OnceCell;

    use super::*;

    #[derive(Debug)]
    struct Identity(Mutex<Vec<String>>);

    #[async_trait::async_trait]
    impl TokenCredential for Identity {
        async fn get_token(&self, scopes: &[&str]) -> azure_core::Result<AccessToken> {
            self.0.lock().unwrap().extend(scopes.iter().map(|scope| (*scope).to_owned()));
            Ok(AccessToken::new("t0ken".to_owned(), std::time::SystemTime::UNIX_EPOCH.into()))
        }

        async fn clear_cache(&self) -> azure_core::Result<()> {
            Ok(())
        }
    }

    /// What its request shows where nobody gave a key for Azure.
    #[tokio::test]
    async fn the_token_of_entra_goes_with_the_request() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let heard = seen.clone();
        let answer = async move |headers: HeaderMap| {
            heard.lock().unwrap().push(headers["authorization"].to_str().unwrap().to_owned());
            r#"{"choices": []}"#
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap()).parse().unwrap();
        let router = axum::Router::new().route("/v1/chat/completions", post(answer));
        let serving = async { axum::serve(listener, router).await };
        let identity = Arc::new(Identity(Mutex::default()));
        let credential: Arc<dyn TokenCredential> = identity.clone();
        let rights = Rights::Entra(OnceCell::from(credential));
        let asker = Asker { client: Client::new(), endpoint: Endpoint::new(&url, "gpt", None), rights };
        let request = CreateChatCompletionRequest::default();
        tokio::select! {
            told = asker.ask(&request, Instant::now() + Duration::from_secs(30)) => assert!(told.is_ok(), "{:?}", told.err()),
            _ = serving => panic!("it serves"),
        }
        assert_eq!(*seen.lock().unwrap(), ["Bearer t0ken"]);
        assert_eq!(*identity.0.lock().unwrap(), ["https://cognitiveservices.azure.com/.default"]);
    }
}
