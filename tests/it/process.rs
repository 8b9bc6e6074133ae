//! The program as a process: from events to runs, signals, a port.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::lines;

const LIMIT: Duration = Duration::from_secs(60);

struct Shell(tempfile::TempDir);

impl Shell {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pipetrail"));
        command.args(line.split_whitespace()).current_dir(self.0.path()).env_clear().stdin(Stdio::null());
        command
    }

    fn run(&self, line: &str) -> Output {
        let output = self.command(line).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_slice(&self.run(&format!("{line} -o json")).stdout).unwrap()
    }

    /// Asks until the answer is right.
    fn wait_for(&self, line: &str, right: impl Fn(&Value) -> bool) -> Value {
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
}

/// A process under way, with what it says.
struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Running {
    /// Listens to what it says on stderr.
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = lines(child.stderr.take().unwrap());
        Self { child, lines }
    }

    /// Listens to the data that it prints.
    fn printing(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = lines(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The first line that holds the text.
    fn line(&self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("no line with {text}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn exit_code(&mut self) -> Option<i32> {
        let started = Instant::now();
        while started.elapsed() < LIMIT {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it does not end");
    }
}

/// A test that fails leaves no process behind.
impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

fn examples() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/example-json"))
}

fn ids(runs: &Value) -> Vec<u64> {
    runs.as_array().unwrap().iter().map(|run| run["runId"].as_u64().unwrap()).collect()
}

#[test]
fn from_event_files_to_runs() {
    let shell = Shell::new();
    for (name, options) in [("started_build", ""), ("completed_build", "--base64"), ("stage_state_change", "")] {
        let file = examples().join(name).with_extension("json");
        shell.run(&format!("enqueue {options} {}", file.display()));
    }
    fs::write(shell.0.path().join("bad.ndjson"), "rubbish\n").unwrap();
    shell.run("enqueue bad.ndjson");
    let worked = String::from_utf8(shell.run("work --until-empty").stderr).unwrap();
    assert!(worked.contains("received 4: applied 3, poisoned 1; `pipetrail dead-letter list`"), "{worked}");
    assert_eq!(ids(&shell.json("get runs")), [480, 479]);
    let run = shell.json("get run 479");
    assert_eq!((&run["name"], &run["result"]), (&"20191002.2".into(), &"succeeded".into()));
    assert!(!run["facts"].as_array().unwrap().is_empty());
    assert_eq!(shell.json("dead-letter list")[0]["body"], "rubbish");
    shell.run("refold --check");
}

#[tokio::test(flavor = "multi_thread")]
async fn up_takes_a_hook_and_ends_well_when_asked_to() {
    let shell = Shell::new();
    let mut up = Running::start(shell.command("up --listen 127.0.0.1:0"));
    let line = up.line("listening on ");
    assert!(line.contains("storage: local file pipetrail.db"), "{line}");
    let address = line.split("http://").nth(1).unwrap().split([',', ' ']).next().unwrap();
    let client = reqwest::Client::new();
    for name in ["started_build.json", "completed_build.json"] {
        let body = fs::read(examples().join(name)).unwrap();
        let hook = format!("http://{address}/hooks/azure-devops");
        let posted = client.post(hook).body(body).send().await.unwrap();
        assert_eq!(posted.status(), 202);
    }
    shell.wait_for("get runs", |runs| ids(runs) == [479] && runs[0]["state"] == "completed");
    up.signal("TERM");
    assert_eq!(up.exit_code(), Some(0));
    up.line("received 2: applied 2");
}

#[test]
fn work_ends_well_when_asked_to() {
    for signal in ["INT", "TERM"] {
        let shell = Shell::new();
        let mut work = Running::start(shell.command("work --log-format json"));
        let line: Value = serde_json::from_str(&work.line("working")).unwrap();
        assert_eq!(line["level"], "INFO");
        work.signal(signal);
        assert_eq!(work.exit_code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_signal_forces_the_end() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let shell = Shell::new();
    let mut up = Running::start(shell.command("up --listen 127.0.0.1:0"));
    let line = up.line("listening on ");
    let address = line.split("http://").nth(1).unwrap().split([',', ' ']).next().unwrap();
    // A request that stays in flight keeps the process from ending at the first signal.
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "POST /hooks/azure-devops HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");
    up.signal("TERM");
    up.line("stopping");
    up.signal("INT");
    assert_eq!(up.exit_code(), Some(130));
}

#[test]
fn watch_prints_what_changed_and_ends_at_a_signal() {
    let shell = Shell::new();
    let enqueue = |name: &str| {
        shell.run(&format!("enqueue {}", examples().join(name).display()));
        shell.run("work --until-empty");
    };
    enqueue("started_build.json");
    let mut watching = Running::printing(shell.command("get runs --watch -o csv"));
    watching.line(",479,20191002.2,inProgress,");
    enqueue("completed_build.json");
    watching.line(",479,20191002.2,completed,succeeded,");
    watching.signal("INT");
    assert_eq!(watching.exit_code(), Some(0));
}

#[test]
fn the_demo_shows_runs_and_says_what_to_type_next() {
    let shell = Shell::new();
    let shown = String::from_utf8(shell.run("demo --once --data demo.db --seed 7").stdout).unwrap();
    for text in ["\n481  ", "\n480  ", "\n479  ", "inProgress", "pipetrail get run 480 --data demo.db"] {
        assert!(shown.contains(text), "{text} is missing in {shown}");
    }
    assert!(ids(&shell.json("get runs --top 0 --data demo.db")).len() > 100);
    assert_eq!(shell.json("dead-letter list --data demo.db"), Value::Array(Vec::new()));
}

#[test]
fn the_demo_stays_up_until_it_is_asked_to_end_and_leaves_the_named_file_alone() {
    let shell = Shell::new();
    let mut command = shell.command("demo --listen 127.0.0.1:0");
    let temporary = shell.0.path().to_str().unwrap();
    command.envs([("PIPETRAIL_DATA", "mine.db"), ("TMPDIR", temporary), ("RUST_LOG", "debug")]);
    let mut demo = Running::start(command);
    demo.line("demo: ready");
    demo.signal("INT");
    assert_eq!(demo.exit_code(), Some(0));
    assert!(!shell.0.path().join("mine.db").exists());
}

#[tokio::test]
async fn prometheus_finds_its_metrics_in_order() {
    let shell = Shell::new();
    shell.run(&format!("enqueue {}", examples().display()));
    let worker = Running::start(shell.command("work --listen 127.0.0.1:0"));
    let line = worker.line("listening on ");
    let address = line.split("http://").nth(1).unwrap().split([',', ' ']).next().unwrap();
    let started = Instant::now();
    let text = loop {
        let answer = reqwest::get(format!("http://{address}/metrics")).await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4");
        let text = answer.text().await.unwrap();
        // The queue was looked at, and a batch was settled.
        if text.contains("pipetrail_dead_letters ") && text.contains("pipetrail_batch_messages_count 1") {
            break text;
        }
        assert!(started.elapsed() < LIMIT, "{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    for name in ["applied", "ignored", "poisoned", "given_back"] {
        assert!(text.contains(&format!("pipetrail_messages_total{{outcome=\"{name}\"}}")), "{text}");
    }
    let mut tool = Command::new("promtool");
    let tool = tool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut checking = tool.spawn().expect("promtool, which scripts/test installs into target/tools");
    checking.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let checked = checking.wait_with_output().unwrap();
    let said = String::from_utf8([checked.stdout, checked.stderr].concat()).unwrap();
    assert!(checked.status.success() && said.is_empty(), "{said}");
}
