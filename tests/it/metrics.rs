//! Delivery metrics against an oracle: the same made-up organizations, counted by other code from the raw events.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use pipetrail::ado::{Beside, changes_fact, deployment_records};
use pipetrail::catalog::{self, Catalog, Delivery, DeliveryQuestion};
use pipetrail::clock::SystemClock;
use pipetrail::domain::changes::ChangesFact;
use pipetrail::domain::metrics::{FlowReport, Group, PartialSuccess, Period, Terms, Wanted, Window};
use pipetrail::domain::run::{Failure, RunFact};
use pipetrail::domain::{Fact, FactKind, Record, RunKey};
use pipetrail::sqlite::{LocalFile, Missing};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{folded, time};

/// Made up anew each time; each has other traps in it.
const SEEDS: u64 = 24;

/// Writes events, records and what to expect for each seed.
fn ask_the_oracle(folder: &Path, seeds: impl Iterator<Item = u64>) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/dora.py");
    let mut python = Command::new("python3");
    python.arg("-B").arg(script).arg(folder).args(seeds.map(|seed| seed.to_string()));
    let done = python.output().expect("python3 is needed: install Python 3.9 or later");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

pub(crate) fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The deployment records, as the REST API would list them.
fn records(told: &Value) -> Vec<Fact> {
    let fact = |record: &Value| {
        let (id, name) = (record["environment"][0].as_u64().unwrap(), record["environment"][1].as_str().unwrap());
        let project = record["project"].as_str().unwrap();
        let number = if project == "shop" { 1 } else { 2 };
        let beside = Beside {
            organization: "fabrikam".to_owned(),
            project_id: Some(format!("11111111-0000-4000-8000-00000000000{number}")),
            project_name: Some(project.to_owned()),
            ..Beside::default()
        };
        let answer = json!({"value": [{
            "stageName": record["stage"], "stageAttempt": record["attempt"], "jobName": "deploy", "jobAttempt": 1,
            "definition": {"id": record["pipeline"], "name": record["name"]},
            "owner": {"id": record["run"], "name": "n"},
            "result": record["result"], "queueTime": record["started"], "startTime": record["started"],
            "finishTime": record["finished"],
        }]});
        let facts = deployment_records(&beside, (id, name), answer.to_string().as_bytes()).unwrap();
        facts.into_iter().next().unwrap().unwrap()
    };
    told["records"].as_array().unwrap().iter().map(fact).collect()
}

/// What runs built, and what came between two, as the REST API would tell it.
fn built(told: &Value) -> Vec<Fact> {
    let fact = |of: &Value| {
        let (pipeline, run) = (of["pipeline"].as_u64().unwrap(), of["run"].as_u64().unwrap());
        let commits = of["commits"].as_array().unwrap().iter();
        let commits: Vec<_> = commits.map(|one| json!({"id": one["id"], "timestamp": one["at"]})).collect();
        let key = RunKey { organization: "fabrikam".to_owned(), pipeline, run };
        let answer = json!({"value": commits}).to_string();
        let fact = changes_fact(key, time("2025-01-06T00:00:00Z"), None, answer.as_bytes()).unwrap().fact;
        Fact::Changes(ChangesFact { since: of["since"].as_u64(), ..fact })
    };
    ["built", "compared"].iter().flat_map(|kind| told[kind].as_array().unwrap()).map(fact).collect()
}

/// Why runs failed, as their timelines would tell it.
fn errors(told: &Value) -> Vec<Fact> {
    let fact = |error: &Value| {
        let (pipeline, run) = (error["pipeline"].as_u64().unwrap(), error["run"].as_u64().unwrap());
        let key = RunKey { organization: "fabrikam".to_owned(), pipeline, run };
        let said = time(error["at"].as_str().unwrap());
        let message = error["message"].as_str().map(str::to_owned);
        let failure = Some(Failure { said, stage: None, job: None, task: None, message, log: None });
        Fact::Run(RunFact { failure, ..RunFact::new(key, FactKind::Timeline, said) })
    };
    told["errors"].as_array().into_iter().flatten().map(fact).collect()
}

