use serde::Serialize;

use super::parts::Parts;
use super::{Context, Exit, Failure};
use crate::cli::{self, CheckFormat};
use crate::config::Storage;
use crate::domain::Time;
use crate::queue::{Queue, Survey};
use crate::store;
use crate::view::{self, moment};

/// What was found about one thing.
#[derive(Debug, Serialize)]
struct Finding {
    name: &'static str,
    ok: bool,
    says: String,
    hint: Option<String>,
}

impl Finding {
    fn of(name: &'static str, found: Result<String, Failure>) -> Self {
        match found {
            Ok(says) => Self { name, ok: true, says, hint: None },
            Err(failure) => {
                let (says, hint) = failure.in_words();
                Self { name, ok: false, says, hint }
            }
        }
    }
}

pub(super) async fn run(context: &Context, args: &cli::Check) -> Result<Exit, Failure> {
    let findings = findings(context).await;
    match args.output {
        CheckFormat::Text => findings.iter().try_for_each(|finding| context.output.text(&line(finding)))?,
        CheckFormat::Json => context.output.text(&view::json(&findings)?)?,
    }
    match findings.iter().filter(|finding| !finding.ok).count() {
        0 => Ok(Exit::Done),
        count => Err(Failure::failed(format!("{count} of {} checks failed", findings.len()))),
    }
}

/// Each by itself: one that fails does not hide the next.
async fn findings(context: &Context) -> Vec<Finding> {
    let storage = |opened| Finding::of("storage", opened);
    let parts = match Parts::open_to_look(context).await {
        Ok(parts) => parts,
        Err(failure) => return vec![storage(Err(failure))],
    };
    let mut findings = vec![storage(Ok(context.storage()))];
    match survey(parts.queue.as_ref()).await {
        Ok(survey) => {
            findings.push(Finding::of("queue", Ok(queue(context, &survey))));
            findings.push(Finding::of("dead letters", Ok(dead_letters(survey.dead_letters))));
        }
        Err(failure) => findings.push(Finding::of("queue", Err(failure))),
    }
    findings.push(Finding::of("store", store(&parts).await));
    match parts.store.survey().await {
        Ok(store::Survey { log, floor: lowest }) => {
            findings.push(Finding::of("change log", Ok(change_log(&log))));
            findings.push(Finding::of("floor", Ok(floor(lowest))));
        }
        Err(error) => findings.push(Finding::of("change log", Err(error.into()))),
    }
    findings.push(Finding::of("catalog", catalog(context, &parts).await));
    findings
}

async fn survey(queue: &dyn Queue) -> Result<Survey, Failure> {
    queue.probe().await?;
    Ok(queue.survey().await?)
}

/// The lengths on Azure are not exact.
fn queue(context: &Context, Survey { depth, oldest, .. }: &Survey) -> String {
    let about = match &context.config.storage {
        Storage::Local => "",
        Storage::Azure(_) => "about ",
    };
    let oldest = oldest.map(|oldest| format!(", the oldest from {}", moment(oldest))).unwrap_or_default();
    format!("{about}{} visible, {} leased{oldest}", depth.visible, depth.leased)
}

async fn store(parts: &Parts) -> Result<String, Failure> {
    parts.store.probe().await?;
    Ok("takes writes".to_owned())
}

/// Where each of its parts ends.
fn change_log(log: &[u64]) -> String {
    let ends: Vec<_> = log.iter().map(ToString::to_string).collect();
    let ends = ends.join(", ");
    if log.len() == 1 { format!("last entry: {ends}") } else { format!("{} shards, last entries: {ends}", log.len()) }
}

fn floor(floor: Option<Time>) -> String {
    match floor {
        None => "none: nothing was purged".to_owned(),
        Some(floor) => format!("runs that ended before {} were purged, and stay gone", moment(floor)),
    }
}

async fn catalog(context: &Context, parts: &Parts) -> Result<String, Failure> {
    let catalog = parts.catalog(context)?;
    catalog.refresh(parts.store.as_ref()).await?;
    let pipelines = catalog.pipelines(None, None).await?;
    let runs: u64 = pipelines.iter().map(|pipeline| pipeline.runs).sum();
    Ok(format!("{}: up to date, runs: {runs}, pipelines: {}", catalog.path().display(), pipelines.len()))
}

fn dead_letters(count: u64) -> String {
    match count {
        0 => "none".to_owned(),
        count => format!("{count}, `pipetrail dead-letter list` shows them"),
    }
}

fn line(finding: &Finding) -> String {
    let word = if finding.ok { "ok" } else { "FAILED" };
    let hint = finding.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{word:<7} {}: {}{hint}\n", finding.name, finding.says)
}
