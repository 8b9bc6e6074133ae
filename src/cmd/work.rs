use std::sync::Arc;

use super::asking::Asking;
use super::parts::Parts;
use super::serve::{Work, bind, run_all};
use super::{Context, Exit, Failure, subscriptions};
use crate::ado::Decoder;
use crate::cli;
use crate::config::{BATCH_DEADLINE, Config, Storage};
use crate::ingest::{Decode, Mode, Settings, Tally, Worker};
use crate::sqlite::Missing;

pub(super) async fn run(context: &Context, args: &cli::Work) -> Result<Exit, Failure> {
    let mode = if args.until_empty { Mode::UntilEmpty } else { Mode::Forever };
    // Who starts a worker first may wait for events; who wants to drain a file has one. On Azure the queue may have
    // been filled before there was a table.
    let missing = match (&context.config.storage, args.until_empty) {
        (Storage::Local, true) => Missing::Fail,
        (Storage::Local, false) | (Storage::Azure(_), _) => Missing::Create,
    };
    subscriptions::can_watch(context)?;
    let asking = Asking::of(context, args.worker.reconcile)?;
    let shutdown = context.shutdown()?;
    let parts = context.open(missing).await?;
    let server = if args.listen.is_some() { Some(bind(context).await?) } else { None };
    let listening = server.as_ref().map(|server| format!(", listening on http://{}", server.address()));
    tracing::info!("working{}, storage: {}", listening.unwrap_or_default(), context.storage());
    Box::pin(run_all(context, &parts, Work { server, readers: false, mode: Some(mode), asking }, shutdown)).await
}

/// `asks`: whether somebody asks Azure DevOps for runs that messages only name.
pub(super) fn worker(context: &Context, parts: &Parts, asks: bool) -> Worker {
    let decoder = Decoder::new(context.config.organizations.clone()).naming(context.config.names.clone());
    let decoder = if asks { decoder.asking() } else { decoder };
    let decode: Decode = Arc::new(move |body| decoder.decode(body));
    Worker::new(parts.queue.clone(), parts.store.clone(), context.clock(), decode, settings(&context.config))
}

fn settings(config: &Config) -> Settings {
    Settings {
        lease: config.work.lease,
        deadline: BATCH_DEADLINE,
        concurrency: usize::from(config.work.concurrency),
        ..Settings::default()
    }
}

/// What was done, without what did not happen: `received 40: applied 38, ignored 1, poisoned 1`.
pub(super) fn summary(tally: &Tally) -> String {
    let parts = [
        ("applied", tally.applied),
        ("unchanged", tally.unchanged),
        ("ignored", tally.ignored),
        ("to be asked for", tally.wanted),
        ("poisoned", tally.poisoned),
        ("retried", tally.retried),
        ("given back", tally.given_back),
        ("conflicts", tally.conflicts),
        ("below the floor", tally.below_floor),
    ];
    let said: Vec<_> =
        parts.iter().filter(|(_, count)| *count > 0).map(|(word, count)| format!("{word} {count}")).collect();
    let colon = if said.is_empty() { "" } else { ": " };
    let hint = if tally.poisoned > 0 { "; `pipetrail dead-letter list` shows what was set aside" } else { "" };
    format!("received {}{colon}{}{hint}", tally.received, said.join(", "))
}
