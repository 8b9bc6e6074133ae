use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use pipetrail::azure::{Account, Credential};
use secrecy::SecretString;

use crate::process::cpu_seconds;

/// Public: every emulator has this account.
pub(crate) const ACCOUNT: &str = "devstoreaccount1";
pub(crate) const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const PORTS: [&str; 2] = ["11501", "11502"];

/// An Azurite of our own, on disk: in memory its queue stands still for seconds now and then.
pub(crate) struct Azurite {
    child: Child,
    pub(crate) connection: String,
    started: Instant,
}

impl Drop for Azurite {
    fn drop(&mut self) {
        // It ends when its stdin closes; this is for the case that it hangs.
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}

impl Azurite {
    pub(crate) fn start(folder: &Path) -> Self {
        let serve: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "azurite", "serve.js"].iter().collect();
        let mut command = Command::new("node");
        command.arg(serve).arg("--with-stdin").args(PORTS).arg(folder);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let connection = line.split('\'').nth(1).unwrap().to_owned();
        Self { child, connection, started: Instant::now() }
    }

    pub(crate) fn account(&self) -> Account {
        let endpoint = |port: &str| format!("http://127.0.0.1:{port}/{ACCOUNT}");
        Account {
            name: ACCOUNT.to_owned(),
            credential: Credential::Key(SecretString::from(KEY)),
            queue_endpoint: endpoint(PORTS[0]),
            table_endpoint: endpoint(PORTS[1]),
        }
    }

    pub(crate) fn uptime_ms(&self) -> u128 {
        self.started.elapsed().as_millis()
    }

    /// CPU seconds of the thread that has used the most: the queue service, which has one.
    pub(crate) fn busiest(&self) -> f64 {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let threads = threads.flatten().map(|thread| cpu_seconds(&thread.path().join("stat").to_string_lossy()));
        threads.fold(0.0, f64::max)
    }
}
