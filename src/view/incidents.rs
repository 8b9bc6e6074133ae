use crate::catalog::Incident;
use crate::domain::Time;

use super::runs::time;
use super::table::{Columns, UNKNOWN, or_unknown, table};
use super::time::duration;

/// Incidents, a line each. `now` tells how long those last that are not over.
#[must_use]
pub fn incidents_table(incidents: &[Incident], columns: Columns, now: Time) -> String {
    let few = ["STATUS", "INCIDENT", "TITLE", "PROJECT", "OPENED", "LASTED"];
    let more = ["ORGANIZATION", "SOURCE", "RESOLVED", "ENVIRONMENT", "PIPELINE", "RUN", "COMMIT", "URL"];
    let header: Vec<_> = match columns {
        Columns::Few => few.to_vec(),
        Columns::All => few.into_iter().chain(more).collect(),
    };
    let rows = incidents.iter().map(|incident| {
        let mut cells = vec![
            incident.status.clone(),
            incident.id.clone(),
            or_unknown(incident.title.as_deref()),
            or_unknown(incident.project.as_deref()),
            time(incident.opened_at),
            lasted(incident, now),
        ];
        if columns == Columns::All {
            cells.extend([
                incident.organization.clone(),
                incident.source.clone(),
                time(incident.resolved_at),
                or_unknown(incident.environment.as_deref()),
                or_unknown(incident.pipeline.as_deref()),
                incident.run_id.map_or_else(|| UNKNOWN.to_owned(), |run| run.to_string()),
                or_unknown(incident.commit.as_deref()),
                or_unknown(incident.url.as_deref()),
            ]);
        }
        cells
    });
    table(&header, rows)
}

fn lasted(incident: &Incident, now: Time) -> String {
    let end = incident.resolved_at.or_else(|| (incident.status == "open").then_some(now));
    let lasted = incident.opened_at.zip(end).map(|(opened, end)| end.since(opened));
    lasted.map_or_else(|| UNKNOWN.to_owned(), duration)
}
