//! What delivery metrics are counted from: read for a time, within what the reader may see.
//!
//! What is a deployment is the configuration's to say, so nothing of that is stored: names of stages are few, and each that
//! may deploy is looked up in an index by the time of its end. A reader asks for some days of a million runs, and for
//! nothing twice: texts that many rows have are shared.
//!
//! The trap: a deployment means little without the one before it. So what finished up to 30 days earlier is read, too, and
//! of each line that has nothing in those, the last that succeeded. Where a commit of the time is older than that, so is
//! what is read, for up to a year: it may have been deployed before.

mod built;
mod flow;
mod reported;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde::Serialize;
use utoipa::ToSchema;

use super::incidents;
use super::query::{Conditions, list, time};
use super::references::Source as RecordSource;
use super::{Catalog, CatalogError};
use crate::domain::changes::{Between, ShownChanges};
use crate::domain::metrics::{
    Beside, Deployed, Group, Grouped, Incident, Judged, Known, Line, Lost, Map, Material, MergedRequest, Name, Part,
    PartialSuccess, Period, Place, Report, Selection, Set, Source, Terms, Update, Wanted, Window, Work, Zone,
};
use crate::domain::owner::Owners;
use crate::domain::pull_request::ShownPullRequest;
use crate::domain::push::ShownPush;
use crate::domain::{Outcome, Said, Scope, ShownCommit, Time, commit_id};

pub(super) use reported::{remove_incident, remove_reports, write_incident, write_reports};

/// What was there before a time is told by what finished so long before it.
const LOOK_BACK: Duration = Duration::from_secs(30 * 24 * 3_600);
/// A commit of the time may be older. Of what was deployed longer before the time nobody asks.
const MOST_BACK: Duration = Duration::from_secs(365 * 24 * 3_600);
/// A commit is pushed before it is deployed; who deploys it later than so has no lead times.
const PUSHED_BEFORE: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Names of stages, and stages that have records: more than anybody has, and few enough for hostile data.
const MOST_NAMES: usize = 10_000;
/// So many runs of a pipeline are looked at for the last that deployed before the time.
const MOST_BEFORE: u32 = 5_000;
/// An older run may have been deployed again after newer ones: so many are compared, and runs so many numbers later.
const MOST_AGAIN: u32 = 50;
const MOST_LATER: u64 = 200;

/// The times to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: Time,
    /// What happened from then on is not read, also where it tells how something ended.
    until: Time,
}

/// What is to be counted.
#[derive(Debug, Clone)]
pub struct DeliveryQuestion {
    pub wanted: Wanted,
    pub window: Window,
    pub zone: Zone,
    pub period: Option<Period>,
    /// Also the numbers of each of these.
    pub group: Option<Group>,
    /// Whether what stands behind the numbers is told, too.
    pub work: bool,
    pub terms: Terms,
    pub owners: Owners,
    /// What happened up to now may tell how something ended.
    pub now: Time,
}

/// The numbers, and what stands behind them.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Delivery {
    #[serde(flatten)]
    pub report: Report,
    /// Those with the most deployments first; only where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub groups: Option<Vec<Grouped>>,
    /// How such a list is to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Option<String>)]
    pub caution: Option<&'static str>,
    /// Only where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub work: Option<Vec<Work>>,
}

impl DeliveryQuestion {
    fn selection<'m>(&self, material: &'m Material, judged: &'m [Judged]) -> Selection<'m> {
        Selection::new(material, judged, |line, deployed| self.wanted.fits(&self.owners, line, deployed))
    }

    fn asked(&self, c: &Connection, scope: &Scope) -> rusqlite::Result<Delivery> {
        let mut reading = Reading::new(c, scope, self, self.span());
        let judged = reading.judged()?;
        let selection = self.selection(&reading.found, &judged);
        let Some(since) = reading.further_back(selection.oldest_change(self.window)) else {
            return Ok(self.answer(&reading.found, &judged, &selection));
        };
        let mut reading = Reading { since, ..Reading::new(c, scope, self, self.span()) };
        let judged = reading.judged()?;
        Ok(self.answer(&reading.found, &judged, &self.selection(&reading.found, &judged)))
    }

