use std::time::Duration;

use super::looking::Looking;
use super::parts::Parts;
use super::{Context, Exit, Failure};
use crate::catalog::{
    ApprovalFilter, Catalog, ChainFilter, CommitDetail, Deployment, DeploymentFilter, Environment, EnvironmentFilter,
    Gap, GapFilter, GivenApproval, Incident, IncidentFilter, Named, Pipeline, PullRequestDetail, Run, RunDetail,
    RunFilter, Stage, WorkItemDetail,
};
use crate::cli::{self, Format, Get};
use crate::domain::chain;
use crate::domain::owner::Owner;
use crate::domain::{BranchPattern, Key, RunKey, Time};
use crate::view::{self, Columns, PipelineJson, RunJson};

const WATCH_EVERY: Duration = Duration::from_secs(2);

pub(super) async fn run(context: &Context, get: Get) -> Result<Exit, Failure> {
    let show = match &get {
        Get::Runs(args) => args.show,
        Get::Run(args) | Get::Stages(args) => args.show,
        Get::Pipelines(args) => args.show,
        Get::Environments(args) => args.show,
        Get::Deployments(args) => args.show(),
        Get::Approvals(args) => args.show,
        Get::Commit(args) => args.show,
        Get::Pr(args) => args.show,
        Get::WorkItem(args) => args.show,
        Get::Incidents(args) => args.show,
        Get::Gaps(args) => args.show,
    };
    let parts = Parts::open_to_look(context).await?;
    let mut reader = Reader { catalog: parts.catalog(context)?, parts };
    if show.watch {
        return watch(context, &mut reader, &get, show.output).await;
    }
    let rows = reader.ask(context, &get).await?;
    context.output.text(&rows.shown(show.output, context.clock().now())?)?;
    if let Format::Table | Format::Wide = show.output {
        if rows.is_empty() {
            context.output.say("nothing matches");
            for (named, asked) in asked_for(&get) {
                let known = reader.catalog.known(named, asked).await?;
                view::unknown_note(named, asked, &known).into_iter().for_each(|note| context.output.say(&note));
            }
        }
        let gaps = gaps_behind(&reader.catalog, &get, &rows, context.clock().now()).await?;
        view::gaps_note(&gaps).into_iter().for_each(|note| context.output.say(&note));
    }
    Ok(Exit::Done)
}

/// The values that a list was asked for with.
fn asked_for(get: &Get) -> Vec<(Named, &str)> {
    let place = |organization, project| vec![(Named::Organization, organization), (Named::Project, project)];
    let mut asked: Vec<(Named, &Option<String>)> = Vec::new();
    match get {
        Get::Runs(cli::GetRuns { filter, .. }) => {
            asked = place(&filter.organization, &filter.project);
            asked.extend([(Named::Pipeline, &filter.pipeline), (Named::Branch, &filter.branch)]);
            asked.extend([(Named::State, &filter.state), (Named::Result, &filter.result)]);
        }
        Get::Pipelines(args) => asked = place(&args.organization, &args.project),
        Get::Environments(args) => asked = place(&args.organization, &args.project),
        Get::Deployments(args) => {
            asked = place(&args.organization, &args.project);
            asked.extend([(Named::Pipeline, &args.pipeline), (Named::Environment, &args.environment)]);
        }
        Get::Approvals(args) => {
            asked = place(&args.organization, &args.project);
            asked.push((Named::Status, &args.status));
        }
        Get::Incidents(args) => asked = place(&args.organization, &args.project),
        Get::Gaps(_) | Get::Run(_) | Get::Stages(_) | Get::Commit(_) | Get::Pr(_) | Get::WorkItem(_) => {}
    }
    asked.into_iter().filter_map(|(named, value)| Some((named, value.as_deref()?))).collect()
}

/// Who asks the catalog.
struct Reader {
    parts: Parts,
    catalog: Catalog,
}

impl Reader {
    /// Asks once more where a replica turns out to be damaged: it is made anew.
    async fn ask(&mut self, context: &Context, get: &Get) -> Result<Rows, Failure> {
        let failure = match ask(context, self, get).await {
            Err(failure) if failure.is_damage() => failure,
            answered => return answered,
        };
        self.catalog = self.parts.catalog_anew(context)?.ok_or(failure)?;
        ask(context, self, get).await
    }
}

