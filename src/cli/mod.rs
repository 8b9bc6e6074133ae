//! The command line, as clap sees it: definitions only. What a value means is decided in
//! [`config`](crate::config) where a variable or the file may say it too, else in [`cmd`](crate::cmd).
#![expect(clippy::doc_markdown, reason = "the comments are the help, which is no Markdown")]

mod dora;
mod reference;
mod subscriptions;
mod told;

use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::domain::Time;

pub use dora::{Dora, Every, Side};
pub use reference::options_markdown;
pub use subscriptions::{
    Desired, EventGroup, Scope, Subscriptions, SubscriptionsApply, SubscriptionsDoctor, SubscriptionsList,
    SubscriptionsPlan, SubscriptionsRemove, SubscriptionsRotateKey, SubscriptionsTest, To,
};
pub use told::{Incident, OpenIncident, Report, ResolveIncident};

/// Follows every Azure DevOps pipeline run, from the hook event that announces it to the answer you ask for.
#[derive(Debug, Parser)]
#[command(name = "pipetrail", version, propagate_version = true, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Flags win over environment variables, those over the configuration file.
Exit codes: 0 done, 1 failed or not found, 2 wrong usage or configuration, 130 forced to stop.";

/// Options of every command. Their values stay text until the configuration is resolved, so that all its
/// faults are reported at once.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The local file with queue and records [env: PIPETRAIL_DATA] [default: pipetrail.db]
    #[arg(long, global = true, value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// Where queue and records are kept: local or azure [env: PIPETRAIL_STORAGE] [default: local]
    #[arg(long, global = true, value_name = "KIND")]
    pub storage: Option<String>,
    /// Azure: the file that get answers from [env: PIPETRAIL_CATALOG] [default: one in your cache folder]
    #[arg(long, global = true, value_name = "FILE")]
    pub catalog: Option<PathBuf>,
    /// Where Azure DevOps is [env: PIPETRAIL_ADO_URL] [default: the cloud's]
    #[arg(long, global = true, value_name = "URL")]
    pub ado_url: Option<String>,
    /// The configuration file, TOML [env: PIPETRAIL_CONFIG] [default: pipetrail.toml, if present]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How logs are written to stderr: text or json [env: PIPETRAIL_LOG_FORMAT] [default: text]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Receive hooks and work on them, in one process with one file
    Up(Up),
    /// Show it all: a throw-away file with a believable history and live events
    Demo(Demo),
    /// Work on the queue: fold events into runs, set bad messages aside
    Work(Work),
    /// Answer readers: dashboard and API, beside any number of workers
    Serve(Serve),
    /// Put event files on the queue
    Enqueue(Enqueue),
    /// Ask Azure DevOps for runs whose events were lost, or came before there was a hook
    Backfill(Backfill),
    /// Write what is known where other programs read it
    #[command(subcommand)]
    Publish(Publish),
    /// Look at runs, pipelines, environments, and what runs are about
    #[command(subcommand)]
    Get(Get),
    /// Ask a question in words: a language model answers where one is configured, else a small grammar
    Ask(Ask),
    /// Ask one of the tools that answer questions; without one, list them
    Query(Query),
    /// Give the tools to an assistant: the Model Context Protocol over standard input and output
    Mcp(Mcp),
    /// Tell of a deployment, a push or a review that no service tells of
    Report(Report),
    /// Tell of an incident: it began, or is over
    #[command(subcommand)]
    Incident(Incident),
    /// Measure delivery: DORA's five metrics, with the runs behind each number
    Dora(Dora),
    /// Look after messages that were set aside
    #[command(subcommand)]
    DeadLetter(DeadLetter),
    /// Make the service hooks of Azure DevOps, and keep them healthy
    #[command(subcommand)]
    Subscriptions(Subscriptions),
    /// Remove old runs and dead letters
    Purge(Purge),
    /// Erase a person from records, facts and dead letters
    Forget(Forget),
    /// Copy the local file, also while it is in use
    Backup(Backup),
    /// Fold all records anew from their facts
    Refold(Refold),
    /// Write all records with their facts as lines of JSON, to move them to another storage
    Export(Export),
    /// Bring in what an export holds
    Import(Import),
    /// Reach what is configured, and say what is missing
    Check(Check),
    /// Print what completes commands and options in a shell
    Completions(Completions),
    /// Write manual pages of all commands
    Man(Man),
}

