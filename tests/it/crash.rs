//! Workers that are killed: nothing is lost, nothing sound is poisoned, and one killer is one message.
//!
//! A kill proves nothing about power: durability is asserted by its settings, beside `sqlite`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rusqlite::Connection;

use crate::support::{
    Local, all_tests, assert_same, assert_told, bodies, dead_letters, disordered, folded, folder, stored,
};

/// No process may take longer.
const LIMIT: Duration = Duration::from_secs(300);
const NO_MARKER: &str = "<no body has this>";

fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("examples/crashing_worker");
    let path = path.with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.exists(), "`cargo test` builds it; with `--test it` alone: cargo build --example crashing_worker");
    path
}

/// A worker process; it does not outlive the test.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        // A process that aborts says nothing; one that fails says why.
        Self(Command::new(program()).args(args).stdin(Stdio::null()).spawn().unwrap())
    }

    /// On a file, ended by a body that holds the marker.
    fn on(file: &Path, marker: &str) -> Self {
        Self::start([file.as_os_str(), OsStr::new(marker)])
    }

    /// The most memory that it had at once, in KiB.
    #[cfg(target_os = "linux")]
    pub(crate) fn most_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Waits until it ended or `done`; kills it then. How it ended by itself, if it did.
    fn wait(&mut self, mut done: impl FnMut() -> bool) -> Option<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return Some(status);
            }
            if done() {
                self.0.kill().unwrap();
                self.0.wait().unwrap();
                return None;
            }
            assert!(start.elapsed() < LIMIT, "the worker does not end");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Process {
    /// With SIGKILL.
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

async fn filled(path: &Path, bodies: Vec<Vec<u8>>) {
    Local::open(path).await.queue.put(bodies).await.unwrap();
}

fn messages(raw: &Connection) -> u32 {
    raw.query_row("SELECT count(*) FROM messages", [], |row| row.get(0)).unwrap()
}

/// When to kill next: at once after some progress, or after some time, whichever the dice say.
fn moment(rng: &mut SmallRng, left: u32, raw: &Connection) -> impl FnMut() -> bool {
    let start = Instant::now();
    let enough = rng.random_bool(0.7).then(|| rng.random_range(1..=left.min(2_000)));
    let after = Duration::from_millis(rng.random_range(0..150));
    let mut reached: Option<Instant> = None;
    move || match enough {
        None => start.elapsed() > after,
        Some(enough) => {
            if reached.is_none() && left - messages(raw) >= enough {
                reached = Some(Instant::now());
            }
            reached.is_some_and(|reached| reached.elapsed() > after / 15)
        }
    }
}

#[tokio::test]
async fn a_worker_that_is_killed_again_and_again_loses_and_poisons_nothing() {
    let (count, kills) = if all_tests() { (20_000, 40) } else { (4_000, 8) };
    let (_folder, path) = folder();
    let sent = disordered(&bodies(count), 9);
    let all = u32::try_from(sent.len()).unwrap();
    filled(&path, sent.clone()).await;
    let raw = Connection::open(&path).unwrap();
    let mut rng = SmallRng::seed_from_u64(479);
    let mut midway = 0;
    for _ in 0..kills {
        let left = messages(&raw);
        if left == 0 {
            break;
        }
        let killed = Process::on(&path, NO_MARKER).wait(moment(&mut rng, left, &raw)).is_none();
        let left = messages(&raw);
        midway += u32::from(killed && left > 0 && left < all);
    }
    let status = Process::on(&path, NO_MARKER).wait(|| false).unwrap();
    assert!(status.success(), "{status}");
    assert!(midway >= 2, "only {midway} kills were in the middle");
    let check: String = raw.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let local = Local::open(&path).await;
    assert!(local.queue.depth().await.unwrap().is_empty());
    assert_eq!(dead_letters(local.queue.as_ref()).await, []);
    let expected = folded(&sent);
    assert_same(&stored(local.store.as_ref()).await, &expected);
    assert_told(local.store.as_ref(), &expected).await;
}

#[tokio::test]
async fn a_body_that_kills_every_time_pays_alone() {
    let (_folder, path) = folder();
    let sound = bodies(500);
    let killer = br#"{"eventType":"killer","note":"ends the process"}"#.to_vec();
    let mut sent = sound.clone();
    sent.insert(300, killer.clone());
    filled(&path, sent).await;
    let mut ended = 0;
    while !Process::on(&path, "ends the process").wait(|| false).unwrap().success() {
        ended += 1;
        assert!(ended <= 12, "it still kills");
    }
    // Three in company, five alone.
    assert_eq!(ended, 8);
    let local = Local::open(&path).await;
    let letters = dead_letters(local.queue.as_ref()).await;
    let [letter] = letters.as_slice() else { panic!("{} dead letters", letters.len()) };
    assert_eq!((letter.reason.code.as_str(), letter.tries, &letter.body), ("kills_worker", 5, &killer));
    assert!(local.queue.depth().await.unwrap().is_empty());
    assert_same(&stored(local.store.as_ref()).await, &folded(&sound));
}
