//! Which storage account, and by which right.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use azure_storage::{EMULATOR_ACCOUNT, EMULATOR_ACCOUNT_KEY};
use base64_simd::STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::connection_string::ConnectionString;
use super::credentials::identity;
use super::sources::{Sourced, Sources};
use super::{AzureConfig, Environment, ReplicaFile, SpektateConfig, Storage};
use crate::azure::{Account, Credential, is_loopback};
use crate::domain::Time;

const CONNECTION_STRING: &str = "AZURE_STORAGE_CONNECTION_STRING";
const ACCOUNT: &str = "AZURE_STORAGE_ACCOUNT";
const DEFAULT_QUEUE: &str = "ado-events";
const DEFAULT_TABLE: &str = "pipetrail";
const DEFAULT_SUFFIX: &str = "core.windows.net";
/// Of the names of queues and tables.
const LENGTHS: RangeInclusive<usize> = 3..=63;

/// `None` where a fault was found. `storage` is where this storage was asked for.
pub(super) fn azure(
    sources: &mut Sources<'_>,
    storage: &str,
    flags: (Option<PathBuf>, Option<String>),
    data: &Path,
) -> Option<AzureConfig> {
    let (catalog, queue) = flags;
    let queue = sources.text(queue.map(|value| ("--queue", value)), "PIPETRAIL_QUEUE", "queue");
    let queue = sources.parse(queue, DEFAULT_QUEUE.to_owned(), parse_queue);
    let table = sources.text(None, "PIPETRAIL_TABLE", "table");
    let table = sources.parse(table, DEFAULT_TABLE.to_owned(), parse_table);
    let poison_copy = sources.text(None, "PIPETRAIL_POISON_COPY", "poison_copy");
    let poison_copy = sources.parse(poison_copy, true, parse_switch);
    if poison_copy && queue.len() > LENGTHS.end() - "-poison".len() {
        let says = format!("`{queue}` is too long for a second one, `{queue}-poison`: set PIPETRAIL_POISON_COPY=off");
        sources.fault("PIPETRAIL_QUEUE", says);
    }
    let named = sources.path(catalog, "PIPETRAIL_CATALOG", "catalog");
    if named.as_deref() == Some(data) {
        let says = format!("`{}` is the local file (--data): name another", data.display());
        sources.fault("--catalog", says);
    }
    let account = account(sources, storage)?;
    let catalog = match named {
        Some(path) => Some(ReplicaFile { path, named: true }),
        None => cache_folder(sources.environment)
            .map(|folder| ReplicaFile { path: folder.join(catalog_name(&account, &table)), named: false }),
    };
    Some(AzureConfig { account, queue, table, catalog, poison_copy })
}

/// The table that Spektate reads: in an account of its own, else in that of the storage.
pub(super) fn spektate(sources: &mut Sources<'_>, storage: &Storage) -> Option<SpektateConfig> {
    let said = sources.text(None, "PIPETRAIL_SPEKTATE_CONNECTION_STRING", "spektate_connection_string");
    let table = sources.text(None, "PIPETRAIL_SPEKTATE_TABLE", "spektate_table");
    let is_named = said.is_some() || table.is_some();
    let table_named_by = table.as_ref().map(|table| table.source_name.clone());
    let table = sources.parse(table, "deployments".to_owned(), parse_table);
    let account = match (said, storage) {
        (Some(said), _) => own_account(sources, &said)?,
        (None, Storage::Azure(azure)) => azure.account.clone(),
        (None, Storage::Local) => {
            if let Some(source_name) = table_named_by {
                sources.fault(source_name, "is in no account: set PIPETRAIL_SPEKTATE_CONNECTION_STRING beside it");
            }
            return None;
        }
    };
    Some(SpektateConfig { account, table, is_named })
}

