//! The language model that answers questions. Without one a small grammar does.

use reqwest::Url;
use secrecy::SecretString;

use super::sources::Sources;
use crate::ask::Endpoint;
use crate::azure::is_loopback;

const URL: &str = "PIPETRAIL_MODEL_URL";
const NAME: &str = "PIPETRAIL_MODEL";
const KEY: &str = "PIPETRAIL_MODEL_KEY";
const SAYS: &str = "is not an address such as https://api.openai.com/v1";

/// How questions are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelConfig {
    pub endpoint: Endpoint,
    /// Whether the names of people go to the model.
    pub people: bool,
}

/// Where a fault was found there is none: it is not used then.
pub(super) fn model(sources: &mut Sources<'_>) -> Option<ModelConfig> {
    let url = sources.text(None, URL, "model_url");
    let url_source = url.as_ref().map(|said| said.source_name.clone());
    let url = sources.parse(url, None, parse_url);
    let name = sources.text(None, NAME, "model");
    let key = sources.text(None, KEY, "model_key");
    let people = sources.text(None, "PIPETRAIL_MODEL_NAMES", "model_names");
    let people = sources.parse(people, false, parse_switch);
    match (url_source, name, key) {
        (None, None, None) => None,
        (None, Some(lonely), _) | (None, None, Some(lonely)) => {
            sources.fault(lonely.source_name, format!("says nothing without the address: set {URL}"));
            None
        }
        (Some(source), None, _) => {
            sources.fault(source, format!("says nothing without the model's name: set {NAME}"));
            None
        }
        (Some(source), Some(name), key) => {
            let url = url?;
            if key.is_some() && url.scheme() == "http" && !is_loopback(&url) {
                sources.fault(source, "would send the key in the clear: use https (http is for this machine)");
                return None;
            }
            if let Some(key) = key.as_ref().filter(|key| key.value.trim().contains(|c: char| !c.is_ascii_graphic())) {
                sources.fault(key.source_name.clone(), "holds a blank or another character that no key has");
                return None;
            }
            let key = key.map(|said| SecretString::from(said.value.trim()));
            Some(ModelConfig { endpoint: Endpoint::new(&url, name.value.trim(), key), people })
        }
    }
}

/// What is wrong is said without the value, which may hold a key.
fn parse_url(text: &str) -> Result<Option<Url>, String> {
    let url = Url::parse(text.trim()).map_err(|_| SAYS.to_owned())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(SAYS.to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("must not hold a user or a password: the key goes into {KEY}"));
    }
    Ok(Some(url))
}

fn parse_switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(format!("`{other}` is neither `on` nor `off`")),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::{Environment, Faults, Flags, resolve};
    use super::*;
    use crate::domain::Time;

    fn of(pairs: &[(&str, &str)]) -> Result<Option<ModelConfig>, Vec<String>> {
        let environment: Environment =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), OsString::from(value))).collect();
        resolve(Flags::default(), &environment, None, Time::UNKNOWN)
            .map(|config| config.model)
            .map_err(|Faults(faults)| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn none_is_what_a_fresh_machine_has() {
        assert_eq!(of(&[]), Ok(None));
    }

    #[test]
    fn address_name_and_key() {
        let model = of(&[(URL, "https://api.openai.com/v1"), (NAME, "gpt"), (KEY, "a-key-to-keep")]).unwrap().unwrap();
        assert_eq!((model.endpoint.model.as_str(), model.people), ("gpt", false), "people only when switched on");
        assert!(!format!("{model:?}").contains("a-key-to-keep"));
        let local = of(&[(URL, "http://localhost:11434/v1"), (NAME, "qwen"), ("PIPETRAIL_MODEL_NAMES", "on")]);
        assert!(local.unwrap().unwrap().people);
    }

    #[test]
    fn what_says_nothing_or_tells_the_key_is_a_fault() {
        for (pairs, says) in [
            (vec![(NAME, "gpt")], "PIPETRAIL_MODEL: says nothing without the address"),
            (vec![(KEY, "secret")], "PIPETRAIL_MODEL_KEY: says nothing without the address"),
            (vec![(URL, "https://api.openai.com/v1")], "PIPETRAIL_MODEL_URL: says nothing without the model's name"),
            (vec![(URL, "ftp://x"), (NAME, "gpt")], SAYS),
            (vec![(URL, "https://me:secret@x/v1"), (NAME, "gpt")], "must not hold a user"),
            (vec![(URL, "http://far.example/v1"), (NAME, "gpt"), (KEY, "secret")], "in the clear"),
            (vec![(URL, "https://x/v1"), (NAME, "gpt"), (KEY, "secret key")], "holds a blank"),
            (vec![(URL, "https://x/v1"), (NAME, "gpt"), ("PIPETRAIL_MODEL_NAMES", "yes")], "neither"),
        ] {
            let faults = of(&pairs).unwrap_err().join("; ");
            assert!(faults.contains(says), "{faults}");
            assert!(!faults.contains("secret"), "{faults}");
        }
    }
}
