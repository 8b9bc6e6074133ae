//! What `azure` adds to the SDK, against a service that answers as it is told.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::Response;
use axum::serve::ListenerExt as _;
use pipetrail::azure::{Account, AzureError, Credential, Services, TimeOuts, key_in_url};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const KEY: &str = "c2VjcmV0IGtleSBvZiBhIHRlc3Q=";
const BUSY: Answer = Answer { status: 503, headers: &[("x-ms-error-code", "ServerBusy")], body: "" };
const WRITTEN: Answer = Answer {
    status: 202,
    headers: &[("content-type", "multipart/mixed; boundary=batchresponse_1")],
    body: "--batchresponse_1\r\nContent-Type: multipart/mixed; boundary=changesetresponse_2\r\n\r\n\
           --changesetresponse_2\r\nContent-Type: application/http\r\n\r\n\
           HTTP/1.1 204 No Content\r\nETag: W/\"datetime'1'\"\r\n\r\n\r\n\
           --changesetresponse_2--\r\n--batchresponse_1--\r\n",
};

#[derive(Clone, Copy)]
struct Answer {
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
}

/// A transaction whose second operation failed.
fn failed(status: &'static str) -> Answer {
    let body = format!(
        "--batchresponse_1\r\nContent-Type: multipart/mixed; boundary=changesetresponse_2\r\n\r\n\
         --changesetresponse_2\r\nContent-Type: application/http\r\n\r\n\
         HTTP/1.1 {status}\r\nContent-Type: application/json\r\n\r\n\
         {{\"odata.error\":{{\"code\":\"EntityAlreadyExists\",\"message\":{{\"lang\":\"en-us\",\"value\":\
         \"1:The specified entity already exists.\\nRequestId:7\"}}}}}}\r\n\
         --changesetresponse_2--\r\n--batchresponse_1--\r\n"
    );
    Answer { body: body.leak(), ..WRITTEN }
}

/// A service that gives its answers in turn, the last one for ever; `None` is no answer at all.
#[derive(Clone, Default)]
struct Service {
    answers: Arc<Mutex<VecDeque<Option<Answer>>>>,
    seen: Arc<Mutex<Vec<(String, String)>>>,
    connections: Arc<AtomicUsize>,
}

impl Service {
    async fn start(answers: impl IntoIterator<Item = Option<Answer>>) -> (Self, Account) {
        let service = Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), ..Self::default() };
        let connections = service.connections.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/account", listener.local_addr().unwrap());
        let listener = listener.tap_io(move |_| _ = connections.fetch_add(1, Ordering::SeqCst));
        let router = Router::new().fallback(answer).with_state(service.clone());
        #[expect(clippy::disallowed_methods, reason = "ends with the test")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        (service, account(&endpoint))
    }

    fn seen(&self) -> Vec<(String, String)> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer(State(service): State<Service>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    service.seen.lock().unwrap().push((head.uri.to_string(), String::from_utf8(body.to_vec()).unwrap()));
    let answer = {
        let mut answers = service.answers.lock().unwrap();
        if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0] }
    };
    let Some(answer) = answer else { std::future::pending().await };
    let mut response = Response::builder().status(answer.status);
    // Without these the SDK takes a success for an error.
    for (name, value) in [("x-ms-request-id", "8c3a4f6e-9f6b-4b43-9a52-6a4d6a0d1c55"), ("server", "test")] {
        response = response.header(name, value);
    }
    for (name, value) in [("x-ms-version", "2022-11-02"), ("date", "Wed, 02 Oct 2019 19:54:00 GMT")] {
        response = response.header(name, value);
    }
    for (name, value) in answer.headers {
        response = response.header(*name, *value);
    }
    response.body(Body::from(answer.body)).unwrap()
}

fn account(endpoint: &str) -> Account {
    Account {
        name: "account".to_owned(),
        credential: Credential::Key(SecretString::from(KEY)),
        queue_endpoint: endpoint.to_owned(),
        table_endpoint: format!("{endpoint}/"),
    }
}

fn entity() -> Value {
    json!({"PartitionKey": "p", "RowKey": "r", "text": "one\ntwo"})
}

/// One transaction of one insert.
async fn transact(services: &Services) -> Result<usize, AzureError> {
    let transaction = services.table("pipetrail").partition_key_client("p").transaction();
    let answer = transaction.insert(entity()).unwrap().await?;
    Ok(answer.operation_responses.len())
}

async fn get(services: &Services, partition: &str) -> Result<Value, AzureError> {
    let client = services.table("pipetrail").partition_key_client(key_in_url(partition)).entity_client("r");
    Ok(client.get::<Value>().await?.entity)
}

#[tokio::test]
async fn a_transaction_that_failed_is_an_error_with_its_code_and_operation() {
    let (service, account) = Service::start([Some(failed("409 Conflict"))]).await;
    let error = transact(&Services::new(&account).unwrap()).await.unwrap_err();
    assert!(error.is("EntityAlreadyExists") && error.is_conflict());
    assert_eq!((error.status(), error.index()), (Some(409), Some(1)));
    assert_eq!(error.to_string(), "409 EntityAlreadyExists: The specified entity already exists.");
    assert_eq!(service.seen().len(), 1, "trying again would not help");
}

#[tokio::test]
async fn a_transaction_that_met_a_busy_server_is_tried_again() {
    let (service, account) = Service::start([Some(failed("503 Busy")), Some(WRITTEN)]).await;
    assert_eq!(transact(&Services::new(&account).unwrap()).await.unwrap(), 1);
    assert_eq!(service.seen().len(), 2);
}

