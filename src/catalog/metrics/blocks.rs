//! What finished in a time, from blocks of runs: deployment records, stages, and runs that deploy as a whole.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::deployed::Finish;
use super::words::{Owner, Word, Words};
use super::{OfRecords, Reading};
use crate::catalog::packed::{self, Finish as Attempt, Head, Kind, ReadStages, Run, Runs, Since, Stages, Text};
use crate::domain::metrics::{Deployed, Ending, Known, Map, Name, Origin, Place, Set, Source};
use crate::domain::{Outcome, Time};

/// Something that finished.
struct Ended<'r> {
    owner: Owner,
    pipeline: u64,
    number: u64,
    stage: Text,
    attempt: u32,
    result: Text,
    finished: Time,
    run: Option<&'r Head>,
}

impl<'r> Ended<'r> {
    fn stage(run: &'r Head, of: &Attempt, finished: Time) -> Self {
        let Attempt { stage, attempt, .. } = *of;
        Self { stage, attempt, ..Self::run(run, of.result, finished) }
    }

    fn run(run: &'r Head, result: Text, finished: Time) -> Self {
        let Head { pipeline, run: number, .. } = *run;
        Self { owner: Owner::of(run), pipeline, number, stage: 0, attempt: 1, result, finished, run: Some(run) }
    }

    fn record(of: &packed::Deployment, finished: Time, run: Option<&'r Head>) -> Self {
        let packed::Deployment { organization, project_id, project_name, stage, attempt, result, .. } = *of;
        let owner = Owner { organization, project_id, project_name };
        let pipeline = of.pipeline.or_else(|| Some(run?.pipeline)).unwrap_or_default();
        Self { owner, pipeline, number: of.run, stage, attempt, result, finished, run }
    }
}

/// Lines, each with how it is known that something came to it.
type Lines = Rc<[(usize, Known)]>;

/// A cell whose rows are read.
struct Cell<'b> {
    since: Since,
    words: Words<'b>,
}

/// Reads what finished in stages that may have deployed.
struct Finished<'r, 'c> {
    reading: &'r mut Reading<'c>,
    of_records: &'r OfRecords,
    /// Names of stages that have records of environments that are wanted.
    recorded: Set<&'r Name>,
    /// By the name of the stage.
    asked: Map<Name, bool>,
    /// Of organization, pipeline, project and environment, the line; `None` where nobody asks for that.
    lines: Map<(Word, u64, Word, i64), Option<usize>>,
    /// Of organization, pipeline, stage, and the environments whose approval it waited for.
    of_stages: Map<(Word, u64, Word, Vec<Word>), Lines>,
}

impl ReadStages for Finished<'_, '_> {
    fn asks_for(&mut self, stage: &str) -> bool {
        if let Some(known) = self.asked.get(stage) {
            return *known;
        }
        let name = Name::from(stage);
        let asks = name.is_empty() || self.recorded.contains(&name) || self.reading.may_deploy(&name);
        self.asked.insert(name, asks);
        asks
    }

    fn take(&mut self, rows: &[u8]) -> rusqlite::Result<()> {
        let Stages { texts, commits, since, runs, attempts, records }: Stages<&str, &[u8]> = packed::unpacked(rows)?;
        let mut cell = Cell { since, words: Words::new(texts, commits) };
        let run = |place: u32| runs.get(usize::try_from(place).ok()?);
        for record in &records {
            self.record(&mut cell, record, record.held.and_then(run));
        }
        for attempt in attempts {
            if let Some(run) = run(attempt.run) {
                self.attempt(&mut cell, attempt, run);
            }
        }
        Ok(())
    }
}

impl Finished<'_, '_> {
    fn record(&mut self, cell: &mut Cell<'_>, of: &packed::Deployment, run: Option<&Head>) {
        let ended = Ended::record(of, cell.since.time(of.finished), run);
        let Some(ending) = self.reading.ending(&mut cell.words, &ended) else { return };
        let owner = [of.organization, of.project_id];
        let [organization, project] = owner.map(|text| self.reading.word(&mut cell.words, text));
        let key = (organization, ended.pipeline, project, of.environment);
        let line = match self.lines.get(&key) {
            Some(line) => *line,
            None => {
                let line = self.reading.line_of_record(&mut cell.words, &ended, of.environment);
                self.lines.insert(key, line);
                line
            }
        };
        if let Some(line) = line {
            self.reading.deployed(&mut cell.words, &ended, line, (Known::Record, ending));
        }
    }

