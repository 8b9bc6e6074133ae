use clap::{Args, ValueEnum};

use super::{Format, Since, since};
use crate::domain::metrics::{Group, Period, Zone};

const HELP: &str = "\
What a deployment is follows from deployment records, from the names of stages, and from [[environments]] in the
configuration file. A number that cannot be had is `-`, with the reason beside it; in JSON it is {\"value\": null,
\"reason\": ...}. Times are in seconds there. Metrics are for a service and its team to learn from: no targets, no contest.";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct Dora {
    /// Only this organization
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
    /// Only this project
    #[arg(long, value_name = "ID|NAME")]
    pub project: Option<String>,
    /// Only from this pipeline, or this definition of releases
    #[arg(long, value_name = "ID|NAME")]
    pub pipeline: Option<String>,
    /// Only from this repository
    #[arg(long, value_name = "NAME")]
    pub repository: Option<String>,
    /// This environment [default: all that are production]
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// Only this service, as the owners in the configuration file say
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Only this team, as the owners in the configuration file say
    #[arg(long, value_name = "NAME")]
    pub team: Option<String>,
    /// From then on: a duration such as 90d, or a time such as 2019-10-02T19:54:00Z
    #[arg(long, value_name = "WHEN", value_parser = since, default_value = "90d")]
    pub since: Since,
    /// Until then [default: now]
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub until: Option<Since>,
    /// Also by day, ISO week or month
    #[arg(long, value_enum, value_name = "PERIOD")]
    pub by: Option<Every>,
    /// Also side by side: each pipeline, repository, project, environment, service, team, or person, where [metrics] in the
    /// configuration file says people = true
    #[arg(long, value_enum, value_name = "WHAT")]
    pub group: Option<Side>,
    /// Whose days and weeks, such as Europe/Berlin [default: time_zone of the configuration file, else UTC]
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<Zone>,
    /// Also the deployments, commits and incidents behind the numbers
    #[arg(long)]
    pub show_work: bool,
    /// Instead: how pipelines run, deployment or not: duration, queue time by hour and pool (wide), success, recovery, flaky
    /// commits; with --group side by side
    #[arg(long, conflicts_with_all = ["environment", "by", "show_work"])]
    pub flow: bool,
    /// What to print; wide is the table with all columns
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    pub output: Format,
}

/// What numbers are cut into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Every {
    Day,
    Week,
    Month,
}

/// What is looked at side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Side {
    Pipeline,
    Repository,
    Project,
    Environment,
    Service,
    Team,
    Person,
}

impl From<Side> for Group {
    fn from(side: Side) -> Self {
        match side {
            Side::Pipeline => Self::Pipeline,
            Side::Repository => Self::Repository,
            Side::Project => Self::Project,
            Side::Environment => Self::Environment,
            Side::Service => Self::Service,
            Side::Team => Self::Team,
            Side::Person => Self::Person,
        }
    }
}

impl From<Every> for Period {
    fn from(every: Every) -> Self {
        match every {
            Every::Day => Self::Day,
            Every::Week => Self::Week,
            Every::Month => Self::Month,
        }
    }
}
