use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::examples::EXAMPLES;
use super::parts::Parts;
use super::serve::{Work, bind, run_all};
use super::work::worker;
use super::{Context, Exit, Failure};
use crate::ado::{Beside, timeline_facts};
use crate::catalog::{Catalog, Run, RunFilter};
use crate::cli;
use crate::domain::{Fact, Time};
use crate::history::{Event, Plan, Timeline, bedrock};
use crate::http::Server;
use crate::ingest::{Importer, Mode};
use crate::sqlite::Missing;
use crate::view::{self, Columns};

const ORGANIZATION: &str = "fabrikam";
const PAST: Duration = Duration::from_secs(14 * 24 * 3_600);
/// Far enough: nobody watches a demo for longer.
const FUTURE: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Events in one put.
const CHUNK: usize = 500;
/// Runs of the history that are printed, and those of the examples that always are.
const NEWEST: u32 = 12;
const ALWAYS: [u64; 3] = [481, 480, 479];
/// Where the demo keeps its made-up runs, unless told otherwise: a name that no earlier demo had.
#[must_use]
pub fn throw_away_file() -> PathBuf {
    std::env::temp_dir().join(format!("pipetrail-demo-{}", std::process::id())).join("demo.db")
}

pub(super) async fn run(context: &Context, args: &cli::Demo) -> Result<Exit, Failure> {
    context.only_local("demo", "add --storage local: its history is made up")?;
    let shutdown = context.shutdown()?;
    make_folder(context)?;
    // Before the history: a port in use should not cost a wait.
    let server = if args.once { None } else { Some(bind(context).await?) };
    if let Some(server) = &server {
        // First of all: whoever wants to see it may open it while the history is being made.
        context.output.text(&format!("The dashboard: http://{}/\n\n", server.address()))?;
    }
    let parts = context.open(Missing::Create).await?;
    let now = context.clock().now();
    let plan =
        Plan { live_at: now, about: true, ..Plan::new(ORGANIZATION, now.minus(PAST), now.plus(FUTURE), args.seed) };
    // What goes the way of Bedrock beside the rest; all of it is past.
    let (chain, _) = bedrock(ORGANIZATION, now);
    let mut events = plan.events();
    parts.queue.put(chain.into_iter().map(|event| event.body).collect()).await?;
    let mut future = Box::pin(fill(context, &parts, &mut events, now, &shutdown.stop));
    let next = tokio::select! {
        filled = &mut future => filled?,
        () = shutdown.force.cancelled() => return Ok(Exit::Forced),
    };
    drop(future);
    let told = Plan { until: now, ..plan.clone() };
    import(&parts, told.deployments().filter(|fact| fact.said <= now).map(Fact::Deployment).collect()).await?;
    let mut failures = plan.timelines().peekable();
    let failed = std::iter::from_fn(|| failures.next_if(|timeline| timeline.due <= now));
    import(&parts, failed.flat_map(|timeline| explained(&timeline)).collect()).await?;
    if shutdown.stop.is_cancelled() {
        return Ok(Exit::Done);
    }
    let runs = runs(&parts.catalog(context)?).await?;
    context.output.text(&view::runs_table(&runs, Columns::Few, now))?;
    context.output.text(&next_steps(context, events.merged(), server.as_ref()))?;
    let Some(server) = server else { return Ok(Exit::Done) };
    tracing::info!("demo: ready, listening on http://{}", server.address());
    let stop = shutdown.stop.clone();
    let live = next.into_iter().chain(events);
    // Made-up runs are nowhere to be asked for.
    let work = Work { server: Some(server), readers: true, mode: Some(Mode::Forever), asking: None };
    let (served, (), told) = tokio::join!(
        Box::pin(run_all(context, &parts, work, shutdown)),
        Box::pin(play(context, &parts, live, &stop)),
        Box::pin(explain(context, &parts, failures, &stop)),
    );
    told?;
    served
}

/// The folder is ours alone where it is the throw-away one; its name could be guessed.
fn make_folder(context: &Context) -> Result<(), Failure> {
    let file = throw_away_file();
    if context.config.data != file {
        return Ok(());
    }
    let folder = file.parent().unwrap_or(&file);
    std::fs::create_dir(folder)
        .with_context(|| format!("{}: cannot be made", folder.display()))
        .map_err(|error| Failure::from(error).hint("name a file with --data"))
}

