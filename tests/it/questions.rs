//! The question sets over a made-up organization: the tools find what another program counts from the raw events, a
//! scripted planner gets all of it, and the grammar enough of it and nothing wrong.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use chrono_tz::Tz;
use pipetrail::ask::{Answer, AnswerStatus, Desk, Limits, Model, Progress, Question};
use pipetrail::config::{Environment, Flags, resolve};
use pipetrail::domain::owner::{OwnerRule, Owners};
use pipetrail::domain::{BranchPattern, Pattern, Time};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fake_model::{Act, FakeModel, KEY, call, quick, say};
use crate::metrics::{catalog_of, read};
use crate::support::time;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    id: String,
    class: String,
    question: String,
    #[serde(default)]
    calls: Vec<Call>,
    #[serde(default)]
    refuse: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    tool: String,
    arguments: Value,
}

#[derive(Debug, Deserialize)]
struct Set {
    seed: u64,
    questions: Vec<Asked>,
}

/// As the oracle has them.
fn owners() -> Owners {
    let rule = |(service, team, pipelines): (&str, &str, &[&str])| OwnerRule {
        service: service.to_owned(),
        team: Some(team.to_owned()),
        pipelines: pipelines.iter().map(|name| Pattern::new(name)).collect(),
        ..OwnerRule::default()
    };
    let rules: [(&str, &str, &[&str]); 2] =
        [("storefront", "sellers", &["web", "api"]), ("books", "keepers", &["ledger"])];
    Owners(rules.map(rule).into())
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/questions").join(name)
}

/// A set with the organization that it asks about.
struct Room {
    questions: Vec<Asked>,
    /// Of each question that is not to be refused, the rows to find.
    expected: BTreeMap<String, Vec<Vec<Value>>>,
    desk: Desk,
    _folder: tempfile::TempDir,
}

impl Room {
    async fn of(name: &str) -> Self {
        Self::asked(&file(name)).await
    }

