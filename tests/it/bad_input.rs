//! What a body that is not as it should be gets: row by row, and by brute force.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pipetrail::ado::{Beside, DecodeError, Decoded, Decoder, build_facts, timeline_facts};
use pipetrail::domain::Fact;
use pipetrail::domain::run::RunFact;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::examples::{bodies, folder};

/// Code and path of an error, `facts` or `ignored`.
fn outcome(body: &[u8]) -> (String, Option<String>) {
    match Decoder::default().decode(body) {
        Ok(Decoded::Facts(_)) => ("facts".to_owned(), None),
        Ok(Decoded::Ignored { .. }) => ("ignored".to_owned(), None),
        Ok(Decoded::Named(named)) => (format!("run {}", named.run), None),
        Err(error) => {
            check(&error);
            (error.code.to_owned(), error.path)
        }
    }
}

/// What holds for every error.
fn check(error: &DecodeError) {
    assert!(!error.sentence.is_empty() && error.sentence.len() <= 400, "{error}");
    assert!(!error.sentence.starts_with(char::is_uppercase), "{error}");
    assert!(!matches!(error.code, "wrong_type" | "bad_time" | "no_state") || error.path.is_some(), "{error}");
}

fn example(name: &str) -> Value {
    let body = std::fs::read(folder().join(name)).unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// An example with the value at `path` (a JSON pointer) replaced, or removed where there is none.
fn with(name: &str, path: &str, value: Option<Value>) -> Vec<u8> {
    let mut body = example(name);
    let (parent, key) = path.rsplit_once('/').unwrap();
    match (body.pointer_mut(parent).unwrap(), value) {
        (Value::Object(map), Some(value)) => drop(map.insert(key.to_owned(), value)),
        (Value::Object(map), None) => drop(map.remove(key).unwrap()),
        (Value::Array(list), Some(value)) => list[key.parse::<usize>().unwrap()] = value,
        (other, _) => panic!("{path} leads into {other}"),
    }
    serde_json::to_vec(&body).unwrap()
}

/// What a script or a person told, as the endpoints put it on the queue.
fn told(kind: &str, resource: &Value) -> Vec<u8> {
    let event = json!({
        "eventType": format!("pipetrail.{kind}"),
        "createdDate": "2025-06-12T10:00:00Z",
        "resourceContainers": {"collection": {"baseUrl": "https://dev.azure.com/fabrikam/"}},
        "resource": resource,
    });
    event.to_string().into_bytes()
}

const RUN: &str = "run_completed.json";
const STAGE: &str = "stage_completed.json";
const JOB: &str = "job_completed.json";
const APPROVAL: &str = "approval_completed.json";
const BUILD: &str = "build_completed.json";
const PUSH: &str = "git_push.json";
const PULL_REQUEST: &str = "pull_request_created.json";
const WORK_ITEM: &str = "work_item_created.json";
const RELEASE: &str = "release_created.json";
const DEPLOYMENT: &str = "deployment_completed.json";
const RELEASE_APPROVAL: &str = "deployment_approval_pending.json";

#[test]
#[expect(clippy::too_many_lines, reason = "one row a case")]
fn each_row_of_the_table() {
    let deep = "[".repeat(10_000);
    let nested = format!("{deep}{}", "]".repeat(10_000));
    let envelope = |rest: &str| format!(r#"{{"eventType":"build.complete",{rest}}}"#).into_bytes();
    let megabytes = json!("x".repeat(2 << 20));
    let without = |name, path| with(name, path, None);
    let many: Vec<String> = (1..=401).map(|number| format!("{number:040x}")).collect();
    let rows: Vec<(&str, Vec<u8>, &str, Option<&str>)> = vec![
        ("empty body", vec![], "empty", None),
        ("white space", b" \r\n".to_vec(), "empty", None),
        ("not JSON", b"{\"eventType\": }".to_vec(), "not_json", None),
        ("two objects", b"{} {}".to_vec(), "not_json", None),
        ("plain text", b"hello, world".to_vec(), "not_base64", None),
        ("base64 of rubbish", STANDARD.encode([0xff, 0xfe, 0]).into_bytes(), "not_utf8", None),
        ("base64 of plain text", STANDARD.encode("hello").into_bytes(), "not_json", None),
        ("invalid UTF-8", b"{\"eventType\":\"\xff\"}".to_vec(), "not_utf8", None),
        ("an array", b"[{}]".to_vec(), "not_an_object", None),
        ("JSON null", b"null".to_vec(), "not_an_object", None),
        ("10,000 deep, not closed", format!("{{\"a\":{deep}").into_bytes(), "not_json", None),
        (
            "10,000 deep where nobody reads",
            envelope(&format!(r#""resource":null,"a":{nested}"#)),
            "resource_null",
            Some("resource"),
        ),
        (
            "10,000 deep where it is read",
            envelope(&format!(r#""createdDate":"2025-01-01T00:00:00Z","resource":{{"definition":{nested}}}"#)),
            "wrong_type",
            Some("resource.definition[0]"),
        ),
        (
            "a number out of range",
            with(RUN, "/resource/run/id", Some(json!(9_223_372_036_854_775_808_u64))),
            "wrong_type",
            Some("resource.run.id"),
        ),
        (
            "a number beyond numbers",
            envelope(r#""createdDate":"2025-01-01T00:00:00Z","resource":{"id":1e999}"#),
            "wrong_type",
            Some("resource.id"),
        ),
        ("an unread text of 2 MB", with(RUN, "/message", Some(megabytes.clone())), "facts", None),
        ("a read text of 2 MB", with(RUN, "/resource/pipeline/name", Some(megabytes.clone())), "facts", None),
        ("an id of 2 MB", with(RUN, "/resource/run/id", Some(megabytes)), "wrong_type", Some("resource.run.id")),
        ("unknown state", with(RUN, "/resource/run/state", Some(json!("levitating"))), "facts", None),
        ("unknown result", with(RUN, "/resource/run/result", Some(json!("exploded"))), "facts", None),
        ("unknown event type", with(RUN, "/eventType", Some(json!("tfvc.checkin"))), "ignored", None),
        ("unknown event type, no resource", br#"{"eventType":"x.y","resource":null}"#.to_vec(), "ignored", None),
        ("unknown event type, other shapes", br#"{"eventType":"x.y","createdDate":7}"#.to_vec(), "ignored", None),
        ("no event type", without(RUN, "/eventType"), "no_event_type", Some("eventType")),
        ("an empty object", b"{}".to_vec(), "no_event_type", Some("eventType")),
        ("no event id", without(RUN, "/id"), "facts", None),
        ("no createdDate", without(RUN, "/createdDate"), "no_created_date", Some("createdDate")),
        (
            "createdDate of year 1",
            with(RUN, "/createdDate", Some(json!("0001-01-01T00:00:00"))),
            "no_created_date",
            Some("createdDate"),
        ),
        (
            "createdDate that is no time",
            with(RUN, "/createdDate", Some(json!("yesterday"))),
            "bad_time",
            Some("createdDate"),
        ),
        ("resource null", with(RUN, "/resource", Some(Value::Null)), "resource_null", Some("resource")),
        ("no resource", without(RUN, "/resource"), "resource_null", Some("resource")),
        ("minimal resource", with(RUN, "/resource", Some(json!({}))), "no_run_id", Some("resource.run.id")),
        (
            "no run id anywhere",
            with(RUN, "/resource", Some(json!({"pipeline": {"id": 7}}))),
            "no_run_id",
            Some("resource.run.id"),
        ),
        (
            "no pipeline id anywhere",
            with(RUN, "/resource", Some(json!({"run": {"id": 7}}))),
            "no_pipeline_id",
            Some("resource.pipeline.id"),
        ),
        (
            "no build id",
            with(BUILD, "/resource", Some(json!({"definition": {"id": 7}}))),
            "no_run_id",
            Some("resource.id"),
        ),
        (
            "no definition id",
            with(BUILD, "/resource", Some(json!({"id": 7, "url": "https://dev.azure.com/x/y"}))),
            "no_pipeline_id",
            Some("resource.definition.id"),
        ),
        (
            "no organization",
            envelope(
                r#""createdDate":"2025-01-01T00:00:00Z","resource":{"id":1,"definition":{"id":2},"status":"completed"}"#,
            ),
            "no_organization",
            None,
        ),
        ("no state of the run", without(RUN, "/resource/run/state"), "no_state", Some("resource.run.state")),
        ("no state of a stage", without(RUN, "/resource/stages/1/state"), "no_state", Some("resource.stages[1].state")),
        ("no stage", without(STAGE, "/resource/stage"), "no_state", Some("resource.stage")),
        ("no state of the stage", without(STAGE, "/resource/stage/state"), "no_state", Some("resource.stage.state")),
        ("no name of the job", without(JOB, "/resource/job/name"), "no_state", Some("resource.job.name")),
        (
            "no status of the approval",
            without(APPROVAL, "/resource/approval/status"),
            "no_state",
            Some("resource.approval.status"),
        ),
        ("no id of the approval", without(APPROVAL, "/resource/approval/id"), "no_state", Some("resource.approval.id")),
        ("no id of the push", without(PUSH, "/resource/pushId"), "facts", None),
        (
            "no id of the push, also not in the address",
            with(PUSH, "/resource", Some(json!({"url": "https://dev.azure.com/x/y", "repository": {"id": "r"}}))),
            "no_push_id",
            Some("resource.pushId"),
        ),
        (
            "no id of the repository",
            with(PUSH, "/resource", Some(json!({"url": "https://dev.azure.com/x/y", "pushId": 1}))),
            "no_repository_id",
            Some("resource.repository.id"),
        ),
        (
            "no id of the pull request",
            with(PULL_REQUEST, "/resource", Some(json!({"url": "https://dev.azure.com/x/y", "status": "active"}))),
            "no_pull_request_id",
            Some("resource.pullRequestId"),
        ),
        (
            "no status of the pull request",
            without(PULL_REQUEST, "/resource/status"),
            "no_state",
            Some("resource.status"),
        ),
        (
            "no id of the work item",
            with(WORK_ITEM, "/resource", Some(json!({"url": "https://dev.azure.com/x/y", "rev": 1}))),
            "no_work_item_id",
            Some("resource.id"),
        ),
        (
            "no id of the release",
            with(RELEASE, "/resource", Some(json!({"url": "https://vsrm.dev.azure.com/fabrikam/x"}))),
            "no_release_id",
            Some("resource.release.id"),
        ),
        (
            "no environment of a deployment",
            without(DEPLOYMENT, "/resource/environment/name"),
            "no_state",
            Some("resource.environment.name"),
        ),
        (
            "no approval in an event of one",
            without(RELEASE_APPROVAL, "/resource/approval"),
            "no_state",
            Some("resource.approval"),
        ),
        ("no revision", without(WORK_ITEM, "/resource/rev"), "no_state", Some("resource.rev")),
        (
            "a field of another type",
            with(WORK_ITEM, "/resource/fields/System.Title", Some(json!([{"a": 1}]))),
            "facts",
            None,
        ),
        (
            "a trigger of another shape",
            with(BUILD, "/resource/triggerInfo", Some(json!({"pipelineId": {"x": 1}, "pr.number": []}))),
            "facts",
            None,
        ),
        ("no status of the build", without(BUILD, "/resource/status"), "no_state", Some("resource.status")),
        (
            "an event that nobody counts",
            told("report", &json!({"Repo": "x", "Event": "calc"})),
            "unknown_event",
            Some("resource"),
        ),
        (
            "a status that is none",
            told("report", &json!({"Repo": "x", "Event": "deploy", "Metadata": {"status": "meh"}})),
            "not_a_status",
            Some("resource.Metadata.status"),
        ),
        (
            "a time that is none",
            told("report", &json!({"Repo": "x", "Event": "deploy", "Metadata": {"time": "soon"}})),
            "not_a_time",
            Some("resource.Metadata.time"),
        ),
        (
            "more commits than a record holds",
            told("report", &json!({"Repo": "x", "Event": "push", "Metadata": many})),
            "too_many_commits",
            Some("resource"),
        ),
        (
            "a commit's id that is cut",
            told("report", &json!({"type": "commit", "pipeline_id": "x", "commit_id": "b71f"})),
            "not_a_commit",
            Some("resource.commit_id"),
        ),
        ("an incident without an id", told("incident", &json!({"title": "x"})), "no_incident_id", Some("resource.id")),
        ("an id that is no key", told("incident", &json!({"id": "a b"})), "not_an_incident_id", Some("resource.id")),
        (
            "a run that is no number",
            told("incident", &json!({"id": "a", "runId": "x"})),
            "not_an_id",
            Some("resource.runId"),
        ),
    ];
    let mut seen = BTreeSet::new();
    for (what, body, code, path) in rows {
        assert_eq!(outcome(&body), (code.to_owned(), path.map(str::to_owned)), "{what}");
        seen.insert(code.to_owned());
    }
    seen.retain(|code| code != "facts" && code != "ignored");
    assert_eq!(seen, codes_of_the_readme());
    assert_eq!(seen, codes_of_the_decoders());
}

/// Every code that a decoder can give, by its source: one that no row above has cannot be told by running.
fn codes_of_the_decoders() -> BTreeSet<String> {
    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
    }
    let of = |path: PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        let made = ["DecodeError::new(", "DecodeError::no_id(", "Self::new("];
        let after = made.iter().flat_map(|made| text.split(made).skip(1));
        let code = |after: &str| Some(after.trim_start().strip_prefix('"')?.split('"').next()?.to_owned());
        after.filter_map(code).collect::<Vec<_>>()
    };
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ado")).into_iter().flat_map(of).collect()
}

/// The codes in the last column of the README's table.
fn codes_of_the_readme() -> BTreeSet<String> {
    let readme = include_str!("../../README.md");
    let table = readme.split("## Bad input").nth(1).unwrap().split("\n## ").next().unwrap();
    let cells = table.lines().filter(|line| line.starts_with('|')).filter_map(|line| line.split('|').rev().nth(1));
    cells.filter_map(|cell| cell.trim().strip_prefix('`')?.strip_suffix('`')).map(str::to_owned).collect()
}

#[test]
fn what_to_do_about_missing_resources_is_said() {
    for resource in [Value::Null, json!({}), json!({"run": {"id": 1}})] {
        let error = Decoder::default().decode(&with(RUN, "/resource", Some(resource))).unwrap_err();
        assert!(error.sentence.contains("\"Resource details to send: All\""), "{error}");
    }
}

#[test]
fn unknown_words_are_kept() {
    let body = with(RUN, "/resource/run/state", Some(json!("levitating")));
    let Decoded::Facts(facts) = Decoder::default().decode(&body).unwrap() else { panic!("ignored") };
    let fact = about_run(&facts[0]);
    assert_eq!(fact.run.as_ref().unwrap().0.as_str(), "levitating");
}

/// `/resource/stages/0/name` as errors write it.
fn written(pointer: &str) -> String {
    let parts = pointer.split('/').skip(1);
    parts.fold(String::new(), |path, part| match part.parse::<usize>() {
        Ok(index) => format!("{path}[{index}]"),
        Err(_) if path.is_empty() => part.to_owned(),
        Err(_) => format!("{path}.{part}"),
    })
}

/// Of every shape, the fields that are read. `true` is right for none of them.
#[test]
fn a_wrong_type_at_every_field_that_is_read() {
    let links =
        "_links _links/self _links/self/href _links/web _links/web/href _links/pipeline.web _links/pipeline/href";
    let pipeline = "pipeline pipeline/id pipeline/url pipeline/name";
    let part = "name state result attempt startTime finishTime";
    let run = format!(
        "url id name state result createdDate finishedDate resources resources/repositories/self \
         resources/repositories/self/refName resources/repositories/self/version \
         resources/repositories/self/repository/id {pipeline} {links}"
    );
    let fields: Vec<(&str, &str, String)> = vec![
        (RUN, "", "eventType createdDate resource resourceVersion resourceContainers".to_owned()),
        (RUN, "/resourceContainers", "account collection/id collection/baseUrl project/id".to_owned()),
        (RUN, "/resource", format!("projectId runId runUrl run stages requestedFor repositories {pipeline}")),
        (RUN, "/resource/run", run),
        (RUN, "/resource/stages/0", part.to_owned()),
        (RUN, "/resource/stages", "0 2".to_owned()),
        (RUN, "/resource/requestedFor", "displayName".to_owned()),
        (RUN, "/resource/repositories/0", "url change change/version".to_owned()),
        (STAGE, "/resource", "stage stageName".to_owned()),
        (STAGE, "/resource/stage", format!("{part} {links}")),
        (JOB, "/resource", "job stage stage/name stage/state".to_owned()),
        (JOB, "/resource/job", format!("{part} {links}")),
        (
            APPROVAL,
            "/resource",
            format!("approval projectId run url stageName attemptId run/id run/requestedFor {pipeline}"),
        ),
        (APPROVAL, "/resource/approval", "id status createdOn lastModifiedOn steps steps/0".to_owned()),
        (
            APPROVAL,
            "/resource/approval/steps/0",
            "assignedApprover assignedApprover/displayName actualApprover".to_owned(),
        ),
        (
            BUILD,
            "/resource",
            "id buildNumber status result queueTime startTime finishTime url definition definition/id definition/name \
             definition/url definition/project project/id project/name sourceBranch sourceVersion reason requestedFor \
             repository repository/id repository/name _links _links/web/href"
                .to_owned(),
        ),
        ("build_stopped.v1.json", "/resource", "sourceGetVersion requests requests/0/requestedFor".to_owned()),
        ("get_build_id_api_result.json", "", "id status lastChangedDate".to_owned()),
    ];
    for (name, base, paths) in fields {
        for path in paths.split_whitespace().map(|path| format!("{base}/{path}")) {
            let (code, at) = outcome(&with(name, &path, Some(json!(true))));
            assert_eq!((code.as_str(), at), ("wrong_type", Some(written(&path))), "{name} {path}");
        }
    }
}

fn pointers(value: &Value, at: &str, out: &mut Vec<String>) {
    let mut down = |key: &str, value: &Value| {
        let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        pointers(value, &at, out);
        out.push(at);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| down(key, value)),
        Value::Array(list) => list.iter().enumerate().for_each(|(at, value)| down(&at.to_string(), value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn any_value_of_any_example_may_be_anything() {
    let wrong = [
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1.5),
        json!(u64::MAX),
        json!(""),
        json!("ä|/\\\u{0}"),
        json!([]),
        json!([[1]]),
        json!({}),
        json!({ "self": { "href": 7 } }),
    ];
    for (name, body) in bodies() {
        let sound: Value = serde_json::from_slice(&body).unwrap();
        let mut all = Vec::new();
        pointers(&sound, "", &mut all);
        for path in all.iter().filter(|path| !path.contains("essage")) {
            for value in &wrong {
                let mut body = sound.clone();
                *body.pointer_mut(path).unwrap() = value.clone();
                let (code, at) = outcome(&serde_json::to_vec(&body).unwrap());
                if code == "wrong_type" {
                    assert!(at.unwrap().starts_with(&written(path)), "{name} {path} {value}");
                }
            }
        }
    }
}

#[test]
fn answers_with_wrong_values() {
    let beside = Beside { organization: "fabrikam".to_owned(), pipeline: 7, ..Beside::default() };
    let failed = |result: Result<Vec<Fact>, DecodeError>| {
        let error = result.unwrap_err();
        check(&error);
        (error.code, error.path)
    };
    let timeline = |text: &str| failed(timeline_facts(&beside, 1, text.as_bytes()));
    let builds = |text: &str| failed(build_facts(&beside, text.as_bytes()));
    let at = |path: &str| Some(path.to_owned());
    assert_eq!(timeline(r#"{"records":7}"#), ("wrong_type", at("records")));
    assert_eq!(timeline(r#"{"records":[{"type":"Stage","name":"a"}]}"#), ("no_state", at("records[0].state")));
    assert_eq!(timeline(r#"{"records":[{"type":"Job","state":"x"}]}"#), ("no_state", at("records[0].identifier")));
    assert_eq!(timeline(r#"{"records":[{"finishTime":"x"}]}"#), ("bad_time", at("records[0].finishTime")));
    assert_eq!(timeline("<html>"), ("not_base64", None));
    assert_eq!(builds(r#"{"value":[{"id":1,"status":"x"},{"id":{}}]}"#), ("wrong_type", at("value[1].id")));
    assert_eq!(builds(r#"{"value":[{"status":"completed"}]}"#), ("no_run_id", at("value[0].id")));
    assert_eq!(builds(r#"{"value":[{"id":1}]}"#), ("no_state", at("value[0].status")));
    assert_eq!(failed(timeline_facts(&beside, 0, b"{}")), ("no_run_id", None));
    let nobody = Beside { organization: " ".to_owned(), ..beside.clone() };
    assert_eq!(failed(build_facts(&nobody, br#"{"value":[{"id":1}]}"#)), ("no_organization", None));
}

fn about_run(fact: &Fact) -> &RunFact {
    let Fact::Run(fact) = fact else { panic!("another kind") };
    fact
}

#[test]
fn a_timeline_in_circles_ends() {
    let circle = br#"{"records":[{"id":"a","parentId":"b","type":"Job","name":"j","state":"completed"},
        {"id":"b","parentId":"a","type":"Phase"}]}"#;
    let beside = Beside { organization: "fabrikam".to_owned(), pipeline: 7, ..Beside::default() };
    let facts = timeline_facts(&beside, 1, circle).unwrap();
    let [Fact::Run(fact)] = facts.as_slice() else { panic!("another kind") };
    assert_eq!(fact.jobs[0].stage, "__default");
}

#[test]
fn of_a_flood_only_so_much_is_taken() {
    let stage = json!({"name": "s", "state": "running", "attempt": 1});
    let body = with(RUN, "/resource/stages", Some(Value::Array(vec![stage; 3_000])));
    let Decoded::Facts(facts) = Decoder::default().decode(&body).unwrap() else { panic!("ignored") };
    let stages = facts.iter().map(|fact| about_run(fact).stages.len()).collect::<Vec<_>>();
    assert_eq!(stages, [400, 400, 200], "each fact can be stored");
    let step = |number: u32| json!({"assignedApprover": {"displayName": format!("{number:03}{}", "x".repeat(500))}});
    let body = with(APPROVAL, "/resource/approval/steps", Some((0..500).map(step).collect()));
    let Decoded::Facts(facts) = Decoder::default().decode(&body).unwrap() else { panic!("ignored") };
    let fact = about_run(&facts[0]);
    let [first, second] = fact.approvals[0].says.approvers.as_slice() else { panic!("{fact:?}") };
    assert!(first.starts_with("000x") && second.starts_with("001x") && first.len() == 256, "{first}");
}

proptest! {
    #[test]
    fn arbitrary_bytes(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        outcome(&body);
        outcome(&[b"{\"eventType\":\"build.complete\",".as_slice(), &body].concat());
        outcome(STANDARD.encode(&body).as_bytes());
    }

    #[test]
    fn mutated_examples(
        pick in any::<prop::sample::Index>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        base64 in any::<bool>(),
    ) {
        let files = bodies();
        let (_, sound) = pick.get(&files);
        let mut body = sound.clone();
        for (at, byte) in edits {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let short = body.get(..cut.index(body.len())).unwrap().to_vec();
        for body in [body, short] {
            if base64 { outcome(STANDARD.encode(body).as_bytes()) } else { outcome(&body) };
        }
    }
}

/// What a subscription with minimal resources sends is not documented: whatever names the run is enough.
#[test]
fn where_somebody_can_ask_a_run_that_is_only_named_is_no_error() {
    let asking = Decoder::default().asking();
    let named = |file: &str, resource: Value| {
        let body = with(file, "/resource", Some(resource));
        assert!(Decoder::default().decode(&body).is_err());
        match asking.decode(&body) {
            Ok(Decoded::Named(named)) => Some((named.organization, named.run)),
            Ok(other) => panic!("{other:?}"),
            Err(_) => None,
        }
    };
    let expected = |run| Some(("fabrikam".to_owned(), run));
    let base = "https://dev.azure.com/fabrikam/shop/_apis";
    assert_eq!(named(BUILD, json!({"id": 480})), expected(480));
    assert_eq!(named(BUILD, json!({"url": format!("{base}/build/Builds/480")})), expected(480));
    assert_eq!(named(RUN, json!({"runId": 479})), expected(479));
    assert_eq!(named(RUN, json!({"run": {"id": 479}})), expected(479));
    assert_eq!(named(STAGE, json!({"run": {"url": format!("{base}/pipelines/7/runs/479")}})), expected(479));
    assert_eq!(named(APPROVAL, json!({"run": {"id": "479"}})), expected(479));
    for none in [json!({}), Value::Null, json!({"id": 0}), json!({"run": {"id": {}}})] {
        assert_eq!(named(BUILD, none.clone()), None, "{none}");
        assert_eq!(named(RUN, none.clone()), None, "{none}");
    }
    assert!(matches!(asking.decode(&with(RUN, "/createdDate", None)), Err(error) if error.code == "no_created_date"));
}
