//! From rows to answers.

use std::borrow::Cow;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter};
use serde::Serialize;

use super::links::{Linked, Walk};
use super::listing::{Listing, LookedTo};
use super::place::{Place, Placed};
use super::rows::{
    Approval, Failure, Job, LastRun, Link, LinkKind, Pipeline, PipelineFilter, PipelineName, Run, RunDetail, RunFilter,
    Stage,
};
use super::{Catalog, CatalogError, deployments, pages};
use crate::domain::link::{Node, Rule};
use crate::domain::{BranchPattern, RunKey, Scope, Time};

pub(super) const RUNS: &str = "SELECT r.id, r.organization, coalesce(project.name, r.project_name, r.project_id), r.pipeline, pipeline.name, r.run, \
                      r.name, r.state, r.result, r.reason, r.branch, r.commit_id, r.repository, r.requested_for, r.queued, \
                      r.started, r.finished, r.url, r.folder \
                    FROM runs r \
                    LEFT JOIN names project ON project.kind = 'project' AND project.organization = r.organization AND project.id = r.project_id \
                    LEFT JOIN names pipeline ON pipeline.kind = 'pipeline' AND pipeline.organization = r.organization AND pipeline.id = CAST(r.pipeline AS TEXT)";

/// For each pipeline its last run, and not for each run its pipeline, as a page of them would be read.
const PIPELINES: &str = "\
  SELECT g.organization, coalesce(project.name, r.project_name, r.project_id), g.pipeline, pipeline.name, g.runs, \
    g.live, r.run, r.name, r.state, r.result, r.branch, r.queued, r.finished, g.folder, g.repository \
  FROM (SELECT p.organization, p.pipeline, p.runs, p.folder, p.repository, coalesce(l.live, 0) AS live, \
      (SELECT max(b.run) FROM runs b WHERE b.organization = p.organization AND b.pipeline = p.pipeline) AS last \
    FROM pipelines p LEFT JOIN (SELECT organization, pipeline, count(*) AS live FROM runs INDEXED BY runs_live \
      WHERE state IS NOT 'completed' GROUP BY organization, pipeline) l \
      ON l.organization = p.organization AND l.pipeline = p.pipeline) g \
  CROSS JOIN runs r ON r.organization = g.organization AND r.pipeline = g.pipeline AND r.run = g.last \
  LEFT JOIN names project ON project.kind = 'project' AND project.organization = g.organization \
    AND project.id = r.project_id \
  LEFT JOIN names pipeline ON pipeline.kind = 'pipeline' AND pipeline.organization = g.organization \
    AND pipeline.id = CAST(g.pipeline AS TEXT)";

fn pipelines(wanted: &Conditions, top: i64) -> String {
    format!("{PIPELINES}{}{} LIMIT {top}", wanted.text(), ordered::<Pipeline>())
}

