use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::dead_letter::{Pages, plural};
use super::{Context, Exit, Failure};
use crate::cli;
use crate::domain::{Key, Time};
use crate::queue::{DeadLetterFilter, Queue};
use crate::sqlite::Missing;
use crate::store::Store;
use crate::view::moment;

/// Records removed at once.
const STEP: usize = 500;
/// Between two looks for dead letters that are too old: never less, and never more.
const LEAST_BETWEEN_LOOKS: Duration = Duration::from_secs(1);
const MOST_BETWEEN_LOOKS: Duration = Duration::from_secs(600);
/// Up to here the plan counts exactly.
const COUNTED: usize = 100_000;

pub(super) async fn run(context: &Context, args: &cli::Purge) -> Result<Exit, Failure> {
    let parts = context.open(Missing::Fail).await?;
    let now = context.clock().now();
    let runs_before = args.what.older_than.map(|age| now.minus(age));
    let letters_before = args.what.dead_letters_older_than.map(|age| now.minus(age));
    if !args.yes {
        return plan(context, parts.queue.as_ref(), parts.store.as_ref(), runs_before, letters_before).await;
    }
    if let Some(before) = runs_before {
        let count = purge_runs(context, parts.store.as_ref(), before).await?;
        context.output.say(&format!("purged {count} {} that finished before {}", runs(count), moment(before)));
    }
    if let Some(before) = letters_before {
        let count = purge_letters(parts.queue.as_ref(), before).await?;
        context.output.say(&format!("purged {count} {} from before {}", plural(count), moment(before)));
    }
    Ok(Exit::Done)
}

async fn plan(
    context: &Context,
    queue: &dyn Queue,
    store: &dyn Store,
    runs_before: Option<Time>,
    letters_before: Option<Time>,
) -> Result<Exit, Failure> {
    let mut nothing = true;
    if let Some(before) = runs_before {
        let ended = store.ended(before, COUNTED).await?;
        nothing &= ended.is_empty();
        let count = runs_among(&ended);
        let more = if ended.len() == COUNTED { " or more" } else { "" };
        let (noun, before) = (runs(count), moment(before));
        context.output.say(&format!("to purge: {count}{more} {noun} that finished before {before}, with their facts"));
    }
    if let Some(before) = letters_before {
        let count = letters(queue, before).await?.len();
        nothing &= count == 0;
        context.output.say(&format!("to purge: {count} {} from before {}", plural(count), moment(before)));
    }
    if nothing {
        context.output.say("nothing to purge");
        return Ok(Exit::Done);
    }
    Err(Failure::usage("nothing was purged yet").hint("add --yes to do it: it cannot be undone"))
}

/// The floor first, and then the wait until all workers heed it: what was said before it cannot bring back a run that
/// is about to go.
async fn purge_runs(context: &Context, store: &dyn Store, before: Time) -> Result<usize, Failure> {
    let wait = store.raise_floor(before).await?;
    if !wait.is_zero() && !store.ended(before, 1).await?.is_empty() {
        context.output.say(&format!("waiting {} s, until no worker brings back what goes", wait.as_secs()));
        tokio::time::sleep(wait).await;
    }
    let mut count = 0;
    loop {
        let keys = store.ended(before, STEP).await?;
        if keys.is_empty() {
            return Ok(count);
        }
        store.remove(&keys, before).await?;
        count += runs_among(&keys);
    }
}

/// Gaps that are long over go with the runs that were lost in them.
fn runs_among(keys: &[Key]) -> usize {
    keys.iter().filter(|key| matches!(key, Key::Run(_))).count()
}

async fn purge_letters(queue: &dyn Queue, before: Time) -> Result<usize, Failure> {
    let mut count = 0;
    for ids in letters(queue, before).await?.chunks(STEP) {
        count += queue.discard(ids).await?;
    }
    Ok(count)
}

/// Nobody has to remember to purge them: where an age is set, none gets older.
pub(super) async fn keep_letters_young(context: &Context, queue: &dyn Queue, stop: CancellationToken) {
    let Some(age) = context.config.work.dead_letter_age else { return };
    // Once more after the stop: who only empties the queue makes dead letters until then.
    loop {
        let is_last = stop.is_cancelled();
        match purge_letters(queue, context.clock().now().minus(age)).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "discarded {count} {} that were too old", plural(count)),
            Err(failure) => tracing::warn!(why = failure.in_words().0, "dead letters: the old ones stay for now"),
        }
        if is_last {
            return;
        }
        // Both ends are the same: the loop looks at the stop.
        drop(tokio::time::timeout(between_looks(age), stop.cancelled()).await);
    }
}

/// So a dead letter gets twice as old at most.
fn between_looks(age: Duration) -> Duration {
    age.clamp(LEAST_BETWEEN_LOOKS, MOST_BETWEEN_LOOKS)
}

async fn letters(queue: &dyn Queue, before: Time) -> Result<Vec<String>, Failure> {
    let mut pages = Pages::new(DeadLetterFilter { dead_before: Some(before), ..DeadLetterFilter::default() });
    let mut ids = Vec::new();
    while let Some(page) = pages.next(queue).await? {
        ids.extend(page.into_iter().map(|letter| letter.id));
    }
    Ok(ids)
}

fn runs(count: usize) -> &'static str {
    if count == 1 { "run" } else { "runs" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lets_dead_letters_live_shortly_looks_often() {
        for (age, expected) in [(1, 1_000), (5_000, 5_000), (600_000, 600_000), (86_400_000, 600_000)] {
            let (age, expected) = (Duration::from_millis(age), Duration::from_millis(expected));
            assert_eq!(between_looks(age), expected, "{age:?}");
        }
    }
}
