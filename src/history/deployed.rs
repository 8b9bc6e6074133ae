//! What the stages of made-up runs brought to environments. No event tells of it: it is asked for.

use super::cast::{PIPELINES, PROJECTS};
use super::script::{Moment, Run, Stage};
use super::wire::Guid;
use crate::domain::deployment::{DeploymentFact, DeploymentJobSaid};
use crate::domain::run::Statement;
use crate::domain::{DeploymentKey, Label, State, Time};

/// Stages that deploy, and the environments that they deploy to.
const ENVIRONMENTS: [(&str, u64, &str); 3] =
    [("deploy-staging", 3, "staging"), ("deploy-production", 4, "production"), ("apply", 5, "shared-infrastructure")];

/// The deployment record that this moment of a run leaves, where it leaves one.
pub(super) fn fact(organization: &str, run: &Run, moment: &Moment, due: Time) -> Option<DeploymentFact> {
    let Moment::Stage(Stage { name, attempt, state: State::Completed, result, started, finished }) = moment else {
        return None;
    };
    let (_, environment, called) = ENVIRONMENTS.iter().find(|(stage, ..)| stage == name)?;
    let (started, finished) = ((*started)?, (*finished)?);
    let pipeline = PIPELINES.get(run.pipeline)?;
    let project = PROJECTS.get(pipeline.project).copied()?;
    let project_id = Guid::of(project).to_string();
    let labels = [
        (Label::ProjectId, project_id.clone()),
        (Label::ProjectName, project.to_owned()),
        (Label::Environment, (*called).to_owned()),
        (Label::DefinitionId, pipeline.id.to_string()),
        (Label::PipelineName, pipeline.name.to_owned()),
        (Label::RunName, run.number.clone()),
    ];
    let says = Statement {
        said: finished,
        result: result.clone(),
        queued: Some(started),
        started: Some(started),
        finished: Some(finished),
    };
    let job = DeploymentJobSaid {
        stage: (*name).to_owned(),
        stage_attempt: Some(*attempt),
        name: "deploy".to_owned(),
        attempt: Some(1),
        state: State::Completed,
        says,
    };
    let key = DeploymentKey::new(organization, &project_id, *environment, run.id);
    Some(DeploymentFact { key, said: finished.min(due), labels: labels.into(), job })
}
