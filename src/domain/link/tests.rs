//! The tables of rules, a row a case: what is a link, and what looks like one.

use super::*;
use crate::domain::changes::ShownChanges;
use crate::domain::deployment::ShownDeployment;
use crate::domain::pull_request::{CommitRole, PullRequestFact, PullRequestRecord, ShownPullRequest, StatusSaid};
use crate::domain::push::ShownPush;
use crate::domain::release::{ReleaseFact, ReleaseRecord, ShownArtifact, ShownRelease};
use crate::domain::run::{Consumed, RunFact, RunRecord, ShownRun, ShownStage, ShownTrigger, Statement};
use crate::domain::work_item::{WorkItemFact, WorkItemRecord};
use crate::domain::{
    Commit, DeploymentKey, FactKind, Outcome, PullRequestKey, PullRequestStatus, PushKey, ReleaseFactKind, ReleaseKey,
    RunKey, Said, ShownCommit, State, Time, WorkItemKey,
};

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const C: &str = "cccccccccccccccccccccccccccccccccccccccc";

fn told(references: &[Reference]) -> Vec<String> {
    let line = |reference: &Reference| {
        let Reference { cause, effect, rule, certainty, when } = reference;
        let (kind, text) = when.parts();
        let when = if kind.is_empty() { String::new() } else { format!(" if {kind} {text}") };
        format!("{cause} -> {effect} {rule} {}{when}", certainty.as_str()).replace('\n', "/")
    };
    references.iter().map(line).collect()
}

fn of(edit: impl FnOnce(&mut ShownRun)) -> Vec<String> {
    let key = RunKey { organization: "fabrikam".to_owned(), pipeline: 14, run: 500 };
    let mut run = RunRecord::of(&RunFact::new(key, FactKind::Build, Time::UNKNOWN)).shown();
    edit(&mut run);
    told(&of_run(&run))
}

fn trigger(run: &mut ShownRun) {
    let pipeline = Some("ci".to_owned());
    run.origin.trigger = Some(ShownTrigger { id: Some(479), pipeline, version: Some("2025.1".to_owned()) });
}

/// What triggers a run: section "what triggered a run" of the service's triggers.
#[test]
fn what_triggered_a_run() {
    let resource = ["run:479 -> run:500 pipelineResource certain if called 2025.1/ci"];
    assert_eq!(of(trigger), resource, "another run with that number is the wrong one");
    let named = |run: &mut ShownRun| {
        trigger(run);
        run.origin.trigger.as_mut().unwrap().id = None;
    };
    assert_eq!(of(named), ["runNamed:2025.1/ci -> run:500 pipelineResource likely"]);
    let manual = |run: &mut ShownRun| {
        trigger(run);
        run.reason = Some("manual".to_owned());
    };
    assert_eq!(of(manual), resource, "the reason does not decide");
    let resource_reason = |run: &mut ShownRun| run.reason = Some("resourceTrigger".to_owned());
    assert_eq!(of(resource_reason), [] as [&str; 0], "nor does it make a link");
    let completion = |run: &mut ShownRun| run.origin.triggered_by = Some(478);
    assert_eq!(of(completion), ["run:478 -> run:500 completionTrigger certain"]);
    let early = |run: &mut ShownRun| {
        completion(run);
        run.started = Some(Time::from_ticks(1));
    };
    assert_eq!(of(early).len(), 1, "a trigger with a filter on stages comes before the other run ends");
    let unversioned = |run: &mut ShownRun| {
        run.origin.trigger = Some(ShownTrigger { id: Some(479), ..ShownTrigger::default() });
    };
    assert_eq!(of(unversioned), ["run:479 -> run:500 pipelineResource certain"]);
    let unnumbered = |run: &mut ShownRun| {
        let pipeline = Some("ci".to_owned());
        run.origin.trigger = Some(ShownTrigger { id: Some(479), pipeline, ..ShownTrigger::default() });
    };
    assert_eq!(of(unnumbered), ["run:479 -> run:500 pipelineResource certain if called /ci"]);
}

