//! The program as a process: from events to runs, signals, a port.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::shell::{LIMIT, Running, Shell, address};
use crate::support::time;

fn examples() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/example-json"))
}

fn ids(runs: &Value) -> Vec<u64> {
    runs.as_array().unwrap().iter().map(|run| run["runId"].as_u64().unwrap()).collect()
}

#[test]
fn from_event_files_to_runs() {
    let shell = Shell::local();
    for (name, options) in [("started_build", ""), ("completed_build", "--base64"), ("stage_state_change", "")] {
        let file = examples().join(name).with_extension("json");
        shell.run(&format!("enqueue {options} {}", file.display()));
    }
    fs::write(shell.path().join("bad.ndjson"), "rubbish\n").unwrap();
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
    let shell = Shell::local();
    let mut up = Running::start(shell.command("up --listen 127.0.0.1:0"));
    let line = up.line("listening on ");
    assert!(line.contains("storage: local file pipetrail.db"), "{line}");
    let address = address(&line);
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
        let shell = Shell::local();
        let mut work = Running::start(shell.command("work --log-format json"));
        let line: Value = serde_json::from_str(&work.line("working")).unwrap();
        assert_eq!(line["level"], "INFO");
        work.signal(signal);
        assert_eq!(work.exit_code(), Some(0));
    }
}

