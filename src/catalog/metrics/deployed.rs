//! What finished in a time, and where: told by deployment records, by approvals, by the names of stages, by releases, or
//! by the configuration where whole runs deploy.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Row, params};

use super::{OfProject, OfRecords, Reading, leap, leaps, project_of};
use crate::domain::metrics::{Commit, CommitId, Deployed, Known, Line, Name, Origin, Place, Source};
use crate::domain::{Outcome, Scope, Time};

/// A row of something that finished.
#[derive(Clone)]
pub(super) struct Finish {
    pub(super) organization: Name,
    pub(super) project: Option<Name>,
    pub(super) project_id: Option<Name>,
    pub(super) pipeline: u64,
    pub(super) run: u64,
    pub(super) stage: Name,
    pub(super) attempt: u32,
    pub(super) result: Option<Name>,
    pub(super) finished: Time,
    pub(super) commit: Option<Commit>,
    pub(super) branch: Option<Name>,
    pub(super) repository: Option<Name>,
    pub(super) requested_for: Option<Name>,
    pub(super) folder: Option<Name>,
}

/// All questions for what finished have these columns, as [`Reading::row`] takes them.
pub(super) const RUNS: &str = "SELECT r.organization, r.project_id, r.project_name, r.pipeline, r.run, '', 1, r.result, \
                                 r.finished, r.commit_id, r.branch, r.repository, r.requested_for, r.folder \
                               FROM runs r";
pub(super) const OF_STAGES: &str = "r.organization, r.project_id, r.project_name, r.pipeline, r.run, s.name, s.attempt, \
                                    s.result, s.finished AS ended, r.commit_id, r.branch, r.repository, \
                                    r.requested_for, r.folder";
/// What stands behind these where some stage of that name waited for the approval of an environment.
pub(super) const APPROVED: &str = "(SELECT json_group_array(DISTINCT a.environment) FROM approvals a \
                                    WHERE a.run = r.id AND a.stage = s.name AND a.environment IS NOT NULL)";
