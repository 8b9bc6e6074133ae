use crate::catalog::Gap;

use super::runs::time;
use super::table::{Columns, or_unknown, table};

/// Gaps, a line each.
#[must_use]
pub fn gaps_table(gaps: &[Gap], columns: Columns) -> String {
    let few = ["FROM", "TO", "WHY", "PROJECT", "EVENTS", "COVERED"];
    let more = ["ORGANIZATION", "SEEN", "COVERED TO"];
    let header: Vec<_> = match columns {
        Columns::Few => few.to_vec(),
        Columns::All => few.into_iter().chain(more).collect(),
    };
    let rows = gaps.iter().map(|gap| {
        let covered = if gap.covered { "yes" } else { "no" };
        let mut cells = vec![
            time(Some(gap.from)),
            gap.to.map_or_else(|| "still open".to_owned(), |to| time(Some(to))),
            or_unknown(gap.why.as_deref()),
            or_unknown(gap.project.as_deref()),
            gap.event_type.clone(),
            covered.to_owned(),
        ];
        if columns == Columns::All {
            cells.extend([gap.organization.clone(), time(gap.seen_at), time(gap.covered_to)]);
        }
        cells
    });
    table(&header, rows)
}

/// What a reader has to know below a list of runs or a run; `None` where nothing was lost.
#[must_use]
pub fn gaps_note(gaps: &[Gap]) -> Option<String> {
    let oldest = gaps.iter().map(|gap| gap.from).min()?;
    let open = gaps.iter().filter(|gap| gap.to.is_none()).count();
    let (count, noun) = (gaps.len(), if gaps.len() == 1 { "gap" } else { "gaps" });
    let open = if open == 0 { String::new() } else { format!(", {open} of them still open") };
    let since = time(Some(oldest));
    Some(format!("note: events were lost: {count} {noun} since {since}{open}; `pipetrail get gaps` lists them"))
}
