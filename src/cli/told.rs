use clap::{Args, Subcommand};

const REPORT_HELP: &str = "\
Events: push, deploy, test_pass, test_run, commit, submit, approve, incident_status_change.
Metadata may hold commit_ids or commit_id, environment [default: production], status (success or failure), time, branch,
pull_request_id, project, fix (true), incident_id, and an id: with one, the same event told again is one event. Without, it is
one if it is told again within ten minutes. scripts/report.sh says the same to a server, with nothing but curl.";

#[derive(Debug, Args)]
#[command(after_help = REPORT_HELP)]
pub struct Report {
    /// The repository, or what else is deployed
    #[arg(value_name = "REPO")]
    pub repository: String,
    /// What happened, such as deploy
    #[arg(value_name = "EVENT")]
    pub event: String,
    /// What is known of it: a JSON object, or a text with the commits' ids
    #[arg(long, value_name = "JSON|TEXT")]
    pub metadata: Option<String>,
    /// Whose it is [env: PIPETRAIL_ORGANIZATION]
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Incident {
    /// Something is wrong in production
    Open(OpenIncident),
    /// It is over
    Resolve(ResolveIncident),
}

#[derive(Debug, Args)]
pub struct OpenIncident {
    /// The id that it has where people look after it, such as OPS-12
    #[arg(value_name = "ID")]
    pub id: String,
    /// What is wrong
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// Where to read more
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The project that it is about
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    /// The environment whose deployment caused it
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// The pipeline whose deployment caused it
    #[arg(long, value_name = "ID|NAME")]
    pub pipeline: Option<String>,
    /// The run that caused it; without it, the latest production deployment before
    #[arg(long, value_name = "ID")]
    pub run: Option<u64>,
    /// The full commit id whose deployment caused it
    #[arg(long, value_name = "SHA")]
    pub commit: Option<String>,
    /// When it began, such as 2019-10-02T19:54:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Whose it is [env: PIPETRAIL_ORGANIZATION]
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
}

#[derive(Debug, Args)]
pub struct ResolveIncident {
    /// The id by which it was opened
    #[arg(value_name = "ID")]
    pub id: String,
    /// When it was over, such as 2019-10-02T19:54:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Whose it is [env: PIPETRAIL_ORGANIZATION]
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
}
