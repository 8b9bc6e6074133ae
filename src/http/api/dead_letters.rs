//! Dead letters hold bodies of any project, so they are for administrators of all projects alone.

use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answers::OfAdmin;
use super::asked::{Asked, Id, short};
use super::page::{self, Page};
use crate::domain::Time;
use crate::http::Problem;
use crate::http::letters::{self, Act};
use crate::http::reader::Reader;
use crate::queue::{After, DeadLetter, DeadLetterFilter};
use crate::view::{DeadLetterJson, LetterBody};

const LIST: &str = "deadLetters";

/// A page holds bodies of up to 2 MiB each.
const MOST: u32 = 32;

/// Which dead letters.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The code of their reason, such as `no_run_id`.
    reason: Option<String>,
    #[serde(default)]
    #[param(value_type = u32, required = false, minimum = 1, maximum = 32, default = 32)]
    limit: Few,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Few(u32);

impl Default for Few {
    fn default() -> Self {
        Self(MOST)
    }
}

impl TryFrom<String> for Few {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| (1..=MOST).contains(number));
        number.map(Self).ok_or_else(|| format!("not a number from 1 to {MOST}"))
    }
}

/// Nothing can be asked with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// How many dead letters it was done to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    count: usize,
}

/// Dead letters, the latest first.
#[utoipa::path(
    get,
    path = "/api/v1/dead-letters",
    operation_id = "listDeadLetters",
    tag = "dead letters",
    params(Wanted),
    responses((status = 200, body = Page<DeadLetterJson>), OfAdmin)
)]
pub(super) async fn list(reader: Reader, Asked(wanted): Asked<Wanted>) -> Result<Json<Page<DeadLetterJson>>, Problem> {
    reader.caller.as_admin_of_all()?;
    let Wanted { reason, limit: Few(limit), cursor } = wanted;
    let filter = DeadLetterFilter { code: reason, ..DeadLetterFilter::default() };
    let after = cursor.as_deref().map(place).transpose()?;
    let letters = reader.queue.dead_letters(&filter, after.as_ref(), usize::try_from(limit).unwrap_or(1)).await?;
    let last = letters.last().map(After::from);
    // A page may be short though more follow; only an empty one is the end.
    let more = match &last {
        Some(last) => !reader.queue.dead_letters(&filter, Some(last), 1).await?.is_empty(),
        None => false,
    };
    let next_cursor = last.filter(|_| more).map(|last| page::written(LIST, &(last.dead.ticks(), last.id)));
    Ok(Json(Page { items: letters, next_cursor, looked_to: None }.map(json)))
}

fn place(cursor: &str) -> Result<After, Problem> {
    let place: Option<(i64, String)> = page::read(LIST, cursor);
    place.map(|(dead, id)| After { dead: Time::from_ticks(dead), id }).ok_or_else(page::no_cursor)
}

/// One dead letter.
#[utoipa::path(
    get,
    path = "/api/v1/dead-letters/{id}",
    operation_id = "showDeadLetter",
    tag = "dead letters",
    params(("id" = String, Path, description = "Its id, from the list")),
    responses((status = 200, body = DeadLetterJson), OfAdmin)
)]
pub(super) async fn show(
    reader: Reader,
    Id(id): Id,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Json<DeadLetterJson>, Problem> {
    reader.caller.as_admin_of_all()?;
    let filter = DeadLetterFilter { ids: Some(vec![id.clone()]), ..DeadLetterFilter::default() };
    let found = reader.queue.dead_letters(&filter, None, 1).await?;
    found.into_iter().next().map(|letter| Json(json(letter))).ok_or_else(|| missing(&id))
}

/// Puts it back on the queue, with no tries counted.
#[utoipa::path(
    post,
    path = "/api/v1/dead-letters/{id}/requeue",
    operation_id = "requeueDeadLetter",
    tag = "dead letters",
    params(("id" = String, Path, description = "Its id, from the list")),
    responses((status = 200, body = Done), OfAdmin)
)]
pub(super) async fn requeue(
    reader: Reader,
    Id(id): Id,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Json<Done>, Problem> {
    told(&id, letters::act(&reader, Act::Requeue, &id).await?)
}

/// Removes it for good.
#[utoipa::path(
    post,
    path = "/api/v1/dead-letters/{id}/discard",
    operation_id = "discardDeadLetter",
    tag = "dead letters",
    params(("id" = String, Path, description = "Its id, from the list")),
    responses((status = 200, body = Done), OfAdmin)
)]
pub(super) async fn discard(
    reader: Reader,
    Id(id): Id,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Json<Done>, Problem> {
    told(&id, letters::act(&reader, Act::Discard, &id).await?)
}

fn told(id: &str, count: usize) -> Result<Json<Done>, Problem> {
    if count == 0 { Err(missing(id)) } else { Ok(Json(Done { count })) }
}

fn missing(id: &str) -> Problem {
    Problem::missing(format!("Dead letter {}: not found.", short(id)))
}

fn json(letter: DeadLetter) -> DeadLetterJson {
    DeadLetterJson {
        id: letter.id,
        reason: letter.reason.to_string(),
        path: letter.reason.path,
        tries: letter.tries,
        first_seen_at: letter.first_seen,
        dead_at: letter.dead,
        body: LetterBody::new(letter.body),
    }
}