#[derive(Debug, Args)]
pub struct Up {
    /// The address to receive hooks on [env: PIPETRAIL_LISTEN] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    #[command(flatten)]
    pub worker: Worker,
}

#[derive(Debug, Args)]
pub struct Work {
    /// End when nothing is visible or leased any more
    #[arg(long, conflicts_with_all = ["reconcile", "watch_hooks"])]
    pub until_empty: bool,
    /// Also answer what `up` answers, such as /healthz, /readyz and /metrics, on this address
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    #[command(flatten)]
    pub worker: Worker,
}

#[derive(Debug, Args)]
pub struct Serve {
    /// The address to answer on [env: PIPETRAIL_LISTEN] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
}

/// How the worker works.
#[derive(Debug, Clone, Default, Args)]
pub struct Worker {
    /// How long a message is ours before it comes again; longer than the 60s that a batch may take [default: 120s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub lease: Option<Duration>,
    /// Ask Azure DevOps again and again, such as every 15m, for runs whose events were lost [least rights: as backfill]
    #[arg(long, value_name = "DURATION", value_parser = interval)]
    pub reconcile: Option<Duration>,
    /// Batches in hand at once [default: 3, on Azure 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: Option<u16>,
    /// Look after the subscriptions of PIPETRAIL_ORGANIZATION so often, such as 10m: count, warn, and note when events
    /// were lost
    #[arg(long, value_name = "DURATION", value_parser = interval)]
    pub watch_hooks: Option<Duration>,
    /// With --watch-hooks: where those send to, the queue or PIPETRAIL_PUBLIC_URL [default: web-hook, on Azure queue]
    #[arg(long, value_enum, value_name = "CONSUMER", requires = "watch_hooks")]
    pub hooks_to: Option<To>,
    /// What becomes of the names of people: keep, pseudonyms or none [env: PIPETRAIL_NAMES] [default: keep]
    #[arg(long, value_name = "HOW")]
    pub names: Option<String>,
    /// Discard dead letters that are older, such as 30d [env: PIPETRAIL_DEAD_LETTER_AGE] [default: keep them]
    #[arg(long, value_name = "DURATION")]
    pub dead_letter_age: Option<String>,
    /// With --watch-hooks: subscribe to the runs of projects of which nothing comes here
    #[arg(long)]
    pub enrol: bool,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// End after the runs were printed
    #[arg(long)]
    pub once: bool,
    /// Which history to make up: the same number gives the same one
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The address to receive hooks on [env: PIPETRAIL_LISTEN] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
}

/// Bodies are taken byte for byte and never validated: what is wrong with one shows as a dead letter.
#[derive(Debug, Args)]
pub struct Enqueue {
    /// A file is one event. A directory: its *.json and *.ndjson, sorted. *.ndjson and `-` (stdin): one event a line; on
    /// stdin JSON may also go over several
    #[arg(required = true, value_name = "FILE|DIR|-")]
    pub paths: Vec<PathBuf>,
    /// Store the events base64-encoded, as Azure DevOps puts them on its queue; on Azure they always are
    #[arg(long)]
    pub base64: bool,
}

const BACKFILL_HELP: &str = "\
Least rights of the token: Build (read), vso.build; for code and clusters also Code (read), vso.code; for boards also Work Items
(read), vso.work; for releases Release (read), vso.release; with --all-projects also Project and Team (read), vso.project.
It may be stopped, killed and run again at any time, also beside a worker: it goes on from where it was.";

