//! What is where: deployments to environments, and approvals.
//!
//! Four sources, told apart by their rule. A deployment record names run and stage: certain. A stage of a run without
//! a record, of a pipeline whose stage of that name has made records: likely, since the service keeps records late. A stage
//! of a pipeline that never made a record, which is called as an environment of the project, alone or behind `deploy_`:
//! likely, since only jobs of the kind `deployment:` make records. And an environment of a classic release, which belongs to
//! the release itself: certain.
//!
//! Nothing here is stored as a link: it is joined when it is asked for, so the order of arrival does not matter.

use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use super::query::{Conditions, collect, ordered, time};
use super::rows::{
    ApprovalFilter, Deployment, DeploymentFilter, Environment, EnvironmentFilter, GivenApproval, PipelineName,
};
use super::seen::Seen;
use super::{Catalog, CatalogError};
use crate::domain::Scope;

/// Every deployment. A release brings the run of its primary artifact, or of the first that has one.
///
/// Names of stages are compared in this order, and with environments that are kept apart by a `DISTINCT`: in any other one
/// `SQLite` looks at each stage once for each environment, 50 times as slow where there are 50.
const DEPLOYED: &str = "\
  SELECT d.organization, d.project_id, d.project_name, d.environment AS environment_id, \
    coalesce(e.name, CAST(d.environment AS TEXT)) AS environment, 'pipeline' AS source, d.pipeline, d.pipeline_name, \
    d.run, d.run_name, NULL AS release, NULL AS release_name, d.stage, d.attempt, d.state, d.result, d.started, \
    d.finished, 'deploymentRecord' AS rule, 'certain' AS certainty \
  FROM deployments d \
  LEFT JOIN names e ON e.kind = 'environment' AND e.organization = d.organization \
    AND e.id = d.project_id || '/' || d.environment \
  UNION ALL \
  SELECT r.organization, k.project_id, r.project_name, k.environment, \
    coalesce(e.name, CAST(k.environment AS TEXT)), 'pipeline', r.pipeline, NULL, r.run, r.name, NULL, NULL, s.name, \
    s.attempt, s.state, s.result, s.started, s.finished, 'stageOfRecords', 'likely' \
  FROM (SELECT DISTINCT organization, project_id, environment, pipeline, stage FROM deployments) k \
  JOIN runs r ON r.organization = k.organization AND r.pipeline = k.pipeline \
  JOIN stages s ON s.run = r.id AND s.name = k.stage \
  LEFT JOIN names e ON e.kind = 'environment' AND e.organization = k.organization \
    AND e.id = k.project_id || '/' || k.environment \
  WHERE s.started IS NOT NULL AND s.result IS NOT 'skipped' \
    AND NOT EXISTS (SELECT 1 FROM deployments d WHERE d.organization = k.organization AND d.project_id = k.project_id \
      AND d.environment = k.environment AND d.run = r.run AND d.stage = s.name AND d.attempt = s.attempt) \
  UNION ALL \
  SELECT r.organization, e.project_id, r.project_name, e.environment, e.name, 'pipeline', r.pipeline, NULL, r.run, \
    r.name, NULL, NULL, s.name, s.attempt, s.state, s.result, s.started, s.finished, 'stageName', 'likely' \
  FROM runs r CROSS JOIN stages s ON s.run = r.id \
  CROSS JOIN (SELECT DISTINCT organization, name, substr(id, 1, instr(id, '/') - 1) AS project_id, \
      CAST(substr(id, instr(id, '/') + 1) AS INTEGER) AS environment, \
      replace(replace(replace(lower(name), '-', '_'), '.', '_'), ' ', '_') AS called \
    FROM names WHERE kind = 'environment') e ON e.organization = r.organization AND e.project_id = r.project_id \
    AND e.called = CASE WHEN lower(s.name) GLOB 'deploy[_]?*' THEN substr(lower(s.name), 8) ELSE lower(s.name) END \
  WHERE s.started IS NOT NULL AND s.result IS NOT 'skipped' \
    AND (r.organization, r.pipeline) NOT IN (SELECT organization, pipeline FROM deployments WHERE pipeline IS NOT NULL) \
  UNION ALL \
  SELECT c.organization, c.project_id, c.project_name, NULL, s.name, 'release', c.definition, c.definition_name, \
    (SELECT a.run FROM release_artifacts a WHERE a.release = c.id AND a.run IS NOT NULL \
       ORDER BY a.prime DESC, a.alias LIMIT 1), \
    NULL, c.release, c.name, s.name, s.attempt, s.state, s.result, s.started, s.finished, 'release', 'certain' \
  FROM releases c JOIN release_stages s ON s.release = c.id \
  WHERE s.started IS NOT NULL OR s.finished IS NOT NULL";

