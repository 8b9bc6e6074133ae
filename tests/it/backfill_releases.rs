//! Backfill of releases and of what environments got: a watermark each, and nothing that was open is forgotten.

use std::collections::BTreeSet;
use std::sync::Arc;

use pipetrail::backfill::{Kind, Order, Tally, Timelines};
use pipetrail::catalog::{ApprovalFilter, DeploymentFilter, EnvironmentFilter};
use pipetrail::domain::run::{RunFact, StageSaid, Statement};
use pipetrail::domain::{Fact, FactKind, Key, Label, Outcome, Record, RunKey, State};
use pipetrail::ingest::Importer;
use pipetrail::store::Store;
use serde_json::{Value, json};

use crate::backfill;
use crate::fake_ado::{Environment, FakeAdo};
use crate::support::{Local, assert_told, folder, stored, time};

fn order(kind: Kind, since: &str) -> Order {
    Order {
        organization: "Fabrikam".to_owned(),
        canonical: "fabrikam".to_owned(),
        project: "shop".to_owned(),
        pipelines: Vec::new(),
        since: time(since),
        kind,
        asked: time("2026-03-10T00:00:00Z"),
        until: None,
        timelines: Timelines::None,
        again: false,
    }
}

async fn releases(ado: &FakeAdo, store: &Arc<dyn Store>, since: &str) -> Tally {
    backfill::run(ado, store, &order(Kind::Releases, since)).await.unwrap()
}

async fn environments(ado: &FakeAdo, store: &Arc<dyn Store>, since: &str) -> Tally {
    backfill::run(ado, store, &order(Kind::Environments, since)).await.unwrap()
}

/// A service with one project, its name and its id.
async fn service() -> (FakeAdo, String) {
    let ado = FakeAdo::start().await;
    let project = crate::fake_ado::Project::named("shop");
    let id = project.id.clone();
    ado.state().projects = vec![project];
    (ado, id)
}

fn deployment(release: u64, minute: u32, status: &str) -> Value {
    let at = format!("2026-03-02T10:{minute:02}:00Z");
    json!({
        "release": {"id": release, "name": format!("Release-{release}"), "artifacts": [{
            "type": "Build", "alias": "app",
            "definitionReference": {"version": {"id": (400 + release).to_string(), "name": "20260302.1"}},
        }]},
        "releaseDefinition": {"id": 5, "name": "shop CD"},
        "releaseEnvironment": {"id": 60 + release, "name": "Prod"},
        "attempt": 1, "deploymentStatus": status, "operationStatus": "Approved",
        "queuedOn": at, "startedOn": at, "lastModifiedOn": at,
        "completedOn": if status == "inProgress" { "0001-01-01T00:00:00" } else { at.as_str() },
        "preDeployApprovals": [{"id": 700 + release, "approvalType": "preDeploy", "status": "approved", "attempt": 1,
            "createdOn": at, "modifiedOn": at, "approver": {"displayName": "Jon Abebe"}}],
    })
}

fn record(run: u64, minute: u32, result: Option<&str>) -> Value {
    let at = |minute: u32| format!("2026-03-02T10:{minute:02}:00Z");
    json!({
        "definition": {"id": 12, "name": "shop"}, "owner": {"id": run, "name": format!("20260302.{run}")},
        "stageName": "Deploy", "stageAttempt": 1, "jobName": "web", "jobAttempt": 1,
        "queueTime": at(minute), "startTime": at(minute), "finishTime": result.map(|_| at(minute + 1)), "result": result,
    })
}

fn since(minute: u32) -> String {
    format!("2026-03-02T{}:{:02}:00Z", 10 + minute / 60, minute % 60)
}

