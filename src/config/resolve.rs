use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use super::access::{access, beyond_this_machine};
use super::ado::ado;
use super::azure::{FOR_HOOKS, azure, names_an_account, spektate};
use super::file::File;
use super::model::model;
use super::names::names;
use super::owners;
use super::sources::Sources;
use super::{
    BATCH_DEADLINE, Config, Consumer, Environment, Fault, Faults, FluxConfig, HookCredentials, HttpConfig, LogConfig,
    LogFormat, Storage, WorkConfig,
};
use crate::azure::is_loopback;
use crate::domain::{BranchPattern, Time};

const DEFAULT_FILE: &str = "pipetrail.toml";
const DEFAULT_DATA: &str = "pipetrail.db";
const DEFAULT_LISTEN: &str = "127.0.0.1:8080";
const DEFAULT_LOG_FILTER: &str = "info";
const DEFAULT_LEASE: Duration = Duration::from_secs(120);
const DEFAULT_CONCURRENCY: u16 = 3;
/// Batches are smaller there, and each waits for the network several times.
const DEFAULT_CONCURRENCY_ON_AZURE: u16 = 8;

/// What the command line says; `None` where it is silent.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    pub config: Option<PathBuf>,
    pub data: Option<PathBuf>,
    /// A file that the command makes up, in place of any that is not named by a flag.
    pub made_up: Option<PathBuf>,
    pub storage: Option<String>,
    pub catalog: Option<PathBuf>,
    pub ado_url: Option<String>,
    pub listen: Option<String>,
    pub queue: Option<String>,
    /// The command has to do with a queue of Azure Storage, wherever records are kept.
    pub queue_for_hooks: bool,
    pub public_url: Option<String>,
    pub log_format: Option<String>,
    pub names: Option<String>,
    pub work: WorkFlags,
}

/// The same of a worker.
#[derive(Debug, Clone, Default)]
pub struct WorkFlags {
    pub lease: Option<Duration>,
    pub concurrency: Option<u16>,
    pub watch_hooks: Option<Duration>,
    pub hooks_to: Option<Consumer>,
    pub enrol: bool,
    pub dead_letter_age: Option<String>,
}

/// Reads the file that flags or environment name, or the default one if it is there, and resolves.
///
/// # Errors
/// All faults of flags, environment and file.
pub fn load(flags: Flags, environment: &Environment, now: Time) -> Result<Config, Faults> {
    let named = named_file(&flags, environment);
    let (source, path) = named.clone().unwrap_or_else(|| (DEFAULT_FILE.to_owned(), PathBuf::from(DEFAULT_FILE)));
    match std::fs::read_to_string(&path) {
        Ok(text) => resolve(flags, environment, Some((&path, &text)), now),
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => {
            resolve(flags, environment, None, now)
        }
        Err(error) => {
            let fault = Fault { source_name: source, says: format!("`{}` cannot be read: {error}", path.display()) };
            let mut faults = vec![fault];
            if let Err(Faults(others)) = resolve(flags, environment, None, now) {
                faults.extend(others);
            }
            Err(Faults(faults))
        }
    }
}

fn named_file(flags: &Flags, environment: &Environment) -> Option<(String, PathBuf)> {
    let by_flag = flags.config.clone().map(|path| ("--config".to_owned(), path));
    by_flag.or_else(|| {
        let value = environment.get("PIPETRAIL_CONFIG").filter(|value| !value.is_empty())?;
        Some(("PIPETRAIL_CONFIG".to_owned(), PathBuf::from(value)))
    })
}

