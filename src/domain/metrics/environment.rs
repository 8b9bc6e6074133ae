//! Which environment a stage deploys to, as its name tells, where no deployment record does.

use super::Terms;
use crate::domain::Pattern;

/// A rule of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvironmentRule {
    /// What the environment is called in numbers.
    pub name: String,
    /// `None` lets the name speak.
    pub production: Option<bool>,
    /// What it is the rule of is no deployment.
    pub ignore: bool,
    /// Names of stages. With pipelines alone, the whole run is the deployment.
    pub stages: Vec<Pattern>,
    /// Names of pipelines; empty means any.
    pub pipelines: Vec<Pattern>,
    /// Names of environments, as deployment records, approvals and releases have them.
    pub environments: Vec<Pattern>,
}

/// Where something is deployed to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub environment: String,
    pub production: bool,
}

/// Which environments are wanted beside production.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside<'n> {
    Nothing,
    Named(&'n str),
    All,
}

impl Place {
    #[must_use]
    pub fn is_wanted(&self, beside: Beside<'_>) -> bool {
        self.production
            || match beside {
                Beside::Nothing => false,
                Beside::Named(wanted) => wanted.eq_ignore_ascii_case(&self.environment),
                Beside::All => true,
            }
    }
}

const PRODUCTION: [&str; 5] = ["prod", "production", "prd", "live", "release"];
const BEFORE_PRODUCTION: [&str; 14] = [
    "dev",
    "development",
    "int",
    "integration",
    "test",
    "testing",
    "qa",
    "uat",
    "staging",
    "stage",
    "stg",
    "preprod",
    "canary",
    "sandbox",
];
const DEPLOYS: [&str; 5] = ["deploy", "deployment", "deploying", "rollout", "promote"];
/// With one of these it is about production, and does not change it.
const NOT_IT: [&str; 20] = [
    "pre",
    "non",
    "not",
    "before",
    "after",
    "approve",
    "approval",
    "plan",
    "validate",
    "verify",
    "check",
    "smoke",
    "build",
    "compile",
    "lint",
    "scan",
    "notes",
    "prepare",
    "candidate",
    "like",
];

impl Terms {
    /// Where a stage deploys to that has no deployment record, if it deploys.
    #[must_use]
    pub fn stage(&self, pipeline: Option<&str>, stage: &str) -> Option<Place> {
        let of_pipeline = |rule: &EnvironmentRule| rule.pipelines.is_empty() || any(&rule.pipelines, pipeline);
        let fits = |rule: &&EnvironmentRule| any(&rule.stages, Some(stage)) && of_pipeline(rule);
        match self.environments.iter().find(fits) {
            Some(rule) => rule.place(),
            None => self.by_name(stage),
        }
    }

    /// As the configuration says of the environment that it is called by, if it does.
    fn by_name(&self, stage: &str) -> Option<Place> {
        let place = by_name(stage)?;
        let mut of_it = self.environments.iter().filter(|rule| rule.name.eq_ignore_ascii_case(&place.environment));
        let production = of_it.find_map(|rule| rule.production).unwrap_or(place.production);
        Some(Place { production, ..place })
    }

    /// Whether a stage of this name deploys to a wanted environment in some pipeline.
    #[must_use]
    pub fn may_deploy(&self, stage: &str, beside: Beside<'_>) -> bool {
        let is_named = || self.by_name(stage).is_some_and(|place| place.is_wanted(beside));
        self.environments.iter().any(|rule| any(&rule.stages, Some(stage))) || is_named()
    }

    /// Where a run deploys to as a whole, if it does.
    #[must_use]
    pub fn run(&self, pipeline: Option<&str>) -> Option<Place> {
        let is_of_runs = |rule: &EnvironmentRule| rule.stages.is_empty() && rule.environments.is_empty();
        let fits = |rule: &&EnvironmentRule| is_of_runs(rule) && any(&rule.pipelines, pipeline);
        self.environments.iter().find(fits)?.place()
    }

    /// What an environment is that something surely was deployed to.
    #[must_use]
    pub fn environment(&self, name: &str) -> Option<Place> {
        let fits =
            |rule: &&EnvironmentRule| any(&rule.environments, Some(name)) || rule.name.eq_ignore_ascii_case(name);
        match self.environments.iter().find(fits) {
            Some(rule) => rule.place(),
            None => Some(Place { environment: name.to_owned(), production: is_production(&words(name)) }),
        }
    }
}

impl EnvironmentRule {
    fn place(&self) -> Option<Place> {
        let production = self.production.unwrap_or_else(|| is_production(&words(&self.name)));
        (!self.ignore).then(|| Place { environment: self.name.clone(), production })
    }
}

fn any(patterns: &[Pattern], text: Option<&str>) -> bool {
    text.is_some_and(|text| Pattern::any(patterns, text))
}