#[derive(Debug, Args)]
#[command(after_help = BACKFILL_HELP)]
pub struct Backfill {
    /// The organization, or the collection of a server [env: PIPETRAIL_ORGANIZATION]
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
    /// These projects, with commas between them [env: PIPETRAIL_PROJECTS]
    #[arg(long, value_name = "ID|NAME", value_delimiter = ',', conflicts_with = "all_projects")]
    pub project: Vec<String>,
    /// Every project that the token may see
    #[arg(long)]
    pub all_projects: bool,
    /// Only the runs of these pipelines, with commas between them
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub pipeline: Vec<u64>,
    /// Runs that finished since then: a duration such as 30d, or a time such as 2019-10-02T19:54:00Z
    #[arg(long, value_name = "WHEN", value_parser = since, allow_hyphen_values = true, default_value = "30d")]
    pub since: Since,
    /// Only runs that finished until then
    #[arg(long, value_name = "WHEN", value_parser = since, allow_hyphen_values = true)]
    pub until: Option<Since>,
    /// Also stages, jobs and why it failed, at a request a run: of failed runs (failed) or of all
    #[arg(long, value_enum, value_name = "WHICH", num_args = 0..=1, require_equals = true, default_value_t = Timelines::None, default_missing_value = "failed")]
    pub timelines: Timelines,
    /// What to ask for, with commas between: runs; code (pushes, pull requests, the commits of runs); releases (classic
    /// ones); environments (what they got); boards (work items); clusters (what Flux says of manifests)
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',', default_value = "runs")]
    pub kinds: Vec<Kind>,
    /// Begin at --since, also where an earlier backfill was there
    #[arg(long)]
    pub again: bool,
    /// What becomes of the names of people: keep, pseudonyms or none [env: PIPETRAIL_NAMES] [default: keep]
    #[arg(long, value_name = "HOW")]
    pub names: Option<String>,
}

/// What to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Kind {
    Runs,
    Code,
    Releases,
    Environments,
    Boards,
    Clusters,
}

/// Whose timelines to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Timelines {
    None,
    Failed,
    All,
}

#[derive(Debug, Subcommand)]
pub enum Publish {
    /// Write the deployment chains into the table that Spektate reads, once
    Spektate,
}

#[derive(Debug, Subcommand)]
pub enum Get {
    /// List runs, the newest first
    Runs(GetRuns),
    /// Show one run with its stages, jobs, approvals and timeline
    Run(GetRun),
    /// List pipelines with their last runs
    Pipelines(GetPipelines),
    /// List the stages of a run, attempt by attempt
    Stages(GetRun),
    /// Show a commit: what it is about, and where it went
    Commit(GetCommit),
    /// Show a pull request: what it is about, and where it went
    Pr(GetPr),
    /// Show a work item, and where it went
    WorkItem(GetWorkItem),
    /// List environments with what is there
    Environments(GetEnvironments),
    /// List what came to environments; or the deployment chains, from the commit to the cluster
    Deployments(GetDeployments),
    /// List approvals: who is asked, and how long it took
    Approvals(GetApprovals),
    /// List incidents: those that were told of, and work items that are some
    Incidents(GetIncidents),
    /// List the times in which events were lost
    Gaps(GetGaps),
}

#[derive(Debug, Args)]
pub struct GetCommit {
    /// The commit's id, or the beginning of it
    #[arg(value_name = "SHA", value_parser = sha)]
    pub commit: String,
    /// The commit's organization, where several have it
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
    #[command(flatten)]
    pub show: Show,
}

#[derive(Debug, Args)]
pub struct GetPr {
    /// Its number
    #[arg(value_name = "ID", value_parser = pull_request_id)]
    pub id: u64,
    /// Its organization, where several have this number
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
    #[command(flatten)]
    pub show: Show,
}

#[derive(Debug, Args)]
pub struct GetWorkItem {
    /// Its number
    #[arg(value_name = "ID", value_parser = work_item_id)]
    pub id: u64,
    /// Its organization, where several have this number
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
    #[command(flatten)]
    pub show: Show,
}

#[derive(Debug, Args)]
pub struct GetRuns {
    #[command(flatten)]
    pub filter: Filter,
    #[command(flatten)]
    pub show: Show,
}