/// Resolves flags over environment over the text of a file. Pure. What has ended by `now` is a fault.
///
/// # Errors
/// All faults at once.
pub fn resolve(
    flags: Flags,
    environment: &Environment,
    file: Option<(&Path, &str)>,
    now: Time,
) -> Result<Config, Faults> {
    let mut faults = Vec::new();
    let file = match file {
        Some((path, text)) => File::parse(&path.display().to_string(), text, &mut faults),
        None => File::default(),
    };
    let mut sources = Sources { environment, file: &file, faults, now };
    let kind = storage_kind(&mut sources, flags.storage.clone());
    out_of_place(&mut sources, &kind, &flags);
    let data = flags.data.or(flags.made_up);
    let data = sources.path(data, "PIPETRAIL_DATA", "data").unwrap_or_else(|| PathBuf::from(DEFAULT_DATA));
    let of_azure = (flags.catalog, flags.queue);
    let storage = storage(&mut sources, &kind, of_azure.clone(), &data);
    let queue_for_hooks = match &storage {
        Storage::Local if flags.queue_for_hooks && kind.is_azure == Some(false) => {
            azure(&mut sources, FOR_HOOKS, of_azure, &data).map(Box::new)
        }
        Storage::Local => None,
        Storage::Azure(azure) => Some(azure.clone()),
    };
    let spektate = spektate(&mut sources, &storage);
    let ado = ado(&mut sources, flags.ado_url);
    let http = http(&mut sources, flags.listen, flags.public_url);
    let http = HttpConfig { flux: flux(&mut sources, ado.organization.clone()), ..http };
    let log = log(&mut sources, flags.log_format);
    let work = work(&mut sources, flags.work, &storage);
    let (names, names_key) = names(&mut sources, flags.names);
    let work_item_branches = work_item_branches(&mut sources);
    let model = model(&mut sources);
    let color = environment.get("NO_COLOR").is_none_or(|value| value.is_empty());
    if sources.faults.is_empty() {
        let account_is_named = names_an_account(&sources);
        let (owners, chains, terms, zone) = (file.owners.clone(), file.chains.clone(), file.terms.clone(), file.zone);
        Ok(Config {
            data,
            storage,
            account_is_named,
            queue_for_hooks,
            ado,
            http,
            log,
            work,
            color,
            organizations: file.organizations.clone(),
            names,
            names_key,
            owners,
            chains,
            spektate,
            terms,
            zone,
            work_item_branches,
            model,
        })
    } else {
        Err(Faults(sources.faults))
    }
}

fn work_item_branches(sources: &mut Sources<'_>) -> Vec<BranchPattern> {
    let branches = sources.text(None, "PIPETRAIL_WORK_ITEM_BRANCHES", "work_item_branches");
    sources.parse(branches, BranchPattern::usual(), owners::branches)
}

fn log(sources: &mut Sources<'_>, flag: Option<String>) -> LogConfig {
    let format = flag.map(|value| ("--log-format", value));
    let format = sources.text(format, "PIPETRAIL_LOG_FORMAT", "log_format");
    let format = sources.parse(format, LogFormat::Text, parse_log_format);
    let filter = sources.variable("RUST_LOG");
    let filter = sources.parse(filter, DEFAULT_LOG_FILTER.to_owned(), parse_filter);
    LogConfig { format, filter }
}

/// Which storage was asked for, and where.
struct StorageKind {
    /// `None` where it cannot be told.
    is_azure: Option<bool>,
    source_name: String,
}

fn storage_kind(sources: &mut Sources<'_>, flag: Option<String>) -> StorageKind {
    let said = sources.text(flag.map(|value| ("--storage", value)), "PIPETRAIL_STORAGE", "storage");
    let source_name = said.as_ref().map(|said| said.source_name.clone()).unwrap_or_default();
    let default = said.is_none().then_some(false);
    StorageKind { is_azure: sources.parse(said, default, parse_storage), source_name }
}

/// A flag that would do nothing is a misunderstanding. Variables and keys may be there for other commands.
fn out_of_place(sources: &mut Sources<'_>, StorageKind { is_azure, source_name }: &StorageKind, flags: &Flags) {
    if *is_azure == Some(true) && flags.data.is_some() {
        let says =
            format!("is for the local file, and {source_name} says `azure`: leave it out, or add --storage local");
        sources.fault("--data", says);
    }
    if *is_azure == Some(false) && flags.catalog.is_some() {
        sources.fault("--catalog", "is for `azure`, and the storage is local: leave it out, or add --storage azure");
    }
    if flags.queue.is_some() && !flags.queue_for_hooks {
        sources.fault("--queue", "is for `--to queue`: leave it out");
    }
    if flags.public_url.is_some() && flags.queue_for_hooks {
        sources.fault("--url", "is for `--to web-hook`: leave it out");
    }
}

/// Where Azure's settings have faults the answer is any storage: it is not used then. Where nobody knows which storage
/// is meant, those of an account that is named are looked through all the same.
fn storage(
    sources: &mut Sources<'_>,
    StorageKind { is_azure, source_name }: &StorageKind,
    of_azure: (Option<PathBuf>, Option<String>),
    data: &Path,
) -> Storage {
    if is_azure.unwrap_or_else(|| names_an_account(sources)) {
        azure(sources, source_name, of_azure, data).map_or(Storage::Local, |azure| Storage::Azure(Box::new(azure)))
    } else {
        Storage::Local
    }
}

