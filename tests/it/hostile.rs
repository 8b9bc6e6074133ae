//! Names, titles and errors that are markup, in what no event of the examples brings: what timelines, pull requests, boards
//! and people told of, and what a question is answered with.

use pipetrail::ado::{Beside, CLUSTER_SYNC, cluster_statuses};
use pipetrail::domain::changes::ChangesFact;
use pipetrail::domain::{Commit, Fact, Label, RunKey};
use pipetrail::history::bedrock;
use pipetrail::http::access::Caller;
use serde_json::{Value, json};

use crate::dashboard::{Dashboard, HOSTILE, assert_only_text};
use crate::scene;
use crate::support::time;

/// As pages show it.
const SHOWN: &str = "&#60;img src=x onerror=alert(1)&#62;&#34;&#39;&#38;\\u{202e}";

fn spoil(text: &mut String) {
    text.push_str(HOSTILE);
}

/// All but what is no text: ids.
fn spoil_labels(labels: &mut [(Label, String)]) {
    let is_text = |label: &Label| !matches!(label, Label::ProjectId | Label::DefinitionId | Label::Commit);
    labels.iter_mut().filter(|(label, _)| is_text(label)).for_each(|(_, text)| spoil(text));
}

fn spoiled(mut fact: Fact) -> Fact {
    match &mut fact {
        Fact::Run(run) => {
            spoil_labels(&mut run.labels);
            run.stages.iter_mut().for_each(|stage| spoil(&mut stage.name));
            run.jobs.iter_mut().for_each(|job| [&mut job.stage, &mut job.name].into_iter().for_each(spoil));
            for approval in &mut run.approvals {
                approval.says.stage.iter_mut().chain(&mut approval.says.approvers).for_each(spoil);
            }
            if let Some(failure) = &mut run.failure {
                let texts = [&mut failure.stage, &mut failure.job, &mut failure.task, &mut failure.message];
                texts.into_iter().flatten().for_each(spoil);
                failure.log = Some("javascript:alert(1)//https://dev.azure.com/".to_owned());
            }
        }
        Fact::Deployment(deployed) => {
            spoil_labels(&mut deployed.labels);
            [&mut deployed.job.stage, &mut deployed.job.name].into_iter().for_each(spoil);
        }
        Fact::PullRequest(request) => spoil_labels(&mut request.labels),
        Fact::Push(push) => {
            spoil_labels(&mut push.labels);
            push.refs.iter_mut().for_each(|moved| spoil(&mut moved.name));
            let texts = push.commits.iter_mut().flat_map(|(_, commit)| [&mut commit.author, &mut commit.message]);
            texts.flatten().for_each(spoil);
        }
        Fact::WorkItem(item) => {
            spoil_labels(&mut item.labels);
            item.state.iter_mut().for_each(spoil);
        }
        Fact::Incident(incident) => spoil_labels(&mut incident.labels),
        Fact::Gap(gap) => gap.project_name.iter_mut().for_each(spoil),
        Fact::Report(report) => spoil_labels(&mut report.says.labels),
        Fact::Changes(changes) => {
            spoil_labels(&mut changes.labels);
            let texts = changes.commits.iter_mut().flat_map(|(_, commit)| [&mut commit.author, &mut commit.message]);
            texts.flatten().for_each(spoil);
        }
        other @ (Fact::Cluster(_) | Fact::Release(_)) => panic!("the scene has none: {other:?}"),
    }
    fact
}

async fn spoiled_scene() -> Dashboard {
    let dashboard = Dashboard::over(Vec::new(), Caller::on_loopback()).await;
    dashboard.import(scene::facts().into_iter().chain([read()]).map(spoiled).collect()).await;
    dashboard
}

/// The commits of a run as the service answered: no push told of them.
fn read() -> Fact {
    let key = RunKey { organization: "fabrikam".to_owned(), pipeline: 32, run: 1011 };
    let (said, message) = (time("2026-03-04T11:00:00Z"), "Pay by invoice");
    let commits = vec![(scene::commit('a'), Commit::new(Some(said), Some("Bram Osei"), Some(message)))];
    Fact::Changes(ChangesFact { key, said, since: None, labels: Vec::new(), commits })
}

