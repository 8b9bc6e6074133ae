//! Who may come in, and by which way: tokens, OpenID Connect, a proxy that has asked already.
//!
//! As soon as one of these is set, nobody comes in without one. Where none is, everybody on this machine may do
//! everything, and so the server must not be reached from anywhere else.

use std::net::{IpAddr, SocketAddr};

use reqwest::Url;
use reqwest::header::HeaderName;
use secrecy::{ExposeSecret, SecretString};
use toml::Value;

use super::entry::Entry;
use super::sources::Sources;
use crate::azure::is_loopback;
use crate::domain::{Grant, ProjectName, Rights, Scope};

/// What the tables in the file are called.
pub(super) const TOKENS: &str = "tokens";
pub(super) const OIDC: &str = "oidc";
pub(super) const PROXY: &str = "proxy";

/// In characters. What is shorter can be guessed.
const SHORTEST_TOKEN: usize = 16;
const SHORTEST_KEY: usize = 32;
const SESSION_KEY: &str = "PIPETRAIL_SESSION_KEY";
/// Where Entra, and most others, put the groups of a user.
const DEFAULT_CLAIM: &str = "groups";

/// The ways in. Without any, only this machine is let in.
#[derive(Debug, Clone, Default)]
pub struct AccessConfig {
    pub tokens: Vec<Token>,
    pub oidc: Option<OidcConfig>,
    pub proxy: Option<ProxyConfig>,
    /// What sessions are signed with. Without it a key is made at the start, and sessions end with the process.
    pub session_key: Option<SecretString>,
}

/// A bearer token.
#[derive(Debug, Clone)]
pub struct Token {
    /// Whose it is; no two have the same.
    pub name: String,
    pub secret: SecretString,
    pub opens: Opens,
}

/// What a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opens {
    /// Posting events, and nothing else.
    Events,
    Reading(Grant),
}

/// A provider of OpenID Connect, where browsers sign in.
#[derive(Debug, Clone)]
pub struct OidcConfig {
    /// As its tokens name it, to the letter.
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Option<SecretString>,
    /// Which claim of the ID token holds the groups.
    pub claim: String,
    /// Never empty.
    pub groups: Vec<Group>,
}

/// What the members of a group may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// As the provider's tokens say it; for Entra its object id.
    pub group: String,
    pub grant: Grant,
}

/// A proxy that signs people in and says in a header who asks.
#[derive(Debug, Clone)]
pub struct ProxyConfig {
    pub header: HeaderName,
    /// The only addresses whose header counts; never empty.
    pub from: Vec<IpAddr>,
    /// What those may who are not named; `None` lets nobody else in.
    pub others: Option<Grant>,
    pub users: Vec<User>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub user: String,
    pub grant: Grant,
}

impl AccessConfig {
    /// Whether nothing is configured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.oidc.is_none() && self.proxy.is_none()
    }
}

impl ProxyConfig {
    /// What this user may. Providers do not tell users by upper and lower case.
    #[must_use]
    pub fn grant_of(&self, user: &str) -> Option<Grant> {
        let named = self.users.iter().find(|known| known.user.eq_ignore_ascii_case(user));
        named.map(|known| known.grant.clone()).or_else(|| self.others.clone())
    }
}

/// Where a fault was found the way is left out: it is not used then.
pub(super) fn access(sources: &mut Sources<'_>, public_url: Option<&str>) -> AccessConfig {
    let mut tokens = tokens_of_variables(sources);
    let file = sources.file;
    if let Some(value) = file.tables.get(TOKENS) {
        let entries = Entry::all(sources, TOKENS, value, &["name", "token", "token_env", "rights", "projects"]);
        tokens.extend(entries.iter().filter_map(|entry| token(sources, entry)));
    }
    no_two_alike(sources, &tokens);
    AccessConfig {
        oidc: file.tables.get(OIDC).and_then(|value| oidc(sources, value, public_url)),
        proxy: file.tables.get(PROXY).and_then(|value| proxy(sources, value)),
        session_key: session_key(sources),
        tokens: tokens.into_iter().map(|(token, _)| token).collect(),
    }
}

