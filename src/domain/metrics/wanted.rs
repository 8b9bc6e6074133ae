use super::material::{Line, Name, Origin};
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

/// Where a run belongs, deployment or not.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'n> {
    pub organization: &'n Name,
    /// Its name, or else its id.
    pub project: Option<&'n Name>,
    pub project_id: Option<&'n Name>,
    pub pipeline: u64,
    pub pipeline_name: Option<&'n Name>,
    pub folder: Option<&'n Name>,
    pub repository: Option<&'n Name>,
}

impl<'n> Whose<'n> {
    fn of(line: &'n Line, origin: &'n Origin) -> Self {
        Self {
            organization: &line.organization,
            project: line.project.as_ref(),
            project_id: line.project_id.as_ref(),
            pipeline: line.pipeline,
            pipeline_name: line.pipeline_name.as_ref(),
            folder: line.folder.as_ref(),
            repository: origin.repository.as_ref(),
        }
    }

    pub(super) fn owner(&self, owners: &Owners) -> Option<Owner> {
        owners.of(&Owned {
            pipeline: self.pipeline,
            name: self.pipeline_name.map(|name| &**name),
            folder: self.folder.map(|folder| &**folder),
            repository: self.repository.map(|repository| &**repository),
        })
    }
}

impl Wanted {
    #[must_use]
    pub fn fits(&self, owners: &Owners, line: &Line, origin: &Origin) -> bool {
        let environment = match &self.environment {
            Some(wanted) => wanted.eq_ignore_ascii_case(&line.environment),
            None => line.production,
        };
        environment && self.fits_anywhere(owners, line, origin)
    }

    /// Whatever the environment.
    #[must_use]
    pub fn fits_anywhere(&self, owners: &Owners, line: &Line, origin: &Origin) -> bool {
        self.fits_run(owners, &Whose::of(line, origin))
    }

    #[must_use]
    pub fn fits_run(&self, owners: &Owners, whose: &Whose<'_>) -> bool {
        is(self.organization.as_ref(), [Some(whose.organization)])
            && is(self.project.as_ref(), [whose.project, whose.project_id])
            && is(self.pipeline.as_ref(), [whose.pipeline_name, Some(&whose.pipeline.to_string().into())])
            && is(self.repository.as_ref(), [whose.repository])
            && self.fits_owner(owners, whose)
    }

    fn fits_owner(&self, owners: &Owners, whose: &Whose<'_>) -> bool {
        if self.service.is_none() && self.team.is_none() {
            return true;
        }
        whose.owner(owners).is_some_and(|owner| {
            let team = owner.team.map(Name::from);
            is(self.service.as_ref(), [Some(&owner.service.into())]) && is(self.team.as_ref(), [team.as_ref()])
        })
    }
}

pub(super) fn owner(owners: &Owners, line: &Line, origin: &Origin) -> Option<Owner> {
    Whose::of(line, origin).owner(owners)
}

/// Names are compared without regard to case, as the service does.
fn is<const N: usize>(wanted: Option<&String>, known: [Option<&Name>; N]) -> bool {
    wanted.is_none_or(|wanted| known.into_iter().flatten().any(|known| known.eq_ignore_ascii_case(wanted)))
}