impl Catalog {
    /// The pages of these runs in Azure DevOps, each by organization and id; `None` where none is known. It is not looked
    /// whether the caller may see them: they were found before.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub(crate) async fn urls_of(&self, runs: Vec<(String, u64)>) -> Result<Vec<Option<String>>, CatalogError> {
        let read = move |c: &Connection| {
            let mut of = c.prepare_cached("SELECT url FROM runs WHERE run = ?1 AND organization = ?2 LIMIT 1")?;
            let url = |(organization, run)| {
                let run = i64::try_from(run).unwrap_or(i64::MAX);
                Ok(of.query_row((run, organization), |row| row.get(0)).optional()?.flatten())
            };
            runs.into_iter().map(url).collect()
        };
        Ok(self.file.read(read).await?)
    }

    /// Runs, newest first: by run id descending, then organization. No more of them than are found at one look: see
    /// [`Listing::looked_to`].
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn page_of_runs(&self, filter: &RunFilter) -> Result<Listing<Run>, CatalogError> {
        let (filter, scope) = (filter.clone(), self.scope.clone());
        let read = move |c: &Connection| {
            let page = pages::page(c, &scope, &filter, pages::MOST_LOOKED_AT)?;
            let looked_to = page.end.map(|end| looked_to(c, &scope, end)).transpose()?;
            let items = page.rows.into_iter().map(|id| whole(c, id)).collect::<rusqlite::Result<_>>()?;
            Ok(Listing { items, next: page.next, looked_to })
        };
        Ok(self.file.read(read).await?)
    }

    /// The same, however far has to be looked for as many as were asked for: for who can wait.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, CatalogError> {
        self.runs_telling(filter, |_| {}).await
    }

    /// The same, telling how far it is where that takes several looks.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn runs_telling(
        &self,
        filter: &RunFilter,
        mut looking: impl FnMut(LookedTo),
    ) -> Result<Vec<Run>, CatalogError> {
        let (mut filter, mut found) = (filter.clone(), Vec::new());
        loop {
            let page = self.page_of_runs(&filter).await?;
            let count = u32::try_from(page.items.len()).unwrap_or(u32::MAX);
            found.extend(page.items);
            let Some((looked_to, next)) = page.looked_to.zip(page.next) else { return Ok(found) };
            looking(looked_to);
            filter = RunFilter { top: filter.top.map(|top| top.saturating_sub(count)), after: Some(next), ..filter };
        }
    }

    /// The runs with this id: several when several organizations have one.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn run(
        &self,
        run_id: u64,
        organization: Option<&str>,
        patterns: &[BranchPattern],
    ) -> Result<Vec<RunDetail>, CatalogError> {
        let patterns = patterns.to_vec();
        let mut wanted = Conditions::default();
        wanted.add("r.run = ?", [Value::Integer(i64::try_from(run_id).unwrap_or(-1))]);
        wanted.add_text("r.organization = ?", organization.map(str::to_lowercase));
        wanted.add_scope(&self.scope, "r");
        let scope = self.scope.clone();
        Ok(self
            .file
            .read(move |c| {
                let ask = format!("{RUNS}{} ORDER BY r.organization, r.pipeline", wanted.text());
                let found = collect(c, &ask, wanted.values, |row| Ok((row.get(0)?, run(row)?, row.get(18)?)))?;
                found.into_iter().map(|(id, run, folder)| detail(c, id, (run, folder), (&patterns, &scope))).collect()
            })
            .await?)
    }

    /// Pipelines by organization and name.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn pipelines(
        &self,
        organization: Option<&str>,
        project: Option<&str>,
    ) -> Result<Vec<Pipeline>, CatalogError> {
        let (organization, project) = (organization.map(str::to_owned), project.map(str::to_owned));
        self.pipelines_of(&PipelineFilter { organization, project, ..PipelineFilter::default() }).await
    }

    /// The same, page by page.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn pipelines_of(&self, filter: &PipelineFilter) -> Result<Vec<Pipeline>, CatalogError> {
        let mut wanted = Conditions::default();
        wanted.add_text("g.organization = ?", filter.organization.as_deref().map(str::to_lowercase));
        wanted.add_project(filter.project.as_deref());
        if let Some(id) = filter.id {
            wanted.add("g.pipeline = ?", [Value::Integer(i64::try_from(id).unwrap_or(-1))]);
        }
        wanted.add_scope(&self.scope, "r");
        wanted.add_after::<Pipeline>(filter.after.as_ref());
        let top = filter.top.map_or(-1, i64::from);
        let ask = pipelines(&wanted, top);
        Ok(self.file.read(move |c| collect(c, &ask, wanted.values, pipeline)).await?)
    }
}

/// The `WHERE` of a question, with its values.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    clauses: Vec<Cow<'static, str>>,
    pub(super) values: Vec<Value>,
}

