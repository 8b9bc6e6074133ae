//! Pipelines that are broken: the last of their runs on a branch that succeeded or failed is one that failed.
//!
//! However long ago that was: an index leads to the last runs of each pipeline on a branch, so that what was left broken
//! before a weekend of other pipelines' runs is found.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::dashboard::{Recent, RunsBefore, place, question, recent};
use super::query::{Conditions, collect};
use super::{Catalog, CatalogError};
use crate::domain::Scope;
use crate::domain::default_branch::USUAL;

/// So many failures in a row are counted.
const MOST_FAILURES: u32 = 1_000;
/// So many broken pipelines are told of, of those that are asked for the ones that failed last.
const MOST: usize = 200;

/// On which branches it is looked for what is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum On {
    /// On the default branch of each pipeline's repository.
    Default,
    /// On this one, by its full ref.
    Branch(String),
}

/// A pipeline that fails on a branch, and nothing good came after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub last: Recent,
    /// The first failure in a row.
    pub first: Recent,
    pub failures: u32,
    /// A good run before the first is known, so it is the one that broke it.
    pub since_known: bool,
}

/// The default branches of repositories that somebody told, by their organization, and their project and name.
#[derive(Debug, Default)]
pub(super) struct Defaults(HashMap<(String, String), String>);

impl Defaults {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let ask = "SELECT organization, id, name FROM names WHERE kind = 'defaultBranch'";
        let mut ask = connection.prepare_cached(ask)?;
        let rows = ask.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
        Ok(Self(rows.collect::<rusqlite::Result<_>>()?))
    }

    pub(super) fn of(&self, organization: &str, project: Option<&str>, repository: Option<&str>) -> Option<&str> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&(organization.to_owned(), repository_id(project?, repository?))).map(String::as_str)
    }
}

/// What a repository's default branch is remembered by. Runs tell of a repository by its name, and their own project.
pub(super) fn repository_id(project: &str, name: &str) -> String {
    format!("{project}/{name}")
}

/// The runs on one branch that say whether it is broken.
struct Streak {
    organization: String,
    pipeline: u64,
    last: u64,
    first: u64,
    failures: u32,
    since_known: bool,
}

impl Catalog {
    /// What is broken there, what failed last first: as many as are told of at most, of those whose last run is wanted,
    /// whatever else is broken.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn broken(
        &self,
        on: On,
        is_wanted: impl Fn(&Recent) -> bool + Send + 'static,
    ) -> Result<Vec<Broken>, CatalogError> {
        let scope = self.scope.clone();
        Ok(self.file.read(move |c| broken(c, &scope, &on, is_wanted)).await?)
    }
}

fn broken(
    connection: &Connection,
    scope: &Scope,
    on: &On,
    is_wanted: impl Fn(&Recent) -> bool,
) -> rusqlite::Result<Vec<Broken>> {
    let told = Defaults::read(connection)?;
    let mut streaks = Vec::new();
    let mut ask = connection.prepare_cached(
        "SELECT g.organization, g.pipeline, g.repository, (SELECT r.project_id FROM runs r INDEXED BY runs_pipeline \
           WHERE r.organization = g.organization AND r.pipeline = g.pipeline ORDER BY r.run DESC LIMIT 1) \
         FROM pipelines g",
    )?;
    let mut pipelines = ask.query([])?;
    while let Some(row) = pipelines.next()? {
        let (organization, pipeline): (String, u64) = (row.get(0)?, row.get(1)?);
        let (repository, project): (Option<String>, Option<String>) = (row.get(2)?, row.get(3)?);
        let branches = match (on, told.of(&organization, project.as_deref(), repository.as_deref())) {
            (On::Branch(branch), _) => vec![branch.as_str()],
            (On::Default, Some(told)) => vec![told],
            (On::Default, None) => USUAL.to_vec(),
        };
        streaks.extend(newest(connection, &organization, pipeline, &branches)?.filter(|streak| streak.failures > 0));
    }
    streaks.sort_by_key(|streak| std::cmp::Reverse(streak.last));
    let mut found = Vec::new();
    for streak in &streaks {
        found.extend(shown(connection, scope, &told, streak, &is_wanted)?);
        if found.len() == MOST {
            break;
        }
    }
    Ok(found)
}

