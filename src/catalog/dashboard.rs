//! What the pages of the dashboard ask beside the lists.
//!
//! A page is asked for again at every event, so nothing here looks at all runs: what is recent is the newest so many, and
//! what a pipeline usually does is what its last few runs did. Whoever shows it has to say so.

use std::fmt;

use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use super::broken::Defaults;
use super::owned::{folder_of, repository_of};
use super::query::{Conditions, collect, list, run, time};
use super::rows::{Run, RunFilter, Stage};
use super::seen::Seen;
use super::{Catalog, CatalogError, pages};
use crate::domain::default_branch::is_default;
use crate::domain::{Scope, Time};

/// The columns of a run, why it failed, and what its pipeline is known by.
pub(super) fn question() -> String {
    format!(
        "SELECT r.id, r.organization, coalesce(project.name, r.project_name, r.project_id), r.pipeline, pipeline.name, \
           r.run, r.name, r.state, r.result, r.reason, r.branch, r.commit_id, r.repository, r.requested_for, r.queued, \
           r.started, r.finished, r.url, coalesce(r.folder, {}), coalesce(r.repository, {}), \
           CASE WHEN r.result = 'failed' THEN coalesce(f.stage, (SELECT s.name FROM stages s \
             WHERE s.run = r.id AND s.result = 'failed' ORDER BY s.attempt DESC, s.name LIMIT 1)) END, \
           f.message, f.signature, \
           coalesce(r.started, (SELECT min(s.started) FROM stages s WHERE s.run = r.id), r.queued), r.project_id \
         FROM runs r \
         LEFT JOIN failures f ON f.run = r.id \
         LEFT JOIN names project ON project.kind = 'project' AND project.organization = r.organization \
           AND project.id = r.project_id \
         LEFT JOIN names pipeline ON pipeline.kind = 'pipeline' AND pipeline.organization = r.organization \
           AND pipeline.id = CAST(r.pipeline AS TEXT)",
        folder_of("r"),
        repository_of("r")
    )
}

/// The latest time that is told of the newest runs and their stages.
const NEWEST: &str = "\
  SELECT max(max(coalesce(r.queued, 0), coalesce(r.started, 0), coalesce(r.finished, 0), coalesce((SELECT \
    max(max(coalesce(s.started, 0), coalesce(s.finished, 0))) FROM stages s WHERE s.run = r.id), 0))) FROM runs r \
  WHERE r.id IN (SELECT value FROM json_each(?))";

/// So many runs tell how far the data reach.
const TELLING: u32 = 200;

/// Of what a pipeline ran on between two of its runs, so many are looked at: a few commits may have run many times.
const MOST_PASSED: u32 = 2_000;

/// A run without its stages, and why it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    pub run: Run,
    /// Of its pipeline.
    pub folder: Option<String>,
    /// What it built; where that is not told yet, what its pipeline builds.
    pub repository: Option<String>,
    /// Whether its branch is the default one: as somebody told, else by the usual names.
    pub on_default: bool,
    /// Null unless it failed.
    pub failed_in: Option<String>,
    /// The first line of the first error, where it was asked for.
    pub error: Option<String>,
    pub signature: Option<String>,
    /// When it started, or its first stage; else when it was queued: the events of a live run do not tell its start.
    pub began: Option<Time>,
}

/// A finished run of a pipeline, as far as its health goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    pub run_id: u64,
    pub name: Option<String>,
    pub result: Option<String>,
    pub started_at: Option<Time>,
    pub finished_at: Option<Time>,
}

/// A commit that a pipeline ran on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    pub run_id: u64,
    pub commit: String,
    /// The first line, where it is known.
    pub message: Option<String>,
}

/// Where a page of runs begins: behind this one in their order. It need not be there any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunsBefore {
    pub run_id: u64,
    pub organization: String,
    pub pipeline: u64,
}

impl From<&Run> for RunsBefore {
    fn from(run: &Run) -> Self {
        Self { run_id: run.run_id, organization: run.organization.clone(), pipeline: run.pipeline.id }
    }
}

/// `480~7~fabrikam`, as an address has it.
impl fmt::Display for RunsBefore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{}~{}", self.run_id, self.pipeline, self.organization)
    }
}

