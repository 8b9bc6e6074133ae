//! Which of the things that records refer to a reader may see: those of the projects that the reader sees.
//!
//! A reference crosses projects, and whoever follows it must not come out where the reader may not look. A commit belongs
//! to no project: it is there for a reader to whom a record of theirs tells of it, and then only with what that one says.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::query::Conditions;
use crate::domain::link::Node;
use crate::domain::{Key, ReleaseKey, RunKey, Scope};

/// A reader's view of single records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'c> {
    pub(super) connection: &'c Connection,
    pub(super) scope: &'c Scope,
}

/// Work items say their project by its name alone.
const WORK_ITEMS: &str = "(SELECT w.source, w.organization, w.project AS project_name, \
    coalesce((SELECT n.id FROM names n WHERE n.kind = 'project' AND n.organization = w.organization \
      AND n.name = w.project COLLATE NOCASE LIMIT 1), w.project) AS project_id FROM work_items w) x";

/// What clusters tell of a commit is of the projects that it was pushed in.
const SYNCS: &str = "(SELECT s.source, s.organization, p.project_id, p.project_name FROM cluster_syncs s \
    JOIN commits m ON m.id = s.commit_id AND m.organization = s.organization JOIN pushes p ON p.source = m.source) x";

/// Links name an environment's project by its name, or by its id.
const ENVIRONMENT: &str = "(SELECT ? AS organization, ? AS project_name, \
    coalesce((SELECT n.id FROM names n WHERE n.kind = 'project' AND n.organization = ? \
      AND n.name = ? COLLATE NOCASE LIMIT 1), ?) AS project_id) x";

impl Seen<'_> {
    fn is_whole(&self) -> bool {
        matches!(self.scope, Scope::All)
    }

    /// Whether the thing may be shown. What is not held here is shown only to who sees all.
    pub(super) fn shows(&self, organization: &str, node: &Node) -> rusqlite::Result<bool> {
        if self.is_whole() {
            return Ok(true);
        }
        match node {
            Node::Run(run) => self.all(self.runs(organization, *run)?),
            Node::PullRequest(id) => self.all(self.sources("pull_requests", organization, *id)?),
            Node::WorkItem(id) => self.all(self.sources("work_items", organization, *id)?),
            Node::Release(place) => self.shows_release(organization, place),
            Node::Environment(place) => self.shows_environment(organization, place),
            Node::Commit(id) => self.tells_of_commit(organization, id),
            Node::ForeignPullRequest(_) | Node::RunNamed { .. } => Ok(false),
        }
    }

    /// Whether there is such a run, and it may not be shown.
    pub(super) fn hides_run(&self, organization: &str, run: u64) -> rusqlite::Result<bool> {
        Ok(!self.is_whole()
            && !self.runs(organization, run)?.is_empty()
            && !self.shows(organization, &Node::Run(run))?)
    }

    /// Whether the record with this key is here and may be shown.
    pub(super) fn holds(&self, key: &Key) -> rusqlite::Result<bool> {
        let (rows, wanted) = place(key);
        self.any(rows, wanted)
    }

    /// Whether one of these rows is of the reader's projects.
    fn any(&self, rows: &str, mut wanted: Conditions) -> rusqlite::Result<bool> {
        wanted.add_scope(self.scope, "x");
        let ask = format!(
            "SELECT EXISTS (SELECT 1 FROM {rows} LEFT JOIN names project ON project.kind = 'project' \
             AND project.organization = x.organization AND project.id = x.project_id{})",
            wanted.text()
        );
        self.connection.prepare_cached(&ask)?.query_row(params_from_iter(wanted.values), |row| row.get(0))
    }

    /// The same for a key as rows hold it.
    pub(super) fn holds_source(&self, source: &str) -> rusqlite::Result<bool> {
        if self.is_whole() {
            return Ok(true);
        }
        source.parse().map_or(Ok(false), |key| self.holds(&key))
    }

    /// Of the records that tell of a commit, the first that may be seen. What a push tells of it comes first.
    pub(super) fn commit_source(&self, organization: &str, id: &str) -> rusqlite::Result<Option<String>> {
        let ask = "SELECT source FROM commits WHERE id = ?1 AND organization = ?2 \
                   ORDER BY source LIKE 'push|%' DESC, source";
        self.first(ask, &[id, organization])
    }

    fn tells_of_commit(&self, organization: &str, id: &str) -> rusqlite::Result<bool> {
        let caused = "SELECT source FROM refs WHERE cause = ?1 AND cause_kind = 'commit' AND organization = ?2";
        let led_to = "SELECT source FROM refs WHERE effect = ?1 AND effect_kind = 'commit' AND organization = ?2";
        let values = [id, organization];
        Ok(self.commit_source(organization, id)?.is_some()
            || self.first(led_to, &values)?.is_some()
            || self.first(caused, &values)?.is_some())
    }

    /// Its project is part of its name, by name or by id.
    fn shows_environment(&self, organization: &str, place: &str) -> rusqlite::Result<bool> {
        let Some((project, _)) = place.split_once('/') else { return Ok(false) };
        let mut wanted = Conditions::default();
        let values = [organization, project, organization, project, project].map(|text| Value::Text(text.to_owned()));
        wanted.values.extend(values);
        self.any(ENVIRONMENT, wanted)
    }

    /// The first of these sources that may be seen.
    fn first(&self, ask: &str, values: &[&str]) -> rusqlite::Result<Option<String>> {
        let mut ask = self.connection.prepare_cached(ask)?;
        let mut rows = ask.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            let source: String = row.get(0)?;
            if self.holds_source(&source)? {
                return Ok(Some(source));
            }
        }
        Ok(None)
    }

    /// Two things with one number cannot be told apart: then all of them have to be the reader's.
    fn all(&self, keys: Vec<Key>) -> rusqlite::Result<bool> {
        let mut are_held = !keys.is_empty();
        for key in keys {
            are_held = are_held && self.holds(&key)?;
        }
        Ok(are_held)
    }

    fn runs(&self, organization: &str, run: u64) -> rusqlite::Result<Vec<Key>> {
        let mut ask =
            self.connection.prepare_cached("SELECT pipeline FROM runs WHERE run = ?1 AND organization = ?2")?;
        let key = |pipeline| Key::Run(RunKey { organization: organization.to_owned(), pipeline, run });
        ask.query_map((run, organization), |row| Ok(key(row.get(0)?)))?.collect()
    }

    fn sources(&self, table: &str, organization: &str, id: u64) -> rusqlite::Result<Vec<Key>> {
        let ask = format!("SELECT source FROM {table} WHERE id = ?1 AND organization = ?2");
        let mut ask = self.connection.prepare_cached(&ask)?;
        let sources = ask.query_map((id, organization), |row| row.get::<_, String>(0))?;
        sources.filter_map(|source| source.map(|source| source.parse().ok()).transpose()).collect()
    }

    fn shows_release(&self, organization: &str, place: &str) -> rusqlite::Result<bool> {
        let Some((project, release)) = place.rsplit_once('/') else { return Ok(false) };
        let Ok(release) = release.parse::<u64>() else { return Ok(false) };
        let (organization, project) = (organization.to_owned(), project.to_owned());
        self.holds(&Key::Release(ReleaseKey { organization, project, release }))
    }
}