/// Puts the examples and the history up to now on the queue and works on them. Returns the first event that
/// is not due yet.
async fn fill(
    context: &Context,
    parts: &Parts,
    events: &mut impl Iterator<Item = Event>,
    now: Time,
    stop: &CancellationToken,
) -> Result<Option<Event>, Failure> {
    let queue = parts.queue.as_ref();
    queue.put(EXAMPLES.iter().map(|(_, body)| body.to_vec()).collect()).await?;
    let mut chunk = Vec::with_capacity(CHUNK);
    let mut next = None;
    for event in events {
        if event.due > now {
            next = Some(event);
            break;
        }
        chunk.push(event.body);
        if chunk.len() == CHUNK {
            queue.put(std::mem::take(&mut chunk)).await?;
        }
    }
    queue.put(chunk).await?;
    let worker = worker(context, parts, false);
    worker.run(Mode::UntilEmpty, stop.clone()).await.map_err(anyhow::Error::from)?;
    Ok(next)
}

/// Why a run failed, read as the service's answer is.
fn explained(timeline: &Timeline) -> Vec<Fact> {
    let (pipeline, name) = timeline.pipeline;
    let (project_id, project_name) = &timeline.project;
    let beside = Beside {
        organization: ORGANIZATION.to_owned(),
        project_id: Some(project_id.clone()),
        project_name: Some((*project_name).to_owned()),
        pipeline,
        pipeline_name: Some(name.to_owned()),
        finished: Some(timeline.finished),
    };
    timeline_facts(&beside, timeline.run, &timeline.answer).unwrap_or_else(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "demo: a timeline was lost");
        Vec::new()
    })
}

/// Brings in what no event tells, as a backfill would: what environments got, and why runs failed.
async fn import(parts: &Parts, facts: Vec<Fact>) -> Result<(), Failure> {
    Importer::new(parts.store.clone()).import(facts).await.map(drop).map_err(Failure::from)
}

/// The newest runs, and those that the examples tell of.
async fn runs(catalog: &Catalog) -> Result<Vec<Run>, Failure> {
    let newest = RunFilter { top: Some(NEWEST), ..RunFilter::default() };
    let mut runs = catalog.runs(&newest).await?;
    for id in ALWAYS {
        if runs.iter().any(|run| run.run_id == id) {
            continue;
        }
        let found = catalog.run(id, Some(ORGANIZATION), &[]).await?;
        runs.extend(found.into_iter().map(|detail| detail.run));
    }
    Ok(runs)
}

fn next_steps(context: &Context, merged: Option<(u64, u64)>, server: Option<&Server>) -> String {
    let data = quoted(&context.config.data.display().to_string());
    let program = quoted(&context.program);
    let mut text = format!(
        "\nThese are the newest runs of two made-up weeks, and those of the examples. The data file is {data}.\n\
         What to type next:\n  \
         {program} get runs --data {data} --result failed --since 7d\n  \
         {program} get run 480 --data {data}\n  \
         {program} get pipelines --data {data} -o wide\n  \
         {program} get runs --data {data} -o json\n  \
         {program} get environments --data {data}\n  \
         {program} get deployments --data {data} -o normal\n  \
         {program} get approvals --data {data} --status pending\n"
    );
    if let Some((pull_request, item)) = merged {
        text.push_str(&format!(
            "  {program} get pr {pull_request} --data {data}\n  {program} get work-item {item} --data {data}\n"
        ));
    }
    if let Some(server) = server {
        let hook = format!("http://{}/hooks/azure-devops", server.address());
        text.push_str(&format!(
            "  {program} get runs --data {data} --state inProgress --watch\n  \
             curl -i {hook} --data-binary @example-json/started_build.json\n\
             Events go on until Ctrl-C.\n"
        ));
    }
    text
}

/// For a shell.
fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "/._-+:".contains(character);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Puts events on the queue as they come due.
async fn play(context: &Context, parts: &Parts, events: impl Iterator<Item = Event>, stop: &CancellationToken) {
    for event in events {
        if !is_due(context, event.due, stop).await {
            return;
        }
        // Trouble is told by those who work on the queue; an event of a demo may be lost.
        if let Err(error) = parts.queue.put(vec![event.body]).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "demo: an event was lost");
        }
    }
}

/// Tells why runs failed, once they have.
async fn explain(
    context: &Context,
    parts: &Parts,
    timelines: impl Iterator<Item = Timeline>,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    for timeline in timelines {
        if !is_due(context, timeline.due, stop).await {
            return Ok(());
        }
        import(parts, explained(&timeline)).await?;
    }
    Ok(())
}

/// Waits until then; `false` where the stop comes first.
async fn is_due(context: &Context, due: Time, stop: &CancellationToken) -> bool {
    let wait = due.since(context.clock().now());
    tokio::select! {
        () = stop.cancelled() => false,
        () = tokio::time::sleep(wait) => true,
    }
}
