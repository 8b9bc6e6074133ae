//! Flags over environment over file, resolved once into a [`Config`], or all faults at once.
//!
//! The environment is a map that is passed in: nothing else reads it. An empty variable counts as not
//! set, as compose files leave them. A key in the file that is not known is a fault, since a setting that
//! is silently ignored (a password!) is worse than a program that does not start.

mod access;
mod ado;
mod azure;
mod chains;
mod connection_string;
mod credentials;
mod entry;
mod file;
mod metrics;
mod model;
mod names;
mod owners;
mod resolve;
mod sources;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::ado::rest::Access;
use crate::azure::Account;
use secrecy::SecretString;

use crate::domain::chain::Chains;
use crate::domain::metrics::{Terms, Zone};
use crate::domain::owner::Owners;
use crate::domain::{BranchPattern, Names};

pub use access::{AccessConfig, Group, OidcConfig, Opens, ProxyConfig, Token, User};
pub use credentials::{HookCredentials, equal_digests};
pub use model::ModelConfig;
pub use resolve::{Flags, WorkFlags, load, resolve};

/// The environment: variable to value.
pub type Environment = BTreeMap<String, OsString>;

/// A batch has to be done within this time, and so a lease has to be longer.
pub const BATCH_DEADLINE: Duration = Duration::from_secs(60);

/// What the program runs by.
#[derive(Debug, Clone)]
pub struct Config {
    /// The local file.
    pub data: PathBuf,
    pub storage: Storage,
    /// Whether an account of Azure Storage is named, wherever records are kept.
    pub account_is_named: bool,
    /// The account and the queue that Azure DevOps puts its events on, where the command has to do with one.
    pub queue_for_hooks: Option<Box<AzureConfig>>,
    pub ado: AdoConfig,
    pub http: HttpConfig,
    pub log: LogConfig,
    pub work: WorkConfig,
    /// Whether terminals may get colours.
    pub color: bool,
    /// Other names of organizations (ids, former names), each with the canonical one. Lower case.
    pub organizations: BTreeMap<String, String>,
    /// What becomes of the names of people.
    pub names: Names,
    /// With which pseudonyms were made, or are.
    pub names_key: Option<SecretString>,
    /// Whose pipelines are whose.
    pub owners: Owners,
    /// Which repositories make a deployment chain.
    pub chains: Chains,
    /// The table that Spektate reads; `None` where no account is known for it.
    pub spektate: Option<SpektateConfig>,
    /// What counts as what in delivery metrics.
    pub terms: Terms,
    /// Whose days and weeks are counted.
    pub zone: Zone,
    /// How branches name work items.
    pub work_item_branches: Vec<BranchPattern>,
    /// Which language model answers questions; `None` leaves them to the grammar.
    pub model: Option<ModelConfig>,
}

/// Where queue and records are kept.
#[derive(Debug, Clone)]
pub enum Storage {
    /// The file [`Config::data`].
    Local,
    Azure(Box<AzureConfig>),
}

/// Azure DevOps, as its REST API is asked.
#[derive(Debug, Clone)]
pub struct AdoConfig {
    pub access: Access,
    /// Whether a credential was named. Without one Microsoft Entra is asked, by those commands that cannot do without.
    pub has_credential: bool,
    /// For what is done on a schedule.
    pub organization: Option<String>,
    /// By name or id; empty means all.
    pub projects: Vec<String>,
}

/// Queue and records in an account of Azure Storage.
#[derive(Debug, Clone)]
pub struct AzureConfig {
    pub account: Account,
    pub queue: String,
    pub table: String,
    /// The reader's replica. `None` where it is not named and the environment knows no folder for it.
    pub catalog: Option<ReplicaFile>,
    /// Whether dead letters are copied to the queue `{queue}-poison`, for people's own tools.
    pub poison_copy: bool,
}

