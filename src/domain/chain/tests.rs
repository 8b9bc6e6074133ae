//! A case for each thing that Bedrock's pipelines do, and for each trap.

use super::*;
use crate::domain::link::Certainty::{Certain, Likely};
use crate::domain::link::Rule;
use crate::domain::{Outcome, State, Time};

const MAIN: &str = "refs/heads/main";
const WEB: u64 = 21;
const API: u64 = 22;
const FABRIKATE: u64 = 90;

fn at(minutes: i64) -> Time {
    Time::from_ticks(1_000_000_000_000 + minutes * 600_000_000)
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A commit's id.
fn sha(of: &str) -> String {
    format!("{of:x>40}").replace(|c: char| !c.is_ascii_hexdigit(), "0")
}

fn chain() -> Chain {
    let patterns = |name: &str| vec![crate::domain::Pattern::new(name)];
    Chain { hld: patterns("shop-hld"), manifest: patterns("shop-manifests"), ..Chain::named("shop") }
}

/// A run that succeeded, from that minute on for 5.
fn run(id: u64, pipeline: u64, number: &str, minute: i64) -> Run {
    let name = if pipeline == WEB { "web" } else { "api" };
    Run {
        id,
        project: text("Shop"),
        pipeline,
        pipeline_name: text(name),
        number: text(number),
        state: Some(State::Completed),
        result: Some(Outcome::Succeeded),
        reason: text("individualCI"),
        branch: text(MAIN),
        commit: Some(sha(&format!("a{id}"))),
        repository: text("Shop"),
        author: text("Ada Quill"),
        queued: Some(at(minute)),
        started: Some(at(minute)),
        finished: Some(at(minute + 5)),
        url: None,
        stages: Vec::new(),
    }
}

fn fabrikate(id: u64, commit: &str, minute: i64) -> Run {
    Run {
        pipeline_name: text("hld-to-manifest"),
        commit: Some(sha(commit)),
        repository: text("shop-hld"),
        ..run(id, FABRIKATE, &format!("2025.{id}"), minute)
    }
}

fn pull_request(id: u64, title: &str, source: &str, minute: i64, merge: Option<&str>) -> PullRequest {
    PullRequest {
        id,
        project: text("Shop"),
        repository: text("shop-hld"),
        title: text(title),
        status: text(if merge.is_some() { "completed" } else { "active" }),
        source: text(source),
        target: text(MAIN),
        created_by: text("Project Collection Build Service"),
        merged_by: merge.and_then(|_| text("Esra Holm")),
        created: Some(at(minute)),
        closed: merge.map(|_| at(minute + 2)),
        merge_commit: merge.map(sha),
        ..PullRequest::default()
    }
}

/// As Bedrock's second step opens it.
fn deploy((id, run): (u64, u64), (service, tag): (&str, &str), minute: i64, merge: Option<&str>) -> PullRequest {
    let number = tag.rsplit('-').next().map(str::to_owned);
    let opened = Opened { run, number, pipeline: text(service), certainty: Certain };
    let title = format!("Updating {service} image tag to {tag}.");
    let source = format!("refs/heads/DEPLOY/shop-{service}-{tag}");
    PullRequest { opened: Some(opened), ..pull_request(id, &title, &source, minute, merge) }
}

/// In a push of its own.
fn commit(id: &str, repository: &str, author: &str, message: &str, minute: i64) -> Commit {
    Commit {
        id: sha(id),
        repository: text(repository),
        author: text(author),
        message: text(message),
        at: Some(at(minute)),
        push: u64::from_str_radix(sha(id).get(30..).unwrap(), 16).unwrap(),
        is_tip: true,
        pushed: Some(at(minute)),
        refs: vec![MAIN.to_owned()],
    }
}

fn hld(id: &str, message: &str, minute: i64) -> Commit {
    commit(id, "shop-hld", "Esra Holm", message, minute)
}

fn manifest(id: &str, message: &str, minute: i64) -> Commit {
    let message = format!("Updated k8s manifest files post commit: {message}");
    commit(id, "shop-manifests", "Automated Account", &message, minute)
}

/// One change by a pull request from end to end.
fn whole() -> Parts {
    let merged = "Merged PR 5: Updating web image tag to main-2025.1.";
    Parts {
        organization: "fabrikam".to_owned(),
        runs: vec![run(1, WEB, "2025.1", 0), fabrikate(50, "b1", 10)],
        pull_requests: vec![deploy((5, 1), ("web", "main-2025.1"), 6, Some("b1"))],
        hld_commits: vec![hld("b1", merged, 8)],
        manifest_commits: vec![manifest("c1", merged, 12)],
        ..Parts::default()
    }
}

fn joined(parts: &Parts) -> Vec<Row> {
    rows(&chain(), parts)
}

fn one(parts: &Parts) -> Row {
    let mut all = joined(parts);
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0)
}

fn link(row: &Row, to: Step) -> Option<(Rule, crate::domain::link::Certainty)> {
    row.link(to).map(|link| (link.rule, link.certainty))
}

fn of_pull_request(rows: &[Row], id: u64) -> &Row {
    rows.iter().find(|row| row.pull_request.as_ref().is_some_and(|one| one.id == id)).expect("a row of it")
}

