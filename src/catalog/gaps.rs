use rusqlite::Row;
use rusqlite::types::Value;

use super::query::{Conditions, collect, ordered, time};
use super::rows::{Gap, GapFilter};
use super::{Catalog, CatalogError};
use crate::domain::Time;

const GAPS: &str = "SELECT g.organization, coalesce(project.name, g.project_name, g.project_id), g.project_id, g.events, \
                      g.why, g.start, g.finish, g.seen, g.covered_to, g.covered \
                    FROM gaps g \
                    LEFT JOIN names project ON project.kind = 'project' AND project.organization = g.organization AND project.id = g.project_id";

impl Catalog {
    /// Times in which events were lost, those that began last first.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn gaps(&self, filter: &GapFilter) -> Result<Vec<Gap>, CatalogError> {
        let mut wanted = conditions(filter);
        wanted.add_scope(&self.scope, "g");
        let top = filter.top.map_or(-1, i64::from);
        wanted.add_after::<Gap>(filter.after.as_ref());
        let ask = format!("{GAPS}{}{} LIMIT {top}", wanted.text(), ordered::<Gap>());
        Ok(self.file.read(move |c| collect(c, &ask, wanted.values, gap)).await?)
    }
}

fn conditions(filter: &GapFilter) -> Conditions {
    let mut wanted = Conditions::default();
    wanted.add_text("g.organization = ?", filter.organization.as_ref().map(|name| name.to_lowercase()));
    if let Some(project) = &filter.project {
        let clause = "(g.project_id = ? COLLATE NOCASE OR coalesce(project.name, g.project_name) = ? COLLATE NOCASE)";
        wanted.add(clause, [Value::Text(project.clone()), Value::Text(project.clone())]);
    }
    if let Some(since) = filter.since {
        wanted.add("(g.finish IS NULL OR g.finish >= ?)", [Value::Integer(since.ticks())]);
    }
    if let Some(until) = filter.until {
        wanted.add("g.start <= ?", [Value::Integer(until.ticks())]);
    }
    if !filter.covered {
        wanted.add("g.covered = 0", []);
    }
    wanted
}

fn gap(row: &Row<'_>) -> rusqlite::Result<Gap> {
    Ok(Gap {
        organization: row.get(0)?,
        project: row.get(1)?,
        project_id: row.get(2)?,
        event_type: row.get(3)?,
        why: row.get(4)?,
        from: Time::from_ticks(row.get(5)?),
        to: time(row, 6)?,
        seen_at: time(row, 7)?,
        covered_to: time(row, 8)?,
        covered: row.get(9)?,
    })
}
