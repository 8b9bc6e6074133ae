//! Each trap that other systems fall into, by its name.

use std::time::Duration;

use super::*;
use crate::domain::owner::{OwnerRule, Owners};
use crate::domain::{Outcome, Pattern, Time};

/// Hours after Monday, 6 January 2025, 00:00 UTC.
fn at(hours: i64) -> Time {
    Time::from_ticks(Time::parse("2025-01-06T00:00:00Z").unwrap().unwrap().ticks() + hours * 36_000_000_000)
}

fn name(text: &str) -> Name {
    text.into()
}

/// All that anything here speaks of.
fn commits() -> Commits {
    let mut commits = Commits::default();
    for id in ["a", "b", "c", "d", "e", "m", "p", "q", "squash", "x", "y"] {
        commits.called(id.into());
    }
    commits
}

fn commit(id: &str) -> Commit {
    let commit = commits().called(id.into());
    assert!(commits().id(commit).is_some(), "{id}");
    commit
}

/// With the hours in which these were made.
fn made(hours: &[(&str, i64)]) -> Commits {
    let mut commits = commits();
    hours.iter().for_each(|(id, hour)| commits.was_made(commit(id), at(*hour)));
    commits
}

fn line(environment: &str, production: bool) -> Line {
    Line {
        organization: name("fabrikam"),
        project: Some(name("shop")),
        project_id: None,
        source: Source::Pipeline,
        pipeline: 7,
        pipeline_name: Some(name("web")),
        folder: None,
        environment: name(environment),
        production,
    }
}

/// `(run, commit, hour of the end)`
fn deployed((run, id, hour): (u64, &str, i64), ending: Ending) -> Deployed {
    Deployed {
        line: 0,
        run,
        origin: 0,
        attempt: 1,
        known: Known::Pattern,
        ending,
        finished: at(hour),
        commit: Some(commit(id)),
        is_fix: false,
        brought: None,
    }
}

fn good(run: u64, commit: &str, hour: i64) -> Deployed {
    deployed((run, commit, hour), Ending::Succeeded)
}

fn bad(run: u64, commit: &str, hour: i64) -> Deployed {
    deployed((run, commit, hour), Ending::Failed)
}

/// A push to `main`.
fn push(old: &str, new: &str) -> Update {
    Update { branch: 0, old: Some(commit(old)), new: commit(new), commits: [commit(new)].into_iter().collect() }
}

/// Branches that deployments come from, in the order in which they are known.
const MAIN: &str = "refs/heads/main";
const RELEASE: &str = "refs/heads/release/1";
const FIX: &str = "refs/heads/hotfix/total";

fn origin(branch: &str) -> Origin {
    Origin { stage: name("prod"), branch: Some(name(branch)), repository: Some(name("web")), requested_for: None }
}

fn main() -> Branch {
    let [organization, repository, name] = ["fabrikam", "web", MAIN].map(name);
    Branch { organization, repository: Some(repository), name }
}

fn incident(opened: i64, resolved: Option<i64>) -> Incident {
    Incident {
        organization: name("fabrikam"),
        project: None,
        id: name("incident 1"),
        opened: at(opened),
        resolved: resolved.map(at),
        run: None,
        pipeline: None,
        environment: None,
        commit: None,
    }
}

fn part(project: &str) -> Part {
    Part { organization: name("fabrikam"), project: Some(name(project)) }
}

fn material(deployments: Vec<Deployed>) -> Material {
    Material {
        lines: vec![line("prod", true)],
        origins: [MAIN, RELEASE, FIX].map(origin).into_iter().collect(),
        branches: [main()].into_iter().collect(),
        commits: commits(),
        deployments,
        ..Material::default()
    }
}

fn weeks(count: i64) -> Window {
    Window { from: at(0), until: at(count * 7 * 24) }
}

fn report_of(material: &Material, window: Window) -> Report {
    let judged = Judgement::of(material, &Terms::default());
    Selection::new(material, &judged, Zone::default(), |line, _| line.production).report(window, None)
}

