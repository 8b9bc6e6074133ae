//! From what the doctor found to gaps: when one begins, goes on, and ends.
//!
//! A gap ends only when something speaks for it that events come again. That nothing is found any more is no such sign:
//! silence cannot be heard while nothing runs, and a status that nobody knows may mean anything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Finding, Look, Wanted};
use crate::ado::hooks::{Notification, Subscription};
use crate::domain::gap::{GapFact, GapRecord, ShownGap};
use crate::domain::{DeliveryResult, GapKey, GapReason, SubscriptionStatus, Time};

/// A gap that goes on as it was is said again so often, not at each look.
const SAY_AGAIN: Duration = Duration::from_secs(3_600);

/// A stream of events: those of one kind of one project, and what speaks for it that they come. Gaps are told by stream,
/// since a subscription that is made anew ends the gap of the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// The project's name.
    name: String,
    /// Everything is there that should be, and the last that it delivered arrived.
    at_work: bool,
    /// The last delivery that arrived, or when the subscription was made.
    heard: Option<Time>,
    /// Times of failure that are over, by the history: from the first failure to what then arrived.
    outages: BTreeSet<(Time, Time)>,
}

/// The streams that are wanted, as they are.
#[must_use]
pub fn streams(organization: &str, look: &Look<'_>) -> BTreeMap<GapKey, Stream> {
    let slots = look.slots();
    let mut streams: BTreeMap<GapKey, Stream> = BTreeMap::new();
    for wanted in look.wanted {
        let found = slots.get(&wanted.slot).map(Vec::as_slice).unwrap_or_default();
        let part = one(look, wanted, found);
        match streams.get_mut(&key(organization, wanted)) {
            Some(stream) => stream.add(part),
            None => drop(streams.insert(key(organization, wanted), part)),
        }
    }
    streams
}

fn key(organization: &str, wanted: &Wanted) -> GapKey {
    GapKey::new(organization, &wanted.project.id, wanted.event_type())
}

fn one(look: &Look<'_>, wanted: &Wanted, found: &[&Subscription]) -> Stream {
    let here = found.iter().filter(|found| look.target.elsewhere(found).is_none());
    let enabled: Vec<_> = here.filter(|found| found.status == SubscriptionStatus::Enabled).collect();
    let history = |found: &Subscription| look.settled(found);
    let arrives = |said: Option<&Notification>| said.is_none_or(|said| said.result != DeliveryResult::Failed);
    let heard = |found: &&&Subscription| {
        let arrived = history(found).into_iter().filter(|said| said.result == DeliveryResult::Succeeded);
        arrived.map(|said| said.created).max().max(found.created)
    };
    Stream {
        name: wanted.project.name.clone(),
        at_work: enabled.iter().any(|found| arrives(history(found).last().copied())),
        heard: enabled.iter().filter_map(heard).max(),
        outages: enabled.iter().flat_map(|found| outages(&history(found))).collect(),
    }
}

/// In a history, the oldest first.
fn outages(history: &[&Notification]) -> Vec<(Time, Time)> {
    let (mut failing, mut over) = (None, Vec::new());
    for said in history {
        match &said.result {
            DeliveryResult::Failed => failing = failing.or(Some(said.created)),
            DeliveryResult::Succeeded => over.extend(failing.take().map(|since| (since, said.created))),
            DeliveryResult::Pending | DeliveryResult::Filtered | DeliveryResult::Other(_) => {}
        }
    }
    over
}

impl Stream {
    /// The same events of another pipeline.
    fn add(&mut self, other: Self) {
        self.at_work &= other.at_work;
        self.heard = self.heard.min(other.heard);
        self.outages.extend(other.outages);
    }

    /// Whether events come again that were lost in this gap.
    fn ends(&self, gap: &ShownGap) -> bool {
        let heard = self.heard.is_some_and(|heard| heard > gap.from);
        self.at_work
            && match &gap.why {
                // It was by the status, or that there was none: both are otherwise now.
                Some(
                    GapReason::OnProbation
                    | GapReason::DisabledBySystem
                    | GapReason::DisabledByUser
                    | GapReason::DisabledByInactiveIdentity
                    | GapReason::Missing,
                ) => true,
                Some(GapReason::Silence | GapReason::NoLongerWatched | GapReason::Other(_)) | None => heard,
            }
    }
}

/// What there is to say of the gaps of these streams, with what is known of them and of others.
///
/// A look that finds the same says now and then that the gap goes on. What is known to be open in a stream that nobody
/// wants any more ends as such.
#[must_use]
pub fn gaps(
    organization: &str,
    streams: &BTreeMap<GapKey, Stream>,
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
    let wanted = streams.iter().flat_map(|(key, stream)| {
        let known = known.get(key);
        let mut facts = bygone(key, known, stream);
        match lost.get(key) {
            Some((why, since)) => facts.extend(lasts(key, known, why, *since, now)),
            None => facts.extend(ends(key, known, stream, now)),
        }
        facts.into_iter().map(|fact| GapFact { project_name: Some(stream.name.clone()), ..fact })
    });
    let unwanted = known.iter().filter(|(key, _)| !streams.contains_key(*key));
    wanted.chain(unwanted.flat_map(|(key, known)| unwatched(key, known, now))).collect()
}

