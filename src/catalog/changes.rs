//! Commits, pull requests and work items, each with all that is linked to it.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::links::{Linked, Walk};
use super::query::{collect, time};
use super::rows::{
    CommitDetail, Link, LinkEnd, LinkKind, PullRequestDetail, Push, Vote, WorkItemDetail, WorkItemState,
};
use super::seen::Seen;
use super::{Catalog, CatalogError};
use crate::domain::link::{Certainty, Node, Rule};
use crate::domain::{BranchPattern, Scope, Time};

/// So many commits that begin alike are told apart; it is an error to have more than one.
const MOST_ALIKE: usize = 10;

impl Catalog {
    /// The commits whose ids begin so.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn commits(
        &self,
        prefix: &str,
        organization: Option<&str>,
        patterns: &[BranchPattern],
    ) -> Result<Vec<CommitDetail>, CatalogError> {
        let (prefix, patterns) = (prefix.to_lowercase(), patterns.to_vec());
        let (organization, scope) = (organization.map(str::to_lowercase), self.scope.clone());
        let act = move |c: &Connection| {
            let found = commit_ids(c, &prefix, organization.as_deref(), &scope)?;
            found.into_iter().map(|(organization, id)| commit(c, (organization, id), &patterns, &scope)).collect()
        };
        Ok(self.file.read(act).await?)
    }

    /// The pull requests with this id: several when several organizations have one. Where none
    /// was told of, those that only others tell of.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn pull_requests(
        &self,
        id: u64,
        organization: Option<&str>,
        patterns: &[BranchPattern],
    ) -> Result<Vec<PullRequestDetail>, CatalogError> {
        let (values, patterns) = (by_id(id, organization), patterns.to_vec());
        let ask = "SELECT p.organization, coalesce(project.name, p.project_name, p.project_id), p.id, p.repository, p.title, \
                     p.status, p.merge_status, p.source_branch, p.target_branch, p.created_by, p.created, p.first_approved, \
                     p.closed, p.merge_commit, p.votes, p.url, p.source \
                   FROM pull_requests p \
                   LEFT JOIN names project ON project.kind = 'project' AND project.organization = p.organization AND project.id = p.project_id \
                   WHERE p.id = ?1 AND (?2 IS NULL OR p.organization = ?2) ORDER BY p.organization, p.source";
        let scope = self.scope.clone();
        let act = move |c: &Connection| {
            let read = |row: &Row<'_>| Ok((row.get(16)?, pull_request(row)?));
            let mut found = shown(Seen { connection: c, scope: &scope }, collect(c, ask, values.clone(), read)?)?;
            let node = Node::PullRequest(id);
            if found.is_empty() {
                let others = named_by_others(c, &node, &values)?.into_iter();
                found.extend(others.map(|organization| only_named_pull_request(organization, id)));
            }
            let linked = |one: PullRequestDetail| {
                let walk = Walk { connection: c, organization: &one.organization, patterns: &patterns, scope: &scope };
                let Linked { links, truncated } = walk.links(&node)?;
                Ok(PullRequestDetail { links, links_truncated: truncated, ..one })
            };
            let all = found.into_iter().map(linked).collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(all.into_iter().filter(|one| one.held || !one.links.is_empty()).collect())
        };
        Ok(self.file.read(act).await?)
    }

    /// The work items with this id: several when several organizations have one. Where none
    /// was told of, those that only others tell of.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn work_items(
        &self,
        id: u64,
        organization: Option<&str>,
        patterns: &[BranchPattern],
    ) -> Result<Vec<WorkItemDetail>, CatalogError> {
        let (values, patterns) = (by_id(id, organization), patterns.to_vec());
        let ask = "SELECT organization, project, id, type, title, state, reason, assigned_to, area, iteration, parent, \
                     created, states, url, source \
                   FROM work_items WHERE id = ?1 AND (?2 IS NULL OR organization = ?2) ORDER BY organization, source";
        let scope = self.scope.clone();
        let act = move |c: &Connection| {
            let read = |row: &Row<'_>| Ok((row.get(14)?, work_item(row)?));
            let mut found = shown(Seen { connection: c, scope: &scope }, collect(c, ask, values.clone(), read)?)?;
            let node = Node::WorkItem(id);
            if found.is_empty() {
                let others = named_by_others(c, &node, &values)?.into_iter();
                found.extend(others.map(|organization| only_named_work_item(organization, id)));
            }
            let linked = |one: WorkItemDetail| {
                let walk = Walk { connection: c, organization: &one.organization, patterns: &patterns, scope: &scope };
                let Linked { links, truncated } = walk.links(&node)?;
                Ok(WorkItemDetail { links, links_truncated: truncated, ..one })
            };
            let all = found.into_iter().map(linked).collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(all.into_iter().filter(|one| one.held || !one.links.is_empty()).collect())
        };
        Ok(self.file.read(act).await?)
    }
}

