//! How pipelines ran: what is asked of half a million runs is asked of their block where it can be.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::reported::Told;
use super::words::{Owner, Word, Words};
use super::{DeliveryQuestion, Reading, Span};
use crate::catalog::broken::Defaults;
use crate::catalog::packed::{self, Head, Kind, Since};
use crate::catalog::{Catalog, CatalogError};
use crate::domain::default_branch::is_default;
use crate::domain::metrics::{Flow, FlowReport, Group, GroupFlow, Map, Name, Ran, Tests, Whose};
use crate::domain::{Outcome, ReportKind};

/// Where a run belongs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    organization: Name,
    pipeline: u64,
    project_id: Option<Name>,
    project_name: Option<Name>,
    folder: Option<Name>,
    repository: Option<Name>,
    requested_for: Option<Name>,
    /// What somebody who told of it calls the pipeline; it has no number then.
    told: Option<Name>,
}

/// In place of the number of a pipeline.
const TOLD: u64 = 0;

impl Place {
    fn told(told: Told) -> Self {
        Self {
            organization: told.organization,
            pipeline: TOLD,
            project_id: None,
            project_name: told.project,
            folder: None,
            repository: told.repository,
            requested_for: None,
            told: Some(told.subject),
        }
    }
}

#[derive(Default)]
struct Runs {
    runs: Vec<Ran>,
    /// Of each, which place.
    places: Vec<usize>,
    known: Vec<Place>,
    /// With the pipeline of each.
    numbers: Map<OfPlace, (usize, usize)>,
    pipelines: Map<(Name, u64), usize>,
    /// Of each pipeline, the default branch of what it builds, if somebody told it.
    told: Vec<Option<String>>,
    /// Whether a branch is the default one of what a pipeline builds.
    on_default: Map<(usize, Word), bool>,
    pools: Vec<Option<Name>>,
    pool_numbers: Map<Word, usize>,
    default: Defaults,
    /// Whether more is asked for than pipelines.
    is_wide: bool,
}

/// Of a place: organization, pipeline, project, and what is asked for beside these.
type OfPlace = (Word, u64, Word, [Word; 4]);

/// A block whose runs are read.
struct Block<'b> {
    since: Since,
    words: Words<'b>,
}

impl Catalog {
    /// How pipelines ran in a time. Environments play no part in it.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn flow(&self, question: &DeliveryQuestion) -> Result<FlowReport, CatalogError> {
        let (scope, question) = (self.scope.clone(), question.clone());
        let read = move |c: &Connection| {
            let span = Span { from: question.window.from, until: question.now.max(question.window.until) };
            let mut reading = Reading::new(c, &scope, &question, span);
            reading.names()?;
            let runs = reading.ran(question.asks_for_more_than_pipelines())?;
            let tests = reading.tests(&question)?;
            Ok(question.flow(&reading, runs, &tests))
        };
        Ok(self.file.read(read).await?)
    }
}

impl DeliveryQuestion {
    /// Then the index alone does not do.
    fn asks_for_more_than_pipelines(&self) -> bool {
        let wanted = &self.wanted;
        let by = match self.group {
            None | Some(Group::Pipeline | Group::Environment) => false,
            Some(Group::Repository | Group::Project | Group::Service | Group::Team | Group::Person) => true,
        };
        by || [&wanted.project, &wanted.repository, &wanted.service, &wanted.team].iter().any(|one| one.is_some())
    }

    fn flow(&self, reading: &Reading<'_>, runs: Runs, tests: &[(Place, bool)]) -> FlowReport {
        let places: Vec<_> = runs.known.iter().map(|place| self.group_of(reading, place)).collect();
        let Runs { mut runs, places: mut of, pools, .. } = runs;
        if places.iter().any(Option::is_none) {
            let is_wanted = |place: &usize| places.get(*place).is_some_and(Option::is_some);
            let mut wanted = of.iter().map(is_wanted);
            runs.retain(|_| wanted.next().unwrap_or_default());
            of.retain(is_wanted);
        }
        let tests: Vec<_> =
            tests.iter().filter_map(|(place, passed)| Some((self.group_of(reading, place)?, *passed))).collect();
        let mut report = FlowReport::of(&runs, &pools, self.window, self.zone);
        report.tests = tally(tests.iter().map(|(_, passed)| *passed));
        if self.group.is_some() {
            let places: Vec<_> = places.into_iter().map(Option::flatten).collect();
            report.groups = Some(self.flow_groups(runs.iter().zip(of), &places, &tests));
            report.caution = Some(Group::CAUTION);
        }
        report
    }

