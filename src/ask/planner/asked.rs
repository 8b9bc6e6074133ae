//! A question, and what was found in it that no reading has used yet.

use serde_json::Value;

use super::words::Words;
use super::{OWN_TEAM, Plan, Vocabulary};

/// One way to understand a question.
type Reading = fn(&mut Asked) -> Option<Plan>;

/// The narrower first: the first one that leaves no word over is the one.
const READINGS: [Reading; 11] = [
    Asked::trace,
    Asked::failure,
    Asked::approvals,
    Asked::broken,
    Asked::difference,
    Asked::delivery,
    Asked::deployments,
    Asked::number,
    Asked::runs,
    Asked::current,
    Asked::data,
];

/// What is said of the present, which is no time.
pub(super) const NOW: [&str; 2] = ["now", "currently"];

/// Names that are not taken yet, each the first of its kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) pipeline: Option<String>,
    pub(super) project: Option<String>,
    pub(super) branch: Option<String>,
    pub(super) pool: Option<String>,
    pub(super) service: Option<String>,
    pub(super) team: Option<String>,
}

impl Names {
    fn each(&mut self) -> [&mut Option<String>; 6] {
        let Self { pipeline, project, branch, pool, service, team } = self;
        [pipeline, project, branch, pool, service, team]
    }
}

#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) words: Words,
    pub(super) window: Option<String>,
    /// The time that it is compared with, in words.
    pub(super) earlier: Option<String>,
    pub(super) names: Names,
    /// With the places where they stand.
    pub(super) environments: Vec<(usize, String)>,
    /// Names and times beside the first of their kind.
    beside: Vec<String>,
}

impl Asked {
    pub(super) fn of(question: &str, known: &Vocabulary) -> Self {
        let mut words = Words::of(question);
        let own_team = match known.own_teams.as_slice() {
            [team] if words.take(&OWN_TEAM) => Some(team.clone()),
            _ => None,
        };
        // Before names: a pipeline may be called `2026-03`, but hardly ever is.
        let earlier = words.take_earlier();
        let mut beside = words.take_times();
        let window = if beside.is_empty() { None } else { Some(beside.remove(0)) };
        let short = |branch: &String| branch.strip_prefix("refs/heads/").unwrap_or(branch).to_owned();
        let branches: Vec<_> = known.branches.iter().map(short).collect();
        let mut first = |words: &mut Words, names: &[String], nouns: &[&str]| {
            let names = words.take_names(names.iter());
            // `in the linux pool`: the word is no group then.
            names.iter().for_each(|(place, name)| words.take_beside(*place, name, nouns));
            let mut names = names.into_iter().map(|(_, name)| name.clone());
            let first = names.next();
            beside.extend(names);
            first
        };
        let pipeline = first(&mut words, &known.pipelines, &["pipeline"]);
        let environments = words.take_names(known.environments.iter());
        let environments = environments.into_iter().map(|(place, name)| (place, name.clone())).collect();
        let mut names = Names {
            pipeline,
            project: first(&mut words, &known.projects, &["project"]),
            team: first(&mut words, &known.teams, &["team"]),
            service: first(&mut words, &known.services, &["service"]),
            // A branch may be called as anything is.
            branch: first(&mut words, &branches, &["branch"]),
            pool: first(&mut words, &known.pools, &["agent", "pool", "agents"]),
        };
        if own_team.is_some() {
            beside.extend(std::mem::replace(&mut names.team, own_team));
        }
        Self { words, window, earlier, names, environments, beside }
    }

    /// # Errors
    /// What was not understood, where nothing is understood as a whole.
    pub(super) fn plan(&self) -> Result<Plan, Vec<String>> {
        let mut least: Option<Vec<String>> = None;
        for reading in READINGS {
            let mut asked = self.clone();
            let Some(plan) = reading(&mut asked) else { continue };
            let rest = asked.rest();
            if rest.is_empty() {
                return Ok(plan);
            }
            if least.as_ref().is_none_or(|least| rest.len() < least.len()) {
                least = Some(rest);
            }
        }
        Err(least.unwrap_or_else(|| self.rest()))
    }

    /// This question with what the next one says instead; `None` where that says more than another time, name or group.
    pub(super) fn followed_by(&self, next: &Self) -> Option<Self> {
        let mut next = next.clone();
        next.words.pass(&["only", "instead", "same", "then", "but", "also", "how"]);
        let rest = next.words.rest().join(" ");
        let is_group = ["per ", "by "].iter().any(|begin| rest.starts_with(begin));
        let says_name = next.names.each().iter().any(|name| name.is_some());
        let says_any = is_group || says_name || next.window.is_some() || !next.environments.is_empty();
        let says_more = !next.beside.is_empty() || next.earlier.is_some() || !(rest.is_empty() || is_group);
        if !says_any || says_more {
            return None;
        }
        let mut asked = self.clone();
        let behind = asked.words.len();
        asked.words.extend(next.words);
        asked.window = next.window.or(asked.window);
        for (here, there) in asked.names.each().into_iter().zip(next.names.each()) {
            *here = there.take().or_else(|| here.take());
        }
        if !next.environments.is_empty() {
            asked.environments = next.environments.into_iter().map(|(place, name)| (behind + place, name)).collect();
        }
        Some(asked)
    }

    /// What was said and not used.
    pub(super) fn rest(&self) -> Vec<String> {
        let words = self.words.rest().into_iter().map(str::to_owned);
        let mut names = self.names.clone();
        let names = names.each().map(Option::take).into_iter().flatten();
        let times = self.window.iter().chain(&self.earlier).cloned();
        let places = self.environments.iter().map(|(_, name)| name.clone());
        words.chain(times).chain(names).chain(places).chain(self.beside.iter().cloned()).collect()
    }

    /// The only environment that was named, where things came to or are.
    pub(super) fn take_environment(&mut self) -> Option<String> {
        let [(place, name)] = self.environments.as_slice() else { return None };
        let is_from = place.checked_sub(1).is_some_and(|before| self.words.at(before) == "from");
        if is_from {
            return None;
        }
        let name = name.clone();
        self.environments.clear();
        Some(name)
    }

    /// Whether it is asked what was, and not what is.
    pub(super) fn is_past(&self) -> bool {
        self.words.has(&["was", "were", "had"])
    }
}

/// The arguments that have a value.
pub(super) fn filled<const N: usize>(arguments: [(&str, Option<String>); N]) -> Value {
    let known = arguments.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::String(value?))));
    Value::Object(known.collect())
}