    fn attempt(&mut self, cell: &mut Cell<'_>, of: Attempt, run: &Head) {
        let ended = Ended::stage(run, &of, cell.since.time(of.finished));
        let Some(ending) = self.reading.ending(&mut cell.words, &ended) else { return };
        for (line, known) in self.lines_of_stage(&mut cell.words, &ended, &of.approved).iter() {
            self.reading.deployed(&mut cell.words, &ended, *line, (*known, ending));
        }
    }

    fn lines_of_stage(&mut self, words: &mut Words<'_>, of: &Ended<'_>, approved: &[Text]) -> Lines {
        let reading = &mut *self.reading;
        let [organization, stage] = [of.owner.organization, of.stage].map(|text| reading.word(words, text));
        let approved = approved.iter().map(|text| reading.word(words, *text)).collect();
        let key = (organization, of.pipeline, stage, approved);
        if let Some(known) = self.of_stages.get(&key) {
            return Rc::clone(known);
        }
        let approved: Vec<Name> = key.3.iter().filter_map(|word| reading.name_of(*word)).collect();
        let lines: Lines = reading.finish(words, of).map_or_else(Rc::default, |finish| {
            let places = reading.places_of_stage(&finish, &approved, self.of_records);
            places.iter().map(|(place, known)| (reading.line(&finish, Source::Pipeline, place), *known)).collect()
        });
        self.of_stages.insert(key, Rc::clone(&lines));
        lines
    }
}

