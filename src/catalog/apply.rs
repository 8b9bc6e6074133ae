//! From a record to rows.

use rusqlite::{Connection, OptionalExtension, params};

use super::references::{self, Source};
use super::releases::{remove_deployment, remove_release, write_deployment, write_release};
use super::{chain, code, deployed, metrics, packed, parts};
use crate::domain::gap::{GapRecord, ShownGap};
use crate::domain::link::{self, Reference};
use crate::domain::run::{ShownFailure, ShownJob, ShownRun};
use crate::domain::{GapKey, GapReason, Key, Outcome, Record, RunKey, Said, State, Time};
use crate::store::{Cursor, Projection, Step};

/// Raised whenever the tables or what stands in them change: the catalog is then built anew.
const VERSION: u32 = 22;

const SCHEMA: &str = include_str!("schema.sql");

/// The catalog's tables.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tables;

/// `None` where there are no tables yet.
fn version(connection: &Connection) -> rusqlite::Result<Option<u32>> {
    let ask = "SELECT value FROM meta WHERE name = 'catalog_version'";
    connection.query_row(ask, [], |row| row.get(0)).optional()
}

impl Projection for Tables {
    fn is_current(&self, connection: &Connection) -> rusqlite::Result<bool> {
        Ok(version(connection)? == Some(VERSION))
    }

    fn prepare(&self, connection: &Connection) -> rusqlite::Result<bool> {
        if self.is_current(connection)? {
            return Ok(false);
        }
        empty(connection)?;
        connection.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('catalog_version', ?1)", [VERSION])?;
        Ok(true)
    }

    fn apply(&self, record: &Record) -> Step {
        let source = Source::of(&record.key());
        match record {
            Record::Changes(record) => {
                let shown = record.shown();
                with_references(source, link::of_changes(&shown), move |c, source| {
                    code::write_changes(c, source, &shown)
                })
            }
            Record::Cluster(record) => {
                let record = record.clone();
                Box::new(move |connection| chain::write_syncs(connection, &source, &record))
            }
            Record::Deployment(record) => {
                let shown = record.shown();
                with_references(source, link::of_deployment(&shown), move |c, _| write_deployment(c, &shown))
            }
            Record::Gap(record) => {
                let record = record.clone();
                Box::new(move |connection| write_gaps(connection, &record))
            }
            Record::Incident(record) => {
                let shown = record.shown();
                Box::new(move |connection| metrics::write_incident(connection, &source, &shown))
            }
            Record::Report(record) => {
                let record = record.clone();
                Box::new(move |connection| metrics::write_reports(connection, &source, &record))
            }
            Record::PullRequest(record) => {
                let shown = record.shown();
                with_references(source, link::of_pull_request(&shown), move |c, source| {
                    code::write_pull_request(c, source, &shown)
                })
            }
            Record::Push(record) => {
                let shown = record.shown();
                with_references(source, link::of_push(&shown), move |c, source| code::write_push(c, source, &shown))
            }
            Record::Release(record) => {
                let shown = record.shown();
                with_references(source, link::of_release(&shown), move |c, _| write_release(c, &shown))
            }
            Record::Run(record) => {
                let shown = record.shown();
                with_references(source, link::of_run(&shown), move |c, _| write_run(c, &shown))
            }
            Record::WorkItem(record) => {
                let shown = record.shown();
                with_references(source, link::of_work_item(&shown), move |c, source| {
                    code::write_work_item(c, source, &shown)
                })
            }
        }
    }

    fn remove(&self, key: &Key) -> Step {
        let source = Source::of(key);
        let key = key.clone();
        Box::new(move |connection| {
            references::write(connection, &source, &[])?;
            match &key {
                Key::Cluster(_) => chain::remove_syncs(connection, &source),
                Key::Deployment(key) => remove_deployment(connection, key),
                Key::Gap(key) => remove_gaps(connection, key),
                Key::Incident(_) => metrics::remove_incident(connection, &source),
                Key::Report(_) => metrics::remove_reports(connection, &source),
                Key::Release(key) => remove_release(connection, key),
                Key::Run(key) => remove_run(connection, key),
                Key::Changes(_) | Key::PullRequest(_) | Key::Push(_) | Key::WorkItem(_) => {
                    code::remove(connection, &source)
                }
            }
        })
    }
}

/// Writes the rows of a record and what it refers to.
fn with_references(
    source: Source,
    references: Vec<Reference>,
    write: impl FnOnce(&Connection, &Source) -> rusqlite::Result<()> + Send + 'static,
) -> Step {
    Box::new(move |connection| {
        write(connection, &source)?;
        references::write(connection, &source, &references)
    })
}

/// Makes a replica's tables ready; answers how far it has followed. Those of a newer version stay as they are, and are
/// answered as the error: the program that made them may be using them, and the two would replace each other's for ever.
pub(super) fn prepare_replica(connection: &Connection) -> rusqlite::Result<Result<Cursor, Newer>> {
    if let Some(found) = version(connection)?.filter(|found| *found > VERSION) {
        return Ok(Err(Newer { found, known: VERSION }));
    }
    Tables.prepare(connection)?;
    cursor(connection).map(Ok)
}

