use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio_util::sync::CancellationToken;

use super::output::counted;
use super::parts::Parts;
use super::{Context, Exit, Failure, Output, waiting};
use crate::ado::is_organization;
use crate::ado::rest::{AdoError, Client, Limits};
use crate::backfill::{Backfill, BackfillError, Kind, Order, Progress, Tally, Timelines};
use crate::catalog::DeliveryQuestion;
use crate::cli;
use crate::domain::Time;
use crate::domain::metrics::{Wanted, Window};
use crate::sqlite::Missing;

const RIGHT: &str = "the right Build (read), vso.build; with --all-projects also Project and Team (read), vso.project";
const WHY_ORGANIZATION: &str = "say which with --organization, or set PIPETRAIL_ORGANIZATION";

pub(super) async fn run(context: &Context, args: &cli::Backfill) -> Result<Exit, Failure> {
    period(context.clock().now(), args)?;
    let organization = organization(context, args.organization.as_deref())?;
    let shutdown = context.shutdown()?;
    let client = Arc::new(Client::new(&context.config.ado.access, Limits::default())?);
    let work = async {
        let projects = projects(context, &client, &organization, args).await?;
        let parts = context.open(Missing::Create).await?;
        let backfill = Backfill::new(client.clone(), parts.store.clone());
        let mut backfill = backfill.naming(context.config.names.clone()).following(&context.config.chains);
        all(context, args, (&organization, projects), (&parts, &mut backfill), &shutdown.stop).await
    };
    tokio::select! {
        done = waiting::told(context, &client, work) => done.map_err(|failure| failure.or_right(RIGHT)),
        () = shutdown.force.cancelled() => Ok(Exit::Forced),
    }
}

/// A time that holds nothing is a mistake, and would look as if there were no runs.
fn period(now: Time, args: &cli::Backfill) -> Result<(), Failure> {
    let since = args.since.resolve(now);
    let until = args.until.map_or(now, |until| until.resolve(now));
    if since > now {
        return Err(
            Failure::usage("--since is in the future").hint("say when to begin, such as 30d for thirty days ago")
        );
    }
    if until <= since {
        let hint = "durations are counted back from now, so --since is the longer one: --since 20d --until 10d";
        return Err(Failure::usage("--until is not after --since").hint(hint));
    }
    Ok(())
}

/// As Azure DevOps is asked.
pub(super) fn organization(context: &Context, said: Option<&str>) -> Result<String, Failure> {
    let known = said.map(str::to_owned).or_else(|| context.config.ado.organization.clone());
    let name = known.ok_or_else(|| Failure::usage("no organization is named").hint(WHY_ORGANIZATION))?;
    if is_organization(&name) {
        return Ok(name);
    }
    let hint = "it is the name alone, such as fabrikam in https://dev.azure.com/fabrikam; --ado-url names a server";
    Err(Failure::usage(format!("`{}` cannot be the name of an organization", crate::view::escaped(&name))).hint(hint))
}

/// As records name it.
pub(super) fn canonical(context: &Context, organization: &str) -> String {
    let lower = organization.to_lowercase();
    let aliases = &context.config.organizations;
    let known = aliases.iter().find(|(alias, _)| alias.to_lowercase() == lower);
    known.map_or(lower, |(_, name)| name.to_lowercase())
}

async fn projects(
    context: &Context,
    client: &Client,
    organization: &str,
    args: &cli::Backfill,
) -> Result<Vec<String>, Failure> {
    let said = if args.project.is_empty() { &context.config.ado.projects } else { &args.project };
    if args.all_projects {
        let all = client.projects(organization).await?;
        // By id: a project may be renamed between two backfills.
        return Ok(all.into_iter().map(|project| project.id).collect());
    }
    if said.is_empty() {
        let failure = Failure::usage("no project is named");
        return Err(failure.hint("say which with --project, or --all-projects"));
    }
    Ok(said.clone())
}

/// One project after the other. One that may not be read does not keep the others waiting.
async fn all(
    context: &Context,
    args: &cli::Backfill,
    (organization, projects): (&str, Vec<String>),
    (parts, backfill): (&Parts, &mut Backfill),
    stop: &CancellationToken,
) -> Result<Exit, Failure> {
    let now = context.clock().now();
    let kinds: BTreeSet<Kind> = args.kinds.iter().copied().map(kind).collect();
    let order = |project: &str, kind| Order {
        organization: organization.to_owned(),
        canonical: canonical(context, organization),
        project: project.to_owned(),
        pipelines: args.pipeline.clone(),
        asked: now,
        since: args.since.resolve(now),
        kind,
        until: args.until.map(|until| until.resolve(now)),
        timelines: timelines(args.timelines),
        again: args.again,
    };
    let (mut total, mut failed, mut done_of) = (Tally::default(), None::<Failure>, Vec::new());
    for project in projects {
        // In the order in which links are most soon complete.
        let orders: Vec<Order> = kinds.iter().map(|kind| order(&project, *kind)).collect();
        let mut tally = Tally::default();
        let done = one(context.output, &orders, backfill, &mut tally, stop).await;
        total += tally;
        match done {
            Ok(()) => done_of.push(project),
            Err(error) => {
                let goes_on = is_of_the_project(&error);
                // The last one is how the command ends.
                if let Some(before) = failed.replace(Failure::from(error)) {
                    tracing::warn!(why = before.in_words().0, "a project is left out");
                }
                if !goes_on {
                    break;
                }
            }
        }
    }
    if kinds.contains(&Kind::Code) {
        let orders = done_of.iter().map(|project| order(project, Kind::Code));
        failed = failed.or(compare(context, (parts, backfill), orders, &mut total, stop).await.err());
    }
    let stopped = if stop.is_cancelled() { "; stopped: the same command goes on from there" } else { "" };
    if failed.is_none() || !done_of.is_empty() {
        context.report(&format!("{}{stopped}", summary(&total, done_of.len())));
    }
    failed.map_or(Ok(Exit::Done), Err)
}