fn http(sources: &mut Sources<'_>, flag: Option<String>, public_url: Option<String>) -> HttpConfig {
    let said = sources.text(flag.map(|value| ("--listen", value)), "PIPETRAIL_LISTEN", "listen");
    let source_name = said.as_ref().map(|said| said.source_name.clone());
    let default = SocketAddr::from(([127, 0, 0, 1], 8080));
    let faults_before = sources.faults.len();
    let listen = sources.parse(said, default, parse_address);
    let hook = hook(sources);
    let asked = has_hook_settings(sources) || has_events_token(sources);
    if !listen.ip().is_loopback() && !asked && sources.faults.len() == faults_before {
        let says = format!(
            "{listen} can be reached from other machines: set PIPETRAIL_HOOK_USER and PIPETRAIL_HOOK_PASSWORD, or \
             listen on {DEFAULT_LISTEN}"
        );
        sources.faults.push(Fault { source_name: source_name.clone().unwrap_or_default(), says });
    }
    beyond_this_machine(sources, listen, &source_name.unwrap_or_default());
    let public_url = public_url.map(|value| ("--url", value));
    let public_url = sources.text(public_url, "PIPETRAIL_PUBLIC_URL", "public_url");
    let public_url = sources.parse(public_url, None, parse_public_url);
    let access = access(sources, public_url.as_deref());
    HttpConfig { listen, hook, access, flux: FluxConfig::default(), public_url }
}

/// What clusters sign with, and whose commits they tell of.
fn flux(sources: &mut Sources<'_>, organization: Option<String>) -> FluxConfig {
    let said = sources.text(None, "PIPETRAIL_FLUX_SECRET", "flux_secret");
    let secret = sources.parse(said, None, parse_flux_secret).map(SecretString::from);
    FluxConfig { secret, organization }
}

/// What is wrong is said without the value.
fn parse_flux_secret(text: &str) -> Result<Option<String>, String> {
    if text.len() < 16 {
        Err("is too short: at least 16 characters are needed".to_owned())
    } else {
        Ok(Some(text.to_owned()))
    }
}

/// The user is a fault to leave out, too: a password that nobody asks for would be a lock without a door.
fn hook(sources: &mut Sources<'_>) -> Option<HookCredentials> {
    let user = sources.text(None, "PIPETRAIL_HOOK_USER", "hook_user");
    let password = sources.text(None, "PIPETRAIL_HOOK_PASSWORD", "hook_password");
    let (lonely, missing) = match (user, password) {
        (Some(user), Some(password)) => {
            if user.value.contains(':') {
                let says = "must not hold a colon: basic authentication ends the user name there".to_owned();
                sources.faults.push(Fault { source_name: user.source_name, says });
                return None;
            }
            return Some(HookCredentials::new(user.value, SecretString::from(password.value)));
        }
        (None, None) => return None,
        (Some(user), None) => (user, "PIPETRAIL_HOOK_PASSWORD"),
        (None, Some(password)) => (password, "PIPETRAIL_HOOK_USER"),
    };
    sources.faults.push(Fault { source_name: lonely.source_name, says: format!("needs {missing} beside it") });
    None
}

fn has_hook_settings(sources: &Sources<'_>) -> bool {
    ["PIPETRAIL_HOOK_USER", "PIPETRAIL_HOOK_PASSWORD"].iter().any(|variable| sources.set(variable).is_some())
        || ["hook_user", "hook_password"].iter().any(|key| sources.file.values.contains_key(*key))
}

fn has_events_token(sources: &Sources<'_>) -> bool {
    sources.set("PIPETRAIL_EVENTS_TOKEN").is_some() || sources.file.values.contains_key("events_token")
}

