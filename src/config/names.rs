//! What becomes of the names of people. Pseudonyms without a key of their own would be none: anybody could make them.

use secrecy::SecretString;

use super::sources::Sources;
use crate::domain::Names;

const KEY: &str = "PIPETRAIL_NAMES_KEY";
/// In bytes. What is shorter can be guessed.
const SHORTEST_KEY: usize = 16;

#[derive(Clone, Copy)]
enum Kind {
    Keep,
    Pseudonyms,
    None,
}

/// What becomes of names, and the key of pseudonyms, which may have made some whatever becomes of names now.
///
/// Where a fault was found names are not kept: it is not used then.
pub(super) fn names(sources: &mut Sources<'_>, flag: Option<String>) -> (Names, Option<SecretString>) {
    let said = sources.text(flag.map(|value| ("--names", value)), "PIPETRAIL_NAMES", "names");
    let source_name = said.as_ref().map(|said| said.source_name.clone()).unwrap_or_default();
    let kind = sources.parse(said, Kind::Keep, parse);
    let set = sources.text(None, KEY, "names_key");
    let long = set.as_ref().map(|key| key.value.trim()).filter(|key| key.len() >= SHORTEST_KEY);
    let key = long.map(SecretString::from);
    let names = match (kind, set, key.clone()) {
        (Kind::Keep, _, _) => Names::Keep,
        (Kind::None, _, _) => Names::None,
        (Kind::Pseudonyms, _, Some(key)) => Names::Pseudonyms(key),
        (Kind::Pseudonyms, Some(key), None) => {
            sources.fault(key.source_name, format!("is shorter than {SHORTEST_KEY} characters, and can be guessed"));
            Names::None
        }
        (Kind::Pseudonyms, None, None) => {
            sources.fault(source_name, format!("pseudonyms are made with a secret: set {KEY}"));
            Names::None
        }
    };
    (names, key)
}

fn parse(text: &str) -> Result<Kind, String> {
    match text {
        "keep" => Ok(Kind::Keep),
        "pseudonyms" => Ok(Kind::Pseudonyms),
        "none" => Ok(Kind::None),
        other => Err(format!("`{other}` is neither keep nor pseudonyms nor none")),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::{Environment, Faults, Flags, resolve};
    use super::*;
    use crate::domain::Time;

    fn resolved(flag: Option<&str>, pairs: &[(&str, &str)]) -> Result<Names, Vec<String>> {
        let environment: Environment =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), OsString::from(value))).collect();
        let flags = Flags { names: flag.map(str::to_owned), ..Flags::default() };
        let config = resolve(flags, &environment, None, Time::UNKNOWN);
        config.map(|config| config.names).map_err(|Faults(faults)| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn names_are_kept_unless_somebody_says_otherwise() {
        assert!(matches!(resolved(None, &[]), Ok(Names::Keep)));
        assert!(matches!(resolved(None, &[("PIPETRAIL_NAMES", "none")]), Ok(Names::None)));
        assert!(matches!(resolved(Some("keep"), &[("PIPETRAIL_NAMES", "none")]), Ok(Names::Keep)));
        let faults = resolved(Some("hide"), &[]).unwrap_err();
        assert_eq!(faults, ["--names: `hide` is neither keep nor pseudonyms nor none"]);
    }

    #[test]
    fn a_key_is_known_whatever_becomes_of_names() {
        let key = |how: &str, key: &str| {
            let pairs = [("PIPETRAIL_NAMES".to_owned(), OsString::from(how)), (KEY.to_owned(), OsString::from(key))];
            resolve(Flags::default(), &pairs.into_iter().collect(), None, Time::UNKNOWN).unwrap().names_key.is_some()
        };
        for how in ["keep", "none", "pseudonyms"] {
            assert!(key(how, "0123456789abcdef"), "{how}");
        }
        assert!(!key("keep", "s3cret"), "no pseudonym was made with it");
    }

    #[test]
    fn pseudonyms_need_a_key_that_cannot_be_guessed() {
        let key = (KEY, "0123456789abcdef");
        assert!(matches!(resolved(Some("pseudonyms"), &[key]), Ok(Names::Pseudonyms(_))));
        let faults = resolved(Some("pseudonyms"), &[]).unwrap_err();
        assert_eq!(faults, ["--names: pseudonyms are made with a secret: set PIPETRAIL_NAMES_KEY"]);
        let faults = resolved(None, &[("PIPETRAIL_NAMES", "pseudonyms"), (KEY, "s3cret")]).unwrap_err();
        assert_eq!(faults, ["PIPETRAIL_NAMES_KEY: is shorter than 16 characters, and can be guessed"]);
        assert!(!format!("{:?}", resolved(Some("pseudonyms"), &[key]).unwrap()).contains("0123"));
    }
}
