//! People: what becomes of their names, and that nothing is left of one who is forgotten, in any file, row or message.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pipetrail::azure::Services;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::azurite::Azurite;
use crate::shell::Shell;

const PERSON: &str = "Ana Lindqvist";
/// What may not be found, in small letters: of her names, that which stands in each.
const TRACE: &str = "lindqvist";

fn examples() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("example-json").display().to_string()
}

/// A run with the person in a branch, and two bodies that nobody can read, with the person in base64 and behind escapes.
fn bodies(shell: &Shell) -> String {
    let text = fs::read_to_string(Path::new(&examples()).join("build_completed.json")).unwrap();
    let mut event: Value = serde_json::from_str(&text).unwrap();
    event["resource"]["id"] = 1999.into();
    event["resource"]["sourceBranch"] = "refs/heads/users/ANA.LINDQVIST/fix".into();
    let path = shell.path().join("more.ndjson");
    let escaped = json!({"who": PERSON}).to_string().replace("Lind", "\\u004cind");
    let lines = [event.to_string(), STANDARD.encode(&escaped), escaped, "Jon Abebe".to_owned()];
    fs::write(&path, lines.join("\n")).unwrap();
    path.display().to_string()
}

fn fill(shell: &Shell) {
    let more = bodies(shell);
    shell.run(&format!("enqueue {} {more}", examples()));
    let (code, said) = shell.said("work --until-empty");
    assert!(code == Some(0) && said.contains("poisoned 3"), "{said}");
    // What was read is no place where the program keeps anything.
    fs::remove_file(&more).unwrap();
}

fn forget(shell: &Shell, more: &[&str]) -> (Option<i32>, String) {
    let mut command = shell.command("forget --person ana.lindqvist --person");
    let output = command.arg(PERSON).args(more).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Also in base64, at each of the three places where a byte may stand in it.
fn traces() -> Vec<Vec<u8>> {
    let encoded = (0..3).map(|before| {
        let whole = STANDARD.encode(format!("{}Lindqvist{}", "x".repeat(before), "x".repeat(3)));
        let from = (before * 8).div_ceil(6);
        whole.as_bytes()[from..from + 10].to_vec()
    });
    [TRACE.as_bytes().to_vec()].into_iter().chain(encoded).collect()
}

fn is_in(bytes: &[u8]) -> bool {
    let lower = bytes.to_ascii_lowercase();
    let has = |haystack: &[u8], needle: &[u8]| haystack.windows(needle.len()).any(|window| window == needle);
    has(&lower, TRACE.as_bytes()) || traces().iter().skip(1).any(|trace| has(bytes, trace))
}

/// The files below a folder that name the person.
fn naming(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(naming(&entry));
        } else if is_in(&fs::read(&entry).unwrap()) {
            found.push(entry.display().to_string());
        }
    }
    found
}

fn requested_for(shell: &Shell, run: u64) -> Value {
    shell.json(&format!("get run {run}"))["requestedFor"].clone()
}

#[test]
fn the_search_finds_what_is_there() {
    assert!(is_in(b"by LINDQVIST!") && !is_in(b"by Abebe"));
    for before in ["", "x", "xy", "xyz"] {
        let encoded = STANDARD.encode(format!("{before}\"Ana Lindqvist\""));
        assert!(is_in(encoded.as_bytes()), "{encoded}");
    }
}

#[test]
fn nothing_is_left_in_the_local_file() {
    let shell = Shell::local();
    fill(&shell);
    assert_eq!(requested_for(&shell, 1203), PERSON);
    assert!(!naming(shell.path()).is_empty());
    let (code, said) = forget(&shell, &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.starts_with("to forget: the person in ") && said.contains("2 dead letters"), "{said}");
    assert_eq!(requested_for(&shell, 1203), PERSON, "a plan changes nothing");
    let (code, said) = forget(&shell, &["--yes"]);
    assert!(code == Some(0) && said.starts_with("forgot the person in "), "{said}");
    assert_eq!(naming(shell.path()), Vec::<String>::new());
    // All else is as it was, and a refold finds nothing that differs.
    assert_eq!(requested_for(&shell, 1203), "[forgotten]");
    assert_eq!(shell.json("get run 1999")["branch"], "refs/heads/users/[forgotten]/fix");
    let approvers = shell.json("get run 1203")["approvals"][0]["approvers"].clone();
    assert_eq!(approvers[1], "Jon Abebe");
    assert_eq!(shell.json("dead-letter list").as_array().unwrap().len(), 1, "the other one stays");
    shell.run("refold --check");
    let (code, said) = forget(&shell, &["--yes"]);
    assert!(code == Some(0) && said.starts_with("forgot the person in 0 records with 0 facts, and 0 dead"), "{said}");
}

#[test]
fn whom_nobody_can_be_found_by_is_wrong_usage() {
    let shell = Shell::local();
    fill(&shell);
    let (code, said) = shell.said("forget --person Jo --yes");
    assert!(code == Some(2) && said.contains("too short"), "{said}");
}

/// The whole table as a client that is not ours sees it.
fn table(shell: &Shell, connection_string: &str) -> Value {
    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/azurite/read.js");
    let mut read = Command::new("node");
    read.args([reader, connection_string, shell.setting("PIPETRAIL_TABLE"), "PartitionKey ge ''"]);
    let read = read.output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    serde_json::from_slice(&read.stdout).unwrap()
}