fn work(sources: &mut Sources<'_>, flags: WorkFlags, storage: &Storage) -> WorkConfig {
    let WorkFlags { lease, concurrency, watch_hooks, hooks_to, enrol, dead_letter_age } = flags;
    let lease = lease.unwrap_or(DEFAULT_LEASE);
    if lease <= BATCH_DEADLINE {
        let says = format!(
            "{} is too short: a batch may take {}, and its messages would come again meanwhile",
            humantime::format_duration(lease),
            humantime::format_duration(BATCH_DEADLINE),
        );
        sources.faults.push(Fault { source_name: "--lease".to_owned(), says });
    }
    let age = dead_letter_age.map(|value| ("--dead-letter-age", value));
    let age = sources.text(age, "PIPETRAIL_DEAD_LETTER_AGE", "dead_letter_age");
    let (usual, consumer) = match storage {
        Storage::Local => (DEFAULT_CONCURRENCY, Consumer::WebHook),
        Storage::Azure(_) => (DEFAULT_CONCURRENCY_ON_AZURE, Consumer::Queue),
    };
    WorkConfig {
        lease,
        concurrency: concurrency.unwrap_or(usual),
        watch_hooks,
        hooks_to: hooks_to.unwrap_or(consumer),
        enrol,
        dead_letter_age: sources.parse(age, None, parse_age),
    }
}

fn parse_age(text: &str) -> Result<Option<Duration>, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => {
            Err(format!("`{text}` would discard each at once; say how old they may get, such as 30d"))
        }
        Ok(age) => Ok(Some(age)),
        Err(_) => Err(format!("`{text}` is not a duration such as 30d")),
    }
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let text_or_ip = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let parsed = text_or_ip.as_deref().unwrap_or(text).parse();
    parsed.map_err(|_| format!("`{text}` is not an address such as {DEFAULT_LISTEN}"))
}

/// Where others reach this program. What is wrong is said without the value, which may hold a password.
fn parse_public_url(text: &str) -> Result<Option<String>, String> {
    let says = match reqwest::Url::parse(text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") || !url.has_host() => {
            "is not an address such as https://pipetrail.example"
        }
        Err(_) => "is not an address such as https://pipetrail.example",
        Ok(url) if url.query().is_some() || url.fragment().is_some() => "must end before the `?`",
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "must not hold a user or a password: they go into PIPETRAIL_HOOK_USER and PIPETRAIL_HOOK_PASSWORD"
        }
        Ok(url) if url.scheme() == "http" && !is_loopback(&url) => {
            "would have the password sent in the clear: use https (http is for this machine)"
        }
        Ok(_) => return Ok(Some(text.trim_end_matches('/').to_owned())),
    };
    Err(says.to_owned())
}

/// Whether it is `azure`.
fn parse_storage(text: &str) -> Result<Option<bool>, String> {
    match text {
        "local" => Ok(Some(false)),
        "azure" => Ok(Some(true)),
        other => Err(format!("`{other}` is neither `local` nor `azure`")),
    }
}

fn parse_log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        other => Err(format!("`{other}` is neither `text` nor `json`")),
    }
}

