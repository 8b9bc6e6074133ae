use super::dead_letter::Pages;
use super::output::counted;
use super::parts::Parts;
use super::{Context, Exit, Failure};
use crate::cli;
use crate::domain::{Erasure, Names};
use crate::ingest::{Forgotten, forget};
use crate::queue::{DeadLetterFilter, Queue};
use crate::sqlite::Missing;

/// Dead letters discarded at once.
const STEP: usize = 500;

pub(super) async fn run(context: &Context, args: &cli::Forget) -> Result<Exit, Failure> {
    let erasure = erasure(context, args)?;
    let parts = context.open(Missing::Fail).await?;
    let (queue, store) = (parts.queue.as_ref(), parts.store.as_ref());
    let letters = letters(queue, &erasure).await?;
    let found = forget(store, &erasure, args.yes).await?;
    if !args.yes {
        context.output.say(&format!("to forget: {}", told(&found, letters.len())));
        return Err(Failure::usage("nothing was forgotten yet").hint("add --yes to do it: it cannot be undone"));
    }
    for ids in letters.chunks(STEP) {
        queue.discard(ids).await?;
    }
    queue.discard_copies(&|body| erasure.is_in(body)).await?;
    parts.leave_no_trace(context).await?;
    context.output.say(&format!("forgot {}", told(&found, letters.len())));
    warn_of_waiting(context, &parts).await?;
    left(&found)
}

/// Also by the pseudonym that was kept in the place of a name.
fn erasure(context: &Context, args: &cli::Forget) -> Result<Erasure, Failure> {
    let names = &context.config.names;
    let pseudonyms = args.person.iter().filter_map(|name| match names {
        Names::Pseudonyms(_) => names.kept(name),
        Names::Keep | Names::None => None,
    });
    let pseudonyms: Vec<String> = pseudonyms.collect();
    let called = args.person.iter().chain(&pseudonyms).map(String::as_str);
    Erasure::new(called).map_err(|error| Failure::usage(format!("--person: {error}")))
}

async fn letters(queue: &dyn Queue, erasure: &Erasure) -> Result<Vec<String>, Failure> {
    let mut pages = Pages::new(DeadLetterFilter::default());
    let mut ids = Vec::new();
    while let Some(page) = pages.next(queue).await? {
        let named = page.into_iter().filter(|letter| {
            let reason = [Some(&letter.reason.sentence), letter.reason.path.as_ref()];
            erasure.is_in(&letter.body) || reason.into_iter().flatten().any(|text| erasure.text(text).is_some())
        });
        ids.extend(named.map(|letter| letter.id));
    }
    Ok(ids)
}

/// What is on the queue names whom it names, until it was worked on.
async fn warn_of_waiting(context: &Context, parts: &Parts) -> Result<(), Failure> {
    let depth = parts.queue.depth().await?;
    if !depth.is_empty() {
        let count = counted(depth.visible + depth.leased, "message");
        let says = "may name the person: forget again when they have been worked on";
        context.output.say(&format!("note: about {count} on the queue {says}"));
    }
    Ok(())
}

fn told(found: &Forgotten, letters: usize) -> String {
    let Forgotten { records, facts, left } = found;
    let left = if left.is_empty() { String::new() } else { format!(", and {} that cannot be mended", left.len()) };
    let (records, facts, letters) =
        (counted(*records, "record"), counted(*facts, "fact"), counted(letters, "dead letter"));
    format!("the person in {records}{left} with {facts}, and {letters}")
}

fn left(found: &Forgotten) -> Result<Exit, Failure> {
    let Some(first) = found.left.first() else { return Ok(Exit::Done) };
    let count = counted(found.left.len(), "record");
    let failure = Failure::failed(format!("{count} may name the person still, such as {first}"));
    Err(failure.hint(
        "what names the person still is damaged, written by a newer program, or of a project or organization called so",
    ))
}