#[tokio::test]
async fn what_people_and_other_services_told_stays_text() {
    let dashboard = spoiled_scene().await;
    let pages = dashboard.crawl(300).await;
    assert!(pages.len() > 60, "{}", pages.len());
    pages.iter().for_each(|(path, page)| assert_only_text(path, page));
    let commit = scene::commit('2');
    let (of_commit, of_read) = (format!("/commits/{commit}"), format!("/commits/{}", scene::commit('a')));
    let table = [
        ("/", "connection to db-8 refused"),
        ("/", "connection to db-9 refused"),
        ("/", "Ada Quill"),
        ("/", "deploy-production"),
        ("/", "staging"),
        ("/runs/1007", "connection to db-8 refused"),
        ("/runs/1007", "Run the tests"),
        ("/runs/1011", "Chiara Lund"),
        ("/deployments", "checkout-deploy"),
        ("/deployments", "production"),
        ("/approvals", "Chiara Lund"),
        ("/approvals", "deploy-production"),
        ("/approvals?pipeline=checkout", "checkout-deploy"),
        ("/environments", "staging"),
        ("/environments/compare", "staging"),
        ("/dora", "Checkout is slow"),
        ("/dora", "billing"),
        (&of_commit, "Pay by card (AB#7001)"),
        (&of_read, "Pay by invoice"),
        (&of_read, "Bram Osei"),
        ("/runs/1011", "Pay by invoice"),
        ("/environments/compare?from=STAGING&to=PRODUCTION", "Pay by invoice"),
        ("/pull-requests/501", "Pay by card"),
        ("/work-items/7001", "People want to pay by card"),
        ("/work-items/7001", "Active"),
    ];
    for (path, text) in table {
        let path =
            path.replace("STAGING", &spoiled_address("staging")).replace("PRODUCTION", &spoiled_address("production"));
        let page = dashboard.page(&path).await;
        assert_only_text(&path, &page);
        assert!(page.contains(&format!("{text}{SHOWN}")), "{text} on {path}: {page}");
    }
}

fn spoiled_address(name: &str) -> String {
    percent_encoding::utf8_percent_encode(&format!("{name}{HOSTILE}"), percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// By `POST /hooks/flux`, and by the statuses of commits that are read where no cluster posts.
#[tokio::test]
async fn what_clusters_call_themselves_stays_text() {
    let noon = time("2026-03-04T12:00:00Z");
    let (events, truth) = bedrock("fabrikam", noon);
    let mut bodies: Vec<_> = events.into_iter().map(|event| event.body).collect();
    for body in &mut bodies {
        let mut event: Value = serde_json::from_slice(body).unwrap();
        if event["eventType"] == CLUSTER_SYNC {
            let summary = &mut event["resource"]["metadata"]["summary"];
            *summary = format!("{}{HOSTILE}", summary.as_str().unwrap()).into();
            *body = event.to_string().into_bytes();
        }
    }
    let dashboard = Dashboard::over(bodies, Caller::on_loopback()).await;
    let status = json!({"value": [{
        "state": "succeeded", "description": HOSTILE, "creationDate": noon.to_string(),
        "context": {"name": format!("kustomization/{HOSTILE}/1"), "genre": format!("fluxcd:north{HOSTILE}")},
    }]});
    let beside = Beside { organization: "fabrikam".to_owned(), ..Beside::default() };
    let made = truth.iter().find_map(|one| one.manifest_commit.clone()).unwrap();
    let polled = cluster_statuses(&beside, &made, status.to_string().as_bytes()).unwrap();
    dashboard.import(polled.into_iter().map(Fact::Cluster).collect()).await;
    for path in ["/deployments", "/deployments?keyword=north"] {
        let page = dashboard.page(path).await;
        assert_only_text(path, &page);
        assert!(page.contains(&format!(">north{SHOWN}</a>")), "{path}: {page}");
        assert_eq!(page.contains(&format!(">east{SHOWN}</a>")), path == "/deployments", "{path}: {page}");
    }
}

/// As a token, a proxy or a provider calls them.
#[tokio::test]
async fn the_name_of_who_signed_in_stays_text() {
    let caller = Caller { name: Some(format!("Ada Quill{HOSTILE}")), ..Caller::on_loopback() };
    let dashboard = Dashboard::over(Vec::new(), caller).await;
    for path in ["/", "/runs", "/runs/7", "/ask", "/?scope=mine"] {
        let page = dashboard.page(path).await;
        assert_only_text(path, &page);
        assert!(page.contains(&format!("<span class=\"who\">Ada Quill{SHOWN}</span>")), "{path}: {page}");
    }
}

#[tokio::test]
async fn questions_and_their_answers_stay_text() {
    let dashboard = spoiled_scene().await;
    let table = [
        ("which pipelines failed most last 30 days", "checkout-ci"),
        ("what is running now", "search-deploy"),
        ("how many runs per project last 30 days", "Shop"),
        ("what waits for approval", "Ada Quill"),
        ("why did run 1007 fail", "connection to db-8 refused"),
    ];
    for (question, text) in table {
        let page = dashboard.ask(question, "").await;
        assert_only_text(question, &page);
        assert!(page.contains(&format!("{text}{SHOWN}")), "{question}: {page}");
    }
    let said = json!([{"role": "user", "content": HOSTILE}, {"role": "assistant", "content": HOSTILE}]);
    for before in [String::new(), said.to_string()] {
        let page = dashboard.ask(HOSTILE, &before).await;
        assert_only_text("a question", &page);
        assert!(page.contains(&format!("value=\"{SHOWN}\"")), "{page}");
        assert_eq!(page.contains(&format!("<li>{SHOWN}")), !before.is_empty(), "{page}");
    }
}
