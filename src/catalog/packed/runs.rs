//! Runs with their stages and deployment records.

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};

use super::texts::{Commit, Text, Texts};
use super::{Packed, bytes};
use crate::domain::Time;

/// A block of runs. `T` and `B` are texts and bytes: owned where it is packed, borrowed from the block where it is read.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::catalog) struct Runs<T, B> {
    pub(in crate::catalog) texts: Vec<T>,
    pub(in crate::catalog) commits: B,
    pub(in crate::catalog) since: Since,
    pub(in crate::catalog) runs: Vec<Run>,
}

/// What finished in the stages of one name. `T` and `B` as in a block of runs.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::catalog) struct Stages<T, B> {
    pub(in crate::catalog) texts: Vec<T>,
    pub(in crate::catalog) commits: B,
    pub(in crate::catalog) since: Since,
    pub(in crate::catalog) runs: Vec<Head>,
    /// Those that no deployment record tells of.
    pub(in crate::catalog) attempts: Vec<Finish>,
    pub(in crate::catalog) records: Vec<Deployment>,
}

/// From when on all times of a block are counted.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(in crate::catalog) struct Since(i64);

impl Since {
    fn count(self, at: i64) -> i64 {
        at.wrapping_sub(self.0)
    }

    /// What was counted.
    pub(in crate::catalog) fn time(self, count: i64) -> Time {
        Time::from_ticks(count.wrapping_add(self.0))
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::catalog) struct Run {
    pub(in crate::catalog) head: Head,
    pub(in crate::catalog) result: Text,
    pub(in crate::catalog) pool: Text,
    pub(in crate::catalog) queued: Option<i64>,
    pub(in crate::catalog) started: Option<i64>,
    pub(in crate::catalog) finished: Option<i64>,
}

/// Which run it is, and what it was made from: nothing else is asked of one that deployed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::catalog) struct Head {
    pub(in crate::catalog) run: u64,
    pub(in crate::catalog) organization: Text,
    pub(in crate::catalog) pipeline: u64,
    pub(in crate::catalog) project_id: Text,
    pub(in crate::catalog) project_name: Text,
    pub(in crate::catalog) branch: Text,
    pub(in crate::catalog) commit: Commit,
    pub(in crate::catalog) repository: Text,
    pub(in crate::catalog) requested_for: Text,
    pub(in crate::catalog) folder: Text,
}

/// An attempt of a stage that finished.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::catalog) struct Finish {
    /// The place of its run.
    pub(in crate::catalog) run: u32,
    pub(in crate::catalog) stage: Text,
    pub(in crate::catalog) attempt: u32,
    pub(in crate::catalog) result: Text,
    pub(in crate::catalog) finished: i64,
    /// The environments whose approval it waited for.
    pub(in crate::catalog) approved: Vec<Text>,
}

/// A deployment record that tells of an end.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::catalog) struct Deployment {
    pub(in crate::catalog) organization: Text,
    pub(in crate::catalog) project_id: Text,
    pub(in crate::catalog) project_name: Text,
    pub(in crate::catalog) environment: i64,
    /// As the record says it.
    pub(in crate::catalog) pipeline: Option<u64>,
    pub(in crate::catalog) run: u64,
    /// The place of the run, if it is held.
    pub(in crate::catalog) held: Option<u32>,
    pub(in crate::catalog) stage: Text,
    pub(in crate::catalog) attempt: u32,
    pub(in crate::catalog) result: Text,
    pub(in crate::catalog) finished: i64,
}

const RUNS: &str = "SELECT id, run, organization, pipeline, project_id, project_name, result, branch, commit_id, repository, \
                      requested_for, folder, pool, queued, started, finished \
                    FROM runs WHERE run >= ?1 AND run < ?2 ORDER BY run, organization, pipeline";
const STAGES: &str = "SELECT s.run, s.name, s.attempt, s.result, s.finished FROM runs r CROSS JOIN stages s ON s.run = r.id \
                      WHERE r.run >= ?1 AND r.run < ?2 AND s.finished IS NOT NULL";
const APPROVALS: &str = "SELECT DISTINCT a.run, a.stage, a.environment FROM runs r CROSS JOIN approvals a ON a.run = r.id \
                         WHERE r.run >= ?1 AND r.run < ?2 AND a.stage IS NOT NULL AND a.environment IS NOT NULL \
                         ORDER BY a.environment";
const DEPLOYMENTS: &str = "SELECT organization, project_id, project_name, environment, pipeline, run, stage, attempt, result, \
                             finished \
                           FROM deployments WHERE run >= ?1 AND run < ?2 AND finished IS NOT NULL";

