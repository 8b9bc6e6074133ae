//! `ask` as a process, with no model and with the one that the environment names: what it prints, what the model is sent,
//! and what the log tells.

use std::path::Path;

use serde_json::{Value, json};

use crate::fake_model::{Act, FakeModel, KEY, call, say};
use crate::shell::{Running, Shell, address};

const ASK: &str = "ask --from 2019-10-01 --to 2019-10-31 how many runs per pipeline";

fn shell() -> Shell {
    let shell = Shell::local();
    for name in ["started_build", "completed_build"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("example-json").join(name).with_extension("json");
        shell.run(&format!("enqueue {}", file.display()));
    }
    shell.run("work --until-empty");
    shell
}

fn asking(shell: Shell, model: &FakeModel) -> Shell {
    let shell = shell.with("PIPETRAIL_MODEL_URL", model.url()).with("PIPETRAIL_MODEL", "stub");
    shell.with("PIPETRAIL_MODEL_KEY", KEY).with("RUST_LOG", "trace")
}

#[test]
fn without_a_model() {
    let shell = shell();
    let told = shell.json(ASK);
    assert_eq!((&told["status"], &told["model"]), (&json!("ok"), &Value::Null), "{told}");
    assert_eq!(told["queries"][0]["tool"], "aggregate");
    assert_eq!(told["tables"][0]["rows"][0][1], 1);
    let shown = shell.run(ASK);
    let said = String::from_utf8(shown.stderr).unwrap();
    assert!(said.contains("has the most: count 1") && said.contains("understood as aggregate"), "{said}");
    let (code, said) = shell.said("ask who failed most");
    assert!(code == Some(1) && said.contains("not understood") && said.contains("hint:"), "{said}");
    let (code, said) = shell.said(&format!("{ASK} --project nowhere"));
    assert!(code == Some(1) && said.contains("no project `nowhere` is known here"), "{said}");
}

/// The same tools and answers in every form.
#[test]
fn tools_and_answers_are_printed_in_every_form() {
    let shell = shell();
    let out = |line: &str| String::from_utf8(shell.run(line).stdout).unwrap();
    let tools = out("query");
    assert!(tools.contains("aggregate") && tools.contains("data_health"), "{tools}");
    let schemas = shell.json("query");
    assert!(schemas.as_object().unwrap().values().all(|tool| tool["additionalProperties"] == false), "{schemas}");
    let count = r#"query aggregate {"measure":"count","groupBy":["day"],"from":"2019-10-01","to":"2019-10-31"}"#;
    let found = shell.json(count);
    assert_eq!((&found["columns"], &found["total"]), (&json!(["day", "count", "samples"]), &json!(1)), "{found}");
    let cells: Vec<_> =
        found["rows"][0].as_array().unwrap().iter().map(|cell| cell.to_string().replace('"', "")).collect();
    assert_eq!(out(&format!("{count} -o csv")), format!("day,count,samples\n{}\n", cells.join(",")));
    let shown = out(count);
    assert!(shown.contains("DAY") && shown.contains(&cells[0]), "{shown}");
    let late = shell.json(&format!("{count} --time-zone Pacific/Kiritimati"));
    assert!(late["interpretation"].as_str().unwrap().contains("Pacific/Kiritimati"), "{late}");
    let csv = out(&format!("{ASK} -o csv"));
    assert!(csv.starts_with("pipeline,count,samples\n") && csv.lines().count() == 2, "{csv}");
    for (line, hint) in [
        ("query no_such_tool", "no_such_tool"),
        ("query aggregate {}", "measure"),
        ("query aggregate {\"measure\":\"count\"} --time-zone Mars", "Mars"),
        ("query aggregate not-json", "JSON"),
    ] {
        let (code, said) = shell.said(line);
        assert!(matches!(code, Some(1 | 2)) && said.contains(hint), "{line}: {code:?} {said}");
    }
}

/// Everything is logged that can be: neither the key, nor the question, nor what was found, nor the answer stands there.
#[tokio::test(flavor = "multi_thread")]
async fn with_the_model_that_the_environment_names() {
    let count = || call("aggregate", json!({"measure": "count", "groupBy": ["pipeline"]}));
    let fake = FakeModel::start([count(), say("It is 1 run, says the heron.")]).await;
    let shell = asking(shell(), &fake);
    let output = shell.run(&format!("{ASK} of the cormorant -o json"));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["status"], &told["model"]), (&json!("ok"), &json!("stub")), "{told}");
    assert_eq!(told["answer"], "It is 1 run, says the heron.");
    let pipeline = told["tables"][0]["rows"][0][0].as_str().unwrap();
    let sent = fake.sent();
    assert!(sent.iter().all(|(headers, ..)| headers["authorization"] == format!("Bearer {KEY}")));
    assert_eq!((sent.len(), &sent[0].2["model"]), (2, &json!("stub")));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("ask: answered") && log.contains("calls"), "{log}");
    for secret in [KEY, "cormorant", "heron", pipeline] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

/// What the page offers to begin with, the demo answers, and with something.
#[tokio::test(flavor = "multi_thread")]
async fn the_questions_that_the_page_begins_with_have_answers_in_the_demo() {
    let shell = Shell::local();
    shell.run("demo --once --data demo.db");
    let up = Running::start(shell.command("up --data demo.db --listen 127.0.0.1:0"));
    let at = format!("http://{}", address(&up.line("listening on ")));
    let page = reqwest::get(format!("{at}/ask")).await.unwrap().text().await.unwrap();
    let starters: Vec<_> = page.split(r#"<li><a href="/ask?q="#).skip(1).collect();
    assert!(starters.len() > 3, "{page}");
    for starter in starters {
        let question = starter.split_once('>').unwrap().1.split_once('<').unwrap().0;
        let told = shell.json(&format!("ask --data demo.db {question}"));
        assert_eq!(told["status"], "ok", "{question}: {told}");
        assert_ne!(told["tables"][0]["rows"], json!([]), "{question}: {told}");
    }
}

/// That a question got no answer is told, and of the data nothing.
#[test]
fn a_catalog_that_fails_is_logged_without_the_question() {
    let shell = shell().with("RUST_LOG", "info");
    let file = rusqlite::Connection::open(shell.path().join("pipetrail.db")).unwrap();
    file.execute_batch("DROP TABLE names").unwrap();
    drop(file);
    let (code, said) = shell.said(&format!("{ASK} of the cormorant"));
    assert!(code == Some(1) && said.contains("ask: not answered, as the catalog failed"), "{code:?} {said}");
    assert!(said.contains("question_chars") && !said.contains("cormorant"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_fails_tells_no_secret() {
    let fake = FakeModel::start([Act::Status(401, None, KEY)]).await;
    let (code, said) = asking(shell(), &fake).said(ASK);
    assert!(code == Some(1) && said.contains("PIPETRAIL_MODEL_KEY") && !said.contains(KEY), "{said}");
}
