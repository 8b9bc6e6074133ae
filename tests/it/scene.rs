//! A team's morning with all that a page may have to show: what is broken and since when, an error that two pipelines
//! share, a version that is old, one that did not get to production, somebody who is waited for, events that are lost.
//!
//! Its pages, the API's answers and the command line's about the same are compared with what they were, and with each
//! other.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use insta::assert_snapshot;
use pipetrail::ado::{Beside, timeline_facts};
use pipetrail::domain::deployment::{DeploymentFact, DeploymentJobSaid};
use pipetrail::domain::gap::GapFact;
use pipetrail::domain::incident::IncidentFact;
use pipetrail::domain::pull_request::{CommitRole, PullRequestFact, StatusSaid};
use pipetrail::domain::push::{PushFact, RefUpdate};
use pipetrail::domain::report::{ReportFact, ReportSaid};
use pipetrail::domain::run::{ApprovalSaid, ApprovalStatement, JobSaid, RunFact, StageSaid, Statement};
use pipetrail::domain::work_item::WorkItemFact;
use pipetrail::domain::{
    ApprovalStatus, Commit, DeploymentKey, Fact, FactKind, GapKey, GapReason, HookLook, IncidentKey, IncidentTurn,
    Label, Outcome, PullRequestKey, PullRequestStatus, PushKey, ReportKey, ReportKind, RunKey, SeenHook, State, Time,
    WorkItemKey,
};
use pipetrail::http::access::Caller;
use serde_json::{Value, json};

use crate::dashboard::Dashboard;
use crate::support::time;

const ORGANIZATION: &str = "fabrikam";
const DAY: u64 = 24 * 60;
/// Dead letters for two reasons.
const RUBBISH: [&[u8]; 3] = [b"not json", b"{}", b"{\"id\":1}"];

/// A pipeline is its id, its name, its project and what it builds.
type Pipeline = (u64, &'static str, &'static str, &'static str);

const CHECKOUT_CI: Pipeline = (31, "checkout-ci", "Shop", "checkout");
const CHECKOUT: Pipeline = (32, "checkout-deploy", "Shop", "checkout");
const SEARCH_CI: Pipeline = (33, "search-ci", "Shop", "search");
const SEARCH: Pipeline = (34, "search-deploy", "Shop", "search");
const NETWORK: Pipeline = (41, "network", "Platform", "network");

/// A run with its stages, each as what became of it: `None` is under way.
struct Told {
    run: u64,
    of: Pipeline,
    branch: &'static str,
    /// The digit that its commit is made of.
    commit: char,
    /// Minutes before noon.
    ago: u64,
    stages: &'static [(&'static str, Option<Outcome>)],
    /// The first error of its last stage.
    error: Option<&'static str>,
}

const GOOD: Option<Outcome> = Some(Outcome::Succeeded);
const BAD: Option<Outcome> = Some(Outcome::Failed);
const BUILD: (&str, Option<Outcome>) = ("build", GOOD);
const STAGED: (&str, Option<Outcome>) = ("deploy-staging", GOOD);

