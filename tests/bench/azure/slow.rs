//! A backend that takes 10 ms a request, in place of the queue and table services: what is measured is the worker.
//!
//! It plays what the worker needs of the [queue][queue] and [table][table] services: messages are handed out once and
//! deleted, every row can be written, and there is nothing to read.
//!
//! [queue]: https://learn.microsoft.com/en-us/rest/api/storageservices/queue-service-rest-api
//! [table]: https://learn.microsoft.com/en-us/rest/api/storageservices/table-service-rest-api

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{Method, Request, Response, StatusCode};
use base64::Engine as _;
use tokio::task::JoinSet;

use crate::azurite::{ACCOUNT, KEY};

const A_REQUEST_TAKES: Duration = Duration::from_millis(10);
const A_RECEIVE_GIVES: usize = 32;
const DATE: &str = "Mon, 02 Mar 2026 10:00:00 GMT";

#[derive(Clone)]
pub(crate) struct Slow {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    waiting: VecDeque<String>,
    received: usize,
    left: usize,
    requests: usize,
    first_receive: Option<Instant>,
    last_delete: Option<Instant>,
}

/// A queue that was drained.
pub(crate) struct Drained {
    pub(crate) time: Duration,
    pub(crate) requests: usize,
}

impl Slow {
    /// Serves these messages for as long as the set is kept.
    pub(crate) async fn serve(bodies: &[Vec<u8>]) -> (Self, JoinSet<std::io::Result<()>>) {
        let waiting = bodies.iter().map(|body| base64::engine::general_purpose::STANDARD.encode(body)).collect();
        let seen = Seen { waiting, left: bodies.len(), ..Seen::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self { address: listener.local_addr().unwrap(), seen: Arc::new(Mutex::new(seen)) };
        let router = Router::new().fallback(answer).with_state(this.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await });
        (this, server)
    }

    /// The key is the emulator's public one: nothing is checked.
    pub(crate) fn connection(&self) -> String {
        let address = self.address;
        format!(
            "AccountName={ACCOUNT};AccountKey={KEY};QueueEndpoint=http://{address}/{ACCOUNT};\
             TableEndpoint=http://{address}/{ACCOUNT};"
        )
    }

    /// Once the last message was deleted.
    pub(crate) async fn drained(&self) -> Drained {
        loop {
            tokio::time::sleep(A_REQUEST_TAKES).await;
            let seen = self.seen.lock().unwrap();
            if let (0, Some(first), Some(last)) = (seen.left, seen.first_receive, seen.last_delete) {
                return Drained { time: last - first, requests: seen.requests };
            }
        }
    }
}

async fn answer(State(slow): State<Slow>, request: Request<Body>) -> Response<Body> {
    tokio::time::sleep(A_REQUEST_TAKES).await;
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
    let mut seen = slow.seen.lock().unwrap();
    seen.requests += 1;
    if path.ends_with("/$batch") {
        return written(&body);
    }
    match head.method {
        Method::GET if path.ends_with("/messages") => seen.hand_out(query.contains("peekonly")),
        Method::GET if query.contains("comp=metadata") => {
            let count = seen.left.to_string();
            response(StatusCode::OK).header("x-ms-approximate-messages-count", count).body(Body::empty()).unwrap()
        }
        Method::GET if path.contains("RowKey=") => failed(StatusCode::NOT_FOUND, "ResourceNotFound"),
        Method::GET => response(StatusCode::OK).body(Body::from(r#"{"odata.metadata":"","value":[]}"#)).unwrap(),
        Method::DELETE => {
            seen.left -= 1;
            seen.last_delete = Some(Instant::now());
            response(StatusCode::NO_CONTENT).body(Body::empty()).unwrap()
        }
        // The table is there.
        Method::PUT => response(StatusCode::CREATED).body(Body::empty()).unwrap(),
        _ => failed(StatusCode::CONFLICT, "TableAlreadyExists"),
    }
}

impl Seen {
    fn hand_out(&mut self, peek: bool) -> Response<Body> {
        self.first_receive.get_or_insert_with(Instant::now);
        let mut list = "<?xml version=\"1.0\" encoding=\"utf-8\"?><QueueMessagesList>".to_owned();
        let texts = if peek { 0 } else { A_RECEIVE_GIVES.min(self.waiting.len()) };
        for text in self.waiting.drain(..texts) {
            self.received += 1;
            let number = self.received;
            write!(
                list,
                "<QueueMessage><MessageId>{number}</MessageId><InsertionTime>{DATE}</InsertionTime>\
                 <ExpirationTime>{DATE}</ExpirationTime><PopReceipt>r{number}</PopReceipt>\
                 <TimeNextVisible>{DATE}</TimeNextVisible><DequeueCount>1</DequeueCount>\
                 <MessageText>{text}</MessageText></QueueMessage>"
            )
            .unwrap();
        }
        list.push_str("</QueueMessagesList>");
        response(StatusCode::OK).header("Content-Type", "application/xml").body(Body::from(list)).unwrap()
    }
}

/// A transaction's answer: each operation was carried out.
fn written(body: &[u8]) -> Response<Body> {
    let operations = String::from_utf8_lossy(body).lines().filter(|line| line.ends_with(" HTTP/1.1")).count();
    let mut parts =
        "--batchresponse_1\r\nContent-Type: multipart/mixed; boundary=changesetresponse_1\r\n\r\n".to_owned();
    for _ in 0..operations {
        parts.push_str(
            "--changesetresponse_1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n\
             HTTP/1.1 204 No Content\r\nDataServiceVersion: 3.0;\r\nETag: W/\"datetime'2026'\"\r\n\r\n\r\n",
        );
    }
    parts.push_str("--changesetresponse_1--\r\n--batchresponse_1--\r\n");
    let kind = "multipart/mixed; boundary=batchresponse_1";
    response(StatusCode::ACCEPTED).header("Content-Type", kind).body(Body::from(parts)).unwrap()
}

fn failed(status: StatusCode, code: &str) -> Response<Body> {
    let error = format!(r#"{{"odata.error":{{"code":"{code}","message":{{"lang":"en-us","value":"{code}"}}}}}}"#);
    response(status).header("x-ms-error-code", code).body(Body::from(error)).unwrap()
}

/// With the headers that the SDK wants of every answer.
fn response(status: StatusCode) -> axum::http::response::Builder {
    Response::builder()
        .status(status)
        .header("x-ms-request-id", "00000000-0000-0000-0000-000000000000")
        .header("x-ms-version", "2021-12-02")
        .header("Server", "slow")
        .header("Date", DATE)
}
