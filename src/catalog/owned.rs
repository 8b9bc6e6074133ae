//! What tells whose pipeline it is.
//!
//! A run tells its folder and its repository only when its build is told of, so that a live one is known by those of the
//! pipeline: the folder that the latest of its runs told, and the repository that most of its latest ones built.

use super::dashboard::Recent;
use super::rows::{Deployment, GivenApproval, Pipeline, PipelineName, Run, RunDetail};
use crate::domain::owner::Owned;

/// Where the pipeline of these rows stands.
pub(super) fn folder_of(rows: &str) -> String {
    of_pipeline("folder", rows)
}

/// What the pipeline of these rows builds.
pub(super) fn repository_of(rows: &str) -> String {
    of_pipeline("repository", rows)
}

fn of_pipeline(column: &str, rows: &str) -> String {
    format!(
        "(SELECT g.{column} FROM pipelines g WHERE g.organization = {rows}.organization AND g.pipeline = {rows}.pipeline)"
    )
}

impl<'a> From<&'a PipelineName> for Owned<'a> {
    fn from(name: &'a PipelineName) -> Self {
        Self { pipeline: name.id, name: name.name.as_deref(), ..Self::default() }
    }
}

impl<'a> From<&'a Run> for Owned<'a> {
    fn from(run: &'a Run) -> Self {
        Self { repository: run.repository.as_deref(), ..Self::from(&run.pipeline) }
    }
}

impl<'a> From<&'a RunDetail> for Owned<'a> {
    fn from(detail: &'a RunDetail) -> Self {
        Self { folder: detail.folder.as_deref(), ..Self::from(&detail.run) }
    }
}

impl<'a> From<&'a Recent> for Owned<'a> {
    fn from(recent: &'a Recent) -> Self {
        let (folder, repository) = (recent.folder.as_deref(), recent.repository.as_deref());
        Self { folder, repository, ..Self::from(&recent.run) }
    }
}

impl<'a> From<&'a Pipeline> for Owned<'a> {
    fn from(pipeline: &'a Pipeline) -> Self {
        Self {
            pipeline: pipeline.id,
            name: pipeline.name.as_deref(),
            folder: pipeline.folder.as_deref(),
            repository: pipeline.repository.as_deref(),
        }
    }
}

/// Of a release, what tells of its definition.
impl<'a> From<&'a Deployment> for Owned<'a> {
    fn from(deployment: &'a Deployment) -> Self {
        let pipeline = deployment.pipeline.as_ref().map(Self::from).unwrap_or_default();
        Self { folder: deployment.folder.as_deref(), repository: deployment.repository.as_deref(), ..pipeline }
    }
}

impl<'a> From<&'a GivenApproval> for Owned<'a> {
    fn from(approval: &'a GivenApproval) -> Self {
        let pipeline = approval.pipeline.as_ref().map(Self::from).unwrap_or_default();
        Self { folder: approval.folder.as_deref(), repository: approval.repository.as_deref(), ..pipeline }
    }
}
