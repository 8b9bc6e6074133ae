//! The command line, as a shell sees it: one snapshot holds exit code, stdout and stderr.
//!
//! `INSTA_UPDATE=always cargo test --test it cli` takes the snapshots anew.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use insta::assert_snapshot;
use pipetrail::catalog;
use pipetrail::clock::ManualClock;
use pipetrail::domain::gap::GapFact;
use pipetrail::domain::run::{ApprovalSaid, ApprovalStatement, JobSaid, RunFact, StageSaid, Statement};
use pipetrail::domain::{
    ApprovalStatus, Fact, FactKind, GapKey, GapReason, Key, Label, Outcome, Record, RunKey, State, Time,
};
use pipetrail::queue::{self, Queue, Reason, Settlement, SqliteQueue};
use pipetrail::sqlite::{LocalFile, Missing};
use pipetrail::store::{SqliteStore, Store, Write};

/// A directory of its own, with nothing of the caller's environment.
struct Shell {
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, &'static str)>,
}

impl Shell {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment.push((name, value));
        self
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pipetrail"));
        command.args(line.split_whitespace()).current_dir(self.path()).env_clear().envs(self.environment.clone());
        command
    }

    /// What a shell would show of it.
    fn run(&self, line: &str) -> String {
        self.shown(line, &self.command(line).stdin(Stdio::null()).output().unwrap())
    }

    fn run_with_stdin(&self, line: &str, stdin: &[u8]) -> String {
        let mut command = self.command(line);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        self.shown(line, &child.wait_with_output().unwrap())
    }

    fn shown(&self, line: &str, output: &Output) -> String {
        let mut text = format!("$ pipetrail {line}\nexit {}\n", output.status.code().unwrap());
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            let said = String::from_utf8(bytes.clone()).unwrap();
            text.push_str(&format!("--- {name}\n{}", said.replace(self.path().to_str().unwrap(), "[folder]")));
        }
        text
    }
}

fn at(text: &str) -> Time {
    Time::parse(text).unwrap().unwrap()
}

fn says(said: Time, result: Option<Outcome>, started: Option<Time>, finished: Option<Time>) -> Statement {
    Statement { result, queued: Some(at("2019-10-02T19:54:00.3307136Z")), started, finished, ..Statement::at(said) }
}

/// A finished run with everything that a run may have, under a hostile branch.
fn finished_run() -> Vec<Fact> {
    let key = RunKey { organization: "fabrikam".to_owned(), pipeline: 7, run: 479 };
    let (start, end) = (at("2019-10-02T19:54:05Z"), at("2019-10-02T19:57:36.5Z"));
    let mut fact = RunFact::new(key, FactKind::RunStateChanged, at("2019-10-02T19:57:37Z"));
    fact.labels = vec![
        (Label::RunName, "20191002.2".to_owned()),
        (Label::ProjectName, "Fiber".to_owned()),
        (Label::PipelineName, "hello-service".to_owned()),
        (Label::Branch, "refs/heads/x\u{1b}[2J\u{202e}y".to_owned()),
        (Label::Commit, "0123456789abcdef0123456789abcdef01234567".to_owned()),
        (Label::Repository, "hello".to_owned()),
        (Label::RequestedFor, "Grace, \"Amazing\"".to_owned()),
        (Label::Reason, "individualCI".to_owned()),
        (Label::Url, "https://dev.azure.com/fabrikam/Fiber/_build/results?buildId=479".to_owned()),
    ];
    let succeeded = says(fact.said, Some(Outcome::Succeeded), Some(start), Some(end));
    fact.run = Some((State::Completed, succeeded.clone()));
    let stage = |name: &str, attempt, result| StageSaid {
        name: name.to_owned(),
        attempt: Some(attempt),
        state: State::Completed,
        says: Statement { result: Some(result), ..succeeded.clone() },
    };
    fact.stages = vec![
        stage("Build", 1, Outcome::Failed),
        stage("Build", 2, Outcome::Succeeded),
        stage("Test", 1, Outcome::Skipped),
    ];
    fact.jobs = vec![JobSaid {
        stage: "Build".to_owned(),
        stage_attempt: Some(2),
        name: "__default".to_owned(),
        attempt: Some(1),
        state: State::Completed,
        says: succeeded,
    }];
    fact.approvals = vec![ApprovalSaid {
        id: "a1".to_owned(),
        status: ApprovalStatus::Approved,
        says: ApprovalStatement {
            said: fact.said,
            phase: None,
            stage: Some("Test".to_owned()),
            attempt: Some(1),
            requested: Some(start),
            changed: Some(end),
            approvers: vec!["Ada".to_owned(), "Grace".to_owned()],
        },
    }];
    vec![Fact::Run(fact)]
}

