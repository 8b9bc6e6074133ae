use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::GapFact;
use crate::domain::columns::{Columns, texts, times};
use crate::domain::join::{join_greatest, join_max};
use crate::domain::{Change, GapKey, GapReason, Join, Said, Time, entries};

/// The latest so many gaps of a stream are kept.
const MOST_GAPS: usize = 200;

/// The join of all that was seen of the gaps of one stream of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapRecord {
    v: u32,
    /// Stored beside it.
    #[serde(skip)]
    key: GapKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    project_name: Option<Said<String>>,
    #[serde(default, with = "entries")]
    gaps: BTreeMap<Time, Seen>,
    /// The last time at which anything was said of it.
    said: Time,
    #[serde(flatten)]
    unknown: BTreeMap<String, serde_json::Value>,
}

/// What was seen of one gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    /// Why, with the last time at which events were still lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<Said<GapReason>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    over: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    covered: Option<Time>,
}

/// A gap as readers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownGap {
    pub from: Time,
    /// When events came again; `None` while they are lost.
    pub to: Option<Time>,
    pub why: Option<GapReason>,
    /// The last time at which events were seen to be lost.
    pub seen: Option<Time>,
    /// Up to when the REST API was read instead.
    pub covered_to: Option<Time>,
    /// It is over, and the REST API was read for all of it.
    pub covered: bool,
}

impl GapRecord {
    /// The version of the stored form. A record with a greater one is not for this program.
    pub const VERSION: u32 = 1;

    pub(crate) fn decode(key: &GapKey, text: &str) -> serde_json::Result<Self> {
        Ok(Self { key: key.clone(), ..serde_json::from_str(text)? })
    }

    /// The record of nothing but `fact`.
    #[must_use]
    pub fn of(fact: &GapFact) -> Self {
        let why = fact.why.clone().map(|why| Said(fact.said, why));
        let seen = Seen { why, over: fact.over, covered: fact.covered };
        Self {
            v: Self::VERSION,
            key: fact.key.clone(),
            project_name: fact.project_name.clone().map(|name| Said(fact.said, name)),
            gaps: BTreeMap::from([(fact.from, seen)]),
            said: fact.said,
            unknown: BTreeMap::new(),
        }
    }

    /// Joins what `fact` says, which is about the same stream.
    pub fn add(&mut self, fact: &GapFact) {
        self.absorb(Self::of(fact));
    }

    pub(crate) fn keep_unknown(&mut self, other: &Self) {
        self.unknown.absorb(other.unknown.clone());
    }

    #[must_use]
    pub fn key(&self) -> &GapKey {
        &self.key
    }

    #[must_use]
    pub fn project_name(&self) -> Option<&str> {
        self.project_name.as_ref().map(|Said(_, name)| name.as_str())
    }

    /// When the last was said of it, if no gap is open.
    pub(crate) fn ended(&self) -> Option<Time> {
        let over = self.gaps.values().all(|seen| seen.to().is_some());
        over.then_some(self.said)
    }

    pub(crate) fn is_shown_like(&self, other: &Self) -> bool {
        self.shown().eq(other.shown())
    }

    /// Of the latest gap.
    pub(crate) fn columns(&self) -> Columns {
        let (key, latest) = (&self.key, self.shown().last());
        let why = latest.as_ref().and_then(|gap| gap.why.as_ref());
        let texts = texts([
            ("organization", Some(key.organization.clone())),
            ("project", Some(self.project_name().unwrap_or(&key.project).to_owned())),
            ("eventType", Some(key.events.clone())),
            ("why", why.map(|why| why.as_str().to_owned())),
        ]);
        let time = |of: fn(&ShownGap) -> Option<Time>| latest.as_ref().and_then(of);
        let [from, to, covered] = [time(|gap| Some(gap.from)), time(|gap| gap.to), time(|gap| gap.covered_to)];
        texts.chain(times([("lostFrom", from), ("lostTo", to), ("coveredTo", covered)])).collect()
    }

    /// What there is to say after everything that happened from `from` to `to` was read from the REST API: of each gap
    /// that is not covered yet and begins, or was covered up to, inside that time.
    #[must_use]
    pub fn cover(&self, from: Time, to: Time, said: Time) -> Vec<GapFact> {
        let open = self.shown().filter(|gap| !gap.covered);
        let joins = open.filter(|gap| {
            let reached = gap.covered_to.unwrap_or(gap.from);
            from <= reached.max(gap.from) && to > reached
        });
        let fact = |gap: ShownGap| GapFact { covered: Some(to), ..GapFact::new(self.key.clone(), gap.from, said) };
        joins.map(fact).collect()
    }

    /// The gaps, the oldest first.
    pub fn shown(&self) -> impl Iterator<Item = ShownGap> {
        self.gaps.iter().map(|(from, seen)| seen.shown(*from))
    }
}

impl Seen {
    /// Who sees events lost after somebody saw them come knows better.
    fn to(&self) -> Option<Time> {
        self.over.filter(|over| self.seen().is_none_or(|seen| seen <= *over))
    }

    fn seen(&self) -> Option<Time> {
        self.why.as_ref().map(|Said(seen, _)| *seen)
    }

