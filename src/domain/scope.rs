//! What a reader may see.

/// The projects that a reader may see. What belongs to no project that is known is seen only by who sees all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    #[default]
    All,
    Only(Vec<ProjectName>),
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
    fn a_project_is_named_with_or_without_its_organization() {
        let named = |text: &str| text.parse::<ProjectName>().map(|name| (name.organization, name.project));
        assert_eq!(named("web shop"), Ok((None, "web shop".to_owned())));
        assert_eq!(named("Fabrikam/web"), Ok((Some("fabrikam".to_owned()), "web".to_owned())));
        // On premises an organization is a host and a collection.
        assert_eq!(named("ado.example/tfs/web"), Ok((Some("ado.example/tfs".to_owned()), "web".to_owned())));
        assert_eq!(["", " ", "/web", "fabrikam/"].map(named), [const { Err(NoProjectName) }; 4]);
    }
}
