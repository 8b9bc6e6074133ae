use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::change::{Change, Sources, changes};
use super::cluster::Clusters;
use super::manifest::{Made, made};
use super::parts::{Arrival, Parts, ReleaseStage, Run};
use super::row::{ChainLink, Kind, Row, Second, Status, Step};
use super::rules::Chain;
use crate::domain::link::{Certainty, Rule};
use crate::domain::{Outcome, State};

/// A release's script pushes while its stage is under way; this is for differing clocks.
const SLACK: Duration = Duration::from_secs(60);
/// So long a release whose end nobody told may have been at work.
const MOST_UNDER_WAY: Duration = Duration::from_secs(3_600);

/// The rows of a chain, those that changed last first.
#[must_use]
pub fn rows(chain: &Chain, parts: &Parts) -> Vec<Row> {
    let join = Joining::new(chain, parts);
    let mut rows = join.rows();
    rows.sort_by(|one, other| (other.updated, &other.id).cmp(&(one.updated, &one.id)));
    rows
}

/// What one change came from, and by which rule that is known.
#[derive(Clone)]
struct Origin<'p> {
    run: &'p Run,
    rule: Rule,
    certainty: Certainty,
    release: Option<&'p ReleaseStage>,
}

struct Joining<'p> {
    chain: &'p Chain,
    parts: &'p Parts,
    sources: Sources<'p>,
    changes: Vec<Change<'p>>,
    clusters: Clusters<'p>,
    /// By their ids.
    manifest_runs: BTreeMap<u64, &'p Run>,
    /// The same by their commits.
    by_commit: BTreeMap<&'p str, Vec<&'p Run>>,
    made: BTreeMap<u64, Made<'p>>,
    /// The pipelines that made a commit of the manifests.
    makers: BTreeSet<u64>,
}

impl<'p> Joining<'p> {
    fn new(chain: &'p Chain, parts: &'p Parts) -> Self {
        let is_its =
            |run: &&Run| !run.only_verifies() && run.repository.as_deref().is_some_and(|one| chain.is_hld(one));
        let manifest_runs: BTreeMap<u64, &Run> = parts.runs.iter().filter(is_its).map(|run| (run.id, run)).collect();
        let changes = changes(parts);
        let messages = messages(parts, &changes);
        let message = |run: &Run| messages.get(run.commit.as_deref()?).cloned();
        let told: Vec<_> = manifest_runs.values().map(|run| (*run, message(run))).collect();
        let made = made(parts, &told);
        let makers = manifest_runs.values().filter(|run| made.get(&run.id).is_some_and(Made::is_its_own));
        let makers = makers.map(|run| run.pipeline).collect();
        let mut by_commit: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
        for run in manifest_runs.values() {
            by_commit.entry(run.commit.as_deref().unwrap_or_default()).or_default().push(run);
        }
        let (sources, clusters) = (Sources::new(chain, &parts.runs), Clusters::new(chain, parts));
        Self { chain, parts, sources, changes, clusters, manifest_runs, by_commit, made, makers }
    }

    fn rows(&self) -> Vec<Row> {
        let origins: Vec<_> = self.changes.iter().map(|change| self.origin(change)).collect();
        let (mut rows, mut released) = (Vec::new(), BTreeSet::new());
        // The runs that have a row: the first of each has the run's own id.
        let mut sourced = BTreeSet::new();
        for (change, origin) in self.changes.iter().zip(&origins) {
            if let Some(origin) = origin {
                rows.push(self.deployed(change, origin, sourced.insert(origin.run.id)));
                released.extend(origin.release.map(place));
            } else {
                rows.extend(self.edited(change));
            }
        }
        let changed = sourced.clone();
        let mut releases: Vec<_> =
            self.parts.releases.iter().filter(|stage| !released.contains(&place(stage))).collect();
        releases.sort_by_key(|stage| place(stage));
        rows.extend(releases.into_iter().map(|stage| self.released(stage, &mut sourced)));
        let mut arrivals: Vec<_> =
            self.parts.environments.iter().filter(|arrival| !changed.contains(&arrival.run.id)).collect();
        arrivals.sort_by_key(|arrival| name_of(arrival));
        rows.extend(arrivals.into_iter().map(|arrival| self.arrived(arrival, sourced.insert(arrival.run.id))));
        rows.extend(self.not_yet(&origins, &sourced));
        tell_services(&mut rows);
        rows
    }

