//! What came between runs, where pushes do not tell which commits a deployment brought: what the service says when it is
//! asked to compare two runs is certain, what the runs between them built is likely.
//!
//! Only deployments are looked up that need it: most do not, and each costs a look at the runs since the one before.

use rusqlite::{OptionalExtension as _, Row, params};

use super::Reading;
use crate::domain::changes::Between;
use crate::domain::metrics::{Brought, Changes, Commit, Judged, Judgement, Line, Name, Origin, Source, Window};
use crate::domain::{Key, RunKey, Time};

/// So many runs since the deployment before are looked at, the latest first.
const MOST_RUNS: u32 = 500;

/// A deployment, by its index, with its run and the one before it.
struct Unconnected {
    at: usize,
    run: RunKey,
    before: u64,
    branch: Option<Name>,
}

impl Reading<'_> {
    /// Answers whether anything was found: then all is to be judged anew.
    pub(super) fn built(&mut self, judged: &Judgement) -> rusqlite::Result<bool> {
        let unconnected: Vec<_> = judged.iter().filter_map(|judged| self.unconnected(judged)).collect();
        let mut any = false;
        for of in unconnected {
            let compared = self.compared(&of.run, of.before)?.unwrap_or_default();
            let built = if compared.is_empty() { self.built_since(&of)? } else { Vec::new() };
            any |= !(compared.is_empty() && built.is_empty());
            if let Some(deployed) = self.found.deployments.get_mut(of.at) {
                deployed.brought = Some(Box::new(Brought { told: Vec::new(), compared, built }));
            }
        }
        Ok(any)
    }

    /// What the service said when it was asked; `None` where nobody asked.
    fn compared(&mut self, run: &RunKey, since: u64) -> rusqlite::Result<Option<Vec<Commit>>> {
        let ask = "SELECT commits FROM compared WHERE source = ?1 AND since = ?2";
        let mut ask = self.c.prepare_cached(ask)?;
        let json = ask.query_row(params![Key::Changes(run.clone()).to_string(), since], |row| row.get::<_, String>(0));
        Ok(json.optional()?.map(|json| self.commits(&json)))
    }

    /// Deployments of which not all is certain, and nobody asked yet.
    pub(super) fn uncompared(
        &mut self,
        judged: &Judgement,
        window: Window,
        is_wanted: impl Fn(&Line, &Origin) -> bool,
    ) -> rusqlite::Result<Vec<Between>> {
        let mut found = Vec::new();
        for judged in judged.iter() {
            let Some(between) = self.between(judged, window, &is_wanted) else { continue };
            if self.compared(&between.run, between.since)?.is_none() {
                found.push(between);
            }
        }
        Ok(found)
    }

    fn between(&self, judged: &Judged, window: Window, is_wanted: impl Fn(&Line, &Origin) -> bool) -> Option<Between> {
        let uncertain = matches!(judged.changes, Some(Changes::Unknown | Changes::Likely(_)));
        let deployed = self.found.deployments.get(judged.deployment).filter(|_| uncertain)?;
        let line = self.found.lines.get(deployed.line).filter(|line| line.source == Source::Pipeline)?;
        let before = self.found.deployments.get(judged.replaces?)?;
        let origin = self.found.origins.get_index(deployed.origin)?;
        let is_asked = window.holds(deployed.finished) && is_wanted(line, origin) && before.run < deployed.run;
        let project = line.project_id.as_ref().or(line.project.as_ref()).filter(|_| is_asked)?;
        Some(Between {
            since: before.run,
            run: RunKey { organization: line.organization.to_string(), pipeline: line.pipeline, run: deployed.run },
            project: project.to_string(),
            repository: origin.repository.as_ref().map(Name::to_string),
            said: deployed.finished,
        })
    }

    fn unconnected(&self, judged: &Judged) -> Option<Unconnected> {
        if judged.changes != Some(Changes::Unknown) {
            return None;
        }
        let deployed = self.found.deployments.get(judged.deployment)?;
        let line = self.found.lines.get(deployed.line).filter(|line| line.source == Source::Pipeline)?;
        Some(Unconnected {
            at: judged.deployment,
            run: RunKey { organization: line.organization.to_string(), pipeline: line.pipeline, run: deployed.run },
            before: self.found.deployments.get(judged.replaces?)?.run,
            branch: self.found.origins.get_index(deployed.origin)?.branch.clone(),
        })
    }

    /// Nothing where the run itself was not asked: what others built says little of it.
    fn built_since(&mut self, of: &Unconnected) -> rusqlite::Result<Vec<Commit>> {
        let mut commits = self.built_by(of.run.clone())?;
        if commits.is_empty() {
            return Ok(commits);
        }
        for run in self.runs_between(of)? {
            commits.extend(self.built_by(RunKey { run, ..of.run.clone() })?);
        }
        commits.sort_unstable();
        commits.dedup();
        Ok(commits)
    }

    /// Of the same branch: each says what the one before it had not.
    fn runs_between(&self, of: &Unconnected) -> rusqlite::Result<Vec<u64>> {
        let ask = format!(
            "SELECT run FROM runs WHERE organization = ?1 AND pipeline = ?2 AND run > ?3 AND run < ?4 AND branch IS ?5 \
             ORDER BY run DESC LIMIT {MOST_RUNS}"
        );
        let mut ask = self.c.prepare_cached(&ask)?;
        let values = params![of.run.organization, of.run.pipeline, of.before, of.run.run, of.branch.as_deref()];
        ask.query_map(values, |row| row.get(0))?.collect()
    }

    fn built_by(&mut self, run: RunKey) -> rusqlite::Result<Vec<Commit>> {
        let mut ask = self.c.prepare_cached("SELECT id, at FROM commits WHERE source = ?1")?;
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let rows: rusqlite::Result<Vec<(String, Option<i64>)>> =
            ask.query_map([Key::Changes(run).to_string()], read)?.collect();
        let mut commits = Vec::new();
        for (id, at) in rows? {
            let commit = self.commit_called(&id);
            at.into_iter().for_each(|at| self.found.commits.may_be_made(commit, Time::from_ticks(at)));
            commits.push(commit);
        }
        Ok(commits)
    }
}
