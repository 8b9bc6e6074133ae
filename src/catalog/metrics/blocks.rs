//! What finished in a time, from blocks of runs: deployment records, stages, and runs that deploy as a whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::deployed::Finish;
use super::{OfRecords, OfStage, Reading};
use crate::catalog::packed::{self, Finish as Attempt, Kind, Run, Runs, Text};
use crate::domain::metrics::{Commit, Known, Map, Name, Place, Set, Source};
use crate::domain::{Outcome, Scope, Time};

type Rows<'b> = Runs<&'b str, &'b [u8]>;

/// Texts of a block, as names once somebody asks for them.
pub(super) struct Words<'b> {
    texts: Vec<&'b str>,
    commits: Vec<Commit>,
    names: Vec<Option<Name>>,
}

impl<'b> Words<'b> {
    pub(super) fn new(texts: Vec<&'b str>, commits: Vec<Commit>) -> Self {
        Self { names: vec![None; texts.len()], texts, commits }
    }

    pub(super) fn commit(&self, commit: Text) -> Option<Commit> {
        self.commits.get(Self::place(commit)?).cloned()
    }

    fn place(text: Text) -> Option<usize> {
        usize::try_from(text).ok()?.checked_sub(1)
    }

    pub(super) fn text(&self, text: Text) -> Option<&'b str> {
        self.texts.get(Self::place(text)?).copied()
    }
}

/// A project of an organization, as a row of a block tells it.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub(super) organization: Text,
    pub(super) project_id: Text,
    pub(super) project_name: Text,
}

impl Owner {
    pub(super) fn of(run: &Run) -> Self {
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
    finished: i64,
    run: Option<&'r Run>,
}

impl<'r> Ended<'r> {
    fn stage(run: &'r Run, stage: Text, of: &Attempt) -> Self {
        let Attempt { attempt, result, finished, .. } = *of;
        Self { stage, attempt, result, finished, ..Self::run(run, finished) }
    }

    fn run(run: &'r Run, finished: i64) -> Self {
        let Run { pipeline, run: number, result, .. } = *run;
        Self { owner: Owner::of(run), pipeline, number, stage: 0, attempt: 1, result, finished, run: Some(run) }
    }

    fn record(stage: Text, of: &packed::Deployment, run: Option<&'r Run>) -> Self {
        let packed::Deployment { organization, project_id, project_name, attempt, result, finished, .. } = *of;
        let owner = Owner { organization, project_id, project_name };
        let pipeline = of.pipeline.or_else(|| Some(run?.pipeline)).unwrap_or_default();
        Self { owner, pipeline, number: of.run, stage, attempt, result, finished, run }
    }
}

/// A block, and what was found out about its rows.
struct Block<'b> {
    runs: Vec<&'b [u8]>,
    words: Words<'b>,
    /// Of organization, pipeline and stage, whether its records are wanted.
    wanted: Map<(Text, u64, Text), bool>,
    /// Of organization, project and environment, where that is.
    places: Map<(Text, Text, i64), Option<Arc<Place>>>,
    /// Of organization, pipeline, project and environment, the line.
    lines: Map<(Text, u64, Text, i64), usize>,
    /// Runs, stages and attempts that have records.
    recorded: Set<(u32, Text, u32)>,
}

impl<'b> Block<'b> {
    fn new(texts: Vec<&'b str>, commits: Vec<Commit>, runs: Vec<&'b [u8]>) -> Self {
        let words = Words::new(texts, commits);
        let (wanted, places, lines, recorded) = Default::default();
        Self { runs, words, wanted, places, lines, recorded }
    }

    fn run(&self, place: u32) -> rusqlite::Result<Option<Run>> {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        self.runs.get(place).map(|run| packed::unpacked(run)).transpose()
    }
}