    fn shown(&self, from: Time) -> ShownGap {
        let to = self.to();
        ShownGap {
            from,
            to,
            why: self.why.as_ref().map(|Said(_, why)| why.clone()),
            seen: self.seen(),
            covered_to: self.covered,
            covered: to.is_some_and(|to| self.covered.is_some_and(|covered| covered >= to)),
        }
    }
}

impl Join for Seen {
    fn join(&mut self, other: Self) -> Change {
        join_max(&mut self.why, other.why)
            .or(join_max(&mut self.over, other.over))
            .or(join_max(&mut self.covered, other.covered))
    }
}

/// Join part by part. Both must be about the same stream.
impl Join for GapRecord {
    fn join(&mut self, other: Self) -> Change {
        debug_assert_eq!(self.key, other.key, "records of different streams");
        join_max(&mut self.v, other.v)
            .or(join_max(&mut self.project_name, other.project_name))
            .or(join_greatest(&mut self.gaps, other.gaps, MOST_GAPS))
            .or(join_max(&mut self.said, other.said))
            .or(self.unknown.join(other.unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Say = fn(GapFact) -> GapFact;

    fn at(ticks: i64) -> Time {
        Time::from_ticks(ticks)
    }

    fn record(facts: &[(i64, i64, Say)]) -> GapRecord {
        let key = GapKey::new("fabrikam", "p-1", "build.complete");
        let facts = facts.iter().map(|(from, said, say)| say(GapFact::new(key.clone(), at(*from), at(*said))));
        let record = facts.map(|fact| GapRecord::of(&fact)).reduce(|mut record, fact| {
            record.absorb(fact);
            record
        });
        record.unwrap()
    }

    fn shown(facts: &[(i64, Say)]) -> ShownGap {
        let facts: Vec<_> = facts.iter().map(|(said, say)| (10, *said, *say)).collect();
        record(&facts).shown().next().unwrap()
    }

    fn lost(fact: GapFact) -> GapFact {
        GapFact { why: Some(GapReason::OnProbation), ..fact }
    }

    fn off(fact: GapFact) -> GapFact {
        GapFact { why: Some(GapReason::DisabledBySystem), ..fact }
    }

    fn over(fact: GapFact) -> GapFact {
        GapFact { over: Some(fact.said), ..fact }
    }

    fn covered(fact: GapFact) -> GapFact {
        GapFact { covered: Some(fact.said), ..fact }
    }

    #[test]
    fn it_lasts_until_somebody_sees_events_come() {
        let gap = shown(&[(20, lost), (30, off)]);
        assert_eq!((gap.to, gap.seen, gap.why), (None, Some(at(30)), Some(GapReason::DisabledBySystem)));
        let gap = shown(&[(40, over), (20, lost), (30, off)]);
        assert_eq!((gap.to, gap.covered), (Some(at(40)), false));
        assert_eq!(shown(&[(40, over), (50, lost)]).to, None, "lost again, and seen later");
    }

    #[test]
    fn it_is_covered_once_all_of_it_was_read() {
        assert!(!shown(&[(20, lost), (30, covered)]).covered, "it goes on");
        assert!(!shown(&[(20, lost), (30, covered), (40, over)]).covered, "the end of it is missing");
        let gap = shown(&[(20, lost), (40, over), (41, covered)]);
        assert_eq!((gap.covered, gap.covered_to), (true, Some(at(41))));
    }

    #[test]
    fn what_was_read_covers_what_it_joins() {
        let gap = || record(&[(10, 20, lost), (10, 40, over)]);
        let covers = |from, to| {
            let mut record = gap();
            record.cover(at(from), at(to), at(99)).iter().for_each(|fact| record.add(fact));
            let gap = record.shown().next().unwrap();
            (gap.covered_to, gap.covered)
        };
        assert_eq!(covers(5, 50), (Some(at(50)), true));
        assert_eq!(covers(10, 30), (Some(at(30)), false));
        assert_eq!(covers(11, 50), (None, false), "its beginning is missing");
        assert_eq!(covers(1, 9), (None, false), "before it");
        let mut two = gap();
        for (from, to) in [(5, 30), (25, 45)] {
            two.cover(at(from), at(to), at(99)).iter().for_each(|fact| two.add(fact));
        }
        assert!(two.shown().next().unwrap().covered, "in two parts that join");
        assert_eq!(two.cover(at(1), at(99), at(99)), [], "it is covered already");
    }

    #[test]
    fn a_record_with_an_open_gap_has_not_ended() {
        let mut gaps: Vec<(i64, i64, Say)> = vec![(10, 20, lost), (10, 40, over), (50, 60, lost)];
        assert_eq!(record(&gaps).ended(), None);
        gaps.push((50, 70, over));
        assert_eq!(record(&gaps).ended(), Some(at(70)));
        assert_eq!(record(&gaps).shown().map(|gap| gap.from).collect::<Vec<_>>(), [at(10), at(50)]);
    }

    #[test]
    fn the_latest_gaps_stay() {
        let many: Vec<(i64, i64, Say)> = (0..300).map(|from| (from, from, over as Say)).collect();
        let gaps: Vec<_> = record(&many).shown().map(|gap| gap.from).collect();
        assert_eq!((gaps.len(), gaps.first().copied()), (MOST_GAPS, Some(at(100))));
    }
}
