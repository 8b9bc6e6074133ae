use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::CommitId;
use super::changes::Changes;
use super::figure::{Figure, Level, Spread, Unknown, seconds};
use super::material::{Ending, Known, Name, Source};
use super::selection::{Chosen, Lead, Selection};
use super::window::Window;
use crate::domain::Time;

/// All that is to be said of a time.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    #[serde(flatten)]
    pub numbers: Bucket,
    /// Whose days and weeks were counted.
    pub time_zone: String,
    /// The first half of the time, and the second.
    pub trend: Trend,
    /// From one successful deployment to the next, in seconds.
    pub between_deployments: Spread,
    pub coverage: Coverage,
    /// The same numbers day by day, week by week or month by month, where that was asked for.
    pub series: Vec<Bucket>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Trend {
    pub before: Bucket,
    pub after: Bucket,
}

/// The five numbers of a time.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bucket {
    #[serde(serialize_with = "rfc3339")]
    pub from: Time,
    /// Not in it any more.
    #[serde(serialize_with = "rfc3339")]
    pub until: Time,
    pub deployment_frequency: Frequency,
    pub change_lead_time: LeadTime,
    pub change_fail_rate: FailRate,
    pub failed_deployment_recovery_time: Recovery,
    pub deployment_rework_rate: ReworkRate,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Frequency {
    pub deployments: Figure<u64>,
    /// Days on which something was deployed.
    pub deploy_days: Figure<u64>,
    /// Of whole ISO weeks, also of those without a deployment.
    pub median_deploy_days_a_week: Figure<u64>,
    pub level: Option<Level>,
    #[schema(value_type = String)]
    pub definition: &'static str,
}

impl Frequency {
    pub(super) const DEFINITION: &str = "Deployments that succeeded, and the days on which there was one; the median \
                                         counts those days in each whole ISO week, also where there were none.";

    pub(super) const fn unknown(why: Unknown) -> Self {
        let figure = Figure::unknown(why);
        let (deployments, deploy_days) = (figure, figure);
        Self { deployments, deploy_days, median_deploy_days_a_week: figure, level: None, definition: Self::DEFINITION }
    }
}

/// In seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeadTime {
    /// From the commit to its first deployment.
    pub total: Spread,
    /// From the opening of the pull request to its approval.
    pub review: Spread,
    /// From there to the deployment.
    pub deployment: Spread,
    pub level: Option<Level>,
    #[schema(value_type = String)]
    pub definition: &'static str,
}

impl LeadTime {
    pub(super) const DEFINITION: &str = "From a commit to the end of the first successful deployment with it, in \
                                         seconds; percentiles by nearest rank over commits. A first deployment gives \
                                         none.";
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailRate {
    /// From 0 to 1.
    pub rate: Figure<f64>,
    pub failed: u64,
    pub finished: u64,
    pub level: Option<Level>,
    #[schema(value_type = String)]
    pub definition: &'static str,
}

impl FailRate {
    pub(super) const DEFINITION: &str = "Deployments that failed, were rolled back, or that an incident is linked to, of \
                                         all that finished.";
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReworkRate {
    /// From 0 to 1.
    pub rate: Figure<f64>,
    pub rework: u64,
    pub finished: u64,
    #[schema(value_type = String)]
    pub definition: &'static str,
}

impl ReworkRate {
    pub(super) const DEFINITION: &str = "Deployments that brought back an older commit, or that followed an incident and \
                                         are marked or named as fixes, of all that finished.";
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recovery {
    /// In seconds.
    pub time: Spread,
    pub not_recovered: u64,
    pub level: Option<Level>,
    #[schema(value_type = String)]
    pub definition: &'static str,
}

impl Recovery {
    pub(super) const DEFINITION: &str = "From the end of a deployment that failed to the next successful one of its \
                                         pipeline and environment, or to the end of its incident, whichever came first; in \
                                         seconds.";
}

/// What the numbers rest on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    pub deployments: u64,
    /// Known by a deployment record, by other records of the stage or the environment of its approval, and by name.
    pub certain: u64,
    pub likely: u64,
    pub by_pattern: u64,
    /// They count as the configuration says.
    pub partially_succeeded: u64,
    pub first_on_record: u64,
    pub commits_unknown: u64,
    /// Their pushes are not known: what was built since the deployment before stands for them.
    pub commits_likely: u64,
    pub commits: u64,
    /// They are in no lead time, and so are those that were made after they were deployed.
    pub commits_without_time: u64,
    pub commits_from_the_future: u64,
    /// Without one, failures are only those that deployments themselves show.
    pub incident_source: bool,
    /// Times in which events were lost for good, so far.
    pub gaps: u64,
    /// Nothing is known of what was before, so the weeks until then do not count.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub since: Option<Time>,
}

/// A deployment with what it counts for.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Work {
    pub organization: String,
    pub project: Option<String>,
    pub source: Source,
    pub pipeline_id: u64,
    pub pipeline: Option<String>,
    pub environment: String,
    /// Of a release its id; of what was only told of zero.
    pub run_id: u64,
    /// Empty where the whole run deployed.
    pub stage: String,
    pub attempt: u32,
    pub known: Known,
    pub result: Ending,
    #[serde(serialize_with = "rfc3339")]
    pub finished_at: Time,
    pub commit: Option<String>,
    /// `failed`, `rolledBack`, `incident`.
    #[schema(value_type = Vec<String>)]
    pub failed_because: Vec<&'static str>,
    pub incidents: Vec<String>,
    pub rolls_back: bool,
    pub rework: bool,
    pub recovery_seconds: Option<i64>,
    /// The run that was its recovery.
    pub recovered_by_run: Option<u64>,
    /// `known`, `likely` (what was built since the one before), `unknown`, `first`; null for one that failed.
    #[schema(value_type = Option<String>)]
    pub commits_are: Option<&'static str>,
    pub commits: Vec<CommitWork>,
}

/// A commit that a deployment was the first to bring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommitWork {
    pub commit: String,
    pub lead_seconds: Option<i64>,
    pub pull_request_id: Option<u64>,
    pub review_seconds: Option<i64>,
    pub deployment_seconds: Option<i64>,
}

