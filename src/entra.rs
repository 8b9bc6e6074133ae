//! Who asks Microsoft Entra for tokens: whom the SDK finds, or one identity of several.
//!
//! An app of Container Apps or App Service may have identities that are made apart from it, and before it, so that they
//! have their rights when it starts. Its endpoint for tokens then wants to be told which one is meant
//! (<https://learn.microsoft.com/en-us/azure/container-apps/managed-identity#rest-endpoint-reference>). The SDK never says
//! so: it asks for the app's own. So its question is completed on the way out.
//!
//! A workload identity shows a token of its cluster that Kubernetes writes anew every hour or so. The SDK reads the file
//! once (<https://github.com/Azure/azure-sdk-for-rust/issues/1739>) and is refused after the first one's end. So what the
//! SDK finds is made anew for each question, and tokens are kept here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::auth::{AccessToken, TokenCredential};
use azure_core::{HttpClient, Request, Response};
use azure_identity::AppServiceManagedIdentityCredential;
use tokio::sync::Mutex;

use crate::clock::{Clock, SystemClock};

/// A token is used no longer than to so long before its end, for requests that are under way then.
const MARGIN: Duration = Duration::from_secs(120);

/// The credential of the identity with this client id; without one, what the SDK finds: environment, workload identity,
/// managed identity, or the Azure CLI.
///
/// # Errors
/// When nothing on this machine can be asked.
pub fn credential(identity: Option<&str>) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let Some(identity) = identity else {
        return Ok(Arc::new(Anew::new(azure_identity::create_credential, Arc::new(SystemClock))?));
    };
    let http = OfIdentity { http: azure_core::new_http_client(), client_id: identity.to_owned() };
    let http: Arc<dyn HttpClient> = Arc::new(http);
    Ok(Arc::new(AppServiceManagedIdentityCredential::create(http)?))
}

type Make = fn() -> azure_core::Result<Arc<dyn TokenCredential>>;

/// Makes a credential for each question, and keeps the answers.
#[derive(Debug)]
struct Anew {
    make: Make,
    clock: Arc<dyn Clock>,
    /// By scopes. Held during a question, so that one is asked for all who wait.
    kept: Mutex<HashMap<Vec<String>, AccessToken>>,
}

impl Anew {
    /// Fails where none can be made, which is better known at the start.
    fn new(make: Make, clock: Arc<dyn Clock>) -> azure_core::Result<Self> {
        make()?;
        Ok(Self { make, clock, kept: Mutex::default() })
    }

    fn lasts(&self, token: &AccessToken) -> bool {
        self.clock.now().plus(MARGIN).to_utc().timestamp() < token.expires_on.unix_timestamp()
    }
}

#[async_trait]
impl TokenCredential for Anew {
    async fn get_token(&self, scopes: &[&str]) -> azure_core::Result<AccessToken> {
        let key: Vec<String> = scopes.iter().map(ToString::to_string).collect();
        let mut kept = self.kept.lock().await;
        if let Some(token) = kept.get(&key).filter(|token| self.lasts(token)) {
            return Ok(token.clone());
        }
        let token = (self.make)()?.get_token(scopes).await?;
        kept.insert(key, token.clone());
        Ok(token)
    }

    async fn clear_cache(&self) -> azure_core::Result<()> {
        self.kept.lock().await.clear();
        Ok(())
    }
}

/// Says whose token is asked for.
#[derive(Debug)]
struct OfIdentity {
    http: Arc<dyn HttpClient>,
    client_id: String,
}

#[async_trait]
impl HttpClient for OfIdentity {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<Response> {
        let mut request = request.clone();
        request.url_mut().query_pairs_mut().append_pair("client_id", &self.client_id);
        self.http.execute_request(&request).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::clock::ManualClock;
    use crate::domain::Time;

    /// Gives tokens that last for an hour from 1970 on.
    #[derive(Debug)]
    struct ForAnHour;

    #[async_trait]
    impl TokenCredential for ForAnHour {
        async fn get_token(&self, scopes: &[&str]) -> azure_core::Result<AccessToken> {
            let end = azure_core::date::parse_rfc3339("1970-01-01T01:00:00Z")?;
            Ok(AccessToken::new(scopes.concat(), end))
        }

        async fn clear_cache(&self) -> azure_core::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_token_is_kept_until_shortly_before_its_end() {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        fn make() -> azure_core::Result<Arc<dyn TokenCredential>> {
            MADE.fetch_add(1, Ordering::SeqCst);
            Ok(Arc::new(ForAnHour))
        }
        let clock = Arc::new(ManualClock::at(Time::from_ticks(0)));
        let anew = Anew::new(make, clock.clone()).unwrap();
        // The first one was made to see whether it can be.
        for (minutes, scope, made) in [(0, "a", 2), (57, "a", 2), (0, "b", 3), (2, "a", 4), (0, "a", 5)] {
            clock.advance(Duration::from_secs(minutes * 60));
            assert_eq!(anew.get_token(&[scope]).await.unwrap().token.secret(), scope);
            assert_eq!(MADE.load(Ordering::SeqCst), made, "{minutes} {scope}");
        }
    }
}