    /// Of a place that is wanted, its group.
    fn group_of(&self, reading: &Reading<'_>, place: &Place) -> Option<Option<String>> {
        let key = place.project_id.as_ref().map(|id| (place.organization.clone(), id.clone()));
        let today = key.and_then(|key| reading.projects.get(&key));
        let project = today.or(place.project_name.as_ref());
        let told = (place.pipeline == TOLD).then_some(place.told.as_ref()).flatten();
        let whose = Whose {
            organization: &place.organization,
            project: project.or(place.project_id.as_ref()),
            project_id: place.project_id.as_ref(),
            pipeline: place.pipeline,
            pipeline_name: told.or_else(|| reading.pipelines.get(&(place.organization.clone(), place.pipeline))),
            folder: place.folder.as_ref(),
            repository: place.repository.as_ref(),
        };
        let by = |group: Group| {
            let person = place.requested_for.as_deref().filter(|_| group == Group::Person).map(str::to_owned);
            person.or_else(|| group.of_run(&self.owners, &whose))
        };
        self.wanted.fits_run(&self.owners, &whose).then(|| self.group.and_then(by))
    }

    /// Of runs, each with its place, by the groups of the places.
    fn flow_groups<'r>(
        &self,
        runs: impl Iterator<Item = (&'r Ran, usize)>,
        places: &[Option<String>],
        tests: &[(Option<String>, bool)],
    ) -> Vec<GroupFlow> {
        let mut of_places: Vec<Vec<&Ran>> = vec![Vec::new(); places.len()];
        for (run, place) in runs {
            of_places.get_mut(place).into_iter().for_each(|of| of.push(run));
        }
        let mut groups: BTreeMap<Option<String>, (Vec<&Ran>, Vec<bool>)> = BTreeMap::new();
        for (group, runs) in places.iter().zip(of_places) {
            groups.entry(group.clone()).or_default().0.extend(runs);
        }
        tests.iter().for_each(|(group, passed)| groups.entry(group.clone()).or_default().1.push(*passed));
        let numbers = |(name, (runs, tests)): (Option<String>, (Vec<&'r Ran>, Vec<bool>))| GroupFlow {
            name,
            numbers: Flow::of(runs, self.window),
            tests: tally(tests.into_iter()),
        };
        let has_any = |of: &GroupFlow| of.numbers.runs > 0 || of.tests != Tests::default();
        let mut groups: Vec<_> = groups.into_iter().map(numbers).filter(has_any).collect();
        groups.sort_by(|one, other| (other.numbers.runs, &one.name).cmp(&(one.numbers.runs, &other.name)));
        groups.truncate(Group::MOST);
        groups
    }
}

/// Of events: each is a run of tests, or that one passed.
fn tally(told: impl Iterator<Item = bool>) -> Tests {
    let (runs, passed) = told.fold((0, 0), |(runs, passed), is_pass| match is_pass {
        true => (runs, passed + 1),
        false => (runs + 1, passed),
    });
    Tests::of(runs, passed)
}

impl Reading<'_> {
    /// Runs of tests within the time that were told of, each with whether it is one that passed.
    fn tests(&mut self, question: &DeliveryQuestion) -> rusqlite::Result<Vec<(Place, bool)>> {
        let mut tests = Vec::new();
        for (kind, is_pass) in [(ReportKind::TestRun, false), (ReportKind::TestPass, true)] {
            let told = self.told(&kind, question.window.from)?;
            let told = told.into_iter().filter(|told| question.window.holds(told.at));
            // Who says of a pass that it failed says that it is none.
            let told = told.filter(|told| !is_pass || told.result.as_deref() != Some("failed"));
            tests.extend(told.map(|told| (Place::told(told), is_pass)));
        }
        Ok(tests)
    }