/// Of the branches that may be the default one, that on which the pipeline ran last.
fn newest(
    connection: &Connection,
    organization: &str,
    pipeline: u64,
    branches: &[&str],
) -> rusqlite::Result<Option<Streak>> {
    let mut newest: Option<Streak> = None;
    for branch in branches {
        let streak = streak(connection, organization, pipeline, branch)?;
        newest = newest.into_iter().chain(streak).max_by_key(|streak| streak.last);
    }
    Ok(newest)
}

/// Who canceled says nothing about the pipeline, nor does what is not over.
fn streak(
    connection: &Connection,
    organization: &str,
    pipeline: u64,
    branch: &str,
) -> rusqlite::Result<Option<Streak>> {
    let ask = "SELECT run, result = 'failed' FROM runs INDEXED BY runs_ended \
               WHERE organization = ?1 AND pipeline = ?2 AND branch = ?3 AND result IS NOT NULL \
                 AND result IN ('failed', 'succeeded', 'partiallySucceeded') ORDER BY run DESC";
    let mut ask = connection.prepare_cached(ask)?;
    let mut runs = ask.query(params![organization, pipeline, branch])?;
    let mut streak: Option<Streak> = None;
    while let Some(row) = runs.next()? {
        let (run, failed): (u64, bool) = (row.get(0)?, row.get(1)?);
        let known = streak.get_or_insert_with(|| Streak {
            organization: organization.to_owned(),
            pipeline,
            last: run,
            first: run,
            failures: 0,
            since_known: false,
        });
        if !failed {
            known.since_known = true;
            break;
        }
        known.first = run;
        known.failures += 1;
        if known.failures == MOST_FAILURES {
            break;
        }
    }
    Ok(streak)
}

/// `None` where it is not wanted, or the reader may not see it.
fn shown(
    connection: &Connection,
    scope: &Scope,
    told: &Defaults,
    streak: &Streak,
    is_wanted: impl Fn(&Recent) -> bool,
) -> rusqlite::Result<Option<Broken>> {
    let read = |run_id| run(connection, scope, told, streak, run_id);
    let Some(last) = read(streak.last)?.filter(is_wanted) else { return Ok(None) };
    let first = if streak.first == streak.last { Some(last.clone()) } else { read(streak.first)? };
    Ok(first.map(|first| Broken { last, first, failures: streak.failures, since_known: streak.since_known }))
}

