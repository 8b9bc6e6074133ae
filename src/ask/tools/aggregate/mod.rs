//! Counts, rates and durations by group and time.

mod group;
mod measure;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::runs::Filters;
use super::{Citation, Desk, Found, Tool, ToolError, rows};
use crate::ask::when::{Said, Window};

use group::Bucket;
pub(super) use group::{Dimension, Grouper, Picked};
use measure::{Measure, Tally};

/// Which number, of what, by what.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Aggregate {
    measure: Measure,
    /// By what it is told apart: none, one or two.
    #[serde(default)]
    #[schemars(length(max = 2))]
    group_by: Vec<Dimension>,
    /// A row for each of these spans of time.
    #[serde(default)]
    bucket: Option<Bucket>,
    #[serde(default)]
    filters: Filters,
    /// When runs were queued, in words: today, last week, last 30 days, since monday, 2026-03.
    #[serde(default)]
    window: Option<String>,
    /// Where that time begins: a day, a time or a duration.
    #[serde(default)]
    from: Option<String>,
    /// Where it ends.
    #[serde(default)]
    to: Option<String>,
    /// Without buckets: the greatest first, or the least.
    #[serde(default)]
    order: Order,
    /// At most so many rows, up to 100; of buckets the newest.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    top: Option<u32>,
}

/// Which number, of what, by what, in which time and in the one before.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Compare {
    measure: Measure,
    /// By what it is told apart: none, one or two.
    #[serde(default)]
    #[schemars(length(max = 2))]
    group_by: Vec<Dimension>,
    #[serde(default)]
    filters: Filters,
    /// The later time, in words: this week, last month, last 30 days. The earlier ends where it begins: as many months
    /// before whole months, as many days before whole days, else it is as long.
    #[serde(default)]
    window: Option<String>,
    /// Where the later time begins: a day, a time or a duration.
    #[serde(default)]
    from: Option<String>,
    /// Where it ends.
    #[serde(default)]
    to: Option<String>,
    /// At most so many rows, up to 100, those that changed most first.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    top: Option<u32>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Order {
    #[default]
    Descending,
    Ascending,
}

/// Groups told apart at most; beyond them a question is too wide to be answered well.
const MOST_GROUPS: usize = 20_000;

/// The tallies of each group; a group is named by its values.
type Tallies = BTreeMap<Vec<Option<String>>, Tally>;

pub(super) async fn aggregate(desk: &Desk, asked: Aggregate) -> Result<Found, ToolError> {
    let said = Said { window: asked.window.as_deref(), from: asked.from.as_deref(), to: asked.to.as_deref() };
    let window = desk.window(said)?;
    check(Tool::Aggregate, &asked.group_by)?;
    let grouper = Grouper::new(desk, &asked.group_by, asked.filters.picked()).in_buckets(asked.bucket);
    let mut tallies = desk.tally(&asked.filters, &window, (asked.measure, grouper), Tool::Aggregate).await?;
    let is_empty = tallies.is_empty();
    if let (Some(bucket), []) = (asked.bucket, asked.group_by.as_slice()) {
        // A week without a run is a week.
        for name in bucket.all(&window) {
            tallies.entry(vec![Some(name)]).or_default();
        }
    }
    let mut groups: Vec<_> = tallies.into_iter().collect();
    let (top, total) = (rows(asked.top), groups.len());
    if asked.bucket.is_none() {
        groups.sort_by(|(_, one), (_, other)| asked.measure.compare(one, other, asked.order == Order::Ascending));
        groups.truncate(top as usize);
    } else {
        // In the order of time, and the newest of them.
        groups.drain(..total.saturating_sub(top as usize));
    }
    let mut columns: Vec<&str> = asked.bucket.map(Bucket::name).into_iter().collect();
    columns.extend(asked.group_by.iter().map(|dimension| dimension.name()));
    columns.extend([asked.measure.name(), "samples"]);
    let cited = groups.iter().flat_map(|(_, tally)| tally.behind()).collect();
    let table = groups.iter().map(|(group, tally)| {
        let names = group.iter().map(|name| json!(name));
        names.chain([asked.measure.value(tally), json!(tally.samples())]).collect()
    });
    let found = Found::of(&columns, table.collect(), total).within(window).behind(cited);
    let notes = if is_empty { asked.filters.near(desk).await? } else { Vec::new() };
    Ok(found.noting(vec![asked.measure.says().to_owned()]).noting(notes))
}

