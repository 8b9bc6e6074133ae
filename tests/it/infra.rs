//! What is in `infra/`, in `scripts/` and in the README says what the program says: variables, options, routes, metrics;
//! and the steps of `compose.yaml`, without a container.
//!
//! None of it was deployed here. Names of others are compared with published schemas by `scripts/check-infra`.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::CommandFactory as _;
use pipetrail::cli::Cli;
use pipetrail::config::SETTINGS;
use serde_json::Value;

use crate::azurite::Azurite;
use crate::fake_ado::{FakeAdo, TOKEN};
use crate::shell::{Running, Shell};
use crate::support::until;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap()
}

fn all_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|entry| if entry.is_dir() { all_in(&entry) } else { vec![entry] }).collect()
}

/// Everything beside the code that people type from or run, with its name.
fn texts() -> Vec<(String, String)> {
    let mut files = [all_in(&top().join("infra")), all_in(&top().join("scripts"))].concat();
    files.extend([top().join("README.md"), top().join(".dockerignore")]);
    let text = |file: PathBuf| {
        let name = file.strip_prefix(top()).unwrap().display().to_string();
        (name, fs::read_to_string(file).unwrap())
    };
    files.into_iter().map(text).collect()
}

/// Words of capital letters that begin so.
fn words<'a>(text: &'a str, prefix: &str) -> Vec<&'a str> {
    let part = |at: usize| {
        let rest = &text[at..];
        let end = rest.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
        &rest[..end.unwrap_or(rest.len())]
    };
    text.match_indices(prefix).map(|(at, _)| part(at)).filter(|word| word.len() > prefix.len()).collect()
}

