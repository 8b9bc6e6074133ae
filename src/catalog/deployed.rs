//! Keeps what came to environments in step with what it follows from: deployment records, stages of runs, names of
//! environments and classic releases.
//!
//! Whoever asks what is where cannot look at every stage of every run, so the answer is kept. Four sources, told apart by
//! their rule. A deployment record names run and stage: certain. A stage of a run without a record, of a pipeline whose
//! stage of that name has made records: likely, since the service keeps records late. A stage of a pipeline that never
//! made a record, which is called as an environment of the project, alone or behind `deploy_`: likely, since only jobs of
//! the kind `deployment:` make records. And an environment of a classic release, which belongs to the release itself:
//! certain.
//!
//! The order of arrival does not matter: whenever one of them changes, what follows from it is found anew. That is one run
//! for an event. The first record of a stage, and an environment with a new name, tell of all runs that there were: of a
//! pipeline, or of a project. Nobody could write meanwhile, so that is done in slices, the newest runs first. The first one
//! is part of the event's own transaction; what is left stands in a table, and whoever reads goes on with it, see
//! [`super::Catalog::finish`]. Until it is empty, deployments that are only likely may be missing or not yet be gone.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, ToSql, params, params_from_iter};

use super::query::collect;
use crate::domain::{DeploymentKey, ReleaseKey};

/// Where the environments and the stages of a run without records meet. Any case, and with or without `deploy_` before it.
const CALLED: &str = "replace(replace(replace(lower(e.name), '-', '_'), '.', '_'), ' ', '_') \
    = CASE WHEN lower(s.name) GLOB 'deploy[_]?*' THEN substr(lower(s.name), 8) ELSE lower(s.name) END";

/// What brings a stage somewhere.
const RAN: &str = "s.started IS NOT NULL AND s.result IS NOT 'skipped'";

/// The columns of a deployment of the run `?2`, of the organization `?1`. Every event of a run asks it: without its index
/// being named, all records of the organization are looked at.
fn of_run() -> String {
    format!(
        "SELECT d.project_id, 'pipeline', d.environment, '', coalesce(d.pipeline, -1), d.run, d.run_name, d.pipeline_name, \
           NULL, NULL, d.stage, d.attempt, d.state, d.result, d.started, d.finished, 'deploymentRecord', d.project_name \
         FROM deployments d INDEXED BY deployments_run WHERE d.organization = ?1 AND d.run = ?2 \
         UNION ALL \
         SELECT k.project_id, 'pipeline', k.environment, '', r.pipeline, r.run, r.name, NULL, NULL, NULL, s.name, \
           s.attempt, s.state, s.result, s.started, s.finished, 'stageOfRecords', r.project_name \
         FROM runs r CROSS JOIN kinds k ON k.organization = r.organization AND k.pipeline = r.pipeline \
         CROSS JOIN stages s ON s.run = r.id AND s.name = k.stage \
         WHERE r.run = ?2 AND r.organization = ?1 AND {RAN} \
           AND NOT EXISTS (SELECT 1 FROM deployments d WHERE d.organization = k.organization \
             AND d.project_id = k.project_id AND d.environment = k.environment AND d.run = r.run AND d.stage = s.name \
             AND d.attempt = s.attempt) \
         UNION ALL \
         SELECT r.project_id, 'pipeline', CAST(substr(e.id, instr(e.id, '/') + 1) AS INTEGER), '', r.pipeline, r.run, \
           r.name, NULL, NULL, NULL, s.name, s.attempt, s.state, s.result, s.started, s.finished, 'stageName', \
           r.project_name \
         FROM runs r CROSS JOIN names e ON e.kind = 'environment' AND e.organization = r.organization \
           AND e.id > r.project_id || '/' AND e.id < r.project_id || '0' \
         CROSS JOIN stages s ON s.run = r.id AND {CALLED} \
         WHERE r.run = ?2 AND r.organization = ?1 AND {RAN} \
           AND NOT EXISTS (SELECT 1 FROM kinds k WHERE k.organization = r.organization AND k.pipeline = r.pipeline)"
    )
}

/// The same of a release; it brings the run of its primary artifact, or of the first that has one.
const OF_RELEASE: &str = "\
  SELECT c.project_id, 'release', 0, s.name, coalesce(c.definition, -1), \
    (SELECT a.run FROM release_artifacts a WHERE a.release = c.id AND a.run IS NOT NULL \
       ORDER BY a.prime DESC, a.alias LIMIT 1), \
    NULL, c.definition_name, c.release, c.name, s.name, s.attempt, s.state, s.result, s.started, s.finished, 'release', \
    c.project_name \
  FROM releases c JOIN release_stages s ON s.release = c.id \
  WHERE c.organization = ? AND c.project_id = ? AND c.release = ? AND (s.started IS NOT NULL OR s.finished IS NOT NULL)";

