//! What `infra/RUNBOOK.md` says to type, typed: each block in the shell that it describes, on one machine and on Azure.
//!
//! A command may fail here, since nothing is wrong that it could mend. But it has to be one that the program understands
//! with the settings at hand: none may end with 2.

use std::fs;
use std::process::Command;

use crate::azure_process::signature;
use crate::azurite::{ACCOUNT, Azurite, KEY, unique};
use crate::fake_ado::{FakeAdo, TOKEN};

/// In place of the programs: ours tells what it does not understand, those of others do nothing.
///
/// Where events come by web hook, whoever types says so. A key opens no table of the account with the records.
const STUBS: &str = r#"
az() { :; }
systemctl() { :; }
pipetrail() {
  if [ "$TO" = web-hook ]; then
    case "$1 ${2-} ${AZURE_STORAGE_ACCOUNT-}" in "subscriptions rotate-key "*) return ;; esac
    case " $* " in *" --to "*) ;; " subscriptions "*) set -- "$@" --to web-hook ;; esac
    [ -z "${AZURE_STORAGE_KEY-}" ] || [ -n "${AZURE_STORAGE_ACCOUNT-}" ] || return
  fi
  [ "$1 ${2-}" != "subscriptions test" ] || set -- "$@" --wait 1s
  case "$1" in import | refold | export | check) [ -z "${AZURE_STORAGE_KEY-}" ] || echo "FAULT: signs tables: $*" ;; esac
  local said code=0
  said=$("$PROGRAM" "$@" 2>&1 </dev/null) || code=$?
  echo "RAN: $* ($code)"
  [ $code != 2 ] || [[ $said == *"nothing was changed yet"* ]] || echo "FAULT: $*: $said"
}
"#;

fn read(path: &str) -> String {
    fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn blocks(text: &str) -> Vec<&str> {
    text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// What the unit reads, as `infra/README.md` has it made.
fn variables() -> String {
    let readme = read("infra/README.md");
    let file = readme.split("/etc/pipetrail.env <<END\n").nth(1).unwrap().split("END\n").next().unwrap();
    let made = |line: &str| match line.split_once("=$(") {
        Some((name, _)) => format!("{name}={name}-a-secret-of-this-test\n"),
        None => format!("{}\n", line.replace('…', TOKEN)),
    };
    file.lines().map(made).collect()
}

/// A machine with the program, an account of Azure and an Azure DevOps in reach.
struct Machine {
    azurite: &'static Azurite,
    ado: FakeAdo,
    folder: tempfile::TempDir,
    table: String,
}

impl Machine {
    async fn new() -> Self {
        let (azurite, ado, folder) = (Azurite::quiet().await, FakeAdo::start().await, tempfile::tempdir().unwrap());
        ado.state().hooks.keys = [KEY.to_owned()].into();
        ado.state().hooks.queue_endpoint = Some(azurite.queue_endpoint());
        fs::write(folder.path().join("pipetrail.env"), variables()).unwrap();
        Self { azurite, ado, folder, table: unique("runbook") }
    }

    /// With what stands for names in the text.
    fn real(&self, text: &str) -> String {
        let folder = self.folder.path().display().to_string();
        text.replace("https://….table.core.windows.net", &self.azurite.table_endpoint())
            .replace("AZURE_STORAGE_ACCOUNT=…in…", &format!("AZURE_STORAGE_ACCOUNT={ACCOUNT}"))
            .replace("AZURE_STORAGE_ACCOUNT=…", &format!("AZURE_STORAGE_ACCOUNT={ACCOUNT}"))
            .replace("AZURE_STORAGE_KEY=…", &format!("AZURE_STORAGE_KEY={KEY}"))
            .replace("key=…", &format!("key={KEY}"))
            .replace("PIPETRAIL_ORGANIZATION=…", "PIPETRAIL_ORGANIZATION=fabrikam")
            .replace("https://pipetrail.fabrikam.example", "http://127.0.0.1:9")
            .replace("/etc/pipetrail.env", &format!("{folder}/pipetrail.env"))
            .replace("/var/lib/pipetrail", &folder)
    }

    /// What the stubs say of a shell into which this is typed. The signature stands for whoever has signed in.
    fn typed(&self, to: &str, text: &str) -> String {
        let mut bash = Command::new("bash");
        bash.arg("-uc").arg(format!("{STUBS}{}", self.real(text))).current_dir(self.folder.path()).env_clear();
        bash.env("PROGRAM", env!("CARGO_BIN_EXE_pipetrail")).env("PATH", "/usr/bin:/bin").env("TO", to);
        bash.env("HOME", self.folder.path()).env("PIPETRAIL_ADO_URL", self.ado.url()).env("PIPETRAIL_ADO_TOKEN", TOKEN);
        bash.env("PIPETRAIL_QUEUE", &self.table).env("PIPETRAIL_TABLE", &self.table);
        bash.env("AZURE_STORAGE_QUEUE_ENDPOINT", self.azurite.queue_endpoint());
        bash.env("AZURE_STORAGE_SAS_TOKEN", signature("rwdlacup"));
        let output = bash.output().unwrap();
        [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat()
    }
}

async fn understood(to: &str, beside: &str, skipped: &str) {
    let (machine, runbook) = (Machine::new().await, read("infra/RUNBOOK.md"));
    let (_, shells) = runbook.split_once("\n## A shell beside it\n").unwrap();
    let before = blocks(shells).into_iter().find(|block| block.contains(beside)).unwrap();
    let examples = concat!("pipetrail enqueue ", env!("CARGO_MANIFEST_DIR"), "/example-json\n");
    let first = machine.typed(to, &format!("{before}{examples}pipetrail work --until-empty\npipetrail check\n"));
    assert!(first.contains("RAN: check (0)") && first.contains("RAN: work --until-empty (0)"), "{first}");
    let typed: Vec<String> = blocks(&runbook)
        .into_iter()
        .filter(|block| !block.lines().any(|line| line.starts_with(skipped)))
        .map(|block| machine.typed(to, &format!("{before}{block}")))
        .collect();
    let said = typed.concat();
    assert!(!said.contains("FAULT") && !said.contains("bash:"), "{said}");
    assert!(said.matches("RAN: ").count() > 30, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_understood_on_one_machine() {
    understood("web-hook", "/etc/pipetrail.env", "az ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_understood_beside_azure() {
    understood("queue", "az login", "cd /var/lib").await;
}
