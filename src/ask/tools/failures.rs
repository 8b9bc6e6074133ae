use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::found::moment;
use super::runs::{OneRun, pipeline_name};
use super::{Citation, Desk, Found, Tool, ToolError, rows};
use crate::catalog::{Recent, RunDetail, RunFilter, Sampled};
use crate::domain::Time;
use crate::view::overview::{self, Broken};

const FAILURE: [&str; 10] =
    ["runId", "project", "pipeline", "branch", "finishedAt", "stage", "job", "task", "error", "isThisRun"];

/// Who else has an error is looked for so far back.
const LOOK_BACK: std::time::Duration = std::time::Duration::from_secs(90 * 24 * 60 * 60);

/// Which run: by its number, or the last of a pipeline that failed.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct GetFailure {
    run_id: Option<u64>,
    /// A pipeline's name or id, instead of a run's number: its last run that failed.
    pipeline: Option<String>,
    /// Of that pipeline, only on this branch, with or without refs/heads/.
    branch: Option<String>,
    organization: Option<String>,
}

impl GetFailure {
    async fn run(self, desk: &Desk) -> Result<RunDetail, ToolError> {
        let Self { run_id, pipeline, branch, organization } = self;
        let (run_id, organization) = match (run_id, pipeline) {
            (Some(run_id), None) => (run_id, organization),
            (None, Some(pipeline)) => {
                let filter = RunFilter {
                    organization,
                    pipeline: Some(pipeline.clone()),
                    branch,
                    result: Some("failed".to_owned()),
                    top: Some(1),
                    ..RunFilter::default()
                };
                let last = desk.catalog.runs(&filter).await?.pop();
                let what = || ToolError::NotFound { what: format!("a failed run of {pipeline}") };
                let last = last.ok_or_else(what)?;
                (last.run_id, Some(last.organization))
            }
            (_, _) => {
                let why = "say one of runId and pipeline".to_owned();
                return Err(ToolError::Arguments { tool: Tool::GetFailure, why });
            }
        };
        desk.run(&OneRun { run_id, organization }).await
    }
}

/// The run that was asked for first, then the others with its error, the newest first.
pub(super) async fn one(desk: &Desk, asked: GetFailure) -> Result<Found, ToolError> {
    let detail = asked.run(desk).await?;
    let run = &detail.run;
    let failure = detail.failure.as_ref();
    let this = vec![
        json!(run.run_id),
        json!(run.project),
        json!(pipeline_name(run)),
        json!(run.branch),
        moment(run.finished_at),
        json!(failure.and_then(|failure| failure.stage.as_ref())),
        json!(failure.and_then(|failure| failure.job.as_ref())),
        json!(failure.and_then(|failure| failure.task.as_ref())),
        json!(failure.and_then(|failure| failure.message.as_ref())),
        json!(true),
    ];
    let mut cited = vec![Citation::from(run)];
    let mut table = vec![this];
    if let Some(signature) = failure.and_then(|failure| failure.signature.clone()) {
        for other in desk.others(signature, (run.organization.clone(), run.run_id)).await? {
            table.push(other.row());
            cited.push(other.citation);
        }
    }
    let notes = failure.is_none().then(|| unknown(run.result.as_deref())).into_iter().collect();
    let top = super::MOST_ROWS;
    cited.truncate(top as usize);
    Ok(Found::whole(&FAILURE, table, top).behind(cited).noting(notes))
}

fn unknown(result: Option<&str>) -> String {
    match result {
        Some("failed") => {
            "Why it failed is not known: its timeline was not read (backfill --timelines failed reads it)"
        }
        Some(_) | None => "This run has not failed",
    }
    .to_owned()
}

/// Another run with the same error.
struct Other {
    citation: Citation,
    project: Option<String>,
    pipeline: String,
    branch: Option<String>,
    finished: Option<Time>,
}

impl Other {
    fn row(&self) -> Vec<Value> {
        let mut row = vec![
            json!(self.citation.run_id),
            json!(self.project),
            json!(self.pipeline),
            json!(self.branch),
            moment(self.finished),
        ];
        row.extend([Value::Null, Value::Null, Value::Null, Value::Null, json!(false)]);
        row
    }
}

