//! Where the model is, and by which right it is asked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::auth::TokenCredential;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;

/// Azure OpenAI, as Microsoft Entra knows it:
/// <https://learn.microsoft.com/azure/ai-services/openai/how-to/managed-identity>.
const SCOPE: &str = "https://cognitiveservices.azure.com/.default";
/// A service of tokens that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(10);

/// A server that speaks chat completions, and a model of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub(super) url: Url,
    /// The model's name; on Azure the deployment's.
    pub model: String,
    key: Option<Key>,
    is_azure: bool,
    /// The newer name of the limit of tokens is known there; others may know only the older one.
    pub(super) takes_completion_tokens: bool,
}

#[derive(Clone)]
struct Key(SecretString);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Eq for Key {}

/// Without the key, and without what an address may hold of one.
impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host_str();
        formatter.debug_struct("Endpoint").field("host", &host).field("model", &self.model).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// From the base address of a compatible server, such as <http://localhost:11434/v1>, or of a resource of Azure
    /// OpenAI. There an address with `api-version` means the classic form, with a path to the deployment; any other the
    /// v1 form. <https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle>
    #[must_use]
    pub fn new(base: &Url, model: &str, key: Option<SecretString>) -> Self {
        let host = base.host_str().unwrap_or_default();
        let is_azure = [".openai.azure.", ".cognitiveservices.azure.", ".services.ai.azure."]
            .iter()
            .any(|part| host.contains(part));
        let is_classic = base.query_pairs().any(|(name, _)| name == "api-version");
        let mut url = base.clone();
        url.set_fragment(None);
        let path = base.path().trim_end_matches('/').trim_end_matches("/chat/completions");
        let path = match (is_classic, path) {
            (true, path) if path.contains("/deployments/") => path.to_owned(),
            (true, path) => format!("{}/openai/deployments/{model}", path.trim_end_matches("/openai")),
            (false, "") if is_azure => "/openai/v1".to_owned(),
            (false, path) => path.to_owned(),
        };
        url.set_path(&format!("{path}/chat/completions"));
        Self {
            url,
            model: model.to_owned(),
            key: key.map(Key),
            is_azure: is_azure || is_classic,
            takes_completion_tokens: is_azure || is_classic || host == "api.openai.com",
        }
    }

    /// Where Azure is asked without a key, Microsoft Entra says who asks.
    pub(super) fn rights(&self) -> Rights {
        match &self.key {
            Some(key) if self.is_azure => Rights::Key(HeaderName::from_static("api-key"), key.0.clone()),
            Some(key) => {
                Rights::Key(AUTHORIZATION, SecretString::from(format!("Bearer {}", key.0.expose_secret().trim())))
            }
            None if self.is_azure => Rights::Entra(OnceCell::new()),
            None => Rights::None,
        }
    }
}

/// What a request shows.
pub(super) enum Rights {
    None,
    Key(HeaderName, SecretString),
    /// Made when it is first wanted; it keeps its tokens itself.
    Entra(OnceCell<Arc<dyn TokenCredential>>),
}

/// Why no request can be made; without any secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoRights {
    #[error("the key holds characters that no header takes")]
    Key,
    #[error("Microsoft Entra gives no token for the model")]
    Entra,
}

impl Rights {
    pub(super) async fn header(&self) -> Result<Option<(HeaderName, HeaderValue)>, NoRights> {
        let (name, text) = match self {
            Self::None => return Ok(None),
            Self::Key(name, key) => (name.clone(), key.clone()),
            Self::Entra(credential) => (AUTHORIZATION, entra(credential).await?),
        };
        let mut value = HeaderValue::from_str(text.expose_secret()).map_err(|_| NoRights::Key)?;
        value.set_sensitive(true);
        Ok(Some((name, value)))
    }
}

async fn entra(credential: &OnceCell<Arc<dyn TokenCredential>>) -> Result<SecretString, NoRights> {
    let make = async || -> Result<Arc<dyn TokenCredential>, NoRights> {
        crate::entra::credential(None).map_err(|error| refused(&error))
    };
    let credential = credential.get_or_try_init(make).await?;
    let token = tokio::time::timeout(LONGEST, credential.get_token(&[SCOPE])).await.map_err(|_| NoRights::Entra)?;
    let token = token.map_err(|error| refused(&error))?;
    Ok(SecretString::from(format!("Bearer {}", token.token.secret())))
}

fn refused(error: &azure_core::Error) -> NoRights {
    tracing::warn!(kind = ?error.kind(), "ask: Microsoft Entra gives no token for the model");
    NoRights::Entra
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(base: &str) -> Endpoint {
        Endpoint::new(&Url::parse(base).unwrap(), "gpt", Some("secret-key-of-the-model".into()))
    }

    #[test]
    fn addresses_of_the_servers_that_are_known() {
        for (base, url) in [
            ("https://api.openai.com/v1", "https://api.openai.com/v1/chat/completions"),
            ("http://localhost:11434/v1/", "http://localhost:11434/v1/chat/completions"),
            ("https://r.openai.azure.com", "https://r.openai.azure.com/openai/v1/chat/completions"),
            ("https://r.openai.azure.com/openai/v1/", "https://r.openai.azure.com/openai/v1/chat/completions"),
            (
                "https://r.openai.azure.com/?api-version=2024-10-21",
                "https://r.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=2024-10-21",
            ),
            (
                "https://r.openai.azure.com/openai/deployments/other/chat/completions?api-version=2024-10-21",
                "https://r.openai.azure.com/openai/deployments/other/chat/completions?api-version=2024-10-21",
            ),
        ] {
            assert_eq!(of(base).url.as_str(), url, "{base}");
        }
    }

    #[tokio::test]
    async fn each_server_is_shown_its_own_header() {
        let shown = async |base: &str| of(base).rights().header().await.unwrap().unwrap();
        let (name, value) = shown("https://api.openai.com/v1").await;
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("authorization", "Bearer secret-key-of-the-model"));
        assert!(value.is_sensitive());
        let (name, value) = shown("https://r.openai.azure.com").await;
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("api-key", "secret-key-of-the-model"));
        let local = Endpoint::new(&Url::parse("http://localhost:11434/v1").unwrap(), "qwen", None);
        assert_eq!(local.rights().header().await, Ok(None));
        let azure = Endpoint::new(&Url::parse("https://r.openai.azure.com").unwrap(), "gpt", None);
        assert!(matches!(azure.rights(), Rights::Entra(_)), "nobody asks Azure without a right");
    }

    #[test]
    fn the_key_is_nowhere_to_be_read() {
        let shown = format!("{:?}", of("https://api.openai.com/v1?key=secret-key-of-the-model"));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
