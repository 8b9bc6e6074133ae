//! The deployments that somebody asks about, and what they amount to in a time.

use std::collections::BTreeMap;

use super::changes::{Change, Changes};
use super::commit::ByCommit;
use super::figure::{Figure, Level, Spread, Unknown, seconds};
use super::judged::{Failure, Judged, Judgement, Recovered};
use super::material::{Deployed, Ending, Known, Line, Lost, Material, Origin, Part};
use super::report::{Bucket, Coverage, FailRate, Frequency, LeadTime, Recovery, Report, ReworkRate, Trend};
use super::threads::both;
use super::window::{Clocks, Period, Window, Zone};
use super::{Commit, Map, Set};
use crate::domain::Time;

/// Deployments of some lines, in the order in which they finished.
#[derive(Debug)]
pub struct Selection<'m> {
    material: &'m Material,
    zone: Zone,
    chosen: Vec<Chosen<'m>>,
    /// Those that have any of them.
    lines: Vec<&'m Line>,
    leads: Vec<Lead<'m>>,
}

/// A deployment that is asked about. What is counted again and again stands here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen<'m> {
    pub(super) deployed: &'m Deployed,
    pub(super) judged: &'m Judged,
    finished: Time,
    /// The day on which it finished.
    day: i64,
    succeeded: bool,
    failed: bool,
}

impl<'m> Chosen<'m> {
    pub(super) fn failure(&self) -> Option<&'m Failure> {
        self.judged.failure.as_deref()
    }
}

/// A commit with the first deployment that brought it.
#[derive(Clone, Debug)]
pub(super) struct Lead<'m> {
    pub(super) deployed: &'m Deployed,
    pub(super) change: Change,
    finished: Time,
    /// Since it was committed. `None` where nobody told when that was; negative where clocks disagree.
    pub(super) total: Option<i64>,
    /// From submitted to approved, and from there to deployed.
    pub(super) split: Option<(i64, i64)>,
}

