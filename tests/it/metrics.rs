//! Delivery metrics against an oracle: the same made-up organizations, counted by other code from the raw events.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use pipetrail::ado::{Beside, changes_fact, deployment_list, deployment_records};
use pipetrail::catalog::{self, Catalog, DeliveryQuestion};
use pipetrail::clock::SystemClock;
use pipetrail::config::{Config, Environment, Flags, resolve};
use pipetrail::domain::changes::ChangesFact;
use pipetrail::domain::gap::GapFact;
use pipetrail::domain::metrics::{Wanted, Window};
use pipetrail::domain::run::{Failure, RunFact};
use pipetrail::domain::{Fact, FactKind, GapKey, GapReason, Key, Record, RunKey, Time};
use pipetrail::history::Plan;
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

/// The deployments of releases, as the REST API would list them.
fn releases(told: &Value) -> Vec<Fact> {
    let Some(releases) = told.get("releases") else { return Vec::new() };
    let beside = Beside { organization: "fabrikam".to_owned(), ..Beside::default() };
    let facts = deployment_list(&beside, json!({ "value": releases }).to_string().as_bytes()).unwrap();
    facts.into_iter().map(Result::unwrap).collect()
}

/// What was seen of lost events.
fn gaps(told: &Value) -> Vec<Fact> {
    let fact = |of: &Value| {
        let text = |key: &str| of[key].as_str();
        let at = |key: &str| text(key).map(time);
        let key = GapKey::new("fabrikam", text("projectId").unwrap(), text("events").unwrap());
        Fact::Gap(GapFact {
            why: text("why").map(GapReason::from),
            over: at("over"),
            covered: at("covered"),
            ..GapFact::new(key, at("from").unwrap(), at("said").unwrap())
        })
    };
    told["gaps"].as_array().unwrap().iter().map(fact).collect()
}

/// Of odd seeds half of it is packed before the rest comes, and of most all of it at the end.
pub(crate) async fn catalog_of(folder: &Path, seed: u64, told: &Value) -> Catalog {
    let path = folder.join(format!("{seed}.db"));
    let catalog = Catalog::local(LocalFile::open(&path, Missing::Create, Arc::new(SystemClock)).unwrap());
    let connection = Connection::open(&path).unwrap();
    let projection = catalog::projection();
    connection.execute_batch("PRAGMA synchronous = OFF").unwrap();
    projection.prepare(&connection).unwrap();
    let write = |records: &BTreeMap<Key, Record>| {
        connection.execute_batch("BEGIN").unwrap();
        records.values().for_each(|record| projection.apply(record)(&connection).unwrap());
        connection.execute_batch("COMMIT").unwrap();
    };
    let text = std::fs::read_to_string(folder.join(format!("{seed}.ndjson"))).unwrap();
    let bodies: Vec<Vec<u8>> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
    if seed % 2 == 1 {
        write(&folded(&bodies[..bodies.len() / 2]));
        catalog.pack().await.unwrap();
    }
    let mut all = folded(&bodies);
    for fact in [records(told), built(told), errors(told), releases(told), gaps(told)].concat() {
        match all.get_mut(&fact.key()) {
            Some(record) => record.add(&fact),
            None => drop(all.insert(fact.key(), Record::of(&fact))),
        }
    }
    write(&all);
    if seed % 4 != 1 {
        catalog.pack().await.unwrap();
    }
    catalog
}

/// The configuration of a seed, as a file says it.
fn configured(told: &Value) -> Config {
    let file = (Path::new("pipetrail.toml"), told["config"].as_str().unwrap());
    resolve(Flags::default(), &Environment::default(), Some(file), Time::UNKNOWN).unwrap()
}

fn question(plan: &Value, config: &Config, asked: &Value) -> DeliveryQuestion {
    let at = |key: &str| time(plan[key].as_str().unwrap());
    let wanted = |key: &str| asked["wanted"][key].as_str().map(str::to_owned);
    DeliveryQuestion {
        wanted: Wanted {
            organization: None,
            project: wanted("project"),
            pipeline: wanted("pipeline"),
            repository: wanted("repository"),
            environment: wanted("environment"),
            service: wanted("service"),
            team: wanted("team"),
        },
        window: Window { from: at("from"), until: at("until") },
        zone: config.zone,
        period: serde_json::from_value(plan["period"].clone()).unwrap(),
        group: serde_json::from_value(asked["group"].clone()).unwrap(),
        work: true,
        terms: config.terms.clone(),
        owners: config.owners.clone(),
        now: at("now"),
    }
}