#[rustfmt::skip]
const RUNS: [Told; 12] = [
    Told { run: 1001, of: CHECKOUT, branch: "main", commit: '1', ago: 30 * DAY, stages: &[BUILD, STAGED, ("deploy-production", GOOD)], error: None },
    Told { run: 1002, of: CHECKOUT_CI, branch: "main", commit: '2', ago: 2 * DAY, stages: &[BUILD, ("test", GOOD)], error: None },
    Told { run: 1003, of: CHECKOUT, branch: "main", commit: '2', ago: 2 * DAY - 30, stages: &[BUILD, STAGED], error: None },
    Told { run: 1004, of: SEARCH, branch: "main", commit: '3', ago: DAY + 600, stages: &[BUILD, STAGED, ("deploy-production", GOOD)], error: None },
    Told { run: 1005, of: SEARCH, branch: "main", commit: '4', ago: DAY, stages: &[BUILD, STAGED, ("deploy-production", BAD)], error: Some("Deployment exceeded its progress deadline") },
    Told { run: 1006, of: CHECKOUT_CI, branch: "main", commit: '5', ago: 300, stages: &[BUILD, ("test", BAD)], error: Some("connection to db-7 refused") },
    Told { run: 1007, of: CHECKOUT_CI, branch: "main", commit: '6', ago: 200, stages: &[BUILD, ("test", BAD)], error: Some("connection to db-8 refused\nat connect (pool.js:7)") },
    Told { run: 1008, of: SEARCH_CI, branch: "faster", commit: '7', ago: 150, stages: &[BUILD, ("test", BAD)], error: Some("connection to db-9 refused") },
    Told { run: 1009, of: NETWORK, branch: "peering", commit: '8', ago: 120, stages: &[("plan", BAD)], error: Some("quota exceeded") },
    Told { run: 1010, of: NETWORK, branch: "peering", commit: '9', ago: 100, stages: &[("plan", GOOD)], error: None },
    Told { run: 1011, of: CHECKOUT, branch: "main", commit: 'a', ago: 60, stages: &[BUILD, STAGED], error: None },
    Told { run: 1012, of: SEARCH, branch: "main", commit: 'b', ago: 6, stages: &[("build", None)], error: None },
];
/// It waits for somebody before production.
const WAITING: u64 = 1011;
/// Each stage takes so many minutes.
const TAKEN: u64 = 4;

fn ago(minutes: u64) -> Time {
    time("2026-03-04T12:00:00Z").minus(Duration::from_secs(60 * minutes))
}

pub(crate) fn commit(digit: char) -> String {
    digit.to_string().repeat(40)
}

fn labels(project: &str) -> Vec<(Label, String)> {
    vec![(Label::ProjectId, format!("{}-id", project.to_lowercase())), (Label::ProjectName, project.to_owned())]
}

fn says(from: u64, result: &Option<Outcome>) -> (State, Statement) {
    let started = Some(ago(from));
    match result {
        None => (State::InProgress, Statement { started, ..Statement::at(ago(from)) }),
        Some(_) => {
            let end = ago(from.saturating_sub(TAKEN));
            (State::Completed, Statement { result: result.clone(), started, finished: Some(end), ..Statement::at(end) })
        }
    }
}

impl Told {
    fn key(&self) -> RunKey {
        RunKey { organization: ORGANIZATION.to_owned(), pipeline: self.of.0, run: self.run }
    }

    /// When each stage began, in minutes before noon.
    fn stages(&self) -> impl Iterator<Item = (u64, &'static str, &'static Option<Outcome>)> {
        let began = self.ago;
        self.stages.iter().zip(0..).map(move |((name, result), nth)| (began.saturating_sub(nth * TAKEN), *name, result))
    }

    fn ends(&self) -> u64 {
        self.ago.saturating_sub(TAKEN * self.stages.len() as u64)
    }

