//! Which identity asks for tokens, at an endpoint such as apps of Azure have. What Microsoft Entra does with it no test here
//! can try.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::{get, post};
use tokio_util::task::TaskTracker;

use crate::shell::{Running, Shell};
use crate::support::until;

/// What was asked, each with the secret that went along.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

async fn endpoint() -> (String, Asked) {
    let asked = Asked::default();
    let seen = asked.clone();
    let answer = async move |uri: Uri, headers: HeaderMap| {
        let secret = headers.get("x-identity-header").map(|secret| secret.to_str().unwrap().to_owned());
        seen.lock().unwrap().push((uri.query().unwrap_or_default().to_owned(), secret.unwrap_or_default()));
        r#"{"access_token":"t0ken","expires_on":"4102444800","resource":"x","token_type":"Bearer"}"#
    };
    let address = served(Router::new().route("/msi/token", get(answer))).await;
    (format!("{address}/msi/token"), asked)
}

async fn served(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    TaskTracker::new().spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn shell(endpoint: &str) -> Shell {
    // Nobody listens there: what is asked of the identity is all that counts.
    let storage = "http://127.0.0.1:9/fabrikam";
    Shell::local()
        .with("PIPETRAIL_STORAGE", "azure")
        .with("AZURE_STORAGE_ACCOUNT", "fabrikam")
        .with("AZURE_STORAGE_QUEUE_ENDPOINT", storage)
        .with("AZURE_STORAGE_TABLE_ENDPOINT", storage)
        .with("PIPETRAIL_CATALOG", "catalog.db")
        .with("IDENTITY_ENDPOINT", endpoint)
        .with("IDENTITY_HEADER", "s3cret")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_identity_that_is_named_is_the_one_that_is_asked_for() {
    let (endpoint, asked) = endpoint().await;
    let (code, said) = shell(&endpoint).with("PIPETRAIL_IDENTITY", "5d0e7b6a").said("check");
    assert_eq!(code, Some(1), "{said}");
    let asked = asked.lock().unwrap();
    let (query, secret) = asked.first().unwrap();
    assert!(
        query.contains("client_id=5d0e7b6a") && query.contains("resource=https%3A%2F%2Fstorage.azure.com"),
        "{query}"
    );
    assert_eq!(secret, "s3cret");
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_devops_is_asked_by_the_same_identity() {
    let (endpoint, asked) = endpoint().await;
    let shell = shell(&endpoint).with("PIPETRAIL_IDENTITY", "5d0e7b6a").with("PIPETRAIL_ADO_URL", "http://127.0.0.1:9");
    shell.said(
        "subscriptions list --organization fabrikam --to web-hook --url https://pipetrail.example --all-projects",
    );
    let asked = asked.lock().unwrap();
    let query = &asked.first().expect("a token is asked for").0;
    assert!(query.contains("client_id=5d0e7b6a") && query.contains("resource=499b84ac"), "{query}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_one_the_apps_own_is_asked_for() {
    let (endpoint, asked) = endpoint().await;
    shell(&endpoint).with("AZURE_CREDENTIAL_KIND", "appservice").said("check");
    let asked = asked.lock().unwrap();
    assert!(!asked.first().unwrap().0.contains("client_id"), "{asked:?}");
}

/// Kubernetes writes the file anew before the token in it ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_workload_shows_the_token_that_its_file_holds_now() {
    // Whose assertion is taken, and how often it was.
    let taken = Arc::new(Mutex::new(("first", 0)));
    let now = taken.clone();
    let answer = async move |body: String| {
        let mut now = now.lock().unwrap();
        if !body.contains(&format!("client_assertion={}&", now.0)) {
            return (StatusCode::UNAUTHORIZED, r#"{"error":"invalid_client","error_description":"AADSTS700024"}"#);
        }
        now.1 += 1;
        // Too short to be kept.
        (StatusCode::OK, r#"{"token_type":"Bearer","expires_in":60,"ext_expires_in":60,"access_token":"t0ken"}"#)
    };
    let authority = served(Router::new().route("/tenant/oauth2/v2.0/token", post(answer))).await;
    let shell = shell("http://127.0.0.1:9");
    let file = shell.path().join("federated");
    std::fs::write(&file, "first").unwrap();
    let shell = shell
        .with("AZURE_CREDENTIAL_KIND", "workloadidentity")
        .with("AZURE_AUTHORITY_HOST", &authority)
        .with("AZURE_TENANT_ID", "tenant")
        .with("AZURE_CLIENT_ID", "client")
        .with("AZURE_FEDERATED_TOKEN_FILE", file.to_str().unwrap());
    let _worker = Running::start(shell.command("work"));
    until("the first token is taken", async || taken.lock().unwrap().1 > 0).await;
    std::fs::write(&file, "second").unwrap();
    *taken.lock().unwrap() = ("second", 0);
    until("the second token is taken", async || taken.lock().unwrap().1 > 0).await;
}