    fn answer(&self, material: &Material, judged: &[Judged], selection: &Selection<'_>) -> Delivery {
        Delivery {
            report: selection.report(self.window, self.zone, self.period),
            groups: self.group.map(|group| self.groups(group, material, judged, selection)),
            caution: self.group.map(|_| Group::CAUTION),
            work: self.work.then(|| selection.work(self.window)),
        }
    }
}

impl DeliveryQuestion {
    fn span(&self) -> Span {
        Span { from: self.window.from, until: self.now.max(self.window.until) }
    }

    fn groups(&self, by: Group, material: &Material, judged: &[Judged], all: &Selection<'_>) -> Vec<Grouped> {
        let name = |line: &Line, deployed: &Deployed| by.of(&self.owners, line, deployed);
        let mut groups = all.groups(self.window, name);
        groups.sort_by(|one, other| (other.1, &one.0).cmp(&(one.1, &other.0)));
        groups.truncate(Group::MOST);
        let numbers = |group: Option<String>| {
            let wanted = |line: &Line, deployed: &Deployed| {
                self.wanted.fits(&self.owners, line, deployed) && name(line, deployed) == group
            };
            let numbers = Selection::new(material, judged, wanted).bucket(self.window, self.zone);
            Grouped { name: group, numbers }
        };
        groups.into_iter().map(|(group, _)| numbers(group)).collect()
    }
}

impl Catalog {
    /// The numbers of a time, and what stands behind them.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn delivery(&self, question: &DeliveryQuestion) -> Result<Delivery, CatalogError> {
        let (scope, question) = (self.scope.clone(), question.clone());
        Ok(self.file.read(move |c: &Connection| question.asked(c, &scope)).await?)
    }
}

impl Catalog {
    /// Of what was deployed to any environment in the time: between which runs only Azure DevOps can tell what came.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn uncompared(&self, question: &DeliveryQuestion) -> Result<Vec<Between>, CatalogError> {
        let (scope, question) = (self.scope.clone(), question.clone());
        let read = move |c: &Connection| {
            let mut reading = Reading { beside: Beside::All, ..Reading::new(c, &scope, &question, question.span()) };
            let judged = reading.judged()?;
            let DeliveryQuestion { wanted, owners, window, .. } = &question;
            reading.uncompared(&judged, |line, deployed| {
                window.holds(deployed.finished) && wanted.fits_anywhere(owners, line, deployed)
            })
        };
        Ok(self.file.read(read).await?)
    }
}

pub(super) fn write_ref_updates(c: &Connection, source: &RecordSource, push: &ShownPush) -> rusqlite::Result<()> {
    c.prepare_cached("DELETE FROM ref_updates WHERE source = ?1")?.execute([&source.key])?;
    // What has no time is found by nobody.
    let Some(pushed) = push.pushed else { return Ok(()) };
    let insert = "INSERT OR REPLACE INTO ref_updates (name, pushed, source, organization, project_id, project_name, \
                    repository, old, new, commits) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let mut insert = c.prepare_cached(insert)?;
    let commits = made(&push.commits);
    for update in &push.refs {
        let id = |text: &Option<String>| text.as_deref().and_then(commit_id);
        // A branch that was removed leads nowhere.
        let Some(new) = id(&update.new) else { continue };
        insert.execute(params![
            update.name,
            pushed.ticks(),
            source.key,
            source.organization,
            push.project_id,
            push.project_name.as_ref().map(|Said(_, name)| name),
            push.repository,
            id(&update.old),
            new,
            commits,
        ])?;
    }
    Ok(())
}