pub(crate) fn catalog_of(folder: &Path, seed: u64, told: &Value) -> Catalog {
    let path = folder.join(format!("{seed}.db"));
    drop(LocalFile::open(&path, Missing::Create, Arc::new(SystemClock)).unwrap());
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA synchronous = OFF; BEGIN").unwrap();
    let projection = catalog::projection();
    projection.prepare(&connection).unwrap();
    let text = std::fs::read_to_string(folder.join(format!("{seed}.ndjson"))).unwrap();
    let bodies: Vec<Vec<u8>> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
    let mut all = folded(&bodies);
    for fact in records(told).into_iter().chain(built(told)).chain(errors(told)) {
        match all.get_mut(&fact.key()) {
            Some(record) => record.add(&fact),
            None => drop(all.insert(fact.key(), Record::of(&fact))),
        }
    }
    all.values().for_each(|record| projection.apply(record)(&connection).unwrap());
    connection.execute_batch("COMMIT").unwrap();
    drop(connection);
    Catalog::local(LocalFile::open(&path, Missing::Fail, Arc::new(SystemClock)).unwrap())
}

fn question(plan: &Value, wanted: &str) -> DeliveryQuestion {
    let text = |key: &str| plan[key].as_str().unwrap();
    let partial = match text("partial") {
        "counts" => PartialSuccess::Counts,
        "fails" => PartialSuccess::Fails,
        _ => PartialSuccess::IsNone,
    };
    let period = match text("period") {
        "day" => Period::Day,
        "week" => Period::Week,
        _ => Period::Month,
    };
    let (key, value) = wanted.split_once('=').unwrap_or_default();
    let of = |name: &str| (key == name).then(|| value.to_owned());
    DeliveryQuestion {
        wanted: Wanted {
            pipeline: of("pipeline"),
            environment: of("environment"),
            project: of("project"),
            ..Wanted::default()
        },
        window: Window { from: time(text("from")), until: time(text("until")) },
        zone: text("zone").parse().unwrap(),
        period: Some(period),
        group: None,
        work: true,
        terms: Terms { partial, ..Terms::default() },
        owners: Default::default(),
        now: time(text("now")),
    }
}

fn spread(of: &Value) -> Value {
    json!([of["median"]["value"], of["p75"]["value"], of["p95"]["value"]])
}

/// As text: a reader of JSON may be off by the last digit.
fn exact(of: &Value) -> Option<String> {
    (!of.is_null()).then(|| of.to_string())
}

/// As the oracle writes them.
fn numbers(of: &Value) -> Value {
    let (often, lead) = (&of["deploymentFrequency"], &of["changeLeadTime"]);
    let (failed, again) = (&of["changeFailRate"], &of["deploymentReworkRate"]);
    let recovery = &of["failedDeploymentRecoveryTime"];
    json!({
        "deployments": often["deployments"]["value"],
        "deployDays": often["deployDays"]["value"],
        "medianDeployDaysAWeek": often["medianDeployDaysAWeek"]["value"],
        "lead": spread(&lead["total"]), "leads": lead["total"]["count"],
        "review": spread(&lead["review"]), "deployment": spread(&lead["deployment"]),
        "failed": failed["failed"], "finished": failed["finished"], "failRate": exact(&failed["rate"]["value"]),
        "recovery": spread(&recovery["time"]), "notRecovered": recovery["notRecovered"],
        "rework": again["rework"], "reworkRate": exact(&again["rate"]["value"]),
    })
}

fn work(of: &Value) -> Value {
    let texts = |of: &Value| {
        let mut texts: Vec<_> = of.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect();
        texts.sort();
        texts
    };
    let commits: Vec<Value> = of["commits"].as_array().unwrap().iter().map(|one| one["commit"].clone()).collect();
    json!({
        "runId": of["runId"], "stage": of["stage"], "attempt": of["attempt"], "environment": of["environment"],
        "failedBecause": of["failedBecause"], "rollsBack": of["rollsBack"], "rework": of["rework"],
        "incidents": texts(&of["incidents"]), "recoverySeconds": of["recoverySeconds"],
        "commits": texts(&Value::from(commits)),
    })
}

