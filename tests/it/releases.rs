//! Releases and deployments: what answers of the REST API say of them, and what it all amounts to.

use std::collections::BTreeMap;
use std::fs;

use pipetrail::ado::{Beside, Decoded, deployment_list, deployment_records, release_list};
use pipetrail::domain::{Fact, Join, Key, Record};

use crate::examples::{bodies, decode, folder, told_deployment, told_release};

/// The answers that are looked at here.
pub(crate) const ANSWERS: [&str; 3] =
    ["environment_deployment_records.json", "release_deployments.json", "releases.json"];

pub(crate) fn beside() -> Beside {
    Beside {
        organization: "Fabrikam".to_owned(),
        project_id: Some("efd47cfd-d35f-40ba-b424-e1ab432fdc68".to_owned()),
        project_name: Some("bedrock_gitops".to_owned()),
        ..Beside::default()
    }
}

fn answer(name: &str) -> Vec<u8> {
    assert!(ANSWERS.contains(&name));
    fs::read(folder().join("rest").join(name)).unwrap()
}

fn deployments() -> Vec<Fact> {
    deployment_list(&beside(), &answer("release_deployments.json")).unwrap().into_iter().map(Result::unwrap).collect()
}

fn releases() -> Vec<Fact> {
    release_list(&beside(), &answer("releases.json")).unwrap().into_iter().map(Result::unwrap).collect()
}

fn records() -> Vec<Fact> {
    let list = deployment_records(&beside(), (7, "production"), &answer("environment_deployment_records.json"));
    list.unwrap().into_iter().map(Result::unwrap).collect()
}

/// All that the answers among the examples say.
pub(crate) fn answered() -> Vec<Fact> {
    [deployments(), releases(), records()].concat()
}

fn told(facts: &[Fact]) -> String {
    let tell = |fact: &Fact| {
        let of_release = if let Fact::Release(fact) = fact { Some(told_release(fact)) } else { None };
        let of_deployment = if let Fact::Deployment(fact) = fact { Some(told_deployment(fact)) } else { None };
        of_release.or(of_deployment).expect("another kind")
    };
    facts.iter().map(tell).collect()
}

pub(crate) fn events() -> Vec<Fact> {
    let facts = |(_, body): (String, Vec<u8>)| match decode(&body) {
        Decoded::Facts(facts) => facts,
        Decoded::Ignored { .. } | Decoded::Named(_) => Vec::new(),
    };
    bodies().into_iter().flat_map(facts).collect()
}

pub(crate) fn folded<'a>(facts: impl Iterator<Item = &'a Fact>) -> BTreeMap<Key, Record> {
    let mut records: BTreeMap<Key, Record> = BTreeMap::new();
    for record in facts.map(Record::of) {
        match records.get_mut(&record.key()) {
            Some(known) => known.absorb(record),
            None => drop(records.insert(record.key(), record)),
        }
    }
    records
}

