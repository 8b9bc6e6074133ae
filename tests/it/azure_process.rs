//! The program on Azure Storage, as a shell sees it. Every test has a queue and a table of its own, on Azurite.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use pipetrail::azure::Services;
use serde_json::Value;

use crate::azurite::{ACCOUNT, Azurite, KEY};
use crate::process::metrics_in_order;
use crate::proxy::{Fault, Proxy};
use crate::shell::{LIMIT, Running, Shell, address};
use crate::support::{all_tests, until};

fn examples() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("example-json").display().to_string()
}

/// A file of two events that nobody can read.
fn rubbish(shell: &Shell) -> String {
    let path = shell.path().join("rubbish.ndjson");
    fs::write(&path, "rubbish\n{}\n").unwrap();
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answers_are_those_of_the_local_file() {
    let (local, azure) = (Shell::local(), Shell::azure().await);
    for shell in [&local, &azure] {
        shell.run(&format!("enqueue {} {}", examples(), rubbish(shell)));
        let (_, said) = shell.said("work --until-empty");
        assert!(said.contains("poisoned 2"), "{said}");
    }
    let questions = [
        "get runs --top 0",
        "get run 481",
        "get stages 481",
        "get pipelines",
        "get runs --result failed --branch master",
    ];
    for question in questions {
        assert_eq!(azure.json(question), local.json(question), "{question}");
    }
    assert!(azure.json("get runs").as_array().unwrap().len() > 10);
    let letters = azure.json("dead-letter list");
    let mut bodies: Vec<_> =
        letters.as_array().unwrap().iter().map(|letter| letter["body"].as_str().unwrap()).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, ["rubbish", "{}"]);
    azure.run("refold --check");
    // A purge that finds something waits for a minute, which is for the long form of the tests.
    let (age, says) = if all_tests() { ("1s", "waiting 60 s") } else { ("36500d", "purged 0 runs") };
    let purge = format!("purge --older-than {age} --yes");
    let (_, said) = azure.said(&purge);
    assert!(said.starts_with(says) && said.contains("purged "), "{said}");
    local.run(&purge);
    assert!(azure.json("check")[5]["says"].as_str().unwrap().starts_with("runs that ended before "));
    assert_eq!(azure.json("get runs --top 0"), local.json("get runs --top 0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_looked_after() {
    let shell = Shell::azure().await;
    shell.run(&format!("enqueue --base64 {}", rubbish(&shell)));
    shell.run("work --until-empty");
    let letters = shell.json("dead-letter list");
    let letter = letters.as_array().unwrap().iter().find(|letter| letter["body"] == "rubbish").unwrap();
    let id = letter["id"].as_str().unwrap();
    assert_eq!(letter["tries"], 1);
    assert_eq!(shell.run(&format!("dead-letter show {id} -o body")).stdout, b"rubbish");
    shell.run("dead-letter requeue --all");
    assert_eq!(shell.json("dead-letter list"), Value::Array(Vec::new()));
    let (_, said) = shell.said("work --until-empty");
    assert!(said.contains("received 2: poisoned 2"), "{said}");
    assert_eq!(shell.said("dead-letter discard --all").0, Some(2));
    shell.run("dead-letter discard --all --yes");
    assert_eq!(shell.json("dead-letter list"), Value::Array(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_have_replicas_of_their_own() {
    let shell = Shell::azure().await;
    shell.run(&format!("enqueue {}", examples()));
    shell.run("work --until-empty");
    let runs = shell.json("get runs --top 0");
    assert_eq!(shell.elsewhere().json("get runs --top 0"), runs);
    // Several at once on one file.
    let start = || shell.command("get runs --top 0 -o json").stdout(Stdio::piped()).spawn().unwrap();
    fs::remove_file(shell.replica()).unwrap();
    let readers: Vec<Child> = (0..4).map(|_| start()).collect();
    for reader in readers {
        let answer = reader.wait_with_output().unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&answer.stdout).unwrap(), runs);
    }
    // The named file and the data file are never mixed up.
    shell.run("get runs --catalog named.db");
    assert!(shell.path().join("named.db").exists());
    assert!(!shell.path().join("pipetrail.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_replica_is_made_anew() {
    let shell = Shell::azure().await;
    shell.run(&format!("enqueue {}", examples()));
    shell.run("work --until-empty");
    let runs = shell.json("get runs --top 0");
    let found = shell.json("query describe_data")["rows"].clone();
    let replica = shell.replica();
    let sound = fs::read(&replica).unwrap();
    for from in [0, 4096] {
        let mut bytes = sound.clone();
        bytes[from..].fill(0xa5);
        fs::write(&replica, &bytes).unwrap();
        assert_eq!(shell.json("query describe_data")["rows"], found, "damaged from byte {from}");
    }
    for from in [0, 100, 4096] {
        let mut bytes = sound.clone();
        bytes[from..].fill(0xa5);
        fs::write(&replica, &bytes).unwrap();
        assert_eq!(shell.json("get runs --top 0"), runs, "damaged from byte {from}");
    }
    let named = shell.path().join("letter.txt");
    fs::write(&named, "dear Ada, this is no database").unwrap();
    let (code, said) = shell.said("get runs --catalog letter.txt");
    assert!(code == Some(1) && said.contains("no catalog") && said.contains("--catalog"), "{said}");
    assert!(!shell.path().join("letter.txt.lock").exists());
    assert_eq!(fs::read(&named).unwrap(), b"dear Ada, this is no database");
}

/// Two versions of the program on one replica would else build it anew for each other, again and again.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_of_a_newer_version_is_refused_and_left() {
    let shell = Shell::azure().await;
    shell.run(&format!("enqueue {}", examples()));
    shell.run("work --until-empty");
    shell.run("get runs");
    let replica = rusqlite::Connection::open(shell.replica()).unwrap();
    let raise = "UPDATE meta SET value = 9999 WHERE name = 'catalog_version'";
    assert_eq!(replica.execute(raise, []).unwrap(), 1);
    let (code, said) = shell.said("get runs");
    assert!(code == Some(1) && said.contains("newer pipetrail") && said.contains("--catalog"), "{said}");
    let runs: i64 = replica.query_row("SELECT count(*) FROM runs", [], |row| row.get(0)).unwrap();
    assert!(runs > 0, "it is left as it is");
}

/// As after an update of the program: whoever reads next builds it anew, and nobody has to say so.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_of_an_older_version_is_made_anew() {
    let shell = Shell::azure().await;
    shell.run(&format!("enqueue {}", examples()));
    shell.run("work --until-empty");
    let runs = shell.json("get runs --top 0");
    let version = || -> i64 {
        let replica = rusqlite::Connection::open(shell.replica()).unwrap();
        replica.query_row("SELECT value FROM meta WHERE name = 'catalog_version'", [], |row| row.get(0)).unwrap()
    };
    let current = version();
    // Its rows are not what they would be today, and a column that is asked for is not there.
    let age = format!(
        "UPDATE meta SET value = {} WHERE name = 'catalog_version'; UPDATE runs SET result = 'old'; \
         ALTER TABLE runs DROP COLUMN url;",
        current - 1
    );
    for serves in [false, true] {
        rusqlite::Connection::open(shell.replica()).unwrap().execute_batch(&age).unwrap();
        if serves {
            let reader = Running::start(shell.command("serve --listen 127.0.0.1:0"));
            let address = format!("http://{}/api/v1/runs?limit=200", reader.address());
            until("it is built anew", async || reqwest::get(&address).await.unwrap().status() == 200).await;
            let told: Value =
                serde_json::from_slice(&reqwest::get(&address).await.unwrap().bytes().await.unwrap()).unwrap();
            assert_eq!(told["items"], runs);
        } else {
            assert_eq!(shell.json("get runs --top 0"), runs);
        }
        assert_eq!(version(), current);
    }
}

/// The address of a web server that has nothing of what it is asked for.
async fn stranger() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "ends with the test")]
    tokio::spawn(async { axum::serve(listener, axum::Router::new()).await });
    format!("http://{address}")
}

