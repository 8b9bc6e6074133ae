//! Which runs stand on a page, without a look at those that do not.
//!
//! `SQLite` keeps no statistics here and would take the first index that fits. So the way is chosen by hand: each filter
//! with an index of its own is a [`Way`], and the one with the fewest candidates is taken. Candidates are counted in the
//! index alone, and no further than to [`MOST_COUNTED`]. Every way ends with the order of the list, so that it is left as
//! soon as the page is full.
//!
//! Filters that each fit many runs may together fit hardly any, and no index leads there. So a page looks at so many
//! candidates and no more: it may end with few runs, or with none, and says from where to look on.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::dashboard::RunsBefore;
use super::place::Place;
use super::query::{Conditions, RUNS, collect};
use super::rows::RunFilter;
use crate::domain::{ProjectName, Scope, Time};

/// A way with fewer candidates than others is taken; beyond so many they are as good as each other.
const MOST_COUNTED: usize = 5_000;
/// What does not end with the order of the list has to be sorted.
const MOST_SORTED: usize = 2_000;
/// So many candidates take a few ms in a catalog of a million runs. Twice as many take more than twice as long where they
/// are far apart: their rows are then not in memory.
pub(super) const MOST_LOOKED_AT: usize = 2_500;
/// Several values of one index are several questions.
const MOST_ARMS: usize = 64;
/// Run ids in one row of `blocks`, as a power of two.
const BLOCK: i64 = 10;

/// An index, and what to look up in it.
#[derive(Debug)]
struct Way {
    index: &'static str,
    /// What stands before the run's id in the index.
    key: &'static str,
    /// The values of the key: whoever fits any of them is a candidate.
    arms: Vec<Vec<Value>>,
    /// Within one arm, candidates come in the order of the list.
    is_ordered: bool,
}

impl Way {
    fn new(index: &'static str, key: &'static str, arms: Vec<Vec<Value>>) -> Self {
        Self { index, key, arms, is_ordered: true }
    }

    fn most(&self) -> usize {
        if self.is_ordered { MOST_COUNTED } else { MOST_SORTED }
    }
}

/// No candidates: all runs, in their order.
const ALL: &str = "runs_order";

/// Run ids, both ends included.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: i64,
    to: i64,
}

impl Span {
    /// No further than this id in the order of the list.
    fn as_far_as(self, end: Option<i64>, oldest_first: bool) -> Self {
        match (end, oldest_first) {
            (None, _) => self,
            (Some(end), false) => Self { from: end, ..self },
            (Some(end), true) => Self { to: end, ..self },
        }
    }
}

/// Where a run stands in the list, and its row.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Listed {
    run: i64,
    organization: String,
    pipeline: i64,
    id: i64,
}

impl Listed {
    fn place(&self) -> Place {
        let number = |id: i64| u64::try_from(id).unwrap_or_default();
        let (run_id, pipeline) = (number(self.run), number(self.pipeline));
        Place::from(RunsBefore { run_id, organization: self.organization.clone(), pipeline })
    }
}

/// A page, as rows of runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// In the order of the list.
    pub(super) rows: Vec<i64>,
    /// The rest of the list stands behind it; `None` where there is no rest.
    pub(super) next: Option<Place>,
    /// Where the page is not full though there may be more: all runs up to this id were looked at, itself included.
    pub(super) end: Option<i64>,
}

/// The runs that fit, as many as were asked for, and no more than are found among so many candidates.
pub(super) fn page(connection: &Connection, scope: &Scope, filter: &RunFilter, most: usize) -> rusqlite::Result<Page> {
    let asked = Asked { connection, filter, span: span(connection, filter)? };
    if filter.signature.is_some() || filter.only.is_some() {
        return Ok(asked.cut(asked.few(scope)?, None));
    }
    let mut wanted = Conditions::default();
    let mut ways = asked.conditions(&mut wanted)?;
    ways.extend(asked.projects(scope, &mut wanted)?);
    let way = asked.best(ways)?;
    let end = asked.end(&way, most)?;
    let asked = Asked { span: asked.span.as_far_as(end, filter.oldest_first), ..asked };
    Ok(asked.cut(asked.along_way(&way, &wanted)?, end))
}

