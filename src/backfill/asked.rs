//! Timelines: stages, jobs, attempts, and why a run failed.

use futures_util::{StreamExt, stream};

use super::{Backfill, BackfillError, Order, Tally, Timelines, finish};
use crate::ado::rest::{AdoError, Answer, Client};
use crate::ado::{Beside, earlier_timelines, timeline_facts};
use crate::domain::run::{RunFact, Statement};
use crate::domain::{Fact, Key, Label, Outcome, State};
use crate::store::{Store, StoreError};

/// Asked for at once; the client has a limit of its own.
const AT_ONCE: usize = 4;
/// Facts of timelines that are brought in together. One may hold thousands of jobs.
const CHUNK: usize = 16;

/// A run whose timeline is wanted.
#[derive(Debug)]
pub(super) struct Asked {
    run: u64,
    beside: Beside,
}

impl Asked {
    /// `fact` is what its build says.
    pub(super) fn of(order: &Order, fact: RunFact) -> Self {
        let finished = finish(&fact);
        let label =
            |wanted: &Label| fact.labels.iter().find(|(label, _)| label == wanted).map(|(_, text)| text.clone());
        let beside = Beside {
            organization: order.canonical.clone(),
            project_id: label(&Label::ProjectId),
            project_name: label(&Label::ProjectName),
            pipeline: fact.key.pipeline,
            pipeline_name: label(&Label::PipelineName),
            finished,
        };
        Self { run: fact.key.run, beside }
    }
}

pub(super) fn has_failed(fact: &RunFact) -> bool {
    let failed =
        |(state, says): &(State, Statement)| *state == State::Completed && says.result == Some(Outcome::Failed);
    fact.run.as_ref().is_some_and(failed)
}

/// Those of which the record does not tell why they failed.
pub(super) async fn unexplained(store: &dyn Store, failed: Vec<RunFact>) -> Result<Vec<RunFact>, StoreError> {
    let keys: Vec<_> = failed.iter().map(|fact| Key::Run(fact.key.clone())).collect();
    let stored = store.load(&keys).await?;
    let open = failed.into_iter().zip(stored).filter(|(_, stored)| {
        let record = stored.as_ref().and_then(|stored| stored.record.as_ref().ok());
        record.is_some_and(|record| !record.is_explained())
    });
    Ok(open.map(|(fact, _)| fact).collect())
}

/// What came of one request for a timeline.
#[derive(Debug, Default)]
struct Told {
    facts: Vec<Fact>,
    timelines: u64,
    missing: u64,
    unreadable: u64,
}

impl Backfill {
    /// Asks for the timelines and brings them in, some at a time.
    pub(super) async fn timelines(
        &mut self,
        order: &Order,
        asked: Vec<Asked>,
        tally: &mut Tally,
    ) -> Result<(), BackfillError> {
        let client = self.client.clone();
        let requests = asked.into_iter().map(|asked| told(&client, order, asked));
        let mut answers = stream::iter(requests).buffer_unordered(AT_ONCE).chunks(CHUNK);
        while let Some(chunk) = answers.next().await {
            let mut facts = Vec::new();
            for told in chunk {
                let Told { facts: said, timelines, missing, unreadable } = told?;
                facts.extend(said);
                tally.timelines += timelines;
                tally.without_timeline += missing;
                tally.unreadable += unreadable;
            }
            tally.imported += self.importer.import(facts).await?;
        }
        Ok(())
    }
}

async fn told(client: &Client, order: &Order, asked: Asked) -> Result<Told, AdoError> {
    let (organization, run) = (&order.organization, asked.run);
    // By its id, where the build names it: that stays when the project is renamed meanwhile.
    let project = asked.beside.project_id.as_deref().unwrap_or(&order.project);
    let mut told = Told::default();
    let Some(answer) = client.timeline(organization, project, run).await? else {
        return Ok(Told { missing: 1, ..told });
    };
    told.add(&asked, &answer);
    if order.timelines != Timelines::All {
        return Ok(told);
    }
    for timeline in earlier_timelines(&answer.body).unwrap_or_default() {
        match client.timeline_of_attempt(organization, project, run, &timeline).await? {
            None => told.missing += 1,
            Some(answer) => told.add_earlier(&asked, &answer),
        }
    }
    Ok(told)
}

impl Told {
    fn add(&mut self, asked: &Asked, answer: &Answer) {
        match timeline_facts(&asked.beside, asked.run, &answer.body) {
            Ok(facts) => {
                self.timelines += 1;
                self.facts.extend(facts);
            }
            Err(error) => {
                let (run, error) = (asked.run, answer.unreadable(error));
                tracing::warn!(run, error = &error as &dyn std::error::Error, "run {run}: its timeline cannot be read");
                self.unreadable += 1;
            }
        }
    }

    /// Why an earlier attempt failed is not why the run did.
    fn add_earlier(&mut self, asked: &Asked, answer: &Answer) {
        let mut earlier = Self::default();
        earlier.add(asked, answer);
        for fact in &mut earlier.facts {
            if let Fact::Run(fact) = fact {
                fact.failure = None;
            }
        }
        self.timelines += earlier.timelines;
        self.unreadable += earlier.unreadable;
        self.facts.extend(earlier.facts);
    }
}