#[test]
fn what_a_run_consumed() {
    let consumed = |id: Option<u64>, version: Option<&str>| {
        of(|run| {
            let pipeline = Some("ci".to_owned());
            let version = version.map(str::to_owned);
            run.origin.consumed = vec![Consumed { alias: "up".to_owned(), id, pipeline, version }];
        })
    };
    assert_eq!(
        consumed(Some(479), Some("2025.1")),
        ["run:479 -> run:500 consumed certain if called 2025.1/ci", "runNamed:2025.1/ci -> run:500 consumed likely"],
        "the id may be a pipeline's: only with the number it is a run's"
    );
    assert_eq!(consumed(None, Some("2025.1")), ["runNamed:2025.1/ci -> run:500 consumed likely"]);
    assert_eq!(consumed(Some(479), None), [] as [&str; 0], "a pipeline's id and nothing else");
}

/// A tag is a text that anybody may give, and a number is used again.
#[test]
fn the_image_of_a_container_leads_to_the_run_of_its_tag() {
    let used = |image: &str| of(|run| run.origin.images = vec![image.to_owned()]);
    let expected = ["runNamed:20250612.4/ -> run:500 containerImage likely"];
    assert_eq!(used("fabrikam.azurecr.io/web:main-20250612.4"), expected);
    assert_eq!(used("node:20.11"), [] as [&str; 0]);
}

#[test]
fn what_a_run_built() {
    let built = |run: &mut ShownRun| run.commit = Some(A.to_uppercase());
    assert_eq!(of(built), [format!("commit:{A} -> run:500 built certain")]);
    let pushed = |run: &mut ShownRun| {
        built(run);
        run.origin.pushed_commit = Some(B.to_owned());
    };
    let both = [format!("commit:{A} -> run:500 built certain"), format!("commit:{B} -> run:500 pushed certain")];
    assert_eq!(of(pushed), both, "the repository of the push may be a resource only");
    let same = |run: &mut ShownRun| {
        built(run);
        run.origin.pushed_commit = Some(A.to_owned());
    };
    assert_eq!(of(same).len(), 1);
    assert_eq!(of(|run| run.commit = Some("C1234".to_owned())), [] as [&str; 0], "a changeset");
}

#[test]
fn which_pull_request_a_run_verified() {
    let of_host = |kind: Option<&str>, number: Option<u64>, branch: Option<&str>| {
        of(|run| {
            run.repository = Some("fabrikam/app".to_owned());
            run.branch = branch.map(str::to_owned);
            run.origin.pull_request = number;
            run.origin.repository_type = kind.map(str::to_owned);
        })
    };
    let known = "likely if repository fabrikam/app";
    let by_trigger = format!("pullRequest:88 -> run:500 pullRequestTrigger {known}");
    assert_eq!(of_host(Some("TfsGit"), Some(88), None), [by_trigger], "certain where it is known to be in there");
    let branch = Some("refs/pull/88/merge");
    let by_branch = format!("pullRequest:88 -> run:500 pullRequestBranch {known}");
    assert_eq!(of_host(Some("azureReposGit"), None, branch), [by_branch]);
    let foreign = ["foreignPullRequest:fabrikam/app#88 -> run:500 pullRequestBranch certain"];
    assert_eq!(of_host(Some("GitHub"), None, branch), foreign, "that of Azure DevOps with this number is another one");
    let unknown = ["pullRequest:88 -> run:500 pullRequestBranch likely if repository fabrikam/app"];
    assert_eq!(of_host(None, None, branch), unknown);
    assert_eq!(of_host(Some("TfsGit"), None, Some("refs/pull/x/merge")), [] as [&str; 0]);
}