#[tokio::test]
async fn releases_come_page_by_page_and_go_on_from_the_watermark() {
    let (folder, path) = folder();
    let local = Local::open(&path).await;
    let (ado, id) = service().await;
    {
        let mut state = ado.state();
        state.page = 2;
        let made = json!({"id": 3, "name": "Release-3", "status": "abandoned", "createdOn": "2026-03-02T10:00:30Z",
            "releaseDefinition": {"id": 5, "name": "shop CD"}});
        state.releases = vec![(id.clone(), made)];
        state.release_deployments = (1..=5).map(|release| (id.clone(), deployment(release, 10, "succeeded"))).collect();
        state
            .release_deployments
            .push((id.clone(), json!({"release": {"id": "nonsense"}, "lastModifiedOn": "2026-03-02T10:10:00Z"})));
    }
    let tally = releases(&ado, &local.store, "2026-03-02T00:00:00Z").await;
    assert_eq!((tally.releases, tally.unreadable, tally.imported.applied), (6, 1, 6), "{tally:?}");
    let records = stored(local.store.as_ref()).await;
    assert_eq!(records.len(), 5);
    assert_told(local.store.as_ref(), &records).await;
    let queries =
        ado.state().queries.iter().filter_map(|query| query.get("minModifiedTime").cloned()).collect::<Vec<_>>();
    assert_eq!(queries, ["2026-03-02T00:00:00Z"; 3]);
    // It goes on an hour before the last that it saw: nothing of it is news.
    let again = releases(&ado, &local.store, "2026-03-02T00:00:00Z").await;
    let asked = ado.state().queries.iter().filter_map(|query| query.get("minModifiedTime").cloned()).next_back();
    assert_eq!(asked.as_deref(), Some("2026-03-02T09:10:00Z"));
    assert_eq!((again.imported.applied, again.imported.unchanged > 0), (0, true), "{again:?}");
    drop(folder);
}

#[tokio::test]
async fn a_deployment_that_was_open_is_told_of_again_when_it_is_over() {
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let (ado, id) = service().await;
    let put = |records: Vec<Value>| {
        let environment = Environment { project: id.clone(), id: 7, name: "production".to_owned(), records };
        let mut state = ado.state();
        state.page = 2;
        state.environments = vec![environment];
    };
    // Run 900 is still at it, and many that are over stand above it. All others are hours older than the last.
    let over = |run: u64| record(run, 5, Some("succeeded"));
    let mut last = record(990, 50, Some("failed"));
    last["finishTime"] = json!("2026-03-02T18:00:00Z");
    put([vec![last.clone()], (901..=905).rev().map(over).collect(), vec![record(900, 2, None), over(899)]].concat());
    let tally = environments(&ado, &local.store, &since(0)).await;
    assert_eq!((tally.deployments, tally.imported.applied), (8, 8), "{tally:?}");
    let state = |records: &std::collections::BTreeMap<Key, Record>| {
        let deployments = records.values().filter_map(|record| {
            let Record::Deployment(record) = record else { return None };
            (record.key().run == 900).then(|| record.shown())
        });
        deployments.flat_map(|shown| shown.stages).next().map(|stage| stage.result.map(|result| result.to_string()))
    };
    assert_eq!(state(&stored(local.store.as_ref()).await), Some(None));
    put([vec![last], (901..=905).rev().map(over).collect(), vec![record(900, 2, Some("failed")), over(899)]].concat());
    environments(&ado, &local.store, &since(0)).await;
    assert_eq!(state(&stored(local.store.as_ref()).await), Some(Some("failed".to_owned())));
    // Now nothing is open: the next one ends at the first page of which nothing is wanted.
    ado.state().requests.clear();
    environments(&ado, &local.store, &since(0)).await;
    let asked = ado.state().count("environmentdeploymentrecords");
    assert_eq!(asked, 2, "of the five pages");
}

/// Nothing ends it: a check that nobody answers, or a service that forgot it.
#[tokio::test]
async fn a_deployment_that_never_ends_does_not_hold_the_watermark() {
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let (ado, id) = service().await;
    let mut last = record(990, 50, Some("succeeded"));
    last["finishTime"] = json!("2026-04-06T18:00:00Z");
    let over = (901..=905).rev().map(|run| record(run, 5, Some("succeeded"))).collect();
    let records = [vec![last], over, vec![record(900, 2, None), record(899, 1, None)]].concat();
    {
        let mut state = ado.state();
        state.page = 2;
        state.environments = vec![Environment { project: id, id: 7, name: "production".to_owned(), records }];
    }
    for (asked, pages) in [("2026-04-06T10:00:00Z", 4), ("2026-04-06T10:03:00Z", 4), ("2026-04-06T10:03:00Z", 2)] {
        ado.state().requests.clear();
        let order = Order { asked: time(asked), ..order(Kind::Environments, &since(0)) };
        backfill::run(&ado, &local.store, &order).await.unwrap();
        assert_eq!(ado.state().count("environmentdeploymentrecords"), pages, "at {asked}");
    }
}