/// Where the rows of a record stand.
fn place(key: &Key) -> (&'static str, Conditions) {
    let mut wanted = Conditions::default();
    let number = |number: u64| Value::Integer(i64::try_from(number).unwrap_or(-1));
    let text = |text: &str| Value::Text(text.to_owned());
    let rows = match key {
        Key::Run(key) | Key::Changes(key) => {
            let values = [number(key.run), text(&key.organization), number(key.pipeline)];
            wanted.add("x.run = ? AND x.organization = ? AND x.pipeline = ?", values);
            "runs x"
        }
        Key::Release(key) => {
            let values = [text(&key.organization), text(&key.project), number(key.release)];
            wanted.add("x.organization = ? AND x.project_id = ? AND x.release = ?", values);
            "releases x"
        }
        Key::Deployment(key) => {
            let values = [text(&key.organization), text(&key.project), number(key.environment), number(key.run)];
            wanted.add("x.organization = ? AND x.project_id = ? AND x.environment = ? AND x.run = ?", values);
            "deployments x"
        }
        Key::Gap(key) => {
            let values = [text(&key.organization), text(&key.project), text(&key.events)];
            wanted.add("x.organization = ? AND x.project_id = ? AND x.events = ?", values);
            "gaps x"
        }
        Key::Cluster(_) => by_source(key, &mut wanted, SYNCS),
        Key::Incident(_) => by_source(key, &mut wanted, "incidents x"),
        Key::Report(_) => by_source(key, &mut wanted, "reports x"),
        Key::PullRequest(_) => by_source(key, &mut wanted, "pull_requests x"),
        Key::Push(_) => by_source(key, &mut wanted, "pushes x"),
        Key::WorkItem(_) => by_source(key, &mut wanted, WORK_ITEMS),
    };
    (rows, wanted)
}

fn by_source(key: &Key, wanted: &mut Conditions, rows: &'static str) -> &'static str {
    wanted.add("x.source = ?", [Value::Text(key.to_string())]);
    rows
}