/// The repository of the pull request is the one that the trigger names; that of a fork may stand in its place.
#[test]
fn the_repository_of_a_pull_request_is_that_of_its_trigger() {
    let of_trigger = |told: Option<&str>, own: Option<&str>, is_of_fork: bool| {
        of(|run| {
            run.origin.repository_type = Some("TfsGit".to_owned());
            run.origin.repository_id = own.map(str::to_owned);
            run.origin.pull_request = Some(88);
            run.origin.pull_request_repository = told.map(str::to_owned);
            run.origin.is_of_fork = is_of_fork;
        })
    };
    let likely = "pullRequest:88 -> run:500 pullRequestTrigger likely".to_owned();
    let inside = |repository: &str| format!("{likely} if repository {repository}");
    let table = [
        ("the run's own", None, Some("9a0d"), false, vec![inside("9a0d")]),
        ("another one", Some("3f1e"), Some("9a0d"), false, vec![inside("3f1e")]),
        ("none is known", None, None, false, vec![likely.clone()]),
        ("a fork", None, Some("9a0d"), true, vec![inside("9a0d"), likely.clone()]),
        ("a fork of another one", Some("3f1e"), Some("9a0d"), true, vec![inside("3f1e"), likely.clone()]),
    ];
    for (name, told, own, is_of_fork, expected) in table {
        assert_eq!(of_trigger(told, own, is_of_fork), expected, "{name}");
    }
    let both = of(|run| {
        run.branch = Some("refs/pull/88/merge".to_owned());
        run.origin.repository_type = Some("TfsGit".to_owned());
        run.origin.repository_id = Some("9a0d".to_owned());
        run.origin.pull_request_repository = Some("3f1e".to_owned());
    });
    assert_eq!(
        both,
        ["pullRequest:88 -> run:500 pullRequestBranch likely if repository 9a0d"],
        "a branch is the run's"
    );
}

#[test]
fn work_items_of_a_branch_are_for_the_patterns_to_find() {
    let branch = |name: &str| of(|run| run.branch = Some(name.to_owned()));
    let expected = "workItem:4711 -> run:500 branchName likely if branch feature/4711-rounding";
    assert_eq!(branch("refs/heads/feature/4711-rounding"), [expected]);
    assert_eq!(branch("refs/tags/4711"), [] as [&str; 0]);
}

fn commit(message: &str) -> Vec<ShownCommit> {
    vec![ShownCommit { id: A.to_owned(), commit: Commit::new(None, None, Some(message)) }]
}

fn of_change(kind: Option<&str>, message: &str) -> Vec<String> {
    let key = RunKey { organization: "fabrikam".to_owned(), pipeline: 14, run: 500 };
    let (repository, repository_type) = (Some("app".to_owned()), kind.map(str::to_owned));
    told(&of_changes(&ShownChanges {
        key,
        repository,
        repository_type,
        commits: commit(message),
        compared: Vec::new(),
    }))
}

#[test]
fn what_the_commits_of_a_run_name() {
    let built = format!("commit:{A} -> run:500 buildChange certain");
    assert_eq!(of_change(Some("TfsGit"), "Round totals"), std::slice::from_ref(&built));
    let item = format!("workItem:4711 -> commit:{A} mention certain");
    assert_eq!(of_change(Some("GitHub"), "Fixes AB#4711, see #12"), [built.clone(), item.clone()]);
    let merged = format!("pullRequest:88 -> commit:{A} mergeMessage likely if repository app");
    let message = "Merged PR 88: x\n\nRelated work items: #4711";
    assert_eq!(of_change(Some("TfsGit"), message), [built.clone(), item, merged]);
    assert_eq!(of_change(Some("GitHub"), "Merged PR 88: x"), [built], "GitHub says it otherwise and numbers its own");
}

