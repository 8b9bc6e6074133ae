//! Runs and stages by the thousand, for whoever counts them: one at a time, and never all at once in memory.

use rusqlite::{Row, params_from_iter};

use super::query::Conditions;
use super::rows::RunFilter;
use super::{Catalog, CatalogError};
use crate::domain::Time;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampled {
    Runs,
    /// Attempts of stages, with what is known of their runs.
    Stages,
}

/// One of them. Texts are the row's own, and last as long as it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample<'r> {
    pub organization: &'r str,
    pub run_id: u64,
    pub pipeline: u64,
    pub pipeline_name: Option<&'r str>,
    pub folder: Option<&'r str>,
    pub project: Option<&'r str>,
    pub repository: Option<&'r str>,
    pub branch: Option<&'r str>,
    pub commit: Option<&'r str>,
    pub reason: Option<&'r str>,
    pub requested_for: Option<&'r str>,
    /// Of agents.
    pub pool: Option<&'r str>,
    /// Why the run failed, without numbers and paths.
    pub signature: Option<&'r str>,
    /// Null for a run.
    pub stage: Option<&'r str>,
    pub state: Option<&'r str>,
    pub result: Option<&'r str>,
    /// Null for a stage, of which nobody tells it.
    pub queued_at: Option<Time>,
    pub started_at: Option<Time>,
    pub finished_at: Option<Time>,
    /// By which it belongs to a time: of its run when that was queued, else started, else finished.
    pub at: Option<Time>,
    pub url: Option<&'r str>,
}

const COLUMNS: &str = "r.organization, r.run, r.pipeline, pipeline.name, r.folder, \
    coalesce(project.name, r.project_name, r.project_id), r.repository, r.branch, r.commit_id, r.reason, r.requested_for, \
    f.signature, coalesce(r.queued, r.started, r.finished), r.url, r.pool";

const FROM: &str = "LEFT JOIN failures f ON f.run = r.id \
    LEFT JOIN names project ON project.kind = 'project' AND project.organization = r.organization AND project.id = r.project_id \
    LEFT JOIN names pipeline ON pipeline.kind = 'pipeline' AND pipeline.organization = r.organization AND pipeline.id = CAST(r.pipeline AS TEXT)";

impl Sampled {
    fn question(self) -> String {
        match self {
            Self::Runs => {
                format!("SELECT {COLUMNS}, NULL, r.state, r.result, r.queued, r.started, r.finished FROM runs r {FROM}")
            }
            Self::Stages => format!(
                "SELECT {COLUMNS}, s.name, s.state, s.result, NULL, s.started, s.finished \
                 FROM runs r JOIN stages s ON s.run = r.id {FROM}"
            ),
        }
    }
}

impl Catalog {
    /// Shows each of what the filter lets through to `step`, in no order, and answers what came of it.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn fold<A: Send + 'static>(
        &self,
        sampled: Sampled,
        filter: &RunFilter,
        mut all: A,
        step: impl Fn(&mut A, &Sample<'_>) + Send + 'static,
    ) -> Result<A, CatalogError> {
        let mut wanted = Conditions::of(filter);
        wanted.add_scope(&self.scope, "r");
        let ask = format!("{}{}", sampled.question(), wanted.text());
        Ok(self
            .file
            .read(move |c| {
                let mut question = c.prepare_cached(&ask)?;
                let mut rows = question.query(params_from_iter(wanted.values))?;
                while let Some(row) = rows.next()? {
                    step(&mut all, &sample(row)?);
                }
                Ok::<A, rusqlite::Error>(all)
            })
            .await?)
    }

    /// How many runs the filter lets through, wherever its page begins.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn count_runs(&self, filter: &RunFilter) -> Result<u64, CatalogError> {
        let mut wanted = Conditions::of(&RunFilter { after: None, ..filter.clone() });
        wanted.add_scope(&self.scope, "r");
        let ask = format!("SELECT count(*) FROM runs r {FROM}{}", wanted.text());
        Ok(self
            .file
            .read(move |c| c.prepare_cached(&ask)?.query_row(params_from_iter(wanted.values), |row| row.get(0)))
            .await?)
    }
}

fn sample<'r>(row: &'r Row<'_>) -> rusqlite::Result<Sample<'r>> {
    let text = |column: usize| -> rusqlite::Result<Option<&'r str>> { Ok(row.get_ref(column)?.as_str_or_null()?) };
    let time = |column: usize| -> rusqlite::Result<Option<Time>> {
        Ok(row.get_ref(column)?.as_i64_or_null()?.map(Time::from_ticks))
    };
    Ok(Sample {
        organization: row.get_ref(0)?.as_str()?,
        run_id: row.get(1)?,
        pipeline: row.get(2)?,
        pipeline_name: text(3)?,
        folder: text(4)?,
        project: text(5)?,
        repository: text(6)?,
        branch: text(7)?,
        commit: text(8)?,
        reason: text(9)?,
        requested_for: text(10)?,
        signature: text(11)?,
        at: time(12)?,
        url: text(13)?,
        pool: text(14)?,
        stage: text(15)?,
        state: text(16)?,
        result: text(17)?,
        queued_at: time(18)?,
        started_at: time(19)?,
        finished_at: time(20)?,
    })
}
