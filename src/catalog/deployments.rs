//! What is where: deployments to environments.
//!
//! A page costs what stands on it: [`super::deployed`] keeps the rows, each at its place, and a place is what is chosen by
//! names. Of the places the ones with the latest rows are looked at, and of those no more rows than fit on the page.

use std::collections::HashMap;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::owned::folder_of;
use super::query::{Conditions, collect, list, ordered, time};
use super::rows::{Deployment, DeploymentFilter, Environment, EnvironmentFilter, PipelineName};
use super::seen::Seen;
use super::{Catalog, CatalogError};
use crate::domain::{Scope, Time};

/// Places that are looked at with one question.
const MOST_AT_ONCE: usize = 1_000;
/// More than anybody has, and few enough for hostile data.
const MOST_NAMES: usize = 10_000;
/// The newest so many of a place are looked at for the chains, and of all places together.
const MOST_OF_A_PLACE: usize = 500;
const MOST_TOGETHER: usize = 5_000;

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

    /// What environments are called, each name once; no more than 10,000 of them.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn environment_names(&self) -> Result<Vec<String>, CatalogError> {
        let mut there = Conditions::default();
        there.add_scope(&self.scope, "d");
        let ask = places("DISTINCT d.environment", &there, &format!("ORDER BY 1 LIMIT {MOST_NAMES}"));
        Ok(self.file.read(move |c| collect(c, &ask, there.values, |row| row.get(0))).await?)
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
            let ask = format!("SELECT count(*) FROM deployed d {index}{}", wanted.text());
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
        if let Some(names) = &filter.names {
            wanted.add("d.environment IN (SELECT value FROM json_each(?))", [list(names)]);
        }
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

/// What stages of one run brought to environments, the latest first.
pub(super) fn by_run(
    connection: &Connection,
    scope: &Scope,
    organization: &str,
    run: u64,
) -> rusqlite::Result<Vec<Deployment>> {
    let mut wanted = of(organization, run);
    wanted.add("d.source = 'pipeline'", []);
    of_one_run(connection, scope, wanted, LATEST_FIRST)
}

/// What the newest stages brought to the environments of an organization. Of those that are wanted by their names as much
/// as there may be; the others share as much again among them. A question for each would be a thousand questions.
pub(super) fn by_pipelines(
    connection: &Connection,
    scope: &Scope,
    organization: &str,
    wanted: impl Fn(&str) -> bool,
) -> rusqlite::Result<Vec<Deployment>> {
    let mut there = Conditions::default();
    there.add("d.organization = ? AND d.source = 'pipeline'", [Value::Text(organization.to_owned())]);
    there.add_scope(scope, "d");
    let latest = "(SELECT max(y.at) FROM deployed y WHERE y.place = d.id)";
    let ask = places(&format!("d.id, d.environment, {latest}"), &there, "ORDER BY 3 DESC");
    let place = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
    let all = collect(connection, &ask, there.values, place)?;
    let (wanted, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, environment)| wanted(environment));
    let mut ids = newest(connection, &wanted)?;
    ids.extend(newest(connection, &others)?);
    let mut these = Conditions::default();
    these.add("d.id IN (SELECT value FROM json_each(?))", [list(ids)]);
    collect(connection, &question(&deployed(""), &these, LATEST_FIRST), these.values, deployment)
}

const LATEST_FIRST: &str = "ORDER BY d.at DESC, d.run DESC";

/// Which are the newest deployments of these places, of each the same share.
fn newest(connection: &Connection, places: &[(i64, String)]) -> rusqlite::Result<Vec<i64>> {
    let share = (MOST_TOGETHER / places.len().max(1)).clamp(1, MOST_OF_A_PLACE);
    let share = Value::Integer(i64::try_from(share).unwrap_or(1));
    let places = list(places.iter().take(MOST_TOGETHER).map(|(place, _)| *place));
    collect(connection, NEWEST, vec![places, share], |row| row.get(0))
}

const NEWEST: &str = "SELECT y.id FROM json_each(?1) p CROSS JOIN deployed y ON y.id IN ( \
                        SELECT z.id FROM deployed z INDEXED BY deployed_last WHERE z.place = p.value \
                        ORDER BY z.at DESC, z.release DESC, z.run DESC, z.attempt DESC LIMIT ?2)";

/// What the stages of a run deployed to, and the releases that brought it somewhere, the first first.
pub(super) fn of_run(
    connection: &Connection,
    scope: &Scope,
    organization: &str,
    run: u64,
) -> rusqlite::Result<Vec<Deployment>> {
    let order = "ORDER BY coalesce(d.started, d.finished), d.environment, d.stage, d.attempt";
    of_one_run(connection, scope, of(organization, run), order)
}

