use super::dead_letter::Pages;
use super::output::counted;
use super::parts::Parts;
use super::{Context, Exit, Failure};
use crate::cli;
use crate::domain::{Erasure, Names};
use crate::ingest::{Forgotten, Found, forget};
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
        return plan(context, &found, letters.len());
    }
    for ids in letters.chunks(STEP) {
        queue.discard(ids).await?;
    }
    queue.discard_copies(&|body| erasure.is_in(body)).await?;
    parts.leave_no_trace(context).await?;
    say(context, "forgot", &found, letters.len());
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
        let count = counted(depth.visible + depth.leased, "message");
        let says = "may name the person: forget again when nothing waits";
        context.output.say(&format!("note: about {count} on the queue {says}"));
    }
    Ok(())
}

fn plan(context: &Context, found: &Forgotten, letters: usize) -> Result<Exit, Failure> {
    say(context, "to forget", found, letters);
    if is_nowhere(found, letters) {
        return Ok(Exit::Done);
    }
    Err(Failure::usage("nothing was forgotten yet").hint("add --yes to do it: it cannot be undone"))
}

fn is_nowhere(found: &Forgotten, letters: usize) -> bool {
    found.records == 0 && found.left.is_empty() && letters == 0
}

fn say(context: &Context, what: &str, found: &Forgotten, letters: usize) {
    if is_nowhere(found, letters) {
        context.output.say("the person was found nowhere");
    } else {
        say_where(context, what, found, letters);
    }
    if found.has_pseudonyms && context.config.names_key.is_none() {
        let unseen = "records hold pseudonyms, and nobody can be looked for among these without their key";
        context.output.say(&format!("hint: {unseen}: set PIPETRAIL_NAMES_KEY"));
    }
}

/// In all, then kind by kind with the fields in which the person stood.
fn say_where(context: &Context, what: &str, found: &Forgotten, letters: usize) {
    context.output.say(&format!("{what}: {}", told(found, letters)));
    for ((one, several), Found { records, places }) in &found.kinds {
        let noun = if *records == 1 { one } else { several };
        let places: Vec<&str> = places.iter().copied().collect();
        context.output.say(&format!("  {records} {noun}: {}", places.join(", ")));
    }
}

fn told(found: &Forgotten, letters: usize) -> String {
    let Forgotten { records, facts, left, kinds: _, has_pseudonyms: _ } = found;
    let records = counted(*records, "record");
    let facts = counted(*facts, "fact");
    let left = if left.is_empty() { String::new() } else { format!(", and {} that cannot be mended", left.len()) };
    let letters = counted(letters, "dead letter");
    format!("the person in {records} with {facts}, {letters}{left}")
}

fn left(found: &Forgotten) -> Result<Exit, Failure> {
    let Some(first) = found.left.first() else { return Ok(Exit::Done) };
    let (first, count) = (first.in_words(), found.left.len());
    let failure = Failure::failed(match count {
        1 => format!("1 record may name the person still: {first}"),
        _ => format!("{count} records may name the person still, such as {first}"),
    });
    Err(failure.hint("they are damaged, written by a newer program, or of a project or organization that is called so"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Key, WorkItemKey};

    #[test]
    fn one_is_one_and_several_are_several() {
        let mut found = Forgotten { records: 1, facts: 1, ..Forgotten::default() };
        assert_eq!(told(&found, 1), "the person in 1 record with 1 fact, 1 dead letter");
        found.left.push(Key::WorkItem(WorkItemKey { organization: "fabrikam".to_owned(), id: 5 }));
        (found.records, found.facts) = (2, 3);
        assert_eq!(
            told(&found, 0),
            "the person in 2 records with 3 facts, 0 dead letters, and 1 that cannot be mended"
        );
        let says = left(&found).unwrap_err().in_words().0;
        assert!(says.contains("1 record may name the person still: work item 5 of fabrikam"), "{says}");
    }
}
