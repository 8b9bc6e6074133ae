//! Every file in `example-json/` is a test: what it says is written down here, and a file that is not is a
//! failure.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pipetrail::ado::{
    Beside, Decoded, Decoder, build_facts, changes_fact, pull_request_list, push_list, timeline_facts, work_item_list,
};
use pipetrail::domain::deployment::DeploymentFact;
use pipetrail::domain::release::ReleaseFact;
use pipetrail::domain::run::{Consumed, RunFact, Statement, UsedImage};
use pipetrail::domain::{Fact, Join, Label, Outcome, Record, ReleaseStatus, RunKey, State, Time};
use serde_json::json;

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("example-json")
}

/// The bodies for the queue, by name, sorted.
pub(crate) fn bodies() -> Vec<(String, Vec<u8>)> {
    read(&folder())
}

fn read(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

pub(crate) fn decode(body: &[u8]) -> Decoded {
    Decoder::default().decode(body).unwrap()
}

fn beside() -> Beside {
    Beside {
        organization: "Fabrikam".to_owned(),
        project_id: None,
        project_name: Some("bedrock_gitops".to_owned()),
        pipeline: 12,
        pipeline_name: Some("checkout-service".to_owned()),
        finished: None,
    }
}

fn told(decoded: &Decoded) -> String {
    match decoded {
        Decoded::Ignored { event_type } => format!("  ignored: {event_type}\n"),
        Decoded::Named(named) => format!("  only named: {}\n", named.run),
        Decoded::Facts(facts) => {
            let told = |fact: &Fact| match fact {
                Fact::Run(fact) => told_fact(fact),
                Fact::Release(fact) => told_release(fact),
                Fact::Deployment(fact) => told_deployment(fact),
                Fact::Changes(_)
                | Fact::Cluster(_)
                | Fact::Gap(_)
                | Fact::Incident(_)
                | Fact::PullRequest(_)
                | Fact::Push(_)
                | Fact::Report(_)
                | Fact::WorkItem(_) => told_other(fact),
            };
            facts.iter().map(told).collect()
        }
    }
}

/// As it is stored, a part a line.
fn told_other(fact: &Fact) -> String {
    let stored: serde_json::Value = serde_json::from_str(&fact.encode().text).unwrap();
    let parts = stored.as_object().unwrap().iter().filter(|(name, _)| *name != "said");
    let lines = parts.map(|(name, part)| match part.as_array() {
        Some(all) => all.iter().map(|one| format!("    {name}: {one}\n")).collect(),
        None => format!("    {name}: {part}\n"),
    });
    format!("  {} said {}\n{}", fact.key(), fact.said(), lines.collect::<String>())
}

fn told_fact(fact: &RunFact) -> String {
    let mut out = String::new();
    let key = &fact.key;
    writeln!(out, "  {} {}/{}/{} said {}", fact.kind, key.organization, key.pipeline, key.run, fact.said).unwrap();
    for (label, text) in &fact.labels {
        writeln!(out, "    {label} = {text}").unwrap();
    }
    if let Some((state, says)) = &fact.run {
        writeln!(out, "    run: {state}{}", told_says(says)).unwrap();
    }
    for stage in &fact.stages {
        let attempt = number(stage.attempt);
        writeln!(out, "    stage {}{attempt}: {}{}", stage.name, stage.state, told_says(&stage.says)).unwrap();
    }
    for job in &fact.jobs {
        let (stage_attempt, attempt) = (number(job.stage_attempt), number(job.attempt));
        let says = told_says(&job.says);
        writeln!(out, "    job {}{stage_attempt} {}{attempt}: {}{says}", job.stage, job.name, job.state).unwrap();
    }
    for UsedImage { alias, image } in &fact.images {
        writeln!(out, "    image {alias}: {image}").unwrap();
    }
    for Consumed { alias, id, pipeline, version } in &fact.consumed {
        writeln!(out, "    consumed {alias}: {id:?} {pipeline:?} {version:?}").unwrap();
    }
    for approval in &fact.approvals {
        writeln!(out, "    approval {}: {} {:?}", approval.id, approval.status, approval.says.approvers).unwrap();
        let (stage, attempt) = (approval.says.stage.as_deref().unwrap_or("?"), number(approval.says.attempt));
        let times = told_time("requested", approval.says.requested) + &told_time("changed", approval.says.changed);
        writeln!(out, "      stage {stage}{attempt}{times}").unwrap();
    }
    out
}

pub(crate) fn told_release(fact: &ReleaseFact) -> String {
    let mut out = String::new();
    let key = &fact.key;
    writeln!(out, "  {} {}/{}/{} said {}", fact.kind, key.organization, key.project, key.release, fact.said).unwrap();
    for (label, text) in &fact.labels {
        writeln!(out, "    {label} = {text}").unwrap();
    }
    if fact.status.is_some() || fact.created.is_some() {
        let status = fact.status.as_ref().map_or("?", ReleaseStatus::as_str);
        writeln!(out, "    status: {status}{}", told_time("created", fact.created)).unwrap();
    }
    for environment in &fact.environments {
        let (attempt, says) = (number(environment.attempt), told_says(&environment.says));
        writeln!(out, "    environment {}{attempt}: {}{says}", environment.name, environment.state).unwrap();
    }
    for approval in &fact.approvals {
        writeln!(out, "    approval {}: {} {:?}", approval.id, approval.status, approval.says.approvers).unwrap();
        let (says, attempt) = (&approval.says, number(approval.says.attempt));
        let (stage, phase) = (says.stage.as_deref().unwrap_or("?"), says.phase.as_ref().map_or("?", |it| it.as_str()));
        let times = told_time("requested", says.requested) + &told_time("changed", says.changed);
        writeln!(out, "      {phase} {stage}{attempt}{times}").unwrap();
    }
    for artifact in &fact.artifacts {
        let parts: Vec<_> = artifact.parts.iter().map(|(part, text)| format!("{part} = {text}")).collect();
        writeln!(out, "    artifact {}: {}", artifact.alias, parts.join(", ")).unwrap();
    }
    out
}

pub(crate) fn told_deployment(fact: &DeploymentFact) -> String {
    let mut out = String::new();
    let (key, job) = (&fact.key, &fact.job);
    let place = format!("{}/{}/{}/{}", key.organization, key.project, key.environment, key.run);
    writeln!(out, "  deployment {place} said {}", fact.said).unwrap();
    for (label, text) in &fact.labels {
        writeln!(out, "    {label} = {text}").unwrap();
    }
    let (stage_attempt, attempt) = (number(job.stage_attempt), number(job.attempt));
    let says = told_says(&job.says);
    writeln!(out, "    job {}{stage_attempt} {}{attempt}: {}{says}", job.stage, job.name, job.state).unwrap();
    out
}

fn number(attempt: Option<u32>) -> String {
    attempt.map(|attempt| format!("#{attempt}")).unwrap_or_default()
}

fn told_says(says: &Statement) -> String {
    let result = says.result.as_ref().map(|result| format!(" {result}")).unwrap_or_default();
    let times = [("queued", says.queued), ("started", says.started), ("finished", says.finished)];
    times.into_iter().fold(result, |out, (what, time)| out + &told_time(what, time))
}

fn told_time(what: &str, time: Option<Time>) -> String {
    time.map(|time| format!(", {what} {time}")).unwrap_or_default()
}

#[test]
#[expect(clippy::too_many_lines, reason = "it holds the snapshot")]
fn every_file_says_what_is_written_here() {
    let all: String = bodies().iter().map(|(name, body)| format!("{name}\n{}", told(&decode(body)))).collect();
    insta::assert_snapshot!(all, @r#"
    approval_completed.json
      approvalCompleted fabrikam/12/1203 said 2025-06-12T09:02:17.9902Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20250612.4
        pipelineName = checkout-service
        approval 4b0b4a0e-9d7e-4f0c-8a56-1d0e5b7c2f33: approved ["[bedrock_gitops]\\Release managers", "Jon Abebe"]
          stage Deploy#1, requested 2025-06-12T08:47:04.5633333Z, changed 2025-06-12T09:02:17.2966667Z
    approval_pending.json
      approvalPending fabrikam/12/1203 said 2025-06-12T08:47:05.3304Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20250612.4
        pipelineName = checkout-service
        requestedFor = Ana Lindqvist
        approval 4b0b4a0e-9d7e-4f0c-8a56-1d0e5b7c2f33: pending ["[bedrock_gitops]\\Release managers"]
          stage Deploy#1, requested 2025-06-12T08:47:04.5633333Z, changed 2025-06-12T08:47:04.5633333Z
    build_completed.json
      buildCompleted fabrikam/12/1203 said 2025-06-12T09:06:06.1500001Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        projectName = bedrock_gitops
        runName = 20250612.4
        pipelineName = checkout-service
        branch = refs/heads/release/2.4
        commit = b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f
        repository = checkout-service
        requestedFor = Ana Lindqvist
        reason = individualCI
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1203
        folder = \services
        repositoryId = 9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d
        repositoryType = TfsGit
        pool = Azure Pipelines
        run: completed succeeded, queued 2025-06-12T08:14:03.2217341Z, started 2025-06-12T08:14:12.4Z, finished 2025-06-12T09:05:58.0133333Z
    build_completed.on_premises.json
      buildCompleted defaultcollection/3/77 said 2023-03-01T10:02:49.31Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        projectName = warehouse
        runName = 20230301.3
        pipelineName = warehouse
        branch = refs/heads/main
        commit = 5d2e8c47f1b09a3e6c7d4f8a2b1e0c9d3f5a7b68
        repository = checkout-service
        requestedFor = Mona Okafor
        reason = manual
        url = http://tfs.fabrikam.example:8080/tfs/DefaultCollection/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=77
        folder = \
        repositoryId = 9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d
        repositoryType = TfsGit
        pool = Azure Pipelines
        run: completed succeeded, queued 2023-03-01T10:00:01Z, started 2023-03-01T10:00:09.2Z, finished 2023-03-01T10:02:40.97Z
    build_completed.visualstudio.json
      buildCompleted fabrikam/2/2 said 2016-09-19T13:03:26.4285528Z
        projectId = be9b3917-87e6-42a4-a549-2bc06a7a878f
        runName = ConsumerAddressModule_20150407.2
        pipelineName = ConsumerAddressModule
        branch = refs/heads/master
        commit = 600c52d2d5b655caa111abfd863e5a9bd304bb0e
        requestedFor = Mona Okafor
        reason = manual
        pool = Hosted Build Controller
        run: completed succeeded, started 2015-04-07T18:04:06.83Z, finished 2015-04-07T18:06:10.69Z
    build_failed.json
      buildCompleted fabrikam/12/1211 said 2025-06-13T07:24:09.9Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        projectName = bedrock_gitops
        runName = 20250613.2
        pipelineName = checkout-service
        branch = refs/pull/88/merge
        commit = b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f
        repository = checkout-service
        requestedFor = Jon Abebe
        reason = pullRequest
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1211
        folder = \services
        repositoryId = 9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d
        repositoryType = TfsGit
        pool = Azure Pipelines
        run: completed failed, queued 2025-06-13T07:20:44.1Z, started 2025-06-13T07:20:52Z, finished 2025-06-13T07:24:01.6666667Z
    build_partially_succeeded.json
      buildCompleted fabrikam/12/1210 said 2025-06-13T06:11:48.6Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        projectName = bedrock_gitops
        runName = 20250613.1
        pipelineName = checkout-service
        branch = refs/heads/main
        commit = b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f
        repository = checkout-service
        requestedFor = Project Collection Build Service
        reason = schedule
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1210
        folder = \services
        repositoryId = 9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d
        repositoryType = TfsGit
        pool = Azure Pipelines
        run: completed partiallySucceeded, queued 2025-06-13T06:00:01.5Z, started 2025-06-13T06:00:09.25Z, finished 2025-06-13T06:11:40.75Z
    build_stopped.v1.json
      buildCompleted fabrikam/7/482 said 2019-10-02T22:31:52.8Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20191002.5
        pipelineName = fabrikam.spartan-app
        branch = refs/heads/master
        commit = 600c52d2d5b655caa111abfd863e5a9bd304bb0e
        requestedFor = Jon Abebe
        reason = manual
        pool = Hosted Build Controller
        run: completed canceled, started 2019-10-02T22:30:20.5Z, finished 2019-10-02T22:31:44.3036333Z
    build_triggered.json
      buildCompleted fabrikam/14/1220 said 2025-06-12T08:25:40.3Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        projectName = bedrock_gitops
        runName = 20250612.1
        pipelineName = checkout-deploy
        branch = refs/heads/main
        commit = 600c52d2d5b655caa111abfd863e5a9bd304bb0e
        repository = deploy
        requestedFor = Ana Lindqvist
        reason = manual
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1220
        folder = \services\deploy
        repositoryId = 3f1e2d4c-5b6a-4789-8abc-0d1e2f3a4b5c
        repositoryType = TfsGit
        triggerRun = 1203
        triggerPipeline = checkout-service
        triggerVersion = 20250612.4
        pool = Azure Pipelines
        run: completed succeeded, queued 2025-06-12T08:17:46.1Z, started 2025-06-12T08:17:55.2Z, finished 2025-06-12T08:25:31.9Z
    completed_build.json
      buildCompleted fabrikam/7/479 said 2019-10-02T19:57:48.7584186Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20191002.2
        pipelineName = fabrikam.spartan-app
        branch = refs/heads/master
        commit = 0ffb2ba5cefa3facdbb2c30df42fdb40afd294d8
        requestedFor = GitHub
        reason = individualCI
        run: completed succeeded, started 2019-10-02T19:54:05.5251454Z, finished 2019-10-02T19:57:36.4530107Z
    deployment_approval_completed.json
      deploymentApprovalCompleted fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/31 said 2025-06-12T09:41:08.1594606Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        projectName = bedrock_gitops
        runName = Release-31
        definitionId = 5
        pipelineName = checkout-service CD
        reason = continuousIntegration
        requestedFor = Ana Lindqvist
        status: ?, created 2025-06-12T09:10:00.26Z
        environment Dev: completed succeeded
        environment Prod: inProgress
        approval 77: approved ["Jon Abebe"]
          preDeploy Prod#1, requested 2025-06-12T09:12:31.5Z, changed 2025-06-12T09:41:07.25Z
        artifact _checkout-service: type = Build, definitionId = 12, definitionName = checkout-service, projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68, projectName = bedrock_gitops, isPrimary = true
    deployment_approval_pending.json
      deploymentApprovalPending fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/31 said 2025-06-12T09:12:32.0320509Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        projectName = bedrock_gitops
        runName = Release-31
        definitionId = 5
        pipelineName = checkout-service CD
        reason = continuousIntegration
        requestedFor = Ana Lindqvist
        status: ?, created 2025-06-12T09:10:00.26Z
        environment Dev: completed succeeded
        environment Prod: inProgress
        approval 77: pending ["Jon Abebe"]
          preDeploy Prod#1, requested 2025-06-12T09:12:31.5Z, changed 2025-06-12T09:12:31.5Z
        artifact _checkout-service: type = Build, definitionId = 12, definitionName = checkout-service, projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68, projectName = bedrock_gitops, isPrimary = true
    deployment_completed.json
      deploymentCompleted fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/31 said 2025-06-12T09:12:31.5345098Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        projectName = bedrock_gitops
        runName = Release-31
        environment Dev: completed succeeded, finished 2025-06-12T09:12:31.5345098Z
    deployment_started.json
      deploymentStarted fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/31 said 2025-06-12T09:10:05.4539019Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        projectName = bedrock_gitops
        runName = Release-31
        environment Dev: inProgress, started 2025-06-12T09:10:05.4539019Z
    get_build_id_api_result.json
      build fabrikam/7/481 said 2019-10-02T22:00:05.03Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        projectName = bedrock_gitops
        runName = 20191002.4
        pipelineName = fabrikam.spartan-app
        branch = refs/heads/master
        commit = 8e742f4902221d0efad35b1e9a8cac8550426ba9
        repository = fabrikam/spartan-app
        requestedFor = GitHub
        reason = individualCI
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=481
        folder = \
        repositoryId = fabrikam/spartan-app
        repositoryType = GitHub
        pool = Hosted Ubuntu 1604
        run: completed succeeded, queued 2019-10-02T21:55:50.8795945Z, started 2019-10-02T21:56:04.844615Z, finished 2019-10-02T22:00:04.8462149Z
    git_push.json
      push|fabrikam|9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d|9223372036854775493 said 2025-06-12T08:13:56.8Z
        commits: ["b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f",{"at":17497160200000000,"author":"Ana Lindqvist","message":"Merged PR 88: Round totals half to even","work_items":[4711]}]
        labels: ["projectId","efd47cfd-d35f-40ba-b424-e1ab432fdc68"]
        labels: ["projectName","bedrock_gitops"]
        labels: ["repository","checkout-service"]
        labels: ["defaultBranch","refs/heads/main"]
        labels: ["pushedBy","Ana Lindqvist"]
        pushed: 17497160355000000
        refs: {"name":"refs/heads/release/2.4","new":"b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f","old":"8e742f4902221d0efad35b1e9a8cac8550426ba9"}
    job_completed.2022.json
      jobStateChanged fabrikam/8/510 said 2022-11-21T16:42:53.5254422Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20221121.5
        pipelineName = web-shop
        commit = 5d0c2a9b7f3e4c1d8a6b5e4f3c2d1a0b9e8f7c6d
        repository = web-shop
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=510
        folder = \
        run: inProgress, queued 2022-11-21T16:40:02.113Z
        stage __default: running
        job __default Compile: completed succeeded, started 2022-11-21T16:40:14.7761408Z, finished 2022-11-21T16:42:52.7761408Z
    job_completed.json
      jobStateChanged fabrikam/12/1203 said 2025-06-12T09:04:40.77Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20250612.4
        pipelineName = checkout-service
        branch = refs/heads/release/2.4
        commit = b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f
        repositoryId = 9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d
        repositoryType = azureReposGit
        repository = checkout-service
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1203
        folder = \services
        run: inProgress, queued 2025-06-12T08:14:03.2217341Z
        stage Deploy#1: running, started 2025-06-12T09:02:18.8Z
        job Deploy#1 Migrate#1: completed succeeded, started 2025-06-12T09:02:25.93Z, finished 2025-06-12T09:04:39.6866667Z
    job_running.2022.json
      jobStateChanged fabrikam/8/510 said 2022-11-21T16:40:15.0254422Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20221121.5
        pipelineName = web-shop
        commit = 5d0c2a9b7f3e4c1d8a6b5e4f3c2d1a0b9e8f7c6d
        repository = web-shop
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=510
        folder = \
        run: inProgress, queued 2022-11-21T16:40:02.113Z
        stage __default: running
        job __default Compile: running, started 2022-11-21T16:40:14.7761408Z
    job_running.json
      jobStateChanged fabrikam/12/1203 said 2025-06-12T09:02:26.61Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20250612.4
        pipelineName = checkout-service
        branch = refs/heads/release/2.4
        commit = b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f
        repositoryId = 9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d
        repositoryType = azureReposGit
        repository = checkout-service
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1203
        folder = \services
        run: inProgress, queued 2025-06-12T08:14:03.2217341Z
        stage Deploy#1: running, started 2025-06-12T09:02:18.8Z
        job Deploy#1 Migrate#1: running, started 2025-06-12T09:02:25.93Z
    job_waiting.json
      jobStateChanged fabrikam/12/1203 said 2025-06-12T09:02:19.1Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20250612.4
        pipelineName = checkout-service
        branch = refs/heads/release/2.4
        commit = b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f
        repositoryId = 9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d
        repositoryType = azureReposGit
        repository = checkout-service
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1203
        folder = \services
        run: inProgress, queued 2025-06-12T08:14:03.2217341Z
        stage Deploy#1: running, started 2025-06-12T09:02:18.8Z
        job Deploy#1 Migrate#1: waiting
    pull_request_created.json
      pr|fabrikam|9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d|9223372036854775719 said 2025-06-12T06:50:13.1Z
        commits: ["head","5d0c2a9b7f3e4c1d8a6b5e4f3c2d1a0b9e8f7c6d"]
        labels: ["projectId","efd47cfd-d35f-40ba-b424-e1ab432fdc68"]
        labels: ["projectName","bedrock_gitops"]
        labels: ["repository","checkout-service"]
        labels: ["title","Round totals half to even"]
        labels: ["description","Sums of many small items drifted.\n\nFixes AB#4711"]
        labels: ["sourceBranch","refs/heads/feature/4711-rounding"]
        labels: ["targetBranch","refs/heads/release/2.4"]
        labels: ["mergeStatus","queued"]
        labels: ["createdBy","Ana Lindqvist"]
        labels: ["url","https://dev.azure.com/fabrikam/bedrock_gitops/_git/checkout-service/pullrequest/88"]
        status: "active"
        status: {"created":17497110114417000,"said":17497110131000000}
        votes: {"id":"1f6a3c8d-4c2b-4f11-9d7a-2b5e8c0d9e13","vote":{"is_team":false,"name":"Jon Abebe","vote":0}}
        votes: {"id":"2ea2d095-48f9-4cd6-9966-62f6f574096c","vote":{"is_team":true,"name":"[bedrock_gitops]\\Checkout","vote":0}}
        work_items: 4711
    pull_request_merged.json
      pr|fabrikam|9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d|9223372036854775719 said 2025-06-12T06:50:20.7Z
        commits: ["merge","2f8c7a1e5b4d3c6f9a0e8d7c6b5a4f3e2d1c0b9a"]
        commits: ["head","5d0c2a9b7f3e4c1d8a6b5e4f3c2d1a0b9e8f7c6d"]
        labels: ["projectId","efd47cfd-d35f-40ba-b424-e1ab432fdc68"]
        labels: ["projectName","bedrock_gitops"]
        labels: ["repository","checkout-service"]
        labels: ["title","Round totals half to even"]
        labels: ["description","Sums of many small items drifted.\n\nFixes AB#4711"]
        labels: ["sourceBranch","refs/heads/feature/4711-rounding"]
        labels: ["targetBranch","refs/heads/release/2.4"]
        labels: ["mergeStatus","succeeded"]
        labels: ["createdBy","Ana Lindqvist"]
        labels: ["url","https://dev.azure.com/fabrikam/bedrock_gitops/_git/checkout-service/pullrequest/88"]
        status: "active"
        status: {"created":17497110114417000,"said":17497110207000000}
        votes: {"id":"1f6a3c8d-4c2b-4f11-9d7a-2b5e8c0d9e13","vote":{"is_team":false,"name":"Jon Abebe","vote":0}}
        votes: {"id":"2ea2d095-48f9-4cd6-9966-62f6f574096c","vote":{"is_team":true,"name":"[bedrock_gitops]\\Checkout","vote":0}}
        work_items: 4711
    pull_request_updated.completed.json
      pr|fabrikam|9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d|9223372036854775719 said 2025-06-12T08:13:57.6Z
        approved: 17497160376000000
        commits: ["source","5d0c2a9b7f3e4c1d8a6b5e4f3c2d1a0b9e8f7c6d"]
        commits: ["merge","b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f"]
        commits: ["head","5d0c2a9b7f3e4c1d8a6b5e4f3c2d1a0b9e8f7c6d"]
        labels: ["projectId","efd47cfd-d35f-40ba-b424-e1ab432fdc68"]
        labels: ["projectName","bedrock_gitops"]
        labels: ["repository","checkout-service"]
        labels: ["title","Round totals half to even"]
        labels: ["description","Sums of many small items drifted.\n\nFixes AB#4711"]
        labels: ["sourceBranch","refs/heads/feature/4711-rounding"]
        labels: ["targetBranch","refs/heads/release/2.4"]
        labels: ["mergeStatus","succeeded"]
        labels: ["createdBy","Ana Lindqvist"]
        labels: ["url","https://dev.azure.com/fabrikam/bedrock_gitops/_git/checkout-service/pullrequest/88"]
        status: "completed"
        status: {"closed":17497160359100000,"created":17497110114417000,"said":17497160376000000}
        votes: {"id":"1f6a3c8d-4c2b-4f11-9d7a-2b5e8c0d9e13","vote":{"is_team":false,"name":"Jon Abebe","vote":10}}
        votes: {"id":"2ea2d095-48f9-4cd6-9966-62f6f574096c","vote":{"is_team":true,"name":"[bedrock_gitops]\\Checkout","vote":10}}
        work_items: 4711
    pull_request_updated.vote.json
      pr|fabrikam|9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d|9223372036854775719 said 2025-06-12T07:44:52.25Z
        approved: 17497142922500000
        commits: ["source","5d0c2a9b7f3e4c1d8a6b5e4f3c2d1a0b9e8f7c6d"]
        commits: ["merge","2f8c7a1e5b4d3c6f9a0e8d7c6b5a4f3e2d1c0b9a"]
        commits: ["head","5d0c2a9b7f3e4c1d8a6b5e4f3c2d1a0b9e8f7c6d"]
        labels: ["projectId","efd47cfd-d35f-40ba-b424-e1ab432fdc68"]
        labels: ["projectName","bedrock_gitops"]
        labels: ["repository","checkout-service"]
        labels: ["title","Round totals half to even"]
        labels: ["description","Sums of many small items drifted.\n\nFixes AB#4711"]
        labels: ["sourceBranch","refs/heads/feature/4711-rounding"]
        labels: ["targetBranch","refs/heads/release/2.4"]
        labels: ["mergeStatus","succeeded"]
        labels: ["createdBy","Ana Lindqvist"]
        labels: ["url","https://dev.azure.com/fabrikam/bedrock_gitops/_git/checkout-service/pullrequest/88"]
        status: "active"
        status: {"created":17497110114417000,"said":17497142922500000}
        votes: {"id":"1f6a3c8d-4c2b-4f11-9d7a-2b5e8c0d9e13","vote":{"is_team":false,"name":"Jon Abebe","vote":10}}
        votes: {"id":"2ea2d095-48f9-4cd6-9966-62f6f574096c","vote":{"is_team":true,"name":"[bedrock_gitops]\\Checkout","vote":10}}
        work_items: 4711
    release_abandoned.json
      releaseAbandoned fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/32 said 2025-06-12T10:00:01.784654Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        projectName = bedrock_gitops
        runName = Release-32
        definitionId = 5
        pipelineName = checkout-service CD
        reason = continuousIntegration
        requestedFor = Ana Lindqvist
        status: abandoned, created 2025-06-12T09:10:00.26Z
        artifact _checkout-service: type = Build, definitionId = 12, definitionName = checkout-service, projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68, projectName = bedrock_gitops, isPrimary = true
    release_created.json
      releaseCreated fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/31 said 2025-06-12T09:10:01.6570261Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        projectName = bedrock_gitops
        runName = Release-31
        definitionId = 5
        pipelineName = checkout-service CD
        reason = continuousIntegration
        requestedFor = Ana Lindqvist
        status: active, created 2025-06-12T09:10:00.26Z
        environment Dev: notStarted
        environment Prod: notStarted
        artifact _checkout-service: type = Build, definitionId = 12, definitionName = checkout-service, projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68, projectName = bedrock_gitops, isPrimary = true
    run_canceled.json
      runStateChanged fabrikam/12/1204 said 2025-06-12T10:01:31.5525Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20250612.5
        pipelineName = checkout-service
        branch = refs/heads/release/2.4
        commit = b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f
        repositoryId = 9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d
        repositoryType = azureReposGit
        requestedFor = Ana Lindqvist
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1204
        folder = \services
        run: completed canceled, queued 2025-06-12T10:00:40.8839Z, finished 2025-06-12T10:01:29.76Z
    run_canceling.2019.json
      runStateChanged fabrikam/7/482 said 2019-10-02T22:31:40.9Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20191002.5
        pipelineName = fabrikam.spartan-app
        branch = refs/heads/master
        commit = 8e742f4902221d0efad35b1e9a8cac8550426ba9
        repositoryType = gitHub
        repository = fabrikam/spartan-app
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=482
        folder = \
        run: canceling, queued 2019-10-02T22:30:11.1Z
    run_canceling.json
      runStateChanged fabrikam/12/1204 said 2025-06-12T10:01:12.05Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20250612.5
        pipelineName = checkout-service
        branch = refs/heads/release/2.4
        commit = b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f
        repositoryId = 9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d
        repositoryType = azureReposGit
        requestedFor = Ana Lindqvist
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1204
        folder = \services
        run: canceling, queued 2025-06-12T10:00:40.8839Z
    run_completed.2019.json
      runStateChanged fabrikam/7/480 said 2019-10-02T20:16:47.3301287Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20191002.3
        pipelineName = fabrikam.spartan-app
        branch = refs/heads/master
        commit = 3c1b1f6a7d3e4f1d8d4d4b6f0d2a9c5b7e8f9a01
        repositoryType = gitHub
        repository = fabrikam/spartan-app
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=480
        folder = \
        run: completed failed, queued 2019-10-02T20:10:21.5601773Z, finished 2019-10-02T20:16:42.1188012Z
    run_completed.2022.json
      runStateChanged fabrikam/8/510 said 2022-11-21T16:42:58.683Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20221121.5
        pipelineName = web-shop
        commit = 5d0c2a9b7f3e4c1d8a6b5e4f3c2d1a0b9e8f7c6d
        repository = web-shop
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=510
        folder = \
        run: completed succeeded, queued 2022-11-21T16:40:02.113Z, finished 2022-11-21T16:42:53.9Z
    run_completed.json
      runStateChanged fabrikam/12/1203 said 2025-06-12T09:06:02.7741003Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20250612.4
        pipelineName = checkout-service
        branch = refs/heads/release/2.4
        commit = b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f
        repositoryId = 9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d
        repositoryType = azureReposGit
        repository = checkout-service
        requestedFor = Ana Lindqvist
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1203
        folder = \services
        run: completed succeeded, queued 2025-06-12T08:14:03.2217341Z, finished 2025-06-12T09:05:58.0133333Z
        stage Build#1: completed succeeded, started 2025-06-12T08:14:20.1033333Z, finished 2025-06-12T08:17:44.98Z
        stage Test#2: completed succeeded, started 2025-06-12T08:40:31.5466667Z, finished 2025-06-12T08:47:02.29Z
        stage Deploy#1: completed succeeded, started 2025-06-12T09:02:18.8Z, finished 2025-06-12T09:05:57.4733333Z
    run_completed.on_premises.json
      runStateChanged defaultcollection/3/78 said 2023-03-02T09:03:25.1234567Z
        projectName = warehouse
        runName = 20230302.1
        pipelineName = warehouse
        url = http://tfs.fabrikam.example:8080/tfs/DefaultCollection/warehouse/_build/results?buildId=78
        folder = \
        run: completed succeeded, queued 2023-03-02T09:00:00Z, finished 2023-03-02T09:03:21.5Z
    run_completed.visualstudio.json
      runStateChanged fabrikam/9/611 said 2023-03-02T09:03:25.1234567Z
        projectName = bedrock_gitops
        runName = 20230302.1
        pipelineName = warehouse
        url = https://fabrikam.visualstudio.com/bedrock_gitops/_build/results?buildId=611
        folder = \
        run: completed succeeded, queued 2023-03-02T09:00:00Z, finished 2023-03-02T09:03:21.5Z
    run_in_progress.2019.json
      runStateChanged fabrikam/7/480 said 2019-10-02T20:10:30.0211455Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20191002.3
        pipelineName = fabrikam.spartan-app
        branch = refs/heads/master
        commit = 3c1b1f6a7d3e4f1d8d4d4b6f0d2a9c5b7e8f9a01
        repositoryType = gitHub
        repository = fabrikam/spartan-app
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=480
        folder = \
        run: inProgress, queued 2019-10-02T20:10:21.5601773Z
    run_in_progress.2022.json
      runStateChanged fabrikam/8/510 said 2022-11-21T16:40:05.683Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20221121.5
        pipelineName = web-shop
        commit = 5d0c2a9b7f3e4c1d8a6b5e4f3c2d1a0b9e8f7c6d
        repository = web-shop
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=510
        folder = \
        run: inProgress, queued 2022-11-21T16:40:02.113Z
    run_in_progress.consumes.json
      runStateChanged fabrikam/14/1221 said 2025-06-12T08:14:21.9017722Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20250612.2
        pipelineName = checkout-deploy
        branch = refs/heads/main
        commit = 600c52d2d5b655caa111abfd863e5a9bd304bb0e
        repositoryId = 3f1e2d4c-5b6a-4789-8abc-0d1e2f3a4b5c
        repositoryType = azureReposGit
        requestedFor = Ana Lindqvist
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1221
        folder = \services\deploy
        run: inProgress, queued 2025-06-12T08:14:03.2217341Z
        stage Build#1: running, started 2025-06-12T08:14:20.1033333Z
        stage Test#1: notStarted
        stage Deploy#1: notStarted
        image web: fabrikam.azurecr.io/checkout-web:main-20250612.4
        consumed checkout: Some(1203) Some("checkout-service") Some("20250612.4")
        consumed web: Some(8) Some("web-shop") Some("20221121.5")
    run_in_progress.json
      runStateChanged fabrikam/12/1203 said 2025-06-12T08:14:21.9017722Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20250612.4
        pipelineName = checkout-service
        branch = refs/heads/release/2.4
        commit = b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f
        repositoryId = 9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d
        repositoryType = azureReposGit
        repository = checkout-service
        requestedFor = Ana Lindqvist
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1203
        folder = \services
        run: inProgress, queued 2025-06-12T08:14:03.2217341Z
        stage Build#1: running, started 2025-06-12T08:14:20.1033333Z
        stage Test#1: notStarted
        stage Deploy#1: notStarted
    stage_completed.2019.json
      stageStateChanged fabrikam/7/480 said 2019-10-02T20:13:02.4410933Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20191002.3
        pipelineName = fabrikam.spartan-app
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=480
        folder = \
        stage build: completed succeeded
    stage_completed.2022.json
      stageStateChanged fabrikam/8/510 said 2022-11-21T16:42:54.186Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20221121.5
        pipelineName = web-shop
        commit = 5d0c2a9b7f3e4c1d8a6b5e4f3c2d1a0b9e8f7c6d
        repository = web-shop
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=510
        folder = \
        run: completed succeeded, queued 2022-11-21T16:40:02.113Z, finished 2022-11-21T16:42:53.9Z
        stage __default: completed succeeded
    stage_completed.json
      stageStateChanged fabrikam/12/1203 said 2025-06-12T08:47:03.0419Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20250612.4
        pipelineName = checkout-service
        branch = refs/heads/release/2.4
        commit = b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f
        repositoryId = 9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d
        repositoryType = azureReposGit
        repository = checkout-service
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1203
        folder = \services
        run: inProgress, queued 2025-06-12T08:14:03.2217341Z
        stage Test#2: completed succeeded, started 2025-06-12T08:40:31.5466667Z, finished 2025-06-12T08:47:02.29Z
    stage_failed.2019.json
      stageStateChanged fabrikam/7/480 said 2019-10-02T20:16:41.9036Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20191002.3
        pipelineName = fabrikam.spartan-app
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=480
        folder = \
        stage deploy: completed failed
    stage_failed.json
      stageStateChanged fabrikam/12/1203 said 2025-06-12T08:25:11.6061Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20250612.4
        pipelineName = checkout-service
        branch = refs/heads/release/2.4
        commit = b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f
        repositoryId = 9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d
        repositoryType = azureReposGit
        repository = checkout-service
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1203
        folder = \services
        run: inProgress, queued 2025-06-12T08:14:03.2217341Z
        stage Test#1: completed failed, started 2025-06-12T08:17:52.4166667Z, finished 2025-06-12T08:25:10.7133333Z
    stage_not_started.2019.json
      stageStateChanged fabrikam/7/480 said 2019-10-02T20:10:31Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20191002.3
        pipelineName = fabrikam.spartan-app
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=480
        folder = \
        stage deploy: notStarted
    stage_not_started.json
      stageStateChanged fabrikam/12/1203 said 2025-06-12T08:14:22.3Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20250612.4
        pipelineName = checkout-service
        branch = refs/heads/release/2.4
        commit = b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f
        repositoryId = 9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d
        repositoryType = azureReposGit
        repository = checkout-service
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1203
        folder = \services
        run: inProgress, queued 2025-06-12T08:14:03.2217341Z
        stage Test#1: notStarted
    stage_retried.json
      stageStateChanged fabrikam/12/1203 said 2025-06-12T08:40:32.2Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20250612.4
        pipelineName = checkout-service
        branch = refs/heads/release/2.4
        commit = b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f
        repositoryId = 9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d
        repositoryType = azureReposGit
        repository = checkout-service
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1203
        folder = \services
        run: inProgress, queued 2025-06-12T08:14:03.2217341Z
        stage Test#2: running, started 2025-06-12T08:40:31.5466667Z
    stage_running.2019.json
      stageStateChanged fabrikam/7/480 said 2019-10-02T20:14:20.25Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20191002.3
        pipelineName = fabrikam.spartan-app
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=480
        folder = \
        stage deploy: running
    stage_running.2022.json
      stageStateChanged fabrikam/8/510 said 2022-11-21T16:40:09.2Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20221121.5
        pipelineName = web-shop
        commit = 5d0c2a9b7f3e4c1d8a6b5e4f3c2d1a0b9e8f7c6d
        repository = web-shop
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=510
        folder = \
        run: inProgress, queued 2022-11-21T16:40:02.113Z
        stage __default: running
    stage_running.json
      stageStateChanged fabrikam/12/1203 said 2025-06-12T08:17:53.0155Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20250612.4
        pipelineName = checkout-service
        branch = refs/heads/release/2.4
        commit = b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f
        repositoryId = 9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d
        repositoryType = azureReposGit
        repository = checkout-service
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1203
        folder = \services
        run: inProgress, queued 2025-06-12T08:14:03.2217341Z
        stage Test#1: running, started 2025-06-12T08:17:52.4166667Z
    stage_state_change.json
      stageStateChanged fabrikam/7/480 said 2019-10-02T20:10:39.1376851Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20191002.3
        pipelineName = fabrikam.spartan-app
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=480
        folder = \
        stage build: running
    stage_waiting.2019.json
      stageStateChanged fabrikam/7/480 said 2019-10-02T20:13:04.7Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20191002.3
        pipelineName = fabrikam.spartan-app
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=480
        folder = \
        stage deploy: waiting
    stage_waiting.json
      stageStateChanged fabrikam/12/1203 said 2025-06-12T08:47:04.9Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20250612.4
        pipelineName = checkout-service
        branch = refs/heads/release/2.4
        commit = b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f
        repositoryId = 9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d
        repositoryType = azureReposGit
        repository = checkout-service
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1203
        folder = \services
        run: inProgress, queued 2025-06-12T08:14:03.2217341Z
        stage Deploy#1: waiting
    started_build.json
      runStateChanged fabrikam/7/479 said 2019-10-02T19:54:00.3307136Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        runName = 20191002.2
        pipelineName = fabrikam.spartan-app
        branch = refs/heads/master
        commit = 0ffb2ba5cefa3facdbb2c30df42fdb40afd294d8
        repositoryType = gitHub
        repository = fabrikam/spartan-app
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=479
        folder = \
        run: inProgress, queued 2019-10-02T19:53:51.3940119Z
    work_item_commented.ignored.json
      ignored: workitem.commented
    work_item_created.json
      workitem|fabrikam|4|9223372036854771096 said 2025-06-10T14:02:33.4Z
        changed: 17495641511070000
        created: 17495641511070000
        labels: ["area","bedrock_gitops\\Checkout"]
        labels: ["iteration","bedrock_gitops\\2025\\Sprint 12"]
        labels: ["parent","4700"]
        labels: ["projectId","efd47cfd-d35f-40ba-b424-e1ab432fdc68"]
        labels: ["projectName","bedrock_gitops"]
        labels: ["reason","New"]
        labels: ["title","Totals drift by a cent"]
        labels: ["url","https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_workitems/edit/4711"]
        labels: ["workItemType","Bug"]
        revision: 1
        state: "New"
    work_item_updated.active.json
      workitem|fabrikam|4|9223372036854771096 said 2025-06-12T06:40:04.9Z
        changed: 17497104027700000
        created: 17495641511070000
        labels: ["area","bedrock_gitops\\Checkout"]
        labels: ["assignedTo","Ana Lindqvist"]
        labels: ["iteration","bedrock_gitops\\2025\\Sprint 12"]
        labels: ["projectId","efd47cfd-d35f-40ba-b424-e1ab432fdc68"]
        labels: ["projectName","bedrock_gitops"]
        labels: ["reason","Implementation started"]
        labels: ["title","Totals drift by a cent"]
        labels: ["workItemType","Bug"]
        revision: 2
        state: "Active"
    work_item_updated.linked.json
      workitem|fabrikam|4|9223372036854771096 said 2025-06-12T08:14:00.5Z
        changed: 17497160383000000
        created: 17495641511070000
        labels: ["area","bedrock_gitops\\Checkout"]
        labels: ["assignedTo",""]
        labels: ["iteration","bedrock_gitops\\2025\\Sprint 12"]
        labels: ["projectId","efd47cfd-d35f-40ba-b424-e1ab432fdc68"]
        labels: ["projectName","bedrock_gitops"]
        labels: ["reason","Implementation started"]
        labels: ["title","Totals drift by a cent"]
        labels: ["workItemType","Bug"]
        relations: {"is_there":true,"to":"commit:b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f"}
        relations: {"is_there":true,"to":"pullRequest:88"}
        revision: 3
        state: "Resolved"
    "#);
}

#[test]
#[expect(clippy::too_many_lines, reason = "it holds the snapshot")]
fn every_answer_says_what_is_written_here() {
    let all: String = read(&folder().join("rest"))
        .iter()
        .filter(|(name, _)| !crate::releases::ANSWERS.contains(&name.as_str()))
        .map(|(name, body)| {
            let facts = match name.as_str() {
                "timeline.json" => timeline_facts(&beside(), 1203, body),
                "pull_requests.json" => pull_request_list(&beside(), body).and_then(|all| all.into_iter().collect()),
                "pushes.json" => push_list(&beside(), body).and_then(|all| all.into_iter().collect()),
                "work_items.json" => work_item_list(&beside(), body).and_then(|all| all.into_iter().collect()),
                "build_changes.json" => {
                    let key = RunKey { organization: "fabrikam".to_owned(), pipeline: 12, run: 1203 };
                    let said = Time::parse("2025-06-12T09:05:58.2Z").unwrap().unwrap();
                    changes_fact(key, said, Some("checkout-service"), body).map(|page| vec![Fact::Changes(page.fact)])
                }
                _ => build_facts(&beside(), body),
            };
            format!("{name}\n{}", told(&Decoded::Facts(facts.unwrap())))
        })
        .collect();
    insta::assert_snapshot!(all, @r##"
    build_changes.json
      changes|fabrikam|12|9223372036854774604 said 2025-06-12T09:05:58.2Z
        commits: ["b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f",{"at":17497160350000000,"author":"Ana Lindqvist","message":"Merged PR 88: Round totals half to even","work_items":[4711]}]
        commits: ["5d0c2a9b7f3e4c1d8a6b5e4f3c2d1a0b9e8f7c6d",{"at":17497108820000000,"author":"Ana Lindqvist","message":"Round totals half to even AB#4711","work_items":[4711]}]
        labels: ["repository","checkout-service"]
        labels: ["repositoryType","TfsGit"]
    builds_list.json
      build fabrikam/12/1211 said 2025-06-13T07:24:01.87Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        projectName = bedrock_gitops
        runName = 20250613.2
        pipelineName = checkout-service
        branch = refs/pull/88/merge
        commit = b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f
        repository = checkout-service
        requestedFor = Jon Abebe
        reason = pullRequest
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1211
        folder = \services
        repositoryId = 9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d
        repositoryType = TfsGit
        pool = Azure Pipelines
        run: completed failed, queued 2025-06-13T07:20:44.1Z, started 2025-06-13T07:20:52Z, finished 2025-06-13T07:24:01.6666667Z
      build fabrikam/12/1212 said 2025-06-13T08:01:00.3Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        projectName = bedrock_gitops
        runName = 20250613.3
        pipelineName = checkout-service
        branch = refs/heads/main
        commit = b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f
        repository = checkout-service
        requestedFor = Ana Lindqvist
        reason = manual
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1212
        folder = \services
        repositoryId = 9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d
        repositoryType = TfsGit
        pool = Azure Pipelines
        run: completed canceled, queued 2025-06-13T08:00:00Z, started 2025-06-13T08:00:09Z, finished 2025-06-13T08:01:00Z
      build fabrikam/12/1213 said 2025-06-13T08:10:08.9Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        projectName = bedrock_gitops
        runName = 20250613.4
        pipelineName = checkout-service
        branch = refs/heads/main
        commit = b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f
        repository = checkout-service
        requestedFor = Ana Lindqvist
        reason = manual
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1213
        folder = \services
        repositoryId = 9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d
        repositoryType = TfsGit
        pool = Azure Pipelines
        run: inProgress, queued 2025-06-13T08:10:00Z, started 2025-06-13T08:10:08.5Z
      build fabrikam/12/1214 said 2025-06-13T08:12:40Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        projectName = bedrock_gitops
        runName = 20250613.5
        pipelineName = checkout-service
        branch = refs/heads/main
        commit = b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f
        repository = checkout-service
        requestedFor = Ana Lindqvist
        reason = manual
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1214
        folder = \services
        repositoryId = 9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d
        repositoryType = TfsGit
        pool = Azure Pipelines
        run: canceling, queued 2025-06-13T08:12:00Z, started 2025-06-13T08:12:08.5Z
      build fabrikam/12/1215 said 2025-06-13T08:15:00.12Z
        projectId = efd47cfd-d35f-40ba-b424-e1ab432fdc68
        projectName = bedrock_gitops
        runName = 20250613.6
        pipelineName = checkout-service
        branch = refs/heads/main
        commit = b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f
        repository = checkout-service
        requestedFor = Ana Lindqvist
        reason = manual
        url = https://dev.azure.com/fabrikam/efd47cfd-d35f-40ba-b424-e1ab432fdc68/_build/results?buildId=1215
        folder = \services
        repositoryId = 9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d
        repositoryType = TfsGit
        pool = Azure Pipelines
        run: notStarted, queued 2025-06-13T08:15:00Z
    pull_requests.json
      pr|fabrikam|9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d|9223372036854775719 said 2025-06-12T08:13:55.91Z
        commits: ["merge","b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f"]
        commits: ["head","5d0c2a9b7f3e4c1d8a6b5e4f3c2d1a0b9e8f7c6d"]
        labels: ["projectId","efd47cfd-d35f-40ba-b424-e1ab432fdc68"]
        labels: ["projectName","bedrock_gitops"]
        labels: ["repository","checkout-service"]
        labels: ["title","Round totals half to even"]
        labels: ["description","Sums of many small items drifted.\n\nFixes AB#4711"]
        labels: ["sourceBranch","refs/heads/feature/4711-rounding"]
        labels: ["targetBranch","refs/heads/release/2.4"]
        labels: ["mergeStatus","succeeded"]
        labels: ["createdBy","Ana Lindqvist"]
        labels: ["url","https://dev.azure.com/fabrikam/bedrock_gitops/_git/checkout-service/pullrequest/88"]
        status: "completed"
        status: {"closed":17497160359100000,"created":17497110114417000,"said":17497160359100000}
        votes: {"id":"1f6a3c8d-4c2b-4f11-9d7a-2b5e8c0d9e13","vote":{"is_team":false,"name":"Jon Abebe","vote":10}}
        votes: {"id":"2ea2d095-48f9-4cd6-9966-62f6f574096c","vote":{"is_team":true,"name":"[bedrock_gitops]\\Checkout","vote":10}}
        work_items: 4711
      pr|fabrikam|9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d|9223372036854775717 said 2025-06-14T09:00:00Z
        commits: ["merge","2f8c7a1e5b4d3c6f9a0e8d7c6b5a4f3e2d1c0b9a"]
        commits: ["head","5d0c2a9b7f3e4c1d8a6b5e4f3c2d1a0b9e8f7c6d"]
        labels: ["projectId","efd47cfd-d35f-40ba-b424-e1ab432fdc68"]
        labels: ["projectName","bedrock_gitops"]
        labels: ["repository","checkout-service"]
        labels: ["title","Try banker's rounding"]
        labels: ["sourceBranch","refs/heads/try"]
        labels: ["targetBranch","refs/heads/release/2.4"]
        labels: ["mergeStatus","succeeded"]
        labels: ["createdBy","Ana Lindqvist"]
        status: "abandoned"
        status: {"closed":17498916000000000,"created":17497110114417000,"said":17498916000000000}
        votes: {"id":"1f6a3c8d-4c2b-4f11-9d7a-2b5e8c0d9e13","vote":{"is_team":false,"name":"Jon Abebe","vote":0}}
        votes: {"id":"2ea2d095-48f9-4cd6-9966-62f6f574096c","vote":{"is_team":true,"name":"[bedrock_gitops]\\Checkout","vote":-5}}
    pushes.json
      push|fabrikam|9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d|9223372036854775493 said 2025-06-12T08:13:55.5Z
        commits: ["b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f",{"at":17497160350000000,"author":"Ana Lindqvist","message":"Merged PR 88: Round totals half to even","work_items":[4711]}]
        labels: ["projectId","efd47cfd-d35f-40ba-b424-e1ab432fdc68"]
        labels: ["projectName","bedrock_gitops"]
        labels: ["repository","checkout-service"]
        labels: ["pushedBy","Ana Lindqvist"]
        pushed: 17497160355000000
        refs: {"name":"refs/heads/release/2.4","new":"b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f","old":"8e742f4902221d0efad35b1e9a8cac8550426ba9"}
        whole: true
    timeline.json
      timeline fabrikam/12/1203 said 2025-06-12T09:02:18.8Z
        projectName = bedrock_gitops
        pipelineName = checkout-service
        stage Build#1: completed succeeded, started 2025-06-12T08:14:20.1033333Z, finished 2025-06-12T08:17:44.98Z
        stage Test#2: completed partiallySucceeded, started 2025-06-12T08:40:31.5466667Z, finished 2025-06-12T08:47:02.29Z
        stage Deploy#1: running, started 2025-06-12T09:02:18.8Z
        stage Smoke#1: notStarted
        job Build#1 __default#1: completed succeeded, started 2025-06-12T08:14:20.1033333Z, finished 2025-06-12T08:17:44.98Z
        job Test#2 linux#2: completed succeeded, started 2025-06-12T08:40:31.5466667Z, finished 2025-06-12T08:47:02.29Z
        job Test#2 windows#2: completed partiallySucceeded, started 2025-06-12T08:40:31.5466667Z, finished 2025-06-12T08:46:41.5Z
        job Deploy#1 __default#1: notStarted
    work_items.json
      workitem|fabrikam|4|9223372036854771096 said 2025-06-12T08:13:58.3Z
        changed: 17497160383000000
        created: 17495641511070000
        has_all_relations: true
        labels: ["area","bedrock_gitops\\Checkout"]
        labels: ["iteration","bedrock_gitops\\2025\\Sprint 12"]
        labels: ["parent","4700"]
        labels: ["projectName","bedrock_gitops"]
        labels: ["reason","Implementation started"]
        labels: ["title","Totals drift by a cent"]
        labels: ["workItemType","Bug"]
        relations: {"is_there":true,"to":"pullRequest:88"}
        revision: 3
        state: "Resolved"
    "##);
}

#[test]
fn a_build_is_the_same_alone_in_a_list_and_bare_on_the_queue() {
    let body = fs::read(folder().join("get_build_id_api_result.json")).unwrap();
    let alone = build_facts(&beside(), &body).unwrap();
    let list = format!(r#"{{"count":1,"value":[{}]}}"#, str::from_utf8(&body).unwrap());
    assert_eq!(build_facts(&beside(), list.as_bytes()).unwrap(), alone);
    assert_eq!(decode(&body), Decoded::Facts(alone));
}

#[test]
fn the_address_does_not_overrule_whom_the_caller_asked() {
    let body = fs::read(folder().join("get_build_id_api_result.json")).unwrap();
    let beside = Beside { organization: "Contoso".to_owned(), ..beside() };
    let facts = build_facts(&beside, &body).unwrap();
    let [Fact::Run(fact)] = facts.as_slice() else { panic!("another kind") };
    assert_eq!(fact.key.organization, "contoso");
}

#[test]
fn an_empty_timeline_is_no_fact() {
    for empty in ["", " \n", "{}", r#"{"records":[]}"#, r#"{"records":null}"#] {
        assert_eq!(timeline_facts(&beside(), 1, empty.as_bytes()).unwrap(), [], "{empty}");
    }
}

#[test]
fn base64_with_marks_and_breaks_says_the_same() {
    for (name, body) in bodies() {
        let raw = decode(&body);
        let marked = [b"\xef\xbb\xbf".as_slice(), &body, b"\n"].concat();
        let encoded = STANDARD.encode(&body);
        let broken = encoded.as_bytes().chunks(76).map(<[u8]>::to_vec).collect::<Vec<_>>().join(b"\r\n".as_slice());
        let variants = [
            marked.clone(),
            STANDARD.encode(&marked).into_bytes(),
            format!("\u{feff} {encoded}\r\n").into_bytes(),
            encoded.trim_end_matches('=').as_bytes().to_vec(),
            broken,
        ];
        for variant in variants {
            assert_eq!(decode(&variant), raw, "{name}");
        }
    }
}

#[test]
fn the_first_runs_of_the_proposal_come_out() {
    let mut records: Vec<Record> = Vec::new();
    for (_, body) in bodies() {
        let Decoded::Facts(facts) = decode(&body) else { continue };
        for record in facts.iter().map(Record::of) {
            match records.iter_mut().find(|known| known.key() == record.key()) {
                Some(known) => known.absorb(record),
                None => records.push(record),
            }
        }
    }
    let shown: Vec<_> = records
        .iter()
        .filter_map(|record| if let Record::Run(record) = record { Some(record.shown()) } else { None })
        .collect();
    let run = |id| shown.iter().find(|run| run.key.run == id && run.key.organization == "fabrikam").unwrap();
    for (id, result, stages) in [
        (479, Outcome::Succeeded, 0),
        (480, Outcome::Failed, 2),
        (481, Outcome::Succeeded, 0),
        (482, Outcome::Canceled, 0),
        (510, Outcome::Succeeded, 1),
        (1203, Outcome::Succeeded, 4),
        (1204, Outcome::Canceled, 0),
    ] {
        let run = run(id);
        assert_eq!((&run.state, &run.result), (&Some(State::Completed), &Some(result)), "{id}");
        assert_eq!(run.stages.len(), stages, "{id}");
    }
    assert!([479, 480, 481].iter().all(|id| run(*id).key.pipeline == 7));
}

#[test]
fn other_names_of_an_organization_are_configured() {
    let aliases = [("Fabrikam", "Contoso"), ("c12d0eb8-e382-443b-9f9c-c52cba5014c2", "by-id")];
    let decoder = Decoder::new(aliases.map(|(from, to)| (from.to_owned(), to.to_owned())).into());
    let organization = |body: &[u8]| match decoder.decode(body).unwrap() {
        Decoded::Facts(facts) => facts.iter().filter_map(Fact::of_run).map(|fact| fact.key.organization.clone()).next(),
        Decoded::Ignored { .. } | Decoded::Named(_) => None,
    };
    let body = fs::read(folder().join("started_build.json")).unwrap();
    assert_eq!(organization(&body).as_deref(), Some("contoso"));
    let without_address = br#"{"eventType":"build.complete","createdDate":"2025-01-01T00:00:00Z",
        "resourceContainers":{"collection":{"id":"C12D0EB8-e382-443b-9f9c-c52cba5014c2"}},
        "resource":{"id":1,"definition":{"id":2},"status":"completed"}}"#;
    assert_eq!(organization(without_address).as_deref(), Some("by-id"));
}

#[test]
fn ids_come_from_the_links_where_the_fields_are_gone() {
    let body = |resource: &str| {
        format!(
            r#"{{"eventType":"ms.vss-pipelines.run-state-changed-event","createdDate":"2025-01-01T00:00:00","resource":{resource}}}"#
        )
    };
    let resources = [
        r#"{"run":{"state":"completed","id":0,"url":"https://dev.azure.com/O/p/_apis/Pipelines/7/Runs/479"}}"#,
        r#"{"runId":"479","run":{"state":"completed"},"pipeline":{"id":"7","url":"https://dev.azure.com/O/p/x"}}"#,
        r#"{"run":{"state":"completed","_links":{"web":{"href":"https://dev.azure.com/O/p/_build/results?buildId=479"},
            "pipeline.web":{"href":"https://dev.azure.com/O/p/_build/definition?definitionId=7"}}}}"#,
    ];
    for resource in resources {
        let Decoded::Facts(facts) = decode(body(resource).as_bytes()) else { panic!("ignored") };
        let Fact::Run(fact) = &facts[0] else { panic!("another kind") };
        assert_eq!((fact.key.organization.as_str(), fact.key.pipeline, fact.key.run), ("o", 7, 479), "{resource}");
        assert!(fact.labels.contains(&(Label::ProjectName, "p".to_owned())), "{:?}", fact.labels);
    }
}

