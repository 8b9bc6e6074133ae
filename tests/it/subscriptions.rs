//! Subscriptions by the command line, against a service that keeps them.

use std::process::Stdio;
use std::time::Duration;

use pipetrail::domain::{HookLook, Time};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::azurite::{ACCOUNT, Azurite, KEY, unique};
use crate::fake_ado::{Build, FakeAdo, PROJECTS, Project, TOKEN, Trouble};
use crate::support::{Local, until};

/// Another key of the account: 64 bytes, as all are.
const OTHER: &str = "b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3RoZQ==";
const RUN_STATE: &str = "ms.vss-pipelines.run-state-changed-event";

/// What a shell shows.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// `action eventType reason` of each step of a plan.
    fn steps(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let line =
            |step: &Value| format!("{} {} {}", text(&step["action"]), text(&step["eventType"]), text(&step["reason"]));
        self.json().as_array().unwrap().iter().map(line).collect()
    }
}

struct Shell {
    ado: FakeAdo,
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
}

impl Shell {
    async fn new() -> Self {
        let mut shell = Self::without_storage().await;
        let endpoint = Azurite::quiet().await.queue_endpoint();
        shell.ado.state().hooks.queue_endpoint = Some(endpoint.clone());
        shell.set("AZURE_STORAGE_QUEUE_ENDPOINT", &endpoint);
        shell
    }

    /// For what sends nothing to a queue.
    async fn without_storage() -> Self {
        let ado = FakeAdo::start().await;
        ado.state().hooks.keys = [KEY.to_owned()].into();
        let environment = vec![
            ("PIPETRAIL_ADO_URL", ado.url()),
            ("PIPETRAIL_ADO_TOKEN", TOKEN.to_owned()),
            ("PIPETRAIL_ORGANIZATION", "fabrikam".to_owned()),
            ("PIPETRAIL_PROJECTS", PROJECTS[0].to_owned()),
            ("AZURE_STORAGE_ACCOUNT", ACCOUNT.to_owned()),
            ("AZURE_STORAGE_KEY", KEY.to_owned()),
        ];
        Self { ado, folder: tempfile::tempdir().unwrap(), environment }
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.environment.retain(|(known, _)| *known != name);
        self.environment.push((name, value.to_owned()));
    }

    /// `subscriptions` and what follows it.
    async fn run(&self, line: &str) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pipetrail"));
        command.arg("subscriptions").args(line.split_whitespace()).current_dir(self.folder.path()).env_clear();
        command.envs(self.environment.clone()).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(Duration::from_secs(180), command.output()).await.unwrap().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let said = Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) };
        for secret in [TOKEN, KEY, OTHER, "s3cret"] {
            assert!(!said.out.contains(secret) && !said.err.contains(secret), "{said:?}");
        }
        said
    }

    async fn does(&self, line: &str) -> Said {
        let said = self.run(line).await;
        assert_eq!(said.code, 0, "{line}: {said:?}");
        said
    }

    /// Requests that change something, so far.
    fn writes(&self) -> usize {
        let state = self.ado.state();
        let writes = |request: &&String| !request.starts_with("GET") && request.contains("/hooks/subscriptions");
        state.requests.iter().filter(writes).count()
    }

    fn project(&self) -> String {
        self.ado.state().projects[0].id.clone()
    }
}

#[tokio::test]
async fn what_is_missing_is_made_once() {
    let shell = Shell::new().await;
    let plan = shell.does("plan -o json").await;
    assert_eq!(plan.steps()[0], format!("create {RUN_STATE} missing"));
    assert_eq!(plan.json()[0]["project"], PROJECTS[0]);
    assert_eq!(plan.steps().len(), 5);
    let refused = shell.run("apply").await;
    assert_eq!((refused.code, shell.writes()), (2, 0), "{refused:?}");
    assert!(refused.out.contains("create") && refused.err.contains("--yes"), "{refused:?}");
    shell.does("apply --yes").await;
    assert_eq!(shell.ado.state().hooks.subscriptions.len(), 5);
    assert_eq!(shell.writes(), 5);
    let again = shell.does("apply --yes -o json").await;
    assert_eq!(shell.writes(), 5, "a second one writes nothing");
    assert!(again.steps().iter().all(|step| step.starts_with("unchanged")), "{again:?}");
    let inputs = shell.ado.state().hooks.subscriptions.values().next().unwrap()["consumerInputs"].clone();
    let expected = json!({
        "accountName": ACCOUNT, "accountKey": KEY, "queueName": "ado-events", "ttl": "604800", "visiTimeout": "0",
        "resourceDetailsToSend": "", "messagesToSend": "none", "detailedMessagesToSend": "none",
    });
    assert_eq!(inputs, expected);
}

