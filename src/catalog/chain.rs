//! What deployment chains are made of, gathered by index and cut to the reader's projects; [`chain::rows()`] joins it.
//!
//! Nothing is scanned: the newest so many of each kind are taken, of the repositories that a chain names. Which
//! repositories there are is read off an index, a step each.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params};

use super::query::{Conditions, collect, list, time};
use super::references::Source;
use super::rows::Deployment;
use super::{Catalog, CatalogError, deployments};
use crate::domain::chain::{self, Arrival, Chain, Commit, Kind, Opened, Parts, PullRequest, ReleaseStage, Run, Sync};
use crate::domain::cluster::ClusterRecord;
use crate::domain::link::Certainty;
use crate::domain::{Outcome, Scope, State, Time};

/// The newest so many pull requests, pushes, runs of manifests and classic releases of one chain.
const MOST: u32 = 5_000;
/// The newest so many runs of one source pipeline.
const MOST_OF_A_PIPELINE: u32 = 1_000;

/// Which rows of the chains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChainFilter {
    pub organization: Option<String>,
    /// The id of the run that made the image.
    pub build: Option<u64>,
    /// The beginning of the commit that the image was made of.
    pub commit: Option<String>,
    /// The beginning of any commit on the way.
    pub any_commit: Option<String>,
    /// The row's own id, or one that it had before.
    pub deployment: Option<String>,
    /// `image:tag`, or either part.
    pub image_tag: Option<String>,
    pub rings: Vec<String>,
    pub services: Vec<String>,
    pub authors: Vec<String>,
    pub kinds: Vec<Kind>,
    pub top: Option<u32>,
}

impl ChainFilter {
    /// All are compared in any case of their letters.
    #[must_use]
    pub fn wants(&self, row: &chain::Row) -> bool {
        let source = row.source.as_ref();
        let begins = |id: Option<&str>, with: &str| id.is_some_and(|id| id.starts_with(&with.to_lowercase()));
        let commit = |with: &String| begins(source.and_then(|run| run.commit.as_deref()), with);
        let any = |with: &String| {
            let others = [row.hld_commit.as_deref(), row.manifest_commit.as_deref()];
            commit(with) || others.into_iter().any(|id| begins(id, with))
        };
        let tag = |wanted: &String| row.image_tag.as_deref().is_some_and(|tag| has_tag(tag, wanted));
        self.build.is_none_or(|id| source.is_some_and(|run| run.id == id))
            && self.commit.as_ref().is_none_or(commit)
            && self.any_commit.as_ref().is_none_or(any)
            && self.deployment.as_ref().is_none_or(|id| row.is_called(id))
            && self.image_tag.as_ref().is_none_or(tag)
            && one_of(&self.rings, row.ring.as_deref())
            && one_of(&self.services, row.service.as_deref())
            && one_of(&self.authors, row.author.as_deref())
            && (self.kinds.is_empty() || self.kinds.contains(&row.kind))
    }
}

fn has_tag(tag: &str, wanted: &str) -> bool {
    let (tag, wanted) = (tag.to_lowercase(), wanted.to_lowercase());
    tag == wanted || tag.split_once(':').is_some_and(|(image, tag)| image == wanted || tag == wanted)
}

fn one_of(wanted: &[String], text: Option<&str>) -> bool {
    wanted.is_empty()
        || text.is_some_and(|text| wanted.iter().any(|wanted| wanted.to_lowercase() == text.to_lowercase()))
}

impl Catalog {
    /// The rows of these chains, those that changed last first.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn chain_rows(&self, chains: &[Chain], filter: &ChainFilter) -> Result<Vec<chain::Row>, CatalogError> {
        let (chains, scope, wanted) = (chains.to_vec(), self.scope.clone(), filter.clone());
        let organization = filter.organization.as_ref().map(|name| name.to_lowercase());
        let act = move |connection: &Connection| {
            let mut rows = Vec::new();
            for organization in organizations(connection, organization.as_deref())? {
                let gather = Gather { connection, scope: &scope, organization: &organization };
                rows.extend(gather.rows(&chains, &wanted)?);
            }
            Ok(rows)
        };
        let mut rows: Vec<chain::Row> = self.file.read(act).await?;
        rows.retain(|row| filter.wants(row));
        rows.sort_by(|one, other| (other.updated, &other.id).cmp(&(one.updated, &one.id)));
        rows.truncate(filter.top.and_then(|top| usize::try_from(top).ok()).unwrap_or(usize::MAX));
        Ok(rows)
    }
}