/// The organizations in which anything refers to it. Whether that holds is seen only by who follows it: the numbers of
/// a branch refer to work items, and most of them are none.
fn named_by_others(connection: &Connection, node: &Node, by_id: &[Value]) -> rusqlite::Result<Vec<String>> {
    let ask = "SELECT organization FROM refs \
                 WHERE cause = ?1 AND cause_kind = ?2 AND (?3 IS NULL OR organization = ?3) \
               UNION SELECT organization FROM refs \
                 WHERE effect = ?1 AND effect_kind = ?2 AND (?3 IS NULL OR organization = ?3) ORDER BY 1";
    let organization = by_id.last().cloned().unwrap_or(Value::Null);
    let values = vec![Value::Text(node.value()), Value::Text(node.kind().to_owned()), organization];
    collect(connection, ask, values, |row| row.get(0))
}

fn only_named_pull_request(organization: String, id: u64) -> PullRequestDetail {
    PullRequestDetail { organization, pull_request_id: id, ..PullRequestDetail::default() }
}

fn only_named_work_item(organization: String, id: u64) -> WorkItemDetail {
    WorkItemDetail { organization, work_item_id: id, ..WorkItemDetail::default() }
}

/// Those that may be seen, of rows with the keys of their records.
fn shown<T>(seen: Seen<'_>, found: Vec<(String, T)>) -> rusqlite::Result<Vec<T>> {
    let mut shown = Vec::new();
    for (source, one) in found {
        if seen.holds_source(&source)? {
            shown.push(one);
        }
    }
    Ok(shown)
}

fn by_id(id: u64, organization: Option<&str>) -> Vec<Value> {
    let organization = organization.map_or(Value::Null, |name| Value::Text(name.to_lowercase()));
    vec![Value::Integer(i64::try_from(id).unwrap_or(-1)), organization]
}

/// Organization and id of the commits that anything is known of.
fn commit_ids(
    connection: &Connection,
    prefix: &str,
    organization: Option<&str>,
    scope: &Scope,
) -> rusqlite::Result<Vec<(String, String)>> {
    let ask = "SELECT organization, id FROM commits WHERE id >= ?1 AND id < ?2 AND (?3 IS NULL OR organization = ?3) \
         UNION SELECT organization, cause FROM refs \
           WHERE cause >= ?1 AND cause < ?2 AND cause_kind = 'commit' AND (?3 IS NULL OR organization = ?3) \
         UNION SELECT organization, effect FROM refs \
           WHERE effect >= ?1 AND effect < ?2 AND effect_kind = 'commit' AND (?3 IS NULL OR organization = ?3) \
         ORDER BY 1, 2";
    let organization = organization.map_or(Value::Null, |name| Value::Text(name.to_owned()));
    let values = vec![Value::Text(prefix.to_owned()), Value::Text(format!("{prefix}\u{10ffff}")), organization];
    let mut ask = connection.prepare_cached(ask)?;
    let mut rows = ask.query(params_from_iter(values))?;
    let seen = Seen { connection, scope };
    let mut found = Vec::new();
    while let Some(row) = rows.next()?.filter(|_| found.len() < MOST_ALIKE) {
        let (organization, id): (String, String) = (row.get(0)?, row.get(1)?);
        if seen.shows(&organization, &Node::Commit(id.clone()))? {
            found.push((organization, id));
        }
    }
    Ok(found)
}

