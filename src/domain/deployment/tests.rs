use super::*;
use crate::domain::run::{ShownStage, Statement};
use crate::domain::{DeploymentKey, Label, Outcome, State, Time};

fn at(seconds: i64) -> Time {
    Time::from_ticks(1_000_000_000 + seconds * 10_000_000)
}

/// `(stage, stage attempt, job, job attempt, finish, result)`
type Said = (&'static str, u32, &'static str, u32, i64, &'static str);

fn fact((stage, stage_attempt, name, attempt, finished, result): Said) -> DeploymentFact {
    let over = !result.is_empty();
    let said = at(finished);
    let says = Statement {
        result: over.then(|| Outcome::from(result)),
        started: Some(at(finished - 10)),
        finished: over.then_some(said),
        ..Statement::at(said)
    };
    let job = DeploymentJobSaid {
        stage: stage.to_owned(),
        stage_attempt: Some(stage_attempt),
        name: name.to_owned(),
        attempt: Some(attempt),
        state: if over { State::Completed } else { State::Running },
        says,
    };
    let labels = vec![(Label::Environment, "prod".to_owned()), (Label::DefinitionId, "7".to_owned())];
    DeploymentFact { key: DeploymentKey::new("fabrikam", "p-1", 3, 479), said, labels, job }
}

fn record(facts: &[Said]) -> DeploymentRecord {
    let mut facts = facts.iter().map(|said| fact(*said));
    let first = DeploymentRecord::of(&facts.next().unwrap());
    facts.fold(first, |mut record, fact| {
        record.add(&fact);
        record
    })
}

fn stages(facts: &[Said]) -> Vec<(String, u32, Option<State>, Option<Outcome>)> {
    let tell = |stage: ShownStage| (stage.name, stage.attempt, stage.state, stage.result);
    record(facts).shown().stages.into_iter().map(tell).collect()
}

fn told(
    name: &str,
    attempt: u32,
    state: State,
    result: Option<Outcome>,
) -> (String, u32, Option<State>, Option<Outcome>) {
    (name.to_owned(), attempt, Some(state), result)
}

#[test]
fn the_jobs_of_a_stage_are_one_deployment() {
    let jobs = [("Deploy", 1, "web", 1, 50, "succeeded"), ("Deploy", 1, "api", 1, 60, "failed")];
    assert_eq!(stages(&jobs), [told("Deploy", 1, State::Completed, Some(Outcome::Failed))]);
    let jobs = [("Deploy", 1, "web", 1, 50, "succeeded"), ("Deploy", 1, "api", 1, 60, "")];
    assert_eq!(stages(&jobs), [told("Deploy", 1, State::Running, None)], "one is still at it");
    let shown = record(&jobs).shown();
    assert_eq!((shown.pipeline, shown.stages[0].finished, shown.stages[0].started), (Some(7), None, Some(at(40))));
}

#[test]
fn attempts_are_told_apart() {
    let jobs = [
        ("Deploy", 1, "web", 1, 50, "failed"),
        ("Deploy", 2, "web", 1, 90, "succeeded"),
        ("Deploy", 2, "web", 2, 99, "canceled"),
    ];
    let (first, second) = (Some(Outcome::Failed), Some(Outcome::Canceled));
    let wanted = [told("Deploy", 1, State::Completed, first), told("Deploy", 2, State::Completed, second)];
    assert_eq!(stages(&jobs), wanted);
}

#[test]
fn it_has_ended_when_nothing_is_under_way() {
    assert_eq!(record(&[("Deploy", 1, "web", 1, 50, "")]).ended(), None);
    assert_eq!(record(&[("Deploy", 1, "web", 1, 50, ""), ("Deploy", 1, "web", 1, 70, "failed")]).ended(), Some(at(70)));
}
