//! A server of chat completions that plays a script, and keeps what it was sent.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use pipetrail::ask::{Endpoint, Limits, Model};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) const KEY: &str = "key-of-the-model-0123456789";

/// What it does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Say(String),
    /// Tools with their arguments, all at once.
    Call(Vec<(&'static str, String)>),
    /// With `Retry-After` in seconds, where it is given.
    Status(u16, Option<u64>, &'static str),
    Hang,
    /// A body without end.
    Flood,
    /// A body that breaks off.
    Cut,
    Raw(&'static str),
    Filtered,
}

pub(crate) fn say(text: &str) -> Act {
    Act::Say(text.to_owned())
}

pub(crate) fn call(tool: &'static str, arguments: Value) -> Act {
    Act::Call(vec![(tool, arguments.to_string())])
}

type Sent = (HeaderMap, Uri, Value);

#[derive(Clone)]
pub(crate) struct FakeModel {
    /// The last one is done again and again.
    script: Arc<Mutex<VecDeque<Act>>>,
    sent: Arc<Mutex<Vec<Sent>>>,
    address: Url,
}

impl FakeModel {
    #[expect(clippy::disallowed_methods, reason = "ends with the test")]
    pub(crate) async fn start(script: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Url::parse(&format!("http://{}/v1", listener.local_addr().unwrap())).unwrap();
        let script = Arc::new(Mutex::new(script.into_iter().collect()));
        let fake = Self { script, sent: Arc::default(), address };
        let router = Router::new().fallback(answer).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    pub(crate) fn model(&self, people: bool, limits: Limits) -> Model {
        Model::new(Endpoint::new(&self.address, "stub", Some(KEY.into())), people, limits).unwrap()
    }

    /// Its base address.
    pub(crate) fn url(&self) -> &str {
        self.address.as_str()
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    /// The messages of the last request.
    pub(crate) fn messages(&self) -> Vec<Value> {
        self.sent().last().unwrap().2["messages"].as_array().unwrap().clone()
    }
}

pub(crate) fn quick() -> Limits {
    Limits { time: Duration::from_secs(3), ..Limits::default() }
}

async fn answer(State(fake): State<FakeModel>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    fake.sent.lock().unwrap().push((headers, uri, serde_json::from_slice(&body).unwrap()));
    let act = {
        let mut script = fake.script.lock().unwrap();
        if script.len() > 1 { script.pop_front().unwrap() } else { script[0].clone() }
    };
    act.play().await
}

impl Act {
    async fn play(self) -> Response {
        match self {
            Self::Say(text) => completion(json!({"content": text}), "stop"),
            Self::Call(calls) => {
                let call = |(at, (name, arguments)): (usize, (&str, String))| json!({"id": format!("c{at}"), "type": "function", "function": {"name": name, "arguments": arguments}});
                let calls: Vec<_> = calls.into_iter().enumerate().map(call).collect();
                completion(json!({"content": null, "tool_calls": calls}), "tool_calls")
            }
            Self::Status(status, wait, body) => {
                let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
                if let Some(wait) = wait {
                    response.headers_mut().insert("retry-after", wait.into());
                }
                response
            }
            Self::Hang => std::future::pending().await,
            Self::Flood => {
                let chunk = Bytes::from(vec![b' '; 64 << 10]);
                Body::from_stream(stream::repeat_with(move || Ok::<_, Infallible>(chunk.clone()))).into_response()
            }
            Self::Cut => {
                let parts = [Ok(Bytes::from("{\"choices\": [{\"mess")), Err(std::io::Error::other("cut"))];
                Body::from_stream(stream::iter(parts)).into_response()
            }
            Self::Raw(text) => text.into_response(),
            Self::Filtered => completion(json!({"content": "half of"}), "content_filter"),
        }
    }
}

fn completion(mut message: Value, reason: &str) -> Response {
    message["role"] = json!("assistant");
    axum::Json(json!({
        "id": "x", "object": "chat.completion", "created": 1, "model": "stub",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }))
    .into_response()
}
