//! The program as a process beside an Azure DevOps: backfill, reconciliation, messages that tell too little.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use pipetrail::domain::Time;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::fake_ado::{Build, FakeAdo, Project, TOKEN, Trouble, tell};
use crate::support::{all_tests, bodies, time};

const LIMIT: Duration = Duration::from_secs(60);

struct Shell<'a> {
    folder: tempfile::TempDir,
    ado: &'a FakeAdo,
}

impl<'a> Shell<'a> {
    fn new(ado: &'a FakeAdo) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), ado }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pipetrail"));
        command.args(line.split_whitespace()).current_dir(self.path()).env_clear().stdin(Stdio::null());
        command.envs([("PIPETRAIL_ADO_URL", self.ado.url().as_str()), ("PIPETRAIL_ADO_TOKEN", TOKEN)]);
        command
    }

    fn output(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// Exit code, and what it says on stderr.
    fn said(&self, line: &str) -> (Option<i32>, String) {
        let output = self.output(line);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    fn run(&self, line: &str) -> String {
        let (code, said) = self.said(line);
        assert_eq!(code, Some(0), "{line}: {said}");
        said
    }

    fn json(&self, line: &str) -> Value {
        let output = self.output(&format!("{line} -o json"));
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn runs(&self) -> usize {
        self.json("get runs --top 0").as_array().unwrap().len()
    }
}

/// Ended with the test, whatever becomes of it.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        self.0.wait().map(drop).unwrap_or_default();
    }
}

fn wait_for(what: &str, mut right: impl FnMut() -> bool) {
    let started = Instant::now();
    while !right() {
        assert!(started.elapsed() < LIMIT, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

const ALL: &str = "backfill --organization Fabrikam --all-projects --since 2026-01-01T00:00:00Z";

async fn told_of(count: usize) -> FakeAdo {
    let ado = FakeAdo::start().await;
    tell(&mut ado.state(), &bodies(count));
    ado
}

fn failed(ado: &FakeAdo) -> u64 {
    let state = ado.state();
    let told = |build: &&Build| {
        let issues = |record: &Value| record["issues"].is_array();
        build.result.as_deref() == Some("failed") && state.timelines[&build.id].records.iter().any(issues)
    };
    state.builds.values().find(told).unwrap().id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_fills_an_empty_file_and_tells_why_runs_failed() {
    let ado = told_of(3_000).await;
    let shell = Shell::new(&ado);
    let said = shell.run(&format!("{ALL} --timelines"));
    let builds = ado.state().builds.len();
    assert!(said.contains(&format!("backfilled {builds} builds of 2 projects: runs with news ")), "{said}");
    assert_eq!(shell.runs(), builds);
    let id = failed(&ado);
    let run = shell.json(&format!("get run {id}"));
    assert_eq!(run["failure"]["signature"], "Test <n> failed in <path>: exit code <n>");
    assert_eq!(run["failure"]["task"], "Run the tests");
    let text = String::from_utf8(shell.output(&format!("get run {id}")).stdout).unwrap();
    for line in ["Failed in      ", " / Job / Run the tests\n", "Error          Test ", "Log            https://"] {
        assert!(text.contains(line), "{text}");
    }
    shell.run("refold --check");
    assert!(shell.run(ALL).starts_with(&format!("backfilled {builds} builds")), "without timelines it is another one");
}

/// No push is known, as of a repository at GitHub: then Azure DevOps is asked what came between two deployments, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_of_code_asks_what_deployments_brought_where_nothing_else_tells() {
    let ado = told_of(3_000).await;
    let built: Vec<(u64, String)> = ado.state().builds.values().map(|build| (build.id, build.commit.clone())).collect();
    for (id, commit) in built {
        let change = json!({"id": commit, "timestamp": "2026-03-01T00:00:00Z", "type": "GitHub"});
        ado.state().code.changes.insert(id, vec![change]);
    }
    let shell = Shell::new(&ado);
    shell.run(&format!("{ALL} --timelines=all"));
    let coverage = || shell.json("dora --since 2026-01-01T00:00:00Z")["coverage"].clone();
    let before = coverage();
    let unknown = before["commitsUnknown"].as_u64().unwrap();
    assert!(unknown > 3 && before["commitsLikely"] == 0, "{before}");
    let said = shell.run(&format!("{ALL} --kinds code"));
    assert!(said.contains("deployments compared "), "{said}");
    let after = coverage();
    assert_eq!((&after["commitsUnknown"], &after["commitsLikely"]), (&json!(0), &json!(0)), "{after}");
    let asked = ado.state().count("/build/changes");
    assert!(asked >= usize::try_from(unknown).unwrap(), "also those of other environments: {asked}");
    let again = shell.run(&format!("{ALL} --kinds code --again"));
    assert!(!again.contains("compared") && ado.state().count("/build/changes") == asked, "once: {again}");
    shell.run("refold --check");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_one_line_with_what_to_do() {
    let ado = told_of(200).await;
    let shell = Shell::new(&ado);
    let one = "backfill --organization fabrikam --project Spartan";
    let says = |line: &str, error: &str, hint: &str| {
        let (code, said) = shell.said(line);
        let lines: Vec<_> = said.lines().filter(|line| !line.contains("WARN")).collect();
        assert_eq!(code, Some(1), "{said}");
        assert!(lines.len() == 2 && lines[0].starts_with("error: ") && lines[0].contains(error), "{said}");
        assert!(lines[1].starts_with("hint: ") && lines[1].contains(hint), "{said}");
        assert!(!said.contains(TOKEN));
    };
    says("backfill --organization nobody --all-projects", "nobody/_apis/projects: not found", "--organization");
    says("backfill --organization nobody --project Spartan", "nobody/Spartan/_apis/build/builds: not found", "renamed");
    says("backfill --organization fabrikam --project Spartacus", "TF200016", "renamed");
    ado.state().forbids = true;
    says(one, "not allowed: TF400813", "Build (read)");
    ado.state().forbids = false;
    let started = Instant::now();
    says(&format!("{one} --ado-url http://127.0.0.1:9"), "not available", "--ado-url");
    assert!(started.elapsed() < Duration::from_secs(25), "nobody waits for a wrong address");
    ado.trouble([Trouble::NotJson]);
    says(one, "the answer is not what it should be: not_json", "--ado-url");
    ado.state().endless = true;
    says(one, "the list does not end", "report");
    ado.state().endless = false;
    ado.state().accepted.clear();
    says(one, "does not accept the token (203 and a sign-in page)", "PIPETRAIL_ADO_TOKEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_project_that_fails_is_told_and_costs_no_other() {
    let ado = told_of(3_000).await;
    let shell = Shell::new(&ado);
    let (code, said) =
        shell.said("backfill --organization fabrikam --project One,Platform,Two --since 2026-01-01T00:00:00Z");
    assert_eq!(code, Some(1), "{said}");
    for line in ["does not exist: One.", "of 1 project: runs with news", "does not exist: Two."] {
        assert_eq!(said.matches(line).count(), 1, "{line}: {said}");
    }
    assert!(said.contains("error: fabrikam/Two/"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_said_is_wrong_usage() {
    let ado = FakeAdo::start().await;
    let shell = Shell::new(&ado);
    for (line, hint) in [
        ("backfill --project Spartan", "PIPETRAIL_ORGANIZATION"),
        ("backfill --organization fabrikam", "--all-projects"),
        ("work --reconcile 15m", "PIPETRAIL_ORGANIZATION"),
        ("backfill --since 10d --until 20d", "--since is the longer one"),
        ("backfill --since 2999-01-01T00:00:00Z", "--since is in the future"),
        ("backfill --since -5d", "'--since <WHEN>'"),
        ("backfill --until -5d", "'--until <WHEN>'"),
        ("backfill --organization https://dev.azure.com/fabrikam --project Spartan", "the name alone"),
        ("subscriptions plan --to web-hook --organization a/b --project Spartan", "the name alone"),
        ("work --enrol", "add --watch-hooks 10m"),
    ] {
        let (code, said) = shell.said(line);
        assert!(code == Some(2) && said.contains(hint), "{line}: {said}");
    }
    let (code, said) = shell.said("up --watch-hooks 10m --listen 127.0.0.1:0");
    let all = said.contains("PIPETRAIL_ORGANIZATION") && said.contains("PIPETRAIL_PUBLIC_URL");
    assert!(code == Some(2) && all && !said.contains("listening") && !said.contains("--url"), "{said}");
    assert!(ado.state().requests.is_empty());
    let mut named = shell.command("backfill --since 2026-01-01T00:00:00Z");
    named.envs([("PIPETRAIL_ORGANIZATION", "Fabrikam"), ("PIPETRAIL_PROJECTS", "Spartan,Platform")]);
    assert!(named.output().unwrap().status.success());
}

/// Silence is not taken for an end, and it is said who is silent.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_answer_is_waited_for_aloud() {
    let ado = FakeAdo::start().await;
    let shell = Shell::new(&ado);
    let line = "backfill --organization fabrikam --project Spartan";
    let begin = |command: &mut Command| command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut by_command = shell.command(line);
    by_command.env_remove("PIPETRAIL_ADO_TOKEN");
    by_command.env("PIPETRAIL_ADO_BEARER_COMMAND", "while [ ! -e told ]; do sleep 0.05; done; echo t");
    let released = CancellationToken::new();
    ado.state().trouble = Some(Trouble::Held(released.clone()));
    let by_command = begin(by_command.env("PATH", "/bin"));
    let by_token = begin(&mut shell.command(line));
    let (command, who) = until_waiting(by_command);
    assert_eq!(who, "a token from the command of PIPETRAIL_ADO_BEARER_COMMAND");
    let (token, who) = until_waiting(by_token);
    assert_eq!(who, format!("Azure DevOps at {}", ado.url()));
    fs::write(shell.path().join("told"), "").unwrap();
    released.cancel();
    assert!(!to_the_end(command).contains("waiting for"), "it is said once");
    assert!(!to_the_end(token).contains("waiting for"), "it is said once");
}

/// What a command says up to the line that tells whom it waits for; and who that is.
fn until_waiting(mut child: Child) -> ((Child, impl BufRead), String) {
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while lines.read_line(&mut line).unwrap() > 0 {
        if let Some((_, who)) = line.trim_end().split_once("waiting for ") {
            return ((child, lines), who.to_owned());
        }
        line.clear();
    }
    panic!("it ended and waited for nobody");
}

fn to_the_end((mut child, mut lines): (Child, impl BufRead)) -> String {
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    child.wait().unwrap();
    rest
}

/// An event as a subscription with minimal resources may send it: what it is about, and no more.
fn minimal(kind: &str, id: u64, project: &str) -> Vec<u8> {
    let base = "https://dev.azure.com/fabrikam/";
    let resource = match kind {
        "build.complete" => json!({"id": id, "url": format!("{base}{project}/_apis/build/Builds/{id}")}),
        _ => json!({"runId": id, "runUrl": format!("{base}{project}/_build/results?buildId={id}")}),
    };
    let containers = json!({"collection": {"id": "x", "baseUrl": base}, "project": {"id": project}});
    let event = json!({"eventType": kind, "resource": resource, "resourceVersion": "2.0",
        "resourceContainers": containers, "createdDate": "2026-03-02T09:00:00Z"});
    event.to_string().into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_only_names_a_run_becomes_a_question() {
    let ado = told_of(3_000).await;
    let shell = Shell::new(&ado);
    let id = failed(&ado);
    let (project, other) = {
        let state = ado.state();
        let project = state.builds[&id].project.clone();
        let other = state.builds.values().find(|build| build.id != id && build.project == project).unwrap().id;
        (project, other)
    };
    // One names no project either.
    let mut bare: Value = serde_json::from_slice(&minimal("build.complete", id, &project)).unwrap();
    bare["resource"] = json!({"id": id});
    bare["resourceContainers"]["project"] = Value::Null;
    fs::write(shell.path().join("a.json"), bare.to_string()).unwrap();
    fs::write(shell.path().join("b.json"), minimal("ms.vss-pipelines.run-state-changed-event", other, &project))
        .unwrap();
    fs::write(shell.path().join("c.json"), minimal("build.complete", 7, &project)).unwrap();
    fs::write(shell.path().join("d.json"), &bodies(1)[0]).unwrap();
    shell.run("enqueue .");
    // A token that is not valid holds nothing up.
    let accepted = std::mem::take(&mut ado.state().accepted);
    let said = shell.run("work --until-empty");
    assert!(said.contains("received 4: applied 1, to be asked for 3") && said.contains("not asked for yet"), "{said}");
    assert_eq!(shell.runs(), 1);
    ado.state().accepted = accepted;
    let said = shell.run("work --until-empty");
    assert!(said.contains("run 7: a message named it, but there is no such build"), "{said}");
    let run = shell.json(&format!("get run {id}"));
    assert_eq!((&run["result"], &run["failure"]["task"]), (&"failed".into(), &"Run the tests".into()));
    shell.json(&format!("get run {other}"));
    let before = ado.state().requests.len();
    shell.run("work --until-empty");
    assert_eq!(ado.state().requests.len(), before, "what was asked for is not asked for again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_only_names_a_run_is_a_dead_letter_where_nobody_can_ask() {
    let ado = FakeAdo::start().await;
    let shell = Shell::new(&ado);
    fs::write(shell.path().join("a.json"), minimal("build.complete", 479, "p")).unwrap();
    let mut none: Value = serde_json::from_slice(&minimal("build.complete", 479, "p")).unwrap();
    none["resource"] = Value::Null;
    fs::write(shell.path().join("b.json"), none.to_string()).unwrap();
    shell.run("enqueue .");
    let mut work = shell.command("work --until-empty");
    assert!(work.env_remove("PIPETRAIL_ADO_TOKEN").output().unwrap().status.success());
    let letters = shell.json("dead-letter list");
    let reasons: Vec<_> = letters.as_array().unwrap().iter().map(|letter| letter["reason"].to_string()).collect();
    let told = |code: &str, what: &str| reasons.iter().any(|reason| reason.contains(code) && reason.contains(what));
    assert!(
        told("no_pipeline_id", "PIPETRAIL_ADO_TOKEN") && told("resource_null", "Resource details to send"),
        "{reasons:?}"
    );
    assert!(ado.state().requests.is_empty());
    // `none` names no run, whoever could ask.
    shell.run("dead-letter requeue --all");
    shell.run("work --until-empty");
    assert_eq!(shell.json("dead-letter list").as_array().unwrap().len(), 1);
}

/// Who is told to ask without a token asks Microsoft Entra, here in vain.
#[tokio::test(flavor = "multi_thread")]
async fn who_watches_hooks_can_ask_without_a_token() {
    let ado = FakeAdo::start().await;
    let shell = Shell::new(&ado);
    fs::write(shell.path().join("a.json"), minimal("build.complete", 479, "p")).unwrap();
    shell.run("enqueue .");
    let mut work = shell.command("work --watch-hooks 10m");
    work.env_remove("PIPETRAIL_ADO_TOKEN").env("PIPETRAIL_ORGANIZATION", "fabrikam");
    work.envs([("PIPETRAIL_PUBLIC_URL", "https://pipetrail.example"), ("AZURE_CREDENTIAL_KIND", "azurecli")]);
    let log = fs::File::create(shell.path().join("log")).unwrap();
    let _work = Killed(work.stdout(Stdio::null()).stderr(log).spawn().unwrap());
    let log = || fs::read_to_string(shell.path().join("log")).unwrap();
    wait_for("the run is not asked for", || log().contains("asked for again later"));
    assert_eq!(shell.json("dead-letter list"), Value::Array(Vec::new()), "{}", log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hooks_missed_counts_also_where_another_project_fails() {
    let ado = told_of(300).await;
    shift_to_now(&ado);
    let shell = Shell::new(&ado);
    let mut work = shell.command("work --reconcile 1s --listen 127.0.0.1:0");
    let log = fs::File::create(shell.path().join("log")).unwrap();
    work.envs([("PIPETRAIL_ORGANIZATION", "fabrikam"), ("PIPETRAIL_PROJECTS", "Spartan,Nobody,Nothing")]);
    let _work = Killed(work.stdout(Stdio::null()).stderr(log).spawn().unwrap());
    let log = || fs::read_to_string(shell.path().join("log")).unwrap();
    wait_for("the round does not end", || log().contains("reconciled"));
    for project in ["Nobody", "Nothing"] {
        assert!(log().contains(&format!("The following project does not exist: {project}.")), "{}", log());
    }
    let metrics = metrics(&log()).await;
    let failed = "pipetrail_reconcile_rounds_total{outcome=\"failed\"}";
    assert!(missed(&metrics) > 20 && metrics.contains(failed), "{metrics}");
}

/// Of the program whose log this is.
async fn metrics(log: &str) -> String {
    let address = log.split("http://").nth(1).unwrap().split([',', ' ']).next().unwrap();
    reqwest::get(format!("http://{address}/metrics")).await.unwrap().text().await.unwrap()
}

fn missed(metrics: &str) -> usize {
    let missed = metrics.lines().find_map(|line| line.strip_prefix("pipetrail_reconcile_missed_total "));
    missed.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hooks_missed_is_found_on_a_schedule() {
    let ado = told_of(300).await;
    shift_to_now(&ado);
    let shell = Shell::new(&ado);
    let mut work = shell.command("work --reconcile 1s --listen 127.0.0.1:0");
    let log = fs::File::create(shell.path().join("log")).unwrap();
    work.env("PIPETRAIL_ORGANIZATION", "fabrikam").stdout(Stdio::null()).stderr(log);
    let _work = Killed(work.spawn().unwrap());
    let builds = ado.state().builds.len();
    wait_for("the runs are not there", || shell.path().join("pipetrail.db").exists() && shell.runs() == builds);
    let log = || fs::read_to_string(shell.path().join("log")).unwrap();
    wait_for("it is not told", || log().contains("reconciled"));
    let metrics = metrics(&log()).await;
    assert!(missed(&metrics) >= builds, "{metrics}");
    assert!(metrics.contains("pipetrail_reconcile_rounds_total{outcome=\"done\"}"), "{metrics}");
    assert!(metrics.contains("pipetrail_ado_requests_total{status=\"200\"}"), "{metrics}");
    // An outage of the service is told, and over when it is over.
    ado.state().trouble = Some(Trouble::Status(400, None));
    wait_for("the failure is not told", || log().contains("reconciliation: failed"));
    ado.state().trouble = None;
    let id = *ado.state().builds.keys().next_back().unwrap();
    let new = Build { id: id + 1, ..ado.state().builds[&id].clone() };
    ado.state().put(new);
    wait_for("it did not go on", || shell.runs() == builds + 1);
}

/// The same builds, the last of them just over.
fn shift_to_now(ado: &FakeAdo) {
    let mut state = ado.state();
    let last = state.builds.values().map(|build| build.changed).max().unwrap();
    let now = pipetrail::clock::Clock::now(&pipetrail::clock::SystemClock);
    let shift = |at: Time| at.plus(now.since(last));
    let builds: Vec<Build> = state.builds.values().cloned().collect();
    state.by_finish.clear();
    for mut build in builds {
        (build.queued, build.changed) = (shift(build.queued), shift(build.changed));
        (build.started, build.finished) = (build.started.map(shift), build.finished.map(shift));
        state.put(build);
    }
}

/// Many builds, each a minute after the one before.
fn many(ado: &FakeAdo, count: u64) {
    let mut state = ado.state();
    let project = Project::named("Spartan");
    let first = time("2026-01-01T00:00:00Z");
    for id in 1..=count {
        let finished = first.plus(Duration::from_secs(60 * id));
        let build = Build {
            id,
            number: format!("20260101.{id}"),
            project: project.id.clone(),
            definition: (1 + id % 50, format!("pipeline-{}", 1 + id % 50)),
            status: "completed".to_owned(),
            result: Some("succeeded".to_owned()),
            queued: finished.minus(Duration::from_secs(600)),
            started: Some(finished.minus(Duration::from_secs(590))),
            finished: Some(finished),
            changed: finished,
            branch: "refs/heads/main".to_owned(),
            commit: format!("{id:040x}"),
            repository: "spartan-app".to_owned(),
            reason: "individualCI".to_owned(),
            person: "Ada Quill".to_owned(),
            extra: serde_json::Value::Null,
        };
        state.put(build);
    }
    state.page = 10_000;
}

/// 64 MiB, in KiB, however many builds there are.
const MOST_MEMORY: u64 = 64 << 10;

/// What it holds now, in KiB, without the pages of the program itself, of which a build with checks has many.
fn own_memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// One request for 500 builds, none for a build. The long form of the test takes 100,000.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn many_builds_cost_few_requests_and_little_memory() {
    let count: u64 = if all_tests() { 100_000 } else { 5_000 };
    let ado = FakeAdo::start().await;
    many(&ado, count);
    let shell = Shell::new(&ado);
    let line = "backfill --organization fabrikam --project Spartan --since 2026-01-01T00:00:00Z";
    let mut child = Killed(shell.command(line).stderr(Stdio::piped()).spawn().unwrap());
    let started = Instant::now();
    let mut peak = 0;
    while child.0.try_wait().unwrap().is_none() {
        peak = peak.max(own_memory(child.0.id()).unwrap_or_default());
        assert!(started.elapsed() < LIMIT * 15, "it takes too long");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!((1..MOST_MEMORY).contains(&peak), "{peak} KiB");
    // And one for the open ones.
    assert_eq!(ado.state().requests.len(), usize::try_from(count.div_ceil(500) + 1).unwrap());
    assert_eq!(shell.runs(), usize::try_from(count).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_it_goes_on_where_it_was() {
    let ado = FakeAdo::start().await;
    many(&ado, 3_000);
    ado.state().page = 50;
    let shell = Shell::new(&ado);
    let line = "backfill --organization fabrikam --project Spartan --since 2026-01-01T00:00:00Z";
    ado.state().trouble = Some(Trouble::Late(Duration::from_millis(20)));
    let mut child = Killed(shell.command(line).stderr(Stdio::null()).spawn().unwrap());
    wait_for("it does not begin", || ado.state().requests.len() > 25);
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    ado.state().trouble = None;
    let before = ado.state().requests.len();
    shell.run(line);
    let more = ado.state().requests.len() - before;
    assert!(more < 45, "{more} of 61 requests");
    assert_eq!(shell.runs(), 3_000);
    shell.run("refold --check");
}
