//! What scripts and people tell of, from the endpoint, the command line and the script to the metrics.

use std::process::Command;

use serde_json::{Value, json};

use crate::shell::{Running, Shell};

const TOKEN: &str = "s3cret-of-the-scripts";
const COMMIT: &str = "b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f";

/// `up` with a token for events.
fn up(shell: &Shell) -> (Running, String) {
    let server = Running::start(shell.command("up --listen 127.0.0.1:0"));
    let address = server.address();
    (server, address)
}

fn shell() -> Shell {
    Shell::local()
        .with("PIPETRAIL_EVENTS_TOKEN", TOKEN)
        .with("PIPETRAIL_READ_TOKEN", "reader-0123456789")
        .with("PIPETRAIL_ORGANIZATION", "Fabrikam")
}

async fn post(address: &str, path: &str, token: Option<&str>, body: impl Into<reqwest::Body>) -> (u16, String) {
    let request = reqwest::Client::new().post(format!("http://{address}{path}")).body(body);
    let request = token.into_iter().fold(request, |request, token| request.header("X-Secret-Token", token));
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let problem: Option<Value> = serde_json::from_slice(&answer.bytes().await.unwrap()).ok();
    let detail = problem.and_then(|problem| Some(problem["detail"].as_str()?.to_owned()));
    (status, detail.unwrap_or_default())
}

fn deploys(answer: &Value) -> Option<u64> {
    answer["deploymentFrequency"]["deployments"]["value"].as_u64()
}

#[tokio::test]
async fn events_and_incidents_are_posted_and_counted() {
    let shell = shell();
    let (_server, address) = up(&shell);
    let deploy = json!({"Repo": "shop", "Event": "deploy", "Metadata": {"commit_ids": [COMMIT]}}).to_string();
    let push = json!({"Repo": "shop", "Event": "push", "Metadata": format!("{COMMIT}\n")}).to_string();
    for (path, body) in [("/events", &push), ("/events", &deploy), ("/events", &deploy)] {
        assert_eq!(post(&address, path, Some(TOKEN), body.clone()).await.0, 202, "{body}");
    }
    let answer = shell.wait_for("dora --show-work", |answer| deploys(answer) == Some(1));
    let work = &answer["work"][0];
    assert_eq!(
        (&work["pipeline"], &work["source"], &work["known"]),
        (&json!("shop"), &json!("reported"), &json!("record"))
    );
    assert_eq!((&work["commits"][0]["commit"], &work["commitsAre"]), (&json!(COMMIT), &json!("known")));
    assert!(work["commits"][0]["leadSeconds"].is_u64(), "{work}");

    let failed =
        json!({"type": "deploy", "pipeline_id": "api", "environment": "live", "status": "failure"}).to_string();
    assert_eq!(post(&address, "/events?organization=fabrikam", Some(TOKEN), failed).await.0, 202);
    let incident = json!({"id": "OPS-1", "pipeline": "shop", "title": "<script>"}).to_string();
    assert_eq!(post(&address, "/incidents", Some(TOKEN), incident).await.0, 202);
    let answer = shell.wait_for("dora --show-work", |answer| answer["changeFailRate"]["failed"] == 2);
    let because: Vec<_> = answer["work"].as_array().unwrap().iter().map(|work| work["failedBecause"].clone()).collect();
    assert_eq!(because, [json!(["incident"]), json!(["failed"])]);
    assert_eq!(answer["work"][0]["incidents"], json!(["incident ops-1"]));
    assert_eq!(answer["coverage"]["incidentSource"], true);

    let over =
        json!({"type": "incident_status_change", "pipeline_id": "x", "incident_id": "ops-1", "status": "success"});
    assert_eq!(post(&address, "/events", Some(TOKEN), over.to_string()).await.0, 202);
    let recovered = |answer: &Value| answer["failedDeploymentRecoveryTime"]["time"]["count"] == 1;
    shell.wait_for("dora", recovered);
    assert_eq!(shell.json("dead-letter list"), json!([]));
}

