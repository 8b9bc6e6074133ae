//! What is worth a look, out of the newest runs: exceptions first, never a list of everything. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::catalog::{Broken, Finished, Recent, Run, went_well};
use crate::domain::metrics;
use crate::domain::owner::Owners;

/// Whose runs a page is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    All,
    /// The person that runs are asked for by.
    Mine(String),
    Team(String),
}

impl Whose {
    pub fn has(&self, recent: &Recent, owners: &Owners) -> bool {
        match self {
            Self::All => true,
            Self::Mine(name) => {
                recent.run.requested_for.as_ref().is_some_and(|asked| asked.to_lowercase() == name.to_lowercase())
            }
            Self::Team(team) => owner_of(recent, owners).is_some_and(|(_, of)| of.as_ref() == Some(team)),
        }
    }
}

/// Service and team.
pub fn owner_of(recent: &Recent, owners: &Owners) -> Option<(String, Option<String>)> {
    owners.of(&recent.into()).map(|owner| (owner.service, owner.team))
}

/// Whether people would call this production.
pub fn is_production(name: &str) -> bool {
    environment_rank(name) == 0
}

/// Where an environment stands, as the words of its name tell: production first, development last.
pub fn environment_rank(name: &str) -> u8 {
    let words = metrics::words(name);
    let has = |known: &[&str]| words.iter().any(|word| known.contains(&word.trim_end_matches(char::is_numeric)));
    match () {
        () if metrics::is_production(&words) => 0,
        () if has(&["pre", "preprod", "staging", "stage", "stg", "uat", "acceptance", "acc", "canary"]) => 1,
        () if has(&["test", "testing", "tst", "qa", "int", "integration"]) => 2,
        () if has(&["dev", "development", "sandbox"]) => 4,
        () => 3,
    }
}

/// What is broken on branches that are no default branch. `recent` is in the order of the catalog.
pub fn broken_elsewhere(recent: &[Recent]) -> Vec<Broken> {
    let mut rows: BTreeMap<_, Row> = BTreeMap::new();
    for one in recent.iter().filter(|one| !one.on_default) {
        rows.entry(place(&one.run)).or_default().add(one);
    }
    rows.into_values().filter_map(|row| row.broken).collect()
}

/// Production before the rest, then the newest.
pub fn sort_broken(broken: &mut [Broken]) {
    broken.sort_by_key(|broken| {
        let in_production = broken.last.failed_in.as_deref().is_some_and(is_production);
        (!in_production, std::cmp::Reverse(broken.last.run.run_id))
    });
}

/// The runs of one pipeline on one branch, from the newest on.
#[derive(Debug, Default)]
struct Row {
    broken: Option<Broken>,
    over: bool,
}

impl Row {
    fn add(&mut self, one: &Recent) {
        match (self.over, one.run.result.as_deref(), &mut self.broken) {
            (false, Some("failed"), None) => {
                let (last, first) = (one.clone(), one.clone());
                self.broken = Some(Broken { last, first, failures: 1, since_known: false });
            }
            (false, Some("failed"), Some(broken)) => {
                broken.first = one.clone();
                broken.failures += 1;
            }
            (false, result, broken) if went_well(result) => {
                self.over = true;
                broken.iter_mut().for_each(|broken| broken.since_known = true);
            }
            // Live, canceled, unknown: nothing is known to be better or worse.
            (_, _, _) => {}
        }
    }
}

/// One error in several pipelines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared<'r> {
    pub message: &'r str,
    pub runs: usize,
    pub pipelines: Vec<&'r Run>,
}

