//! Whose pipeline it is: by configuration, since the service does not know.

use std::collections::BTreeSet;

use super::Pattern;

/// Who answers for which pipelines. The first rule whose pipelines or folders fit is the one, and where none does, the
/// first whose repositories fit: a pipeline may build several of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners(pub Vec<OwnerRule>);

/// One service, and how to know what belongs to it: by any of these patterns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerRule {
    pub service: String,
    pub team: Option<String>,
    /// Who is of that team, as their sign-in names them.
    pub members: Vec<String>,
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
        self.first(|rule| rule.names(owned)).or_else(|| self.first(|rule| rule.builds(owned)))
    }

    /// The teams that somebody is of, in the order of their names.
    #[must_use]
    pub fn teams_of(&self, member: &str) -> Vec<String> {
        let Self(rules) = self;
        let member = member.to_lowercase();
        let mine = rules.iter().filter(|rule| rule.members.iter().any(|name| name.to_lowercase() == member));
        mine.filter_map(|rule| rule.team.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn first(&self, by: impl Fn(&OwnerRule) -> Option<String>) -> Option<Owner> {
        let Self(rules) = self;
        let found = rules.iter().find_map(|rule| Some((rule, by(rule)?)));
        found.map(|(rule, by)| Owner { service: rule.service.clone(), team: rule.team.clone(), by })
    }
}

impl OwnerRule {
    /// Whether it names the pipeline or its folder.
    fn names(&self, owned: &Owned<'_>) -> Option<String> {
        let id = owned.pipeline.to_string();
        find("pipeline", &self.pipelines, owned.name)
            .or_else(|| find("pipeline", &self.pipelines, Some(&id)))
            .or_else(|| find("folder", &self.folders, owned.folder))
    }

    fn builds(&self, owned: &Owned<'_>) -> Option<String> {
        find("repository", &self.repositories, owned.repository)
    }
}

fn find(what: &str, patterns: &[Pattern], text: Option<&str>) -> Option<String> {
    let found = patterns.iter().find(|pattern| text.is_some_and(|text| pattern.matches(text)));
    found.map(|pattern| format!("{what} {pattern}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(service: &str, pipelines: &[&str], folders: &[&str], repositories: &[&str]) -> OwnerRule {
        let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text)).collect();
        OwnerRule {
            service: service.to_owned(),
            team: Some("payments".to_owned()).filter(|_| service == "checkout"),
            members: Vec::new(),
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

    #[test]
    fn somebody_is_of_the_teams_that_name_them() {
        let of = |team: &str, members: &[&str]| OwnerRule {
            team: Some(team.to_owned()),
            members: members.iter().map(|name| (*name).to_owned()).collect(),
            ..OwnerRule::default()
        };
        let owners = Owners(vec![of("web", &["Ada", "Bea"]), of("app", &["ada"]), of("web", &["ADA"]), of("ops", &[])]);
        assert_eq!(owners.teams_of("ada"), ["app", "web"]);
        assert_eq!(owners.teams_of("Bea"), ["web"]);
        assert_eq!(owners.teams_of("Cid"), [""; 0]);
    }

    /// A pipeline may build several repositories: then its own name decides, wherever its rule stands.
    #[test]
    fn a_pipeline_says_more_than_its_repository() {
        let owners = Owners(vec![rule("all", &[], &[], &["*"]), rule("web", &["web"], &[], &[])]);
        let of = |name| owners.of(&Owned { name, repository: Some("x"), ..Owned::default() }).map(|owner| owner.by);
        let table = [(of(Some("web")), "pipeline web"), (of(Some("api")), "repository *"), (of(None), "repository *")];
        for (found, expected) in table {
            assert_eq!(found.as_deref(), Some(expected));
        }
    }
}