    fn facts(&self) -> Vec<Fact> {
        let (id, name, project, repository) = self.of;
        let mut fact = RunFact::new(self.key(), FactKind::BuildCompleted, ago(self.ends()));
        fact.labels = labels(project);
        fact.labels.extend([
            (Label::PipelineName, name.to_owned()),
            (Label::RunName, format!("{id}.{}", self.run)),
            (Label::Branch, format!("refs/heads/{}", self.branch)),
            (Label::Commit, commit(self.commit)),
            (Label::Repository, repository.to_owned()),
            (Label::RequestedFor, ["Ada Quill", "Bram Osei"][usize::from(self.run.is_multiple_of(2))].to_owned()),
            (Label::Reason, "individualCI".to_owned()),
            (Label::Folder, "\\".to_owned()),
        ]);
        let last = self.stages.last().and_then(|(_, result)| result.clone()).filter(|_| self.run != WAITING);
        let (queued, started) = (Some(ago(self.ago + 1)), Some(ago(self.ago)));
        let finished = last.as_ref().map(|_| ago(self.ends()));
        let state = if last.is_some() { State::Completed } else { State::InProgress };
        fact.run = Some((state, Statement { result: last, queued, started, finished, ..Statement::at(fact.said) }));
        for (from, name, result) in self.stages() {
            let (state, says) = says(from, result);
            fact.stages.push(StageSaid {
                name: name.to_owned(),
                attempt: Some(1),
                state: state.clone(),
                says: says.clone(),
            });
            let (stage, name) = (name.to_owned(), "linux".to_owned());
            fact.jobs.push(JobSaid { stage, stage_attempt: Some(1), name, attempt: Some(1), state, says });
        }
        if self.run == WAITING {
            let (state, says) = (State::Waiting, Statement::at(ago(self.ends())));
            fact.stages.push(StageSaid { name: "deploy-production".to_owned(), attempt: Some(1), state, says });
        }
        let mut facts = vec![Fact::Run(fact)];
        facts.extend(self.failure());
        facts.extend(self.stages().filter_map(|stage| self.deployment(stage)));
        facts
    }

    /// As the service's timeline tells it.
    fn failure(&self) -> Vec<Fact> {
        let (Some(error), Some((from, stage, _))) = (self.error, self.stages().last()) else { return Vec::new() };
        let (id, name, project, _) = self.of;
        let beside = Beside {
            organization: ORGANIZATION.to_owned(),
            project_name: Some(project.to_owned()),
            pipeline: id,
            pipeline_name: Some(name.to_owned()),
            finished: Some(ago(self.ends())),
            ..Beside::default()
        };
        let record = |id: &str, above: &str, kind: &str, name: &str| {
            json!({
                "id": id, "parentId": above, "type": kind, "name": name, "identifier": name, "attempt": 1,
                "state": "completed", "result": "failed",
                "startTime": ago(from).to_string(), "finishTime": ago(from.saturating_sub(TAKEN)).to_string(),
            })
        };
        let mut task = record("t", "j", "Task", "Run the tests");
        task["issues"] = json!([{"type": "error", "message": error}]);
        task["log"] =
            json!({"url": format!("https://dev.azure.com/{ORGANIZATION}/_apis/build/builds/{}/logs/9", self.run)});
        let answer = json!({"records": [record("s", "", "Stage", stage), record("j", "s", "Job", "linux"), task]});
        timeline_facts(&beside, self.run, answer.to_string().as_bytes()).unwrap()
    }

    fn deployment(&self, (from, stage, result): (u64, &str, &Option<Outcome>)) -> Option<Fact> {
        let environment = stage.strip_prefix("deploy-")?;
        let (id, name, project, _) = self.of;
        let (state, says) = says(from, result);
        let mut labels = labels(project);
        labels.extend([
            (Label::Environment, environment.to_owned()),
            (Label::DefinitionId, id.to_string()),
            (Label::PipelineName, name.to_owned()),
            (Label::RunName, format!("{id}.{}", self.run)),
        ]);
        let (stage, name) = (stage.to_owned(), "deploy".to_owned());
        let job = DeploymentJobSaid { stage, stage_attempt: Some(1), name, attempt: Some(1), state, says };
        let number = if environment == "production" { 2 } else { 1 };
        let key = DeploymentKey::new(ORGANIZATION, &format!("{}-id", project.to_lowercase()), number, self.run);
        Some(Fact::Deployment(DeploymentFact { key, said: job.says.said, labels, job }))
    }
}

fn approval(of: usize, status: ApprovalStatus, asked: u64, decided: Option<u64>) -> Fact {
    let told = &RUNS[of];
    let said = ago(decided.unwrap_or(asked));
    let mut fact = RunFact::new(told.key(), FactKind::ApprovalPending, said);
    let says = ApprovalStatement {
        said,
        phase: None,
        stage: Some("deploy-production".to_owned()),
        attempt: Some(1),
        requested: Some(ago(asked)),
        changed: decided.map(ago),
        approvers: vec!["Ada Quill".to_owned(), "Chiara Lund".to_owned()],
    };
    fact.approvals = vec![ApprovalSaid { id: format!("approval-{}", told.run), status, says }];
    Fact::Run(fact)
}

