//! Where Azure DevOps is, and by which right it is asked.

use reqwest::Url;
use secrecy::SecretString;

use super::AdoConfig;
use super::credentials::identity;
use super::sources::{Sourced, Sources};
use crate::ado::rest::{Access, Credential};
use crate::azure::is_loopback;

const DEFAULT_URL: &str = "https://dev.azure.com";
const TOKEN: &str = "PIPETRAIL_ADO_TOKEN";
const COMMAND: &str = "PIPETRAIL_ADO_BEARER_COMMAND";

/// Where a fault was found its setting has the default: it is not used then.
pub(super) fn ado(sources: &mut Sources<'_>, url: Option<String>) -> AdoConfig {
    let url = sources.text(url.map(|value| ("--ado-url", value)), "PIPETRAIL_ADO_URL", "ado_url");
    let url = sources.parse(url, DEFAULT_URL.to_owned(), parse_url);
    let credential = credential(sources);
    let organization = sources.text(None, "PIPETRAIL_ORGANIZATION", "organization").map(|said| said.value);
    let projects = sources.text(None, "PIPETRAIL_PROJECTS", "projects");
    AdoConfig {
        has_credential: credential.is_some(),
        access: Access { url, credential: credential.unwrap_or_else(|| Credential::Entra(identity(sources))) },
        organization,
        projects: projects.map(|said| names(&said.value)).unwrap_or_default(),
    }
}

/// Two of them would contradict each other.
fn credential(sources: &mut Sources<'_>) -> Option<Credential> {
    let secret = |said: Sourced| SecretString::from(said.value.trim());
    let token = sources.text(None, TOKEN, "ado_token");
    let command = sources.text(None, COMMAND, "ado_bearer_command");
    match (token, command) {
        (Some(_), Some(command)) => {
            sources.fault(command.source_name, format!("contradicts {TOKEN}: set one of them"));
            None
        }
        (Some(token), None) if token.value.trim().contains(char::is_control) => {
            sources.fault(token.source_name, "holds a line break or another character that no token has".to_owned());
            None
        }
        (Some(token), None) => Some(Credential::Token(secret(token))),
        (None, Some(command)) => Some(Credential::Command(secret(command))),
        (None, None) => None,
    }
}

/// What is wrong is said without the value, which may hold a password.
fn parse_url(text: &str) -> Result<String, String> {
    let says = match Url::parse(text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") || !url.has_host() => {
            "is not an address such as https://dev.azure.com"
        }
        Err(_) => "is not an address such as https://dev.azure.com",
        Ok(url) if url.query().is_some() || url.fragment().is_some() => "must end before the `?`",
        Ok(url) if !url.username().is_empty() || url.password().is_some() => "must not hold a user or a password",
        Ok(url) if url.scheme() == "http" && !is_loopback(&url) => {
            "would send the token in the clear: use https (http is for this machine)"
        }
        Ok(_) => return Ok(text.trim_end_matches('/').to_owned()),
    };
    Err(says.to_owned())
}

/// Names between commas.
fn names(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use secrecy::ExposeSecret;

    use super::super::{Environment, Faults, Flags, resolve};
    use super::*;
    use crate::domain::Time;

    fn resolved(pairs: &[(&str, &str)]) -> Result<AdoConfig, Vec<String>> {
        let environment: Environment =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), OsString::from(value))).collect();
        let config = resolve(Flags::default(), &environment, None, Time::UNKNOWN);
        config.map(|config| config.ado).map_err(|Faults(faults)| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_token_a_command_or_entra() {
        let shown = |pairs: &[(&str, &str)]| {
            let config = resolved(pairs).unwrap();
            match config.access.credential {
                Credential::Token(token) => format!("token {}", token.expose_secret()),
                Credential::Command(command) => format!("command {}", command.expose_secret()),
                Credential::Entra(identity) => format!("entra {} {identity:?}", config.has_credential),
            }
        };
        assert_eq!(shown(&[(TOKEN, " t\n")]), "token t");
        assert_eq!(shown(&[(COMMAND, "az x | jq y")]), "command az x | jq y");
        assert_eq!(shown(&[]), "entra false None");
        assert_eq!(shown(&[("PIPETRAIL_IDENTITY", "5d0e")]), "entra false Some(\"5d0e\")");
        let broken = resolved(&[(TOKEN, "s3c\nret")]).unwrap_err();
        assert_eq!(broken, ["PIPETRAIL_ADO_TOKEN: holds a line break or another character that no token has"]);
        let both = resolved(&[(TOKEN, "s3cret"), (COMMAND, "c")]).unwrap_err();
        assert_eq!(both, ["PIPETRAIL_ADO_BEARER_COMMAND: contradicts PIPETRAIL_ADO_TOKEN: set one of them"]);
    }

    #[test]
    fn an_address_that_keeps_the_token_safe() {
        let url = |text: &str| resolved(&[("PIPETRAIL_ADO_URL", text)]).map(|config| config.access.url);
        for (text, expected) in [
            ("https://dev.azure.com/", "https://dev.azure.com"),
            ("https://tfs.example/tfs", "https://tfs.example/tfs"),
            ("http://127.0.0.1:7/", "http://127.0.0.1:7"),
        ] {
            assert_eq!(url(text).unwrap(), expected);
        }
        for text in ["dev.azure.com", "ftp://x", "http://tfs.example", "https://u:s3cret@x", "https://x?s3cret"] {
            let faults = url(text).unwrap_err();
            assert!(faults[0].starts_with("PIPETRAIL_ADO_URL: ") && !faults[0].contains("s3cret"), "{faults:?}");
        }
    }

    #[test]
    fn secrets_are_not_in_the_debug_form() {
        for variable in [TOKEN, COMMAND] {
            assert!(!format!("{:?}", resolved(&[(variable, "s3cret")]).unwrap()).contains("s3cret"));
        }
    }

    #[test]
    fn projects_stand_between_commas() {
        let config =
            resolved(&[("PIPETRAIL_PROJECTS", "Spartan, My Shop,,"), ("PIPETRAIL_ORGANIZATION", "o")]).unwrap();
        assert_eq!(
            (config.projects, config.organization),
            (vec!["Spartan".into(), "My Shop".into()], Some("o".into()))
        );
    }
}
