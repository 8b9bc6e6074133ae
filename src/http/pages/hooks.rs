use askama::Template;
use axum::response::Response;

use super::frame::Frame;
use super::html::{Badge, When};
use super::page;
use crate::catalog::{Gap, GapFilter};
use crate::domain::{HookLook, SeenHook, Time};
use crate::http::Problem;
use crate::http::reader::Reader;

const TOP: u32 = 100;
/// Of the healthy ones no more are shown.
const MOST_HOOKS: usize = 200;

#[derive(Template)]
#[template(path = "hooks.html")]
struct Hooks {
    frame: Frame,
    open: Vec<GapRow>,
    over: Vec<GapRow>,
    hooks: Vec<HookRow>,
    /// So many healthy ones are not shown.
    more: usize,
}

struct HookRow {
    place: String,
    events: String,
    pipeline: String,
    state: Badge,
    says: String,
    since: Option<When>,
    seen: When,
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
    let (hooks, more) = hooks(&reader.hooks().await.unwrap_or_default(), now);
    page(&Hooks {
        frame: Frame::of(&reader, "/hooks").await?,
        open: open.into_iter().map(|gap| row(gap, now)).collect(),
        over: over.into_iter().map(|gap| row(gap, now)).collect(),
        hooks,
        more,
    })
}

/// What is wrong first; all of that, and of the healthy ones no more than there is room for.
fn hooks(looks: &[HookLook], now: Time) -> (Vec<HookRow>, usize) {
    let mut all: Vec<_> = looks.iter().flat_map(|look| look.hooks.iter().map(move |hook| (look, hook))).collect();
    all.sort_by_key(|(_, hook)| hook.finding.is_none());
    let ill = all.iter().filter(|(_, hook)| hook.finding.is_some()).count();
    let shown = all.len().min(ill.max(MOST_HOOKS));
    let rows = all.iter().take(shown).map(|(look, hook)| hook_row(look, hook, now)).collect();
    (rows, all.len() - shown)
}

fn hook_row(look: &HookLook, hook: &SeenHook, now: Time) -> HookRow {
    HookRow {
        place: format!("{}/{}", look.organization, look.project),
        events: hook.event_type.clone(),
        pipeline: hook.pipeline.clone().unwrap_or_default(),
        state: Badge::of_hook(hook.finding.as_deref(), look.is_late(now)),
        says: hook.says.clone().unwrap_or_default(),
        since: hook.since.map(|since| When::of(since, now)),
        seen: When::of(look.at, now),
    }
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