fn work_of(material: &Material) -> Vec<Work> {
    let judged = Judgement::of(material, &Terms::default());
    Selection::new(material, &judged, Zone::default(), |line, _| line.production).work(weeks(4))
}

#[test]
fn a_skipped_stage_is_no_deployment() {
    let terms = Terms::default();
    let none = ["skipped", "rejected", "canceled", "abandoned", "somethingNew"];
    assert_eq!(none.map(|word| terms.ending(&Outcome::from(word))), [None; 5]);
    assert_eq!(terms.ending(&Outcome::Failed), Some(Ending::Failed));
}

#[test]
fn partial_success_is_what_the_configuration_says() {
    let ending = |partial| Terms { partial, ..Terms::default() }.ending(&Outcome::PartiallySucceeded);
    assert_eq!(ending(PartialSuccess::Counts), Some(Ending::PartiallySucceeded));
    assert_eq!(ending(PartialSuccess::Fails), Some(Ending::Failed));
    assert_eq!(ending(PartialSuccess::IsNone), None);
    let report = report_of(&material(vec![deployed((1, "a", 5), Ending::PartiallySucceeded)]), weeks(1));
    assert_eq!(report.coverage.partially_succeeded, 1, "it is told apart");
    assert_eq!(report.numbers.deployment_frequency.deployments, Figure::known(1));
}

#[test]
fn a_failed_deployment_counts_and_is_recovered_from() {
    let report = report_of(&material(vec![good(1, "a", 1), bad(2, "b", 5), good(3, "c", 7)]), weeks(1));
    let numbers = report.numbers;
    assert_eq!(numbers.deployment_frequency.deployments, Figure::known(2));
    assert_eq!(numbers.change_fail_rate.rate, Figure::known(1.0 / 3.0));
    assert_eq!(numbers.failed_deployment_recovery_time.time.median, Figure::known(7_200));
    assert_eq!(numbers.failed_deployment_recovery_time.level, Some(Level::High));
}

#[test]
fn each_attempt_of_a_stage_counts_by_itself() {
    let again = Deployed { attempt: 2, ..good(2, "b", 6) };
    let report = report_of(&material(vec![good(1, "a", 1), bad(2, "b", 5), again]), weeks(1));
    assert_eq!((report.numbers.change_fail_rate.failed, report.numbers.change_fail_rate.finished), (1, 3));
}

#[test]
fn each_environment_of_a_run_counts_by_itself() {
    let us = |of: Deployed| Deployed { line: 1, ..of };
    let eu = [good(1, "a", 1), good(2, "b", 5), good(3, "c", 7)];
    let mut of = material([eu.to_vec(), vec![us(good(1, "a", 2)), us(bad(2, "b", 6)), us(good(2, "b", 8))]].concat());
    of.lines.push(line("prod-us", true));
    let numbers = report_of(&of, weeks(1)).numbers;
    assert_eq!(numbers.deployment_frequency.deployments, Figure::known(5));
    assert_eq!((numbers.change_fail_rate.failed, numbers.change_fail_rate.finished), (1, 6));
    let recovery = numbers.failed_deployment_recovery_time.time;
    assert_eq!(recovery.median, Figure::known(7_200), "what came elsewhere meanwhile is no recovery");
}

#[test]
fn the_first_deployment_gives_no_lead_times() {
    let mut of = material(vec![good(1, "a", 5)]);
    of.commits = made(&[("a", 1)]);
    let lead = report_of(&of, weeks(1)).numbers.change_lead_time;
    assert_eq!(lead.total.median, Figure::unknown(Unknown::FirstDeployments));
}

#[test]
fn without_pushes_the_commits_are_unknown_and_not_none() {
    let report = report_of(&material(vec![good(1, "a", 1), good(2, "b", 5)]), weeks(1));
    assert_eq!(report.numbers.change_lead_time.total.median, Figure::unknown(Unknown::CommitsUnknown));
    assert_eq!((report.coverage.commits_unknown, report.coverage.first_on_record), (1, 1));
}

