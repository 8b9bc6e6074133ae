//! Pushes, and pull requests that were merged: from records to rows and from rows to what metrics are counted from.

use std::collections::BTreeSet;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params};

use super::{MOST_NAMES, PUSHED_BEFORE, Reading, project_of, time};
use crate::catalog::references::Source as RecordSource;
use crate::domain::changes::ShownChanges;
use crate::domain::metrics::{Map, MergedRequest, Name, Set, Update};
use crate::domain::pull_request::ShownPullRequest;
use crate::domain::push::ShownPush;
use crate::domain::{Said, ShownCommit, Time, commit_id};

pub(in crate::catalog) fn write_ref_updates(
    c: &Connection,
    source: &RecordSource,
    push: &ShownPush,
) -> rusqlite::Result<()> {
    c.prepare_cached("DELETE FROM ref_updates WHERE source = ?1")?.execute([&source.key])?;
    // What has no time is found by nobody.
    let Some(pushed) = push.pushed else { return Ok(()) };
    let insert = "INSERT OR REPLACE INTO ref_updates (name, pushed, source, organization, project_id, project_name, \
                    repository, old, new, commits) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let mut insert = c.prepare_cached(insert)?;
    let commits = made(&push.commits);
    for update in &push.refs {
        let id = |text: &Option<String>| text.as_deref().and_then(commit_id);
        // A branch that was removed leads nowhere.
        let Some(new) = id(&update.new) else { continue };
        insert.execute(params![
            update.name,
            pushed.ticks(),
            source.key,
            source.organization,
            push.project_id,
            push.project_name.as_ref().map(|Said(_, name)| name),
            push.repository,
            id(&update.old),
            new,
            commits,
        ])?;
    }
    Ok(())
}

/// The commits, and when each was made.
fn made(commits: &[ShownCommit]) -> String {
    let commits: Vec<_> = commits.iter().map(|of| (&of.id, of.commit.at.map(Time::ticks))).collect();
    serde_json::json!(commits).to_string()
}

pub(in crate::catalog) fn write_compared(
    c: &Connection,
    source: &RecordSource,
    changes: &ShownChanges,
) -> rusqlite::Result<()> {
    c.prepare_cached("DELETE FROM compared WHERE source = ?1")?.execute([&source.key])?;
    let mut insert = c.prepare_cached("INSERT INTO compared (source, since, commits) VALUES (?1, ?2, ?3)")?;
    changes
        .compared
        .iter()
        .try_for_each(|(since, commits)| insert.execute(params![source.key, since, made(commits)]).map(drop))
}

pub(in crate::catalog) fn write_pull_request_commits(
    c: &Connection,
    source: &RecordSource,
    shown: &ShownPullRequest,
) -> rusqlite::Result<()> {
    c.prepare_cached("DELETE FROM pull_request_commits WHERE source = ?1")?.execute([&source.key])?;
    let mut insert = c.prepare_cached("INSERT INTO pull_request_commits (source, id) VALUES (?1, ?2)")?;
    let mut current = shown.sources.iter().filter(|commit| commit.is_current);
    current.try_for_each(|commit| insert.execute([&source.key, &commit.id]).map(drop))
}