#[test]
fn what_the_commits_of_a_push_name() {
    let push = |message: &str| {
        let key = PushKey::new("fabrikam", "9a0d", 314);
        told(&of_push(&ShownPush {
            default_branch: None,
            key,
            project_id: None,
            project_name: None,
            repository: None,
            pushed_by: None,
            pushed: None,
            refs: Vec::new(),
            commits: commit(message),
        }))
    };
    assert_eq!(
        push("Merged PR 88: x"),
        [format!("pullRequest:88 -> commit:{A} mergeMessage likely if repository 9a0d")]
    );
    // The manifest's repository is another one than that of the pull request.
    let manifest = "Updated k8s manifest files post commit: Merged PR 88: Updating web image tag to main-2025.1.";
    assert_eq!(push(manifest), [format!("pullRequest:88 -> commit:{A} mergeMessage likely")]);
    assert_eq!(push("Round totals"), [] as [&str; 0]);
}

fn pull_request(edit: impl FnOnce(&mut ShownPullRequest)) -> Vec<String> {
    let key = PullRequestKey::new("fabrikam", "9a0d", 88);
    let fact = PullRequestFact::new(key, Time::UNKNOWN);
    let mut shown = PullRequestRecord::of(&fact).shown();
    edit(&mut shown);
    told(&of_pull_request(&shown))
}

#[test]
fn what_a_pull_request_is_about() {
    let items = pull_request(|shown| shown.work_items = vec![4711]);
    assert_eq!(items, ["workItem:4711 -> pullRequest:88 mention certain"]);
    let branch = pull_request(|shown| shown.source = Some("refs/heads/feature/4711".to_owned()));
    assert_eq!(branch, ["workItem:4711 -> pullRequest:88 branchName likely if branch feature/4711"]);
}

/// What one statement says of the commits of a pull request: when, in which status, in which roles.
type CommitsSaid<'t> = (i64, &'t str, &'t [(CommitRole, &'t str)]);

fn commits_of_a_pull_request(statements: &[CommitsSaid<'_>]) -> Vec<String> {
    let fact = |(said, status, commits): &CommitsSaid<'_>| {
        let said = Time::from_ticks(*said);
        let status = (PullRequestStatus::from(*status), StatusSaid { said, created: None, closed: None });
        let commits = commits.iter().map(|(role, id)| (*role, (*id).to_owned())).collect();
        let fact = PullRequestFact::new(PullRequestKey::new("fabrikam", "9a0d", 88), said);
        PullRequestFact { status: Some(status), commits, ..fact }
    };
    let mut facts = statements.iter().map(fact);
    let first = PullRequestRecord::of(&facts.next().unwrap());
    let record = facts.fold(first, |mut record, fact| {
        record.add(&fact);
        record
    });
    told(&of_pull_request(&record.shown()))
}

#[test]
fn the_merge_of_a_pull_request_is_that_of_a_completed_one() {
    use CommitRole::{Merge, Source};
    let source = format!("commit:{A} -> pullRequest:88 pullRequestCommit certain");
    let merge = format!("pullRequest:88 -> commit:{C} mergeCommit certain");
    let open: CommitsSaid<'_> = (1, "active", &[(Source, A), (Merge, B)]);
    let tried = "a merge that was made to try it leads nowhere";
    assert_eq!(commits_of_a_pull_request(&[open]), std::slice::from_ref(&source), "{tried}");
    let abandoned: CommitsSaid<'_> = (2, "abandoned", &[(Merge, B)]);
    assert_eq!(commits_of_a_pull_request(&[open, abandoned]), std::slice::from_ref(&source), "{tried}");
    let completed: CommitsSaid<'_> = (2, "completed", &[(Source, A), (Merge, C)]);
    assert_eq!(commits_of_a_pull_request(&[completed, open]), [source, merge], "{tried}");
}

