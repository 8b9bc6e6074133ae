//! What other tools can read of a record beside its stored form: Power BI, Excel, any client of tables.
//!
//! Output only. Nothing here is read back but `ended`, which tells a purge where to look.

use super::entity::NewEntity;
use crate::azure::{date_time, plain_text};
use crate::domain::gap::{GapRecord, ShownGap};
use crate::domain::run::ShownRun;
use crate::domain::{Outcome, Record, Said, State, Time};

/// The column that tells when the last was said of what is over, in ticks.
pub(super) const ENDED: &str = "ended";

/// A column holds no more of a text: a name that is longer must not make the record too large to store.
const MOST_CHARACTERS: usize = 1_024;

/// Adds the columns of what the record shows.
pub(super) fn add(entity: NewEntity, record: &Record) -> NewEntity {
    let entity = match record {
        Record::Gap(record) => gaps(entity, record),
        Record::Run(record) => run(entity, &record.shown()),
    };
    record.ended().into_iter().fold(entity, |entity, ended| entity.integer(ENDED, ended.ticks()))
}

fn run(entity: NewEntity, run: &ShownRun) -> NewEntity {
    let name = |said: &Option<Said<String>>| said.as_ref().map(|Said(_, name)| name.clone());
    let texts = [
        ("organization", Some(run.key.organization.clone())),
        ("project", name(&run.project_name)),
        ("pipeline", name(&run.pipeline_name)),
        ("name", run.name.clone()),
        ("state", run.state.as_ref().map(|state: &State| state.as_str().to_owned())),
        ("result", run.result.as_ref().map(|result: &Outcome| result.as_str().to_owned())),
        ("branch", run.branch.clone()),
        ("commit", run.commit.clone()),
        ("repository", run.repository.clone()),
        ("requestedFor", run.requested_for.clone()),
    ];
    let times = [("queuedAt", run.queued), ("startedAt", run.started), ("finishedAt", run.finished)];
    let entity = [("pipelineId", run.key.pipeline), ("runId", run.key.run)]
        .into_iter()
        .fold(entity, |entity, (column, id)| entity.integer(column, i64::try_from(id).unwrap_or(i64::MAX)));
    typed(entity, texts, times)
}

/// The latest of them.
fn gaps(entity: NewEntity, gaps: &GapRecord) -> NewEntity {
    let (key, latest) = (gaps.key(), gaps.shown().last());
    let why = latest.as_ref().and_then(|gap| gap.why.as_ref());
    let texts = [
        ("organization", Some(key.organization.clone())),
        ("project", Some(gaps.project_name().unwrap_or(&key.project).to_owned())),
        ("eventType", Some(key.events.clone())),
        ("why", why.map(|why| why.as_str().to_owned())),
    ];
    let time = |of: fn(&ShownGap) -> Option<Time>| latest.as_ref().and_then(of);
    let [from, to, covered] = [time(|gap| Some(gap.from)), time(|gap| gap.to), time(|gap| gap.covered_to)];
    typed(entity, texts, [("lostFrom", from), ("lostTo", to), ("coveredTo", covered)])
}

/// Adds those that are there.
fn typed<const T: usize, const M: usize>(
    entity: NewEntity,
    texts: [(&str, Option<String>); T],
    times: [(&str, Option<Time>); M],
) -> NewEntity {
    let texts = texts.into_iter().filter_map(|(column, text)| Some((column, text?)));
    let entity = texts.fold(entity, |entity, (column, text)| entity.text(column, &plain_text(&text, MOST_CHARACTERS)));
    let times = times.into_iter().filter_map(|(column, time)| Some((column, date_time(time?))));
    times.fold(entity, |entity, (column, time)| entity.typed(column, &time, "Edm.DateTime"))
}
