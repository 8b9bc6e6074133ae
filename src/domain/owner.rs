//! Whose pipeline it is: by configuration, since the service does not know.

use super::Pattern;

/// Who answers for which pipelines. The first rule that fits is the one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners(pub Vec<OwnerRule>);

/// One service, and how to know what belongs to it: by any of these patterns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerRule {
    pub service: String,
    pub team: Option<String>,
    /// Names or ids of pipelines.
    pub pipelines: Vec<Pattern>,
    /// Folders of pipelines, such as `\\services\\*`.
    pub folders: Vec<Pattern>,
    /// Names of repositories.
    pub repositories: Vec<Pattern>,
}

/// Who owns it, and by which pattern that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub service: String,
    pub team: Option<String>,
    /// Such as `pipeline checkout-*`.
    pub by: String,
}

/// What is known of a pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owned<'a> {
    pub pipeline: u64,
    pub name: Option<&'a str>,
    pub folder: Option<&'a str>,
    pub repository: Option<&'a str>,
}

impl Owners {
    /// `None` where no rule fits.
    #[must_use]
    pub fn of(&self, owned: &Owned<'_>) -> Option<Owner> {
        let Self(rules) = self;
        rules.iter().find_map(|rule| {
            let by = rule.fits(owned)?;
            Some(Owner { service: rule.service.clone(), team: rule.team.clone(), by })
        })
    }
}

impl OwnerRule {
    fn fits(&self, owned: &Owned<'_>) -> Option<String> {
        let id = owned.pipeline.to_string();
        let find = |what: &str, patterns: &[Pattern], text: Option<&str>| {
            let found = patterns.iter().find(|pattern| text.is_some_and(|text| pattern.matches(text)));
            found.map(|pattern| format!("{what} {pattern}"))
        };
        find("pipeline", &self.pipelines, owned.name)
            .or_else(|| find("pipeline", &self.pipelines, Some(&id)))
            .or_else(|| find("folder", &self.folders, owned.folder))
            .or_else(|| find("repository", &self.repositories, owned.repository))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(service: &str, pipelines: &[&str], folders: &[&str], repositories: &[&str]) -> OwnerRule {
        let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text)).collect();
        OwnerRule {
            service: service.to_owned(),
            team: Some("payments".to_owned()).filter(|_| service == "checkout"),
            pipelines: patterns(pipelines),
            folders: patterns(folders),
            repositories: patterns(repositories),
        }
    }

    #[test]
    fn the_first_rule_that_fits() {
        let owners = Owners(vec![
            rule("checkout", &["checkout-*", "12"], &[], &[]),
            rule("shop", &[], &["\\Shop", "\\Shop\\*"], &["shop-*"]),
            rule("rest", &["*-rest"], &[], &["*"]),
        ]);
        let of = |pipeline, name, folder, repository| {
            owners
                .of(&Owned { pipeline, name, folder, repository })
                .map(|owner| format!("{} by {}", owner.service, owner.by))
        };
        let table = [
            (of(1, Some("Checkout-api"), Some("\\shop"), None), Some("checkout by pipeline checkout-*")),
            (of(12, None, None, None), Some("checkout by pipeline 12")),
            (of(1, Some("web"), Some("\\shop\\web"), Some("x")), Some("shop by folder \\Shop\\*")),
            (of(1, Some("web"), Some("\\"), Some("shop-web")), Some("shop by repository shop-*")),
            (of(1, Some("web"), None, Some("x")), Some("rest by repository *")),
            (of(1, Some("web"), None, None), None),
        ];
        for (found, expected) in table {
            assert_eq!(found.as_deref(), expected);
        }
        assert_eq!(Owners::default().of(&Owned::default()), None);
    }
}
