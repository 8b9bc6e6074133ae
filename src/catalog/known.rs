//! Which values there are, for who asked for one that there is not.

use rusqlite::Connection;
use rusqlite::types::Value;

use super::dashboard::newest;
use super::query::collect;
use super::{Catalog, CatalogError};

/// So many are looked at: more than a person has, and few enough for hostile data.
const MOST: usize = 10_000;
/// So many runs tell which branches there are: every pull request is one more.
const NEWEST: u32 = 4_000;

/// What a question can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    Organization,
    Project,
    Pipeline,
    Branch,
    State,
    Result,
    Environment,
    /// Of an approval.
    Status,
    /// Of agents.
    Pool,
    /// Whom runs were asked for by.
    Person,
}

impl Named {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Project => "project",
            Self::Pipeline => "pipeline",
            Self::Branch => "branch",
            Self::State => "state",
            Self::Result => "result",
            Self::Environment => "environment",
            Self::Status => "status",
            Self::Pool => "pool",
            Self::Person => "person",
        }
    }

    /// Where a run says it.
    fn column(self) -> Option<&'static str> {
        match self {
            Self::Branch => Some("branch"),
            Self::State => Some("state"),
            Self::Result => Some("result"),
            Self::Pool => Some("pool"),
            Self::Person => Some("requested_for"),
            Self::Organization | Self::Project | Self::Pipeline | Self::Environment | Self::Status => None,
        }
    }

    /// Names and ids, as filters take both. Where there is an index of the values it is asked for one after the other:
    /// there may be a million runs, and few projects. What came anywhere stands in `places`, whichever record says so.
    fn question(self) -> String {
        match self {
            Self::Organization => format!(
                "SELECT organization FROM pipelines UNION SELECT organization FROM places \
                 UNION SELECT organization FROM gaps UNION {}",
                each("organization", "releases", "TRUE")
            ),
            Self::Project => format!(
                "SELECT name FROM names WHERE kind = 'project' UNION SELECT id FROM names WHERE kind = 'project' \
                 UNION SELECT project_id FROM places UNION SELECT project_name FROM places \
                 UNION SELECT project_id FROM gaps UNION {}",
                each("project COLLATE NOCASE", "runs", "TRUE")
            ),
            Self::Pipeline => "SELECT name FROM names WHERE kind = 'pipeline' \
                 UNION SELECT CAST(pipeline AS TEXT) FROM pipelines \
                 UNION SELECT pipeline_name FROM places WHERE source = 'release' \
                 UNION SELECT CAST(pipeline AS TEXT) FROM places WHERE source = 'release'"
                .to_owned(),
            Self::Branch => format!(
                "SELECT branch FROM (SELECT branch FROM runs INDEXED BY runs_order ORDER BY run DESC LIMIT {NEWEST}) \
                 UNION SELECT substr(branch, 12) FROM (SELECT branch FROM runs INDEXED BY runs_order ORDER BY run DESC \
                   LIMIT {NEWEST}) WHERE branch LIKE 'refs/heads/%' \
                 UNION SELECT ?1 WHERE EXISTS (SELECT 1 FROM runs WHERE branch IN (?1, 'refs/heads/' || ?1))"
            ),
            Self::State => format!(
                "SELECT 'completed' WHERE EXISTS (SELECT 1 FROM runs WHERE state = 'completed') UNION {}",
                each("state COLLATE NOCASE", "runs", "state IS NOT 'completed'")
            ),
            Self::Result => format!(
                "SELECT 'succeeded' WHERE EXISTS (SELECT 1 FROM runs WHERE result = 'succeeded') UNION {}",
                each("result COLLATE NOCASE", "runs", "result IS NOT NULL AND result <> 'succeeded'")
            ),
            Self::Environment => "SELECT name FROM names WHERE kind = 'environment' \
                 UNION SELECT name FROM places WHERE source = 'release' \
                 UNION SELECT CAST(environment AS TEXT) FROM places WHERE source = 'pipeline'"
                .to_owned(),
            Self::Status => format!(
                "{} UNION {}",
                each("status COLLATE NOCASE", "approvals", "TRUE"),
                each("status COLLATE NOCASE", "release_approvals", "TRUE")
            ),
            Self::Pool => of_newest("pool"),
            Self::Person => of_newest("requested_for"),
        }
    }
}

/// The values of a column of the newest runs.
fn of_newest(column: &str) -> String {
    format!("SELECT {column} FROM (SELECT {column} FROM runs INDEXED BY runs_order ORDER BY run DESC LIMIT {NEWEST})")
}