/// Those with ids from the first on and below the second, with the stages that are asked for.
pub(super) fn pack(
    c: &Connection,
    ids: (i64, i64),
    mut asks_for: impl FnMut(&str) -> bool,
) -> rusqlite::Result<Option<Packed>> {
    let (texts, recorded) = (Texts::new(), HashSet::new());
    let mut block = Block { c, ids, texts, recorded, since: None, times: Vec::new() };
    let (ids, runs) = block.runs()?;
    let mut stages = OfStages::new();
    block.deployments(&runs, &mut stages)?;
    block.attempts(&ids, &mut stages)?;
    if runs.is_empty() && stages.is_empty() {
        return Ok(None);
    }
    let Block { texts, since, times, .. } = block;
    let since = since.unwrap_or_default();
    let named: BTreeMap<_, _> = stages.into_iter().filter_map(|(stage, of)| Some((texts.get(stage)?, of))).collect();
    let asked = named.into_iter().filter(|(stage, _)| asks_for(stage));
    let cell = |(stage, of): (&str, _)| Ok((stage.to_owned(), bytes(&Copied::new(&texts, &runs).stages(since, of))?));
    let stages = asked.map(cell).collect::<rusqlite::Result<_>>()?;
    let (texts, commits) = texts.into_all();
    let packed = Packed::new(&Runs { texts, commits, since, runs }, times.into_iter())?;
    Ok(Some(Packed { stages, ..packed }))
}

/// By their names. The empty one has all records that do not say of which pipeline they are, too.
type OfStages = BTreeMap<Text, OfStage>;

#[derive(Default)]
struct OfStage {
    attempts: Vec<Finish>,
    records: Vec<Deployment>,
}

/// What is copied to a cell of its own: texts, commits and runs have other places there.
struct Copied<'b> {
    from: &'b Texts,
    all: &'b [Run],
    texts: Texts,
    runs: Vec<Head>,
    places: HashMap<u32, u32>,
}

impl<'b> Copied<'b> {
    fn new(from: &'b Texts, all: &'b [Run]) -> Self {
        Self { from, all, texts: Texts::new(), runs: Vec::new(), places: HashMap::new() }
    }

    fn stages(mut self, since: Since, of: OfStage) -> Stages<String, Vec<u8>> {
        let attempts = of.attempts.into_iter().filter_map(|attempt| self.attempt(attempt)).collect();
        let records = of.records.into_iter().map(|record| self.record(record)).collect();
        let (texts, commits) = self.texts.into_all();
        Stages { texts, commits, since, runs: self.runs, attempts, records }
    }

    fn text(&mut self, text: Text) -> Text {
        self.texts.copied(self.from, text)
    }

    fn run(&mut self, place: u32) -> Option<u32> {
        if let Some(known) = self.places.get(&place) {
            return Some(*known);
        }
        let head = self.all.get(usize::try_from(place).ok()?)?.head;
        let head = Head {
            organization: self.text(head.organization),
            project_id: self.text(head.project_id),
            project_name: self.text(head.project_name),
            branch: self.text(head.branch),
            commit: self.texts.copied_commit(self.from, head.commit),
            repository: self.text(head.repository),
            requested_for: self.text(head.requested_for),
            folder: self.text(head.folder),
            ..head
        };
        let new = u32::try_from(self.runs.len()).ok()?;
        self.runs.push(head);
        self.places.insert(place, new);
        Some(new)
    }

    fn attempt(&mut self, of: Finish) -> Option<Finish> {
        Some(Finish {
            run: self.run(of.run)?,
            stage: self.text(of.stage),
            result: self.text(of.result),
            approved: of.approved.iter().map(|environment| self.text(*environment)).collect(),
            ..of
        })
    }

    fn record(&mut self, of: Deployment) -> Deployment {
        Deployment {
            organization: self.text(of.organization),
            project_id: self.text(of.project_id),
            project_name: self.text(of.project_name),
            held: of.held.and_then(|place| self.run(place)),
            stage: self.text(of.stage),
            result: self.text(of.result),
            ..of
        }
    }
}

struct Block<'c> {
    c: &'c Connection,
    ids: (i64, i64),
    texts: Texts,
    /// Places of runs, stages and attempts that have records.
    recorded: HashSet<(u32, Text, u32)>,
    /// The first time that was met.
    since: Option<Since>,
    times: Vec<i64>,
}