#[test]
#[expect(clippy::too_many_lines, reason = "it holds the snapshot")]
fn answers_say_what_is_written_here() {
    insta::assert_snapshot!(told(&answered()), @r#"
    deployment fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/31 said 2025-06-12T09:12:30.9Z
      projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
      projectName = bedrock_gitops
      runName = Release-31
      definitionId = 5
      pipelineName = checkout-service CD
      url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_release?releaseId=31&_a=release-summary
      environment Dev#1: completed succeeded, queued 2025-06-12T09:10:02.1Z, started 2025-06-12T09:10:04.2Z, finished 2025-06-12T09:12:29.75Z
      artifact _checkout-service: type = Build, definitionId = 12, definitionName = checkout-service, projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68, projectName = bedrock_gitops, versionId = 1203, versionName = 20250612.4, branch = refs/heads/release/2.4, isPrimary = true
    deployment fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/31 said 2025-06-12T09:44:51Z
      projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
      projectName = bedrock_gitops
      runName = Release-31
      definitionId = 5
      pipelineName = checkout-service CD
      url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_release?releaseId=31&_a=release-summary
      environment Prod#1: completed failed, queued 2025-06-12T09:12:31.4Z, started 2025-06-12T09:41:08.5Z, finished 2025-06-12T09:44:50.5Z
      approval 77: approved ["Jon Abebe"]
        preDeploy Prod#1, requested 2025-06-12T09:12:31.5Z, changed 2025-06-12T09:41:07.25Z
      artifact _checkout-service: type = Build, definitionId = 12, definitionName = checkout-service, projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68, projectName = bedrock_gitops, versionId = 1203, versionName = 20250612.4, branch = refs/heads/release/2.4, isPrimary = true
    deployment fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/31 said 2025-06-12T09:52:00Z
      projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
      projectName = bedrock_gitops
      runName = Release-31
      definitionId = 5
      pipelineName = checkout-service CD
      url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_release?releaseId=31&_a=release-summary
      environment Prod#2: completed canceled, queued 2025-06-12T09:50:00Z, finished 2025-06-12T09:52:00Z
      artifact _checkout-service: type = Build, definitionId = 12, definitionName = checkout-service, projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68, projectName = bedrock_gitops, versionId = 1203, versionName = 20250612.4, branch = refs/heads/release/2.4, isPrimary = true
    release fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/31 said 2025-06-12T10:00:00Z
      projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
      projectName = bedrock_gitops
      runName = Release-31
      definitionId = 5
      pipelineName = checkout-service CD
      reason = continuousIntegration
      requestedFor = Jon Abebe
      status: abandoned, created 2025-06-12T09:10:00.26Z
      artifact _checkout-service: type = Build, definitionId = 12, definitionName = checkout-service, projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68, projectName = bedrock_gitops, versionId = 1203, versionName = 20250612.4, branch = refs/heads/release/2.4, isPrimary = true
    deployment fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/7/1205 said 2025-06-13T08:00:09.5Z
      projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
      projectName = bedrock_gitops
      environment = production
      definitionId = 12
      pipelineName = checkout-service
      runName = 20250613.1
      job Deploy#1 web#1: running, queued 2025-06-13T08:00:00Z, started 2025-06-13T08:00:09.5Z
    deployment fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/7/1203 said 2025-06-12T09:05:40.12Z
      projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
      projectName = bedrock_gitops
      environment = production
      definitionId = 12
      pipelineName = checkout-service
      runName = 20250612.4
      job Deploy#1 web#2: completed succeeded, queued 2025-06-12T09:02:30Z, started 2025-06-12T09:02:40Z, finished 2025-06-12T09:05:40.12Z
    deployment fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/7/1203 said 2025-06-12T09:02:29Z
      projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
      projectName = bedrock_gitops
      environment = production
      definitionId = 12
      pipelineName = checkout-service
      runName = 20250612.4
      job Deploy#1 web#1: completed failed, queued 2025-06-12T08:46:00Z, started 2025-06-12T09:02:18Z, finished 2025-06-12T09:02:29Z
    deployment fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/7/1203 said 2025-06-12T09:04:10Z
      projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
      projectName = bedrock_gitops
      environment = production
      definitionId = 12
      pipelineName = checkout-service
      runName = 20250612.4
      job Deploy#1 api#1: completed partiallySucceeded, queued 2025-06-12T08:46:00Z, started 2025-06-12T09:02:18.3333333Z, finished 2025-06-12T09:04:10Z
    "#);
}

/// What the lists say exactly stands in the place of what events could only say roughly, in whatever order they come.
#[test]
fn events_and_answers_about_a_release_are_one_story() {
    let is_release = |fact: &Fact| matches!(fact, Fact::Release(_));
    let events: Vec<_> = events().into_iter().filter(is_release).collect();
    let answered = answered();
    let whole = folded(events.iter().chain(&answered));
    assert_eq!(whole, folded(answered.iter().chain(&events).rev()));
    let shown = |id: u64| {
        let is = |record: &&Record| matches!(record, Record::Release(record) if record.key().release == id);
        let Some(Record::Release(record)) = whole.values().find(is) else { panic!("no release {id}") };
        record.shown()
    };
    let release = shown(31);
    let told = |stage: &pipetrail::domain::run::ShownStage| {
        let words = (stage.state.as_ref().map(ToString::to_string), stage.result.as_ref().map(ToString::to_string));
        let time = |time: Option<pipetrail::domain::Time>| time.map(|time| time.to_string()).unwrap_or_default();
        let (started, finished) = (time(stage.started), time(stage.finished));
        format!("{}#{} {} {} {started} {finished}", stage.name, stage.attempt, words.0.unwrap(), words.1.unwrap())
    };
    let stages: Vec<_> = release.environments.iter().map(told).collect();
    assert_eq!(
        stages,
        [
            "Dev#1 completed succeeded 2025-06-12T09:10:04.2Z 2025-06-12T09:12:29.75Z",
            "Prod#1 completed failed 2025-06-12T09:41:08.5Z 2025-06-12T09:44:50.5Z",
            "Prod#2 completed canceled  2025-06-12T09:52:00Z",
        ]
    );
    let approval = &release.approvals[0];
    assert_eq!((release.approvals.len(), approval.approvers.as_slice()), (1, &["Jon Abebe".to_owned()][..]));
    assert_eq!(approval.decided.map(|time| time.to_string()).as_deref(), Some("2025-06-12T09:41:07.25Z"));
    let artifact = &release.artifacts[0];
    assert_eq!((artifact.alias.as_str(), artifact.version_id.as_deref()), ("_checkout-service", Some("1203")));
    let abandoned = shown(32).status.map(|status| status.to_string());
    assert_eq!(abandoned.as_deref(), Some("abandoned"));
}

/// A body says too little, or nonsense: what is wrong is named, and nothing panics.
#[test]
fn what_a_release_event_lacks_is_said() {
    let decoder = pipetrail::ado::Decoder::default();
    let body = |kind: &str, resource: &str| {
        format!(
            r#"{{"eventType":"ms.vss-release.{kind}","createdDate":"2025-01-01T00:00:00Z","resource":{resource},
            "resourceContainers":{{"collection":{{"baseUrl":"https://dev.azure.com/fabrikam/"}}}}}}"#
        )
    };
    let table = [
        ("release-created-event", "{}", "no_release_id", Some("resource.release.id")),
        ("release-created-event", r#"{"release":{"id":"x"}}"#, "wrong_type", Some("resource.release.id")),
        (
            "deployment-started-event",
            r#"{"environment":{"releaseId":4}}"#,
            "no_state",
            Some("resource.environment.name"),
        ),
        ("deployment-approval-pending-event", r#"{"release":{"id":4}}"#, "no_state", Some("resource.approval")),
        ("deployment-completed-event", "null", "resource_null", Some("resource")),
    ];
    for (kind, resource, code, path) in table {
        let error = decoder.decode(body(kind, resource).as_bytes()).unwrap_err();
        assert_eq!((error.code, error.path.as_deref()), (code, path), "{kind} {resource}");
    }
    let minimal = body("release-created-event", r#"{"url":"https://vsrm.dev.azure.com/o/p/_apis/Release/releases/5"}"#);
    let Decoded::Facts(facts) = decoder.decode(minimal.as_bytes()).unwrap() else { panic!("ignored") };
    assert_eq!(facts[0].key().to_string(), "release|fabrikam|p|9223372036854775802");
}
