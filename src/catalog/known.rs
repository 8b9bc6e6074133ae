//! Which values there are, for who asked for one that there is not.

use super::query::collect;
use super::{Catalog, CatalogError};

/// So many are looked at: more than a person has, and few enough for hostile data.
const MOST: usize = 10_000;

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
        }
    }

    /// Names and ids, as filters take both.
    fn question(self) -> &'static str {
        match self {
            Self::Organization => {
                "SELECT organization FROM runs UNION SELECT organization FROM releases \
                 UNION SELECT organization FROM deployments UNION SELECT organization FROM gaps"
            }
            Self::Project => {
                "SELECT name FROM names WHERE kind = 'project' UNION SELECT id FROM names WHERE kind = 'project' \
                 UNION SELECT project_id FROM runs UNION SELECT project_name FROM runs UNION SELECT project_id FROM releases \
                 UNION SELECT project_name FROM releases UNION SELECT project_id FROM deployments \
                 UNION SELECT project_id FROM gaps"
            }
            Self::Pipeline => {
                "SELECT name FROM names WHERE kind = 'pipeline' UNION SELECT CAST(pipeline AS TEXT) FROM runs \
                 UNION SELECT definition_name FROM releases UNION SELECT CAST(definition AS TEXT) FROM releases"
            }
            Self::Branch => {
                "SELECT branch FROM runs UNION SELECT substr(branch, 12) FROM runs WHERE branch LIKE 'refs/heads/%'"
            }
            Self::State => "SELECT state FROM runs",
            Self::Result => "SELECT result FROM runs",
            Self::Environment => {
                "SELECT name FROM names WHERE kind = 'environment' UNION SELECT name FROM release_stages \
                 UNION SELECT CAST(environment AS TEXT) FROM deployments"
            }
            Self::Status => "SELECT status FROM approvals UNION SELECT status FROM release_approvals",
        }
    }
}

impl Catalog {
    /// The values of this kind that are known, in their order. Reads every run: only for who found nothing.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn known(&self, named: Named) -> Result<Vec<String>, CatalogError> {
        let ask = format!(
            "WITH known(value) AS ({}) SELECT DISTINCT value FROM known WHERE value <> '' ORDER BY value LIMIT {MOST}",
            named.question()
        );
        Ok(self.file.read(move |c| collect(c, &ask, Vec::new(), |row| row.get(0))).await?)
    }
}
