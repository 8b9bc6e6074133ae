use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{ListFormat, duration};

#[derive(Debug, Subcommand)]
pub enum Subscriptions {
    /// Show what `apply` would do; needs the right "View subscriptions"
    Plan(SubscriptionsPlan),
    /// Make what should be there; needs the right "Edit subscriptions", with --prune also "Delete subscriptions"
    Apply(SubscriptionsApply),
    /// List our subscriptions with what they delivered; needs the right "View subscriptions"
    List(SubscriptionsList),
    /// Say what is wrong, what it means, and what mends it; exit 1 if anything is. Needs the right "View subscriptions"
    Doctor(SubscriptionsDoctor),
    /// Have Azure DevOps send a test event, and see it arrive; needs the right "Edit subscriptions"
    Test(SubscriptionsTest),
    /// Give all our subscriptions the account's other key; needs the right "Edit subscriptions"
    RotateKey(SubscriptionsRotateKey),
    /// Remove our subscriptions; needs the right "Delete subscriptions"
    Remove(SubscriptionsRemove),
}

/// Whose subscriptions. The rights are those of the namespace ServiceHooks, which project administrators have. A personal
/// access token also needs to read projects and builds.
#[derive(Debug, Clone, Args)]
pub struct Scope {
    /// The organization [env: PIPETRAIL_ORGANIZATION]
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
    /// The projects, with commas between them [env: PIPETRAIL_PROJECTS]
    #[arg(long, value_name = "ID|NAME", value_delimiter = ',', conflicts_with = "all_projects")]
    pub project: Vec<String>,
    /// All projects of the organization
    #[arg(long)]
    pub all_projects: bool,
}

/// What should be there. Commands that do with less leave options out, as they would do nothing.
#[derive(Debug, Clone, Args)]
pub struct Desired {
    #[command(flatten)]
    pub scope: Scope,
    /// Which events: runs, jobs, code (pushes, pull requests), releases (classic), boards (work items)
    #[arg(long, value_enum, value_name = "GROUP", value_delimiter = ',', default_values = ["runs"])]
    pub groups: Vec<EventGroup>,
    /// Only these pipelines of the one project, with commas between them
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub pipeline: Vec<u64>,
    #[command(flatten)]
    pub aim: Aim,
    #[command(flatten)]
    pub place: QueueName,
    /// How long an event waits on the queue before Azure removes it, at most 7d [default: 7d]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub ttl: Option<Duration>,
    /// How long an event stays hidden on the queue at first [default: 0s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub visibility: Option<Duration>,
}

impl Desired {
    /// All else is as if it was not said.
    fn of(scope: &Scope, aim: &Aim, place: &QueueName) -> Self {
        Self {
            scope: scope.clone(),
            groups: vec![EventGroup::Runs],
            pipeline: Vec::new(),
            aim: aim.clone(),
            place: place.clone(),
            ttl: None,
            visibility: None,
        }
    }
}

/// Where events go.
#[derive(Debug, Clone, Default, Args)]
pub struct Aim {
    /// Where events go: a queue of Azure Storage, by AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY or a connection
    /// string; or a web hook of `up`
    #[arg(long, value_enum, value_name = "KIND", default_value_t = To::Queue)]
    pub to: To,
    /// Web hook: the https address at which Azure DevOps reaches `up`; user and password are
    /// PIPETRAIL_HOOK_USER and PIPETRAIL_HOOK_PASSWORD [env: PIPETRAIL_PUBLIC_URL]
    #[arg(long, value_name = "ADDRESS")]
    pub url: Option<String>,
}

/// Which queue of the account.
#[derive(Debug, Clone, Default, Args)]
pub struct QueueName {
    /// The queue [env: PIPETRAIL_QUEUE] [default: ado-events]
    #[arg(long, value_name = "NAME")]
    pub queue: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum To {
    #[default]
    Queue,
    WebHook,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EventGroup {
    Runs,
    Jobs,
    Code,
    Releases,
    Boards,
}

#[derive(Debug, Args)]
pub struct SubscriptionsPlan {
    #[command(flatten)]
    pub desired: Desired,
    /// Also remove ours that are no longer wanted
    #[arg(long)]
    pub prune: bool,
    /// What to print
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = ListFormat::Table)]
    pub output: ListFormat,
}

#[derive(Debug, Args)]
pub struct SubscriptionsApply {
    #[command(flatten)]
    pub plan: SubscriptionsPlan,
    /// Do it: without this only the plan is printed
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct SubscriptionsList {
    #[command(flatten)]
    pub scope: Scope,
    #[command(flatten)]
    pub aim: Aim,
    /// What to print
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = ListFormat::Table)]
    pub output: ListFormat,
}

impl SubscriptionsList {
    #[must_use]
    pub fn desired(&self) -> Desired {
        Desired::of(&self.scope, &self.aim, &QueueName::default())
    }
}

#[derive(Debug, Args)]
pub struct SubscriptionsDoctor {
    #[command(flatten)]
    pub desired: Desired,
    /// Make those anew that an update does not bring back, and remove doubles; needs the rights to edit and to delete
    #[arg(long)]
    pub fix: bool,
    /// Do it: without this only the plan is printed
    #[arg(long, requires = "fix")]
    pub yes: bool,
    /// What to print
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = ListFormat::Table)]
    pub output: ListFormat,
}

/// The event goes to a queue that is made for it and removed again, or to the web hook. It changes no record.
#[derive(Debug, Args)]
pub struct SubscriptionsTest {
    #[command(flatten)]
    pub scope: Scope,
    #[command(flatten)]
    pub aim: Aim,
    /// How long to wait for it
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "60s")]
    pub wait: Duration,
}

impl SubscriptionsTest {
    #[must_use]
    pub fn desired(&self) -> Desired {
        Desired::of(&self.scope, &self.aim, &QueueName::default())
    }
}

/// Set AZURE_STORAGE_KEY to the account's key that the subscriptions do not use, then run this, and only then renew the
/// other one: both keys are valid all the while, so no event is lost.
///
/// All of the account's get it, whatever their project and queue; of the projects that are named one is where the key is tried first.
#[derive(Debug, Args)]
pub struct SubscriptionsRotateKey {
    #[command(flatten)]
    pub scope: Scope,
    /// Do it: without this only the plan is printed
    #[arg(long)]
    pub yes: bool,
}

impl SubscriptionsRotateKey {
    #[must_use]
    pub fn desired(&self) -> Desired {
        Desired::of(&self.scope, &Aim::default(), &QueueName::default())
    }
}

#[derive(Debug, Args)]
pub struct SubscriptionsRemove {
    #[command(flatten)]
    pub scope: Scope,
    #[command(flatten)]
    pub aim: Aim,
    #[command(flatten)]
    pub place: QueueName,
    /// Do it: without this only the plan is printed
    #[arg(long)]
    pub yes: bool,
    /// What to print
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = ListFormat::Table)]
    pub output: ListFormat,
}

impl SubscriptionsRemove {
    #[must_use]
    pub fn desired(&self) -> Desired {
        Desired::of(&self.scope, &self.aim, &self.place)
    }
}

impl Subscriptions {
    #[must_use]
    pub fn desired(&self) -> Desired {
        match self {
            Self::Plan(args) => args.desired.clone(),
            Self::Apply(args) => args.plan.desired.clone(),
            Self::List(args) => args.desired(),
            Self::Doctor(args) => args.desired.clone(),
            Self::Test(args) => args.desired(),
            Self::RotateKey(args) => args.desired(),
            Self::Remove(args) => args.desired(),
        }
    }
}
