//! What finished in a time, and where: told by deployment records, by approvals, by the names of stages, by releases, or
//! by the configuration where whole runs deploy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{OptionalExtension as _, Row, params};

use super::{MOST_NAMES, OfProject, OfStage, Reading, leap, number, project_of};
use crate::catalog::query::list;
use crate::domain::metrics::{Deployed, Known, Line, Name, Place, Set, Source};
use crate::domain::{Outcome, Scope, Time};

/// A row of something that finished.
#[derive(Clone)]
pub(super) struct Finish {
    pub(super) organization: Name,
    project: Option<Name>,
    project_id: Option<Name>,
    pub(super) pipeline: u64,
    pub(super) run: u64,
    stage: Name,
    attempt: u32,
    result: Option<Name>,
    finished: Time,
    commit: Option<Name>,
    branch: Option<Name>,
    repository: Option<Name>,
    requested_for: Option<Name>,
    folder: Option<Name>,
}

/// All questions for what finished have these columns, as [`Reading::finish`] takes them.
pub(super) const RUNS: &str = "SELECT r.organization, r.project_id, r.project_name, r.pipeline, r.run, '', 1, r.result, \
                                 r.finished, r.commit_id, r.branch, r.repository, r.requested_for, r.folder \
                               FROM runs r";
pub(super) const OF_STAGES: &str = "r.organization, r.project_id, r.project_name, r.pipeline, r.run, s.name, s.attempt, \
                                    s.result, s.finished AS ended, r.commit_id, r.branch, r.repository, \
                                    r.requested_for, r.folder, r.id";
/// What stands behind these where some stage of that name waited for the approval of an environment.
pub(super) const APPROVED: &str = "(SELECT json_group_array(DISTINCT a.environment) FROM approvals a \
                                    WHERE a.run = r.id AND a.stage = s.name AND a.environment IS NOT NULL)";
pub(super) const RECORDS: &str = "SELECT d.organization, d.project_id, d.project_name, coalesce(d.pipeline, r.pipeline, 0), d.run, \
       d.stage, d.attempt, d.result, d.finished, r.commit_id, r.branch, r.repository, r.requested_for, r.folder, r.id, \
       d.environment \
     FROM deployments d \
     LEFT JOIN runs r ON r.run = d.run AND r.organization = d.organization AND (d.pipeline IS NULL OR r.pipeline = d.pipeline)";

/// With the commit of the run that it brought. Who sees only some projects is told nothing of the runs of others.
pub(super) fn releases(scope: &Scope) -> String {
    let only = match scope {
        Scope::All => "",
        Scope::Only(_) => " AND r.project_id = c.project_id",
    };
    format!(
        "SELECT c.organization, c.project_id, c.project_name, coalesce(c.definition, 0), c.release, s.name, s.attempt, \
           s.result, s.finished, r.commit_id, r.branch, r.repository, r.requested_for, NULL, c.definition_name \
         FROM release_stages s JOIN releases c ON c.id = s.release \
         LEFT JOIN runs r ON r.organization = c.organization{only} \
           AND r.run = (SELECT a.run FROM release_artifacts a WHERE a.release = c.id AND a.run IS NOT NULL \
                        ORDER BY a.prime DESC, a.alias LIMIT 1)"
    )
}

