use std::collections::BTreeMap;

use super::parts::Parts;
use super::{Context, Exit, Failure};
use crate::cli::{self, LetterFormat, ListFormat, Which};
use crate::queue::{After, DeadLetterFilter, Queue};
use crate::view::{self, DeadLetterJson, LetterBody};

/// A page holds bodies of up to 2 MiB each.
const PAGE: usize = 32;

pub(super) async fn run(context: &Context, command: cli::DeadLetter) -> Result<Exit, Failure> {
    let parts = Parts::open_to_look(context).await?;
    let queue = parts.queue.as_ref();
    match command {
        cli::DeadLetter::List(args) => list(context, queue, args).await,
        cli::DeadLetter::Show(args) => show(context, queue, args).await,
        cli::DeadLetter::Requeue(args) => requeue(context, queue, args.which).await,
        cli::DeadLetter::Discard(args) => discard(context, queue, args).await,
    }
}

async fn list(context: &Context, queue: &dyn Queue, args: cli::DeadLetterList) -> Result<Exit, Failure> {
    let mut pages = Pages::new(DeadLetterFilter { code: args.reason.clone(), ..DeadLetterFilter::default() });
    let mut none = true;
    match args.output {
        ListFormat::Table => {
            let mut letters = Vec::new();
            while let Some(page) = pages.next(queue).await? {
                none = false;
                // Only the page that is being read holds its bodies.
                letters.extend(
                    page.into_iter().map(|letter| json(crate::queue::DeadLetter { body: Vec::new(), ..letter })),
                );
            }
            context.output.text(&view::dead_letters_table(&letters))?;
        }
        ListFormat::Json => {
            let mut separator = "[\n";
            while let Some(page) = pages.next(queue).await? {
                for letter in page {
                    let letter = view::json(&json(letter))?;
                    context.output.text(&format!("{separator}  {}", letter.trim_end().replace('\n', "\n  ")))?;
                    separator = ",\n";
                }
            }
            none = separator != ",\n";
            context.output.text(if none { "[]\n" } else { "\n]\n" })?;
        }
    }
    if let Some(code) = args.reason.filter(|_| none) {
        context.output.say(&unmatched(queue, &code).await?);
    }
    Ok(Exit::Done)
}

/// Which reasons there are where nothing has the one that was asked for.
async fn unmatched(queue: &dyn Queue, code: &str) -> Result<String, Failure> {
    let all = Which { ids: Vec::new(), all: true, reason: None };
    let there = choose(queue, all).await?.reasons_in_words();
    let there = if there.is_empty() { "there is none at all".to_owned() } else { format!("there are: {there}") };
    Ok(format!("no dead letter has the reason `{code}`; {there}"))
}

async fn show(context: &Context, queue: &dyn Queue, args: cli::DeadLetterShow) -> Result<Exit, Failure> {
    let filter = DeadLetterFilter { ids: Some(vec![args.id.clone()]), ..DeadLetterFilter::default() };
    let found = queue.dead_letters(&filter, None, 1).await?;
    let Some(letter) = found.into_iter().next() else { return Err(not_found(&[args.id])) };
    match args.output {
        LetterFormat::Text => context.output.text(&view::dead_letter_text(&json(letter)))?,
        LetterFormat::Json => context.output.text(&view::json(&json(letter))?)?,
        LetterFormat::Body => context.output.data(&letter.body)?,
    }
    Ok(Exit::Done)
}

async fn requeue(context: &Context, queue: &dyn Queue, which: Which) -> Result<Exit, Failure> {
    let chosen = choose(queue, which).await?;
    let mut count = 0;
    for ids in chosen.ids.chunks(PAGE) {
        count += queue.requeue(ids).await?;
    }
    context.output.say(&format!("requeued {count} {}", plural(count)));
    Ok(Exit::Done)
}

async fn discard(context: &Context, queue: &dyn Queue, args: cli::Discard) -> Result<Exit, Failure> {
    let chosen = choose(queue, args.which).await?;
    if chosen.ids.is_empty() {
        context.output.say("nothing to discard");
        return Ok(Exit::Done);
    }
    context.output.say(&chosen.plan());
    if !args.yes {
        return Err(Failure::usage("nothing was discarded yet").hint("add --yes to do it: it cannot be undone"));
    }
    let mut count = 0;
    for ids in chosen.ids.chunks(PAGE) {
        count += queue.discard(ids).await?;
    }
    context.output.say(&format!("discarded {count} {}", plural(count)));
    Ok(Exit::Done)
}

/// Dead letters that a command is about.
struct Chosen {
    ids: Vec<String>,
    /// How many there are of each reason.
    reasons: BTreeMap<String, u64>,
}

impl Chosen {
    fn reasons_in_words(&self) -> String {
        self.reasons.iter().map(|(code, count)| format!("{count} {code}")).collect::<Vec<_>>().join(", ")
    }

    fn plan(&self) -> String {
        let (count, reasons) = (self.ids.len(), self.reasons_in_words());
        let detail = if reasons.is_empty() { String::new() } else { format!(": {reasons}") };
        format!("to discard: {count} {}{detail}", plural(count))
    }
}

/// An id that is not there is an error, and then nothing is done with the others.
async fn choose(queue: &dyn Queue, which: Which) -> Result<Chosen, Failure> {
    let wanted = (!which.ids.is_empty()).then_some(which.ids);
    let mut pages = Pages::new(DeadLetterFilter { ids: wanted.clone(), code: which.reason, dead_before: None });
    let mut chosen = Chosen { ids: Vec::new(), reasons: BTreeMap::new() };
    while let Some(page) = pages.next(queue).await? {
        for letter in page {
            *chosen.reasons.entry(letter.reason.code).or_default() += 1;
            chosen.ids.push(letter.id);
        }
    }
    let missing: Vec<_> = wanted.unwrap_or_default().into_iter().filter(|id| !chosen.ids.contains(id)).collect();
    if missing.is_empty() { Ok(chosen) } else { Err(not_found(&missing)) }
}

fn not_found(ids: &[String]) -> Failure {
    let failure = Failure::failed(format!("dead letter {}: not found", ids.join(", ")));
    failure.hint("`pipetrail dead-letter list` lists them")
}

/// All that pass a filter, page by page.
pub(super) struct Pages {
    filter: DeadLetterFilter,
    after: Option<After>,
    ended: bool,
}

impl Pages {
    pub(super) fn new(filter: DeadLetterFilter) -> Self {
        Self { filter, after: None, ended: false }
    }

    pub(super) async fn next(&mut self, queue: &dyn Queue) -> Result<Option<Vec<crate::queue::DeadLetter>>, Failure> {
        if self.ended {
            return Ok(None);
        }
        let page = queue.dead_letters(&self.filter, self.after.as_ref(), PAGE).await?;
        self.after = page.last().map(After::from);
        self.ended = page.is_empty();
        Ok(Some(page).filter(|page| !page.is_empty()))
    }
}

fn json(letter: crate::queue::DeadLetter) -> DeadLetterJson {
    DeadLetterJson {
        id: letter.id,
        reason: letter.reason.to_string(),
        path: letter.reason.path,
        tries: letter.tries,
        first_seen_at: letter.first_seen,
        dead_at: letter.dead,
        body: LetterBody::new(letter.body),
    }
}

pub(super) fn plural(count: usize) -> &'static str {
    if count == 1 { "dead letter" } else { "dead letters" }
}
