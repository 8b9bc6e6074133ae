//! Pushes, and pull requests that were merged: from records to rows and from rows to what metrics are counted from.

use rusqlite::{Connection, params};

use super::words::{Owner, Word, Words};
use super::{PUSHED_BEFORE, Reading};
use crate::catalog::packed::{self, Kind, Made, Push, Pushes, Request, Requests, Text};
use crate::catalog::references::Source as RecordSource;
use crate::domain::changes::ShownChanges;
use crate::domain::metrics::{Branch, Commit, Few, Map, Material, MergedRequest, Name, Set, Title, Update};
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
        let deployed = DeployedCode::of(&self.found);
        // Of organization, repository and the branch's name.
        let mut known: Map<[Word; 3], Option<usize>> = Map::default();
        packed::each(self.c, Kind::Pushes, times, |bytes| {
            let rows: Pushes<&str, &[u8]> = packed::unpacked(bytes)?;
            let mut words = Words::new(rows.texts, rows.commits);
            for (branch, pushes) in rows.branches {
                let Some(name) = words.text(branch).and_then(|name| deployed.branches.get(name)) else {
                    continue;
                };
                let branch = self.word(&mut words, branch);
                for push in packed::unpacked::<Vec<Push>>(pushes)?.iter().filter(|push| is_within(push.pushed, times)) {
                    let Push { organization, project_id, project_name, .. } = *push;
                    if !self.may_see(&mut words, Owner { organization, project_id, project_name }) {
                        continue;
                    }
                    let [organization, repository] =
                        [organization, push.repository].map(|text| self.word(&mut words, text));
                    let branch = known.entry([organization, repository, branch]).or_insert_with(|| {
                        let (organization, name) = (self.name_of(organization)?, name.clone());
                        let repository = self.name_of(repository).map(|name| in_small(&name).into());
                        let branch = Branch { organization, repository, name };
                        deployed.may_hold(&branch).then(|| self.found.branches.insert_full(branch).0)
                    });
                    if let Some(branch) = branch {
                        self.update(&mut words, push, *branch);
                    }
                }
            }
            Ok(())
        })
    }

    fn update(&mut self, words: &mut Words<'_>, push: &Push, branch: usize) {
        let Some(new) = self.commit(words, push.new) else { return };
        let old = self.commit(words, push.old);
        let commits = self.made(words, &push.commits);
        self.found.updates.push(Update { branch, old, new, commits });
    }

    fn made(&mut self, words: &mut Words<'_>, commits: &[Made]) -> Few {
        commits
            .iter()
            .filter_map(|(id, at)| {
                let commit = self.commit(words, *id)?;
                Some(self.with_time(commit, *at))
            })
            .collect()
    }

    /// As [`told`] writes them.
    pub(super) fn commits(&mut self, json: &str) -> Vec<Commit> {
        let told: Vec<(&str, Option<i64>)> = serde_json::from_str(json).unwrap_or_default();
        told.into_iter()
            .map(|(id, at)| {
                let commit = self.commit_called(id);
                self.with_time(commit, at)
            })
            .collect()
    }

    /// The commit, which was made then.
    fn with_time(&mut self, commit: Commit, made: Option<i64>) -> Commit {
        made.into_iter().for_each(|at| self.found.commits.was_made(commit, Time::from_ticks(at)));
        commit
    }

    fn requests(&mut self, times: (Time, Time)) -> rusqlite::Result<()> {
        packed::each(self.c, Kind::Requests, times, |bytes| {
            let rows: Requests<&str, &[u8]> = packed::unpacked(bytes)?;
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
        let (organization, merge) = (self.said(words, of.organization), self.commit(words, of.merge));
        let (Some(organization), Some(merge)) = (organization, merge) else { return };
        let request = MergedRequest {
            organization,
            number: of.number,
            title: self.title(words, of.title),
            source: self.title(words, of.source),
            created: of.created.map(Time::from_ticks),
            approved: of.approved.map(Time::from_ticks),
            merge,
            commits: self.made(words, &of.commits),
        };
        self.found.requests.push(request);
    }

    fn title(&mut self, words: &Words<'_>, text: Text) -> Title {
        self.found.titles.add(words.text(text).unwrap_or_default())
    }
}

fn is_within(at: i64, (from, until): (Time, Time)) -> bool {
    (from..until).contains(&Time::from_ticks(at))
}

/// Repositories are the same whatever letters they are written in.
fn in_small(repository: &str) -> String {
    repository.to_lowercase()
}

/// Where what was deployed came from.
struct DeployedCode {
    branches: Set<Name>,
    /// In small letters; `None` where some are not known: then it may be any.
    repositories: Option<Set<String>>,
}

impl DeployedCode {
    fn of(material: &Material) -> Self {
        // Some origins are of what was read and left out again.
        let mut is_left = vec![false; material.origins.len()];
        for of in &material.deployments {
            is_left.get_mut(of.origin).into_iter().for_each(|is_left| *is_left = true);
        }
        let origins = material.origins.iter().zip(is_left).filter_map(|(origin, is_left)| is_left.then_some(origin));
        let repositories = origins.clone().map(|of| of.repository.as_deref().map(in_small));
        Self { repositories: repositories.collect(), branches: origins.filter_map(|of| of.branch.clone()).collect() }
    }

    /// By the repository.
    fn may_hold(&self, branch: &Branch) -> bool {
        match (&branch.repository, &self.repositories) {
            (Some(name), Some(deployed)) => deployed.contains(&**name),
            (None, _) | (_, None) => true,
        }
    }
}