#[tokio::test]
async fn what_is_where_since_when_and_from_which_run() {
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let (ado, id) = service().await;
    {
        let mut state = ado.state();
        let records = vec![
            record(902, 30, Some("failed")),
            record(901, 20, Some("succeeded")),
            record(900, 10, Some("succeeded")),
        ];
        state.environments = vec![Environment { project: id.clone(), id: 7, name: "production".to_owned(), records }];
        state.release_deployments =
            vec![(id.clone(), deployment(1, 10, "succeeded")), (id.clone(), deployment(2, 40, "inProgress"))];
    }
    environments(&ado, &local.store, &since(0)).await;
    releases(&ado, &local.store, &since(0)).await;
    let filter = DeploymentFilter { environment: Some("PRODUCTION".to_owned()), ..DeploymentFilter::default() };
    let deployments = local.catalog.deployments(&filter).await.unwrap();
    let told: Vec<_> = deployments.iter().map(|it| (it.run_id.unwrap(), it.result.as_deref(), it.current)).collect();
    assert_eq!(
        told,
        [(902, Some("failed"), false), (901, Some("succeeded"), true), (900, Some("succeeded"), false)],
        "the failed one is the last, and not what is there"
    );
    let current = DeploymentFilter { current: true, ..filter };
    let current = local.catalog.deployments(&current).await.unwrap();
    assert_eq!(current.len(), 1);
    let found = local.catalog.environments(&EnvironmentFilter::default()).await.unwrap();
    let told: Vec<_> = found
        .iter()
        .map(|it| {
            let last = it.last.as_ref().unwrap();
            let run = it.current.first().and_then(|current| current.run_id);
            (it.name.as_str(), it.source.as_str(), it.deployments, it.live, last.run_id, run)
        })
        .collect();
    assert_eq!(
        told,
        [("Prod", "release", 2, 1, Some(402), Some(401)), ("production", "pipeline", 3, 0, Some(902), Some(901))]
    );
    let approvals = local.catalog.approvals(&ApprovalFilter::default()).await.unwrap();
    let told: Vec<_> = approvals.iter().map(|it| (it.release_id, it.approvers.join(","), it.status.clone())).collect();
    let jon = || "Jon Abebe".to_owned();
    assert_eq!(told, [(Some(2), jon(), "approved".to_owned()), (Some(1), jon(), "approved".to_owned())]);
}