impl Conditions {
    /// As one plain question, which looks at every run: for who counts them, and for tests. Pages have [`super::pages`].
    pub(super) fn of(filter: &RunFilter) -> Self {
        let mut wanted = Self::default();
        wanted.add_text("r.organization = ?", filter.organization.as_ref().map(|name| name.to_lowercase()));
        wanted.add_project(filter.project.as_deref());
        if let Some(pipeline) = &filter.pipeline {
            let id = pipeline.parse().map_or(Value::Null, Value::Integer);
            wanted.add("(r.pipeline = ? OR pipeline.name = ? COLLATE NOCASE)", [id, Value::Text(pipeline.clone())]);
        }
        if let Some(branch) = &filter.branch {
            wanted
                .add("r.branch IN (?, 'refs/heads/' || ?)", [Value::Text(branch.clone()), Value::Text(branch.clone())]);
        }
        wanted.add_text("r.state = ? COLLATE NOCASE", filter.state.clone());
        wanted.add_text("r.result = ? COLLATE NOCASE", filter.result.clone());
        if let Some(commit) = &filter.commit {
            let (from, to) = (commit.to_lowercase(), format!("{}\u{10ffff}", commit.to_lowercase()));
            wanted.add("r.commit_id >= ? AND r.commit_id < ?", [Value::Text(from), Value::Text(to)]);
        }
        if let Some(since) = filter.since {
            wanted.add("coalesce(r.queued, r.started, r.finished) >= ?", [Value::Integer(since.ticks())]);
        }
        if let Some(until) = filter.until {
            wanted.add("coalesce(r.queued, r.started, r.finished) < ?", [Value::Integer(until.ticks())]);
        }
        wanted.add_text("r.requested_for = ? COLLATE NOCASE", filter.requested_for.clone());
        wanted.add_text("r.pool = ? COLLATE NOCASE", filter.pool.clone());
        wanted.add_pipelines(filter);
        wanted.add_text("r.id IN (SELECT run FROM failures WHERE signature = ?)", filter.signature.clone());
        if let Some(only) = &filter.only {
            let clause = "(r.run, r.organization) IN (SELECT value ->> 1, value ->> 0 FROM json_each(?))";
            wanted.add(clause, [list(only)]);
        }
        wanted.add_runs_after(filter);
        wanted
    }

    pub(super) fn add(&mut self, clause: impl Into<Cow<'static, str>>, values: impl IntoIterator<Item = Value>) {
        self.clauses.push(clause.into());
        self.values.extend(values);
    }

    pub(super) fn add_text(&mut self, clause: &'static str, value: Option<String>) {
        if let Some(value) = value {
            self.add(clause, [Value::Text(value)]);
        }
    }

    /// A project by its name or its id, which the service compares without regard to case.
    pub(super) fn add_project(&mut self, project: Option<&str>) {
        if let Some(project) = project {
            let clause =
                "(r.project_id = ? COLLATE NOCASE OR coalesce(project.name, r.project_name) = ? COLLATE NOCASE)";
            self.add(clause, [Value::Text(project.to_owned()), Value::Text(project.to_owned())]);
        }
    }

    /// One of these pipelines, of which there may be more than a question has values.
    pub(super) fn add_pipelines(&mut self, filter: &RunFilter) {
        if let Some(pipelines) = &filter.pipelines {
            let any = pipelines.iter().map(|(organization, id)| format!("{organization}/{id}"));
            let any = serde_json::Value::from(any.collect::<Vec<_>>()).to_string();
            let clause = "r.organization || '/' || r.pipeline IN (SELECT value FROM json_each(?))";
            self.add(clause, [Value::Text(any)]);
        }
    }

    /// Only what is of these projects. `of` is the alias of the rows, and `project` that of the names of today.
    pub(super) fn add_scope(&mut self, scope: &Scope, of: &str) {
        let Scope::Only(projects) = scope else { return };
        let any = projects.iter().map(|name| {
            let project = Value::Text(name.project.clone());
            self.values.extend([project.clone(), project]);
            let organization = name.organization.clone().map_or("", |organization| {
                self.values.push(Value::Text(organization));
                " AND {of}.organization = ?"
            });
            format!(
                "(({of}.project_id = ? COLLATE NOCASE \
                OR coalesce(project.name, {of}.project_name) = ? COLLATE NOCASE){})",
                organization.replace("{of}", of)
            )
        });
        let any: Vec<_> = any.collect();
        // Who may see no project sees nothing.
        let any = if any.is_empty() { "FALSE".to_owned() } else { any.join(" OR ") };
        self.clauses.push(Cow::Owned(format!("({any})")));
    }

    /// Only what follows this item in the order of its list.
    pub(super) fn add_after<T: Placed>(&mut self, after: Option<&Place>) {
        let Some(after) = after else { return };
        let marks = vec!["?"; T::ORDER.len()].join(", ");
        self.clauses.push(Cow::Owned(format!("({}) > ({marks})", T::ORDER.join(", "))));
        self.values.extend(after.values());
    }

