use super::dead_letter::{Pages, plural};
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
    if args.yes {
        parts.nobody_else_reads().await?;
    }
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

/// Also by all that was ever kept in the place of a name or an id, whatever is kept now.
fn erasure(context: &Context, args: &cli::Forget) -> Result<Erasure, Failure> {
    let pseudonyms = context.config.names_key.clone().map(Names::Pseudonyms);
    let instead = |name: &String| {
        let pseudonym = pseudonyms.as_ref().and_then(|names| names.kept(name));
        pseudonym.into_iter().chain([Names::None.identity(name)])
    };
    let instead: Vec<String> = args.person.iter().flat_map(instead).collect();
    let called = args.person.iter().chain(&instead).map(String::as_str);
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
        let count = depth.visible + depth.leased;
        let says = "may name the person: forget again when they have been worked on";
        context.output.say(&format!("note: about {count} messages on the queue {says}"));
    }
    Ok(())
}

fn told(found: &Forgotten, letters: usize) -> String {
    let Forgotten { records, facts, left } = found;
    let left = if left.is_empty() { String::new() } else { format!(", and {} that cannot be mended", left.len()) };
    format!("the person in {records} records{left} with {facts} facts, and {letters} {}", plural(letters))
}

fn left(found: &Forgotten) -> Result<Exit, Failure> {
    let Some(first) = found.left.first() else { return Ok(Exit::Done) };
    let count = found.left.len();
    let failure = Failure::failed(format!("{count} records may name the person still, such as {first}"));
    Err(failure.hint("they are damaged, written by a newer program, or of a project or organization that is called so"))
}