/// As the oracle writes how pipelines run.
fn flowed(of: &Value) -> Value {
    let counted = |of: &Value| json!([spread(of), of["count"]]);
    json!({
        "runs": of["runs"], "duration": counted(&of["duration"]), "queue": counted(&of["queue"]),
        "successOnDefault": exact(&of["successOnDefault"]["value"]), "successOnOthers": exact(&of["successOnOthers"]["value"]),
        "recovery": counted(&of["recovery"]), "notRecovered": of["notRecovered"], "flaky": of["flaky"],
        "flakyCommits": of["flakyCommits"],
    })
}

fn flow_of(report: &FlowReport) -> Value {
    let json = serde_json::to_value(report).unwrap();
    let tests = |of: &Value| json!([of["runs"], of["passed"], exact(&of["passRate"]["value"])]);
    let waits = |of: &Value, by: &str| -> Vec<Value> {
        let all = of.as_array().unwrap().iter();
        all.map(|one| json!([one[by], spread(&one["queue"]), one["queue"]["count"]])).collect()
    };
    let groups = json["groups"].as_array().unwrap().iter();
    let groups: Vec<_> = groups.map(|of| json!([of["name"], flowed(&of["numbers"]), tests(&of["tests"])])).collect();
    let mut whole = flowed(&json);
    whole["hours"] = waits(&json["queueByHour"], "hour").into();
    whole["pools"] = waits(&json["queueByPool"], "pool").into();
    whole["tests"] = tests(&json["tests"]);
    whole["groups"] = groups.into();
    whole
}

fn told(delivery: &Delivery) -> Value {
    let json = serde_json::to_value(delivery).unwrap();
    let all = |of: &Value, tell: fn(&Value) -> Value| of.as_array().unwrap().iter().map(tell).collect::<Vec<_>>();
    let mut coverage = json["coverage"].clone();
    coverage.as_object_mut().unwrap().remove("gaps");
    json!({
        "numbers": numbers(&json), "series": all(&json["series"], numbers), "between": spread(&json["betweenDeployments"]),
        "coverage": coverage, "work": all(&json["work"], work),
    })
}

/// The first that differs, and where.
fn difference(at: &str, found: &Value, expected: &Value) -> Option<String> {
    match (found, expected) {
        (Value::Object(one), Value::Object(other)) => {
            let keys = one.keys().chain(other.keys());
            keys.into_iter().find_map(|key| difference(&format!("{at}.{key}"), &found[key], &expected[key]))
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let pairs = one.iter().zip(other).enumerate();
            pairs.into_iter().find_map(|(nth, (one, other))| difference(&format!("{at}[{nth}]"), one, other))
        }
        (one, other) => (one != other).then(|| format!("{at}: {one} and not {other}")),
    }
}

#[tokio::test]
async fn the_oracle_counts_the_same() {
    let folder = tempfile::tempdir().unwrap();
    ask_the_oracle(folder.path(), 0..SEEDS);
    let mut seen = [false; 6];
    for seed in 0..SEEDS {
        let about = read(&folder.path().join(format!("{seed}.json")));
        let mut expected = read(&folder.path().join(format!("{seed}.expected.json")));
        let flow = expected["flow"].take();
        expected.as_object_mut().unwrap().remove("flow");
        let catalog = catalog_of(folder.path(), seed, &about);
        for (wanted, expected) in expected.as_object().unwrap() {
            let found = told(&catalog.delivery(&question(&about["plan"], wanted)).await.unwrap());
            assert_eq!(difference(&format!("seed {seed} {wanted}"), &found, expected), None);
        }
        for (wanted, expected) in flow.as_object().unwrap() {
            let question = DeliveryQuestion { group: Some(Group::Pipeline), ..question(&about["plan"], wanted) };
            let found = flow_of(&catalog.flow(&question).await.unwrap());
            assert_eq!(difference(&format!("flow of seed {seed} {wanted}"), &found, expected), None);
        }
        let whole = &expected[""];
        let some = |pointer: &str| whole.pointer(pointer).and_then(Value::as_u64).is_some_and(|number| number > 0);
        let now = [
            some("/numbers/rework"),
            some("/coverage/commitsUnknown"),
            some("/coverage/commitsLikely"),
            some("/coverage/firstOnRecord"),
            some("/coverage/partiallySucceeded"),
            some("/numbers/notRecovered"),
        ];
        seen.iter_mut().zip(now).for_each(|(seen, now)| *seen |= now);
    }
    assert_eq!(seen, [true; 6], "each trap was in some of them");
}
