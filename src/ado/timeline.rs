//! Timelines: what the REST API says of the stages and jobs of a run.
//!
//! Three traps. `lastModified` is always `0001-01-01`, so a record speaks at its finish, else its start. `name` is the
//! display name: what events call `name` is the last part of `identifier`. And of a stage that was tried again only the
//! last attempt is there; those before it stand in timelines of their own ([`earlier_timelines`]).
//!
//! <https://learn.microsoft.com/rest/api/azure/devops/build/timeline/get>

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use super::Beside;
use super::error::{DecodeError, parse};
use super::labels::{Labels, short};
use super::organization::Place;
use super::wire::{Retried, Timeline, TimelineRecord, count, text, time};
use super::words;
use crate::domain::run::{Failure, JobSaid, RunFact, StageSaid, Statement};
use crate::domain::text::{MOST_TEXT, cut};
use crate::domain::{Fact, FactKind, Label, Outcome, RunKey, State, Time};

/// So many records of one answer are taken; the rest is left out.
const MOST_RECORDS: usize = 5_000;

/// Further up than this no record has a parent: Stage, Phase, Job, and room.
const MOST_PARENTS: usize = 8;

/// What the service calls the stage of a pipeline without stages.
const ONLY_STAGE: &str = "__default";

/// So many earlier timelines are followed; each costs a request.
const MOST_EARLIER: usize = 50;

/// No id is longer: they are GUIDs.
const MOST_ID: usize = 64;

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
    fact.failure = failure(beside, &by_id, records);
    let spoken = fact.stages.iter().map(|stage| stage.says.said).chain(fact.jobs.iter().map(|job| job.says.said));
    let said = spoken.max();
    fact.said = said.unwrap_or(Time::UNKNOWN);
    Ok(said.map(|_| super::facts(fact)).unwrap_or_default())
}

/// The ids of the timelines of earlier attempts, in order, each once; at most 50.
///
/// # Errors
/// When the answer is not JSON of that shape.
pub fn earlier_timelines(answer: &[u8]) -> Result<Vec<String>, DecodeError> {
    if answer.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let body = super::body::text(answer)?;
    let records = parse::<Retried<'_>>(&body, "")?.records.unwrap_or_default();
    let attempts = records.iter().take(MOST_RECORDS).flat_map(|record| record.previous_attempts.iter().flatten());
    let ids: BTreeSet<_> = attempts.filter_map(|attempt| text(attempt.timeline_id.as_ref())).collect();
    Ok(ids.into_iter().filter(|id| id.len() <= MOST_ID).take(MOST_EARLIER).map(str::to_owned).collect())
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
        Some("Stage") => {
            let (state, says) = waiting(by_id, record, state()?, says(record));
            fact.stages.push(StageSaid { name: name()?, attempt, state, says });
        }
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

/// A stage that did not begin is `pending` for timelines. Where one of its checkpoints is under way, it waits for that,
/// and since then.
fn waiting(by_id: &ById<'_, '_>, stage: &TimelineRecord<'_>, state: State, says: Statement) -> (State, Statement) {
    let id = text(stage.id.as_ref());
    let asks = |record: &&&TimelineRecord<'_>| {
        let kind = text(record.kind.as_ref()).is_some_and(|kind| kind.starts_with("Checkpoint"));
        kind && id.is_some()
            && text(record.parent_id.as_ref()) == id
            && text(record.state.as_ref()) == Some("inProgress")
    };
    if state != State::NotStarted {
        return (state, says);
    }
    let since = by_id.values().filter(asks).map(|checkpoint| time(checkpoint.start_time.as_ref())).max();
    match since {
        None => (state, says),
        Some(since) => (State::Waiting, Statement { said: since.unwrap_or(says.said), ..says }),
    }
}

/// The record that failed first, of those that say why and are closest to the fault: a task before its job before its
/// stage.
fn failure(beside: &Beside, by_id: &ById<'_, '_>, records: &[TimelineRecord<'_>]) -> Option<Failure> {
    let failed =
        |record: &&TimelineRecord<'_>| text(record.result.as_ref()).and_then(words::outcome) == Some(Outcome::Failed);
    let depth = |record: &TimelineRecord<'_>| match text(record.kind.as_ref()) {
        Some("Task") => 3,
        Some("Job") => 2,
        Some("Stage") => 1,
        Some(_) | None => 0,
    };
    let rank = |record: &&TimelineRecord<'_>| {
        let finished = time(record.finish_time.as_ref());
        (Reverse(error_line(record).is_some()), Reverse(depth(record)), finished.is_none(), finished)
    };
    let first = records.iter().filter(failed).min_by_key(rank)?;
    let is = |kind: &str| (text(first.kind.as_ref()) == Some(kind)).then_some(first);
    let shown = |record: Option<&TimelineRecord<'_>>| {
        record.and_then(|record| text(record.name.as_ref())).map(|name| short(name).into_owned())
    };
    let url = first.log.as_ref().and_then(|log| text(log.url.as_ref()));
    let url = url.filter(|url| url.starts_with("https://") || url.starts_with("http://"));
    Some(Failure {
        said: beside.finished.or_else(|| time(first.finish_time.as_ref())).unwrap_or(Time::UNKNOWN),
        stage: is("Stage").or_else(|| above(by_id, first, "Stage")).and_then(named),
        job: shown(is("Job").or_else(|| above(by_id, first, "Job"))),
        task: shown(is("Task")),
        message: error_line(first).map(|line| cut(line, MOST_TEXT).into_owned()),
        log: url.map(|url| cut(url, MOST_TEXT).into_owned()),
    })
}