#[tokio::test]
async fn settings_of_a_subscription_can_be_said() {
    let shell = Shell::new().await;
    shell.does("apply --yes --queue other --ttl 1d --visibility 90s --groups jobs,boards --all-projects").await;
    {
        let state = shell.ado.state();
        assert_eq!(state.hooks.subscriptions.len(), 2 * 3);
        let inputs = &state.hooks.subscriptions.values().next().unwrap()["consumerInputs"];
        assert_eq!(
            (&inputs["ttl"], &inputs["visiTimeout"], &inputs["queueName"]),
            (&json!("86400"), &json!("90"), &json!("other"))
        );
    }
    let said = shell.does("apply --yes --queue other --groups jobs,boards --all-projects -o json").await;
    assert!(said.steps().iter().all(|step| step.contains("differs in ttl, visiTimeout")), "{said:?}");
    let options = "--ttl --visibility --queue --groups --pipeline --to";
    for (command, taken) in [
        ("list", "--to"),
        ("test", "--to"),
        ("rotate-key", ""),
        ("remove", "--queue --to"),
        ("doctor", options),
        ("apply", options),
    ] {
        let help = shell.does(&format!("{command} --help")).await.out;
        let is_there = |option: &str| help.contains(&format!(" {option} <"));
        let found: Vec<_> = options.split(' ').filter(|option| is_there(option)).collect();
        assert_eq!(found, taken.split_whitespace().collect::<Vec<_>>(), "{command}: {help}");
    }
    for (line, says) in [
        ("plan --ttl 8d", "--ttl is from 1s to 7d"),
        ("plan --visibility 8d", "--visibility is shorter than --ttl"),
        ("plan --ttl 1h --visibility 2h", "--visibility is shorter than --ttl"),
        ("remove --url https://hooks.example", "--url: is for `--to web-hook`"),
        ("plan --to web-hook --url https://hooks.example --queue q", "--queue: is for `--to queue`"),
        ("plan --to web-hook --url https://hooks.example --ttl 1d", "--ttl is for --to queue"),
        ("plan --project ,", "a name is empty"),
    ] {
        let said = shell.run(line).await;
        assert!(said.code == 2 && said.err.contains(says) && said.err.contains("hint:"), "{line}: {said:?}");
    }
}

#[tokio::test]
async fn only_ours_is_touched_and_only_what_is_not_wanted_is_pruned() {
    let shell = Shell::new().await;
    shell.does("apply --yes --groups runs,jobs").await;
    shell.does("apply --yes --groups jobs --queue other").await;
    {
        let mut state = shell.ado.state();
        let mut foreign = state.hooks.subscriptions.values().next().unwrap().clone();
        foreign["id"] = "f-1".into();
        foreign["consumerInputs"]["accountName"] = "contoso".into();
        state.hooks.subscriptions.insert("f-1".to_owned(), foreign);
    }
    let plan = shell.does("plan -o json").await.steps();
    for line in [
        "unchanged ms.vss-pipelines.job-state-changed-event no longer wanted; --prune removes it",
        "foreign ms.vss-pipelines.job-state-changed-event ours, but on another queue: other",
        &format!("foreign {RUN_STATE} not ours: azureStorageQueue"),
    ] {
        assert!(plan.contains(&line.to_owned()), "{line}: {plan:?}");
    }
    shell.does("apply --yes --prune").await;
    assert_eq!(shell.ado.state().hooks.subscriptions.len(), 5 + 2);
    let refused = shell.run("remove").await;
    assert_eq!((refused.code, shell.ado.state().hooks.subscriptions.len()), (2, 7), "{refused:?}");
    assert!(!refused.out.contains("no longer wanted"), "{refused:?}");
    shell.does("remove --yes").await;
    let left: Vec<_> = shell.ado.state().hooks.told();
    assert_eq!(
        left,
        ["ms.vss-pipelines.job-state-changed-event enabled", "ms.vss-pipelines.run-state-changed-event enabled"]
    );
}

#[tokio::test]
async fn pipelines_are_filtered_by_id_and_by_name() {
    let shell = Shell::new().await;
    crate::fake_ado::tell(&mut shell.ado.state(), &crate::support::bodies(300));
    let (id, name) = {
        let state = shell.ado.state();
        let project = state.projects.iter().find(|project| project.name == PROJECTS[0]).unwrap().id.clone();
        state.builds.values().find(|build| build.project == project).unwrap().definition.clone()
    };
    shell.does(&format!("apply --yes --pipeline {id}")).await;
    let filters: Vec<_> = {
        let state = shell.ado.state();
        let filter = |known: &Value| {
            let inputs = &known["publisherInputs"];
            inputs["pipelineId"].as_str().or_else(|| inputs["definitionName"].as_str()).unwrap().to_owned()
        };
        state.hooks.subscriptions.values().map(filter).collect()
    };
    let id = id.to_string();
    assert_eq!(filters.iter().filter(|filter| **filter == id).count(), 4, "{filters:?}");
    assert!(filters.contains(&name), "{filters:?}");
    let writes = shell.writes();
    shell.does(&format!("apply --yes --pipeline {id}")).await;
    assert_eq!(shell.writes(), writes);
    let unknown = shell.run("plan --pipeline 4711").await;
    assert!(
        unknown.code == 1 && unknown.err.contains("definition 4711") && unknown.err.contains("hint: check --pipeline"),
        "{unknown:?}"
    );
    assert_eq!(shell.run("plan --all-projects --pipeline 1").await.code, 2);
}

