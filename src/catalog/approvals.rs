//! Approvals of runs and of releases, in one list.
//!
//! A page costs what it looks at: [`MOST_LOOKED_AT`] approvals of each kind, by the index of the list's order, or of that
//! order within a status. What else is asked for has no index, so that a page may end with few approvals, or with none.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::deployments::{add_place, pipeline};
use super::listing::{Listing, LookedTo};
use super::owned::{folder_of, repository_of};
use super::place::{Place, Placed};
use super::query::{Conditions, collect, ordered, time};
use super::rows::{ApprovalFilter, GivenApproval};
use super::{Catalog, CatalogError};
use crate::domain::{ApprovalStatus, Scope, Time};

/// So many of each kind take about 5 ms.
const MOST_LOOKED_AT: usize = 1_000;

impl Catalog {
    /// Approvals of runs and of releases, those that were asked for last first. No more of them than are found at one
    /// look: see [`Listing::looked_to`].
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn page_of_approvals(&self, filter: &ApprovalFilter) -> Result<Listing<GivenApproval>, CatalogError> {
        let (filter, scope) = (filter.clone(), self.scope.clone());
        Ok(self.file.read(move |c| page(c, &scope, &filter, MOST_LOOKED_AT)).await?)
    }

    /// The same, however far has to be looked for as many as were asked for: for who can wait.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn approvals(&self, filter: &ApprovalFilter) -> Result<Vec<GivenApproval>, CatalogError> {
        let (mut filter, mut found) = (filter.clone(), Vec::new());
        loop {
            let page = self.page_of_approvals(&filter).await?;
            let count = u32::try_from(page.items.len()).unwrap_or(u32::MAX);
            found.extend(page.items);
            let Some(next) = page.next.filter(|_| page.looked_to.is_some()) else { return Ok(found) };
            filter =
                ApprovalFilter { top: filter.top.map(|top| top.saturating_sub(count)), after: Some(next), ..filter };
        }
    }

    /// How many approvals the filter lets through, wherever its page begins.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn count_approvals(&self, filter: &ApprovalFilter) -> Result<u64, CatalogError> {
        let (filter, scope) = (ApprovalFilter { after: None, ..filter.clone() }, self.scope.clone());
        Ok(self.file.read(move |c| counted(c, &scope, &filter)).await?)
    }

    /// What waits for an answer, who waits longest first: at most `top` of those that are wanted, whatever else waits.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn waiting(
        &self,
        (organization, project): (Option<&str>, Option<&str>),
        top: usize,
        is_wanted: impl Fn(&GivenApproval) -> bool + Send + 'static,
    ) -> Result<Vec<GivenApproval>, CatalogError> {
        let filter = ApprovalFilter {
            organization: organization.map(str::to_owned),
            project: project.map(str::to_owned),
            status: Some(ApprovalStatus::Pending.as_str().to_owned()),
            ..ApprovalFilter::default()
        };
        let scope = self.scope.clone();
        Ok(self.file.read(move |c| waiting(c, &scope, &filter, top, is_wanted)).await?)
    }
}

fn waiting(
    connection: &Connection,
    scope: &Scope,
    filter: &ApprovalFilter,
    top: usize,
    is_wanted: impl Fn(&GivenApproval) -> bool,
) -> rusqlite::Result<Vec<GivenApproval>> {
    let wanted = conditions(scope, filter, [i64::MIN, i64::MAX]);
    let ask = format!(
        "{}{} ORDER BY d.requested IS NULL, d.requested, d.organization, d.run, d.release, d.id",
        question(filter),
        wanted.text()
    );
    let mut ask = connection.prepare_cached(&ask)?;
    let mut rows = ask.query(params_from_iter(wanted.values))?;
    let mut found = Vec::new();
    while found.len() < top {
        let Some(row) = rows.next()? else { break };
        found.extend(Some(approval(row)?).filter(&is_wanted));
    }
    Ok(found)
}

