//! Incidents that work items tell of, and times of which events were lost.

use rusqlite::types::Value;
use rusqlite::{Row, params};

use super::{Reading, leap, leaps, project_of, time};
use crate::catalog::incidents;
use crate::domain::Time;
use crate::domain::metrics::{Incident, Lost, Part};

/// Boards know projects by their names.
const ITEMS: &str = "(SELECT i.*, i.project AS project_name, \
                        coalesce((SELECT n.id FROM names n WHERE n.kind = 'project' AND n.organization = i.organization \
                          AND n.name = i.project COLLATE NOCASE LIMIT 1), i.project) AS project_id \
                      FROM work_items i) w";

impl Reading<'_> {
    /// Work items of the types that are configured, and those with tags that are.
    pub(super) fn incidents(&mut self) -> rusqlite::Result<()> {
        let types = incidents::types(self.c, self.terms)?;
        for kind in &types {
            self.incident_sources("type", kind)?;
            self.work_items("w.type = ?", vec![Value::Text(kind.clone())], |_| true)?;
        }
        for tags in self.incident_tags()? {
            self.incident_sources("tags", &tags)?;
        }
        let terms = self.terms;
        let marks = vec!["?"; types.len()].join(", ");
        let other = types.into_iter().map(Value::Text).collect();
        let is_tagged = move |tags: &str| terms.is_tagged_incident(tags);
        self.work_items(&format!("w.tags IS NOT NULL AND coalesce(w.type, '') NOT IN ({marks})"), other, is_tagged)
    }

    /// By leaps, since many work items have the same tags.
    fn incident_tags(&self) -> rusqlite::Result<Vec<String>> {
        let mut ask = self.c.prepare_cached(&leap("work_items", &["tags"], "tags IS NOT NULL"))?;
        let mut found = Vec::new();
        let next = |last: &String| ask.query_row([last], |row| row.get(0));
        leaps(next, |tags| {
            found.extend(self.terms.is_tagged_incident(tags).then(|| tags.clone()));
            Ok(())
        })?;
        Ok(found)
    }

    /// The projects that ever had a work item with this value, by leaps: there are few, and many work items of each.
    fn incident_sources(&mut self, column: &str, value: &str) -> rusqlite::Result<()> {
        let columns = ["organization", "coalesce(project, '')"];
        let mut ask = self.c.prepare_cached(&leap("work_items", &columns, &format!("{column} = ?3")))?;
        let next = |(organization, project): &(String, String)| {
            ask.query_row(params![organization, project, value], |row| Ok((row.get(0)?, row.get(1)?)))
        };
        leaps(next, |of| self.source_of_items(of))
    }

    /// Where the reader may see it.
    fn source_of_items(&mut self, (organization, project): &(String, String)) -> rusqlite::Result<()> {
        let wanted = self.wanted("w");
        let items = ITEMS.replace("work_items", "(SELECT ? AS organization, nullif(?, '') AS project)");
        let ask = format!("SELECT w.organization, w.project_name FROM {items} {}{}", project_of("w"), wanted.text());
        let of = [organization, project].map(|text| Value::Text(text.clone()));
        self.each(&ask, of.into_iter().chain(wanted.values).collect(), |this, row| this.incident_source(row))
    }

    /// As the first two columns say.
    pub(super) fn incident_source(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let part = Part { organization: self.text(row, 0)?, project: self.maybe(row, 1)? };
        self.found.incident_sources.insert(part);
        Ok(())
    }

    fn work_items(&mut self, which: &str, values: Vec<Value>, is_one: impl Fn(&str) -> bool) -> rusqlite::Result<()> {
        let mut wanted = self.wanted("w");
        wanted.add(which.to_owned(), values);
        wanted.add("w.created >= ? AND w.created < ?", self.times());
        let ask = format!(
            "SELECT w.organization, w.project_name, w.id, w.created, w.states, w.tags FROM {ITEMS} {}{}",
            project_of("w"),
            wanted.text()
        );
        self.each(&ask, wanted.values, |this, row| {
            if !is_one(row.get_ref(5)?.as_str_or_null()?.unwrap_or_default()) {
                return Ok(());
            }
            let id: u64 = row.get(2)?;
            let states: Vec<(String, Option<i64>)> =
                serde_json::from_str(row.get_ref(4)?.as_str()?).unwrap_or_default();
            let incident = Incident {
                organization: this.text(row, 0)?,
                project: this.maybe(row, 1)?,
                id: format!("work item {id}").into(),
                opened: Time::from_ticks(row.get(3)?),
                resolved: this.terms.resolved_since(&states).filter(|since| *since < this.span.until),
                run: None,
                pipeline: None,
                environment: None,
                commit: None,
            };
            this.found.incidents.push(incident);
            Ok(())
        })
    }

    /// Those of all projects name none.
    pub(super) fn gaps(&mut self) -> rusqlite::Result<()> {
        let mut wanted = self.wanted("g");
        wanted.add("g.covered = 0", []);
        let ask = format!(
            "SELECT g.organization, coalesce(project.name, g.project_name, nullif(g.project_id, '')), g.start, g.finish \
             FROM gaps g {}{} LIMIT 10000",
            project_of("g"),
            wanted.text()
        );
        self.each(&ask, wanted.values, |this, row| {
            let of = Part { organization: this.text(row, 0)?, project: this.maybe(row, 1)? };
            this.found.gaps.push(Lost { of, from: Time::from_ticks(row.get(2)?), until: time(row, 3)? });
            Ok(())
        })
    }
}