#[test]
fn all_commits_since_the_one_before_are_in_it() {
    let mut of = material(vec![good(1, "a", 1), good(2, "d", 50)]);
    of.updates = vec![push("c", "d"), push("a", "b"), push("b", "c")];
    of.commits = made(&[("a", 0), ("b", 2), ("c", 30), ("d", 49)]);
    let lead = report_of(&of, weeks(1)).numbers.change_lead_time;
    let hours = |figure: Figure<i64>| figure.value.unwrap() / 3_600;
    assert_eq!((hours(lead.total.median), hours(lead.total.p75), lead.total.count), (20, 48, 3));
    assert_eq!(lead.level, Some(Level::Elite));
    assert_eq!(lead.review.median, Figure::unknown(Unknown::NoReviews));
}

#[test]
fn a_branch_that_was_set_back_goes_in_no_circle() {
    let mut of = material(vec![good(1, "a", 1), good(2, "b", 2), good(3, "a", 3), good(4, "x", 4), good(5, "b", 5)]);
    of.updates = vec![push("a", "b"), push("b", "a"), push("a", "c"), push("c", "b")];
    let coverage = report_of(&of, weeks(1)).coverage;
    assert_eq!((coverage.commits, coverage.commits_unknown), (2, 1), "`x` was never pushed");
}

#[test]
fn a_missing_push_makes_them_unknown() {
    let mut of = material(vec![good(1, "a", 1), good(2, "d", 50)]);
    of.updates = vec![push("c", "d"), push("a", "b")];
    assert_eq!(report_of(&of, weeks(1)).coverage.commits_unknown, 1);
}

#[test]
fn what_was_squashed_is_measured_by_its_own_commits() {
    let mut of = material(vec![good(1, "a", 1), good(2, "m", 50)]);
    of.updates = vec![push("a", "m")];
    of.commits = made(&[("x", 10), ("y", 20), ("m", 49)]);
    of.requests = vec![MergedRequest {
        organization: name("fabrikam"),
        number: 88,
        title: Title::default(),
        source: Title::default(),
        created: Some(at(25)),
        approved: Some(at(40)),
        merge: commit("m"),
        commits: ["x", "y"].map(commit).into_iter().collect(),
    }];
    let work = work_of(&of);
    let told: Vec<_> = work[1].commits.iter().map(|one| (&*one.commit, one.lead_seconds.unwrap() / 3_600)).collect();
    assert_eq!(told, [("x", 40), ("y", 30)]);
    let one = &work[1].commits[0];
    assert_eq!(
        (one.pull_request_id, one.review_seconds, one.deployment_seconds),
        (Some(88), Some(54_000), Some(36_000))
    );
}

#[test]
fn a_commit_counts_once_with_its_earliest_deployment() {
    let second = |run, commit, hour| Deployed { line: 1, ..good(run, commit, hour) };
    let mut of = material(vec![good(1, "a", 1), second(1, "a", 2), good(2, "b", 5), second(2, "b", 9)]);
    of.lines.push(line("prod-eu", true));
    of.updates = vec![push("a", "b")];
    of.commits = made(&[("b", 3)]);
    let report = report_of(&of, weeks(1));
    assert_eq!(report.numbers.change_lead_time.total.count, 1);
    assert_eq!(report.numbers.change_lead_time.total.median, Figure::known(7_200));
    assert_eq!(
        report.numbers.deployment_frequency.deployments,
        Figure::known(4),
        "of several environments each counts"
    );
}

#[test]
fn an_older_commit_is_a_rollback_and_fails_what_it_replaces() {
    let of = material(vec![good(1, "a", 1), good(2, "b", 5), good(3, "a", 7), good(4, "b", 9)]);
    let work = work_of(&of);
    let told: Vec<_> = work.iter().map(|one| (one.run_id, one.rolls_back, one.failed_because.clone())).collect();
    let wanted = [(1, false, vec![]), (2, false, vec!["rolledBack"]), (3, true, vec![]), (4, false, vec![])];
    assert_eq!(told, wanted, "and what goes forward again is none");
    assert_eq!((work[1].recovery_seconds, work[1].recovered_by_run), (Some(7_200), Some(3)));
    let numbers = report_of(&of, weeks(1)).numbers;
    assert_eq!((numbers.change_fail_rate.failed, numbers.deployment_rework_rate.rework), (1, 1));
}

