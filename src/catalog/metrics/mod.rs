//! What delivery metrics are counted from: read for a time, within what the reader may see.
//!
//! What is a deployment is the configuration's to say, so nothing of that is stored: names of stages are few, and what
//! finished is read of those that may deploy. A reader asks for some days of a million runs, and for nothing twice: texts
//! that many rows have are shared, and so are the numbers of commits.
//!
//! The trap: a deployment means little without the one before it. So what finished up to 30 days earlier is read, too, and
//! of each line that has nothing in those, the last that succeeded. Where a commit of the time is older than that, so is
//! what is read, for up to a year: it may have been deployed before.

mod before;
mod blocks;
mod built;
mod code;
mod deployed;
mod flow;
mod incidents;
mod reported;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use indexmap::IndexSet;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde::Serialize;
use utoipa::ToSchema;

use self::words::Word;
use super::query::{Conditions, time};
use super::{Catalog, CatalogError};
use crate::domain::changes::Between;
use crate::domain::metrics::{
    Beside, Group, Grouped, Judgement, Line, Map, Material, Name, Origin, Period, Place, Report, Selection, Source,
    Terms, Wanted, Window, Work, Zone,
};
use crate::domain::owner::Owners;
use crate::domain::{Scope, Time};

pub(super) use code::{remove_ref_updates, write_compared, write_pull_request_commits, write_ref_updates};
pub(super) use reported::{remove_incident, remove_reports, write_incident, write_reports};

/// What was there before a time is told by what finished so long before it.
const LOOK_BACK: Duration = Duration::from_secs(30 * 24 * 3_600);
/// A commit of the time may be older. Of what was deployed longer before the time nobody asks.
const MOST_BACK: Duration = Duration::from_secs(365 * 24 * 3_600);
/// A commit is pushed before it is deployed; who deploys it later than so has no lead times.
const PUSHED_BEFORE: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Names of stages, stages that have records, projects that have incidents: more than anybody has, and few enough for
/// hostile data.
const MOST_NAMES: usize = 10_000;

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
    fn selection<'m>(&self, material: &'m Material, judged: &'m Judgement) -> Selection<'m> {
        Selection::new(material, judged, self.zone, |line, origin| self.wanted.fits(&self.owners, line, origin))
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

    fn answer(&self, material: &Material, judged: &Judgement, selection: &Selection<'_>) -> Delivery {
        Delivery {
            report: selection.report(self.window, self.period),
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

    fn groups(&self, by: Group, material: &Material, judged: &Judgement, all: &Selection<'_>) -> Vec<Grouped> {
        let name = |line: &Line, origin: &Origin| by.of(&self.owners, line, origin);
        let mut groups = all.groups(self.window, name);
        groups.sort_by(|one, other| (other.1, &one.0).cmp(&(one.1, &other.0)));
        groups.truncate(Group::MOST);
        let numbers = |group: Option<String>| {
            let wanted = |line: &Line, origin: &Origin| {
                self.wanted.fits(&self.owners, line, origin) && name(line, origin) == group
            };
            let numbers = Selection::new(material, judged, self.zone, wanted).bucket(self.window);
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
            reading.uncompared(&judged, *window, |line, origin| wanted.fits_anywhere(owners, line, origin))
        };
        Ok(self.file.read(read).await?)
    }
}

/// A stage that has deployment records: organization, pipeline, stage.
type OfStage = (Name, u64, Name);
/// Project and environment, by their ids.
type OfProject = (Name, i64);
/// Where the records of a stage say that it brought something.
type OfRecords = BTreeMap<OfStage, BTreeSet<OfProject>>;

struct Reading<'c> {
    c: &'c Connection,
    scope: &'c Scope,
    terms: &'c Terms,
    /// What is read beside production, where incidents come from.
    beside: Beside<'c>,
    span: Span,
    /// From then on what finished is read.
    since: Time,
    texts: IndexSet<Name, RandomState>,
    /// By column.
    last: [Option<Name>; 16],
    pipelines: Map<(Name, u64), Name>,
    definitions: Map<(Name, u64), Name>,
    projects: Map<(Name, Name), Name>,
    environments: Map<(Name, String), Name>,
    /// What environments are, once that was asked.
    places: Map<(Name, Name, i64), Option<Arc<Place>>>,
    lines: Map<(Name, Source, u64, String), usize>,
    /// By stage, branch, repository, and who asked for the run.
    origins: Map<[Word; 4], usize>,
    /// Whether the reader may see what is of an organization, a project's id and its name.
    seen: Map<[Word; 3], bool>,
    /// Stages that waited for the approval of environments, with whether one of these is wanted.
    approved: BTreeMap<Name, bool>,
    found: Material,
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

/// From each to the `next` that [`leap`] finds after it.
fn leaps<T: Default>(
    mut next: impl FnMut(&T) -> rusqlite::Result<T>,
    mut take: impl FnMut(&T) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut last = T::default();
    for _ in 0..MOST_NAMES {
        let Some(found) = next(&last).optional()? else { break };
        take(&found)?;
        last = found;
    }
    Ok(())
}

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
            texts: IndexSet::default(),
            last: Default::default(),
            pipelines: Map::default(),
            definitions: Map::default(),
            projects: Map::default(),
            environments: Map::default(),
            places: Map::default(),
            lines: Map::default(),
            origins: Map::default(),
            seen: Map::default(),
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
    fn judged(&mut self) -> rusqlite::Result<Judgement> {
        self.read()?;
        let judged = Judgement::of(&self.found, self.terms);
        Ok(if self.built(&judged)? { Judgement::of(&self.found, self.terms) } else { judged })
    }

    fn read(&mut self) -> rusqlite::Result<()> {
        self.names()?;
        let stages = self.stages_of_records()?;
        self.approved = self.stages_of_approvals()?;
        self.finished(&stages)?;
        self.releases()?;
        self.reported()?;
        self.before(&stages)?;
        self.code()?;
        self.incidents()?;
        self.told_incidents()?;
        self.gaps()?;
        self.beginning()
    }

    /// The text, by its number.
    fn word_of(&mut self, text: &str) -> Word {
        let place = self.texts.get_index_of(text).unwrap_or_else(|| self.texts.insert_full(text.into()).0);
        Word::try_from(place + 1).unwrap_or_default()
    }

    fn name_of(&self, word: Word) -> Option<Name> {
        self.texts.get_index(usize::try_from(word).ok()?.checked_sub(1)?).cloned()
    }

    /// The text, shared.
    fn name(&mut self, text: &str) -> Name {
        let word = self.word_of(text);
        self.name_of(word).unwrap_or_else(|| text.into())
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

    fn wanted(&self, alias: &str) -> Conditions {
        let mut wanted = Conditions::default();
        wanted.add_scope(self.scope, alias);
        wanted
    }

    fn times(&self) -> [Value; 2] {
        [Value::Integer(self.since.ticks()), Value::Integer(self.span.until.ticks())]
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
