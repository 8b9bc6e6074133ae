//! What is where: deployments to environments.
//!
//! A page costs what stands on it: [`super::deployed`] keeps the rows, each at its place, and a place is what is chosen by
//! names. Of the places the ones with the latest rows are looked at, and of those no more rows than fit on the page.

use std::collections::HashMap;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::owned::folder_of;
use super::query::{Conditions, collect, ordered, time};
use super::rows::{Deployment, DeploymentFilter, Environment, EnvironmentFilter, PipelineName};
use super::seen::Seen;
use super::{Catalog, CatalogError};
use crate::domain::{Scope, Time};

/// Places that are looked at with one question.
const MOST_AT_ONCE: usize = 1_000;

/// What comes to one environment from one pipeline follows on what came from it before.
fn current(place: &str) -> String {
    format!(
        "SELECT y.id FROM deployed y WHERE y.place = {place} AND y.result IN ('succeeded', 'partiallySucceeded') \
         ORDER BY y.done DESC, y.release DESC, y.run DESC, y.attempt DESC LIMIT 1"
    )
}

/// Which deployment is the latest of a place.
fn last(place: &str) -> String {
    format!(
        "SELECT y.id FROM deployed y WHERE y.place = {place} \
         ORDER BY y.at DESC, y.release DESC, y.run DESC, y.attempt DESC LIMIT 1"
    )
}

/// Every place, with the names of its environment and of the pipeline.
const PLACES: &str = "\
  SELECT p.id, p.organization, p.project_id, p.project_name, p.source, p.total, p.live, nullif(p.pipeline, -1) AS pipeline, \
    p.pipeline_name, CASE p.source WHEN 'pipeline' THEN p.environment END AS environment_id, \
    CASE p.source WHEN 'pipeline' THEN coalesce(e.name, CAST(p.environment AS TEXT)) ELSE p.name END AS environment \
  FROM places p LEFT JOIN names e ON e.kind = 'environment' AND e.organization = p.organization \
    AND e.id = p.project_id || '/' || p.environment \
  WHERE p.total > 0";

/// Every deployment, as this index has them.
fn deployed(index: &str) -> String {
    format!(
        "SELECT x.id, x.place, x.organization AS owner, p.organization, p.project_id, p.project_name, p.source, p.environment_id, p.environment, \
           p.pipeline, x.pipeline_name, x.run, x.run_name, x.release, x.release_name, x.stage, x.attempt, x.state, \
           x.result, x.started, x.finished, x.at, x.rule, \
           CASE WHEN x.rule IN ('deploymentRecord', 'release') THEN 'certain' ELSE 'likely' END AS certainty, \
           x.id = ({}) AS current \
         FROM deployed x {index} CROSS JOIN ({PLACES}) p ON p.id = x.place",
        current("x.place")
    )
}

/// With the names of today, and what is known of the run.
fn question(deployed: &str, wanted: &Conditions, order: &str) -> String {
    format!(
        "SELECT d.organization, coalesce(project.name, d.project_name, nullif(d.project_id, '')), d.environment_id, \
           d.environment, d.source, d.pipeline, \
           CASE d.source WHEN 'release' THEN d.pipeline_name ELSE coalesce(pipeline.name, d.pipeline_name) END, \
           d.run, coalesce(r.name, d.run_name), d.release, d.release_name, d.stage, d.attempt, d.state, d.result, \
           d.started, d.finished, r.branch, r.commit_id, r.repository, d.rule, d.certainty, d.current, \
           CASE d.source WHEN 'pipeline' THEN {} END, d.id \
         FROM ({deployed}) d \
         LEFT JOIN runs r ON r.run = d.run AND r.organization = d.organization \
           AND (d.source = 'release' OR d.pipeline IS NULL OR r.pipeline = d.pipeline) \
         LEFT JOIN names project ON project.kind = 'project' AND project.organization = d.organization \
           AND project.id = d.project_id \
         LEFT JOIN names pipeline ON pipeline.kind = 'pipeline' AND pipeline.organization = d.organization \
           AND pipeline.id = CAST(d.pipeline AS TEXT){} {order}",
        folder_of("d"),
        wanted.text()
    )
}