/// The words of a name, in small letters: `DeployTo_prod-eu` has `deploy`, `to`, `prod`, `eu`.
/// The words of a name in small letters: `DeployProd_eu` is `deploy`, `prod`, `eu`.
#[must_use]
pub fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in name.chars() {
        if !letter.is_alphanumeric() || (letter.is_uppercase() && before.is_lowercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphanumeric()) {
            word.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words.retain(|word| !word.is_empty());
    words
}

fn has(words: &[String], known: &[&str]) -> bool {
    words.iter().any(|word| known.contains(&word.as_str()))
}

/// Whether these words of a name, in its order, mean production itself.
#[must_use]
pub fn is_production(words: &[String]) -> bool {
    has(words, &PRODUCTION) && !has(words, &NOT_IT) && !has(words, &BEFORE_PRODUCTION)
}

/// A stage that is called as production is; one that is called as another environment only where it says that it deploys:
/// a stage `test` runs tests. The environment is called by the words that are left.
fn by_name(stage: &str) -> Option<Place> {
    let words = words(stage);
    let production = is_production(&words);
    let before = has(&words, &DEPLOYS) && has(&words, &BEFORE_PRODUCTION) && !has(&words, &NOT_IT);
    let is_left = |word: &&String| !DEPLOYS.contains(&word.as_str()) && !["to", "the"].contains(&word.as_str());
    let left: Vec<_> = words.iter().filter(is_left).map(String::as_str).collect();
    (production || before).then(|| Place { environment: left.join("-"), production })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(place: Option<Place>) -> Option<(String, bool)> {
        place.map(|place| (place.environment, place.production))
    }

    #[test]
    fn common_names_are_understood() {
        let terms = Terms::default();
        for (stage, expected) in [
            ("prod", Some(("prod", true))),
            ("Production", Some(("production", true))),
            ("deploy_prod_eu", Some(("prod-eu", true))),
            ("DeployToLive", Some(("live", true))),
            ("release", Some(("release", true))),
            ("deploy-staging", Some(("staging", false))),
            ("Deploy QA", Some(("qa", false))),
            ("test", None),
            ("build", None),
            ("pre-prod", None),
            ("approve-prod", None),
            ("ReleaseNotes", None),
            ("product", None),
            ("deploy", None),
            ("", None),
        ] {
            let expected = expected.map(|(name, production)| (name.to_owned(), production));
            assert_eq!(told(terms.stage(None, stage)), expected, "{stage}");
        }
    }

    #[test]
    fn an_environment_of_a_record_keeps_its_name() {
        let environment = |name| told(Terms::default().environment(name));
        assert_eq!(environment("shop-PROD"), Some(("shop-PROD".to_owned(), true)));
        assert_eq!(environment("shop"), Some(("shop".to_owned(), false)));
        assert_eq!(environment("NonProd"), Some(("NonProd".to_owned(), false)));
        assert_eq!(environment("prod-staging"), Some(("prod-staging".to_owned(), false)));
    }

    fn rule(name: &str) -> EnvironmentRule {
        EnvironmentRule { name: name.to_owned(), ..EnvironmentRule::default() }
    }

    fn patterns(texts: &[&str]) -> Vec<Pattern> {
        texts.iter().map(|text| Pattern::new(text)).collect()
    }

    #[test]
    fn what_is_configured_comes_before_what_names_say() {
        let production = Some(true);
        let environments = vec![
            EnvironmentRule { ignore: true, stages: patterns(&["prod-dry-run"]), ..rule("none") },
            EnvironmentRule { production, stages: patterns(&["ship"]), pipelines: patterns(&["shop-*"]), ..rule("eu") },
            EnvironmentRule { production, pipelines: patterns(&["infra"]), ..rule("cloud") },
            EnvironmentRule { production, environments: patterns(&["*-4"]), ..rule("customers") },
            EnvironmentRule { production, ..rule("staging") },
        ];
        let terms = Terms { environments, ..Terms::default() };
        assert_eq!(told(terms.stage(None, "prod-dry-run")), None);
        assert_eq!(told(terms.stage(Some("Shop-web"), "ship")), Some(("eu".to_owned(), true)));
        assert_eq!(told(terms.stage(Some("other"), "ship")), None);
        assert_eq!(told(terms.run(Some("infra"))), Some(("cloud".to_owned(), true)));
        assert_eq!(told(terms.run(Some("shop-web"))), None, "its rule is about stages");
        assert_eq!(told(terms.environment("ring-4")), Some(("customers".to_owned(), true)));
        for place in [terms.stage(None, "deploy-staging"), terms.environment("staging")] {
            assert_eq!(told(place), Some(("staging".to_owned(), true)), "however it is known");
        }
        assert!(terms.may_deploy("deploy-staging", Beside::Nothing));
    }
}