/// What came to an environment by a run; releases are gathered by themselves.
fn arrival(deployment: &Deployment) -> Option<Arrival> {
    let run = Run {
        id: deployment.run_id?,
        pipeline: deployment.pipeline.as_ref()?.id,
        pipeline_name: deployment.pipeline.as_ref()?.name.clone(),
        number: deployment.run_name.clone(),
        branch: deployment.branch.clone(),
        commit: deployment.commit.clone(),
        repository: deployment.repository.clone(),
        ..Run::default()
    };
    Some(Arrival {
        run,
        environment_id: deployment.environment_id,
        environment: deployment.environment.clone(),
        stage: format!("{} {}", deployment.stage, deployment.attempt),
        attempt: deployment.attempt,
        state: deployment.state.as_deref().map(State::from),
        result: deployment.result.as_deref().map(Outcome::from),
        started: deployment.started_at,
        finished: deployment.finished_at,
        rule: deployment.rule.clone(),
        certainty: if deployment.certainty == "certain" { Certainty::Certain } else { Certainty::Likely },
    })
}

/// Of the whole index on them a step each.
fn organizations(connection: &Connection, wanted: Option<&str>) -> rusqlite::Result<Vec<String>> {
    if let Some(wanted) = wanted {
        return Ok(vec![wanted.to_owned()]);
    }
    let ask = "WITH RECURSIVE o(name) AS ( \
                 SELECT min(organization) FROM runs \
                 UNION SELECT (SELECT min(organization) FROM runs WHERE organization > o.name) FROM o \
                   WHERE o.name IS NOT NULL) \
               SELECT name FROM o WHERE name IS NOT NULL";
    collect(connection, ask, Vec::new(), |row| row.get(0))
}

/// One organization as one reader sees it.
struct Gather<'c> {
    connection: &'c Connection,
    scope: &'c Scope,
    organization: &'c str,
}

