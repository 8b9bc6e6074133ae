//! Dead letters as rows of one partition, two each.
//!
//! `t|{time left to the end of all time}|{id}` is the dead letter. The service has one order, that of the keys, so the
//! latest come first and a page is one query. `i|{id}` says when it died: whoever sets the same message aside again
//! finds it there, and one transaction inserts both or neither, so that the first reason and time stay. (A key of id
//! and insertion time alone could be upserted blindly, but lists nothing in the order in which people look.)
//!
//! A body that one property cannot hold has rows of its own, written before and removed after, in a partition that
//! names the death too: whoever still removes what was discarded does not meet the body of the same message, set aside
//! again meanwhile.
//!
//! Bodies are kept byte for byte. The reason holds text of strangers, so it is written as any service takes it: short,
//! and without what XML cannot hold.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;
use serde_json::{Value, json};

use super::AT_ONCE;
use super::bodies::{Bodies, CHUNK};
use super::rows::Rows;
use super::text::Stored;
use crate::azure::{date_time, key_in_url, plain_text};
use crate::domain::Time;
use crate::queue::{After, Dead, DeadLetter, DeadLetterFilter, QueueError, Reason};

/// Of a text column, in characters: it may hold 64 KiB in UTF-16.
const MOST_TEXT: usize = 15_000;
/// The longest id that can be ours; the service's are 36 characters.
const MOST_ID: usize = 64;

pub(super) struct DeadLetters {
    rows: Rows,
    bodies: Bodies,
    partition: String,
}

/// A dead letter as its row has it.
#[derive(Clone, Deserialize)]
struct Row {
    #[serde(rename = "RowKey")]
    key: String,
    id: String,
    code: String,
    sentence: String,
    path: Option<String>,
    tries: u32,
    #[serde(rename = "firstSeenAt")]
    first_seen: At,
    #[serde(rename = "deadAt")]
    dead: At,
    size: usize,
    /// Where it has no rows of its own.
    body: Option<String>,
}

/// What is found by a dead letter's id.
#[derive(Clone, Deserialize)]
struct Name {
    #[serde(rename = "deadAt")]
    dead: At,
    size: usize,
}

/// What dead letters are counted by.
#[derive(Clone, Deserialize)]
struct Code {
    code: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct At(Time);

impl TryFrom<String> for At {
    type Error = crate::domain::ParseTimeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Ok(Self(Time::parse(&text)?.unwrap_or(Time::UNKNOWN)))
    }
}

impl Row {
    fn with(self, body: Vec<u8>) -> DeadLetter {
        DeadLetter {
            id: self.id,
            reason: Reason { code: self.code, sentence: self.sentence, path: self.path },
            tries: self.tries,
            first_seen: self.first_seen.0,
            dead: self.dead.0,
            body,
        }
    }
}

impl DeadLetters {
    pub(super) fn new(rows: Rows, queue: &str) -> Self {
        Self { bodies: Bodies::new(rows.clone(), "dead-body"), partition: format!("dead|{queue}"), rows }
    }

    /// Whether it is new: the first to set a message aside says why and when.
    ///
    pub(super) async fn add(&self, letter: &DeadLetter) -> Result<bool, QueueError> {
        let body = body_of(&letter.id, letter.dead, letter.body.len());
        if let Some(body) = &body {
            self.bodies.write(&body.id, &letter.body).await?;
        }
        let added = self.insert(letter).await?;
        if let (false, Some(body)) = (added, &body) {
            self.withdraw(letter, body).await?;
        }
        Ok(added)
    }

    /// Removes the body of one that was not added. It may be one that was, with an answer that was lost.
    async fn withdraw(&self, letter: &DeadLetter, body: &Stored) -> Result<(), QueueError> {
        let stands = self.name(&letter.id).await?.is_some_and(|name| name.dead.0 == letter.dead);
        if stands { Ok(()) } else { self.bodies.remove(body).await }
    }