/// Whether a text or the bytes of a row name the person.
fn row_names(value: &Value) -> bool {
    match value {
        Value::String(text) => is_in(text.as_bytes()),
        Value::Array(values) => values.iter().any(row_names),
        Value::Object(fields) => {
            let binary = fields.get("binary").and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok());
            binary.is_some_and(|bytes| is_in(&bytes)) || fields.iter().any(|(_, value)| row_names(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

async fn copies(shell: &Shell) -> Vec<Vec<u8>> {
    let services = Services::new(&Azurite::start().await.account()).unwrap();
    let queue = services.queue(&format!("{}-poison", shell.setting("PIPETRAIL_QUEUE")));
    let peeked = queue.peek_messages().number_of_messages(32).await.unwrap();
    let body = |text: String| STANDARD.decode(&text).unwrap_or_else(|_| text.into_bytes());
    peeked.messages.into_iter().map(|message| body(message.message_text)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_on_azure_nor_in_a_replica() {
    let azurite = Azurite::start().await;
    let shell = Shell::azure().await;
    fill(&shell);
    assert_eq!(requested_for(&shell, 1203), PERSON);
    let reader = shell.elsewhere();
    assert_eq!(requested_for(&reader, 1203), PERSON);
    assert!(row_names(&table(&shell, azurite.connection_string())));
    assert_eq!(copies(&shell).await.len(), 3);
    let (code, said) = forget(&shell, &["--yes"]);
    assert!(code == Some(0) && said.starts_with("forgot the person in "), "{said}");
    let rows = table(&shell, azurite.connection_string());
    let named: Vec<_> = rows.as_array().unwrap().iter().filter(|row| row_names(row)).collect();
    assert!(named.is_empty(), "{named:?}");
    assert_eq!(naming(shell.path()), Vec::<String>::new());
    // One copy is not about her; all were hidden while they were looked at.
    assert!(copies(&shell).await.iter().all(|body| !is_in(body)));
    // Another reader's replica forgets with its next look.
    assert_eq!(requested_for(&reader, 1203), "[forgotten]");
    assert_eq!(naming(reader.path()), Vec::<String>::new());
    shell.run("refold --check");
    assert_eq!(shell.json("get run 1203")["approvals"][0]["approvers"][1], "Jon Abebe");
}

#[test]
fn names_are_decided_on_before_anything_is_stored() {
    let with = |names: &str| {
        let shell = Shell::local().with("PIPETRAIL_NAMES_KEY", "a key of some length");
        shell.run(&format!("enqueue {}", examples()));
        shell.run(&format!("work --until-empty --names {names}"));
        shell
    };
    let none = with("none");
    assert_eq!(requested_for(&none, 1203), Value::Null);
    assert!(none.json("get run 1203")["approvals"][0]["approvers"].as_array().unwrap().is_empty());
    assert!(none.json("get approvals").as_array().unwrap().iter().all(|it| it["approvers"] == json!([])));
    let pull_request = none.json("get pr 88");
    assert_eq!(pull_request["createdBy"], Value::Null);
    let votes = pull_request["votes"].as_array().unwrap();
    assert!(!votes.is_empty() && votes.iter().all(|vote| vote["name"] == Value::Null), "{pull_request}");
    let commit = none.json("get commit b71f0c3e --organization fabrikam");
    assert_eq!((&commit["author"], &commit["pushes"][0]["pushedBy"]), (&Value::Null, &Value::Null), "{commit}");
    assert_eq!(none.json("get work-item 4711")["assignedTo"], Value::Null);
    let pseudonyms = with("pseudonyms");
    let pseudonym = requested_for(&pseudonyms, 1203);
    assert!(pseudonym.as_str().unwrap().starts_with("person-"), "{pseudonym}");
    assert_eq!(requested_for(&with("pseudonyms"), 1203), pseudonym, "the same key, the same pseudonym");
    // Who has the key finds the person behind the pseudonym, whatever becomes of names now.
    let (code, said) = forget(&pseudonyms, &["--yes"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(requested_for(&pseudonyms, 1203), "[forgotten]");
}

#[test]
fn a_reviewer_whose_name_was_not_kept_is_found_by_the_id() {
    let shell = Shell::local();
    shell.run(&format!("enqueue {}", examples()));
    shell.run("work --until-empty --names none");
    let id = "1F6A3C8D-4c2b-4f11-9d7a-2b5e8c0d9e13";
    let hash: String = Sha256::digest(id.to_lowercase()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let kept = || {
        let file = rusqlite::Connection::open(shell.path().join("pipetrail.db")).unwrap();
        let count = "SELECT count(*) FROM facts WHERE instr(body, ?1) > 0";
        file.query_row(count, [format!("reviewer-{hash}")], |row| row.get::<_, u64>(0)).unwrap()
    };
    assert!(kept() > 0, "the hash is that of the id");
    shell.run(&format!("forget --person {id} --yes"));
    assert_eq!(kept(), 0);
}

#[test]
fn dead_letters_grow_no_older_than_they_may() {
    let shell = Shell::local();
    fill(&shell);
    assert_eq!(shell.json("dead-letter list").as_array().unwrap().len(), 3);
    shell.run("work --until-empty --dead-letter-age 30d");
    assert_eq!(shell.json("dead-letter list").as_array().unwrap().len(), 3);
    shell.run("work --until-empty --dead-letter-age 1ms");
    assert_eq!(shell.json("dead-letter list").as_array().unwrap().len(), 0);
    let (code, said) = shell.said("work --until-empty --dead-letter-age soon");
    assert!(code == Some(2) && said.contains("--dead-letter-age: `soon` is not a duration"), "{said}");
}