/// The same as it is kept, with its row in place of the project's name.
const KNOWN: &str = "\
  SELECT p.project_id, p.source, p.environment, p.name, p.pipeline, x.run, x.run_name, x.pipeline_name, x.release, \
    x.release_name, x.stage, x.attempt, x.state, x.result, x.started, x.finished, x.rule, x.id \
  FROM deployed x JOIN places p ON p.id = x.place";

/// Columns that say what came where. One more stands behind them.
const COLUMNS: usize = 17;
/// The first of them say where.
const WHERE: usize = 5;
/// Among the others.
const PIPELINE_NAME: usize = 2;

/// Runs of a slice: finding what one of them brought takes about 50 µs.
const SLICE: usize = 200;
/// The same where few of them bring anything, which takes less to see.
const WIDE_SLICE: usize = 1_000;

/// The columns of a deployment, and the one behind them.
type Cells = (Vec<Value>, Value);

fn cells(row: &Row<'_>) -> rusqlite::Result<Cells> {
    let cells = (0..COLUMNS).map(|column| row.get(column)).collect::<rusqlite::Result<_>>()?;
    Ok((cells, row.get(COLUMNS)?))
}

fn number(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(-1))
}

/// After a run was written or removed.
pub(super) fn follow_run(connection: &Connection, organization: &str, run: u64) -> rusqlite::Result<()> {
    if has_environments(connection, organization)? { find(connection, organization, number(run)) } else { Ok(()) }
}

/// Most organizations have none, and each event asks.
fn has_environments(connection: &Connection, organization: &str) -> rusqlite::Result<bool> {
    let ask = "SELECT EXISTS (SELECT 1 FROM places WHERE organization = ?1) \
               OR EXISTS (SELECT 1 FROM names WHERE kind = 'environment' AND organization = ?1)";
    connection.prepare_cached(ask)?.query_row([organization], |row| row.get(0))
}

/// What a run brought anywhere.
fn find(connection: &Connection, organization: &str, run: Value) -> rusqlite::Result<()> {
    let values = vec![Value::Text(organization.to_owned()), run];
    let known = format!("{KNOWN} WHERE x.organization = ? AND x.run = ? AND x.release IS NULL");
    let known = collect(connection, &known, values.clone(), cells)?;
    replace(connection, organization, known, collect(connection, &of_run(), values, cells)?)
}

/// After a release was written or removed.
pub(super) fn follow_release(connection: &Connection, key: &ReleaseKey) -> rusqlite::Result<()> {
    let [organization, project] = [&key.organization, &key.project].map(|text| Value::Text(text.clone()));
    let values = vec![organization, project, number(key.release)];
    let known =
        format!("{KNOWN} WHERE x.organization = ?1 AND p.project_id = ?2 AND p.source = 'release' AND x.release = ?3");
    let known = collect(connection, &known, values.clone(), cells)?;
    replace(connection, &key.organization, known, collect(connection, OF_RELEASE, values, cells)?)
}

/// Most events change nothing here.
fn replace(connection: &Connection, organization: &str, known: Vec<Cells>, now: Vec<Cells>) -> rusqlite::Result<()> {
    let same = |one: &Cells| now.iter().any(|other| one.0 == other.0);
    if known.len() == now.len() && known.iter().all(same) {
        return Ok(());
    }
    let mut remove = connection.prepare_cached("DELETE FROM deployed WHERE id = ?")?;
    known.into_iter().try_for_each(|(_, id)| remove.execute([id]).map(drop))?;
    now.into_iter().try_for_each(|cells| insert(connection, organization, cells))
}