#[tokio::test]
async fn the_doctor_finds_and_fixes_what_the_system_disabled() {
    let shell = Shell::new().await;
    let missing = shell.run("doctor -o json").await;
    assert_eq!((missing.code, missing.json()[0]["finding"].clone()), (1, json!("missing")), "{missing:?}");
    shell.does("apply --yes").await;
    assert!(shell.does("doctor").await.err.contains("all is well"));
    {
        let (mut state, project) = (shell.ado.state(), Project::named(PROJECTS[0]).id);
        state.hooks.emit(RUN_STATE, &project, &json!({}));
        state.hooks.keys.clear();
        state.hooks.now = Time::parse("2026-03-02T09:00:00Z").unwrap().unwrap();
        state.hooks.emit(RUN_STATE, &project, &json!({}));
        state.hooks.emit(RUN_STATE, &project, &json!({}));
        assert_eq!(state.hooks.lost, 2, "one failed, one fell into the probation");
    }
    let found = shell.run("doctor -o json").await;
    let finding = &found.json()[0];
    assert_eq!(
        (found.code, &finding["finding"], &finding["since"]),
        (1, &json!("onProbation"), &json!("2026-03-02T09:00:00Z"))
    );
    assert!(finding["says"].as_str().unwrap().contains("403") && !finding["mend"].as_str().unwrap().is_empty());
    {
        let mut state = shell.ado.state();
        (0..8).for_each(|_| state.hooks.retry());
        state.hooks.keys = [KEY.to_owned()].into();
    }
    let found = shell.run("doctor").await;
    assert!(found.code == 1 && found.out.contains("disabledBySystem") && found.out.contains("mend:"), "{found:?}");
    let refused = shell.run("doctor --fix").await;
    assert!(refused.code == 2 && refused.err.contains("--yes"), "{refused:?}");
    let before: Vec<_> = shell.ado.state().hooks.subscriptions.keys().cloned().collect();
    let fixed = shell.does("doctor --fix --yes").await;
    assert!(fixed.err.contains("shows with the next run"), "{fixed:?}");
    let state = shell.ado.state();
    let after: Vec<_> = state.hooks.subscriptions.keys().cloned().collect();
    assert_eq!(after.iter().filter(|id| !before.contains(id)).count(), 1);
    assert!(state.hooks.told().iter().all(|line| line.ends_with(" enabled")), "{:?}", state.hooks.told());
    let last: Vec<_> = state
        .requests
        .iter()
        .filter(|request| !request.starts_with("GET") && request.contains("/subscriptions"))
        .rev()
        .take(2)
        .collect();
    assert!(
        last[0].starts_with("DELETE") && last[1].starts_with("POST"),
        "the new one is there before the old one goes: {last:?}"
    );
}

fn now() -> Time {
    pipetrail::clock::Clock::now(&pipetrail::clock::SystemClock)
}

fn ago(minutes: u64) -> Time {
    now().minus(Duration::from_secs(60 * minutes))
}

impl Shell {
    /// A build of the first project that finished so many minutes ago, for each of them.
    fn builds(&self, finished: impl IntoIterator<Item = u64>) {
        crate::fake_ado::tell(&mut self.ado.state(), &crate::support::bodies(300));
        let mut state = self.ado.state();
        let project = state.projects[0].id.clone();
        let build = state.builds.values().find(|build| build.project == project).unwrap().clone();
        let first = state.builds.keys().max().unwrap() + 1;
        for (id, minutes) in (first..).zip(finished) {
            let finished = Some(ago(minutes));
            state.put(Build { id, status: "completed".to_owned(), finished, ..build.clone() });
        }
    }
}

/// A build every five minutes, the last of them just now, and nothing is delivered any more: where much goes on silence
/// is heard too, and the gap begins at the last delivery.
#[tokio::test]
async fn the_doctor_hears_silence_in_a_busy_project() {
    let shell = Shell::new().await;
    shell.builds((0..40).map(|number| number * 5));
    shell.ado.state().hooks.now = ago(300);
    shell.does("apply --yes").await;
    let (last, project) = (ago(120), shell.project());
    {
        let mut state = shell.ado.state();
        state.hooks.now = last;
        state.hooks.emit("build.complete", &project, &json!({}));
    }
    let found = shell.run("doctor -o json").await;
    let finding = &found.json()[0];
    assert_eq!((&finding["finding"], &finding["eventType"]), (&json!("silent"), &json!("build.complete")), "{found:?}");
    assert_eq!(finding["since"], json!(last.to_string()));
    shell.ado.state().hooks.now = ago(1);
    assert_eq!(shell.run("doctor --fix --yes").await.code, 0, "of one that was just made nobody knows");
}

#[tokio::test]
async fn what_is_refused_does_not_keep_the_rest_waiting() {
    let shell = Shell::new().await;
    shell.ado.state().hooks.closed.insert(Project::named(PROJECTS[0]).id);
    let said = shell.run("apply --yes --all-projects").await;
    assert!(said.code == 1 && said.err.contains("done: 5 of 10"), "{said:?}");
    assert_eq!(said.err.matches(&format!("of {} failed: ", PROJECTS[0])).count(), 5, "each is told: {said:?}");
    assert_eq!((said.err.matches("error:").count(), shell.ado.state().hooks.subscriptions.len()), (1, 5), "{said:?}");
    shell.ado.state().hooks.closed.clear();
    shell.does("apply --yes --all-projects").await;
    assert_eq!(shell.ado.state().hooks.subscriptions.len(), 10);
}

