//! One file a subcommand: build the parts, call one function, print.

mod ask;
mod asking;
mod backfill;
mod backup;
mod bar;
mod check;
mod completions;
mod context;
mod dead_letter;
mod demo;
mod dora;
mod enqueue;
mod examples;
mod export;
mod failure;
mod forget;
mod get;
mod import;
mod looking;
mod man;
mod mcp;
mod output;
mod parts;
mod publish;
mod purge;
mod query;
mod refold;
mod serve;
mod subscriptions;
mod told;
mod up;
mod waiting;
mod work;

use crate::cli::Command;

use bar::Bar;
pub use context::Context;
pub use demo::throw_away_file;
pub use failure::{Exit, Failure};
pub use output::Output;

/// Does what the command line says.
///
/// # Errors
/// What to tell the user, and the exit code.
pub async fn run(command: Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Up(args) => up::run(context, &args).await,
        Command::Work(args) => work::run(context, &args).await,
        Command::Serve(_) => serve::run(context).await,
        Command::Enqueue(args) => enqueue::run(context, &args).await,
        Command::Backfill(args) => backfill::run(context, &args).await,
        Command::Get(args) => get::run(context, args).await,
        Command::Publish(args) => publish::run(context, &args).await,
        Command::Report(args) => told::report(context, args).await,
        Command::Incident(args) => told::incident(context, args).await,
        Command::Dora(args) => dora::run(context, args).await,
        Command::DeadLetter(args) => dead_letter::run(context, args).await,
        Command::Subscriptions(args) => Box::pin(subscriptions::run(context, &args)).await,
        Command::Ask(args) => ask::run(context, &args).await,
        Command::Query(args) => query::run(context, &args).await,
        Command::Mcp(args) => Box::pin(mcp::run(context, &args)).await,
        Command::Purge(args) => purge::run(context, &args).await,
        Command::Forget(args) => forget::run(context, &args).await,
        Command::Backup(args) => backup::run(context, &args).await,
        Command::Check(args) => check::run(context, &args).await,
        Command::Refold(args) => refold::run(context, &args).await,
        Command::Export(args) => export::run(context, &args).await,
        Command::Import(args) => import::run(context, &args).await,
        Command::Completions(args) => completions::run(&context.output, &args),
        Command::Man(args) => man::run(&args),
        Command::Demo(args) => demo::run(context, &args).await,
    }
}

/// Does what needs no configuration, so that a wrong one is not in its way; `None` for all else.
#[must_use]
pub fn run_unconfigured(command: &Command, output: &Output) -> Option<Result<Exit, Failure>> {
    if let Command::Completions(args) = command {
        return Some(completions::run(output, args));
    }
    if let Command::Man(args) = command { Some(man::run(args)) } else { None }
}