fn page(
    connection: &Connection,
    scope: &Scope,
    filter: &ApprovalFilter,
    most: usize,
) -> rusqlite::Result<Listing<GivenApproval>> {
    let upto = filter.after.as_ref().and_then(|place| place.values().next());
    let upto = if let Some(Value::Integer(back)) = upto { back.saturating_neg() } else { i64::MAX };
    let ends =
        [end(connection, "approvals", filter, upto, most)?, end(connection, "release_approvals", filter, upto, most)?];
    let end = ends.into_iter().flatten().max();
    let top = filter.top.and_then(|top| usize::try_from(top).ok()).unwrap_or(usize::MAX);
    let mut items = between(connection, scope, filter, [end.unwrap_or(i64::MIN), upto])?;
    let is_more = items.len() > top;
    items.truncate(top);
    let next = if is_more { items.last().map(Placed::place) } else { end.map(Place::before_approvals_of) };
    // When those of other projects were asked for is not the reader's to know.
    let at = end.map(Time::from_ticks).filter(|_| *scope == Scope::All);
    let looked_to = end.filter(|_| items.len() < top).map(|_| LookedTo { run_id: None, at });
    Ok(Listing { items, next, looked_to })
}

/// The index of the list's order, and what is asked of it.
fn way(table: &str, filter: &ApprovalFilter) -> (String, &'static str) {
    match filter.status {
        Some(_) => (format!("{table}_status"), "a.status = ? COLLATE NOCASE AND "),
        None => (format!("{table}_at"), ""),
    }
}

fn values(filter: &ApprovalFilter, times: impl IntoIterator<Item = i64>) -> Vec<Value> {
    let status = filter.status.iter().map(|status| Value::Text(status.clone()));
    status.chain(times.into_iter().map(Value::Integer)).collect()
}

/// When the last one was asked for that is looked at; `None` where all can be. Those of the same time are looked at with it.
fn end(
    connection: &Connection,
    table: &str,
    filter: &ApprovalFilter,
    upto: i64,
    most: usize,
) -> rusqlite::Result<Option<i64>> {
    let (index, key) = way(table, filter);
    let ask = format!(
        "SELECT a.at FROM {table} a INDEXED BY {index} WHERE {key}a.at <= ? ORDER BY a.at DESC LIMIT 1 OFFSET {most}"
    );
    Ok(collect(connection, &ask, values(filter, [upto]), |row| row.get(0))?.pop())
}

/// Those that were asked for between these times, both included, and one more than was asked for, if there is one.
fn between(
    connection: &Connection,
    scope: &Scope,
    filter: &ApprovalFilter,
    times: [i64; 2],
) -> rusqlite::Result<Vec<GivenApproval>> {
    let wanted = wanted(scope, filter, times);
    let top = filter.top.map_or(-1, |top| i64::from(top) + 1);
    let ask = format!("{}{}{} LIMIT {top}", question(filter), wanted.text(), ordered::<GivenApproval>());
    collect(connection, &ask, wanted.values, approval)
}

fn counted(connection: &Connection, scope: &Scope, filter: &ApprovalFilter) -> rusqlite::Result<u64> {
    let wanted = wanted(scope, filter, [i64::MIN, i64::MAX]);
    let ask = format!("SELECT count(*) FROM ({}{})", question(filter), wanted.text());
    connection.prepare_cached(&ask)?.query_row(params_from_iter(wanted.values), |row| row.get(0))
}

/// What is asked of each on a page.
fn wanted(scope: &Scope, filter: &ApprovalFilter, times: [i64; 2]) -> Conditions {
    let mut wanted = conditions(scope, filter, times);
    if let Some(since) = filter.since {
        wanted.add("coalesce(d.decided, d.requested) >= ?", [Value::Integer(since.ticks())]);
    }
    wanted.add_after::<GivenApproval>(filter.after.as_ref());
    wanted
}