#[tokio::test]
async fn what_is_wrong_is_told_to_who_posts_it() {
    let shell = shell();
    let (_server, address) = up(&shell);
    let good = json!({"Repo": "shop", "Event": "deploy"}).to_string();
    for wrong in
        [None, Some(""), Some("s3cret-of-the-script"), Some("s3cret-of-the-scriptsX"), Some("reader-0123456789")]
    {
        for path in ["/events", "/incidents"] {
            let (status, detail) = post(&address, path, wrong, good.clone()).await;
            assert_eq!(status, 401, "{path} {wrong:?}");
            assert!(!detail.contains("s3cret"), "{detail}");
        }
    }
    let table = [
        ("/events", "no json", "not_json: the body is not JSON."),
        ("/events", r#"{"Repo": "shop"}"#, "no_event: no `Event` (at `Event`)."),
        (
            "/incidents",
            r#"{"id": "a b"}"#,
            "not_an_incident_id: `a b` is no incident's id: at most 200 letters, digits and .:_- (at `id`).",
        ),
        (
            "/events?organization=a/b",
            "{}",
            "no_organization: nobody says whose it is: name the organization in the address (?organization=), or configure one.",
        ),
    ];
    for (path, body, expected) in table {
        assert_eq!(post(&address, path, Some(TOKEN), body).await, (400, expected.to_owned()), "{body}");
    }
    assert_eq!(post(&address, "/events", Some(TOKEN), vec![b' '; (2 << 20) + 1]).await.0, 413);
    assert_eq!(reqwest::get(format!("http://{address}/events")).await.unwrap().status(), 405);
    assert_eq!(shell.json("dora")["deploymentFrequency"]["deployments"]["reason"], "nothingDeployed");
}

#[test]
fn the_command_line_tells_too() {
    let shell = Shell::local();
    let (code, said) = shell.said("report shop deploy");
    assert_eq!((code, said.lines().next()), (Some(2), Some("error: nobody says whose it is")));
    let (code, said) = shell.said("report shop deploys --organization fabrikam");
    assert_eq!(code, Some(2));
    assert!(said.starts_with("error: `deploys` is no event of ours"), "{said}");
    let mut report = shell.command("report shop deploy --organization fabrikam --metadata");
    assert!(report.arg(r#"{"environment": "live", "time": "2025-06-12T10:00:00Z"}"#).status().unwrap().success());
    shell.run("incident open OPS-7 --organization fabrikam --at 2025-06-12T11:00:00Z --environment live");
    shell.run("incident resolve ops-7 --organization fabrikam --at 2025-06-12T12:30:00Z");
    shell.run("work --until-empty");
    let answer = shell.json("dora --since 2025-06-01T00:00:00Z --until 2025-07-01T00:00:00Z --show-work");
    let work = &answer["work"][0];
    assert_eq!((&work["incidents"], &work["recoverySeconds"]), (&json!(["incident ops-7"]), &json!(9_000)));
    assert_eq!((&work["environment"], &work["finishedAt"]), (&json!("live"), &json!("2025-06-12T10:00:00Z")));
}

#[tokio::test]
async fn the_script_needs_nothing_but_curl() {
    let shell = shell();
    let (_server, address) = up(&shell);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/report.sh");
    let run = |token: &str, arguments: &[&str]| {
        let mut command = Command::new(script);
        command.args(arguments).env("PIPETRAIL_URL", format!("http://{address}")).env("PIPETRAIL_EVENTS_TOKEN", token);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let odd = "{\"environment\": \"li\\\"ve\", \"project\": \"a b\\\\c\",\n\"fix\": true}";
    assert_eq!(run(TOKEN, &["web \"shop\"", "deploy", "--metadata", odd]), (Some(0), String::new()));
    assert_eq!(run(TOKEN, &["shop", "test_run"]), (Some(0), String::new()));
    let (code, said) = run(TOKEN, &["shop", "deploys"]);
    assert!(code == Some(1) && said.contains("is no event of ours"), "{said}");
    let (code, said) = run("wrong", &["shop", "deploy"]);
    assert!(code == Some(1) && said.contains("401"), "{said}");
    assert_eq!(run(TOKEN, &["shop"]).0, Some(2));
    let answer = shell.wait_for("dora --show-work --environment li\"ve", |answer| deploys(answer) == Some(1));
    assert_eq!(
        (&answer["work"][0]["pipeline"], &answer["work"][0]["project"]),
        (&json!("web \"shop\""), &json!("a b\\c"))
    );
}