#[test]
fn an_older_run_deployed_again_is_a_rollback_without_having_been_there() {
    let told = |earlier: Deployed| work_of(&material(vec![good(5, "b", 5), earlier]))[1].rolls_back;
    assert!(told(good(4, "a", 7)));
    assert!(!told(Deployed { origin: 1, ..good(4, "a", 7) }), "two branches are neither older nor newer");
}

#[test]
fn pushes_tell_which_commit_is_older_whatever_runs_say() {
    let mut of = material(vec![good(5, "b", 5), good(6, "a", 7)]);
    of.updates = vec![push("a", "b")];
    assert!(work_of(&of)[1].rolls_back);
    let mut of = material(vec![good(5, "a", 5), good(4, "b", 7)]);
    of.updates = vec![push("a", "b")];
    assert!(!work_of(&of)[1].rolls_back);
}

#[test]
fn the_same_commit_again_is_no_rollback_and_brings_nothing() {
    let report = report_of(&material(vec![good(1, "a", 1), good(2, "a", 5)]), weeks(1));
    assert_eq!(report.numbers.change_lead_time.total.median, Figure::unknown(Unknown::NoNewCommits));
    assert_eq!(report.numbers.change_fail_rate.failed, 0);
}

#[test]
fn without_incidents_that_is_said_and_nothing_is_called_good() {
    let mut of = material(vec![good(1, "a", 1)]);
    for (sources, tells) in [(None, false), (Some("other"), false), (Some("shop"), true)] {
        of.incident_sources = sources.map(part).into_iter().collect();
        let report = report_of(&of, weeks(1));
        assert_eq!(report.coverage.incident_source, tells);
        let (failures, rework) = (report.numbers.change_fail_rate, report.numbers.deployment_rework_rate.rate);
        assert_eq!((failures.rate, failures.level), (Figure::known(0.0), tells.then_some(Level::Elite)));
        let nobody = Figure::unknown(Unknown::NoIncidentSource);
        assert_eq!(rework, if tells { Figure::known(0.0) } else { nobody });
        let recovery = report.numbers.failed_deployment_recovery_time.time;
        assert_eq!(recovery.median, Figure::unknown(Unknown::NoFailures));
    }
    let back = report_of(&material(vec![good(1, "a", 1), good(2, "b", 5), good(1, "a", 9)]), weeks(1)).numbers;
    assert_eq!(back.deployment_rework_rate.rate, Figure::known(1.0 / 3.0), "a rollback shows by itself");
}

#[test]
fn what_was_before_the_records_is_no_zero() {
    let mut of = material(vec![good(1, "a", 2 * 7 * 24 + 1), good(2, "b", 3 * 7 * 24 + 1)]);
    of.since = Some(at(2 * 7 * 24 - 5));
    let report = report_of(&of, weeks(4));
    let often = report.numbers.deployment_frequency;
    assert_eq!((often.median_deploy_days_a_week, often.level), (Figure::known(1), Some(Level::High)));
    assert_eq!(report.coverage.since, of.since);
    let before = report_of(&of, weeks(1)).numbers;
    let unknown = Unknown::BeforeRecords;
    assert_eq!(before.deployment_frequency.deployments, Figure::unknown(unknown));
    assert_eq!(before.change_fail_rate.rate, Figure::unknown(unknown));
    assert_eq!(before.change_lead_time.total.median, Figure::unknown(unknown));
}

#[test]
fn an_incident_may_name_what_was_not_over_yet_and_nothing_recovers_before_it_began() {
    let mut of = material(vec![good(1, "a", 1), good(2, "b", 5), good(3, "c", 10), good(4, "d", 20)]);
    of.incidents = vec![Incident { run: Some(2), ..incident(4, None) }];
    assert_eq!((work_of(&of)[1].failed_because.clone(), work_of(&of)[1].recovered_by_run), (vec!["incident"], Some(3)));
    of.incidents = vec![Incident { run: Some(2), ..incident(12, None) }];
    assert_eq!(work_of(&of)[1].recovered_by_run, Some(4), "3 came before anything was seen");
    of.deployments[1] = bad(2, "b", 5);
    assert_eq!(work_of(&of)[1].recovered_by_run, Some(3), "it had failed by itself");
    of.incidents = vec![incident(4, None)];
    assert_eq!(work_of(&of)[0].failed_because, ["incident"], "who names none means what was there");
}