/// As the oracle writes it: without what says how to read the numbers, and those that are no whole numbers as text, since
/// a reader of JSON may be off by the last digit. Which incident of several comes first plays no part.
fn plain(of: Value) -> Value {
    match of {
        Value::Object(of) => {
            let told = of.into_iter().filter(|(key, _)| !["definition", "caution"].contains(&key.as_str()));
            let sorted = |key: &str, of| if key == "incidents" { in_order(of) } else { plain(of) };
            Value::Object(told.map(|(key, of)| (key.clone(), sorted(&key, of))).collect())
        }
        Value::Array(of) => of.into_iter().map(plain).collect(),
        Value::Number(of) if of.is_f64() => Value::String(of.to_string()),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

fn in_order(of: Value) -> Value {
    let mut texts: Vec<String> = serde_json::from_value(of).unwrap();
    texts.sort();
    texts.into()
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
    let (mut differ, mut seen) = (Vec::new(), BTreeMap::<String, u64>::new());
    for seed in 0..SEEDS {
        let about = read(&folder.path().join(format!("{seed}.json")));
        let expected = read(&folder.path().join(format!("{seed}.expected.json")));
        let (catalog, config) = (catalog_of(folder.path(), seed, &about).await, configured(&about));
        let all = |kind: &'static str| expected[kind].as_array().unwrap().iter().map(move |asked| (kind, asked));
        for (kind, asked) in all("delivery").chain(all("flow")) {
            let question = question(&about["plan"], &config, asked);
            let found = match kind {
                "delivery" => serde_json::to_value(catalog.delivery(&question).await.unwrap()),
                _ => serde_json::to_value(catalog.flow(&question).await.unwrap()),
            };
            let at = format!("{kind} of seed {seed} {} by {}", asked["wanted"], asked["group"]);
            differ.extend(difference(&at, &plain(found.unwrap()), &asked["expected"]));
        }
        for (trap, times) in expected["traps"].as_object().unwrap() {
            *seen.entry(trap.clone()).or_default() += times.as_u64().unwrap();
        }
    }
    assert_eq!(differ, [""; 0]);
    let missing: Vec<_> = seen.iter().filter(|(_, times)| **times == 0).collect();
    assert!(missing.is_empty(), "each trap is in some of them: {missing:?}");
}

/// Of which kind its block is, what it is itself, and which block holds it.
fn block(record: &Record) -> Option<(&'static str, &'static str, i64)> {
    let day = |at: Time| at.ticks().div_euclid(24 * 3_600 * 10_000_000);
    let runs = |run: u64| i64::try_from(run >> 8).unwrap();
    match record {
        Record::Run(of) => Some(("runs", "run", runs(of.shown().key.run))),
        Record::Deployment(of) => Some(("runs", "deployment", runs(of.shown().key.run))),
        Record::Push(of) => of.shown().pushed.map(|at| ("pushes", "push", day(at))),
        Record::PullRequest(of) => of.shown().closed.map(|at| ("pullRequests", "pull request", day(at))),
        Record::Changes(_) | Record::Cluster(_) | Record::Gap(_) | Record::Incident(_) => None,
        Record::Release(_) | Record::Report(_) | Record::WorkItem(_) => None,
    }
}

/// Whatever is written or removed, the block that holds it is read from the rows from then on.
#[tokio::test]
async fn what_is_written_to_makes_its_block_loose() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    let catalog = Catalog::local(LocalFile::open(&path, Missing::Create, Arc::new(SystemClock)).unwrap());
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA synchronous = OFF").unwrap();
    let projection = catalog::projection();
    projection.prepare(&connection).unwrap();
    let from = time("2025-01-01T00:00:00Z");
    let until = from.plus(Duration::from_secs(5 * 24 * 3_600));
    let plan = Plan { runs_per_day: 200, about: true, ..Plan::new("fabrikam", from, until, 7) };
    let mut records = folded(&plan.events().map(|event| event.body.to_vec()).collect::<Vec<_>>());
    records.extend(plan.deployments().map(|fact| Record::of(&Fact::Deployment(fact))).map(|of| (of.key(), of)));
    let write = |records: &[&Record], remove: bool| {
        let of = |record: &&Record| if remove { projection.remove(&record.key()) } else { projection.apply(record) };
        connection.execute_batch("BEGIN").unwrap();
        records.iter().for_each(|record| of(record)(&connection).unwrap());
        connection.execute_batch("COMMIT").unwrap();
    };
    let loose = |kind: &str| -> BTreeSet<i64> {
        let ask = "SELECT block FROM packed WHERE kind = ?1 AND rows IS NULL";
        connection.prepare(ask).unwrap().query_map([kind], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let mut groups: BTreeMap<_, (Vec<&Record>, BTreeSet<i64>)> = BTreeMap::new();
    for (record, (kind, what, block)) in records.values().filter_map(|record| Some((record, block(record)?))) {
        let (records, blocks) = groups.entry((kind, what)).or_default();
        records.push(record);
        blocks.insert(block);
    }
    write(&records.values().collect::<Vec<_>>(), false);
    assert_eq!(groups.len(), 4);
    for ((kind, what), (records, blocks)) in &groups {
        for remove in [false, true] {
            catalog.pack().await.unwrap();
            assert!(blocks.len() > 2 && loose(kind).len() == 1, "{kind}: all but the newest are packed");
            write(records, remove);
            assert!(loose(kind).is_superset(blocks), "{what}: {:?} of {blocks:?}", loose(kind));
            let tells_of_requests = *what == "push" && loose("pullRequests").len() > 2;
            assert!(tells_of_requests || *what != "push", "pushes tell when commits of pull requests were made");
        }
        write(records, false);
    }
}