/// A run of which next to nothing is known.
fn bare_run(organization: &str, run: u64) -> Vec<Fact> {
    let key = RunKey { organization: organization.to_owned(), pipeline: 8, run };
    vec![Fact::Run(RunFact::new(key, FactKind::RunStateChanged, at("2019-10-02T19:54:00Z")))]
}

const ZULU: &str = "2019-10-03T00:00:00Z";

fn open(shell: &Shell) -> LocalFile {
    let clock = Arc::new(ManualClock::at(at(ZULU)));
    LocalFile::open(&shell.path().join("pipetrail.db"), Missing::Create, clock).unwrap()
}

/// A file with three runs.
fn with_runs() -> Shell {
    let shell = Shell::new();
    tell(&shell, [finished_run(), bare_run("contoso", 479), bare_run("contoso", 5)].concat());
    shell
}

fn tell(shell: &Shell, facts: Vec<Fact>) {
    block_on(async {
        let store = SqliteStore::open(open(shell), catalog::projection()).await.unwrap();
        for fact in facts {
            let record = Record::of(&fact);
            let write = Write::Record { text: record.encode(), record, expected: None, facts: vec![fact.encode()] };
            store.commit(Arc::new(vec![write])).await.unwrap();
        }
    });
}

/// A file with three dead letters, one of them not UTF-8.
fn with_dead_letters() -> Shell {
    let shell = Shell::new();
    block_on(async {
        let queue = SqliteQueue::new(open(&shell));
        let bodies: [&[u8]; 3] = [b"not json \x1b[2J\n", b"\xff\x00", b"{\"eventType\":\"x\"}"];
        for (body, code) in bodies.into_iter().zip(["not_json", "not_utf8", "no_run_id"]) {
            queue.put(vec![body.to_vec()]).await.unwrap();
            let delivery = queue.receive(Duration::from_secs(120)).await.unwrap().pop().unwrap();
            let path = (code == "no_run_id").then(|| "resource.run.id".to_owned());
            let reason = Reason { path, ..Reason::new(code, "a sentence for people") };
            let outcome = queue::Outcome::Dead { reason, tries: 1 };
            queue.settle(vec![Settlement { delivery, outcome }]).await.unwrap();
        }
    });
    shell
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(future)
}

