//! Two projects of one organization, which refer to each other wherever projects can. All that belongs to one of them
//! has its word or its numbers in it.

use pipetrail::domain::chain::Chain;
use pipetrail::domain::changes::ChangesFact;
use pipetrail::domain::deployment::{DeploymentFact, DeploymentJobSaid};
use pipetrail::domain::gap::GapFact;
use pipetrail::domain::incident::IncidentFact;
use pipetrail::domain::link::Node;
use pipetrail::domain::owner::OwnerRule;
use pipetrail::domain::pull_request::{CommitRole, PullRequestFact};
use pipetrail::domain::push::{PushFact, RefUpdate};
use pipetrail::domain::release::{ArtifactSaid, EnvironmentSaid, ReleaseFact};
use pipetrail::domain::run::{ApprovalSaid, ApprovalStatement, Failure, JobSaid, RunFact, StageSaid, Statement};
use pipetrail::domain::work_item::{Relation, WorkItemFact};
use pipetrail::domain::{
    ApprovalStatus, ArtifactPart, Commit, DeploymentKey, Fact, FactKind, GapKey, GapReason, HookLook, IncidentKey,
    IncidentTurn, Label, Outcome, Pattern, PullRequestKey, PushKey, ReleaseFactKind, ReleaseKey, RunKey, SeenHook,
    State, Time, WorkItemKey,
};

use crate::support::time;

pub(crate) const ORGANIZATION: &str = "fabrikam";
/// A commit that both projects have pushed.
pub(crate) const SHARED: &str = "cccc000000000000000000000000000000000000";

#[derive(Debug, Clone, Copy)]
pub(crate) struct Side {
    pub(crate) word: &'static str,
    /// The greatest number of its things begins so.
    pub(crate) base: u64,
    pub(crate) commit: &'static str,
}

pub(crate) const AMBER: Side =
    Side { word: "amber", base: 110_110, commit: "aaaa110000000000000000000000000000000000" };
pub(crate) const VIOLET: Side =
    Side { word: "violet", base: 770_770, commit: "bbbb770000000000000000000000000000000000" };

pub(crate) fn both() -> Vec<Fact> {
    [AMBER.facts(VIOLET), VIOLET.facts(AMBER)].concat()
}

fn at(minute: u64) -> Time {
    time("2026-03-02T10:00:00Z").plus(std::time::Duration::from_secs(60 * minute))
}

fn done(result: Outcome, minute: u64) -> Statement {
    Statement {
        result: Some(result),
        started: Some(at(minute)),
        finished: Some(at(minute + 1)),
        ..Statement::at(at(minute + 1))
    }
}

impl Side {
    pub(crate) fn run(self) -> u64 {
        self.base
    }

    pub(crate) fn pipeline(self) -> u64 {
        self.base + 1
    }

    pub(crate) fn pull_request(self) -> u64 {
        self.base + 4
    }

    pub(crate) fn work_item(self) -> u64 {
        self.base + 6
    }

    pub(crate) fn project(self) -> String {
        format!("{} project", self.word)
    }

    pub(crate) fn project_id(self) -> String {
        format!("{}-0000-4000", self.word)
    }

    /// How its hooks were five minutes before the time of the tests: one is ill.
    pub(crate) fn hooks(self) -> HookLook {
        let hook = |event: &str, finding: Option<&str>| SeenHook {
            event_type: event.to_owned(),
            pipeline: None,
            subscription_id: finding.map(|_| self.text("subscription")),
            finding: finding.map(str::to_owned),
            says: finding.map(|_| self.text("failure")),
            since: finding.map(|_| time("2026-03-02T10:00:00Z")),
        };
        HookLook {
            organization: ORGANIZATION.to_owned(),
            project: self.project(),
            project_id: self.project_id(),
            at: time("2026-03-02T11:55:00Z"),
            every: 600,
            hooks: vec![hook("git.push", None), hook("build.complete", Some("onProbation"))],
        }
    }

    /// The rule of its team, which answers for its pipeline.
    pub(crate) fn owner(self) -> OwnerRule {
        OwnerRule {
            service: self.text("service"),
            team: Some(self.text("team")),
            members: vec![self.text("member")],
            pipelines: vec![Pattern::new(&self.text("pipeline"))],
            folders: Vec::new(),
            repositories: Vec::new(),
        }
    }

    /// A chain that its repository is a part of.
    pub(crate) fn chain(self) -> Chain {
        let repository = vec![Pattern::new(&self.repository())];
        Chain { hld: repository, ..Chain::named(&self.text("chain")) }
    }