fn own_account(sources: &mut Sources<'_>, said: &Sourced) -> Option<Account> {
    let draft = by_connection_string(sources, said)?;
    let public = draft.credential.as_ref().is_some_and(is_public);
    let queue_endpoint = endpoint(sources, "queue", draft.queue, public);
    let table_endpoint = endpoint(sources, "table", draft.table, public);
    let (name, credential) = (draft.name?, draft.credential?);
    Some(Account { name, credential, queue_endpoint: queue_endpoint?, table_endpoint: table_endpoint? })
}

/// Who asks for an account where hooks are to put their events.
pub(super) const FOR_HOOKS: &str = "--to queue";

pub(super) fn names_an_account(sources: &Sources<'_>) -> bool {
    [CONNECTION_STRING, ACCOUNT]
        .iter()
        .any(|variable| sources.set(variable).is_some() || sources.file.values.contains_key(&variable.to_lowercase()))
}

/// An account whose endpoints are not checked yet.
struct Draft {
    name: Option<String>,
    credential: Option<Credential>,
    queue: Sourced,
    table: Sourced,
}

fn account(sources: &mut Sources<'_>, storage: &str) -> Option<Account> {
    // An account that is named nearer than the connection string wins over it.
    let nearer = sources.set(CONNECTION_STRING).is_none() && sources.set(ACCOUNT).is_some();
    let said = secret(sources, CONNECTION_STRING).filter(|_| !nearer);
    let mut draft = match said {
        Some(said) => by_connection_string(sources, &said)?,
        None => by_name(sources, storage)?,
    };
    if let Some(queue) = sources.text(None, "AZURE_STORAGE_QUEUE_ENDPOINT", "azure_storage_queue_endpoint") {
        draft.queue = queue;
    }
    if let Some(table) = sources.text(None, "AZURE_STORAGE_TABLE_ENDPOINT", "azure_storage_table_endpoint") {
        draft.table = table;
    }
    let public = draft.credential.as_ref().is_some_and(is_public);
    let queue_endpoint = endpoint(sources, "queue", draft.queue, public);
    let table_endpoint = endpoint(sources, "table", draft.table, public);
    Some(Account {
        name: draft.name?,
        credential: draft.credential?,
        queue_endpoint: queue_endpoint?,
        table_endpoint: table_endpoint?,
    })
}

/// The variables of Azure are keys of the file in lower case.
fn secret(sources: &mut Sources<'_>, variable: &str) -> Option<Sourced> {
    sources.text(None, variable, &variable.to_lowercase())
}

fn by_name(sources: &mut Sources<'_>, storage: &str) -> Option<Draft> {
    let name = secret(sources, ACCOUNT);
    let key = secret(sources, "AZURE_STORAGE_KEY");
    let signature = secret(sources, "AZURE_STORAGE_SAS_TOKEN");
    let Some(name) = name else {
        match key.or(signature) {
            Some(lonely) => sources.fault(lonely.source_name, format!("needs {ACCOUNT} beside it")),
            None => {
                let says = if storage == FOR_HOOKS {
                    format!(
                        "Azure DevOps puts events on a queue by the account's key alone: set {ACCOUNT} and \
                         AZURE_STORAGE_KEY, or {CONNECTION_STRING} with AccountKey; without an account use --to web-hook"
                    )
                } else {
                    format!(
                        "`azure` needs an account: set {CONNECTION_STRING}, or {ACCOUNT} with AZURE_STORAGE_KEY, with \
                     AZURE_STORAGE_SAS_TOKEN, or alone for Microsoft Entra"
                    )
                };
                sources.fault(storage, says);
            }
        }
        return None;
    };
    let credential = credential(sources, key, signature);
    let address = |service: &str| Sourced {
        source_name: name.source_name.clone(),
        value: address("https", &name.value, service, DEFAULT_SUFFIX),
    };
    let (queue, table) = (address("queue"), address("table"));
    Some(Draft { name: account_name(sources, &name.source_name, &name.value), credential, queue, table })
}