#[test]
fn every_variable_that_is_named_is_one_of_the_programs() {
    let known: BTreeSet<&str> = SETTINGS.iter().map(|setting| setting.variable).collect();
    // Of the tests; of scripts/report.sh; a secret whose name the README makes up for `client_secret_env`.
    let others = ["PIPETRAIL_TEST_ALL", "PIPETRAIL_URL", "PIPETRAIL_OIDC_SECRET"];
    let mut faults = Vec::new();
    for (file, text) in texts() {
        let named = ["PIPETRAIL_", "AZURE_STORAGE_"].iter().flat_map(|prefix| words(&text, prefix));
        let unknown = named.filter(|name| !known.contains(name) && !others.contains(name) && !name.ends_with('_'));
        faults.extend(unknown.map(|name| format!("{file}: {name}")));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Calls of the program: `pipetrail …` in texts, and lists of arguments as containers take them.
fn calls(text: &str) -> Vec<Vec<String>> {
    let cut = |rest: &str| {
        let end = rest.find(['`', '|', '&', ';', '#', '\n', '<', '>', '"', '(', ')', ',', '…']).unwrap_or(rest.len());
        rest[..end].split_whitespace().map(str::to_owned).collect()
    };
    let typed = text.match_indices("pipetrail ").filter(|(at, _)| is_start(text, *at));
    let mut calls: Vec<Vec<String>> = typed.map(|(at, name)| cut(&text[at + name.len()..])).collect();
    for line in text.lines().map(str::trim) {
        let list = ["args: [", "command: [", "CMD [", "ExecStart=/usr/local/bin/pipetrail "];
        let Some(rest) = list.iter().find_map(|start| line.strip_prefix(start)) else { continue };
        let words = rest.split([',', ' ', '[', ']', '"']).filter(|word| !word.is_empty());
        let call: Vec<String> = words.filter(|word| !word.contains("/bin/")).map(str::to_owned).collect();
        calls.extend(Some(call).filter(|call| call.first().is_none_or(|first| first != "azurite")));
    }
    calls
}

/// Whether a command may begin there: in code, and not in the middle of a word or a path of something else.
fn is_start(text: &str, at: usize) -> bool {
    let before = text[..at].chars().next_back().unwrap_or('\n');
    let line = text[..at].rsplit('\n').next().unwrap_or_default();
    let in_code = line.matches('`').count() % 2 == 1;
    // An option of another program, such as a namespace.
    if line.trim_end().ends_with(" -n") || line.trim_end().ends_with(" -g") {
        return false;
    }
    let alone =
        line.trim().is_empty() || line.contains("PIPETRAIL_") || line.trim_end().ends_with(['|', '&', '$', '(']);
    (before == '`' || before.is_whitespace() || before == '/') && (in_code || alone)
}

/// What is wrong with a call: a command or an option that the program does not know.
fn fault(root: &clap::Command, call: &[String]) -> Option<String> {
    let mut command = root;
    let mut words = call.iter().peekable();
    // What every command takes may stand before it.
    while let Some(flag) = words.next_if(|word| word.starts_with("--")) {
        let global = root.get_arguments().find(|arg| arg.get_long() == flag.strip_prefix("--"));
        match global {
            Some(arg) if arg.get_action().takes_values() => drop(words.next()),
            Some(_) => {}
            None => return Some(format!("pipetrail takes no {flag}")),
        }
    }
    while let Some(found) = words.peek().and_then(|word| command.find_subcommand(word)) {
        command = found;
        words.next();
    }
    let is_command = |word: &str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-');
    if let Some(word) = words.peek().filter(|word| command.has_subcommands() && is_command(word)) {
        return Some(format!("no command {word}"));
    }
    let takes = |flag: &str| {
        let all = command.get_arguments().chain(root.get_arguments());
        all.into_iter().any(|arg| arg.get_long() == Some(flag)) || ["help", "version"].contains(&flag)
    };
    let flags = words.filter_map(|word| word.strip_prefix("--")?.split(['=', '.', ':', ']']).next());
    let unknown = flags.filter(|flag| !flag.is_empty()).find(|flag| !takes(flag))?;
    Some(format!("{} takes no --{unknown}", command.get_bin_name().unwrap_or_default()))
}

#[test]
fn every_call_is_one_that_the_program_takes() {
    let mut root = Cli::command();
    root.build();
    let (mut faults, mut count) = (Vec::new(), 0);
    for (file, text) in texts() {
        let calls = calls(&text);
        count += calls.len();
        let wrong =
            calls.iter().filter_map(|call| Some(format!("{file}: {}: {}", call.join(" "), fault(&root, call)?)));
        faults.extend(wrong);
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(count > 100, "only {count} calls were found");
}

#[test]
fn a_wrong_call_is_found() {
    let mut root = Cli::command();
    root.build();
    let text =
        "`pipetrail wrok --until-empty`\n    pipetrail work --untilempty\nargs: [\"serve\", \"--lisen\", \"x\"]\n";
    let found: Vec<_> = calls(text).iter().filter_map(|call| fault(&root, call)).collect();
    assert_eq!(found, ["no command wrok", "pipetrail work takes no --untilempty", "pipetrail serve takes no --lisen"]);
}

/// Bicep's lists go over several lines.
#[test]
fn the_options_in_bicep_are_those_of_the_worker_and_the_reader() {
    let mut root = Cli::command();
    root.build();
    let text = read("infra/modules/apps.bicep");
    let flags: Vec<&str> =
        text.lines().filter_map(|line| line.trim().strip_prefix("'--")?.strip_suffix('\'')).collect();
    assert!(flags.len() >= 4, "{flags:?}");
    for flag in flags {
        let of = |name: &str| root.find_subcommand(name).unwrap().get_arguments().any(|a| a.get_long() == Some(flag));
        assert!(of("work") || of("serve"), "--{flag}");
    }
}

/// What deployment chains want has its place wherever the program runs.
#[test]
fn chains_can_be_configured_everywhere() {
    let kubernetes: String =
        all_in(&top().join("infra/kubernetes")).iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let places = ["infra/compose.yaml", "infra/modules/apps.bicep", "infra/README.md"].map(read);
    for variable in ["PIPETRAIL_CONFIG", "PIPETRAIL_FLUX_SECRET", "PIPETRAIL_SPEKTATE_TABLE"] {
        for text in places.iter().chain([&kubernetes]) {
            assert!(text.contains(variable), "{variable}");
        }
    }
    let example = read("infra/pipetrail.toml");
    let of_kubernetes = kubernetes.lines().filter_map(|line| line.strip_prefix("    ")).collect::<Vec<_>>().join("\n");
    let chains = example.split_once("[[chains]]").unwrap().1.trim();
    assert!(of_kubernetes.contains(chains), "the same everywhere");
    let shell = Shell::local();
    fs::write(shell.path().join("pipetrail.toml"), &example).unwrap();
    let (_, said) = shell.said("get runs");
    assert!(!said.contains("pipetrail.toml"), "{said}");
}

/// Each alert has its part in the runbook, and so has each that Azure sends.
#[test]
fn the_runbook_has_a_part_for_every_alert() {
    let runbook = read("infra/RUNBOOK.md").to_lowercase();
    let alerts = read("infra/prometheus/alerts.yml");
    let mut titles: Vec<String> = Vec::new();
    titles.extend(alerts.split("RUNBOOK.md#").skip(1).map(|rest| rest.split('"').next().unwrap().replace('-', " ")));
    let azure = read("infra/modules/alerts.bicep");
    titles.extend(azure.split("RUNBOOK: ").skip(1).map(|rest| rest.split('\'').next().unwrap().to_owned()));
    assert!(titles.len() >= 10, "{titles:?}");
    for title in titles {
        assert!(runbook.contains(&format!("\n### {title}\n")), "{title}");
    }
}

/// The fields that Azure's alerts ask for are those of the log's lines.
#[test]
fn azures_alerts_ask_for_what_is_logged() {
    let alerts = read("infra/modules/alerts.bicep");
    let sources =
        [read("src/ingest/watch.rs"), read("src/subscriptions/watch.rs"), read("src/ingest/worker/settle.rs")];
    for says in ["queue looked at", "hooks looked at", "batch settled"] {
        assert!(alerts.contains(&format!("\"{says}\"")), "{says}");
        assert!(sources.iter().any(|source| source.contains(&format!("\"{says}\""))), "{says}");
    }
    for field in alerts.split("todouble(line.").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        assert!(sources.iter().any(|source| source.contains(field)), "{field}");
    }
}

/// What the image's build copies from here.
fn copied() -> Vec<String> {
    let dockerfile = read("infra/Dockerfile");
    let copies =
        dockerfile.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|rest| !rest.starts_with("--"));
    let sources = copies.flat_map(|copy| {
        let mut words: Vec<&str> = copy.split_whitespace().collect();
        words.pop();
        words
    });
    sources.map(str::to_owned).collect()
}

#[test]
fn what_the_image_copies_is_there_and_not_ignored() {
    let ignored = read(".dockerignore");
    for source in copied() {
        assert!(top().join(&source).exists(), "{source} is not there");
        assert!(ignored.lines().any(|line| line == format!("!{source}")), "{source} is ignored");
    }
}

/// Installed from a package, by a shell that starts: whatever a configuration holds.
#[test]
fn completions_and_manuals_need_no_configuration() {
    let shell = Shell::local();
    fs::write(shell.path().join("pipetrail.toml"), "no such thing").unwrap();
    let (code, _) = shell.said("get runs");
    assert_eq!(code, Some(2));
    for (name, says) in [("bash", "complete -F _pipetrail"), ("zsh", "#compdef pipetrail"), ("fish", "complete -c")] {
        let script = String::from_utf8(shell.run(&format!("completions {name}")).stdout).unwrap();
        assert!(script.contains(says) && script.contains("dead-letter"), "{name}");
    }
    shell.run("man pages/man1");
    let page = fs::read_to_string(shell.path().join("pages/man1/pipetrail-work.1")).unwrap();
    assert!(page.contains("until\\-empty") && page.contains(env!("CARGO_PKG_VERSION")), "{page}");
}

#[test]
fn the_alerts_come_when_they_should() {
    let tool =
        Command::new("promtool").args(["test", "rules", "tests/infra/alerts.test.yml"]).current_dir(top()).output();
    let tool = tool.expect("promtool, which scripts/test installs into target/tools");
    assert!(tool.status.success(), "{}", String::from_utf8_lossy(&tool.stdout));
}

/// The lines of a block of `compose.yaml`: `NAME: value`.
fn settings(text: &str) -> Vec<(String, String)> {
    let variable = |line: &str| {
        let (name, value) = line.trim().split_once(": ")?;
        let is_variable = name.starts_with("PIPETRAIL_") || name.starts_with("AZURE_");
        is_variable.then(|| (name.to_owned(), value.trim_matches('"').to_owned()))
    };
    text.lines().filter_map(variable).collect()
}

/// What stands between two texts.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).unwrap().1.split_once(end).unwrap().0
}

