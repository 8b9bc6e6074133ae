//! Pushes, and pull requests that were merged: from records to rows and from rows to what metrics are counted from.

use rusqlite::{Connection, params};

use super::blocks::{Owner, Words};
use super::{PUSHED_BEFORE, Reading};
use crate::catalog::packed::{self, Kind, Made, Push, Pushes, Request, Requests};
use crate::catalog::references::Source as RecordSource;
use crate::domain::changes::ShownChanges;
use crate::domain::metrics::{Commit, Map, MergedRequest, Name, Set, Update};
use crate::domain::pull_request::ShownPullRequest;
use crate::domain::push::ShownPush;
use crate::domain::{Said, ShownCommit, Time, commit_id};

pub(in crate::catalog) fn write_ref_updates(
    c: &Connection,
    source: &RecordSource,
    push: &ShownPush,
) -> rusqlite::Result<()> {
    remove_ref_updates(c, source)?;
    // What has no time is found by nobody.
    let Some(pushed) = push.pushed else { return Ok(()) };
    packed::loosen_day(c, Kind::Pushes, Some(pushed.ticks()))?;
    let insert = "INSERT OR REPLACE INTO ref_updates (name, pushed, source, organization, project_id, project_name, \
                    repository, old, new, commits) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let mut insert = c.prepare_cached(insert)?;
    let commits = told(&push.commits);
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

pub(in crate::catalog) fn remove_ref_updates(c: &Connection, source: &RecordSource) -> rusqlite::Result<()> {
    let mut remove = c.prepare_cached("DELETE FROM ref_updates WHERE source = ?1 RETURNING pushed")?;
    let removed: rusqlite::Result<Vec<i64>> = remove.query_map([&source.key], |row| row.get(0))?.collect();
    removed?.into_iter().try_for_each(|pushed| packed::loosen_day(c, Kind::Pushes, Some(pushed)))
}

/// The commits, and when each was made.
fn told(commits: &[ShownCommit]) -> String {
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
        .try_for_each(|(since, commits)| insert.execute(params![source.key, since, told(commits)]).map(drop))
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

/// Names of repositories, in small letters.
struct Repositories {
    /// `None` where some are not known: then it may be any.
    deployed: Option<Set<String>>,
    small: Map<Name, Name>,
}

impl Repositories {
    fn in_small(&mut self, name: Name) -> Name {
        self.small.entry(name).or_insert_with_key(|name| name.to_lowercase().into()).clone()
    }

    /// Whether something of this one may have been deployed.
    fn hold(&self, name: Option<&Name>) -> bool {
        let is_deployed = |name: &Name| self.deployed.as_ref().is_none_or(|all| all.contains(&**name));
        name.is_none_or(is_deployed)
    }
}

impl Reading<'_> {
    /// Pushes to the branches that were deployed, and the pull requests that these merged.
    pub(super) fn code(&mut self) -> rusqlite::Result<()> {
        let Some(first) = self.found.deployments.iter().map(|of| of.finished).min() else { return Ok(()) };
        let since = first.minus(PUSHED_BEFORE);
        self.updates((since, self.span.until))?;
        self.requests((since, self.span.until))?;
        self.reported_code(first)
    }

    fn updates(&mut self, times: (Time, Time)) -> rusqlite::Result<()> {
        let branches: Set<Name> = self.found.deployments.iter().filter_map(|of| of.branch.clone()).collect();
        let mut repositories = self.repositories();
        packed::each(self.c, Kind::Pushes, times, |bytes| {
            let rows: Pushes<&str, &[u8]> = packed::unpacked(bytes)?;
            let mut words = Words::new(rows.texts, rows.commits);
            for (branch, pushes) in rows.branches {
                let Some(branch) = words.text(branch).and_then(|branch| branches.get(branch)) else { continue };
                let pushes: Vec<Push> = packed::unpacked(pushes)?;
                for push in pushes.iter().filter(|push| is_within(push.pushed, times)) {
                    self.update(&mut words, push, branch, &mut repositories);
                }
            }
            Ok(())
        })
    }

    fn update(&mut self, words: &mut Words<'_>, push: &Push, branch: &Name, repositories: &mut Repositories) {
        let Push { organization, project_id, project_name, .. } = *push;
        if !self.may_see(words, Owner { organization, project_id, project_name }) {
            return;
        }
        let repository = self.word(words, push.repository).map(|name| repositories.in_small(name));
        if !repositories.hold(repository.as_ref()) {
            return;
        }
        let (organization, new) = (self.word(words, organization), words.commit(push.new));
        let (Some(organization), Some(new)) = (organization, new) else { return };
        let old = words.commit(push.old);
        let commits = self.made(words, &push.commits);
        self.found.updates.push(Update { organization, repository, branch: branch.clone(), old, new, commits });
    }

    /// Commits, and when they were made.
    fn made(&mut self, words: &mut Words<'_>, commits: &[Made]) -> Vec<Commit> {
        let mut found = Vec::with_capacity(commits.len());
        for (id, at) in commits {
            let Some(id) = words.commit(*id) else { continue };
            if let Some(at) = at {
                self.found.commits.insert(id.clone(), Time::from_ticks(*at));
            }
            found.push(id);
        }
        found
    }

    fn repositories(&self) -> Repositories {
        let names = self.found.deployments.iter().map(|of| of.repository.as_ref().map(|name| name.to_lowercase()));
        Repositories { deployed: names.collect(), small: Map::default() }
    }

    /// The commits of a push, and when they were made.
    pub(super) fn commits(&mut self, json: &str) -> Vec<Commit> {
        let told: Vec<(&str, Option<i64>)> = serde_json::from_str(json).unwrap_or_default();
        let mut commits = Vec::with_capacity(told.len());
        for (id, at) in told {
            let id = Commit::from(id);
            if let Some(at) = at {
                self.found.commits.insert(id.clone(), Time::from_ticks(at));
            }
            commits.push(id);
        }
        commits
    }

    fn requests(&mut self, times: (Time, Time)) -> rusqlite::Result<()> {
        packed::each(self.c, Kind::Requests, times, |bytes| {
            let rows: Requests<&str> = packed::unpacked(bytes)?;
            let mut words = Words::new(rows.texts, rows.commits);
            for of in rows.requests.iter().filter(|request| is_within(request.closed, times)) {
                let Request { organization, project_id, project_name, .. } = *of;
                if self.may_see(&mut words, Owner { organization, project_id, project_name }) {
                    self.request(&mut words, of);
                }
            }
            Ok(())
        })
    }

    fn request(&mut self, words: &mut Words<'_>, of: &Request) {
        let (organization, merge) = (self.word(words, of.organization), words.commit(of.merge));
        let (Some(organization), Some(merge)) = (organization, merge) else { return };
        let request = MergedRequest {
            organization,
            number: of.number,
            // Hardly any two have the same.
            title: words.text(of.title).map(Name::from),
            source: words.text(of.source).map(Name::from),
            created: of.created.map(Time::from_ticks),
            approved: of.approved.map(Time::from_ticks),
            merge,
            commits: self.made(words, &of.commits),
        };
        self.found.requests.push(request);
    }
}

fn is_within(at: i64, (from, until): (Time, Time)) -> bool {
    (from..until).contains(&Time::from_ticks(at))
}