/// What came between two deployments, where nothing that is stored tells for certain.
async fn compare(
    context: &Context,
    (parts, backfill): (&Parts, &mut Backfill),
    orders: impl Iterator<Item = Order>,
    tally: &mut Tally,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let catalog = parts.catalog(context)?;
    catalog.refresh(parts.store.as_ref()).await?;
    for order in orders {
        let until = order.until.unwrap_or(order.asked);
        let (organization, project) = (Some(order.canonical), Some(order.project));
        let question = DeliveryQuestion {
            wanted: Wanted { organization, project, ..Wanted::default() },
            window: Window { from: order.since, until },
            zone: context.config.zone,
            period: None,
            group: None,
            work: false,
            terms: context.config.terms.clone(),
            owners: context.config.owners.clone(),
            now: order.asked,
        };
        let wanted = catalog.uncompared(&question).await?;
        backfill.compare(&order.organization, wanted, tally, stop).await?;
    }
    Ok(())
}

/// All that is asked for of one project.
async fn one(
    output: Output,
    orders: &[Order],
    backfill: &mut Backfill,
    tally: &mut Tally,
    stop: &CancellationToken,
) -> Result<(), BackfillError> {
    for order in orders {
        let bar = Bar::new(output, order);
        let mut done = Tally::default();
        let result = backfill.run(order, &mut done, &|progress| bar.advance(progress), stop).await;
        bar.end();
        *tally += done;
        result?;
        if !stop.is_cancelled() {
            backfill.cover(order, &done).await?;
        }
    }
    Ok(())
}

fn kind(said: cli::Kind) -> Kind {
    match said {
        cli::Kind::Runs => Kind::Runs,
        cli::Kind::Code => Kind::Code,
        cli::Kind::Releases => Kind::Releases,
        cli::Kind::Environments => Kind::Environments,
        cli::Kind::Boards => Kind::Boards,
        cli::Kind::Clusters => Kind::Clusters,
    }
}

fn timelines(said: cli::Timelines) -> Timelines {
    match said {
        cli::Timelines::None => Timelines::None,
        cli::Timelines::Failed => Timelines::Failed,
        cli::Timelines::All => Timelines::All,
    }
}

fn is_of_the_project(error: &BackfillError) -> bool {
    match error {
        BackfillError::Ado(AdoError::Forbidden { .. } | AdoError::NotFound { .. }) => true,
        BackfillError::Ado(_) | BackfillError::Store(_) => false,
    }
}

fn summary(tally: &Tally, projects: usize) -> String {
    let imported = &tally.imported;
    let code = [tally.pushes, tally.pull_requests, tally.changes, tally.compared, tally.work_items];
    let others = [tally.releases, tally.deployments, tally.syncs];
    let only_runs = code.iter().chain(&others).all(|count| *count == 0);
    let (with, without) =
        if only_runs { ("runs with news", "runs without news") } else { ("with news", "without news") };
    let parts = [
        ("releases and their deployments", tally.releases),
        ("deployment records", tally.deployments),
        ("pushes", tally.pushes),
        ("pull requests", tally.pull_requests),
        ("runs with commits", tally.changes),
        ("deployments compared", tally.compared),
        ("work items", tally.work_items),
        ("what clusters said", tally.syncs),
        (with, imported.applied),
        ("that looked different", imported.missed),
        (without, imported.unchanged),
        ("timelines", tally.timelines),
        ("without a timeline", tally.without_timeline),
        ("unreadable", tally.unreadable),
        ("below the floor", imported.below_floor),
        ("left alone", imported.left_alone),
    ];
    let said: Vec<_> =
        parts.iter().filter(|(_, count)| *count > 0).map(|(word, count)| format!("{word} {count}")).collect();
    let colon = if said.is_empty() { "" } else { ": " };
    let (builds, projects) = (counted(tally.builds, "build"), counted(projects, "project"));
    format!("backfilled {builds} of {projects}{colon}{}", said.join(", "))
}

/// A bar on stderr where somebody watches: how much of the time that was asked for is done.
struct Bar {
    bar: ProgressBar,
    from: Time,
}

impl Bar {
    fn new(output: Output, order: &Order) -> Self {
        let length = order.until.unwrap_or(order.asked).since(order.since);
        let target =
            if output.person_is_watching() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(length.as_secs()), target);
        if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {msg}, {eta} left") {
            bar.set_style(style);
        }
        bar.set_prefix(crate::view::escaped(&order.project).into_owned());
        bar.enable_steady_tick(Duration::from_millis(500));
        Self { bar, from: order.since }
    }

    fn advance(&self, progress: Progress) {
        self.bar.set_position(progress.reached.since(self.from).as_secs());
        self.bar.set_message(counted(progress.builds, "build"));
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