/// The arguments of a service, on any port.
fn arguments(service: &str) -> Vec<String> {
    let list = between(service, "command: [", "]").replace("0.0.0.0:8080", "0.0.0.0:0");
    list.split(", ").map(|word| word.trim_matches('"').to_owned()).collect()
}

/// With Azurite, a worker and a reader, as `compose.yaml` starts them: the same arguments, variables and order.
#[tokio::test(flavor = "multi_thread")]
async fn the_steps_of_compose_work_without_a_container() {
    let compose = read("infra/compose.yaml");
    let azurite = Azurite::on_disk().await;
    let endpoint = |text: String| {
        text.replace("http://azurite:10001/devstoreaccount1", &azurite.queue_endpoint())
            .replace("http://azurite:10002/devstoreaccount1", &azurite.table_endpoint())
            .replace("/etc/pipetrail.toml", top().join("infra/pipetrail.toml").to_str().unwrap())
    };
    let shared = settings(between(&compose, "x-settings:", "\n\n"));
    let [worker, reader] =
        ["worker", "reader"].map(|name| between(&compose, &format!("\n  {name}:\n"), "\n\n").to_owned());
    let shell = Shell::local();
    let command = |service: &str| {
        let mut command = shell.command("");
        let variables = shared.iter().cloned().chain(settings(service)).map(|(name, value)| (name, endpoint(value)));
        command.args(arguments(service)).envs(variables).env("PIPETRAIL_CATALOG", shell.path().join("catalog.db"));
        command
    };
    let healthy = || {
        let mut check = shell.command("check");
        let variables = shared.iter().map(|(name, value)| (name, endpoint(value.clone())));
        check.envs(variables).env("PIPETRAIL_CATALOG", shell.path().join("catalog.db"));
        check.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    };
    let working = Running::start(command(&worker));
    let at_worker = working.address().replace("0.0.0.0", "127.0.0.1");
    until("the worker is healthy", async || healthy()).await;
    let reading = Running::start(command(&reader));
    let at_reader = reading.address().replace("0.0.0.0", "127.0.0.1");
    let client = reqwest::Client::new();
    let body = fs::read(top().join("example-json/started_build.json")).unwrap();
    let credentials = between(&compose, "curl -u ", " ").split_once(':').unwrap();
    let path = between(&compose, "http://127.0.0.1:8080", " ");
    let post = client.post(format!("http://{at_reader}{path}")).basic_auth(credentials.0, Some(credentials.1));
    assert_eq!(post.body(body).send().await.unwrap().status(), 202);
    let token = between(&read("infra/prometheus/prometheus.yml"), "credentials: ", "\n").to_owned();
    until("the reader shows the run", async || {
        let asked = client.get(format!("http://{at_reader}/api/v1/runs")).bearer_auth(&token).send().await.unwrap();
        asked.status() == 200 && asked.text().await.unwrap().contains("\"runId\":479")
    })
    .await;
    for address in [&at_worker, &at_reader] {
        for path in probes() {
            until(&path, async || client.get(format!("http://{address}{path}")).send().await.unwrap().status() == 200)
                .await;
        }
        let metrics =
            format!("http://{address}{}", between(&read("infra/prometheus/prometheus.yml"), "metrics_path: ", "\n"));
        assert_eq!(client.get(&metrics).bearer_auth(&token).send().await.unwrap().status(), 200);
        assert_eq!(client.get(&metrics).send().await.unwrap().status(), 401);
    }
}

