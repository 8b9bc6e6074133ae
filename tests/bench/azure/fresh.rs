//! How soon readers see what a worker commits: from the store's answer that it is durable and in the change log, to the
//! first answer of `serve` over HTTP that has it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pipetrail::azure::Services;
use pipetrail::catalog;
use pipetrail::clock::{Clock as _, SystemClock};
use pipetrail::domain::run::{RunFact, Statement};
use pipetrail::domain::{Fact, FactKind, RunKey, State};
use pipetrail::ingest::Importer;
use pipetrail::sqlite::{LocalFile, Missing};
use pipetrail::store::{AzureTableStore, SqliteStore, Store};
use serde_json::Value;

use crate::azurite::Azurite;

const TABLE: &str = "fresh";
const COMMITS: u64 = 100;
/// What is promised.
const MOST: Duration = Duration::from_secs(2);
/// Between two looks at the answers.
const LOOK: Duration = Duration::from_millis(5);

/// The program, with nobody who works beside it.
struct Reader {
    child: Child,
    address: String,
}

impl Drop for Reader {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Reader {
    fn start(command: &mut Command) -> Self {
        let mut child = command.args(["--listen", "127.0.0.1:0"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = said.find_map(|line| line.ok().filter(|line| line.contains("listening on"))).unwrap();
        // What it says later is not to fill the pipe.
        std::thread::spawn(move || said.for_each(drop));
        let address = line.split("http://").nth(1).unwrap().split([',', ' ']).next().unwrap().to_owned();
        Self { child, address }
    }

    async fn newest(&self) -> Option<u64> {
        let answer = reqwest::get(format!("http://{}/api/v1/runs?limit=1", self.address)).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        answer.pointer("/items/0/runId")?.as_u64()
    }
}

/// Fails where the promise does not hold.
pub(crate) async fn measure(azurite: &Azurite) {
    println!("\nseconds from a commit to the first answer that has it, {COMMITS} commits");
    println!("{:<24}{:>10}{:>10}{:>10}", "", "median", "p99", "longest");
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("fresh.db");
    let clock = Arc::new(SystemClock);
    let file = LocalFile::open(&data, Missing::Create, clock.clone()).unwrap();
    let local = SqliteStore::open(file, catalog::projection()).await.unwrap();
    let mut serve = Command::new(env!("CARGO_BIN_EXE_pipetrail"));
    let reader = Reader::start(serve.args(["serve", "--data"]).arg(&data));
    let on_file = times(Arc::new(local), &reader).await;
    let program = |word: &str| on_azure(azurite, folder.path(), word);
    // It makes queue and table.
    assert!(program("work").arg("--until-empty").status().unwrap().success());
    let table = AzureTableStore::new(&Services::new(&azurite.account()).unwrap(), TABLE, clock);
    let reader = Reader::start(&mut program("serve"));
    let on_table = times(Arc::new(table), &reader).await;
    for (name, mut taken) in [("local file", on_file), ("Azurite, a replica", on_table)] {
        taken.sort_unstable();
        let rank = |percent: usize| taken.get((taken.len() * percent).div_ceil(100).max(1) - 1).unwrap().as_secs_f64();
        println!("{name:<24}{:>10.2}{:>10.2}{:>10.2}", rank(50), rank(99), rank(100));
        assert!(rank(99) < MOST.as_secs_f64(), "{name}: later than {MOST:?}");
    }
}

fn on_azure(azurite: &Azurite, folder: &Path, word: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_pipetrail"));
    program.arg(word).env("PIPETRAIL_STORAGE", "azure").env("AZURE_STORAGE_CONNECTION_STRING", &azurite.connection);
    program.env("PIPETRAIL_TABLE", TABLE).env("PIPETRAIL_CATALOG", folder.join("replica.db"));
    program
}

async fn times(store: Arc<dyn Store>, reader: &Reader) -> Vec<Duration> {
    let mut importer = Importer::new(store);
    let mut taken = Vec::new();
    for run in 1..=COMMITS {
        // At another moment of whoever looks now and then.
        tokio::time::sleep(Duration::from_millis(run * 37 % 1_000)).await;
        let now = SystemClock.now();
        let key = RunKey { organization: "fabrikam".to_owned(), pipeline: 7, run };
        let mut fact = RunFact::new(key, FactKind::RunStateChanged, now);
        fact.run = Some((State::InProgress, Statement::at(now)));
        importer.import(vec![Fact::Run(fact)]).await.unwrap();
        let committed = Instant::now();
        while reader.newest().await != Some(run) {
            tokio::time::sleep(LOOK).await;
        }
        taken.push(committed.elapsed());
    }
    taken
}