/// The version of a replica's tables, and the one that is known here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Newer {
    pub(super) found: u32,
    pub(super) known: u32,
}

/// How far a replica has followed.
pub(super) fn cursor(connection: &Connection) -> rusqlite::Result<Cursor> {
    let ask = "SELECT value FROM meta WHERE name = 'catalog_cursor'";
    let text: Option<String> = connection.query_row(ask, [], |row| row.get(0)).optional()?;
    // One that cannot be read is as good as none: the store then asks for a rebuild.
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// Whether all that there was at some time is in it. Without tables of this version nothing is.
pub(super) fn is_whole(connection: &Connection) -> rusqlite::Result<bool> {
    let ask = "SELECT EXISTS (SELECT 1 FROM meta WHERE name = 'catalog_cursor')";
    Ok(Tables.is_current(connection)? && connection.query_row(ask, [], |row| row.get(0))?)
}

pub(super) fn save_cursor(connection: &Connection, cursor: &Cursor) -> rusqlite::Result<()> {
    let text = serde_json::json!(cursor).to_string();
    connection.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('catalog_cursor', ?1)", [text])?;
    Ok(())
}

pub(super) fn outdate(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM meta WHERE name = 'catalog_version'", []).map(drop)
}

/// Until a cursor is noted, readers know that something is missing.
pub(super) fn empty(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM meta WHERE name = 'catalog_cursor'", [])?;
    // Rows with triggers would go one by one.
    let mut tables = SCHEMA.lines().filter_map(|line| line.strip_prefix("CREATE TABLE ")?.split(' ').next());
    tables.try_for_each(|table| connection.execute_batch(&format!("DROP TABLE IF EXISTS {table}")))?;
    connection.execute_batch(SCHEMA)
}

fn remove_gaps(connection: &Connection, key: &GapKey) -> rusqlite::Result<()> {
    let remove = "DELETE FROM gaps WHERE organization = ?1 AND project_id = ?2 AND events = ?3";
    connection.prepare_cached(remove)?.execute([&key.organization, &key.project, &key.events])?;
    Ok(())
}

/// The oldest may have made room for newer ones.
fn write_gaps(connection: &Connection, record: &GapRecord) -> rusqlite::Result<()> {
    remove_gaps(connection, record.key())?;
    record.shown().try_for_each(|gap| insert_gap(connection, record, &gap))
}

fn insert_gap(connection: &Connection, record: &GapRecord, gap: &ShownGap) -> rusqlite::Result<()> {
    let insert = "INSERT INTO gaps (organization, project_id, project_name, events, start, finish, why, seen, \
                    covered_to, covered) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let key = record.key();
    connection.prepare_cached(insert)?.execute(params![
        key.organization,
        key.project,
        record.project_name(),
        key.events,
        gap.from.ticks(),
        gap.to.map(Time::ticks),
        gap.why.as_ref().map(GapReason::as_str),
        gap.seen.map(Time::ticks),
        gap.covered_to.map(Time::ticks),
        gap.covered,
    ])?;
    Ok(())
}

fn remove_run(connection: &Connection, key: &RunKey) -> rusqlite::Result<()> {
    let remove = "DELETE FROM runs WHERE run = ?1 AND organization = ?2 AND pipeline = ?3 RETURNING id";
    let mut remove = connection.prepare_cached(remove)?;
    let id: Option<i64> =
        remove.query_row(params![key.run, key.organization, key.pipeline], |row| row.get(0)).optional()?;
    id.map_or(Ok(()), |id| remove_parts(connection, id))?;
    packed::loosen_run(connection, key.run)?;
    deployed::follow_run(connection, &key.organization, key.run)
}

fn remove_parts(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM stages WHERE run = ?1")?.execute([id])?;
    connection.prepare_cached("DELETE FROM jobs WHERE run = ?1")?.execute([id])?;
    connection.prepare_cached("DELETE FROM approvals WHERE run = ?1")?.execute([id])?;
    connection.prepare_cached("DELETE FROM failures WHERE run = ?1")?.execute([id])?;
    Ok(())
}

const STAGE: &str =
    "INSERT INTO stages (run, name, attempt, state, result, started, finished) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const APPROVAL: &str = "INSERT OR REPLACE INTO approvals (run, id, status, stage, stage_attempt, requested, decided, \
                          approvers, environment) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?10)";