impl Block<'_> {
    fn each(
        &mut self,
        ask: &str,
        mut take: impl FnMut(&mut Self, &Row<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let mut ask = self.c.prepare_cached(ask)?;
        let mut rows = ask.query(params![self.ids.0, self.ids.1])?;
        while let Some(row) = rows.next()? {
            take(self, row)?;
        }
        Ok(())
    }

    fn count(&mut self, at: i64) -> i64 {
        self.since.get_or_insert(Since(at)).count(at)
    }

    /// The rows of runs, and what they say.
    fn runs(&mut self) -> rusqlite::Result<(Vec<i64>, Vec<Run>)> {
        let (mut ids, mut runs) = (Vec::new(), Vec::new());
        self.each(RUNS, |this, row| {
            let [queued, started, finished] = [row.get(13)?, row.get(14)?, row.get(15)?];
            this.times.extend::<Option<i64>>(finished);
            let count = |at: Option<i64>| at.map(|at| this.count(at));
            let [queued, started, finished] = [queued, started, finished].map(count);
            let texts = &mut this.texts;
            ids.push(row.get(0)?);
            let head = Head {
                run: row.get(1)?,
                organization: texts.text(row, 2)?,
                pipeline: row.get(3)?,
                project_id: texts.text(row, 4)?,
                project_name: texts.text(row, 5)?,
                branch: texts.text(row, 7)?,
                commit: texts.commit(row, 8)?,
                repository: texts.text(row, 9)?,
                requested_for: texts.text(row, 10)?,
                folder: texts.text(row, 11)?,
            };
            let (result, pool) = (texts.text(row, 6)?, texts.text(row, 12)?);
            runs.push(Run { head, result, pool, queued, started, finished });
            Ok(())
        })?;
        Ok((ids, runs))
    }

    fn attempts(&mut self, ids: &[i64], stages: &mut OfStages) -> rusqlite::Result<()> {
        let places: HashMap<i64, u32> = ids.iter().copied().zip(0..).collect();
        let mut approved: HashMap<(i64, Text), Vec<Text>> = HashMap::new();
        self.each(APPROVALS, |this, row| {
            let (stage, environment) = (this.texts.text(row, 1)?, this.texts.text(row, 2)?);
            approved.entry((row.get(0)?, stage)).or_default().push(environment);
            Ok(())
        })?;
        self.each(STAGES, |this, row| {
            let (id, stage, result) = (row.get(0)?, this.texts.text(row, 1)?, this.texts.text(row, 3)?);
            let attempt = row.get(2)?;
            let Some(run) = places.get(&id).copied() else { return Ok(()) };
            if this.recorded.contains(&(run, stage, attempt)) {
                return Ok(());
            }
            let approved = approved.get(&(id, stage)).cloned().unwrap_or_default();
            let finished = row.get(4)?;
            this.times.push(finished);
            let finish = Finish { run, stage, attempt, result, finished: this.count(finished), approved };
            stages.entry(stage).or_default().attempts.push(finish);
            Ok(())
        })
    }

    fn deployments(&mut self, runs: &[Run], stages: &mut OfStages) -> rusqlite::Result<()> {
        let mut held: HashMap<(Text, u64), Vec<(u64, u32)>> = HashMap::new();
        for (run, place) in runs.iter().zip(0..) {
            let Head { organization, run, pipeline, .. } = run.head;
            held.entry((organization, run)).or_default().push((pipeline, place));
        }
        self.each(DEPLOYMENTS, |this, row| {
            let finished = row.get(9)?;
            this.times.push(finished);
            let finished = this.count(finished);
            let texts = &mut this.texts;
            let (organization, stage) = (texts.text(row, 0)?, texts.text(row, 6)?);
            let (pipeline, run): (Option<u64>, _) = (row.get(4)?, row.get(5)?);
            // The number of a run tells its pipeline, unless the service counted anew.
            let runs = held.get(&(organization, run)).map_or(&[][..], Vec::as_slice);
            let held = runs.iter().find(|(of, _)| pipeline.is_none_or(|pipeline| pipeline == *of));
            let (held, attempt) = (held.map(|(_, place)| *place), row.get(7)?);
            this.recorded.extend(held.map(|place| (place, stage, attempt)));
            let deployment = Deployment {
                organization,
                project_id: texts.text(row, 1)?,
                project_name: texts.text(row, 2)?,
                environment: row.get(3)?,
                pipeline,
                run,
                held,
                stage,
                attempt,
                result: texts.text(row, 8)?,
                finished,
            };
            let of = pipeline.map_or_else(|| texts.called(""), |_| stage);
            stages.entry(of).or_default().records.push(deployment);
            Ok(())
        })
    }
}