    fn text(self, what: &str) -> String {
        format!("{} {what}", self.word)
    }

    fn repository(self) -> String {
        format!("{}-repository", self.word)
    }

    fn labels(self) -> Vec<(Label, String)> {
        vec![(Label::ProjectId, self.project_id()), (Label::ProjectName, self.project())]
    }

    /// A run of its own, with so many after the first.
    pub(crate) fn run_fact(self, nth: u64) -> RunFact {
        let key =
            RunKey { organization: ORGANIZATION.to_owned(), pipeline: self.pipeline(), run: self.base + 10 * nth };
        let mut fact = RunFact::new(key, FactKind::BuildCompleted, at(20 + nth));
        fact.labels = self.labels();
        fact.labels.extend([
            (Label::PipelineName, self.text("pipeline")),
            (Label::RunName, format!("{}.{nth}", self.word)),
            (Label::Branch, format!("refs/heads/{}", self.word)),
            (Label::Commit, self.commit.to_owned()),
            (Label::Repository, self.repository()),
            (Label::RequestedFor, self.text("person")),
            (Label::Reason, "manual".to_owned()),
            (Label::Folder, format!("\\{}", self.word)),
            (Label::Url, format!("https://dev.azure.com/fabrikam/{}", self.word)),
        ]);
        fact.run = Some((State::Completed, done(Outcome::Succeeded, 10 + nth)));
        fact
    }

    fn runs(self, other: Self) -> [RunFact; 2] {
        let mut good = self.run_fact(0);
        good.labels.push((Label::TriggeredBy, other.run().to_string()));
        let says = done(Outcome::Succeeded, 10);
        good.stages =
            vec![StageSaid { name: self.text("stage"), attempt: Some(1), state: State::Completed, says: says.clone() }];
        good.jobs = vec![JobSaid {
            stage: self.text("stage"),
            stage_attempt: Some(1),
            name: self.text("job"),
            attempt: Some(1),
            state: State::Completed,
            says,
        }];
        good.approvals = vec![ApprovalSaid {
            id: self.text("approval"),
            status: ApprovalStatus::Approved,
            says: ApprovalStatement {
                said: at(9),
                phase: None,
                stage: Some(self.text("stage")),
                attempt: Some(1),
                requested: Some(at(9)),
                changed: Some(at(10)),
                approvers: vec![self.text("approver")],
            },
        }];
        let mut bad = self.run_fact(1);
        bad.run = Some((State::Completed, done(Outcome::Failed, 11)));
        bad.failure = Some(Failure {
            said: at(12),
            stage: Some(self.text("stage")),
            job: None,
            task: None,
            message: Some(self.text("broke")),
            log: None,
        });
        [good, bad]
    }

    /// So many more runs, each with an approval and a deployment; and as many work items with one pull request.
    pub(crate) fn crowd(self, count: u64) -> Vec<Fact> {
        let facts = |nth: u64| {
            let mut run = self.run_fact(nth);
            run.run = Some((State::Completed, done(Outcome::Succeeded, 10)));
            let says = ApprovalStatement {
                said: at(9),
                phase: None,
                stage: Some(self.text("stage")),
                attempt: Some(1),
                requested: Some(at(9)),
                changed: None,
                approvers: Vec::new(),
            };
            run.approvals =
                vec![ApprovalSaid { id: format!("approval {nth}"), status: ApprovalStatus::Approved, says }];
            let id = self.base + 100_000 + nth;
            let mut item = WorkItemFact::new(WorkItemKey { organization: ORGANIZATION.to_owned(), id }, at(1), 1);
            item.labels = vec![(Label::ProjectName, self.project())];
            item.relations = vec![Relation { to: Node::PullRequest(self.pull_request()), is_there: true }];
            [Fact::WorkItem(item), self.deployment("dev", self.base + 2, run.key.run), Fact::Run(run)]
        };
        (100..100 + count).flat_map(facts).collect()
    }

    fn deployments(self) -> Vec<Fact> {
        [("dev", 2), ("prod", 3)].map(|(name, id)| self.deployment(name, self.base + id, self.run())).into()
    }

    fn deployment(self, environment: &str, id: u64, run: u64) -> Fact {
        let mut labels = self.labels();
        labels.extend([
            (Label::Environment, environment.to_owned()),
            (Label::DefinitionId, self.pipeline().to_string()),
            (Label::PipelineName, self.text("pipeline")),
        ]);
        let job = DeploymentJobSaid {
            stage: self.text("stage"),
            stage_attempt: Some(1),
            name: self.text("job"),
            attempt: Some(1),
            state: State::Completed,
            says: done(Outcome::Succeeded, 12),
        };
        let key = DeploymentKey::new(ORGANIZATION, &self.project_id(), id, run);
        Fact::Deployment(DeploymentFact { key, said: at(13), labels, job })
    }

