//! Lists in pages. Where the next one begins is a place in the order of the list and no count, so that a page stays what
//! it is while items come and go.

use base64_simd::URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::Limit;
use crate::catalog::{Listing, LookedTo, Place, Placed};
use crate::http::Problem;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// What to send as `cursor` for the next page; null where this is the last one.
    pub(super) next_cursor: Option<String>,
    /// Only where the page ended before it was full, since so much had to be looked through: up to there nothing else
    /// fits, and behind it the next page looks on. Such a page may be empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) looked_to: Option<LookedTo>,
}

impl<T> Page<T> {
    pub(super) fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        let Self { items, next_cursor, looked_to } = self;
        Page { items: items.into_iter().map(change).collect(), next_cursor, looked_to }
    }
}

impl<T: Placed> Page<T> {
    /// Of items of which one more was asked for than a page has.
    pub(super) fn of(list: &str, mut items: Vec<T>, limit: Limit) -> Self {
        let more = items.len() > limit.count();
        items.truncate(limit.count());
        let last = items.last().filter(|_| more);
        let next_cursor = last.map(|last| written(list, &last.place()));
        Self { items, next_cursor, looked_to: None }
    }

    /// Of a list that is looked through part by part.
    pub(super) fn of_listing(list: &str, listing: Listing<T>) -> Self {
        let Listing { items, next, looked_to } = listing;
        Self { items, next_cursor: next.map(|place| written(list, &place)), looked_to }
    }
}

/// For callers it is a text without a meaning. The list is part of it: its order may be another one.
pub(super) fn written<P: Serialize>(list: &str, place: &P) -> String {
    URL_SAFE_NO_PAD.encode_to_string(serde_json::json!([list, place]).to_string())
}

/// What [`written`] gave for this list.
pub(super) fn read<P: serde::de::DeserializeOwned>(list: &str, cursor: &str) -> Option<P> {
    let bytes = URL_SAFE_NO_PAD.decode_to_vec(cursor).ok()?;
    let (of, place): (String, P) = serde_json::from_slice(&bytes).ok()?;
    (of == list).then_some(place)
}

/// Where the page begins that a caller asked for.
pub(super) fn after<T: Placed>(list: &str, cursor: Option<&str>) -> Result<Option<Place>, Problem> {
    let Some(cursor) = cursor else { return Ok(None) };
    read(list, cursor).filter(Place::is_of::<T>).map(Some).ok_or_else(no_cursor)
}

pub(super) fn no_cursor() -> Problem {
    Problem::bad_request("The cursor is none of this list: send `nextCursor` of the page before, with the same sort.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Gap, Run};

    #[test]
    fn a_cursor_is_of_one_list() {
        let place: Place = serde_json::from_str(r#"[7, "fabrikam", 1]"#).unwrap();
        let cursor = written("runs", &place);
        assert_eq!(after::<Run>("runs", Some(&cursor)), Ok(Some(place)));
        assert_eq!(after::<Run>("runs", None), Ok(None));
        assert_eq!(after::<Run>("others", Some(&cursor)), Err(no_cursor()));
        assert_eq!(after::<Gap>("runs", Some(&cursor)), Err(no_cursor()));
        for hostile in ["", "=", "x", "%00", "W10", "bnVsbA", &"A".repeat(10_000)] {
            assert_eq!(after::<Run>("runs", Some(hostile)), Err(no_cursor()), "{hostile}");
        }
    }
}