/// What comes to one environment from one pipeline follows on what came from it before.
const CURRENT: &str = "x.result IN ('succeeded', 'partiallySucceeded') AND row_number() OVER (\
    PARTITION BY x.organization, x.project_id, x.source, x.environment_id, x.environment, x.pipeline, \
      x.result IN ('succeeded', 'partiallySucceeded') \
    ORDER BY coalesce(x.finished, x.started) DESC, x.release DESC, x.run DESC, x.attempt DESC) = 1";

/// Which deployment is the latest of its environment.
const LATEST: &str = "row_number() OVER (\
    PARTITION BY x.organization, x.project_id, x.source, x.environment_id, x.environment, \
      CASE x.source WHEN 'release' THEN x.pipeline END \
    ORDER BY coalesce(x.started, x.finished) DESC, x.release DESC, x.run DESC, x.attempt DESC)";

/// All deployments, each with what it is among the others of its environment.
fn ranked() -> String {
    format!(
        "SELECT x.*, {CURRENT} AS current, {LATEST} AS nth, \
           count(*) OVER environment AS total, sum(x.state IS NOT 'completed') OVER environment AS live \
         FROM ({DEPLOYED}) x \
         WINDOW environment AS (PARTITION BY x.organization, x.project_id, x.source, x.environment_id, \
           x.environment, CASE x.source WHEN 'release' THEN x.pipeline END)"
    )
}

/// With the names of today, and what is known of the run.
fn question(deployed: &str, wanted: &Conditions, order: &str) -> String {
    format!(
        "SELECT d.organization, coalesce(project.name, d.project_name, nullif(d.project_id, '')), d.environment_id, \
           d.environment, d.source, d.pipeline, \
           CASE d.source WHEN 'release' THEN d.pipeline_name ELSE coalesce(pipeline.name, d.pipeline_name) END, \
           d.run, coalesce(r.name, d.run_name), d.release, d.release_name, d.stage, d.attempt, d.state, d.result, \
           d.started, d.finished, r.branch, r.commit_id, r.repository, d.rule, d.certainty, d.current, d.nth, d.total, \
           d.live \
         FROM ({deployed}) d \
         LEFT JOIN runs r ON r.run = d.run AND r.organization = d.organization \
           AND (d.source = 'release' OR d.pipeline IS NULL OR r.pipeline = d.pipeline) \
         LEFT JOIN names project ON project.kind = 'project' AND project.organization = d.organization \
           AND project.id = d.project_id \
         LEFT JOIN names pipeline ON pipeline.kind = 'pipeline' AND pipeline.organization = d.organization \
           AND pipeline.id = CAST(d.pipeline AS TEXT){} {order}",
        wanted.text()
    )
}