/// What was pushed away is no commit of it, and who lists none does not say which that is.
#[test]
fn commits_that_were_pushed_away_are_only_likely() {
    use CommitRole::{Head, Source};
    let sure = |id: &str| format!("commit:{id} -> pullRequest:88 pullRequestCommit certain");
    let likely = |id: &str| format!("commit:{id} -> pullRequest:88 pullRequestCommit likely");
    let first: CommitsSaid<'_> = (1, "active", &[(Source, A), (Source, B), (Head, B)]);
    let table: [(&str, CommitsSaid<'_>, [String; 3]); 5] = [
        ("listed anew", (2, "active", &[(Source, A), (Source, C), (Head, C)]), [sure(A), likely(B), sure(C)]),
        ("another head, and no list", (2, "completed", &[(Head, C)]), [likely(A), likely(B), sure(C)]),
        ("a list before it", (0, "active", &[(Source, C), (Head, C)]), [sure(A), sure(B), likely(C)]),
        ("a head before it", (0, "active", &[(Head, C)]), [sure(A), sure(B), likely(C)]),
        ("a list without a head", (2, "active", &[(Source, C)]), [likely(A), likely(B), sure(C)]),
    ];
    for (name, other, expected) in table {
        assert_eq!(commits_of_a_pull_request(&[first, other]), expected, "{name}");
        assert_eq!(commits_of_a_pull_request(&[other, first]), expected, "{name}, the other way round");
    }
    let same: CommitsSaid<'_> = (2, "completed", &[(Head, B)]);
    assert_eq!(commits_of_a_pull_request(&[first, same]), [sure(A), sure(B)], "the head is in the list");
    let two: [CommitsSaid<'_>; 2] = [(2, "active", &[(Head, A)]), (2, "active", &[(Head, B)])];
    assert_eq!(commits_of_a_pull_request(&two), [likely(A), likely(B)], "one of the two is wrong");
}

/// Bedrock's defaults: what its pipelines open.
#[test]
fn which_run_opened_a_pull_request() {
    let described = "Updating web to main-2025.1.\nPR created by: web with buildId: 479 and buildNumber: 2025.1";
    let title = "Updating web image tag to main-2025.1.";
    let deploy = |description: Option<&str>, title: &str, source: &str| {
        pull_request(|shown| {
            shown.description = description.map(str::to_owned);
            shown.title = Some(title.to_owned());
            shown.source = Some(source.to_owned());
        })
    };
    let branch = "refs/heads/DEPLOY/web-main-2025.1";
    let copied = "anybody can write that";
    for (title, source, certainty, why) in [
        (title, branch, "certain", "both are Bedrock's"),
        (title, "refs/heads/topic", "certain", "the title is"),
        ("Round totals", branch, "certain", "the branch is"),
        ("Round totals", "refs/heads/topic", "likely", copied),
        ("Updating web", "refs/heads/users/DEPLOY/web", "likely", copied),
    ] {
        let expected = format!("run:479 -> pullRequest:88 describedBuild {certainty} if called 2025.1/web");
        assert_eq!(deploy(Some(described), title, source).pop(), Some(expected), "{why}: {title}, {source}");
    }
    let likely = ["runNamed:2025.1/ -> pullRequest:88 imageTag likely"];
    assert_eq!(deploy(None, title, "DEPLOY/web-main-2025.1"), likely, "the number alone may be used again");
    let none: [&str; 0] = [];
    assert_eq!(deploy(Some(described), title, "refs/heads/RECONCILE/web-2025.1"), certain_branch_only());
    assert_eq!(deploy(Some(described), "Reconciling HLD with web-2025.1.", "x"), none);
    assert_eq!(deploy(None, "Round totals", "x"), none);
}

/// No deployment; what is left of it is a number in a branch, which no usual pattern takes for a work item.
fn certain_branch_only() -> Vec<String> {
    let when = "if branch RECONCILE/web-2025.1";
    vec![
        format!("workItem:1 -> pullRequest:88 branchName likely {when}"),
        format!("workItem:2025 -> pullRequest:88 branchName likely {when}"),
    ]
}

#[test]
fn what_a_work_item_is_linked_to() {
    use crate::domain::work_item::Relation;
    let key = WorkItemKey { organization: "fabrikam".to_owned(), id: 4711 };
    let mut fact = WorkItemFact::new(key, Time::UNKNOWN, 3);
    let relation = |to, is_there| Relation { to, is_there };
    fact.relations = vec![
        relation(Node::PullRequest(88), true),
        relation(Node::Run(479), false),
        relation(Node::WorkItem(4711), true),
    ];
    let shown = WorkItemRecord::of(&fact).shown();
    assert_eq!(told(&of_work_item(&shown)), ["workItem:4711 -> pullRequest:88 workItemLink certain"]);
}

/// The times of runs are in no rule.
#[test]
fn a_run_that_is_not_over_has_its_links_already() {
    let open = of(|run| {
        trigger(run);
        run.state = Some(State::InProgress);
    });
    assert_eq!(open.len(), 1);
    let record = RunRecord::of(&RunFact {
        run: Some((State::InProgress, Statement::at(Time::UNKNOWN))),
        ..RunFact::new(RunKey::default(), FactKind::Build, Time::UNKNOWN)
    });
    assert_eq!(of_run(&record.shown()), []);
}

fn stage(name: &str, result: Option<&str>) -> ShownStage {
    let (state, result) = (Some(State::Completed), result.map(Outcome::from));
    ShownStage { name: name.to_owned(), attempt: 1, state, result, started: None, finished: None }
}

/// A release is made from builds, and what succeeded came somewhere.
#[test]
fn what_a_release_was_made_from_and_where_it_came() {
    let key = ReleaseKey::new("fabrikam", "p-1", 31);
    let fact = ReleaseFact::new(key, ReleaseFactKind::Release, Time::UNKNOWN);
    let of = |edit: fn(&mut ShownRelease)| {
        let mut release = ReleaseRecord::of(&fact).shown();
        edit(&mut release);
        told(&of_release(&release))
    };
    let artifact = |kind: &str, id: Option<&str>, number: Option<&str>| {
        let [kind, version_id, version_name] = [Some(kind), id, number].map(|text| text.map(str::to_owned));
        ShownArtifact { kind, version_id, version_name, ..ShownArtifact::default() }
    };
    let made = |artifact: ShownArtifact| {
        let mut release = ReleaseRecord::of(&fact).shown();
        release.artifacts = vec![artifact.clone(), artifact];
        told(&of_release(&release))
    };
    assert_eq!(made(artifact("Build", Some("479"), None)), ["run:479 -> release:p-1/31 releaseArtifact certain"]);
    for none in [
        artifact("Build", None, Some("2025.1")),
        artifact("Build", Some("2025.1"), None),
        artifact("AzureContainerRepository", Some("479"), None),
    ] {
        assert_eq!(made(none), [] as [&str; 0], "a number is used again, a tag is no run");
    }
    let came = of(|release| {
        release.project_name = Some(Said(Time::UNKNOWN, "shop".to_owned()));
        release.environments =
            vec![stage("Dev", Some("succeeded")), stage("Prod", Some("failed")), stage("Next", None)];
    });
    assert_eq!(came, ["release:p-1/31 -> environment:shop/Dev released certain"]);
}

#[test]
fn where_a_run_came() {
    let key = DeploymentKey::new("fabrikam", "p-1", 7, 479);
    let of = |result: Option<&str>| {
        let shown = ShownDeployment {
            key: key.clone(),
            environment: Some(Said(Time::UNKNOWN, "production".to_owned())),
            project_name: None,
            pipeline: Some(12),
            pipeline_name: None,
            run_name: None,
            stages: vec![stage("Deploy", result)],
        };
        told(&of_deployment(&shown))
    };
    assert_eq!(of(Some("succeeded")), ["run:479 -> environment:p-1/production deploymentRecord certain"]);
    for result in [Some("failed"), Some("canceled"), None] {
        assert_eq!(of(result), [] as [&str; 0], "{result:?}");
    }
}