fn by_connection_string(sources: &mut Sources<'_>, text: &Sourced) -> Option<Draft> {
    let source = |part: &str| format!("{}: {part}", text.source_name);
    let said = match ConnectionString::parse(&text.value) {
        Ok(said) => said,
        Err(broken) => {
            for number in broken {
                let says = "is not Name=value; copy the whole connection string, in quotes where a shell reads it";
                sources.fault(source(&format!("part {number}")), says);
            }
            return None;
        }
    };
    if said.development {
        return Some(azurite(&text.source_name));
    }
    let sourced = |part: &str, value: &str| Sourced { source_name: source(part), value: value.to_owned() };
    let key = said.key.map(|key| sourced("AccountKey", key));
    let signature = said.signature.map(|signature| sourced("SharedAccessSignature", signature));
    let credential = if key.is_none() && signature.is_none() {
        let says = format!(
            "has neither AccountKey nor SharedAccessSignature; for Microsoft Entra set {ACCOUNT} instead of it"
        );
        sources.fault(&text.source_name, says);
        None
    } else {
        credential(sources, key, signature)
    };
    let protocol = said.protocol.unwrap_or("https");
    if !["http", "https"].contains(&protocol) {
        sources.fault(source("DefaultEndpointsProtocol"), "is neither `https` nor `http`");
        return None;
    }
    // The portal's strings with a signature name no account.
    let in_endpoint = || said.queue_endpoint.or(said.table_endpoint).and_then(account_in);
    let Some(name) = said.account.map(str::to_owned).or_else(in_endpoint) else {
        sources.fault(&text.source_name, "names no account: it needs AccountName=…");
        return None;
    };
    let suffix = said.suffix.unwrap_or(DEFAULT_SUFFIX);
    let endpoint = |part: &str, service: &str, said: Option<&str>| match said {
        Some(endpoint) => sourced(part, endpoint),
        None => Sourced { source_name: text.source_name.clone(), value: address(protocol, &name, service, suffix) },
    };
    let queue = endpoint("QueueEndpoint", "queue", said.queue_endpoint);
    let table = endpoint("TableEndpoint", "table", said.table_endpoint);
    Some(Draft { name: account_name(sources, &source("AccountName"), &name), credential, queue, table })
}

/// The emulator on this machine: <https://learn.microsoft.com/en-us/azure/storage/common/storage-use-azurite>.
fn azurite(source_name: &str) -> Draft {
    let at = |port: u16| Sourced {
        source_name: source_name.to_owned(),
        value: format!("http://127.0.0.1:{port}/{EMULATOR_ACCOUNT}"),
    };
    Draft {
        name: Some(EMULATOR_ACCOUNT.to_owned()),
        credential: Some(Credential::Key(SecretString::from(EMULATOR_ACCOUNT_KEY))),
        queue: at(10001),
        table: at(10002),
    }
}

fn address(protocol: &str, account: &str, service: &str, suffix: &str) -> String {
    format!("{protocol}://{account}.{service}.{suffix}")
}

fn credential(sources: &mut Sources<'_>, key: Option<Sourced>, signature: Option<Sourced>) -> Option<Credential> {
    if let Some(key) = key {
        if STANDARD.decode_to_vec(&key.value).is_ok() {
            return Some(Credential::Key(SecretString::from(key.value)));
        }
        sources.fault(key.source_name, "is not base64: copy one of the account's two keys as it stands in the portal");
        return None;
    }
    let Some(signature) = signature else { return Some(Credential::Entra(identity(sources))) };
    let value = signature.value.trim_start_matches('?');
    if !value.split('&').any(|pair| pair.starts_with("sig=")) {
        sources.fault(signature.source_name, "is no shared access signature: those hold `sig=…`");
        return None;
    }
    if let Some(end) = end_of(value).filter(|end| *end <= sources.now) {
        sources.fault(signature.source_name, format!("has ended at {end} (`se`): make a new signature"));
        return None;
    }
    Some(Credential::Sas(SecretString::from(value)))
}