pub(super) async fn compare(desk: &Desk, asked: Compare) -> Result<Found, ToolError> {
    let said = Said { window: asked.window.as_deref(), from: asked.from.as_deref(), to: asked.to.as_deref() };
    let window = desk.window(said)?;
    check(Tool::ComparePeriods, &asked.group_by)?;
    let grouper = || Grouper::new(desk, &asked.group_by, asked.filters.picked());
    let measure = asked.measure;
    let now = desk.tally(&asked.filters, &window, (measure, grouper()), Tool::ComparePeriods).await?;
    let mut before = desk.tally(&asked.filters, &window.before(), (measure, grouper()), Tool::ComparePeriods).await?;
    let mut groups: Vec<Changed> = Vec::new();
    for (group, now) in now {
        let before = before.remove(&group).unwrap_or_default();
        groups.push(Changed { group, now, before });
    }
    groups.extend(before.into_iter().map(|(group, before)| Changed { group, now: Tally::default(), before }));
    groups.sort_by(|one, other| other.size(measure).total_cmp(&one.size(measure)).then(one.group.cmp(&other.group)));
    let mut columns: Vec<&str> = asked.group_by.iter().map(|dimension| dimension.name()).collect();
    columns.extend([measure.name(), "before", "change", "samples", "samplesBefore"]);
    let top = rows(asked.top);
    let cited: Vec<Citation> = groups.iter().take(top as usize).flat_map(|changed| changed.now.behind()).collect();
    let is_empty = groups.is_empty();
    let table = groups.iter().map(|changed| changed.row(measure)).collect();
    let found = Found::whole(&columns, table, top).within(window).behind(cited);
    let notes = if is_empty { asked.filters.near(desk).await? } else { Vec::new() };
    let notes = window.unfinished(desk.now).into_iter().chain(notes).collect();
    Ok(found.compared(window).noting(vec![measure.says().to_owned()]).noting(notes))
}

/// A group in both times.
struct Changed {
    group: Vec<Option<String>>,
    now: Tally,
    before: Tally,
}

impl Changed {
    /// How much it changed; less than nothing where that is not known.
    fn size(&self, measure: Measure) -> f64 {
        let both = measure.amount(&self.now).zip(measure.amount(&self.before));
        both.map_or(-1.0, |(now, before)| (now.number() - before.number()).abs())
    }

    fn row(&self, measure: Measure) -> Vec<Value> {
        let names = self.group.iter().map(|name| json!(name));
        let both = measure.amount(&self.now).zip(measure.amount(&self.before));
        let change = both.map_or(Value::Null, |(now, before)| now.more_than(before));
        let cells = [
            measure.value(&self.now),
            measure.value(&self.before),
            change,
            json!(self.now.samples()),
            json!(self.before.samples()),
        ];
        names.chain(cells).collect()
    }
}

fn check(tool: Tool, group_by: &[Dimension]) -> Result<(), ToolError> {
    if group_by.len() > 2 {
        return Err(ToolError::Arguments { tool, why: "groupBy takes at most two".to_owned() });
    }
    Ok(())
}

impl Desk {
    async fn tally(
        &self,
        filters: &Filters,
        window: &Window,
        (measure, grouper): (Measure, Grouper),
        tool: Tool,
    ) -> Result<Tallies, ToolError> {
        let sampled = grouper.sampled();
        let filter = filters.within(self, window).await?;
        let (tallies, _, is_full) = self
            .catalog
            .fold(sampled, &filter, (Tallies::new(), grouper, false), move |(tallies, grouper, is_full), sample| {
                if !grouper.takes(sample) {
                    return;
                }
                let group = grouper.group(sample);
                if tallies.len() == MOST_GROUPS && !tallies.contains_key(&group) {
                    *is_full = true;
                    return;
                }
                measure.add(tallies.entry(group).or_default(), sample);
            })
            .await?;
        if is_full {
            let why = format!("there are more than {MOST_GROUPS} groups: narrow the time or group by less");
            return Err(ToolError::Arguments { tool, why });
        }
        Ok(tallies)
    }
}