impl Gather<'_> {
    /// What belongs to no chain, a stage or a release with no high-level definition, is shown with the first.
    fn rows(&self, chains: &[Chain], filter: &ChainFilter) -> rusqlite::Result<Vec<chain::Row>> {
        let is_here = |chain: &&Chain| chain.organization.as_deref().is_none_or(|only| only == self.organization);
        let (mut rows, mut others) = (Vec::<chain::Row>::new(), Vec::<chain::Row>::new());
        for (at, chain) in chains.iter().filter(is_here).enumerate() {
            let mut parts = self.parts(chain)?;
            if at == 0 {
                parts.environments = self.arrivals(filter)?;
            }
            let (besides, of_chain): (Vec<_>, Vec<_>) =
                chain::rows(chain, &parts).into_iter().partition(|row| row.kind == Kind::Environment);
            rows.extend(of_chain);
            if at == 0 {
                others = besides;
            }
        }
        let known: BTreeSet<String> = rows.iter().filter_map(release_of).collect();
        rows.extend(others.into_iter().filter(|row| release_of(row).is_none_or(|release| !known.contains(&release))));
        Ok(rows)
    }

    /// What came to environments, with all that is known of the runs.
    fn arrivals(&self, filter: &ChainFilter) -> rusqlite::Result<Vec<Arrival>> {
        let Self { connection, scope, organization } = self;
        let found = match filter.build {
            Some(run) => deployments::by_run(connection, scope, organization, run)?,
            None => {
                let is_wanted = |ring: &str| !filter.rings.is_empty() && one_of(&filter.rings, Some(ring));
                deployments::by_pipelines(connection, scope, organization, is_wanted)?
            }
        };
        let arrivals: Vec<_> = found.iter().filter_map(arrival).collect();
        let ids: BTreeSet<u64> = arrivals.iter().map(|arrival| arrival.run.id).collect();
        let mut wanted = Conditions::default();
        wanted.add(OF_IDS, [list(ids), self.text()]);
        let runs: BTreeMap<_, _> =
            self.runs(wanted, u32::MAX)?.into_iter().map(|run| ((run.id, run.pipeline), run)).collect();
        let with_run = |arrival: Arrival| match runs.get(&(arrival.run.id, arrival.run.pipeline)) {
            Some(run) => Arrival { run: run.clone(), ..arrival },
            None => arrival,
        };
        Ok(arrivals.into_iter().map(with_run).collect())
    }

    fn parts(&self, chain: &Chain) -> rusqlite::Result<Parts> {
        let mut parts = Parts { organization: self.organization.to_owned(), ..Parts::default() };
        let mut manifest_runs = Vec::new();
        for repository in self.repositories("runs")?.iter().filter(|name| chain.is_hld(name)) {
            manifest_runs.extend(self.runs_of_repository(repository)?);
        }
        for repository in self.repositories("pull_requests")?.iter().filter(|name| chain.is_hld(name)) {
            parts.pull_requests.extend(self.pull_requests(repository)?);
        }
        let pushed = self.repositories("pushes")?;
        for repository in pushed.iter().filter(|name| chain.is_hld(name)) {
            parts.hld_commits.extend(self.commits(repository)?);
        }
        for repository in pushed.iter().filter(|name| chain.is_manifest(name)) {
            parts.manifest_commits.extend(self.commits(repository)?);
        }
        parts.releases = self.releases()?;
        parts.built = self.built(&parts)?;
        parts.syncs = self.syncs(&parts)?;
        parts.runs = self.source_runs(chain, &parts)?;
        parts.runs.extend(manifest_runs);
        parts.runs.sort_by_key(|run| run.id);
        parts.runs.dedup_by_key(|run| run.id);
        Ok(parts)
    }

    /// The repositories that rows of a table are of: an index holds organization and repository in this order.
    fn repositories(&self, table: &str) -> rusqlite::Result<Vec<String>> {
        let ask = format!(
            "WITH RECURSIVE r(name) AS ( \
               SELECT min(repository) FROM {table} WHERE organization = ?1 \
               UNION SELECT (SELECT min(repository) FROM {table} WHERE organization = ?1 AND repository > r.name) FROM r \
                 WHERE r.name IS NOT NULL) \
             SELECT name FROM r WHERE name IS NOT NULL"
        );
        collect(self.connection, &ask, vec![self.text()], |row| row.get(0))
    }

    fn text(&self) -> Value {
        Value::Text(self.organization.to_owned())
    }

    fn runs_of_repository(&self, repository: &str) -> rusqlite::Result<Vec<Run>> {
        let mut wanted = Conditions::default();
        wanted.add("r.organization = ? AND r.repository = ?", [self.text(), Value::Text(repository.to_owned())]);
        self.runs(wanted, MOST)
    }

    fn runs(&self, mut wanted: Conditions, most: u32) -> rusqlite::Result<Vec<Run>> {
        wanted.add_scope(self.scope, "r");
        let ask = newest_runs(&wanted, most);
        let found = collect(self.connection, &ask, wanted.values, |row| Ok((row.get(0)?, run(row)?)))?;
        self.with_stages(found)
    }

    /// Of what succeeded they tell nothing more.
    fn with_stages(&self, found: Vec<(i64, Run)>) -> rusqlite::Result<Vec<Run>> {
        let open = found.iter().filter(|(_, run)| run.result != Some(Outcome::Succeeded));
        let open: Vec<i64> = open.map(|(id, _)| *id).collect();
        let mut stages: BTreeMap<i64, Vec<_>> = BTreeMap::new();
        if !open.is_empty() {
            let stage = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, (word(row, 1)?, word(row, 2)?)));
            for (id, stage) in collect(self.connection, STAGES, vec![list(open)], stage)? {
                stages.entry(id).or_default().push(stage);
            }
        }
        let whole = |(id, run)| Run { stages: stages.remove(&id).unwrap_or_default(), ..run };
        Ok(found.into_iter().map(whole).collect())
    }

    fn pull_requests(&self, repository: &str) -> rusqlite::Result<Vec<PullRequest>> {
        let mut wanted = Conditions::default();
        wanted.add("p.organization = ? AND p.repository = ?", [self.text(), Value::Text(repository.to_owned())]);
        wanted.add_scope(self.scope, "p");
        let ask = format!(
            "SELECT p.source, p.id, p.repository, p.title, p.status, p.source_branch, p.target_branch, p.created_by, \
               p.merged_by, p.created, p.closed, p.merge_commit, p.url, \
               coalesce(project.name, p.project_name, nullif(p.project_id, '')) FROM pull_requests p \
             LEFT JOIN names project ON project.kind = 'project' AND project.organization = p.organization \
               AND project.id = p.project_id{} ORDER BY p.id DESC LIMIT {MOST}",
            wanted.text()
        );
        self.referring(collect(self.connection, &ask, wanted.values, |row| Ok((row.get(0)?, pull_request(row)?)))?)
    }

    /// With the runs that opened them and the commits that they are to merge, as their records refer to them.
    fn referring(&self, found: Vec<(String, PullRequest)>) -> rusqlite::Result<Vec<PullRequest>> {
        let row = |row: &Row<'_>| {
            let text = |column| row.get::<_, String>(column);
            Ok((text(0)?, text(1)?, text(2)?, row.get::<_, bool>(3)?, text(4)?))
        };
        let sources = vec![list(found.iter().map(|(source, _)| source))];
        let mut referred: BTreeMap<String, (Option<Opened>, Vec<String>)> = BTreeMap::new();
        for (source, rule, cause, certain, called) in collect(self.connection, REFERRED, sources, row)? {
            let (opened, sources) = referred.entry(source).or_default();
            if rule == "describedBuild" {
                *opened = cause.parse().ok().map(|run| opened_by(run, certain, &called));
            } else {
                sources.push(cause);
            }
        }
        let with = |(source, one): (String, PullRequest)| {
            let (opened, sources) = referred.remove(&source).unwrap_or_default();
            PullRequest { opened, sources, ..one }
        };
        Ok(found.into_iter().map(with).collect())
    }

    /// What was pushed to a repository, each commit once.
    fn commits(&self, repository: &str) -> rusqlite::Result<Vec<Commit>> {
        let mut wanted = Conditions::default();
        wanted.add("p.organization = ? AND p.repository = ?", [self.text(), Value::Text(repository.to_owned())]);
        wanted.add_scope(self.scope, "p");
        let ask = format!(
            "SELECT c.id, p.repository, c.author, c.message, c.at, p.pushed, p.refs, p.push, \
               EXISTS (SELECT 1 FROM ref_updates u WHERE u.source = p.source AND u.new = c.id) FROM ( \
               SELECT p.source, p.repository, p.pushed, p.refs, p.push FROM pushes p \
               LEFT JOIN names project ON project.kind = 'project' AND project.organization = p.organization \
                 AND project.id = p.project_id{} ORDER BY p.pushed DESC LIMIT {MOST}) p \
             JOIN commits c ON c.source = p.source",
            wanted.text()
        );
        let mut commits = collect(self.connection, &ask, wanted.values, commit)?;
        commits.sort_by(|one, other| (&one.id, one.pushed).cmp(&(&other.id, other.pushed)));
        commits.dedup_by(|later, first| {
            let is_same = later.id == first.id;
            if is_same {
                first.refs.append(&mut later.refs);
            }
            is_same
        });
        Ok(commits)
    }

    /// The runs that the service says built the commits of the high-level definition, whichever commit these are of.
    fn built(&self, parts: &Parts) -> rusqlite::Result<Vec<(String, u64)>> {
        let merges = parts.pull_requests.iter().filter_map(|one| one.merge_commit.as_deref());
        let all: BTreeSet<&str> = merges.chain(parts.hld_commits.iter().map(|commit| commit.id.as_str())).collect();
        collect(self.connection, BUILT, vec![list(all), self.text()], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    fn syncs(&self, parts: &Parts) -> rusqlite::Result<Vec<Sync>> {
        let commits = list(parts.manifest_commits.iter().map(|commit| &commit.id));
        collect(self.connection, SYNCS, vec![commits, self.text()], sync)
    }

    /// The newest classic releases, a row for each environment that they came to.
    fn releases(&self) -> rusqlite::Result<Vec<ReleaseStage>> {
        let mut wanted = Conditions::default();
        wanted.add("c.organization = ?", [self.text()]);
        wanted.add_scope(self.scope, "c");
        let ask = newest_releases(&wanted);
        let found = collect(self.connection, &ask, wanted.values, |row| Ok((row.get(0)?, release(row)?)))?;
        let mut releases: BTreeMap<i64, ReleaseStage> = found.into_iter().collect();
        let ids = list(releases.keys());
        let artifact = |row: &Row<'_>| {
            let text = |column| row.get::<_, Option<String>>(column);
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<u64>>(1)?, text(2)?, text(3)?, text(4)?))
        };
        for (release, run, kind, id, name) in collect(self.connection, ARTIFACTS, vec![ids.clone()], artifact)? {
            let Some(release) = releases.get_mut(&release) else { continue };
            match run {
                Some(run) => release.runs.push(run),
                None if kind.as_deref() != Some("Build") => release.tags.extend(name.or(id)),
                None => {}
            }
        }
        let stage = |row: &Row<'_>| {
            Ok(ReleaseStage {
                environment: row.get(1)?,
                state: word(row, 2)?,
                result: word(row, 3)?,
                started: time(row, 4)?,
                finished: time(row, 5)?,
                ..releases.get(&row.get(0)?).cloned().unwrap_or_default()
            })
        };
        collect(self.connection, RELEASE_STAGES, vec![ids], stage)
    }

    /// The runs that changes and releases name, and those of the same pipelines and of the services' ones.
    fn source_runs(&self, chain: &Chain, parts: &Parts) -> rusqlite::Result<Vec<Run>> {
        let opened = parts.pull_requests.iter().filter_map(|one| Some(one.opened.as_ref()?.run));
        let released = parts.releases.iter().flat_map(|release| release.runs.clone());
        let ids: BTreeSet<u64> = opened.chain(released).chain(ids(chain, parts)).collect();
        let mut wanted = Conditions::default();
        wanted.add(OF_IDS, [list(ids), self.text()]);
        let mut runs = self.runs(wanted, u32::MAX)?;
        for number in numbers(chain, parts, &runs) {
            let mut wanted = Conditions::default();
            wanted.add("r.name = ? AND r.organization = ?", [Value::Text(number), self.text()]);
            runs.extend(self.runs(wanted, MOST_OF_A_PIPELINE)?);
        }
        let mut pipelines = self.pipelines_of_services(chain)?;
        pipelines.extend(described_pipelines(parts, &runs));
        for pipeline in pipelines {
            let mut wanted = Conditions::default();
            let pipeline = Value::Integer(i64::try_from(pipeline).unwrap_or(-1));
            wanted.add("r.organization = ? AND r.pipeline = ?", [self.text(), pipeline]);
            runs.extend(self.runs(wanted, MOST_OF_A_PIPELINE)?);
        }
        Ok(runs)
    }

    fn pipelines_of_services(&self, chain: &Chain) -> rusqlite::Result<BTreeSet<u64>> {
        if chain.services.is_empty() {
            return Ok(BTreeSet::new());
        }
        let ask = "SELECT CAST(id AS INTEGER), name FROM names WHERE kind = 'pipeline' AND organization = ?";
        let named = |row: &Row<'_>| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?));
        let all = collect(self.connection, ask, vec![self.text()], named)?;
        Ok(all.into_iter().filter(|(id, name)| chain.service_of(*id, Some(name)).is_some()).map(|(id, _)| id).collect())
    }
}