#[test]
fn an_incident_belongs_to_the_latest_production_deployment_before_it() {
    let staging = Deployed { line: 1, ..good(3, "c", 8) };
    let mut of = material(vec![good(1, "a", 1), good(2, "b", 5), staging, good(4, "d", 20)]);
    of.lines.push(line("staging", false));
    of.incidents = vec![incident(9, Some(11))];
    let work = work_of(&of);
    assert_eq!(
        (work[1].run_id, &work[1].failed_because, work[1].recovery_seconds),
        (2, &vec!["incident"], Some(21_600))
    );
    of.incidents[0].run = Some(1);
    assert_eq!(work_of(&of)[0].failed_because, ["incident"], "unless it names one");
}

#[test]
fn of_several_lines_the_latest_deployment_counts_unless_the_incident_says_which() {
    let eu = |run, hour| Deployed { line: 1, ..good(run, "b", hour) };
    let mut of = material(vec![good(1, "a", 1), eu(2, 5), good(3, "c", 7), eu(4, 8)]);
    of.lines.push(line("prod-eu", true));
    let linked = |of: &Material, incident: Incident| -> Vec<u64> {
        let of = Material { incidents: vec![incident], ..of.clone() };
        work_of(&of).iter().filter(|one| !one.incidents.is_empty()).map(|one| one.run_id).collect()
    };
    let environment = |text: &str| Some(name(text));
    assert_eq!(linked(&of, incident(6, None)), [2]);
    assert_eq!(linked(&of, Incident { environment: environment("prod"), ..incident(6, None) }), [1]);
    assert_eq!(linked(&of, Incident { environment: environment("elsewhere"), ..incident(6, None) }), [0; 0]);
    assert_eq!(linked(&of, Incident { pipeline: Some(name("7")), ..incident(6, None) }), [2]);
    assert_eq!(linked(&of, Incident { pipeline: Some(name("8")), ..incident(6, None) }), [0; 0]);
    assert_eq!(linked(&of, Incident { commit: Some(commit("c")), ..incident(6, None) }), [3], "it was not over yet");
}

#[test]
fn organizations_have_their_own_commits() {
    let second = |run, commit, hour| Deployed { line: 1, ..good(run, commit, hour) };
    let third = |run, commit, hour| Deployed { line: 2, ..good(run, commit, hour) };
    let first = [good(1, "a", 1), second(1, "a", 2), third(1, "a", 3)];
    let mut of = material([&first[..], &[good(2, "b", 5), second(2, "b", 9), third(2, "b", 10)]].concat());
    let contoso = |environment| Line { organization: name("contoso"), ..line(environment, true) };
    of.lines.extend([contoso("prod"), contoso("prod-eu")]);
    of.branches.insert(Branch { organization: name("contoso"), ..main() });
    of.updates = vec![push("a", "b"), Update { branch: 1, ..push("a", "b") }];
    of.commits = made(&[("b", 3)]);
    let lead = report_of(&of, weeks(1)).numbers.change_lead_time.total;
    assert_eq!((lead.count, lead.median, lead.p95), (2, Figure::known(7_200), Figure::known(21_600)));
}

#[test]
fn a_tag_makes_an_incident_of_any_work_item() {
    let is_one = |tags| Terms::default().is_tagged_incident(tags);
    assert!(is_one("Incident") && is_one("ui;  incident "));
    assert!(!is_one("ui") && !is_one("") && !is_one("incidental"));
}

#[test]
fn an_incident_is_over_since_it_was_resolved_for_good() {
    let since = |states: &[&str]| {
        let states: Vec<_> =
            states.iter().zip(0..).map(|(state, hour)| ((*state).to_owned(), Some(at(hour).ticks()))).collect();
        Terms::default().resolved_since(&states)
    };
    assert_eq!(since(&["New", "Resolved", "Active", "Resolved", "Closed"]), Some(at(3)));
    assert_eq!(since(&["New", "Resolved", "Active"]), None);
}