/// Asks again and again. On a terminal the answer is redrawn; elsewhere it is printed when it changed.
async fn watch(context: &Context, reader: &mut Reader, get: &Get, format: Format) -> Result<Exit, Failure> {
    let shutdown = context.shutdown()?;
    let mut last = None;
    loop {
        match reader.ask(context, get).await {
            Ok(rows) => {
                let shown = rows.shown(format, context.clock().now())?;
                if context.output.is_terminal() {
                    context.output.redraw(&shown)?;
                } else if last.as_ref() != Some(&rows) {
                    context.output.text(&shown)?;
                }
                last = Some(rows);
            }
            // Once it could be reached, an outage is waited out.
            Err(failure) if last.is_some() && failure.is_passing() => {
                context.report(&format!("{}; looking again", failure.in_words().0));
            }
            Err(failure) => return Err(failure),
        }
        tokio::select! {
            () = shutdown.stop.cancelled() => return Ok(Exit::Done),
            () = tokio::time::sleep(WATCH_EVERY) => {}
        }
    }
}

/// What was asked for.
#[derive(Debug, PartialEq)]
enum Rows {
    Runs(Vec<Run>),
    Run(Box<RunJson>),
    Pipelines(Vec<PipelineJson>),
    Stages(Vec<Stage>),
    Environments(Vec<Environment>),
    Deployments(Vec<Deployment>),
    Chain(Vec<chain::Row>),
    Approvals(Vec<GivenApproval>),
    Commit(Box<CommitDetail>),
    PullRequest(Box<PullRequestDetail>),
    WorkItem(Box<WorkItemDetail>),
    Incidents(Vec<Incident>),
    Gaps(Vec<Gap>),
}

async fn ask(context: &Context, reader: &Reader, get: &Get) -> Result<Rows, Failure> {
    let Reader { parts, catalog } = reader;
    catalog.refresh(parts.store.as_ref()).await?;
    match get {
        Get::Runs(args) => Ok(Rows::Runs(runs(context, catalog, args).await?)),
        Get::Run(args) => {
            let mut detail = one(context, catalog, args).await?;
            detail.owner = owner_of_run(context, &detail).map(Into::into);
            let facts = view::timeline(&parts.store.facts(&key(&detail.run)).await?);
            Ok(Rows::Run(Box::new(RunJson { detail, facts: Some(facts) })))
        }
        Get::Pipelines(args) => Ok(Rows::Pipelines(pipelines(context, catalog, args).await?)),
        Get::Stages(args) => Ok(Rows::Stages(one(context, catalog, args).await?.run.stages)),
        Get::Commit(args) => {
            let found = catalog.commits(&args.commit, args.organization.as_deref(), patterns(context)).await?;
            let place = |found: &CommitDetail| format!("{} {}", found.organization, found.commit);
            let which = which(args.organization.as_deref(), "say more of its digits");
            only(found, &format!("commit {}", args.commit), NOT_TOLD, which, place)
                .map(|found| Rows::Commit(Box::new(found)))
        }
        Get::Pr(args) => {
            let found = catalog.pull_requests(args.id, args.organization.as_deref(), patterns(context)).await?;
            let place = |found: &PullRequestDetail| found.organization.clone();
            let which = which(args.organization.as_deref(), TWICE);
            only(found, &format!("pull request {}", args.id), NOT_TOLD, which, place)
                .map(|found| Rows::PullRequest(Box::new(found)))
        }
        Get::WorkItem(args) => {
            let found = catalog.work_items(args.id, args.organization.as_deref(), patterns(context)).await?;
            let place = |found: &WorkItemDetail| found.organization.clone();
            let which = which(args.organization.as_deref(), TWICE);
            only(found, &format!("work item {}", args.id), NOT_TOLD, which, place)
                .map(|found| Rows::WorkItem(Box::new(found)))
        }
        Get::Environments(args) => Ok(Rows::Environments(catalog.environments(&environments(args)).await?)),
        Get::Deployments(args) if lists_chains(context, args) => {
            Ok(Rows::Chain(catalog.chain_rows(&context.config.chains.all, &chain_filter(args)).await?))
        }
        Get::Deployments(args) => {
            let filter = deployments(args, context.clock().now());
            Ok(Rows::Deployments(catalog.deployments(&filter).await?))
        }
        Get::Approvals(args) => {
            let filter = approvals(args, context.clock().now());
            Ok(Rows::Approvals(catalog.approvals(&filter).await?))
        }
        Get::Incidents(args) => {
            let filter = incidents(args, context.clock().now());
            Ok(Rows::Incidents(catalog.incidents(&filter, &context.config.terms).await?))
        }
        Get::Gaps(args) => Ok(Rows::Gaps(catalog.gaps(&gaps(args, context.clock().now())).await?)),
    }
}

