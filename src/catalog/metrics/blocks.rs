//! What finished in a time, from blocks of runs: deployment records, stages, and runs that deploy as a whole.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::deployed::Finish;
use super::{OfRecords, Reading};
use crate::catalog::packed::{self, Finish as Attempt, Head, Kind, ReadStages, Run, Runs, Since, Stages, Text};
use crate::domain::metrics::{Commit, CommitId, Deployed, Ending, Known, Map, Name, Origin, Place, Set, Source};
use crate::domain::{Outcome, Scope, Time};

/// Texts and commits of a cell, as names and numbers once somebody asks for them.
pub(super) struct Words<'b> {
    texts: Vec<&'b str>,
    commits: &'b [[u8; 20]],
    names: Vec<Option<Name>>,
    numbers: Vec<Option<Commit>>,
}

impl<'b> Words<'b> {
    pub(super) fn new(texts: Vec<&'b str>, commits: &'b [u8]) -> Self {
        let (commits, _) = commits.as_chunks();
        Self { names: vec![None; texts.len()], numbers: vec![None; commits.len()], texts, commits }
    }

    pub(super) fn text(&self, text: Text) -> Option<&'b str> {
        self.texts.get(place(text)?).copied()
    }

    pub(super) fn commit(&self, commit: packed::Commit) -> Option<CommitId> {
        match commit % 2 {
            0 => self.commits.get(place(commit / 2)?).copied().map(CommitId::Sha1),
            _ => self.text(commit / 2).map(|text| CommitId::Text(text.into())),
        }
    }
}

fn place(text: Text) -> Option<usize> {
    usize::try_from(text).ok()?.checked_sub(1)
}

/// A project of an organization, as a row of a cell tells it.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub(super) organization: Text,
    pub(super) project_id: Text,
    pub(super) project_name: Text,
}

impl Owner {
    pub(super) fn of(run: &Head) -> Self {
        Self { organization: run.organization, project_id: run.project_id, project_name: run.project_name }
    }
}

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

/// A cell, and what was found out about its rows.
struct Cell<'b> {
    since: Since,
    words: Words<'b>,
    /// Of organization, pipeline, project and environment, the line; `None` where nobody asks for that.
    lines: Map<(Text, u64, Text, i64), Option<usize>>,
    /// Of organization, pipeline, stage, and the environments whose approval it waited for.
    of_stages: Map<(Text, u64, Text, Vec<Text>), Lines>,
    /// Of stage, branch, repository, and who asked for the run.
    origins: Map<(Text, Text, Text, Text), usize>,
}

impl<'b> Cell<'b> {
    fn new(since: Since, words: Words<'b>) -> Self {
        let (lines, of_stages, origins) = Default::default();
        Self { since, words, lines, of_stages, origins }
    }
}

/// Reads what finished in stages that may have deployed.
struct Finished<'r, 'c> {
    reading: &'r mut Reading<'c>,
    of_records: &'r OfRecords,
    /// Names of stages that have records of environments that are wanted.
    recorded: Set<&'r Name>,
    /// By the name of the stage.
    asked: Map<Name, bool>,
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
        let mut cell = Cell::new(since, Words::new(texts, commits));
        let run = |place: u32| runs.get(usize::try_from(place).ok()?);
        for record in &records {
            self.reading.record(&mut cell, record, record.held.and_then(run));
        }
        for attempt in attempts {
            if let Some(run) = run(attempt.run) {
                self.reading.attempt(&mut cell, attempt, run, self.of_records);
            }
        }
        Ok(())
    }
}