/// What is asked of each.
fn conditions(scope: &Scope, filter: &ApprovalFilter, times: [i64; 2]) -> Conditions {
    let mut wanted = Conditions::default();
    // Once for those of runs, and once for those of releases.
    wanted.values.extend(values(filter, times).into_iter().chain(values(filter, times)));
    add_place(&mut wanted, filter.organization.as_deref(), filter.project.as_deref());
    wanted.add_scope(scope, "d");
    wanted
}

fn question(filter: &ApprovalFilter) -> String {
    let ((of_run, key), (of_release, _)) = (way("approvals", filter), way("release_approvals", filter));
    format!(
        "SELECT d.organization, coalesce(project.name, d.project_name, nullif(d.project_id, '')), d.source, d.pipeline, \
           CASE d.source WHEN 'release' THEN d.pipeline_name ELSE pipeline.name END, d.run, d.run_name, d.release, \
           d.release_name, d.id, d.status, d.phase, d.stage, d.stage_attempt, d.requested, d.decided, d.approvers, \
           CASE d.source WHEN 'pipeline' THEN {} END, CASE d.source WHEN 'pipeline' THEN {} END \
         FROM (SELECT r.organization, r.project_id, r.project_name, 'pipeline' AS source, r.pipeline, \
             NULL AS pipeline_name, r.run, r.name AS run_name, NULL AS release, NULL AS release_name, a.id, a.status, \
             NULL AS phase, a.stage, a.stage_attempt, a.requested, a.decided, a.approvers \
           FROM approvals a INDEXED BY {of_run} CROSS JOIN runs r ON r.id = a.run WHERE {key}a.at BETWEEN ? AND ? \
           UNION ALL \
           SELECT c.organization, c.project_id, c.project_name, 'release', c.definition, c.definition_name, NULL, NULL, \
             c.release, c.name, a.id, a.status, a.phase, a.stage, a.stage_attempt, a.requested, a.decided, a.approvers \
           FROM release_approvals a INDEXED BY {of_release} CROSS JOIN releases c ON c.id = a.release \
           WHERE {key}a.at BETWEEN ? AND ?) d \
         LEFT JOIN names project ON project.kind = 'project' AND project.organization = d.organization \
           AND project.id = d.project_id \
         LEFT JOIN names pipeline ON pipeline.kind = 'pipeline' AND pipeline.organization = d.organization \
           AND pipeline.id = CAST(d.pipeline AS TEXT)",
        folder_of("d"),
        repository_of("d")
    )
}

