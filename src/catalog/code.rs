//! From records of pushes, pull requests, work items and a run's commits to rows.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::apply::remember;
use super::broken::repository_id;
use super::metrics;
use super::packed::{self, Kind};
use super::references::Source;
use crate::domain::changes::ShownChanges;
use crate::domain::pull_request::{ShownPullRequest, Vote};
use crate::domain::push::ShownPush;
use crate::domain::work_item::ShownWorkItem;
use crate::domain::{PullRequestStatus, Said, ShownCommit, Time};

/// Removes all rows of one record.
pub(super) fn remove(connection: &Connection, source: &Source) -> rusqlite::Result<()> {
    remove_commits(connection, source)?;
    metrics::remove_ref_updates(connection, source)?;
    loosen_request(connection, source)?;
    for table in ["pushes", "pull_requests", "work_items", "pull_request_commits", "compared"] {
        connection.prepare_cached(&format!("DELETE FROM {table} WHERE source = ?1"))?.execute([&source.key])?;
    }
    Ok(())
}

fn remove_commits(connection: &Connection, source: &Source) -> rusqlite::Result<()> {
    let mut remove = connection.prepare_cached("DELETE FROM commits WHERE source = ?1 RETURNING id")?;
    let removed: rusqlite::Result<Vec<String>> = remove.query_map([&source.key], |row| row.get(0))?.collect();
    removed?.iter().try_for_each(|id| packed::loosen_requests_of(connection, id))
}

/// Before and after a pull request was written.
fn loosen_request(connection: &Connection, source: &Source) -> rusqlite::Result<()> {
    let mut ask = connection.prepare_cached("SELECT closed FROM pull_requests WHERE source = ?1")?;
    let closed: Option<Option<i64>> = ask.query_row([&source.key], |row| row.get(0)).optional()?;
    packed::loosen_day(connection, Kind::Requests, closed.flatten())
}

pub(super) fn write_changes(c: &Connection, source: &Source, changes: &ShownChanges) -> rusqlite::Result<()> {
    metrics::write_compared(c, source, changes)?;
    write_commits(c, source, changes.repository.as_deref(), &changes.commits)
}

fn write_commits(
    connection: &Connection,
    source: &Source,
    repository: Option<&str>,
    commits: &[ShownCommit],
) -> rusqlite::Result<()> {
    remove_commits(connection, source)?;
    let insert = "INSERT INTO commits (source, id, organization, repository, author, message, at) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let mut insert = connection.prepare_cached(insert)?;
    for ShownCommit { id, commit } in commits {
        let at = commit.at.map(Time::ticks);
        insert.execute(params![source.key, id, source.organization, repository, commit.author, commit.message, at])?;
        packed::loosen_requests_of(connection, id)?;
    }
    Ok(())
}

pub(super) fn write_push(connection: &Connection, source: &Source, push: &ShownPush) -> rusqlite::Result<()> {
    let refs: Vec<_> = push.refs.iter().map(|update| update.name.as_str()).collect();
    let insert = "INSERT OR REPLACE INTO pushes (source, organization, push, project_id, project_name, repository, refs, \
                    pushed_by, pushed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    connection.prepare_cached(insert)?.execute(params![
        source.key,
        push.key.organization,
        push.key.push,
        push.project_id,
        push.project_name.as_ref().map(|Said(_, name)| name),
        push.repository,
        serde_json::json!(refs).to_string(),
        push.pushed_by,
        push.pushed.map(Time::ticks),
    ])?;
    let repository = (push.project_id.as_deref(), push.repository.as_deref());
    remember_default(connection, source, repository, push.default_branch.as_ref())?;
    metrics::write_ref_updates(connection, source, push)?;
    write_commits(connection, source, push.repository.as_deref(), &push.commits)
}

pub(super) fn write_pull_request(
    connection: &Connection,
    source: &Source,
    shown: &ShownPullRequest,
) -> rusqlite::Result<()> {
    loosen_request(connection, source)?;
    let vote = |vote: &Vote| serde_json::json!({"name": vote.name, "vote": vote.vote, "isTeam": vote.is_team});
    let votes: Vec<_> = shown.votes.iter().map(vote).collect();
    let insert = "INSERT OR REPLACE INTO pull_requests (source, organization, id, repository_id, project_id, \
                    project_name, repository, title, status, merge_status, source_branch, target_branch, created_by, \
                    url, created, first_approved, closed, merge_commit, votes, merged_by) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)";
    connection.prepare_cached(insert)?.execute(params![
        source.key,
        shown.key.organization,
        shown.key.id,
        shown.key.repository,
        shown.project_id,
        shown.project_name.as_ref().map(|Said(_, name)| name),
        shown.repository,
        shown.title,
        shown.status.as_ref().map(PullRequestStatus::as_str),
        shown.merge_status,
        shown.source,
        shown.target,
        shown.created_by,
        shown.url,
        shown.created.map(Time::ticks),
        shown.first_approved.map(Time::ticks),
        shown.closed.map(Time::ticks),
        shown.merge_commit,
        serde_json::json!(votes).to_string(),
        shown.merged_by,
    ])?;
    loosen_request(connection, source)?;
    let repository = (shown.project_id.as_deref(), shown.repository.as_deref());
    remember_default(connection, source, repository, shown.default_branch.as_ref())?;
    metrics::write_pull_request_commits(connection, source, shown)
}

/// Which branch of a repository is the default one.
fn remember_default(
    connection: &Connection,
    source: &Source,
    (project, name): (Option<&str>, Option<&str>),
    branch: Option<&Said<String>>,
) -> rusqlite::Result<()> {
    let (Some(project), Some(name), Some(branch)) = (project, name, branch) else { return Ok(()) };
    remember(connection, "defaultBranch", &source.organization, &repository_id(project, name), branch)
}

pub(super) fn write_work_item(connection: &Connection, source: &Source, item: &ShownWorkItem) -> rusqlite::Result<()> {
    let states: Vec<_> = item.states.iter().map(|state| (&state.state, state.since.map(Time::ticks))).collect();
    let insert = "INSERT OR REPLACE INTO work_items (source, organization, id, project, type, title, state, reason, \
                    assigned_to, area, iteration, parent, url, created, states, tags) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
    connection.prepare_cached(insert)?.execute(params![
        source.key,
        item.key.organization,
        item.key.id,
        item.project,
        item.kind,
        item.title,
        item.state,
        item.reason,
        item.assigned_to,
        item.area,
        item.iteration,
        item.parent,
        item.url,
        item.created.map(Time::ticks),
        serde_json::json!(states).to_string(),
        item.tags,
    ])?;
    Ok(())
}