impl Selection<'_> {
    /// What stands behind the numbers of this time, in the order in which it finished.
    #[must_use]
    pub fn work(&self, window: Window) -> Vec<Work> {
        let mut leads = self.leads_within(window).iter().peekable();
        let mut all = Vec::new();
        for of in self.within(window) {
            let mut commits = Vec::new();
            while let Some(lead) = leads.next_if(|lead| std::ptr::eq(lead.deployed, of.deployed)) {
                commits.extend(self.commit_work(lead));
            }
            commits.sort_by(|one, other| one.commit.cmp(&other.commit));
            all.extend(self.work_of(of, commits));
        }
        all
    }

    fn commit_work(&self, lead: &Lead<'_>) -> Option<CommitWork> {
        let request = lead.change.request.and_then(|at| self.material().requests.get(at));
        Some(CommitWork {
            commit: self.material().commits.id(lead.change.commit)?.to_string(),
            lead_seconds: lead.total,
            pull_request_id: request.map(|request| request.number),
            review_seconds: lead.split.map(|(review, _)| review),
            deployment_seconds: lead.split.map(|(_, deployment)| deployment),
        })
    }

    fn work_of(&self, of: &Chosen<'_>, commits: Vec<CommitWork>) -> Option<Work> {
        let Chosen { deployed, judged, .. } = *of;
        let line = self.material().lines.get(deployed.line)?;
        let text = |name: &Option<Name>| name.as_deref().map(str::to_owned);
        let failure = of.failure();
        let incidents = failure.map_or(&[][..], |failure| &failure.incidents);
        let because = [
            (!deployed.succeeded(), "failed"),
            (failure.is_some_and(|failure| failure.rolled_back_by.is_some()), "rolledBack"),
            (!incidents.is_empty(), "incident"),
        ];
        let incidents = incidents.iter().filter_map(|at| self.material().incidents.get(*at));
        let recovered = failure.and_then(|failure| failure.recovered.as_ref());
        let by = recovered.and_then(|recovered| self.material().deployments.get(recovered.by?));
        let by = by.filter(|_| line.source != Source::Reported);
        Some(Work {
            organization: line.organization.to_string(),
            project: text(&line.project),
            source: line.source,
            pipeline_id: line.pipeline,
            pipeline: text(&line.pipeline_name),
            environment: line.environment.to_string(),
            run_id: if line.source == Source::Reported { 0 } else { deployed.run },
            stage: self.material().origin(deployed)?.stage.to_string(),
            attempt: deployed.attempt,
            known: deployed.known,
            result: deployed.ending,
            finished_at: deployed.finished,
            commit: deployed.commit.and_then(|commit| self.material().commits.id(commit)).map(CommitId::to_string),
            failed_because: because.iter().filter(|(is, _)| *is).map(|(_, why)| *why).collect(),
            incidents: incidents.map(|incident| incident.id.to_string()).collect(),
            rolls_back: judged.rolls_back,
            rework: judged.is_rework,
            recovery_seconds: recovered.map(|recovered| seconds(deployed.finished, recovered.at)),
            recovered_by_run: by.map(|by| by.run),
            commits_are: judged.changes.as_ref().map(|changes| match changes {
                Changes::First => "first",
                Changes::Unknown => "unknown",
                Changes::Likely(_) => "likely",
                Changes::Known(_) => "known",
            }),
            commits,
        })
    }
}

fn rfc3339_or_null<S: Serializer>(time: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => rfc3339(time, serializer),
        None => serializer.serialize_none(),
    }
}

fn rfc3339<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}
