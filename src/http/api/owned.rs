use crate::catalog::{Owner, Pipeline, RunDetail};
use crate::domain::owner::{Owned, Owners};

/// Whose pipeline it is, by configuration.
pub(super) fn pipeline(owners: &Owners, pipeline: &Pipeline) -> Option<Owner> {
    let owned = Owned {
        pipeline: pipeline.id,
        name: pipeline.name.as_deref(),
        folder: pipeline.folder.as_deref(),
        repository: pipeline.repository.as_deref(),
    };
    owners.of(&owned).map(Into::into)
}

pub(super) fn run(owners: &Owners, detail: &RunDetail) -> Option<Owner> {
    let owned = Owned {
        pipeline: detail.run.pipeline.id,
        name: detail.run.pipeline.name.as_deref(),
        folder: detail.folder.as_deref(),
        repository: detail.run.repository.as_deref(),
    };
    owners.of(&owned).map(Into::into)
}