fn open(known: Option<&GapRecord>) -> impl Iterator<Item = ShownGap> {
    known.into_iter().flat_map(GapRecord::shown).filter(|gap| gap.to.is_none())
}

fn lasts(key: &GapKey, known: Option<&GapRecord>, why: &GapReason, since: Option<Time>, now: Time) -> Option<GapFact> {
    let open = open(known).next();
    let is_said = |gap: &ShownGap| gap.seen.is_some_and(|seen| now.since(seen) < SAY_AGAIN);
    if open.as_ref().is_some_and(|gap| gap.why.as_ref() == Some(why) && is_said(gap)) {
        return None;
    }
    let from = open.map_or_else(
        || {
            // What was over before is another gap, whatever the history says.
            let before = known.into_iter().flat_map(GapRecord::shown).filter_map(|gap| gap.to).max();
            since.unwrap_or(now).max(before.unwrap_or(Time::UNKNOWN)).min(now)
        },
        |gap| gap.from,
    );
    Some(GapFact { why: Some(why.clone()), ..GapFact::new(key.clone(), from, now) })
}

fn ends(key: &GapKey, known: Option<&GapRecord>, stream: &Stream, now: Time) -> Vec<GapFact> {
    let over = open(known).filter(|gap| stream.ends(gap));
    over.map(|gap| GapFact { over: Some(now), ..GapFact::new(key.clone(), gap.from, now) }).collect()
}

/// Failures that came and went while nobody looked. They are said with their own time: whoever finds them says the same.
fn bygone(key: &GapKey, known: Option<&GapRecord>, stream: &Stream) -> Vec<GapFact> {
    let is_known = |from: Time, to: Time| {
        known.into_iter().flat_map(GapRecord::shown).any(|gap| gap.from <= to && gap.to.is_none_or(|over| over >= from))
    };
    let unknown = stream.outages.iter().filter(|(from, to)| !is_known(*from, *to));
    let why = Some(GapReason::OnProbation);
    let fact = |(from, to): &(Time, Time)| GapFact::new(key.clone(), *from, *to);
    unknown.map(|outage| GapFact { why: why.clone(), over: Some(outage.1), ..fact(outage) }).collect()
}