    fn ran(&mut self, is_wide: bool) -> rusqlite::Result<Runs> {
        let mut runs = Runs { default: Defaults::read(self.c)?, is_wide, ..Runs::default() };
        packed::each(self.c, Kind::Runs, (self.span.from, self.span.until), |bytes| {
            let block: packed::Runs<&str, &[u8]> = packed::unpacked(bytes)?;
            let mut of = Block { since: block.since, words: Words::new(block.texts, block.commits) };
            for run in &block.runs {
                let ran = self.take_run(run, &mut of, &mut runs)?;
                runs.runs.extend(ran);
            }
            Ok(())
        })?;
        Ok(runs)
    }

    /// What it was, where it finished within the time with a result that the reader may see.
    fn take_run(&mut self, run: &packed::Run, of: &mut Block<'_>, runs: &mut Runs) -> rusqlite::Result<Option<Ran>> {
        let time = |at: Option<i64>| at.map(|at| of.since.time(at));
        let [queued, started, finished] = [run.queued, run.started, run.finished].map(time);
        let finished = finished.filter(|at| (self.span.from..self.span.until).contains(at));
        let passed = of.words.text(run.result).map(|result| Ran::passed(&Outcome::from(result)));
        let (Some(finished), Some(passed)) = (finished, passed) else { return Ok(None) };
        if !self.may_see(&mut of.words, Owner::of(&run.head)) {
            return Ok(None);
        }
        let Some((place, pipeline)) = self.place_of_run(&run.head, of, runs)? else { return Ok(None) };
        runs.places.push(place);
        let [branch, pool] = [run.head.branch, run.pool].map(|text| self.word(&mut of.words, text));
        let on_default = *runs.on_default.entry((pipeline, branch)).or_insert_with(|| {
            let told = runs.told.get(pipeline).and_then(Option::as_deref);
            is_default(self.name_of(branch).as_deref(), told)
        });
        let pool = *runs.pool_numbers.entry(pool).or_insert_with(|| {
            runs.pools.push(self.name_of(pool));
            runs.pools.len() - 1
        });
        Ok(Some(Ran {
            pipeline,
            run: run.head.run,
            branch,
            on_default,
            commit: of.words.commit(run.head.commit),
            passed,
            queued,
            started,
            finished,
            pool,
        }))
    }

    /// The numbers of its place and of its pipeline.
    fn place_of_run(
        &mut self,
        run: &Head,
        of: &mut Block<'_>,
        runs: &mut Runs,
    ) -> rusqlite::Result<Option<(usize, usize)>> {
        let wide =
            if runs.is_wide { [run.project_name, run.folder, run.repository, run.requested_for] } else { [0; 4] };
        let wide = wide.map(|text| self.word(&mut of.words, text));
        let [organization, project_id] = [run.organization, run.project_id].map(|text| self.word(&mut of.words, text));
        let key = (organization, run.pipeline, project_id, wide);
        if let Some(known) = runs.numbers.get(&key) {
            return Ok(Some(*known));
        }
        let Some(organization) = self.name_of(organization) else { return Ok(None) };
        let project_id = self.name_of(project_id);
        let [project_name, folder, repository, requested_for] = wide.map(|word| self.name_of(word));
        let pipeline = run.pipeline;
        let told = None;
        let place = Place { organization, pipeline, project_id, project_name, folder, repository, requested_for, told };
        let next = runs.pipelines.len();
        let pipeline = *runs.pipelines.entry((place.organization.clone(), pipeline)).or_insert(next);
        if pipeline == next {
            runs.told.push(self.told_of(&place, &runs.default)?);
        }
        runs.known.push(place);
        let found = (runs.known.len() - 1, pipeline);
        runs.numbers.insert(key, found);
        Ok(Some(found))
    }

    fn told_of(&self, place: &Place, told: &Defaults) -> rusqlite::Result<Option<String>> {
        let ask = "SELECT repository FROM pipelines WHERE organization = ?1 AND pipeline = ?2";
        let of = params![&*place.organization, place.pipeline];
        let builds: Option<String> = self.c.prepare_cached(ask)?.query_row(of, |row| row.get(0))?;
        let known = told.of(&place.organization, place.project_id.as_deref(), builds.as_deref());
        Ok(known.map(str::to_owned))
    }
}
