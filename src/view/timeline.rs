use serde::{Serialize, Serializer};

use crate::domain::run::{RunFact, Statement};
use crate::domain::{Fact, FactKind, Outcome, State, Time};

/// What a fact says of one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEntry {
    #[serde(serialize_with = "rfc3339")]
    pub said_at: Time,
    #[schema(value_type = String)]
    pub kind: FactKind,
    /// `run`, `stage Build #1`, `job Build/__default #1`, `approval {id}`.
    pub subject: String,
    pub state: String,
    #[schema(value_type = Option<String>)]
    pub result: Option<Outcome>,
}

/// All that the facts about a run say, in their order.
#[must_use]
pub fn timeline(facts: &[Fact]) -> Vec<TimelineEntry> {
    facts.iter().filter_map(Fact::of_run).flat_map(entries).collect()
}

fn entries(fact: &RunFact) -> Vec<TimelineEntry> {
    let entry = |subject: String, state: &State, says: &Statement| TimelineEntry {
        said_at: fact.said,
        kind: fact.kind.clone(),
        subject,
        state: state.to_string(),
        result: says.result.clone(),
    };
    let run = fact.run.iter().map(|(state, says)| entry("run".to_owned(), state, says));
    let stages = fact.stages.iter().map(|stage| {
        let subject = format!("stage {}{}", stage.name, number(stage.attempt));
        entry(subject, &stage.state, &stage.says)
    });
    let jobs = fact.jobs.iter().map(|job| {
        let subject = format!("job {}/{}{}", job.stage, job.name, number(job.attempt));
        entry(subject, &job.state, &job.says)
    });
    let approvals = fact.approvals.iter().map(|approval| TimelineEntry {
        said_at: fact.said,
        kind: fact.kind.clone(),
        subject: format!("approval {}", approval.id),
        state: approval.status.to_string(),
        result: None,
    });
    run.chain(stages).chain(jobs).chain(approvals).collect()
}

fn number(attempt: Option<u32>) -> String {
    attempt.map(|attempt| format!(" #{attempt}")).unwrap_or_default()
}

fn rfc3339<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}