impl Catalog {
    /// Deployments, those that started last first.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn deployments(&self, filter: &DeploymentFilter) -> Result<Vec<Deployment>, CatalogError> {
        let mut wanted = deployments_wanted(filter);
        wanted.add_scope(&self.scope, "d");
        let top = filter.top.map_or(-1, i64::from);
        wanted.add_after::<Deployment>(filter.after.as_ref());
        let order = format!("{} LIMIT {top}", ordered::<Deployment>());
        let ask = question(&ranked(), &wanted, &order);
        let scope = self.scope.clone();
        let act = move |c: &Connection| {
            let seen = Seen { connection: c, scope: &scope };
            let found = collect(c, &ask, wanted.values, deployment)?;
            found.into_iter().map(|deployment| without_hidden_run(deployment, seen)).collect()
        };
        Ok(self.file.read(act).await?)
    }

    /// Environments, each with what came last and what is there.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn environments(&self, filter: &EnvironmentFilter) -> Result<Vec<Environment>, CatalogError> {
        let mut wanted = Conditions::default();
        wanted.add("(d.nth = 1 OR d.current)", []);
        add_place(&mut wanted, filter.organization.as_deref(), filter.project.as_deref());
        wanted.add_scope(&self.scope, "d");
        wanted.add_after::<Environment>(filter.after.as_ref());
        let ask = question(&ranked(), &wanted, &format!("{}, d.nth", ordered::<Environment>()));
        let row = |row: &Row<'_>| Ok((deployment(row)?, row.get(23)?, row.get(24)?, row.get(25)?));
        let scope = self.scope.clone();
        let act = move |c: &Connection| {
            let seen = Seen { connection: c, scope: &scope };
            let cut = |(deployment, nth, total, live)| Ok((without_hidden_run(deployment, seen)?, nth, total, live));
            collect(c, &ask, wanted.values, row)?.into_iter().map(cut).collect()
        };
        let rows = self.file.read(act).await?;
        let mut environments = environments(rows);
        environments.truncate(filter.top.and_then(|top| usize::try_from(top).ok()).unwrap_or(usize::MAX));
        Ok(environments)
    }

    /// Approvals of runs and of releases, those that were asked for last first.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn approvals(&self, filter: &ApprovalFilter) -> Result<Vec<GivenApproval>, CatalogError> {
        let mut wanted = Conditions::default();
        add_place(&mut wanted, filter.organization.as_deref(), filter.project.as_deref());
        wanted.add_scope(&self.scope, "d");
        wanted.add_text("d.status = ? COLLATE NOCASE", filter.status.clone());
        if let Some(since) = filter.since {
            wanted.add("coalesce(d.decided, d.requested) >= ?", [Value::Integer(since.ticks())]);
        }
        wanted.add_after::<GivenApproval>(filter.after.as_ref());
        let top = filter.top.map_or(-1, i64::from);
        let ask = format!("{APPROVALS}{}{} LIMIT {top}", wanted.text(), ordered::<GivenApproval>());
        Ok(self.file.read(move |c| collect(c, &ask, wanted.values, approval)).await?)
    }
}

/// What the stages of a run deployed to, and the releases that brought it somewhere, the first first. Which of them are
/// there still is not asked for.
pub(super) fn of_run(
    connection: &Connection,
    scope: &Scope,
    organization: &str,
    run: i64,
) -> rusqlite::Result<Vec<Deployment>> {
    let mut wanted = Conditions::default();
    wanted.add_scope(scope, "d");
    wanted.add("d.organization = ?", [Value::Text(organization.to_owned())]);
    wanted.add("d.run = ?", [Value::Integer(run)]);
    let unranked = format!("SELECT x.*, 0 AS current, 0 AS nth, 0 AS total, 0 AS live FROM ({DEPLOYED}) x");
    let ask =
        question(&unranked, &wanted, "ORDER BY coalesce(d.started, d.finished), d.environment, d.stage, d.attempt");
    collect(connection, &ask, wanted.values, deployment)
}

