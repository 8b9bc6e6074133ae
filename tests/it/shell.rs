//! The program as a shell runs it: its exit code, what it prints, and a process under way.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::azurite::{Azurite, unique};
use crate::support::lines;

pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A directory with nothing of the caller's environment.
pub(crate) struct Shell {
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, String)>,
}

impl Shell {
    pub(crate) fn local() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }

    pub(crate) async fn azure() -> Self {
        Self::of(Azurite::start().await.connection_string())
    }

    pub(crate) fn of(connection_string: &str) -> Self {
        let name = unique("cli");
        let shell = Self::local();
        let environment = vec![
            ("PIPETRAIL_STORAGE", "azure".to_owned()),
            ("PIPETRAIL_QUEUE", name.clone()),
            ("PIPETRAIL_TABLE", name),
            ("AZURE_STORAGE_CONNECTION_STRING", connection_string.to_owned()),
            ("XDG_CACHE_HOME", shell.folder.path().join("cache").to_str().unwrap().to_owned()),
        ];
        Self { environment, ..shell }
    }

    /// Another machine: the same account, another cache.
    pub(crate) fn elsewhere(&self) -> Self {
        let other = Self { environment: self.environment.clone(), ..Self::local() };
        let cache = other.folder.path().to_str().unwrap().to_owned();
        other.with("XDG_CACHE_HOME", &cache)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.environment.retain(|(other, _)| *other != name);
        self.environment.push((name, value.to_owned()));
        self
    }

    /// What it sets a variable to.
    pub(crate) fn setting(&self, name: &str) -> &str {
        &self.environment.iter().find(|(other, _)| *other == name).unwrap().1
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pipetrail"));
        command.args(line.split_whitespace()).current_dir(self.folder.path()).env_clear();
        command.envs(self.environment.clone()).stdin(Stdio::null());
        command
    }

    /// Its exit code and what it said on stderr.
    pub(crate) fn said(&self, line: &str) -> (Option<i32>, String) {
        let output = self.command(line).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    pub(crate) fn run(&self, line: &str) -> Output {
        let output = self.command(line).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    pub(crate) fn json(&self, line: &str) -> Value {
        serde_json::from_slice(&self.run(&format!("{line} -o json")).stdout).unwrap()
    }

    /// Asks until the answer is right.
    pub(crate) fn wait_for(&self, line: &str, right: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let answer = self.json(line);
            if right(&answer) {
                return answer;
            }
            assert!(started.elapsed() < LIMIT, "{line}: {answer}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The replica in the cache folder.
    pub(crate) fn replica(&self) -> PathBuf {
        let folder = self.folder.path().join("cache/pipetrail");
        let mut files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        files.find(|file| file.extension().is_some_and(|extension| extension == "db")).unwrap()
    }
}

/// A process under way, with what it says.
pub(crate) struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Running {
    /// Listens to what it says on stderr.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = lines(child.stderr.take().unwrap());
        Self { child, lines }
    }

    /// Listens to the data that it prints.
    pub(crate) fn printing(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = lines(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The first line that holds the text.
    pub(crate) fn line(&self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("no line with {text}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let started = Instant::now();
        while started.elapsed() < LIMIT {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it does not end");
    }

    /// Where it listens, which is the first thing that it says.
    pub(crate) fn address(&self) -> String {
        address(&self.line("listening on "))
    }
}

/// The address in a line such as `listening on http://127.0.0.1:8080, storage: ...`.
pub(crate) fn address(line: &str) -> String {
    line.split("http://").nth(1).unwrap().split([',', ' ']).next().unwrap().to_owned()
}

/// A test that fails leaves no process behind.
impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}