impl Catalog {
    /// Deployments, those that started last first.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn deployments(&self, filter: &DeploymentFilter) -> Result<Vec<Deployment>, CatalogError> {
        let (filter, scope) = (filter.clone(), self.scope.clone());
        let act = move |c: &Connection| {
            let seen = Seen { connection: c, scope: &scope };
            let mut wanted = Conditions::default();
            let index = narrow(seen, &filter, &mut wanted)?;
            wanted.add_after::<Deployment>(filter.after.as_ref());
            let top = filter.top.map_or(-1, i64::from);
            let order = format!("{} LIMIT {top}", ordered::<Deployment>());
            let found = collect(c, &question(&deployed(index), &wanted, &order), wanted.values, deployment)?;
            found.into_iter().map(|deployment| without_hidden_run(deployment, seen)).collect()
        };
        Ok(self.file.read(act).await?)
    }

    /// How many deployments the filter lets through, wherever its page begins.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn count_deployments(&self, filter: &DeploymentFilter) -> Result<u64, CatalogError> {
        let filter = DeploymentFilter { top: None, after: None, ..filter.clone() };
        let scope = self.scope.clone();
        let act = move |c: &Connection| {
            let mut wanted = Conditions::default();
            let index = narrow(Seen { connection: c, scope: &scope }, &filter, &mut wanted)?;
            let ask = format!("SELECT count(*) FROM ({})", question(&deployed(index), &wanted, ""));
            c.prepare_cached(&ask)?.query_row(params_from_iter(wanted.values), |row| row.get(0))
        };
        Ok(self.file.read(act).await?)
    }

    /// Environments, each with what came last and what is there.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn environments(&self, filter: &EnvironmentFilter) -> Result<Vec<Environment>, CatalogError> {
        let mut wanted = Conditions::default();
        add_place(&mut wanted, filter.organization.as_deref(), filter.project.as_deref());
        wanted.add_scope(&self.scope, "d");
        wanted.add_after::<Environment>(filter.after.as_ref());
        let ask = places("d.organization, d.id, d.total, d.live", &wanted, &ordered::<Environment>());
        let top = filter.top.and_then(|top| usize::try_from(top).ok()).unwrap_or(usize::MAX);
        let scope = self.scope.clone();
        let act = move |c: &Connection| {
            let seen = Seen { connection: c, scope: &scope };
            let mut environments: Vec<Environment> = Vec::new();
            let all = collect(c, &ask, wanted.values, |row| Ok((row.get(1)?, row.get(2)?, row.get(3)?)))?;
            // As many as would fill the page if each were an environment of its own.
            for some in all.chunks(top.clamp(1, MOST_AT_ONCE)) {
                let ids: Vec<i64> = some.iter().map(|(place, _, _)| *place).collect();
                for ((_, total, live), there) in some.iter().zip(there(seen, &ids)?) {
                    let Some((last, current)) = there else { continue };
                    let same = environments.last().is_some_and(|known| known.is_of(&last));
                    if !same && environments.len() == top {
                        environments.iter_mut().for_each(Environment::sort);
                        return Ok(environments);
                    }
                    if !same {
                        environments.push(Environment::of(&last));
                    }
                    let Some(environment) = environments.last_mut() else { continue };
                    environment.add(*total, *live, last, current);
                }
            }
            environments.iter_mut().for_each(Environment::sort);
            Ok(environments)
        };
        Ok(self.file.read(act).await?)
    }
}

/// What the newest stages brought to each environment of an organization, from each pipeline so many; or what those of one
/// run did.
pub(super) fn by_pipelines(
    connection: &Connection,
    scope: &Scope,
    organization: &str,
    run: Option<u64>,
    most: u32,
) -> rusqlite::Result<Vec<Deployment>> {
    let owner = || Value::Text(organization.to_owned());
    let ask = |mut wanted: Conditions, index, most| {
        wanted.add_scope(scope, "d");
        let ask = question(&deployed(index), &wanted, &format!("ORDER BY d.at DESC, d.run DESC LIMIT {most}"));
        collect(connection, &ask, wanted.values, deployment)
    };
    if let Some(run) = run {
        let mut wanted = Conditions::default();
        let run = Value::Integer(i64::try_from(run).unwrap_or(-1));
        wanted.add("d.owner = ? AND d.run = ? AND d.source = 'pipeline'", [owner(), run]);
        return ask(wanted, "INDEXED BY deployed_run", most);
    }
    let mut there = Conditions::default();
    there.add("d.organization = ? AND d.source = 'pipeline'", [owner()]);
    there.add_scope(scope, "d");
    let all: Vec<i64> = collect(connection, &places("d.id", &there, ""), there.values, |row| row.get(0))?;
    let mut found = Vec::new();
    for place in all {
        let mut wanted = Conditions::default();
        wanted.add("d.place = ?", [Value::Integer(place)]);
        found.extend(ask(wanted, "INDEXED BY deployed_last", most)?);
    }
    Ok(found)
}