/// Pipelines whose jobs are of another kind than `deployment:` make no records.
#[tokio::test]
async fn a_stage_that_is_called_as_an_environment_is_a_likely_deployment() {
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let (ado, id) = service().await;
    let environment =
        |number, name: &str, records| Environment { project: id.clone(), id: number, name: name.to_owned(), records };
    let good = || Some(Outcome::Succeeded);
    let stages = [
        (901, "Production_EU", good(), Some("production-eu")),
        (902, "deploy_production_eu", good(), Some("production-eu")),
        (903, "Production", good(), None),
        (904, "undeploy_production_eu", good(), None),
        (905, "Production_EU", Some(Outcome::Skipped), None),
    ];
    let of_project = |fact: Fact, project: &str| {
        let Fact::Run(mut fact) = fact else { panic!("another kind") };
        fact.labels.push((Label::ProjectId, project.to_owned()));
        Fact::Run(fact)
    };
    let at = |run_id, pipeline, stage: &str, result| run((pipeline, run_id), stage, State::Completed, result, true);
    let mut facts: Vec<Fact> =
        stages.iter().map(|(run, stage, result, _)| of_project(at(*run, 13, stage, result.clone()), &id)).collect();
    facts.push(of_project(at(906, 12, "Production_EU", good()), &id));
    facts.push(of_project(at(907, 13, "Production_EU", good()), "another"));
    Importer::new(local.store.clone()).import(facts).await.unwrap();
    ado.state().environments =
        vec![environment(7, "production-eu", vec![record(900, 10, Some("succeeded"))]), environment(8, "test", vec![])];
    environments(&ado, &local.store, &since(0)).await;
    let found = local.catalog.deployments(&DeploymentFilter::default()).await.unwrap();
    let told: Vec<_> = found.iter().map(|it| (it.run_id.unwrap(), it.environment.as_str(), it.rule.as_str())).collect();
    let mut expected = vec![(900, "production-eu", "deploymentRecord")];
    expected.extend(stages.iter().filter_map(|(run, _, _, named)| Some((*run, (*named)?, "stageName"))));
    let sorted = |told: Vec<(u64, &str, &str)>| told.into_iter().map(|it| format!("{it:?}")).collect::<BTreeSet<_>>();
    assert_eq!(sorted(told), sorted(expected), "pipeline 12 makes records, and 907 is of another project");
    for (run, name, _, named) in stages {
        let links = local.catalog.run(run, None, &[]).await.unwrap().remove(0).links;
        let told: Vec<_> = links.iter().map(|link| (link.kind, link.id.as_str(), link.rule, link.certainty)).collect();
        let expected = named.map(|named| format!("{id}/{named}"));
        let expected = expected.iter().map(|named| ("environment", named.as_str(), "stageName", "likely"));
        assert_eq!(told, expected.collect::<Vec<_>>(), "{name}");
    }
}

/// A run of a pipeline with one stage, which has started or not.
fn run((pipeline, run): (u64, u64), stage: &str, state: State, result: Option<Outcome>, started: bool) -> Fact {
    let at = time("2026-03-02T10:00:00Z");
    let key = RunKey { organization: "fabrikam".to_owned(), pipeline, run };
    let mut fact = RunFact::new(key, FactKind::StageStateChanged, at);
    let says = Statement { result, started: started.then_some(at), ..Statement::at(at) };
    fact.stages.push(StageSaid { name: stage.to_owned(), attempt: Some(1), state, says });
    Fact::Run(fact)
}

#[tokio::test]
async fn a_stage_is_a_likely_deployment_where_such_stages_made_records() {
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let (ado, id) = service().await;
    let environment = |records| Environment { project: id.clone(), id: 7, name: "production".to_owned(), records };
    ado.state().environments = vec![environment(vec![record(900, 10, Some("succeeded"))])];
    let good = Some(Outcome::Succeeded);
    let facts = vec![
        run((12, 900), "Deploy", State::Completed, good.clone(), true),
        run((12, 901), "Deploy", State::Running, None, true),
        run((12, 902), "Deploy", State::Waiting, None, false),
        run((12, 903), "Deploy", State::Completed, Some(Outcome::Skipped), true),
        run((12, 904), "Build", State::Completed, good.clone(), true),
        run((13, 905), "Deploy", State::Completed, good, true),
    ];
    let told = |deployments: Vec<pipetrail::catalog::Deployment>| {
        let told = deployments.into_iter().map(|it| (it.run_id.unwrap(), it.rule, it.certainty));
        told.collect::<BTreeSet<_>>()
    };
    let row = |run: u64, rule: &str, certainty: &str| (run, rule.to_owned(), certainty.to_owned());
    Importer::new(local.store.clone()).import(facts).await.unwrap();
    let all = DeploymentFilter::default();
    assert!(local.catalog.deployments(&all).await.unwrap().is_empty(), "nothing tells that any of them deploys");
    environments(&ado, &local.store, &since(0)).await;
    let found = told(local.catalog.deployments(&all).await.unwrap());
    let certain = row(900, "deploymentRecord", "certain");
    assert_eq!(found, [certain.clone(), row(901, "stageOfRecords", "likely")].into());
    // Its record comes late, and makes it certain.
    let records = vec![record(901, 0, Some("failed")), record(900, 10, Some("succeeded"))];
    ado.state().environments = vec![environment(records)];
    environments(&ado, &local.store, &since(0)).await;
    let found = told(local.catalog.deployments(&all).await.unwrap());
    assert_eq!(found, [certain, row(901, "deploymentRecord", "certain")].into());
}