impl Reading<'_> {
    /// All that runs deployed in the time.
    pub(super) fn finished(&mut self, of_records: &OfRecords) -> rusqlite::Result<()> {
        let recorded = of_records.iter().filter(|(of, places)| places.iter().any(|place| self.is_wanted(&of.0, place)));
        let recorded: Set<&Name> = recorded.map(|((_, _, stage), _)| stage).collect();
        let (c, times) = (self.c, (self.since, self.span.until));
        packed::each_stage(c, times, &mut Finished { reading: self, of_records, recorded, asked: Map::default() })?;
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

    /// The text as a name.
    pub(super) fn word(&mut self, words: &mut Words<'_>, text: Text) -> Option<Name> {
        let place = place(text)?;
        let name = words.names.get_mut(place)?;
        if name.is_none() {
            *name = Some(self.name(words.texts.get(place)?));
        }
        name.clone()
    }

    /// The commit as it is counted.
    pub(super) fn commit(&mut self, words: &mut Words<'_>, commit: packed::Commit) -> Option<Commit> {
        let id = words.commit(commit)?;
        let number = words.numbers.get_mut(place(commit / 2)?).filter(|_| matches!(id, CommitId::Sha1(_)));
        match number {
            Some(known) => Some(*known.get_or_insert_with(|| self.found.commits.called(id))),
            None => Some(self.found.commits.called(id)),
        }
    }

    /// Whether the reader may.
    pub(super) fn may_see(&mut self, words: &mut Words<'_>, of: Owner) -> bool {
        if *self.scope == Scope::All {
            return true;
        }
        let [organization, id, name] =
            [of.organization, of.project_id, of.project_name].map(|text| self.word(words, text));
        let Some(organization) = organization else { return false };
        let today = id.clone().and_then(|id| self.projects.get(&(organization.clone(), id)).cloned());
        let name = today.or(name);
        self.scope.holds(&organization, name.as_deref().unwrap_or_default(), id.as_deref().unwrap_or_default())
    }

    fn holds(&self, finished: Time) -> bool {
        (self.since..self.span.until).contains(&finished)
    }

    fn finish(&mut self, words: &mut Words<'_>, of: &Ended<'_>) -> Option<Finish> {
        let organization = self.word(words, of.owner.organization)?;
        let (id, name) = (self.word(words, of.owner.project_id), self.word(words, of.owner.project_name));
        let stage = if of.stage == 0 { self.name("") } else { self.word(words, of.stage)? };
        let commit = of.run.and_then(|run| self.commit(words, run.commit));
        let of_run = of.run.map_or([0; 4], |run| [run.branch, run.repository, run.requested_for, run.folder]);
        let [branch, repository, requested_for, folder] = of_run.map(|text| self.word(words, text));
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
            result: self.word(words, of.result),
        })
    }

    fn deployed(&mut self, cell: &mut Cell<'_>, of: &Ended<'_>, line: usize, (known, ending): (Known, Ending)) {
        let Some(origin) = self.origin(cell, of) else { return };
        let commit = of.run.and_then(|run| self.commit(&mut cell.words, run.commit));
        let (run, attempt, finished) = (of.number, of.attempt, of.finished);
        let (is_fix, brought) = (false, None);
        let deployed = Deployed { line, origin, run, attempt, known, ending, is_fix, finished, commit, brought };
        self.found.deployments.push(deployed);
    }

    fn origin(&mut self, cell: &mut Cell<'_>, of: &Ended<'_>) -> Option<usize> {
        let [branch, repository, requested_for] =
            of.run.map_or([0; 3], |run| [run.branch, run.repository, run.requested_for]);
        let key = (of.stage, branch, repository, requested_for);
        if let Some(known) = cell.origins.get(&key) {
            return Some(*known);
        }
        let stage = self.word(&mut cell.words, of.stage)?;
        let [branch, repository, requested_for] =
            [branch, repository, requested_for].map(|text| self.word(&mut cell.words, text));
        let origin = self.origin_of(Origin { stage, branch, repository, requested_for });
        cell.origins.insert(key, origin);
        Some(origin)
    }

    fn ending(&self, words: &Words<'_>, result: Text) -> Option<Ending> {
        self.terms.ending(&Outcome::from(words.text(result)?))
    }

    fn record(&mut self, cell: &mut Cell<'_>, of: &packed::Deployment, run: Option<&Head>) {
        let ended = Ended::record(of, cell.since.time(of.finished), run);
        if !self.holds(ended.finished) || !self.may_see(&mut cell.words, ended.owner) {
            return;
        }
        let Some(ending) = self.ending(&cell.words, of.result) else { return };
        let key = (of.organization, ended.pipeline, of.project_id, of.environment);
        let line = match cell.lines.get(&key) {
            Some(line) => *line,
            None => {
                let line = self.line_of_record(&mut cell.words, &ended, of.environment);
                cell.lines.insert(key, line);
                line
            }
        };
        if let Some(line) = line {
            self.deployed(cell, &ended, line, (Known::Record, ending));
        }
    }

    /// `None` where nobody asks for what came there.
    fn line_of_record(&mut self, words: &mut Words<'_>, of: &Ended<'_>, environment: i64) -> Option<usize> {
        let finish = self.finish(words, of)?;
        let place = self.place_of_record(&finish, environment)?;
        Some(self.line(&finish, Source::Pipeline, &place))
    }

    fn attempt(&mut self, cell: &mut Cell<'_>, of: Attempt, run: &Head, of_records: &OfRecords) {
        let ended = Ended::stage(run, &of, cell.since.time(of.finished));
        if !self.holds(ended.finished) || !self.may_see(&mut cell.words, ended.owner) {
            return;
        }
        let Some(ending) = self.ending(&cell.words, of.result) else { return };
        for (line, known) in self.lines_of_stage(cell, &ended, of.approved, of_records).iter() {
            self.deployed(cell, &ended, *line, (*known, ending));
        }
    }

    fn lines_of_stage(
        &mut self,
        cell: &mut Cell<'_>,
        of: &Ended<'_>,
        approved: Vec<Text>,
        of_records: &OfRecords,
    ) -> Lines {
        let key = (of.owner.organization, of.pipeline, of.stage, approved);
        if let Some(known) = cell.of_stages.get(&key) {
            return Rc::clone(known);
        }
        let words = &mut cell.words;
        let approved: Vec<Name> = key.3.iter().filter_map(|text| self.word(words, *text)).collect();
        let lines: Lines = self.finish(words, of).map_or_else(Rc::default, |finish| {
            let places = self.places_of_stage(&finish, &approved, of_records);
            places.iter().map(|(place, known)| (self.line(&finish, Source::Pipeline, place), *known)).collect()
        });
        cell.of_stages.insert(key, Rc::clone(&lines));
        lines
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
            let (Some(finished), Some(organization)) = (finished, self.word(&mut words, head.organization)) else {
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
