//! People: what becomes of their names, and that nothing is left of one who is forgotten, in any file, row or message.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pipetrail::azure::Services;
use rusqlite::types::ValueRef;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::azurite::Azurite;
use crate::fake_ado::{Build, FakeAdo, PullRequest, Push, Repository, TOKEN, WorkItem, tell};
use crate::shell::Shell;
use crate::support::{bodies as history, time};

const PERSON: &str = "Ana Lindqvist";
/// What may not be found, in small letters: of her names, that which stands in each, also where a letter is escaped.
const TRACE: &str = "indqvist";

fn examples() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("example-json").display().to_string()
}

/// The person in a branch, as an approver and in a work item; and two bodies that nobody can read, with the person in
/// base64 and behind escapes.
fn bodies(shell: &Shell) -> String {
    let read = |name: &str| -> Value {
        let text = fs::read_to_string(Path::new(&examples()).join(name)).unwrap();
        serde_json::from_str(&text.replace("Jon Abebe", PERSON)).unwrap()
    };
    let mut event = read("build_completed.json");
    event["resource"]["id"] = 1999.into();
    event["resource"]["sourceBranch"] = "refs/heads/users/ANA.LINDQVIST/fix".into();
    let mut approval = read("approval_completed.json");
    approval["resource"]["run"]["id"] = 1998.into();
    let mut item = read("work_item_created.json");
    item["resource"]["id"] = 4999.into();
    item["resource"]["fields"]["System.Title"] = format!("Welcome {PERSON}").into();
    let mut release = read("deployment_approval_pending.json");
    release["resource"]["release"]["id"] = 1031.into();
    let path = shell.path().join("more.ndjson");
    let escaped = json!({"who": PERSON}).to_string().replace("Lind", "\\u004cind");
    let known = [event, approval, item, release].map(|event| event.to_string()).join("\n");
    let lines = [known, STANDARD.encode(&escaped), escaped, "Jon Abebe".to_owned()];
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

/// Azure DevOps tells why a run failed, and names the person there.
async fn explain(shell: &Shell) {
    let ado = FakeAdo::start().await;
    {
        let mut state = ado.state();
        tell(&mut state, &history(3_000));
        let failed = |build: &&Build| {
            let has_issues = |record: &Value| record["issues"].is_array();
            build.result.as_deref() == Some("failed") && state.timelines[&build.id].records.iter().any(has_issues)
        };
        let id = state.builds.values().find(failed).unwrap().id;
        state.builds.retain(|known, _| *known == id);
        state.by_finish.retain(|(_, known)| *known == id);
        let records = &mut state.timelines.get_mut(&id).unwrap().records;
        let issues = records.iter_mut().filter_map(|record| record["issues"].as_array_mut());
        issues.flatten().for_each(|issue| issue["message"] = format!("undo what {PERSON} did").into());
    }
    asking(shell, &ado, "backfill --organization fabrikam --all-projects --since 2026-01-01T00:00:00Z --timelines");
}

/// With Azure DevOps to ask.
fn asking(shell: &Shell, ado: &FakeAdo, line: &str) {
    let mut command = shell.command(line);
    command.envs([("PIPETRAIL_ADO_URL", ado.url().as_str()), ("PIPETRAIL_ADO_TOKEN", TOKEN)]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

fn forget(shell: &Shell, more: &[&str]) -> (Option<i32>, String) {
    let mut command = shell.command("forget --person ana.lindqvist --person");
    let output = command.arg(PERSON).args(more).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Also in base64, at each of the three places where a byte may stand in it.
fn traces() -> Vec<Vec<u8>> {
    let encoded = (0..3).map(|before| {
        let whole = STANDARD.encode(format!("{}indqvist{}", "x".repeat(before), "x".repeat(3)));
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

/// The catalog's tables in which the person of the examples stands.
const EVERYWHERE: [&str; 9] = [
    "runs",
    "approvals",
    "commits",
    "pushes",
    "pull_requests",
    "work_items",
    "releases",
    "release_approvals",
    "failures",
];

/// The tables of a file that name the person in a row.
fn tables_naming(file: &Path) -> BTreeSet<String> {
    let file = rusqlite::Connection::open(file).unwrap();
    let mut tables = file.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    tables.into_iter().filter(|table| table_names(&file, table)).collect()
}

/// Copies what is in the log into the file.
fn checkpoint(file: &rusqlite::Connection) {
    file.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
}

fn table_names(file: &rusqlite::Connection, table: &str) -> bool {
    let mut rows = file.prepare(&format!("SELECT * FROM {table}")).unwrap();
    let columns = rows.column_count();
    let names = |row: &rusqlite::Row<'_>| {
        let bytes = |column: usize| match row.get_ref(column).unwrap() {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => is_in(bytes),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => false,
        };
        Ok((0..columns).any(bytes))
    };
    rows.query_map([], names).unwrap().any(Result::unwrap)
}

fn requested_for(shell: &Shell, run: u64) -> Value {
    shell.json(&format!("get run {run}"))["requestedFor"].clone()
}

#[test]
fn the_search_finds_what_is_there() {
    assert!(is_in(b"by LINDQVIST!") && !is_in(b"by Abebe"));
    for before in ["", "x", "xy", "xyz"] {
        for name in [PERSON, "Ana \\u004cindqvist"] {
            let encoded = STANDARD.encode(format!("{before}\"{name}\""));
            assert!(is_in(name.as_bytes()) && is_in(encoded.as_bytes()), "{encoded}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_in_the_local_file() {
    let shell = Shell::local();
    fill(&shell);
    explain(&shell).await;
    assert_eq!(requested_for(&shell, 1203), PERSON);
    // Now it is in the file and in the log. Somebody who has the file open and reads nothing is in nobody's way.
    let open = rusqlite::Connection::open(shell.path().join("pipetrail.db")).unwrap();
    checkpoint(&open);
    let before = naming(shell.path());
    for file in ["pipetrail.db", "pipetrail.db-wal"] {
        assert!(before.iter().any(|path| path.ends_with(file)), "{file} is not searched: {before:?}");
    }
    let before = tables_naming(&shell.path().join("pipetrail.db"));
    for table in EVERYWHERE.into_iter().chain(["records", "facts", "dead_letters"]) {
        assert!(before.contains(table), "{table} is not searched: {before:?}");
    }
    let (code, said) = forget(&shell, &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.starts_with("to forget: the person in ") && said.contains("2 dead letters"), "{said}");
    let line = |noun: &str| said.lines().find(|line| line.contains(&format!(" {noun}: "))).unwrap_or_default();
    assert!(line("runs").contains("approvals") && line("runs").contains("requestedFor"), "{said}");
    assert!(line("pull request").starts_with("  1 pull request: "), "{said}");
    assert_eq!(requested_for(&shell, 1203), PERSON, "a plan changes nothing");
    let (code, said) = forget(&shell, &["--yes"]);
    assert!(code == Some(0) && said.starts_with("forgot: the person in "), "{said}");
    assert_eq!(naming(shell.path()), Vec::<String>::new());
    // All else is as it was, and a refold finds nothing that differs.
    assert_eq!(requested_for(&shell, 1203), "[forgotten]");
    assert_eq!(shell.json("get run 1999")["branch"], "refs/heads/users/[forgotten]/fix");
    let approvers = shell.json("get run 1203")["approvals"][0]["approvers"].clone();
    assert_eq!(approvers[1], "Jon Abebe");
    assert_eq!(shell.json("dead-letter list").as_array().unwrap().len(), 1, "the other one stays");
    shell.run("refold --check");
    for more in [&[][..], &["--yes"]] {
        let (code, said) = forget(&shell, more);
        assert_eq!((code, said.as_str()), (Some(0), "the person was found nowhere\n"));
    }
}

#[test]
fn nothing_is_forgotten_by_halves_while_another_process_reads_the_file() {
    let shell = Shell::local();
    fill(&shell);
    let reader = rusqlite::Connection::open(shell.path().join("pipetrail.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM records;").unwrap();
    let (code, said) = forget(&shell, &["--yes"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another process is reading the local file: nothing was forgotten"), "{said}");
    assert!(said.contains("hint: end what uses pipetrail.db"), "{said}");
    assert_eq!(requested_for(&shell, 1203), PERSON);
    reader.execute_batch("COMMIT").unwrap();
    let (code, said) = forget(&shell, &["--yes"]);
    assert_eq!((code, naming(shell.path())), (Some(0), Vec::new()), "{said}");
}

#[test]
fn the_file_is_written_anew_where_only_its_free_pages_name_the_person() {
    let shell = Shell::local();
    fs::write(shell.path().join("bad.ndjson"), format!("\"by {PERSON}\"\n")).unwrap();
    shell.run("enqueue bad.ndjson");
    fs::remove_file(shell.path().join("bad.ndjson")).unwrap();
    shell.run("work --until-empty");
    shell.run("dead-letter discard --all --yes");
    assert!(!naming(shell.path()).is_empty());
    let (code, said) = forget(&shell, &["--yes"]);
    assert_eq!((code, naming(shell.path())), (Some(0), Vec::new()), "{said}");
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

/// The catalog of a machine that is elsewhere.
fn replica(shell: &Shell) -> PathBuf {
    let files = fs::read_dir(shell.path().join("pipetrail")).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|file| file.extension().is_some_and(|extension| extension == "db")).unwrap()
}

/// What a row is of, and the first letter of its name: `r` for a record, `f` for a fact.
fn row_kind(row: &Value) -> (String, Option<char>) {
    let kind = row["partitionKey"].as_str().unwrap().split('|').next().unwrap().to_owned();
    (kind, row["rowKey"].as_str().unwrap().chars().next())
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
    explain(&shell).await;
    assert_eq!(requested_for(&shell, 1203), PERSON);
    let reader = shell.elsewhere();
    assert_eq!(requested_for(&reader, 1203), PERSON);
    let tables = tables_naming(&replica(&reader));
    assert!(EVERYWHERE.iter().all(|table| tables.contains(*table)), "{tables:?}");
    let rows = table(&shell, azurite.connection_string());
    let kinds: BTreeSet<_> = rows.as_array().unwrap().iter().filter(|row| row_names(row)).map(row_kind).collect();
    let of_kind = |kind: &str, row: char| (kind.to_owned(), Some(row));
    for kind in ["run", "push", "pr", "workitem", "release"] {
        assert!(kinds.contains(&of_kind(kind, 'r')) && kinds.contains(&of_kind(kind, 'f')), "{kind}: {kinds:?}");
    }
    assert!(kinds.iter().any(|(kind, _)| kind.starts_with("dead")), "{kinds:?}");
    assert_eq!(copies(&shell).await.len(), 3);
    let (code, said) = forget(&shell, &["--yes"]);
    assert!(code == Some(0) && said.starts_with("forgot: the person in "), "{said}");
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

/// Whether pseudonyms are all that is left of a person is for the key to say.
#[test]
fn who_has_no_key_is_told_that_pseudonyms_were_not_searched() {
    let worked = |names: &str| {
        let shell = Shell::local().with("PIPETRAIL_NAMES_KEY", "a key of some length");
        shell.run(&format!("enqueue {}", examples()));
        shell.run(&format!("work --until-empty --names {names}"));
        shell
    };
    let hint = "hint: records hold pseudonyms, and nobody can be looked for among these without their key: \
                set PIPETRAIL_NAMES_KEY\n";
    let nowhere = |names: &str| forget(&worked(names).with("PIPETRAIL_NAMES_KEY", ""), &[]);
    let not_found = "the person was found nowhere\n";
    assert_eq!(nowhere("pseudonyms"), (Some(0), format!("{not_found}{hint}")));
    assert_eq!(nowhere("none"), (Some(0), not_found.to_owned()));
}

/// The votes of a pull request are told apart by the ids of those who gave them. Not every event has the name beside.
#[test]
fn a_reviewers_id_goes_with_the_name() {
    let shell = Shell::local();
    shell.run(&format!("enqueue {}", examples()));
    let text = fs::read_to_string(Path::new(&examples()).join("pull_request_updated.vote.json")).unwrap();
    let mut event: Value = serde_json::from_str(&text).unwrap();
    event["createdDate"] = "2025-06-12T23:00:00Z".into();
    event["resource"]["reviewers"][0].as_object_mut().unwrap().remove("displayName");
    event["resource"]["reviewers"][0].as_object_mut().unwrap().remove("uniqueName");
    let path = shell.path().join("unnamed.json");
    fs::write(&path, event.to_string()).unwrap();
    shell.run(&format!("enqueue {}", path.display()));
    fs::remove_file(path).unwrap();
    shell.run("work --until-empty");
    let has = |id: &str| {
        let file = rusqlite::Connection::open(shell.path().join("pipetrail.db")).unwrap();
        checkpoint(&file);
        fs::read(shell.path().join("pipetrail.db")).unwrap().windows(id.len()).any(|bytes| bytes == id.as_bytes())
    };
    let (reviewer, team) = ("1f6a3c8d-4c2b-4f11-9d7a-2b5e8c0d9e13", "2ea2d095-48f9-4cd6-9966-62f6f574096c");
    assert!(has(reviewer) && has(team));
    shell.said("forget --person Abebe --yes");
    assert_eq!((has(reviewer), has(team)), (false, true));
    let votes = shell.json("get pr 88")["votes"].clone();
    assert_eq!(votes.as_array().unwrap().len(), 2, "{votes}");
    shell.run("refold --check");
}

/// An organization in which all is done by one person.
async fn all_by_her() -> FakeAdo {
    let ado = FakeAdo::start().await;
    let mut state = ado.state();
    tell(&mut state, &history(200));
    state.builds.values_mut().for_each(|build| build.person = PERSON.to_owned());
    let (project, at) = (state.builds.values().next().unwrap().project.clone(), "2026-03-02T01:00:00Z");
    let her = json!({"displayName": PERSON, "id": "7d1c2f04-55aa-4a0f-8f6e-0c8e1a3b2d41"});
    let voted = json!({"displayName": PERSON, "id": "7d1c2f04-55aa-4a0f-8f6e-0c8e1a3b2d41", "vote": 10});
    let of = json!({"id": "9a0d", "project": {"id": project}});
    let change = json!({"id": "b".repeat(40), "message": "Round", "type": "TfsGit", "timestamp": at, "author": her});
    let builds: Vec<u64> = state.builds.keys().copied().collect();
    state.code.changes = builds.into_iter().map(|id| (id, vec![change.clone()])).collect();
    let (id, name) = ("9a0d".to_owned(), "app".to_owned());
    state.code.repositories.push(Repository { project: project.clone(), id: id.clone(), name, is_disabled: false });
    let commits = [json!({"commitId": "a".repeat(40), "comment": "Round", "author": {"name": PERSON, "date": at}})];
    let value = json!({"pushId": 3, "date": at, "commits": commits, "repository": of, "pushedBy": her});
    state.code.pushes.push(Push { repository: id, at: time(at), value });
    let value = json!({"pullRequestId": 88, "status": "completed", "closedDate": at, "repository": of,
        "createdBy": her, "reviewers": [voted]});
    state.code.pull_requests.push(PullRequest { project: project.clone(), closed: Some(time(at)), value });
    let fields = json!({"System.TeamProject": "Spartan", "System.ChangedDate": at, "System.AssignedTo": her});
    let revisions = vec![(time(at), json!({"id": 5, "rev": 1, "fields": fields}))];
    state.code.work_items.insert(5, WorkItem { project: project.clone(), revisions, relations: Vec::new() });
    state.release_deployments.push((project, json!({
        "release": {"id": 31, "name": "Release-31", "artifacts": []}, "releaseDefinition": {"id": 5, "name": "web CD"},
        "releaseEnvironment": {"id": 60, "name": "Prod"}, "attempt": 1, "deploymentStatus": "succeeded",
        "requestedFor": her, "requestedBy": her, "operationStatus": "Approved", "queuedOn": at, "startedOn": at,
        "lastModifiedOn": at, "completedOn": at,
        "preDeployApprovals": [{"id": 7, "status": "approved", "approvalType": "preDeploy", "createdOn": at,
            "modifiedOn": at, "approver": her, "approvedBy": her}],
    })));
    drop(state);
    ado
}

/// What the REST API tells goes another way than what the queue brings, and so does what is asked for since a message only
/// named it.
#[tokio::test(flavor = "multi_thread")]
async fn names_are_decided_on_whoever_tells_them() {
    let ado = all_by_her().await;
    let (run, project) = {
        let state = ado.state();
        let build = state.builds.values().find(|build| build.status == "completed").unwrap();
        (build.id, build.project.clone())
    };
    let base = "https://dev.azure.com/fabrikam/";
    let named = json!({"eventType": "build.complete", "resourceVersion": "2.0", "createdDate": "2026-03-02T09:00:00Z",
        "resource": {"id": run, "url": format!("{base}{project}/_apis/build/Builds/{run}")},
        "resourceContainers": {"collection": {"id": "x", "baseUrl": base}, "project": {"id": project}}});
    let all = "backfill --organization fabrikam --all-projects --since 2026-01-01T00:00:00Z \
               --kinds runs,code,boards,releases,environments";
    let told = |names: &str, line: &str| {
        let shell = Shell::local().with("PIPETRAIL_NAMES_KEY", "a key of some length");
        fs::write(shell.path().join("named.json"), named.to_string()).unwrap();
        shell.run("enqueue named.json");
        asking(&shell, &ado, &format!("{line} --names {names}"));
        (requested_for(&shell, run), naming(shell.path()), shell)
    };
    for line in [all, "work --until-empty"] {
        let (kept, files, shell) = told("keep", line);
        assert_eq!((kept, files.is_empty()), (PERSON.into(), false), "{line}");
        if line == all {
            let tables = tables_naming(&shell.path().join("pipetrail.db"));
            for table in ["runs", "commits", "pushes", "pull_requests", "work_items", "release_approvals"] {
                assert!(tables.contains(table), "{table}: {tables:?}");
            }
        }
        let (none, files, _) = told("none", line);
        assert_eq!((none, files), (Value::Null, Vec::new()), "{line}");
        let (pseudonym, files, _) = told("pseudonyms", line);
        assert!(pseudonym.as_str().unwrap().starts_with("person-"), "{line}: {pseudonym}");
        assert_eq!(files, Vec::<String>::new(), "{line}");
    }
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
fn what_was_worked_on_is_nowhere_in_the_file_where_names_are_not_kept() {
    // Only bodies have it.
    let bodies = |shell: &Shell| {
        let files = ["pipetrail.db", "pipetrail.db-wal"].map(|name| fs::read(shell.path().join(name)).unwrap());
        files.map(|file| file.windows(11).filter(|window| *window == b"publisherId").count())
    };
    let worked = |how: &str| {
        let shell = Shell::local();
        shell.run(&format!("enqueue {}", examples()));
        let file = rusqlite::Connection::open(shell.path().join("pipetrail.db")).unwrap();
        checkpoint(&file);
        assert!(bodies(&shell)[0] > 0);
        shell.run(&format!("work --until-empty {how}"));
        checkpoint(&file);
        bodies(&shell)
    };
    let [free_pages, log] = worked("");
    assert!(free_pages > 0 && log > 0, "{free_pages} in free pages, {log} in the log");
    assert_eq!((worked("--names none"), worked("--dead-letter-age 30d")), ([0, 0], [0, 0]));
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
    // Also what becomes one while it works.
    shell.run(&format!("enqueue {}", bodies(&shell)));
    let (code, said) = shell.said("work --until-empty --dead-letter-age 1ms");
    assert!(code == Some(0) && said.contains("poisoned 3"), "{said}");
    assert_eq!(shell.json("dead-letter list").as_array().unwrap().len(), 0);
    let (code, said) = shell.said("work --until-empty --dead-letter-age 0s");
    assert!(code == Some(2) && said.contains("--dead-letter-age: `0s` would discard each at once"), "{said}");
    let (code, said) = shell.said("work --until-empty --dead-letter-age soon");
    assert!(code == Some(2) && said.contains("--dead-letter-age: `soon` is not a duration"), "{said}");
}