/// Also while the pipe that it reads from is silent.
#[test]
fn enqueue_says_what_it_put_when_it_is_stopped() {
    let shell = Shell::local();
    let (read, mut write) = std::io::pipe().unwrap();
    let mut command = shell.command("enqueue -");
    command.stdin(read);
    let mut enqueue = Running::start(command);
    // As many as are put at once, and one that waits for more.
    write.write_all("{}\n".repeat(1_001).as_bytes()).unwrap();
    let queued = |found: &Value| found[1]["says"].as_str().unwrap().starts_with("1000 visible");
    let started = Instant::now();
    while !shell.path().join("pipetrail.db").exists() {
        assert!(started.elapsed() < LIMIT, "there is no file");
        std::thread::sleep(Duration::from_millis(10));
    }
    shell.wait_for("check", queued);
    enqueue.signal("INT");
    enqueue.line("queued 1000 events; stopped before the end: all of it may be queued again");
    assert_eq!(enqueue.exit_code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_signal_forces_the_end() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let shell = Shell::local();
    let mut up = Running::start(shell.command("up --listen 127.0.0.1:0"));
    let address = up.address();
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
    let shell = Shell::local();
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

/// By what people know of a change, and again as soon as more is known.
#[test]
fn deployments_of_chains_are_found_and_watched() {
    let shell = Shell::local();
    let (events, _) = pipetrail::history::bedrock("fabrikam", time("2025-06-13T08:00:00Z"));
    let lines: Vec<_> = events.iter().map(|event| String::from_utf8(event.body.clone()).unwrap()).collect();
    let enqueue = |lines: &[String]| {
        fs::write(shell.path().join("events.ndjson"), lines.join("\n")).unwrap();
        shell.run("enqueue events.ndjson");
        shell.run("work --until-empty");
    };
    let (later, before): (Vec<String>, Vec<String>) =
        lines.into_iter().partition(|line| line.contains("5109") && line.contains("git.pullrequest.merged"));
    assert_eq!(later.len(), 1);
    enqueue(&before);
    let found = |options: &str| shell.json(&format!("get deployments {options}"));
    let of_run = found("-b 2021");
    let (id, commit) = (of_run[0]["deploymentId"].as_str().unwrap(), of_run[0]["commit"].as_str().unwrap());
    for known in [
        format!("-d {id}"),
        format!("-d {}", id.to_uppercase()),
        format!("-c {commit}"),
        format!("-c {}", &commit[..7]),
    ] {
        assert_eq!(found(&known), of_run, "{known}");
    }
    assert_eq!((found("-d 0123"), found("-c 0000000")), (json!([]), json!([])));
    let mut watching = Running::printing(shell.command(&format!("get deployments -d {id} -w -o json")));
    watching.line("\"pr\": 5109");
    enqueue(&later);
    watching.line("\"mergedBy\": {");
    watching.signal("INT");
    assert_eq!(watching.exit_code(), Some(0));
}

#[test]
fn the_demo_shows_runs_and_says_what_to_type_next() {
    let shell = Shell::local();
    let shown = String::from_utf8(shell.run("demo --once --data demo.db --seed 7").stdout).unwrap();
    for text in ["\n481  ", "\n480  ", "\n479  ", "inProgress", "pipetrail get run 480 --data demo.db"] {
        assert!(shown.contains(text), "{text} is missing in {shown}");
    }
    assert!(ids(&shell.json("get runs --top 0 --data demo.db")).len() > 100);
    // What it says to type next shows something.
    let next = |command: &str| {
        let line = shown.lines().find(|line| line.contains(command)).unwrap_or_else(|| panic!("{command}: {shown}"));
        shell.json(&line[line.find("get ").unwrap()..])
    };
    let (pull_request, item) = (next(" get pr "), next(" get work-item "));
    assert_eq!((&pull_request["status"], &item["state"]), (&json!("completed"), &json!("Resolved")));
    for (thing, kind) in [(&pull_request, "run"), (&pull_request, "workItem"), (&item, "pullRequest"), (&item, "run")] {
        let links = thing["links"].as_array().unwrap();
        assert!(links.iter().any(|link| link["kind"] == kind && link["certainty"] == "certain"), "{kind}: {thing}");
    }
    let environments = next(" get environments ");
    let current = |name: &str| {
        let of_pipelines = |there: &&Value| there["name"] == name && there["source"] == "pipeline";
        let found = environments.as_array().unwrap().iter().find(of_pipelines);
        found.unwrap()["current"].as_array().unwrap().len()
    };
    assert_eq!(["staging", "production", "shared-infrastructure"].map(current), [2, 2, 1]);
    assert!(!next(" get approvals ").as_array().unwrap().is_empty());
    let failed = shell.json("get runs --top 0 --data demo.db --result failed --pipeline spartan-app-ci");
    let has_failed = |run: &&Value| run["stages"].as_array().unwrap().iter().any(|stage| stage["result"] == "failed");
    let failed: Vec<_> = failed.as_array().unwrap().iter().filter(has_failed).collect();
    assert!(failed.len() > 5, "{failed:?}");
    for run in &failed[..3] {
        let run = shell.json(&format!("get run {} --organization fabrikam --data demo.db", run["runId"]));
        assert!(run["failure"]["message"].is_string() && run["failure"]["task"].is_string(), "{run}");
    }
    assert_eq!(shell.json("dead-letter list --data demo.db"), Value::Array(Vec::new()));
}

#[test]
fn the_demo_stays_up_until_it_is_asked_to_end_and_leaves_the_named_file_alone() {
    let shell = Shell::local();
    let mut command = shell.command("demo --listen 127.0.0.1:0");
    let temporary = shell.path().to_str().unwrap();
    command.envs([("PIPETRAIL_DATA", "mine.db"), ("TMPDIR", temporary), ("RUST_LOG", "debug")]);
    let mut demo = Running::start(command);
    demo.line("demo: ready");
    demo.signal("INT");
    assert_eq!(demo.exit_code(), Some(0));
    assert!(!shell.path().join("mine.db").exists());
}

#[tokio::test]
async fn prometheus_finds_its_metrics_in_order() {
    metrics_in_order(&Shell::local()).await;
}

/// What `up` tells Prometheus once it has looked at the queue and settled a batch, as `promtool` wants it.
pub(crate) async fn metrics_in_order(shell: &Shell) -> String {
    shell.run(&format!("enqueue {}", examples().display()));
    let worker = Running::start(shell.command("up --listen 127.0.0.1:0"));
    let address = worker.address();
    let started = Instant::now();
    // Counted while it is open.
    let stream = loop {
        let stream = reqwest::get(format!("http://{address}/api/v1/stream")).await.unwrap();
        // A replica is built first.
        if stream.status() != 503 {
            break stream;
        }
        assert!(started.elapsed() < LIMIT, "the replica is not built");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(stream.status(), 200);
    reqwest::get(format!("http://{address}/api/v1/nowhere/{}", "x".repeat(1_000))).await.unwrap();
    let text = loop {
        let answer = reqwest::get(format!("http://{address}/metrics")).await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4");
        let text = answer.text().await.unwrap();
        if text.contains("pipetrail_dead_letters ") && text.contains("pipetrail_batch_messages_count ") {
            break text;
        }
        assert!(started.elapsed() < LIMIT, "{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    for name in ["applied", "ignored", "poisoned", "given_back"] {
        assert!(text.contains(&format!("pipetrail_messages_total{{outcome=\"{name}\"}}")), "{text}");
    }
    for line in [
        "pipetrail_http_requests_total{route=\"/api/v1/stream\",method=\"GET\",status=\"200\"} 1",
        "pipetrail_http_requests_total{route=\"/api/{*rest}\",method=\"GET\",status=\"404\"} 1",
        "pipetrail_http_request_duration_seconds_count{route=\"/api/v1/stream\"} ",
        "pipetrail_http_streams 1",
    ] {
        assert!(text.contains(line), "{line} is missing in {text}");
    }
    let mut tool = Command::new("promtool");
    let tool = tool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut checking = tool.spawn().expect("promtool, which scripts/test installs into target/tools");
    checking.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let checked = checking.wait_with_output().unwrap();
    let said = String::from_utf8([checked.stdout, checked.stderr].concat()).unwrap();
    assert!(checked.status.success() && said.is_empty(), "{said}");
    text
}
