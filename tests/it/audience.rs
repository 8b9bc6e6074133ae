//! Readers and listeners, many at once, as browsers and programs are: they count how long each answer takes, and what
//! goes wrong.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::{Client, Response};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What they ask for in turns, people and programs alike; `{}` stands for the number of a run.
const MIX: [&str; 14] = [
    "/",
    "/api/v1/runs?limit=50",
    "/runs",
    "/runs/{}",
    "/api/v1/runs/{}",
    "/pipelines",
    "/api/v1/runs?state=completed&result=failed",
    "/environments",
    "/api/v1/pipelines",
    "/hooks",
    "/api/v1/approvals?status=pending",
    "/api/v1/environments",
    "/search?q={}",
    "/api/v1/gaps",
];

/// What the readers met.
#[derive(Debug, Default)]
pub(crate) struct Met {
    pub(crate) took: BTreeMap<&'static str, Vec<Duration>>,
    /// Each with what was asked for.
    pub(crate) errors: Vec<String>,
}

/// What one listener was told.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// The last that was said of each run.
    pub(crate) runs: BTreeMap<u64, Value>,
    pub(crate) events: u64,
    /// So often it was told to read all anew, and did nothing about it.
    pub(crate) resets: u64,
    pub(crate) errors: Vec<String>,
}

/// An audience of one server.
pub(crate) struct Audience {
    client: Client,
    address: String,
    met: Arc<Mutex<Met>>,
    heard: Vec<Arc<Mutex<Heard>>>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Audience {
    pub(crate) fn of(address: &str) -> Self {
        Self {
            client: Client::new(),
            address: format!("http://{address}"),
            met: Arc::default(),
            heard: Vec::new(),
            stop: CancellationToken::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Each opens a stream, and is there once this returns.
    pub(crate) async fn listen(&mut self, listeners: usize) {
        for _ in 0..listeners {
            let heard = Arc::new(Mutex::new(Heard::default()));
            self.heard.push(heard.clone());
            let (client, address, stop) = (self.client.clone(), self.address.clone(), self.stop.clone());
            let stream = open(&client, &address, None).await.unwrap();
            let listener = Listener { client, address, heard, id: None };
            self.tasks.spawn(async move {
                stop.run_until_cancelled(listener.listen(stream)).await;
            });
        }
    }

    /// Each asks for one thing after the other, `pause` after each answer; `run` is the number of one that is there.
    pub(crate) fn read(&mut self, readers: usize, pause: Duration, run: u64) {
        for reader in 0..readers {
            let (client, address, met) = (self.client.clone(), self.address.clone(), self.met.clone());
            let stop = self.stop.clone();
            self.tasks.spawn(async move {
                // Whoever comes later begins elsewhere.
                for path in MIX.iter().cycle().skip(reader) {
                    ask(&client, &address, path, run, &met).await;
                    if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                        return;
                    }
                }
            });
        }
    }

    pub(crate) fn heard(&self) -> &[Arc<Mutex<Heard>>] {
        &self.heard
    }

    /// Sends all away, once each has its answer.
    pub(crate) async fn end(mut self) -> Met {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        std::mem::take(&mut *self.met.lock().unwrap())
    }
}

async fn ask(client: &Client, address: &str, path: &'static str, run: u64, met: &Mutex<Met>) {
    let started = Instant::now();
    let answer = client.get(format!("{address}{}", path.replace("{}", &run.to_string()))).send().await;
    let answer = match answer {
        Ok(answer) if answer.status().is_success() => answer.bytes().await.map_err(|error| error.to_string()),
        Ok(answer) => Err(answer.status().to_string()),
        Err(error) => Err(format!("{error:?}")),
    };
    let took = started.elapsed();
    let mut met = met.lock().unwrap();
    match answer {
        Ok(_) => met.took.entry(path).or_default().push(took),
        Err(error) => met.errors.push(format!("{path}: {error}")),
    }
}

struct Listener {
    client: Client,
    address: String,
    heard: Arc<Mutex<Heard>>,
    id: Option<String>,
}

async fn open(client: &Client, address: &str, id: Option<&str>) -> Result<Response, String> {
    let ask = client.get(format!("{address}/api/v1/stream"));
    let ask = if let Some(id) = id { ask.header("last-event-id", id) } else { ask };
    let answer = ask.send().await.map_err(|error| format!("{error:?}"))?;
    if answer.status().is_success() { Ok(answer) } else { Err(answer.status().to_string()) }
}

impl Listener {
    /// Comes again when the stream ends, as browsers do.
    async fn listen(mut self, mut stream: Response) {
        loop {
            if let Err(error) = self.hear(stream).await {
                self.heard.lock().unwrap().errors.push(error);
            }
            stream = loop {
                match open(&self.client, &self.address, self.id.as_deref()).await {
                    Ok(stream) => break stream,
                    Err(error) => self.heard.lock().unwrap().errors.push(error),
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            };
        }
    }

    /// To the end of the stream.
    async fn hear(&mut self, mut stream: Response) -> Result<(), String> {
        let mut read = Vec::new();
        while let Some(more) = stream.chunk().await.map_err(|error| format!("{error:?}"))? {
            read.extend_from_slice(&more);
            while let Some(end) = read.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = read.drain(..end + 2).collect();
                self.note(&String::from_utf8_lossy(&block));
            }
        }
        Ok(())
    }

    fn note(&mut self, block: &str) {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        self.id = field("id: ").or_else(|| self.id.take());
        let Some(kind) = field("event: ") else { return };
        let mut heard = self.heard.lock().unwrap();
        heard.events += 1;
        heard.resets += u64::from(kind == "reset");
        let data: Option<Value> = field("data: ").and_then(|data| serde_json::from_str(&data).ok());
        if let Some(item) = data.and_then(|mut data| data.get_mut("item").map(Value::take)) {
            let run = item.get("runId").and_then(Value::as_u64).unwrap_or_default();
            heard.runs.insert(run, item);
        }
    }
}
