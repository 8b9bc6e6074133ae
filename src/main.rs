//! Parse, configure, log, dispatch, exit.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use pipetrail::cli::{Cli, Command, To};
use pipetrail::clock::{Clock as _, SystemClock};
use pipetrail::cmd::{self, Context, Exit, Failure, Output};
use pipetrail::config::{self, Consumer, Environment, Flags, WorkFlags};
use pipetrail::telemetry;

fn main() -> ExitCode {
    // Wrong usage ends here with 2, help and version with 0.
    let cli = Cli::parse();
    let output = Output::new();
    let exit = run(cli, output).unwrap_or_else(|failure| failure.tell(&output));
    exit.into()
}

fn run(cli: Cli, output: Output) -> Result<Exit, Failure> {
    if let Some(done) = cmd::run_unconfigured(&cli.command, &output) {
        return done;
    }
    let config = config::load(flags(&cli), &environment(), SystemClock.now()).map_err(Failure::Configuration)?;
    telemetry::start(&config.log, config.color).context("logging cannot start")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("the asynchronous runtime cannot start")?;
    let exit = runtime.block_on(cmd::run(cli.command, &Context::new(config, output, program())));
    // A forced end does not wait for blocking work.
    runtime.shutdown_timeout(Duration::from_millis(100));
    exit
}

/// How the program was called.
fn program() -> String {
    std::env::args_os().next().map_or_else(|| "pipetrail".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Read once, here.
fn environment() -> Environment {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect()
}

/// What the configuration resolves; the commands have the rest.
fn flags(cli: &Cli) -> Flags {
    let global = cli.global.clone();
    // The demo never fills the file that the environment names: its history is made up.
    let demo = matches!(cli.command, Command::Demo(_));
    let (listen, worker) = match &cli.command {
        Command::Up(args) => (args.listen.clone(), args.worker.clone()),
        Command::Demo(args) => (args.listen.clone(), Default::default()),
        Command::Serve(args) => (args.listen.clone(), Default::default()),
        Command::Work(args) => (args.listen.clone(), args.worker.clone()),
        Command::Enqueue(_)
        | Command::Backfill(_)
        | Command::Get(_)
        | Command::Publish(_)
        | Command::Dora(_)
        | Command::Report(_)
        | Command::Incident(_)
        | Command::DeadLetter(_)
        | Command::Ask(_)
        | Command::Query(_)
        | Command::Mcp(_)
        | Command::Purge(_)
        | Command::Forget(_)
        | Command::Backup(_)
        | Command::Check(_)
        | Command::Subscriptions(_)
        | Command::Refold(_)
        | Command::Export(_)
        | Command::Import(_)
        | Command::Completions(_)
        | Command::Man(_) => Default::default(),
    };
    let backfill_names = if let Command::Backfill(args) = &cli.command { args.names.clone() } else { None };
    let hooks = if let Command::Subscriptions(args) = &cli.command { Some(args.desired()) } else { None };
    Flags {
        config: global.config,
        data: global.data,
        made_up: demo.then(cmd::throw_away_file),
        storage: global.storage,
        catalog: global.catalog,
        ado_url: global.ado_url,
        listen,
        queue_for_hooks: hooks.as_ref().map(|hooks| hooks.aim.to).or(worker.hooks_to) == Some(To::Queue),
        queue: hooks.as_ref().and_then(|hooks| hooks.place.queue.clone()),
        public_url: hooks.and_then(|hooks| hooks.aim.url),
        log_format: global.log_format,
        names: worker.names.or(backfill_names),
        work: WorkFlags {
            lease: worker.lease,
            concurrency: worker.concurrency,
            watch_hooks: worker.watch_hooks,
            hooks_to: worker.hooks_to.map(consumer),
            enrol: worker.enrol,
            dead_letter_age: worker.dead_letter_age,
        },
    }
}

fn consumer(to: To) -> Consumer {
    match to {
        To::Queue => Consumer::Queue,
        To::WebHook => Consumer::WebHook,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn verify_cli() {
        Cli::command().debug_assert();
    }
}