#[tokio::test]
async fn a_transaction_whose_answer_lacks_parts_is_tried_again_and_no_success() {
    for body in ["", "--batchresponse_1--\r\n", "<html>"] {
        let hollow = Answer { body, ..WRITTEN };
        let (service, account) = Service::start([Some(hollow), Some(WRITTEN)]).await;
        assert_eq!(transact(&Services::new(&account).unwrap()).await.unwrap(), 1, "{body}");
        assert_eq!(service.seen().len(), 2);
        let (_service, account) = Service::start([Some(hollow)]).await;
        let once = TimeOuts { retries: 0, ..TimeOuts::default() };
        let error = transact(&Services::with_time_outs(&account, once).unwrap()).await.unwrap_err();
        assert_eq!((error.status(), error.to_string().as_str()), (None, "a transaction's answer is not whole"));
    }
}

#[tokio::test]
async fn a_transaction_is_sent_as_the_rest_rules_want_it() {
    let (service, account) = Service::start([Some(WRITTEN)]).await;
    transact(&Services::new(&account).unwrap()).await.unwrap();
    let (path, body) = service.seen().remove(0);
    assert_eq!(path, "/account/$batch");
    assert!(!body.replace("\r\n", "").contains(['\r', '\n']), "bare line ends: {body:?}");
    let boundary = body.lines().next().unwrap();
    assert!(boundary.starts_with("--batch_") && body.ends_with(&format!("\r\n{boundary}--\r\n")), "{body:?}");
    assert!(body.contains("\r\n\r\n{\"PartitionKey\":\"p\",\"RowKey\":\"r\",\"text\":\"one\\ntwo\"}\r\n"), "{body:?}");
}

#[tokio::test]
async fn requests_share_a_connection() {
    let (service, account) = Service::start([Some(WRITTEN)]).await;
    let services = Services::new(&account).unwrap();
    for _ in 0..20 {
        transact(&services).await.unwrap();
    }
    assert_eq!(service.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_busy_server_is_asked_again_when_it_says_so() {
    let wait = Answer { headers: &[("retry-after", "1"), ("x-ms-error-code", "ServerBusy")], ..BUSY };
    let (service, account) = Service::start([Some(wait), Some(WRITTEN)]).await;
    let start = std::time::Instant::now();
    transact(&Services::new(&account).unwrap()).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1), "not before");
    assert_eq!(service.seen().len(), 2);
}

#[tokio::test]
async fn no_server_makes_us_wait_for_an_hour() {
    let waits: [&[(&str, &str)]; 3] =
        [&[("retry-after", "3600")], &[("retry-after-ms", "3600000")], &[("x-ms-retry-after-ms", "3600000")]];
    for headers in waits {
        let (service, account) = Service::start([Some(Answer { headers, ..BUSY }), Some(WRITTEN)]).await;
        let time_outs = TimeOuts { retry_for: Duration::from_secs(1), ..TimeOuts::default() };
        let services = Services::with_time_outs(&account, time_outs).unwrap();
        let asked = tokio::time::timeout(Duration::from_secs(30), transact(&services)).await;
        assert_eq!(asked.expect("it waits for as long as it is told").unwrap(), 1);
        assert_eq!(service.seen().len(), 2);
    }
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let (service, account) = Service::start([None]).await;
    let time_outs = TimeOuts { request: Duration::from_millis(50), retries: 1, ..TimeOuts::default() };
    let error = transact(&Services::with_time_outs(&account, time_outs).unwrap()).await.unwrap_err();
    assert_eq!((error.status(), service.seen().len()), (None, 2));
}

#[tokio::test]
async fn a_quote_in_a_key_is_doubled_in_the_address() {
    let (service, account) =
        Service::start([Some(Answer { status: 200, headers: &[("etag", "x")], body: "{}" })]).await;
    let _ignored = get(&Services::new(&account).unwrap(), "Bram's").await;
    let (path, _) = service.seen().remove(0);
    assert_eq!(path, "/account/pipetrail(PartitionKey='Bram''s',RowKey='r')");
}

#[tokio::test]
async fn a_bar_in_a_key_is_escaped_in_the_address() {
    let (service, account) =
        Service::start([Some(Answer { status: 200, headers: &[("etag", "x")], body: "{}" })]).await;
    let _ignored = get(&Services::new(&account).unwrap(), "run|a~2Fb c|7").await;
    let (path, _) = service.seen().remove(0);
    assert_eq!(path, "/account/pipetrail(PartitionKey='run%7Ca~2Fb%20c%7C7',RowKey='r')");
}

#[tokio::test]
async fn errors_hold_neither_key_nor_signature() {
    let refused = Answer { status: 403, headers: &[("x-ms-error-code", "AuthenticationFailed")], body: KEY };
    let (_service, account) = Service::start([Some(refused)]).await;
    let denied = get(&Services::new(&account).unwrap(), "p").await.unwrap_err();
    assert_eq!(denied.to_string(), "403 AuthenticationFailed: the service gave no reason");
    let signature = "sv=2022-11-02&sig=topsecret";
    let nowhere = Account {
        credential: Credential::Sas(SecretString::from(signature)),
        table_endpoint: "http://127.0.0.1:1/account".to_owned(),
        ..account
    };
    let time_outs = TimeOuts { retries: 0, ..TimeOuts::default() };
    let services = Services::with_time_outs(&nowhere, time_outs).unwrap();
    let unreachable = get(&services, "p").await.unwrap_err();
    for text in [format!("{denied:?}"), format!("{unreachable:?} {unreachable}"), format!("{services:?} {nowhere:?}")] {
        assert!(!text.contains("topsecret") && !text.contains(KEY), "{text}");
    }
    assert!(unreachable.to_string().contains("refused"), "{unreachable}");
}