    /// The same for runs, whose newest come first.
    pub(super) fn add_runs_after(&mut self, filter: &RunFilter) {
        let Some(after) = &filter.after else { return };
        if filter.oldest_first {
            return self.add_after::<Run>(Some(after));
        }
        // The first condition is what an index can be asked.
        let clause = "r.run <= ? AND (r.run < ? OR (r.organization, r.pipeline) > (?, ?))";
        self.clauses.push(Cow::Borrowed(clause));
        self.values.extend(after.values().take(1));
        self.values.extend(after.values());
    }

    /// What fits one of these, each of them the values of `clause`.
    pub(super) fn add_any(&mut self, clause: &'static str, any: &[Vec<Value>]) {
        let each = vec![format!("({clause})"); any.len()];
        self.clauses.push(Cow::Owned(if each.is_empty() { "FALSE".to_owned() } else { each.join(" OR ") }));
        self.values.extend(any.iter().flatten().cloned());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.clauses.is_empty()
    }

    /// All of them as one condition.
    pub(super) fn all(&self) -> String {
        if self.is_empty() { "TRUE".to_owned() } else { format!("({})", self.clauses.join(") AND (")) }
    }

    pub(super) fn text(&self) -> String {
        if self.is_empty() { String::new() } else { format!(" WHERE {}", self.clauses.join(" AND ")) }
    }
}

/// In the order that its items have.
pub(super) fn ordered<T: Placed>() -> String {
    format!(" ORDER BY {}", T::ORDER.join(", "))
}

pub(super) fn collect<T>(
    connection: &Connection,
    ask: &str,
    values: Vec<Value>,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(ask)?.query_map(params_from_iter(values), read)?.collect()
}

/// Many values as one, for `json_each`: a question for all of them.
pub(super) fn list<T: Serialize>(values: impl IntoIterator<Item = T>) -> Value {
    Value::Text(serde_json::json!(values.into_iter().collect::<Vec<_>>()).to_string())
}

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Time>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Time::from_ticks))
}

pub(super) fn run(row: &Row<'_>) -> rusqlite::Result<Run> {
    Ok(Run {
        organization: row.get(1)?,
        project: row.get(2)?,
        pipeline: PipelineName { id: row.get(3)?, name: row.get(4)? },
        run_id: row.get(5)?,
        name: row.get(6)?,
        state: row.get(7)?,
        result: row.get(8)?,
        reason: row.get(9)?,
        branch: row.get(10)?,
        commit: row.get(11)?,
        repository: row.get(12)?,
        requested_for: row.get(13)?,
        queued_at: time(row, 14)?,
        started_at: time(row, 15)?,
        finished_at: time(row, 16)?,
        url: row.get(17)?,
        stages: Vec::new(),
    })
}

/// Of runs that the reader may not see nothing is told.
fn looked_to(connection: &Connection, scope: &Scope, end: i64) -> rusqlite::Result<LookedTo> {
    let mut wanted = Conditions::default();
    wanted.add("r.run = ?", [Value::Integer(end)]);
    wanted.add_scope(scope, "r");
    let ask = format!(
        "SELECT max(coalesce(r.queued, r.started, r.finished)) FROM runs r LEFT JOIN names project ON \
           project.kind = 'project' AND project.organization = r.organization AND project.id = r.project_id{}",
        wanted.text()
    );
    let at = collect(connection, &ask, wanted.values, |row| time(row, 0))?.into_iter().flatten().next();
    Ok(LookedTo { run_id: u64::try_from(end).ok(), at })
}

/// The run of this row.
fn whole(connection: &Connection, id: i64) -> rusqlite::Result<Run> {
    let run = connection.prepare_cached(&format!("{RUNS} WHERE r.id = ?"))?.query_row([id], run)?;
    with_stages(connection, id, run)
}

