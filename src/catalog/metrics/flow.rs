//! How pipelines ran: read from an index that holds all that most questions need, in the order in which runs finished.

use std::collections::{BTreeMap, HashMap};

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params};

use super::reported::Told;
use super::{DeliveryQuestion, Reading, Span, project_of, time};
use crate::catalog::broken::Defaults;
use crate::catalog::{Catalog, CatalogError};
use crate::domain::default_branch::is_default;
use crate::domain::metrics::{Flow, FlowReport, Group, GroupFlow, Name, Ran, Tests, Whose};
use crate::domain::{Outcome, ReportKind, Time};

const NARROW: &str = "r.organization, r.pipeline, r.run, r.result, r.queued, r.started, r.finished, r.branch, r.commit_id, \
                      r.project_id, r.pool";
const WIDE: &str = ", r.project_name, r.folder, r.repository, r.requested_for";

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
    numbers: HashMap<Place, usize>,
    pipelines: HashMap<(Name, u64), usize>,
    /// Of each pipeline, the default branch of what it builds, if somebody told it.
    told: Vec<Option<String>>,
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
        let is_wanted = |place: usize| places.get(place).is_some_and(Option::is_some);
        let (mut all, mut kept) = (Vec::new(), Vec::new());
        for (run, place) in runs.runs.into_iter().zip(runs.places) {
            if is_wanted(place) {
                all.push(run);
                kept.push(place);
            }
        }
        let tests: Vec<_> =
            tests.iter().filter_map(|(place, passed)| Some((self.group_of(reading, place)?, *passed))).collect();
        let mut report = FlowReport::of(&all, self.window, self.zone);
        report.tests = tally(tests.iter().map(|(_, passed)| *passed));
        if self.group.is_some() {
            let name = |place: &usize| places.get(*place).cloned().flatten().flatten();
            report.groups = Some(self.flow_groups(all.iter().zip(kept.iter().map(name)), &tests));
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

    fn flow_groups<'r>(
        &self,
        runs: impl Iterator<Item = (&'r Ran, Option<String>)>,
        tests: &[(Option<String>, bool)],
    ) -> Vec<GroupFlow> {
        let mut groups: BTreeMap<Option<String>, (Vec<&Ran>, Vec<bool>)> = BTreeMap::new();
        runs.for_each(|(run, group)| groups.entry(group).or_default().0.push(run));
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
        let mut wanted = self.wanted("r");
        let times = [self.span.from, self.span.until].map(|time| Value::Integer(time.ticks()));
        wanted.add("r.finished >= ? AND r.finished < ?", times);
        let more = if is_wide { WIDE } else { "" };
        let ask = format!("SELECT {NARROW}{more} FROM runs r {}{}", project_of("r"), wanted.text());
        let mut runs = Runs::default();
        let told = Defaults::read(self.c)?;
        self.each(&ask, wanted.values, |this, row| {
            let place = this.place_of_run(row, is_wide)?;
            this.take_run(row, place, &told, &mut runs)
        })?;
        Ok(runs)
    }

    fn told_of(&self, place: &Place, told: &Defaults) -> rusqlite::Result<Option<String>> {
        let ask = "SELECT repository FROM pipelines WHERE organization = ?1 AND pipeline = ?2";
        let of = params![&*place.organization, place.pipeline];
        let builds: Option<String> = self.c.prepare_cached(ask)?.query_row(of, |row| row.get(0))?;
        let known = told.of(&place.organization, place.project_id.as_deref(), builds.as_deref());
        Ok(known.map(str::to_owned))
    }

    fn place_of_run(&mut self, row: &Row<'_>, is_wide: bool) -> rusqlite::Result<Place> {
        let mut wide = |column| if is_wide { self.maybe(row, column) } else { Ok(None) };
        let (project_name, folder, repository, requested_for) = (wide(11)?, wide(12)?, wide(13)?, wide(14)?);
        Ok(Place {
            organization: self.text(row, 0)?,
            pipeline: row.get(1)?,
            project_id: self.maybe(row, 9)?,
            project_name,
            folder,
            repository,
            requested_for,
            told: None,
        })
    }

    fn take_run(&mut self, row: &Row<'_>, place: Place, told: &Defaults, runs: &mut Runs) -> rusqlite::Result<()> {
        let Some(result) = row.get_ref(3)?.as_str_or_null()?.map(Outcome::from) else { return Ok(()) };
        let next = runs.pipelines.len();
        let pipeline = *runs.pipelines.entry((place.organization.clone(), place.pipeline)).or_insert(next);
        if pipeline == next {
            runs.told.push(self.told_of(&place, told)?);
        }
        let known = runs.known.len();
        let number = *runs.numbers.entry(place.clone()).or_insert(known);
        if number == known {
            runs.known.push(place);
        }
        runs.places.push(number);
        let branch = self.maybe(row, 7)?;
        let told = runs.told.get(pipeline).and_then(Option::as_deref);
        runs.runs.push(Ran {
            pipeline,
            run: row.get(2)?,
            on_default: is_default(branch.as_deref(), told),
            branch,
            commit: self.maybe(row, 8)?,
            result,
            queued: time(row, 4)?,
            started: time(row, 5)?,
            finished: Time::from_ticks(row.get(6)?),
            pool: self.maybe(row, 10)?,
        });
        Ok(())
    }
}