/// The values of a column that an index begins with: each is the next one after the last.
fn each(column: &str, table: &str, of: &str) -> String {
    let next =
        |than: &str| format!("(SELECT {column} FROM {table} WHERE {of} AND {column} {than} ORDER BY {column} LIMIT 1)");
    format!(
        "SELECT v FROM (WITH RECURSIVE each(v) AS (SELECT {} UNION ALL SELECT {} FROM each WHERE v IS NOT NULL LIMIT {MOST}) \
         SELECT v FROM each)",
        next("IS NOT NULL"),
        next("> each.v")
    )
}

impl Catalog {
    /// The values of this kind that are known, in their order. Of branches those of the newest runs, and the one that was
    /// asked for if it is known.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn known(&self, named: Named, asked: &str) -> Result<Vec<String>, CatalogError> {
        let asked = asked.to_owned();
        Ok(self.file.read(move |c| known(c, named, asked)).await?)
    }
}

impl Catalog {
    /// The values of this kind that the newest runs say which the reader sees, in their order. `None` where these do not tell.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn known_lately(&self, named: Named) -> Result<Option<Vec<String>>, CatalogError> {
        let Some(column) = named.column() else { return Ok(None) };
        let scope = self.scope.clone();
        let ask = format!(
            "SELECT DISTINCT {column} FROM runs WHERE id IN (SELECT value FROM json_each(?)) AND {column} <> '' ORDER BY 1"
        );
        let read = move |c: &Connection| collect(c, &ask, vec![newest(c, &scope, NEWEST)?], |row| row.get(0));
        Ok(Some(self.file.read(read).await?))
    }
}

fn known(connection: &Connection, named: Named, asked: String) -> rusqlite::Result<Vec<String>> {
    // Only some of the questions are about what was asked for.
    let ask = format!(
        "WITH known(value) AS ({} UNION SELECT NULL WHERE ?1 IS NULL) \
         SELECT DISTINCT value FROM known WHERE value <> '' ORDER BY value LIMIT {MOST}",
        named.question()
    );
    collect(connection, &ask, vec![Value::Text(asked)], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_many_runs() {
        let c = Connection::open_in_memory().unwrap();
        c.execute_batch(include_str!("schema.sql")).unwrap();
        let fill = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 6000) \
            INSERT INTO runs (run, organization, pipeline, project_id, project_name, state, result, branch) \
            SELECT n, 'org-' || (n % 2), n % 3, nullif('p-' || (n % 4), 'p-0'), 'Name', \
              CASE WHEN n % 50 = 0 THEN 'inProgress' ELSE 'completed' END, \
              CASE n % 7 WHEN 0 THEN 'failed' WHEN 1 THEN 'succeeded' WHEN 2 THEN 'Failed' END, \
              'refs/heads/b-' || n FROM n; \
            INSERT INTO approvals (run, id, status, approvers) VALUES (1, 'a', 'approved', '[]'), (2, 'b', 'odd', '[]'); \
            INSERT INTO release_approvals (release, id, status, approvers) VALUES (1, 'a', 'pending', '[]'); \
            INSERT INTO releases (organization, project_id, release) VALUES ('other', 'r', 1); \
            INSERT INTO names VALUES ('pipeline', 'org-0', '1', 1, 'CI'), ('environment', 'org-0', 'p-1/5', 1, 'prod')";
        c.execute_batch(fill).unwrap();
        let of = |named| known(&c, named, "b-17".to_owned()).unwrap();
        assert_eq!(of(Named::Organization), ["org-0", "org-1", "other"]);
        assert_eq!(of(Named::Project), ["Name", "p-1", "p-2", "p-3"]);
        assert_eq!(of(Named::Pipeline), ["0", "1", "2", "CI"]);
        assert_eq!(of(Named::State), ["completed", "inProgress"]);
        assert_eq!(of(Named::Result).len(), 2, "one of each spelling, and the usual one");
        assert_eq!(of(Named::Environment), ["prod"]);
        assert_eq!(of(Named::Status), ["approved", "odd", "pending"]);
        let branches = of(Named::Branch);
        assert_eq!(branches.len(), 2 * NEWEST as usize + 1, "both ways to say it, and the one that was asked for");
        assert!(branches.contains(&"b-17".to_owned()) && branches.contains(&"refs/heads/b-6000".to_owned()));
        assert!(!known(&c, Named::Branch, "b-6001".to_owned()).unwrap().contains(&"b-6001".to_owned()));
    }
}