/// The first line of the first error.
fn error_line<'r>(record: &'r TimelineRecord<'_>) -> Option<&'r str> {
    let errors = record.issues.iter().flatten().filter(|issue| text(issue.kind.as_ref()) == Some("error"));
    errors
        .filter_map(|issue| text(issue.message.as_ref()))
        .flat_map(str::lines)
        .map(str::trim)
        .find(|line| !line.is_empty())
}

/// Job, its Phase, its Stage. Bounded, since nothing keeps an answer from going in circles.
fn stage_of<'e, 'a>(by_id: &ById<'e, 'a>, record: &TimelineRecord<'a>) -> Option<&'e TimelineRecord<'a>> {
    above(by_id, record, "Stage")
}

fn above<'e, 'a>(by_id: &ById<'e, 'a>, record: &TimelineRecord<'a>, kind: &str) -> Option<&'e TimelineRecord<'a>> {
    let parent = |record: &TimelineRecord<'a>| by_id.get(text(record.parent_id.as_ref())?).copied();
    std::iter::successors(parent(record), |above| parent(above))
        .take(MOST_PARENTS)
        .find(|above| text(above.kind.as_ref()) == Some(kind))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(records: &str) -> RunFact {
        let beside = Beside { organization: "fabrikam".to_owned(), pipeline: 7, ..Beside::default() };
        let answer = format!(r#"{{"records":[{records}]}}"#);
        let facts = timeline_facts(&beside, 479, answer.as_bytes()).unwrap();
        let [Fact::Run(fact)] = facts.as_slice() else { panic!("another kind") };
        fact.clone()
    }

    const STAGE: &str =
        r#"{"id":"s","type":"Stage","name":"All tests","identifier":"test","state":"completed","result":"failed"}"#;
    const JOB: &str = r#"{"id":"j","parentId":"s","type":"Job","name":"Linux","identifier":"test.linux","state":"completed",
        "result":"failed","issues":[{"type":"error","message":"The job failed"}]}"#;

    fn task(name: &str, finished: &str, issues: &str) -> String {
        format!(
            r#"{{"parentId":"j","type":"Task","name":"{name}","state":"completed","result":"failed","finishTime":"{finished}",
                "issues":[{issues}],"log":{{"url":"https://dev.azure.com/x/logs/7"}}}}"#
        )
    }

    #[test]
    fn a_run_failed_where_the_first_task_says_why() {
        let warned = task("Restore", "2026-03-02T10:00:00Z", r#"{"type":"warning","message":"old"}"#);
        let told = r#"{"type":"warning","message":"w"},{"type":"error","message":"\n  exit code 1 \nmore"}"#;
        let [first, second] = ["2026-03-02T10:01:00Z", "2026-03-02T10:02:00Z"].map(|at| task(at, at, told));
        let failure = fact(&[STAGE, JOB, &second, &warned, &first].join(",")).failure.unwrap();
        assert_eq!((failure.stage.as_deref(), failure.job.as_deref()), (Some("test"), Some("Linux")));
        assert_eq!(failure.task.as_deref(), Some("2026-03-02T10:01:00Z"));
        assert_eq!(failure.message.as_deref(), Some("exit code 1"));
        assert_eq!(failure.log.as_deref(), Some("https://dev.azure.com/x/logs/7"));
        let job = fact(&[STAGE, JOB, &warned].join(",")).failure.unwrap();
        assert_eq!((job.message.as_deref(), job.task), (Some("The job failed"), None));
        let stage = fact(STAGE).failure.unwrap();
        assert_eq!((stage.stage.as_deref(), stage.message, stage.log), (Some("test"), None, None));
        assert_eq!(fact(&STAGE.replace("failed", "succeeded")).failure, None);
    }

    #[test]
    fn a_stage_that_waits_for_a_checkpoint_is_waiting() {
        let stage = r#"{"id":"s","type":"Stage","identifier":"prod","state":"pending"}"#;
        let check = |state: &str| {
            let text =
                r#"{"id":"c","parentId":"s","type":"Checkpoint","startTime":"2026-03-02T10:00:00Z","state":"STATE"}"#;
            text.replace("STATE", state)
        };
        let seen = |records: String| fact(&records).stages.remove(0);
        let waits = seen(format!("{stage},{}", check("inProgress")));
        assert_eq!((waits.state, waits.says.said.to_string().as_str()), (State::Waiting, "2026-03-02T10:00:00Z"));
        assert_eq!(seen(format!("{stage},{}", check("completed"))).state, State::NotStarted);
        assert_eq!(seen(stage.replace("pending", "completed") + "," + &check("inProgress")).state, State::Completed);
    }

    #[test]
    fn earlier_attempts_have_timelines_of_their_own() {
        let record =
            |id: &str| format!(r#"{{"previousAttempts":[{{"attempt":1,"timelineId":"{id}","recordId":"r"}}]}}"#);
        let answer = format!(r#"{{"records":[{},{},{},{{}}]}}"#, record("b"), record("a"), record("b"));
        assert_eq!(earlier_timelines(answer.as_bytes()).unwrap(), ["a", "b"]);
        assert_eq!(earlier_timelines(b" ").unwrap(), Vec::<String>::new());
        let flood: Vec<_> = (0..200).map(|id| record(&id.to_string())).chain([record(&"x".repeat(65))]).collect();
        let answer = format!(r#"{{"records":[{}]}}"#, flood.join(","));
        assert_eq!(earlier_timelines(answer.as_bytes()).unwrap().len(), MOST_EARLIER);
    }
}