fn newest_runs(wanted: &Conditions, most: u32) -> String {
    format!("{RUNS}{} ORDER BY r.run DESC LIMIT {most}", wanted.text())
}

fn newest_releases(wanted: &Conditions) -> String {
    format!(
        "SELECT c.id, c.release, c.name, c.definition_name, c.project_id, c.url, c.created_by \
         FROM releases c INDEXED BY releases_newest \
         LEFT JOIN names project ON project.kind = 'project' AND project.organization = c.organization \
           AND project.id = c.project_id{} ORDER BY c.release DESC, c.project_id LIMIT {MOST}",
        wanted.text()
    )
}

/// The pipelines of the runs that opened pull requests: their other runs are on the way, too. A number alone may be that
/// of any pipeline.
fn described_pipelines(parts: &Parts, runs: &[Run]) -> BTreeSet<u64> {
    let opened: BTreeSet<u64> = parts.pull_requests.iter().filter_map(|one| Some(one.opened.as_ref()?.run)).collect();
    runs.iter().filter(|run| opened.contains(&run.id)).map(|run| run.pipeline).collect()
}

/// The ids of runs in all tags that changes and releases name.
fn ids(chain: &Chain, parts: &Parts) -> Vec<u64> {
    chain::open_tags(chain, parts, &[]).into_iter().filter_map(|tag| chain.tag.read(tag)?.id).collect()
}

