//! What each kind of record refers to, by itself.

use std::collections::BTreeSet;

use super::bedrock::{OpenedBy, image_tag, is_deployment, is_reconcile, number_of_image, number_of_tag, opened_by};
use super::text::{merged_pull_request, numbers};
use super::{Node, Reference, Rule, When};
use crate::domain::changes::ShownChanges;
use crate::domain::commit::{ShownCommit, commit_id};
use crate::domain::deployment::ShownDeployment;
use crate::domain::pull_request::{ShownPullRequest, ShownSource};
use crate::domain::push::ShownPush;
use crate::domain::release::{ShownArtifact, ShownRelease};
use crate::domain::run::{ShownOrigin, ShownRun, ShownStage};
use crate::domain::work_item::ShownWorkItem;
use crate::domain::{Outcome, Said};

/// Where a repository is: a number of a pull request means nothing without it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Host {
    Azure,
    Foreign,
    Unknown,
}

impl Host {
    /// Builds and events have words of their own.
    fn of(repository_type: Option<&str>) -> Self {
        match repository_type {
            None => Self::Unknown,
            Some(word) if word.eq_ignore_ascii_case("TfsGit") || word.eq_ignore_ascii_case("azureReposGit") => {
                Self::Azure
            }
            Some(_) => Self::Foreign,
        }
    }
}

/// The runs that it was made from, and the environments that it came to.
#[must_use]
pub fn of_release(release: &ShownRelease) -> Vec<Reference> {
    let this = || Node::release(&release.key.project, release.key.release);
    let runs = release.artifacts.iter().filter_map(ShownArtifact::run);
    let made = runs.map(|run| Reference::certain(Node::Run(run), this(), Rule::ReleaseArtifact));
    let reached = came(&release.environments).map(|stage| {
        let project = release.project_name.as_ref().map_or(release.key.project.as_str(), |Said(_, name)| name);
        Reference::certain(this(), Node::environment(project, &stage.name), Rule::Released)
    });
    let all: BTreeSet<_> = made.chain(reached).collect();
    all.into_iter().collect()
}

/// The environment that the run came to.
#[must_use]
pub fn of_deployment(deployment: &ShownDeployment) -> Vec<Reference> {
    let key = &deployment.key;
    let project = deployment.project_name.as_ref().map_or(key.project.as_str(), |Said(_, name)| name);
    let number = key.environment.to_string();
    let name = deployment.environment.as_ref().map_or(number.as_str(), |Said(_, name)| name);
    let reached = came(&deployment.stages).next();
    let reached = reached
        .map(|_| Reference::certain(Node::Run(key.run), Node::environment(project, name), Rule::DeploymentRecord));
    reached.into_iter().collect()
}

/// What failed did not come there.
fn came(stages: &[ShownStage]) -> impl Iterator<Item = &ShownStage> {
    stages.iter().filter(|stage| matches!(stage.result, Some(Outcome::Succeeded | Outcome::PartiallySucceeded)))
}

/// What triggered it, what it built, which pull request it verified.
#[must_use]
pub fn of_run(run: &ShownRun) -> Vec<Reference> {
    let this = || Node::Run(run.key.run);
    let origin = &run.origin;
    let own = run.commit.as_deref().and_then(commit_id);
    let built = own.iter().map(|id| Reference::certain(Node::Commit(id.clone()), this(), Rule::Built));
    let mut found: Vec<Reference> = built.collect();
    found.extend(triggers(origin, &this()));
    found.extend(origin.consumed.iter().flat_map(|consumed| {
        let by_name = consumed.version.as_ref().zip(consumed.pipeline.as_ref()).map(|(version, pipeline)| {
            Reference::likely(Node::run_named(Some(pipeline), version), this(), Rule::Consumed)
        });
        // The specification calls it a pipeline's id; it was seen to be a run's.
        let by_id = consumed.id.zip(consumed.version.as_ref()).map(|(id, version)| {
            let when = When::called(Some(version), consumed.pipeline.as_deref());
            Reference::certain(Node::Run(id), this(), Rule::Consumed).when(when)
        });
        by_id.into_iter().chain(by_name)
    }));
    let images = origin.images.iter().filter_map(|image| number_of_image(image));
    found.extend(images.map(|number| Reference::likely(Node::run_named(None, number), this(), Rule::ContainerImage)));
    let pushed = origin.pushed_commit.as_deref().and_then(commit_id).filter(|id| Some(id) != own.as_ref());
    found.extend(pushed.map(|id| Reference::certain(Node::Commit(id), this(), Rule::Pushed)));
    found.extend(verified(run, &this()));
    found.extend(by_branch(run.branch.as_deref(), &this()));
    found
}