/// Whether anything is said of a way in, right or wrong.
pub(super) fn is_asked_for(sources: &Sources<'_>) -> bool {
    TOKEN_VARIABLES
        .iter()
        .any(|(_, variable, key, _)| sources.set(variable).is_some() || sources.file.values.contains_key(*key))
        || !sources.file.tables.is_empty()
}

/// From other machines nobody may come in without being asked who they are.
pub(super) fn beyond_this_machine(sources: &mut Sources<'_>, listen: SocketAddr, source_name: &str) {
    if listen.ip().is_loopback() || is_asked_for(sources) {
        return;
    }
    let says = format!(
        "{listen} can be reached from other machines, and everybody there could read everything: set \
         PIPETRAIL_READ_TOKEN or PIPETRAIL_ADMIN_TOKEN, or [oidc] or [proxy] in the file"
    );
    sources.fault(source_name, says);
}

/// Name, variable, key in the file, and the rights (`None`: events).
const TOKEN_VARIABLES: [(&str, &str, &str, Option<Rights>); 3] = [
    ("read", "PIPETRAIL_READ_TOKEN", "read_token", Some(Rights::Read)),
    ("admin", "PIPETRAIL_ADMIN_TOKEN", "admin_token", Some(Rights::Admin)),
    ("events", "PIPETRAIL_EVENTS_TOKEN", "events_token", None),
];

/// Each with the place where a fault is to be looked for.
fn tokens_of_variables(sources: &mut Sources<'_>) -> Vec<(Token, String)> {
    let mut tokens = Vec::new();
    for (name, variable, key, rights) in TOKEN_VARIABLES {
        let Some(said) = sources.text(None, variable, key) else { continue };
        let secret = SecretString::from(said.value.trim());
        if let Some(says) = unfit(&secret) {
            sources.fault(said.source_name, says);
            continue;
        }
        let opens = rights.map_or(Opens::Events, |rights| Opens::Reading(Grant { rights, scope: Scope::All }));
        tokens.push((Token { name: name.to_owned(), secret, opens }, said.source_name));
    }
    tokens
}

fn token(sources: &mut Sources<'_>, entry: &Entry<'_>) -> Option<(Token, String)> {
    let name = entry.wanted(sources, "name");
    let secret = entry.secret(sources, "token");
    if !entry.has("token") && !entry.has("token_env") {
        entry.fault(sources, "", "wants a token or a token_env");
    }
    if let Some(says) = secret.as_ref().and_then(unfit) {
        entry.fault(sources, if entry.has("token") { "token" } else { "token_env" }, &says);
    }
    let opens = match entry.wanted(sources, "rights")?.as_str() {
        "events" if entry.has("projects") => {
            entry.fault(sources, "projects", "events are posted for all projects: leave it out");
            None
        }
        "events" => Some(Opens::Events),
        "read" | "admin" => grant(sources, entry).map(Opens::Reading),
        _ => {
            entry.fault(sources, "rights", "is neither read nor admin nor events");
            None
        }
    };
    let place = entry.place(sources);
    Some((Token { name: name?, secret: secret?, opens: opens? }, place))
}

fn unfit(secret: &SecretString) -> Option<String> {
    let text = secret.expose_secret();
    if text.chars().count() < SHORTEST_TOKEN {
        return Some(format!("is shorter than {SHORTEST_TOKEN} characters, and can be guessed"));
    }
    let odd = |character: char| !character.is_ascii_graphic();
    text.contains(odd).then(|| "holds a character that no bearer token may have".to_owned())
}

/// A session knows its token by the name; a secret with two rights would have one of them by chance.
fn no_two_alike(sources: &mut Sources<'_>, tokens: &[(Token, String)]) {
    for (at, (token, place)) in tokens.iter().enumerate() {
        let before = tokens.iter().take(at).map(|(token, _)| token);
        for other in before {
            if other.name == token.name {
                sources.fault(place, format!("another token is called {}", token.name));
            }
            if other.secret.expose_secret() == token.secret.expose_secret() {
                sources.fault(place, format!("is the same token as {}", other.name));
            }
        }
    }
}