/// The numbers of runs in the tags of changes and releases whose run nothing else tells: every pipeline may have runs of
/// such a number.
fn numbers(chain: &Chain, parts: &Parts, runs: &[Run]) -> BTreeSet<String> {
    let tags = chain::open_tags(chain, parts, runs);
    tags.into_iter().filter_map(|tag| chain.tag.read(tag)?.number).collect()
}

fn release_of(row: &chain::Row) -> Option<String> {
    match row.second.as_ref()? {
        chain::Second::Release(stage) => Some(format!("{}/{}/{}", stage.project, stage.release, stage.environment)),
        chain::Second::Stage(_) => None,
    }
}

const REFERRED: &str = "SELECT f.source, f.rule, f.cause, f.certain, f.when_text \
                        FROM json_each(?) v CROSS JOIN refs f ON f.source = v.value \
                        WHERE f.rule IN ('describedBuild', 'pullRequestCommit')";

const BUILT: &str = "SELECT f.cause, CAST(f.effect AS INTEGER) FROM json_each(?) v CROSS JOIN refs f ON f.cause = v.value \
                     WHERE f.cause_kind = 'commit' AND f.organization = ? AND f.rule = 'buildChange'";

const SYNCS: &str = "SELECT s.cluster, s.commit_id, s.succeeded, s.state, s.message, s.at \
                     FROM json_each(?) v CROSS JOIN cluster_syncs s ON s.commit_id = v.value WHERE s.organization = ?";