/// Whatever the reason is. A trigger with a filter on stages starts the run before the other one ends, so times decide
/// nothing either.
fn triggers(origin: &ShownOrigin, this: &Node) -> Vec<Reference> {
    let resource = origin.trigger.as_ref().and_then(|trigger| {
        let id = trigger.id?;
        let when = When::called(trigger.version.as_deref(), trigger.pipeline.as_deref());
        Some(Reference::certain(Node::Run(id), this.clone(), Rule::PipelineResource).when(when))
    });
    // Not beside an id: another run with that number is the wrong one.
    let named = origin.trigger.as_ref().filter(|trigger| trigger.id.is_none()).and_then(|trigger| {
        let cause = Node::run_named(Some(trigger.pipeline.as_ref()?), trigger.version.as_ref()?);
        Some(Reference::likely(cause, this.clone(), Rule::PipelineResource))
    });
    let completion =
        origin.triggered_by.map(|id| Reference::certain(Node::Run(id), this.clone(), Rule::CompletionTrigger));
    [resource, named, completion].into_iter().flatten().collect()
}

/// The pull request that a run verified. It is certain only where it is known to be of the run's repository: whoever asks
/// looks at both.
fn verified(run: &ShownRun, this: &Node) -> Vec<Reference> {
    let origin = &run.origin;
    let own = origin.repository_id.as_ref().or(run.repository.as_ref());
    let told = origin.pull_request_repository.as_ref().or(own);
    let by_trigger = origin.pull_request.map(|number| (number, Rule::PullRequestTrigger, told));
    let by_branch = run.branch.as_deref().and_then(pull_request_of);
    let by_branch = by_branch.map(|number| (number, Rule::PullRequestBranch, own));
    let host = Host::of(origin.repository_type.as_deref());
    let reference = |(number, rule, repository): (u64, Rule, Option<&String>)| {
        let likely = || Reference::likely(Node::PullRequest(number), this.clone(), rule);
        let inside = repository.map(|repository| likely().when(When::Repository(repository.clone())));
        match host {
            Host::Foreign => {
                let foreign = run.repository.as_deref().map(|name| Node::foreign_pull_request(name, number));
                [foreign.map(|foreign| Reference::certain(foreign, this.clone(), rule)), None]
            }
            // What is called the repository may be the fork: then another one says nothing against it.
            Host::Azure if origin.is_of_fork || inside.is_none() => [inside, Some(likely())],
            // That of GitHub with the same number is another one.
            Host::Azure | Host::Unknown => [inside, None],
        }
    };
    by_trigger.into_iter().chain(by_branch).flat_map(reference).flatten().collect()
}

fn pull_request_of(branch: &str) -> Option<u64> {
    let number = branch.strip_prefix("refs/pull/")?.split('/').next()?;
    number.parse().ok().filter(|number| *number > 0)
}

/// The numbers of a branch: whether one is a work item is for the configured patterns to say.
fn by_branch(branch: Option<&str>, this: &Node) -> Vec<Reference> {
    let Some(branch) = branch.and_then(|branch| branch.strip_prefix("refs/heads/")) else { return Vec::new() };
    let when = || When::Branch(branch.to_owned());
    let reference = |id| Reference::likely(Node::WorkItem(id), this.clone(), Rule::BranchName).when(when());
    numbers(branch).into_iter().map(reference).collect()
}

