use askama::Template;
use axum::response::Response;

use super::frame::Frame;
use super::html::{Badge, When};
use super::out::{AdoSite, Out};
use super::page;
use crate::catalog::{Gap, GapFilter};
use crate::domain::{HookLook, Scope, SeenHook, Time};
use crate::http::Problem;
use crate::http::reader::Reader;
use crate::view::duration;

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
    lag: Option<String>,
}

/// How long events took from Azure DevOps to the store, in words; `None` for who may not see all.
pub(super) async fn lag(reader: &Reader) -> Option<String> {
    if reader.caller.scope != Scope::All {
        return None;
    }
    let Some(lags) = reader.hook_lags().await else {
        return Some("unknown: no event of the last day came within the last hour".to_owned());
    };
    let events = if lags.events == 1 { "event" } else { "events" };
    let (median, worst) = (duration(lags.median), duration(lags.worst));
    Some(format!("{median} in the median, {worst} at worst, of {} {events} within the last hour", lags.events))
}

struct HookRow {
    place: String,
    events: String,
    pipeline: String,
    state: Badge,
    says: String,
    since: Option<When>,
    seen: When,
    out: Out,
}

struct GapRow {
    place: String,
    events: String,
    why: String,
    from: When,
    to: Option<When>,
    seen: Option<When>,
    covered: bool,
    out: Out,
}

/// `GET /hooks`
pub(super) async fn list(reader: Reader) -> Result<Response, Problem> {
    let now = reader.clock.now();
    let filter = GapFilter { covered: true, top: Some(TOP), ..GapFilter::default() };
    let gaps = reader.catalog.gaps(&filter).await?;
    let (over, open): (Vec<_>, Vec<_>) = gaps.iter().partition(|gap| gap.covered);
    let (hooks, more) = hooks(&reader.ado, &reader.hooks().await.unwrap_or_default(), now);
    page(&Hooks {
        frame: Frame::of(&reader, "/hooks").await?,
        open: open.into_iter().map(|gap| row(&reader.ado, gap, now)).collect(),
        over: over.into_iter().map(|gap| row(&reader.ado, gap, now)).collect(),
        hooks,
        more,
        lag: lag(&reader).await,
    })
}

/// What is wrong first; all of that, and of the healthy ones no more than there is room for.
fn hooks(ado: &AdoSite, looks: &[HookLook], now: Time) -> (Vec<HookRow>, usize) {
    let mut all: Vec<_> = looks.iter().flat_map(|look| look.hooks.iter().map(move |hook| (look, hook))).collect();
    all.sort_by_key(|(_, hook)| hook.finding.is_none());
    let ill = all.iter().filter(|(_, hook)| hook.finding.is_some()).count();
    let shown = all.len().min(ill.max(MOST_HOOKS));
    let rows = all.iter().take(shown).map(|(look, hook)| hook_row(ado, look, hook, now)).collect();
    (rows, all.len() - shown)
}

fn hook_row(ado: &AdoSite, look: &HookLook, hook: &SeenHook, now: Time) -> HookRow {
    HookRow {
        out: Out::to(ado.hooks(&look.organization, Some(&look.project)), look.project.clone()).short(),
        place: format!("{}/{}", look.organization, look.project),
        events: hook.event_type.clone(),
        pipeline: hook.pipeline.clone().unwrap_or_default(),
        state: Badge::of_hook(hook.finding.as_deref(), look.is_late(now)),
        says: hook.says.clone().unwrap_or_default(),
        since: hook.since.map(|since| When::of(since, now)),
        seen: When::of(look.at, now),
    }
}

fn row(ado: &AdoSite, gap: &Gap, now: Time) -> GapRow {
    let project = gap.project.as_ref().unwrap_or(&gap.project_id);
    GapRow {
        out: Out::to(ado.hooks(&gap.organization, Some(project)), project.clone()).short(),
        place: format!("{}/{}", gap.organization, project),
        events: gap.event_type.clone(),
        why: gap.why.clone().unwrap_or_default(),
        from: When::of(gap.from, now),
        to: gap.to.map(|at| When::of(at, now)),
        seen: gap.seen_at.map(|at| When::of(at, now)),
        covered: gap.covered,
    }
}