impl Reading<'_> {
    /// All that runs deployed in the time.
    pub(super) fn finished(&mut self, of_records: &OfRecords) -> rusqlite::Result<()> {
        let recorded = of_records.iter().filter(|(of, places)| places.iter().any(|place| self.is_wanted(&of.0, place)));
        let recorded: Set<&Name> = recorded.map(|((_, _, stage), _)| stage).collect();
        let (c, times) = (self.c, (self.since, self.span.until));
        let (asked, lines, of_stages) = Default::default();
        packed::each_stage(c, times, &mut Finished { reading: self, of_records, recorded, asked, lines, of_stages })?;
        let whole = self.whole();
        if whole.is_empty() {
            return Ok(());
        }
        let mut ends = Vec::new();
        packed::each(c, Kind::Runs, times, |bytes| {
            self.ends(packed::unpacked(bytes)?, &whole, &mut ends);
            Ok(())
        })?;
        self.whole_runs(ends, &whole);
        Ok(())
    }

    fn holds(&self, finished: Time) -> bool {
        (self.since..self.span.until).contains(&finished)
    }

    fn finish(&mut self, words: &mut Words<'_>, of: &Ended<'_>) -> Option<Finish> {
        let organization = self.said(words, of.owner.organization)?;
        let (id, name) = (self.said(words, of.owner.project_id), self.said(words, of.owner.project_name));
        let stage = if of.stage == 0 { self.name("") } else { self.said(words, of.stage)? };
        let commit = of.run.and_then(|run| self.commit(words, run.commit));
        let of_run = of.run.map_or([0; 4], |run| [run.branch, run.repository, run.requested_for, run.folder]);
        let [branch, repository, requested_for, folder] = of_run.map(|text| self.said(words, text));
        Some(Finish {
            project: self.project_today(&organization, id.as_ref(), name),
            project_id: id,
            organization,
            pipeline: of.pipeline,
            run: of.number,
            stage,
            attempt: of.attempt,
            finished: of.finished,
            commit,
            branch,
            repository,
            requested_for,
            folder,
            result: self.said(words, of.result),
        })
    }

    /// How it ended, where that is asked for and the reader may see it.
    fn ending(&mut self, words: &mut Words<'_>, of: &Ended<'_>) -> Option<Ending> {
        if !self.holds(of.finished) || !self.may_see(words, of.owner) {
            return None;
        }
        self.terms.ending(&Outcome::from(words.text(of.result)?))
    }

    fn deployed(&mut self, words: &mut Words<'_>, of: &Ended<'_>, line: usize, (known, ending): (Known, Ending)) {
        let origin = self.origin(words, of);
        let commit = of.run.and_then(|run| self.commit(words, run.commit));
        let (run, attempt, finished) = (of.number, of.attempt, of.finished);
        let (is_fix, brought) = (false, None);
        let deployed = Deployed { line, origin, run, attempt, known, ending, is_fix, finished, commit, brought };
        self.found.deployments.push(deployed);
    }

    fn origin(&mut self, words: &mut Words<'_>, of: &Ended<'_>) -> usize {
        let of_run = of.run.map_or([0; 3], |run| [run.branch, run.repository, run.requested_for]);
        let [branch, repository, requested_for] = of_run.map(|text| self.word(words, text));
        let key = [self.word(words, of.stage), branch, repository, requested_for];
        if let Some(known) = self.origins.get(&key) {
            return *known;
        }
        let [stage, branch, repository, requested_for] = key.map(|word| self.name_of(word));
        let origin = Origin { stage: stage.unwrap_or_default(), branch, repository, requested_for };
        let origin = self.found.origins.insert_full(origin).0;
        self.origins.insert(key, origin);
        origin
    }

    /// `None` where nobody asks for what came there.
    fn line_of_record(&mut self, words: &mut Words<'_>, of: &Ended<'_>, environment: i64) -> Option<usize> {
        let finish = self.finish(words, of)?;
        let place = self.place_of_record(&finish, environment)?;
        Some(self.line(&finish, Source::Pipeline, &place))
    }

    /// Whether a stage of this name may have brought something to an environment that is wanted, whatever records tell.
    fn may_deploy(&self, stage: &Name) -> bool {
        self.approved.get(stage) == Some(&true) || self.terms.may_deploy(stage, self.beside)
    }

    /// Pipelines that are configured to deploy as a whole, and where to.
    fn whole(&self) -> Map<(Name, u64), Place> {
        let whole = |(key, name): (&(Name, u64), &Name)| Some((key.clone(), self.terms.run(Some(name))?));
        self.pipelines.iter().filter_map(whole).collect()
    }

    fn ends(&mut self, cell: Runs<&str, &[u8]>, whole: &Map<(Name, u64), Place>, found: &mut Vec<Finish>) {
        let mut words = Words::new(cell.texts, cell.commits);
        for Run { head, result, finished, .. } in &cell.runs {
            let finished = finished.map(|at| cell.since.time(at)).filter(|at| self.holds(*at));
            let (Some(finished), Some(organization)) = (finished, self.said(&mut words, head.organization)) else {
                continue;
            };
            if whole.contains_key(&(organization, head.pipeline)) && self.may_see(&mut words, Owner::of(head)) {
                found.extend(self.finish(&mut words, &Ended::run(head, *result, finished)));
            }
        }
    }

    /// Those of which no stage is known to have deployed.
    fn whole_runs(&mut self, ends: Vec<Finish>, whole: &Map<(Name, u64), Place>) {
        let runs: BTreeSet<_> = ends.iter().map(|of| (of.organization.clone(), of.pipeline, of.run)).collect();
        let of_stages = self.found.deployments.iter().filter_map(|of| {
            let line = self.found.lines.get(of.line).filter(|line| line.source == Source::Pipeline)?;
            let run = (line.organization.clone(), line.pipeline, of.run);
            runs.contains(&run).then_some(run)
        });
        let of_stages: BTreeSet<_> = of_stages.collect();
        for finish in ends {
            let pipeline = (finish.organization.clone(), finish.pipeline);
            let is_known = of_stages.contains(&(finish.organization.clone(), finish.pipeline, finish.run));
            if let Some(place) = whole.get(&pipeline).filter(|_| !is_known) {
                self.take(finish, Source::Pipeline, Known::Pattern, place);
            }
        }
    }
}