/// Between which ids the runs have to be: after the cursor, and where anything of the time in question stands.
fn span(connection: &Connection, filter: &RunFilter) -> rusqlite::Result<Span> {
    let ask = "SELECT min(block), max(block) FROM blocks WHERE (?1 IS NULL OR organization = ?1) AND latest >= ?2 \
               AND (?3 IS NULL OR earliest < ?3)";
    let organization = filter.organization.as_ref().map(|name| name.to_lowercase());
    let (since, until) = (filter.since.map_or(i64::MIN, Time::ticks), filter.until.map(Time::ticks));
    let mut ask = connection.prepare_cached(ask)?;
    let (first, last): (Option<i64>, Option<i64>) =
        ask.query_row((organization, since, until), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (from, to) = match first.zip(last) {
        Some((first, last)) => (first << BLOCK, ((last + 1) << BLOCK) - 1),
        None => (1, 0),
    };
    let cursor = filter.after.as_ref().and_then(|place| place.values().next());
    Ok(match (cursor, filter.oldest_first) {
        (Some(Value::Integer(run)), true) => Span { from: from.max(run), to },
        (Some(Value::Integer(run)), false) => Span { from, to: to.min(run) },
        (_, _) => Span { from, to },
    })
}

#[derive(Debug, Clone, Copy)]
struct Asked<'c> {
    connection: &'c Connection,
    filter: &'c RunFilter,
    span: Span,
}