const ARTIFACTS: &str = "SELECT a.release, a.run, a.kind, a.version_id, a.version_name \
                         FROM json_each(?) v CROSS JOIN release_artifacts a ON a.release = v.value \
                         ORDER BY a.prime DESC, a.alias";

/// Of each environment of a release the latest attempt.
const RELEASE_STAGES: &str = "SELECT s.release, s.name, s.state, s.result, s.started, s.finished, max(s.attempt) \
                              FROM json_each(?) v CROSS JOIN release_stages s ON s.release = v.value \
                              WHERE s.started IS NOT NULL OR s.finished IS NOT NULL GROUP BY s.release, s.name";

const OF_IDS: &str = "r.run IN (SELECT value FROM json_each(?)) AND r.organization = ?";

/// The latest attempts, in the order in which they started.
const STAGES: &str = "SELECT s.run, s.state, s.result FROM json_each(?) v CROSS JOIN stages s ON s.run = v.value \
                      WHERE s.attempt = (SELECT max(attempt) FROM stages WHERE run = s.run AND name = s.name) \
                      ORDER BY s.started IS NULL, s.started, s.name";

const RUNS: &str = "SELECT r.id, r.run, r.pipeline, pipeline.name, r.name, r.state, r.result, r.reason, r.branch, r.commit_id, \
                      r.repository, r.requested_for, r.queued, r.started, r.finished, r.url, \
                      coalesce(project.name, r.project_name, nullif(r.project_id, '')) \
                    FROM runs r \
                    LEFT JOIN names project ON project.kind = 'project' AND project.organization = r.organization \
                      AND project.id = r.project_id \
                    LEFT JOIN names pipeline ON pipeline.kind = 'pipeline' AND pipeline.organization = r.organization \
                      AND pipeline.id = CAST(r.pipeline AS TEXT)";

fn word<T: for<'w> From<&'w str>>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    Ok(row.get_ref(column)?.as_str_or_null()?.map(T::from))
}

fn run(row: &Row<'_>) -> rusqlite::Result<Run> {
    Ok(Run {
        id: row.get(1)?,
        pipeline: row.get(2)?,
        pipeline_name: row.get(3)?,
        number: row.get(4)?,
        state: word(row, 5)?,
        result: word(row, 6)?,
        reason: row.get(7)?,
        branch: row.get(8)?,
        commit: row.get::<_, Option<String>>(9)?.map(|id| id.to_lowercase()),
        repository: row.get(10)?,
        author: row.get(11)?,
        queued: time(row, 12)?,
        started: time(row, 13)?,
        finished: time(row, 14)?,
        url: row.get(15)?,
        project: row.get(16)?,
        stages: Vec::new(),
    })
}

fn pull_request(row: &Row<'_>) -> rusqlite::Result<PullRequest> {
    Ok(PullRequest {
        id: row.get(1)?,
        repository: row.get(2)?,
        title: row.get(3)?,
        status: row.get(4)?,
        source: row.get(5)?,
        target: row.get(6)?,
        created_by: row.get(7)?,
        merged_by: row.get(8)?,
        created: time(row, 9)?,
        closed: time(row, 10)?,
        merge_commit: row.get(11)?,
        url: row.get(12)?,
        project: row.get(13)?,
        opened: None,
        sources: Vec::new(),
    })
}