fn of(organization: &str, run: u64) -> Conditions {
    let mut wanted = Conditions::default();
    let values = [Value::Text(organization.to_owned()), Value::Integer(i64::try_from(run).unwrap_or(-1))];
    wanted.add("d.owner = ? AND d.run = ?", values);
    wanted
}

fn of_one_run(
    connection: &Connection,
    scope: &Scope,
    mut wanted: Conditions,
    order: &str,
) -> rusqlite::Result<Vec<Deployment>> {
    wanted.add_scope(scope, "d");
    let ask = question(&deployed("INDEXED BY deployed_run"), &wanted, order);
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
    let mut found: HashMap<i64, Deployment> = found
        .into_iter()
        .map(|(id, found)| Ok((id, without_hidden_run(found, seen)?)))
        .collect::<rusqlite::Result<_>>()?;
    let of = |(last, current): (Option<i64>, Option<i64>)| {
        let latest = found.remove(&last?)?;
        let current = if current == last { Some(latest.clone()) } else { current.and_then(|id| found.remove(&id)) };
        Some((latest, current))
    };
    Ok(which.into_iter().map(of).collect())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ProjectName;

    /// So many places, each of an environment of its own, with as many deployments.
    fn filled(places: u64, deployments: u64) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("schema.sql")).unwrap();
        let fill = format!(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT {places}) \
             INSERT INTO places (id, organization, project_id, source, environment, name, pipeline) \
             SELECT n, 'fabrikam', 'p', 'pipeline', n, '', n FROM n; \
             WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n LIMIT {all}) \
             INSERT INTO deployed (place, organization, run, stage, attempt, state, result, started, rule) \
             SELECT 1 + n % {places}, 'fabrikam', n, 'deploy', 1, 'completed', 'succeeded', n, 'deploymentRecord' FROM n; \
             INSERT INTO names (kind, organization, id, name, said) \
             SELECT 'environment', organization, project_id || '/' || id, 'ring ' || id, 0 FROM places",
            all = places * deployments,
        );
        connection.execute_batch(&fill).unwrap();
        connection
    }

    fn brought(connection: &Connection, ring: &str) -> Vec<Deployment> {
        by_pipelines(connection, &Scope::All, "fabrikam", |name| name == ring).unwrap()
    }

    /// A page of the chains costs no more, however many environments there are.
    #[test]
    fn places_share_what_is_looked_at() {
        for (places, deployments, ring, expected) in
            [(4, 600, "", 4 * 500), (1_000, 6, "", 5_000), (1_000, 6, "ring 7", 5_000 - 5 + 6), (6_000, 1, "", 5_000)]
        {
            let connection = filled(places, deployments);
            let found = brought(&connection, ring);
            assert!(found.is_sorted_by(|one, other| one.started_at >= other.started_at));
            assert!(found.len() <= expected, "{places} places: {}", found.len());
            assert!(found.len() + 5 >= expected, "{places} places: {}", found.len());
            assert_eq!(found[0].run_id, Some(places * deployments - 1), "the newest first");
            let of_ring = found.iter().filter(|one| one.environment == ring).count() as u64;
            assert_eq!(of_ring, if ring.is_empty() { 0 } else { deployments }, "what is asked for is there whole");
        }
    }

    #[test]
    fn what_came_to_the_places_of_others_is_not_there() {
        let connection = filled(3, 3);
        for (project, expected) in [("p", (9, 1)), ("q", (0, 0))] {
            let scope = Scope::Only(vec![ProjectName { organization: None, project: project.to_owned() }]);
            let all = by_pipelines(&connection, &scope, "fabrikam", |_| true).unwrap().len();
            assert_eq!((all, by_run(&connection, &scope, "fabrikam", 4).unwrap().len()), expected, "{project}");
        }
    }

    #[test]
    fn nothing_is_scanned_for_the_newest_of_places() {
        let connection = filled(3, 3);
        let mut these = Conditions::default();
        these.add("d.id IN (SELECT value FROM json_each(?))", [list([1_i64])]);
        let whole = question(&deployed(""), &these, LATEST_FIRST);
        for (ask, values) in [(NEWEST, vec![list([1_i64]), Value::Integer(1)]), (whole.as_str(), these.values)] {
            let plan: Vec<String> =
                collect(&connection, &format!("EXPLAIN QUERY PLAN {ask}"), values, |row| row.get(3)).unwrap();
            let scans = plan.iter().filter(|step| step.starts_with("SCAN") && !step.contains("VIRTUAL TABLE"));
            assert_eq!(scans.count(), 0, "{plan:#?}");
        }
    }
}