/// `rights` and `projects`; no projects means all.
fn grant(sources: &mut Sources<'_>, entry: &Entry<'_>) -> Option<Grant> {
    let rights = match entry.wanted(sources, "rights")?.as_str() {
        "read" => Rights::Read,
        "admin" => Rights::Admin,
        _ => {
            entry.fault(sources, "rights", "is neither read nor admin");
            return None;
        }
    };
    if !entry.has("projects") {
        return Some(Grant { rights, scope: Scope::All });
    }
    let texts = entry.texts(sources, "projects")?;
    if texts.is_empty() {
        entry.fault(sources, "projects", "is empty: leave it out for all projects");
    }
    let mut names = Vec::with_capacity(texts.len());
    for text in texts {
        match text.parse::<ProjectName>() {
            Ok(name) => names.push(name),
            Err(error) => entry.fault(sources, "projects", &format!("`{text}` {error}")),
        }
    }
    Some(Grant { rights, scope: Scope::Only(names) })
}

fn oidc(sources: &mut Sources<'_>, value: &Value, public_url: Option<&str>) -> Option<OidcConfig> {
    let known = ["issuer", "client_id", "client_secret", "client_secret_env", "claim", "groups"];
    let entry = Entry::new(sources, OIDC.to_owned(), value, &known)?;
    let issuer = entry.wanted(sources, "issuer");
    if let Some(says) = issuer.as_deref().and_then(unfit_issuer) {
        entry.fault(sources, "issuer", says);
    }
    let client_id = entry.wanted(sources, "client_id");
    let client_secret = entry.secret(sources, "client_secret");
    let claim = entry.text(sources, "claim").unwrap_or_else(|| DEFAULT_CLAIM.to_owned());
    let entries = entry.tables(sources, "groups", &["group", "rights", "projects"]);
    if entries.is_empty() {
        entry.fault(sources, "", "wants groups: without them nobody could come in");
    }
    let groups = entries.iter().filter_map(|entry| {
        let (group, grant) = (entry.wanted(sources, "group"), grant(sources, entry));
        Some(Group { group: group?, grant: grant? })
    });
    let groups = groups.collect();
    if public_url.is_none() {
        entry.fault(sources, "", "needs PIPETRAIL_PUBLIC_URL: the provider sends browsers back to it");
    }
    Some(OidcConfig { issuer: issuer?, client_id: client_id?, client_secret, claim, groups })
}

fn unfit_issuer(text: &str) -> Option<&'static str> {
    match Url::parse(text) {
        Ok(url) if url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)) => None,
        Ok(_) | Err(_) => Some("is not an https address such as https://login.microsoftonline.com/TENANT/v2.0"),
    }
}

fn proxy(sources: &mut Sources<'_>, value: &Value) -> Option<ProxyConfig> {
    let entry = Entry::new(sources, PROXY.to_owned(), value, &["header", "from", "rights", "projects", "users"])?;
    let header = entry.wanted(sources, "header").and_then(|text| {
        let header = text.parse::<HeaderName>().ok();
        if header.is_none() {
            entry.fault(sources, "header", "is not the name of a header such as X-Forwarded-User");
        }
        header
    });
    let texts = entry.texts(sources, "from").unwrap_or_default();
    if texts.is_empty() {
        entry.fault(sources, "", "wants from: the addresses whose header is believed");
    }
    let from = texts.iter().filter_map(|text| address(sources, &entry, text)).collect();
    let others = match entry.has("rights") || entry.has("projects") {
        true => grant(sources, &entry),
        false => None,
    };
    let users: Vec<User> = entry
        .tables(sources, "users", &["user", "rights", "projects"])
        .iter()
        .filter_map(|entry| {
            let (user, grant) = (entry.wanted(sources, "user"), grant(sources, entry));
            Some(User { user: user?, grant: grant? })
        })
        .collect();
    if !entry.has("rights") && !entry.has("users") {
        entry.fault(sources, "", "wants rights for everybody, or users: without them nobody could come in");
    }
    Some(ProxyConfig { header: header?, from, others, users })
}

fn address(sources: &mut Sources<'_>, entry: &Entry<'_>, text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok();
    if address.is_none() {
        entry.fault(sources, "from", &format!("`{text}` is not an address such as 10.0.0.5"));
    }
    address.map(|address| address.to_canonical())
}

