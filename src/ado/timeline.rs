//! Timelines: what the REST API says of the stages and jobs of a run.
//!
//! Two traps. `lastModified` is always `0001-01-01`, so a record speaks at its finish, else its start. And
//! `name` is the display name: what events call `name` is the last part of `identifier`.

use std::collections::HashMap;

use super::Beside;
use super::error::{DecodeError, parse};
use super::labels::{Labels, short};
use super::organization::Place;
use super::wire::{Timeline, TimelineRecord, count, text, time};
use super::words;
use crate::domain::run::{JobSaid, RunFact, StageSaid, Statement};
use crate::domain::{Fact, FactKind, Label, RunKey, Time};

/// So many records of one answer are taken; the rest is left out.
const MOST_RECORDS: usize = 5_000;

/// Further up than this no record has a parent: Stage, Phase, Job, and room.
const MOST_PARENTS: usize = 8;

/// What the service calls the stage of a pipeline without stages.
const ONLY_STAGE: &str = "__default";

/// The facts in an answer of Timeline - Get about the run `run`: none where the answer is empty
/// (the build never started) or says nothing of a stage or a job. At most 5,000 records are taken.
///
/// # Errors
/// When the answer is not JSON of that shape, or a stage or job in it has no name or no state.
pub fn timeline_facts(beside: &Beside, run: u64, answer: &[u8]) -> Result<Vec<Fact>, DecodeError> {
    if answer.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let body = super::body::text(answer)?;
    let timeline: Timeline<'_> = parse(&body, "")?;
    let records = timeline.records.unwrap_or_default();
    let records = records.get(..MOST_RECORDS).unwrap_or(&records);
    let run = super::usable_id(run).ok_or_else(|| DecodeError::new("no_run_id", "no id of the run"))?;
    let key = RunKey { organization: beside.organization()?, pipeline: beside.pipeline()?, run };
    let mut fact = RunFact::new(key, FactKind::Timeline, Time::UNKNOWN);
    fact.labels = labels(beside);
    let by_id = records.iter().filter_map(|record| Some((text(record.id.as_ref())?, record))).collect();
    for (at, record) in records.iter().enumerate() {
        add(&mut fact, &by_id, record, at)?;
    }
    let spoken = fact.stages.iter().map(|stage| stage.says.said).chain(fact.jobs.iter().map(|job| job.says.said));
    let said = spoken.max();
    fact.said = said.unwrap_or(Time::UNKNOWN);
    Ok(said.map(|_| super::facts(fact)).unwrap_or_default())
}

fn labels(beside: &Beside) -> Vec<(Label, String)> {
    let mut place = Place { project_name: beside.project_name.clone(), ..Place::default() };
    place.fill_project_id(beside.project_id.as_deref());
    let mut labels = Labels::of(&place);
    labels.put(Label::PipelineName, beside.pipeline_name.as_deref());
    labels.into_vec()
}

type ById<'e, 'a> = HashMap<&'e str, &'e TimelineRecord<'a>>;

fn add(fact: &mut RunFact, by_id: &ById<'_, '_>, record: &TimelineRecord<'_>, at: usize) -> Result<(), DecodeError> {
    let state = || {
        let word = text(record.state.as_ref());
        word.map(words::timeline_state).ok_or_else(|| DecodeError::no_state("state", format!("records[{at}].state")))
    };
    let name = || named(record).ok_or_else(|| DecodeError::no_state("name", format!("records[{at}].identifier")));
    let attempt = count(record.attempt.as_ref());
    match text(record.kind.as_ref()) {
        Some("Stage") => fact.stages.push(StageSaid { name: name()?, attempt, state: state()?, says: says(record) }),
        Some("Job") => {
            let stage = stage_of(by_id, record);
            fact.jobs.push(JobSaid {
                stage: stage.and_then(named).unwrap_or_else(|| ONLY_STAGE.to_owned()),
                stage_attempt: stage.and_then(|stage| count(stage.attempt.as_ref())),
                name: name()?,
                attempt,
                state: state()?,
                says: says(record),
            });
        }
        Some(_) | None => {}
    }
    Ok(())
}

/// Job, its Phase, its Stage. Bounded, since nothing keeps an answer from going in circles.
fn stage_of<'e, 'a>(by_id: &ById<'e, 'a>, record: &TimelineRecord<'a>) -> Option<&'e TimelineRecord<'a>> {
    let parent = |record: &TimelineRecord<'a>| by_id.get(text(record.parent_id.as_ref())?).copied();
    std::iter::successors(parent(record), |above| parent(above))
        .take(MOST_PARENTS)
        .find(|above| text(above.kind.as_ref()) == Some("Stage"))
}

fn named(record: &TimelineRecord<'_>) -> Option<String> {
    let identifier = text(record.identifier.as_ref());
    let last = identifier.and_then(|whole| whole.rsplit('.').next()).filter(|last| !last.is_empty());
    last.or_else(|| text(record.name.as_ref())).map(|name| short(name).into_owned())
}

fn says(record: &TimelineRecord<'_>) -> Statement {
    let (started, finished) = (time(record.start_time.as_ref()), time(record.finish_time.as_ref()));
    Statement {
        said: finished.or(started).unwrap_or(Time::UNKNOWN),
        result: text(record.result.as_ref()).and_then(words::outcome),
        queued: None,
        started,
        finished,
    }
}
