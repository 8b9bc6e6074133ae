use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use serde::Serialize;
use tokio::time::timeout;

use super::parts::Parts;
use super::waiting::PATIENCE;
use super::{Context, Exit, Failure};
use crate::azure::Account;
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
    let mut told = Told { context, format: args.output, findings: Vec::new() };
    look(context, &mut told).await?;
    told.end()
}

/// What was found so far. A person reads each line as soon as it is known.
struct Told<'a> {
    context: &'a Context,
    format: CheckFormat,
    findings: Vec<Finding>,
}

impl Told<'_> {
    fn add(&mut self, findings: Vec<Finding>) -> Result<(), Failure> {
        if self.format == CheckFormat::Text {
            findings.iter().try_for_each(|finding| self.context.output.text(&line(finding)))?;
        }
        self.findings.extend(findings);
        Ok(())
    }

    fn end(self) -> Result<Exit, Failure> {
        if self.format == CheckFormat::Json {
            self.context.output.text(&view::json(&self.findings)?)?;
        }
        match self.findings.iter().filter(|finding| !finding.ok).count() {
            0 => Ok(Exit::Done),
            count => Err(Failure::failed(format!("{count} of {} checks failed", self.findings.len()))),
        }
    }
}

/// Each by itself and all at once: one that fails does not hide the next, nor hold it up.
async fn look(context: &Context, told: &mut Told<'_>) -> Result<(), Failure> {
    let parts = match Parts::open_to_look(context).await {
        Ok(parts) => parts,
        Err(failure) => return told.add(vec![Finding::of("storage", Err(failure))]),
    };
    told.add(vec![Finding::of("storage", Ok(context.storage()))])?;
    let looks: [(&str, BoxFuture<'_, Vec<Finding>>); 4] = [
        ("queue", of_queue(context, &parts).boxed()),
        ("store", of_store(&parts).boxed()),
        ("change log", of_log(&parts).boxed()),
        ("catalog", of_catalog(context, &parts).boxed()),
    ];
    let names = looks.each_ref().map(|(name, _)| *name);
    let mut found = stream::iter(looks.map(|(_, look)| look)).buffered(names.len());
    for name in names {
        let findings = match timeout(PATIENCE, found.next()).await {
            Ok(findings) => findings,
            Err(_) => {
                context.output.say(&waiting(context, name));
                found.next().await
            }
        };
        told.add(findings.unwrap_or_default())?;
    }
    Ok(())
}

/// What is waited for, so that nobody takes silence for an end.
fn waiting(context: &Context, name: &str) -> String {
    match &context.config.storage {
        Storage::Local => format!("waiting for the {name}"),
        Storage::Azure(azure) => {
            let Account { queue_endpoint, table_endpoint, .. } = &azure.account;
            let endpoint = if name == "queue" { queue_endpoint } else { table_endpoint };
            format!("waiting for the {name} at {endpoint}: a request is given up after some 20 s")
        }
    }
}

async fn of_queue(context: &Context, parts: &Parts) -> Vec<Finding> {
    match survey(parts.queue.as_ref()).await {
        Ok(survey) => vec![
            Finding::of("queue", Ok(queue(context, &survey))),
            Finding::of("dead letters", Ok(dead_letters(survey.dead_letters.count()))),
        ],
        Err(failure) => vec![Finding::of("queue", Err(failure))],
    }
}

async fn of_store(parts: &Parts) -> Vec<Finding> {
    let probed = parts.store.probe().await;
    vec![Finding::of("store", probed.map(|()| "takes writes".to_owned()).map_err(Failure::from))]
}

async fn of_log(parts: &Parts) -> Vec<Finding> {
    match parts.store.survey().await {
        Ok(store::Survey { log, floor: lowest }) => {
            vec![Finding::of("change log", Ok(change_log(&log))), Finding::of("floor", Ok(floor(lowest)))]
        }
        Err(error) => vec![Finding::of("change log", Err(error.into()))],
    }
}

async fn of_catalog(context: &Context, parts: &Parts) -> Vec<Finding> {
    vec![Finding::of("catalog", catalog(context, parts).await)]
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
    let count = if depth.mixed {
        format!("{} visible or leased", depth.visible)
    } else {
        format!("{} visible, {} leased", depth.visible, depth.leased)
    };
    format!("{about}{count}{oldest}")
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
    let hint = finding.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{word:<7} {}: {}{hint}\n", finding.name, finding.says)
}