/// When a signature ends, where it says a time that is known here:
/// <https://learn.microsoft.com/en-us/rest/api/storageservices/create-service-sas#specify-the-access-policy>.
fn end_of(signature: &str) -> Option<Time> {
    let end = signature.split('&').find_map(|pair| pair.strip_prefix("se="))?;
    let end = percent_decode_str(end).decode_utf8().ok()?;
    Time::parse(&end).ok().flatten()
}

/// Whether everybody knows it.
fn is_public(credential: &Credential) -> bool {
    match credential {
        Credential::Key(key) => key.expose_secret() == EMULATOR_ACCOUNT_KEY,
        Credential::Sas(_) | Credential::Entra(_) => false,
    }
}

fn account_name(sources: &mut Sources<'_>, source_name: &str, name: &str) -> Option<String> {
    let fits = (3..=24).contains(&name.len())
        && name.chars().all(|character| character.is_ascii_lowercase() || character.is_ascii_digit());
    if !fits {
        sources.fault(source_name, format!("{} is no account: 3 to 24 lower case letters and digits", quoted(name)));
    }
    fits.then(|| name.to_owned())
}

/// The text, unless it may hold a secret that was put into the wrong variable: a connection string, an address with a
/// signature, a key.
fn quoted(text: &str) -> String {
    let tells = text.len() > *LENGTHS.end() || text.contains(['=', ';', '?', '&']);
    if tells { "what is set".to_owned() } else { format!("`{text}`") }
}

/// `https://fabrikam.queue.core.windows.net`, and emulators' `http://127.0.0.1:10001/fabrikam`.
fn account_in(endpoint: &str) -> Option<String> {
    let url = Url::parse(endpoint).ok()?;
    let in_path = url.path_segments()?.next().filter(|segment| !segment.is_empty()).map(str::to_owned);
    in_path.or_else(|| Some(url.domain()?.split('.').next()?.to_owned()))
}

/// What is wrong is said without the value, which may hold a signature.
fn endpoint(sources: &mut Sources<'_>, service: &str, said: Sourced, credential_is_public: bool) -> Option<String> {
    let says = match Url::parse(&said.value) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") || !url.has_host() => {
            "is not an address such as https://fabrikam.table.core.windows.net"
        }
        Err(_) => "is not an address such as https://fabrikam.table.core.windows.net",
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            "must end before the `?`: a signature goes into AZURE_STORAGE_SAS_TOKEN"
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => "must not hold a user or a password",
        Ok(url) if url.scheme() == "http" && !credential_is_public && !is_loopback(&url) => {
            "would send everything in the clear: use https (http is for this machine, such as Azurite)"
        }
        Ok(url) => match other_service(&url).filter(|other| *other != service) {
            None => return Some(said.value.trim_end_matches('/').to_owned()),
            Some(other) => {
                sources.fault(
                    said.source_name,
                    format!("is an address of the {other} service, not of the {service} service"),
                );
                return None;
            }
        },
    };
    sources.fault(said.source_name, says);
    None
}

/// The service whose address in a cloud this is: `fabrikam.queue.core.windows.net`.
fn other_service(url: &Url) -> Option<&str> {
    let service = url.domain()?.split('.').nth(1)?;
    ["blob", "dfs", "file", "queue", "table", "web"].contains(&service).then_some(service)
}

/// <https://learn.microsoft.com/en-us/rest/api/storageservices/naming-queues-and-metadata>
fn parse_queue(text: &str) -> Result<String, String> {
    let letters = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    let parts_fit = text.split('-').all(|part| !part.is_empty() && part.chars().all(letters));
    let says =
        || format!("{} is no queue: 3 to 63 lower case letters, digits and single hyphens between them", quoted(text));
    if LENGTHS.contains(&text.len()) && parts_fit { Ok(text.to_owned()) } else { Err(says()) }
}

