use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::found::moment;
use super::runs::{OneRun, pipeline_name};
use super::{Citation, Desk, Found, Tool, ToolError, rows};
use crate::catalog::{Broken, Named, On, Recent, Run, RunDetail, RunFilter};
use crate::view::overview;

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
                let Some(last) = last else {
                    let asked = [
                        (Named::Organization, filter.organization.as_ref()),
                        (Named::Pipeline, filter.pipeline.as_ref()),
                        (Named::Branch, filter.branch.as_ref()),
                    ];
                    return Err(desk.unknown(format!("a failed run of {pipeline}"), &asked).await?);
                };
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
    let mut total = 1;
    if let Some(signature) = failure.and_then(|failure| failure.signature.clone()) {
        let (others, count) = desk.others(signature, run).await?;
        table.extend(others.iter().map(other_row));
        cited.extend(others.iter().map(Citation::from));
        total += count;
    }
    let notes = failure.is_none().then(|| unknown(run.result.as_deref())).into_iter().collect();
    let top = super::MOST_ROWS;
    cited.truncate(top as usize);
    let found = Found::whole(&FAILURE, table, top).behind(cited).noting(notes);
    Ok(Found { total: Some(total), truncated: found.rows.len() as u64 != total, ..found })
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

fn other_row(run: &Run) -> Vec<Value> {
    let mut row = vec![
        json!(run.run_id),
        json!(run.project),
        json!(pipeline_name(run)),
        json!(run.branch),
        moment(run.finished_at),
    ];
    row.extend([Value::Null, Value::Null, Value::Null, Value::Null, json!(false)]);
    row
}

impl Desk {
    /// The newest runs with this error, and how many there are.
    async fn others(&self, signature: String, this: &Run) -> Result<(Vec<Run>, u64), ToolError> {
        let filter = RunFilter {
            result: Some("failed".to_owned()),
            since: Some(self.now.minus(LOOK_BACK)),
            signature: Some(signature),
            ..RunFilter::default()
        };
        let mut others = self.catalog.count_runs(&filter).await?;
        let at = this.queued_at.or(this.started_at).or(this.finished_at);
        if at >= filter.since && this.result == filter.result {
            others = others.saturating_sub(1);
        }
        let some = RunFilter { top: Some(super::MOST_ROWS + 1), ..filter };
        let mut runs = self.catalog.runs(&some).await?;
        let is_this = |run: &Run| run.run_id == this.run_id && run.organization == this.organization;
        runs.retain(|run| !is_this(run));
        Ok((runs, others))
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

/// So many of the newest runs tell what is broken on other branches than the default ones.
const NEWEST: u32 = 2_000;

pub(super) async fn broken(desk: &Desk, asked: BrokenNow) -> Result<Found, ToolError> {
    let on = match asked.branch.as_deref() {
        None | Some("*") => On::Default,
        Some(branch) => On::Branch(full_ref(branch)),
    };
    let wanted = asked.clone();
    let mut broken = desk.catalog.broken(on, move |last| wanted.takes(last)).await?;
    let mut note = String::new();
    if asked.branch.as_deref() == Some("*") {
        let recent = desk.catalog.recent(NEWEST).await?;
        broken.extend(overview::broken_elsewhere(&recent).into_iter().filter(|broken| asked.takes(&broken.last)));
        note = format!("On other branches than the default ones, of the newest {} runs. ", recent.len());
    }
    overview::sort_broken(&mut broken);
    let cited = broken.iter().take(rows(asked.top) as usize).map(|broken| Citation::from(&broken.last.run)).collect();
    let found = Found::whole(&BROKEN, broken.iter().map(broken_row).collect(), rows(asked.top));
    let named = [
        (Named::Organization, asked.organization.as_ref()),
        (Named::Project, asked.project.as_ref()),
        (Named::Branch, asked.branch.as_ref().filter(|branch| *branch != "*")),
    ];
    let near = if found.rows.is_empty() { desk.near(&named).await? } else { Vec::new() };
    let looked = format!("{note}A run that is canceled or live neither breaks nor mends.");
    Ok(found.behind(cited).noting(vec![looked]).noting(near))
}

fn full_ref(branch: &str) -> String {
    if branch.starts_with("refs/") { branch.to_owned() } else { format!("refs/heads/{branch}") }
}

impl BrokenNow {
    fn takes(&self, recent: &Recent) -> bool {
        let run = &recent.run;
        let is = |wanted: &Option<String>, has: Option<&str>| {
            wanted.as_ref().is_none_or(|wanted| has.is_some_and(|has| has.eq_ignore_ascii_case(wanted)))
        };
        is(&self.organization, Some(&run.organization)) && is(&self.project, run.project.as_deref())
    }
}

fn broken_row(broken: &Broken) -> Vec<Value> {
    let (last, first) = (&broken.last, &broken.first.run);
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