async fn runs(context: &Context, catalog: &Catalog, args: &cli::GetRuns) -> Result<Vec<Run>, Failure> {
    let mut looking = Looking::new(context);
    let filter = filter(&args.filter, context.clock().now());
    let found = catalog.runs_telling(&filter, |to| looking.reached(to)).await?;
    looking.end();
    Ok(found)
}

async fn pipelines(
    context: &Context,
    catalog: &Catalog,
    args: &cli::GetPipelines,
) -> Result<Vec<PipelineJson>, Failure> {
    let found = catalog.pipelines(args.organization.as_deref(), args.project.as_deref()).await?;
    let health = catalog.health(&found).await?;
    let both = found.into_iter().zip(health).map(|(mut pipeline, health)| {
        pipeline.owner = owner_of_pipeline(context, &pipeline).map(Into::into);
        PipelineJson { pipeline, health }
    });
    Ok(both.collect())
}

/// The gaps that make these rows uncertain: what is not there may have been lost.
async fn gaps_behind(catalog: &Catalog, get: &Get, rows: &Rows, now: Time) -> Result<Vec<Gap>, Failure> {
    let filter = match (get, rows) {
        (Get::Runs(args), _) => GapFilter {
            organization: args.filter.organization.clone(),
            project: args.filter.project.clone(),
            since: args.filter.since.map(|since| since.resolve(now)),
            ..GapFilter::default()
        },
        (_, Rows::Run(run)) => GapFilter {
            organization: Some(run.detail.run.organization.clone()),
            project: run.detail.run.project.clone(),
            since: run.detail.run.queued_at,
            until: run.detail.run.finished_at,
            ..GapFilter::default()
        },
        (
            _,
            Rows::Runs(_)
            | Rows::Pipelines(_)
            | Rows::Stages(_)
            | Rows::Environments(_)
            | Rows::Deployments(_)
            | Rows::Chain(_)
            | Rows::Approvals(_)
            | Rows::Commit(_)
            | Rows::PullRequest(_)
            | Rows::WorkItem(_)
            | Rows::Incidents(_)
            | Rows::Gaps(_),
        ) => return Ok(Vec::new()),
    };
    Ok(catalog.gaps(&filter).await?)
}

fn filter(said: &cli::Filter, now: Time) -> RunFilter {
    let said = said.clone();
    RunFilter {
        organization: said.organization,
        project: said.project,
        pipeline: said.pipeline,
        branch: said.branch,
        state: said.state,
        result: said.result,
        commit: said.commit,
        since: said.since.map(|since| since.resolve(now)),
        top: (said.top > 0).then_some(said.top),
        ..RunFilter::default()
    }
}

fn gaps(args: &cli::GetGaps, now: Time) -> GapFilter {
    GapFilter {
        organization: args.organization.clone(),
        project: args.project.clone(),
        since: args.since.map(|since| since.resolve(now)),
        covered: args.all,
        top: (args.top > 0).then_some(args.top),
        ..GapFilter::default()
    }
}

fn incidents(args: &cli::GetIncidents, now: Time) -> IncidentFilter {
    IncidentFilter {
        organization: args.organization.clone(),
        project: args.project.clone(),
        open: args.open,
        since: args.since.map(|since| since.resolve(now)),
        top: (args.top > 0).then_some(args.top),
        ..IncidentFilter::default()
    }
}