impl Reading<'_> {
    /// All that runs deployed in the time.
    pub(super) fn finished(&mut self, of_records: &OfRecords) -> rusqlite::Result<()> {
        let wanted = of_records.iter().filter(|(of, places)| places.iter().any(|place| self.is_wanted(&of.0, place)));
        let wanted: Set<&OfStage> = wanted.map(|(stage, _)| stage).collect();
        let mut asked = Map::default();
        let whole = self.whole();
        let mut of_whole = Vec::new();
        packed::each(self.c, Kind::Runs, (self.since, self.span.until), |bytes| {
            let Rows { texts, commits, runs, stages, deployments, of_nobody } = packed::unpacked(bytes)?;
            let mut block = Block::new(texts, commits, runs);
            self.records(&mut block, &deployments, &wanted)?;
            for (stage, record) in &of_nobody {
                self.record(&mut block, *stage, record)?;
            }
            for (stage, attempts) in stages {
                let Some(name) = self.word(&mut block.words, stage) else { continue };
                if *asked.entry(name).or_insert_with_key(|name| self.is_asked(name, of_records)) {
                    self.attempts(&mut block, (stage, attempts), of_records)?;
                }
            }
            if !whole.is_empty() {
                self.ends(&mut block, &whole, &mut of_whole)?;
            }
            Ok(())
        })?;
        self.whole_runs(of_whole, &whole);
        Ok(())
    }

    /// The text as a name.
    pub(super) fn word(&mut self, words: &mut Words<'_>, text: Text) -> Option<Name> {
        let place = Words::place(text)?;
        let name = words.names.get_mut(place)?;
        if name.is_none() {
            *name = Some(self.name(words.texts.get(place)?));
        }
        name.clone()
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

    fn holds(&self, finished: i64) -> bool {
        (self.since..self.span.until).contains(&Time::from_ticks(finished))
    }

    fn unpack(&mut self, words: &mut Words<'_>, of: &Ended<'_>) -> Option<Finish> {
        let organization = self.word(words, of.owner.organization)?;
        let (id, name) = (self.word(words, of.owner.project_id), self.word(words, of.owner.project_name));
        let today = id.as_ref().and_then(|id| self.projects.get(&(organization.clone(), id.clone())));
        let project = today.cloned().or(name).or_else(|| id.clone());
        let stage = if of.stage == 0 { self.name("") } else { self.word(words, of.stage)? };
        let commit = of.run.and_then(|run| words.commit(run.commit));
        let mut of_run = |text: fn(&Run) -> Text| of.run.and_then(|run| self.word(words, text(run)));
        Some(Finish {
            project,
            project_id: id,
            organization,
            pipeline: of.pipeline,
            run: of.number,
            stage,
            attempt: of.attempt,
            finished: Time::from_ticks(of.finished),
            commit,
            branch: of_run(|run| run.branch),
            repository: of_run(|run| run.repository),
            requested_for: of_run(|run| run.requested_for),
            folder: of_run(|run| run.folder),
            result: self.word(words, of.result),
        })
    }

    /// Of the stages that brought something to an environment that is wanted, all records: an attempt that has one to
    /// another environment did not go where its stage usually does.
    fn records(
        &mut self,
        block: &mut Block<'_>,
        deployments: &[(Text, &[u8])],
        wanted: &Set<&OfStage>,
    ) -> rusqlite::Result<()> {
        for (stage, records) in deployments {
            let records: Vec<packed::Deployment> = packed::unpacked(records)?;
            for record in &records {
                let key = (record.organization, record.pipeline.unwrap_or_default(), *stage);
                let words = &mut block.words;
                let is_wanted = *block.wanted.entry(key).or_insert_with(|| {
                    let (organization, stage) = (self.word(words, key.0), self.word(words, key.2));
                    let of = organization.zip(stage).map(|(organization, stage)| (organization, key.1, stage));
                    of.is_some_and(|of| wanted.contains(&of))
                });
                if is_wanted {
                    self.record(block, *stage, record)?;
                }
            }
        }
        Ok(())
    }

    fn record(&mut self, block: &mut Block<'_>, stage: Text, of: &packed::Deployment) -> rusqlite::Result<()> {
        let run = of.held.map_or(Ok(None), |place| block.run(place))?;
        let ended = Ended::record(stage, of, run.as_ref());
        if !self.holds(of.finished) || !self.may_see(&mut block.words, ended.owner) {
            return Ok(());
        }
        if let (Some(place), Some(run), Some(name)) = (of.held, &run, self.word(&mut block.words, stage)) {
            block.recorded.insert((place, stage, of.attempt));
            self.recorded.insert((run.id, name, of.attempt));
        }
        let ending = block.words.text(of.result).and_then(|word| self.terms.ending(&Outcome::from(word)));
        let place = self.place_in(block, of).filter(|place| place.is_wanted(self.beside));
        let (Some(ending), Some(place)) = (ending, place) else { return Ok(()) };
        let key = (of.organization, ended.pipeline, of.project_id, of.environment);
        let Some(finish) = self.unpack(&mut block.words, &ended) else { return Ok(()) };
        let line = match block.lines.get(&key) {
            Some(line) => *line,
            None => self.line(&finish, Source::Pipeline, &place),
        };
        block.lines.insert(key, line);
        self.found.deployments.push(finish.deployed(line, Known::Record, ending));
        Ok(())
    }

    fn place_in(&mut self, block: &mut Block<'_>, of: &packed::Deployment) -> Option<Arc<Place>> {
        let key = (of.organization, of.project_id, of.environment);
        if let Some(known) = block.places.get(&key) {
            return known.clone();
        }
        let (organization, project) = (self.word(&mut block.words, key.0)?, self.word(&mut block.words, key.1)?);
        let place = self.place_of(&organization, &project, of.environment);
        block.places.insert(key, place.clone());
        place
    }

    /// Of one stage.
    fn attempts(
        &mut self,
        block: &mut Block<'_>,
        (stage, attempts): (Text, &[u8]),
        of_records: &OfRecords,
    ) -> rusqlite::Result<()> {
        let attempts: Vec<Attempt> = packed::unpacked(attempts)?;
        for of in attempts {
            if !self.holds(of.finished) || block.recorded.contains(&(of.run, stage, of.attempt)) {
                continue;
            }
            let Some(run) = block.run(of.run)? else { continue };
            let ended = Ended::stage(&run, stage, &of);
            if !self.may_see(&mut block.words, ended.owner) {
                continue;
            }
            let approved: Vec<Name> =
                of.approved.iter().filter_map(|text| self.word(&mut block.words, *text)).collect();
            if let Some(finish) = self.unpack(&mut block.words, &ended) {
                self.take_stage(finish, &approved, of_records);
            }
        }
        Ok(())
    }

    /// Whether a stage of this name may have brought something to an environment that is wanted.
    fn is_asked(&mut self, stage: &Name, of_records: &OfRecords) -> bool {
        let mut of_stage = of_records.iter().filter(|((_, _, name), _)| name == stage);
        self.approved.get(stage) == Some(&true)
            || self.terms.may_deploy(stage, self.beside)
            || of_stage
                .any(|((organization, ..), places)| places.iter().any(|place| self.is_wanted(organization, place)))
    }

    /// Pipelines that are configured to deploy as a whole, and where to.
    fn whole(&self) -> Map<(Name, u64), Place> {
        let whole = |(key, name): (&(Name, u64), &Name)| Some((key.clone(), self.terms.run(Some(name))?));
        self.pipelines.iter().filter_map(whole).collect()
    }

    fn ends(
        &mut self,
        block: &mut Block<'_>,
        whole: &Map<(Name, u64), Place>,
        found: &mut Vec<Finish>,
    ) -> rusqlite::Result<()> {
        for run in &block.runs {
            let run: Run = packed::unpacked(run)?;
            let Some(finished) = run.finished.filter(|finished| self.holds(*finished)) else { continue };
            let ended = Ended::run(&run, finished);
            let Some(organization) = self.word(&mut block.words, run.organization) else { continue };
            if whole.contains_key(&(organization, run.pipeline)) && self.may_see(&mut block.words, ended.owner) {
                found.extend(self.unpack(&mut block.words, &ended));
            }
        }
        Ok(())
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
