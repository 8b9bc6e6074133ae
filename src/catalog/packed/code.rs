//! Pushes and pull requests.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::texts::{Commit, Text, Texts};
use super::{Packed, bytes};

/// A commit, and when it was made.
pub(in crate::catalog) type Made = (Commit, Option<i64>);

/// The pushes of a day. `T` and `B` as in a block of runs.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::catalog) struct Pushes<T, B> {
    pub(in crate::catalog) texts: Vec<T>,
    pub(in crate::catalog) commits: B,
    /// By the branch, [`Push`]es in the order in which they came.
    pub(in crate::catalog) branches: Vec<(Text, B)>,
}

/// That a push moved a branch.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::catalog) struct Push {
    pub(in crate::catalog) pushed: i64,
    pub(in crate::catalog) organization: Text,
    pub(in crate::catalog) project_id: Text,
    pub(in crate::catalog) project_name: Text,
    pub(in crate::catalog) repository: Text,
    pub(in crate::catalog) old: Commit,
    pub(in crate::catalog) new: Commit,
    /// Mostly one.
    pub(in crate::catalog) commits: SmallVec<[Made; 1]>,
}

/// The pull requests that were closed on a day, and merged.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::catalog) struct Requests<T, B> {
    pub(in crate::catalog) texts: Vec<T>,
    pub(in crate::catalog) commits: B,
    pub(in crate::catalog) requests: Vec<Request>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::catalog) struct Request {
    pub(in crate::catalog) closed: i64,
    pub(in crate::catalog) organization: Text,
    pub(in crate::catalog) project_id: Text,
    pub(in crate::catalog) project_name: Text,
    pub(in crate::catalog) number: u64,
    pub(in crate::catalog) title: Text,
    pub(in crate::catalog) source: Text,
    pub(in crate::catalog) created: Option<i64>,
    pub(in crate::catalog) approved: Option<i64>,
    pub(in crate::catalog) merge: Commit,
    /// That it was made of.
    pub(in crate::catalog) commits: Vec<Made>,
}

const PUSHES: &str = "SELECT name, pushed, organization, project_id, project_name, repository, old, new, commits \
                      FROM ref_updates WHERE pushed >= ?1 AND pushed < ?2 ORDER BY pushed, source";
const REQUESTS: &str = "SELECT p.source, p.closed, p.organization, p.project_id, p.project_name, p.id, p.title, \
                          p.source_branch, p.created, p.first_approved, p.merge_commit, m.id, \
                          (SELECT max(c.at) FROM commits c WHERE c.id = m.id AND c.organization = p.organization) \
                        FROM pull_requests p INDEXED BY pull_requests_closed \
                        LEFT JOIN pull_request_commits m ON m.source = p.source \
                        WHERE p.closed >= ?1 AND p.closed < ?2 AND p.merge_commit IS NOT NULL ORDER BY p.source";

pub(super) fn pack_pushes(c: &Connection, from: i64, until: i64) -> rusqlite::Result<Option<Packed>> {
    let mut texts = Texts::new();
    let mut branches: BTreeMap<Text, Vec<Push>> = BTreeMap::new();
    let mut ask = c.prepare_cached(PUSHES)?;
    let mut rows = ask.query(params![from, until])?;
    while let Some(row) = rows.next()? {
        let commits: Vec<(&str, Option<i64>)> = serde_json::from_str(row.get_ref(8)?.as_str()?).unwrap_or_default();
        let branch = texts.text(row, 0)?;
        branches.entry(branch).or_default().push(Push {
            pushed: row.get(1)?,
            organization: texts.text(row, 2)?,
            project_id: texts.text(row, 3)?,
            project_name: texts.text(row, 4)?,
            repository: texts.text(row, 5)?,
            old: texts.commit(row, 6)?,
            new: texts.commit(row, 7)?,
            commits: commits.into_iter().map(|(id, made)| (texts.commit_called(id), made)).collect(),
        });
    }
    if branches.is_empty() {
        return Ok(None);
    }
    let times: Vec<_> = branches.values().flatten().map(|push| push.pushed).collect();
    let branches =
        branches.iter().map(|(branch, pushes)| Ok((*branch, bytes(pushes)?))).collect::<rusqlite::Result<_>>();
    let (texts, commits) = texts.into_all();
    Packed::new(&Pushes { texts, commits, branches: branches? }, times.into_iter()).map(Some)
}

pub(super) fn pack_requests(c: &Connection, from: i64, until: i64) -> rusqlite::Result<Option<Packed>> {
    let mut texts = Texts::new();
    let mut requests: Vec<Request> = Vec::new();
    let mut last = String::new();
    let mut ask = c.prepare_cached(REQUESTS)?;
    let mut rows = ask.query(params![from, until])?;
    while let Some(row) = rows.next()? {
        let source = row.get_ref(0)?.as_str()?;
        if source != last {
            source.clone_into(&mut last);
            requests.push(Request {
                closed: row.get(1)?,
                organization: texts.text(row, 2)?,
                project_id: texts.text(row, 3)?,
                project_name: texts.text(row, 4)?,
                number: row.get(5)?,
                title: texts.text(row, 6)?,
                source: texts.text(row, 7)?,
                created: row.get(8)?,
                approved: row.get(9)?,
                merge: texts.commit(row, 10)?,
                commits: Vec::new(),
            });
        }
        let commit = texts.commit(row, 11)?;
        if let Some(request) = requests.last_mut().filter(|_| commit > 0) {
            request.commits.push((commit, row.get(12)?));
        }
    }
    if requests.is_empty() {
        return Ok(None);
    }
    let times: Vec<_> = requests.iter().map(|request| request.closed).collect();
    let (texts, commits) = texts.into_all();
    Packed::new(&Requests { texts, commits, requests }, times.into_iter()).map(Some)
}
