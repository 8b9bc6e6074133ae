/// Kinds of events that are subscribed to together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Runs, stages, approvals and builds.
    Runs,
    Jobs,
    /// Pushes and pull requests.
    Code,
    /// Classic releases.
    Releases,
    /// Work items.
    Boards,
}

/// A kind of event, by the service's names:
/// <https://learn.microsoft.com/azure/devops/service-hooks/events>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) publisher: &'static str,
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// Whether there are other versions, so that one which is not named may be another.
    pub(super) has_other_versions: bool,
    pub(super) filter: Filter,
}

/// How its events can be cut down to those of one pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    PipelineId,
    /// By name: this publisher knows no other way.
    DefinitionName,
    None,
}

impl Filter {
    /// The name of the input.
    pub(super) fn input(self) -> Option<&'static str> {
        match self {
            Self::PipelineId => Some("pipelineId"),
            Self::DefinitionName => Some("definitionName"),
            Self::None => None,
        }
    }
}

const fn pipelines(name: &'static str) -> Event {
    Event {
        publisher: "pipelines",
        name,
        version: "5.1-preview.1",
        has_other_versions: false,
        filter: Filter::PipelineId,
    }
}

const fn tfs(name: &'static str, has_other_versions: bool) -> Event {
    Event { publisher: "tfs", name, version: "1.0", has_other_versions, filter: Filter::None }
}

const fn release(name: &'static str) -> Event {
    Event { publisher: "rm", name, version: "3.0-preview.1", has_other_versions: false, filter: Filter::None }
}

/// Only version 2.0 tells of `partiallySucceeded`, branch and commit in fields of their own.
pub(super) const BUILD_COMPLETE: Event =
    Event { version: "2.0", filter: Filter::DefinitionName, ..tfs("build.complete", true) };

pub(super) const RUNS: [Event; 5] = [
    pipelines("ms.vss-pipelines.run-state-changed-event"),
    pipelines("ms.vss-pipelines.stage-state-changed-event"),
    pipelines("ms.vss-pipelinechecks-events.approval-pending"),
    pipelines("ms.vss-pipelinechecks-events.approval-completed"),
    BUILD_COMPLETE,
];

const JOBS: [Event; 1] = [pipelines("ms.vss-pipelines.job-state-changed-event")];

const CODE: [Event; 4] = [
    tfs("git.push", false),
    tfs("git.pullrequest.created", false),
    tfs("git.pullrequest.updated", false),
    tfs("git.pullrequest.merged", false),
];

const RELEASES: [Event; 6] = [
    release("ms.vss-release.release-created-event"),
    release("ms.vss-release.release-abandoned-event"),
    release("ms.vss-release.deployment-approval-pending-event"),
    release("ms.vss-release.deployment-approval-completed-event"),
    release("ms.vss-release.deployment-started-event"),
    release("ms.vss-release.deployment-completed-event"),
];

const BOARDS: [Event; 2] = [tfs("workitem.created", true), tfs("workitem.updated", true)];

impl Group {
    pub const ALL: [Self; 5] = [Self::Runs, Self::Jobs, Self::Code, Self::Releases, Self::Boards];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Jobs => "jobs",
            Self::Code => "code",
            Self::Releases => "releases",
            Self::Boards => "boards",
        }
    }

    /// The one that it belongs to.
    pub(super) fn of(event_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.events().iter().any(|event| event.name == event_type))
    }

    pub(super) fn events(self) -> &'static [Event] {
        match self {
            Self::Runs => &RUNS,
            Self::Jobs => &JOBS,
            Self::Code => &CODE,
            Self::Releases => &RELEASES,
            Self::Boards => &BOARDS,
        }
    }
}