/// Which runs.
#[derive(Debug, Clone, Args)]
pub struct Filter {
    /// Only this organization
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
    /// Only this pipeline
    #[arg(long, value_name = "ID|NAME")]
    pub pipeline: Option<String>,
    /// Only this project
    #[arg(long, value_name = "ID|NAME")]
    pub project: Option<String>,
    /// Only this branch, with or without refs/heads/
    #[arg(long, value_name = "REF")]
    pub branch: Option<String>,
    /// Only runs in this state, such as inProgress or completed
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,
    /// Only runs with this result, such as succeeded or failed
    #[arg(long, value_name = "RESULT")]
    pub result: Option<String>,
    /// Only runs of the commit that begins so
    #[arg(long, value_name = "PREFIX")]
    pub commit: Option<String>,
    /// Only runs queued since then: a duration such as 7d, or a time such as 2019-10-02T19:54:00Z
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub since: Option<Since>,
    /// At most so many; 0 = all
    #[arg(long, value_name = "N", value_parser = top, default_value_t = 50)]
    pub top: u32,
}

#[derive(Debug, Args)]
pub struct GetRun {
    /// The run's id, which is also its build's id
    #[arg(value_name = "ID", value_parser = run_id)]
    pub run_id: u64,
    /// The run's organization, where several have a run with this id
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
    #[command(flatten)]
    pub show: Show,
}

#[derive(Debug, Args)]
pub struct GetPipelines {
    /// Only this organization
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
    /// Only this project
    #[arg(long, value_name = "ID|NAME")]
    pub project: Option<String>,
    #[command(flatten)]
    pub show: Show,
}

#[derive(Debug, Args)]
pub struct GetEnvironments {
    /// Only this organization
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
    /// Only this project
    #[arg(long, value_name = "ID|NAME")]
    pub project: Option<String>,
    /// At most so many; 0 = all
    #[arg(long, value_name = "N", value_parser = top, default_value_t = 50)]
    pub top: u32,
    #[command(flatten)]
    pub show: Show,
}

const CHAIN_HELP: &str = "\
The options of `bedrock deployment get`, any of them, list the deployment chains instead; so does [[chains]] in the
configuration file, where nothing asks for environments.";

#[derive(Debug, Args)]
#[command(after_help = CHAIN_HELP)]
pub struct GetDeployments {
    /// Only this environment
    #[arg(long, value_name = "ID|NAME")]
    pub environment: Option<String>,
    /// Only what is there now: of each pipeline the latest that succeeded
    #[arg(long)]
    pub current: bool,
    /// Only this organization
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
    /// Only this project
    #[arg(long, value_name = "ID|NAME")]
    pub project: Option<String>,
    /// Only from this pipeline, or this definition of releases
    #[arg(long, value_name = "ID|NAME")]
    pub pipeline: Option<String>,
    /// Only those that started since then: a duration such as 7d, or a time such as 2019-10-02T19:54:00Z
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub since: Option<Since>,
    #[command(flatten)]
    pub chain: ChainOptions,
    /// At most so many; 0 = all
    #[arg(short, long, value_name = "N", value_parser = top, default_value_t = 50)]
    pub top: u32,
    /// What to print; wide is the table with all columns, normal the one of the deployment chains
    #[arg(short, long, value_enum, ignore_case = true, value_name = "FORMAT", default_value_t = DeploymentsFormat::Table)]
    pub output: DeploymentsFormat,
    /// Look again every 2 seconds and print what changed, until Ctrl-C
    #[arg(short, long)]
    pub watch: bool,
}

impl GetDeployments {
    /// How to show it.
    #[must_use]
    pub fn show(&self) -> Show {
        let output = match self.output {
            DeploymentsFormat::Table | DeploymentsFormat::Normal => Format::Table,
            DeploymentsFormat::Wide => Format::Wide,
            DeploymentsFormat::Json => Format::Json,
            DeploymentsFormat::Csv => Format::Csv,
        };
        Show { output, watch: self.watch }
    }

    /// Whether something asks for the deployment chains.
    #[must_use]
    pub fn asks_for_chains(&self) -> bool {
        self.output == DeploymentsFormat::Normal || self.chain.is_any()
    }

    /// Whether something asks for environments.
    #[must_use]
    pub fn asks_for_environments(&self) -> bool {
        let texts = [&self.environment, &self.project, &self.pipeline];
        self.current || self.since.is_some() || texts.into_iter().any(Option::is_some)
    }
}

