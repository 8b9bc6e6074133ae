use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::material::{Line, Origin, Source};
use super::report::Bucket;
use super::wanted::{Whose, owner};
use crate::domain::owner::Owners;

/// What deployments are put together by, to be looked at side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Group {
    Pipeline,
    Repository,
    Project,
    Environment,
    /// By the configuration.
    Service,
    Team,
    /// Who asked for the run. Only where the configuration allows to compare people.
    Person,
}

/// Numbers of one of them.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Grouped {
    /// Null for what belongs to none.
    pub name: Option<String>,
    pub numbers: Bucket,
}

impl Group {
    /// So many are told of at most: those with the most deployments.
    pub const MOST: usize = 100;
    /// Stands beside every list of them.
    pub const CAUTION: &str = "These numbers are for each to compare with its own past. Systems differ: as a contest or as \
                               targets they make delivery worse (dora.dev).";

    /// `None` where it belongs to none.
    #[must_use]
    pub fn of(self, owners: &Owners, line: &Line, origin: &Origin) -> Option<String> {
        match self {
            Self::Pipeline => {
                let name = line.pipeline_name.as_deref().map(str::to_owned);
                let what = if line.source == Source::Release { "definition " } else { "" };
                Some(name.unwrap_or_else(|| format!("{what}{}", line.pipeline)))
            }
            Self::Repository => origin.repository.as_deref().map(str::to_owned),
            Self::Project => line.project.as_deref().map(str::to_owned),
            Self::Environment => Some(line.environment.to_string()),
            Self::Service => owner(owners, line, origin).map(|owner| owner.service),
            Self::Team => owner(owners, line, origin).and_then(|owner| owner.team),
            Self::Person => origin.requested_for.as_deref().map(str::to_owned),
        }
    }

    /// Of a run, deployment or not, which has no environment. Who asked for it, it does not say.
    #[must_use]
    pub fn of_run(self, owners: &Owners, whose: &Whose<'_>) -> Option<String> {
        let text = |name: Option<&super::material::Name>| name.map(ToString::to_string);
        match self {
            Self::Pipeline => Some(text(whose.pipeline_name).unwrap_or_else(|| whose.pipeline.to_string())),
            Self::Repository => text(whose.repository),
            Self::Project => text(whose.project),
            Self::Service => whose.owner(owners).map(|owner| owner.service),
            Self::Team => whose.owner(owners).and_then(|owner| owner.team),
            Self::Environment | Self::Person => None,
        }
    }
}