/// The command that mends is typed as it is told, and mends what was looked at and nothing else.
#[tokio::test]
async fn the_command_that_mends_means_what_was_looked_at() {
    let shell = Shell::without_storage().await;
    let options = format!("--project {} --groups runs,jobs --to web-hook --url https://hooks.example", PROJECTS[0]);
    let found = shell.run(&format!("doctor {options} -o json")).await;
    let mend = found.json()[0]["mend"].as_str().unwrap().to_owned();
    assert_eq!(mend, format!("pipetrail subscriptions apply {options} --yes"));
    shell.does(mend.strip_prefix("pipetrail subscriptions ").unwrap()).await;
    shell.does(&format!("doctor {options}")).await;
    assert_eq!(shell.ado.state().hooks.subscriptions.len(), 6);
    // A double is removed, and what other options made stays.
    {
        let mut state = shell.ado.state();
        let is_run = |known: &&Value| known["eventType"] == RUN_STATE;
        let mut double = state.hooks.subscriptions.values().find(is_run).unwrap().clone();
        double["id"] = "f-1".into();
        double["createdDate"] = "2026-03-03T00:00:00Z".into();
        state.hooks.subscriptions.insert("f-1".to_owned(), double);
    }
    let found = shell.run("doctor --to web-hook --url https://hooks.example -o json").await;
    let (finding, mend) = (&found.json()[0]["finding"], found.json()[0]["mend"].as_str().unwrap().to_owned());
    assert_eq!((finding, found.json().as_array().unwrap().len()), (&json!("doubled"), 1));
    shell.does(mend.strip_prefix("pipetrail subscriptions ").unwrap()).await;
    let state = shell.ado.state();
    assert_eq!((state.hooks.subscriptions.len(), state.hooks.subscriptions.contains_key("f-1")), (6, false));
}

#[tokio::test]
async fn a_list_tells_of_deliveries() {
    let shell = Shell::new().await;
    assert!(shell.does("list").await.err.contains("none is ours"));
    shell.does("apply --yes").await;
    {
        let (mut state, project) = (shell.ado.state(), Project::named(PROJECTS[0]).id);
        state.hooks.emit("build.complete", &project, &json!({}));
        state.hooks.keys.clear();
        state.hooks.emit("build.complete", &project, &json!({}));
    }
    let list = shell.does("list -o json").await.json();
    let build = list.as_array().unwrap().iter().find(|listed| listed["eventType"] == "build.complete").unwrap().clone();
    assert_eq!(
        (&build["status"], &build["deliveries"], &build["failures"]),
        (&json!("onProbation"), &json!(2), &json!(1))
    );
    assert!(build["lastError"].as_str().unwrap().contains("403"), "{build}");
    assert_eq!(build["projectId"], shell.project());
    let table = shell.does("list").await.out;
    assert!(table.contains("PIPELINE") && !table.contains(build["lastDeliveryAt"].as_str().unwrap()), "{table}");
    assert!(table.contains("onProbation") && table.contains("1 of 2") && table.contains("ado-events"), "{table}");
}

