//! What was there before the time: of each line that has something in it, the last that succeeded.

use std::collections::BTreeMap;

use rusqlite::types::Value;

use super::deployed::{APPROVED, Finish, OF_STAGES, RECORDS, RUNS, releases};
use super::{OfProject, OfRecords, OfStage, Reading, number};
use crate::domain::Time;
use crate::domain::metrics::{Deployed, Known, Map, Name, PartialSuccess, Source};

/// So many runs of a pipeline are looked at for the last that deployed before the time.
const MOST_BEFORE: u32 = 5_000;
/// An older run may have been deployed again after newer ones: so many are compared, and runs so many numbers later.
const MOST_AGAIN: u32 = 50;
const MOST_LATER: u64 = 200;

impl Reading<'_> {
    /// Of each line that was found, what was there before: the first of its stages tells where to look.
    pub(super) fn before(&mut self, of_records: &OfRecords) -> rusqlite::Result<()> {
        let known = self.found.lines.len();
        let mut of_origins: Map<(usize, usize), (Time, u64)> = Map::default();
        for of in &self.found.deployments {
            let at = of_origins.entry((of.line, of.origin)).or_insert((of.finished, of.run));
            *at = (*at).min((of.finished, of.run));
        }
        let mut first: BTreeMap<(usize, Name), (Time, u64)> = BTreeMap::new();
        for ((line, origin), of) in of_origins {
            let Some(origin) = self.found.origins.get_index(origin) else { continue };
            let at = first.entry((line, origin.stage.clone())).or_insert(of);
            *at = of.min(*at);
        }
        for ((line, stage), (_, run)) in first {
            let Some(line) = self.found.lines.get(line) else { continue };
            let (source, of_stage) = (line.source, (line.organization.clone(), line.pipeline, stage));
            match source {
                Source::Pipeline if of_stage.2.is_empty() => self.run_before(&of_stage, run, of_records)?,
                Source::Pipeline => {
                    let places = of_records.get(&of_stage).cloned().unwrap_or_default();
                    for place in &places {
                        self.record_before(&of_stage, place)?;
                    }
                    self.stage_before(&of_stage, run, of_records)?;
                }
                Source::Release => self.release_before(&of_stage)?,
                // Looked for where it was read.
                Source::Reported => {}
            }
        }
        // Of environments to which nothing came since then nothing is asked.
        self.found.deployments.retain(|of| of.line < known);
        self.found.lines.truncate(known);
        self.lines.retain(|_, line| *line < known);
        self.keep_the_last_before();
        Ok(())
    }

    /// Several stages, and several sources, may have told of what was there before.
    fn keep_the_last_before(&mut self) {
        let since = self.since;
        let mut last: Map<usize, (Time, u64, u32)> = Map::default();
        for of in self.found.deployments.iter().filter(|of| of.finished < since) {
            let rank = (of.finished, of.run, of.attempt);
            last.entry(of.line).and_modify(|at| *at = rank.max(*at)).or_insert(rank);
        }
        let is_kept =
            |of: &Deployed| of.finished >= since || last.get(&of.line) == Some(&(of.finished, of.run, of.attempt));
        self.found.deployments.retain(is_kept);
    }

    /// The results of deployments that succeeded, for a question.
    fn successes(&self) -> &'static str {
        match self.terms.partial {
            PartialSuccess::Counts => "('succeeded', 'partiallySucceeded')",
            PartialSuccess::Fails | PartialSuccess::IsNone => "('succeeded')",
        }
    }

    /// The last of which no stage deployed.
    fn run_before(
        &mut self,
        (organization, pipeline, _): &OfStage,
        run: u64,
        of_records: &OfRecords,
    ) -> rusqlite::Result<()> {
        let name = self.pipelines.get(&(organization.clone(), *pipeline)).cloned();
        let Some(place) = self.terms.run(name.as_deref()) else { return Ok(()) };
        let ask = format!(
            "{RUNS} WHERE r.id IN (SELECT id FROM runs WHERE organization = ? AND pipeline = ? AND run < ? \
                                   ORDER BY run DESC LIMIT {MOST_BEFORE}) \
             AND +r.finished < ? AND +r.result IN {} ORDER BY r.finished DESC LIMIT {MOST_AGAIN}",
            self.successes()
        );
        let organization = Value::Text(organization.to_string());
        let since = Value::Integer(self.since.ticks());
        let values = vec![organization, number(*pipeline), number(run.saturating_add(MOST_LATER)), since];
        let mut runs = Vec::new();
        self.each(&ask, values, |this, row| {
            runs.push(this.row(row)?);
            Ok(())
        })?;
        for finish in runs {
            if !self.has_deployed(&finish, of_records)? {
                self.take(finish, Source::Pipeline, Known::Pattern, &place);
                break;
            }
        }
        Ok(())
    }

    /// Whether a stage of the run did.
    fn has_deployed(&mut self, of: &Finish, of_records: &OfRecords) -> rusqlite::Result<bool> {
        let known = self.found.deployments.len();
        let run = || vec![Value::Text(of.organization.to_string()), number(of.run), number(of.pipeline)];
        let records =
            format!("{RECORDS} WHERE d.organization = ? AND d.run = ? AND r.pipeline = ? AND d.finished IS NOT NULL");
        self.each(&records, run(), |this, row| this.record_row(row))?;
        let stages = format!(
            "SELECT {OF_STAGES}, {APPROVED} FROM runs r JOIN stages s ON s.run = r.id \
             WHERE r.organization = ? AND r.run = ? AND r.pipeline = ? AND s.finished IS NOT NULL"
        );
        self.each(&stages, run(), |this, row| this.stage_row(row, of_records))?;
        let has = self.found.deployments.len() > known;
        self.found.deployments.truncate(known);
        Ok(has)
    }

    fn release_before(&mut self, (organization, definition, stage): &OfStage) -> rusqlite::Result<()> {
        let ask = format!(
            "{} WHERE c.id IN (SELECT id FROM releases WHERE organization = ? AND definition = ? \
                               ORDER BY release DESC LIMIT {MOST_BEFORE}) \
             AND s.name = ? AND +s.finished < ? AND s.result IN {} ORDER BY s.finished DESC LIMIT 1",
            releases(self.scope),
            self.successes()
        );
        let text = |name: &Name| Value::Text(name.to_string());
        let since = Value::Integer(self.since.ticks());
        let values = vec![text(organization), number(*definition), text(stage), since];
        self.each(&ask, values, |this, row| this.take_release(row))
    }

    fn record_before(
        &mut self,
        (organization, pipeline, stage): &OfStage,
        (project, environment): &OfProject,
    ) -> rusqlite::Result<()> {
        let ask = format!(
            "{RECORDS} WHERE d.organization = ? AND d.pipeline = ? AND d.stage = ? AND d.project_id = ? \
             AND d.environment = ? AND d.finished < ? AND d.result IN {} ORDER BY d.finished DESC LIMIT 1",
            self.successes()
        );
        let text = |name: &Name| Value::Text(name.to_string());
        let values = vec![
            text(organization),
            number(*pipeline),
            text(stage),
            text(project),
            Value::Integer(*environment),
            Value::Integer(self.since.ticks()),
        ];
        self.each(&ask, values, |this, row| this.record_row(row))
    }

    /// Run by run, by the key of stages: the `+` keeps `SQLite` from an index that has all runs of that stage.
    fn stage_before(
        &mut self,
        (organization, pipeline, stage): &OfStage,
        run: u64,
        of_records: &OfRecords,
    ) -> rusqlite::Result<()> {
        let ask = format!(
            "SELECT * FROM (SELECT {OF_STAGES}, {} \
             FROM (SELECT * FROM runs WHERE organization = ? AND pipeline = ? AND run < ? \
                   ORDER BY run DESC LIMIT {MOST_BEFORE}) r CROSS JOIN stages s ON s.run = r.id AND s.name = ? \
             WHERE +s.finished < ? AND s.result IN {} \
             ORDER BY r.run DESC, s.attempt DESC LIMIT {MOST_AGAIN}) ORDER BY ended DESC, run DESC, attempt DESC LIMIT {}",
            self.approved(stage),
            self.successes(),
            // The latest of them may have gone elsewhere.
            if self.approved.contains_key(stage) { MOST_AGAIN } else { 1 }
        );
        let values = vec![
            Value::Text(organization.to_string()),
            number(*pipeline),
            number(run.saturating_add(MOST_LATER)),
            Value::Text(stage.to_string()),
            Value::Integer(self.since.ticks()),
        ];
        self.each(&ask, values, |this, row| this.stage_row(row, of_records))
    }
}
