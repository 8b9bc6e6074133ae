//! Puts events on the queue. What was put is counted as it is acknowledged, so that an end before the end, by a failure
//! or by a signal, says how much is safe.

mod events;
mod lines;
mod progress;
mod read;
mod values;

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::events::sources;
use self::progress::Progress;
use self::read::{Chunk, Read, read_ahead};
use super::{Context, Exit, Failure};
use crate::cli;
use crate::config::Storage;
use crate::queue::Queue;
use crate::sqlite::Missing;

/// On Azure each event is a request; so many are under way together.
const REQUESTS_AT_ONCE: usize = 32;

pub(super) async fn run(context: &Context, args: &cli::Enqueue) -> Result<Exit, Failure> {
    // All sources first: a mistyped name must not leave half of the events on the queue.
    let sources = sources(&args.paths)?;
    let parts = context.open(Missing::Create).await?;
    let shutdown = context.shutdown()?;
    // On Azure the queue encodes every body.
    let (base64, each_alone) = match context.config.storage {
        Storage::Local => (args.base64, false),
        Storage::Azure(_) => (false, true),
    };
    let progress = Progress::new(context.output, &sources);
    let mut intake = Intake { queue: parts.queue, each_alone, queued: 0, refused: 0, progress };
    let ended = tokio::select! {
        ended = intake.take(read_ahead(sources, base64), &shutdown.stop) => ended?,
        () = shutdown.force.cancelled() => Ended::Forced,
    };
    intake.progress.end();
    told(context, &intake, ended)
}

/// How the intake ended, if not by a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    All,
    /// What was under way is done, and nothing else was begun.
    Stopped,
    /// Of what was under way nobody knows.
    Forced,
}

fn told(context: &Context, intake: &Intake, ended: Ended) -> Result<Exit, Failure> {
    let Intake { queued, refused, .. } = *intake;
    let events = plural(queued);
    match ended {
        Ended::All => context.report(&format!("queued {queued} {events}")),
        Ended::Stopped => {
            context.report(&format!("queued {queued} {events}; stopped before the end: all of it may be queued again"));
        }
        Ended::Forced => {
            context.report(&format!("queued at least {queued} {events}; all of it may be queued again"));
            return Ok(Exit::Forced);
        }
    }
    match refused {
        0 => Ok(Exit::Done),
        _ => {
            let failure = Failure::failed(format!("{refused} {} not queued", plural(refused)));
            Err(failure.hint("Azure DevOps sends no event of this size: look at the file"))
        }
    }
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "event" } else { "events" }
}

/// Puts events on the queue.
struct Intake {
    queue: Arc<dyn Queue>,
    /// Whether the queue takes them one by one anyway, so that a failure is one of each.
    each_alone: bool,
    queued: u64,
    refused: u64,
    progress: Progress,
}

impl Intake {
    /// Until all is read, or the stop.
    async fn take(&mut self, mut read: mpsc::Receiver<Read>, stop: &CancellationToken) -> Result<Ended, Failure> {
        loop {
            let next = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(Ended::Stopped),
                next = read.recv() => next,
            };
            match next {
                Some(Read::Events(chunk)) => self.put(chunk, stop).await?,
                Some(Read::TooLarge(place)) => {
                    self.refused += 1;
                    self.progress.say(&format!("error: {place}: larger than 2 MiB, not queued"));
                }
                Some(Read::Failed(error)) => return Err(self.broken_off(error)),
                Some(Read::All) => return Ok(Ended::All),
                None => return Err(self.broken_off(anyhow::anyhow!("the reading ended early: please report this"))),
            }
        }
    }

    /// After a stop nothing more is begun.
    async fn put(&mut self, chunk: Chunk, stop: &CancellationToken) -> Result<(), Failure> {
        self.progress.advance(chunk.bytes);
        let parts = if self.each_alone {
            chunk.bodies.into_iter().map(|body| vec![body]).collect()
        } else {
            vec![chunk.bodies]
        };
        let queue = self.queue.clone();
        let puts = parts.into_iter().take_while(|_| !stop.is_cancelled()).map(|part| {
            let (queue, count) = (queue.clone(), u64::try_from(part.len()).unwrap_or_default());
            async move { queue.put(part).await.map(|()| count) }
        });
        let mut puts = stream::iter(puts).buffer_unordered(REQUESTS_AT_ONCE);
        while let Some(put) = puts.next().await {
            self.queued += put.map_err(|error| self.broken_off(error.into()))?;
        }
        Ok(())
    }

    /// Says how much is safe. More may be: what was under way, and what failed only on the way back.
    fn broken_off(&self, error: anyhow::Error) -> Failure {
        let (queued, events) = (self.queued, plural(self.queued));
        let failure = Failure::from(error);
        let what_to_do = failure.in_words().1.map(|hint| format!("; {hint}")).unwrap_or_default();
        failure.hint(format!(
            "at least {queued} {events} were queued before that; all of it may be queued again{what_to_do}"
        ))
    }
}