impl Desk {
    async fn others(&self, signature: String, this: (String, u64)) -> Result<Vec<Other>, ToolError> {
        let filter = RunFilter {
            result: Some("failed".to_owned()),
            since: Some(self.now.minus(LOOK_BACK)),
            ..RunFilter::default()
        };
        let mut others = self
            .catalog
            .fold(Sampled::Runs, &filter, Vec::new(), move |others, sample| {
                let is_this = sample.run_id == this.1 && sample.organization == this.0;
                if is_this || sample.signature != Some(signature.as_str()) {
                    return;
                }
                let url = sample.url.map(str::to_owned);
                others.push(Other {
                    citation: Citation { organization: sample.organization.to_owned(), run_id: sample.run_id, url },
                    project: sample.project.map(str::to_owned),
                    pipeline: sample.pipeline_name.map_or_else(|| sample.pipeline.to_string(), str::to_owned),
                    branch: sample.branch.map(str::to_owned),
                    finished: sample.finished_at,
                });
            })
            .await?;
        others.sort_by_key(|other| std::cmp::Reverse(other.citation.run_id));
        Ok(others)
    }
}

/// Which broken pipelines.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct BrokenNow {
    organization: Option<String>,
    /// A project's name.
    project: Option<String>,
    /// A branch, with or without refs/heads/; without it the default branches. `*` is all.
    branch: Option<String>,
    /// At most so many rows, up to 100.
    #[schemars(range(min = 1, max = 100))]
    top: Option<u32>,
}

const BROKEN: [&str; 12] = [
    "pipeline",
    "project",
    "branch",
    "failures",
    "sinceRunId",
    "sinceCommit",
    "since",
    "sinceIsKnown",
    "lastRunId",
    "stage",
    "error",
    "organization",
];

/// So many of the newest runs are looked at.
const NEWEST: u32 = 2_000;

pub(super) async fn broken(desk: &Desk, asked: BrokenNow) -> Result<Found, ToolError> {
    let recent = desk.catalog.recent(NEWEST).await?;
    let broken = overview::broken(&recent);
    let wanted: Vec<_> = broken.iter().filter(|broken| asked.takes(broken.last)).collect();
    let cited = wanted.iter().take(rows(asked.top) as usize).map(|broken| Citation::from(&broken.last.run)).collect();
    let found = Found::whole(&BROKEN, wanted.into_iter().map(broken_row).collect(), rows(asked.top));
    let looked =
        format!("Looked at the newest {} runs; a run that is canceled or live neither breaks nor mends.", recent.len());
    Ok(found.behind(cited).noting(vec![looked]))
}

impl BrokenNow {
    fn takes(&self, recent: &Recent) -> bool {
        let run = &recent.run;
        let is = |wanted: &Option<String>, has: Option<&str>| {
            wanted.as_ref().is_none_or(|wanted| has.is_some_and(|has| has.eq_ignore_ascii_case(wanted)))
        };
        let on_branch = match self.branch.as_deref() {
            None => overview::is_default(run.branch.as_deref()),
            Some("*") => true,
            Some(branch) => run.branch.as_deref().is_some_and(|of| {
                of.strip_prefix("refs/heads/").unwrap_or(of) == branch.strip_prefix("refs/heads/").unwrap_or(branch)
            }),
        };
        on_branch && is(&self.organization, Some(&run.organization)) && is(&self.project, run.project.as_deref())
    }
}

fn broken_row(broken: &Broken<'_>) -> Vec<Value> {
    let (last, first) = (broken.last, &broken.first.run);
    vec![
        json!(pipeline_name(&last.run)),
        json!(last.run.project),
        json!(last.run.branch),
        json!(broken.failures),
        json!(first.run_id),
        json!(first.commit),
        moment(first.finished_at.or(first.started_at)),
        json!(broken.since_known),
        json!(last.run.run_id),
        json!(last.failed_in),
        json!(last.error),
        json!(last.run.organization),
    ]
}
