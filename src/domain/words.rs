//! The service's own words. A word never seen before is a value (`Other`), kept as it came.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text::{MOST_WORD, cut};

/// Declares an open set of words. Ordered by the word's bytes, so that the order, which decides ties in
/// a merge, stays the same when a later version knows more words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// A word that this version does not know, as it came; cut where it is longer than any word should be.
            Other(String),
        }

        impl $name {
            /// The word as the service writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }

            /// Whether it is a word of the service, in any case, that this version knows.
            #[must_use]
            pub fn is_known(word: &str) -> bool {
                [$($word),+].iter().any(|known| known.eq_ignore_ascii_case(word))
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)+
                    other => Self::Other(cut(other, MOST_WORD).into_owned()),
                }
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.as_str() == other.as_str()
            }
        }

        impl Eq for $name {}

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                self.as_str().cmp(other.as_str())
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.as_str().hash(state);
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    // As what it is: only so can it be told from a text that says the same (`erase`).
                    $(Self::$variant => serializer.serialize_unit_variant(stringify!($name), 0, $word),)+
                    Self::Other(word) => serializer.serialize_str(word),
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Cow::<'de, str>::deserialize(deserializer).map(|word| Self::from(word.as_ref()))
            }
        }
    };
}

words! {
    /// The state of a run, a stage or a job.
    State {
        NotStarted = "notStarted",
        Waiting = "waiting",
        /// Stages and jobs say `running` where runs say `inProgress`.
        Running = "running",
        InProgress = "inProgress",
        Canceling = "canceling",
        Postponed = "postponed",
        Completed = "completed",
    }
}

impl State {
    /// Whether nothing is expected after it.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        *self == Self::Completed
    }
}

words! {
    /// How a run, a stage or a job ended. The service calls it `result`.
    Outcome {
        Succeeded = "succeeded",
        PartiallySucceeded = "partiallySucceeded",
        Failed = "failed",
        Canceled = "canceled",
        Skipped = "skipped",
        Rejected = "rejected",
        Abandoned = "abandoned",
    }
}

words! {
    /// The status of an approval.
    ApprovalStatus {
        Pending = "pending",
        Approved = "approved",
        Rejected = "rejected",
        Canceled = "canceled",
        Skipped = "skipped",
        TimedOut = "timedOut",
        /// Nobody told what became of it, and what it was asked for is over. No word of the service.
        Unknown = "unknown",
    }
}

words! {
    /// When an approval of a release is asked for. The service calls it `approvalType`.
    ApprovalPhase {
        PreDeploy = "preDeploy",
        PostDeploy = "postDeploy",
    }
}

words! {
    /// The status of a release.
    ReleaseStatus {
        Draft = "draft",
        Active = "active",
        Abandoned = "abandoned",
    }
}

words! {
    /// Which event or REST answer a fact about a release was read from.
    ReleaseFactKind {
        Created = "releaseCreated",
        Abandoned = "releaseAbandoned",
        DeploymentStarted = "deploymentStarted",
        DeploymentCompleted = "deploymentCompleted",
        ApprovalPending = "deploymentApprovalPending",
        ApprovalCompleted = "deploymentApprovalCompleted",
        /// An item of Deployments - List.
        Deployment = "deployment",
        /// An item of Releases - List.
        Release = "release",
    }
}

words! {
    /// What is said of an artifact of a release. The service calls it `definitionReference`.
    ArtifactPart {
        /// What made it, such as `Build` or `AzureContainerRepository`.
        Kind = "type",
        /// The id of the pipeline that made it, or of the repository.
        SourceId = "definitionId",
        SourceName = "definitionName",
        ProjectId = "projectId",
        ProjectName = "projectName",
        /// Of a build its run id, of an image its tag, of a repository the commit.
        VersionId = "versionId",
        /// Of a build its number.
        VersionName = "versionName",
        Branch = "branch",
        /// `true` of the one that names the release.
        Primary = "isPrimary",
    }
}

words! {
    /// Who makes a statement.
    Speaker {
        /// A run event, about the run and the stages that it lists.
        RunEvent = "runEvent",
        StageEvent = "stageEvent",
        JobEvent = "jobEvent",
        BuildComplete = "buildComplete",
        /// An answer of the REST API.
        Rest = "rest",
        /// What an event says in passing about something else than its subject, such as the run inside a
        /// stage event: possibly stale, so it counts only when nobody else spoke.
        Stub = "stub",
    }
}

words! {
    /// How far a pull request is.
    PullRequestStatus {
        Active = "active",
        Abandoned = "abandoned",
        Completed = "completed",
    }
}