#[test]
fn recovery_is_whichever_is_known_first() {
    let mut of = material(vec![good(1, "a", 1), good(2, "b", 5), good(3, "c", 10)]);
    of.incidents = vec![incident(6, Some(20))];
    assert_eq!(work_of(&of)[1].recovery_seconds, Some(18_000));
    of.incidents = vec![incident(6, None)];
    of.deployments.pop();
    let report = report_of(&of, weeks(1)).numbers.failed_deployment_recovery_time;
    assert_eq!((report.time.median, report.not_recovered), (Figure::unknown(Unknown::NotRecovered), 1));
}

#[test]
fn a_fix_after_an_incident_is_rework_and_one_without_is_none() {
    let fix = |hour| Deployed { origin: 2, ..good(3, "c", hour) };
    let told = |opened, hour| {
        let mut of = material(vec![good(1, "a", 1), good(2, "b", 5), fix(hour)]);
        of.incidents = vec![incident(opened, None)];
        work_of(&of)[2].rework
    };
    assert!(told(6, 8));
    assert!(!told(9, 8), "it came before");
    assert!(!told(6, 6 + 49), "it came too late");
    let mut of = material(vec![good(1, "a", 1), good(2, "b", 5), good(3, "c", 8)]);
    of.incidents = vec![incident(6, None)];
    assert!(!work_of(&of)[2].rework, "nothing says that it is a fix");
    of.deployments[2].is_fix = true;
    assert!(work_of(&of)[2].rework);
}

#[test]
fn a_merged_pull_request_that_is_called_a_fix_makes_a_fix() {
    let told = |source: &str, title: &str| {
        let mut of = material(vec![good(1, "a", 1), good(2, "b", 5), good(3, "c", 8)]);
        of.incidents = vec![incident(6, None)];
        of.updates = vec![push("a", "b"), push("b", "c")];
        let request = |merge, source, title| MergedRequest {
            organization: name("fabrikam"),
            number: 88,
            title,
            source,
            created: None,
            approved: None,
            merge: commit(merge),
            commits: Few::new(),
        };
        let [another, source, title] = ["fix: another", source, title].map(|text| of.titles.add(text));
        of.requests = vec![request("x", another.clone(), another), request("c", source, title)];
        work_of(&of)[2].rework
    };
    assert!(told("refs/heads/fix/total", "Total is right"));
    assert!(told("refs/heads/total", "Fix: the total"));
    assert!(!told("refs/heads/total", "A total"), "another one is");
    assert!(!told("", ""), "nobody told what it is called");
}

#[test]
fn weeks_without_deployments_count() {
    let often = |hours: &[i64], window| {
        let of = material((1..).zip(hours).map(|(run, hour)| good(run, "a", *hour)).collect());
        report_of(&of, window).numbers.deployment_frequency
    };
    let busy = often(&[0, 24, 25, 48, 72, 96], weeks(3));
    assert_eq!(busy.deploy_days, Figure::known(5));
    assert_eq!(busy.median_deploy_days_a_week, Figure::known(0), "of 0, 0 and 5");
    assert_eq!(often(&[0, 24, 48, 72, 96], weeks(1)).level, Some(Level::Elite));
    let part = Window { from: at(24), until: at(6 * 24) };
    assert_eq!(often(&[25], part).median_deploy_days_a_week, Figure::unknown(Unknown::NoWholeWeek));
}

#[test]
fn the_edge_of_a_week_is_that_of_the_zone() {
    let of = material(vec![good(1, "a", 7 * 24 - 1), good(2, "b", 7 * 24)]);
    let judged = Judgement::of(&of, &Terms::default());
    let by_week = |zone: &str| -> Vec<_> {
        let selection = Selection::new(&of, &judged, zone.parse().unwrap(), |_, _| true);
        let report = selection.report(weeks(2), Some(Period::Week));
        report.series.iter().map(|week| week.deployment_frequency.deployments.value.unwrap()).collect()
    };
    assert_eq!(by_week("UTC"), [1, 1]);
    assert_eq!(by_week("Asia/Tokyo"), [0, 2, 0], "it is Monday there");
}