impl Reading<'_> {
    /// Pushes to the branches that were deployed, and the pull requests that these merged.
    pub(super) fn code(&mut self) -> rusqlite::Result<()> {
        let Some(first) = self.found.deployments.iter().map(|of| of.finished).min() else { return Ok(()) };
        let since = first.minus(PUSHED_BEFORE);
        let branches: BTreeSet<Name> = self.found.deployments.iter().filter_map(|of| of.branch.clone()).collect();
        for branch in branches.iter().take(MOST_NAMES) {
            self.updates(branch, since)?;
        }
        self.requests(since)?;
        self.reported_code(first)
    }

    fn updates(&mut self, branch: &Name, since: Time) -> rusqlite::Result<()> {
        let mut wanted = self.wanted("u");
        wanted.add("u.name = ?", [Value::Text(branch.to_string())]);
        let times = [since, self.span.until].map(|time| Value::Integer(time.ticks()));
        wanted.add("u.pushed >= ? AND u.pushed < ?", times);
        let ask = format!(
            "SELECT u.organization, u.repository, u.old, u.new, u.commits FROM ref_updates u {}{} \
             ORDER BY u.pushed, u.source",
            project_of("u"),
            wanted.text()
        );
        let deployed = self.repositories();
        let mut small: Map<Name, Name> = Map::default();
        self.each(&ask, wanted.values, |this, row| {
            let in_small = |name: Name| small.entry(name).or_insert_with_key(|name| name.to_lowercase().into()).clone();
            let repository = this.maybe(row, 1)?.map(in_small);
            let is_deployed = |name: &Name| deployed.as_ref().is_none_or(|all| all.contains(&**name));
            if !repository.as_ref().is_none_or(is_deployed) {
                return Ok(());
            }
            let update = Update {
                organization: this.text(row, 0)?,
                repository,
                branch: branch.clone(),
                old: this.maybe(row, 2)?,
                new: this.text(row, 3)?,
                commits: this.commits(row.get_ref(4)?.as_str()?),
            };
            this.found.updates.push(update);
            Ok(())
        })
    }

    /// Those that were deployed, in small letters; `None` where some are not known: then it may be any.
    fn repositories(&self) -> Option<Set<String>> {
        let names = self.found.deployments.iter().map(|of| of.repository.as_ref().map(|name| name.to_lowercase()));
        names.collect()
    }

    /// The commits of a push, and when they were made.
    pub(super) fn commits(&mut self, json: &str) -> Vec<Name> {
        let told: Vec<(&str, Option<i64>)> = serde_json::from_str(json).unwrap_or_default();
        let mut commits = Vec::with_capacity(told.len());
        for (id, at) in told {
            let id = self.name(id);
            if let Some(at) = at {
                self.found.commits.insert(id.clone(), Time::from_ticks(at));
            }
            commits.push(id);
        }
        commits
    }

    /// A commit, and when it was made.
    fn commit(&mut self, row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Name>> {
        let (id, at) = (self.maybe(row, column)?, row.get::<_, Option<i64>>(column + 1)?);
        if let (Some(id), Some(at)) = (&id, at) {
            self.found.commits.insert(id.clone(), Time::from_ticks(at));
        }
        Ok(id)
    }

    fn requests(&mut self, since: Time) -> rusqlite::Result<()> {
        let mut wanted = self.wanted("p");
        let times = [since, self.span.until].map(|time| Value::Integer(time.ticks()));
        wanted.add("p.closed >= ? AND p.closed < ? AND p.merge_commit IS NOT NULL", times);
        let ask = format!(
            "SELECT p.source, p.organization, p.id, p.title, p.source_branch, p.created, p.first_approved, \
               p.merge_commit, m.id, (SELECT max(c.at) FROM commits c WHERE c.id = m.id AND c.organization = p.organization) \
             FROM pull_requests p LEFT JOIN pull_request_commits m ON m.source = p.source {}{} \
             ORDER BY p.source",
            project_of("p"),
            wanted.text()
        );
        let mut last = String::new();
        self.each(&ask, wanted.values, |this, row| {
            let source = row.get_ref(0)?.as_str()?;
            if source != last {
                source.clone_into(&mut last);
                let request = this.request(row)?;
                this.found.requests.push(request);
            }
            let commit = this.commit(row, 8)?;
            if let Some(request) = this.found.requests.last_mut() {
                request.commits.extend(commit);
            }
            Ok(())
        })
    }

    fn request(&mut self, row: &Row<'_>) -> rusqlite::Result<MergedRequest> {
        Ok(MergedRequest {
            organization: self.text(row, 1)?,
            number: row.get(2)?,
            title: self.maybe(row, 3)?,
            source: self.maybe(row, 4)?,
            created: time(row, 5)?,
            approved: time(row, 6)?,
            merge: self.text(row, 7)?,
            commits: Vec::new(),
        })
    }
}