fn write_run(connection: &Connection, run: &ShownRun) -> rusqlite::Result<()> {
    let id = upsert_run(connection, run)?;
    // Stages may go: attempts without numbers make way for numbered ones. So may jobs, but never all of them;
    // approvals stay.
    connection.prepare_cached("DELETE FROM stages WHERE run = ?1")?.execute([id])?;
    if !run.jobs.is_empty() {
        connection.prepare_cached("DELETE FROM jobs WHERE run = ?1")?.execute([id])?;
    }
    run.stages.iter().try_for_each(|stage| parts::insert_stage(connection, STAGE, id, stage))?;
    (0_i64..).zip(&run.jobs).try_for_each(|(position, job)| insert_job(connection, id, position, job))?;
    run.approvals.iter().try_for_each(|approval| parts::insert_approval(connection, APPROVAL, id, approval))?;
    write_failure(connection, id, run.failure.as_ref())?;
    let organization = &run.key.organization;
    if let (Some(id), Some(name)) = (&run.project_id, &run.project_name) {
        remember(connection, "project", organization, id, name)?;
    }
    if let Some(name) = &run.pipeline_name {
        remember(connection, "pipeline", organization, &run.key.pipeline.to_string(), name)?;
    }
    packed::loosen_run(connection, run.key.run)?;
    deployed::follow_run(connection, organization, run.key.run)
}

/// Most events only move a run on: then no index of what it is has to be touched.
fn upsert_run(connection: &Connection, run: &ShownRun) -> rusqlite::Result<i64> {
    let move_on = "UPDATE runs SET state = ?7, result = ?8, reason = ?9, repository = ?12, url = ?14, queued = ?15, \
                     started = ?16, finished = ?17, folder = ?18, pool = ?19 \
                   WHERE run = ?1 AND organization = ?2 AND pipeline = ?3 AND project_id IS ?4 AND project_name IS ?5 \
                     AND name IS ?6 AND branch IS ?10 AND commit_id IS ?11 AND requested_for IS ?13 \
                   RETURNING id";
    let upsert = "INSERT INTO runs (run, organization, pipeline, project_id, project_name, name, state, result, reason, \
                    branch, commit_id, repository, requested_for, url, queued, started, finished, folder, \
                    pool) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19) \
                  ON CONFLICT (run, organization, pipeline) DO UPDATE SET project_id = ?4, project_name = ?5, name = ?6, \
                    state = ?7, result = ?8, reason = ?9, branch = ?10, commit_id = ?11, repository = ?12, \
                    requested_for = ?13, url = ?14, queued = ?15, started = ?16, finished = ?17, folder = ?18, pool = ?19 \
                  RETURNING id";
    let row = params![
        run.key.run,
        run.key.organization,
        run.key.pipeline,
        run.project_id,
        run.project_name.as_ref().map(|Said(_, name)| name),
        run.name,
        run.state.as_ref().map(State::as_str),
        run.result.as_ref().map(Outcome::as_str),
        run.reason,
        run.branch,
        run.commit,
        run.repository,
        run.requested_for,
        run.url,
        run.queued.map(Time::ticks),
        run.started.map(Time::ticks),
        run.finished.map(Time::ticks),
        run.folder,
        run.pool,
    ];
    let moved: Option<i64> = connection.prepare_cached(move_on)?.query_row(row, |row| row.get(0)).optional()?;
    match moved {
        Some(id) => Ok(id),
        None => connection.prepare_cached(upsert)?.query_row(row, |row| row.get(0)),
    }
}

fn insert_job(connection: &Connection, run: i64, position: i64, job: &ShownJob) -> rusqlite::Result<()> {
    let insert = "INSERT INTO jobs (run, position, stage, stage_attempt, name, attempt, state, result, started, finished) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    connection.prepare_cached(insert)?.execute(params![
        run,
        position,
        job.stage,
        job.stage_attempt,
        job.name,
        job.attempt,
        job.state.as_ref().map(State::as_str),
        job.result.as_ref().map(Outcome::as_str),
        job.started.map(Time::ticks),
        job.finished.map(Time::ticks),
    ])?;
    Ok(())
}

/// It goes when the run is taken up again.
fn write_failure(connection: &Connection, run: i64, failure: Option<&ShownFailure>) -> rusqlite::Result<()> {
    let Some(failure) = failure else {
        connection.prepare_cached("DELETE FROM failures WHERE run = ?1")?.execute([run])?;
        return Ok(());
    };
    let insert = "INSERT OR REPLACE INTO failures (run, stage, job, task, message, signature, log) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let ShownFailure { stage, job, task, message, signature, log } = failure;
    connection.prepare_cached(insert)?.execute(params![run, stage, job, task, message, signature, log])?;
    Ok(())
}

/// The latest name wins, then the greater text: the same rule as in a record.
pub(super) fn remember(
    connection: &Connection,
    kind: &str,
    organization: &str,
    id: &str,
    name: &Said<String>,
) -> rusqlite::Result<()> {
    let upsert = "INSERT INTO names (kind, organization, id, said, name) VALUES (?1, ?2, ?3, ?4, ?5) \
                  ON CONFLICT (kind, organization, id) DO UPDATE SET said = excluded.said, name = excluded.name \
                  WHERE (excluded.said, excluded.name) > (said, name)";
    let Said(said, name) = name;
    connection.prepare_cached(upsert)?.execute(params![kind, organization, id, said.ticks(), name])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_makes_room_for_what_is_made_anew() {
        let c = Connection::open_in_memory().unwrap();
        c.execute_batch("CREATE TABLE meta (name TEXT PRIMARY KEY, value)").unwrap();
        for _ in 0..2 {
            empty(&c).unwrap();
        }
    }
}
