//! The official MCP clients, of 2025 and of 2026, as they are on npm, ask this program.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::shell::{Running, Shell, address};
use crate::support::bodies;

const READ: &str = "read-token-0123456789";
const OF_SPARTAN: &str = "spartan-token-0123456789";
const TOKENS: &str = "
    read_token = 'read-token-0123456789'
    [[tokens]]
    name = 'spartan'
    token = 'spartan-token-0123456789'
    rights = 'read'
    projects = ['Spartan']
";

/// A folder with the runs of two projects, Platform and Spartan.
fn seeded() -> Shell {
    let shell = Shell::local();
    let bodies = bodies(400).into_iter().map(|body| String::from_utf8(body).unwrap() + "\n");
    fs::write(shell.path().join("events.ndjson"), bodies.collect::<String>()).unwrap();
    shell.run("enqueue events.ndjson");
    shell.run("work --until-empty");
    shell
}

/// What the client of this year gets.
fn asked(shell: &Shell, year: &str, way: &[&str], calls: &Value) -> Value {
    let mut node = Command::new("node");
    node.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mcp/ask.js")).arg(year).args(way);
    node.current_dir(shell.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = node.spawn().unwrap();
    child.stdin.take().unwrap().write_all(calls.to_string().as_bytes()).unwrap();
    let told = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&told.stderr);
    serde_json::from_slice(&told.stdout).unwrap_or_else(|_| panic!("install tests/mcp? {said}"))
}

fn calls() -> Value {
    json!([
        {"name": "aggregate", "arguments": {"measure": "count", "groupBy": ["project"], "from": "2026-03-01", "to": "2026-04-01"}},
        {"name": "get_run", "arguments": {"runId": "many"}},
        {"name": "no_such_tool", "arguments": {}},
        {"name": "data_health"},
    ])
}

/// What holds for both clients, both ways.
fn is_right(told: &Value, version: &str) {
    assert_eq!(told["server"]["name"], "pipetrail", "{told}");
    assert_eq!(told["version"], version);
    let tools = told["tools"].as_array().unwrap();
    assert!(tools.len() >= 14);
    for tool in tools {
        assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{tool}");
        assert_eq!(tool["outputSchema"]["type"], "object", "{tool}");
        assert_eq!(tool["annotations"]["readOnlyHint"], true, "{tool}");
    }
    let [counted, wrong, missing, health] = told["results"].as_array().unwrap().as_slice() else { panic!("{told}") };
    let found = &counted["structuredContent"];
    assert_eq!(found["columns"], json!(["project", "count", "samples"]));
    let text = counted["content"][0]["text"].as_str().unwrap();
    assert_eq!(&serde_json::from_str::<Value>(text).unwrap(), found, "the text is for clients that know nothing else");
    assert_eq!(wrong["isError"], true, "{wrong}");
    assert!(wrong["content"][0]["text"].as_str().unwrap().contains("runId"), "{wrong}");
    assert_eq!(missing["code"], -32602, "{missing}");
    assert!(health["structuredContent"]["notes"].is_array(), "{health}");
}

#[test]
fn clients_of_both_kinds_ask_over_standard_input() {
    let shell = seeded();
    let program = env!("CARGO_BIN_EXE_pipetrail");
    let newest = shell.json("query describe_data")["rows"].clone();
    for (year, version) in [("2025", "2025-11-25"), ("2026", "2026-07-28")] {
        let told = asked(&shell, year, &["stdio", program, "mcp"], &calls());
        is_right(&told, version);
    }
    assert!(newest.as_array().unwrap().len() == 2, "both projects: {newest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_both_kinds_ask_over_http_and_see_what_their_token_sees() {
    let shell = seeded();
    fs::write(shell.path().join("pipetrail.toml"), TOKENS).unwrap();
    let up = Running::start(shell.command("up --listen 127.0.0.1:0"));
    let mcp = format!("http://{}/mcp", address(&up.line("listening on ")));
    for (year, version) in [("2025", "2025-11-25"), ("2026", "2026-07-28")] {
        let told = asked(&shell, year, &["http", &mcp, READ], &calls());
        is_right(&told, version);
        assert_eq!(told["results"][0]["structuredContent"]["total"], 2, "{told}");
        let told = asked(&shell, year, &["http", &mcp, OF_SPARTAN], &calls());
        let found = &told["results"][0]["structuredContent"];
        assert_eq!((&found["total"], &found["rows"][0][0]), (&json!(1), &json!("Spartan")), "{told}");
        let told = asked(&shell, year, &["http", &mcp, "not-a-token-0123456789"], &calls());
        assert!(told["failed"].is_string(), "{told}");
    }
}

/// A page of another site may have a browser ask; whatever it shows, it is not answered.
#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_and_other_names_of_this_server_are_not_answered() {
    let shell = seeded();
    fs::write(shell.path().join("pipetrail.toml"), TOKENS).unwrap();
    let up = Running::start(shell.command("up --listen 127.0.0.1:0"));
    let address = address(&up.line("listening on "));
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    let client = Client::new();
    let ask = |headers: &[(&'static str, String)]| {
        let mut asked = client.post(format!("http://{address}/mcp")).bearer_auth(READ).body(body.clone());
        asked =
            asked.header("content-type", "application/json").header("accept", "application/json, text/event-stream");
        for (name, value) in headers {
            asked = asked.header(*name, value);
        }
        asked.send()
    };
    let status = async |headers: &[(&'static str, String)]| ask(headers).await.unwrap().status();
    assert_eq!(status(&[]).await, StatusCode::OK);
    assert_eq!(status(&[("origin", format!("http://{address}"))]).await, StatusCode::OK);
    assert_eq!(status(&[("origin", "https://evil.example".to_owned())]).await, StatusCode::FORBIDDEN);
    assert_eq!(status(&[("origin", "null".to_owned())]).await, StatusCode::FORBIDDEN);
    assert_eq!(status(&[("host", "evil.example".to_owned())]).await, StatusCode::FORBIDDEN);
    let closed = client.post(format!("http://{address}/mcp")).body(body.clone()).send().await.unwrap();
    assert_eq!(closed.status(), StatusCode::UNAUTHORIZED);
    assert!(closed.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
}
