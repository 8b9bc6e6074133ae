use std::fmt;

/// How sure a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certainty {
    Likely,
    Certain,
}

impl Certainty {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}

/// Declares the rules with the words that are shown and stored.
macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident = $word:literal,)+) => {
        /// Why a link is there.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $($(#[$doc])* $rule,)+
        }

        impl Rule {
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$rule => $word,)+
                }
            }

            /// What [`Rule::as_str`] gave.
            #[must_use]
            pub fn of(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$rule),)+
                    _ => None,
                }
            }
        }
    };
}

rules! {
    /// A pipeline resource started the run: `triggerInfo`.
    PipelineResource = "pipelineResource",
    /// A completion trigger that was set in the user interface: `triggeredByBuild`.
    CompletionTrigger = "completionTrigger",
    /// The run used that run's artifacts, whatever started it.
    Consumed = "consumed",
    /// The tag of a container's image that the run uses ends with that run's number.
    ContainerImage = "containerImage",
    /// The run built the commit.
    Built = "built",
    /// The service lists the commit among the build's changes.
    BuildChange = "buildChange",
    /// A push with this commit started the run, possibly in a repository that is a resource only.
    Pushed = "pushed",
    /// The run verified the pull request: the trigger's number.
    PullRequestTrigger = "pullRequestTrigger",
    /// The same by the branch: `refs/pull/{number}/merge`.
    PullRequestBranch = "pullRequestBranch",
    /// The pull request was merged by the commit.
    MergeCommit = "mergeCommit",
    /// The pull request is to merge the commit.
    PullRequestCommit = "pullRequestCommit",
    /// The commit's message says so: `Merged PR {number}: …`.
    MergeMessage = "mergeMessage",
    /// Named in a commit's message or a pull request's text: `AB#123`, `Related work items: #123`.
    Mention = "mention",
    /// Found in a branch by one of the configured patterns.
    BranchName = "branchName",
    /// Linked from the work item.
    WorkItemLink = "workItemLink",
    /// The pull request's description names the run that opened it, as Bedrock's pipelines do.
    DescribedBuild = "describedBuild",
    /// The release was made from the run: its artifact's version is the id of the build.
    ReleaseArtifact = "releaseArtifact",
    /// The release was deployed to its environment, and that succeeded.
    Released = "released",
    /// A deployment record of the environment names the run, and says that it succeeded.
    DeploymentRecord = "deploymentRecord",
    /// A stage of the run has no deployment record, but stages of that name of the same pipeline have made some.
    StageOfRecords = "stageOfRecords",
    /// A stage of the run is called as the environment, and its pipeline has made no deployment records.
    StageName = "stageName",
    /// The pull request's title names an image tag that ends with a run's number, as Bedrock's pipelines do.
    ImageTag = "imageTag",
    /// The message of a commit of the manifests repeats that of the commit of the high-level definition, and it was made
    /// while that one's run was under way.
    ManifestMessage = "manifestMessage",
    /// It was pushed while the step that makes such commits was under way, and nothing else was.
    PushWindow = "pushWindow",
    /// The run made no commit since nothing was different: what was there before stays.
    NoDifference = "noDifference",
    /// The cluster told of this commit of the manifests.
    ClusterTold = "clusterTold",
    /// The cluster told of a later commit of the same branch.
    LaterCommit = "laterCommit",
    /// The next run on the branch, which takes the commits of several pushes together.
    NextRun = "nextRun",
    /// Everything else that runs of this pipeline brought is of this one service.
    SamePipeline = "samePipeline",
    /// Nothing says the service: the release's definition, or the pipeline, is called so.
    CalledLike = "calledLike",
}

impl Rule {
    /// Whether one run started the other.
    #[must_use]
    pub fn is_trigger(self) -> bool {
        matches!(self, Self::PipelineResource | Self::CompletionTrigger)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