impl RunsBefore {
    /// `None` where the text is no such place.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '~');
        let (run_id, pipeline) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { run_id, pipeline, organization: parts.next()?.to_owned() })
    }
}

impl Catalog {
    /// The newest runs, by their ids.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn recent(&self, top: u32) -> Result<Vec<Recent>, CatalogError> {
        let scope = self.scope.clone();
        let ask = format!(
            "{} WHERE r.id IN (SELECT value FROM json_each(?)) ORDER BY r.run DESC, r.organization, r.pipeline",
            question()
        );
        let read = move |c: &Connection| {
            let told = Defaults::read(c)?;
            collect(c, &ask, vec![newest(c, &scope, top)?], |row| recent(row, &told))
        };
        Ok(self.file.read(read).await?)
    }

    /// The stages of these runs, which the same catalog gave.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn stages_of(&self, runs: &[RunsBefore]) -> Result<Vec<Vec<Stage>>, CatalogError> {
        let runs = runs.to_vec();
        let ask = "SELECT s.name, s.attempt, s.state, s.result, s.started, s.finished FROM runs r \
                   JOIN stages s ON s.run = r.id WHERE r.run = ? AND r.organization = ? AND r.pipeline = ? \
                   ORDER BY s.started IS NULL, s.started, s.name, s.attempt";
        let read = move |c: &Connection| runs.iter().map(|run| collect(c, ask, place(run), stage)).collect();
        Ok(self.file.read(read).await?)
    }

    /// The last finished runs of each of these pipelines, the newest first. A pipeline is its organization and its id.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn last_finished(
        &self,
        pipelines: &[(String, u64)],
        top: u32,
    ) -> Result<Vec<Vec<Finished>>, CatalogError> {
        let (pipelines, scope) = (pipelines.to_vec(), self.scope.clone());
        let read = move |c: &Connection| {
            let of = |(organization, pipeline): &(String, u64)| {
                let mut wanted = Conditions::default();
                let values = [Value::Text(organization.clone()), Value::Integer(number(*pipeline))];
                wanted.add("r.organization = ? AND r.pipeline = ? AND r.state = 'completed'", values);
                wanted.add_scope(&scope, "r");
                let ask = format!(
                    "SELECT r.run, r.name, r.result, r.started, r.finished FROM runs r \
                     LEFT JOIN names project ON project.kind = 'project' AND project.organization = r.organization \
                       AND project.id = r.project_id{} ORDER BY r.run DESC LIMIT {top}",
                    wanted.text()
                );
                collect(c, &ask, wanted.values, finished)
            };
            pipelines.iter().map(of).collect()
        };
        Ok(self.file.read(read).await?)
    }

    /// The commits that a pipeline ran on after one of its runs, up to another, the newest first, each once. The newest
    /// 2,000 runs between them are looked at.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn passed(
        &self,
        (organization, pipeline): (&str, u64),
        after: u64,
        upto: u64,
        top: u32,
    ) -> Result<Vec<Passed>, CatalogError> {
        let mut wanted = Conditions::default();
        wanted.add("r.organization = ?", [Value::Text(organization.to_owned())]);
        wanted.add("r.pipeline = ?", [Value::Integer(number(pipeline))]);
        wanted.add("r.run > ? AND r.run <= ?", [Value::Integer(number(after)), Value::Integer(number(upto))]);
        wanted.add("r.commit_id IS NOT NULL", []);
        wanted.add_scope(&self.scope, "r");
        let ask = format!(
            "SELECT max(run), commit_id FROM (SELECT r.run, r.commit_id FROM runs r INDEXED BY runs_pipeline \
                LEFT JOIN names project ON project.kind = 'project' AND project.organization = r.organization \
                AND project.id = r.project_id{} ORDER BY r.run DESC LIMIT {MOST_PASSED}) \
             GROUP BY commit_id ORDER BY max(run) DESC LIMIT {top}",
            wanted.text()
        );
        let (scope, organization) = (self.scope.clone(), organization.to_owned());
        let read = move |connection: &Connection| {
            let seen = Seen { connection, scope: &scope };
            let runs = collect(connection, &ask, wanted.values, |row| Ok((row.get(0)?, row.get(1)?)))?;
            runs.into_iter().map(|(run_id, commit)| passed(&seen, &organization, run_id, commit)).collect()
        };
        Ok(self.file.read(read).await?)
    }

    /// The latest time at which anything happened that the newest runs tell of.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn newest(&self) -> Result<Option<Time>, CatalogError> {
        let scope = self.scope.clone();
        let read = move |c: &Connection| collect(c, NEWEST, vec![newest(c, &scope, TELLING)?], |row| time(row, 0));
        let found = self.file.read(read).await?;
        Ok(found.into_iter().flatten().next().filter(|time| *time > Time::UNKNOWN))
    }
}