/// How a line of the second commit came to be.
fn code() -> Vec<Fact> {
    let pushed = ago(2 * DAY + 20);
    let message = Commit::new(Some(pushed), Some("Ada Quill"), Some("Pay by card (AB#7001)"));
    let commits = vec![(commit('2'), message)];
    let mut push = PushFact::new(PushKey::new(ORGANIZATION, "checkout", 61), pushed);
    push.labels = labels("Shop");
    push.labels.extend([(Label::Repository, "checkout".to_owned()), (Label::PushedBy, "Ada Quill".to_owned())]);
    push.refs = vec![RefUpdate { name: "refs/heads/main".to_owned(), old: None, new: Some(commit('2')) }];
    push.commits = commits;
    let mut request = PullRequestFact::new(PullRequestKey::new(ORGANIZATION, "checkout", 501), pushed);
    request.labels = labels("Shop");
    request.labels.extend([(Label::Title, "Pay by card".to_owned()), (Label::Repository, "checkout".to_owned())]);
    let status = StatusSaid { said: pushed, created: Some(ago(3 * DAY)), closed: Some(pushed) };
    request.status = Some((PullRequestStatus::Completed, status));
    request.commits = vec![(CommitRole::Merge, commit('2'))];
    request.work_items = Some(vec![7001]);
    let mut item = WorkItemFact::new(WorkItemKey { organization: ORGANIZATION.to_owned(), id: 7001 }, ago(4 * DAY), 3);
    item.state = Some("Active".to_owned());
    item.labels =
        vec![(Label::ProjectName, "Shop".to_owned()), (Label::Title, "People want to pay by card".to_owned())];
    vec![Fact::Push(push), Fact::PullRequest(request), Fact::WorkItem(item)]
}

fn incident(id: &str, title: &str, turns: &[(u64, IncidentTurn)]) -> Fact {
    let mut labels = labels("Shop");
    labels.push((Label::Title, title.to_owned()));
    let turns: Vec<_> = turns.iter().map(|(at, turn)| (ago(*at), turn.clone())).collect();
    Fact::Incident(IncidentFact { key: IncidentKey::new(ORGANIZATION, id).unwrap(), said: turns[0].0, turns, labels })
}

fn gaps() -> [Fact; 2] {
    [("build.complete", 90, None), ("git.push", 2 * DAY, Some(DAY))].map(|(event, from, over)| {
        let mut gap = GapFact::new(GapKey::new(ORGANIZATION, "shop-id", event), ago(from), ago(over.unwrap_or(5)));
        gap.project_name = Some("Shop".to_owned());
        gap.why = Some(GapReason::OnProbation);
        (gap.over, gap.covered) = (over.map(ago), over.map(ago));
        Fact::Gap(gap)
    })
}

fn look() -> HookLook {
    let hook = |event: &str, finding: Option<&str>| SeenHook {
        event_type: event.to_owned(),
        pipeline: None,
        subscription_id: None,
        finding: finding.map(str::to_owned),
        says: finding.map(|_| "answered 503 to the last deliveries".to_owned()),
        since: finding.map(|_| ago(90)),
    };
    HookLook {
        organization: ORGANIZATION.to_owned(),
        project: "Shop".to_owned(),
        project_id: "shop-id".to_owned(),
        at: ago(5),
        every: 600,
        hooks: vec![hook("git.push", None), hook("build.complete", Some("onProbation"))],
    }
}