    async fn asked(set: &Path) -> Self {
        let Set { seed, questions } = serde_json::from_value(read(set)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/questions.py");
        let done = Command::new("python3").arg("-B").arg(script).arg(folder.path()).arg(set).output();
        let done = done.expect("python3 is needed: install Python 3.9 or later");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let told = read(&folder.path().join("expected.json"));
        let catalog = catalog_of(folder.path(), seed, &read(&folder.path().join(format!("{seed}.json")))).await;
        let now = time(told["now"].as_str().unwrap());
        let desk = Desk {
            catalog,
            asker: None,
            owners: owners(),
            branches: BranchPattern::usual(),
            terms: Default::default(),
            now,
            zone: Tz::UTC,
            window: None,
            patience: Desk::PATIENCE,
        };
        Self { questions, expected: serde_json::from_value(told["expected"].clone()).unwrap(), desk, _folder: folder }
    }

    /// The table to find, which has to have the oracle's rows.
    async fn table(&self, asked: &Asked) -> (Vec<&'static str>, Vec<Vec<Value>>) {
        let last = asked.calls.last().unwrap();
        let found = self.desk.call(&last.tool, last.arguments.clone()).await;
        let found = found.unwrap_or_else(|error| panic!("{}: {error}", asked.id));
        let (mut rows, mut expected) = (found.rows.clone(), self.expected[&asked.id].clone());
        if last.tool == "trace" {
            // Nobody else knows in which order the links were found.
            [&mut rows, &mut expected].into_iter().for_each(|rows| rows.sort_by_key(|row| json!(row).to_string()));
        }
        assert_eq!(json!(rows), json!(expected), "{}: {}", asked.id, asked.question);
        (found.columns, found.rows)
    }

    async fn answer(&self, asked: &Asked, model: Option<&Model>) -> Answer {
        self.desk.answer(&Question::from(asked.question.as_str()), model, &Progress::default()).await.unwrap()
    }

    async fn judge(&self, asked: &Asked, answer: &Answer) -> Verdict {
        match (asked.refuse, answer.status) {
            (_, AnswerStatus::Unavailable) => Verdict::Unavailable,
            (true, AnswerStatus::Refused) => Verdict::RightRefusal,
            (true, AnswerStatus::Ok | AnswerStatus::Partial) => Verdict::Wrong,
            (false, AnswerStatus::Refused) => Verdict::Refused,
            (false, AnswerStatus::Ok | AnswerStatus::Partial) => {
                let (columns, rows) = self.table(asked).await;
                let is_right = answer.tables.iter().any(|table| table.columns == columns && table.rows == rows);
                if is_right { Verdict::RightCells } else { Verdict::Wrong }
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    RightCells,
    RightRefusal,
    /// There was an answer.
    Refused,
    Wrong,
    /// The model did not answer, which says nothing of its answers.
    Unavailable,
}

#[derive(Debug, Default, Clone, Copy)]
struct Score {
    questions: usize,
    cells: usize,
    refusals: usize,
    wrong: usize,
    unavailable: usize,
    guard_hits: u32,
    calls: usize,
    seconds: f64,
}

impl Score {
    fn add(&mut self, verdict: Verdict, answer: &Answer, seconds: f64) {
        let usage = answer.usage.unwrap_or_default();
        self.questions += 1;
        self.cells += usize::from(verdict == Verdict::RightCells);
        self.refusals += usize::from(verdict == Verdict::RightRefusal);
        self.wrong += usize::from(verdict == Verdict::Wrong);
        self.unavailable += usize::from(verdict == Verdict::Unavailable);
        self.guard_hits += usage.guard_hits;
        self.calls += usage.calls;
        self.seconds += seconds;
    }
}

/// Asks all of them, and scores by class.
async fn evaluate(room: &Room, mut model: impl AsyncFnMut(&Asked) -> Option<Model>) -> BTreeMap<String, Score> {
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    for asked in &room.questions {
        let model = model(asked).await;
        let started = Instant::now();
        let answer = room.answer(asked, model.as_ref()).await;
        let seconds = started.elapsed().as_secs_f64();
        let verdict = room.judge(asked, &answer).await;
        if matches!(verdict, Verdict::Wrong | Verdict::Refused | Verdict::Unavailable) {
            let says = answer.answer.lines().next().unwrap_or_default();
            show(&format!("{verdict:?} {}: {} ({says})", asked.id, asked.question));
        }
        scores.entry(asked.class.clone()).or_default().add(verdict, &answer, seconds);
        scores.entry("all".to_owned()).or_default().add(verdict, &answer, seconds);
    }
    scores
}

fn table(scores: &BTreeMap<String, Score>) -> String {
    let mut text = String::from(
        "class         questions  right cells  right refusals  wrong  unavailable  guard hits  calls  seconds\n",
    );
    for (class, score) in scores {
        writeln!(
            text,
            "{class:<13} {:>9}  {:>11}  {:>14}  {:>5}  {:>11}  {:>10}  {:>5}  {:>7.1}",
            score.questions,
            score.cells,
            score.refusals,
            score.wrong,
            score.unavailable,
            score.guard_hits,
            score.calls,
            score.seconds
        )
        .unwrap();
    }
    text
}

#[expect(clippy::print_stdout, reason = "the table is what is asked for")]
fn show(text: &str) {
    println!("{text}");
}

/// Does what a question's file says.
async fn scripted(asked: &Asked) -> Option<Model> {
    let mut script: Vec<Act> =
        asked.calls.iter().map(|one| Act::Call(vec![(leaked(&one.tool), one.arguments.to_string())])).collect();
    script.push(match asked.refuse {
        true => call("refuse", serde_json::json!({"why": "It cannot be told."})),
        false => say("It stands in the table."),
    });
    Some(FakeModel::start(script).await.model(true, quick()))
}

fn leaked(name: &str) -> &'static str {
    pipetrail::ask::Tool::named(name).unwrap_or_else(|| panic!("there is no tool {name}")).name()
}

/// That proves that the tools can express every answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_scripted_planner_gets_everything_right() {
    for name in ["first.json", "second.json"] {
        let room = Room::of(name).await;
        assert!(room.questions.len() >= 60);
        let told = room.expected.values().filter(|rows| !rows.is_empty()).count();
        assert!(told >= 40, "there is something to find for {told}");
        let all = evaluate(&room, scripted).await;
        show(&table(&all));
        let all = all["all"];
        assert_eq!((all.cells + all.refusals, all.wrong), (room.questions.len(), 0));
    }
}

/// What would be counted as right otherwise, and what would be counted as wrong.
#[tokio::test]
async fn the_judge_looks_at_columns_and_knows_who_does_not_answer() {
    let room = Room::of("first.json").await;
    let of = |id: &str| room.questions.iter().find(|asked| asked.id == id).unwrap();
    let asked = of("count-1");
    let mut answer = room.answer(asked, None).await;
    assert_eq!(room.judge(asked, &answer).await, Verdict::RightCells);
    answer.tables[0].columns[0] = "failed";
    assert_eq!(room.judge(asked, &answer).await, Verdict::Wrong);
    let silent = FakeModel::start([Act::Status(500, None, "")]).await.model(true, quick());
    for asked in [asked, of("ambiguous-1")] {
        let answer = room.answer(asked, Some(&silent)).await;
        assert_eq!(room.judge(asked, &answer).await, Verdict::Unavailable);
    }
}

/// By each dimension, and narrowed to each of its values: runs, numbers, and what changed.
#[tokio::test(flavor = "multi_thread")]
async fn the_oracle_counts_the_same_by_every_dimension_and_filter() {
    let values = [
        ("organization", json!(["fabrikam"])),
        ("project", json!(["shop", "bank"])),
        ("pipeline", json!(["web", "ledger"])),
        ("repository", json!(["web", "ledger"])),
        ("branch", json!(["main", "hotfix/x"])),
        ("service", json!(["storefront", "books"])),
        ("team", json!(["sellers", "keepers"])),
        ("environment", json!(["production", "prod-eu", "staging"])),
        ("pool", json!(["linux", "windows"])),
        ("stage", json!(["build", "prod-us"])),
        ("state", json!(["completed"])),
        ("result", json!(["failed", "succeeded"])),
        ("reason", json!(["individualCI"])),
        ("errorSignature", json!(["disk full", "connection refused"])),
        ("day", json!(["2025-03-11", "2025-03-12"])),
        ("hour", json!([3, 14])),
    ];
    let mut questions = Vec::new();
    for (dimension, values) in values {
        let mut ask = |tool: &str, arguments: Value| {
            let id = format!("{dimension}-{}", questions.len());
            let calls = json!([{"tool": tool, "arguments": arguments}]);
            questions.push(json!({"id": id, "class": dimension, "question": "", "calls": calls}));
        };
        let last = "last 60 days";
        ask("aggregate", json!({"measure": "failureRate", "groupBy": [dimension], "window": last}));
        for value in values.as_array().unwrap() {
            let filters = json!({dimension: value});
            let by = json!(["pipeline", dimension]);
            ask("aggregate", json!({"measure": "count", "groupBy": by, "filters": filters, "window": last}));
            ask("aggregate", json!({"measure": "failed", "bucket": "week", "filters": filters, "window": last}));
            ask("compare_periods", json!({"measure": "count", "filters": filters, "window": last}));
            ask("query_runs", json!({"filters": filters, "window": last, "top": 100}));
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), json!({"seed": 2, "questions": questions}).to_string()).unwrap();
    let room = Room::asked(file.path()).await;
    let mut found = std::collections::BTreeSet::new();
    for asked in &room.questions {
        let (_, rows) = room.table(asked).await;
        found.extend((!rows.is_empty()).then_some((&asked.class, &asked.calls[0].tool)));
    }
    assert_eq!(found.len(), 16 * 3, "each has found something: {found:?}");
}

async fn the_grammar_answers_half_and_nothing_wrong(name: &str) {
    let room = Room::of(name).await;
    let all = evaluate(&room, async |_: &Asked| None).await;
    show(&table(&all));
    let all = all["all"];
    assert_eq!(all.wrong, 0);
    assert!((all.cells + all.refusals) * 2 >= all.questions, "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grammar_on_the_first_set() {
    the_grammar_answers_half_and_nothing_wrong("first.json").await;
}

/// The second set is by somebody who had not seen the grammar.
#[tokio::test(flavor = "multi_thread")]
async fn the_grammar_on_the_second_set() {
    the_grammar_answers_half_and_nothing_wrong("second.json").await;
}

/// The model that the environment names; `scripts/evaluate` runs this.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "asks a real model, which costs"]
async fn the_model_that_is_configured() {
    let environment: Environment =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect();
    for name in ["first.json", "second.json"] {
        scores(name, &configured(&environment)).await;
    }
}

fn configured(environment: &Environment) -> Model {
    let config = resolve(Flags::default(), environment, None, Time::UNKNOWN).unwrap();
    let configured = config.model.expect("set PIPETRAIL_MODEL_URL and PIPETRAIL_MODEL");
    Model::new(configured.endpoint, configured.people, Limits::default()).unwrap()
}

async fn scores(name: &str, model: &Model) -> BTreeMap<String, Score> {
    let scores = evaluate(&Room::of(name).await, async |_: &Asked| Some(model.clone())).await;
    show(&format!("{name}, {}\n{}", model.name(), table(&scores)));
    scores
}

/// The same with one that asks for nothing and is sure of everything.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_of_the_environment_is_scored() {
    let fake = FakeModel::start([say("There were 42 of them, most of them on Mondays.")]).await;
    let variables = [("PIPETRAIL_MODEL_URL", fake.url()), ("PIPETRAIL_MODEL", "stub"), ("PIPETRAIL_MODEL_KEY", KEY)];
    let environment = variables.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let scores = scores("first.json", &configured(&environment)).await;
    let all = scores["all"];
    let refusals: usize = scores.iter().filter(|(class, _)| *class != "all").map(|(_, score)| score.refusals).sum();
    assert_eq!((all.cells, all.wrong, all.unavailable, all.calls), (0, 0, 0, 0), "{all:?}");
    assert!(all.refusals == refusals && refusals > 5 && all.guard_hits > 0, "{all:?}");
    assert_eq!(table(&scores).lines().count(), scores.len() + 1);
}