impl<'m> Selection<'m> {
    /// Those that are `wanted`. All of the material is judged: what became of a deployment may be told by others. Days and
    /// weeks are those of the zone.
    pub fn new(
        material: &'m Material,
        judgement: &'m Judgement,
        zone: Zone,
        wanted: impl Fn(&'m Line, &'m Origin) -> bool,
    ) -> Self {
        let is_wanted = |(line, origin)| {
            let (line, origin) = (material.lines.get(line), material.origins.get_index(origin));
            line.zip(origin).is_some_and(|(line, origin)| wanted(line, origin))
        };
        let mut known: Map<(usize, usize), bool> = Map::default();
        let mut clocks = Clocks::of(zone);
        let with_line = |judged: &'m Judged| {
            let deployed = material.deployments.get(judged.deployment)?;
            if !*known.entry((deployed.line, deployed.origin)).or_insert_with_key(|of| is_wanted(*of)) {
                return None;
            }
            let (finished, succeeded, failed) = (deployed.finished, deployed.succeeded(), judged.failure.is_some());
            Some(Chosen { deployed, judged, finished, day: clocks.day(finished), succeeded, failed })
        };
        let chosen: Vec<_> = judgement.iter().filter_map(with_line).collect();
        let mut has_any = vec![false; material.lines.len()];
        for of in &chosen {
            has_any.get_mut(of.deployed.line).into_iter().for_each(|has| *has = true);
        }
        let lines = material.lines.iter().zip(has_any).filter(|(_, has)| *has).map(|(line, _)| line).collect();
        let leads = leads(material, judgement, &chosen);
        Self { material, zone, chosen, lines, leads }
    }

    pub(super) fn within(&self, window: Window) -> &[Chosen<'m>] {
        let before = |time: Time| self.chosen.partition_point(|of| of.finished < time);
        self.chosen.get(before(window.from)..before(window.until)).unwrap_or_default()
    }

    pub(super) fn leads_within(&self, window: Window) -> &[Lead<'m>] {
        let before = |time: Time| self.leads.partition_point(|lead| lead.finished < time);
        self.leads.get(before(window.from)..before(window.until)).unwrap_or_default()
    }

    /// When the oldest of the commits was made that came first in this time.
    #[must_use]
    pub fn oldest_change(&self, window: Window) -> Option<Time> {
        self.leads_within(window).iter().filter_map(|lead| self.material.commits.made(lead.change.commit)).min()
    }

    pub(super) fn material(&self) -> &'m Material {
        self.material
    }

    /// Those that have something that finished in this time, with how many.
    #[must_use]
    pub fn groups<T: Ord>(&self, window: Window, of: impl Fn(&'m Line, &'m Origin) -> T) -> Vec<(T, usize)> {
        let mut counts: Map<(usize, usize), usize> = Map::default();
        for Chosen { deployed, .. } in self.within(window) {
            *counts.entry((deployed.line, deployed.origin)).or_default() += 1;
        }
        let mut groups: BTreeMap<T, usize> = BTreeMap::new();
        for ((line, origin), count) in counts {
            let (line, origin) = (self.material.lines.get(line), self.material.origins.get_index(origin));
            if let Some((line, origin)) = line.zip(origin) {
                *groups.entry(of(line, origin)).or_default() += count;
            }
        }
        groups.into_iter().collect()
    }

    /// All numbers of a time, cut into periods where that is wanted.
    #[must_use]
    pub fn report(&self, window: Window, period: Option<Period>) -> Report {
        let (first, second) = window.halves();
        let numbers = || (self.bucket(window), Trend { before: self.bucket(first), after: self.bucket(second) });
        let parts = || period.map(|period| window.cut(period, self.zone)).unwrap_or_default();
        let series = || parts().into_iter().map(|part| self.bucket(part)).collect();
        let ((numbers, trend), series) = both(self.chosen.len(), numbers, series);
        Report {
            numbers,
            trend,
            time_zone: self.zone.to_string(),
            between_deployments: self.between(window),
            coverage: self.coverage(window),
            series,
        }
    }

    /// The numbers of a time alone.
    #[must_use]
    pub fn bucket(&self, window: Window) -> Bucket {
        Bucket {
            from: window.from,
            until: window.until,
            deployment_frequency: self.frequency(window),
            change_lead_time: self.lead_time(window),
            change_fail_rate: self.fail_rate(window),
            failed_deployment_recovery_time: self.recovery(window),
            deployment_rework_rate: self.rework_rate(window),
        }
    }

    /// Nothing in this time is a zero only where something is known to be deployed there at all, and of that time.
    fn none(&self, window: Window) -> Unknown {
        match self.chosen.is_empty() {
            true => Unknown::NothingDeployed,
            false if self.is_before_records(window.until) => Unknown::BeforeRecords,
            false => Unknown::NoDeployments,
        }
    }

    fn is_before_records(&self, time: Time) -> bool {
        self.material.since.is_some_and(|since| time < since)
    }

    /// Whether it has to do with what was chosen.
    fn concerns(&self, part: &Part) -> bool {
        self.lines.is_empty() || self.lines.iter().any(|line| part.holds(line))
    }

    fn tells_incidents(&self) -> bool {
        self.material.incident_sources.iter().any(|part| self.concerns(part))
    }

    fn frequency(&self, window: Window) -> Frequency {
        let why = self.none(window);
        if why != Unknown::NoDeployments {
            return Frequency::unknown(why);
        }
        let succeeded = |window| self.within(window).iter().filter(|of| of.succeeded);
        let days = |window| {
            // Nearly in order: clocks may be set back over midnight.
            let mut days: Vec<_> = succeeded(window).map(|of| of.day).collect();
            days.sort_unstable();
            days.dedup();
            days.len()
        };
        let weeks = window.whole_weeks(self.zone).into_iter().filter(|week| !self.is_before_records(week.from));
        let mut weeks: Vec<u64> = weeks.map(|week| count(days(week))).collect();
        weeks.sort_unstable();
        let a_week = super::nearest_rank(&weeks, 50).copied();
        let deploy_days = count(days(window));
        let known = Window { from: self.material.since.map_or(window.from, |since| since.max(window.from)), ..window };
        Frequency {
            deployments: Figure::known(count(succeeded(window).count())),
            deploy_days: Figure::known(deploy_days),
            median_deploy_days_a_week: Figure::or(a_week, Unknown::NoWholeWeek),
            level: a_week.map(|a_week| Level::of_frequency(a_week, deploy_days, known.days())),
            definition: Frequency::DEFINITION,
        }
    }

    fn lead_time(&self, window: Window) -> LeadTime {
        let leads = self.leads_within(window);
        let forward = |seconds: &i64| *seconds >= 0;
        let total: Vec<_> = leads.iter().filter_map(|lead| lead.total).filter(forward).collect();
        let split = leads.iter().filter_map(|lead| lead.split).filter(|(one, two)| forward(one) && forward(two));
        let (review, deployment): (Vec<_>, Vec<_>) = split.unzip();
        let why = self.why_no_changes(window);
        let total = Spread::of(total, why);
        let of_split = if leads.is_empty() { why } else { Unknown::NoReviews };
        LeadTime {
            level: total.median.value.map(Level::of_lead_time),
            total,
            review: Spread::of(review, of_split),
            deployment: Spread::of(deployment, of_split),
            definition: LeadTime::DEFINITION,
        }
    }

    fn why_no_changes(&self, window: Window) -> Unknown {
        let changes: Vec<_> = self.within(window).iter().filter_map(|of| of.judged.changes.as_ref()).collect();
        let all_first = changes.iter().all(|changes| matches!(changes, Changes::First));
        let any_unknown = changes.iter().any(|changes| matches!(changes, Changes::Unknown));
        match (changes.is_empty(), all_first, any_unknown || !self.leads_within(window).is_empty()) {
            (true, _, _) => self.none(window),
            (false, true, _) => Unknown::FirstDeployments,
            (false, false, true) => Unknown::CommitsUnknown,
            (false, false, false) => Unknown::NoNewCommits,
        }
    }

    fn fail_rate(&self, window: Window) -> FailRate {
        let all = self.within(window);
        let failed = all.iter().filter(|of| of.failed).count();
        // Where nobody tells of incidents it may be worse: that is no reason to call it good.
        let is_rated = !all.is_empty() && (failed > 0 || self.tells_incidents());
        FailRate {
            rate: Figure::or(share(failed, all.len()), self.none(window)),
            failed: count(failed),
            finished: count(all.len()),
            level: is_rated.then(|| Level::of_failures(failed, all.len())),
            definition: FailRate::DEFINITION,
        }
    }

    fn rework_rate(&self, window: Window) -> ReworkRate {
        let all = self.within(window);
        let rework = all.iter().filter(|of| of.judged.is_rework).count();
        let rate = match rework == 0 && !all.is_empty() && !self.tells_incidents() {
            true => Figure::unknown(Unknown::NoIncidentSource),
            false => Figure::or(share(rework, all.len()), self.none(window)),
        };
        ReworkRate { rate, rework: count(rework), finished: count(all.len()), definition: ReworkRate::DEFINITION }
    }

    fn recovery(&self, window: Window) -> Recovery {
        let failed = self.within(window).iter().filter(|of| of.failed);
        let failed = failed.filter_map(|of| Some((of.finished, &of.failure()?.recovered)));
        let (failed, over): (Vec<_>, Vec<_>) = failed.partition(|(_, recovered)| recovered.is_none());
        let took =
            |(finished, recovered): &(Time, &Option<Recovered>)| Some(seconds(*finished, recovered.as_ref()?.at));
        let why = match (self.within(window).is_empty(), failed.is_empty()) {
            (true, _) => self.none(window),
            (false, true) => Unknown::NoFailures,
            (false, false) => Unknown::NotRecovered,
        };
        let time = Spread::of(over.iter().filter_map(took).collect(), why);
        Recovery {
            level: time.median.value.map(Level::of_recovery),
            time,
            not_recovered: count(failed.len()),
            definition: Recovery::DEFINITION,
        }
    }

    /// From one that succeeded to the next.
    fn between(&self, window: Window) -> Spread {
        let succeeded = self.within(window).iter().filter(|of| of.succeeded);
        let times: Vec<_> = succeeded.map(|of| of.finished).collect();
        let gaps = times.windows(2).filter_map(|pair| Some(seconds(*pair.first()?, *pair.last()?))).collect();
        Spread::of(gaps, if times.is_empty() { self.none(window) } else { Unknown::TooFew })
    }

    fn coverage(&self, window: Window) -> Coverage {
        let all = self.within(window);
        let leads = self.leads_within(window);
        let of = |is: &dyn Fn(&Chosen<'_>) -> bool| count(all.iter().filter(|one| is(one)).count());
        let changes = |wanted: fn(&Changes) -> bool| of(&|of| of.judged.changes.as_ref().is_some_and(wanted));
        let known = |wanted| of(&|of| of.deployed.known == wanted);
        let touches = |lost: &&Lost| {
            lost.from < window.until && lost.until.is_none_or(|until| until > window.from) && self.concerns(&lost.of)
        };
        Coverage {
            deployments: count(all.len()),
            certain: known(Known::Record),
            likely: known(Known::Stage) + known(Known::Approval),
            by_pattern: known(Known::Pattern),
            partially_succeeded: of(&|of| of.deployed.ending == Ending::PartiallySucceeded),
            first_on_record: changes(|changes| matches!(changes, Changes::First)),
            commits_unknown: changes(|changes| matches!(changes, Changes::Unknown)),
            commits_likely: changes(|changes| matches!(changes, Changes::Likely(_))),
            commits: count(leads.len()),
            commits_without_time: count(leads.iter().filter(|lead| lead.total.is_none()).count()),
            commits_from_the_future: count(
                leads.iter().filter(|lead| lead.total.is_some_and(|total| total < 0)).count(),
            ),
            incident_source: self.tells_incidents(),
            gaps: count(self.material.gaps.iter().filter(touches).count()),
            since: self.material.since,
        }
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "nobody deploys so often")]
fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Each commit once, with its earliest deployment among the chosen.
fn leads<'m>(material: &'m Material, judgement: &Judgement, chosen: &[Chosen<'m>]) -> Vec<Lead<'m>> {
    let organizations = organizations(&material.lines);
    let mut seen: ByCommit<u32> = ByCommit::among(&material.commits);
    // Organizations hardly ever have a commit in common.
    let mut of_others: Set<(u32, Commit)> = Set::default();
    let mut leads = Vec::new();
    for of in chosen {
        let changes = judgement.changes(of.judged).unwrap_or_default();
        let organization = organizations.get(of.deployed.line).copied().unwrap_or_default();
        let mut is_new = |commit| match seen.get(commit) {
            None => seen.insert(commit, organization).is_none(),
            Some(same) if same == organization => false,
            Some(_) => of_others.insert((organization, commit)),
        };
        let new = changes.iter().filter(|change| is_new(change.commit));
        leads.extend(new.map(|change| lead(material, of, *change)));
    }
    leads
}

/// Of each line, a number that is that of its organization.
fn organizations(lines: &[Line]) -> Vec<u32> {
    let mut numbers: Map<&str, u32> = Map::default();
    let number = |line| {
        let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        *numbers.entry(line).or_insert(next)
    };
    lines.iter().map(|line| &*line.organization).map(number).collect()
}

fn lead<'m>(material: &'m Material, of: &Chosen<'m>, change: Change) -> Lead<'m> {
    let made = material.commits.made(change.commit);
    let request = change.request.and_then(|at| material.requests.get(at));
    let reviewed = request.and_then(|request| Some((request.created?, request.approved?)));
    let Chosen { deployed, finished, .. } = *of;
    Lead {
        deployed,
        change,
        finished,
        total: made.map(|made| seconds(made, finished)),
        split: reviewed.map(|(created, approved)| (seconds(created, approved), seconds(approved, finished))),
    }
}
