//! Azurite, the emulator of Azure's storage: one for all tests of a process, with all its data in memory, a quiet one
//! beside it, and one on disk for a test that needs thousands of messages.
//!
//! Nothing here stops the first two, for a static is never dropped. They end when its stdin closes, and the system closes
//! that together with the process of the tests, even one that is killed.
//!
//! Keep a queue below some 500 messages: Azurite's `get` takes time in proportion to all messages of its queue, which
//! Azure's does not.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use pipetrail::azure::{Account, Credential};
use secrecy::SecretString;

use crate::support::lines;

/// The account of every emulator, and its key, which is public.
pub(crate) const ACCOUNT: &str = "devstoreaccount1";
pub(crate) const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// `serve.js` gives up after 60 s and says why.
const LIMIT: Duration = Duration::from_secs(90);

/// A name for a queue or a table of one test. Both allow lower case letters and digits, after a letter.
pub(crate) fn unique(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    assert!(prefix.starts_with(|c: char| c.is_ascii_lowercase()) && prefix.chars().all(allowed), "{prefix}");
    format!("{prefix}{}n{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The emulator's account behind these endpoints.
pub(crate) fn account(queue_endpoint: String, table_endpoint: String) -> Account {
    let credential = Credential::Key(SecretString::from(KEY));
    Account { name: ACCOUNT.to_owned(), credential, queue_endpoint, table_endpoint }
}

/// A running Azurite.
pub(crate) struct Azurite {
    child: Child,
    queue_port: u16,
    table_port: u16,
    connection_string: String,
    folder: Option<tempfile::TempDir>,
}

impl Drop for Azurite {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
        // Only now: it writes what it holds when it ends.
        drop(self.folder.take());
    }
}

impl Azurite {
    /// The one that the tests of this process share; the first to ask starts it.
    pub(crate) async fn start() -> &'static Self {
        static SHARED: LazyLock<Result<Azurite, String>> = LazyLock::new(|| Azurite::launch(None));
        let shared = tokio::task::spawn_blocking(|| SHARED.as_ref()).await.unwrap();
        shared.unwrap_or_else(|why| panic!("{why}"))
    }

    /// Another one that tests share, for those where a program asks that does not wait long: the first one stands still
    /// for seconds while others delete their messages.
    pub(crate) async fn quiet() -> &'static Self {
        static QUIET: LazyLock<Result<Azurite, String>> = LazyLock::new(|| Azurite::launch(None));
        let quiet = tokio::task::spawn_blocking(|| QUIET.as_ref()).await.unwrap();
        quiet.unwrap_or_else(|why| panic!("{why}"))
    }

    /// One for one test, on disk: in memory the queue stands still for many seconds every minute once thousands of
    /// messages were deleted.
    pub(crate) async fn on_disk() -> Self {
        let launched = tokio::task::spawn_blocking(|| Self::launch(Some(tempfile::tempdir().unwrap())));
        launched.await.unwrap().unwrap_or_else(|why| panic!("{why}"))
    }

    /// Where queues are, the account included.
    pub(crate) fn queue_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}", self.queue_port)
    }

    /// Where tables are, the account included.
    pub(crate) fn table_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}", self.table_port)
    }

    pub(crate) fn account(&self) -> Account {
        account(self.queue_endpoint(), self.table_endpoint())
    }

    /// Names the account, its key and both endpoints, as a user would configure them.
    pub(crate) fn connection_string(&self) -> &str {
        &self.connection_string
    }

    /// Another process may take a port before Azurite does, so this tries more than once.
    fn launch(disk: Option<tempfile::TempDir>) -> Result<Self, String> {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/azurite"));
        if !folder.join("node_modules/.installed").exists() {
            return Err("Azurite is not installed: run scripts/test, or tests/azurite/install alone".to_owned());
        }
        for _ in 0..3 {
            if let Some(mut azurite) = Self::try_launch(&folder.join("serve.js"), disk.as_ref())? {
                azurite.folder = disk;
                return Ok(azurite);
            }
        }
        Err("Azurite does not start; it said why on stderr".to_owned())
    }

    /// None if it ended instead of serving.
    fn try_launch(serve: &Path, disk: Option<&tempfile::TempDir>) -> Result<Option<Self>, String> {
        let [queue_port, table_port] = free_ports();
        let mut command = Command::new("node");
        command.arg(serve).arg("--with-stdin").args([queue_port, table_port].map(|port| port.to_string()));
        command.args(disk.map(tempfile::TempDir::path));
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|error| format!("node (20 or later) does not start: {error}"))?;

        match lines(child.stdout.take().unwrap()).recv_timeout(LIMIT) {
            Ok(line) => {
                let value = line.strip_prefix("export AZURE_STORAGE_CONNECTION_STRING='");
                let value = value.and_then(|value| value.strip_suffix('\''));
                let connection_string = value.ok_or_else(|| format!("Azurite said {line:?}"))?.to_owned();
                Ok(Some(Self { child, queue_port, table_port, connection_string, folder: None }))
            }
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(format!("Azurite does not answer within {LIMIT:?}")),
        }
    }
}