#[test]
fn a_change_by_a_pull_request_is_certain_from_end_to_end() {
    let row = one(&whole());
    assert_eq!((row.kind, row.status), (Kind::Deployment, Status::Complete));
    assert_eq!((row.service.as_deref(), row.ring.as_deref()), (Some("web"), Some("main")));
    assert_eq!(row.image_tag.as_deref(), Some("shop-web:main-2025.1"));
    assert_eq!(row.source.as_ref().map(|run| run.id), Some(1));
    assert_eq!(row.manifest_run.as_ref().map(|run| run.id), Some(50));
    assert_eq!((row.hld_commit.clone(), row.manifest_commit.clone()), (Some(sha("b1")), Some(sha("c1"))));
    assert_eq!(row.second, Some(Second::Stage(run(1, WEB, "2025.1", 0))), "the second step is a stage of the run");
    assert_eq!(link(&row, Step::Hld), Some((Rule::DescribedBuild, Certain)));
    assert_eq!(link(&row, Step::ManifestRun), Some((Rule::Built, Certain)));
    assert_eq!(link(&row, Step::ManifestCommit), Some((Rule::ManifestMessage, Certain)));
    assert_eq!((row.updated, row.is_waiting()), (Some(at(15)), false));
}

#[test]
fn the_manifest_is_certain_without_the_push_of_the_high_level_definition() {
    let parts = Parts { hld_commits: Vec::new(), ..whole() };
    let row = one(&parts);
    assert_eq!(link(&row, Step::ManifestCommit), Some((Rule::ManifestMessage, Certain)), "the title says the same");
}

