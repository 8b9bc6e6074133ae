use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answers::{OfList, OfOne};
use super::asked::{Asked, Limit, short};
use super::page::{Page, after};
use crate::catalog::{Deployment, DeploymentFilter, Environment, EnvironmentFilter, Owner, PipelineName};
use crate::domain::owner::Owners;
use crate::http::Problem;
use crate::http::reader::Reader;
use crate::view::{Beside, side_by_side};

const LIST: &str = "environments";

/// Which environments.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    organization: Option<String>,
    /// A project's name or id.
    project: Option<String>,
    #[serde(default)]
    #[param(value_type = u32, required = false, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Environments, each with what came last and what is there.
#[utoipa::path(
    get,
    path = "/api/v1/environments",
    operation_id = "listEnvironments",
    tag = "environments",
    params(Wanted),
    responses((status = 200, body = Page<Environment>), OfList)
)]
pub(super) async fn list(reader: Reader, Asked(wanted): Asked<Wanted>) -> Result<Json<Page<Environment>>, Problem> {
    let Wanted { organization, project, limit, cursor } = wanted;
    let after = after::<Environment>(LIST, cursor.as_deref())?;
    let filter = EnvironmentFilter { organization, project, names: None, after, top: Some(limit.and_one()) };
    Ok(Json(Page::of(LIST, reader.catalog.environments(&filter).await?, limit)))
}

/// Which two environments.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Pair {
    /// An environment's name or id.
    from: String,
    /// An environment's name or id.
    to: String,
    organization: Option<String>,
    /// A project's name or id.
    project: Option<String>,
}

/// What is in two environments, pipeline by pipeline.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Comparison {
    from: String,
    to: String,
    items: Vec<Compared>,
}

/// What one pipeline brought to both.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Compared {
    organization: String,
    project: Option<String>,
    /// `pipeline` or `release`.
    source: String,
    pipeline: Option<PipelineName>,
    /// Null where no rule of the configuration fits.
    owner: Option<Owner>,
    from: Option<Deployment>,
    to: Option<Deployment>,
    /// Whether the same is in both: the same commit, or where none is known the same run or release.
    same: bool,
}

/// The difference of two environments.
#[utoipa::path(
    get,
    path = "/api/v1/environments/compare",
    operation_id = "compareEnvironments",
    tag = "environments",
    params(Pair),
    responses((status = 200, body = Comparison), OfOne)
)]
pub(super) async fn compare(reader: Reader, Asked(pair): Asked<Pair>) -> Result<Json<Comparison>, Problem> {
    let Pair { from, to, organization, project } = pair;
    let filter = |environment: &str| DeploymentFilter {
        organization: organization.clone(),
        project: project.clone(),
        environment: Some(environment.to_owned()),
        ..DeploymentFilter::default()
    };
    let (left, right) = (current(&reader, filter(&from)).await?, current(&reader, filter(&to)).await?);
    Ok(Json(Comparison { items: compared(&left, &right, &reader.owners), from, to }))
}

/// What is there; an environment to which nothing ever came is none that is known.
async fn current(reader: &Reader, filter: DeploymentFilter) -> Result<Vec<Deployment>, Problem> {
    let found = reader.catalog.deployments(&DeploymentFilter { current: true, ..filter.clone() }).await?;
    if found.is_empty()
        && reader.catalog.deployments(&DeploymentFilter { top: Some(1), ..filter.clone() }).await?.is_empty()
    {
        let name = filter.environment.unwrap_or_default();
        return Err(Problem::missing(format!("Environment {}: not found.", short(&name))));
    }
    Ok(found)
}

fn compared(left: &[Deployment], right: &[Deployment], owners: &Owners) -> Vec<Compared> {
    let compared = side_by_side(left, right).into_iter().map(|((organization, project, source, _), beside)| {
        let Beside { from, to } = beside;
        let either = from.or(to);
        let owner = either.and_then(|deployment| owner(owners, deployment));
        let pipeline = either.and_then(|deployment| deployment.pipeline.clone());
        let same = beside.is_same();
        Compared { organization, project, source, pipeline, owner, from: from.cloned(), to: to.cloned(), same }
    });
    compared.collect()
}

fn owner(owners: &Owners, deployment: &Deployment) -> Option<Owner> {
    owners.of(&deployment.into()).map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(pipeline: u64, run: u64, commit: Option<&str>) -> Deployment {
        Deployment {
            organization: "fabrikam".to_owned(),
            project: Some("web".to_owned()),
            environment_id: Some(1),
            environment: "dev".to_owned(),
            source: "pipeline".to_owned(),
            pipeline: Some(PipelineName { id: pipeline, name: None }),
            run_id: Some(run),
            run_name: None,
            release_id: None,
            release_name: None,
            stage: "Deploy".to_owned(),
            attempt: 1,
            state: None,
            result: None,
            started_at: None,
            finished_at: None,
            branch: None,
            commit: commit.map(str::to_owned),
            repository: None,
            folder: None,
            rule: "deploymentRecord".to_owned(),
            certainty: "certain".to_owned(),
            current: true,
        }
    }

    #[test]
    fn the_same_is_the_same_commit_or_else_the_same_run() {
        let table = [
            ((1, Some("a")), (2, Some("a")), true),
            ((1, Some("a")), (2, Some("b")), false),
            ((1, None), (1, Some("b")), true),
            ((1, None), (2, None), false),
        ];
        for ((left, one), (right, other), same) in table {
            let found = compared(&[deployment(7, left, one)], &[deployment(7, right, other)], &Owners::default());
            assert_eq!(found.iter().map(|line| line.same).collect::<Vec<_>>(), [same]);
        }
    }

    #[test]
    fn what_is_in_one_alone_has_a_line_too() {
        let found = compared(&[deployment(7, 1, None)], &[deployment(8, 2, None)], &Owners::default());
        let sides: Vec<_> = found.iter().map(|line| (line.from.is_some(), line.to.is_some(), line.same)).collect();
        assert_eq!(sides, [(true, false, false), (false, true, false)]);
    }
}