fn parse_filter(text: &str) -> Result<String, String> {
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!("`{text}` is not a log filter such as info or pipetrail=debug")),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), OsString::from(value))).collect()
    }

    fn resolved(flags: Flags, pairs: &[(&str, &str)], file: Option<&str>) -> Result<Config, Vec<String>> {
        let path = Path::new("pipetrail.toml");
        resolve(flags, &environment(pairs), file.map(|text| (path, text)), Time::UNKNOWN)
            .map_err(|Faults(faults)| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn defaults() {
        let config = resolved(Flags::default(), &[], None).unwrap();
        assert_eq!(config.data, Path::new("pipetrail.db"));
        assert_eq!(config.http.listen.to_string(), DEFAULT_LISTEN);
        assert!(config.http.hook.is_none());
        assert_eq!(config.log, LogConfig { format: LogFormat::Text, filter: "info".to_owned() });
        assert!(config.color);
    }

    #[test]
    fn flags_win_over_environment_and_that_over_the_file() {
        let file = "data = 'file.db'\nlisten = '127.0.0.1:1'\nlog_format = 'json'";
        let flags = Flags { data: Some("flag.db".into()), ..Flags::default() };
        let environment = [("PIPETRAIL_DATA", "variable.db"), ("PIPETRAIL_LISTEN", "127.0.0.1:2")];
        let config = resolved(flags, &environment, Some(file)).unwrap();
        assert_eq!(config.data, Path::new("flag.db"));
        assert_eq!(config.http.listen.port(), 2);
        assert_eq!(config.log.format, LogFormat::Json);
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        let config = resolved(Flags::default(), &[("PIPETRAIL_DATA", ""), ("NO_COLOR", "")], None).unwrap();
        assert_eq!(config.data, Path::new("pipetrail.db"));
        assert!(config.color);
        assert!(!resolved(Flags::default(), &[("NO_COLOR", "1")], None).unwrap().color);
    }

    #[test]
    fn organizations_are_names() {
        let resolve = |name: &str| resolved(Flags::default(), &[], Some(&format!("[organizations]\nold = {name}")));
        let config = resolve("'Fabrikam'").unwrap();
        assert_eq!(config.organizations.get("old").map(String::as_str), Some("Fabrikam"));
        for unusable in ["''", "'a/b'", "'a|b'", "\"a\\nb\"", "7"] {
            assert!(resolve(unusable).is_err(), "{unusable}");
        }
    }

    #[test]
    fn hooks_with_credentials_may_come_from_anywhere() {
        let beyond = ("PIPETRAIL_LISTEN", "0.0.0.0:80");
        let readers = ("PIPETRAIL_READ_TOKEN", "0123456789abcdef");
        let pairs = [beyond, readers, ("PIPETRAIL_HOOK_USER", "u"), ("PIPETRAIL_HOOK_PASSWORD", "p")];
        let config = resolved(Flags::default(), &pairs, None).unwrap();
        assert!(config.http.hook.unwrap().admit(b"u", b"p"));
        assert!(resolved(Flags::default(), &[beyond, ("PIPETRAIL_EVENTS_TOKEN", "0123456789abcdef")], None).is_ok());
        assert_eq!(resolved(Flags::default(), &[beyond, readers], None).unwrap_err().len(), 1);
    }

    type Row = (&'static [(&'static str, &'static str)], &'static str, &'static [&'static str]);

    /// Each row: environment, file, the faults in order.
    const FAULTS: &[Row] = &[
        (&[("PIPETRAIL_LISTEN", "abc")], "", &["PIPETRAIL_LISTEN: `abc` is not an address such as 127.0.0.1:8080"]),
        (&[], "storage = 'tape'", &["pipetrail.toml: storage: `tape` is neither `local` nor `azure`"]),
        (&[("PIPETRAIL_LOG_FORMAT", "xml")], "", &["PIPETRAIL_LOG_FORMAT: `xml` is neither `text` nor `json`"]),
        (&[("RUST_LOG", "a=b=c")], "", &["RUST_LOG: `a=b=c` is not a log filter such as info or pipetrail=debug"]),
        (&[("PIPETRAIL_HOOK_USER", "u")], "", &["PIPETRAIL_HOOK_USER: needs PIPETRAIL_HOOK_PASSWORD beside it"]),
        (&[], "hook_password = 'p'", &["pipetrail.toml: hook_password: needs PIPETRAIL_HOOK_USER beside it"]),
        (
            &[("PIPETRAIL_HOOK_USER", "a:b"), ("PIPETRAIL_HOOK_PASSWORD", "p")],
            "",
            &["PIPETRAIL_HOOK_USER: must not hold a colon: basic authentication ends the user name there"],
        ),
        (
            &[],
            "listen = '0.0.0.0:8080'",
            &[
                "pipetrail.toml: listen: 0.0.0.0:8080 can be reached from other machines: set PIPETRAIL_HOOK_USER and \
               PIPETRAIL_HOOK_PASSWORD, or listen on 127.0.0.1:8080",
                "pipetrail.toml: listen: 0.0.0.0:8080 can be reached from other machines, and everybody there could read \
               everything: set PIPETRAIL_READ_TOKEN or PIPETRAIL_ADMIN_TOKEN, or [oidc] or [proxy] in the file",
            ],
        ),
        (
            &[],
            "a = 1\nlisten = 8080\n= 'secret'",
            &["pipetrail.toml line 3: not TOML: unquoted keys cannot be empty, expected letters, numbers, `-`, `_`"],
        ),
        (
            &[("PIPETRAIL_LISTEN", "abc"), ("PIPETRAIL_STORAGE", "tape")],
            "data = 1\nliste = 'x'\n[organizations]\na = 1",
            &[
                "pipetrail.toml: data: must be text in quotes",
                "pipetrail.toml: liste: is not a known key; known are data, storage, queue, table, catalog, poison_copy, \
                 azure_storage_connection_string, azure_storage_account, azure_storage_key, azure_storage_sas_token, \
                 azure_storage_queue_endpoint, azure_storage_table_endpoint, identity, listen, public_url, hook_user, hook_password, \
                 read_token, admin_token, events_token, session_key, ado_url, ado_token, ado_bearer_command, organization, projects, names, names_key, dead_letter_age, \
                 work_item_branches, flux_secret, spektate_connection_string, spektate_table, \
                 model_url, model, model_key, model_names, log_format, organizations, owners, chains, environments, metrics, tokens, oidc, proxy",
                "pipetrail.toml: organizations.a: must be text in quotes",
                "PIPETRAIL_STORAGE: `tape` is neither `local` nor `azure`",
                "PIPETRAIL_LISTEN: `abc` is not an address such as 127.0.0.1:8080",
            ],
        ),
    ];

    #[test]
    fn where_the_storage_is_wrong_its_account_is_looked_at_too() {
        let pairs = [("PIPETRAIL_STORAGE", "azur"), ("AZURE_STORAGE_ACCOUNT", "F"), ("PIPETRAIL_TABLE", "tables")];
        let faults = resolved(Flags::default(), &pairs, None).unwrap_err();
        let sources: Vec<_> = faults.iter().map(|fault| fault.split(':').next().unwrap()).collect();
        assert_eq!(sources, ["PIPETRAIL_STORAGE", "PIPETRAIL_TABLE", "AZURE_STORAGE_ACCOUNT"]);
    }

    #[test]
    fn all_faults_at_once_each_with_its_source() {
        for (pairs, file, expected) in FAULTS {
            assert_eq!(resolved(Flags::default(), pairs, Some(file)).unwrap_err(), *expected, "{pairs:?} {file}");
        }
    }

    #[test]
    fn a_flag_that_would_do_nothing_is_a_fault() {
        let (path, text) = (|| Some(PathBuf::from("x.db")), || Some("x".to_owned()));
        let azure = [("PIPETRAIL_STORAGE", "azure"), ("AZURE_STORAGE_ACCOUNT", "fabrikam")];
        let local = [("PIPETRAIL_CATALOG", "x.db"), ("AZURE_STORAGE_ACCOUNT", "fabrikam")];
        let faults = |flags: Flags, pairs: &[(&str, &str)]| match resolved(flags, pairs, None) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.iter().map(|fault| fault.split(':').next().unwrap().to_owned()).collect(),
        };
        assert_eq!(faults(Flags { data: path(), ..Flags::default() }, &azure), ["--data"]);
        assert_eq!(faults(Flags { catalog: path(), ..Flags::default() }, &local), ["--catalog"]);
        assert_eq!(faults(Flags { queue: text(), ..Flags::default() }, &local), ["--queue"]);
        let url = Some("https://x.example".to_owned());
        let to_queue = Flags { queue_for_hooks: true, public_url: url, ..Flags::default() };
        assert_eq!(faults(to_queue, &local), ["--url"]);
        assert!(faults(Flags { data: path(), ..Flags::default() }, &local).is_empty());
        assert!(faults(Flags { catalog: path(), ..Flags::default() }, &azure).is_empty());
        assert!(faults(Flags { made_up: path(), ..Flags::default() }, &azure).is_empty());
    }

    #[test]
    fn an_account_beside_another_storage_is_known() {
        let named = |pairs: &[(&str, &str)], file| resolved(Flags::default(), pairs, file).unwrap().account_is_named;
        assert!(named(&[("AZURE_STORAGE_CONNECTION_STRING", "x")], None));
        assert!(named(&[], Some("azure_storage_account = 'fabrikam'")));
        assert!(!named(&[("AZURE_STORAGE_ACCOUNT", "")], None));
    }

    #[test]
    fn a_lease_must_outlast_a_batch() {
        let work = |seconds| WorkFlags { lease: Some(Duration::from_secs(seconds)), ..WorkFlags::default() };
        let lease = |seconds| Flags { work: work(seconds), ..Flags::default() };
        assert!(resolved(lease(61), &[], None).is_ok());
        let faults = resolved(lease(60), &[], None).unwrap_err();
        assert_eq!(
            faults,
            ["--lease: 1m is too short: a batch may take 1m, and its messages would come again meanwhile"]
        );
    }

    #[test]
    fn a_named_file_that_is_missing_is_a_fault_beside_the_others() {
        let flags = Flags { config: Some("/nonexistent/x.toml".into()), ..Flags::default() };
        let environment = environment(&[("PIPETRAIL_LISTEN", "abc")]);
        let Faults(faults) = load(flags, &environment, Time::UNKNOWN).unwrap_err();
        assert_eq!(faults.len(), 2);
        assert_eq!(faults[0].source_name, "--config");
    }
}