/// Which deployments of the chains, as `bedrock deployment get` takes it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Deployment chains")]
pub struct ChainOptions {
    /// Only those of the run that made the image
    #[arg(short, long, value_name = "ID", conflicts_with_all = FOR_ENVIRONMENTS)]
    pub build_id: Option<u64>,
    /// Only those of this source commit, or of those that begin so
    #[arg(short, long, value_name = "SHA", value_parser = sha, conflicts_with_all = FOR_ENVIRONMENTS)]
    pub commit_id: Option<String>,
    /// Only this one
    #[arg(short, long, value_name = "ID", conflicts_with_all = FOR_ENVIRONMENTS)]
    pub deployment_id: Option<String>,
    /// Only those of this image and tag, or of either
    #[arg(short, long, value_name = "TAG", conflicts_with_all = FOR_ENVIRONMENTS)]
    pub image_tag: Option<String>,
    /// Only those that go to this ring
    #[arg(short, long, value_name = "NAME", conflicts_with_all = FOR_ENVIRONMENTS)]
    pub ring: Option<String>,
    /// Only those of this service
    #[arg(short, long, value_name = "NAME", conflicts_with_all = FOR_ENVIRONMENTS)]
    pub service: Option<String>,
}

/// What only environments have.
const FOR_ENVIRONMENTS: [&str; 5] = ["environment", "current", "project", "pipeline", "since"];

impl ChainOptions {
    fn is_any(&self) -> bool {
        let texts = [&self.commit_id, &self.deployment_id, &self.image_tag, &self.ring, &self.service];
        self.build_id.is_some() || texts.into_iter().any(Option::is_some)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DeploymentsFormat {
    Table,
    Normal,
    Wide,
    Json,
    Csv,
}

#[derive(Debug, Args)]
pub struct GetApprovals {
    /// Only those with this status, such as pending or approved
    #[arg(long, value_name = "STATUS")]
    pub status: Option<String>,
    /// Only this organization
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
    /// Only this project
    #[arg(long, value_name = "ID|NAME")]
    pub project: Option<String>,
    /// Only those asked for or decided since then: a duration such as 7d, or a time such as 2019-10-02T19:54:00Z
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub since: Option<Since>,
    /// At most so many; 0 = all
    #[arg(long, value_name = "N", value_parser = top, default_value_t = 50)]
    pub top: u32,
    #[command(flatten)]
    pub show: Show,
}

#[derive(Debug, Args)]
pub struct GetIncidents {
    /// Only those that are not over
    #[arg(long)]
    pub open: bool,
    /// Only this organization
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
    /// Only this project
    #[arg(long, value_name = "ID|NAME")]
    pub project: Option<String>,
    /// Only those that began since then: a duration such as 7d, or a time such as 2019-10-02T19:54:00Z
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub since: Option<Since>,
    /// At most so many; 0 = all
    #[arg(long, value_name = "N", value_parser = top, default_value_t = 50)]
    pub top: u32,
    #[command(flatten)]
    pub show: Show,
}

#[derive(Debug, Args)]
pub struct GetGaps {
    /// Only this organization
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
    /// Only this project
    #[arg(long, value_name = "ID|NAME")]
    pub project: Option<String>,
    /// Only gaps that lasted until then or later: a duration such as 7d, or a time such as 2019-10-02T19:54:00Z
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub since: Option<Since>,
    /// Also those for which all was read from the REST API meanwhile
    #[arg(long)]
    pub all: bool,
    /// At most so many; 0 = all
    #[arg(long, value_name = "N", value_parser = top, default_value_t = 50)]
    pub top: u32,
    #[command(flatten)]
    pub show: Show,
}

/// How to show it.
#[derive(Debug, Clone, Copy, Args)]
pub struct Show {
    /// What to print; wide is the table with all columns
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    pub output: Format,
    /// Look again every 2 seconds and print what changed, until Ctrl-C
    #[arg(short, long)]
    pub watch: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Wide,
    Json,
    Csv,
}

/// A point in time, or one so long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    Ago(Duration),
    At(Time),
}

impl Since {
    #[must_use]
    pub fn resolve(self, now: Time) -> Time {
        match self {
            Self::Ago(duration) => now.minus(duration),
            Self::At(time) => time,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum DeadLetter {
    /// List dead letters, the latest first
    List(DeadLetterList),
    /// Show one dead letter with its body
    Show(DeadLetterShow),
    /// Put dead letters back on the queue, with no tries counted
    Requeue(Requeue),
    /// Remove dead letters for good
    Discard(Discard),
}

#[derive(Debug, Args)]
pub struct DeadLetterList {
    /// Only those with this reason, such as no_run_id
    #[arg(long, value_name = "CODE")]
    pub reason: Option<String>,
    /// What to print
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = ListFormat::Table)]
    pub output: ListFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    Table,
    Json,
}

#[derive(Debug, Args)]
pub struct DeadLetterShow {
    /// The dead letter's id, from the list
    #[arg(value_name = "ID")]
    pub id: String,
    /// What to print; body is the body alone, byte for byte
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = LetterFormat::Text)]
    pub output: LetterFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LetterFormat {
    Text,
    Json,
    Body,
}

#[derive(Debug, Args)]
pub struct Requeue {
    #[command(flatten)]
    pub which: Which,
}

#[derive(Debug, Args)]
pub struct Discard {
    #[command(flatten)]
    pub which: Which,
    /// Do it: without this only the plan is printed
    #[arg(long)]
    pub yes: bool,
}

/// Which dead letters: one of these has to be said.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// Those with these ids
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// All of them
    #[arg(long)]
    pub all: bool,
    /// Those with this reason, such as no_run_id
    #[arg(long, value_name = "CODE")]
    pub reason: Option<String>,
}