#[test]
fn nothing_deployed_ever_is_no_zero() {
    let report = report_of(&material(Vec::new()), weeks(1)).numbers;
    assert_eq!(report.deployment_frequency.deployments, Figure::unknown(Unknown::NothingDeployed));
    let report = report_of(&material(vec![good(1, "a", -50)]), weeks(1)).numbers;
    assert_eq!(report.deployment_frequency.deployments, Figure::known(0), "it is one where something was, before");
    assert_eq!(report.change_fail_rate.rate, Figure::unknown(Unknown::NoDeployments));
}

#[test]
fn what_runs_built_stands_for_missing_pushes_and_is_told_apart() {
    let built = |built: &[&str], of: Deployed| {
        let built = built.iter().map(|one| commit(one)).collect();
        Deployed { brought: Some(Box::new(Brought { built, ..Brought::default() })), ..of }
    };
    let mut of = material(vec![
        built(&["a"], good(1, "a", 1)),
        built(&["c", "squash"], good(2, "squash", 50)),
        built(&["x"], good(3, "e", 60)),
    ]);
    of.updates = vec![push("squash", "e")];
    of.requests = vec![MergedRequest {
        organization: name("fabrikam"),
        number: 88,
        title: Title::default(),
        source: Title::default(),
        created: None,
        approved: None,
        merge: commit("squash"),
        commits: ["p", "q"].map(commit).into_iter().collect(),
    }];
    of.commits = made(&[("c", 40), ("p", 46), ("q", 48), ("e", 59), ("x", 59)]);
    let report = report_of(&of, weeks(1));
    let coverage = report.coverage;
    assert_eq!((coverage.first_on_record, coverage.commits_likely, coverage.commits_unknown), (1, 1, 0));
    let work = work_of(&of);
    assert_eq!([0, 1, 2].map(|nth: usize| work[nth].commits_are), [Some("first"), Some("likely"), Some("known")]);
    let commits: Vec<_> = work[1].commits.iter().map(|one| one.commit.as_str()).collect();
    assert_eq!(commits, ["c", "p", "q"], "in place of a squash stand those that were squashed");
    assert_eq!(work[2].commits[0].commit, "e", "pushes tell for certain");
    assert_eq!(report.numbers.change_lead_time.total.count, 4);
}

#[test]
fn times_that_run_backwards_or_are_not_known_are_left_out_and_counted() {
    let mut of = material(vec![good(1, "a", 1), good(2, "b", 5)]);
    of.updates = vec![push("a", "b")];
    let counted = |of: &Material| {
        let report = report_of(of, weeks(1));
        let coverage = report.coverage;
        let total = report.numbers.change_lead_time.total;
        assert_eq!((total.count, total.median.reason), (0, Some(Unknown::CommitsUnknown)));
        (coverage.commits_without_time, coverage.commits_from_the_future)
    };
    assert_eq!(counted(&of), (1, 0));
    of.commits = made(&[("b", 6)]);
    assert_eq!(counted(&of), (0, 1));
}

#[test]
fn a_loop_of_pushes_ends() {
    let mut of = material(vec![good(1, "a", 1), good(2, "c", 5)]);
    of.updates = vec![push("b", "c"), push("c", "b")];
    assert_eq!(report_of(&of, weeks(1)).coverage.commits_unknown, 1);
}

#[test]
fn gaps_in_the_time_are_told() {
    let mut of = material(vec![good(1, "a", 1)]);
    let times = [(at(-9), Some(at(-8))), (at(5), Some(at(6))), (at(7), None), (at(7 * 24), None)];
    let lost = |project: &str| {
        let of = part(project);
        times.map(|(from, until)| Lost { of: of.clone(), from, until })
    };
    of.gaps = [lost("shop"), lost("other")].concat();
    assert_eq!(report_of(&of, weeks(1)).coverage.gaps, 2, "not those of another project");
    of.gaps.push(Lost { of: Part { project: None, ..part("") }, from: at(8), until: None });
    assert_eq!(report_of(&of, weeks(1)).coverage.gaps, 3, "and those of all");
    assert_eq!(Terms::default().rework_within, Duration::from_secs(2 * 24 * 3_600));
}