/// The run with this key, if it may be shown.
pub(super) fn run_of(connection: &Connection, scope: &Scope, key: &RunKey) -> rusqlite::Result<Option<Run>> {
    let number = |number: u64| Value::Integer(i64::try_from(number).unwrap_or(-1));
    let mut wanted = Conditions::default();
    let values = [number(key.run), Value::Text(key.organization.clone()), number(key.pipeline)];
    wanted.add("r.run = ? AND r.organization = ? AND r.pipeline = ?", values);
    wanted.add_scope(scope, "r");
    let ask = format!("{RUNS}{}", wanted.text());
    let found = collect(connection, &ask, wanted.values, |row| Ok((row.get(0)?, run(row)?)))?;
    found.into_iter().next().map(|(id, run)| with_stages(connection, id, run)).transpose()
}

pub(super) fn with_stages(connection: &Connection, id: i64, run: Run) -> rusqlite::Result<Run> {
    let ask = "SELECT name, attempt, state, result, started, finished FROM stages WHERE run = ? \
               ORDER BY started IS NULL, started, name, attempt";
    let stages = collect(connection, ask, vec![Value::Integer(id)], |row| {
        Ok(Stage {
            name: row.get(0)?,
            attempt: row.get(1)?,
            state: row.get(2)?,
            result: row.get(3)?,
            started_at: time(row, 4)?,
            finished_at: time(row, 5)?,
        })
    })?;
    Ok(Run { stages, ..run })
}

fn detail(
    connection: &Connection,
    id: i64,
    (run, folder): (Run, Option<String>),
    (patterns, scope): (&[BranchPattern], &Scope),
) -> rusqlite::Result<RunDetail> {
    let walk = Walk { connection, organization: &run.organization, patterns, scope };
    let Linked { links, truncated: links_truncated } = walk.links(&Node::Run(run.run_id))?;
    let triggers = |direction| {
        let next = move |link: &&Link| link.direction == direction && link.steps == 1 && is_trigger(link.rule);
        links.iter().filter(next).cloned().collect::<Vec<_>>()
    };
    Ok(RunDetail {
        deployments: deployments::of_run(connection, scope, &run.organization, run.run_id)?,
        triggered_by: triggers(LinkKind::Before),
        triggered: triggers(LinkKind::After),
        links,
        links_truncated,
        folder,
        owner: None,
        run: with_stages(connection, id, run)?,
        jobs: jobs(connection, id)?,
        approvals: approvals(connection, id)?,
        failure: failure(connection, id)?,
    })
}

fn is_trigger(rule: &str) -> bool {
    Rule::of(rule).is_some_and(Rule::is_trigger)
}

fn failure(connection: &Connection, id: i64) -> rusqlite::Result<Option<Failure>> {
    let ask = "SELECT stage, job, task, message, signature, log FROM failures WHERE run = ?";
    let found = collect(connection, ask, vec![Value::Integer(id)], |row| {
        Ok(Failure {
            stage: row.get(0)?,
            job: row.get(1)?,
            task: row.get(2)?,
            message: row.get(3)?,
            signature: row.get(4)?,
            log: row.get(5)?,
        })
    })?;
    Ok(found.into_iter().next())
}

fn jobs(connection: &Connection, id: i64) -> rusqlite::Result<Vec<Job>> {
    let ask = "SELECT stage, stage_attempt, name, attempt, state, result, started, finished FROM jobs WHERE run = ? ORDER BY position";
    collect(connection, ask, vec![Value::Integer(id)], |row| {
        Ok(Job {
            stage: row.get(0)?,
            stage_attempt: row.get(1)?,
            name: row.get(2)?,
            attempt: row.get(3)?,
            state: row.get(4)?,
            result: row.get(5)?,
            started_at: time(row, 6)?,
            finished_at: time(row, 7)?,
        })
    })
}

fn approvals(connection: &Connection, id: i64) -> rusqlite::Result<Vec<Approval>> {
    let ask = "SELECT id, status, stage, stage_attempt, requested, decided, approvers FROM approvals WHERE run = ? ORDER BY requested, id";
    collect(connection, ask, vec![Value::Integer(id)], |row| {
        Ok(Approval {
            id: row.get(0)?,
            status: row.get(1)?,
            stage: row.get(2)?,
            stage_attempt: row.get(3)?,
            requested_at: time(row, 4)?,
            decided_at: time(row, 5)?,
            approvers: serde_json::from_str(row.get_ref(6)?.as_str()?).unwrap_or_default(),
        })
    })
}

