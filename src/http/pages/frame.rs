//! What stands around every page: where one can go, and how far the page can be trusted.

use std::time::Duration;

use super::html::When;
use crate::catalog::{Gap, GapFilter};
use crate::domain::Time;
use crate::http::Problem;
use crate::http::reader::{HookHealth, Reader};
use crate::view::moment;

const PLACES: [(&str, &str); 7] = [
    ("/", "Overview"),
    ("/runs", "Runs"),
    ("/pipelines", "Pipelines"),
    ("/environments", "Environments"),
    ("/dora", "Delivery"),
    ("/hooks", "Hooks"),
    ("/dead-letters", "Dead letters"),
];

/// More gaps than these are not counted one by one.
const MOST_GAPS: u32 = 100;
/// An outage of the queue must not take the pages with it.
const PATIENCE: Duration = Duration::from_secs(2);

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
    pub(super) read: String,
    /// Open or not read again since; `+` where there are more.
    pub(super) gaps: String,
    pub(super) gaps_bad: bool,
    /// How many are healthy, and of how many; `None` where nobody in this process watches them.
    pub(super) hooks: Option<(u64, u64)>,
    /// `None` where the queue did not answer.
    pub(super) letters: Option<u64>,
    pub(super) losing: usize,
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
        Ok(Self {
            newest: reader.catalog.newest().await?.map(|at| When::of(at, now)),
            read: clock(now),
            gaps: counted(gaps.len()),
            gaps_bad: !gaps.is_empty(),
            losing: gaps.iter().filter(|gap| is_open(gap)).count(),
            hooks: reader.hooks.as_ref().and_then(HookHealth::ask),
            letters: reader.letters.get(now, letters(reader)).await,
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

async fn letters(reader: &Reader) -> Option<u64> {
    let survey = tokio::time::timeout(PATIENCE, reader.queue.survey()).await.ok()?;
    survey.ok().map(|survey| survey.dead_letters)
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
