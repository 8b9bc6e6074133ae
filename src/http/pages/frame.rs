//! What stands around every page: where one can go, and how far the page can be trusted.

use std::time::Duration;

use super::html::When;
use crate::catalog::{Gap, GapFilter};
use crate::domain::{HookLook, Scope, Time};
use crate::http::Problem;
use crate::http::reader::Reader;
use crate::view::moment;

const PLACES: [(&str, &str); 10] = [
    ("/", "Overview"),
    ("/runs", "Runs"),
    ("/approvals", "Approvals"),
    ("/pipelines", "Pipelines"),
    ("/deployments", "Deployments"),
    ("/environments", "Environments"),
    ("/dora", "Delivery"),
    ("/ask", "Ask"),
    ("/hooks", "Hooks"),
    ("/dead-letters", "Dead letters"),
];

/// More gaps than these are not counted one by one.
const MOST_GAPS: u32 = 100;
/// A replica asks the store each second: one that did not for so long is behind.
const MOST_BEHIND: Duration = Duration::from_secs(15);

/// What the base template needs.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) places: Vec<Place>,
    pub(super) trust: Trust,
    /// What stands in the search box.
    pub(super) sought: String,
    pub(super) caller: Option<String>,
}

#[derive(Debug)]
pub(super) struct Place {
    pub(super) href: &'static str,
    pub(super) word: &'static str,
    pub(super) here: bool,
}

/// How far the page can be trusted.
#[derive(Debug)]
pub(super) struct Trust {
    /// The newest time that anything is told of.
    pub(super) newest: Option<When>,
    /// When the catalog was last known to hold all that was committed; empty before that of this process.
    pub(super) read: String,
    /// That is longer ago than it should be: the store may be away.
    pub(super) read_late: bool,
    /// Open or not read again since; `+` where there are more.
    pub(super) gaps: String,
    pub(super) gaps_bad: bool,
    /// `None` where nobody watches them.
    pub(super) hooks: Option<HookLine>,
    /// The store did not answer: nobody can tell.
    pub(super) hooks_unknown: bool,
    /// `None` for who may not see all: they belong to no project.
    pub(super) letters: Option<LetterLine>,
    pub(super) losing: usize,
}

/// How many dead letters there are.
#[derive(Debug)]
pub(super) struct LetterLine {
    /// `None` where the queue did not answer.
    pub(super) count: Option<u64>,
}

/// How the service hooks were.
#[derive(Debug)]
pub(super) struct HookLine {
    pub(super) healthy: usize,
    pub(super) all: usize,
    /// When the one was looked at that was not for the longest.
    pub(super) seen: When,
    /// Somebody should have looked again: it may be otherwise by now.
    pub(super) is_late: bool,
}

impl Frame {
    /// `here` is the page's place among [`PLACES`], or another.
    pub(super) async fn of(reader: &Reader, here: &str) -> Result<Self, Problem> {
        let admin = reader.caller.is_admin_of_all();
        let places = PLACES.iter().filter(|(href, _)| admin || *href != "/dead-letters");
        Ok(Self {
            places: places.map(|(href, word)| Place { href, word, here: *href == here }).collect(),
            trust: Trust::of(reader).await?,
            sought: String::new(),
            caller: reader.caller.name.clone(),
        })
    }
}

impl Trust {
    async fn of(reader: &Reader) -> Result<Self, Problem> {
        let now = reader.clock.now();
        let filter = GapFilter { top: Some(MOST_GAPS), ..GapFilter::default() };
        let gaps = reader.catalog.gaps(&filter).await?;
        let (looks, as_of) = (reader.hooks().await, reader.catalog.as_of());
        Ok(Self {
            newest: reader.catalog.newest().await?.map(|at| When::of(at, now)),
            read: as_of.map(clock).unwrap_or_default(),
            read_late: as_of.is_none_or(|at| now.since(at) > MOST_BEHIND),
            gaps: counted(gaps.len()),
            gaps_bad: !gaps.is_empty(),
            losing: gaps.iter().filter(|gap| is_open(gap)).count(),
            hooks_unknown: looks.is_none(),
            hooks: looks.and_then(|looks| HookLine::of(&looks, now)),
            letters: LetterLine::of(reader).await,
        })
    }
}

fn is_open(gap: &Gap) -> bool {
    gap.to.is_none()
}

fn counted(gaps: usize) -> String {
    let more = if u32::try_from(gaps).is_ok_and(|gaps| gaps < MOST_GAPS) { "" } else { "+" };
    let word = if gaps == 1 { "gap" } else { "gaps" };
    if gaps == 0 { "no open gaps".to_owned() } else { format!("{gaps}{more} open {word}") }
}

/// `19:57:36 UTC`
fn clock(time: Time) -> String {
    let full = moment(time);
    let time = full.split_once(' ').map_or(full.as_str(), |(_, time)| time);
    format!("{} UTC", time.trim_end_matches('Z'))
}

impl LetterLine {
    async fn of(reader: &Reader) -> Option<Self> {
        if reader.caller.scope != Scope::All {
            return None;
        }
        Some(Self { count: reader.letters().await.map(|dead| dead.count()) })
    }
}

impl HookLine {
    /// `None` where nobody has looked, or nobody can tell.
    fn of(looks: &[HookLook], now: Time) -> Option<Self> {
        let oldest = looks.iter().map(|look| look.at).min()?;
        Some(Self {
            healthy: looks.iter().map(HookLook::healthy).sum(),
            all: looks.iter().map(|look| look.hooks.len()).sum(),
            seen: When::of(oldest, now),
            is_late: looks.iter().any(|look| look.is_late(now)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_counted_up_to_a_limit() {
        assert_eq!([0, 1, 2, 100].map(counted), ["no open gaps", "1 open gap", "2 open gaps", "100+ open gaps"]);
    }

    #[test]
    fn the_time_of_the_day() {
        assert_eq!(clock(Time::from_ticks(3_661 * 10_000_000)), "01:01:01 UTC");
    }
}