fn environments(args: &cli::GetEnvironments) -> EnvironmentFilter {
    EnvironmentFilter {
        organization: args.organization.clone(),
        project: args.project.clone(),
        top: (args.top > 0).then_some(args.top),
        ..EnvironmentFilter::default()
    }
}

fn deployments(args: &cli::GetDeployments, now: Time) -> DeploymentFilter {
    DeploymentFilter {
        organization: args.organization.clone(),
        project: args.project.clone(),
        environment: args.environment.clone(),
        pipeline: args.pipeline.clone(),
        since: args.since.map(|since| since.resolve(now)),
        current: args.current,
        top: (args.top > 0).then_some(args.top),
        ..DeploymentFilter::default()
    }
}

/// Where chains are configured they are what deployments are, unless something asks for environments.
fn lists_chains(context: &Context, args: &cli::GetDeployments) -> bool {
    args.asks_for_chains() || (context.config.chains.are_configured && !args.asks_for_environments())
}

fn chain_filter(args: &cli::GetDeployments) -> ChainFilter {
    let said = args.chain.clone();
    ChainFilter {
        organization: args.organization.clone(),
        build: said.build_id,
        commit: said.commit_id,
        deployment: said.deployment_id,
        image_tag: said.image_tag,
        rings: said.ring.into_iter().collect(),
        services: said.service.into_iter().collect(),
        top: (args.top > 0).then_some(args.top),
        ..ChainFilter::default()
    }
}

fn approvals(args: &cli::GetApprovals, now: Time) -> ApprovalFilter {
    ApprovalFilter {
        organization: args.organization.clone(),
        project: args.project.clone(),
        status: args.status.clone(),
        since: args.since.map(|since| since.resolve(now)),
        top: (args.top > 0).then_some(args.top),
        ..ApprovalFilter::default()
    }
}

async fn one(context: &Context, catalog: &Catalog, args: &cli::GetRun) -> Result<RunDetail, Failure> {
    let found = catalog.run(args.run_id, args.organization.as_deref(), patterns(context)).await?;
    let which = which(args.organization.as_deref(), TWICE);
    only(found, &format!("run {}", args.run_id), KNOWN_RUNS, which, |found| place(&found.run))
}

const KNOWN_RUNS: &str = "`pipetrail get runs` lists the runs that are known";
const NOT_TOLD: &str = "nothing told of it yet: `pipetrail backfill --kinds code,boards` asks Azure DevOps";

const TWICE: &str =
    "an organization gives no number twice: made-up events, or those of another organization, are among them";

/// What to say to find the one that is meant. Who named the organization is not asked for it again.
fn which<'h>(organization: Option<&str>, further: &'h str) -> &'h str {
    if organization.is_none() { "say which one with --organization" } else { further }
}

/// The one that was found; none and several are errors.
fn only<T>(mut found: Vec<T>, what: &str, hint: &str, which: &str, place: impl Fn(&T) -> String) -> Result<T, Failure> {
    match found.pop() {
        None => Err(Failure::failed(format!("{what}: not found")).hint(hint)),
        Some(one) if found.is_empty() => Ok(one),
        Some(one) => {
            let all = found.iter().chain([&one]).map(place).collect::<Vec<_>>();
            let failure = Failure::usage(format!("{what}: there are {}: {}", all.len(), all.join(", ")));
            Err(failure.hint(which))
        }
    }
}

fn patterns(context: &Context) -> &[BranchPattern] {
    &context.config.work_item_branches
}

fn owner_of_pipeline(context: &Context, pipeline: &Pipeline) -> Option<Owner> {
    context.config.owners.of(&pipeline.into())
}

fn owner_of_run(context: &Context, detail: &RunDetail) -> Option<Owner> {
    context.config.owners.of(&detail.into())
}

fn key(run: &Run) -> Key {
    Key::Run(RunKey { organization: run.organization.clone(), pipeline: run.pipeline.id, run: run.run_id })
}