/// A script deployed by hand what no pipeline knows of.
fn report() -> Fact {
    let said = ago(DAY + 100);
    let names = [(Label::PipelineName, "billing"), (Label::Repository, "billing"), (Label::Environment, "production")];
    let mut labels = labels("Shop");
    labels.extend(names.map(|(label, text)| (label, text.to_owned())));
    let (kind, result, commits) = (ReportKind::Deploy, GOOD, vec![commit('c')]);
    let says = ReportSaid { kind, labels, result, commits, is_fix: false, id: None };
    Fact::Report(ReportFact { key: ReportKey::new(ORGANIZATION, "billing", "billing"), said, says })
}

pub(crate) fn facts() -> Vec<Fact> {
    let mut facts: Vec<_> = RUNS.iter().flat_map(Told::facts).collect();
    facts.extend([
        approval(10, ApprovalStatus::Pending, 52, None),
        approval(3, ApprovalStatus::Approved, DAY + 590, Some(DAY + 580)),
        incident("slow-1", "Checkout is slow", &[(80, IncidentTurn::Opened)]),
        incident("down-1", "Search is down", &[(DAY - 20, IncidentTurn::Opened), (DAY - 80, IncidentTurn::Resolved)]),
    ]);
    facts.extend(code().into_iter().chain(gaps()).chain([report()]));
    facts
}

pub(crate) async fn scene() -> Dashboard {
    let dashboard = Dashboard::over(RUBBISH.map(<[u8]>::to_vec).to_vec(), Caller::on_loopback()).await;
    dashboard.import(facts()).await;
    dashboard.look(&look()).await;
    dashboard
}

#[tokio::test]
async fn every_page_of_a_morning_looks_as_it_did() {
    let scene = scene().await;
    let commit = commit('2');
    let pages = [
        ("overview", "/"),
        ("overview_mine", "/?scope=mine&who=Ada+Quill"),
        ("runs", "/runs"),
        ("run_failed", "/runs/1007"),
        ("run_waiting", "/runs/1011"),
        ("pipelines", "/pipelines"),
        ("deployments", "/deployments"),
        ("approvals", "/approvals"),
        ("environments", "/environments"),
        ("compare", "/environments/compare?from=staging&to=production"),
        ("commit", &format!("/commits/{commit}")),
        ("pull_request", "/pull-requests/501"),
        ("work_item", "/work-items/7001"),
        ("hooks", "/hooks"),
        ("dora", "/dora"),
        ("ask", "/ask"),
        ("dead_letters", "/dead-letters"),
        ("dead_letter", "/dead-letters/show?id=1"),
        ("discard", "/dead-letters/discard?id=1"),
    ];
    for (name, path) in pages {
        assert_snapshot!(name, scene.page(path).await);
    }
}

fn waiting(run: u64, on: &str) -> Fact {
    let mut fact = RunFact::new(RunKey { run, ..RUNS[10].key() }, FactKind::ApprovalPending, ago(40));
    fact.labels = labels("Shop");
    fact.labels.push((Label::RunName, format!("32.{run}")));
    let approvers = vec![on.to_owned()];
    let (stage, requested) = (Some("deploy-staging".to_owned()), Some(ago(40)));
    let (said, phase, attempt, changed) = (ago(40), None, None, None);
    let says = ApprovalStatement { said, phase, stage, attempt, requested, changed, approvers };
    fact.approvals = vec![ApprovalSaid { id: format!("approval-{run}"), status: ApprovalStatus::Pending, says }];
    Fact::Run(fact)
}

