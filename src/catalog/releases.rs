//! Rows of classic releases and of the deployment records of environments.

use rusqlite::{Connection, OptionalExtension, params};

use super::apply::remember;
use super::{deployed, packed, parts};
use crate::domain::deployment::ShownDeployment;
use crate::domain::release::{ShownArtifact, ShownRelease};
use crate::domain::run::ShownStage;
use crate::domain::{DeploymentKey, Outcome, ReleaseKey, ReleaseStatus, Said, State, Time};

pub(super) fn remove_release(connection: &Connection, key: &ReleaseKey) -> rusqlite::Result<()> {
    let remove = "DELETE FROM releases WHERE organization = ?1 AND project_id = ?2 AND release = ?3 RETURNING id";
    let mut remove = connection.prepare_cached(remove)?;
    let values = params![key.organization, key.project, key.release];
    let id: Option<i64> = remove.query_row(values, |row| row.get(0)).optional()?;
    id.map_or(Ok(()), |id| remove_parts(connection, id))?;
    deployed::follow_release(connection, key)
}

fn remove_parts(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM release_stages WHERE release = ?1")?.execute([id])?;
    connection.prepare_cached("DELETE FROM release_approvals WHERE release = ?1")?.execute([id])?;
    connection.prepare_cached("DELETE FROM release_artifacts WHERE release = ?1")?.execute([id])?;
    Ok(())
}

const STAGE: &str = "INSERT INTO release_stages (release, name, attempt, state, result, started, finished) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const APPROVAL: &str = "INSERT INTO release_approvals (release, id, status, stage, stage_attempt, requested, decided, \
                          approvers, phase) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

pub(super) fn write_release(connection: &Connection, release: &ShownRelease) -> rusqlite::Result<()> {
    let id = upsert_release(connection, release)?;
    // Attempts without numbers make way for numbered ones.
    remove_parts(connection, id)?;
    release.environments.iter().try_for_each(|stage| parts::insert_stage(connection, STAGE, id, stage))?;
    release.approvals.iter().try_for_each(|approval| parts::insert_approval(connection, APPROVAL, id, approval))?;
    release.artifacts.iter().try_for_each(|artifact| insert_artifact(connection, id, artifact))?;
    remember_project(connection, &release.key.organization, &release.key.project, release.project_name.as_ref())?;
    deployed::follow_release(connection, &release.key)
}

/// Of a project that is named by its id.
fn remember_project(
    connection: &Connection,
    organization: &str,
    project: &str,
    name: Option<&Said<String>>,
) -> rusqlite::Result<()> {
    let is_id = project.len() == 36 && project.matches('-').count() == 4;
    match name.filter(|_| is_id) {
        Some(name) => remember(connection, "project", organization, project, name),
        None => Ok(()),
    }
}

fn upsert_release(connection: &Connection, release: &ShownRelease) -> rusqlite::Result<i64> {
    let upsert = "INSERT INTO releases (organization, project_id, release, project_name, name, definition, \
                    definition_name, status, reason, created, created_by, url) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
                  ON CONFLICT (organization, project_id, release) DO UPDATE SET project_name = ?4, name = ?5, \
                    definition = ?6, definition_name = ?7, status = ?8, reason = ?9, created = ?10, created_by = ?11, \
                    url = ?12 \
                  RETURNING id";
    let row = params![
        release.key.organization,
        release.key.project,
        release.key.release,
        release.project_name.as_ref().map(|Said(_, name)| name),
        release.name,
        release.definition_id.as_ref().and_then(|id| id.parse::<i64>().ok()),
        release.definition_name,
        release.status.as_ref().map(ReleaseStatus::as_str),
        release.reason,
        release.created.map(Time::ticks),
        release.created_by,
        release.url,
    ];
    connection.prepare_cached(upsert)?.query_row(row, |row| row.get(0))
}

fn insert_artifact(connection: &Connection, release: i64, artifact: &ShownArtifact) -> rusqlite::Result<()> {
    let insert = "INSERT INTO release_artifacts (release, alias, kind, source_id, source_name, version_id, version_name, \
                    branch, prime, run) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let ShownArtifact { alias, kind, source_id, source_name, version_id, version_name, branch, primary } = artifact;
    let run = artifact.run();
    let row = params![release, alias, kind, source_id, source_name, version_id, version_name, branch, primary, run];
    connection.prepare_cached(insert)?.execute(row)?;
    Ok(())
}

pub(super) fn remove_deployment(connection: &Connection, key: &DeploymentKey) -> rusqlite::Result<()> {
    let before = deployed::stages_of(connection, key)?;
    remove_stages(connection, key)?;
    deployed::follow_record(connection, key, before)
}

fn remove_stages(connection: &Connection, key: &DeploymentKey) -> rusqlite::Result<()> {
    let remove =
        "DELETE FROM deployments WHERE organization = ?1 AND project_id = ?2 AND environment = ?3 AND run = ?4";
    let values = params![key.organization, key.project, key.environment, key.run];
    connection.prepare_cached(remove)?.execute(values)?;
    packed::loosen_run(connection, key.run)
}

pub(super) fn write_deployment(connection: &Connection, deployment: &ShownDeployment) -> rusqlite::Result<()> {
    let key = &deployment.key;
    let before = deployed::stages_of(connection, key)?;
    remove_stages(connection, key)?;
    deployment.stages.iter().try_for_each(|stage| insert_deployment(connection, deployment, stage))?;
    remember_project(connection, &key.organization, &key.project, deployment.project_name.as_ref())?;
    deployed::follow_record(connection, key, before)?;
    match &deployment.environment {
        Some(name) => remember_environment(connection, key, name),
        None => Ok(()),
    }
}

/// Records say its name again and again, each later than the one before: only another name changes anything.
fn remember_environment(connection: &Connection, key: &DeploymentKey, name: &Said<String>) -> rusqlite::Result<()> {
    let id = format!("{}/{}", key.project, key.environment);
    let ask = "SELECT name FROM names WHERE kind = 'environment' AND organization = ?1 AND id = ?2";
    let called = || -> rusqlite::Result<Option<String>> {
        connection.prepare_cached(ask)?.query_row([&key.organization, &id], |row| row.get(0)).optional()
    };
    let before = called()?;
    remember(connection, "environment", &key.organization, &id, name)?;
    if before == called()? { Ok(()) } else { deployed::follow_name(connection, key) }
}

fn insert_deployment(
    connection: &Connection,
    deployment: &ShownDeployment,
    stage: &ShownStage,
) -> rusqlite::Result<()> {
    let insert = "INSERT INTO deployments (organization, project_id, environment, run, stage, attempt, project_name, \
                    pipeline, pipeline_name, run_name, state, result, started, finished) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
    let key = &deployment.key;
    connection.prepare_cached(insert)?.execute(params![
        key.organization,
        key.project,
        key.environment,
        key.run,
        stage.name,
        stage.attempt,
        deployment.project_name.as_ref().map(|Said(_, name)| name),
        deployment.pipeline,
        deployment.pipeline_name,
        deployment.run_name,
        stage.state.as_ref().map(State::as_str),
        stage.result.as_ref().map(Outcome::as_str),
        stage.started.map(Time::ticks),
        stage.finished.map(Time::ticks),
    ])?;
    Ok(())
}