#[test]
fn what_is_wanted_is_by_name_or_id_and_production_where_nothing_is_said() {
    let fits = |wanted: Wanted| wanted.fits(&owners(), &line("prod-eu", true), &origin(MAIN));
    let some = |text: &str| Some(text.to_owned());
    assert!(fits(Wanted::default()));
    assert!(!Wanted::default().fits(&owners(), &line("staging", false), &origin(MAIN)));
    for (wanted, expected) in [
        (Wanted { pipeline: some("WEB"), ..Wanted::default() }, true),
        (Wanted { pipeline: some("7"), ..Wanted::default() }, true),
        (Wanted { pipeline: some("8"), ..Wanted::default() }, false),
        (Wanted { project: some("Shop"), ..Wanted::default() }, true),
        (Wanted { repository: some("api"), ..Wanted::default() }, false),
        (Wanted { environment: some("PROD-EU"), ..Wanted::default() }, true),
        (Wanted { environment: some("prod"), ..Wanted::default() }, false),
        (Wanted { service: some("checkout"), team: some("payments"), ..Wanted::default() }, true),
        (Wanted { team: some("other"), ..Wanted::default() }, false),
    ] {
        assert_eq!(fits(wanted.clone()), expected, "{wanted:?}");
    }
}

fn owners() -> Owners {
    let pipelines = vec![Pattern::new("web")];
    let team = Some("payments".to_owned());
    Owners(vec![OwnerRule { service: "checkout".to_owned(), team, pipelines, ..OwnerRule::default() }])
}

#[test]
fn groups_are_those_with_deployments_in_the_time() {
    let of = material(vec![good(1, "a", -5), good(2, "b", 5), bad(3, "c", 6)]);
    let judged = Judgement::of(&of, &Terms::default());
    let selection = Selection::new(&of, &judged, Zone::default(), |_, _| true);
    let by = |group: Group| selection.groups(weeks(1), |line, origin| group.of(&owners(), line, origin));
    let one = |name: &str| vec![(Some(name.to_owned()), 2)];
    assert_eq!(by(Group::Pipeline), one("web"));
    assert_eq!(by(Group::Environment), one("prod"));
    assert_eq!(by(Group::Team), one("payments"));
    assert_eq!(by(Group::Person), [(None, 2)]);
}

/// More than a thousand deployments are judged by several threads.
#[test]
fn lines_that_are_judged_at_once_have_nothing_to_do_with_each_other() {
    let lines = || ["prod", "prod-eu", "prod-us"].map(|environment| line(environment, true)).to_vec();
    let of = |deployments| Material { lines: lines(), updates: vec![push("a", "b")], ..material(deployments) };
    let work = |material: &Material, of: usize| {
        let judged = Judgement::of(material, &Terms::default());
        let wanted = |line: &Line, _: &Origin| Some(&line.environment) == lines().get(of).map(|line| &line.environment);
        Selection::new(material, &judged, Zone::default(), wanted).work(weeks(52))
    };
    let commits = ["a", "b", "c", "b"].iter().cycle();
    let deployed = (0..).zip(commits).take(3_000).map(|(hour, commit): (i64, _)| {
        let run = hour.unsigned_abs();
        Deployed { line: usize::try_from(run % 3).unwrap(), ..if run % 7 == 0 { bad } else { good }(run, commit, hour) }
    });
    let deployed: Vec<_> = deployed.collect();
    let all = of(deployed.clone());
    for line in 0..3 {
        let alone = of(deployed.iter().filter(|of| of.line == line).cloned().collect());
        let work_alone = work(&alone, line);
        assert_eq!(work(&all, line), work_alone);
        assert_eq!(work_alone.len(), 1_000);
        assert!(work_alone.iter().any(|of| of.rolls_back) && work_alone.iter().any(|of| !of.commits.is_empty()));
    }
}