#[test]
fn a_row_keeps_its_id_on_its_way() {
    let all = whole();
    let id = one(&all).id;
    assert!(id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let first =
        Parts { runs: vec![all.runs[0].clone()], ..Parts { organization: "fabrikam".to_owned(), ..Parts::default() } };
    let named = Chain {
        services: vec![Service {
            name: "web".to_owned(),
            pipelines: vec![crate::domain::Pattern::new("web")],
            images: Vec::new(),
        }],
        ..chain()
    };
    let row = rows(&named, &first).remove(0);
    assert_eq!((row.id, row.status), (id.clone(), Status::Incomplete), "only its image is there");
    assert_eq!(row.image_tag.as_deref(), Some("shop-web:main-2025.1"));
    let waiting = Parts { pull_requests: vec![deploy((5, 1), ("web", "main-2025.1"), 6, None)], ..first };
    let row = one(&waiting);
    assert_eq!((row.id.clone(), row.is_waiting(), row.hld_commit), (id, true, None));
}

#[test]
fn a_run_of_the_same_pipeline_is_a_row_before_its_pull_request_is_told() {
    let mut parts = whole();
    parts.runs.push(Run { state: Some(State::InProgress), result: None, finished: None, ..run(2, WEB, "2025.2", 20) });
    parts.runs.push(Run { reason: text("pullRequest"), ..run(3, WEB, "2025.3", 21) });
    parts.runs.push(run(4, API, "2025.1", 22));
    let rows = joined(&parts);
    let told: Vec<_> = rows.iter().map(|row| (row.source.as_ref().map(|run| run.id), row.status)).collect();
    assert_eq!(
        told,
        [(Some(2), Status::InProgress), (Some(1), Status::Complete)],
        "one only verifies, one is of another"
    );
}

/// What a run without an image is of, only the others of its pipeline say; where these differ nobody does.
#[test]
fn a_run_is_of_the_one_service_of_its_pipeline() {
    let failed = |id, pipeline| Run { result: Some(Outcome::Failed), ..run(id, pipeline, "2025.2", 20) };
    let mut parts = whole();
    parts.runs.push(failed(2, WEB));
    let service = |rows: &[Row], id: u64| {
        let row = rows.iter().find(|row| row.source.as_ref().is_some_and(|run| run.id == id)).unwrap();
        (row.service.clone(), link(row, Step::Service), row.image_tag.clone())
    };
    let rows = joined(&parts);
    assert_eq!(service(&rows, 1), (text("web"), None, text("shop-web:main-2025.1")), "its own change says it");
    assert_eq!(service(&rows, 2), (text("web"), Some((Rule::SamePipeline, Likely)), None));
    parts.runs.push(run(4, WEB, "2025.3", 30));
    assert_eq!(service(&joined(&parts), 4).2, text("main-2025.3"), "no image is called by what is likely");
    parts.runs.push(run(3, WEB, "2025.4", 40));
    parts.pull_requests.push(deploy((6, 3), ("api", "main-2025.4"), 46, None));
    assert_eq!(service(&joined(&parts), 2), (None, None, None), "the pipeline builds two");
}

#[test]
fn a_pull_request_that_reconciles_is_no_deployment() {
    let mut parts = whole();
    let title = "Reconciling HLD with Shop-2025.1.";
    parts.pull_requests.push(pull_request(6, title, "refs/heads/RECONCILE/Shop-2025.1", 20, Some("b2")));
    parts.hld_commits.push(hld("b2", &format!("Merged PR 6: {title}"), 22));
    parts.runs.push(fabrikate(51, "b2", 23));
    assert_eq!(joined(&parts).len(), 1);
    parts.pull_requests.pop();
    assert_eq!(joined(&parts).len(), 1, "the message alone tells it");
}

#[test]
fn a_run_that_verifies_a_pull_request_makes_no_manifest() {
    let mut parts = whole();
    parts.runs[1].reason = text("pullRequest");
    let row = one(&parts);
    assert_eq!((row.manifest_run, row.manifest_commit, row.status), (None, None, Status::Incomplete));
}

#[test]
fn a_run_without_difference_keeps_the_commit_before() {
    let mut parts = whole();
    parts.runs.extend([run(2, WEB, "2025.2", 20), fabrikate(52, "b2", 30)]);
    parts.pull_requests.push(deploy((6, 2), ("web", "main-2025.2"), 26, Some("b2")));
    let rows = joined(&parts);
    let row = of_pull_request(&rows, 6);
    assert_eq!((row.manifest_commit.clone(), row.status), (Some(sha("c1")), Status::Complete));
    assert_eq!(link(row, Step::ManifestCommit), Some((Rule::NoDifference, Likely)), "an event may have been lost");
    parts.runs.last_mut().unwrap().result = Some(Outcome::Failed);
    let rows = joined(&parts);
    let row = of_pull_request(&rows, 6);
    assert_eq!((row.manifest_commit.clone(), row.status), (None, Status::Failed), "one that failed brought nothing");
}

#[test]
fn two_services_at_once_are_told_apart_by_what_the_commits_say() {
    let [web, api] = ["web", "api"].map(|name| format!("Updating {name} image tag to main-2025.1."));
    let [web, api] = [format!("Merged PR 5: {web}"), format!("Merged PR 6: {api}")];
    let parts = Parts {
        organization: "fabrikam".to_owned(),
        runs: vec![
            run(1, WEB, "2025.1", 0),
            run(2, API, "2025.1", 0),
            fabrikate(50, "b1", 10),
            fabrikate(51, "b2", 11),
        ],
        pull_requests: vec![
            deploy((5, 1), ("web", "main-2025.1"), 6, Some("b1")),
            deploy((6, 2), ("api", "main-2025.1"), 6, Some("b2")),
        ],
        hld_commits: vec![hld("b1", &web, 8), hld("b2", &api, 9)],
        manifest_commits: vec![manifest("c2", &api, 13), manifest("c1", &web, 14)],
        ..Parts::default()
    };
    let rows = joined(&parts);
    for (id, run, commit) in [(5, 1, "c1"), (6, 2, "c2")] {
        let row = of_pull_request(&rows, id);
        assert_eq!(
            (row.source.as_ref().map(|run| run.id), row.manifest_commit.clone()),
            (Some(run), Some(sha(commit)))
        );
        assert_eq!(link(row, Step::ManifestCommit), Some((Rule::ManifestMessage, Certain)));
    }
}

#[test]
fn one_run_may_make_the_manifests_of_two_changes() {
    let mut parts = whole();
    parts.runs.push(run(2, API, "2025.7", 1));
    parts.pull_requests.push(deploy((6, 2), ("api", "main-2025.7"), 5, Some("b0")));
    parts.hld_commits.push(hld("b0", "Merged PR 6: Updating api image tag to main-2025.7.", 7));
    parts.built = vec![(sha("b0"), 50), (sha("b1"), 50)];
    let rows = joined(&parts);
    let row = of_pull_request(&rows, 6);
    assert_eq!(link(row, Step::ManifestRun), Some((Rule::BuildChange, Certain)));
    assert_eq!(row.manifest_commit, Some(sha("c1")));
    parts.built.clear();
    parts.runs[1].reason = text("batchedCI");
    let rows = joined(&parts);
    assert_eq!(link(of_pull_request(&rows, 6), Step::ManifestRun), Some((Rule::NextRun, Likely)));
}

#[test]
fn a_rollback_is_another_row_of_the_same_run() {
    let mut parts = whole();
    let title = "Updating web image tag to main-2025.1.";
    parts.pull_requests.push(pull_request(9, title, "refs/heads/rollback", 40, Some("b9")));
    parts.runs.push(fabrikate(59, "b9", 43));
    parts.manifest_commits.push(manifest("c9", &format!("Merged PR 9: {title}"), 45));
    let rows = joined(&parts);
    let (first, back) = (of_pull_request(&rows, 5), of_pull_request(&rows, 9));
    assert_ne!(first.id, back.id);
    assert_eq!(
        (back.source.as_ref().map(|run| run.id), link(back, Step::Hld)),
        (Some(1), Some((Rule::ImageTag, Likely)))
    );
    assert_eq!((first.manifest_commit.clone(), back.manifest_commit.clone()), (Some(sha("c1")), Some(sha("c9"))));
}

#[test]
fn what_is_pushed_as_it_is_is_found_by_its_tag() {
    let message = "Updating web image tag to main-2025.1.";
    let parts = Parts {
        pull_requests: Vec::new(),
        hld_commits: vec![hld("b1", message, 8)],
        manifest_commits: vec![manifest("c1", message, 12)],
        ..whole()
    };
    let row = one(&parts);
    assert_eq!(link(&row, Step::Hld), Some((Rule::ImageTag, Likely)), "numbers are used again");
    assert_eq!((row.hld_commit.clone(), row.manifest_commit.clone()), (Some(sha("b1")), Some(sha("c1"))));
    assert_eq!(row.image_tag.as_deref(), Some("shop-web:main-2025.1"));
}

#[test]
fn a_tag_that_fits_two_runs_names_none() {
    let message = "Updating cart image tag to main-2025.1.";
    let mut parts = Parts { pull_requests: Vec::new(), hld_commits: vec![hld("b1", message, 8)], ..whole() };
    parts.runs.push(run(2, API, "2025.1", 0));
    let row = joined(&parts).remove(0);
    assert_eq!((row.source, row.service.as_deref()), (None, Some("cart")));
    parts.hld_commits[0].message = text("Updating api image tag to main-2025.1.");
    let row = joined(&parts).remove(0);
    assert_eq!(row.source.map(|run| run.id), Some(2), "the service is that of one of them");
    parts.hld_commits[0].message = text("Updating api image tag to release-2025.1.");
    assert_eq!(joined(&parts)[0].source, None, "another branch");
}

#[test]
fn a_description_that_names_another_number_is_believed_in_nothing() {
    let mut parts = whole();
    parts.pull_requests[0].opened.as_mut().unwrap().number = text("2025.99");
    parts.pull_requests[0].title = text("Updating web image tag to main-2025.99.");
    assert_eq!(one(&parts).source, None);
    let mut parts = whole();
    parts.pull_requests[0].opened.as_mut().unwrap().pipeline = text("nightly");
    assert_eq!(link(&one(&parts), Step::Hld), Some((Rule::DescribedBuild, Likely)), "it may have been renamed");
}

#[test]
fn an_edit_by_hand_is_a_row_once_manifests_are_made_of_it() {
    let mut parts = whole();
    parts.hld_commits.push(hld("b7", "Scale web to 5", 20));
    assert_eq!(joined(&parts).len(), 1);
    parts.runs.push(fabrikate(57, "b7", 21));
    parts.manifest_commits.push(manifest("c7", "Scale web to 5", 23));
    let rows = joined(&parts);
    let edit = &rows[0];
    assert_eq!((edit.kind, edit.source.clone(), edit.author.as_deref()), (Kind::ManualEdit, None, Some("Esra Holm")));
    assert_eq!((edit.manifest_commit.clone(), edit.status), (Some(sha("c7")), Status::Complete));
}

/// `pushedBy` is whoever's token it is; here somebody else wrote the same words.
#[test]
fn a_manifest_by_another_author_is_only_likely() {
    let mut parts = whole();
    parts.manifest_commits[0].author = text("Femi Castell");
    assert_eq!(link(&one(&parts), Step::ManifestCommit), Some((Rule::ManifestMessage, Likely)));
    parts.manifest_commits[0].author = None;
    assert_eq!(link(&one(&parts), Step::ManifestCommit), Some((Rule::ManifestMessage, Likely)), "names are not kept");
}

#[test]
fn a_commit_at_another_time_or_on_another_branch_is_not_the_runs() {
    for edit in [
        (|commit: &mut Commit| commit.at = Some(at(30))) as fn(&mut Commit),
        |commit| commit.refs = vec!["refs/heads/staging".to_owned()],
        |commit| commit.message = text("Updated k8s manifest files post commit: Merged PR 4: Something else"),
    ] {
        let mut parts = whole();
        edit(&mut parts.manifest_commits[0]);
        let row = one(&parts);
        assert!(row.link(Step::ManifestCommit).is_none_or(|link| link.rule == Rule::NoDifference), "{row:#?}");
    }
}

#[test]
fn a_long_message_is_cut_on_its_way() {
    let title = format!("Updating web image tag to main-2025.1. {}", "x".repeat(300));
    let mut parts = whole();
    parts.hld_commits[0].message = Some(title.clone());
    parts.manifest_commits[0] = manifest("c1", title.get(..200).unwrap(), 12);
    assert_eq!(link(&one(&parts), Step::ManifestCommit), Some((Rule::ManifestMessage, Certain)));
}

fn stage(release: u64, environment: &str, minute: i64) -> ReleaseStage {
    ReleaseStage {
        release,
        name: Some(format!("Release-{release}")),
        definition_name: text("web to hld"),
        project: "p-1".to_owned(),
        environment: environment.to_owned(),
        state: Some(State::Completed),
        result: Some(Outcome::Succeeded),
        started: Some(at(minute)),
        finished: Some(at(minute + 3)),
        ..ReleaseStage::default()
    }
}

#[test]
fn a_classic_release_is_the_second_step() {
    let mut parts = whole();
    parts.pull_requests.clear();
    parts.hld_commits[0].message = text("release by script: main-2025.1");
    parts.manifest_commits[0] = manifest("c1", "release by script: main-2025.1", 12);
    parts.releases = vec![ReleaseStage { tags: vec!["main-2025.1".to_owned()], ..stage(31, "dev", 6) }];
    let row = one(&parts);
    assert!(matches!(&row.second, Some(Second::Release(stage)) if stage.release == 31), "{row:#?}");
    assert_eq!((row.ring.as_deref(), row.source.as_ref().map(|run| run.id)), (Some("dev"), Some(1)));
    assert_eq!(link(&row, Step::Hld), Some((Rule::PushWindow, Likely)));
    assert_eq!(link(&row, Step::Release), Some((Rule::ImageTag, Likely)));
    assert_eq!((row.manifest_commit.clone(), row.status), (Some(sha("c1")), Status::Complete));
    parts.releases = vec![ReleaseStage { runs: vec![1], ..stage(31, "dev", 6) }];
    assert_eq!(link(&one(&parts), Step::Release), Some((Rule::ReleaseArtifact, Certain)));
}

#[test]
fn of_two_releases_under_way_the_one_that_is_named_made_the_commit() {
    let mut parts = whole();
    parts.pull_requests.clear();
    parts.runs.push(run(2, API, "2025.2", 0));
    parts.hld_commits[0].message = text("api main-2025.2");
    let release = |id, tag: &str| ReleaseStage { tags: vec![tag.to_owned()], ..stage(id, "dev", 6) };
    parts.releases = vec![release(31, "main-2025.1"), release(32, "main-2025.2")];
    let rows = joined(&parts);
    let of = |id| rows.iter().find(|row| row.source.as_ref().is_some_and(|run| run.id == id)).unwrap();
    assert_eq!((of(1).hld_commit.clone(), of(2).hld_commit.clone()), (None, Some(sha("b1"))));
    parts.hld_commits[0].message = text("by a script");
    assert!(
        joined(&parts).iter().all(|row| row.source.is_none() || row.hld_commit.is_none()),
        "either may have made it"
    );
}

/// It came to production in its third minute.
fn arrival(run: &Run) -> Arrival {
    Arrival {
        run: run.clone(),
        environment_id: Some(7),
        environment: "production".to_owned(),
        stage: "deploy 1".to_owned(),
        attempt: 1,
        state: Some(State::Completed),
        result: Some(Outcome::Succeeded),
        started: Some(at(3)),
        finished: Some(at(4)),
        rule: "deploymentRecord".to_owned(),
        certainty: Certain,
    }
}

#[test]
fn a_release_and_a_stage_without_a_high_level_definition_are_rows_too() {
    let shipped = Run { pipeline_name: text("shipping"), ..run(7, 77, "2025.7", 0) };
    let arrival = Arrival { result: Some(Outcome::Failed), ..arrival(&shipped) };
    let parts = Parts {
        organization: "fabrikam".to_owned(),
        runs: vec![run(1, WEB, "2025.1", 0)],
        releases: vec![
            ReleaseStage { runs: vec![1], ..stage(31, "dev", 6) },
            ReleaseStage { runs: vec![1], ..stage(31, "prod", 8) },
        ],
        environments: vec![arrival],
        ..Parts::default()
    };
    let rows = joined(&parts);
    let told: Vec<_> = rows.iter().map(|row| (row.kind, row.ring.as_deref().unwrap(), row.status)).collect();
    let expected = [("prod", Status::Complete), ("dev", Status::Complete), ("production", Status::Failed)];
    assert_eq!(told, expected.map(|(ring, status)| (Kind::Environment, ring, status)));
    assert_eq!(link(&rows[2], Step::Environment), Some((Rule::DeploymentRecord, Certain)));
    let ids: std::collections::BTreeSet<_> = rows.iter().map(|row| &row.id).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn where_the_second_stage_failed_the_row_has_failed() {
    let stages =
        vec![(Some(State::Completed), Some(Outcome::Succeeded)), (Some(State::Completed), Some(Outcome::Failed))];
    let mut parts = whole();
    parts.runs = vec![Run { result: Some(Outcome::Failed), stages, ..run(1, WEB, "2025.1", 0) }];
    assert_eq!(one(&parts).status, Status::Failed);
    parts.runs[0].stages[1] = (Some(State::Running), None);
    parts.runs[0].state = Some(State::InProgress);
    parts.runs[0].result = None;
    assert_eq!(one(&parts).status, Status::InProgress);
}

#[test]
fn a_cluster_that_has_a_later_commit_has_those_before() {
    let sync = |cluster: &str, commit: &str, succeeded: bool| Sync {
        cluster: cluster.to_owned(),
        commit: sha(commit),
        succeeded,
        state: if succeeded { "ReconciliationSucceeded" } else { "HealthCheckFailed" }.to_owned(),
        message: None,
        at: at(60),
    };
    let mut parts = whole();
    parts.manifest_commits.push(manifest("c2", "Scale web to 5", 20));
    parts.syncs = vec![sync("west", "c2", true), sync("east", "c1", false), sync("north", "c9", true)];
    let told: Vec<_> = one(&parts).clusters.into_iter().map(|one| (one.name, one.synced)).collect();
    assert_eq!(told, [("east".to_owned(), false), ("west".to_owned(), true)], "one told of a commit that nobody knows");
    parts.manifest_commits[1].refs = vec!["refs/heads/staging".to_owned()];
    let told: Vec<_> = one(&parts).clusters.into_iter().map(|one| one.name).collect();
    assert_eq!(told, ["east"], "another branch");
    parts.manifest_commits[1].refs = vec![MAIN.to_owned()];
    parts.manifest_commits[1].at = Some(at(2));
    let told: Vec<_> = one(&parts).clusters.into_iter().map(|one| one.name).collect();
    assert_eq!(told, ["east"], "the other one was before");
}

#[test]
fn rings_and_services_are_called_as_configured() {
    let patterns = |text: &str| vec![crate::domain::Pattern::new(text)];
    let chain = Chain {
        rings: vec![Ring { name: "production".to_owned(), branches: patterns("main") }],
        services: vec![Service { name: "Storefront".to_owned(), images: patterns("shop-web"), ..Service::default() }],
        ..chain()
    };
    let row = rows(&chain, &whole()).remove(0);
    assert_eq!((row.ring.as_deref(), row.service.as_deref()), (Some("production"), Some("Storefront")));
}

#[test]
fn the_order_in_which_things_are_held_does_not_matter() {
    let mut parts = whole();
    parts.runs.extend([run(2, WEB, "2025.2", 20), fabrikate(52, "b2", 30)]);
    parts.pull_requests.push(deploy((6, 2), ("web", "main-2025.2"), 26, Some("b2")));
    let expected = joined(&parts);
    parts.runs.reverse();
    parts.pull_requests.reverse();
    parts.manifest_commits.reverse();
    assert_eq!(joined(&parts), expected);
}

/// An event of a merge that was lost: the commit says whose it is.
#[test]
fn a_merge_that_was_not_told_is_found_by_its_commit() {
    let mut parts = whole();
    parts.pull_requests = vec![deploy((5, 1), ("web", "main-2025.1"), 6, None)];
    let row = one(&parts);
    assert_eq!((row.hld_commit.clone(), row.manifest_commit.clone()), (Some(sha("b1")), Some(sha("c1"))));
    assert_eq!((row.is_waiting(), row.status), (false, Status::Complete));
    assert_eq!(link(&row, Step::ManifestRun), Some((Rule::Built, Likely)));
    parts.hld_commits[0].repository = text("other-hld");
    let rows = joined(&parts);
    assert!(of_pull_request(&rows, 5).is_waiting(), "numbers are those of a repository");
}

#[test]
fn a_revert_is_an_edit_and_no_deployment_of_what_it_quotes() {
    let message = "Revert \"Merged PR 5: Updating web image tag to main-2025.1.\"";
    let mut parts = whole();
    parts.hld_commits.push(hld("b7", message, 20));
    parts.runs.push(fabrikate(57, "b7", 21));
    parts.manifest_commits.push(manifest("c7", message, 23));
    let rows = joined(&parts);
    assert_eq!((rows.len(), rows[0].kind, rows[0].source.clone()), (2, Kind::ManualEdit, None));
    assert_eq!(rows[0].manifest_commit, Some(sha("c7")));
}

#[test]
fn other_pipelines_of_the_definition_make_no_manifests() {
    let mut parts = whole();
    let lint = Run { result: Some(Outcome::Failed), ..fabrikate(51, "b1", 9) };
    let lint = Run { pipeline: 91, finished: Some(at(10)), ..lint };
    parts.runs.push(lint);
    let row = one(&parts);
    assert_eq!((row.manifest_run.as_ref().map(|run| run.id), row.status), (Some(50), Status::Complete));
    assert_eq!(link(&row, Step::ManifestRun), Some((Rule::Built, Certain)));
    parts.manifest_commits.clear();
    assert_eq!(link(&one(&parts), Step::ManifestRun), Some((Rule::Built, Likely)), "neither is known to make them");
}

#[test]
fn a_run_that_is_started_again_takes_nothing_back() {
    let mut parts = whole();
    parts.runs.push(Run { result: Some(Outcome::Failed), ..fabrikate(60, "b1", 40) });
    let row = one(&parts);
    assert_eq!((row.manifest_run.as_ref().map(|run| run.id), row.status), (Some(50), Status::Complete));
    assert_eq!(link(&row, Step::ManifestCommit), Some((Rule::ManifestMessage, Certain)));
}

/// Somebody copied an older pull request, and changed its title only.
#[test]
fn a_title_that_names_another_run_than_the_description_is_believed() {
    let mut parts = whole();
    parts.runs.push(run(2, WEB, "2025.2", 1));
    parts.pull_requests[0].title = text("Updating web image tag to main-2025.2.");
    let rows = joined(&parts);
    let row = of_pull_request(&rows, 5);
    assert_eq!(row.source.as_ref().map(|run| run.id), Some(2));
    assert_eq!(link(row, Step::Hld), Some((Rule::ImageTag, Likely)));
    let mut parts = whole();
    parts.runs[0].number = None;
    assert_eq!(link(&one(&parts), Step::Hld), Some((Rule::DescribedBuild, Likely)), "nobody knows its number");
}

#[test]
fn what_is_configured_as_another_service_is_not_taken_for_it() {
    let service = |name: &str, pipeline: &str| Service {
        name: name.to_owned(),
        pipelines: vec![crate::domain::Pattern::new(pipeline)],
        images: Vec::new(),
    };
    let message = "Updating cart image tag to main-2025.1.";
    let parts = Parts { pull_requests: Vec::new(), hld_commits: vec![hld("b1", message, 8)], ..whole() };
    assert_eq!(joined(&parts)[0].source.as_ref().map(|run| run.id), Some(1), "the one that fits");
    let chain = Chain { services: vec![service("web", "web")], ..chain() };
    let rows = rows(&chain, &parts);
    let of_cart = rows.iter().find(|row| row.hld_commit == Some(sha("b1"))).expect("a row of it");
    assert_eq!(of_cart.source, None);
}

#[test]
fn a_service_may_have_several_words() {
    let message = "Updating order-api image tag to main-2025.1.";
    let mut parts = Parts { pull_requests: Vec::new(), hld_commits: vec![hld("b1", message, 8)], ..whole() };
    parts.runs.push(Run { pipeline_name: text("order-api-ci"), ..run(2, API, "2025.1", 0) });
    assert_eq!(joined(&parts)[0].source.as_ref().map(|run| run.id), Some(2));
}

#[test]
fn manifests_of_other_products_are_nobody_elses() {
    let mut parts = whole();
    parts.runs.push(Run { repository: text("other-hld"), ..fabrikate(52, "b2", 30) });
    parts.hld_commits.push(commit("b2", "other-hld", "Esra Holm", "Scale", 29));
    let of_other =
        |parts: &Parts| rows(&Chain::usual(), parts).into_iter().find(|row| row.hld_commit == Some(sha("b2"))).unwrap();
    assert_eq!(of_other(&parts).manifest_commit, Some(sha("c1")), "there is one repository only");
    parts.manifest_commits.push(commit("d1", "other-manifests", "Automated Account", "By hand", 3));
    assert_eq!(of_other(&parts).manifest_commit, None);
}

/// What a replica read first differs from one to the next.
#[test]
fn releases_keep_their_ids_in_any_order() {
    let mut parts = Parts {
        organization: "fabrikam".to_owned(),
        runs: vec![run(1, WEB, "2025.1", 0)],
        releases: [31, 32].map(|id| ReleaseStage { runs: vec![1], ..stage(id, "dev", 6) }).to_vec(),
        ..Parts::default()
    };
    let expected = joined(&parts);
    assert_eq!(expected.len(), 2);
    parts.releases.reverse();
    assert_eq!(joined(&parts), expected);
}

#[test]
fn who_pushes_while_a_release_waits_is_not_the_release() {
    let mut parts = whole();
    parts.hld_commits.push(hld("b7", "Scale web to 10", 200));
    parts.runs.push(fabrikate(57, "b7", 201));
    let waiting = ReleaseStage { finished: None, state: Some(State::InProgress), ..stage(70, "prod", 6) };
    parts.releases = vec![ReleaseStage { runs: vec![1], tags: vec!["1".to_owned()], ..waiting }];
    let rows = joined(&parts);
    let edit = rows.iter().find(|row| row.hld_commit == Some(sha("b7"))).unwrap();
    assert_eq!((edit.kind, edit.source.clone()), (Kind::ManualEdit, None));
}

#[test]
fn what_came_to_an_environment_keeps_its_row_beside_a_release_of_the_same_run() {
    let shipped = run(1, WEB, "2025.1", 0);
    let parts = Parts {
        organization: "fabrikam".to_owned(),
        releases: vec![ReleaseStage { runs: vec![1], ..stage(31, "dev", 6) }],
        environments: vec![arrival(&shipped)],
        runs: vec![shipped],
        ..Parts::default()
    };
    let rows = joined(&parts);
    let told: Vec<_> = rows.iter().map(|row| (row.kind, row.ring.as_deref().unwrap())).collect();
    assert_eq!(told, [(Kind::Environment, "dev"), (Kind::Environment, "production")]);
    let parts = Parts { environments: parts.environments, ..whole() };
    assert_eq!(joined(&parts).len(), 1, "the stage of a run whose change is known is a part of it");
}

#[test]
fn a_run_claims_no_image_that_it_did_not_make() {
    let done = |result| (Some(State::Completed), Some(result));
    for (state, result, stages, is_made) in [
        (State::Completed, Some(Outcome::Succeeded), vec![], true),
        (State::Completed, Some(Outcome::PartiallySucceeded), vec![], true),
        (State::Completed, Some(Outcome::Failed), vec![], false),
        (State::Completed, Some(Outcome::Canceled), vec![done(Outcome::Canceled)], false),
        (State::Completed, Some(Outcome::Failed), vec![done(Outcome::Succeeded), done(Outcome::Failed)], true),
        (State::InProgress, None, vec![(Some(State::Running), None)], false),
        (State::InProgress, None, vec![done(Outcome::Succeeded), (Some(State::Running), None)], true),
        (State::Other("new".to_owned()), None, vec![], false),
    ] {
        let says = format!("{state:?} {result:?} {stages:?}");
        let made = Run { state: Some(state), result, stages, ..run(2, WEB, "2025.2", 20) };
        let mut parts = whole();
        parts.runs.push(made);
        let rows = joined(&parts);
        let row = rows.iter().find(|row| row.source.as_ref().is_some_and(|run| run.id == 2)).unwrap();
        assert_eq!(row.image_tag.is_some(), is_made, "{says}");
        parts.releases = vec![ReleaseStage { runs: vec![2], ..stage(31, "dev", 26) }];
        let rows = joined(&parts);
        let row = rows.iter().find(|row| row.kind == Kind::Environment).unwrap();
        assert_eq!(row.image_tag.is_some(), is_made, "by a release: {says}");
    }
}

/// As a push brings them, the last of them at last.
fn pushed(push: u64, commits: &[(&str, &str)], minute: i64) -> Vec<Commit> {
    let last = commits.len() - 1;
    let one =
        |(at, (id, message)): (usize, &(&str, &str))| Commit { push, is_tip: at == last, ..hld(id, message, minute) };
    commits.iter().enumerate().map(one).collect()
}

#[test]
fn what_is_pushed_together_is_one_change() {
    let [web, api] = ["web", "api"].map(|name| format!("Updating {name} image tag to main-2025.1."));
    let [web, api] = [web.as_str(), api.as_str()];
    let whole = Parts { runs: vec![run(1, WEB, "2025.1", 0), run(2, API, "2025.1", 0)], ..whole() };
    let one_edit: &[(Kind, Option<u64>)] = &[(Kind::ManualEdit, None)];
    for (commits, expected) in [
        (&[("b9", "Scale web"), ("b8", "Scale api"), ("b7", "Scale all")][..], one_edit),
        (&[("b9", web), ("b7", "Scale web")], &[(Kind::Deployment, Some(1))]),
        (&[("b9", web), ("b8", web), ("b7", web)], &[(Kind::Deployment, Some(1))]),
        (&[("b9", web), ("b7", api)], &[(Kind::Deployment, Some(1)), (Kind::Deployment, Some(2))]),
        (&[("b9", "Work on it"), ("b7", "Merged PR 5: Updating web image tag to main-2025.1.")], &[]),
        (&[("b9", "Scale web"), ("b7", "Reconciling HLD with Shop-2025.1.")], one_edit),
    ] {
        let last = commits.last().unwrap().1;
        let mut parts = Parts { hld_commits: pushed(700, commits, 20), ..whole.clone() };
        parts.pull_requests.retain(|_| last.starts_with("Merged"));
        parts.runs.push(fabrikate(57, "b7", 21));
        parts.manifest_commits = vec![manifest("c7", last, 23)];
        parts.built = commits.iter().map(|(id, _)| (sha(id), 57)).collect();
        let told = |rows: &[Row]| {
            let mut told: Vec<_> = rows.iter().map(|row| (row.kind, row.source.as_ref().map(|run| run.id))).collect();
            told.sort_unstable();
            told
        };
        let rows: Vec<_> = joined(&parts).into_iter().filter(|row| row.pull_request.is_none()).collect();
        assert_eq!(told(&rows), expected, "{commits:?}");
        assert!(rows.iter().all(|row| row.manifest_commit == Some(sha("c7")) && row.hld_commit == Some(sha("b7"))));
        let ids: std::collections::BTreeSet<_> = rows.iter().map(|row| &row.id).collect();
        assert_eq!(ids.len(), rows.len());
    }
    let mut parts = Parts { pull_requests: Vec::new(), hld_commits: pushed(700, &[("b9", "Scale web")], 20), ..whole };
    parts.hld_commits.extend(pushed(701, &[("b7", "Scale api")], 21));
    parts.runs.push(fabrikate(57, "b7", 21));
    parts.built = vec![(sha("b9"), 57), (sha("b7"), 57)];
    assert_eq!(
        joined(&parts).iter().filter(|row| row.kind == Kind::ManualEdit).count(),
        2,
        "two pushes are two changes"
    );
}

#[test]
fn several_commits_of_the_manifests_in_one_push_are_one() {
    let mut parts = whole();
    let message = "Merged PR 5: Updating web image tag to main-2025.1.";
    parts.manifest_commits =
        ["c3", "c1", "c2"].map(|id| Commit { push: 800, is_tip: id == "c1", ..manifest(id, message, 12) }).to_vec();
    let row = one(&parts);
    assert_eq!(row.manifest_commit, Some(sha("c1")));
    assert_eq!(link(&row, Step::ManifestCommit), Some((Rule::ManifestMessage, Certain)));
    parts.manifest_commits[0].push = 799;
    let told = one(&parts).link(Step::ManifestCommit).map(|link| link.certainty);
    assert_eq!(told, Some(Likely), "two pushes say the same");
}

fn told(cluster: &str, commit: &str, minute: i64) -> Sync {
    let state = "ReconciliationSucceeded".to_owned();
    Sync { cluster: cluster.to_owned(), commit: sha(commit), succeeded: true, state, message: None, at: at(minute) }
}

#[test]
fn a_cluster_with_several_names_is_one() {
    let mut parts = whole();
    parts.syncs =
        vec![told("EAST", "c1", 60), told("east", "c1", 50), told("SYNC", "c1", 70), told("apps/0c9", "c1", 40)];
    let names = |chain: &Chain| -> Vec<String> {
        rows(chain, &parts).remove(0).clusters.into_iter().map(|one| one.name).collect()
    };
    assert_eq!(names(&chain()), ["apps/0c9", "east", "SYNC"]);
    let patterns = ["sync", "apps/*"].map(crate::domain::Pattern::new).to_vec();
    let west = NamedCluster { name: "west".to_owned(), names: patterns };
    assert_eq!(names(&Chain { clusters: vec![west], ..chain() }), ["east", "west"]);
}

/// Whatever becomes known, and in whatever order: who knows a row's id finds it.
#[test]
fn no_id_is_ever_lost() {
    let named = |name: &str, pipeline: &str| Service {
        name: name.to_owned(),
        pipelines: vec![crate::domain::Pattern::new(pipeline)],
        images: Vec::new(),
    };
    let chain = Chain { services: vec![named("web", "web")], ..chain() };
    let whole = {
        let mut parts = whole();
        let title = "Updating web image tag to main-2025.1.";
        parts.pull_requests.push(pull_request(9, title, "refs/heads/rollback", 40, Some("b9")));
        parts.pull_requests.push(deploy((10, 3), ("web", "main-2025.3"), 50, None));
        parts.pull_requests.push(deploy((11, 4), ("web", "main-2025.4"), 52, None));
        parts.hld_commits.push(hld("b9", &format!("Merged PR 9: {title}"), 42));
        parts.runs.extend([run(2, WEB, "2025.2", 0), run(3, WEB, "2025.3", 44), run(5, WEB, "2025.5", 44)]);
        parts.releases = vec![ReleaseStage { runs: vec![2], ..stage(31, "dev", 6) }];
        parts.environments = vec![arrival(&run(5, WEB, "2025.5", 44))];
        parts
    };
    // Each of them comes late once.
    let late: [fn(&mut Parts); 9] = [
        |parts| parts.runs.retain(|run| run.id != 1),
        |parts| parts.runs.retain(|run| run.id != 2),
        |parts| parts.runs.retain(|run| run.id != 3),
        |parts| parts.pull_requests.retain(|one| one.id != 5),
        |parts| parts.pull_requests.retain(|one| one.id != 9),
        |parts| parts.pull_requests.retain(|one| one.id < 10),
        |parts| parts.hld_commits.clear(),
        |parts| parts.releases.clear(),
        |parts| parts.environments.clear(),
    ];
    let all = rows(&chain, &whole);
    let ids: std::collections::BTreeSet<_> = all.iter().map(|row| &row.id).collect();
    assert_eq!(ids.len(), all.len(), "{all:#?}");
    for (at, one) in late.iter().enumerate() {
        for (also, other) in late.iter().enumerate() {
            let mut parts = whole.clone();
            one(&mut parts);
            other(&mut parts);
            let before = rows(&chain, &parts);
            let ids: std::collections::BTreeSet<_> = before.iter().map(|row| &row.id).collect();
            assert_eq!(ids.len(), before.len(), "{at} {also}: {before:#?}");
            for row in before {
                assert!(all.iter().any(|known| known.is_called(&row.id)), "{at} {also}: lost {row:#?}");
            }
        }
    }
}

#[test]
fn it_is_said_how_it_is_known_that_a_cluster_has_it() {
    let how = |parts: &Parts| one(parts).clusters.into_iter().map(|one| (one.rule, one.certainty)).collect::<Vec<_>>();
    let mut parts = whole();
    parts.syncs = vec![told("west", "c1", 60)];
    assert_eq!(how(&parts), [(Rule::ClusterTold, Certain)]);
    parts.manifest_commits.push(manifest("c2", "Scale web to 5", 20));
    parts.syncs = vec![told("west", "c2", 60)];
    assert_eq!(how(&parts), [(Rule::LaterCommit, Certain)]);
    parts.manifest_commits[1].refs.clear();
    assert_eq!(how(&parts), [(Rule::LaterCommit, Likely)], "nobody says the branch");
    parts.manifest_commits[1] = manifest("c2", "Scale web to 5", 12);
    assert_eq!(how(&parts), [(Rule::LaterCommit, Likely)], "both were made at one time");
    parts.syncs = vec![told("west", "c1", 60)];
    parts.manifest_commits[0].author = text("Femi Castell");
    assert_eq!(how(&parts), [(Rule::ClusterTold, Likely)], "whether the commit is the change's is not certain");
}

/// Each number may be that of a run of every pipeline: whoever gathers them asks for those alone that are needed.
#[test]
fn tags_of_runs_that_are_known_are_not_asked_for() {
    let mut parts = whole();
    parts.releases = vec![ReleaseStage { runs: vec![1], tags: vec!["main-2025.1".to_owned()], ..stage(31, "dev", 6) }];
    let open =
        |parts: &Parts| open_tags(&chain(), parts, &parts.runs).into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(open(&parts), [] as [&str; 0]);
    parts.releases[0].runs = vec![2];
    assert_eq!(open(&parts), ["main-2025.1"]);
    parts.releases.clear();
    parts.pull_requests[0].opened.as_mut().unwrap().number = text("2025.2");
    assert_eq!(open(&parts), ["main-2025.1"], "the description is not to be believed");
}