impl Asked<'_> {
    /// What a run has to fulfil but for its project, and the ways to those that do. A `+` keeps a condition from
    /// choosing an index.
    fn conditions(&self, wanted: &mut Conditions) -> rusqlite::Result<Vec<Way>> {
        let RunFilter { organization, branch, commit, since, until, requested_for, pool, .. } = self.filter;
        let text = |text: &String| vec![Value::Text(text.clone())];
        let mut ways = self.words(wanted);
        wanted.add_text("+r.organization = ?", organization.as_ref().map(|name| name.to_lowercase()));
        if let Some(commit) = commit {
            let ends = [commit.to_lowercase(), format!("{}\u{10ffff}", commit.to_lowercase())].map(Value::Text);
            wanted.add("+r.commit_id >= ? AND +r.commit_id < ?", ends.clone());
            let way = Way::new("runs_commit", "r.commit_id >= ? AND r.commit_id < ?", vec![ends.to_vec()]);
            ways.push(Way { is_ordered: false, ..way });
        }
        if let Some(branch) = branch {
            let both = [branch.clone(), format!("refs/heads/{branch}")];
            wanted.add("+r.branch IN (?, ?)", both.clone().map(Value::Text));
            ways.push(Way::new("runs_branch", "r.branch = ?", both.iter().map(text).collect()));
        }
        ways.extend(self.pipelines(wanted)?);
        if let Some(who) = requested_for {
            wanted.add("+r.requested_for = ? COLLATE NOCASE", [Value::Text(who.clone())]);
            ways.push(Way::new("runs_asked", "r.requested_for = ? COLLATE NOCASE", vec![text(who)]));
        }
        wanted.add_text("r.pool = ? COLLATE NOCASE", pool.clone());
        wanted.add_pipelines(self.filter);
        if let Some(since) = since {
            wanted.add("coalesce(r.queued, r.started, r.finished) >= ?", [Value::Integer(since.ticks())]);
        }
        if let Some(until) = until {
            wanted.add("coalesce(r.queued, r.started, r.finished) < ?", [Value::Integer(until.ticks())]);
        }
        wanted.add_runs_after(self.filter);
        Ok(ways)
    }

    /// Words that fit nearly all runs lead nowhere.
    fn words(&self, wanted: &mut Conditions) -> Vec<Way> {
        let RunFilter { state, result, .. } = self.filter;
        let is =
            |word: &Option<String>, usual: &str| word.as_ref().is_some_and(|word| word.eq_ignore_ascii_case(usual));
        let arm = |word: &String| vec![vec![Value::Text(word.clone())]];
        wanted.add_text("+r.state = ? COLLATE NOCASE", state.clone());
        wanted.add_text("+r.result = ? COLLATE NOCASE", result.clone());
        let key = "r.state = ? COLLATE NOCASE AND r.state IS NOT 'completed'";
        let live = state.as_ref().filter(|_| !is(state, "completed")).map(|word| Way::new("runs_live", key, arm(word)));
        let key = "r.result = ? COLLATE NOCASE AND r.result IS NOT NULL AND r.result <> 'succeeded'";
        let troubled = result.as_ref().filter(|_| !is(result, "succeeded"));
        let troubled = troubled.map(|word| Way::new("runs_troubled", key, arm(word)));
        live.into_iter().chain(troubled).collect()
    }

    /// A pipeline by its id or by its name of today. Several may have one name, and each organization has its own ids.
    fn pipelines(&self, wanted: &mut Conditions) -> rusqlite::Result<Option<Way>> {
        let Some(pipeline) = &self.filter.pipeline else { return Ok(None) };
        let ask = "SELECT organization, pipeline FROM pipelines WHERE pipeline = ?1 \
                   UNION SELECT organization, CAST(id AS INTEGER) FROM names \
                     WHERE kind = 'pipeline' AND name = ?2 COLLATE NOCASE";
        let id = pipeline.parse().map_or(Value::Null, Value::Integer);
        let values = vec![id, Value::Text(pipeline.clone())];
        let arms = collect(self.connection, ask, values, |row| Ok(vec![row.get(0)?, row.get(1)?]))?;
        wanted.add_any("+r.organization = ? AND +r.pipeline = ?", &arms);
        Ok(Some(Way::new("runs_pipeline", "r.organization = ? AND r.pipeline = ?", arms)))
    }

    /// The project that was asked for, and those that the reader may see.
    fn projects(&self, scope: &Scope, wanted: &mut Conditions) -> rusqlite::Result<Vec<Way>> {
        let asked = self.filter.project.as_ref();
        let asked = asked.map(|project| vec![ProjectName { organization: None, project: project.clone() }]);
        let seen = match scope {
            Scope::All => None,
            Scope::Only(projects) => Some(projects.clone()),
        };
        let mut ways = Vec::new();
        for projects in asked.into_iter().chain(seen) {
            let mut any = Vec::new();
            for project in projects {
                any.extend(self.ids(project)?);
            }
            wanted.add_any("+r.project = ? COLLATE NOCASE AND +r.organization = coalesce(?, r.organization)", &any);
            let arms = any.into_iter().map(|values| values.into_iter().take(1).collect()).collect();
            ways.push(Way::new("runs_project", "r.project = ? COLLATE NOCASE", arms));
        }
        Ok(ways)
    }

    /// What a project may stand as, each with its organization: what it was called, and the ids that have this name today.
    fn ids(&self, project: ProjectName) -> rusqlite::Result<Vec<Vec<Value>>> {
        let ask = "SELECT id, organization FROM names WHERE kind = 'project' AND name = ?1 COLLATE NOCASE \
                     AND organization = coalesce(?2, organization) AND id <> ?1 COLLATE NOCASE";
        let ProjectName { organization, project } = project;
        let itself = vec![Value::Text(project), organization.map_or(Value::Null, Value::Text)];
        let mut ids = collect(self.connection, ask, itself.clone(), |row| Ok(vec![row.get(0)?, row.get(1)?]))?;
        ids.push(itself);
        Ok(ids)
    }

    /// The way with the fewest candidates.
    fn best(&self, ways: Vec<Way>) -> rusqlite::Result<Way> {
        let all = || Way::new(ALL, "TRUE", vec![Vec::new()]);
        let mut best: Option<(usize, Way)> = None;
        for way in ways.into_iter().filter(|way| way.arms.len() <= MOST_ARMS) {
            let (counted, way) = self.count(way)?;
            let is_usable = way.is_ordered || counted < way.most();
            if is_usable && best.as_ref().is_none_or(|(fewest, _)| counted < *fewest) {
                best = Some((counted, way));
            }
        }
        Ok(best.map_or_else(all, |(_, way)| way))
    }

    /// Candidates of a way, in its index alone, and the way without the arms that have none.
    fn count(&self, mut way: Way) -> rusqlite::Result<(usize, Way)> {
        let (most, span) = (way.most(), self.along(&way));
        let ask = format!(
            "SELECT count(*) FROM (SELECT 1 FROM runs r INDEXED BY {} WHERE {}{span} LIMIT {most})",
            way.index, way.key
        );
        let mut ask = self.connection.prepare_cached(&ask)?;
        let (mut counted, mut arms) = (0, Vec::new());
        for arm in std::mem::take(&mut way.arms) {
            let count = ask.query_row(params_from_iter(self.values(&way, &arm)), |row| row.get::<_, usize>(0))?;
            counted += count;
            arms.extend((count > 0).then_some(arm));
        }
        Ok((counted.min(most), Way { arms, ..way }))
    }

    /// The id of the run that is the last to be looked at; `None` where all candidates can be. Those with the same id are
    /// looked at with it, or a page of them alone would lead nowhere.
    fn end(&self, way: &Way, most: usize) -> rusqlite::Result<Option<i64>> {
        if !way.is_ordered || way.arms.is_empty() {
            return Ok(None);
        }
        let ask = format!(
            "SELECT r.run FROM runs r INDEXED BY {} WHERE {}{} ORDER BY r.run{} LIMIT 1 OFFSET {}",
            way.index,
            way.key,
            self.along(way),
            self.order(),
            (most / way.arms.len()).max(1)
        );
        let mut ends = Vec::new();
        for arm in &way.arms {
            ends.extend(collect(self.connection, &ask, self.values(way, arm).collect(), |row| row.get::<_, i64>(0))?);
        }
        let nearest = if self.filter.oldest_first { ends.into_iter().min() } else { ends.into_iter().max() };
        Ok(nearest)
    }

    fn order(&self) -> &'static str {
        if self.filter.oldest_first { "" } else { " DESC" }
    }

    /// As much as was asked for, of runs of which one more was looked for.
    fn cut(&self, mut found: Vec<Listed>, end: Option<i64>) -> Page {
        let top = self.filter.top.and_then(|top| usize::try_from(top).ok()).unwrap_or(usize::MAX);
        let is_more = found.len() > top;
        found.truncate(top);
        let next = if is_more { found.last().map(Listed::place) } else { end.and_then(|end| self.behind(end)) };
        let end = end.filter(|_| found.len() < top);
        Page { rows: found.into_iter().map(|listed| listed.id).collect(), next, end }
    }

    /// Before all runs with the next id: no organization has an empty name.
    fn behind(&self, end: i64) -> Option<Place> {
        let next = if self.filter.oldest_first { end.checked_add(1) } else { end.checked_sub(1) };
        let run_id = u64::try_from(next?).ok()?;
        Some(Place::from(RunsBefore { run_id, organization: String::new(), pipeline: 0 }))
    }

    /// Few runs have the same error, and the index of failures leads to them; few were chosen before. One more than was
    /// asked for, if there is one.
    fn few(&self, scope: &Scope) -> rusqlite::Result<Vec<Listed>> {
        let mut wanted = Conditions::of(self.filter);
        wanted.add_scope(scope, "r");
        let top = self.filter.top.map_or(-1, |top| i64::from(top) + 1);
        let ask =
            format!("{RUNS}{} ORDER BY r.run{}, r.organization, r.pipeline LIMIT {top}", wanted.text(), self.order());
        collect(self.connection, &ask, wanted.values, |row| {
            Ok(Listed { run: row.get(5)?, organization: row.get(1)?, pipeline: row.get(3)?, id: row.get(0)? })
        })
    }

    /// What fits along one way, and one more than was asked for, if there is one.
    fn along_way(&self, way: &Way, wanted: &Conditions) -> rusqlite::Result<Vec<Listed>> {
        let top = self.filter.top.map_or(-1, |top| i64::from(top) + 1);
        let ask = format!(
            "SELECT r.run, r.organization, r.pipeline, r.id FROM runs r INDEXED BY {} WHERE {}{} AND {} \
             ORDER BY r.run{}, r.organization, r.pipeline LIMIT {top}",
            way.index,
            way.key,
            self.along(way),
            wanted.all(),
            self.order()
        );
        let mut found = Vec::new();
        for arm in &way.arms {
            let values = self.values(way, arm).chain(wanted.values.iter().cloned()).collect();
            found.extend(collect(self.connection, &ask, values, |row| {
                Ok(Listed { run: row.get(0)?, organization: row.get(1)?, pipeline: row.get(2)?, id: row.get(3)? })
            })?);
        }
        found.sort_unstable();
        found.dedup();
        if !self.filter.oldest_first {
            // The rest of the order is ascending either way.
            found.sort_by_key(|listed| std::cmp::Reverse(listed.run));
        }
        Ok(found)
    }

    /// The span as a part of a way that has the run's id in its index.
    fn along(&self, way: &Way) -> &'static str {
        if way.is_ordered { " AND r.run BETWEEN ? AND ?" } else { "" }
    }

    fn values<'v>(&self, way: &Way, arm: &'v [Value]) -> impl Iterator<Item = Value> + use<'v> {
        let Span { from, to } = self.span;
        let span = way.is_ordered.then_some([Value::Integer(from), Value::Integer(to)]);
        arm.iter().cloned().chain(span.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::place::Placed;
    use crate::catalog::query;
    use crate::domain::Time;

    /// The questions have to hold whatever there is.
    const STATES: [Option<&str>; 4] = [Some("completed"), Some("inProgress"), Some("waitingForGodot"), None];
    const RESULTS: [Option<&str>; 4] = [Some("succeeded"), Some("failed"), Some("Succeeded"), None];
    const BRANCHES: [Option<&str>; 4] = [Some("refs/heads/main"), Some("main"), Some("refs/pull/7/merge"), None];
    const PROJECTS: [(Option<&str>, Option<&str>); 4] =
        [(Some("id-1"), Some("Shop")), (Some("id-2"), None), (None, Some("shop")), (None, None)];
    const PEOPLE: [Option<&str>; 3] = [Some("Ada"), Some("Bea"), None];

    fn pick<T: Copy>(all: &[T], of: u32) -> T {
        all[usize::try_from(of).unwrap() % all.len()]
    }

    /// A sequence without a pattern that a filter could hide behind: Knuth's multiplier.
    fn mixed(n: u32) -> impl FnMut() -> u32 {
        let mut state = n.wrapping_mul(2_654_435_761);
        move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 16
        }
    }

    fn catalog() -> Connection {
        let c = Connection::open_in_memory().unwrap();
        c.execute_batch(include_str!("schema.sql")).unwrap();
        let insert = "INSERT OR IGNORE INTO runs (run, organization, pipeline, project_id, project_name, state, result, branch, \
                        commit_id, requested_for, queued, started, pool) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        for n in 0..2_000 {
            let mut next = mixed(n);
            let (project_id, project_name) = pick(&PROJECTS, next());
            let organization = pick(&["fabrikam", "contoso"], next());
            let queued = Some(i64::from(n / 2) * 10 + i64::from(next() % 50)).filter(|_| !next().is_multiple_of(9));
            let row = rusqlite::params![
                n / 2,
                organization,
                u32::from(organization == "contoso") * 3 + next() % 3,
                project_id,
                project_name,
                pick(&STATES, next() % 5),
                pick(&RESULTS, next() % 7),
                pick(&BRANCHES, next()),
                format!("{:x}", next() % 64),
                pick(&PEOPLE, next()),
                queued,
                i64::from(n) * 5,
                pick(&[Some("linux"), Some("Windows"), None], n),
            ];
            c.execute(insert, row).unwrap();
        }
        let names = "INSERT INTO names VALUES ('project', 'fabrikam', 'id-1', 1, 'Shop'), \
                       ('project', 'contoso', 'id-1', 1, 'Store'), ('project', 'fabrikam', 'id-2', 1, 'shop'), \
                       ('pipeline', 'fabrikam', '1', 1, 'CI'), ('pipeline', 'contoso', '3', 1, 'ci'), \
                       ('pipeline', 'fabrikam', '2', 1, '4')";
        c.execute_batch(names).unwrap();
        c
    }

    /// The same as one plain question, which looks at every run.
    fn plain(c: &Connection, scope: &Scope, filter: &RunFilter) -> Vec<i64> {
        let mut wanted = Conditions::of(filter);
        wanted.add_scope(scope, "r");
        let (order, top) = (if filter.oldest_first { "" } else { " DESC" }, filter.top.map_or(-1, i64::from));
        let order = format!("ORDER BY r.run{order}, r.organization, r.pipeline LIMIT {top}");
        collect(c, &format!("{}{} {order}", query::RUNS, wanted.text()), wanted.values, |row| row.get(0)).unwrap()
    }

    fn filter(c: &Connection, n: u32) -> (Scope, RunFilter) {
        let mut next = mixed(n + 77);
        let mut text = |all: &[&str]| Some(pick(all, next()).to_owned()).filter(|_| next().is_multiple_of(3));
        let mut filter = RunFilter {
            organization: text(&["fabrikam", "Contoso", "nobody"]),
            project: text(&["shop", "STORE", "id-1", "ID-2", "nothing"]),
            pipeline: text(&["ci", "1", "4", "none", "99"]),
            branch: text(&["main", "refs/heads/main", "refs/pull/7/merge", "gone"]),
            state: text(&["completed", "INPROGRESS", "waitingforgodot", "unheardOf"]),
            result: text(&["succeeded", "Failed", "unheardOf"]),
            commit: text(&["1", "A", "f", "z"]),
            requested_for: text(&["ada", "BEA", "nobody"]),
            pool: text(&["Linux", "windows", "none"]),
            signature: None,
            only: None,
            since: text(&["since"]).map(|_| Time::from_ticks(i64::from(n % 16_000))),
            until: text(&["until"]).map(|_| Time::from_ticks(i64::from(n % 16_000) + 4_000)),
            pipelines: text(&["fabrikam", "nobody"])
                .map(|organization| vec![(organization, 1), ("contoso".to_owned(), 2)]),
            top: Some(1 + n % 60),
            after: None,
            oldest_first: n.is_multiple_of(3),
        };
        if n.is_multiple_of(2) {
            let run = Value::Integer(i64::from(next() % 1_000));
            let ask = format!("{} WHERE r.run = ?", query::RUNS);
            filter.after = collect(c, &ask, vec![run], query::run).unwrap().first().map(Placed::place);
        }
        let project = |text: &&str| text.parse().unwrap();
        let seen: &[&[&str]] = &[&["shop"], &["contoso/store", "id-2"], &[], &["fabrikam/ID-1", "store", "nothing"]];
        let scope = if next().is_multiple_of(2) {
            Scope::All
        } else {
            Scope::Only(pick(seen, next()).iter().map(project).collect())
        };
        (scope, filter)
    }

    #[test]
    fn every_way_leads_to_the_same_runs() {
        let c = catalog();
        let mut full = 0;
        for n in 0..1_500 {
            let (scope, filter) = filter(&c, n);
            let found = page(&c, &scope, &filter, MOST_LOOKED_AT).unwrap();
            assert_eq!(found.rows, plain(&c, &scope, &filter), "{n}: {filter:?} {scope:?}");
            assert_eq!(found.end, None, "fewer runs than one page looks at");
            full += u32::from(!found.rows.is_empty());
        }
        assert!(full > 300, "{full}");
    }

    #[test]
    fn whoever_looks_on_to_the_end_finds_each_run_once() {
        let c = catalog();
        let (mut pages, mut empty) = (0, 0);
        for n in 0..700 {
            let (scope, mut filter) = filter(&c, n);
            let all = plain(&c, &scope, &RunFilter { top: None, ..filter.clone() });
            let (top, most) = (filter.top.map(|top| top as usize), usize::try_from(1 + n % 400).unwrap());
            let mut found = Vec::new();
            loop {
                let page = page(&c, &scope, &filter, most).unwrap();
                assert!(page.rows.len() <= top.unwrap() && page.end.is_none_or(|_| page.rows.len() < top.unwrap()));
                (pages, empty) = (pages + 1, empty + u32::from(page.rows.is_empty()));
                found.extend(page.rows);
                let Some(next) = page.next else { break };
                assert_ne!(filter.after, Some(next.clone()), "a page leads on");
                filter.after = Some(next);
            }
            assert_eq!(found, all, "{n}, {most} a page: {filter:?} {scope:?}");
        }
        assert!(empty > 500 && pages > 2 * empty, "{empty} of {pages} pages are empty");
    }

    #[test]
    fn a_page_that_ends_early_says_how_far_it_looked() {
        let c = catalog();
        let text = |text: &str| Some(text.to_owned());
        let filter =
            RunFilter { result: text("succeeded"), branch: text("main"), top: Some(50), ..RunFilter::default() };
        let few = page(&c, &Scope::All, &filter, 40).unwrap();
        let end = few.end.unwrap();
        let ask = format!("SELECT count(*) FROM runs WHERE branch IN ('main', 'refs/heads/main') AND run >= {end}");
        let looked_at: usize = c.query_row(&ask, [], |row| row.get(0)).unwrap();
        assert!((20..=44).contains(&looked_at), "{looked_at}");
        let upto = RunFilter { after: few.next, ..filter.clone() };
        let rest = page(&c, &Scope::All, &upto, MOST_LOOKED_AT).unwrap();
        assert!(few.rows.len() < 50 && !rest.rows.is_empty() && rest.end.is_none());
        let of_no_time = RunFilter { until: Some(Time::from_ticks(i64::MIN)), ..filter };
        let none = Page { rows: Vec::new(), next: None, end: None };
        assert_eq!(page(&c, &Scope::All, &of_no_time, 40).unwrap(), none, "no block of runs is of that time");
    }

    #[test]
    fn what_is_rare_leads_the_way() {
        let c = catalog();
        let way = |filter: RunFilter| {
            let asked = Asked { connection: &c, filter: &filter, span: span(&c, &filter).unwrap() };
            let mut wanted = Conditions::default();
            let mut ways = asked.conditions(&mut wanted).unwrap();
            ways.extend(asked.projects(&Scope::All, &mut wanted).unwrap());
            asked.best(ways).unwrap().index
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(way(RunFilter::default()), ALL);
        assert_eq!(way(RunFilter { result: text("succeeded"), state: text("completed"), ..RunFilter::default() }), ALL);
        assert_eq!(
            way(RunFilter { result: text("failed"), branch: text("gone"), ..RunFilter::default() }),
            "runs_branch"
        );
        assert_eq!(way(RunFilter { result: text("x"), branch: text("main"), ..RunFilter::default() }), "runs_troubled");
        assert_eq!(way(RunFilter { commit: text("f"), branch: text("main"), ..RunFilter::default() }), "runs_commit");
    }
}