fn unwatched(key: &GapKey, known: &GapRecord, now: Time) -> Vec<GapFact> {
    let why = Some(GapReason::NoLongerWatched);
    let over = |gap: ShownGap| GapFact::new(key.clone(), gap.from, now);
    open(Some(known)).map(|gap| GapFact { why: why.clone(), over: Some(now), ..over(gap) }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{PROJECT, as_wanted, project, queue};
    use super::super::{Ailment, Group, wanted};
    use super::*;
    use crate::domain::Join;

    type Found = (Ailment, Option<i64>);
    type Known = BTreeMap<GapKey, GapRecord>;

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

    fn runs() -> GapKey {
        GapKey::new("fabrikam", PROJECT, RUNS)
    }

    fn stream(at_work: bool, heard: i64) -> Stream {
        Stream { name: "Fiber".to_owned(), at_work, heard: Some(at(heard)), outages: BTreeSet::new() }
    }

    /// One look: what is there to say, which is then known.
    fn look(known: &mut Known, now: i64, found: Option<Found>, stream: Option<Stream>) -> Vec<GapFact> {
        let streams = stream.map(|stream| (runs(), stream)).into_iter().collect();
        let findings: Vec<_> = found.iter().map(|(ailment, since)| finding(*ailment, *since)).collect();
        let facts = gaps("Fabrikam", &streams, &findings, known, at(now));
        for fact in &facts {
            let record = GapRecord::of(fact);
            known.entry(fact.key.clone()).and_modify(|known| known.absorb(record.clone())).or_insert(record);
        }
        facts
    }

    fn shown(known: &Known) -> Vec<(Time, Option<Time>)> {
        known.values().flat_map(GapRecord::shown).map(|gap| (gap.from, gap.to)).collect()
    }

    /// Looks in turn, each with what was found and when, where all is at work that nothing was found of; answers the
    /// gaps as from and to.
    fn looked(looks: &[(i64, Option<Found>)]) -> Vec<(Time, Option<Time>)> {
        let mut known = Known::new();
        for (now, found) in looks {
            look(&mut known, *now, *found, Some(stream(found.is_none(), *now)));
        }
        shown(&known)
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

    #[test]
    fn a_gap_ends_only_by_a_sign() {
        let ended = |ailment: Ailment, stream: Stream| {
            let mut known = Known::new();
            look(&mut known, 100, Some((ailment, Some(90))), Some(stream.clone()));
            look(&mut known, 200, None, Some(stream));
            shown(&known) == [(at(90), Some(at(200)))]
        };
        for (ailment, at_work, heard, expected) in [
            (Ailment::Silent, true, 90, false),
            (Ailment::Silent, true, 91, true),
            (Ailment::Silent, false, 91, false),
            (Ailment::OnProbation, true, 90, true),
            (Ailment::OnProbation, false, 91, false),
            (Ailment::Missing, true, 90, true),
            (Ailment::DisabledByUser, false, 90, false),
        ] {
            assert_eq!(ended(ailment, stream(at_work, heard)), expected, "{ailment} {at_work} {heard}");
        }
        assert!(!ended(Ailment::Silent, Stream { heard: None, ..stream(true, 0) }));
    }

    #[test]
    fn what_goes_on_is_not_said_at_each_look() {
        let mut known = Known::new();
        let probation = Some((Ailment::OnProbation, Some(90)));
        let mut says = |now: i64, found| look(&mut known, now, found, Some(stream(false, 1))).len();
        assert_eq!([says(100, probation), says(200, probation), says(3_699, probation)], [1, 0, 0]);
        assert_eq!(says(3_700, probation), 1, "an hour later");
        assert_eq!(says(3_701, Some((Ailment::DisabledBySystem, None))), 1, "for another reason");
    }

    #[test]
    fn what_is_no_longer_wanted_is_over_as_such() {
        let mut known = Known::new();
        look(&mut known, 100, Some((Ailment::Missing, None)), Some(stream(false, 1)));
        look(&mut known, 200, None, None);
        let gap = known[&runs()].shown().next().unwrap();
        assert_eq!((gap.to, gap.why), (Some(at(200)), Some(GapReason::NoLongerWatched)));
        assert_eq!(look(&mut known, 300, None, None), [], "once");
    }

    #[test]
    fn what_came_and_went_unseen_is_a_gap() {
        let mut known = Known::new();
        let unseen = |outages: &[(i64, i64)]| {
            let outages = outages.iter().map(|(from, to)| (at(*from), at(*to))).collect();
            Some(Stream { outages, ..stream(true, 500) })
        };
        assert_eq!(look(&mut known, 500, None, unseen(&[(10, 20), (30, 40)])).len(), 2);
        assert_eq!(shown(&known), [(at(10), Some(at(20))), (at(30), Some(at(40)))]);
        // The history forgets how it began.
        assert_eq!(look(&mut known, 600, None, unseen(&[(15, 20), (30, 40)])), []);
        // What is open is told by the doctor.
        look(&mut known, 700, Some((Ailment::OnProbation, Some(650))), unseen(&[]));
        assert_eq!(look(&mut known, 800, None, unseen(&[(655, 790)])).len(), 1, "it ends, and is no other one");
        assert_eq!(shown(&known).len(), 3);
    }

    #[test]
    fn streams_say_what_speaks_for_them() {
        let (target, now) = (queue(), at(1_000));
        let wanted: Vec<_> = wanted(&BTreeSet::from([Group::Runs]), &[project()], &[], &target);
        let wanted = &wanted[4..];
        let said = |second: i64, result: &str| Notification {
            id: 1,
            subscription: "s-1".to_owned(),
            created: at(second),
            result: result.into(),
            error: None,
        };
        let stream = |status: &str, history: &[(i64, &str)]| {
            let mut found = as_wanted(1, &wanted[0]);
            (found.status, found.created) = (status.into(), Some(at(5)));
            let history = history.iter().map(|(second, result)| said(*second, result)).collect();
            let history = BTreeMap::from([("s-1".to_owned(), history)]);
            let (found, last_runs) = ([found], BTreeMap::new());
            let look = Look { wanted, found: &found, history: &history, last_runs: &last_runs, target: &target, now };
            let stream = streams("fabrikam", &look).remove(&runs()).unwrap();
            (stream.at_work, stream.heard, stream.outages.into_iter().collect::<Vec<_>>())
        };
        assert_eq!(stream("enabled", &[]), (true, Some(at(5)), vec![]));
        // In whatever order they come.
        let history = [(30, "succeeded"), (10, "failed"), (20, "failed"), (31, "pending")];
        assert_eq!(stream("enabled", &history), (true, Some(at(30)), vec![(at(10), at(30))]));
        assert_eq!(stream("enabled", &[(10, "succeeded"), (20, "failed")]), (false, Some(at(10)), vec![]));
        for status in ["onProbation", "asleep"] {
            assert_eq!(stream(status, &history), (false, None, vec![]), "{status}");
        }
    }
}