/// The commits that a run built, and what these name.
#[must_use]
pub fn of_changes(changes: &ShownChanges) -> Vec<Reference> {
    let run = Node::Run(changes.key.run);
    let host = Host::of(changes.repository_type.as_deref());
    let of = |commit: &ShownCommit| {
        let built = Reference::certain(Node::Commit(commit.id.clone()), run.clone(), Rule::BuildChange);
        [built].into_iter().chain(of_commit(commit, host, changes.repository.as_deref()))
    };
    changes.commits.iter().flat_map(of).collect()
}

/// What the commits of a push name. Only repositories of Azure DevOps tell of pushes.
#[must_use]
pub fn of_push(push: &ShownPush) -> Vec<Reference> {
    let repository = Some(push.key.repository.as_str()).filter(|id| !id.is_empty());
    push.commits.iter().flat_map(|commit| of_commit(commit, Host::Azure, repository)).collect()
}

fn of_commit(commit: &ShownCommit, host: Host, repository: Option<&str>) -> Vec<Reference> {
    let this = || Node::Commit(commit.id.clone());
    let ShownCommit { commit, .. } = commit;
    let items = commit.work_items.iter();
    let named = items.map(|id| Reference::certain(Node::WorkItem(*id), this(), Rule::Mention));
    let message = commit.message.as_deref().filter(|_| host == Host::Azure);
    let merged = message.and_then(merged_pull_request).map(|id| {
        let reference = Reference::likely(Node::PullRequest(id), this(), Rule::MergeMessage);
        // A manifest's message repeats that of another repository.
        let own = message.is_some_and(|message| message.starts_with("Merged PR "));
        match repository.filter(|_| own) {
            Some(repository) => reference.when(When::Repository(repository.to_owned())),
            None => reference,
        }
    });
    named.chain(merged).collect()
}

/// Its commits, its work items, and the run that opened it.
#[must_use]
pub fn of_pull_request(pull_request: &ShownPullRequest) -> Vec<Reference> {
    let this = || Node::PullRequest(pull_request.key.id);
    let sources = pull_request.sources.iter().map(|ShownSource { id, is_current }| {
        let found = if *is_current { Reference::certain } else { Reference::likely };
        found(Node::Commit(id.clone()), this(), Rule::PullRequestCommit)
    });
    // The other merges were made only to try it.
    let merge = pull_request.merge_commit.iter();
    let merge = merge.map(|id| Reference::certain(this(), Node::Commit(id.clone()), Rule::MergeCommit));
    let items = pull_request.work_items.iter().map(|id| Reference::certain(Node::WorkItem(*id), this(), Rule::Mention));
    let mut found: Vec<Reference> = sources.chain(merge).chain(items).collect();
    found.extend(by_branch(pull_request.source.as_deref(), &this()));
    found.extend(opened(pull_request));
    found
}

/// The run of which a pull request brings the image into the high-level definition.
fn opened(pull_request: &ShownPullRequest) -> Option<Reference> {
    let (title, description) = (pull_request.title.as_deref(), pull_request.description.as_deref());
    if is_reconcile(pull_request.source.as_deref(), title) {
        return None;
    }
    let this = Node::PullRequest(pull_request.key.id);
    if let Some(OpenedBy { pipeline, id, number }) = description.and_then(opened_by) {
        // A text that anybody may copy, unless the rest is as it is written by the same pipeline.
        let is_its_own = is_deployment(pull_request.source.as_deref(), title);
        let found = if is_its_own { Reference::certain } else { Reference::likely };
        let when = When::called(Some(number), Some(pipeline));
        return Some(found(Node::Run(id), this, Rule::DescribedBuild).when(when));
    }
    let number = title.and_then(image_tag).and_then(number_of_tag)?;
    Some(Reference::likely(Node::run_named(None, number), this, Rule::ImageTag))
}

/// What people or the service linked to it.
#[must_use]
pub fn of_work_item(item: &ShownWorkItem) -> Vec<Reference> {
    let this = || Node::WorkItem(item.key.id);
    let linked = item.relations.iter().filter(|to| **to != this());
    linked.map(|to| Reference::certain(this(), to.clone(), Rule::WorkItemLink)).collect()
}