fn place(run: &Run) -> String {
    let project = run.project.as_deref().unwrap_or("-");
    let pipeline = run.pipeline.name.clone().unwrap_or_else(|| format!("#{}", run.pipeline.id));
    format!("{}/{project} {pipeline}", run.organization)
}

impl Rows {
    fn is_empty(&self) -> bool {
        match self {
            Self::Runs(runs) => runs.is_empty(),
            Self::Run(_) | Self::Commit(_) | Self::PullRequest(_) | Self::WorkItem(_) => false,
            Self::Pipelines(pipelines) => pipelines.is_empty(),
            Self::Stages(stages) => stages.is_empty(),
            Self::Environments(environments) => environments.is_empty(),
            Self::Deployments(deployments) => deployments.is_empty(),
            Self::Chain(rows) => rows.is_empty(),
            Self::Approvals(approvals) => approvals.is_empty(),
            Self::Incidents(incidents) => incidents.is_empty(),
            Self::Gaps(gaps) => gaps.is_empty(),
        }
    }

    fn shown(&self, format: Format, now: Time) -> Result<String, Failure> {
        match format {
            Format::Table => Ok(self.table(Columns::Few, now)),
            Format::Wide => Ok(self.table(Columns::All, now)),
            Format::Json => Ok(match self {
                Self::Runs(runs) => view::json(runs)?,
                Self::Run(run) => view::json(run)?,
                Self::Pipelines(pipelines) => view::json(pipelines)?,
                Self::Stages(stages) => view::json(stages)?,
                Self::Environments(environments) => view::json(environments)?,
                Self::Deployments(deployments) => view::json(deployments)?,
                Self::Chain(rows) => view::json(&view::deployments_json(rows, now))?,
                Self::Approvals(approvals) => view::json(approvals)?,
                Self::Commit(commit) => view::json(commit)?,
                Self::PullRequest(pull_request) => view::json(pull_request)?,
                Self::WorkItem(item) => view::json(item)?,
                Self::Incidents(incidents) => view::json(incidents)?,
                Self::Gaps(gaps) => view::json(gaps)?,
            }),
            Format::Csv => Ok(match self {
                Self::Runs(runs) => view::runs_csv(runs)?,
                Self::Run(run) => view::run_csv(&run.detail.run)?,
                Self::Pipelines(pipelines) => view::pipelines_csv(pipelines)?,
                Self::Stages(stages) => view::stages_csv(stages)?,
                Self::Environments(environments) => view::environments_csv(environments)?,
                Self::Deployments(deployments) => view::deployments_csv(deployments)?,
                Self::Chain(rows) => view::chain_csv(rows)?,
                Self::Approvals(approvals) => view::approvals_csv(approvals)?,
                Self::Commit(commit) => view::links_csv(&commit.links)?,
                Self::PullRequest(pull_request) => view::links_csv(&pull_request.links)?,
                Self::WorkItem(item) => view::links_csv(&item.links)?,
                Self::Incidents(incidents) => view::incidents_csv(incidents)?,
                Self::Gaps(gaps) => view::gaps_csv(gaps)?,
            }),
        }
    }

    fn table(&self, columns: Columns, now: Time) -> String {
        match self {
            Self::Runs(runs) => view::runs_table(runs, columns, now),
            Self::Run(run) => view::run_text(run, columns, now),
            Self::Pipelines(pipelines) => view::pipelines_table(pipelines, columns),
            Self::Stages(stages) => view::stages_table(stages, now),
            Self::Environments(environments) => view::environments_table(environments, columns),
            Self::Deployments(deployments) => view::deployments_table(deployments, columns, now),
            Self::Chain(rows) => view::chain_table(rows, columns, now),
            Self::Approvals(approvals) => view::approvals_table(approvals, columns, now),
            Self::Commit(commit) => view::commit_text(commit, columns),
            Self::PullRequest(pull_request) => view::pull_request_text(pull_request, columns),
            Self::WorkItem(item) => view::work_item_text(item, columns),
            Self::Incidents(incidents) => view::incidents_table(incidents, columns, now),
            Self::Gaps(gaps) => view::gaps_table(gaps, columns),
        }
    }
}
