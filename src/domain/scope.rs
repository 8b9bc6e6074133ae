//! What a reader may see and do.

/// The projects that a reader may see. What belongs to no project that is known is seen only by who sees all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    #[default]
    All,
    Only(Vec<ProjectName>),
}

impl Scope {
    /// Whether this project is one of them.
    #[must_use]
    pub fn holds(&self, organization: &str, project: &str, id: &str) -> bool {
        let is_it = |named: &ProjectName| {
            named.organization.as_deref().is_none_or(|named| named == organization)
                && [project, id].iter().any(|known| named.project.eq_ignore_ascii_case(known))
        };
        match self {
            Self::All => true,
            Self::Only(projects) => projects.iter().any(is_it),
        }
    }
}

/// What a reader may do; each may what the one before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rights {
    Read,
    Admin,
}

/// What somebody is let in for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub rights: Rights,
    pub scope: Scope,
}

impl Grant {
    /// Both together. Who administers some projects and may read others does not become the administrator of these, so
    /// the rights are then the lesser ones.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let is_over_all = |grant: &Self| grant.rights == Rights::Admin && grant.scope == Scope::All;
        let rights = match is_over_all(&self) || is_over_all(&other) {
            true => Rights::Admin,
            false => self.rights.min(other.rights),
        };
        let scope = match (self.scope, other.scope) {
            (Scope::Only(mut projects), Scope::Only(more)) => {
                projects.extend(more);
                Scope::Only(projects)
            }
            (Scope::All, _) | (_, Scope::All) => Scope::All,
        };
        Self { rights, scope }
    }
}

/// A project, as a person names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectName {
    /// Lower case; `None` means whichever has such a project.
    pub organization: Option<String>,
    /// Its name or id. Azure DevOps compares names without regard to case.
    pub project: String,
}

/// The text names no project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no project: write PROJECT or ORGANIZATION/PROJECT")]
pub struct NoProjectName;

impl std::str::FromStr for ProjectName {
    type Err = NoProjectName;

    fn from_str(text: &str) -> Result<Self, NoProjectName> {
        let (organization, project) = match text.rsplit_once('/') {
            Some((organization, project)) => (Some(organization.trim().to_lowercase()), project),
            None => (None, text),
        };
        let project = project.trim().to_owned();
        if project.is_empty() || organization.as_ref().is_some_and(String::is_empty) {
            return Err(NoProjectName);
        }
        Ok(Self { organization, project })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_named_by_name_or_id_and_maybe_its_organization() {
        let holds = |name: &str| Scope::Only(vec![name.parse().unwrap()]).holds("fabrikam", "Fiber", "p-1");
        assert_eq!(
            ["fiber", "P-1", "Fabrikam/FIBER", "contoso/fiber", "fib"].map(holds),
            [true, true, true, false, false]
        );
        assert!(
            Scope::All.holds("fabrikam", "Fiber", "p-1") && !Scope::Only(Vec::new()).holds("fabrikam", "Fiber", "p-1")
        );
    }

    #[test]
    fn no_two_grants_make_more_than_they_give() {
        let only = |names: &[&str]| Scope::Only(names.iter().map(|name| name.parse().unwrap()).collect());
        let grant = |rights, scope| Grant { rights, scope };
        let together = |one: Grant, other: Grant| {
            assert_eq!(one.clone().and(other.clone()).rights, other.clone().and(one.clone()).rights);
            one.and(other)
        };
        let (admin_of_x, read_y) = (grant(Rights::Admin, only(&["x"])), grant(Rights::Read, only(&["y"])));
        assert_eq!(together(admin_of_x.clone(), read_y.clone()), grant(Rights::Read, only(&["x", "y"])));
        let read_all = grant(Rights::Read, Scope::All);
        assert_eq!(together(admin_of_x.clone(), read_all.clone()), read_all);
        let admin_of_all = grant(Rights::Admin, Scope::All);
        assert_eq!(together(admin_of_all.clone(), read_y), admin_of_all);
        let admin_of_y = grant(Rights::Admin, only(&["y"]));
        assert_eq!(together(admin_of_x, admin_of_y), grant(Rights::Admin, only(&["x", "y"])));
    }

    #[test]
    fn a_project_is_named_with_or_without_its_organization() {
        let named = |text: &str| text.parse::<ProjectName>().map(|name| (name.organization, name.project));
        assert_eq!(named("web shop"), Ok((None, "web shop".to_owned())));
        assert_eq!(named("Fabrikam/web"), Ok((Some("fabrikam".to_owned()), "web".to_owned())));
        // On premises an organization is a host and a collection.
        assert_eq!(named("ado.example/tfs/web"), Ok((Some("ado.example/tfs".to_owned()), "web".to_owned())));
        assert_eq!(["", " ", "/web", "fabrikam/"].map(named), [const { Err(NoProjectName) }; 4]);
    }
}