#[derive(Debug, Args)]
pub struct Ask {
    /// Such as: which pipelines failed most last week
    #[arg(value_name = "QUESTION", required = true)]
    pub question: Vec<String>,
    /// A project's name or id: no other is looked at
    #[arg(long, value_name = "PROJECT")]
    pub project: Option<String>,
    /// Where the time begins that is meant where the question names none: a day, a time or a duration
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Where it ends
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// The time zone of days and weeks, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = time_zone)]
    pub time_zone: Tz,
    /// What to print
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = QueryFormat::Table)]
    pub output: QueryFormat,
}

#[derive(Debug, Args)]
pub struct Query {
    /// Which one, such as aggregate
    #[arg(value_name = "TOOL")]
    pub tool: Option<String>,
    /// Its arguments, a JSON object; - reads them from stdin
    #[arg(value_name = "JSON", requires = "tool")]
    pub arguments: Option<String>,
    /// The time zone of days and weeks, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = time_zone)]
    pub time_zone: Tz,
    /// What to print; without a tool, json is the schemas of all arguments
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = QueryFormat::Table)]
    pub output: QueryFormat,
}

#[derive(Debug, Args)]
pub struct Mcp {
    /// The time zone of days and weeks, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = time_zone)]
    pub time_zone: Tz,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum QueryFormat {
    Table,
    Json,
    Csv,
}

#[derive(Debug, Args)]
pub struct Purge {
    #[command(flatten)]
    pub what: Old,
    /// Do it: without this only the plan is printed
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Clone, Copy, Args)]
#[group(required = true, multiple = true)]
pub struct Old {
    /// Runs that finished longer ago, such as 90d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub older_than: Option<Duration>,
    /// Dead letters that were set aside longer ago, such as 30d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub dead_letters_older_than: Option<Duration>,
}

const FORGET_HELP: &str = "\
Whole words are found in every text, whatever their case: in names, branches, messages. Where they stood, [forgotten]
stands. A dead letter that names the person is discarded. What comes in later is not kept from naming the person again:
see --names of the worker.";