/// What the stages of a run deployed to, and the releases that brought it somewhere, the first first.
pub(super) fn of_run(
    connection: &Connection,
    scope: &Scope,
    organization: &str,
    run: i64,
) -> rusqlite::Result<Vec<Deployment>> {
    let mut wanted = Conditions::default();
    wanted.add_scope(scope, "d");
    wanted.add("d.owner = ?", [Value::Text(organization.to_owned())]);
    wanted.add("d.run = ?", [Value::Integer(run)]);
    let deployed = deployed("INDEXED BY deployed_run");
    let ask =
        question(&deployed, &wanted, "ORDER BY coalesce(d.started, d.finished), d.environment, d.stage, d.attempt");
    collect(connection, &ask, wanted.values, deployment)
}

/// The environments that stages of a run came to, where no record says so: project, name, and the rule that tells.
pub(super) fn by_stages(
    connection: &Connection,
    organization: &str,
    run: u64,
) -> rusqlite::Result<Vec<(String, String, String)>> {
    let ask = format!(
        "SELECT DISTINCT coalesce(project_name, project_id), environment, rule FROM ({}) \
         WHERE owner = ? AND run = ? AND certainty = 'likely' \
           AND result IN ('succeeded', 'partiallySucceeded') ORDER BY 1, 2, 3",
        deployed("INDEXED BY deployed_run")
    );
    let mut ask = connection.prepare_cached(&ask)?;
    ask.query_map((organization, run), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
}

/// Places that fulfil this, with the names of today.
fn places(columns: &str, wanted: &Conditions, order: &str) -> String {
    format!(
        "SELECT {columns} FROM ({PLACES}) d \
         LEFT JOIN names project ON project.kind = 'project' AND project.organization = d.organization \
           AND project.id = d.project_id \
         LEFT JOIN names pipeline ON pipeline.kind = 'pipeline' AND pipeline.organization = d.organization \
           AND pipeline.id = CAST(d.pipeline AS TEXT){} {order}",
        wanted.text()
    )
}

/// What a deployment has to fulfil; the index that leads to those.
fn narrow(seen: Seen<'_>, filter: &DeploymentFilter, wanted: &mut Conditions) -> rusqlite::Result<&'static str> {
    let mut there = places_wanted(filter);
    there.add_scope(seen.scope, "d");
    if let Some(since) = filter.since {
        wanted.add("coalesce(d.started, d.finished) >= ?", [Value::Integer(since.ticks())]);
    }
    if let Some(until) = filter.until {
        wanted.add("coalesce(d.started, d.finished) < ?", [Value::Integer(until.ticks())]);
    }
    if filter.current {
        let ask = places(&format!("({})", current("d.id")), &there, "");
        let ids: Vec<Option<i64>> = collect(seen.connection, &ask, there.values, |row| row.get(0))?;
        wanted.add("d.id IN (SELECT value FROM json_each(?))", [list(ids.into_iter().flatten())]);
        return Ok("");
    }
    let span = Span::of(filter);
    if there.is_empty() {
        let from = span.from(seen.connection, None)?.pop().unwrap_or(i64::MIN);
        wanted.add("d.at BETWEEN ? AND ?", [Value::Integer(from), Value::Integer(span.upto)]);
        return Ok("INDEXED BY deployed_at");
    }
    let places = span.places(seen.connection, there)?;
    let mut times = Vec::new();
    for place in &places {
        times.extend(span.from(seen.connection, Some(*place))?);
    }
    times.sort_unstable_by(|one, other| other.cmp(one));
    let passed = times.iter().filter(|at| **at == span.upto).count();
    let from = span.most.and_then(|most| times.get(most + passed)).copied().unwrap_or(i64::MIN);
    let values = [list(places), Value::Integer(from), Value::Integer(span.upto)];
    wanted.add("d.place IN (SELECT value FROM json_each(?)) AND d.at BETWEEN ? AND ?", values);
    Ok("INDEXED BY deployed_last")
}

fn list(ids: impl IntoIterator<Item = i64>) -> Value {
    Value::Text(serde_json::json!(ids.into_iter().collect::<Vec<_>>()).to_string())
}

/// How many deployments stand on a page, and the latest time that one may have.
#[derive(Debug, Clone, Copy)]
struct Span {
    most: Option<usize>,
    upto: i64,
}

impl Span {
    fn of(filter: &DeploymentFilter) -> Self {
        let after = filter.after.as_ref().and_then(|place| place.values().next());
        let behind = match after {
            Some(Value::Integer(back)) => back.saturating_neg(),
            _ => i64::MAX,
        };
        let upto = filter.until.map_or(behind, |until| behind.min(until.ticks() - 1));
        Self { most: filter.top.and_then(|top| usize::try_from(top).ok()), upto }
    }

    /// Those of the places whose latest deployments may stand on the page.
    fn places(self, connection: &Connection, there: Conditions) -> rusqlite::Result<Vec<i64>> {
        let latest = "(SELECT max(y.at) FROM deployed y WHERE y.place = d.id AND y.at <= ?)";
        let ask = places(&format!("d.id, {latest}"), &there, "ORDER BY 2 DESC");
        let values = [Value::Integer(self.upto)].into_iter().chain(there.values).collect();
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?));
        let all: Vec<(i64, Option<i64>)> = collect(connection, &ask, values, read)?;
        let least = self.most.and_then(|most| all.get(most)).and_then(|(_, latest)| *latest);
        Ok(all.into_iter().filter(|(_, latest)| latest.is_some() && *latest >= least).map(|(place, _)| place).collect())
    }

    /// The times of the latest deployments, of one place or of all: as many as stand on the page, and those with the time
    /// of the last one before it.
    fn from(self, connection: &Connection, place: Option<i64>) -> rusqlite::Result<Vec<i64>> {
        let Some(most) = self.most else { return Ok(Vec::new()) };
        let (index, of) = if place.is_some() { ("deployed_last", "place = ?1") } else { ("deployed_at", "?1 IS NULL") };
        let ask = format!(
            "SELECT at FROM deployed INDEXED BY {index} WHERE {of} AND at <= ?2 ORDER BY at DESC \
             LIMIT ?3 + (SELECT count(*) FROM deployed INDEXED BY {index} WHERE {of} AND at = ?2)"
        );
        let values = vec![place.into(), self.upto.into(), i64::try_from(most).unwrap_or(i64::MAX).into()];
        collect(connection, &ask, values, |row| row.get(0))
    }
}

