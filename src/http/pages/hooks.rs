use askama::Template;
use axum::response::Response;

use super::frame::Frame;
use super::html::When;
use super::page;
use crate::catalog::{Gap, GapFilter};
use crate::domain::Time;
use crate::http::Problem;
use crate::http::reader::Reader;

const TOP: u32 = 100;

#[derive(Template)]
#[template(path = "hooks.html")]
struct Hooks {
    frame: Frame,
    open: Vec<GapRow>,
    over: Vec<GapRow>,
}

struct GapRow {
    place: String,
    events: String,
    why: String,
    from: When,
    to: Option<When>,
    seen: Option<When>,
    covered: bool,
}

/// `GET /hooks`
pub(super) async fn list(reader: Reader) -> Result<Response, Problem> {
    let now = reader.clock.now();
    let filter = GapFilter { covered: true, top: Some(TOP), ..GapFilter::default() };
    let gaps = reader.catalog.gaps(&filter).await?;
    let (over, open): (Vec<_>, Vec<_>) = gaps.iter().partition(|gap| gap.covered);
    page(&Hooks {
        frame: Frame::of(&reader, "/hooks").await?,
        open: open.into_iter().map(|gap| row(gap, now)).collect(),
        over: over.into_iter().map(|gap| row(gap, now)).collect(),
    })
}

fn row(gap: &Gap, now: Time) -> GapRow {
    GapRow {
        place: format!("{}/{}", gap.organization, gap.project.as_deref().unwrap_or(&gap.project_id)),
        events: gap.event_type.clone(),
        why: gap.why.clone().unwrap_or_default(),
        from: When::of(gap.from, now),
        to: gap.to.map(|at| When::of(at, now)),
        seen: gap.seen_at.map(|at| When::of(at, now)),
        covered: gap.covered,
    }
}