fn pipeline(row: &Row<'_>) -> rusqlite::Result<Pipeline> {
    Ok(Pipeline {
        organization: row.get(0)?,
        project: row.get(1)?,
        id: row.get(2)?,
        name: row.get(3)?,
        runs: row.get(4)?,
        live: row.get(5)?,
        last_run: LastRun {
            run_id: row.get(6)?,
            name: row.get(7)?,
            state: row.get(8)?,
            result: row.get(9)?,
            branch: row.get(10)?,
            queued_at: time(row, 11)?,
            finished_at: time(row, 12)?,
        },
        folder: row.get(13)?,
        repository: row.get(14)?,
        owner: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What most of the latest 100 runs built that said one, and where the latest stood that said so, as one question.
    const PLAIN: &str = "SELECT p.pipeline, p.repository, (SELECT repository FROM (SELECT r.repository FROM runs r \
        WHERE r.organization = p.organization AND r.pipeline = p.pipeline AND r.repository IS NOT NULL \
        ORDER BY r.run DESC LIMIT 100) GROUP BY repository ORDER BY count(*) DESC, repository LIMIT 1), \
        p.folder, (SELECT r.folder FROM runs r WHERE r.organization = p.organization AND r.pipeline = p.pipeline \
        AND r.folder IS NOT NULL ORDER BY r.run DESC LIMIT 1) FROM pipelines p";

    #[test]
    fn a_page_of_pipelines_looks_at_no_run_but_their_last() {
        let c = Connection::open_in_memory().unwrap();
        c.execute_batch(include_str!("schema.sql")).unwrap();
        for top in [-1, 51] {
            let ask = format!("EXPLAIN QUERY PLAN {}", pipelines(&Conditions::default(), top));
            let plan: Vec<String> = collect(&c, &ask, Vec::new(), |row| row.get(3)).unwrap();
            let runs: Vec<_> = plan.iter().filter(|step| step.contains(" r ")).collect();
            assert_eq!(
                runs,
                ["SEARCH r USING INDEX runs_order (run=? AND organization=? AND pipeline=?)"],
                "{plan:#?}"
            );
        }
    }

    #[test]
    fn a_pipeline_builds_what_most_of_its_latest_runs_built_and_stands_where_the_latest_did() {
        let c = Connection::open_in_memory().unwrap();
        c.execute_batch(include_str!("schema.sql")).unwrap();
        let mut state = 7_u32;
        let mut next = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % below
        };
        let mut seen = std::collections::BTreeSet::new();
        for step in 0..3_000 {
            let (run, pipeline) = (step / 3 + next(300), next(2));
            let most = Some(["a", "b", "c"][step as usize / 700 % 3]);
            let repository = [None, Some("b"), most, most][next(4) as usize];
            let folder = [None, None, repository, Some("d")][next(4) as usize];
            match next(6) {
                0 => c.execute("DELETE FROM runs WHERE run = ? AND pipeline = ?", (run, pipeline)),
                1 => c.execute(
                    "UPDATE runs SET repository = ?, folder = ? WHERE run = ? AND pipeline = ?",
                    (repository, folder, run, pipeline),
                ),
                _ => c.execute(
                    "INSERT OR IGNORE INTO runs (organization, run, pipeline, repository, folder) VALUES ('x', ?, ?, ?, ?)",
                    (run, pipeline, repository, folder),
                ),
            }
            .unwrap();
            let two = |row: &Row<'_>, at| Ok::<[Option<String>; 2], rusqlite::Error>([row.get(at)?, row.get(at + 1)?]);
            let read = |row: &Row<'_>| Ok((row.get(0)?, two(row, 1)?, two(row, 3)?));
            for (pipeline, [repository, built], folder) in collect(&c, PLAIN, Vec::new(), read).unwrap() {
                let pipeline: u32 = pipeline;
                assert_eq!(repository, built, "pipeline {pipeline}, step {step}");
                assert_eq!(folder[0], folder[1], "pipeline {pipeline}, step {step}");
                seen.insert(repository);
            }
        }
        assert!(seen.len() > 2, "{seen:?}");
    }
}