fn run(
    connection: &Connection,
    scope: &Scope,
    told: &Defaults,
    of: &Streak,
    run_id: u64,
) -> rusqlite::Result<Option<Recent>> {
    let mut wanted = Conditions::default();
    let run = RunsBefore { run_id, organization: of.organization.clone(), pipeline: of.pipeline };
    wanted.add("r.run = ? AND r.organization = ? AND r.pipeline = ?", place(&run));
    wanted.add_scope(scope, "r");
    let ask = format!("{}{}", question(), wanted.text());
    Ok(collect(connection, &ask, wanted.values, |row| recent(row, told))?.pop())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::apply::remember;
    use crate::domain::{Said, Time};

    /// `(run, pipeline, branch, result)` of one organization; pipeline 9 is another project's.
    fn catalog(runs: &[(i64, i64, &str, &str)]) -> Connection {
        let c = Connection::open_in_memory().unwrap();
        c.execute_batch(include_str!("schema.sql")).unwrap();
        for (run, pipeline, branch, result) in runs {
            let project = if *pipeline == 9 { "hidden" } else { "shop" };
            let (state, result) = if result.is_empty() { ("inProgress", None) } else { ("completed", Some(result)) };
            let insert = "INSERT INTO runs (run, organization, pipeline, project_id, state, result, branch, repository) \
                          VALUES (?1, 'fabrikam', ?2, ?3, ?4, ?5, 'refs/heads/' || ?6, 'web')";
            c.execute(insert, params![run, pipeline, project, state, result, branch]).unwrap();
        }
        c
    }

    fn told(broken: &[Broken]) -> Vec<(u64, u64, u64, u32, bool)> {
        let one = |one: &Broken| {
            let last = &one.last.run;
            (last.pipeline.id, last.run_id, one.first.run.run_id, one.failures, one.since_known)
        };
        broken.iter().map(one).collect()
    }

    fn seen(connection: &Connection, on: &On) -> Vec<(u64, u64, u64, u32, bool)> {
        told(&broken(connection, &Scope::All, on, |_| true).unwrap())
    }

    #[test]
    fn what_failed_last_on_the_default_branch_however_long_ago() {
        let mut runs = vec![
            (1, 7, "main", "succeeded"),
            (2, 7, "main", "failed"),
            (3, 7, "main", "canceled"),
            (4, 7, "main", "failed"),
            (5, 8, "main", "failed"),
            (6, 8, "main", "partiallySucceeded"),
            (7, 6, "main", "failed"),
            (8, 7, "main", ""),
            (9, 5, "topic", "failed"),
        ];
        runs.extend((10..3_000).map(|run| (run, 7, "topic", "succeeded")));
        let c = catalog(&runs);
        assert_eq!(seen(&c, &On::Default), [(6, 7, 7, 1, false), (7, 4, 2, 2, true)]);
        assert_eq!(seen(&c, &On::Branch("refs/heads/topic".to_owned())), [(5, 9, 9, 1, false)]);
    }

    #[test]
    fn a_branch_that_was_told_goes_before_usual_names_and_of_those_the_one_in_use() {
        let runs = [
            (1, 7, "master", "failed"),
            (2, 7, "main", "succeeded"),
            (3, 7, "develop", "failed"),
            (4, 8, "main", "failed"),
        ];
        let c = catalog(&runs);
        assert_eq!(seen(&c, &On::Default), [(8, 4, 4, 1, false)]);
        let develop = Said(Time::from_ticks(1), "refs/heads/develop".to_owned());
        remember(&c, "defaultBranch", "fabrikam", &repository_id("shop", "web"), &develop).unwrap();
        assert_eq!(seen(&c, &On::Default), [(7, 3, 3, 1, false)]);
        let found = broken(&c, &Scope::All, &On::Default, |_| true).unwrap();
        assert!(found[0].last.on_default);
    }

    #[test]
    fn nothing_of_other_projects() {
        let c = catalog(&[(1, 9, "main", "failed"), (2, 7, "main", "failed")]);
        let shop = Scope::Only(vec!["shop".parse().unwrap()]);
        assert_eq!(told(&broken(&c, &shop, &On::Default, |_| true).unwrap()), [(7, 2, 2, 1, false)]);
        assert_eq!(broken(&c, &Scope::Only(Vec::new()), &On::Default, |_| true).unwrap(), []);
    }

    #[test]
    fn what_is_wanted_is_told_however_much_else_failed_later() {
        let runs: Vec<_> = (1..=500).map(|n| (n, 100 + n, "main", "failed")).collect();
        let c = catalog(&runs);
        let between = |least: u64, most: u64| {
            let is_wanted = move |one: &Recent| (least..=most).contains(&one.run.run_id);
            told(&broken(&c, &Scope::All, &On::Default, is_wanted).unwrap())
        };
        assert_eq!(between(7, 8), [(108, 8, 8, 1, false), (107, 7, 7, 1, false)]);
        let first = between(0, 450);
        assert_eq!((first.len(), first[0].1, first[MOST - 1].1), (MOST, 450, 251));
    }
}