/// The same error in more than one pipeline, the most frequent first. What something good followed is left out.
pub fn shared(recent: &[Recent]) -> Vec<Shared<'_>> {
    let mut by: BTreeMap<&str, Vec<&Recent>> = BTreeMap::new();
    let mut mended = BTreeSet::new();
    for one in recent {
        if went_well(one.run.result.as_deref()) {
            mended.insert(place(&one.run));
        }
        if let Some(signature) = one.signature.as_ref().filter(|_| !mended.contains(&place(&one.run))) {
            by.entry(signature).or_default().push(one);
        }
    }
    let mut shared: Vec<_> = by.into_values().filter_map(|runs| same_error(&runs)).collect();
    shared.sort_by_key(|shared| std::cmp::Reverse(shared.runs));
    shared
}

fn same_error<'r>(runs: &[&'r Recent]) -> Option<Shared<'r>> {
    let mut seen = BTreeSet::new();
    let first_of = |one: &&&'r Recent| seen.insert((one.run.organization.as_str(), one.run.pipeline.id));
    let pipelines: Vec<&Run> = runs.iter().filter(first_of).map(|one| &one.run).collect();
    let message = runs.iter().find_map(|one| one.error.as_deref())?;
    (pipelines.len() > 1).then_some(Shared { message, runs: runs.len(), pipelines })
}

/// The newest commits with their runs, the newest first in both.
pub fn commits<'r>(recent: impl Iterator<Item = &'r Recent>, top: usize) -> Vec<(&'r str, Vec<&'r Run>)> {
    let mut found: Vec<(&str, Vec<&Run>)> = Vec::new();
    for Recent { run, .. } in recent {
        let Some(commit) = run.commit.as_deref() else { continue };
        let room = found.len() < top;
        match found.iter_mut().find(|(known, _)| *known == commit) {
            // Of a pipeline that ran twice the newer one is told.
            Some((_, runs)) if runs.iter().any(|known| is_same_pipeline(known, run)) => {}
            Some((_, runs)) => runs.push(run),
            None if room => found.push((commit, vec![run])),
            None => {}
        }
    }
    found
}

/// What is broken and mended together: a pipeline on a branch.
fn place(run: &Run) -> (&str, u64, Option<&str>) {
    (&run.organization, run.pipeline.id, run.branch.as_deref())
}

fn is_same_pipeline(one: &Run, other: &Run) -> bool {
    (&one.organization, one.pipeline.id) == (&other.organization, other.pipeline.id)
}