/// Several lines with their outcomes, in one snapshot.
fn session(shell: &Shell, lines: &[&str]) -> String {
    lines.iter().map(|line| shell.run(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn help() {
    let commands = [
        "",
        "up",
        "demo",
        "work",
        "enqueue",
        "backfill",
        "get",
        "get runs",
        "get run",
        "get pipelines",
        "get stages",
        "get commit",
        "get pr",
        "get work-item",
        "get environments",
        "get deployments",
        "get approvals",
        "get incidents",
        "get gaps",
        "subscriptions",
        "subscriptions plan",
        "subscriptions apply",
        "subscriptions list",
        "subscriptions doctor",
        "subscriptions test",
        "subscriptions rotate-key",
        "subscriptions remove",
        "dora",
        "report",
        "incident",
        "incident open",
        "incident resolve",
        "dead-letter",
        "dead-letter list",
        "dead-letter show",
        "dead-letter requeue",
        "dead-letter discard",
        "purge",
        "forget",
        "backup",
        "refold",
        "export",
        "import",
        "check",
        "completions",
        "man",
    ];
    let shell = Shell::new();
    for command in commands {
        let name = format!("help {command}").trim_end().replace([' ', '-'], "_");
        assert_snapshot!(name, shell.run(format!("{command} --help").trim_start()));
    }
    let by_command = shell.run("help get runs");
    let by_option = shell.run("get runs --help");
    assert_eq!(by_command.split_once('\n').unwrap().1, by_option.split_once('\n').unwrap().1);
}

#[test]
fn wrong_usage() {
    let lines = [
        "",
        "gt runs",
        "get run x",
        "get runs --since yesterday",
        "get runs -o xml",
        "enqueue",
        "dead-letter discard",
        "dead-letter requeue --all 1",
        "purge --yes",
        "work --concurrency 0",
        "work --until-empty --reconcile 15m",
    ];
    assert_snapshot!(session(&Shell::new(), &lines));
}

#[test]
fn wrong_configuration() {
    let shell = Shell::new()
        .with("PIPETRAIL_LISTEN", "abc")
        .with("PIPETRAIL_STORAGE", "tape")
        .with("PIPETRAIL_HOOK_PASSWORD", "s3cret");
    fs::write(shell.path().join("pipetrail.toml"), "liste = '127.0.0.1:1'\nhook_password = 's3cret'").unwrap();
    assert_snapshot!(session(&shell, &["up", "get runs --config other.toml", "work --lease 30s --log-format xml"]));
}

/// What is wrong is said without a piece of a secret, and before anything is reached.
#[test]
fn wrong_configuration_of_azure() {
    let shell = Shell::new()
        .with("PIPETRAIL_STORAGE", "azure")
        .with(
            "AZURE_STORAGE_CONNECTION_STRING",
            "AccountName=Fabrikam;AccountKey=s3cret;TableEndpoint=http://x?sig=s3cret",
        )
        .with("PIPETRAIL_QUEUE", "Events")
        .with("PIPETRAIL_TABLE", "pipe-trail")
        .with("PIPETRAIL_POISON_COPY", "maybe");
    let said = session(&shell, &["work"]);
    assert!(!said.contains("s3cret"), "{said}");
    assert_snapshot!(said + "\n" + &session(&Shell::new(), &["up --storage azure"]));
}

#[test]
fn what_is_for_the_local_file_alone() {
    let shell = Shell::new().with("PIPETRAIL_STORAGE", "azure").with("AZURE_STORAGE_ACCOUNT", "fabrikam");
    assert_snapshot!(session(&shell, &["backup copy.db", "demo --once", "get runs", "get runs --data other.db"]));
}

/// An account is set, but nobody said that it is to be used.
#[test]
fn what_is_for_azure_alone() {
    let shell = Shell::new().with("AZURE_STORAGE_ACCOUNT", "fabrikam");
    assert_snapshot!(session(&shell, &["get runs", "get runs --catalog other.db"]));
}

#[test]
fn check() {
    let shell = with_dead_letters();
    let lines = ["check", "check -o json", "check --data missing.db"];
    assert_snapshot!(session(&shell, &lines));
}

#[test]
fn missing_and_unusable_files() {
    let shell = Shell::new();
    fs::write(shell.path().join("text.db"), "this is a text and no database at all").unwrap();
    let lines = [
        "get runs",
        "get runs --data text.db",
        "up --data no/such/folder/x.db --listen 127.0.0.1:0",
        "dead-letter list",
        "enqueue missing.json",
        "backup copy.db",
    ];
    assert_snapshot!(session(&shell, &lines));
}

/// One line, exit 1, and the file is as it was when the trouble is over.
#[test]
fn a_file_that_is_locked_or_damaged_is_one_line() {
    let shell = with_runs();
    let data = shell.path().join("pipetrail.db");
    let before = session(&shell, &["get runs -o json"]);
    let other = rusqlite::Connection::open(&data).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; UPDATE meta SET value = value").unwrap();
    let said = session(&shell, &["work --until-empty"]);
    assert!(said.contains("locked by another program") && said.contains("hint:"), "{said}");
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    assert_eq!(session(&shell, &["get runs -o json"]), before);
    let mut bytes = fs::read(&data).unwrap();
    bytes[100..].fill(0xa5);
    fs::write(&data, &bytes).unwrap();
    let said = session(&shell, &["get runs"]);
    assert!(said.contains("damaged") && said.contains("hint:") && !said.contains("panicked"), "{said}");
}

#[test]
fn get_runs() {
    let shell = with_runs();
    let lines = [
        "get runs",
        "get runs -o wide",
        "get runs -o json",
        "get runs -o csv",
        "get runs --top 1 --organization contoso",
        "get runs --branch nothing",
        "get runs --branch nothing -o json",
        "get runs --commit 0123 --state completed --result succeeded --project fiber --pipeline 7 --top 0",
        "get runs --since 2019-10-02T19:54:00Z --top 1",
    ];
    assert_snapshot!(session(&shell, &lines));
}

/// A file with a run and three gaps, one of them open and one covered.
fn with_gaps() -> Shell {
    let shell = Shell::new();
    let gap = |events: &str, over: Option<Time>, covered| {
        let from = at("2019-10-02T19:30:00Z");
        let fact = GapFact::new(GapKey::new("fabrikam", "p-1", events), from, at("2019-10-02T19:56:00Z"));
        let name = Some("Fiber".to_owned());
        Fact::Gap(GapFact { why: Some(GapReason::OnProbation), project_name: name, over, covered, ..fact })
    };
    let end = Some(at("2019-10-02T20:00:00.5Z"));
    let gaps = [gap("build.complete", None, None), gap("git.push", end, None), gap("workitem.created", end, end)];
    block_on(async {
        let store = SqliteStore::open(open(&shell), catalog::projection()).await.unwrap();
        for fact in finished_run().into_iter().chain(gaps) {
            let record = Record::of(&fact);
            let write = Write::Record { text: record.encode(), record, expected: None, facts: vec![fact.encode()] };
            store.commit(Arc::new(vec![write])).await.unwrap();
        }
    });
    shell
}

#[test]
fn get_gaps() {
    let lines = [
        "get gaps",
        "get gaps --all -o wide",
        "get gaps --all --project fiber --since 2019-10-02T20:00:00Z -o csv",
        "get gaps --top 1 -o json",
        "get gaps --organization contoso",
        "get gaps --organization contoso -o json",
        "get runs",
        "get run 479",
        "get runs --project other",
        "get runs -o csv",
    ];
    let shell = with_gaps();
    assert_snapshot!(session(&shell, &lines));
    let said = shell.run("purge --older-than 1s --yes");
    assert!(said.contains("purged 1 run that"), "gaps go with it and are not counted: {said}");
    assert_eq!(shell.run("get gaps --all -o csv").matches("onProbation").count(), 1, "the open one stays");
}

/// What the examples tell of releases, environments and the runs behind them, without what is still under way.
fn with_deployments() -> Shell {
    let shell = Shell::new();
    let facts = [crate::releases::events(), crate::releases::answered()].concat();
    let records = crate::releases::folded(facts.iter());
    block_on(async {
        let store = SqliteStore::open(open(&shell), catalog::projection()).await.unwrap();
        for (key, record) in records {
            if !matches!(&key, Key::Deployment(key) if key.run == 1205) {
                let facts = facts.iter().filter(|fact| fact.key() == key).map(Fact::encode).collect();
                let write = Write::Record { text: record.encode(), record, expected: None, facts };
                store.commit(Arc::new(vec![write])).await.unwrap();
            }
        }
    });
    shell
}

/// A file that was told of all the example events.
fn with_examples() -> Shell {
    let shell = Shell::new();
    shell.run(&format!("enqueue {}/example-json", env!("CARGO_MANIFEST_DIR")));
    assert!(shell.run("work --until-empty").contains("exit 0"));
    shell
}

#[test]
fn get_environments_and_deployments() {
    let lines = [
        "get environments",
        "get environments -o wide",
        "get environments -o csv --top 1",
        "get environments --project bedrock_gitops --top 1 -o json",
        "get deployments",
        "get deployments --environment production -o wide",
        "get deployments --environment 7 --current -o json",
        "get deployments --pipeline 5 --since 2025-06-12T09:30:00Z -o csv",
        "get deployments --environment nowhere",
        "get run 1203",
    ];
    assert_snapshot!(session(&with_deployments(), &lines));
}

#[test]
fn get_approvals() {
    let lines = [
        "get approvals",
        "get approvals -o wide",
        "get approvals --status approved --organization fabrikam -o json --top 1",
        "get approvals --since 2025-06-12T09:30:00Z -o csv",
        "get approvals --status pending",
    ];
    assert_snapshot!(session(&with_deployments(), &lines));
}

#[test]
fn get_links() {
    let lines = [
        "get commit b71f0c3e",
        "get commit b71f0c3e -o json",
        "get commit 5d0c2a9b",
        "get pr 88",
        "get pr 88 -o json",
        "get pr 88 -o csv",
        "get work-item 4711",
        "get work-item 4711 -o json",
        "get work-item 4711 --organization contoso",
        "get run 1220",
        "get commit xyz",
        "get pr x",
        "get work-item !x",
        "get runs --top x",
        "get commit 0000",
    ];
    let shell = with_examples();
    assert_snapshot!(session(&shell, &lines));
    // What it triggered, and who uses it: the id is its own, and its pipeline's elsewhere.
    let words = |line: &str| shell.run(line).split_whitespace().collect::<Vec<_>>().join(" ");
    let said = words("get run 1203");
    for line in [
        "Triggered KIND ID NAME STATE RULE CERTAINTY VIA run 1220 checkout-deploy 20250612.1 succeeded pipelineResource certain -",
        "run 1221 checkout-deploy 20250612.2 inProgress consumed certain -",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    // Here the id is the pipeline's, so that only names tell.
    assert!(words("get run 510").contains("run 1221 checkout-deploy 20250612.2 inProgress consumed likely -"));
}

/// A push names a work item and a pull request, and nothing told of these.
#[test]
fn what_only_others_tell_of_is_shown() {
    let shell = Shell::new();
    let push = format!("{}/example-json/git_push.json", env!("CARGO_MANIFEST_DIR"));
    let push = fs::read_to_string(push).unwrap().replace("4711", "4712");
    fs::write(shell.path().join("push.json"), push).unwrap();
    shell.run("enqueue push.json");
    assert!(shell.run("work --until-empty").contains("exit 0"));
    let lines = ["get work-item 4712", "get work-item 4712 -o json", "get pr 88", "get work-item 4711", "get pr 4712"];
    assert_snapshot!(session(&shell, &lines));
}

#[test]
fn wide_shows_more_of_one_thing_too() {
    let lines =
        ["get commit b71f0c3e -o wide", "get pr 88 -o wide", "get work-item 4711 -o wide", "get run 1203 -o wide"];
    assert_snapshot!(session(&with_deployments(), &lines));
}

#[test]
fn what_no_value_is_like_is_said_and_what_it_may_have_been() {
    let lines = [
        "get runs --pipeline chekout-service --result failed",
        "get runs --branch relaese/2.4 --state complete",
        "get runs --organization fabrik --project gitops",
        "get runs --pipeline 12 --result stopped",
        "get environments --organization contoso",
        "get deployments --environment prod",
        "get approvals --status aproved",
        "get runs --pipeline 999 -o json",
    ];
    assert_snapshot!(session(&with_deployments(), &lines));
}

#[test]
fn owners() {
    let shell = with_examples();
    let file = "work_item_branches = \"topic/{id}\"\n\
                [[owners]]\nservice = \"checkout\"\nteam = \"payments\"\npipelines = [\"checkout-service\"]\n\
                [[owners]]\nservice = \"delivery\"\nfolders = [\"\\\\services\\\\*\"]\n";
    fs::write(shell.path().join("pipetrail.toml"), file).unwrap();
    let lines = ["get pipelines", "get pipelines -o csv", "get run 1220 -o json"];
    let said = session(&shell, &lines);
    assert!(said.contains("\"by\": \"folder \\\\services\\\\*\""), "{said}");
    assert!(said.contains("checkout (payments)") && said.contains("unmapped"), "{said}");
    assert!(shell.run("get pr 88 -o csv").lines().filter(|line| line.contains("branchName")).count() == 0);
    let file = "[[owners]]\nservice = \"shop\"\nrepositories = [\"checkout-*\"]\n\
                [[owners]]\nservice = \"other\"\nrepositories = [\"another\"]\n";
    fs::write(shell.path().join("pipetrail.toml"), file).unwrap();
    let body = fs::read_to_string(format!("{}/example-json/build_failed.json", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut body: serde_json::Value = serde_json::from_str(&body.replace("1211", "1299")).unwrap();
    body["resource"]["repository"]["name"] = "another".into();
    fs::write(shell.path().join("another.json"), body.to_string()).unwrap();
    shell.run("enqueue another.json");
    assert!(shell.run("work --until-empty").contains("applied 1"));
    let said = shell.run("get pipelines -o csv");
    let last = said.lines().find(|line| line.contains("1299")).unwrap();
    assert!(last.contains(",shop,"), "the last run built another repository than most: {last}");
    assert!(shell.run("get run 1299 -o json").contains("\"service\": \"other\""), "a run's is its own");
    fs::write(shell.path().join("pipetrail.toml"), "work_item_branches = \"topic\"\nowners = 7\n").unwrap();
    let said = shell.run("get pipelines");
    assert!(said.contains("exit 2") && said.contains("[[owners]]") && said.contains("{id}"), "{said}");
}

#[test]
fn get_run() {
    let lines = [
        "get run 479",
        "get run 479 --organization fabrikam",
        "get run 479 --organization fabrikam -o json",
        "get run 479 --organization fabrikam -o csv",
        "get run 5 --organization contoso",
        "get run 4711",
    ];
    let shell = with_runs();
    assert_snapshot!(session(&shell, &lines));
    // Whoever named the organization is not asked for it again.
    tell(&shell, bare_run("fabrikam", 479));
    let said = shell.run("get run 479 --organization fabrikam");
    assert!(said.contains("there are 2") && said.contains("hint: ") && !said.contains("which one"), "{said}");
}

#[test]
fn get_pipelines_and_stages() {
    let lines = [
        "get pipelines",
        "get pipelines -o wide",
        "get pipelines -o json --organization fabrikam",
        "get pipelines -o csv",
        "get stages 479 --organization fabrikam",
        "get stages 479 --organization fabrikam -o json",
        "get stages 479 --organization fabrikam -o csv",
    ];
    assert_snapshot!(session(&with_runs(), &lines));
}

#[test]
fn dead_letters() {
    let shell = with_dead_letters();
    let lines = [
        "dead-letter list",
        "dead-letter list -o json",
        "dead-letter list --reason no_run_id",
        "dead-letter list --reason nothing -o json",
        "dead-letter list --reason nothing",
        "dead-letter show 1",
        "dead-letter show 1 -o json",
        "dead-letter show 99",
        "dead-letter discard 1 99 --yes",
        "dead-letter discard --all",
        "dead-letter discard --reason not_json --yes",
        "dead-letter requeue --reason no_run_id",
        "dead-letter requeue --all",
        "dead-letter list",
        "dead-letter discard --all --yes",
        "dead-letter discard --all",
        "dead-letter list --reason nothing",
    ];
    assert_snapshot!(session(&shell, &lines));
}

#[test]
fn a_dead_letters_body_comes_back_byte_for_byte() {
    let shell = with_dead_letters();
    let list = shell.command("dead-letter list --reason not_utf8 -o json").output().unwrap();
    let letters: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    let id = letters[0]["id"].as_str().unwrap();
    let body = shell.command(&format!("dead-letter show {id} -o body")).output().unwrap();
    assert_eq!(body.stdout, b"\xff\x00");
}

#[test]
fn enqueue() {
    let shell = Shell::new();
    let folder = shell.path().join("events");
    fs::create_dir_all(folder.join("further")).unwrap();
    fs::create_dir(shell.path().join("none")).unwrap();
    for (name, text) in [("b.json", "{}"), ("a.json", "rubbish"), ("c.ndjson", "1\n\n2\n"), ("d.txt", "x")] {
        fs::write(folder.join(name), text).unwrap();
    }
    fs::write(folder.join("further/e.json"), "{}").unwrap();
    fs::write(shell.path().join("large.json"), vec![b'x'; 2 * 1024 * 1024 + 1]).unwrap();
    fs::write(shell.path().join("large.ndjson"), [b"1\n".as_slice(), &[b'x'; 3 * 1024 * 1024], b"\n2"].concat())
        .unwrap();
    let lines = [
        "enqueue events",
        "enqueue --base64 events/b.json events/c.ndjson",
        "enqueue large.json large.ndjson",
        "enqueue events/b.json nowhere.json",
        "enqueue none",
    ];
    let piped = shell.run_with_stdin("enqueue -", b"{}\n\n{\n  \"a\": 1\n}\n");
    assert_snapshot!(session(&shell, &lines) + "\n" + &piped);
    let queue = SqliteQueue::new(open(&shell));
    let mut bodies: Vec<_> = block_on(queue.receive(Duration::from_secs(120))).unwrap();
    bodies.sort_by_key(|delivery| delivery.id.parse::<u64>().unwrap_or_default());
    let bodies: Vec<_> = bodies.iter().map(|delivery| String::from_utf8_lossy(&delivery.body).into_owned()).collect();
    assert_eq!(bodies, ["{}", "{\n  \"a\": 1\n}", "rubbish", "{}", "1", "2", "e30=", "MQ==", "Mg==", "1", "2"]);
}

#[test]
fn purge_wants_yes() {
    let lines = [
        "purge --older-than 90d --dead-letters-older-than 1h",
        "purge --older-than 90d --yes",
        "purge --older-than 90d",
        "get runs",
    ];
    let shell = with_runs();
    // The limits move with the clock.
    assert_snapshot!(without_times(&session(&shell, &lines)));
}

/// Every time such as `2019-10-02 19:57:36Z` becomes `[time]`.
fn without_times(text: &str) -> String {
    let shape = "dddd-dd-dd dd:dd:ddZ";
    let is_time = |text: &str| {
        text.len() == shape.len()
            && text.chars().zip(shape.chars()).all(|(c, form)| if form == 'd' { c.is_ascii_digit() } else { c == form })
    };
    let mut shown = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if rest.get(..shape.len()).is_some_and(is_time) {
            shown.push_str("[time]");
            rest = &rest[shape.len()..];
        } else {
            shown.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    shown
}

#[test]
fn backup_copies_once() {
    let shell = with_runs();
    assert_snapshot!(session(&shell, &["backup copy.db", "backup copy.db", "get runs --top 1 --data copy.db -o csv"]));
}

#[test]
fn a_port_in_use_is_one_line() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let shown = Shell::new().run(&format!("up --listen {address}"));
    assert_snapshot!(shown.replace(&address, "[address]"));
}

#[test]
fn a_broken_pipe_is_success() {
    let shell = with_runs();
    let mut child = shell.command("get runs -o json").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
}

/// An organization in the manner of Bedrock, in the working directory's file.
fn with_chains() -> Shell {
    let shell = Shell::new();
    let (events, _) = pipetrail::history::bedrock("fabrikam", at("2025-06-13T08:00:00Z"));
    let lines: Vec<_> = events.iter().map(|event| String::from_utf8(event.body.clone()).unwrap()).collect();
    fs::write(shell.path().join("events.ndjson"), lines.join("\n")).unwrap();
    fs::write(shell.path().join("shop.toml"), "[[chains]]\nhld = ['shop-hld']\nmanifest = ['shop-manifests']\n")
        .unwrap();
    for line in ["enqueue events.ndjson", "work --until-empty"] {
        assert!(shell.command(line).output().unwrap().status.success(), "{line}");
    }
    shell
}

#[test]
fn get_deployments_of_chains() {
    let lines = [
        "get deployments -o normal",
        "get deployments -r staging -o wide",
        "get deployments -b 2003 -o json",
        "get deployments -s orders -t 2 -o csv",
        "get deployments -i main-20250611.2 -r MAIN",
        "get deployments -s storefront -t 2 -o WIDE",
        "get deployments -c b10fd2b -t 1",
        "get deployments -d 556963427eeb",
        "get deployments -d 000000000000",
        "get deployments -c zzz",
        "get deployments -s orders --environment production",
        "get deployments --config shop.toml -t 1",
        "get deployments --config shop.toml --current",
        "publish spektate",
    ];
    assert_snapshot!(session(&with_chains(), &lines));
}

/// The events of the examples, and what a script told of.
fn delivered() -> Shell {
    let shell = Shell::new();
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/example-json");
    let report = |metadata: &str| {
        let mut command = shell.command("report mobile deploy --organization fabrikam --metadata");
        assert!(command.arg(metadata).output().unwrap().status.success(), "{metadata}");
    };
    report(r#"{"time": "2025-06-10T09:00:00Z", "commit_id": "b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f"}"#);
    report(r#"{"time": "2025-06-11T09:00:00Z", "status": "failure", "environment": "live"}"#);
    report(r#"{"time": "2025-06-11T10:30:00Z", "environment": "live", "fix": true}"#);
    for line in [
        "incident open OPS-1 --organization fabrikam --pipeline mobile --at 2025-06-11T11:00:00Z",
        &format!("enqueue {examples}"),
        "work --until-empty",
    ] {
        assert!(shell.command(line).output().unwrap().status.success(), "{line}");
    }
    shell
}

const JUNE: &str = "--since 2025-06-09T00:00:00Z --until 2025-06-16T00:00:00Z";

#[test]
fn delivery_metrics_in_every_form() {
    let shell = delivered();
    for (name, options) in [
        ("dora_table", "--by day --group pipeline"),
        ("dora_work", "--show-work"),
        ("dora_wide", "--show-work -o wide"),
        ("dora_csv", "--by day -o csv"),
        ("dora_work_csv", "--show-work -o csv"),
        ("dora_json", "--show-work -o json"),
    ] {
        assert_snapshot!(name, shell.run(&format!("dora {JUNE} {options}")));
    }
}

#[test]
fn get_incidents() {
    let shell = delivered();
    let told = [
        "incident open ops-2 --organization fabrikam --project Shop --title down\u{202e} --at 2025-06-12T11:00:00Z",
        "incident resolve OPS-2 --organization fabrikam --at 2025-06-12T11:40:00Z",
        "work --until-empty",
    ];
    for line in told {
        assert!(shell.command(line).output().unwrap().status.success(), "{line}");
    }
    let lines = [
        "get incidents --project shop",
        "get incidents --project shop -o wide",
        "get incidents -o csv",
        "get incidents --since 2025-06-12T00:00:00Z -o json",
        "get incidents --top 1 -o csv",
        "get incidents --organization contoso",
    ];
    assert_snapshot!(session(&shell, &lines));
    let open = shell.run("get incidents --open -o csv");
    assert!(open.contains("ops-1,") && !open.contains("ops-2,"), "{open}");
}

#[test]
fn how_pipelines_run_in_every_form() {
    let shell = delivered();
    for (name, options) in [
        ("flow_table", "--group pipeline"),
        ("flow_wide", "-o wide"),
        ("flow_csv", "--group repository -o csv"),
        ("flow_json", "--time-zone Asia/Kolkata -o json"),
    ] {
        assert_snapshot!(name, shell.run(&format!("dora --flow {JUNE} {options}")));
    }
}

#[test]
fn an_environment_of_a_classic_release_is_deployed_to() {
    let told = delivered().run(&format!("dora {JUNE} --environment dev --show-work -o json"));
    for part in [r#""source": "release""#, r#""runId": 31"#, r#""environment": "Dev""#, r#""known": "record""#] {
        assert!(told.contains(part), "{part}: {told}");
    }
}