/// What the test button of the service sends, as its documentation has it; cut down to what matters.
#[test]
fn events_of_the_test_button_are_nobodys() {
    let containers = |project: &str| {
        json!({"collection": {"id": "c12d0eb8-e382-443b-9f9c-c52cba5014c2"},
            "account": {"id": "f844ec47-a9db-4511-8281-8b63f4eaf94e"}, "project": {"id": project}})
    };
    let sample = "be9b3917-87e6-42a4-a549-2bc06a7a878f";
    let build = |organization: &str| {
        let url = format!("https://{organization}.visualstudio.com/DefaultCollection/71777fbc/_apis/build/Builds/2");
        json!({"id": 2, "status": "succeeded", "definition": {"id": 2}, "url": url})
    };
    let run = json!({"run": {"id": 11, "state": "completed", "url": "https://codedev.ms/org/863d0a5b/_apis/Pipelines/1/runs/11"},
        "pipeline": {"id": 1}});
    let without_run = json!({"approval": {"id": "0f027b05-0942-4a35-9218-26fa07d8760a", "status": "pending"}});
    let pull_request = |repository: &str| {
        let url = format!("https://fabrikam.visualstudio.com/DefaultCollection/_apis/git/repositories/{repository}");
        json!({"pullRequestId": 1, "status": "active", "repository": {"id": repository, "url": url}})
    };
    let item = json!({"id": 5, "rev": 1, "fields": {"System.State": "New"},
        "url": "http://fabrikam-fiber-inc.visualstudio.com/DefaultCollection/_apis/wit/workItems/5"});
    let made_up = "4bc14d40-c903-45e2-872e-0462c7748079";
    let table = [
        ("git.pullrequest.created", pull_request(made_up), sample, true),
        ("git.pullrequest.created", pull_request("9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d"), sample, false),
        ("workitem.created", item, sample, true),
        ("build.complete", build("fabrikam-fiber-inc"), sample, true),
        ("ms.vss-pipelines.run-state-changed-event", run.clone(), sample, true),
        ("ms.vss-pipelinechecks-events.approval-pending", without_run, sample, true),
        // Somebody's own, whatever the containers say; and the vendor's organization with containers of its own.
        ("build.complete", build("contoso"), sample, false),
        ("ms.vss-pipelines.run-state-changed-event", run, "efd47cfd-d35f-40ba-b424-e1ab432fdc68", false),
    ];
    for (name, resource, project, is_nobodys) in table {
        let body = json!({"eventType": name, "createdDate": "2026-03-02T08:00:00Z", "resource": resource,
            "resourceContainers": containers(project)});
        let read = Decoder::default().decode(body.to_string().as_bytes()).unwrap();
        assert_eq!(matches!(read, Decoded::Ignored { .. }), is_nobodys, "{body}");
    }
}