/// The environments that stages of a run came to, where no record says so: project, name, and the rule that tells.
pub(super) fn by_stages(
    connection: &Connection,
    organization: &str,
    run: u64,
) -> rusqlite::Result<Vec<(String, String, String)>> {
    let ask = format!(
        "SELECT DISTINCT coalesce(project_name, project_id), environment, rule FROM ({DEPLOYED}) \
         WHERE organization = ? AND run = ? AND certainty = 'likely' \
           AND result IN ('succeeded', 'partiallySucceeded') ORDER BY 1, 2, 3"
    );
    let mut ask = connection.prepare_cached(&ask)?;
    ask.query_map((organization, run), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
}

const APPROVALS: &str = "\
  SELECT d.organization, coalesce(project.name, d.project_name, nullif(d.project_id, '')), d.source, d.pipeline, \
    CASE d.source WHEN 'release' THEN d.pipeline_name ELSE pipeline.name END, d.run, d.run_name, d.release, \
    d.release_name, d.id, d.status, d.phase, d.stage, d.stage_attempt, d.requested, d.decided, d.approvers \
  FROM (SELECT r.organization, r.project_id, r.project_name, 'pipeline' AS source, r.pipeline, NULL AS pipeline_name, \
      r.run, r.name AS run_name, NULL AS release, NULL AS release_name, a.id, a.status, NULL AS phase, a.stage, \
      a.stage_attempt, a.requested, a.decided, a.approvers \
    FROM approvals a JOIN runs r ON r.id = a.run \
    UNION ALL \
    SELECT c.organization, c.project_id, c.project_name, 'release', c.definition, c.definition_name, NULL, NULL, \
      c.release, c.name, a.id, a.status, a.phase, a.stage, a.stage_attempt, a.requested, a.decided, a.approvers \
    FROM release_approvals a JOIN releases c ON c.id = a.release) d \
  LEFT JOIN names project ON project.kind = 'project' AND project.organization = d.organization \
    AND project.id = d.project_id \
  LEFT JOIN names pipeline ON pipeline.kind = 'pipeline' AND pipeline.organization = d.organization \
    AND pipeline.id = CAST(d.pipeline AS TEXT)";

fn deployments_wanted(filter: &DeploymentFilter) -> Conditions {
    let mut wanted = Conditions::default();
    add_place(&mut wanted, filter.organization.as_deref(), filter.project.as_deref());
    if let Some(environment) = &filter.environment {
        let clause = "(d.environment = ? COLLATE NOCASE OR CAST(d.environment_id AS TEXT) = ?)";
        wanted.add(clause, [Value::Text(environment.clone()), Value::Text(environment.clone())]);
    }
    if let Some(pipeline) = &filter.pipeline {
        let clause = "(CAST(d.pipeline AS TEXT) = ? OR \
                      CASE d.source WHEN 'release' THEN d.pipeline_name \
                        ELSE coalesce(pipeline.name, d.pipeline_name) END = ? COLLATE NOCASE)";
        wanted.add(clause, [Value::Text(pipeline.clone()), Value::Text(pipeline.clone())]);
    }
    if let Some(since) = filter.since {
        wanted.add("coalesce(d.started, d.finished) >= ?", [Value::Integer(since.ticks())]);
    }
    if let Some(until) = filter.until {
        wanted.add("coalesce(d.started, d.finished) < ?", [Value::Integer(until.ticks())]);
    }
    if filter.current {
        wanted.add("d.current", []);
    }
    wanted
}

fn add_place(wanted: &mut Conditions, organization: Option<&str>, project: Option<&str>) {
    wanted.add_text("d.organization = ?", organization.map(str::to_lowercase));
    if let Some(project) = project {
        let clause = "(d.project_id = ? COLLATE NOCASE OR coalesce(project.name, d.project_name) = ? COLLATE NOCASE)";
        wanted.add(clause, [Value::Text(project.to_owned()), Value::Text(project.to_owned())]);
    }
}

fn pipeline(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<PipelineName>> {
    let id: Option<u64> = row.get(column)?;
    let name = row.get(column + 1)?;
    Ok(id.map(|id| PipelineName { id, name }))
}

fn deployment(row: &Row<'_>) -> rusqlite::Result<Deployment> {
    Ok(Deployment {
        organization: row.get(0)?,
        project: row.get(1)?,
        environment_id: row.get(2)?,
        environment: row.get(3)?,
        source: row.get(4)?,
        pipeline: pipeline(row, 5)?,
        run_id: row.get(7)?,
        run_name: row.get(8)?,
        release_id: row.get(9)?,
        release_name: row.get(10)?,
        stage: row.get(11)?,
        attempt: row.get(12)?,
        state: row.get(13)?,
        result: row.get(14)?,
        started_at: time(row, 15)?,
        finished_at: time(row, 16)?,
        branch: row.get(17)?,
        commit: row.get(18)?,
        repository: row.get(19)?,
        rule: row.get(20)?,
        certainty: row.get(21)?,
        current: row.get::<_, Option<bool>>(22)?.unwrap_or_default(),
    })
}

/// A release may bring the run of another project: of that one nothing is shown.
fn without_hidden_run(deployment: Deployment, seen: Seen<'_>) -> rusqlite::Result<Deployment> {
    let hidden = deployment.run_id.map(|run| seen.hides_run(&deployment.organization, run)).transpose()?;
    if hidden != Some(true) {
        return Ok(deployment);
    }
    let run_id = deployment.run_id.filter(|_| deployment.source != "release");
    Ok(Deployment { run_id, run_name: None, branch: None, commit: None, repository: None, ..deployment })
}

fn approval(row: &Row<'_>) -> rusqlite::Result<GivenApproval> {
    Ok(GivenApproval {
        organization: row.get(0)?,
        project: row.get(1)?,
        source: row.get(2)?,
        pipeline: pipeline(row, 3)?,
        run_id: row.get(5)?,
        run_name: row.get(6)?,
        release_id: row.get(7)?,
        release_name: row.get(8)?,
        id: row.get(9)?,
        status: row.get(10)?,
        phase: row.get(11)?,
        stage: row.get(12)?,
        attempt: row.get(13)?,
        requested_at: time(row, 14)?,
        decided_at: time(row, 15)?,
        approvers: serde_json::from_str(row.get_ref(16)?.as_str()?).unwrap_or_default(),
    })
}

/// The rows of one environment follow each other.
fn environments(rows: Vec<(Deployment, u64, u64, u64)>) -> Vec<Environment> {
    let mut environments: Vec<Environment> = Vec::new();
    for (deployment, nth, total, live) in rows {
        let same = |known: &Environment| known.is_of(&deployment);
        if !environments.last().is_some_and(same) {
            environments.push(Environment::of(&deployment, total, live));
        }
        let Some(environment) = environments.last_mut() else { continue };
        if nth == 1 {
            environment.last = Some(deployment.clone());
        }
        if deployment.current {
            environment.current.push(deployment);
        }
    }
    environments
}

impl Environment {
    fn of(deployment: &Deployment, deployments: u64, live: u64) -> Self {
        Self {
            organization: deployment.organization.clone(),
            project: deployment.project.clone(),
            id: deployment.environment_id,
            name: deployment.environment.clone(),
            source: deployment.source.clone(),
            definition: deployment.pipeline.clone().filter(|_| deployment.source == "release"),
            deployments,
            live,
            last: None,
            current: Vec::new(),
        }
    }

    fn is_of(&self, deployment: &Deployment) -> bool {
        let definition = deployment.pipeline.as_ref().filter(|_| deployment.source == "release");
        let id = |name: &PipelineName| name.id;
        (&self.organization, &self.project, self.id, &self.name, &self.source)
            == (
                &deployment.organization,
                &deployment.project,
                deployment.environment_id,
                &deployment.environment,
                &deployment.source,
            )
            && self.definition.as_ref().map(id) == definition.map(id)
    }
}