fn session_key(sources: &mut Sources<'_>) -> Option<SecretString> {
    let said = sources.text(None, SESSION_KEY, "session_key")?;
    if said.value.trim().chars().count() < SHORTEST_KEY {
        sources.fault(said.source_name, format!("is shorter than {SHORTEST_KEY} characters, and can be guessed"));
        return None;
    }
    Some(SecretString::from(said.value.trim()))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;

    use super::super::{Environment, Faults, Flags, resolve};
    use super::*;
    use crate::domain::Time;

    const SIXTEEN: &str = "0123456789abcdef";

    fn resolved(pairs: &[(&str, &str)], file: &str) -> Result<AccessConfig, Vec<String>> {
        let environment: Environment =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), OsString::from(value))).collect();
        let config = resolve(Flags::default(), &environment, Some((Path::new("p.toml"), file)), Time::UNKNOWN);
        config
            .map(|config| config.http.access)
            .map_err(|Faults(faults)| faults.iter().map(ToString::to_string).collect())
    }

    fn only(names: &[&str]) -> Scope {
        Scope::Only(names.iter().map(|name| name.parse().unwrap()).collect())
    }

    #[test]
    fn tokens_of_variables_and_of_the_file() {
        let pairs = [
            ("PIPETRAIL_READ_TOKEN", "read-0123456789a\n"),
            ("PIPETRAIL_EVENTS_TOKEN", "events-0123456789"),
            ("SHOP_TOKEN", "shop-0123456789ab"),
        ];
        let file =
            "[[tokens]]\nname = 'shop'\ntoken_env = 'SHOP_TOKEN'\nrights = 'admin'\nprojects = ['f/shop', 'web']";
        let access = resolved(&pairs, file).unwrap();
        let all: Vec<_> = access
            .tokens
            .iter()
            .map(|token| (token.name.as_str(), token.secret.expose_secret(), token.opens.clone()))
            .collect();
        let reading = |rights, scope| Opens::Reading(Grant { rights, scope });
        let expected = [
            ("read", "read-0123456789a", reading(Rights::Read, Scope::All)),
            ("events", "events-0123456789", Opens::Events),
            ("shop", "shop-0123456789ab", reading(Rights::Admin, only(&["f/shop", "web"]))),
        ];
        assert_eq!(all, expected);
        assert!(!format!("{access:?}").contains("0123456789"));
    }

    type Row = (&'static [(&'static str, &'static str)], &'static str, &'static [&'static str]);

    const FAULTS: &[Row] = &[
        (
            &[("PIPETRAIL_READ_TOKEN", "s3cret"), ("PIPETRAIL_SESSION_KEY", SIXTEEN)],
            "admin_token = 's3cret s3cret s3cret'",
            &[
                "PIPETRAIL_READ_TOKEN: is shorter than 16 characters, and can be guessed",
                "p.toml: admin_token: holds a character that no bearer token may have",
                "PIPETRAIL_SESSION_KEY: is shorter than 32 characters, and can be guessed",
            ],
        ),
        (
            &[("PIPETRAIL_READ_TOKEN", "s3cret-0123456789"), ("PIPETRAIL_ADMIN_TOKEN", "s3cret-0123456789")],
            "",
            &["PIPETRAIL_ADMIN_TOKEN: is the same token as read"],
        ),
        (
            &[],
            "tokens = [7, {token = 's3cret', token_env = 'X', right = 'read'}, \
             {name = 'a', token_env = 'NOT_SET', rights = 'events', projects = ['x']}, \
             {name = 'b', token = 's3cret-0123456789', rights = 'write'}, \
             {name = 'c', token = 's3cret-0123456780', rights = 'read', projects = ['/x']}, \
             {name = 'c', token = 's3cret-0123456781', rights = 'read', projects = []}]",
            &[
                "p.toml: tokens[0]: must be a table",
                "p.toml: tokens[1].right: is not a known key; known are name, token, token_env, rights, projects",
                "p.toml: tokens[1]: wants a name",
                "p.toml: tokens[1].token_env: contradicts token: set one of them",
                "p.toml: tokens[1]: wants a rights",
                "p.toml: tokens[2].token_env: names the variable NOT_SET, which is not set",
                "p.toml: tokens[2].projects: events are posted for all projects: leave it out",
                "p.toml: tokens[3].rights: is neither read nor admin nor events",
                "p.toml: tokens[4].projects: `/x` is no project: write PROJECT or ORGANIZATION/PROJECT",
                "p.toml: tokens[5].projects: is empty: leave it out for all projects",
                "p.toml: tokens[5]: another token is called c",
            ],
        ),
        (
            &[],
            "[oidc]\nissuer = 'http://x.example'\nclient = 'x'",
            &[
                "p.toml: oidc.client: is not a known key; known are issuer, client_id, client_secret, \
                 client_secret_env, claim, groups",
                "p.toml: oidc.issuer: is not an https address such as https://login.microsoftonline.com/TENANT/v2.0",
                "p.toml: oidc: wants a client_id",
                "p.toml: oidc: wants groups: without them nobody could come in",
                "p.toml: oidc: needs PIPETRAIL_PUBLIC_URL: the provider sends browsers back to it",
            ],
        ),
        (
            &[],
            "[proxy]\nheader = 'a b'\nfrom = ['proxy.example']",
            &[
                "p.toml: proxy.header: is not the name of a header such as X-Forwarded-User",
                "p.toml: proxy.from: `proxy.example` is not an address such as 10.0.0.5",
                "p.toml: proxy: wants rights for everybody, or users: without them nobody could come in",
            ],
        ),
    ];

    #[test]
    fn all_faults_at_once_and_none_holds_a_secret() {
        for (pairs, file, expected) in FAULTS {
            let faults = resolved(pairs, file).unwrap_err();
            assert_eq!(faults, *expected, "{file}");
            assert!(!faults.iter().any(|fault| fault.contains("s3cret")), "{faults:?}");
        }
    }

    #[test]
    fn a_provider_with_its_groups() {
        let file = "public_url = 'https://pipetrail.example'\n[oidc]\nissuer = 'https://id.example/t/v2.0'\n\
                    client_id = 'c'\nclient_secret_env = 'SECRET'\n\
                    groups = [{group = 'g1', rights = 'admin'}, {group = 'g2', rights = 'read', projects = ['web']}]";
        let oidc = resolved(&[("SECRET", "s3cret")], file).unwrap().oidc.unwrap();
        assert_eq!((oidc.claim.as_str(), oidc.client_secret.unwrap().expose_secret()), ("groups", "s3cret"));
        let groups: Vec<_> = oidc.groups.into_iter().map(|group| (group.group, group.grant.scope)).collect();
        assert_eq!(groups, [("g1".to_owned(), Scope::All), ("g2".to_owned(), only(&["web"]))]);
    }

    #[test]
    fn a_proxy_with_its_users() {
        let read = |scope| Some(Grant { rights: Rights::Read, scope });
        let file = "[proxy]\nheader = 'X-Forwarded-User'\nfrom = ['10.0.0.5', '::ffff:10.0.0.6']\n\
                    users = [{user = 'Ana@fabrikam.example', rights = 'read', projects = ['web']}]";
        let proxy = resolved(&[], file).unwrap().proxy.unwrap();
        assert_eq!(proxy.from, [IpAddr::from([10, 0, 0, 5]), IpAddr::from([10, 0, 0, 6])]);
        assert_eq!(proxy.grant_of("ana@fabrikam.example"), read(only(&["web"])));
        assert_eq!(proxy.grant_of("ben@fabrikam.example"), None);
        let all = "[proxy]\nheader = 'X-Forwarded-User'\nfrom = ['10.0.0.5']\nrights = 'read'";
        assert_eq!(resolved(&[], all).unwrap().proxy.unwrap().grant_of("ben"), read(Scope::All));
    }

    #[test]
    fn beyond_this_machine_something_has_to_be_set() {
        let hooks =
            [("PIPETRAIL_HOOK_USER", "u"), ("PIPETRAIL_HOOK_PASSWORD", "p"), ("PIPETRAIL_LISTEN", "0.0.0.0:80")];
        let faults = resolved(&hooks, "").unwrap_err();
        let expected = "PIPETRAIL_LISTEN: 0.0.0.0:80 can be reached from other machines, and everybody there could read \
                        everything: set PIPETRAIL_READ_TOKEN or PIPETRAIL_ADMIN_TOKEN, or [oidc] or [proxy] in the file";
        assert_eq!(faults, [expected]);
        let token = ("PIPETRAIL_READ_TOKEN", SIXTEEN);
        assert!(resolved(&[&hooks[..], &[token]].concat(), "").is_ok());
        assert!(resolved(&[], "").unwrap().is_empty());
    }
}