fn insert(connection: &Connection, organization: &str, (mut cells, project_name): Cells) -> rusqlite::Result<()> {
    let place = "INSERT INTO places (organization, project_name, pipeline_name, project_id, source, environment, name, \
                   pipeline) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE \
                   SET project_name = coalesce(excluded.project_name, project_name), \
                     pipeline_name = coalesce(excluded.pipeline_name, pipeline_name) \
                 RETURNING id";
    let insert = "INSERT INTO deployed (organization, place, run, run_name, pipeline_name, release, release_name, stage, \
                    attempt, state, result, started, finished, rule) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let what = cells.split_off(WHERE);
    let organization = Value::Text(organization.to_owned());
    let pipeline_name = what.get(PIPELINE_NAME).cloned().unwrap_or(Value::Null);
    let at = [organization.clone(), project_name, pipeline_name].into_iter().chain(cells);
    let place: Value = connection.prepare_cached(place)?.query_row(params_from_iter(at), |row| row.get(0))?;
    let row = [organization, place].into_iter().chain(what);
    connection.prepare_cached(insert)?.execute(params_from_iter(row))?;
    Ok(())
}

/// Pipeline and stage of a record's rows.
type Stages = Vec<(Value, Value)>;

pub(super) fn stages_of(connection: &Connection, key: &DeploymentKey) -> rusqlite::Result<Stages> {
    let ask = "SELECT DISTINCT pipeline, stage FROM deployments WHERE organization = ? AND project_id = ? \
               AND environment = ? AND run = ? AND pipeline IS NOT NULL";
    let [organization, project] = [&key.organization, &key.project].map(|text| Value::Text(text.clone()));
    let values = vec![organization, project, number(key.environment), number(key.run)];
    collect(connection, ask, values, |row| Ok((row.get(0)?, row.get(1)?)))
}

/// After a deployment record was written or removed: a stage may have made its first one, or have lost its last one.
pub(super) fn follow_record(connection: &Connection, key: &DeploymentKey, before: Stages) -> rusqlite::Result<()> {
    find(connection, &key.organization, number(key.run))?;
    let mut stages = stages_of(connection, key)?;
    stages.extend(before);
    for (pipeline, stage) in stages {
        let values = params![key.organization, pipeline, stage, key.project, key.environment];
        if settle(connection, values)? {
            let pipeline = All { organization: key.organization.clone(), of: Of::Pipeline, id: pipeline };
            pipeline.find(connection)?;
        }
    }
    Ok(())
}

/// Whether a stage makes records of an environment is something else now.
fn settle(connection: &Connection, kind: &[&dyn ToSql]) -> rusqlite::Result<bool> {
    let has = "SELECT EXISTS (SELECT 1 FROM deployments WHERE organization = ? AND pipeline = ? AND stage = ? \
                 AND project_id = ? AND environment = ?)";
    let add =
        "INSERT OR IGNORE INTO kinds (organization, pipeline, stage, project_id, environment) VALUES (?, ?, ?, ?, ?)";
    let remove = "DELETE FROM kinds WHERE organization = ? AND pipeline = ? AND stage = ? AND project_id = ? \
                  AND environment = ?";
    let has: bool = connection.prepare_cached(has)?.query_row(kind, |row| row.get(0))?;
    Ok(connection.prepare_cached(if has { add } else { remove })?.execute(kind)? > 0)
}

/// After an environment got another name: of stages that are called so, and of those that were.
pub(super) fn follow_name(connection: &Connection, key: &DeploymentKey) -> rusqlite::Result<()> {
    let id = Value::Text(key.project.clone());
    All { organization: key.organization.clone(), of: Of::Project, id }.find(connection)
}

/// All runs of a pipeline, or of a project.
#[derive(Debug)]
struct All {
    organization: String,
    of: Of,
    id: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Pipeline,
    Project,
}

impl Of {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pipeline => "pipeline",
            Self::Project => "project",
        }
    }

    fn named(text: &str) -> Self {
        if text == Self::Pipeline.as_str() { Self::Pipeline } else { Self::Project }
    }

    fn slice(self) -> usize {
        match self {
            Self::Pipeline => SLICE,
            Self::Project => WIDE_SLICE,
        }
    }

    /// The next runs of a slice, and whether anything can be another than it was. An environment is named by stages of
    /// pipelines alone that never made a record.
    fn question(self) -> String {
        match self {
            Self::Pipeline => "SELECT run, TRUE FROM runs INDEXED BY runs_pipeline \
                               WHERE organization = ?1 AND pipeline = ?2 AND run <= ?3 ORDER BY run DESC LIMIT ?4"
                .to_owned(),
            Self::Project => format!(
                "SELECT r.run, EXISTS (SELECT 1 FROM stages s CROSS JOIN names e ON e.kind = 'environment' \
                     AND e.organization = r.organization AND e.id > r.project_id || '/' AND e.id < r.project_id || '0' \
                     AND {CALLED} WHERE s.run = r.id) \
                   OR EXISTS (SELECT 1 FROM deployed x INDEXED BY deployed_run \
                     WHERE x.organization = r.organization AND x.run = r.run AND x.rule = 'stageName') \
                 FROM (SELECT id, run, organization, project_id FROM runs INDEXED BY runs_project \
                   WHERE project = ?2 COLLATE NOCASE AND run <= ?3 AND +organization = ?1 \
                   ORDER BY run DESC LIMIT ?4) r"
            ),
        }
    }
}