/// The rows of the newest runs that a reader sees, on the shortest way to them: a small project's stand far apart.
pub(super) fn newest(connection: &Connection, scope: &Scope, top: u32) -> rusqlite::Result<Value> {
    let filter = RunFilter { top: Some(top), ..RunFilter::default() };
    let page = pages::page(connection, scope, &filter, pages::MOST_LOOKED_AT)?;
    Ok(list(page.rows))
}

fn number(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

pub(super) fn place(run: &RunsBefore) -> Vec<Value> {
    let organization = Value::Text(run.organization.clone());
    vec![Value::Integer(number(run.run_id)), organization, Value::Integer(number(run.pipeline))]
}

pub(super) fn recent(row: &Row<'_>, told: &Defaults) -> rusqlite::Result<Recent> {
    let (run, repository) = (run(row)?, row.get::<_, Option<String>>(19)?);
    let project: Option<String> = row.get(24)?;
    let told = told.of(&run.organization, project.as_deref(), repository.as_deref());
    Ok(Recent {
        on_default: is_default(run.branch.as_deref(), told),
        run,
        folder: row.get(18)?,
        repository,
        failed_in: row.get(20)?,
        error: row.get(21)?,
        signature: row.get(22)?,
        began: time(row, 23)?,
    })
}

fn stage(row: &Row<'_>) -> rusqlite::Result<Stage> {
    Ok(Stage {
        name: row.get(0)?,
        attempt: row.get(1)?,
        state: row.get(2)?,
        result: row.get(3)?,
        started_at: time(row, 4)?,
        finished_at: time(row, 5)?,
    })
}

fn finished(row: &Row<'_>) -> rusqlite::Result<Finished> {
    Ok(Finished {
        run_id: row.get(0)?,
        name: row.get(1)?,
        result: row.get(2)?,
        started_at: time(row, 3)?,
        finished_at: time(row, 4)?,
    })
}

/// What a commit says is a reader's only where a record of theirs tells of it.
fn passed(seen: &Seen<'_>, organization: &str, run_id: u64, commit: String) -> rusqlite::Result<Passed> {
    let source = seen.commit_source(organization, &commit)?;
    let ask = "SELECT message FROM commits WHERE source = ? AND id = ?";
    let message = match source {
        None => None,
        Some(source) => {
            let values = vec![Value::Text(source), Value::Text(commit.clone())];
            collect(seen.connection, ask, values, |row| row.get::<_, Option<String>>(0))?.into_iter().flatten().next()
        }
    };
    Ok(Passed { run_id, commit, message })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalog::Place;
    use crate::clock::SystemClock;
    use crate::domain::ProjectName;
    use crate::sqlite::{Durability, LocalFile, Missing};

    /// Two pipelines of two projects; every third run of the first failed, the last is live.
    async fn catalog() -> (tempfile::TempDir, Catalog) {
        let folder = tempfile::tempdir().unwrap();
        let file = LocalFile::open(&folder.path().join("a.db"), Missing::Create, Arc::new(SystemClock)).unwrap();
        let fill = |c: &Connection| {
            c.execute_batch(include_str!("schema.sql"))?;
            for at in 1..=30_i64 {
                let (pipeline, project) = if at % 5 == 0 { (8, "other") } else { (7, "shop") };
                let state = if at == 30 { "inProgress" } else { "completed" };
                let result = if at % 3 == 0 { "failed" } else { "succeeded" };
                let row = (at, pipeline, project, state, result, format!("c{}", at / 2), at * 10, at * 10 + 5);
                c.execute(
                    "INSERT INTO runs (id, run, organization, pipeline, project_name, state, result, commit_id, started, \
                       finished, requested_for) VALUES (?1, ?1, 'fabrikam', ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'Ada')",
                    row,
                )?;
                c.execute(
                    "INSERT INTO stages VALUES (?1, 'build', 1, 'completed', ?2, ?3, ?3)",
                    (at, result, at * 10),
                )?;
            }
            c.execute("INSERT INTO failures VALUES (27, 'test', NULL, NULL, 'out of memory', 'oom', NULL)", [])?;
            Ok::<(), rusqlite::Error>(())
        };
        file.write(Durability::Full, fill).await.unwrap();
        (folder, Catalog::local(file))
    }

    fn shop(catalog: &Catalog) -> Catalog {
        catalog.seen_by(Scope::Only(vec![ProjectName { organization: None, project: "shop".to_owned() }]))
    }

    #[tokio::test]
    async fn the_newest_runs_with_why_they_failed() {
        let (_folder, catalog) = catalog().await;
        let recent = catalog.recent(4).await.unwrap();
        let told: Vec<_> =
            recent.iter().map(|one| (one.run.run_id, one.failed_in.as_deref(), one.error.as_deref())).collect();
        assert_eq!(
            told,
            [(30, Some("build"), None), (29, None, None), (28, None, None), (27, Some("test"), Some("out of memory"))]
        );
        let cut: Vec<_> = shop(&catalog).recent(3).await.unwrap().iter().map(|one| one.run.run_id).collect();
        assert_eq!(cut, [29, 28, 27]);
    }

    #[tokio::test]
    async fn pages_of_runs_follow_each_other_without_a_hole() {
        let (_folder, catalog) = catalog().await;
        let of = |who: &str, after: Option<RunsBefore>| RunFilter {
            result: Some("failed".to_owned()),
            requested_for: Some(who.to_owned()),
            top: Some(4),
            after: after.map(Place::from),
            ..RunFilter::default()
        };
        let (mut all, mut before) = (Vec::new(), None);
        loop {
            let page = catalog.runs(&of("ada", before)).await.unwrap();
            let Some(last) = page.last() else { break };
            before = RunsBefore::read(&RunsBefore::from(last).to_string());
            all.extend(page.iter().map(|run| run.run_id));
        }
        assert_eq!(all, [30, 27, 24, 21, 18, 15, 12, 9, 6, 3]);
        assert_eq!(catalog.runs(&of("Bea", None)).await.unwrap(), []);
        assert_eq!(["", "7", "7~x~y", "7~8"].map(RunsBefore::read), [const { None }; 4]);
    }

    #[tokio::test]
    async fn what_a_pipeline_usually_does_and_what_it_ran_on() {
        let (_folder, catalog) = catalog().await;
        let last = catalog.last_finished(&[("fabrikam".to_owned(), 8), ("x".to_owned(), 8)], 2).await.unwrap();
        let ids: Vec<Vec<_>> = last.iter().map(|of| of.iter().map(|run| run.run_id).collect()).collect();
        assert_eq!(ids, [vec![25, 20], vec![]]);
        let passed = catalog.passed(("fabrikam", 7), 21, 28, 3).await.unwrap();
        let told: Vec<_> = passed.iter().map(|one| (one.run_id, one.commit.as_str())).collect();
        assert_eq!(told, [(28, "c14"), (27, "c13"), (24, "c12")]);
        let last = shop(&catalog).last_finished(&[("fabrikam".to_owned(), 8)], 2).await.unwrap();
        assert_eq!(last, [vec![]], "it is another project's");
        let run = RunsBefore { run_id: 27, organization: "fabrikam".to_owned(), pipeline: 7 };
        assert_eq!(catalog.stages_of(&[run]).await.unwrap()[0][0].name, "build");
    }

    #[tokio::test]
    async fn how_far_the_data_reach() {
        let (_folder, catalog) = catalog().await;
        assert_eq!(catalog.newest().await.unwrap(), Some(Time::from_ticks(305)));
        assert_eq!(shop(&catalog).newest().await.unwrap(), Some(Time::from_ticks(295)));
        assert_eq!(catalog.seen_by(Scope::Only(Vec::new())).newest().await.unwrap(), None);
    }
}