/// The latest deployment of a place, and the one that is there now.
type There = (Deployment, Option<Deployment>);

/// The latest deployment of each of these places, and the one that is there now. Two questions for all of them: a thousand
/// places would cost two thousand.
fn there(seen: Seen<'_>, places: &[i64]) -> rusqlite::Result<Vec<Option<There>>> {
    let ask = format!("SELECT ({}), ({}) FROM json_each(?) p ORDER BY p.key", last("p.value"), current("p.value"));
    let which =
        collect(seen.connection, &ask, vec![list(places.iter().copied())], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let ids = which.iter().flat_map(|(last, current): &(Option<i64>, Option<i64>)| [*last, *current]).flatten();
    let mut wanted = Conditions::default();
    wanted.add("d.id IN (SELECT value FROM json_each(?))", [list(ids)]);
    let ask = question(&deployed(""), &wanted, "");
    let found = collect(seen.connection, &ask, wanted.values, |row| Ok((row.get(24)?, deployment(row)?)))?;
    let found: HashMap<i64, Deployment> = found
        .into_iter()
        .map(|(id, found)| Ok((id, without_hidden_run(found, seen)?)))
        .collect::<rusqlite::Result<_>>()?;
    let of = |id: Option<i64>| id.and_then(|id| found.get(&id).cloned());
    Ok(which.into_iter().map(|(last, current)| Some((of(last)?, of(current)))).collect())
}

fn places_wanted(filter: &DeploymentFilter) -> Conditions {
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
    wanted
}

pub(super) fn add_place(wanted: &mut Conditions, organization: Option<&str>, project: Option<&str>) {
    wanted.add_text("d.organization = ?", organization.map(str::to_lowercase));
    if let Some(project) = project {
        let clause = "(d.project_id = ? COLLATE NOCASE OR coalesce(project.name, d.project_name) = ? COLLATE NOCASE)";
        wanted.add(clause, [Value::Text(project.to_owned()), Value::Text(project.to_owned())]);
    }
}

pub(super) fn pipeline(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<PipelineName>> {
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
        folder: row.get(23)?,
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

impl Environment {
    fn of(deployment: &Deployment) -> Self {
        Self {
            organization: deployment.organization.clone(),
            project: deployment.project.clone(),
            id: deployment.environment_id,
            name: deployment.environment.clone(),
            source: deployment.source.clone(),
            definition: deployment.pipeline.clone().filter(|_| deployment.source == "release"),
            deployments: 0,
            live: 0,
            last: None,
            current: Vec::new(),
            latest: Vec::new(),
        }
    }

    /// One more place in it.
    fn add(&mut self, total: u64, live: u64, last: Deployment, current: Option<Deployment>) {
        self.deployments += total;
        self.live += live;
        self.current.extend(current);
        self.latest.push(last.clone());
        if self.last.as_ref().is_none_or(|known| age(known) < age(&last)) {
            self.last = Some(last);
        }
    }

    /// What started last comes first.
    fn sort(&mut self) {
        self.current.sort_by_key(|deployment| std::cmp::Reverse(age(deployment)));
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

/// The greater, the later.
fn age(deployment: &Deployment) -> (Option<Time>, Option<u64>, Option<u64>, u32) {
    let Deployment { started_at, finished_at, release_id, run_id, attempt, .. } = deployment;
    (started_at.or(*finished_at), *release_id, *run_id, *attempt)
}
