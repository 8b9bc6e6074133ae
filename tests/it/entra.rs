//! Which identity asks for tokens, at an endpoint such as apps of Azure have. What Microsoft Entra does with it no test here
//! can try.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, Uri};
use axum::routing::get;
use tokio_util::task::TaskTracker;

use crate::shell::Shell;

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
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/msi/token", get(answer));
    TaskTracker::new().spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}/msi/token"), asked)
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