/// The table that Spektate reads.
#[derive(Debug, Clone)]
pub struct SpektateConfig {
    pub account: Account,
    pub table: String,
    /// Somebody named it: then it is kept up to date by those who serve.
    pub is_named: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaFile {
    pub path: PathBuf,
    /// Whether a person named it: then somebody else's file may be there.
    pub named: bool,
}

#[derive(Debug, Clone)]
pub struct HttpConfig {
    pub listen: SocketAddr,
    /// What incoming hooks have to show. `None` only where `listen` is loopback, or there is a token for events.
    pub hook: Option<HookCredentials>,
    pub access: AccessConfig,
    /// What clusters have to show.
    pub flux: FluxConfig,
    /// The address that browsers and Azure DevOps use; without a slash at its end.
    pub public_url: Option<String>,
}

/// How clusters are let in that tell what they have.
#[derive(Debug, Clone, Default)]
pub struct FluxConfig {
    /// With which they sign what they post.
    pub secret: Option<SecretString>,
    /// Whose commits they tell of, where the address does not say.
    pub organization: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    pub format: LogFormat,
    /// Directives in the form of `RUST_LOG`.
    pub filter: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// Who takes the events of subscriptions: <https://learn.microsoft.com/azure/devops/service-hooks/consumers>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consumer {
    /// A queue of Azure Storage.
    Queue,
    /// `up` or `work --listen`, at its public address.
    WebHook,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkConfig {
    /// Longer than [`BATCH_DEADLINE`].
    pub lease: Duration,
    /// Batches in flight at once, at least 1.
    pub concurrency: u16,
    /// So often the subscriptions are looked after; `None` means never.
    pub watch_hooks: Option<Duration>,
    /// Where those send to.
    pub hooks_to: Consumer,
    /// Whether new projects are subscribed to then.
    pub enrol: bool,
    /// Dead letters that are older are discarded; `None` keeps them for ever.
    pub dead_letter_age: Option<Duration>,
}

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{source_name}: {says}")]
pub struct Fault {
    /// The flag, the variable, or the file with its key.
    pub source_name: String,
    pub says: String,
}

/// All that is wrong with the configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration has {} faults", .0.len())]
pub struct Faults(pub Vec<Fault>);

/// A setting, for the reference. Tests compare it with the command line and with what is read.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    pub variable: &'static str,
    pub key: Option<&'static str>,
    pub flag: Option<&'static str>,
    pub default: Option<&'static str>,
    pub meaning: &'static str,
}

/// Every setting that a variable can make.
pub const SETTINGS: &[Setting] = &[
    Setting {
        variable: "PIPETRAIL_CONFIG",
        key: None,
        flag: Some("--config"),
        default: Some("pipetrail.toml"),
        meaning: "The configuration file, TOML; the default is read if it is present",
    },
    Setting {
        variable: "PIPETRAIL_DATA",
        key: Some("data"),
        flag: Some("--data"),
        default: Some("pipetrail.db"),
        meaning: "The local file with queue and records",
    },
    Setting {
        variable: "PIPETRAIL_STORAGE",
        key: Some("storage"),
        flag: Some("--storage"),
        default: Some("local"),
        meaning: "Where queue and records are kept: `local` or `azure`",
    },
    Setting {
        variable: "PIPETRAIL_QUEUE",
        key: Some("queue"),
        flag: None,
        default: Some("ado-events"),
        meaning: "Azure: the queue that Azure DevOps puts its events on",
    },
    Setting {
        variable: "PIPETRAIL_TABLE",
        key: Some("table"),
        flag: None,
        default: Some("pipetrail"),
        meaning: "Azure: the table with records, dead letters and the change log",
    },
    Setting {
        variable: "PIPETRAIL_CATALOG",
        key: Some("catalog"),
        flag: Some("--catalog"),
        default: None,
        meaning: "Azure: the file that `get` answers from; by default a file in the user's cache folder, one for each \
                  account and table. It may be deleted at any time",
    },
    Setting {
        variable: "PIPETRAIL_POISON_COPY",
        key: Some("poison_copy"),
        flag: None,
        default: Some("on"),
        meaning: "Azure: whether dead letters are copied to the queue with `-poison` behind its name: `on` or `off`",
    },
    Setting {
        variable: "AZURE_STORAGE_CONNECTION_STRING",
        key: Some("azure_storage_connection_string"),
        flag: None,
        default: None,
        meaning: "Azure: account and credential in one; wins over the next three. `UseDevelopmentStorage=true` is Azurite \
                  on this machine",
    },
    Setting {
        variable: "AZURE_STORAGE_ACCOUNT",
        key: Some("azure_storage_account"),
        flag: None,
        default: None,
        meaning: "Azure: the storage account; without key and signature Microsoft Entra is asked",
    },
    Setting {
        variable: "AZURE_STORAGE_KEY",
        key: Some("azure_storage_key"),
        flag: None,
        default: None,
        meaning: "Azure: one of the account's two keys",
    },
    Setting {
        variable: "AZURE_STORAGE_SAS_TOKEN",
        key: Some("azure_storage_sas_token"),
        flag: None,
        default: None,
        meaning: "Azure: a shared access signature for queue and table, where there is no key",
    },
    Setting {
        variable: "AZURE_STORAGE_QUEUE_ENDPOINT",
        key: Some("azure_storage_queue_endpoint"),
        flag: None,
        default: None,
        meaning: "Azure: another address of the queue service than the public cloud's",
    },
    Setting {
        variable: "AZURE_STORAGE_TABLE_ENDPOINT",
        key: Some("azure_storage_table_endpoint"),
        flag: None,
        default: None,
        meaning: "Azure: another address of the table service",
    },
    Setting {
        variable: "PIPETRAIL_IDENTITY",
        key: Some("identity"),
        flag: None,
        default: None,
        meaning: "Microsoft Entra: the client id of the managed identity to be, where an app of Container Apps or App \
                  Service has one that is not its own",
    },
    Setting {
        variable: "PIPETRAIL_LISTEN",
        key: Some("listen"),
        flag: Some("--listen"),
        default: Some("127.0.0.1:8080"),
        meaning: "The address to listen on; any but loopback needs a hook user and password, and a way in for readers",
    },
    Setting {
        variable: "PIPETRAIL_PUBLIC_URL",
        key: Some("public_url"),
        flag: Some("--url"),
        default: None,
        meaning: "The address that browsers and Azure DevOps reach this program by, such as https://pipetrail.example",
    },
    Setting {
        variable: "PIPETRAIL_HOOK_USER",
        key: Some("hook_user"),
        flag: None,
        default: None,
        meaning: "The user name that incoming hooks must show (basic authentication)",
    },
    Setting {
        variable: "PIPETRAIL_HOOK_PASSWORD",
        key: Some("hook_password"),
        flag: None,
        default: None,
        meaning: "The password that incoming hooks must show",
    },
    Setting {
        variable: "PIPETRAIL_READ_TOKEN",
        key: Some("read_token"),
        flag: None,
        default: None,
        meaning: "A bearer token that may read everything, 16 characters or more; others go into the file as `[[tokens]]`",
    },
    Setting {
        variable: "PIPETRAIL_ADMIN_TOKEN",
        key: Some("admin_token"),
        flag: None,
        default: None,
        meaning: "A bearer token that may also requeue and discard dead letters",
    },
    Setting {
        variable: "PIPETRAIL_EVENTS_TOKEN",
        key: Some("events_token"),
        flag: None,
        default: None,
        meaning: "A bearer token that may post events to the hook endpoint, and nothing else",
    },
    Setting {
        variable: "PIPETRAIL_SESSION_KEY",
        key: Some("session_key"),
        flag: None,
        default: None,
        meaning: "The secret that browsers' sessions are signed with, 32 characters or more; set it where several processes \
                  serve. By default one is made at the start",
    },
    Setting {
        variable: "PIPETRAIL_ADO_URL",
        key: Some("ado_url"),
        flag: Some("--ado-url"),
        default: Some("https://dev.azure.com"),
        meaning: "Where Azure DevOps is; a server's address ends before the collection, such as https://tfs.example/tfs",
    },
    Setting {
        variable: "PIPETRAIL_ADO_TOKEN",
        key: Some("ado_token"),
        flag: None,
        default: None,
        meaning: "A personal access token for Azure DevOps; without it and the next one Microsoft Entra is asked",
    },
    Setting {
        variable: "PIPETRAIL_ADO_BEARER_COMMAND",
        key: Some("ado_bearer_command"),
        flag: None,
        default: None,
        meaning: "A command that prints a bearer token for Azure DevOps, run by the shell whenever one is needed",
    },
    Setting {
        variable: "PIPETRAIL_ORGANIZATION",
        key: Some("organization"),
        flag: None,
        default: None,
        meaning: "The organization, where --organization does not name one",
    },
    Setting {
        variable: "PIPETRAIL_PROJECTS",
        key: Some("projects"),
        flag: None,
        default: None,
        meaning: "Its projects, by name or id, with commas between them, where --project does not name them; for what is done on a \
                  schedule all by default",
    },
    Setting {
        variable: "PIPETRAIL_NAMES",
        key: Some("names"),
        flag: Some("--names"),
        default: Some("keep"),
        meaning: "What becomes of the names of people before anything is stored: `keep`, `pseudonyms` or `none`",
    },
    Setting {
        variable: "PIPETRAIL_NAMES_KEY",
        key: Some("names_key"),
        flag: None,
        default: None,
        meaning: "The secret that pseudonyms are made with, 16 characters or more; the same for all workers and for good",
    },
    Setting {
        variable: "PIPETRAIL_DEAD_LETTER_AGE",
        key: Some("dead_letter_age"),
        flag: Some("--dead-letter-age"),
        default: None,
        meaning: "Dead letters that are older, such as 30d, are discarded by those who work; by default they stay for ever",
    },
    Setting {
        variable: "PIPETRAIL_WORK_ITEM_BRANCHES",
        key: Some("work_item_branches"),
        flag: None,
        default: Some("{id}-*, {id}_*, */{id}, */{id}-*, */{id}_*"),
        meaning: "How branches name work items, with commas between: `{id}` is the number, `*` anything",
    },
    Setting {
        variable: "PIPETRAIL_FLUX_SECRET",
        key: Some("flux_secret"),
        flag: None,
        default: None,
        meaning: "The secret that clusters sign their posts to /hooks/flux with, 16 characters or more",
    },
    Setting {
        variable: "PIPETRAIL_SPEKTATE_CONNECTION_STRING",
        key: Some("spektate_connection_string"),
        flag: None,
        default: None,
        meaning: "The storage account that Spektate reads; by default the one of Azure storage. Those who serve keep its table \
                  up to date where this or the next one is set",
    },
    Setting {
        variable: "PIPETRAIL_SPEKTATE_TABLE",
        key: Some("spektate_table"),
        flag: None,
        default: Some("deployments"),
        meaning: "The table that Spektate reads",
    },
    Setting {
        variable: "PIPETRAIL_MODEL_URL",
        key: Some("model_url"),
        flag: None,
        default: None,
        meaning: "The base address of the language model that answers questions, such as https://api.openai.com/v1, \
                  http://localhost:11434/v1 or https://RESOURCE.openai.azure.com; with `?api-version=` it is Azure's classic \
                  form. Without it a small grammar answers",
    },
    Setting {
        variable: "PIPETRAIL_MODEL",
        key: Some("model"),
        flag: None,
        default: None,
        meaning: "The model's name; on Azure the deployment's",
    },
    Setting {
        variable: "PIPETRAIL_MODEL_KEY",
        key: Some("model_key"),
        flag: None,
        default: None,
        meaning: "Its key; on Azure Microsoft Entra is asked where it is missing",
    },
    Setting {
        variable: "PIPETRAIL_MODEL_NAMES",
        key: Some("model_names"),
        flag: None,
        default: Some("off"),
        meaning: "Whether the names of people go to the model: `on` or `off`",
    },
    Setting {
        variable: "PIPETRAIL_LOG_FORMAT",
        key: Some("log_format"),
        flag: Some("--log-format"),
        default: Some("text"),
        meaning: "How logs are written to stderr: `text` or `json`",
    },
    Setting {
        variable: "RUST_LOG",
        key: None,
        flag: None,
        default: Some("info"),
        meaning: "Which logs are written, such as `debug` or `pipetrail::ingest=debug`",
    },
    Setting {
        variable: "NO_COLOR",
        key: None,
        flag: None,
        default: None,
        meaning: "Anything: no colours. Nothing is said by colour alone",
    },
];