#[tokio::test]
async fn a_key_is_rotated_and_no_event_is_lost() {
    let shell = Shell::new().await;
    shell.does("apply --yes --all-projects").await;
    shell.does("apply --yes --groups jobs --queue second").await;
    // Azurite knows one key: the old one is another.
    {
        let mut state = shell.ado.state();
        state.hooks.keys = [KEY.to_owned(), OTHER.to_owned()].into();
        for known in state.hooks.subscriptions.values_mut() {
            known["consumerInputs"]["accountKey"] = OTHER.into();
        }
        state.hooks.set_status("build.complete", "disabledByUser");
    }
    let refused = shell.run("rotate-key").await;
    assert!(refused.code == 2 && refused.err.contains("11 subscriptions"), "{refused:?}");
    let project = shell.project();
    let emits = async {
        loop {
            shell.ado.state().hooks.emit(RUN_STATE, &project, &json!({}));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let said = tokio::select! {
        said = shell.run("rotate-key --yes") => said,
        () = emits => unreachable!(),
    };
    assert_eq!(said.code, 0, "{said:?}");
    let mut state = shell.ado.state();
    state.hooks.keys.remove(OTHER);
    state.hooks.emit(RUN_STATE, &project, &json!({}));
    assert_eq!(state.hooks.lost, 0);
    assert!(state.hooks.subscriptions.values().all(|known| known["consumerInputs"]["accountKey"] == KEY));
    let switched_off = state.hooks.told().into_iter().filter(|line| line.ends_with("disabledByUser")).count();
    assert_eq!(switched_off, 2, "what a person switched off stays so");
    let queues: Vec<_> =
        state.hooks.subscriptions.values().map(|known| known["consumerInputs"]["queueName"].clone()).collect();
    assert_eq!(queues.iter().filter(|queue| **queue == json!("second")).count(), 1);
}

#[tokio::test]
async fn a_key_that_does_not_work_is_not_given_to_anybody() {
    let shell = Shell::new().await;
    shell.does("apply --yes").await;
    shell.ado.state().hooks.keys = [OTHER.to_owned()].into();
    let writes = shell.writes();
    shell.ado.state().hooks.set_status("build.complete", "disabledBySystem");
    for line in ["rotate-key --yes", "apply --yes --groups jobs", "doctor --fix --yes"] {
        let said = shell.run(line).await;
        assert!(said.code == 1 && said.err.contains("403") && said.err.contains("hint:"), "{line}: {said:?}");
        assert_eq!(shell.writes(), writes, "{line}");
    }
}

/// One that is made by the old key while the others are changed gets the new one too, one that is removed meanwhile is
/// left out, and what was taken but not done is not called done.
#[tokio::test]
async fn a_rotation_is_done_only_when_it_is() {
    let shell = Shell::new().await;
    shell.does("apply --yes").await;
    {
        let mut state = shell.ado.state();
        state.hooks.keys.insert(OTHER.to_owned());
        state.hooks.subscriptions.values_mut().for_each(|known| known["consumerInputs"]["accountKey"] = OTHER.into());
        let mut new = state.hooks.subscriptions.values().next().unwrap().clone();
        new["id"] = "f-1".into();
        state.hooks.made_meanwhile.push(new);
    }
    let said = shell.run("rotate-key --yes").await;
    assert!(said.code == 0 && said.err.contains("done: 6 subscriptions"), "{said:?}");
    let by_the_new_key = |known: &Value| known["consumerInputs"]["accountKey"] == KEY;
    assert!(shell.ado.state().hooks.subscriptions.values().all(by_the_new_key));
    shell.ado.state().hooks.ignores_updates = true;
    let said = shell.run("rotate-key --yes").await;
    assert!(said.code == 1 && said.err.contains("did not change it") && said.err.contains("hint:"), "{said:?}");
}

#[tokio::test]
async fn a_test_event_arrives_on_a_queue() {
    let shell = Shell::new().await;
    let said = shell.does("test").await;
    assert!(said.err.contains("a test event arrived"), "{said:?}");
    let place = shell.ado.state().hooks.delivered[0].0.clone();
    assert!(place.starts_with("pipetrail-test-"), "{place}");
    shell.ado.state().hooks.queue_endpoint = None;
    let said = shell.run("test --wait 1s").await;
    assert!(said.code == 1 && said.err.contains("no test event arrived in time"), "{said:?}");
}

#[tokio::test]
async fn a_clear_line_for_each_trouble() {
    let mut shell = Shell::new().await;
    let one_line = |said: &Said, code: i32, part: &str| {
        assert!(said.code == code && said.err.contains(part), "{part}: {said:?}");
        assert!(said.err.contains("hint:") && said.err.matches("error:").count() == 1, "{said:?}");
    };
    one_line(&shell.run("plan --organization contoso").await, 1, "not found");
    one_line(&shell.run("plan --project Renamed").await, 1, "TF200016");
    shell.ado.state().hooks.may_edit = false;
    let refused = shell.run("apply --yes").await;
    one_line(&refused, 1, "EditSubscriptions");
    assert!(refused.err.contains("the right \"Edit subscriptions\""), "{refused:?}");
    shell.ado.trouble([Trouble::NotJson]);
    one_line(&shell.run("plan").await, 1, "not what it should be");
    shell.ado.trouble([Trouble::SignInPage]);
    one_line(&shell.run("plan").await, 1, "sign-in page");
    shell.set("AZURE_STORAGE_KEY", "");
    one_line(&shell.run("apply --yes").await, 2, "account's key alone");
    let plan = shell.does("plan").await;
    assert!(
        plan.err.contains("warning: `apply` cannot do this yet") && plan.err.contains("AZURE_STORAGE_KEY"),
        "{plan:?}"
    );
    shell.set("AZURE_STORAGE_ACCOUNT", "");
    let lonely = shell.run("plan").await;
    one_line(&lonely, 2, "by the account's key alone");
    assert!(!lonely.err.contains("Entra") && lonely.err.contains("--to web-hook"), "{lonely:?}");
    shell.set("AZURE_STORAGE_ACCOUNT", ACCOUNT);
    shell.set("PIPETRAIL_PROJECTS", "");
    one_line(&shell.run("plan").await, 2, "no project is named");
    shell.set("PIPETRAIL_ORGANIZATION", "");
    one_line(&shell.run("plan --all-projects").await, 2, "no organization is named");
    one_line(
        &shell.run("plan --to web-hook --organization fabrikam --all-projects").await,
        2,
        "no address for web hooks",
    );
}

/// One project whose builds may not be read does not hide what is wrong in another.
#[tokio::test]
async fn one_project_does_not_blind_the_doctor() {
    let shell = Shell::new().await;
    shell.does("apply --yes --all-projects").await;
    let closed = Project::named(PROJECTS[0]).id;
    shell.ado.state().closed.insert(closed);
    let well = shell.does("doctor --all-projects").await;
    assert!(well.err.contains(&format!("warning: project {}: nobody can tell", PROJECTS[0])), "{well:?}");
    shell.ado.state().hooks.set_status(RUN_STATE, "onProbation");
    let found = shell.run("doctor --all-projects -o json").await;
    assert_eq!((found.code, found.json().as_array().unwrap().len()), (1, 2), "{found:?}");
}

impl Shell {
    /// Any command of the program.
    fn program(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pipetrail"));
        command.args(line.split_whitespace()).current_dir(self.folder.path()).env_clear();
        command.envs(self.environment.clone()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    async fn gaps(&self) -> Vec<Value> {
        let output = self.program("get gaps --all --top 0 -o json").output().await.unwrap();
        if output.status.success() { serde_json::from_slice(&output.stdout).unwrap() } else { Vec::new() }
    }

    /// What the store keeps of the last looks.
    async fn looks(&self) -> Vec<HookLook> {
        let local = Local::open(&self.folder.path().join("pipetrail.db")).await;
        let notes = local.store.notes(HookLook::NOTES, 100).await.unwrap();
        notes.iter().map(|(_, text)| HookLook::decode(text).unwrap()).collect()
    }

    /// Waits until the gaps are so.
    async fn wait_for(&self, what: &str, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        for _ in 0..300 {
            let gaps = self.gaps().await;
            if is_so(&gaps) {
                return gaps;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let output = self.program("get gaps --all --top 0").output().await.unwrap();
        panic!("{what}: {output:?}; {}", self.log());
    }
}

/// Probation is seen, warned of, counted and kept; it ends, and a backfill covers it.
#[tokio::test]
async fn whoever_watches_keeps_a_record_of_what_was_lost() {
    let mut shell = Shell::without_storage().await;
    shell.set("PIPETRAIL_PUBLIC_URL", "http://127.0.0.1:9");
    shell.set("PIPETRAIL_HOOK_USER", "ado");
    shell.set("PIPETRAIL_HOOK_PASSWORD", "s3cret");
    shell.does("apply --yes --to web-hook").await;
    assert_eq!(shell.ado.state().hooks.delivered.len(), 0);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let log = std::fs::File::create(shell.folder.path().join("log")).unwrap();
    let mut work = shell.program(&format!("work --watch-hooks 1s --listen 127.0.0.1:{port}"));
    let mut work = work.stderr(log).spawn().unwrap();
    shell.ado.state().hooks.set_status("build.complete", "onProbation");
    let gaps = shell.wait_for("it begins", |gaps| !gaps.is_empty()).await;
    let gap = &gaps[0];
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!(
        (&gap["eventType"], &gap["why"], &gap["to"]),
        (&json!("build.complete"), &json!("onProbation"), &json!(null))
    );
    assert_eq!((&gap["project"], &gap["organization"]), (&json!(PROJECTS[0]), &json!("fabrikam")));
    let told = async || reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await.unwrap().text().await.unwrap();
    let metrics = told().await;
    for line in
        ["pipetrail_hook_subscriptions{state=\"onProbation\"} 1", "pipetrail_hook_subscriptions{state=\"healthy\"} 4"]
    {
        assert!(metrics.contains(line), "{metrics}");
    }
    let looked = "pipetrail_hooks_looked_at_timestamp_seconds 1";
    until("a look came to its end", async || told().await.contains(looked)).await;
    // Whoever reads is told, in whatever process.
    let looks = shell.looks().await;
    assert_eq!((looks.len(), looks[0].hooks.len(), looks[0].healthy()), (1, 5, 4), "{looks:?}");
    assert_eq!(
        (looks[0].organization.as_str(), looks[0].project.as_str(), looks[0].every),
        ("fabrikam", PROJECTS[0], 1)
    );
    let ill: Vec<_> = looks[0].hooks.iter().filter_map(|hook| hook.finding.as_deref()).collect();
    assert_eq!(ill, ["onProbation"]);
    let from = gap["from"].clone();
    shell.ado.state().hooks.set_status("build.complete", "disabledBySystem");
    let gaps = shell.wait_for("it goes on", |gaps| gaps[0]["why"] == "disabledBySystem").await;
    assert_eq!((gaps.len(), &gaps[0]["from"]), (1, &from), "the same gap");
    shell.does("doctor --to web-hook --fix --yes").await;
    let gaps = shell.wait_for("it ends", |gaps| !gaps[0]["to"].is_null()).await;
    assert_eq!((gaps.len(), &gaps[0]["covered"]), (1, &json!(false)));
    work.kill().await.unwrap();
    shell.ado.state().hooks.set_status(RUN_STATE, "disabledByUser");
    assert_eq!(shell.run("doctor --to web-hook").await.code, 1);
    let looks = shell.looks().await;
    assert_eq!((looks[0].hooks.len(), looks[0].healthy()), (5, 4), "a person looked: {looks:?}");
    let log = std::fs::read_to_string(shell.folder.path().join("log")).unwrap();
    assert_eq!(log.matches("hooks: onProbation").count(), 1, "told once: {log}");
    assert!(log.contains("WARN") && !log.contains("s3cret") && !log.contains(TOKEN), "{log}");
    // It began when the subscription was made, as far as anybody knows.
    for (since, covered) in [("2026-03-03T00:00:00Z", false), ("2026-03-01T00:00:00Z", true)] {
        let done = shell.program(&format!("backfill --since {since}")).output().await.unwrap();
        assert!(done.status.success(), "{done:?}");
        assert_eq!(shell.gaps().await[0]["covered"], json!(covered), "{since}");
    }
    let refolded = shell.program("refold --check").output().await.unwrap();
    assert!(refolded.status.success(), "a gap is the fold of its facts: {refolded:?}");
}

#[tokio::test]
async fn new_projects_are_enrolled_and_nothing_else_is_changed() {
    let mut shell = Shell::without_storage().await;
    shell.set("PIPETRAIL_PUBLIC_URL", "http://127.0.0.1:9");
    shell.does("apply --yes --to web-hook").await;
    shell.set("PIPETRAIL_PROJECTS", "");
    {
        let mut state = shell.ado.state();
        let first = state.hooks.subscriptions.keys().next().unwrap().clone();
        state.hooks.subscriptions.remove(&first);
    }
    let mut work = shell.watching("work --watch-hooks 1s --enrol");
    let missing = shell.wait_for("one is missing", |gaps| gaps.iter().any(|gap| gap["why"] == "missing")).await;
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert_eq!(shell.ado.state().hooks.subscriptions.len(), 4 + 5, "what a person removed stays so");
    shell.ado.state().projects.push(Project::named("Newcomer"));
    for _ in 0..300 {
        if shell.ado.state().hooks.subscriptions.len() == 4 + 5 + 5 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(shell.ado.state().hooks.subscriptions.len(), 4 + 5 + 5);
    work.kill().await.unwrap();
}

impl Shell {
    /// Whoever watches on a local file looks after what is sent to this address.
    async fn with_web_hook() -> Self {
        let mut shell = Self::without_storage().await;
        shell.set("PIPETRAIL_PUBLIC_URL", "http://127.0.0.1:9");
        shell
    }

    fn watching(&self, line: &str) -> tokio::process::Child {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        self.program(line).stderr(log).spawn().unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..600 {
            if is_so(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{what}: {}", self.log());
    }

    /// Removes those for such events.
    fn take(&self, event_type: &str) -> Vec<(String, Value)> {
        let mut state = self.ado.state();
        let all = std::mem::take(&mut state.hooks.subscriptions);
        let (gone, kept) = all.into_iter().partition::<Vec<_>, _>(|(_, known)| known["eventType"] == event_type);
        state.hooks.subscriptions = kept.into_iter().collect();
        gone
    }

    fn subscriptions(&self) -> usize {
        self.ado.state().hooks.subscriptions.len()
    }
}

/// Silence is a gap since the last delivery. That nothing runs any more does not end it, a delivery does.
#[tokio::test]
async fn whoever_watches_hears_silence() {
    let shell = Shell::with_web_hook().await;
    shell.builds((4..40).map(|number| number * 5));
    shell.ado.state().hooks.now = ago(300);
    shell.does("apply --yes --to web-hook").await;
    let (last, project) = (ago(120), shell.project());
    shell.ado.state().hooks.now = last;
    shell.ado.state().hooks.emit("build.complete", &project, &json!({}));
    let mut work = shell.watching("work --watch-hooks 1s");
    let gaps = shell.wait_for("it begins", |gaps| !gaps.is_empty()).await;
    assert_eq!((gaps.len(), &gaps[0]["why"], &gaps[0]["to"]), (1, &json!("silence"), &json!(null)));
    assert_eq!(gaps[0]["from"], json!(last.to_string()));
    // A project from which all builds went is not one from which events come.
    let looks = |shell: &Shell| shell.ado.state().count("hooks/notificationsquery");
    shell.ado.state().by_finish.clear();
    let before = looks(&shell);
    shell.until("it looks again", |shell| looks(shell) >= before + 3).await;
    assert_eq!(shell.gaps().await[0]["to"], json!(null));
    shell.ado.state().hooks.now = now();
    shell.ado.state().hooks.emit("build.complete", &project, &json!({}));
    shell.wait_for("it ends", |gaps| !gaps[0]["to"].is_null()).await;
    work.kill().await.unwrap();
    let log = shell.log();
    let mend = "--groups runs --to web-hook --url http://127.0.0.1:9/hooks/azure-devops --fix --yes";
    assert!(log.contains("hooks: silent") && log.contains(mend), "{log}");
}

#[tokio::test]
async fn up_watches_too() {
    let shell = Shell::with_web_hook().await;
    shell.does("apply --yes --to web-hook").await;
    shell.ado.state().hooks.set_status(RUN_STATE, "disabledByUser");
    let mut up = shell.watching("up --watch-hooks 1s --listen 127.0.0.1:0");
    let gaps = shell.wait_for("it is seen", |gaps| !gaps.is_empty()).await;
    assert_eq!((gaps.len(), &gaps[0]["why"]), (1, &json!("disabledByUser")));
    // It is not written anew at each look.
    let looks = |shell: &Shell| shell.ado.state().count("hooks/notificationsquery");
    let (seen, before) = (gaps[0]["seenAt"].clone(), looks(&shell));
    shell.until("it looks again", |shell| looks(shell) >= before + 3).await;
    assert_eq!(shell.gaps().await[0]["seenAt"], seen);
    shell.ado.state().hooks.set_status(RUN_STATE, "asleep");
    shell.until("it sees the status", |shell| shell.log().contains("unknownStatus")).await;
    assert_eq!(shell.gaps().await[0]["to"], json!(null), "an unknown status does not end it");
    shell.ado.state().hooks.set_status(RUN_STATE, "enabled");
    shell.wait_for("it ends", |gaps| !gaps[0]["to"].is_null()).await;
    up.kill().await.unwrap();
}

/// Where records are kept says nothing of where events go.
#[tokio::test]
async fn on_azure_web_hooks_are_watched_where_events_come_by_them() {
    let mut shell = Shell::with_web_hook().await;
    let (azurite, name) = (Azurite::start().await, unique("hooks"));
    let cache = shell.folder.path().to_str().unwrap().to_owned();
    for (setting, value) in [
        ("PIPETRAIL_STORAGE", "azure"),
        ("AZURE_STORAGE_QUEUE_ENDPOINT", &azurite.queue_endpoint()),
        ("AZURE_STORAGE_TABLE_ENDPOINT", &azurite.table_endpoint()),
        ("PIPETRAIL_QUEUE", &name),
        ("PIPETRAIL_TABLE", &name),
        ("XDG_CACHE_HOME", &cache),
    ] {
        shell.set(setting, value);
    }
    shell.does("apply --yes --to web-hook").await;
    shell.ado.state().hooks.set_status(RUN_STATE, "onProbation");
    let mut work = shell.watching("work --watch-hooks 1s --hooks-to web-hook");
    let gaps = shell.wait_for("it is seen", |gaps| !gaps.is_empty()).await;
    assert_eq!((gaps.len(), &gaps[0]["why"]), (1, &json!("onProbation")), "nothing is missing on the queue");
    work.kill().await.unwrap();
}

#[tokio::test]
async fn a_gap_of_what_nobody_wants_any_more_is_over() {
    let shell = Shell::with_web_hook().await;
    shell.does("apply --yes --to web-hook --groups runs,jobs").await;
    let jobs = "ms.vss-pipelines.job-state-changed-event";
    shell.ado.state().hooks.set_status(jobs, "onProbation");
    let is_open = |gaps: &[Value]| gaps.iter().any(|gap| gap["to"].is_null());
    let mut work = shell.watching("work --watch-hooks 1s");
    shell.wait_for("it begins", is_open).await;
    let removed = shell.take(jobs);
    let gaps = shell.wait_for("it is over", |gaps| !is_open(gaps)).await;
    assert_eq!(gaps[0]["why"], json!("noLongerWatched"));
    shell.ado.state().hooks.subscriptions.extend(removed);
    shell.wait_for("it begins again", is_open).await;
    work.kill().await.unwrap();
    // And by one that knows of it from the store alone.
    shell.take(jobs);
    let mut work = shell.watching("work --watch-hooks 1s");
    shell.wait_for("it is over again", |gaps| !is_open(gaps)).await;
    work.kill().await.unwrap();
}

/// An enrolment that was cut off is completed by whoever comes next, and one project that refuses keeps nobody waiting.
#[tokio::test]
async fn what_was_half_enrolled_is_completed() {
    let mut shell = Shell::with_web_hook().await;
    shell.set("PIPETRAIL_PROJECTS", "");
    shell.ado.state().hooks.room = 2;
    let mut work = shell.watching("work --watch-hooks 1s --enrol");
    shell.until("it is told", |shell| shell.log().contains("cannot be subscribed to")).await;
    work.kill().await.unwrap();
    assert_eq!(shell.subscriptions(), 2);
    shell.ado.state().hooks.room = usize::MAX;
    let mut work = shell.watching("work --watch-hooks 1s --enrol");
    shell.until("all is made", |shell| shell.subscriptions() == 10).await;
    work.kill().await.unwrap();
}

/// Several workers that begin at the same time agree on who subscribes.
#[tokio::test]
async fn two_who_enrol_make_each_subscription_once() {
    let mut shell = Shell::with_web_hook().await;
    shell.set("PIPETRAIL_PROJECTS", "");
    let mut workers: Vec<_> = (0..2).map(|_| shell.watching("work --watch-hooks 1s --enrol")).collect();
    shell.until("all is made", |shell| shell.subscriptions() >= 10).await;
    let looks = |shell: &Shell| shell.ado.state().count("hooks/notificationsquery");
    let before = looks(&shell);
    shell.until("both look again", |shell| looks(shell) >= before + 6).await;
    assert_eq!(shell.subscriptions(), 10);
    for worker in &mut workers {
        worker.kill().await.unwrap();
    }
}

/// A project that was renamed does not hide the others.
#[tokio::test]
async fn one_project_does_not_blind_whoever_watches() {
    let mut shell = Shell::with_web_hook().await;
    shell.does("apply --yes --to web-hook").await;
    shell.set("PIPETRAIL_PROJECTS", &format!("Renamed,{}", PROJECTS[0]));
    shell.ado.state().hooks.set_status(RUN_STATE, "onProbation");
    let mut work = shell.watching("work --watch-hooks 1s");
    let gaps = shell.wait_for("it is seen", |gaps| !gaps.is_empty()).await;
    assert_eq!((gaps.len(), &gaps[0]["why"]), (1, &json!("onProbation")));
    work.kill().await.unwrap();
    assert_eq!(shell.log().matches("TF200016").count(), 1, "told once: {}", shell.log());
}

#[tokio::test]
async fn a_test_event_arrives_at_a_web_hook_and_changes_no_record() {
    let mut shell = Shell::without_storage().await;
    shell.set("PIPETRAIL_HOOK_USER", "ado");
    shell.set("PIPETRAIL_HOOK_PASSWORD", "s3cret");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut up = shell.watching(&format!("up --listen 127.0.0.1:{port}"));
    let url = format!("http://127.0.0.1:{port}");
    while reqwest::get(format!("{url}/healthz")).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let said = shell.does(&format!("test --to web-hook --url {url}")).await;
    assert!(said.err.contains("the web hook took it"), "{said:?}");
    assert_eq!(shell.ado.state().hooks.delivered[0].0, format!("{url}/hooks/azure-devops"));
    shell.set("PIPETRAIL_HOOK_PASSWORD", "wrong");
    let said = shell.run(&format!("test --to web-hook --url {url}")).await;
    assert!(said.code == 1 && said.err.contains("401") && said.err.contains("hint:"), "{said:?}");
    let log = shell.log();
    assert!(log.contains("from=\"127.0.0.1:") && log.contains("hook: refused"), "{log}");
    let ended = "pipetrail_messages_total{outcome=\"ignored\"} 1";
    let mut metrics = String::new();
    for _ in 0..200 {
        metrics = reqwest::get(format!("{url}/metrics")).await.unwrap().text().await.unwrap();
        if metrics.contains(ended) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(metrics.contains(ended), "{metrics}");
    up.kill().await.unwrap();
    let runs = shell.program("get runs -o json").output().await.unwrap();
    assert_eq!(String::from_utf8(runs.stdout).unwrap(), "[]\n");
}