pub(super) const RECORDS: &str = "SELECT d.organization, d.project_id, d.project_name, coalesce(d.pipeline, r.pipeline, 0), d.run, \
       d.stage, d.attempt, d.result, d.finished, r.commit_id, r.branch, r.repository, r.requested_for, r.folder, d.environment \
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
    pub(super) fn stages_of_records(&self) -> rusqlite::Result<OfRecords> {
        let columns = ["organization", "pipeline", "stage", "project_id", "environment"];
        let mut ask = self.c.prepare_cached(&leap("deployments", &columns, "pipeline IS NOT NULL"))?;
        let mut found: OfRecords = BTreeMap::new();
        let next = |last: &(String, u64, String, String, i64)| {
            let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
            ask.query_row(params![last.0, last.1, last.2, last.3, last.4], read)
        };
        leaps(next, |(organization, pipeline, stage, project, environment)| {
            let of_stage = (organization.as_str().into(), *pipeline, stage.as_str().into());
            found.entry(of_stage).or_default().insert((project.as_str().into(), *environment));
            Ok(())
        })?;
        Ok(found)
    }

    /// By leaps, too.
    pub(super) fn stages_of_approvals(&self) -> rusqlite::Result<BTreeMap<Name, bool>> {
        let ask = leap("approvals", &["stage", "environment"], "environment IS NOT NULL");
        let mut ask = self.c.prepare_cached(&ask)?;
        let mut found: BTreeMap<Name, bool> = BTreeMap::new();
        let next =
            |last: &(String, String)| ask.query_row(params![last.0, last.1], |row| Ok((row.get(0)?, row.get(1)?)));
        leaps(next, |(stage, environment)| {
            let place = self.terms.environment(environment);
            let is_wanted = place.is_some_and(|place| place.is_wanted(self.beside));
            *found.entry(stage.as_str().into()).or_default() |= is_wanted;
            Ok(())
        })?;
        Ok(found)
    }

    pub(super) fn is_wanted(&mut self, organization: &Name, (project, environment): &OfProject) -> bool {
        let place = self.place_of(organization, project, *environment);
        place.is_some_and(|place| place.is_wanted(self.beside))
    }

    /// From a row of [`RECORDS`].
    pub(super) fn record_row(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let finish = self.row(row)?;
        if let Some(place) = self.place_of_record(&finish, row.get(14)?) {
            self.take(finish, Source::Pipeline, Known::Record, &place);
        }
        Ok(())
    }

    /// Where somebody asks for that.
    pub(super) fn place_of_record(&mut self, finish: &Finish, environment: i64) -> Option<Arc<Place>> {
        let project = finish.project_id.clone().unwrap_or_else(|| self.name(""));
        let place = self.place_of(&finish.organization, &project, environment);
        place.filter(|place| place.is_wanted(self.beside))
    }

    /// What the environment with this id is called, and whether it is production.
    pub(super) fn place_of(&mut self, organization: &Name, project: &Name, environment: i64) -> Option<Arc<Place>> {
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

    /// The environments whose approval a stage of this name waited for, as a column. Of most names nobody has to look.
    pub(super) fn approved(&self, stage: &Name) -> &'static str {
        if self.approved.contains_key(stage) { APPROVED } else { "NULL" }
    }

    /// From a row of [`OF_STAGES`]. Where a record tells of the attempt, that was all.
    pub(super) fn stage_row(&mut self, row: &Row<'_>, of_records: &OfRecords) -> rusqlite::Result<()> {
        let finish = self.row(row)?;
        if self.is_recorded(&finish)? {
            return Ok(());
        }
        let approved: Vec<String> =
            row.get_ref(14)?.as_str_or_null()?.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        let approved: Vec<_> = approved.iter().map(|environment| self.name(environment)).collect();
        for (place, known) in self.places_of_stage(&finish, &approved, of_records) {
            self.take(finish.clone(), Source::Pipeline, known, &place);
        }
        Ok(())
    }

    fn is_recorded(&self, of: &Finish) -> rusqlite::Result<bool> {
        let ask = "SELECT 1 FROM deployments INDEXED BY deployments_run \
                   WHERE run = ?1 AND organization = ?2 AND coalesce(pipeline, ?3) = ?3 \
                   AND stage = ?4 AND attempt = ?5 AND finished IS NOT NULL";
        let values = params![of.run, of.organization, of.pipeline, of.stage, of.attempt];
        self.c.prepare_cached(ask)?.exists(values)
    }

    /// Where a stage brings something that somebody asks for. What records tell of it comes before what its approvals
    /// tell, and these before its name.
    pub(super) fn places_of_stage(
        &mut self,
        of: &Finish,
        approved: &[Name],
        of_records: &OfRecords,
    ) -> Vec<(Arc<Place>, Known)> {
        let of_stage = (of.organization.clone(), of.pipeline, of.stage.clone());
        let mut places = Vec::new();
        if let Some(environments) = of_records.get(&of_stage) {
            let known = environments.iter().filter_map(|(project, id)| self.place_of(&of.organization, project, *id));
            places.extend(known.map(|place| (place, Known::Stage)));
        } else if !approved.is_empty() {
            let known = approved.iter().filter_map(|environment| self.terms.environment(environment));
            places.extend(known.map(|place| (Arc::new(place), Known::Approval)));
        } else {
            let pipeline = self.pipelines.get(&(of.organization.clone(), of.pipeline)).map(|name| &**name);
            // Where the configuration says that whole runs deploy, no name of a stage does.
            let known = self.terms.stage(pipeline, &of.stage).filter(|_| self.terms.run(pipeline).is_none());
            places.extend(known.map(|place| (Arc::new(place), Known::Pattern)));
        }
        places.retain(|(place, _)| place.is_wanted(self.beside));
        places
    }

    pub(super) fn releases(&mut self) -> rusqlite::Result<()> {
        let mut wanted = self.wanted("c");
        wanted.add("s.finished >= ? AND s.finished < ?", self.times());
        let ask = format!("{} {}{}", releases(self.scope), project_of("c"), wanted.text());
        self.each(&ask, wanted.values, |this, row| this.take_release(row))
    }

    pub(super) fn take_release(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let finish = self.row(row)?;
        if let Some(name) = self.maybe(row, 14)? {
            self.definitions.insert((finish.organization.clone(), finish.pipeline), name);
        }
        if let Some(place) = self.terms.environment(&finish.stage) {
            self.take(finish, Source::Release, Known::Record, &place);
        }
        Ok(())
    }

    /// Its name, or else its id.
    pub(super) fn project_today(&self, organization: &Name, id: Option<&Name>, name: Option<Name>) -> Option<Name> {
        let today = id.and_then(|id| self.projects.get(&(organization.clone(), id.clone())));
        today.cloned().or(name).or_else(|| id.cloned())
    }

    pub(super) fn commit_called(&mut self, id: &str) -> Commit {
        self.found.commits.called(CommitId::from(id))
    }

    pub(super) fn row(&mut self, row: &Row<'_>) -> rusqlite::Result<Finish> {
        let organization = self.text(row, 0)?;
        let (id, name) = (self.maybe(row, 1)?, self.maybe(row, 2)?);
        Ok(Finish {
            project: self.project_today(&organization, id.as_ref(), name),
            project_id: id,
            organization,
            pipeline: row.get(3)?,
            run: row.get(4)?,
            stage: self.text(row, 5)?,
            attempt: row.get(6)?,
            result: self.maybe(row, 7)?,
            finished: Time::from_ticks(row.get(8)?),
            commit: row.get_ref(9)?.as_str_or_null()?.map(|id| self.commit_called(id)),
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
        let Finish { stage, branch, repository, requested_for, run, attempt, finished, commit, .. } = finish;
        let origin = self.found.origins.insert_full(Origin { stage, branch, repository, requested_for }).0;
        let (is_fix, brought) = (false, None);
        let deployed = Deployed { line, origin, run, attempt, known, ending, is_fix, finished, commit, brought };
        self.found.deployments.push(deployed);
    }

    pub(super) fn line(&mut self, finish: &Finish, source: Source, place: &Place) -> usize {
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
