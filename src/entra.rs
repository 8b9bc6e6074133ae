//! Who asks Microsoft Entra for tokens: whom the SDK finds, or one identity of several.
//!
//! An app of Container Apps or App Service may have identities that are made apart from it, and before it, so that they
//! have their rights when it starts. Its endpoint for tokens then wants to be told which one is meant
//! (<https://learn.microsoft.com/en-us/azure/container-apps/managed-identity#rest-endpoint-reference>). The SDK never says
//! so: it asks for the app's own. So its question is completed on the way out.

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::auth::TokenCredential;
use azure_core::{HttpClient, Request, Response};
use azure_identity::AppServiceManagedIdentityCredential;

/// The credential of the identity with this client id; without one, what the SDK finds: environment, workload identity,
/// managed identity, or the Azure CLI.
///
/// # Errors
/// When nothing on this machine can be asked.
pub fn credential(identity: Option<&str>) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let Some(identity) = identity else { return azure_identity::create_credential() };
    let http = OfIdentity { http: azure_core::new_http_client(), client_id: identity.to_owned() };
    let http: Arc<dyn HttpClient> = Arc::new(http);
    Ok(Arc::new(AppServiceManagedIdentityCredential::create(http)?))
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
