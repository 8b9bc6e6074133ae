//! Incidents as a list: those that people and scripts told of, and the work items that the configuration says are some.
//!
//! Which work items these are is not stored, since the configuration may change. Their types are few, and each is looked
//! up in an index; of those with a tag each tag is compared, from the latest on, until there are as many as were asked for.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter};

use super::deployments::add_place;
use super::place::Placed as _;
use super::query::{Conditions, time};
use super::rows::{Incident, IncidentFilter};
use super::{Catalog, CatalogError};
use crate::domain::metrics::Terms;
use crate::domain::{Scope, Time};

/// Types of work items: more than anybody has, and few enough for hostile data.
const MOST_TYPES: usize = 10_000;

/// People, scripts and boards know projects by their names alone.
const TOLD: &str = "SELECT d.organization, coalesce(project.name, d.project_name), d.id, d.title, d.url, d.opened, \
                      d.resolved, d.environment, d.pipeline, d.run, d.commit_id \
                    FROM (SELECT i.organization, i.id, i.title, i.url, i.opened, i.resolved, i.environment, \
                        i.pipeline, i.run, i.commit_id, i.project_name, \
                        (SELECT n.id FROM names n WHERE n.kind = 'project' AND n.organization = i.organization \
                           AND n.name = i.project_name COLLATE NOCASE LIMIT 1) AS project_id \
                      FROM incidents i) d";
const WORK_ITEMS: &str = "SELECT d.organization, coalesce(project.name, d.project_name), CAST(d.id AS TEXT), d.title, d.url, d.created, d.states, \
                            d.tags \
                          FROM (SELECT i.*, i.project AS project_name, \
                              coalesce((SELECT n.id FROM names n WHERE n.kind = 'project' \
                                AND n.organization = i.organization AND n.name = i.project COLLATE NOCASE LIMIT 1), \
                                i.project) AS project_id \
                            FROM work_items i) d";
const PROJECT: &str = " LEFT JOIN names project ON project.kind = 'project' AND project.organization = d.organization \
                       AND project.id = d.project_id";

impl Catalog {
    /// Incidents, those that began last first.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn incidents(&self, filter: &IncidentFilter, terms: &Terms) -> Result<Vec<Incident>, CatalogError> {
        let (filter, terms, scope) = (filter.clone(), terms.clone(), self.scope.clone());
        let read = move |c: &Connection| Looking { c, scope: &scope, filter: &filter, terms: &terms }.all();
        Ok(self.file.read(read).await?)
    }
}

/// The types of work items that are incidents.
pub(super) fn types(c: &Connection, terms: &Terms) -> rusqlite::Result<Vec<String>> {
    let ask = "SELECT type FROM work_items WHERE type > ? ORDER BY type LIMIT 1";
    let mut ask = c.prepare_cached(ask)?;
    let (mut last, mut found) = (String::new(), Vec::new());
    for _ in 0..MOST_TYPES {
        let Some(next) = ask.query_row([&last], |row| row.get::<_, String>(0)).optional()? else { break };
        found.extend(terms.is_incident(&next).then(|| next.clone()));
        last = next;
    }
    Ok(found)
}

struct Looking<'c> {
    c: &'c Connection,
    scope: &'c Scope,
    filter: &'c IncidentFilter,
    terms: &'c Terms,
}