/// The paths that Kubernetes and Container Apps ask.
fn probes() -> BTreeSet<String> {
    let texts = ["infra/kubernetes/worker.yaml", "infra/kubernetes/reader.yaml", "infra/modules/apps.bicep"].map(read);
    let path = |rest: &str| {
        let path = rest.trim_start().trim_start_matches('\'').split([',', '}', '\'', '\n']).next()?;
        path.starts_with('/').then(|| path.to_owned())
    };
    let paths: BTreeSet<String> = texts.iter().flat_map(|text| text.split(" path:").skip(1)).filter_map(path).collect();
    assert_eq!(paths.len(), 2, "{paths:?}");
    paths
}

/// Every question of the dashboard and every expression of an alert.
fn questions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("infra/grafana/pipetrail.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    let asked = |target: &Value| target["expr"].as_str().unwrap().replace("$__rate_interval", "1m");
    targets.map(asked).collect()
}

/// A Prometheus that reads what a program tells, until it ends.
struct Prometheus {
    _running: Running,
    _folder: tempfile::TempDir,
    address: String,
}

impl Prometheus {
    fn reading(target: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: pipetrail, static_configs: [{{targets: ['{target}']}}]}}]"
        );
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, config).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        let running = Running::start(command);
        running.line("Server is ready to receive web requests");
        Self { _running: running, _folder: folder, address }
    }

    /// What a question is answered with, or why it is none.
    async fn ask(&self, question: &str) -> Result<usize, String> {
        let address = format!("http://{}/api/v1/query", self.address);
        let asked = reqwest::Client::new().get(address).query(&[("query", question)]).send().await.unwrap();
        let answer: Value = serde_json::from_str(&asked.text().await.unwrap()).unwrap();
        match answer["data"]["result"].as_array() {
            Some(series) => Ok(series.len()),
            None => Err(answer.to_string()),
        }
    }
}