fn approval(row: &Row<'_>) -> rusqlite::Result<GivenApproval> {
    Ok(GivenApproval {
        organization: row.get(0)?,
        project: row.get(1)?,
        source: row.get(2)?,
        pipeline: pipeline(row, 3)?,
        run_id: row.get(5)?,
        run_name: row.get(6)?,
        release_id: row.get(7)?,
        release_name: row.get(8)?,
        id: row.get(9)?,
        status: row.get(10)?,
        phase: row.get(11)?,
        stage: row.get(12)?,
        attempt: row.get(13)?,
        requested_at: time(row, 14)?,
        decided_at: time(row, 15)?,
        approvers: serde_json::from_str(row.get_ref(16)?.as_str()?).unwrap_or_default(),
        folder: row.get(17)?,
        repository: row.get(18)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROJECTS: [&str; 3] = ["shop", "store", "yard"];

    /// Of two organizations, three projects and three states; many of the same time, some of none.
    fn catalog() -> Connection {
        let c = Connection::open_in_memory().unwrap();
        c.execute_batch(include_str!("schema.sql")).unwrap();
        for at in 0..300_usize {
            let n = i64::try_from(at).unwrap();
            let (organization, project) = (["contoso", "fabrikam"][at % 2], PROJECTS[at / 2 % 3]);
            let status = ["approved", "pending", "rejected", "approved"][at * 7 % 4];
            let requested = Some(n * 31 % 97).filter(|_| n % 11 > 0);
            let (table, of, owner) =
                if n % 3 == 0 { ("release_approvals", "release", "releases") } else { ("approvals", "run", "runs") };
            let columns = if n % 3 == 0 { "project_id" } else { "pipeline, project_id" };
            let values = if n % 3 == 0 { "?3" } else { "7, ?3" };
            let insert =
                format!("INSERT INTO {owner} (id, {of}, organization, {columns}) VALUES (?1, ?1, ?2, {values})");
            c.execute(&insert, (n, organization, project)).unwrap();
            let insert = format!(
                "INSERT INTO {table} ({of}, id, status, requested, decided, approvers) VALUES (?, ?, ?, ?, ?, '[]')"
            );
            let decided = Some(n * 13 % 120).filter(|_| status != "pending" && n % 13 > 0);
            c.execute(&insert, (n, format!("a{}", n % 5), status, requested, decided)).unwrap();
        }
        c
    }

    fn filter(n: usize) -> (Scope, ApprovalFilter) {
        let text = |text: &str, every: usize| Some(text.to_owned()).filter(|_| n.is_multiple_of(every));
        let filter = ApprovalFilter {
            organization: text("Fabrikam", 3),
            project: text(PROJECTS[n % 3], 4),
            status: text(["pending", "APPROVED", "unheardOf"][n / 2 % 3], 2),
            since: Some(Time::from_ticks(60)).filter(|_| n.is_multiple_of(5)),
            top: Some(1 + u32::try_from(n).unwrap() % 23),
            after: None,
        };
        let seen = Scope::Only(vec!["shop".parse().unwrap(), "contoso/yard".parse().unwrap()]);
        (if n.is_multiple_of(3) { seen } else { Scope::All }, filter)
    }

    #[test]
    fn whoever_looks_on_to_the_end_finds_each_approval_once() {
        let c = catalog();
        let (mut empty, mut full) = (0, 0);
        for n in 0..240 {
            let (scope, mut filter) = filter(n);
            let whole = ApprovalFilter { top: None, ..filter.clone() };
            let plain = page(&c, &scope, &whole, 1_000).unwrap();
            assert!(plain.next.is_none() && plain.looked_to.is_none());
            let mut found = Vec::new();
            loop {
                let page = page(&c, &scope, &filter, 1 + n % 40).unwrap();
                (empty, full) = (empty + u32::from(page.items.is_empty()), full + u32::from(page.looked_to.is_none()));
                found.extend(page.items);
                let Some(next) = page.next else { break };
                assert_ne!(filter.after, Some(next.clone()), "a page leads on");
                filter.after = Some(next);
            }
            assert_eq!(found, plain.items, "{n}: {filter:?} {scope:?}");
            assert_eq!(counted(&c, &scope, &whole).unwrap(), found.len() as u64, "{n}: {filter:?} {scope:?}");
            let looked_to = |scope| page(&c, scope, &ApprovalFilter::default(), 10).unwrap().looked_to.unwrap().at;
            assert_eq!((looked_to(&scope).is_some(), looked_to(&Scope::All).is_some()), (scope == Scope::All, true));
        }
        assert!(empty > 100 && full > 300, "{empty} {full}");
    }

    #[test]
    fn who_waits_longest_comes_first_whoever_else_waits() {
        let c = catalog();
        let pending = ApprovalFilter { status: Some("pending".to_owned()), ..ApprovalFilter::default() };
        let waiting = |top, id: &'static str| {
            let is_wanted = move |approval: &GivenApproval| approval.id == id;
            super::waiting(&c, &Scope::All, &pending, top, is_wanted).unwrap()
        };
        let all = waiting(1_000, "a3");
        assert!(all.len() > 10 && all.iter().all(|one| one.status == "pending"));
        assert!(all.iter().is_sorted_by_key(|one| (one.requested_at.is_none(), one.requested_at)));
        assert_eq!(waiting(4, "a3"), all[..4], "those that are not wanted take no room");
        let shop = Scope::Only(vec!["shop".parse().unwrap()]);
        let seen = super::waiting(&c, &shop, &pending, 1_000, |_| true).unwrap();
        assert!(!seen.is_empty() && seen.iter().all(|one| one.project.as_deref() == Some("shop")));
    }
}