#[derive(Debug, Args)]
#[command(after_help = FORGET_HELP)]
pub struct Forget {
    /// What the person is called: a name, a mail address, an id; once for each
    #[arg(long, value_name = "TEXT", required = true)]
    pub person: Vec<String>,
    /// Do it: without this only the plan is printed
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Backup {
    /// The copy, a file that does not exist yet
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub struct Refold {
    /// Change nothing: report the records that differ from their facts, exit 1 if there are any
    #[arg(long)]
    pub check: bool,
}

const EXPORT_HELP: &str = "\
Each record comes with the facts that amount to it; where they do not, or a newer program wrote it, it is left out \
and told of (exit 1). Neither messages that wait nor dead letters nor what a backfill goes on from are in it. \
May be taken while others work; what they change meanwhile may be missing.";

#[derive(Debug, Args)]
#[command(after_help = EXPORT_HELP)]
pub struct Export {
    /// A file that does not exist yet; - writes to stdout
    #[arg(value_name = "FILE|-")]
    pub file: PathBuf,
}

const IMPORT_HELP: &str = "\
May be broken off and repeated, also beside workers: what is known already changes nothing. Names of people come in \
as they are in the file, and what was purged where it comes from is purged here.";

#[derive(Debug, Args)]
#[command(after_help = IMPORT_HELP)]
pub struct Import {
    /// What `export` wrote; - reads stdin
    #[arg(value_name = "FILE|-")]
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub struct Completions {
    /// Whose
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct Man {
    /// The folder that they are put into
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// Makes neither queue nor table nor data file. The store is written to, as a test.
#[derive(Debug, Args)]
pub struct Check {
    /// What to print
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = CheckFormat::Text)]
    pub output: CheckFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    Text,
    Json,
}

fn time_zone(text: &str) -> Result<Tz, String> {
    text.parse().map_err(|_| "not a time zone such as Europe/Berlin or UTC".to_owned())
}

fn run_id(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "a run's id is a number, such as 479: `pipetrail get runs` lists them".to_owned())
}

/// `!88` is how Azure DevOps writes it, `#88` how people do.
fn pull_request_id(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix(['!', '#']).unwrap_or(text);
    digits.parse().map_err(|_| "a pull request's id is a number, such as 88 or !88".to_owned())
}

/// `#4711` is how Azure DevOps writes it, `AB#4711` how GitHub does.
fn work_item_id(text: &str) -> Result<u64, String> {
    let upper = text.to_ascii_uppercase();
    let digits = upper.strip_prefix("AB#").or_else(|| upper.strip_prefix('#')).unwrap_or(&upper);
    digits.parse().map_err(|_| "a work item's id is a number, such as 4711, #4711 or AB#4711".to_owned())
}

fn top(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "not a number such as 50; 0 = all".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "not a duration such as 120s or 90d".to_owned())
}

fn sha(text: &str) -> Result<String, String> {
    let is_sha = (4..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_sha { Ok(text.to_lowercase()) } else { Err("not 4 or more hexadecimal digits".to_owned()) }
}

/// What is done again and again is not done all the time.
fn interval(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|every| match every {
        too_often if too_often < Duration::from_secs(1) => Err("shorter than a second".to_owned()),
        every => Ok(every),
    })
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(duration) = humantime::parse_duration(text) {
        return Ok(Since::Ago(duration));
    }
    match Time::parse(text) {
        Ok(Some(time)) => Ok(Since::At(time)),
        Ok(None) | Err(_) => Err("neither a duration such as 7d nor a time such as 2019-10-02T19:54:00Z".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[test]
    fn verify_cli() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_done_again_and_again_leaves_a_pause() {
        for option in ["--watch-hooks", "--reconcile"] {
            let takes = |every: &str| Cli::try_parse_from(["pipetrail", "work", option, every]).is_ok();
            assert_eq!([takes("0s"), takes("200ms"), takes("1s")], [false, false, true], "{option}");
        }
    }

    #[test]
    fn ids_are_taken_as_people_write_them() {
        assert_eq!(["88", "#88", "!88"].map(pull_request_id), [Ok(88), Ok(88), Ok(88)]);
        assert_eq!(["4711", "#4711", "ab#4711"].map(work_item_id), [Ok(4711), Ok(4711), Ok(4711)]);
        assert!(["AB#88", "", "x"].map(pull_request_id).iter().all(Result::is_err), "a work item is no pull request");
        assert!(["!88", "AB#", "x"].map(work_item_id).iter().all(Result::is_err));
    }

    #[test]
    fn since_is_a_duration_or_a_time() {
        assert_eq!(since("7d"), Ok(Since::Ago(Duration::from_secs(7 * 86_400))));
        assert!(matches!(since("2019-10-02T19:54:00Z"), Ok(Since::At(_))));
        assert!(since("yesterday").is_err());
    }
}