/// Each panel of the dashboard has something to show where all of the program is at work.
#[tokio::test(flavor = "multi_thread")]
async fn every_question_of_the_dashboard_has_an_answer() {
    let ado = FakeAdo::start().await;
    let shell = Shell::azure().await.with("PIPETRAIL_ADO_URL", &ado.url()).with("PIPETRAIL_ADO_TOKEN", TOKEN);
    let shell = shell.with("PIPETRAIL_ORGANIZATION", "fabrikam");
    shell.run(&format!("enqueue {}/example-json", top().display()));
    let program = Running::start(shell.command("up --listen 127.0.0.1:0 --reconcile 1s --watch-hooks 1s"));
    let address = program.address();
    until("the replica is built", async || {
        reqwest::get(format!("http://{address}/api/v1/runs")).await.unwrap().status() == 200
    })
    .await;
    let listener = reqwest::get(format!("http://{address}/api/v1/stream")).await.unwrap();
    let prometheus = Prometheus::reading(&address);
    let questions = questions();
    assert!(questions.len() >= 20, "{questions:?}");
    for question in &questions {
        until(question, async || prometheus.ask(question).await.unwrap() > 0).await;
    }
    assert!(prometheus.ask("rate(").await.is_err(), "a wrong one is told");
    // An alert's expression may find nothing, but not because nobody knows the number.
    let metrics = reqwest::get(format!("http://{address}/metrics")).await.unwrap().text().await.unwrap();
    for name in read("infra/prometheus/alerts.yml").split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
        assert!(!name.starts_with("pipetrail_") || metrics.contains(&format!("# TYPE {name} ")), "{name}");
    }
    drop(listener);
}