    /// It brings the other project's run to an environment.
    fn release(self, other: Self) -> Fact {
        let key = ReleaseKey::new(ORGANIZATION, &self.project_id(), self.base + 8);
        let mut fact = ReleaseFact::new(key, ReleaseFactKind::Release, at(15));
        fact.labels = self.labels();
        fact.labels.extend([
            (Label::RunName, self.text("release")),
            (Label::DefinitionId, (self.base + 9).to_string()),
            (Label::PipelineName, self.text("definition")),
        ]);
        let says = done(Outcome::Succeeded, 14);
        fact.environments =
            vec![EnvironmentSaid { name: "prod".to_owned(), attempt: Some(1), state: State::Completed, says }];
        let parts = vec![
            (ArtifactPart::Kind, "Build".to_owned()),
            (ArtifactPart::VersionId, other.run().to_string()),
            (ArtifactPart::Primary, "true".to_owned()),
        ];
        fact.artifacts = vec![ArtifactSaid { alias: "it".to_owned(), parts }];
        Fact::Release(fact)
    }

    fn commits(self) -> Vec<(String, Commit)> {
        let commit = || Commit::new(Some(at(1)), Some(&self.text("author")), Some(&self.text("message")));
        vec![(self.commit.to_owned(), commit()), (SHARED.to_owned(), commit())]
    }

    fn push(self) -> Fact {
        let mut fact = PushFact::new(PushKey::new(ORGANIZATION, &self.repository(), self.base + 7), at(2));
        fact.labels = self.labels();
        fact.labels.extend([(Label::Repository, self.repository()), (Label::PushedBy, self.text("person"))]);
        fact.refs = vec![RefUpdate { name: format!("refs/heads/{}", self.word), old: None, new: None }];
        fact.commits = self.commits();
        Fact::Push(fact)
    }

    fn code(self, other: Self) -> Vec<Fact> {
        let key = PullRequestKey::new(ORGANIZATION, &self.repository(), self.pull_request());
        let mut pull_request = PullRequestFact::new(key, at(3));
        pull_request.labels = self.labels();
        pull_request.labels.extend([(Label::Title, self.text("title")), (Label::Repository, self.repository())]);
        pull_request.commits =
            vec![(CommitRole::Source, self.commit.to_owned()), (CommitRole::Source, SHARED.to_owned())];
        pull_request.work_items = Some(vec![self.work_item(), other.work_item()]);
        let mut item =
            WorkItemFact::new(WorkItemKey { organization: ORGANIZATION.to_owned(), id: self.work_item() }, at(1), 1);
        item.labels = vec![(Label::ProjectName, self.project()), (Label::Title, self.text("item"))];
        let related =
            [Node::PullRequest(other.pull_request()), Node::Run(other.run()), Node::WorkItem(other.work_item())];
        item.relations = related.into_iter().map(|to| Relation { to, is_there: true }).collect();
        let changes = ChangesFact {
            key: RunKey { organization: ORGANIZATION.to_owned(), pipeline: self.pipeline(), run: self.run() },
            said: at(4),
            since: None,
            labels: vec![(Label::Repository, self.repository())],
            commits: self.commits(),
        };
        vec![self.push(), Fact::PullRequest(pull_request), Fact::WorkItem(item), Fact::Changes(changes)]
    }

    fn incident(self) -> Fact {
        Fact::Incident(IncidentFact {
            key: IncidentKey::new(ORGANIZATION, &format!("{}-1", self.word)).unwrap(),
            said: at(30),
            turns: vec![(at(30), IncidentTurn::Opened)],
            labels: vec![(Label::ProjectName, self.project()), (Label::Title, self.text("is down"))],
        })
    }

    fn facts(self, other: Self) -> Vec<Fact> {
        let mut gap = GapFact::new(GapKey::new(ORGANIZATION, &self.project_id(), "build.complete"), at(0), at(5));
        gap.project_name = Some(self.project());
        gap.why = Some(GapReason::OnProbation);
        let runs = self.runs(other).into_iter().map(Fact::Run);
        let rest =
            [self.deployments(), self.code(other), vec![self.release(other), self.incident(), Fact::Gap(gap)]].concat();
        runs.chain(rest).collect()
    }
}