/// <https://learn.microsoft.com/en-us/rest/api/storageservices/understanding-the-table-service-data-model#table-names>
fn parse_table(text: &str) -> Result<String, String> {
    if text.eq_ignore_ascii_case("tables") {
        return Err(format!("`{text}` is a name that the service keeps for itself"));
    }
    let fits = LENGTHS.contains(&text.len())
        && text.starts_with(|character: char| character.is_ascii_alphabetic())
        && text.chars().all(|character| character.is_ascii_alphanumeric());
    let says = || format!("{} is no table: 3 to 63 letters and digits, a letter first", quoted(text));
    if fits { Ok(text.to_owned()) } else { Err(says()) }
}

fn parse_switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(format!("`{other}` is neither `on` nor `off`")),
    }
}

/// Where this user's programs keep what they can make anew.
fn cache_folder(environment: &Environment) -> Option<PathBuf> {
    let folder = |variable: &str| environment.get(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = if cfg!(windows) {
        folder("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        folder("HOME").map(|home| home.join("Library/Caches"))
    } else {
        folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")))
    };
    folder.map(|folder| folder.join("pipetrail"))
}

/// Accounts of one name at different addresses, as emulators have them, are different ones. Tables differ in more
/// than their case.
fn catalog_name(account: &Account, table: &str) -> String {
    let digest = Sha256::digest(account.table_endpoint.to_lowercase().as_bytes());
    let place: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{place}.db", account.name, table.to_lowercase())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::{Config, Faults, Flags, Storage, resolve};
    use super::*;

    fn resolved(flags: Flags, pairs: &[(&str, &str)], file: &str) -> Result<Config, Vec<String>> {
        let mut environment: Environment =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), OsString::from(value))).collect();
        environment.insert("PIPETRAIL_STORAGE".to_owned(), "azure".into());
        let now = Time::parse("2026-01-01T00:00:00Z").unwrap().unwrap();
        resolve(flags, &environment, Some((Path::new("pipetrail.toml"), file)), now)
            .map_err(|Faults(faults)| faults.iter().map(ToString::to_string).collect())
    }

    fn azure(pairs: &[(&str, &str)], file: &str) -> AzureConfig {
        match resolved(Flags::default(), pairs, file).unwrap().storage {
            Storage::Azure(azure) => *azure,
            Storage::Local => panic!("it is local"),
        }
    }

    /// Its kind, and the secret.
    fn shown(credential: &Credential) -> (&'static str, &str) {
        match credential {
            Credential::Key(key) => ("key", key.expose_secret()),
            Credential::Sas(signature) => ("sas", signature.expose_secret()),
            Credential::Entra(_) => ("entra", ""),
        }
    }

    const STRING: (&str, &str) = (CONNECTION_STRING, "AccountName=ofstring;AccountKey=c3RyaW5n");
    const NAME: (&str, &str) = (ACCOUNT, "fabrikam");
    const KEY: (&str, &str) = ("AZURE_STORAGE_KEY", "a2V5");
    const SAS: (&str, &str) = ("AZURE_STORAGE_SAS_TOKEN", "?sv=2022-11-02&sig=a%3D");

    #[test]
    fn connection_string_then_key_then_signature_then_entra() {
        type Row = (&'static [(&'static str, &'static str)], &'static str, (&'static str, &'static str));
        let rows: [Row; 4] = [
            (&[STRING, NAME, KEY, SAS], "ofstring", ("key", "c3RyaW5n")),
            (&[NAME, KEY, SAS], "fabrikam", ("key", "a2V5")),
            (&[NAME, SAS], "fabrikam", ("sas", "sv=2022-11-02&sig=a%3D")),
            (&[NAME], "fabrikam", ("entra", "")),
        ];
        for (pairs, name, credential) in rows {
            let account = azure(pairs, "").account;
            assert_eq!((account.name.as_str(), shown(&account.credential)), (name, credential));
            assert_eq!(account.queue_endpoint, format!("https://{name}.queue.core.windows.net"));
            assert_eq!(account.table_endpoint, format!("https://{name}.table.core.windows.net"));
        }
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let file = "azure_storage_connection_string = 'AccountName=offile;AccountKey=c3RyaW5n'\nqueue = 'of-file'";
        assert_eq!(azure(&[], file).account.name, "offile");
        let config = azure(&[NAME, KEY, ("PIPETRAIL_QUEUE", "of-environment")], file);
        assert_eq!((config.account.name.as_str(), config.queue.as_str()), ("fabrikam", "of-environment"));
    }

    #[test]
    fn defaults() {
        let config = azure(&[NAME, ("XDG_CACHE_HOME", "/cache")], "");
        assert_eq!(
            (config.queue.as_str(), config.table.as_str(), config.poison_copy),
            ("ado-events", "pipetrail", true)
        );
        assert!(!azure(&[NAME, ("PIPETRAIL_POISON_COPY", "off")], "").poison_copy);
    }

    #[test]
    fn azurite_by_one_word() {
        let account = azure(&[(CONNECTION_STRING, "UseDevelopmentStorage=true")], "").account;
        assert_eq!(shown(&account.credential), ("key", EMULATOR_ACCOUNT_KEY));
        assert_eq!(account.queue_endpoint, "http://127.0.0.1:10001/devstoreaccount1");
        assert_eq!(account.table_endpoint, "http://127.0.0.1:10002/devstoreaccount1");
    }

    #[test]
    fn endpoints_by_string_by_suffix_and_over_both() {
        let text = "DefaultEndpointsProtocol=https;AccountName=fabrikam;AccountKey=a2V5;\
                    EndpointSuffix=core.chinacloudapi.cn;TableEndpoint=https://table.fabrikam.example/";
        let account = azure(&[(CONNECTION_STRING, text)], "").account;
        assert_eq!(account.queue_endpoint, "https://fabrikam.queue.core.chinacloudapi.cn");
        assert_eq!(account.table_endpoint, "https://table.fabrikam.example");
        let over = [
            (CONNECTION_STRING, text),
            ("AZURE_STORAGE_QUEUE_ENDPOINT", "http://localhost:1/fabrikam"),
            ("AZURE_STORAGE_TABLE_ENDPOINT", "http://[::1]:2/fabrikam"),
        ];
        let account = azure(&over, "").account;
        assert_eq!(account.queue_endpoint, "http://localhost:1/fabrikam");
        assert_eq!(account.table_endpoint, "http://[::1]:2/fabrikam");
    }

    #[test]
    fn a_signatures_string_names_its_account_in_the_endpoints() {
        for (queue, table) in [
            ("https://fabrikam.queue.core.windows.net/", "https://fabrikam.table.core.windows.net/"),
            ("http://127.0.0.1:10001/fabrikam", "http://127.0.0.1:10002/fabrikam"),
        ] {
            let text = format!("QueueEndpoint={queue};TableEndpoint={table};SharedAccessSignature=sv=1&sig=a%3D");
            let account = azure(&[(CONNECTION_STRING, &text)], "").account;
            assert_eq!((account.name.as_str(), shown(&account.credential)), ("fabrikam", ("sas", "sv=1&sig=a%3D")));
        }
    }

    /// The emulator's key is public: in a network of containers it may be used by any name.
    #[test]
    fn azurite_may_be_another_host() {
        let text = format!(
            "DefaultEndpointsProtocol=http;AccountName={EMULATOR_ACCOUNT};AccountKey={EMULATOR_ACCOUNT_KEY};\
             QueueEndpoint=http://azurite:10001/{EMULATOR_ACCOUNT};TableEndpoint=http://azurite:10002/{EMULATOR_ACCOUNT}"
        );
        assert_eq!(
            azure(&[(CONNECTION_STRING, &text)], "").account.queue_endpoint,
            "http://azurite:10001/devstoreaccount1"
        );
    }

    #[test]
    fn secrets_are_not_in_the_debug_form() {
        for pairs in [&[STRING][..], &[NAME, KEY], &[NAME, SAS]] {
            let config = format!("{:?}", resolved(Flags::default(), pairs, "").unwrap());
            for secret in ["c3RyaW5n", "a2V5", "sig=", "a%3D"] {
                assert!(!config.contains(secret), "{config}");
            }
        }
    }

    type Row = (&'static [(&'static str, &'static str)], &'static str, &'static [&'static str]);

    /// Each row: environment, file, the faults in order.
    const FAULTS: &[Row] = &[
        (
            &[],
            "",
            &["PIPETRAIL_STORAGE: `azure` needs an account: set AZURE_STORAGE_CONNECTION_STRING, or \
               AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY, with AZURE_STORAGE_SAS_TOKEN, or alone for Microsoft Entra"],
        ),
        (&[KEY], "", &["AZURE_STORAGE_KEY: needs AZURE_STORAGE_ACCOUNT beside it"]),
        (&[SAS], "", &["AZURE_STORAGE_SAS_TOKEN: needs AZURE_STORAGE_ACCOUNT beside it"]),
        (
            &[(CONNECTION_STRING, "AccountName=fabrikam;c2VjcmV0")],
            "",
            &[
                "AZURE_STORAGE_CONNECTION_STRING: part 2: is not Name=value; copy the whole connection string, in quotes \
               where a shell reads it",
            ],
        ),
        (
            &[(CONNECTION_STRING, "AccountName=fabrikam")],
            "",
            &[
                "AZURE_STORAGE_CONNECTION_STRING: has neither AccountKey nor SharedAccessSignature; for Microsoft Entra \
               set AZURE_STORAGE_ACCOUNT instead of it",
            ],
        ),
        (
            &[(CONNECTION_STRING, "AccountKey=a2V5")],
            "",
            &["AZURE_STORAGE_CONNECTION_STRING: names no account: it needs AccountName=…"],
        ),
        (
            &[(
                CONNECTION_STRING,
                "AccountName=f;AccountKey=no key;TableEndpoint=ftp://x;DefaultEndpointsProtocol=http",
            )],
            "",
            &[
                "AZURE_STORAGE_CONNECTION_STRING: AccountKey: is not base64: copy one of the account's two keys as it \
                 stands in the portal",
                "AZURE_STORAGE_CONNECTION_STRING: AccountName: `f` is no account: 3 to 24 lower case letters and digits",
                "AZURE_STORAGE_CONNECTION_STRING: would send everything in the clear: use https (http is for this \
                 machine, such as Azurite)",
                "AZURE_STORAGE_CONNECTION_STRING: TableEndpoint: is not an address such as \
                 https://fabrikam.table.core.windows.net",
            ],
        ),
        (
            &[
                NAME,
                ("AZURE_STORAGE_SAS_TOKEN", "sv=1"),
                ("AZURE_STORAGE_QUEUE_ENDPOINT", "https://x?sig=secret"),
                ("AZURE_STORAGE_TABLE_ENDPOINT", "http://192.168.0.1:10002/fabrikam"),
                ("PIPETRAIL_QUEUE", "Events--all"),
                ("PIPETRAIL_TABLE", "1"),
                ("PIPETRAIL_POISON_COPY", "yes"),
                ("PIPETRAIL_CATALOG", "x.db"),
                ("PIPETRAIL_DATA", "x.db"),
                ("PIPETRAIL_LISTEN", "abc"),
            ],
            "",
            &[
                "PIPETRAIL_QUEUE: `Events--all` is no queue: 3 to 63 lower case letters, digits and single hyphens \
                 between them",
                "PIPETRAIL_TABLE: `1` is no table: 3 to 63 letters and digits, a letter first",
                "PIPETRAIL_POISON_COPY: `yes` is neither `on` nor `off`",
                "--catalog: `x.db` is the local file (--data): name another",
                "AZURE_STORAGE_SAS_TOKEN: is no shared access signature: those hold `sig=…`",
                "AZURE_STORAGE_QUEUE_ENDPOINT: must end before the `?`: a signature goes into AZURE_STORAGE_SAS_TOKEN",
                "AZURE_STORAGE_TABLE_ENDPOINT: would send everything in the clear: use https (http is for this machine, \
                 such as Azurite)",
                "PIPETRAIL_LISTEN: `abc` is not an address such as 127.0.0.1:8080",
            ],
        ),
        (
            &[
                ("AZURE_STORAGE_ACCOUNT", "AccountName=fabrikam;AccountKey=c2VjcmV0"),
                ("PIPETRAIL_QUEUE", "https://x?sig=secret"),
                ("PIPETRAIL_TABLE", "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"),
            ],
            "",
            &[
                "PIPETRAIL_QUEUE: what is set is no queue: 3 to 63 lower case letters, digits and single hyphens between \
                 them",
                "PIPETRAIL_TABLE: what is set is no table: 3 to 63 letters and digits, a letter first",
                "AZURE_STORAGE_ACCOUNT: what is set is no account: 3 to 24 lower case letters and digits",
            ],
        ),
        (
            &[
                NAME,
                ("AZURE_STORAGE_SAS_TOKEN", "sv=1&se=2025-12-31T23%3A59%3A59Z&sig=secret"),
                ("AZURE_STORAGE_QUEUE_ENDPOINT", "https://fabrikam.table.core.windows.net"),
                ("AZURE_STORAGE_TABLE_ENDPOINT", "https://fabrikam.queue.core.windows.net"),
                ("PIPETRAIL_TABLE", "Tables"),
            ],
            "",
            &[
                "PIPETRAIL_TABLE: `Tables` is a name that the service keeps for itself",
                "AZURE_STORAGE_SAS_TOKEN: has ended at 2025-12-31T23:59:59Z (`se`): make a new signature",
                "AZURE_STORAGE_QUEUE_ENDPOINT: is an address of the table service, not of the queue service",
                "AZURE_STORAGE_TABLE_ENDPOINT: is an address of the queue service, not of the table service",
            ],
        ),
        (
            &[NAME],
            "queue = 'a0123456789-0123456789-0123456789-0123456789-0123456789-01'",
            &[
                "PIPETRAIL_QUEUE: `a0123456789-0123456789-0123456789-0123456789-0123456789-01` is too long for a second \
               one, `a0123456789-0123456789-0123456789-0123456789-0123456789-01-poison`: set PIPETRAIL_POISON_COPY=off",
            ],
        ),
    ];

    #[test]
    fn all_faults_at_once_and_none_holds_a_secret() {
        for (pairs, file, expected) in FAULTS {
            assert_eq!(resolved(Flags::default(), pairs, file).unwrap_err(), *expected, "{pairs:?} {file}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn each_account_and_table_has_its_catalog_in_the_cache_folder() {
        let catalog =
            |pairs: &[(&str, &str)]| azure(&[pairs, &[NAME, ("HOME", "/home/ada")]].concat(), "").catalog.unwrap().path;
        let default = catalog(&[]);
        assert!(default.to_str().unwrap().starts_with("/home/ada/.cache/pipetrail/fabrikam-pipetrail-"));
        assert_eq!(catalog(&[("PIPETRAIL_TABLE", "PipeTrail")]), default);
        let other = [
            catalog(&[("PIPETRAIL_TABLE", "other")]),
            catalog(&[("AZURE_STORAGE_TABLE_ENDPOINT", "http://127.0.0.1:10002/fabrikam")]),
            catalog(&[("XDG_CACHE_HOME", "/cache")]),
            catalog(&[("PIPETRAIL_CATALOG", "here.db")]),
        ];
        assert!(other.iter().all(|other| *other != default), "{other:?}");
        assert!(other[2].starts_with("/cache/pipetrail"));
        assert_eq!(catalog(&[("XDG_CACHE_HOME", "relative")]), default);
        assert!(azure(&[NAME], "").catalog.is_none());
    }
}