words! {
    /// A text that describes a run, a release, a deployment, or what stands around runs.
    Label {
        RunName = "runName",
        ProjectId = "projectId",
        ProjectName = "projectName",
        PipelineName = "pipelineName",
        Branch = "branch",
        Commit = "commit",
        Repository = "repository",
        RequestedFor = "requestedFor",
        Reason = "reason",
        Url = "url",
        /// The id of a release's definition, or of the pipeline that deployed.
        DefinitionId = "definitionId",
        /// The name of the environment of a deployment.
        Environment = "environment",
        /// Where the pipeline stands: `\\` is the top.
        Folder = "folder",
        RepositoryId = "repositoryId",
        RepositoryType = "repositoryType",
        /// The ref that the repository says is its default branch.
        DefaultBranch = "defaultBranch",
        /// The run that a pipeline resource says started this one: its id, its pipeline's name, its number.
        TriggerRun = "triggerRun",
        TriggerPipeline = "triggerPipeline",
        TriggerVersion = "triggerVersion",
        /// The id of the run whose completion started this one.
        TriggeredBy = "triggeredBy",
        /// The commit whose push started it, possibly in a repository that is a resource only.
        PushedCommit = "pushedCommit",
        /// The number of the pull request that it verifies.
        PullRequest = "pullRequest",
        /// The repository of that pull request, by its id or name, where the trigger names one.
        PullRequestRepository = "pullRequestRepository",
        /// `true` where it comes from a fork.
        PullRequestFork = "pullRequestFork",
        PushedBy = "pushedBy",
        CreatedBy = "createdBy",
        /// Who completed or abandoned it.
        ClosedBy = "closedBy",
        Title = "title",
        Description = "description",
        SourceBranch = "sourceBranch",
        TargetBranch = "targetBranch",
        MergeStatus = "mergeStatus",
        WorkItemType = "workItemType",
        AssignedTo = "assignedTo",
        Area = "area",
        Iteration = "iteration",
        /// The id of the work item above.
        Parent = "parent",
        /// Of a work item, as the service writes them: with `;` between.
        Tags = "tags",
        /// The name of the pool of agents.
        Pool = "pool",
        /// The id of the run that an incident names as its cause.
        Run = "run",
    }
}

words! {
    /// What becomes of an incident.
    IncidentTurn {
        Opened = "opened",
        Resolved = "resolved",
    }
}

words! {
    /// What somebody told of. The words are those of `DevOps` Toolkit and `DevOpstic`.
    ReportKind {
        Push = "push",
        Deploy = "deploy",
        TestPass = "test_pass",
        TestRun = "test_run",
        Commit = "commit",
        /// For review.
        Submit = "submit",
        Approve = "approve",
    }
}

words! {
    /// Which event or REST answer a fact was read from.
    FactKind {
        RunStateChanged = "runStateChanged",
        StageStateChanged = "stageStateChanged",
        JobStateChanged = "jobStateChanged",
        BuildCompleted = "buildCompleted",
        ApprovalPending = "approvalPending",
        ApprovalCompleted = "approvalCompleted",
        /// An answer of Builds - Get or Builds - List.
        Build = "build",
        /// An answer of Timeline - Get.
        Timeline = "timeline",
    }
}

words! {
    /// Why events are lost. The first four are the service's own words for a subscription's status.
    GapReason {
        OnProbation = "onProbation",
        DisabledBySystem = "disabledBySystem",
        DisabledByUser = "disabledByUser",
        DisabledByInactiveIdentity = "disabledByInactiveIdentity",
        /// There is no such subscription.
        Missing = "missing",
        /// Runs happened, and the subscription that should tell of them delivered nothing.
        Silence = "silence",
        /// It was open when nobody wanted its events any more: whether they come again is not known.
        NoLongerWatched = "noLongerWatched",
    }
}

words! {
    /// The status of a service hook's subscription.
    SubscriptionStatus {
        Enabled = "enabled",
        /// The service tries again now and then what it could not deliver, and loses every new event.
        OnProbation = "onProbation",
        DisabledByUser = "disabledByUser",
        DisabledBySystem = "disabledBySystem",
        DisabledByInactiveIdentity = "disabledByInactiveIdentity",
    }
}

words! {
    /// What came of delivering an event.
    DeliveryResult {
        Pending = "pending",
        Succeeded = "succeeded",
        Failed = "failed",
        Filtered = "filtered",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_words_are_kept_as_they_came() {
        let state: State = serde_json::from_str("\"somethingNew\"").unwrap();
        assert_eq!(state, State::Other("somethingNew".to_owned()));
        assert_eq!(serde_json::to_string(&state).unwrap(), "\"somethingNew\"");
        assert_eq!(State::from("x".repeat(1_000).as_str()).as_str(), format!("{}…", "x".repeat(29)));
    }

    #[test]
    fn order_is_that_of_the_words() {
        assert!(State::Canceling < State::Completed);
        assert!(State::Other("cancelled".to_owned()) > State::Canceling);
        assert!(State::Other("cancelled".to_owned()) < State::Completed);
    }

    #[test]
    fn a_known_word_in_other_is_that_word() {
        assert_eq!(Outcome::Other("failed".to_owned()), Outcome::Failed);
    }
}
