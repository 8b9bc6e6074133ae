//! What the environments of YAML pipelines got: their deployment records.
//!
//! The service keeps one record a deployment job. Its `owner` is the run, its `definition` the pipeline; it knows no
//! commit.
//!
//! <https://learn.microsoft.com/rest/api/azure/devops/environments/environmentdeploymentrecords/list>

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{DecodeError, parse};
use super::labels::{Labels, short};
use super::organization::Place;
use super::wire::{Count, Definition, Text, When, count, id, text, time};
use super::{Beside, words};
use crate::domain::deployment::{DeploymentFact, DeploymentJobSaid};
use crate::domain::run::Statement;
use crate::domain::{DeploymentKey, Fact, Label, State, Time};

/// Of a job that has no name.
const UNNAMED: &str = "__default";

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
struct List<'a> {
    /// Each is read by itself, so that one that cannot be read costs no other.
    #[serde(borrow)]
    value: Option<Vec<&'a RawValue>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Record<'a> {
    #[serde(borrow)]
    definition: Option<Definition<'a>>,
    #[serde(borrow)]
    owner: Option<Definition<'a>>,
    #[serde(borrow)]
    stage_name: Option<Text<'a>>,
    stage_attempt: Option<Count>,
    #[serde(borrow)]
    job_name: Option<Text<'a>>,
    job_attempt: Option<Count>,
    queue_time: Option<When>,
    start_time: Option<When>,
    finish_time: Option<When>,
    #[serde(borrow)]
    result: Option<Text<'a>>,
}

/// What the deployment records of an environment say, each by itself: one that cannot be read costs no other.
///
/// # Errors
/// When the whole answer is not JSON of that shape.
pub fn deployment_records(
    beside: &Beside,
    (environment, name): (u64, &str),
    answer: &[u8],
) -> Result<Vec<Result<Fact, DecodeError>>, DecodeError> {
    let body = super::body::text(answer)?;
    let items = parse::<List<'_>>(&body, "")?.value.unwrap_or_default();
    let each = items.iter().enumerate().map(|(at, item)| {
        let path = format!("value[{at}]");
        fact(beside, (environment, name), &parse(item.get(), &path)?, &path).map(Fact::Deployment)
    });
    Ok(each.collect())
}

fn fact(
    beside: &Beside,
    (environment, name): (u64, &str),
    record: &Record<'_>,
    path: &str,
) -> Result<DeploymentFact, DecodeError> {
    let owner = record.owner.as_ref();
    let run = owner.and_then(|owner| id(owner.id.as_ref()));
    let run = run.ok_or_else(|| DecodeError::no_id("no_run_id", "id of the run", &format!("{path}.owner.id")))?;
    let stage = text(record.stage_name.as_ref())
        .ok_or_else(|| DecodeError::no_state("name of the stage", format!("{path}.stageName")))?;
    let finished = time(record.finish_time.as_ref());
    let result = text(record.result.as_ref()).and_then(words::outcome);
    let (queued, started) = (time(record.queue_time.as_ref()), time(record.start_time.as_ref()));
    let said = finished.or(started).or(queued).unwrap_or(Time::UNKNOWN);
    let state = match (finished.is_some() || result.is_some(), started) {
        (true, _) => State::Completed,
        (false, Some(_)) => State::Running,
        (false, None) => State::NotStarted,
    };
    let project = beside.project_id.as_deref().or(beside.project_name.as_deref()).unwrap_or_default();
    let key = DeploymentKey::new(&beside.organization()?, project, environment, run);
    let job = DeploymentJobSaid {
        stage: short(stage).into_owned(),
        stage_attempt: count(record.stage_attempt.as_ref()),
        name: short(text(record.job_name.as_ref()).unwrap_or(UNNAMED)).into_owned(),
        attempt: count(record.job_attempt.as_ref()),
        state,
        says: Statement { said, result, queued, started, finished },
    };
    Ok(DeploymentFact { key, said, labels: labels(beside, name, record), job })
}

fn labels(beside: &Beside, environment: &str, record: &Record<'_>) -> Vec<(Label, String)> {
    let place = Place {
        organization: beside.organization.clone(),
        project_id: beside.project_id.clone(),
        project_name: beside.project_name.clone(),
    };
    let (definition, owner) = (record.definition.as_ref(), record.owner.as_ref());
    let pipeline = definition.and_then(|definition| id(definition.id.as_ref())).map(|id| id.to_string());
    let mut labels = Labels::of(&place);
    labels.put(Label::Environment, Some(environment));
    labels.put(Label::DefinitionId, pipeline.as_deref());
    labels.put(Label::PipelineName, definition.and_then(|definition| text(definition.name.as_ref())));
    labels.put(Label::RunName, owner.and_then(|owner| text(owner.name.as_ref())));
    labels.into_vec()
}