/// The commits, and when each was made.
fn made(commits: &[ShownCommit]) -> String {
    let commits: Vec<_> = commits.iter().map(|of| (&of.id, of.commit.at.map(Time::ticks))).collect();
    serde_json::json!(commits).to_string()
}

pub(super) fn write_compared(c: &Connection, source: &RecordSource, changes: &ShownChanges) -> rusqlite::Result<()> {
    c.prepare_cached("DELETE FROM compared WHERE source = ?1")?.execute([&source.key])?;
    let mut insert = c.prepare_cached("INSERT INTO compared (source, since, commits) VALUES (?1, ?2, ?3)")?;
    changes
        .compared
        .iter()
        .try_for_each(|(since, commits)| insert.execute(params![source.key, since, made(commits)]).map(drop))
}

pub(super) fn write_pull_request_commits(
    c: &Connection,
    source: &RecordSource,
    shown: &ShownPullRequest,
) -> rusqlite::Result<()> {
    c.prepare_cached("DELETE FROM pull_request_commits WHERE source = ?1")?.execute([&source.key])?;
    let mut insert = c.prepare_cached("INSERT INTO pull_request_commits (source, id) VALUES (?1, ?2)")?;
    let mut current = shown.sources.iter().filter(|commit| commit.is_current);
    current.try_for_each(|commit| insert.execute([&source.key, &commit.id]).map(drop))
}

/// A stage that has deployment records: organization, pipeline, stage.
type OfStage = (Name, u64, Name);
/// Project and environment, by their ids.
type OfProject = (Name, i64);
/// An attempt that has a record: the row of the run, stage, attempt.
type Attempt = (i64, Name, u32);

struct Reading<'c> {
    c: &'c Connection,
    scope: &'c Scope,
    terms: &'c Terms,
    /// What is read beside production, where incidents come from.
    beside: Beside<'c>,
    span: Span,
    /// From then on what finished is read.
    since: Time,
    texts: Set<Name>,
    /// By column.
    last: [Option<Name>; 16],
    pipelines: Map<(Name, u64), Name>,
    definitions: Map<(Name, u64), Name>,
    projects: Map<(Name, Name), Name>,
    environments: Map<(Name, String), Name>,
    /// What environments are, once that was asked.
    places: Map<(Name, Name, i64), Option<Arc<Place>>>,
    lines: Map<(Name, Source, u64, String), usize>,
    recorded: Set<Attempt>,
    /// Stages that waited for the approval of environments, with whether one of these is wanted.
    approved: BTreeMap<Name, bool>,
    found: Material,
}

