use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::found::moment;
use super::{Desk, Found, MOST_ROWS, ToolError};
use crate::catalog::{EnvironmentFilter, GapFilter, RunFilter, Sampled};
use crate::domain::Time;

/// No arguments.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

const DATA: [&str; 8] =
    ["organization", "project", "pipelines", "runs", "firstRunAt", "lastRunAt", "environments", "branches"];

/// What is known of one project.
#[derive(Debug, Default)]
struct Held {
    pipelines: BTreeSet<u64>,
    branches: BTreeSet<String>,
    runs: u64,
    first: Option<Time>,
    last: Option<Time>,
}

type Place = (String, Option<String>);

/// A row a project.
pub(super) async fn describe(desk: &Desk, Nothing {}: Nothing) -> Result<Found, ToolError> {
    let mut environments: BTreeMap<Place, BTreeSet<String>> = BTreeMap::new();
    for environment in desk.catalog.environments(&EnvironmentFilter::default()).await? {
        environments.entry((environment.organization, environment.project)).or_default().insert(environment.name);
    }
    let held = BTreeMap::<Place, Held>::new();
    let held = desk
        .catalog
        .fold(Sampled::Runs, &RunFilter::default(), held, |held, sample| {
            let place = (sample.organization.to_owned(), sample.project.map(str::to_owned));
            let held = held.entry(place).or_default();
            held.runs += 1;
            held.pipelines.insert(sample.pipeline);
            if let Some(branch) = sample.branch.filter(|branch| !held.branches.contains(*branch)) {
                held.branches.insert(branch.to_owned());
            }
            held.first = held.first.into_iter().chain(sample.at).min();
            held.last = held.last.max(sample.at);
        })
        .await?;
    let table = held.into_iter().map(|(place, held)| {
        let there = environments.get(&place).into_iter().flatten().cloned().collect::<Vec<_>>();
        vec![
            json!(place.0),
            json!(place.1),
            json!(held.pipelines.len()),
            json!(held.runs),
            moment(held.first),
            moment(held.last),
            json!(there.join(", ")),
            json!(held.branches.len()),
        ]
    });
    let mine = desk.own_teams();
    let note = (!mine.is_empty()).then(|| format!("who asks is of the team {}", mine.join(", ")));
    Ok(Found::whole(&DATA, table.collect(), MOST_ROWS).noting(note.into_iter().collect()))
}

const GAPS: [&str; 8] = ["organization", "project", "eventType", "why", "from", "to", "lostSeconds", "coveredByRest"];

/// A row a time in which events were lost, also those for which all was read since.
pub(super) async fn health(desk: &Desk, Nothing {}: Nothing) -> Result<Found, ToolError> {
    let gaps = desk.catalog.gaps(&GapFilter { covered: true, ..GapFilter::default() }).await?;
    let table = gaps.iter().map(|gap| {
        let lost: Value = super::found::seconds(Some(gap.from), gap.to.or(Some(desk.now)));
        vec![
            json!(gap.organization),
            json!(gap.project),
            json!(gap.event_type),
            json!(gap.why),
            moment(Some(gap.from)),
            moment(gap.to),
            lost,
            json!(gap.covered),
        ]
    });
    let notes = gaps.is_empty().then(|| "No gap is known; gaps are noted where service hooks are watched.".to_owned());
    Ok(Found::whole(&GAPS, table.collect(), MOST_ROWS).noting(notes.into_iter().collect()))
}