/// A line with a hint within seconds, and nothing is made by those who only read.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_reached_is_said_at_once() {
    let azurite = Azurite::start().await;
    let wrong_key = azurite.connection_string().replace("AccountKey=", "AccountKey=AAAA");
    let endpoints = |at: &str| {
        format!("AccountName={ACCOUNT};AccountKey=a2V5;QueueEndpoint={at}/{ACCOUNT};TableEndpoint={at}/{ACCOUNT}")
    };
    let rows = [
        (wrong_key, ["work", "up --listen 127.0.0.1:0", "enqueue rubbish.ndjson", "get runs"], "403", "check the key"),
        (
            endpoints("http://127.0.0.1:1"),
            ["work", "enqueue rubbish.ndjson", "get runs", "check"],
            "http://127.0.0.1:1: Connection refused",
            "`scripts/azurite` starts it",
        ),
        (
            endpoints("https://nobody.invalid"),
            ["work", "enqueue rubbish.ndjson", "get runs", "check"],
            "lookup",
            "network",
        ),
        (
            endpoints(&stranger().await),
            ["work", "enqueue rubbish.ndjson", "get runs", "check"],
            "404",
            "no such service of Azure Storage: check the endpoints",
        ),
        (
            azurite
                .connection_string()
                .replace("QueueEndpoint", "x")
                .replace("TableEndpoint", "QueueEndpoint")
                .replace("x=", "TableEndpoint="),
            ["work", "enqueue rubbish.ndjson", "get runs", "check"],
            "400",
            "whether they are swapped",
        ),
    ];
    for (connection_string, commands, what, hint) in rows {
        let shell = Shell::of(&connection_string);
        rubbish(&shell);
        for line in commands {
            let started = Instant::now();
            let output = shell.command(line).output().unwrap();
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8(said).unwrap();
            assert_eq!(output.status.code(), Some(1), "{line}: {said}");
            assert!(said.contains(what) && said.contains(hint) && !said.contains("try again"), "{line}: {said}");
            assert!(started.elapsed() < Duration::from_secs(15), "{line} took {:?}", started.elapsed());
        }
    }
    let shell = Shell::azure().await;
    for line in ["get runs", "dead-letter list", "check"] {
        let output = shell.command(line).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.code() == Some(1) && said.contains("`pipetrail work` makes queue and table"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_what_is_there() {
    let shell = Shell::azure().await;
    shell.run(&format!("enqueue {}", rubbish(&shell)));
    let said = String::from_utf8(shell.run("check").stdout).unwrap();
    assert!(said.contains("queue: about 2 visible, 0 leased") && said.contains("dead letters: none"), "{said}");
    shell.run("work --until-empty");
    let found = shell.json("check");
    let names: Vec<_> = found.as_array().unwrap().iter().map(|finding| finding["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["storage", "queue", "dead letters", "store", "change log", "floor", "catalog"]);
    assert!(found.as_array().unwrap().iter().all(|finding| finding["ok"] == true), "{found}");
    assert!(found[2]["says"].as_str().unwrap().starts_with("2, "), "{found}");
    assert!(found[4]["says"].as_str().unwrap().starts_with("4 shards, last entries: "), "{found}");
    assert_eq!(found[5]["says"], "none: nothing was purged");
}

/// All are asked at once, so that it ends when the first would.
#[test]
fn check_says_what_it_waits_for() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://{}/{ACCOUNT}", silent.local_addr().unwrap());
    let shell = Shell::of(&format!("AccountName={ACCOUNT};AccountKey={KEY};QueueEndpoint={at};TableEndpoint={at}x"));
    let started = Instant::now();
    let mut check = Running::start(shell.command("check"));
    check.line(&format!("waiting for the queue at {at}"));
    check.line("4 of 5 checks failed");
    assert_eq!(check.exit_code(), Some(1));
    assert!(started.elapsed() < Duration::from_secs(30), "it took {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_deleted_is_made_anew_and_that_is_said() {
    let azurite = Azurite::start().await;
    let shell = Shell::azure().await;
    let name = shell.setting("PIPETRAIL_TABLE");
    let services = Services::new(&azurite.account()).unwrap();
    let work = Running::start(shell.command("work"));
    work.line("working");
    services.table(name).delete().await.unwrap();
    // Not with `enqueue`, which makes the table itself.
    let body = fs::read_to_string(Path::new(&examples()).join("completed_build.json")).unwrap();
    services.queue(name).put_message(body).await.unwrap();
    work.line(&format!("table `{name}` was gone and is made anew: what it held is lost"));
    shell.wait_for("get runs", |runs| !runs.as_array().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_somebody_else_makes_anew_is_noticed() {
    let azurite = Azurite::start().await;
    let shell = Shell::azure().await;
    let work = Running::start(shell.command("work"));
    work.line("working");
    let event = |name: &str| shell.run(&format!("enqueue {}/{name}.json", examples()));
    event("started_build");
    shell.wait_for("get runs", |runs| !runs.as_array().unwrap().is_empty());
    let name = shell.setting("PIPETRAIL_TABLE");
    Services::new(&azurite.account()).unwrap().table(name).delete().await.unwrap();
    // It makes the table first.
    event("completed_build");
    work.line(&format!("table `{name}` was deleted and made anew meanwhile: what it held is lost"));
    shell.wait_for("get runs", |runs| runs[0]["state"] == "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn up_takes_a_hook() {
    let shell = Shell::azure().await;
    let up = Running::start(shell.command("up --listen 127.0.0.1:0"));
    let line = up.line("listening on ");
    assert!(line.contains("storage: Azure Storage account devstoreaccount1, queue cli"), "{line}");
    let address = address(&line);
    let body = fs::read(Path::new(&examples()).join("completed_build.json")).unwrap();
    let hook = format!("http://{address}/hooks/azure-devops");
    let posted = reqwest::Client::new().post(hook).body(body).send().await.unwrap();
    assert_eq!(posted.status(), 202);
    shell.wait_for("get runs", |runs| !runs.as_array().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_finds_the_requests_too() {
    let text = metrics_in_order(&Shell::azure().await).await;
    for request in ["service=\"queue\",status=\"200\"", "service=\"table\",status=\"202\""] {
        assert!(text.contains(&format!("pipetrail_storage_requests_total{{{request}}}")), "{text}");
    }
}

async fn status(address: &str, path: &str) -> u16 {
    reqwest::get(format!("http://{address}{path}")).await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_later_is_said_and_waited_out() {
    let proxy = Proxy::start(Azurite::start().await).await;
    let shell = Shell::of(&proxy.connection_string());
    let mut work = Running::start(shell.command("work --listen 127.0.0.1:0"));
    let address = work.address();
    assert_eq!(status(&address, "/readyz").await, 200);
    proxy.all(Some(Fault::Locked));
    let said = work.line("403 AuthenticationFailed");
    assert!(said.contains("WARN") && said.contains("queue `cli"), "{said}");
    // Its last answer is given for some seconds.
    until("it is not ready", async || status(&address, "/readyz").await == 503).await;
    assert_eq!(status(&address, "/healthz").await, 200);
    proxy.all(None);
    let said = work.line("queue: works again after ");
    assert!(said.contains("INFO"), "{said}");
    let started = Instant::now();
    while status(&address, "/readyz").await != 200 {
        assert!(started.elapsed() < LIMIT, "it does not get ready again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Services::new(&proxy.account()).unwrap().queue(shell.setting("PIPETRAIL_QUEUE")).delete().await.unwrap();
    let said = work.line("was gone and is made anew: what it held is lost");
    assert!(said.contains("WARN") && said.contains("queue `cli"), "{said}");
    shell.run(&format!("enqueue {}", examples()));
    shell.wait_for("get runs", |runs| runs.as_array().unwrap().len() > 10);
    work.signal("TERM");
    assert_eq!(work.exit_code(), Some(0));
}

/// Each event is a request of its own, and what was put before a failure is counted as such.
#[tokio::test(flavor = "multi_thread")]
async fn enqueue_says_how_much_is_safe_when_it_breaks_off() {
    let proxy = Proxy::start(Azurite::start().await).await;
    let shell = Shell::of(&proxy.connection_string());
    fs::write(shell.path().join("many.ndjson"), "{}\n".repeat(900)).unwrap();
    let mut enqueue = Running::start(shell.command("enqueue many.ndjson"));
    let begun = Instant::now();
    // Some for the queue and the table, and then one each.
    while proxy.requests() < 200 {
        assert!(begun.elapsed() < LIMIT, "nothing is sent");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    proxy.all(Some(Fault::Locked));
    let said = enqueue.line("at least ");
    let count: usize = said.split("at least ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert_eq!(enqueue.exit_code(), Some(1));
    proxy.all(None);
    let queue = Services::new(&proxy.account()).unwrap().queue(shell.setting("PIPETRAIL_QUEUE"));
    let there = queue.get_metadata().await.unwrap().approximate_messages_count;
    assert!((100..=there).contains(&count) && there < 900, "{there} are there: {said}");
}

/// A signature for all queues and tables of the emulator's account.
/// <https://learn.microsoft.com/en-us/rest/api/storageservices/create-account-sas#construct-the-signature-string>
pub(crate) fn signature(permissions: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let (version, expiry) = ("2019-12-12", "2099-01-01T00:00:00Z");
    let signed = format!("{ACCOUNT}\n{permissions}\nqt\nsco\n\n{expiry}\n\n\n{version}\n");
    let code = STANDARD.encode(hmac(&STANDARD.decode(KEY).unwrap(), signed.as_bytes()));
    let code = percent_encoding::utf8_percent_encode(&code, percent_encoding::NON_ALPHANUMERIC);
    format!("?sv={version}&ss=qt&srt=sco&sp={permissions}&se={expiry}&sig={code}")
}

/// HMAC-SHA256 (RFC 2104) with a key of one block.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    assert_eq!(key.len(), 64);
    let pad = |byte: u8| key.iter().map(|key| key ^ byte).collect::<Vec<_>>();
    let inner = Sha256::digest([&pad(0x36), text].concat());
    Sha256::digest([pad(0x5c).as_slice(), inner.as_slice()].concat()).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_is_enough_and_what_it_forbids_is_said() {
    let azurite = Azurite::start().await;
    let owner = Shell::azure().await;
    let signed = |permissions: &str| {
        let shell = owner.elsewhere().with("AZURE_STORAGE_CONNECTION_STRING", "");
        let shell = shell.with("AZURE_STORAGE_QUEUE_ENDPOINT", &azurite.queue_endpoint());
        let shell = shell.with("AZURE_STORAGE_TABLE_ENDPOINT", &azurite.table_endpoint());
        shell.with("AZURE_STORAGE_ACCOUNT", ACCOUNT).with("AZURE_STORAGE_SAS_TOKEN", &signature(permissions))
    };
    let worker = signed("rwdlacup");
    worker.run(&format!("enqueue {}", examples()));
    // The SDK's own debug lines hold what it sends, with the signature.
    let worker = worker.with("RUST_LOG", "trace");
    let (_, said) = worker.said("work --until-empty");
    let runs = worker.json("get runs --top 0");
    assert!(runs.as_array().unwrap().len() > 10);
    assert!(said.contains("batch settled") && !said.contains("sig=") && !said.contains("authorization"), "{said}");
    // Who may only read can ask, and not work.
    let reader = signed("rl");
    assert_eq!(reader.json("get runs --top 0"), runs);
    let check = reader.command("check -o json").output().unwrap();
    let check: Value = serde_json::from_slice(&check.stdout).unwrap();
    let ok =
        |name: &str| check.as_array().unwrap().iter().find(|finding| finding["name"] == name).unwrap()["ok"] == true;
    assert!(!ok("queue") && !ok("store") && ok("change log") && ok("floor") && ok("catalog"), "{check}");
    let (code, said) = reader.said("work --until-empty");
    assert!(code == Some(1) && said.contains("403") && said.contains("check the key or the signature"), "{said}");
    assert!(!said.contains("sig="), "{said}");
}