impl Reading<'_> {
    /// By leaps through an index: there are few, and many rows of each.
    pub(super) fn stages_of_records(&self) -> rusqlite::Result<BTreeMap<OfStage, BTreeSet<OfProject>>> {
        let columns = ["organization", "pipeline", "stage", "project_id", "environment"];
        let mut ask = self.c.prepare_cached(&leap("deployments", &columns, "pipeline IS NOT NULL"))?;
        let mut found: BTreeMap<OfStage, BTreeSet<OfProject>> = BTreeMap::new();
        let mut last: (String, u64, String, String, i64) = Default::default();
        for _ in 0..MOST_NAMES {
            let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
            let values = params![last.0, last.1, last.2, last.3, last.4];
            let Some(next) = ask.query_row(values, read).optional()? else { break };
            last = next;
            let (organization, pipeline, stage, project, environment) = &last;
            let of_stage = (organization.as_str().into(), *pipeline, stage.as_str().into());
            found.entry(of_stage).or_default().insert((project.as_str().into(), *environment));
        }
        Ok(found)
    }

    /// By leaps, too.
    pub(super) fn stages_of_approvals(&self) -> rusqlite::Result<BTreeMap<Name, bool>> {
        let ask = leap("approvals", &["stage", "environment"], "environment IS NOT NULL");
        let mut ask = self.c.prepare_cached(&ask)?;
        let mut found: BTreeMap<Name, bool> = BTreeMap::new();
        let mut last = <(String, String)>::default();
        for _ in 0..MOST_NAMES {
            let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let Some(next) = ask.query_row(params![last.0, last.1], read).optional()? else { break };
            last = next;
            let place = self.terms.environment(&last.1);
            let is_wanted = place.is_some_and(|place| place.is_wanted(self.beside));
            *found.entry(last.0.as_str().into()).or_default() |= is_wanted;
        }
        Ok(found)
    }

    /// Of the stages that brought something to an environment that is wanted, all records: an attempt that has one to
    /// another environment did not go where its stage usually does.
    pub(super) fn records(&mut self, of_records: &BTreeMap<OfStage, BTreeSet<OfProject>>) -> rusqlite::Result<()> {
        let mut wanted = self.wanted("d");
        wanted.add(
            "d.organization = ? AND d.pipeline = ? AND d.stage = ? AND d.project_id = ? AND d.environment = ? \
             AND d.finished >= ? AND d.finished < ?",
            [],
        );
        let ask = format!("{RECORDS} {}{}", project_of("d"), wanted.text());
        for ((organization, pipeline, stage), places) in of_records {
            if !places.iter().any(|place| self.is_wanted(organization, place)) {
                continue;
            }
            for (project, environment) in places {
                let text = |name: &Name| Value::Text(name.to_string());
                let environment = Value::Integer(*environment);
                let of = [text(organization), number(*pipeline), text(stage), text(project), environment];
                let values = wanted.values.iter().cloned().chain(of).chain(self.times());
                self.each(&ask, values.collect(), |this, row| this.take_record(row))?;
            }
        }
        self.records_of_nobody()
    }

    /// Records that do not say of which pipeline they are.
    fn records_of_nobody(&mut self) -> rusqlite::Result<()> {
        let mut wanted = self.wanted("d");
        wanted.add("d.pipeline IS NULL AND d.finished >= ? AND d.finished < ?", self.times());
        let ask = format!("{RECORDS} {}{}", project_of("d"), wanted.text());
        self.each(&ask, wanted.values, |this, row| this.take_record(row))
    }

    fn is_wanted(&mut self, organization: &Name, (project, environment): &OfProject) -> bool {
        let place = self.place_of(organization, project, *environment);
        place.is_some_and(|place| place.is_wanted(self.beside))
    }

    pub(super) fn take_record(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let finish = self.finish(row)?;
        if let Some(run) = row.get(14)? {
            self.recorded.insert((run, finish.stage.clone(), finish.attempt));
        }
        let project = finish.project_id.clone().unwrap_or_else(|| self.name(""));
        if let Some(place) = self.place_of(&finish.organization, &project, row.get(15)?) {
            self.take(finish, Source::Pipeline, Known::Record, &place);
        }
        Ok(())
    }

    /// What the environment with this id is called, and whether it is production.
    fn place_of(&mut self, organization: &Name, project: &Name, environment: i64) -> Option<Arc<Place>> {
        let key = (organization.clone(), project.clone(), environment);
        if let Some(known) = self.places.get(&key) {
            return known.clone();
        }
        let name = self.environments.get(&(organization.clone(), format!("{project}/{environment}")));
        let id = environment.to_string();
        let place = self.terms.environment(name.map_or(id.as_str(), |name| name)).map(Arc::new);
        self.places.insert(key, place.clone());
        place
    }

    pub(super) fn stages(&mut self, of_records: &BTreeMap<OfStage, BTreeSet<OfProject>>) -> rusqlite::Result<()> {
        let known = self.stages_of_wanted(of_records);
        for name in self.stage_names()? {
            let is_approved = self.approved.get(&name).is_some_and(|is_wanted| *is_wanted);
            if !known.contains(&name) && !is_approved && !self.terms.may_deploy(&name, self.beside) {
                continue;
            }
            let runs = self.runs_without_record(&name)?;
            if runs.is_empty() {
                continue;
            }
            let mut wanted = self.wanted("r");
            wanted.add("s.name = ?", [Value::Text(name.to_string())]);
            // By the run: the `+` keeps `SQLite` from the index that was looked through already.
            wanted.add("+s.finished >= ? AND +s.finished < ?", self.times());
            let ask = format!(
                "SELECT {OF_STAGES}, {} FROM json_each(?) these CROSS JOIN stages s ON s.run = these.value \
                 CROSS JOIN runs r ON r.id = s.run {}{}",
                self.approved(&name),
                project_of("r"),
                wanted.text()
            );
            let values = [list(runs)].into_iter().chain(wanted.values).collect();
            self.each(&ask, values, |this, row| this.take_stage(row, of_records))?;
        }
        Ok(())
    }

    /// Runs of which a stage of this name ended, the rows of them: of most of these a record tells all, and nobody has to
    /// look at the run.
    fn runs_without_record(&mut self, stage: &Name) -> rusqlite::Result<BTreeSet<i64>> {
        let ask = "SELECT run, attempt FROM stages WHERE name = ? AND finished >= ? AND finished < ?";
        let mut runs = BTreeSet::new();
        let values = [Value::Text(stage.to_string())].into_iter().chain(self.times()).collect();
        self.each(ask, values, |this, row| {
            let run = row.get(0)?;
            if !this.recorded.contains(&(run, stage.clone(), row.get(1)?)) {
                runs.insert(run);
            }
            Ok(())
        })?;
        Ok(runs)
    }

    /// Stages that have records of an environment that is wanted.
    fn stages_of_wanted<'s>(&mut self, of_records: &'s BTreeMap<OfStage, BTreeSet<OfProject>>) -> Set<&'s Name> {
        let mut is_wanted = |(organization, ..): &OfStage, of: &BTreeSet<OfProject>| {
            of.iter().any(|of| self.is_wanted(organization, of))
        };
        of_records.iter().filter(|(stage, of)| is_wanted(stage, of)).map(|((_, _, stage), _)| stage).collect()
    }

    fn stage_names(&self) -> rusqlite::Result<Vec<Name>> {
        let mut ask = self.c.prepare_cached(&leap("stages", &["name"], "finished IS NOT NULL"))?;
        let mut names: Vec<Name> = Vec::new();
        while names.len() < MOST_NAMES {
            let last = names.last().map(|name| name.to_string()).unwrap_or_default();
            let Some(next) = ask.query_row([last], |row| row.get::<_, String>(0)).optional()? else { break };
            names.push(next.into());
        }
        Ok(names)
    }

    /// The environments whose approval a stage of this name waited for, as a column. Of most names nobody has to look.
    pub(super) fn approved(&self, stage: &Name) -> &'static str {
        if self.approved.contains_key(stage) { APPROVED } else { "NULL" }
    }

    /// Where a record tells of the attempt, that was all. Else what other records tell of the stage comes before what its
    /// approvals tell, and these before its name.
    pub(super) fn take_stage(
        &mut self,
        row: &Row<'_>,
        of_records: &BTreeMap<OfStage, BTreeSet<OfProject>>,
    ) -> rusqlite::Result<()> {
        let finish = self.finish(row)?;
        if self.recorded.contains(&(row.get(14)?, finish.stage.clone(), finish.attempt)) {
            return Ok(());
        }
        let of_stage = (finish.organization.clone(), finish.pipeline, finish.stage.clone());
        if let Some(environments) = of_records.get(&of_stage) {
            for (project, environment) in environments {
                if let Some(place) = self.place_of(&finish.organization, project, *environment) {
                    self.take(finish.clone(), Source::Pipeline, Known::Stage, &place);
                }
            }
            return Ok(());
        }
        let approved: Vec<String> =
            row.get_ref(15)?.as_str_or_null()?.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        for environment in &approved {
            if let Some(place) = self.terms.environment(environment) {
                self.take(finish.clone(), Source::Pipeline, Known::Approval, &place);
            }
        }
        if !approved.is_empty() {
            return Ok(());
        }
        let pipeline = self.pipelines.get(&(finish.organization.clone(), finish.pipeline)).cloned();
        // Where the configuration says that whole runs deploy, no name of a stage does.
        let by_run = self.terms.run(pipeline.as_deref()).is_some();
        if let Some(place) = self.terms.stage(pipeline.as_deref(), &finish.stage).filter(|_| !by_run) {
            self.take(finish, Source::Pipeline, Known::Pattern, &place);
        }
        Ok(())
    }

    pub(super) fn releases(&mut self) -> rusqlite::Result<()> {
        let mut wanted = self.wanted("c");
        wanted.add("s.finished >= ? AND s.finished < ?", self.times());
        let ask = format!("{} {}{}", releases(self.scope), project_of("c"), wanted.text());
        self.each(&ask, wanted.values, |this, row| this.take_release(row))
    }

    pub(super) fn take_release(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let finish = self.finish(row)?;
        if let Some(name) = self.maybe(row, 14)? {
            self.definitions.insert((finish.organization.clone(), finish.pipeline), name);
        }
        if let Some(place) = self.terms.environment(&finish.stage) {
            self.take(finish, Source::Release, Known::Record, &place);
        }
        Ok(())
    }

    /// Whole runs, of pipelines that are configured so, where none of their stages is known to have deployed.
    pub(super) fn runs(&mut self) -> rusqlite::Result<()> {
        let whole = |(key, name): (&(Name, u64), &Name)| Some((key.clone(), self.terms.run(Some(name))?));
        let whole: BTreeMap<_, _> = self.pipelines.iter().filter_map(whole).collect();
        let of_stages = |of: &Deployed| {
            let line = self.found.lines.get(of.line).filter(|line| line.source == Source::Pipeline)?;
            let pipeline = (line.organization.clone(), line.pipeline);
            whole.contains_key(&pipeline).then_some((pipeline, of.run))
        };
        let of_stages: Set<_> = match whole.is_empty() {
            true => Set::default(),
            false => self.found.deployments.iter().filter_map(of_stages).collect(),
        };
        for (key, place) in whole {
            let (organization, pipeline) = &key;
            let mut wanted = self.wanted("r");
            let of = [Value::Text(organization.to_string()), number(*pipeline)];
            wanted.add("r.organization = ? AND r.pipeline = ?", of);
            wanted.add("r.finished >= ? AND r.finished < ?", self.times());
            let ask = format!("{RUNS} {}{}", project_of("r"), wanted.text());
            self.each(&ask, wanted.values, |this, row| {
                let finish = this.finish(row)?;
                if !of_stages.contains(&(key.clone(), finish.run)) {
                    this.take(finish, Source::Pipeline, Known::Pattern, &place);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, row: &Row<'_>) -> rusqlite::Result<Finish> {
        let organization = self.text(row, 0)?;
        let (id, name) = (self.maybe(row, 1)?, self.maybe(row, 2)?);
        let today = id.as_ref().and_then(|id| self.projects.get(&(organization.clone(), id.clone())));
        Ok(Finish {
            project: today.cloned().or(name).or_else(|| id.clone()),
            project_id: id,
            organization,
            pipeline: row.get(3)?,
            run: row.get(4)?,
            stage: self.text(row, 5)?,
            attempt: row.get(6)?,
            result: self.maybe(row, 7)?,
            finished: Time::from_ticks(row.get(8)?),
            commit: self.maybe(row, 9)?,
            branch: self.maybe(row, 10)?,
            repository: self.maybe(row, 11)?,
            requested_for: self.maybe(row, 12)?,
            folder: self.maybe(row, 13)?,
        })
    }

    /// It is a deployment if it ended as one, and read if its environment is wanted.
    pub(super) fn take(&mut self, finish: Finish, source: Source, known: Known, place: &Place) {
        let Some(ending) = finish.result.as_deref().and_then(|word| self.terms.ending(&Outcome::from(word))) else {
            return;
        };
        if !place.is_wanted(self.beside) {
            return;
        }
        let line = self.line(&finish, source, place);
        self.found.deployments.push(Deployed {
            line,
            run: finish.run,
            stage: finish.stage,
            attempt: finish.attempt,
            known,
            ending,
            finished: finish.finished,
            commit: finish.commit,
            branch: finish.branch,
            repository: finish.repository,
            requested_for: finish.requested_for,
            is_fix: false,
            brought: Vec::new(),
            compared: Vec::new(),
            built: Vec::new(),
        });
    }

    fn line(&mut self, finish: &Finish, source: Source, place: &Place) -> usize {
        let key = (finish.organization.clone(), source, finish.pipeline, place.environment.to_lowercase());
        if let Some(known) = self.lines.get(&key) {
            return *known;
        }
        let names = match source {
            Source::Release => &self.definitions,
            Source::Pipeline | Source::Reported => &self.pipelines,
        };
        self.found.lines.push(Line {
            organization: finish.organization.clone(),
            project: finish.project.clone(),
            project_id: finish.project_id.clone(),
            source,
            pipeline: finish.pipeline,
            pipeline_name: names.get(&(finish.organization.clone(), finish.pipeline)).cloned(),
            folder: finish.folder.clone(),
            environment: place.environment.as_str().into(),
            production: place.production,
        });
        self.lines.insert(key, self.found.lines.len() - 1);
        self.found.lines.len() - 1
    }
}