impl All {
    /// From the newest on: what was found already may be something else now.
    fn find(&self, connection: &Connection) -> rusqlite::Result<()> {
        self.find_upto(connection, i64::MAX)
    }

    fn find_upto(&self, connection: &Connection, upto: i64) -> rusqlite::Result<()> {
        let (organization, most) = (Value::Text(self.organization.clone()), self.of.slice());
        let most_rows = Value::Integer(i64::try_from(most).unwrap_or(i64::MAX));
        let values = vec![organization, self.id.clone(), Value::Integer(upto), most_rows];
        let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?));
        let slice = collect(connection, &self.of.question(), values, read)?;
        let last = slice.last().map(|(run, _)| *run).filter(|_| slice.len() == most);
        // Several pipelines may have a run with the last id, and not all of them in this slice.
        for (run, _) in slice.iter().filter(|(run, is_concerned)| *is_concerned || last == Some(*run)) {
            find(connection, &self.organization, Value::Integer(*run))?;
        }
        self.leave(connection, last.map(|run| run - 1))
    }

    /// Notes which runs are left.
    fn leave(&self, connection: &Connection, upto: Option<i64>) -> rusqlite::Result<()> {
        let remove = "DELETE FROM to_find WHERE organization = ?1 AND kind = ?2 AND id = ?3";
        let note = "INSERT OR REPLACE INTO to_find (organization, kind, id, upto) VALUES (?1, ?2, ?3, ?4)";
        match upto {
            Some(upto) => {
                connection.prepare_cached(note)?.execute(params![self.organization, self.of.as_str(), self.id, upto])?
            }
            None => {
                connection.prepare_cached(remove)?.execute(params![self.organization, self.of.as_str(), self.id])?
            }
        };
        Ok(())
    }
}

/// Whether runs are left to be looked at.
pub(super) fn is_unfinished(connection: &Connection) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM to_find)")?.query_row([], |row| row.get(0))
}