#[tokio::test]
async fn what_waits_is_found_whatever_else_waits() {
    let scene = scene().await;
    scene.import((2000..2250).map(|run| waiting(run, "Bram Osei")).collect()).await;
    let mine = scene.page("/?scope=mine&who=Chiara+Lund").await;
    assert!(mine.contains("checkout-deploy 32.1011</a> for"), "{mine}");
    assert!(mine.contains("1 in all: <a href=\"/approvals?who=Chiara%20Lund\">"), "{mine}");
    let all = scene.page("/").await;
    assert!(all.contains("251 in all: <a href=\"/approvals\">"), "{all}");
    let rows = |page: &str| page.matches("<th scope=\"row\">").count();
    let first = scene.page("/approvals").await;
    let oldest = first.split("<th scope=\"row\">").nth(1).unwrap();
    assert!(oldest.contains("32.1011"), "{first}");
    let (mut page, mut shown) = (first, 0);
    loop {
        shown += rows(&page);
        let Some(next) = page.split("rel=\"next\" href=\"").nth(1).and_then(|rest| rest.split('"').next()) else {
            break;
        };
        page = scene.page(next).await;
    }
    assert_eq!(shown, 251);
    let table = [
        ("who=chiara+lund", 1),
        ("who=Chiara", 0),
        ("who=Bram+Osei&pipeline=CHECKOUT", 50),
        ("pipeline=search", 0),
        ("project=shop&who=Ada+Quill", 1),
        ("project=Platform", 0),
        ("organization=contoso", 0),
        ("team=nobody", 0),
        ("page=7", 0),
    ];
    for (asked, count) in table {
        let page = scene.page(&format!("/approvals?{asked}")).await;
        assert_eq!(rows(&page), count, "{asked}: {page}");
    }
    assert!(scene.page("/approvals?waits=Ada").await.contains("unknown field"));
}

fn pretty(json: &Value) -> String {
    serde_json::to_string_pretty(json).unwrap()
}

#[tokio::test]
async fn every_answer_about_a_morning_is_what_it_was() {
    let scene = scene().await;
    let answers = [
        ("api_runs", "runs?result=failed"),
        ("api_run_failed", "runs/1007"),
        ("api_pipelines", "pipelines?project=Shop"),
        ("api_pipeline", "pipelines/31"),
        ("api_environments", "environments"),
        ("api_compare", "environments/compare?from=staging&to=production"),
        ("api_deployments", "deployments?pipeline=search-deploy"),
        ("api_approvals", "approvals"),
        ("api_commit", "commits/22222222"),
        ("api_pull_request", "pull-requests/501"),
        ("api_work_item", "work-items/7001"),
        ("api_gaps", "gaps?all=true"),
        ("api_hooks", "hooks"),
        ("api_dead_letters", "dead-letters"),
        ("api_dead_letter", "dead-letters/1"),
        ("api_incidents", "incidents"),
        ("api_metrics", "metrics"),
        ("api_flow", "metrics/flow"),
    ];
    for (name, path) in answers {
        assert_snapshot!(name, pretty(&scene.json(&format!("/api/v1/{path}")).await));
    }
}

/// The command line's JSON of the same file.
fn got(path: &Path, ask: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipetrail"));
    command.arg("get").args(ask.split(' ')).args(["-o", "json", "--data"]).arg(path).env_clear();
    let output = command.output().unwrap();
    assert!(output.status.success(), "{ask}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn the_command_line_says_what_the_api_says() {
    let scene = scene().await;
    let lists = [
        ("runs", "runs"),
        ("runs --result failed --project Shop", "runs?result=failed&project=Shop"),
        ("pipelines", "pipelines"),
        ("environments", "environments"),
        ("deployments --project Shop", "deployments?project=Shop"),
        ("approvals", "approvals"),
        ("incidents", "incidents"),
        ("gaps", "gaps"),
    ];
    for (ask, path) in lists {
        let told = scene.json(&format!("/api/v1/{path}")).await;
        assert!(!told["items"].as_array().unwrap().is_empty() && told["nextCursor"].is_null(), "{path}: {told}");
        assert_eq!(got(scene.local.file.path(), ask), told["items"], "{ask}");
    }
    let things = [
        ("run 1007", "runs/1007"),
        ("run 1011", "runs/1011"),
        ("commit 22222222", "commits/22222222"),
        ("pr 501", "pull-requests/501"),
        ("work-item 7001", "work-items/7001"),
    ];
    for (ask, path) in things {
        assert_eq!(got(scene.local.file.path(), ask), scene.json(&format!("/api/v1/{path}")).await, "{ask}");
    }
}
