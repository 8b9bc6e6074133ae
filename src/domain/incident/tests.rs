use super::{IncidentFact, IncidentRecord};
use crate::domain::{IncidentKey, IncidentTurn, Label, Time};

use IncidentTurn::{Opened, Resolved};

/// Turns by their seconds, each told as it happened.
fn of(turns: &[(i64, IncidentTurn)]) -> (Option<i64>, Option<i64>) {
    let at = |second: i64| Time::from_ticks(second * 10_000_000);
    let fact = |(second, turn): &(i64, IncidentTurn)| IncidentFact {
        key: IncidentKey::new("fabrikam", "OPS-1").unwrap(),
        said: at(*second),
        turns: vec![(at(*second), turn.clone())],
        labels: vec![(Label::Title, format!("told at {second}"))],
    };
    let mut record = IncidentRecord::of(&fact(&turns[0]));
    turns.iter().for_each(|turn| record.add(&fact(turn)));
    let shown = record.shown();
    let second = |time: Option<Time>| time.map(|time| time.ticks() / 10_000_000);
    (second(shown.opened), second(shown.resolved))
}

#[test]
fn an_incident_is_over_if_the_last_turn_says_so() {
    assert_eq!(of(&[(10, Opened)]), (Some(10), None));
    assert_eq!(of(&[(10, Opened), (20, Resolved)]), (Some(10), Some(20)));
    assert_eq!(of(&[(20, Resolved)]), (None, Some(20)));
}

#[test]
fn what_is_said_again_changes_nothing() {
    assert_eq!(of(&[(30, Resolved), (12, Opened), (10, Opened), (20, Resolved)]), (Some(10), Some(20)));
}

#[test]
fn it_may_be_opened_again() {
    assert_eq!(of(&[(10, Opened), (20, Resolved), (30, Opened)]), (Some(10), None));
    assert_eq!(of(&[(10, Opened), (20, Resolved), (30, Opened), (40, Resolved)]), (Some(10), Some(40)));
}

#[test]
fn the_first_opening_outlives_many_turns() {
    let many: Vec<_> = (0..500).map(|turn| (turn, if turn % 2 == 0 { Opened } else { Resolved })).collect();
    assert_eq!(of(&many), (Some(0), Some(499)));
}
