use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answers::OfList;
use super::asked::{Asked, Limit, Since};
use super::page::{Page, after};
use crate::catalog::{Gap, GapFilter};
use crate::domain::{HookLook, SeenHook, Time};
use crate::http::Problem;
use crate::http::reader::Reader;

/// Which gaps.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    organization: Option<String>,
    /// A project's name or id.
    project: Option<String>,
    /// Those that lasted until then or later: a duration such as `7d`, or a time such as `2019-10-02T19:54:00Z`.
    #[param(value_type = Option<String>)]
    since: Option<Since>,
    /// Also those for which all was read from the REST API meanwhile.
    #[serde(default)]
    #[param(required = false, default = false)]
    all: bool,
    #[serde(default)]
    #[param(value_type = u32, required = false, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Times in which events were lost, those that began last first.
#[utoipa::path(
    get,
    path = "/api/v1/gaps",
    operation_id = "listGaps",
    tag = "trust",
    params(Wanted),
    responses((status = 200, body = Page<Gap>), OfList)
)]
pub(super) async fn list(reader: Reader, Asked(wanted): Asked<Wanted>) -> Result<Json<Page<Gap>>, Problem> {
    const LIST: &str = "gaps";
    let Wanted { organization, project, since, all, limit, cursor } = wanted;
    let filter = GapFilter {
        organization,
        project,
        since: since.map(|since| since.resolve(reader.clock.now())),
        covered: all,
        top: Some(limit.and_one()),
        after: after::<Gap>(LIST, cursor.as_deref())?,
        ..GapFilter::default()
    };
    Ok(Json(Page::of(LIST, reader.catalog.gaps(&filter).await?, limit)))
}

/// Nothing but the place.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WantedHooks {
    organization: Option<String>,
    /// A project's name or id.
    project: Option<String>,
}

/// How the service hooks are.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hooks {
    /// How many subscriptions were well, of how many; null where nobody has looked.
    healthy: Option<usize>,
    of: Option<usize>,
    /// When the project was looked at that was not for the longest.
    #[schema(value_type = Option<Time>)]
    as_of: Option<String>,
    /// Somebody should have looked again since: it may be otherwise by now.
    uncertain: bool,
    /// Why that is not known.
    reason: Option<&'static str>,
    /// Those that should be there, at most 2,000, what is wrong first.
    subscriptions: Vec<Subscription>,
    /// The streams that lose events now, at most 200.
    losing: Vec<Gap>,
}

/// A subscription that should be there, as it was when somebody looked.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subscription {
    organization: String,
    project: String,
    project_id: String,
    event_type: String,
    /// The only pipeline that it is for, by id or name.
    pipeline: Option<String>,
    /// `healthy`, or the worst that `pipetrail subscriptions doctor` finds, in its word.
    state: String,
    /// What was seen, where there is more to say.
    says: Option<String>,
    /// Since when, as far as can be told.
    #[schema(value_type = Option<Time>)]
    since: Option<String>,
    subscription_id: Option<String>,
    #[schema(value_type = Option<Time>)]
    as_of: Option<String>,
    uncertain: bool,
}

const MOST_SUBSCRIPTIONS: usize = 2_000;
const NOBODY_LOOKED: &str = "Nobody has looked lately: `pipetrail work --watch-hooks 10m` does, and `pipetrail subscriptions \
                             doctor` once.";
const NOT_NOW: &str = "The store does not answer.";

/// How the service hooks are: each subscription as it was seen last, and which streams of events are being lost.
#[utoipa::path(
    get,
    path = "/api/v1/hooks",
    operation_id = "showHooks",
    tag = "trust",
    params(WantedHooks),
    responses((status = 200, body = Hooks), OfList)
)]
pub(super) async fn hooks(reader: Reader, Asked(wanted): Asked<WantedHooks>) -> Result<Json<Hooks>, Problem> {
    let now = reader.clock.now();
    let looks = reader.hooks().await.map(|mut looks| {
        looks.retain(|look| wanted.is_for(look));
        looks
    });
    let WantedHooks { organization, project } = wanted;
    // A gap that goes on ends after any time there is.
    let filter = GapFilter { organization, project, since: Some(now), top: Some(200), ..GapFilter::default() };
    let gaps = reader.catalog.gaps(&filter).await?;
    let losing = gaps.into_iter().filter(|gap| gap.to.is_none()).collect();
    Ok(Json(Hooks { losing, ..Hooks::of(looks.as_deref(), now) }))
}

impl WantedHooks {
    fn is_for(&self, look: &HookLook) -> bool {
        let is = |wanted: Option<&String>, known: &[&str]| {
            wanted.is_none_or(|wanted| known.iter().any(|known| known.eq_ignore_ascii_case(wanted)))
        };
        is(self.organization.as_ref(), &[&look.organization])
            && is(self.project.as_ref(), &[&look.project, &look.project_id])
    }
}

impl Hooks {
    /// `None` where the store does not tell.
    fn of(looks: Option<&[HookLook]>, now: Time) -> Self {
        let known = looks.unwrap_or_default();
        let as_of = known.iter().map(|look| look.at).min();
        let mut subscriptions: Vec<_> =
            known.iter().flat_map(|look| look.hooks.iter().map(|hook| Subscription::of(look, hook, now))).collect();
        let of = subscriptions.len();
        subscriptions.sort_by_key(|one| one.state == HEALTHY);
        subscriptions.truncate(MOST_SUBSCRIPTIONS);
        Self {
            healthy: as_of.map(|_| known.iter().map(HookLook::healthy).sum()),
            of: as_of.map(|_| of),
            as_of: as_of.map(|at| at.to_string()),
            uncertain: known.iter().any(|look| look.is_late(now)),
            reason: match (looks, as_of) {
                (None, _) => Some(NOT_NOW),
                (Some(_), None) => Some(NOBODY_LOOKED),
                (Some(_), Some(_)) => None,
            },
            subscriptions,
            losing: Vec::new(),
        }
    }
}

const HEALTHY: &str = "healthy";

impl Subscription {
    fn of(look: &HookLook, hook: &SeenHook, now: Time) -> Self {
        let (HookLook { organization, project, project_id, .. }, hook) = (look.clone(), hook.clone());
        Self {
            organization,
            project,
            project_id,
            event_type: hook.event_type,
            pipeline: hook.pipeline,
            state: hook.finding.unwrap_or_else(|| HEALTHY.to_owned()),
            says: hook.says,
            since: hook.since.map(|since| since.to_string()),
            subscription_id: hook.subscription_id,
            as_of: Some(look.at.to_string()),
            uncertain: look.is_late(now),
        }
    }
}