/// A row of something that finished.
#[derive(Clone)]
struct Finish {
    organization: Name,
    project: Option<Name>,
    project_id: Option<Name>,
    pipeline: u64,
    run: u64,
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
const RUNS: &str = "SELECT r.organization, r.project_id, r.project_name, r.pipeline, r.run, '', 1, r.result, r.finished, \
                      r.commit_id, r.branch, r.repository, r.requested_for, r.folder \
                    FROM runs r";
const OF_STAGES: &str = "r.organization, r.project_id, r.project_name, r.pipeline, r.run, s.name, s.attempt, s.result, \
                         s.finished AS ended, r.commit_id, r.branch, r.repository, r.requested_for, r.folder, r.id";
/// What stands behind these where some stage of that name waited for the approval of an environment.
const APPROVED: &str = "(SELECT json_group_array(DISTINCT a.environment) FROM approvals a \
                         WHERE a.run = r.id AND a.stage = s.name AND a.environment IS NOT NULL)";
const RECORDS: &str = "SELECT d.organization, d.project_id, d.project_name, coalesce(d.pipeline, r.pipeline, 0), d.run, \
                         d.stage, d.attempt, d.result, d.finished, r.commit_id, r.branch, r.repository, \
                         r.requested_for, r.folder, r.id, d.environment \
                       FROM deployments d \
                       LEFT JOIN runs r ON r.run = d.run AND r.organization = d.organization \
                         AND (d.pipeline IS NULL OR r.pipeline = d.pipeline)";

/// With the commit of the run that it brought. Who sees only some projects is told nothing of the runs of others.
fn releases(scope: &Scope) -> String {
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

/// The next after some values of an index's columns. A comparison of rows would say the same, and have `SQLite` look at all
/// entries that are equal to them first.
fn leap(table: &str, columns: &[&str], of: &str) -> String {
    let all = columns.join(", ");
    let after = columns.iter().enumerate().rev().map(|(at, next)| {
        let (same, from) = columns.split_at(at);
        let same = same.iter().zip(1..).map(|(column, nth)| format!("{column} = ?{nth} AND ")).collect::<String>();
        let order = from.join(", ");
        let nth = at + 1;
        format!(
            "SELECT * FROM (SELECT {all} FROM {table} WHERE {same}{next} > ?{nth} AND {of} ORDER BY {order} LIMIT 1)"
        )
    });
    format!("{} LIMIT 1", after.collect::<Vec<_>>().join(" UNION ALL "))
}

/// Boards know projects by their names.
const ITEMS: &str = "(SELECT i.*, i.project AS project_name, \
                        coalesce((SELECT n.id FROM names n WHERE n.kind = 'project' AND n.organization = i.organization \
                          AND n.name = i.project COLLATE NOCASE LIMIT 1), i.project) AS project_id \
                      FROM work_items i) w";

/// The names of today, for the scope alone: `SQLite` leaves out a join that nothing asks for.
fn project_of(alias: &str) -> String {
    format!(
        "LEFT JOIN names project ON project.kind = 'project' AND project.organization = {alias}.organization \
         AND project.id = {alias}.project_id"
    )
}

/// None has a greater one.
fn number(id: u64) -> Value {
    Value::Integer(i64::try_from(id).unwrap_or(-1))
}

impl<'c> Reading<'c> {
    fn new(c: &'c Connection, scope: &'c Scope, question: &'c DeliveryQuestion, span: Span) -> Self {
        Self {
            c,
            scope,
            terms: &question.terms,
            beside: question.wanted.environment.as_deref().map_or(Beside::Nothing, Beside::Named),
            span,
            since: span.from.minus(LOOK_BACK),
            texts: Set::default(),
            last: Default::default(),
            pipelines: Map::default(),
            definitions: Map::default(),
            projects: Map::default(),
            environments: Map::default(),
            places: Map::default(),
            lines: Map::default(),
            recorded: Set::default(),
            approved: BTreeMap::new(),
            found: Material::default(),
        }
    }

    /// A commit counts with the first deployment that brought it: one that was made before what was read may have come to
    /// another environment, or by another pipeline, before that, too.
    fn further_back(&self, oldest: Option<Time>) -> Option<Time> {
        let oldest = oldest?.max(self.span.from.minus(MOST_BACK));
        (oldest < self.since).then_some(oldest)
    }

    /// All that was deployed, and what is to be said of it.
    fn judged(&mut self) -> rusqlite::Result<Vec<Judged>> {
        self.read()?;
        let judged = Judged::all(&self.found, self.terms);
        Ok(if self.built(&judged)? { Judged::all(&self.found, self.terms) } else { judged })
    }

    fn read(&mut self) -> rusqlite::Result<()> {
        self.names()?;
        let stages = self.stages_of_records()?;
        self.approved = self.stages_of_approvals()?;
        self.records(&stages)?;
        self.stages(&stages)?;
        self.releases()?;
        self.runs()?;
        self.reported()?;
        self.before(&stages)?;
        self.code()?;
        self.incidents()?;
        self.told_incidents()?;
        self.gaps()?;
        self.beginning()
    }

    /// The text, shared.
    fn name(&mut self, text: &str) -> Name {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let name: Name = text.into();
        self.texts.insert(Arc::clone(&name));
        name
    }

    fn text(&mut self, row: &Row<'_>, column: usize) -> rusqlite::Result<Name> {
        let text = row.get_ref(column)?.as_str()?;
        Ok(self.again(text, column))
    }

    fn maybe(&mut self, row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Name>> {
        Ok(row.get_ref(column)?.as_str_or_null()?.map(|text| self.again(text, column)))
    }

    /// Mostly a column says what it said in the row before.
    fn again(&mut self, text: &str, column: usize) -> Name {
        if let Some(last) = self.last.get(column).and_then(Option::as_ref).filter(|last| &***last == text) {
            return Arc::clone(last);
        }
        let name = self.name(text);
        if let Some(last) = self.last.get_mut(column) {
            *last = Some(Arc::clone(&name));
        }
        name
    }

    /// Each row of a question.
    fn each(
        &mut self,
        ask: &str,
        values: Vec<Value>,
        mut take: impl FnMut(&mut Self, &Row<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let mut ask = self.c.prepare_cached(ask)?;
        let mut rows = ask.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            take(self, row)?;
        }
        Ok(())
    }

    fn names(&mut self) -> rusqlite::Result<()> {
        self.each("SELECT kind, organization, id, name FROM names", Vec::new(), |this, row| {
            let (organization, name) = (this.text(row, 1)?, this.text(row, 3)?);
            let id: String = row.get(2)?;
            match row.get_ref(0)?.as_str()? {
                "pipeline" => {
                    if let Ok(id) = id.parse() {
                        this.pipelines.insert((organization, id), name);
                    }
                }
                "project" => {
                    let id = this.name(&id);
                    this.projects.insert((organization, id), name);
                }
                _ => {
                    this.environments.insert((organization, id), name);
                }
            }
            Ok(())
        })
    }

    /// By leaps through an index: there are few, and many rows of each.
    fn stages_of_records(&self) -> rusqlite::Result<BTreeMap<OfStage, BTreeSet<OfProject>>> {
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
    fn stages_of_approvals(&self) -> rusqlite::Result<BTreeMap<Name, bool>> {
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

    fn wanted(&self, alias: &str) -> Conditions {
        let mut wanted = Conditions::default();
        wanted.add_scope(self.scope, alias);
        wanted
    }

    fn times(&self) -> [Value; 2] {
        [Value::Integer(self.since.ticks()), Value::Integer(self.span.until.ticks())]
    }

    /// Of the stages that brought something to an environment that is wanted, all records: an attempt that has one to
    /// another environment did not go where its stage usually does.
    fn records(&mut self, of_records: &BTreeMap<OfStage, BTreeSet<OfProject>>) -> rusqlite::Result<()> {
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

    fn take_record(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
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

    fn stages(&mut self, of_records: &BTreeMap<OfStage, BTreeSet<OfProject>>) -> rusqlite::Result<()> {
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
    fn approved(&self, stage: &Name) -> &'static str {
        if self.approved.contains_key(stage) { APPROVED } else { "NULL" }
    }

    /// Where a record tells of the attempt, that was all. Else what other records tell of the stage comes before what its
    /// approvals tell, and these before its name.
    fn take_stage(
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

    fn releases(&mut self) -> rusqlite::Result<()> {
        let mut wanted = self.wanted("c");
        wanted.add("s.finished >= ? AND s.finished < ?", self.times());
        let ask = format!("{} {}{}", releases(self.scope), project_of("c"), wanted.text());
        self.each(&ask, wanted.values, |this, row| this.take_release(row))
    }

    fn take_release(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
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
    fn runs(&mut self) -> rusqlite::Result<()> {
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

    fn finish(&mut self, row: &Row<'_>) -> rusqlite::Result<Finish> {
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
    fn take(&mut self, finish: Finish, source: Source, known: Known, place: &Place) {
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

    /// Of each line that was found, what was there before: the first of its stages tells where to look.
    fn before(&mut self, of_records: &BTreeMap<OfStage, BTreeSet<OfProject>>) -> rusqlite::Result<()> {
        let known = self.found.lines.len();
        let mut first: BTreeMap<(usize, Name), (Time, u64)> = BTreeMap::new();
        for of in &self.found.deployments {
            let at = first.entry((of.line, of.stage.clone())).or_insert((of.finished, of.run));
            *at = (*at).min((of.finished, of.run));
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
        of_records: &BTreeMap<OfStage, BTreeSet<OfProject>>,
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
            runs.push(this.finish(row)?);
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
    fn has_deployed(
        &mut self,
        of: &Finish,
        of_records: &BTreeMap<OfStage, BTreeSet<OfProject>>,
    ) -> rusqlite::Result<bool> {
        let known = self.found.deployments.len();
        let run = || vec![Value::Text(of.organization.to_string()), number(of.run), number(of.pipeline)];
        let records =
            format!("{RECORDS} WHERE d.organization = ? AND d.run = ? AND r.pipeline = ? AND d.finished IS NOT NULL");
        self.each(&records, run(), |this, row| this.take_record(row))?;
        let stages = format!(
            "SELECT {OF_STAGES}, {APPROVED} FROM runs r JOIN stages s ON s.run = r.id \
             WHERE r.organization = ? AND r.run = ? AND r.pipeline = ? AND s.finished IS NOT NULL"
        );
        self.each(&stages, run(), |this, row| this.take_stage(row, of_records))?;
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
        self.each(&ask, values, |this, row| this.take_record(row))
    }

    /// Run by run, by the key of stages: the `+` keeps `SQLite` from an index that has all runs of that stage.
    fn stage_before(
        &mut self,
        (organization, pipeline, stage): &OfStage,
        run: u64,
        of_records: &BTreeMap<OfStage, BTreeSet<OfProject>>,
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
        self.each(&ask, values, |this, row| this.take_stage(row, of_records))
    }

    /// Pushes to the branches that were deployed, and the pull requests that these merged.
    fn code(&mut self) -> rusqlite::Result<()> {
        let Some(first) = self.found.deployments.iter().map(|of| of.finished).min() else { return Ok(()) };
        let since = first.minus(PUSHED_BEFORE);
        let branches: BTreeSet<Name> = self.found.deployments.iter().filter_map(|of| of.branch.clone()).collect();
        for branch in branches.iter().take(MOST_NAMES) {
            self.updates(branch, since)?;
        }
        self.requests(since)?;
        self.reported_code(first)
    }

    fn updates(&mut self, branch: &Name, since: Time) -> rusqlite::Result<()> {
        let mut wanted = self.wanted("u");
        wanted.add("u.name = ?", [Value::Text(branch.to_string())]);
        let times = [since, self.span.until].map(|time| Value::Integer(time.ticks()));
        wanted.add("u.pushed >= ? AND u.pushed < ?", times);
        let ask = format!(
            "SELECT u.organization, u.repository, u.old, u.new, u.commits FROM ref_updates u {}{} \
             ORDER BY u.pushed, u.source",
            project_of("u"),
            wanted.text()
        );
        let deployed = self.repositories();
        let mut small: Map<Name, Name> = Map::default();
        self.each(&ask, wanted.values, |this, row| {
            let in_small = |name: Name| small.entry(name).or_insert_with_key(|name| name.to_lowercase().into()).clone();
            let repository = this.maybe(row, 1)?.map(in_small);
            let is_deployed = |name: &Name| deployed.as_ref().is_none_or(|all| all.contains(&**name));
            if !repository.as_ref().is_none_or(is_deployed) {
                return Ok(());
            }
            let update = Update {
                organization: this.text(row, 0)?,
                repository,
                branch: branch.clone(),
                old: this.maybe(row, 2)?,
                new: this.text(row, 3)?,
                commits: this.commits(row.get_ref(4)?.as_str()?),
            };
            this.found.updates.push(update);
            Ok(())
        })
    }

    /// Those that were deployed, in small letters; `None` where some are not known: then it may be any.
    fn repositories(&self) -> Option<Set<String>> {
        let names = self.found.deployments.iter().map(|of| of.repository.as_ref().map(|name| name.to_lowercase()));
        names.collect()
    }

    /// The commits of a push, and when they were made.
    fn commits(&mut self, json: &str) -> Vec<Name> {
        let told: Vec<(&str, Option<i64>)> = serde_json::from_str(json).unwrap_or_default();
        let mut commits = Vec::with_capacity(told.len());
        for (id, at) in told {
            let id = self.name(id);
            if let Some(at) = at {
                self.found.commits.insert(id.clone(), Time::from_ticks(at));
            }
            commits.push(id);
        }
        commits
    }

    /// A commit, and when it was made.
    fn commit(&mut self, row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Name>> {
        let (id, at) = (self.maybe(row, column)?, row.get::<_, Option<i64>>(column + 1)?);
        if let (Some(id), Some(at)) = (&id, at) {
            self.found.commits.insert(id.clone(), Time::from_ticks(at));
        }
        Ok(id)
    }

    fn requests(&mut self, since: Time) -> rusqlite::Result<()> {
        let mut wanted = self.wanted("p");
        let times = [since, self.span.until].map(|time| Value::Integer(time.ticks()));
        wanted.add("p.closed >= ? AND p.closed < ? AND p.merge_commit IS NOT NULL", times);
        let ask = format!(
            "SELECT p.source, p.organization, p.id, p.title, p.source_branch, p.created, p.first_approved, \
               p.merge_commit, m.id, (SELECT max(c.at) FROM commits c WHERE c.id = m.id AND c.organization = p.organization) \
             FROM pull_requests p LEFT JOIN pull_request_commits m ON m.source = p.source {}{} \
             ORDER BY p.source",
            project_of("p"),
            wanted.text()
        );
        let mut last = String::new();
        self.each(&ask, wanted.values, |this, row| {
            let source = row.get_ref(0)?.as_str()?;
            if source != last {
                source.clone_into(&mut last);
                let request = this.request(row)?;
                this.found.requests.push(request);
            }
            let commit = this.commit(row, 8)?;
            if let Some(request) = this.found.requests.last_mut() {
                request.commits.extend(commit);
            }
            Ok(())
        })
    }

    fn request(&mut self, row: &Row<'_>) -> rusqlite::Result<MergedRequest> {
        Ok(MergedRequest {
            organization: self.text(row, 1)?,
            number: row.get(2)?,
            title: self.maybe(row, 3)?,
            source: self.maybe(row, 4)?,
            created: time(row, 5)?,
            approved: time(row, 6)?,
            merge: self.text(row, 7)?,
            commits: Vec::new(),
        })
    }

    /// Work items of the types that are configured, and those with tags that are.
    fn incidents(&mut self) -> rusqlite::Result<()> {
        let types = incidents::types(self.c, self.terms)?;
        for kind in &types {
            self.incident_sources("w.type = ?", kind)?;
            self.work_items("w.type = ?", vec![Value::Text(kind.clone())], |_| true)?;
        }
        for tags in self.incident_tags()? {
            self.incident_sources("w.tags = ?", &tags)?;
        }
        let terms = self.terms;
        let marks = vec!["?"; types.len()].join(", ");
        let other = types.into_iter().map(Value::Text).collect();
        let is_tagged = move |tags: &str| terms.is_tagged_incident(tags);
        self.work_items(&format!("w.tags IS NOT NULL AND coalesce(w.type, '') NOT IN ({marks})"), other, is_tagged)
    }

    /// By leaps, since many work items have the same tags.
    fn incident_tags(&self) -> rusqlite::Result<Vec<String>> {
        let mut ask = self.c.prepare_cached(&leap("work_items", &["tags"], "tags IS NOT NULL"))?;
        let (mut last, mut found) = (String::new(), Vec::new());
        for _ in 0..MOST_NAMES {
            let Some(next) = ask.query_row([&last], |row| row.get::<_, String>(0)).optional()? else { break };
            found.extend(self.terms.is_tagged_incident(&next).then(|| next.clone()));
            last = next;
        }
        Ok(found)
    }

    /// The projects that ever had such a work item.
    fn incident_sources(&mut self, which: &'static str, value: &str) -> rusqlite::Result<()> {
        let mut wanted = self.wanted("w");
        wanted.add(which, [Value::Text(value.to_owned())]);
        let ask =
            format!("SELECT DISTINCT w.organization, w.project_name FROM {ITEMS} {}{}", project_of("w"), wanted.text());
        self.each(&ask, wanted.values, |this, row| this.incident_source(row))
    }

    /// As the first two columns say.
    fn incident_source(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let part = Part { organization: self.text(row, 0)?, project: self.maybe(row, 1)? };
        self.found.incident_sources.insert(part);
        Ok(())
    }

    fn work_items(&mut self, which: &str, values: Vec<Value>, is_one: impl Fn(&str) -> bool) -> rusqlite::Result<()> {
        let mut wanted = self.wanted("w");
        wanted.add(which.to_owned(), values);
        wanted.add("w.created >= ? AND w.created < ?", self.times());
        let ask = format!(
            "SELECT w.organization, w.project_name, w.id, w.created, w.states, w.tags FROM {ITEMS} {}{}",
            project_of("w"),
            wanted.text()
        );
        self.each(&ask, wanted.values, |this, row| {
            if !is_one(row.get_ref(5)?.as_str_or_null()?.unwrap_or_default()) {
                return Ok(());
            }
            let id: u64 = row.get(2)?;
            let states: Vec<(String, Option<i64>)> =
                serde_json::from_str(row.get_ref(4)?.as_str()?).unwrap_or_default();
            let incident = Incident {
                organization: this.text(row, 0)?,
                project: this.maybe(row, 1)?,
                id: format!("work item {id}").into(),
                opened: Time::from_ticks(row.get(3)?),
                resolved: this.terms.resolved_since(&states).filter(|since| *since < this.span.until),
                run: None,
                pipeline: None,
                environment: None,
                commit: None,
            };
            this.found.incidents.push(incident);
            Ok(())
        })
    }

    /// Those of all projects name none.
    fn gaps(&mut self) -> rusqlite::Result<()> {
        let mut wanted = self.wanted("g");
        wanted.add("g.covered = 0", []);
        let ask = format!(
            "SELECT g.organization, coalesce(project.name, g.project_name, nullif(g.project_id, '')), g.start, g.finish \
             FROM gaps g {}{} LIMIT 10000",
            project_of("g"),
            wanted.text()
        );
        self.each(&ask, wanted.values, |this, row| {
            let of = Part { organization: this.text(row, 0)?, project: this.maybe(row, 1)? };
            this.found.gaps.push(Lost { of, from: Time::from_ticks(row.get(2)?), until: time(row, 3)? });
            Ok(())
        })
    }

    /// The earliest deployment that was found, or the first run of a pipeline that deploys.
    fn beginning(&mut self) -> rusqlite::Result<()> {
        let ask = "SELECT coalesce(queued, started, finished) FROM runs WHERE organization = ?1 AND pipeline = ?2 \
                   ORDER BY run LIMIT 1";
        let mut ask = self.c.prepare_cached(ask)?;
        let mut since = self.found.deployments.iter().map(|of| of.finished).min();
        let of_runs = self.found.lines.iter().filter(|line| line.source == Source::Pipeline);
        let pipelines: BTreeSet<_> = of_runs.map(|line| (&line.organization, line.pipeline)).collect();
        for (organization, pipeline) in pipelines {
            let first =
                ask.query_row(params![organization, pipeline], |row| row.get::<_, Option<i64>>(0)).optional()?;
            since = first.flatten().map(Time::from_ticks).into_iter().chain(since).min();
        }
        self.found.since = since;
        Ok(())
    }
}