impl Looking<'_> {
    fn all(&self) -> rusqlite::Result<Vec<Incident>> {
        let mut found = self.told()?;
        let types = types(self.c, self.terms)?;
        for kind in &types {
            found.extend(self.work_items("d.type = ?", vec![Value::Text(kind.clone())], |_| true)?);
        }
        let other = format!("coalesce(d.type, '') NOT IN ({})", vec!["?"; types.len()].join(", "));
        let which = format!("d.tags IS NOT NULL AND {other}");
        let values = types.into_iter().map(Value::Text).collect();
        found.extend(self.work_items(&which, values, |tags| self.terms.is_tagged_incident(tags))?);
        found.sort_by_cached_key(Incident::place);
        found.truncate(self.top());
        Ok(found)
    }

    fn top(&self) -> usize {
        self.filter.top.and_then(|top| usize::try_from(top).ok()).unwrap_or(usize::MAX)
    }

    fn told(&self) -> rusqlite::Result<Vec<Incident>> {
        self.look((TOLD, "coalesce(d.opened, d.resolved, 0)", "d.id"), Conditions::default(), |row| told(row).map(Some))
    }

    fn work_items(
        &self,
        which: &str,
        values: Vec<Value>,
        is_one: impl Fn(&str) -> bool,
    ) -> rusqlite::Result<Vec<Incident>> {
        let mut wanted = Conditions::default();
        wanted.add(which.to_owned(), values);
        wanted.add("d.created IS NOT NULL", []);
        self.look((WORK_ITEMS, "d.created", "CAST(d.id AS TEXT)"), wanted, |row| {
            let is_one = is_one(row.get_ref(7)?.as_str_or_null()?.unwrap_or_default());
            is_one.then(|| self.work_item(row)).transpose()
        })
    }

    /// From the latest on, until there are enough. `at` is when one began.
    fn look(
        &self,
        (columns, at, id): (&str, &str, &str),
        mut wanted: Conditions,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<Option<Incident>>,
    ) -> rusqlite::Result<Vec<Incident>> {
        add_place(&mut wanted, self.filter.organization.as_deref(), self.filter.project.as_deref());
        wanted.add_scope(self.scope, "d");
        if let Some(since) = self.filter.since {
            wanted.add(format!("{at} >= ?"), [Value::Integer(since.ticks())]);
        }
        if let Some(Value::Integer(back)) = self.filter.after.as_ref().and_then(|place| place.values().next()) {
            wanted.add(format!("{at} <= ?"), [Value::Integer(back.saturating_neg())]);
        }
        let ask = format!("{columns}{PROJECT}{} ORDER BY {at} DESC, d.organization, {id}", wanted.text());
        let mut ask = self.c.prepare_cached(&ask)?;
        let mut rows = ask.query(params_from_iter(wanted.values))?;
        let mut found = Vec::new();
        while found.len() < self.top()
            && let Some(row) = rows.next()?
        {
            found.extend(read(row)?.filter(|incident| self.is_wanted(incident)));
        }
        Ok(found)
    }

    fn is_wanted(&self, incident: &Incident) -> bool {
        let follows = self.filter.after.as_ref().is_none_or(|after| incident.place() > *after);
        follows && (incident.status == Incident::OPEN || !self.filter.open)
    }

    fn work_item(&self, row: &Row<'_>) -> rusqlite::Result<Incident> {
        let states: Vec<(String, Option<i64>)> = serde_json::from_str(row.get_ref(6)?.as_str()?).unwrap_or_default();
        let is_over = states.last().is_some_and(|(state, _)| self.terms.is_resolved(state));
        Ok(Incident {
            organization: row.get(0)?,
            project: row.get(1)?,
            source: "workItem".to_owned(),
            id: row.get(2)?,
            title: row.get(3)?,
            url: row.get(4)?,
            status: Incident::status(is_over),
            opened_at: time(row, 5)?,
            resolved_at: self.terms.resolved_since(&states),
            environment: None,
            pipeline: None,
            run_id: None,
            commit: None,
        })
    }
}

fn told(row: &Row<'_>) -> rusqlite::Result<Incident> {
    let resolved: Option<Time> = time(row, 6)?;
    Ok(Incident {
        organization: row.get(0)?,
        project: row.get(1)?,
        source: "reported".to_owned(),
        id: row.get(2)?,
        title: row.get(3)?,
        url: row.get(4)?,
        status: Incident::status(resolved.is_some()),
        opened_at: time(row, 5)?,
        resolved_at: resolved,
        environment: row.get(7)?,
        pipeline: row.get(8)?,
        run_id: row.get(9)?,
        commit: row.get(10)?,
    })
}

