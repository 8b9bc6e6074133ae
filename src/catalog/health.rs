use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use super::query::{Conditions, collect, time};
use super::rows::{Health, Pipeline, RunResult};
use super::{Catalog, CatalogError};
use crate::domain::Scope;

/// So many runs tell how a pipeline does.
const LATEST: u32 = 20;

impl Catalog {
    /// How these pipelines do, in their order.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn health(&self, pipelines: &[Pipeline]) -> Result<Vec<Health>, CatalogError> {
        let of: Vec<_> = pipelines.iter().map(|pipeline| (pipeline.organization.clone(), pipeline.id)).collect();
        let scope = self.scope.clone();
        let act = move |c: &Connection| {
            of.into_iter().map(|(organization, id)| Ok(amounts_to(latest(c, &scope, organization, id)?))).collect()
        };
        Ok(self.file.read(act).await?)
    }
}

fn latest(
    connection: &Connection,
    scope: &Scope,
    organization: String,
    pipeline: u64,
) -> rusqlite::Result<Vec<RunResult>> {
    let mut wanted = Conditions::default();
    let pipeline = Value::Integer(i64::try_from(pipeline).unwrap_or(-1));
    let clause = "r.organization = ? AND r.pipeline = ? AND r.state = 'completed'";
    wanted.add(clause, [Value::Text(organization), pipeline]);
    wanted.add_scope(scope, "r");
    let ask = format!(
        "SELECT r.run, r.result, r.branch, r.started, r.finished FROM runs r \
         LEFT JOIN names project ON project.kind = 'project' AND project.organization = r.organization \
           AND project.id = r.project_id{} ORDER BY r.run DESC LIMIT {LATEST}",
        wanted.text()
    );
    collect(connection, &ask, wanted.values, result)
}

fn result(row: &Row<'_>) -> rusqlite::Result<RunResult> {
    Ok(RunResult {
        run_id: row.get(0)?,
        result: row.get(1)?,
        branch: row.get(2)?,
        started_at: time(row, 3)?,
        finished_at: time(row, 4)?,
    })
}

/// Wholly or in part.
#[must_use]
pub fn went_well(result: Option<&str>) -> bool {
    matches!(result, Some("succeeded" | "partiallySucceeded"))
}

fn amounts_to(results: Vec<RunResult>) -> Health {
    let is_good = |run: &&RunResult| went_well(run.result.as_deref());
    let taken = |run: &RunResult| Some(run.finished_at?.since(run.started_at?).as_secs());
    let mut seconds: Vec<u64> = results.iter().filter(is_good).filter_map(taken).collect();
    seconds.sort_unstable();
    Health {
        succeeded: results.iter().filter(is_good).map(|_| 1).sum(),
        failed: results.iter().filter(|run| run.result.as_deref() == Some("failed")).map(|_| 1).sum(),
        median_seconds: seconds.get(seconds.len().saturating_sub(1) / 2).copied(),
        results,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Time;

    fn run(result: Option<&str>, seconds: Option<i64>) -> RunResult {
        let at = |seconds: i64| Time::from_ticks(seconds * 10_000_000);
        RunResult {
            run_id: 1,
            result: result.map(str::to_owned),
            branch: None,
            started_at: Some(at(1_000)),
            finished_at: seconds.map(|seconds| at(1_000 + seconds)),
        }
    }

    #[test]
    fn what_failed_says_nothing_of_how_long_it_takes() {
        let good = |seconds| run(Some("succeeded"), Some(seconds));
        let health = |runs: Vec<RunResult>| {
            let Health { succeeded, failed, median_seconds, .. } = amounts_to(runs);
            (succeeded, failed, median_seconds)
        };
        assert_eq!(health(Vec::new()), (0, 0, None));
        let mixed = vec![good(30), run(Some("failed"), Some(1)), good(10), run(None, Some(2)), good(20)];
        assert_eq!(health(mixed), (3, 1, Some(20)));
        assert_eq!(health(vec![good(10), good(20), run(Some("partiallySucceeded"), None)]), (3, 0, Some(10)));
    }
}