    /// The run whose image a change brings, and the release that made it, if one did.
    fn origin(&self, change: &Change<'_>) -> Option<Origin<'p>> {
        let by_release = || self.in_a_release(change);
        let Some((run, rule, certainty)) = self.sources.of(change) else { return by_release() };
        let release = by_release().filter(|origin| origin.run.id == run.id).and_then(|origin| origin.release);
        Some(Origin { run, rule, certainty, release })
    }

    /// What a release's script pushes says whatever its author likes. It is of the one release that was under way then,
    /// and manifests are made of it.
    fn in_a_release(&self, change: &Change<'_>) -> Option<Origin<'p>> {
        let pushed = change.pushed.filter(|_| change.pull_request.is_none())?;
        let at = pushed.pushed.or(pushed.at)?;
        self.manifest_run(change)?;
        let under_way = |stage: &&ReleaseStage| {
            let Some(started) = stage.started else { return false };
            // One whose end was not told is not under way for ever.
            let to = stage.finished.unwrap_or_else(|| started.plus(MOST_UNDER_WAY));
            started.minus(SLACK) <= at && at <= to.plus(SLACK)
        };
        let of = |stage: &'p ReleaseStage| Some((stage, self.released_run(stage)?.0));
        let all: Vec<_> = self.parts.releases.iter().filter(under_way).filter_map(of).collect();
        let says = |stage: &ReleaseStage| {
            let message = change.pushed.and_then(|commit| commit.message.as_deref()).unwrap_or_default();
            stage.tags.iter().any(|tag| message.split_whitespace().any(|word| word.trim_end_matches(['.', ',']) == tag))
        };
        let named: Vec<_> = all.iter().filter(|(stage, _)| says(stage)).collect();
        let (stage, run) = match (named.as_slice(), all.as_slice()) {
            ([one], _) => **one,
            ([], [one]) => *one,
            (_, _) => return None,
        };
        Some(Origin { run, rule: Rule::PushWindow, certainty: Certainty::Likely, release: Some(stage) })
    }

    /// By the build that is its artifact, else by the tag of its image.
    fn released_run(&self, stage: &ReleaseStage) -> Option<(&'p Run, Rule, Certainty)> {
        let by_id = |id: &u64| self.sources.by_id(*id);
        let built = stage.runs.iter().find_map(by_id).map(|run| (run, Rule::ReleaseArtifact, Certainty::Certain));
        built.or_else(|| {
            let run = stage.tags.iter().find_map(|tag| self.sources.tagged(tag, None))?;
            Some((run, Rule::ImageTag, Certainty::Likely))
        })
    }

    fn deployed(&self, change: &Change<'p>, origin: &Origin<'p>, is_first: bool) -> Row {
        let own = is_first.then(|| run_name(origin.run));
        let release = origin.release.map(release_name);
        let mut row = self.sourced(origin.run, own.into_iter().chain(change.names()).chain(release));
        row.links.push(ChainLink { to: Step::Hld, rule: origin.rule, certainty: origin.certainty });
        self.set_image(&mut row, origin.run, change);
        match origin.release {
            Some(stage) => self.set_release(&mut row, stage),
            None => row.second = Some(Second::Stage(origin.run.clone())),
        }
        self.set_change(&mut row, change);
        finished(row)
    }

    /// A row of a run that no release and no change is known of. Only of pipelines whose other runs are in the chain.
    fn not_yet(&self, origins: &[Option<Origin<'p>>], sourced: &BTreeSet<u64>) -> Vec<Row> {
        let pipelines: BTreeSet<u64> = origins.iter().flatten().map(|origin| origin.run.pipeline).collect();
        let is_source = |run: &&Run| {
            let is_named = self.chain.service_of(run.pipeline, run.pipeline_name.as_deref()).is_some();
            (is_named || pipelines.contains(&run.pipeline)) && !sourced.contains(&run.id)
        };
        let row = |run| {
            let mut row = self.sourced(run, [run_name(run)]);
            self.set_own_image(&mut row, run);
            finished(row)
        };
        self.sources.all().filter(is_source).map(row).collect()
    }

    /// Of a change whose image nobody made who is known; by hand it counts once manifests are made of it.
    fn edited(&self, change: &Change<'p>) -> Option<Row> {
        let run = self.manifest_run(change).map(|(run, ..)| run);
        if run.is_none() && !change.is_deployment() {
            return None;
        }
        let mut row = self.empty(Kind::ManualEdit, change.names());
        row.author = change.pushed.and_then(|commit| commit.author.clone());
        let created_by = || change.pull_request.and_then(|one| one.created_by.clone());
        row.author = row.author.or_else(created_by).or_else(|| run.and_then(|run| run.author.clone()));
        // What could not be traced to its run is still a deployment.
        if change.is_deployment() {
            row.kind = Kind::Deployment;
            row.service = change.service.map(str::to_owned);
            row.image_tag = change.tag.map(str::to_owned);
        }
        self.set_change(&mut row, change);
        Some(finished(row))
    }

    /// What a release brought to an environment with no high-level definition.
    fn released(&self, stage: &ReleaseStage, sourced: &mut BTreeSet<u64>) -> Row {
        let name = release_name(stage);
        let mut row = match self.released_run(stage) {
            Some((run, ..)) => {
                let own = sourced.insert(run.id).then(|| run_name(run));
                let mut row = self.sourced(run, [name].into_iter().chain(own));
                self.set_own_image(&mut row, run);
                row
            }
            None => self.empty(Kind::Environment, [name]),
        };
        row.kind = Kind::Environment;
        row.image_tag = row.image_tag.or_else(|| stage.tags.first().cloned());
        row.author = row.author.or_else(|| stage.by.clone());
        self.set_release(&mut row, stage);
        finished(row)
    }

    fn arrived(&self, arrival: &Arrival, is_first: bool) -> Row {
        let run = &arrival.run;
        let own = is_first.then(|| run_name(run));
        let mut row = self.sourced(run, [name_of(arrival)].into_iter().chain(own));
        row.kind = Kind::Environment;
        row.ring = Some(arrival.environment.clone());
        let stage = Run {
            state: arrival.state.clone(),
            result: arrival.result.clone(),
            started: arrival.started,
            finished: arrival.finished,
            stages: Vec::new(),
            ..run.clone()
        };
        row.updated = stage.updated().or_else(|| run.updated());
        row.second = Some(Second::Stage(stage));
        if let Some(rule) = Rule::of(&arrival.rule) {
            row.links.push(ChainLink { to: Step::Environment, rule, certainty: arrival.certainty });
        }
        finished(row)
    }

    /// By the first of its names; by the others it may have been known before.
    fn empty(&self, kind: Kind, names: impl IntoIterator<Item = String>) -> Row {
        let mut ids = names.into_iter().map(|name| id(&self.parts.organization, &self.chain.name, &name));
        Row {
            id: ids.next().unwrap_or_default(),
            former: ids.collect(),
            chain: self.chain.name.clone(),
            organization: self.parts.organization.clone(),
            kind,
            status: Status::Incomplete,
            service: None,
            ring: None,
            author: None,
            source: None,
            image_tag: None,
            second: None,
            pull_request: None,
            hld_commit: None,
            hld_repository: None,
            manifest_run: None,
            manifest_commit: None,
            manifest_repository: None,
            clusters: Vec::new(),
            started: None,
            updated: None,
            links: Vec::new(),
        }
    }

    fn sourced(&self, run: &Run, names: impl IntoIterator<Item = String>) -> Row {
        Row {
            service: self.chain.service_of(run.pipeline, run.pipeline_name.as_deref()).map(str::to_owned),
            ring: run.branch.as_deref().map(|branch| self.chain.ring_of(branch)),
            author: run.author.clone(),
            started: run.started.or(run.queued),
            updated: run.updated(),
            source: Some(run.clone()),
            ..self.empty(Kind::Deployment, names)
        }
    }

    fn set_image(&self, row: &mut Row, run: &Run, change: &Change<'_>) {
        let of_image = change.image.and_then(|image| self.chain.service_of_image(image)).map(str::to_owned);
        let service = row.service.take().or(of_image).or_else(|| change.service.map(str::to_owned));
        row.service = service;
        match change.tag {
            Some(tag) => {
                let image = change.image.map(str::to_owned).or_else(|| image_of(run, row.service.as_deref()));
                row.image_tag = Some(image.map_or_else(|| tag.to_owned(), |image| format!("{image}:{tag}")));
            }
            None => self.set_own_image(row, run),
        }
    }

    /// What the run's image is called by the template, as soon as there is one.
    fn set_own_image(&self, row: &mut Row, run: &Run) {
        if !run.has_made_its_image() {
            return;
        }
        let (Some(branch), Some(number)) = (run.branch.as_deref(), run.number.as_deref()) else { return };
        let service = row.service.clone().unwrap_or_default();
        let tag = self.chain.tag.write(super::rules::last_part(branch), &service, number, run.id);
        let image = image_of(run, row.service.as_deref());
        row.image_tag = Some(image.map_or_else(|| tag.clone(), |image| format!("{image}:{tag}")));
    }

    fn set_release(&self, row: &mut Row, stage: &ReleaseStage) {
        if let Some((_, rule, certainty)) = self.released_run(stage) {
            row.links.push(ChainLink { to: Step::Release, rule, certainty });
        }
        row.ring = Some(stage.environment.clone());
        row.updated = stage.finished.or(stage.started).or(row.updated);
        row.second = Some(Second::Release(stage.clone()));
    }

    fn set_change(&self, row: &mut Row, change: &Change<'p>) {
        row.pull_request = change.pull_request.cloned();
        row.hld_commit = change.commit.map(str::to_owned);
        row.hld_repository = change.repository.map(str::to_owned);
        let closed = change.pull_request.and_then(|one| one.closed.or(one.created));
        row.updated = closed.or(change.at).max(row.updated);
        let Some((run, rule, certainty)) = self.manifest_run(change) else { return };
        let certainty = if change.commit_is_likely { Certainty::Likely } else { certainty };
        row.links.push(ChainLink { to: Step::ManifestRun, rule, certainty });
        row.updated = run.updated().or(row.updated);
        row.started = row.started.or(run.started);
        row.manifest_run = Some(run.clone());
        let Some(made) = self.made.get(&run.id) else { return };
        let certainty = made.certainty.min(certainty);
        row.links.push(ChainLink { to: Step::ManifestCommit, rule: made.rule, certainty });
        row.manifest_commit = Some(made.commit.id.clone());
        row.manifest_repository = made.commit.repository.clone();
        row.clusters = self.clusters.of(&made.commit.id, certainty);
    }

    /// The run of the change's commit; else one that the service says has it; else the next on the branch, which takes
    /// several pushes together.
    fn manifest_run(&self, change: &Change<'_>) -> Option<(&'p Run, Rule, Certainty)> {
        let commit = change.commit?;
        let runs = || self.manifest_runs.values().copied().filter(|run| self.may_make(run));
        if let Some((run, certainty)) = self.own_run(commit) {
            return Some((run, Rule::Built, certainty));
        }
        let built = self.parts.built.iter().filter(|(id, _)| id == commit);
        if let Some(run) = built
            .filter_map(|(_, run)| self.manifest_runs.get(run))
            .filter(|run| self.may_make(run))
            .min_by_key(|run| run.id)
        {
            return Some((run, Rule::BuildChange, Certainty::Certain));
        }
        let at =
            change.pushed.and_then(|commit| commit.pushed.or(commit.at)).or_else(|| change.pull_request?.closed)?;
        let target = change.pull_request.and_then(|one| one.target.as_deref());
        let next = runs()
            .filter(|run| run.reason.as_deref() == Some("batchedCI") && run.queued.is_some_and(|queued| queued >= at));
        let next = next.filter(|run| target.is_none() || run.branch.as_deref() == target);
        next.min_by_key(|run| run.id).map(|run| (run, Rule::NextRun, Certainty::Likely))
    }
}

impl<'p> Joining<'p> {
    /// Other pipelines may run on the same commit: as soon as one is known to make manifests, those that never did are
    /// not asked.
    fn may_make(&self, run: &Run) -> bool {
        self.makers.is_empty() || self.makers.contains(&run.pipeline)
    }

    /// The one that made a commit of the manifests, before those that were started again; else the latest.
    fn own_run(&self, commit: &str) -> Option<(&'p Run, Certainty)> {
        let all: Vec<&'p Run> = self.by_commit.get(commit)?.iter().copied().filter(|run| self.may_make(run)).collect();
        let made = |run: &Run| self.made.get(&run.id).is_some_and(Made::is_its_own);
        let run = all.iter().copied().max_by_key(|run| (made(run), run.id))?;
        let is_sure = made(run) || all.iter().all(|other| other.pipeline == run.pipeline);
        Some((run, if is_sure { Certainty::Certain } else { Certainty::Likely }))
    }
}

/// Where nothing of a row says its service: that of its pipeline's other rows, if they have but one; else the name of what
/// came to an environment. An image is not called by it.
fn tell_services(rows: &mut [Row]) {
    let mut known: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for row in &*rows {
        if let Some((run, service)) = row.source.as_ref().zip(row.service.clone()) {
            known.entry(run.pipeline).or_default().insert(service);
        }
    }
    for row in rows.iter_mut().filter(|row| row.service.is_none()) {
        let all = row.source.as_ref().and_then(|run| known.get(&run.pipeline));
        let alone = all.filter(|all| all.len() == 1).and_then(|all| all.first().cloned());
        let found = alone.map(|service| (service, Rule::SamePipeline));
        if let Some((service, rule)) = found.or_else(|| Some((called(row)?, Rule::CalledLike))) {
            row.service = Some(service);
            row.links.push(ChainLink { to: Step::Service, rule, certainty: Certainty::Likely });
        }
    }
}

fn called(row: &Row) -> Option<String> {
    match row.second.as_ref()? {
        Second::Release(stage) => stage.definition_name.clone(),
        Second::Stage(run) if row.kind == Kind::Environment => run.pipeline_name.clone(),
        Second::Stage(_) => None,
    }
}

/// What the commits of the high-level definition say.
fn messages(parts: &Parts, changes: &[Change<'_>]) -> BTreeMap<String, String> {
    let pushed = parts.hld_commits.iter();
    let pushed = pushed.filter_map(|commit| Some((commit.id.clone(), commit.message.clone()?)));
    let merged = changes.iter().filter_map(|change| Some((change.commit?.to_owned(), change.message()?)));
    // What was pushed is the commit's own word.
    merged.chain(pushed).collect()
}

fn run_name(run: &Run) -> String {
    format!("run|{}|", run.id)
}

fn release_name(stage: &ReleaseStage) -> String {
    format!("release|{}/{}|{}", stage.project, stage.release, stage.environment)
}

/// An environment may get another name.
fn name_of(arrival: &Arrival) -> String {
    let environment = arrival.environment_id.map_or_else(|| arrival.environment.clone(), |id| id.to_string());
    format!("environment|{environment}|{}|{}", arrival.run.id, arrival.stage)
}

fn place(stage: &ReleaseStage) -> (&str, u64, &str) {
    (&stage.project, stage.release, &stage.environment)
}

fn image_of(run: &Run, service: Option<&str>) -> Option<String> {
    Some(format!("{}-{}", run.repository.as_deref()?, service?).to_lowercase())
}

/// 48 bits: of a million rows two are the same once in five hundred times.
fn id(organization: &str, chain: &str, name: &str) -> String {
    let digest = Sha256::digest(format!("{organization}\n{chain}\n{name}"));
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// With the status that follows from its steps, as Spektate weighs them.
fn finished(row: Row) -> Row {
    let mut steps = first_steps(&row);
    steps.extend(row.manifest_run.as_ref().map(|run| (run.state.as_ref(), run.result.as_ref())));
    let any_result = |wanted: &Outcome| steps.iter().any(|(_, result)| *result == Some(wanted));
    let is_live =
        |(state, _): &(Option<&State>, Option<&Outcome>)| matches!(state, Some(State::InProgress | State::Running));
    let arrived = row.kind == Kind::Environment
        && steps
            .last()
            .is_some_and(|(state, result)| *state == Some(&State::Completed) && *result == Some(&Outcome::Succeeded));
    let status = if arrived || row.manifest_run.as_ref().is_some_and(Run::succeeded) {
        Status::Complete
    } else if steps.iter().any(is_live) {
        Status::InProgress
    } else if any_result(&Outcome::Failed) || any_result(&Outcome::Rejected) {
        Status::Failed
    } else if any_result(&Outcome::Canceled) {
        Status::Canceled
    } else {
        Status::Incomplete
    };
    Row { status, ..row }
}

/// Where the second step is a stage of the run, the run's own result says less than its first two stages, unless it
/// succeeded.
fn first_steps(row: &Row) -> Vec<(Option<&State>, Option<&Outcome>)> {
    let Some(run) = &row.source else { return second_step(row).into_iter().collect() };
    let whole = (run.state.as_ref(), run.result.as_ref());
    let stage = |at: usize| run.stages.get(at).map(|(state, result)| (state.as_ref(), result.as_ref()));
    if row.kind == Kind::Environment {
        return second_step(row).into_iter().collect();
    }
    match &row.second {
        Some(Second::Stage(_)) if run.result != Some(Outcome::Succeeded) => {
            vec![stage(0).unwrap_or(whole), stage(1).unwrap_or(whole)]
        }
        Some(Second::Stage(_)) | None => vec![whole],
        Some(Second::Release(_)) => [whole].into_iter().chain(second_step(row)).collect(),
    }
}

fn second_step(row: &Row) -> Option<(Option<&State>, Option<&Outcome>)> {
    match row.second.as_ref()? {
        Second::Stage(run) => Some((run.state.as_ref(), run.result.as_ref())),
        Second::Release(stage) => Some((stage.state.as_ref(), stage.result.as_ref())),
    }
}