/// How long a pipeline usually takes, as the API has it: half of its runs that went well took no longer.
pub fn median(finished: &[Finished]) -> Option<Duration> {
    let is_good = |run: &&Finished| went_well(run.result.as_deref());
    let good = finished.iter().filter(is_good);
    let mut taken: Vec<_> =
        good.filter_map(|run| run.started_at.zip(run.finished_at)).map(|(from, to)| to.since(from)).collect();
    taken.sort_unstable();
    taken.get(taken.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::PipelineName;
    use crate::domain::Time;

    fn recent(run_id: u64, pipeline: u64, branch: &str, result: &str, failed_in: Option<&str>) -> Recent {
        Recent {
            run: Run {
                organization: "fabrikam".to_owned(),
                project: None,
                pipeline: PipelineName { id: pipeline, name: None },
                run_id,
                name: None,
                state: Some(if result.is_empty() { "inProgress" } else { "completed" }.to_owned()),
                result: Some(result.to_owned()).filter(|result| !result.is_empty()),
                reason: None,
                branch: Some(format!("refs/heads/{branch}")),
                commit: Some(format!("c{}", run_id / 10)),
                repository: None,
                requested_for: Some("Ada Quill".to_owned()),
                queued_at: None,
                started_at: None,
                finished_at: None,
                url: None,
                stages: Vec::new(),
            },
            folder: None,
            repository: None,
            on_default: branch == "main",
            failed_in: failed_in.map(str::to_owned),
            error: None,
            signature: None,
            began: None,
        }
    }

    #[test]
    fn what_is_mended_is_not_broken_and_production_comes_first() {
        let runs = [
            recent(90, 3, "topic", "failed", Some("test")),
            recent(80, 1, "topic", "", None),
            recent(75, 1, "main", "failed", Some("test")),
            recent(70, 1, "topic", "failed", Some("test")),
            recent(60, 2, "topic", "succeeded", None),
            recent(50, 2, "topic", "failed", Some("test")),
            recent(45, 1, "topic", "canceled", None),
            recent(40, 1, "topic", "failed", Some("build")),
            recent(30, 4, "topic", "failed", Some("deploy-production")),
            recent(20, 1, "topic", "succeeded", None),
            recent(10, 1, "topic", "failed", None),
        ];
        let mut found = broken_elsewhere(&runs);
        sort_broken(&mut found);
        let told: Vec<_> = found
            .iter()
            .map(|one| (one.last.run.run_id, one.first.run.run_id, one.failures, one.since_known))
            .collect();
        assert_eq!(told, [(30, 30, 1, false), (90, 90, 1, false), (70, 40, 2, true)]);
    }

    #[test]
    fn one_error_in_several_pipelines() {
        let failing = |run_id, pipeline, signature: &str| Recent {
            error: Some(format!("{signature} in {run_id}")),
            signature: Some(signature.to_owned()),
            ..recent(run_id, pipeline, "main", "failed", None)
        };
        let runs = [
            failing(9, 1, "disk"),
            failing(8, 1, "disk"),
            failing(7, 1, "oom"),
            failing(6, 2, "oom"),
            recent(5, 3, "main", "succeeded", None),
            failing(4, 3, "oom"),
        ];
        let found = shared(&runs);
        let told: Vec<_> = found.iter().map(|one| (one.message, one.runs, one.pipelines.len())).collect();
        assert_eq!(told, [("oom in 7", 2, 2)], "the third is mended");
    }

    #[test]
    fn environments_stand_in_their_order() {
        let mut names = ["dev", "production", "QA", "staging", "eu-west", "Preprod", "prod-eu"];
        names.sort_by_key(|name| environment_rank(name));
        assert_eq!(names, ["production", "prod-eu", "staging", "Preprod", "QA", "eu-west", "dev"]);
        assert!(["DeployProd", "live", "prod_2"].into_iter().all(is_production));
        assert!(!["nonprod", "product-test", "delivery", "pre-prod"].into_iter().any(is_production));
        assert_eq!(environment_rank("maintenance"), 3);
    }

    #[test]
    fn commits_have_the_newest_run_of_each_pipeline() {
        let runs = [
            recent(29, 1, "main", "failed", None),
            recent(28, 2, "main", "", None),
            recent(27, 1, "main", "succeeded", None),
            recent(19, 1, "main", "succeeded", None),
            recent(9, 1, "main", "succeeded", None),
        ];
        let found = commits(runs.iter(), 2);
        let told: Vec<_> =
            found.iter().map(|(commit, runs)| (*commit, runs.iter().map(|run| run.run_id).collect())).collect();
        assert_eq!(told, [("c2", vec![29, 28]), ("c1", vec![19])]);
    }

    #[test]
    fn the_usual_time_is_that_of_runs_that_went_well() {
        let run = |seconds: u64, result: &str| Finished {
            run_id: 1,
            name: None,
            result: Some(result.to_owned()),
            started_at: Some(Time::from_ticks(0)),
            finished_at: Some(Time::from_ticks(0).plus(Duration::from_secs(seconds))),
        };
        let runs = [run(10, "succeeded"), run(1, "canceled"), run(30, "failed"), run(20, "succeeded")];
        assert_eq!(median(&runs), Some(Duration::from_secs(10)));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn whose_it_is() {
        let one = recent(1, 7, "main", "failed", None);
        let mine = |name: &str| Whose::Mine(name.to_owned()).has(&one, &Owners::default());
        assert!(Whose::All.has(&one, &Owners::default()));
        assert!(mine("ada quill") && !mine("ada"));
        assert!(!Whose::Team("payments".to_owned()).has(&one, &Owners::default()));
    }
}
