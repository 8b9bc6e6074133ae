//! How long the program takes from its start until it serves, on a file that exists.
//!
//! `cargo bench --bench start`: prints the median and the longest of some starts, in milliseconds.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints and stops at the unexpected")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const STARTS: usize = 21;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("start.db");
    start(&data);
    let mut times: Vec<_> = (0..STARTS).map(|_| start(&data)).collect();
    times.sort_unstable();
    let ms = |time: Option<&Duration>| time.unwrap().as_secs_f64() * 1_000.0;
    println!("start to listening: median {:.1} ms, longest {:.1} ms", ms(times.get(STARTS / 2)), ms(times.last()));
}

fn start(data: &Path) -> Duration {
    let begin = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_pipetrail"))
        .args(["up", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("listening on")));
    let time = begin.elapsed();
    child.kill().unwrap();
    child.wait().unwrap();
    time
}
