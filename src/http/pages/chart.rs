//! The stages of a run in time, as SVG by attributes alone: the policy of the pages forbids inline styles.

use super::html::Badge;
use crate::catalog::Stage;
use crate::domain::Time;
use crate::view::duration;

const WIDTH: u64 = 1_000;
/// What is too short to be seen is drawn so wide.
const LEAST: u64 = 4;
const ROW: usize = 30;
/// Where a bar's row begins, and a line of text stands in it.
const TEXT: usize = 12;
const BAR: usize = 16;
/// More attempts are in the table beside it.
const MOST: usize = 40;

pub(super) struct Chart {
    pub(super) height: usize,
    pub(super) bars: Vec<Bar>,
    pub(super) whole: String,
}

pub(super) struct Bar {
    pub(super) label: String,
    pub(super) kind: &'static str,
    pub(super) x: u64,
    pub(super) width: u64,
    pub(super) text_y: usize,
    pub(super) y: usize,
}

/// `None` where no stage has started.
pub(super) fn chart(stages: &[Stage], now: Time) -> Option<Chart> {
    let started: Vec<_> = stages.iter().filter_map(|stage| Some((stage, stage.started_at?))).take(MOST).collect();
    let from = started.iter().map(|(_, at)| *at).min()?;
    let to = started.iter().map(|(stage, at)| end(stage, now).max(*at)).max()?;
    let whole = to.since(from);
    let scale = |at: Time| {
        let part = at.since(from).as_millis() * u128::from(WIDTH) / whole.as_millis().max(1);
        u64::try_from(part).unwrap_or(WIDTH).min(WIDTH)
    };
    let bar = |(row, (stage, at)): (usize, &(&Stage, Time))| {
        let (x, until) = (scale(*at).min(WIDTH - LEAST), scale(end(stage, now).max(*at)));
        Bar {
            label: label(stage, *at, now),
            kind: Badge::of(stage.state.as_deref(), stage.result.as_deref()).kind,
            x,
            width: until.saturating_sub(x).max(LEAST),
            text_y: row * ROW + TEXT,
            y: row * ROW + BAR,
        }
    };
    let bars: Vec<_> = started.iter().enumerate().map(bar).collect();
    Some(Chart { height: bars.len() * ROW, bars, whole: duration(whole) })
}

fn end(stage: &Stage, now: Time) -> Time {
    stage.finished_at.unwrap_or(now)
}

fn label(stage: &Stage, started: Time, now: Time) -> String {
    let attempt = if stage.attempt > 1 { format!(" #{}", stage.attempt) } else { String::new() };
    format!("{}{attempt} · {}", stage.name, duration(end(stage, now).since(started)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(name: &str, from: Option<i64>, to: Option<i64>) -> Stage {
        let at = |seconds: i64| Time::from_ticks(seconds * 10_000_000);
        Stage {
            name: name.to_owned(),
            attempt: 1,
            state: None,
            result: Some("failed".to_owned()),
            started_at: from.map(at),
            finished_at: to.map(at),
        }
    }

    #[test]
    fn bars_stand_where_their_time_is() {
        let now = Time::from_ticks(2_000_000_000);
        let stages = [
            stage("build", Some(100), Some(150)),
            stage("test", Some(150), None),
            stage("deploy", None, None),
            stage("odd", Some(200), Some(100)),
        ];
        let chart = chart(&stages, now).unwrap();
        let told: Vec<_> = chart.bars.iter().map(|bar| (bar.label.as_str(), bar.x, bar.width)).collect();
        assert_eq!(told, [("build · 50s", 0, 500), ("test · 50s", 500, 500), ("odd · 0s", 996, 4)]);
        assert_eq!((chart.height, chart.whole.as_str()), (90, "1m 40s"));
    }

    #[test]
    fn nothing_started_is_no_chart() {
        assert!(super::chart(&[stage("x", None, None)], Time::from_ticks(0)).is_none());
    }
}