impl Incident {
    const OPEN: &str = "open";

    fn status(is_over: bool) -> String {
        if is_over { "resolved".to_owned() } else { Self::OPEN.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Place;

    /// Told ones and work items of two projects; many began at the same time.
    fn catalog() -> Connection {
        let c = Connection::open_in_memory().unwrap();
        c.execute_batch(include_str!("schema.sql")).unwrap();
        c.execute("INSERT INTO names VALUES ('project', 'fabrikam', 'p-1', 1, 'Shop')", []).unwrap();
        for n in 0..60_i64 {
            let (project, began) = (["shop", "yard"][usize::from(n % 3 == 0)], (n % 11 > 0).then_some(n * 7 % 13));
            let over = (n % 4 == 0).then_some(20 + n);
            c.execute(
                "INSERT INTO incidents (source, organization, id, project_name, opened, resolved) \
                 VALUES (?1, 'fabrikam', ?1, ?2, ?3, ?4)",
                (format!("ops-{n}"), project, began, over),
            )
            .unwrap();
            let states = if over.is_some() { r#"[["New", 1], ["Closed", 30]]"# } else { r#"[["Active", 1]]"# };
            let kind = ["Incident", "Bug", "Task"][usize::try_from(n % 3).unwrap()];
            let tags = ["ui", "ui; incident", "incidental"][usize::try_from(n / 3 % 3).unwrap()];
            c.execute(
                "INSERT INTO work_items (source, organization, id, project, type, tags, created, states) \
                 VALUES (?1, 'fabrikam', ?2, ?3, ?4, ?5, ?6, ?7)",
                (format!("w{n}"), n, project, kind, tags, n * 5 % 13, states),
            )
            .unwrap();
        }
        c
    }

    fn look(c: &Connection, scope: &Scope, filter: &IncidentFilter) -> Vec<Incident> {
        Looking { c, scope, filter, terms: &Terms::default() }.all().unwrap()
    }

    #[test]
    fn those_that_were_told_and_those_that_are_work_items() {
        let all = look(&catalog(), &Scope::All, &IncidentFilter::default());
        let of = |source: &str| all.iter().filter(|one| one.source == source).count();
        // Every third is of the type; of the other forty those with the tag itself.
        assert_eq!((of("reported"), of("workItem")), (60, 20 + 14));
        let one = |id: &str| all.iter().find(|one| one.id == id && one.source == "workItem");
        assert!(one("3").is_some() && one("4").is_some() && one("7").is_none());
        let closed = one("0").unwrap();
        assert_eq!((closed.status.as_str(), closed.resolved_at), ("resolved", Some(Time::from_ticks(30))));
    }

    #[test]
    fn who_turns_the_pages_finds_each_once_and_in_order() {
        let c = catalog();
        let seen = Scope::Only(vec!["p-1".parse().unwrap()]);
        for (scope, open, top) in
            [(&Scope::All, false, 1), (&Scope::All, true, 7), (&seen, false, 3), (&seen, true, 50)]
        {
            let whole = IncidentFilter { open, since: Some(Time::from_ticks(0)), ..IncidentFilter::default() };
            let all = look(&c, scope, &whole);
            let mut filter = IncidentFilter { top: Some(top), ..whole };
            let mut found: Vec<Incident> = Vec::new();
            loop {
                let page = look(&c, scope, &filter);
                let Some(last) = page.last() else { break };
                filter.after = Some(last.place());
                found.extend(page);
            }
            assert!(all.iter().map(Incident::place).collect::<Vec<Place>>().is_sorted());
            assert!(all.len() > 30 && found == all, "{open} {top}");
            assert!(!open || all.iter().all(|one| one.status == "open"));
            let hidden = all.iter().any(|one| one.project.as_deref() == Some("yard"));
            assert_eq!(hidden, *scope == Scope::All);
        }
    }
}
