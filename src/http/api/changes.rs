//! Commits, pull requests and work items: where each of them went.

use axum::Json;

use super::Organization;
use super::answers::OfOne;
use super::asked::{Asked, Id, short};
use super::one::one;
use crate::catalog::{CommitDetail, PullRequestDetail, WorkItemDetail};
use crate::http::Problem;
use crate::http::reader::Reader;

/// A commit, and where it went.
#[utoipa::path(
    get,
    path = "/api/v1/commits/{sha}",
    operation_id = "showCommit",
    tag = "changes",
    params(("sha" = String, Path, description = "Its id, or the beginning of it: 4 or more hexadecimal digits"), Organization),
    responses((status = 200, body = CommitDetail), OfOne)
)]
pub(super) async fn commit(
    reader: Reader,
    Id(sha): Id,
    Asked(Organization { organization }): Asked<Organization>,
) -> Result<Json<CommitDetail>, Problem> {
    if !(4..=64).contains(&sha.len()) || !sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let why = format!("A commit is 4 or more hexadecimal digits, and `{}` is not.", short(&sha));
        return Err(Problem::bad_request(why));
    }
    let found = reader.catalog.commits(&sha, organization.as_deref(), &reader.branches).await?;
    one(found, &format!("Commit {sha}"), |found| format!("{} {}", found.organization, found.commit)).map(Json)
}

/// A pull request, and where it went.
#[utoipa::path(
    get,
    path = "/api/v1/pull-requests/{id}",
    operation_id = "showPullRequest",
    tag = "changes",
    params(("id" = u64, Path, description = "Its number"), Organization),
    responses((status = 200, body = PullRequestDetail), OfOne)
)]
pub(super) async fn pull_request(
    reader: Reader,
    id: Id,
    Asked(Organization { organization }): Asked<Organization>,
) -> Result<Json<PullRequestDetail>, Problem> {
    let id = id.number("The id of a pull request")?;
    let found = reader.catalog.pull_requests(id, organization.as_deref(), &reader.branches).await?;
    one(found, &format!("Pull request {id}"), |found| found.organization.clone()).map(Json)
}

/// A work item, and where it went.
#[utoipa::path(
    get,
    path = "/api/v1/work-items/{id}",
    operation_id = "showWorkItem",
    tag = "changes",
    params(("id" = u64, Path, description = "Its number"), Organization),
    responses((status = 200, body = WorkItemDetail), OfOne)
)]
pub(super) async fn work_item(
    reader: Reader,
    id: Id,
    Asked(Organization { organization }): Asked<Organization>,
) -> Result<Json<WorkItemDetail>, Problem> {
    let id = id.number("The id of a work item")?;
    let found = reader.catalog.work_items(id, organization.as_deref(), &reader.branches).await?;
    one(found, &format!("Work item {id}"), |found| found.organization.clone()).map(Json)
}