fn commit(
    connection: &Connection,
    (organization, id): (String, String),
    patterns: &[BranchPattern],
    scope: &Scope,
) -> rusqlite::Result<CommitDetail> {
    let seen = Seen { connection, scope };
    let source = seen.commit_source(&organization, &id)?;
    let values = vec![Value::Text(id.clone()), source.map_or(Value::Null, Value::Text)];
    let ask = "SELECT repository, author, message, at FROM commits WHERE id = ?1 AND source = ?2";
    let told = collect(connection, ask, values, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, time(row, 3)?)))?;
    let (repository, author, message, committed_at) = told.into_iter().next().unwrap_or_default();
    let values = vec![Value::Text(id.clone()), Value::Text(organization.clone())];
    let ask = "SELECT p.push, p.refs, p.pushed_by, p.pushed, p.source, \
                 coalesce(project.name, p.project_name, p.project_id), p.repository FROM commits c \
               JOIN pushes p ON p.source = c.source \
               LEFT JOIN names project ON project.kind = 'project' AND project.organization = p.organization \
                 AND project.id = p.project_id \
               WHERE c.id = ?1 AND c.organization = ?2 ORDER BY p.pushed, p.push LIMIT 50";
    let pushes = shown(seen, collect(connection, ask, values, |row| Ok((row.get(4)?, push(row)?)))?)?;
    let walk = Walk { connection, organization: &organization, patterns, scope };
    let Linked { links, truncated: links_truncated } = walk.links(&Node::Commit(id.clone()))?;
    Ok(CommitDetail {
        about: about(&walk, &links)?,
        commit: id,
        repository,
        author,
        message,
        committed_at,
        pushes,
        links,
        links_truncated,
        organization,
    })
}

/// What a commit is about: a part of a pull request is about what that is about.
fn about(walk: &Walk<'_>, links: &[Link]) -> rusqlite::Result<Vec<Link>> {
    let mut about: Vec<Link> = links.iter().filter(|link| link.direction == LinkKind::Before).cloned().collect();
    let is_whole = |link: &&Link| link.direction == LinkKind::After && link.rule == Rule::PullRequestCommit.as_str();
    for whole in links.iter().filter(is_whole).filter(|link| link.steps == 1) {
        let Some(node) = Node::of(whole.kind, &whole.id) else { continue };
        let items = walk.links(&node)?.links.into_iter().filter(|link| link.kind == "workItem");
        let items = items.filter(|link| link.direction == LinkKind::Before).map(|link| behind(whole, link));
        let whole = Link { direction: LinkKind::Before, ..whole.clone() };
        for link in [whole].into_iter().chain(items) {
            if !about.iter().any(|known| known.kind == link.kind && known.id == link.id) {
                about.push(link);
            }
        }
    }
    Ok(about)
}

/// The same, seen from one step before `near`.
fn behind(near: &Link, link: Link) -> Link {
    let via = link.via.or_else(|| Some(LinkEnd { kind: near.kind, id: near.id.clone() }));
    let certainty = if near.certainty == link.certainty { link.certainty } else { Certainty::Likely.as_str() };
    Link { via, certainty, steps: link.steps + 1, ..link }
}

fn push(row: &Row<'_>) -> rusqlite::Result<Push> {
    Ok(Push {
        push_id: row.get(0)?,
        project: row.get(5)?,
        repository: row.get(6)?,
        refs: serde_json::from_str(row.get_ref(1)?.as_str()?).unwrap_or_default(),
        pushed_by: row.get(2)?,
        pushed_at: time(row, 3)?,
    })
}

fn pull_request(row: &Row<'_>) -> rusqlite::Result<PullRequestDetail> {
    Ok(PullRequestDetail {
        organization: row.get(0)?,
        project: row.get(1)?,
        pull_request_id: row.get(2)?,
        repository: row.get(3)?,
        title: row.get(4)?,
        status: row.get(5)?,
        merge_status: row.get(6)?,
        source: row.get(7)?,
        target: row.get(8)?,
        created_by: row.get(9)?,
        created_at: time(row, 10)?,
        first_approved_at: time(row, 11)?,
        closed_at: time(row, 12)?,
        merge_commit: row.get(13)?,
        votes: serde_json::from_str::<Vec<Vote>>(row.get_ref(14)?.as_str()?).unwrap_or_default(),
        url: row.get(15)?,
        held: true,
        links: Vec::new(),
        links_truncated: false,
    })
}

fn work_item(row: &Row<'_>) -> rusqlite::Result<WorkItemDetail> {
    let states: Vec<(String, Option<i64>)> = serde_json::from_str(row.get_ref(12)?.as_str()?).unwrap_or_default();
    let state = |(state, since): (String, Option<i64>)| WorkItemState { state, since: since.map(Time::from_ticks) };
    Ok(WorkItemDetail {
        organization: row.get(0)?,
        project: row.get(1)?,
        work_item_id: row.get(2)?,
        kind: row.get(3)?,
        title: row.get(4)?,
        state: row.get(5)?,
        reason: row.get(6)?,
        assigned_to: row.get(7)?,
        area: row.get(8)?,
        iteration: row.get(9)?,
        parent: row.get(10)?,
        created_at: time(row, 11)?,
        states: states.into_iter().map(state).collect(),
        url: row.get(13)?,
        held: true,
        links: Vec::new(),
        links_truncated: false,
    })
}
