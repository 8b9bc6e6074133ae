//! Rows of stages and approvals, which runs and releases both have, each in tables of their own.

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use crate::domain::run::{ShownApproval, ShownStage};
use crate::domain::{ApprovalPhase, Outcome, State, Time};

/// `insert` takes what it belongs to, name, attempt, state, result, started and finished.
pub(super) fn insert_stage(c: &Connection, insert: &str, of: i64, stage: &ShownStage) -> rusqlite::Result<()> {
    c.prepare_cached(insert)?.execute(params![
        of,
        stage.name,
        stage.attempt,
        stage.state.as_ref().map(State::as_str),
        stage.result.as_ref().map(Outcome::as_str),
        stage.started.map(Time::ticks),
        stage.finished.map(Time::ticks),
    ])?;
    Ok(())
}

/// `insert` takes what it belongs to, id, status, stage, attempt, requested, decided, approvers, and of a release the
/// phase, of a run the environment behind it.
pub(super) fn insert_approval(c: &Connection, insert: &str, of: i64, approval: &ShownApproval) -> rusqlite::Result<()> {
    let text = |text: Option<&str>| text.map_or(Value::Null, |text| Value::Text(text.to_owned()));
    let number = |number: Option<i64>| number.map_or(Value::Null, Value::Integer);
    let cells = [
        Value::Integer(of),
        text(Some(&approval.id)),
        text(Some(approval.status.as_str())),
        text(approval.stage.as_deref()),
        number(approval.stage_attempt.map(i64::from)),
        number(approval.requested.map(Time::ticks)),
        number(approval.decided.map(Time::ticks)),
        Value::Text(serde_json::json!(approval.approvers).to_string()),
        text(approval.phase.as_ref().map(ApprovalPhase::as_str)),
        text(approval.environment.as_deref()),
    ];
    let mut insert = c.prepare_cached(insert)?;
    let taken = insert.parameter_count();
    insert.execute(params_from_iter(cells.into_iter().take(taken)))?;
    Ok(())
}
