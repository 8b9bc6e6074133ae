//! From what the doctor found to gaps: when one begins, goes on, and ends.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Wanted};
use crate::domain::gap::{GapFact, GapRecord};
use crate::domain::{GapKey, GapReason, Time};

/// The streams of events that these subscriptions are for. Gaps are told by stream, since a subscription that is made
/// anew ends the gap of the one before.
#[must_use]
pub fn streams(organization: &str, wanted: &[Wanted]) -> BTreeMap<GapKey, String> {
    let stream = |wanted: &Wanted| {
        (GapKey::new(organization, &wanted.project.id, wanted.event_type()), wanted.project.name.clone())
    };
    wanted.iter().map(stream).collect()
}

/// What there is to say of the gaps of these streams, with what is known of them.
///
/// A look that finds the same says that the gap goes on. One that finds nothing wrong any more ends what was open.
#[must_use]
pub fn gaps(
    organization: &str,
    streams: &BTreeMap<GapKey, String>,
    findings: &[Finding],
    known: &BTreeMap<GapKey, GapRecord>,
    now: Time,
) -> Vec<GapFact> {
    let mut lost: BTreeMap<GapKey, (GapReason, Option<Time>)> = BTreeMap::new();
    for finding in findings {
        if let Some(why) = finding.finding.loses() {
            let key = GapKey::new(organization, &finding.project_id, &finding.event_type);
            lost.entry(key).or_insert((why, finding.since));
        }
    }
    let say = |(key, name): (&GapKey, &String)| {
        let facts = match lost.get(key) {
            Some((why, since)) => vec![lasts(key, known.get(key), why, *since, now)],
            None => ends(key, known.get(key), now),
        };
        facts.into_iter().map(|fact| GapFact { project_name: Some(name.clone()), ..fact }).collect::<Vec<_>>()
    };
    streams.iter().flat_map(say).collect()
}

fn lasts(key: &GapKey, known: Option<&GapRecord>, why: &GapReason, since: Option<Time>, now: Time) -> GapFact {
    let open = known.and_then(|known| known.shown().find(|gap| gap.to.is_none()));
    let from = open.map_or_else(
        || {
            // What was over before is another gap, whatever the history says.
            let before = known.into_iter().flat_map(GapRecord::shown).filter_map(|gap| gap.to).max();
            since.unwrap_or(now).max(before.unwrap_or(Time::UNKNOWN)).min(now)
        },
        |gap| gap.from,
    );
    GapFact { why: Some(why.clone()), ..GapFact::new(key.clone(), from, now) }
}

fn ends(key: &GapKey, known: Option<&GapRecord>, now: Time) -> Vec<GapFact> {
    let open: BTreeSet<Time> =
        known.into_iter().flat_map(GapRecord::shown).filter(|gap| gap.to.is_none()).map(|gap| gap.from).collect();
    open.into_iter().map(|from| GapFact { over: Some(now), ..GapFact::new(key.clone(), from, now) }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{PROJECT, project, queue};
    use super::super::{Ailment, Group, wanted};
    use super::*;
    use crate::domain::Join;

    type Found = (Ailment, Option<i64>);

    const RUNS: &str = "build.complete";

    fn at(second: i64) -> Time {
        Time::from_ticks(second * 10_000_000)
    }

    fn finding(ailment: Ailment, since: Option<i64>) -> Finding {
        Finding {
            finding: ailment,
            event_type: RUNS.to_owned(),
            project: "Fiber".to_owned(),
            project_id: PROJECT.to_owned(),
            subscription_id: None,
            says: None,
            since: since.map(at),
        }
    }

    /// Looks in turn, each with what was found and when; answers the gaps as from and to.
    fn looked(looks: &[(i64, Option<Found>)]) -> Vec<(Time, Option<Time>)> {
        let wanted = wanted(&BTreeSet::from([Group::Runs]), &[project()], &[], &queue());
        let streams = streams("Fabrikam", &wanted);
        let mut known: BTreeMap<GapKey, GapRecord> = BTreeMap::new();
        for (now, found) in looks {
            let findings: Vec<_> = found.iter().map(|(ailment, since)| finding(*ailment, *since)).collect();
            for fact in gaps("fabrikam", &streams, &findings, &known, at(*now)) {
                let record = GapRecord::of(&fact);
                known.entry(fact.key.clone()).and_modify(|known| known.absorb(record.clone())).or_insert(record);
            }
        }
        assert!(known.keys().all(|key| key.events == RUNS));
        known.values().flat_map(GapRecord::shown).map(|gap| (gap.from, gap.to)).collect()
    }

    #[test]
    fn a_gap_begins_goes_on_and_ends() {
        let probation = Some((Ailment::OnProbation, Some(90)));
        assert_eq!(looked(&[(50, None)]), []);
        assert_eq!(looked(&[(50, None), (100, probation)]), [(at(90), None)]);
        let off = Some((Ailment::DisabledBySystem, Some(95)));
        assert_eq!(looked(&[(100, probation), (200, off)]), [(at(90), None)], "the same gap");
        assert_eq!(looked(&[(100, probation), (200, off), (300, None)]), [(at(90), Some(at(300)))]);
    }

    #[test]
    fn what_comes_again_is_another_gap() {
        let silent = Some((Ailment::Silent, Some(90)));
        let gaps = looked(&[(100, silent), (300, None), (400, None), (500, silent), (600, None)]);
        assert_eq!(gaps, [(at(90), Some(at(300))), (at(300), Some(at(600)))]);
    }

    #[test]
    fn a_gap_without_a_beginning_begins_now() {
        let missing = Some((Ailment::Missing, None));
        assert_eq!(looked(&[(100, missing), (200, missing)]), [(at(100), None)]);
        assert_eq!(looked(&[(100, Some((Ailment::Doubled, None)))]), [], "nothing is lost");
    }
}