/// Two ports that nobody uses at this moment.
fn free_ports() -> [u16; 2] {
    // Both at once, or the second could be the first again.
    let listeners = [(); 2].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// Which service answers there.
async fn server(endpoint: &str) -> String {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
    let response = client.get(endpoint).send().await.unwrap();
    response.headers().get("server").unwrap().to_str().unwrap().to_owned()
}

#[tokio::test]
async fn both_services_answer() {
    let azurite = Azurite::start().await;
    assert_eq!(server(&azurite.queue_endpoint()).await, "Azurite-Queue/3.35.0");
    assert_eq!(server(&azurite.table_endpoint()).await, "Azurite-Table/3.35.0");
}

#[tokio::test]
async fn the_connection_string_names_account_and_endpoints() {
    let azurite = Azurite::start().await;
    let expected = [
        "DefaultEndpointsProtocol=http".to_owned(),
        format!("AccountName={ACCOUNT}"),
        format!("AccountKey={KEY}"),
        format!("QueueEndpoint={}", azurite.queue_endpoint()),
        format!("TableEndpoint={}", azurite.table_endpoint()),
    ];
    assert_eq!(azurite.connection_string(), format!("{};", expected.join(";")));
}

/// Whoever calls `scripts/azurite` with something wrong sees one line.
#[test]
fn what_is_wrong_with_its_arguments_is_one_line() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let file = file.path().to_str().unwrap();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let taken = taken.local_addr().unwrap().port().to_string();
    let [free, _] = free_ports().map(|port| port.to_string());
    for (arguments, says) in [
        (vec!["abc", "10002"], "AZURITE_QUEUE_PORT: `abc` is no port"),
        (vec!["10001", "65536"], "AZURITE_TABLE_PORT: `65536` is no port"),
        (vec!["10001", "10001"], "port 10001 is asked for twice"),
        (vec!["10001", "10002", file], "is no folder"),
        (vec!["10001", "10002", "/proc/none"], "cannot be used"),
        (vec![&taken, &free], "is taken; AZURITE_QUEUE_PORT names another"),
    ] {
        let serve = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/azurite/serve.js");
        let output = Command::new("node").arg(serve).args(&arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.starts_with("azurite: ") && said.contains(says) && said.lines().count() == 1, "{said}");
    }
}

/// What the system does for a process of tests that ends in whatever way.
#[test]
fn it_ends_when_its_stdin_closes() {
    let mut azurite = Azurite::launch(None).unwrap_or_else(|why| panic!("{why}"));
    drop(azurite.child.stdin.take());
    let closed = Instant::now();
    while azurite.child.try_wait().unwrap().is_none() {
        assert!(closed.elapsed() < LIMIT, "Azurite does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn names_differ() {
    assert_ne!(unique("runs"), unique("runs"));
}