/// The next slice of them.
pub(super) fn go_on(connection: &Connection) -> rusqlite::Result<()> {
    let ask = "SELECT organization, kind, id, upto FROM to_find LIMIT 1";
    let left = collect(connection, ask, Vec::new(), |row| {
        let of = Of::named(row.get_ref(1)?.as_str()?);
        Ok((All { organization: row.get(0)?, of, id: row.get(2)? }, row.get(3)?))
    })?;
    left.into_iter().try_for_each(|(all, upto)| all.find_upto(connection, upto))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is deployed, as one question over all that it follows from.
    const PLAIN: &str = "\
      SELECT d.organization, d.project_id, d.environment, d.pipeline, d.run, d.stage, d.attempt, d.result, \
        'deploymentRecord' AS rule FROM deployments d \
      UNION ALL \
      SELECT r.organization, k.project_id, k.environment, r.pipeline, r.run, s.name, s.attempt, s.result, 'stageOfRecords' \
      FROM (SELECT DISTINCT organization, project_id, environment, pipeline, stage FROM deployments) k \
      JOIN runs r ON r.organization = k.organization AND r.pipeline = k.pipeline \
      JOIN stages s ON s.run = r.id AND s.name = k.stage \
      WHERE s.started IS NOT NULL AND s.result IS NOT 'skipped' \
        AND NOT EXISTS (SELECT 1 FROM deployments d WHERE d.organization = k.organization AND d.project_id = k.project_id \
          AND d.environment = k.environment AND d.run = r.run AND d.stage = s.name AND d.attempt = s.attempt) \
      UNION ALL \
      SELECT r.organization, e.project_id, e.environment, r.pipeline, r.run, s.name, s.attempt, s.result, 'stageName' \
      FROM runs r CROSS JOIN stages s ON s.run = r.id \
      CROSS JOIN (SELECT organization, substr(id, 1, instr(id, '/') - 1) AS project_id, \
          CAST(substr(id, instr(id, '/') + 1) AS INTEGER) AS environment, \
          replace(replace(replace(lower(name), '-', '_'), '.', '_'), ' ', '_') AS called \
        FROM names WHERE kind = 'environment') e ON e.organization = r.organization AND e.project_id = r.project_id \
        AND e.called = CASE WHEN lower(s.name) GLOB 'deploy[_]?*' THEN substr(lower(s.name), 8) ELSE lower(s.name) END \
      WHERE s.started IS NOT NULL AND s.result IS NOT 'skipped' \
        AND (r.organization, r.pipeline) NOT IN \
          (SELECT organization, pipeline FROM deployments WHERE pipeline IS NOT NULL) \
      ORDER BY 1, 2, 3, 4, 5, 6, 7, 9";

    const KEPT: &str = "\
      SELECT p.organization, p.project_id, p.environment, nullif(p.pipeline, -1), x.run, x.stage, x.attempt, x.result, x.rule \
      FROM deployed x JOIN places p ON p.id = x.place ORDER BY 1, 2, 3, 4, 5, 6, 7, 9";

    fn all(c: &Connection, ask: &str) -> Vec<Vec<Value>> {
        collect(c, ask, Vec::new(), |row| (0..9).map(|column| row.get(column)).collect()).unwrap()
    }

    /// A sequence without a pattern.
    fn mixed(mut state: u64) -> impl FnMut(u64) -> u64 {
        move |below| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        }
    }

    fn deployment_record(c: &Connection, environment: u64, run: u64) {
        let (organization, project) = ("contoso".to_owned(), "a".to_owned());
        let key = DeploymentKey { organization, project, environment, run };
        let insert = "INSERT INTO deployments (organization, project_id, environment, run, stage, attempt, pipeline) \
                        VALUES (?, ?, ?, ?, 'Prod', 1, 1)";
        c.execute(insert, params![key.organization, key.project, environment, run]).unwrap();
        follow_record(c, &key, Vec::new()).unwrap();
    }

    fn name_of_environment(c: &Connection, environment: u64, name: &str) {
        let (organization, project) = ("contoso".to_owned(), "a".to_owned());
        let insert = "INSERT OR REPLACE INTO names VALUES ('environment', 'contoso', 'a/' || ?, 1, ?)";
        c.execute(insert, params![environment, name]).unwrap();
        follow_name(c, &DeploymentKey { organization, project, environment, run: 0 }).unwrap();
    }

    /// How many slices it takes until nothing is left.
    fn finish(c: &Connection) -> usize {
        (0..).find(|_| !is_unfinished(c).unwrap() || go_on(c).is_err()).unwrap()
    }

    #[test]
    fn many_runs_are_looked_at_slice_by_slice() {
        let c = Connection::open_in_memory().unwrap();
        c.execute_batch(include_str!("schema.sql")).unwrap();
        let fill = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 3000) \
                    INSERT INTO runs (id, run, organization, pipeline, project_id) \
                      SELECT n, n / 2, 'contoso', 1 + n % 2, 'a' FROM n; \
                    INSERT INTO stages SELECT id, 'Prod', 1, 'completed', 'succeeded', 5, NULL FROM runs WHERE id % 5 < 2";
        c.execute_batch(fill).unwrap();
        name_of_environment(&c, 1, "prod");
        let first = all(&c, KEPT).len();
        assert!(first > 300 && first < 500, "the newest at once: {first}");
        let slices = finish(&c);
        assert!((2..=3).contains(&slices), "{slices} for 3,000 runs of the project");
        assert_eq!(all(&c, KEPT), all(&c, PLAIN));
        assert_eq!(all(&c, KEPT).len(), 1_200);
        deployment_record(&c, 1, 700);
        assert!(is_unfinished(&c).unwrap());
        // What comes in between is right at once, and neither stops the rest nor is undone by it.
        c.execute_batch("DELETE FROM stages WHERE run IN (100, 2000); DELETE FROM runs WHERE id IN (100, 2000)")
            .unwrap();
        [50, 1_000].into_iter().for_each(|run| follow_run(&c, "contoso", run).unwrap());
        go_on(&c).unwrap();
        name_of_environment(&c, 1, "production");
        deployment_record(&c, 2, 20);
        assert!(finish(&c) > 5);
        assert_eq!(all(&c, KEPT), all(&c, PLAIN));
    }

    const ORGANIZATIONS: [&str; 2] = ["contoso", "fabrikam"];
    const STAGES: [&str; 4] = ["Build", "deploy_prod", "Prod", "test"];
    const ENVIRONMENTS: [&str; 4] = ["prod", "Test", "east.us", "PROD"];

    fn pick<'t>(all: &[&'t str], at: u64) -> &'t str {
        all[usize::try_from(at).unwrap()]
    }

    /// A run comes, moves on or goes.
    fn change_run(c: &Connection, next: &mut impl FnMut(u64) -> u64) {
        let (organization, run) = (pick(&ORGANIZATIONS, next(2)), next(12));
        let of = "run IN (SELECT id FROM runs WHERE run = ?1 AND organization = ?2)";
        c.execute(&format!("DELETE FROM stages WHERE {of}"), params![run, organization]).unwrap();
        c.execute("DELETE FROM runs WHERE run = ?1 AND organization = ?2", params![run, organization]).unwrap();
        if next(8) > 0 {
            let insert = "INSERT INTO runs (run, organization, pipeline, project_id) VALUES (?, ?, ?, ?)";
            let project = ["a", "b"].get(usize::try_from(next(3)).unwrap());
            c.execute(insert, params![run, organization, run % 3, project]).unwrap();
            let id = c.last_insert_rowid();
            for attempt in 0..next(4) {
                let insert = "INSERT OR IGNORE INTO stages VALUES (?, ?, ?, 'completed', ?, ?, NULL)";
                let result = ["succeeded", "skipped"].get(usize::try_from(next(3)).unwrap());
                let started = Some(5).filter(|_| next(4) > 0);
                c.execute(insert, params![id, pick(&STAGES, next(4)), attempt, result, started]).unwrap();
            }
        }
        follow_run(c, organization, run).unwrap();
    }

    /// A deployment record comes, moves on or goes, and with it the name of its environment.
    fn change_record(c: &Connection, next: &mut impl FnMut(u64) -> u64) {
        let (organization, project) = (pick(&ORGANIZATIONS, next(2)).to_owned(), pick(&["a", "b"], next(2)).to_owned());
        let key = DeploymentKey { organization, project, environment: 1 + next(2), run: next(12) };
        let before = stages_of(c, &key).unwrap();
        let of = params![key.organization, key.project, key.environment, key.run];
        let remove =
            "DELETE FROM deployments WHERE organization = ? AND project_id = ? AND environment = ? AND run = ?";
        c.execute(remove, of).unwrap();
        for attempt in 0..next(3) {
            let insert = "INSERT OR IGNORE INTO deployments (organization, project_id, environment, run, stage, attempt, \
                            pipeline) VALUES (?, ?, ?, ?, ?, ?, ?)";
            let pipeline = Some(key.run % 3).filter(|_| next(6) > 0);
            let stage = pick(&STAGES, next(4));
            let row = params![key.organization, key.project, key.environment, key.run, stage, attempt, pipeline];
            c.execute(insert, row).unwrap();
        }
        follow_record(c, &key, before).unwrap();
        if next(3) == 0 {
            let insert = "INSERT OR REPLACE INTO names VALUES ('environment', ?, ?, 1, ?)";
            let id = format!("{}/{}", key.project, key.environment);
            c.execute(insert, params![key.organization, id, pick(&ENVIRONMENTS, next(4))]).unwrap();
            follow_name(c, &key).unwrap();
        }
    }

    #[test]
    fn in_any_order_it_is_what_the_whole_amounts_to() {
        let mut rules = std::collections::BTreeSet::new();
        for seed in 0..30 {
            let c = Connection::open_in_memory().unwrap();
            c.execute_batch(include_str!("schema.sql")).unwrap();
            let mut next = mixed(seed);
            for step in 0..60 {
                // Names alone, before any record, in half of the cases.
                if next(4) < 1 + seed % 2 {
                    change_record(&c, &mut next)
                } else {
                    change_run(&c, &mut next)
                }
                let (kept, plain) = (all(&c, KEPT), all(&c, PLAIN));
                assert_eq!(kept, plain, "seed {seed}, step {step}");
                rules.extend(plain.iter().filter_map(|row| row.last().map(|rule| format!("{rule:?}"))));
            }
            let counted = "SELECT count(*) FROM places p WHERE total <> (SELECT count(*) FROM deployed WHERE place = p.id) \
                OR live <> (SELECT count(*) FROM deployed WHERE place = p.id AND state IS NOT 'completed')";
            assert_eq!(c.query_row(counted, [], |row| row.get::<_, i64>(0)).unwrap(), 0, "seed {seed}");
        }
        assert_eq!(rules.len(), 3, "{rules:?}");
    }
}