/// The number and the pipeline's name follow each other, as [`crate::domain::link::When::parts`] wrote them.
fn opened_by(run: u64, certain: bool, called: &str) -> Opened {
    let (number, pipeline) = called.split_once('\n').unwrap_or((called, ""));
    let told = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let certainty = if certain { Certainty::Certain } else { Certainty::Likely };
    Opened { run, number: told(number), pipeline: told(pipeline), certainty }
}

fn commit(row: &Row<'_>) -> rusqlite::Result<Commit> {
    Ok(Commit {
        id: row.get(0)?,
        repository: row.get(1)?,
        author: row.get(2)?,
        message: row.get(3)?,
        at: time(row, 4)?,
        push: row.get(7)?,
        is_tip: row.get(8)?,
        pushed: time(row, 5)?,
        refs: serde_json::from_str(row.get_ref(6)?.as_str()?).unwrap_or_default(),
    })
}

fn release(row: &Row<'_>) -> rusqlite::Result<ReleaseStage> {
    Ok(ReleaseStage {
        release: row.get(1)?,
        name: row.get(2)?,
        definition_name: row.get(3)?,
        project: row.get(4)?,
        url: row.get(5)?,
        by: row.get(6)?,
        ..ReleaseStage::default()
    })
}

fn sync(row: &Row<'_>) -> rusqlite::Result<Sync> {
    Ok(Sync {
        cluster: row.get(0)?,
        commit: row.get(1)?,
        succeeded: row.get(2)?,
        state: row.get(3)?,
        message: row.get(4)?,
        at: Time::from_ticks(row.get(5)?),
    })
}

pub(super) fn write_syncs(connection: &Connection, source: &Source, record: &ClusterRecord) -> rusqlite::Result<()> {
    remove_syncs(connection, source)?;
    let insert = "INSERT INTO cluster_syncs (source, cluster, organization, commit_id, state, succeeded, message, at) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let mut insert = connection.prepare_cached(insert)?;
    for sync in record.shown() {
        let at = sync.at.ticks();
        let commit = &record.key().commit;
        insert.execute(params![
            source.key,
            sync.cluster,
            source.organization,
            commit,
            sync.state,
            sync.succeeded,
            sync.message,
            at
        ])?;
    }
    Ok(())
}

pub(super) fn remove_syncs(connection: &Connection, source: &Source) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM cluster_syncs WHERE source = ?1")?.execute([&source.key]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(ask: &str, values: Vec<Value>) -> Vec<String> {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("schema.sql")).unwrap();
        collect(&connection, &format!("EXPLAIN QUERY PLAN {ask}"), values, |row| row.get(3)).unwrap()
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    /// All that there are would be sorted for each question.
    #[test]
    fn the_newest_releases_are_read_in_their_order() {
        let mut wanted = Conditions::default();
        wanted.add("c.organization = ?", [text("fabrikam")]);
        let plan = plan(&newest_releases(&wanted), wanted.values);
        assert!(plan.iter().all(|step| step.starts_with("SEARCH")), "{plan:?}");
    }

    /// However many there are beside them.
    #[test]
    fn what_belongs_to_something_is_found_by_its_name() {
        let mut wanted = Conditions::default();
        wanted.add(OF_IDS, [text("[1]"), text("fabrikam")]);
        let (runs, [one, two]) = (newest_runs(&wanted, MOST), [vec![text("[1]")], wanted.values]);
        for (ask, values, expected) in [
            (runs.as_str(), &two, "SEARCH r USING INDEX runs_order (run=? AND organization=?"),
            (STAGES, &one, "SEARCH s USING PRIMARY KEY (run=?"),
            (REFERRED, &one, "SEARCH f USING PRIMARY KEY (source=?"),
            (BUILT, &two, "SEARCH f USING INDEX refs_by_cause (cause=? AND cause_kind=? AND organization=?"),
            (SYNCS, &two, "SEARCH s USING INDEX cluster_syncs_by_commit (commit_id=? AND organization=?"),
            (ARTIFACTS, &one, "SEARCH a USING PRIMARY KEY (release=?"),
            (RELEASE_STAGES, &one, "SEARCH s USING PRIMARY KEY (release=?"),
        ] {
            let plan = plan(ask, values.clone());
            assert!(plan.iter().any(|step| step.starts_with(expected)), "{plan:#?}");
        }
    }
}
