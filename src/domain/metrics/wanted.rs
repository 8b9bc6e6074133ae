use super::material::{Deployed, Line, Name};
use crate::domain::owner::{Owned, Owner, Owners};

/// Whose deployments are counted. An absent field does not filter, but for the environment: then it is production.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub organization: Option<String>,
    /// A project's name or id.
    pub project: Option<String>,
    /// A pipeline's name or id.
    pub pipeline: Option<String>,
    pub repository: Option<String>,
    pub environment: Option<String>,
    /// By the configuration.
    pub service: Option<String>,
    pub team: Option<String>,
}

impl Wanted {
    #[must_use]
    pub fn fits(&self, owners: &Owners, line: &Line, deployed: &Deployed) -> bool {
        let id = line.pipeline.to_string();
        let environment = match &self.environment {
            Some(wanted) => wanted.eq_ignore_ascii_case(&line.environment),
            None => line.production,
        };
        environment
            && is(self.organization.as_ref(), [Some(&line.organization)])
            && is(self.project.as_ref(), [line.project.as_ref(), line.project_id.as_ref()])
            && is(self.pipeline.as_ref(), [line.pipeline_name.as_ref(), Some(&id.into())])
            && is(self.repository.as_ref(), [deployed.repository.as_ref()])
            && self.fits_owner(owners, line, deployed)
    }

    fn fits_owner(&self, owners: &Owners, line: &Line, deployed: &Deployed) -> bool {
        if self.service.is_none() && self.team.is_none() {
            return true;
        }
        owner(owners, line, deployed).is_some_and(|owner| {
            let team = owner.team.map(Name::from);
            is(self.service.as_ref(), [Some(&owner.service.into())]) && is(self.team.as_ref(), [team.as_ref()])
        })
    }
}

pub(super) fn owner(owners: &Owners, line: &Line, deployed: &Deployed) -> Option<Owner> {
    owners.of(&Owned {
        pipeline: line.pipeline,
        name: line.pipeline_name.as_deref(),
        folder: line.folder.as_deref(),
        repository: deployed.repository.as_deref(),
    })
}

/// Names are compared without regard to case, as the service does.
fn is<const N: usize>(wanted: Option<&String>, known: [Option<&Name>; N]) -> bool {
    wanted.is_none_or(|wanted| known.into_iter().flatten().any(|known| known.eq_ignore_ascii_case(wanted)))
}
