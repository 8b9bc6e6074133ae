//! How far a backfill came, and where the next one begins.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Order, Timelines};
use crate::domain::Time;

/// So far before the watermark the next backfill begins: the service's lists may be late themselves.
const OVERLAP: Duration = Duration::from_secs(3_600);

/// The time of which every finish is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Covered {
    pub(super) from: Time,
    pub(super) to: Time,
}

impl Covered {
    /// One that cannot be read is none: then it is all done again.
    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(super) fn write(&self) -> String {
        serde_json::json!(self).to_string()
    }
}

/// What is covered at the beginning, and since when to ask. What was covered before is gone on from only where it reaches
/// back far enough: else there would be a hole before it.
pub(super) fn start(order: &Order, known: Option<Covered>) -> (Covered, Time) {
    let since = order.since;
    let known = known.map(|known| Covered { to: known.to.min(order.asked), ..known });
    let usable = known.filter(|known| !order.again && known.from <= since && since <= known.to);
    match usable {
        Some(known) => (known, known.to.minus(OVERLAP).max(since)),
        None => (Covered { from: since, to: since }, since),
    }
}

/// What the watermark of such an order is noted by. Whoever asks for more has one of their own.
pub(super) fn note_name(order: &Order) -> String {
    let timelines = match order.timelines {
        Timelines::None => "none",
        Timelines::Failed => "failed",
        Timelines::All => "all",
    };
    let project = order.project.to_lowercase();
    named(&serde_json::json!([order.canonical, project, order.pipelines, timelines]))
}

/// The same for other kinds, each part of which has a watermark of its own.
pub(super) fn note_name_of(order: &Order, part: &str) -> String {
    let project = order.project.to_lowercase();
    named(&serde_json::json!([order.canonical, project, order.pipelines, order.kind.as_str(), part]))
}

fn named(scope: &serde_json::Value) -> String {
    let digest = Sha256::digest(scope.to_string().as_bytes());
    let name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("backfill|{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backfill::Kind;

    fn hour(hours: i64) -> Time {
        Time::from_ticks(hours * 36_000_000_000)
    }

    fn covered(from: i64, to: i64) -> Covered {
        Covered { from: hour(from), to: hour(to) }
    }

    fn order(since: Time, again: bool) -> Order {
        Order {
            organization: "Fabrikam".to_owned(),
            canonical: "fabrikam".to_owned(),
            project: "Fiber".to_owned(),
            pipelines: Vec::new(),
            asked: hour(40),
            since,
            kind: Kind::Runs,
            until: None,
            timelines: Timelines::None,
            again,
        }
    }

    #[test]
    fn goes_on_only_where_no_hole_is_left() {
        let table = [
            ("nothing known", 10, None, false, covered(10, 10), 10),
            ("goes on", 10, Some(covered(10, 20)), false, covered(10, 20), 19),
            ("asked for less", 12, Some(covered(10, 20)), false, covered(10, 20), 19),
            ("not before what is asked for", 20, Some(covered(10, 20)), false, covered(10, 20), 20),
            ("asked for more", 5, Some(covered(10, 20)), false, covered(5, 5), 5),
            ("long ago", 30, Some(covered(10, 20)), false, covered(30, 30), 30),
            ("again", 10, Some(covered(10, 20)), true, covered(10, 10), 10),
            ("from the future", 10, Some(covered(10, 90)), false, covered(10, 40), 39),
        ];
        for (name, since, known, again, expected, from) in table {
            assert_eq!(start(&order(hour(since), again), known), (expected, hour(from)), "{name}");
        }
    }

    #[test]
    fn a_watermark_comes_back_and_rubbish_is_none() {
        assert_eq!(Covered::read(&covered(1, 2).write()), Some(covered(1, 2)));
        assert_eq!(Covered::read("x"), None);
    }
}