    /// What the service does not take of a reason must not bring the message back for ever, so it is left out then.
    async fn insert(&self, letter: &DeadLetter) -> Result<bool, QueueError> {
        let added = self.rows.insert(&self.partition, &rows(&self.partition, letter)).await;
        let Err(QueueError::Failed(why)) = added else { return added };
        let (id, code) = (&letter.id, &letter.reason.code);
        tracing::error!(message = id, code, error = why.to_string(), "table: a reason is refused and left out");
        let reason = Reason::new("reason_refused", format!("see the log of the worker at {}", letter.dead));
        let letter = DeadLetter { reason, ..letter.clone() };
        // If that is refused too, the table is at fault and not this message.
        let added = self.rows.insert(&self.partition, &rows(&self.partition, &letter)).await;
        added.map_err(QueueError::passing)
    }

    pub(super) async fn count(&self) -> Result<Dead, QueueError> {
        let letters = format!("{} and RowKey gt 't|' and RowKey lt 't}}'", self.here());
        let rows = self.rows.query::<Code>(letters, Some("code"), usize::MAX).await?;
        Ok(rows.into_iter().map(|row| row.code).collect())
    }

    pub(super) async fn page(
        &self,
        filter: &DeadLetterFilter,
        after: Option<&After>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, QueueError> {
        let mut from = filter.dead_before.map_or_else(|| "t|".to_owned(), behind_all);
        if let Some(After { dead, id }) = after {
            from = from.max(if can_be_ours(id) { row_key(*dead, id) } else { behind_all(*dead) });
        }
        // An empty page is the end, so it must not be one whose letters all were discarded meanwhile.
        loop {
            let rows = match &filter.ids {
                Some(ids) => self.chosen(ids, filter.code.as_deref(), &from, limit).await?,
                None => self.rows.query(self.behind(&from, filter.code.as_deref()), None, limit).await?,
            };
            let Some(last) = rows.last().map(|row: &Row| row.key.clone()) else { return Ok(Vec::new()) };
            let letters = self.with_bodies(rows).await?;
            if !letters.is_empty() {
                return Ok(letters);
            }
            from = last;
        }
    }

    pub(super) async fn find(&self, id: &str) -> Result<Option<DeadLetter>, QueueError> {
        match self.row(id).await? {
            Some(row) => self.with_body(row).await,
            None => Ok(None),
        }
    }

    /// Whether there was one.
    pub(super) async fn remove(&self, id: &str) -> Result<bool, QueueError> {
        let Some(name) = self.name(id).await? else { return Ok(false) };
        // In this order: a dead letter that is listed has its body.
        let removed = self.rows.delete_all(&self.partition, &[&row_key(name.dead.0, id), &format!("i|{id}")]).await?;
        if let Some(body) = body_of(id, name.dead.0, name.size) {
            self.bodies.remove(&body).await?;
        }
        Ok(removed)
    }

    fn here(&self) -> String {
        // Quotes are doubled here too.
        format!("PartitionKey eq '{}'", key_in_url(&self.partition))
    }

    /// Asks for the dead letters behind a key.
    fn behind(&self, from: &str, code: Option<&str>) -> String {
        let code = code.map(|code| format!(" and code eq '{}'", key_in_url(&fitting(code)))).unwrap_or_default();
        format!("{} and RowKey gt '{from}' and RowKey lt 't}}'{code}", self.here())
    }

    /// Those of these ids, as [`DeadLetters::behind`] would find them.
    async fn chosen(
        &self,
        ids: &[String],
        code: Option<&str>,
        from: &str,
        limit: usize,
    ) -> Result<Vec<Row>, QueueError> {
        let ids: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        let rows: Vec<_> = ids.into_iter().map(|id| self.row(id)).collect();
        let rows = stream::iter(rows).buffered(AT_ONCE);
        let mut rows: Vec<_> = rows.try_filter_map(|row| async { Ok(row) }).try_collect().await?;
        rows.retain(|row: &Row| row.key.as_str() > from && code.is_none_or(|code| row.code == fitting(code)));
        rows.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        rows.truncate(limit);
        Ok(rows)
    }

    async fn name(&self, id: &str) -> Result<Option<Name>, QueueError> {
        if !can_be_ours(id) {
            return Ok(None);
        }
        Ok(self.rows.get(&self.partition, &format!("i|{id}")).await?.map(|(name, _)| name))
    }

    async fn row(&self, id: &str) -> Result<Option<Row>, QueueError> {
        let Some(name) = self.name(id).await? else { return Ok(None) };
        Ok(self.rows.get(&self.partition, &row_key(name.dead.0, id)).await?.map(|(row, _)| row))
    }

    /// One without a body is being discarded.
    async fn with_bodies(&self, rows: Vec<Row>) -> Result<Vec<DeadLetter>, QueueError> {
        let letters = rows.into_iter().map(|row| self.with_body(row));
        let letters = stream::iter(letters).buffered(AT_ONCE);
        letters.try_filter_map(|letter| async { Ok(letter) }).try_collect().await
    }

    async fn with_body(&self, mut row: Row) -> Result<Option<DeadLetter>, QueueError> {
        let body = match (row.body.take(), body_of(&row.id, row.dead.0, row.size)) {
            (Some(body), _) => base64_simd::STANDARD.decode_to_vec(body).ok(),
            (None, Some(place)) => self.bodies.read(&place).await?,
            (None, None) => None,
        };
        Ok(body.map(|body| row.with(body)))
    }
}

/// Where a body is that has rows of its own.
fn body_of(id: &str, dead: Time, size: usize) -> Option<Stored> {
    (size > CHUNK).then(|| Stored { id: format!("{id}|{}", time_left(dead)), size })
}

/// People type ids, and not every text may stand in a key.
fn can_be_ours(id: &str) -> bool {
    !id.is_empty() && id.len() <= MOST_ID && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

fn row_key(dead: Time, id: &str) -> String {
    format!("t|{}|{id}", time_left(dead))
}

/// Behind the keys of all that died at this time.
fn behind_all(dead: Time) -> String {
    format!("t|{}~", time_left(dead))
}

/// The later, the less. As many digits as the greatest has.
fn time_left(time: Time) -> String {
    format!("{:019}", i64::MAX.saturating_sub(time.ticks()))
}

fn rows(partition: &str, letter: &DeadLetter) -> [Value; 2] {
    let DeadLetter { id, reason, tries, first_seen, dead, body } = letter;
    let name = json!({
        "PartitionKey": partition,
        "RowKey": format!("i|{id}"),
        "deadAt": dead.to_string(),
        "deadAt@odata.type": "Edm.DateTime",
        "size": body.len(),
    });
    let mut row = json!({
        "PartitionKey": partition,
        "RowKey": row_key(*dead, id),
        "id": id,
        "code": fitting(&reason.code),
        "sentence": fitting(&reason.sentence),
        "path": reason.path.as_deref().map(fitting),
        // A column of numbers without a type is one of 32 bits with a sign.
        "tries": (*tries).min(i32::MAX.unsigned_abs()),
        "firstSeenAt": date_time(*first_seen),
        "firstSeenAt@odata.type": "Edm.DateTime",
        "deadAt": date_time(*dead),
        "deadAt@odata.type": "Edm.DateTime",
        "size": body.len(),
    });
    if let (true, Some(columns)) = (body.len() <= CHUNK, row.as_object_mut()) {
        columns.insert("body".to_owned(), json!(base64_simd::STANDARD.encode_to_string(body)));
        columns.insert("body@odata.type".to_owned(), json!("Edm.Binary"));
    }
    [name, row]
}

fn fitting(text: &str) -> String {
    plain_text(text, MOST_TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_stand_in_a_key_is_an_id() {
        assert!(can_be_ours("0") && can_be_ours("0f8fad5b-d9cb-469f-a165-70867728950e"));
        for id in ["", "no such id", "a/b", "a\\b", "a#b", "a?b", "ä", &"x".repeat(65)] {
            assert!(!can_be_ours(id), "{id}");
        }
    }

    #[test]
    fn the_latest_has_the_first_key() {
        let key = |ticks| row_key(Time::from_ticks(ticks), "x");
        let keys = [i64::MAX, 17_000_000_000_000_000, 16_999_999_999_999_999, 1, 0].map(key);
        assert!(keys.is_sorted() && keys.iter().all(|key| key.len() == 23), "{keys:?}");
        let behind = behind_all(Time::from_ticks(1));
        assert!(key(1) < behind && behind < key(0));
    }

    #[test]
    fn any_text_is_made_to_fit() {
        assert_eq!(fitting("a\u{0}b\u{1b}c\n\u{fffe}ä🚀"), "a\u{fffd}b\u{fffd}c\n\u{fffd}ä🚀");
        let long = fitting(&"🚀".repeat(40_000));
        assert!(long.encode_utf16().count() <= 32 * 1024 && long.starts_with('🚀'));
    }
}
